"""Sending a response: framing, pace, and the faults that strike on the way."""

from __future__ import annotations

import gzip
import itertools
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ninepic_cli.sandbox.faults import NO_FAULT, Fault
from ninepic_cli.sandbox.wire import (
    REASON_PHRASES,
    BytesContent,
    Connection,
    ConnectionClosedError,
    Content,
    Request,
    Response,
    http_date,
    read_all,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ninepic_cli.sandbox.faults import Amount
    from ninepic_cli.sandbox.wire import Buffer


PACING_INTERVAL_S = 0.05
BODILESS = {204, 304}


def deliver(connection: Connection, request: Request, response: Response, fault: Fault, rate_bps: float | None) -> bool:
    """Sends a response as a fault would have it; tells whether the connection may be used again."""
    response = _apply_fault(response, fault)
    size = response.content.size
    framing = _framing(request, response, fault)
    has_body = request.method != "HEAD" and response.status not in BODILESS
    is_chunked = "Transfer-Encoding" in framing and has_body
    stop = min(_byte_count(fault.cut_after, size), _byte_count(fault.stall_after, size)) if has_body else 0
    request.status = response.status
    pieces = _iter_paced(connection, response.content, stop, fault.trickle_bps or rate_bps)
    _send_response(connection, request, _encode_head(response, framing), pieces, is_chunked=is_chunked)
    if fault.stall_after is not None:
        connection.wait_for_client_close()
        raise ConnectionClosedError
    if fault.reset:
        connection.reset()
        return False
    if stop < size and has_body:
        return False
    if is_chunked:
        connection.send(b"0\r\n\r\n")
    has_true_length = not has_body or fault.announce_length in {None, size}
    return has_true_length and "Connection" not in framing and not fault.close_idle


def _apply_fault(response: Response, fault: Fault) -> Response:
    """A response with the headers and the body that a fault asks for."""
    if fault is NO_FAULT:
        return response
    headers, content = dict(response.headers), response.content
    if fault.body is not None:
        body = fault.body.encode() if isinstance(fault.body, str) else fault.body
        content = BytesContent(body)
        if fault.status is not None:
            headers["Content-Type"] = _media_type(body)
    if fault.gzip:
        content = BytesContent(gzip.compress(read_all(content), 1, mtime=0))
        headers["Content-Encoding"] = "gzip"
    replaced = {name.lower() for name in fault.headers}
    headers = {name: value for name, value in headers.items() if name.lower() not in replaced}
    return replace(response, headers=headers | fault.headers, content=content)


def _media_type(body: bytes) -> str:
    """The media type of a made-up body, from how it begins."""
    start = body.lstrip()[:9].lower()
    if start.startswith(b"\xff\xd8"):
        return "image/jpeg"
    if start.startswith((b"{", b"[")):
        return "application/json"
    if start.startswith((b"<!doctype", b"<html")):
        return "text/html; charset=utf-8"
    return "application/xml" if start.startswith(b"<") else "application/octet-stream"


def _framing(request: Request, response: Response, fault: Fault) -> dict[str, str]:
    """The header fields that say where the body ends, and whether the connection ends with it."""
    wanted, is_old = request.headers.get("connection", "").lower(), request.version == "HTTP/1.0"
    is_last = wanted == "close" or (is_old and wanted != "keep-alive")
    fields, length = {}, fault.announce_length
    if length is None and (fault.without_length or (response.is_chunked and is_old)):
        is_last = True
    elif length is None and response.is_chunked:
        fields["Transfer-Encoding"] = "chunked"
    elif response.status not in BODILESS:
        fields["Content-Length"] = str(response.content.size if length is None else length)
    return {**fields, "Connection": "close"} if is_last else fields


def _encode_head(response: Response, framing: dict[str, str]) -> bytes:
    fields = {"Date": http_date(int(time.time())), **response.headers, **framing}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    phrase = REASON_PHRASES.get(response.status, "Unknown")
    return f"HTTP/1.1 {response.status} {phrase}\r\n{lines}\r\n".encode("latin-1", "replace")


def _byte_count(amount: Amount | None, size: int) -> int:
    """How many bytes of so many an amount is."""
    if amount is None:
        return size
    return min(size, int(amount * size) if isinstance(amount, float) else amount)


def _iter_paced(connection: Connection, content: Content, stop: int, rate_bps: float | None) -> Iterator[memoryview]:
    """The bytes up to `stop`, each piece when it is due."""
    if rate_bps is None:
        yield from content.iter_bytes(0, stop)
        return
    step = max(1, int(rate_bps * PACING_INTERVAL_S))
    begun, sent = time.monotonic(), 0
    for piece in content.iter_bytes(0, stop):
        for at in range(0, len(piece), step):
            part = piece[at : at + step]
            sent += len(part)
            connection.pause(begun + sent / rate_bps - time.monotonic())
            yield part


def _send_response(
    connection: Connection, request: Request, head: bytes, pieces: Iterator[memoryview], *, is_chunked: bool
) -> None:
    """Sends the head, together with the first piece, then the other pieces."""
    first = next(pieces, memoryview(b""))
    waiting: list[Buffer] = [head]
    for piece in itertools.chain([first], pieces):
        framed = [f"{len(piece):x}\r\n".encode(), piece, b"\r\n"] if is_chunked and piece else [piece]
        # Counted beforehand: a client that has the last byte may look at the record right away.
        request.bytes_sent += len(piece)
        request.ended = time.monotonic()
        try:
            connection.send(*waiting, *framed)
        except ConnectionClosedError:
            request.bytes_sent -= len(piece)
            raise
        waiting = []
