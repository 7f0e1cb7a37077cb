"""The REST API: requests with the key, and answers as pages of entries or as our errors.

Facts about the service are those of its published reference: the envelope
`{"responseType", "message", "data"}` (an older version answered without it), statuses, and the pagination
object. `message` is for people: it is shown, and nothing is decided by its words.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ninepic_cli.answers import ELSEWHERE, EventEntry, Page, event_entry, originals_page, page_of
from ninepic_cli.client import Answer, Client
from ninepic_cli.errors import (
    EventNotFoundError,
    MalformedRequestError,
    NinepicError,
    NotAllowedError,
    RejectedError,
    ServiceFailedError,
    SettingsError,
    ThrottledError,
    TransientError,
    UnusableAnswerError,
)
from ninepic_cli.photo import Answered, Event, Retried
from ninepic_cli.query import Query
from ninepic_cli.retry import (
    THROTTLING_STATUSES,
    TRANSIENT_STATUSES,
    Host,
    Stop,
    Tries,
    retry_after_s,
)
from ninepic_cli.settings import Access

PAGE_SIZE = 60
EVENTS_PAGE_SIZE = 100
_LARGEST_ANSWER = 32 << 20
_SECRETS = re.compile(
    r"\?[^\s?]*X-Amz-\S*|X-Amz-[A-Za-z-]+(?:=|%3D)[^\s&]*", re.IGNORECASE
)  # a link's query, or a part


@dataclass(frozen=True, slots=True)
class _Reply:
    """An answer, read; `answer` is its JSON object, None where it is none."""

    status: int
    headers: Mapping[str, str]
    answer: dict[str, Any] | None = field(repr=False)
    is_web_page: bool


class Api:
    """The service, for one organisation and event; used by many threads at once.

    Args:
        access: key, organisation, event and address.
        client: sends the requests; the key is added here and to nothing else.
        host: patience with the service's host.
        retries: further tries of a request.
        stop: ends every wait.
        on_event: told of answers and retries.
    """

    def __init__(
        self,
        access: Access,
        *,
        client: Client,
        host: Host,
        retries: int,
        stop: Stop,
        on_event: Callable[[Event], None] = lambda _: None,
    ) -> None:
        self._access = access
        self._client = client
        self._host = host
        self._retries = retries
        self._stop = stop
        self._on_event = on_event
        self._root = f"{access.base_url}/api/v1/ext/{access.org_id}"
        self._confirming = threading.Lock()
        self._event_is_confirmed = False

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
        path = f"original-photos?page={page}&page_size={PAGE_SIZE}"
        return originals_page(self._of_event("POST", path, what=what, body=query.body()), query)

    def about_event(self, path: str, *, what: str) -> dict[str, Any]:
        """What the service says to a question about the event.

        Args:
            path: below the event, with its query.
            what: names the request in messages.

        Raises:
            NinepicError: as by `originals`.
        """
        return self._of_event("GET", path, what=what)

    def _of_event(self, method: str, path: str, *, what: str, body: object = None) -> dict[str, Any]:
        try:
            return self._payload(method, f"{self._event_url}/{path}", what=what, body=body)
        except RejectedError as error:
            if error.status == 404:
                self._confirm_event()
            raise
        except _ForbiddenError as error:
            raise self._refusal(error) from None

    def ping(self, *, retries: int | None = None) -> None:
        """See that key, organisation and event fit together.

        Args:
            retries: further tries, where they are not to be those of other requests.

        Raises:
            EventNotFoundError, NotAllowedError: which of them does not.
            NinepicError: the service could not say.
        """
        try:
            payload = self._payload("GET", f"{self._event_url}/ping", what="ping", retries=retries)
        except RejectedError as error:
            if error.status == 404:
                raise self._no_such_event() from None
            raise unanswered(error, f"event {self._access.event_id}") from None
        except _ForbiddenError as error:
            raise self._refusal(error) from None
        if payload.get("status") != "ok":
            raise UnusableAnswerError(f"{self._host.name} answers, but not as the service does", hint=ELSEWHERE)

    def events(self) -> Iterator[EventEntry]:
        """The organisation's events in the service's order, each once; a page is asked for when it is needed.

        Raises:
            SettingsError: the service does not know the organisation.
            NotAllowedError: it refuses the key, or the key for the organisation.
            NinepicError: it could not say.
        """
        seen: set[int] = set()
        page = 1
        while True:
            payload = self._event_page(page)
            items = payload.get("events")
            if not isinstance(items, list):
                raise UnusableAnswerError("the service's answer holds no list of events", hint=ELSEWHERE)
            known = len(seen)
            for entry in filter(None, map(event_entry, items)):
                if entry.event_id not in seen:
                    seen.add(entry.event_id)
                    yield entry
            # Who repeats a page would repeat it for ever.
            if len(seen) == known or not page_of((), payload).may_go_on(page):
                return
            page += 1

    def _event_page(self, page: int) -> dict[str, Any]:
        try:
            return self._payload(
                "GET", f"{self._root}/events?page={page}&page_size={EVENTS_PAGE_SIZE}", what="event list"
            )
        except _ForbiddenError as error:
            raise self._refused(error) from None
        except RejectedError as error:
            if page > 1 and error.status == 404:
                return {"events": []}  # the list has become shorter meanwhile
            if error.status in {400, 404, 422}:
                raise SettingsError(
                    f"the service does not know organisation {self._access.org_id}: {error.message}",
                    hint="check --org (or NINEPIC_ORG_ID, or `ninepic config get org-id`)",
                ) from None
            raise ServiceFailedError(f"the service answered {error.status}: {error.message}", code=error.code) from None

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

    def _refusal(self, error: "_ForbiddenError") -> NinepicError:
        """Tell a refused key or organisation from a wrong event: the organisation's event list knows."""
        try:
            self._payload("GET", f"{self._root}/events?page=1&page_size=1", what="event list")
        except _ForbiddenError:
            return self._refused(error)
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

    def _refused(self, error: "_ForbiddenError") -> NotAllowedError:
        return NotAllowedError(
            f"the service refuses the key for organisation {self._access.org_id}: {error.message}",
            hint="check NINEPIC_API_KEY and NINEPIC_ORG_ID (or `ninepic config list`), "
            "and in the dashboard that the key is active",
        )

    def _payload(
        self, method: str, url: str, *, what: str, body: object = None, retries: int | None = None
    ) -> dict[str, Any]:
        """The payload of a request that is repeated until it is answered or its tries are spent."""
        tries, attempt = Tries(self._retries if retries is None else retries), 0
        while True:
            attempt += 1
            try:
                return _payload_of(
                    self._tried(method, url, what=what, attempt=attempt, body=body), host=self._host.name
                )
            except ThrottledError:
                continue  # the host's pause is waited for at the next turn, and costs no try
            except TransientError as error:
                if not tries.spend():
                    tried = "" if attempt == 1 else f", {attempt} tries"
                    raise ServiceFailedError(
                        f"{error.message} ({what}{tried})",
                        hint="run the same command again later: what is on disk is not fetched twice",
                        code=error.code,
                    ) from error
                wait_s = tries.wait_s()
                self._on_event(Retried(photo=None, error=error, attempt=attempt, wait_s=wait_s))
            self._stop.wait(wait_s)

    def _tried(self, method: str, url: str, *, what: str, attempt: int, body: object) -> _Reply:
        with self._host.turn() as turn:
            reply = self._sent(method, url, what=what, attempt=attempt, body=body)
            if reply.status in THROTTLING_STATUSES:
                raise _throttled(reply)
            if reply.status in TRANSIENT_STATUSES:
                raise TransientError(f"the service answered {reply.status}", code=f"http_{reply.status}")
            turn.answered()
            return reply

    def _sent(self, method: str, url: str, *, what: str, attempt: int, body: object) -> _Reply:
        headers = {"X-API-Key": self._access.api_key, "Accept": "application/json"}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        started_s = time.monotonic()
        status, size, ray, trouble = None, 0, None, None
        try:
            with self._client.send(method, url, headers=headers, content=content) as answer:
                status, ray = answer.status, answer.headers.get("cf-ray")
                data = answer.body(_LARGEST_ANSWER)
                size = len(data)
                return _reply(answer, data, key=self._access.api_key)
        except NinepicError as error:
            trouble = error.message
            raise
        finally:
            seconds = time.monotonic() - started_s
            self._on_event(Answered(what, status, attempt, size, seconds, ray, trouble))


def unanswered(error: RejectedError, subject: str) -> NinepicError:
    """What a rejected question about something means, where nothing else is asked for."""
    if error.status == 422:
        words = f"the service calls the question about {subject} malformed: {error.message}"
        return MalformedRequestError(words, hint="check --org and the number of the event")
    return ServiceFailedError(f"the service answered {error.status}: {error.message}", code=error.code)


class _ForbiddenError(NinepicError):
    """403 with a JSON body: it takes a second look to say what was refused."""


def _reply(answer: Answer, body: bytes, *, key: str) -> _Reply:
    """An answer's JSON, with no trace of the key or a signature in the texts that are for people: those are shown."""
    parsed = _json_object(body)
    if parsed is not None:
        data = parsed.get("data", parsed)
        failed = data.get("failed_urls") if isinstance(data, dict) else None
        items = [item for item in failed if isinstance(item, dict)] if isinstance(failed, list) else []
        for fields, name in ((parsed, "message"), *((item, "error") for item in items)):
            if isinstance(text := fields.get(name), str):
                fields[name] = _SECRETS.sub("***", text.replace(key, "***"))
    is_web_page = "html" in answer.headers.get("content-type", "") or body.lstrip()[:1] == b"<"
    return _Reply(answer.status, answer.headers, parsed, is_web_page)


def _throttled(reply: _Reply) -> ThrottledError:
    asked_s = retry_after_s(reply.headers.get("retry-after"), date=reply.headers.get("date"))
    return ThrottledError(f"status {reply.status}", retry_after_s=asked_s, code=f"http_{reply.status}")


def _payload_of(reply: _Reply, *, host: str) -> dict[str, Any]:
    """The payload of an answer, or the error that its status means."""
    if 300 <= reply.status < 400:
        raise UnusableAnswerError(f"{host} answered with a redirect, which is not followed", hint=ELSEWHERE)
    answer = reply.answer
    message = _message(answer)
    if reply.status == 401:
        raise NotAllowedError(
            f"the service says that no key was sent: {message or 'status 401'}",
            hint="set NINEPIC_API_KEY, or run: ninepic config set api-key",
        )
    if reply.status == 403 and answer is not None:
        raise _ForbiddenError(message or "status 403")
    if 400 <= reply.status < 500 and reply.status != 403 and not reply.is_web_page:
        raise RejectedError(message or f"status {reply.status}", status=reply.status)
    if reply.status != 200 or answer is None:
        form = "a web page" if reply.is_web_page else "something that is not the service's JSON"
        words = f" with {form}" if answer is None else f": {message or 'without a word'}"
        raise UnusableAnswerError(f"{host} answered {reply.status}{words}", hint=ELSEWHERE)
    if answer.get("responseType") == "error":
        raise UnusableAnswerError(f"{host} answered 200 and yet an error: {message}", hint="run it again later")
    data = answer.get("data", answer) if "responseType" in answer or "data" in answer else answer
    if not isinstance(data, dict):
        raise UnusableAnswerError(f"{host} answered 200 without any data", hint=ELSEWHERE)
    return data


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _message(answer: Mapping[str, Any] | None) -> str:
    message = (answer or {}).get("message")
    return message.strip()[:500] if isinstance(message, str) else ""
