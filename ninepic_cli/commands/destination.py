"""Where a run's photos go: what a run asks of any place, and the usual one, a folder (for ZIPs see `archive`)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from ninepic_cli.download.transfer import DeduplicatingTransfer, Existing, Transfer
from ninepic_cli.filesystem.folder import Folder
from ninepic_cli.filesystem.inventory import Inventory
from ninepic_cli.models import Busy, Downloaded, Method, Outcome, Photo, Skipped
from ninepic_cli.system.shutdown import CancelToken
from ninepic_cli.updates import Update


class Destination(Protocol):
    """A place for photos; its workers are called by many threads at once, all else by the main thread.

    Attributes:
        folder: what photos are fetched into.
    """

    folder: Folder

    @property
    def place(self) -> Path | None:
        """Where to look for the photos; None where that is no place, or nothing is there."""

    def worker(self, transfer: Transfer, /) -> Callable[[Photo], Outcome | Busy]:
        """What brings one photo here, given what fetches it into the folder."""

    def planner(self, transfer: Transfer, /) -> Callable[[Photo], Outcome]:
        """What a dry run does about one photo."""

    def record(self, photo: Photo, outcome: Outcome, /) -> None:
        """Take note of what became of a photo."""

    def complete(self, identifier: str, /) -> bool:
        """All photos of an identifier have their outcome; whether those that were fetched are in their place by now.

        Raises:
            StoppedError: the run is ending.
            MachineError: they cannot be.
        """

    def finish(self) -> None:
        """No photo comes any more; raises what `complete` does."""

    def unfinished(self) -> set[str]:
        """The identifiers of which something that was fetched is not kept."""

    def removed(self, stop: CancelToken, /) -> Iterable[Update]:
        """What was here and is not any more, looked for until a signal comes."""


class FolderDestination:
    """A folder: photos are fetched into it, and copied for whoever shares them.

    Args:
        folder: where photos go.
        shared_by: all bibs or searches of a run in which several may have the same photo; else none.
        inventory: of what has come here, for a look at the end; None for a dry run.
    """

    def __init__(self, folder: Folder, shared_by: Sequence[str], inventory: Inventory | None = None) -> None:
        self.folder = folder
        self.place = folder.root
        self._shared_by = shared_by
        self._inventory = inventory

    def worker(self, transfer: Transfer, /) -> Callable[[Photo], Outcome | Busy]:
        """What brings one photo into the folder."""
        return DeduplicatingTransfer(transfer, self._shared_by) if self._shared_by else transfer

    def planner(self, transfer: Transfer, /) -> Callable[[Photo], Outcome]:
        """What a dry run does about one photo."""
        return transfer.check if transfer.existing is Existing.VERIFY else transfer.plan

    def record(self, photo: Photo, outcome: Outcome, /) -> None:
        """Take note of a photo that is on the disk."""
        if self._inventory and isinstance(outcome, Downloaded | Skipped):
            self._inventory.add(photo, outcome)

    def complete(self, _: str, /) -> bool:
        """Each photo is in its place at once."""
        return True

    def finish(self) -> None:
        """Nothing is left to do."""

    def unfinished(self) -> set[str]:
        """Whatever was fetched is kept."""
        return set()

    def removed(self, stop: CancelToken, /) -> Iterable[Update]:
        """Photos that somebody has removed or moved."""
        return self._inventory.find_gone(lambda: stop.is_interrupted) if self._inventory else ()


@contextmanager
def open_folder(folder: Folder, method: Method, shared_by: Sequence[str]) -> Iterator[FolderDestination]:
    """Have a folder for the photos of a run; what was made in it for partials is removed in the end.

    Raises:
        UsageError: there cannot be such a folder.
        MachineError: it may not be written.
    """
    folder.check()
    folder.sweep()
    try:
        yield FolderDestination(folder, shared_by, Inventory(folder.root, method))
    finally:
        folder.close()
