"""Whether what a run brings fits on the disk."""

import time
from collections.abc import Callable
from pathlib import Path

from ninepic_cli.filesystem.disk_errors import free_space
from ninepic_cli.progress.stats import RunStats
from ninepic_cli.text import path_text, pluralize, size_text

_CHECK_EVERY_S = 1.0


class SpaceCheck:
    """Compares what is still to come with the free space, now and then, and warns once.

    Args:
        folder: where the photos gather; None where there is nothing to check.
        clock: seconds, monotonic.
    """

    def __init__(self, folder: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder.absolute() if folder else None
        self._clock = clock
        self._next_s = 0.0

    def warning(self, stats: RunStats) -> str | None:
        """What to tell, as soon as the photos cannot fit."""
        if self._folder is None or (now_s := self._clock()) < self._next_s:
            return None
        self._next_s = now_s + _CHECK_EVERY_S
        needed = stats.needed_space()
        free = None if needed is None else free_space(self._folder)
        if needed is None or free is None or needed <= free:
            return None
        photos, place = pluralize(stats.total - stats.done, "remaining photo"), path_text(self._folder)
        self._folder = None
        return f"not enough disk space: {photos} may need about {size_text(needed)}, {size_text(free)} free in {place}"
