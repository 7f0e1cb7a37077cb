"""How a host is reached: whether it is this machine, and by which proxy. No I/O."""

import ipaddress
import re
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import SplitResult

from ninepic_cli.errors import SettingsError

_EXCEPTION = re.compile(r"(?P<name>\[[^\]]*\]|[^:]*)(?::(?P<port>\d+))?")


def proxy_for(parts: SplitResult, environ: Mapping[str, str]) -> str | None:
    """The proxy to reach a URL by, from `<SCHEME>_PROXY`, `ALL_PROXY` and `NO_PROXY`; never one for loopback.

    Raises:
        SettingsError: it is a SOCKS proxy.
    """
    proxy = _variable(environ, f"{parts.scheme}_proxy") or _variable(environ, "all_proxy")
    host = (parts.hostname or "").rstrip(".")
    if not proxy or is_loopback(host):
        return None
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    exceptions = _variable(environ, "no_proxy").replace(" ", ",").split(",")
    if any(_excepts(entry.strip(), host.lower(), port) for entry in exceptions if entry):
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    scheme = proxy.partition("://")[0].lower()
    if scheme not in {"http", "https"}:
        raise SettingsError(
            f"a {scheme} proxy is set in the environment, and only http and https proxies are supported",
            hint=f"unset it for this command, or add {host} to NO_PROXY",
        )
    if not re.fullmatch(r"[^/\s]*[^/@:\s][^/@\s]*/?", proxy.partition("://")[2]):
        raise SettingsError(
            "the proxy address in the environment is not a URL", hint="check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY"
        )
    return proxy


def is_loopback(host: str) -> bool:
    """Whether the host is this machine."""
    if host.lower().rstrip(".") == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    return False


def _variable(environ: Mapping[str, str], name: str) -> str:
    return (environ.get(name) or environ.get(name.upper()) or "").strip()


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
