"""One folder below the target folder, reached folder by folder and never through a link, and what is done in it.

Where the system has descriptors for folders (`openat`, `renameat`), what was looked at is what is written to, whatever
somebody else puts in its place meanwhile. Where it has none, each folder is looked at just before it is used.
"""

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

_HAS_DESCRIPTORS = (
    hasattr(os, "O_DIRECTORY")
    and hasattr(os, "O_NOFOLLOW")
    and {os.open, os.mkdir, os.rename, os.stat, os.unlink} <= os.supports_dir_fd
)
_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
# O_PATH also opens a folder that may be entered and not listed.
_ROOT = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_PATH", 0) | _CLOEXEC
_BELOW = _ROOT | getattr(os, "O_NOFOLLOW", 0)
# A name that leads to a FIFO or a terminal is to be refused, and not waited for.
FILE_FLAGS = _CLOEXEC
for _flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_BINARY"):
    FILE_FLAGS |= getattr(os, _flag, 0)


class Subfolder:
    """A folder; a context manager that lets go of it.

    Args:
        root: the target folder, which may be a link.
        descriptor: of the target folder, where somebody else holds it already.

    Raises:
        OSError: by all methods; NotADirectoryError where a link or a file stands in a folder's place.
    """

    def __init__(self, root: Path, descriptor: int | None = None) -> None:
        self.path = root
        self._fd = self._borrowed = descriptor
        if _HAS_DESCRIPTORS and descriptor is None:
            self._fd = os.open(root, _ROOT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it."""
        self._replace_fd(None)

    @property
    def descriptor(self) -> int | None:
        """The descriptor that holds the folder; None where files in it cannot be renamed while they are open."""
        return self._fd

    def status(self, name: str | None = None) -> os.stat_result:
        """The status of the folder, or of what stands in it under a name (of a link itself)."""
        if name is None:
            return os.stat(self.path) if self._fd is None else os.fstat(self._fd)  # noqa: PTH116 (once for each photo)
        return os.stat(self._path_for(name), dir_fd=self._fd, follow_symlinks=False)

    def enter(self, name: str) -> None:
        """Go on to a folder inside this one."""
        if self._fd is None:
            if not stat.S_ISDIR(os.lstat(self.path / name).st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        else:
            try:
                inner = os.open(name, _BELOW, dir_fd=self._fd)
            except OSError as error:
                if error.errno in {errno.ELOOP, errno.EMLINK}:  # what some systems say of a link
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from error
                raise
            self._replace_fd(inner)
        self.path /= name

    def make(self, name: str, on_made: Callable[[int], None], *, mode: int = 0o777) -> None:
        """Go on to a folder inside this one, which is made (with the mode less the umask) where it is not there.

        Where there are descriptors, `on_made` is given that of a folder that was made.
        """
        with suppress(FileNotFoundError):
            self.enter(name)
            return
        try:
            os.mkdir(self._path_for(name), mode, dir_fd=self._fd)
        except FileExistsError:  # made by somebody else just now
            self.enter(name)
            return
        self.enter(name)
        if self._fd is not None:
            readable = os.open(".", os.O_RDONLY | _CLOEXEC, dir_fd=self._fd)  # O_PATH is not enough to change it
            try:
                on_made(readable)
            finally:
                os.close(readable)

    def open(self, name: str, flags: int) -> int:
        """A descriptor of a file in the folder, for reading and for appending; a link is not followed."""
        return os.open(self._path_for(name), os.O_RDWR | os.O_APPEND | FILE_FLAGS | flags, 0o666, dir_fd=self._fd)

    def replace(self, source: Path, name: str) -> None:
        """Give a file from anywhere a name in the folder."""
        os.replace(source, self._path_for(name), dst_dir_fd=self._fd)

    def rename(self, name: str, new: str) -> None:
        """Give a file in the folder another name there."""
        os.replace(self._path_for(name), self._path_for(new), src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def remove(self, name: str) -> None:
        """Remove a file in the folder."""
        os.unlink(self._path_for(name), dir_fd=self._fd)

    def _path_for(self, name: str) -> str:
        return name if self._fd is not None else str(self.path / name)

    def _replace_fd(self, inner: int | None) -> None:
        left, self._fd = self._fd, inner
        if left is not None and left != self._borrowed:
            os.close(left)
