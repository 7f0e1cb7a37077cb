"""`--zip`: photos go into ZIPs in place of a folder.

They are fetched as ever, into a private folder beside the ZIP, and moved from there into it; one that several runners
share is fetched once (`reuse`). A ZIP takes the place of its file when all that belongs to it has its outcome; until
then the file is as it was.
"""

import errno
import os
import shutil
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from ninepic_cli.archive.destination import ZipDestination
from ninepic_cli.archive.private_dir import private_folder
from ninepic_cli.archive.reuse import Reuse
from ninepic_cli.archive.zip_writer import Stream, ZipWriter
from ninepic_cli.errors import MachineError, StoppedError
from ninepic_cli.filesystem.atomic import fsync, move_file
from ninepic_cli.filesystem.folder import Folder
from ninepic_cli.models import Busy, Downloaded, Method, Outcome, Photo, Skipped, WouldDownload
from ninepic_cli.text import path_text, quoted

_AGAIN_S = 0.05  # before a FIFO is looked at again that nobody reads
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(slots=True)
class _Open:
    """A ZIP that is not finished.

    Attributes:
        beside: the file that it is written into; None for a stream.
        target: the file whose place it takes.
        identifiers: those that have an entry in it.
    """

    archive: ZipWriter
    beside: Path | None
    target: Path
    identifiers: set[str] = field(default_factory=set)


class ZipOutput:
    """The ZIPs of a run.

    Args:
        target: where they go.
        event, method: for their names.
        home: a private folder on the same disk.
        on_gone: told when the reader of a stream has gone; called in any thread.
        is_over: whether a signal has come: no ZIP takes its place any more.
        is_stopped: whether the run has its end, so that nothing is waited for.

    Attributes:
        root: the folder that photos are fetched into.
        is_of_use: whether a ZIP has been finished.
    """

    def __init__(
        self,
        target: ZipDestination,
        fields: tuple[int, Method],
        home: Path,
        *,
        on_gone: Callable[[], None] = lambda: None,
        is_over: Callable[[], bool] = lambda: False,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.root = home / "photos"
        self._home = home
        self._target = target
        self._event, self._method = fields
        self._reuse: Reuse | None = None
        self._on_gone = on_gone
        self._is_over = is_over
        self._is_stopped = is_stopped
        self._lock = threading.Lock()
        self._in_hand: set[str] = set()
        self._open: dict[Path, _Open] = {}
        self._finished: dict[Path, set[str]] = {}
        self._begun = 0
        self.is_of_use = False
        self._is_closed = False

    @property
    def place(self) -> Path | None:
        """Where to look for the ZIPs: the only one, or their folder; None where that is no place."""
        if self._target.is_stream:
            return None
        return self._target.base if self._target.is_split else self._path("")

    def planning(self, folder: Folder) -> Callable[[Photo], Outcome]:
        """What a dry run does about a photo."""
        return lambda photo: WouldDownload(self._zip_of(photo), entry=_entry(folder, photo))

    def wrap_transfer(
        self, transfer: Callable[[Photo], Outcome | Busy], folder: Folder, *, shares: bool = False
    ) -> Callable[[Photo], Outcome | Busy]:
        """A transfer into the ZIP, made of one into the folder; for many threads.

        Args:
            transfer: fetches a photo.
            folder: the one that it fetches into.
            shares: whether a photo may go into several ZIPs, or into one under several names.
        """
        self._reuse = Reuse(self._home) if shares else None

        def taken(photo: Photo) -> Outcome | Busy:
            entry, target = _entry(folder, photo), self._zip_of(photo)
            with self._lock:
                if photo.image_id in self._in_hand:
                    return Busy()
                self._in_hand.add(photo.image_id)
            try:
                return self._there(photo, target, entry) or self._moved(photo, transfer, target, entry)
            finally:
                with self._lock:
                    self._in_hand.remove(photo.image_id)

        return taken

    def finish(self, identifier: str) -> None:
        """All photos of a bib or search have their outcome: if it has a ZIP of its own, that is finished.

        Raises:
            MachineError: it cannot be written.
        """
        if self._target.is_split:
            self._finish(self._path(identifier))

    def finish_all(self) -> None:
        """Nothing more comes.

        Raises:
            MachineError: a ZIP cannot be written.
        """
        with self._lock:
            self._is_closed = True
        if self._target.is_stream and not self._open:
            self._release_reader()
        for path in list(self._open):
            self._finish(path)

    def unfinished(self) -> set[str]:
        """The identifiers that had an entry in a ZIP that was not finished."""
        with self._lock:
            return {identifier for each in self._open.values() for identifier in each.identifiers}

    def gone(self) -> Iterator[tuple[str, Path]]:
        """The identifiers whose ZIP somebody has removed or moved since it was finished."""
        for path, identifiers in self._finished.items():
            if not os.path.lexists(path):
                yield from ((identifier, path) for identifier in sorted(identifiers))

    def _path(self, identifier: str) -> Path:
        return self._target.path(identifier, event=self._event, method=self._method)

    def _zip_of(self, photo: Photo) -> Path:
        return self._path(photo.identifier)

    def _there(self, photo: Photo, target: Path, entry: str) -> Skipped | None:
        """The outcome of a photo that has entered already, for another identifier."""
        with self._lock:
            opened = self._open.get(target)
            size = None if opened is None else opened.archive.size_of(entry)
            if opened is None or size is None:
                return None
            opened.identifiers.add(photo.identifier)
        return Skipped(target, size, entry=entry)

    def _moved(
        self, photo: Photo, transfer: Callable[[Photo], Outcome | Busy], target: Path, entry: str
    ) -> Outcome | Busy:
        """Fetch a photo, unless it is in a ZIP already, and move it into its own."""
        try:
            outcome = (self._reuse and self._reuse.take(photo.image_id)) or transfer(photo)
        except MachineError as error:
            raise self._machine_error(error.message, error.code) from error
        if isinstance(outcome, Busy):
            return outcome
        if isinstance(outcome, Downloaded):
            with self._errors(target):
                opened = self._opened(target)
                start = opened.archive.add(entry, outcome.path)
                if self._reuse:
                    archive = (opened.beside, target) if opened.beside else None
                    self._reuse.put(photo.image_id, outcome, archive, start)
                else:
                    outcome.path.unlink()
            with self._lock:
                opened.identifiers.add(photo.identifier)
        return replace(outcome, path=target, entry=entry)

    def _opened(self, target: Path) -> _Open:
        with self._lock:
            if target not in self._open:
                if self._is_closed:
                    raise StoppedError("the run has its end")
                self._open[target] = self._new(target)
            return self._open[target]

    def _new(self, target: Path) -> _Open:
        if self._target.is_stream:
            descriptor = sys.stdout.fileno() if self._target.is_stdout else self._joined(target)
            stream = Stream(descriptor)
            return _Open(ZipWriter(lambda: stream), None, target)
        self._begun += 1
        beside = self._home / f"{self._begun}.zip"
        return _Open(ZipWriter(lambda: beside.open("ab")), beside, target)

    def _joined(self, fifo: Path) -> int:
        """A descriptor of a FIFO that somebody reads, or of a device; whoever is to read may take their time."""
        while True:
            try:
                descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
            else:
                os.set_blocking(descriptor, True)
                return descriptor
            if self._is_over() or self._is_stopped():
                raise StoppedError("the run has its end")
            time.sleep(_AGAIN_S)

    def _finish(self, path: Path) -> None:
        opened = self._open.get(path)
        if opened is None or opened.archive.is_empty or self._is_over():
            return
        with self._errors(path):
            opened.archive.end()
            if opened.beside and not self._replaced(opened.beside, path):
                return
            with self._lock:
                del self._open[path]
            if opened.beside:
                self._finished[path] = opened.identifiers
            self.is_of_use = True

    def _replaced(self, beside: Path, target: Path) -> bool:
        """Flush the ZIP and let it take its place, unless the run has been ended meanwhile."""
        with beside.open("rb") as file:
            fsync(file.fileno())
        with suppress(OSError):
            beside.chmod(stat.S_IMODE(target.stat().st_mode))
        if self._is_over():
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        move_file(beside, target)
        return True

    def _release_reader(self) -> None:
        """Let who waits at a FIFO see that nothing comes."""
        if not self._target.is_stdout:
            with suppress(OSError):
                os.close(os.open(self._target.text, os.O_WRONLY | os.O_NONBLOCK))

    @contextmanager
    def _errors(self, target: Path) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self._on_gone()
            raise StoppedError("the reader has gone") from None
        except OSError as error:
            if error.errno in _FULL:
                free = "" if self._target.is_stream else f", {shutil.disk_usage(self._home).free:,} bytes are free"
                raise self._machine_error(
                    f"the disk is full{free}: {path_text(target)} was not written", "disk_full"
                ) from error
            raise self._machine_error(f"{path_text(target)} cannot be written ({error.strerror})", None) from error

    def _machine_error(self, message: str, code: str | None) -> MachineError:
        """An error of this machine; what was fetched is not kept, whatever its own hint would say."""
        hint = "make room and run the same command again" if code == "disk_full" else "check the folder and the disk"
        if self._target.is_stream:
            hint += "; photos on their way are in the folder that TMPDIR names"
        return MachineError(message, hint=hint, code=code)


@contextmanager
def open_zip_output(
    target: ZipDestination,
    fields: tuple[int, Method],
    *,
    on_gone: Callable[[], None],
    is_over: Callable[[], bool],
    is_stopped: Callable[[], bool],
) -> Iterator[ZipOutput]:
    """Have the ZIPs of a run; what is not finished in the end is removed.

    Raises:
        MachineError: nothing can be written there.
    """
    with ExitStack() as stack:
        try:
            home = stack.enter_context(private_folder(_place(target)))
        except OSError as error:
            reason = f"--zip {quoted(target.text)}: {target.base} is not writable ({error.strerror})"
            raise MachineError(reason, hint="name a file in a folder that you may write to") from error
        yield ZipOutput(target, fields, home, on_gone=on_gone, is_over=is_over, is_stopped=is_stopped)


def _place(target: ZipDestination) -> Path:
    """Where photos and ZIPs are until they are finished: beside the ZIP, unless only the file itself may be written."""
    file = target.file
    if file and file.is_file() and os.access(file, os.W_OK) and not os.access(file.parent, os.W_OK | os.X_OK):
        return Path(tempfile.gettempdir())
    return target.base


def _entry(folder: Folder, photo: Photo) -> str:
    """The photo's name in a ZIP: its path below the folder."""
    return path_text(folder.path_of(photo).relative_to(folder.root).as_posix())
