"""A command's page as a manual page, in mdoc(7).

`.Dd $Mdocdate$` leaves the date to whoever shows the page, so that the same commands give the same file on any day;
the version is in the footer.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from ninepic_cli import __version__
from ninepic_cli.cli.reference import ENVIRONMENT, EXITS, FILES, Example, Item, Page, wrap_shell
from ninepic_cli.cli.topics import TopicsError

_WIDTH = 76
_EXAMPLE_WIDTH = 60 - 11  # of a page of 60 columns, what the indents leave
_SENTENCE_END = re.compile(r"(?<=[.!?]) (?=[A-Z\[`]|--\w)")
_DASH_OF_OPTION = re.compile(r"(?<!\w)-{1,2}(?=\w)|(?<!\S)--(?!\w)")
_LIKE_A_MACRO = re.compile(r"\b(?=[A-Z][a-z]\b)")

# Of Markdown: what stands between blank lines, code that is plainly code without its marks, and what is escaped.
_BLOCK = re.compile(r"^```.*?^```|^\S.*?(?=\n\n|\s*\Z)", re.MULTILINE | re.DOTALL)
_OPTION_OR_VARIABLE = re.compile(r"`((?:-|NINEPIC_)[^`]*)`")
_ESCAPE = re.compile(r"\\([<*\\])")


def mdoc(page: Page, topics: str, *, others: Sequence[str]) -> str:
    """The manual page, with topics in Markdown, and references to those of the other pages that belong to it.

    Raises:
        TopicsError: the topics have a list that is not one of terms.
    """
    lines = [
        '.\\" Written by `python -m ninepic_cli.generate` from the commands themselves.',
        ".Dd $Mdocdate$",
        f".Dt {title(page.name).upper()} 1",
        f".Os ninepic {__version__}",
        ".Sh NAME",
        f".Nm {title(page.name)}",
        f".Nd {_escaped(page.purpose[:1].lower() + page.purpose[1:].rstrip('.'))}",  # a sentence that the name begins
        ".Sh SYNOPSIS",
        f".Nm {page.name}",
        *_arguments(page),
        ".Sh DESCRIPTION",
        *_lines(page.purpose),
        *(line for paragraph in page.about for line in [".Pp", *_lines(paragraph)]),
        *(line for section in page.sections for line in [_subheading(section.title), *_list(section.items)]),
        *_topics(topics),
        ".Sh ENVIRONMENT",
        *_list(ENVIRONMENT.items, "Ev"),
        ".Sh FILES",
        *_list(FILES.items, "Pa"),
        ".Sh EXIT STATUS",
        *_list(EXITS.items),
        *_examples(page.examples),
        *_see_also(page, others),
    ]
    return "\n".join(lines) + "\n"


def title(name: str) -> str:
    """What a command's page is called."""
    return name.replace(" ", "-")


def _arguments(page: Page) -> Iterator[str]:
    for word in page.arguments.split():
        name = word.strip("[].")
        many = " ..." if "..." in word else ""
        yield f".Op Ar {name}{many}" if word.startswith("[") else f".Ar {name}{many}"


def _topics(markdown: str) -> Iterator[str]:
    """Headings, paragraphs, lists of terms, and lines of code."""
    before = ""
    for block in _BLOCK.findall(markdown):
        if block.startswith("## "):
            yield f".Sh {block[3:].upper()}"
        elif block.startswith("### "):
            yield _subheading(block[4:])
        elif block.startswith("- "):
            yield from _list(map(_term_and_text, block[2:].split("\n- ")))
        elif block.startswith("```"):
            yield from _literal(block.splitlines()[1:-1])
        else:
            yield from ([] if before.startswith("#") else [".Pp"])
            yield from _lines(_words(block))
        before = block


def _term_and_text(markdown: str) -> Item:
    terms, mark, text = markdown.partition("`: ")
    if not mark:
        raise TopicsError(f"a list has an item that does not begin with a `term`: {markdown}")
    return Item(tuple(terms.removeprefix("`").split("`, `")), _words(text))


def _words(markdown: str) -> str:
    """Text on one line, with the marks of code only where words would be taken for text."""
    return _ESCAPE.sub(r"\1", _OPTION_OR_VARIABLE.sub(r"\1", " ".join(markdown.split())))


def _subheading(title: str) -> str:
    return ".Ss " + _LIKE_A_MACRO.sub(r"\\&", title)


def _list(items: Iterable[Item], macro: str = "Cm") -> Iterator[str]:
    """Items, with the macro for terms that are no options."""
    yield ".Bl -tag -width Ds"
    for item in items:
        names = " , ".join(_term(term, macro) for term in item.terms)
        yield f".It {names} Ar {item.value}" if item.value else f".It {names}"
        yield from _lines(item.text)
    yield ".El"


def _term(term: str, macro: str) -> str:
    if term.startswith("-"):
        return f"Fl {_escaped(term[1:])}"
    return term if term[:1].isdigit() else f"{macro} {term}"


def _examples(examples: Sequence[Example]) -> Iterator[str]:
    if not examples:
        return
    yield ".Sh EXAMPLES"
    for number, example in enumerate(examples):
        if example.text:
            yield from ([".Pp"] if number else [])
            yield from _lines(f"{example.text[:1].upper()}{example.text[1:]}:")
        yield from _literal([piece for line in example.lines for piece in wrap_shell(line, _EXAMPLE_WIDTH)])


def _literal(lines: Sequence[str]) -> Iterator[str]:
    yield ".Bd -literal -offset indent"
    yield from (_at_start(line.replace("\\", "\\e").replace("-", "\\-")) for line in lines)
    yield ".Ed"


def _see_also(page: Page, others: Sequence[str]) -> Iterator[str]:
    names = sorted(title(name) for name in others if _are_related(name, page.name))
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
