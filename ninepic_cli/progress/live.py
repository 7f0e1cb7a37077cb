"""Bars on a terminal: its last lines, drawn over and over."""

import math
from contextlib import ExitStack
from functools import partial
from typing import Self

from rich.console import Console
from rich.control import Control
from rich.segment import ControlType, Segment, Segments

from ninepic_cli.progress.messages import LINE_LIMIT, Clocks, Display, MessageLog, StatusReports
from ninepic_cli.progress.render import Line, Renderer
from ninepic_cli.system.terminal import handle_suspend, is_in_background, restore_cursor

_DRAW_EVERY_S = 0.1
_UP = (ControlType.CURSOR_UP, 1)
_ERASE_LINE = (ControlType.ERASE_IN_LINE, 2)
_ERASE_REST = (ControlType.ERASE_IN_LINE, 0)


class LiveRegion:
    """Where the bars are.

    Not rich's Live: it draws from a thread of its own and loses count of its lines when the terminal gets narrower.
    A stream that takes nothing any more (the terminal was closed) is left alone from then on, and one that belongs
    to another job gets texts only.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._widths: list[int] = []
        self._has_cursor = True
        self._is_stale = False
        self._is_gone = False

    def close(self) -> None:
        """Shows the cursor again."""
        if not self._has_cursor:
            self._has_cursor = True
            self._write([Control(ControlType.SHOW_CURSOR).segment])

    def forget(self) -> None:
        """Leaves what is drawn where it is: something else was written, and the cursor shown, since.

        Takes no lock, so that a signal handler may call it, also in the middle of `draw`.
        """
        self._is_stale = True

    def draw(self, above: list[str], lines: list[Line]) -> None:
        """Puts the lines in place of the last ones, and the texts above them for good."""
        if is_in_background(self._console.file):
            self.forget()
            lines = []
        if self._is_stale:
            self._is_stale, self._has_cursor, self._widths = False, True, []
        codes = [Control(ControlType.HIDE_CURSOR).segment] if lines and self._has_cursor else []
        self._has_cursor = self._has_cursor and not lines
        width, height = self._console.size
        drawn = min(height, sum(max(1, math.ceil(cells / max(1, width))) for cells in self._widths))
        self._widths = [sum(segment.cell_length for segment in line) for line in lines]
        self._write(codes + _redraw_segments(drawn, above, lines))

    def _write(self, segments: list[Segment]) -> None:
        if self._is_gone or not segments:
            return
        try:
            self._console.print(Segments(segments), end="", soft_wrap=True)
        except OSError:
            self._is_gone = True


def _redraw_segments(drawn: int, above: list[str], lines: list[Line]) -> list[Segment]:
    """What turns the `drawn` lines on the terminal into the texts and the lines, the cursor at the end of the last.

    Lines are written over where they are, so that nothing flickers, unless there are fewer of them now or a
    text, which may need several, takes their place.
    """
    step = [_ERASE_LINE, _UP] if above or len(lines) < drawn else [_UP]
    codes = [*step * (drawn - 1), _ERASE_LINE] if drawn else []
    segments = [Control(ControlType.CARRIAGE_RETURN, *codes).segment] if codes else []
    for text in above:
        segments += [Segment(text), Segment.line()]
    for line in lines:
        segments += [*line, Control(_ERASE_REST).segment, Segment.line()]
    return segments[:-1] if lines else segments


class BarDisplay(Display):
    """For a terminal that can draw."""

    def __init__(self, console: Console, messages: MessageLog, clocks: Clocks, reports: StatusReports) -> None:
        super().__init__(messages, clocks, reports)
        self._console = console
        self._renderer = Renderer(console.encoding)
        self._region = LiveRegion(console)
        self._shared = ExitStack()
        self._above: list[str] = []
        self._drawn_s = -math.inf

    def __enter__(self) -> Self:
        on_leave = partial(restore_cursor, self._console)
        self._shared.enter_context(handle_suspend(on_leave=on_leave, on_return=self._region.forget))
        return self

    def tick(self) -> None:
        """See `Progress`."""
        if self._report_if_due():
            self._drawn_s = -math.inf
        now_s = self._clock()
        if now_s - self._drawn_s < _DRAW_EVERY_S:
            return
        self._drawn_s = now_s
        width, height = self._console.size
        lines = self._renderer.lines(self.stats, now_s, max(1, width - 1), max(1, height - 1))
        self._region.draw(self._take_above(), lines)

    def show_status(self) -> None:
        """See `Progress`."""
        super().show_status()
        self._drawn_s = -math.inf
        self.tick()

    def hide(self) -> None:
        """See `Progress`."""
        self._region.draw(self._take_above(), [])

    def close(self) -> None:
        """See `Progress`."""
        try:
            self.hide()
            self._region.close()
        except Exception:  # the way through the display is broken: the cursor comes back around it
            restore_cursor(self._console)
            raise
        finally:
            self._shared.close()

    def _write(self, line: str) -> None:
        self._above.append(self._renderer.text(line, LINE_LIMIT))

    def _take_above(self) -> list[str]:
        above, self._above = self._above, []
        return above
