"""The numbers of a run -> the lines that show it on a terminal, for a width, a height and an encoding.

Names and messages become harmless text here; nothing is read as markup.
"""

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple, Self

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from ninepic_cli.plain import encodable, plain, size_text, time_text
from ninepic_cli.tally import Flight, Tally

LINE_LIMIT = 1000
_STILL_S = 5.0
_LONG_STATE = 25  # "try 2, 12.3 MB of 25.0 MB"
_SHORT_STATE = 9
_RUN = Style(bold=True)
_DONE = Style(color="green")
_DIM = Style(dim=True)
_TROUBLE = Style(color="yellow")

Line = list[Segment]


class _Columns(NamedTuple):
    """How many cells each part of a photo's line gets."""

    name: int
    bar: int
    state: int

    @classmethod
    def within(cls, width: int) -> Self:
        """Those for a terminal: the bar goes first when it gets narrow, the name is shortened last."""
        state = _LONG_STATE if width >= 70 else _SHORT_STATE
        bar = min(40, width // 4) if width >= 40 else 0
        return cls(max(4, width - state - bar - (2 if bar else 1)), bar, state)


class Painter:
    """Numbers -> lines of text, for an encoding."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._full, self._empty, self._mark = ("━", "─", "…") if encoding.startswith("utf") else ("#", "-", "..")
        self._widest_name = 0
        self._widest_run = 0

    def text(self, text: str, limit: int) -> str:
        """The text as one harmless line that the encoding can say."""
        return encodable(plain(text, limit), self._encoding)

    def lines(self, tally: Tally, now_s: float, width: int, height: int) -> list[Line]:
        """The run's bar, the pauses, and as many of the photos in flight as fit."""
        lines = [*self._run(tally, now_s, width), *self._notices(tally, now_s, width)]
        flights, room = tally.in_flight(), height - len(lines)
        shown = flights if len(flights) <= room else flights[: max(0, room - 1)]
        lines += self._photos(shown, now_s, width)
        if len(shown) < len(flights):
            lines.append([Segment(f"and {len(flights) - len(shown)} more", _DIM)])
        return [Segment.adjust_line_length(line, width, pad=False) for line in lines[:height]]

    def _run(self, tally: Tally, now_s: float, width: int) -> Iterator[Line]:
        """The bar of the run: beside its numbers where there is room, else below."""
        text = _fitting(_numbers(tally, now_s), width)
        self._widest_run = min(width, max(len(text), self._widest_run))
        beside = width - self._widest_run - 1
        if beside >= 12:
            bar = self._bar(min(beside, 40), tally.done, tally.total)
            yield [Segment(text.ljust(self._widest_run + 1), _RUN), *bar]
        else:
            yield [Segment(text, _RUN)]
            yield self._bar(width, tally.done, tally.total)

    def _notices(self, tally: Tally, now_s: float, width: int) -> Iterator[Line]:
        """Why nothing may be moving."""
        for host, wait_s in tally.pauses(now_s).items():
            long = self.text(patience_text(host, wait_s), LINE_LIMIT)
            short = self.text(f"waiting {math.ceil(wait_s)} s for {host}", LINE_LIMIT)
            yield [Segment(long if cell_len(long) <= width else short, _TROUBLE)]
        again_s = math.ceil(tally.listing_again_in(now_s))
        if again_s > 0:
            yield [Segment(f"listing failed, again in {again_s} s", _TROUBLE)]

    def _photos(self, flights: list[Flight], now_s: float, width: int) -> Iterator[Line]:
        columns = _Columns.within(width)
        names = [self._name(flight.name, columns.name) for flight in flights]
        self._widest_name = min(columns.name, max([self._widest_name, *map(cell_len, names)]))
        for flight, name in zip(flights, names, strict=True):
            line = [Segment(name + " " * (self._widest_name - cell_len(name) + 1))]
            if columns.bar:
                line += [*self._bar(columns.bar, flight.done, flight.total), Segment(" ")]
            yield [*line, self._state(flight, now_s, columns.state)]

    def _state(self, flight: Flight, now_s: float, width: int) -> Segment:
        """How the photo is doing, in two lengths."""
        is_long = width >= _LONG_STATE
        wait_s, still_s = math.ceil(flight.again_s - now_s), int(now_s - flight.moved_s)
        if wait_s > 0:
            trouble = self.text(flight.trouble, _LONG_STATE)
            return Segment(f"again in {wait_s} s: {trouble}" if is_long else f"again {wait_s}s", _TROUBLE)
        if still_s >= _STILL_S:
            return Segment(f"no data for {still_s} s" if is_long else f"still {still_s}s", _TROUBLE)
        attempt = f"try {flight.attempt}, " if flight.attempt > 1 and is_long else ""
        if not flight.done:
            return Segment(f"{attempt}starting", _DIM)
        size = size_text(flight.done)
        if flight.total:
            size = f"{size} of {size_text(flight.total)}" if is_long else f"{100 * flight.done // flight.total:3} %"
        return Segment(attempt + size)

    def _name(self, name: str, width: int) -> str:
        return _shortened(name, width, self._mark, self._encoding)

    def _bar(self, width: int, done: int, total: int | None) -> Line:
        full = min(width, width * done // total) if total else 0
        return [Segment(self._full * full, _DONE), Segment(self._empty * (width - full), _DIM)]


@lru_cache(maxsize=512)
def _shortened(name: str, width: int, mark: str, encoding: str) -> str:
    """The name in at most `width` cells, its end kept, which tells it from its neighbours."""
    name = encodable(plain(name), encoding)
    if cell_len(name) <= width:
        return name
    tail_width = max(0, (width - len(mark)) * 2 // 3)
    head, tail = name, name
    while cell_len(tail) > tail_width:
        tail = tail[1:]
    while head and cell_len(head) + len(mark) + cell_len(tail) > width:
        head = head[:-1]
    return head + mark + tail


def count_text(tally: Tally) -> str:
    """How far the run is; "+" where more photos may come to light."""
    if not tally.total and not tally.is_listed:
        return "looking for photos"
    more = "" if tally.is_listed else "+"
    return f"{tally.done:,} of {tally.total:,}{more} photo{'' if tally.total == 1 and not more else 's'}"


def _numbers(tally: Tally, now_s: float) -> Iterator[str]:
    """What to tell of the run, the most important first."""
    yield count_text(tally)
    if tally.failed:
        yield f"{tally.failed:,} failed"
    if tally.size:
        yield size_text(tally.size)
        yield f"{size_text(tally.rate(now_s))}/s"
    left_s = tally.left_s(now_s)
    if left_s is not None:
        yield f"{time_text(math.ceil(left_s))} left"


def _fitting(parts: Iterable[str], width: int) -> str:
    """As many of the parts as fit, the first in any case."""
    text, *rest = parts
    for part in rest:
        if len(text) + 2 + len(part) > width:
            break
        text += f", {part}"
    return text


def patience_text(host: str, wait_s: float) -> str:
    """What a pause is told as."""
    return f"{host} asked for patience: waiting {time_text(math.ceil(wait_s))}"
