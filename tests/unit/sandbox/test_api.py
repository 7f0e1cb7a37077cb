"""The API of the stand-in answers as the service's does."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any
from urllib.parse import urlsplit

import pytest

from ninepic_cli.sandbox import Sandbox, StoredPhoto, World
from ninepic_cli.sandbox.data import OTHER_REQUEST_ID, RACE_DAY, REQUEST_ID
from tests.support.http_client import ask, fetch, fetch_first, first, look


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


def test_life_of_the_links_of_the_api(box: Sandbox) -> None:
    """The API's links live as long as the sandbox was told, which can be changed."""
    box.presigner.life_s = 7
    assert "X-Amz-Expires=7&" in ask(box, {"method": "bib", "identifier": "7"}).data["presigned_urls"][0]["url"]
