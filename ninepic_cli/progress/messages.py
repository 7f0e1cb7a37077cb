"""What happened, as lines for people: numbers and codes of a run in words."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Self

from ninepic_cli.models import Method
from ninepic_cli.progress.stats import RunStats, Status
from ninepic_cli.text import size_text, time_text, utc_text
from ninepic_cli.updates import HostPaused, RequestFinished, RetryScheduled, Update, WarningRaised

LINE_LIMIT = 1000  # characters of a line
_SAME_PAUSE_S = 5.0


def count_text(stats: RunStats | Status) -> str:
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


def status_text(status: Status) -> str:
    """How the run is doing, in a line."""
    parts = [count_text(status), size_text(status.size), f"{size_text(status.rate)}/s"]
    if status.left_s is not None:
        parts.append(left_text(status.left_s))
    if status.failed:
        parts.append(f"{status.failed:,} failed")
    return ", ".join(parts)


def pause_text(host: str, code: str, wait_s: float) -> str:
    """What a pause is told as."""
    return f"{host} returned {reason_text(code)}; retrying in {time_text(math.ceil(wait_s))}"


def reason_text(code: str) -> str:
    """An error's code in words: "HTTP 503", "wrong range"."""
    return "timed out" if code == "timeout" else code.replace("_", " ").replace("http", "HTTP")


class Progress:
    """What all displays do: feed it every update, and call `tick` at least once a second."""

    def expect(self, method: Method, asked: int) -> None:
        """Takes in how many identifiers the run is asked for; call it once, before the first update."""

    def on_update(self, update: Update) -> None:
        """Takes an update in and shows what it changes."""

    def tick(self) -> None:
        """Shows what time alone changes."""

    def show_status(self) -> None:
        """Tells at once how the run is doing."""

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
        is_verbose: whether each request's outcome is told.
        pauses_from_s: longer ones are told in any case.
    """

    def __init__(self, *, is_verbose: bool, pauses_from_s: float = math.inf) -> None:
        self.is_verbose = is_verbose
        self._pauses_from_s = pauses_from_s
        self._paused_until_s: dict[str, float] = {}

    def line(self, update: Update, now_s: float) -> str | None:
        """What to tell of the update; None for most."""
        match update:
            case WarningRaised(message):
                return f"warning: {message}"
            case HostPaused(host, code, wait_s) if self.is_verbose or self._is_news(update, now_s):
                return pause_text(host, code, wait_s)
            case RetryScheduled(photo, error, attempt, wait_s) if self.is_verbose:
                what = f"photo {photo.image_id}" if photo else "listing"
                return f"{what}: attempt {attempt} failed ({reason_text(error.code)}), retrying in {time_text(wait_s)}"
            case RequestFinished(what, status, attempt, size, seconds, ray, error) if self.is_verbose:
                facts = (
                    f"{'---' if status is None else status} attempt {attempt} {size} B {seconds:.3f} s ray {ray or '-'}"
                )
                return f"{facts} {what}{f': {error}' if error else ''}"
        return None

    def _is_news(self, pause: HostPaused, now_s: float) -> bool:
        """Whether it is a long pause that was not told yet; several workers may meet the same one."""
        until_s = now_s + pause.wait_s
        if pause.wait_s <= self._pauses_from_s or until_s < self._paused_until_s.get(pause.host, 0.0) + _SAME_PAUSE_S:
            return False
        self._paused_until_s[pause.host] = until_s
        return True


class Clocks(NamedTuple):
    """What tells the time: `monotonic` in seconds, `calendar` in those since 1970, as the service's own log."""

    monotonic: Callable[[], float] = time.monotonic
    calendar: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReports:
    """Who is told how the run is doing now and then, besides a person off a terminal, and how often.

    Attributes:
        every_s: seconds between two reports; 0 for none.
        log: takes lines: these, and what a verbose run tells, whatever the display shows; None for none.
        on_status: is told in numbers; None for none.
    """

    every_s: float = 60.0
    log: Callable[[str], None] | None = None
    on_status: Callable[[Status], None] | None = None


class Display(Progress):
    """A display, whatever it shows: messages one by one, and the numbers of the run.

    Args:
        messages: what is told in words; None for nothing.
        clocks: of which the calendar tells the time that stands before each message of a verbose run.
        reports: of how the run is doing.

    Attributes:
        stats: the numbers of the run.
    """

    has_status_lines = False

    def __init__(self, messages: MessageLog | None, clocks: Clocks, reports: StatusReports) -> None:
        self._messages = messages
        self._clock, self._calendar = clocks
        self._reports = reports
        self._log_messages = MessageLog(is_verbose=True)
        self._reported_s = self._clock()
        self._reported_size = 0
        self.stats = RunStats(self._reported_s)

    def expect(self, method: Method, asked: int) -> None:
        """See `Progress`."""
        self.stats.expect(method, asked)

    def on_update(self, update: Update) -> None:
        """See `Progress`."""
        now_s = self._clock()
        self.stats.record(update, now_s)
        if self._messages and (line := self._messages.line(update, now_s)) is not None:
            self._write(f"{utc_text(self._calendar())} {line}" if self._messages.is_verbose else line)
        if self._reports.log and (line := self._log_messages.line(update, now_s)) is not None:
            self._reports.log(line)
        self.tick()

    def tick(self) -> None:
        """See `Progress`."""
        self._report_if_due()

    def _report_if_due(self) -> bool:
        """Tells how the run is doing when it is time to; whether it was."""
        now_s, every_s = self._clock(), self._reports.every_s
        elapsed_s = now_s - self._reported_s
        if not every_s or elapsed_s < every_s:
            return False
        status = self.stats.status(now_s, rate=(self.stats.size - self._reported_size) / elapsed_s)
        self._reported_s += elapsed_s // every_s * every_s
        self._reported_size = self.stats.size
        if self.has_status_lines:
            self._write(status_text(status))
        if self._reports.log:
            self._reports.log(status_text(status))
        if self._reports.on_status:
            self.hide()
            self._reports.on_status(status)
        return True

    def show_status(self) -> None:
        """See `Progress`."""
        self._write(status_text(self.stats.status(self._clock())))

    def _write(self, line: str) -> None:
        raise NotImplementedError
