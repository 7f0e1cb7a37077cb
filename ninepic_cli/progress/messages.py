"""What happened, as lines for people: numbers and codes of a run in words."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Self

from ninepic_cli.models import Method
from ninepic_cli.progress.stats import RunStats
from ninepic_cli.text import time_text
from ninepic_cli.updates import HostPaused, RequestFinished, RetryScheduled, Update, WarningRaised

LINE_LIMIT = 1000  # characters of a line
_SAME_PAUSE_S = 5.0


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
    return f"{host} returned {reason_text(code)}; retrying in {time_text(math.ceil(wait_s))}"


def reason_text(code: str) -> str:
    """An error's code in words: "HTTP 503", "wrong range"."""
    return "timed out" if code == "timeout" else code.replace("_", " ").replace("http", "HTTP")


class Progress:
    """The silent display, and what all of them do: feed it every update, and call `tick` at least once a second."""

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

    def __exit__(self, *_: object) -> None:
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
        is_verbose = self._calendar is not None
        match update:
            case WarningRaised(message):
                line = f"warning: {message}"
            case HostPaused(host, code, wait_s) if is_verbose or self._is_news(update, now_s):
                line = pause_text(host, code, wait_s)
            case RetryScheduled(photo, error, attempt, wait_s) if is_verbose:
                what = f"photo {photo.image_id}" if photo else "listing"
                line = f"{what}: attempt {attempt} failed ({reason_text(error.code)}), retrying in {time_text(wait_s)}"
            case RequestFinished(what, status, attempt, size, seconds, ray, error) if is_verbose:
                facts = (
                    f"{'---' if status is None else status} attempt {attempt} {size} B {seconds:.3f} s ray {ray or '-'}"
                )
                line = f"{facts} {what}{f': {error}' if error else ''}"
            case _:
                return None
        if self._calendar is None:
            return line
        return f"{datetime.fromtimestamp(self._calendar(), UTC):%Y-%m-%dT%H:%M:%SZ} {line}"

    def _is_news(self, pause: HostPaused, now_s: float) -> bool:
        """Whether it is a long pause that was not told yet; several workers may meet the same one."""
        until_s = now_s + pause.wait_s
        if pause.wait_s <= self._pauses_from_s or until_s < self._paused_until_s.get(pause.host, 0.0) + _SAME_PAUSE_S:
            return False
        self._paused_until_s[pause.host] = until_s
        return True


class Display(Progress):
    """A display that shows something: messages one by one, and the numbers of the run.

    Args:
        log: what is told in words.
        clock: seconds, monotonic.
    """

    def __init__(self, log: MessageLog, clock: Callable[[], float]) -> None:
        self._log = log
        self._clock = clock
        self._stats = RunStats(clock())

    def expect(self, method: Method, asked: int) -> None:
        """See `Progress`."""
        self._stats.expect(method, asked)

    def on_update(self, update: Update) -> None:
        """See `Progress`."""
        now_s = self._clock()
        self._stats.record(update, now_s)
        if (line := self._log.line(update, now_s)) is not None:
            self._write(line)
        self.tick()

    def _write(self, line: str) -> None:
        raise NotImplementedError
