"""The bytes of the photos: small drawn pictures, made distinct and as large as wanted."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from ninepic_cli.sandbox.wire import PIECE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ninepic_cli.sandbox.wire import Buffer


SOI = b"\xff\xd8"
COM = b"\xff\xfe"
# The filling is a run of comment segments of this size. It leaves room to the largest segment there can be
# (2 bytes of marker + 65,535), so that a remainder too small for a segment of its own fits into the last one.
# Being a prime, as the noise's period is, it has nothing in common with the sizes that programs read and write in:
# a stretch that is repeated, left out or put in another place shows.
SEGMENT_BYTES = 64_997
NOISE_PERIOD = 8191
MIN_SEGMENT_BYTES = 64
SEGMENT_HEADER_BYTES = 12
NOISE_BYTES = SEGMENT_BYTES + MIN_SEGMENT_BYTES - SEGMENT_HEADER_BYTES


class DrawnImage:
    """A JPEG that opens in a viewer, of an exact size, of which only one piece is ever in memory.

    One of the drawn pictures, with comment segments between its JFIF header and the rest. Each segment carries its
    number and noise that depends on `key`, so that no two photos agree over any stretch of the filling and no stretch
    of one photo can pass for another.
    """

    def __init__(self, key: str, size: int) -> None:
        self.size = size
        self._key = key
        self._head, self._tail = _choose_picture(key, size)
        self._filling = size - len(self._head) - len(self._tail)
        self._last = max(0, (self._filling - MIN_SEGMENT_BYTES) // SEGMENT_BYTES)

    def iter_bytes(self, start: int, stop: int) -> Iterator[memoryview]:
        """Yields the bytes from `start` up to `stop`."""
        at = start
        while at < stop:
            part, offset = self._part_at(at)
            piece = memoryview(part)[offset : offset + stop - at]
            yield piece
            at += len(piece)

    def _part_at(self, at: int) -> tuple[bytes, int]:
        """A few segments, with what comes before the first and after the last, and where in them the byte `at` is."""
        before = len(self._head)
        number = min(max(0, (at - before) // SEGMENT_BYTES), self._last)
        run = range(number, min(number + PIECE_BYTES // SEGMENT_BYTES, self._last + 1))
        parts = [part for each in run for part in self._segment(each)]
        if run.stop > self._last:
            parts.append(self._tail)
        if number == 0:
            return b"".join([self._head, *parts]), at
        return b"".join(parts), at - before - number * SEGMENT_BYTES

    def _segment(self, number: int) -> tuple[Buffer, Buffer]:
        size = SEGMENT_BYTES if number < self._last else self._filling - self._last * SEGMENT_BYTES
        header = COM + (size - len(COM)).to_bytes(2) + number.to_bytes(8)
        return header, memoryview(_noise(self._key))[: size - SEGMENT_HEADER_BYTES]


@lru_cache(maxsize=256)
def _noise(key: str) -> bytes:
    # Making noise for a whole segment would take longer than sending it.
    return (hashlib.shake_128(key.encode()).digest(NOISE_PERIOD) * (NOISE_BYTES // NOISE_PERIOD + 1))[:NOISE_BYTES]


@lru_cache
def _pictures() -> list[tuple[bytes, bytes]]:
    """The drawn pictures, each cut in two behind its JFIF header, the smallest first."""
    folder = resources.files(__package__) / "pictures"
    drawn = [entry.read_bytes() for entry in folder.iterdir() if entry.name.endswith(".jpg")]
    # The folder's order is the file system's: sorted by their bytes they come in the same order everywhere.
    drawn.sort(key=lambda picture: (len(picture), picture))
    # JFIF wants its APP0 segment right behind the start marker, so the filling goes after it.
    ends = [len(SOI) + 2 + int.from_bytes(picture[4:6]) for picture in drawn]
    return [(picture[:end], picture[end:]) for picture, end in zip(drawn, ends, strict=True)]


def _choose_picture(key: str, size: int) -> tuple[bytes, bytes]:
    """Chooses a picture that fits into `size` with at least one segment of filling, by the key."""
    smallest, *others = _pictures()
    fitting = [each for each in others if len(each[0]) + len(each[1]) + MIN_SEGMENT_BYTES <= size]
    if fitting:
        return fitting[int.from_bytes(hashlib.sha256(key.encode()).digest()[:4]) % len(fitting)]
    least = sum(map(len, smallest)) + MIN_SEGMENT_BYTES
    if size < least:
        raise ValueError(f"a drawn photo has at least {least} bytes, not {size}; give its bytes as body instead")
    return smallest
