"""`--failed-to`: the list of what is to be asked for again."""

import os
import stat
from pathlib import Path

from ninepic_cli.errors import MachineError
from ninepic_cli.filesystem.atomic import check_place, status_of, write_atomic
from ninepic_cli.text import path_text


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
        write_atomic(Path(os.path.realpath(path)), data, mode=mode)
    except OSError as error:
        raise MachineError(
            f"{path_text(path)} cannot be written ({error.strerror})", hint="name another --failed-to"
        ) from error


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current
