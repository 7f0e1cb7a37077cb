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


SEARCHES = {"bib_search", "selfie_search", "timeline_search"}
FEATURES = ("bib_search", "selfie_search", "name_search", "video_search", "video_selfie_search", "timeline_search")


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
        timeline = self._world.timeline if event_id == self._world.event_id else Timeline([])
        if resource == "timeline/days":
            return {"days": timeline.days()}
        page = Page.from_request(request, 32, 100, fault.page)
        if kind in {"bibs", "faces"}:
            return self._search_results("bib" if kind == "bibs" else "selfie", unquote(name), event_id, page)
        places = timeline.positions(*_parse_period(request)) if kind == "timeline" else range(len(timeline.ids))
        return self._listing(timeline.ids, places, page)

    def _details(self, event_id: int) -> JsonObject:
        event = next(each for each in self._world.event_list() if each["event_id"] == event_id)
        event.pop("cover_image")
        return {**event, "event_enabled": True, **{name: name in SEARCHES for name in FEATURES}}

    def find_photos(self, method: str, identifier: str, event_id: int) -> Sequence[str]:
        """The image ids of a bib (method "bib") or a face search ("selfie"), in its order."""
        ids = self._world.find_photos(method, identifier) if event_id == self._world.event_id else ()
        if not ids and self._empty_as_404:
            raise ApiError(404, f"No photos found for this {'bib' if method == 'bib' else 'request_id'}.")
        return ids

    def _search_results(self, method: str, identifier: str, event_id: int, page: Page) -> JsonObject:
        ids = self.find_photos(method, identifier, event_id)
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
        original = self._presigner.unsigned_url(self._world.object_key(image_id))
        folder = f"imgs/{self._world.event_id}"
        width, height = (6000, 4000) if photo and photo.taken is not None else (None, None)
        return {
            "image_id": image_id,
            "img_url": self._presigner.unsigned_url(f"{folder}/medium/{image_id}.jpg"),
            "thumbnail_url": self._presigner.unsigned_url(f"{folder}/small/{image_id}.jpg"),
            "original_url": original if photo and photo.has_original else None,
            "width": width,
            "height": height,
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
