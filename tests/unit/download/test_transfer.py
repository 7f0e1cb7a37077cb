"""One photo at a time, whatever happens on the way: the file is the store's object, or there is none."""

import hashlib
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ninepic_cli.errors import StoppedError
from ninepic_cli.models import Downloaded, Failed, Skipped
from ninepic_cli.net.sockets import Connector
from ninepic_cli.sandbox import Fault, Sandbox, World
from ninepic_cli.sandbox.data import RACE_DAY
from ninepic_cli.updates import BytesReceived, RetryScheduled
from tests.support.command import Start
from tests.support.files import files_in
from tests.support.transfers import (
    CUT,
    EXPIRED,
    HTML,
    SCRAP,
    SIZE,
    XML,
    Make,
    Run,
    asked,
    data_of,
    objects,
    over_both_transports,
    parts,
    path_of,
    statuses,
)

pytestmark = pytest.mark.usefixtures("quick_retries")
TRANSIENT = [408, 425, 500, 502, 504, 520, 521, 522, 523, 524, 530]


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
