"""From options as they were given to a run: what a command is asked to do, with which settings."""

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ninepic_cli.archive.destination import ZipDestination
from ninepic_cli.cli.collisions import collisions
from ninepic_cli.cli.options import Options, QueryOptions
from ninepic_cli.commands.download import DownloadRequest, download
from ninepic_cli.config.settings import Settings, load_settings
from ninepic_cli.download.transfer import Existing
from ninepic_cli.errors import UsageError
from ninepic_cli.filesystem.template import BY_IDENTIFIER, FLAT, Naming, Template
from ninepic_cli.inputs.identifiers import Identifiers, Source, read_identifiers
from ninepic_cli.models import Credentials, Method
from ninepic_cli.report.failed_list import check_rereadable, list_data, table_data
from ninepic_cli.system.output import print_err
from ninepic_cli.text import as_text, quoted

if TYPE_CHECKING:
    from ninepic_cli.commands.events import Form, RetryPolicy
    from ninepic_cli.inputs.filters import Shard

_SLOWEST_BPS = 1024
_RATE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)([KMGT]?)B?(?:/s)?", re.ASCII | re.IGNORECASE)
_FACTORS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def parse_rate(text: str) -> int:
    """Bytes a second, from a number with K, M, G or T (1024s, as curl has them).

    Raises:
        UsageError: it is none, or too small to get anywhere.
    """
    match = _RATE.fullmatch(text.strip())
    rate = int(float(match[1]) * _FACTORS[match[2].upper()]) if match else 0
    if rate < _SLOWEST_BPS:
        raise UsageError(
            f"--limit-rate {quoted(text)} is not a rate of {_SLOWEST_BPS} bytes a second or more",
            hint="write something like 500K or 1.5M, in bytes a second",
        )
    return rate


_Choice = TypeVar("_Choice", bound=Enum)


def download_list(
    method: Method,
    arguments: Sequence[str],
    source: tuple[str | None, str | None, str | None],
    options: Options,
    parts: tuple[str | None, bool] = (None, False),
) -> int:
    """Download what identifiers name; `parts` are the options for very many photos, `--shard` and `--spread`."""
    part = _part(parts[0])
    stdin = None if sys.stdin is None else sys.stdin.buffer
    asked = read_identifiers(arguments, Source(*source), stdin=stdin, method=method)
    if part:
        asked = replace(asked, identifiers=[each for each in asked.identifiers if part.has(each)])
    if options.failed_to:
        _check_failed_to(options.failed_to, asked, source, method, is_part=part is not None)
    again = partial(table_data, asked, source[2]) if asked.columns else partial(list_data, encoding=source[2])
    task = _task(method, asked, options)
    warnings = (*asked.warnings, *_collisions(task, asked))
    return _run(replace(task, is_spread=parts[1], again=again), _settings(options), options, warnings)


def download_event(times: tuple[str | None, str | None], options: Options, parts: tuple[str | None, bool]) -> int:
    """Download the event's photos that were taken in a stretch of time, or all of them."""
    from ninepic_cli.inputs.filters import EventFilter, Period  # noqa: PLC0415 (only needed for an event)

    choice = EventFilter(_part(parts[0]), Period.parse(*times))
    settings = _settings(options)
    task = _task(Method.EVENT, Identifiers([str(settings.event_id or "")]), options)
    if choice.period and not options.quiet:
        print_err(
            f"photos taken {choice.period}{' (a time without an offset is UTC)' if choice.period.is_assumed else ''}"
        )
    if options.zip is None and options.name is None:
        from ninepic_cli.filesystem.layout import check_layout  # noqa: PLC0415 (only needed for an event)

        check_layout(settings.output, is_spread=parts[1])
    return _run(replace(task, choice=choice, is_spread=parts[1]), settings, options)


def _collisions(task: DownloadRequest, asked: Identifiers) -> list[str]:
    """What rows of a start list lose by others; where each has a ZIP of its own, they are apart."""
    is_apart = task.target is not None and task.target.is_split
    return (
        []
        if is_apart
        else collisions(asked, Naming(task.template, rows=task.rows, more_rows=task.more_rows), task.method)
    )


def _check_failed_to(
    path: Path, asked: Identifiers, source: tuple[str | None, str | None, str | None], method: Method, *, is_part: bool
) -> None:
    """See that what has to be asked for again can be written there, and that nothing is lost by it."""
    file, _, encoding = source
    check_rereadable(asked, encoding, method)
    if file in {None, "-"} or not (is_part or asked.columns):
        return
    with suppress(OSError):
        if path.samefile(str(file)):
            raise UsageError(
                "--failed-to would write over the list, which has more in it than what is asked for again",
                hint="name another file",
            )


def ask(
    question: "Callable[[Credentials, RetryPolicy, Form, Mapping[str, str]], None]",
    options: QueryOptions,
    *,
    event_id: str | None = None,
    event: bool = False,
) -> int:
    """Ask the service something, of its organisation or of an event.

    Raises:
        NinepicError: it could not be asked, or did not answer.
    """
    from ninepic_cli.commands.events import Form, RetryPolicy  # noqa: PLC0415 (not needed for a download)

    given = {"event_id": event_id, "org_id": options.org}
    settings = load_settings(given, environ=os.environ, config=options.config, profile=options.profile)
    for warning in () if options.quiet else settings.warnings:
        print_err(f"ninepic: warning: {warning}")
    patience = RetryPolicy(options.timeout, options.retries, options.give_up_after)
    form = Form(options.json, options.quiet, options.verbose)
    question(settings.require_credentials(event=event), patience, form, os.environ)
    return 0


def _task(method: Method, asked: Identifiers, options: Options) -> DownloadRequest:
    target = _zip_target(options)
    return DownloadRequest(
        method,
        asked.identifiers,
        template=FLAT if options.name is None else Template(as_text(options.name), columns=asked.columns),
        rows=asked.rows,
        more_rows=asked.more_rows,
        existing=_choice(Existing, "skip" if options.existing is None else options.existing, "--existing"),
        target=target,
        rate_bps=None if options.limit_rate is None else parse_rate(options.limit_rate),
        retries=options.retries,
        timeout_s=options.timeout,
        give_up_after_s=options.give_up_after,
        dry_run=options.dry_run,
        failed_to=options.failed_to,
        json=options.json,
        quiet=options.quiet,
        verbose=options.verbose,
        bars=not options.no_progress,
    )


def in_folders(options: Options) -> Options:
    """The same with `--folders`: each bib's or search's photos in a folder of its own.

    Raises:
        UsageError: a name is given as well.
    """
    if options.name is not None:
        hint = "leave --folders out, and write {identifier}/ into the template"
        raise UsageError("--folders cannot be combined with --name (both say where photos go)", hint=hint)
    return replace(options, name=BY_IDENTIFIER.text)


def _zip_target(options: Options) -> ZipDestination | None:
    """Where ZIPs go in place of a folder, if they do."""
    if options.zip is None:
        return None
    if options.existing is not None:
        raise UsageError("--existing says nothing about a ZIP, which is made anew", hint="leave one of them out")
    target = ZipDestination(options.zip)
    if target.is_stdout and options.json:
        raise UsageError("standard output cannot have both a ZIP and --json", hint="name a file with --zip")
    if target.is_stdout and not options.dry_run and (sys.stdout is None or sys.stdout.isatty()):
        hint = "redirect standard output, or name a file with --zip"
        raise UsageError("a ZIP is not for a terminal, and standard output leads to one, or nowhere", hint=hint)
    return target


def _choice(kind: type[_Choice], text: str, option: str) -> _Choice:
    try:
        return kind(text)
    except ValueError:
        known = ", ".join(str(each.value) for each in kind)
        raise UsageError(f"{option} {text} is not one of: {known}", hint=f"choose one, or leave {option} out") from None


def _part(shard: str | None) -> "Shard | None":
    from ninepic_cli.inputs.filters import Shard  # noqa: PLC0415 (only needed for a part)

    return None if shard is None else Shard.parse(shard)


def _settings(options: Options) -> Settings:
    given = {"event_id": options.event, "org_id": options.org, "output": options.output, "jobs": options.jobs}
    return load_settings(given, environ=os.environ, config=options.config, profile=options.profile)


def _run(task: DownloadRequest, settings: Settings, options: Options, warnings: Sequence[str] = ()) -> int:
    for warning in () if options.quiet else (*settings.warnings, *warnings):
        print_err(f"ninepic: warning: {warning}")
    return download(task, settings, environ=os.environ)
