"""Start lists: tables with a header, as spreadsheets save them (commas, semicolons or tabs between the cells)."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ninepic_cli.errors import UsageError
from ninepic_cli.normalize import cell, column_key, column_name
from ninepic_cli.text import quoted

SEPARATORS = ",;\t"
_CELL_LIMIT = 100_000
_MOST_SHOWN = 20
_HINT = re.compile(r"sep=([,;\t])?.?[\r\n]*", re.IGNORECASE)  # a spreadsheet's own, to itself


@dataclass(frozen=True, slots=True)
class Row:
    """One runner's line: column -> text, trimmed; `line` counts from 1, as editors do."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """A start list: its header, and the column that was asked for as the header has it."""

    column: str
    columns: tuple[str, ...]
    rows: list[Row]


def read_table(name: str, text: str, column: str) -> Table:
    """The table in a text without a byte-order mark; the column's case, white space and normal form do not matter.

    Raises:
        UsageError: there is no such column, or a line that does not fit the header.
    """
    if not column_key(column):
        raise UsageError("empty --column", hint="give a column name; if it comes from a variable, check that it is set")
    lines = io.StringIO(text, newline="")
    hint = _HINT.fullmatch(lines.readline())
    if not hint:
        lines.seek(0)
    separator = _find_separator(name, lines, column, (hint[1] or "") if hint else "")
    records = _iter_records(name, lines, separator, above=int(lines.tell() > 0))
    _, cells = next(records)
    header = [column_name(each) for each in cells]
    found = [each for each in header if column_key(each) == column_key(column)]
    if len(found) > 1:
        raise UsageError(f"{name}: {len(found)} columns named {quoted(column)}", hint="rename all but one of them")
    return Table(found[0], tuple(header), [_row(name, line, header, cells) for line, cells in records])


def _row(name: str, line: int, header: Sequence[str], cells: Sequence[str]) -> Row:
    """A row with a cell for each column; spreadsheets leave out empty ones at its end, or write too many."""
    if any(cell.strip() for cell in cells[len(header) :]):
        raise UsageError(
            f"{name}, line {line}: {len(cells)} cells, but the header has {len(header)}",
            hint="correct that line; quote cells that contain a separator or a line break",
        )
    texts = [cell(text) for text in cells[: len(header)]] + [""] * (len(header) - len(cells))
    return Row(line, dict(zip(reversed(header), reversed(texts), strict=True)))  # of two alike the first counts


def table_text(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    """A table that `read_table` reads these rows from."""
    text = io.StringIO()
    if columns[0].lower().startswith(("sep=", "<")) or any(mark in name for name in columns for mark in SEPARATORS):
        text.write("sep=;\n")  # else the header could be taken for something else
    writer = csv.writer(text, delimiter=";", lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row.get(column, "") for column in columns] for row in rows)
    return text.getvalue()


def _find_separator(name: str, lines: io.StringIO, column: str, hint: str) -> str:
    """The separator by which the header has the column; the lines are left where they were."""
    start = lines.tell()
    headers: dict[str, list[str]] = {}
    for separator in SEPARATORS:
        lines.seek(start)
        with suppress(UsageError):  # quoted cells cannot be read with another separator than their own
            headers[separator] = next(_iter_records(name, lines, separator), (0, list[str]()))[1]
    lines.seek(start)
    if not headers:
        next(_iter_records(name, lines, SEPARATORS[0]))  # says what is wrong
    wanted = column_key(column)
    fitting = [separator for separator, header in headers.items() if wanted in map(column_key, header)]
    if fitting:
        return max(fitting, key=lambda separator: (separator == hint, len(headers[separator]), separator))
    columns = max(headers.values(), key=len)
    if not columns:
        raise UsageError(f"{name}: empty file, no header", hint="its first line must have the column names")
    known = ", ".join(quoted(column_name(each)) for each in columns[:_MOST_SHOWN])
    raise UsageError(f"{name}: no column {quoted(column)}", hint=f"valid columns: {known}")


def _iter_records(name: str, lines: io.StringIO, separator: str, *, above: int = 0) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not blank, split, with the number of the line that each begins on, `above` of them read."""
    reader = csv.reader(lines, delimiter=separator, strict=True)
    csv.field_size_limit(_CELL_LIMIT)
    line = above + 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = above + reader.line_num + 1
    except csv.Error as error:
        raise UsageError(f"{name}, line {line}: {error}", hint="double a quotation mark inside a quoted cell") from None
