"""How requests are sent: certificates, proxies, and which transport sends them.

Everything goes over connections of our own (`connection`), but what goes by a proxy (`proxy_transport`). Proxies are
chosen here and not by httpx, which refuses to start when `NO_PROXY` holds an IPv6 range. Everything above sees a
`Response` or one of our errors.
"""

import ipaddress
import os
import re
import ssl
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import certifi

from ninepic_cli import __version__
from ninepic_cli.errors import OpenFilesError, SettingsError, TransientError
from ninepic_cli.net.connection import Origin, Response, Transport
from ninepic_cli.net.connection_record import ConnectionRecord
from ninepic_cli.net.proxies import choose_proxy, proxy_for
from ninepic_cli.net.rate_limit import RateLimit
from ninepic_cli.text import system_text

if TYPE_CHECKING:
    from ninepic_cli.net.proxy_transport import ProxyTransport

_SENDABLE = re.compile(r"[!-~]*")
_HOST_NAME = re.compile(r"[0-9a-z_](?:[0-9a-z_.-]*[0-9a-z_.])?", re.ASCII)
_MOST_ORIGINS = 100  # that are remembered: a listing could name a host for each photo


class Client:
    """Sends requests to whichever host a URL names; used by many threads at once.

    Args:
        timeout_s: no byte for so long, in connecting, sending or receiving, is a failed attempt.
        connections: how many there are in all before an idle one is closed for a new one.
        headers: sent with every request.
        environ: where proxies and certificates are named.
        limit: how fast connections of our own take bytes in; who reads them does the waiting.
        record: told of each connection that is opened; for a client that one thread uses.
    """

    def __init__(
        self,
        *,
        timeout_s: float,
        connections: int,
        headers: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
        limit: RateLimit | None = None,
        record: ConnectionRecord | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._connections = connections
        self._headers = {"User-Agent": f"ninepic/{__version__}", "Accept-Encoding": "identity", **(headers or {})}
        self._environ = os.environ if environ is None else environ
        self._lock = threading.Lock()
        self._proxy_transport: ProxyTransport | None = None
        self._origin = lru_cache(_MOST_ORIGINS)(self._parse_origin)
        self._record = record
        self._transport = Transport(
            timeout_s=timeout_s, connections=connections, context=self._context, limit=limit, record=record
        )

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, content: bytes | None = None
    ) -> AbstractContextManager[Response]:
        """Send one request, which may be repeated; the context is its response. No redirect is followed.

        Raises:
            TransientError: no response came, or it broke off.
            CertificateError, ProxyError: the host's certificate is not trusted, or the proxy refuses.
            SettingsError: the proxy or the certificate file named in the environment is no good.
            ValueError: the URL cannot be sent.
        """
        parts = urlsplit(url)
        target, origin = request_target(url), self._origin(parts.scheme, parts.netloc)
        transport = self._transport if origin.proxy is None else self._load_proxy_transport()
        return transport.send(method, origin, target, {**self._headers, **(headers or {})}, content)

    def close(self) -> None:
        """Close all idle connections."""
        if self._proxy_transport is not None:
            self._proxy_transport.close()
        self.close_idle()

    def close_idle(self) -> None:
        """Give back the files that idle connections of our own hold."""
        self._transport.close()

    def _parse_origin(self, scheme: str, netloc: str) -> Origin:
        """Where a URL leads; raises ValueError where it names no host that can be."""
        parts = urlsplit(f"{scheme}://{netloc}/")
        proxy, host, port = proxy_for(parts, self._environ), parts.hostname or "", parts.port
        usual = 443 if scheme == "https" else 80
        authority = host if port in {None, usual} else f"{host}:{port}"
        if not _needs_no_encoding(host):
            from ninepic_cli.net.proxy_transport import parse_host  # noqa: PLC0415 (hardly ever needed)

            host, authority = parse_host(f"{scheme}://{netloc}/")
        choice = None if proxy is None else choose_proxy(parts, self._environ)
        words = f"proxy {choice.shown_url} ({choice.variable})" if choice else ""
        return Origin(scheme == "https", host, port or usual, authority, proxy, words)

    def _load_proxy_transport(self) -> "ProxyTransport":
        from ninepic_cli.net.proxy_transport import ProxyTransport  # noqa: PLC0415 (hardly ever needed)

        with self._lock:
            if self._proxy_transport is None:
                self._proxy_transport = ProxyTransport(
                    timeout_s=self._timeout_s,
                    connections=self._connections,
                    context=self._context,
                    record=self._record,
                )
            return self._proxy_transport

    def _context(self) -> ssl.SSLContext:
        """A context for TLS that trusts the authorities which the environment names, or else the usual ones."""
        file, folder = self._environ.get("SSL_CERT_FILE"), self._environ.get("SSL_CERT_DIR")
        try:
            usual = None if folder else certifi.where()
            context = ssl.create_default_context(cafile=file or usual, capath=folder or None)
        except OSError as error:
            if error.errno in OpenFilesError.numbers:
                raise OpenFilesError from error
            name, place = trusted_authorities(self._environ)
            if name is None:
                raise TransientError(f"cannot load certificates from {place}: {system_text(error)}") from error
            reason = "no certificate found in it" if isinstance(error, ssl.SSLError) else system_text(error)
            raise SettingsError(
                f"cannot load certificates from {place} ({name}): {reason}",
                hint=f"set {name} to certificates in PEM format, or unset it",
            ) from error
        # Python 3.11.0 to 3.11.2 overlook an end without TLS's own farewell, which may be a cut by anybody on the way.
        context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
        return context


def trusted_authorities(environ: Mapping[str, str]) -> tuple[str | None, str]:
    """The variable that names the certificates to trust (None where they are the usual ones), and where they are."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if place := environ.get(name):
            return name, place
    return None, certifi.where()


def request_target(url: str) -> bytes:
    """The request target of an absolute URL, byte for byte, without the fragment.

    Raises:
        ValueError: the URL holds white space, control or non-ASCII characters.
    """
    if not _SENDABLE.fullmatch(url):
        raise ValueError("a URL holds characters that have to be escaped")
    rest = url.partition("://")[2].partition("#")[0]
    start = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    target = rest[start:]
    return (target if target.startswith("/") else f"/{target}").encode()


def _needs_no_encoding(host: str) -> bool:
    """Whether the host is an IPv4 address or a name in ASCII, of which nothing has to be encoded or decoded."""
    if host.replace(".", "").isdigit():
        with suppress(ValueError):
            return bool(ipaddress.IPv4Address(host))
        return False
    return _HOST_NAME.fullmatch(host) is not None and "xn--" not in host
