"""What is known of the connection that was opened last, for whoever wants to know why there is none."""

import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

_SHORT_NAMES = {
    "commonName": "CN",
    "countryName": "C",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "stateOrProvinceName": "ST",
}


@dataclass(frozen=True, slots=True)
class Certificate:
    """A host's certificate, which was checked.

    Attributes:
        subject: whose it is: `CN=api.9pic.ai`.
        issuer: who vouches for it, written likewise.
        not_before: from when on it is valid, in seconds since 1970.
        not_after: until when.
    """

    subject: str
    issuer: str
    not_before: float
    not_after: float

    @classmethod
    def of(cls, peer: Mapping[str, Any]) -> Self:
        """The one that Python describes so."""
        dates = (ssl.cert_time_to_seconds(peer[name]) for name in ("notBefore", "notAfter"))
        return cls(_name(peer["subject"]), _name(peer["issuer"]), *dates)


@dataclass(slots=True)
class ConnectionRecord:
    """The connection that was opened last, as far as it came; to the proxy, where one is used.

    Attributes:
        addresses: what the host resolves to, in the order in which they are tried.
        address: the one that answered.
        lookup_s: how long it took to resolve it.
        connect_s: how long it took until one answered.
        tls_host: the host that the last TLS handshake was with.
        tls_version: such as `TLSv1.3`.
        tls_s: how long the handshake took.
        certificate: that host's.
    """

    addresses: tuple[str, ...] = ()
    address: str | None = None
    lookup_s: float | None = None
    connect_s: float | None = None
    tls_host: str | None = None
    tls_version: str | None = None
    tls_s: float | None = None
    certificate: Certificate | None = None

    def set_addresses(self, addresses: Iterable[str], begun_s: float) -> None:
        """Forget the connection before: another begins, and its host has these addresses."""
        self.addresses, self.lookup_s = tuple(addresses), time.monotonic() - begun_s
        self.address = self.connect_s = None
        self.tls_host = self.tls_version = self.tls_s = self.certificate = None

    def set_address(self, address: str, begun_s: float) -> None:
        """One of them answered."""
        self.address, self.connect_s = address, time.monotonic() - begun_s

    def set_tls(self, line: ssl.SSLSocket | ssl.SSLObject, begun_s: float) -> None:
        """The handshake succeeded."""
        self.tls_s = time.monotonic() - begun_s
        self.tls_host, self.tls_version = line.server_hostname, line.version()
        peer = line.getpeercert()
        self.certificate = Certificate.of(peer) if peer else None


def _name(parts: Iterable[Iterable[tuple[str, str]]]) -> str:
    return ", ".join(f"{_SHORT_NAMES.get(name, name)}={value}" for part in parts for name, value in part)
