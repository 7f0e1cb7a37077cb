"""A private folder for what is not finished, which does not outlive its run.

Its owner holds a lock on it. A run that is killed leaves the folder, and the system frees the lock: the next run that
works in the same place sees that nobody holds it, and removes it. Where there are no locks, it does so after a week.
"""

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]


_PREFIX = ".ninepic-zip-"
_WEEK_S = 7 * 86400
_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


@contextmanager
def create_private_dir(parent: Path) -> Iterator[Path]:
    """Have a folder inside another, readable by nobody else; it is removed with all that is in it.

    Raises:
        OSError: it cannot be made.
    """
    _remove_leftovers(parent)
    folder, descriptor = _create_locked(parent)
    try:
        yield folder
    finally:
        _remove(folder)
        if descriptor is not None:
            with suppress(OSError):  # nothing was written by it
                os.close(descriptor)


def _create_locked(parent: Path) -> tuple[Path, int | None]:
    """The folder, and the descriptor that its lock is on; None where folders cannot be opened, as on Windows."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=_PREFIX))
        try:
            descriptor = os.open(folder, _FLAGS)
        except FileNotFoundError:
            continue
        except PermissionError:
            return folder, None
        # Another run may have taken it for a leftover before it was locked, or be about to remove it.
        is_anothers = _try_lock(descriptor) is False
        with suppress(FileNotFoundError):
            if not is_anothers and os.path.samestat(folder.stat(), os.fstat(descriptor)):
                return folder, descriptor
        os.close(descriptor)


def _remove_leftovers(parent: Path) -> None:
    with suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if entry.name.startswith(_PREFIX):
                with suppress(OSError):
                    _remove_abandoned(Path(entry.path))


def _remove_abandoned(folder: Path) -> None:
    if fcntl is None:
        if time.time() - folder.lstat().st_mtime > _WEEK_S:
            _remove(folder)
        return
    descriptor = os.open(folder, _FLAGS)
    try:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() or not stat.S_ISDIR(status.st_mode):
            return
        is_locked = _try_lock(descriptor)
        if is_locked or (is_locked is None and time.time() - status.st_mtime > _WEEK_S):
            _remove(folder)
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool | None:
    """Lock the folder if nobody has; None where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _remove(folder: Path) -> None:
    for _ in range(3):  # a thread that the run did not wait for may just be writing there
        with suppress(OSError):  # `ignore_errors` does not ignore those of closing a folder
            shutil.rmtree(folder, ignore_errors=True)
        if not os.path.lexists(folder):
            return
