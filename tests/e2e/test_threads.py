"""A system that lets a process start only so many threads."""

import shutil
import signal
import sys
from pathlib import Path

import pytest

from ninepic_cli.sandbox import Fault, World
from tests.support.clock import until
from tests.support.command import Ninepic, Start, another_user
from tests.support.files import whole

WORKERS = 8
LISTER = 1
UID = 54321  # whose threads nobody else counts


def allowing(threads: int) -> str:
    """What lets a Python start so many threads and no more."""
    return f"""
import threading
real, left = threading.Thread.start, list(range({threads}))
def start(self):
    if not left:
        raise RuntimeError("can't start new thread")
    left.pop()
    real(self)
threading.Thread.start = start
"""


@pytest.mark.parametrize("workers", [1, 3, 7])
def test_fewer_workers(ninepic: Ninepic, sandbox: Start, workers: int) -> None:
    """With some of the threads that were wanted all photos arrive, and one warning says how many there are and why."""
    world = World.generate(photos=20, size=4000)
    sandbox(world)
    result = ninepic.after(allowing(LISTER + workers))("bib", "1234", "-o", "out")
    assert result.status == 0, result.err
    assert whole(world, ninepic.home / "out") == set(world.photos)
    assert result.err.count("warning") == 1
    assert f"{workers} parallel downloads instead of 8: thread limit reached" in result.err
    assert "pids.max" in result.err


@pytest.mark.parametrize("threads", [0, 1])
def test_no_worker(ninepic: Ninepic, sandbox: Start, threads: int) -> None:
    """Without a thread to list or to fetch the run ends with 7, and everything is told that a run tells."""
    sandbox(World.generate(photos=3, size=4000))
    command = ninepic.after(allowing(threads))
    result = command("bib", "1234", "-o", "out", "--json", "--failed-to", "failed.txt")
    assert result.status == 7
    assert "cannot start more threads" in result.err
    assert "Traceback" not in result.err
    summary = result.json[-1]
    assert (summary["type"], summary["exit_code"]) == ("summary", 7)
    assert (ninepic.home / "failed.txt").read_text() == "1234\n"
    assert ninepic("bib", "1234", "-o", "out", "--from-file", "failed.txt").status == 0


def test_a_signal_needs_none(ninepic: Ninepic, sandbox: Start) -> None:
    """A run that a signal ends does so in order, although no thread can be started meanwhile."""
    box = sandbox(World.generate(photos=WORKERS, size=200_000), faults=[Fault(trickle_bps=20_000)])
    process = ninepic.after(allowing(LISTER + WORKERS)).start("bib", "1234", "-o", "out")
    until(lambda: len(box.requests_to("store")) == WORKERS)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGTERM
    assert "terminated by SIGTERM: " in err
    assert "Traceback" not in err


@pytest.mark.parametrize("threads", [0, 1])
def test_the_demo(ninepic: Ninepic, threads: int) -> None:
    """A demo whose service cannot be started says so, in one sentence."""
    result = ninepic.after(allowing(threads))("demo", "-o", "out")
    assert result.status == 7
    assert "cannot start more threads" in result.err
    assert "Traceback" not in result.err


def test_a_key_from_a_command(ninepic: Ninepic, sandbox: Start) -> None:
    """A command that is to print the key, and cannot be listened to, is ended, and the reason told."""
    box = sandbox(World.generate(photos=1, size=4000))
    ninepic.environment.pop("NINEPIC_API_KEY")
    ninepic("config", "set", "api-key-command", f"echo {box.world.api_key}")
    assert ninepic("ping").status == 0
    result = ninepic.after(allowing(0))("ping")
    assert result.status == 7
    assert "cannot start more threads" in result.err


def test_a_limit_of_processes(ninepic: Ninepic, sandbox: Start, shared: Path) -> None:
    """A user who may have five threads gets all photos, by the four that there are besides the first."""
    world = World.generate(photos=20, size=4000)
    sandbox(world)
    another_user([])  # skips, where that cannot be
    if shutil.which("prlimit") is None:
        pytest.skip("needs prlimit")
    words = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
    limited = ninepic.by("prlimit", "--nproc=5", *words, *ninepic.command)
    result = limited("bib", "1234", "-o", shared / "out", HOME=str(shared))
    assert result.status == 0, result.err
    assert whole(world, shared / "out") == set(world.photos)
    assert "parallel downloads instead of 8: thread limit reached" in result.err


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere memory is counted in other ways")
def test_a_limit_of_memory(ninepic: Ninepic, sandbox: Start) -> None:
    """With too little memory for the stacks of all threads, the photos arrive by those that there is room for."""
    world = World.generate(photos=20, size=4000)
    sandbox(world)
    result = ninepic.under("ulimit -s 65536; ulimit -v 400000")("bib", "1234", "-o", "out")
    assert result.status == 0, result.err
    assert whole(world, ninepic.home / "out") == set(world.photos)
    assert "thread limit reached" in result.err
