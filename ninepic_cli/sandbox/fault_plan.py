"""Fault plans: faults that are written down in a file, for people who write scripts.

A plan is a JSON list of objects, each of which is one fault. `FIELDS` defines and describes what they may hold: the
attributes of `Fault`, by their names (`mutate` and `action` excepted, which are Python), and shorthands.

What is not a plan is a ValueError that names the entry by its number, from 1, and the field. That includes fields which
cannot be had together, so that no entry does less than it says. A flag that is false counts as left out.
"""

from __future__ import annotations

import difflib
import itertools
import json
import re
import sys
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ninepic_cli.sandbox.faults import Fault
from ninepic_cli.sandbox.wire import JsonObject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from os import PathLike


MAX_INT = 2**53  # what every JSON library can hold
HTML_BODY = """\
<!DOCTYPE html>
<html><head><title>Sign in</title></head><body><h1>Sign in to this network</h1></body></html>
"""
XML_BODY = """\
<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>InternalError</Code><Message>We encountered an internal error. Please try again.</Message></Error>
"""
DUPLICATE_NAME = "IMG_0001.JPG"
EVIL_NAMES = (
    # Out of the folder.
    *("../../escaped.jpg", "/tmp/escaped.jpg", "..\\..\\escaped.jpg"),  # noqa: S108 -- nothing is written there
    *("C:\\escaped.jpg", "\\\\server\\share\\escaped.jpg", "%2e%2e%2fescaped.jpg"),
    # No name, a folder, a hidden file, an option.
    *("..", ".", "", " ", "/", "~/escaped.jpg", "sub/folder.jpg", ".hidden.jpg", ".ninepic", "-rf.jpg", "--help"),
    # Characters that a terminal obeys, that a person does not see, that a file system changes or refuses.
    *("nul\0byte.jpg", "two\nlines.jpg", "return\r.jpg", "tab\t.jpg", "\x1b[2J\x1b]0;title\x07.jpg", "\u009b31m.jpg"),
    *("\u202egpj.exe", "\u2066\ufeff\u200b.jpg", "\ud800.jpg", "cafe\u0301.jpg"),
    # What Windows reserves, forbids or cuts off.
    *("CON.jpg", "nul", "Aux.JPG", "COM1.jpg", "dot.", "space .jpg ", "stream.jpg:hidden", 'a<b>c"d|e?f*.jpg'),
    # Markup, placeholders, a shell, SQL.
    *("<script>alert(1)</script>.jpg", "[red]markup[/red] [/].jpg", "{identifier}{0.__class__}%s.jpg"),
    *("$(touch escaped)`touch escaped`;.jpg", "'; DROP TABLE photos; --.jpg"),
    # Too long, no picture.
    *("long" * 100 + ".jpg", "\U0001f3c3" * 100 + ".jpg", "program.exe", "no extension"),
)


@dataclass(frozen=True)
class Field:
    """One field of an entry.

    Attributes:
        parse: Takes the value as JSON has it; returns it as `Fault` or a shorthand wants it, or None where it is not
            what `value` says. Raises a ValueError where there is more to say.
        value: What the value must be.
        description: What the field does, in sentences of plain text.
        server: The only server for which it has a meaning, "api" or "store"; None for both.
    """

    parse: Callable[[Any], Any]
    value: str
    description: str
    server: str | None = None


def _flag(description: str, server: str | None = None) -> Field:
    return Field(lambda value: value if isinstance(value, bool) else None, "true or false", description, server)


def _text(description: str) -> Field:
    # Half a character cannot be sent.
    return Field(
        lambda value: value.encode("utf-8", "replace").decode() if isinstance(value, str) else None,
        "text in quotes",
        description,
    )


def _pattern(pattern: str, value: str, description: str) -> Field:
    regex = re.compile(pattern)
    return Field(lambda text: text if isinstance(text, str) and regex.fullmatch(text) else None, value, description)


def _int(least: int, description: str, server: str | None = None, *, most: int = MAX_INT) -> Field:
    value = f"a whole number from {least} {f'to {most}' if most < MAX_INT else 'on'}"
    return Field(lambda number: _within(number, least, most, int), value, description, server)


def _number(least: float, most: float, description: str) -> Field:
    value = f"a number from {least} to {most}"
    return Field(lambda number: _within(number, least, most, int, float), value, description)


def _amount(description: str) -> Field:
    value = "a whole number of bytes, or a share from 0.0 to 1.0 (with a point)"
    return Field(
        lambda amount: _within(amount, 0, 1 if isinstance(amount, float) else MAX_INT, int, float), value, description
    )


def _within(value: Any, least: float, most: float, *kinds: type) -> Any:
    # What is not a number (NaN) is not between any two.
    return value if type(value) in kinds and least <= value <= most else None


def _parse_nth(value: Any) -> int | range | None:
    """A number, or the range that a text such as "3-7" or "3-" names."""
    if type(value) is int:
        return value if 1 <= value <= MAX_INT else None
    bounds = re.fullmatch(r"([0-9]{1,15})-([0-9]{1,15})?", value) if isinstance(value, str) else None
    if not bounds:
        return None
    first, last = int(bounds[1]), int(bounds[2] or sys.maxsize - 1)
    return range(first, last + 1) if 1 <= first <= last else None


def _parse_headers(value: Any) -> dict[str, str] | None:
    """Header fields that can be sent.

    Raises:
        ValueError: One of them cannot.
    """
    if not isinstance(value, _PlanObject):
        return None
    if value.duplicate is not None:
        raise ValueError(f"{_quote(value.duplicate)} stands there twice")
    for name, content in value.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise ValueError(f"{_quote(name)} is not the name of a header field")
        if name.lower() in {"content-length", "transfer-encoding"}:
            raise ValueError(f'{name} belongs to the framing: use "announce_length" or "without_length"')
        if not isinstance(content, str) or not re.fullmatch(r"[\t\x20-\x7e\xa0-\xff]*", content):
            raise ValueError(f"{name} must be text in quotes, of one line and in Latin-1, not {_quote(content)}")
    return dict(value)


FIELDS: dict[str, Field] = {
    "server": _pattern(
        "api|store",
        '"api" or "store"',
        "Which of the two servers is meant: the store, which has the photos, unless said otherwise.",
    ),
    "method": _pattern("[A-Z]+", 'a verb in capitals, such as "GET"', "Only requests with this verb."),
    "path": _text('Only requests whose path and query, as sent, contain this: an image id, "?page=2&".'),
    "ranged": _flag("Only requests with, or without, a Range header."),
    "nth": Field(
        _parse_nth,
        'a whole number from 1 on, or a range such as "3-7" or "3-"',
        "Only these, counted from 1, of the requests that the conditions above fit; else all of them.",
    ),
    "status": _int(200, "Answer with this status, and the error document that belongs to it.", most=599),
    "headers": Field(
        _parse_headers,
        'an object such as {"Retry-After": "3"}',
        "Header fields that are added to the answer, whatever it is, or replace what it has.",
    ),
    "body": _text("The body to answer with; without a status, it takes the place of the body alone."),
    "redirect": _pattern(r"[\x21-\x7e]+", "a URL, percent-encoded", "Answer with status 302 and this Location."),
    "html": _flag("Answer with an HTML page, as a captive portal does; status 200 unless said otherwise."),
    "xml": _flag("Answer with an error document in XML; status 200 unless said otherwise."),
    "delay_s": _number(0, 86_400, "Seconds to wait before answering."),
    "silent": _flag("Never answer, and keep the connection open until the client goes away."),
    "hang_up": _flag("Close the connection in place of an answer."),
    "reset": _flag("Reset the connection in place of an answer; with cut_after, after so much of the body."),
    "cut_after": _amount("Announce everything, send so much of the body and close the connection."),
    "stall_after": _amount("Announce everything, send so much of the body and then nothing more."),
    "without_length": _flag(
        "Announce no length: the body ends where the connection does. With cut_after, a body that was cut looks whole."
    ),
    "announce_length": _int(
        0, "The Content-Length to send, in place of the true one. The connection is closed after the body."
    ),
    "close_idle": _flag("Close the connection after a complete answer, without having said so."),
    "trickle_bps": _number(0.1, 10**9, "Send the body at so many bytes a second."),
    "gzip": _flag("Send the body compressed."),
    "ignore_range": _flag("Answer a request for a range with 200 and everything.", "store"),
    "wrong_range": _flag("Answer a request for a range with another one, which Content-Range tells.", "store"),
    "change_object": _flag("Replace the photo by another of the same length before answering.", "store"),
    "page": _int(1, "Answer as though this page had been asked for.", "api"),
    "shift": _int(
        1,
        "Before links are handed out, so many photos disappear from the front of every bib's list: the pages shift.",
        "api",
    ),
    "malformed": _flag("The JSON breaks off in the middle.", "api"),
    "evil_names": _flag("The suggested file names are traversals, control characters, reserved names, markup.", "api"),
    "duplicate_names": _flag(f"All suggested file names are {DUPLICATE_NAME}.", "api"),
}
# Which requests are meant; the other fields say what goes wrong with them.
CONDITIONS = {"server", "method", "path", "ranged", "nth"}
NAMES = {"evil_names", "duplicate_names"}
# What there is to see of a response, or of making it. Where there is none, none of these has any effect.
RESPONSE = FIELDS.keys() - CONDITIONS - {"delay_s", "silent", "hang_up", "reset"}
# What has to do with the normal response to what was asked for. Where another is given, none of these has any effect.
NORMAL = {"ignore_range", "wrong_range", "change_object", "page", "shift"} | NAMES
EXCLUDED: dict[str, set[str]] = {
    "silent": RESPONSE | {"hang_up", "reset"},
    "hang_up": RESPONSE | {"reset"},
    "reset": RESPONSE - {"cut_after"},
    "status": NORMAL,
    "redirect": NORMAL | {"status", "html", "xml", "malformed"},
    "html": NORMAL | {"xml", "body", "malformed"},
    "xml": NORMAL | {"body", "malformed"},
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
        entries = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_PlanObject)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except (ValueError, RecursionError):  # a number of thousands of digits, thousands of brackets
        raise ValueError("not JSON that can be read: a number or a nesting beyond all bounds") from None
    if not isinstance(entries, list):
        raise ValueError("a plan is a list of objects: [{...}, {...}]")  # noqa: TRY004 -- a plan has one kind of error
    return [_parse_entry(number, entry) for number, entry in enumerate(entries, start=1)]


class _PlanObject(JsonObject):
    """A JSON object that remembers a name which stands in it twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        counts = Counter(name for name, _ in pairs)
        self.duplicate = next((name for name, count in counts.items() if count > 1), None)


def _parse_entry(number: int, entry: object) -> Fault:
    if not isinstance(entry, _PlanObject):
        raise ValueError(f"entry {number}: must be an object, not {_quote(entry)}")  # noqa: TRY004 -- as above
    if entry.duplicate is not None:
        raise _entry_error(number, entry.duplicate, "stands there twice")
    fields = {name: value for name, value in _parse_fields(number, entry) if value is not False or name == "ranged"}
    for name, problem in _find_conflicts(fields):
        raise _entry_error(number, name, problem)
    if not entry.keys() - CONDITIONS:
        raise ValueError(f"entry {number}: says which requests are meant, but not what goes wrong with them")
    return Fault(**_expand_shorthands(fields))


def _entry_error(number: int, name: str, problem: str) -> ValueError:
    return ValueError(f"entry {number}, {_quote(name)}: {problem}")


def _parse_fields(number: int, entry: JsonObject) -> Iterator[tuple[str, Any]]:
    """The fields of an entry, each with its value as `Fault` wants it."""
    for name, value in entry.items():
        if name not in FIELDS:
            near = difflib.get_close_matches(name, FIELDS, n=1, cutoff=0.7)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise _entry_error(number, name, f"there is no such field{hint}")
        try:
            parsed = FIELDS[name].parse(value)
        except ValueError as error:
            raise _entry_error(number, name, str(error)) from None
        if parsed is None:
            raise _entry_error(number, name, f"must be {FIELDS[name].value}, not {_quote(value)}")
        yield name, parsed


def _find_conflicts(fields: JsonObject) -> Iterator[tuple[str, str]]:
    """The fields that have no effect beside others, each with the reason."""
    server = fields.get("server", "store")
    for name in fields:
        needed = FIELDS[name].server
        if needed not in {None, server}:
            yield name, f'needs "server": "{needed}"'
    for name, others in EXCLUDED.items():
        # A reset in the middle of the body leaves room for what comes before it.
        if name in fields and not (name == "reset" and "cut_after" in fields):
            yield from ((other, f'cannot be had together with "{name}"') for other in fields if other in others)
    if "redirect" in fields and any(name.lower() == "location" for name in fields.get("headers", ())):
        yield "headers", 'Location cannot be had together with "redirect"'
    if fields.get("ranged") is False:
        useless = fields.keys() & {"ignore_range", "wrong_range"}
        yield from ((name, 'cannot be had together with "ranged": false') for name in useless)


def _quote(value: object) -> str:
    """A value as JSON has it, shortened for an error."""
    encoded = json.dumps(value)
    return encoded if len(encoded) <= 60 else f"{encoded[:57]}..."


def _truncate_json(payload: Any) -> str:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return text[: len(text) // 2]


def _set_names(names: Sequence[str], payload: Any) -> None:
    """Renames the photos of a response, in an envelope or not, unless it is an error or no JSON object."""
    data = payload.get("data", payload) if isinstance(payload, dict) else None
    items = data.get("presigned_urls", ()) if isinstance(data, dict) else ()
    for item, name in zip(items, itertools.cycle(names), strict=False):
        item["filename"] = name


BODIES = {"html": HTML_BODY, "xml": XML_BODY}
MUTATIONS: dict[str, Callable[[Any], Any]] = {
    "malformed": _truncate_json,
    "evil_names": partial(_set_names, EVIL_NAMES),
    "duplicate_names": partial(_set_names, [DUPLICATE_NAME]),
}


def _expand_shorthands(fields: JsonObject) -> JsonObject:
    """The arguments of `Fault`, with what the shorthands stand for."""
    given = {name: value for name, value in fields.items() if name not in {"redirect", *BODIES, *MUTATIONS}}
    if "redirect" in fields:
        given["status"] = 302
        given["headers"] = {**given.get("headers", {}), "Location": fields["redirect"]}
    for name in fields.keys() & BODIES:
        given = {"status": 200, **given, "body": BODIES[name]}
    for name in fields.keys() & MUTATIONS:
        given["mutate"] = MUTATIONS[name]
    return given
