"""What the storage's answers are taken to mean."""

import hashlib
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninepic_cli.download.s3 import (
    announced_length,
    first_bytes,
    is_expiry,
    md5_of,
    modified_s,
    range_offset,
    strong_etag,
    usable_link,
    why_not_a_photo,
    xml_error,
)
from ninepic_cli.errors import PhotoError

MD5 = "9e107d9d372bb6826bd81d3542a419d6"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01"
SIZES = st.integers(min_value=0, max_value=10**17)


@pytest.mark.parametrize(
    "url",
    [
        "https://acc.r2.cloudflarestorage.com/b/a.jpg?X-Amz-Signature=1",
        "HTTPS://acc.r2.cloudflarestorage.com/b/a.jpg",
        "https://[2001:db8::1]:8443/a.jpg",
        "http://127.0.0.1:8080/a.jpg",
        "http://127.9.9.9/a.jpg",
        "http://localhost/a.jpg",
        "http://[::1]:8080/a.jpg",
    ],
)
def test_links_that_are_used(url: str) -> None:
    """A link by https, or by http to this machine, is used as it stands."""
    assert usable_link(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://acc.r2.cloudflarestorage.com/b/a.jpg",
        "http://127.0.0.1@example.com/a.jpg",
        "http://127.0.0.1.example.com/a.jpg",
        "http://localhost.example.com/a.jpg",
        "http://0.0.0.0/a.jpg",
        "ftp://127.0.0.1/a.jpg",
        "file:///etc/passwd",
        "//127.0.0.1/a.jpg",
        "/a.jpg",
        "",
        "https://[::1/a.jpg",
        "https:///a.jpg",
        "https://:8443/a.jpg",
        "https:a.jpg",
    ],
)
def test_links_that_are_not_used(url: str) -> None:
    """Anything else, plain http to another machine first of all, is the photo's error and is not shown."""
    with pytest.raises(PhotoError) as caught:
        usable_link(url)
    assert caught.value.code == "unusable_link"
    assert not url or url not in caught.value.message


@given(st.text(st.sampled_from(string.ascii_lowercase + string.digits + ".-"), min_size=1))
def test_plain_http_stays_on_this_machine(host: str) -> None:
    """No name but the loopback ones is spoken to by plain http."""
    try:
        usable_link(f"http://{host}/a.jpg")
    except PhotoError:
        return
    assert host.rstrip(".") == "localhost" or host.startswith("127.")


@pytest.mark.parametrize(
    ("etag", "expected"),
    [
        (f'"{MD5}"', f'"{MD5}"'),
        (f'"{MD5}-2"', f'"{MD5}-2"'),
        ('"any!thing"', '"any!thing"'),
        (f'W/"{MD5}"', None),
        (f'w/"{MD5}"', None),
        (MD5, None),
        ("", None),
        (None, None),
        ('"é"', None),
        ('"a\nb"', None),
        ('"a\x7f"', None),
    ],
)
def test_strong_etag(etag: str | None, expected: str | None) -> None:
    """Only a strong ETag that can be sent back names exact bytes."""
    assert strong_etag(etag) == expected


@pytest.mark.parametrize(
    ("etag", "expected"),
    [
        (f'"{MD5}"', MD5),
        (f'"{MD5.upper()}"', MD5),
        (f'"{MD5}-2"', None),
        (f'"{MD5}0"', None),
        (f'"{MD5[:-1]}"', None),
        (f'"{MD5[:-1]}g"', None),
        (f'W/"{MD5}"', None),
        (f' "{MD5}"', None),
        (f'"{MD5}"\n', None),
        (MD5, None),
        ('""', None),
        ("", None),
        (None, None),
    ],
)
def test_md5_of(etag: str | None, expected: str | None) -> None:
    """A strong ETag of 32 hexadecimal digits and nothing else is an MD5."""
    assert md5_of(etag) == expected


@given(st.binary())
def test_md5_of_any_bytes(data: bytes) -> None:
    """The quoted MD5 of any bytes is known for what it is, in either case of letters, and a multipart one never."""
    digest = hashlib.md5(data).hexdigest()
    assert md5_of(f'"{digest}"') == md5_of(f'"{digest.upper()}"') == digest
    assert md5_of(f'"{digest}-{len(data) + 1}"') is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("200000", 200_000),
        ("007", 7),
        (str(10**17), 10**17),
        ("-1", None),
        ("+1", None),
        ("1.5", None),
        ("1e3", None),
        ("5, 5", None),
        ("٣", None),
        ("", None),
        ("9" * 19, None),
        ("9" * 5000, None),
    ],
)
def test_announced_length(text: str, expected: int | None) -> None:
    """A length is a plain whole number of a sane size; anything else is none."""
    assert announced_length({"content-length": text}) == expected
    assert announced_length({}) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes 0-99/100", (0, 100)),
        ("bytes 50-99/100", (50, 100)),
        ("bytes 99-99/100", (99, 100)),
        ("bytes 50-98/100", None),
        ("bytes 50-100/100", None),
        ("bytes 100-99/100", None),
        ("bytes 50-99/*", None),
        ("bytes */100", None),
        ("bytes 50-/100", None),
        ("bytes=50-99/100", None),
        ("bytes 50-99/100, bytes 0-1/100", None),
        ("lines 50-99/100", None),
        ("50-99/100", None),
        ("", None),
    ],
)
def test_range_offset(text: str, expected: tuple[int, int] | None) -> None:
    """Only a range that is said to reach to the object's end has an offset."""
    assert range_offset({"content-range": text}) == expected
    assert range_offset({}) is None


@given(SIZES, SIZES)
def test_range_offset_of_any_tail(first: int, length: int) -> None:
    """Every proper tail of every object is understood."""
    total = first + length + 1
    assert range_offset({"content-range": f"bytes {first}-{total - 1}/{total}"}) == (first, total)


@given(SIZES, SIZES, SIZES)
def test_range_offset_is_never_beside_the_point(first: int, last: int, total: int) -> None:
    """Whatever numbers a range has, what is understood lies inside the object and ends with it."""
    if fit := range_offset({"content-range": f"bytes {first}-{last}/{total}"}):
        assert fit == (first, total)
        assert first <= last == total - 1


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (JPEG, "image/jpeg"),
        (JPEG, "application/octet-stream"),
        (JPEG, ""),
        (JPEG, "text/html"),
        (JPEG, "application/xml"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "image/png"),
        (b"\x00\x00\x00\x18ftypheic", "image/heic"),
        (b"II*\x00\x10\x00\x00\x00", "application/octet-stream"),
    ],
)
def test_photos_are_photos(head: bytes, kind: str) -> None:
    """A JPEG is a photo whatever the store calls it, and other pictures are not turned away."""
    assert why_not_a_photo(head, kind) is None


@pytest.mark.parametrize(
    ("head", "kind", "word"),
    [
        (b"", "image/jpeg", "empty"),
        (b"<!DOCTYPE html>", "application/octet-stream", "web page or XML"),
        (b"<html>", "", "web page or XML"),
        (b"\n\t  <html>", "image/jpeg", "web page or XML"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>", "image/jpeg", "web page or XML"),
        (b"\xef\xbb\xbf \r\n<Error>", "image/jpeg", "web page or XML"),
        (b"Please log in", "text/html; charset=utf-8", "text/html"),
        (b"Please log in", "TEXT/HTML", "TEXT/HTML"),
        (b"\xff\xfe<\x00h\x00t\x00m\x00l\x00", "text/html; charset=utf-16", "text/html"),
        (b"Error", "application/xhtml+xml", "xhtml"),
        (b"Error", "text/xml", "text/xml"),
        (b'{"message": "no"}', "application/json", "application/json"),
        (b'{"message": "no"}', "application/problem+json", "problem+json"),
    ],
)
def test_pages_are_not_photos(head: bytes, kind: str, word: str) -> None:
    """A web page, XML, JSON and nothing at all are told from a photo, with the reason."""
    assert word in (why_not_a_photo(head, kind) or "")


@given(st.binary(), st.text(max_size=40))
def test_jpegs_are_never_turned_away(rest: bytes, kind: str) -> None:
    """No content type and no continuation makes a JPEG anything else."""
    assert why_not_a_photo(b"\xff\xd8\xff" + rest, kind) is None


@given(st.lists(st.binary(min_size=1, max_size=40)))
def test_first_bytes_lose_nothing(chunks: list[bytes]) -> None:
    """The first bytes and what is left of the chunks are the body, and the first ones are enough to judge by."""
    rest = iter(chunks)
    head = first_bytes(rest)
    left = b"".join(rest)
    assert head + left == b"".join(chunks)
    assert len(head) >= 16 or not left


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"<Error><Code>NoSuchKey</Code><Message>Gone.</Message></Error>", "NoSuchKey", "Gone."),
        (b'<?xml version="1.0"?>\n<Error xmlns="urn:x">\n <Code> SlowDown </Code>\n</Error>', "SlowDown", ""),
        (b"<Error><Message>\xff</Message></Error>", "", "�"),
        (b"<Error><Code></Code></Error>", "", ""),
        (b"<Error><Code>a b</Code></Error>", "", ""),
        (b"<Error><Code>AuthorizationQueryParametersError</Code></Error>", "AuthorizationQueryParametersError", ""),
        (b"<Error><Code>InvalidURI</Code></Error>", "InvalidURI", ""),
        (b"<Error><Code>" + b"A" * 40 + b"</Code></Error>", "", ""),
        (b"<Error><Code>" + b"Aa" * 20 + b"</Code></Error>", "", ""),
        (b"<Error><Code>deadbeef</Code></Error>", "", ""),
        (b"<Error><Code>4f1d9ae0</Code></Error>", "", ""),
        (b"<html><body>403 Forbidden</body></html>", "", ""),
        (b'{"code": "NoSuchKey"}', "", ""),
        (b"", "", ""),
    ],
)
def test_xml_error(body: bytes, code: str, message: str) -> None:
    """An S3 error has a code that is a word, and a message; everything else has neither."""
    assert xml_error(body) == (code, message)


@given(st.binary(max_size=2000))
def test_xml_error_takes_anything(body: bytes) -> None:
    """Whatever a body holds, it is read without a failure and gives a word or nothing."""
    code, _ = xml_error(body)
    assert not code or code.isalnum()


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        ("ExpiredRequest", "The presigned URL has expired.", True),
        ("ExpiredRequest", "", True),
        ("AccessDenied", "Request has expired", True),
        ("AccessDenied", "REQUEST HAS EXPIRED", True),
        ("AccessDenied", "Access Denied.", False),
        ("AccessDenied", "", False),
        ("SignatureDoesNotMatch", "The link has expired", False),
        ("ExpiredToken", "The provided token has expired.", False),
        ("", "Request has expired", False),
    ],
)
def test_is_expiry(code: str, message: str, expected: bool) -> None:
    """R2's code, or S3's code together with its words, speak of a link's age, and nothing else does."""
    assert is_expiry(code, message) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sun, 14 Sep 2025 09:00:00 GMT", 1_757_840_400.0),
        ("Sunday, 14-Sep-25 09:00:00 GMT", 1_757_840_400.0),
        ("Sun, 14 Sep 2025 11:00:00 +0200", 1_757_840_400.0),
        ("Tue, 01 Jan 1980 00:00:00 GMT", 315_532_800.0),
        ("Mon, 31 Dec 1979 23:59:59 GMT", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("Sat, 01 Jan 2101 00:00:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
        ("Sun, 14 Sep 20255 09:00:00 GMT", None),
        ("Sun, 99 Sep 2025 09:00:00 GMT", None),
        ("2025-09-14", None),
        ("yesterday", None),
        ("0", None),
        ("", None),
    ],
)
def test_modified(text: str, expected: float | None) -> None:
    """A date that some clock can have meant is taken, and any other is ignored."""
    assert modified_s({"last-modified": text}) == expected
    assert modified_s({}) is None


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="needs a system whose time zone can be set")
@pytest.mark.parametrize("text", ["Sun, 14 Sep 2025 09:00:00 -0000", "Sun Sep 14 09:00:00 2025"])
def test_modified_without_a_zone(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A date without a zone is UTC, wherever this machine stands."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "America/New_York")
        time.tzset()
        moment = modified_s({"last-modified": text})
    time.tzset()
    assert moment == 1_757_840_400.0


@given(st.text(max_size=60))
def test_modified_takes_anything(text: str) -> None:
    """Whatever stands in the header, the time is sane or none."""
    moment = modified_s({"last-modified": text})
    assert moment is None or 315_532_800 <= moment <= 4_102_444_800
