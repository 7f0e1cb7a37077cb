"""What it means that the service refuses a request: the one place where its 4xx become errors of ours.

The status decides, and what was asked for. 404 says that there is no such thing, 422 that the request is malformed; 400
is the one or the other.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from ninepic_cli.api.schema import Query
from ninepic_cli.errors import (
    EventNotFoundError,
    MalformedRequestError,
    MissingError,
    NinepicError,
    NotAllowedError,
    NotListedError,
    PhotoError,
    RejectedError,
    ServiceFailedError,
    SettingsError,
)
from ninepic_cli.inputs.identifiers import advice
from ninepic_cli.models import Credentials, Method

if TYPE_CHECKING:
    from ninepic_cli.inputs.filters import Period

_CHECK_NUMBER = "check the number; bibs are compared exactly (01234 is not 1234)"

ErrorT = TypeVar("ErrorT", bound=NinepicError)


class ForbiddenError(NinepicError):
    """403 with a JSON body: it takes a second look to say what was refused."""


def refusal(status: int, message: str) -> NinepicError:
    """The error of a 4xx, as long as it is not known what was asked for."""
    if status == 401:
        return NotAllowedError(
            f"API key missing or not recognised: {message or 'HTTP 401'}",
            hint="set NINEPIC_API_KEY, or run: ninepic config set api-key",
        )
    if status == 403:
        return ForbiddenError(message or "HTTP 403")
    return RejectedError(message or f"HTTP {status}", status=status)


def rejection(error: RejectedError, meanings: Mapping[int, ErrorT], *, otherwise: type[ErrorT]) -> ErrorT:
    """The error that a rejected request means: by its status one of `meanings`, else one of the kind `otherwise`."""
    words = f"HTTP {error.status} from the service: {error.message}"
    return meanings.get(error.status) or otherwise(words, code=error.code)


def search_rejection(error: RejectedError, query: Query, *, is_alone: bool, is_begun: bool) -> NinepicError:
    """Of a bib or a face search: for the only one of a run, a malformed request is the caller's error."""
    malformed = (
        malformed_query(query, error)
        if is_alone
        else MissingError(f"{query.description} rejected as malformed: {error.message}", code="malformed")
    )
    meanings = {404: nothing_found(query), 400: malformed, 422: malformed}
    return rejection(error, {} if is_begun else meanings, otherwise=NotListedError)


def image_rejection(error: RejectedError, method: Method, image_id: str) -> PhotoError:
    """Of one image id."""
    unknown = unknown_image(method, image_id)
    malformed = MissingError(f"rejected as malformed: {error.message}", code="malformed")
    return rejection(error, {400: unknown, 404: unknown, 422: malformed}, otherwise=NotListedError)


def renewal_rejection(error: RejectedError) -> NinepicError:
    """Of a new link for a photo that was listed before."""
    is_gone = error.status in {400, 404}
    return MissingError(f"no longer listed by the service: {error.message}") if is_gone else error


def event_photos_rejection(
    error: RejectedError, event: str, period: "Period | None", *, is_begun: bool
) -> NinepicError:
    """Of the list of an event's photos."""
    malformed = MalformedRequestError(
        f"request for the photos of event {event} rejected as malformed: {error.message}",
        hint="check --since and --until" if period else "check --event",
    )
    meanings = {404: no_event_photos(event, period), 400: malformed, 422: malformed}
    return rejection(error, {} if is_begun else meanings, otherwise=NotListedError)


def question_rejection(error: RejectedError, event_id: int | None) -> NinepicError:
    """Of a question about an event, where nothing else is asked for."""
    malformed = MalformedRequestError(
        f"request for event {event_id} rejected as malformed: {error.message}",
        hint="check --org and --event",
    )
    return rejection(error, {422: malformed}, otherwise=ServiceFailedError)


def organisation_rejection(error: RejectedError, org_id: int, *, is_begun: bool) -> NinepicError:
    """Of the list of an organisation's events."""
    unknown = SettingsError(
        f"organisation {org_id} not found: {error.message}",
        hint="check --org (or NINEPIC_ORG_ID, or `ninepic config get org-id`)",
    )
    meanings = dict.fromkeys((400, 404, 422), unknown)
    return rejection(error, {} if is_begun else meanings, otherwise=ServiceFailedError)


def key_rejection(error: ForbiddenError, credentials: Credentials) -> NotAllowedError:
    """The key is not one of the organisation's."""
    return NotAllowedError(
        f"API key rejected for organisation {credentials.org_id}: {error.message}",
        hint="check NINEPIC_API_KEY and NINEPIC_ORG_ID (or `ninepic config list`), "
        "and that the key is active in the dashboard",
    )


def event_rejection(error: ForbiddenError, credentials: Credentials, *, is_key_good: bool) -> NotAllowedError:
    """The event is not to be had with the key, which may be a good one for all that is known."""
    if not is_key_good:
        return NotAllowedError(
            f"access to event {credentials.event_id} denied: {error.message}",
            hint="check the key, --org and --event, and that the key is active in the dashboard",
        )
    return NotAllowedError(
        f"API key is valid, but not for event {credentials.event_id}: {error.message}",
        hint=f"check that the event belongs to organisation {credentials.org_id} and allows originals by API",
    )


def event_not_found(credentials: Credentials) -> EventNotFoundError:
    """There is no such event."""
    return EventNotFoundError(
        f"event {credentials.event_id} not found in organisation {credentials.org_id}",
        hint="check --event (or NINEPIC_EVENT_ID, or `ninepic config get event-id`)",
    )


def malformed_query(query: Query, error: RejectedError) -> MalformedRequestError:
    """What was asked for, and nothing else, is not what the service expects."""
    return MalformedRequestError(
        f"request for {query.description} rejected as malformed: {error.message}",
        hint=advice(query.method, str(query.identifier))
        or "check the identifier; request ids and image ids look like 1b4e28ba-2fa1-11d2-883f-0016d3cca427",
    )


def nothing_found(query: Query) -> MissingError:
    """A bib or face search without photos, whether the service says so by 404 or by an empty list."""
    otherwise = _CHECK_NUMBER if query.method is Method.BIB else "check the request id"
    hint = advice(query.method, str(query.identifier)) or otherwise
    return MissingError(f"no photos found for {query.description}", hint=hint)


def unknown_image(method: Method, image_id: str) -> MissingError:
    """An image id without a photo, whether the service says so by its status or by an empty list."""
    return MissingError(f"photo {image_id} not found", hint=advice(method, image_id))


def unanswered_image() -> PhotoError:
    """An image id that the answer does not speak of, although it speaks of others."""
    return PhotoError("not mentioned in the service's response", code="not_answered")


def no_event_photos(event: str, period: "Period | None") -> MissingError:
    """An event without photos, whether the service says so by 404 or by an empty list."""
    taken = f" taken {period}" if period else ""
    return MissingError(f"no photos found for event {event}{taken}")
