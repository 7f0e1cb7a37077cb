"""What goes wrong, and when: faults that are asked for and faults that come by chance.

This is the interface for Python; `fault_plan.py` reads the same from a file.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from ninepic_cli.sandbox.wire import Request

Amount = int | float
Mutation = Callable[[dict[str, Any]], Any]
Action = Callable[[Request], None]


@dataclass
class Fault:
    """What goes wrong with a matching request.

    The first group of attributes says which requests are meant, the rest what happens to them; whatever is left
    at its default stays as it would have been. Several faults that match one request combine: delays
    add up, headers are merged, mutations and actions follow each other, and of everything else the last one counts.

    An amount of bytes is a whole number (`int`) or a share of the body from 0.0 to 1.0 (`float`).

    Attributes:
        server: "api" or "store".
        path: Text that the path and the query, with a "?" between them, contain.
        method: The verb; None for any.
        ranged: True: only requests with a Range header; False: only those without one.
        nth: Only the n-th, from 1, of the requests that the conditions above fit, or those in a range; None for all.
        status: The status to answer with, in place of the proper answer.
        headers: Header fields that are added to the answer, whatever it is, or replace what it has.
        body: The body to answer with. Without one, a `status` from 400 on comes with the error document that the server
            would send, any other with nothing. Without a `status`, it takes the place of the body alone.
        delay_s: Seconds to wait before answering.
        silent: Never answer, and keep the connection open until the client or the sandbox goes away.
        hang_up: Close the connection in place of an answer.
        reset: Reset the connection (RST) in place of an answer; with `cut_after`, after so much of the body.
        cut_after: Announce everything, send so much of the body and close.
        stall_after: Announce everything, send so much of the body, then nothing more, as with `silent`.
        without_length: Announce no length; the body ends where the connection does. With `cut_after`, a body that was
            cut looks like a whole one.
        announce_length: The Content-Length to send, in place of the true one. The connection is closed after the body.
        close_idle: Close the connection after a complete answer, without having said so.
        trickle_bps: Send the body at so many bytes a second.
        gzip: Send the body compressed.
        ignore_range: Store: answer a request for a range with 200 and everything.
        wrong_range: Store: answer a request for a range with another one, which Content-Range tells.
        change_object: Store: replace the photo by another of the same length before answering.
        page: API: answer as though this page had been asked for.
        shift: API: before links are handed out, so many photos disappear from the front of every bib's list, so that
            everything behind them comes on an earlier page.
        mutate: API: is given the whole JSON object that is about to be sent, to change in place; what it returns, if
            it returns anything, is sent instead (`bytes` and `str` as they are, anything else as JSON).
        action: Is called with the request before everything else.
    """

    server: str = "store"
    path: str = ""
    nth: int | range | None = None
    ranged: bool | None = None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | str | None = None
    delay_s: float = 0
    silent: bool = False
    cut_after: Amount | None = None
    without_length: bool = False
    stall_after: Amount | None = None
    reset: bool = False
    close_idle: bool = False
    announce_length: int | None = None
    ignore_range: bool = False
    wrong_range: bool = False
    change_object: bool = False
    trickle_bps: float | None = None
    gzip: bool = False
    page: int | None = None
    mutate: Mutation | None = None
    action: Action | None = None
    method: str | None = None
    hang_up: bool = False
    shift: int = 0
    _seen: int = field(default=0, init=False, repr=False, compare=False)

    def match(self, request: Request) -> bool:
        """Tells whether a request is meant. Counts it if the conditions fit: ask once for each request."""
        if not self._fits(request):
            return False
        self._seen += 1
        if isinstance(self.nth, range):
            return self._seen in self.nth
        return self.nth is None or self._seen == self.nth

    def _fits(self, request: Request) -> bool:
        return (
            self.server == request.server
            and self.path in request.target
            and self.method in {None, request.method}
            and self.ranged in {None, "range" in request.headers}
        )


NO_FAULT = Fault()


class FaultInjector:
    """Finds out what goes wrong with each request.

    Attributes:
        faults: The faults that are asked for; the list may be changed at any time.
    """

    def __init__(self, faults: list[Fault], *, failure_share: float, seed: int) -> None:
        self.faults = faults
        self._failure_share = failure_share
        self._seed = seed
        self._attempts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def fault_for(self, request: Request) -> Fault:
        """All that goes wrong with a request, as one fault."""
        with self._lock:
            matching = [fault for fault in list(self.faults) if fault.match(request)]
            self._attempts[request.path] += bool(self._failure_share)
            attempts = self._attempts[request.path]
        if self._failure_share and request.server == "store":
            matching[:0] = _random_faults(f"{self._seed} {request.path} {attempts}", self._failure_share)
        return combine(matching)


def _random_faults(key: str, share: float) -> list[Fault]:
    """Lets a request fail with a probability of `share`, always the same way for the same key."""
    digest = hashlib.sha256(key.encode()).digest()
    if int.from_bytes(digest[:4]) >= share * 2**32:
        return []
    place = digest[5] / 256
    kinds = [Fault(status=500), Fault(status=503), Fault(reset=True), Fault(cut_after=place)]
    return [kinds[digest[4] % len(kinds)]]


def combine(faults: list[Fault]) -> Fault:
    """One fault that does what all of them do."""
    if len(faults) < 2:
        return faults[0] if faults else NO_FAULT
    return Fault(
        **_merge_fields(faults),
        headers={name: value for fault in faults for name, value in fault.headers.items()},
        delay_s=sum(fault.delay_s for fault in faults),
        mutate=_chain_mutations([fault.mutate for fault in faults if fault.mutate]),
        action=_chain_actions([fault.action for fault in faults if fault.action]),
    )


def _merge_fields(faults: list[Fault]) -> dict[str, Any]:
    """The attributes of which the last one counts, as far as one of the faults sets them."""
    merged = {"headers", "delay_s", "mutate", "action"}
    names = [each.name for each in fields(Fault) if each.init and each.name not in merged]
    defaults = vars(NO_FAULT)
    return {name: vars(each)[name] for each in faults for name in names if vars(each)[name] != defaults[name]}


def _chain_mutations(mutations: list[Mutation]) -> Mutation | None:
    def mutate(payload: dict[str, Any]) -> Any:
        current: Any = payload
        for mutation in mutations:
            result = mutation(current)
            current = current if result is None else result
        return current

    return mutate if mutations else None


def _chain_actions(actions: list[Action]) -> Action | None:
    def act(request: Request) -> None:
        for action in actions:
            action(request)

    return act if actions else None
