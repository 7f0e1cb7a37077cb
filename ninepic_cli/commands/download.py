"""One run of a download command: builds the parts, lets them work, tells what came of it."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ninepic_cli.api.client import Api
from ninepic_cli.api.listing import Listing
from ninepic_cli.api.schema import queries
from ninepic_cli.archive.destination import ZipDestination
from ninepic_cli.config.settings import Settings
from ninepic_cli.download.transfer import DeduplicatingTransfer, Existing, Plan, Transfer
from ninepic_cli.download.workers import RunEnd, UpdateQueue, affordable_jobs, download_photos
from ninepic_cli.errors import (
    ExitStatus,
    MachineError,
    NinepicError,
    ReaderGoneError,
    StoppedError,
    UsageError,
    check_current_folder,
    unforeseen,
)
from ninepic_cli.filesystem.folder import Folder
from ninepic_cli.filesystem.inventory import Inventory
from ninepic_cli.filesystem.template import FLAT, Naming, Template
from ninepic_cli.models import Busy, Credentials, Downloaded, Method, Outcome, Photo, Skipped
from ninepic_cli.net.client import Client
from ninepic_cli.net.proxies import is_loopback
from ninepic_cli.net.rate_limit import RateLimit
from ninepic_cli.net.retry import HostThrottles
from ninepic_cli.progress.display import open_progress, stderr_console
from ninepic_cli.progress.messages import Progress
from ninepic_cli.report.failed_list import check_failed_to, list_data, write_failed_to
from ninepic_cli.report.summary import Report
from ninepic_cli.system.output import Output, print_err, print_error
from ninepic_cli.system.shutdown import CancelToken, grace_period, handle_signals
from ninepic_cli.system.terminal import restore_cursor
from ninepic_cli.updates import PhotoFinished, Update, WarningRaised

if TYPE_CHECKING:
    from ninepic_cli.archive.zip_output import ZipOutput
    from ninepic_cli.inputs.filters import EventFilter


_READER_GONE = "whoever read the ZIP has gone, so it is not kept"


@dataclass(frozen=True, slots=True)
class DownloadRequest:
    """What a download command was asked to do.

    Attributes:
        identifiers: distinct, in order; may be empty. Of an event, its id.
        choice: of the photos of an event; None for all of them.
        is_spread: into 256 folders.
        rows, more_rows: of a start list, by identifier: the first, and those behind it.
        target: where ZIPs go in place of a folder, or None.
        rate_bps: bytes a second over all photos, or None.
        timeout_s, give_up_after_s: seconds.
        failed_to: where the identifiers go that have to be asked for again.
        again: the file that holds these, so that the same command can read it.
    """

    method: Method
    identifiers: Sequence[str]
    template: Template = FLAT
    rows: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    more_rows: Mapping[str, Sequence[Mapping[str, str]]] = field(default_factory=dict)
    choice: "EventFilter | None" = None
    is_spread: bool = False
    existing: Existing = Existing.SKIP
    rate_bps: int | None = None
    retries: int = 6
    timeout_s: float = 30.0
    give_up_after_s: float = 600.0
    dry_run: bool = False
    target: ZipDestination | None = None
    failed_to: Path | None = None
    again: Callable[[Sequence[str]], bytes] = list_data
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    bars: bool = True


def download(task: DownloadRequest, settings: Settings, *, environ: Mapping[str, str]) -> int:
    """Download what the task asks for.

    Returns:
        The exit status; 128 + n where signal n ended the run.

    Raises:
        UsageError: the call has to be corrected; nothing was asked of the service.
    """
    started_s = time.monotonic()
    output = Output()
    folder = None if task.target else settings.output
    is_held = task.target is not None and not task.dry_run  # until the ZIP has taken its place
    report = Report(task.method, task.identifiers, folder=folder, json=task.json, is_held=is_held)
    try:
        if task.failed_to and not task.dry_run:
            check_failed_to(task.failed_to)
        ending = DownloadRun(task, settings, report, output, environ).ending()
    except UsageError:
        raise
    except NinepicError as error:
        ending = RunEnd(error)
    except OSError as error:
        ending = RunEnd(unforeseen(error))
    return _told(task, report, output, ending, time.monotonic() - started_s)


class DownloadRun:
    """The parts of one run."""

    def __init__(
        self, task: DownloadRequest, settings: Settings, report: Report, output: Output, environ: Mapping[str, str]
    ) -> None:
        self._task = task
        self._settings = settings
        self._report = report
        self._output = output
        self._environ = environ
        self._stop = CancelToken()
        self._events: UpdateQueue = UpdateQueue()
        self._console = stderr_console()
        self._zips: ZipOutput | None = None
        self._inventory: Inventory | None = None
        self._api: Api | None = None

    def ending(self) -> RunEnd:
        """Do the work; returns how it ended."""
        if not self._task.identifiers:
            return RunEnd()
        access = self._settings.require_credentials()
        with self._opened_zips(access.event_id or 0) as self._zips:
            return self._worked(access)

    def _opened_zips(self, event_id: int) -> "AbstractContextManager[ZipOutput | None]":
        task = self._task
        if task.target is None:
            return nullcontext()
        from ninepic_cli.archive.zip_output import ZipOutput, open_zip_output  # noqa: PLC0415 (not needed for a folder)

        task.target.check(task.identifiers, event=event_id, method=task.method)
        if task.dry_run:
            return nullcontext(ZipOutput(task.target, (event_id, task.method), task.target.base))
        return open_zip_output(
            task.target,
            (event_id, task.method),
            on_gone=lambda: self._events.fail(ReaderGoneError(_READER_GONE, hint="give the ZIP a file: --zip FILE")),
            is_over=lambda: self._events.signum is not None,
            is_stopped=lambda: self._stop.is_set,
        )

    def _worked(self, access: Credentials) -> RunEnd:
        task, zips = self._task, self._zips
        naming = Naming(task.template, access.event_id or 0, task.rows, task.is_spread, task.more_rows)
        folder = Folder(zips.root if zips else self._settings.output, naming=naming)
        check_current_folder(folder.root)
        if not task.dry_run:
            folder.check()
            folder.sweep()
            self._inventory = None if zips else Inventory(folder.root, task.method)
        hosts = HostThrottles(give_up_after_s=task.give_up_after_s, stop=self._stop, on_update=self._events.put)
        transfer = self._transfer(folder, hosts, access)
        with (
            handle_signals(on_first=self._events.interrupt, on_second=lambda: restore_cursor(self._console)),
            self._progress() as progress,
        ):
            ending = download_photos(
                _named(self._listed(access, hosts), naming),
                self._work(transfer, folder),
                jobs=1 if task.dry_run else self._jobs(),
                stop=self._stop,
                events=self._events,
                on_update=lambda event: self._take(event, progress),
            )
            if ending == RunEnd() and self._api:
                ending = RunEnd(self._api.doom)  # met by a renewal when the listing was through
            ending = self._looked_for(self._finished(ending), progress)
        if not task.dry_run:
            folder.close()
        return ending

    def _listed(self, access: Credentials, hosts: HostThrottles) -> Iterable[Photo | Update]:
        task = self._task
        client = Client(timeout_s=task.timeout_s, connections=4, environ=self._environ)
        api = self._api = Api(
            access,
            client=client,
            host=hosts.of(access.base_url),
            retries=task.retries,
            stop=self._stop,
            on_update=self._events.put,
        )
        if task.method is Method.EVENT:
            from ninepic_cli.api.event_listing import EventListing  # noqa: PLC0415 (only needed for an event)
            from ninepic_cli.inputs.filters import ALL_PHOTOS  # noqa: PLC0415 (only needed for an event)

            event_id, choice = access.event_id or 0, task.choice or ALL_PHOTOS
            return EventListing(api, event_id=event_id, choice=choice, on_update=self._events.put).entries()
        return Listing(api, on_update=self._events.put).entries(queries(task.method, task.identifiers))

    def _transfer(self, folder: Folder, hosts: HostThrottles, access: Credentials) -> Transfer:
        task = self._task
        # A client of its own, so that the key cannot reach the storage.
        jobs = self._settings.jobs
        limit = RateLimit(task.rate_bps, connections=jobs) if task.rate_bps else None
        client = Client(timeout_s=task.timeout_s, connections=jobs, environ=self._environ, limit=limit)
        return Transfer(
            client=client,
            hosts=hosts,
            folder=folder,
            existing=task.existing,
            limit=limit,
            takes_plain_links=is_loopback(urlsplit(access.base_url).hostname or ""),
            timeout_s=task.timeout_s,
            retries=task.retries,
            stop=self._stop,
            on_update=self._events.put,
        )

    def _work(self, transfer: Transfer, folder: Folder) -> Callable[[Photo], Outcome | Busy]:
        """What is done about each photo."""
        if self._task.dry_run:
            plan = self._zips.planning(folder) if self._zips else transfer.plan
            return Plan(plan) if self._shares else plan
        if self._zips:
            is_one_name = self._task.template.text == FLAT.text and not self._has_split_zips
            return self._zips.wrap_transfer(transfer, folder, shares=self._shares and not is_one_name)
        return DeduplicatingTransfer(transfer, folder.path_of, self._task.identifiers) if self._shares else transfer

    @property
    def _shares(self) -> bool:
        """Whether several of what is asked for may have the same photo."""
        task = self._task
        return bool(task.more_rows) or (task.method in {Method.BIB, Method.SELFIE} and len(task.identifiers) > 1)

    @property
    def _has_split_zips(self) -> bool:
        """Whether each of what is asked for has a ZIP of its own."""
        return self._task.target is not None and self._task.target.is_split

    def _finished(self, ending: RunEnd) -> RunEnd:
        """Let ZIPs that are still open take their place, unless it is the end of the run that forbids it."""
        zips, error = self._zips, ending.error or self._output.trouble
        if zips is None:
            return ending
        if ending.signum is None and (error is None or error.exit_status is not ExitStatus.MACHINE):
            ending = self._finish(zips.finish_all) or ending
        self._report.mark_lost(zips.unfinished())
        if self._events.signum:  # it came last, as Ctrl-C does that ends both ends of a pipe
            ending = RunEnd(signum=self._events.signum)
        elif ending == RunEnd():
            ending = RunEnd(self._events.bug)
        if zips.is_of_use or self._task.dry_run:
            self._report.put_into(zips.place)
        return ending

    def _looked_for(self, ending: RunEnd, progress: Progress) -> RunEnd:
        """See that photos and ZIPs are still there, unless the run is to end at once, or their folder cannot be had."""
        if ending.signum is not None or isinstance(ending.error, MachineError):
            return ending
        for identifier, path in self._zips.gone() if self._zips else ():
            self._report.take_zip_back(identifier, path)
        if self._inventory is None:
            return ending
        for gone in self._inventory.find_gone(lambda: self._events.signum is not None):
            if lines := self._report.take_back(gone.photo, gone.path, was_fetched=gone.was_fetched):
                self._write(lines, progress)
        return RunEnd(signum=self._events.signum) if self._events.signum else ending

    @staticmethod
    def _finish(finish: Callable[[], None]) -> RunEnd | None:
        """Finish one ZIP or more; how the run ends where that failed."""
        try:
            finish()
        except StoppedError:
            return None  # whatever stopped it is told elsewhere
        except NinepicError as error:
            return RunEnd(error)
        return None

    def _jobs(self) -> int:
        """How many photos can be in flight with the files that this process may open."""
        wanted = self._settings.jobs
        jobs = affordable_jobs(wanted)
        if jobs < wanted:
            words = f"{jobs} photos at once instead of {wanted}: the limit of open files is low"
            self._events.put(WarningRaised(f"{words} (ulimit -n)"))
        return jobs

    @contextmanager
    def _progress(self) -> Iterator[Progress]:
        task = self._task
        with open_progress(self._console, bars=task.bars, quiet=task.quiet, verbose=task.verbose) as progress:
            progress.expect(task.method, len(task.identifiers))
            yield progress

    def _take(self, event: Update | None, progress: Progress) -> None:
        """Everything that happened comes by here, in the main thread."""
        if event is None:
            progress.tick()
            return
        progress.on_update(event)
        if self._inventory and isinstance(event, PhotoFinished) and isinstance(event.outcome, Downloaded | Skipped):
            self._inventory.add(event.photo, event.outcome)
        lines = self._report.record(event)
        if self._zips:
            lines += self._finish_zip_of(self._report.completed_identifier(event))
        if self._task.dry_run and not self._task.json:
            path = self._report.dry_run_line(event)
            lines = [] if path is None else [path]
        if lines:
            self._write(lines, progress)
        if self._output.is_gone and self._task.dry_run:
            self._events.interrupt(0)

    def _write(self, lines: list[str], progress: Progress) -> None:
        if sys.stdout is not None and sys.stdout.isatty():
            progress.hide()
        for line in lines:
            self._output.line(line)

    def _finish_zip_of(self, identifier: str | None) -> list[str]:
        """Finish the ZIP of a bib or search that is through; the line that tells so, once it has taken its place."""
        zips = self._zips
        if zips is None or not self._has_split_zips or identifier is None or self._task.dry_run:
            return []
        ending = self._finish(lambda: zips.finish(identifier))
        if ending and ending.error:
            self._events.fail(ending.error)
        return [] if identifier in zips.unfinished() else self._report.release(identifier)


def _named(entries: Iterable[Photo | Update], naming: Naming) -> Iterable[Photo | Update]:
    """The same with each photo once for each name that a start list gives it."""
    if not naming.more_rows:
        return entries
    return (each for entry in entries for each in (naming.per_row(entry) if isinstance(entry, Photo) else [entry]))


def _told(task: DownloadRequest, report: Report, output: Output, ending: RunEnd, seconds: float) -> int:
    """Tell people, programs and the next run what came of it; returns the exit status."""
    unwritten = _leftovers_trouble(task, report)

    def errors() -> list[NinepicError]:
        return [error for error in (ending.error, output.trouble, unwritten) if error]

    def status() -> int:
        if ending.signum:
            return 128 + ending.signum
        if task.dry_run and (ending.signum == 0 or output.is_gone) and not output.trouble:
            return ExitStatus.OK  # the reader had seen enough
        return report.exit_status(*errors())

    with grace_period(ending.signum):
        for line in report.closing_lines(ending.error) if task.json else ():
            output.line(line)
        if task.json:
            first = next(iter(errors()), None)
            output.line(report.summary_json(seconds=seconds, exit_code=status(), ending=first))
        # Not before: the last line, too, may be the one that does not fit on the disk.
        if not task.quiet or status() not in {ExitStatus.OK, ExitStatus.MISSING}:
            _say_end(task, report, ending.signum or None, errors(), seconds)
    return status()


def _leftovers_trouble(task: DownloadRequest, report: Report) -> MachineError | None:
    """Write down what has to be asked for again; the error where that cannot be."""
    if task.failed_to and not task.dry_run:
        try:
            write_failed_to(task.failed_to, task.again(report.unfinished()))
        except MachineError as error:
            return error
    return None


def _say_end(
    task: DownloadRequest, report: Report, signum: int | None, errors: Sequence[NinepicError], seconds: float
) -> None:
    first = errors[0] if errors else None
    print_err(report.summary_text(seconds=seconds, ending=first, signal=signum, dry_run=task.dry_run))
    for line in report.failure_lines():
        print_err(line)
    for error in errors:
        print_error(error)
