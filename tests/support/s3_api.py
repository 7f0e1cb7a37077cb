"""A stand-in of the 9Pic API for the tests: lists, paging and refusals; the links come from elsewhere."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from tests.support.s3_relay import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Callable

ORG_ID = "7"
EVENT_ID = "456"
API_KEY = "np_test_0123456789abcdef"

_PATH = re.compile(
    r"/api/v1/ext/(?P<org>[^/]+)/(?:events|event/(?P<event>[^/]+)/(?P<what>ping|original-photos|images))"
)
_LARGEST_PAGE = {"original-photos": 60, "events": 100, "images": 100}
_USUAL_PAGE = {"original-photos": 30, "events": 10, "images": 32}


@dataclass(frozen=True)
class ApiRequest:
    """A request as it came in; header names are in lower case, `body` is the decoded JSON."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any = None

    @property
    def what(self) -> str:
        """The last part of the path: `original-photos`, `images`, `ping` or `events`."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Answer:
    """An answer to send; a body that is not bytes goes out as JSON."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """The API answers with an error; a hook may raise it too."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.answer = Answer(status, {"responseType": "error", "message": message, "data": None})


class Api:
    """What the API knows and how it answers.

    Attributes:
        photos: image id to suggested file name, of every photo that the API knows; the event has all of them.
        bibs, searches: bib number or request id to image ids, in listing order.
        failed: image id to error; these are listed in `failed_urls` instead of with a link.
        events: what the organisation's event list shows.
        requests: every request so far.
        hook: sees each request first and may answer it itself, or raise `RefusedError`; `None` leaves it to the API.
    """

    def __init__(self, link: Callable[[str], str]) -> None:
        self.photos: dict[str, str] = {}
        self.bibs: dict[str, list[str]] = {}
        self.searches: dict[str, list[str]] = {}
        self.failed: dict[str, str] = {}
        self.events: list[dict[str, Any]] = [{"event_id": int(EVENT_ID), "event_name": "Test Run"}]
        self.requests: list[ApiRequest] = []
        self.hook: Callable[[ApiRequest], Answer | None] = lambda _request: None
        self._link = link

    def answer(self, request: ApiRequest) -> Answer:
        """Records a request and answers it."""
        self.requests.append(request)
        try:
            return self.hook(request) or self._answer(request)
        except RefusedError as refusal:
            return refusal.answer

    def _answer(self, request: ApiRequest) -> Answer:
        self._admit(request)
        data: dict[str, Any]
        if request.what == "original-photos":
            data = self._originals(request)
        elif request.what == "events":
            events, pagination = _page(self.events, request)
            data = {"events": events, "pagination": pagination}
        elif request.what == "images":
            photos, pagination = _page(list(self.photos), request)
            data = {"images": [{"image_id": image_id} for image_id in photos], "pagination": pagination}
        else:
            data = {"status": "ok", "org_id": int(ORG_ID), "event_id": int(EVENT_ID)}
        return Answer(200, {"responseType": "success", "message": "OK", "data": data})

    def _admit(self, request: ApiRequest) -> None:
        path = _PATH.fullmatch(request.path)
        if path is None or request.method != ("POST" if path["what"] == "original-photos" else "GET"):
            raise RefusedError(404, "Not found")
        if "x-api-key" not in request.headers:
            raise RefusedError(401, "API key is required")
        if request.headers["x-api-key"] != API_KEY or path["org"] != ORG_ID:
            raise RefusedError(403, "Invalid API key")
        if path["event"] not in {None, EVENT_ID}:
            raise RefusedError(404, "Event not found")

    def _originals(self, request: ApiRequest) -> dict[str, Any]:
        chosen = self._chosen(request.body)
        page, pagination = _page(chosen, request)
        failed = {image_id: self._trouble(image_id) for image_id in page if self._trouble(image_id)}
        links = [
            {"url": self._link(image_id), "filename": self.photos[image_id]}
            for image_id in page
            if image_id not in failed
        ]
        identifier = request.body["identifier"]
        return {
            "presigned_urls": links,
            "failed_urls": [{"image_id": key, "error": error, "path": None} for key, error in failed.items()],
            "total_images": len(chosen),
            "successful_count": len(links),
            "failed_count": len(failed),
            "identifier": None if isinstance(identifier, list) else identifier,
            "pagination": pagination,
        }

    def _trouble(self, image_id: str) -> str:
        return self.failed.get(image_id, "") if image_id in self.photos else "Image not found"

    def _chosen(self, body: Any) -> list[str]:
        method, identifier = _asked(body)
        if method == "image_ids":
            if not any(image_id in self.photos for image_id in identifier):
                raise RefusedError(400, "None of the images exist")
            return list(identifier)
        if method == "image_id":
            if identifier not in self.photos:
                raise RefusedError(400, "Image does not exist")
            return [identifier]
        if method == "bib":
            found = {bib.casefold(): photos for bib, photos in self.bibs.items()}.get(identifier.casefold())
        else:
            found = self.searches.get(identifier)
        if not found:
            raise RefusedError(404, "No photos found")
        return found


def _asked(body: Any) -> tuple[str, Any]:
    """The method and the identifier of a well-formed request body."""
    if not isinstance(body, dict) or "identifier" not in body:
        raise RefusedError(422, "body.identifier: Field required")
    method, identifier = body.get("method"), body["identifier"]
    if method not in {"bib", "selfie", "image_id", "image_ids"}:
        raise RefusedError(400, "Unknown method")
    if not isinstance(identifier, list if method == "image_ids" else str):
        raise RefusedError(400, "Identifier has the wrong type")
    if not identifier:
        raise RefusedError(400, "Identifier is empty")
    return method, identifier


def _page(items: list[Any], request: ApiRequest) -> tuple[list[Any], dict[str, Any]]:
    """The items of the page that is asked for, and the `pagination` that goes with them."""
    page = _number(request, "page", 1)
    size = _number(request, "page_size", _USUAL_PAGE[request.what])
    if size > _LARGEST_PAGE[request.what]:
        raise RefusedError(422, f"query.page_size: must be at most {_LARGEST_PAGE[request.what]}")
    pages = -(-len(items) // size)
    return items[(page - 1) * size : page * size], {
        "total": len(items),
        "currentPage": page,
        "totalPages": pages,
        "hasNextPage": page < pages,
        "hasPreviousPage": page > 1,
        "page_size": size,
    }


def _number(request: ApiRequest, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise RefusedError(422, f"query.{name}: must be a positive whole number")
    return int(text)


class ApiServer(LoopbackServer):
    """Serves an `Api` on a free loopback port."""

    def __init__(self, api: Api) -> None:
        self.api = api
        super().__init__(_ApiConnection)


class _ApiConnection(BaseHTTPRequestHandler):
    server: ApiServer
    protocol_version = "HTTP/1.1"
    # Head and body leave in one piece: two would wait for each other's acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        body = self.rfile.read(int(headers.get("content-length", 0)))
        try:
            decoded = json.loads(body) if body else None
        except ValueError:
            decoded = None
        self._send(self.server.api.answer(ApiRequest(self.command, parts.path, query, headers, decoded)))

    def do_POST(self) -> None:
        self.do_GET()

    def _send(self, answer: Answer) -> None:
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))} | answer.headers
        self.send_response(answer.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Keeps standard error for the tests."""
