"""Events -> the numbers that a progress display shows. Nothing is drawn here, and the time is given, not read."""

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from ninepic_cli.models import Downloaded, Failed, Method, Photo
from ninepic_cli.updates import (
    BytesReceived,
    HostPaused,
    IdentifierListed,
    PageReceived,
    PhotoFinished,
    PhotoFound,
    PhotoRequeued,
    PhotoStarted,
    RetryScheduled,
    Update,
)

_SAMPLES = 20  # in a window
_RATE_WINDOW_S = 10.0
_LEAST_SIZES = 8  # for a mean that means something
_LEFT_WINDOW_S = 60.0  # a short pause or a fast moment is no reason to promise something else

_Key = tuple[str, str, int]  # of a photo, once for each row of a start list


@dataclass(slots=True)
class InFlight:
    """A photo that a worker has in hand.

    Attributes:
        photo: which it is.
        row: where it is shown among the others, from 0.
        moved_s: when bytes last came, or could have come at the earliest.
        heard_s: when bytes last came; 0 before the first.
        done: bytes on disk.
        total: bytes of the photo, or None where unknown.
        attempt: the number of the try, from 1.
        retry_at_s: when the next try begins, while it waits for one.
        reason: the code of the failed try that it waits after.
    """

    photo: Photo
    row: int
    moved_s: float
    heard_s: float = 0.0
    done: int = 0
    total: int | None = None
    attempt: int = 1
    retry_at_s: float = 0.0
    reason: str = ""

    @property
    def name(self) -> str:
        """As the service calls it; may hold anything."""
        return self.photo.filename or self.photo.image_id

    @property
    def host(self) -> str:
        """Where its link leads, as a pause would name it; "" where that is not known."""
        links = self.photo.links
        try:  # nothing else of the link, which is a credential
            return urlsplit(links.current(self.photo.image_id).url).netloc.lower() if links else ""
        except (KeyError, ValueError):
            return ""


class Pause(NamedTuple):
    """A host asked for patience; `code` says with what status."""

    host: str
    code: str
    since_s: float
    until_s: float


@dataclass(frozen=True, slots=True)
class Status:
    """How a run is doing at a moment.

    Attributes:
        done: photos with an outcome.
        total: photos known so far, those that the service has announced included.
        is_counted, is_listed: whether the total is known, and final.
        size: bytes that crossed the wire.
        rate: bytes a second, since the last report or of late.
        seconds: since the run began.
        failed: photos that could not be fetched.
        left_s: how long the rest will take, or None where that is not known.
    """

    done: int
    total: int
    is_counted: bool
    is_listed: bool
    size: int
    rate: float
    seconds: float
    failed: int
    left_s: float | None


class _Meter:
    """How fast a number grows of late."""

    def __init__(self, window_s: float, now_s: float) -> None:
        self._window_s = window_s
        self._samples = deque([(now_s, 0)])

    def read(self, number: int, now_s: float) -> None:
        if now_s - self._samples[-1][0] >= self._window_s / _SAMPLES:
            self._samples.append((now_s, number))

    def rate(self, number: int, now_s: float) -> float:
        while len(self._samples) > 1 and self._samples[1][0] <= now_s - self._window_s:
            self._samples.popleft()
        since_s, then = self._samples[0]
        return (number - then) / (now_s - since_s) if now_s > since_s else 0.0


class RunStats:
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
        self._started_s = now_s
        self._asked: int | None = None
        self._asked_photos = 0
        self._listed = 0
        self._listed_photos = 0
        self._seen: dict[str, int] = {}
        self._announced: dict[str, int] = {}
        self._waiting: set[_Key] = set()
        self._flights: dict[_Key, InFlight] = {}
        self._saved = 0
        self._saved_size = 0
        self._reset_meters(now_s)
        self._pauses: dict[str, Pause] = {}
        self._listing_again_s = 0.0
        self._listing_trouble = ""

    def expect(self, method: Method, asked: int) -> None:
        """Takes in how many identifiers the run is asked for, so that it is known when the listing is complete."""
        if method in {Method.IMAGE, Method.IMAGES}:
            self._asked_photos = asked
            asked = 0
        self._asked = asked

    def record(self, update: Update, now_s: float) -> None:
        """Takes an update in."""
        match update:
            case BytesReceived():
                self._on_bytes(update, now_s)
            case PhotoStarted(photo):
                self._on_started(photo, now_s)
            case PhotoRequeued(photo):
                self._flights.pop(_key(photo), None)
            case PhotoFinished():
                self._on_finished(update)
            case PhotoFound(photo):
                self._waiting.add(_key(photo))
                self._count_seen(photo)
            case PageReceived(str(identifier), total=int(total)):
                self._announced[identifier] = max(total, self._announced.get(identifier, 0))
            case IdentifierListed(identifier, found):
                self._listed += 1
                self._listed_photos += found
                self._seen.pop(identifier, None)
                self._announced.pop(identifier, None)
            case RetryScheduled(photo, error, attempt, wait_s):
                self._on_retry(photo, error.code, attempt, now_s + wait_s)
            case HostPaused():
                self._on_pause(update, now_s)

    @property
    def is_listed(self) -> bool:
        """Whether every listing has ended, so that the total is final."""
        return self._asked is not None and self._listed >= self._asked

    @property
    def is_counted(self) -> bool:
        """Whether the total is known: every listing has ended, or the service has said how long it is."""
        return self._asked is not None and self._listed + len(self._announced) >= self._asked

    @property
    def total(self) -> int:
        """Photos known so far, those that the service has announced included."""
        if self._asked_photos:
            return max(self.done, self._asked_photos)
        open_listings = self._seen.keys() | self._announced.keys()
        known = (max(self._seen.get(name, 0), self._announced.get(name, 0)) for name in open_listings)
        return max(self.done, self._listed_photos + sum(known))

    @property
    def done_under_way(self) -> float:
        """Photos with an outcome, and of those in hand the shares that are there."""
        shares = (min(1.0, flight.done / flight.total) for flight in self._flights.values() if flight.total)
        return self.done + sum(shares)

    def status(self, now_s: float, rate: float | None = None) -> Status:
        """How the run is doing; its rate is that of late unless another is given."""
        return Status(
            done=self.done,
            total=self.total,
            is_counted=self.is_counted,
            is_listed=self.is_listed,
            size=self.size,
            rate=self.rate(now_s) if rate is None else rate,
            seconds=self.elapsed_s(now_s),
            failed=self.failed,
            left_s=self.eta_s(now_s),
        )

    def elapsed_s(self, now_s: float) -> float:
        """For how long the run has been going."""
        return now_s - self._started_s

    def needed_space(self) -> float | None:
        """Bytes that photos still to come need: so many times the mean of those seen, one that was there already 0.

        None while it is not known how many they are, or too few sizes are.
        """
        flights = [(flight.done, flight.total) for flight in self._flights.values() if flight.total]
        sizes, seen = self._saved + len(flights), self.done + len(flights)
        if not sizes or not self.is_counted or sizes < min(_LEAST_SIZES, self.total - self.done + self._saved):
            return None
        size = self._saved_size + sum(total for _, total in flights)
        under_way = sum(total - done for done, total in flights)
        return max(self.total - seen, 0) * size / seen + max(under_way, 0)

    def in_flight(self) -> list[InFlight]:
        """The photos in hand, in an order that changes little as they come and go."""
        return sorted(self._flights.values(), key=lambda flight: flight.row)

    def rate(self, now_s: float) -> float:
        """Bytes a second, of late."""
        return self._rate_meter.rate(self.size, now_s)

    def eta_s(self, now_s: float) -> float | None:
        """How long the rest will take: photos left, their mean size and the rate; None while one of them is unknown."""
        rate, flights = self._left_meter.rate(self.size, now_s), self.in_flight()
        sizes = [flight.total for flight in flights if flight.total]
        count, size = (self._saved, self._saved_size) if self._saved else (len(sizes), sum(sizes))
        if not self.is_counted or not count or rate <= 0:
            return None
        left = (self.total - self.done) * size / count - sum(flight.done for flight in flights)
        return max(left, 0.0) / rate

    def pauses(self, now_s: float) -> list[Pause]:
        """The pauses of the hosts that nothing is sent to at the moment."""
        return [pause for pause in self._pauses.values() if pause.until_s > now_s]

    def is_paused(self, flight: InFlight, now_s: float) -> bool:
        """Whether nothing comes because its host is in a pause."""
        return any(flight.heard_s <= pause.since_s for pause in self.pauses(now_s) if flight.host in {"", pause.host})

    def idle_s(self, flight: InFlight, now_s: float) -> float:
        """For how long nothing has come, pauses of its host not counted."""
        pauses = [pause.until_s for pause in self._pauses.values() if flight.host in {"", pause.host}]
        return now_s - max(flight.moved_s, *pauses, 0.0)

    def listing_trouble(self, now_s: float) -> tuple[str, float] | None:
        """While the listing waits for its next try: the code of what failed, and the seconds left."""
        left_s = self._listing_again_s - now_s
        return (self._listing_trouble, left_s) if left_s > 0 else None

    def _count_seen(self, photo: Photo) -> None:
        if not self._asked_photos:
            self._seen[photo.identifier] = self._seen.get(photo.identifier, 0) + 1

    def _reset_meters(self, now_s: float) -> None:
        """From now on bytes can come."""
        self._rate_meter, self._left_meter = _Meter(_RATE_WINDOW_S, now_s), _Meter(_LEFT_WINDOW_S, now_s)

    def _on_started(self, photo: Photo, now_s: float) -> None:
        if not self.size:
            self._reset_meters(now_s)
        key = _key(photo)
        taken = {flight.row for flight in self._flights.values()}
        row = self._flights[key].row if key in self._flights else min(set(range(len(taken) + 1)) - taken)
        self._flights[key] = InFlight(photo, row, now_s)

    def _on_bytes(self, update: BytesReceived, now_s: float) -> None:
        self.size += update.received
        for meter in (self._rate_meter, self._left_meter):
            meter.read(self.size, now_s)
        if flight := self._flights.get(_key(update.photo)):
            flight.moved_s = flight.heard_s = now_s
            flight.done, flight.total, flight.retry_at_s = update.done, update.total, 0.0

    def _on_retry(self, photo: Photo | None, code: str, attempt: int, again_s: float) -> None:
        if photo is None:
            self._listing_again_s, self._listing_trouble = again_s, code
        elif flight := self._flights.get(_key(photo)):
            flight.attempt, flight.retry_at_s, flight.reason = attempt + 1, again_s, code
            flight.moved_s = again_s

    def _on_pause(self, update: HostPaused, now_s: float) -> None:
        """One that is longer than what the host's last one has left is a new one, or its extension."""
        last = self._pauses.get(update.host, Pause(update.host, update.code, now_s, 0.0))
        since_s = last.since_s if last.until_s > now_s else now_s
        self._pauses[update.host] = Pause(update.host, update.code, since_s, max(now_s + update.wait_s, last.until_s))

    def _on_finished(self, update: PhotoFinished) -> None:
        key, outcome = _key(update.photo), update.outcome
        self.done += 1
        if key in self._waiting:
            self._waiting.remove(key)
        else:
            self._count_seen(update.photo)
        if isinstance(outcome, Downloaded):
            self._saved, self._saved_size = self._saved + 1, self._saved_size + outcome.size
        elif isinstance(outcome, Failed) and not outcome.is_missing:
            self.failed += 1
        self._flights.pop(key, None)


def _key(photo: Photo) -> _Key:
    return photo.identifier, photo.image_id, photo.row
