"""The terminal that a person sits at: who may ask there, and asking. Questions go to standard error."""

import getpass
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from ninepic_cli.errors import UsageError
from ninepic_cli.suspend import suspension

try:
    import termios
except ImportError:  # not a POSIX system
    termios = None  # type: ignore[assignment]

_STDIN = 0
_LINE_LIMIT = 64 * 1024


def is_terminal(stream: IO[str] | None) -> bool:
    """Whether it is one; a stream that the caller closed is None."""
    return stream is not None and stream.isatty()


def may_ask() -> bool:
    """Whether there is somebody to ask: standard input and error are terminals, and this is no background job."""
    return is_terminal(sys.stdin) and is_terminal(sys.stderr) and not _is_background()


def _is_background() -> bool:
    try:
        return os.tcgetpgrp(_STDIN) != os.getpgrp()
    except (OSError, AttributeError):  # not the terminal that controls this process, or no such thing here
        return False


def asked(question: str) -> str:
    """What is typed as an answer, without white space around it.

    Raises:
        EOFError: the input ended.
    """
    sys.stderr.write(question)
    sys.stderr.flush()
    line = sys.stdin.buffer.readline(_LINE_LIMIT)
    if not line:
        raise EOFError
    return line.decode("utf-8", "replace").strip()


def asked_secret(question: str) -> str:
    """What is typed as an answer, without showing it.

    Raises:
        UsageError: the terminal cannot hide it.
        EOFError: the input ended.
    """
    if termios is None:
        return getpass.getpass(question, stream=sys.stderr)
    try:
        with _hidden(question):
            line = sys.stdin.buffer.readline(_LINE_LIMIT)
    except termios.error:
        raise UsageError("this terminal cannot hide what is typed", hint="pipe the key in") from None
    if not line:
        raise EOFError
    sys.stderr.write("\n")  # which the terminal did not show either
    sys.stderr.flush()
    return line.decode("utf-8", "replace").rstrip("\r\n")


@contextmanager
def _hidden(question: str) -> Iterator[None]:
    """Ask, and have the terminal show nothing of what is typed, also after a while in the background.

    Raises:
        termios.error: the terminal cannot do that.
    """
    shown = termios.tcgetattr(_STDIN)
    hidden = [*shown[:3], shown[3] & ~termios.ECHO, *shown[4:]]

    def hide() -> None:
        termios.tcsetattr(_STDIN, termios.TCSAFLUSH, hidden)  # what was typed before the question is no answer
        sys.stderr.write(question)
        sys.stderr.flush()

    def show() -> None:
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(_STDIN, termios.TCSAFLUSH, shown)

    def hide_again() -> None:
        if not _is_background():
            with suppress(termios.error):
                hide()

    with suspension(on_leave=show, on_return=hide_again):
        try:
            hide()
            yield
        finally:
            show()


@contextmanager
def lent_to(group: int) -> Iterator[None]:
    """Let a process group be the one that the terminal listens to; afterwards the terminal is as it was.

    Only in the main thread, and where `may_ask()`.
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
