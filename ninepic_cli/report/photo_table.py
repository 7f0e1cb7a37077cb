"""`--report`: a CSV of every photo of a run, for spreadsheets and scripts.

Rows are kept in a file without a name until the run ends, so that a large run needs no memory for them and one that is
killed leaves nothing behind.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import BinaryIO

from ninepic_cli.errors import MachineError, NinepicError
from ninepic_cli.filesystem.atomic import open_scratch, write_output
from ninepic_cli.models import Failed, Outcome, Photo
from ninepic_cli.report.json_lines import photo_record
from ninepic_cli.report.summary import NOT_KEPT, NOT_REACHED, gone_error
from ninepic_cli.text import path_text, system_text
from ninepic_cli.updates import PhotoFinished, PhotoRemoved, Update, ZipRemoved

OPTION = "--report"
HEADER = ("image_id", "identifier", "status", "path", "bytes", "md5", "attempts", "seconds", "code", "error")
_IDENTIFIER, _STATUS, _PATH, _BYTES, _MD5 = map(HEADER.index, ("identifier", "status", "path", "bytes", "md5"))
_CODE, _ERROR = HEADER.index("code"), HEADER.index("error")
_FORMULA_STARTS = ("=", "+", "-", "@", "'")
# Controls, line ends and directions, which a terminal or an editor would obey, and what UTF-8 cannot say.
_ACTIVE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LONGEST_CELL = 1 << 30  # bytes; what a photo's id may have is the service's matter


class PhotoTable:
    """The rows of one run's photos, and the file that they go to at its end.

    Raises:
        OSError: there is no room for them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows = _Rows(path)
        self._trouble: OSError | None = None
        self._removed: set[int] = set()  # hashes of what tells the photos apart that are on the disk no more
        self._lost: dict[str, NinepicError] = {}  # why the ZIP of an identifier is not there
        self._add(HEADER)

    def record(self, update: Update) -> None:
        """Take in what became of a photo."""
        match update:
            case PhotoFinished(photo, outcome):
                self._add(_cells(photo, outcome))
            case PhotoRemoved(photo, path):
                self._removed.add(_hash_of(_cells(photo, Failed(gone_error(path), path))))
            case ZipRemoved(identifier, path):
                self._lost[_cell(identifier)] = gone_error(path)

    def write(self, *, not_reached: Iterable[Photo], not_kept: Iterable[str]) -> None:
        """Write the file.

        Args:
            not_reached: photos without outcome.
            not_kept: identifiers whose ZIP was not finished.

        Raises:
            MachineError: it cannot be written.
        """
        for photo in not_reached:
            self._add(_cells(photo, Failed(NOT_REACHED)))
        self._lost.update((_cell(identifier), NOT_KEPT) for identifier in not_kept)
        try:
            if self._trouble:
                raise self._trouble
            if self._removed or self._lost:
                self._rows = self._revised_rows()
            write_output(OPTION, self._path, self._rows.end())
        except OSError as error:
            reason = f"cannot write {path_text(self._path)}: {system_text(error)}"
            raise MachineError(reason, hint=f"name another {OPTION}") from error
        finally:
            self._rows.close()

    def _add(self, cells: Sequence[str]) -> None:
        if self._trouble is None:
            try:
                self._rows.add(cells)
            except OSError as error:  # photos come first; it is told at the end
                self._trouble = error

    def _revised_rows(self) -> "_Rows":
        """All rows, those of photos that are not there any more as rows of photos that failed."""
        revised = _Rows(self._path)
        with closing(self._rows) as rows:
            for cells in rows:
                if error := self._revision(cells):
                    cells[_STATUS], cells[_BYTES], cells[_MD5] = "failed", "", ""
                    cells[_CODE], cells[_ERROR] = _cell(error.code), _cell(error.message)
                revised.add(cells)
        return revised

    def _revision(self, cells: Sequence[str]) -> NinepicError | None:
        if cells[_STATUS] not in {"downloaded", "skipped"}:
            return None
        if _hash_of(cells) in self._removed:
            return gone_error(Path(cells[_PATH].removeprefix("'")))
        return self._lost.get(cells[_IDENTIFIER])


class _Rows:
    """Rows of a CSV in a file without a name; iterating goes through all of them."""

    def __init__(self, path: Path) -> None:
        self._file = open_scratch(path)
        self._text = io.TextIOWrapper(self._file, encoding="utf-8", newline="")
        self._writer = csv.writer(self._text, lineterminator="\n")

    def add(self, cells: Sequence[str]) -> None:
        self._writer.writerow(cells)

    def __iter__(self) -> Iterator[list[str]]:
        csv.field_size_limit(_LONGEST_CELL)
        self._text.seek(0)
        yield from csv.reader(self._text)

    def end(self) -> BinaryIO:
        """The file with all rows in it."""
        self._text.flush()
        return self._file

    def close(self) -> None:
        with suppress(OSError):  # of rows that are of no use any more
            self._text.close()


def _cells(photo: Photo, outcome: Outcome) -> list[str]:
    record = photo_record(photo, outcome)
    return [_cell(record[name]) for name in HEADER]  # type: ignore[literal-required]


def _cell(value: object) -> str:
    """A value as a spreadsheet takes it for what it is: an apostrophe stands before what could be a formula.

    It does so before an apostrophe, too, so that taking one away gives the value. Control characters are escaped.
    """
    text = "" if value is None else str(value)
    if text.isascii() and text.isalnum():
        return text
    shown = _ACTIVE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
    return f"'{shown}" if shown.startswith(_FORMULA_STARTS) else shown


def _hash_of(cells: Sequence[str]) -> int:
    return hash((cells[0], cells[_IDENTIFIER], cells[_PATH]))
