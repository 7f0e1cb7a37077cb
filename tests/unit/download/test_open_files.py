"""How many photos at once a machine can afford."""

from dataclasses import dataclass, field

import pytest

from ninepic_cli.download import workers
from ninepic_cli.download.workers import affordable_jobs

INFINITY = -1


@dataclass
class Limits:
    """A system's limit of open files, in place of the module `resource`."""

    soft: int
    hard: int
    is_fixed: bool = False
    asked: list[tuple[int, int]] = field(default_factory=list)
    RLIMIT_NOFILE: int = 7
    RLIM_INFINITY: int = INFINITY

    def getrlimit(self, _: int) -> tuple[int, int]:
        """The limit."""
        return self.soft, self.hard

    def setrlimit(self, _: int, limits: tuple[int, int]) -> None:
        """Change it, up to the hard one."""
        self.asked.append(limits)
        soft, hard = limits
        if self.is_fixed or hard != self.hard or (self.hard != INFINITY and not 0 <= soft <= self.hard):
            raise ValueError("not allowed to raise maximum limit")
        self.soft = soft


class TestOpenFiles:
    """How many photos at once the limit of open files allows."""

    @pytest.mark.parametrize(
        ("limits", "wanted", "jobs", "soft"),
        [
            (Limits(1024, 4096), 64, 64, 1024),
            (Limits(280, 280), 64, 64, 280),
            (Limits(279, 279), 64, 63, 279),
            (Limits(64, 64), 64, 10, 64),
            (Limits(64, 64), 8, 8, 64),
            (Limits(64, 4096), 64, 64, 280),
            (Limits(64, 100), 64, 19, 100),
            (Limits(64, INFINITY), 64, 64, 280),
            (Limits(INFINITY, INFINITY), 64, 64, INFINITY),
            (Limits(64, 4096, is_fixed=True), 64, 10, 64),
            (Limits(26, 26), 8, 1, 26),
            (Limits(10, 10), 8, 1, 10),
            (Limits(10, 10), 1, 1, 10),
        ],
    )
    def test_what_can_be_afforded(
        self, monkeypatch: pytest.MonkeyPatch, limits: Limits, wanted: int, jobs: int, soft: int
    ) -> None:
        """The limit is raised as far as is needed and allowed; what does not fit is left out, but for one job."""
        monkeypatch.setattr(workers, "resource", limits)
        assert (affordable_jobs(wanted), limits.soft) == (jobs, soft)
        assert all(hard == limits.hard for _, hard in limits.asked)

    def test_a_system_without_limits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where there is nothing to ask, all jobs are afforded."""
        monkeypatch.setattr(workers, "resource", None)
        assert affordable_jobs(64) == 64
