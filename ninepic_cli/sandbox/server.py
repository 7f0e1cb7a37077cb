"""A server on loopback: accepts connections, answers on each in a thread of its own, and keeps a log of requests."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ninepic_cli.sandbox.delivery import deliver
from ninepic_cli.sandbox.wire import Connection, ConnectionClosedError, MalformedRequestError, read_request

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from ninepic_cli.sandbox.api import Api
    from ninepic_cli.sandbox.faults import Fault
    from ninepic_cli.sandbox.object_store import ObjectStore
    from ninepic_cli.sandbox.wire import Request


BACKLOG = 512
SHUTDOWN_TIMEOUT_S = 5.0
MALFORMED = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class RequestLog:
    """The latest `keep` requests in order of arrival, or all; `on_end`, if any, is called with each that has ended."""

    def __init__(self, keep: int | None, on_end: Callable[[Request], None] | None) -> None:
        self.requests: list[Request] = []
        self._keep = keep
        self._on_end = on_end

    def begin(self, request: Request) -> None:
        """Notes that a request has arrived."""
        self.requests.append(request)
        if self._keep is not None:
            del self.requests[: max(0, len(self.requests) - self._keep)]

    def end(self, request: Request) -> None:
        """Notes that a request has been answered, or has been left without an answer."""
        if self._on_end:
            self._on_end(request)


def log_line(request: Request) -> str:
    """One JSON object on one line about a request that has just ended.

    Its keys: `server` ("api" or "store"), `method`, `path` (with the query, but without what signs a link), `status`
    (null when nothing was answered), `bytes` (of the answer's body), `seconds` (from the request's head to the end of
    the exchange), `range` (the Range header; null without one).
    """
    # The parameters of a link are a credential, and differ in every link.
    query = "&".join(each for each in request.query.split("&") if each and not _is_signature(each))
    fields = {
        "server": request.server,
        "method": request.method,
        "path": f"{request.path}?{query}" if query else request.path,
        "status": request.status,
        "bytes": request.bytes_sent,
        "seconds": round(time.monotonic() - request.started, 3),
        "range": request.headers.get("range"),
    }
    return json.dumps(fields) + "\n"


def _is_signature(parameter: str) -> bool:
    name = unquote(parameter.partition("=")[0]).lower()
    return name.startswith("x-amz-") or name == "x-id"


class Server:
    """Serves requests on one port; `Sandbox` describes the parameters."""

    def __init__(
        self,
        handler: Api | ObjectStore,
        fault_for: Callable[[Request], Fault],
        log: RequestLog,
        latency_s: float,
        rate_bps: float | None,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._handler = handler
        self._fault_for = fault_for
        self._log = log
        self._latency_s = latency_s
        self._rate_bps = rate_bps
        self._tls = tls
        self._stopping = threading.Event()
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        # Needs no lock: every use of it is a single operation.
        self._connections: dict[threading.Thread, Connection] = {}

    def start(self, host: str, port: int) -> int:
        """Starts to listen, and returns the port: a free one for 0."""
        self._stopping.clear()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
        self._acceptor = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._acceptor.start()
        return int(self._listener.getsockname()[1])

    def stop(self) -> None:
        """Stops at once, whatever is going on, and waits until everything is closed."""
        if self._listener is None or self._acceptor is None:
            return
        self._stopping.set()
        with contextlib.suppress(OSError):  # wakes up accept(); closing the socket alone does not
            socket.create_connection(self._listener.getsockname()[:2], timeout=1).close()
        self._acceptor.join(SHUTDOWN_TIMEOUT_S)
        self._listener.close()
        self._listener = self._acceptor = None
        connections = self._connections.copy()
        for connection in connections.values():
            connection.interrupt()
        for thread in connections:
            thread.join(SHUTDOWN_TIMEOUT_S)

    def _accept(self, listener: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = listener.accept()
            except OSError:  # the client was gone already, or there are too many open files
                self._stopping.wait(0.01)
                continue
            connection = Connection(sock, self._stopping)
            thread = threading.Thread(target=self._serve_connection, args=(connection,), daemon=True)
            self._connections[thread] = connection
            try:
                thread.start()
            except RuntimeError:  # no more threads for now: the client may try again
                connection.close()
                del self._connections[thread]

    def _serve_connection(self, connection: Connection) -> None:
        """Answers one request after the other until the connection ends."""
        try:
            connection.open(self._tls)
            while not self._stopping.is_set() and self._serve_request(connection):
                pass
        except MalformedRequestError:
            with contextlib.suppress(ConnectionClosedError):
                connection.send(MALFORMED)
        except ConnectionClosedError:
            pass
        finally:
            connection.close()
            del self._connections[threading.current_thread()]

    def _serve_request(self, connection: Connection) -> bool:
        """Receives and answers one request; tells whether another may follow."""
        request = read_request(connection, self._handler.name)
        self._log.begin(request)
        is_reusable = False
        try:
            is_reusable = self._respond(connection, request, self._fault_for(request))
        finally:
            # A complete answer's end was noted before the client could see it, and react with the next request.
            if not is_reusable:
                request.ended = time.monotonic()
            self._log.end(request)
        return is_reusable

    def _respond(self, connection: Connection, request: Request, fault: Fault) -> bool:
        if fault.action:
            fault.action(request)
        connection.pause(self._latency_s + fault.delay_s)
        if fault.silent:
            connection.wait_for_client_close()
            return False
        if fault.reset and fault.cut_after is None:
            connection.reset()
            return False
        if fault.hang_up:
            return False
        return deliver(connection, request, self._handler.respond(request, fault), fault, self._rate_bps)
