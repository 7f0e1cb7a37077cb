"""The private folder of a ZIP on its way."""

import errno
import fcntl
import os
import time
from pathlib import Path

import pytest

from ninepic_cli.archive.private_dir import create_private_dir
from tests.support.files import names_in


@pytest.mark.parametrize(("age_s", "stays"), [(6 * 86400, True), (8 * 86400, False)])
def test_leftovers_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age_s: int, stays: bool) -> None:
    """Where there are no locks, a folder that may be a living run's stays for a week, and a new one can be had."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    left = tmp_path / ".ninepic-zip-left"
    left.mkdir()
    os.utime(left, (time.time() - age_s,) * 2)
    with create_private_dir(tmp_path) as folder:
        assert folder.is_dir()
    assert names_in(tmp_path) == ([left.name] if stays else [])
