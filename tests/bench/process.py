"""Processes of the benchmark's own: they say where they listen, and end when they are no longer needed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"


@contextmanager
def server(module: str, *args: object) -> Iterator[int]:
    """Run a module of this package that serves until its standard input ends; the port that it prints."""
    command = [sys.executable, "-m", f"{__package__}.{module}", *map(str, args)]
    # A group of its own: Ctrl-C is for the benchmark, which ends the others in order.
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.stdout.close()
        ended(process)


def end_with_stdin() -> None:
    """Let this process end as soon as its standard input does: with its parent, however that ends."""
    threading.Thread(target=_wait_for_end, daemon=True).start()


def _wait_for_end() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    os._exit(0)


def ended(process: subprocess.Popen[bytes]) -> None:
    """See that a process that was told to end has ended."""
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads a group, and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
