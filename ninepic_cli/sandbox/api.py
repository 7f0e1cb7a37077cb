"""The API: what it checks, in which order, and what it answers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ninepic_cli.sandbox.event_api import EventApi, no_photos_error
from ninepic_cli.sandbox.limits import ApiError, Page, RateLimiter
from ninepic_cli.sandbox.wire import REASON_PHRASES, BytesContent, Response

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ninepic_cli.sandbox.data import World
    from ninepic_cli.sandbox.faults import Fault
    from ninepic_cli.sandbox.object_store import Presigner
    from ninepic_cli.sandbox.wire import JsonObject, Request


ROUTE = re.compile(
    r"/api/v1/ext/(?P<org>[^/]+)/(?:event/(?P<event>[^/]+)/(?P<resource>original-photos|ping|details|images|"
    r"timeline/days|timeline/images|(?:bibs|faces)/[^/]+)|(?P<list>events))"
)
METHODS = ("bib", "selfie", "image_id", "image_ids")


@dataclass(frozen=True)
class ApiOptions:
    """The choices that the published reference leaves open, and the limits.

    Attributes:
        page_size_cap: The largest page of links.
        requests_per_s: More requests than that are answered 429; None for no limit.
        empty_as_404: A bib or search without photos is a 404; otherwise a 200 with empty lists.
        flat: Answers come without the envelope.
    """

    page_size_cap: int = 60
    requests_per_s: float | None = None
    empty_as_404: bool = True
    flat: bool = False


class Api:
    """Answers requests to the API."""

    name = "api"

    def __init__(self, world: World, presigner: Presigner, options: ApiOptions) -> None:
        self._world = world
        self._presigner = presigner
        self._options = options
        self._limiter = RateLimiter(options.requests_per_s)
        self._event_api = EventApi(world, presigner, empty_as_404=options.empty_as_404)

    def respond(self, request: Request, fault: Fault) -> Response:
        """Answers a request, with what a fault does to the JSON."""
        try:
            status, headers, payload = 200, {}, self._envelope(200, "OK", self._data(request, fault))
        except ApiError as error:
            status, headers = error.status, error.headers
            payload = self._envelope(status, str(error), None)
        content = b"" if status < 400 and fault.status == status and not fault.mutate else _encode(payload, fault)
        return Response(status, {"Content-Type": "application/json", **headers}, BytesContent(content))

    def _envelope(self, status: int, message: str, data: JsonObject | None) -> JsonObject:
        if self._options.flat:
            return {"detail": message} if data is None else {**data, "message": None}
        return {"responseType": "success" if status < 400 else "error", "message": message, "data": data}

    def _data(self, request: Request, fault: Fault) -> JsonObject:
        """The data of a successful response."""
        if fault.status is not None:
            raise ApiError(fault.status, REASON_PHRASES.get(fault.status, "Error"))
        self._limiter.acquire()
        route = ROUTE.fullmatch(request.path)
        if not route:
            raise ApiError(404, "Not Found")
        resource = route["resource"] or route["list"]
        verb = "POST" if resource == "original-photos" else "GET"
        if request.method != verb:
            raise ApiError(405, "Method Not Allowed", Allow=verb)
        self._authorise(request, route["org"])
        if resource == "events":
            return self._events(Page.from_request(request, default_size=10, max_size=100))
        event_id = self._parse_event_id(route["event"])
        if resource == "ping":
            return {"status": "ok", "org_id": self._world.org_id, "event_id": event_id}
        if resource == "original-photos":
            return self._original_photos(request, event_id, fault)
        return self._event_api.data(resource, request, event_id, fault)

    def _authorise(self, request: Request, org: str) -> None:
        key = request.headers.get("x-api-key")
        if not key:
            raise ApiError(401, "API key is missing. Send it in the X-API-Key header.")
        if key != self._world.api_key:
            raise ApiError(403, "The API key is invalid or inactive.")
        if _parse_id(org, "org_id") != self._world.org_id:
            raise ApiError(403, "The API key does not belong to this organization.")

    def _parse_event_id(self, event: str) -> int:
        event_id = _parse_id(event, "event_id")
        if event_id not in self._world.events:
            raise ApiError(404, "Event not found.")
        return event_id

    def _events(self, page: Page) -> JsonObject:
        events = self._world.event_list()
        return {"events": events[page.items], "pagination": page.pagination(len(events))}

    def _original_photos(self, request: Request, event_id: int, fault: Fault) -> JsonObject:
        cap = self._options.page_size_cap
        page = Page.from_request(request, default_size=min(30, cap), max_size=cap, other_number=fault.page)
        method, identifier = _parse_query(request)
        if fault.shift:
            self._world.drop_first(fault.shift)
        ids = self._find_ids(method, identifier) if event_id == self._world.event_id else ()
        if not ids:
            self._reject_empty(method)
        links, failed = self._presign(ids[page.items])
        return {
            "presigned_urls": links,
            "failed_urls": failed,
            "total_images": len(links) + len(failed),
            "successful_count": len(links),
            "failed_count": len(failed),
            "identifier": identifier if isinstance(identifier, str) else None,
            "pagination": page.pagination(len(ids)),
        }

    def _find_ids(self, method: str, identifier: str | list[str]) -> Sequence[str]:
        """The image ids that were asked for, with those that have no photo, or none at all."""
        photos = self._world.photos
        if method == "image_ids":
            return identifier if any(each in photos and photos[each].has_original for each in identifier) else ()
        assert isinstance(identifier, str)  # noqa: S101 -- _parse_query has seen to it
        if method == "image_id":
            photo = photos.get(identifier)
            return [identifier] if photo and photo.has_original else ()
        return self._world.find_photos(method, identifier)

    def _reject_empty(self, method: str) -> None:
        """Answers a request that finds nothing, unless with an empty success."""
        if method.startswith("image_id"):
            raise ApiError(400, "None of the image ids exist in storage.")
        if self._options.empty_as_404:
            raise no_photos_error(method)

    def _presign(self, ids: Sequence[str]) -> tuple[list[JsonObject], list[JsonObject]]:
        """The items of a page: links, and the ids for which there is none."""
        links: list[JsonObject] = []
        failed: list[JsonObject] = []
        for image_id in ids:
            photo = self._world.photos.get(image_id)
            if photo is None:
                failed.append({"image_id": image_id, "error": "Image not found", "path": None})
            elif not photo.has_original:
                failed.append(
                    {"image_id": image_id, "error": "Not in storage", "path": self._world.object_key(image_id)}
                )
            else:
                url = self._presigner.presign(self._world.object_key(image_id))
                links.append(
                    {"url": url, "filename": photo.filename if photo.filename is not None else f"{image_id}.jpg"}
                )
        return links, failed


def _parse_id(text: str, name: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", unquote(text)):
        raise ApiError(422, f"path.{name}: Input should be a valid integer")
    return int(unquote(text))


def _parse_query(request: Request) -> tuple[str, str | list[str]]:
    """The method and the identifier in a request's body."""
    body = _parse_json(request)
    method, identifier = body.get("method"), body.get("identifier")
    if method not in METHODS:
        raise ApiError(400, f"method must be one of {', '.join(METHODS)}.")
    if method == "image_ids":
        if not isinstance(identifier, list) or not all(isinstance(each, str) and each for each in identifier):
            raise ApiError(400, "identifier must be an array of strings for image_ids.")
    elif not isinstance(identifier, str):
        raise ApiError(400, f"identifier must be a string for {method}.")
    if not identifier or (isinstance(identifier, str) and not identifier.strip()):
        raise ApiError(400, "identifier must not be empty.")
    return method, identifier


def _parse_json(request: Request) -> JsonObject:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError(422, "header.Content-Type: Input should be 'application/json'")
    try:
        body = json.loads(request.body)
    except ValueError:
        raise ApiError(422, "body: JSON decode error") from None
    if not isinstance(body, dict):
        raise ApiError(422, "body: Input should be a valid dictionary")
    return body


def _encode(payload: JsonObject, fault: Fault) -> bytes:
    result = fault.mutate(payload) if fault.mutate else None
    result = payload if result is None else result
    if isinstance(result, bytes | bytearray):
        return bytes(result)
    return result.encode() if isinstance(result, str) else json.dumps(result).encode()
