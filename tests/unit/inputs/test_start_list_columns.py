"""Start lists with columns of one name, and with the hint that spreadsheets write for themselves."""

import pytest

from ninepic_cli.inputs.start_list import read_table
from ninepic_cli.sandbox import World
from tests.support.command import Ninepic, Start


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


@pytest.mark.parametrize("hint", ["sep=", "SEP=", "Sep=", "sEP="])
@pytest.mark.parametrize("separator", [";", ",", "\t"])
def test_the_hint_of_a_spreadsheet_in_any_case(hint: str, separator: str) -> None:
    """A first line that names the separator is no header, in whatever case it is written."""
    table = read_table("start.csv", f"{hint}{separator}\nbib;name\n7;Anna\n".replace(";", separator), "bib")
    assert table.columns == ("bib", "name")
    assert [(row.line, dict(row.cells)) for row in table.rows] == [(3, {"bib": "7", "name": "Anna"})]


def test_the_command_reads_the_hint_in_capitals(ninepic: Ninepic, sandbox: Start) -> None:
    """A list that begins with `SEP=;` is read as any other."""
    sandbox(World.generate(photos=3, size=3000))
    (ninepic.home / "start.csv").write_text("SEP=;\nbib;name\n7;Anna\n")
    result = ninepic("bib", "--from-file", "start.csv", "--column", "bib", "-o", "out", "--json")
    assert (result.status, len(result.photos("downloaded"))) == (0, 1), result.err
