"""What comes in and what goes out: requests, answers and the bytes of an answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


Buffer = bytes | memoryview

PIECE = 256 * 1024


class Content(Protocol):
    """The bytes of an answer, which need not all be in memory at once."""

    @property
    def size(self) -> int:
        """How many bytes there are."""

    def pieces(self, start: int, stop: int) -> Iterator[memoryview]:
        """Yields the bytes from `start` up to `stop`, in pieces of a bounded size."""


class Plain:
    """Content that is in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return len(self._data)

    def pieces(self, start: int, stop: int) -> Iterator[memoryview]:
        """Yields the bytes from `start` up to `stop`."""
        for at in range(start, stop, PIECE):
            yield self._data[at : min(at + PIECE, stop)]


class Part:
    """A range of other content, as a 206 carries it."""

    def __init__(self, whole: Content, start: int, stop: int) -> None:
        self._whole, self._start, self._stop = whole, start, stop

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return self._stop - self._start

    def pieces(self, start: int, stop: int) -> Iterator[memoryview]:
        """Yields the bytes from `start` up to `stop`, counted from where the range begins."""
        return self._whole.pieces(self._start + start, self._start + stop)


def everything(content: Content) -> bytes:
    """All bytes of some content in one object."""
    return b"".join(content.pieces(0, content.size))


@dataclass(slots=True)
class Request:
    """One request as it was received, and what became of it.

    Attributes:
        server: Who received it, "api" or "store".
        method: The verb, as sent.
        path: The path, percent-encoding and all, as sent.
        query: What followed the "?", as sent; empty without one.
        headers: By lower-case name; fields sent more than once are joined by commas.
        body: The body.
        status: What was answered; None when nothing was.
        bytes_sent: How many bytes of the answer's body were handed to the network.
        started: When the head had been read, on the monotonic clock.
        ended: When the answer last moved: for a complete one, when its last byte was handed to the network.
        version: The protocol, "HTTP/1.1" or "HTTP/1.0".
    """

    server: str
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes = b""
    status: int | None = None
    bytes_sent: int = 0
    started: float = 0.0
    ended: float = 0.0
    version: str = "HTTP/1.1"

    @property
    def target(self) -> str:
        """The path and the query with a "?" between them, which is there always."""
        return f"{self.path}?{self.query}"


@dataclass(slots=True)
class Answer:
    """What a server wants to say; the delivery adds the framing.

    Attributes:
        status: The HTTP status.
        headers: Header fields, without the framing ones.
        content: The body.
        lengthless: The length is not announced: the body is sent in chunks.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    content: Content = field(default_factory=lambda: Plain(b""))
    lengthless: bool = False
