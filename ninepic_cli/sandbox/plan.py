"""Fault plans: faults that are written down in a file, for people who write scripts.

A plan is a JSON list of objects, each of which is one fault. Its fields are those of `Fault`, by their names (`mutate`
and `action` excepted, which are Python), with `nth` as a number, "3-7" or "3-", and `body` as text; and these:

    redirect         a URL: status 302 with this Location
    html             an HTML page, as a portal or a firewall answers, in place of the answer; with 200 unless `status`
    xml              an error document in XML, likewise
    malformed        API: the JSON breaks off in the middle
    evil_names       API: the suggested file names are those of EVIL_NAMES in turn
    duplicate_names  API: every suggested file name is IMG_0001.JPG

What is not a plan is a ValueError that names the entry by its number, from 1, and the field. That includes fields which
cannot be had together, so that no entry does less than it says. A flag that is false counts as left out.
"""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ninepic_cli.sandbox import values
from ninepic_cli.sandbox.faults import Fault
from ninepic_cli.sandbox.shorthands import spelled_out
from ninepic_cli.sandbox.values import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from os import PathLike


Entry = dict[str, Any]

CONDITIONS = {"server", "method", "path", "nth", "ranged"}
FIELDS: dict[str, Callable[[Any], Any]] = {
    "server": values.server,
    "method": values.method,
    "path": values.text,
    "nth": values.nth,
    "ranged": values.flag,
    "status": values.whole(200, 599),
    "headers": values.headers,
    "body": values.text,
    "redirect": values.url,
    "html": values.flag,
    "xml": values.flag,
    "delay_s": values.number(0, values.LONGEST_S),
    "silent": values.flag,
    "hang_up": values.flag,
    "reset": values.flag,
    "cut_after": values.amount,
    "stall_after": values.amount,
    "without_length": values.flag,
    "announce_length": values.whole(0),
    "close_idle": values.flag,
    "trickle_bps": values.number(0.1, values.FASTEST_BPS),
    "gzip": values.flag,
    "ignore_range": values.flag,
    "wrong_range": values.flag,
    "change_object": values.flag,
    "page": values.whole(1),
    "shift": values.whole(1),
    "malformed": values.flag,
    "evil_names": values.flag,
    "duplicate_names": values.flag,
}
RANGES = ("ignore_range", "wrong_range")
NAMES = {"evil_names", "duplicate_names"}
ONLY = {
    **dict.fromkeys((*RANGES, "change_object"), "store"),
    **dict.fromkeys(("page", "shift", "malformed", *sorted(NAMES)), "api"),
}
# What there is to see of an answer, or of making it. Where there is none, none of these has any effect.
ANSWER = FIELDS.keys() - CONDITIONS - {"delay_s", "silent", "hang_up", "reset"}
# What has to do with the proper answer to what was asked for. Where another is given, none of these has any effect.
PROPER = {"ignore_range", "wrong_range", "change_object", "page", "shift"} | NAMES
EXCLUDED: dict[str, set[str]] = {
    "silent": ANSWER | {"hang_up", "reset"},
    "hang_up": ANSWER | {"reset"},
    "reset": ANSWER - {"cut_after"},
    "status": PROPER,
    "redirect": PROPER | {"status", "html", "xml", "malformed"},
    "html": PROPER | {"xml", "body", "malformed"},
    "xml": PROPER | {"body", "malformed"},
    "body": {"malformed", "page"} | NAMES,
    "malformed": NAMES,
    "evil_names": {"duplicate_names"},
    "cut_after": {"stall_after", "close_idle"},
    "stall_after": {"reset", "close_idle"},
    "without_length": {"announce_length", "close_idle"},
    "ignore_range": {"wrong_range"},
}


def faults_from_file(path: str | PathLike[str]) -> list[Fault]:
    """The faults of the plan in a file.

    Raises:
        ValueError: It cannot be read, or it is not a plan.
    """
    try:
        data = Path(path).read_bytes()
        text = data.decode(json.detect_encoding(data))
    except FileNotFoundError:
        raise ValueError("the file does not exist") from None
    except OSError as error:
        raise ValueError(f"the file cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError("not JSON: not text") from None
    return faults_from_json(text)


def faults_from_json(text: str) -> list[Fault]:
    """The faults of a plan, in its order.

    Raises:
        ValueError: It is not a plan.
    """
    try:
        entries = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_Pairs)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except (ValueError, RecursionError):  # a number of thousands of digits, thousands of brackets
        raise ValueError("not JSON that can be read: a number or a nesting beyond all bounds") from None
    if not isinstance(entries, list):
        raise ValueError(  # noqa: TRY004 -- a plan has one kind of error
            "a plan is a list of objects: [{...}, {...}]"
        )
    return [_fault(number, entry) for number, entry in enumerate(entries, start=1)]


class _Pairs(Entry):
    """A JSON object that remembers a name which stands in it twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        names = [name for name, _ in pairs]
        self.twice = next((name for name in names if names.count(name) > 1), None) if len(self) < len(pairs) else None


def _fault(number: int, entry: object) -> Fault:
    """The fault that an entry describes."""
    if not isinstance(entry, _Pairs):
        raise ValueError(f"entry {number}: must be an object, not {shown(entry)}")  # noqa: TRY004 -- as above
    if entry.twice is not None:
        raise _error(number, entry.twice, "stands there twice")
    fields = {name: value for name, value in _checked(number, entry) if value is not False or name == "ranged"}
    for name, problem in _contradictions(fields):
        raise _error(number, name, problem)
    if not entry.keys() - CONDITIONS:
        raise ValueError(f"entry {number}: says which requests are meant, but not what goes wrong with them")
    return Fault(**spelled_out(fields))


def _error(number: int, name: str, problem: str) -> ValueError:
    return ValueError(f"entry {number}, {shown(name)}: {problem}")


def _checked(number: int, entry: Entry) -> Iterator[tuple[str, Any]]:
    """The fields of an entry, each as `Fault` wants its value."""
    for name, value in entry.items():
        if name not in FIELDS:
            near = difflib.get_close_matches(name, FIELDS, n=1, cutoff=0.7)
            raise _error(number, name, "there is no such field" + (f'; did you mean "{near[0]}"?' if near else ""))
        try:
            yield name, FIELDS[name](value)
        except ValueError as error:
            raise _error(number, name, str(error)) from None


def _contradictions(fields: Entry) -> Iterator[tuple[str, str]]:
    """The fields that have no effect beside others, each with the reason."""
    server = fields.get("server", "store")
    for name in fields:
        if name in ONLY and server != ONLY[name]:
            yield name, f'needs "server": "{ONLY[name]}"'
    for name, others in EXCLUDED.items():
        # A reset in the middle of the body leaves room for what comes before it.
        if name in fields and not (name == "reset" and "cut_after" in fields):
            yield from ((other, f'cannot be had together with "{name}"') for other in fields if other in others)
    if "redirect" in fields and any(name.lower() == "location" for name in fields.get("headers", ())):
        yield "headers", 'Location cannot be had together with "redirect"'
    if fields.get("ranged") is False:
        yield from ((name, 'cannot be had together with "ranged": false') for name in RANGES if name in fields)
