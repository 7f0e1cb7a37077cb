"""What a person sees while the run goes."""

import contextlib
import io
import os
import re
import sys
import termios
import tty
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from ninepic_cli.errors import PhotoError, TransientError
from ninepic_cli.models import Downloaded, Failed, Method, Photo
from ninepic_cli.progress.display import can_draw, open_progress, stderr_console
from ninepic_cli.progress.messages import Clocks, Progress, StatusReports
from ninepic_cli.progress.render import Renderer
from ninepic_cli.progress.stats import RunStats, Status
from ninepic_cli.system.terminal import restore_cursor
from ninepic_cli.updates import (
    BytesReceived,
    HostPaused,
    IdentifierListed,
    PageReceived,
    PhotoFinished,
    PhotoFound,
    PhotoStarted,
    RequestFinished,
    RetryScheduled,
    Update,
    WarningRaised,
)
from tests.support.clock import Clock

CODES = re.compile(r"\x1b\[(\??)(\d*)(?:;\d+)*([A-Za-z])")
MB = 1_000_000
EVIL = [
    "IMG[/b].jpg",
    "[red]x.jpg",
    "IMG [final].jpg",
    "\x1b[2Jx.jpg",
    "\u202egpj.exe",
    "写真" * 40 + ".jpg",
    "a\nb\tc",
]


def calendar() -> float:
    """14 November 2026, 09:12:33 UTC."""
    return 1_794_647_553.0


class Screen:
    """As much of a terminal as is needed to see what is left on it."""

    def __init__(self, written: str, width: int) -> None:
        self._width = width
        self._rows: list[list[str]] = [[]]
        self._row = self._column = 0
        self.has_cursor = True
        at = 0
        while at < len(written):
            code = CODES.match(written, at)
            if code:
                self._control(*code.groups())
            else:
                self._put(written[at])
            at = code.end() if code else at + 1

    @property
    def lines(self) -> list[str]:
        """What is there to read."""
        lines = ["".join(row).rstrip() for row in self._rows]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def _control(self, private: str, number: str, letter: str) -> None:
        if private:
            assert number == "25"
            self.has_cursor = letter == "h"
        elif letter == "A":
            self._row = max(0, self._row - int(number or 1))
        elif letter == "K":
            row = self._rows[self._row]
            del row[0 if number == "2" else self._column :]
        else:
            assert letter == "m", f"a code that was not expected: {letter}"

    def _put(self, char: str) -> None:
        if char == "\r":
            self._column = 0
        elif char == "\n":
            self._row, self._column = self._row + 1, 0
        else:
            assert char.isprintable(), f"reached the terminal: {char!r}"
            self._cell(char, 2 if unicodedata.east_asian_width(char) in "WF" else 1)
        self._rows += [[] for _ in range(self._row + 1 - len(self._rows))]

    def _cell(self, char: str, cells: int) -> None:
        if self._column + cells > self._width:
            self._put("\n")
        row = self._rows[self._row]
        row += [" "] * (self._column + cells - len(row))
        row[self._column : self._column + cells] = [char, ""][:cells]
        self._column += cells


class Terminal:
    """A real terminal: what is written to its end can be read as a screen."""

    def __init__(
        self, width: int, height: int, *, encoding: str = "utf-8", environ: dict[str, str] | None = None
    ) -> None:
        self.clock = Clock()
        self.master, slave = os.openpty()
        tty.setraw(slave, termios.TCSANOW)
        self.stream: TextIO = os.fdopen(slave, "w", encoding=encoding, errors="strict")
        variables = {"TERM": "xterm-256color"} | (environ or {})
        self.console = Console(file=self.stream, width=width, height=height, _environ=variables)
        self.written = ""

    def open(self, *, verbose: bool = False, bars: bool = True, reports: StatusReports | None = None) -> Progress:
        """The display under test."""
        clocks = Clocks(self.clock, calendar)
        return open_progress(self.console, bars=bars, quiet=False, verbose=verbose, reports=reports, clocks=clocks)

    def screen(self) -> Screen:
        """What is on the terminal now."""
        os.set_blocking(self.master, False)
        while True:
            try:
                self.written += os.read(self.master, 65536).decode(self.stream.encoding)
            except BlockingIOError:
                return Screen(self.written, self.console.width)

    def play(self, progress: Progress, *events: Update, seconds: float = 0.2) -> list[str]:
        """Sends the events in, lets time pass, and looks."""
        for event in events:
            progress.on_update(event)
        self.clock.now_s += seconds
        progress.tick()
        return self.screen().lines

    def hang_up(self) -> None:
        """Closes the other end, so that writing fails."""
        os.close(self.master)
        self.master = -1

    def close(self) -> None:
        """Gives everything back."""
        if self.master >= 0:
            os.close(self.master)
        with contextlib.suppress(OSError):
            self.stream.close()


class Terminals:
    """Makes terminals and closes them."""

    def __init__(self) -> None:
        self.made: list[Terminal] = []

    def __call__(self, width: int = 80, height: int = 24, *, encoding: str = "utf-8", **environ: str) -> Terminal:
        """A new one."""
        self.made.append(Terminal(width, height, encoding=encoding, environ=environ))
        return self.made[-1]


@pytest.fixture
def terminals() -> Iterator[Terminals]:
    """Terminals of any size."""
    terminals = Terminals()
    yield terminals
    for terminal in terminals.made:
        terminal.close()


def photo(number: int, name: str | None = None) -> Photo:
    """A photo as the service lists it."""
    return Photo(f"id-{number}", name or f"IMG_{number:04}.jpg", ".jpg", "7", Method.BIB, number)


def in_flight(count: int, *, size: int = 20 * MB) -> list[Update]:
    """The events of photos that are half through."""
    photos = [photo(number) for number in range(count)]
    events: list[Update] = [event for each in photos for event in (PhotoFound(each), PhotoStarted(each))]
    return events + [BytesReceived(each, size // 2, size // 2, size) for each in photos]


def saved(number: int, size: int = 20 * MB) -> PhotoFinished:
    """A photo that arrived."""
    return PhotoFinished(photo(number), Downloaded(Path("/photos/a.jpg"), size, "", attempts=1, seconds=1.0))


PAUSE = HostPaused("api.9pic.ai", "http_429", 12.0)
EVERY_EVENT: list[Update] = [
    PageReceived("7", 1, 60, 60),
    *in_flight(3),
    RetryScheduled(photo(1), TransientError("HTTP 500", code="http_500"), 1, 4.0),
    RetryScheduled(None, TransientError("HTTP 502", code="http_502"), 2, 8.0),
    PAUSE,
    RequestFinished("photo id-1", 200, 2, 12_345, 1.5, "8c1f-FRA"),
    RequestFinished("page 1 of bib 7", None, 1, 0, 30.0, None, "timed out"),
    WarningRaised("the list says 61 and 60 came"),
    IdentifierListed("7", 60),
    saved(0),
    PhotoFinished(photo(1), Failed(PhotoError("cut"))),
]


class Plain:
    """A stream that is no terminal, and the display on it."""

    def __init__(
        self,
        *,
        encoding: str = "utf-8",
        verbose: bool = False,
        quiet: bool = False,
        reports: StatusReports | None = None,
        environ: dict[str, str] | None = None,
    ) -> None:
        self.clock = Clock()
        self._bytes = io.BytesIO()
        self.stream = io.TextIOWrapper(self._bytes, encoding=encoding, errors="strict", newline="\n")
        self.console = Console(file=self.stream, _environ=environ or {})
        self.progress = open_progress(
            self.console,
            bars=True,
            quiet=quiet,
            verbose=verbose,
            reports=reports,
            clocks=Clocks(self.clock, calendar),
        )

    def play(self, *events: Update, seconds: float = 0.0) -> list[str]:
        """Sends the events in, lets time pass, and looks at all that was written."""
        with self.progress:
            for event in events:
                self.progress.on_update(event)
            self.clock.now_s += seconds
            self.progress.tick()
        return self._bytes.getvalue().decode(self.stream.encoding).splitlines()


class TestQuiet:
    """Silence."""

    @pytest.mark.parametrize("verbose", [True, False])
    def test_nothing_is_written_whatever_happens(self, *, verbose: bool) -> None:
        """Quiet wins over verbose, also after hours."""
        plain = Plain(quiet=True, verbose=verbose)
        plain.progress.expect(Method.BIB, 1)
        assert plain.play(*EVERY_EVENT, seconds=10_000) == []
        plain.progress.hide()
        assert plain.play() == []


class TestReports:
    """How the run is doing, for whoever asks, a log and programs."""

    @pytest.mark.parametrize("quiet", [True, False])
    def test_a_status_line_on_request(self, *, quiet: bool) -> None:
        """It comes at once, also from a display that says nothing else."""
        plain = Plain(quiet=quiet, reports=StatusReports(every_s=0))
        plain.progress.expect(Method.BIB, 1)
        plain.play(
            PageReceived("7", 1, 60, 4), PhotoStarted(photo(1)), BytesReceived(photo(1), 5 * MB, 5 * MB, 10 * MB)
        )
        plain.clock.now_s += 10
        plain.progress.show_status()
        assert plain.play() == ["0 of 4 photos, 5.0 MB, 500.0 kB/s, 1 min 10 s left"]

    def test_a_log_is_told_all_that_a_verbose_run_tells(self) -> None:
        """Without times, which the log has its own of, and with a status line now and then."""
        lines: list[str] = []
        plain = Plain(quiet=True, reports=StatusReports(every_s=60, log=lines.append))
        assert plain.play(*EVERY_EVENT, seconds=60) == []
        assert [line[22:] for line in Plain(verbose=True).play(*EVERY_EVENT)] == [line[1:] for line in lines[:-1]]
        assert lines[-1].startswith("2 of 60+ photos, 30.0 MB, ")

    def test_programs_are_told_in_numbers(self) -> None:
        """As often as is said, whatever people see."""
        told: list[Status] = []
        plain = Plain(quiet=True, reports=StatusReports(every_s=10, on_status=told.append))
        plain.progress.expect(Method.BIB, 1)
        plain.play(PageReceived("7", 1, 60, 4), saved(1), PhotoStarted(photo(2)), seconds=9)
        assert told == []
        plain.play(BytesReceived(photo(2), 5 * MB, 5 * MB, 10 * MB), seconds=11)
        status = told[0]
        assert len(told) == 1
        assert (status.done, status.total, status.is_counted, status.size, status.failed) == (1, 4, True, 5 * MB, 0)
        assert status.seconds == pytest.approx(20)


class TestLines:
    """Off a terminal."""

    def test_a_line_every_minute(self) -> None:
        """Photos, bytes and the rate since the last line; counted by the clock, with or without events."""
        plain = Plain()
        plain.progress.expect(Method.BIB, 1)
        events: list[Update] = [PageReceived("7", 1, 60, 5000), *[saved(number) for number in range(1234)]]
        events += [IdentifierListed("7", 5000), PhotoStarted(photo(9999))]
        assert plain.play(*events, BytesReceived(photo(9999), 0, 15_200 * MB, None), seconds=59) == []
        assert plain.play(seconds=1) == ["1,234 of 5,000 photos, 15.2 GB, 253.3 MB/s, 5 min left"]
        assert plain.play(BytesReceived(photo(9999), 0, 300 * MB, None), seconds=59) == plain.play()
        assert plain.play(seconds=1)[1:] == ["1,234 of 5,000 photos, 15.5 GB, 5.0 MB/s"]

    def test_lines_come_as_often_as_is_said(self) -> None:
        """Every ten seconds, or never."""
        assert Plain(reports=StatusReports(every_s=10)).play(seconds=10) == ["looking for photos, 0 B, 0 B/s"]
        assert Plain(reports=StatusReports(every_s=0)).play(seconds=10_000) == []

    def test_a_late_tick_does_not_shift_the_lines(self) -> None:
        """After 130 silent seconds there is one line, and the next comes at 180."""
        plain = Plain()
        assert plain.play(seconds=130) == ["looking for photos, 0 B, 0 B/s"]
        assert len(plain.play(seconds=49)) == 1
        assert len(plain.play(seconds=1)) == 2

    def test_an_incomplete_listing_is_marked(self) -> None:
        """The plus says that there may be more."""
        assert Plain().play(PageReceived("7", 1, 60, 1), seconds=300) == ["0 of 1+ photos, 0 B, 0 B/s"]

    @pytest.mark.parametrize("environ", [{"FORCE_COLOR": "1"}, {"CI": "true"}, {"TERM": "dumb"}, {"COLUMNS": "20"}])
    def test_no_codes_whatever_the_environment_says(self, environ: dict[str, str]) -> None:
        """Nothing but few and whole lines of text goes to a file."""
        plain = Plain(environ={"TERM": "xterm"} | environ)
        assert not can_draw(plain.console)
        assert plain.play(*EVERY_EVENT, seconds=300) == [
            "api.9pic.ai returned HTTP 429; retrying in 12 s",
            "warning: the list says 61 and 60 came",
            "2 of 60+ photos, 30.0 MB, 100.0 kB/s, 1 failed",
        ]

    def test_a_long_pause_is_told_once_and_a_short_one_not(self) -> None:
        """Eight workers that meet the same pause are one line; a pause after it is news."""
        plain = Plain()
        assert len(plain.play(HostPaused("h", "http_429", 10.0), *[PAUSE] * 8, seconds=13)) == 1
        assert len(plain.play(PAUSE)) == 2

    def test_verbose_tells_each_request(self) -> None:
        """Time, status, try, bytes, seconds, ray and what it was, one line each; retries and pauses too."""
        lines = Plain(verbose=True).play(*EVERY_EVENT, HostPaused("h", "http_503", 1.0))
        assert {line[:21] for line in lines} == {"2026-11-14T09:12:33Z "}
        assert [line[21:] for line in lines] == [
            "photo id-1: attempt 1 failed (HTTP 500), retrying in 4 s",
            "listing: attempt 2 failed (HTTP 502), retrying in 8 s",
            "api.9pic.ai returned HTTP 429; retrying in 12 s",
            "200 attempt 2 12345 B 1.500 s ray 8c1f-FRA photo id-1",
            "--- attempt 1 0 B 30.000 s ray - page 1 of bib 7: timed out",
            "warning: the list says 61 and 60 came",
            "h returned HTTP 503; retrying in 1 s",
        ]

    @pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
    def test_messages_pass_streams_that_cannot_say_them(self, encoding: str) -> None:
        """Letters that the stream lacks and control characters are written as escapes."""
        lines = Plain(encoding=encoding).play(WarningRaised("写\x1b[2J\nx"))
        assert lines == [r"warning: \u5199\x1b[2J x"]

    def test_a_reader_that_went_away_costs_the_lines_only(self) -> None:
        """Events are taken in all the same."""
        plain = Plain()
        plain.stream.close()
        plain.progress.on_update(WarningRaised("nobody reads this"))


class TestBars:
    """On a terminal."""

    def test_a_run_at_a_glance(self, terminals: Terminals) -> None:
        """The run's numbers and bar, then a line for each photo in flight."""
        terminal = terminals(80, 10)
        with terminal.open() as progress:
            progress.expect(Method.BIB, 1)
            lines = terminal.play(progress, PageReceived("7", 1, 60, 60), *in_flight(2), seconds=2.0)
            assert lines == [
                "0 of 60 photos, 20.0 MB, 10.0 MB/s, 2 min left ────────────────────────────────",
                "IMG_0000.jpg ━━━━━━━━━━━━━━━━━━━━──────────────────── 10.0 MB of 20.0 MB",
                "IMG_0001.jpg ━━━━━━━━━━━━━━━━━━━━──────────────────── 10.0 MB of 20.0 MB",
            ]
            lines = terminal.play(progress, saved(0), IdentifierListed("7", 60), seconds=0.0)
            assert lines[0].startswith("0 of 60 photos")
            lines = terminal.play(progress)
            assert lines[0].startswith("1 of 60 photos, 20.0 MB, 9.1 MB/s, 2 min 10 s left ─")
            assert len(lines) == 2

    def test_the_bar_of_the_run_moves_with_photos_under_way(self, terminals: Terminals) -> None:
        """Eight photos that are half there, of sixteen, are a quarter of it."""
        terminal = terminals(80, 20)
        with terminal.open() as progress:
            progress.expect(Method.BIB, 1)
            bar = terminal.play(progress, PageReceived("7", 1, 16, 16), *in_flight(8))[0].split(" ")[-1]
        assert (bar.count("━"), len(bar)) == (len(bar) // 4, len(bar))

    @pytest.mark.parametrize(("width", "is_wide"), [(99, False), (100, True), (160, True)])
    def test_a_wide_line_has_the_share_and_the_elapsed_time(
        self, terminals: Terminals, width: int, *, is_wide: bool
    ) -> None:
        """From 100 columns on; the share that of the bar."""
        terminal = terminals(width, 20)
        with terminal.open() as progress:
            progress.expect(Method.BIB, 1)
            line = terminal.play(progress, PageReceived("7", 1, 16, 16), *in_flight(8), seconds=75)[0]
        assert ("0 of 16 photos, 25 %, 80.0 MB, " in line) is is_wide
        assert (" 1 min 15 s elapsed, " in line) is is_wide
        assert len(line) < width

    def test_the_share_of_an_unknown_total_is_not_told(self, terminals: Terminals) -> None:
        """There may be more."""
        terminal = terminals(120, 20)
        with terminal.open() as progress:
            progress.expect(Method.BIB, 2)
            assert "%" not in terminal.play(progress, PageReceived("7", 1, 16, 16), *in_flight(8))[0]

    def test_a_status_line_stands_above_the_bars(self, terminals: Terminals) -> None:
        """At once, and for good."""
        terminal = terminals(80, 10)
        with terminal.open() as progress:
            terminal.play(progress, *in_flight(2), seconds=10)
            progress.show_status()
            assert terminal.screen().lines[0] == "0 of 2+ photos, 20.0 MB, 2.0 MB/s"
            assert terminal.screen().lines[1].startswith("0 of 2+ photos")
        assert terminal.screen().lines == ["0 of 2+ photos, 20.0 MB, 2.0 MB/s"]

    def test_bars_make_way_for_what_programs_are_told(self, terminals: Terminals) -> None:
        """Standard output may lead to the same terminal."""
        terminal = terminals(80, 10)
        reports = StatusReports(every_s=10, on_status=lambda _: print("data", file=terminal.stream, flush=True))
        with terminal.open(reports=reports) as progress:
            terminal.play(progress, *in_flight(2))
            lines = terminal.play(progress, seconds=10)
            assert lines[0] == "data"
            assert lines[1].startswith("0 of 2+ photos")
            assert len(lines) == 4

    def test_before_the_first_page(self, terminals: Terminals) -> None:
        """There is something to see at once."""
        terminal = terminals(40, 10)
        with terminal.open() as progress:
            assert terminal.play(progress)[0].startswith("looking for photos ───")

    @pytest.mark.parametrize("height", [4, 10, 40])
    def test_as_many_photos_as_fit(self, terminals: Terminals, height: int) -> None:
        """The rest is counted, and one line of the terminal stays free."""
        terminal = terminals(80, height)
        with terminal.open() as progress:
            lines = terminal.play(progress, *in_flight(64))
            assert len(lines) == height - 1
            assert lines[-1] == f"and {64 - (height - 3)} more"

    @pytest.mark.parametrize("width", [20, 30, 39, 40, 60, 69, 70, 80, 200])
    @pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
    def test_every_width_and_stream(self, terminals: Terminals, width: int, encoding: str) -> None:
        """No line is wider than the terminal, and nothing is written that the stream cannot say."""
        terminal = terminals(width, 24, encoding=encoding)
        with terminal.open() as progress:
            started: list[Update] = [PhotoStarted(photo(number, name)) for number, name in enumerate(EVIL, 100)]
            lines = terminal.play(progress, *in_flight(2), *started, PAUSE)
            assert len(lines) == 2 + len(EVIL) + (3 if width < 60 else 2)
            assert all(cells(line) < width for line in lines)
        assert terminal.screen().lines == []

    def test_names_are_text(self, terminals: Terminals) -> None:
        """Brackets stay, control and direction characters are shown as escapes, long names keep both ends."""
        terminal = terminals(80, 24)
        with terminal.open() as progress:
            events: list[Update] = [PhotoStarted(photo(number, name)) for number, name in enumerate(EVIL)]
            names = [line.split(" ─")[0].rstrip() for line in terminal.play(progress, *events)[1:]]
        assert names == [
            "IMG[/b].jpg",
            "[red]x.jpg",
            "IMG [final].jpg",
            r"\x1b[2Jx.jpg",
            r"\u202egpj.exe",
            "写真写真写真写…真写真写真写真写真写真.jpg",
            "a b c",
        ]

    def test_trouble_shows_in_the_row(self, terminals: Terminals) -> None:
        """A photo that waits for its next try says so, then which try it is; one without bytes says for how long."""
        terminal = terminals(80, 10)
        with terminal.open() as progress:
            failed = RetryScheduled(photo(0), TransientError("x", code="timeout"), 1, 4.0)
            states = [line[54:].strip() for line in terminal.play(progress, *in_flight(2), failed)[1:]]
            assert states == ["timed out, retry in 4 s", "10.0 MB of 20.0 MB"]
            states = [line[54:].strip() for line in terminal.play(progress, seconds=7.0)[1:]]
            assert states == ["attempt 2, 50 %", "no data for 7 s"]

    def test_trouble_shows_in_a_narrow_row_too(self, terminals: Terminals) -> None:
        """Less words, the same facts."""
        terminal = terminals(30, 10)
        with terminal.open() as progress:
            failed = RetryScheduled(photo(0), TransientError("x", code="timeout"), 1, 4.0)
            states = [line[13:] for line in terminal.play(progress, *in_flight(3), failed, seconds=0.5)[2:]]
            assert states == ["retry 4 s", " 50 %", " 50 %"]
            lines = terminal.play(progress, BytesReceived(photo(1), 12 * MB, 2 * MB, None), seconds=7.0)
            assert [line[13:] for line in lines[2:]] == [" 50 %", "idle 7 s", "idle 7 s"]

    def test_a_pause_is_counted_down(self, terminals: Terminals) -> None:
        """It is shown while it lasts, in a shorter form where there is no room."""
        terminal = terminals(60, 10)
        with terminal.open() as progress:
            assert "api.9pic.ai returned HTTP 429; retrying in 12 s" in terminal.play(progress, PAUSE)
            assert "api.9pic.ai returned HTTP 429; retrying in 3 s" in terminal.play(progress, seconds=9.0)
            assert not any("HTTP 429" in line for line in terminal.play(progress, seconds=3.0))
        narrow = terminals(50, 10)
        with narrow.open() as progress:
            assert "api.9pic.ai returned HTTP 429; retrying in 12 s" in narrow.play(progress, PAUSE)

    def test_a_listing_that_is_tried_again_is_shown(self, terminals: Terminals) -> None:
        """Why no photos are coming."""
        terminal = terminals(60, 10)
        with terminal.open() as progress:
            lines = terminal.play(progress, RetryScheduled(None, TransientError("x"), 1, 8.0))
            assert lines[-1] == "listing the photos failed (connection), retrying in 8 s"

    def test_failures_are_counted(self, terminals: Terminals) -> None:
        """A failed photo is not just done."""
        terminal = terminals(80, 10)
        with terminal.open() as progress:
            lines = terminal.play(progress, PhotoFinished(photo(0), Failed(PhotoError("cut"))))
            assert lines[0].startswith("1 of 1+ photos, 1 failed")

    def test_lines_go_above_the_bars_and_stay(self, terminals: Terminals) -> None:
        """Warnings and verbose lines are not drawn over, also when they need several lines."""
        terminal = terminals(40, 10)
        with terminal.open(verbose=True) as progress:
            terminal.play(progress, *in_flight(3))
            lines = terminal.play(
                progress, WarningRaised("long " * 20), RequestFinished("photo id-1", 200, 1, 5, 1.0, "ray")
            )
            assert lines[:4] == [
                "2026-11-14T09:12:33Z warning: long long",
                "long long long long long long long long",
                "long long long long long long long long",
                "long long",
            ]
            assert lines[4:6] == ["2026-11-14T09:12:33Z 200 attempt 1 5 B 1", ".000 s ray ray photo id-1"]
            assert lines[6].startswith("0 of 3+ photos")
            progress.on_update(WarningRaised("last"))
        assert terminal.screen().lines[5:] == [".000 s ray ray photo id-1", "2026-11-14T09:12:33Z warning: last"]

    def test_bars_leave_nothing_behind(self, terminals: Terminals) -> None:
        """The cursor is hidden while they are drawn, and back afterwards, also after an exception."""
        terminal = terminals(80, 10)
        terminal.stream.write("before\n")
        message = "in the middle"
        with contextlib.suppress(RuntimeError), terminal.open() as progress:
            assert len(terminal.play(progress, *in_flight(5))) == 7
            assert not terminal.screen().has_cursor
            raise RuntimeError(message)
        assert (terminal.screen().lines, terminal.screen().has_cursor) == (["before"], True)

    def test_hidden_bars_come_back(self, terminals: Terminals) -> None:
        """Something else can be written in between."""
        terminal = terminals(80, 10)
        with terminal.open() as progress:
            terminal.play(progress, *in_flight(2))
            progress.hide()
            terminal.stream.write("data\n")
            lines = terminal.play(progress)
        assert lines[0] == "data"
        assert len(lines) == 4

    def test_fewer_photos_leave_no_old_lines(self, terminals: Terminals) -> None:
        """As photos end, their lines go."""
        terminal = terminals(80, 24)
        with terminal.open() as progress:
            assert len(terminal.play(progress, *in_flight(9))) == 10
            assert len(terminal.play(progress, *[saved(number) for number in range(8)])) == 2

    def test_a_terminal_that_got_narrower_is_cleaned_up(self, terminals: Terminals) -> None:
        """The terminal has folded what was drawn; all of it is drawn over, but never more than it shows."""
        terminal = terminals(100, 24)
        with terminal.open() as progress:
            lines = terminal.play(progress, *in_flight(4))
            folded = sum(-(-len(line) // 40) for line in lines)
            before = len(terminal.written)
            terminal.console.size = (40, 24)
            terminal.play(progress)
            assert terminal.written[before:].count("\x1b[1A") == folded - 1
            before = len(terminal.written)
            terminal.console.size = (10, 4)
            terminal.play(progress)
            assert terminal.written[before:].count("\x1b[1A") == 3

    def test_drawing_is_at_most_ten_times_a_second(self, terminals: Terminals) -> None:
        """However many events come."""
        terminal = terminals(80, 10)
        with terminal.open() as progress:
            terminal.play(progress, *in_flight(1))
            before = len(terminal.written)
            for step in range(1000):
                terminal.clock.now_s += 0.001
                progress.on_update(BytesReceived(photo(0), step, 1, 20 * MB))
            terminal.screen()
            assert 5 <= terminal.written[before:].count("photos") <= 10

    def test_a_terminal_that_was_closed_does_not_end_the_run(self, terminals: Terminals) -> None:
        """Nobody sees the bars any more; events are taken in all the same."""
        terminal = terminals(80, 10)
        with terminal.open() as progress:
            terminal.play(progress, *in_flight(1))
            terminal.hang_up()
            for _ in range(3):
                terminal.clock.now_s += 1.0
                progress.tick()

    def test_colours_go_with_no_color(self, terminals: Terminals) -> None:
        """NO_COLOR leaves shapes that tell done from not done."""
        for environ, has_colour in (({}, True), ({"NO_COLOR": "1"}, False)):
            terminal = terminals(80, 10, **environ)
            with terminal.open() as progress:
                assert "━━━──" in terminal.play(progress, *in_flight(1))[1]
            assert ("\x1b[32m" in terminal.written) is has_colour

    @pytest.mark.parametrize(
        "environ", [{"TERM": "dumb"}, {"TERM": "unknown"}, {"TTY_COMPATIBLE": "0"}, {"TTY_INTERACTIVE": "0"}]
    )
    def test_terminals_that_cannot_draw_get_lines(self, terminals: Terminals, environ: dict[str, str]) -> None:
        """A dumb terminal is treated like a file."""
        terminal = terminals(80, 10, **environ)
        with terminal.open() as progress:
            assert terminal.play(progress, *in_flight(1), WarningRaised("careful")) == ["warning: careful"]
        assert "\x1b" not in terminal.written

    def test_bars_that_are_not_wanted_are_not_drawn(self, terminals: Terminals) -> None:
        """A terminal without bars gets lines."""
        terminal = terminals(80, 10)
        with terminal.open(bars=False) as progress:
            assert terminal.play(progress, *in_flight(1), seconds=300.0) == ["0 of 1+ photos, 10.0 MB, 33.3 kB/s"]


class TestConsole:
    """Where all of it goes."""

    def test_it_is_on_standard_error(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Standard output is for data."""
        open_progress(stderr_console(), bars=True, quiet=False, verbose=False).on_update(WarningRaised("careful"))
        assert capsys.readouterr() == ("", "warning: careful\n")

    def test_a_closed_standard_error_is_no_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without a stream there is a console that writes nowhere."""
        monkeypatch.setattr(sys, "stderr", None)
        open_progress(stderr_console(), bars=True, quiet=False, verbose=False).on_update(WarningRaised("careful"))


class TestRestoreCursor:
    """For a signal handler."""

    def test_a_terminal_gets_its_cursor_back(self, terminals: Terminals) -> None:
        """On a new line, whatever was being written."""
        terminal = terminals(80, 10)
        with terminal.open() as progress:
            terminal.play(progress)
            assert not terminal.screen().has_cursor
            restore_cursor(terminal.console)
            assert terminal.screen().has_cursor

    def test_other_streams_are_left_alone(self, tmp_path: Path, terminals: Terminals) -> None:
        """Files, streams without a descriptor, closed ones and dumb terminals get nothing and raise nothing."""
        path = tmp_path / "log"
        with path.open("w") as file:
            restore_cursor(Console(file=file, _environ={"FORCE_COLOR": "1"}))
        restore_cursor(Console(file=file, _environ={}))
        restore_cursor(Console(file=io.StringIO(), _environ={}))
        dumb = terminals(80, 10, TERM="dumb")
        restore_cursor(dumb.console)
        assert (path.read_text(), dumb.screen().lines, dumb.written) == ("", [], "")


@settings(deadline=None)
@given(
    name=st.text(st.characters(exclude_categories=()), max_size=300),
    width=st.integers(1, 200),
    encoding=st.sampled_from(["utf-8", "ascii", "cp1252"]),
)
def test_any_name_at_any_width(name: str, width: int, encoding: str) -> None:
    """No name raises, reaches the terminal with a control character, or makes a line too wide."""
    tally = RunStats(0.0)
    for event in (PhotoStarted(photo(1, name)), BytesReceived(photo(1, name), 5, 5, 10)):
        tally.record(event, 0.0)
    for line in Renderer(encoding).lines(tally, 1.0, width, 10):
        text = "".join(segment.text for segment in line)
        assert text.isprintable()
        assert sum(segment.cell_length for segment in line) <= width
        text.encode(encoding)


def cells(line: str) -> int:
    """How wide it is."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line)
