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
import secrets
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from ninepic_cli.errors import BlockedNameError, MachineError, NinepicError, OpenFilesError
from ninepic_cli.home import Home
from ninepic_cli.images import is_complete
from ninepic_cli.locks import Hold
from ninepic_cli.paths import path_text
from ninepic_cli.whole import flush

_READ_BYTES = 1 << 20
_LONGEST_ETAG = 96
_NOT_FOR_THIS_PHOTO = frozenset({errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EEXIST})
_REFUSED_NAME = frozenset({errno.ENAMETOOLONG, errno.EILSEQ})  # EINVAL may also be about what is done


class Partial:
    """The bytes of one photo on their way to `final`; a context manager that keeps or removes the file.

    Args:
        final: where the photo goes.
        home: the folder of all partials.
        key: tells this photo's partials from others'; no dot in it.
        hold: whether nobody else fetches the photo, so that the file which runs share may be used.

    Attributes:
        size: bytes on disk, all of them from the object that `etag` names.
        etag: the strong ETag to resume with, quotes included, or None.
        total: the object's length in bytes, or None where it is not known.
    """

    def __init__(self, final: Path, *, home: Home, key: str, hold: Hold = Hold.OURS) -> None:
        self.final = final
        self.size = 0
        self.etag: str | None = None
        self.total: int | None = None
        self._home = home
        self._key = key
        self._hold = hold
        self._path: Path | None = None
        self._fd = -1
        self._is_private = False  # resumed within this run only
        self._digest = hashlib.md5(usedforsecurity=False)
        self._hashed = 0

    def __enter__(self) -> Self:
        if self._hold is Hold.OURS and self._home.has_begun(self._key):
            with local_errors(self.final):
                self._take_up_the_longest()
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0 and (self.size == 0 or self._is_private):
            self.discard()
        elif self._fd >= 0:
            self._home.note_begun(self._key)
        self._close()

    @property
    def is_whole(self) -> bool:
        """Whether as many bytes are on disk as the object has."""
        return self.size == self.total

    @property
    def is_intact(self) -> bool:
        """Whether the file holds what was written here and nothing else.

        Locks that are granted and not shared (two hosts on NFS without a lock service) let two write one file.
        """
        with suppress(OSError):
            if self._path is not None:
                there, ours = os.lstat(self._path), os.fstat(self._fd)
                return os.path.samestat(there, ours) and ours.st_size == self.size
        return False

    @property
    def is_complete_image(self) -> bool:
        """Whether the bytes on disk begin and end as an image does.

        Raises:
            MachineError: they cannot be read.
        """
        with local_errors(self.final), os.fdopen(os.dup(self._fd), "rb", buffering=0) as file:
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
        self.etag = etag if etag is not None and len(etag) <= _LONGEST_ETAG else None
        self.total = total
        with local_errors(self.final):
            self._open_new()

    def copy(self, there: Path, on_piece: Callable[[], None]) -> float | None:
        """Take the bytes of another file in place of what was there; returns when that was last modified.

        Returns:
            None where the other file cannot be read to its end, or is changed meanwhile.

        Raises:
            MachineError, BlockedNameError: what was read could not be written.
        """
        try:
            with os.fdopen(os.open(there, os.O_RDONLY | _READ_FLAGS), "rb", buffering=0) as file:
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
            MachineError: the bytes on disk cannot be read.
        """
        with local_errors(self.final):
            if offset < self.size:
                os.ftruncate(self._fd, offset)
                self.size = offset
            if self._hashed > offset:
                self._digest, self._hashed = hashlib.md5(usedforsecurity=False), 0
            while self._hashed < offset:
                block = os.pread(self._fd, min(_READ_BYTES, offset - self._hashed), self._hashed)
                if not block:
                    raise MachineError(f"{self._path} became shorter while it was being read")
                self._digest.update(block)
                self._hashed += len(block)

    def write(self, chunk: bytes | memoryview) -> None:
        """Append bytes; they are counted and hashed.

        Raises:
            MachineError: the disk is full, or refuses.
        """
        view = memoryview(chunk)
        with local_errors(self.final, needed=self._missing_bytes):
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
            MachineError, BlockedNameError: that could not be done.
        """
        if self._path is None:
            raise RuntimeError("nothing was started")
        with local_errors(self.final):
            flush(self._fd)
            if modified_s is not None:
                with suppress(OSError):  # not every network share lets it be set
                    os.utime(self._path, (modified_s, modified_s))
            self._make_way()
            self._path.replace(self.final)
            self._path = None
        self._close()

    def _make_way(self) -> None:
        """The folders below DIR; DIR itself is not made again where it was taken away."""
        root = self._home.path.parent
        if self.final.parent == root:
            return
        below = self.final.parent.relative_to(root)
        for depth in range(1, len(below.parts) + 1):
            root.joinpath(*below.parts[:depth]).mkdir(exist_ok=True)

    def discard(self) -> None:
        """Remove the file: its bytes are of no use."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink()
        self._close()
        self.size, self.etag, self.total = 0, None, None

    def _missing_bytes(self) -> int | None:
        return None if self.total is None else self.total - self.size

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._path = -1, None
        self._digest, self._hashed = hashlib.md5(usedforsecurity=False), 0

    def _take_up_the_longest(self) -> None:
        for name, size in sorted(sizes_of(self._home.path, self._key).items(), key=lambda pair: -pair[1]):
            path = self._home.path / name
            if not _can_be_taken_up(name):
                continue
            if self._fd >= 0 or size == 0:
                with suppress(OSError):
                    path.unlink()  # of an object that has been replaced since
            elif (fd := _opened(path, 0)) is not None:
                _, total, etag, _ = name.split(".")
                self._fd, self._path, self.size = fd, path, os.fstat(fd).st_size
                self.total = int(total) if total else None
                self.etag = _decoded(etag)

    def _open_new(self) -> None:
        for _ in range(3):
            self._home.confirm()
            try:
                if not self._open_shared():
                    self._open_private()
            except FileNotFoundError:  # another process found the folder empty, and removed it
                self._home.make()
                continue
            return
        raise MachineError(f"{self._home.path} disappears as soon as it is made", hint="check the folder and the disk")

    def _open_shared(self) -> bool:
        if self.etag is None or self._hold is not Hold.OURS:
            return False
        length = "" if self.total is None else self.total
        path = self._home.path / f"{self._key}.{length}.{_encoded(self.etag)}.part"
        fd = _opened(path, os.O_CREAT)
        if fd is None:
            return False
        os.ftruncate(fd, 0)
        self._fd, self._path, self._is_private = fd, path, False
        return True

    def _open_private(self) -> None:
        self._is_private = True
        ending = "own" if self._hold is Hold.NOBODYS else "tmp"
        self._path = self._home.path / f"{self._key}.{secrets.token_hex(8)}.{ending}"
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | _FLAGS, 0o666)


_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_READ_FLAGS = _FLAGS | getattr(os, "O_NONBLOCK", 0)  # a FIFO that has come there is not waited at


def _opened(path: Path, flags: int) -> int | None:
    """A descriptor, or None where the file is another user's, has gone, or has too long a name for this file system."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_APPEND | _FLAGS | flags, 0o666)
    except PermissionError:
        return None
    except FileNotFoundError:
        if flags & os.O_CREAT:  # its folder has gone
            raise
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # eCryptfs takes 143 bytes, which an ETag may need alone
            return None
        raise
    if os.fstat(fd).st_nlink == 1:
        return fd
    os.close(fd)  # a second name of some other file, which is not ours to write
    return None


def sizes_of(home: Path, key: str) -> dict[str, int]:
    """The names and sizes of all partials of a photo, whoever writes them."""
    sizes: dict[str, int] = {}
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(home) as entries:
        for entry in entries:
            if entry.name.startswith(f"{key}.") and entry.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):  # another process has finished it meanwhile
                    sizes[entry.name] = entry.stat().st_size
    return sizes


def _can_be_taken_up(name: str) -> bool:
    parts = name.split(".")
    return (
        len(parts) == 4
        and parts[3] == "part"
        and (parts[1] == "" or parts[1].isdecimal())
        and _decoded(parts[2]) is not None
    )


def _encoded(etag: str) -> str:
    return base64.urlsafe_b64encode(etag.encode()).decode().rstrip("=")


def _decoded(text: str) -> str | None:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except ValueError:
        return None


class local_errors:  # noqa: N801 (a context manager; a class, as one is entered a dozen times for each photo)
    """Turn this machine's errors into ours.

    Args:
        path: where the photo was to go.
        is_reading: whether a file that stands there is only being looked at.
        needed: a function that tells how many bytes are still to come, or None.

    Raises:
        BlockedNameError: the error concerns this name alone.
        OpenFilesError: there are too many open files.
        MachineError: it would meet every other photo too.
    """

    def __init__(self, path: Path, *, needed: Callable[[], int | None] | None = None, is_reading: bool = False) -> None:
        self._path = path
        self._needed = needed
        self._is_reading = is_reading

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, OSError):
            raise self._meaning(error) from error

    def _meaning(self, error: OSError) -> NinepicError:
        reason, path = error.strerror or str(error), path_text(self._path)
        if error.errno in OpenFilesError.numbers:
            return OpenFilesError()
        if error.errno in _REFUSED_NAME or (error.errno == errno.EINVAL and self._is_named_by(error)):
            message = f"the file system refuses its name ({reason}): {path}"
            return BlockedNameError(message, hint="to use other names: --name '{image_id}{ext}'", code="name_refused")
        if self._is_reading and error.errno in {errno.EACCES, errno.EPERM}:
            return BlockedNameError(f"{path} is there and cannot be read ({reason})")
        if error.errno in _NOT_FOR_THIS_PHOTO:
            return BlockedNameError(f"{path} cannot be written ({reason})")
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            missing = self._needed() if self._needed else None
            return MachineError(
                f"the disk is full: {_free(self._path)}{_needs(missing)}, in {path_text(self._path.parent)}",
                hint="make room and run the same command again: what is on disk is not fetched twice",
                code="disk_full",
            )
        return MachineError(f"{path} cannot be written ({reason})", hint="check the folder and the disk")

    def _is_named_by(self, error: OSError) -> bool:
        """Whether the error is about the photo's name or its folders', and not about a partial or an open file."""
        name = error.filename2 or error.filename
        return isinstance(name, str | os.PathLike) and Path(name).name in self._path.parts


def _free(path: Path) -> str:
    for folder in path.parents:
        with suppress(OSError):
            return f"{shutil.disk_usage(folder).free:,} bytes are free"
    return "no space is left"


def _needs(missing: int | None) -> str:
    return "" if missing is None else f" and the photo needs {missing:,} more"
