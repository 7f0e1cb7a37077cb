"""What is measured: each scenario by name."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from .again import again
from .budget import quarter_of_a_core
from .contest import Contest, contest
from .memory import memory
from .peers import NINEPIC
from .relay import Link
from .startup import startup
from .table import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from .workbench import Bench

LARGE, SMALL = (100, 12_000_000), (2000, 200_000)
CHECKED, SYNCED = "curl + md5sum", "curl + md5sum + sync"
PAGE_DELAY_S = 0.15

# A quantity, the tool that ninepic is held against, the most that it may take of it.
Limit = tuple[str, str, float]


def big(bench: Bench) -> list[Section]:
    """Large photos into memory."""
    return [_in_memory(bench, LARGE, [("wall_s", CHECKED, 0.65), ("cpu_s", CHECKED, 0.95)])]


def small(bench: Bench) -> list[Section]:
    """Small photos into memory."""
    return [_in_memory(bench, SMALL, [("wall_s", CHECKED, 1.2), ("cpu_s", CHECKED, 0.95)])]


def _in_memory(bench: Bench, measures: tuple[int, int], limits: Iterable[Limit]) -> Section:
    tools = ["curl", CHECKED, "aria2c", "aria2c + checksums"]
    with bench.made(*_shortened(bench, measures)) as photos:
        terms = Contest(photos, tools, bench.home)
        return _contested(bench, terms, "into memory, over TLS on loopback", limits)


def disk(bench: Bench) -> list[Section]:
    """Large and small photos onto a real disk."""
    sections = []
    for measures, limits in ((LARGE, [("wall_s", "curl", 1.05)]), (SMALL, [])):
        with bench.made(*_shortened(bench, measures)) as photos:
            terms = Contest(photos, ["curl", SYNCED], bench.disk)
            sections.append(_contested(bench, terms, f"onto {_file_system(bench.disk)}", limits))
    return sections


def wan(bench: Bench) -> list[Section]:
    """Photos over a link that is long and not wide; the listing, which only ninepic makes, included."""
    limits = [("wall_s", "curl", 1.02), ("wall_s", "aria2c", 1.02)]
    sections = []
    for count, size in [(135, 1_000_000)] if bench.is_quick else [(540, 1_000_000), (60, 12_000_000)]:
        with bench.made(count, size) as photos:
            for rtt_s in (0.04,) if bench.is_quick else (0.04, 0.08):
                link = Link(rtt_s, 300e6)
                terms = Contest(photos, ["curl", "aria2c"], bench.home, link=link, page_delay_s=PAGE_DELAY_S)
                sections.append(_contested(bench, terms, f"over {link}", limits, rounds=3))
    return sections


def slow(bench: Bench) -> list[Section]:
    """Photos on a machine like a small NAS."""
    sections = []
    with quarter_of_a_core() as budget:
        for count, size in ((40, 12_000_000), (400, 200_000)):
            with bench.made(*_shortened(bench, (count, size))) as photos:
                link = Link(0.001, 1e9)
                terms = Contest(photos, [CHECKED], bench.home, link=link, page_delay_s=PAGE_DELAY_S, held=budget)
                words = f"over {link}, each tool held to a quarter of a core ({budget.words})"
                sections.append(_contested(bench, terms, words, [], rounds=3))
    return sections


def _contested(bench: Bench, terms: Contest, words: str, limits: Iterable[Limit], rounds: int = 5) -> Section:
    """A contest and what became of its goals."""
    runs = contest(bench, terms, bench.turns(rounds))
    section = Section(f"{terms.photos.words} {words}", runs, terms.photos.total / 1e9)
    for quantity, other, limit in limits:
        section.hold(quantity, NINEPIC, other, limit)
    return section


def _shortened(bench: Bench, measures: tuple[int, int]) -> tuple[int, int]:
    count, size = measures
    return count // 4 if bench.is_quick else count, size


def _file_system(folder: Path) -> str:
    """The kind of file system that a folder is on: what is in memory is no disk."""
    return subprocess.check_output(["df", "--output=fstype", str(folder)], text=True).split()[-1]


SCENARIOS: Mapping[str, Callable[[Bench], list[Section]]] = {
    "big": big,
    "small": small,
    "disk": disk,
    "wan": wan,
    "again": again,
    "startup": startup,
    "memory": memory,
    "slow": slow,
}
