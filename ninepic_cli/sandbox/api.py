"""The API: what it checks, in which order, and what it answers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ninepic_cli.sandbox.gallery import Gallery
from ninepic_cli.sandbox.limits import Paging, RefusalError, Throttle
from ninepic_cli.sandbox.messages import Answer, Plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ninepic_cli.sandbox.data import World
    from ninepic_cli.sandbox.faults import Fault
    from ninepic_cli.sandbox.links import Links
    from ninepic_cli.sandbox.messages import Request


Payload = dict[str, Any]

ROUTE = re.compile(
    r"/api/v1/ext/(?P<org>[^/]+)/(?:event/(?P<event>[^/]+)/(?P<what>original-photos|ping|details|images|"
    r"timeline/days|timeline/images|(?:bibs|faces)/[^/]+)|(?P<list>events))"
)
METHODS = ("bib", "selfie", "image_id", "image_ids")


@dataclass(frozen=True)
class Manners:
    """The choices that the published reference leaves open, and the limits.

    Attributes:
        page_size_cap: The largest page of links.
        requests_per_s: More requests than that are answered 429; None for no limit.
        empty_as_404: A bib or search without photos is a 404; otherwise a 200 with empty lists.
        flat: Payloads come without the envelope.
    """

    page_size_cap: int = 60
    requests_per_s: float | None = None
    empty_as_404: bool = True
    flat: bool = False


class Api:
    """Answers requests to the API."""

    name = "api"

    def __init__(self, world: World, links: Links, manners: Manners) -> None:
        self._world = world
        self._links = links
        self._manners = manners
        self._throttle = Throttle(manners.requests_per_s)
        self._gallery = Gallery(world, links, empty_as_404=manners.empty_as_404)

    def answer(self, request: Request, fault: Fault) -> Answer:
        """Answers a request, with what a fault does to the JSON."""
        try:
            status, headers, payload = 200, {}, self._envelope(200, "OK", self._data(request, fault))
        except RefusalError as refusal:
            status, headers = refusal.status, refusal.headers
            payload = self._envelope(status, str(refusal), None)
        content = b"" if status < 400 and fault.status == status and not fault.mutate else _encoded(payload, fault)
        return Answer(status, {"Content-Type": "application/json", **headers}, Plain(content))

    def _envelope(self, status: int, message: str, data: Payload | None) -> Payload:
        if self._manners.flat:
            return {"detail": message} if data is None else {**data, "message": None}
        return {"responseType": "success" if status < 400 else "error", "message": message, "data": data}

    def _data(self, request: Request, fault: Fault) -> Payload:
        """The data of a successful answer."""
        if fault.status is not None:
            raise RefusalError(fault.status, _phrase(fault.status))
        self._throttle.admit()
        found = ROUTE.fullmatch(request.path)
        if not found:
            raise RefusalError(404, "Not Found")
        what = found["what"] or found["list"]
        verb = "POST" if what == "original-photos" else "GET"
        if request.method != verb:
            raise RefusalError(405, "Method Not Allowed", Allow=verb)
        self._authorise(request, found["org"])
        if what == "events":
            return self._events(Paging.of(request, default=10, cap=100))
        event_id = self._event(found["event"])
        if what == "ping":
            return {"status": "ok", "org_id": self._world.org_id, "event_id": event_id}
        if what == "original-photos":
            return self._original_photos(request, event_id, fault)
        return self._gallery.data(what, request, event_id, fault)

    def _authorise(self, request: Request, org: str) -> None:
        key = request.headers.get("x-api-key")
        if not key:
            raise RefusalError(401, "API key is missing. Send it in the X-API-Key header.")
        if key != self._world.api_key:
            raise RefusalError(403, "The API key is invalid or inactive.")
        if _whole_number(org, "org_id") != self._world.org_id:
            raise RefusalError(403, "The API key does not belong to this organization.")

    def _event(self, event: str) -> int:
        event_id = _whole_number(event, "event_id")
        if event_id not in self._world.events:
            raise RefusalError(404, "Event not found.")
        return event_id

    def _events(self, paging: Paging) -> Payload:
        events = self._world.listed_events()
        return {"events": events[paging.items], "pagination": paging.described(len(events))}

    def _original_photos(self, request: Request, event_id: int, fault: Fault) -> Payload:
        paging = Paging.of(request, default=min(30, self._manners.page_size_cap), cap=self._manners.page_size_cap)
        if fault.page is not None:
            paging = Paging(fault.page, paging.size)
        method, identifier = _asked_for(request)
        if fault.shift:
            self._world.drop_first(fault.shift)
        ids = self._ids(method, identifier) if event_id == self._world.event_id else ()
        if not ids:
            self._refuse_nothing(method)
        links, failed = self._links_to(ids[paging.items])
        return {
            "presigned_urls": links,
            "failed_urls": failed,
            "total_images": len(links) + len(failed),
            "successful_count": len(links),
            "failed_count": len(failed),
            "identifier": identifier if isinstance(identifier, str) else None,
            "pagination": paging.described(len(ids)),
        }

    def _ids(self, method: str, identifier: str | list[str]) -> Sequence[str]:
        """The image ids that were asked for, with those that have no photo, or none at all."""
        photos = self._world.photos
        if method == "image_ids":
            return identifier if any(each in photos and photos[each].stored for each in identifier) else ()
        assert isinstance(identifier, str)  # noqa: S101 -- _asked_for has seen to it
        if method == "image_id":
            photo = photos.get(identifier)
            return [identifier] if photo and photo.stored else ()
        return self._world.found(method, identifier)

    def _refuse_nothing(self, method: str) -> None:
        """Answers a request that finds nothing, unless with an empty success."""
        if method.startswith("image_id"):
            raise RefusalError(400, "None of the image ids exist in storage.")
        if self._manners.empty_as_404:
            raise RefusalError(404, f"No photos found for this {'bib' if method == 'bib' else 'request_id'}.")

    def _links_to(self, ids: Sequence[str]) -> tuple[list[Payload], list[Payload]]:
        """The items of a page: links, and the ids for which there is none."""
        links: list[Payload] = []
        failed: list[Payload] = []
        for image_id in ids:
            photo = self._world.photos.get(image_id)
            if photo is None:
                failed.append({"image_id": image_id, "error": "Image not found", "path": None})
            elif not photo.stored:
                failed.append({"image_id": image_id, "error": "Not in storage", "path": self._world.key(image_id)})
            else:
                url = self._links.link(self._world.key(image_id))
                links.append(
                    {"url": url, "filename": photo.filename if photo.filename is not None else f"{image_id}.jpg"}
                )
        return links, failed


def _whole_number(text: str, name: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", unquote(text)):
        raise RefusalError(422, f"path.{name}: Input should be a valid integer")
    return int(unquote(text))


def _asked_for(request: Request) -> tuple[str, str | list[str]]:
    """The method and the identifier in a request's body."""
    body = _json_object(request)
    method, identifier = body.get("method"), body.get("identifier")
    if method not in METHODS:
        raise RefusalError(400, f"method must be one of {', '.join(METHODS)}.")
    if method == "image_ids":
        if not isinstance(identifier, list) or not all(isinstance(each, str) and each for each in identifier):
            raise RefusalError(400, "identifier must be an array of strings for image_ids.")
    elif not isinstance(identifier, str):
        raise RefusalError(400, f"identifier must be a string for {method}.")
    if not identifier or (isinstance(identifier, str) and not identifier.strip()):
        raise RefusalError(400, "identifier must not be empty.")
    return method, identifier


def _json_object(request: Request) -> Payload:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RefusalError(422, "header.Content-Type: Input should be 'application/json'")
    try:
        body = json.loads(request.body)
    except ValueError:
        raise RefusalError(422, "body: JSON decode error") from None
    if not isinstance(body, dict):
        raise RefusalError(422, "body: Input should be a valid dictionary")
    return body


def _encoded(payload: Payload, fault: Fault) -> bytes:
    result = fault.mutate(payload) if fault.mutate else None
    result = payload if result is None else result
    if isinstance(result, bytes | bytearray):
        return bytes(result)
    return result.encode() if isinstance(result, str) else json.dumps(result).encode()


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in {each.value for each in HTTPStatus} else "Error"
