"""Names that have no address."""

import socket
from contextlib import closing

import pytest

from ninepic_cli.errors import TransientError
from ninepic_cli.net.client import Client

NAME = "store.example.test"


def asked(port: int, *, timeout_s: float, is_direct: bool) -> int:
    """The status of a request to the name, through the client."""
    url = f"http://{NAME}:{port}/api/v1/ext/123/events"
    with (
        closing(Client(timeout_s=timeout_s, connections=1, environ={}, is_direct=is_direct)) as client,
        client.send("GET", url) as answer,
    ):
        return answer.status


class TestAddresses:
    """A host with several addresses, of which not all lead to it."""

    @pytest.mark.parametrize("is_direct", [True, False])
    @pytest.mark.parametrize("number", [socket.EAI_AGAIN, socket.EAI_NONAME])
    def test_a_name_without_address(self, monkeypatch: pytest.MonkeyPatch, number: int, is_direct: bool) -> None:
        """A name that cannot be looked up is a failure that another try may mend, in the system's words."""

        def fail(*_: object, **__: object) -> None:
            raise socket.gaierror(number, "the name is not known for now")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        with pytest.raises(TransientError, match="the name is not known for now"):
            asked(80, timeout_s=5, is_direct=is_direct)
