"""Connections of our own, and HTTP/1.1 on them (RFC 9112).

Why not httpx: it reads one TLS record a call, hands on 16 KiB at a time, and builds a dozen objects for each request,
so that on a slow machine it is the limit (tests/bench/README.md). Here one buffer for each connection is filled before
it is handed on, and is used again. There is nothing here for proxies: where one applies, httpx is used.

Heads are read strictly where two readers could understand them differently, leniently elsewhere: what is refused is a
failed try, and what were misread would be a wrong photo.
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
from typing import Final, NamedTuple

from ninepic_cli.errors import OpenFilesError, TransientError
from ninepic_cli.net.rate_limit import RateLimit
from ninepic_cli.net.sockets import CUT, Connector, MinimumSpeed, Watched, translate_socket_error, without_silent_ends

HEAD_END: Final = re.compile(rb"\n\r?\n")
_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([1-9][0-9]{2})(?: .*)?")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\0-\x08\n-\x1f\x7f]")
_LINE_END = re.compile(r"\r?\n")
_FOLD = re.compile(r"\r?\n[ \t]+")
_LENGTH = re.compile(r"[0-9]{1,18}")
_MANY_CHUNKS, _FEWEST_BYTES = 10_000, 16  # more chunks than that have so many bytes each, on the average
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r]*)?")


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """The head of an answer.

    Attributes:
        status: the HTTP status.
        headers: names in lower case; several of one name are joined by commas.
        length: of the body; None where it is chunked or ends with the connection.
        is_chunked: whether the body comes in chunks.
        is_last: whether the connection is of no use afterwards.
    """

    status: int
    headers: dict[str, str]
    length: int | None
    is_chunked: bool
    is_last: bool


def parse_head(block: bytes) -> ResponseHead:
    """The head that these lines are, which end with an empty one.

    Raises:
        TransientError: they are no head, or contradict themselves.
    """
    lines = _LINE_END.split(_FOLD.sub(" ", block.decode("latin-1")).rstrip("\r\n"))
    start = _STATUS_LINE.fullmatch(lines[0])
    if not start:
        raise TransientError("the answer is not HTTP")
    status, headers = int(start[2]), _headers(lines[1:])
    length, is_chunked = _framing(status, headers)
    closes = "close" in headers.get("connection", "").lower() or start[1] == "0"
    return ResponseHead(status, headers, length, is_chunked, closes or (length is None and not is_chunked))


def chunk_size(line: bytes) -> int:
    """The size that begins a chunk; 0 ends the body.

    Raises:
        TransientError: it is none.
    """
    match = _CHUNK_SIZE.fullmatch(line)
    if not match:
        raise TransientError("the answer's chunks are not HTTP")
    return int(match[1], 16)


def check_chunks(count: int, size: int) -> None:
    """See that a body of so many pieces and bytes is worth the work.

    Raises:
        TransientError: it comes in crumbs.
    """
    if count > _MANY_CHUNKS and size < count * _FEWEST_BYTES:
        raise TransientError("the answer comes in chunks of a few bytes each")


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _NAME.fullmatch(name) or _CONTROL.search(value):
            raise TransientError("the answer's headers are not HTTP")
        name, value = name.lower(), value.strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _framing(status: int, headers: dict[str, str]) -> tuple[int | None, bool]:
    """The body's length, and whether it is chunked."""
    coding = headers.get("transfer-encoding")
    if coding is not None:
        headers.pop("content-length", None)  # says nothing beside a transfer coding (RFC 9112, 6.3)
        if coding.lower() != "chunked":
            raise TransientError("the answer comes in a coding that was not asked for")
    length = headers.get("content-length")
    if length is not None and not _LENGTH.fullmatch(length):
        raise TransientError("the answer's length is not a number")
    if status < 200 or status in {204, 304}:
        return 0, False
    return None if length is None else int(length), coding is not None


_BUFFER_BYTES: Final = 256 << 10
_LONGEST_HEAD: Final = 64 << 10
_LONGEST_LINE: Final = 4 << 10
_MOST_HEADS: Final = 10  # with those that are said beforehand (100, 103)
_LOW_WATER: Final = 32 << 10  # bytes that are worth waking up for, while many more are to come
_HAND_ON_S = 0.05  # bytes that have arrived wait no longer than that for more
_IDLE_S = 10.0  # after which a connection is not believed to be alive


class Origin(NamedTuple):
    """Where a connection leads; `authority` is what the host calls itself, for its name and port."""

    is_secure: bool
    host: str
    port: int
    authority: str


class Transport:
    """Sends requests; used by many threads at once.

    Args:
        timeout_s: no byte for so long, in connecting, sending or receiving, is a failed try.
        connections: how many there are in all, to whichever hosts, before an idle one is closed for a new one.
        context: makes what TLS needs, when it is first needed.
        limit: how fast bytes are taken; the flow is steady if pieces are small.
    """

    def __init__(
        self,
        *,
        timeout_s: float,
        connections: int,
        context: Callable[[], ssl.SSLContext],
        limit: RateLimit | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._connections = connections
        self._new_context = context
        self._context: ssl.SSLContext | None = None
        self._addresses = Connector(receive_bytes=limit.socket_bytes if limit else None)
        self._piece_bytes = limit.piece_bytes if limit else _BUFFER_BYTES
        self._lock = threading.Lock()
        self._idle: list[_Connection] = []  # the one that was used last at the end
        self._busy = 0

    @contextmanager
    def send(
        self, method: str, origin: Origin, target: bytes, headers: Mapping[str, str], content: bytes | None = None
    ) -> Iterator[tuple[ResponseHead, Iterator[memoryview]]]:
        """Send a request and yield the head of its answer and the pieces of the body.

        A piece is good until the next one is asked for. The request is one that may be repeated: it is sent again where
        a connection was closed at the moment of its reuse.

        Raises:
            TransientError: no answer came, or it broke off.
            OpenFilesError: no connection can be had, although none is idle.
            CertificateError: the host's certificate is not trusted.
            ValueError: a header cannot be sent.
        """
        request = _request(method, origin, target, headers, content)
        connection: _Connection | None = None
        with self._lock:
            self._busy += 1
        try:
            connection, head = self._asked(origin, request)
            yield head, connection.body(head)
        finally:
            self._put_back(connection)

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _asked(self, origin: Origin, request: bytes) -> "tuple[_Connection, ResponseHead]":
        kept = self._kept(origin)
        if kept is not None:
            try:
                return kept, kept.ask(request)
            except _GoneError:
                pass  # closed by the host at the moment of reuse: no failed try
        self._trim()
        try:
            connection = self._opened(origin)
        except OpenFilesError:
            self.close()
            connection = self._opened(origin)
        return connection, connection.ask(request)

    def _kept(self, origin: Origin) -> "_Connection | None":
        while True:
            with self._lock:
                connection = next((each for each in reversed(self._idle) if each.origin == origin), None)
                if connection is None:
                    return None
                self._idle.remove(connection)
            if connection.is_alive():
                return connection
            connection.close()

    def _put_back(self, connection: "_Connection | None") -> None:
        with self._lock:
            self._busy -= 1
            if connection is not None and connection.is_free:
                self._idle.append(connection)
                connection = None
        if connection is not None:
            connection.close()
        self._trim()

    def _trim(self) -> None:
        """Close the connections that have been idle for longest, where there are too many in all."""
        with self._lock:
            surplus = max(0, self._busy + len(self._idle) - self._connections)
            oldest, self._idle = self._idle[:surplus], self._idle[surplus:]
        for connection in oldest:
            connection.close()

    def _opened(self, origin: Origin) -> "_Connection":
        context = self._trust() if origin.is_secure else None
        try:
            sock = self._addresses.connect(origin.host, origin.port, self._timeout_s)
            if context is not None:
                sock = _secured(sock, context, origin.host)
        except TimeoutError as error:
            raise TransientError("no connection came about in time", code="timeout") from error
        except OSError as error:
            raise translate_socket_error(error) from error
        return _Connection(origin, sock, self._timeout_s, self._piece_bytes)

    def _trust(self) -> ssl.SSLContext:
        with self._lock:
            if self._context is None:
                self._context = without_silent_ends(self._new_context())
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


def _secured(sock: socket.socket, context: ssl.SSLContext, host: str) -> socket.socket:
    try:
        # An end without TLS's own farewell may be a cut by anybody on the way.
        return context.wrap_socket(sock, server_hostname=host.rstrip("."), suppress_ragged_eofs=False)
    except BaseException:
        sock.close()
        raise


class _GoneError(TransientError):
    """The connection was closed before a byte of the answer came."""


class _Connection:
    """One connection, its buffer, and the answer that is being read from it."""

    def __init__(self, origin: Origin, sock: socket.socket, timeout_s: float, piece_bytes: int) -> None:
        self.origin = origin
        self.is_free = False  # for another request
        self._piece_bytes = piece_bytes
        self._sock = sock
        self._sock.settimeout(min(_HAND_ON_S, timeout_s))
        self._watch = Watched()
        self._watch.register(sock, selectors.EVENT_READ)
        self._timeout_s = timeout_s
        self._pace = MinimumSpeed()
        self._low_water = 1
        self._space = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._space)
        self._start = self._end = 0  # of the bytes that have arrived and are not taken yet
        self._trouble: OSError | None = None  # that came behind them
        self._is_answered = False
        self._idle_since_s = 0.0

    def close(self) -> None:
        """Close it, whatever is on its way."""
        self._watch.close()
        self._sock.close()

    def is_alive(self) -> bool:
        """Whether nothing has come over it since its last answer, as its end would."""
        if time.monotonic() - self._idle_since_s > _IDLE_S:
            return False
        return not self._watch.select(0) and not (isinstance(self._sock, ssl.SSLSocket) and self._sock.pending())

    def ask(self, request: bytes) -> ResponseHead:
        """Send a request; the head of its answer."""
        self.is_free = self._is_answered = False
        self._pace.restart()
        try:
            self._send(request)
            for _ in range(_MOST_HEADS):
                head = parse_head(self._block())
                if head.status >= 200:
                    if head.length == 0:
                        self._answered(head)
                    return head
        except BaseException:
            self.close()
            raise
        self.close()
        raise TransientError("the answer does not get beyond its beginning")

    def body(self, head: ResponseHead) -> Iterator[memoryview]:
        """The pieces of the body behind a head."""
        if head.is_chunked:
            yield from self._chunked()
        elif head.length is None:
            yield from self._rest()
        else:
            yield from self._exactly(head.length)
        self._answered(head)

    def _answered(self, head: ResponseHead) -> None:
        """The answer has its end: another request may follow."""
        self.is_free = not head.is_last and self._start == self._end
        self._idle_since_s = time.monotonic()

    def _exactly(self, size: int) -> Iterator[memoryview]:
        while size:
            piece = self._piece(min(size, self._piece_bytes))
            if not piece:
                raise TransientError(CUT)
            size -= len(piece)
            yield piece

    def _rest(self) -> Iterator[memoryview]:
        while piece := self._piece(self._piece_bytes):
            yield piece

    def _chunked(self) -> Iterator[memoryview]:
        count = total = 0
        while size := chunk_size(self._line()):
            count, total = count + 1, total + size
            check_chunks(count, total)
            yield from self._exactly(size)
            if self._line():
                raise TransientError("the answer's chunks are not HTTP")
        trailers = 0
        while line := self._line():
            trailers += len(line)
            if trailers > _LONGEST_HEAD:
                raise TransientError("the answer's headers are too long")

    def _send(self, request: bytes) -> None:
        begun_s = time.monotonic()
        while request:
            try:
                request = request[self._sock.send(request) :]
            except TimeoutError as error:  # of a moment
                if time.monotonic() - begun_s >= self._timeout_s:
                    raise TransientError("nothing was taken in time", code="timeout") from error
            except OSError as error:
                raise self._failure(error) from error

    def _block(self) -> bytes:
        """The lines to the next empty one, and that one."""
        searched = 0
        while not (match := HEAD_END.search(self._space, self._start + max(0, searched - 2), self._end)):
            searched = self._end - self._start
            if searched > _LONGEST_HEAD:
                break
            self._more()
        if not match or match.end() - self._start > _LONGEST_HEAD:
            raise TransientError("the answer's headers are too long")
        return self._taken(match.end())

    def _line(self) -> bytes:
        """The next line, without its end."""
        while (at := self._space.find(b"\n", self._start, self._end)) < 0:
            if self._end - self._start > _LONGEST_LINE:
                raise TransientError("the answer's chunks are not HTTP")
            self._more()
        return self._taken(at + 1)[:-1].removesuffix(b"\r")

    def _taken(self, end: int) -> bytes:
        taken = bytes(self._view[self._start : end])
        self._start = end
        return taken

    def _piece(self, most: int) -> memoryview:
        """The next bytes, `most` of them at most; none at the connection's end."""
        self._make_room(1)
        room = min(most - (self._end - self._start), _BUFFER_BYTES - self._end)
        if room > 0:
            self._fill(room)
        start = self._start
        self._start = min(self._end, start + most)
        return self._view[start : self._start]

    def _more(self) -> None:
        """Take in whatever comes next."""
        self._make_room(_LONGEST_HEAD)
        before = self._end
        self._fill(_BUFFER_BYTES - before, at_once=True)
        if self._end == before:
            raise self._failure()

    def _make_room(self, size: int) -> None:
        if self._start == self._end:
            self._start = self._end = 0
        elif _BUFFER_BYTES - self._end < size:
            rest = bytes(self._view[self._start : self._end])
            self._start, self._end = 0, len(rest)
            self._view[: self._end] = rest

    def _fill(self, room: int, *, at_once: bool = False) -> None:
        """Take in bytes until there is no room, or none come for a moment, or no more will come.

        Args:
            room: the most that are taken in.
            at_once: what comes first is enough.
        """
        self._wake_at(1 if at_once or room < 2 * _LOW_WATER else _LOW_WATER)
        begun_s, before, waited_s = time.monotonic(), self._end, 0.0
        while self._end < before + room and self._receive(before + room):
            waited_s = time.monotonic() - begun_s
            if self._end > before or (self._start < self._end and not at_once):
                if at_once or waited_s >= _HAND_ON_S:
                    break
            elif waited_s >= self._timeout_s:
                raise TransientError("nothing arrived in time", code="timeout")
        self._pace.count(self._end - before, waited_s)

    def _wake_at(self, size: int) -> None:
        """Let fewer bytes than these wait for more, a moment at most: on a slow processor each waking counts."""
        if size != self._low_water:
            self._low_water = size
            with suppress(OSError, AttributeError):  # not every system lets it be set
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)

    def _receive(self, goal: int) -> bool:
        """Take in what comes in a moment, perhaps nothing; whether more may come."""
        if self._trouble is None:
            try:
                size = self._sock.recv_into(self._view[self._end : goal])
            except TimeoutError:
                self._wake_at(1)  # a plain socket is not read at all while fewer have come
                return True
            except OSError as error:
                self._trouble = error
            else:
                self._end += size
                self._is_answered = self._is_answered or size > 0
                return size > 0
        if self._start == self._end:  # what came before it is handed on first
            raise self._failure(self._trouble) from self._trouble
        return False

    def _failure(self, error: OSError | None = None) -> TransientError:
        words = CUT if error is None else translate_socket_error(error).message
        return TransientError(words) if self._is_answered else _GoneError(words)
