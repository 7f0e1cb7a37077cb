"""`python -m tests.bench`: measures `ninepic` beside other tools, and says which goals are met."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from .measure import FailedError
from .peers import NINEPIC, own_command
from .photos import SpoiltError
from .scenarios import SCENARIOS
from .store import make_certificates
from .workbench import Bench

NEEDED = ("nginx", "openssl", "curl", "aria2c", "md5sum")
MEMORY = Path("/dev/shm")  # noqa: S108 -- a file system in memory, not a name that others can guess


def main() -> int:
    """Run the benchmark; 0 if every tool wrote what it should, whatever became of the goals."""
    options = _options()
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing:
        print(f"not found: {', '.join(missing)}\ntry: apt-get install -y nginx-light openssl curl aria2 coreutils")
        return 2
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, _interrupt)
    try:
        with ExitStack() as stack:
            _measure(_bench(stack, options), options)
    except (FailedError, SpoiltError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything, once: under two minutes")
    parser.add_argument("--only", action="append", choices=SCENARIOS, metavar="NAME", help=", ".join(SCENARIOS))
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each tool takes its turn (usually 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--ninepic", type=Path, default=own_command(), metavar="COMMAND", help="the one to measure")
    parser.add_argument("--also", type=Path, metavar="COMMAND", help="another ninepic that takes turns with it")
    parser.add_argument("--disk", type=Path, default=Path(tempfile.gettempdir()), help="a folder on a real disk")
    return parser.parse_args()


def _bench(stack: ExitStack, options: argparse.Namespace) -> Bench:
    memory = MEMORY if MEMORY.is_dir() else None
    home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ninepic-bench-", dir=memory)))
    disk = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ninepic-bench-", dir=options.disk)))
    make_certificates(home / "certificates")
    ninepics = {NINEPIC: options.ninepic.absolute()}
    if options.also:
        ninepics["the other"] = options.also.absolute()
    return Bench(home, disk, home / "certificates", ninepics, options.rounds, options.quick)


def _measure(bench: Bench, options: argparse.Namespace) -> None:
    found: dict[str, Any] = {}
    started = time.monotonic()
    print(f"{os.cpu_count()} processors, {platform.platform()}, Python {platform.python_version()}", flush=True)
    for name in options.only or SCENARIOS:
        sections = SCENARIOS[name](bench)
        for section in sections:
            print(f"\n{name}: {section}", flush=True)
        found[name] = [section.as_json() for section in sections]
        if options.json:
            options.json.write_text(json.dumps(found, indent=1))
    print(f"\n{time.monotonic() - started:.0f} s in all")


def _interrupt(signum: int, _frame: object) -> None:
    signal.signal(signum, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
