"""`--zip`: photos go into ZIPs in place of a folder.

They are fetched as ever, into a private folder beside the ZIP, and moved from there into it; one that several runners
share is fetched once (`photo_cache`). A ZIP takes the place of its file when all that belongs to it has its outcome;
until then the file is as it was.
"""

import errno
import os
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from io import FileIO
from itertools import count
from pathlib import Path

from ninepic_cli.archive.photo_cache import PhotoCache
from ninepic_cli.archive.private_dir import create_private_dir
from ninepic_cli.archive.zip_target import ZipTarget, nearest
from ninepic_cli.archive.zip_writer import ZipWriter
from ninepic_cli.errors import MachineError, ReaderGoneError, StoppedError
from ninepic_cli.filesystem.atomic import fsync, move_file
from ninepic_cli.filesystem.disk_errors import free_space
from ninepic_cli.filesystem.folder import Folder
from ninepic_cli.filesystem.template import Naming
from ninepic_cli.models import Busy, Downloaded, Outcome, Photo, Skipped, WouldDownload
from ninepic_cli.system.shutdown import CancelToken
from ninepic_cli.system.streams import BlockingStream
from ninepic_cli.text import path_text, system_text
from ninepic_cli.updates import ZipRemoved

_POLL_S = 0.05  # before a FIFO is looked at again that nobody reads


@dataclass(slots=True)
class _OpenZip:
    """A ZIP that is not finished.

    Attributes:
        beside: the file that it is written into; None for a stream.
        identifiers: those that have an entry in it.
    """

    writer: ZipWriter
    beside: Path | None
    identifiers: set[str] = field(default_factory=set)


class ZipDestination:
    """The ZIPs of a run; photos are brought by many threads at once.

    Args:
        target: where they go.
        folder: that photos are fetched into.
        stop: no ZIP takes its place once a signal has come, and nothing is waited for once the run ends.
        home: a private folder on the disk that the folder is on; None for a dry run.
        cache: for photos that go into several ZIPs, or into one under several names; None where there are none.
    """

    def __init__(
        self,
        target: ZipTarget,
        folder: Folder,
        stop: CancelToken,
        home: Path | None = None,
        cache: PhotoCache | None = None,
    ) -> None:
        self.folder = folder
        self._target = target
        self._stop = stop
        self._is_dry_run = home is None
        self._home = home or target.base
        self._cache = cache
        self._lock = threading.Lock()
        self._in_flight: set[str] = set()
        self._open: dict[Path, _OpenZip] = {}
        self._finished: dict[Path, set[str]] = {}
        self._numbers = count(1)
        self._stream: BlockingStream | None = None
        self._is_closed = False

    @property
    def place(self) -> Path | None:
        """The only ZIP, or the folder of several; None for a stream, and where none was finished."""
        if self._target.is_stream or not (self._finished or self._is_dry_run):
            return None
        return self._target.base if self._target.is_split else self._target.path("")

    def worker(self, transfer: Callable[[Photo], Outcome | Busy], /) -> Callable[[Photo], Outcome | Busy]:
        """What brings one photo into its ZIP."""

        def work(photo: Photo) -> Outcome | Busy:
            entry, path = self._entry_name(photo), self._target.path(photo.identifier)
            with self._lock:
                if photo.image_id in self._in_flight:
                    return Busy()
                self._in_flight.add(photo.image_id)
            try:
                return self._existing_entry(photo, path, entry) or self._add(photo, transfer, path, entry)
            finally:
                with self._lock:
                    self._in_flight.remove(photo.image_id)

        return work

    def planner(self, _: object, /) -> Callable[[Photo], Outcome]:
        """What a dry run does about one photo."""
        return lambda photo: WouldDownload(self._target.path(photo.identifier), entry=self._entry_name(photo))

    def record(self, photo: Photo, outcome: Outcome, /) -> None:
        """A photo that has its outcome is in its ZIP already."""

    def complete(self, identifier: str, /) -> bool:
        """All photos of a bib or search have their outcome; whether its ZIP, if it has its own, is in its place."""
        if not self._target.is_split:
            return False
        self._finish(self._target.path(identifier))
        return identifier not in self.unfinished()

    def finish(self) -> None:
        """Let all ZIPs take their places: no photo comes any more."""
        with self._lock:
            self._is_closed = True
        if self._target.is_stream and not self._target.is_stdout and not self.unfinished():
            with suppress(OSError):  # who waits at a FIFO sees that nothing comes
                os.close(os.open(self._target.text, os.O_WRONLY | os.O_NONBLOCK))
        for path in list(self._open):
            self._finish(path)

    def unfinished(self) -> set[str]:
        """The identifiers that had an entry in a ZIP that was not finished."""
        with self._lock:
            return {identifier for each in self._open.values() for identifier in each.identifiers}

    def removed(self, _: CancelToken, /) -> Iterable[ZipRemoved]:
        """ZIPs that somebody has removed or moved since they were finished, for each of their identifiers."""
        for path, identifiers in self._finished.items():
            if not os.path.lexists(path):
                yield from (ZipRemoved(identifier, path) for identifier in sorted(identifiers))

    def _entry_name(self, photo: Photo) -> str:
        """The photo's name in a ZIP: its path below the folder."""
        return path_text(self.folder.path_of(photo).relative_to(self.folder.root).as_posix())

    def _existing_entry(self, photo: Photo, path: Path, entry: str) -> Skipped | None:
        """The outcome of a photo that has entered already, for another identifier."""
        with self._lock:
            archive = self._open.get(path)
            size = archive.writer.size_of(entry) if archive else None
            if archive is None or size is None:
                return None
            archive.identifiers.add(photo.identifier)
        return Skipped(path, size, entry=entry)

    def _add(self, photo: Photo, transfer: Callable[[Photo], Outcome | Busy], path: Path, entry: str) -> Outcome | Busy:
        """Fetch a photo, unless it is in a ZIP already, and move it into its own."""
        try:
            outcome = (self._cache and self._cache.get(photo.image_id)) or transfer(photo)
        except MachineError as error:
            raise self._machine_error(error.message, error.code) from error
        if isinstance(outcome, Busy):
            return outcome
        if isinstance(outcome, Downloaded):
            with self._os_errors(path):
                archive = self._get_or_create(path)
                start = archive.writer.add(entry, outcome.path)
                if self._cache:
                    source = (archive.beside, path) if archive.beside else None
                    self._cache.put(photo.image_id, outcome, source, start)
                else:
                    outcome.path.unlink()
            with self._lock:
                archive.identifiers.add(photo.identifier)
        return replace(outcome, path=path, entry=entry)

    def _get_or_create(self, path: Path) -> _OpenZip:
        with self._lock:
            if path not in self._open:
                if self._is_closed:
                    raise StoppedError("the run has ended")
                self._open[path] = self._create()
            return self._open[path]

    def _create(self) -> _OpenZip:
        if self._target.is_stream:
            return _OpenZip(ZipWriter(self._open_stream), None)
        beside = self._home / f"{next(self._numbers)}.zip"
        return _OpenZip(ZipWriter(lambda: beside.open("ab")), beside)

    def _open_stream(self) -> AbstractContextManager[BlockingStream]:
        """The stream, opened for the first entry: who brings it waits for a reader, and the others go on fetching."""
        if self._stream is None:
            descriptor = sys.stdout.fileno() if self._target.is_stdout else self._open_fifo()
            self._stream = BlockingStream(FileIO(descriptor, "wb", closefd=False), "the ZIP")
        return nullcontext(self._stream)

    def _open_fifo(self) -> int:
        """A descriptor of a FIFO that somebody reads, or of a device; whoever is to read may take their time."""
        while not (self._stop.is_interrupted or self._stop.is_set):
            try:
                descriptor = os.open(self._target.text, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                time.sleep(_POLL_S)
            else:
                os.set_blocking(descriptor, True)
                return descriptor
        raise StoppedError("the run has ended")

    def _finish(self, path: Path) -> None:
        archive = self._open.get(path)
        if archive is None or not archive.identifiers or self._stop.is_interrupted:
            return
        with self._os_errors(path):
            archive.writer.end()
            if archive.beside and not self._publish(archive.beside, path):
                return
            with self._lock:
                del self._open[path]
            if archive.beside:
                self._finished[path] = archive.identifiers

    def _publish(self, beside: Path, path: Path) -> bool:
        """Flush the ZIP and let it take its place, unless the run has been ended meanwhile."""
        with beside.open("rb") as file:
            fsync(file.fileno())
        with suppress(OSError):
            beside.chmod(stat.S_IMODE(path.stat().st_mode))
        if self._stop.is_interrupted:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        move_file(beside, path)
        return True

    @contextmanager
    def _os_errors(self, path: Path) -> Iterator[None]:
        """Raise our own errors for those of the system."""
        try:
            yield
        except BrokenPipeError:
            reason, hint = (
                "the reader of the ZIP closed the pipe; ZIP not finished",
                "write to a file instead: --zip FILE",
            )
            self._stop.fail(ReaderGoneError(reason, hint=hint))
            raise StoppedError("the reader closed the pipe") from None
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise self._machine_error(f"cannot write {path_text(path)}: {system_text(error)}", None) from error
            free = None if self._target.is_stream else free_space(self._home)
            room = "" if free is None else f", {free:,} bytes free"
            reason = f"cannot write {path_text(path)}: disk full{room}"
            raise self._machine_error(reason, "disk_full") from error

    def _machine_error(self, message: str, code: str | None) -> MachineError:
        """An error of this machine; what was fetched is not kept, whatever its own hint would say."""
        hint = (
            "free some space, then run the same command again"
            if code == "disk_full"
            else "check the directory and the disk"
        )
        if self._target.is_stream:
            hint += "; photos in progress are kept in the directory that TMPDIR names"
        return MachineError(message, hint=hint, code=code)


@contextmanager
def open_zips(target: ZipTarget, naming: Naming, stop: CancelToken, *, has_shared: bool) -> Iterator[ZipDestination]:
    """Have the ZIPs of a run; what is not finished in the end is removed.

    `has_shared` says whether a photo may go into several of them, or into one under several names.

    Raises:
        MachineError: nothing can be written there.
    """
    with ExitStack() as stack:
        parent = _parent_of_private_dir(target)
        try:
            home = stack.enter_context(create_private_dir(parent))
        except OSError as error:
            what = f"cannot create {path_text(target.base)}: " if parent in target.base.parents else ""
            reason = f"cannot write {target.text}: {what}{path_text(parent)} is not writable ({system_text(error)})"
            raise MachineError(reason, hint="choose a file in a writable directory with --zip") from error
        folder = Folder(home / "photos", naming=naming)
        yield ZipDestination(target, folder, stop, home, PhotoCache(home) if has_shared else None)
        folder.close()


def _parent_of_private_dir(target: ZipTarget) -> Path:
    """A folder on the ZIP's disk: its own, or one above that is there, unless only the file itself may be written."""
    file = target.file
    if file and file.is_file() and os.access(file, os.W_OK) and not os.access(file.parent, os.W_OK | os.X_OK):
        return Path(tempfile.gettempdir())
    return nearest(target.base)
