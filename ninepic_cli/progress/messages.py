"""What happened, as lines for people: numbers and codes of a run in words."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from ninepic_cli.models import Method
from ninepic_cli.progress.stats import RunStats
from ninepic_cli.text import time_text
from ninepic_cli.updates import HostPaused, RequestFinished, RetryScheduled, Update, WarningRaised

LINE_LIMIT = 1000  # characters of a line


def count_text(stats: RunStats) -> str:
    """How far the run is; "+" where more photos may come to light."""
    if not stats.total and not stats.is_listed:
        return "looking for photos"
    more = "" if stats.is_counted else "+"
    return f"{stats.done:,} of {stats.total:,}{more} photo{'' if stats.total == 1 and not more else 's'}"


def left_text(seconds: float) -> str:
    """An estimate of the time left, no finer than it can be."""
    if seconds < 60:
        return f"{time_text(math.ceil(seconds))} left"
    step = 10 if seconds < 600 else 60
    return f"{time_text(round(seconds / step) * step)} left"


def pause_text(host: str, code: str, wait_s: float) -> str:
    """What a pause is told as."""
    return f"{host} asked for patience ({reason_text(code)}): waiting {time_text(math.ceil(wait_s))}"


def reason_text(code: str) -> str:
    """An error's code in words: "HTTP 503", "wrong range"."""
    return code.replace("_", " ").replace("http", "HTTP")


_SAME_PAUSE_S = 5.0


class Progress:
    """The silent one, and what they have in common: feed it every update, and call `tick` at least once a second."""

    def expect(self, method: Method, asked: int) -> None:
        """Takes in how many identifiers the run is asked for; call it once, before the first update."""

    def on_update(self, update: Update) -> None:
        """Takes an update in and shows what it changes."""

    def tick(self) -> None:
        """Shows what time alone changes."""

    def hide(self) -> None:
        """Takes the bars away until the next update or tick, so that something else can be written."""

    def close(self) -> None:
        """Leaves the terminal as it was found."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class MessageLog:
    """Which updates are told in words, and how.

    Args:
        calendar: tells the time that stands before each line of a verbose run; None for one that is not.
        pauses_from_s: longer ones are told in any case.
    """

    def __init__(self, calendar: Callable[[], float] | None, *, pauses_from_s: float) -> None:
        self._calendar = calendar
        self._pauses_from_s = pauses_from_s
        self._paused_until_s: dict[str, float] = {}

    def line(self, update: Update, now_s: float) -> str | None:
        """What to tell of the update; None for most."""
        line = self._message(update, now_s)
        if line is None and self._calendar is not None:
            line = _detail(update)
        if line is None or self._calendar is None:
            return line
        return f"{datetime.fromtimestamp(self._calendar(), UTC):%Y-%m-%dT%H:%M:%SZ} {line}"

    def _message(self, update: Update, now_s: float) -> str | None:
        """What is told to everybody."""
        match update:
            case WarningRaised(message):
                return f"warning: {message}"
            case HostPaused(host, code, wait_s) if self._is_news(update, now_s):
                return pause_text(host, code, wait_s)
        return None

    def _is_news(self, pause: HostPaused, now_s: float) -> bool:
        """Whether it is a long pause that was not told yet; several workers may meet the same one."""
        until_s = now_s + pause.wait_s
        if pause.wait_s <= self._pauses_from_s or until_s < self._paused_until_s.get(pause.host, 0.0) + _SAME_PAUSE_S:
            return False
        self._paused_until_s[pause.host] = until_s
        return True


def _detail(update: Update) -> str | None:
    """What is told to those who want to know more."""
    match update:
        case RequestFinished():
            return _answer(update)
        case RetryScheduled(photo, error, attempt, wait_s):
            what = f"photo {photo.image_id}" if photo else "the list"
            return f"retry in {time_text(wait_s)}: {what}, after try {attempt} ({reason_text(error.code)})"
        case HostPaused(host, code, wait_s):
            return pause_text(host, code, wait_s)
    return None


def _answer(update: RequestFinished) -> str:
    """A request's outcome, the same fields in the same order every time."""
    status = "---" if update.status is None else str(update.status)
    error = f": {update.error}" if update.error else ""
    facts = f"{status} try {update.attempt} {update.size} B {update.seconds:.3f} s ray {update.ray or '-'}"
    return f"{facts} {update.what}{error}"
