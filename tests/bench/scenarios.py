"""What is measured: each scenario by name."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .contest import Bench, Contest, contest
from .peers import NINEPIC
from .photos import PhotoSet, make
from .table import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

LARGE, SMALL = 12_000_000, 200_000
IN_MEMORY = ["curl", "curl + md5sum", "aria2c", "aria2c + checksums"]
ON_DISK = ["curl", "curl + md5sum + sync"]


@contextmanager
def _made(bench: Bench, count: int, size: int) -> Iterator[PhotoSet]:
    """Photos in memory, for as long as they are needed."""
    folder = bench.home / "photos"
    try:
        yield make(folder, count=count // (4 if bench.is_quick else 1), size=size)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _words(photos: PhotoSet) -> str:
    size = f"{photos.size / 1e6:g} MB" if photos.size >= 1e6 else f"{photos.size / 1e3:g} kB"
    return f"{len(photos.md5s):,} photos of {size}"


def _loopback(bench: Bench, count: int, size: int, goals: Mapping[str, float]) -> list[Section]:
    """Photos into memory, over loopback."""
    with _made(bench, count, size) as photos:
        runs = contest(bench, Contest(photos, IN_MEMORY, bench.home), bench.turns(5))
    section = Section(f"{_words(photos)} into memory, over TLS on loopback", runs, photos.total / 1e9)
    for quantity, limit in goals.items():
        section.hold(quantity, NINEPIC, "curl + md5sum", limit)
    return [section]


def big(bench: Bench) -> list[Section]:
    """Large photos into memory."""
    return _loopback(bench, 100, LARGE, {"wall_s": 0.65, "cpu_s": 0.95})


def small(bench: Bench) -> list[Section]:
    """Small photos into memory."""
    return _loopback(bench, 2000, SMALL, {"wall_s": 1.2, "cpu_s": 0.95})


SCENARIOS: Mapping[str, Callable[[Bench], list[Section]]] = {"big": big, "small": small}
