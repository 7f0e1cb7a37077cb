"""What `--failed-to` writes is read back the same: lists and start lists, whatever is in them and in any encoding."""

import csv
import io
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from ninepic_cli import normalize
from ninepic_cli.errors import UsageError
from ninepic_cli.inputs.identifiers import Identifiers, Source, read_identifiers
from ninepic_cli.report.failed_list import check_rereadable, list_data, table_data

ENCODINGS = st.sampled_from([None, "utf-8", "utf-16", "cp1252"])
MARKS = [*",;\t\"\r\n#='<@+- ", "\ufeff", "\u200b", "\u200d", "\xa0", "\u2028", "\x85", "sep=", "SEP=;", '="', '""']
WORDS = ["7", "0042", "bib", "Ann", "Müller", "e\u0301", "\uff17", "\u0915"]
TEXT = st.lists(st.sampled_from([*MARKS, *WORDS]) | st.characters(), max_size=6).map("".join)
ROWS = st.lists(st.lists(TEXT, min_size=4, max_size=4), max_size=5)


def tried(examples: int) -> settings:
    """How often a property is tried."""
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )


def read(data: bytes, column: str | None, encoding: str | None, arguments: Sequence[str] = ()) -> Identifiers:
    """What is asked for, of which all can be written again; what cannot be is another test's matter."""
    try:
        asked = read_identifiers(arguments, Source("-", column, encoding), stdin=io.BytesIO(data))
        check_rereadable(asked, encoding)
    except UsageError:
        assume(condition=False)
    return asked


@given(text=TEXT)
@tried(150)
@example('"="" 0123 """')
@example("'\u200d'")
@example("\ufeff \ufeff1")
@pytest.mark.parametrize("function", ["identifier", "cell", "column_name", "column_key", "value", "path"])
def test_what_is_clean_stays_as_it_is(function: str, text: str) -> None:
    """Text that was cleaned is not changed by cleaning it again."""
    once = getattr(normalize, function)(text)
    assert getattr(normalize, function)(once) == once


@given(identifiers=st.lists(TEXT, min_size=1, max_size=5), encoding=ENCODINGS)
@tried(150)
@example(["<html>"], None)
@example(["Müller", "7"], "cp1252")
@example(["Müller", "7"], "utf-16")
def test_a_list(identifiers: list[str], encoding: str | None) -> None:
    """A list that was written has the identifiers that were asked for, in their order."""
    asked = read(b"", None, encoding, identifiers)
    written = list_data(asked.identifiers, encoding)
    assert read_identifiers([], Source("-", None, encoding), stdin=io.BytesIO(written)).identifiers == asked.identifiers


@given(header=st.lists(TEXT, min_size=3, max_size=3), rows=ROWS, encoding=ENCODINGS)
@tried(150)
@example(["sep=,", "x,bib,y,z", "n"], [["7", "a", "b\rc", '="d"']], None)
@example(["<html>", "x", "y"], [["7", "'t Hooft", "'0123", "\n"]], None)
def test_a_start_list(header: list[str], rows: list[list[str]], encoding: str | None) -> None:
    """A start list that was written has the same columns, and the same rows for the same identifiers."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows([[*header, "bib"], *rows])
    asked = read(text.getvalue().encode(encoding or "utf-8", "ignore"), "bib", encoding)
    written = table_data(asked, encoding, asked.identifiers)
    if not asked.identifiers:
        assert written == b""
        return
    found = read_identifiers([], Source("-", "bib", encoding), stdin=io.BytesIO(written))
    assert (found.identifiers, found.columns, found.rows) == (asked.identifiers, asked.columns, asked.rows)
    assert [(identifier, row.cells) for identifier, row in found.repeats] == [
        (identifier, row.cells) for identifier, row in asked.repeats
    ]
