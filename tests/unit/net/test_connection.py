"""The store's own transport: connections used again, answers cut, odd or hostile, and TLS."""

import itertools
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ninepic_cli.errors import CertificateError, TransientError
from ninepic_cli.net import connection as transport
from ninepic_cli.net.client import Client
from tests.support.http_servers import OK, Authority, Talk, Wire, body, hushed, issue, saying

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def client(authority: Authority) -> Iterator[Client]:
    """A client that sends over its own connections, and trusts the authority."""
    environ = {"SSL_CERT_FILE": str(authority.file)}
    with closing(Client(timeout_s=30, connections=4, environ=environ)) as opened:
        yield opened


def in_turn(*talks: Talk) -> Talk:
    """Answers each request in another way, the last way for all that follow."""
    left = iter((*talks, *itertools.repeat(talks[-1], 99)))

    def talk(sock: socket.socket, head: bytes) -> None:
        next(left)(sock, head)

    return talk


def rudely(*parts: bytes) -> Talk:
    """Answers, then closes the connection without TLS's farewell."""

    def talk(sock: socket.socket, head: bytes) -> None:
        saying(*parts)(sock, head)
        sock.shutdown(socket.SHUT_RDWR)  # of a TLS socket: takes TLS away first

    return talk


def politely(*parts: bytes) -> Talk:
    """Answers, then closes the connection with TLS's farewell."""

    def talk(sock: socket.socket, head: bytes) -> None:
        saying(*parts)(sock, head)
        assert isinstance(sock, ssl.SSLSocket)
        with suppress(OSError):
            sock.unwrap()

    return talk


class TestReuse:
    """A connection serves one request after the other, as long as nothing speaks against it."""

    @pytest.mark.parametrize("is_secure", [True, False])
    def test_a_connection_is_used_again(self, client: Client, authority: Authority, is_secure: bool) -> None:
        """Requests one after the other go over one connection, whatever ends their bodies."""
        chunked = CHUNKED + b"2\r\nok\r\n0\r\n\r\n"
        empty = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"
        talk = in_turn(saying(OK), saying(chunked), saying(empty), saying(OK))
        with Wire(talk, requests=9, tls=authority.context() if is_secure else None) as server:
            assert [body(client, server.url) for _ in range(4)] == [b"ok", b"ok", b"", b"ok"]
            assert server.connections == 1

    def test_hosts_do_not_share_connections(self, client: Client) -> None:
        """A connection goes to the host that it was made for."""
        with Wire(saying(OK), requests=9) as one, Wire(saying(HEAD + b"0123456789"), requests=9) as other:
            assert [body(client, url) for url in (one.url, other.url, one.url)] == [b"ok", b"0123456789", b"ok"]
            assert (one.connections, other.connections) == (1, 1)

    def test_one_that_was_closed_meanwhile(self, client: Client) -> None:
        """A connection that the store has closed after an answer is not used for the next request."""
        with Wire(saying(OK)) as server:
            assert body(client, server.url) == b"ok"
            time.sleep(0.1)
            assert body(client, server.url) == b"ok"
            assert (len(server.heads), server.connections) == (2, 2)

    @pytest.mark.parametrize("is_secure", [True, False])
    def test_one_that_is_closed_at_that_moment(self, client: Client, authority: Authority, is_secure: bool) -> None:
        """A connection that the store closes when the next request is on its way costs no try: it is sent again."""
        talk = in_turn(saying(OK), rudely(), saying(OK))
        with Wire(talk, requests=2, tls=authority.context() if is_secure else None) as server:
            assert body(client, server.url) == b"ok"
            assert body(client, server.url) == b"ok"
            assert (len(server.heads), server.connections) == (3, 2)

    def test_it_is_sent_again_once(self, client: Client) -> None:
        """A new connection that is closed without an answer is a failed try."""
        with Wire(in_turn(saying(OK), rudely()), requests=2) as server:
            assert body(client, server.url) == b"ok"
            with pytest.raises(TransientError, match="closed before"):
                body(client, server.url)
            assert (len(server.heads), server.connections) == (3, 2)

    def test_an_answer_that_has_begun_is_not_asked_for_again(self, client: Client) -> None:
        """A connection that is closed after the first byte of an answer is a failed try."""
        with Wire(in_turn(saying(OK), saying(b"H")), requests=2) as server:
            assert body(client, server.url) == b"ok"
            with pytest.raises(TransientError, match="closed before"):
                body(client, server.url)
            assert len(server.heads) == 2

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
            b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
            OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
            OK + b"\r\n",
        ],
        ids=["close", "1.0", "more than announced", "a stray line"],
    )
    @pytest.mark.parametrize("is_secure", [True, False])
    def test_one_that_is_not_used_again(
        self, client: Client, authority: Authority, answer: bytes, is_secure: bool
    ) -> None:
        """A connection that is to be closed, or over which more came than was announced, serves one request."""
        with Wire(saying(answer), requests=9, tls=authority.context() if is_secure else None) as server:
            assert [body(client, server.url) for _ in range(2)] == [b"ok", b"ok"]
            assert server.connections == 2

    def test_one_over_which_something_came_unasked(self, client: Client) -> None:
        """What comes behind an answer, later, is not taken for the next one."""
        with Wire(saying(OK, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"), requests=9) as server:
            assert body(client, server.url) == b"ok"
            time.sleep(0.1)
            assert body(client, server.url) == b"ok"

    def test_a_body_that_is_not_read_ends_its_connection(self, client: Client) -> None:
        """What is left of a body is not taken for the next answer."""
        with Wire(saying(HEAD + b"0123456789"), requests=9) as server:
            with client.send("GET", f"{server.url}/x"):
                pass
            assert body(client, server.url) == b"0123456789"
            assert server.connections == 2

    def test_one_that_was_idle_for_long(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        """A connection that was idle for long, which something on the way may have forgotten, is not used again."""
        monkeypatch.setattr(transport, "_IDLE_S", 0.1)
        with Wire(saying(OK), requests=9) as server:
            body(client, server.url)
            time.sleep(0.15)
            body(client, server.url)
            assert server.connections == 2


class TestTls:
    """What is only so where the connection is secure."""

    @pytest.mark.parametrize("leave", [rudely, politely])
    def test_a_whole_body_may_end_either_way(
        self, client: Client, authority: Authority, leave: Callable[..., Talk]
    ) -> None:
        """A body as long as announced is whole, whether or not the store says farewell."""
        with Wire(leave(HEAD, b"0123456789"), tls=authority.context()) as server:
            assert body(client, server.url) == b"0123456789"

    @pytest.mark.parametrize("leave", [rudely, politely])
    def test_a_cut(self, client: Client, authority: Authority, leave: Callable[..., Talk]) -> None:
        """A body shorter than announced is cut, whether or not there was a farewell."""
        with (
            Wire(leave(HEAD, b"01234"), tls=authority.context()) as server,
            pytest.raises(TransientError, match="closed before"),
        ):
            body(client, server.url)

    def test_a_body_that_ends_with_its_connection(self, client: Client, authority: Authority) -> None:
        """A body without a length is whole only if the store said farewell: else anybody may have cut it."""
        with Wire(politely(b"HTTP/1.1 200 OK\r\n\r\n", b"all"), tls=authority.context()) as server:
            assert body(client, server.url) == b"all"
        with (
            Wire(rudely(b"HTTP/1.1 200 OK\r\n\r\n", b"all"), tls=authority.context()) as server,
            pytest.raises(TransientError, match="closed before"),
        ):
            body(client, server.url)

    @pytest.mark.parametrize(
        ("names", "days", "words"),
        [
            ("DNS:other.test", 2, "is for other.test, not for this host"),
            ("IP:127.0.0.1", -1, r":\d+ expired on 20.* UTC; this machine's clock: 20.* UTC"),
            ("", 2, "issuer"),
        ],
        ids=["another host", "expired", "an unknown authority"],
    )
    def test_a_certificate_that_is_no_good(
        self, authority: Authority, tmp_path: Path, names: str, days: int, words: str
    ) -> None:
        """A certificate for another host, of yesterday or of an unknown authority is refused, and nothing is sent."""
        bad = issue(tmp_path, names or "IP:127.0.0.1", days=days)
        environ = {"SSL_CERT_FILE": str(bad.file if names else authority.file)}
        with (
            Wire(saying(OK), tls=bad.context()) as server,
            closing(Client(timeout_s=2, connections=1, environ=environ)) as client,
        ):
            with pytest.raises(CertificateError, match=words):
                body(client, server.url)
            assert server.heads == []

    def test_what_is_no_tls(self, client: Client) -> None:
        """A host that speaks something else is a failed try, as is one that is silent."""
        client._transport._timeout_s = 0.5
        with Wire(saying(OK)) as server, pytest.raises(TransientError, match=r"^cannot connect to 127\.0\.0\.1:\d+: "):
            body(client, server.url.replace("http", "https"))
        began_s = time.monotonic()
        with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TransientError) as caught:
            body(client, f"https://127.0.0.1:{silent.getsockname()[1]}")
        assert caught.value.code == "timeout"
        assert 0.45 < time.monotonic() - began_s < 20

    def test_ipv6(self, client: Client, authority: Authority) -> None:
        """A host may be an IPv6 address."""
        try:
            server = Wire(saying(OK), tls=authority.context(), host="::1")
        except OSError as error:
            pytest.skip(f"::1 is not to be had: {error}")
        with server:
            assert body(client, server.url) == b"ok"
            assert f"\r\nHost: {server.url[8:]}\r\n".encode() in server.heads[0]

    def test_large_bodies_at_once(self, client: Client, authority: Authority) -> None:
        """Bodies larger than any buffer arrive byte for byte, several at once, in chunks of any size and without."""
        chance = random.Random(5)
        data = chance.randbytes(3_000_000)
        cuts = [0, *sorted(chance.sample(range(1, len(data)), 60)), len(data)]
        pieces = [data[a:b] for a, b in itertools.pairwise(cuts)]
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data)
        got: list[bytes] = []
        talk = in_turn(saying(whole), saying(CHUNKED + chunks + b"0\r\n\r\n"), saying(whole))
        with Wire(talk, requests=9, tls=authority.context()) as server:
            threads = [
                threading.Thread(target=lambda: got.extend(body(client, server.url) for _ in "12")) for _ in "123"
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert server.connections == 3
        assert [each == data for each in got] == [True] * 6


class TestAnswers:
    """Answers that are unusual, and such as nobody should send."""

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK,
            CHUNKED + b"1;name=value\r\no\r\n01\r\nk\r\n0;x\r\nExpires: never\r\n\r\n",
            CHUNKED + b"2\nok\n0\n\n",
            b"HTTP/1.1 200 OK\r\nX: " + b"x" * 60_000 + b"\r\nContent-Length: 2\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\n\r\nok",
        ],
        ids=["said beforehand", "extensions and trailers", "line feeds", "a long header", "no length"],
    )
    @pytest.mark.parametrize("step", [1 << 20, 1000])
    def test_what_is_understood(self, client: Client, answer: bytes, step: int) -> None:
        """Unusual answers are read, however they are cut into packets."""
        parts = [answer[at : at + step] for at in range(0, len(answer), step)]
        with Wire(saying(*parts)) as server:
            assert body(client, server.url) == b"ok"

    @pytest.mark.parametrize(
        "part",
        [
            b"HTTP/1.1 200 OK\r\nX: " + b"x" * 65_536 + b"\r\nContent-Length: 2\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 20_000_000,
            b"x" * 100_000_000,
            b"HTTP/1.1 100 Continue\r\n\r\n" * 4_000_000,
            CHUNKED + b"0\r\n" + b"X: x\r\n" * 20_000_000,
            CHUNKED + b"1;" + b"x" * 100_000_000,
            CHUNKED + b"2\r\nokay\r\n0\r\n\r\n",
        ],
        ids=["a header", "headers", "a line", "beforehand", "trailers", "a chunk's line", "a chunk"],
    )
    def test_what_is_too_much(self, client: Client, part: bytes) -> None:
        """Heads, lines and trailers without an end, and chunks longer than they say, are a failed try, at once."""
        began_s = time.monotonic()
        with Wire(saying(part)) as server, pytest.raises(TransientError):
            body(client, server.url)
        assert time.monotonic() - began_s < 20

    @pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-", HEAD, HEAD + b"01234", CHUNKED + b"5"])
    def test_silence(self, client: Client, said: bytes) -> None:
        """An answer that stops anywhere has failed when the time-out is over."""
        client._transport._timeout_s = 0.5

        def talk(sock: socket.socket, head: bytes) -> None:
            sock.sendall(said)
            hushed(sock, head)

        began_s = time.monotonic()
        with Wire(talk) as server, pytest.raises(TransientError) as caught:
            body(client, server.url)
        assert caught.value.code == "timeout"
        assert 0.45 < time.monotonic() - began_s < 20

    def test_a_reset_behind_the_last_bytes(self, client: Client) -> None:
        """A connection that is reset is no end of a body, also where its last bytes arrive together with that."""

        def talk(sock: socket.socket, _: bytes) -> None:
            sock.sendall(b"HTTP/1.1 200 OK\r\n\r\nsome")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            time.sleep(0.2)  # time for the bytes to be read
            sock.close()

        with Wire(talk) as server, pytest.raises(TransientError, match="reset"):
            body(client, server.url)

    def test_bytes_are_handed_on_soon(self, client: Client) -> None:
        """Bytes that have arrived do not wait for the rest, and pieces are never larger than the buffer."""

        def talk(sock: socket.socket, head: bytes) -> None:
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000010\r\n\r\n" + bytes(1_000_000))
            hushed(sock, head)

        with Wire(talk) as server, client.send("GET", f"{server.url}/x") as answer:
            began_s, size, pieces = time.monotonic(), 0, answer.chunks
            while size < 1_000_000:
                piece = next(pieces)
                assert 0 < len(piece) <= 1 << 18
                size += len(piece)
            assert time.monotonic() - began_s < 20

    def test_a_header_with_a_line_end_is_not_sent(self, client: Client) -> None:
        """No header of a request can hold another one."""
        with Wire(saying(OK)) as server:
            for value in ("a\r\nX: b", "a\nb", "a\0", "é"):
                with pytest.raises(ValueError), client.send("GET", server.url, headers={"If-Match": value}):
                    pass
            assert server.heads == []


_TOKENS = [
    *(b"HTTP/1.1 200 OK", b"HTTP/1.1 206 P", b"HTTP/1.1 100 C", b"HTTP/1.0 200", b"HTTP/1.1 304 N", b"\r\n", b"\n"),
    *(b"Content-Length: ", b"Transfer-Encoding: chunked", b"Connection: close", b"X: y", b" folded", b"\0", b"\r"),
    *(b"0", b"5", b"-1", b"hello", b"5\r\nhello\r\n", b"0\r\n\r\n", b"\r\n\r\n", b"ffffffffffffffff", b";x"),
]
_ANSWERS = st.lists(st.sampled_from(_TOKENS) | st.binary(max_size=4), max_size=14).map(b"".join)


def test_any_answer_ends_in_an_answer_or_a_failed_try() -> None:
    """Whatever a store says before it closes the connection is an answer or a failed try: no other error, no wait."""
    said = [b""]

    def talk(sock: socket.socket, _: bytes) -> None:
        sock.sendall(said[0])

    with (
        Wire(talk) as server,
        closing(Client(timeout_s=30, connections=1, environ={})) as client,
    ):

        @settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(_ANSWERS, st.booleans())
        def try_it(tail: bytes, is_begun: bool) -> None:
            said[0] = b"HTTP/1.1 200 OK\r\n" * is_begun + tail
            began_s = time.monotonic()
            with suppress(TransientError):
                body(client, server.url)
            assert time.monotonic() - began_s < 20

        try_it()
