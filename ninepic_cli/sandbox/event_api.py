"""What the API tells of an event and lists of its photos, watermarked; originals are another matter."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ninepic_cli.sandbox.data import Timeline
from ninepic_cli.sandbox.limits import ApiError, Page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ninepic_cli.sandbox.data import World
    from ninepic_cli.sandbox.faults import Fault
    from ninepic_cli.sandbox.object_store import Presigner
    from ninepic_cli.sandbox.wire import JsonObject, Request


DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE = 32, 100
SEARCHES = {"bib_search", "selfie_search", "timeline_search"}
FEATURES = ("bib_search", "selfie_search", "name_search", "video_search", "video_selfie_search", "timeline_search")


def no_photos_error(method: str) -> ApiError:
    """What a bib (method "bib") or a face search ("selfie") without photos is answered with."""
    return ApiError(404, f"No photos found for this {'bib' if method == 'bib' else 'request_id'}.")


class EventApi:
    """Answers what is asked below an event, except for originals and the ping."""

    def __init__(self, world: World, presigner: Presigner, *, empty_as_404: bool) -> None:
        self._world = world
        self._presigner = presigner
        self._empty_as_404 = empty_as_404

    def data(self, resource: str, request: Request, event_id: int, fault: Fault) -> JsonObject:
        """The data of a successful response; `resource` is the path below the event."""
        kind, _, name = resource.partition("/")
        if kind == "details":
            return self._details(event_id)
        has_photos = event_id == self._world.event_id
        timeline = self._world.timeline if has_photos else Timeline([])
        if resource == "timeline/days":
            return {"days": timeline.days()}
        page = Page.from_request(
            request, default_size=DEFAULT_PAGE_SIZE, max_size=MAX_PAGE_SIZE, other_number=fault.page
        )
        if kind in {"bibs", "faces"}:
            method = "bib" if kind == "bibs" else "selfie"
            return self._search_results(method, unquote(name), page, has_photos=has_photos)
        places = timeline.positions(*_parse_period(request)) if kind == "timeline" else range(len(timeline.ids))
        return self._listing(timeline.ids, places, page)

    def _details(self, event_id: int) -> JsonObject:
        event = next(each for each in self._world.event_list() if each["event_id"] == event_id)
        event.pop("cover_image")
        return {**event, "event_enabled": True, **{name: name in SEARCHES for name in FEATURES}}

    def _search_results(self, method: str, identifier: str, page: Page, *, has_photos: bool) -> JsonObject:
        """The photos of a bib or a face search, in the order of the search."""
        ids = self._world.find_photos(method, identifier) if has_photos else ()
        if not ids and self._empty_as_404:
            raise no_photos_error(method)
        listing = self._listing(ids, range(len(ids)), page)
        if method == "selfie":
            listing["request_id"] = identifier
            for place, image in enumerate(listing["images"], start=page.items.start):
                image.update(request_id=identifier, confidence_percentage=round(99.5 - place * 40 / len(ids), 1))
        return listing

    def _listing(self, ids: Sequence[str], places: range, page: Page) -> JsonObject:
        """A page of the photos that have these places in `ids`."""
        shown = places[page.items]  # and not a copy of so many ids
        images = [self._image(image_id) for image_id in ids[shown.start : shown.stop]]
        return {"images": images, "pagination": page.pagination(len(places))}

    def _image(self, image_id: str) -> JsonObject:
        photo = self._world.photos.get(image_id)
        is_known = photo is not None and photo.taken is not None
        return {
            "image_id": image_id,
            "img_url": self._presigner.unsigned_url(f"imgs/{self._world.event_id}/medium/{image_id}.jpg"),
            "thumbnail_url": self._presigner.unsigned_url(f"imgs/{self._world.event_id}/small/{image_id}.jpg"),
            "original_url": self._presigner.unsigned_url(self._world.object_key(image_id))
            if photo and photo.has_original
            else None,
            "width": 6000 if is_known else None,
            "height": 4000 if is_known else None,
        }


def _parse_period(request: Request) -> tuple[float, float]:
    """The stretch of time that is asked for, its end not included, in seconds since the epoch."""
    parameters = request.parameters()
    problems: list[str] = []
    start, stop = (_parse_time(parameters, name, problems) for name in ("from", "to"))
    if not problems and start >= stop:
        problems.append("query.to: Input should be after from")
    if problems:
        raise ApiError(422, "; ".join(problems))
    return start, stop


def _parse_time(parameters: dict[str, list[str]], name: str, problems: list[str]) -> float:
    """A time in ISO 8601, in UTC unless it says otherwise, in seconds since the epoch."""
    if name not in parameters:
        problems.append(f"query.{name}: Field required")
        return 0.0
    try:
        moment = datetime.fromisoformat(parameters[name][-1])
    except ValueError:
        problems.append(f"query.{name}: Input should be a valid datetime")
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
