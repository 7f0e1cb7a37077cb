"""How soon a command does something: from its start to its end, or to its first request."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from .measure import Measured, measure
from .peers import NINEPIC
from .process import LOOPBACK, kill_group
from .table import Section

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .workbench import Bench

PYTHON = "python -c pass"
VERSION = f"{NINEPIC} --version"
HELP = f"{NINEPIC} bib --help"
REQUEST = f"{NINEPIC} bib 1, to its first request"
HELLO = "the same by https, to its TLS hello"
GOALS = {VERSION: 1.6, HELP: 12, REQUEST: 15}
PATIENCE_S = 60


def startup(bench: Bench) -> list[Section]:
    """Start-up times, against Python's own."""
    command = next(iter(bench.ninepics.values()))
    environ = {name: value for name, value in bench.environ.items() if name != "SSL_CERT_FILE"}
    ends: dict[str, Sequence[object]] = {
        PYTHON: [sys.executable, "-c", "pass"],
        VERSION: [command, "--version"],
        HELP: [command, "bib", "--help"],
    }
    runs: dict[str, list[Measured]] = {name: [] for name in (*ends, REQUEST, HELLO)}
    for turn in range(1 + 4 * bench.turns(5)):
        taken = {name: measure(words, cwd=bench.home, environ=environ) for name, words in ends.items()}
        taken[REQUEST] = _first_bytes(bench, command, environ, "http")
        taken[HELLO] = _first_bytes(bench, command, environ, "https")
        if turn:  # the first compiles Python's modules
            for name, run in taken.items():
                runs[name].append(run)
    section = Section("start-up", runs, yardstick=PYTHON)
    for name, limit in GOALS.items():
        section.hold("wall_s", name, PYTHON, limit)
    return [section]


def _first_bytes(bench: Bench, command: Path, environ: Mapping[str, str], scheme: str) -> Measured:
    """Start a download and end it when its first bytes have come; what else it takes is not known."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        listener.settimeout(PATIENCE_S)
        base = {"NINEPIC_BASE_URL": f"{scheme}://{LOOPBACK}:{listener.getsockname()[1]}"}
        start = time.perf_counter()
        process = subprocess.Popen(
            [command, "bib", "1", "-q"], cwd=bench.home, env={**environ, **base}, start_new_session=True
        )
        try:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(PATIENCE_S)
                connection.recv(1)
                return Measured(time.perf_counter() - start, 0, 0)
        finally:
            kill_group(process)
