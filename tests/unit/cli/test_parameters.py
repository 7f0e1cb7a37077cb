"""Values on the command line."""

import pytest

from ninepic_cli.cli.parameters import parse_rate, parse_time
from ninepic_cli.errors import UsageError


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


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("500K", 512_000),
        ("1.5M", 1_572_864),
        ("1024", 1024),
        ("1024B/s", 1024),
        ("2g", 2 << 30),
        (" 1m ", 1 << 20),
        ("3MB/s", 3 << 20),
        ("1MiB", 1 << 20),
        ("1.5 MiB/s", 3 << 19),
        ("64kib/s", 64 << 10),
        ("1M/s", 1 << 20),
        ("10Mbit", 1_250_000),
        ("10mbit/s", 1_250_000),
        ("0.5 Gbit/s", 62_500_000),
        ("8192bits", 1024),
    ],
)
def test_rates(text: str, rate: int) -> None:
    """A rate is a number of bytes, or of 1024s of them, as curl has it, or of bits, which go by 1000s."""
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text", ["", "fast", "-1K", "1.K", "1KK", "9" * 20, "1e6", "K", "1iB", "5Kib it", "10Mibit", "10Mbps", "1M/m"]
)
def test_what_is_no_rate(text: str) -> None:
    """What is no rate is an error that shows what to write."""
    with pytest.raises(UsageError, match=r"expected a rate like 500K, 1\.5M, 1MiB or 10Mbit"):
        parse_rate(text)


@pytest.mark.parametrize("text", ["0", "500", "1000", "0.9K", "8Kbit"])
def test_rates_that_get_nowhere(text: str) -> None:
    """A rate at which no photo would ever arrive is an error that says how much is needed."""
    with pytest.raises(UsageError, match="must be at least 1K"):
        parse_rate(text)
