"""Disks of their own for tests."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.command import completed, output_of


@contextmanager
def mounted(root: Path, *source: str | Path) -> Iterator[None]:
    """A file system at a folder that is made for it, until the end; skips the test where none can be mounted."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a file system needs root, and Linux")
    root.mkdir(parents=True)
    result = completed(["mount", *source, root])
    if result.status:
        pytest.skip(f"no file system can be mounted here: {result.err.strip()}")
    try:
        yield
    finally:
        while root.is_mount():
            output_of(["umount", "-l", root])


@dataclass(frozen=True)
class Disk:
    """A file system in memory, mounted for one test."""

    root: Path

    def remount(self, options: str) -> None:
        """Change its size, or whether it may be written."""
        output_of(["mount", "-o", f"remount,{options}", self.root])

    def take_away(self) -> None:
        """Unmount it under whoever uses it, as a drive that is pulled out."""
        output_of(["umount", "-l", self.root])

    def fill(self) -> None:
        """Leave no room at all."""
        with suppress(OSError), (self.root / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
