"""Lines of data on standard output, and words for people on standard error."""

import os
import sys
from contextlib import suppress

from ninepic_cli import normalize
from ninepic_cli.errors import MachineError, NinepicError
from ninepic_cli.redact import redact_secrets
from ninepic_cli.text import one_line, system_text


class Output:
    """Standard output, for data: each line whole and at once.

    A reader that goes away costs the output only. Anything else that keeps a line from being written is kept in
    `trouble`, for the end of the run: the photos come first, but whoever reads the lines shall not miss some.
    """

    def __init__(self) -> None:
        self.is_gone = sys.stdout is None
        self.trouble: MachineError | None = None

    def line(self, text: str) -> None:
        """Write a line in UTF-8, whatever the locale: this is for programs (names in bytes stay those bytes)."""
        if self.is_gone:
            return
        try:
            sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape") + b"\n")
            sys.stdout.buffer.flush()
        except OSError as error:
            self.is_gone = True
            silence_stdout()
            if not isinstance(error, BrokenPipeError):
                self.trouble = stdout_error(error)


def print_err(line: str) -> None:
    """Write a line; a stream that is closed or gone costs the line only."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            print(line, file=sys.stderr, flush=True)


def print_warning(text: str) -> None:
    """Write a warning to standard error."""
    print_err(f"ninepic: warning: {text}")


def silence_stdout() -> None:
    """Let standard output lead nowhere: what is still buffered must not raise again when the interpreter ends."""
    with suppress(OSError, ValueError, AttributeError):  # the last where there is none
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def stdout_error(error: OSError) -> MachineError:
    """The error for a standard output that cannot be written."""
    reason = f"cannot write to standard output: {system_text(error)}"
    return MachineError(reason, hint="check where it is redirected to, and the disk", code="output")


def print_error(error: NinepicError) -> None:
    """Write an error to standard error: what failed and why, and what to do next."""
    # A word that somebody typed may be a link, whose signature is not to be seen.
    print_err(f"ninepic: error: {one_line(redact_secrets(error.message), 1000)}")
    if error.hint:
        print_err(f"  {one_line(redact_secrets(error.hint), 1000)}")
    if normalize.value(os.environ.get("NINEPIC_DEBUG", "")) == "1":
        import traceback  # noqa: PLC0415 (hardly ever needed)

        cause: BaseException | None = error
        while cause is not None:  # places only, since an exception's words may hold a link
            print_err(f"{type(cause).__name__} at")
            print_err("".join(traceback.format_tb(cause.__traceback__)).rstrip())
            cause = cause.__cause__
