"""Many photos: all there, at a memory that does not grow with their number."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ninepic_cli.sandbox import Sandbox, World
from tests.support.command import Ninepic, peak_of

pytestmark = pytest.mark.slow


def sizes(folder: Path) -> list[int]:
    """The sizes of all files below a folder."""
    return [path.stat().st_size for path in folder.rglob("*") if path.is_file()]


def test_five_thousand_photos(ninepic: Ninepic, sandbox: Callable[..., Sandbox], tmp_path: Path) -> None:
    """5,000 photos arrive whole in the memory of 500, and a second run asks the store for nothing, in no more."""
    sandbox(World.generate(photos=500, size=40_000))
    small = peak_of(ninepic, "bib", "1234", "-o", tmp_path / "few")
    box = sandbox(World.generate(photos=5000, size=40_000))
    large = peak_of(ninepic, "bib", "1234", "-o", tmp_path / "many")
    assert sizes(tmp_path / "many") == [40_000] * 5000
    assert len(box.requests_to("store")) == 5000
    again = peak_of(ninepic, "bib", "1234", "-o", tmp_path / "many")
    assert len(box.requests_to("store")) == 5000
    assert max(large, again) - small < 8


def test_large_photos_are_streamed(ninepic: Ninepic, sandbox: Callable[..., Sandbox], tmp_path: Path) -> None:
    """Photos of 25 MB take no more memory than small ones, eight at a time."""
    sandbox(World.generate(photos=16, size=40_000))
    small = peak_of(ninepic, "bib", "1234", "-o", tmp_path / "small")
    sandbox(World.generate(photos=16, size=25_000_000))
    large = peak_of(ninepic, "bib", "1234", "-o", tmp_path / "large")
    assert sizes(tmp_path / "large") == [25_000_000] * 16
    assert large - small < 8
