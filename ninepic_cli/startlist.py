"""Start lists: tables with a header, as spreadsheets save them (commas, semicolons or tabs between the cells)."""

import csv
import io
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from ninepic_cli.errors import UsageError
from ninepic_cli.quoting import quoted

SEPARATORS = ",;\t"
_CELL_LIMIT = 100_000
_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Row:
    """One runner's line: column -> text, trimmed; `line` counts from 1, as editors do."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """A start list.

    Attributes:
        column: the one that was asked for, as the header has it.
        columns: the header.
    """

    column: str
    columns: tuple[str, ...]
    rows: list[Row]


def read_table(name: str, text: str, column: str) -> Table:
    """The table in a text.

    Args:
        name: of the file, for messages.
        text: the whole file.
        column: that must be there; case and white space around it do not matter.

    Raises:
        UsageError: there is no such column, or a line that does not fit the header.
    """
    lines = io.StringIO(text.removeprefix("\ufeff"), newline="")
    first = lines.readline()
    if not first.lower().startswith("sep="):  # a spreadsheet's own hint to itself
        lines.seek(0)
    separator = _separator(name, lines, column)
    records = _records(name, lines, separator, above=int(lines.tell() > 0))
    _, header = next(records)
    found = [each for each in header if _is(each, column)]
    if len(found) > 1:
        raise UsageError(f"{name} has {len(found)} columns named {quoted(column)}", hint="rename all but one of them")
    rows = []
    for line, cells in records:
        if len(cells) != len(header):
            raise UsageError(
                f"{name}, line {line}: {len(cells)} cells where the header has {len(header)}",
                hint="mend that line; a cell that holds a separator or a line break stands in quotes",
            )
        rows.append(
            Row(line, dict(zip(reversed(header), reversed(cells), strict=True)))
        )  # of two alike the first counts
    return Table(found[0], tuple(header), rows)


def _is(name: str, column: str) -> bool:
    return name.casefold() == column.strip().casefold()


def _separator(name: str, lines: io.StringIO, column: str) -> str:
    """The separator by which the header has the column; the lines are left where they were."""
    start = lines.tell()
    headers = []
    for separator in SEPARATORS:
        lines.seek(start)
        with suppress(UsageError):  # quoted cells cannot be read with another separator than their own
            headers.append((next(_records(name, lines, separator), (0, list[str]()))[1], separator))
    lines.seek(start)
    if not headers:
        next(_records(name, lines, SEPARATORS[0]))  # says what is wrong
    fitting = [(len(header), separator) for header, separator in headers if any(_is(each, column) for each in header)]
    if fitting:
        return max(fitting)[1]
    columns = max((header for header, _ in headers), key=len)
    if not columns:
        raise UsageError(f"{name} is empty: there is no header", hint="its first line names the columns")
    known = ", ".join(quoted(each) for each in columns[:_MOST_SHOWN])
    raise UsageError(f"{name} has no column {quoted(column)}", hint=f"its first line has: {known}")


def _records(name: str, lines: io.StringIO, separator: str, *, above: int = 0) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not blank, split and trimmed, with the number of the line that each begins on.

    That number counts the lines `above`, which have been read already.
    """
    reader = csv.reader(lines, delimiter=separator, strict=True)
    csv.field_size_limit(_CELL_LIMIT)
    line = above + 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, [cell.strip() for cell in cells]
            line = above + reader.line_num + 1
    except csv.Error as error:
        raise UsageError(
            f"{name}, line {line}: {error}", hint="a quotation mark inside a cell is written twice, in quotes"
        ) from None
