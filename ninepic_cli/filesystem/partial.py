"""One partial file: the bytes of a photo that is on its way, and what they are bytes of.

The file's name says which object its bytes belong to: `<key>.<length>.<ETag in base64>.part`. Bytes and
description thus cannot come apart, whatever the moment of a kill or a power cut, as they could in two files.
A partial that cannot be resumed (no strong ETag), or whose photo is not ours alone to fetch (`locks`), goes by a
private name (`<key>.<random>.tmp`) and is never taken up again; by `<key>.<random>.own` where there are no locks, since
nobody can tell then whether its writer is alive.
"""

import base64
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, Self

from ninepic_cli.errors import BlockedNameError, MachineError, TransientError
from ninepic_cli.filesystem.atomic import fsync
from ninepic_cli.filesystem.disk_errors import translate_disk_errors
from ninepic_cli.filesystem.images import is_complete
from ninepic_cli.filesystem.locks import LockState
from ninepic_cli.filesystem.state_dir import StateDir
from ninepic_cli.filesystem.subfolder import FILE_FLAGS, Subfolder
from ninepic_cli.text import path_text, system_text

_READ_BYTES = 1 << 20
_LONGEST_ETAG = 96


class DisturbedError(TransientError, code="disk"):
    """Something else took the place of a partial file, or wrote to it."""


class Partial:
    """The bytes of one photo on their way to `final`; a context manager that keeps or removes the file.

    Args:
        key: tells this photo's partials from others'; no dot in it.
        hold: whether nobody else fetches the photo, so that the file which runs share may be used.

    Attributes:
        size: bytes on disk, all of them from the object that `etag` names.
        etag: the strong ETag to resume with, quotes included, or None.
        total: the object's length in bytes, or None where it is not known.
    """

    def __init__(self, final: Path, *, state_dir: StateDir, key: str, hold: LockState = LockState.OURS) -> None:
        self.final = final
        self.size = 0
        self.etag: str | None = None
        self.total: int | None = None
        self._state_dir = state_dir
        self._key = key
        self._hold = hold
        self._path: Path | None = None
        self._fd = -1
        self._is_private = False  # resumed within this run only
        self._digest = _new_digest()
        self._hashed = 0

    def __enter__(self) -> Self:
        if self._hold is LockState.OURS and self._state_dir.has_begun(self._key):
            with translate_disk_errors(self.final):
                self._resume_longest()
        return self

    def __exit__(self, *_: object) -> None:
        if self._path is not None and (self.size == 0 or self._is_private):
            self.discard()
        elif self._path is not None:
            self._keep_for_resume()
        self._close()

    @property
    def is_whole(self) -> bool:
        """Whether as many bytes are on disk as the object has."""
        return self.size == self.total

    def _own_status(self) -> os.stat_result | None:
        """The file's status; None unless it holds what was written here and nothing else, and stands where it was made.

        Locks that are granted and not shared (two hosts on NFS without a lock service) let two write one file.
        """
        with suppress(OSError):
            if self._path is not None:
                there, ours = os.lstat(self._path), os.fstat(self._fd)
                if os.path.samestat(there, ours) and ours.st_size == self.size:
                    return ours
        return None

    @property
    def is_complete_image(self) -> bool:
        """Whether the bytes on disk begin and end as an image does.

        Raises:
            MachineError: they cannot be read.
        """
        with translate_disk_errors(self.final), os.fdopen(os.dup(self._fd), "rb", buffering=0) as file:
            return is_complete(file)

    @property
    def md5(self) -> str:
        """The MD5 of the bytes on disk, in hexadecimal."""
        return self._digest.hexdigest()

    def start(self, *, etag: str | None, total: int | None) -> None:
        """Begin from the first byte of an object.

        Raises:
            MachineError: the file cannot be made.
        """
        self.discard()
        self.etag = etag if etag is not None and _is_usable(etag) else None
        self.total = total
        with translate_disk_errors(self.final):
            self._open_new()

    def copy(self, there: Path, on_piece: Callable[[], None]) -> float | None:
        """Take the bytes of another file in place of what was there; returns when that was last modified.

        That is None where the other file cannot be read to its end, or is changed meanwhile.

        Raises:
            MachineError, BlockedNameError: what was read could not be written.
        """
        try:
            with os.fdopen(os.open(there, os.O_RDONLY | FILE_FLAGS), "rb", buffering=0) as file:
                before = os.fstat(file.fileno())
                if not stat.S_ISREG(before.st_mode):
                    return None
                self.start(etag=None, total=before.st_size)
                while piece := file.read(_READ_BYTES):
                    on_piece()
                    self.write(piece)
                after = os.fstat(file.fileno())
        except OSError:  # of the other file: `start` and `write` have made errors of ours of their own
            return None
        is_same = (before.st_size, before.st_mtime_ns) == (self.size, after.st_mtime_ns)
        return before.st_mtime if is_same else None

    def resume_at(self, offset: int) -> None:
        """Go on behind the first `offset` bytes (all that there are, or fewer).

        Raises:
            DisturbedError: something else has made the file shorter; it has been discarded.
            MachineError: the bytes on disk cannot be read.
        """
        with translate_disk_errors(self.final):
            if offset < self.size:
                os.ftruncate(self._fd, offset)
                self.size = offset
            if self._hashed > offset:
                self._digest, self._hashed = _new_digest(), 0
            os.lseek(self._fd, self._hashed, os.SEEK_SET)  # bytes are appended, wherever it stands
            while self._hashed < offset:
                block = os.read(self._fd, min(_READ_BYTES, offset - self._hashed))
                if not block:
                    self._give_up()
                self._digest.update(block)
                self._hashed += len(block)

    def write(self, chunk: bytes | memoryview) -> None:
        """Append bytes; they are counted and hashed.

        Raises:
            MachineError: the disk is full, or refuses.
        """
        view = memoryview(chunk)
        with translate_disk_errors(self.final, needed=self._missing_bytes):
            while view:
                # No buffer of our own: what arrived is on its way to the disk, whatever ends this process.
                written = os.write(self._fd, view)
                self._digest.update(view[:written])
                view = view[written:]
                self.size += written
                self._hashed += written

    def commit(self, *, modified_s: float | None) -> None:
        """Flush to disk and rename to the final name.

        Raises:
            DisturbedError: something else stands in the file's place; it has been discarded.
            MachineError, BlockedNameError: that could not be done.
        """
        if self._path is None:
            raise RuntimeError("nothing was started")
        with translate_disk_errors(self.final):
            self._flush(modified_s)
            with self._state_dir.open_parent(self.final) as folder:
                self._rename(self._path, folder)
        self._path = None
        self._close()

    def _flush(self, modified_s: float | None) -> None:
        """Have all bytes on the disk, and the file's time set.

        After a failure nobody knows which bytes are there, and the next flush may not fail: the file goes.
        """
        # Network shares tell with the first close what they could not write. The other descriptor keeps the file's
        # number from becoming another file's.
        closing, self._fd = self._fd, os.dup(self._fd)
        try:
            try:
                fsync(closing)
                _set_time(closing, self._path, modified_s)
            finally:
                os.close(closing)
        except OSError:
            self.discard()
            raise

    def _rename(self, path: Path, folder: Subfolder) -> None:
        """Give the file its final name, and nothing else that may stand in its place by now."""
        ours, md5 = self._own_status(), self.md5
        if ours is None:
            self._give_up()
        if folder.descriptor is None:
            self._close_fd()  # such systems do not rename files that are open
        try:
            folder.replace(path, self.final.name)
        except PermissionError as error:
            if folder.path == self._state_dir.root and not os.path.lexists(self.final):
                raise
            raise BlockedNameError(f"cannot write {path_text(self.final)}: {system_text(error)}") from error
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            ours = self._copy_into(folder, path)
        if not self._is_in_place(folder, ours, md5):
            with suppress(OSError):
                folder.remove(self.final.name)
            self._give_up()

    def _copy_into(self, folder: Subfolder, path: Path) -> os.stat_result:
        """The same by a copy, for a folder on another file system; returns the copy's status."""
        name, fd = self._open_copy(folder)
        try:
            with os.fdopen(fd, "wb") as copy:  # buffered: what the disk takes in part is written on, or is an error
                with open(self._fd if self._fd >= 0 else path, "rb", buffering=0, closefd=self._fd < 0) as file:
                    file.seek(0)
                    shutil.copyfileobj(file, copy, _READ_BYTES)
                copy.flush()
                self._state_dir.give_to_owner(fd)
                fsync(fd)
                _set_time(fd, folder.path / name, path.stat().st_mtime)
                status = os.fstat(fd)
            if status.st_size != self.size:
                self._give_up()
            folder.rename(name, self.final.name)
        except BaseException:
            with suppress(OSError):
                folder.remove(name)
            raise
        with suppress(OSError):
            path.unlink()
        return status

    def _open_copy(self, folder: Subfolder) -> tuple[str, int]:
        """Name and descriptor of a new file for the copy, in place of what a run that was killed has left of it."""
        if self._hold is LockState.OURS:
            name = f".ninepic-{self._key}.tmp"
            with suppress(OSError):
                folder.remove(name)
            with suppress(FileExistsError):  # another user's, or a folder
                return name, folder.open(name, os.O_CREAT | os.O_EXCL)
        name = f".ninepic-{os.urandom(8).hex()}.tmp"
        return name, folder.open(name, os.O_CREAT | os.O_EXCL)

    def _is_in_place(self, folder: Subfolder, ours: os.stat_result, md5: str) -> bool:
        """Whether the final name is that of this file, or of the very same bytes.

        Another run may just have brought the photo, too, and some file systems number a file anew when it is renamed.
        """
        with suppress(OSError):
            there = folder.status(self.final.name)
            if there.st_size != self.size:
                return False
            if os.path.samestat(there, ours):
                return True
            if self._state_dir.is_usable(there):
                with open(folder.open(self.final.name, 0), "rb") as file:  # noqa: PTH123
                    return hashlib.file_digest(file, _new_digest).hexdigest() == md5
        return False

    def _give_up(self) -> NoReturn:
        """Leave the file to whoever disturbs it; raises DisturbedError."""
        self.discard()
        raise DisturbedError("the partial file was replaced by another process")

    def discard(self) -> None:
        """Remove the file: its bytes are of no use."""
        path = self._path
        self._close()  # first: not every system removes files that are open
        if path is not None:
            with suppress(OSError):
                path.unlink()
        self.size, self.etag, self.total = 0, None, None

    def _missing_bytes(self) -> int | None:
        return None if self.total is None else self.total - self.size

    def _close(self) -> None:
        with suppress(OSError):
            self._close_fd()
        self._path = None
        self._digest, self._hashed = _new_digest(), 0

    def _close_fd(self) -> None:
        """Close the file; raises OSError where bytes were lost."""
        if self._fd >= 0:
            closing, self._fd = self._fd, -1
            os.close(closing)

    def _keep_for_resume(self) -> None:
        """Leave the file for a later run, if it can be trusted."""
        with translate_disk_errors(self.final):
            try:
                self._close_fd()
            except OSError:
                self.discard()
                raise
        self._state_dir.mark_begun(self._key)

    def _resume_longest(self) -> None:
        for name, size in sorted(sizes_of(self._state_dir.path, self._key).items(), key=lambda pair: -pair[1]):
            if (described := _parse_name(name)) is None:
                continue
            if self._path is not None or size == 0:
                self._state_dir.remove_partial(name)  # of an object that has been replaced since
                continue
            with suppress(FileNotFoundError):
                fd = self._state_dir.open_file(name)
                if fd is not None:
                    self._fd, self._path, self.size = fd, self._state_dir.path / name, os.fstat(fd).st_size
                    self.total, self.etag = described

    def _open_new(self) -> None:
        for _ in range(3):
            with suppress(FileNotFoundError):  # another process found the folder empty, and removed it
                if not self._open_shared():
                    self._open_private()
                return
            self._state_dir.make()
        raise MachineError(
            f"{path_text(self._state_dir.path)} keeps disappearing", hint="check the directory and the disk"
        )

    def _open_shared(self) -> bool:
        if self.etag is None or self._hold is not LockState.OURS:
            return False
        length = "" if self.total is None else self.total
        etag = base64.urlsafe_b64encode(self.etag.encode()).decode().rstrip("=")
        name = f"{self._key}.{length}.{etag}.part"
        fd = self._state_dir.open_file(name, is_making=True, is_emptied=True)
        if fd is None:
            return False
        self._fd, self._path, self._is_private = fd, self._state_dir.path / name, False
        return True

    def _open_private(self) -> None:
        ending = "own" if self._hold is LockState.NOBODYS else "tmp"
        name = f"{self._key}.{os.urandom(8).hex()}.{ending}"
        self._fd = self._state_dir.create_file(name)
        self._path, self._is_private = self._state_dir.path / name, True


def _new_digest() -> "hashlib._Hash":
    return hashlib.md5(usedforsecurity=False)


def _set_time(fd: int, path: Path | None, modified_s: float | None) -> None:
    """Set a file's modification time, where it is known; not every network share lets it be set."""
    place = fd if os.utime in os.supports_fd else path
    if modified_s is not None and place is not None:
        with suppress(OSError):
            os.utime(place, (modified_s, modified_s))


def sizes_of(state_dir: Path, key: str) -> dict[str, int]:
    """The names and sizes of all partials of a photo, whoever writes them."""
    sizes: dict[str, int] = {}
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(state_dir) as entries:
        for entry in entries:
            if entry.name.startswith(f"{key}.") and entry.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):  # another process has finished it meanwhile
                    sizes[entry.name] = entry.stat().st_size
    return sizes


def _parse_name(name: str) -> tuple[int | None, str] | None:
    """Length and ETag of the object that a partial has bytes of; None where it cannot be resumed."""
    match name.split("."):
        case [_, length, text, "part"] if not length or length.isdecimal():
            with suppress(ValueError):
                etag = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
                # By whatever process: it need not be one that a store has sent.
                if _is_usable(etag) and len(etag) > 1 and etag[0] == etag[-1] == '"':
                    return int(length) if length else None, etag
    return None


def _is_usable(etag: str) -> bool:
    """Whether an ETag can be sent in a header, and stand in a file's name."""
    return len(etag) <= _LONGEST_ETAG and etag.isascii() and etag.isprintable()
