"""`--zip FILE`: where ZIPs go, which may depend on what is in them."""

import os
import stat
import string
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ninepic_cli.errors import MachineError, UsageError
from ninepic_cli.filesystem.atomic import is_mount, stat_or_none, unusable_path_error
from ninepic_cli.filesystem.filenames import MAX_BYTES, folder_name
from ninepic_cli.models import Method
from ninepic_cli.text import on_disk, path_text, quoted

_OTHER_FILE = "choose another file with --zip"
_FIELDS = ("identifier", "event", "method")
_SEPARATORS = tuple(filter(None, (os.sep, os.altsep)))


class ZipTarget:
    """Where the ZIP goes, or each of them.

    Args:
        text: a file's name, perhaps with fields in it; "-" is standard output.
        event, method: what the fields of these names stand for.

    Attributes:
        is_split: whether each identifier has a ZIP of its own.
        file: the only one, as the system names it; None where there are several, or none.
        is_stdout, is_stream: whether it goes there, or anywhere that is written once and in order.

    Raises:
        UsageError: there can be no such ZIP.
    """

    def __init__(self, text: str, *, event: int, method: Method) -> None:
        self.text = text
        self._values = {"event": event, "method": method.value}
        fields = self._parse_fields()
        self.is_split = "identifier" in fields
        self.is_stdout = text == "-" or _is_stdout(Path(text))
        self.is_stream = self.is_stdout or _is_special(Path(text))
        # Looked up once: a link is followed, as it stands when the run begins.
        self.file = None if fields or self.is_stream else Path(os.path.realpath(text.format()))

    @property
    def base(self) -> Path:
        """The folder of all of them: the name up to its last slash, or to the folder with a field."""
        if self.is_stream:
            return Path(tempfile.gettempdir())
        if self.file:
            return self.file.parent
        literal = self.text.partition("{")[0].rpartition("/")
        return Path(literal[0] + literal[1])

    def path(self, identifier: str) -> Path:
        """The ZIP that the identifier's photos go into."""
        if self.is_stream:
            return Path(self.text)
        return self.file or Path(self.text.format(identifier=on_disk(folder_name(identifier)), **self._values))

    def _parse_fields(self) -> list[str]:
        try:
            pieces = list(string.Formatter().parse(self.text))
        except ValueError as error:
            raise self._error(f"{error}", "escape a literal brace by doubling it: {{") from None
        for _, name, form, conversion in pieces:
            if name is not None and (name not in _FIELDS or form or conversion):
                known = " ".join(f"{{{each}}}" for each in _FIELDS)
                raise self._error(f"unknown field {{{name}{form and ':'}{form}}}", f"valid fields: {known}")
        return [name for _, name, _, _ in pieces if name is not None]

    def _error(self, reason: str, hint: str) -> UsageError:
        return UsageError(f"invalid --zip {quoted(self.text)}: {reason}", hint=hint)

    def check(self, identifiers: Iterable[str]) -> None:
        """See that files can stand there, before anything is asked of the service.

        Raises:
            UsageError: they cannot.
            MachineError: a FIFO or device may not be written to.
        """
        if self.is_stream:
            if not self.is_stdout and not os.access(self.text, os.W_OK):
                raise MachineError(f"cannot write {path_text(self.text)}: the file is not writable", hint=_OTHER_FILE)
            return
        try:
            for identifier in identifiers if self.is_split else [""]:
                self._check_path(self.path(identifier))
        except OSError as error:
            raise unusable_path_error("--zip", self.text, error) from error

    def _check_path(self, path: Path) -> None:
        if len(os.fsencode(path.name)) > MAX_BYTES:
            raise self._error("file name too long", _OTHER_FILE)
        if self.text.endswith(_SEPARATORS):
            raise self._error("it is a directory", "give the name of a file in it")
        if not path.name or _is_folder(path):
            raise self._error(f"{path_text(path)} is a directory", _OTHER_FILE)
        if not _is_folder(above := nearest(path.parent)):
            raise self._error(f"{path_text(above)} is not a directory", _OTHER_FILE)
        if is_mount(path) and not os.access(path, os.W_OK):
            raise MachineError(f"cannot write {path_text(self.text)}: the file is not writable", hint=_OTHER_FILE)


def nearest(folder: Path) -> Path:
    """The folder, or where it is missing what stands nearest above it, which may be a file or a link to nothing.

    Raises:
        OSError: that cannot be looked at.
    """
    return next((each for each in (folder, *folder.parents) if stat_or_none(each) or each.is_symlink()), folder)


def _is_folder(path: Path) -> bool:
    status = stat_or_none(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def _is_special(path: Path) -> bool:
    """Whether a FIFO, a device or the like stands there."""
    with suppress(OSError):
        mode = path.stat().st_mode
        return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
    return False


def _is_stdout(path: Path) -> bool:
    """Whether it is another name of standard output: /dev/stdout, or the file that it leads to."""
    with suppress(OSError, ValueError, AttributeError):
        return os.path.samestat(path.stat(), os.fstat(sys.stdout.fileno()))
    return False
