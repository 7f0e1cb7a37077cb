"""How much the API gives at a time: pages and the rate of requests."""

from __future__ import annotations

import math
import re
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from ninepic_cli.sandbox.messages import Request


class RefusalError(Exception):
    """A request is answered with an error."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@dataclass(frozen=True)
class Paging:
    """Which page of what size was asked for."""

    page: int
    size: int

    @classmethod
    def of(cls, request: Request, *, default: int, cap: int) -> Paging:
        """Reads and checks the query."""
        query = parse_qs(request.query, keep_blank_values=True)
        problems: list[str] = []
        page = _parameter(query, "page", 1, None, problems)
        size = _parameter(query, "page_size", default, cap, problems)
        if problems:
            raise RefusalError(422, "; ".join(problems))
        return cls(page, size)

    @property
    def items(self) -> slice:
        """Where the page's items are in the whole list."""
        return slice((self.page - 1) * self.size, self.page * self.size)

    def described(self, total: int) -> dict[str, Any]:
        """The answer's `pagination`."""
        pages = math.ceil(total / self.size)
        return {
            "total": total,
            "currentPage": self.page if total else 0,
            "totalPages": pages,
            "hasNextPage": self.page < pages,
            "hasPreviousPage": bool(total) and self.page > 1,
            "page_size": self.size,
        }


class Throttle:
    """Lets so many requests through in a second."""

    def __init__(self, requests_per_s: float | None) -> None:
        self._rate = requests_per_s
        self._burst = self._left = max(1.0, requests_per_s or 0)
        self._filled = time.monotonic()
        self._lock = threading.Lock()

    def admit(self) -> None:
        """Counts a request, or refuses it and says when to come back."""
        if self._rate is None:
            return
        with self._lock:
            now = time.monotonic()
            self._left = min(self._burst, self._left + (now - self._filled) * self._rate)
            self._filled = now
            if self._left < 1:
                wait_s = math.ceil((1 - self._left) / self._rate)
                raise RefusalError(429, "Too many requests.", Retry_After=str(wait_s))
            self._left -= 1


def _parameter(query: dict[str, list[str]], name: str, default: int, cap: int | None, problems: list[str]) -> int:
    text = query.get(name, [str(default)])[-1]
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        problems.append(f"query.{name}: Input should be a valid integer")
        return default
    value = int(text)
    if value < 1:
        problems.append(f"query.{name}: Input should be greater than or equal to 1")
    elif cap is not None and value > cap:
        problems.append(f"query.{name}: Input should be less than or equal to {cap}")
    return value
