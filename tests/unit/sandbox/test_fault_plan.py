"""Fault plans: what a file says goes wrong, and what is no plan is refused with the place."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import time
from contextlib import closing, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import ninepic_cli
from ninepic_cli.sandbox import Fault, Request, Sandbox, World, faults_from_file, faults_from_json, log_line
from ninepic_cli.sandbox.fault_plan import CONDITIONS, EVIL_NAMES, EXCLUDED, FIELDS
from tests.support.clock import until
from tests.support.http_client import Reply, ask, connect, exchange, fetch, fetch_first, first, look, raw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


REFERENCE = Path(ninepic_cli.__file__).parent.parent / "docs/reference.md"
SIZE = 60_000
PHOTOS = 13


@contextmanager
def serving(*entries: dict[str, Any]) -> Iterator[Sandbox]:
    """A sandbox in which goes wrong what the entries of a plan say."""
    faults = faults_from_json(json.dumps(entries))
    with Sandbox(World.generate(photos=PHOTOS, size=SIZE), faults=faults) as box:
        yield box


def listing(box: Sandbox, query: str = "") -> Reply:
    """The photos of the bib that has them all."""
    return ask(box, {"method": "bib", "identifier": "1234"}, query)


def names(box: Sandbox) -> list[str]:
    """The file names that a listing suggests."""
    return [item["filename"] for item in listing(box).data["presigned_urls"]]


def statuses(box: Sandbox, count: int, **headers: str) -> list[int]:
    """What the store answers to some requests."""
    return [fetch_first(box, **headers).status for _ in range(count)]


def received(box: Sandbox, timeout: float = 5) -> bytes:
    """The body of the first photo as far as it comes, without regard to what its length was to be."""
    with closing(connect(box.store_url, timeout)) as connection:
        connection.request("GET", box.link(first(box)).removeprefix(box.store_url))
        with connection.getresponse() as response:
            try:
                return response.read()
            except http.client.IncompleteRead as error:
                return error.partial


def breaks(box: Sandbox) -> str:
    """The name of the error that a request to the store ends with."""
    try:
        fetch_first(box)
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    return ""


def silence(box: Sandbox) -> str:
    """The name of the error that a client with little patience ends with."""
    with closing(connect(box.store_url, timeout=0.3)) as connection:
        try:
            exchange(connection, box.link(first(box)))
        except OSError as error:
            return type(error).__name__
    return ""


def redirects(box: Sandbox) -> list[tuple[int, str, str, bytes]]:
    """The answers, out of one of each server, that are not the proper ones."""
    replies = [each for each in (fetch_first(box), listing(box)) if each.status != 200]
    return [(each.status, each.headers["location"], each.headers["x"], each.body) for each in replies]


def duration(act: Callable[[], object]) -> float:
    """The seconds that something takes."""
    started = time.monotonic()
    act()
    return time.monotonic() - started


def is_closed_afterwards(box: Sandbox) -> bool:
    """Whether the connection is closed after a whole answer that did not say so."""
    with closing(connect(box.store_url)) as connection:
        reply = exchange(connection, box.link(first(box)))
        return len(reply.body) == SIZE and "connection" not in reply.headers and connection.sock.recv(1) == b""


def is_broken_json(body: bytes) -> bool:
    """Whether a body begins as JSON and is none."""
    try:
        json.loads(body)
    except ValueError:
        return body.startswith(b'{"')
    return False


def changes(box: Sandbox) -> bool:
    """Whether the second request finds another photo of the same length."""
    before, after = fetch_first(box), fetch_first(box)
    return before.body != after.body and len(before.body) == len(after.body)


Case = tuple[dict[str, Any], "Callable[[Sandbox], object]", object]
TYPE = "content-type"
# For each field: entries that have it, what is seen, and what it must be.
EFFECTS: dict[str, list[Case]] = {
    "server": [
        ({"server": "api", "status": 500}, lambda box: (look(box, "123/events").status, *statuses(box, 1)), (500, 200)),
        (
            {"server": "store", "status": 500},
            lambda box: (look(box, "123/events").status, *statuses(box, 1)),
            (200, 500),
        ),
    ],
    "method": [
        (
            {"method": "POST", "status": 500},
            lambda box: [fetch(box.link(first(box)), verb).status for verb in ("POST", "GET")],
            [500, 200],
        ),
    ],
    "path": [
        (
            {"server": "api", "path": "?page=2&", "status": 500},
            lambda box: [listing(box, f"?page={n}&page_size=5").status for n in (1, 2, 3)],
            [200, 500, 200],
        ),
    ],
    "nth": [
        ({"nth": 2, "status": 500}, lambda box: statuses(box, 3), [200, 500, 200]),
        ({"nth": "2-3", "status": 500}, lambda box: statuses(box, 4), [200, 500, 500, 200]),
        ({"nth": "3-", "status": 500}, lambda box: statuses(box, 4), [200, 200, 500, 500]),
    ],
    "ranged": [
        (
            {"ranged": True, "status": 500},
            lambda box: statuses(box, 1) + statuses(box, 1, Range="bytes=1-"),
            [200, 500],
        ),
        (
            {"ranged": False, "status": 500},
            lambda box: statuses(box, 1) + statuses(box, 1, Range="bytes=1-"),
            [500, 206],
        ),
    ],
    "status": [({"status": 503}, lambda box: fetch_first(box).code, "ServiceUnavailable")],
    "headers": [({"headers": {"ETag": '"other"'}}, lambda box: fetch_first(box).headers["etag"], '"other"')],
    "body": [
        ({"body": "hello"}, lambda box: fetch_first(box).body, b"hello"),
        (
            {"status": 403, "body": "<Error><Code>ExpiredRequest</Code></Error>"},
            lambda box: (fetch_first(box).status, fetch_first(box).code),
            (403, "ExpiredRequest"),
        ),
    ],
    "redirect": [
        (
            {"server": server, "redirect": "http://127.0.0.1:9/x", "headers": {"X": "1"}},
            redirects,
            [(302, "http://127.0.0.1:9/x", "1", b"")],
        )
        for server in ("api", "store")
    ],
    "html": [
        (
            {"html": True},
            lambda box: (fetch_first(box).status, fetch_first(box).headers[TYPE], b"<html>" in fetch_first(box).body),
            (200, "text/html; charset=utf-8", True),
        ),
        ({"html": True, "status": 403}, lambda box: fetch_first(box).status, 403),
        ({"server": "api", "html": True}, lambda box: listing(box).headers[TYPE], "text/html; charset=utf-8"),
    ],
    "xml": [
        ({"xml": True}, lambda box: (fetch_first(box).status, fetch_first(box).code), (200, "InternalError")),
        ({"xml": True, "status": 404}, lambda box: fetch_first(box).status, 404),
        ({"server": "api", "xml": True}, lambda box: listing(box).headers[TYPE], "application/xml"),
    ],
    "delay_s": [({"delay_s": 0.2}, lambda box: duration(lambda: fetch_first(box)) >= 0.2, True)],
    "silent": [({"silent": True}, silence, "TimeoutError")],
    "hang_up": [({"hang_up": True}, lambda box: raw(box.link(first(box))), b"")],
    "reset": [
        ({"reset": True}, breaks, "ConnectionResetError"),
        ({"reset": True, "cut_after": 0.5}, breaks, "ConnectionResetError"),
    ],
    "cut_after": [
        ({"cut_after": 1234}, lambda box: len(received(box)), 1234),
        ({"cut_after": 1}, lambda box: len(received(box)), 1),
        ({"cut_after": 0.5}, lambda box: len(received(box)), SIZE // 2),
        ({"cut_after": 1.0}, lambda box: len(received(box)), SIZE),
    ],
    "stall_after": [({"stall_after": 1000}, silence, "TimeoutError")],
    "without_length": [
        (
            {"without_length": True, "cut_after": 0.5},
            lambda box: (len(fetch_first(box).body), "content-length" in fetch_first(box).headers),
            (SIZE // 2, False),
        ),
    ],
    "announce_length": [
        ({"announce_length": 100}, lambda box: len(fetch_first(box).body), 100),
        ({"announce_length": SIZE + 1}, breaks, "IncompleteRead"),
    ],
    "close_idle": [({"close_idle": True}, is_closed_afterwards, True)],
    "trickle_bps": [({"body": "12345", "trickle_bps": 20}, lambda box: duration(lambda: fetch_first(box)) > 0.2, True)],
    "gzip": [({"gzip": True}, lambda box: len(gzip.decompress(fetch_first(box).body)), SIZE)],
    "ignore_range": [({"ignore_range": True}, lambda box: statuses(box, 1, Range="bytes=1-"), [200])],
    "wrong_range": [
        (
            {"wrong_range": True},
            lambda box: fetch_first(box, Range="bytes=50-").headers["content-range"],
            "bytes 25-59999/60000",
        ),
    ],
    "change_object": [({"change_object": True}, changes, True)],
    "page": [
        (
            {"server": "api", "page": 2},
            lambda box: listing(box, "?page=1&page_size=5").data["pagination"]["currentPage"],
            2,
        ),
    ],
    "shift": [
        (
            {"server": "api", "nth": "2-", "shift": 3},
            lambda box: [listing(box).data["pagination"]["total"] for _ in range(3)],
            [PHOTOS, PHOTOS - 3, PHOTOS - 6],
        ),
        ({"server": "api", "shift": 3}, lambda box: names(box)[0], f"{[*World.generate().photos][3]}.jpg"),
        (
            {"server": "api", "shift": 1},
            lambda box: [look(box, "123/events").status, len(names(box))],
            [200, PHOTOS - 1],
        ),
        ({"server": "api", "shift": PHOTOS}, lambda box: listing(box).status, 404),
    ],
    "malformed": [({"server": "api", "malformed": True}, lambda box: is_broken_json(listing(box).body), True)],
    "evil_names": [
        ({"server": "api", "evil_names": True}, names, list(EVIL_NAMES[:PHOTOS])),
        ({"server": "api", "evil_names": True}, lambda box: look(box, "123/events").status, 200),
        ({"server": "api", "evil_names": True}, lambda box: look(box, "9/events").status, 403),
    ],
    "duplicate_names": [({"server": "api", "duplicate_names": True}, names, ["IMG_0001.JPG"] * PHOTOS)],
}
CASES = [pytest.param(*case, id=f"{name}-{n}") for name, cases in EFFECTS.items() for n, case in enumerate(cases, 1)]


@pytest.mark.parametrize(("entry", "seen", "expected"), CASES)
def test_every_field_reaches_its_effect(
    entry: dict[str, Any], seen: Callable[[Sandbox], object], expected: object
) -> None:
    """What an entry of a plan says is what a client sees."""
    with serving(entry) as box:
        assert seen(box) == expected


def test_the_table_of_effects_is_complete() -> None:
    """Each field of a plan has its effect shown, by an entry that has it."""
    assert EFFECTS.keys() == FIELDS.keys()
    assert all(name in case[0] for name, cases in EFFECTS.items() for case in cases)


def test_a_plan_has_every_field_of_a_fault() -> None:
    """Whatever the Python interface can do, a plan can say, but for what is Python."""
    assert {field.name for field in fields(Fault) if field.init} - {"mutate", "action"} <= FIELDS.keys()


def test_plain_fields_arrive_as_they_are() -> None:
    """A field without a shorthand is the attribute of that name."""
    text = '[{"server": "api", "path": "/x", "nth": "3-7", "ranged": false, "cut_after": 0.5, "headers": {"A": "1"}}]'
    expected = Fault("api", path="/x", nth=range(3, 8), ranged=False, cut_after=0.5, headers={"A": "1"})
    assert faults_from_json(text) == [expected]


@pytest.mark.parametrize("text", ["[]", " [ ] ", "\ufeff[]"])
def test_an_empty_plan(text: str) -> None:
    """A plan may have no entries."""
    assert faults_from_json(text) == []


def test_a_flag_that_is_false_counts_as_left_out() -> None:
    """A flag can be switched off in place, beside what it would contradict."""
    assert faults_from_json('[{"silent": false, "evil_names": false, "status": 500}]') == [Fault(status=500)]


def test_entries_combine() -> None:
    """Shorthands of several entries that strike together follow each other, whatever each makes of the answer."""
    entries = [{"server": "api", name: True} for name in ("malformed", "evil_names", "duplicate_names", "malformed")]
    with serving(*entries) as box:
        assert is_broken_json(listing(box).body)
    with serving(*reversed(entries[1:3]), {"server": "api", "headers": {"X": "1"}}) as box:
        assert names(box) == list(EVIL_NAMES[:PHOTOS])


def test_names_of_an_answer_without_envelope() -> None:
    """Names are changed in the older shape of the answers too."""
    faults = faults_from_json('[{"server": "api", "duplicate_names": true}]')
    with Sandbox(World.generate(photos=2), faults=faults, flat=True) as box:
        assert {item["filename"] for item in listing(box).json["presigned_urls"]} == {"IMG_0001.JPG"}


def test_a_refused_listing_shifts_nothing() -> None:
    """A listing that is refused, or malformed, leaves the bibs as they were."""
    with serving({"server": "api", "nth": "1-2", "shift": 3}) as box:
        assert ask(box, {"method": "bib", "identifier": "1234"}, X_API_Key="wrong").status == 403
        assert ask(box, {"method": "bib"}).status == 400
        assert len(names(box)) == PHOTOS


WRONG: list[tuple[str, str, str]] = [
    ("not a list", '{"status": 500}', "a plan is a list"),
    ("not JSON", '[\n{"status": }]', "not JSON: line 2, column 12"),
    ("empty", "", "not JSON: line 1, column 1"),
    ("nested", "[" * 100_000, "not JSON"),
    ("long number", f'[{{"status": {"9" * 5000}}}]', "not JSON"),
    ("entry", '[{"status": 500}, 7]', "entry 2: must be an object, not 7"),
    ("null", "[null]", "entry 1: must be an object, not null"),
    ("nothing", "[{}]", "entry 1: says which requests are meant, but not what goes wrong"),
    ("only conditions", '[{"nth": 1}]', "entry 1: says which requests are meant, but not what goes wrong"),
    ("typing", '[{"reset": true}, {"cutafter": 1}]', 'entry 2, "cutafter": there is no such field; did you mean "cut_'),
    ("unknown", '[{"zzz": 1}]', 'entry 1, "zzz": there is no such field'),
    ("Python", '[{"mutate": "x"}]', 'entry 1, "mutate": there is no such field'),
    ("private", '[{"_seen": 1}]', 'entry 1, "_seen": '),
    ("twice", '[{"status": 500, "status": 501}]', 'entry 1, "status": stands there twice'),
    ("header twice", '[{"headers": {"A": "1", "A": "2"}}]', 'entry 1, "headers": "A" stands there twice'),
    ("header name", '[{"headers": {"A B": "1"}}]', 'entry 1, "headers": "A B" is not the name of a header field'),
    ("header lines", '[{"headers": {"A": "1\\r\\nB: 2"}}]', 'entry 1, "headers": A must be text'),
    ("header number", '[{"headers": {"Retry-After": 3}}]', 'entry 1, "headers": Retry-After must be text'),
    ("header framing", '[{"headers": {"content-length": "3"}}]', 'entry 1, "headers": content-length belongs to the'),
    ("location", '[{"redirect": "/", "headers": {"location": "/"}}]', 'entry 1, "headers": Location cannot be had'),
    ("range at once", '[{"ranged": false, "wrong_range": true}]', 'entry 1, "wrong_range": cannot be had together'),
    ("reset, stall", '[{"reset": true, "stall_after": 1}]', 'entry 1, "stall_after": cannot be had together'),
    ("early reset", '[{"reset": true, "status": 500}]', 'entry 1, "status": cannot be had together with "reset"'),
    ("infinite", '[{"delay_s": 1e999}]', 'entry 1, "delay_s": must be a number from 0 to 86400, not Infinity'),
    ("no number", '[{"delay_s": NaN}]', 'entry 1, "delay_s": must be a number from 0 to 86400, not NaN'),
    (
        "long value",
        f'[{{"status": "{"x" * 999}"}}]',
        'entry 1, "status": must be a whole number from 200 to 599, not "xx',
    ),
]
BAD: dict[str, list[object]] = {
    "server": ["both", 1, []],
    "method": ["get", "", 1],
    "path": [1, ["x"]],
    "nth": [0, -1, 1.0, True, "3", "7-3", "0-3", "-3", "a-b", "1 - 2", [1]],
    "status": [199, 600, "500", 500.0, True],
    "headers": ["A: 1", [["A", "1"]], 1],
    "body": [1, {}],
    "redirect": ["", "a b", "http://x/\r\nX: 1", 1, True],
    "delay_s": [-1, "1", True, 86_401],
    "cut_after": [-1, -0.5, 1.5, "0.5", True],
    "stall_after": [-1, 2.0, "half"],
    "announce_length": [-1, 1.5, "5"],
    "trickle_bps": [0, -1, "1K", 1e300],
    "page": [0, 1.5, "2"],
    "shift": [0, -3, 1.5, True],
}
ONLY = {name: field.server for name, field in FIELDS.items() if field.server}
FLAGS = sorted(FIELDS.keys() - BAD.keys())
EXCLUSIVE = sorted(
    (one, other) for one, others in EXCLUDED.items() for other in others if ONLY.get(one) in {None, ONLY.get(other)}
)


@pytest.mark.parametrize(("text", "message"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_is_no_plan(text: str, message: str) -> None:
    """The error says where in the plan what is wrong, and is short."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}") as caught:
        faults_from_json(text)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in BAD.items() for value in [*values, None]]
    + [(name, value) for name in FLAGS for value in (1, 0, "true", None)],
)
def test_wrong_values(name: str, value: object) -> None:
    """A value of a wrong type or out of bounds is an error that names the entry, the field and what it must be."""
    with pytest.raises(ValueError, match=rf'^entry 2, "{name}": must be .+, not '):
        faults_from_json(json.dumps([{"silent": True}, {name: value}]))


def sample(name: str) -> object:
    """A good value of a field."""
    return next(case[0][name] for case in EFFECTS[name])


@pytest.mark.parametrize(("one", "other"), EXCLUSIVE)
def test_contradictions(one: str, other: str) -> None:
    """Two fields of which one would have no effect are an error that names both."""
    server = ONLY.get(one) or ONLY.get(other) or "store"
    with pytest.raises(ValueError, match=r'^entry 1, "(\w+)": cannot be had together with "\w+"') as caught:
        faults_from_json(json.dumps([{"server": server, one: sample(one), other: sample(other)}]))
    assert {one, other} <= set(re.findall(r'"(\w+)"', str(caught.value)))


@pytest.mark.parametrize(("name", "server"), sorted(ONLY.items()))
def test_fields_of_the_other_server(name: str, server: str) -> None:
    """A field that only one of the servers knows asks for it; the store needs no mention."""
    other = {"api": "store", "store": "api"}[server]
    with pytest.raises(ValueError, match=rf'^entry 1, "{name}": needs "server": "{server}"'):
        faults_from_json(json.dumps([{"server": other, name: sample(name)}]))
    if server == "store":
        assert faults_from_json(json.dumps([{name: sample(name)}]))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_plans_in_files(tmp_path: Path, encoding: str) -> None:
    """A plan is read in the encodings that editors and shells write."""
    (tmp_path / "plan.json").write_text('[{"body": "é"}]', encoding)
    assert faults_from_file(tmp_path / "plan.json") == [Fault(body="é")]


def test_files_that_are_no_plans(tmp_path: Path) -> None:
    """A file that is missing, a folder or not text is an error that says so."""
    (tmp_path / "photo.jpg").write_bytes(b"[\xff\xd8\xff\xe0")
    with pytest.raises(ValueError, match="does not exist"):
        faults_from_file(tmp_path / "lost.json")
    with pytest.raises(ValueError, match="cannot be read: Is a directory"):
        faults_from_file(tmp_path)
    with pytest.raises(ValueError, match="not JSON"):
        faults_from_file(tmp_path / "photo.jpg")


def test_lines_of_the_log() -> None:
    """A request ends as one line of JSON, without what signs the link."""
    query = "X-Amz-Signature=secret&x%2Damz-Date=1&x-id=GetObject&page=2&page_size=60"
    request = Request("store", "GET", "/a\n", query, {"range": "bytes=5-"}, status=206, bytes_sent=7)
    request.started = time.monotonic() - 2
    line = log_line(request)
    assert line.count("\n") == 1
    seconds = json.loads(line).pop("seconds")
    assert 2 <= seconds < 30
    assert json.loads(line) == {
        "server": "store",
        "method": "GET",
        "path": "/a\n?page=2&page_size=60",
        "status": 206,
        "bytes": 7,
        "seconds": seconds,
        "range": "bytes=5-",
    }
    assert json.loads(log_line(Request("api", "GET", "/a", "", {})))["path"] == "/a"


def test_requests_that_are_kept() -> None:
    """A sandbox that is told so keeps only the latest requests, and tells of each one when it has ended."""
    ended: list[str] = []
    box = Sandbox(
        World.generate(photos=1),
        faults=[Fault(nth=3, reset=True)],
        keep_requests=2,
        on_request_end=lambda request: ended.append(f"{request.path} {request.status}"),
    )
    with box:
        for name in "abcd":
            if name == "c":
                with pytest.raises(ConnectionResetError):
                    fetch(f"{box.store_url}/c")
            else:
                fetch(f"{box.store_url}/{name}")
            # It is told behind the answer, by another thread.
            until(lambda name=name: len(ended) > "abcd".index(name))  # type: ignore[misc]
    assert [request.path for request in box.requests] == ["/c", "/d"]
    assert ended == ["/a 403", "/b 403", "/c None", "/d 403"]


def test_the_reference_has_the_fields_of_a_plan() -> None:
    """The reference names each field of a plan, and no other, the conditions first."""
    text = REFERENCE.read_text().partition("\n### Fault plans\n")[2].partition("\n### ")[0]
    names = re.findall(r"^- `(\w+)`: ", text, re.MULTILINE)
    assert sorted(names) == sorted(FIELDS)
    assert set(names[: len(CONDITIONS)]) == CONDITIONS
