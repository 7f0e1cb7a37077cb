"""The numbers of a run -> the lines that show it on a terminal, for a width, a height and an encoding.

Names and messages become harmless text here; nothing is read as markup. What does not fit is said in fewer words,
not cut.
"""

import math
from collections.abc import Iterator
from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from ninepic_cli.progress.messages import LINE_LIMIT, count_text, left_text, pause_text, reason_text
from ninepic_cli.progress.stats import InFlight, Pause, RunStats
from ninepic_cli.text import encodable, one_line, size_text, time_text

Line = list[Segment]

_IDLE_S = 5.0
_LONG_STATE = 25  # "HTTP 503, retry in 12 s"
_SHORT_STATE = 10  # "retry 12 s"
_SHORTEST_BAR, _LONGEST_BAR = 10, 40
_WIDE = 99  # of 100 columns, of which the last stays free
_RUN = Style(bold=True)
_DONE = Style(color="green")
_DIM = Style(dim=True)
_TROUBLE = Style(color="yellow")


class Renderer:
    """Numbers -> lines of text, for an encoding."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._full, self._empty, self._mark = ("━", "─", "…") if encoding.startswith("utf") else ("#", "-", "..")
        self._widest_name = 0
        self._widest_run = 0

    def text(self, text: str, limit: int) -> str:
        """The text as one harmless line that the encoding can say."""
        return encodable(one_line(text, limit), self._encoding)

    def lines(self, stats: RunStats, now_s: float, width: int, height: int) -> list[Line]:
        """The run's bar, the pauses, and as many of the photos in flight as fit."""
        lines = [*self._run(stats, now_s, width), *self._notices(stats, now_s, width)]
        flights, room = stats.in_flight(), height - len(lines)
        shown = flights if len(flights) <= room else flights[: max(0, room - 1)]
        lines += self._photos(stats, shown, now_s, width)
        if len(shown) < len(flights):
            lines.append([_rest(stats, flights[len(shown) :], now_s, width)])
        return [Segment.adjust_line_length(line, width, pad=False) for line in lines[:height]]

    def _run(self, stats: RunStats, now_s: float, width: int) -> Iterator[Line]:
        """The bar of the run: beside its numbers where there is room, else below."""
        text = _fit(width, *_numbers(stats, now_s, is_wide=width >= _WIDE))
        self._widest_run = min(width, max(len(text), self._widest_run))
        beside = width - self._widest_run - 1
        if beside >= 12:
            bar = self._bar(min(beside, _LONGEST_BAR), stats.done_under_way, stats.total)
            yield [Segment(text.ljust(self._widest_run + 1), _RUN), *bar]
        else:
            yield [Segment(text, _RUN)]
            yield self._bar(width, stats.done_under_way, stats.total)

    def _notices(self, stats: RunStats, now_s: float, width: int) -> Iterator[Line]:
        """Why nothing may be moving."""
        for pause in stats.pauses(now_s):
            texts = [self.text(text, LINE_LIMIT) for text in _pause_texts(pause, now_s)]
            yield [Segment(_fit(width, *texts), _TROUBLE)]
        trouble = stats.listing_trouble(now_s)
        if trouble is not None:
            code, left_s = trouble
            retry = f"retrying in {math.ceil(left_s)} s"
            long = f"listing the photos failed ({reason_text(code)}), {retry}"
            yield [Segment(_fit(width, long, f"listing failed, {retry}", retry), _TROUBLE)]

    def _photos(self, stats: RunStats, flights: list[InFlight], now_s: float, width: int) -> Iterator[Line]:
        name_width, bar_width, state_width = self._columns(flights, width)
        for flight in flights:
            name = self._name(flight.name, name_width)
            line = [Segment(name + " " * (name_width - cell_len(name) + 1))]
            if bar_width:
                line += [*self._bar_of(flight, bar_width), Segment(" ")]
            yield [*line, _state(stats, flight, now_s, state_width)]

    def _columns(self, flights: list[InFlight], width: int) -> tuple[int, int, int]:
        """How many cells a photo's name, bar and state get; the bar goes altogether where it is narrow.

        The names' column only ever gets wider, so that the others do not jump as photos come and go.
        """
        state = _LONG_STATE if width >= 70 else _SHORT_STATE
        shortest = _SHORTEST_BAR + 1 if width >= 40 else 0
        most = max(4, width - state - shortest - 1)
        names = (cell_len(self._name(flight.name, most)) for flight in flights)
        self._widest_name = max([self._widest_name, *names])
        name = min(self._widest_name, most)
        return name, min(_LONGEST_BAR, width - state - name - 2) if shortest else 0, state

    def _name(self, name: str, width: int) -> str:
        return _shorten(name, width, self._mark, self._encoding)

    def _bar_of(self, flight: InFlight, width: int) -> Line:
        """A photo's bar; none where bytes come and nobody knows how many there will be."""
        if flight.done and not flight.total:
            return [Segment(" " * width)]
        return self._bar(width, flight.done, flight.total)

    def _bar(self, width: int, done: float, total: int | None) -> Line:
        full = min(width, int(width * done // total)) if total else 0
        return [Segment(self._full * full, _DONE), Segment(self._empty * (width - full), _DIM)]


@lru_cache(maxsize=512)
def _shorten(name: str, width: int, mark: str, encoding: str) -> str:
    """The name in at most `width` cells, its end kept, which tells it from its neighbours."""
    name = encodable(one_line(name), encoding)
    if cell_len(name) <= width:
        return name
    tail_width = max(0, (width - len(mark)) * 2 // 3)
    head, tail = name, name
    while cell_len(tail) > tail_width:
        tail = tail[1:]
    while head and cell_len(head) + len(mark) + cell_len(tail) > width:
        head = head[:-1]
    return head + mark + tail


def _state(stats: RunStats, flight: InFlight, now_s: float, width: int) -> Segment:
    """How a photo is doing."""
    wait_s, idle_s = math.ceil(flight.retry_at_s - now_s), int(stats.idle_s(flight, now_s))
    if wait_s > 0:
        retry = f"retry in {wait_s} s"
        return Segment(_fit(width, f"{reason_text(flight.reason)}, {retry}", retry, f"retry {wait_s} s"), _TROUBLE)
    if stats.is_paused(flight, now_s):
        return Segment("waiting", _DIM)
    if idle_s >= _IDLE_S:
        return Segment(_fit(width, f"no data for {idle_s} s", f"idle {idle_s} s", "idle"), _TROUBLE)
    attempt = f"attempt {flight.attempt}, " if flight.attempt > 1 else ""
    if not flight.done:
        return Segment(_fit(width, f"{attempt}starting", "starting"), _DIM)
    size = size_text(flight.done)
    if not flight.total:
        return Segment(_fit(width, attempt + size, size))
    size = f"{size} of {size_text(flight.total)}"
    share = f"{100 * flight.done // flight.total:3} %"
    tried = [attempt + share.strip()] if attempt else []
    return Segment(_fit(width, *tried, size, share))


def _rest(stats: RunStats, hidden: list[InFlight], now_s: float, width: int) -> Segment:
    """What is not shown, and whether there is something wrong with it."""
    stuck = sum(flight.retry_at_s > now_s or stats.idle_s(flight, now_s) >= _IDLE_S for flight in hidden)
    more = f"and {len(hidden)} more"
    return Segment(_fit(width, f"{more}, {stuck} stalled", more) if stuck else more, _DIM)


def _numbers(stats: RunStats, now_s: float, *, is_wide: bool) -> Iterator[str]:
    """What to tell of the run, from all of it to the most important."""
    share = f"{int(100 * stats.done_under_way // stats.total)} %" if stats.is_counted and stats.total else ""
    elapsed = f"{time_text(int(stats.elapsed_s(now_s)))} elapsed"
    count = count_text(stats)
    failed = f"{stats.failed:,} failed" if stats.failed else ""
    size = size_text(stats.size) if stats.size else ""
    rate = f"{size_text(stats.rate(now_s))}/s" if stats.size else ""
    left_s = stats.eta_s(now_s)
    left = left_text(left_s) if left_s is not None else ""
    short = count.partition(" photo")[0]
    fullest = [(count, share, failed, size, rate, elapsed, left)] if is_wide else []
    for parts in (
        *fullest,
        (count, failed, size, rate, left),
        (count, failed, rate, left),
        (count, failed, left),
        (short, failed, left),
        (count, failed),
        (short, failed),
        (short,),
    ):
        yield ", ".join(part for part in parts if part)


def _fit(width: int, *texts: str) -> str:
    """The first of the texts that fits, or the last."""
    return next((text for text in texts if cell_len(text) <= width), texts[-1])


def _pause_texts(pause: Pause, now_s: float) -> Iterator[str]:
    """What a pause is shown as, from long to short."""
    left_s = math.ceil(pause.until_s - now_s)
    yield pause_text(pause.host, pause.code, left_s)
    yield f"{reason_text(pause.code)}, retrying in {left_s} s: {pause.host}"
    yield f"{reason_text(pause.code)}, retrying in {left_s} s"
    yield f"{reason_text(pause.code)}, retry {left_s} s"
