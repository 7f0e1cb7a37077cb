"""How fast bytes are taken from the network."""

import pytest

from ninepic_cli.net.rate_limit import RateLimit


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
