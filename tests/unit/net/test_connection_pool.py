"""Connections: how many there are, what ends them, and answers that are meant to last for ever."""

import errno
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import httpx
import pytest

from ninepic_cli.errors import NinepicError, OpenFilesError, TransientError
from ninepic_cli.net import sockets
from ninepic_cli.net.client import Client
from tests.support.http_servers import API, OK, Authority, Wire, body, endless, open_client, relaying, saying

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 1000


@pytest.fixture(params=[True, False], ids=["own", "httpx"])
def client(request: pytest.FixtureRequest, authority: Authority) -> Iterator[Client]:
    """A client that sends over connections of our own, or over those that a proxy is reached by."""
    environ = {"SSL_CERT_FILE": str(authority.file)}
    with closing(open_client(timeout_s=2, connections=3, environ=environ, is_direct=request.param)) as opened:
        yield opened


class TestAnswersWithoutEnd:
    """Answers that are made of next to nothing, for ever."""

    @pytest.mark.parametrize(
        ("head", "piece"),
        [
            (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
            (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 20),
            (b"HTTP/1.1 200 OK\r\n", b"X: x\r\n" * 1000),
            (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 4000),
            (CHUNKED, b"1\r\nx\r\n" * 1000),
            (CHUNKED, b"3\r\nxyz\r\n"),
            (CHUNKED + b"0\r\n", b"X: x\r\n" * 1000),
            (CHUNKED + b"1;", b"x" * 4000),
        ],
        ids=["100", "103", "headers", "a header", "crumbs", "crumbs one by one", "trailers", "a chunk's line"],
    )
    def test_it_is_given_up(self, client: Client, wire: Callable[..., Wire], head: bytes, piece: bytes) -> None:
        """Such an answer is a failed try, before it costs seconds or many bytes."""
        talk, sizes = endless(head, piece)
        server = wire(talk)
        began_s = time.monotonic()
        with pytest.raises(TransientError):
            body(client, server.url)
        assert time.monotonic() - began_s < 20
        assert sum(sizes) < 16 << 20  # most of it in the system's buffers

    def test_headers_before_a_large_body(self, client: Client, wire: Callable[..., Wire]) -> None:
        """What is bounded is the head alone: a large body behind a long one arrives."""
        data = b"x" * 3_000_000
        head = b"HTTP/1.1 200 OK\r\nX: %b\r\nContent-Length: %d\r\n\r\n" % (b"x" * 50_000, len(data))
        server = wire(saying(head + data), requests=2)
        assert body(client, server.url) == data
        assert body(client, server.url) == data


class TestReuse:
    """What is left of one answer is not the beginning of the next."""

    def test_a_body_that_is_not_read_on_a_connection_that_was_used_again(
        self, client: Client, wire: Callable[..., Wire]
    ) -> None:
        """A connection that was good for two requests is not for a third, where the second one's body was not read."""
        left = OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
        answers = iter([OK, HALF, OK, OK, left])
        server = wire(lambda sock, _: sock.sendall(next(answers)), requests=9)
        assert body(client, server.url) == b"ok"
        with client.send("GET", f"{server.url}/x"):
            pass
        assert body(client, server.url) == b"ok"
        assert server.connections == 2


class TestManyHosts:
    """Links that lead to more hosts than a process may have connections."""

    def test_few_connections(self, wire: Callable[..., Wire]) -> None:
        """There are no more connections than were asked for; the one that was idle for longest is closed first."""
        servers = [wire(saying(OK), requests=9) for _ in range(5)]
        with closing(Client(timeout_s=2, connections=3, environ={})) as client:
            for server in servers:
                assert body(client, server.url) == b"ok"
            assert len(client._transport._idle) == 3
            for server in servers[2:]:
                assert body(client, server.url) == b"ok"
            assert body(client, servers[0].url) == b"ok"
        assert [server.connections for server in servers] == [2, 1, 1, 1, 1]

    def test_those_in_use_count(self, wire: Callable[..., Wire]) -> None:
        """An idle connection makes room for one that is in use."""
        servers = [wire(saying(OK), requests=9) for _ in range(4)]
        with closing(Client(timeout_s=2, connections=2, environ={})) as client, ExitStack() as answers:
            body(client, servers[0].url)
            for server in servers[1:]:
                answers.enter_context(client.send("GET", f"{server.url}/x")).body(9)
            assert client._transport._idle == []
            answers.close()
            assert len(client._transport._idle) == 2


class TestOpenFiles:
    """A process, or a system, that has no more files to give."""

    @pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
    def test_idle_connections_make_room(
        self, wire: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        """Where a connection is refused for want of files, the idle ones are closed, and it is tried again."""
        servers = [wire(saying(OK), requests=9) for _ in range(3)]
        with closing(Client(timeout_s=2, connections=3, environ={})) as client:
            for server in servers[:2]:
                body(client, server.url)
            real = sockets.Connector.connect

            def connect(self: sockets.Connector, *args: Any) -> socket.socket:
                if client._transport._idle:
                    raise OSError(number, "Too many open files")
                return real(self, *args)

            monkeypatch.setattr(sockets.Connector, "connect", connect)
            assert body(client, servers[2].url) == b"ok"
            assert body(client, servers[0].url) == b"ok"

    @pytest.mark.parametrize("is_known", [True, False])
    def test_in_its_own_words(self, client: Client, monkeypatch: pytest.MonkeyPatch, is_known: bool) -> None:
        """What fails for want of files is neither the network's fault nor the look-up's."""

        def refuse(*_: object, **__: object) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

        def fail(*_: object, **__: object) -> None:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

        if not is_known:
            monkeypatch.setattr(socket, "getaddrinfo", fail)
        monkeypatch.setattr(socket, "socket", refuse)
        with pytest.raises(OpenFilesError, match="too many open files") as caught:
            body(client, "http://127.0.0.1:9")
        assert "ulimit -n" in str(caught.value.hint)


class TestSilentEnds:
    """TLS connections whose end anybody may have made."""

    @pytest.fixture
    def lenient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Contexts that overlook such an end, as those of Python 3.11.0 to 3.11.2."""
        real = ssl.create_default_context

        def create(*args: Any, **options: Any) -> ssl.SSLContext:
            context = real(*args, **options)
            context.options |= getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
            return context

        monkeypatch.setattr(ssl, "create_default_context", create)

    @pytest.mark.usefixtures("lenient")
    def test_a_cut_is_seen(self, client: Client, authority: Authority, wire: Callable[..., Wire]) -> None:
        """A body without a length that ends without TLS's farewell was cut, whatever Python says."""

        def talk(sock: socket.socket, head: bytes) -> None:
            saying(b"HTTP/1.1 200 OK\r\n\r\n", b"all")(sock, head)
            sock.shutdown(socket.SHUT_RDWR)  # of a TLS socket: takes TLS away first

        server = wire(talk, tls=authority.context())
        with pytest.raises(TransientError, match="closed before"):
            body(client, server.url)

    @pytest.mark.usefixtures("lenient")
    def test_a_cut_behind_a_proxy(self, authority: Authority, wire: Callable[..., Wire]) -> None:
        """So it is where a proxy stands between."""

        def talk(sock: socket.socket, head: bytes) -> None:
            saying(b"HTTP/1.1 200 OK\r\n\r\n", b"all")(sock, head)
            sock.shutdown(socket.SHUT_RDWR)

        server, proxy = wire(talk, tls=authority.context()), wire(relaying())
        environ = {"SSL_CERT_FILE": str(authority.file), "HTTPS_PROXY": proxy.url}
        with (
            closing(Client(timeout_s=2, connections=1, environ=environ)) as client,
            pytest.raises(TransientError, match="closed before"),
        ):
            body(client, f"https://{API}:{server.url.rpartition(':')[2]}")

    @pytest.mark.usefixtures("lenient")
    def test_our_own_authorities_are_no_different(self) -> None:
        """The authorities that come with the program make no lenient context either."""
        with closing(Client(timeout_s=2, connections=1, environ={})) as client:
            assert not client._transport._tls_context().options & getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)


def test_another_httpx_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """An httpx in which our connections have no place any more is an error at once, and not used without them."""
    real = httpx.HTTPTransport.__init__

    def init(self: httpx.HTTPTransport, **options: Any) -> None:
        real(self, **options)
        del self._pool._network_backend

    monkeypatch.setattr(httpx.HTTPTransport, "__init__", init)
    with (
        closing(open_client(timeout_s=2, connections=1, environ={}, is_direct=False)) as client,
        pytest.raises(NinepicError, match="httpx"),
    ):
        body(client, "http://127.0.0.1:9")


def test_many_threads_share_few(wire: Callable[..., Wire]) -> None:
    """Threads that ask several hosts at once each have their own answers, and few connections are left."""
    servers = [wire(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % n), requests=99) for n in range(4)]
    got: list[bool] = []
    with closing(Client(timeout_s=5, connections=4, environ={})) as client:

        def ask(start: int) -> None:
            for turn in range(20):
                number = (start + turn) % 4
                got.append(body(client, servers[number].url) == b"%d" % number)

        threads = [threading.Thread(target=ask, args=(start,)) for start in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert got == [True] * 160
        assert len(client._transport._idle) <= 4
        assert client._transport._busy == 0
