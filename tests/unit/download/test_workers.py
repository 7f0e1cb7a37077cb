"""Many photos: each is settled once, in the order of the listing, and those that are held come last."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from ninepic_cli.download import workers as module
from ninepic_cli.download.workers import RunEnd, UpdateQueue, download_photos
from ninepic_cli.errors import MachineError
from ninepic_cli.models import Busy, Outcome, Photo, Skipped
from ninepic_cli.system.shutdown import CancelToken
from ninepic_cli.updates import PhotoFinished, PhotoFound, PhotoRequeued, PhotoStarted, Update
from tests.support.photos import photos

AGAIN_S = 0.05


@pytest.fixture(autouse=True)
def _soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Busy photos are looked at again soon, so that tests are quick."""
    monkeypatch.setattr(module, "_REQUEUE_S", AGAIN_S)
    monkeypatch.setattr(module, "_TICK_S", 0.01)


@dataclass
class Work:
    """A transfer of which some photos are held, each so many times; keeps what it was asked for, and when."""

    held: dict[str, int] = field(default_factory=dict)
    tell: Callable[[str], object] = lambda _: None
    asked: list[str] = field(default_factory=list)
    times: dict[str, list[float]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, photo: Photo) -> Outcome | Busy:
        """Bring one photo onto the disk, or not yet."""
        with self.lock:
            self.asked.append(photo.image_id)
            self.times.setdefault(photo.image_id, []).append(time.monotonic())
            left = self.held.get(photo.image_id, 0)
            self.held[photo.image_id] = left - 1
        self.tell(photo.image_id)
        return Busy() if left > 0 else Skipped(Path(photo.filename), 1)


def told(
    entries: Iterable[Photo | Update], work: Callable[[Photo], Outcome | Busy], *, jobs: int = 1
) -> tuple[RunEnd, list[Update]]:
    """How a run ends, and what it tells on the way."""
    heard: list[Update] = []

    def hear(event: Update | None) -> None:
        if event is not None:
            heard.append(event)

    return download_photos(entries, work, jobs=jobs, stop=CancelToken(), updates=UpdateQueue(), on_update=hear), heard


def ids(events: Iterable[Update], kind: type[PhotoStarted | PhotoFinished | PhotoRequeued | PhotoFound]) -> list[str]:
    """The ids of the photos of one kind of events."""
    return [event.photo.image_id for event in events if isinstance(event, kind)]


def test_in_the_order_of_the_listing() -> None:
    """Photos that nobody holds are taken up one after the other, and each is finished."""
    work = Work()
    ending, heard = told(photos(8), work)
    assert ending == RunEnd()
    assert work.asked == ids(heard, PhotoFinished) == list("01234567")
    assert ids(heard, PhotoRequeued) == []


def test_held_photos_come_last() -> None:
    """Photos that are held are put back, and taken up again behind all others, in the order they were put back."""
    work = Work({"1": 1, "3": 1})
    ending, heard = told(photos(6), work)
    assert ending == RunEnd()
    assert work.asked == list("01234513")
    assert ids(heard, PhotoFinished) == list("024513")


def test_a_deferral_is_told() -> None:
    """A held photo is found once, started and deferred as often as it was held, and finished once."""
    ending, heard = told(photos(2), Work({"0": 2}))
    assert ending == RunEnd()
    of_it = [type(event) for event in heard if getattr(event, "photo", None) == photos(1)[0]]
    assert of_it == [PhotoFound, PhotoStarted, PhotoRequeued, PhotoStarted, PhotoRequeued, PhotoStarted, PhotoFinished]


@pytest.mark.parametrize("jobs", [1, 4])
def test_held_for_long(jobs: int) -> None:
    """The run ends when the last held photo is settled, and asks for none more often than now and then."""
    work = Work({"0": 4, "2": 3, "5": 1})
    ending, heard = told(photos(6), work, jobs=jobs)
    assert ending == RunEnd()
    assert sorted(ids(heard, PhotoFinished)) == list("012345")
    assert Counter(ids(heard, PhotoRequeued)) == {"0": 4, "2": 3, "5": 1}
    for times in work.times.values():
        assert all(later - earlier >= AGAIN_S for earlier, later in pairwise(times))


def test_all_are_held() -> None:
    """A run whose photos are all held waits for them, whatever the number of workers."""
    work = Work(dict.fromkeys(map(str, range(5)), 2))
    ending, heard = told(photos(5), work, jobs=16)
    assert ending == RunEnd()
    assert sorted(ids(heard, PhotoFinished)) == list("01234")


def test_each_is_settled_once() -> None:
    """Whichever photos are held, how often and by how many workers, each one is finished once."""
    dice = random.Random(9)
    for jobs in (1, 2, 7):
        count = 150
        held = {str(number): dice.choice([0, 0, 1, 2]) for number in range(count)}
        ending, heard = told(photos(count), Work(dict(held)), jobs=jobs)
        assert ending == RunEnd()
        assert Counter(ids(heard, PhotoFinished)) == Counter(map(str, range(count)))
        assert Counter(ids(heard, PhotoRequeued)) == Counter(held)


def test_many_held_are_taken_up_between_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more are held than are kept waiting, the oldest are taken up before the listing is at its end."""
    monkeypatch.setattr(module, "_MOST_REQUEUED", 3)
    again = threading.Event()
    work = Work(dict.fromkeys("0123", 1))

    def tell(image_id: str) -> None:
        if work.asked.count(image_id) == 2:
            again.set()

    work.tell = tell

    def listed() -> Iterator[Photo]:
        *early, last = photos(10)
        yield from early
        assert again.wait(20)
        yield last

    ending, heard = told(listed(), work)
    assert ending == RunEnd()
    assert sorted(ids(heard, PhotoFinished)) == list("0123456789")
    finished = ids(heard, PhotoFinished)
    assert finished.index("0") < finished.index("9") < finished.index("1") < finished.index("3")


def test_few_held_wait_for_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as no more are held than may be, none is taken up before the listing is at its end."""
    monkeypatch.setattr(module, "_MOST_REQUEUED", 3)

    def listed() -> Iterator[Photo]:
        *early, last = photos(10)
        yield from early
        time.sleep(4 * AGAIN_S)
        yield last

    ending, heard = told(listed(), Work(dict.fromkeys("012", 1)))
    assert ending == RunEnd()
    assert ids(heard, PhotoFinished) == list("3456789012")


def test_signal_while_photos_are_held() -> None:
    """A run that waits for held photos ends at once when it is told to."""
    stop, heard = CancelToken(), list[Update]()

    def hear(event: Update | None) -> None:
        if isinstance(event, PhotoRequeued):
            heard.append(event)
            stop.interrupt(2)

    began_s = time.monotonic()
    work = Work({"0": 10**6})
    ending = download_photos(photos(1), work, jobs=4, stop=stop, updates=UpdateQueue(), on_update=hear)
    assert ending == RunEnd(signum=2)
    assert heard
    assert time.monotonic() - began_s < 5


def test_trouble_while_photos_are_held() -> None:
    """What dooms a run ends it, though photos are held."""
    trouble = MachineError("the disk is full")

    def work(photo: Photo) -> Outcome | Busy:
        if photo.image_id == "3":
            raise trouble
        return Busy()

    ending, heard = told(photos(4), work, jobs=2)
    assert ending == RunEnd(trouble)
    assert ids(heard, PhotoFinished) == []


def test_listing_fails_while_photos_are_held() -> None:
    """A listing that fails ends the run, though photos are held."""
    trouble = MachineError("no")

    def listed() -> Iterator[Photo]:
        yield from photos(2)
        raise trouble

    ending, _ = told(listed(), Work({"0": 10**6}))
    assert ending == RunEnd(trouble)
