"""The S3 server, the API stand-in and the relay do what the other tests count on."""

from __future__ import annotations

import hashlib
import http.client
import json
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.support.clock import until
from tests.support.s3 import running_server, s3_service  # noqa: F401 - fixtures
from tests.support.s3_api import Answer, ApiRequest, RefusedError
from tests.support.s3_relay import LOOPBACK, Relay

if TYPE_CHECKING:
    from tests.support.s3 import S3Service
    from tests.support.s3_relay import Exchange

PHOTO = b"\xff\xd8" + bytes(range(256)) * 400 + b"\xff\xd9"
PHOTO_MD5 = hashlib.md5(PHOTO).hexdigest()


@dataclass(frozen=True)
class Reply:
    """An HTTP answer, read to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


def fetch(url: str, *, method: str = "GET", body: str | None = None, **headers: str) -> Reply:
    """Sends one request on a connection of its own; `if_match` becomes `if-match`."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    try:
        named = {"Accept-Encoding": "identity"} | {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, f"{parts.path}?{parts.query}", body, named)
        response = connection.getresponse()
        return Reply(response.status, response.headers, response.read())
    finally:
        connection.close()


def ask(s3: S3Service, method: str, identifier: Any, *, key: str | None = None, **query: int) -> tuple[int, Any]:
    """Asks the API for originals; the status, and the data or the whole envelope of an error."""
    environment = s3.environment
    path = f"/api/v1/ext/{environment['NINEPIC_ORG_ID']}/event/{environment['NINEPIC_EVENT_ID']}/original-photos"
    search = "&".join(f"{name}={value}" for name, value in query.items())
    reply = fetch(
        f"{s3.base_url}{path}?{search}",
        method="POST",
        body=json.dumps({"method": method, "identifier": identifier}),
        x_api_key=key or environment["NINEPIC_API_KEY"],
    )
    envelope = json.loads(reply.body)
    return reply.status, envelope["data"] or envelope


def get(s3: S3Service, what: str) -> Reply:
    """A GET to the API."""
    environment = s3.environment
    url = f"{s3.base_url}/api/v1/ext/{environment['NINEPIC_ORG_ID']}/{what}"
    return fetch(url, x_api_key=environment["NINEPIC_API_KEY"])


def test_a_link_gives_the_photo_and_its_md5(s3: S3Service) -> None:
    """A presigned link is good for the whole photo, and the ETag is the MD5 of its bytes."""
    etag = s3.put("a", PHOTO)
    reply = fetch(s3.presign("a"))
    assert (reply.status, reply.body) == (200, PHOTO)
    assert reply.headers["ETag"] == f'"{etag}"' == f'"{PHOTO_MD5}"'
    assert reply.headers["Content-Type"] == "image/jpeg"


def test_an_expired_link_is_refused(s3: S3Service) -> None:
    """A link is good for its life and not a moment longer."""
    s3.put("a", PHOTO)
    assert fetch(s3.presign("a", 60, age_s=50)).status == 200
    reply = fetch(s3.presign("a", 60, age_s=62))
    assert reply.status == 403
    assert b"<Code>AccessDenied</Code><Message>Request has expired</Message>" in reply.body


def test_the_life_runs_out_by_the_clock(s3: S3Service) -> None:
    """A link that worked stops working when its seconds are over."""
    s3.put("a", PHOTO)
    # The date in a link has no fractions, so of two seconds one may be gone already.
    link = s3.presign("a", 2)
    assert fetch(link).status == 200
    until(lambda: fetch(link).status != 200, 10)
    assert fetch(link).status == 403


def test_a_tampered_link_is_refused(s3: S3Service) -> None:
    """A link with a wrong signature gives 403 `SignatureDoesNotMatch`."""
    s3.put("a", PHOTO)
    s3.tampered.add("a")
    _status, data = ask(s3, "image_id", "a")
    reply = fetch(data["presigned_urls"][0]["url"])
    assert reply.status == 403
    assert b"<Code>SignatureDoesNotMatch</Code>" in reply.body


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE"])
def test_a_link_is_good_for_get_alone(s3: S3Service, method: str) -> None:
    """Any method but the signed one is refused."""
    s3.put("a", PHOTO)
    assert fetch(s3.presign("a"), method=method).status == 403
    assert fetch(s3.presign("a")).body == PHOTO


def test_an_unsigned_amazon_header_is_refused(s3: S3Service) -> None:
    """Headers named `x-amz-*` must be part of the signature."""
    s3.put("a", PHOTO)
    assert fetch(s3.presign("a"), x_amz_meta_note="hello").status == 403


def test_a_range_is_a_partial_answer(s3: S3Service) -> None:
    """A range gives 206 with exactly those bytes, and one past the end gives 416."""
    etag = s3.put("a", PHOTO)
    reply = fetch(s3.presign("a"), range="bytes=1000-", if_match=f'"{etag}"')
    assert (reply.status, reply.body) == (206, PHOTO[1000:])
    assert reply.headers["Content-Range"] == f"bytes 1000-{len(PHOTO) - 1}/{len(PHOTO)}"
    assert reply.headers["ETag"] == f'"{etag}"'
    assert fetch(s3.presign("a"), range=f"bytes={len(PHOTO)}-").status == 416


def test_a_changed_photo_fails_the_precondition(s3: S3Service) -> None:
    """`If-Match` with the ETag of an earlier version gives 412."""
    old = s3.put("a", PHOTO)
    s3.put("a", PHOTO[::-1])
    assert fetch(s3.presign("a"), range="bytes=1000-", if_match=f'"{old}"').status == 412


def test_an_unchanged_photo_is_not_sent_again(s3: S3Service) -> None:
    """`If-None-Match` with the present ETag gives 304 without a body."""
    etag = s3.put("a", PHOTO)
    reply = fetch(s3.presign("a"), if_none_match=f'"{etag}"')
    assert (reply.status, reply.body) == (304, b"")


def test_a_multipart_etag_is_no_md5(s3: S3Service) -> None:
    """The ETag of a photo uploaded in two parts ends in `-2`, and its ranges work as well."""
    data = PHOTO * 60
    etag = s3.put("a", data, multipart=True)
    assert etag.endswith("-2")
    reply = fetch(s3.presign("a"))
    assert (reply.body, reply.headers["ETag"]) == (data, f'"{etag}"')
    assert fetch(s3.presign("a"), range="bytes=5242870-5242890").body == data[5242870:5242891]


def test_a_deleted_photo_is_still_listed(s3: S3Service) -> None:
    """The API hands out links to photos that the store has lost, and the store says `NoSuchKey`."""
    s3.put("a", PHOTO)
    s3.delete("a")
    _status, data = ask(s3, "image_id", "a")
    reply = fetch(data["presigned_urls"][0]["url"])
    assert reply.status == 404
    assert b"<Code>NoSuchKey</Code>" in reply.body


def test_every_test_starts_with_an_empty_store(s3: S3Service) -> None:
    """What another test has stored is not there."""
    assert fetch(s3.presign("a")).status == 404
    assert s3.photos == {}


def test_listings_are_paged(s3: S3Service) -> None:
    """Pages hold `page_size` links in listing order, and the bib is matched without regard to case."""
    names = [f"p{number:02}" for number in range(5)]
    s3.photos.update({name: f"{name}.jpg" for name in names})
    s3.bibs["A7"] = names
    pages = [ask(s3, "bib", "a7", page=number, page_size=2)[1] for number in (1, 2, 3)]
    assert [item["filename"] for page in pages for item in page["presigned_urls"]] == [f"{name}.jpg" for name in names]
    assert [page["pagination"]["hasNextPage"] for page in pages] == [True, True, False]
    assert pages[2]["pagination"] == {
        "total": 5,
        "currentPage": 3,
        "totalPages": 3,
        "hasNextPage": False,
        "hasPreviousPage": True,
        "page_size": 2,
    }
    assert [request.query["page"] for request in s3.api_requests] == ["1", "2", "3"]


def test_unknown_and_failed_photos_are_told_apart_from_links(s3: S3Service) -> None:
    """A list names what has no link in `failed_urls`, and is refused when it knows none of them."""
    s3.put("a", PHOTO)
    s3.put("b", PHOTO)
    s3.failed["b"] = "Could not sign"
    status, data = ask(s3, "image_ids", ["a", "b", "c"])
    assert (status, data["identifier"], data["successful_count"], data["failed_count"]) == (200, None, 1, 2)
    assert [(item["image_id"], item["error"]) for item in data["failed_urls"]] == [
        ("b", "Could not sign"),
        ("c", "Image not found"),
    ]
    assert ask(s3, "image_ids", ["c", "d"])[0] == 400


@pytest.mark.parametrize(
    ("method", "identifier", "key", "query", "status"),
    [
        ("bib", "1", "np_wrong", {}, 403),
        ("bib", "1", None, {}, 404),
        ("selfie", "1", None, {}, 404),
        ("image_id", "1", None, {}, 400),
        ("image_ids", [], None, {}, 400),
        ("image_ids", "1", None, {}, 400),
        ("name", "1", None, {}, 400),
        ("bib", "1", None, {"page_size": 61}, 422),
        ("bib", "1", None, {"page": 0}, 422),
    ],
)
def test_the_api_refuses_with_the_documented_status(
    s3: S3Service, method: str, identifier: Any, key: str | None, query: dict[str, int], status: int
) -> None:
    """Every refusal has its status and an envelope without data."""
    s3.bibs["2"] = ["a"]
    s3.photos["a"] = "a.jpg"
    bib = "2" if status == 422 else identifier
    answered, envelope = ask(s3, method, bib, key=key, **query)
    assert (answered, envelope["responseType"], envelope["data"]) == (status, "error", None)


def test_the_key_must_be_sent(s3: S3Service) -> None:
    """A request without a key gives 401."""
    assert fetch(f"{s3.base_url}/api/v1/ext/7/events").status == 401


def test_ping_and_the_event_list_answer(s3: S3Service) -> None:
    """A good key sees its event, and another event is not found."""
    event = s3.environment["NINEPIC_EVENT_ID"]
    assert json.loads(get(s3, f"event/{event}/ping").body)["data"] == {"status": "ok", "org_id": 7, "event_id": 456}
    assert json.loads(get(s3, "events").body)["data"]["events"][0]["event_id"] == 456
    assert get(s3, "event/1/ping").status == 404


def test_a_hook_may_answer_for_the_api(s3: S3Service) -> None:
    """A hook sees each request first, answers it, refuses it, or leaves it to the API."""
    script = iter([Answer(429, {}, {"Retry-After": "3"}), RefusedError(500, "Not now"), None])

    def hook(_request: ApiRequest) -> Answer | None:
        step = next(script)
        if isinstance(step, RefusedError):
            raise step
        return step

    s3.api.hook = hook
    replies = [get(s3, "events") for _ in range(3)]
    assert [reply.status for reply in replies] == [429, 500, 200]
    assert replies[0].headers["Retry-After"] == "3"


def test_a_stale_link_is_followed_by_a_fresh_one(s3: S3Service) -> None:
    """A link that is handed out expired is refused, and the next one works."""
    s3.put("a", PHOTO)
    s3.stale["a"] = 1
    links = [ask(s3, "image_id", "a")[1]["presigned_urls"][0]["url"] for _ in range(2)]
    assert [fetch(link).status for link in links] == [403, 200]


def test_the_relay_sees_what_the_client_sent(s3: S3Service) -> None:
    """Requests are recorded with headers, status and size, and `Host` arrives as it was signed."""
    s3.put("a", PHOTO)
    fetch(s3.presign("a"), range="bytes=100-199")
    (exchange,) = s3.relay.exchanges
    assert (exchange.connection, exchange.method, exchange.status, exchange.passed) == (1, "GET", 206, 100)
    assert exchange.headers["host"] == s3.relay.address
    assert exchange.headers["range"] == "bytes=100-199"
    assert s3.relay.body_bytes == 100


@pytest.mark.parametrize("after", [0, 1, 70_000])
def test_a_cut_lets_exactly_that_much_through(s3: S3Service, after: int) -> None:
    """The connection ends after the given bytes of the body, once, and the next request is whole."""
    s3.put("a", PHOTO)
    s3.relay.cut(after)
    with pytest.raises(http.client.IncompleteRead) as caught:
        fetch(s3.presign("a"))
    assert caught.value.partial == PHOTO[:after]
    assert fetch(s3.presign("a")).body == PHOTO


def test_a_cut_before_the_head_leaves_nothing(s3: S3Service) -> None:
    """A connection can end without an answer, or be reset."""
    s3.put("a", PHOTO)
    s3.relay.cut(-1)
    with pytest.raises(http.client.RemoteDisconnected):
        fetch(s3.presign("a"))
    s3.relay.cut(-1, reset=True)
    with pytest.raises(ConnectionResetError) as caught:
        fetch(s3.presign("a"))
    assert type(caught.value) is ConnectionResetError


def test_a_cut_can_be_aimed(s3: S3Service) -> None:
    """A cut holds for one photo, one connection, or for ever, as it was asked for."""
    for name in ("a", "b"):
        s3.put(name, PHOTO)
    s3.relay.cut(10, match="/a.jpg", times=math.inf)
    s3.relay.cut(10, connection=2)
    assert fetch(s3.presign("b")).status == 200
    for name in ("b", "a", "a"):
        with pytest.raises(http.client.IncompleteRead):
            fetch(s3.presign(name))
    s3.relay.heal()
    assert fetch(s3.presign("a")).body == PHOTO
    assert s3.relay.connections == 5


def test_a_photo_can_be_replaced_half_way(s3: S3Service) -> None:
    """A hook runs between two bytes of an answer, so a resumed request finds another photo."""
    old = s3.put("a", PHOTO)
    s3.relay.at(50_000, lambda _exchange: s3.put("a", PHOTO[::-1]))
    s3.relay.cut(50_000)
    with pytest.raises(http.client.IncompleteRead) as caught:
        fetch(s3.presign("a"))
    assert caught.value.partial == PHOTO[:50_000]
    assert fetch(s3.presign("a"), range="bytes=50000-", if_match=f'"{old}"').status == 412
    assert fetch(s3.presign("a")).body == PHOTO[::-1]


def test_the_rate_is_limited(s3: S3Service) -> None:
    """A limited relay takes as long as its rate says, and the photo is whole all the same."""
    s3.put("a", PHOTO)
    s3.relay.rate = len(PHOTO) * 2
    began = time.monotonic()
    assert fetch(s3.presign("a")).body == PHOTO
    assert 0.4 < time.monotonic() - began < 5


def test_an_answer_can_be_delayed(s3: S3Service) -> None:
    """The delay is felt by every answer."""
    s3.put("a", PHOTO)
    s3.relay.delay_s = 0.2
    began = time.monotonic()
    assert fetch(s3.presign("a")).body == PHOTO
    assert time.monotonic() - began >= 0.2


def test_links_expire_while_a_slow_path_is_busy(s3: S3Service) -> None:
    """A short-lived link that is used after a slow download is expired by then, while the download ends well."""
    for name in ("a", "b"):
        s3.put(name, PHOTO)
    s3.relay.rate = len(PHOTO) / 2.2
    first, second = (s3.presign(name, 2) for name in ("a", "b"))
    assert fetch(first).body == PHOTO
    assert fetch(second).status == 403


def test_connections_are_kept_alive_through_the_relay(s3: S3Service) -> None:
    """Several requests of one connection are told apart, each with its own count of bytes."""
    s3.put("a", PHOTO)
    connection = http.client.HTTPConnection(s3.relay.address, timeout=20)
    for _ in range(3):
        connection.request("GET", s3.presign("a").partition(s3.relay.address)[2])
        assert connection.getresponse().read() == PHOTO
    connection.close()
    assert [(exchange.connection, exchange.passed) for exchange in s3.relay.exchanges] == [(1, len(PHOTO))] * 3


def test_a_failing_hook_fails_the_test(s3: S3Service) -> None:
    """An assertion in a hook is raised when the relay is closed, though it ran in another thread."""
    relay = Relay(LOOPBACK, s3.server.port)

    def hook(exchange: Exchange) -> None:
        assert exchange.status == 0, "seen"

    relay.at(-1, hook)
    with pytest.raises(http.client.RemoteDisconnected):
        fetch(f"http://{relay.address}/")
    with pytest.raises(AssertionError, match="seen"):
        relay.close()


def test_closing_the_relay_ends_what_is_under_way(s3: S3Service) -> None:
    """A slow answer does not outlive the relay."""
    s3.put("a", PHOTO)
    relay = Relay(LOOPBACK, s3.server.port)
    relay.delay_s = 60
    connection = http.client.HTTPConnection(relay.address, timeout=20)
    connection.request("GET", "/")
    while not relay.exchanges:
        time.sleep(0.01)
    began = time.monotonic()
    relay.close()
    connection.close()
    assert time.monotonic() - began < 5
