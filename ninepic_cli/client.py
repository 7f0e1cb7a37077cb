"""How requests are sent: certificates, proxies, time-outs, and what went wrong in our own words.

The only file that speaks httpx, which sends what goes by a proxy; everything else goes over connections of our own
(`transport`). Everything above sees an `Answer` or one of our errors. What is done here and not left to httpx, and why:

- The request target is sent as it stands in the link; httpx would normalise it, and the signature with it.
- Proxies are chosen here: httpx refuses to start when `NO_PROXY` holds an IPv6 range.
- No text of an httpx exception is passed on: some hold the whole link or a header's value.
"""

import os
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpcore
import httpx

from ninepic_cli import __version__
from ninepic_cli.errors import NinepicError, OpenFilesError, ProxyError, SettingsError, TransientError
from ninepic_cli.framing import check_chunks
from ninepic_cli.network import CUT, Backend, WatchedStream, broken, without_silent_ends
from ninepic_cli.ratelimit import RateLimit
from ninepic_cli.route import proxy_for, request_target
from ninepic_cli.transport import Origin, Transport

_MOST_WAYS = 100  # that are remembered: a listing could name a host for each photo


@dataclass(frozen=True, slots=True)
class Answer:
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
class _Way:
    """How a host is reached."""

    root: httpx.URL
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
        self._timeout = httpx.Timeout(timeout_s, pool=None)
        self._limits = httpx.Limits(max_connections=connections + 8, max_keepalive_connections=connections)
        self._headers = {"User-Agent": f"ninepic/{__version__}", "Accept-Encoding": "identity", **(headers or {})}
        self._environ = os.environ if environ is None else environ
        self._lock = threading.Lock()
        self._by_route: dict[tuple[str, str | None], httpx.Client] = {}
        self._ways: dict[tuple[str, str], _Way] = {}
        self._is_direct = is_direct
        self._transport = Transport(
            timeout_s=timeout_s, connections=connections, context=lambda: _trusted(self._environ), limit=limit
        )

    @contextmanager
    def send(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, content: bytes | None = None
    ) -> Iterator[Answer]:
        """Send one request, which may be repeated, and yield its answer; no redirect is followed.

        Raises:
            TransientError: no answer came, or it broke off.
            CertificateError, ProxyError: the host's certificate is not trusted, or the proxy refuses.
            SettingsError: the proxy or the certificate file named in the environment is no good.
            ValueError: the URL cannot be sent.
        """
        target, way = request_target(url), self._way(urlsplit(url))
        if self._is_direct and way.proxy is None:
            every = {**self._headers, **(headers or {})}
            with self._transport.send(method, way.origin, target, every, content) as (head, pieces):
                yield Answer(head.status, head.headers, pieces)
            return
        exact = _ExactURL(way.root)
        exact.target = target
        with _translated():
            client = self._client(way)
            request = client.build_request(method, exact, headers=headers, content=content)
            request.url = exact  # what was built has a plain copy
            response = client.send(request, stream=True)
        try:
            if isinstance(stream := response.extensions.get("network_stream"), WatchedStream):
                stream.end_head()
            yield Answer(response.status_code, {k.lower(): v for k, v in response.headers.items()}, _raw(response))
        finally:
            response.close()

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            for client in self._by_route.values():
                client.close()
            self._by_route.clear()
        self._transport.close()

    def close_idle(self) -> None:
        """Give back the files that idle connections of our own hold."""
        self._transport.close()

    def _way(self, parts: SplitResult) -> "_Way":
        key = (parts.scheme, parts.netloc)
        way = self._ways.get(key)
        if way is None:
            root = _root_of(parts)
            way = _Way(root, _origin_of(root), proxy_for(parts, self._environ))
            if len(self._ways) < _MOST_WAYS:
                self._ways[key] = way
        return way

    def _client(self, way: "_Way") -> httpx.Client:
        route = (way.root.scheme, way.proxy)
        with self._lock:
            if route not in self._by_route:
                self._by_route[route] = self._opened(*route)
            return self._by_route[route]

    def _opened(self, scheme: str, proxy: str | None) -> httpx.Client:
        secure = scheme == "https" or (proxy or "").startswith("https")
        try:
            return httpx.Client(
                # Loading the certificates takes longer than all the rest of the start; plain http needs none.
                transport=_Transport(
                    verify=_trusted(self._environ) if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
                    proxy=proxy,
                    limits=self._limits,
                ),
                timeout=self._timeout,
                headers=self._headers,
                trust_env=False,
                follow_redirects=False,
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise SettingsError(
                "the proxy address in the environment is not a URL", hint="check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY"
            ) from error


def _trusted(environ: Mapping[str, str]) -> ssl.SSLContext:
    file, folder = environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR")
    try:
        if not file and not folder:
            return without_silent_ends(httpx.create_ssl_context(trust_env=False))
        return without_silent_ends(ssl.create_default_context(cafile=file or None, capath=folder or None))
    except OSError as error:
        if error.errno in OpenFilesError.numbers or not (file or folder):
            raise broken(error) from error
        name, place = ("SSL_CERT_FILE", file) if file else ("SSL_CERT_DIR", folder)
        raise SettingsError(
            f"{name} names {place}, which cannot be used ({error.strerror or 'no certificates in it'})",
            hint=f"let it name certificates in PEM form, or unset {name}",
        ) from error


def _root_of(parts: SplitResult) -> httpx.URL:
    try:
        root = httpx.URL(f"{parts.scheme}://{parts.netloc}/")
    except httpx.InvalidURL as error:
        raise ValueError("a URL names no host that can be") from error
    if not root.host:  # an international name is decoded here, or found to be none
        raise ValueError("a URL names no host")
    return root


def _origin_of(root: httpx.URL) -> Origin:
    is_secure = root.scheme == "https"
    return Origin(is_secure, root.raw_host.decode(), root.port or (443 if is_secure else 80), root.netloc.decode())


class _ExactURL(httpx.URL):
    """A URL whose request target is sent as it is (httpcore's `target` extension would break CONNECT)."""

    target = b"/"

    @property
    def raw_path(self) -> bytes:
        """The request target."""
        return self.target


class _Transport(httpx.HTTPTransport):
    """httpx's own transport, on connections that are watched."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # httpx has no option for what httpcore takes as an argument of its pools.
        if not isinstance(getattr(self._pool, "_network_backend", None), httpcore.NetworkBackend):
            raise NinepicError(
                "httpx and httpcore are not the versions that this program was made for", hint="install it again"
            )
        self._pool._network_backend = Backend()  # noqa: SLF001


def _raw(response: httpx.Response) -> Iterator[bytes]:
    count = size = 0
    with _translated():
        for piece in response.iter_raw():
            count, size = count + 1, size + len(piece)
            check_chunks(count, size)
            yield piece


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except httpx.TimeoutException as error:
        raise TransientError(_timeout_words(error), code="timeout") from error
    except httpx.ProxyError as error:
        status = str(error)[:3]  # httpx tells it in words only: "407 Proxy Authentication Required"
        if status in {"500", "502", "503", "504"}:
            raise TransientError(f"the proxy answered {status}", code="proxy") from error
        raise ProxyError(
            f"the proxy refused the connection{f' ({status})' if status.isdigit() else ''}",
            hint="check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY, and the password in them",
        ) from error
    except httpx.TransportError as error:
        cause = _root(error)
        if isinstance(error, httpx.RemoteProtocolError) and not isinstance(cause, OSError):
            raise TransientError(CUT) from error
        raise broken(cause) from error


def _root(error: BaseException) -> BaseException:
    """What lies under the HTTP library's errors; what lies under that is no concern of this request."""
    while type(error).__module__.partition(".")[0] in {"httpx", "httpcore"}:
        deeper = error.__cause__ or error.__context__
        if deeper is None:
            break
        error = deeper
    return error


def _timeout_words(error: httpx.TimeoutException) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return "no connection came about in time"
    return "nothing arrived in time"
