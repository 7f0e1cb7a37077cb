"""How requests are sent: certificates, proxies, time-outs, and what went wrong in our own words.

The only file that speaks httpx: everything above sees an `Answer` or one of our errors. What is done
here and not left to httpx, and why:

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

import httpx

from ninepic_cli import __version__
from ninepic_cli.errors import CertificateError, GivenUpError, SettingsError, TransientError
from ninepic_cli.network import Backend
from ninepic_cli.route import proxy_for, request_target


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer whose headers have arrived and whose body has not been read yet.

    Attributes:
        status: the HTTP status.
        headers: names in lower case.
    """

    status: int
    headers: Mapping[str, str]
    _response: httpx.Response

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes, undecoded.

        Raises:
            TransientError: it was cut short of its announced length, stalled, or came too slowly.
        """
        with _translated():
            yield from self._response.iter_raw()

    def body(self, limit: int) -> bytes:
        """The body, or its first `limit` bytes."""
        parts: list[bytes] = []
        size = 0
        for chunk in self.chunks():
            parts.append(chunk)
            size += len(chunk)
            if size >= limit:
                break
        return b"".join(parts)[:limit]


class Client:
    """Sends requests to whichever host a URL names; used by many threads at once.

    Args:
        timeout_s: no byte for so long, in connecting, sending or receiving, is a failed try.
        connections: how many are kept for reuse.
        headers: sent with every request.
        environ: where proxies and certificates are named.
    """

    def __init__(
        self,
        *,
        timeout_s: float,
        connections: int,
        headers: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._timeout = httpx.Timeout(timeout_s, pool=None)
        self._limits = httpx.Limits(max_connections=connections + 8, max_keepalive_connections=connections)
        self._headers = {"User-Agent": f"ninepic/{__version__}", "Accept-Encoding": "identity", **(headers or {})}
        self._environ = os.environ if environ is None else environ
        self._lock = threading.Lock()
        self._by_route: dict[tuple[str, str | None], httpx.Client] = {}

    @contextmanager
    def send(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, content: bytes | None = None
    ) -> Iterator[Answer]:
        """Send one request and yield its answer; no redirect is followed.

        Raises:
            TransientError: no answer came, or it broke off.
            CertificateError: the host's certificate is not trusted.
            SettingsError: the proxy or the certificate file named in the environment is no good.
            ValueError: the URL cannot be sent.
        """
        exact = _ExactURL(_root_of(urlsplit(url)))
        exact.target = request_target(url)
        client = self._client(urlsplit(url))
        with _translated():
            request = client.build_request(method, exact, headers=headers, content=content)
            request.url = exact  # what was built has a plain copy
            response = client.send(request, stream=True)
        try:
            yield Answer(response.status_code, {k.lower(): v for k, v in response.headers.items()}, response)
        finally:
            response.close()

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            for client in self._by_route.values():
                client.close()
            self._by_route.clear()

    def _client(self, parts: SplitResult) -> httpx.Client:
        proxy = proxy_for(parts, self._environ)
        route = (parts.scheme, proxy)
        with self._lock:
            if route not in self._by_route:
                self._by_route[route] = self._opened(parts.scheme, proxy)
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
    if not file and not folder:
        return httpx.create_ssl_context(trust_env=False)
    try:
        return ssl.create_default_context(cafile=file or None, capath=folder or None)
    except OSError as error:
        name, place = ("SSL_CERT_FILE", file) if file else ("SSL_CERT_DIR", folder)
        raise SettingsError(
            f"{name} names {place}, which cannot be used ({error.strerror or 'no certificates in it'})",
            hint=f"let it name certificates in PEM form, or unset {name}",
        ) from error


def _root_of(parts: SplitResult) -> httpx.URL:
    try:
        return httpx.URL(f"{parts.scheme}://{parts.netloc}/")
    except httpx.InvalidURL as error:
        raise ValueError("a URL names no host that can be") from error


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
        self._pool._network_backend = Backend()  # noqa: SLF001


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
        raise GivenUpError(
            f"the proxy refused the connection{f' ({status})' if status.isdigit() else ''}",
            hint="check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY, and the password in them",
            code="proxy",
        ) from error
    except httpx.TransportError as error:
        cause = _root(error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise CertificateError(
                f"the certificate is not trusted: {cause.verify_message}",
                hint="if your network has its own certificate authority, name its file in SSL_CERT_FILE",
            ) from error
        raise TransientError(_failure_words(error, cause)) from error


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


def _failure_words(error: httpx.TransportError, cause: BaseException) -> str:
    if isinstance(cause, ssl.SSLError):
        return f"the secure connection failed ({cause.reason or 'broken off'})"
    if isinstance(cause, OSError) and cause.strerror:
        return f"the connection failed ({cause.strerror})"
    if isinstance(error, httpx.RemoteProtocolError):
        return "the connection was closed before the answer was complete"
    return "the connection failed"
