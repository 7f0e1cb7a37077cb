"""Photos to fetch: files that look like JPEGs, all different, incompressible, with their MD5s."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

_HEAD = bytes.fromhex("ffd8ffe000104a46494600010100000100010000")
_TAIL = bytes.fromhex("ffd9")
_WORKERS = 2  # hashlib and the disk work beside Python


class SpoiltError(Exception):
    """A tool left something out, or wrote something else than the photos."""


@dataclass(frozen=True)
class PhotoSet:
    """So many photos of one size.

    Attributes:
        folder: where they lie, each as `<image id>.jpg`.
        size: bytes of each.
        md5s: of each, by image id, in listing order.
    """

    folder: Path
    size: int
    md5s: dict[str, str]

    @property
    def total(self) -> int:
        """Bytes of all."""
        return self.size * len(self.md5s)

    @property
    def words(self) -> str:
        """What they are, for a title."""
        size = f"{self.size / 1e6:g} MB" if self.size >= 1e6 else f"{self.size / 1e3:g} kB"
        return f"{len(self.md5s):,} photos of {size}"

    def first(self, count: int) -> PhotoSet:
        """The first so many."""
        return PhotoSet(self.folder, self.size, dict(list(self.md5s.items())[:count]))


def make(folder: Path, *, count: int, size: int) -> PhotoSet:
    """Write so many photos into a new folder."""
    folder.mkdir(parents=True)
    with ThreadPoolExecutor(_WORKERS) as pool:
        return PhotoSet(folder, size, dict(pool.map(lambda _: _made(folder, size), range(count))))


def _made(folder: Path, size: int) -> tuple[str, str]:
    image_id = os.urandom(16).hex()
    content = _HEAD + os.urandom(size - len(_HEAD) - len(_TAIL)) + _TAIL
    (folder / f"{image_id}.jpg").write_bytes(content)
    return image_id, hashlib.md5(content).hexdigest()


def check(photos: PhotoSet, folder: Path) -> None:
    """See that a folder holds these photos, byte for byte, and no other files.

    Raises:
        SpoiltError: it does not.
    """
    wanted = {f"{image_id}.jpg": md5 for image_id, md5 in photos.md5s.items()}
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    if found != wanted.keys():
        raise SpoiltError(f"{len(wanted.keys() - found)} photos missing, {len(found - wanted.keys())} files too many")
    with ThreadPoolExecutor(_WORKERS) as pool:
        wrong = sum(pool.map(lambda name: _md5(folder / name) != wanted[name], wanted))
    if wrong:
        raise SpoiltError(f"{wrong} of {len(wanted)} photos have wrong bytes")


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
