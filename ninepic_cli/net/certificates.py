"""Why a host's certificate is not trusted, in words that point at the cause."""

import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ninepic_cli.errors import CertificateError

# OpenSSL's numbers of what a check found.
_NOT_YET_VALID, _EXPIRED = 9, 10
_OTHER_HOST = frozenset({62, 64})  # by name, by address
_NO_CHECK_TIME: Final = 0x200000  # OpenSSL's flag, for which Python has no name
_MOST_NAMES = 3


def certificate_error(
    cause: ssl.SSLCertVerificationError, place: str, peer: Mapping[str, Any] | None = None
) -> CertificateError:
    """The error for a certificate that was refused; `peer` is what Python tells of it, where it could be read."""
    if cause.verify_code in {_NOT_YET_VALID, _EXPIRED}:
        now = _moment(time.time())
        hint = "check this machine's clock; if it is right, the certificate has to be renewed"
        return CertificateError(
            f"certificate of {place} {_period_words(cause.verify_code, peer)}; this machine's clock: {now}", hint=hint
        )
    if cause.verify_code in _OTHER_HOST:
        names = _names(peer)
        is_for = f"is for {names}, not for this host" if names else "is for another host"
        return CertificateError(f"certificate of {place} {is_for}", hint="check the address, and the proxy if any")
    return CertificateError(
        f"certificate of {place} not trusted: {cause.verify_message}",
        hint="if your network has its own certificate authority, set SSL_CERT_FILE to its certificate file",
    )


def is_worth_reading(cause: ssl.SSLCertVerificationError) -> bool:
    """Whether what the certificate says of itself tells why it was refused."""
    return cause.verify_code in {_NOT_YET_VALID, _EXPIRED, *_OTHER_HOST}


def ignore_time_and_host(context: ssl.SSLContext) -> None:
    """Let a context take certificates whatever their time and host, so that they can be read; nothing is sent then."""
    context.check_hostname = False
    context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)


def _period_words(code: int, peer: Mapping[str, Any] | None) -> str:
    name, words = ("notAfter", "expired on") if code == _EXPIRED else ("notBefore", "is not valid before")
    if peer and name in peer:
        seconds = ssl.cert_time_to_seconds(peer[name])
        if (seconds < time.time()) == (code == _EXPIRED):  # else it is another one's of the chain
            return f"{words} {_moment(seconds)}"
    return "has expired" if code == _EXPIRED else "is not yet valid"


def _names(peer: Mapping[str, Any] | None) -> str:
    found = [value for _, value in (peer or {}).get("subjectAltName", ())]
    more = f" and {len(found) - _MOST_NAMES} more" if len(found) > _MOST_NAMES else ""
    return ", ".join(found[:_MOST_NAMES]) + more


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M UTC}"
