"""A command's page as a manual page, in mdoc(7).

`.Dd $Mdocdate$` leaves the date to whoever shows the page, so that the same commands give the same file on any day.
"""

import re
import textwrap
from collections.abc import Callable, Iterator, Sequence

from ninepic_cli.cli.reference import ENVIRONMENT, EXITS, FILES, Example, Item, Page, Section
from ninepic_cli.cli.topics import Topic, topics

_ItemLine = Callable[[Item], str]
_WIDTH = 76
_SENTENCE_END = re.compile(r"(?<=[.!?]) (?=[A-Z\[`]|--\w)")
_DASH_OF_OPTION = re.compile(r"(?<!\w)-{1,2}(?=\w)|(?<!\S)--(?!\w)")
_LIKE_A_MACRO = re.compile(r"\b(?=[A-Z][a-z]\b)")


def mdoc(page: Page, *, others: Sequence[str]) -> str:
    """The manual page.

    Args:
        page: of the command.
        others: the names of all commands' pages, for those that belong to it.
    """
    lines = [
        '.\\" Written by `python -m ninepic_cli.generate` from the commands themselves.',
        ".Dd $Mdocdate$",
        f".Dt {title(page.name).upper()} 1",
        ".Os",
        ".Sh NAME",
        f".Nm {title(page.name)}",
        f".Nd {_purpose(page)}",
        ".Sh SYNOPSIS",
        f".Nm {page.name}",
        *_arguments(page),
        ".Sh DESCRIPTION",
        *_lines(page.purpose),
        *(line for paragraph in page.about for line in [".Pp", *_lines(paragraph)]),
        *(line for section in page.sections for line in _section("Ss", section, _option_item)),
        *(line for topic in topics(page.name) for line in _topic(topic)),
        *_section("Sh", ENVIRONMENT, _variable_item),
        *_section("Sh", FILES, _file_item),
        *_section("Sh", EXITS, _plain_item),
        *_examples(page.examples),
        *_see_also(page, others),
    ]
    return "\n".join(lines) + "\n"


def title(name: str) -> str:
    """What a command's page is called."""
    return name.replace(" ", "-")


def _purpose(page: Page) -> str:
    """The purpose as the end of a sentence that begins with the name."""
    return _escaped(page.purpose[:1].lower() + page.purpose[1:].rstrip("."))


def _arguments(page: Page) -> Iterator[str]:
    for word in page.arguments.split():
        name = word.strip("[].")
        many = " ..." if "..." in word else ""
        yield f".Op Ar {name}{many}" if word.startswith("[") else f".Ar {name}{many}"


def _topic(topic: Topic) -> Iterator[str]:
    yield f".Sh {topic.title.upper()}"
    for number, part in enumerate(topic.parts):
        match part:
            case Section():
                yield from _section("Ss", part, _plain_item)
            case Example(lines=lines):
                yield from _literal(lines)
            case str():
                yield from ([".Pp"] if number else [])
                yield from _lines(part)


def _section(macro: str, section: Section, item: "_ItemLine") -> Iterator[str]:
    heading = section.title.upper() if macro == "Sh" else _LIKE_A_MACRO.sub(r"\\&", section.title)
    if heading:
        yield f".{macro} {heading}"
    yield ".Bl -tag -width Ds"
    for each in section.items:
        yield f".It {item(each)}"
        yield from _lines(each.text)
    yield ".El"


def _option_item(item: Item) -> str:
    if not item.terms[0].startswith("-"):
        return _plain_item(item)
    names = " , ".join(f"Fl {_escaped(term.removeprefix('-'))}" for term in item.terms)
    return f"{names} Ar {item.value}" if item.value else names


def _variable_item(item: Item) -> str:
    return " , ".join(f"Ev {term}" for term in item.terms)


def _file_item(item: Item) -> str:
    return " , ".join(f"Pa {term}" for term in item.terms)


def _plain_item(item: Item) -> str:
    return " , ".join(term if term[:1].isdigit() else f"Cm {term}" for term in item.terms)


def _examples(examples: Sequence[Example]) -> Iterator[str]:
    if not examples:
        return
    yield ".Sh EXAMPLES"
    for number, example in enumerate(examples):
        if example.text:
            yield from ([".Pp"] if number else [])
            words = example.text[:1].upper() + example.text[1:]
            yield from _lines(f"{words}:")
        yield from _literal(example.lines)


def _literal(lines: Sequence[str]) -> Iterator[str]:
    yield ".Bd -literal -offset indent"
    yield from (_at_start(line.replace("\\", "\\e").replace("-", "\\-")) for line in lines)
    yield ".Ed"


def _see_also(page: Page, others: Sequence[str]) -> Iterator[str]:
    above = page.name.rpartition(" ")[0]
    names = sorted({title(name) for name in (above, *others) if name and _are_related(name, page.name)})
    if not names:
        return
    yield ".Sh SEE ALSO"
    yield from (f".Xr {name} 1 ," for name in names[:-1])
    yield f".Xr {names[-1]} 1"
    if any("--json" in item.terms for section in page.sections for item in section.items):
        yield from (".Pp", ".Xr ninepic 1", "describes lists of identifiers, file names, JSON lines and error codes,")
        yield from (".Xr ninepic-config 1", "settings and profiles.")


def _are_related(one: str, other: str) -> bool:
    """Whether one of two commands stands right below the other."""
    return one.rpartition(" ")[0] == other or other.rpartition(" ")[0] == one


def _lines(text: str) -> list[str]:
    """Text with each sentence on lines of its own, as mdoc has it."""
    sentences = _SENTENCE_END.split(_escaped(text))
    return [_at_start(line) for each in sentences for line in textwrap.wrap(each, _WIDTH, break_on_hyphens=False)]


def _escaped(text: str) -> str:
    text = text.replace("\\", "\\e")
    return _DASH_OF_OPTION.sub(lambda match: "\\-" * len(match[0]), text)


def _at_start(line: str) -> str:
    """A line that is not taken for a macro."""
    return f"\\&{line}" if line[:1] in {".", "'"} else line
