"""Presigned links: Signature Version 4 in the query string, made and checked to the byte."""

from __future__ import annotations

import calendar
import hashlib
import hmac
import math
import re
import time
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from ninepic_cli.sandbox.messages import Request


BUCKET = "originals"
ACCESS_KEY_ID = "4f1d8c0b7e2a49f3a6d5c81e90b7f263"
SECRET_KEY = "d1e5a7c9b3f2408e96a4c7d0e8b1f5a293c6d7e4f0a1b2c3d4e5f60718293a4b"  # noqa: S105 -- a stand-in's own
SIGNED_HEADERS = "&X-Amz-SignedHeaders=host&x-id=GetObject"
# X-Amz-Date has whole seconds. The true moment is kept for links that live so short that this matters.
EXACT_BELOW_S = 300
WHEN = re.compile(r"&X-Amz-Date=(\w{16})&X-Amz-Expires=(\d{1,9})&", re.ASCII)


class Verdict(Enum):
    """What a link is worth."""

    GOOD = "good"
    UNSIGNED = "unsigned"
    MISMATCH = "mismatch"
    EXPIRED = "expired"


class Links:
    """Makes and checks the links to one store.

    Attributes:
        life_s: How long links live unless told otherwise.
    """

    def __init__(self, *, life_s: float, clock_offset_s: float = 0) -> None:
        self.life_s = life_s
        self._origin = ""
        self._host = ""
        # Wall-clock time is reckoned from the monotonic clock, so that a clock that is set does not age the links.
        self._epoch = time.time() - time.monotonic() + clock_offset_s
        self._exact: dict[str, float] = {}

    def point_to(self, origin: str) -> None:
        """Sets the store's origin, such as `http://127.0.0.1:8081`."""
        self._origin = origin
        self._host = origin.partition("://")[2]

    def address(self, key: str) -> str:
        """Where the object with this key is; without a signature, nobody gets it."""
        return f"{self._origin}{quote(f'/{BUCKET}/{key}', safe='/~')}"

    def link(self, key: str, life_s: float | None = None) -> str:
        """Makes a link to the object with this key that lives for so many seconds."""
        life_s = self.life_s if life_s is None else life_s
        path = quote(f"/{BUCKET}/{key}", safe="/~")
        now = self._now()
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        query, signature = _signed(path, date, str(max(1, math.ceil(life_s))), self._host)
        if life_s < EXACT_BELOW_S:
            self._exact[signature] = now + life_s
        return f"{self._origin}{path}?{query}"

    def verdict(self, request: Request) -> Verdict:
        """Tells what the link that was requested is worth."""
        if "X-Amz-Signature=" not in request.query:
            return Verdict.UNSIGNED
        said = WHEN.search(request.query)
        issued = _seconds(said[1]) if said else None
        if said is None or issued is None:
            return Verdict.MISMATCH
        date, life = said.groups()
        expected, proper = _signed(request.path, date, life, request.headers.get("host", ""), request.method)
        # The whole query is compared, not the signature alone: a reordered query is not the one that was signed.
        if not hmac.compare_digest(expected.encode(), request.query.encode()):
            return Verdict.MISMATCH
        deadline = self._exact.get(proper, issued + int(life) + 1)
        return Verdict.GOOD if self._now() < deadline else Verdict.EXPIRED

    def _now(self) -> float:
        return self._epoch + time.monotonic()


def _signed(path: str, date: str, life: str, host: str, method: str = "GET") -> tuple[str, str]:
    """The query that makes a link of a path, and the signature in it."""
    day = date[:8]
    query = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD"
        f"&X-Amz-Credential={ACCESS_KEY_ID}%2F{day}%2Fauto%2Fs3%2Faws4_request"
        f"&X-Amz-Date={date}&X-Amz-Expires={life}"
    )
    canonical = f"{method}\n{path}\n{query}{SIGNED_HEADERS}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{date}\n{day}/auto/s3/aws4_request\n{digest}"
    signature = _hmac(_signing_key(day), to_sign).hex()
    return f"{query}&X-Amz-Signature={signature}{SIGNED_HEADERS}", signature


@lru_cache(maxsize=8)
def _signing_key(day: str) -> bytes:
    key = f"AWS4{SECRET_KEY}".encode()
    for part in (day, "auto", "s3", "aws4_request"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


@lru_cache(maxsize=64)
def _seconds(date: str) -> float | None:
    """The moment that an `X-Amz-Date` names, in seconds since the epoch."""
    try:
        return float(calendar.timegm(time.strptime(date, "%Y%m%dT%H%M%SZ")))
    except ValueError:
        return None
