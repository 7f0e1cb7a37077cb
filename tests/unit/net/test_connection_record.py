"""What a connection leaves behind for whoever wants to know how it came about."""

import socket
from contextlib import closing
from typing import Any

import pytest

from ninepic_cli.net.connection_record import Certificate, ConnectionRecord
from ninepic_cli.net.sockets import Connector
from ninepic_cli.sandbox import Sandbox
from tests.support.http_servers import Authority, open_client, port_of
from tests.support.worlds import small_world


@pytest.fixture
def two_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host of two addresses, of which the first refuses."""
    real = socket.getaddrinfo

    def looked_up(_: Any, port: Any, **options: Any) -> list[Any]:
        return [found for address in ("127.0.0.2", "127.0.0.1") for found in real(address, port, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)


@pytest.mark.usefixtures("two_addresses")
def test_the_address_that_answered() -> None:
    """All addresses are known in the order in which they are tried, and the one that answered."""
    record = ConnectionRecord()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        Connector(record=record).connect("service.test", port, 10).close()
    assert record.addresses == ("127.0.0.2", "127.0.0.1")
    assert record.address == "127.0.0.1"
    assert None not in {record.lookup_s, record.connect_s}
    with pytest.raises(OSError, match="refused"):
        Connector(record=record).connect("service.test", port, 10)
    assert record.addresses == ("127.0.0.2", "127.0.0.1")
    assert {record.address, record.connect_s} == {None}


@pytest.mark.parametrize("is_direct", [True, False])
def test_the_certificate(authority: Authority, *, is_direct: bool) -> None:
    """The version of TLS and the certificate are known of both kinds of connection."""
    record, environ = ConnectionRecord(), {"SSL_CERT_FILE": str(authority.file)}
    with (
        Sandbox(small_world(), tls=authority.context()) as box,
        closing(
            open_client(timeout_s=10, connections=1, environ=environ, is_direct=is_direct, record=record)
        ) as client,
        client.send("GET", f"https://127.0.0.1:{port_of(box.base_url)}/") as answer,
    ):
        assert answer.status == 404
    assert (record.tls_host, record.tls_version) == ("127.0.0.1", "TLSv1.3")
    assert record.certificate is not None
    assert (record.certificate.subject, record.certificate.issuer) == ("CN=server", "CN=Our CA")
    assert record.certificate.not_after - record.certificate.not_before == 2 * 86400


def test_names_of_a_certificate() -> None:
    """Its names are written in the short way, and unknown ones as they are."""
    names = ((("countryName", "DE"),), (("organizationName", "Acme"), ("serialNumber", "7")))
    dates = {"notBefore": "Jan  1 00:00:00 1970 GMT", "notAfter": "Jan  2 00:00:00 1970 GMT"}
    found = Certificate.of({"subject": names, "issuer": names[:1], **dates})
    assert found == Certificate("C=DE, O=Acme, serialNumber=7", "C=DE", 0, 86400)
