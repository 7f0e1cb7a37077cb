"""The stand-in as a server: ports, connections, the record of requests, TLS."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from ninepic_cli.sandbox import Fault, Request, Sandbox, StoredPhoto, World
from tests.support.command import output_of
from tests.support.http_client import ask, connect, exchange, fetch, fetch_first, first, look, photos_url, raw, target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


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
    assert not [each for each in threading.enumerate() if "_serve_connection" in each.name]
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
