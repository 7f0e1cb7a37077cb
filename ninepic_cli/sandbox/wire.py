"""HTTP/1.1 on one connection: reading requests, and doing to the socket what faults ask for."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import struct
import time
from typing import TYPE_CHECKING

from ninepic_cli.sandbox.messages import Request

try:
    import fcntl
    import termios
except ImportError:  # not a POSIX system: what is sent is not known to have left
    fcntl = termios = None  # type: ignore[assignment]
if TYPE_CHECKING:
    import threading

    from ninepic_cli.sandbox.messages import Buffer


LONGEST_LINE = 64 * 1024
MOST_HEADERS = 200
LARGEST_BODY = 16 * 1024 * 1024
GOODBYE_S = 0.5
DRAIN_S = 2.0
BLIND_DRAIN_S = 0.1

# Needs no file of its own, and takes any number of them; Windows has only the other.
Selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.SelectSelector)


class GoneError(Exception):
    """The connection can be used no more: the client has gone, or the sandbox is stopping."""


class MalformedError(Exception):
    """What came in is not an HTTP request."""


class Line:
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
            raise GoneError from error

    def receive_line(self) -> bytes:
        """The next line without its end; empty at the end of what the client sends."""
        try:
            line = self._stream.readline(LONGEST_LINE)
        except (OSError, ValueError) as error:
            raise GoneError from error
        if not line.endswith(b"\n"):
            raise MalformedError if line else GoneError
        return line.rstrip(b"\r\n")

    def receive(self, size: int) -> bytes:
        """The next `size` bytes."""
        try:
            data = self._stream.read(size)
        except (OSError, ValueError) as error:
            raise GoneError from error
        if len(data) < size:
            raise GoneError
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
            raise GoneError from error

    def pause(self, seconds: float) -> None:
        """Waits, but not for longer than the sandbox runs."""
        if seconds > 0 and self._stopping.wait(seconds):
            raise GoneError

    def outlast_client(self) -> None:
        """Keeps silent until the client or the sandbox goes away."""
        with contextlib.suppress(OSError, ValueError), Selector() as selector:  # closed by another thread
            selector.register(self._sock, selectors.EVENT_READ)
            while not self._stopping.is_set():
                if selector.select(0.1) and self._at_end():
                    return
                self._stopping.wait(0.01)

    def _at_end(self) -> bool:
        if isinstance(
            self._sock, ssl.SSLSocket
        ):  # cannot be peeked at; a client that waits sends nothing but its farewell
            return True
        try:
            return not self._sock.recv(1, socket.MSG_PEEK)  # something is there, or the end: it does not wait
        except OSError:
            return True

    def reset(self) -> None:
        """Breaks the connection: the client sees "connection reset" when it has read what was sent before."""
        with contextlib.suppress(OSError):
            self._drain()
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._close()

    def _drain(self) -> None:
        # A reset throws away what the kernel has not sent yet, so it has to wait for that.
        if fcntl is None:
            self._stopping.wait(BLIND_DRAIN_S)
            return
        deadline = time.monotonic() + DRAIN_S
        while time.monotonic() < deadline:
            (queued,) = struct.unpack("i", fcntl.ioctl(self._sock.fileno(), termios.TIOCOUTQ, struct.pack("i", 0)))
            if not queued:
                return
            self._stopping.wait(0.002)

    def hang_up(self) -> None:
        """Closes the connection in good order."""
        with contextlib.suppress(OSError, ValueError):
            if isinstance(self._sock, ssl.SSLSocket):
                # Without a close-notify, a client could tell a body that ends here from one that was cut.
                self._sock.settimeout(GOODBYE_S)
                self._sock = self._sock.unwrap()
            self._sock.shutdown(socket.SHUT_WR)
        self._close()

    def interrupt(self) -> None:
        """Wakes up whoever waits on this connection, from another thread."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)  # an SSLSocket's own would forget its TLS state

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.close()
        self._sock.close()


def read_request(line: Line, server: str) -> Request:
    """Waits for the next request.

    Raises:
        GoneError: There is none any more.
        MalformedError: It is none.
    """
    start = line.receive_line() or line.receive_line()  # an empty line before a request is tolerated (RFC 9112, 2.2)
    words = start.decode("latin-1").split(" ")
    if len(words) != 3 or words[2] not in {"HTTP/1.1", "HTTP/1.0"}:
        raise MalformedError
    method, target, version = words
    path, _, query = target.partition("?")
    now = time.monotonic()
    request = Request(server, method, path, query, _headers(line), started=now, ended=now, version=version)
    if request.headers.get("expect", "").lower() == "100-continue":
        line.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.body = _body(line, request.headers)
    return request


def _headers(line: Line) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(MOST_HEADERS):
        text = line.receive_line()
        if not text:
            return headers
        name, colon, value = text.decode("latin-1").partition(":")
        if not colon or not name or name != name.strip():
            raise MalformedError
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    raise MalformedError


def _body(line: Line, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _chunks(line)
    return line.receive(_size(headers.get("content-length", "0"), 10))


def _chunks(line: Line) -> bytes:
    body = b""
    while size := _size(line.receive_line().partition(b";")[0].decode("latin-1").strip(), 16):
        body += line.receive(size)
        line.receive_line()
        if len(body) > LARGEST_BODY:
            raise MalformedError
    while line.receive_line():
        pass  # trailers
    return body


def _size(text: str, base: int) -> int:
    try:
        size = int(text, base)
    except ValueError:
        raise MalformedError from None
    if not 0 <= size <= LARGEST_BODY:
        raise MalformedError
    return size
