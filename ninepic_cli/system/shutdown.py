"""Signals: those that end a run, with the token by which everything else learns of it, and those that ask about it."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType
from typing import Any, Self

from ninepic_cli.errors import NinepicError, StoppedError

_GRACE_S = 2.0  # with a run that was asked to end
_END_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class CancelToken:
    """The end of the run, seen from everywhere: whether it is called for, and whether it has begun.

    Attributes:
        signum: the signal that calls for it, 0 for a reader that has gone; None where there is none.
        error: the fault of this program, or of this machine, that calls for it.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self.signum: int | None = None
        self.error: NinepicError | None = None

    def interrupt(self, signum: int) -> None:
        """Call for the end by a signal, or by 0 for a reader that has gone, which never takes a signal's place.

        It takes no lock, so a signal handler may do so at any moment.
        """
        self.signum = signum or self.signum or 0

    def fail(self, error: NinepicError) -> None:
        """Call for the end by a fault of this program, or of this machine."""
        self.error = error

    @property
    def is_interrupted(self) -> bool:
        """Whether a signal has come, or the reader has gone."""
        return self.signum is not None

    def set(self) -> None:
        """End the run: every wait ends, every worker stops at its next step."""
        self._event.set()

    @property
    def is_set(self) -> bool:
        """Whether the run is ending."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise StoppedError when the run is ending."""
        if self._event.is_set():
            raise StoppedError("the run is ending")

    def wait(self, seconds: float) -> None:
        """Sleep so long; raises StoppedError as soon as the run is ending."""
        if self._event.wait(max(0.0, seconds)):
            raise StoppedError("the run is ending")


@contextmanager
def handle_signals(*, on_first: Callable[[int], None], on_second: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Let the first signal end the run and the second the process; one that was ignored stays so.

    Args:
        on_first: told the number, in the middle of whatever the main thread does: it takes no lock.
        on_second: the last thing before the process dies.
    """

    def end_at_once(number: int, _: FrameType | None) -> None:
        on_second()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        os._exit(128 + number)  # the first process of a container, which no signal ends by itself

    def end(number: int, _: FrameType | None) -> None:
        for each in caught:
            signal.signal(each, end_at_once)
        on_first(number)
        impatient.enter_context(grace_period(number))

    impatient = ExitStack()
    before = {number: signal.getsignal(number) for number in _END_SIGNALS}
    caught = [number for number in _END_SIGNALS if before[number] is not signal.SIG_IGN]
    for number in caught:
        signal.signal(number, end)
    try:
        yield
    finally:
        impatient.close()
        for number in caught:
            signal.signal(number, before[number])


_STATUS_SIGNALS = [getattr(signal, name) for name in ("SIGUSR1", "SIGINFO") if hasattr(signal, name)]


class StatusSignals:
    """Signals that ask how the run is doing, caught while this is open; one that was ignored stays so.

    Only for the main thread.
    """

    def __init__(self) -> None:
        self._is_asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        before = {number: signal.getsignal(number) for number in _STATUS_SIGNALS}
        self._before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
        for number in self._before:
            signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def take(self) -> bool:
        """Whether one has come since this was asked last."""
        is_asked, self._is_asked = self._is_asked, False
        return is_asked

    def _ask(self, _: int, __: FrameType | None) -> None:
        """Note it and do no more: the main thread may be in the middle of a line."""
        self._is_asked = True


@contextmanager
def grace_period(number: int | None) -> Iterator[None]:
    """Have two seconds for what is left to do after a signal, which comes once more then.

    The main thread may sit in a write that nobody reads: then it does not come to its end by itself.

    Args:
        number: the signal; None or 0 for none, and time without end.
    """
    timer = threading.Timer(_GRACE_S, os.kill, (os.getpid(), number))
    timer.daemon = True
    if number:
        with suppress(RuntimeError):  # there may be no thread to be had
            timer.start()
    try:
        yield
    finally:
        timer.cancel()
