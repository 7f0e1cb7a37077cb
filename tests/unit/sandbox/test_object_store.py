"""The store of the stand-in answers as S3 does."""

from __future__ import annotations

import hashlib
import re
import socket
import time
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4QueryAuth  # type: ignore[import-untyped]  # it has no types
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import Credentials  # type: ignore[import-untyped]

from ninepic_cli.sandbox import Sandbox, StoredPhoto, World
from ninepic_cli.sandbox.data import RACE_DAY
from ninepic_cli.sandbox.object_store import ACCESS_KEY_ID, SECRET_KEY
from tests.support.http_client import ask, fetch, fetch_first, first, target


def test_photo_is_served(box: Sandbox) -> None:
    """A photo comes with its length, its MD5 as ETag, its date, its type and a name for the request."""
    reply = fetch_first(box)
    assert (reply.status, reply.body) == (200, box.world.photo_bytes(first(box)))
    assert reply.headers["etag"] == f'"{hashlib.md5(reply.body).hexdigest()}"'
    assert reply.headers["content-length"] == "60000"
    assert reply.headers["content-type"] == "image/jpeg"
    assert reply.headers["accept-ranges"] == "bytes"
    assert reply.headers["cf-ray"]
    assert parsedate_to_datetime(reply.headers["last-modified"]).timestamp() == RACE_DAY


def test_unknown_length_when_compression_is_possible(box: Sandbox) -> None:
    """A client that does not insist on the identity gets no length."""
    reply = fetch_first(box, Accept_Encoding="gzip")
    assert reply.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in reply.headers
    assert reply.body == box.world.photo_bytes(first(box))


def test_http_1_0_client(box: Sandbox) -> None:
    """A client of HTTP/1.0 gets neither chunks nor a connection that stays open."""
    parts = urlsplit(box.link(first(box)))
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as sock:
        sock.sendall(f"GET {target(parts.geturl())} HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode())
        received = b"".join(iter(lambda: sock.recv(65536), b""))
    assert received.endswith(b"\r\n\r\n" + box.world.photo_bytes(first(box)))


@pytest.mark.parametrize(
    ("photo", "etag"),
    [
        (StoredPhoto("p", 3_000, etag="multipart"), r'"[0-9a-f]{32}-2"'),
        (StoredPhoto("p", 3_000, etag="weak"), r'W/"[0-9a-f]{32}"'),
        (StoredPhoto("p", 3_000, etag="none"), ""),
        (StoredPhoto("p", body=b"x"), '"9dd4e461268c8034f5c8564e155c67a6"'),
    ],
)
def test_kinds_of_etag(photo: StoredPhoto, etag: str) -> None:
    """An ETag can be a multipart one, a weak one, missing, or the MD5 of given bytes."""
    with Sandbox(World(photos={"p": photo})) as box:
        assert re.fullmatch(etag, fetch(box.link("p")).headers.get("etag", ""))


def test_type_and_date_are_as_told() -> None:
    """Content type and date can be anything, and the date can be missing."""
    odd = StoredPhoto("odd", 3_000, content_type="application/octet-stream", last_modified="yesterday")
    undated = StoredPhoto("undated", 3_000, last_modified=None)
    with Sandbox(World(photos={"odd": odd, "undated": undated})) as box:
        headers = fetch(box.link("odd")).headers
        assert (headers["content-type"], headers["last-modified"]) == ("application/octet-stream", "yesterday")
        assert "last-modified" not in fetch(box.link("undated")).headers


def test_not_in_store(box: Sandbox) -> None:
    """A photo that the API knows and the store does not is a 404 there."""
    box.world.photos[first(box)].has_object = False
    url = ask(box, {"method": "bib", "identifier": "7"}).data["presigned_urls"][0]["url"]
    reply = fetch(url)
    assert (reply.status, reply.code) == (404, "NoSuchKey")
    assert fetch(box.link("never/heard.of")).code == "NoSuchKey"


def test_signature_is_the_real_one(box: Sandbox) -> None:
    """A link's signature is the one that the official client library computes."""
    url = urlsplit(box.link(first(box)))
    query = dict(pair.split("=") for pair in url.query.split("&"))
    signature = query.pop("X-Amz-Signature")
    request = AWSRequest("GET", f"{box.store_url}{url.path}", {"host": url.netloc}, params={})
    request.context["timestamp"] = query["X-Amz-Date"]
    signer = S3SigV4QueryAuth(Credentials(ACCESS_KEY_ID, SECRET_KEY), "s3", "auto")
    request.params = {name: value.replace("%2F", "/") for name, value in query.items()}
    assert signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request) == signature


def changes(link: str) -> dict[str, str]:
    """A link with one thing about it changed, by what that is."""
    base, _, query = link.partition("?")
    parts = query.split("&")
    signature = next(part for part in parts if part.startswith("X-Amz-Signature"))
    return {
        "path": link.replace("/large/", "/Large/"),
        "encoding of the path": link.replace("/large/", "/l%61rge/"),
        "expiry": link.replace("X-Amz-Expires=3600", "X-Amz-Expires=7200"),
        "signature": link.replace(signature, signature[:-1] + ("0" if signature[-1] != "0" else "1")),
        "order": f"{base}?{'&'.join([parts[1], parts[0], *parts[2:]])}",
        "place of the signature": f"{base}?{'&'.join([*(part for part in parts if part != signature), signature])}",
        "more": link + "&x=1",
        "less": link.removesuffix("&x-id=GetObject"),
        "encoding of the query": link.replace("%2Fauto%2F", "/auto/"),
        "case of an escape": link.replace("%2Fauto", "%2fauto"),
        "date": re.sub(r"X-Amz-Date=\d{8}", "X-Amz-Date=20300101", link),
        "nonsense for a date": re.sub(r"X-Amz-Date=\d{8}T", "X-Amz-Date=20309999T", link),
    }


@pytest.mark.parametrize("what", list(changes("http://x/large/?" + "&".join(["X-Amz-Signature=" + "0" * 64, "a=1"]))))
def test_changed_link_is_refused(box: Sandbox, what: str) -> None:
    """A link of which any byte is changed or moved is refused for its signature."""
    link = box.link(first(box))
    changed = changes(link)[what]
    assert changed != link
    reply = fetch(changed)
    assert (reply.status, reply.code) == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize("method", ["HEAD", "PUT", "POST", "DELETE"])
def test_other_verbs_are_refused(box: Sandbox, method: str) -> None:
    """A link is good for GET alone."""
    reply = fetch(box.link(first(box)), method)
    assert reply.status == 403
    assert reply.code == ("" if method == "HEAD" else "SignatureDoesNotMatch")


def test_another_host_is_refused(box: Sandbox) -> None:
    """The signature covers the host that the request names."""
    assert fetch_first(box, Host="localhost").code == "SignatureDoesNotMatch"


def test_unsigned_request_is_refused(box: Sandbox) -> None:
    """The store serves nobody without a signature."""
    assert fetch(box.link(first(box)).partition("?")[0]).code == "AccessDenied"


@pytest.mark.parametrize(
    ("header", "status", "code"),
    [
        ("X-API-Key", 400, "InvalidArgument"),
        ("Authorization", 400, "InvalidArgument"),
        ("x-amz-date", 403, "AccessDenied"),
        ("X-Amz-Meta-Colour", 403, "AccessDenied"),
    ],
)
def test_unwelcome_headers(box: Sandbox, header: str, status: int, code: str) -> None:
    """The store refuses the API's key and headers that should have been signed."""
    reply = fetch_first(box, **{header: "x"})
    assert (reply.status, reply.code) == (status, code)


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [("r2", 403, "ExpiredRequest"), ("r2-400", 400, "ExpiredRequest"), ("s3", 403, "AccessDenied")],
)
def test_expired_link(form: str, status: int, code: str) -> None:
    """An expired link is refused in the form that was chosen."""
    with Sandbox(World.generate(photos=1), link_life_s=0, expired_as=form) as box:
        reply = fetch_first(box)
    assert (reply.status, reply.code) == (status, code)
    assert b"expired" in reply.body


def test_links_live_as_long_as_they_should(box: Sandbox) -> None:
    """A link is good until its life is over, to a fraction of a second, whenever in a second it was made."""
    for _ in range(2):
        before = time.monotonic()
        link = box.link(first(box), life_s=1)
        after = time.monotonic()
        assert "X-Amz-Expires=1&" in link
        asked = after
        while fetch(link).status == 200:
            assert asked < after + 1.01
            time.sleep(0.01)
            asked = time.monotonic()
        assert time.monotonic() > before + 0.99
        time.sleep(0.3)


def test_clock_of_the_service() -> None:
    """The service's clock may differ from this machine's without any effect on its links."""
    with Sandbox(World.generate(photos=1), clock_offset_s=-86_400) as box:
        link = box.link(first(box), life_s=3600)
        yesterday = time.strftime("%Y%m%d", time.gmtime(time.time() - 86_400))
        assert f"X-Amz-Date={yesterday}" in link
        assert fetch(link).status == 200


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("bytes=59999-", 59_999, 60_000),
        ("bytes=10-99999999", 10, 60_000),
        ("bytes=-5", 59_995, 60_000),
        ("bytes=-99999999", 0, 60_000),
    ],
)
def test_ranges(box: Sandbox, wanted: str, start: int, stop: int) -> None:
    """A range is answered with just those bytes and says which they are."""
    reply = fetch_first(box, Range=wanted)
    assert (reply.status, reply.body) == (206, box.world.photo_bytes(first(box))[start:stop])
    assert reply.headers["content-range"] == f"bytes {start}-{stop - 1}/60000"
    assert reply.headers["content-length"] == str(stop - start)
    assert reply.headers["etag"]


@pytest.mark.parametrize("wanted", ["bytes=60000-", "bytes=99999-100000", "bytes=-0"])
def test_unsatisfiable_ranges(box: Sandbox, wanted: str) -> None:
    """A range that lies behind the end is a 416."""
    reply = fetch_first(box, Range=wanted)
    assert (reply.status, reply.code) == (416, "InvalidRange")


@pytest.mark.parametrize("wanted", ["bytes=-", "bytes=0-1,4-5", "lines=1-2", "bytes=x-"])
def test_ranges_that_are_none(box: Sandbox, wanted: str) -> None:
    """A range that is not understood is passed over."""
    assert fetch_first(box, Range=wanted).status == 200


def test_any_range_of_nothing(box: Sandbox) -> None:
    """An empty object is served, and every range of it is a 416."""
    box.world.photos["empty"] = StoredPhoto("empty", body=b"")
    assert fetch(box.link("empty")).body == b""
    assert [fetch(box.link("empty"), Range=each).status for each in ("bytes=0-", "bytes=-1")] == [416, 416]


def test_if_match(box: Sandbox) -> None:
    """If-Match holds for the object's strong ETag alone, and comes before the range."""
    etag = fetch_first(box).headers["etag"]
    assert fetch_first(box, If_Match=etag, Range="bytes=1-").status == 206
    assert fetch_first(box, If_Match=f'"x", {etag}').status == 200
    assert fetch_first(box, If_Match="*").status == 200
    refused = fetch_first(box, If_Match='"x"', Range="bytes=99999999-")
    assert (refused.status, refused.code) == (412, "PreconditionFailed")
    box.world.photos[first(box)].etag = "weak"
    assert fetch_first(box, If_Match=fetch_first(box).headers["etag"]).status == 412
    box.world.photos[first(box)].etag = "none"
    assert fetch_first(box, If_Match=etag).status == 412


def test_if_none_match(box: Sandbox) -> None:
    """If-None-Match with the object's ETag, weak or not, is a 304 without a body."""
    etag = fetch_first(box).headers["etag"]
    reply = fetch_first(box, If_None_Match=f'"x", W/{etag}', Range="bytes=1-")
    assert (reply.status, reply.body, reply.headers["etag"]) == (304, b"", etag)
    assert fetch_first(box, If_None_Match="*").status == 304
    assert fetch_first(box, If_None_Match='"x"').status == 200


def test_if_range_is_passed_over(box: Sandbox) -> None:
    """If-Range means nothing to the store."""
    assert fetch_first(box, If_Range='"x"', Range="bytes=1-").status == 206


def test_rate_of_the_store() -> None:
    """Bodies can be held to so many bytes a second on each connection."""
    with Sandbox(World.generate(photos=1, size=50_000), store_rate=200_000) as box:
        started = time.monotonic()
        assert len(fetch_first(box).body) == 50_000
        assert 0.2 < time.monotonic() - started < 20
