"""The options that commands share, with their help texts; typed once, for every command that takes them."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from ninepic_cli.cli import completion
from ninepic_cli.cli.reference import HOW, OUTPUT, SETTINGS, WHAT, WHERE

# Defaults stand in the help texts, where they can be said in words.
option = partial(typer.Option, show_default=False)

_EVENT = option(
    "-e",
    "--event",
    metavar="ID",
    rich_help_panel=WHAT,
    help="Event, a whole number. [env: NINEPIC_EVENT_ID; setting: event-id]",
    autocompletion=completion.event_ids,
)
_ORG = option(
    "--org",
    metavar="ID",
    rich_help_panel=WHAT,
    help="Organisation, a whole number. [env: NINEPIC_ORG_ID; setting: org-id]",
)
_TIMEOUT = option(
    "--timeout",
    metavar="SECONDS",
    min=0.1,
    max=86400,
    rich_help_panel=HOW,
    help="No byte for this long, or less than 1 KB/s over a minute, is a failed try. [default: 30]",
)
_CONFIG = option(
    "--config",
    metavar="FILE",
    rich_help_panel=SETTINGS,
    help="Settings file. [env: NINEPIC_CONFIG; default: what `ninepic config path` says]",
)
_PROFILE = option(
    "--profile",
    metavar="NAME",
    rich_help_panel=SETTINGS,
    autocompletion=completion.profile_names,
    help="Settings of that profile, which then count before variables. [env: NINEPIC_PROFILE, counting after them]",
)
NO_PROGRESS = option(
    "--no-progress",
    rich_help_panel=OUTPUT,
    help="No bars: for screen readers, and what happens off a terminal anyway.",
)

_RETRIES = option(
    "--retries",
    metavar="N",
    min=0,
    max=1000,
    rich_help_panel=HOW,
    help="Further tries of a request; a try that got well ahead does not count. [default: 6]",
)
_GIVE_UP_AFTER = option(
    "--give-up-after",
    metavar="SECONDS",
    min=0,
    max=31536000,
    rich_help_panel=HOW,
    help="A host that has answered nothing usable for this long, pauses included, ends the run. [default: 600]",
)
_JSON = option("--json", rich_help_panel=OUTPUT, help="One JSON object a line on standard output.")
_QUIET = option("-q", "--quiet", rich_help_panel=OUTPUT, help="Nothing unless something failed.")
_VERBOSE = option(
    "-v", "--verbose", rich_help_panel=OUTPUT, help="A line for each request's outcome, secrets left out."
)

Event = Annotated[str | None, _EVENT]
Org = Annotated[str | None, _ORG]
Timeout = Annotated[float, _TIMEOUT]
Retries = Annotated[int, _RETRIES]
GiveUpAfter = Annotated[float, _GIVE_UP_AFTER]
Json = Annotated[bool, _JSON]
Quiet = Annotated[bool, _QUIET]
Verbose = Annotated[bool, _VERBOSE]
Config = Annotated[str | None, _CONFIG]
Profile = Annotated[str | None, _PROFILE]
Folders = Annotated[
    bool,
    option(
        "--folders",
        rich_help_panel=WHERE,
        help="A folder for each of them below DIR: short for --name '{identifier}/{filename}'.",
    ),
]
Since = Annotated[
    str | None,
    option(
        "--since",
        metavar="TIME",
        rich_help_panel=WHAT,
        help="Only photos taken from then on: 2025-09-14, 2025-09-14T07:30 (both UTC), 2025-09-14T09:30+02:00.",
    ),
]
Until = Annotated[
    str | None,
    option("--until", metavar="TIME", rich_help_panel=WHAT, help="Only photos taken before then."),
]


@dataclass(frozen=True, slots=True)
class ListOptions:
    """The options of commands that read identifiers from a file."""

    from_file: Annotated[
        str | None,
        option(
            "--from-file",
            metavar="FILE",
            rich_help_panel=WHAT,
            help="More of them, one a line; - is standard input. Empty lines and those that start with # do not count.",
        ),
    ] = None
    column: Annotated[
        str | None,
        option(
            "--column",
            metavar="NAME",
            rich_help_panel=WHAT,
            help="The file is a start list, a CSV with a header (comma, semicolon or tab); its column NAME has them, "
            "and the others are fields for --name: {row[COLUMN]}.",
        ),
    ] = None
    encoding: Annotated[
        str | None,
        option(
            "--encoding",
            metavar="NAME",
            rich_help_panel=WHAT,
            help="Encoding of the file. [default: utf-8, or utf-16 where the file says so]",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class PartOptions:
    """The options for very many photos."""

    shard: Annotated[
        str | None,
        option(
            "--shard",
            metavar="K/N",
            rich_help_panel=WHAT,
            help="Only the K-th of N parts, 1/N to N/N, for N machines. A photo's part depends on its id alone.",
        ),
    ] = None
    spread: Annotated[
        bool,
        option(
            "--spread",
            rich_help_panel=WHERE,
            help="Spread the photos over 256 folders (00 to ff) by their ids: very many in one are slow to look "
            "through.",
        ),
    ] = False


@dataclass(frozen=True, slots=True)
class Options:
    """The options that the four download commands share, as they stand on the command line; None where absent."""

    event: Event = None
    org: Org = None
    output: Annotated[
        str | None,
        option(
            "-o",
            "--output",
            metavar="DIR",
            rich_help_panel=WHERE,
            help="Target folder, made if missing. [default: .; env: NINEPIC_OUTPUT; setting: output]",
        ),
    ] = None
    name: Annotated[
        str | None,
        option(
            "--name",
            metavar="TEMPLATE",
            rich_help_panel=WHERE,
            help="File name under DIR, of {filename} {stem} {ext} {image_id} {identifier} {method} {event} {index}, "
            "with formats like {index:04}; a / makes folders. One of {filename} {stem} {image_id} must be in it. "
            "[default: {filename}]",
        ),
    ] = None
    zip: Annotated[
        str | None,
        option(
            "--zip",
            metavar="FILE",
            rich_help_panel=WHERE,
            help="One ZIP in place of a folder, put there when the run ends without a signal; - is standard output. "
            "{identifier} in it ({event} and {method} too) makes one for each. A run that is cut short keeps nothing "
            "of one that is not finished.",
        ),
    ] = None
    existing: Annotated[
        str | None,
        option(
            "--existing",
            metavar="skip|verify|overwrite",
            rich_help_panel=WHERE,
            help="A photo that is there already: leave it unasked; ask the store whether it is still the same, and "
            "replace it if not; fetch it again. [default: skip]",
            autocompletion=completion.existing_modes,
        ),
    ] = None
    dry_run: Annotated[
        bool,
        option(
            "--dry-run", rich_help_panel=WHERE, help="Print where each photo would go; fetch nothing, write nothing."
        ),
    ] = False
    failed_to: Annotated[
        Path | None,
        option(
            "--failed-to",
            metavar="FILE",
            rich_help_panel=WHERE,
            help="Write there what has to be asked for again, one a line: a list for --from-file, and may be the one "
            "that was read.",
        ),
    ] = None
    jobs: Annotated[
        str | None,
        option(
            "-j",
            "--jobs",
            metavar="N",
            rich_help_panel=HOW,
            help="Photos in flight at once, 1 to 64. [default: 8; env: NINEPIC_JOBS; setting: jobs]",
        ),
    ] = None
    limit_rate: Annotated[
        str | None,
        option(
            "--limit-rate",
            metavar="RATE",
            rich_help_panel=HOW,
            help="Bytes a second over all photos: 500K, 1.5M (K is 1024). [default: none]",
        ),
    ] = None
    retries: Retries = 6
    timeout: Timeout = 30.0
    give_up_after: GiveUpAfter = 600.0
    json: Json = False
    quiet: Quiet = False
    verbose: Verbose = False
    no_progress: Annotated[bool, NO_PROGRESS] = False
    profile: Profile = None
    config: Config = None


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """The options of commands that only query the service."""

    org: Org = None
    retries: Retries = 6
    timeout: Timeout = 30.0
    give_up_after: GiveUpAfter = 600.0
    json: Json = False
    quiet: Quiet = False
    verbose: Verbose = False
    profile: Profile = None
    config: Config = None


def with_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command shared options: a parameter that is a dataclass becomes one for each of its fields."""
    hints = get_type_hints(command, include_extras=True)
    parameters: list[inspect.Parameter] = []
    groups: dict[str, type[Any]] = {}
    for parameter in inspect.signature(command).parameters.values():
        if is_dataclass(hints[parameter.name]):
            groups[parameter.name] = hints[parameter.name]
            parameters += _parameters_of(hints[parameter.name])
        else:
            parameters.append(parameter)

    def wrapper(**values: Any) -> int:
        for name, kind in groups.items():
            values[name] = kind(**{field.name: values.pop(field.name) for field in fields(kind)})
        return command(**values)

    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    wrapper.__name__, wrapper.__doc__ = command.__name__, command.__doc__
    return wrapper


def _parameters_of(options_class: type[Any]) -> list[inspect.Parameter]:
    hints, keyword = get_type_hints(options_class, include_extras=True), inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(field.name, keyword, default=field.default, annotation=hints[field.name])
        for field in fields(options_class)
    ]
