"""The API: what it checks, in which order, and what it answers."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ninepic_cli.sandbox.event_api import EventApi
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


class Api:
    """Answers requests to the API; `Sandbox` describes the parameters."""

    name = "api"

    def __init__(
        self,
        world: World,
        presigner: Presigner,
        page_size_cap: int,
        requests_per_s: float | None,
        *,
        empty_as_404: bool,
        flat: bool,
    ) -> None:
        self._world = world
        self._presigner = presigner
        self._page_size_cap = page_size_cap
        self._limiter = RateLimiter(requests_per_s)
        self._event_api = EventApi(world, presigner, empty_as_404=empty_as_404)
        self._flat = flat

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
        if self._flat:
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
            page, events = Page.from_request(request, 10, 100), self._world.event_list()
            return {"events": events[page.items], "pagination": page.pagination(len(events))}
        event_id = _parse_id(route["event"], "event_id")
        if event_id not in self._world.events:
            raise ApiError(404, "Event not found.")
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

    def _original_photos(self, request: Request, event_id: int, fault: Fault) -> JsonObject:
        cap = self._page_size_cap
        page = Page.from_request(request, min(30, cap), cap, fault.page)
        method, identifier = _parse_query(request)
        if fault.shift:
            self._world.drop_first(fault.shift)
        ids = self._find_ids(method, identifier, event_id)
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

    def _find_ids(self, method: str, identifier: str | list[str], event_id: int) -> Sequence[str]:
        """The image ids that were asked for, with those that have no photo, unless none of them has one."""
        if isinstance(identifier, str) and method != "image_id":
            return self._event_api.find_photos(method, identifier, event_id)
        ids = [identifier] if isinstance(identifier, str) else identifier
        photos = self._world.photos if event_id == self._world.event_id else {}
        if not any(each in photos and photos[each].has_original for each in ids):
            raise ApiError(400, "None of the image ids exist in storage.")
        return ids

    def _presign(self, ids: Sequence[str]) -> tuple[list[JsonObject], list[JsonObject]]:
        """The items of a page: links, and the ids for which there is none."""
        links: list[JsonObject] = []
        failed: list[JsonObject] = []
        for image_id in ids:
            photo, key = self._world.photos.get(image_id), self._world.object_key(image_id)
            if photo is None:
                failed.append({"image_id": image_id, "error": "Image not found", "path": None})
            elif not photo.has_original:
                failed.append({"image_id": image_id, "error": "Not in storage", "path": key})
            else:
                filename = f"{image_id}.jpg" if photo.filename is None else photo.filename
                links.append({"url": self._presigner.presign(key), "filename": filename})
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
