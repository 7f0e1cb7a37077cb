"""A reader that stands still."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ninepic_cli.sandbox import Sandbox, World
from tests.support.command import Ninepic


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_whose_output_nobody_reads(
    ninepic: Ninepic, sandbox: Callable[..., Sandbox], tmp_path: Path, number: signal.Signals
) -> None:
    """A run that waits for a reader of its lines dies of the first signal all the same."""
    box = sandbox(World.generate(photos=600, size=2000))
    process = ninepic.start("bib", "1234", "-o", tmp_path / "photos", "--json")
    count, deadline_s = -1, time.monotonic() + 30
    while count != len(box.requests_to("store")) or count < 60:  # until the pipe is full
        assert time.monotonic() < deadline_s
        count = len(box.requests_to("store"))
        time.sleep(0.5)
    assert count < 600
    process.send_signal(number)
    assert process.wait(timeout=10) == -number
    process.communicate()
