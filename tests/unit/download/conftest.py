"""Transfers between a sandbox and a folder, in this process."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli.sandbox import Fault, Sandbox, World
from tests.support.command import Start
from tests.support.transfers import SIZE, Run


@pytest.fixture
def serve() -> Iterator[Start]:
    """Starts a sandbox with some photos that have the attributes given."""
    with ExitStack() as stack:

        def start(*faults: Fault, photos: int = 1, size: int = SIZE, box: Any = None, **attributes: Any) -> Sandbox:
            world = World.generate(photos=photos, size=size)
            for photo in world.photos.values():
                for name, value in attributes.items():
                    setattr(photo, name, value)
            return stack.enter_context(Sandbox(world, faults=faults, **(box or {})))

        yield start


@pytest.fixture
def is_direct() -> bool:
    """Whether requests to the store go over our own transport, as they do unless there is a proxy."""
    return True


@pytest.fixture
def run(tmp_path: Path, is_direct: bool) -> Iterator[Callable[..., Run]]:
    """Makes the parts of a run into one and the same folder."""
    runs: list[Run] = []

    def make(box: Sandbox, **options: Any) -> Run:
        runs.append(Run(box, tmp_path / "out", is_direct=is_direct, **options))
        return runs[-1]

    yield make
    for each in runs:
        each.close()
