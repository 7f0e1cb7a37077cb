"""From options as they were given to a run: what a command is asked to do, with which settings."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import combinations
from pathlib import Path

from ninepic_cli.archive.zip_target import ZipTarget
from ninepic_cli.cli.collisions import collisions
from ninepic_cli.cli.options import ListOptions, Options, PartOptions
from ninepic_cli.cli.parameters import parse_rate
from ninepic_cli.commands.download import DownloadRequest, download
from ninepic_cli.config.settings import Settings, load_settings
from ninepic_cli.download.transfer import Existing
from ninepic_cli.download.workers import affordable_jobs
from ninepic_cli.errors import UsageError
from ninepic_cli.filesystem.template import BY_IDENTIFIER, FLAT, Naming, Template
from ninepic_cli.inputs.filters import EventFilter, Period, Shard
from ninepic_cli.inputs.identifiers import Identifiers, Source, read_identifiers
from ninepic_cli.models import Method
from ninepic_cli.report.failed_list import check_rereadable, list_data, table_data
from ninepic_cli.system.output import print_err, print_warning
from ninepic_cli.text import as_text, display_path, path_text, posix_text, quoted


def download_list(
    method: Method,
    arguments: Sequence[str] | None,
    source: ListOptions,
    parts: PartOptions,
    options: Options,
    *,
    is_in_folders: bool = False,
) -> int:
    """Download what identifiers name, with `is_in_folders` what each of them names into a folder of its own."""
    if is_in_folders and options.name is not None:
        hint = "omit --folders and put {identifier}/ into the template"
        raise UsageError("--folders cannot be combined with --name", hint=hint)
    if is_in_folders:
        options = replace(options, name=BY_IDENTIFIER.text)
    shard = None if parts.shard is None else Shard.parse(parts.shard)
    stdin = None if sys.stdin is None else sys.stdin.buffer
    file = Source(source.from_file, source.column, source.encoding)
    identifiers = read_identifiers(arguments or (), file, stdin=stdin, method=method)
    if shard:
        identifiers = replace(identifiers, identifiers=[each for each in identifiers.identifiers if shard.has(each)])
    _check_files(options, file.file)
    if options.failed_to:
        check_rereadable(identifiers, file.encoding, method)
        _check_keeps_list(options.failed_to, file, loses_lines=shard is not None or bool(identifiers.columns))
    settings = _settings(options)
    request = _request(method, identifiers, parts, options, settings)
    to_table, to_list = partial(table_data, identifiers, file.encoding), partial(list_data, encoding=file.encoding)
    request = replace(request, to_list=to_table if identifiers.columns else to_list)
    return _run(request, settings, options, (*identifiers.warnings, *_collisions(request, identifiers)))


def download_event(since: str | None, until: str | None, parts: PartOptions, options: Options) -> int:
    """Download the event's photos that were taken in a stretch of time, or all of them."""
    _check_files(options)
    shard = None if parts.shard is None else Shard.parse(parts.shard)
    photos = EventFilter(shard, Period.parse(since, until))
    settings = _settings(options)
    event = Identifiers([] if settings.event_id is None else [str(settings.event_id)])
    request = _request(Method.EVENT, event, parts, options, settings)
    if photos.period and not options.quiet:
        zone = " (no offset given, assuming UTC)" if photos.period.is_assumed else ""
        print_err(f"photos taken {photos.period}{zone}")
    if options.zip is None and options.name is None:
        from ninepic_cli.filesystem.layout import check_layout  # noqa: PLC0415 (only needed for an event)

        check_layout(settings.output, is_spread=parts.spread)
    return _run(replace(request, photos=photos), settings, options)


def _collisions(request: DownloadRequest, identifiers: Identifiers) -> list[str]:
    """What rows of a start list lose by others; where each has a ZIP of its own, they are apart."""
    if request.zip is not None and request.zip.is_split:
        return []
    naming = Naming(request.template, rows=request.rows, more_rows=request.more_rows)
    return collisions(identifiers, naming, request.method)


def _check_keeps_list(failed_to: Path, source: Source, *, loses_lines: bool) -> None:
    """See that `--failed-to` does not write over the list that was read, if that has more in it."""
    if source.file in {None, "-"} or not loses_lines:
        return
    with suppress(OSError):
        if failed_to.samefile(str(source.file)):
            raise UsageError(
                f"--failed-to {display_path(failed_to)} would overwrite the --from-file list with a part of it",
                hint="choose another file",
            )


def _check_files(options: Options, source: str | None = None) -> None:
    """See that no file is to be written for two options, and that none but `--failed-to` is the list that is read."""
    if options.checksums and options.zip is not None:
        raise UsageError(
            "--checksums cannot be combined with --zip (a ZIP leaves no photos on disk)",
            hint="a ZIP has checksums of its own: unzip -t FILE",
        )
    is_list = source not in {None, "-"}
    files = {
        "--from-file": Path(str(source)) if is_list else None,
        "--report": options.report,
        "--checksums": options.checksums,
        "--failed-to": options.failed_to,
        "--log-file": options.log_file,
        "--zip": None if options.zip in {None, "-"} else Path(str(options.zip)),
    }
    given = [(option, path) for option, path in files.items() if path]
    for (one, path), (other, same) in combinations(given, 2):
        if (one, other) != ("--from-file", "--failed-to") and _is_same_file(path, same):
            verb = "read and written" if one == "--from-file" else "written twice"
            raise UsageError(
                f"{one} and {other} name the same file: {path_text(path)} would be {verb}", hint="name two files"
            )


def _is_same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, which need not exist; devices are none."""
    with suppress(OSError):
        if one.exists() and not one.is_file():
            return False
        if os.path.realpath(one) == os.path.realpath(other):
            return True
        return one.samefile(other)
    return False


def _request(
    method: Method, identifiers: Identifiers, parts: PartOptions, options: Options, settings: Settings
) -> DownloadRequest:
    existing = _parse_existing(options.existing)
    return DownloadRequest(
        method=method,
        identifiers=identifiers.identifiers,
        template=FLAT if options.name is None else Template(as_text(options.name), columns=identifiers.columns),
        rows=identifiers.rows,
        more_rows=identifiers.more_rows,
        is_spread=parts.spread,
        existing=existing,
        zip=_zip_target(method, options, settings.event_id or 0),
        jobs=1 if options.dry_run and existing is not Existing.VERIFY else affordable_jobs(settings.jobs),
        rate_bps=None if options.limit_rate is None else parse_rate(options.limit_rate),
        retries=options.retries,
        timeout_s=options.timeout,
        give_up_after_s=options.give_up_after,
        dry_run=options.dry_run,
        failed_to=options.failed_to,
        report=options.report,
        checksums=options.checksums,
        json=options.json,
        quiet=options.quiet,
        verbose=options.verbose,
        stats_s=options.stats,
        log_file=options.log_file,
        bars=not options.no_progress,
    )


def _zip_target(method: Method, options: Options, event_id: int) -> ZipTarget | None:
    """Where ZIPs go in place of a folder, if they do."""
    if options.zip is None:
        return None
    if options.existing is not None:
        raise UsageError("--existing cannot be combined with --zip", hint="omit --existing, or --zip for a directory")
    if options.output is not None:
        hint = "omit --output for a ZIP, or --zip for a directory"
        raise UsageError("--zip cannot be combined with --output", hint=hint)
    target = ZipTarget(options.zip, event=event_id, method=method)
    if target.is_stdout and options.json:
        raise UsageError("--json cannot be combined with --zip - (both use stdout)", hint="use --zip FILE")
    if target.is_stdout and not options.dry_run and (sys.stdout is None or sys.stdout.isatty()):
        what = "a closed standard output" if sys.stdout is None else "a terminal"
        raise UsageError(f"refusing to write a ZIP archive to {what}", hint="redirect stdout or use --zip FILE")
    return target


def _parse_existing(text: str | None) -> Existing:
    try:
        return Existing.SKIP if text is None else Existing(text)
    except ValueError:
        message = f"invalid --existing {quoted(text or '')}: must be one of {', '.join(Existing)}"
        raise UsageError(message, hint="omit --existing to skip existing files") from None


def _settings(options: Options) -> Settings:
    given = {"event_id": options.event, "org_id": options.org, "output": options.output, "jobs": options.jobs}
    return load_settings(given, environ=os.environ, config=options.config, profile=options.profile)


def _run(request: DownloadRequest, settings: Settings, options: Options, warnings: Sequence[str] = ()) -> int:
    is_asking_store = request.is_check or not options.dry_run
    if is_asking_store and request.jobs != settings.jobs:
        words = f"using --jobs {request.jobs} instead of {settings.jobs}: low limit on open files"
        warnings = (*warnings, words + posix_text(" (ulimit -n)"))
    warnings = (*settings.warnings, *warnings)
    for warning in () if options.quiet else warnings:
        print_warning(warning)
    return download(replace(request, warnings=warnings), settings, environ=os.environ)
