"""All commands' pages and topics as one document, in Markdown."""

import re
from collections.abc import Iterator, Mapping, Sequence

from ninepic_cli.cli.reference import ENVIRONMENT, EXITS, FILES, Example, Item, Page, Section

_HEADING = re.compile(r"^##+ ", re.MULTILINE)
_MARKUP = re.compile(r"([<*\\])")
_CODE = re.compile(r"(`[^`]+`)")
_NAME = re.compile(r"(?<![\w-])(--[a-z][a-z-]*|NINEPIC_[A-Z_]+)")  # an option or a variable


def reference(pages: Sequence[Page], topics: Mapping[str, str]) -> str:
    """The document: every command's page and its topics, found by the page's name; then what is common to all."""
    lines = [
        "<!-- Written by `python -m ninepic_cli.generate` from the commands themselves and docs/topics/. -->",
        "",
        "# Reference",
        "",
        "The man pages say the same: `man ninepic`, `man ninepic-bib` and so on.",
        "",
        *(line for page in pages for line in _contents(page, topics[page.name])),
        *map(_entry, _COMMON),
    ]
    shown: dict[Section, str] = {}
    for page in pages:
        lines += ["", *_page(page, shown)]
        if topics[page.name]:
            lines += ["", _HEADING.sub(r"#\g<0>", topics[page.name].strip())]
    for title, section in _COMMON.items():
        lines += ["", f"## {title}", "", *map(list_item, section.items)]
    return "\n".join(lines) + "\n"


_COMMON = {section.title: section for section in (ENVIRONMENT, FILES, EXITS)}


def _entry(heading: str) -> str:
    return f"- [{heading}](#{heading.lower().replace(' ', '-')})"


def _contents(page: Page, topics: str) -> Iterator[str]:
    yield _entry(page.name)
    yield from (f"  {_entry(title)}" for title in re.findall(r"^## (.+)$", topics, re.MULTILINE))


def _page(page: Page, shown: dict[Section, str]) -> Iterator[str]:
    """A command; sections that it shares with an earlier one are only named."""
    yield from (f"## {page.name}", "", _text(page.purpose), "", "```text", f"{page.name} {page.arguments}", "```")
    for paragraph in page.about:
        yield from ("", _text(paragraph))
    for section in page.sections:
        yield from ("", f"### {section.title}", "")
        first = shown.setdefault(section, page.name)
        if first == page.name:
            yield from map(list_item, section.items)
        else:
            yield f"The same as for [{first}](#{first.replace(' ', '-')})."
    yield from _examples(page.examples)


def _examples(examples: Sequence[Example]) -> Iterator[str]:
    if not examples:
        return
    lines = [line for each in examples for line in ([f"# {each.text}"] if each.text else []) + list(each.lines)]
    yield from ("", "### Examples", "", "```sh", *lines, "```")


def list_item(item: Item) -> str:
    """A term and its text as an item of a list."""
    terms, value = "`, `".join(item.terms), f" {item.value}" if item.value else ""
    return f"- `{terms}{value}`: {_text(item.text)}"


def _text(text: str) -> str:
    """Text that is not taken for markup, but for what is code already; options and variables are code."""
    text = "".join(part if part.startswith("`") else _NAME.sub(r"`\1`", part) for part in _CODE.split(text))
    return "".join(part if part.startswith("`") else _MARKUP.sub(r"\\\1", part) for part in _CODE.split(text))
