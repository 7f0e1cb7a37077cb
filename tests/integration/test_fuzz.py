"""Whatever the network, the store, the service and the user come up with ends as promised.

The parts run in this process, against scripted servers without sockets, on a clock that waiting sets forward. How many
examples each property is tried with is multiplied by `NINEPIC_TEST_EXAMPLES`; the full form is

    NINEPIC_TEST_EXAMPLES=50 pytest -m '' tests/integration/test_fuzz.py
"""

import hashlib
import io
import json
import math
import os
import random
import re
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ninepic_cli.api.client import Api
from ninepic_cli.api.photo_search import PhotoSearch
from ninepic_cli.api.schema import queries
from ninepic_cli.config.settings import Settings, load_settings
from ninepic_cli.download.transfer import Existing, Transfer
from ninepic_cli.errors import (
    BlockedNameError,
    ExitStatus,
    GivenUpError,
    MachineError,
    MissingError,
    NinepicError,
    NotAllowedError,
    NotListedError,
    PhotoError,
    ServiceFailedError,
    SettingsError,
    StoppedError,
    TransientError,
    UsageError,
)
from ninepic_cli.filesystem.folder import Folder
from ninepic_cli.inputs.identifiers import Source, read_identifiers
from ninepic_cli.models import (
    Busy,
    Credentials,
    Downloaded,
    Failed,
    Link,
    Method,
    Outcome,
    Photo,
    Skipped,
    WouldDownload,
)
from ninepic_cli.net.connection import Response
from ninepic_cli.net.retry import HostThrottle, HostThrottles
from ninepic_cli.normalize import identifier as clean
from ninepic_cli.redact import mask_key
from ninepic_cli.report.summary import Report
from ninepic_cli.system.shutdown import CancelToken
from ninepic_cli.text import one_line
from ninepic_cli.updates import (
    HostPaused,
    IdentifierListed,
    PhotoFinished,
    PhotoFound,
    PhotoStarted,
    RequestFinished,
    RetryScheduled,
    Update,
    WarningRaised,
)

if TYPE_CHECKING:
    from ninepic_cli.net.client import Client

TIMES = int(os.environ.get("NINEPIC_TEST_EXAMPLES", "1"))
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)
HEADER_TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=40)
KEY = "np-5ecret5ecret5ecret"
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 (a disk would take most of the time)


def tried(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """How often a property is tried."""
    return settings(max_examples=examples * TIMES, deadline=None, suppress_health_check=[HealthCheck.too_slow])


# Time and answers without a network.


class MovingClock:
    """A clock that goes forward when somebody waits, and a little whenever it is looked at."""

    def __init__(self, *, limit_s: float) -> None:
        self.now_s = 1000.0
        self._limit_s = self.now_s + limit_s

    def monotonic(self) -> float:
        """What it shows."""
        self.now_s += 1e-6
        return self.now_s

    def wait(self, seconds: float) -> None:
        """Let time pass, but not for ever."""
        self.now_s += seconds
        assert self.now_s < self._limit_s, "waits for too long"


class ClockedStop(CancelToken):
    """The end of a run whose waits pass at once."""

    def __init__(self, clock: MovingClock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._clock.wait(seconds)
        self.check()


class ClockedCondition(threading.Condition):
    """A condition whose waits pass at once; there is one thread only."""

    def __init__(self, clock: MovingClock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        """Let time pass."""
        self._clock.wait(timeout or 0)
        return False


class ClockedHosts(HostThrottles):
    """Patience with hosts, on a clock."""

    def __init__(
        self, clock: MovingClock, stop: CancelToken, *, give_up_after_s: float, on_update: Callable[[Update], None]
    ) -> None:
        super().__init__(give_up_after_s=give_up_after_s, stop=stop, on_update=on_update)
        self._clock = clock

    def of(self, url: str) -> HostThrottle:
        """The host that a URL leads to."""
        host = super().of(url)
        if not isinstance(host._changed, ClockedCondition):
            host.now_s = self._clock.monotonic
            host._changed = ClockedCondition(self._clock)
            host._answered_s = host._last_asked_s = self._clock.monotonic()
        return host


@contextmanager
def clock_everywhere(clock: MovingClock) -> Iterator[None]:
    """Let the code read this clock."""
    with pytest.MonkeyPatch.context() as patched:
        for module in ("api.client", "api.links", "download.fetch", "download.transfer"):
            patched.setattr(f"ninepic_cli.{module}.time", clock)
        yield


@dataclass(frozen=True)
class Body:
    """What an answer reads its bytes from: all of them in small pieces, then perhaps an error."""

    data: bytes
    is_cut: bool = False
    clock: MovingClock | None = None

    def iter_raw(self) -> Iterator[bytes]:
        """The pieces, each of which takes a moment."""
        for start in range(0, len(self.data), 64):
            if self.clock:
                self.clock.wait(0.03)
            yield self.data[start : start + 64]
        if self.is_cut:
            raise TransientError("connection closed before the response was complete")


def answer_of(status: int, headers: Mapping[str, str], body: Body) -> Response:
    """An answer as the client gives it."""
    return Response(status, {name.lower(): value for name, value in headers.items()}, body.iter_raw())


# The store.


@dataclass(frozen=True)
class Version:
    """What an object is at some time; `kind` says what its ETag is."""

    data: bytes
    kind: str

    @property
    def etag(self) -> str | None:
        """The ETag, quotes included."""
        md5 = hashlib.md5(self.data).hexdigest()
        return {"md5": f'"{md5}"', "multipart": f'"{md5}-2"', "weak": f'W/"{md5}"'}.get(self.kind)


@dataclass(frozen=True)
class Step:
    """What happens with one request to the store, as far as it is not the ordinary answer.

    Attributes:
        change: the object becomes this version first.
        hang_up: no answer comes at all.
        stop: the run is ended in the middle of the answer.
        status: answered instead of the object, with `body`.
        headers: put over those of the answer; None leaves one out.
        cut_after: the share of the body after which the connection breaks.
        is_silent: the break looks like the body's end (only where the length sent is the body's, or none is).
        announced: added to the length that is announced.
        shift: a part is answered that begins so many bytes off the one asked for.
        ignores_range: the whole object is answered whatever was asked for.
        ignores_match: a part is answered whatever object it was asked of.
        is_damaged: the last byte is another one (only where the ETag can tell).
    """

    change: int | None = None
    hang_up: bool = False
    stop: bool = False
    status: int | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    body: bytes = b""
    cut_after: float | None = None
    is_silent: bool = False
    announced: int = 0
    shift: int = 0
    ignores_range: bool = False
    ignores_match: bool = False
    is_damaged: bool = False


class Store:
    """A store of one object: answers as S3 does, but for its steps. Stands in for the client."""

    def __init__(self, versions: Sequence[Version], clock: MovingClock, *, most_requests: int) -> None:
        self.version = versions[0]
        self.steps: list[Step] = []
        self.is_endless = False
        self.requests = 0
        self.tells_md5 = False  # with its last answer
        self.stop: CancelToken | None = None
        self._versions = versions
        self._clock = clock
        self._most_requests = most_requests

    @contextmanager
    def send(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, content: bytes | None = None
    ) -> Iterator[Response]:
        """Response a request."""
        assert (method, content) == ("GET", None)
        assert url.startswith("https://s")
        self.requests += 1
        assert self.requests <= self._most_requests, "asks for ever"
        step = self._next_step()
        if step.change is not None:
            self.version = self._versions[step.change % len(self._versions)]
        if step.hang_up:
            raise TransientError("the connection failed")
        if step.stop and self.stop:
            self.stop.set()
        yield self._answer(step, headers or {})

    def _next_step(self) -> Step:
        if self.is_endless and len(self.steps) == 1:
            return self.steps[0]
        return self.steps.pop(0) if self.steps else Step()

    def _answer(self, step: Step, asked: Mapping[str, str]) -> Response:
        status, headers, data = self._ordinary(step, asked)
        if step.status is not None:
            status, data = step.status, (data if step.status in {200, 206} and not step.body else step.body)
        elif step.body:
            data = step.body
        if step.is_damaged and self.version.kind == "md5":
            data = data[:-1] + bytes([data[-1] ^ 1]) if data else data
        headers["Content-Length"] = str(max(0, len(data) + step.announced))
        headers |= {name: value for name, value in step.headers.items() if value is not None}
        for name in [name for name, value in step.headers.items() if value is None]:
            headers.pop(name, None)
        self.tells_md5 = self.version.kind == "md5" and headers.get("ETag") == self.version.etag
        end = len(data) if step.cut_after is None else int(len(data) * step.cut_after)
        is_silent = step.is_silent and step.headers.get("Content-Length") is None
        is_cut = step.cut_after is not None and not is_silent
        return answer_of(status, headers, Body(data[:end], is_cut, self._clock))

    def _ordinary(self, step: Step, asked: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer that a well-behaved store gives."""
        data, etag = self.version.data, self.version.etag
        headers = {"Content-Type": "image/jpeg"} | ({"ETag": etag} if etag else {})
        if not step.ignores_match and asked.get("If-Match", etag) != etag:
            return 412, {}, b"<Error><Code>PreconditionFailed</Code></Error>"
        if "If-None-Match" in asked and asked["If-None-Match"] == etag:
            return 304, headers, b""
        if "Range" not in asked or step.ignores_range or step.status == 200:
            return 200, headers, data
        first = max(0, int(asked["Range"].removeprefix("bytes=").removesuffix("-")) + step.shift)
        if first >= len(data):
            return 416, {}, b"<Error><Code>InvalidRange</Code></Error>"
        headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
        return 206, headers, data[first:]


class ScriptedLinks:
    """Where the photo's link comes from: new ones of some lives, on some hosts, until there are no more."""

    def __init__(self, clock: MovingClock, lives: Sequence[float], *, hosts: int, lasts: int) -> None:
        self._clock = clock
        self._lives = lives
        self._hosts = hosts
        self._lasts = lasts
        self._count = 0
        self._link = self._new()

    def current(self, image_id: str) -> Link:
        """The newest."""
        assert image_id == "p"
        return self._link

    def fresh(self, image_id: str) -> Link:
        """The newest, or a newer one."""
        return self.renew(image_id, self._link) if self._clock.monotonic() > self._link.renew_at_s else self._link

    def renew(self, image_id: str, refused: Link) -> Link:
        """A newer one."""
        assert (image_id, refused) == ("p", self._link)
        assert self._count < 5000, "renews for ever"
        if self._count >= self._lasts:
            raise NotListedError("cannot renew its download link")
        self._link = self._new()
        return self._link

    def _new(self) -> Link:
        self._count += 1
        life_s, now_s = self._lives[self._count % len(self._lives)], self._clock.monotonic()
        url = f"https://s{self._count % self._hosts}.test/p.jpg?n={self._count}"
        return Link(url, renew_at_s=now_s + 0.9 * life_s, expires_at_s=now_s + life_s)


def photo_of(links: ScriptedLinks) -> Photo:
    """The one photo."""
    return Photo("p", "p.jpg", ".jpg", "7", Method.BIB, 1, links)


def fetched(
    store: Store, clock: MovingClock, root: Path, existing: Existing, links: ScriptedLinks
) -> Outcome | NinepicError:
    """How one run ends; what ends a run must be one of the errors that may."""
    store.stop = stop = ClockedStop(clock)
    folder = Folder(root)
    hosts = ClockedHosts(clock, stop, give_up_after_s=600, on_update=lambda _: None)
    client = cast("Client", store)
    transfer = Transfer(client=client, hosts=hosts, folder=folder, existing=existing, retries=3, stop=stop)
    try:
        outcome = transfer(photo_of(links))
    except (GivenUpError, StoppedError) as error:
        return error
    finally:
        folder.close()
    assert not isinstance(outcome, Busy)
    return outcome


def contents(path: Path) -> bytes | None:
    """The bytes of a file, None where there is none."""
    return path.read_bytes() if path.exists() else None


def assert_honest(end: Outcome | NinepicError, store: Store, before: bytes | None, after: bytes | None) -> None:
    """The file is what the store has, or as it was."""
    if isinstance(end, Downloaded):
        assert after == store.version.data
        assert (end.size, end.md5) == (len(after), hashlib.md5(after).hexdigest())
    else:
        assert after == before
        assert before is not None or not isinstance(end, Skipped)
    if isinstance(end, Failed):
        assert one_line(end.error.message, 300) == end.error.message


def is_whole(data: bytes | None) -> bool:
    """Whether a file is one that `skip` believes."""
    return data is not None and data[:2] == b"\xff\xd8" and b"\xff\xd9" in data


def assert_rightly_skipped(store: Store, existing: Existing, data: bytes | None) -> None:
    """What is left as it is may be: unasked, by its MD5, or by its length where the ETag is none."""
    assert data is not None
    if existing is Existing.SKIP and is_whole(data):
        return
    assert data == store.version.data if store.tells_md5 else len(data) == len(store.version.data)


EXPIRED = b"<Error><Code>ExpiredRequest</Code><Message>gone</Message></Error>"
DENIED = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
HTML = b"<!doctype html><title>Sign in</title>"
TRANSIENT = (408, 425, 500, 502, 504, 520, 521, 522, 523, 524, 530)
SHARES = st.floats(0, 1)
RETRY_AFTER = st.sampled_from([None, "0", "1", "59", "599", "601", "soon", "Fri, 31 Dec 1999 23:59:59 GMT"])
STEPS = st.one_of(
    st.builds(Step, cut_after=SHARES, change=st.none() | st.integers(0, 2), stop=st.booleans()),
    st.builds(Step, cut_after=SHARES, is_silent=st.booleans()),
    st.builds(Step, ignores_match=st.just(value=True), change=st.integers(0, 2)),
    st.builds(Step, cut_after=SHARES, is_silent=st.booleans(), headers=st.just({"Content-Length": None})),
    st.builds(Step, cut_after=SHARES, ignores_range=st.booleans(), shift=st.integers(-30, 30)),
    st.builds(Step, change=st.integers(0, 2)),
    st.builds(Step, change=st.integers(0, 2), headers=st.just({"ETag": None})),
    st.builds(Step, hang_up=st.just(True), change=st.none() | st.integers(0, 2)),
    st.builds(Step, ignores_range=st.just(True), cut_after=st.none() | SHARES),
    st.builds(Step, announced=st.integers(-30, 30), cut_after=st.none() | SHARES).filter(lambda step: step.announced),
    st.builds(Step, is_damaged=st.just(True), cut_after=st.none() | SHARES),
    st.builds(Step, status=st.sampled_from([*TRANSIENT, 301, 307, 400, 403, 404, 405, 412, 416, 418, 501])),
    st.builds(Step, status=st.sampled_from([429, 503]), headers=RETRY_AFTER.map(lambda text: {"Retry-After": text})),
    st.builds(Step, status=st.sampled_from([400, 403]), body=st.sampled_from([EXPIRED, DENIED])),
    st.builds(Step, status=st.sampled_from([200, 206, 403, 404, 500]), body=st.sampled_from([HTML, DENIED])),
    st.builds(Step, headers=st.sampled_from([{"Content-Encoding": "gzip"}, {"Content-Type": "text/html"}])),
)


@st.composite
def versions_of_an_object(draw: st.DrawFn) -> list[Version]:
    """An object as it was, is and will be, sometimes of the same length."""
    sizes = draw(st.lists(st.sampled_from([20, 21, 300, 3000]), min_size=1, max_size=3))
    kinds = [draw(st.sampled_from(["md5", "multipart", "weak", "none"])) for _ in sizes]
    return [
        Version(b"\xff\xd8\xff" + random.Random(number).randbytes(size) + b"\xff\xd9", kind)
        for number, (size, kind) in enumerate(zip(sizes, kinds, strict=True))
    ]


@pytest.mark.slow
@tried(250)
@given(
    versions=versions_of_an_object(),
    steps=st.lists(STEPS, max_size=9),
    is_endless=st.booleans(),
    existing=st.sampled_from(Existing),
    before=st.none() | st.tuples(st.integers(0, 2), st.sampled_from([0, 0, 2, 9])),
    lives=st.lists(st.sampled_from([math.inf, 0.0, 1.0, 100.0, 3600.0]), min_size=1, max_size=3),
    hosts=st.integers(1, 2),
    lasts=st.sampled_from([1, 2, 5, 9999]),
)
def test_any_sequence_of_faults(
    *,
    versions: list[Version],
    steps: list[Step],
    is_endless: bool,
    existing: Existing,
    before: tuple[int, int] | None,
    lives: list[float],
    hosts: int,
    lasts: int,
) -> None:
    """After any faults, changes and interruptions the file is the store's or as it was, and a quiet run brings it."""
    clock = MovingClock(limit_s=20_000)
    store = Store(versions, clock, most_requests=1500)
    store.steps, store.is_endless = list(steps), is_endless and bool(steps)
    with tempfile.TemporaryDirectory(dir=MEMORY) as place, clock_everywhere(clock):
        root = Path(place)
        final = root / "p.jpg"
        if before:
            data = versions[before[0] % len(versions)].data
            final.write_bytes(data[: len(data) - before[1]])
        for _ in range(1 if store.is_endless else len(steps) + 1):
            was = contents(final)
            end = fetched(store, clock, root, existing, ScriptedLinks(clock, lives, hosts=hosts, lasts=lasts))
            assert_honest(end, store, was, contents(final))
            if isinstance(end, Skipped):
                assert_rightly_skipped(store, existing, was)
        store.steps = []
        was = contents(final)
        end = fetched(store, clock, root, existing, ScriptedLinks(clock, [math.inf], hosts=1, lasts=1))
        assert isinstance(end, Downloaded | Skipped)
        assert_honest(end, store, was, contents(final))
        if isinstance(end, Skipped):
            assert_rightly_skipped(store, existing, was)
            assert existing is not Existing.OVERWRITE
        assert [path for path in root.rglob("*") if path.is_file() and path != final] == []


HEADERS: Mapping[str, st.SearchStrategy[str]] = {
    "Retry-After": st.sampled_from(["-1", "9" * 400, "1e9", "Fri, 99 Foo 99999 99:99:99 GMT", "²", "0x10"]),
    "Date": st.sampled_from(["", "Fri, 31 Dec 9999 23:59:59 -2359", "Mon, 01 Jan 0001 00:00:00 +2359"]),
    "Content-Range": st.one_of(
        st.builds("bytes {}-{}/{}".format, *[st.integers(-1, 320)] * 3),
        st.sampled_from(["bytes */305", "bytes 0-304/*", "bytes 0-304/305", "bytes=0-304/305", "items 0-1/2"]),
        st.integers(0, 304).map(lambda first: f"bytes {first}-304/305"),
    ),
    "ETag": st.one_of(
        st.binary(min_size=16, max_size=16).map(lambda md5: f'"{md5.hex()}"'),
        st.sampled_from(['"', '""', 'W/""', "*", '"a", "b"', f'"{"a" * 300}"', '"../../x"', '"\x7f"', '"é"']),
    ),
    "Last-Modified": st.sampled_from(["0", "Fri, 31 Dec 9999 23:59:59 -2359", "Mon, 01 Jan 0001 00:00:00 -0000"]),
    "Content-Length": st.integers(-1, 400).map(str) | st.sampled_from(["²", "9" * 30, "+5", "305, 305", "1_0", " 305"]),
    "Content-Encoding": st.sampled_from(["gzip", "identity", " Identity ", "br, gzip", "x"]),
    "Content-Type": st.sampled_from(["text/html", "image/jpeg", ";", "multipart/byteranges; boundary=x"]),
    "CF-Ray": HEADER_TEXT,
}


def some_headers(*names: str, missing: bool = False) -> st.SearchStrategy[Any]:
    """A few headers with likely and unlikely values, or None for those to be left out."""
    known = {name: HEADERS[name] | HEADER_TEXT for name in names}
    pairs = [st.tuples(st.just(name), st.none() | values if missing else values) for name, values in known.items()]
    return st.lists(st.one_of(pairs), max_size=3).map(dict)


@pytest.mark.slow
@tried(250)
@given(
    kind=st.sampled_from(["md5", "multipart", "weak", "none"]),
    steps=st.lists(
        st.builds(
            Step,
            status=st.none()
            | st.sampled_from([200, 201, 204, 206, 304, 302, 400, 403, 404, 412, 416, 429, 500, 503, 599]),
            headers=some_headers(*HEADERS, missing=True),
            body=st.sampled_from([b"", b"", b"", HTML, EXPIRED]) | st.binary(max_size=80),
            cut_after=st.none() | SHARES,
            is_silent=st.booleans(),
            ignores_range=st.booleans(),
        ).filter(lambda step: not step.body or step.status not in {None, 200, 206}),
        min_size=1,
        max_size=6,
    ),
)
def test_any_headers_of_the_store(kind: str, steps: list[Step]) -> None:
    """Whatever the store's headers say, the photo or the run comes to an end, and no part is taken for a photo."""
    clock = MovingClock(limit_s=20_000)
    store = Store(
        [Version(b"\xff\xd8\xff" + random.Random(7).randbytes(300) + b"\xff\xd9", kind)], clock, most_requests=50
    )
    store.steps = [Step(cut_after=0.5), *steps]
    with tempfile.TemporaryDirectory(dir=MEMORY) as place, clock_everywhere(clock):
        final = Path(place) / "p.jpg"
        end = fetched(store, clock, Path(place), Existing.VERIFY, ScriptedLinks(clock, [math.inf], hosts=1, lasts=9999))
        assert_honest(end, store, None, contents(final))
        assert not isinstance(end, Failed) or end.error.code != "unusable_link"


# The service.


@dataclass(frozen=True)
class Reply:
    """One answer of the service."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_cut: bool
    times: int = 1  # so often the body repeats itself


# The one photo asked for is answered on the first page of what says that it has more.
FAILED_AND_MORE = Reply(
    200,
    {},
    b"""{"presigned_urls": [], "failed_urls": [{"image_id": "a", "error": "", "path": ""}],
    "pagination": {"total": 0, "currentPage": 0, "totalPages": -1, "hasNextPage": true, "page_size": 0}}""",
    is_cut=False,
)


class Service:
    """Gives scripted answers, the last one for ever. Stands in for the client."""

    def __init__(self, replies: Sequence[Reply]) -> None:
        self._replies = list(replies)
        self.requests = 0

    @contextmanager
    def send(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, content: bytes | None = None
    ) -> Iterator[Response]:
        """Response a request."""
        assert (headers or {}).get("X-API-Key") == KEY
        assert url.startswith("https://api.test/api/v1/ext/12/")
        assert method == ("GET" if content is None else "POST")
        self.requests += 1
        assert self.requests <= 4000, "asks for ever"
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        yield answer_of(reply.status, reply.headers, Body(reply.body * reply.times, reply.is_cut))


ODD_NUMBERS = st.integers() | st.sampled_from([-1, 0, 10**400, -(2**63), 0.5, float("nan"), float("inf"), True])
ODD = st.recursive(
    st.none() | st.booleans() | ODD_NUMBERS | ANY_TEXT | st.just(f"a {KEY} b"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)
FEW_IDS = st.sampled_from(["a", "b", "c", "A", "d-1", "e f"])
LINKS = st.builds(
    "https://{}/x/{}{}?X-Amz-Expires={}".format,
    st.sampled_from(["s.test", "[::1", "s.test:x"]),
    FEW_IDS | ANY_TEXT,
    st.sampled_from([".jpg", "", ".", ".j/g"]),
    st.sampled_from(["3600", "0", "x"]),
)
WORDS = st.text(max_size=9) | st.sampled_from([f"the key {KEY} is wrong", KEY * 40, "x" * 499 + KEY])


def mostly(good: st.SearchStrategy[Any], other: st.SearchStrategy[Any], times: int) -> st.SearchStrategy[Any]:
    """The one so many times as often as the other (`one_of` takes what stands there twice for one)."""
    return st.sampled_from([good] * times + [other]).flatmap(lambda chosen: chosen)


def likely(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly what is documented."""
    return mostly(good, ODD, 14)


def fields(**known: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object that has the documented fields, or only some of them."""
    wanted = {name: likely(value) for name, value in known.items()}
    return mostly(st.fixed_dictionaries(wanted), st.fixed_dictionaries({}, optional=wanted), 4)


COUNTS = st.integers(-1, 200) | ODD_NUMBERS
PAGES = fields(
    presigned_urls=st.lists(likely(fields(url=LINKS, filename=FEW_IDS.map("{}.jpg".format) | ANY_TEXT)), max_size=4),
    failed_urls=st.lists(likely(fields(image_id=FEW_IDS | ANY_TEXT, error=WORDS, path=WORDS)), max_size=3),
    total_images=COUNTS,
    identifier=WORDS,
    status=st.just("ok"),
    pagination=fields(total=COUNTS, currentPage=COUNTS, totalPages=COUNTS, hasNextPage=st.booleans(), page_size=COUNTS),
)
ENVELOPES = fields(responseType=st.sampled_from(["success", "success", "error"]), message=WORDS, data=PAGES)
BODIES = mostly(
    st.builds(
        lambda shape, ascii_only: _encoded(shape, ascii_only=ascii_only), likely(ENVELOPES | PAGES), st.booleans()
    ),
    st.sampled_from([b"", HTML, b"\xff\xfe{\0}\0", KEY.encode()]) | st.binary(max_size=40),
    6,
)
STATUSES = st.sampled_from([400, 401, 403, 404, 405, 413, 422, 429, 500, 502, 503, 504, 530, 201, 204, 302, 600])
ORDINARY_REPLIES = st.builds(
    Reply,
    status=mostly(st.just(200), STATUSES, 2),
    headers=some_headers("Retry-After", "Date", "Content-Type", "CF-Ray"),
    body=BODIES,
    is_cut=st.sampled_from([False] * 9 + [True]),
)
ENDLESS_REPLIES = st.builds(
    Reply, st.just(200), st.just({}), st.sampled_from([b"[", b'{"data":', b"1"]), st.just(value=False), st.just(50_000)
)
REPLIES = mostly(ORDINARY_REPLIES, ENDLESS_REPLIES, 20)
ASKED = st.one_of(
    st.tuples(st.just(Method.BIB), st.just(["7"])),
    st.tuples(st.just(Method.SELFIE), st.just(["7", "8"])),
    st.tuples(st.just(Method.IMAGE), st.just(["a"])),
    st.tuples(st.just(Method.IMAGES), st.just(["a", "b", "c", "A", "q"])),
)


def _encoded(shape: object, *, ascii_only: bool) -> bytes:
    return json.dumps(shape, ensure_ascii=ascii_only).encode(errors="replace")


def errors_in(event: Photo | Update) -> list[NinepicError]:
    """The errors that an event tells of."""
    match event:
        case (
            PhotoFinished(outcome=Failed(error))
            | IdentifierListed(error=NinepicError() as error)
            | RetryScheduled(error=error)
        ):
            return [error]
        case (
            WarningRaised(text) | RequestFinished(error=str(text)) | RequestFinished(what=text) | HostPaused(host=text)
        ):
            return [NinepicError(text)]
    return []


@pytest.mark.slow
@tried(150)
@given(asked=ASKED, replies=st.lists(REPLIES, min_size=1, max_size=7))
@example(
    asked=(Method.IMAGE, ["a"]),
    replies=[FAILED_AND_MORE, Reply(200, {}, b"", is_cut=True)],
)
@example(
    asked=(Method.IMAGE, ["a"]),
    replies=[FAILED_AND_MORE, Reply(422, {}, b"{}", is_cut=False)],
)
def test_any_answers_of_the_service(asked: tuple[Method, list[str]], replies: list[Reply]) -> None:
    """Whatever the service answers, every identifier comes to an end or the run to one of its ends; no key is shown."""
    method, identifiers = asked
    clock, service = MovingClock(limit_s=20_000), Service(replies)
    stop, events = ClockedStop(clock), list[Photo | Update]()
    host = ClockedHosts(clock, stop, give_up_after_s=20, on_update=events.append).of("https://api.test/")
    access = Credentials(KEY, 12, 345, "https://api.test")
    client = cast("Client", service)
    with clock_everywhere(clock):
        api = Api(access, client=client, host=host, retries=1, stop=stop, on_update=events.append)
        shown: list[NinepicError] = []
        try:
            listed = list(PhotoSearch(api, on_update=events.append).entries(queries(method, identifiers)))
            events += listed
            assert_every_identifier_ends(method, identifiers, listed)
            shown += renewed([entry for entry in listed if isinstance(entry, Photo)][:3])
        except NinepicError as error:
            assert_may_end_a_run(error)
            shown.append(error)
    shown += [error for event in events for error in errors_in(event)]
    assert not [error for error in shown if KEY in f"{error.message} {error.hint} {error.code}"]


def assert_may_end_a_run(error: NinepicError) -> None:
    """The error is one of those that no other request would fare better with."""
    assert isinstance(error, UsageError | NotAllowedError | GivenUpError)


def renewed(photos: list[Photo]) -> list[NinepicError]:
    """Asks for newer links of photos; the errors that came of it."""
    errors: list[NinepicError] = []
    for photo in photos:
        assert photo.links
        old = photo.links.current(photo.image_id)
        try:
            assert photo.links.renew(photo.image_id, old) is not old
        except PhotoError as error:
            errors.append(error)
    return errors


def assert_every_identifier_ends(method: Method, identifiers: list[str], listed: list[Photo | Update]) -> None:
    """Each bib or search ends once, behind its photos; each image id has a photo or an outcome."""
    photos = [
        entry if isinstance(entry, Photo) else entry.photo
        for entry in listed
        if isinstance(entry, Photo | PhotoFinished)
    ]
    assert max(Counter((photo.identifier, photo.image_id) for photo in photos).values(), default=1) == 1
    if method in {Method.BIB, Method.SELFIE}:
        ends = [entry for entry in listed if isinstance(entry, IdentifierListed)]
        assert [end.identifier for end in ends] == identifiers
        assert [end.found for end in ends] == [sum(p.identifier == name for p in photos) for name in identifiers]
    else:
        assert {photo.identifier for photo in photos} >= set(identifiers)


# The user.


PLACES = st.sampled_from(["", " ", "-", "/", "~", "~nobody/x", "a/b", ".", "\0"]) | ANY_TEXT
NUMBERS = st.sampled_from(["0", "8", " 64 ", "65", "-1", "1e3", "0x10", "1_0", "٣", "²", "9" * 18, "9" * 5000, ""])
ADDRESSES = st.one_of(
    st.sampled_from(
        [f"https://{KEY}@h", f"https://h?k={KEY}", "https://[::1", "https://h:99999", "http://h", "https://h\\x"]
    ),
    st.builds("{}://{}{}{}".format, st.sampled_from(["http", "https", "HTTPS", "ftp"]), ANY_TEXT, ANY_TEXT, NUMBERS),
    st.builds("http://{}:{}/".format, st.sampled_from(["127.0.0.1", "localhost", "[::1]", "127.1"]), NUMBERS),
)
GIVEN: Mapping[str, st.SearchStrategy[str]] = {
    "API_KEY": st.just(KEY) | st.just(f" {KEY}\n") | st.just(f"{KEY} {KEY}"),
    "ORG_ID": NUMBERS,
    "EVENT_ID": NUMBERS,
    "BASE_URL": ADDRESSES,
    "OUTPUT": PLACES,
    "JOBS": NUMBERS,
    "PROFILE": st.just("acme"),
}
ENVIRONMENTS = st.fixed_dictionaries(
    {}, optional={f"NINEPIC_{name}": values | ANY_TEXT for name, values in GIVEN.items()}
)
OPTIONS = st.fixed_dictionaries(
    {}, optional={name.lower(): st.none() | GIVEN[name] | ANY_TEXT for name in ("ORG_ID", "EVENT_ID", "OUTPUT", "JOBS")}
)
LITERALS = {
    name.lower(): (NUMBERS | ADDRESSES.map(json.dumps) if name != "API_KEY" else st.just(f'"{KEY}\\u0007"'))
    | values.map(json.dumps)
    for name, values in GIVEN.items()
}
CONFIGS = st.binary(max_size=60) | st.fixed_dictionaries({}, optional=LITERALS).map(
    lambda table: "\n".join(f"{name} = {value}" for name, value in table.items()).encode()
)


def assert_shown_safely(error: NinepicError) -> None:
    """An error's words are harmless to a terminal and do not tell the key."""
    assert error.message.isprintable()
    assert (error.hint or "").isprintable()
    assert KEY not in f"{error.message} {error.hint}"


@tried(300)
@given(options=OPTIONS, environ=ENVIRONMENTS, config=CONFIGS)
def test_any_settings(options: dict[str, object], environ: dict[str, str], config: bytes) -> None:
    """Whatever options, environment and settings file hold, it gives usable settings or a harmless error."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as place:
        path = Path(place) / "config.toml"
        path.write_bytes(config)
        try:
            found = load_settings(options, environ=environ, config=str(path))
            found.require_credentials()
        except (SettingsError, NotAllowedError) as error:
            assert_shown_safely(error)
        else:
            assert_usable(found)


def assert_usable(found: Settings) -> None:
    """Settings are in their ranges, and an address is one that the key may be sent to."""
    assert 1 <= found.jobs <= 64
    assert found.org_id
    assert found.org_id > 0
    assert re.fullmatch(r"https://\S+|http://(localhost|127\.\S+|\[::1\])(:\d+)?(/\S*)?", found.base_url)
    assert not found.base_url.endswith("/")
    assert KEY not in repr(found)
    assert found.api_key == (found.api_key or "").strip()
    assert KEY not in mask_key(found.api_key)


@tried(300)
@given(
    arguments=st.lists(ANY_TEXT, max_size=4),
    from_file=st.none() | st.sampled_from(["", "-", "-", "\0", ".", "no/such", "no\x1bsuch"]),
    data=st.binary(max_size=60)
    | st.lists(ANY_TEXT, max_size=5).map(lambda lines: "\r".join(lines).encode("utf-8", "replace")),
)
def test_any_identifiers(arguments: list[str], from_file: str | None, data: bytes) -> None:
    """Whatever is typed and stands in the file, it gives distinct identifiers in order or a harmless usage error."""
    try:
        found = read_identifiers(arguments, Source(from_file), stdin=io.BytesIO(data)).identifiers
    except UsageError as error:
        assert_shown_safely(error)
    else:
        typed = list(dict.fromkeys(map(clean, arguments)))
        assert found[: len(typed)] == typed
        assert len(set(found)) == len(found)
        assert all(name and name == name.strip() and not re.search(r"[\x00-\x1f\x7f-\x9f]", name) for name in found)


# The report.


KEYS = {
    "photo": [
        "type",
        "status",
        "image_id",
        "identifier",
        "filename",
        "path",
        "bytes",
        "md5",
        "attempts",
        "seconds",
        "code",
        "error",
    ],
    "identifier": ["type", "identifier", "status", "found", "code", "error"],
    "summary": [
        "type",
        "downloaded",
        "skipped",
        "failed",
        "missing",
        "identifiers_missing",
        "identifiers_failed",
        "bytes",
        "seconds",
        "exit_code",
        "code",
        "error",
    ],
}
COIN = st.booleans()
PHOTO_ERRORS = st.builds(
    lambda kind, text: kind(text),
    st.sampled_from([PhotoError, MissingError, NotListedError, BlockedNameError]),
    ANY_TEXT,
)
PATHS = ANY_TEXT.map(lambda text: Path("/photos") / text.replace("\0", ""))
OUTCOMES: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Downloaded, PATHS, st.integers(0, 10**12), st.just("0" * 32), st.integers(1, 9), st.floats(0, 1e6)),
    st.builds(Skipped, PATHS, st.integers(1, 10**12), st.none() | st.just("0" * 32), st.integers(0, 9)),
    st.builds(Failed, PHOTO_ERRORS, st.none() | PATHS, st.integers(0, 9)),
    st.builds(WouldDownload, PATHS),
)
LISTING_ERRORS = st.builds(
    lambda kind, text: kind(text), st.sampled_from([MissingError, NotListedError, ServiceFailedError]), ANY_TEXT
)
ENDINGS = st.builds(
    lambda kind, text: kind(text), st.sampled_from([GivenUpError, MachineError, NotAllowedError, UsageError]), ANY_TEXT
)


@st.composite
def runs(draw: st.DrawFn) -> tuple[Method, list[str], list[Update]]:
    """A run: what is asked for, and its events in an order that can happen."""
    method = draw(st.sampled_from(Method))
    most = 1 if method in {Method.IMAGE, Method.EVENT} else 4
    identifiers = draw(st.lists(ANY_TEXT, min_size=1, max_size=most, unique=True))
    events: list[Update] = []
    under_way: list[PhotoFinished] = []
    for identifier in identifiers:
        ids = (
            [identifier]
            if method in {Method.IMAGE, Method.IMAGES}
            else draw(st.lists(ANY_TEXT, max_size=4, unique=True))
        )
        for number, image_id in enumerate(ids, start=1):
            end = PhotoFinished(Photo(image_id, draw(ANY_TEXT), ".jpg", identifier, method, number), draw(OUTCOMES))
            if isinstance(end.outcome, Failed) and draw(COIN):
                events.append(end)  # settled by the listing
            else:
                events += [PhotoFound(end.photo), PhotoStarted(end.photo)]
                under_way.append(end)
            while draw(COIN) and under_way:
                events.append(under_way.pop(draw(st.integers(0, len(under_way) - 1))))
        if method not in {Method.IMAGE, Method.IMAGES}:
            error = draw(LISTING_ERRORS | st.none() if ids else LISTING_ERRORS)
            events.append(IdentifierListed(identifier, len(ids), error))
    return method, identifiers, [*events, *draw(st.permutations(under_way))]


@tried(200)
@given(
    run=runs(),
    lasts=st.none() | st.integers(0, 40),
    ending=st.none() | ENDINGS,
    seconds=st.floats(0, 1e7),
    signal=st.none() | st.sampled_from([1, 2, 15]),
)
def test_any_run_is_reported(
    run: tuple[Method, list[str], list[Update]],
    lasts: int | None,
    ending: NinepicError | None,
    seconds: float,
    signal: int | None,
) -> None:
    """Whatever a run brings and wherever it ends, counts, lines, unfinished identifiers and exit status agree."""
    method, identifiers, events = run
    report = Report(method, identifiers)
    happened = events[:lasts]
    lines = [line for event in happened for line in report.record(event)] + report.closing_lines(ending)
    status = report.exit_status(ending)
    lines.append(report.summary_json(seconds=seconds, exit_code=status, ending=ending))
    assert all(line.isprintable() and line.encode() for line in lines)
    records = [json.loads(line) for line in lines]
    assert_counts_add_up(records, [event.outcome for event in happened if isinstance(event, PhotoFinished)])
    assert_identifiers_agree(records, method, identifiers, report.unfinished())
    if ending is None:
        assert (status in {ExitStatus.OK, ExitStatus.MISSING}) == (not report.unfinished())
        assert status != ExitStatus.OK or not problems(happened)
    else:
        assert status not in {ExitStatus.OK, ExitStatus.MISSING, ExitStatus.INCOMPLETE}
    text = report.summary_text(seconds=seconds, ending=ending, signal=signal, dry_run=False)
    assert all(line.isprintable() for line in [text, *report.failure_lines()])
    assert len(report.failure_lines()) <= 21


def problems(events: Sequence[Update]) -> list[Update]:
    """The events that tell of anything but success."""
    return [
        event
        for event in events
        if (isinstance(event, PhotoFinished) and isinstance(event.outcome, Failed))
        or (isinstance(event, IdentifierListed) and event.error)
    ]


def assert_counts_add_up(records: Sequence[Mapping[str, Any]], outcomes: Sequence[Outcome]) -> None:
    """Each line has its keys, each outcome one line, and the last line counts them."""
    assert all(list(record) == KEYS[record["type"]] for record in records)
    photos = [record for record in records if record["type"] == "photo"]
    counted, summary = Counter(record["status"] for record in photos), records[-1]
    assert len(photos) == len(outcomes)
    assert all(summary[word] == counted[word] for word in ("downloaded", "skipped", "failed", "missing"))
    assert counted["listed"] == sum(isinstance(outcome, WouldDownload) for outcome in outcomes)
    assert summary["bytes"] == sum(outcome.size for outcome in outcomes if isinstance(outcome, Downloaded))


def assert_identifiers_agree(
    records: Sequence[Mapping[str, Any]], method: Method, identifiers: Sequence[str], unfinished: Sequence[str]
) -> None:
    """Each bib or search has one line, and the failed ones are those that are unfinished, in their order.

    So has the event; what is unfinished of it are photos, or a word that not all of them are known.
    """
    lines = [record for record in records if record["type"] == "identifier"]
    for status in ("missing", "failed"):
        assert records[-1][f"identifiers_{status}"] == sum(line["status"] == status for line in lines)
    names = [json.loads(json.dumps(name)) for name in identifiers]
    if method in {Method.BIB, Method.SELFIE}:
        assert sorted(line["identifier"] for line in lines) == sorted(names)
        failed = {line["identifier"] for line in lines if line["status"] == "failed"}
        assert [name for name in names if name in failed] == [json.loads(json.dumps(name)) for name in unfinished]
        assert all((line["error"] is None) == (line["status"] == "done") for line in lines)
    elif method is Method.EVENT:
        assert [line["identifier"] for line in lines] == names
        assert bool(unfinished) == (lines[0]["status"] == "failed")
    else:
        assert lines == []
        assert [name for name in identifiers if name in unfinished] == list(unfinished)


@tried(200)
@given(ANY_TEXT, st.integers(4, 70))
def test_any_text_is_plain_once_and_for_all(text: str, limit: int) -> None:
    """Harmless text is one printable line within its limit, and making it harmless again changes nothing."""
    line = one_line(text, limit)
    assert line.isprintable()
    assert len(line) <= limit
    assert one_line(line, limit) == line
