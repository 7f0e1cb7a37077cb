"""Start lists, given to the command: folders by name, columns, workbooks, and warnings."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from ninepic_cli.sandbox import Fault, Sandbox, World
from tests.support.command import Ninepic, Start


def test_a_start_list_through_the_command(ninepic: Ninepic, sandbox: Callable[..., Sandbox], tmp_path: Path) -> None:
    """Photos of everybody on the list lie under names made of its columns; a bib with none does not stop the others."""
    world = World.generate(photos=8, size=40_000)
    sandbox(world)
    (tmp_path / "start.csv").write_bytes("Startnr;Name\n7;Müller/Ä\n0042;../Bo\n999;Nobody\n".encode("cp1252"))
    result = ninepic(
        "bib", "--from-file", tmp_path / "start.csv", "--column", "startnr", "--encoding", "cp1252",
        "--name", "{row[Name]}/{index:02}-{image_id}{ext}", "-o", tmp_path / "out", "--json",
    )  # fmt: skip
    assert result.status == 4, result.err
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.jpg")}
    ids = list(world.photos)
    assert found == {
        f"Müller_Ä/01-{ids[0]}.jpg",
        *(f"_Bo/{number:02}-{image_id}.jpg" for number, image_id in enumerate(ids[1:4], 1)),
    }
    missing = ninepic("bib", "--from-file", tmp_path / "start.csv", "--column", "bib", "--encoding", "cp1252")
    assert (missing.status, "no column 'bib'" in missing.err) == (2, True)


def test_what_is_written_again_is_a_start_list(ninepic: Ninepic, sandbox: Callable[..., Sandbox]) -> None:
    """What has to be asked for again goes into a list for the same command, and never over the one that was read."""
    world = World.generate(photos=13, size=20_000)
    box = sandbox(world, faults=[Fault(path=world.bibs["7"][0], nth=1, status=400)])
    start, again = ninepic.home / "start.csv", ninepic.home / "again.csv"
    start.write_text('name,bib,club\n"Müller, Anna",7,SC\nBo,0042,\n', encoding="cp1252")
    words = ["--column", "bib", "--encoding", "cp1252", "--name", "{row[name]}/{filename}", "-o", "photos"]
    refused = ninepic("bib", "--from-file", start, *words, "--failed-to", start)
    assert (refused.status, "choose another file" in refused.err, box.requests) == (2, True, [])
    assert ninepic("bib", "--from-file", start, *words, "--failed-to", again).status == 5
    assert again.read_text(encoding="cp1252").splitlines() == ["name;bib;club", "Müller, Anna;7;SC"]
    assert ninepic("bib", "--from-file", again, *words, "--failed-to", again).status == 2
    assert ninepic("bib", "--from-file", again, *words, "--failed-to", ninepic.home / "left.csv").status == 0
    assert (ninepic.home / "left.csv").read_bytes() == b""
    assert len(list((ninepic.home / "photos").glob("*/*.jpg"))) == 4


def test_a_part_is_not_written_over_the_whole(ninepic: Ninepic, sandbox: Callable[..., Sandbox]) -> None:
    """What a shard leaves does not take the place of the list that others read."""
    box = sandbox(World.generate(photos=4, size=20_000))
    ids = ninepic.home / "ids.txt"
    ids.write_text("\n".join(box.world.photos))
    result = ninepic("images", "--from-file", ids, "--shard", "1/2", "--failed-to", ids)
    assert (result.status, len(ids.read_text().split()), box.requests) == (2, 4, [])


def warned(ninepic: Ninepic, *options: str, rows: str, command: str = "bib") -> str:
    """What is said of a start list, as one line; some of it found, so that the run has begun."""
    (ninepic.home / "start.csv").write_text("bib;name;club\n" + rows)
    result = ninepic(command, "--from-file", "start.csv", "--column", "bib", "-o", "photos", *options)
    assert result.status in {0, 4}, result.err
    return " ".join(result.err.split())


BY_NAME = ("--name", "{row[name]}/{filename}")


def test_one_bib_under_two_names(ninepic: Ninepic, sandbox: Start) -> None:
    """A bib that is on two rows with different names has its photos under both, each fetched once and told for each."""
    box = sandbox(World.generate(photos=8, size=20_000))
    rows = "0042;Bo;SC\n7;Ann;SC\n0042;Bea;SC\n0042;Bo;Other\n"
    assert "warning" not in warned(ninepic, *BY_NAME, "--jobs", "16", rows=rows)
    photos, ids = ninepic.home / "photos", box.world.bibs["0042"]
    assert {each.name: len(list(each.iterdir())) for each in photos.iterdir()} == {"Ann": 1, "Bo": 3, "Bea": 3}
    for name in ("Bo", "Bea"):
        assert all((photos / name / f"{each}.jpg").read_bytes() == box.world.photo_bytes(each) for each in ids)
    assert len(box.requests_to("store")) == 4
    again = ("bib", "--from-file", "start.csv", "--column", "bib", *BY_NAME, "--json")
    lines = ninepic(*again, "-o", "other").json
    told = sorted((line["identifier"], Path(line["path"]).parent.name) for line in lines if line["type"] == "photo")
    assert told == [("0042", "Bea")] * 3 + [("0042", "Bo")] * 3 + [("7", "Ann")]
    found = {line["identifier"]: line["found"] for line in lines if line["type"] == "identifier"}
    assert found == {"0042": 3, "7": 1}
    assert len(ninepic(*again, "-o", "third", "--dry-run").photos("listed")) == 7
    assert ninepic(*again, "--zip", "a.zip").status == 0
    with ZipFile(ninepic.home / "a.zip") as archive:
        assert len(archive.namelist()) == 7
    assert len(box.requests_to("store")) == 12


def test_one_photo_under_two_names(ninepic: Ninepic, sandbox: Start) -> None:
    """So has a photo; where it can be put into one place only, it is asked for again."""
    box = sandbox(World.generate(photos=2, size=20_000))
    one = next(iter(box.world.photos))
    rows = f"{one};Ann;\n{one};Bo;\n"
    assert "warning" not in warned(ninepic, *BY_NAME, rows=rows, command="images")
    assert sorted(path.parent.name for path in (ninepic.home / "photos").rglob("*.jpg")) == ["Ann", "Bo"]
    assert len(box.requests_to("store")) == 1
    for name in ("Ann", "Bo"):  # the first of the two names, or the last
        (ninepic.home / f"not {name}").mkdir()
        (ninepic.home / f"not {name}" / name).touch()
        images = ("images", "--from-file", "start.csv", "--column", "bib", *BY_NAME, "-o", f"not {name}", "-j", "1")
        assert ninepic(*images, "--failed-to", "left.csv").status == 7
        assert one in (ninepic.home / "left.csv").read_text()


@pytest.mark.parametrize("names", ["Ann;Ann", "A/nn;A:nn", ";", "...;-", "Ann ;  Ann", "\u200bAnn;Ann"])
def test_two_runners_of_one_name(ninepic: Ninepic, sandbox: Start, names: str) -> None:
    """Runners whose names make one folder are told, with their rows, unless the template keeps them apart."""
    sandbox(World.generate(photos=8, size=20_000))
    first, second = names.split(";")
    rows = f"7;{first};\n999;Other;\n0042;{second};\n"
    assert "start.csv: '7' (line 2) and '0042' (line 4) get the same names" in warned(ninepic, *BY_NAME, rows=rows)
    apart = ("--name", "{row[name]} {identifier}/{filename}")
    assert "warning" not in warned(ninepic, *apart, rows=rows)
    zips = ("bib", "--from-file", "start.csv", "--column", "bib", *BY_NAME, "--zip", "{identifier}.zip")
    assert "warning" not in ninepic(*zips).err


def test_names_that_differ_in_case_alone(ninepic: Ninepic, sandbox: Start) -> None:
    """Where the file system ignores case, two such runners share a folder: that is said."""
    sandbox(World.generate(photos=8, size=3000))
    text = warned(ninepic, *BY_NAME, rows="7;Ann;\n0042;ANN;\n")
    assert "'7' (line 2) and '0042' (line 3) get names that differ only in case, 'Ann/*.jpg' and 'ANN/*.jpg'" in text


def test_what_is_said_of_many_rows_is_short(ninepic: Ninepic, sandbox: Start) -> None:
    """Of many runners in one folder a few are named, of many such folders a few, with how many more there are."""
    sandbox(World.generate(photos=8, size=20_000))
    rows = "".join(f"{number};{name};\n" for name in "ABCDEFG" for number in (f"{name}1", f"{name}2"))
    text = warned(ninepic, *BY_NAME, rows=f"7;A;\nA9;A;\n{rows}")
    assert "'7' (line 2), 'A9' (line 3), 'A1' (line 4) and 1 more get the same names, 'A/*.jpg'" in text
    assert text.count("get the same names") == 5
    assert "start.csv: 2 more like this" in text


def test_photos_of_one_person_are_no_collision(ninepic: Ninepic, sandbox: Start) -> None:
    """Rows of photos may share a folder, as photos have names of their own."""
    box = sandbox(World.generate(photos=4, size=20_000))
    one, two = list(box.world.photos)[:2]
    rows = f"{one};Ann;\n{two};Ann;\n"
    assert "warning" not in warned(ninepic, *BY_NAME, rows=rows, command="images")


@pytest.mark.parametrize("separator", [";", ",", "\t"])
def test_of_two_equal_columns_the_first_counts(ninepic: Ninepic, sandbox: Start, separator: str) -> None:
    """Where two columns have one name, `{row[...]}` is the first one's text."""
    sandbox(World.generate(photos=3, size=3000))
    text = "bib;club;name;club;club\n7;SC First;Anna;TV Second;Third\n".replace(";", separator)
    (ninepic.home / "start.csv").write_text(text)
    words = ("--from-file", "start.csv", "--column", "bib", "--name", "{row[club]}/{image_id}{ext}", "-o", "out")
    result = ninepic("bib", *words)
    assert result.status == 0, result.err
    assert [path.name for path in (ninepic.home / "out").iterdir()] == ["SC First"]


def test_the_command_reads_the_hint_in_capitals(ninepic: Ninepic, sandbox: Start) -> None:
    """A list that begins with `SEP=;` is read as any other."""
    sandbox(World.generate(photos=3, size=3000))
    (ninepic.home / "start.csv").write_text("SEP=;\nbib;name\n7;Anna\n")
    result = ninepic("bib", "--from-file", "start.csv", "--column", "bib", "-o", "out", "--json")
    assert (result.status, len(result.photos("downloaded"))) == (0, 1), result.err


def archive(*names: str) -> bytes:
    """A ZIP with these files in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            file.writestr(name, "application/vnd.oasis.opendocument.spreadsheet" if name == "mimetype" else "x")
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["Prénom", "Pre\u0301nom"])
@pytest.mark.parametrize("asked_for", ["PRÉNOM", "pre\u0301nom"])
def test_columns_match_in_any_normal_form_and_case(ninepic: Ninepic, sandbox: Start, form: str, asked_for: str) -> None:
    """A column is found by `--column` and by `{row[NAME]}` whatever its case and normal form."""
    sandbox(World.generate(photos=2, size=20_000))
    (ninepic.home / "start.csv").write_text(f"Bib;{form}\n7;Ann\n")
    name = f"{{row[{asked_for}]}}/{{filename}}"
    result = ninepic("bib", "--from-file", "start.csv", "--column", "BIB", "--name", name, "-o", "photos")
    assert result.status == 0, result.err
    assert len(list((ninepic.home / "photos/Ann").glob("*.jpg"))) == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (archive("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook, not a text file"),
        (archive("readme.txt"), "an Excel workbook or another ZIP archive, not a text file"),
        (archive("mimetype", "content.xml"), "an OpenDocument spreadsheet, not a text file"),
        (archive("Index/Document.iwa"), "a Numbers spreadsheet, not a text file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504), "an Excel workbook, not a text file"),
        (b"\r\n<HTML><table><tr><td>7</td></tr></table>", "a web page or XML document, not a list"),
        (b'<?xml version="1.0"?>\n<Workbook>', "a web page or XML document, not a list"),
    ],
)
@pytest.mark.parametrize("column", [[], ["--column", "bib"], ["--column", "bib", "--encoding", "cp1252"]])
def test_a_workbook_is_named(ninepic: Ninepic, sandbox: Start, data: bytes, words: str, column: list[str]) -> None:
    """A spreadsheet's own file, or a page called one, is named as what it is, before any request."""
    box = sandbox(World.generate(photos=2, size=20_000))
    (ninepic.home / "start.xlsx").write_bytes(data)
    result = ninepic("bib", "--from-file", "start.xlsx", *column)
    assert (result.status, words in result.err, box.requests) == (2, True, [])
    assert "start.xlsx" in result.err
    assert "save it as CSV (UTF-8) and use that file" in result.err


@pytest.mark.parametrize(
    ("data", "column", "words"),
    [
        ("7\n\n1234.0\n1235.0\n", [], "2 identifiers look like a number reformatted by a spreadsheet"),
        ("7\n\n1234.0\n1235.0\n", [], "first on line 3: '1234.0'"),
        ('name,bib\nx,7\ny,"1,234"\n', ["--column", "bib"], "1 identifier looks like a number"),
        ('name,bib\nx,7\ny,"1,234"\n', ["--column", "bib"], "line 3: '1,234'"),
        ("bib;x\n1.234;\n", ["--column", "bib"], "line 2: '1.234'"),
        ("bib;x\n1\u202f234;\n", ["--column", "bib"], "line 2: '1\\u202f234'"),
        ("bib;x\n1234,00;\n", ["--column", "bib"], "line 2: '1234,00'"),
        ("1.23457E+11\n", [], "line 1: '1.23457E+11'"),
        ('"1234.0"\n', [], "line 1: "),
    ],
)
def test_a_number_draws_a_warning(ninepic: Ninepic, sandbox: Start, data: str, column: list[str], words: str) -> None:
    """Identifiers that a spreadsheet took for numbers are asked for as they are; how many, and where, is said."""
    box = sandbox(World.generate(photos=2, size=20_000))
    (ninepic.home / "start.csv").write_text(data)
    result = ninepic("bib", "--from-file", "start.csv", *column, "-o", "photos")
    assert result.status == 4
    assert words in " ".join(result.err.split())
    assert box.requests
