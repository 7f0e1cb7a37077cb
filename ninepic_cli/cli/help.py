"""The help of every command: its page as text, for any width, with or without a terminal."""

import textwrap
from typing import Any

from typer.core import TyperCommand, TyperGroup

from ninepic_cli.cli.parameters import convert_without_pydantic
from ninepic_cli.cli.reference import DOWNLOAD, ENVIRONMENT, EXITS, Item, Page, Section, page, wrap_shell

_NARROW = 70  # cells; below that, a text stands under its term, unless all terms are short
_TERM, _SHORT_TERM = 26, 16  # cells; a longer term has a line of its own
_GAP = 2
_INDENT = 6


class _HelpMixin:
    """What commands and groups have in common: their help is a page, and values are converted without pydantic."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Options and arguments, `--help` among them."""
        return convert_without_pydantic(super().get_params(ctx))  # type: ignore[misc]

    def format_help(self: Any, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        is_complete = ctx.parent is None or self.rich_help_panel == DOWNLOAD
        formatter.write(help_text(page(self, ctx.command_path), formatter.width, is_complete=is_complete))


class Command(_HelpMixin, TyperCommand):
    """A command."""


class Group(_HelpMixin, TyperGroup):
    """A command of commands."""


def help_text(document: Page, width: int, *, is_complete: bool) -> str:
    """A page in lines of so many cells; if complete with variables and exit statuses, else with where they are."""
    blocks = [document.purpose, f"Usage: {document.name} {document.arguments}", *document.about]
    lines = [textwrap.fill(block, width, break_on_hyphens=False) for block in blocks]
    lines += [_section_text(each, width) for each in document.sections]
    lines += [_examples_text(document, width)] if document.examples else []
    if is_complete:
        lines += [_section_text(ENVIRONMENT, width), _section_text(EXITS, width)]
    else:
        lines.append("Variables and exit statuses: ninepic --help")
    return "\n\n".join(lines) + "\n"


def _section_text(section: Section, width: int) -> str:
    """A section, with its terms and texts side by side where there is room."""
    terms = [_term_text(item, is_aligned=width >= _NARROW) for item in section.items]
    widest = max((len(term) for term in terms if len(term) <= _TERM), default=0)
    column = widest + _GAP if width >= _NARROW or widest <= _SHORT_TERM else 0
    lines = [f"{section.title}:"]
    for item, term in zip(section.items, terms, strict=True):
        lines += _item_lines(term, item.text, width, column)
    return "\n".join(lines)


def _item_lines(term: str, content: str, width: int, column: int) -> list[str]:
    lines = _wrap(content, width, " " * (column or _INDENT))
    if len(term) + _GAP <= column and lines:
        return [f"{term.ljust(column)}{lines[0].strip()}", *lines[1:]]
    return [term, *lines]


def _term_text(item: Item, *, is_aligned: bool) -> str:
    term = ", ".join(item.terms)
    if is_aligned and term.startswith("--"):
        term = f"    {term}"  # below the long names of those that have a short one
    return f"  {term} {item.value}".rstrip()


def _wrap(content: str, width: int, margin: str) -> list[str]:
    return textwrap.wrap(
        content, width, initial_indent=margin, subsequent_indent=margin, break_on_hyphens=False, break_long_words=False
    )


def _examples_text(document: Page, width: int) -> str:
    lines = ["Examples:"]
    for example in document.examples:
        lines += _wrap(example.text, width, "  # ")
        lines += [f"  {piece}" for line in example.lines for piece in wrap_shell(line, width - 2)]
    return "\n".join(lines)
