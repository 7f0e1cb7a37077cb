"""Photos through the command, whatever happens on the way: each is the store's object, or told to be missing."""

import hashlib
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli.sandbox import Fault, Sandbox, World
from ninepic_cli.sandbox.data import BIB
from tests.support.command import Ninepic, Start
from tests.support.files import files_in
from tests.support.transfers import (
    CUT,
    HTML,
    SCRAP,
    SIZE,
    XML,
    expired,
    objects,
    parts,
    statuses,
)


@pytest.fixture
def fetch(ninepic: Ninepic, tmp_path: Path) -> Callable[..., Any]:
    """Runs the command for the usual bib with JSON lines into the folder `out`."""
    return lambda *args: ninepic("bib", BIB, "--json", "-o", tmp_path / "out", *args)


def test_the_command_tells_what_it_did(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """Each photo's JSON line has its size, its MD5 and one attempt, and the folder holds exactly the photos."""
    box = sandbox(World.generate(photos=12, size=30_000))
    result = fetch()
    assert result.status == 0, result.err
    assert files_in(tmp_path / "out") == objects(box)
    for line in result.photos("downloaded"):
        data = box.world.photo_bytes(line["image_id"])
        assert (line["bytes"], line["md5"]) == (len(data), hashlib.md5(data).hexdigest())
        assert (line["attempts"], line["code"], line["error"]) == (1, None, None)
        assert Path(line["path"]).read_bytes() == data
    assert not (tmp_path / "out" / ".ninepic").exists()


def test_the_command_resumes(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """A run that is cut short costs the next one the rest of the photo, and nothing is left of the partial."""
    box = sandbox(World.generate(photos=1), faults=[Fault(cut_after=SCRAP)])
    result = fetch("--retries", 0)
    assert result.status == 5
    assert [line["code"] for line in result.photos("failed")] == ["connection"]
    assert list(files_in(tmp_path / "out")) == [f".ninepic/{path.name}" for path in parts(tmp_path / "out")]
    box.faults = []
    assert fetch().status == 0
    assert [request.bytes_sent for request in box.requests_to("store")] == [SCRAP, SIZE - SCRAP]
    assert files_in(tmp_path / "out") == objects(box)
    assert not (tmp_path / "out" / ".ninepic").exists()


def test_the_command_starts_over(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """A store that ignores ranges and one whose object changes between the halves both end in whole photos."""
    box = sandbox(World.generate(photos=2))
    ignoring, changing = box.world.photos
    for image_id in (ignoring, changing):
        box.faults.append(Fault(path=image_id, nth=1, cut_after=CUT))
    box.faults.append(Fault(path=ignoring, ranged=True, ignore_range=True))
    box.faults.append(Fault(path=changing, ranged=True, nth=1, change_object=True))
    result = fetch()
    assert result.status == 0, result.err
    assert files_in(tmp_path / "out") == objects(box)
    attempts = {line["image_id"]: line["attempts"] for line in result.photos("downloaded")}
    assert attempts == {ignoring: 2, changing: 3}


def test_the_command_tells_missing_from_failed(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """What the store does not have is missing (exit 4); what it will not hand out has failed (exit 5)."""
    box = sandbox(World.generate(photos=3, size=30_000))
    gone, refused, good = box.world.photos
    box.world.photos[gone].has_object = False
    result = fetch()
    assert result.status == 4
    assert [(line["image_id"], line["code"], line["attempts"]) for line in result.photos("missing")] == [
        (gone, "not_found", 1)
    ]
    box.faults = [Fault(path=refused, status=403, body=HTML)]
    (tmp_path / "out" / f"{refused}.jpg").unlink()
    result = fetch()
    assert result.status == 5
    assert [(line["image_id"], line["code"]) for line in result.photos("failed")] == [(refused, "forbidden")]
    assert files_in(tmp_path / "out") == {f"{good}.jpg": box.world.photo_bytes(good)}


def test_the_command_outlasts_silence(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """Photos whose connection stays silent are given up after the time-out and retried, and the others go on."""
    box = sandbox(World.generate(photos=6, size=30_000))
    once, stalls, always, *others = box.world.photos
    box.faults = [
        Fault(path=once, nth=1, silent=True),
        Fault(path=stalls, nth=1, stall_after=0.3),
        Fault(path=always, silent=True),
    ]
    began = time.monotonic()
    result = fetch("--timeout", 1, "--retries", 1)
    assert result.status == 5
    assert 2 < time.monotonic() - began < 20
    assert [(line["image_id"], line["code"], line["attempts"]) for line in result.photos("failed")] == [
        (always, "timeout", 2)
    ]
    attempts = {line["image_id"]: line["attempts"] for line in result.photos("downloaded")}
    assert attempts == {once: 2, stalls: 2, **dict.fromkeys(others, 1)}
    silent = box.requests_to("store", contains=always)[0]
    assert all(request.ended < silent.ended for name in others for request in box.requests_to("store", contains=name))
    assert all(files_in(tmp_path / "out")[f"{name}.jpg"] == box.world.photo_bytes(name) for name in attempts)
    assert not (tmp_path / "out" / f"{always}.jpg").exists()


def test_the_command_outlasts_breaks(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """Cuts, resets, closed connections and a photo that is always cut: all but that one arrive, and the exit is 5."""
    box = sandbox(World.generate(photos=7))
    short, early, late, closed, reused, always, _ = box.world.photos
    box.faults = [
        Fault(path=short, nth=1, cut_after=0.5),
        Fault(path=early, nth=1, reset=True),
        Fault(path=late, nth=1, reset=True, cut_after=0.3),
        Fault(path=closed, close_idle=True),
        Fault(path=reused, nth=1, hang_up=True),
        Fault(path=always, cut_after=1000),
    ]
    result = fetch("--retries", 1, "-j", 2)
    assert result.status == 5
    assert [(line["image_id"], line["code"], line["attempts"]) for line in result.photos("failed")] == [
        (always, "connection", 2)
    ]
    expected = objects(box)
    del expected[f"{always}.jpg"]
    found = files_in(tmp_path / "out")
    assert {name: data for name, data in found.items() if not name.startswith(".ninepic/")} == expected


def test_the_command_gets_through_if_every_connection_dies(
    fetch: Callable[..., Any], sandbox: Start, tmp_path: Path
) -> None:
    """Where every connection dies after 15 % more, a photo arrives with one retry to spend."""
    box = sandbox(World.generate(photos=1, size=SIZE), faults=[Fault(cut_after=SIZE * 15 // 100)])
    result = fetch("--retries", 1)
    assert result.status == 0, result.err
    assert [line["attempts"] for line in result.photos("downloaded")] == [7]
    assert files_in(tmp_path / "out") == objects(box)
    assert sum(request.bytes_sent for request in box.requests_to("store")) == SIZE


def test_the_command_refuses_what_is_no_photo(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """A web page, an error document and an empty body are three failures without a file; bytes of no type are good."""
    box = sandbox(World.generate(photos=5, size=30_000))
    page, error, empty, typeless, redirect = box.world.photos
    box.world.photos[typeless].content_type = "application/octet-stream"
    box.faults = [
        Fault(path=page, status=200, body=HTML),
        Fault(path=error, status=200, body=XML),
        Fault(path=empty, status=200, headers={"ETag": '"d41d8cd98f00b204e9800998ecf8427e"'}),
        Fault(path=redirect, status=302, headers={"Location": f"{box.store_url}/elsewhere"}),
    ]
    result = fetch()
    assert result.status == 5
    codes = {line["image_id"]: line["code"] for line in result.photos("failed")}
    assert codes == {page: "not_a_photo", error: "not_a_photo", empty: "not_a_photo", redirect: "redirect"}
    assert files_in(tmp_path / "out") == {f"{typeless}.jpg": box.world.photo_bytes(typeless)}
    assert len(box.requests_to("store")) == 5


def test_the_command_gives_up(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """A store that asks to be left alone for an hour ends the run with exit 6, and the time to come back."""
    box = sandbox(World.generate(photos=20, size=30_000))
    box.faults = [Fault(nth=range(4, 100), status=503, headers={"Retry-After": "3600"})]
    result = fetch("-j", 1)
    assert result.status == 6
    assert result.json[-1]["exit_code"] == 6
    assert len(result.photos("downloaded")) == 3
    assert len(box.requests_to("store")) == 4
    assert "asks to retry in 60 min" in result.err
    assert re.search(r"again at \d\d:\d\d", result.err)
    assert len(files_in(tmp_path / "out")) == 3


def test_the_command_outlasts_throttling(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """Two times "too many requests" cost time and no try, and a store that says so for ever is given up."""
    box = sandbox(World.generate(photos=2, size=30_000))
    box.faults = [Fault(nth=range(1, 3), status=429, headers={"Retry-After": "1"})]
    result = fetch("--retries", 0, "-j", 1)
    assert result.status == 0, result.err
    assert sorted(line["attempts"] for line in result.photos("downloaded")) == [1, 3]
    box.faults = [Fault(status=429)]
    result = fetch("--existing", "overwrite", "--give-up-after", 1)
    assert result.status == 6
    assert files_in(tmp_path / "out") == objects(box)


def test_the_command_keeps_the_partial_of_a_dead_link(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """A link that dies between the halves is renewed without a wait, and the rest is fetched by the new one."""
    box = sandbox(World.generate(photos=1), faults=[Fault(nth=1, cut_after=CUT), expired(ranged=True, nth=1)])
    patient = ninepic.after("import ninepic_cli.net.retry as retry; retry._FIRST_WAIT_S = 3.0")
    result = patient("bib", BIB, "--json", "-o", tmp_path / "out", "--retries", 1)
    assert result.status == 0, result.err
    assert [line["attempts"] for line in result.photos("downloaded")] == [2]
    assert [request.bytes_sent for request in box.requests_to("store") if request.status in {200, 206}] == [
        CUT,
        SIZE - CUT,
    ]
    renewal = box.requests_to("api")[-1]
    assert renewal.started - box.requests_to("store")[1].ended < 1.4, "no back-off, which is 1.5 s at the least"
    assert files_in(tmp_path / "out") == objects(box)


def test_the_command_outlives_its_links(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """Links that live shorter than the run are renewed once for each time they die, without any wait."""
    size, jobs = 30_000, 4
    box = sandbox(World.generate(photos=24, size=size), link_life_s=1, store_rate=size / 0.5)
    result = fetch("-j", jobs, "--retries", 0)
    assert result.status == 0, result.err
    assert [line["attempts"] for line in result.photos("downloaded")] == [1] * 24
    assert files_in(tmp_path / "out") == objects(box)
    requests = box.requests_to("store")
    took = requests[-1].ended - requests[0].started
    assert 2 <= len(box.requests_to("api")) <= 2 + took / 0.9


def test_the_command_gives_up_a_link(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """A photo whose new links are refused as well has failed with its own code."""
    box = sandbox(World.generate(photos=2, size=30_000))
    bad, good = box.world.photos
    box.faults = [expired("s3", path=bad)]
    result = fetch()
    assert result.status == 5
    assert [(line["image_id"], line["code"]) for line in result.photos("failed")] == [(bad, "link_expired")]
    assert list(files_in(tmp_path / "out")) == [f"{good}.jpg"]


def test_links_are_sent_to_the_byte(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """A strict store sees each link exactly as it was handed out, by GET alone, also with strange characters in it."""
    world = World.generate(photos=4, size=30_000)
    keys = ["a b+c", "ü~(1)'!*", "100%25", "x;y=z,&@:$"]
    for photo, key in zip(world.photos.values(), keys, strict=True):
        photo.link_path = f"imgs/456/large/{key}/{photo.image_id}.jpg"
    handed: list[str] = []
    box = sandbox(world)
    note = Fault(
        server="api",
        mutate=lambda answer: handed.extend(item["url"] for item in answer["data"]["presigned_urls"]),
    )
    box.faults = [note]
    result = fetch()
    assert result.status == 0, result.err
    assert {request.method for request in box.requests_to("store")} == {"GET"}
    assert {box.store_url + request.target for request in box.requests_to("store")} == set(handed)
    assert len(box.requests_to("store")) == len(handed) == 4
    assert files_in(tmp_path / "out") == objects(box)


def test_no_key_but_to_the_api(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """The key goes to the API alone: not to the store, not with a resumed request, and no redirect is followed."""
    other = Sandbox(World.generate(photos=1)).start()
    box = sandbox(World.generate(photos=4))
    away, cut, *_ = box.world.photos
    box.faults = [
        Fault(path=away, status=307, headers={"Location": f"{other.store_url}/{away}.jpg"}),
        Fault(path=cut, nth=1, cut_after=CUT),
    ]
    result = fetch()
    assert result.status == 5
    assert [(line["image_id"], line["code"]) for line in result.photos("failed")] == [(away, "redirect")]
    box.faults = [Fault(server="api", status=307, headers={"Location": f"{other.base_url}/api/v1/ext"})]
    assert fetch("--retries", 1).status == 6
    other.stop()
    assert other.requests == []
    assert all(request.headers["x-api-key"] == box.world.api_key for request in box.requests_to("api"))
    for request in box.requests_to("store"):
        assert request.headers["accept-encoding"] == "identity"
        assert not {"x-api-key", "authorization", "cookie", "referer"} & set(request.headers)
        assert not any(box.world.api_key in value for value in (*request.headers.values(), request.target))


def test_the_command_repairs_what_looks_damaged(
    fetch: Callable[..., Any], ninepic: Ninepic, sandbox: Start, tmp_path: Path
) -> None:
    """Half and empty files of another tool are fetched again although what is there is skipped, and the rest is not."""
    box = sandbox(World.generate(photos=6))
    half, none, headless, good, *_ = box.world.photos
    out = tmp_path / "out"
    out.mkdir()
    for name, data in objects(box).items():
        (out / name).write_bytes(data)
    (out / f"{half}.jpg").write_bytes(box.world.photo_bytes(half)[: SIZE // 2])
    (out / f"{none}.jpg").write_bytes(b"")
    (out / f"{headless}.jpg").write_bytes(b"\0\0" + box.world.photo_bytes(headless)[2:])
    result = fetch()
    assert result.status == 0, result.err
    assert {line["image_id"] for line in result.photos("downloaded")} == {half, none, headless}
    assert {line["attempts"] for line in result.photos("skipped")} == {0}
    assert files_in(out) == objects(box)
    box.world.replace_object(box.world.photos[good])
    assert len(fetch().photos("skipped")) == 6
    assert len(box.requests_to("store")) == 3
    result = fetch("--existing", "verify")
    assert [line["image_id"] for line in result.photos("downloaded")] == [good]
    assert {line["attempts"] for line in result.photos("skipped")} == {1}
    assert sorted(statuses(box)[3:], key=str) == [200, *[304] * 5]
    assert files_in(out) == objects(box)


def test_the_command_overwrites_once(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """A photo of two bibs in one folder is fetched again once."""
    box = sandbox(World.generate(photos=4, size=30_000))
    args = ("bib", BIB, "0042", "--json", "-o", tmp_path / "out", "--name", "{filename}", "--existing", "overwrite")
    for _ in range(2):
        box.requests.clear()
        result = ninepic(*args)
        assert result.status == 0, result.err
        assert len(box.requests_to("store")) == len(result.photos("downloaded")) == 4
        assert len(result.photos("skipped")) == 3
        assert files_in(tmp_path / "out") == objects(box)


def test_the_command_has_nothing_to_do(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """With 500 photos there, a run makes the listing requests, none to the store, and is quick."""
    box = sandbox(World.generate(photos=500, size=2_500))
    (tmp_path / "out").mkdir()
    for name, data in objects(box).items():
        (tmp_path / "out" / name).write_bytes(data)
    began = time.monotonic()
    result = fetch()
    assert result.status == 0, result.err
    assert time.monotonic() - began < 10
    assert len(result.photos("skipped")) == 500
    assert box.requests_to("store") == []
    assert len(box.requests_to("api")) == 9
