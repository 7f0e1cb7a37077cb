"""How fast bytes are taken from the network."""

import time
from contextlib import suppress
from pathlib import Path

import pytest

from ninepic_cli.cli.request import parse_rate
from ninepic_cli.errors import UsageError
from ninepic_cli.net.rate_limit import RateLimit
from ninepic_cli.sandbox import World
from tests.support.command import Ninepic, Start


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


def on_disk(folder: Path) -> int:
    """Bytes of photos and partials."""
    size = 0
    for path in folder.glob("**/*.[jp]*"):
        with suppress(FileNotFoundError):  # a partial that is a photo now
            size += path.stat().st_size
    return size


def test_the_command_keeps_to_it(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """Photos come at the rate that was asked for, steadily, and whole; a slow rate is no time-out."""
    world = World.generate(photos=12, size=200_000)
    box = sandbox(world)
    process = ninepic.start("bib", "1234", "-o", tmp_path, "--limit-rate", "400K", "-j", "4", "--timeout", "1", "-v")
    counts: list[tuple[float, int]] = []
    while process.poll() is None:
        counts.append((time.monotonic(), on_disk(tmp_path)))
        time.sleep(0.05)
    assert process.returncode == 0, process.communicate()[1]
    process.communicate()
    moving = [(at_s, size) for at_s, size in counts if 300_000 < size < 2_300_000]
    seconds, size = moving[-1][0] - moving[0][0], moving[-1][1] - moving[0][1]
    assert size / seconds == pytest.approx(400 << 10, rel=0.1)
    assert all(world.photo_bytes(path.stem) == path.read_bytes() for path in tmp_path.glob("*.jpg"))
    assert [request.status for request in box.requests_to("store")] == [200] * 12


def test_a_wrong_rate_is_told_at_once(ninepic: Ninepic) -> None:
    """It is a usage error before anything is asked."""
    result = ninepic("bib", "7", "--event", "3", "--limit-rate", "fast")
    assert (result.status, "--limit-rate 'fast'" in result.err) == (2, True)
