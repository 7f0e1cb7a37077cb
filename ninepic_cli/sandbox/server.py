"""A server on loopback: accepts connections and holds the conversation on each in a thread of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Protocol

from ninepic_cli.sandbox.delivery import deliver
from ninepic_cli.sandbox.wire import GoneError, Line, MalformedError, read_request

if TYPE_CHECKING:
    import ssl

    from ninepic_cli.sandbox.faults import Fault, FaultPlan
    from ninepic_cli.sandbox.messages import Answer, Request
    from ninepic_cli.sandbox.record import Record


BACKLOG = 512
FAREWELL_S = 5.0
MALFORMED = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Service(Protocol):
    """What a server serves."""

    name: str

    def answer(self, request: Request, fault: Fault) -> Answer:
        """Answers a request."""


class Server:
    """Serves one service on one port.

    Args:
        service: What to serve.
        plan: What goes wrong.
        record: Is told of every request.
        latency_s: How long every answer is held back.
        rate_bps: How fast bodies are sent on each connection.
        tls: Speaks TLS with this.
    """

    def __init__(
        self,
        service: Service,
        plan: FaultPlan,
        record: Record,
        *,
        latency_s: float = 0,
        rate_bps: float | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._service = service
        self._plan = plan
        self._record = record
        self._latency_s = latency_s
        self._rate_bps = rate_bps
        self._tls = tls
        self._stopping = threading.Event()
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self._conversations: dict[threading.Thread, Line] = {}
        self._lock = threading.Lock()

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
        self._acceptor.join(FAREWELL_S)
        self._listener.close()
        self._listener = self._acceptor = None
        with self._lock:
            conversations = dict(self._conversations)
        for line in conversations.values():
            line.interrupt()
        for thread in conversations:
            thread.join(FAREWELL_S)

    def _accept(self, listener: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = listener.accept()
            except OSError:  # the client was gone already, or there are too many open files
                self._stopping.wait(0.01)
                continue
            line = Line(sock, self._stopping)
            thread = threading.Thread(target=self._converse, args=(line,), daemon=True)
            with self._lock:
                self._conversations[thread] = line
            try:
                thread.start()
            except RuntimeError:  # no more threads for now: the client may try again
                line.hang_up()
                with self._lock:
                    del self._conversations[thread]

    def _converse(self, line: Line) -> None:
        """Answers one request after the other until the connection ends."""
        try:
            line.open(self._tls)
            while not self._stopping.is_set() and self._exchange(line):
                pass
        except MalformedError:
            with contextlib.suppress(GoneError):
                line.send(MALFORMED)
        except GoneError:
            pass
        finally:
            line.hang_up()
            with self._lock:
                del self._conversations[threading.current_thread()]

    def _exchange(self, line: Line) -> bool:
        """Receives and answers one request; tells whether another may follow."""
        request = read_request(line, self._service.name)
        self._record.begin(request)
        goes_on = False
        try:
            goes_on = self._respond(line, request, self._plan.fault_for(request))
        finally:
            # A complete answer's end was noted before the client could see it, and react with the next request.
            if not goes_on:
                request.ended = time.monotonic()
            self._record.end(request)
        return goes_on

    def _respond(self, line: Line, request: Request, fault: Fault) -> bool:
        if fault.action:
            fault.action(request)
        line.pause(self._latency_s + fault.delay_s)
        if fault.silent:
            line.outlast_client()
            return False
        if fault.reset and fault.cut_after is None:
            line.reset()
            return False
        if fault.hang_up:
            return False
        return deliver(line, request, self._service.answer(request, fault), fault, self._rate_bps)
