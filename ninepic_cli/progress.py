"""Events -> what a person sees on standard error while the run goes: bars, plain lines, or nothing.

Everything is written by the thread that calls `on_event` and `tick`. Names and messages are written as text that
was made harmless first, never as markup.
"""

import contextlib
import math
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from io import StringIO
from types import TracebackType
from typing import Self

from rich.console import Console

from ninepic_cli.bars import LINE_LIMIT, Painter, count_text, left_text, pause_text, reason_text
from ninepic_cli.photo import Answered, Event, Method, Paused, Retried, Warned
from ninepic_cli.plain import encodable, plain, size_text, time_text
from ninepic_cli.region import Region
from ninepic_cli.suspend import suspension
from ninepic_cli.tally import Tally

_LINE_EVERY_S = 300.0
_DRAW_EVERY_S = 0.1
_LONG_PAUSE_S = 10.0
_SAME_PAUSE_S = 5.0


class Progress:
    """The silent one, and what they have in common: feed it every event, and call `tick` at least once a second."""

    def expect(self, method: Method, asked: int) -> None:
        """Takes in how many identifiers the run is asked for; call it once, before the first event."""

    def on_event(self, event: Event) -> None:
        """Takes an event in and shows what it changes."""

    def tick(self) -> None:
        """Shows what time alone changes."""

    def hide(self) -> None:
        """Takes the bars away until the next event or tick, so that something else can be written."""

    def close(self) -> None:
        """Leaves the terminal as it was found."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def open_progress(
    console: Console,
    *,
    bars: bool,
    quiet: bool,
    verbose: bool,
    clock: Callable[[], float] = time.monotonic,
    calendar: Callable[[], float] = time.time,
) -> Progress:
    """The display that fits.

    Args:
        console: on standard error.
        bars: whether bars are wanted; they are drawn only where the stream is a terminal that can draw them.
        quiet: nothing at all.
        verbose: a line for every request's outcome, retry and pause.
        clock: seconds, monotonic.
        calendar: seconds since 1970, to compare with the service's own log.
    """
    if quiet:
        return Progress()
    is_drawn = bars and can_draw(console)
    spoken = _Spoken(calendar if verbose else None, pauses_from_s=math.inf if is_drawn else _LONG_PAUSE_S)
    return (_Bars if is_drawn else _Lines)(console, spoken, clock)


def can_draw(console: Console) -> bool:
    """Whether bars can be drawn. The stream is asked too: FORCE_COLOR makes rich call any file a terminal."""
    return console.is_terminal and console.is_interactive and not console.is_dumb_terminal and console.file.isatty()


def restore_cursor(console: Console) -> None:
    """Shows the cursor again, on a new line.

    For a signal handler: it goes around the stream, whose lock and buffer the interrupted code may hold.
    """
    with contextlib.suppress(OSError, ValueError):
        descriptor = console.file.fileno()
        if os.isatty(descriptor) and not console.is_dumb_terminal:
            os.write(descriptor, b"\x1b[?25h\r\n")


class _Spoken:
    """Which events are told in words, and how.

    Args:
        calendar: tells the time that stands before each line of a verbose run; None for one that is not.
        pauses_from_s: longer ones are told in any case.
    """

    def __init__(self, calendar: Callable[[], float] | None, *, pauses_from_s: float) -> None:
        self._calendar = calendar
        self._pauses_from_s = pauses_from_s
        self._paused_until_s: dict[str, float] = {}

    def line(self, event: Event, now_s: float) -> str | None:
        """What to tell of the event; None for most."""
        line = self._told(event, now_s)
        if line is None and self._calendar is not None:
            line = _detail(event)
        if line is None or self._calendar is None:
            return line
        return f"{datetime.fromtimestamp(self._calendar(), UTC):%Y-%m-%dT%H:%M:%SZ} {line}"

    def _told(self, event: Event, now_s: float) -> str | None:
        """What is told to everybody."""
        match event:
            case Warned(message):
                return f"warning: {message}"
            case Paused(host, code, wait_s) if self._is_news(event, now_s):
                return pause_text(host, code, wait_s)
        return None

    def _is_news(self, pause: Paused, now_s: float) -> bool:
        """Whether it is a long pause that was not told yet; several workers may meet the same one."""
        until_s = now_s + pause.wait_s
        if pause.wait_s <= self._pauses_from_s or until_s < self._paused_until_s.get(pause.host, 0.0) + _SAME_PAUSE_S:
            return False
        self._paused_until_s[pause.host] = until_s
        return True


class _Lines(Progress):
    """For a file, a pipe or a dumb terminal: few lines, and nothing but text in them.

    They go to the stream and not through rich, which writes escape codes wherever FORCE_COLOR is set.
    """

    def __init__(self, console: Console, spoken: _Spoken, clock: Callable[[], float]) -> None:
        self._console = console
        self._clock = clock
        self._spoken = spoken
        self._told_s = clock()
        self._told_size = 0
        self._tally = Tally(self._told_s)

    def expect(self, method: Method, asked: int) -> None:
        self._tally.expect(method, asked)

    def on_event(self, event: Event) -> None:
        now_s = self._clock()
        self._tally.take(event, now_s)
        line = self._spoken.line(event, now_s)
        if line is not None:
            self._write(line)
        self.tick()

    def tick(self) -> None:
        now_s = self._clock()
        elapsed_s = now_s - self._told_s
        if elapsed_s < _LINE_EVERY_S:
            return
        rate, left_s = (self._tally.size - self._told_size) / elapsed_s, self._tally.left_s(now_s)
        parts = [count_text(self._tally), size_text(self._tally.size), f"{size_text(rate)}/s"]
        self._write(", ".join(parts if left_s is None else [*parts, left_text(left_s)]))
        self._told_s += elapsed_s // _LINE_EVERY_S * _LINE_EVERY_S
        self._told_size = self._tally.size

    def _write(self, line: str) -> None:
        """Writes it, if anyone still reads."""
        with contextlib.suppress(OSError, ValueError):
            self._console.file.write(encodable(plain(line, LINE_LIMIT), self._console.encoding) + "\n")
            self._console.file.flush()


class _Bars(Progress):
    """For a terminal."""

    def __init__(self, console: Console, spoken: _Spoken, clock: Callable[[], float]) -> None:
        self._console = console
        self._clock = clock
        self._spoken = spoken
        self._tally = Tally(clock())
        self._painter = Painter(console.encoding)
        self._region = Region(console)
        self._shared = ExitStack()
        self._above: list[str] = []
        self._drawn_s = -math.inf

    def expect(self, method: Method, asked: int) -> None:
        self._tally.expect(method, asked)

    def __enter__(self) -> Self:
        on_leave = partial(restore_cursor, self._console)
        self._shared.enter_context(suspension(on_leave=on_leave, on_return=self._region.forget))
        return self

    def on_event(self, event: Event) -> None:
        now_s = self._clock()
        self._tally.take(event, now_s)
        line = self._spoken.line(event, now_s)
        if line is not None:
            self._above.append(self._painter.text(line, LINE_LIMIT))
        self._draw(now_s)

    def tick(self) -> None:
        self._draw(self._clock())

    def hide(self) -> None:
        self._region.draw(self._take_above(), [])

    def close(self) -> None:
        try:
            self._region.draw(self._take_above(), [])
            self._region.close()
        except Exception:  # the way through the display is broken: the cursor comes back around it
            restore_cursor(self._console)
            raise
        finally:
            self._shared.close()

    def _draw(self, now_s: float) -> None:
        if now_s - self._drawn_s < _DRAW_EVERY_S:
            return
        self._drawn_s = now_s
        width, height = self._console.size
        self._region.draw(
            self._take_above(), self._painter.lines(self._tally, now_s, max(1, width - 1), max(1, height - 1))
        )

    def _take_above(self) -> list[str]:
        above, self._above = self._above, []
        return above


def _detail(event: Event) -> str | None:
    """What is told to those who want to know more."""
    match event:
        case Answered():
            return _answer(event)
        case Retried(photo, error, attempt, wait_s):
            what = f"photo {photo.image_id}" if photo else "the list"
            return f"retry in {time_text(wait_s)}: {what}, after try {attempt} ({reason_text(error.code)})"
        case Paused(host, code, wait_s):
            return pause_text(host, code, wait_s)
    return None


def _answer(event: Answered) -> str:
    """A request's outcome, the same fields in the same order every time."""
    status = "---" if event.status is None else str(event.status)
    error = f": {event.error}" if event.error else ""
    facts = f"{status} try {event.attempt} {event.size} B {event.seconds:.3f} s ray {event.ray or '-'}"
    return f"{facts} {event.what}{error}"


def stderr_console() -> Console:
    """A console on standard error; one that writes nowhere where that is closed."""
    return Console(stderr=True) if sys.stderr is not None else Console(file=StringIO())
