"""The door: arguments in, exit status out. The only place that turns errors into statuses.

What can be answered at once is answered before anything heavy is imported.
"""

import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from ninepic_cli import __version__
from ninepic_cli.errors import ExitStatus, NinepicError
from ninepic_cli.say import show

_FROM_SIGNAL = 128


def main(argv: Sequence[str]) -> int:
    """Do what the arguments say; returns the exit status (128 + n where signal n ended the work)."""
    if list(argv) in (["-V"], ["--version"]):
        print(f"ninepic {__version__}")
        return ExitStatus.OK
    try:
        from ninepic_cli.cli import call  # noqa: PLC0415 (not needed for the answers above)

        return call(argv)
    except NinepicError as error:
        show(error)
        return error.exit_status
    except KeyboardInterrupt:
        return _FROM_SIGNAL + signal.SIGINT
    except BrokenPipeError:
        # The reader has gone; what is still buffered must not raise again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitStatus.OK
    except Exception as error:  # noqa: BLE001 (the last resort)
        bug = NinepicError(f"unforeseen: {type(error).__name__}", hint="set NINEPIC_DEBUG=1 to see where; report it")
        bug.__cause__ = error
        show(bug)
        return ExitStatus.BUG


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


if __name__ == "__main__":
    run()
