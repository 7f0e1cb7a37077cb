"""Which photos a run has said are on the disk, and a look at its end whether they still are.

Somebody may remove a folder, or move photos out of it, while the run goes on: then not everything is on the disk, which
is what an exit status of 0 promises.
"""

import os
import re
import stat
import struct
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

from ninepic_cli.models import Downloaded, Method, Photo, Skipped
from ninepic_cli.updates import PhotoRemoved

_RECORD = struct.Struct("<IHH?")  # the identifier's number, bytes of the path, bytes of the image id, whether fetched
_UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # in most names: 36 bytes of text, 16 of number
_ITSELF = 0xFFFFFFFF  # in place of a number: a photo that was asked for by its id
_MOST_FOLDERS = 1024  # whose entries are kept at once


class Inventory:
    """The photos of one run, all in or below one folder, in some 35 bytes each."""

    def __init__(self, root: Path, method: Method) -> None:
        self._root = root
        self._prefix = "" if root == Path() else os.path.join(root, "")  # noqa: PTH118 (as photos' paths begin)
        self._method = method
        self._records = bytearray()
        self._numbers: dict[str, int] = {}  # of identifiers
        self._names: dict[str, array[int]] = {}  # hashes of what is in each folder

    def add(self, photo: Photo, outcome: Downloaded | Skipped) -> None:
        """The photo is on the disk."""
        name = str(outcome.path).removeprefix(self._prefix)
        path = _pack_uuid(os.fsencode(name))
        # Most names are the image id and an extension.
        image_id = b"" if _stem(name) == photo.image_id else photo.image_id.encode(errors="surrogatepass")
        is_itself = photo.identifier == photo.image_id
        number = _ITSELF if is_itself else self._numbers.setdefault(photo.identifier, len(self._numbers))
        self._records += _RECORD.pack(number, len(path), len(image_id), isinstance(outcome, Downloaded))
        self._records += path + image_id

    def find_gone(self, is_over: Callable[[], bool] = lambda: False) -> Iterator[PhotoRemoved]:
        """Those that are not on the disk any more, until `is_over`; each folder is read once."""
        identifiers, at = list(self._numbers), 0
        while at < len(self._records) and not is_over():
            number, path_size, id_size, was_fetched = _RECORD.unpack_from(self._records, at)
            path_end = at + _RECORD.size + path_size
            path = os.fsdecode(_unpack_uuid(bytes(self._records[at + _RECORD.size : path_end])))
            image_id = bytes(self._records[path_end : path_end + id_size]).decode(errors="surrogatepass")
            at = path_end + id_size
            if self._is_gone(path):
                image_id = image_id or _stem(path)
                identifier = image_id if number == _ITSELF else identifiers[number]
                photo = Photo(image_id, Path(path).name, "", identifier, self._method, 0)
                yield PhotoRemoved(photo, self._root / path, was_fetched)
        self._names.clear()

    def _is_gone(self, path: str) -> bool:
        folder, _, name = path.rpartition(os.sep)
        if folder not in self._names:
            if len(self._names) >= _MOST_FOLDERS:
                self._names.clear()
            self._names[folder] = _names_in(self._root / folder)
        if _contains(self._names[folder], hash(name)):
            return False
        # A link may lead to it, the file system may give names back in another case or normal form, and a folder may
        # not be readable.
        try:
            return not stat.S_ISREG((self._root / path).stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False


def _pack_uuid(path: bytes) -> bytes:
    """The path with its first UUID as a NUL, which no path has, and a number."""
    return _UUID.sub(lambda found: b"\0" + UUID(found[0].decode()).bytes, path, count=1)


def _unpack_uuid(path: bytes) -> bytes:
    before, nul, after = path.partition(b"\0")
    return before + str(UUID(bytes=after[:16])).encode() + after[16:] if nul else path


def _stem(path: str) -> str:
    """The name without its extension; not by pathlib, which keeps each part of a path for good on some Pythons."""
    name = path.rpartition(os.sep)[2]
    return name.rpartition(".")[0] or name


def _names_in(folder: Path) -> "array[int]":
    """Hashes of the names of a folder's files, sorted, in 8 bytes each; none where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return array("q", sorted(hash(entry.name) for entry in entries if entry.is_file(follow_symlinks=False)))
    except OSError:
        return array("q")


def _contains(hashes: "array[int]", wanted: int) -> bool:
    at = bisect_left(hashes, wanted)
    return at < len(hashes) and hashes[at] == wanted
