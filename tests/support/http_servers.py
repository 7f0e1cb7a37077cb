"""Servers that say what no proper one would, and certificates for them."""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ninepic_cli.net.client import Client
from tests.support.command import output_of

API = "api.example.test"  # names that lead nowhere
STORE = "store.example.test"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Talk = Callable[[socket.socket, bytes], None]


class Wire:
    """A server on loopback that reads a request's head and lets a function answer, then closes the connection.

    Args:
        talk: answers, given the connection and the head.
        requests: so many of them on each connection.
        tls: for https.
        host: this machine's address.
    """

    def __init__(
        self, talk: Talk, *, requests: int = 1, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.heads: list[bytes] = []
        self.connections = 0
        self._talk = talk
        self._requests = requests
        self._tls = tls
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        # Closing alone wakes up neither accept() nor recv().
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    @property
    def url(self) -> str:
        """Where it is."""
        host, port = self._listener.getsockname()[:2]
        return f"http{'s' if self._tls else ''}://{f'[{host}]' if ':' in host else host}:{port}"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                self._open.append(sock)
                self._threads.append(threading.Thread(target=self._converse, args=(sock,), daemon=True))
                self._threads[-1].start()

    def _converse(self, sock: socket.socket) -> None:
        with suppress(OSError), self._secured(sock) as line:
            self._open.append(line)
            for _ in range(self._requests):
                head = b""
                while b"\r\n\r\n" not in head:
                    if not (data := line.recv(65536)):
                        return
                    head += data
                self.heads.append(head)
                self._talk(line, head)

    def _secured(self, sock: socket.socket) -> socket.socket:
        return self._tls.wrap_socket(sock, server_side=True) if self._tls else sock


def open_client(*, is_direct: bool, **settings: Any) -> Client:
    """A client that sends over connections of our own, or over those that a proxy is reached by."""
    client = Client(**settings)
    if not is_direct:
        client._transport = client._load_proxy_transport()  # type: ignore[assignment]
    return client


def saying(*parts: bytes, every_s: float = 0.0) -> Talk:
    """Answers with these parts, one every so many seconds."""

    def talk(sock: socket.socket, _: bytes) -> None:
        for part in parts:
            sock.sendall(part)
            time.sleep(every_s)

    return talk


def hushed(sock: socket.socket, _: bytes) -> None:
    """Answers nothing until the client goes."""
    sock.recv(1)


def relaying(status: int = 200) -> Talk:
    """A proxy: connects to this machine whatever host it is asked for, or refuses with a status."""

    def talk(sock: socket.socket, head: bytes) -> None:
        target = head.split(b" ")[1]
        if status != 200:
            sock.sendall(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)
            return
        with socket.create_connection(("127.0.0.1", int(target.rpartition(b":")[2]))) as far:
            sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(far, sock), daemon=True)
            back.start()
            _pump(sock, far)
            back.join(10)

    return talk


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class Authority:
    """A certificate authority of our own, and a server's certificate from it."""

    file: Path
    chain: Path
    key: Path

    def context(self) -> "CountingContext":
        """What a server needs to speak TLS."""
        context = CountingContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context


class CountingContext(ssl.SSLContext):
    """TLS for a server, which counts the connections."""

    connections = 0

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        """Count one more."""
        self.connections += 1
        return super().wrap_socket(*args, **options)


def issue(folder: Path, names: str, *, days: int = 2) -> Authority:
    """Makes an authority and a certificate for these names."""

    def openssl(*words: str) -> None:
        output_of(["openssl", *words], cwd=folder)

    ec = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", "-x509", *ec, *usage, "-days", "2", "-subj", "/CN=Our CA", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", "-new", *ec, "-subj", "/CN=server", "-keyout", "server.key", "-out", "server.csr")
    (folder / "extensions").write_text(f"subjectAltName={names}\nkeyUsage=digitalSignature\n")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", str(days), "-extfile", "extensions")
    openssl("x509", "-req", "-in", "server.csr", *signed, "-out", "server.pem")
    return Authority(folder / "ca.pem", folder / "server.pem", folder / "server.key")


def body(client: Client, url: str) -> bytes:
    """The body behind a URL."""
    with client.send("GET", f"{url}/x") as answer:
        return answer.body(1 << 24)


DEAD = "http://127.0.0.1:9"


def port_of(url: str) -> int:
    """The port in a URL that has one."""
    return int(url.rpartition(":")[2])


def endless(head: bytes, piece: bytes) -> tuple[Talk, list[int]]:
    """What answers without an end, and how many bytes it could get rid of."""
    sizes: list[int] = []

    def talk(sock: socket.socket, _: bytes) -> None:
        with suppress(OSError):
            sock.sendall(head)
            while True:
                sizes.append(sock.send(piece))

    return talk, sizes
