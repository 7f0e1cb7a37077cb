"""A slow machine's processor: a quarter of one of this machine's cores."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .process import kill_group

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_GROUPS = Path("/sys/fs/cgroup")
_PERIOD_US = 100_000
_QUARTER_US = _PERIOD_US // 4
# Where the limit is written, in the second and in the first version of control groups.
_LIMITS = ((_GROUPS, "cpu.max", f"{_QUARTER_US} {_PERIOD_US}"), (_GROUPS / "cpu", "cpu.cfs_quota_us", f"{_QUARTER_US}"))
_NEIGHBOURS = 3


@dataclass(frozen=True)
class Budget:
    """How tools are held to a quarter of a core.

    Attributes:
        words: how it is done.
        gates: the files that a process writes itself into, to be held.
        before: what stands before its command.
    """

    words: str
    gates: Sequence[Path] = ()
    before: Sequence[object] = ()


FREE = Budget("free")


@contextmanager
def quarter_of_a_core() -> Iterator[Budget]:
    """Hold tools to a quarter of a core, in the best way that this machine allows."""
    with ExitStack() as stack:
        for parent, name, limit in _LIMITS:
            group = _limited_group(parent, name, limit)
            if group:
                stack.callback(_remove, group)
                yield Budget(f"by a control group's {name}", gates=[group / "cgroup.procs"])
                return
        core = min(os.sched_getaffinity(0))
        for _ in range(_NEIGHBOURS):
            stack.callback(kill_group, _busy_neighbour(core))
        yield Budget(f"by {_NEIGHBOURS} busy neighbours on its core", before=["taskset", "--cpu-list", core])


def _limited_group(parent: Path, name: str, limit: str) -> Path | None:
    """A new control group with a limit, if one can be made there."""
    group = parent / f"ninepic-bench-{os.getpid()}"
    try:
        group.mkdir()
        with (group / name).open("r+") as file:  # where it is not there, writing would make a file like any other
            file.write(limit)
    except OSError:
        _remove(group)
        return None
    return group


def _remove(group: Path) -> None:
    for _ in range(50):
        with contextlib.suppress(OSError):
            group.rmdir()
        if not group.exists():
            return
        time.sleep(0.1)  # it stays busy for a moment after its last process has ended


def _busy_neighbour(core: int) -> subprocess.Popen[bytes]:
    command = ["taskset", "--cpu-list", str(core), sys.executable, "-S", "-c", "while True: pass"]
    return subprocess.Popen(command, start_new_session=True)
