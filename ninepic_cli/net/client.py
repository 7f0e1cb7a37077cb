"""How requests are sent: certificates, proxies, time-outs, and what went wrong in our own words.

Everything goes over connections of our own (`connection`), but what goes by a proxy (`proxy_transport`). Proxies are
chosen here and not by httpx, which refuses to start when `NO_PROXY` holds an IPv6 range. Everything above sees a
`Response` or one of our errors.
"""

import ipaddress
import os
import re
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

import certifi

from ninepic_cli import __version__
from ninepic_cli.errors import OpenFilesError, SettingsError
from ninepic_cli.net.connection import Origin, Transport
from ninepic_cli.net.proxies import proxy_for, request_target
from ninepic_cli.net.rate_limit import RateLimit
from ninepic_cli.net.sockets import translate_socket_error, without_silent_ends

if TYPE_CHECKING:
    from ninepic_cli.net.proxy_transport import ProxyTransport


_NAME = re.compile(r"[0-9a-z_](?:[0-9a-z_.-]*[0-9a-z_.])?", re.ASCII)
_MOST_WAYS = 100  # that are remembered: a listing could name a host for each photo


@dataclass(frozen=True, slots=True)
class Response:
    """An answer whose headers have arrived and whose body has not been read yet.

    Attributes:
        status: the HTTP status.
        headers: names in lower case.
    """

    status: int
    headers: Mapping[str, str]
    _pieces: Iterator[bytes | memoryview]

    def chunks(self) -> Iterator[bytes | memoryview]:
        """The body as it comes, undecoded; each piece is good until the next is asked for.

        Raises:
            TransientError: it was cut short of its announced length, stalled, or came too slowly.
        """
        return self._pieces

    def body(self, limit: int) -> bytes:
        """The body, or its first `limit` bytes."""
        parts: list[bytes] = []
        size = 0
        for chunk in self.chunks():
            parts.append(bytes(chunk))
            size += len(chunk)
            if size >= limit:
                break
        return b"".join(parts)[:limit]


@dataclass(frozen=True, slots=True)
class _Route:
    """How a host is reached."""

    root: str
    origin: Origin
    proxy: str | None


class Client:
    """Sends requests to whichever host a URL names; used by many threads at once.

    Args:
        timeout_s: no byte for so long, in connecting, sending or receiving, is a failed try.
        connections: how many there are in all before an idle one is closed for a new one.
        headers: sent with every request.
        environ: where proxies and certificates are named.
        is_direct: connections of our own are used where no proxy applies; else those that a proxy is reached by.
        limit: how fast they take bytes in; who reads them does the waiting.
    """

    def __init__(
        self,
        *,
        timeout_s: float,
        connections: int,
        headers: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
        is_direct: bool = True,
        limit: RateLimit | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._connections = connections
        self._headers = {"User-Agent": f"ninepic/{__version__}", "Accept-Encoding": "identity", **(headers or {})}
        self._environ = os.environ if environ is None else environ
        self._lock = threading.Lock()
        self._proxied: ProxyTransport | None = None
        self._ways: dict[tuple[str, str], _Route] = {}
        self._is_direct = is_direct
        self._transport = Transport(timeout_s=timeout_s, connections=connections, context=self._trust, limit=limit)

    @contextmanager
    def send(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, content: bytes | None = None
    ) -> Iterator[Response]:
        """Send one request, which may be repeated, and yield its answer; no redirect is followed.

        Raises:
            TransientError: no answer came, or it broke off.
            CertificateError, ProxyError: the host's certificate is not trusted, or the proxy refuses.
            SettingsError: the proxy or the certificate file named in the environment is no good.
            ValueError: the URL cannot be sent.
        """
        target, way = request_target(url), self._way(urlsplit(url))
        every = {**self._headers, **(headers or {})}
        if self._is_direct and way.proxy is None:
            with self._transport.send(method, way.origin, target, every, content) as (head, pieces):
                yield Response(head.status, head.headers, pieces)
            return
        with self._by_proxy().send(method, way.root, target, way.proxy, every, content) as answer:
            yield Response(*answer)

    def close(self) -> None:
        """Close the idle connections."""
        if self._proxied is not None:
            self._proxied.close()
        self._transport.close()

    def close_idle(self) -> None:
        """Give back the files that idle connections of our own hold."""
        self._transport.close()

    def _way(self, parts: SplitResult) -> _Route:
        key = (parts.scheme, parts.netloc)
        way = self._ways.get(key)
        if way is None:
            way = _Route(f"{parts.scheme}://{parts.netloc}/", _origin_of(parts), proxy_for(parts, self._environ))
            if len(self._ways) < _MOST_WAYS:
                self._ways[key] = way
        return way

    def _by_proxy(self) -> "ProxyTransport":
        from ninepic_cli.net.proxy_transport import ProxyTransport  # noqa: PLC0415 (hardly ever needed)

        with self._lock:
            if self._proxied is None:
                self._proxied = ProxyTransport(
                    timeout_s=self._timeout_s, connections=self._connections, context=self._trust
                )
            return self._proxied

    def _trust(self) -> ssl.SSLContext:
        return _trusted(self._environ)


def _trusted(environ: Mapping[str, str]) -> ssl.SSLContext:
    file, folder = environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR")
    try:
        if not file and not folder:
            return without_silent_ends(ssl.create_default_context(cafile=certifi.where()))
        return without_silent_ends(ssl.create_default_context(cafile=file or None, capath=folder or None))
    except OSError as error:
        if error.errno in OpenFilesError.numbers or not (file or folder):
            raise translate_socket_error(error) from error
        name, place = ("SSL_CERT_FILE", file) if file else ("SSL_CERT_DIR", folder)
        raise SettingsError(
            f"{name} names {place}, which cannot be used ({error.strerror or 'no certificates in it'})",
            hint=f"let it name certificates in PEM form, or unset {name}",
        ) from error


def _origin_of(parts: SplitResult) -> Origin:
    """Where a URL leads; raises ValueError where it names no host that can be."""
    is_secure, host, port = parts.scheme == "https", parts.hostname or "", parts.port
    usual = 443 if is_secure else 80
    authority = host if port in {None, usual} else f"{host}:{port}"
    if not _is_plain(host):
        from ninepic_cli.net.proxy_transport import parse_host  # noqa: PLC0415 (hardly ever needed)

        host, authority = parse_host(f"{parts.scheme}://{parts.netloc}/")
    return Origin(is_secure, host, port or usual, authority)


def _is_plain(host: str) -> bool:
    """Whether the host is an IPv4 address or a name in ASCII, of which nothing has to be encoded or decoded."""
    if host.replace(".", "").isdigit():
        try:
            return bool(ipaddress.IPv4Address(host))
        except ValueError:
            return False
    return _NAME.fullmatch(host) is not None and "xn--" not in host
