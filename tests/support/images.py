"""Whole images of every format."""

START, END = b"\xff\xd8", b"\xff\xd9"


def segment(marker: int, data: bytes) -> bytes:
    """A JPEG's segment."""
    return bytes([0xFF, marker]) + (len(data) + 2).to_bytes(2) + data


def box(kind: bytes, data: bytes = b"", *, is_large: bool = False) -> bytes:
    """A box, as HEIC and MP4 are made of; its length may be told in 64 bits."""
    if is_large:
        return (1).to_bytes(4) + kind + (16 + len(data)).to_bytes(8) + data
    return (8 + len(data)).to_bytes(4) + kind + data


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    """A PNG's chunk; its checksum is not looked at but in the last one, which is always the same."""
    return len(data).to_bytes(4) + kind + data + (b"\xaeB`\x82" if kind == b"IEND" else b"sum!")


SCAN = segment(0xDA, b"\x01\x01\x00\x00\x3f\x00") + b"entropy \xff\x00 \xff\xd3 data" * 600
JPEG = START + segment(0xE1, b"Exif\0\0" + START + b"thumbnail" + b"x" * 99) + b"\xff" + segment(0xDB, b"q" * 65) + SCAN
PROGRESSIVE = JPEG + segment(0xC4, b"table") + SCAN + END
JPEG += END
VIDEO = box(b"ftyp", b"mp42\0\0\0\0isommp42") + box(b"mdat", b"v" * 9000, is_large=True) + box(b"moov", b"m" * 50)
HEIC = box(b"ftyp", b"heic\0\0\0\0mif1heic") + box(b"meta", b"m" * 300) + box(b"mdat", b"d" * 9000)
AVIF = box(b"ftyp", b"abcd\0\0\0\0avifmif1") + box(b"mdat", b"d" * 90, is_large=True)
PNG = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"h" * 13) + chunk(b"IDAT", b"d" * 9000) + chunk(b"IEND")
WEBP = b"RIFF" + (9004).to_bytes(4, "little") + b"WEBP" + b"w" * 9000
WHOLE = {
    "JPEG": JPEG,
    "progressive JPEG": PROGRESSIVE,
    "two pictures": JPEG + JPEG,
    "motion photo": JPEG + VIDEO,
    "motion photo with a gain map": JPEG + PROGRESSIVE + VIDEO,
    "a camera's own data": JPEG + b"\0" * 5000 + b"MotionPhoto_Data" + VIDEO + b"SEFT",
    "HEIC": HEIC,
    "AVIF": AVIF,
    "PNG": PNG,
    "PNG with something behind it": PNG + b"x" * 9000,
    "WebP": WEBP,
}
