"""Text from elsewhere and quantities for people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninepic_cli.text import encodable, one_line, size_text, time_text

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("IMG_0001.jpg", "IMG_0001.jpg"),
        ("写真 été.jpg", "写真 été.jpg"),
        ("[red]x[/b].jpg", "[red]x[/b].jpg"),
        ("two\nlines\tand\r\nmore  ", "two lines and more"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b31mred", r"\x9b31mred"),
        ("a\u202egpj.exe", r"a\u202egpj.exe"),
        ("a\x00b\x7f", r"a\x00b\x7f"),
        ("lone \udcff surrogate", r"lone \udcff surrogate"),
        ("paragraph\u2029separator", "paragraph separator"),
    ],
)
def test_what_could_move_a_cursor_is_shown_as_an_escape(text: str, line: str) -> None:
    """Letters stay, white space becomes single spaces, control and direction characters become visible."""
    assert one_line(text) == line


@given(ANY_TEXT)
def test_any_text_becomes_one_harmless_line_of_limited_length(text: str) -> None:
    """Whatever comes in, the result is printable, short and can be encoded."""
    line = one_line(text, 50)
    assert line.isprintable()
    assert len(line) <= 50
    line.encode()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
@given(text=ANY_TEXT)
def test_encodable_text_passes_a_strict_stream(encoding: str, text: str) -> None:
    """What the encoding lacks is shown as an escape, so that writing it cannot fail."""
    encodable(one_line(text), encoding).encode(encoding, "strict")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (612_300_000, "612.3 MB"),
        (999_960_000, "1.0 GB"),
        (15_200_000_000, "15.2 GB"),
        (3_000_000_000_000, "3.0 TB"),
    ],
)
def test_sizes_are_in_units_of_1000(size: int, text: str) -> None:
    """A size has one decimal and the unit that leaves at most three digits before it."""
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.84, "0.8 s"),
        (5, "5 s"),
        (9.96, "10 s"),
        (41.4, "41 s"),
        (59.7, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (7530, "2 h 5 min"),
    ],
)
def test_times_show_their_two_largest_units(seconds: float, text: str) -> None:
    """A length of time is told in at most two units."""
    assert time_text(seconds) == text
