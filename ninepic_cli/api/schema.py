"""Bodies of requests and shapes of answers: what is asked for, and pages of photos and events.

Shapes are those of the service's published reference; whatever is not as it should be is left out, or is a photo's
failure.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import unquote

from ninepic_cli.errors import MissingError, PhotoError
from ninepic_cli.inputs.identifiers import looks_like_id
from ninepic_cli.models import Method
from ninepic_cli.redact import redact_filename, redact_secrets

BATCH_SIZE = 60  # the service's largest page: one batch is one page


@dataclass(frozen=True, slots=True)
class Query:
    """One request's worth of photos.

    Attributes:
        method: how they are asked for.
        identifier: a bib, a request id or an image id; for `Method.IMAGES` a tuple of image ids.
    """

    method: Method
    identifier: str | tuple[str, ...]

    @property
    def identifiers(self) -> tuple[str, ...]:
        """All that it names."""
        return (self.identifier,) if isinstance(self.identifier, str) else self.identifier

    @property
    def description(self) -> str:
        """In words: "bib 1234"."""
        if len(self.identifiers) > 1:
            return f"{len(self.identifiers)} photos starting with {self.identifiers[0]}"
        words = {Method.BIB: "bib", Method.SELFIE: "face search"}
        return f"{words.get(self.method, 'photo')} {self.identifiers[0]}"

    def body(self) -> dict[str, object]:
        """The request's JSON body."""
        identifier = self.identifier if isinstance(self.identifier, str) else list(self.identifier)
        return {"method": self.method.value, "identifier": identifier}


def queries(method: Method, identifiers: Sequence[str]) -> list[Query]:
    """The queries that ask for all identifiers in their order: batches of image ids, else one for each."""
    if method is Method.IMAGES:
        starts = range(0, len(identifiers), BATCH_SIZE)
        return [Query(method, tuple(identifiers[start : start + BATCH_SIZE])) for start in starts]
    return [Query(method, identifier) for identifier in identifiers]


_MAX_PAGE_ITEMS = 5000  # of a page, which has at most a hundred
_LARGEST_NUMBER = 2**53  # that JSON says exactly
_NUMBER = re.compile(r"[0-9]{1,16}")


class UnreadableError(Exception):
    """An answer that cannot be used; the text says what it is, or lacks: "a web page", "no list of photos"."""


@dataclass(frozen=True, slots=True)
class PhotoItem:
    """One item of a page: a photo with its link, or one that the service does not have.

    Attributes:
        image_id: the last part of the link's path; for the method `image_id` the one asked for, unless that is
            plainly another's.
        filename: the suggestion; "" where there is none.
        extension: of the link's path, with its dot.
        url: of the original, a credential; None for one that cannot be fetched.
        failure: why not; None for one that can.
    """

    image_id: str
    filename: str = ""
    extension: str = ""
    url: str | None = field(default=None, repr=False)
    failure: PhotoError | None = None

    @property
    def item_id(self) -> str:
        """What tells it from the others of a list."""
        return self.image_id


@dataclass(frozen=True, slots=True)
class EventEntry:
    """One event of the organisation's list; `date` is the day, as `2025-09-14`, and a text "" where there is none."""

    event_id: int
    name: str
    date: str
    status: str
    slug: str = ""

    @property
    def item_id(self) -> str:
        """What tells it from the others of a list."""
        return str(self.event_id)


SEARCHES = ("bib_search", "selfie_search", "name_search", "video_search", "video_selfie_search", "timeline_search")


@dataclass(frozen=True, slots=True)
class EventDetails:
    """An event, and whether it and each of SEARCHES are switched on; None where the service does not say."""

    event: EventEntry
    is_enabled: bool | None
    searches: Mapping[str, bool | None]


ItemT = TypeVar("ItemT", bound=PhotoItem | EventEntry)


@dataclass(frozen=True, slots=True)
class Page(Generic[ItemT]):
    """One page of a list; None where the service does not say."""

    entries: tuple[ItemT, ...]
    total: int | None
    pages: int | None
    has_next: bool | None


def parse_photos_page(data: Mapping[str, Any], query: Query) -> Page[PhotoItem]:
    """A page of links, as the answer to a query.

    Raises:
        UnreadableError: it holds no list of photos, or more of them than a page can have.
    """
    failed = parse_items(data, "failed_urls")
    # Half an answer must not pass for nothing found.
    urls = parse_items(data, "presigned_urls", lack="" if failed else "no list of photos")
    entries = [_parse_photo(item, query) for item in urls] + [_parse_failed_photo(item, query) for item in failed]
    return parse_page(entries, data)


def parse_events_page(data: Mapping[str, Any]) -> Page[EventEntry]:
    """A page of the organisation's events.

    Raises:
        UnreadableError: it holds no list of events, or none that has an id.
    """
    items = parse_items(data, "events", lack="no list of events")
    events = [event for event in map(_parse_event, items) if event]
    if items and not events:  # which must not pass for an organisation without events
        raise UnreadableError("events without ids")
    return parse_page(events, data)


def parse_items(data: Mapping[str, Any], name: str, *, lack: str = "") -> list[Any]:
    """A list of the payload; without `lack`, none of that name is the same as an empty one.

    Raises:
        UnreadableError: it is lacking, as `lack` says, or longer than any page.
    """
    items = data.get(name)
    if not isinstance(items, list):
        if lack:
            raise UnreadableError(lack)
        return []
    if len(items) > _MAX_PAGE_ITEMS:
        raise UnreadableError(f"{len(items):,} items on one page")
    return items


def parse_page(entries: Sequence[ItemT], data: Mapping[str, Any]) -> Page[ItemT]:
    """A page with these items, of which its pagination says the rest."""
    raw = data.get("pagination")
    pagination = raw if isinstance(raw, dict) else {}
    return Page(
        entries=tuple(entries),
        total=_non_negative_int(pagination.get("total")),
        pages=_non_negative_int(pagination.get("totalPages")),
        has_next=_optional_bool(pagination.get("hasNextPage")),
    )


def _parse_event(item: Any) -> EventEntry | None:
    """An event of the list, or its details; None for what has no id, with which nothing could be done."""
    raw = item.get("event_id") if isinstance(item, dict) else None
    event_id = _non_negative_int(int(raw) if isinstance(raw, str) and _NUMBER.fullmatch(raw.strip()) else raw)
    texts = (parse_text(item, key) for key in ("event_name", "event_date", "status", "event_slug"))
    name, date, status, slug = map(redact_secrets, texts)
    return EventEntry(event_id, name, date[: len("2025-09-14")], status, slug) if event_id else None


def parse_event_details(payload: Mapping[str, Any]) -> EventDetails:
    """An event's details.

    Raises:
        UnreadableError: they are of no event.
    """
    event = _parse_event(payload)
    if event is None:
        raise UnreadableError("no event")
    searches = {name: _optional_bool(payload.get(name)) for name in SEARCHES}
    return EventDetails(event, _optional_bool(payload.get("event_enabled")), searches)


def parse_text(item: Any, name: str) -> str:
    """A text of an item; "" where there is none of that name."""
    value = item.get(name) if isinstance(item, dict) else None
    return value if isinstance(value, str) else ""


def _optional_bool(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _non_negative_int(value: object) -> int | None:
    """A whole number from 0 on, also written as 7.0; None for anything else, and for one beyond all that can be."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _LARGEST_NUMBER else None


def redact_answer(answer: dict[str, Any], key: str) -> None:
    """Take the key and signatures out of the texts of an answer that are for people: those are shown."""
    data = answer.get("data", answer)
    failed = data.get("failed_urls") if isinstance(data, dict) else None
    items = failed if isinstance(failed, list) else []
    for fields, name in ((answer, "message"), *((item, "error") for item in items)):
        if text := parse_text(fields, name):
            fields[name] = redact_secrets(text, key=key)


def parse_image_id(text: str) -> str:
    """A photo's id, where it may have come as a link: that is a credential, and of it only the name is used."""
    if "://" in text:
        name = _last_segment(text)
        text = name.rpartition(".")[0] or name
    return redact_secrets(text, mark="")


def _parse_photo(item: Any, query: Query) -> PhotoItem:
    url, name = parse_text(item, "url"), redact_filename(parse_text(item, "filename"))
    last = redact_secrets(_last_segment(url), mark="")
    stem, dot, ending = last.rpartition(".")
    image_id = _image_id(query, stem if dot else last)
    if not url or not image_id:
        failure = PhotoError("listed without a usable download link", code="unusable_link")
        image_id = _image_id(query, parse_image_id(name.rpartition(".")[0])) or substitute_id(item)
        return PhotoItem(image_id, name, failure=failure)
    return PhotoItem(image_id, name, dot + ending if dot else "", url)


def _image_id(query: Query, name: str) -> str:
    """The id of an item that is called so: of one that is asked for alone, any name that is not another photo's id."""
    asked = query.identifier
    if query.method is not Method.IMAGE or not isinstance(asked, str):
        return name
    is_another = looks_like_id(name) and looks_like_id(asked) and name.lower() != asked.lower()
    return name if is_another else asked


def _last_segment(url: str) -> str:
    # Not by a parser: a link that none can read still names its photo, whose failure it is then.
    path = url.partition("?")[0].partition("#")[0].partition("://")[2].partition("/")[2]
    return unquote(path.rpartition("/")[2])


def _parse_failed_photo(item: Any, query: Query) -> PhotoItem:
    reason = parse_text(item, "error")[:500]
    failure = MissingError(f"original not in storage{reason and f': {reason}'}")
    image_id = _image_id(query, parse_image_id(parse_text(item, "image_id")))
    return PhotoItem(image_id or substitute_id(item), failure=failure)


def substitute_id(item: Any) -> str:
    """A name for an item that has none, the same whenever it is listed."""
    return f"unnamed-{hashlib.sha256(repr(item).encode(errors='replace')).hexdigest()[:10]}"
