"""Requests that tests send themselves, to a sandbox or any other server, and what comes back."""

import http.client
import json
import socket
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ninepic_cli.sandbox import Sandbox


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body of an answer of the API."""
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        """What is in the envelope."""
        return self.json["data"]

    @property
    def code(self) -> str:
        """The code in an error document of the store."""
        return self.body.decode().partition("<Code>")[2].partition("</Code>")[0]


def connect(url: str, timeout: float = 5) -> http.client.HTTPConnection:
    """Prepares a connection to a URL's server."""
    parts = urlsplit(url)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)


def target(url: str) -> str:
    """What a request for a URL names."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def exchange(
    connection: http.client.HTTPConnection,
    url: str,
    method: str = "GET",
    body: bytes | None = None,
    /,
    **headers: str,
) -> Reply:
    """Sends one request on a given connection; headers are named with underscores."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, target(url), body, names)
    with connection.getresponse() as response:
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, fields, response.read())


def fetch(url: str, method: str = "GET", body: bytes | None = None, /, **headers: str) -> Reply:
    """Sends one request on a connection of its own."""
    with closing(connect(url)) as connection:
        return exchange(connection, url, method, body, **headers)


def photos_url(box: Sandbox, query: str = "") -> str:
    """Where links are asked for."""
    return f"{box.base_url}/api/v1/ext/123/event/456/original-photos{query}"


def ask(box: Sandbox, body: Any, query: str = "", url: str = "", **headers: str) -> Reply:
    """Asks for links as a client should."""
    names = {"X_API_Key": box.world.api_key, "Content_Type": "application/json", **headers}
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return fetch(url or photos_url(box, query), "POST", sent, **names)


def look(box: Sandbox, path: str, **headers: str) -> Reply:
    """Sends a GET to the API."""
    return fetch(f"{box.base_url}/api/v1/ext/{path}", **{"X_API_Key": box.world.api_key, **headers})


def raw(url: str, method: str = "GET", more: str = "", timeout: float = 5) -> bytes:
    """Everything that is received, head and all, until the server closes the connection."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=timeout) as sock:
        sock.sendall(f"{method} {target(url)} HTTP/1.1\r\nHost: {parts.netloc}\r\n{more}\r\n".encode())
        received = b""
        while piece := sock.recv(65536):
            received += piece
        return received


def first(box: Sandbox) -> str:
    """The first photo's id."""
    return next(iter(box.world.photos))


def fetch_first(box: Sandbox, **headers: str) -> Reply:
    """Fetches the first photo by a new link."""
    return fetch(box.link(first(box)), **headers)
