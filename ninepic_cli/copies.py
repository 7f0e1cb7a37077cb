"""A photo of several runners crosses the wire once: into the other runners' folders it is copied.

Copied and never linked: who edits or deletes one runner's photos must not touch another's. Where all runners' photos
go into one folder, a shared photo is one file, told for each of them.
"""

import hashlib
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ninepic_cli.photo import Held, Listed, Outcome, Photo, Saved, Skipped
from ninepic_cli.transfer import Transfer

_SOURCE = struct.Struct("<16sIII")  # MD5, the number of the bib or search, the photo's place in its listing, the row


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
        self._sources: dict[bytes, bytes] = {}  # there may be very many: 200 bytes for each

    def __call__(self, photo: Photo) -> Outcome | Held:
        """Copy the photo if this run has brought it for somebody else; fetch it if not."""
        key = hashlib.blake2b(photo.image_id.encode(errors="surrogatepass"), digest_size=12).digest()
        with self._lock:
            if key in self._in_hand:
                return Held()
            self._in_hand.add(key)
        try:
            outcome = self._copied(photo, key) or self._transfer(photo)
            number = self._numbers.get(photo.identifier)
            if isinstance(outcome, Saved | Skipped) and outcome.md5 and number is not None:
                # The newest place is the best: an older one may have been changed since.
                self._sources[key] = _SOURCE.pack(bytes.fromhex(outcome.md5), number, photo.index, photo.row)
            return outcome
        finally:
            with self._lock:
                self._in_hand.remove(key)

    def _copied(self, photo: Photo, key: bytes) -> Outcome | Held | None:
        source = self._sources.get(key)
        if source is None:
            return None
        md5, number, index, row = _SOURCE.unpack(source)
        there = self._path_of(replace(photo, identifier=self._identifiers[number], index=index, row=row))
        return self._transfer.copy(photo, there, md5=md5.hex())


class Plan:
    """Wraps what a dry run does about a photo: one file that several runners share is listed once.

    Args:
        plan: what a run would do about one photo.
    """

    def __init__(self, plan: Callable[[Photo], Outcome]) -> None:
        self._plan = plan
        self._listed: set[bytes] = set()

    def __call__(self, photo: Photo) -> Outcome:
        """What a run would do about the photo, after those before it."""
        outcome = self._plan(photo)
        if not isinstance(outcome, Listed):
            return outcome
        name = f"{outcome.path}\0{outcome.entry or ''}".encode(errors="surrogatepass")
        key = hashlib.blake2b(name, digest_size=12).digest()
        if key in self._listed:
            return Skipped(outcome.path, None, entry=outcome.entry)
        self._listed.add(key)
        return outcome
