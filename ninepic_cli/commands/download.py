"""One run of a download command: builds the parts, lets them work, reports what came of it."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ninepic_cli.api.client import Api
from ninepic_cli.api.photo_search import PhotoSearch
from ninepic_cli.api.schema import queries
from ninepic_cli.commands.destination import Destination, FolderDestination, open_folder
from ninepic_cli.commands.space import SpaceCheck
from ninepic_cli.config.settings import Settings
from ninepic_cli.download.transfer import DeduplicatingPlan, Existing, Transfer
from ninepic_cli.download.workers import RunEnd, UpdateQueue, download_photos
from ninepic_cli.errors import (
    ExitStatus,
    MachineError,
    NinepicError,
    StoppedError,
    UsageError,
    check_current_folder,
    unforeseen,
)
from ninepic_cli.filesystem.folder import Folder
from ninepic_cli.filesystem.template import FLAT, Naming, Template
from ninepic_cli.models import Busy, Method, Outcome, Photo
from ninepic_cli.net.client import Client
from ninepic_cli.net.proxies import is_loopback
from ninepic_cli.net.rate_limit import RateLimit
from ninepic_cli.net.retry import HostThrottles
from ninepic_cli.progress.display import open_progress, stderr_console
from ninepic_cli.progress.messages import Display, StatusReports
from ninepic_cli.progress.stats import Status
from ninepic_cli.report.failed_list import list_data
from ninepic_cli.report.json_lines import ProgressRecord, json_line
from ninepic_cli.report.log_file import LogFile
from ninepic_cli.report.run_files import RunFiles
from ninepic_cli.report.summary import Report
from ninepic_cli.system.output import Output, print_err, print_error, print_warning
from ninepic_cli.system.shutdown import CancelToken, StatusSignals, grace_period, handle_signals
from ninepic_cli.system.terminal import is_terminal, restore_cursor
from ninepic_cli.updates import BytesReceived, PhotoFinished, Update, WarningRaised

if TYPE_CHECKING:
    from ninepic_cli.archive.zip_target import ZipTarget
    from ninepic_cli.inputs.filters import EventFilter

_STATUS_EVERY_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadRequest:
    """What a download command was asked to do.

    Attributes:
        identifiers: distinct, in order; may be empty. Of an event, its id.
        photos: which of an event's; None for what is no event.
        is_spread: into 256 folders.
        rows, more_rows: of a start list, by identifier: the first, and those behind it.
        zip: where ZIPs go in place of a folder, or None.
        jobs: photos in flight at once, no more than this process can have files open for.
        rate_bps: bytes a second over all photos, or None.
        stats_s: seconds between two reports of how the run is doing, 0 for none; None where that was not said, which is
            a minute for people and none for programs.
        log_file: what happens is appended to it, whatever is shown; None for none.
        warnings: what people were told before the run, for that file.
        failed_to: where the identifiers go that have to be asked for again.
        report: where the table of all photos goes.
        checksums: where the MD5s of those on the disk go.
        to_list: the file that holds these, so that the same command can read it.
    """

    method: Method
    identifiers: Sequence[str]
    template: Template = FLAT
    rows: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    more_rows: Mapping[str, Sequence[Mapping[str, str]]] = field(default_factory=dict)
    photos: "EventFilter | None" = None
    is_spread: bool = False
    existing: Existing = Existing.SKIP
    jobs: int = 8
    rate_bps: int | None = None
    retries: int = 6
    timeout_s: float = 30.0
    give_up_after_s: float = 600.0
    dry_run: bool = False
    zip: "ZipTarget | None" = None
    stats_s: float | None = None
    log_file: Path | None = None
    warnings: Sequence[str] = ()
    failed_to: Path | None = None
    report: Path | None = None
    checksums: Path | None = None
    to_list: Callable[[Sequence[str]], bytes] = list_data
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    bars: bool = True

    @property
    def is_check(self) -> bool:
        """Whether files are compared with what the store has, and nothing is fetched."""
        return self.dry_run and self.existing is Existing.VERIFY

    @property
    def has_shared_photos(self) -> bool:
        """Whether several of what is asked for may have the same photo."""
        is_search = self.method in {Method.BIB, Method.SELFIE}
        return bool(self.more_rows) or (is_search and len(self.identifiers) > 1)


def download(request: DownloadRequest, settings: Settings, *, environ: Mapping[str, str]) -> int:
    """Download what is requested.

    Returns:
        The exit status; 128 + n where signal n ended the run.

    Raises:
        UsageError: the call has to be corrected; nothing was asked of the service.
    """
    started_s = time.monotonic()
    is_held = request.zip is not None and not request.dry_run  # until the ZIP has taken its place
    report = Report(request.method, request.identifiers, json=request.json, is_held=is_held, is_check=request.is_check)
    files, end = RunFiles(request.to_list), RunEnd()
    with LogFile(request.log_file) as log, StatusSignals() as signals:
        channels = _Channels(Output(), log, signals)
        try:
            if not request.dry_run:
                files.open(
                    failed_to=request.failed_to,
                    report=request.report,
                    checksums=request.checksums,
                    root=settings.output,
                )
            log.open()
            for warning in request.warnings:
                log.line(f"warning: {warning}")
            if request.identifiers or request.photos:
                with _open_run(request, settings, report, files, channels, environ) as run:
                    end = run.execute()
        except UsageError as error:
            log.error_lines(error)
            raise
        except NinepicError as error:
            end = RunEnd(error)
        except OSError as error:
            end = RunEnd(unforeseen(error))
        except Exception as error:
            log.error_lines(unforeseen(error))
            raise
        return _report_end(request, report, files, channels, end, time.monotonic() - started_s)


@dataclass(frozen=True, slots=True)
class _Channels:
    """Where a run is told of besides the display, and how it is asked."""

    output: Output
    log: LogFile
    signals: StatusSignals

    def progress_line(self, status: Status) -> None:
        """Tell programs how the run is doing."""
        record: ProgressRecord = {
            "type": "progress",
            "done": status.done,
            "total": status.total if status.is_counted else None,
            "bytes": status.size,
            "rate": round(status.rate),
            "seconds": round(status.seconds, 3),
            "failed": status.failed,
            "eta_seconds": None if status.left_s is None else round(status.left_s),
        }
        self.output.line(json_line(record))


@contextmanager
def _open_run(
    request: DownloadRequest,
    settings: Settings,
    report: Report,
    files: RunFiles,
    channels: _Channels,
    environ: Mapping[str, str],
) -> Iterator["DownloadRun"]:
    """Build the parts of a run."""
    credentials = settings.require_credentials()
    channels.log.key = credentials.api_key
    event_id = credentials.event_id or 0
    naming = Naming(request.template, event_id, request.rows, request.is_spread, request.more_rows)
    stop, updates, console = CancelToken(), UpdateQueue(), stderr_console()
    hosts = HostThrottles(give_up_after_s=request.give_up_after_s, stop=stop, on_update=updates.put)
    limit = RateLimit(request.rate_bps, connections=request.jobs) if request.rate_bps else None
    client = partial(Client, timeout_s=request.timeout_s, environ=environ)
    show = partial(open_progress, bars=request.bars, quiet=request.quiet, verbose=request.verbose)
    api = Api(
        credentials,
        client=client(connections=4),
        host=hosts.of(credentials.base_url),
        retries=request.retries,
        stop=stop,
        on_update=updates.put,
    )
    with _open_destination(request, settings.output, naming, stop) as destination:
        transfer = Transfer(
            client=client(connections=request.jobs, limit=limit),  # its own, so that the key cannot reach the storage
            hosts=hosts,
            folder=destination.folder,
            existing=request.existing,
            limit=limit,
            takes_plain_links=is_loopback(urlsplit(credentials.base_url).hostname or ""),
            timeout_s=request.timeout_s,
            needs_md5=bool(request.report or request.checksums),
            retries=request.retries,
            stop=stop,
            on_update=updates.put,
        )
        with (
            handle_signals(on_first=stop.interrupt, on_second=partial(restore_cursor, console)),
            show(console, reports=_status_reports(request, channels)) as progress,
        ):
            progress.expect(request.method, len(request.identifiers))
            entries = _entries(request, api, event_id, naming, updates)
            space = SpaceCheck(_filled_folder(request, settings.output))
            yield DownloadRun(
                request, api, entries, destination, transfer, stop, updates, report, files, channels, progress, space
            )


def _status_reports(request: DownloadRequest, channels: _Channels) -> StatusReports:
    """Who is told how the run is doing; programs only where they have asked for it."""
    has_lines = request.json and request.stats_s is not None
    return StatusReports(
        every_s=_STATUS_EVERY_S if request.stats_s is None else request.stats_s,
        log=channels.log.line if channels.log.is_open else None,
        on_status=channels.progress_line if has_lines else None,
    )


def _filled_folder(request: DownloadRequest, folder: Path) -> Path | None:
    """Where the photos gather; None where they do not stay, replace others, or do not come."""
    if request.dry_run or (request.zip and request.zip.is_stream) or request.existing is Existing.OVERWRITE:
        return None
    return request.zip.base if request.zip else folder


def _open_destination(
    request: DownloadRequest, folder: Path, naming: Naming, stop: CancelToken
) -> AbstractContextManager[Destination]:
    """Where photos go; it is not touched in a dry run."""
    check_current_folder(request.zip.base if request.zip else folder)
    if request.zip is None:
        target, shared_by = Folder(folder, naming=naming), request.identifiers if request.has_shared_photos else ()
        if request.dry_run:
            return nullcontext(FolderDestination(target, shared_by))
        return open_folder(target, request.method, shared_by)
    from ninepic_cli.archive.zip_destination import ZipDestination, open_zips  # noqa: PLC0415 (not needed for a folder)

    request.zip.check(request.identifiers)
    if request.dry_run:
        return nullcontext(ZipDestination(request.zip, Folder(request.zip.base, naming=naming), stop))
    has_several_names = request.zip.is_split or request.template.text != FLAT.text
    return open_zips(request.zip, naming, stop, has_shared=request.has_shared_photos and has_several_names)


def _entries(
    request: DownloadRequest, api: Api, event_id: int, naming: Naming, updates: UpdateQueue
) -> Iterable[Photo | Update]:
    """The photos as the service lists them, each once for each name that a start list gives it."""
    if request.photos:
        from ninepic_cli.api.event_photos import EventPhotos  # noqa: PLC0415 (only needed for an event)

        return EventPhotos(api, event_id=event_id, choice=request.photos, on_update=updates.put).entries()
    entries = PhotoSearch(api, on_update=updates.put).entries(queries(request.method, request.identifiers))
    if not request.more_rows:
        return entries
    return (each for entry in entries for each in (naming.per_row(entry) if isinstance(entry, Photo) else [entry]))


@dataclass(frozen=True, slots=True)
class DownloadRun:
    """The parts of one run, at work."""

    request: DownloadRequest
    api: Api
    entries: Iterable[Photo | Update]
    destination: Destination
    transfer: Transfer
    stop: CancelToken
    updates: UpdateQueue
    report: Report
    files: RunFiles
    channels: _Channels
    progress: Display
    space: SpaceCheck
    printed: set[int] = field(default_factory=set)  # hashes of the paths that a dry run has printed

    def execute(self) -> RunEnd:
        """Do the work; returns how it ended."""
        end = self._finish_destination(self._download_photos())
        if end.signum is not None or isinstance(end.error, MachineError):
            return end  # at once, or as the place cannot be had
        for update in self.destination.removed(self.stop):
            self.files.record(update)
            self._write(self.report.record(update))
        return RunEnd(signum=self.stop.signum) if self.stop.signum else end

    def _download_photos(self) -> RunEnd:
        end = download_photos(
            self.entries,
            self._worker(),
            jobs=self.request.jobs,
            stop=self.stop,
            updates=self.updates,
            on_update=self._handle_update,
        )
        # A renewal may have met what dooms the run when the listing was through.
        return RunEnd(self.api.fatal_error) if end == RunEnd() else end

    def _worker(self) -> Callable[[Photo], Outcome | Busy]:
        if not self.request.dry_run:
            return self.destination.worker(self.transfer)
        plan = self.destination.planner(self.transfer)
        return DeduplicatingPlan(plan) if self.request.has_shared_photos else plan

    def _finish_destination(self, end: RunEnd) -> RunEnd:
        """Let what is still open take its place, unless it is the end of the run that forbids it."""
        error = end.error or self.channels.output.trouble
        if end.signum is None and (error is None or error.exit_status is not ExitStatus.MACHINE):
            try:
                self.destination.finish()
            except StoppedError:
                pass  # whatever stopped it is reported by itself
            except NinepicError as failure:
                end = RunEnd(failure)
        self.report.mark_lost(self.destination.unfinished())
        self.report.place = self.destination.place
        if self.stop.signum:  # it came last, as Ctrl-C does that ends both ends of a pipe
            return RunEnd(signum=self.stop.signum)
        return RunEnd(self.stop.error) if end == RunEnd() else end

    def _handle_update(self, update: Update | None) -> None:
        """Show and count what happened, in the main thread; None where only time has passed."""
        if self.channels.signals.take():
            self.progress.show_status()
        if update is None:
            self.progress.tick()
            return
        self.progress.on_update(update)
        self.files.record(update)
        if isinstance(update, BytesReceived | PhotoFinished) and (warning := self.space.warning(self.progress.stats)):
            self.progress.on_update(WarningRaised(warning))
        if isinstance(update, PhotoFinished):
            self.destination.record(update.photo, update.outcome)
        lines = self.report.record(update) + self._complete(self.report.completed_identifier(update))
        if self.request.dry_run and not self.request.json:
            lines = self._dry_run_lines(update)
        self._write(lines)
        if self.channels.output.is_gone and self.request.dry_run:
            self.stop.interrupt(0)

    def _dry_run_lines(self, update: Update) -> list[str]:
        """The path that a dry run prints, if it does: once, however many share the file."""
        path = self.report.dry_run_line(update)
        if path is None or (self.request.has_shared_photos and hash(path) in self.printed):
            return []
        if self.request.has_shared_photos:
            self.printed.add(hash(path))
        return [path]

    def _complete(self, identifier: str | None) -> list[str]:
        """Let what was fetched of an identifier take its place; the line that was held until then."""
        try:
            if identifier is not None and self.destination.complete(identifier):
                return self.report.release(identifier)
        except StoppedError:
            pass  # whatever stopped it is reported by itself
        except NinepicError as error:
            self.stop.fail(error)
        return []

    def _write(self, lines: list[str]) -> None:
        if lines and is_terminal(sys.stdout):
            self.progress.hide()
        for line in lines:
            self.channels.output.line(line)


def _report_end(
    request: DownloadRequest, report: Report, files: RunFiles, channels: _Channels, end: RunEnd, seconds: float
) -> int:
    """Tell people, programs and the next run what came of it; returns the exit status."""
    output, unwritten, has_begun = channels.output, files.write(report), report.has_begun
    with grace_period(end.signum):
        if request.json:
            for line in report.closing_lines(end.error):
                output.line(line)
            first = next(filter(None, (end.error, output.trouble, *unwritten)), None)
            status = _exit_status(request, report, output, end, unwritten)
            output.line(report.summary_json(seconds=seconds, exit_code=status, ending=first))
        # Not before: the last line, too, may be the one that does not fit on the disk.
        errors = [error for error in (end.error, output.trouble, *unwritten) if error]
        status = _exit_status(request, report, output, end, unwritten)
        first, signum = next(iter(errors), None), end.signum or None
        lines = report.failure_lines()
        if has_begun or first is None or signum:
            summary = report.summary_text(seconds=seconds, ending=first, signal=signum, dry_run=request.dry_run)
            lines = [summary, *lines]
        if not request.quiet or status not in {ExitStatus.OK, ExitStatus.MISSING}:
            for line in lines:
                print_err(line)
            for error in errors:
                print_error(error)
        _log_end(channels.log, lines, errors)
    return status


def _log_end(log: LogFile, lines: Sequence[str], errors: Sequence[NinepicError]) -> None:
    """Write into the log what came of the run, and tell of lines that it has not."""
    for line in lines:
        log.line(line)
    for error in errors:
        log.error_lines(error)
    if trouble := log.trouble():
        print_warning(trouble)


def _exit_status(
    request: DownloadRequest, report: Report, output: Output, end: RunEnd, unwritten: Sequence[MachineError]
) -> int:
    if end.signum:
        return 128 + end.signum
    if request.dry_run and not request.is_check and (end.signum == 0 or output.is_gone) and not output.trouble:
        return ExitStatus.OK  # the reader had seen enough
    return report.exit_status(end.error, output.trouble, *unwritten)
