"""`--limit-rate`: how fast bytes are taken from the network, over all photos."""

import threading
import time
from collections.abc import Callable

_PIECES_PER_S = 20  # into which the bytes of a second are cut at least
_LARGEST_PIECE, _SMALLEST_PIECE = 256 << 10, 1 << 10
_SOCKET_S = 0.25  # worth of bytes that may wait in the system, over all connections
_SMALLEST_SOCKET, _LARGEST_SOCKET = 16 << 10, 4 << 20  # a record of TLS; about what systems go up to by themselves
_CREDIT_S = 0.1  # that may be caught up on, so that a late wake-up costs nothing


class RateLimit:
    """Lets so many bytes a second pass over so many connections together; used by many threads at once."""

    def __init__(self, rate_bps: int, *, connections: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate_bps = rate_bps
        self._connections = connections
        self._clock = clock
        self._lock = threading.Lock()
        self._free_s = clock()  # when all that has passed is paid for

    @property
    def piece_bytes(self) -> int:
        """How many bytes to take at once: so few that the flow is steady."""
        return min(_LARGEST_PIECE, max(_SMALLEST_PIECE, self._rate_bps // _PIECES_PER_S // self._connections))

    @property
    def socket_bytes(self) -> int | None:
        """How many bytes the system may take in for a connection before anybody asks; None leaves it to the system."""
        size = int(self._rate_bps * _SOCKET_S / self._connections)
        return None if size > _LARGEST_SOCKET else max(_SMALLEST_SOCKET, size)

    def wait_s(self, size: int) -> float:
        """Take note of bytes that have passed; how long to wait before the next may."""
        with self._lock:
            now_s = self._clock()
            self._free_s = max(self._free_s, now_s - _CREDIT_S) + size / self._rate_bps
            return max(0.0, self._free_s - now_s)
