"""What a run leaves besides photos: lines of data on standard output, and the list of what is to be asked for again."""

import os
import stat
import sys
from pathlib import Path

from ninepic_cli.errors import MachineError
from ninepic_cli.paths import path_text
from ninepic_cli.say import silence_stdout, stdout_trouble
from ninepic_cli.whole import check_place, replace_file, status_of


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
                self.trouble = stdout_trouble(error)


def check_failed_to(path: Path) -> None:
    """See before the run that its leftovers can be written down; changes nothing.

    Raises:
        UsageError: a file cannot stand there.
        MachineError: it may not be written.
    """
    check_place("--failed-to", path)


def write_failed_to(path: Path, data: bytes) -> None:
    """Write the file whole: it may be the list that this run was started with.

    Raises:
        MachineError: it cannot be written.
    """
    try:
        status = status_of(path)
        if status and not stat.S_ISREG(status.st_mode):
            path.write_bytes(data)  # a device or a FIFO
            return
        mode = 0o666 & ~_umask() if status is None else stat.S_IMODE(status.st_mode)
        replace_file(Path(os.path.realpath(path)), data, mode=mode)
    except OSError as error:
        raise MachineError(
            f"{path_text(path)} cannot be written ({error.strerror})", hint="name another --failed-to"
        ) from error


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current
