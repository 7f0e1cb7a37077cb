"""One photo at a time, whatever happens on the way: the file is the store's object, or there is none."""

import hashlib
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ninepic_cli.api.client import Api
from ninepic_cli.api.listing import Listing
from ninepic_cli.api.schema import Query
from ninepic_cli.download.transfer import Existing, Transfer
from ninepic_cli.errors import GivenUpError, MachineError, StoppedError
from ninepic_cli.filesystem.folder import Folder
from ninepic_cli.filesystem.locks import Locks, LockState
from ninepic_cli.models import Busy, Credentials, Downloaded, Failed, Method, Outcome, Photo, Skipped, WouldDownload
from ninepic_cli.net.client import Client
from ninepic_cli.net.retry import HostThrottles
from ninepic_cli.net.sockets import Connector
from ninepic_cli.sandbox import Fault, Request, Sandbox, StoredPhoto, World
from ninepic_cli.sandbox.data import BIB, RACE_DAY
from ninepic_cli.system.shutdown import CancelToken
from ninepic_cli.updates import BytesReceived, HostPaused, RetryScheduled, Update
from tests.support.command import Ninepic, Start, files_in

pytestmark = pytest.mark.usefixtures("quick_retries")

SIZE = 200_000
CUT = 120_000
SCRAP = 9_000  # less than 5 % of SIZE: a cut there spends a try
HTML = b"<!DOCTYPE html><html><body>Please log in</body></html>"
XML = b"<?xml version='1.0'?><Error><Code>InternalError</Code></Error>"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20
EXPIRED = {
    "r2": (403, "<Error><Code>ExpiredRequest</Code><Message>The presigned URL has expired.</Message></Error>"),
    "r2-400": (400, "<Error><Code>ExpiredRequest</Code><Message>The presigned URL has expired.</Message></Error>"),
    "s3": (403, "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"),
}
TRANSIENT = [408, 425, 500, 502, 504, 520, 521, 522, 523, 524, 530]


class Run:
    """The parts of one run, in this process: the API and the store of a sandbox, a folder, a transfer between them."""

    def __init__(
        self,
        box: Sandbox,
        root: Path,
        *,
        existing: str = "skip",
        retries: int = 3,
        timeout_s: float = 10,
        give_up_after_s: float = 60,
        is_direct: bool = True,
    ) -> None:
        self.root = root
        self.events: list[Update] = []
        self.stop = CancelToken()
        self.folder = Folder(root)
        self.clients = [
            Client(timeout_s=timeout_s, connections=16, environ={}, is_direct=is_it) for is_it in (False, is_direct)
        ]
        hosts = HostThrottles(give_up_after_s=give_up_after_s, stop=self.stop, on_update=self.events.append)
        access = Credentials(box.world.api_key, box.world.org_id, box.world.event_id, box.base_url)
        host = hosts.of(box.base_url)
        self._api = Api(access, client=self.clients[0], host=host, retries=retries, stop=self.stop)
        self.transfer = Transfer(
            client=self.clients[1],
            hosts=hosts,
            folder=self.folder,
            existing=Existing(existing),
            retries=retries,
            stop=self.stop,
            on_update=self.events.append,
        )

    def close(self) -> None:
        """Close the connections."""
        for client in self.clients:
            client.close()

    def listed(self, bib: str = BIB) -> list[Photo]:
        """The photos of a bib."""
        return [each for each in Listing(self._api).entries([Query(Method.BIB, bib)]) if isinstance(each, Photo)]

    def __call__(self, photos: Sequence[Photo] | None = None, *, jobs: int = 1) -> list[Outcome]:
        """Transfers photos, those of the usual bib unless told otherwise."""
        with ThreadPoolExecutor(jobs) as pool:
            outcomes = list(pool.map(self._outcome, self.listed() if photos is None else photos))
        self.folder.close()
        return outcomes

    def _outcome(self, photo: Photo) -> Outcome:
        while isinstance(outcome := self.transfer(photo), Busy):
            self.stop.wait(0.01)
        return outcome

    def saved(self) -> Downloaded:
        """The outcome of the only photo, which is to be saved."""
        (outcome,) = self()
        assert isinstance(outcome, Downloaded), outcome
        return outcome

    def failed(self) -> Failed:
        """The outcome of the only photo, which is to fail."""
        (outcome,) = self()
        assert isinstance(outcome, Failed), outcome
        return outcome

    def of(self, kind: type[Update]) -> list[Any]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def serve() -> Iterator[Start]:
    """Starts a sandbox with some photos that have the attributes given."""
    with ExitStack() as stack:

        def start(*faults: Fault, photos: int = 1, size: int = SIZE, box: Any = None, **attributes: Any) -> Sandbox:
            world = World.generate(photos=photos, size=size)
            for photo in world.photos.values():
                for name, value in attributes.items():
                    setattr(photo, name, value)
            return stack.enter_context(Sandbox(world, faults=faults, **(box or {})))

        yield start


@pytest.fixture
def is_direct() -> bool:
    """Whether requests to the store go over our own transport, as they do unless there is a proxy."""
    return True


over_both_transports = pytest.mark.parametrize("is_direct", [True, False], ids=["own", "httpx"])


@pytest.fixture
def run(tmp_path: Path, is_direct: bool) -> Iterator[Callable[..., Run]]:
    """Makes the parts of a run into one and the same folder."""
    runs: list[Run] = []

    def make(box: Sandbox, **options: Any) -> Run:
        runs.append(Run(box, tmp_path / "out", is_direct=is_direct, **options))
        return runs[-1]

    yield make
    for each in runs:
        each.close()


Make = Callable[..., Run]


@pytest.fixture
def fetch(ninepic: Ninepic, tmp_path: Path) -> Callable[..., Any]:
    """Runs the command for the usual bib with JSON lines into the folder `out`."""
    return lambda *args: ninepic("bib", BIB, "--json", "-o", tmp_path / "out", *args)


def only(box: Sandbox) -> StoredPhoto:
    """The photo of a world that has one."""
    (photo,) = box.world.photos.values()
    return photo


def data_of(box: Sandbox) -> bytes:
    """The bytes of the only photo."""
    return box.world.photo_bytes(only(box).image_id)


def path_of(box: Sandbox, root: Path) -> Path:
    """Where the only photo goes."""
    return root / f"{only(box).image_id}.jpg"


def objects(box: Sandbox) -> dict[str, bytes]:
    """What a folder with all photos holds, and nothing else."""
    return {f"{image_id}.jpg": box.world.photo_bytes(image_id) for image_id in box.world.photos}


def parts(root: Path) -> list[Path]:
    """The partials in a folder."""
    return sorted([*root.glob(".ninepic/*.part"), *root.glob(".ninepic/*.tmp")])


def asked(box: Sandbox, *names: str) -> list[tuple[str | None, ...]]:
    """Header fields of each request to the store, the range and its condition unless told otherwise."""
    return [
        tuple(request.headers.get(name) for name in names or ("range", "if-match"))
        for request in box.requests_to("store")
    ]


def statuses(box: Sandbox, server: str = "store") -> list[int | None]:
    """What each request to a server was answered with."""
    return [request.status for request in box.requests_to(server)]


def methods(box: Sandbox) -> list[str]:
    """What the API was asked for, request by request."""
    return [request.body.partition(b'"method": "')[2].partition(b'"')[0].decode() for request in box.requests_to("api")]


def expired(form: str = "r2", **options: Any) -> Fault:
    """The store refuses a link for its age."""
    status, body = EXPIRED[form]
    return Fault(status=status, body=body, **options)


def begin(box: Sandbox, run: Make) -> Path:
    """Leaves a partial of SCRAP bytes behind, as an interrupted run does."""
    box.faults = [Fault(cut_after=SCRAP)]
    started = run(box, retries=0)
    started.failed()
    box.faults = []
    box.requests.clear()
    (part,) = parts(started.root)
    assert part.stat().st_size == SCRAP
    return part


def together(count: int) -> Callable[[Request], None]:
    """Holds requests back until so many have come."""
    barrier = threading.Barrier(count)

    def wait(_: Request) -> None:
        barrier.wait(20)

    return wait


# A photo arrives.


@over_both_transports
def test_whole_photo(serve: Start, run: Make) -> None:
    """A photo comes by one plain GET and is on disk with the store's bytes and date, and nothing else is."""
    box = serve()
    now = run(box)
    outcome = now.saved()
    data = data_of(box)
    path = path_of(box, now.root)
    assert (outcome.path, outcome.size, outcome.md5) == (path, SIZE, hashlib.md5(data).hexdigest())
    assert outcome.attempts == 1
    assert files_in(now.root) == objects(box)
    assert list(now.root.iterdir()) == [path]
    assert path.stat().st_mtime == RACE_DAY
    (request,) = box.requests_to("store")
    assert request.method == "GET"
    assert set(request.headers) <= {"host", "user-agent", "accept", "accept-encoding", "connection"}
    assert request.headers["accept-encoding"] == "identity"
    assert sum(event.received for event in now.of(BytesReceived)) == SIZE
    assert now.of(BytesReceived)[-1].done == SIZE


def test_the_command_tells_what_it_did(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """Each photo's JSON line has its size, its MD5 and one attempt, and the folder holds exactly the photos."""
    box = sandbox(World.generate(photos=12, size=30_000))
    result = fetch()
    assert result.status == 0, result.err
    assert files_in(tmp_path / "out") == objects(box)
    for line in result.photos("downloaded"):
        data = box.world.photo_bytes(line["image_id"])
        assert (line["bytes"], line["md5"]) == (len(data), hashlib.md5(data).hexdigest())
        assert (line["attempts"], line["code"], line["error"]) == (1, None, None)
        assert Path(line["path"]).read_bytes() == data
    assert not (tmp_path / "out" / ".ninepic").exists()


def test_any_kind_of_content_type(serve: Start, run: Make) -> None:
    """JPEG bytes are a photo also where the store does not say so."""
    box = serve(content_type="application/octet-stream")
    run(box).saved()


@pytest.mark.parametrize("etag", ["md5", "multipart", "weak", "none"])
@pytest.mark.parametrize("size", [2_500, 65_536, 3_000_000])
def test_any_object(serve: Start, run: Make, etag: str, size: int) -> None:
    """Objects of any size and with any kind of ETag arrive, as long as there is a length to check."""
    box = serve(etag=etag, size=size)
    now = run(box)
    assert now.saved().md5 == hashlib.md5(data_of(box)).hexdigest()
    assert files_in(now.root) == objects(box)


@pytest.mark.parametrize(
    ("told", "is_taken"),
    [
        (1_600_000_000.0, True),
        ("Sunday, 14-Sep-25 09:00:00 GMT", True),
        ("Thu, 01 Jan 1970 00:00:00 GMT", False),
        ("Fri, 01 Jan 2200 00:00:00 GMT", False),
        ("yesterday", False),
        (None, False),
    ],
)
def test_modification_time(serve: Start, run: Make, told: float | str | None, is_taken: bool) -> None:
    """The file's date is the object's where that is sane, and else that of the download."""
    box = serve(last_modified=told)
    before = time.time()
    now = run(box)
    now.saved()
    moment = path_of(box, now.root).stat().st_mtime
    assert moment == (told if isinstance(told, float) else RACE_DAY) if is_taken else before - 2 <= moment


@over_both_transports
def test_stopped_under_way(serve: Start, run: Make) -> None:
    """A transfer ends at its next chunk when the run does, and keeps what it has."""
    now: Run
    box = serve(Fault(nth=1, trickle_bps=200_000, action=lambda _: threading.Timer(0.2, now.stop.set).start()))
    now = run(box)
    with pytest.raises(StoppedError):
        now()
    (part,) = parts(now.root)
    size = part.stat().st_size
    assert 0 < size < SIZE
    run(box).saved()
    assert asked(box, "range")[-1] == (f"bytes={size}-",)
    assert files_in(now.root) == objects(box)


# Cut off and resumed.


@over_both_transports
@pytest.mark.parametrize("etag", ["md5", "multipart"])
def test_resumed(serve: Start, run: Make, etag: str) -> None:
    """After a cut only the rest is asked for, on condition that the object is still the same."""
    box = serve(Fault(cut_after=CUT, nth=1), etag=etag)
    now = run(box)
    assert now.saved().attempts == 2
    assert asked(box) == [(None, None), (f"bytes={CUT}-", box.world.etag(only(box)))]
    assert [request.bytes_sent for request in box.requests_to("store")] == [CUT, SIZE - CUT]
    assert files_in(now.root) == objects(box)
    assert len(now.of(RetryScheduled)) == 1


@pytest.mark.parametrize("etag", ["weak", "none"])
def test_not_resumed_without_a_strong_etag(serve: Start, run: Make, etag: str) -> None:
    """Where nothing names the exact bytes, a photo that was cut starts over, in this run and in the next."""
    box = serve(Fault(cut_after=SCRAP), etag=etag)
    now = run(box, retries=1)
    assert now.failed().attempts == 2
    assert list(now.root.iterdir() if now.root.exists() else ()) == []
    box.faults = []
    run(box).saved()
    assert asked(box) == [(None, None)] * 3
    assert files_in(now.root) == objects(box)


@pytest.mark.parametrize("etag", ["md5", "multipart"])
def test_resumed_by_the_next_run(serve: Start, run: Make, etag: str) -> None:
    """What one run has begun the next one finishes."""
    box = serve(etag=etag)
    begin(box, run)
    now = run(box)
    assert now.saved().attempts == 1
    assert asked(box) == [(f"bytes={SCRAP}-", box.world.etag(only(box)))]
    assert files_in(now.root) == objects(box)


def test_the_command_resumes(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """A run that is cut short costs the next one the rest of the photo, and nothing is left of the partial."""
    box = sandbox(World.generate(photos=1), faults=[Fault(cut_after=SCRAP)])
    result = fetch("--retries", 0)
    assert result.status == 5
    assert [line["code"] for line in result.photos("failed")] == ["connection"]
    assert list(files_in(tmp_path / "out")) == [f".ninepic/{path.name}" for path in parts(tmp_path / "out")]
    box.faults = []
    assert fetch().status == 0
    assert [request.bytes_sent for request in box.requests_to("store")] == [SCRAP, SIZE - SCRAP]
    assert files_in(tmp_path / "out") == objects(box)
    assert not (tmp_path / "out" / ".ninepic").exists()


@over_both_transports
@pytest.mark.parametrize(
    ("wrong", "requests"),
    [
        ({"ignore_range": True}, 2),
        ({"status": 412}, 3),
        ({"status": 416}, 3),
        ({"change_object": True}, 3),
        ({"wrong_range": True}, 3),
        ({"headers": {"ETag": '"another"'}}, 3),
        ({"headers": {"ETag": ""}}, 3),
        ({"headers": {"Content-Range": f"bytes {CUT}-{SIZE}/{SIZE + 1}"}}, 3),
        ({"headers": {"Content-Range": f"bytes {CUT}-{SIZE - 1}/*"}}, 3),
        ({"headers": {"Content-Range": f"bytes {CUT}-{SIZE - 2}/{SIZE}"}}, 3),
        ({"headers": {"Content-Range": ""}}, 3),
        ({"wrong_range": True, "without_length": True}, 3),
        ({"gzip": True}, 3),
        ({"gzip": True, "without_length": True}, 3),
        ({"announce_length": SIZE - CUT - 5}, 3),
        ({"body": b"x" * (SIZE - CUT + 1), "headers": {"Content-Range": f"bytes {CUT}-{SIZE}/{SIZE + 1}"}}, 3),
    ],
    ids=lambda value: str(value)[:60],
)
def test_rest_that_does_not_fit(serve: Start, run: Make, wrong: dict[str, Any], requests: int) -> None:
    """A rest that is not the rest of what is on disk is never appended: the photo starts over."""
    box = serve(Fault(cut_after=CUT, nth=1), Fault(ranged=True, nth=1, **wrong), etag="multipart")  # no MD5 to help
    now = run(box)
    assert now.saved().attempts == requests
    assert files_in(now.root) == objects(box)
    assert asked(box, "range")[2:] == [(None,)] * (requests - 2)


@over_both_transports
def test_store_that_knows_no_conditions(serve: Start, run: Make) -> None:
    """A store that sends the second half of another object, whatever it was asked for, is found out by the ETag."""
    box = serve(Fault(cut_after=CUT, nth=1), etag="multipart")
    changed = StoredPhoto(only(box).image_id, SIZE, etag="multipart", version=2)
    half = box.world.content(changed).iter_bytes(CUT, SIZE)
    whole_range = {"Content-Range": f"bytes {CUT}-{SIZE - 1}/{SIZE}", "ETag": str(box.world.etag(changed))}
    change = lambda _: box.world.replace_object(only(box))  # noqa: E731 (the store's, just before it answers)
    box.faults.append(Fault(ranged=True, nth=1, status=206, headers=whole_range, body=b"".join(half), action=change))
    now = run(box)
    assert now.saved().attempts == 3
    assert files_in(now.root) == objects(box)


def test_the_command_starts_over(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """A store that ignores ranges and one whose object changes between the halves both end in whole photos."""
    box = sandbox(World.generate(photos=2))
    ignoring, changing = box.world.photos
    for image_id in (ignoring, changing):
        box.faults.append(Fault(path=image_id, nth=1, cut_after=CUT))
    box.faults.append(Fault(path=ignoring, ranged=True, ignore_range=True))
    box.faults.append(Fault(path=changing, ranged=True, nth=1, change_object=True))
    result = fetch()
    assert result.status == 0, result.err
    assert files_in(tmp_path / "out") == objects(box)
    attempts = {line["image_id"]: line["attempts"] for line in result.photos("downloaded")}
    assert attempts == {ignoring: 2, changing: 3}


@pytest.mark.parametrize("etag", ["md5", "multipart"])
@pytest.mark.parametrize("retries", [0, 3])
def test_changed_between_runs(serve: Start, run: Make, etag: str, retries: int) -> None:
    """An object that was replaced since it was begun is fetched whole, also where the first run had no try to spare."""
    box = serve(etag=etag)
    begin(box, run)
    box.world.replace_object(only(box))
    now = run(box, retries=retries)
    if not retries:
        assert now.failed().error.code == "changed"
        assert parts(now.root) == []
        now = run(box, retries=retries)
    now.saved()
    assert files_in(now.root) == objects(box)


@over_both_transports
@pytest.mark.parametrize("etag", ["md5", "multipart"])
def test_partial_that_is_whole(serve: Start, run: Make, etag: str) -> None:
    """A run that was killed between the last byte and the rename costs the next one a byte."""
    box = serve(etag=etag)
    part = begin(box, run)
    part.write_bytes(data_of(box))
    now = run(box, retries=0)
    assert now.saved().attempts == 1
    assert asked(box) == [(f"bytes={SIZE - 1}-", box.world.etag(only(box)))]
    assert [request.bytes_sent for request in box.requests_to("store")] == [1]
    assert files_in(now.root) == objects(box)


@pytest.mark.parametrize("retries", [0, 1])
def test_partial_that_is_longer(serve: Start, run: Make, retries: int) -> None:
    """A partial that is longer than its object is given up, at the latest for the next run."""
    box = serve()
    part = begin(box, run)
    part.write_bytes(data_of(box) + b"more")
    now = run(box, retries=retries)
    if not retries:
        assert now.failed().error.code == "changed"
        now = run(box, retries=0)
    now.saved()
    assert asked(box, "range") == [(f"bytes={SIZE + 4}-",), (None,)]
    assert files_in(now.root) == objects(box)


@pytest.mark.parametrize("size", [SCRAP, SIZE])
def test_partial_that_was_spoilt(serve: Start, run: Make, size: int) -> None:
    """A partial whose bytes were spoilt on disk is found out by the MD5, and the photo starts over."""
    box = serve()
    part = begin(box, run)
    part.write_bytes(b"\xff\xd8\xff" + b"x" * (size - 3))
    now = run(box)
    assert now.saved().attempts == 2
    assert asked(box, "range")[-1] == (None,)
    assert files_in(now.root) == objects(box)


@over_both_transports
@pytest.mark.parametrize(
    "wrong",
    [
        {"status": 400},
        {"status": 403},
        {"status": 403, "body": HTML},
        {"status": 404},
        {"status": 500},
        {"status": 302, "headers": {"Location": "/"}},
        {"status": 200, "body": HTML},
        {"status": 200, "body": XML},
        {"status": 200},
        {"ignore_range": True, "gzip": True},
        {"ignore_range": True, "without_length": True},
        {"ignore_range": True, "cut_after": 0},
        {"hang_up": True},
        {"reset": True},
        {"status": 403, "body": EXPIRED["r2"][1]},
    ],
    ids=str,
)
def test_errors_never_touch_the_partial(serve: Start, run: Make, wrong: dict[str, Any]) -> None:
    """Whatever goes wrong with a resumed request, what is on disk stays good for the next."""
    box = serve(etag="multipart")
    part = begin(box, run)
    before = part.read_bytes()
    box.faults = [Fault(**wrong)]
    run(box, retries=1).failed()
    assert part.read_bytes() == before == data_of(box)[:SCRAP]
    box.faults = []
    box.requests.clear()
    now = run(box)
    now.saved()
    assert asked(box, "range") == [(f"bytes={SCRAP}-",)]
    assert files_in(now.root) == objects(box)


# Tries.


@pytest.mark.parametrize("status", TRANSIENT)
def test_statuses_that_are_tried_again(serve: Start, run: Make, status: int) -> None:
    """A server's trouble is tried again, and after N + 1 failed tries the photo has failed with its code."""
    box = serve(Fault(status=status, nth=1))
    now = run(box, retries=1)
    assert now.saved().attempts == 2
    now.folder.root.joinpath(path_of(box, now.root)).unlink()
    box.faults = [Fault(status=status)]
    box.requests.clear()
    outcome = run(box, retries=2).failed()
    assert (outcome.error.code, outcome.attempts, len(box.requests_to("store"))) == (f"http_{status}", 3, 3)
    assert files_in(now.root) == {}


@pytest.mark.parametrize(
    ("status", "code"),
    [
        *((status, "redirect") for status in (300, 301, 302, 303, 304, 307, 308)),
        *((status, f"http_{status}") for status in (201, 204, 400, 401, 402, 405, 406, 410, 411, 412, 413, 414, 416)),
        *((status, f"http_{status}") for status in (417, 421, 422, 426, 428, 431, 451, 501, 505, 507, 511, 525, 526)),
        (403, "forbidden"),
        (404, "not_found"),
    ],
)
def test_statuses_that_are_not(serve: Start, run: Make, status: int, code: str) -> None:
    """Everything else fails at once, after exactly one request."""
    box = serve(Fault(status=status, headers={"Location": f"{'/elsewhere' if 300 <= status < 400 else ''}"}))
    now = run(box)
    outcome = now.failed()
    assert (outcome.error.code, outcome.attempts, len(box.requests_to("store"))) == (code, 1, 1)
    assert outcome.is_missing == (status == 404)
    assert not now.root.exists()


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (403, "<Error><Code>SignatureDoesNotMatch</Code><Message>No.</Message></Error>", "forbidden"),
        (403, "<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>", "forbidden"),
        (403, HTML, "forbidden"),
        (403, b"", "forbidden"),
        (400, "<Error><Code>InvalidArgument</Code></Error>", "http_400"),
        (404, "<Error><Code>NoSuchKey</Code></Error>", "not_found"),
        (404, "<Error><Code>NoSuchBucket</Code></Error>", "not_found"),
        (404, HTML, "not_found"),
        (404, b"", "not_found"),
    ],
)
def test_refusals_whatever_they_say(serve: Start, run: Make, status: int, body: bytes | str, code: str) -> None:
    """A refusal counts by its status, in the store's own words, in a firewall's or in none."""
    box = serve(Fault(status=status, body=body))
    outcome = run(box).failed()
    assert (outcome.error.code, outcome.attempts, len(box.requests_to("store"))) == (code, 1, 1)
    assert outcome.is_missing == (status == 404)


def test_the_command_tells_missing_from_failed(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """What the store does not have is missing (exit 4); what it will not hand out has failed (exit 5)."""
    box = sandbox(World.generate(photos=3, size=30_000))
    gone, refused, good = box.world.photos
    box.world.photos[gone].has_object = False
    result = fetch()
    assert result.status == 4
    assert [(line["image_id"], line["code"], line["attempts"]) for line in result.photos("missing")] == [
        (gone, "not_found", 1)
    ]
    box.faults = [Fault(path=refused, status=403, body=HTML)]
    (tmp_path / "out" / f"{refused}.jpg").unlink()
    result = fetch()
    assert result.status == 5
    assert [(line["image_id"], line["code"]) for line in result.photos("failed")] == [(refused, "forbidden")]
    assert files_in(tmp_path / "out") == {f"{good}.jpg": box.world.photo_bytes(good)}


@over_both_transports
@pytest.mark.parametrize(
    "wrong",
    [
        {"cut_after": SCRAP},
        {"cut_after": 0},
        {"reset": True},
        {"reset": True, "cut_after": SCRAP},
        {"hang_up": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("is_lasting", [False, True])
def test_broken_connections(serve: Start, run: Make, wrong: dict[str, Any], is_lasting: bool) -> None:
    """A connection that breaks before, in or after the headers is a failed try, and never a short photo."""
    box = serve(Fault(nth=None if is_lasting else 1, **wrong))
    now = run(box, retries=2)
    if not is_lasting:
        assert now.saved().attempts == 2
        assert files_in(now.root) == objects(box)
        return
    outcome = now.failed()
    assert (outcome.error.code, outcome.attempts) == ("connection", 3)
    assert set(files_in(now.root)) <= {f".ninepic/{part.name}" for part in parts(now.root)}


@over_both_transports
def test_trickle(serve: Start, run: Make) -> None:
    """A store that sends little by little sends all the same, also where the connection has no TLS."""
    box = serve(Fault(trickle_bps=60_000), size=100_000)
    assert run(box, timeout_s=0.4, retries=0).saved().size == 100_000


def test_confirmations_share_a_connection(serve: Start, run: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer without a body leaves its connection to the next request."""
    box = serve(photos=5, size=20_000)
    run(box)()
    opened: list[str] = []
    connect = Connector.connect

    def counted(self: Connector, host: str, port: int, timeout_s: float | None) -> Any:
        opened.append(host)
        return connect(self, host, port, timeout_s)

    monkeypatch.setattr(Connector, "connect", counted)
    again = run(box, existing="verify")
    photos = again.listed()
    opened.clear()
    assert [type(outcome) for outcome in again(photos)] == [Skipped] * 5
    assert len(opened) == 1


@over_both_transports
def test_announced_too_long(serve: Start, run: Make) -> None:
    """An answer that announces more than the object has is a failed try, and so is its rest that cannot be."""
    box = serve(Fault(nth=1, announce_length=SIZE + 1), etag="multipart")
    now = run(box)
    assert now.saved().attempts == 3
    assert statuses(box) == [200, 416, 200]
    assert files_in(now.root) == objects(box)


@over_both_transports
def test_cut_without_a_length(serve: Start, run: Make) -> None:
    """A body that ends early without having announced its length is found out by its MD5."""
    box = serve(Fault(without_length=True, cut_after=0.5, nth=1))
    now = run(box)
    assert now.saved().attempts == 2
    assert files_in(now.root) == objects(box)


@over_both_transports
def test_good_without_a_length(serve: Start, run: Make) -> None:
    """An MD5 is enough to know that a photo is whole."""
    box = serve(Fault(without_length=True))
    now = run(box)
    assert now.saved().attempts == 1
    assert files_in(now.root) == objects(box)


@over_both_transports
def test_rest_cut_without_a_length(serve: Start, run: Make) -> None:
    """The range says how long the rest is where the length does not."""
    box = serve(
        Fault(cut_after=CUT, nth=1), Fault(ranged=True, nth=1, without_length=True, cut_after=0.5), etag="multipart"
    )
    now = run(box)
    assert now.saved().attempts == 3
    assert asked(box, "range")[2] == (f"bytes={CUT + (SIZE - CUT) // 2}-",)
    assert files_in(now.root) == objects(box)


@over_both_transports
@pytest.mark.parametrize("etag", ["multipart", "weak", "none"])
def test_nothing_to_check_by(serve: Start, run: Make, etag: str) -> None:
    """Without a length and without an MD5 nobody can tell whether a photo is whole: an error, at once."""
    box = serve(Fault(without_length=True), etag=etag)
    now = run(box)
    outcome = now.failed()
    assert (outcome.error.code, outcome.attempts) == ("unverifiable", 1)
    assert not now.root.exists()


@over_both_transports
def test_connection_closed_before_its_reuse(serve: Start, run: Make) -> None:
    """A kept-alive connection that the store has closed meanwhile costs a try at most, and no photo."""
    box = serve(Fault(close_idle=True), Fault(nth=3, hang_up=True), photos=5, size=30_000)
    now = run(box, retries=1)
    assert all(isinstance(outcome, Downloaded) for outcome in now())
    assert files_in(now.root) == objects(box)


@over_both_transports
@pytest.mark.parametrize("wrong", [{"stall_after": 0.3}, {"silent": True}], ids=str)
def test_silence(serve: Start, run: Make, wrong: dict[str, Any]) -> None:
    """No byte for as long as the time-out is a failed try, before the headers and in the body."""
    box = serve(Fault(nth=1, **wrong))
    now = run(box, timeout_s=0.5)
    watchdog = threading.Timer(15, box.stop)  # a fetch that waits for ever fails, and does not wait for ever
    watchdog.daemon = True
    watchdog.start()
    assert now.saved().attempts == 2
    watchdog.cancel()
    assert now.of(RetryScheduled)[0].error.code == "timeout"
    assert files_in(now.root) == objects(box)


def test_the_command_outlasts_silence(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """Photos whose connection stays silent are given up after the time-out and retried, and the others go on."""
    box = sandbox(World.generate(photos=6, size=30_000))
    once, stalls, always, *others = box.world.photos
    box.faults = [
        Fault(path=once, nth=1, silent=True),
        Fault(path=stalls, nth=1, stall_after=0.3),
        Fault(path=always, silent=True),
    ]
    began = time.monotonic()
    result = fetch("--timeout", 1, "--retries", 1)
    assert result.status == 5
    assert 2 < time.monotonic() - began < 20
    assert [(line["image_id"], line["code"], line["attempts"]) for line in result.photos("failed")] == [
        (always, "timeout", 2)
    ]
    attempts = {line["image_id"]: line["attempts"] for line in result.photos("downloaded")}
    assert attempts == {once: 2, stalls: 2, **dict.fromkeys(others, 1)}
    silent = box.requests_to("store", contains=always)[0]
    assert all(request.ended < silent.ended for name in others for request in box.requests_to("store", contains=name))
    assert all(files_in(tmp_path / "out")[f"{name}.jpg"] == box.world.photo_bytes(name) for name in attempts)
    assert not (tmp_path / "out" / f"{always}.jpg").exists()


def test_the_command_outlasts_breaks(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """Cuts, resets, closed connections and a photo that is always cut: all but that one arrive, and the exit is 5."""
    box = sandbox(World.generate(photos=7))
    short, early, late, closed, reused, always, _ = box.world.photos
    box.faults = [
        Fault(path=short, nth=1, cut_after=0.5),
        Fault(path=early, nth=1, reset=True),
        Fault(path=late, nth=1, reset=True, cut_after=0.3),
        Fault(path=closed, close_idle=True),
        Fault(path=reused, nth=1, hang_up=True),
        Fault(path=always, cut_after=1000),
    ]
    result = fetch("--retries", 1, "-j", 2)
    assert result.status == 5
    assert [(line["image_id"], line["code"], line["attempts"]) for line in result.photos("failed")] == [
        (always, "connection", 2)
    ]
    expected = objects(box)
    del expected[f"{always}.jpg"]
    found = files_in(tmp_path / "out")
    assert {name: data for name, data in found.items() if not name.startswith(".ninepic/")} == expected


@over_both_transports
@pytest.mark.parametrize(
    ("size", "cut", "is_forgiven"),
    [
        (SIZE, SIZE // 20, True),
        (SIZE, SIZE // 20 - 1, False),
        (30 << 20, 1 << 20, True),
        (30 << 20, (1 << 20) - 1, False),
    ],
)
def test_progress_spends_no_try(serve: Start, run: Make, size: int, cut: int, is_forgiven: bool) -> None:
    """A failed try that got 5 % or 1 MiB further does not count, and one that got less far does."""
    box = serve(Fault(cut_after=cut, nth=range(1, 4)), size=size)
    now = run(box, retries=0)
    if is_forgiven:
        assert now.saved().attempts == 4
        assert asked(box, "range") == [(None,), *((f"bytes={cut * number}-",) for number in (1, 2, 3))]
    else:
        assert now.failed().attempts == 1


def test_the_command_gets_through_if_every_connection_dies(
    fetch: Callable[..., Any], sandbox: Start, tmp_path: Path
) -> None:
    """Where every connection dies after 15 % more, a photo arrives with one retry to spend."""
    box = sandbox(World.generate(photos=1, size=SIZE), faults=[Fault(cut_after=SIZE * 15 // 100)])
    result = fetch("--retries", 1)
    assert result.status == 0, result.err
    assert [line["attempts"] for line in result.photos("downloaded")] == [7]
    assert files_in(tmp_path / "out") == objects(box)
    assert sum(request.bytes_sent for request in box.requests_to("store")) == SIZE


def test_progress_counts_from_the_furthest_point(serve: Start, run: Make) -> None:
    """Going over the same bytes again is no progress, however many they are."""
    box = serve(Fault(cut_after=0.6), etag="weak")
    outcome = run(box, retries=2).failed()
    assert (outcome.error.code, outcome.attempts) == ("connection", 4)  # the first one got ahead, three did not


def test_starting_over_spends_tries_however_far_it_gets(serve: Start, run: Make) -> None:
    """A photo that cannot be resumed spends a try each time it starts over, also where it gets further every time."""
    cuts = [Fault(nth=number, cut_after=number / 10) for number in range(1, 10)]
    box = serve(*cuts, etag="weak")
    outcome = run(box, retries=2).failed()
    assert (outcome.error.code, outcome.attempts) == ("connection", 4)


def test_starting_over_spends_tries(serve: Start, run: Make) -> None:
    """An object that changes for ever ends in a failure, whatever part of it comes each time."""
    box = serve(Fault(change_object=True, cut_after=0.5))
    outcome = run(box, retries=2).failed()
    assert (outcome.error.code, outcome.attempts) == ("changed", 4)


def test_what_came_before_starting_over_is_the_furthest_point(serve: Start, run: Make) -> None:
    """A try that goes on behind a start from the beginning gets ahead where it gets further than ever before."""
    denied = Fault(nth=2, status=412)
    box = serve(Fault(nth=1, cut_after=0.5), denied, Fault(nth=3, cut_after=0.1), Fault(nth=4, cut_after=40_000))
    outcome = run(box, retries=2).failed()
    assert (outcome.error.code, outcome.attempts) == ("connection", 4)  # only the first one got ahead


def test_what_an_earlier_run_left_is_no_progress(serve: Start, run: Make) -> None:
    """A try that brings nothing spends one, however much an earlier run has left."""
    box = serve(Fault(nth=1, cut_after=CUT), Fault(nth=2, hang_up=True))
    assert run(box, retries=0).failed().attempts == 2
    box.faults = [Fault(hang_up=True)]
    assert run(box, retries=2).failed().attempts == 3


def test_starting_over_and_over_spends_tries_however_far_it_gets(serve: Start, run: Make) -> None:
    """A store that denies what is there, and breaks off further on each time, is not tried for ever."""
    cuts = [Fault(nth=number, cut_after=number / 10) for number in (1, 3, 5, 7)]
    box = serve(*cuts, *(Fault(nth=number, status=412) for number in (2, 4, 6)))
    outcome = run(box, retries=3).failed()
    assert (outcome.error.code, outcome.attempts) == ("connection", 5)  # only the first one got ahead


@settings(max_examples=25, deadline=None)
@given(
    etag=st.sampled_from(["md5", "multipart", "weak", "none"]),
    steps=st.lists(
        st.one_of(
            st.builds(lambda share: {"cut_after": share}, st.floats(0, 1)),
            st.builds(lambda share: {"cut_after": share, "reset": True}, st.floats(0, 1)),
            st.sampled_from(
                [
                    {"status": 500},
                    {"status": 503},
                    {"status": 416},
                    {"hang_up": True},
                    {"change_object": True},
                    {"change_object": True, "cut_after": 0.4},
                    {"ignore_range": True, "cut_after": 0.7},
                    {"wrong_range": True},
                    {"status": 403, "body": EXPIRED["r2"][1]},
                ]
            ),
        ),
        max_size=6,
    ),
)
def test_any_sequence_of_faults(etag: str, steps: list[dict[str, Any]]) -> None:
    """Whatever goes wrong on the way and in whatever order, the file is the object, byte for byte."""
    world = World.generate(photos=1, size=50_000)
    next(iter(world.photos.values())).etag = etag
    faults = [Fault(nth=number, **step) for number, step in enumerate(steps, 1)]
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(world, faults=faults) as box,
        closing(Run(box, Path(folder) / "out", retries=20)) as now,
    ):
        (outcome,) = now()
        if isinstance(outcome, Failed):  # three refusals in a row are a failure of their own
            assert outcome.error.code in {"link_expired", "http_416"}
        else:
            assert files_in(now.root) == objects(box)


# Is it the photo?


@over_both_transports
@pytest.mark.parametrize(
    "wrong",
    [
        {"status": 200, "body": HTML},
        {"status": 200, "body": b"\xef\xbb\xbf\r\n" + HTML},
        {"status": 200, "body": XML},
        {"body": XML},
        {"status": 200, "body": '{"message": "no"}'},
        {"status": 200, "body": "Blocked.", "headers": {"Content-Type": "text/plain"}},
        {"status": 200},
        {"body": b""},
        {"gzip": True},
    ],
    ids=str,
)
def test_answers_that_are_no_photo(serve: Start, run: Make, wrong: dict[str, Any]) -> None:
    """A web page, XML, JSON, nothing at all and compressed bytes are the photo's error at once, and never a file."""
    box = serve(Fault(**wrong))
    now = run(box)
    outcome = now.failed()
    assert (outcome.error.code, outcome.attempts, len(box.requests_to("store"))) == ("not_a_photo", 1, 1)
    assert not now.root.exists()


@over_both_transports
def test_empty_object(serve: Start, run: Make) -> None:
    """An object without a byte is no photo, whatever stands under its name already."""
    box = serve(body=b"")
    now = run(box)
    assert now.failed().error.code == "not_a_photo"
    now.root.mkdir()
    path_of(box, now.root).write_bytes(b"")
    assert run(box, existing="verify").failed().error.code == "not_a_photo"


def test_the_command_refuses_what_is_no_photo(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """A web page, an error document and an empty body are three failures without a file; bytes of no type are good."""
    box = sandbox(World.generate(photos=5, size=30_000))
    page, error, empty, typeless, redirect = box.world.photos
    box.world.photos[typeless].content_type = "application/octet-stream"
    box.faults = [
        Fault(path=page, status=200, body=HTML),
        Fault(path=error, status=200, body=XML),
        Fault(path=empty, status=200, headers={"ETag": '"d41d8cd98f00b204e9800998ecf8427e"'}),
        Fault(path=redirect, status=302, headers={"Location": f"{box.store_url}/elsewhere"}),
    ]
    result = fetch()
    assert result.status == 5
    codes = {line["image_id"]: line["code"] for line in result.photos("failed")}
    assert codes == {page: "not_a_photo", error: "not_a_photo", empty: "not_a_photo", redirect: "redirect"}
    assert files_in(tmp_path / "out") == {f"{typeless}.jpg": box.world.photo_bytes(typeless)}
    assert len(box.requests_to("store")) == 5


@over_both_transports
def test_wrong_md5_once(serve: Start, run: Make) -> None:
    """Bytes that do not match the MD5 are thrown away, and the photo starts over."""
    box = serve()
    spoilt = bytearray(data_of(box))
    spoilt[1000] ^= 1
    box.faults = [Fault(nth=1, body=bytes(spoilt))]
    now = run(box)
    assert now.saved().attempts == 2
    assert asked(box) == [(None, None), (None, None)]
    assert files_in(now.root) == objects(box)


@pytest.mark.parametrize("retries", [0, 2])
def test_wrong_md5_always(serve: Start, run: Make, retries: int) -> None:
    """Bytes that never match are a failure after N + 1 tries, and nothing is left that the next run would trust."""
    box = serve(Fault(body=b"\xff\xd8\xff" + b"x" * (SIZE - 3)))
    now = run(box, retries=retries)
    outcome = now.failed()
    assert (outcome.error.code, outcome.attempts, len(box.requests_to("store"))) == (
        "checksum",
        retries + 1,
        retries + 1,
    )
    assert files_in(now.root) == {}
    box.faults = []
    assert run(box, retries=0).saved().attempts == 1


def test_multipart_etag_is_no_md5(serve: Start, run: Make) -> None:
    """The ETag of a multipart upload says nothing about the bytes: their number decides."""
    box = serve(Fault(body=b"\xff\xd8\xff" + b"x" * 5000), etag="multipart")
    assert run(box).saved().size == 5003


# Patience.


@pytest.mark.parametrize("status", [429, 503])
def test_throttling_spends_no_try(serve: Start, run: Make, status: int) -> None:
    """A store that asks for patience more often than there are tries gets it, and its photo arrives."""
    box = serve(Fault(status=status, nth=range(1, 6)))
    now = run(box, retries=0)
    assert now.saved().attempts == 6
    assert now.of(RetryScheduled) == []
    assert {event.code for event in now.of(HostPaused)} <= {f"http_{status}"}


def test_pause_holds_for_all_and_ends_with_one(serve: Start, run: Make) -> None:
    """A 503 pauses all requests to the host, after which one goes first and the others wait for its answer."""
    jobs = 6
    box = serve(
        Fault(nth=range(1, jobs + 1), status=503, headers={"Retry-After": "1"}, action=together(jobs)),
        Fault(nth=jobs + 1, delay_s=0.5),
        photos=12,
        size=30_000,
    )
    now = run(box, retries=0)
    assert all(isinstance(outcome, Downloaded) for outcome in now(jobs=jobs))
    requests = box.requests_to("store")
    paused_at = min(request.ended for request in requests[:jobs])
    first, second = requests[jobs : jobs + 2]
    assert first.started >= paused_at + 0.95
    assert second.started >= first.started + 0.45
    assert len(requests) == 12 + jobs
    assert files_in(now.root) == objects(box)


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        (lambda: "1", 0.9, 1.1),
        (lambda: formatdate(time.time() + 2, usegmt=True), 0.9, 2.1),
        (lambda: formatdate(time.time() - 1000, usegmt=True), 0, 0.1),
        (lambda: "0", 0, 0.1),
        (lambda: "-5", 0, 0.1),
        (lambda: "1.5", 0, 0.1),
        (lambda: "soon", 0, 0.1),
        (lambda: "", 0, 0.1),
    ],
    ids=["seconds", "date", "past", "zero", "negative", "fraction", "word", "empty"],
)
def test_retry_after(serve: Start, run: Make, value: Callable[[], str], least: float, most: float) -> None:
    """What the store asks for is waited for, in seconds or to a date; nonsense is ignored."""
    box = serve(Fault(nth=1, status=429, headers={"Retry-After": value()}))
    now = run(box)
    now.saved()
    first, second = box.requests_to("store")
    assert second.started - first.ended >= least - 0.05
    assert all(event.wait_s <= most for event in now.of(HostPaused))


@pytest.mark.parametrize("value", ["3600", "99999999999999999999"])
def test_retry_after_that_is_too_long(serve: Start, run: Make, value: str) -> None:
    """A store that asks for more patience than there is ends the run at once, and the error says when to come back."""
    box = serve(Fault(status=503, headers={"Retry-After": value}))
    began = time.monotonic()
    with pytest.raises(GivenUpError) as caught:
        run(box)()
    assert time.monotonic() - began < 5
    assert len(box.requests_to("store")) == 1
    assert "come back in" in caught.value.message
    assert caught.value.code == "http_503"


def test_patience_ends(serve: Start, run: Make) -> None:
    """A store that asks for patience for ever is given up after the time set for that."""
    box = serve(Fault(status=503))
    began = time.monotonic()
    with pytest.raises(GivenUpError):
        run(box, retries=1000, give_up_after_s=0.5)()
    assert 0.4 < time.monotonic() - began < 10


def test_patience_with_silence_ends(serve: Start, run: Make) -> None:
    """A store that never answers is given up likewise, however many tries are left."""
    box = serve(Fault(hang_up=True))
    with pytest.raises(GivenUpError):
        run(box, retries=100_000, give_up_after_s=0.5)()


def test_the_command_gives_up(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """A store that asks to be left alone for an hour ends the run with exit 6, and the time to come back."""
    box = sandbox(World.generate(photos=20, size=30_000))
    box.faults = [Fault(nth=range(4, 100), status=503, headers={"Retry-After": "3600"})]
    result = fetch("-j", 1)
    assert result.status == 6
    assert result.json[-1]["exit_code"] == 6
    assert len(result.photos("downloaded")) == 3
    assert len(box.requests_to("store")) == 4
    assert "come back in 60 min" in result.err
    assert re.search(r"again at \d\d:\d\d", result.err)
    assert len(files_in(tmp_path / "out")) == 3


def test_the_command_outlasts_throttling(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """Two times "too many requests" cost time and no try, and a store that says so for ever is given up."""
    box = sandbox(World.generate(photos=2, size=30_000))
    box.faults = [Fault(nth=range(1, 3), status=429, headers={"Retry-After": "1"})]
    result = fetch("--retries", 0, "-j", 1)
    assert result.status == 0, result.err
    assert sorted(line["attempts"] for line in result.photos("downloaded")) == [1, 3]
    box.faults = [Fault(status=429)]
    result = fetch("--existing", "overwrite", "--give-up-after", 1)
    assert result.status == 6
    assert files_in(tmp_path / "out") == objects(box)


# Links.


@pytest.mark.parametrize("form", EXPIRED)
def test_link_that_died(serve: Start, run: Make, form: str) -> None:
    """A link that the store refuses for its age is renewed at once: no try is spent and no attempt counted."""
    box = serve(Fault(nth=1, delay_s=0.6), box={"link_life_s": 0.5, "expired_as": form})
    now = run(box, retries=0)
    assert now.saved().attempts == 1
    assert statuses(box) == [EXPIRED[form][0], 200]
    assert methods(box) == ["bib", "bib"]
    assert now.of(RetryScheduled) == []


@over_both_transports
@pytest.mark.parametrize("form", EXPIRED)
def test_link_that_died_under_way(serve: Start, run: Make, form: str) -> None:
    """A refusal in answer to the resumed request costs nothing of what is on disk, and its text is not appended."""
    box = serve(Fault(nth=1, cut_after=CUT), expired(form, ranged=True, nth=1), etag="multipart")
    now = run(box)
    assert now.saved().attempts == 2
    assert asked(box, "range") == [(None,), (f"bytes={CUT}-",), (f"bytes={CUT}-",)]
    assert sum(request.bytes_sent for request in box.requests_to("store") if request.status != EXPIRED[form][0]) == SIZE
    assert files_in(now.root) == objects(box)


def test_the_command_keeps_the_partial_of_a_dead_link(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """A link that dies between the halves is renewed without a wait, and the rest is fetched by the new one."""
    box = sandbox(World.generate(photos=1), faults=[Fault(nth=1, cut_after=CUT), expired(ranged=True, nth=1)])
    patient = ninepic.after("import ninepic_cli.net.retry as retry; retry._FIRST_WAIT_S = 3.0")
    result = patient("bib", BIB, "--json", "-o", tmp_path / "out", "--retries", 1)
    assert result.status == 0, result.err
    assert [line["attempts"] for line in result.photos("downloaded")] == [2]
    assert [request.bytes_sent for request in box.requests_to("store") if request.status in {200, 206}] == [
        CUT,
        SIZE - CUT,
    ]
    renewal = box.requests_to("api")[-1]
    assert renewal.started - box.requests_to("store")[1].ended < 1.4, "no back-off, which is 1.5 s at the least"
    assert files_in(tmp_path / "out") == objects(box)


def test_links_are_renewed_together(serve: Start, run: Make) -> None:
    """One request to the API brings new links to all photos of a page, however many workers are refused."""
    jobs = 6
    box = serve(expired(nth=range(1, jobs + 1), action=together(jobs)), photos=20, size=30_000)
    now = run(box, retries=0)
    outcomes = now(jobs=jobs)
    assert [outcome.attempts for outcome in outcomes if isinstance(outcome, Downloaded)] == [1] * 20
    assert methods(box) == ["bib", "bib"]
    assert files_in(now.root) == objects(box)


def test_the_command_outlives_its_links(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """Links that live shorter than the run are renewed once for each time they die, without any wait."""
    size, jobs = 30_000, 4
    box = sandbox(World.generate(photos=24, size=size), link_life_s=1, store_rate=size / 0.5)
    result = fetch("-j", jobs, "--retries", 0)
    assert result.status == 0, result.err
    assert [line["attempts"] for line in result.photos("downloaded")] == [1] * 24
    assert files_in(tmp_path / "out") == objects(box)
    requests = box.requests_to("store")
    took = requests[-1].ended - requests[0].started
    assert 2 <= len(box.requests_to("api")) <= 2 + took / 0.9


def aged(life_s: int, **options: Any) -> Fault:
    """The API's links say that they live for so long."""

    def mutate(answer: dict[str, Any]) -> None:
        for item in answer["data"]["presigned_urls"]:
            item["url"] = item["url"].replace("X-Amz-Expires=3600", f"X-Amz-Expires={life_s}")

    return Fault(server="api", mutate=mutate, **options)


def test_renewed_before_it_dies(serve: Start, run: Make) -> None:
    """A link whose life is nearly over is not sent at all."""
    box = serve(aged(1, nth=1))
    now = run(box)
    photos = now.listed()
    time.sleep(0.95)
    (outcome,) = now(photos)
    assert isinstance(outcome, Downloaded)
    assert outcome.attempts == 1
    assert statuses(box) == [200]
    assert methods(box) == ["bib", "bib"]


def test_a_link_that_says_it_lives_for_no_time(serve: Start, run: Make) -> None:
    """A life of no seconds says nothing: the link is used as any other, and nothing is asked again."""
    box = serve(aged(0))
    box.faults.append(Fault(status=200, body=data_of(box)))  # the sandbox takes it at its word
    assert run(box).saved().attempts == 1
    assert methods(box) == ["bib"]


def test_pause_that_outlives_the_link(serve: Start, run: Make) -> None:
    """After a pause in which its life has ended, a link is renewed before it is sent."""
    box = serve(Fault(nth=1, status=503, headers={"Retry-After": "1"}), box={"link_life_s": 1})
    now = run(box)
    assert now.saved().attempts == 2
    assert statuses(box) == [503, 200]


def test_renewed_link_to_another_host(serve: Start, run: Make) -> None:
    """A link that is renewed after a pause and leads elsewhere is used there, by that host's turn."""
    other = serve()
    box = serve(Fault(nth=1, status=503, headers={"Retry-After": "1"}), box={"link_life_s": 1})

    def mutate(answer: dict[str, Any]) -> None:
        answer["data"]["presigned_urls"][0]["url"] = other.link(only(box).image_id)

    box.faults.append(Fault(server="api", nth=2, mutate=mutate))
    now = run(box)
    assert now.saved().attempts == 2
    assert (statuses(box), statuses(other)) == ([503], [200])
    assert methods(box) == ["bib", "bib"]


def test_date_of_a_link_does_not_matter(serve: Start, run: Make) -> None:
    """A link is used whatever its date says: clocks may differ by hours."""
    box = serve(box={"clock_offset_s": -30_000})
    run(box).saved()
    assert methods(box) == ["bib"]


def test_link_without_a_life(serve: Start, run: Make) -> None:
    """A link that does not say how long it lives is used until it is refused."""

    def mutate(answer: dict[str, Any]) -> None:
        (item,) = answer["data"]["presigned_urls"]
        item["url"] = item["url"].partition("?")[0] + "?token=1"

    box = serve(Fault(server="api", nth=1, mutate=mutate), expired(nth=1))
    assert run(box).saved().attempts == 1


@pytest.mark.parametrize("life_s", [1, 3600])
def test_fresh_link_refused_twice(serve: Start, run: Make, life_s: int) -> None:
    """A store that refuses every link for its age has failed the photo, and the others go on."""
    box = serve(photos=3, size=30_000, box={"link_life_s": life_s})
    bad = next(iter(box.world.photos))
    box.faults = [expired(path=bad)]
    now = run(box)
    first, *others = now()
    assert isinstance(first, Failed)
    assert (first.error.code, first.attempts, first.is_missing) == ("link_expired", 0, False)
    assert len(box.requests_to("store", contains=bad)) == 3
    assert all(isinstance(outcome, Downloaded) for outcome in others)


def test_fresh_links_refused_once_each(serve: Start, run: Make) -> None:
    """A fresh link that is refused counts until one is accepted: later ones are another matter."""
    refused = [expired(nth=number) for number in (1, 2, 4, 5)]
    box = serve(*refused[:2], Fault(nth=3, cut_after=CUT), *refused[2:])
    assert run(box).saved().attempts == 2
    assert len(box.requests_to("store")) == 6


def test_the_command_gives_up_a_link(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """A photo whose new links are refused as well has failed with its own code."""
    box = sandbox(World.generate(photos=2, size=30_000))
    bad, good = box.world.photos
    box.faults = [expired("s3", path=bad)]
    result = fetch()
    assert result.status == 5
    assert [(line["image_id"], line["code"]) for line in result.photos("failed")] == [(bad, "link_expired")]
    assert list(files_in(tmp_path / "out")) == [f"{good}.jpg"]


def test_photo_that_left_its_page(serve: Start, run: Make) -> None:
    """A photo that its page does not list any more is asked for by its id."""
    box = serve(expired(nth=1), photos=2)
    first, second = box.world.photos
    now = run(box)
    photos = now.listed()
    box.world.bibs[BIB] = [second]
    assert all(isinstance(outcome, Downloaded) for outcome in now(photos))
    assert methods(box) == ["bib", "bib", "image_id"]
    assert files_in(now.root) == objects(box)
    assert f'"identifier": "{first}"'.encode() in box.requests_to("api")[-1].body


@pytest.mark.parametrize("how", ["400", "404", "failed_urls"])
def test_photo_that_is_gone(serve: Start, run: Make, how: str) -> None:
    """A photo that the service does not know any more, in whatever words, is missing and has not failed."""
    box = serve(expired(), photos=2)
    first, second = box.world.photos
    now = run(box)
    photos = now.listed()
    box.world.bibs[BIB] = [second]
    if how == "failed_urls":
        box.faults.append(Fault(server="api", nth=2, mutate=lambda answer: answer["data"].update(unlisted(first))))
    elif how == "404":
        box.faults.append(Fault(server="api", nth=2, status=404))
    else:
        box.world.photos[first].has_original = False
    outcome = now(photos[:1])[0]
    assert isinstance(outcome, Failed)
    assert outcome.is_missing
    assert outcome.error.code == "not_found"
    assert methods(box)[:3] == ["bib", "bib", "image_id"]


def unlisted(image_id: str) -> dict[str, Any]:
    """A page with nothing but a photo that cannot be had."""
    return {"presigned_urls": [], "failed_urls": [{"image_id": image_id, "error": "gone", "path": None}]}


def test_renewal_that_fails(serve: Start, run: Make) -> None:
    """A photo whose link cannot be renewed has failed, and is not missing."""
    box = serve(expired(), Fault(server="api", nth=range(2, 100), status=500))
    outcome = run(box, retries=1).failed()
    assert (outcome.error.code, outcome.is_missing) == ("http_500", False)
    assert statuses(box, "api") == [200, 500, 500]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/o/{id}.jpg",
        "https:///o/{id}.jpg",
        "https://-x-.é/o/{id}.jpg",
        "https://[::1/o/{id}.jpg",
        "https://xn--/o/{id}.jpg",
        "https://example.com/o o/{id}.jpg",
        "ftp://127.0.0.1/o/{id}.jpg",
    ],
)
def test_link_that_cannot_be_used(serve: Start, run: Make, url: str) -> None:
    """A link that is none, or that is not safe, is its photo's error at once, and the others go on."""
    box = serve(photos=2)
    first = next(iter(box.world.photos))

    def mutate(answer: dict[str, Any]) -> None:
        answer["data"]["presigned_urls"][0]["url"] = url.format(id=first)

    box.faults = [Fault(server="api", mutate=mutate)]
    now = run(box)
    bad, good = now()
    assert isinstance(bad, Failed)
    assert bad.error.code == "unusable_link"
    assert now.of(RetryScheduled) == []
    assert isinstance(good, Downloaded)


def test_photo_without_a_link(serve: Start, run: Make, tmp_path: Path) -> None:
    """A photo to which there is no link is missing."""
    now = run(serve())
    (outcome,) = now([Photo("a", "a.jpg", ".jpg", "a", Method.IMAGE, 1)])
    assert isinstance(outcome, Failed)
    assert outcome.is_missing


def test_links_are_sent_to_the_byte(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """A strict store sees each link exactly as it was handed out, by GET alone, also with strange characters in it."""
    world = World.generate(photos=4, size=30_000)
    keys = ["a b+c", "ü~(1)'!*", "100%25", "x;y=z,&@:$"]
    for photo, key in zip(world.photos.values(), keys, strict=True):
        photo.link_path = f"imgs/456/large/{key}/{photo.image_id}.jpg"
    handed: list[str] = []
    box = sandbox(world)
    note = Fault(
        server="api",
        mutate=lambda answer: handed.extend(item["url"] for item in answer["data"]["presigned_urls"]),
    )
    box.faults = [note]
    result = fetch()
    assert result.status == 0, result.err
    assert {request.method for request in box.requests_to("store")} == {"GET"}
    assert {box.store_url + request.target for request in box.requests_to("store")} == set(handed)
    assert len(box.requests_to("store")) == len(handed) == 4
    assert files_in(tmp_path / "out") == objects(box)


def test_no_key_but_to_the_api(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """The key goes to the API alone: not to the store, not with a resumed request, and no redirect is followed."""
    other = Sandbox(World.generate(photos=1)).start()
    box = sandbox(World.generate(photos=4))
    away, cut, *_ = box.world.photos
    box.faults = [
        Fault(path=away, status=307, headers={"Location": f"{other.store_url}/{away}.jpg"}),
        Fault(path=cut, nth=1, cut_after=CUT),
    ]
    result = fetch()
    assert result.status == 5
    assert [(line["image_id"], line["code"]) for line in result.photos("failed")] == [(away, "redirect")]
    box.faults = [Fault(server="api", status=307, headers={"Location": f"{other.base_url}/api/v1/ext"})]
    assert fetch("--retries", 1).status == 6
    other.stop()
    assert other.requests == []
    assert all(request.headers["x-api-key"] == box.world.api_key for request in box.requests_to("api"))
    for request in box.requests_to("store"):
        assert request.headers["accept-encoding"] == "identity"
        assert not {"x-api-key", "authorization", "cookie", "referer"} & set(request.headers)
        assert not any(box.world.api_key in value for value in (*request.headers.values(), request.target))


# What is there already.


def whole(box: Sandbox) -> bytes:
    """The very object."""
    return data_of(box)


def older(box: Sandbox) -> bytes:
    """Another photo of the same length."""
    photo = only(box)
    return World.generate(photos=1, seed=2).photo_bytes(next(iter(World.generate(photos=1, seed=2).photos)))[
        : photo.size
    ]


def smaller(_: Sandbox) -> bytes:
    """Another photo of another length."""
    world = World.generate(photos=1, size=30_000)
    return world.photo_bytes(next(iter(world.photos)))


def without_end(box: Sandbox) -> bytes:
    """The first half."""
    return data_of(box)[: SIZE // 2]


def without_start(box: Sandbox) -> bytes:
    """Nothing where the start marker should be."""
    return b"\0\0" + data_of(box)[2:]


def with_trailer(box: Sandbox) -> bytes:
    """A few bytes behind the end marker, as cameras write them."""
    return data_of(box) + b"\0" * 100


def empty(_: Sandbox) -> bytes:
    """Not a byte."""
    return b""


def page(_: Sandbox) -> bytes:
    """A web page that another tool has taken for the photo."""
    return HTML


STRONG, WEAK = ("md5",), ("multipart", "weak", "none")
EVERY = STRONG + WEAK


@pytest.mark.parametrize(
    ("modes", "local", "etags", "kind", "requests"),
    [
        ("skip", whole, EVERY, Skipped, 0),
        ("skip", older, EVERY, Skipped, 0),
        ("skip", with_trailer, EVERY, Skipped, 0),
        ("verify", whole, EVERY, Skipped, 1),
        ("verify", older, STRONG, Downloaded, 1),
        ("verify", older, WEAK, Skipped, 1),
        ("verify", smaller, EVERY, Downloaded, 1),
        ("verify", with_trailer, EVERY, Downloaded, 1),
        ("skip verify", without_end, EVERY, Downloaded, 1),
        ("skip verify", without_start, STRONG, Downloaded, 1),
        ("skip verify", without_start, WEAK, Skipped, 1),
        ("skip verify", empty, EVERY, Downloaded, 1),
        ("skip verify", page, EVERY, Downloaded, 1),
        ("overwrite", whole, EVERY, Downloaded, 1),
        ("overwrite", older, EVERY, Downloaded, 1),
        ("overwrite", empty, EVERY, Downloaded, 1),
    ],
)
def test_existing(
    tmp_path: Path, modes: str, local: Callable[[Sandbox], bytes], etags: Sequence[str], kind: type, requests: int
) -> None:
    """A file that is there is left, asked about or replaced as told; one that looks damaged is always asked about."""
    for number, (mode, etag) in enumerate((mode, etag) for mode in modes.split() for etag in etags):
        with Sandbox(World.generate(photos=1)) as box, closing(Run(box, tmp_path / str(number), existing=mode)) as now:
            only(box).etag = etag
            path, before = path_of(box, now.root), local(box)
            now.root.mkdir()
            path.write_bytes(before)
            (outcome,) = now()
            assert type(outcome) is kind, (mode, etag)
            assert isinstance(outcome, Downloaded | Skipped)
            assert outcome.attempts == len(box.requests_to("store")) == requests
            assert files_in(now.root) == {path.name: before if kind is Skipped else data_of(box)}
            assert outcome.size == path.stat().st_size
            assert not requests or outcome.md5 == hashlib.md5(path.read_bytes()).hexdigest()


def test_question_names_the_md5(serve: Start, run: Make) -> None:
    """The store is asked by the MD5 of the file that is there, and answers without sending it."""
    box = serve()
    now = run(box)
    now.saved()
    box.requests.clear()
    run(box, existing="verify")()
    assert asked(box, "if-none-match", "range", "if-match") == [
        (f'"{hashlib.md5(data_of(box)).hexdigest()}"', None, None)
    ]
    assert statuses(box) == [304]


def test_store_that_does_not_hear_the_question(serve: Start, run: Make) -> None:
    """A store that sends the photo all the same confirms it by the MD5, and nothing is written."""
    box = serve()
    run(box).saved()
    box.faults = [Fault(action=lambda request: request.headers.update({"if-none-match": ""}))]
    (outcome,) = run(box, existing="verify")()
    assert isinstance(outcome, Skipped)
    assert (outcome.attempts, statuses(box)) == (1, [200, 200])


def test_overwriting_asks_for_no_condition(serve: Start, run: Make) -> None:
    """A photo that is to be fetched again is fetched again, also where it is the same."""
    box = serve()
    run(box).saved()
    run(box, existing="overwrite").saved()
    assert asked(box, "if-none-match") == [(None,), (None,)]
    assert statuses(box) == [200, 200]


@pytest.mark.parametrize("etag", EVERY)
@pytest.mark.parametrize("mode", ["skip", "verify"])
def test_other_formats_under_a_jpeg_s_name(serve: Start, run: Make, etag: str, mode: str) -> None:
    """A PNG that is called .jpg looks damaged; the store confirms it, and it is not fetched again and again."""
    box = serve(body=PNG, etag=etag, content_type="image/png")
    now = run(box)
    now.saved()
    (outcome,) = run(box, existing=mode)()
    assert isinstance(outcome, Skipped)
    assert outcome.attempts == 1
    assert files_in(now.root) == objects(box)


@pytest.mark.parametrize("name", ["photo.png", "photo.heic"])
def test_other_names(serve: Start, run: Make, name: str) -> None:
    """A file that is not named as a JPEG is believed unless it is empty."""
    box = serve(filename=name, body=PNG)
    now = run(box)
    path = now.saved().path
    (outcome,) = run(box)()
    assert isinstance(outcome, Skipped)
    assert len(box.requests_to("store")) == 1
    path.write_bytes(b"")
    assert run(box).saved().path == path


def test_page_that_is_sent_again(serve: Start, run: Make) -> None:
    """A portal that sends the very page that another tool has saved as the photo confirms nothing."""
    box = serve(Fault(status=200, body=HTML))
    now = run(box)
    now.root.mkdir()
    path_of(box, now.root).write_bytes(HTML)
    assert now.failed().error.code == "not_a_photo"


@pytest.mark.parametrize("wrong", [{"status": 404}, {"status": 500}, {"cut_after": 0.5}, {"body": HTML}], ids=str)
@pytest.mark.parametrize("mode", ["verify", "overwrite"])
def test_old_file_stays_until_the_new_one_is_whole(serve: Start, run: Make, wrong: dict[str, Any], mode: str) -> None:
    """A photo that cannot be replaced stays as it was."""
    box = serve(Fault(**wrong), etag="none")
    now = run(box, existing=mode, retries=1)
    now.root.mkdir()
    path_of(box, now.root).write_bytes(smaller(box))
    now.failed()
    assert files_in(now.root) == {path_of(box, now.root).name: smaller(box)}


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("body", [None, PNG], ids=["JPEG", "PNG"])
def test_overwritten_once_in_a_run(serve: Start, run: Make, jobs: int, body: bytes | None) -> None:
    """A photo that is listed twice is fetched once, and the second time it is there, also one that looks damaged."""
    box = serve(body=body)
    run(box).saved()
    box.requests.clear()
    now = run(box, existing="overwrite")
    photos = now.listed()
    outcomes = now([*photos, *photos], jobs=jobs)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Downloaded", "Skipped"]
    assert len(box.requests_to("store")) == 1


@pytest.mark.parametrize("mode", ["skip", "verify", "overwrite"])
def test_held_by_another_process(serve: Start, run: Make, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    """While another process fetches a photo, an old file that it is about to replace does not count as arrived."""
    box = serve()
    now = run(box, existing=mode)
    (photo,) = now.listed()
    path = path_of(box, now.root)
    now.root.mkdir()
    path.write_bytes(older(box) if mode != "skip" else b"")
    with monkeypatch.context() as patch:
        patch.setattr(Locks, "acquire", lambda *_: LockState.ANOTHER_PROCESSES)
        assert [type(now.transfer(photo)) for _ in range(3)] == [Busy] * 3
        path.with_suffix(".new").write_bytes(data_of(box))
        path.with_suffix(".new").replace(path)
        assert isinstance(now.transfer(photo), Skipped)
    assert box.requests_to("store") == []


def test_partial_of_the_object_that_is_there(serve: Start, run: Make) -> None:
    """A partial of the very object that another tool has brought meanwhile is given up."""
    box = serve()
    begin(box, run)
    now = run(box, existing="verify")
    path_of(box, now.root).write_bytes(data_of(box))
    (outcome,) = now()
    assert isinstance(outcome, Skipped)
    assert statuses(box) == [304]
    assert list(now.root.iterdir()) == [path_of(box, now.root)]


@pytest.mark.parametrize(
    ("mode", "local", "kind"),
    [
        ("skip", None, WouldDownload),
        ("skip", whole, Skipped),
        ("skip", empty, WouldDownload),
        ("verify", whole, Skipped),
        ("overwrite", whole, WouldDownload),
    ],
)
def test_plan(serve: Start, run: Make, mode: str, local: Callable[[Sandbox], bytes] | None, kind: type) -> None:
    """What would be fetched is told without a request to the store and without a trace on disk."""
    box = serve()
    now = run(box, existing=mode)
    if local:
        now.root.mkdir()
        path_of(box, now.root).write_bytes(local(box))
    before = files_in(now.root)
    assert [type(now.transfer.plan(photo)) for photo in now.listed()] == [kind]
    assert box.requests_to("store") == []
    assert files_in(now.root) == before
    assert now.root.exists() == bool(local)


def test_name_that_is_taken(serve: Start, run: Make) -> None:
    """A folder under a photo's name is that photo's failure, found before any request to the store."""
    box = serve(photos=2)
    now = run(box)
    first = next(iter(box.world.photos))
    (now.root / f"{first}.jpg").mkdir(parents=True)
    photos = now.listed()
    assert isinstance(now.transfer.plan(photos[0]), Failed)
    bad, good = now(photos)
    assert isinstance(bad, Failed)
    assert (bad.error.code, bad.attempts) == ("name_blocked", 0)
    assert isinstance(good, Downloaded)
    assert len(box.requests_to("store")) == 1


def test_trouble_with_the_disk_ends_the_run(serve: Start, run: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of this machine is raised, since it would meet every other photo as well."""
    now = run(serve())
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    with pytest.raises(MachineError):
        now()


def test_the_command_repairs_what_looks_damaged(
    fetch: Callable[..., Any], ninepic: Ninepic, sandbox: Start, tmp_path: Path
) -> None:
    """Half and empty files of another tool are fetched again although what is there is skipped, and the rest is not."""
    box = sandbox(World.generate(photos=6))
    half, none, headless, good, *_ = box.world.photos
    out = tmp_path / "out"
    out.mkdir()
    for name, data in objects(box).items():
        (out / name).write_bytes(data)
    (out / f"{half}.jpg").write_bytes(box.world.photo_bytes(half)[: SIZE // 2])
    (out / f"{none}.jpg").write_bytes(b"")
    (out / f"{headless}.jpg").write_bytes(b"\0\0" + box.world.photo_bytes(headless)[2:])
    result = fetch()
    assert result.status == 0, result.err
    assert {line["image_id"] for line in result.photos("downloaded")} == {half, none, headless}
    assert {line["attempts"] for line in result.photos("skipped")} == {0}
    assert files_in(out) == objects(box)
    box.world.replace_object(box.world.photos[good])
    assert len(fetch().photos("skipped")) == 6
    assert len(box.requests_to("store")) == 3
    result = fetch("--existing", "verify")
    assert [line["image_id"] for line in result.photos("downloaded")] == [good]
    assert {line["attempts"] for line in result.photos("skipped")} == {1}
    assert sorted(statuses(box)[3:], key=str) == [200, *[304] * 5]
    assert files_in(out) == objects(box)


def test_the_command_overwrites_once(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """A photo of two bibs in one folder is fetched again once."""
    box = sandbox(World.generate(photos=4, size=30_000))
    args = ("bib", BIB, "0042", "--json", "-o", tmp_path / "out", "--name", "{filename}", "--existing", "overwrite")
    for _ in range(2):
        box.requests.clear()
        result = ninepic(*args)
        assert result.status == 0, result.err
        assert len(box.requests_to("store")) == len(result.photos("downloaded")) == 4
        assert len(result.photos("skipped")) == 3
        assert files_in(tmp_path / "out") == objects(box)


def test_the_command_has_nothing_to_do(fetch: Callable[..., Any], sandbox: Start, tmp_path: Path) -> None:
    """With 500 photos there, a run makes the listing requests, none to the store, and is quick."""
    box = sandbox(World.generate(photos=500, size=2_500))
    (tmp_path / "out").mkdir()
    for name, data in objects(box).items():
        (tmp_path / "out" / name).write_bytes(data)
    began = time.monotonic()
    result = fetch()
    assert result.status == 0, result.err
    assert time.monotonic() - began < 10
    assert len(result.photos("skipped")) == 500
    assert box.requests_to("store") == []
    assert len(box.requests_to("api")) == 9
