"""How workers end that cannot go on: photos in hand come first."""

import errno
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ninepic_cli.download import workers as module
from ninepic_cli.download.workers import RunEnd, UpdateQueue, download_photos
from ninepic_cli.errors import GivenUpError, MachineError, NinepicError, NotAllowedError, StoppedError
from ninepic_cli.models import Busy, Outcome, Photo, Skipped
from ninepic_cli.system.shutdown import CancelToken
from ninepic_cli.updates import PhotoFinished, Update
from tests.support.photos import photos

REFUSED = NotAllowedError("the service refuses the key")


def broken_off(count: int, error: Exception) -> Iterator[Photo]:
    """A listing that breaks off after so many photos."""
    yield from photos(count)
    raise error


def ended(
    entries: Iterator[Photo], work: Callable[[Photo], Outcome | Busy], *, jobs: int = 2
) -> tuple[RunEnd, list[str]]:
    """How a run ends, and which photos were finished."""
    finished: list[str] = []

    def hear(event: Update | None) -> None:
        if isinstance(event, PhotoFinished):
            finished.append(event.photo.image_id)

    ending = download_photos(entries, work, jobs=jobs, stop=CancelToken(), updates=UpdateQueue(), on_update=hear)
    return ending, sorted(finished, key=int)


def done(photo: Photo) -> Outcome:
    """The outcome of a photo that went well."""
    return Skipped(Path(photo.filename), 1)


def amid(
    error: BaseException, count: int, refusal: NinepicError | None
) -> tuple[Iterator[Photo], Callable[[Photo], Outcome]]:
    """A listing that ends with a refusal or well, and what is done with its photos: 3 then meets an error."""
    listed = threading.Event()

    def listing() -> Iterator[Photo]:
        yield from photos(count)
        listed.set()
        if refusal:
            raise refusal

    def work(photo: Photo) -> Outcome:
        assert listed.wait(20)
        time.sleep(0.05)  # so that the end of the listing has been heard of
        if photo.image_id == "3":
            raise error
        return done(photo)

    return listing(), work


class TestThreads:
    """How what ends one thread ends the others."""

    @pytest.fixture(autouse=True)
    def _soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Busy photos are looked at again soon."""
        monkeypatch.setattr(module, "_REQUEUE_S", 0.02)
        monkeypatch.setattr(module, "_TICK_S", 0.01)

    @pytest.mark.parametrize("jobs", [1, 4, 64])
    @pytest.mark.parametrize("error", [REFUSED, GivenUpError("silent"), KeyError("a bug")])
    def test_a_listing_that_breaks_off(self, jobs: int, error: Exception) -> None:
        """Photos that it has brought are finished, those that others hold too, and it is what ended the run."""
        again: set[str] = set()

        def work(photo: Photo) -> Outcome | Busy:
            if photo.image_id in {"3", "50"} - again:
                again.add(photo.image_id)
                return Busy()
            return done(photo)

        ending, finished = ended(broken_off(55, error), work, jobs=jobs)
        assert finished == [photo.image_id for photo in photos(55)]
        assert ending.error is not None
        assert error in {ending.error, ending.error.__cause__}

    def test_this_machine(self) -> None:
        """A full disk ends the run at once, and is told in place of what was ending it."""
        full = MachineError("the disk is full")
        ending, finished = ended(*amid(full, 40, REFUSED), jobs=1)
        assert (ending, finished) == (RunEnd(full), ["0", "1", "2"])

    def test_this_machine_in_the_systems_words(self) -> None:
        """So does an error of the system about a file that nobody has put into words."""
        ending, finished = ended(*amid(OSError(errno.EIO, "Input/output error", "x.jpg"), 40, None))
        assert (type(ending.error), len(finished) < 30) == (MachineError, True), finished

    def test_a_store_that_is_given_up(self) -> None:
        """What a worker cannot go on from ends the run at once; what was ending it before is what is told."""
        silent = GivenUpError("the store is silent")
        assert ended(*amid(silent, 40, REFUSED), jobs=1) == (RunEnd(REFUSED), ["0", "1", "2"])
        assert ended(*amid(silent, 40, None), jobs=1) == (RunEnd(silent), ["0", "1", "2"])

    def test_a_bug_in_one_photo(self) -> None:
        """Photos in hand are finished where one meets a bug, and nothing more is listed."""
        met, asked = threading.Event(), list[str]()

        def listing() -> Iterator[Photo]:
            *early, last = photos(30)
            yield from early
            assert met.wait(20)
            time.sleep(0.05)
            yield last
            asked.append("more")

        def work(photo: Photo) -> Outcome:
            if photo.image_id == "3":
                met.set()
                raise KeyError
            return done(photo)

        ending, finished = ended(listing(), work)
        assert ending.error is not None
        assert "KeyError" in ending.error.message
        assert finished == [photo.image_id for photo in photos(29) if photo.image_id != "3"]
        assert asked == []

    def test_a_bug_counts_more_than_the_end_of_the_listing(self) -> None:
        """A bug that a photo meets while the run is ending is what is told, and the others are finished."""
        ending, finished = ended(*amid(KeyError(), 10, REFUSED))
        assert ending.error is not None
        assert "KeyError" in ending.error.message
        assert finished == [photo.image_id for photo in photos(10) if photo.image_id != "3"]

    def test_every_worker_meets_a_bug(self) -> None:
        """Where no worker is left the listing is not waited for."""
        gone = threading.Event()

        def listing() -> Iterator[Photo]:
            yield from photos(100)
            gone.wait(20)

        def work(photo: Photo) -> Outcome:
            raise KeyError

        try:
            began_s = time.monotonic()
            ending, finished = ended(listing(), work)
            assert time.monotonic() - began_s < 10
        finally:
            gone.set()
        assert (ending == RunEnd(), finished) == (False, [])

    def test_what_is_finished_in_the_last_moment_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Photos whose outcomes have not been told when the run's time is over are told all the same."""
        monkeypatch.setattr(module, "_GRACE_S", 0.0)
        updates, heard = UpdateQueue(), list[Update | None]()
        for photo in photos(3):
            updates.put(PhotoFinished(photo, done(photo)))
        stop = CancelToken()
        stop.interrupt(signal.SIGINT)
        ending = download_photos(iter(()), done, jobs=1, stop=stop, updates=updates, on_update=heard.append)
        assert ending == RunEnd(signum=signal.SIGINT)
        assert sum(isinstance(event, PhotoFinished) for event in heard) == 3

    def test_a_listing_that_is_told_to_stop(self) -> None:
        """A listing that ends because the run does is no error of its own."""
        ending, finished = ended(broken_off(5, StoppedError("the run is ending")), done)
        assert (ending, finished) == (RunEnd(), [photo.image_id for photo in photos(5)])
