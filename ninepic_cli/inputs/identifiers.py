"""Identifiers: what was typed, lists of one a line, start lists; and which look like which kind."""

import os
import re
import shlex
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from ninepic_cli.errors import UsageError, check_current_folder
from ninepic_cli.filesystem.filenames import id_name
from ninepic_cli.inputs.decoding import decode_list
from ninepic_cli.inputs.start_list import SEPARATORS, Row, Table, read_table
from ninepic_cli.models import Method
from ninepic_cli.normalize import identifier as clean
from ninepic_cli.normalize import is_formatted_number
from ninepic_cli.system.streams import open_for_reading
from ninepic_cli.text import as_text, display_path, quoted

FILE_LIMIT = 64 * 1024 * 1024
LINE_LIMIT = 1000
_CLEANED_LIMIT = 4 * LINE_LIMIT
_STANDARD_INPUT = frozenset({"-", "/dev/stdin", "/dev/fd/0"})  # which may be closed, and then is not an empty list
_LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|\Z)")
_ONE_A_LINE = "use a UTF-8 text file with one identifier per line and nothing else"
_AS_TABLE = "save it as CSV in UTF-8, or give its encoding, such as --encoding cp1252 (common in Europe)"
_WORKBOOK_ENDINGS = {".xlsx", ".xlsm", ".xls", ".ods", ".numbers"}
_LIST_ENDINGS = {".txt", ".csv", ".tsv", ".lst", ".list", ".json", *_WORKBOOK_ENDINGS}
PHOTO_METHODS = frozenset({Method.IMAGE, Method.IMAGES})
_NOUNS = {Method.BIB: "bib", Method.SELFIE: "request ID", Method.IMAGE: "image ID", Method.IMAGES: "image ID"}
_INVISIBLE = {"Cc", "Cs", "Zl", "Zp"}  # controls, undecodable bytes of an argument, line and paragraph separators
_BIB = re.compile(r"[A-Za-z]{0,2}-?[0-9]{1,6}", re.ASCII)
_LINK = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PICTURE = re.compile(r"(?: ?\([0-9]+\))?\.(?:jpe?g|png|webp|hei[cf]|avif|tiff?|gif|bmp)\Z", re.IGNORECASE)
_NAME_AND_ID = re.compile(r"(?:.*-)?([0-9A-Za-z]{8}(?:-[0-9A-Za-z]{4}){3}-[0-9A-Za-z]{12})", re.DOTALL)
_HASHED = re.compile(r"(?:.*-(?=[0-9A-Za-z]{8}-))?(.+)-[a-f][0-9a-f]{9}", re.DOTALL)
_ID = re.compile(r"[0-9A-Za-z]{8}(-[0-9A-Za-z]{4}){3}-[0-9A-Za-z]{12}", re.ASCII)


def looks_like_bib(identifier: str) -> bool:
    """Whether it is a number as runners wear it, which no photo or face search has for its id."""
    return _BIB.fullmatch(identifier) is not None


def looks_like_id(identifier: str) -> bool:
    """Whether it has the form of the ids of photos and face searches."""
    return _ID.fullmatch(identifier) is not None


def is_link(text: str) -> bool:
    """Whether it is a link, which may be a credential and is not to be shown."""
    return _LINK.match(text) is not None


def has_link(text: str) -> bool:
    """Whether there is a link in it, which no identifier has."""
    return "://" in text


def is_picture(text: str) -> bool:
    """Whether it is named as a picture."""
    return _PICTURE.search(text) is not None


def image_id(text: str) -> str:
    """The image id in what people have of a photo: its file's name or path, or a link to it.

    An id comes back as it is; "" where a link has none. The names are those that `filenames.photo_name` makes, and what
    browsers make of them.
    """
    if is_link(text):
        text = _stem(unquote(re.split(r"[?#]", text.partition("://")[2])[0].partition("/")[2]))
    while is_picture(text):
        text = _stem(text)
    return text


def _stem(path: str) -> str:
    name = _PICTURE.sub("", re.split(r"[/\\]", path)[-1])
    if found := _NAME_AND_ID.fullmatch(name):
        return found[1]
    hashed = _HASHED.fullmatch(name)
    return hashed[1] if hashed and id_name(hashed[1]) == name[hashed.start(1) :] else name


def advice(method: Method, identifier: str) -> str | None:
    """What to try with an identifier that the service does not know, where it looks like one of another kind."""
    if method is not Method.BIB and looks_like_bib(identifier):
        return f"{identifier} looks like a bib: try ninepic bib {identifier}"
    if method is Method.BIB and looks_like_id(identifier):
        return f"this looks like an ID: try ninepic image {identifier}, or ninepic selfie {identifier}"
    return None


@dataclass(frozen=True, slots=True)
class Source:
    """Where identifiers are read from: a file (`-` is standard input), or the column of a start list in it."""

    file: str | None = None
    column: str | None = None
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class Identifiers:
    """What is asked for: distinct identifiers in order, none where the file has none; all else is of the start list.

    Attributes:
        rows: by identifier: column -> text.
        warnings: what a person should know of any list.
        column: the one that has the identifiers.
        lines: where each of its identifiers stands first.
        repeats: further rows of identifiers that have one already, with the identifier of each.
        name: for messages.
    """

    identifiers: list[str]
    columns: tuple[str, ...] = ()
    rows: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    column: str = ""
    lines: Mapping[str, int] = field(default_factory=dict)
    repeats: Sequence[tuple[str, Row]] = ()
    name: str = ""

    @property
    def more_rows(self) -> dict[str, list[Mapping[str, str]]]:
        """The cells of the further rows, by identifier."""
        found: dict[str, list[Mapping[str, str]]] = {}
        for identifier, row in self.repeats:
            found.setdefault(identifier, []).append(row.cells)
        return found


def read_identifiers(
    arguments: Sequence[str], source: Source, *, stdin: BinaryIO | None, method: Method | None = None
) -> Identifiers:
    """The identifiers of the command line, then those of the file; exact duplicates keep their first place.

    Standard input is None where it is closed. Of photos, names and links are taken for their ids.

    Raises:
        UsageError: neither arguments nor a file; an identifier or a file that cannot be one.
    """
    if not arguments and source.file is None:
        hint = "give them on the command line, or one per line in a file: --from-file FILE (- is standard input)"
        raise UsageError(f"no {'identifier' if method is None else _NOUNS[method]}s given", hint=hint)
    typed = [_parse_argument(as_text(text), method) for text in arguments]
    if source.file is None:
        if source.column is not None or source.encoding is not None:
            option = "--column" if source.column is not None else "--encoding"
            raise UsageError(f"{option} requires --from-file", hint="add --from-file FILE")
        return Identifiers(list(dict.fromkeys(typed)))
    name, data = _read_source(source.file, stdin)
    text = decode_list(name, data, source.encoding, hint=_ONE_A_LINE if source.column is None else _AS_TABLE)
    if source.column is not None:
        return _from_table(name, typed, read_table(name, text, as_text(source.column)), method)
    numbers = _FormattedNumbers()
    found = list(dict.fromkeys([*typed, *_iter_identifiers(name, text, numbers, method)]))
    return Identifiers(found, warnings=numbers.warnings(name))


@dataclass(slots=True)
class _FormattedNumbers:
    """Identifiers that a spreadsheet has taken for numbers: how many, and where the first stands."""

    total: int = 0
    first: str = ""

    def count(self, text: str, line: int) -> None:
        """Count a cell or line, if it is one of them."""
        if is_formatted_number(text):
            self.total += 1
            self.first = self.first or f"line {line}: {quoted(text.strip())}"

    def warnings(self, name: str) -> tuple[str, ...]:
        """What a person should know of them."""
        if not self.total:
            return ()
        what = "1 identifier looks" if self.total == 1 else f"{self.total:,} identifiers look"
        first = self.first if self.total == 1 else f"first on {self.first}"
        return (f"{name}: {what} like a number reformatted by a spreadsheet ({first}); format the column as text",)


def _from_table(name: str, typed: Sequence[str], table: Table, method: Method | None) -> Identifiers:
    rows: dict[str, Mapping[str, str]] = {}
    lines: dict[str, int] = {}
    repeats: list[tuple[str, Row]] = []
    numbers, empty = _FormattedNumbers(), 0
    for row in table.rows:
        cell = row.cells[table.column]
        where = f"{name}, line {row.line}"
        if not (found := _parse_identifier(where, cell, method)):
            empty += 1
            continue
        _check(where, found)
        numbers.count(cell, row.line)
        if found not in rows:
            rows[found], lines[found] = row.cells, row.line
        elif row.cells != rows[found]:
            repeats.append((found, row))
    warnings = numbers.warnings(name)
    if empty:
        warnings += (f"{name}: {empty:,} of {len(table.rows):,} rows have no value in column {quoted(table.column)}",)
    return Identifiers(
        list(dict.fromkeys([*typed, *rows])), table.columns, rows, warnings, table.column, lines, repeats, name
    )


def _parse_identifier(where: str, text: str, method: Method | None) -> str:
    """The clean identifier; of a photo its id, where its file's name or a link to it (which is not shown) stands."""
    where, text = f"{where}: " if where else "", text.strip()
    found = clean(text) if len(text) <= _CLEANED_LIMIT else text[:_CLEANED_LIMIT]  # too long, as will be told
    if has_link(found) and not (method in PHOTO_METHODS and is_link(found)):
        noun = "an identifier" if method is None or method in PHOTO_METHODS else f"a {_NOUNS[method]}"
        hint = "give only the number or ID; for the photo of a link: ninepic image 'LINK'"
        raise UsageError(f"{where}a link is not {noun}", hint=hint)
    if method not in PHOTO_METHODS:
        return found
    if not is_link(found) and sum(is_picture(part.strip()) for part in found.split(",")) > 1:
        raise UsageError(f"{where}{quoted(found)} names several photos", hint="give each one separately")
    identifier = clean(image_id(found))
    if found and not identifier:
        raise UsageError(f"{where}no image ID in this link or file name", hint="give only the ID")
    return identifier


def _check_typed(identifier: str, method: Method | None) -> None:
    """See that what was typed is what the command takes, and nothing else that people also have at hand."""
    for mark, name in ((",", "comma"), (";", "semicolon")):
        if method is not None and mark in identifier:
            reason = f"invalid {_NOUNS[method]} {quoted(identifier)}: contains a {name}"
            raise UsageError(reason, hint=f"separate {_NOUNS[method]}s with spaces")
    if method is Method.BIB and "#" in identifier:
        raise UsageError(f"invalid bib {quoted(identifier)}: contains a #", hint="give only the number")
    if method in {Method.BIB, Method.SELFIE} and is_picture(identifier) and _is_file(identifier):
        hint = "upload it on the event's web page; pass the request ID of that face search to `ninepic selfie`"
        raise UsageError(f"{display_path(identifier)} is a picture, not a {_NOUNS[method]}", hint=hint)


def _parse_argument(text: str, method: Method | None) -> str:
    identifier = _parse_identifier("", text, method)
    _check_typed(identifier, method)
    if not identifier:
        hint = "omit it; if it comes from a variable, check that it is set"
        raise UsageError("empty identifier on the command line", hint=hint)
    if Path(identifier).suffix.lower() in _LIST_ENDINGS and _is_file(identifier):
        raise _list_error(Path(identifier))
    if has_invisible(identifier):
        raise UsageError(f"invalid identifier {quoted(identifier)}: contains a control character", hint="type it again")
    return identifier


def _list_error(path: Path) -> UsageError:
    """The error for the name of a list that is given like an identifier: what it is, and how it is read."""
    if path.suffix.lower() in _WORKBOOK_ENDINGS:
        csv = shlex.quote(display_path(path.with_suffix(".csv")))
        hint = f"save it as CSV (UTF-8), then use --from-file {csv} --column NAME"
        return UsageError(f"{display_path(path)} is a spreadsheet, not an identifier", hint=hint)
    hint = f"to read a list, use --from-file {shlex.quote(display_path(path))}"
    return UsageError(f"{display_path(path)} is a file, not an identifier", hint=hint)


def _is_file(identifier: str) -> bool:
    return os.path.isfile(identifier)  # noqa: PTH113 (what cannot be a name raises nothing)


def _read_source(from_file: str, stdin: BinaryIO | None) -> tuple[str, bytes]:
    """The name to show for the file, and its bytes."""
    if not from_file:
        raise UsageError("empty --from-file", hint="give a file; if it comes from a variable, check that it is set")
    is_stdin = from_file in _STANDARD_INPUT
    if is_stdin and stdin is None:
        raise UsageError("standard input is closed", hint="pipe a list in, or use --from-file FILE")
    name = "standard input" if is_stdin else display_path(from_file)
    try:
        # A FIFO opens like a file.
        with nullcontext(stdin) if stdin and is_stdin else open_for_reading(from_file) as file:
            data = file.read(FILE_LIMIT + 1)
    except FileNotFoundError:
        check_current_folder(from_file)
        raise UsageError(f"cannot read {name}: no such file", hint="check the path given to --from-file") from None
    except IsADirectoryError:
        raise UsageError(f"cannot read {name}: is a directory", hint=_ONE_A_LINE) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read {name}: {reason}", hint="check the path given to --from-file") from None
    if len(data) > FILE_LIMIT:
        raise UsageError(f"{name}: larger than 64 MiB, not a list of identifiers", hint=_ONE_A_LINE)
    return name, data


def _iter_identifiers(name: str, text: str, numbers: _FormattedNumbers, method: Method | None) -> Iterator[str]:
    # str.splitlines would also split at form feeds and the like, and count lines as no editor does.
    for number, line in enumerate(_LINE.finditer(text), start=1):
        # Files joined with `cat` have a byte-order mark in front of any line.
        if line[1].lstrip("\ufeff \t").startswith("#"):
            continue
        where = f"{name}, line {number}"
        if identifier := _parse_identifier(where, line[1], method):
            row = clean(line[1])
            if not is_link(row) and any(separator in row for separator in SEPARATORS):
                hint = f"{_ONE_A_LINE}; or, for a table with a header, use --column NAME"
                raise UsageError(f"{where}: {quoted(row)} looks like a row of a table (CSV)", hint=hint)
            _check(where, identifier)
            numbers.count(line[1], number)
            yield identifier


def _check(where: str, identifier: str) -> None:
    if len(identifier) > LINE_LIMIT:
        raise UsageError(f"{where}: longer than {LINE_LIMIT} characters, not an identifier", hint=_ONE_A_LINE)
    if has_invisible(identifier):
        raise UsageError(f"{where}: {quoted(identifier)} contains a control character", hint=_ONE_A_LINE)


def has_invisible(text: str) -> bool:
    """Whether there is a character in it that no identifier has."""
    return not text.isprintable() and any(unicodedata.category(character) in _INVISIBLE for character in text)
