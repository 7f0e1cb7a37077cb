"""What goes wrong with the stand-in when it is told to."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import time
from contextlib import closing
from typing import Any

import pytest

from ninepic_cli.sandbox import Fault, Request, Sandbox, StoredPhoto, World
from tests.support.http_client import ask, connect, exchange, fetch, fetch_first, first, look, raw, target

Breaks = (ConnectionResetError, BrokenPipeError)


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
