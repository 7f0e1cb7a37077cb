"""What the store's responses mean: pure functions of links, headers and first bytes, and the errors of refusals.

R2 and S3 sign a presigned link for GET only; `Range` and `If-Match` may be added unsigned, `If-Range` is not
documented; an ETag of 32 hexadecimal digits is the MD5 of the object, one of a multipart upload is not.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from ninepic_cli.errors import MissingError, NinepicError, PhotoError
from ninepic_cli.net.connection import Response
from ninepic_cli.net.proxies import is_loopback
from ninepic_cli.net.retry import http_date, retryable_error

_ERROR_BYTES = 64 << 10  # of an error's body that are read
HEAD_BYTES = 16  # enough to tell a photo from a page
LARGEST_PHOTO = 10**9  # bytes; an original is some 25 MB
_MD5 = re.compile(r'"([0-9a-fA-F]{32})"')
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
# S3's and R2's codes are a few capitalised words (`NoSuchKey`, `InvalidURI`); anything else may be a part of the link.
_XML_CODE = re.compile(rb"<Code>\s*((?:[A-Z]{1,4}[a-z]{1,20}){1,6}[A-Z]{0,4})\s*</Code>")
_XML_MESSAGE = re.compile(rb"<Message>([^<]{0,500})</Message>")
_JPEG = b"\xff\xd8\xff"
_STARTS = (_JPEG, b"\x89PNG\r\n\x1a\n", b"RIFF", b"II*\0", b"MM\0*")
_EARLIEST_S, _LATEST_S = 315532800, 4102444800  # 1980 (the first year of FAT and ZIP) to 2100


class LinkExpiredError(NinepicError):
    """The store refuses the link for its age."""


def usable_link(url: str, *, may_be_plain: bool = True) -> str:
    """The link, if it may be used: https, or http to this machine if the service is on it, too."""
    with suppress(ValueError):
        parts = urlsplit(url)
        host = parts.hostname or ""
        if host and (parts.scheme == "https" or (parts.scheme == "http" and may_be_plain and is_loopback(host))):
            return url
    raise PhotoError("its download link is not https; refusing to use it", code="unusable_link")


def strong_etag(etag: str | None) -> str | None:
    """The ETag if it names exact bytes (RFC 9110, 8.8.3)."""
    return etag if etag and etag.startswith('"') and etag.isascii() and etag.isprintable() else None


def md5_of(etag: str | None) -> str | None:
    """The MD5 that an ETag is, in lower-case hexadecimal; None where it is none."""
    match = _MD5.fullmatch(etag or "")
    return match[1].lower() if match else None


def announced_length(headers: Mapping[str, str]) -> int | None:
    """The body's length in bytes, where the response tells it."""
    text = headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def is_encoded(headers: Mapping[str, str]) -> bool:
    """Whether the body is said to be compressed, or otherwise encoded; often it is not."""
    return headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}


def first_bytes(chunks: Iterator[bytes | memoryview]) -> bytes:
    """The first chunks of a body, as many as it takes to tell a photo from a page."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= HEAD_BYTES:
            break
    return head


def why_not_a_photo(head: bytes, content_type: str, *, is_encoded: bool = False) -> str | None:
    """Why a response is not a photo, by its first bytes and type; None where nothing speaks against it.

    One that is said to be compressed (`is_encoded`) has to look like a photo all the same.
    """
    if not head:
        return "empty body"
    if head.startswith(_JPEG):
        return None
    if is_encoded and not head.startswith(_STARTS) and head[4:8] != b"ftyp":
        return "compressed body"
    if any(kind in content_type.lower() for kind in ("text/", "html", "xml", "json")):
        return f"content type {content_type.partition(';')[0].strip()[:60]}"
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        return "a web page or XML"
    return None


def xml_error(body: bytes) -> tuple[str, str]:
    """The code and message of an S3 error; two empty strings where it is none.

    The message is never shown: for some codes it repeats parts of the link.
    """
    code, message = _XML_CODE.search(body), _XML_MESSAGE.search(body)
    return code[1].decode() if code else "", message[1].decode(errors="replace") if message else ""


def is_expiry(code: str, message: str) -> bool:
    """Whether an S3 error says that download link expired (R2: `ExpiredRequest`; S3: `AccessDenied` and words)."""
    return code == "ExpiredRequest" or (code == "AccessDenied" and "expired" in message.lower())


def rejection(response: Response) -> tuple[NinepicError, bool]:
    """The error that a response means which has neither photo nor part, and whether the store itself says so.

    Else something in between answered, or the store is not well.
    """
    status = response.status
    if error := retryable_error(status, response.headers, sender="storage"):
        return error, False
    if 300 <= status < 400:
        return PhotoError("storage returned a redirect (not followed)", code="redirect"), False
    code, message = xml_error(response.body(_ERROR_BYTES))
    if status in {400, 403} and is_expiry(code, message):
        return LinkExpiredError("download link expired"), True
    if status == 404:
        return MissingError(f"original not in storage ({code or 'HTTP 404'})"), bool(code)
    word = "forbidden" if status == 403 else f"http_{status}"
    return PhotoError(f"HTTP {status} from storage{f' ({code})' if code else ''}", code=word), bool(code)


def modified_s(headers: Mapping[str, str]) -> float | None:
    """`Last-Modified` in seconds since the epoch, where it is sane."""
    seconds = http_date(headers.get("last-modified", ""))
    return seconds if seconds is not None and _EARLIEST_S <= seconds <= _LATEST_S else None


def range_offset(headers: Mapping[str, str]) -> tuple[int, int] | None:
    """First byte and whole length of a 206 that reaches to the object's end; None for any other."""
    match = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
    if not match:
        return None
    first, last, total = (int(number) for number in match.groups())
    return (first, total) if first <= last == total - 1 else None


def range_total(headers: Mapping[str, str]) -> int | None:
    """The object's length, as the `Content-Range` of any 206 tells it."""
    match = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
    return int(match[3]) if match else None
