"""Settings files of these tests."""

import os
from pathlib import Path

import pytest

from ninepic_cli.config.file import find_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A path for a settings file in a folder of its own."""
    return tmp_path / "own" / "config.toml"


@pytest.fixture
def home_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The platform's own place for the settings file, in an empty home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith(("XDG_", "NINEPIC_"))]:
        monkeypatch.delenv(name)
    path = find_file(None, os.environ)[0]
    assert path.is_relative_to(tmp_path)
    return path
