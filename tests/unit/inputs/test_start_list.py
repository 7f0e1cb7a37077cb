"""Start lists: tables as spreadsheets save them, and what is wrong with them told by line."""

import io
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninepic_cli.errors import UsageError
from ninepic_cli.inputs.identifiers import Identifiers, Source, read_identifiers
from ninepic_cli.sandbox import Fault, Sandbox, World
from tests.support.command import Ninepic, Start

LIST = 'Bib;Name;Club\n7;Müller, Anna;SC Köln\n\n0042 ;"Bo ""B"" Li";\n7;Again;X\n;Nobody;\n'


def read(data: str | bytes, column: str = "bib", encoding: str | None = None) -> Identifiers:
    """What is asked for with a start list on standard input."""
    raw = data.encode() if isinstance(data, str) else data
    return read_identifiers([], Source("-", column, encoding), stdin=io.BytesIO(raw))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_as_spreadsheets_write_it(separator: str, encoding: str, line_end: str) -> None:
    """Separators, encodings and line ends do not matter; cells are trimmed, the first row of a bib counts."""
    text = LIST.replace("Müller, Anna", '"Müller, Anna"').replace(";", separator).replace("\n", line_end)
    asked = read(text.encode(encoding), encoding="cp1252" if encoding == "cp1252" else None)
    assert asked.identifiers == ["7", "0042"]
    assert asked.columns == ("Bib", "Name", "Club")
    assert asked.rows["7"] == {"Bib": "7", "Name": "Müller, Anna", "Club": "SC Köln"}
    assert asked.rows["0042"]["Name"] == 'Bo "B" Li'
    assert "1 of 4 rows have nothing in 'Bib'" in asked.warnings[0]


def test_small_ones() -> None:
    """A single column, a hint to the spreadsheet in front, a line break in a cell, a header without rows are fine."""
    assert read("bib\n1\n2\n").identifiers == ["1", "2"]
    assert read("sep=;\nbib;x\n1;a\n").identifiers == ["1"]
    for separator in ",;\t":
        assert read(f'"bib"{separator}"name"\n"1"{separator}"A, B; C"\n').rows["1"]["name"] == "A, B; C"
    assert read('bib,x\n1,"two\nlines"\n2,y\n').rows["2"] == {"bib": "2", "x": "y"}
    assert read("bib,x\n").identifiers == []
    assert read("x,BIB \n1,2\n").identifiers == ["2"]
    assert read("a;b,bib\n1;2,3\n").identifiers == ["3"]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "is empty", "names the columns"),
        ("\n \n", "is empty", "names the columns"),
        ("sep=;\nbib;name\n1;a\n2;b;c\n", "line 4: 3 cells where the header has 2", "mend"),
        ('"bib\n', "line 1: unexpected end", "quotation mark"),
        ("nr,name\n1,a\n", "has no column 'bib'", "'nr', 'name'"),
        ("bib,Bib\n1,2\n", "2 columns named 'bib'", "rename"),
        ("bib,name\n1,a\n2,b,c\n", "line 3: 3 cells where the header has 2", "mend"),
        ('bib,name\n1,"a\nb"\n2,c,d\n', "line 4: 3 cells where the header has 2", "mend"),
        ('bib,name\n1,"a\n', "line 2: unexpected end", "quotation mark"),
        ('bib,name\n1,"a"b\n', "line 2: ", "quotation mark"),
        (f"bib\n{'9' * 1001}\n", "line 2: longer than 1000", "one identifier"),
        ("bib\nx\x1by\n", "line 2: 'x\\x1by' has a control", "one identifier"),
        ("bib\n\x00\n", "line 2: this is not text", "--encoding cp1252"),
        (b"bib;name\n1;M\xfcller\n", "line 2: this is not text", "--encoding cp1252"),
    ],
)
def test_what_is_wrong_is_told_by_its_line(text: str | bytes, message: str, hint: str) -> None:
    """An empty or ragged table, a column that is not there, a cell that is none: a clear error."""
    with pytest.raises(UsageError) as caught:
        read(text)
    assert message in caught.value.message
    assert hint in str(caught.value.hint)


def test_what_goes_with_what() -> None:
    """Options about a file need one, an encoding must be one of text, and a table without --column says how."""
    for source, words in ((Source(None, "bib"), "--column"), (Source(None, None, "utf-8"), "--encoding")):
        with pytest.raises(UsageError, match=words):
            read_identifiers(["7"], source, stdin=io.BytesIO())
    for encoding in ("klingon", "base64", "rot13", ""):
        with pytest.raises(UsageError, match="--encoding"):
            read("bib\n1\n", encoding=encoding)
    with pytest.raises(UsageError) as caught:
        read_identifiers([], Source("-"), stdin=io.BytesIO(b"bib,name\n"))
    assert "--column NAME" in str(caught.value.hint)


@given(text=st.text(max_size=200), column=st.text(max_size=5))
def test_any_text_ends_in_a_list_or_an_error(text: str, column: str) -> None:
    """Whatever a table holds, it gives distinct identifiers with their rows, or a usage error."""
    try:
        asked = read(text.encode("utf-8", "replace"), column)
    except UsageError:
        return
    assert len(set(asked.identifiers)) == len(asked.identifiers)
    assert list(asked.rows) == asked.identifiers


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
    assert (missing.status, "has no column 'bib'" in missing.err) == (2, True)


def test_what_is_written_again_is_a_start_list(ninepic: Ninepic, sandbox: Callable[..., Sandbox]) -> None:
    """What has to be asked for again goes into a list for the same command, and never over the one that was read."""
    world = World.generate(photos=13, size=20_000)
    box = sandbox(world, faults=[Fault(path=world.bibs["7"][0], nth=1, status=400)])
    start, again = ninepic.home / "start.csv", ninepic.home / "again.csv"
    start.write_text('name,bib,club\n"Müller, Anna",7,SC\nBo,0042,\n', encoding="cp1252")
    words = ["--column", "bib", "--encoding", "cp1252", "--name", "{row[name]}/{filename}", "-o", "photos"]
    refused = ninepic("bib", "--from-file", start, *words, "--failed-to", start)
    assert (refused.status, "name another file" in refused.err, box.requests) == (2, True, [])
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
    assert "'7' (line 2) and '0042' (line 3) get names that differ in case alone, 'Ann/*.jpg' and 'ANN/*.jpg'" in text


def test_what_is_said_of_many_rows_is_short(ninepic: Ninepic, sandbox: Start) -> None:
    """Of many runners in one folder a few are named, of many such folders a few, with how many more there are."""
    sandbox(World.generate(photos=8, size=20_000))
    rows = "".join(f"{number};{name};\n" for name in "ABCDEFG" for number in (f"{name}1", f"{name}2"))
    text = warned(ninepic, *BY_NAME, rows=f"7;A;\nA9;A;\n{rows}")
    assert "'7' (line 2), 'A9' (line 3), 'A1' (line 4) and 1 more get the same names, 'A/*.jpg'" in text
    assert text.count("get the same names") == 5
    assert "start.csv: and 2 more like this" in text


def test_photos_of_one_person_are_no_collision(ninepic: Ninepic, sandbox: Start) -> None:
    """Rows of photos may share a folder, as photos have names of their own."""
    box = sandbox(World.generate(photos=4, size=20_000))
    one, two = list(box.world.photos)[:2]
    rows = f"{one};Ann;\n{two};Ann;\n"
    assert "warning" not in warned(ninepic, *BY_NAME, rows=rows, command="images")
