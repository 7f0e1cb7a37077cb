"""Photos that a run has put into a ZIP, to be had again for another one, or under another name.

Out of a ZIP that is a file they are read back, which takes no room. What went into a stream is kept on the disk, up to
a bound; the photo that was put there last goes last.
"""

import hashlib
import os
import struct
import threading
from collections import OrderedDict
from contextlib import suppress
from io import FileIO
from pathlib import Path

from ninepic_cli.filesystem.disk_errors import free_space
from ninepic_cli.models import Downloaded

_RECORD = struct.Struct("<16sIQQd")  # MD5, the number of the ZIP, where the bytes begin, how many, when last modified
_ON_DISK = 0xFFFFFFFF  # in place of a ZIP's number
_BLOCK_BYTES = 1 << 20
_MAX_BYTES = 1 << 30


class PhotoCache:
    """The photos of one run; used by many threads at once, but for one photo by one of them at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder  # on the disk that photos are fetched to
        self._lock = threading.Lock()
        self._archives: dict[tuple[Path, Path], int] = {}  # and their numbers, which count from 0
        self._records: dict[bytes, bytes] = {}  # there may be very many: 250 bytes for each
        self._kept: OrderedDict[bytes, int] = OrderedDict()
        self._room = min(_MAX_BYTES, (free_space(folder) or 0) // 4)

    def get(self, image_id: str) -> Downloaded | None:
        """The photo as a file of its own; None where it is not to be had, or not what was put there."""
        key = _key(image_id)
        record = self._records.get(key)
        if record is None:
            return None
        md5, number, start, size, modified_s = _RECORD.unpack(record)
        path = self._folder / f"{key.hex()}.again"
        with suppress(OSError):
            if self._copy(key, number, start, size, path) == md5:
                os.utime(path, (modified_s, modified_s))
                return Downloaded(path, size, md5.hex(), 0, 0.0)
        with suppress(OSError):
            path.unlink()
        return None

    def put(self, image_id: str, saved: Downloaded, archive: tuple[Path, Path] | None, start: int) -> None:
        """A photo has entered a ZIP, where its bytes begin at `start`; its own file is taken over.

        `archive` is what the ZIP is being written into, and the file that it becomes; None for a stream.

        Raises:
            OSError: the file can neither be kept nor removed.
        """
        key, modified_s = _key(image_id), saved.path.stat().st_mtime
        with self._lock:
            number = self._archives.setdefault(archive, len(self._archives)) if archive else _ON_DISK
            start = start if archive else 0
            self._records[key] = _RECORD.pack(bytes.fromhex(saved.md5), number, start, saved.size, modified_s)
            if archive:
                saved.path.unlink()
            else:
                self._keep(key, saved)

    def _keep(self, key: bytes, saved: Downloaded) -> None:
        saved.path.replace(self._path(key))
        self._room += self._kept.pop(key, 0) - saved.size
        self._kept[key] = saved.size
        while self._room < 0:
            oldest, size = self._kept.popitem(last=False)
            self._room += size
            self._path(oldest).unlink(missing_ok=True)

    def _path(self, key: bytes) -> Path:
        return self._folder / f"{key.hex()}.kept"

    def _copy(self, key: bytes, number: int, start: int, size: int, path: Path) -> bytes:
        """Copy the photo's bytes into a file; returns the MD5 of what was there."""
        digest = hashlib.md5(usedforsecurity=False)
        with self._open(key, number) as source, path.open("wb") as file:
            source.seek(start)
            while size and (block := source.read(min(size, _BLOCK_BYTES))):
                size -= len(block)
                digest.update(block)
                file.write(block)
        return digest.digest()

    def _open(self, key: bytes, number: int) -> FileIO:
        if number == _ON_DISK:
            return FileIO(self._path(key))
        beside, target = list(self._archives)[number]
        try:
            return FileIO(beside)
        except FileNotFoundError:  # it has taken its place
            return FileIO(target)


def _key(image_id: str) -> bytes:
    return hashlib.blake2b(image_id.encode(errors="surrogatepass"), digest_size=12).digest()
