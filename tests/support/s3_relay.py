"""Loopback servers for the tests: what they have in common, and a relay that spoils connections on purpose."""

from __future__ import annotations

import socket
import socketserver
import struct
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOOPBACK = "127.0.0.1"
_CHUNK = 64 * 1024
# `struct linger`: on, for no time, so that closing sends a reset instead of an orderly end.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class LoopbackServer(socketserver.ThreadingTCPServer):
    """A threaded server on a free loopback port, which leaves no thread and no socket behind when it is closed.

    What goes wrong in a connection's thread, a failed assertion in a test's hook too, is raised by `close`.
    """

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, handler: type[socketserver.BaseRequestHandler]) -> None:
        super().__init__((LOOPBACK, 0), handler)
        self.closing = threading.Event()
        self.lock = threading.Lock()
        self.errors: list[BaseException] = []
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def address(self) -> str:
        """Host and port, as they stand in a URL."""
        return f"{LOOPBACK}:{self.server_address[1]}"

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accepts a connection and keeps hold of it."""
        connection, peer = super().get_request()
        with self.lock:
            self._open.add(connection)
        return connection, peer

    def shutdown_request(self, request: Any) -> None:
        """Ends a connection and lets go of it."""
        with self.lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Keeps an error for `close`; clients that went away are none."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            self.errors.append(error)

    def close(self) -> None:
        """Ends every connection, joins every thread, and raises the first error met in one of them."""
        self.closing.set()
        self.shutdown()
        self._thread.join()
        with self.lock:
            for connection in self._open:
                _shut(connection, socket.SHUT_RDWR)
        self.server_close()
        if self.errors:
            raise self.errors[0]


@dataclass
class Exchange:
    """One request and its answer, as they went through the relay; header names are in lower case.

    `passed` counts the bytes of the answer's body that were sent on to the client; it is -1 until the head has been.
    """

    connection: int
    method: str
    target: str
    headers: dict[str, str]
    status: int = 0
    passed: int = -1


@dataclass
class _Fault:
    """Something to do when `after` bytes of a matching answer's body have passed."""

    after: int
    match: str
    connection: int | None
    times: float
    hook: Callable[[Exchange], object] | None = None
    cut: bool = False
    reset: bool = False

    def strikes(self, exchange: Exchange) -> bool:
        return (
            self.times > 0
            and exchange.passed == self.after
            and self.match in exchange.target
            and self.connection in {None, exchange.connection}
        )


class _CutError(ConnectionError):
    """A fault has ended the connection."""


class Relay(LoopbackServer):
    """Passes connections on to a server unchanged, until it is told to spoil them.

    The `Host` header stays as the client sent it, so links that lead through the relay are signed for its address.
    It follows plain HTTP/1.1 whose requests have no bodies, which is all that presigned links for GET need.

    Attributes:
        rate: bytes of answers a second, over all connections together; 0 is no limit.
        delay_s: how long the head of every answer is held back.
        connections: how many were accepted so far; the first one is number 1.
        exchanges: every request seen, in the order in which they came.
    """

    def __init__(self, target_host: str, target_port: int) -> None:
        self.target = (target_host, target_port)
        self.rate = 0.0
        self.delay_s = 0.0
        self.connections = 0
        self.exchanges: list[Exchange] = []
        self._faults: list[_Fault] = []
        self._free_at = 0.0
        super().__init__(_RelayedConnection)

    @property
    def body_bytes(self) -> int:
        """How many bytes of answers' bodies went to clients."""
        return sum(max(exchange.passed, 0) for exchange in self.exchanges)

    def cut(
        self,
        after: int,
        *,
        match: str = "",
        connection: int | None = None,
        times: float = 1,
        reset: bool = False,
    ) -> None:
        """Ends the connection once `after` bytes of an answer's body have passed.

        Args:
            after: 0 is right after the head, -1 before it. Exactly this many body bytes go to the client; with
                `reset`, those that it has not fetched by then may be lost.
            match: only answers to requests with this in their target, an image id for example.
            connection: only the connection of this number.
            times: how often; `math.inf` is always.
            reset: break the connection (`ECONNRESET`) instead of closing it.
        """
        self._faults.append(_Fault(after, match, connection, times, cut=True, reset=reset))

    def at(
        self,
        after: int,
        hook: Callable[[Exchange], object],
        *,
        match: str = "",
        connection: int | None = None,
        times: float = 1,
    ) -> None:
        """Calls `hook` once `after` bytes of an answer's body have passed; the rest waits until it returns.

        A hook and a cut for the same place take effect in the order in which they were asked for.
        """
        self._faults.append(_Fault(after, match, connection, times, hook=hook))

    def heal(self) -> None:
        """Forgets all faults, the delay and the rate."""
        with self.lock:
            self._faults.clear()
        self.rate = self.delay_s = 0.0

    def began(self, exchange: Exchange) -> None:
        """Notes a request."""
        with self.lock:
            self.exchanges.append(exchange)

    def joined(self) -> int:
        """Counts a connection and returns its number."""
        with self.lock:
            self.connections += 1
            return self.connections

    def strike(self, exchange: Exchange) -> _Fault | None:
        """Calls the hooks that are due, and returns the cut that is."""
        with self.lock:
            due = [fault for fault in self._faults if fault.strikes(exchange)]
            for fault in due:
                fault.times -= 1
        for fault in due:
            if fault.cut:
                return fault
            if fault.hook is not None:
                fault.hook(exchange)
        return None

    def step(self, exchange: Exchange, size: int) -> int:
        """How much of `size` bytes may go on in one piece: to the next fault, and no burst if the rate is limited."""
        if self.rate:
            size = min(size, max(256, int(self.rate / 20)))
        with self.lock:
            ahead = [fault.after - exchange.passed for fault in self._faults]
        return min([size, *(distance for distance in ahead if distance > 0)])

    def pace(self, size: int) -> None:
        """Waits until `size` more bytes fit the rate."""
        if self.rate:
            with self.lock:
                now = time.monotonic()
                self._free_at = max(now, self._free_at) + size / self.rate
                wait = self._free_at - now
            self.hold(wait)

    def hold(self, seconds: float) -> None:
        """Sleeps, unless the relay is closed meanwhile."""
        if seconds > 0 and self.closing.wait(seconds):
            raise ConnectionAbortedError("the relay was closed")


class _RelayedConnection(socketserver.BaseRequestHandler):
    """One connection: requests go up in a thread of their own, answers come down in the handler's."""

    server: Relay
    request: socket.socket
    # Set by the first request; a server answers only after one, so answers always find it.
    exchange: Exchange

    def handle(self) -> None:
        self.number = self.server.joined()
        self.head = bytearray()
        with socket.socket() as self.upstream:
            # A small window keeps the server from running far ahead of what the relay has passed on.
            self.upstream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _CHUNK)
            self.upstream.connect(self.server.target)
            for end in (self.request, self.upstream):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            requests = threading.Thread(target=self._pass_requests)
            requests.start()
            try:
                self._pass_answers()
            finally:
                # Reading ends at once, so that the other thread ends; what was written can still be fetched.
                _shut(self.request, socket.SHUT_RD)
                _shut(self.upstream, socket.SHUT_RDWR)
                requests.join()

    def finish(self) -> None:
        if self.request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER):
            # Closed here, because the server would announce an orderly end first.
            self.request.close()

    def _pass_requests(self) -> None:
        head = bytearray()
        with suppress(OSError):
            for chunk in _received(self.request):
                head += chunk
                if b"\r\n\r\n" in head:
                    self._begin(head.decode("latin-1"))
                    head.clear()
                self.upstream.sendall(chunk)
        _shut(self.upstream, socket.SHUT_WR)

    def _begin(self, head: str) -> None:
        first, *lines = head.split("\r\n\r\n", 1)[0].split("\r\n")
        method, target, _version = first.split(" ", 2)
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _colon, value in pairs}
        self.exchange = Exchange(self.number, method, target, headers)
        self.head.clear()
        self.server.began(self.exchange)

    def _pass_answers(self) -> None:
        for chunk in _received(self.upstream):
            if self.exchange.passed >= 0:
                self._pass_body(chunk)
                continue
            self.head += chunk
            head, end, body = bytes(self.head).partition(b"\r\n\r\n")
            if end:
                self._pass_head(head + end)
                self._pass_body(body)

    # Bytes are counted before they are sent: a client that has them all may look at the count at once, or ask for
    # the next photo, which is another exchange.
    def _pass_head(self, head: bytes) -> None:
        exchange = self.exchange
        exchange.status = int(head.split(b" ", 2)[1])
        self.server.hold(self.server.delay_s)
        self._strike(exchange)
        exchange.passed = 0
        self.request.sendall(head)
        self._strike(exchange)

    def _pass_body(self, body: bytes) -> None:
        exchange = self.exchange
        rest = memoryview(body)
        while rest:
            size = self.server.step(exchange, len(rest))
            self.server.pace(size)
            exchange.passed += size
            self.request.sendall(rest[:size])
            rest = rest[size:]
            self._strike(exchange)

    def _strike(self, exchange: Exchange) -> None:
        cut = self.server.strike(exchange)
        if cut is not None:
            if cut.reset:
                self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            raise _CutError


def _received(connection: socket.socket) -> Iterator[bytes]:
    while chunk := connection.recv(_CHUNK):
        yield chunk


def _shut(connection: socket.socket, how: int) -> None:
    with suppress(OSError):
        connection.shutdown(how)
