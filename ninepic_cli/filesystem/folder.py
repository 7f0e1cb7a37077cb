"""The destination: where each photo goes, what is there already, and the partials on their way.

Nothing else makes, renames or removes photos. `DIR/.ninepic/` holds the partials (`state_dir`).
"""

import hashlib
import os
import re
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path

from ninepic_cli.errors import BlockedNameError, MachineError, UsageError
from ninepic_cli.filesystem.disk_errors import translate_disk_errors
from ninepic_cli.filesystem.images import is_complete
from ninepic_cli.filesystem.locks import Locks, LockState
from ninepic_cli.filesystem.partial import Partial, sizes_of
from ninepic_cli.filesystem.state_dir import StateDir
from ninepic_cli.filesystem.template import Naming
from ninepic_cli.models import Photo
from ninepic_cli.text import on_disk, path_text, system_text

_VERIFIED = "user.ninepic.confirmed"  # an extended attribute, where there are any
_OTHER = "choose another directory with -o"
_KEY = re.compile("[0-9a-f]{32}")  # what the name of a partial begins with
_JPEG_NAMES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})


class Presence(Enum):
    """What stands under a photo's final name."""

    ABSENT = "absent"
    WHOLE = "whole"
    DAMAGED = "damaged"


class Folder:
    """The folder that photos are downloaded into, used by many threads at once.

    Its root need not exist: it is made when the first photo arrives.
    """

    def __init__(self, root: Path, *, naming: Naming | None = None) -> None:
        self.root = root
        self._state_dir = StateDir(root)
        # A photo's name below the folder is its path without this: `Path.relative_to` takes thirty times as long.
        self._prefix = "" if root == Path() else os.path.join(root, "")  # noqa: PTH118
        self._naming = naming or Naming()
        self._lock = threading.Lock()
        self._claimed: set[str] = set()
        self._locks = Locks(self._state_dir)

    def check(self) -> None:
        """See that photos can be written, before anything is asked of the service; changes nothing.

        Raises:
            UsageError: something that is not a folder stands there, or above it.
            MachineError: it may not be written.
        """
        self._state_dir.check()
        place = self.root
        while True:
            try:
                mode = place.stat().st_mode
                break
            except (FileNotFoundError, NotADirectoryError):
                if place.is_symlink():  # no folder can be made in its place, nor below it
                    raise UsageError(self._not_made(place, "is a dangling symbolic link"), hint=_OTHER) from None
                place = place.parent
            except OSError as error:
                raise MachineError(
                    self._not_made(place, f"cannot be read ({system_text(error)})"), hint=_OTHER
                ) from error
        if not stat.S_ISDIR(mode):
            raise UsageError(self._not_made(place, "is not a directory"), hint=_OTHER)
        if not os.access(place, os.W_OK | os.X_OK):
            raise MachineError(self._not_made(place, "is not writable"), hint=f"{_OTHER}, or change its permissions")

    def _not_made(self, place: Path, reason: str) -> str:
        """Why the folder cannot be used: it, then the one above it that refuses."""
        words = f"{path_text(place)} {reason}"
        return words if place == self.root else f"cannot create {path_text(self.root)}: {words}"

    def path_of(self, photo: Photo) -> Path:
        """Where the photo goes: a function of the photo alone."""
        return self._below(self._naming.parts(photo))

    def other_path_of(self, photo: Photo) -> Path | None:
        """Where the photo would go in the other of the two usual layouts; None where there is no other."""
        parts = self._naming.other_parts(photo)
        return None if parts is None else self._below(parts)

    def _below(self, parts: Sequence[str]) -> Path:
        """The path of these names, which are UTF-8 on the disk whatever the locale."""
        return self.root.joinpath(*map(on_disk, parts))

    def presence(self, path: Path) -> Presence:
        """What stands under the name.

        Raises:
            BlockedNameError: something that is not a plain file, or a link on the way to it.
            MachineError: it cannot be read.
        """
        with translate_disk_errors(path, is_reading=True):
            try:
                mode = os.lstat(path).st_mode
            except FileNotFoundError:
                mode = None
            self._check_way_to(path)
            if mode is None:
                return Presence.ABSENT
            if not stat.S_ISREG(mode):
                raise BlockedNameError(
                    f"{path_text(path)} is {_kind(mode)}; refusing to overwrite it",
                    hint="move it away, or choose another directory with -o",
                )
            try:
                return Presence.WHOLE if _is_whole(path) else Presence.DAMAGED
            except FileNotFoundError:
                return Presence.ABSENT  # it has just gone

    def size(self, path: Path) -> int:
        """Bytes of the file under the name; 0 where it has just gone."""
        with suppress(OSError):
            return path.lstat().st_size
        return 0

    def identity(self, path: Path) -> tuple[int, ...] | None:
        """What tells the file under the name from one that replaces it; None where there is none."""
        with suppress(OSError):
            status = path.lstat()
            return status.st_ino, status.st_size, status.st_mtime_ns
        return None

    def mark_verified(self, path: Path, identity: tuple[int, ...] | None) -> None:
        """The store says that the file is the photo: while it is not written to, it needs no asking again.

        Noted where the file system and the platform have extended attributes (Linux); elsewhere it is asked again.
        """
        with suppress(OSError, AttributeError):
            if identity == self.identity(path):
                os.setxattr(path, _VERIFIED, _state(path.lstat()), follow_symlinks=False)

    def head(self, path: Path, size: int) -> bytes:
        """The first bytes of the file that stands under the name.

        Raises:
            MachineError: it cannot be read.
        """
        with translate_disk_errors(path, is_reading=True), path.open("rb", buffering=0) as file:
            return file.read(size)

    def size_and_md5(self, path: Path) -> tuple[int, str]:
        """Size and MD5 (in hexadecimal) of the file that stands under the name.

        Raises:
            MachineError: it cannot be read.
        """
        with translate_disk_errors(path, is_reading=True), path.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
            return file.tell(), digest.hexdigest()

    @contextmanager
    def claim(self, path: Path) -> Iterator[LockState]:
        """Hold a photo while it is dealt with, if no other thread and (where there are locks) no other process does."""
        key = self.key(path).hex()
        with self._lock:
            is_free = key not in self._claimed
            self._claimed.add(key)
        if not is_free:
            yield LockState.ANOTHER_THREADS
            return
        hold = LockState.NOBODYS
        try:
            with translate_disk_errors(path):
                hold = self._locks.acquire(key)
            if hold is LockState.ANOTHER_PROCESSES:
                self._state_dir.invalidate()
            yield hold
        finally:
            if hold is LockState.OURS:
                self._locks.release(key)
            with self._lock:
                self._claimed.remove(key)

    def partial(self, path: Path, *, hold: LockState = LockState.OURS) -> Partial:
        """The partial of the photo that goes to `path`, with what an earlier run left of it if it is ours."""
        return Partial(path, state_dir=self._state_dir, key=self.key(path).hex(), hold=hold)

    def partial_sizes(self, path: Path) -> dict[str, int]:
        """How far whoever fetches the photo has come: names and sizes of its partials."""
        with translate_disk_errors(path):
            return sizes_of(self._state_dir.path, self.key(path).hex())

    def sweep(self) -> None:
        """Remove partials that nobody has touched for a week, but for those of a photo that another process holds."""
        with suppress(OSError):
            for name in self._state_dir.old_partials():
                key = name.partition(".")[0]
                hold = self._locks.acquire(key) if _KEY.fullmatch(key) else LockState.NOBODYS
                if hold is not LockState.ANOTHER_PROCESSES:
                    self._state_dir.remove_partial(name)
                if hold is LockState.OURS:
                    self._locks.release(key)

    def close(self) -> None:
        """Remove what was made for partials and holds none, and the folder itself if it was made for nothing."""
        with suppress(OSError, MachineError):
            if stat.S_ISDIR(self._state_dir.path.lstat().st_mode) and self._locks.open():
                self._locks.close(on_alone=self._state_dir.remove_private)
        self._state_dir.remove()

    def key(self, path: Path) -> bytes:
        """What stands for a photo's name in 16 bytes, the same in every run; in hexadecimal for partials and locks."""
        name = path_text(str(path).removeprefix(self._prefix))
        return hashlib.sha256(name.encode(errors="surrogatepass")).digest()[:16]

    def _check_way_to(self, path: Path) -> None:
        parent = self.root
        for name in path.parts[len(self.root.parts) : -1]:  # `relative_to` takes much longer
            parent /= name
            if parent.is_symlink():
                raise BlockedNameError(
                    f"{path_text(parent)} is a symbolic link; refusing to write through it",
                    hint="move it away, or choose another directory with -o",
                )


def _is_whole(path: Path) -> bool:
    """Whether the file is not empty and, if it is named as a JPEG, is an image to its end or known to be the photo."""
    with path.open("rb", buffering=0) as file:
        is_jpeg = path.suffix.lower() in _JPEG_NAMES
        if is_jpeg and is_complete(file):
            return True
        status = os.fstat(file.fileno())
        return status.st_size > 0 and (not is_jpeg or _verified_state(file.fileno()) == _state(status))


def _verified_state(descriptor: int) -> bytes | None:
    """The state in which the store has confirmed a file, where that was noted."""
    with suppress(OSError, AttributeError):
        return os.getxattr(descriptor, _VERIFIED)
    return None


def _state(status: os.stat_result) -> bytes:
    """What a file does not keep when it is written to."""
    return f"{status.st_size} {status.st_mtime_ns}".encode()


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a directory"
    return "a symbolic link" if stat.S_ISLNK(mode) else "not a regular file"
