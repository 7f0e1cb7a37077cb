"""How requests are sent: certificates, proxies, exact links, and answers that break off."""

import base64
import itertools
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import httpcore
import pytest

from ninepic_cli.errors import CertificateError, SettingsError, TransientError
from ninepic_cli.net import proxy_transport, sockets
from ninepic_cli.net.client import Client
from ninepic_cli.sandbox import Fault, Sandbox
from tests.support.http_servers import (
    API,
    DEAD,
    OK,
    STORE,
    Authority,
    Talk,
    Wire,
    hushed,
    open_client,
    port_of,
    relaying,
    saying,
)
from tests.support.worlds import small_world

ODD = "/odd/~'();[]|%2f%2F..+%7E,*!$&=:@/../x//y?~'();[]|%2f%2F..+%7E&X-Amz-Signature=a/b+c%2B&=&?"
IS_DIRECT = True  # which transport tests use


@pytest.fixture(params=[True, False], ids=["own", "httpx"])
def both(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Lets a test run over either transport; returns whether it is our own."""
    monkeypatch.setattr(sys.modules[__name__], "IS_DIRECT", request.param)
    return bool(request.param)


@contextmanager
def client(environ: Mapping[str, str] | None = None, *, timeout_s: float = 5) -> Iterator[Client]:
    """A client that sees these variables."""
    settings: dict[str, Any] = {"timeout_s": timeout_s, "environ": environ or {}, "is_direct": IS_DIRECT}
    with closing(open_client(connections=4, **settings)) as opened:
        yield opened


def fetched(url: str, environ: Mapping[str, str] | None = None, *, timeout_s: float = 5) -> bytes:
    """The body behind a URL."""
    with client(environ, timeout_s=timeout_s) as opened, opened.send("GET", url) as answer:
        return answer.body(1 << 20)


def failure(url: str, environ: Mapping[str, str] | None = None, *, timeout_s: float = 5) -> TransientError:
    """How a request fails that may be repeated."""
    with pytest.raises(TransientError) as caught:
        fetched(url, environ, timeout_s=timeout_s)
    return caught.value


class TestWhatIsSent:
    """The request as it is on the wire."""

    @pytest.mark.usefixtures("both")
    def test_a_link_is_sent_byte_for_byte(self, wire: Callable[[Talk], Wire]) -> None:
        """No character of a link's path or query is decoded, encoded, resolved or reordered."""
        server = wire(saying(OK))
        assert fetched(server.url + ODD) == b"ok"
        assert server.heads[0].split(b"\r\n")[0] == f"GET {ODD} HTTP/1.1".encode()

    @pytest.mark.usefixtures("both")
    def test_it_asks_for_the_bytes_as_they_are(self, wire: Callable[[Talk], Wire]) -> None:
        """A request asks for no compression and says who sends it, and no more than that."""
        server = wire(saying(OK))
        fetched(f"{server.url}/x")
        names = {line.partition(b":")[0].lower() for line in server.heads[0].split(b"\r\n")[1:] if line}
        assert b"accept-encoding: identity" in server.heads[0].lower()
        assert names <= {b"host", b"user-agent", b"accept-encoding", b"accept", b"connection"}

    @pytest.mark.usefixtures("both")
    def test_a_redirect_is_not_followed(self, wire: Callable[[Talk], Wire]) -> None:
        """A redirect is an answer like any other."""
        elsewhere = wire(saying(OK))
        moved = f"HTTP/1.1 302 Found\r\nLocation: {elsewhere.url}/\r\nContent-Length: 0\r\n\r\n"
        server = wire(saying(moved.encode()))
        with client() as opened, opened.send("GET", f"{server.url}/x") as answer:
            assert answer.status == 302
        assert elsewhere.heads == []

    @pytest.mark.usefixtures("both")
    @pytest.mark.parametrize(
        "url",
        [
            "https://host:abc/x",
            "https://256.1.1.1/x",
            "https://xn--a/x",
            "https://a..b/x",
            "https://[::1/x",
            "https://ho st/x",
            "https://h/ x",
            "https://h/x\r\nHost: evil.test",
            "https://ü.test/ü",
        ],
    )
    def test_what_is_no_url_is_refused(self, url: str) -> None:
        """A URL that cannot be sent is a ValueError, whatever is wrong with it."""
        with client(timeout_s=1) as opened, pytest.raises(ValueError), opened.send("GET", url):
            pass


@pytest.mark.usefixtures("both")
class TestAnswersThatBreakOff:
    """What does not arrive whole may be asked for again."""

    @pytest.mark.parametrize(
        ("parts", "words"),
        [
            ((), "closed before"),
            ((b"HTTP/1.1 200 OK\r\nContent-Le",), "closed before"),
            ((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",), "closed before"),
            ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf",), "closed before"),
            ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",), "closed before"),
            ((b"this is no HTTP at all\r\n\r\n",), ""),
        ],
    )
    def test_a_cut_is_seen(self, wire: Callable[[Talk], Wire], parts: tuple[bytes, ...], words: str) -> None:
        """An answer that ends before its announced end is a failed try."""
        assert words in failure(f"{wire(saying(*parts)).url}/x").message

    def test_a_reset_is_seen(self) -> None:
        """A connection that is reset is a failed try that says so."""
        with Sandbox(small_world(1), faults=[Fault(reset=True)]) as box:
            error = failure(box.link(next(iter(box.world.photos))))
        assert error.code == "connection"
        assert "reset" in error.message.lower()

    def test_a_body_that_ends_with_its_connection_is_whole(self, wire: Callable[[Talk], Wire]) -> None:
        """A body without a length ends where the connection does."""
        server = wire(saying(b"HTTP/1.1 200 OK\r\n\r\n", b"a", b"ll"))
        assert fetched(f"{server.url}/x") == b"all"

    def test_silence_is_a_timeout(self, wire: Callable[[Talk], Wire]) -> None:
        """A host that takes the request and says nothing has failed when the time-out is over."""
        started_s = time.monotonic()
        assert failure(f"{wire(hushed).url}/x", timeout_s=0.3).code == "timeout"
        assert 0.25 < time.monotonic() - started_s < 5

    def test_silence_in_a_body_is_a_timeout(self, wire: Callable[[Talk], Wire]) -> None:
        """A body that stops coming has failed when the time-out is over."""

        def talk(sock: socket.socket, head: bytes) -> None:
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
            hushed(sock, head)

        assert failure(f"{wire(talk).url}/x", timeout_s=0.3).code == "timeout"

    def test_nobody_there_is_told(self) -> None:
        """A refused connection says so."""
        assert "refused" in failure(f"{DEAD}/x").message.lower()

    def test_the_reason_is_told_while_another_error_is_handled(self) -> None:
        """What is told of a failure is its own reason, also where the request follows from another failure."""
        try:
            raise KeyError("an earlier error")
        except KeyError:
            assert "refused" in failure(f"{DEAD}/x").message.lower()

    def test_a_trickle_is_given_up(self, wire: Callable[[Talk], Wire], monkeypatch: pytest.MonkeyPatch) -> None:
        """A body of a byte now and then ends by its slowness, although each byte comes in time."""
        monkeypatch.setattr(sockets, "_SLOW_WINDOW_S", 1.0)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"
        server = wire(saying(head, *[b"x"] * 100, every_s=0.1))
        error = failure(f"{server.url}/x", timeout_s=2)
        assert error.code == "timeout"
        assert "1 KB/s" in error.message

    def test_a_trickle_of_headers_is_given_up(
        self, wire: Callable[[Talk], Wire], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Headers that come a byte at a time end by their slowness as a body does."""
        monkeypatch.setattr(sockets, "_SLOW_WINDOW_S", 1.0)
        head = b"HTTP/1.1 200 OK\r\nX-Filling: 0123456789\r\nContent-Length: 0\r\n\r\n"
        server = wire(saying(*(head[at : at + 1] for at in range(len(head))), every_s=0.07))
        assert failure(f"{server.url}/x", timeout_s=2).code == "timeout"


class Drip(httpcore.NetworkStream):
    """A connection that gives so many bytes with each read, and takes its time on a clock of its own."""

    def __init__(self, sizes: Iterator[int], step_s: float) -> None:
        self.now_s = 5000.0
        self._sizes = sizes
        self._step_s = step_s

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """The next bytes."""
        del max_bytes, timeout  # it has its own mind
        self.now_s += self._step_s
        return bytes(next(self._sizes))


class TestPace:
    """A slow line is told from one that is as good as dead."""

    @pytest.mark.parametrize(
        ("sizes", "step_s", "ends_within_s"),
        [
            (itertools.repeat(1), 1.0, (60, 63)),
            (itertools.repeat(1), 29.0, (60, 120)),
            (itertools.repeat(10), 0.1, (60, 63)),
            (itertools.repeat(990), 1.0, (60, 63)),
            (itertools.chain([10_000_000], itertools.repeat(1)), 1.0, (60, 64)),
            (itertools.chain([2000] * 300, itertools.repeat(1)), 1.0, (330, 364)),
        ],
        ids=["a byte a second", "a byte in 29 s", "100 a second", "990 a second", "after a burst", "after a while"],
    )
    def test_too_slow(
        self,
        sizes: Iterator[int],
        step_s: float,
        ends_within_s: tuple[float, float],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Less than 1 KB/s over a minute ends the try when the minute is over."""
        took_s = _read_on(Drip(sizes, step_s), monkeypatch)
        assert took_s is not None
        assert ends_within_s[0] <= took_s <= ends_within_s[1]

    @pytest.mark.parametrize(
        ("sizes", "step_s"),
        [
            (itertools.repeat(1010), 1.0),
            (itertools.repeat(101), 0.1),
            (itertools.repeat(30_000), 29.0),
            (itertools.cycle([70_000, *[0] * 58]), 1.0),
        ],
        ids=["1010 a second", "1010 a second in bits", "bursts", "a burst a minute"],
    )
    def test_slow_but_alive(self, sizes: Iterator[int], step_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
        """A line that carries at least 1 KB/s over every minute may take its time."""
        assert _read_on(Drip(sizes, step_s), monkeypatch) is None

    def test_a_slow_reader_is_not_a_slow_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Time in which nobody waits for bytes, as while the disk is busy, does not count."""
        assert _read_on(Drip(itertools.repeat(1010), 0.5), monkeypatch, pause_s=100) is None


def _read_on(drip: Drip, monkeypatch: pytest.MonkeyPatch, *, pause_s: float = 0) -> float | None:
    """After how many seconds a connection is too slow; None if it is not in an hour."""
    monkeypatch.setattr("ninepic_cli.net.sockets.time.monotonic", lambda: drip.now_s)
    stream = proxy_transport.WatchedStream(drip)
    stream.end_head()
    while drip.now_s < 5000 + 3600:
        try:
            stream.read(1 << 20)
        except TransientError:
            return drip.now_s - 5000
        drip.now_s += pause_s
    return None


class TestCertificates:
    """Certificates are always checked, against the authorities that the environment names."""

    @pytest.mark.usefixtures("both")
    def test_it_is_told_while_another_error_is_handled(self, authority: Authority) -> None:
        """An untrusted certificate is seen as such also where the request follows from another failure."""
        with Sandbox(small_world(1), tls=authority.context()) as box:
            try:
                raise KeyError("an earlier error")
            except KeyError:
                with pytest.raises(CertificateError):
                    fetched(f"{box.base_url}/x")


class TestProxies:
    """Requests go by the proxy that the environment names, and loopback never does."""

    def through(self, proxy: Wire, authority: Authority, **more: str) -> dict[str, str]:
        """Variables for a world that is behind a proxy."""
        return {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(authority.file)} | more

    @pytest.mark.usefixtures("both")
    def test_a_link_goes_through_a_proxy_byte_for_byte(
        self, authority: Authority, wire: Callable[[Talk], Wire]
    ) -> None:
        """A proxy changes nothing about a link's path and query."""
        proxy = wire(relaying())
        with Sandbox(small_world(1), tls=authority.context()) as box:
            url = f"https://{STORE}:{port_of(box.store_url)}{ODD}"
            with client(self.through(proxy, authority)) as opened, opened.send("GET", url) as answer:
                assert answer.status == 403
                answer.body(1000)
            assert box.requests[0].target == ODD
            assert box.requests[0].headers["host"] == f"{STORE}:{port_of(box.store_url)}"

    def test_its_password_is_sent_to_it_alone(self, authority: Authority, wire: Callable[[Talk], Wire]) -> None:
        """A user name and password in the proxy's address go to the proxy, decoded, and not to the host."""
        proxy = wire(relaying())
        address = proxy.url.replace("//", "//us%40er:p%3Aw@")
        with Sandbox(small_world(1), tls=authority.context()) as box:
            fetched(f"https://{STORE}:{port_of(box.store_url)}/", self.through(proxy, authority, HTTPS_PROXY=address))
            assert not any("authorization" in name for name in box.requests[0].headers)
        words = base64.b64encode(b"us@er:p:w")
        assert b"Proxy-Authorization: Basic " + words in proxy.heads[0]

    def test_a_proxy_that_fails_for_a_moment_is_tried_again(
        self, authority: Authority, wire: Callable[[Talk], Wire]
    ) -> None:
        """A proxy that cannot reach the host (502, 503, 504) is as a gateway that cannot: another try may help."""
        proxy = wire(relaying(503))
        failure(f"https://{API}/", self.through(proxy, authority))

    @pytest.mark.parametrize("address", ["http://[::1", "http://proxy.test:abc", "http://256.1.1.1:1", "%%%:x"])
    def test_an_address_that_is_none_is_a_clear_error(self, address: str) -> None:
        """A proxy's address that is no URL is an error about the environment."""
        with pytest.raises(SettingsError) as caught:
            fetched(f"https://{API}/", {"HTTPS_PROXY": address}, timeout_s=1)
        assert "HTTPS_PROXY" in str(caught.value.hint)

    @pytest.mark.usefixtures("both")
    def test_exceptions_are_honoured(self, authority: Authority, wire: Callable[[Talk], Wire]) -> None:
        """A host that NO_PROXY names is not asked for at the proxy, with IPv6 ranges in the list."""
        proxy = wire(relaying())
        environ = self.through(proxy, authority, NO_PROXY=f"fd00::/8,[::1]:80,.{API.partition('.')[2]}")
        failure(f"https://{API}/", environ)
        assert proxy.heads == []

    @pytest.mark.usefixtures("both")
    def test_a_proxy_that_is_not_there_is_tried_again(self) -> None:
        """A proxy that cannot be reached is a broken connection."""
        assert "refused" in failure(f"https://{API}/", {"HTTPS_PROXY": DEAD}).message.lower()
