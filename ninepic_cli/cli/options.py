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
        "Event, a whole number. [env: NINEPIC_EVENT_ID; setting: event-id]",
        autocompletion=completion.event_ids,
    ),
    "org": _what("--org ID", "Organisation, a whole number. [env: NINEPIC_ORG_ID; setting: org-id]"),
    "from_file": _what(
        "--from-file FILE",
        "More of them, one a line; - is standard input. Empty lines and those that start with # do not count.",
    ),
    "column": _what(
        "--column NAME",
        "The file is a start list, a CSV with a header (comma, semicolon or tab); its column NAME has them, and the "
        "others are fields for --name: {row[COLUMN]}.",
    ),
    "encoding": _what("--encoding NAME", "Encoding of the file. [default: utf-8, or utf-16 where the file says so]"),
    "since": _what(
        "--since TIME",
        "Only photos taken from then on: 2025-09-14, 2025-09-14T07:30 (both UTC), 2025-09-14T09:30+02:00.",
    ),
    "until": _what("--until TIME", "Only photos taken before then."),
    "shard": _what(
        "--shard K/N", "Only the K-th of N parts, 1/N to N/N, for N machines. A photo's part depends on its id alone."
    ),
    "folders": _where("--folders", "A folder for each of them below DIR: short for --name '{identifier}/{filename}'."),
    "spread": _where(
        "--spread",
        "Spread the photos over 256 folders (00 to ff) by their ids: very many in one are slow to look through.",
    ),
    "output": _where(
        "-o, --output DIR", "Target folder, made if missing. [default: .; env: NINEPIC_OUTPUT; setting: output]"
    ),
    "name": _where(
        "--name TEMPLATE",
        "File name under DIR, of {filename} {stem} {ext} {image_id} {identifier} {method} {event} {index}, with "
        "formats like {index:04}; a / makes folders. One of {filename} {stem} {image_id} must be in it. "
        "[default: {filename}]",
    ),
    "zip": _where(
        "--zip FILE",
        "One ZIP in place of a folder, put there when the run ends without a signal, its folder made if missing; - is "
        "standard output. "
        "{identifier} in it ({event} and {method} too) makes one for each. A run that is cut short keeps nothing of "
        "one that is not finished.",
    ),
    "existing": _where(
        "--existing skip|verify|overwrite",
        "A photo that is there already: leave it unasked; ask the store whether it is still the same, and replace it "
        "if not; fetch it again. verify with --dry-run checks what is there, and fetches and writes nothing. "
        "[default: skip]",
        autocompletion=completion.existing_modes,
    ),
    "dry_run": _where("--dry-run", "Print where each photo would go; fetch nothing, write nothing."),
    "failed_to": _where(
        "--failed-to FILE",
        "Write there what has to be asked for again, one a line: a list for --from-file, and may be the one that was "
        "read.",
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
    "jobs": _how("-j, --jobs N", "Photos in flight at once, 1 to 64. [default: 8; env: NINEPIC_JOBS; setting: jobs]"),
    "limit_rate": _how(
        "--limit-rate RATE",
        "Bytes a second over all photos: 500K, 1.5M, 1MiB (by 1024s), or bits: 10Mbit (by 1000s). [default: none]",
    ),
    "retries": _how(
        "--retries N",
        "Further tries of a request; a try that got well ahead does not count. [default: 6]",
        min=0,
        max=1000,
    ),
    "timeout": _how(
        "--timeout TIME",
        "No byte for this long, or less than 1 KB/s over a minute, is a failed try: seconds, or 30s, 1.5m, 2h. "
        "[default: 30s]",
        min=0.1,
        max=86400,
    ),
    "give_up_after": _how(
        "--give-up-after TIME",
        "A host that has answered nothing usable for this long, pauses included, ends the run. [default: 10m]",
        min=0,
        max=31536000,
    ),
    "json": _output("--json", "One JSON object a line on standard output."),
    "quiet": _output("-q, --quiet", "Nothing unless something failed."),
    "verbose": _output("-v, --verbose", "A line for each request's outcome, secrets left out."),
    "no_progress": _output("--no-progress", "No bars: for screen readers, and what happens off a terminal anyway."),
    "profile": _settings(
        "--profile NAME",
        "Settings of that profile, which then count before variables. [env: NINEPIC_PROFILE, counting after them]",
        autocompletion=completion.profile_names,
    ),
    "config": _settings(
        "--config FILE", "Settings file. [env: NINEPIC_CONFIG; default: what `ninepic config path` says]"
    ),
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
