"""What the API tells of an event and lists of its photos, watermarked; originals are another matter."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from ninepic_cli.sandbox.data import part
from ninepic_cli.sandbox.limits import Paging, RefusalError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ninepic_cli.sandbox.data import World
    from ninepic_cli.sandbox.faults import Fault
    from ninepic_cli.sandbox.links import Links
    from ninepic_cli.sandbox.messages import Request


Payload = dict[str, Any]

USUAL, LARGEST = 32, 100
SEARCHES = {"bib_search", "selfie_search", "timeline_search"}
FEATURES = ("bib_search", "selfie_search", "name_search", "video_search", "video_selfie_search", "timeline_search")


class Gallery:
    """Answers what is asked below an event, except for originals and the ping."""

    def __init__(self, world: World, links: Links, *, empty_as_404: bool) -> None:
        self._world = world
        self._links = links
        self._empty_as_404 = empty_as_404

    def data(self, what: str, request: Request, event_id: int, fault: Fault) -> Payload:
        """The data of a successful answer; `what` is the path below the event."""
        kind, _, name = what.partition("/")
        if kind == "details":
            return self._details(event_id)
        if what == "timeline/days":
            return {"days": self._world.album.days() if event_id == self._world.event_id else []}
        paging = Paging.of(request, default=USUAL, cap=LARGEST)
        if fault.page is not None:
            paging = Paging(fault.page, paging.size)
        if kind in {"bibs", "faces"}:
            return self._found(kind, unquote(name), event_id, paging)
        ids = self._world.album.ids if event_id == self._world.event_id else []
        where = self._between(request) if kind == "timeline" else range(len(ids))
        return self._page(part(ids, where, paging.items), len(where) if ids else 0, paging)

    def _details(self, event_id: int) -> Payload:
        event = next(each for each in self._world.listed_events() if each["event_id"] == event_id)
        event.pop("cover_image")
        return {**event, "event_enabled": True, **{name: name in SEARCHES for name in FEATURES}}

    def _found(self, kind: str, name: str, event_id: int, paging: Paging) -> Payload:
        """The photos of a bib or a face search, in the order of the search."""
        method = "bib" if kind == "bibs" else "selfie"
        ids = self._world.found(method, name) if event_id == self._world.event_id else ()
        if not ids and self._empty_as_404:
            raise RefusalError(404, f"No photos found for this {'bib' if kind == 'bibs' else 'request_id'}.")
        page = self._page(ids[paging.items], len(ids), paging)
        if kind == "faces":
            page["request_id"] = name
            for place, image in enumerate(page["images"], start=paging.items.start):
                image.update(request_id=name, confidence_percentage=round(99.5 - place * 40 / len(ids), 1))
        return page

    def _between(self, request: Request) -> range:
        """The photos of a stretch of time, its end not included."""
        query = parse_qs(request.query, keep_blank_values=True)
        problems: list[str] = []
        start, stop = (_moment(query, name, problems) for name in ("from", "to"))
        if not problems and start >= stop:
            problems.append("query.to: Input should be after from")
        if problems:
            raise RefusalError(422, "; ".join(problems))
        return self._world.album.between(start, stop)

    def _page(self, ids: Sequence[str], total: int, paging: Paging) -> Payload:
        return {"images": [self._image(image_id) for image_id in ids], "pagination": paging.described(total)}

    def _image(self, image_id: str) -> Payload:
        photo = self._world.photos.get(image_id)
        is_known = photo is not None and photo.taken is not None
        return {
            "image_id": image_id,
            "img_url": self._links.address(f"imgs/{self._world.event_id}/medium/{image_id}.jpg"),
            "thumbnail_url": self._links.address(f"imgs/{self._world.event_id}/small/{image_id}.jpg"),
            "original_url": self._links.address(self._world.key(image_id)) if photo and photo.stored else None,
            "width": 6000 if is_known else None,
            "height": 4000 if is_known else None,
        }


def _moment(query: dict[str, list[str]], name: str, problems: list[str]) -> float:
    """A time in ISO 8601, in UTC unless it says otherwise, in seconds since the epoch."""
    if name not in query:
        problems.append(f"query.{name}: Field required")
        return 0.0
    try:
        moment = datetime.fromisoformat(query[name][-1])
    except ValueError:
        problems.append(f"query.{name}: Input should be a valid datetime")
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
