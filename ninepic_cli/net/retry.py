"""Which failures deserve another attempt, after how long, and when a host is given up.

Patience with one request is counted in attempts (`RetryBudget`), patience with a host in seconds (`HostThrottle`).
Waiting always goes through `CancelToken.wait`, so that the end of the run ends every pause.
"""

import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import partial
from urllib.parse import urlsplit

from ninepic_cli.errors import GivenUpError, NinepicError, OpenFilesError, PhotoError, ThrottledError, TransientError
from ninepic_cli.models import Photo
from ninepic_cli.system.shutdown import CancelToken
from ninepic_cli.updates import HostPaused, RetryScheduled, Update

_TRANSIENT_STATUSES = frozenset({408, 425, 500, 502, 504, 520, 521, 522, 523, 524, 530})
_THROTTLING_STATUSES = frozenset({429, 503})

_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0


def backoff_s(failures: int) -> float:
    """Seconds to wait after so many failures in a row: 1 doubling to at most 60, with jitter of a half."""
    longest = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** min(failures - 1, 10))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 (spreads load, guards nothing)


def retry_after_s(value: str | None, *, date: str | None) -> float | None:
    """What a `Retry-After` header asks for, in seconds; None where it makes no sense (RFC 9110, 10.2.3).

    Args:
        value: the header, seconds or an HTTP-date.
        date: the response's own `Date`; a date is counted from it, since the local clock may be wrong by hours.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    then, now = http_date(text), http_date(date or "")
    return None if then is None else max(0.0, then - (time.time() if now is None else now))


def http_date(text: str) -> float | None:
    """The moment that a `Date` header names, in seconds since 1970; None where it is none."""
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def retryable_error(status: int, headers: Mapping[str, str], *, sender: str) -> TransientError | None:
    """The error that a status means after which another attempt may help; None for any other status.

    Header names are in lower case; `sender` is who answered, in messages: "storage".
    """
    code = f"http_{status}"
    if status in _THROTTLING_STATUSES:
        asked_s = retry_after_s(headers.get("retry-after"), date=headers.get("date"))
        return ThrottledError(f"HTTP {status}", retry_after_s=asked_s, code=code)
    return TransientError(f"HTTP {status} from {sender}", code=code) if status in _TRANSIENT_STATUSES else None


class RetryBudget:
    """The failed attempts of one request, of which `retries` + 1 end it; `photo` is None for one of the listing."""

    def __init__(
        self,
        retries: int,
        *,
        stop: CancelToken,
        on_update: Callable[[Update], None] = lambda _: None,
        photo: Photo | None = None,
    ) -> None:
        self._left = retries + 1
        self._in_a_row = 0
        self._stop = stop
        self._on_update = on_update
        self._photo = photo

    def wait(
        self, error: TransientError, *, attempt: int = 1, has_progressed: bool = False, at_once: bool = False
    ) -> bool:
        """Count a failed attempt, and wait until the next may be made; False where none is left.

        One that was throttled does not count: the host's pause is waited for with the next permit.

        Args:
            error: what it failed with.
            attempt: its number.
            has_progressed: it got well ahead, so that it does not count, and the wait is a short one.
            at_once: there is nothing to wait for.
        """
        if isinstance(error, ThrottledError):
            return True
        self._in_a_row = 1 if has_progressed else self._in_a_row + 1
        self._left -= not has_progressed
        if self._left <= 0:
            return False
        wait_s = 0.0 if at_once else backoff_s(self._in_a_row)
        self._on_update(RetryScheduled(self._photo, error, attempt, wait_s))
        self._stop.wait(wait_s)
        return True


class Permit:
    """One request's leave to be sent to a host."""

    def __init__(self, host: "HostThrottle") -> None:
        self._host = host
        self.started_s = host.now_s()
        self.has_succeeded = False

    def record_success(self) -> None:
        """The host gave a usable response: it is well."""
        self.has_succeeded = True
        self._host.end_silence(self)


class HostThrottle:
    """Patience with one host, shared by all workers.

    After a pause one request goes first and the others wait for how it fares, so that a host that is
    still overloaded gets one request and not sixty-four.
    """

    def __init__(
        self,
        name: str,
        *,
        give_up_after_s: float,
        stop: CancelToken,
        on_update: Callable[[Update], None] = lambda _: None,
        now_s: Callable[[], float] = time.monotonic,
        address: str | None = None,
    ) -> None:
        self.name = name
        self.address = address or name
        self.now_s = now_s
        self._give_up_after_s = give_up_after_s
        self._stop = stop
        self._on_update = on_update
        self._changed = threading.Condition()
        self._paused_at_s = self._paused_until_s = 0.0
        self._pauses = 0  # in a row; not 0 means that the next request goes alone
        self._first: Permit | None = None
        self._answered_s = self._last_asked_s = now_s()
        self._silent_since_s: float | None = None
        self._in_flight = 0

    @contextmanager
    def permit(self) -> Iterator[Permit]:
        """Wait until a request may be sent, and hold its permit while it is under way.

        An error that another attempt may help, or a photo's before any success is recorded, counts against the host
        when it passes through here. Success is recorded where it is known.

        Raises:
            StoppedError: the run ends.
            GivenUpError: the host has answered nothing usable for too long, or asks for more patience than there is.
        """
        permit = self._admit()
        try:
            yield permit
        except (TransientError, PhotoError) as error:
            self._record_error(permit, error)
            raise
        finally:
            with self._changed:
                self._in_flight -= 1
                self._last_asked_s = max(self.now_s(), self._paused_until_s)
                self._release(permit)

    def end_silence(self, permit: Permit) -> None:
        """The request with this permit has been answered."""
        with self._changed:
            self._answered_s = self.now_s()
            self._silent_since_s = None
            if self._first is permit:
                # Answers to requests sent before the pause say nothing about its end.
                self._pauses = 0
                self._release(permit)

    def _admit(self) -> Permit:
        with self._changed:
            while True:
                self._stop.check()
                left_s = self._paused_until_s - self.now_s()
                if left_s <= 0 and self._first is None:
                    break
                # A short wait, because the end of the run does not notify.
                self._changed.wait(min(max(left_s, 0.05), 0.2))
            if not self._in_flight and self.now_s() - self._last_asked_s > _LONGEST_WAIT_S + 1:
                self._silent_since_s = None  # longer than any back-off: nobody asked, so it was not silent
            self._in_flight += 1
            permit = Permit(self)
            if self._pauses:
                self._first = permit
            return permit

    def _release(self, permit: Permit) -> None:
        if self._first is permit:
            self._first = None
            self._changed.notify_all()

    def _record_error(self, permit: Permit, error: NinepicError) -> None:
        if isinstance(error, OpenFilesError):
            return  # which says nothing about the host
        if isinstance(error, ThrottledError):
            self._pause(permit, error)
        elif isinstance(error, TransientError) or not permit.has_succeeded:
            self._check_silence(permit, error)

    def _check_silence(self, permit: Permit, error: NinepicError) -> None:
        with self._changed:
            if self._silence_left_s(permit) <= 0:
                raise GivenUpError(
                    f"no usable response from {self.address} for {self._give_up_after_s:.0f} s; "
                    f"giving up (--give-up-after): {error.message}",
                    hint=error.hint
                    or "run the same command again later; files already on disk are not downloaded again",
                ) from error

    def _pause(self, permit: Permit, error: ThrottledError) -> None:
        """Send nothing to the host for as long as it asks for, or for longer each time."""
        with self._changed:
            left_s = self._silence_left_s(permit)
            asked_s = error.retry_after_s
            if asked_s is not None and asked_s > left_s:
                raise GivenUpError(
                    f"{self.address} returned {error.message} and asks to retry in {_duration(asked_s)}",
                    hint=f"run the same command again {_clock_time(asked_s)}, or raise --give-up-after",
                    code=error.code,
                )
            if left_s <= 0:
                raise GivenUpError(
                    f"{self.address} kept returning {error.message} for {self._give_up_after_s:.0f} s; "
                    "giving up (--give-up-after)",
                    hint="run the same command again later, or with fewer --jobs",
                    code=error.code,
                )
            if permit.started_s >= self._paused_at_s or not self._pauses:
                # Of the responses to requests sent before a pause began, only the first makes it longer.
                self._pauses += 1
            wait_s = min(asked_s or backoff_s(self._pauses), left_s)
            now_s = self.now_s()
            is_news = now_s + wait_s > self._paused_until_s + 0.5
            self._paused_at_s = now_s
            self._paused_until_s = max(self._paused_until_s, now_s + wait_s)
        if is_news:
            self._on_update(HostPaused(host=self.name, code=error.code, wait_s=wait_s))

    def _silence_left_s(self, permit: Permit) -> float:
        """Seconds of silence that are still accepted, counted from the first request that got no response."""
        if self._silent_since_s is None:
            self._silent_since_s = max(permit.started_s, self._answered_s)
        return self._silent_since_s + self._give_up_after_s - self.now_s()


class HostThrottles:
    """Patience with every host of a run, each known by its name and port."""

    def __init__(
        self, *, give_up_after_s: float, stop: CancelToken, on_update: Callable[[Update], None] = lambda _: None
    ) -> None:
        self._new_host = partial(HostThrottle, give_up_after_s=give_up_after_s, stop=stop, on_update=on_update)
        self._lock = threading.Lock()
        self._hosts: dict[str, HostThrottle] = {}

    def of(self, url: str) -> HostThrottle:
        """The host that a URL leads to."""
        parts = urlsplit(url)
        name = parts.netloc.rpartition("@")[2].lower()
        with self._lock:
            if name not in self._hosts:
                has_port = re.search(r":\d+$", name)
                address = name if has_port else f"{name}:{80 if parts.scheme == 'http' else 443}"
                self._hosts[name] = self._new_host(name, address=address)
            return self._hosts[name]


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _clock_time(seconds: float) -> str:
    moment = time.localtime(time.time() + min(seconds, 10 * 365 * 86400))
    form = "at %H:%M" if seconds < 12 * 3600 else "on %Y-%m-%d at %H:%M"
    return time.strftime(form, moment)
