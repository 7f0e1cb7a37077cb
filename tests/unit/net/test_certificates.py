"""Why a certificate is not trusted, in words."""

import ssl
import time

import pytest

from ninepic_cli.net.certificates import certificate_error

PLACE = "api.test:443"
PEER = {
    "notBefore": "Jan  1 00:00:00 2124 GMT",
    "notAfter": "Jan  1 00:00:00 2024 GMT",
    "subjectAltName": tuple(("DNS", f"{name}.test") for name in "abcde"),
}


def refusal(code: int, words: str = "refused") -> ssl.SSLCertVerificationError:
    """What Python raises for a certificate that OpenSSL refuses with this number."""
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = code, words
    return error


@pytest.mark.parametrize(
    ("code", "words"),
    [(9, "is not valid before 2124-01-01 00:00 UTC; "), (10, "expired on 2024-01-01 00:00 UTC; ")],
    ids=["not yet valid", "expired"],
)
def test_a_time(code: int, words: str) -> None:
    """A certificate out of its time is told with that time and this machine's, and the clock is to be checked."""
    error = certificate_error(refusal(code), PLACE, PEER)
    now = time.strftime("%Y-%m-%d", time.gmtime())
    assert error.message.startswith(f"certificate of {PLACE} {words}this machine's clock: {now}")
    assert str(error.hint).startswith("check this machine's clock")


@pytest.mark.parametrize(("code", "words"), [(9, "is not yet valid; "), (10, "has expired; ")])
def test_a_time_of_another_certificate(code: int, words: str) -> None:
    """Where the certificate itself is in its time, or could not be read, no time of it is told."""
    valid = {"notBefore": PEER["notAfter"], "notAfter": PEER["notBefore"]}
    for peer in (valid, None):
        assert f"{PLACE} {words}this machine's clock" in certificate_error(refusal(code), PLACE, peer).message


@pytest.mark.parametrize("code", [62, 64])
def test_another_host(code: int) -> None:
    """The hosts that it is for are told, the first few of them."""
    error = certificate_error(refusal(code), PLACE, PEER)
    assert error.message == f"certificate of {PLACE} is for a.test, b.test, c.test and 2 more, not for this host"
    assert "is for another host" in certificate_error(refusal(code), PLACE).message


def test_an_unknown_authority() -> None:
    """The variable that names authorities is the hint."""
    error = certificate_error(refusal(20, "unable to get local issuer certificate"), PLACE)
    assert error.message == f"certificate of {PLACE} not trusted: unable to get local issuer certificate"
    assert "SSL_CERT_FILE" in str(error.hint)
