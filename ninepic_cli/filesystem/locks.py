"""Which process fetches which photo: locks on single bytes of one file in the folder.

A photo's lock is a byte of `.ninepic/lock` at an offset drawn from its key, so that no photo leaves a file behind,
and the system frees it when its process dies, however that happens. Byte 0 is locked by everyone who uses the file
(shared); who can lock it alone is the last, and removes it.

These are POSIX record locks (`fcntl`), which also work over NFS. They are the process's: threads are kept apart by
`Folder.claim`, and the file is opened once in a process. Where there are none (Windows, some network shares, somebody
else's file), nothing is locked, and photos go by private partials.
"""

import errno
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum

from ninepic_cli.errors import OpenFilesError
from ninepic_cli.filesystem.state_dir import StateDir

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]


NAME = "lock"
_OFFSETS = 1 << 62
_PATIENCE_S = 1.0  # with a process that is just removing the file


class LockState(Enum):
    """Who holds a photo."""

    OURS = "ours"
    ANOTHER_THREADS = "another thread's"
    ANOTHER_PROCESSES = "another process's"
    NOBODYS = "nobody's"  # there are no locks here


class Locks:
    """The locks of one folder; not for two instances on one folder in one process."""

    def __init__(self, state_dir: StateDir) -> None:
        self._state_dir = state_dir
        self._fd = -1
        self._opening = threading.Lock()
        self._is_useless = fcntl is None

    def open(self) -> bool:
        """Use the file from now on; returns whether there are locks."""
        with self._opening:
            if self._fd < 0 and not self._is_useless:
                self._fd = self._open_file()
                self._is_useless = self._fd < 0
        return not self._is_useless

    def acquire(self, key: str) -> LockState:
        """Lock the photo with this key (hexadecimal), without waiting."""
        if not self.open():
            return LockState.NOBODYS
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _offset(key))
        except OSError as error:
            return LockState.ANOTHER_PROCESSES if error.errno in {errno.EACCES, errno.EAGAIN} else LockState.NOBODYS
        return LockState.OURS

    def release(self, key: str) -> None:
        """Unlock it."""
        if self._fd < 0:
            return
        with suppress(OSError):
            fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, _offset(key))

    def close(self, *, on_alone: Callable[[], None] = lambda: None) -> bool:
        """Leave the file; returns whether nobody else used it, so that it was removed.

        `on_alone` is called before that, while nobody else can join.
        """
        if self._fd < 0:
            return False
        try:
            if self._remove_if_alone(on_alone):
                return True
            # Of two that leave at the same moment each is in the other's way, until it has let go itself.
            with suppress(OSError):
                fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, 0)
            return self._remove_if_alone(on_alone)
        finally:
            with suppress(OSError):
                os.close(self._fd)
            self._fd = -1

    def _remove_if_alone(self, on_alone: Callable[[], None]) -> bool:
        with suppress(OSError):
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)
            if self._is_there(self._fd):  # not one that came after
                on_alone()
                (self._state_dir.path / NAME).unlink()
                return True
        return False

    def _open_file(self) -> int:
        """The file, with its byte 0 locked; -1 where that is not to be had."""
        deadline_s = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline_s:
            self._state_dir.make()
            try:
                fd = self._state_dir.open_file(NAME, is_making=True)
            except FileNotFoundError:  # its folder has just been removed as empty
                continue
            except OSError as error:
                if error.errno in OpenFilesError.numbers:
                    raise
                return -1
            if fd is None:
                return -1
            if self._lock_shared(fd):
                return fd
            os.close(fd)
            time.sleep(0.01)
        return -1

    def _lock_shared(self, fd: int) -> bool:
        with suppress(OSError):
            fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, 0)
            # Its last user may have removed it between the two calls: then what is locked is not what stands there.
            return self._is_there(fd)
        return False

    def _is_there(self, fd: int) -> bool:
        """Whether a descriptor is of the file that stands there."""
        return os.path.samestat(os.fstat(fd), (self._state_dir.path / NAME).lstat())


def _offset(key: str) -> int:
    return 1 + int(key, 16) % _OFFSETS
