"""What the service tells of an event and lists of its photos, apart from links to originals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ninepic_cli.api.client import Api
from ninepic_cli.api.schema import (
    EventEntry,
    Page,
    PhotoItem,
    UnreadableError,
    event_entry,
    id_of,
    items_of,
    makeshift_id,
    parse_page,
)
from ninepic_cli.errors import PhotoError
from ninepic_cli.inputs.filters import Period

PAGE_SIZE = 100  # the largest that the service takes

SEARCHES = ("bib_search", "selfie_search", "name_search", "video_search", "video_selfie_search", "timeline_search")


@dataclass(frozen=True, slots=True)
class Details:
    """An event, and what can be done with it; None where the service does not say.

    Attributes:
        is_enabled: whether the organiser has switched it on.
        searches: for each of SEARCHES, whether it is switched on.
    """

    event: EventEntry
    is_enabled: bool | None
    searches: Mapping[str, bool | None]


def details(api: Api) -> Details:
    """The event's details.

    Raises:
        EventNotFoundError: there is no such event.
        NinepicError: the service could not say.
    """
    return api.about_event("details", what="event details", read=_details)


def _details(payload: Mapping[str, Any]) -> Details:
    event = event_entry(payload)
    if event is None:
        raise UnreadableError("no event")
    flags = {name: value if isinstance(value := payload.get(name), bool) else None for name in SEARCHES}
    enabled = payload.get("event_enabled")
    return Details(event, enabled if isinstance(enabled, bool) else None, flags)


def photo_count(api: Api, period: Period | None = None) -> int | None:
    """How many photos the event has, or how many taken in a period, if the service says so.

    Raises:
        NinepicError: it could not say.
    """
    return api.about_event(_path(1, 1, period), what="number of photos", read=_count)


def photo_page(api: Api, number: int, period: Period | None = None) -> Page:
    """A page of the event's photos by capture time, those without one last; of a period, those taken in it.

    Returns:
        Entries that have an id and nothing else; those without one have failed.

    Raises:
        NinepicError: as by `Api.originals`.
    """
    what = f"page {number} of the event's photos"
    return api.about_event(_path(number, PAGE_SIZE, period), what=what, read=_images)


def _images(payload: Mapping[str, Any]) -> Page:
    entries = [_entry(image) for image in _items(payload)]
    if entries and all(entry.failure for entry in entries):  # which is no list of photos
        raise UnreadableError("photos without ids")
    return parse_page(entries, payload)


def _count(payload: Mapping[str, Any]) -> int | None:
    _items(payload)
    return parse_page((), payload).total


def _items(payload: Mapping[str, Any]) -> list[Any]:
    images = items_of(payload, "images")
    if images is None:
        raise UnreadableError("no list of photos")
    return images


def _entry(image: Any) -> PhotoItem:
    image_id = image.get("image_id") if isinstance(image, dict) else None
    if isinstance(image_id, str) and (name := id_of(image_id)):
        return PhotoItem(name, "", "", None)
    return PhotoItem(
        makeshift_id(image), "", "", None, PhotoError("the service listed it without an id", code="unnamed")
    )


def _path(number: int, size: int, period: Period | None) -> str:
    what = f"timeline/images?{period.query}&" if period else "images?"
    return f"{what}page={number}&page_size={size}"
