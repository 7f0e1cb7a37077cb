"""What is kept of the requests: in memory, and as lines of a log."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable

    from ninepic_cli.sandbox.messages import Request


class Record:
    """Takes note of requests as they come and as they end.

    Args:
        keep: How many of the latest requests stay in memory; None for all.
        on_end: Is called with every request when it has ended, from the thread that answered it. Must not raise.

    Attributes:
        requests: The requests that are in memory, in order of arrival.
    """

    def __init__(self, *, keep: int | None = None, on_end: Callable[[Request], None] | None = None) -> None:
        self.requests: list[Request] = []
        self._keep = keep
        self._on_end = on_end

    def begin(self, request: Request) -> None:
        """Notes that a request has arrived."""
        self.requests.append(request)
        if self._keep is not None and len(self.requests) > self._keep:
            del self.requests[: len(self.requests) - self._keep]

    def end(self, request: Request) -> None:
        """Notes that a request has been answered, or has been left without an answer."""
        if self._on_end:
            self._on_end(request)


def log_line(request: Request) -> str:
    """One JSON object on one line about a request that has just ended.

    Its keys: `server` ("api" or "store"), `method`, `path` (with the query, but without what signs a link), `status`
    (null when nothing was answered), `bytes` (of the answer's body), `seconds` (from the request's head to the end of
    the exchange), `range` (the Range header; null without one).
    """
    fields = {
        "server": request.server,
        "method": request.method,
        "path": _unsigned(request.path, request.query),
        "status": request.status,
        "bytes": request.bytes_sent,
        "seconds": round(time.monotonic() - request.started, 3),
        "range": request.headers.get("range"),
    }
    return json.dumps(fields) + "\n"


def _unsigned(path: str, query: str) -> str:
    """The path and the query, without the parameters of a link: they are a credential, and differ in every link."""
    kept = [each for each in query.split("&") if each and not _signs(unquote(each.partition("=")[0]).lower())]
    return f"{path}?{'&'.join(kept)}" if kept else path


def _signs(name: str) -> bool:
    return name.startswith("x-amz-") or name == "x-id"
