"""`--log-file`: what happens in a run, a line each, for whoever looks at it later."""

import errno
import os
import time
from pathlib import Path
from typing import Self

from ninepic_cli.errors import MachineError, NinepicError, UsageError
from ninepic_cli.redact import redact_secrets
from ninepic_cli.text import one_line, path_text, system_text, utc_text

_LINE_LIMIT = 4096
_NO_PLACE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP}  # for a file
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0)


class LogFile:
    """A file that lines are appended to, each with its time and by one write, so that several runs may share it.

    A line that cannot be written costs the lines, not the run.

    Args:
        path: where it is; None for nowhere.

    Attributes:
        key: what must not be in it, besides the signatures of links; "" while it is not known.
        error: why lines are lost, if any are.
    """

    def __init__(self, path: Path | None) -> None:
        self.error: OSError | None = None
        self._path = path
        self.key = ""
        self._descriptor = -1

    def open(self) -> None:
        """Open the file, if there is to be one; what is written before goes nowhere.

        Raises:
            UsageError: a file cannot stand there.
            MachineError: it cannot be opened.
        """
        if self._path is None:
            return
        try:
            self._descriptor = os.open(self._path, _FLAGS, 0o666)
        except OSError as error:
            raise _unusable_error(self._path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @property
    def is_open(self) -> bool:
        """Whether there is a file to write to."""
        return self._descriptor >= 0

    def line(self, text: str) -> None:
        """Write a line, if there is a file."""
        if self._descriptor < 0 or self.error:
            return
        line = f"{utc_text(time.time())} {one_line(redact_secrets(text, key=self.key), _LINE_LIMIT)}\n"
        data = line.encode("utf-8", "backslashreplace")
        try:
            if os.write(self._descriptor, data) < len(data):
                os.write(self._descriptor, b"\n")  # what comes next is a line of its own
        except OSError as error:
            self.error = error

    def error_lines(self, error: NinepicError) -> None:
        """Write what failed and why, and what to do next."""
        self.line(f"error: {error.message}")
        if error.hint:
            self.line(f"hint: {error.hint}")

    def trouble(self) -> str | None:
        """What to tell of lines that are lost."""
        if self.error is None or self._path is None:
            return None
        return f"--log-file {path_text(self._path)} is incomplete: {system_text(self.error)}"


def _unusable_error(path: Path, error: OSError) -> NinepicError:
    hint = "choose another file with --log-file"
    if error.errno == errno.ENOENT:
        folder = path_text(path.absolute().parent)
        return UsageError(f"cannot write {path_text(path)}: directory {folder} does not exist", hint=hint)
    reason = f"cannot write {path_text(path)}: {system_text(error)}"
    return UsageError(reason, hint=hint) if error.errno in _NO_PLACE else MachineError(reason, hint=hint)
