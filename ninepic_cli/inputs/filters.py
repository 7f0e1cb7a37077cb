"""Which of an event's photos are meant: `--since` and `--until`, and `--shard K/N`. Pure.

Which shard a photo falls into depends on its id alone: not on the order of a list, and not on what is added to it.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ninepic_cli.errors import UsageError
from ninepic_cli.text import quoted

# What the service is asked for where no end is given: far enough for any clock, near enough for any calendar.
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)

# ISO 8601 as `date -Is` and `date --rfc-3339` write it. Python's own reader takes any character between day and time,
# and so the offset behind a day for a time.
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?"
    r"(?:Z|[+-](?:0[0-9]|1[0-4]):?[0-5][0-9])?)?"
)
_MIDNIGHT = re.compile(r"(?<=[T ])24(?=:00(?::00(?:[.,]0+)?)?(?:[Z+-]|\Z))")  # the end of a day
_HINT = "use 2025-09-14, 2025-09-14T07:30 (both UTC) or 2025-09-14T09:30+02:00"


@dataclass(frozen=True, slots=True)
class Period:
    """The times from `since` on and before `until`; both know their offset from UTC.

    Attributes:
        is_assumed: a time was given without an offset, and UTC was taken.
    """

    since: datetime = _FIRST
    until: datetime = _LAST
    is_assumed: bool = False

    @classmethod
    def parse(cls, since: str | None, until: str | None) -> "Period | None":
        """The stretch between two texts in ISO 8601; None where neither is given.

        Raises:
            UsageError: a text is not a time, or nothing lies between.
        """
        if since is None and until is None:
            return None
        start = _FIRST if since is None else _parse_time(since, "--since")
        stop = _LAST if until is None else _parse_time(until, "--until")
        period = cls(_to_utc(start), _to_utc(stop), is_assumed=start.tzinfo is None or stop.tzinfo is None)
        if period.since < period.until:
            return period
        if since is None or until is None:
            given, text = ("--until", until) if since is None else ("--since", since)
            bound = f"after {_FIRST.date()}" if since is None else f"before {_LAST.date()}"
            raise UsageError(f"invalid {given} {quoted(text or '')}: expected a time {bound}", hint=_HINT)
        order = "later than" if period.since > period.until else "the same time as"
        raise UsageError(
            f"--since {quoted(since)} is {order} --until {quoted(until)}",
            hint="--until is exclusive: for a whole day, give the next day",
        )

    def __str__(self) -> str:
        start = "" if self.since == _FIRST else f"since {_text(self.since)}"
        stop = "" if self.until == _LAST else f"before {_text(self.until)}"
        return " and ".join(filter(None, (start, stop)))

    @property
    def query(self) -> str:
        """As the service is asked: a part of an address."""
        return f"from={_iso(self.since)}&to={_iso(self.until)}"


ALL_TIMES = Period()


def _parse_time(text: str, option: str) -> datetime:
    """The time that a text names, with its offset where it has one; what is less than a microsecond is cut off."""
    iso, midnights = _MIDNIGHT.subn("00", text.strip().upper())
    try:
        if not _TIME.fullmatch(iso):
            raise ValueError(iso)
        moment = datetime.fromisoformat(iso) + timedelta(days=midnights)
        _to_utc(moment)  # which the first and the last day of the calendar may lie outside of
    except (ValueError, OverflowError):
        words = f"invalid {option} {quoted(text)}: expected a date or time in ISO 8601"
        raise UsageError(words, hint=_HINT) from None
    return moment


def _to_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _iso(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat() + "Z"


def _text(moment: datetime) -> str:
    seconds = moment.second or moment.microsecond
    return moment.replace(tzinfo=None).isoformat(sep=" ", timespec="auto" if seconds else "minutes") + " UTC"


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` parts; `number` counts from 1."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """The part that a text such as `3/8` names.

        Raises:
            UsageError: it names none.
        """
        found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        number, count = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= number <= count:
            wanted = f"use 1/{count} to {count}/{count}" if count else "expected K/N, such as 1/8"
            raise UsageError(f"invalid --shard {quoted(text)}: {wanted}")
        return cls(number, count)

    def has(self, image_id: str) -> bool:
        """Whether the photo falls into this part, and so into no other."""
        digest = hashlib.sha256(image_id.encode(errors="surrogatepass")).digest()
        return int.from_bytes(digest[-8:]) % self.count == self.number - 1


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which photos of the event are asked for.

    Attributes:
        part: None for all of them.
        period: None for all of them, those without a capture time included.
    """

    part: Shard | None = None
    period: Period | None = None
