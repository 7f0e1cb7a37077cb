"""Lists of identifiers: what was typed, lists of one a line, and start lists as spreadsheets save them."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ninepic_cli.errors import UsageError
from ninepic_cli.paths import as_text
from ninepic_cli.quoting import quoted, shown
from ninepic_cli.startlist import SEPARATORS, Table, read_table

FILE_LIMIT = 64 * 1024 * 1024
LINE_LIMIT = 1000
_LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|\Z)")
_ONE_A_LINE = "give a text file (UTF-8) with one identifier a line and nothing else on it"
_AS_TABLE = "give a CSV in UTF-8, or name its encoding: --encoding cp1252 (as spreadsheets in Europe often write)"
_LIST_ENDINGS = frozenset({".txt", ".csv", ".tsv", ".lst", ".list", ".xlsx", ".json"})
_INVISIBLE = {"Cc", "Cs", "Zl", "Zp"}  # controls, undecodable bytes of an argument, line and paragraph separators


@dataclass(frozen=True, slots=True)
class Source:
    """Where identifiers are read from.

    Attributes:
        file: a path, `-` for standard input, or None.
        column: of a start list, which holds them; None for a list of one a line.
        encoding: of the file; None for UTF-8, or UTF-16 where the file says so.
    """

    file: str | None = None
    column: str | None = None
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for.

    Attributes:
        identifiers: distinct, trimmed, in order; empty where the file has none.
        columns: of the start list.
        rows: of the start list, by identifier: column -> text.
        warnings: what a person should know of the list.
        column: of the start list, the one that has the identifiers.
    """

    identifiers: list[str]
    columns: tuple[str, ...] = ()
    rows: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    column: str = ""


def collect(arguments: Sequence[str], source: Source, *, stdin: BinaryIO) -> Asked:
    """The identifiers of the command line, then those of the file; exact duplicates keep their first place.

    Args:
        arguments: as typed.
        source: what else there is.
        stdin: read only where the source is `-`.

    Raises:
        UsageError: neither arguments nor a file; an identifier or a file that cannot be one.
    """
    if not arguments and source.file is None:
        raise UsageError(
            "no identifiers were given",
            hint="give them on the command line, or one a line in a file: --from-file FILE (- is standard input)",
        )
    typed = [_argument(as_text(text)) for text in arguments]
    if source.file is None:
        if source.column is not None or source.encoding is not None:
            option = "--column" if source.column is not None else "--encoding"
            raise UsageError(f"{option} is about a file, and none is given", hint="add --from-file FILE")
        return Asked(list(dict.fromkeys(typed)))
    name, data = _read(source.file, stdin)
    text = _text(name, data, source)
    if source.column is None:
        return Asked(list(dict.fromkeys([*typed, *_identifiers(name, text)])))
    return _from_table(name, typed, read_table(name, text, as_text(source.column)))


def _from_table(name: str, typed: Sequence[str], table: Table) -> Asked:
    rows: dict[str, Mapping[str, str]] = {}
    for row in table.rows:
        identifier = row.cells[table.column].strip()
        if identifier:
            _check_length(f"{name}, line {row.line}", identifier)
            rows.setdefault(identifier, row.cells)
    empty = sum(not row.cells[table.column].strip() for row in table.rows)
    warnings = (
        (f"{name}: {empty:,} of {len(table.rows):,} rows have nothing in {quoted(table.column)}",) if empty else ()
    )
    return Asked(list(dict.fromkeys([*typed, *rows])), table.columns, rows, warnings, table.column)


def check_writable(identifiers: Sequence[str]) -> None:
    """See that each identifier can stand on a line of a file that `collect` reads.

    Raises:
        UsageError: one cannot: it would be taken for a comment or for a row of a table.
    """
    for identifier in identifiers:
        if not is_writable(identifier):
            raise UsageError(
                f"{quoted(identifier)} could not be read again from --failed-to", hint="ask for it without --failed-to"
            )


def as_list(identifiers: Sequence[str]) -> bytes:
    """A file that `collect` reads these from, one a line."""
    return "".join(f"{identifier}\n" for identifier in identifiers).encode("utf-8", "surrogateescape")


def as_table(asked: Asked, encoding: str | None, identifiers: Sequence[str]) -> bytes:
    """A start list like the one that was read, with the rows of these identifiers; empty without any."""
    if not identifiers:
        return b""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\n")
    writer.writerow(asked.columns)
    for identifier in identifiers:
        row = {asked.column: identifier, **asked.rows.get(identifier, {})}
        writer.writerow([row.get(column, "") for column in asked.columns])
    try:
        return text.getvalue().encode(encoding or "utf-8", "surrogateescape")
    except UnicodeEncodeError:  # something that was typed, and that the file's encoding cannot say
        return text.getvalue().encode(encoding or "utf-8", "backslashreplace")


def is_writable(identifier: str) -> bool:
    """Whether `collect` would read it as it is from a line of its own."""
    is_plain = identifier == identifier.removeprefix("\ufeff").strip() and not _has_invisible(identifier)
    is_short = 0 < len(identifier) <= LINE_LIMIT
    return is_plain and is_short and not identifier.startswith("#") and not any(map(identifier.count, SEPARATORS))


def _argument(text: str) -> str:
    identifier = text.strip()
    if not identifier:
        raise UsageError(
            "an identifier on the command line is empty",
            hint="leave it out; if a variable stands there, check that it is set",
        )
    if Path(identifier).suffix.lower() in _LIST_ENDINGS and Path(identifier).is_file():
        raise UsageError(
            f"{shown(identifier)} is a file, and not an identifier",
            hint=f"to read a list: --from-file {shown(identifier)}",
        )
    if _has_invisible(identifier):
        raise UsageError(f"the identifier {quoted(identifier)} has a control character in it", hint="type it anew")
    return identifier


def _read(from_file: str, stdin: BinaryIO) -> tuple[str, bytes]:
    """The name to show for the file, and its bytes."""
    if not from_file:
        raise UsageError("--from-file is empty", hint="name a file; if a variable stands there, check that it is set")
    name = "standard input" if from_file == "-" else shown(from_file)
    try:
        data = _read_bounded(from_file, stdin)
    except FileNotFoundError:
        raise UsageError(f"{name} does not exist", hint="check the path given to --from-file") from None
    except IsADirectoryError:
        raise UsageError(f"{name} is a folder, not a list of identifiers", hint=_ONE_A_LINE) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{name} cannot be read: {reason}", hint="check the path given to --from-file") from None
    if len(data) > FILE_LIMIT:
        raise UsageError(f"{name} is larger than 64 MiB: not a list of identifiers", hint=_ONE_A_LINE)
    return name, data


def _read_bounded(from_file: str, stdin: BinaryIO) -> bytes:
    if from_file == "-":
        return stdin.read(FILE_LIMIT + 1)
    with Path(from_file).open("rb") as file:  # a FIFO opens like a file
        return file.read(FILE_LIMIT + 1)


def _text(name: str, data: bytes, source: Source) -> str:
    usual = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    encoding = usual if source.encoding is None else _codec(source.encoding)
    hint = _ONE_A_LINE if source.column is None else _AS_TABLE
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _not_text(name, data[: error.start].decode(encoding, "ignore"), hint) from None
    nul = text.find("\0")
    if nul >= 0:
        raise _not_text(name, text[:nul], hint)
    return text


def _codec(encoding: str) -> str:
    """The encoding, if it is known and one of text."""
    try:
        b"a".decode(encoding)
    except UnicodeDecodeError:
        return encoding  # half a character of UTF-16
    except (LookupError, ValueError):
        raise UsageError(
            f"--encoding {quoted(encoding)} is not known",
            hint="use a name such as utf-8, cp1252, iso-8859-15 or utf-16",
        ) from None
    return encoding


def _not_text(name: str, before: str, hint: str) -> UsageError:
    """The error for bytes that are not text, after the text that stands before them."""
    line = before.count("\n") + before.count("\r") - before.count("\r\n") + 1
    return UsageError(f"{name}, line {line}: this is not text", hint=hint)


def _identifiers(name: str, text: str) -> Iterator[str]:
    # str.splitlines would also split at form feeds and the like, and count lines as no editor does.
    for number, line in enumerate(_LINE.finditer(text), start=1):
        # Files joined with `cat` have a byte-order mark in front of any line.
        identifier = line[1].removeprefix("\ufeff").strip()
        if identifier and not identifier.startswith("#"):
            _check_line(f"{name}, line {number}", identifier)
            yield identifier


def _check_line(where: str, identifier: str) -> None:
    if any(separator in identifier for separator in SEPARATORS):
        hint = f"{_ONE_A_LINE}; or name the column of a table with a header: --column NAME"
        raise UsageError(f"{where}: {quoted(identifier[:LINE_LIMIT])} looks like a row of a table (CSV)", hint=hint)
    _check_length(where, identifier)


def _check_length(where: str, identifier: str) -> None:
    if len(identifier) > LINE_LIMIT:
        raise UsageError(f"{where}: longer than {LINE_LIMIT} characters, not an identifier", hint=_ONE_A_LINE)
    if _has_invisible(identifier):
        raise UsageError(f"{where}: {quoted(identifier)} has a control character in it", hint=_ONE_A_LINE)


def _has_invisible(text: str) -> bool:
    return not text.isprintable() and any(unicodedata.category(character) in _INVISIBLE for character in text)
