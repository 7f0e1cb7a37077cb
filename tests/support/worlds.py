"""Worlds and faults of the sandbox that many tests use."""

from collections.abc import Callable
from typing import Any

from ninepic_cli.sandbox import World


def small_world(photos: int = 3) -> World:
    """A few small photos."""
    return World.generate(photos=photos, size=3000)


def in_data(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], None]:
    """For a Fault's `mutate`: a change of an answer's data, where it has some."""

    def mutate(payload: dict[str, Any]) -> None:
        if payload["data"]:
            change(payload["data"])

    return mutate
