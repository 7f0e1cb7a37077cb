"""What most tests share: the command in a clean environment, and the sandbox."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support import Ninepic, interrupt_is_possible

from ninepic_cli.sandbox import Sandbox, World

interrupt_is_possible()


def pytest_xdist_auto_num_workers() -> int:
    """Twice as many as there are cores: these tests wait for other processes most of the time."""
    return 2 * (os.cpu_count() or 1)


def pytest_configure(config: pytest.Config) -> None:
    """Let workers that are done take over what others have not begun."""
    if getattr(config.option, "numprocesses", None) and config.option.dist == "load":
        config.option.dist = "worksteal"


@pytest.fixture
def ninepic(tmp_path: Path) -> Iterator[Ninepic]:
    """The command, in a home of its own; what of it still runs ends with the test."""
    home = tmp_path / "home"
    home.mkdir()
    ninepic = Ninepic(home)
    yield ninepic
    ninepic.end_all()


@pytest.fixture
def sandbox(ninepic: Ninepic) -> Iterator[Callable[..., Sandbox]]:
    """Starts a sandbox with the given world and options, and points the command at it."""
    with ExitStack() as stack:

        def start(world: World | None = None, **options: Any) -> Sandbox:
            box = stack.enter_context(Sandbox(world, **options))
            ninepic.use(box.environment)
            return box

        yield start
        ninepic.end_all()  # before the service that it talks to


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-off in milliseconds, for tests that run the parts in this process."""
    monkeypatch.setattr("ninepic_cli.retry._FIRST_WAIT_S", 0.002)
    monkeypatch.setattr("ninepic_cli.retry._LONGEST_WAIT_S", 0.01)
