"""The API of the service, in a process of its own: pages of links to a store, made beforehand.

`python -m tests.bench.service PHOTOS ORIGIN DELAY`: a JSON file of image ids, the store's origin, and the seconds that
each answer is held back. The sandbox's own API signs each link when it is asked for: work that is not the client's.
"""

from __future__ import annotations

import json
import re
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ninepic_cli.sandbox.object_store import Presigner

from .process import LOOPBACK, end_with_stdin
from .store import FOLDER

API_KEY = "9pk_benchmark_0123456789"
ORG_ID, EVENT_ID = 123, 456
BIB = "1234"
FIRST = "1"  # the bib that has the first photo alone
PAGE_SIZE = 60
PATH = f"/api/v1/ext/{ORG_ID}/event/{EVENT_ID}/original-photos"


def urls(image_ids: list[str], origin: str) -> list[str]:
    """Links to a store, with everything that a presigned link has."""
    presigner = Presigner(life_s=86_400)
    presigner.origin = origin
    key = FOLDER.removeprefix("/originals/")
    return [presigner.presign(f"{key}/{image_id}.jpg") for image_id in image_ids]


def pages(image_ids: list[str], origin: str) -> list[bytes]:
    """The bodies of all pages of links."""
    items = [
        {"url": url, "filename": f"{image_id}.jpg"}
        for image_id, url in zip(image_ids, urls(image_ids, origin), strict=True)
    ]
    count = -(-len(items) // PAGE_SIZE)
    return [_page(items[number * PAGE_SIZE :][:PAGE_SIZE], number + 1, count, len(items)) for number in range(count)]


def _page(items: list[dict[str, str]], number: int, count: int, total: int) -> bytes:
    data = {
        "presigned_urls": items,
        "failed_urls": [],
        "total_images": len(items),
        "successful_count": len(items),
        "failed_count": 0,
        "identifier": None,
        "pagination": {
            "total": total,
            "currentPage": number,
            "totalPages": count,
            "hasNextPage": number < count,
            "hasPreviousPage": number > 1,
            "page_size": PAGE_SIZE,
        },
    }
    return json.dumps({"responseType": "success", "message": "OK", "data": data}).encode()


class Service(ThreadingHTTPServer):
    """Serves pages by bib."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, bibs: dict[str, list[bytes]], delay_s: float) -> None:
        self.bibs = bibs
        self.delay_s = delay_s
        super().__init__((LOOPBACK, 0), _Connection)


class _Connection(BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked = re.fullmatch(rf"{PATH}\?page=(\d+)&page_size={PAGE_SIZE}", self.path)
        found = self.server.bibs.get(body.get("identifier"))
        if not asked or not found or self.headers["X-API-Key"] != API_KEY:
            self.send_error(404)
            return
        time.sleep(self.server.delay_s)
        self._send(found[int(asked[1]) - 1])

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Says nothing."""


def main(photos: str, origin: str, delay: str) -> None:
    """Serve until standard input ends."""
    end_with_stdin()
    image_ids = json.loads(Path(photos).read_text())
    bibs = {BIB: pages(image_ids, origin), FIRST: pages(image_ids[:1], origin)}
    service = Service(bibs, float(delay))
    print(service.server_port, flush=True)
    service.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
