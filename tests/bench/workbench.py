"""What all scenarios share."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import peers
from .photos import PhotoSet, make

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Bench:
    """Where and how the scenarios are run.

    Attributes:
        home: the benchmark's own folder, in memory.
        disk: another, on a disk.
        certificates: the folder with `ca.pem` and the store's certificate.
        ninepics: commands by name, ours first.
        rounds: how often each tool takes its turn.
        is_quick: less of everything.
    """

    home: Path
    disk: Path
    certificates: Path
    ninepics: Mapping[str, Path]
    rounds: int | None
    is_quick: bool

    @property
    def environ(self) -> dict[str, str]:
        """The environment of all tools."""
        return peers.environment(self.home, self.certificates / "ca.pem")

    def turns(self, usual: int) -> int:
        """How many rounds, unless told otherwise."""
        return self.rounds or (1 if self.is_quick else usual)

    @contextmanager
    def made(self, count: int, size: int) -> Iterator[PhotoSet]:
        """Photos in memory, for as long as they are needed."""
        folder = self.home / "photos"
        try:
            yield make(folder, count=count, size=size)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
