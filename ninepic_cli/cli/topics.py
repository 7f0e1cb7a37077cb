"""What man pages and docs/reference.md say beyond the help of the commands, in Markdown.

People write it in docs/topics/, a file for each page that has more to say. A line `<!-- NAME -->` there stands for a
list that the code defines: the fields of JSON lines and of fault plans, error codes, settings.
"""

import inspect
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from ninepic_cli import errors
from ninepic_cli.cli.markdown import list_item
from ninepic_cli.cli.reference import ENVIRONMENT, Item
from ninepic_cli.config.schema import SETTINGS, Setting
from ninepic_cli.report.json_lines import (
    EventRecord,
    IdentifierRecord,
    PhotoRecord,
    PingRecord,
    ProgressRecord,
    SummaryRecord,
)
from ninepic_cli.sandbox.fault_plan import CONDITIONS, FIELDS

_PLACEHOLDER = re.compile(r"^<!-- (.+) -->$", re.MULTILINE)


class TopicsError(Exception):
    """What is written in docs/topics/ and what the code defines do not fit together."""


def read_topics(folder: Path) -> dict[str, str]:
    """The topics of pages, by the names of their files, with every list filled in.

    Raises:
        TopicsError: a placeholder has no list, or a list has no placeholder.
    """
    sources = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.md"))}
    lists = {
        name: "\n".join(list_item(Item((term,), text)) for term, text in terms.items())
        for name, terms in _lists().items()
    }
    used = {name for source in sources.values() for name in _PLACEHOLDER.findall(source)}
    if unknown := sorted(used - lists.keys()):
        raise TopicsError(f"nothing fills <!-- {unknown[0]} --> in {folder}")
    if unused := sorted(lists.keys() - used):
        raise TopicsError(f"no file in {folder} has <!-- {unused[0]} -->")
    return {name: _PLACEHOLDER.sub(lambda match: lists[match[1]], source) for name, source in sources.items()}


def _lists() -> dict[str, Mapping[str, str]]:
    """Terms and what they mean, by the name of their placeholder."""
    return {
        "photo": _record_fields(PhotoRecord),
        "identifier": _record_fields(IdentifierRecord),
        "event": _record_fields(EventRecord),
        "ping": _record_fields(PingRecord),
        "progress": _record_fields(ProgressRecord),
        "summary": _record_fields(SummaryRecord),
        "codes": _codes(),
        "settings": {setting.display_name: _setting(setting) for setting in SETTINGS.values()},
        "conditions": _plan_fields(CONDITIONS),
        "faults": _plan_fields(_effects(None)),
        "store faults": _plan_fields(_effects("store")),
        "API faults": _plan_fields(_effects("api")),
    }


def _record_fields(kind: type[Any]) -> Mapping[str, str]:
    """The fields of a kind of JSON line, as its docstring describes them."""
    described = attributes(kind)
    return {name: described[name][:1].upper() + described[name][1:] for name in kind.__annotations__}


def attributes(kind: type[Any]) -> Mapping[str, str]:
    """What a class's docstring says under "Attributes:", by their names."""
    _, _, text = inspect.cleandoc(kind.__doc__ or "").partition("\nAttributes:\n")
    pairs = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", text, re.MULTILINE)
    return {name: " ".join(words.split()) for name, words in pairs}


def _codes() -> Mapping[str, str]:
    """The words in the field `code`, from the errors' own definitions."""
    own = {kind.default_code: (kind.__doc__ or "").partition("\n")[0] for kind in _errors(errors.NinepicError)}
    return dict(sorted({**own, **errors.CODES}.items()))


def _errors(kind: type[errors.NinepicError]) -> Iterator[type[errors.NinepicError]]:
    """The kinds of error that somebody may see."""
    if kind.__module__ == errors.__name__ and kind is not errors.StoppedError:
        yield kind
        for below in kind.__subclasses__():
            yield from _errors(below)


def _setting(setting: Setting) -> str:
    if setting.variable is None:
        return "A command that prints the key, in place of the key itself."
    texts = {item.terms[0]: item.text for item in ENVIRONMENT.items}
    return f"{texts[setting.variable]} [env: {setting.variable}]"


def _effects(server: str | None) -> Collection[str]:
    return {name for name, field in FIELDS.items() if field.server == server} - CONDITIONS


def _plan_fields(names: Collection[str]) -> Mapping[str, str]:
    return {name: f"{field.description} [{field.value}]" for name, field in FIELDS.items() if name in names}
