"""Sending an answer: framing, pace, and the faults that strike on the way."""

from __future__ import annotations

import gzip
import time
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from ninepic_cli.sandbox.faults import NOTHING_WRONG, Fault
from ninepic_cli.sandbox.messages import Answer, Content, Plain, Request, everything
from ninepic_cli.sandbox.wire import GoneError, Line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ninepic_cli.sandbox.faults import Amount
    from ninepic_cli.sandbox.messages import Buffer


PHRASES = {each.value: each.phrase for each in HTTPStatus}
PACE_S = 0.05


@dataclass(frozen=True)
class Framing:
    """How the client is to find the end of the body.

    Attributes:
        length: The Content-Length; None without one.
        chunked: The body comes in chunks.
        close: The connection is closed afterwards, and the answer says so.
    """

    length: int | None
    chunked: bool = False
    close: bool = False


def deliver(line: Line, request: Request, answer: Answer, fault: Fault, rate_bps: float | None) -> bool:
    """Sends an answer as a fault would have it; tells whether the connection may be used again."""
    answer = _changed(answer, fault)
    size = answer.content.size
    framing = _framing(request, answer, fault)
    bodyless = request.method == "HEAD" or answer.status in {204, 304}
    stop = 0 if bodyless else min(_amount(fault.cut_after, size), _amount(fault.stall_after, size))
    request.status = answer.status
    pieces = _paced(line, answer.content, stop, fault.trickle_bps or rate_bps)
    _send(line, request, _head(answer, framing), pieces, chunked=framing.chunked and not bodyless)
    if fault.stall_after is not None:
        line.outlast_client()
        raise GoneError
    if fault.reset:
        line.reset()
        return False
    whole = bodyless or stop == size
    if whole and framing.chunked and not bodyless:
        line.send(b"0\r\n\r\n")
    return whole and not framing.close and not fault.close_idle and (bodyless or framing.length in {None, size})


def _changed(answer: Answer, fault: Fault) -> Answer:
    """An answer with the headers and the body that a fault asks for."""
    if fault is NOTHING_WRONG:
        return answer
    headers, content = dict(answer.headers), answer.content
    if fault.body is not None:
        body = fault.body.encode() if isinstance(fault.body, str) else fault.body
        content = Plain(body)
        if fault.status is not None:
            headers["Content-Type"] = _kind(body)
    if fault.gzip:
        content = Plain(gzip.compress(everything(content), 1, mtime=0))
        headers["Content-Encoding"] = "gzip"
    replaced = {name.lower() for name in fault.headers}
    headers = {name: value for name, value in headers.items() if name.lower() not in replaced}
    return replace(answer, headers=headers | fault.headers, content=content)


def _kind(body: bytes) -> str:
    """The media type of a made-up body, from how it begins."""
    start = body.lstrip()[:9].lower()
    if start.startswith(b"\xff\xd8"):
        return "image/jpeg"
    if start.startswith((b"{", b"[")):
        return "application/json"
    if start.startswith((b"<!doctype", b"<html")):
        return "text/html; charset=utf-8"
    return "application/xml" if start.startswith(b"<") else "application/octet-stream"


def _framing(request: Request, answer: Answer, fault: Fault) -> Framing:
    asked = request.headers.get("connection", "").lower()
    close = asked == "close" or (request.version == "HTTP/1.0" and asked != "keep-alive")
    if fault.announce_length is not None:
        return Framing(fault.announce_length, close=close)
    if fault.without_length or (answer.lengthless and request.version == "HTTP/1.0"):
        return Framing(None, close=True)
    if answer.lengthless:
        return Framing(None, chunked=True, close=close)
    return Framing(answer.content.size, close=close)


def _head(answer: Answer, framing: Framing) -> bytes:
    fields = {"Date": _date(int(time.time())), **answer.headers}
    if framing.chunked:
        fields["Transfer-Encoding"] = "chunked"
    elif framing.length is not None and answer.status not in {204, 304}:
        fields.setdefault("Content-Length", str(framing.length))
    if framing.close:
        fields["Connection"] = "close"
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {answer.status} {PHRASES.get(answer.status, 'Unknown')}\r\n{lines}\r\n".encode(
        "latin-1", "replace"
    )


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def _amount(amount: Amount | None, size: int) -> int:
    """How many bytes of so many an amount is."""
    if amount is None:
        return size
    return min(size, int(amount * size) if isinstance(amount, float) else amount)


def _paced(line: Line, content: Content, stop: int, rate_bps: float | None) -> Iterator[memoryview]:
    """The bytes up to `stop`, each piece when it is due."""
    if rate_bps is None:
        yield from content.pieces(0, stop)
        return
    step = max(1, int(rate_bps * PACE_S))
    begun, sent = time.monotonic(), 0
    for piece in content.pieces(0, stop):
        for at in range(0, len(piece), step):
            part = piece[at : at + step]
            sent += len(part)
            line.pause(begun + sent / rate_bps - time.monotonic())
            yield part


def _send(line: Line, request: Request, head: bytes, pieces: Iterator[memoryview], *, chunked: bool) -> None:
    """Sends the head, together with the first piece, then the other pieces."""
    first = next(pieces, memoryview(b""))
    waiting: list[Buffer] = [head]
    for piece in _chain(first, pieces):
        framed = [f"{len(piece):x}\r\n".encode(), piece, b"\r\n"] if chunked and piece else [piece]
        # Counted beforehand: a client that has the last byte may look at the record right away.
        request.bytes_sent += len(piece)
        request.ended = time.monotonic()
        try:
            line.send(*waiting, *framed)
        except GoneError:
            request.bytes_sent -= len(piece)
            raise
        waiting = []


def _chain(first: memoryview, others: Iterator[memoryview]) -> Iterator[memoryview]:
    yield first
    yield from others
