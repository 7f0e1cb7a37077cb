"""A store that asks for patience: it costs no try, and patience ends."""

import time
from collections.abc import Callable
from email.utils import formatdate

import pytest

from ninepic_cli.errors import GivenUpError
from ninepic_cli.models import Downloaded
from ninepic_cli.sandbox import Fault
from ninepic_cli.updates import HostPaused, RetryScheduled
from tests.support.command import Start
from tests.support.files import files_in
from tests.support.transfers import Make, objects, together

pytestmark = pytest.mark.usefixtures("quick_retries")


@pytest.mark.parametrize("status", [429, 503])
def test_throttling_spends_no_try(serve: Start, run: Make, status: int) -> None:
    """A store that asks for patience more often than there are tries gets it, and its photo arrives."""
    box = serve(Fault(status=status, nth=range(1, 6)))
    now = run(box, retries=0)
    assert now.saved().attempts == 6
    assert now.of(RetryScheduled) == []
    assert {event.code for event in now.of(HostPaused)} <= {f"http_{status}"}


def test_pause_holds_for_all_and_ends_with_one(serve: Start, run: Make) -> None:
    """A 503 pauses all requests to the host, after which one goes first and the others wait for its answer."""
    jobs = 6
    box = serve(
        Fault(nth=range(1, jobs + 1), status=503, headers={"Retry-After": "1"}, action=together(jobs)),
        Fault(nth=jobs + 1, delay_s=0.5),
        photos=12,
        size=30_000,
    )
    now = run(box, retries=0)
    assert all(isinstance(outcome, Downloaded) for outcome in now(jobs=jobs))
    requests = box.requests_to("store")
    paused_at = min(request.ended for request in requests[:jobs])
    first, second = requests[jobs : jobs + 2]
    assert first.started >= paused_at + 0.95
    assert second.started >= first.started + 0.45
    assert len(requests) == 12 + jobs
    assert files_in(now.root) == objects(box)


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        (lambda: "1", 0.9, 1.1),
        (lambda: formatdate(time.time() + 2, usegmt=True), 0.9, 2.1),
        (lambda: formatdate(time.time() - 1000, usegmt=True), 0, 0.1),
        (lambda: "0", 0, 0.1),
        (lambda: "-5", 0, 0.1),
        (lambda: "1.5", 0, 0.1),
        (lambda: "soon", 0, 0.1),
        (lambda: "", 0, 0.1),
    ],
    ids=["seconds", "date", "past", "zero", "negative", "fraction", "word", "empty"],
)
def test_retry_after(serve: Start, run: Make, value: Callable[[], str], least: float, most: float) -> None:
    """What the store asks for is waited for, in seconds or to a date; nonsense is ignored."""
    box = serve(Fault(nth=1, status=429, headers={"Retry-After": value()}))
    now = run(box)
    now.saved()
    first, second = box.requests_to("store")
    assert second.started - first.ended >= least - 0.05
    assert all(event.wait_s <= most for event in now.of(HostPaused))


@pytest.mark.parametrize("value", ["3600", "99999999999999999999"])
def test_retry_after_that_is_too_long(serve: Start, run: Make, value: str) -> None:
    """A store that asks for more patience than there is ends the run at once, and the error says when to come back."""
    box = serve(Fault(status=503, headers={"Retry-After": value}))
    began = time.monotonic()
    with pytest.raises(GivenUpError) as caught:
        run(box)()
    assert time.monotonic() - began < 5
    assert len(box.requests_to("store")) == 1
    assert "asks to retry in" in caught.value.message
    assert caught.value.code == "http_503"


def test_patience_ends(serve: Start, run: Make) -> None:
    """A store that asks for patience for ever is given up after the time set for that."""
    box = serve(Fault(status=503))
    began = time.monotonic()
    with pytest.raises(GivenUpError):
        run(box, retries=1000, give_up_after_s=0.5)()
    assert 0.4 < time.monotonic() - began < 10


def test_patience_with_silence_ends(serve: Start, run: Make) -> None:
    """A store that never answers is given up likewise, however many tries are left."""
    box = serve(Fault(hang_up=True))
    with pytest.raises(GivenUpError):
        run(box, retries=100_000, give_up_after_s=0.5)()
