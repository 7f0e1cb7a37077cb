"""Bodies of requests and shapes of answers: what is asked for, and pages of photos and events.

Shapes are those of the service's published reference; whatever is not as it should be is left out, or is a photo's
failure.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar
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
    def is_by_id(self) -> bool:
        """Whether it names photos, and not somebody or something that has photos."""
        return self.method in {Method.IMAGE, Method.IMAGES}

    @property
    def identifiers(self) -> tuple[str, ...]:
        """All that it names."""
        return (self.identifier,) if isinstance(self.identifier, str) else self.identifier

    @property
    def description(self) -> str:
        """In words: "bib 1234"."""
        if isinstance(self.identifier, tuple):
            return f"{len(self.identifier)} photos from {self.identifier[0]} on"
        words = {Method.BIB: "bib", Method.SELFIE: "face search"}
        return f"{words.get(self.method, 'photo')} {self.identifier}"

    def body(self) -> dict[str, object]:
        """The request's JSON body."""
        identifier = self.identifier if isinstance(self.identifier, str) else list(self.identifier)
        return {"method": self.method.value, "identifier": identifier}


def batches(ids: Sequence[str], size: int = BATCH_SIZE) -> Iterator[Query]:
    """Image ids in their order, at most `size` to a query."""
    for start in range(0, len(ids), size):
        yield Query(Method.IMAGES, tuple(ids[start : start + size]))


def queries(method: Method, identifiers: Sequence[str]) -> list[Query]:
    """The queries that ask for all identifiers: batches of image ids, else one for each."""
    if method is Method.IMAGES:
        return list(batches(identifiers))
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
        """The image id."""
        return self.image_id


@dataclass(frozen=True, slots=True)
class EventEntry:
    """One event of the organisation's list; a text is "" where the service has none.

    Attributes:
        event_id: above 0.
        name: as the organiser wrote it.
        date: the day, as `2025-09-14`, of whatever the service says.
        status: the service's word.
        slug: its name in addresses.
    """

    event_id: int
    name: str
    date: str
    status: str
    slug: str = ""

    @property
    def item_id(self) -> str:
        """The number."""
        return str(self.event_id)


SEARCHES = ("bib_search", "selfie_search", "name_search", "video_search", "video_selfie_search", "timeline_search")


@dataclass(frozen=True, slots=True)
class EventDetails:
    """An event, and what can be done with it; None where the service does not say.

    Attributes:
        is_enabled: whether the organiser has switched it on.
        searches: for each of SEARCHES, whether it is switched on.
    """

    event: EventEntry
    is_enabled: bool | None
    searches: Mapping[str, bool | None]


class ListItem(Protocol):
    """One item of a paged list."""

    @property
    def item_id(self) -> str:
        """What tells it from the others."""


ItemT = TypeVar("ItemT", bound=ListItem)


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
    events = [event for event in map(parse_event, items) if event]
    if items and not events:  # which must not pass for an organisation without events
        raise UnreadableError("events without ids")
    return parse_page(events, data)


def parse_items(data: Mapping[str, Any], name: str, *, lack: str = "") -> list[Any]:
    """A list of the payload; where there is none of that name, `lack` says so, or it is the same as an empty one.

    Raises:
        UnreadableError: it is lacking, or longer than any page.
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
        total=non_negative_int(pagination.get("total")),
        pages=non_negative_int(pagination.get("totalPages")),
        has_next=_optional_bool(pagination.get("hasNextPage")),
    )


def parse_event(item: Any) -> EventEntry | None:
    """An event of the list, or its details; None for what has no id, with which nothing could be done."""
    fields = item if isinstance(item, dict) else {}
    raw = fields.get("event_id")
    event_id = non_negative_int(int(raw) if isinstance(raw, str) and _NUMBER.fullmatch(raw.strip()) else raw)
    name, date, status, slug = (
        redact_secrets(text) if isinstance(text := fields.get(key), str) else ""
        for key in ("event_name", "event_date", "status", "event_slug")
    )
    return EventEntry(event_id, name, date[: len("2025-09-14")], status, slug) if event_id else None


def parse_event_details(payload: Mapping[str, Any]) -> EventDetails:
    """An event's details.

    Raises:
        UnreadableError: they are of no event.
    """
    event = parse_event(payload)
    if event is None:
        raise UnreadableError("no event")
    enabled, *searches = (_optional_bool(payload.get(name)) for name in ("event_enabled", *SEARCHES))
    return EventDetails(event, enabled, dict(zip(SEARCHES, searches, strict=True)))


def _optional_bool(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def non_negative_int(value: object) -> int | None:
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
    items = [item for item in failed if isinstance(item, dict)] if isinstance(failed, list) else []
    for fields, name in ((answer, "message"), *((item, "error") for item in items)):
        if isinstance(text := fields.get(name), str):
            fields[name] = redact_secrets(text, key=key)


def parse_image_id(text: str) -> str:
    """A photo's id, where it may have come as a link: that is a credential, and of it only the name is used."""
    if "://" in text:
        text = _stem(_last_segment(text))
    return redact_secrets(text, mark="")


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name


def _parse_photo(item: Any, query: Query) -> PhotoItem:
    url = item.get("url") if isinstance(item, dict) else None
    filename = item.get("filename") if isinstance(item, dict) else None
    name = redact_filename(filename) if isinstance(filename, str) else ""
    last = redact_secrets(_last_segment(url), mark="") if isinstance(url, str) else ""
    stem, dot, ending = last.rpartition(".")
    image_id = _image_id(query, stem if dot else last)
    if not isinstance(url, str) or not image_id:
        failure = PhotoError("the service listed it without a link that can be used", code="unusable_link")
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
    fields = item if isinstance(item, dict) else {}
    image_id, reason = fields.get("image_id"), fields.get("error")
    words = f": {reason[:500]}" if isinstance(reason, str) and reason else ""
    failure = MissingError(f"the service does not have the original{words}")
    name = _image_id(query, parse_image_id(image_id) if isinstance(image_id, str) else "")
    return PhotoItem(name or substitute_id(item), failure=failure)


def substitute_id(item: Any) -> str:
    """A name for an item that has none, the same whenever it is listed."""
    return f"unnamed-{hashlib.sha256(repr(item).encode(errors='replace')).hexdigest()[:10]}"
