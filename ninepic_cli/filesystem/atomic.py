"""Files that are whole whenever they are looked at: written beside, flushed, renamed.

A file that is a mount of its own, as containers have them, or whose folder may not be written, has no beside: it is
written over, once all that it is to hold is there.
"""

import errno
import io
import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

from ninepic_cli.errors import MachineError, NinepicError, UsageError, unforeseen
from ninepic_cli.filesystem.images import is_complete
from ninepic_cli.text import path_text, system_text

# Some network shares can neither flush nor change modes; the bytes arrive all the same.
_CANNOT_FLUSH = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOSYS})
_NOTHING_THERE = frozenset({errno.ENOENT, errno.ENOTDIR})
_NO_NAME = frozenset({errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.EILSEQ})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# A mount, another file system, a folder that may not be written.
_NOT_RENAMED = frozenset({errno.EBUSY, errno.EXDEV, errno.EACCES, errno.EPERM, errno.EROFS})
_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPES = str.maketrans({char: f"\\{ord(char):03o}" for char in " \t\n\\#"})


def stat_or_none(path: Path) -> os.stat_result | None:
    """What stands there, behind links; None for nothing.

    Raises:
        OSError: it cannot be looked at.
    """
    try:
        return path.stat()
    except OSError as error:
        if error.errno in _NOTHING_THERE:
            return None
        raise


def check_place(option: str, path: Path, *, made: Path | None = None) -> None:
    """See, before there is anything to write, that a file can be written or replaced; changes nothing.

    It may stand in the folder `made`, which need not be there yet.

    Raises:
        UsageError: a file cannot stand there, or a photo does.
        MachineError: it may not be written.
    """
    try:
        status = stat_or_none(path)
        target = Path(os.path.realpath(path))
        folder = stat_or_none(target.parent)
    except OSError as error:
        raise unusable_path_error(option, path, error) from error
    if folder is None and made is not None and target.parent == Path(os.path.realpath(made)):
        return
    is_folder = folder is not None and stat.S_ISDIR(folder.st_mode)
    if not is_folder or (status is not None and stat.S_ISDIR(status.st_mode)):
        parent = path_text(target.parent)
        reason = f"directory {parent} does not exist" if folder is None else f"{parent} is not a directory"
        if is_folder:
            reason = "it is a directory"
        raise UsageError(f"cannot write {path_text(path)}: {reason}", hint=f"choose another file with {option}")
    if not _may_write(path, target, status):
        place = target.parent if status is None else target
        raise MachineError(
            f"cannot write {path_text(path)}: {path_text(place)} is not writable",
            hint=f"choose another file with {option}",
        )
    if _is_photo(target, status):
        reason = f"cannot write {path_text(path)}: it is a photo and would be replaced"
        raise UsageError(reason, hint=f"choose another file with {option}")


def write_output(option: str, path: Path, source: BinaryIO) -> None:
    """Write a file that an option names, whole: in place of what stands there, with its mode, or into a device.

    Its folder is made if it is missing.

    Raises:
        MachineError: it cannot be written; a file that stood there is as it was.
    """
    hint = f"choose another file with {option}"
    try:
        status, target = stat_or_none(path), Path(os.path.realpath(path))
        if _is_photo(target, status):
            raise MachineError(f"cannot write {path_text(path)}: a photo stands there by now", hint=hint)
        source.seek(0)
        if status and not stat.S_ISREG(status.st_mode):
            with path.open("wb") as file:  # a device or a FIFO
                shutil.copyfileobj(source, file, 1 << 20)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(target, source, 0o666 & ~_umask() if status is None else stat.S_IMODE(status.st_mode))
    except OSError as error:
        raise MachineError(f"cannot write {path_text(path)}: {system_text(error)}", hint=hint) from error


def open_scratch(path: Path) -> BinaryIO:
    """A file without a name, for what `write_output` will write to a path; on the same disk where that can be.

    Raises:
        OSError: there is room for it nowhere.
    """
    with suppress(OSError):
        status = stat_or_none(path)
        if status is None or stat.S_ISREG(status.st_mode):
            return _open_unnamed(Path(os.path.realpath(path)).parent)
    return _open_unnamed(None)


def _open_unnamed(folder: Path | None) -> BinaryIO:
    return cast("BinaryIO", tempfile.TemporaryFile(dir=folder, prefix=".ninepic-", suffix=".tmp"))


def _is_photo(target: Path, status: os.stat_result | None) -> bool:
    """Whether a whole image stands there; False where that cannot be seen."""
    with suppress(OSError):
        if status is not None and stat.S_ISREG(status.st_mode):
            with target.open("rb", buffering=0) as file:
                return is_complete(cast("BinaryIO", file))
    return False


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current


def _may_write(path: Path, target: Path, status: os.stat_result | None) -> bool:
    if status is None:
        return os.access(target.parent, os.W_OK | os.X_OK)
    if not stat.S_ISREG(status.st_mode):
        return os.access(path, os.W_OK)  # a pipe has a name only as /dev/stdout
    if is_mount(target):
        return os.access(target, os.W_OK)
    return os.access(target.parent, os.W_OK | os.X_OK) or os.access(target, os.W_OK)


def unusable_path_error(option: str, path: Path | str, error: OSError) -> NinepicError:
    """The error for a path that cannot even be looked at."""
    if error.errno == errno.ENOENT:
        return unforeseen(error)  # not the path: that nothing stands there is no error
    kind = UsageError if error.errno in _NO_NAME else MachineError
    return kind(
        f"cannot use {option} {path_text(path)}: {system_text(error)}", hint=f"choose another file with {option}"
    )


def is_mount(file: Path) -> bool:
    """Whether a file is a mount of its own, whose place no other file can take; False where that cannot be seen."""
    try:
        mounts = _MOUNTS.read_bytes()
    except OSError:
        return False
    name = os.fsencode(str(file).translate(_ESCAPES))
    return any(line.split(b" ", 5)[4:5] == [name] for line in mounts.splitlines())


def fsync(descriptor: int) -> None:
    """Flush a file to the disk, where the file system can.

    Raises:
        OSError: it could, and failed.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_FLUSH:
            raise


def write_atomic(target: Path, data: bytes, *, mode: int) -> None:
    """Put a file in the place of another (not of a link), or of none; whatever fails, the other is as it was.

    Until it has its `mode`, the file is its owner's alone.

    Raises:
        OSError: it could not be written.
    """
    _replace(target, io.BytesIO(data), mode)


def move_file(source: Path, target: Path) -> None:
    """Let a file take the place of another, or of none; where it cannot be renamed, what it holds does.

    Raises:
        OSError: it could not.
    """
    try:
        source.replace(target)
    except OSError as error:
        if error.errno not in _NOT_RENAMED:
            raise
        with source.open("rb") as file:
            _replace(target, file, stat.S_IMODE(source.stat().st_mode))
        source.unlink()


def _replace(target: Path, source: BinaryIO, mode: int) -> None:
    try:
        _write_beside(target, source, mode)
    except OSError as error:
        if error.errno not in _NOT_RENAMED or not target.is_file() or target.is_symlink():
            raise
        _write_over(target, source, mode)


def _write_beside(target: Path, source: BinaryIO, mode: int) -> None:
    # mkstemp creates with O_EXCL and 0600. The prefix is short, since the target's name may be as long as names can be.
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".ninepic-", suffix=".tmp")
    beside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with suppress(OSError):
                beside.chmod(mode)
            _copy(source, file)
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _write_over(target: Path, source: BinaryIO, mode: int) -> None:
    """Write into a file as it stands, once there is room for all of it."""
    with target.open("r+b") as file:
        _reserve(file.fileno(), source.seek(0, os.SEEK_END))
        source.seek(0)
        with suppress(OSError):
            target.chmod(mode)
        _copy(source, file)


def _reserve(descriptor: int, size: int) -> None:
    """See that there is room for so many bytes, where the file system can; what the file holds stays."""
    before = os.fstat(descriptor).st_size
    if size <= before or not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        os.ftruncate(descriptor, before)
        if error.errno in _FULL:
            raise


def _copy(source: BinaryIO, file: BinaryIO) -> None:
    shutil.copyfileobj(source, file, 1 << 20)
    file.truncate()  # what was there may have been longer
    file.flush()
    fsync(file.fileno())
