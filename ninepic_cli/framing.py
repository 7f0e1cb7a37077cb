"""The head of an HTTP/1.1 answer, and where it says that the body ends (RFC 9112). No I/O.

Strict about whatever two readers could understand differently, lenient about the rest: what is refused here is
a failed try, and what were misread would be a wrong photo.
"""

import re
from dataclasses import dataclass
from typing import Final

from ninepic_cli.errors import TransientError

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
class Head:
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


def head_of(block: bytes) -> Head:
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
    return Head(status, headers, length, is_chunked, closes or (length is None and not is_chunked))


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
