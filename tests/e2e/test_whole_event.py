"""`ninepic all`: every original of an event, once, however its list behaves, and a status that tells the truth."""

import hashlib
import io
import signal
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli.api.client import Api
from ninepic_cli.api.event_listing import EventListing
from ninepic_cli.errors import NinepicError
from ninepic_cli.inputs.filters import ALL_PHOTOS, EventFilter, Period, Shard
from ninepic_cli.models import Credentials, Failed, Method, Photo
from ninepic_cli.net.client import Client
from ninepic_cli.net.retry import HostThrottle
from ninepic_cli.sandbox import Fault, Request, Sandbox, StoredPhoto, World
from ninepic_cli.sandbox.data import RACE_DAY
from ninepic_cli.system.shutdown import CancelToken
from ninepic_cli.updates import IdentifierListed, PhotoFinished, Update, WarningRaised
from tests.support.command import Ninepic, Result, Start, in_data, until

SIZE = 3000
LIST, LINKS = "/images?", "/original-photos?"


def at_list(**what: Any) -> Fault:
    """Something that goes wrong with requests for the event's list."""
    return Fault(server="api", **{"path": LIST, **what})


def page(number: int) -> str:
    """What the request for a page of the list has in it."""
    return f"/images?page={number}&page_size=100"


def in_list(change: Callable[[dict[str, Any]], object], **what: Any) -> Fault:
    """An answer about the event's list whose data is changed."""
    return at_list(mutate=in_data(change), **what)


def on_disk(folder: Path) -> set[str]:
    """The photos below a folder."""
    return {path.stem for path in folder.rglob("*.jpg") if ".ninepic" not in path.parts}


def ids(lines: Iterable[dict[str, Any]]) -> list[str]:
    """The image ids of JSON lines."""
    return [line["image_id"] for line in lines]


def store_nothing(world: World, image_ids: Iterable[str]) -> None:
    """The service has no originals of these photos."""
    for image_id in image_ids:
        world.photos[image_id].has_original = False


class Brought:
    """What a catalogue brought."""

    def __init__(self) -> None:
        self.events: list[Update] = []
        self.photos: list[Photo] = []
        self.missing: list[str] = []
        self.failed: dict[str, str] = {}
        self.end: IdentifierListed | None = None
        self.trouble: NinepicError | None = None

    @property
    def ids(self) -> list[str]:
        """The photos to fetch, in order."""
        return [photo.image_id for photo in self.photos]

    @property
    def warnings(self) -> list[str]:
        """What people were told."""
        return [event.message for event in self.events if isinstance(event, WarningRaised)]

    @property
    def ending(self) -> str:
        """How the listing ended: "" if well, else the kind of error."""
        error = self.trouble or (self.end and self.end.error)
        return type(error).__name__ if error else ""

    def take(self, entries: Iterator[Any]) -> None:
        """Take all in."""
        try:
            for entry in entries:
                match entry:
                    case Photo():
                        self.photos.append(entry)
                    case PhotoFinished(photo, Failed(error) as outcome) if outcome.is_missing:
                        self.missing.append(photo.image_id)
                        assert error.message
                    case PhotoFinished(photo, Failed(error)):
                        self.failed[photo.image_id] = error.code
                    case IdentifierListed():
                        self.end = entry
        except NinepicError as error:
            self.trouble = error


def brought(box: Sandbox, choice: EventFilter = ALL_PHOTOS, *, retries: int = 2) -> Brought:
    """What the catalogue of a sandbox's event brings, in this process."""
    stop, found = CancelToken(), Brought()
    access = Credentials(box.world.api_key, box.world.org_id, box.world.event_id, box.base_url)
    host = HostThrottle("api", give_up_after_s=600, stop=stop)
    with closing(Client(timeout_s=5, connections=2, environ={})) as client:
        api = Api(access, client=client, host=host, retries=retries, stop=stop)
        found.take(EventListing(api, event_id=456, choice=choice, on_update=found.events.append).entries())
    return found


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
    assert "dry run: 110 would be fetched" in result.err
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
    assert "from 2025-09-14 09:00 UTC on and before 2025-09-14 10:00 UTC (a time without" in result.err
    assert "warning: not taken, because their capture time is not known: 1 photo\n" in result.err
    world.photos.pop("never")
    result = ninepic("all", "--since", "2025-09-14T10:00:01Z", "--json", "-o", "empty")
    assert (result.status, result.json[0]["status"], result.json[0]["found"]) == (4, "missing", 0)
    assert "no photos of event 456 taken from 2025-09-14 10:00:01 UTC on" in result.err
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
    assert "stopped by SIGINT" in err
    assert "1 event not finished" in err
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


def refused(ninepic: Ninepic, box: Sandbox, fault: Fault) -> Result:
    """A run that brings nothing."""
    box.faults = [fault]
    result = ninepic("all", "-o", "out", "--retries", "0", "--failed-to", "again.txt")
    assert result.out == ""
    assert len(result.err.splitlines()) <= 4, result.err
    assert box.requests_to("store") == []
    assert not (ninepic.home / "out").exists()
    return result


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
class TestLists:
    """The event's list may shift, repeat itself and break off."""

    @pytest.mark.parametrize("photos", [1, 59, 60, 61, 99, 100, 101, 120, 300, 301])
    def test_all_lengths(self, photos: int) -> None:
        """Every photo comes once, in the list's order and with its place, in as few requests as there can be."""
        with Sandbox(World.generate(photos=photos, size=SIZE)) as box:
            found = brought(box)
            assert found.ids == box.world.timeline.ids
            assert [photo.index for photo in found.photos] == list(range(1, photos + 1))
            assert {(photo.identifier, photo.method) for photo in found.photos} == {("456", Method.EVENT)}
            assert len(box.requests_to("api", method="GET")) == -(-photos // 100)
            assert len(box.requests_to("api", method="POST")) == -(-photos // 60)
        assert (found.ending, found.warnings) == ("", [])
        assert found.end
        assert found.end.found == photos

    @pytest.mark.parametrize("grows", [False, True])
    def test_a_list_that_shifts(self, grows: bool) -> None:
        """Photos that go or come while pages are asked for hide none of the others: the list is read again."""
        world = World.generate(photos=350, size=SIZE)
        before = list(world.timeline.ids)

        def shift(_: Request) -> None:
            for number in range(10):
                if grows:
                    world.photos[f"new-{number}"] = StoredPhoto(f"new-{number}", SIZE, taken=0.0)
                else:
                    world.photos.pop(before[number], None)

        with Sandbox(world, faults=[at_list(path=page(2), nth=1, action=shift)]) as box:
            found = brought(box)
        assert len(found.ids) == len(set(found.ids))
        assert set(found.ids) == set(before) | set(world.photos)
        assert found.ending == ""

    def test_parts_of_a_list_that_grows(self) -> None:
        """Every photo is in the part that it was in, also when others have come before it, and has its new place."""
        with Sandbox(World.generate(photos=150, size=SIZE)) as box:
            before = [brought(box, EventFilter(Shard(number, 3))).ids for number in (1, 2, 3)]
            for number in range(30):
                box.world.photos[f"new-{number}"] = StoredPhoto(f"new-{number}", SIZE, taken=0.0)
            after = [brought(box, EventFilter(Shard(number, 3))) for number in (1, 2, 3)]
            places = {image_id: place for place, image_id in enumerate(box.world.timeline.ids, 1)}
        assert sum(map(len, before)) == 150
        for old, new in zip(before, after, strict=True):
            assert [image_id for image_id in new.ids if not image_id.startswith("new")] == old
            assert {photo.image_id: photo.index for photo in new.photos}.items() <= places.items()

    def test_pages_that_repeat(self) -> None:
        """A page that comes a second time in place of another costs nothing but a further look."""
        world = World.generate(photos=350, size=SIZE)
        with Sandbox(world, faults=[at_list(path=page(2), page=1, nth=1)]) as box:
            found = brought(box)
        assert sorted(found.ids) == sorted(world.photos)
        assert found.ending == ""

    def test_a_list_that_is_shorter_than_it_says(self) -> None:
        """A list that stays shorter than the service says, to its last page, is complete, with a warning."""
        more = in_list(lambda data: data["pagination"].update(total=251))
        with Sandbox(World.generate(photos=250, size=SIZE), faults=[more]) as box:
            found = brought(box)
        assert (len(found.ids), found.ending) == (250, "")
        assert found.warnings == [
            "the service said that event 456 has 251 photos, and listed 250; the listing is taken as complete"
        ]

    @pytest.mark.parametrize(
        ("fault", "listed"),
        [
            (at_list(path=page(3), status=404), 200),
            (in_list(lambda data: data.update(images=[], pagination={}), path=page(2)), 100),
            (in_list(lambda data: data.update(images=[]), path=page(3)), 200),
            (in_list(lambda data: data.update(images=[]), path=page(1)), 0),
            (in_list(lambda data: data["pagination"].update(hasNextPage=False), path=page(2)), 200),
        ],
    )
    def test_a_list_that_ends_before_its_last_page(self, fault: Fault, listed: int) -> None:
        """A list that lacks photos, and the pages that they must be on, is not complete, and nobody is told it were."""
        with Sandbox(World.generate(photos=250, size=SIZE), faults=[fault]) as box:
            found = brought(box)
            assert found.ids == box.world.timeline.ids[:listed]
        assert (found.ending, found.warnings) == ("NotListedError", [])
        with Sandbox(World.generate(photos=250, size=SIZE), faults=[replace(fault, nth=1)]) as box:
            found = brought(box)  # where it happens once, a further look finds the rest
        assert (len(found.ids), found.ending) == ((250, "") if listed else (0, "NotListedError"))

    @pytest.mark.parametrize(
        "fault",
        [
            at_list(path=page(1), nth=range(2, 99), status=404),
            at_list(path=page(3), nth=range(2, 99), status=400),
            at_list(path=page(2), nth=range(2, 99), status=500),
            in_list(lambda data: data.update(images=[]), path=page(2), nth=range(2, 99)),
            in_list(lambda data: data.update(images=[], pagination={"totalPages": 9}), path=page(5)),
        ],
    )
    def test_a_list_that_was_read_to_its_end_is_complete(self, fault: Fault) -> None:
        """The furthest page ever counts: a further look that does not come as far takes nothing back."""
        more = in_list(lambda data: data["pagination"].update(total=400))
        with Sandbox(World.generate(photos=350, size=SIZE), faults=[more, fault]) as box:
            found = brought(box)
        assert (len(found.ids), found.ending) == (350, "")
        assert found.warnings == [
            "the service said that event 456 has 400 photos, and listed 350; the listing is taken as complete"
        ]

    def test_a_page_without_photos_takes_no_page_back(self) -> None:
        """An empty page that says that there is no other does not make a list complete that lacks photos."""
        nothing = in_list(lambda data: data.update(images=[], pagination={"total": 0, "totalPages": 0}), path=page(3))
        with Sandbox(World.generate(photos=350, size=SIZE), faults=[nothing]) as box:
            found = brought(box)
        assert (len(found.ids), found.ending, found.warnings) == (200, "NotListedError", [])

    def test_a_photo_without_an_id(self) -> None:
        """A photo that is listed without an id cannot be asked for; the others come, and the list is not whole."""
        nameless = in_list(lambda data: data["images"][3].pop("image_id"), path=page(1))
        with Sandbox(World.generate(photos=120, size=SIZE), faults=[nameless]) as box:
            found = brought(box)
            assert set(found.ids) == set(box.world.photos) - {box.world.timeline.ids[3]}
        assert found.ending == "NotListedError"
        assert found.end
        assert found.end.error
        assert "1 photo of event 456 without an id" in found.end.error.message

    @pytest.mark.parametrize(
        ("fault", "ending", "listed"),
        [
            (at_list(path=page(2), status=500), "ServiceFailedError", 100),
            (at_list(path=page(2), status=422), "NotListedError", 100),
            (at_list(path=page(2), status=403), "NotAllowedError", 60),
            (in_list(lambda data: data.update(images=[{}]), path=page(2)), "ServiceFailedError", 100),
            (at_list(path=page(2), cut_after=0.5, nth=1), "", 250),
            (at_list(path=page(2), status=429, headers={"Retry-After": "0"}, nth=1), "", 250),
        ],
    )
    def test_a_page_that_is_not_to_be_had(self, fault: Fault, ending: str, listed: int) -> None:
        """A list that breaks off is not whole, and what was listed before is fetched, unless nothing can be."""
        with Sandbox(World.generate(photos=250, size=SIZE), faults=[fault]) as box:
            found = brought(box)
            assert found.ids == box.world.timeline.ids[:listed]
        assert found.ending == ending

    def test_links_that_are_not_to_be_had(self) -> None:
        """Photos whose links cannot be had have failed, each of them, and the others come."""
        with Sandbox(World.generate(photos=250, size=SIZE)) as box:
            box.faults = [Fault(server="api", path=LINKS, nth=range(2, 5), status=500)]
            found = brought(box)
            order = box.world.timeline.ids
        assert found.ids == order[:60] + order[120:]
        assert list(found.failed) == order[60:120]
        assert found.ending == ""

    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            (at_list(status=500), "500"),
            (at_list(status=404), "the service has no photos of event 456"),
            (at_list(status=403), "the key is good, but not for event 456"),
            (in_list(lambda data: data.pop("images")), "answered 200 with no list of photos"),
            (in_list(lambda data: data.update(images={"a": 1})), "answered 200 with no list of photos"),
            (in_list(lambda data: data.update(images=[], pagination={})), "the service has no photos of event 456"),
            (at_list(body="[]"), "not the service's JSON"),
            (Fault(server="api", status=404), "event 456 does not exist"),
        ],
    )
    def test_a_first_page_that_is_none(self, fault: Fault, words: str) -> None:
        """An event that does not exist, one without photos and answers that are no list have words of their own."""
        with Sandbox(World.generate(photos=3, size=SIZE), faults=[fault]) as box:
            found = brought(box)
        error = found.trouble or (found.end and found.end.error)
        assert error
        assert words in error.message
        assert found.photos == []


@pytest.mark.usefixtures("quick_retries")
class TestOriginals:
    """All photos of an event are asked about; that none is stored is said when that is known."""

    @pytest.mark.parametrize("photos", [1, 250, 1201])
    def test_none_of_few(self, photos: int) -> None:
        """All photos of a small event are asked about; none of them stored is a reason of its own."""
        with Sandbox(World.generate(photos=photos, size=SIZE)) as box:
            store_nothing(box.world, box.world.photos)
            found = brought(box)
            assert len(box.requests_to("api", method="POST")) == -(-photos // 60)
        assert (len(found.missing), found.ids, found.ending) == (photos, [], "MissingError")
        assert found.end
        assert found.end.error
        assert f"none of {photos:,} photo" in found.end.error.message
        assert "Store Original Memories" in (found.end.error.hint or "")

    def test_none_of_many(self, ninepic: Ninepic, sandbox: Start) -> None:
        """The first 1,200 photos without an original are told once, and all others are asked about before the end."""
        box = sandbox(World.generate(photos=1500, size=SIZE))
        store_nothing(box.world, box.world.photos)
        result = ninepic("all", "-o", "out", "--failed-to", "again.txt")
        assert result.status == 4
        first = result.err.splitlines()[0]
        assert "warning: the service has the original of none of the first 1,200 photos of event 456: " in first
        assert "Store Original Memories" in first
        assert "event 456: the service has the original of none of 1,500 photos" in result.err
        assert len(box.requests_to("api", method="GET")) == 15
        assert len(box.requests_to("api", method="POST")) == 25
        assert (ninepic.home / "again.txt").read_text() == ""
        assert not (ninepic.home / "out").exists()

    @pytest.mark.parametrize(
        ("photos", "where"),
        [(1300, slice(1200, 1201)), (1300, slice(1299, 1300)), (3000, slice(2500, 2530))],
    )
    def test_some_of_many(self, photos: int, where: slice) -> None:
        """Originals that begin late are found, however few, and nothing is said of all being without."""
        with Sandbox(World.generate(photos=photos, size=SIZE)) as box:
            order = box.world.timeline.ids
            store_nothing(box.world, set(order) - set(order[where]))
            found = brought(box)
        assert found.ids == order[where]
        assert len(found.missing) == photos - len(order[where])
        assert found.ending == ""
        assert [each.count("first 1,200 photos") for each in found.warnings] == [1]

    def test_one_original_is_enough(self) -> None:
        """Where the first 1,200 photos have an original among them, nothing is said about the others."""
        with Sandbox(World.generate(photos=1210, size=SIZE)) as box:
            order = box.world.timeline.ids
            store_nothing(box.world, set(order) - {order[1199]})
            found = brought(box)
        assert (found.ids, found.warnings, found.ending) == ([order[1199]], [], "")

    def test_parts_of_an_event_without_originals(self) -> None:
        """A shard speaks for its own photos, at the end as in the warning."""
        with Sandbox(World.generate(photos=2600, size=SIZE)) as box:
            store_nothing(box.world, box.world.photos)
            found = brought(box, EventFilter(Shard(1, 2)))
            ours = [image_id for image_id in box.world.timeline.ids if Shard(1, 2).has(image_id)]
        assert sorted(found.missing) == sorted(ours)
        assert found.end
        assert found.end.error
        assert f"none of {len(ours):,} photos" in found.end.error.message
        assert ["first 1,200 photos" in each for each in found.warnings] == [True]

    def test_photos_without_links_are_no_proof(self) -> None:
        """Requests that fail say nothing about originals: what failed is told, and no more than that."""
        with Sandbox(World.generate(photos=1300, size=SIZE)) as box:
            store_nothing(box.world, box.world.photos)
            box.faults = [Fault(server="api", path=LINKS, nth=range(3, 6), status=500)]
            found = brought(box)
        assert (len(found.missing), len(found.failed), found.warnings, found.ending) == (1240, 60, [], "")

    def test_the_untimed_may_be_uncountable(self) -> None:
        """Where the service does not count photos, people are told that, and those of the stretch come all the same."""
        refused = at_list(path="/event/456/images?", status=403)
        with Sandbox(World.generate(photos=20, size=SIZE), faults=[refused]) as box:
            found = brought(box, EventFilter(period=Period.parse("2025-09-14", None)))
        assert found.ids
        assert found.warnings == ["photos without a capture time are not taken; how many there are is not known"]
