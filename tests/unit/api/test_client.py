"""The REST API: what each answer means for the run."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from email.utils import formatdate
from itertools import islice
from typing import Any

import pytest

from ninepic_cli.api.client import Api
from ninepic_cli.api.schema import EventEntry, Page, PhotoItem, Query
from ninepic_cli.errors import (
    EventNotFoundError,
    GivenUpError,
    MachineError,
    NinepicError,
    NotAllowedError,
    OpenFilesError,
    RejectedError,
    ServiceFailedError,
    SettingsError,
)
from ninepic_cli.models import Credentials, Method
from ninepic_cli.net.client import Client
from ninepic_cli.net.retry import HostThrottle
from ninepic_cli.sandbox import Fault, Sandbox, World
from ninepic_cli.system.shutdown import CancelToken
from ninepic_cli.updates import HostPaused, RequestFinished, RetryScheduled, Update
from tests.support.api_answers import HTML, PHOTOS, asked, at_api, error_body
from tests.support.worlds import small_world

FIVE = EventEntry(5, "", "", "")


class _NoFilesClient(Client):
    """One that can open no connection."""

    idle_closed = 0

    def send(self, *_: Any, **__: Any) -> Any:
        raise OpenFilesError

    def close_idle(self) -> None:
        self.idle_closed += 1


class Caller:
    """The API, asked from this process."""

    def __init__(self, box: Sandbox, client: Client, *, retries: int = 6, give_up_after_s: float = 600) -> None:
        self.events: list[Update] = []
        self.box = box
        access = Credentials(box.world.api_key, box.world.org_id, box.world.event_id, box.base_url)
        stop = CancelToken()
        host = HostThrottle("api", give_up_after_s=give_up_after_s, stop=stop, on_update=self.events.append)
        self.api = Api(access, client=client, host=host, retries=retries, stop=stop, on_update=self.events.append)

    def page(self, bib: str = "1234", number: int = 1) -> Page[PhotoItem]:
        """A page of a bib's photos."""
        return self.api.photos_page(Query(Method.BIB, bib), number, what=f"page {number} of bib {bib}")

    def failure(self) -> NinepicError:
        """How asking for a page fails."""
        with pytest.raises(NinepicError) as caught:
            self.page()
        return caught.value

    def of(self, kind: type[Any]) -> list[Any]:
        """The events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]


@contextmanager
def calling(*faults: Fault, world: World | None = None, **options: Any) -> Iterator[Caller]:
    """The API of a sandbox in which this goes wrong."""
    about = {name: options.pop(name) for name in ("retries", "give_up_after_s") if name in options}
    with (
        Sandbox(world or small_world(), faults=faults, **options) as box,
        closing(Client(timeout_s=5, connections=2, environ={})) as client,
    ):
        yield Caller(box, client, **about)


class TestMeanings:
    """What each answer means: its error, its exit status, and how many requests it takes to say so."""

    @pytest.mark.parametrize(
        ("fault", "kind", "words", "requests"),
        [
            (at_api(status=401), NotAllowedError, "API key missing", ["original-photos"]),
            (at_api(status=400), RejectedError, "Bad Request", ["original-photos"]),
            (at_api(status=422, body=error_body("body.identifier: too long")), RejectedError, "too long", [PHOTOS[1:]]),
            (at_api(status=409), RejectedError, "Conflict", ["original-photos"]),
            (at_api(status=404), RejectedError, "Not Found", ["original-photos", "ping"]),
            (at_api(path="", status=404), EventNotFoundError, "event 456", ["original-photos", "ping"]),
        ],
    )
    @pytest.mark.usefixtures("quick_retries")
    def test_an_answer_that_is_final(
        self, fault: Fault, kind: type[NinepicError], words: str, requests: list[str]
    ) -> None:
        """A final answer is not asked for again, and its error says what was wrong."""
        with calling(fault) as caller:
            error = caller.failure()
            assert type(error) is kind
            assert words in error.message
            assert asked(caller.box) == requests
            assert caller.of(RetryScheduled) == []

    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            (at_api(status=403, body=HTML), "returned HTTP 403 with a web page"),
            (at_api(status=403, body=""), "returned HTTP 403 with an empty body"),
            (at_api(status=403, body="Forbidden"), "returned HTTP 403 with a body that is not the service's JSON"),
            (at_api(status=404, body=HTML), ": HTTP 404 with a web page"),
            (at_api(status=400, body=""), "returned HTTP 400 with an empty body"),
            (at_api(status=422, body="[]"), "returned HTTP 422 with a body that is not the service's JSON"),
            (at_api(body=HTML), "web page"),
            (at_api(body="{"), "not the service's JSON"),
            (at_api(body=""), "an empty body"),
            (at_api(body="[]"), "not the service's JSON"),
            (at_api(body="null"), "not the service's JSON"),
            (at_api(body=b"\xff\xfe\xfd"), "not the service's JSON"),
            (at_api(body="[" * 100_000), "not the service's JSON"),
            (at_api(body="{}"), "no list of photos"),
            (at_api(body='{"responseType":"success","data":null}'), "no data"),
            (at_api(body='{"responseType":"success","data":[]}'), "no data"),
            (at_api(body=error_body("Down for repairs")), "the message: Down for repairs"),
            (at_api(body='{"responseType":"error"}'), "no message"),
            (at_api(status=204), "204"),
            (at_api(status=206, mutate=lambda _: None), "206"),
            (at_api(status=301), "redirect"),
            (at_api(status=303), "redirect"),
            (at_api(status=307), "redirect"),
            (at_api(status=304), "redirect"),
            (at_api(status=501, body=HTML), "501"),
            (at_api(status=505), "returned HTTP 505 with the message: "),
            (at_api(status=526), "526"),
            (at_api(status=529, body=""), "529"),
            (at_api(gzip=True), "not the service's JSON"),
        ],
    )
    @pytest.mark.usefixtures("quick_retries")
    def test_an_answer_that_cannot_be_used(self, fault: Fault, words: str) -> None:
        """An answer that is not the service's is tried again, and where it stays, the error says what it was."""
        fault.nth = range(1, 4)
        with calling(fault, retries=3) as caller:
            assert len(caller.page().entries) == 3
            assert [event.error.code for event in caller.of(RetryScheduled)] == ["unusable_answer"] * 3
            assert all(words in str(event.error) for event in caller.of(RequestFinished)[:3])
        fault.nth = None
        with calling(fault, retries=1) as caller:
            error = caller.failure()
            assert type(error) is ServiceFailedError
            assert error.code == "unusable_answer"
            assert words in error.message
            assert "login page" in str(error.hint)
            assert "base-url" in str(error.hint)
            assert asked(caller.box) == ["original-photos"] * 2

    @pytest.mark.parametrize("status", [408, 425, 500, 502, 504, 520, 521, 522, 523, 524, 530])
    @pytest.mark.usefixtures("quick_retries")
    def test_a_status_that_passes(self, status: int) -> None:
        """A status of a gateway or a service in trouble is tried again, and told."""
        with calling(at_api(status=status, nth=range(1, 4))) as caller:
            assert len(caller.page().entries) == 3
            assert [event.error.code for event in caller.of(RetryScheduled)] == [f"http_{status}"] * 3
            assert [event.attempt for event in caller.of(RetryScheduled)] == [1, 2, 3]
            assert [event.status for event in caller.of(RequestFinished)] == [status] * 3 + [200]

    @pytest.mark.parametrize(
        "trouble",
        [
            {"hang_up": True},
            {"reset": True},
            {"cut_after": 0.3},
            {"cut_after": 0.3, "reset": True},
            {"status": 500, "cut_after": 0.5},
            {"status": 404, "cut_after": 0.5},
        ],
        ids=str,
    )
    @pytest.mark.usefixtures("quick_retries")
    def test_a_connection_that_breaks(self, trouble: dict[str, Any]) -> None:
        """A connection that breaks before the headers, or in the body of any answer, is tried again."""
        with calling(at_api(nth=1, **trouble)) as caller:
            assert len(caller.page().entries) == 3
            assert asked(caller.box) == ["original-photos"] * 2

    @pytest.mark.usefixtures("quick_retries")
    def test_a_kept_connection_that_has_died(self) -> None:
        """A connection that the service closed after an answer costs nothing but, at most, a try."""
        with calling(at_api(nth=1, close_idle=True)) as caller:
            caller.page()
            assert len(caller.page().entries) == 3

    @pytest.mark.parametrize("retries", [0, 2, 6])
    @pytest.mark.usefixtures("quick_retries")
    def test_tries_end(self, retries: int) -> None:
        """One more than `retries` failed tries end a request, with its name and the last reason."""
        with calling(at_api(status=500), retries=retries) as caller:
            error = caller.failure()
            assert type(error) is ServiceFailedError
            assert error.code == "http_500"
            assert "page 1 of bib 1234" in error.message
            assert "HTTP 500" in error.message
            assert len(asked(caller.box)) == retries + 1
            assert "1 attempts" not in error.message

    @pytest.mark.parametrize("flat", [False, True])
    def test_both_shapes_are_understood(self, flat: bool) -> None:
        """A payload is read with the envelope and without it."""
        with calling(flat=flat) as caller:
            page = caller.page()
            assert [entry.image_id for entry in page.entries] == list(caller.box.world.photos)
            assert (page.total, page.pages, page.has_next) == (3, 1, False)
            caller.api.ping()

    @pytest.mark.parametrize(
        ("mutate", "expected"),
        [
            (lambda data: data.pop("pagination"), (None, None, None)),
            (lambda data: data.update(pagination=None), (None, None, None)),
            (lambda data: data.update(pagination=[1]), (None, None, None)),
            (lambda data: data["pagination"].update(total="3", totalPages=-1, hasNextPage="no"), (None, None, None)),
            (lambda data: data["pagination"].update(total=True, totalPages=2.5, hasNextPage=0), (None, None, None)),
        ],
    )
    def test_odd_pagination_says_nothing(self, mutate: Callable[[Any], Any], expected: tuple[None, ...]) -> None:
        """A pagination object that is missing or makes no sense is as none."""
        with calling(at_api(mutate=lambda payload: mutate(payload["data"]) and None)) as caller:
            page = caller.page()
            assert (page.total, page.pages, page.has_next) == expected
            assert len(page.entries) == 3

    @pytest.mark.parametrize("missing", ["presigned_urls", "failed_urls"])
    @pytest.mark.parametrize("how", ["null", "absent"])
    def test_one_list_is_enough(self, missing: str, how: str) -> None:
        """A page that has only one of its two lists has the items of that one."""

        def mutate(payload: Any) -> None:
            data = payload["data"]
            data["failed_urls"] = [{"image_id": "lost", "error": None, "path": None}]
            data[missing] = None
            if how == "absent":
                del data[missing]

        with calling(at_api(mutate=mutate)) as caller:
            assert len(caller.page().entries) == {"presigned_urls": 1, "failed_urls": 3}[missing]

    @pytest.mark.parametrize(
        ("path", "image_id", "extension"),
        [
            ("imgs/456/large/abc.jpg", "abc", ".jpg"),
            ("imgs/456/large/abc", "abc", ""),
            ("imgs/456/large/a%20b.JPEG", "a b", ".JPEG"),
            ("imgs/456/large/a.b.jpg", "a.b", ".jpg"),
            ("abc.jpg", "abc", ".jpg"),
        ],
    )
    def test_the_image_id_is_the_links(self, path: str, image_id: str, extension: str) -> None:
        """A photo's identity is the last part of its link's path, without its extension."""

        def mutate(payload: Any) -> None:
            payload["data"]["presigned_urls"] = [
                {"url": f"https://s.test/{path}?X-Amz-Expires=7&a=b", "filename": None}
            ]

        with calling(at_api(mutate=mutate)) as caller:
            (entry,) = caller.page().entries
            assert (entry.image_id, entry.extension, entry.filename) == (image_id, extension, "")
            assert entry.url is not None
            assert entry.url.endswith("?X-Amz-Expires=7&a=b")
            assert "s.test" not in repr(entry)


class TestThrottling:
    """429 and 503: the service asks for patience."""

    @pytest.mark.parametrize("status", [429, 503])
    @pytest.mark.usefixtures("quick_retries")
    def test_they_spend_no_tries(self, status: int) -> None:
        """However often the service asks for patience, the request has all its tries left."""
        with calling(at_api(status=status, nth=range(1, 31)), retries=0) as caller:
            assert len(caller.page().entries) == 3
            assert len(asked(caller.box)) == 31
            assert caller.of(RetryScheduled) == []

    @pytest.mark.parametrize("form", ["seconds", "date"])
    def test_the_time_asked_for_is_waited(self, form: str) -> None:
        """Retry-After in seconds, or as a date by the service's own clock, is how long nothing is sent."""
        moment = time.time() + 7200  # a service whose clock is two hours ahead
        headers = {"Retry-After": "1"}
        if form == "date":
            headers = {"Retry-After": formatdate(moment + 1, usegmt=True), "Date": formatdate(moment, usegmt=True)}
        with calling(at_api(status=429, headers=headers, nth=1)) as caller:
            caller.page()
            first, second = caller.box.requests_to("api")
            assert 0.95 <= second.started - first.ended < 5
            assert [(event.code, event.wait_s) for event in caller.of(HostPaused)] == [("http_429", 1.0)]

    @pytest.mark.parametrize("value", ["soon", "-1", "1.5", ""])
    @pytest.mark.usefixtures("quick_retries")
    def test_nonsense_is_no_time(self, value: str) -> None:
        """A Retry-After that makes no sense is as none: the wait is the usual one."""
        with calling(at_api(status=429, headers={"Retry-After": value}, nth=1)) as caller:
            caller.page()
            assert len(caller.box.requests_to("api")) == 2
            assert [event.wait_s < 0.1 for event in caller.of(HostPaused)] == [True]

    @pytest.mark.parametrize("value", ["601", "86400", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
    def test_more_than_there_is_ends_the_run(self, value: str) -> None:
        """A time beyond the patience is not waited for: the error says when to come back."""
        with calling(at_api(status=429, headers={"Retry-After": value})) as caller:
            error = caller.failure()
            assert type(error) is GivenUpError
            assert error.code == "http_429"
            assert "asks to retry in " in error.message
            assert re.search(r"again (at|on) \d", str(error.hint))
            assert asked(caller.box) == ["original-photos"]

    def test_a_rejection_is_no_silence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A service that rejects a request is well: the silence that counts begins with the next failure."""
        failures = []
        faults = [at_api(nth=1, status=500), at_api(nth=2, status=422), at_api(nth=3, status=500)]
        with calling(*faults, retries=0, give_up_after_s=60) as caller:
            for seconds in (0, 50, 70):
                now_s = time.monotonic() + seconds
                monkeypatch.setattr(caller.api._host, "now_s", lambda now_s=now_s: now_s)
                failures.append(type(caller.failure()))
        assert failures == [ServiceFailedError, RejectedError, ServiceFailedError]


class TestTheCommand:
    """What users and scripts see of the service's answers."""

    @pytest.mark.usefixtures("quick_retries")
    def test_a_refusal_that_cannot_be_explained_names_all(self) -> None:
        """Where the event list cannot be had either, a 403 is told with everything there is to check."""
        with calling(at_api(status=403), at_api(path="/events", status=404)) as caller:
            error = caller.failure()
            assert type(error) is NotAllowedError
            assert all(word in str(error.hint) for word in ("key", "--org", "--event"))
            assert len(asked(caller.box)) <= 3

    @pytest.mark.parametrize(
        "ping", [{"status": 500}, {"status": 403}, {"status": 401}, {"body": HTML}, {"reset": True}]
    )
    @pytest.mark.usefixtures("quick_retries")
    def test_a_404_stands_when_the_ping_fails(self, ping: dict[str, Any]) -> None:
        """A ping that does not answer leaves the 404 as it was."""
        with calling(at_api(path="/ping", **ping), retries=1) as caller, pytest.raises(RejectedError):
            caller.page("9999")


class TestEventList:
    """The organisation's events."""

    def test_all_pages(self) -> None:
        """Every event comes once, in the service's order, with a request for each page of a hundred."""
        world = small_world()
        world.more_events = {number: f"Race {number}" for number in range(1000, 1150)}
        for flat in (False, True):
            with calling(world=world, flat=flat) as caller:
                entries = list(caller.api.events())
                assert entries[0] == EventEntry(456, "Sandbox Marathon", "2025-09-14", "published", "sandbox-marathon")
                assert [entry.event_id for entry in entries] == [456, *range(1000, 1150)]
                queries = [request.query for request in caller.box.requests_to("api")]
                assert queries == ["page=1&page_size=100", "page=2&page_size=100"]

    def test_a_page_is_asked_for_when_it_is_needed(self) -> None:
        """Who takes no more than the first page's events costs one request."""
        world = small_world()
        world.more_events = dict.fromkeys(range(1000, 1150), "")
        with calling(world=world) as caller:
            assert len(list(islice(caller.api.events(), 100))) == 100
            assert asked(caller.box) == ["events"]

    @pytest.mark.parametrize(
        ("items", "entries"),
        [
            ([], []),
            (
                [None, 3, [], {}, {"event_id": None}, {"event_id": 0}, {"event_id": True}, {"event_id": 5}],
                [EventEntry(5, "", "", "")],
            ),
            ([{"event_id": "5"}, {"event_id": "5.0"}, {"event_id": 10**400}], [EventEntry(5, "", "", "")]),
            ([{"event_id": 5}], [FIVE]),
            ([{"event_id": 5, "event_name": None, "event_date": 3, "status": None}] * 2, [FIVE]),
            (
                [{"event_id": 5, "event_name": "A", "event_date": "2026-01-02T03:04:05Z", "status": "draft"}],
                [EventEntry(5, "A", "2026-01-02", "draft")],
            ),
        ],
    )
    @pytest.mark.parametrize("pagination", [None, {}, {"hasNextPage": True}, {"hasNextPage": "no", "totalPages": -1}])
    def test_whatever_the_service_lists(self, items: list[Any], entries: list[EventEntry], pagination: Any) -> None:
        """What has no id is passed over, missing texts are empty, and a list that repeats itself ends."""
        body = json.dumps({"data": {"events": items, "pagination": pagination}, "responseType": "success"})
        with calling(at_api(path="/events", body=body)) as caller:
            assert list(caller.api.events()) == entries
            assert len(asked(caller.box)) <= 2

    def test_a_list_that_became_shorter(self) -> None:
        """A 404 after the first page is the list's end."""
        body = json.dumps({"data": {"events": [{"event_id": 5}], "pagination": {}}, "responseType": "success"})
        faults = [at_api(path="/events", body=body, nth=1), at_api(path="/events", status=404, nth=2)]
        with calling(*faults) as caller:
            assert [entry.event_id for entry in caller.api.events()] == [5]

    @pytest.mark.parametrize(
        ("fault", "kind", "words"),
        [
            (at_api("/events", status=401), NotAllowedError, "API key missing"),
            (at_api("/events", status=403), NotAllowedError, "API key rejected for organisation 123: Forbidden"),
            (at_api("/events", status=404), SettingsError, "organisation 123 not found: Not Found"),
            (at_api("/events", status=422), SettingsError, "organisation 123 not found"),
            (at_api("/events", status=409), ServiceFailedError, "HTTP 409 from the service: Conflict"),
            (at_api("/events", status=500), ServiceFailedError, "500"),
            (at_api("/events", body=HTML), ServiceFailedError, "web page"),
            (at_api("/events", body='{"data": {"events": {}}}'), ServiceFailedError, "no list of events"),
            (at_api("/events", body='{"data": {"events": [{}]}}'), ServiceFailedError, "events without ids"),
        ],
    )
    def test_what_a_failure_means(self, fault: Fault, kind: type[NinepicError], words: str) -> None:
        """Each failure has its error and its words, after one request."""
        with calling(fault, retries=0) as caller:
            with pytest.raises(NinepicError) as caught:
                list(caller.api.events())
            assert type(caught.value) is kind
            assert words in caught.value.message
            assert asked(caller.box) == ["events"]


class TestSecrets:
    """The key goes to the API alone, and neither key nor link is ever written."""

    @pytest.mark.parametrize("key", ["jpg", "data", "a"])
    def test_a_key_that_is_a_common_word_spoils_nothing(self, key: str) -> None:
        """A key whose letters stand in links and names, as somebody's stand-in may have, changes nothing about them."""
        world = small_world()
        world.api_key = key
        with calling(world=world) as caller:
            entries = caller.page().entries
            assert [entry.image_id for entry in entries] == list(world.photos)
            assert {entry.extension for entry in entries} == {".jpg"}


def test_too_many_open_files_are_this_machines_matter() -> None:
    """Idle connections are closed for another attempt; where that does not help, the machine is named."""
    with Sandbox(small_world()) as box, closing(_NoFilesClient(timeout_s=5, connections=1, environ={})) as client:
        error = Caller(box, client, retries=1, give_up_after_s=0).failure()
        assert (type(error), error.code, client.idle_closed) == (MachineError, "open_files", 2)
