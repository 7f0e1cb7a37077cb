"""From the bytes of a list to its text: the encoding, and what is no text at all. Pure."""

import codecs
import re
from contextlib import suppress

from ninepic_cli.errors import UsageError
from ninepic_cli.text import quoted

_HEAD_BYTES = 4096
_ZIP = b"PK\x03\x04"
_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PICTURES = re.compile(rb"\xff\xd8\xff|\x89PNG|RIFF....WEBP|....ftyp(?:hei|mif1|avif)", re.DOTALL)
_SAVE_AS_CSV = "open it in the spreadsheet program, save it as CSV (UTF-8) and use that file"
MARKUP = ("<!doctype", "<html", "<head", "<table", "<?xml")  # what web sites call .xls is often a page


def decode_list(name: str, data: bytes, encoding: str | None, *, hint: str) -> str:
    """The text of the whole file; without an encoding it is UTF-8, or UTF-16 where the bytes say so.

    Raises:
        UsageError: the encoding is not known, or the file is a workbook, or no text, which has the line and the `hint`.
    """
    codec = _guess_codec(data) if encoding is None else _check_codec(encoding)
    if data.startswith(codecs.BOM_UTF8) and not codecs.lookup(codec).name.startswith("utf-8"):
        raise UsageError(f"{name}: encoded in UTF-8, not {quoted(codec)}", hint="omit --encoding")
    if kind := _workbook_kind(data):
        raise UsageError(f"{name}: {kind}, not a text file", hint=_SAVE_AS_CSV)
    if _PICTURES.match(data):
        raise UsageError(f"{name}: a picture, not a list", hint=hint)
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        before, shown = data[: error.start].decode(codec, "ignore"), codec.upper()
        raise _not_text_error(name, before, f"not valid {shown}", hint) from None
    nul = text.find("\0")
    if nul >= 0:
        raise _not_text_error(name, text[:nul], "not a text file (contains a NUL character)", hint)
    text = text.lstrip("\ufeff")  # files joined, or saved twice, have more than one mark
    if text[:_HEAD_BYTES].lstrip().lower().startswith(MARKUP):
        raise UsageError(f"{name}: a web page or XML document, not a list", hint=_SAVE_AS_CSV)
    return text


def _guess_codec(data: bytes) -> str:
    """UTF-16 where a mark says so, or where every other byte of the beginning is nothing; else UTF-8."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    even, odd = data[:_HEAD_BYTES:2].count(0), data[1:_HEAD_BYTES:2].count(0)
    pairs = min(len(data), _HEAD_BYTES) // 2
    if len(data) % 2 or max(even, odd) < 0.4 * pairs or 10 * min(even, odd) >= max(even, odd):
        return "utf-8"
    return "utf-16-le" if odd > even else "utf-16-be"


def _workbook_kind(data: bytes) -> str | None:
    """What a spreadsheet's own file is, for a sentence; None for anything else."""
    if data.startswith(_OLD_OFFICE):
        return "an Excel workbook"
    if not data.startswith(_ZIP):
        return None
    if b"application/vnd.oasis.opendocument" in data[:_HEAD_BYTES]:
        return "an OpenDocument spreadsheet"
    if b".iwa" in data:
        return "a Numbers spreadsheet"
    return "an Excel workbook" if b"xl/" in data else "an Excel workbook or another ZIP archive"


def _check_codec(encoding: str) -> str:
    """The encoding, if it is known and one of text."""
    try:
        with suppress(UnicodeDecodeError):  # half a character of UTF-16
            b"a".decode(encoding)
    except (LookupError, ValueError):
        hint = "use a name such as utf-8, cp1252, iso-8859-15 or utf-16"
        raise UsageError(f"unknown --encoding {quoted(encoding)}", hint=hint) from None
    return encoding


def _not_text_error(name: str, before: str, reason: str, hint: str) -> UsageError:
    """The error for bytes that are not text, after the text that stands before them."""
    line = before.count("\n") + before.count("\r") - before.count("\r\n") + 1
    return UsageError(f"{name}, line {line}: {reason}", hint=hint)
