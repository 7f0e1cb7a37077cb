"""Files that are whole whenever they are looked at: written beside, flushed, renamed."""

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path

# Some network shares can neither flush nor change modes; the bytes arrive all the same.
_CANNOT_FLUSH = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOSYS})


def flush(descriptor: int) -> None:
    """Flush a file to the disk, where the file system can.

    Raises:
        OSError: it could, and failed.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_FLUSH:
            raise


def replace_file(target: Path, data: bytes, *, mode: int) -> None:
    """Put a file in the place of another, or of none; whatever fails, the other is as it was.

    Args:
        target: not a link.
        data: all that the file is to hold.
        mode: of the file; until it is set, the file is its owner's alone.

    Raises:
        OSError: it could not be written.
    """
    # mkstemp creates with O_EXCL and 0600. The prefix is short, since the target's name may be as long as names can be.
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".ninepic-", suffix=".tmp")
    beside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with suppress(OSError):
                beside.chmod(mode)
            file.write(data)
            file.flush()
            flush(file.fileno())
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
