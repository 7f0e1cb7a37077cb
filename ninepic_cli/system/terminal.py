"""The terminal: questions to the person at it, and Ctrl-Z, which gives it back to the shell for a while."""

import getpass
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import IO, Protocol

from ninepic_cli.errors import UsageError

try:
    import termios
except ImportError:  # not a POSIX system
    termios = None  # type: ignore[assignment]


_STDIN = 0
_LINE_LIMIT = 64 * 1024


class Screen(Protocol):
    """What is asked of a console (rich has one): where it leads, and whether that takes nothing but text."""

    @property
    def file(self) -> IO[str]:
        """The stream."""

    @property
    def is_dumb_terminal(self) -> bool:
        """Whether it is a terminal that can do nothing but write."""


def is_in_background(terminal: IO[str]) -> bool:
    """Whether another job has the terminal (False where there are no jobs, or the terminal is gone)."""
    try:
        return os.tcgetpgrp(terminal.fileno()) != os.getpgrp()
    except (AttributeError, OSError, ValueError):
        return False


@contextmanager
def handle_suspend(*, on_leave: Callable[[], None], on_return: Callable[[], None]) -> Iterator[None]:
    """Hand the terminal over in order when a key stops the process (Ctrl-Z) or kills it (that of SIGQUIT).

    Signals that are ignored or caught already stay so.

    Args:
        on_leave: the last thing before; called in the middle of whatever the main thread does, so it takes no lock.
        on_return: the first thing after; likewise.
    """

    def leave(number: int, _: FrameType | None) -> None:
        on_leave()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        signal.signal(number, leave)  # it has come back

    handlers = {"SIGTSTP": leave, "SIGQUIT": leave, "SIGCONT": lambda *_: on_return()}
    caught = {getattr(signal, name): handler for name, handler in handlers.items() if _has_default_handler(name)}
    for number, handler in caught.items():
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in caught:
            with suppress(ValueError):
                signal.signal(number, signal.SIG_DFL)


def _has_default_handler(name: str) -> bool:
    """Whether there is such a signal, and this thread may have it."""
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and hasattr(signal, name) and signal.getsignal(getattr(signal, name)) is signal.SIG_DFL


def restore_cursor(screen: Screen) -> None:
    """Show the cursor again, on a new line.

    For a signal handler: it goes around the stream, whose lock and buffer the interrupted code may hold.
    """
    with suppress(OSError, ValueError):
        descriptor = screen.file.fileno()
        if os.isatty(descriptor) and not screen.is_dumb_terminal:
            os.write(descriptor, b"\x1b[?25h\r\n")


def is_terminal(stream: IO[str] | None) -> bool:
    """Whether it is one; a stream that the caller closed is None."""
    return stream is not None and stream.isatty()


def can_prompt() -> bool:
    """Whether there is somebody to ask: standard input and error are terminals, and this is no background job."""
    return is_terminal(sys.stdin) and is_terminal(sys.stderr) and not is_in_background(sys.stdin)


def prompt(question: str) -> str:
    """What is typed as an answer, without white space around it.

    Raises:
        EOFError: the input ended.
    """
    _write(question)
    return _read_line().strip()


def prompt_secret(question: str) -> str:
    """What is typed as an answer, without showing it.

    Raises:
        UsageError: the terminal cannot hide it.
        EOFError: the input ended.
    """
    if termios is None:
        return getpass.getpass(question, stream=sys.stderr)
    try:
        with _echo_off(question):
            line = _read_line()
    except termios.error:
        raise UsageError("cannot hide input on this terminal", hint="pipe the key to standard input") from None
    _write("\n")  # which the terminal did not show either
    return line.rstrip("\r\n")


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _read_line() -> str:
    line = sys.stdin.buffer.readline(_LINE_LIMIT)
    if not line:
        raise EOFError
    return line.decode("utf-8", "replace")


@contextmanager
def _echo_off(question: str) -> Iterator[None]:
    """Ask, and have the terminal show nothing of what is typed, also after a while in the background.

    Raises:
        termios.error: the terminal cannot do that.
    """
    shown = termios.tcgetattr(_STDIN)
    hidden = [*shown[:3], shown[3] & ~termios.ECHO, *shown[4:]]

    def hide() -> None:
        termios.tcsetattr(_STDIN, termios.TCSAFLUSH, hidden)  # what was typed before the question is no answer
        _write(question)

    def show() -> None:
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(_STDIN, termios.TCSAFLUSH, shown)

    def hide_again() -> None:
        if not is_in_background(sys.stdin):
            with suppress(termios.error):
                hide()

    with handle_suspend(on_leave=show, on_return=hide_again):
        try:
            hide()
            yield
        finally:
            show()


@contextmanager
def foreground(group: int) -> Iterator[None]:
    """Let a process group be the one that the terminal listens to; afterwards the terminal is as it was.

    Only in the main thread, and where `can_prompt()`.
    """
    if termios is None:
        yield
        return
    modes = termios.tcgetattr(_STDIN)
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # a process in the background would be stopped for this
    try:
        with suppress(OSError):  # the group has ended, or this terminal controls nobody
            os.tcsetpgrp(_STDIN, group)
            os.killpg(group, signal.SIGCONT)  # it may have asked too early
        yield
    finally:
        with suppress(OSError):
            os.tcsetpgrp(_STDIN, os.getpgrp())
        with suppress(termios.error):  # whoever was killed while asking left the echo off
            termios.tcsetattr(_STDIN, termios.TCSADRAIN, modes)
        signal.signal(signal.SIGTTOU, before)
