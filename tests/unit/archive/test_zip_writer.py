"""ZIPs as they are written."""

import os
import shutil
import tracemalloc
from contextlib import AbstractContextManager, nullcontext
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from ninepic_cli.archive.zip_writer import ZipWriter
from ninepic_cli.errors import MachineError, StoppedError
from tests.support.command import completed


class TestArchive:
    """What is written, in this process."""

    @pytest.mark.slow
    def test_more_entries_than_a_plain_zip_counts(self, tmp_path: Path) -> None:
        """70,000 entries are all there for unzip, and cost less than a kilobyte of memory each."""
        photo, target = tmp_path / "a.jpg", tmp_path / "a.zip"
        photo.write_bytes(b"photo")
        with target.open("wb", buffering=0) as file:
            archive = ZipWriter(lambda: nullcontext(file))
            tracemalloc.start()
            for number in range(100):
                archive.add(f"1234/IMG_{number:05}-{number:08}-2fa1-11d2-883f-0016d3cca427.jpg", photo)
            used = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
            for number in range(100, 70_000):
                archive.add(f"{number}.jpg", photo)
            archive.end()
        assert used / 100 < 1000
        if unzip := shutil.which("unzip"):
            result = completed([unzip, "-tq", target])
            assert (result.status, result.err) == (0, "")
        with ZipFile(target) as found:
            assert len(found.namelist()) == 70_000

    @pytest.mark.slow
    def test_more_bytes_than_a_plain_zip_can_tell(self, tmp_path: Path) -> None:
        """An entry of more than 4 GiB, and one behind it, come out whole for Python and unzip."""
        big, small, target = tmp_path / "big", tmp_path / "small", tmp_path / "a.zip"
        small.write_bytes(b"photo")
        with big.open("wb") as file:
            file.truncate((4 << 30) + 5)
        with Sparse(target) as sink:
            archive = ZipWriter(lambda: nullcontext(sink))
            archive.add("big.jpg", big)
            archive.add("small.jpg", small)
            archive.end()
        with ZipFile(target) as found:
            assert found.testzip() is None
            assert [entry.file_size for entry in found.infolist()] == [(4 << 30) + 5, 5]
        if unzip := shutil.which("unzip"):
            assert completed([unzip, "-tq", target]).status == 0

    def test_one_that_failed_is_never_finished(self, tmp_path: Path) -> None:
        """After an entry that broke off, or the end, nothing is added and nothing ended."""
        photo = tmp_path / "a.jpg"
        photo.write_bytes(b"photo")

        class Full(BytesIO):
            def write(self, _: Any, /) -> int:
                raise OSError(28, "full")

        sinks: list[AbstractContextManager[Any]] = [Full()]
        broken = ZipWriter(lambda: sinks[0])
        with pytest.raises(OSError, match="full"):
            broken.add("a", photo)
        sinks[0] = nullcontext(BytesIO())
        with pytest.raises(StoppedError):
            broken.end()
        good = ZipWriter(lambda: sinks[0])
        good.add("a", photo)
        good.end()
        with pytest.raises(StoppedError):
            good.add("b", photo)

    def test_a_photo_that_changes(self, tmp_path: Path) -> None:
        """A file that becomes longer while it is copied does not become an entry."""
        photo = tmp_path / "a.jpg"
        photo.write_bytes(b"photo")

        class Meddling(BytesIO):
            def write(self, data: Any, /) -> int:
                photo.write_bytes(b"another photo")
                return super().write(data)

        archive = ZipWriter(lambda: nullcontext(Meddling()))
        with pytest.raises(MachineError, match="changed"):
            archive.add("a", photo)


class Sparse(AbstractContextManager["Sparse"]):
    """A file in which nothing is written where zeros belong."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")

    def __exit__(self, *_: object) -> None:
        self.file.truncate()
        self.file.close()

    def write(self, data: bytes, /) -> int:
        """Write, or go past as many bytes."""
        if any(data[:1]) or data.count(0) != len(data):
            return self.file.write(data)
        self.file.seek(len(data), os.SEEK_CUR)
        return len(data)
