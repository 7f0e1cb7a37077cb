"""Text as people hand it over, without what spreadsheets, copying and variables add to it. Pure.

All of these are idempotent: what they return is returned as it is.
"""

import re
import unicodedata

_PLAIN = re.compile(r"[0-9A-Za-z_](?:[0-9A-Za-z_./ -]*[0-9A-Za-z_])?")  # what most identifiers are
# Nobody sees them: soft hyphen, grapheme joiner, direction marks, zero-width characters, byte-order marks.
_UNSEEN = re.compile("[\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
# Joiners belong to the letters of some scripts, and to nothing else.
_STRAY_JOINER = re.compile("(?<![^\x00-\x7f])[\u200c\u200d]+|[\u200c\u200d]+(?![^\x00-\x7f])")
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_CELL = re.compile(r'=?"((?:[^"]|"")*)"')  # `="0123"` keeps a spreadsheet from taking text for a number
_TEXT_MARK = re.compile(r"'(?:[0-9=+@-]|.*'\Z)")  # so does an apostrophe, which also begins names ('t Hooft)
_LINE_BREAKS = re.compile(r"[\r\n\v\f\x85\u2028\u2029]")
_LINE_ENDS = re.compile("\\A[\\s\ufeff]*[\r\n\ufeff][\\s\ufeff]*|[\\s\ufeff]*[\r\n\ufeff][\\s\ufeff]*\\Z")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")  # those that are no white space
# 1234.0, 1,234, 1.23E+11: numbers, as a spreadsheet shows them.
_NUMBER = re.compile(
    "[0-9]+[.,]0+|[0-9]{1,3}(?:[.,'\u2019\u00a0\u202f][0-9]{3})+(?:[.,]0+)?|[0-9](?:[.,][0-9]+)?E\\+[0-9]+"
)


def identifier(text: str) -> str:
    """A bib, request id or image id as the service knows it; may be empty.

    Invisible characters go, full-width characters become ordinary ones, and what spreadsheets put around a cell
    (`="0123"`, `'0123`, quotation marks) is undone. Control characters stay: they are errors.
    """
    if _PLAIN.fullmatch(text):
        return text
    while (next_text := _plainer(text)) != text:
        text = next_text
    return text


def cell(text: str) -> str:
    """A cell of a start list that is not an identifier: on one line, without what a spreadsheet put around it."""
    if text.isprintable() and not text.lstrip().startswith(("'", '"', "=")):
        return text.strip()
    parts = map(str.strip, _LINE_BREAKS.split(text.replace("\ufeff", "")))
    text = " ".join(filter(None, parts))
    while (inner := _uncelled(_without_apostrophe(text) if _TEXT_MARK.match(text) else text)) != text:
        text = inner
    return text


def column_name(text: str) -> str:
    """A column's name as the header has it, for people: white space is single spaces, nothing invisible is in it."""
    return cell(" ".join(_CONTROLS.sub("", _UNSEEN.sub("", text)).split()))


def column_key(name: str) -> str:
    """What two spellings of a column's name have in common, whatever their case and normal form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", column_name(name)).casefold())


def value(text: str) -> str:
    """A setting's value: trimmed, without a byte-order mark and without quotation marks around it."""
    text = _trimmed(text)
    while len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = _trimmed(text[1:-1])
    return text


def path(text: str) -> str:
    """A path as a setting: without line ends and quotation marks around it; spaces may be part of it."""
    inner = value(text)
    is_quoted = inner != _trimmed(text)
    return inner if is_quoted else _LINE_ENDS.sub("", text)


def is_formatted_number(text: str) -> bool:
    """Whether a cell looks as though a spreadsheet took an identifier for a number."""
    return not text.isalnum() and bool(_NUMBER.fullmatch(cell(text)))


def _trimmed(text: str) -> str:
    while (inner := text.strip().strip("\ufeff")) != text:
        text = inner
    return text


def _plainer(text: str) -> str:
    if not text.isascii():
        text = _SPACES.sub(" ", "".join(map(_digit, text.translate(_FULL_WIDTH))))
        text = _STRAY_JOINER.sub("", _UNSEEN.sub("", text))
    return _uncelled(_without_apostrophe(text.strip()))


def _digit(char: str) -> str:
    """An ordinary digit for one of another width or weight; digits of other scripts stay."""
    if char.isascii() or not char.isdecimal():
        return char
    plain = unicodedata.normalize("NFKC", char)
    return plain if plain.isascii() else char


def _without_apostrophe(text: str) -> str:
    """The text that a spreadsheet was told by an apostrophe to take as text, or that stands between two of them."""
    return text.strip("'").strip() if text.startswith("'") else text


def _uncelled(text: str) -> str:
    inside = _CELL.fullmatch(text)
    return inside[1].replace('""', '"').strip() if inside else text
