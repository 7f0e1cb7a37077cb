"""A way through the network, in a process of its own: delay, a rate that all connections share, slow start.

`python -m tests.bench.relay PORT RTT BPS` passes connections on to a port of this machine as if it lay so many seconds
there and back away, behind a link of so many bits a second:

- What the server sends waits its turn for the link and is then half a round trip on its way; what the client sends is
  half a round trip on its way. A connection takes a round trip to open.
- The link takes from all connections in turn, and no more than its buffer holds; so many bytes are in flight on a
  connection as TCP's window allows, which begins at ten segments and grows by what has been acknowledged.
- Nothing is lost: a real network would take some of the window back now and then.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import selectors
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .process import LOOPBACK, end_with_stdin

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_WINDOW = 10 * 1460  # RFC 6928
LARGEST_WINDOW = 3 * 1024 * 1024  # what Linux makes of its largest receive buffer, 6 MiB
KERNEL_BUFFER = 64 * 1024  # small: what is on its way is kept here, not there
LARGEST_REQUESTS = 256 * 1024


@dataclass(frozen=True)
class Link:
    """A way through the network.

    Attributes:
        rtt_s: seconds there and back.
        bps: bits a second, of all connections together.
    """

    rtt_s: float
    bps: float

    def __str__(self) -> str:
        return f"{self.bps / 1e6:g} Mbit/s with {self.rtt_s * 1000:g} ms there and back"

    @property
    def piece(self) -> int:
        """How many bytes are passed on at once: half a millisecond's, within reason."""
        return min(max(int(self.bps / 8 / 2000), 16 * 1024), 64 * 1024)

    @property
    def longest_queue_s(self) -> float:
        """How long the link's buffer takes to empty: half a round trip, beside what is on its way."""
        return max(self.rtt_s / 2, 0.01)


class Relay:
    """Passes connections on, all in one thread."""

    def __init__(self, port: int, link: Link) -> None:
        self.link = link
        self.selector = selectors.DefaultSelector()
        self._target = port
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._free_at = 0.0  # when the link will have sent all that waits for it
        self._waiting: deque[_Connection] = deque()
        self._listener = socket.create_server((LOOPBACK, 0), backlog=256)
        self._listener.setblocking(False)
        self.selector.register(self._listener, selectors.EVENT_READ, self._accept)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def serve(self) -> None:
        """Pass on, until the process ends."""
        while True:
            for key, events in self.selector.select(self._patience()):
                key.data(events)
            now = time.monotonic()
            while self._timers and self._timers[0][0] <= now:
                heapq.heappop(self._timers)[2]()
            while self._waiting and self._free_at - now < self.link.longest_queue_s:
                self._waiting.popleft().receive()

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Do something at a moment of the monotonic clock."""
        heapq.heappush(self._timers, (moment, next(self._numbers), action))

    def wait_for_link(self, connection: _Connection) -> None:
        """Let a connection receive a piece when it is its turn."""
        self._waiting.append(connection)

    def sent_at(self, size: int) -> float:
        """Take the link for so many bytes; when the last of them has left."""
        self._free_at = max(self._free_at, time.monotonic()) + size * 8 / self.link.bps
        return self._free_at

    def _patience(self) -> float | None:
        moments = [self._timers[0][0]] if self._timers else []
        if self._waiting:
            moments.append(self._free_at - self.link.longest_queue_s)
        return max(min(moments) - time.monotonic(), 0) if moments else None

    def _accept(self, _events: int) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._listener.accept()
            _Connection(self, client, socket.create_connection((LOOPBACK, self._target)))


class _Connection:
    """A client and the server; what one has sent is on its way to the other."""

    def __init__(self, relay: Relay, client: socket.socket, server: socket.socket) -> None:
        self._relay = relay
        self._client = _End(relay.selector, client, self._read_client, self._delivered, self.close)
        self._server = _End(relay.selector, server, self._read_server, lambda _size: None, self.close)
        self._opens_at = time.monotonic() + relay.link.rtt_s
        self._window = FIRST_WINDOW
        self._in_flight = 0
        self._client.listen(reading=True)
        self._server.listen(reading=True)

    def close(self) -> None:
        """End both sides."""
        self._client.close()
        self._server.close()

    def receive(self) -> None:
        """Take a piece from the server, as large as the window has room for, onto the link."""
        size = min(self._relay.link.piece, self._window - self._in_flight)
        data = self._server.read(size)
        if data is not None:
            self._in_flight += len(data)
            moment = self._relay.sent_at(len(data)) + self._relay.link.rtt_s / 2
            self._relay.at(moment, lambda: self._client.write(data))
        self._go_on()

    def _go_on(self) -> None:
        """Listen to the server while the window is open."""
        self._server.listen(reading=self._in_flight < self._window and not self._server.is_finished)

    def _read_server(self) -> None:
        self._server.listen(reading=False)
        self._relay.wait_for_link(self)

    def _delivered(self, size: int) -> None:
        if not size:
            self.close()  # the server had nothing more to say, and that has arrived
        self._relay.at(time.monotonic() + self._relay.link.rtt_s / 2, lambda: self._acknowledged(size))

    def _acknowledged(self, size: int) -> None:
        was_closed = self._in_flight >= self._window
        if self._in_flight * 2 > self._window:  # a window that is not used does not grow
            self._window = min(self._window + size, LARGEST_WINDOW)
        self._in_flight -= size
        if was_closed:
            self._go_on()

    def _read_client(self) -> None:
        data = self._client.read(LARGEST_REQUESTS)
        if data is None:
            return
        moment = max(time.monotonic(), self._opens_at) + self._relay.link.rtt_s / 2
        self._relay.at(moment, lambda: self._server.write(data))
        if self._client.is_finished:
            self._client.listen(reading=False)


class _End:
    """One of a connection's sockets."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        sock: socket.socket,
        on_readable: Callable[[], None],
        on_written: Callable[[int], None],
        on_broken: Callable[[], None],
    ) -> None:
        self.is_finished = False  # there is nothing more to read
        self._selector = selector
        self._sock = sock
        self._on_readable, self._on_written, self._on_broken = on_readable, on_written, on_broken
        self._unwritten: deque[memoryview] = deque()
        self._is_reading = self._is_shut = self._is_closed = False
        self._events = 0
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER)

    def listen(self, *, reading: bool) -> None:
        """Say whether there is room for what can be read."""
        self._is_reading = reading and not self._is_closed
        self._register()

    def read(self, size: int) -> bytes | None:
        """What there is; nothing at the end; None when it is broken."""
        try:
            data = b"" if self._is_closed else self._sock.recv(size)
        except BlockingIOError:
            return None
        except OSError:
            self._on_broken()
            return None
        self.is_finished = not data
        return data

    def write(self, data: bytes) -> None:
        """Pass data on as soon as possible; none is the end."""
        if not self._is_closed:
            self._unwritten.append(memoryview(data))
            self._write()

    def close(self) -> None:
        """Let go of the socket."""
        if not self._is_closed:
            self._is_closed, self._is_reading = True, False
            self._unwritten.clear()
            self._register()
            self._sock.close()

    def _write(self) -> None:
        try:
            while self._unwritten:
                self._write_one()
        except BlockingIOError:
            pass
        except OSError:
            self._on_broken()
        self._register()

    def _write_one(self) -> None:
        data = self._unwritten[0]
        if not data:
            self._sock.shutdown(socket.SHUT_WR)
        size = self._sock.send(data) if data else 0
        if size < len(data):
            self._unwritten[0] = data[size:]
        else:
            self._unwritten.popleft()
        self._on_written(size)

    def _ready(self, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self._write()
        if events & selectors.EVENT_READ and self._is_reading:
            self._on_readable()

    def _register(self) -> None:
        wanted = (selectors.EVENT_READ if self._is_reading else 0) | (selectors.EVENT_WRITE if self._unwritten else 0)
        if wanted == self._events:
            return
        if not self._events:
            self._selector.register(self._sock, wanted, self._ready)
        elif wanted:
            self._selector.modify(self._sock, wanted, self._ready)
        else:
            self._selector.unregister(self._sock)
        self._events = wanted


def main(port: str, rtt: str, bps: str) -> None:
    """Serve until standard input ends."""
    end_with_stdin()
    relay = Relay(int(port), Link(float(rtt), float(bps)))
    print(relay.port, flush=True)
    relay.serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
