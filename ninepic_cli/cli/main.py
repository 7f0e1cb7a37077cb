"""Arguments in, exit status out; the only place that ends the process."""

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from ninepic_cli import __version__
from ninepic_cli.errors import ExitStatus, NinepicError, unforeseen
from ninepic_cli.system.output import print_error, silence_stdout, stdout_error
from ninepic_cli.system.streams import STDOUT

_FROM_SIGNAL = 128
_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")


class _Interrupt(KeyboardInterrupt):
    """A signal that ends the process, once all that is open has been put down."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def main(argv: Sequence[str]) -> int:
    """Do what the arguments say; returns the exit status (128 + n where signal n ended the work)."""
    try:
        status = _answered(argv)
    except KeyboardInterrupt as interrupt:
        return _FROM_SIGNAL + getattr(interrupt, "number", signal.SIGINT)
    except Exception as error:  # noqa: BLE001 (the last resort)
        status = _failed(error)
    return status if status > _FROM_SIGNAL else _flushed(status)  # perhaps nobody reads it, and a signal does not wait


def _failed(error: Exception) -> int:
    """Tell what went wrong; returns the exit status."""
    if isinstance(error, BrokenPipeError):
        silence_stdout()
        return ExitStatus.OK  # the reader had seen enough
    if isinstance(error, OSError) and error.filename == STDOUT:
        silence_stdout()
        error = stdout_error(error)
    shown = error if isinstance(error, NinepicError) else unforeseen(error)
    print_error(shown)
    return shown.exit_status


def _flushed(status: int) -> int:
    """Write what is left of the data; the exit status once that is known."""
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


def _answered(argv: Sequence[str]) -> int:
    if list(argv) in (["-V"], ["--version"]):
        print(f"ninepic {__version__}")
        return ExitStatus.OK
    from ninepic_cli.cli.app import call  # noqa: PLC0415 (not needed for the answer above)

    return call(argv)


def run() -> NoReturn:
    """The console script: ends the process, by the signal where one ended the work."""
    received: list[int] = []

    def end(number: int, _: FrameType | None) -> None:
        """Unwind at the first signal, so that terminals and files are as they were; end at once at the second."""
        received.append(number)
        if len(received) > 1:
            die_by(number)
        raise _Interrupt(number)

    for number in (getattr(signal, name) for name in _ENDING if hasattr(signal, name)):
        if signal.getsignal(number) in {signal.SIG_DFL, signal.default_int_handler}:
            signal.signal(number, end)
    status = main(sys.argv[1:])
    if received:  # whatever was made of the exception on its way
        die_by(received[0])
    if status > _FROM_SIGNAL:
        die_by(status - _FROM_SIGNAL)
    sys.exit(status)


def die_by(number: int) -> NoReturn:
    """End this process by a signal, as the shell and a parent expect of an interrupted command."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(_FROM_SIGNAL + number)  # the first process of a container, or a system where signals end nothing
