"""The object store: what it checks of a link and of a conditional or ranged GET, and what it answers."""

from __future__ import annotations

import hashlib
import itertools
import re
from email.utils import formatdate
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote
from xml.sax.saxutils import escape

from ninepic_cli.sandbox.links import BUCKET, Links, Verdict
from ninepic_cli.sandbox.messages import Answer, Part, Plain

if TYPE_CHECKING:
    from ninepic_cli.sandbox.data import StoredPhoto, World
    from ninepic_cli.sandbox.faults import Fault
    from ninepic_cli.sandbox.messages import Content, Request


RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
WRONG_BY = 1000
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
EXPIRED = {
    "r2": (403, "ExpiredRequest", "The presigned URL has expired."),
    "r2-400": (400, "ExpiredRequest", "The presigned URL has expired."),
    "s3": (403, "AccessDenied", "Request has expired"),
}


class Store:
    """Answers requests to the object store."""

    name = "store"

    def __init__(self, world: World, links: Links, *, expired_as: str = "r2") -> None:
        self._world = world
        self._links = links
        self._expired = EXPIRED[expired_as]
        self._rays = itertools.count(1)

    def answer(self, request: Request, fault: Fault) -> Answer:
        """Answers a request, with what a fault does to ranges and objects."""
        answer = self._refusal(request, fault) or self._object(request, fault)
        ray = hashlib.md5(str(next(self._rays)).encode(), usedforsecurity=False).hexdigest()[:16]
        answer.headers.update({"Server": "cloudflare", "cf-ray": f"{ray}-FRA"})
        return answer

    def _refusal(self, request: Request, fault: Fault) -> Answer | None:
        """The error that a request gets before the object is looked for."""
        if fault.status is not None:
            return error(fault.status)
        unwelcome = _unwelcome(request.headers)
        if unwelcome:
            return unwelcome
        verdict = self._links.verdict(request)
        if verdict is Verdict.UNSIGNED:
            return error(403)
        if verdict is Verdict.MISMATCH:
            return error(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
        return error(*self._expired) if verdict is Verdict.EXPIRED else None

    def _object(self, request: Request, fault: Fault) -> Answer:
        """The object, or a part of it, or what keeps it from being sent."""
        photo = self._world.photo_at(unquote(request.path).removeprefix(f"/{BUCKET}/"))
        if photo is None:
            return error(404)
        if fault.change_object:
            self._world.change(photo)
        etag, content = self._world.etag(photo), self._world.content(photo)
        headers = _described(photo, etag)
        if not _if_match(request.headers.get("if-match"), etag):
            return error(412)
        if _if_none_match(request.headers.get("if-none-match"), etag):
            return Answer(304, headers)
        answer = _ranged(request.headers.get("range", ""), content, headers, fault)
        # As Cloudflare's edge, which announces no length where it might compress.
        answer.lengthless = answer.status < 300 and request.headers.get("accept-encoding") != "identity"
        return answer


def _unwelcome(headers: dict[str, str]) -> Answer | None:
    """The error for a header field that has no business beside a presigned link."""
    if "x-api-key" in headers:
        return error(400, message="Unexpected header: X-API-Key.")
    if "authorization" in headers:
        return error(400, message="Only one auth mechanism allowed.")
    if any(name.startswith("x-amz-") for name in headers):
        return error(403, message="There were headers present in the request which were not signed.")
    return None


def error(status: int, code: str = "", message: str = "") -> Answer:
    """An error document, or an empty answer for a status that is no error."""
    if status < 400:
        return Answer(status)
    usual = ERRORS.get(status, ("InternalError" if status >= 500 else "InvalidRequest", "Error."))
    words = f"<Code>{code or usual[0]}</Code><Message>{escape(message or usual[1])}</Message>"
    document = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{words}</Error>'
    return Answer(status, {"Content-Type": "application/xml"}, Plain(document.encode()))


def _described(photo: StoredPhoto, etag: str | None) -> dict[str, str]:
    headers = {"Content-Type": photo.content_type, "Accept-Ranges": "bytes"}
    if etag is not None:
        headers["ETag"] = etag
    if isinstance(photo.last_modified, str):
        headers["Last-Modified"] = photo.last_modified
    elif photo.last_modified is not None:
        headers["Last-Modified"] = _date(photo.last_modified)
    return headers


@lru_cache(maxsize=64)
def _date(moment: float) -> str:
    return formatdate(moment, usegmt=True)


def _if_match(condition: str | None, etag: str | None) -> bool:
    """Tells whether a condition holds, by the strong comparison: a weak ETag matches nothing."""
    if condition is None or condition.strip() == "*":
        return True
    return etag is not None and not etag.startswith("W/") and etag in _etags(condition)


def _if_none_match(condition: str | None, etag: str | None) -> bool:
    """Tells whether the client has the object, by the weak comparison."""
    if condition is None or etag is None:
        return False
    return condition.strip() == "*" or etag.removeprefix("W/") in {
        each.removeprefix("W/") for each in _etags(condition)
    }


def _etags(condition: str) -> list[str]:
    return [each.strip() for each in condition.split(",")]


def _ranged(wanted: str, content: Content, headers: dict[str, str], fault: Fault) -> Answer:
    """The content or the part of it that a Range header wants."""
    found = RANGE.fullmatch(wanted.strip())
    if fault.ignore_range or not found or not any(found.groups()):
        return Answer(200, headers, content)
    span = _span(found[1], found[2], content.size)
    if not span:
        return error(416)
    if fault.wrong_range:
        start = span.start // 2 if span.start else min(WRONG_BY, span.stop - 1)
        span = range(start, span.stop)
    headers = {**headers, "Content-Range": f"bytes {span.start}-{span.stop - 1}/{content.size}"}
    return Answer(206, headers, Part(content, span.start, span.stop))


def _span(first: str, last: str, size: int) -> range:
    """The bytes that a range names of so many; empty when it cannot be satisfied."""
    if not first:
        return range(max(0, size - int(last)), size)
    return range(int(first), min(size, int(last) + 1) if last else size)
