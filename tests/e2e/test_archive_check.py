"""`--existing verify --dry-run`: an archive compared with the store, nothing fetched, nothing written."""

import os
from pathlib import Path

import pytest

from ninepic_cli.sandbox import Fault, Sandbox, World
from tests.support.command import QUICK, Ninepic, Start
from tests.support.files import files_in

SIZE = 60_000


@pytest.fixture
def world() -> World:
    """Six photos of one runner."""
    return World.generate(photos=6, size=SIZE)


@pytest.fixture
def box(sandbox: Start, world: World) -> Sandbox:
    """A service that has them."""
    return sandbox(world)


@pytest.fixture
def archive(ninepic: Ninepic, box: Sandbox) -> Path:
    """A folder with all of them."""
    folder = ninepic.home / "archive"
    assert ninepic("bib", "1234", "-o", folder).status == 0
    del box.requests[:]
    return folder


CHECK = ("--existing", "verify", "--dry-run")


def state_of(folder: Path) -> dict[str, tuple[int, int]]:
    """What a folder holds, and when each file was last changed in any way."""
    stats = {path.name: path.stat() for path in folder.rglob("*")}
    return {name: (each.st_ino, each.st_ctime_ns) for name, each in stats.items()}


@pytest.mark.parametrize(
    "etag", ["md5", *(pytest.param(each, marks=pytest.mark.slow) for each in ("multipart", "weak", "none"))]
)
def test_a_good_archive(ninepic: Ninepic, box: Sandbox, world: World, archive: Path, etag: str) -> None:
    """Each photo is asked about once, with its MD5; nothing is printed, and one byte at most is asked for."""
    for photo in world.photos.values():
        photo.etag = etag
    before = state_of(archive)
    result = ninepic("bib", "1234", "-o", archive, *CHECK)
    assert (result.status, result.out, state_of(archive)) == (0, "", before), result.err
    asked = box.requests_to("store")
    assert [request.status for request in asked] == [304 if etag == "md5" else 206] * 6
    assert all(request.headers["if-none-match"] for request in asked)
    assert {request.headers["range"] for request in asked} == {"bytes=0-0"}
    assert "check: 6 as in the store" in result.err


@pytest.mark.parametrize("etag", ["md5", pytest.param("multipart", marks=pytest.mark.slow)])
def test_what_is_wrong(ninepic: Ninepic, box: Sandbox, world: World, archive: Path, etag: str) -> None:
    """Missing, cut and changed photos are printed, a path a line, and JSON says which is which; status 5."""
    ids = list(world.photos)
    for photo in world.photos.values():
        photo.etag = etag
    absent, cut, changed, page, empty = (archive / f"{each}.jpg" for each in ids[:5])
    absent.unlink()
    cut.write_bytes(cut.read_bytes()[: SIZE // 2])
    changed.write_bytes(changed.read_bytes() + b"\0")
    page.write_bytes(b"<html>please log in</html>")
    empty.write_bytes(b"")
    held, before = files_in(archive), state_of(archive)
    result = ninepic("bib", "1234", "-o", archive, *CHECK)
    assert (result.status, files_in(archive), state_of(archive)) == (5, held, before), result.err
    assert sorted(result.out.splitlines()) == sorted(map(str, (absent, cut, changed, page, empty)))
    assert "1 as in the store, 5 failed" in result.err
    assert "without --dry-run" in result.err
    told = ninepic("bib", "1234", "-o", archive, *CHECK, "--json")
    codes = {line["image_id"]: line["code"] for line in told.photos("failed")}
    assert codes == dict(zip(ids, ["absent", "damaged", "differs", "damaged", "damaged"], strict=False))
    assert [line["md5"] is not None for line in told.photos("skipped")] == [True]
    assert (told.status, told.json[-1]["exit_code"], told.json[-1]["failed"]) == (5, 5, 5)
    assert not any(request.status == 200 for request in box.requests_to("store"))

    repaired = ninepic("bib", "1234", "-o", archive, "--existing", "verify")
    assert repaired.status == 0, repaired.err
    assert ninepic("bib", "1234", "-o", archive, *CHECK).status == 0


def test_what_the_store_does_not_have(ninepic: Ninepic, box: Sandbox, world: World, archive: Path) -> None:
    """A photo that is gone from the store is missing (status 4), whether or not its file is there."""
    ids = list(world.photos)
    (archive / f"{ids[0]}.jpg").unlink()
    for each in ids[:2]:
        world.photos[each].has_object = False
    result = ninepic("bib", "1234", "-o", archive, *CHECK, "--json")
    assert result.status == 4, result.err
    assert {(line["image_id"], line["code"]) for line in result.photos("missing")} == {
        (each, "not_found") for each in ids[:2]
    }
    assert box.requests_to("store")


@pytest.mark.slow
def test_the_store_does_not_answer(ninepic: Ninepic, box: Sandbox, world: World, archive: Path) -> None:
    """What could not be checked has failed, and is not printed as bad; what heals in time is asked again."""
    ids = list(world.photos)
    page = Fault(path=ids[2], status=200, body="<html>please log in</html>")
    box.faults = [Fault(path=ids[0], status=500), Fault(path=ids[1], status=500, nth=1), page]
    result = ninepic.after(QUICK)("bib", "1234", "-o", archive, *CHECK, "--json", "--retries", 2)
    assert result.status == 5, result.err
    assert {(line["image_id"], line["code"]) for line in result.photos("failed")} == {
        (ids[0], "http_500"),
        (ids[2], "not_a_photo"),
    }
    assert ninepic.after(QUICK)("bib", "1234", "-o", archive, *CHECK, "--retries", 1).out == ""


@pytest.mark.slow
def test_a_store_that_ignores_ranges(ninepic: Ninepic, box: Sandbox, world: World, archive: Path) -> None:
    """A whole answer is not read; its headers tell enough."""
    first, second, *_ = world.photos
    world.photos[second].etag = "multipart"
    photo = archive / f"{first}.jpg"
    photo.write_bytes(photo.read_bytes() + b"\0")
    box.faults = [Fault(ignore_range=True)]
    result = ninepic("bib", "1234", "-o", archive, *CHECK)
    assert (result.status, result.out) == (5, f"{photo}\n"), result.err
    assert [path.name for path in archive.iterdir() if path.name.startswith(".")] == []


@pytest.mark.slow
def test_partials_are_left_alone(ninepic: Ninepic, box: Sandbox, world: World) -> None:
    """What an interrupted run has left is neither used nor removed, and the photo is missing."""
    folder = ninepic.home / "archive"
    box.faults = [Fault(cut_after=0.5)]
    assert ninepic("bib", "1234", "-o", folder, "--retries", 0).status == 5
    held, before = files_in(folder), state_of(folder)
    box.faults = []
    result = ninepic("bib", "1234", "-o", folder, *CHECK)
    assert (result.status, len(result.out.splitlines())) == (5, 6), result.err
    assert (files_in(folder), state_of(folder)) == (held, before)
    assert len(held) == 6


def test_no_folder_at_all(ninepic: Ninepic, box: Sandbox) -> None:
    """All is missing, and no folder is made."""
    result = ninepic("bib", "1234", "-o", ninepic.home / "new", *CHECK)
    assert (result.status, len(result.out.splitlines())) == (5, 6), result.err
    assert not (ninepic.home / "new").exists()


@pytest.mark.slow
def test_a_shared_file_is_printed_once(ninepic: Ninepic, box: Sandbox, world: World, archive: Path) -> None:
    """A file of two runners is a line of the list once, and has failed for both in JSON."""
    world.bibs["7"] = list(world.photos)
    gone = archive / f"{next(iter(world.photos))}.jpg"
    gone.unlink()
    call = ("bib", "1234", "7", "-o", archive, *CHECK)
    assert ninepic(*call).out == f"{gone}\n"
    assert sorted(line["identifier"] for line in ninepic(*call, "--json").photos("failed")) == ["1234", "7"]


@pytest.mark.slow
def test_a_reader_that_has_seen_enough(ninepic: Ninepic, box: Sandbox, archive: Path) -> None:
    """`| head -1` does not make a bad archive a good one."""
    for photo in archive.glob("*.jpg"):
        photo.unlink()
    reading, writing = os.pipe()
    os.close(reading)
    process = ninepic.start("bib", "1234", "-o", archive, *CHECK, stdout=writing)
    os.close(writing)
    result = process.result()
    assert result.status == 5, result.err


@pytest.mark.slow
def test_a_file_that_cannot_be_read(ninepic: Ninepic, box: Sandbox, archive: Path) -> None:
    """One whose bytes the disk does not give back is damaged, and the others are checked all the same."""
    bad = min(archive.glob("*.jpg"))
    broken = ninepic.after(
        "import errno, os, ninepic_cli.filesystem.folder as folder\n"
        "inner = folder._is_whole\n"
        "def is_whole(path):\n"
        f"    if path.name == {bad.name!r}:\n"
        "        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))\n"
        "    return inner(path)\n"
        "folder._is_whole = is_whole\n"
    )
    result = broken("bib", "1234", "-o", archive, *CHECK)
    assert (result.status, result.out) == (5, f"{bad}\n"), result.err
    assert "5 as in the store" in result.err


@pytest.mark.parametrize("mode", ["verify", "skip"])
def test_a_run_says_what_it_replaces(ninepic: Ninepic, box: Sandbox, archive: Path, mode: str) -> None:
    """`verify` names each file that was bad, with the reason; `-q` does not, nor does a file that was good."""
    cut, changed, *_ = sorted(archive.glob("*.jpg"))
    for options in ((), ("-q",)):
        cut.write_bytes(cut.read_bytes()[: SIZE // 2])
        changed.write_bytes(changed.read_bytes() + b"\0")
        result = ninepic("bib", "1234", "-o", archive, "--existing", mode, *options)
        assert result.status == 0, result.err
        told = [line for line in result.err.splitlines() if "replaced" in line]
        wanted = [f"warning: replaced {cut}: it was damaged"]
        if mode == "verify":
            wanted.append(f"warning: replaced {changed}: it was not the photo that the store has")
        assert sorted(told) == ([] if options else sorted(wanted))
