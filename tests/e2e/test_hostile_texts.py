"""Texts of the service that are made to cost time, or that hold what must not be shown."""

import json
from typing import Any

import pytest

from ninepic_cli.sandbox import Fault, World
from tests.support.command import Ninepic, Start

LONG = "X-Amz-" * 300_000
SIGNED = [
    "X-Amz-Signature=deadbeef",
    "at https://host/a.jpg?X-Amz-Date=1&X-Amz-Signature=deadbeef&x-id=GetObject",
    "a.jpg%253FX-Amz-Date%253D1&X-Amz-Signature%253Ddeadbeef",
    "X-Amz-Signature: deadbeef",
    "{'X-Amz-Content-Sha256': 'deadbeef', \"x-amz-signature\":\"deadbeef\"}",
]


def rejected(message: str) -> Fault:
    """The service rejects every request, in these words."""
    return Fault("api", status=400, body=json.dumps({"responseType": "error", "message": message, "data": None}))


def saying(path: str, **fields: Any) -> Fault:
    """An answer with other fields in its payload's first item, or in the payload itself."""

    def mutate(payload: dict[str, Any]) -> None:
        data = payload["data"]
        items = data.get("presigned_urls") or data.get("events") or [data]
        items[0].update(fields)

    return Fault("api", path, mutate=mutate)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["message", "error", "url", "filename", "event"])
def test_long_ones_cost_no_time(ninepic: Ninepic, sandbox: Start, where: str) -> None:
    """Megabytes of what begins like a signature are done with at once."""
    failed = {"failed_urls": [{"image_id": LONG, "error": LONG, "path": None}]}
    faults = {
        "message": rejected(LONG),
        "error": Fault("api", "/original", mutate=lambda payload: payload["data"].update(failed)),
        "url": saying("/original", url=f"https://host/{LONG}"),
        "filename": saying("/original", filename=LONG),
        "event": saying("/events", event_name=LONG),
    }
    sandbox(World.generate(photos=2, size=3000), faults=[faults[where]])
    result = ninepic(*(["events"] if where == "event" else ["bib", "1234", "-o", "out", "--retries", "0"]), timeout=20)
    assert result.status == {"message": 2, "error": 4, "url": 5}.get(where, 0), result.err


@pytest.mark.slow
@pytest.mark.parametrize("text", SIGNED)
def test_signatures_are_not_shown(ninepic: Ninepic, sandbox: Start, text: str) -> None:
    """However a signature is written, it is in no message, no name of a file and no table."""
    box = sandbox(World.generate(photos=2, size=3000))
    said = ""
    for faults, *args in (
        ([rejected(text)], "bib", "1234", "--json", "-v"),
        ([rejected(text)], "events"),
        ([saying("/original", filename=text)], "bib", "1234", "--json", "-v", "-o", "out"),
        ([saying("/original", filename=text)], "all", "--dry-run"),
        ([saying("/events", event_name=text, event_slug=text)], "events", "--json"),
        ([saying("/details", event_name=text)], "event"),
        (
            [Fault("api", "/original", mutate=lambda payload: payload["data"].update(failed_urls=[{"error": text}]))],
            "bib",
            "1234",
            "-o",
            "out",
        ),
    ):
        box.faults = faults
        result = ninepic(*args)
        assert result.status in {0, 2, 4}, result.err
        said += result.out + result.err
    assert len(list((ninepic.home / "out").iterdir())) > 1
    assert "deadbeef" not in said + "".join(path.name for path in (ninepic.home / "out").iterdir())
