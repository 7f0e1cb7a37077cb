"""Where a ZIP goes."""

import os

import pytest

from ninepic_cli.archive.zip_target import ZipTarget
from ninepic_cli.errors import UsageError
from ninepic_cli.models import Method


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("x.zip", "x.zip"),
        ("{{x}}.zip", "{x}.zip"),
        ("d/{identifier}.zip", "d/A_12-a7b3e2527e.zip"),
        ("../{event}/{method}-{identifier}.zip", "../456/bib-A_12-a7b3e2527e.zip"),
        ("{foo}.zip", None),
        ("{identifier:.2}.zip", None),
        ("{identifier!r}.zip", None),
        ("{}.zip", None),
        ("{identifier.zip", None),
    ],
)
def test_names(text: str, path: str | None) -> None:
    """Fields stand for safe values as they are; whatever else is in braces is refused."""
    if path is None:
        with pytest.raises(UsageError, match="--zip"):
            ZipTarget(text, event=456, method=Method.BIB)
    else:
        found = ZipTarget(text, event=456, method=Method.BIB).path("A/12")
        assert os.path.abspath(found) == os.path.abspath(path)  # noqa: PTH100 (".." is kept as written)
