"""The table of `--report`."""

import csv
import tracemalloc
from pathlib import Path

import pytest

from ninepic_cli.errors import PhotoError
from ninepic_cli.models import Downloaded, Failed, Method, Outcome, Photo, Skipped
from ninepic_cli.report.photo_table import PhotoTable
from ninepic_cli.updates import PhotoFinished, PhotoRemoved, ZipRemoved

MD5 = "0123456789abcdef0123456789abcdef"


def photo(image_id: str, bib: str = "7") -> Photo:
    """A photo of a bib."""
    return Photo(image_id, "", ".jpg", bib, Method.BIB, 1)


def finished(image_id: str, outcome: Outcome | None = None, bib: str = "7") -> PhotoFinished:
    """It has been fetched, unless told otherwise."""
    return PhotoFinished(photo(image_id, bib), outcome or Downloaded(Path(f"out/{image_id}.jpg"), 5, MD5, 1, 0.25))


def written(table: PhotoTable, path: Path, *, not_kept: tuple[str, ...] = ()) -> list[dict[str, str]]:
    """The rows of the file, once the table is written."""
    table.write(not_reached=(), not_kept=not_kept)
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("plain", "plain"),
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("'quoted", "''quoted"),
        ("\t=1", "\\t=1"),
        ("\r\n=1", "\\r\\n=1"),
        ("a=1", "a=1"),
        ('a,"b";c', 'a,"b";c'),
        ("Zoë\u3000x\u00a0y", "Zoë\u3000x\u00a0y"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\u202egpj", "\\u202egpj"),
        ("\udce9", "\\udce9"),
    ],
)
def test_cells(tmp_path: Path, value: str, cell: str) -> None:
    """Nothing is a formula, nothing acts on a terminal, and all else is as it was."""
    table = PhotoTable(tmp_path / "x.csv")
    table.record(finished(value, Failed(PhotoError(value), Path("out")), value))
    (row,) = written(table, tmp_path / "x.csv")
    assert (row["image_id"], row["identifier"], row["error"]) == (cell, cell, cell)


def test_photos_that_are_there_no_more(tmp_path: Path) -> None:
    """The row of a photo that was removed, and no other, becomes that of a failed one."""
    table = PhotoTable(tmp_path / "x.csv")
    for image_id, bib in (("a", "7"), ("b", "7"), ("a", "8"), ("c", "9")):
        table.record(finished(image_id, bib=bib))
    table.record(finished("d", Skipped(Path("out/d.jpg"), 5, MD5), bib="9"))
    table.record(PhotoRemoved(photo("a"), Path("out/a.jpg"), was_fetched=True))
    table.record(ZipRemoved("9", Path("9.zip")))
    rows = written(table, tmp_path / "x.csv", not_kept=("8",))
    told = [(row["image_id"], row["identifier"], row["status"], row["code"], row["md5"]) for row in rows]
    assert told == [
        ("a", "7", "failed", "gone", ""),
        ("b", "7", "downloaded", "", MD5),
        ("a", "8", "failed", "not_kept", ""),
        ("c", "9", "failed", "gone", ""),
        ("d", "9", "failed", "gone", ""),
    ]
    assert "out/a.jpg" in rows[0]["error"]


def test_very_long_values(tmp_path: Path) -> None:
    """An id of any length is kept, also where rows are gone through again."""
    table = PhotoTable(tmp_path / "x.csv")
    table.record(finished("x" * 200_000, Failed(PhotoError("no"))))
    table.record(finished("b"))
    table.record(PhotoRemoved(photo("b"), Path("out/b.jpg"), was_fetched=True))
    csv.field_size_limit(1 << 20)
    assert [len(row["image_id"]) for row in written(table, tmp_path / "x.csv")] == [200_000, 1]


def test_rows_are_not_kept_in_memory(tmp_path: Path) -> None:
    """Memory does not grow with the number of photos."""
    table = PhotoTable(tmp_path / "x.csv")
    update = finished("1b4e28ba-2fa1-11d2-883f-0016d3cca427")
    table.record(update)
    tracemalloc.start()
    for _ in range(20_000):
        table.record(update)
    table.write(not_reached=(), not_kept=())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20  # a piece of a file that is copied
    assert (tmp_path / "x.csv").stat().st_size > 2_000_000
