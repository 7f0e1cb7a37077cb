"""Partial files: what is on disk is known exactly, survives, and never mixes two objects."""

import errno
import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ninepic_cli.errors import BlockedNameError, MachineError, OpenFilesError
from ninepic_cli.filesystem import partial as module
from ninepic_cli.filesystem.disk_errors import translate_disk_errors
from ninepic_cli.filesystem.locks import LockState
from ninepic_cli.filesystem.partial import DisturbedError, Partial
from ninepic_cli.filesystem.state_dir import StateDir

ETAG = '"9e107d9d372bb6826bd81d3542a419d6"'
OTHER = '"e4d909c290d0fb1ca068ffaddf22cbd0-2"'
KEY = "0123456789abcdef"
Make = Callable[..., Partial]


def md5(data: bytes) -> str:
    """The MD5 in hexadecimal."""
    return hashlib.md5(data).hexdigest()


def partial_in(root: Path, key: str = KEY, *, hold: LockState = LockState.OURS) -> Partial:
    """A partial of `photo.jpg` in a folder."""
    return partial_of(root / "photo.jpg", root / ".ninepic", key, hold=hold)


def partial_of(final: Path, home: Path, key: str = KEY, *, hold: LockState = LockState.OURS) -> Partial:
    """A partial of any photo."""
    return Partial(final, state_dir=StateDir(home.parent), key=key, hold=hold)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes partials of one photo, or of others by another key."""
    return lambda key=KEY, hold=LockState.OURS: partial_in(tmp_path, key, hold=hold)


def files(root: Path) -> list[Path]:
    """All partials in a folder."""
    return sorted((root / ".ninepic").iterdir()) if (root / ".ninepic").is_dir() else []


def leave(make: Make, data: bytes, *, etag: str | None = ETAG, total: int | None = 100) -> None:
    """Leave a partial behind, as an interrupted run does."""
    with make() as partial:
        partial.start(etag=etag, total=total)
        partial.write(data)


def refuse(monkeypatch: pytest.MonkeyPatch, name: str, number: int, *, after: int = 0) -> None:
    """Let a function of `os` fail with an error number from its (after + 1)-th call on."""
    proper, calls = getattr(os, name), 0

    def refusing(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > after:
            raise OSError(number, os.strerror(number))
        return proper(*args, **options)

    monkeypatch.setattr(os, name, refusing)


def test_nothing_is_made_before_the_first_byte(make: Make, tmp_path: Path) -> None:
    """A partial that was not started leaves no trace."""
    with make() as partial:
        assert (partial.size, partial.etag, partial.total, partial.is_whole) == (0, None, None, False)
    assert list(tmp_path.iterdir()) == []


def test_commit(make: Make, tmp_path: Path) -> None:
    """What was written stands under the final name, with the time that was given, and no partial is left."""
    with make() as partial:
        partial.start(etag=ETAG, total=10)
        partial.write(b"01234")
        assert not partial.is_whole
        partial.write(b"56789")
        assert partial.is_whole
        assert partial.md5 == md5(b"0123456789")
        partial.commit(modified_s=1_757_840_400.0)
    final = tmp_path / "photo.jpg"
    assert final.read_bytes() == b"0123456789"
    assert final.stat().st_mtime == 1_757_840_400.0
    assert files(tmp_path) == []


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_mode_is_the_usual_one(make: Make, tmp_path: Path, mask: int, mode: int) -> None:
    """A photo gets the mode that any new file gets."""
    before = os.umask(mask)
    try:
        with make() as partial:
            partial.start(etag=ETAG, total=1)
            partial.write(b"x")
            partial.commit(modified_s=None)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "photo.jpg").stat().st_mode) == mode


def test_final_name_is_whole_at_all_times(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes are flushed to disk before the final name exists, and an old file stands there until then."""
    final = tmp_path / "photo.jpg"
    final.write_bytes(b"old")
    proper, seen = os.fsync, list[tuple[int, bytes]]()

    def watched(fd: int) -> None:
        seen.append((os.fstat(fd).st_size, final.read_bytes()))
        proper(fd)

    monkeypatch.setattr(os, "fsync", watched)
    with make() as partial:
        partial.start(etag=ETAG, total=5)
        partial.write(b"fresh")
        partial.commit(modified_s=None)
    assert seen == [(5, b"old")]
    assert final.read_bytes() == b"fresh"


def test_commit_replaces_a_link_and_not_what_it_leads_to(make: Make, tmp_path: Path) -> None:
    """A link that has come to stand under the final name is never written through."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    (tmp_path / "photo.jpg").symlink_to(outside)
    with make() as partial:
        partial.start(etag=ETAG, total=1)
        partial.write(b"x")
        partial.commit(modified_s=None)
    assert outside.read_bytes() == b"precious"
    assert not (tmp_path / "photo.jpg").is_symlink()


@pytest.mark.parametrize(
    ("write", "copied"),
    [(b"", True), (b"56789", False), (b"567", False), (b"5678901234", False)],
    ids=["nothing", "in place", "less", "more"],
)
def test_a_copy_of_what_is_written_to(make: Make, tmp_path: Path, write: bytes, copied: bool) -> None:
    """What another file held is copied, and is of no use where that file is changed meanwhile."""
    there = tmp_path / "there.jpg"
    there.write_bytes(b"01234")
    os.utime(there, (1_757_840_400.0,) * 2)

    def change() -> None:
        if write:
            there.write_bytes(write)

    with make() as partial:
        assert partial.copy(there, change) == (1_757_840_400.0 if copied else None)


def test_commit_needs_a_start(make: Make) -> None:
    """Committing what was never begun is a mistake in the program."""
    with make() as partial, pytest.raises(RuntimeError):
        partial.commit(modified_s=None)


def test_resumed_by_the_next(make: Make, tmp_path: Path) -> None:
    """Bytes, length, ETag and MD5 are known again to whoever takes the partial up."""
    leave(make, b"01234", total=10)
    with make() as partial:
        assert (partial.size, partial.etag, partial.total) == (5, ETAG, 10)
        partial.resume_at(5)
        partial.write(b"56789")
        assert partial.is_whole
        assert partial.md5 == md5(b"0123456789")
        partial.commit(modified_s=None)
    assert (tmp_path / "photo.jpg").read_bytes() == b"0123456789"
    assert files(tmp_path) == []


def test_length_that_is_not_known(make: Make) -> None:
    """A partial of an object of unknown length is taken up too, and is never whole."""
    leave(make, b"01234", total=None)
    with make() as partial:
        assert (partial.size, partial.etag, partial.total, partial.is_whole) == (5, ETAG, None, False)


def test_resumed_further_back(make: Make, tmp_path: Path) -> None:
    """Bytes behind the offset are given up, also where they were hashed already."""
    with make() as partial:
        partial.start(etag=ETAG, total=8)
        partial.write(b"01234567")
        partial.resume_at(3)
        assert (partial.size, partial.md5) == (3, md5(b"012"))
        partial.write(b"abcde")
        assert partial.md5 == md5(b"012abcde")
        partial.commit(modified_s=None)
    assert (tmp_path / "photo.jpg").read_bytes() == b"012abcde"


@pytest.mark.parametrize("etag", [None, '"' + "e" * 200 + '"'])
def test_not_kept_without_an_etag(make: Make, tmp_path: Path, etag: str | None) -> None:
    """Without an ETag, or with one that does not fit into a name, nothing is kept for a later run."""
    with make() as partial:
        partial.start(etag=etag, total=10)
        partial.write(b"01234")
        assert partial.etag is None
    assert files(tmp_path) == []


def test_not_kept_without_a_byte(make: Make, tmp_path: Path) -> None:
    """A partial with nothing in it goes."""
    leave(make, b"")
    assert files(tmp_path) == []


def test_kept_when_it_ends_badly(make: Make, tmp_path: Path) -> None:
    """An error on the way leaves the bytes for the next run."""

    def fail() -> None:
        with make() as partial:
            partial.start(etag=ETAG, total=10)
            partial.write(b"01234")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with make() as partial:
        assert partial.size == 5


def test_discarded(make: Make, tmp_path: Path) -> None:
    """What is discarded is gone from the disk and from memory."""
    leave(make, b"01234")
    with make() as partial:
        partial.discard()
        assert (partial.size, partial.etag, partial.total) == (0, None, None)
        assert files(tmp_path) == []


def test_started_over(make: Make, tmp_path: Path) -> None:
    """Starting over leaves nothing of what was there, whether the object is another or the same."""
    for etag in (OTHER, OTHER, ETAG):
        with make() as partial:
            partial.start(etag=etag, total=6)
            assert partial.size == 0
            partial.write(b"abc")
            assert partial.md5 == md5(b"abc")
        assert [path.read_bytes() for path in files(tmp_path)] == [b"abc"]


def test_longest_of_several(make: Make, tmp_path: Path) -> None:
    """Of several partials of a photo the longest is taken up, and the others go."""
    names = []
    for etag, data in ((OTHER, b"abc"), (ETAG, b"01234"), ('"third"', b"")):
        leave(make, data or b"x", etag=etag)
        (path,) = files(tmp_path)
        names.append((path.name, data))
        path.unlink()
    for name, data in names:
        (tmp_path / ".ninepic" / name).write_bytes(data)
    with make() as partial:
        assert (partial.size, partial.etag) == (5, ETAG)
        assert [path.read_bytes() for path in files(tmp_path)] == [b"01234"]


def test_other_photos_are_left_alone(make: Make, tmp_path: Path) -> None:
    """A partial is taken up by its own photo only."""
    leave(make, b"01234")
    with make("fedcba9876543210") as partial:
        assert partial.size == 0
        partial.start(etag=ETAG, total=3)
        partial.write(b"abc")
        partial.discard()
    assert [path.read_bytes() for path in files(tmp_path)] == [b"01234"]


@pytest.mark.parametrize(
    "name",
    [
        f"{KEY}.part",
        f"{KEY}.x.Im.part",
        f"{KEY}.10.A.part",
        f"{KEY}.10.Im.tmp",
        f"{KEY}.10.Im.part.bak",
        f"{KEY}.10._w.part",
    ],
)
def test_strange_files_are_left_alone(make: Make, tmp_path: Path, name: str) -> None:
    """A file whose name is not a partial's is neither taken up nor removed."""
    (tmp_path / ".ninepic").mkdir()
    (tmp_path / ".ninepic" / name).write_bytes(b"01234")
    with make() as partial:
        assert partial.size == 0
    assert [path.name for path in files(tmp_path)] == [name]


def test_links_are_not_taken_up(make: Make, tmp_path: Path) -> None:
    """A link in place of a partial is not followed, neither in taking up nor in starting, and the photo arrives."""
    leave(make, b"01234")
    (path,) = files(tmp_path)
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    path.unlink()
    path.symlink_to(outside)
    with make() as partial:
        assert partial.size == 0
        partial.start(etag=ETAG, total=1)
        partial.write(b"x")
        partial.commit(modified_s=None)
    assert (tmp_path / "photo.jpg").read_bytes() == b"x"
    assert outside.read_bytes() == b"precious"


def test_second_names_of_another_file_are_not_taken_up(make: Make, tmp_path: Path) -> None:
    """A second name (hard link) of another file in place of a partial is not written to, and the photo arrives."""
    leave(make, b"01234", total=10)
    (path,) = files(tmp_path)
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    path.unlink()
    path.hardlink_to(outside)
    with make() as partial:
        assert partial.size == 0
        for etag in (ETAG, OTHER):
            partial.start(etag=etag, total=10)
            partial.write(b"x" * 10)
        partial.commit(modified_s=None)
    assert outside.read_bytes() == b"precious"
    assert (tmp_path / "photo.jpg").read_bytes() == b"x" * 10


def test_not_ours(make: Make, tmp_path: Path) -> None:
    """Where the photo is not ours alone to fetch, another's partial is not touched, and both photos are whole."""
    with make() as first, make(hold=LockState.ANOTHER_PROCESSES) as second:
        first.start(etag=ETAG, total=4)
        first.write(b"01")
        with make(hold=LockState.ANOTHER_PROCESSES) as third:
            assert third.size == 0
        second.start(etag=ETAG, total=4)
        assert second.etag == ETAG  # within a run it can be resumed
        second.write(b"0123")
        first.write(b"23")
        second.commit(modified_s=None)
        assert (tmp_path / "photo.jpg").read_bytes() == b"0123"
        first.commit(modified_s=None)
    assert (tmp_path / "photo.jpg").read_bytes() == b"0123"
    assert files(tmp_path) == []


def test_not_ours_is_not_kept(make: Make, tmp_path: Path) -> None:
    """What was fetched on the side is of no use to a later run, and goes."""
    with make(hold=LockState.ANOTHER_PROCESSES) as partial:
        partial.start(etag=ETAG, total=4)
        partial.write(b"01")
        assert len(files(tmp_path)) == 1
    assert files(tmp_path) == []


def test_vanishes_while_it_is_looked_for(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A partial that is removed at that very moment is not there, and that is all."""
    leave(make, b"01234")
    proper = module.sizes_of

    def listed_and_gone(home: Path, key: str) -> dict[str, int]:
        sizes = proper(home, key)
        for name in sizes:
            (home / name).unlink()
        return sizes

    monkeypatch.setattr(module, "sizes_of", listed_and_gone)
    with make() as partial:
        assert partial.size == 0
        partial.start(etag=ETAG, total=1)


def test_sizes_of_the_kept(make: Make, tmp_path: Path) -> None:
    """How far a photo has come can be seen by its key, and nothing is seen where there is nothing."""
    home = tmp_path / ".ninepic"
    assert module.sizes_of(home, KEY) == {}
    leave(make, b"01234")
    leave(lambda: make("fedcba9876543210"), b"012")
    assert list(module.sizes_of(home, KEY).values()) == [5]
    assert module.sizes_of(home / "photo.jpg", KEY) == {}


def test_free_again(make: Make) -> None:
    """Whoever leaves a partial lets go of it."""
    for size in range(5):
        with make() as partial:
            assert partial.size == size
            if not size:
                partial.start(etag=ETAG, total=10)
            partial.resume_at(size)
            partial.write(b"x")


def test_another_users_partial(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A partial that may not be written is left alone, and the photo goes its own way."""
    leave(make, b"01234")
    proper = os.open

    def guarded(path: Any, *args: Any, **options: Any) -> int:
        if str(path).endswith(".part"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return proper(path, *args, **options)

    monkeypatch.setattr(os, "open", guarded)
    with make() as partial:
        assert partial.size == 0
        partial.start(etag=ETAG, total=100)
        partial.write(b"x" * 100)
        partial.commit(modified_s=None)
    assert (tmp_path / "photo.jpg").stat().st_size == 100
    assert [path.read_bytes() for path in files(tmp_path)] == [b"01234"]


def test_home_that_goes_between(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of partials is made again when another process removes it just before the file is made."""
    proper, removed = os.open, list[object]()

    def open_too_late(path: Any, *args: Any, **options: Any) -> int:
        if ".ninepic" in str(path) and not removed:
            removed.append(path)
            (tmp_path / ".ninepic").rmdir()
        return proper(path, *args, **options)

    monkeypatch.setattr(os, "open", open_too_late)
    leave(make, b"01234")
    assert removed
    assert [path.read_bytes() for path in files(tmp_path)] == [b"01234"]


def test_home_that_never_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that cannot be kept is this machine's error, not an endless loop."""
    home = StateDir(tmp_path)
    home.make()
    home.path.rmdir()
    monkeypatch.setattr(home, "make", lambda: None)
    partial = Partial(tmp_path / "photo.jpg", state_dir=home, key=KEY)
    with partial, pytest.raises(MachineError, match="keeps disappearing"):
        partial.start(etag=ETAG, total=1)


def test_disk_full(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk says how much is free and what the photo needs, and what was written stays for the next run."""
    with make() as partial:
        partial.start(etag=ETAG, total=12_345)
        partial.write(b"0" * 345)
        refuse(monkeypatch, "write", errno.ENOSPC)
        with pytest.raises(MachineError) as caught:
            partial.write(b"1" * 100)
    assert caught.value.code == "disk_full"
    assert re.search(r"disk full: 12,000 more bytes needed, [\d,]+ free", caught.value.message)
    with make() as partial:
        assert partial.size == 345


def test_disk_full_in_the_middle(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a write that was cut short, what is on disk is counted and hashed, and nothing else."""
    with make() as partial:
        partial.start(etag=ETAG, total=10)
        with monkeypatch.context() as patch:
            refuse(patch, "write", errno.EDQUOT, after=1)
            limited = os.write
            patch.setattr(os, "write", lambda fd, data: limited(fd, bytes(data[:3])))
            with pytest.raises(MachineError):
                partial.write(b"01234")
        assert (partial.size, partial.md5) == (3, md5(b"012"))
        partial.write(b"3456789")
        assert partial.md5 == md5(b"0123456789")


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.EIO, MachineError),
        (errno.EROFS, MachineError),
        (errno.EACCES, MachineError),
        (errno.EMFILE, OpenFilesError),
        (errno.ENFILE, OpenFilesError),
        (errno.ENOSPC, MachineError),
        (errno.ENAMETOOLONG, BlockedNameError),
        (errno.EISDIR, BlockedNameError),
        (errno.ENOTDIR, BlockedNameError),
        (errno.ELOOP, BlockedNameError),
    ],
)
def test_whose_error_it_is(tmp_path: Path, number: int, error: type[Exception]) -> None:
    """What would meet every photo ends the run; what is about one name is that photo's."""
    with pytest.raises(error), translate_disk_errors(tmp_path / "photo.jpg"):
        raise OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("number", "error"), [(errno.EIO, MachineError), (errno.EMFILE, OpenFilesError), (errno.EROFS, MachineError)]
)
def test_trouble_in_taking_up(make: Make, monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception]) -> None:
    """A partial that cannot be opened for this machine's sake is this machine's error."""
    leave(make, b"01234")
    with monkeypatch.context() as patch:
        refuse(patch, "open", number)
        with pytest.raises(error), make():
            pass


@pytest.mark.parametrize("name", ["fsync", "open", "lseek", "ftruncate"])
def test_trouble_on_the_way(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """An I/O error at any step is this machine's error, and no final name comes of it."""
    leave(make, b"01234", total=5)

    def work() -> None:
        with make() as partial:
            partial.resume_at(4)
            partial.start(etag=OTHER, total=1)
            partial.write(b"x")
            partial.commit(modified_s=None)

    refuse(monkeypatch, name, errno.EIO)
    with pytest.raises(MachineError):
        work()
    assert not (tmp_path / "photo.jpg").exists()


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_share_that_cannot_flush(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """A file system that has no flush is no error."""
    refuse(monkeypatch, "fsync", number)
    with make() as partial:
        partial.start(etag=ETAG, total=1)
        partial.write(b"x")
        partial.commit(modified_s=None)
    assert (tmp_path / "photo.jpg").read_bytes() == b"x"


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES, errno.EINVAL, errno.EIO])
def test_share_that_keeps_its_own_time(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A modification time that cannot be set is no error."""
    refuse(monkeypatch, "utime", number)
    with make() as partial:
        partial.start(etag=ETAG, total=1)
        partial.write(b"x")
        partial.commit(modified_s=1_757_840_400.0)
    assert (tmp_path / "photo.jpg").read_bytes() == b"x"


def test_shorter_while_it_is_read(make: Make, tmp_path: Path) -> None:
    """A partial that somebody truncates under way is no short photo: it is discarded, and the photo begins anew."""
    leave(make, b"01234")
    (path,) = files(tmp_path)
    with make() as partial:
        os.truncate(path, 2)
        with pytest.raises(DisturbedError, match="replaced by another process"):
            partial.resume_at(5)
        assert (partial.size, files(tmp_path)) == (0, [])


@pytest.mark.parametrize("kind", ["folder", "file above"])
def test_name_that_is_taken(tmp_path: Path, kind: str) -> None:
    """A folder under the final name, or a file where its folder should be, is that photo's error alone."""
    home, final = tmp_path / ".ninepic", tmp_path / "bib" / "photo.jpg"
    if kind == "folder":
        final.mkdir(parents=True)
    else:
        (tmp_path / "bib").write_bytes(b"")
    with partial_of(final, home) as partial:
        partial.start(etag=ETAG, total=1)
        partial.write(b"x")
        with pytest.raises(BlockedNameError):
            partial.commit(modified_s=None)
    assert len(files(tmp_path)) == 1


def test_folders_of_the_photo_are_made_and_nothing_above(tmp_path: Path) -> None:
    """The photo's own folders are made; a target folder that was taken away is not made again."""
    target = tmp_path / "photos"
    home = target / ".ninepic"
    cases: list[tuple[Path, AbstractContextManager[Any]]] = [
        (target / "club" / "bib" / "photo.jpg", nullcontext()),
        (target / "other" / "bib" / "photo.jpg", pytest.raises(MachineError)),
    ]
    for final, outcome in cases:
        home.mkdir(parents=True, exist_ok=True)
        with partial_of(final, home) as partial:
            partial.start(etag=ETAG, total=1)
            partial.write(b"x")
            if "other" in final.parts:
                target.rename(tmp_path / "taken away")
            with outcome:
                partial.commit(modified_s=None)
    assert (tmp_path / "taken away" / "club" / "bib" / "photo.jpg").exists()
    assert not target.exists()


@settings(deadline=None)
@given(
    etag=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=94).map(lambda text: f'"{text}"'),
    total=st.none() | st.integers(min_value=0, max_value=10**18),
)
def test_any_object_is_recognised(etag: str, total: int | None) -> None:
    """Whatever ETag and length an object has, they come back from disk as they were, in a name that fits."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with partial_in(root, key="f" * 32) as partial:
            partial.start(etag=etag, total=total)
            partial.write(b"x")
            assert partial.etag == etag
            assert len(files(root)[0].name) <= 255
        with partial_in(root, key="f" * 32) as partial:
            assert (partial.size, partial.etag, partial.total) == (1, etag, total)


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=300), st.lists(st.tuples(st.integers(0, 80), st.booleans(), st.integers(0, 40))))
def test_any_sequence_of_interruptions(data: bytes, steps: list[tuple[int, bool, int]]) -> None:
    """However often a transfer is interrupted, resumed or set back, size and MD5 are those of the bytes on disk."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        partial = partial_in(root)
        partial.__enter__()
        partial.start(etag=ETAG, total=len(data))
        for more, is_interrupted, back in steps:
            partial.write(data[partial.size : partial.size + more])
            if is_interrupted:
                size = partial.size
                partial.__exit__()
                partial = partial_in(root)
                partial.__enter__()
                assert partial.size == size
                if not size:
                    partial.start(etag=ETAG, total=len(data))
            partial.resume_at(max(0, partial.size - back))
            assert partial.md5 == md5(data[: partial.size])
        partial.write(data[partial.size :])
        assert partial.is_whole
        assert partial.md5 == md5(data)
        partial.commit(modified_s=None)
        partial.__exit__()
        assert (root / "photo.jpg").read_bytes() == data
        assert files(root) == []
