"""What the service's answers hold: pages of photos, and events.

Shapes are those of its published reference; whatever is not as it should be is left out, or is a photo's failure.
"""

import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from ninepic_cli.errors import MissingError, PhotoError, UnusableAnswerError
from ninepic_cli.photo import Link, Method
from ninepic_cli.query import Query, looks_like_id

ELSEWHERE = "check the network (a login page, a firewall?) and the base_url setting"
_QUERY_MARK = re.compile(r"\?|%3f", re.IGNORECASE)
_LIFE = re.compile(r"[?&]X-Amz-Expires=(\d{1,9})(?:&|$)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a page: a photo with its link, or one that the service does not have.

    Attributes:
        image_id: the last part of the link's path; for the method `image_id` the one asked for, unless that is
            plainly another's.
        filename: the suggestion; "" where there is none.
        extension: of the link's path, with its dot.
        link: None for one that cannot be fetched.
        failure: why not; None for one that can.
    """

    image_id: str
    filename: str
    extension: str
    link: Link | None
    failure: PhotoError | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing; None where the service does not say."""

    entries: tuple[Entry, ...]
    total: int | None
    pages: int | None
    has_next: bool | None

    def may_go_on(self, number: int) -> bool:
        """Whether there may be a page behind this one, which has that number."""
        return self.has_next is not False and (self.pages is None or number < self.pages)


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


def originals_page(data: Mapping[str, Any], query: Query) -> Page:
    """A page of links, as the answer to a query.

    Raises:
        UnusableAnswerError: it holds no list of photos.
    """
    urls, failed = data.get("presigned_urls"), data.get("failed_urls")
    if not isinstance(urls, list) and not isinstance(failed, list):
        raise UnusableAnswerError("the service's answer holds no list of photos", hint=ELSEWHERE)
    arrived_s = time.monotonic()
    entries = [_entry(item, query, arrived_s) for item in (urls if isinstance(urls, list) else ())]
    entries += [_failed_entry(item, query) for item in (failed if isinstance(failed, list) else ())]
    return page_of(entries, data)


def page_of(entries: Sequence[Entry], data: Mapping[str, Any]) -> Page:
    """A page with these items, of which its pagination says the rest."""
    raw = data.get("pagination")
    pagination = raw if isinstance(raw, dict) else {}
    has_next = pagination.get("hasNextPage")
    return Page(
        entries=tuple(entries),
        total=count_of(pagination.get("total")),
        pages=count_of(pagination.get("totalPages")),
        has_next=has_next if isinstance(has_next, bool) else None,
    )


def event_entry(item: Any) -> EventEntry | None:
    """An event of the list, or its details; None for what has no id, with which nothing could be done."""
    fields = item if isinstance(item, dict) else {}
    event_id = count_of(fields.get("event_id"))
    name, date, status, slug = (
        text if isinstance(text := fields.get(key), str) else ""
        for key in ("event_name", "event_date", "status", "event_slug")
    )
    return EventEntry(event_id, name, date[: len("2025-09-14")], status, slug) if event_id else None


def count_of(value: object) -> int | None:
    """A whole number from 0 on; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _entry(item: Any, query: Query, arrived_s: float) -> Entry:
    url = item.get("url") if isinstance(item, dict) else None
    filename = item.get("filename") if isinstance(item, dict) else None
    name = _without_query(filename) if isinstance(filename, str) else ""
    last = _last_part(url) if isinstance(url, str) else ""
    stem, dot, ending = last.rpartition(".")
    image_id = _id_in(query, stem if dot else last)
    if not isinstance(url, str) or not image_id:
        failure = PhotoError("the service listed it without a link that can be used", code="unusable_link")
        return Entry(_id_in(query, name.rpartition(".")[0]) or makeshift_id(item), name, "", None, failure)
    life = _LIFE.search(url)
    link = Link(url, arrived_s, float(life[1]) if life else None)
    return Entry(image_id, name, dot + ending if dot else "", link)


def _without_query(filename: str) -> str:
    """A suggestion that was cut out of the link may have the link's signature at its end, which is a credential."""
    name, *query = _QUERY_MARK.split(filename, maxsplit=1)
    return name if query and ("=" in query[0] or "%3d" in query[0].lower()) else filename


def _id_in(query: Query, name: str) -> str:
    """The id of an item that is called so: of one that is asked for alone, any name that is not another photo's id."""
    asked = query.identifier
    if query.method is not Method.IMAGE or not isinstance(asked, str):
        return name
    is_another = looks_like_id(name) and looks_like_id(asked) and name.lower() != asked.lower()
    return name if is_another else asked


def _last_part(url: str) -> str:
    # Not by a parser: a link that none can read still names its photo, whose failure it is then.
    path = url.partition("?")[0].partition("#")[0].partition("://")[2].partition("/")[2]
    return unquote(path.rpartition("/")[2])


def _failed_entry(item: Any, query: Query) -> Entry:
    fields = item if isinstance(item, dict) else {}
    image_id, reason = fields.get("image_id"), fields.get("error")
    words = f": {reason[:500]}" if isinstance(reason, str) and reason else ""
    failure = MissingError(f"the service does not have the original{words}")
    name = _id_in(query, image_id if isinstance(image_id, str) else "")
    return Entry(name or makeshift_id(item), "", "", None, failure)


def makeshift_id(item: Any) -> str:
    """A name for an item that has none, the same whenever it is listed."""
    return f"unnamed-{hashlib.sha256(repr(item).encode(errors='replace')).hexdigest()[:10]}"
