"""Peak memory: with large photos, and with many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .contest import Contest, contest
from .peers import AT_ONCE, NINEPIC
from .table import Goal, Section

if TYPE_CHECKING:
    from .measure import Measured
    from .photos import PhotoSet
    from .workbench import Bench

LARGE, SMALL = 12_000_000, 20_000
FEW, MANY, FEWER = 500, 5000, 2000


def memory(bench: Bench) -> list[Section]:
    """The memory of ninepic alone."""
    runs: dict[str, list[Measured]] = {}
    with bench.made(3 * AT_ONCE, LARGE) as large:
        runs[large.words] = _fetched(bench, large)
    with bench.made(FEWER if bench.is_quick else MANY, SMALL) as many:
        few = many.first(FEW)
        runs[few.words] = _fetched(bench, few)
        runs[many.words] = _fetched(bench, many)
    section = Section(f"memory, {AT_ONCE} at once", runs, yardstick=few.words)
    peak = section.median("peak_mib", large.words)
    growth = section.median("peak_mib", many.words) - section.median("peak_mib", few.words)
    section.goals += [
        Goal(f"MiB with {large.words}", peak, 64),
        Goal(f"MiB that {many.words} take more than {few.words}", growth, 1),
    ]
    return [section]


def _fetched(bench: Bench, photos: PhotoSet) -> list[Measured]:
    return contest(bench, Contest(photos, (), bench.home), bench.turns(3))[NINEPIC]
