"""What tests of the API have in common: answers that go wrong, and requests as they came."""

import json
from typing import Any

from ninepic_cli.sandbox import Fault, Sandbox

HTML = "<!DOCTYPE html><html><title>Wi-Fi login</title><form>...</form></html>"
PHOTOS = "/original-photos"


def at_api(path: str = PHOTOS, **what: Any) -> Fault:
    """A fault of the API."""
    return Fault(server="api", path=path, **what)


def error_body(message: str) -> str:
    """An error as the service words it."""
    return json.dumps({"responseType": "error", "message": message, "data": None})


def asked(box: Sandbox) -> list[str]:
    """What the API was asked for, in order: the last part of each path."""
    return [request.path.rpartition("/")[2] for request in box.requests_to("api")]
