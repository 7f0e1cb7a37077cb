"""How a host is reached: whether it is this machine, and by which proxy. No I/O."""

import ipaddress
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import SplitResult

from ninepic_cli.errors import SettingsError

_EXCEPTION = re.compile(r"(?P<name>\[[^\]]*\]|[^:]*)(?::(?P<port>\d+))?")
_PROXY_URL = re.compile(r"(?P<scheme>[A-Za-z0-9+.-]+)://[^/\s]*[^/@:\s][^/@\s]*/?")


class ProxyChoice(NamedTuple):
    """By which proxy a URL is reached, and why.

    Attributes:
        url: the proxy's, which may hold a password and need not be one; None where none is used.
        variable: the one that names a proxy, whether it is used or not; None where none does.
        exception: why it is not used: `loopback`, or the entry of `NO_PROXY`; else None.
    """

    url: str | None = None
    variable: str | None = None
    exception: str | None = None

    @property
    def shown_url(self) -> str | None:
        """The proxy's URL without user name and password."""
        if self.url is None:
            return None
        if not _PROXY_URL.fullmatch(self.url):
            return "***"
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]}"


def choose_proxy(parts: SplitResult, environ: Mapping[str, str]) -> ProxyChoice:
    """The proxy of a URL, from `<SCHEME>_PROXY`, `ALL_PROXY` and `NO_PROXY`; never one for loopback."""
    name, proxy = _variable(environ, f"{parts.scheme}_proxy")
    if not proxy:
        name, proxy = _variable(environ, "all_proxy")
    if not proxy:
        return ProxyChoice()
    host = (parts.hostname or "").rstrip(".")
    if is_loopback(host):
        return ProxyChoice(None, name, "loopback")
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    if entry := _exception(host, port, _variable(environ, "no_proxy")[1]):
        return ProxyChoice(None, name, entry)
    return ProxyChoice(proxy if "://" in proxy else f"http://{proxy}", name)


def proxy_for(parts: SplitResult, environ: Mapping[str, str]) -> str | None:
    """The URL of the proxy to reach a URL by, if there is one.

    Raises:
        SettingsError: it is a SOCKS proxy.
    """
    proxy, variable, _ = choose_proxy(parts, environ)
    if proxy is None:
        return None
    match = _PROXY_URL.fullmatch(proxy)
    scheme = match["scheme"].lower() if match else "http"
    if scheme not in {"http", "https"}:
        raise SettingsError(
            f"unsupported proxy scheme {scheme} in {variable}: only http and https are supported",
            hint=f"unset {variable} for this command, or add {(parts.hostname or '').rstrip('.')} to NO_PROXY",
        )
    if not match:
        raise SettingsError(f"invalid proxy in {variable}: not a URL", hint="expected http://HOST:PORT")
    return proxy


def is_loopback(host: str) -> bool:
    """Whether the host is this machine."""
    if host.lower().rstrip(".") == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    return False


def _variable(environ: Mapping[str, str], lower: str) -> tuple[str, str]:
    """The variable of that name, in lower or upper case, that says something, and what it says."""
    name = lower if environ.get(lower) else lower.upper()
    return name, environ.get(name, "").strip()


def _exception(host: str, port: int | None, no_proxy: str) -> str | None:
    """The entry of NO_PROXY that covers the host, if one does."""
    entries = [entry.strip() for entry in no_proxy.replace(" ", ",").split(",") if entry]
    return next((entry for entry in entries if _excepts(entry, host.lower(), port)), None)


def _excepts(entry: str, host: str, port: int | None) -> bool:
    """Whether one entry of NO_PROXY covers the host: `*`, a name and all below it, an address or a range."""
    if entry == "*":
        return True
    match = _EXCEPTION.fullmatch(entry.lower())
    name, wanted = match.group("name", "port") if match else (entry, None)  # no match: a bare IPv6 range
    if wanted and port != int(wanted):
        return False
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(name.strip("[]"), strict=False)
    except ValueError:
        suffix = name.removeprefix("*").lstrip(".")
        return bool(suffix) and (host == suffix or host.endswith(f".{suffix}"))
