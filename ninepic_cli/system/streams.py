"""Standard streams and pipes in whatever mode: reading waits for the end of a file, writing for room.

A pipe in non-blocking mode answers "not now" where others wait. The mode is shared with the processes at the same end,
which may rely on it, so it is left as it is.
"""

import io
import os
import sys
import time

TYPE_CHECKING = False  # `typing` would be half of what `ninepic --version` takes
if TYPE_CHECKING:
    from typing import Any, TextIO

    from _typeshed import ReadableBuffer, StrPath, WriteableBuffer


STDOUT = "<stdout>"  # the file's name in an error of standard output
_AGAIN_S = 0.01  # where nothing can be waited for
_LONGEST_WAIT_MS = 1000


class BlockingStream(io.RawIOBase):
    """A raw stream that waits whatever the mode of its descriptor, and writes all of what it is given.

    Args:
        raw: read from or written to; closed with this.
        name: stands in its errors.
        is_lossy: whether what cannot be written is dropped in silence.
    """

    def __init__(self, raw: io.RawIOBase, name: str, *, is_lossy: bool = False) -> None:
        self._raw = raw
        self.name = name
        self._is_lossy = is_lossy

    def fileno(self) -> int:
        """The descriptor."""
        return self._raw.fileno()

    def isatty(self) -> bool:
        """Whether it leads to a terminal."""
        return self._raw.isatty()

    def readable(self) -> bool:
        """Whether it can be read from."""
        return self._raw.readable()

    def writable(self) -> bool:
        """Whether it can be written to."""
        return self._raw.writable()

    def close(self) -> None:
        """Close what is below as well."""
        super().close()
        self._raw.close()

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Read what there is, once there is something; 0 at the end."""
        while (count := self._raw.readinto(buffer)) is None:
            _wait(self.fileno(), is_writing=False)
        return int(count)

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write all of it, however little the other side takes at once."""
        view = memoryview(data).cast("B")
        size = len(view)
        try:
            while view:
                written = self._raw.write(view)
                if written is None:
                    _wait(self.fileno(), is_writing=True)
                else:
                    view = view[written:]
        except OSError as error:
            error.filename = self.name
            if not self._is_lossy:
                raise
        return size


def open_standard_streams() -> None:
    """Let standard input, output and error wait; what is for people (standard error) never fails.

    Descriptors that the caller closed lead nowhere from now on, or a file that is opened would get their number.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 (the lowest number that is free)
    for name, is_lossy in (("stdin", False), ("stdout", False), ("stderr", True)):
        stream = getattr(sys, name)
        if stream is not None:
            setattr(sys, name, _rewrap(stream, f"<{name}>", is_lossy=is_lossy))


def open_for_reading(path: "StrPath") -> io.BufferedReader:
    """Open a file or a FIFO.

    Raises:
        OSError: it cannot be opened.
    """
    return io.BufferedReader(BlockingStream(io.FileIO(path), os.fspath(path)))


def _rewrap(stream: "TextIO", name: str, *, is_lossy: bool) -> "TextIO":
    """A text stream that waits, like the one that it takes the place of."""
    below: Any = stream.buffer
    is_unbuffered = isinstance(below, io.RawIOBase)
    raw = BlockingStream(below if is_unbuffered else below.raw, name, is_lossy=is_lossy)
    buffer = io.BufferedReader(raw) if raw.readable() else raw if is_unbuffered else io.BufferedWriter(raw)
    return io.TextIOWrapper(
        buffer,
        encoding=stream.encoding,
        errors=stream.errors,
        newline="\n",
        line_buffering=bool(stream.line_buffering),
        write_through=is_unbuffered,
    )


def _wait(descriptor: int, *, is_writing: bool) -> None:
    """Wait until there is something to read, or room; perhaps in vain."""
    import select  # noqa: PLC0415 (hardly ever needed)

    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT if is_writing else select.POLLIN)
        if any(event & ~select.POLLNVAL for _, event in poll.poll(_LONGEST_WAIT_MS)):
            return
    time.sleep(_AGAIN_S)
