"""What a command takes: time, processor, memory."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .process import kill_group

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

TOO_LONG_S = 600

# A process's peak counts that of the process it was forked from, and the benchmark is large: fork from a small one.
# It lies under the command, with no more of its own than opening a file for each that it is told to enter.
_MEASURED = """
import json, resource, subprocess, sys, time
for gate in json.loads(sys.argv[1]):
    with open(gate, "w") as file: file.write("0")
start = time.perf_counter()
status = subprocess.run(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).returncode
wall = time.perf_counter() - start
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([status, wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""


class FailedError(Exception):
    """A command ended badly."""


@dataclass(frozen=True)
class Measured:
    """What one run of a command took, with all processes that it started.

    Attributes:
        wall_s: from its start to its end.
        cpu_s: user and system time.
        peak_mib: the peak memory of its largest process.
    """

    wall_s: float
    cpu_s: float
    peak_mib: float


def measure(
    command: Sequence[object], *, cwd: Path, environ: Mapping[str, str], gates: Sequence[Path] = ()
) -> Measured:
    """Run a command to its good end.

    Args:
        command: a program and its arguments.
        cwd: where it runs.
        environ: all of its environment.
        gates: `cgroup.procs` of the control groups to enter first.

    Raises:
        FailedError: it did not end well, or took too long.
    """
    under = [sys.executable, "-S", "-c", _MEASURED, json.dumps([str(gate) for gate in gates]), *map(str, command)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(under, cwd=cwd, env=environ, stdout=pipe, stderr=pipe, start_new_session=True)
    try:
        out, err = process.communicate(timeout=TOO_LONG_S)
    except subprocess.TimeoutExpired:
        raise FailedError(f"{command[0]} took more than {TOO_LONG_S} s") from None
    finally:
        kill_group(process)
    if process.returncode:
        raise FailedError(f"{command[0]} could not be run: {err.decode()[-500:]}")
    status, wall_s, cpu_s, peak_mib = json.loads(out)
    if status:
        raise FailedError(f"{command[0]} ended with {status}: {err.decode()[-500:]}")
    return Measured(wall_s, cpu_s, peak_mib)
