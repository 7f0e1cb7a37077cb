"""How much the API gives at a time: pages and the rate of requests."""

from __future__ import annotations

import math
import re
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ninepic_cli.sandbox.wire import JsonObject, Request


class ApiError(Exception):
    """A request is answered with an error."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@dataclass(frozen=True)
class Page:
    """A page of a listing: which one, from 1, and how many items each has."""

    number: int
    size: int

    @classmethod
    def from_request(cls, request: Request, default_size: int, max_size: int, other_number: int | None = None) -> Page:
        """Reads and checks the query; `other_number`, if any, takes the place of the page that it asks for."""
        parameters = request.parameters()
        problems: list[str] = []
        number = _parse_int(parameters, "page", 1, math.inf, problems)
        size = _parse_int(parameters, "page_size", default_size, max_size, problems)
        if problems:
            raise ApiError(422, "; ".join(problems))
        return cls(other_number or number, size)

    @property
    def items(self) -> slice:
        """Where the page's items are in the whole list."""
        return slice((self.number - 1) * self.size, self.number * self.size)

    def pagination(self, total: int) -> JsonObject:
        """The response's `pagination`, for so many items on all pages."""
        pages = math.ceil(total / self.size)
        return {
            "total": total,
            "currentPage": self.number if total else 0,
            "totalPages": pages,
            "hasNextPage": self.number < pages,
            "hasPreviousPage": bool(total) and self.number > 1,
            "page_size": self.size,
        }


class RateLimiter:
    """Accepts so many requests in a second; None for any number."""

    def __init__(self, requests_per_s: float | None) -> None:
        self._rate = requests_per_s
        self._burst = self._left = max(1.0, requests_per_s or 0)
        self._filled = time.monotonic()
        self._lock = threading.Lock()

    def acquire(self) -> None:
        """Counts a request, or refuses it and says when to come back."""
        if self._rate is None:
            return
        with self._lock:
            now = time.monotonic()
            self._left = min(self._burst, self._left + (now - self._filled) * self._rate)
            self._filled = now
            if self._left < 1:
                wait_s = math.ceil((1 - self._left) / self._rate)
                raise ApiError(429, "Too many requests.", Retry_After=str(wait_s))
            self._left -= 1


def _parse_int(parameters: dict[str, list[str]], name: str, default: int, most: float, problems: list[str]) -> int:
    text = parameters.get(name, [str(default)])[-1]
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        problems.append(f"query.{name}: Input should be a valid integer")
        return default
    value = int(text)
    if value < 1:
        problems.append(f"query.{name}: Input should be greater than or equal to 1")
    elif value > most:
        problems.append(f"query.{name}: Input should be less than or equal to {most}")
    return value
