"""What there is to say about each command: one source for its help, its man page and the README's test.

Everything comes from the command tree and the docstrings of the commands. Such a docstring is a line of purpose,
paragraphs, and under "Examples:" lines of shell, each below a comment that says what it is good for.
"""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ninepic_cli.errors import ExitStatus

WHAT, WHERE, HOW, OUTPUT, SETTINGS = "Selection", "Destination", "Transfer", "Output", "Settings"
COMMANDS, OTHER = "Commands", "Options"
DOWNLOAD, ACCOUNT, TRY = "Download", "Account and settings", "Additional commands"
_SHELL_WORD = re.compile(r"""(?:--?[a-z][a-z-]* (?=[^-\s|<>]))?(?:'[^']*'|"[^"]*"|\\.|[^\s'"\\])+""")
_ORDER = (DOWNLOAD, ACCOUNT, TRY, COMMANDS, WHAT, WHERE, HOW, OTHER, OUTPUT, SETTINGS)


@dataclass(frozen=True, slots=True)
class Item:
    """An option, an argument, a command, a variable or an exit status, and what is to say about it.

    Attributes:
        terms: its names.
        value: what stands for its value, or "".
    """

    terms: tuple[str, ...]
    text: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Items under a title."""

    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """A line or more of shell, and what they are good for."""

    text: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """All there is to say about a command.

    Attributes:
        name: as typed: `ninepic config set`.
        arguments: what follows the name in a call.
        about: further paragraphs.
    """

    name: str
    purpose: str
    arguments: str
    about: tuple[str, ...]
    sections: tuple[Section, ...]
    examples: tuple[Example, ...]


ENVIRONMENT = Section(
    "Environment",
    (
        Item(("NINEPIC_API_KEY",), "API key. Not an option, because other users can see the command line."),
        Item(("NINEPIC_ORG_ID",), "Organisation, as --org."),
        Item(("NINEPIC_EVENT_ID",), "Event, as --event."),
        Item(("NINEPIC_OUTPUT",), "Target directory, as --output."),
        Item(("NINEPIC_JOBS",), "Parallel downloads, as --jobs."),
        Item(("NINEPIC_CONFIG",), "Settings file, as --config."),
        Item(("NINEPIC_PROFILE",), "Profile of the settings file, as --profile, but overridden by other variables."),
        Item(("NINEPIC_BASE_URL",), "Base URL of the service. [default: https://api.9pic.ai]"),
        Item(("NINEPIC_DEBUG",), "1 prints tracebacks."),
        Item(("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"), "Proxies, and hosts to connect to directly."),
        Item(("SSL_CERT_FILE", "SSL_CERT_DIR"), "CA certificates to trust instead of the default ones."),
        Item(("NO_COLOR", "TERM"), "NO_COLOR turns colours off, TERM=dumb progress bars."),
    ),
)

EXITS = Section(
    "Exit status",
    tuple(
        Item((str(status),), text)
        for status, text in (
            (ExitStatus.OK, "Everything that was requested is on disk."),
            (ExitStatus.BUG, "Internal error: report it."),
            (ExitStatus.USAGE, "Invalid usage or settings, or an event that does not exist: correct the command."),
            (ExitStatus.NOT_ALLOWED, "API key missing, rejected, or not valid for this organisation or event."),
            (ExitStatus.MISSING, "Nothing failed, but the service does not have something that was requested."),
            (ExitStatus.INCOMPLETE, "Something could not be downloaded, the rest is on disk: run again."),
            (ExitStatus.GIVEN_UP, "The service or the network kept failing: run again later."),
            (ExitStatus.MACHINE, "Local error: disk full, directory not writable, I/O error."),
            ("129, 130, 143", "Ended by SIGHUP, SIGINT or SIGTERM; the next run resumes."),
        )
    ),
)

FILES = Section(
    "Files",
    (
        Item(("config.toml",), "The settings file; `ninepic config path` prints its path."),
        Item(("DIR/.ninepic/",), "Partial downloads, in the target directory; removed when there are none."),
    ),
)


def pages(command: Any, name: str = "ninepic") -> Iterator[Page]:
    """The page of a command of the command-line library, and those of all commands below it."""
    yield page(command, name)
    for word, below in _shown_commands(command).items():
        yield from pages(below, f"{name} {word}")


def page(command: Any, name: str) -> Page:
    """The page of one command."""
    purpose, about, examples = _parsed(command.help or "")
    below = _shown_commands(command)
    arguments = [_argument(each) for each in command.params if each.param_type_name == "argument"]
    options = ["[OPTIONS]"] if any(each.param_type_name == "option" for each in command.params) else []
    words = ["COMMAND", *options] if below else [*options, *arguments]
    return Page(name, purpose, " ".join(words), about, tuple(_sections(command, below)), examples)


def _shown_commands(command: Any) -> dict[str, Any]:
    return {word: below for word, below in getattr(command, "commands", {}).items() if not below.hidden}


def _sections(command: Any, below: dict[str, Any]) -> Iterator[Section]:
    """Options, arguments and commands, by the panel that each was given."""
    found: dict[str, list[Item]] = {}
    for word, each in below.items():
        found.setdefault(_panel(each, COMMANDS), []).append(Item((word,), _parsed(each.help or "")[0]))
    for each in command.params:
        if not getattr(each, "hidden", False):
            found.setdefault(_panel(each, OTHER), []).append(_item(each))
    help_item = Item(("-h", "--help"), "Show this help.")
    found.setdefault(OUTPUT if OUTPUT in found else OTHER, []).append(help_item)
    for title in sorted(found, key=_ORDER.index):
        yield Section(title, tuple(found[title]))


def _panel(thing: Any, usual: str) -> str:
    panel = getattr(thing, "rich_help_panel", None)
    return panel if panel in _ORDER else usual


def _item(parameter: Any) -> Item:
    if parameter.param_type_name == "argument":
        return Item((_metavar(parameter),), parameter.help or "")
    value = "" if parameter.is_flag else _metavar(parameter)
    return Item(tuple(sorted(parameter.opts, key=len)), parameter.help or "", value)


def _argument(parameter: Any) -> str:
    name = _metavar(parameter) + ("..." if parameter.nargs == -1 else "")
    return name if parameter.required else f"[{name}]"


def _metavar(parameter: Any) -> str:
    return parameter.metavar or str(parameter.name).upper()


def _parsed(text: str) -> tuple[str, tuple[str, ...], tuple[Example, ...]]:
    """The parts of a docstring: the line of purpose, the paragraphs, the examples."""
    words, _, shell = inspect.cleandoc(text).partition("\nExamples:\n")
    purpose, *about = [" ".join(block.split()) for block in words.split("\n\n") if block.strip()] or [""]
    return purpose, tuple(about), tuple(_examples(inspect.cleandoc(f"\n{shell}") if shell else ""))


def wrap_shell(line: str, width: int) -> list[str]:
    r"""A line of shell in lines of so many characters that mean the same, ended by `\`; no word is broken."""
    pieces: list[str] = []
    for word in _SHELL_WORD.findall(line):
        if pieces and len(pieces[-1]) + len(word) + 3 <= width:  # with a space before, and ` \` behind
            pieces[-1] += f" {word}"
        else:
            pieces.append(f"  {word}" if pieces else word)
    if len(pieces) > 1 and len(pieces[-2]) + len(pieces[-1].strip()) < width:  # the last has nothing behind
        pieces[-2:] = [f"{pieces[-2]} {pieces[-1].strip()}"]
    return [*(f"{piece} \\" for piece in pieces[:-1]), *pieces[-1:]]


def _examples(shell: str) -> Iterator[Example]:
    comment, lines = "", list[str]()
    for line in [*shell.splitlines(), "#"]:
        if not line.startswith("#"):
            lines += [line] if line.strip() else []
            continue
        if lines:
            yield Example(comment, tuple(lines))
        comment, lines = line.removeprefix("#").strip(), []
