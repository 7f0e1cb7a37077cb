"""Arguments in, exit status out; the only place that ends the process."""

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from ninepic_cli.errors import ExitStatus, NinepicError, unforeseen
from ninepic_cli.system.output import print_error, silence_stdout, stdout_error
from ninepic_cli.system.streams import STDOUT
from ninepic_cli.text import IS_POSIX

_FROM_SIGNAL = 128
_END_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
_STATUS_SIGNALS = ("SIGUSR1", "SIGINFO")


class _Interrupt(KeyboardInterrupt):
    """A signal that ends the process, once all that is open has been put down."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def main(argv: Sequence[str]) -> int:
    """Do what the arguments say; returns the exit status (128 + n where signal n ended the work)."""
    try:
        from ninepic_cli.cli.app import call  # noqa: PLC0415 (a signal that comes while it loads ends the work as well)

        status = call(argv)
    except KeyboardInterrupt as interrupt:
        return _FROM_SIGNAL + getattr(interrupt, "number", signal.SIGINT)
    except Exception as error:  # noqa: BLE001 (the last resort)
        status = _report_error(error)
    # A signal does not wait for whoever reads standard output: perhaps nobody does.
    return status if status > _FROM_SIGNAL else _flush_stdout(status)


def _report_error(error: Exception) -> int:
    """Print what went wrong; returns the exit status."""
    if isinstance(error, BrokenPipeError):
        silence_stdout()
        return ExitStatus.OK  # the reader had seen enough
    if isinstance(error, OSError) and error.filename == STDOUT:
        silence_stdout()
        error = stdout_error(error)
    known = error if isinstance(error, NinepicError) else unforeseen(error)
    print_error(known)
    return known.exit_status


def _flush_stdout(status: int) -> int:
    """Write what is left of the data; returns the exit status, which a failure of that changes."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        silence_stdout()
    except OSError as error:
        silence_stdout()
        print_error(stdout_error(error))
        return status if status == ExitStatus.BUG else ExitStatus.MACHINE
    return status


def run_and_exit(argv: Sequence[str]) -> NoReturn:
    """Do what the arguments say and end the process, by the signal where one ended the work."""
    received: list[int] = []

    def interrupt(number: int, _: FrameType | None) -> None:
        """Unwind at the first signal, so that terminals and files are as they were; end at once at the second."""
        received.append(number)
        if len(received) > 1:
            die_by_signal(number)
        raise _Interrupt(number)

    for number in (getattr(signal, name) for name in _END_SIGNALS if hasattr(signal, name)):
        if signal.getsignal(number) in {signal.SIG_DFL, signal.default_int_handler}:
            signal.signal(number, interrupt)
    asking = [getattr(signal, name) for name in _STATUS_SIGNALS if hasattr(signal, name)]
    for number in asking:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda *_: None)  # who asks too early ends nothing
    status = main(argv)
    for number in asking:
        signal.signal(number, signal.SIG_IGN)  # nor who asks while the interpreter ends, which resets other handlers
    if received:  # whatever was made of the exception on its way
        die_by_signal(received[0])
    if status > _FROM_SIGNAL:
        die_by_signal(status - _FROM_SIGNAL)
    sys.exit(status)


def die_by_signal(number: int) -> NoReturn:
    """End this process by a signal, as the shell and a parent expect of an interrupted command."""
    signal.signal(number, signal.SIG_DFL)
    if IS_POSIX:  # Windows would make the bare number the exit status
        os.kill(os.getpid(), number)
    os._exit(_FROM_SIGNAL + number)  # also the first process of a container, which no signal ends
