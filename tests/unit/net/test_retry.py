"""Patience: which waits are how long, when a request's tries are spent, and when a host is given up."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninepic_cli.errors import (
    GivenUpError,
    MachineError,
    NinepicError,
    OpenFilesError,
    PhotoError,
    StoppedError,
    ThrottledError,
    TransientError,
)
from ninepic_cli.net.retry import HostThrottle, HostThrottles, Permit, RetryBudget, backoff_s, retry_after_s
from ninepic_cli.system.shutdown import CancelToken
from ninepic_cli.updates import HostPaused, RetryScheduled, Update
from tests.support.clock import Clock

DATE = "Wed, 21 Oct 2015 07:28:00 GMT"
GIVE_UP_AFTER_S = 600.0


class ClockedCondition:
    """A condition for one thread: to wait is to set the clock forward."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __enter__(self) -> None:
        """There is nobody else."""

    def __exit__(self, *_: object) -> None:
        """There is nobody else."""

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._clock.now_s += seconds

    def notify_all(self) -> None:
        """There is nobody else."""


BROKEN = TransientError("the connection failed")


def throttled(retry_after: float | None = None) -> ThrottledError:
    """What a 429 is."""
    return ThrottledError("status 429", retry_after_s=retry_after, code="http_429")


def fail(permit: Permit, error: NinepicError | None = None) -> None:
    """What happens to a permit whose request fails with an error: a broken connection if no other."""
    permit._host._record_error(permit, error or BROKEN)


def new_host(clock: Clock, **options: Any) -> HostThrottle:
    """A host on a clock."""
    settings = {"give_up_after_s": GIVE_UP_AFTER_S, "stop": CancelToken(), **options}
    return HostThrottle("api.test", now_s=clock, **settings)


def alone(clock: Clock, **options: Any) -> HostThrottle:
    """A host that one thread asks: its waits pass at once."""
    host = new_host(clock, **options)
    host._changed = ClockedCondition(clock)  # type: ignore[assignment]
    return host


def is_soon(claim: Callable[[], bool], patience_s: float = 10) -> bool:
    """Whether a claim comes true."""
    deadline_s = time.monotonic() + patience_s
    while not claim():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.005)
    return True


def request(clock: Clock, error: NinepicError, *, after_s: float, is_answered: bool = False) -> None:
    """A host's first request, which ends with an error so long after it was begun."""
    with alone(clock).permit() as permit:
        if is_answered:
            permit.record_success()
        clock.now_s += after_s
        raise error


def test_too_many_open_files_say_nothing_about_the_host() -> None:
    """They do not count against it, however long it has been silent."""
    clock = Clock()
    for _ in range(2):
        with pytest.raises(OpenFilesError):
            request(clock, OpenFilesError(), after_s=GIVE_UP_AFTER_S + 1)


class Crowd:
    """Threads that each want one permit of a host, and keep it until they are told how it went."""

    def __init__(self, host: HostThrottle, size: int, stop: CancelToken) -> None:
        self.admitted: list[Permit] = []
        self.stopped = 0
        self._host = host
        self._stop = stop
        self._verdicts: dict[int, Callable[[Permit], None]] = {}
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(size)]
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        try:
            with self._host.permit() as permit, self._changed:
                place = len(self.admitted)
                self.admitted.append(permit)
                while place not in self._verdicts:
                    self._changed.wait()
                self._verdicts[place](permit)
        except StoppedError:
            with self._changed:
                self.stopped += 1

    def tell(self, place: int, verdict: Callable[[Permit], None]) -> None:
        """Let the permit that came in that place end so."""
        with self._changed:
            self._verdicts[place] = verdict
            self._changed.notify_all()

    def is_settled_at(self, count: int) -> bool:
        """Whether so many were admitted, and for a while no more."""
        arrived = is_soon(lambda: len(self.admitted) >= count)
        time.sleep(0.45)  # longer than two looks at the clock
        return arrived and len(self.admitted) == count

    def end(self) -> None:
        """Let everybody go home."""
        self._stop.set()
        for place in range(len(self._threads)):
            self.tell(place, lambda _: None)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()


@contextmanager
def crowd_of(size: int, clock: Clock) -> Iterator[tuple[Crowd, HostThrottle]]:
    """So many threads that wait out a pause of ten seconds."""
    stop = CancelToken()
    host = new_host(clock, stop=stop)
    with host.permit() as permit:
        fail(permit, throttled(10))
    crowd = Crowd(host, size, stop)
    try:
        yield crowd, host
    finally:
        crowd.end()


class TestBackoff:
    """The wait between two tries."""

    @given(st.integers(1, 10_000))
    def test_it_doubles_to_a_minute_with_jitter(self, failures: int) -> None:
        """The wait after n failures is between a half and the whole of 1 s doubled n - 1 times, at most 60 s."""
        longest_s = min(60.0, 2.0 ** min(failures - 1, 20))
        assert longest_s / 2 <= backoff_s(failures) <= longest_s

    def test_it_is_not_always_the_same(self) -> None:
        """Clients that failed together do not come back together."""
        assert len({backoff_s(7) for _ in range(20)}) > 1


class TestRetryAfter:
    """What a Retry-After header asks for."""

    @pytest.mark.parametrize(
        ("value", "date", "expected"),
        [
            (None, DATE, None),
            ("0", DATE, 0.0),
            ("7", DATE, 7.0),
            (" 120 ", None, 120.0),
            ("Wed, 21 Oct 2015 07:28:30 GMT", DATE, 30.0),
            ("Wed, 21 Oct 2015 07:27:30 GMT", DATE, 0.0),
            ("Wednesday, 21-Oct-15 07:28:30 GMT", DATE, 30.0),
            ("Wed Oct 21 07:28:30 2015", DATE, 30.0),
            ("Wed, 21 Oct 2015 09:28:30 +0200", DATE, 30.0),
            ("", DATE, None),
            ("soon", DATE, None),
            ("-5", DATE, None),
            ("1.5", DATE, None),
            ("+5", DATE, None),
            ("5 s", DATE, None),
            ("٣", DATE, None),
            ("²", DATE, None),
            ("99 Foo 9999999999 99:99:99", DATE, None),
        ],
    )
    def test_seconds_and_dates_are_understood(
        self, value: str | None, date: str | None, expected: float | None
    ) -> None:
        """Seconds count as they are, a date from the answer's own date, and nonsense not at all."""
        assert retry_after_s(value, date=date) == expected

    @pytest.mark.parametrize("date", [None, "", "yesterday"])
    def test_a_date_alone_counts_from_now(self, date: str | None) -> None:
        """Where the answer does not say what time it is, this machine's clock has to do."""
        waits_s = retry_after_s(formatdate(time.time() + 100, usegmt=True), date=date)
        assert waits_s is not None
        assert 90 <= waits_s <= 100

    @given(st.none() | st.text(), st.none() | st.text())
    def test_any_text_is_survived(self, value: str | None, date: str | None) -> None:
        """Whatever stands in the headers, the answer is None or seconds that are not negative."""
        waits_s = retry_after_s(value, date=date)
        assert waits_s is None or 0 <= waits_s < float("inf")

    @given(
        st.from_regex(
            r"\A[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,12} \d{1,3}:\d{1,3}(:\d{1,3})? ?([+-]\d{1,9}|GMT)?\Z"
        ),
        st.none() | st.just(DATE),
    )
    def test_any_likeness_of_a_date_is_survived(self, value: str, date: str | None) -> None:
        """A date with impossible numbers in it is nonsense, and no more."""
        waits_s = retry_after_s(value, date=date)
        assert waits_s is None or 0 <= waits_s < float("inf")


class Waits(CancelToken):
    """Takes note of waits in place of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, seconds: float) -> None:
        """Take note."""
        self.seconds.append(seconds)


class TestAttempts:
    """Patience with one request."""

    @pytest.mark.parametrize("retries", [0, 1, 6])
    def test_one_more_than_the_retries_ends_it(self, retries: int) -> None:
        """The failed attempt after `retries` others is the last, and nothing is waited for after it."""
        waits = Waits()
        budget = RetryBudget(retries, stop=waits)
        assert [budget.wait(BROKEN) for _ in range(retries + 1)] == [True] * retries + [False]
        assert len(waits.seconds) == retries

    def test_one_that_got_ahead_does_not_count(self) -> None:
        """Attempts that got ahead never use up the others, and the wait is short again after them."""
        waits = Waits()
        budget = RetryBudget(3, stop=waits)
        assert all(budget.wait(BROKEN) for _ in range(3))
        assert waits.seconds[-1] >= 2
        assert all(budget.wait(BROKEN, has_progressed=True) for _ in range(50))
        assert waits.seconds[-1] <= 1
        assert not budget.wait(BROKEN)

    def test_one_that_was_throttled_does_not_count(self) -> None:
        """Attempts that were throttled neither use up the others, nor wait here, nor are told of."""
        waits, told = Waits(), list[Update]()
        budget = RetryBudget(0, stop=waits, on_update=told.append)
        assert all(budget.wait(throttled()) for _ in range(50))
        assert not budget.wait(BROKEN)
        assert not waits.seconds
        assert not told

    def test_waits_grow_with_failures_in_a_row(self) -> None:
        """Each failure in a row doubles the wait, and each retry is told of with its wait."""
        waits, told = Waits(), list[Update]()
        budget = RetryBudget(10, stop=waits, on_update=told.append)
        for number, longest_s in enumerate((1, 2, 4, 8, 16, 32, 60, 60), start=1):
            assert budget.wait(BROKEN, attempt=number)
            assert longest_s / 2 <= waits.seconds[-1] <= longest_s
            assert told[-1] == RetryScheduled(None, BROKEN, number, waits.seconds[-1])

    def test_some_need_not_wait(self) -> None:
        """An attempt after which the next may be made at once counts all the same."""
        waits = Waits()
        budget = RetryBudget(1, stop=waits)
        assert budget.wait(BROKEN, at_once=True)
        assert not budget.wait(BROKEN, at_once=True)
        assert waits.seconds == [0]


class TestStop:
    """The end of the run."""

    def test_it_ends_a_wait(self) -> None:
        """A wait is over as soon as the run ends."""
        stop = CancelToken()
        threading.Timer(0.05, stop.set).start()
        started_s = time.monotonic()
        with pytest.raises(StoppedError):
            stop.wait(60)
        assert time.monotonic() - started_s < 30
        assert stop.is_set

    def test_a_wait_for_less_than_nothing_is_none(self) -> None:
        """A wait that lies in the past does not wait."""
        CancelToken().wait(-1)


class TestPauses:
    """A host that asks for patience."""

    @pytest.mark.parametrize("asked_s", [1.0, 7.0, 599.0])
    def test_what_is_asked_for_is_waited(self, asked_s: float) -> None:
        """The next request is sent when the pause that was asked for is over, neither before nor much later."""
        clock = Clock()
        host = alone(clock)
        with host.permit() as permit:
            fail(permit, throttled(asked_s))
        with host.permit():
            assert asked_s <= clock.now_s - 1000 < asked_s + 0.3

    @pytest.mark.parametrize("asked_s", [None, 0.0])
    def test_without_a_time_pauses_double(self, asked_s: float | None) -> None:
        """A host that does not say for how long is left alone for longer each time."""
        clock = Clock()
        host = alone(clock)
        for longest_s in (1, 2, 4, 8, 16, 32, 60):
            began_s = clock.now_s
            with host.permit() as permit:
                assert clock.now_s == began_s
                fail(permit, throttled(asked_s))
            with host.permit():
                assert longest_s / 2 <= clock.now_s - began_s < longest_s + 0.3

    def test_requests_under_way_count_once(self) -> None:
        """Sixty-four answers of 429 to requests sent together make one short pause, not a long one."""
        clock = Clock()
        host = alone(clock)
        permits = [Permit(host) for _ in range(64)]
        for permit in permits:
            clock.now_s += 0.001
            fail(permit, throttled())
        began_s = clock.now_s
        with host.permit():
            assert clock.now_s - began_s < 1.3

    def test_a_longer_pause_is_not_cut_short(self) -> None:
        """An answer that asks for less than another one did does not bring the end nearer."""
        clock = Clock()
        host = alone(clock)
        first, second = Permit(host), Permit(host)
        fail(first, throttled(30))
        fail(second, throttled(1))
        with host.permit():
            assert clock.now_s - 1000 >= 30

    def test_a_pause_is_told_once(self) -> None:
        """People hear of a pause once, however many requests were under way."""
        clock = Clock()
        told: list[Update] = []
        host = alone(clock, on_update=told.append)
        for permit in [Permit(host) for _ in range(16)]:
            fail(permit, throttled(20))
        assert told == [HostPaused(host="api.test", code="http_429", wait_s=20)]

    def test_more_patience_than_there_is_is_not_had(self) -> None:
        """A pause beyond the patience is not begun: the run ends and says when to come back."""
        clock = Clock()
        host = alone(clock)
        with host.permit() as permit, pytest.raises(GivenUpError, match="asks to retry in 20 min") as caught:
            fail(permit, throttled(1201))
        assert caught.value.code == "http_429"
        assert "again at " in str(caught.value.hint)
        assert clock.now_s == 1000

    @pytest.mark.parametrize("asked_s", [1e9, 999_999_999_999.0])
    def test_a_pause_of_ages_is_told(self, asked_s: float) -> None:
        """A host that wants to be left alone for centuries is told of as any other."""
        host = alone(Clock())
        with host.permit() as permit, pytest.raises(GivenUpError, match="asks to retry in"):
            fail(permit, throttled(asked_s))

    def test_patience_with_pauses_ends(self) -> None:
        """A host that does nothing but ask for patience is given up when the patience is over, not later."""
        clock = Clock()
        host = alone(clock)
        with pytest.raises(GivenUpError, match="kept returning status 429 for 600 s"):
            _ask_on(host, clock)
        assert clock.now_s >= 1000 + GIVE_UP_AFTER_S

    def test_the_end_of_the_run_ends_a_pause(self) -> None:
        """Nobody waits out a pause when the run is over."""
        clock = Clock()
        with crowd_of(4, clock) as (crowd, _):
            crowd._stop.set()
            assert is_soon(lambda: crowd.stopped == 4)


class TestFirstAfterAPause:
    """After a pause one request goes first."""

    def test_nobody_goes_during_the_pause(self) -> None:
        """No request is sent before the pause is over."""
        clock = Clock()
        with crowd_of(4, clock) as (crowd, _):
            clock.now_s += 9.9
            assert crowd.is_settled_at(0)

    def test_one_goes_and_the_others_follow_its_success(self) -> None:
        """One request is sent when the pause is over, all others when it has been answered."""
        clock = Clock()
        with crowd_of(6, clock) as (crowd, _):
            clock.now_s += 10.1
            assert crowd.is_settled_at(1)
            crowd.tell(0, Permit.record_success)
            assert is_soon(lambda: len(crowd.admitted) == 6)

    def test_another_refusal_makes_another_pause(self) -> None:
        """Nobody follows a request that was refused, and after the next pause one goes first again."""
        clock = Clock()
        with crowd_of(6, clock) as (crowd, _):
            clock.now_s += 10.1
            assert crowd.is_settled_at(1)
            crowd.tell(0, lambda permit: fail(permit, throttled(10)))
            assert crowd.is_settled_at(1)
            clock.now_s += 10.1
            assert crowd.is_settled_at(2)

    def test_a_failure_lets_the_next_one_try(self) -> None:
        """When the first request breaks, one other takes its place, and not the crowd."""
        clock = Clock()
        with crowd_of(6, clock) as (crowd, _):
            clock.now_s += 10.1
            assert crowd.is_settled_at(1)
            crowd.tell(0, fail)
            assert crowd.is_settled_at(2)

    def test_one_that_ends_without_a_word_does_not_block(self) -> None:
        """A first request that ends in some other way leaves its place to the next."""
        clock = Clock()
        with crowd_of(3, clock) as (crowd, _):
            clock.now_s += 10.1
            crowd.tell(0, lambda _: None)
            assert crowd.is_settled_at(2)

    def test_an_old_answer_does_not_end_the_pause(self) -> None:
        """A request sent before the pause and answered during it says nothing about its end."""
        clock = Clock()
        stop = CancelToken()
        host = new_host(clock, stop=stop)
        with host.permit() as early, host.permit() as refused:
            fail(refused, throttled(10))
            early.record_success()
        crowd = Crowd(host, 3, stop)
        try:
            assert crowd.is_settled_at(0)
            clock.now_s += 10.1
            assert crowd.is_settled_at(1)
        finally:
            crowd.end()


class TestSilence:
    """A host that answers nothing usable."""

    def test_it_is_given_up_after_its_time(self) -> None:
        """Failures for as long as the patience lasts end the run; one answer in between starts it afresh."""
        clock = Clock()
        host = alone(clock)
        verdicts: list[Callable[[Permit], None]] = [*[fail] * 13, Permit.record_success, *[fail] * 13]
        for verdict in verdicts:
            clock.now_s += 15
            with host.permit() as permit:
                clock.now_s += 30
                verdict(permit)
        clock.now_s += 30
        with (
            host.permit() as permit,
            pytest.raises(GivenUpError, match=r"no usable response from api\.test for 600 s; giving up"),
        ):
            fail(permit)

    @pytest.mark.parametrize("error", [BROKEN, PhotoError("it is a web page")])
    def test_an_error_that_passes_through_a_permit_counts(self, error: NinepicError) -> None:
        """A request that fails after a long silence is the last, though nobody recorded its failure."""
        with pytest.raises(GivenUpError, match=f"give-up-after\\): {error.message}"):
            request(Clock(), error, after_s=GIVE_UP_AFTER_S)

    @pytest.mark.parametrize("error", [PhotoError("it is too large"), MachineError("the disk is full")])
    def test_an_error_after_a_success_does_not_count(self, error: NinepicError) -> None:
        """What fails for another reason, though the host is well, says nothing about the host."""
        with pytest.raises(type(error)):
            request(Clock(), error, after_s=2 * GIVE_UP_AFTER_S, is_answered=True)

    def test_one_that_is_throttled_pauses_its_host(self) -> None:
        """A request that was throttled pauses the host when its error passes through its permit."""
        clock = Clock()
        host = alone(clock)
        with pytest.raises(ThrottledError), host.permit():
            raise throttled(7)
        with host.permit():
            assert clock.now_s >= 1007

    def test_a_host_that_nobody_asks_is_not_silent(self) -> None:
        """A failure long ago and one now, with no request in between, are not a long silence."""
        clock = Clock()
        host = alone(clock)
        for _ in range(3):
            with host.permit() as permit:
                fail(permit)
            clock.now_s += 3600

    def test_pauses_belong_to_it(self) -> None:
        """The time of a pause that no answer followed is part of the silence."""
        clock = Clock()
        host = alone(clock)
        with host.permit() as permit:
            fail(permit, throttled(400))
        with host.permit() as permit, pytest.raises(GivenUpError, match="asks to retry in 5 min"):
            fail(permit, throttled(300))

    def test_it_begins_with_a_request(self) -> None:
        """A host that nobody asked for an hour is not given up at its first failure."""
        clock = Clock()
        host = alone(clock)
        clock.now_s += 3600
        with host.permit() as permit:
            fail(permit)

    def test_a_request_from_before_an_answer_counts_from_there(self) -> None:
        """A request that hung while others were answered is no long silence."""
        clock = Clock()
        host = alone(clock)
        with host.permit() as slow:
            clock.now_s += GIVE_UP_AFTER_S - 1
            with host.permit() as permit:
                permit.record_success()
            clock.now_s += 2
            fail(slow)

    @given(
        st.lists(
            st.sampled_from(["answered", "failed", "throttled"]).flatmap(
                lambda word: st.tuples(st.just(word), st.none() | st.floats(0, 700), st.floats(0, 60))
            ),
            max_size=30,
        )
    )
    def test_any_sequence_of_answers_keeps_the_rules(self, steps: list[tuple[str, float | None, float]]) -> None:
        """No request is sent during a pause, none after the patience is over, and no run ends while there is some."""
        clock = Clock()
        host = alone(clock)
        silent_since_s: float | None = None
        not_before_s = clock.now_s
        for verdict, asked_s, takes_s in steps:
            with host.permit() as permit:
                assert clock.now_s >= not_before_s
                assert silent_since_s is None or clock.now_s <= silent_since_s + GIVE_UP_AFTER_S + 0.3
                sent_s = clock.now_s
                clock.now_s += takes_s
                if verdict == "answered":
                    permit.record_success()
                    silent_since_s = None
                    continue
                silent_since_s = sent_s if silent_since_s is None else silent_since_s
                left_s = silent_since_s + GIVE_UP_AFTER_S - clock.now_s
                wanted_s = (asked_s or 0) if verdict == "throttled" else 0
                if left_s <= 0 or wanted_s > left_s:
                    with pytest.raises(GivenUpError):
                        fail(permit, throttled(asked_s) if verdict == "throttled" else None)
                    return
                fail(permit, throttled(asked_s) if verdict == "throttled" else None)
                not_before_s = clock.now_s + wanted_s


def _ask_on(host: HostThrottle, clock: Clock) -> None:
    """Asks a host that refuses, for as long as it may be asked."""
    while True:
        with host.permit() as permit:
            assert clock.now_s < 1000 + GIVE_UP_AFTER_S + 1
            fail(permit, throttled())


class TestHosts:
    """Patience with each host on its own."""

    def test_each_host_has_its_own(self) -> None:
        """A pause of one host does not hold up another, and a port is a host of its own."""
        hosts = HostThrottles(give_up_after_s=600, stop=CancelToken())
        with hosts.of("https://a.test/x").permit() as permit:
            fail(permit, throttled(500))
        with hosts.of("https://b.test/x").permit(), hosts.of("https://a.test:8443/x").permit():
            pass
        assert hosts.of("https://a.test/y?z") is hosts.of("https://a.test/x")

    def test_its_name_holds_nothing_secret(self) -> None:
        """A host's name, which is shown, has neither a password nor a signature in it."""
        hosts = HostThrottles(give_up_after_s=600, stop=CancelToken())
        assert hosts.of("https://me:secret@a.test/x?X-Amz-Signature=1").name == "a.test"
        assert hosts.of("https://a.test?X-Amz-Signature=1").name == "a.test"

    def test_threads_share_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Workers that ask at the same moment for the same host get the same patience."""
        made: list[str] = []

        class SlowHost(HostThrottle):
            def __init__(self, name: str, **options: Any) -> None:
                made.append(name)
                time.sleep(0.01)
                super().__init__(name, **options)

        monkeypatch.setattr("ninepic_cli.net.retry.HostThrottle", SlowHost)
        hosts, start, found = HostThrottles(give_up_after_s=600, stop=CancelToken()), threading.Barrier(16), set()

        def ask() -> None:
            start.wait(10)
            found.add(hosts.of("https://a.test/"))

        threads = [threading.Thread(target=ask) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert made == ["a.test"]
        assert len(found) == 1
