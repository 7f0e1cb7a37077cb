"""The stand-in of the service behaves as the service does, and goes wrong when it is told to."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import re
import socket
import ssl
import struct
import threading
import time
import tracemalloc
from contextlib import closing
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4QueryAuth  # type: ignore[import-untyped]  # it has no types
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import Credentials  # type: ignore[import-untyped]

from ninepic_cli.sandbox import Fault, Request, Sandbox, StoredPhoto, World
from ninepic_cli.sandbox.data import OTHER_REQUEST_ID, RACE_DAY, REQUEST_ID
from ninepic_cli.sandbox.object_store import ACCESS_KEY_ID, SECRET_KEY
from tests.support.command import output_of
from tests.support.http_client import ask, connect, exchange, fetch, fetch_first, first, look, photos_url, raw, target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Breaks = (ConnectionResetError, BrokenPipeError)


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A sandbox with a few photos."""
    with Sandbox(World.generate(photos=13, size=60_000)) as sandbox:
        yield sandbox


def test_environment_points_to_the_api(box: Sandbox) -> None:
    """The environment has the key, both numbers and the API's address, and the store is another origin."""
    assert box.environment == {
        "NINEPIC_API_KEY": box.world.api_key,
        "NINEPIC_ORG_ID": "123",
        "NINEPIC_EVENT_ID": "456",
        "NINEPIC_BASE_URL": box.base_url,
    }
    assert box.base_url != box.store_url
    assert look(box, "123/event/456/ping").status == 200


def test_starts_again_on_its_ports() -> None:
    """A sandbox that was stopped refuses connections and can be started again at the same addresses."""
    with Sandbox(World.generate(photos=1)) as box:
        before = (box.base_url, box.store_url)
        link = box.link(first(box))
        box.stop()
        with pytest.raises(ConnectionRefusedError):
            fetch(link)
        box.start()
        assert (box.base_url, box.store_url) == before
        assert fetch(link).status == 200


def test_listens_where_told() -> None:
    """Ports and the address can be chosen, IPv6 included."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as probe:
        port = probe.getsockname()[1]
    with Sandbox(World.generate(photos=1), host="::1", port=port) as box:
        assert box.base_url == f"http://[::1]:{port}"
        assert fetch_first(box).status == 200


def test_taken_port_is_an_error_and_leaves_nothing_open(box: Sandbox) -> None:
    """A port that is taken is an OSError, after which the other server is not left running."""
    other = Sandbox(World.generate(photos=1), port=urlsplit(box.base_url).port or 0)
    with pytest.raises(OSError, match="in use"):
        other.start()
    with pytest.raises(ConnectionRefusedError):
        fetch(other.store_url)


@pytest.mark.parametrize("flat", [False, True])
def test_ping(flat: bool) -> None:
    """The ping confirms key, organisation and event, with and without the envelope."""
    with Sandbox(World.generate(photos=1), flat=flat) as box:
        reply = look(box, "123/event/456/ping")
    said = reply.json if flat else reply.data
    assert {name: said[name] for name in ("status", "org_id", "event_id")} == {
        "status": "ok",
        "org_id": 123,
        "event_id": 456,
    }
    assert reply.json["message"] == (None if flat else "OK")


def test_events_are_paged(box: Sandbox) -> None:
    """The organisation's events are listed page by page, and each of them answers a ping."""
    whole = look(box, "123/events").data
    part = look(box, "123/events?page=2&page_size=2").data
    assert [event["event_id"] for event in whole["events"]] == [456, 457, 461]
    assert [event["event_id"] for event in part["events"]] == [461]
    assert part["pagination"]["totalPages"] == 2
    assert look(box, "123/event/461/ping").data["event_id"] == 461
    assert look(box, "123/events?page_size=101").status == 422


def test_event_details(box: Sandbox) -> None:
    """The details say what the event list says, and which searches there are."""
    details = look(box, "123/event/456/details").data
    (listed,) = [each for each in look(box, "123/events").data["events"] if each["event_id"] == 456]
    assert details == {
        **{name: listed[name] for name in ("event_id", "event_name", "event_slug", "event_date", "status")},
        "event_enabled": True,
        "bib_search": True,
        "selfie_search": True,
        "name_search": False,
        "video_search": False,
        "video_selfie_search": False,
        "timeline_search": True,
    }


def gallery(box: Sandbox, path: str) -> list[Any]:
    """The items of all pages of a listing below the event, as far as the pages say that there are more."""
    found: list[Any] = []
    for number in range(1, 100):
        data = look(box, f"123/event/456/{path}{'&' if '?' in path else '?'}page={number}").data
        found += data["images"]
        if not data["pagination"]["hasNextPage"]:
            assert data["pagination"]["total"] == len(found)
            return found
    raise AssertionError("the listing does not end")


def test_all_photos_by_capture_time() -> None:
    """The event's photos are listed by capture time, those without one last; also one that is added meanwhile."""
    world = World.generate(photos=150)
    ids, times = list(world.photos), [photo.taken for photo in world.photos.values()]
    timed = [taken for taken in times if taken is not None]
    assert 0 < times.count(None) < 30
    assert len(set(timed)) > 100
    assert times == [photo.taken for photo in World.generate(photos=150).photos.values()]
    world.photos[ids[0]].has_original = False
    with Sandbox(world) as box:
        listed = gallery(box, "images?page_size=7")
        world.photos["new"] = StoredPhoto("new", taken=0.0)
        assert look(box, "123/event/456/images").data["images"][0]["image_id"] == "new"
        assert len(look(box, "123/event/456/images").data["images"]) == 32
        assert look(box, "123/event/456/images?page_size=101").status == 422
        assert look(box, "123/event/457/images").data["images"] == []
        assert fetch(listed[0]["img_url"]).status == 403
    assert sorted(each["image_id"] for each in listed) == sorted(ids)
    order = [world.photos[each["image_id"]].taken for each in listed]
    assert order == [*sorted(timed), *[None] * times.count(None)]
    assert all(
        each.keys() == {"image_id", "img_url", "thumbnail_url", "original_url", "width", "height"} for each in listed
    )
    assert [each["image_id"] for each in listed if each["original_url"] is None] == [ids[0]]
    assert {each["width"] for each in listed} == {6000, None}


@pytest.mark.parametrize("empty_as_404", [False, True])
def test_photos_of_a_bib_and_of_a_face_search(empty_as_404: bool) -> None:
    """Bibs are found whatever their case and characters, face searches come with how sure they are."""
    with Sandbox(World.generate(photos=40), empty_as_404=empty_as_404) as box:
        world = box.world
        assert [each["image_id"] for each in gallery(box, "bibs/a%2F12?page_size=2")] == world.bibs["A/12"]
        faces = gallery(box, f"faces/{REQUEST_ID}")
        assert [each["image_id"] for each in faces] == world.searches[REQUEST_ID]
        sure = [each["confidence_percentage"] for each in faces]
        assert sure == sorted(sure, reverse=True)
        assert {each["request_id"] for each in faces} == {REQUEST_ID}
        for path in ("bibs/none", "faces/none"):
            reply = look(box, f"123/event/456/{path}")
            assert reply.status == (404 if empty_as_404 else 200)
            assert empty_as_404 or reply.data["images"] == []


def test_timeline() -> None:
    """Days and hours count the photos that have a capture time; a stretch of time has its start and not its end."""
    world = World.generate(photos=300)
    timed = sorted((photo.taken, each) for each, photo in world.photos.items() if photo.taken is not None)
    with Sandbox(world) as box:
        days = look(box, "123/event/456/timeline/days").data["days"]
        assert [day["date"] for day in days] == ["2025-09-13", "2025-09-14"]
        assert sum(day["total"] for day in days) == sum(h["count"] for day in days for h in day["hours"]) == len(timed)
        (nine,) = [hour["count"] for hour in days[1]["hours"] if hour["hour"] == 9]
        within = [each for taken, each in timed if RACE_DAY <= taken < RACE_DAY + 3600]
        assert nine == len(within)
        query = "from=2025-09-14T09:00:00Z&to=2025-09-14T10:00:00%2B00:00"
        assert [each["image_id"] for each in gallery(box, f"timeline/images?{query}")] == within
        first, last = timed[0][0], timed[-1][0]
        for start, stop in [(first, last), (first, last + 1), (first + 1, last)]:
            query = "&".join(
                f"{name}={time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(moment))}"
                for name, moment in (("from", start), ("to", stop))
            )
            total = look(box, f"123/event/456/timeline/images?{query}").data["pagination"]["total"]
            assert total == sum(start <= taken < stop for taken, _ in timed)


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("", ["query.from", "query.to"]),
        ("?from=2025-09-14&to=soon", ["query.to"]),
        ("?from=2025-09-14&to=2025-09-14", ["query.to"]),
        ("?from=2025-09-14&to=2025-09-15&page=0", ["query.page"]),
    ],
)
def test_timeline_refusals(box: Sandbox, query: str, fields: list[str]) -> None:
    """A stretch of time that is none is a schema violation that names the parameter."""
    reply = look(box, f"123/event/456/timeline/images{query}")
    assert reply.status == 422
    assert [each.partition(":")[0] for each in reply.json["message"].split("; ")] == fields


def test_a_large_event_is_listed_page_by_page() -> None:
    """Of 50,000 photos a page is made in the memory of a page."""
    with Sandbox(World.generate(photos=50_000)) as box:
        look(box, "123/event/456/images")
        tracemalloc.start()
        try:
            last = look(box, "123/event/456/images?page=500&page_size=100").data
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert len(last["images"]) == 100
    assert peak < 1_000_000


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("123/event/456/ping", {"X_API_Key": ""}, 401),
        ("123/event/456/ping", {"X_API_Key": "9pk_wrong"}, 403),
        ("124/event/456/ping", {}, 403),
        ("124/events", {}, 403),
        ("123/event/456/details", {"X_API_Key": ""}, 401),
        ("123/event/456/images", {"X_API_Key": "9pk_wrong"}, 403),
        ("124/event/456/timeline/days", {}, 403),
        ("123/event/999/bibs/7", {}, 404),
        ("123/event/456/bibs/7/8", {}, 404),
        ("123/event/abc/images", {}, 422),
        ("123/event/999/ping", {}, 404),
        ("123/event/456/nothing", {}, 404),
        ("123/event/456/original-photos", {}, 405),
        ("abc/event/456/ping", {}, 422),
        ("123/event/abc/ping", {}, 422),
    ],
)
def test_api_refusals(box: Sandbox, path: str, headers: dict[str, str], status: int) -> None:
    """Each thing that can be wrong with a path or a key has its status, in the error envelope."""
    reply = look(box, path, **headers)
    assert reply.status == status
    assert reply.json["responseType"] == "error"
    assert reply.json["data"] is None
    assert reply.json["message"]
    assert reply.headers["content-type"] == "application/json"


def test_no_key_at_all_is_401(box: Sandbox) -> None:
    """A request without the key header is a 401."""
    assert fetch(f"{box.base_url}/api/v1/ext/123/events").status == 401


def test_wrong_verb_names_the_right_one(box: Sandbox) -> None:
    """A wrong verb is a 405 that names the right one."""
    assert look(box, "123/event/456/original-photos").headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"method": "name", "identifier": "x"}, 400),
        ({"method": ["bib"], "identifier": "x"}, 400),
        ({"method": "bib"}, 400),
        ({"method": "bib", "identifier": 1234}, 400),
        ({"method": "bib", "identifier": ""}, 400),
        ({"method": "bib", "identifier": "  "}, 400),
        ({"method": "bib", "identifier": ["1234"]}, 400),
        ({"method": "image_ids", "identifier": "x"}, 400),
        ({"method": "image_ids", "identifier": []}, 400),
        ({"method": "image_ids", "identifier": ["x", 1]}, 400),
        ({"method": "image_ids", "identifier": ["x", "y"]}, 400),
        ({"method": "image_id", "identifier": "x"}, 400),
        ({"method": "bib", "identifier": "none"}, 404),
        ({"method": "selfie", "identifier": "none"}, 404),
        ([], 422),
        (b"{", 422),
        (b"\xff", 422),
    ],
)
def test_body_refusals(box: Sandbox, body: Any, status: int) -> None:
    """Each thing that can be wrong with a body has its status."""
    reply = ask(box, body)
    assert reply.status == status
    assert reply.json["responseType"] == "error"


def test_body_must_be_declared_json(box: Sandbox) -> None:
    """A body that is not declared to be JSON is a schema violation that names the field."""
    reply = ask(box, {"method": "bib", "identifier": "7"}, Content_Type="text/plain")
    assert reply.status == 422
    assert reply.json["message"].startswith("header.Content-Type: ")


@pytest.mark.parametrize("query", ["?page=0", "?page=-1", "?page=x", "?page=", "?page_size=0", "?page_size=61"])
def test_paging_refusals(box: Sandbox, query: str) -> None:
    """Pages before the first and sizes beyond the limit are schema violations that name the parameter."""
    reply = ask(box, {"method": "bib", "identifier": "1234"}, query)
    assert reply.status == 422
    assert reply.json["message"].startswith(f"query.{query[1:].partition('=')[0]}: ")


def test_all_violations_are_named(box: Sandbox) -> None:
    """Several violations come in one message."""
    message = ask(box, {}, "?page=0&page_size=99").json["message"]
    assert [each.partition(":")[0] for each in message.split("; ")] == ["query.page", "query.page_size"]


@pytest.mark.parametrize(
    ("method", "identifier", "count", "echo"),
    [
        ("bib", "7", 1, "7"),
        ("bib", "0042", 3, "0042"),
        ("bib", "a/12", 5, "a/12"),
        ("bib", "12 B", 8, "12 B"),
        ("selfie", REQUEST_ID, 13, REQUEST_ID),
        ("selfie", OTHER_REQUEST_ID, 12, OTHER_REQUEST_ID),
    ],
)
def test_methods_find(box: Sandbox, method: str, identifier: str, count: int, echo: str) -> None:
    """A bib, in whatever case, and a face search have their photos, with working links in listing order."""
    data = ask(box, {"method": method, "identifier": identifier}).data
    assert (data["identifier"], data["total_images"]) == (echo, count)
    assert data["failed_urls"] == []
    assert [each["filename"] for each in data["presigned_urls"]] == [
        f"{image_id}.jpg" for image_id in box.world.find_photos(method, identifier)
    ]
    assert all(fetch(each["url"]).status == 200 for each in data["presigned_urls"])


def test_image_id(box: Sandbox) -> None:
    """One image id gives one link."""
    data = ask(box, {"method": "image_id", "identifier": first(box)}).data
    assert (data["identifier"], data["successful_count"]) == (first(box), 1)
    assert first(box) in data["presigned_urls"][0]["url"]


def test_image_ids_with_unknown_ones(box: Sandbox) -> None:
    """Of many image ids, the unknown and the unstored ones are listed as failed, and no identifier is echoed."""
    known, unstored, *_ = box.world.photos
    box.world.photos[unstored].has_original = False
    data = ask(box, {"method": "image_ids", "identifier": ["lost", unstored, known]}).data
    assert data["identifier"] is None
    assert [each["filename"] for each in data["presigned_urls"]] == [f"{known}.jpg"]
    assert [(each["image_id"], each["path"]) for each in data["failed_urls"]] == [
        ("lost", None),
        (unstored, f"imgs/456/large/{unstored}.jpg"),
    ]
    assert (data["total_images"], data["successful_count"], data["failed_count"]) == (3, 1, 2)
    assert ask(box, {"method": "image_id", "identifier": unstored}).status == 400


def test_long_list_of_image_ids_is_paged(box: Sandbox) -> None:
    """A list of image ids that is longer than a page is paged like everything else."""
    ids = [*box.world.photos, *(f"lost-{number}" for number in range(60))]
    data = ask(box, {"method": "image_ids", "identifier": ids}, "?page=2&page_size=60").data
    assert [each["image_id"] for each in data["failed_urls"]] == ids[60:]
    assert data["pagination"]["total"] == 73


def test_suggested_filename_and_key(box: Sandbox) -> None:
    """A photo's suggested name and the path of its link can be anything."""
    photo = box.world.photos[first(box)]
    photo.filename, photo.link_path = "../IMG [1].jpg", "other/a b+ü(1).jpeg"
    item = ask(box, {"method": "bib", "identifier": "7"}).data["presigned_urls"][0]
    assert item["filename"] == "../IMG [1].jpg"
    assert urlsplit(item["url"]).path == "/originals/other/a%20b%2B%C3%BC%281%29.jpeg"
    assert fetch(item["url"]).body == box.world.photo_bytes(photo.image_id)


@pytest.mark.parametrize("count", [0, 1, 59, 60, 61, 120])
def test_paging_edges(count: int) -> None:
    """Pages of 60 hold every photo once, whatever their number, and say where they stand."""
    world = World.generate(photos=count, size=3_000)
    with Sandbox(world, empty_as_404=False) as box:
        pages: list[Any] = []
        while not pages or pages[-1]["pagination"]["hasNextPage"]:
            query = f"?page={len(pages) + 1}&page_size=60"
            pages.append(ask(box, {"method": "bib", "identifier": "1234"}, query).data)
    names = [each["filename"] for page in pages for each in page["presigned_urls"]]
    assert names == [f"{image_id}.jpg" for image_id in world.photos]
    total_pages = -(-count // 60)
    assert [page["pagination"] for page in pages] == [
        {
            "total": count,
            "currentPage": number if count else 0,
            "totalPages": total_pages,
            "hasNextPage": number < total_pages,
            "hasPreviousPage": number > 1,
            "page_size": 60,
        }
        for number in range(1, max(1, total_pages) + 1)
    ]


def test_default_page_size_and_the_page_after_the_last() -> None:
    """Pages have 30 items unless asked otherwise, and the page after the last one is empty."""
    with Sandbox(World.generate(photos=31, size=3_000)) as box:
        body = {"method": "bib", "identifier": "1234"}
        assert ask(box, body).data["successful_count"] == 30
        beyond = ask(box, body, "?page=3").data
    assert beyond["presigned_urls"] == []
    assert beyond["pagination"]["currentPage"] == 3
    assert not beyond["pagination"]["hasNextPage"]


def test_event_without_photos(box: Sandbox) -> None:
    """Another event of the organisation knows nothing of the first one's bibs."""
    url = f"{box.base_url}/api/v1/ext/123/event/457/original-photos"
    assert ask(box, {"method": "bib", "identifier": "1234"}, url=url).status == 404


def test_empty_result_as_success() -> None:
    """A sandbox can answer an unknown bib with empty lists in place of a 404."""
    with Sandbox(World.generate(photos=1), empty_as_404=False) as box:
        data = ask(box, {"method": "bib", "identifier": "none"}).data
    assert (data["presigned_urls"], data["failed_urls"], data["total_images"]) == ([], [], 0)
    assert (data["pagination"]["currentPage"], data["pagination"]["totalPages"]) == (0, 0)


def test_flat_answers() -> None:
    """A sandbox can answer without the envelope, errors too."""
    with Sandbox(World.generate(photos=1), flat=True) as box:
        found = ask(box, {"method": "bib", "identifier": "7"}).json
        lost = ask(box, {"method": "bib", "identifier": "none"})
    assert len(found["presigned_urls"]) == 1
    assert found["message"] is None
    assert lost.status == 404
    assert "data" not in lost.json


def test_flat_listing_of_all_photos() -> None:
    """The event's photos come without the envelope too."""
    with Sandbox(World.generate(photos=2), flat=True) as box:
        assert len(look(box, "123/event/456/images").json["images"]) == 2


def test_smaller_page_cap() -> None:
    """The largest page can be set."""
    with Sandbox(World.generate(photos=9, size=3_000), page_size_cap=4) as box:
        body = {"method": "bib", "identifier": "1234"}
        assert ask(box, body).data["pagination"]["totalPages"] == 3
        assert ask(box, body, "?page_size=5").status == 422


def test_rate_limit() -> None:
    """More requests than allowed are answered 429 with the seconds to wait, which are then enough."""
    with Sandbox(World.generate(photos=1), requests_per_s=2) as box:
        replies = [look(box, "123/events") for _ in range(6)]
        refused = [each for each in replies if each.status == 429]
        assert refused
        assert refused[0].headers["retry-after"] == "1"
        time.sleep(1)
        assert look(box, "123/events").status == 200


def test_latency() -> None:
    """Every answer can be held back."""
    with Sandbox(World.generate(photos=1), latency_s=0.15) as box:
        started = time.monotonic()
        look(box, "123/events")
        assert time.monotonic() - started >= 0.15
        fetch_first(box)
        assert time.monotonic() - started >= 0.3


def test_one_connection_carries_many_requests(box: Sandbox) -> None:
    """Connections are kept alive: refused requests and errors do not end them."""
    with closing(connect(box.store_url)) as connection:
        link = box.link(first(box))
        statuses = [exchange(connection, url).status for url in (link, link + "x", box.link("lost"), link)]
        sock = connection.sock
    assert statuses == [200, 403, 404, 200]
    assert sock is not None


def test_many_connections_at_once(box: Sandbox) -> None:
    """Sixty-four connections are served at the same time."""
    ready = threading.Barrier(64, timeout=10)

    def wait_for_the_others(_: Request) -> None:
        ready.wait()

    box.faults.append(Fault(action=wait_for_the_others))
    links = [box.link(image_id) for image_id in box.world.photos for _ in range(5)][:64]
    sizes: list[int] = []
    threads = [threading.Thread(target=lambda url=link: sizes.append(len(fetch(url).body))) for link in links]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes == [60_000] * 64


def test_chunked_request_and_expect(box: Sandbox) -> None:
    """A body in chunks and a client that waits for "100 Continue" are understood."""
    body = json.dumps({"method": "bib", "identifier": "7"}).encode()
    head = f"X-API-Key: {box.world.api_key}\r\nContent-Type: application/json\r\nConnection: close\r\n"
    chunks = f"{len(body):x}\r\n{body.decode()}\r\n0\r\n\r\n"
    more = f"{head}Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n{chunks}"
    received = raw(photos_url(box), "POST", more)
    assert received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    "text",
    [
        "nonsense\r\n\r\n",
        "GET / HTTP/3.0\r\n\r\n",
        "GET / HTTP/1.1\r\nbad\r\n\r\n",
        "GET / HTTP/1.1\r\nbad : x\r\n\r\n",
        "GET / HTTP/1.1\r\n" + "x: y\r\n" * 201,
        "GET /" + "x" * 65_531,
        "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    ],
)
def test_what_is_not_http(box: Sandbox, text: str) -> None:
    """What is no HTTP request is answered 400, and the connection is closed."""
    parts = urlsplit(box.store_url)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as sock:
        sock.sendall(text.encode())
        assert sock.recv(1000).startswith(b"HTTP/1.1 400 ")
        assert sock.recv(1000) == b""


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


def test_life_of_the_links_of_the_api(box: Sandbox) -> None:
    """The API's links live as long as the sandbox was told, which can be changed."""
    box.presigner.life_s = 7
    assert "X-Amz-Expires=7&" in ask(box, {"method": "bib", "identifier": "7"}).data["presigned_urls"][0]["url"]


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


def test_requests_are_on_record(box: Sandbox) -> None:
    """Every request is on record as it came, in order, with what it was answered."""
    ask(box, {"method": "bib", "identifier": "7"}, "?page=1", X_Colour="red")
    fetch_first(box, Range="bytes=0-99")
    listing, photo = box.requests
    assert (listing.server, listing.method, listing.query, listing.status) == ("api", "POST", "page=1", 200)
    assert listing.headers["x-colour"] == "red"
    assert json.loads(listing.body) == {"method": "bib", "identifier": "7"}
    assert (photo.server, photo.method, photo.status, photo.bytes_sent) == ("store", "GET", 206, 100)
    assert photo.path == f"/originals/imgs/456/large/{first(box)}.jpg"
    assert listing.started <= listing.ended <= photo.started <= photo.ended <= time.monotonic()


def test_record_can_be_searched(box: Sandbox) -> None:
    """Requests can be found by server, verb and text in the path or query."""
    ask(box, {"method": "bib", "identifier": "7"})
    fetch_first(box)
    fetch_first(box)
    fetch(box.link("lost"))
    assert len(box.requests_to("store")) == 3
    assert len(box.requests_to("store", contains=first(box))) == 2
    assert len(box.requests_to("store", contains="X-Amz-Signature")) == 3
    assert len(box.requests_to("api", method="POST")) == 1
    assert box.requests_to("api", method="GET") == []


def broken(box: Sandbox, **headers: str) -> Request:
    """Fetches the first photo, which must break, and returns the record."""
    with pytest.raises((*Breaks, http.client.IncompleteRead)):
        fetch_first(box, **headers)
    return box.requests[-1]


def test_fault_status_in_the_store(box: Sandbox) -> None:
    """A status in the store comes with its error document and the headers that were asked for."""
    box.faults.append(Fault(status=503, headers={"Retry-After": "3"}))
    reply = fetch_first(box)
    assert (reply.status, reply.code, reply.headers["retry-after"]) == (503, "ServiceUnavailable", "3")
    box.faults[:] = [Fault(status=520)]
    assert fetch_first(box).status == 520


def test_fault_status_in_the_api(box: Sandbox) -> None:
    """A status in the API comes in the envelope."""
    box.faults.append(Fault("api", status=500))
    reply = look(box, "123/events")
    assert (reply.status, reply.json["responseType"], reply.json["data"]) == (500, "error", None)
    assert fetch_first(box).status == 200


def test_fault_redirect(box: Sandbox) -> None:
    """A status that is no error comes with the headers asked for and nothing else."""
    box.faults += [Fault(server, status=302, headers={"Location": "http://x/"}) for server in ("api", "store")]
    for reply in (look(box, "123/events"), fetch_first(box)):
        assert (reply.status, reply.headers["location"], reply.body) == (302, "http://x/", b"")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("<!DOCTYPE html><p>Sign in", "text/html; charset=utf-8"),
        ("<html>", "text/html; charset=utf-8"),
        ("<Error/>", "application/xml"),
        ('{"a": 1}', "application/json"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"", "application/octet-stream"),
    ],
)
def test_fault_status_and_body(box: Sandbox, body: bytes | str, kind: str) -> None:
    """A status with a body comes with the type that the body looks like."""
    box.faults.append(Fault(status=200, body=body))
    reply = fetch_first(box)
    assert (reply.status, reply.headers["content-type"]) == (200, kind)
    assert reply.body == (body.encode() if isinstance(body, str) else body)
    assert "etag" not in reply.headers


def test_fault_body_and_headers_of_a_proper_answer(box: Sandbox) -> None:
    """Without a status, a body and headers take the places of the proper answer's."""
    box.faults.append(Fault(body="x", headers={"etag": '"other"', "X-More": "1"}))
    reply = fetch_first(box)
    assert (reply.status, reply.body, reply.headers["content-type"]) == (200, b"x", "image/jpeg")
    assert (reply.headers["etag"], reply.headers["x-more"]) == ('"other"', "1")


def test_fault_delay(box: Sandbox) -> None:
    """An answer can be late."""
    box.faults.append(Fault(delay_s=0.2))
    started = time.monotonic()
    assert fetch_first(box).status == 200
    assert time.monotonic() - started >= 0.2


def test_fault_silent(box: Sandbox) -> None:
    """A silent server accepts the request, answers nothing and notices when the client hangs up."""
    box.faults.append(Fault(silent=True))
    with closing(connect(box.store_url, timeout=0.3)) as connection, pytest.raises(TimeoutError):
        exchange(connection, box.link(first(box)))
    assert (box.requests[0].status, box.requests[0].bytes_sent) == (None, 0)


def test_stopping_ends_everything() -> None:
    """Stopping ends silent, stalled, slow and idle connections at once."""
    faults = [Fault(nth=1, silent=True), Fault(nth=2, stall_after=0.5), Fault(nth=3, trickle_bps=10)]
    box = Sandbox(World.generate(photos=1), faults=faults).start()
    connections = [connect(box.store_url) for _ in range(5)]
    for connection in connections[:4]:
        connection.request("GET", target(box.link(first(box))))
    connections[4].connect()
    time.sleep(0.1)
    started = time.monotonic()
    box.stop()
    assert time.monotonic() - started < 8
    assert not [each for each in threading.enumerate() if "_converse" in each.name]
    for connection in connections:
        connection.close()


def test_client_that_goes_away(box: Sandbox) -> None:
    """A client that goes away in the middle of a photo is noticed, and the record says how far it came."""
    box.world.photos["big"] = StoredPhoto("big", 25_000_000)
    with closing(connect(box.store_url)) as connection:
        connection.request("GET", target(box.link("big")))
        with connection.getresponse() as response:
            response.read(1_000_000)
    box.stop()
    assert box.requests[0].status == 200
    assert 1_000_000 < box.requests[0].bytes_sent < 25_000_000


def test_fault_reset(box: Sandbox) -> None:
    """A reset in place of an answer is just that."""
    box.faults.append(Fault(reset=True))
    with pytest.raises(ConnectionResetError):
        fetch_first(box)
    assert box.requests[0].status is None


def test_fault_hang_up(box: Sandbox) -> None:
    """A connection can be closed in place of an answer."""
    box.faults.append(Fault(hang_up=True))
    assert raw(box.link(first(box))) == b""


@pytest.mark.parametrize(("amount", "sent"), [(0, 0), (1234, 1234), (0.0, 0), (0.3, 18_000)])
def test_fault_cut(box: Sandbox, amount: float, sent: int) -> None:
    """A cut body announces everything and ends early."""
    box.faults.append(Fault(cut_after=amount))
    received = raw(box.link(first(box)), more="Accept-Encoding: identity\r\n")
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"Content-Length: 60000" in head
    assert body == box.world.photo_bytes(first(box))[:sent]
    assert broken(box).bytes_sent == sent


def test_fault_cut_with_a_reset(box: Sandbox) -> None:
    """A reset in the body comes after all the bytes before it."""
    box.faults.append(Fault(cut_after=0.5, reset=True))
    with closing(connect(box.store_url)) as connection:
        connection.request("GET", target(box.link(first(box))))
        with connection.getresponse() as response:
            assert len(response.read(30_000)) == 30_000
            with pytest.raises(ConnectionResetError):
                response.read(1)


def test_fault_cut_of_chunks(box: Sandbox) -> None:
    """A cut in a body of chunks leaves out the last chunk."""
    box.faults.append(Fault(cut_after=1000))
    with pytest.raises(http.client.IncompleteRead):
        fetch_first(box, Accept_Encoding="gzip")


@pytest.mark.parametrize(("amount", "sent"), [(None, 60_000), (1000, 1000)])
def test_fault_without_length(box: Sandbox, amount: int | None, sent: int) -> None:
    """A body without a length ends where the connection does, and a cut one looks like a whole one."""
    box.faults.append(Fault(without_length=True, cut_after=amount))
    reply = fetch_first(box)
    assert "content-length" not in reply.headers
    assert len(reply.body) == sent


def test_fault_stall(box: Sandbox) -> None:
    """A stalled body stops in the middle, with the connection open."""
    box.faults.append(Fault(stall_after=0.5))
    with closing(connect(box.store_url, timeout=0.3)) as connection:
        connection.request("GET", target(box.link(first(box))))
        with connection.getresponse() as response:
            assert len(response.read(30_000)) == 30_000
            with pytest.raises(TimeoutError):
                response.read(1)


def test_fault_close_idle(box: Sandbox) -> None:
    """A connection that was not said to be closed is closed after a complete answer."""
    box.faults.append(Fault(close_idle=True))
    with closing(connect(box.store_url)) as connection:
        reply = exchange(connection, box.link(first(box)))
        assert (reply.status, len(reply.body), reply.headers.get("connection")) == (200, 60_000, None)
        assert connection.sock.recv(1) == b""


@pytest.mark.parametrize(("length", "received"), [(100, 100), (0, 0)])
def test_fault_announce_less(box: Sandbox, length: int, received: int) -> None:
    """A length that is announced too short hides the rest of the body."""
    box.faults.append(Fault(announce_length=length))
    assert len(fetch_first(box).body) == received


def test_fault_announce_more(box: Sandbox) -> None:
    """A length that is announced too long is never reached."""
    box.faults.append(Fault(announce_length=60_001))
    assert broken(box).bytes_sent == 60_000


def test_fault_ignore_range(box: Sandbox) -> None:
    """A store that knows no ranges sends everything."""
    box.faults.append(Fault(ignore_range=True))
    reply = fetch_first(box, Range="bytes=100-")
    assert (reply.status, len(reply.body)) == (200, 60_000)


@pytest.mark.parametrize("start", [0, 1, 1000, 59_999])
def test_fault_wrong_range(box: Sandbox, start: int) -> None:
    """A wrong range begins elsewhere, and says so truly."""
    box.faults.append(Fault(wrong_range=True))
    reply = fetch_first(box, Range=f"bytes={start}-")
    said = int(reply.headers["content-range"].removeprefix("bytes ").partition("-")[0])
    assert said != start
    assert reply.body == box.world.photo_bytes(first(box))[said:]


def test_fault_change_object(box: Sandbox) -> None:
    """A photo can be replaced by another of the same length before the second half is asked for."""
    before = fetch_first(box)
    box.faults.append(Fault(change_object=True, ranged=True, nth=1))
    assert fetch_first(box, Range="bytes=1-", If_Match=before.headers["etag"]).status == 412
    after = fetch_first(box)
    assert after.headers["etag"] == f'"{hashlib.md5(after.body).hexdigest()}"' != before.headers["etag"]
    assert len(after.body) == len(before.body)
    assert after.body == box.world.photo_bytes(first(box)) != before.body


def test_fault_trickle(box: Sandbox) -> None:
    """A body can trickle."""
    box.world.photos["small"] = StoredPhoto("small", body=b"12345")
    box.faults.append(Fault(trickle_bps=20))
    started = time.monotonic()
    assert fetch(box.link("small")).body == b"12345"
    assert 0.2 <= time.monotonic() - started < 20


def test_fault_gzip(box: Sandbox) -> None:
    """A body can come compressed, and its length is then that of what is sent."""
    box.faults.append(Fault(gzip=True))
    reply = fetch_first(box)
    assert (reply.headers["content-encoding"], reply.headers["content-length"]) == ("gzip", str(len(reply.body)))
    assert gzip.decompress(reply.body) == box.world.photo_bytes(first(box))


def test_fault_page(box: Sandbox) -> None:
    """A page can come again and again."""
    box.faults.append(Fault("api", page=1))
    body = {"method": "bib", "identifier": "1234"}
    data = ask(box, body, "?page=2&page_size=5").data
    assert data["pagination"]["currentPage"] == 1
    assert data["presigned_urls"][0]["filename"] == f"{first(box)}.jpg"


@pytest.mark.parametrize(
    ("result", "sent"),
    [(None, b'{"responseType": "success", "message": "hi"'), ([1], b"[1]"), (b"\xff", b"\xff"), ("x", b"x")],
)
def test_fault_mutate(box: Sandbox, result: Any, sent: bytes) -> None:
    """The JSON can be changed in place or replaced by anything."""

    def mutate(payload: dict[str, Any]) -> Any:
        payload["message"] = "hi"
        return result

    box.faults.append(Fault("api", mutate=mutate))
    assert look(box, "123/events").body.startswith(sent)


def test_fault_action(box: Sandbox) -> None:
    """An action sees the request and comes before the answer, which it can change."""
    seen: list[str] = []

    def act(request: Request) -> None:
        seen.append(request.path)
        box.world.photos[first(box)].has_object = False

    box.faults.append(Fault(action=act))
    assert fetch_first(box).status == 404
    assert seen == [box.requests[0].path]


def test_fault_conditions(box: Sandbox) -> None:
    """A fault strikes only what it names, and counts only that."""
    one, two, *_ = box.world.photos
    box.faults += [
        Fault(path=one, nth=2, status=500),
        Fault(ranged=False, path=two, nth=range(2, 4), status=501),
        Fault(method="POST", status=502),
    ]
    assert [fetch(box.link(image_id)).status for image_id in (two, one, one, one)] == [200, 200, 500, 200]
    assert fetch(box.link(two), Range="bytes=0-").status == 206
    assert [fetch(box.link(two)).status for _ in range(3)] == [501, 501, 200]
    assert fetch(box.link(two), "POST").status == 502


def test_faults_combine(box: Sandbox) -> None:
    """Faults that strike together add their delays, merge their headers and follow each other."""
    seen: list[int] = []
    box.faults += [
        Fault("api", delay_s=0.1, headers={"A": "1", "B": "1"}, mutate=lambda payload: {**payload, "n": 1}),
        Fault("api", delay_s=0.1, headers={"B": "2"}, mutate=lambda payload: payload.update(m=payload["n"] + 1)),
        Fault("api", action=lambda _: seen.append(1), status=500),
        Fault("api", action=lambda _: seen.append(2), status=502),
    ]
    started = time.monotonic()
    reply = look(box, "123/events")
    assert time.monotonic() - started >= 0.2
    assert (reply.status, reply.headers["a"], reply.headers["b"], seen) == (502, "1", "2", [1, 2])
    assert (reply.json["n"], reply.json["m"]) == (1, 2)


def outcomes(seed: int, share: float) -> list[str]:
    """What becomes of three requests for each of forty photos, with failures by chance."""
    found: list[str] = []
    with Sandbox(World.generate(photos=40, size=3_000), failure_share=share, seed=seed) as box:
        for image_id in [*box.world.photos] * 3:
            try:
                found.append(str(fetch(box.link(image_id)).status))
            except (*Breaks, http.client.IncompleteRead) as error:
                found.append(type(error).__name__)
    return found


def test_failures_by_chance() -> None:
    """A share of the store's answers fails in several ways, the same ones for the same seed."""
    once = outcomes(1, 0.4)
    assert once == outcomes(1, 0.4)
    assert once != outcomes(2, 0.4)
    assert 0.25 < sum(each != "200" for each in once) / len(once) < 0.55
    assert set(once) == {"200", "500", "503", "ConnectionResetError", "IncompleteRead"}
    assert set(outcomes(1, 0)) == {"200"}


def segments(jpeg: bytes) -> list[tuple[int, int]]:
    """The marker and the size of each segment up to the scan; the end marker must be at the end."""
    assert jpeg.startswith(b"\xff\xd8")
    assert jpeg.endswith(b"\xff\xd9")
    found: list[tuple[int, int]] = []
    at = 2
    while not found or found[-1][0] != 0xDA:
        prefix, marker, size = struct.unpack(">BBH", jpeg[at : at + 4])
        assert prefix == 0xFF
        found.append((marker, size + 2))
        at += size + 2
    return found


@pytest.mark.parametrize("size", [2_000, 20_100, 45_000, 65_000, 65_537, 131_000, 195_100, 300_000, 1_000_003])
def test_photos_are_jpegs_of_the_wanted_size(size: int) -> None:
    """A photo is a JPEG, segment by segment, of exactly the wanted size."""
    world = World.generate(photos=3, size=size)
    for image_id in world.photos:
        jpeg = world.photo_bytes(image_id)
        assert len(jpeg) == size
        markers = [marker for marker, _ in segments(jpeg)]
        assert markers[0] == 0xE0
        assert markers[1] == 0xFE
        assert {0xDB, 0xC4, 0xDA} < set(markers)


def test_sizes_around_a_segment_are_exact() -> None:
    """No size falls into a gap between the sizes that comment segments can have."""
    least = next(size for size in range(1_900, 2_100) if photo_or_none(size))
    for size in [*range(least, least + 5), *range(least + 64_990, least + 65_090)]:
        jpeg = photo_or_none(size)
        assert jpeg is not None
        assert len(jpeg) == size
        assert segments(jpeg)


def photo_or_none(size: int) -> bytes | None:
    """A photo of some size, if there is one."""
    try:
        return World(photos={"p": StoredPhoto("p", size)}).photo_bytes("p")
    except ValueError:
        return None


def test_photo_that_is_too_small() -> None:
    """A size in which no picture fits is an error that names the least one."""
    with pytest.raises(ValueError, match="at least"):
        World(photos={"p": StoredPhoto("p", 1_000)}).photo_bytes("p")


def test_photos_are_the_same_everywhere() -> None:
    """A world's photos depend on its seed alone."""
    one, two, other = World.generate(photos=3), World.generate(photos=3), World.generate(photos=3, seed=2)
    assert list(one.photos) == list(two.photos) != list(other.photos)
    assert [one.photo_bytes(each) for each in one.photos] == [two.photo_bytes(each) for each in two.photos]
    assert next(iter(one.photos)) == "8fad34bb-b0c1-4d09-9fbf-1b50cb0e4878"
    assert one.photo_bytes(next(iter(one.photos)))[32:40].hex() == "f7532b16de991c05"


def test_versions_and_photos_share_nothing() -> None:
    """Any stretch of the filling tells which photo and which version it is from."""
    size = 300_000
    world = World(photos={name: StoredPhoto(name, size, version=n) for name, n in (("a", 1), ("b", 1))})
    first_one, other = world.photo_bytes("a"), world.photo_bytes("b")
    world.photos["a"].version = 2
    second = world.photo_bytes("a")
    for one, two in ((first_one, other), (first_one, second)):
        stretches = [slice(at, at + 64) for at in range(64, size - 45_000, 64)]
        assert not [each for each in stretches if one[each] == two[each]]


@pytest.mark.parametrize("block", [512, 1000, 1024, 4096, 8192, 16_384, 32_768, 65_536, 100_000])
def test_no_block_of_a_photo_passes_for_its_neighbours(block: int) -> None:
    """In whatever size of blocks a photo is copied, none of them is like one of the next sixteen."""
    size = 3_000_000
    photo = World(photos={"a": StoredPhoto("a", size)}).photo_bytes("a")
    blocks = [photo[at : at + block] for at in range(0, size - 45_000, block)]
    assert not [
        number
        for step in range(1, 17)
        for number in range(len(blocks) - step)
        if blocks[number] == blocks[number + step]
    ]


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (19, 25), (64_990, 65_100), (259_000, 270_000), (5, 2_999_990)])
def test_photos_can_be_read_from_anywhere(start: int, stop: int) -> None:
    """A range of a photo is the same as that part of the whole."""
    world = World(photos={"p": StoredPhoto("p", 3_000_000)})
    content = world.content(world.photos["p"])
    assert b"".join(content.iter_bytes(start, stop)) == world.photo_bytes("p")[start:stop]


def test_big_photos_are_never_held_whole() -> None:
    """A photo comes in pieces that do not grow with it."""
    content = World().content(StoredPhoto("p", 25_000_000))
    assert max(len(piece) for piece in content.iter_bytes(0, content.size)) < 400_000


def test_default_world() -> None:
    """The default world has 47 photos, all of them under one bib and one face search."""
    world = World.generate()
    assert list(world.photos) == world.bibs["1234"] == world.searches[REQUEST_ID]
    assert len(world.photos) == 47
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", each) for each in world.photos)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a certificate that is its own authority, in one file."""
    path = tmp_path / "both.pem"
    subject = ["-subj", "/CN=sandbox", "-addext", "subjectAltName=IP:127.0.0.1"]
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *subject]
    output_of([*make, "-keyout", path, "-out", tmp_path / "certificate.pem"])
    path.write_bytes(path.read_bytes() + (tmp_path / "certificate.pem").read_bytes())
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[tuple[Sandbox, Callable[[], http.client.HTTPSConnection]]]:
    """A sandbox that speaks TLS, and what opens a connection to its store."""
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)
    client_side = ssl.create_default_context(cafile=str(certificate))
    with Sandbox(World.generate(photos=1), tls=server_side) as box:
        parts = urlsplit(box.store_url)
        yield box, lambda: http.client.HTTPSConnection("127.0.0.1", parts.port, timeout=5, context=client_side)


def test_tls(secure: tuple[Sandbox, Callable[[], http.client.HTTPSConnection]]) -> None:
    """Both servers can speak TLS, and a body without a length ends there in good order."""
    box, new = secure
    assert box.base_url.startswith("https://")
    with closing(new()) as connection:
        assert exchange(connection, box.link(first(box))).body == box.world.photo_bytes(first(box))
    box.faults.append(Fault(without_length=True, cut_after=1000))
    with closing(new()) as connection:
        assert len(exchange(connection, box.link(first(box))).body) == 1000
    box.faults[:] = [Fault(reset=True)]
    with closing(new()) as connection, pytest.raises(ConnectionResetError):
        exchange(connection, box.link(first(box)))


def test_tls_clients_that_go_away(secure: tuple[Sandbox, Callable[[], http.client.HTTPSConnection]]) -> None:
    """Neither a client that does not trust the certificate nor one that never speaks does any harm."""
    box, new = secure
    parts = urlsplit(box.store_url)
    with socket.create_connection((parts.hostname, parts.port)):
        with (
            pytest.raises(ssl.SSLCertVerificationError),
            closing(
                http.client.HTTPSConnection("127.0.0.1", parts.port, context=ssl.create_default_context())
            ) as connection,
        ):
            exchange(connection, box.link(first(box)))
        with closing(new()) as connection:
            assert exchange(connection, box.link(first(box))).status == 200
        started = time.monotonic()
        box.stop()
        assert time.monotonic() - started < 8
