"""`--since` and `--until`: a stretch of capture times. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime

from ninepic_cli.errors import UsageError
from ninepic_cli.quoting import quoted

# What the service is asked for where no end is given: far enough for any clock, near enough for any calendar.
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


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
    def of(cls, since: str | None, until: str | None) -> "Period | None":
        """The stretch between two texts in ISO 8601; None where neither is given.

        Raises:
            UsageError: a text is not a time, or nothing lies between.
        """
        if since is None and until is None:
            return None
        start = _FIRST if since is None else _moment(since, "--since")
        stop = _LAST if until is None else _moment(until, "--until")
        period = cls(_in_utc(start), _in_utc(stop), is_assumed=start.tzinfo is None or stop.tzinfo is None)
        if period.since >= period.until:
            raise UsageError(
                f"no time lies between --since {since or _FIRST.date()} and --until {until or _LAST.date()}",
                hint="--until is the first moment that is not taken: for a whole day, write the day after it",
            )
        return period

    def __str__(self) -> str:
        start = "" if self.since == _FIRST else f"from {_text(self.since)} on"
        stop = "" if self.until == _LAST else f"before {_text(self.until)}"
        return " and ".join(filter(None, (start, stop)))

    @property
    def query(self) -> str:
        """As the service is asked: a part of an address."""
        return f"from={_iso(self.since)}&to={_iso(self.until)}"


ALL_TIMES = Period()


def _moment(text: str, option: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
        _in_utc(moment)  # which the first and the last day of the calendar may lie outside of
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option} {quoted(text)} is not a time in ISO 8601",
            hint="write 2025-09-14, 2025-09-14T07:30 (both UTC) or 2025-09-14T09:30+02:00",
        ) from None
    return moment


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _iso(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat() + "Z"


def _text(moment: datetime) -> str:
    seconds = moment.second or moment.microsecond
    return moment.replace(tzinfo=None).isoformat(sep=" ", timespec="auto" if seconds else "minutes") + " UTC"
