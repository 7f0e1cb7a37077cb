"""What is seen on a real terminal (tmux): scenes of a run, and the real command.

The scenes (tests/support/scenes.py) are compared with tests/snapshots/. After a change that is meant, look at what
NINEPIC_NEW_SNAPSHOTS=1 makes of them: it rewrites those that the tests run with it come by.
"""

import os
import re
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ninepic_cli.sandbox import Sandbox, World
from tests.support import scenes
from tests.support.command import Ninepic
from tests.support.scenes import SCENES, Scene
from tests.support.terminals import Tmux

SNAPSHOTS = Path(__file__).parents[1] / "snapshots"
RENEWS = os.environ.get("NINEPIC_NEW_SNAPSHOTS") == "1"


class Show:
    """A scene on a terminal."""

    def __init__(self, tmux: Tmux, name: str, folder: Path) -> None:
        scene: Scene = SCENES[name]
        self._shown = folder / "shown"
        self._pictures = 0
        script = scenes.__file__
        command = (sys.executable, script, name, str(self._shown))
        self.window = tmux.open(*command, width=scene.width, height=scene.height, environ=scene.environ)
        self.wait()

    def wait(self) -> None:
        """Waits until the next picture is complete."""
        self._pictures += 1
        deadline_s = time.monotonic() + 20
        while not self._shown.exists() or self._shown.read_text() != str(self._pictures):
            assert time.monotonic() < deadline_s, self.window.picture()
            time.sleep(0.01)


def compare(name: str, picture: str) -> None:
    """The picture is the one that was looked at and found good."""
    path = SNAPSHOTS / f"{name}.txt"
    if RENEWS:
        path.write_text(picture)
    assert picture == path.read_text()


@pytest.mark.parametrize("name", [name for name in SCENES if name != "resized"])
def test_a_scene_looks_as_it_should(tmux: Tmux, name: str, tmp_path: Path) -> None:
    """What a person sees of a run is what was found good when it was looked at."""
    show = Show(tmux, name, tmp_path)
    in_colour = ["-e"] if name in {"colours", "no_color"} else []
    compare(name, show.window.picture(*in_colour).replace("\x1b", "ESC"))
    show.window.press("q")


@pytest.mark.parametrize(("share", "true_s"), [(10, 180), (50, 100), (90, 20)])
def test_the_time_left_is_believable(share: int, true_s: int) -> None:
    """In a steady run, what the pictures promise is within a fifth of the truth."""
    told = re.search(r"(?:(\d+) min)? ?(?:(\d+) s)? left", (SNAPSHOTS / f"left_at_{share}_percent.txt").read_text())
    assert told
    assert int(told[1] or 0) * 60 + int(told[2] or 0) == pytest.approx(true_s, rel=0.2)


def test_a_resized_terminal_stays_clean(tmux: Tmux, tmp_path: Path) -> None:
    """From 120 columns to 50 and to 100: after the next picture there is nothing but the bars, as wide as fits."""
    show = Show(tmux, "resized", tmp_path)
    pictures = []
    for width in (120, 50, 100):
        show.window.resize(width)
        show.window.press("Space")
        show.wait()
        pictures.append(f"{width} columns\n{show.window.picture()}")
    compare("resized", "".join(pictures))
    show.window.press("q")


class Shell:
    """A shell in a terminal, with the sandbox's variables."""

    def __init__(self, tmux: Tmux, ninepic: Ninepic) -> None:
        variables = {**ninepic.environment, "PS1": "$ ", "NINEPIC_OUTPUT": "photos"}
        self.window = tmux.open("bash", "--norc", "--noprofile", "-i", width=80, height=24, environ=variables)
        self._pid = ninepic.home / "pid"
        self.type(f"cd {shlex.quote(str(ninepic.home))}; clear")
        self.window.wait(lambda lines: lines == ["$"])

    def type(self, line: str) -> None:
        """Types a line."""
        self.window.press(line, "Enter")

    def start(self, *command: str) -> None:
        """Starts the command and waits until its bars are there."""
        self.type("clear")
        self.window.wait(lambda lines: lines == ["$"])
        script = f"echo $$ > {self._pid}; exec {shlex.join([*command, 'bib', '1234', '-j', '3'])}"
        path = self._pid.with_name("run.sh")
        path.write_text(script)
        self.type("sh ./run.sh")
        self.window.wait(lambda lines: any("MB/s" in line for line in lines) and not self.window.has_cursor)

    def kill(self, number: int) -> None:
        """Sends the command a signal."""
        os.kill(int(self._pid.read_text()), number)

    def ending(self) -> list[str]:
        """What is below the command when the prompt is back; there is a cursor then, and not one bar."""
        lines = self.window.wait(lambda lines: lines[-1:] == ["$"] and len(lines) > 2)
        assert self.window.has_cursor
        assert not any("\u2501" in line or "\u2500" in line for line in lines)
        return lines[1:-1]


@pytest.fixture
def shell(tmux: Tmux, ninepic: Ninepic, sandbox: Callable[..., Sandbox]) -> Shell:
    """A shell, and a slow store."""
    if not shutil.which("bash"):
        pytest.skip("needs bash, a shell with jobs")
    sandbox(World.generate(photos=60, size=3_000_000), store_rate=1_000_000)
    return Shell(tmux, ninepic)


def test_signals_leave_a_clean_terminal(shell: Shell, ninepic: Ninepic) -> None:
    """After Ctrl-C, kill and a hang-up the bars are gone, the cursor is there, and the prompt has its own line."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        shell.start(*ninepic.command)
        if number == signal.SIGINT:
            shell.window.press("C-c")
        else:
            shell.kill(number)
        assert shell.ending()[0].startswith(
            "interrupted: " if number is signal.SIGINT else f"terminated by {number.name}: "
        )


CRASH_IN_A_WORKER = """
from ninepic_cli.download.fetch import Fetch
def crash(self, chunk, partial):
    write(self, chunk, partial)
    if partial.size > 2_000_000: raise RuntimeError("nobody thought of this")
write, Fetch._write_chunk = Fetch._write_chunk, crash
"""
CRASH_IN_THE_DISPLAY = """
import time
from ninepic_cli.progress import render
def crash(self, *args):
    if time.monotonic() > started_s + 2.5: raise RuntimeError("nobody thought of this")
    return lines(self, *args)
started_s, lines, render.Renderer.lines = time.monotonic(), render.Renderer.lines, crash
"""
CRASH_OF_THE_LAST_LINES = """
import time
from ninepic_cli.progress import live
def crash(*args):
    if time.monotonic() > started_s + 2.5: raise RuntimeError("nobody thought of this")
    return redrawing(*args)
started_s, redrawing, live._redraw_segments = time.monotonic(), live._redraw_segments, crash
"""


@pytest.mark.parametrize("crash", [CRASH_IN_A_WORKER, CRASH_IN_THE_DISPLAY], ids=["worker", "display"])
def test_a_crash_leaves_a_clean_terminal(shell: Shell, ninepic: Ninepic, crash: str) -> None:
    """A fault of this program, in a worker or in the display itself, is told below a terminal that is as before."""
    shell.start(*ninepic.after(crash).command)
    assert any(line.startswith("ninepic: error: ") for line in shell.ending())


def test_bars_that_cannot_be_taken_away_leave_the_cursor(shell: Shell, ninepic: Ninepic) -> None:
    """Where the display is too broken to clean up, the cursor comes back, and the error has a line of its own."""
    shell.start(*ninepic.after(CRASH_OF_THE_LAST_LINES).command)
    lines = shell.window.wait(lambda lines: lines[-1:] == ["$"] and len(lines) > 2)
    assert any(line.startswith("ninepic: error: ") for line in lines)
    assert shell.window.has_cursor


def test_a_stopped_run_gives_the_terminal_back(shell: Shell, ninepic: Ninepic) -> None:
    """Ctrl-Z shows the cursor, nothing is drawn from the background, and in the foreground the bars come back whole."""
    shell.start(*ninepic.command)
    for command in ("clear", "bg; clear"):
        shell.window.press("C-z")
        shell.window.wait(lambda lines: lines[-1:] == ["$"])
        assert shell.window.has_cursor
        shell.type(command)
        shell.window.wait(lambda lines: lines == ["$"])
        time.sleep(0.3)
        assert (shell.window.lines, shell.window.has_cursor) == (["$"], True)
        shell.type("fg")
        lines = shell.window.wait(lambda lines: len(lines) > 3 and "MB/s" in lines[2])
        assert [line[:9] for line in lines[:2]] == ["$ fg", "sh ./run."]
        assert (len(lines), shell.window.has_cursor) == (6, False)
    shell.window.press("C-\\")
    shell.window.wait(lambda lines: lines[-1:] == ["$"])
    assert shell.window.has_cursor
