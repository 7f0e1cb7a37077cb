"""What the system says of a file, put as our errors: about this photo, or about the disk.

An error of the disk would meet every other photo too, and ends the run; one of a name costs one photo.
"""

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ninepic_cli.errors import BlockedNameError, MachineError, NinepicError, OpenFilesError
from ninepic_cli.text import path_text, system_text

_NOT_FOR_THIS_PHOTO = frozenset({errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EEXIST})
_REFUSED_NAME = frozenset({errno.ENAMETOOLONG, errno.EILSEQ})  # EINVAL may also be about what is done


class translate_disk_errors:  # noqa: N801 (a context manager; a class, as one is entered a dozen times for each photo)
    """Turn this machine's errors, met on the way of a photo to its path, into ours.

    `needed` tells how many bytes are still to come, if that is known; `is_reading`: the file is only being looked at.

    Raises:
        BlockedNameError: the error concerns this name alone.
        OpenFilesError: there are too many open files.
        MachineError: it would meet every other photo too.
    """

    def __init__(self, path: Path, *, needed: Callable[[], int | None] | None = None, is_reading: bool = False) -> None:
        self._path = path
        self._needed = needed
        self._is_reading = is_reading

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, OSError):
            raise self._translate(error) from error

    def _translate(self, error: OSError) -> NinepicError:
        reason, path = system_text(error), path_text(self._path)
        if error.errno in OpenFilesError.numbers:
            return OpenFilesError()
        if error.errno in _REFUSED_NAME or (error.errno == errno.EINVAL and self._is_about_name(error)):
            message = f"cannot write {path}: the file system refuses the name ({reason})"
            return BlockedNameError(
                message, hint="choose other names, for example: --name '{image_id}{ext}'", code="name_refused"
            )
        if self._is_reading and error.errno in {errno.EACCES, errno.EPERM}:
            return BlockedNameError(f"cannot read {path}: {reason}")
        if error.errno in _NOT_FOR_THIS_PHOTO:
            return BlockedNameError(f"cannot write {path}: {reason}")
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            missing = self._needed() if self._needed else None
            need = "" if missing is None else f"{missing:,} more bytes needed, "
            return MachineError(
                f"cannot write {path}: disk full: {need}{_free_space_text(self._path)}",
                hint="free some space, then run the same command again",
                code="disk_full",
            )
        verb = "read" if self._is_reading else "write"
        return MachineError(f"cannot {verb} {path}: {reason}", hint="check the directory and the disk")

    def _is_about_name(self, error: OSError) -> bool:
        """Whether the error is about the photo's name or its folders', and not about a partial or an open file."""
        name = error.filename2 or error.filename
        return isinstance(name, str | os.PathLike) and Path(name).name in self._path.parts


def _free_space_text(path: Path) -> str:
    free = free_space(path)
    return "no space left" if free is None else f"{free:,} free"


def free_space(path: Path) -> int | None:
    """Bytes that are free for this user where a path leads, which need not exist; None where that cannot be seen."""
    for place in (path, *path.parents):
        with suppress(OSError, AttributeError):  # the last where the system has no such call
            return shutil.disk_usage(place).free
    return None
