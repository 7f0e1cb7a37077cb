"""A photo of several runners crosses the wire once: into the other runners' folders it is copied.

Copied and never linked: who edits or deletes one runner's photos must not touch another's.
"""

import hashlib
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ninepic_cli.photo import Held, Outcome, Photo, Saved
from ninepic_cli.transfer import Transfer

_FETCHED = struct.Struct("<16sII")  # MD5, the number of the bib or search, the photo's place in its listing


class Copies:
    """Wraps a transfer; called by many threads at once.

    Args:
        transfer: fetches photos, and copies what it has fetched.
        path_of: where a photo goes.
        identifiers: all bibs or searches of the run.
    """

    def __init__(self, transfer: Transfer, path_of: Callable[[Photo], Path], identifiers: Sequence[str]) -> None:
        self._transfer = transfer
        self._path_of = path_of
        self._identifiers = identifiers
        self._numbers = {identifier: number for number, identifier in enumerate(identifiers)}
        self._lock = threading.Lock()
        self._in_hand: set[bytes] = set()
        self._fetched: dict[bytes, bytes] = {}  # there may be very many: 200 bytes for each

    def __call__(self, photo: Photo) -> Outcome | Held:
        """Copy the photo if this run has fetched it for somebody else; fetch it if not."""
        key = hashlib.blake2b(photo.image_id.encode(errors="surrogatepass"), digest_size=12).digest()
        with self._lock:
            if key in self._in_hand:
                return Held()
            self._in_hand.add(key)
        try:
            return self._copied(photo, key) or self._brought(photo, key)
        finally:
            with self._lock:
                self._in_hand.remove(key)

    def _copied(self, photo: Photo, key: bytes) -> Outcome | Held | None:
        fetched = self._fetched.get(key)
        if fetched is None:
            return None
        md5, number, index = _FETCHED.unpack(fetched)
        there = self._path_of(replace(photo, identifier=self._identifiers[number], index=index))
        return self._transfer.copy(photo, there, md5=md5.hex())

    def _brought(self, photo: Photo, key: bytes) -> Outcome | Held:
        outcome = self._transfer(photo)
        if isinstance(outcome, Saved):
            number = self._numbers[photo.identifier]
            self._fetched.setdefault(key, _FETCHED.pack(bytes.fromhex(outcome.md5), number, photo.index))
        return outcome
