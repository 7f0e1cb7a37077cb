"""A terminal is shared with a shell: Ctrl-Z gives it back for a while; what runs in the background leaves it alone."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import IO, Protocol

_STOP = getattr(signal, "SIGTSTP", None)
_QUIT = getattr(signal, "SIGQUIT", None)
_CONTINUE = getattr(signal, "SIGCONT", None)


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
def suspension(*, on_leave: Callable[[], None], on_return: Callable[[], None]) -> Iterator[None]:
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

    handlers = {_STOP: leave, _QUIT: leave, _CONTINUE: lambda *_: on_return()}
    caught = [number for number in handlers if number is not None and _is_free(number)]
    for number in caught:
        signal.signal(number, handlers[number])
    try:
        yield
    finally:
        for number in caught:
            with suppress(ValueError):
                signal.signal(number, signal.SIG_DFL)


def _is_free(number: int) -> bool:
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and signal.getsignal(number) is signal.SIG_DFL


def restore_cursor(screen: Screen) -> None:
    """Show the cursor again, on a new line.

    For a signal handler: it goes around the stream, whose lock and buffer the interrupted code may hold.
    """
    with suppress(OSError, ValueError):
        descriptor = screen.file.fileno()
        if os.isatty(descriptor) and not screen.is_dumb_terminal:
            os.write(descriptor, b"\x1b[?25h\r\n")
