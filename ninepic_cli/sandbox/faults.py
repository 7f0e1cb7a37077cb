"""What goes wrong, and when: faults that are asked for and faults that come by chance.

This is the interface for Python; `fault_plan.py` reads the same from a file.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import Any

from ninepic_cli.sandbox.wire import Request

Amount = int | float
Mutation = Callable[[dict[str, Any]], Any]
Action = Callable[[Request], None]


@dataclass
class Fault:
    """What goes wrong with a matching request.

    The attributes are fields of a fault plan, and `fault_plan.FIELDS` describes them; whatever is left at its default
    stays as it would have been. Several faults that match one request combine: delays add up, headers are merged,
    mutations and actions follow each other, and of everything else the last one counts.

    An amount of bytes is a whole number (`int`) or a share of the body from 0.0 to 1.0 (`float`).

    Attributes:
        path: Text that the path and the query, with a "?" between them, contain.
        ranged: None: requests with and without a Range header.
        nth: A range for several.
        body: Without one, a `status` from 400 on comes with the error document that the server would send, any other
            with nothing.
        mutate: API, not in plans: is given the whole JSON object that is about to be sent, to change in place; what it
            returns, if it returns anything, is sent instead (`bytes` and `str` as they are, anything else as JSON).
        action: Not in plans: is called with the request before everything else.
    """

    server: str = "store"
    path: str = ""
    _: KW_ONLY
    method: str | None = None
    ranged: bool | None = None
    nth: int | range | None = None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | str | None = None
    delay_s: float = 0
    silent: bool = False
    hang_up: bool = False
    reset: bool = False
    cut_after: Amount | None = None
    stall_after: Amount | None = None
    without_length: bool = False
    announce_length: int | None = None
    close_idle: bool = False
    trickle_bps: float | None = None
    gzip: bool = False
    ignore_range: bool = False
    wrong_range: bool = False
    change_object: bool = False
    page: int | None = None
    shift: int = 0
    mutate: Mutation | None = None
    action: Action | None = None
    _seen: int = field(default=0, init=False, repr=False, compare=False)

    def match(self, request: Request) -> bool:
        """Tells whether a request is meant. Counts it if the conditions fit: ask once for each request."""
        if not self._fits(request):
            return False
        self._seen += 1
        return self._seen in self.nth if isinstance(self.nth, range) else self.nth in {None, self._seen}

    def _fits(self, request: Request) -> bool:
        return (
            self.server == request.server
            and self.path in request.target
            and self.method in {None, request.method}
            and self.ranged in {None, "range" in request.headers}
        )


NO_FAULT = Fault()


class FaultInjector:
    """Finds out what goes wrong with each request; a share of those to the store fails by chance."""

    def __init__(self, failure_share: float, seed: int) -> None:
        self._failure_share = failure_share
        self._seed = seed
        self._attempts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def fault_for(self, request: Request, faults: list[Fault]) -> Fault:
        """All that goes wrong with a request, of what is asked for and by chance, as one fault."""
        with self._lock:
            matching = [fault for fault in list(faults) if fault.match(request)]
            if self._failure_share and request.server == "store":
                self._attempts[request.path] += 1
                key = f"{self._seed} {request.path} {self._attempts[request.path]}"
                matching = [*_random_faults(key, self._failure_share), *matching]
        return _combine(matching)


def _random_faults(key: str, share: float) -> list[Fault]:
    """Lets a request fail with a probability of `share`, always the same way for the same key."""
    digest = hashlib.sha256(key.encode()).digest()
    if int.from_bytes(digest[:4]) >= share * 2**32:
        return []
    place = digest[5] / 256
    kinds = [Fault(status=500), Fault(status=503), Fault(reset=True), Fault(cut_after=place)]
    return [kinds[digest[4] % len(kinds)]]


def _combine(faults: list[Fault]) -> Fault:
    """One fault that does what all of them do; of an attribute that cannot be merged, the last value counts."""
    if len(faults) < 2:
        return faults[0] if faults else NO_FAULT
    defaults = vars(NO_FAULT).items()
    given = {name: vars(fault)[name] for fault in faults for name, default in defaults if vars(fault)[name] != default}
    given.pop("_seen", None)
    mutations = [fault.mutate for fault in faults if fault.mutate]
    merged = {
        "headers": {name: value for fault in faults for name, value in fault.headers.items()},
        "delay_s": sum(fault.delay_s for fault in faults),
        "mutate": partial(_mutate, mutations) if mutations else None,
        "action": partial(_act, [fault.action for fault in faults if fault.action]),
    }
    return Fault(**given | merged)


def _mutate(mutations: list[Mutation], payload: Any) -> Any:
    for mutation in mutations:
        result = mutation(payload)
        payload = payload if result is None else result
    return payload


def _act(actions: list[Action], request: Request) -> None:
    for action in actions:
        action(request)
