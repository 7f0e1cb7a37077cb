"""Events -> what a person sees on standard error while the run goes: bars, plain lines, or nothing.

Everything is written by the thread that calls `on_update` and `tick`. Names and messages are written as text that
was made harmless first, never as markup. What draws is loaded where there is a terminal to draw on.
"""

import contextlib
import sys
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, TextIO

from ninepic_cli.progress.messages import LINE_LIMIT, Clocks, Display, MessageLog, StatusReports
from ninepic_cli.text import encodable, one_line

if TYPE_CHECKING:
    from rich.console import Console

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
    reports: StatusReports | None = None,
    clocks: Clocks | None = None,
) -> Display:
    """The display that fits; where bars are wanted, they are drawn only on a terminal that can draw them."""
    clocks, reports = clocks or Clocks(), reports or StatusReports()
    if quiet:
        return PlainDisplay(console, None, clocks, reports)
    if not bars or isinstance(console, PlainStream) or not can_draw(console):
        messages = MessageLog(is_verbose=verbose, pauses_from_s=_LONG_PAUSE_S)
        return PlainDisplay(console, messages, clocks, reports)
    from ninepic_cli.progress.live import BarDisplay  # noqa: PLC0415 (not needed off a terminal)

    return BarDisplay(console, MessageLog(is_verbose=verbose), clocks, reports)


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
    """For a file, a pipe or a dumb terminal: few lines, and nothing but text in them; without messages none unasked.

    They go to the stream and not through rich, which writes escape codes wherever FORCE_COLOR is set.
    """

    def __init__(
        self,
        console: "Console | PlainStream",
        messages: MessageLog | None,
        clocks: Clocks,
        reports: StatusReports,
    ) -> None:
        super().__init__(messages, clocks, reports)
        self.has_status_lines = messages is not None
        self._console = console

    def _write(self, line: str) -> None:
        """Writes it, if anyone still reads."""
        with contextlib.suppress(OSError, ValueError):
            self._console.file.write(encodable(one_line(line, LINE_LIMIT), self._console.encoding) + "\n")
            self._console.file.flush()
