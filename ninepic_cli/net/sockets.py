"""Connections: an address that leads nowhere is not waited for, and a trickle is not a stream.

Both are matters of the socket, for our own transport and for httpx (`proxy_transport`), which would wait its whole
time-out for each of a host's addresses, begin it anew with every byte that arrives, and read headers for ever.
"""

import errno
import os
import selectors
import socket
import ssl
import threading
import time
from collections import deque
from contextlib import closing
from itertools import chain, zip_longest
from typing import Any

from ninepic_cli.errors import NinepicError, OpenFilesError, TransientError
from ninepic_cli.net.certificates import certificate_error
from ninepic_cli.net.connection_record import ConnectionRecord
from ninepic_cli.text import system_text

_MOST_REMEMBERED = 1000
_NEXT_ADDRESS_S = 0.25  # for an address to answer before the host's next one is tried as well (RFC 8305, 5)
_SLOWEST_BPS = 1000
_SLOW_WINDOW_S = 60.0

# What OpenSSL says of bytes that are no TLS, such as those of a server of plain HTTP.
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"})

# Needs no file of its own, and takes any number of them; Windows has only the other.
Selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.SelectSelector)

_Address = tuple[socket.AddressFamily, tuple[Any, ...]]


def closed_early(place: str) -> str:
    """What is said of a connection that ended too soon."""
    return f"connection to {place} closed before the response was complete"


def translate_socket_error(cause: BaseException, place: str, *, is_open: bool = False) -> NinepicError:
    """What an error of a socket, or of TLS on it, means; `place` is the host with its port."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        return certificate_error(cause, place)
    if isinstance(cause, ssl.SSLEOFError) or getattr(cause, "reason", None) == "UNEXPECTED_EOF_WHILE_READING":
        return TransientError(closed_early(place))  # Python below 3.11.4 has no class of its own for it
    if isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS and not is_open:
        hint = "check the address: https, and the right port?"
        return TransientError(f"TLS handshake with {place} failed: not a TLS server?", hint=hint)
    if isinstance(cause, ssl.SSLError):
        what = f"TLS connection to {place}" if is_open else f"TLS handshake with {place}"
        return TransientError(f"{what} failed: {(cause.reason or 'connection closed').lower().replace('_', ' ')}")
    if isinstance(cause, OSError) and cause.errno in OpenFilesError.numbers:
        return OpenFilesError()
    what = f"connection to {place} failed" if is_open else f"cannot connect to {place}"
    reason = system_text(cause) if isinstance(cause, OSError) and cause.strerror else ""
    return TransientError(f"{what}: {reason}" if reason else what)


class Connector:
    """Opens connections to hosts; used by many threads at once.

    A host's addresses are raced (RFC 8305): the one that answered last begins, the next one joins when there is no
    answer in a quarter of a second, and the first to answer wins. IPv6 may lead nowhere. The system may take in
    `receive_bytes` before they are asked for; None leaves it to the system. `record` is told of each connection.
    """

    def __init__(self, *, receive_bytes: int | None = None, record: ConnectionRecord | None = None) -> None:
        self._lock = threading.Lock()
        self._last_good: dict[str, _Address] = {}
        self._receive_bytes = receive_bytes
        self._record = record

    def connect(self, host: str, port: int, timeout_s: float | None) -> socket.socket:
        """A connection to whichever address answers first; raises OSError, TimeoutError where none does in time."""
        begun_s = time.monotonic()
        addresses = self._addresses(host, port)
        if self._record is not None:
            self._record.set_addresses((str(each[1][0]) for each in addresses), begun_s)
        begun_s = time.monotonic()
        with closing(_AddressRace(addresses, self._receive_bytes)) as race:
            sock, address = race.run(timeout_s)
        if self._record is not None:
            self._record.set_address(str(address[1][0]), begun_s)
        with self._lock:
            if len(self._last_good) >= _MOST_REMEMBERED:  # links may lead to a host for each photo
                self._last_good.clear()
            self._last_good[host] = address
        sock.settimeout(timeout_s)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def _addresses(self, host: str, port: int) -> list[_Address]:
        """The host's distinct addresses: the one that is known to answer, then IPv6 and IPv4 by turns."""
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror:
            socket.socket().close()  # the look-up needs files, and does not say that it was refused one
            raise
        found = list(dict.fromkeys((info[0], info[4]) for info in infos))
        first = [address for address in found if address[0] == found[0][0]]
        others = [address for address in found if address[0] != found[0][0]]
        turns = [address for address in chain.from_iterable(zip_longest(first, others)) if address]
        with self._lock:
            last_good = self._last_good.get(host)
        return sorted(turns, key=lambda address: address != last_good)


class _AddressRace:
    """Attempts to connect, of which the first to succeed wins."""

    def __init__(self, addresses: list[_Address], receive_bytes: int | None) -> None:
        self._left = deque(addresses)
        self._receive_bytes = receive_bytes
        self._attempts = Selector()
        self._error = OSError(0, "no address")

    def close(self) -> None:
        """Give up the attempts that have not won."""
        for key in list(self._attempts.get_map().values()):
            self._close(key.fileobj)
        self._attempts.close()

    def run(self, timeout_s: float | None) -> tuple[socket.socket, _Address]:
        """The connection that won, and where it leads."""
        deadline_s = time.monotonic() + (3600 if timeout_s is None else timeout_s)
        while self._left or self._attempts.get_map():
            if self._left:
                self._start_attempt(self._left.popleft())
            turn_s = time.monotonic() + _NEXT_ADDRESS_S if self._left else deadline_s
            if self._attempts.get_map() and (winner := self._winner(min(turn_s, deadline_s))):
                return winner
            if time.monotonic() >= deadline_s:
                raise TimeoutError
        raise self._error

    def _start_attempt(self, address: _Address) -> None:
        try:
            sock = socket.socket(address[0], socket.SOCK_STREAM)
        except OSError as error:  # this machine has no IPv6
            self._error = error
            return
        sock.settimeout(0)
        if self._receive_bytes is not None:  # it has to be set before the connection is made
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_bytes)
        number = sock.connect_ex(address[1])
        if number in {0, errno.EINPROGRESS}:
            self._attempts.register(sock, selectors.EVENT_WRITE, address)
        else:
            self._error = OSError(number, os.strerror(number))
            sock.close()

    def _winner(self, until_s: float) -> tuple[socket.socket, _Address] | None:
        """The first to succeed until then; None at once where one failed."""
        for key, _ in self._attempts.select(max(0.0, until_s - time.monotonic())):
            sock: Any = key.fileobj
            number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number == 0:
                self._attempts.unregister(sock)
                return sock, key.data
            self._error = OSError(number, os.strerror(number))
            self._close(sock)
        return None

    def _close(self, sock: Any) -> None:
        self._attempts.unregister(sock)
        sock.close()


class MinimumSpeed:
    """Whether bytes come at 1 KB/s at least, over any minute.

    Counted is the time spent waiting for bytes: what is done with them meanwhile, or waited for so as to keep to a
    rate, may take as long as it likes.
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin to count, with a request."""
        self._waited_s, self._size, self._is_answering = 0.0, 0, False
        self._marks = deque([(0.0, 0)])

    def count(self, size: int, waited_s: float) -> None:
        """Count bytes that arrived and how long they were waited for; raises TransientError where they are too slow."""
        if not self._is_answering:  # the wait for a response's first byte has a time-out of its own
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
            raise TransientError("too slow: less than 1 KB/s for 60 s", code="timeout")
