"""How fast bytes are taken from the network."""

import pytest

from ninepic_cli.cli.request import parse_rate
from ninepic_cli.errors import UsageError
from ninepic_cli.net.rate_limit import RateLimit


@pytest.mark.parametrize(
    ("text", "rate"),
    [("500K", 512_000), ("1.5M", 1_572_864), ("1024", 1024), ("2g", 2 << 30), (" 1m ", 1 << 20), ("3MB/s", 3 << 20)],
)
def test_rates(text: str, rate: int) -> None:
    """A rate is a number of bytes, or of 1024s of them, as curl has it."""
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "0", "fast", "-1K", "1000", "1.K", "1KK", "9" * 20, "1e6", "K"])
def test_what_is_no_rate(text: str) -> None:
    """What is no rate, or so little that no photo would ever arrive, is an error that shows what to write."""
    with pytest.raises(UsageError) as caught:
        parse_rate(text)
    assert "500K" in str(caught.value.hint)


def test_it_is_steady_whatever_comes_at_once() -> None:
    """Over ten seconds of many takers the rate is kept, an idle time is not made up for, a late one costs little."""
    now_s = 100.0
    limit = RateLimit(1000, connections=4, clock=lambda: now_s)
    now_s += 50  # nothing to do for a while
    taken, end_s = 0, now_s + 10
    while now_s < end_s:
        taken += 100
        now_s += limit.wait_s(100)
    assert taken == pytest.approx(10_000, rel=0.02)


def test_pieces_are_small_where_the_rate_is() -> None:
    """What is taken at once, and what may wait in the system, is a moment's worth over all connections."""
    slow, fast = RateLimit(200 << 10, connections=8), RateLimit(1 << 30, connections=8)
    assert slow.piece_bytes * 8 <= (200 << 10) / 20
    assert slow.socket_bytes == 16 << 10
    assert fast.piece_bytes == 256 << 10
