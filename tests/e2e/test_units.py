"""Times and rates: with units, as people write them."""

import time

import pytest

from ninepic_cli.sandbox import Fault, World
from tests.support.command import Ninepic, Start


@pytest.mark.parametrize(
    "text", ["1s", *(pytest.param(each, marks=pytest.mark.slow) for each in ("1", "0.02m", "0.0003h"))]
)
def test_a_stall_is_as_long_as_the_time_says(ninepic: Ninepic, sandbox: Start, text: str) -> None:
    """--timeout is seconds, or a time with its unit."""
    sandbox(World.generate(photos=1), faults=[Fault("store", silent=True)])
    start_s = time.monotonic()
    result = ninepic("bib", "1234", "--timeout", text, "--retries", 0)
    assert (result.status, time.monotonic() - start_s < 10) == (5, True), result.err


def test_ping_takes_a_time(ninepic: Ninepic, sandbox: Start) -> None:
    """--timeout of `ping` is a time likewise."""
    sandbox(World.generate(photos=1))
    assert ninepic("ping", "--timeout", "1.5m").status == 0


@pytest.mark.slow
def test_a_host_is_given_up_after_a_time(ninepic: Ninepic, sandbox: Start) -> None:
    """--give-up-after is a time likewise."""
    sandbox(World.generate(photos=1), faults=[Fault("store", status=503, headers={"Retry-After": "90"})])
    result = ninepic("bib", "1234", "--give-up-after", "1m", timeout=30)
    assert result.status == 6, result.err


@pytest.mark.parametrize("option", ["--timeout", "--give-up-after"])
def test_what_is_no_time(ninepic: Ninepic, option: str) -> None:
    """What is no time is a usage error that says what one looks like."""
    result = ninepic("bib", "1234", option, "abc")
    assert result.status == 2
    assert f"invalid {option} 'abc': expected seconds or a time like 30s, 1.5m, 2h" in result.err


@pytest.mark.parametrize(
    "text", ["100K", *(pytest.param(each, marks=pytest.mark.slow) for each in ("102400B/s", "0.8192Mbit/s"))]
)
def test_a_rate_is_kept(ninepic: Ninepic, sandbox: Start, text: str) -> None:
    """--limit-rate is bytes, or bits: 200,000 bytes take about two seconds at 100 KiB a second."""
    sandbox(World.generate(photos=1, size=200_000))
    result = ninepic("bib", "1234", "--limit-rate", text, "--json")
    assert result.status == 0, result.err
    assert 1.5 < result.json[-1]["seconds"] < 6


def test_what_is_no_rate(ninepic: Ninepic) -> None:
    """What is no rate is a usage error that says what one looks like."""
    result = ninepic("bib", "1234", "--event", "1", "--limit-rate", "fast")
    assert result.status == 2
    assert "invalid --limit-rate 'fast': expected a rate like 500K, 1.5M, 1MiB or 10Mbit" in result.err
