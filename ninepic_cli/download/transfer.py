"""What is done about one photo: it is left as it is, asked about, fetched, or copied.

A photo of several runners crosses the wire once: into the other runners' folders it is copied. Copied and never linked:
who edits or deletes one runner's photos must not touch another's. Where all runners' photos go into one folder, a
shared photo is one file, told for each of them.
"""

import hashlib
import os
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from ninepic_cli.download.check import Check
from ninepic_cli.download.fetch import Fetch, LocalFile, TransferContext
from ninepic_cli.download.s3 import HEAD_BYTES, why_not_a_photo
from ninepic_cli.errors import MachineError, OpenFilesError, PhotoError
from ninepic_cli.filesystem.folder import Presence
from ninepic_cli.filesystem.locks import LockState
from ninepic_cli.filesystem.partial import DisturbedError
from ninepic_cli.models import Busy, Downloaded, Failed, Outcome, Photo, Skipped, WouldDownload
from ninepic_cli.net.retry import RetryBudget
from ninepic_cli.text import display_path
from ninepic_cli.updates import WarningRaised

# Time-outs for which a photo is left to a process that seems to bring it further: anybody can make a file grow. One
# that does so slowly and honestly is not disturbed; the photo then crosses the wire twice.
_LONGEST_BUSY = 10

_Result = TypeVar("_Result")


class Existing(StrEnum):
    """What to do about a photo that is there already."""

    SKIP = "skip"
    VERIFY = "verify"
    OVERWRITE = "overwrite"


@dataclass(frozen=True, slots=True)
class _BusyPhoto:
    """A photo that another process holds: how far it was, since when, and what stood under its name at first."""

    sizes: dict[str, int]
    first_s: float
    since_s: float
    identity: tuple[int, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(TransferContext):
    """Brings photos into a folder; called by many threads at once, a photo at a time each."""

    existing: Existing
    timeout_s: float = 30.0  # a photo that another process holds and does not bring further for so long is taken over
    needs_md5: bool = False  # also of photos that are there and not asked about: they are read for it
    _done: set[bytes] = field(default_factory=set, init=False)
    _busy: dict[Path, _BusyPhoto] = field(default_factory=dict, init=False)

    def __call__(self, photo: Photo) -> Outcome | Busy:
        """Bring one photo onto the disk, unless another thread or process is just doing that.

        Raises:
            MachineError: the disk is full, or refuses.
            OpenFilesError: there were too many open files again and again.
            GivenUpError, NotAllowedError, StoppedError: the run ends.
        """
        return self._retry_open_files(lambda: self._transfer(photo))

    def _retry_open_files(self, work: Callable[[], _Result]) -> _Result:
        """What comes of work, which is done again where there were too many open files."""
        budget = RetryBudget(self.retries, stop=self.stop)
        while True:
            try:
                return work()
            except OpenFilesError as error:
                self.client.close_idle()
                if not budget.wait(error):
                    raise

    def _transfer(self, photo: Photo) -> Outcome | Busy:
        started_s = time.monotonic()
        path = self.folder.path_of(photo)
        fetch = Fetch(self, photo, path, started_s)
        try:
            # Looked at first without a lock: a second run, where all is there, makes none.
            if skipped := self._outcome_if_present(path, self.folder.presence(path)):
                return skipped
            with self.folder.claim(path) as lock:
                if lock is LockState.ANOTHER_THREADS:
                    return Busy()
                if lock is LockState.ANOTHER_PROCESSES and not self._is_stalled(path):
                    return Busy()
                presence = self.folder.presence(path)
                skipped = self._outcome_if_present(path, presence)
                return skipped or self._copy_or_fetch(fetch, photo, path, presence, lock)
        except PhotoError as error:
            return Failed(error, path, fetch.attempts, time.monotonic() - started_s)

    def copy(self, photo: Photo, source: Path, *, md5: str) -> Outcome | Busy | None:
        """Bring one photo onto the disk from where this run has put it for somebody else; raises as a call does.

        Returns:
            None where it has to be fetched: what is there is not what was, or the store is to be asked about a file.
        """
        return self._retry_open_files(lambda: self._copy(photo, source, md5=md5))

    def _copy(self, photo: Photo, source: Path, *, md5: str) -> Outcome | Busy | None:
        path = self.folder.path_of(photo)
        try:
            with self.folder.claim(path) as lock:
                if lock in {LockState.ANOTHER_THREADS, LockState.ANOTHER_PROCESSES}:
                    return Busy()
                presence = self.folder.presence(path)
                if skipped := self._outcome_if_present(path, presence, md5 if path == source else None):
                    return skipped
                is_wanted = presence is Presence.ABSENT or self.existing is Existing.OVERWRITE
                return self._copy_file(source, path, lock, md5=md5) if is_wanted else None
        except PhotoError as error:
            return Failed(error, path)

    def plan(self, photo: Photo) -> Outcome:
        """What a run would do about the photo, without asking the store or writing anything."""
        path = self.folder.path_of(photo)
        try:
            presence = self.folder.presence(path)
            wanted = presence is not Presence.WHOLE or self.existing is Existing.OVERWRITE
            return WouldDownload(path) if wanted else Skipped(path, self.folder.size(path))
        except PhotoError as error:
            return Failed(error, path)

    def check(self, photo: Photo) -> Outcome:
        """Ask the store whether the photo's file is the photo; nothing is fetched or written. Raises as a call does."""
        return self._retry_open_files(lambda: self._check(photo))

    def _check(self, photo: Photo) -> Outcome:
        started_s = time.monotonic()
        path = self.folder.path_of(photo)
        check = Check(self, photo, path, started_s)
        try:
            presence, local = self._read_for_check(path)
            return check.run_for(presence, local)
        except PhotoError as error:
            return Failed(error, path, check.attempts, time.monotonic() - started_s)

    def _read_for_check(self, path: Path) -> tuple[Presence, LocalFile | None]:
        """What stands under the name; a file that cannot be read counts as damaged, and the others go on."""
        try:
            presence = self.folder.presence(path)
            return presence, self._local_file(path, presence)
        except MachineError as error:
            raise PhotoError(error.message, hint=error.hint, code="damaged") from error

    def _fetch(self, fetch: Fetch, path: Path, presence: Presence, lock: LockState) -> Outcome:
        """Fetch the photo, unless the store confirms the file that is there."""
        identity = self.folder.identity(path) if presence is Presence.DAMAGED else None
        outcome = fetch.run(self._local_file(path, presence), lock)
        if isinstance(outcome, Skipped) and identity:
            self.folder.mark_verified(path, identity)
        is_replaced = isinstance(outcome, Downloaded) and presence is not Presence.ABSENT
        if is_replaced and self.existing is not Existing.OVERWRITE:
            reason = "it was damaged" if presence is Presence.DAMAGED else "it was not the photo that the store has"
            self.on_update(WarningRaised(f"replaced {display_path(path)}: {reason}"))
        return outcome

    def _copy_or_fetch(self, fetch: Fetch, photo: Photo, path: Path, presence: Presence, lock: LockState) -> Outcome:
        """Copy the photo from its other usual place if it is there, or else fetch it."""
        source = self.folder.other_path_of(photo) if presence is Presence.ABSENT else None
        if source is None or self.existing is Existing.OVERWRITE or not self._is_whole(source):
            return self._remember(self._fetch(fetch, path, presence, lock))
        if self.existing is Existing.SKIP:
            return self._copy_file(source, path, lock) or self._remember(fetch.run(None, lock))
        outcome = fetch.run(self._local_file(source, Presence.WHOLE), lock)
        if isinstance(outcome, Skipped):  # it is the photo, and not yet where it is to be
            copied = self._copy_file(source, path, lock, md5=outcome.md5)
            outcome = replace(copied, attempts=fetch.attempts) if copied else fetch.run(None, lock)
        return self._remember(outcome)

    def _copy_file(self, source: Path, path: Path, lock: LockState, *, md5: str | None = None) -> Downloaded | None:
        """Copy a file; None where it is not whole, cannot be read, is not the one with this MD5, or is disturbed."""
        started_s = time.monotonic()
        if not self._is_whole(source):
            return None
        with suppress(DisturbedError), self.folder.partial(path, hold=lock) as partial:
            modified_s = partial.copy(source, self.stop.check)
            if modified_s is None or md5 not in {None, partial.md5}:
                return None
            size, md5 = partial.size, partial.md5
            partial.commit(modified_s=modified_s)
            copied = Downloaded(path, size, md5, 0, time.monotonic() - started_s)
            self._remember(copied)
            return copied
        return None

    def _is_whole(self, source: Path) -> bool:
        """Whether a photo stands there that can be copied; trouble with it means that it cannot."""
        with suppress(PhotoError, MachineError):
            return os.path.lexists(source) and self.folder.presence(source) is Presence.WHOLE
        return False

    def _remember(self, outcome: Outcome) -> Outcome:
        """Remember, where it matters, that this run has fetched the photo, or asked the store about it."""
        if self.existing is not Existing.SKIP and isinstance(outcome, Downloaded | Skipped):
            self._done.add(self.folder.key(outcome.path))
        return outcome

    def _is_stalled(self, path: Path) -> bool:
        """Whether the process that holds the photo has not brought it further for the time-out, or comes to no end."""
        now_s, sizes = time.monotonic(), self.folder.partial_sizes(path)
        held = self._busy.get(path) or _BusyPhoto(sizes, now_s, now_s, self.folder.identity(path))
        self._busy[path] = held if held.sizes == sizes else replace(held, sizes=sizes, since_s=now_s)
        is_idle = held.sizes == sizes and now_s - held.since_s >= self.timeout_s
        return is_idle or now_s - held.first_s >= _LONGEST_BUSY * self.timeout_s

    def _outcome_if_present(self, path: Path, presence: Presence, md5: str | None = None) -> Skipped | None:
        """The outcome where the photo is there and needs no asking; its MD5 may be known."""
        if presence is Presence.ABSENT:
            return None
        held = self._busy.get(path)
        has_arrived = held is not None and held.identity != self.folder.identity(path)
        is_believed = presence is Presence.WHOLE and (self.existing is Existing.SKIP or has_arrived)
        if not is_believed and self.folder.key(path) not in self._done:
            return None
        self._busy.pop(path, None)
        if not self.needs_md5 or md5:
            return Skipped(path, self.folder.size(path), md5)
        try:
            return Skipped(path, *self.folder.size_and_md5(path))
        except MachineError:
            if os.path.lexists(path):
                raise
            return None  # it has just gone

    def _local_file(self, path: Path, presence: Presence) -> LocalFile | None:
        """The file to ask the store about, if there is one that it could confirm."""
        if presence is Presence.ABSENT or self.existing is Existing.OVERWRITE:
            return None
        try:
            if why_not_a_photo(self.folder.head(path, HEAD_BYTES), content_type=""):
                return None
            return LocalFile(*self.folder.size_and_md5(path))
        except MachineError:
            if os.path.lexists(path):
                raise
            return None  # it has just gone


_SOURCE = struct.Struct("<16sIII")  # MD5, the number of the bib or search, the photo's place in its listing, the row


def _key(text: str) -> bytes:
    """What stands for a text where there are very many."""
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=12).digest()


class DeduplicatingTransfer:
    """A transfer that copies what it has brought for somebody else; called by many threads at once.

    Args:
        transfer: fetches photos, and copies what it has fetched.
        identifiers: all bibs or searches of the run.
    """

    def __init__(self, transfer: Transfer, identifiers: Sequence[str]) -> None:
        self._transfer = transfer
        self._identifiers = identifiers
        self._numbers = {identifier: number for number, identifier in enumerate(identifiers)}
        self._lock = threading.Lock()
        self._in_flight: set[bytes] = set()
        self._sources: dict[bytes, bytes] = {}  # there may be very many: 200 bytes for each

    def __call__(self, photo: Photo) -> Outcome | Busy:
        """Copy the photo if this run has brought it for somebody else; fetch it if not."""
        key = _key(photo.image_id)
        with self._lock:
            if key in self._in_flight:
                return Busy()
            self._in_flight.add(key)
        try:
            outcome = self._copy(photo, key) or self._transfer(photo)
            number = self._numbers.get(photo.identifier)
            if isinstance(outcome, Downloaded | Skipped) and outcome.md5 and number is not None:
                # The newest place is the best: an older one may have been changed since.
                self._sources[key] = _SOURCE.pack(bytes.fromhex(outcome.md5), number, photo.index, photo.row)
            return outcome
        finally:
            with self._lock:
                self._in_flight.remove(key)

    def _copy(self, photo: Photo, key: bytes) -> Outcome | Busy | None:
        if (source := self._sources.get(key)) is None:
            return None
        md5, number, index, row = _SOURCE.unpack(source)
        copied = replace(photo, identifier=self._identifiers[number], index=index, row=row)
        return self._transfer.copy(photo, self._transfer.folder.path_of(copied), md5=md5.hex())


class DeduplicatingPlan:
    """A dry run's plan in which a file that several runners share is listed once."""

    def __init__(self, plan: Callable[[Photo], Outcome]) -> None:
        self._plan = plan
        self._listed: set[bytes] = set()

    def __call__(self, photo: Photo) -> Outcome:
        """What the run would do about the photo, after those before it."""
        outcome = self._plan(photo)
        if not isinstance(outcome, WouldDownload):
            return outcome
        key = _key(f"{outcome.path}\0{outcome.entry or ''}")
        if key in self._listed:
            return Skipped(outcome.path, None, entry=outcome.entry)
        self._listed.add(key)
        return outcome
