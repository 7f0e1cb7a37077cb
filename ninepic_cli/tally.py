"""Events -> the numbers that a progress display shows. Nothing is drawn here, and the time is given, not read."""

from collections import deque
from dataclasses import dataclass

from ninepic_cli.photo import (
    Deferred,
    Event,
    Failed,
    Finished,
    Found,
    IdentifierListed,
    Method,
    PageReceived,
    Paused,
    Photo,
    Received,
    Retried,
    Saved,
    Started,
)

_SAMPLE_S = 0.5
_SAMPLES = 20  # the rate is that of the last ten seconds

_Key = tuple[str, str]


@dataclass(slots=True)
class Flight:
    """A photo that a worker has in hand.

    Attributes:
        name: as the service calls it; may hold anything.
        moved_s: when bytes last came.
        done: bytes on disk.
        total: bytes of the photo, or None where unknown.
        attempt: the number of the try, from 1.
        again_s: when the next try begins, while it waits for one.
        trouble: the code of the failed try that it waits after.
    """

    name: str
    moved_s: float
    done: int = 0
    total: int | None = None
    attempt: int = 1
    again_s: float = 0.0
    trouble: str = ""


class Tally:
    """What is known of a run while it goes.

    Attributes:
        done: photos with an outcome.
        failed: those of them that could not be fetched.
        size: bytes that crossed the wire.
    """

    def __init__(self, now_s: float) -> None:
        self.done = 0
        self.failed = 0
        self.size = 0
        self._asked: int | None = None
        self._asked_photos = 0
        self._listed = 0
        self._listed_photos = 0
        self._seen: dict[str, int] = {}
        self._announced: dict[str, int] = {}
        self._waiting: set[_Key] = set()
        self._rows: list[Flight | None] = []
        self._row_of: dict[_Key, int] = {}
        self._saved = 0
        self._saved_size = 0
        self._samples = deque([(now_s, 0)], maxlen=_SAMPLES)
        self._pauses: dict[str, float] = {}
        self._listing_again_s = 0.0

    def expect(self, method: Method, asked: int) -> None:
        """Takes in how many identifiers the run is asked for, so that it is known when the listing is complete."""
        if method in {Method.IMAGE, Method.IMAGES}:
            self._asked_photos = asked
            asked = 0
        self._asked = asked

    def take(self, event: Event, now_s: float) -> None:
        """Takes an event in."""
        match event:
            case Received():
                self._received(event, now_s)
            case Started(photo):
                self._started(photo, now_s)
            case Deferred(photo):
                self._landed(photo)
            case Finished():
                self._finished(event)
            case Found(photo):
                self._waiting.add(_key(photo))
                self._see(photo)
            case PageReceived(str(identifier), total=int(total)):
                self._announced[identifier] = max(total, self._announced.get(identifier, 0))
            case IdentifierListed(identifier, found):
                self._listed += 1
                self._listed_photos += found
                self._seen.pop(identifier, None)
                self._announced.pop(identifier, None)
            case Retried(photo, error, attempt, wait_s):
                self._retried(photo, error.code, attempt, now_s + wait_s)
            case Paused(host, _, wait_s):
                self._pauses[host] = max(now_s + wait_s, self._pauses.get(host, 0.0))

    @property
    def is_listed(self) -> bool:
        """Whether every listing has ended, so that the total is final."""
        return self._asked is not None and self._listed >= self._asked

    @property
    def total(self) -> int:
        """Photos known so far, those that the service has announced included."""
        if self._asked_photos:
            return self._asked_photos
        open_listings = self._seen.keys() | self._announced.keys()
        known = (max(self._seen.get(name, 0), self._announced.get(name, 0)) for name in open_listings)
        return max(self.done, self._listed_photos + sum(known))

    def in_flight(self) -> list[Flight]:
        """The photos in hand, in an order that changes little as they come and go."""
        return [row for row in self._rows if row is not None]

    def rate(self, now_s: float) -> float:
        """Bytes a second, of late."""
        since_s, size = self._samples[0]
        return (self.size - size) / (now_s - since_s) if now_s > since_s else 0.0

    def left_s(self, now_s: float) -> float | None:
        """How long the rest will take: photos left, their mean size and the rate; None while one of them is unknown."""
        rate, flights = self.rate(now_s), self.in_flight()
        sizes = [flight.total for flight in flights if flight.total]
        count, size = (self._saved, self._saved_size) if self._saved else (len(sizes), sum(sizes))
        if not self.is_listed or not count or rate <= 0:
            return None
        left = (self.total - self.done) * size / count - sum(flight.done for flight in flights)
        return max(left, 0.0) / rate

    def pauses(self, now_s: float) -> dict[str, float]:
        """The hosts that nothing is sent to at the moment, and for how many seconds more."""
        self._pauses = {host: until_s for host, until_s in self._pauses.items() if until_s > now_s}
        return {host: until_s - now_s for host, until_s in self._pauses.items()}

    def listing_again_in(self, now_s: float) -> float:
        """Seconds until a request of the listing is tried again; not above zero where none waits."""
        return self._listing_again_s - now_s

    def _see(self, photo: Photo) -> None:
        if not self._asked_photos:
            self._seen[photo.identifier] = self._seen.get(photo.identifier, 0) + 1

    def _started(self, photo: Photo, now_s: float) -> None:
        flight = Flight(photo.filename or photo.image_id, now_s)
        free = self._rows.index(None) if None in self._rows else len(self._rows)
        row = self._row_of.setdefault(_key(photo), free)
        self._rows[row : row + 1] = [flight]

    def _flight(self, photo: Photo) -> Flight | None:
        row = self._row_of.get(_key(photo))
        return None if row is None else self._rows[row]

    def _received(self, event: Received, now_s: float) -> None:
        self.size += event.received
        if now_s - self._samples[-1][0] >= _SAMPLE_S:
            self._samples.append((now_s, self.size))
        flight = self._flight(event.photo)
        if flight is not None:
            flight.moved_s, flight.done, flight.total, flight.again_s = now_s, event.done, event.total, 0.0

    def _retried(self, photo: Photo | None, code: str, attempt: int, again_s: float) -> None:
        flight = None if photo is None else self._flight(photo)
        if photo is None:
            self._listing_again_s = again_s
        elif flight is not None:
            flight.attempt, flight.again_s, flight.trouble = attempt + 1, again_s, code
            flight.moved_s = again_s

    def _finished(self, event: Finished) -> None:
        key, outcome = _key(event.photo), event.outcome
        self.done += 1
        if key in self._waiting:
            self._waiting.remove(key)
        else:
            self._see(event.photo)
        if isinstance(outcome, Saved):
            self._saved, self._saved_size = self._saved + 1, self._saved_size + outcome.size
        elif isinstance(outcome, Failed) and not outcome.is_missing:
            self.failed += 1
        self._landed(event.photo)

    def _landed(self, photo: Photo) -> None:
        """The photo's row is free again."""
        row = self._row_of.pop(_key(photo), None)
        if row is not None:
            self._rows[row] = None
            while self._rows and self._rows[-1] is None:
                self._rows.pop()


def _key(photo: Photo) -> _Key:
    return photo.identifier, photo.image_id
