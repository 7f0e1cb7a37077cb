"""What the shorthands of a fault plan stand for."""

from __future__ import annotations

import json
from typing import Any

Entry = dict[str, Any]

SHORTHANDS = {"redirect", "html", "xml", "malformed", "evil_names", "duplicate_names"}
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


def spelled_out(fields: Entry) -> Entry:
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


def _broken_off(payload: Any) -> str:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return text[: len(text) // 2]


def _evil(payload: Any) -> None:
    for place, item in enumerate(_links(payload)):
        item["filename"] = EVIL_NAMES[place % len(EVIL_NAMES)]


def _duplicate(payload: Any) -> None:
    for item in _links(payload):
        item["filename"] = DUPLICATE_NAME


def _links(payload: Any) -> list[Entry]:
    """The items with links of an answer, in an envelope or not; none in one that is an error or no JSON object."""
    data = payload.get("data", payload) if isinstance(payload, dict) else None
    return list(data.get("presigned_urls", ())) if isinstance(data, dict) else []
