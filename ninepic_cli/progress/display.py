"""Events -> what a person sees on standard error while the run goes: bars, plain lines, or nothing.

Everything is written by the thread that calls `on_update` and `tick`. Names and messages are written as text that
was made harmless first, never as markup. What draws is loaded where there is a terminal to draw on.
"""

import contextlib
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, TextIO

from ninepic_cli.progress.messages import LINE_LIMIT, Display, MessageLog, Progress, count_text, left_text
from ninepic_cli.text import encodable, one_line, size_text

if TYPE_CHECKING:
    from rich.console import Console

_LINE_EVERY_S = 300.0
_LONG_PAUSE_S = 10.0


@dataclass(frozen=True, slots=True)
class PlainStream:
    """A stream that is no terminal, in place of a console."""

    file: TextIO
    is_dumb_terminal: bool = True

    @property
    def encoding(self) -> str:
        """Of what is written; UTF-8 where the stream has none."""
        return self.file.encoding or "utf-8"


def open_progress(
    console: "Console | PlainStream",
    *,
    bars: bool,
    quiet: bool,
    verbose: bool,
    clock: Callable[[], float] = time.monotonic,
    calendar: Callable[[], float] = time.time,
) -> Progress:
    """The display that fits; where bars are wanted, they are drawn only on a terminal that can draw them.

    `clock` is monotonic; `calendar` counts from 1970, to compare with the service's own log.
    """
    if quiet:
        return Progress()
    log_clock = calendar if verbose else None
    if not bars or isinstance(console, PlainStream) or not can_draw(console):
        return PlainDisplay(console, MessageLog(log_clock, pauses_from_s=_LONG_PAUSE_S), clock)
    from ninepic_cli.progress.live import BarDisplay  # noqa: PLC0415 (not needed off a terminal)

    return BarDisplay(console, MessageLog(log_clock, pauses_from_s=math.inf), clock)


def can_draw(console: "Console") -> bool:
    """Whether bars can be drawn. The stream is asked too: FORCE_COLOR makes rich call any file a terminal."""
    return console.is_terminal and console.is_interactive and not console.is_dumb_terminal and console.file.isatty()


def stderr_console() -> "Console | PlainStream":
    """A console on standard error; one that writes nowhere where that is closed."""
    if sys.stderr is None:
        return PlainStream(StringIO())
    if not sys.stderr.isatty():
        return PlainStream(sys.stderr)
    from rich.console import Console  # noqa: PLC0415 (not needed off a terminal)

    return Console(stderr=True)


class PlainDisplay(Display):
    """For a file, a pipe or a dumb terminal: few lines, and nothing but text in them.

    They go to the stream and not through rich, which writes escape codes wherever FORCE_COLOR is set.
    """

    def __init__(self, console: "Console | PlainStream", log: MessageLog, clock: Callable[[], float]) -> None:
        super().__init__(log, clock)
        self._console = console
        self._printed_s = clock()
        self._printed_size = 0

    def tick(self) -> None:
        """Write how far it has come, now and then."""
        now_s = self._clock()
        elapsed_s = now_s - self._printed_s
        if elapsed_s < _LINE_EVERY_S:
            return
        rate, left_s = (self._stats.size - self._printed_size) / elapsed_s, self._stats.eta_s(now_s)
        parts = [count_text(self._stats), size_text(self._stats.size), f"{size_text(rate)}/s"]
        self._write(", ".join(parts if left_s is None else [*parts, left_text(left_s)]))
        self._printed_s += elapsed_s // _LINE_EVERY_S * _LINE_EVERY_S
        self._printed_size = self._stats.size

    def _write(self, line: str) -> None:
        """Writes it, if anyone still reads."""
        with contextlib.suppress(OSError, ValueError):
            self._console.file.write(encodable(one_line(line, LINE_LIMIT), self._console.encoding) + "\n")
            self._console.file.flush()
