"""The help at several widths.

`NINEPIC_TEST_SNAPSHOTS=write pytest tests/e2e/test_help.py` writes the snapshots anew.
"""

import os
from pathlib import Path

import pytest

from tests.support.command import Ninepic

SNAPSHOTS = Path(__file__).parents[1] / "snapshots"


@pytest.mark.parametrize(("args", "width"), [("", 80), ("bib", 80), ("bib", 60), ("config set", 120)])
def test_it_looks_as_it_did(ninepic: Ninepic, args: str, width: int) -> None:
    """What the command itself writes into a pipe, at a width, is what was looked at."""
    path = SNAPSHOTS / f"help-{args.replace(' ', '-') or 'ninepic'}-{width}.txt"
    result = ninepic(*args.split(), "--help", COLUMNS=str(width), FORCE_COLOR="1", GITHUB_ACTIONS="true")
    if os.environ.get("NINEPIC_TEST_SNAPSHOTS") == "write":
        path.write_text(result.out)
    assert (result.status, result.err, result.out) == (0, "", path.read_text())
