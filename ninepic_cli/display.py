"""The display on a terminal: what is told, above bars that are drawn over and over."""

import math
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Self

from rich.console import Console

from ninepic_cli.bars import Painter
from ninepic_cli.photo import Event, Method
from ninepic_cli.region import Region
from ninepic_cli.spoken import Progress, Spoken
from ninepic_cli.suspend import restore_cursor, suspension
from ninepic_cli.tally import Tally
from ninepic_cli.wording import LINE_LIMIT

_DRAW_EVERY_S = 0.1


class Bars(Progress):
    """For a terminal.

    Args:
        console: on it.
        spoken: what is told in words.
        clock: seconds, monotonic.
    """

    def __init__(self, console: Console, spoken: Spoken, clock: Callable[[], float]) -> None:
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
        """See `Progress`."""
        self._tally.expect(method, asked)

    def __enter__(self) -> Self:
        on_leave = partial(restore_cursor, self._console)
        self._shared.enter_context(suspension(on_leave=on_leave, on_return=self._region.forget))
        return self

    def on_event(self, event: Event) -> None:
        """See `Progress`."""
        now_s = self._clock()
        self._tally.take(event, now_s)
        line = self._spoken.line(event, now_s)
        if line is not None:
            self._above.append(self._painter.text(line, LINE_LIMIT))
        self._draw(now_s)

    def tick(self) -> None:
        """See `Progress`."""
        self._draw(self._clock())

    def hide(self) -> None:
        """See `Progress`."""
        self._region.draw(self._take_above(), [])

    def close(self) -> None:
        """See `Progress`."""
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
