"""The door: arguments in, exit status out; the only place that ends the process."""

import errno
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from ninepic_cli import __version__
from ninepic_cli.errors import ExitStatus, NinepicError, unforeseen
from ninepic_cli.say import show, silence_stdout, stdout_trouble

_FROM_SIGNAL = 128
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG})


def main(argv: Sequence[str]) -> int:
    """Do what the arguments say; returns the exit status (128 + n where signal n ended the work)."""
    try:
        status = _answered(argv)
        if sys.stdout is not None:
            sys.stdout.flush()
    except NinepicError as error:
        show(error)
        return error.exit_status
    except KeyboardInterrupt:
        return _FROM_SIGNAL + signal.SIGINT
    except OSError as error:
        silence_stdout()
        if isinstance(error, BrokenPipeError):
            return ExitStatus.OK  # the reader had seen enough
        show(stdout_trouble(error) if error.errno in _FULL else unforeseen(error))
        return ExitStatus.MACHINE if error.errno in _FULL else ExitStatus.BUG
    except Exception as error:  # noqa: BLE001 (the last resort)
        show(unforeseen(error))
        return ExitStatus.BUG
    return status


def _answered(argv: Sequence[str]) -> int:
    if list(argv) in (["-V"], ["--version"]):
        print(f"ninepic {__version__}")
        return ExitStatus.OK
    from ninepic_cli.cli import call  # noqa: PLC0415 (not needed for the answer above)

    return call(argv)


def run() -> NoReturn:
    """The console script: ends the process, by the signal where one ended the work."""
    status = main(sys.argv[1:])
    if status > _FROM_SIGNAL:
        die_by(status - _FROM_SIGNAL)
    sys.exit(status)


def die_by(signum: int) -> NoReturn:
    """End this process by a signal, as the shell and a parent expect of an interrupted command."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            try:
                stream.flush()
            except (OSError, ValueError):
                continue
    signal.signal(signum, signal.SIG_DFL)
    os.kill(os.getpid(), signum)
    os._exit(_FROM_SIGNAL + signum)  # where signals do not end processes
