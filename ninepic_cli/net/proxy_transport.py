"""Requests by way of a proxy: httpx, on connections that are watched.

Loaded only where a proxy applies, and for international names of hosts: it takes a quarter of a short run's start. What
is done here and not left to httpx, and why:

- The request target is sent as it stands in the link; httpx would normalise it, and the signature with it.
- No text of an httpx exception is passed on: some hold the whole link or a header's value.
"""

import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpcore
import httpx

from ninepic_cli.errors import NinepicError, ProxyError, SettingsError, TransientError
from ninepic_cli.net.connection import Origin, Response, check_chunks
from ninepic_cli.net.connection_record import ConnectionRecord
from ninepic_cli.net.sockets import Connector, MinimumSpeed, closed_early, translate_socket_error

_LONGEST_HEAD = 128 << 10  # with the beginning of the body that may come with it


class ProxyTransport:
    """Sends a `Client`'s requests by proxies, and keeps so many connections; `context` makes what TLS needs."""

    def __init__(
        self,
        *,
        timeout_s: float,
        connections: int,
        context: Callable[[], ssl.SSLContext],
        record: ConnectionRecord | None,
    ) -> None:
        self._timeout = httpx.Timeout(timeout_s, pool=None)
        self._limits = httpx.Limits(max_connections=connections + 8, max_keepalive_connections=connections)
        self._context = context
        self._record = record
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str | None], httpx.Client] = {}

    @contextmanager
    def send(
        self, method: str, origin: Origin, target: bytes, headers: Mapping[str, str], content: bytes | None
    ) -> Iterator[Response]:
        """Send one request and yield its response.

        Raises:
            TransientError: no response came, or it broke off.
            CertificateError, ProxyError: the host's certificate is not trusted, or the proxy refuses.
            SettingsError: the proxy is no URL.
        """
        url = _ExactURL(f"{'https' if origin.is_secure else 'http'}://{origin.authority}/")
        url.target = target
        with _translate_errors(origin):
            client = self._client(url.scheme, origin.proxy)
            request = client.build_request(method, url, headers=headers, content=content)
            request.url = url  # what was built has a plain copy
            response = client.send(request, stream=True)
        try:
            if isinstance(stream := response.extensions.get("network_stream"), WatchedStream):
                stream.end_head()
            headers = {name.lower(): value for name, value in response.headers.items()}
            yield Response(response.status_code, headers, _body_chunks(response, origin))
        finally:
            response.close()

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _client(self, scheme: str, proxy: str | None) -> httpx.Client:
        with self._lock:
            if (scheme, proxy) not in self._clients:
                self._clients[scheme, proxy] = self._open_client(scheme, proxy)
            return self._clients[scheme, proxy]

    def _open_client(self, scheme: str, proxy: str | None) -> httpx.Client:
        is_secure = scheme == "https" or (proxy or "").startswith("https")
        # Loading the certificates takes longer than all the rest of the start; plain http needs none.
        context = self._context() if is_secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            return httpx.Client(
                transport=_WatchedTransport(verify=context, proxy=proxy, limits=self._limits, record=self._record),
                timeout=self._timeout,
                trust_env=False,
                follow_redirects=False,
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise SettingsError(
                "the proxy address in the environment is not a URL", hint="check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY"
            ) from error


def parse_host(root: str) -> tuple[str, str]:
    """The host of a URL as it is looked up, and with its port as it calls itself; an international name is encoded.

    Raises:
        ValueError: it has none that can be.
    """
    try:
        url = httpx.URL(root)
    except httpx.InvalidURL as error:
        raise ValueError("a URL names no host that can be") from error
    # An international name is decoded here; one that cannot be raises in httpx, and stays encoded in httpx2.
    if not url.host or url.host.startswith("xn--"):
        raise ValueError("a URL names no host")
    return url.raw_host.decode(), url.netloc.decode()


class _ExactURL(httpx.URL):
    """A URL whose request target is sent as it is (httpcore's `target` extension would break CONNECT)."""

    target = b"/"

    @property
    def raw_path(self) -> bytes:
        """The request target."""
        return self.target


class _WatchedTransport(httpx.HTTPTransport):
    """httpx's own transport, on connections that are watched."""

    def __init__(self, *, record: ConnectionRecord | None, **options: Any) -> None:
        super().__init__(**options)
        # httpx has no option for what httpcore takes as an argument of its pools.
        if not isinstance(getattr(self._pool, "_network_backend", None), httpcore.NetworkBackend):
            raise NinepicError("unsupported version of httpx or httpcore", hint="reinstall ninepic-cli")
        self._pool._network_backend = _NetworkBackend(record)  # noqa: SLF001


def _body_chunks(response: httpx.Response, origin: Origin) -> Iterator[bytes]:
    count = size = 0
    with _translate_errors(origin, is_open=True):
        for chunk in response.iter_raw():
            count, size = count + 1, size + len(chunk)
            check_chunks(count, size)
            yield chunk


@contextmanager
def _translate_errors(origin: Origin, *, is_open: bool = False) -> Iterator[None]:
    try:
        yield
    except httpx.TimeoutException as error:
        is_connecting = isinstance(error, httpx.ConnectTimeout)
        words = (
            f"cannot connect to {origin.place}: timed out"
            if is_connecting
            else f"timed out: no data from {origin.place}"
        )
        raise TransientError(words, code="timeout") from error
    except httpx.ProxyError as error:
        status = str(error)[:3]  # httpx tells it in words only: "407 Proxy Authentication Required"
        if status in {"500", "502", "503", "504"}:
            words = f"cannot connect to {origin.place}: HTTP {status} from the proxy"
            raise TransientError(words, code="proxy") from error
        raise ProxyError(
            f"cannot connect to {origin.place}: refused by the proxy{f' (HTTP {status})' if status.isdigit() else ''}",
            hint="check the proxy's address and password, or add the host to NO_PROXY",
        ) from error
    except httpx.TransportError as error:
        cause = _root_cause(error)
        if isinstance(error, httpx.RemoteProtocolError) and not isinstance(cause, OSError):
            raise TransientError(closed_early(origin.place)) from error
        raise translate_socket_error(cause, origin.place, is_open=is_open) from error


def _root_cause(error: BaseException) -> BaseException:
    """What lies under the HTTP library's errors; what lies under that is no concern of this request."""
    while type(error).__module__.partition(".")[0] in {httpx.__name__, httpcore.__name__}:
        deeper = error.__cause__ or error.__context__
        if deeper is None:
            break
        error = deeper
    return error


class _NetworkBackend(httpcore.SyncBackend):
    """Opens httpx's connections."""

    def __init__(self, record: ConnectionRecord | None) -> None:
        self._record = record
        self._connector = Connector(record=record)

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any
    ) -> httpcore.NetworkStream:
        """A connection to whichever address answers; ninepic sets no other options."""
        try:
            sock = self._connector.connect(host, port, timeout)
            # It has no public name, and is named here so that the libraries are named in one place.
            stream = httpcore._backends.sync.SyncStream(sock)  # type: ignore[attr-defined]  # noqa: SLF001
            return WatchedStream(stream, self._record)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error


class WatchedStream(httpcore.NetworkStream):
    """A connection on which a trickle is as good as nothing, and heads have an end."""

    def __init__(self, stream: httpcore.NetworkStream, record: ConnectionRecord | None = None) -> None:
        self._stream = stream
        self._record = record
        self._speed = MinimumSpeed()
        self._head_bytes: int | None = 0  # so far; None behind the head

    def end_head(self) -> None:
        """The response's head has arrived: what comes now is the body, which may be large."""
        self._head_bytes = None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What comes next; raises TransientError where it is too slow, or a head without an end."""
        started_s = time.monotonic()
        data = self._stream.read(max_bytes, timeout)
        self._speed.count(len(data), time.monotonic() - started_s)
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > _LONGEST_HEAD:
                raise TransientError("response headers too long")
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send bytes; the next head is the response to them."""
        self._speed.restart()
        self._head_bytes = 0
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        """Close it."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The secure connection over this one, watched as well."""
        begun_s = time.monotonic()
        stream = self._stream.start_tls(ssl_context, server_hostname, timeout)
        sock = stream.get_extra_info("socket")
        if isinstance(sock, ssl.SSLSocket):
            sock.suppress_ragged_eofs = False  # type: ignore[attr-defined] # not in typeshed
        if self._record is not None:
            self._record.set_tls(stream.get_extra_info("ssl_object"), begun_s)
        return WatchedStream(stream, self._record)

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks for."""
        return self._stream.get_extra_info(info)
