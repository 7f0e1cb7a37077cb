"""Names that have no address."""

import socket
from contextlib import closing

import pytest

from ninepic_cli.errors import TransientError
from tests.support.http_servers import open_client


@pytest.mark.parametrize("is_direct", [True, False])
@pytest.mark.parametrize("number", [socket.EAI_AGAIN, socket.EAI_NONAME])
def test_a_name_without_address(monkeypatch: pytest.MonkeyPatch, number: int, is_direct: bool) -> None:
    """A name that cannot be looked up is a failure that another try may mend, in the system's words."""

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(number, "the name is not known for now")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with (
        closing(open_client(timeout_s=5, connections=1, environ={}, is_direct=is_direct)) as client,
        pytest.raises(TransientError, match="the name is not known for now"),
        client.send("GET", "http://store.example.test/x"),
    ):
        pass
