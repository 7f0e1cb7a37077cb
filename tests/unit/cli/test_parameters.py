"""Values on the command line."""

import pytest

from ninepic_cli.cli.parameters import parse_time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 30.0),
        ("0", 0.0),
        ("0.5", 0.5),
        (".5", 0.5),
        ("30s", 30.0),
        ("1.5m", 90.0),
        ("2h", 7200.0),
        ("2 H", 7200.0),
        (" 10S ", 10.0),
    ],
)
def test_times(text: str, seconds: float) -> None:
    """A time is a number of seconds, or has its unit."""
    assert parse_time(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "abc", "-1", "1e3", "inf", "nan", "1d", "1m30", "1:30", "1_0", "१", "9" * 20]
)
def test_what_is_no_time(text: str) -> None:
    """What is no time says what is expected."""
    with pytest.raises(ValueError, match=r"expected seconds or a time like 30s, 1\.5m, 2h"):
        parse_time(text)
