"""`--log-file`: what happens in a run, for whoever looks at it later."""

import re
import shlex
import signal
from pathlib import Path

import pytest

from ninepic_cli.sandbox import Fault, World
from tests.support.clock import until
from tests.support.command import QUICK, Ninepic, Start, another_user
from tests.support.files import partials_in
from tests.support.terminals import Tmux

TIME = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ "


def log_lines(path: Path) -> list[str]:
    """The lines of a log, without their times, which each of them has."""
    text = path.read_text()
    assert text.endswith("\n")
    lines = text.splitlines()
    assert all(re.match(TIME, line) for line in lines), text
    return [line[21:] for line in lines]


@pytest.mark.parametrize(
    "options", [[], *(pytest.param(each, marks=pytest.mark.slow) for each in (["-q"], ["-v"], ["--json"]))]
)
def test_it_has_what_a_verbose_run_says(ninepic: Ninepic, sandbox: Start, tmp_path: Path, options: list[str]) -> None:
    """Each request, each retry and the summary, whatever is shown; what is shown does not change."""
    sandbox(World.generate(photos=3, size=2000), faults=[Fault("store", nth=2, status=500)])
    log = tmp_path / "log"
    quick = ninepic.after(QUICK)
    result = quick("bib", "1234", "-o", tmp_path / "out", "--log-file", log, *options)
    lines = log_lines(log)
    assert result.status == 0
    assert sum(line.startswith("200 attempt ") for line in lines) == 4
    assert sum(line.startswith("500 attempt 1 ") for line in lines) == 1
    assert sum(", retrying in " in line for line in lines) == 1
    assert lines[-1].startswith("3 downloaded (6.0 kB in ")
    assert lines[-1].endswith(f" -> {tmp_path}/out")
    shown = [line for line in result.err.splitlines() if re.match(TIME, line)]
    assert len(shown) == (6 if options == ["-v"] else 0)


def test_it_has_errors_and_failures(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """With -q too, and with what to do about them."""
    sandbox(World.generate(photos=3, size=2000), faults=[Fault("store", nth=1, status=400)])
    log = tmp_path / "log"
    assert ninepic("bib", "1234", "-q", "-o", tmp_path / "out", "--log-file", log).status == 5
    lines = log_lines(log)
    assert lines[-1].startswith("failed: ")
    assert "2 downloaded" in lines[-2]
    ninepic.use({"NINEPIC_API_KEY": "wrong-key-of-nobody"})
    result = ninepic("bib", "1234", "-q", "-o", tmp_path / "out", "--log-file", log)
    assert result.status == 3
    error = log_lines(log)[-2]
    assert f"ninepic: {error}" in result.err
    assert error.startswith("error: ")
    assert log_lines(log)[-1].startswith("hint: ")


@pytest.mark.slow
def test_it_has_warnings(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """Those from before the run and those of it, with -q too."""
    sandbox(World.generate(photos=3, size=2000))
    log, settings = tmp_path / "log", tmp_path / "config.toml"
    settings.write_text("jobs = 2\n")
    settings.chmod(0o644)
    result = ninepic("bib", "1234", "-q", "-o", tmp_path / "out", "--log-file", log, "--config", settings)
    assert (result.status, result.err) == (0, "")
    assert log_lines(log)[0].startswith("warning: ")
    assert "chmod" in log_lines(log)[0]


@pytest.mark.slow
def test_a_usage_error_of_the_run_is_in_it(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """As where the target is no folder."""
    sandbox(World.generate(photos=1))
    log, target = tmp_path / "log", tmp_path / "file"
    target.write_text("")
    assert ninepic("bib", "1234", "-o", target, "--log-file", log).status == 2
    assert log_lines(log)[0].startswith(f"error: {target} ")


def test_runs_append_to_it(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """Several at once too, each line whole."""
    sandbox(World.generate(photos=40, size=2000))
    log = tmp_path / "log"
    log.write_text("2026-01-01T00:00:00Z what was there\n")
    processes = [ninepic.start("all", "-o", tmp_path / str(number), "--log-file", log) for number in range(3)]
    assert [process.result().status for process in processes] == [0, 0, 0]
    lines = log_lines(log)
    assert lines[0] == "what was there"
    assert sum(line.startswith("40 downloaded ") for line in lines) == 3
    assert sum(" photo " in line for line in lines) == 120


@pytest.mark.slow
def test_it_has_a_status_line_now_and_then(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """With -q too."""
    sandbox(World.generate(photos=12, size=600_000), store_rate=400_000)
    log = tmp_path / "log"
    result = ninepic("bib", "1234", "-q", "-o", tmp_path / "out", "--log-file", log, "--stats", "0.5")
    assert (result.status, result.err) == (0, "")
    assert sum(" of 12 photos, " in line for line in log_lines(log)) >= 3


def test_it_has_no_secrets(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """Neither the key nor what signs a link."""
    box = sandbox(World.generate(photos=3, size=2000), faults=[Fault("store", nth=1, status=403)])
    log = tmp_path / "log"
    ninepic("bib", "1234", "-o", tmp_path / "out", "--log-file", log)
    text = log.read_text()
    assert "403 attempt 1" in text
    assert box.environment["NINEPIC_API_KEY"] not in text
    assert "X-Amz" not in text


@pytest.mark.slow
def test_a_signal_is_in_it(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """With what came of the run."""
    sandbox(World.generate(photos=12, size=600_000), store_rate=200_000)
    log = tmp_path / "log"
    process = ninepic.start("bib", "1234", "-q", "-o", tmp_path / "out", "--log-file", log)
    until(lambda: bool(partials_in(tmp_path / "out")))
    process.send_signal(signal.SIGINT)
    assert process.result().status == -signal.SIGINT
    assert " received in " in log_lines(log)[-1]


@pytest.mark.slow
def test_bars_are_shown_meanwhile(ninepic: Ninepic, sandbox: Start, tmux: Tmux) -> None:
    """And nothing of the log on the terminal."""
    sandbox(World.generate(photos=12, size=600_000), store_rate=400_000)
    command = shlex.join([*ninepic.command, "bib", "1234", "-o", "out", "--log-file", "log"])
    script = f"cd {ninepic.home}; {command}; cat"
    window = tmux.open("sh", "-c", script, width=80, height=24, environ=ninepic.environment)
    window.wait(lambda lines: len(lines) == 9 and " of 600.0 kB" in lines[-1])
    lines = window.wait(lambda lines: any("downloaded" in line for line in lines))
    assert not any(re.match(TIME, line) for line in lines)
    assert sum(line.startswith("200 attempt 1 ") for line in log_lines(ninepic.home / "log")) == 13


class TestUnusable:
    """A file that cannot be opened is an error before the run."""

    @pytest.mark.parametrize("place", ["missing/log", "."])
    def test_where_no_file_can_stand(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, place: str) -> None:
        """A usage error."""
        box = sandbox(World.generate(photos=1))
        result = ninepic("bib", "1234", "-o", tmp_path / "out", "--log-file", tmp_path / place)
        assert result.status == 2
        assert "--log-file" in result.err
        assert (box.requests, (tmp_path / "out").exists()) == ([], False)

    def test_where_it_may_not_be_written(self, ninepic: Ninepic, sandbox: Start, shared: Path) -> None:
        """This machine's error, with a summary for programs."""
        another_user(ninepic.command)
        box = sandbox(World.generate(photos=1))
        log = shared / "log"
        log.write_text("not yours\n")
        log.chmod(0o644)
        nobody = ninepic.as_another_user(shared)
        result = nobody("bib", "1234", "-o", shared / "out", "--log-file", log, "--json")
        assert result.status == 7
        assert f"cannot write {log}: permission denied" in result.err
        assert (result.json[-1]["type"], result.json[-1]["exit_code"]) == ("summary", 7)
        assert (box.requests, log.read_text()) == ([], "not yours\n")

    @pytest.mark.slow
    def test_one_that_fills_the_disk_costs_its_lines_only(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path
    ) -> None:
        """The photos come, and a warning says that the log is not complete."""
        sandbox(World.generate(photos=3, size=2000))
        result = ninepic("bib", "1234", "-o", tmp_path / "out", "--log-file", "/dev/full")
        assert result.status == 0
        assert result.err.splitlines()[-1] == (
            "ninepic: warning: --log-file /dev/full is incomplete: no space left on device"
        )

    @pytest.mark.slow
    def test_standard_error_is_a_file_too(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """A device is written to as it is."""
        sandbox(World.generate(photos=3, size=2000))
        result = ninepic("bib", "1234", "-q", "-o", tmp_path / "out", "--log-file", "/dev/stderr")
        assert result.status == 0
        assert "200 attempt 1" in result.err
