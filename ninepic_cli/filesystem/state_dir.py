"""`DIR/.ninepic/`: the folder of the photos that are on their way, and of what tells several runs apart.

It is made with the first partial, and goes with the last.

Others may write to DIR too. What is used of what stands there already is ours, root's or DIR's owner's: these could
do as they like anyway. A `.ninepic` of anybody else is left alone, and a private one is made beside it.
"""

import errno
import os
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ninepic_cli.errors import BlockedNameError, MachineError
from ninepic_cli.filesystem.subfolder import Subfolder
from ninepic_cli.text import path_text, system_text

NAME = ".ninepic"
_WEEK_S = 7 * 86400
_FRESH_S = 1.0  # for which a look at the whole folder is good
_MOST_CHOICES = 10
_MOST_OPEN = 4  # folders at a time: the limit of open files was shared out without them
# What the system says of a file that is another user's, a link, a folder or a socket, or has too long a name for it:
# eCryptfs takes 143 bytes, which an ETag may need alone.
_NOT_TO_BE_USED = frozenset(
    {errno.EACCES, errno.EPERM, errno.ELOOP, errno.EMLINK, errno.EISDIR, errno.ENXIO, errno.ENAMETOOLONG}
)


class StateDir:
    """The folder below one target folder, which need not exist; used by many threads at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._has_made_root = False
        self._path: Path | None = None
        self._making = threading.RLock()
        self._target: Subfolder | None = None
        self._place: os.stat_result | None = None  # the target folder
        self._made: os.stat_result | None = None  # the folder of partials, where this run has made it
        self._opening = threading.BoundedSemaphore(_MOST_OPEN)
        self._looking = threading.Lock()
        self._begun: set[str] = set()
        self._looked_s = float("-inf")

    def __del__(self) -> None:
        if self._target is not None:  # not before: threads that a run's end does not wait for may use it
            with suppress(OSError):
                self._target.close()

    @property
    def path(self) -> Path:
        """The folder, which need not exist: `.ninepic`, or a private one where that is not to be used."""
        path = self._path
        if path is None:
            with self._making:
                path = self._path = self._path or self._choose()
        return path

    def check(self) -> None:
        """See that nothing would be written through a link, or over something else.

        Raises:
            MachineError: it would.
        """
        path = self.root / NAME
        with suppress(OSError):  # it is not there, or cannot be looked at, which its making will tell
            status = path.lstat()
            if self._is_trusted(status) and not stat.S_ISDIR(status.st_mode):
                raise MachineError(
                    f"{path_text(path)} is not a directory", hint="move it away, or choose another directory with -o"
                )

    def make(self) -> None:
        """Make the folder where it is not there, also when another run has just removed it as empty.

        Raises:
            MachineError: the target folder is not the one that it was, or something else stands there.
            OSError: it cannot be made.
        """
        with self._making:
            self._make_root()
            self.check()
            for _ in range(_MOST_CHOICES):
                if self._make_chosen():
                    return
                self._path = None
        raise MachineError(
            f"cannot keep a directory for partial files in {path_text(self.root)}",
            hint="choose another directory with -o",
        )

    def open_file(self, name: str, *, is_making: bool = False, is_emptied: bool = False) -> int | None:
        """A descriptor of a file in the folder, for reading and for appending; None where it is not to be used.

        That is a file of somebody else, and anything but a plain file with one name.

        Raises:
            FileNotFoundError: it, or the folder, is not there (any more).
            MachineError: the target folder is not the one that it was.
            OSError: it cannot be opened.
        """
        with self._open() as folder:
            try:
                if is_making:
                    with suppress(FileExistsError):
                        return self._create(folder, name)
                fd = folder.open(name, 0)
            except OSError as error:
                if error.errno in _NOT_TO_BE_USED:
                    return None
                raise
            status = os.fstat(fd)
            if self.is_usable(status):
                if is_emptied:
                    os.ftruncate(fd, 0)
                return fd
            os.close(fd)
            if status.st_nlink == 0:  # removed just now
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            return None

    def create_file(self, name: str) -> int:
        """A descriptor of a new file in the folder; raises as `open_file` does."""
        with self._open() as folder:
            return self._create(folder, name)

    def give_to_owner(self, fd: int) -> None:
        """Let DIR's owner have what a run of root makes, so that the owner's own runs can use it.

        Only what was made just now: what is there already may be somebody's trap.
        """
        owner = self._place
        if owner is not None and owner.st_uid != 0 and _user() == 0:
            with suppress(OSError):
                os.fchown(fd, owner.st_uid, owner.st_gid)

    @contextmanager
    def open_parent(self, final: Path) -> Iterator[Subfolder]:
        """Hold the folder of a photo, which is made where it is not there; the target folder is not.

        Raises:
            BlockedNameError: a link or a file stands in its place, or it may not be written.
            MachineError: the target folder is not the one that it was.
            OSError: it cannot be made or opened.
        """
        with self._opening, self._enter_target() as folder:
            for name in final.parts[len(self.root.parts) : -1]:  # `relative_to` takes much longer
                try:
                    folder.make(name, self.give_to_owner)
                except NotADirectoryError as error:
                    raise BlockedNameError(
                        f"{path_text(folder.path / name)} is not a directory; refusing to write through it",
                        hint="move it away, or choose another directory with -o",
                    ) from error
                except PermissionError as error:
                    raise BlockedNameError(
                        f"cannot write {path_text(final)}: {path_text(folder.path / name)}: {system_text(error)}"
                    ) from error
            yield folder

    def has_begun(self, key: str) -> bool:
        """Whether there may be partials of a photo.

        The folder is looked at as a whole, once a second at most: for each photo it would take longer than they do.
        What another run began within that second, and left, begins anew.
        """
        with self._looking:
            now_s = time.monotonic()
            if now_s - self._looked_s > _FRESH_S:
                self._looked_s = now_s
                with suppress(OSError):
                    self._begun = {name.partition(".")[0] for name in os.listdir(self.path)}  # noqa: PTH208 (strings)
            return key in self._begun

    def mark_begun(self, key: str) -> None:
        """A partial of the photo stays."""
        with self._looking:
            self._begun.add(key)

    def invalidate(self) -> None:
        """Others are at work here: what was seen may be out of date."""
        self._looked_s = float("-inf")

    def old_partials(self) -> list[str]:
        """The names of partials that nobody has touched for a week, by the clock that gives files their times."""
        touched = {}
        for entry in self._files(".part", ".tmp", ".own"):
            with suppress(OSError):
                # A run that is killed just before it renames a partial has given it the photo's own modification time
                # already, which is of the day of the race.
                status = entry.stat(follow_symlinks=False)
                touched[entry.name] = max(status.st_mtime, status.st_ctime)
        if not touched:
            return []
        oldest_s = self._clock_s() - _WEEK_S
        return [name for name, touched_s in touched.items() if touched_s < oldest_s]

    def remove_partial(self, name: str) -> None:
        """Remove a partial, if that may be done."""
        with suppress(OSError):
            (self.path / name).unlink()

    def remove_private(self) -> None:
        """Nobody else is here, so whose private partials are left is dead, and nobody takes them up."""
        for entry in self._files(".tmp"):
            self.remove_partial(entry.name)

    def remove(self) -> None:
        """Remove the folder if it is empty, and the target folder if it was made for nothing."""
        for place in (self.path, *([self.root] if self._has_made_root else [])):
            with suppress(OSError):
                place.rmdir()

    def _make_root(self) -> None:
        """Make the target folder, if this is the first time."""
        if self._place is None:
            self._has_made_root = not self.root.exists()
            self.root.mkdir(parents=True, exist_ok=True)
            self._target = Subfolder(self.root)
            self._place = self._target.status()

    def _enter_target(self) -> Subfolder:
        """The target folder, which is opened once: while it is held, no other can have its number.

        Raises:
            MachineError: it is not the one that it was at first.
            OSError: there is none any more.
        """
        if self._target is None or self._place is None:
            raise RuntimeError("the target directory was not made")
        if not os.path.samestat(os.stat(self.root), self._place):  # noqa: PTH116 (twice for each photo)
            # A disk was taken out, or the folder replaced: what stands there now is not where photos were to go.
            raise MachineError(
                f"{path_text(self.root)} was removed or unmounted", hint="restore it, then run the same command again"
            )
        return Subfolder(self.root, self._target.descriptor)

    def _choose(self) -> Path:
        """Where partials go: a place that is there and can be used, or one that is not there."""
        shared, private = self.root / NAME, self.root / f"{NAME}-{_user()}"
        if self._can_be_used(private) and os.path.lexists(private):
            return private  # an earlier run had to make it, and may have left something there
        if self._can_be_used(shared):
            return shared
        return private if self._can_be_used(private) else self.root / f"{private.name}-{os.urandom(8).hex()}"

    def _can_be_used(self, place: Path) -> bool:
        """Whether partials can go to a place, there or not."""
        try:
            status = place.lstat()
        except OSError:
            return True  # it is not there, or cannot be looked at, which its making will tell
        may_be_written = os.access(place, os.R_OK | os.W_OK | os.X_OK)
        return stat.S_ISDIR(status.st_mode) and may_be_written and self._is_ours(place.name, status)

    def _make_chosen(self) -> bool:
        """Make the place that was chosen; returns whether it is there and can be used."""
        on_made, mode = (self._share, 0o777) if self.path.name == NAME else (self._remember, 0o700)
        with self._enter_target() as folder:
            try:
                folder.make(self.path.name, on_made, mode=mode)
            except (FileNotFoundError, NotADirectoryError):
                return False  # another run has just removed it; or it is a link, or a file
            return self._is_ours(self.path.name, folder.status()) and self._can_be_used(self.path)

    def _remember(self, fd: int) -> None:
        """Remember a folder that was made here: some network shares say that it is somebody else's."""
        self._made = os.fstat(fd)

    def _share(self, fd: int) -> None:
        """Let whoever may write DIR write its partials."""
        like = self._place or os.fstat(fd)
        with suppress(OSError):
            os.fchmod(fd, stat.S_IMODE(like.st_mode))
        with suppress(OSError):
            os.fchown(fd, -1, like.st_gid)
        self.give_to_owner(fd)
        self._remember(fd)

    @contextmanager
    def _open(self) -> Iterator[Subfolder]:
        """Hold the folder; FileNotFoundError where it is not there, or is not the one that was chosen."""
        if self._place is None:
            self.make()
        with self._opening, self._enter_target() as folder:
            name = self.path.name
            try:
                folder.enter(name)
                is_ours = self._is_ours(name, folder.status())
            except NotADirectoryError:
                is_ours = False
            if not is_ours:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            yield folder

    def _create(self, folder: Subfolder, name: str) -> int:
        fd = folder.open(name, os.O_CREAT | os.O_EXCL)
        self.give_to_owner(fd)
        return fd

    def _is_ours(self, name: str, place: os.stat_result) -> bool:
        """Whether nobody but those who may do anything in DIR has made a place for partials."""
        if self._made is not None and os.path.samestat(place, self._made):
            return True
        if name == NAME:
            return self._is_trusted(place)
        return place.st_uid == _user() and not place.st_mode & (stat.S_IRWXG | stat.S_IRWXO)

    def is_usable(self, file: os.stat_result) -> bool:
        """Whether a file that is there already may be read and written.

        A second name is of some other file, which is not ours to write. What everybody may write is trusted only where
        everybody could replace the photos as well.
        """
        if file.st_mode & stat.S_IWOTH:
            mode = (self._place or self.root.stat()).st_mode
            if not mode & stat.S_IWOTH or mode & stat.S_ISVTX:
                return False
        return stat.S_ISREG(file.st_mode) and file.st_nlink == 1 and self._is_trusted(file)

    def _is_trusted(self, status: os.stat_result) -> bool:
        """Whether something is ours, root's, or that of DIR's owner."""
        owner = self._place or self.root.stat()
        return _user() is None or status.st_uid in {_user(), 0, owner.st_uid}

    def _clock_s(self) -> float:
        """The time on the clock that files here get theirs from: this machine's may be another, and wrong."""
        name = f"{os.urandom(8).hex()}.tmp"
        try:
            fd = self.create_file(name)
        except OSError:
            return float("-inf")
        try:
            return os.fstat(fd).st_mtime
        finally:
            os.close(fd)
            self.remove_partial(name)

    def _files(self, *endings: str) -> Iterator[os.DirEntry[str]]:
        """Those with such names, as far as they can be looked at."""
        with suppress(OSError), os.scandir(self.path) as entries:
            for entry in entries:
                if entry.name.endswith(endings):
                    yield entry


def _user() -> int | None:
    """Who we are; None where the system does not tell whose files are."""
    return os.geteuid() if hasattr(os, "geteuid") else None
