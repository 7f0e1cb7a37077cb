"""What was measured, as tables and as JSON, with the goals beside it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .measure import Measured


@dataclass(frozen=True)
class Goal:
    """A figure that is to stay at or under a limit."""

    text: str
    value: float
    limit: float

    def __str__(self) -> str:
        verdict = "met" if self.value <= self.limit else "NOT MET"
        return f"goal: {self.text}, at most {self.limit:g}: {self.value:.3g}  {verdict}"


@dataclass
class Section:
    """The runs of one scenario.

    Attributes:
        title: what was done.
        runs: by tool, in the order of the rounds.
        gigabytes: that each run fetched, if it is about fetching.
        yardstick: what all are compared with; without one, the first is compared with each.
        goals: what came of the goals.
    """

    title: str
    runs: dict[str, list[Measured]]
    gigabytes: float | None = None
    yardstick: str | None = None
    goals: list[Goal] = field(default_factory=list)

    def ratio(self, quantity: str, tool: str, other: str) -> float:
        """The median of what one tool took of a quantity ("wall_s", "cpu_s") against another in the same round."""
        pairs = zip(self.runs[tool], self.runs[other], strict=True)
        return float(median(getattr(one, quantity) / max(getattr(two, quantity), 1e-6) for one, two in pairs))

    def median(self, quantity: str, tool: str) -> float:
        """The median of what a tool took of a quantity."""
        return float(median(getattr(run, quantity) for run in self.runs[tool]))

    def hold(self, quantity: str, tool: str, other: str, limit: float) -> None:
        """Add a goal: so much of a quantity against another tool."""
        words = {"wall_s": "time", "cpu_s": "processor"}[quantity]
        self.goals.append(Goal(f"{words} of {tool} against {other}", self.ratio(quantity, tool, other), limit))

    def __str__(self) -> str:
        against = f" / {self.yardstick}" if self.yardstick else f": {next(iter(self.runs))} /"
        head = ["", "wall s", "from - to", "CPU s/GB" if self.gigabytes else "CPU s", "peak MiB"]
        rows = [[*head, f"wall{against}", f"CPU{against}"], *(self._row(tool) for tool in self.runs)]
        return "\n".join([self.title, *_aligned(rows), *(f"  {goal}" for goal in self.goals)])

    def _row(self, tool: str) -> list[str]:
        walls = [run.wall_s for run in self.runs[tool]]
        pair = (tool, self.yardstick) if self.yardstick else (next(iter(self.runs)), tool)
        return [
            tool,
            _seconds(median(walls)),
            f"{_seconds(min(walls))} - {_seconds(max(walls))}",
            f"{self.median('cpu_s', tool) / (self.gigabytes or 1):.2f}",
            f"{self.median('peak_mib', tool):.1f}",
            f"{self.ratio('wall_s', *pair):.2f}",
            f"{self.ratio('cpu_s', *pair):.2f}",
        ]

    def as_json(self) -> dict[str, Any]:
        """All figures, each run's too."""
        goals = [asdict(goal) | {"met": goal.value <= goal.limit} for goal in self.goals]
        runs = {tool: [asdict(run) for run in runs] for tool, runs in self.runs.items()}
        return {"title": self.title, "gigabytes": self.gigabytes, "runs": runs, "goals": goals}


def _seconds(time_s: float) -> str:
    return f"{time_s:.4f}" if time_s < 0.1 else f"{time_s:.3f}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(_padded(row, widths)) for row in rows]


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """The first column to the left, figures to the right."""
    return [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
