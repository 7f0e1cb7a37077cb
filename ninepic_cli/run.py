"""One run of a download command: builds the parts, lets them work, tells what came of it."""

import os
import signal
import stat
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from ninepic_cli.api import Api
from ninepic_cli.client import Client
from ninepic_cli.download import Ending, Events, download
from ninepic_cli.errors import (
    ExitStatus,
    GivenUpError,
    MachineError,
    NinepicError,
    ServiceFailedError,
    UsageError,
)
from ninepic_cli.folder import Folder, Layout
from ninepic_cli.listing import Listing
from ninepic_cli.photo import Event, Method, Photo
from ninepic_cli.progress import Progress, open_progress, restore_cursor, stderr_console
from ninepic_cli.query import queries
from ninepic_cli.report import Report
from ninepic_cli.retry import Hosts, Stop
from ninepic_cli.say import say, show, silence_stdout, stdout_trouble
from ninepic_cli.settings import Access, Settings
from ninepic_cli.transfer import Existing, Transfer

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@dataclass(frozen=True, slots=True)
class Task:
    """What a download command was asked to do.

    Attributes:
        identifiers: distinct, in order; may be empty.
        timeout_s, give_up_after_s: seconds.
        failed_to: where the identifiers go that have to be asked for again.
    """

    method: Method
    identifiers: Sequence[str]
    layout: Layout = Layout.FLAT
    existing: Existing = Existing.SKIP
    retries: int = 6
    timeout_s: float = 30.0
    give_up_after_s: float = 600.0
    dry_run: bool = False
    failed_to: Path | None = None
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    bars: bool = True


class Output:
    """Standard output, for data: each line whole and at once.

    A reader that goes away costs the output only. Anything else that keeps a line from being written is kept in
    `trouble`, for the end of the run: the photos come first, but whoever reads the lines shall not miss some.
    """

    def __init__(self) -> None:
        self.is_gone = sys.stdout is None
        self.trouble: MachineError | None = None

    def line(self, text: str) -> None:
        """Write a line in UTF-8, whatever the locale: this is for programs (names in bytes stay those bytes)."""
        if self.is_gone:
            return
        try:
            sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape") + b"\n")
            sys.stdout.buffer.flush()
        except OSError as error:
            self.is_gone = True
            silence_stdout()
            if not isinstance(error, BrokenPipeError):
                self.trouble = stdout_trouble(error)


def run(task: Task, settings: Settings, *, environ: Mapping[str, str]) -> int:
    """Download what the task asks for.

    Returns:
        The exit status; 128 + n where signal n ended the run.

    Raises:
        UsageError: the call has to be corrected; nothing was asked of the service.
    """
    started_s = time.monotonic()
    output = Output()
    report = Report(task.method, task.identifiers, folder=settings.output)
    try:
        if task.failed_to and not task.dry_run:
            _check_failed_to(task.failed_to)
        ending = _Run(task, settings, report, output, environ).ending()
    except UsageError:
        raise
    except NinepicError as error:
        ending = Ending(error)
    return _told(task, report, output, ending, time.monotonic() - started_s)


def ping(access: Access, *, timeout_s: float, environ: Mapping[str, str]) -> None:
    """See that key, organisation and event fit together; a failure is told at once, not tried again.

    Raises:
        NinepicError: they do not, or the service could not say.
    """
    stop = Stop()
    host = Hosts(give_up_after_s=timeout_s, stop=stop).of(access.base_url)
    client = Client(timeout_s=timeout_s, connections=1, environ=environ)
    try:
        Api(access, client=client, host=host, retries=0, stop=stop).ping()
    except (ServiceFailedError, GivenUpError) as error:
        if type(error) not in {ServiceFailedError, GivenUpError}:
            raise
        # Their hints are about downloads, which this is not.
        raise type(error)(error.message, hint="try again later", code=error.code) from error


class _Run:
    """The parts of one run."""

    def __init__(
        self, task: Task, settings: Settings, report: Report, output: Output, environ: Mapping[str, str]
    ) -> None:
        self._task = task
        self._settings = settings
        self._report = report
        self._output = output
        self._environ = environ
        self._stop = Stop()
        self._events: Events = Events()
        self._console = stderr_console()

    def ending(self) -> Ending:
        """Do the work; returns how it ended."""
        if not self._task.identifiers:
            return Ending()
        task = self._task
        access = self._settings.require_access()
        folder = Folder(self._settings.output, layout=task.layout)
        if not task.dry_run:
            folder.check()
            folder.sweep()
        hosts = Hosts(give_up_after_s=task.give_up_after_s, stop=self._stop, on_event=self._events.put)
        transfer = self._transfer(folder, hosts)
        with self._signals(), self._progress() as progress:
            ending = download(
                self._listed(access, hosts),
                transfer.plan if task.dry_run else transfer,
                jobs=1 if task.dry_run else self._settings.jobs,
                stop=self._stop,
                events=self._events,
                on_event=lambda event: self._take(event, progress),
            )
        if not task.dry_run:
            folder.close()
        return ending

    def _listed(self, access: Access, hosts: Hosts) -> Iterable[Photo | Event]:
        task = self._task
        client = Client(timeout_s=task.timeout_s, connections=2, environ=self._environ)
        api = Api(
            access,
            client=client,
            host=hosts.of(access.base_url),
            retries=task.retries,
            stop=self._stop,
            on_event=self._events.put,
        )
        return Listing(api, on_event=self._events.put).entries(queries(task.method, task.identifiers))

    def _transfer(self, folder: Folder, hosts: Hosts) -> Transfer:
        task = self._task
        # A client of its own, so that the key cannot reach the storage.
        client = Client(timeout_s=task.timeout_s, connections=self._settings.jobs, environ=self._environ)
        return Transfer(
            client=client,
            hosts=hosts,
            folder=folder,
            existing=task.existing,
            timeout_s=task.timeout_s,
            retries=task.retries,
            stop=self._stop,
            on_event=self._events.put,
        )

    @contextmanager
    def _progress(self) -> Iterator[Progress]:
        task = self._task
        with open_progress(self._console, bars=task.bars, quiet=task.quiet, verbose=task.verbose) as progress:
            progress.expect(task.method, len(task.identifiers))
            yield progress

    def _take(self, event: Event | None, progress: Progress) -> None:
        """Everything that happened comes by here, in the main thread."""
        if event is None:
            progress.tick()
            return
        progress.on_event(event)
        lines = self._report.lines(event)
        if not self._task.json:
            path = self._report.dry_run_line(event)
            lines = [] if path is None else [path]
        if lines and sys.stdout is not None and sys.stdout.isatty():
            progress.hide()
        for line in lines:
            self._output.line(line)
        if self._output.is_gone and self._task.dry_run:
            self._events.interrupt(0)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Let the first signal end the run and the second the process; one that is ignored stays so."""
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        caught = [number for number in _SIGNALS if before[number] is not signal.SIG_IGN]
        for number in caught:
            signal.signal(number, self._handle)
        try:
            yield
        finally:
            for number in caught:
                signal.signal(number, before[number])

    def _handle(self, number: int, _: FrameType | None) -> None:
        for each in _SIGNALS:
            if signal.getsignal(each) == self._handle:
                signal.signal(each, self._end_at_once)
        self._events.interrupt(number)

    def _end_at_once(self, number: int, _: FrameType | None) -> None:
        restore_cursor(self._console)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _told(task: Task, report: Report, output: Output, ending: Ending, seconds: float) -> int:
    """Tell people, programs and the next run what came of it; returns the exit status."""
    status = report.exit_status(ending.error)
    if output.trouble:
        ending = Ending(ending.error or output.trouble, ending.signum)
        status = report.exit_status(ending.error)
    elif task.dry_run and output.is_gone:
        status = ExitStatus.OK  # the reader had seen enough
    if task.failed_to and not task.dry_run:
        try:
            _write_failed_to(task.failed_to, report.unfinished())
        except MachineError as error:
            status = ExitStatus.MACHINE
            ending = Ending(ending.error or error, ending.signum)
    if ending.signum:
        status = 128 + ending.signum
    if task.json:
        for line in report.closing_lines(ending.error):
            output.line(line)
        output.line(report.summary_json(seconds=seconds, exit_code=status))
    if not task.quiet or status not in {ExitStatus.OK, ExitStatus.MISSING}:
        _tell_people(task, report, ending, seconds)
    return status


def _tell_people(task: Task, report: Report, ending: Ending, seconds: float) -> None:
    signum = ending.signum or None
    summary = report.summary_text(seconds=seconds, ending=ending.error, signal=signum, dry_run=task.dry_run)
    for line in (summary, *report.failure_lines()):
        say(line)
    if ending.error:
        show(ending.error)


def _check_failed_to(path: Path) -> None:
    """See before the run that its leftovers can be written down; changes nothing."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(f"--failed-to {path} is not a place for a file", hint="name a file in a folder that exists")
    if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise MachineError(f"--failed-to {path} is not writable", hint="name another file")


def _write_failed_to(path: Path, identifiers: Sequence[str]) -> None:
    """Write the file whole: it may be the list that this run was started with."""
    data = "".join(f"{identifier}\n" for identifier in identifiers).encode("utf-8", "surrogateescape")
    try:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            path.write_bytes(data)  # a device or a FIFO
            return
        target = Path(os.path.realpath(path))
        _replace(target, data)
    except OSError as error:
        raise MachineError(f"{path} cannot be written ({error.strerror})", hint="name another --failed-to") from error


def _replace(target: Path, data: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o666 & ~_umask())
        Path(name).replace(target)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current
