"""Terminals: one that only shows, and windows that are drawn as people see them."""

import fcntl
import os
import pty
import shlex
import struct
import subprocess
import termios
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

_IS_DRAWN, _DRAWN = "\x1b[5n", "\x1b[0n"  # a question to terminals, and their answer


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

    def answer_when_drawn(self, keys: str, patience_s: float = 30) -> str:
        """Wait until the program asks whether all is drawn, say so and type; what was written until then."""
        deadline_s = time.monotonic() + patience_s
        while not (written := self.written).endswith(_IS_DRAWN):
            assert time.monotonic() < deadline_s, written
            time.sleep(0.01)
        os.write(self._master, f"{_DRAWN}{keys}".encode())
        return written.removesuffix(_IS_DRAWN)

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
