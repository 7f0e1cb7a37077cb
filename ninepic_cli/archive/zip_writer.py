"""One ZIP, stored and not compressed, since photos are compressed already.

A photo is on the disk before it enters, so its length and checksum are known and stand in front of its bytes, in a
stream too: readers that cannot seek take it apart as it comes. Nothing is ever gone back to. `zipfile` makes the
headers and the directory at the end, ZIP64 where it is needed.
"""

import os
import stat
import struct
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from io import FileIO
from pathlib import Path
from shutil import copyfileobj
from typing import TYPE_CHECKING
from zipfile import ZipFile, ZipInfo

from ninepic_cli.errors import MachineError, StoppedError

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

_BLOCK_BYTES = 1 << 20
_UNIX = 3
_MODE = (stat.S_IFREG | 0o644) << 16


class ZipWriter:
    """A ZIP that grows by an entry at a time, whichever thread brings it.

    Args:
        open_sink: gives what to write into, behind what has been written; it takes all that it is given.
    """

    def __init__(self, open_sink: Callable[[], AbstractContextManager["SupportsWrite[bytes]"]]) -> None:
        self._open_sink = open_sink
        self._lock = threading.Lock()
        self._entries: dict[str, ZipInfo] = {}
        self._offset = 0
        self._is_open = True

    def size_of(self, name: str) -> int | None:
        """Bytes of an entry; None where there is none of the name."""
        entry = self._entries.get(name)
        return None if entry is None else entry.file_size

    def add(self, name: str, photo: Path) -> int:
        """Append a file as an entry; returns where its bytes begin.

        Raises:
            OSError, MachineError: it could not be read or written; the ZIP is of no use any more.
            StoppedError: the ZIP is finished already, or is of no use.
        """
        with FileIO(photo) as source:
            entry = _entry_of(name, source)
            with self._lock, self._open_sink() as raw:
                if not self._is_open:
                    raise StoppedError("the ZIP is finished")
                self._is_open = False  # until this entry is whole
                entry.header_offset = self._offset
                sink = _CountingSink(raw, self._offset)
                sink.write(entry.FileHeader())
                start = sink.tell()
                copyfileobj(source, sink, _BLOCK_BYTES)
                if sink.tell() - start != entry.file_size:
                    raise MachineError(f"{photo} changed while being read")
                self._offset = sink.tell()
                self._entries[name] = entry
                self._is_open = True
        return start

    def end(self) -> None:
        """Append the directory; nothing can be added any more.

        Raises:
            OSError: it could not be written.
            StoppedError: the ZIP is of no use.
        """
        with self._lock, self._open_sink() as raw:
            if not self._is_open:
                raise StoppedError("the ZIP cannot be finished")
            self._is_open = False
            with ZipFile(_CountingSink(raw, self._offset), "w") as directory:
                directory.filelist.extend(self._entries.values())


class _CountingSink:
    """A sink that knows how far it is, as `zipfile` asks of one that cannot seek."""

    def __init__(self, sink: "SupportsWrite[bytes]", offset: int) -> None:
        self._sink = sink
        self._offset = offset

    def write(self, data: bytes) -> int:
        self._sink.write(data)
        self._offset += len(data)
        return len(data)

    def tell(self) -> int:
        return self._offset

    def flush(self) -> None:
        """Whoever opened the sink does that."""

    def close(self) -> None:
        """The same."""


def _entry_of(name: str, source: FileIO) -> ZipInfo:
    """The entry for an open file, which is read to its end and set back to its start."""
    status = os.fstat(source.fileno())
    entry = ZipInfo(name, _local_time(status.st_mtime))
    entry.create_system = _UNIX
    entry.external_attr = _MODE
    entry.extra = _exact_time(int(status.st_mtime))
    entry.CRC = 0
    while block := source.read(_BLOCK_BYTES):
        entry.CRC = zlib.crc32(block, entry.CRC)
        entry.file_size += len(block)
    entry.compress_size = entry.file_size
    source.seek(0)
    return entry


def _local_time(modified_s: float) -> tuple[int, int, int, int, int, int]:
    """As ZIP has it by itself: local, in steps of two seconds, from 1980 to 2107."""
    return max((1980, 1, 1, 0, 0, 0), min(time.localtime(modified_s)[:6], (2107, 12, 31, 23, 59, 58)))


def _exact_time(modified_s: int) -> bytes:
    """The field of Info-ZIP (appnote 4.5, 0x5455) that says it in UTC and to the second; empty where it cannot."""
    if not 0 <= modified_s < 1 << 31:
        return b""
    return struct.pack("<HHBl", 0x5455, 5, 1, modified_s)
