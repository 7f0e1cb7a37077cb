"""The REST API: requests with the key, and answers as pages of entries or as our errors.

By its published reference, answers are `{"responseType", "message", "data"}`; an older version sent `data` alone.
`message` is for people: it is shown, and nothing is decided by its words.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ninepic_cli.api.pagination import iter_all_pages
from ninepic_cli.api.rejections import (
    ForbiddenError,
    event_not_found,
    event_rejection,
    key_rejection,
    organisation_rejection,
    question_rejection,
    refusal,
)
from ninepic_cli.api.schema import (
    EventDetails,
    EventEntry,
    Page,
    PhotoItem,
    Query,
    UnreadableError,
    parse_event_details,
    parse_events_page,
    parse_photos_page,
    parse_text,
    redact_answer,
)
from ninepic_cli.errors import (
    EventNotFoundError,
    MachineError,
    NinepicError,
    NotAllowedError,
    OpenFilesError,
    RejectedError,
    ServiceFailedError,
    StoppedError,
    TransientError,
    UnusableAnswerError,
)
from ninepic_cli.models import Credentials
from ninepic_cli.net.client import Client
from ninepic_cli.net.connection import Response
from ninepic_cli.net.retry import HostThrottle, RetryBudget, retryable_error
from ninepic_cli.system.shutdown import CancelToken
from ninepic_cli.updates import RequestFinished, Update

_UNREACHABLE = "check network, proxy and base URL"
_PAGE_SIZE = 60
_EVENTS_PAGE_SIZE = 100
_MAX_BODY_BYTES = 4 << 20  # bytes; sixty links take a fiftieth of that
_MAX_VALUES = 100_000  # in one answer: a million empty lists take 3 MB on the wire, and thirty times that when read

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Request(Generic[T]):
    """A request, what names it in messages, and what parses its payload, or raises UnreadableError.

    Attributes:
        body: posted as JSON; None for a GET.
        retries: further tries; None for those of other requests.
    """

    url: str
    what: str
    parse: Callable[[dict[str, Any]], T]
    body: object = None
    retries: int | None = None


class Api:
    """The service, for one organisation and event; used by many threads at once. The key is sent by nothing else.

    Attributes:
        fatal_error: why no further link is to be had (key refused, host given up, ...); None as long as there may be.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        client: Client,
        host: HostThrottle,
        retries: int,
        stop: CancelToken,
        on_update: Callable[[Update], None] = lambda _: None,
    ) -> None:
        self._credentials = credentials
        self._client = client
        self._host = host
        self._retries = retries
        self._stop = stop
        self._on_update = on_update
        self._root = f"{credentials.base_url}/api/v1/ext/{credentials.org_id}"
        self._event_url = f"{self._root}/event/{credentials.event_id}"
        self._confirm_lock = threading.Lock()
        self._has_confirmed_event = False
        self.fatal_error: NinepicError | None = None

    def photos_page(self, query: Query, number: int, *, what: str) -> Page[PhotoItem]:
        """A page of photos with their links, by its number from 1; `what` names the request in messages.

        Raises:
            RejectedError: the service rejects this request (400, 404, 422, ...).
            ServiceFailedError: it failed too often.
            EventNotFoundError, NotAllowedError, GivenUpError: no other request would fare better.
        """
        if self.fatal_error:
            raise self.fatal_error
        url = f"{self._event_url}/original-photos?page={number}&page_size={_PAGE_SIZE}"
        request = _Request(url, what, lambda data: parse_photos_page(data, query), query.body())
        try:
            return self._execute_for_event(request)
        except (RejectedError, ServiceFailedError, StoppedError):
            raise
        except NinepicError as error:
            self.fatal_error = error
            raise

    def get_event_data(self, path: str, *, what: str, parse: Callable[[dict[str, Any]], T]) -> T:
        """What is at a path below the event, parsed; an answer that raises UnreadableError there is as good as none.

        Raises:
            NinepicError: as by `photos_page`.
        """
        return self._execute_for_event(_Request(f"{self._event_url}/{path}", what, parse))

    def ping(self, *, retries: int | None = None) -> None:
        """See that key, organisation and event fit together, with as many `retries` as other requests unless given.

        Raises:
            EventNotFoundError, NotAllowedError: which of them does not.
            NinepicError: the service could not say.
        """
        try:
            self._execute(_Request(f"{self._event_url}/ping", "ping", _check_pong, retries=retries))
        except RejectedError as error:
            if error.status == 404:
                raise event_not_found(self._credentials) from None
            raise question_rejection(error, self._credentials.event_id) from None
        except ForbiddenError as error:
            raise self._explain_forbidden(error) from None

    def events(self) -> Iterator[EventEntry]:
        """The organisation's events in the service's order, each once; a page is asked for when it is needed.

        Raises:
            SettingsError: the service does not know the organisation.
            NotAllowedError: it refuses the key, or the key for the organisation.
            NinepicError: it could not say.
        """
        name, is_begun = f"organisation {self._credentials.org_id}", False
        pages = iter_all_pages(self._events_page, name=name, things="events", warn=self._on_update)
        try:
            for page in pages:
                for _, event in page.new_items:
                    is_begun = True
                    yield event
        except ForbiddenError as error:
            raise key_rejection(error, self._credentials) from None
        except RejectedError as error:
            raise organisation_rejection(error, self._credentials.org_id, is_begun=is_begun) from None

    def event_details(self) -> EventDetails:
        """The event's details.

        Raises:
            NinepicError: as by `photos_page`.
        """
        return self.get_event_data("details", what="event details", parse=parse_event_details)

    def _events_page(self, number: int, size: int = _EVENTS_PAGE_SIZE, retries: int | None = None) -> Page[EventEntry]:
        url = f"{self._root}/events?page={number}&page_size={size}"
        return self._execute(_Request(url, "event list", parse_events_page, retries=retries))

    def _execute_for_event(self, request: _Request[T]) -> T:
        try:
            return self._execute(request)
        except RejectedError as error:
            if error.status == 404:
                self._confirm_event()
            raise
        except ForbiddenError as error:
            raise self._explain_forbidden(error) from None

    def _confirm_event(self) -> None:
        """After the run's first 404: ends the run if the event does not exist, else the 404 stands."""
        with self._confirm_lock:
            if self._has_confirmed_event:
                return
            self._has_confirmed_event = True
            try:
                self.ping(retries=0)
            except EventNotFoundError:
                raise
            except NinepicError:
                self._stop.check()  # a ping that failed says nothing about the event

    def _explain_forbidden(self, error: ForbiddenError) -> NinepicError:
        """Tell a refused key or organisation from a wrong event: the organisation's event list knows."""
        try:
            self._events_page(1, size=1, retries=1)
        except ForbiddenError:
            return key_rejection(error, self._credentials)
        except NinepicError:
            self._stop.check()
            return event_rejection(error, self._credentials, is_key_good=False)
        return event_rejection(error, self._credentials, is_key_good=True)

    def _execute(self, request: _Request[T]) -> T:
        """What the answer to a request says; it is repeated until it is answered or its tries are spent."""
        retries = self._retries if request.retries is None else request.retries
        budget, attempt = RetryBudget(retries, stop=self._stop, on_update=self._on_update), 0
        while True:
            attempt += 1
            try:
                return self._attempt(request, attempt)
            except TransientError as error:
                if isinstance(error, OpenFilesError):
                    self._client.close_idle()
                if not budget.wait(error, attempt=attempt):
                    if isinstance(error, OpenFilesError):
                        raise MachineError(error.message, hint=error.hint, code=error.code) from error
                    tried = "" if attempt == 1 else f", {attempt} attempts"
                    raise ServiceFailedError(
                        f"{error.message} ({request.what}{tried})",
                        hint=error.hint
                        or "run the same command again later; files already on disk are not downloaded again",
                        code=error.code,
                    ) from error

    def _attempt(self, request: _Request[T], attempt: int) -> T:
        """One try; only an answer that could be read ends the host's silence."""
        with self._host.permit() as permit:
            try:
                result = self._send(request, attempt)
            except (RejectedError, NotAllowedError, ForbiddenError):
                permit.record_success()
                raise
            permit.record_success()
            return result

    def _send(self, request: _Request[T], attempt: int) -> T:
        method, content = "GET", None
        headers = {"X-API-Key": self._credentials.api_key, "Accept": "application/json"}
        if request.body is not None:
            method, content = "POST", json.dumps(request.body).encode()
            headers["Content-Type"] = "application/json"
        started_s = time.monotonic()
        status, size, ray, date, trouble = None, 0, None, None, None
        try:
            with self._client.send(method, request.url, headers=headers, content=content) as response:
                status, ray, date = response.status, response.headers.get("cf-ray"), response.headers.get("date")
                data = response.body(_MAX_BODY_BYTES + 1)
                size = len(data)
                return self._parse_response(request, response, data)
        except NinepicError as error:
            trouble = error.message
            if status is None and isinstance(error, TransientError) and error.code in {"connection", "timeout"}:
                error.hint = error.hint or _UNREACHABLE
            raise
        finally:
            seconds = time.monotonic() - started_s
            self._on_update(RequestFinished(request.what, status, attempt, size, seconds, ray, trouble, date))

    def _parse_response(self, request: _Request[T], response: Response, data: bytes) -> T:
        """What an answer says, or the error that it means."""
        if error := retryable_error(response.status, response.headers, sender="the service"):
            raise error
        try:
            return request.parse(_parse_payload(response, data, key=self._credentials.api_key))
        except (UnreadableError, RecursionError) as cause:
            words = "a body that is not the service's JSON" if isinstance(cause, RecursionError) else str(cause)
            raise self._unusable_answer(response.status, words) from cause

    def _unusable_answer(self, status: int, words: str) -> UnusableAnswerError:
        """The error for a response that is not the service's; a 404 means that its address has a wrong path."""
        if status == 404:
            message = f"no API at {self._credentials.base_url}: HTTP 404 with {words}"
            return UnusableAnswerError(
                message, hint="check the path in base-url (NINEPIC_BASE_URL), and the network (login page, proxy?)"
            )
        return UnusableAnswerError(f"{self._host.address} returned HTTP {status} with {words}")


def _parse_payload(response: Response, body: bytes, *, key: str) -> dict[str, Any]:
    """The payload of a response, or the error that its status means.

    Raises:
        UnreadableError: it is not the service's.
    """
    parsed = _json_object(body)
    if parsed is not None:
        redact_answer(parsed, key)
    message = parse_text(parsed, "message").strip()[:500]
    if response.status == 401 or (parsed is not None and 400 <= response.status < 500):
        raise refusal(response.status, message)
    if 300 <= response.status < 400:
        raise UnreadableError("a redirect (not followed)")
    if parsed is None:
        raise UnreadableError(_describe_body(response, body))
    if response.status != 200 or parsed.get("responseType") == "error":
        raise UnreadableError(f"the message: {message}" if message else "no message")
    data = parsed.get("data", parsed)
    if not isinstance(data, dict):
        raise UnreadableError("no data")
    return data


def _describe_body(response: Response, body: bytes) -> str:
    """What a body is that is not the service's."""
    if not body:
        return "an empty body"
    if _is_oversized(body):
        return "an oversized body"
    is_web_page = "html" in response.headers.get("content-type", "") or body.lstrip()[:1] == b"<"
    return "a web page" if is_web_page else "a body that is not the service's JSON"


def _is_oversized(body: bytes) -> bool:
    return len(body) > _MAX_BODY_BYTES or body.count(b",") > _MAX_VALUES  # all values but the first follow a comma


def _json_object(body: bytes) -> dict[str, Any] | None:
    """The object that a body is; None for any other, and for one that would take much memory."""
    if _is_oversized(body):
        return None
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _check_pong(payload: Mapping[str, Any]) -> None:
    if payload.get("status") != "ok":
        raise UnreadableError("no status 'ok'")
