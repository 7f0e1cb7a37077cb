"""Whether a file is an image from its beginning to its end: JPEG, PNG, WebP, HEIC and AVIF.

Formats say where they end, so a file that was cut can be told without decoding it. Reads are small and few; a file
that a stranger made up costs no more than a real one.

Sources: ITU T.81, B.1 (JPEG); the PNG specification, 5.3; RFC 9649 (WebP); ISO/IEC 14496-12, 4.2 (the boxes of HEIC).
"""

import os
import re
from typing import BinaryIO

_TAIL_BYTES = 4096  # cameras append a few bytes of their own behind the end
_PIECE_BYTES = 16 << 10
_MOST_PARTS = 2000  # segments, chunks or boxes; a JPEG of 25 MB has some hundreds
_MOST_PICTURES = 16  # in one JPEG file: gain maps and previews are appended as pictures of their own

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_START_OF_SCAN = 0xDA
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # neither a stuffed byte, nor fill, nor a restart marker

_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1", b"avif", b"avis"})
_BRAND_BYTES = 256  # of an `ftyp` box that are looked through


def is_complete(file: BinaryIO) -> bool:
    """Whether the file begins as an image of a known format does, and ends as that one does.

    A JPEG may have something behind its end: a motion photo's video, which must be whole as well, or a camera's own
    data.

    Args:
        file: seekable and unbuffered; its position changes.

    Raises:
        OSError: it cannot be read.
    """
    size = file.seek(0, os.SEEK_END)
    head = _read(file, 0, 16)
    if head.startswith(_JPEG_START):
        return _JPEG_END in _tail(file, size) or _is_complete_jpeg(file, size)
    if head.startswith(_PNG_START):
        return _PNG_END in _tail(file, size) or _has_png_end(file)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return 12 <= 8 + int.from_bytes(head[4:8], "little") <= size
    if head[4:8] == b"ftyp":
        return _has_image_brand(file) and _boxes_end(file, 0) == size
    return False


def _is_complete_jpeg(file: BinaryIO, size: int) -> bool:
    """Whether the JPEG's segments lead to its end, and what stands behind it is whole where that can be told."""
    end = 0
    for _ in range(_MOST_PICTURES):
        found = _jpeg_end(file, end)
        if found is None:
            return False
        end = found
        follows = _read(file, end, 8)
        if follows[4:8] == b"ftyp":
            return _boxes_end(file, end) == size
        if not follows.startswith(_JPEG_START):
            return True
    return False


def _jpeg_end(file: BinaryIO, start: int) -> int | None:
    """The offset behind the end marker of the JPEG that begins at `start`; None where there is none."""
    offset = start + len(_JPEG_START)
    for _ in range(_MOST_PARTS):
        segment = _read(file, offset, 4)
        if segment[:2] == _JPEG_END:
            return offset + 2
        if len(segment) < 4 or segment[0] != 0xFF:
            return None
        marker, length = segment[1], int.from_bytes(segment[2:])
        if marker == 0xFF:  # fill
            offset += 1
        elif marker in _STANDALONE:
            offset += 2
        elif length < 2:
            return None
        else:
            offset += 2 + length
            found = _scan_end(file, offset) if marker == _START_OF_SCAN else offset
            if found is None:
                return None
            offset = found
    return None


def _scan_end(file: BinaryIO, offset: int) -> int | None:
    """The offset of the marker that ends the entropy-coded data which begins at `offset`."""
    while len(piece := _read(file, offset, _PIECE_BYTES)) > 1:
        if found := _END_OF_SCAN.search(piece):
            return offset + found.start()
        offset += len(piece) - 1  # a marker may lie across two pieces
    return None


def _has_png_end(file: BinaryIO) -> bool:
    """Whether the PNG's chunks lead to its last one, behind which something else stands."""
    offset = len(_PNG_START)
    for _ in range(_MOST_PARTS):
        chunk = _read(file, offset, 12)
        if chunk == bytes(4) + _PNG_END:
            return True
        if len(chunk) < 12:
            return False
        offset += 12 + int.from_bytes(chunk[:4])  # length and type before the data, a checksum behind it
    return False


def _has_image_brand(file: BinaryIO) -> bool:
    box = _read(file, 0, _BRAND_BYTES)
    brands = box[8 : int.from_bytes(box[:4])]
    return any(brands[at : at + 4] in _BRANDS for at in range(0, len(brands), 4))


def _boxes_end(file: BinaryIO, offset: int) -> int | None:
    """Where the boxes that begin at `offset` end; None where one has no length, or is not all there."""
    size = file.seek(0, os.SEEK_END)
    for _ in range(_MOST_PARTS):
        if offset == size:
            return offset
        box = _read(file, offset, 16)
        length, least = int.from_bytes(box[:4]), 8
        if length == 1:  # the length proper follows, in 64 bits
            length, least = int.from_bytes(box[8:16]), 16
        if len(box) < least or not least <= length <= size - offset:
            return None
        offset += length
    return None


def _tail(file: BinaryIO, size: int) -> bytes:
    return _read(file, max(0, size - _TAIL_BYTES), _TAIL_BYTES)


def _read(file: BinaryIO, offset: int, count: int) -> bytes:
    """So many bytes, or fewer at the end of the file."""
    file.seek(offset)
    return file.read(count)
