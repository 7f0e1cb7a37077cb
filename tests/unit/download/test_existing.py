"""What is there already: left, asked about or replaced, and never half."""

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli.errors import MachineError
from ninepic_cli.filesystem.locks import Locks, LockState
from ninepic_cli.models import Busy, Downloaded, Failed, Skipped, WouldDownload
from ninepic_cli.sandbox import Fault, Sandbox, World
from tests.support.command import Start
from tests.support.files import files_in
from tests.support.transfers import (
    HTML,
    SIZE,
    Make,
    Run,
    asked,
    begin,
    data_of,
    empty,
    objects,
    only,
    page,
    path_of,
    statuses,
)

pytestmark = pytest.mark.usefixtures("quick_retries")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20


def whole(box: Sandbox) -> bytes:
    """The very object."""
    return data_of(box)


def older(box: Sandbox) -> bytes:
    """Another photo of the same length."""
    photo = only(box)
    return World.generate(photos=1, seed=2).photo_bytes(next(iter(World.generate(photos=1, seed=2).photos)))[
        : photo.size
    ]


def smaller(_: Sandbox) -> bytes:
    """Another photo of another length."""
    world = World.generate(photos=1, size=30_000)
    return world.photo_bytes(next(iter(world.photos)))


def without_end(box: Sandbox) -> bytes:
    """The first half."""
    return data_of(box)[: SIZE // 2]


def without_start(box: Sandbox) -> bytes:
    """Nothing where the start marker should be."""
    return b"\0\0" + data_of(box)[2:]


def with_trailer(box: Sandbox) -> bytes:
    """A few bytes behind the end marker, as cameras write them."""
    return data_of(box) + b"\0" * 100


STRONG, WEAK = ("md5",), ("multipart", "weak", "none")
EVERY = STRONG + WEAK


@pytest.mark.parametrize(
    ("modes", "local", "etags", "kind", "requests"),
    [
        ("skip", whole, EVERY, Skipped, 0),
        ("skip", older, EVERY, Skipped, 0),
        ("skip", with_trailer, EVERY, Skipped, 0),
        ("verify", whole, EVERY, Skipped, 1),
        ("verify", older, STRONG, Downloaded, 1),
        ("verify", older, WEAK, Skipped, 1),
        ("verify", smaller, EVERY, Downloaded, 1),
        ("verify", with_trailer, EVERY, Downloaded, 1),
        ("skip verify", without_end, EVERY, Downloaded, 1),
        ("skip verify", without_start, STRONG, Downloaded, 1),
        ("skip verify", without_start, WEAK, Skipped, 1),
        ("skip verify", empty, EVERY, Downloaded, 1),
        ("skip verify", page, EVERY, Downloaded, 1),
        ("overwrite", whole, EVERY, Downloaded, 1),
        ("overwrite", older, EVERY, Downloaded, 1),
        ("overwrite", empty, EVERY, Downloaded, 1),
    ],
)
def test_existing(
    tmp_path: Path, modes: str, local: Callable[[Sandbox], bytes], etags: Sequence[str], kind: type, requests: int
) -> None:
    """A file that is there is left, asked about or replaced as told; one that looks damaged is always asked about."""
    for number, (mode, etag) in enumerate((mode, etag) for mode in modes.split() for etag in etags):
        with Sandbox(World.generate(photos=1)) as box, closing(Run(box, tmp_path / str(number), existing=mode)) as now:
            only(box).etag = etag
            path, before = path_of(box, now.root), local(box)
            now.root.mkdir()
            path.write_bytes(before)
            (outcome,) = now()
            assert type(outcome) is kind, (mode, etag)
            assert isinstance(outcome, Downloaded | Skipped)
            assert outcome.attempts == len(box.requests_to("store")) == requests
            assert files_in(now.root) == {path.name: before if kind is Skipped else data_of(box)}
            assert outcome.size == path.stat().st_size
            assert not requests or outcome.md5 == hashlib.md5(path.read_bytes()).hexdigest()


def test_question_names_the_md5(serve: Start, run: Make) -> None:
    """The store is asked by the MD5 of the file that is there, and answers without sending it."""
    box = serve()
    now = run(box)
    now.saved()
    box.requests.clear()
    run(box, existing="verify")()
    assert asked(box, "if-none-match", "range", "if-match") == [
        (f'"{hashlib.md5(data_of(box)).hexdigest()}"', None, None)
    ]
    assert statuses(box) == [304]


def test_store_that_does_not_hear_the_question(serve: Start, run: Make) -> None:
    """A store that sends the photo all the same confirms it by the MD5, and nothing is written."""
    box = serve()
    run(box).saved()
    box.faults = [Fault(action=lambda request: request.headers.update({"if-none-match": ""}))]
    (outcome,) = run(box, existing="verify")()
    assert isinstance(outcome, Skipped)
    assert (outcome.attempts, statuses(box)) == (1, [200, 200])


def test_overwriting_asks_for_no_condition(serve: Start, run: Make) -> None:
    """A photo that is to be fetched again is fetched again, also where it is the same."""
    box = serve()
    run(box).saved()
    run(box, existing="overwrite").saved()
    assert asked(box, "if-none-match") == [(None,), (None,)]
    assert statuses(box) == [200, 200]


@pytest.mark.parametrize("etag", EVERY)
@pytest.mark.parametrize("mode", ["skip", "verify"])
def test_other_formats_under_a_jpeg_s_name(serve: Start, run: Make, etag: str, mode: str) -> None:
    """A PNG that is called .jpg looks damaged; the store confirms it, and it is not fetched again and again."""
    box = serve(body=PNG, etag=etag, content_type="image/png")
    now = run(box)
    now.saved()
    (outcome,) = run(box, existing=mode)()
    assert isinstance(outcome, Skipped)
    assert outcome.attempts == 1
    assert files_in(now.root) == objects(box)


@pytest.mark.parametrize("name", ["photo.png", "photo.heic"])
def test_other_names(serve: Start, run: Make, name: str) -> None:
    """A file that is not named as a JPEG is believed unless it is empty."""
    box = serve(filename=name, body=PNG)
    now = run(box)
    path = now.saved().path
    (outcome,) = run(box)()
    assert isinstance(outcome, Skipped)
    assert len(box.requests_to("store")) == 1
    path.write_bytes(b"")
    assert run(box).saved().path == path


def test_page_that_is_sent_again(serve: Start, run: Make) -> None:
    """A portal that sends the very page that another tool has saved as the photo confirms nothing."""
    box = serve(Fault(status=200, body=HTML))
    now = run(box)
    now.root.mkdir()
    path_of(box, now.root).write_bytes(HTML)
    assert now.failed().error.code == "not_a_photo"


@pytest.mark.parametrize("wrong", [{"status": 404}, {"status": 500}, {"cut_after": 0.5}, {"body": HTML}], ids=str)
@pytest.mark.parametrize("mode", ["verify", "overwrite"])
def test_old_file_stays_until_the_new_one_is_whole(serve: Start, run: Make, wrong: dict[str, Any], mode: str) -> None:
    """A photo that cannot be replaced stays as it was."""
    box = serve(Fault(**wrong), etag="none")
    now = run(box, existing=mode, retries=1)
    now.root.mkdir()
    path_of(box, now.root).write_bytes(smaller(box))
    now.failed()
    assert files_in(now.root) == {path_of(box, now.root).name: smaller(box)}


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("body", [None, PNG], ids=["JPEG", "PNG"])
def test_overwritten_once_in_a_run(serve: Start, run: Make, jobs: int, body: bytes | None) -> None:
    """A photo that is listed twice is fetched once, and the second time it is there, also one that looks damaged."""
    box = serve(body=body)
    run(box).saved()
    box.requests.clear()
    now = run(box, existing="overwrite")
    photos = now.listed()
    outcomes = now([*photos, *photos], jobs=jobs)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Downloaded", "Skipped"]
    assert len(box.requests_to("store")) == 1


@pytest.mark.parametrize("mode", ["skip", "verify", "overwrite"])
def test_held_by_another_process(serve: Start, run: Make, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    """While another process fetches a photo, an old file that it is about to replace does not count as arrived."""
    box = serve()
    now = run(box, existing=mode)
    (photo,) = now.listed()
    path = path_of(box, now.root)
    now.root.mkdir()
    path.write_bytes(older(box) if mode != "skip" else b"")
    with monkeypatch.context() as patch:
        patch.setattr(Locks, "acquire", lambda *_: LockState.ANOTHER_PROCESSES)
        assert [type(now.transfer(photo)) for _ in range(3)] == [Busy] * 3
        path.with_suffix(".new").write_bytes(data_of(box))
        path.with_suffix(".new").replace(path)
        assert isinstance(now.transfer(photo), Skipped)
    assert box.requests_to("store") == []


def test_partial_of_the_object_that_is_there(serve: Start, run: Make) -> None:
    """A partial of the very object that another tool has brought meanwhile is given up."""
    box = serve()
    begin(box, run)
    now = run(box, existing="verify")
    path_of(box, now.root).write_bytes(data_of(box))
    (outcome,) = now()
    assert isinstance(outcome, Skipped)
    assert statuses(box) == [304]
    assert list(now.root.iterdir()) == [path_of(box, now.root)]


@pytest.mark.parametrize(
    ("mode", "local", "kind"),
    [
        ("skip", None, WouldDownload),
        ("skip", whole, Skipped),
        ("skip", empty, WouldDownload),
        ("verify", whole, Skipped),
        ("overwrite", whole, WouldDownload),
    ],
)
def test_plan(serve: Start, run: Make, mode: str, local: Callable[[Sandbox], bytes] | None, kind: type) -> None:
    """What would be fetched is told without a request to the store and without a trace on disk."""
    box = serve()
    now = run(box, existing=mode)
    if local:
        now.root.mkdir()
        path_of(box, now.root).write_bytes(local(box))
    before = files_in(now.root)
    assert [type(now.transfer.plan(photo)) for photo in now.listed()] == [kind]
    assert box.requests_to("store") == []
    assert files_in(now.root) == before
    assert now.root.exists() == bool(local)


def test_name_that_is_taken(serve: Start, run: Make) -> None:
    """A folder under a photo's name is that photo's failure, found before any request to the store."""
    box = serve(photos=2)
    now = run(box)
    first = next(iter(box.world.photos))
    (now.root / f"{first}.jpg").mkdir(parents=True)
    photos = now.listed()
    assert isinstance(now.transfer.plan(photos[0]), Failed)
    bad, good = now(photos)
    assert isinstance(bad, Failed)
    assert (bad.error.code, bad.attempts) == ("name_blocked", 0)
    assert isinstance(good, Downloaded)
    assert len(box.requests_to("store")) == 1


def test_trouble_with_the_disk_ends_the_run(serve: Start, run: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of this machine is raised, since it would meet every other photo as well."""
    now = run(serve())
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    with pytest.raises(MachineError):
        now()
