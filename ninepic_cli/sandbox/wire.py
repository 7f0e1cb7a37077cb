"""HTTP/1.1 on one connection: requests, responses and their bytes, and what faults do to the socket."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import struct
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qs

try:
    import fcntl
    import termios
except ImportError:  # not a POSIX system: what is sent is not known to have left
    fcntl = termios = None  # type: ignore[assignment]
if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator


Buffer = bytes | memoryview
JsonObject = dict[str, Any]

PIECE_BYTES = 256 * 1024
MAX_LINE_BYTES = 64 * 1024
MAX_HEADERS = 200
MAX_BODY_BYTES = 16 * 1024 * 1024
TLS_CLOSE_TIMEOUT_S = 0.5
DRAIN_TIMEOUT_S = 2.0
BLIND_DRAIN_S = 0.1  # where the system does not tell how much is still to be sent
REASON_PHRASES = {each.value: each.phrase for each in HTTPStatus}

# Needs no file of its own, and takes any number of them; Windows has only the other.
Selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.SelectSelector)


class ConnectionClosedError(Exception):
    """The connection can be used no more: the client has closed it, or the sandbox is stopping."""


class MalformedRequestError(Exception):
    """What came in is not an HTTP request."""


class Content(Protocol):
    """The bytes of a response, which need not all be in memory at once."""

    size: int

    def iter_bytes(self, start: int, stop: int) -> Iterator[memoryview]:
        """Yields the bytes from `start` up to `stop`, in pieces of a bounded size."""


class BytesContent:
    """Content in memory."""

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self._data = memoryview(data)

    def iter_bytes(self, start: int, stop: int) -> Iterator[memoryview]:
        """Yields the bytes from `start` up to `stop`."""
        for at in range(start, stop, PIECE_BYTES):
            yield self._data[at : min(at + PIECE_BYTES, stop)]


class PartialContent:
    """A range of other content, as a 206 carries it."""

    def __init__(self, whole: Content, span: range) -> None:
        self.size = len(span)
        self._whole, self._start = whole, span.start

    def iter_bytes(self, start: int, stop: int) -> Iterator[memoryview]:
        """Yields the bytes from `start` up to `stop`, counted from where the range begins."""
        return self._whole.iter_bytes(self._start + start, self._start + stop)


def read_all(content: Content) -> bytes:
    """All bytes of some content in one object."""
    return b"".join(content.iter_bytes(0, content.size))


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
        bytes_sent: How many bytes of the response's body were handed to the network.
        started: When the head had been read, on the monotonic clock.
        ended: When the response last moved: for a complete one, when its last byte was handed to the network.
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

    def parameters(self) -> dict[str, list[str]]:
        """The values of each parameter of the query."""
        return parse_qs(self.query, keep_blank_values=True)


@dataclass(slots=True)
class Response:
    """What a server answers; the delivery adds the framing.

    Attributes:
        status: The HTTP status.
        headers: Header fields, without the framing ones.
        content: The body.
        is_chunked: The length is not announced; the body is sent in chunks.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    content: Content = field(default_factory=lambda: BytesContent(b""))
    is_chunked: bool = False


class Connection:
    """One connection to a client."""

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self._sock = sock
        self._stopping = stopping
        self._stream = sock.makefile("rb")

    def open(self, tls: ssl.SSLContext | None) -> None:
        """Makes the connection ready for requests."""
        try:
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls:
                secured = tls.wrap_socket(self._sock, server_side=True, do_handshake_on_connect=False)
                self._sock = secured  # before the handshake, which may last until it is interrupted
                self._stream.close()
                self._stream = secured.makefile("rb")
                secured.do_handshake()
        except (OSError, ValueError) as error:
            raise ConnectionClosedError from error

    def receive_line(self) -> bytes:
        """The next line without its end; empty at the end of what the client sends."""
        try:
            line = self._stream.readline(MAX_LINE_BYTES)
        except (OSError, ValueError) as error:
            raise ConnectionClosedError from error
        if not line.endswith(b"\n"):
            raise MalformedRequestError if line else ConnectionClosedError
        return line.rstrip(b"\r\n")

    def receive(self, size: int) -> bytes:
        """The next `size` bytes."""
        try:
            data = self._stream.read(size)
        except (OSError, ValueError) as error:
            raise ConnectionClosedError from error
        if len(data) < size:
            raise ConnectionClosedError
        return data

    def send(self, *buffers: Buffer) -> None:
        """Hands bytes to the network, at once if possible."""
        try:
            if isinstance(self._sock, ssl.SSLSocket):
                self._sock.sendall(b"".join(buffers))
                return
            sent = self._sock.sendmsg(buffers) if hasattr(self._sock, "sendmsg") else 0
            for buffer in buffers:
                if sent < len(buffer):
                    self._sock.sendall(memoryview(buffer)[sent:])
                sent = max(0, sent - len(buffer))
        except (OSError, ValueError) as error:
            raise ConnectionClosedError from error

    def pause(self, seconds: float) -> None:
        """Waits, but not for longer than the sandbox runs."""
        if seconds > 0 and self._stopping.wait(seconds):
            raise ConnectionClosedError

    def wait_for_client_close(self) -> None:
        """Keeps silent until the client or the sandbox goes away."""
        with contextlib.suppress(OSError, ValueError), Selector() as selector:  # closed by another thread
            selector.register(self._sock, selectors.EVENT_READ)
            while not self._stopping.is_set():
                # TLS cannot be peeked at, but a waiting client sends nothing except for its close.
                is_tls = isinstance(self._sock, ssl.SSLSocket)
                if selector.select(0.1) and (is_tls or not self._sock.recv(1, socket.MSG_PEEK)):
                    return
                self._stopping.wait(0.01)

    def reset(self) -> None:
        """Breaks the connection: the client sees "connection reset" when it has read what was sent before."""
        with contextlib.suppress(OSError):
            self._drain()
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._release()

    def _drain(self) -> None:
        # A reset throws away what the kernel has not sent yet, so it has to wait for that.
        if fcntl is None:
            self._stopping.wait(BLIND_DRAIN_S)
            return
        deadline = time.monotonic() + DRAIN_TIMEOUT_S
        while time.monotonic() < deadline:
            (queued,) = struct.unpack("i", fcntl.ioctl(self._sock.fileno(), termios.TIOCOUTQ, struct.pack("i", 0)))
            if not queued:
                return
            self._stopping.wait(0.002)

    def close(self) -> None:
        """Closes the connection in good order."""
        with contextlib.suppress(OSError, ValueError):
            if isinstance(self._sock, ssl.SSLSocket):
                # Without a close-notify, a client could tell a body that ends here from one that was cut.
                self._sock.settimeout(TLS_CLOSE_TIMEOUT_S)
                self._sock = self._sock.unwrap()
            self._sock.shutdown(socket.SHUT_WR)
        self._release()

    def interrupt(self) -> None:
        """Wakes up whoever waits on this connection, from another thread."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)  # an SSLSocket's own would forget its TLS state

    def _release(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.close()
        self._sock.close()


@lru_cache(maxsize=64)
def http_date(moment: float) -> str:
    """A moment in seconds since the epoch as a header field has it."""
    return formatdate(moment, usegmt=True)


def read_request(connection: Connection, server: str) -> Request:
    """Waits for the next request.

    Raises:
        ConnectionClosedError: There is none any more.
        MalformedRequestError: It is none.
    """
    # An empty line before a request is tolerated (RFC 9112, 2.2).
    start = connection.receive_line() or connection.receive_line()
    words = start.decode("latin-1").split(" ")
    if len(words) != 3 or words[2] not in {"HTTP/1.1", "HTTP/1.0"}:
        raise MalformedRequestError
    method, target, version = words
    path, _, query = target.partition("?")
    now = time.monotonic()
    request = Request(server, method, path, query, _read_headers(connection), started=now, ended=now, version=version)
    if request.headers.get("expect", "").lower() == "100-continue":
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    if request.headers.get("transfer-encoding", "").lower() == "chunked":
        request.body = _read_chunks(connection)
    else:
        request.body = connection.receive(_parse_size(request.headers.get("content-length", "0"), 10))
    return request


def _read_headers(connection: Connection) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(MAX_HEADERS):
        text = connection.receive_line()
        if not text:
            return headers
        name, colon, value = text.decode("latin-1").partition(":")
        if not colon or not name or name != name.strip():
            raise MalformedRequestError
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    raise MalformedRequestError


def _read_chunks(connection: Connection) -> bytes:
    body = b""
    while size := _parse_size(connection.receive_line().partition(b";")[0].decode("latin-1").strip(), 16):
        body += connection.receive(size)
        connection.receive_line()
        if len(body) > MAX_BODY_BYTES:
            raise MalformedRequestError
    while connection.receive_line():
        pass  # trailers
    return body


def _parse_size(text: str, base: int) -> int:
    try:
        size = int(text, base)
    except ValueError:
        raise MalformedRequestError from None
    if not 0 <= size <= MAX_BODY_BYTES:
        raise MalformedRequestError
    return size
