"""A person at a terminal in which the command runs."""

import os
import pty
import select
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

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
