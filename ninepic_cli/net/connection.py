"""Connections of our own, and HTTP/1.1 on them (RFC 9112).

Why not httpx: it reads one TLS record a call, hands on 16 KiB at a time, and builds a dozen objects for each request,
so that on a slow machine it is the limit (tests/bench/README.md). Here one buffer for each connection is filled before
it is handed on, and is used again. There is nothing here for proxies: where one applies, httpx is used.

Heads are read strictly where two readers could understand them differently, leniently elsewhere: what is refused is a
failed attempt, and what were misread would be a wrong photo.
"""

import re
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ninepic_cli.errors import OpenFilesError, TransientError
from ninepic_cli.net.certificates import certificate_error, ignore_time_and_host, is_worth_reading
from ninepic_cli.net.connection_record import ConnectionRecord
from ninepic_cli.net.rate_limit import RateLimit
from ninepic_cli.net.sockets import Connector, MinimumSpeed, Selector, closed_early, translate_socket_error

HEAD_END: Final = re.compile(rb"\n\r?\n")
_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([1-9][0-9]{2})(?: .*)?")
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\0-\x08\n-\x1f\x7f]")
_LINE_END = re.compile(r"\r?\n")
_FOLD = re.compile(r"\r?\n[ \t]+")
_LENGTH = re.compile(r"[0-9]{1,18}")
_MANY_CHUNKS, _FEWEST_BYTES = 10_000, 16  # more chunks than that have so many bytes each, on the average
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r]*)?")
_BUFFER_BYTES: Final = 256 << 10
_LONGEST_HEAD: Final = 64 << 10
_LONGEST_LINE: Final = 4 << 10
_MOST_HEADS: Final = 10  # with those that are said beforehand (100, 103)
_LOW_WATER: Final = 32 << 10  # bytes that are worth waking up for, while many more are to come
_HAND_ON_S = 0.05  # bytes that have arrived wait no longer than that for more
_MOST_REFUSED = 100  # certificates that are remembered
_IDLE_S = 10.0  # after which a connection is not believed to be alive


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """The head of a response."""

    status: int
    headers: dict[str, str]  # names in lower case; several of one name are joined by commas
    length: int | None  # of the body in bytes; None where it is chunked or ends with the connection
    is_chunked: bool
    is_last: bool  # whether the connection is of no use afterwards


def parse_head(block: bytes) -> ResponseHead:
    """The head that these lines are; raises TransientError where they are none, or contradict themselves."""
    lines = _LINE_END.split(_FOLD.sub(" ", block.decode("latin-1")).rstrip("\r\n"))
    start = _STATUS_LINE.fullmatch(lines[0])
    if not start:
        raise TransientError("the response is not HTTP")
    status, headers = int(start[2]), _headers(lines[1:])
    length, is_chunked = _framing(status, headers)
    closes = "close" in headers.get("connection", "").lower() or start[1] == "0"
    return ResponseHead(status, headers, length, is_chunked, closes or (length is None and not is_chunked))


def chunk_size(line: bytes) -> int:
    """The size that a chunk's first line tells, 0 at the body's end; raises TransientError where it is none."""
    match = _CHUNK_SIZE.fullmatch(line)
    if not match:
        raise TransientError("invalid chunked response")
    return int(match[1], 16)


def check_chunks(count: int, size: int) -> None:
    """Raise TransientError where a body comes in so many chunks, of so few bytes, that it is not worth the work."""
    if count > _MANY_CHUNKS and size < count * _FEWEST_BYTES:
        raise TransientError("response in chunks of only a few bytes each")


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _FIELD_NAME.fullmatch(name) or _CONTROL.search(value):
            raise TransientError("invalid response headers")
        name, value = name.lower(), value.strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _framing(status: int, headers: dict[str, str]) -> tuple[int | None, bool]:
    """The body's length, and whether it is chunked."""
    coding = headers.get("transfer-encoding")
    if coding is not None:
        headers.pop("content-length", None)  # says nothing beside a transfer coding (RFC 9112, 6.3)
        if coding.lower() != "chunked":
            raise TransientError("response in an unsupported transfer coding")
    length = headers.get("content-length")
    if length is not None and not _LENGTH.fullmatch(length):
        raise TransientError("invalid Content-Length in the response")
    if status < 200 or status in {204, 304}:
        return 0, False
    return None if length is None else int(length), coding is not None


class Origin(NamedTuple):
    """Where a request leads."""

    is_secure: bool  # whether it goes over TLS
    host: str  # as it is looked up
    port: int
    authority: str  # what the host calls itself: its name, and its port if that is not the usual one
    proxy: str | None  # the URL of the proxy by which it is reached
    proxy_words: str = ""  # the proxy and the variable that names it, in messages

    @property
    def place(self) -> str:
        """The host with its port, and the proxy, in messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}{self.proxy_words and f' via {self.proxy_words}'}"


@dataclass(frozen=True, slots=True)
class Response:
    """A response whose headers have arrived and whose body has not been read yet.

    Attributes:
        status: the HTTP status.
        headers: names in lower case.
        chunks: the body as it comes, undecoded; each is good until the next is asked for, which raises TransientError
            where the body was cut short of its announced length, stalled, or came too slowly.
    """

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes | memoryview]

    def body(self, limit: int) -> bytes:
        """The body, or its first `limit` bytes."""
        data = bytearray()
        for chunk in self.chunks:
            data += chunk
            if len(data) >= limit:
                break
        return bytes(memoryview(data)[:limit])


class Transport:
    """Sends requests for a `Client`; `context` makes what TLS needs, when it is first needed."""

    def __init__(
        self,
        *,
        timeout_s: float,
        connections: int,
        context: Callable[[], ssl.SSLContext],
        limit: RateLimit | None,
        record: ConnectionRecord | None,
    ) -> None:
        self._timeout_s = timeout_s
        self._connections = connections
        self._new_context = context
        self._context: ssl.SSLContext | None = None
        self._record = record
        self._connector = Connector(receive_bytes=limit.socket_bytes if limit else None, record=record)
        self._piece_bytes = limit.piece_bytes if limit else _BUFFER_BYTES
        self._lock = threading.Lock()
        self._idle: list[_Connection] = []  # the one that was used last at the end
        self._busy = 0
        self._refused_lock = threading.Lock()
        self._refused: dict[Origin, Mapping[str, Any] | None] = {}  # hosts' certificates that are not trusted

    @contextmanager
    def send(
        self, method: str, origin: Origin, target: bytes, headers: Mapping[str, str], content: bytes | None
    ) -> Iterator[Response]:
        """Send a request and yield its response; it is sent again where a connection was closed as it was reused.

        Raises:
            TransientError: no response came, or it broke off.
            OpenFilesError: no connection can be had, although none is idle.
            CertificateError: the host's certificate is not trusted.
            ValueError: a header cannot be sent.
        """
        request = _request(method, origin, target, headers, content)
        connection: _Connection | None = None
        with self._lock:
            self._busy += 1
        try:
            connection, head = self._send_request(origin, request)
            yield Response(head.status, head.headers, connection.body(head))
        finally:
            self._release(connection)

    def close(self, most: int = 0) -> None:
        """Close idle connections, those of the longest idleness first, until there are `most` with the busy ones."""
        with self._lock:
            surplus = max(0, self._busy + len(self._idle) - most)
            oldest, self._idle = self._idle[:surplus], self._idle[surplus:]
        for connection in oldest:
            connection.close()

    def _send_request(self, origin: Origin, request: bytes) -> "tuple[_Connection, ResponseHead]":
        if idle := self._take_idle(origin):
            with suppress(_StaleConnectionError):  # closed by the host at the moment of reuse: no failed attempt
                return idle, idle.send(request)
        self.close(self._connections)
        try:
            connection = self._open(origin)
        except OpenFilesError:
            self.close()
            connection = self._open(origin)
        return connection, connection.send(request)

    def _take_idle(self, origin: Origin) -> "_Connection | None":
        while True:
            with self._lock:
                connection = next((each for each in reversed(self._idle) if each.origin == origin), None)
                if connection is None:
                    return None
                self._idle.remove(connection)
            if connection.is_alive():
                return connection
            connection.close()

    def _release(self, connection: "_Connection | None") -> None:
        with self._lock:
            self._busy -= 1
            if connection is not None and connection.is_free:
                self._idle.append(connection)
                connection = None
        if connection is not None:
            connection.close()
        self.close(self._connections)

    def _open(self, origin: Origin) -> "_Connection":
        context = self._tls_context() if origin.is_secure else None
        try:
            sock = self._connector.connect(origin.host, origin.port, self._timeout_s)
            if context is not None:
                sock = _wrap_tls(sock, context, origin.host, self._record)
        except TimeoutError as error:
            words = f"cannot connect to {origin.place}: timed out after {self._timeout_s:g} s"
            raise TransientError(words, code="timeout") from error
        except ssl.SSLCertVerificationError as error:
            raise certificate_error(error, origin.place, self._read_certificate(origin, error)) from error
        except OSError as error:
            raise translate_socket_error(error, origin.place) from error
        return _Connection(origin, sock, self._timeout_s, self._piece_bytes)

    def _read_certificate(self, origin: Origin, refusal: ssl.SSLCertVerificationError) -> Mapping[str, Any] | None:
        """What a certificate that was refused says of itself; None where it cannot be read, or does not matter."""
        if not is_worth_reading(refusal):
            return None
        with self._refused_lock:
            if origin not in self._refused:  # each photo of a host would ask again
                if len(self._refused) >= _MOST_REFUSED:
                    self._refused.clear()
                self._refused[origin] = self._look_at_certificate(origin)
            return self._refused[origin]

    def _look_at_certificate(self, origin: Origin) -> Mapping[str, Any] | None:
        context = self._new_context()
        ignore_time_and_host(context)
        with suppress(OSError):
            sock = self._connector.connect(origin.host, origin.port, self._timeout_s)
            with context.wrap_socket(sock, server_hostname=origin.host.rstrip(".")) as line:
                return line.getpeercert()
        return None

    def _tls_context(self) -> ssl.SSLContext:
        with self._lock:
            if self._context is None:
                self._context = self._new_context()
                self._context.set_alpn_protocols(["http/1.1"])
            return self._context


def _request(method: str, origin: Origin, target: bytes, headers: Mapping[str, str], content: bytes | None) -> bytes:
    if content is not None:
        headers = {**headers, "Content-Length": str(len(content))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    if not lines.isascii() or any(not value.isprintable() for value in headers.values()):
        raise ValueError("a header holds characters that cannot be sent")
    start = b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (method.encode(), target, origin.authority.encode())
    return b"%b%b\r\n%b" % (start, lines.encode(), content or b"")


def _wrap_tls(
    sock: socket.socket, context: ssl.SSLContext, host: str, record: ConnectionRecord | None
) -> socket.socket:
    begun_s = time.monotonic()
    try:
        # An end without TLS's own farewell may be a cut by anybody on the way.
        secure = context.wrap_socket(sock, server_hostname=host.rstrip("."), suppress_ragged_eofs=False)
    except BaseException:
        sock.close()
        raise
    if record is not None:
        record.set_tls(secure, begun_s)
    return secure


class _StaleConnectionError(TransientError):
    """The connection was closed before a byte of the response came."""


class _Connection:
    """One connection, its buffer, and the response that is being read from it."""

    def __init__(self, origin: Origin, sock: socket.socket, timeout_s: float, piece_bytes: int) -> None:
        self.origin = origin
        self.is_free = False  # for another request
        self._piece_bytes = piece_bytes
        self._sock = sock
        self._sock.settimeout(min(_HAND_ON_S, timeout_s))
        self._selector = Selector()
        self._selector.register(sock, selectors.EVENT_READ)
        self._timeout_s = timeout_s
        self._speed = MinimumSpeed()
        self._low_water = 1
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0  # of the bytes that have arrived and are not taken yet
        self._error: OSError | None = None  # that came behind them
        self._is_answered = False
        self._idle_since_s = 0.0

    def close(self) -> None:
        """Close it, whatever is on its way."""
        self._selector.close()
        self._sock.close()

    def is_alive(self) -> bool:
        """Whether nothing has come over it since its last response, as its end would."""
        if time.monotonic() - self._idle_since_s > _IDLE_S:
            return False
        return not self._selector.select(0) and not (isinstance(self._sock, ssl.SSLSocket) and self._sock.pending())

    def send(self, request: bytes) -> ResponseHead:
        """Send a request; the head of its response."""
        self.is_free = self._is_answered = False
        self._speed.restart()
        try:
            self._write(request)
            for _ in range(_MOST_HEADS):
                head = parse_head(self._read_head())
                if head.status >= 200:
                    if head.length == 0:
                        self._finish_response(head)
                    return head
            raise TransientError("response with too many interim (1xx) headers")
        except BaseException:
            self.close()
            raise

    def body(self, head: ResponseHead) -> Iterator[memoryview]:
        """The pieces of the body behind a head."""
        if head.is_chunked:
            yield from self._read_chunked()
        elif head.length is None:
            while piece := self._read_piece(self._piece_bytes):
                yield piece
        else:
            yield from self._read_sized(head.length)
        self._finish_response(head)

    def _finish_response(self, head: ResponseHead) -> None:
        """The response has its end: another request may follow."""
        self.is_free = not head.is_last and self._start == self._end
        self._idle_since_s = time.monotonic()

    def _read_sized(self, size: int) -> Iterator[memoryview]:
        while size:
            piece = self._read_piece(min(size, self._piece_bytes))
            if not piece:
                raise TransientError(closed_early(self.origin.place))
            size -= len(piece)
            yield piece

    def _read_chunked(self) -> Iterator[memoryview]:
        count = total = 0
        while size := chunk_size(self._read_line()):
            count, total = count + 1, total + size
            check_chunks(count, total)
            yield from self._read_sized(size)
            if self._read_line():
                raise TransientError("invalid chunked response")
        trailers = 0
        while line := self._read_line():
            trailers += len(line)
            if trailers > _LONGEST_HEAD:
                raise TransientError("response headers too long")

    def _write(self, request: bytes) -> None:
        begun_s = time.monotonic()
        while request:
            try:
                request = request[self._sock.send(request) :]
            except TimeoutError as error:  # of a moment
                if time.monotonic() - begun_s >= self._timeout_s:
                    words = f"timed out: {self.origin.place} accepted no data for {self._timeout_s:g} s"
                    raise TransientError(words, code="timeout") from error
            except OSError as error:
                raise self._closed_error(error) from error

    def _read_head(self) -> bytes:
        """The lines to the next empty one, and that one."""
        searched = 0
        while not (match := HEAD_END.search(self._buffer, self._start + max(0, searched - 2), self._end)):
            searched = self._end - self._start
            if searched > _LONGEST_HEAD:
                break
            self._read_more()
        if not match or match.end() - self._start > _LONGEST_HEAD:
            raise TransientError("response headers too long")
        return self._take(match.end())

    def _read_line(self) -> bytes:
        """The next line, without its end."""
        while (at := self._buffer.find(b"\n", self._start, self._end)) < 0:
            if self._end - self._start > _LONGEST_LINE:
                raise TransientError("invalid chunked response")
            self._read_more()
        return self._take(at + 1)[:-1].removesuffix(b"\r")

    def _take(self, end: int) -> bytes:
        start, self._start = self._start, end
        return bytes(self._view[start:end])

    def _read_piece(self, most: int) -> memoryview:
        """The next bytes, `most` of them at most; none at the connection's end."""
        self._make_room(1)
        room = min(most - (self._end - self._start), _BUFFER_BYTES - self._end)
        if room > 0:
            self._fill(room)
        start = self._start
        self._start = min(self._end, start + most)
        return self._view[start : self._start]

    def _read_more(self) -> None:
        """Take in whatever comes next."""
        self._make_room(_LONGEST_HEAD)
        before = self._end
        self._fill(_BUFFER_BYTES - before, at_once=True)
        if self._end == before:
            raise self._closed_error()

    def _make_room(self, size: int) -> None:
        if self._start == self._end:
            self._start = self._end = 0
        elif _BUFFER_BYTES - self._end < size:
            rest = bytes(self._view[self._start : self._end])
            self._start, self._end = 0, len(rest)
            self._view[: self._end] = rest

    def _fill(self, room: int, *, at_once: bool = False) -> None:
        """Take in bytes until there is no `room`, none come for a moment (or any, `at_once`), or no more will come."""
        self._set_low_water(1 if at_once or room < 2 * _LOW_WATER else _LOW_WATER)
        begun_s, before, waited_s = time.monotonic(), self._end, 0.0
        while self._end < before + room and self._receive(before + room):
            waited_s = time.monotonic() - begun_s
            if self._end > before or (self._start < self._end and not at_once):
                if at_once or waited_s >= _HAND_ON_S:
                    break
            elif waited_s >= self._timeout_s:
                words = f"timed out: no data from {self.origin.place} for {self._timeout_s:g} s"
                raise TransientError(words, code="timeout")
        self._speed.count(self._end - before, waited_s)

    def _set_low_water(self, size: int) -> None:
        """Let fewer bytes than these wait for more, a moment at most: on a slow processor each waking counts."""
        if size != self._low_water:
            self._low_water = size
            with suppress(OSError, AttributeError):  # not every system lets it be set
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)

    def _receive(self, goal: int) -> bool:
        """Take in what comes in a moment, perhaps nothing; whether more may come."""
        if self._error is None:
            try:
                size = self._sock.recv_into(self._view[self._end : goal])
            except TimeoutError:
                self._set_low_water(1)  # a plain socket is not read at all while fewer have come
                return True
            except OSError as error:
                self._error = error
            else:
                self._end += size
                self._is_answered = self._is_answered or size > 0
                return size > 0
        if self._start == self._end:  # what came before it is handed on first
            raise self._closed_error(self._error) from self._error
        return False

    def _closed_error(self, error: OSError | None = None) -> TransientError:
        place = self.origin.place
        words = closed_early(place) if error is None else translate_socket_error(error, place, is_open=True).message
        return TransientError(words) if self._is_answered else _StaleConnectionError(words)
