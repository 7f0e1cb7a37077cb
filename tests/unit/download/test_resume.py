"""Photos that were cut off: resumed where they are the same, and begun again where they are not."""

from typing import Any

import pytest

from ninepic_cli.sandbox import Fault, StoredPhoto
from ninepic_cli.updates import RetryScheduled
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
    asked,
    begin,
    data_of,
    objects,
    only,
    over_both_transports,
    parts,
)

pytestmark = pytest.mark.usefixtures("quick_retries")


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
