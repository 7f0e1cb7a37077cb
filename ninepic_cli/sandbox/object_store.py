"""The object store: presigned links, conditional and ranged GETs, and what it answers."""

from __future__ import annotations

import calendar
import hashlib
import hmac
import itertools
import math
import re
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from ninepic_cli.sandbox.wire import BytesContent, PartialContent, Response, http_date

if TYPE_CHECKING:
    from ninepic_cli.sandbox.data import StoredPhoto, World
    from ninepic_cli.sandbox.faults import Fault
    from ninepic_cli.sandbox.wire import Content, Request


BUCKET = "originals"
ACCESS_KEY_ID = "4f1d8c0b7e2a49f3a6d5c81e90b7f263"
SECRET_KEY = "d1e5a7c9b3f2408e96a4c7d0e8b1f5a293c6d7e4f0a1b2c3d4e5f60718293a4b"  # noqa: S105 -- a stand-in's own
QUERY_END = "&X-Amz-SignedHeaders=host&x-id=GetObject"
# X-Amz-Date has whole seconds. The true moment is kept for links that live so short that this matters.
EXACT_BELOW_S = 300
SIGNED_PERIOD = re.compile(r"&X-Amz-Date=(\w{16})&X-Amz-Expires=(\d{1,9})&", re.ASCII)
RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
WRONG_RANGE_OFFSET = 1000
# What an error status says when nothing more is known than the status.
ERRORS = {
    400: ("InvalidArgument", "Invalid Argument."),
    403: ("AccessDenied", "Access Denied."),
    404: ("NoSuchKey", "The specified key does not exist."),
    412: ("PreconditionFailed", "At least one of the pre-conditions you specified did not hold."),
    416: ("InvalidRange", "The requested range is not satisfiable."),
    429: ("TooManyRequests", "Please reduce your request rate."),
    500: ("InternalError", "We encountered an internal error. Please try again."),
    503: ("ServiceUnavailable", "Service is temporarily unavailable. Please try again."),
}
LinkStatus = Literal["valid", "unsigned", "mismatch", "expired"]
LINK_ERRORS: dict[LinkStatus, tuple[int, str, str]] = {
    "unsigned": (403, *ERRORS[403]),
    "mismatch": (403, "SignatureDoesNotMatch", "The request signature we calculated does not match."),
}
EXPIRED = {
    "r2": (403, "ExpiredRequest", "The presigned URL has expired."),
    "r2-400": (400, "ExpiredRequest", "The presigned URL has expired."),
    "s3": (403, "AccessDenied", "Request has expired"),
}


class Presigner:
    """Makes and checks the presigned links to one store: Signature Version 4 in the query string, to the byte.

    Attributes:
        life_s: How long links live unless told otherwise.
        origin: The store's origin, such as `http://127.0.0.1:8081`.
    """

    def __init__(self, *, life_s: float, clock_offset_s: float = 0) -> None:
        self.life_s = life_s
        self.origin = ""
        # Wall-clock time is reckoned from the monotonic clock, so that a clock that is set does not age the links.
        self._epoch = time.time() - time.monotonic() + clock_offset_s
        self._exact: dict[str, float] = {}

    def unsigned_url(self, key: str) -> str:
        """The URL of the object with this key; without a signature, nobody gets it."""
        return f"{self.origin}{_object_path(key)}"

    def presign(self, key: str, life_s: float | None = None) -> str:
        """Makes a link to the object with this key that lives for so many seconds."""
        life_s = self.life_s if life_s is None else life_s
        path, host = _object_path(key), self.origin.partition("://")[2]
        now = self._now()
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        query, signature = _sign(path, date, str(max(1, math.ceil(life_s))), host)
        if life_s < EXACT_BELOW_S:
            self._exact[signature] = now + life_s
        return f"{self.origin}{path}?{query}"

    def check(self, request: Request) -> LinkStatus:
        """Checks the link that was requested."""
        if "X-Amz-Signature=" not in request.query:
            return "unsigned"
        period = SIGNED_PERIOD.search(request.query)
        issued = _parse_date(period[1]) if period else None
        if period is None or issued is None:
            return "mismatch"
        date, life = period.groups()
        expected, signature = _sign(request.path, date, life, request.headers.get("host", ""), request.method)
        # The whole query is compared, not the signature alone: a reordered query is not the one that was signed.
        if not hmac.compare_digest(expected.encode(), request.query.encode()):
            return "mismatch"
        deadline = self._exact.get(signature, issued + int(life) + 1)
        return "valid" if self._now() < deadline else "expired"

    def _now(self) -> float:
        return self._epoch + time.monotonic()


def _object_path(key: str) -> str:
    return quote(f"/{BUCKET}/{key}", safe="/~")


def _sign(path: str, date: str, life: str, host: str, method: str = "GET") -> tuple[str, str]:
    """The query that makes a link of a path, and the signature in it."""
    day = date[:8]
    query = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD"
        f"&X-Amz-Credential={ACCESS_KEY_ID}%2F{day}%2Fauto%2Fs3%2Faws4_request"
        f"&X-Amz-Date={date}&X-Amz-Expires={life}"
    )
    canonical = f"{method}\n{path}\n{query}{QUERY_END}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{date}\n{day}/auto/s3/aws4_request\n{digest}"
    signature = _hmac(_signing_key(day), to_sign).hex()
    return f"{query}&X-Amz-Signature={signature}{QUERY_END}", signature


@lru_cache(maxsize=8)
def _signing_key(day: str) -> bytes:
    key = f"AWS4{SECRET_KEY}".encode()
    for part in (day, "auto", "s3", "aws4_request"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


@lru_cache(maxsize=64)
def _parse_date(date: str) -> float | None:
    """The moment that an `X-Amz-Date` names, in seconds since the epoch."""
    try:
        return float(calendar.timegm(time.strptime(date, "%Y%m%dT%H%M%SZ")))
    except ValueError:
        return None


class ObjectStore:
    """Answers requests to the object store."""

    name = "store"

    def __init__(self, world: World, presigner: Presigner, expired_as: str) -> None:
        self._world = world
        self._presigner = presigner
        self._link_errors = {**LINK_ERRORS, "expired": EXPIRED[expired_as]}
        self._rays = itertools.count(1)

    def respond(self, request: Request, fault: Fault) -> Response:
        """Answers a request, with what a fault does to ranges and objects."""
        response = self._check(request, fault) or self._get_object(request, fault)
        ray = hashlib.md5(str(next(self._rays)).encode(), usedforsecurity=False).hexdigest()[:16]
        response.headers.update({"Server": "cloudflare", "cf-ray": f"{ray}-FRA"})
        return response

    def _check(self, request: Request, fault: Fault) -> Response | None:
        """The error that a request gets before the object is looked for."""
        if fault.status is not None:
            return error_response(fault.status)
        rejection = _check_headers(request.headers)
        if rejection:
            return rejection
        error = self._link_errors.get(self._presigner.check(request))
        return error_response(*error) if error else None

    def _get_object(self, request: Request, fault: Fault) -> Response:
        """The object, or a part of it, or what keeps it from being sent."""
        photo = self._world.find_object(unquote(request.path).removeprefix(f"/{BUCKET}/"))
        if photo is None:
            return error_response(404)
        if fault.change_object:
            self._world.replace_object(photo)
        etag, content = self._world.etag(photo), self._world.content(photo)
        headers = _object_headers(photo, etag)
        if not _if_match(request.headers.get("if-match"), etag):
            return error_response(412)
        if _if_none_match(request.headers.get("if-none-match"), etag):
            return Response(304, headers)
        response = _respond_range(request.headers.get("range", ""), content, headers, fault)
        # As Cloudflare's edge, which announces no length where it might compress.
        response.is_chunked = response.status < 300 and request.headers.get("accept-encoding") != "identity"
        return response


def _check_headers(headers: dict[str, str]) -> Response | None:
    """The error for a header field that has no business beside a presigned link."""
    if "x-api-key" in headers:
        return error_response(400, message="Unexpected header: X-API-Key.")
    if "authorization" in headers:
        return error_response(400, message="Only one auth mechanism allowed.")
    if any(name.startswith("x-amz-") for name in headers):
        return error_response(403, message="There were headers present in the request which were not signed.")
    return None


def error_response(status: int, code: str = "", message: str = "") -> Response:
    """An error document, or an empty answer for a status that is no error."""
    if status < 400:
        return Response(status)
    default = ERRORS.get(status, ("InternalError" if status >= 500 else "InvalidRequest", "Error."))
    details = f"<Code>{code or default[0]}</Code><Message>{escape(message or default[1])}</Message>"
    document = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{details}</Error>'
    return Response(status, {"Content-Type": "application/xml"}, BytesContent(document.encode()))


def _object_headers(photo: StoredPhoto, etag: str | None) -> dict[str, str]:
    headers = {"Content-Type": photo.content_type, "Accept-Ranges": "bytes"}
    if etag is not None:
        headers["ETag"] = etag
    if isinstance(photo.last_modified, str):
        headers["Last-Modified"] = photo.last_modified
    elif photo.last_modified is not None:
        headers["Last-Modified"] = http_date(photo.last_modified)
    return headers


def _if_match(condition: str | None, etag: str | None) -> bool:
    """Tells whether a condition holds, by the strong comparison: a weak ETag matches nothing."""
    if condition is None or condition.strip() == "*":
        return True
    return etag is not None and not etag.startswith("W/") and etag in _etags(condition)


def _if_none_match(condition: str | None, etag: str | None) -> bool:
    """Tells whether the client has the object, by the weak comparison."""
    if condition is None or etag is None:
        return False
    known = {each.removeprefix("W/") for each in _etags(condition)}
    return condition.strip() == "*" or etag.removeprefix("W/") in known


def _etags(condition: str) -> list[str]:
    return [each.strip() for each in condition.split(",")]


def _respond_range(wanted: str, content: Content, headers: dict[str, str], fault: Fault) -> Response:
    """The content or the part of it that a Range header wants."""
    requested = RANGE.fullmatch(wanted.strip())
    if fault.ignore_range or not requested or not any(requested.groups()):
        return Response(200, headers, content)
    span = _byte_range(requested[1], requested[2], content.size)
    if not span:
        return error_response(416)
    if fault.wrong_range:
        start = span.start // 2 if span.start else min(WRONG_RANGE_OFFSET, span.stop - 1)
        span = range(start, span.stop)
    headers = {**headers, "Content-Range": f"bytes {span.start}-{span.stop - 1}/{content.size}"}
    return Response(206, headers, PartialContent(content, span))


def _byte_range(first: str, last: str, size: int) -> range:
    """The bytes that a range names of so many; empty when it cannot be satisfied."""
    if not first:
        return range(max(0, size - int(last)), size)
    return range(int(first), min(size, int(last) + 1) if last else size)
