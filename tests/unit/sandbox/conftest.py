"""The sandbox that its tests look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ninepic_cli.sandbox import Sandbox, World

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A sandbox with a few photos."""
    with Sandbox(World.generate(photos=13, size=60_000)) as sandbox:
        yield sandbox
