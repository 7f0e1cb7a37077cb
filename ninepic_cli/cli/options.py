"""The options that commands share. Each is declared once, and a command has it by a parameter of its name."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, get_origin

import typer

from ninepic_cli.cli import completion
from ninepic_cli.cli.help import Command
from ninepic_cli.cli.reference import HOW, OUTPUT, SETTINGS, WHAT, WHERE

_Function = Callable[..., int | None]


def option(usage: str, text: str, panel: str | None = None, **more: Any) -> Any:
    """An option by its usage, such as `-o, --output DIR`, and its help, which says the default in words."""
    *short, long = usage.split(", ")
    name, _, metavar = long.partition(" ")
    more |= {"metavar": metavar or None, "help": text, "rich_help_panel": panel, "show_default": False}
    return typer.Option(*short, name, **more)


def argument(metavar: str, text: str, panel: str | None = None, **more: Any) -> Any:
    """An argument likewise."""
    return typer.Argument(metavar=metavar, help=text, rich_help_panel=panel, show_default=False, **more)


_what, _where, _how = partial(option, panel=WHAT), partial(option, panel=WHERE), partial(option, panel=HOW)
_output, _settings = partial(option, panel=OUTPUT), partial(option, panel=SETTINGS)

OPTIONS = {
    "event": _what(
        "-e, --event ID",
        "Event ID, a positive integer. [env: NINEPIC_EVENT_ID; setting: event-id]",
        autocompletion=completion.event_ids,
    ),
    "org": _what("--org ID", "Organisation ID, a positive integer. [env: NINEPIC_ORG_ID; setting: org-id]"),
    "from_file": _what(
        "--from-file FILE",
        "Read more identifiers from FILE, one per line; - is standard input. Blank lines and lines starting with # "
        "are ignored.",
    ),
    "column": _what(
        "--column NAME",
        "Read the identifiers from column NAME of a start list: a CSV file with a header (comma, semicolon or tab). "
        "The other columns are fields for --name: {row[COLUMN]}.",
    ),
    "encoding": _what("--encoding NAME", "Encoding of the file. [default: utf-8, or utf-16 with a byte-order mark]"),
    "since": _what(
        "--since TIME",
        "Only photos taken since TIME: 2025-09-14, 2025-09-14T07:30 (both UTC), 2025-09-14T09:30+02:00.",
    ),
    "until": _what("--until TIME", "Only photos taken before TIME (exclusive)."),
    "shard": _what(
        "--shard K/N", "Only shard K of N, 1/N to N/N, one for each of N machines. Depends on the photo's id alone."
    ),
    "folders": _where("--folders", "One directory per identifier in DIR: short for --name '{identifier}/{filename}'."),
    "spread": _where(
        "--spread",
        "Spread the photos over 256 directories (00 to ff) by id, because very large directories are slow.",
    ),
    "output": _where(
        "-o, --output DIR", "Target directory, created if missing. [default: .; env: NINEPIC_OUTPUT; setting: output]"
    ),
    "name": _where(
        "--name TEMPLATE",
        "Template for file names below DIR. Fields: {filename} {stem} {ext} {image_id} {identifier} {method} {event} "
        "{index}, with formats such as {index:04}; / creates directories. One of {filename} {stem} {image_id} is "
        "required. "
        "[default: {filename}]",
    ),
    "zip": _where(
        "--zip FILE",
        "Write one ZIP archive instead of a directory, replaced atomically when the run completes, its directory "
        "created if missing; - is standard output. With {identifier} in FILE ({event} and {method} too), one archive "
        "each. An interrupted run keeps no incomplete archive.",
    ),
    "existing": _where(
        "--existing skip|verify|overwrite",
        "What to do with existing files: skip without checking; verify against storage and replace if different; "
        "overwrite. verify with --dry-run only checks them, and downloads and writes nothing. [default: skip]",
        autocompletion=completion.existing_modes,
    ),
    "dry_run": _where("--dry-run", "Print the target path of each photo; download and write nothing."),
    "failed_to": _where(
        "--failed-to FILE",
        "Write the identifiers that failed or were not reached to FILE, one per line: input for --from-file, and may "
        "be the same file.",
    ),
    "report": _where(
        "--report FILE",
        "Write a CSV of all photos of the run to FILE: status, path, MD5, error; existing photos are read for their "
        "MD5.",
    ),
    "checksums": _where(
        "--checksums FILE",
        "Write the MD5s of the photos on disk to FILE, as `md5sum -c` reads them; lines of other photos are kept.",
    ),
    "jobs": _how("-j, --jobs N", "Parallel downloads, 1 to 64. [default: 8; env: NINEPIC_JOBS; setting: jobs]"),
    "limit_rate": _how(
        "--limit-rate RATE",
        "Bandwidth limit in bytes per second: 500K, 1.5M, 1MiB (powers of 1024), or bits: 10Mbit (powers of 1000). "
        "[default: none]",
    ),
    "retries": _how(
        "--retries N",
        "Retries per request; attempts that made good progress do not count, nor do 429 and 503, which --give-up-after "
        "limits. [default: 6]",
        min=0,
        max=1000,
    ),
    "timeout": _how(
        "--timeout TIME",
        "Stall timeout: an attempt fails after this long without data, or below 1 KB/s for a minute. Seconds, or "
        "30s, 1.5m, 2h. [default: 30s]",
        min=0.1,
        max=86400,
    ),
    "give_up_after": _how(
        "--give-up-after TIME",
        "Give up when a host has sent no usable response for this long, pauses included. [default: 10m]",
        min=0,
        max=31536000,
    ),
    "json": _output("--json", "Print one JSON object per line on standard output."),
    "quiet": _output("-q, --quiet", "Print nothing unless something failed."),
    "verbose": _output("-v, --verbose", "Print a line for each request, without secrets."),
    "stats": _output(
        "--stats TIME",
        "Interval of status lines (photos, bytes, rate, time left, failures) off a terminal; 0 disables them. If "
        "given, --json has lines of type progress too. SIGUSR1 prints a status line at once. [default: 1m]",
        min=0,
        max=31536000,
    ),
    "log_file": _output("--log-file FILE", "Append the lines of -v, status lines, the summary and errors to FILE."),
    "no_progress": _output("--no-progress", "Do not show progress bars, as if not on a terminal."),
    "profile": _settings(
        "--profile NAME",
        "Use this profile; overrides environment variables. [env: NINEPIC_PROFILE, which does not]",
        autocompletion=completion.profile_names,
    ),
    "config": _settings("--config FILE", "Settings file. [env: NINEPIC_CONFIG; default: see `ninepic config path`]"),
}


@dataclass(frozen=True, slots=True)
class ListOptions:
    """The options of commands that read identifiers from a file."""

    from_file: str | None = None
    column: str | None = None
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class PartOptions:
    """The options for very many photos."""

    shard: str | None = None
    spread: bool = False


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """The options of commands that only query the service."""

    org: str | None = None
    retries: int = 6
    timeout: float = 30.0
    give_up_after: float = 600.0
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    profile: str | None = None
    config: str | None = None


@dataclass(frozen=True, slots=True)
class PingOptions:
    """The options of `ping`."""

    event: str | None = None
    org: str | None = None
    timeout: float = 30.0
    json: Annotated[bool, _output("--json", "One JSON object on standard output, with all of -v.")] = False
    quiet: bool = False
    verbose: Annotated[
        bool,
        _output(
            "-v, --verbose",
            "Also show what support asks for first: versions, settings and their sources, proxy, addresses, TLS, "
            "clock, target folder; secrets left out.",
        ),
    ] = False
    profile: str | None = None
    config: str | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """The options that the download commands share, as they stand on the command line; None where absent."""

    event: str | None = None
    org: str | None = None
    output: str | None = None
    name: str | None = None
    zip: str | None = None
    existing: str | None = None
    dry_run: bool = False
    failed_to: Path | None = None
    report: Path | None = None
    checksums: Path | None = None
    jobs: str | None = None
    limit_rate: str | None = None
    retries: int = 6
    timeout: float = 30.0
    give_up_after: float = 600.0
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    stats: float | None = None
    log_file: Path | None = None
    no_progress: bool = False
    profile: str | None = None
    config: str | None = None


def command(app: typer.Typer, name: str | None = None, panel: str | None = None) -> Callable[[_Function], _Function]:
    """Make a function a command of an app, under its own name unless another is given.

    A parameter of it is an option of OPTIONS, by its name, unless it is annotated otherwise; a dataclass stands for
    its fields.
    """

    def register(function: _Function) -> _Function:
        app.command(name, cls=Command, rich_help_panel=panel)(_with_options(function))
        return function

    return register


def _with_options(function: _Function) -> _Function:
    """The function as the command-line library is to see it: with a parameter for each option and argument."""
    parameters: list[inspect.Parameter] = []
    groups: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if is_dataclass(parameter.annotation):
            groups[parameter.name] = parameter.annotation
            parameters += map(_annotate, inspect.signature(groups[parameter.name]).parameters.values())
        else:
            parameters.append(_annotate(parameter))

    def wrapper(**values: Any) -> int | None:
        for name, kind in groups.items():
            values[name] = kind(**{field.name: values.pop(field.name) for field in fields(kind)})
        return function(**values)

    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    wrapper.__name__, wrapper.__doc__ = function.__name__, function.__doc__
    return wrapper


def _annotate(parameter: inspect.Parameter) -> inspect.Parameter:
    annotation = parameter.annotation
    if annotation is not typer.Context and get_origin(annotation) is not Annotated:
        annotation = Annotated[annotation, OPTIONS[parameter.name]]
    return parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
