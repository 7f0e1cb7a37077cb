"""How a long run is doing: status lines, lines for programs, and on a signal; whether it fits on the disk."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ninepic_cli.sandbox import World
from tests.support.clock import until
from tests.support.command import Ninepic, Start
from tests.support.disks import Disk
from tests.support.files import partials_in, photos_in
from tests.support.terminals import Tmux

STATUS = re.compile(r"(\d+) of 12 photos, [\d.]+ [kM]?B, [\d.]+ [kM]?B/s(, .+ left)?")
RATE = 400_000


@pytest.fixture
def slow(sandbox: Start) -> None:
    """A dozen photos that take about three seconds."""
    sandbox(World.generate(photos=12, size=600_000), store_rate=RATE)


def status_lines(text: str) -> list[str]:
    """The status lines among others."""
    return [line for line in text.splitlines() if STATUS.fullmatch(line)]


class TestStatusLines:
    """Off a terminal."""

    @pytest.mark.usefixtures("slow")
    def test_they_come_as_often_as_is_said(self, ninepic: Ninepic, tmp_path: Path) -> None:
        """With photos, bytes, rate and time left; standard output stays empty."""
        result = ninepic("bib", "1234", "-o", tmp_path / "out", "--stats", "0.5s")
        assert (result.status, result.out) == (0, "")
        lines = status_lines(result.err)
        assert len(lines) >= 3
        assert all(" left" in line for line in lines[1:])

    @pytest.mark.slow
    @pytest.mark.usefixtures("slow")
    @pytest.mark.parametrize("options", [["--stats", "0"], ["--stats", "0.2", "-q"], []])
    def test_there_are_none_where_none_are_wanted(self, ninepic: Ninepic, tmp_path: Path, options: list[str]) -> None:
        """With 0, with -q, and in the first minute."""
        result = ninepic("bib", "1234", "-o", tmp_path / "out", *options)
        assert result.status == 0
        assert status_lines(result.err) == []

    def test_what_is_no_time_is_a_usage_error(self, ninepic: Ninepic) -> None:
        """The message says what is expected."""
        result = ninepic("bib", "1234", "--stats", "often")
        assert result.status == 2
        assert "invalid --stats 'often': expected seconds or a time like 30s, 1.5m, 2h" in result.err


class TestJson:
    """For programs."""

    @pytest.mark.usefixtures("slow")
    def test_lines_come_where_they_are_asked_for(self, ninepic: Ninepic, tmp_path: Path) -> None:
        """Their numbers grow to those of the summary; with -q too, which is for people."""
        result = ninepic("bib", "1234", "-o", tmp_path / "out", "--json", "-q", "--stats", "0.4")
        lines = [line for line in result.json if line["type"] == "progress"]
        assert len(lines) >= 3
        assert result.err == ""
        for line in lines:
            keys = ["type", "done", "total", "bytes", "rate", "seconds", "failed", "eta_seconds"]
            assert (list(line), line["total"], line["failed"]) == (keys, 12, 0)
        assert [line["bytes"] for line in lines] == sorted(line["bytes"] for line in lines)
        assert 0 < lines[0]["bytes"] < 12 * 600_000
        assert lines[1]["rate"] == pytest.approx(8 * RATE, rel=0.5)
        assert lines[1]["eta_seconds"] in range(5)
        assert [line["seconds"] for line in lines[:3]] == pytest.approx([0.4, 0.8, 1.2], abs=0.3)

    @pytest.mark.slow
    @pytest.mark.usefixtures("slow")
    @pytest.mark.parametrize("options", [[], ["--stats", "0"]])
    def test_there_are_none_otherwise(self, ninepic: Ninepic, tmp_path: Path, options: list[str]) -> None:
        """Scripts that do not ask for them see what they always saw."""
        code = "import ninepic_cli.commands.download as download; download._STATUS_EVERY_S = 0.2"
        result = ninepic.after(code)("bib", "1234", "-o", tmp_path / "out", "--json", *options)
        assert {line["type"] for line in result.json} == {"photo", "identifier", "summary"}
        assert bool(status_lines(result.err)) is not bool(options)


class TestSignal:
    """Somebody asks."""

    @pytest.mark.usefixtures("slow")
    @pytest.mark.parametrize(
        "options",
        [
            [],
            *(
                pytest.param(each, marks=pytest.mark.slow)
                for each in (["-q"], ["--json"], ["-q", "--json", "--stats", "0"])
            ),
        ],
    )
    def test_it_prints_a_line_at_once(self, ninepic: Ninepic, tmp_path: Path, options: list[str]) -> None:
        """On standard error, as often as it comes, whatever else is shown; the run goes on to its good end."""
        process = ninepic.start("bib", "1234", "-o", tmp_path / "out", *options)
        until(lambda: is_under_way(tmp_path / "out"))
        process.send_signal(signal.SIGUSR1)
        time.sleep(0.5)
        process.send_signal(signal.SIGUSR1)
        result = process.result()
        assert result.status == 0
        assert len(status_lines(result.err)) == 2
        assert "of 12 photos" not in result.out
        assert len(photos_in(tmp_path / "out")) == 12

    @pytest.mark.slow
    @pytest.mark.usefixtures("slow")
    def test_many_of_them_do_no_harm(self, ninepic: Ninepic, tmp_path: Path) -> None:
        """Also in the middle of a write, and while the run ends."""
        process = ninepic.start("bib", "1234", "-o", tmp_path / "out", "--json", "--stats", "0.05", "-v")
        until(lambda: is_under_way(tmp_path / "out"))
        while process.poll() is None:
            process.send_signal(signal.SIGUSR1)
            time.sleep(0.002)
        result = process.result()
        assert result.status == 0
        assert result.json[-1]["type"] == "summary"
        assert len(status_lines(result.err)) > 10
        assert "Traceback" not in result.err

    @pytest.mark.slow
    @pytest.mark.usefixtures("slow")
    def test_one_that_was_ignored_stays_so(self, ninepic: Ninepic, tmp_path: Path) -> None:
        """Whoever started the command did not want it."""
        process = ninepic.under("trap '' USR1").start("bib", "1234", "-o", tmp_path / "out")
        until(lambda: is_under_way(tmp_path / "out"))
        process.send_signal(signal.SIGUSR1)
        result = process.result()
        assert result.status == 0
        assert status_lines(result.err) == []

    @pytest.mark.slow
    @pytest.mark.usefixtures("slow")
    def test_on_a_terminal_it_stands_above_the_bars(self, ninepic: Ninepic, tmux: Tmux) -> None:
        """The bars go on below it."""
        script = f"echo $$ > pid; exec {' '.join([*ninepic.command, 'bib', '1234', '-o', 'out', '-j', '2'])}"
        (ninepic.home / "run.sh").write_text(script)
        window = tmux.open(
            "sh", "-c", f"cd {ninepic.home}; sh run.sh; cat", width=80, height=24, environ=ninepic.environment
        )
        window.wait(lambda lines: any("B/s" in line for line in lines))
        os.kill(int((ninepic.home / "pid").read_text()), signal.SIGUSR1)
        lines = window.wait(lambda lines: len(lines) >= 2 and bool(STATUS.fullmatch(lines[0])) and "of 12" in lines[1])
        assert "─" in lines[1]
        lines = window.wait(lambda lines: "downloaded" in "".join(lines[1:2]))
        assert STATUS.fullmatch(lines[0])

    def test_one_that_comes_early_ends_nothing(self, ninepic: Ninepic) -> None:
        """While the command reads its list, before there is a run."""
        process = ninepic.start("bib", "--from-file", "-", "--json", stdin=subprocess.PIPE)
        time.sleep(1)
        process.send_signal(signal.SIGUSR1)
        assert process.stdin
        process.stdin.close()
        process.stdin = None
        assert process.result().status == 0


def is_under_way(out: Path) -> bool:
    """Whether bytes of photos are coming."""
    return sum(partials_in(out).values()) > 0


class TestSummary:
    """After Ctrl-C."""

    @pytest.mark.usefixtures("slow")
    def test_the_rate_counts_the_bytes_that_came(self, ninepic: Ninepic, tmp_path: Path) -> None:
        """Those of photos that did not become whole too, which are kept for the next run."""
        process = ninepic.start("bib", "1234", "-o", tmp_path / "out")
        until(lambda: is_under_way(tmp_path / "out"))
        time.sleep(0.7)
        process.send_signal(signal.SIGINT)
        found = re.search(r"downloaded \(([\d.]+) MB received in ([\d.]+) s, ([\d.]+) MB/s\)", process.result().err)
        assert found
        assert float(found[1]) > 1
        assert float(found[3]) == pytest.approx(float(found[1]) / float(found[2]), rel=0.1)


class TestSpace:
    """A disk that is too small."""

    @pytest.mark.parametrize(
        ("command", "is_quiet"),
        [(["all"], False), (["bib", "1234"], False), (["all", "-q"], True), (["all", "--existing", "overwrite"], True)],
    )
    def test_a_warning_comes_before_the_disk_is_full(
        self, ninepic: Ninepic, sandbox: Start, disk: Disk, command: list[str], *, is_quiet: bool
    ) -> None:
        """Once, with both numbers, in the middle of the run, which goes on until the disk is full."""
        sandbox(World.generate(photos=40, size=1_500_000), store_rate=1_000_000)
        process = ninepic.start(*command, "-o", disk.root / "out")
        result = process.result()
        assert result.status == 7
        warnings = [line for line in result.err.splitlines() if "not enough disk space" in line]
        assert len(warnings) == (0 if is_quiet else 1)
        for line in warnings:
            found = re.fullmatch(
                r"warning: not enough disk space: (\d+) remaining photos may need about ([\d.]+) MB, "
                rf"[\d.]+ MB free in {disk.root}/out",
                line,
            )
            assert found
            assert int(found[1]) > 20
            assert float(found[2]) == pytest.approx(int(found[1]) * 1.5, rel=0.3)

    @pytest.mark.slow
    def test_there_is_none_where_all_fits(self, ninepic: Ninepic, sandbox: Start, disk: Disk) -> None:
        """Nor where most photos are there already, and the disk is nearly full of them."""
        sandbox(World.generate(photos=40, size=400_000), store_rate=1_000_000)
        assert "disk space" not in ninepic("all", "-o", disk.root / "out").err
        for path in list(photos_in(disk.root / "out"))[-6:]:
            (disk.root / "out" / path).unlink()
        result = ninepic("all", "-o", disk.root / "out")
        assert result.status == 0
        assert "disk space" not in result.err
