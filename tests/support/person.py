"""Terminals for tests: one that only shows, one with a person at it, and windows that are drawn as people see them."""

import fcntl
import os
import pty
import select
import shlex
import struct
import subprocess
import termios
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.command import Ninepic

_CONTROLLED = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)"  # so that Ctrl-C is a signal


class Person:
    """Sits at a terminal in which the command runs."""

    def __init__(self, ninepic: Ninepic, arguments: Sequence[object], code: str = "") -> None:
        self._terminal, inner = pty.openpty()
        command = ninepic.after(f"{_CONTROLLED}\n{code}")
        self.process = command.start(*arguments, stdin=inner, stdout=inner, stderr=inner, start_new_session=True)
        os.close(inner)
        self._bytes = b""
        self._answered = 0

    @property
    def seen(self) -> str:
        """All that the terminal has shown."""
        return self._bytes.decode().replace("\r\n", "\n")

    @property
    def echoes(self) -> bool:
        """Whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self._terminal)[3] & termios.ECHO)

    def answer(self, question: str, text: str) -> None:
        """Wait for a question that has not been answered yet, and type."""
        self.wait_for(question)
        os.write(self._terminal, text.encode())

    def wait_for(self, words: str, *, timeout_s: float = 30) -> None:
        """Wait until the terminal shows words behind those that were waited for last."""
        end_s = time.monotonic() + timeout_s
        while (at := self._bytes.find(words.encode(), self._answered)) < 0:
            assert self._read(end_s - time.monotonic()), f"{words!r} is not among:\n{self.seen}"
        self._answered = at + len(words.encode())

    def status(self, *, timeout_s: float = 30) -> int:
        """Wait for the end; the exit status, negative for a signal."""
        end_s = time.monotonic() + timeout_s
        while self._read(end_s - time.monotonic()):
            continue
        return self.process.wait(max(0.1, end_s - time.monotonic()))

    def _read(self, timeout_s: float) -> bytes:
        if timeout_s <= 0 or not select.select([self._terminal], [], [], timeout_s)[0]:
            return b""
        try:
            part = os.read(self._terminal, 4096)
        except OSError:  # what Linux says when the last process has left the terminal
            return b""
        self._bytes += part
        return part

    def leave(self) -> None:
        """End what still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._terminal)


@contextmanager
def at_terminal(ninepic: Ninepic, *arguments: object, code: str = "") -> Iterator[Person]:
    """The command, in a terminal with somebody at it; the code runs first."""
    person = Person(ninepic, arguments, code)
    try:
        yield person
    finally:
        person.leave()


class Terminal:
    """A pseudo-terminal to put on the command's standard error, and what was written to it."""

    def __init__(self, columns: int = 100, rows: int = 30) -> None:
        self._master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._written = b""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def written(self) -> str:
        """All that was written so far."""
        return self._written.decode(errors="replace")

    def close(self) -> None:
        """Let go of it; what was written stays."""
        os.close(self.slave)
        self._reader.join()
        os.close(self._master)

    def _read(self) -> None:
        with suppress(OSError):  # how a pseudo-terminal says that nobody holds its other end
            while data := os.read(self._master, 65536):
                self._written += data


class Window:
    """A terminal of its own size, and what runs in it."""

    def __init__(self, tmux: "Tmux", name: str) -> None:
        self._tmux = tmux
        self._name = name

    @property
    def lines(self) -> list[str]:
        """What is there to read."""
        return self.picture().splitlines()

    @property
    def has_cursor(self) -> bool:
        """Whether the cursor can be seen."""
        return self._tmux("display", "-p", "-t", self._name, "#{cursor_flag}").strip() == "1"

    def picture(self, *options: str) -> str:
        """What is on it."""
        text = self._tmux("capture-pane", "-p", "-t", self._name, *options)
        return "".join(f"{line.rstrip()}\n" for line in text.rstrip().splitlines())

    def press(self, *keys: str) -> None:
        """Types."""
        self._tmux("send-keys", "-t", self._name, *keys)

    def resize(self, width: int) -> None:
        """Makes it narrower or wider."""
        self._tmux("resize-window", "-t", self._name, "-x", str(width))
        time.sleep(0.4)  # tmux tells a program of a second change within a quarter of a second only after that

    def shows(self, text: str) -> None:
        """Wait until a text is there."""
        self.wait(lambda lines: text in "\n".join(lines))

    def wait(self, condition: Callable[[list[str]], bool], patience_s: float = 30) -> list[str]:
        """What is there to read once it is as it should be."""
        deadline_s = time.monotonic() + patience_s
        while not condition(lines := self.lines):
            assert time.monotonic() < deadline_s, "\n".join(lines)
            time.sleep(0.05)
        return lines


class Tmux:
    """A tmux server that is nobody else's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, *args: str) -> str:
        """Give it a command; returns what it says."""
        # TMUX in the environment would make it refuse to start inside another one.
        environment = {"PATH": os.environ["PATH"], "TMUX_TMPDIR": str(self._folder), "LC_ALL": "C.UTF-8"}
        command = ["tmux", "-u", "-L", "ninepic", "-f", os.devnull, *args]
        return subprocess.run(command, env=environment, capture_output=True, check=True, encoding="utf-8").stdout

    def open(
        self, *command: str, width: int, height: int, environ: Mapping[str, str], folder: Path = Path("/")
    ) -> Window:
        """A window with a command in an environment of its own."""
        name = uuid.uuid4().hex
        variables = {"PATH": os.environ["PATH"], "TERM": "screen-256color", "PYTHONIOENCODING": "utf-8", **environ}
        words = ["env", "-i", *(f"{key}={value}" for key, value in variables.items()), *command]
        place = ["-x", str(width), "-y", str(height), "-c", str(folder)]
        self("new-session", "-d", "-s", name, *place, f"exec {shlex.join(words)}")
        return Window(self, name)
