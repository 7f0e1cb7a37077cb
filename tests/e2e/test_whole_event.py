"""`ninepic all`: every original of an event, once, however its list behaves, and a status that tells the truth."""

import hashlib
import io
import signal
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli.inputs.filters import Shard
from ninepic_cli.sandbox import Fault, StoredPhoto, World
from ninepic_cli.sandbox.data import RACE_DAY
from tests.support.clock import until
from tests.support.command import Ninepic, Start
from tests.support.event_lists import LINKS, SIZE, at_list, in_list, page, refused, store_nothing


def on_disk(folder: Path) -> set[str]:
    """The photos below a folder."""
    return {path.stem for path in folder.rglob("*.jpg") if ".ninepic" not in path.parts}


def ids(lines: Iterable[dict[str, Any]]) -> list[str]:
    """The image ids of JSON lines."""
    return [line["image_id"] for line in lines]


def test_everything_arrives_once_and_in_order(ninepic: Ninepic, sandbox: Start) -> None:
    """All photos arrive while the list is read, are named by their place in it, and are not asked for again."""
    box = sandbox(World.generate(photos=230, size=SIZE))
    order = box.world.timeline.ids
    given = ("all", "-o", "out", "--json", "--name", "{method}/{identifier}/{index:06}-{filename}")
    result = ninepic(*given)
    assert result.status == 0, result.err
    lines = result.photos("downloaded")
    assert sorted(ids(lines)) == sorted(order)
    assert {line["identifier"] for line in lines} == {"456"}
    expected = {f"out/event/456/{place:06}-{image_id}.jpg" for place, image_id in enumerate(order, 1)}
    assert {line["path"] for line in lines} == expected
    assert {str(path.relative_to(ninepic.home)) for path in (ninepic.home / "out").rglob("*.jpg")} == expected
    *_, event, summary = result.json
    assert event == {
        "type": "identifier",
        "identifier": "456",
        "status": "done",
        "found": 230,
        "code": None,
        "error": None,
    }
    assert (summary["downloaded"], summary["exit_code"]) == (230, 0)
    lists, links = box.requests_to("api", method="GET"), box.requests_to("api", method="POST")
    assert [request.query for request in lists] == [f"page={number}&page_size=100" for number in (1, 2, 3)]
    assert len(links) == 4
    assert all(b'"image_ids"' in request.body for request in links)
    requests = list(box.requests)
    assert requests.index(box.requests_to("store")[0]) < requests.index(links[2])  # one page's worth is not waited for
    assert requests.index(box.requests_to("store")[40]) < requests.index(lists[2])

    result = ninepic(*given)
    assert (result.status, len(result.photos("skipped"))) == (0, 230)
    assert len(box.requests_to("store")) == 230


def test_spread_shards_and_dry_runs(ninepic: Ninepic, sandbox: Start) -> None:
    """A dry run says where all would go; --spread makes folders by hash, and a shard has the list's own places."""
    box = sandbox(World.generate(photos=110, size=SIZE))
    places = dict(enumerate(box.world.timeline.ids, 1))
    result = ninepic("all", "--dry-run", "--spread", "-o", "out")
    shares = {image_id: hashlib.sha256(image_id.encode()).hexdigest()[:2] for image_id in places.values()}
    assert result.out.splitlines() == [f"out/{shares[image_id]}/{image_id}.jpg" for image_id in places.values()]
    assert "dry run: 110 would be downloaded" in result.err
    assert result.status == 0
    shard = Shard(2, 3)
    ours = {place: image_id for place, image_id in places.items() if shard.has(image_id)}
    name = "{event}/{index}-{stem}{ext}"
    result = ninepic("all", "--shard", "2/3", "--spread", "--name", name, "-o", "out", "--json")
    assert result.status == 0, result.err
    assert {line["path"] for line in result.photos("downloaded")} == {
        f"out/{shares[image_id]}/456/{place}-{image_id}.jpg" for place, image_id in ours.items()
    }
    assert len(box.requests_to("store")) == len(ours)
    assert result.json[-2]["found"] == len(ours)


def test_zips(ninepic: Ninepic, sandbox: Start) -> None:
    """The event goes into a ZIP, into one of its own name, or to standard output."""
    box = sandbox(World.generate(photos=20, size=SIZE))
    expected = {f"{image_id}.jpg" for image_id in box.world.photos}
    result = ninepic("all", "--zip", "{identifier}-{method}.zip", "-q")
    assert result.status == 0, result.err
    run = ninepic.start("all", "--zip", "-", "--shard", "1/2", text=False)
    piped, _ = run.communicate(timeout=30)
    with zipfile.ZipFile(ninepic.home / "456-event.zip") as whole, zipfile.ZipFile(io.BytesIO(piped)) as half:
        assert (whole.testzip(), half.testzip()) == (None, None)
        assert set(whole.namelist()) == expected
        assert set(half.namelist()) == {f"{each}.jpg" for each in box.world.photos if Shard(1, 2).has(each)}


def test_without_an_event(ninepic: Ninepic) -> None:
    """Where no event is configured there is a summary, and no line about an event that nobody has named."""
    result = ninepic("all", "--json")
    assert (result.status, [line["type"] for line in result.json]) == (3, ["summary"])
    assert result.json[0]["identifiers_failed"] == 0


def test_a_stretch_of_time(ninepic: Ninepic, sandbox: Start) -> None:
    """Photos taken from a time on and before another are taken, and the untimed ones are counted."""
    times = {"early": -1.0, "first": 0.0, "last": 3599.0, "end": 3600.0, "never": None}
    world = World(
        photos={
            name: StoredPhoto(name, SIZE, taken=None if seconds is None else RACE_DAY + seconds)
            for name, seconds in times.items()
        }
    )
    box = sandbox(world)
    result = ninepic("all", "--since", "2025-09-15", "--until", "2025-09-14", "--failed-to", "again.txt")
    assert (result.status, result.out, box.requests) == (2, "", []), result.err
    assert not (ninepic.home / "again.txt").exists()
    result = ninepic("all", "--since", "2025-09-14T11:00+02:00", "--until", "2025-09-14T10:00", "-o", "out")
    assert result.status == 0, result.err
    assert on_disk(ninepic.home / "out") == {"first", "last"}
    assert "since 2025-09-14 09:00 UTC and before 2025-09-14 10:00 UTC (no offset given" in result.err
    assert "warning: skipped 1 photo without a capture time\n" in result.err
    world.photos.pop("never")
    result = ninepic("all", "--since", "2025-09-14T10:00:01Z", "--json", "-o", "empty")
    assert (result.status, result.json[0]["status"], result.json[0]["found"]) == (4, "missing", 0)
    assert "no photos found for event 456 taken since 2025-09-14 10:00:01 UTC" in result.err
    assert "warning" not in result.err
    assert not (ninepic.home / "empty").exists()


def test_what_fails_can_be_asked_for_again(ninepic: Ninepic, sandbox: Start) -> None:
    """What failed is written down by its id, what the service does not have is not, and the rest is on the disk."""
    world = World.generate(photos=70, size=SIZE)
    order = world.timeline.ids
    store_nothing(world, order[10:12])
    world.photos[order[20]].has_object = False
    box = sandbox(world, faults=[Fault(path=order[30], status=400, nth=1)])
    result = ninepic("all", "-o", "out", "--json", "--failed-to", "again.txt")
    assert result.status == 5
    assert sorted(ids(result.photos("missing"))) == sorted([*order[10:12], order[20]])
    assert ids(result.photos("failed")) == [order[30]]
    assert (ninepic.home / "again.txt").read_text() == f"{order[30]}\n"
    assert result.json[-2]["status"] == "failed"
    assert ninepic("images", "--from-file", "again.txt", "-o", "out").status == 0
    assert on_disk(ninepic.home / "out") == set(order) - {*order[10:12], order[20]}
    result = ninepic("all", "-o", "out", "--failed-to", "again.txt", "-q")
    assert (result.status, result.err, (ninepic.home / "again.txt").read_text()) == (4, "", "")
    assert len(box.requests_to("store", contains=order[0])) == 1


def test_a_list_that_breaks_off(ninepic: Ninepic, sandbox: Start) -> None:
    """What was listed before the list broke off is fetched; the status and the list of leftovers say that more is."""
    world = World.generate(photos=120, size=SIZE)
    order = world.timeline.ids
    evil = ["#x", "a,b", "a\nb", "\ud800", " a", "x" * 2000]
    change = in_list(lambda data: data.update(images=[{"image_id": each} for each in [*order[:95], *evil]]), nth=1)
    silent = Fault(server="api", path=LINKS, mutate=lambda payload: payload["data"].update(failed_urls=[]))
    broken = at_list(path=page(2), status=500)
    box = sandbox(world, faults=[change, silent, broken, Fault(path=order[3], status=400)])
    result = ninepic("all", "-o", "out", "--json", "--retries", "0", "--failed-to", "again.txt")
    assert result.status == 6
    assert on_disk(ninepic.home / "out") == set(order[:95]) - {order[3]}
    assert sorted(ids(result.photos("failed"))) == sorted([*evil, order[3]])
    comment, *rest = (ninepic.home / "again.txt").read_text().splitlines()
    assert comment.startswith("# not all")
    assert rest == [order[3]]
    event = result.json[-2]
    assert (event["identifier"], event["status"], event["found"]) == ("456", "failed", 101)
    box.faults = []
    assert ninepic("all", "-o", "out").status == 0
    assert on_disk(ninepic.home / "out") == set(order)
    assert len(box.requests_to("store")) == 121


def test_a_signal_in_the_middle(ninepic: Ninepic, sandbox: Start) -> None:
    """Ctrl-C ends it by the signal with a summary; what is left is written down, and the next run goes on."""
    box = sandbox(World.generate(photos=90, size=40_000), store_rate=400_000)
    run = ninepic.start("all", "-o", "out", "--failed-to", "again.txt", "-j", "2")
    until(lambda: len(list((ninepic.home / "out").glob("*.jpg"))) >= 5)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=10)
    assert run.returncode == -signal.SIGINT
    assert "interrupted: " in err
    assert "1 event incomplete" in err
    comment, *rest = (ninepic.home / "again.txt").read_text().splitlines()
    assert comment.startswith("# not all")
    there = on_disk(ninepic.home / "out")
    assert rest
    assert set(rest) <= set(box.world.photos) - there
    box.stop()
    box = sandbox(box.world)
    assert ninepic("all", "-o", "out").status == 0
    assert on_disk(ninepic.home / "out") == set(box.world.photos)
    assert len(box.requests_to("store")) == 90 - len(there)


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        (at_list(status=422), 2, "malformed"),
        (in_list(lambda data: data.update(images=[{"id": 1}, 2, None, {"image_id": 3}])), 6, "without ids"),
    ],
)
def test_a_list_that_is_none(ninepic: Ninepic, sandbox: Start, fault: Fault, status: int, words: str) -> None:
    """A list that is refused or none ends the run with a status and words that say so."""
    result = refused(ninepic, sandbox(World.generate(photos=3, size=SIZE)), fault)
    assert result.status == status, result.err
    assert words in result.err
    assert (ninepic.home / "again.txt").read_text().startswith("# not all")


@pytest.mark.usefixtures("quick_retries")
class TestOriginals:
    """All photos of an event are asked about; that none is stored is said when that is known."""

    def test_none_of_many(self, ninepic: Ninepic, sandbox: Start) -> None:
        """The first 1,200 photos without an original are told once, and all others are asked about before the end."""
        box = sandbox(World.generate(photos=1500, size=SIZE))
        store_nothing(box.world, box.world.photos)
        result = ninepic("all", "-o", "out", "--failed-to", "again.txt")
        assert result.status == 4
        first = result.err.splitlines()[0]
        assert "warning: no originals in storage for the first 1,200 photos of event 456: " in first
        assert "Store Original Memories" in first
        assert "no originals in storage for 1,500 photos of event 456" in result.err
        assert len(box.requests_to("api", method="GET")) == 15
        assert len(box.requests_to("api", method="POST")) == 25
        assert (ninepic.home / "again.txt").read_text() == ""
        assert not (ninepic.home / "out").exists()
