"""`--limit-rate`: how fast bytes are taken from the network, over all photos."""

import re
import threading
import time
from collections.abc import Callable

from ninepic_cli.errors import UsageError
from ninepic_cli.quoting import quoted

_SLOWEST_BPS = 1024
_RATE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)([KMGT]?)B?(?:/s)?", re.ASCII | re.IGNORECASE)
_FACTORS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_PIECES_PER_S = 20  # into which the bytes of a second are cut at least
_LARGEST_PIECE, _SMALLEST_PIECE = 256 << 10, 1 << 10
_SOCKET_S = 0.25  # worth of bytes that may wait in the system, over all connections
_SMALLEST_SOCKET, _LARGEST_SOCKET = 16 << 10, 4 << 20  # a record of TLS; about what systems go up to by themselves
_CREDIT_S = 0.1  # that may be caught up on, so that a late wake-up costs nothing


def parse_rate(text: str) -> int:
    """Bytes a second, from a number with K, M, G or T (1024s, as curl has them).

    Raises:
        UsageError: it is none, or too small to get anywhere.
    """
    match = _RATE.fullmatch(text.strip())
    rate = int(float(match[1]) * _FACTORS[match[2].upper()]) if match else 0
    if rate < _SLOWEST_BPS:
        raise UsageError(
            f"--limit-rate {quoted(text)} is not a rate of {_SLOWEST_BPS} bytes a second or more",
            hint="write something like 500K or 1.5M, in bytes a second",
        )
    return rate


class RateLimit:
    """Lets bytes pass at a rate; used by many threads at once.

    Args:
        rate_bps: bytes a second.
        connections: that share it.
        clock: seconds, monotonic.
    """

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
