"""Lists as spreadsheets, web sites and phones hand them over: cleaned where that is certain, named where it is not."""

import io
import time
from contextlib import suppress

import pytest

from ninepic_cli import normalize
from ninepic_cli.errors import UsageError
from ninepic_cli.filesystem.template import Naming, Template
from ninepic_cli.inputs.identifiers import Identifiers, Source, read_identifiers
from ninepic_cli.models import Method, Photo


def read(data: str | bytes, column: str | None = None, encoding: str | None = None) -> Identifiers:
    """What is asked for with a file on standard input."""
    raw = data.encode() if isinstance(data, str) else data
    return read_identifiers([], Source("-", column, encoding), stdin=io.BytesIO(raw))


CELLS = [
    '="0123"',
    "'0123",
    "'0123'",
    '"0123"',
    ' "0123" ',
    '"=""0123"""',
    "\ufeff\ufeff0123",
    "01\u200b23\u200e",
    "\u202a0123\u202c",
    "\u20660123\u2069",
    "01\u00ad23",
    "01\ufeff23",
    "01\u206023",
    "01\u200d23",
    "\u00a00123\u3000",
    "\uff10\uff11\uff12\uff13",
    "\U0001d7ce\U0001d7cf\U0001d7d0\U0001d7d1",
]


@pytest.mark.parametrize("cell", CELLS, ids=ascii)
def test_an_identifier_is_the_same_wherever_it_stands(cell: str) -> None:
    """What spreadsheets and copying add is undone on the command line, in lists and in columns alike."""
    assert read_identifiers([cell], Source(), stdin=io.BytesIO()).identifiers == ["0123"]
    assert read(f"{cell}\n").identifiers == ["0123"]
    assert read(f"7\r\n\ufeff{cell}\r\n").identifiers == ["7", "0123"]
    quoted = '"' + cell.replace('"', '""') + '"'
    assert read(f"name;bib\nAnn;{quoted}\n", "bib").identifiers == ["0123"]


@pytest.mark.parametrize("cell", ["A\uff0d12", "A\uff0f12", "\uff2112", "A\u00a012"])
def test_full_width_letters_and_odd_spaces(cell: str) -> None:
    """What an input method writes wide, and no-break spaces within, are what a keyboard writes."""
    (found,) = read(cell).identifiers
    assert found in {"A-12", "A/12", "A12", "A 12"}


@pytest.mark.parametrize("text", ["\u200b", "\ufeff", "''", '""', '=""', "\u00a0"])
def test_nothing_but_what_nobody_sees(text: str) -> None:
    """An identifier of which nothing is left is empty: an error where it was typed, else passed over."""
    with pytest.raises(UsageError, match=r"^empty identifier"):
        read_identifiers([text], Source(), stdin=io.BytesIO())
    assert read(f"{text}\n7\n").identifiers == ["7"]


@pytest.mark.parametrize(
    "header", ["Bib", "Bib\u00a0", " \u00a0bib \t", '"bib\r\n"', '"\nbib"', "\u200bbib", '"=""bib"""', "'bib'", "BIB"]
)
@pytest.mark.parametrize("mark", ["", "\ufeff", "\ufeff\ufeff", "sep=;\n", "\ufeffsep=;\r\n"])
def test_a_header_cell_is_its_words(mark: str, header: str) -> None:
    """Line breaks, no-break spaces, invisible characters and marks around a column's name do not matter."""
    asked = read(f"{mark}{header};name\n7;Ann\n", "bib")
    assert (asked.identifiers, asked.rows["7"]["name"]) == (["7"], "Ann")


def test_white_space_within_a_column_s_name() -> None:
    """A line break or a no-break space between the words of a name is a space."""
    for header in ('"Start\nnumber"', '"Start\r\n  number"', "Start\u00a0number", "Start  number"):
        assert read(f"{header};name\n7;Ann\n", "start number").columns == ("Start number", "name")


@pytest.mark.parametrize("form", ["Prénom", "Pre\u0301nom"])
@pytest.mark.parametrize("asked_for", ["PRÉNOM", "pre\u0301nom"])
def test_a_column_is_found_in_any_normal_form_and_case(form: str, asked_for: str) -> None:
    """The column of the identifiers is the one whose name is the same but for its case and normal form."""
    assert read(f"name;{form}\nAnn;7\n", asked_for).identifiers == ["7"]


def test_an_exact_name_comes_first() -> None:
    """Of two columns that differ in case only, `{row[NAME]}` is the one that is spelled so."""
    asked = read("bib;name;NAME\n7;a;b\n", "bib")
    photo = Photo("1", "", ".jpg", "7", Method.BIB, 1)
    for text, folder in (("name", "a"), ("NAME", "b"), ("Name", "a")):
        naming = Naming(Template(f"{{row[{text}]}}/{{filename}}", columns=asked.columns), 1, asked.rows)
        assert naming.parts(photo)[0] == folder


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff", "\ufeff\ufeff"])
def test_utf_16_without_a_mark(mark: str, codec: str) -> None:
    """UTF-16 is known without a byte-order mark, and with two."""
    assert read(f"{mark}7\r\n0042\r\n".encode(codec)).identifiers == ["7", "0042"]
    table = f"{mark}bib\tname\r\n7\tĀnn Müller\r\n0042\t王小明 (Łódź)\r\n"
    assert read(table.encode(codec), "bib").rows["0042"]["name"] == "王小明 (Łódź)"


def test_what_is_no_number_draws_none() -> None:
    """Bibs with points, commas and letters that no spreadsheet makes are nothing to warn of."""
    assert not any(map(normalize.is_formatted_number, ["7", "0042", "1.5", "12.34", "M1,2", "1E5", "A.000", "12 345"]))


@pytest.mark.parametrize(
    "rows", ["7;Ann\n0042\n", "7;Ann;\n0042;;\n", "7;Ann;;;; \n0042;\n", '7;Ann\n"0042"\n;;\n', "7;Ann\n0042;\u00a0;\n"]
)
def test_empty_last_cells_do_not_matter(rows: str) -> None:
    """A row short of its empty last cells, or with empty cells too many, is a row."""
    for header in ("bib;name;club\n", "bib;name;\n"):
        asked = read(header + rows, "bib")
        assert asked.identifiers == ["7", "0042"]
        assert (asked.rows["7"]["name"], asked.rows["0042"]["name"]) == ("Ann", "")


def test_a_row_that_does_not_reach_the_column() -> None:
    """A row too short to have an identifier is told as one without."""
    asked = read("name;bib\nAnn;7\nBo\n", "bib")
    assert asked.identifiers == ["7"]
    assert asked.warnings == ("standard input: 1 of 2 rows have no value in column 'bib'",)


def test_cells_too_many_that_say_something() -> None:
    """A row with more in it than the header has names for is an error with its line."""
    with pytest.raises(UsageError, match="line 3: 3 cells, but the header has 2"):
        read("bib;name\n7;Ann\n8;Bo;Li\n", "bib")


def test_names_keep_their_apostrophes() -> None:
    """An apostrophe that begins a name stays; one that marks text goes, as do a formula and a line break."""
    row = read('bib;a;b;c;d\n7;\'t Hooft;\'0042;"=""x y""";"two\r\nlines"\n', "bib").rows["7"]
    assert row == {"bib": "7", "a": "'t Hooft", "b": "0042", "c": "x y", "d": "two lines"}


def test_a_mark_contradicts_an_encoding() -> None:
    """A byte-order mark of UTF-8 is not taken for three letters of another encoding."""
    for encoding in ("utf-8", "UTF8", "utf-8-sig", None):
        assert read(b"\xef\xbb\xbfbib\n7\n", "bib", encoding).identifiers == ["7"]
    with pytest.raises(UsageError, match="encoded in UTF-8, not 'cp1252'"):
        read(b"\xef\xbb\xbfbib\n7\n", "bib", "cp1252")


def test_an_empty_column_is_an_error() -> None:
    """`--column` without a name is an unset variable."""
    with pytest.raises(UsageError, match=r"^empty --column"):
        read("bib;\n7;\n", " ")


@pytest.mark.parametrize("text", ["'" * 99_000, '"' * 99_000, ".jpg" * 20_000, "\u200b" * 99_000, "\"'" * 40_000])
def test_what_has_no_end_is_cleaned_soon(text: str) -> None:
    """A long run of what is taken away costs neither time nor depth, wherever it stands."""
    began_s = time.process_time()
    for function in (normalize.identifier, normalize.cell, normalize.column_name, normalize.value, normalize.path):
        function(text)
    for column in (None, "bib"):
        for method in (Method.BIB, Method.IMAGES):
            with suppress(UsageError):
                read_identifiers([], Source("-", column), stdin=io.BytesIO(f"bib\n{text}\n".encode()), method=method)
    assert time.process_time() - began_s < 10  # a step for each pair of characters would take an hour
