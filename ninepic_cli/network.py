"""Connections under httpx: an address that leads nowhere is not waited for long, and a trickle is not a stream.

Both are matters of the socket: httpx waits its whole time-out for each of a host's addresses, and begins it anew
with every byte that arrives, in the headers too.
"""

import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

import httpcore

from ninepic_cli.errors import TransientError

_OTHER_ADDRESS_S = 3.0  # for an address to answer before the host's next one is tried
_SLOWEST_BPS = 1000
_SLOW_WINDOW_S = 60.0


class Backend(httpcore.SyncBackend):
    """Opens connections: the host's addresses in turn, the one that answered last first (IPv6 may lead nowhere)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._good: dict[str, str] = {}

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to whichever address answers."""
        *others, last = self._addresses(host, port)
        for address in others:
            try:
                patience_s = _OTHER_ADDRESS_S if timeout is None else min(timeout, _OTHER_ADDRESS_S)
                stream = super().connect_tcp(address, port, patience_s, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
            return self._noted(host, address, stream)
        return self._noted(host, last, super().connect_tcp(last, port, timeout, local_address, socket_options))

    def _addresses(self, host: str, port: int) -> list[str]:
        """The host's distinct addresses, in the system's order but for one that is known to answer."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
        with self._lock:
            good = self._good.get(host)
        return sorted(addresses, key=lambda address: address != good)

    def _noted(self, host: str, address: str, stream: httpcore.NetworkStream) -> httpcore.NetworkStream:
        with self._lock:
            self._good[host] = address
        return _WatchedStream(stream)


class _WatchedStream(httpcore.NetworkStream):
    """A connection on which less than 1 KB/s over a minute is as good as nothing.

    Counted is the time spent waiting for bytes: what is done with them meanwhile may take as long as it likes.
    """

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self._restart()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        started_s = time.monotonic()
        data = self._stream.read(max_bytes, timeout)
        self._count(len(data), time.monotonic() - started_s)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._restart()
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _WatchedStream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def _restart(self) -> None:
        """Begin to count, with a request."""
        self._waited_s, self._size, self._is_answering = 0.0, 0, False
        self._marks = deque([(0.0, 0)])

    def _count(self, size: int, waited_s: float) -> None:
        if not self._is_answering:  # the wait for an answer's first byte has a time-out of its own
            self._is_answering = True
            return
        self._waited_s += waited_s
        self._size += size
        if self._waited_s - self._marks[-1][0] < _SLOW_WINDOW_S / 60:
            return
        self._marks.append((self._waited_s, self._size))
        while len(self._marks) > 1 and self._waited_s - self._marks[1][0] >= _SLOW_WINDOW_S:
            self._marks.popleft()
        then_s, then_size = self._marks[0]
        window_s = self._waited_s - then_s
        if window_s >= _SLOW_WINDOW_S and self._size - then_size < _SLOWEST_BPS * window_s:
            raise TransientError("less than 1 KB/s arrived over a minute", code="timeout")
