"""The help of every command: its page as text, for any width, with or without a terminal."""

import textwrap
from typing import Any

from typer.core import TyperCommand, TyperGroup

from ninepic_cli.cli.parameters import lighten
from ninepic_cli.cli.reference import DOWNLOAD, ENVIRONMENT, EXITS, Item, Page, Section, page

_NARROW = 70  # cells; below that, a text stands under its term, unless all terms are short
_TERM, _SHORT_TERM = 26, 16  # cells; a longer term has a line of its own
_GAP = 2
_INDENT = 6


class Command(TyperCommand):
    """A command whose help is its page, and whose values are converted without pydantic."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Options and arguments, `--help` among them."""
        return lighten(super().get_params(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        is_download = self.rich_help_panel == DOWNLOAD
        formatter.write(text(page(self, ctx.command_path), formatter.width, is_whole=is_download))


class Group(TyperGroup):
    """A command of commands, likewise."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Options and arguments, `--help` among them."""
        return lighten(super().get_params(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        formatter.write(text(page(self, ctx.command_path), formatter.width, is_whole=ctx.parent is None))


def text(shown: Page, width: int, *, is_whole: bool) -> str:
    """A page as text.

    Args:
        shown: the page.
        width: cells in a line.
        is_whole: whether variables and exit statuses are told too; else where they are.
    """
    blocks = [shown.purpose, f"Usage: {shown.name} {shown.arguments}", *shown.about]
    lines = [textwrap.fill(block, width, break_on_hyphens=False) for block in blocks]
    lines += [_section(each, width) for each in shown.sections]
    lines += [_examples(shown, width)] if shown.examples else []
    if is_whole:
        lines += [_section(ENVIRONMENT, width), _section(EXITS, width)]
    else:
        lines.append("Variables and exit statuses: ninepic --help")
    return "\n\n".join(lines) + "\n"


def _section(section: Section, width: int) -> str:
    """A section, with its terms and texts side by side where there is room."""
    terms = [_term(item, is_aligned=width >= _NARROW) for item in section.items]
    widest = max((len(term) for term in terms if len(term) <= _TERM), default=0)
    column = widest + _GAP if width >= _NARROW or widest <= _SHORT_TERM else 0
    lines = [f"{section.title}:"]
    for item, term in zip(section.items, terms, strict=True):
        lines += _item(term, item.text, width, column)
    return "\n".join(lines)


def _item(term: str, words: str, width: int, column: int) -> list[str]:
    lines = _wrapped(words, width, " " * (column or _INDENT))
    if len(term) + _GAP <= column and lines:
        return [f"{term.ljust(column)}{lines[0].strip()}", *lines[1:]]
    return [term, *lines]


def _term(item: Item, *, is_aligned: bool) -> str:
    term = ", ".join(item.terms)
    if is_aligned and term.startswith("--"):
        term = f"    {term}"  # below the long names of those that have a short one
    return f"  {term} {item.value}".rstrip()


def _wrapped(words: str, width: int, margin: str) -> list[str]:
    return textwrap.wrap(
        words, width, initial_indent=margin, subsequent_indent=margin, break_on_hyphens=False, break_long_words=False
    )


def _examples(shown: Page, width: int) -> str:
    lines = ["Examples:"]
    for example in shown.examples:
        lines += _wrapped(example.text, width, "  # ")
        lines += [f"  {line}" for line in example.lines]
    return "\n".join(lines)
