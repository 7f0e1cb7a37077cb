"""Start lists: tables as spreadsheets save them, and what is wrong with them told by line."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninepic_cli.errors import UsageError
from ninepic_cli.inputs.identifiers import Identifiers, Source, read_identifiers
from ninepic_cli.inputs.start_list import read_table

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
    assert "1 of 4 rows have no value in column 'Bib'" in asked.warnings[0]


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
        ("", "empty file, no header", "must have the column names"),
        ("\n \n", "empty file, no header", "must have the column names"),
        ("sep=;\nbib;name\n1;a\n2;b;c\n", "line 4: 3 cells, but the header has 2", "correct that line"),
        ('"bib\n', "line 1: unexpected end", "quotation mark"),
        ("nr,name\n1,a\n", "no column 'bib'", "'nr', 'name'"),
        ("bib,Bib\n1,2\n", "2 columns named 'bib'", "rename"),
        ("bib,name\n1,a\n2,b,c\n", "line 3: 3 cells, but the header has 2", "correct that line"),
        ('bib,name\n1,"a\nb"\n2,c,d\n', "line 4: 3 cells, but the header has 2", "correct that line"),
        ('bib,name\n1,"a\n', "line 2: unexpected end", "quotation mark"),
        ('bib,name\n1,"a"b\n', "line 2: ", "quotation mark"),
        (f"bib\n{'9' * 1001}\n", "line 2: longer than 1000", "one identifier"),
        ("bib\nx\x1by\n", "line 2: 'x\\x1by' contains a control", "one identifier"),
        ("bib\n\x00\n", "line 2: not a text file", "--encoding cp1252"),
        (b"bib;name\n1;M\xfcller\n", "line 2: not valid UTF-8", "--encoding cp1252"),
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


@pytest.mark.parametrize("hint", ["sep=", "SEP=", "Sep=", "sEP="])
@pytest.mark.parametrize("separator", [";", ",", "\t"])
def test_the_hint_of_a_spreadsheet_in_any_case(hint: str, separator: str) -> None:
    """A first line that names the separator is no header, in whatever case it is written."""
    table = read_table("start.csv", f"{hint}{separator}\nbib;name\n7;Anna\n".replace(";", separator), "bib")
    assert table.columns == ("bib", "name")
    assert [(row.line, dict(row.cells)) for row in table.rows] == [(3, {"bib": "7", "name": "Anna"})]
