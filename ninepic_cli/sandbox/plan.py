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
import math
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ninepic_cli.sandbox.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from os import PathLike

Entry = dict[str, Any]

LARGEST = 2**53  # what every JSON library can hold
LONGEST_S = 86_400
PAGE = """\
<!DOCTYPE html>
<html><head><title>Sign in</title></head><body><h1>Sign in to this network</h1></body></html>
"""
DOCUMENT = """\
<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>InternalError</Code><Message>We encountered an internal error. Please try again.</Message></Error>
"""
DUPLICATE_NAME = "IMG_0001.JPG"
EVIL_NAMES = (
    "../../escaped.jpg",
    "/tmp/escaped.jpg",  # noqa: S108 -- nothing is written there
    "..\\..\\escaped.jpg",
    "C:\\escaped.jpg",
    "\\\\server\\share\\escaped.jpg",
    "%2e%2e%2fescaped.jpg",
    "..",
    ".",
    "",
    " ",
    "/",
    "~/escaped.jpg",
    "sub/folder.jpg",
    ".hidden.jpg",
    ".ninepic",
    "-rf.jpg",
    "--help",
    "nul\0byte.jpg",
    "two\nlines.jpg",
    "return\r.jpg",
    "tab\t.jpg",
    "\x1b[2J\x1b]0;title\x07.jpg",
    "\u009b31m.jpg",
    "\u202egpj.exe",
    "\u2066\ufeff\u200b.jpg",
    "\ud800.jpg",
    "cafe\u0301.jpg",
    "CON.jpg",
    "nul",
    "Aux.JPG",
    "COM1.jpg",
    "dot.",
    "space .jpg ",
    "stream.jpg:hidden",
    'a<b>c"d|e?f*.jpg',
    "<script>alert(1)</script>.jpg",
    "[red]markup[/red] [/].jpg",
    "{identifier}{0.__class__}%s.jpg",
    "$(touch escaped)`touch escaped`;.jpg",
    "'; DROP TABLE photos; --.jpg",
    "long" * 100 + ".jpg",
    "\U0001f3c3" * 100 + ".jpg",
    "program.exe",
    "no extension",
)


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
        raise ValueError("a plan is a list of objects: [{...}, {...}]")
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
        raise ValueError(f"entry {number}: must be an object, not {_shown(entry)}")
    if entry.twice is not None:
        raise _error(number, entry.twice, "stands there twice")
    fields = {name: value for name, value in _checked(number, entry) if value is not False or name == "ranged"}
    for name, problem in _contradictions(fields):
        raise _error(number, name, problem)
    if not entry.keys() - CONDITIONS:
        raise ValueError(f"entry {number}: says which requests are meant, but not what goes wrong with them")
    return Fault(**_spelled_out(fields))


def _error(number: int, name: str, problem: str) -> ValueError:
    return ValueError(f"entry {number}, {_shown(name)}: {problem}")


def _checked(number: int, entry: Entry) -> Iterator[tuple[str, Any]]:
    """The fields of an entry, each as `Fault` wants its value."""
    for name, value in entry.items():
        if name not in FIELDS:
            near = difflib.get_close_matches(name, FIELDS, n=1)
            raise _error(number, name, f'there is no such field; did you mean "{near[0]}"?' if near else "unknown")
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
    if fields.get("ranged") is False:
        yield from ((name, 'cannot be had together with "ranged": false') for name in RANGES if name in fields)


def _spelled_out(fields: Entry) -> Entry:
    """The arguments of `Fault`, with what the shorthands stand for."""
    given = {name: value for name, value in fields.items() if name not in SHORTHANDS}
    if "redirect" in fields:
        given["status"] = 302
        given["headers"] = {**given.get("headers", {}), "Location": fields["redirect"]}
    for name, body in (("html", PAGE), ("xml", DOCUMENT)):
        if name in fields:
            given = {"status": 200, **given, "body": body}
    for name, mutate in (("malformed", _broken_off), ("evil_names", _evil), ("duplicate_names", _duplicate)):
        if name in fields:
            given["mutate"] = mutate
    return given


def _broken_off(payload: Entry) -> str:
    text = json.dumps(payload)
    return text[: len(text) // 2]


def _evil(payload: Entry) -> None:
    for place, item in enumerate(_links(payload)):
        item["filename"] = EVIL_NAMES[place % len(EVIL_NAMES)]


def _duplicate(payload: Entry) -> None:
    for item in _links(payload):
        item["filename"] = DUPLICATE_NAME


def _links(payload: Entry) -> list[Entry]:
    """The items with links of an answer, in an envelope or not; none in an answer that is an error."""
    data = payload.get("data", payload)
    return list((data or {}).get("presigned_urls", ()))


def _wrong(wanted: str, value: object) -> ValueError:
    return ValueError(f"must be {wanted}, not {_shown(value)}")


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong("true or false", value)
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong("text in quotes", value)
    # Half a character cannot be sent.
    return value.encode("utf-8", "replace").decode()


def _server(value: Any) -> str:
    if value not in ("api", "store"):
        raise _wrong('"api" or "store"', value)
    return str(value)


def _method(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Z]+", value):
        raise _wrong('a verb in capitals, such as "GET"', value)
    return value


def _whole(least: int, most: int = LARGEST) -> Callable[[Any], int]:
    bounds = f"from {least} to {most}" if most < LARGEST else f"from {least} on"

    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise _wrong(f"a whole number {bounds}", value)
        return value

    return read


def _number(least: float, most: float) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        # What is not a number (NaN) is not between any two.
        if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
            raise _wrong(f"a number from {least} to {most}", value)
        return value

    return read


def _amount(value: Any) -> int | float:
    if isinstance(value, float) and math.isfinite(value) and 0 <= value <= 1:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST:
        return value
    raise _wrong("a whole number of bytes, or a share from 0.0 to 1.0 (with a point)", value)


def _nth(value: Any) -> int | range:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST:
        return value
    found = re.fullmatch(r"([0-9]{1,15})-([0-9]{1,15})?", value) if isinstance(value, str) else None
    if found:
        first, last = int(found[1]), int(found[2] or sys.maxsize - 1)
        if 1 <= first <= last:
            return range(first, last + 1)
    raise _wrong('a whole number from 1 on, or a range such as "3-7" or "3-"', value)


def _headers(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _wrong('an object such as {"Retry-After": "3"}', value)
    twice = getattr(value, "twice", None)
    if twice is not None:
        raise ValueError(f"{_shown(twice)} stands there twice")
    for name, text in value.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise ValueError(f"{_shown(name)} is not the name of a header field")
        if name.lower() in {"content-length", "transfer-encoding"}:
            raise ValueError(f'{name} belongs to the framing: use "announce_length" or "without_length"')
        if not isinstance(text, str) or not re.fullmatch(r"[\t\x20-\x7e\xa0-\xff]*", text):
            raise ValueError(f"{name} must be text in quotes, of one line and in Latin-1, not {_shown(text)}")
    return dict(value)


def _url(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[\x21-\x7e]+", value):
        raise _wrong("a URL, percent-encoded", value)
    return value


CONDITIONS = {"server", "method", "path", "nth", "ranged"}
FIELDS: dict[str, Callable[[Any], Any]] = {
    "server": _server,
    "method": _method,
    "path": _text,
    "nth": _nth,
    "ranged": _flag,
    "status": _whole(200, 599),
    "headers": _headers,
    "body": _text,
    "redirect": _url,
    "html": _flag,
    "xml": _flag,
    "delay_s": _number(0, LONGEST_S),
    "silent": _flag,
    "hang_up": _flag,
    "reset": _flag,
    "cut_after": _amount,
    "stall_after": _amount,
    "without_length": _flag,
    "announce_length": _whole(0),
    "close_idle": _flag,
    "trickle_bps": _number(0.1, LARGEST),
    "gzip": _flag,
    "ignore_range": _flag,
    "wrong_range": _flag,
    "change_object": _flag,
    "page": _whole(1),
    "shift": _whole(1),
    "malformed": _flag,
    "evil_names": _flag,
    "duplicate_names": _flag,
}
SHORTHANDS = {"redirect", "html", "xml", "malformed", "evil_names", "duplicate_names"}
RANGES = ("ignore_range", "wrong_range")
NAMES = {"evil_names", "duplicate_names"}
ONLY = {
    **dict.fromkeys((*RANGES, "change_object"), "store"),
    **dict.fromkeys(("page", "shift", "malformed", *sorted(NAMES)), "api"),
}
# What there is to see of an answer, or of making it. Where there is none, none of these has any effect.
ANSWER = FIELDS.keys() - CONDITIONS - {"delay_s", "silent", "hang_up", "reset"}
# The answer is given without looking at what was asked for.
UNASKED = {"status", "ignore_range", "wrong_range", "change_object", "page", "shift"} | NAMES
EXCLUDED: dict[str, set[str]] = {
    "silent": ANSWER | {"hang_up", "reset"},
    "hang_up": ANSWER | {"reset"},
    "reset": ANSWER,
    "status": UNASKED - {"status"},
    "redirect": UNASKED | {"html", "xml", "malformed"},
    "html": UNASKED - {"status"} | {"xml", "body", "malformed"},
    "xml": UNASKED - {"status"} | {"body", "malformed"},
    "body": {"malformed", "page"} | NAMES,
    "malformed": NAMES,
    "evil_names": {"duplicate_names"},
    "cut_after": {"stall_after", "close_idle"},
    "stall_after": {"reset", "close_idle"},
    "without_length": {"announce_length", "close_idle"},
    "ignore_range": {"wrong_range"},
}
