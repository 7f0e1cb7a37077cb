"""The REST API: requests with the key, and answers as pages of entries or as our errors.

Facts about the service are those of its published reference: the envelope
`{"responseType", "message", "data"}` (an older version answered without it), statuses, and the pagination
object. `message` is for people: it is shown, and nothing is decided by its words.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ninepic_cli.api.pagination import iter_all_pages
from ninepic_cli.api.schema import (
    EventEntry,
    Page,
    Query,
    UnreadableError,
    events_page,
    originals_page,
    without_secrets,
)
from ninepic_cli.errors import (
    EventNotFoundError,
    MalformedRequestError,
    NinepicError,
    NotAllowedError,
    RejectedError,
    ServiceFailedError,
    SettingsError,
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

PAGE_SIZE = 60
EVENTS_PAGE_SIZE = 100
_LARGEST_ANSWER = 4 << 20  # bytes; sixty links take a fiftieth of that
_MOST_VALUES = 100_000  # in one answer: a million empty lists take 3 MB on the wire, and thirty times that when read

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Request(Generic[T]):
    """A request, and what to make of its answer.

    Attributes:
        what: names it in messages.
        read: makes of the payload what was asked for, or raises UnreadableError.
        body: sent as JSON; None for none.
        retries: further tries, where they are not to be those of other requests.
    """

    method: str
    url: str
    what: str
    read: Callable[[dict[str, Any]], T]
    body: object = None
    retries: int | None = None


class Api:
    """The service, for one organisation and event; used by many threads at once.

    Args:
        access: key, organisation, event and address.
        client: sends the requests; the key is added here and to nothing else.
        host: patience with the service's host.
        retries: further tries of a request.
        stop: ends every wait.
        on_update: told of answers and retries.

    Attributes:
        doom: why no further link is to be had (key refused, host given up, ...); None as long as there may be.
    """

    def __init__(
        self,
        access: Credentials,
        *,
        client: Client,
        host: HostThrottle,
        retries: int,
        stop: CancelToken,
        on_update: Callable[[Update], None] = lambda _: None,
    ) -> None:
        self._access = access
        self._client = client
        self._host = host
        self._retries = retries
        self._stop = stop
        self._on_update = on_update
        self._root = f"{access.base_url}/api/v1/ext/{access.org_id}"
        self._confirming = threading.Lock()
        self._event_is_confirmed = False
        self.doom: NinepicError | None = None

    def originals(self, query: Query, page: int, *, what: str) -> Page:
        """One page of links.

        Args:
            query: what is asked for.
            page: counts from 1.
            what: names the request in messages.

        Raises:
            RejectedError: the service rejects this request (400, 404, 422, ...).
            ServiceFailedError: it failed too often.
            EventNotFoundError, NotAllowedError, GivenUpError: no other request would fare better.
        """
        if self.doom:
            raise self.doom
        path = f"original-photos?page={page}&page_size={PAGE_SIZE}"
        request = _Request(
            "POST", f"{self._event_url}/{path}", what, lambda data: originals_page(data, query), query.body()
        )
        try:
            return self._of_event(request)
        except (RejectedError, ServiceFailedError, StoppedError):
            raise
        except NinepicError as error:
            self.doom = error
            raise

    def about_event(self, path: str, *, what: str, read: Callable[[dict[str, Any]], T]) -> T:
        """What the service says to a question about the event.

        Args:
            path: below the event, with its query.
            what: names the request in messages.
            read: makes of the payload what was asked for; raises UnreadableError where it cannot, and then the
                answer was no better than none.

        Raises:
            NinepicError: as by `originals`.
        """
        return self._of_event(_Request("GET", f"{self._event_url}/{path}", what, read))

    def _of_event(self, request: _Request[T]) -> T:
        try:
            return self._ask(request)
        except RejectedError as error:
            if error.status == 404:
                self._confirm_event()
            raise
        except _ForbiddenError as error:
            raise self._explain_forbidden(error) from None

    def ping(self, *, retries: int | None = None) -> None:
        """See that key, organisation and event fit together.

        Args:
            retries: further tries, where they are not to be those of other requests.

        Raises:
            EventNotFoundError, NotAllowedError: which of them does not.
            NinepicError: the service could not say.
        """
        try:
            self._ask(_Request("GET", f"{self._event_url}/ping", "ping", _check_pong, retries=retries))
        except RejectedError as error:
            if error.status == 404:
                raise self._no_such_event() from None
            raise unanswered(error, f"event {self._access.event_id}") from None
        except _ForbiddenError as error:
            raise self._explain_forbidden(error) from None

    def events(self) -> Iterator[EventEntry]:
        """The organisation's events in the service's order, each once; a page is asked for when it is needed.

        Raises:
            SettingsError: the service does not know the organisation.
            NotAllowedError: it refuses the key, or the key for the organisation.
            NinepicError: it could not say.
        """
        found: dict[str, EventEntry] = {}

        def fetch(number: int) -> Page:
            entries, page = self._ask(self._event_list(number, EVENTS_PAGE_SIZE))
            found.update(entries)
            return page

        name = f"organisation {self._access.org_id}"
        try:
            for turn in iter_all_pages(fetch, name=name, things="events", warn=self._on_update):
                for _, entry in turn.fresh:
                    yield found[entry.image_id]
        except _ForbiddenError as error:
            raise self._key_refused(error) from None
        except RejectedError as error:
            if error.status in {400, 404, 422} and not found:
                raise SettingsError(
                    f"the service does not know {name}: {error.message}",
                    hint="check --org (or NINEPIC_ORG_ID, or `ninepic config get org-id`)",
                ) from None
            raise ServiceFailedError(f"the service answered {error.status}: {error.message}", code=error.code) from None

    def _event_list(
        self, page: int, size: int, *, retries: int | None = None
    ) -> _Request[tuple[dict[str, EventEntry], Page]]:
        url = f"{self._root}/events?page={page}&page_size={size}"
        return _Request("GET", url, "event list", events_page, retries=retries)

    @property
    def _event_url(self) -> str:
        return f"{self._root}/event/{self._access.event_id}"

    def _confirm_event(self) -> None:
        """After the run's first 404: ends the run if the event does not exist, else the 404 stands."""
        with self._confirming:
            if self._event_is_confirmed:
                return
            self._event_is_confirmed = True
            try:
                self.ping(retries=0)
            except EventNotFoundError:
                raise
            except NinepicError:
                self._stop.check()  # a ping that failed says nothing about the event

    def _no_such_event(self) -> EventNotFoundError:
        return EventNotFoundError(
            f"event {self._access.event_id} does not exist in organisation {self._access.org_id}",
            hint="check --event (or NINEPIC_EVENT_ID, or `ninepic config get event-id`)",
        )

    def _explain_forbidden(self, error: "_ForbiddenError") -> NinepicError:
        """Tell a refused key or organisation from a wrong event: the organisation's event list knows."""
        try:
            self._ask(self._event_list(1, 1, retries=1))
        except _ForbiddenError:
            return self._key_refused(error)
        except NinepicError:
            self._stop.check()
            return NotAllowedError(
                f"the service refuses access to event {self._access.event_id}: {error.message}",
                hint="check the key, --org and --event, and in the dashboard that the key is active",
            )
        return NotAllowedError(
            f"the key is good, but not for event {self._access.event_id}: {error.message}",
            hint=f"check that the event belongs to organisation {self._access.org_id} and allows originals by API",
        )

    def _key_refused(self, error: "_ForbiddenError") -> NotAllowedError:
        return NotAllowedError(
            f"the service refuses the key for organisation {self._access.org_id}: {error.message}",
            hint="check NINEPIC_API_KEY and NINEPIC_ORG_ID (or `ninepic config list`), "
            "and in the dashboard that the key is active",
        )

    def _ask(self, request: _Request[T]) -> T:
        """What the answer to a request says; it is repeated until it is answered or its tries are spent."""
        retries = self._retries if request.retries is None else request.retries
        budget, attempt = RetryBudget(retries, stop=self._stop, on_update=self._on_update), 0
        while True:
            attempt += 1
            try:
                return self._try(request, attempt)
            except TransientError as error:
                if not budget.wait(error, attempt=attempt):
                    tried = "" if attempt == 1 else f", {attempt} tries"
                    raise ServiceFailedError(
                        f"{error.message} ({request.what}{tried})",
                        hint=error.hint or "run the same command again later: what is on disk is not fetched twice",
                        code=error.code,
                    ) from error

    def _try(self, request: _Request[T], attempt: int) -> T:
        """One try; only an answer that could be read ends the host's silence."""
        with self._host.permit() as turn:
            try:
                answer = self._send(request, attempt)
            except (RejectedError, NotAllowedError, _ForbiddenError):
                turn.record_success()
                raise
            turn.record_success()
            return answer

    def _send(self, request: _Request[T], attempt: int) -> T:
        headers = {"X-API-Key": self._access.api_key, "Accept": "application/json"}
        content = None
        if request.body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(request.body).encode()
        started_s = time.monotonic()
        status, size, ray, trouble = None, 0, None, None
        try:
            with self._client.send(request.method, request.url, headers=headers, content=content) as answer:
                status, ray = answer.status, answer.headers.get("cf-ray")
                data = answer.body(_LARGEST_ANSWER + 1)
                size = len(data)
                return self._read(request, answer, data)
        except NinepicError as error:
            trouble = error.message
            raise
        finally:
            seconds = time.monotonic() - started_s
            self._on_update(RequestFinished(request.what, status, attempt, size, seconds, ray, trouble))

    def _read(self, request: _Request[T], answer: Response, data: bytes) -> T:
        """What an answer says, or the error that it means."""
        if error := retryable_error(answer.status, answer.headers, sender="the service"):
            raise error
        try:
            return request.read(_parse_payload(answer, data, key=self._access.api_key))
        except (UnreadableError, RecursionError) as cause:
            words = "something that is not the service's JSON" if isinstance(cause, RecursionError) else str(cause)
            raise UnusableAnswerError(f"{self._host.name} answered {answer.status} with {words}") from cause


def unanswered(error: RejectedError, subject: str) -> NinepicError:
    """What a rejected question about something means, where nothing else is asked for."""
    if error.status == 422:
        words = f"the service calls the question about {subject} malformed: {error.message}"
        return MalformedRequestError(words, hint="check --org and the number of the event")
    return ServiceFailedError(f"the service answered {error.status}: {error.message}", code=error.code)


class _ForbiddenError(NinepicError):
    """403 with a JSON body: it takes a second look to say what was refused."""


def _parse_payload(answer: Response, body: bytes, *, key: str) -> dict[str, Any]:
    """The payload of an answer, or the error that its status means.

    Raises:
        UnreadableError: it is not the service's.
    """
    parsed = _json_object(body)
    if parsed is not None:
        without_secrets(parsed, key)
    message = _message(parsed)
    if answer.status == 401:
        raise NotAllowedError(
            f"the service says that no key was sent: {message or 'status 401'}",
            hint="set NINEPIC_API_KEY, or run: ninepic config set api-key",
        )
    if 300 <= answer.status < 400:
        raise UnreadableError("a redirect, which is not followed")
    if parsed is None:
        raise UnreadableError(_form_of(answer, body))
    if answer.status == 403:
        raise _ForbiddenError(message or "status 403")
    if 400 <= answer.status < 500:
        raise RejectedError(message or f"status {answer.status}", status=answer.status)
    if answer.status != 200 or parsed.get("responseType") == "error":
        raise UnreadableError(f"the message: {message}" if message else "no message")
    data = parsed.get("data", parsed) if "responseType" in parsed or "data" in parsed else parsed
    if not isinstance(data, dict):
        raise UnreadableError("no data")
    return data


def _form_of(answer: Response, body: bytes) -> str:
    """What a body is that is not the service's."""
    if not body:
        return "an empty body"
    if len(body) > _LARGEST_ANSWER or body.count(b",") > _MOST_VALUES:
        return "more than an answer of the service can hold"
    is_web_page = "html" in answer.headers.get("content-type", "") or body.lstrip()[:1] == b"<"
    return "a web page" if is_web_page else "something that is not the service's JSON"


def _json_object(body: bytes) -> dict[str, Any] | None:
    """The object that a body is; None for any other, and for one that would take much memory."""
    if len(body) > _LARGEST_ANSWER or body.count(b",") > _MOST_VALUES:  # all values but the first follow a comma
        return None
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _message(answer: Mapping[str, Any] | None) -> str:
    message = (answer or {}).get("message")
    return message.strip()[:500] if isinstance(message, str) else ""


def _check_pong(payload: Mapping[str, Any]) -> None:
    if payload.get("status") != "ok":
        raise UnreadableError("no status 'ok'")
