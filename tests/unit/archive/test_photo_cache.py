"""What is kept of a ZIP for the next one."""

import hashlib
from pathlib import Path

import pytest

from ninepic_cli.archive.photo_cache import PhotoCache
from ninepic_cli.models import Downloaded
from tests.support.files import names_in


class TestShared:
    """A photo of several runners crosses the wire once, however many ZIPs or names it goes to."""

    def test_what_is_kept_of_a_stream_is_bounded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of what went into a stream, the last few files are kept; those that are too old are fetched again."""
        monkeypatch.setattr("ninepic_cli.archive.photo_cache._MAX_BYTES", 3000)
        cache = PhotoCache(tmp_path)

        def put(name: str) -> None:
            path = tmp_path / "photo"
            path.write_bytes(name.encode() * 1000)
            cache.put(name, Downloaded(path, 1000, hashlib.md5(path.read_bytes()).hexdigest(), 1, 0.0), None, 7000)

        for name in "abc":
            put(name)
        again = cache.get("a")
        assert again
        cache.put("a", again, None, 0)  # used again, so b is the oldest
        put("d")
        assert len(names_in(tmp_path)) == 3
        assert cache.get("b") is None
        found = cache.get("a")
        assert found
        assert found.path.read_bytes() == b"a" * 1000
