"""`ninepic events` and `ninepic event`: what there is, for people and for programs."""

import re
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli.sandbox import Fault, World
from tests.support.command import Ninepic, Start
from tests.support.person import at_terminal

EVIL = "\x1b[2J[bold]Lauf[/bold]\t\u202eone\ntwo \u200d\ud800"
SHOWN = r"\x1b[2J[bold]Lauf[/bold] \u202eone two \u200d\ud800"


def named(name: str, **others: Any) -> Fault:
    """The events, and an event's details, have this name."""

    def mutate(payload: dict[str, Any]) -> None:
        data = payload["data"] or {}
        for event in data.get("events", [data]):
            if "event_name" in event:
                event.update(event_name=name, **others)

    return Fault(server="api", mutate=mutate)


def test_events_for_programs(ninepic: Ninepic, sandbox: Start) -> None:
    """Each event is one line, with tabs or as an object, over several pages, and names stay data."""
    world = World(more_events={1000 + number: f"Run {number}" for number in range(130)})
    box = sandbox(world)
    result = ninepic("events")
    assert (result.status, result.err) == (0, "")
    rows = [line.split("\t") for line in result.out.splitlines()]
    assert rows[0] == ["456", "2025-09-14", "published", "Sandbox Marathon"]
    assert [int(row[0]) for row in rows] == list(world.events)
    assert [request.query for request in box.requests_to("api")] == ["page=1&page_size=100", "page=2&page_size=100"]
    world.more_events = {}
    box.faults = [named(EVIL, event_date=EVIL, status=None)]
    assert ninepic("events").out == f"456\t{SHOWN}\t\t{SHOWN}\n".replace(SHOWN, r"\x1b[2J[bold]", 1)
    (line,) = (told := ninepic("events", "--json")).json
    assert told.out.removesuffix("\n").isprintable()
    assert line == {
        "type": "event",
        "event_id": 456,
        "event_name": EVIL,
        "event_slug": "sandbox-marathon",
        "event_date": EVIL[:10],
        "status": None,
    }


def test_events_on_a_terminal(ninepic: Ninepic, sandbox: Start) -> None:
    """On a terminal the events stand in columns, whatever letters their names have, and an event in a table."""
    box = sandbox(World.generate(photos=1200, size=3000))
    first = World.event_list(box.world)[0] | {"event_name": "東京マラソン", "status": "公開 लू é"}
    box.faults = [Fault(server="api", mutate=lambda payload: payload["data"]["events"].__setitem__(0, first))]
    with at_terminal(ninepic, "events") as person:
        assert person.status() == 0
    assert person.seen.splitlines() == [
        "EVENT  DATE        STATUS     NAME",
        "456    2025-09-14  公開 लू é   東京マラソン",
        "457    2025-09-14  published  Sandbox Half Marathon",
        "461    2025-09-14  published  Sandbox Trail Run",
    ]
    box.faults = [named(EVIL)]
    with at_terminal(ninepic, "event") as person:
        assert person.status() == 0
    assert person.seen.splitlines() == [
        "event     456",
        f"name      {SHOWN}",
        "date      2025-09-14",
        "status    published",
        "enabled   yes",
        "searches  bib, selfie, timeline",
        "photos    1,200",
    ]


def test_an_event_for_programs(ninepic: Ninepic, sandbox: Start) -> None:
    """An event's details are lines with a tab, or one object; what the service does not say is empty, or null."""
    box = sandbox(World.generate(photos=12, size=3000))
    result = ninepic("event", "--json")
    assert (result.status, result.err) == (0, "")
    (line,) = result.json
    assert (line["event_id"], line["photos"], line["event_enabled"]) == (456, 12, True)
    assert [name for name, value in line.items() if name.endswith("_search") and value] == [
        "bib_search",
        "selfie_search",
        "timeline_search",
    ]
    box.faults = [
        named(EVIL, event_enabled="x", bib_search=None, selfie_search=1),
        Fault(server="api", path="/images", mutate=lambda payload: payload["data"].pop("pagination")),
    ]
    told = dict(line.split("\t") for line in ninepic("event", "457", "--retries", 0).out.splitlines())
    assert told == {
        "event": "457",
        "name": SHOWN,
        "date": "2025-09-14",
        "status": "published",
        "enabled": "",
        "searches": "timeline",
        "photos": "",
    }


def test_an_event_without_photos(ninepic: Ninepic, sandbox: Start) -> None:
    """That there are no photos is a number like any other."""
    sandbox(World.generate(photos=0))
    result = ninepic("event", "--json")
    assert (result.status, result.json[0]["photos"], result.err) == (0, 0, "")


@pytest.mark.parametrize("status", [403, 422, 500, 501, 404, 401])
def test_the_number_of_photos_may_not_be_known(ninepic: Ninepic, sandbox: Start, status: int) -> None:
    """Where the service does not count the photos, that is a warning, and everything else is told."""
    sandbox(World.generate(photos=3, size=3000), faults=[Fault(server="api", path="/images", status=status)])
    result = ninepic("event", "--json", "--retries", 0)
    assert result.status == 0
    assert result.err.startswith("ninepic: warning: number of photos unknown: ")
    assert len(result.err.splitlines()) == 1
    (line,) = result.json
    assert (line["event_name"], line["photos"]) == ("Sandbox Marathon", None)


def test_what_cannot_be_told(ninepic: Ninepic, sandbox: Start) -> None:
    """No event, a refused key, a service that is down and answers that are none have their exit statuses."""
    box = sandbox(World.generate(photos=3, size=3000))

    def told(expected: int, *arguments: str, **fault: Any) -> str:
        box.faults = [Fault(server="api", **fault)] if fault else []
        result = ninepic(*arguments, "--retries", "0")
        assert (result.status, result.out) == (expected, ""), result.err
        assert len(result.err.splitlines()) <= 3, result.err
        assert box.world.api_key not in result.err
        return result.err

    assert "event 999 not found" in told(2, "event", "999")
    assert "500" in told(6, "events", status=500)
    conflict = told(6, "event", status=409)
    assert re.fullmatch(r"ninepic: error: HTTP 409 from the service.*\n  try again later\n", conflict), conflict
    assert "returned HTTP 200 with no event" in told(6, "event", body='{"data": {}}')
    assert "malformed" in told(2, "event", status=422)
    assert "event 999 not found" in told(2, "event", "--event", "999")
    assert "API key rejected for organisation 123" in told(3, "event", "--json", status=403)
    box.stop()
    assert "check network, proxy and base URL" in told(6, "events")


def test_no_events(ninepic: Ninepic, sandbox: Start) -> None:
    """An organisation without events is no failure: a word to people, and no output."""
    nothing = {"events": [], "pagination": {"total": 0, "totalPages": 0, "currentPage": 0, "hasNextPage": False}}
    sandbox(World(), faults=[Fault(server="api", mutate=lambda payload: payload["data"].update(nothing))])
    result = ninepic("events")
    assert (result.status, result.out, result.err) == (0, "", "organisation 123 has no events\n")


def test_a_reader_that_goes_away(ninepic: Ninepic, sandbox: Start) -> None:
    """`ninepic events | head -1` ends well, and asks for no more pages; a full disk is told."""
    box = sandbox(World(more_events={1000 + number: f"Run {number}" for number in range(2500)}))
    with ninepic.start("events") as run:
        assert run.stdout
        assert run.stderr
        assert run.stdout.readline().startswith("456\t")
        run.stdout.close()
        assert run.stderr.read() == ""
    assert run.returncode == 0
    assert len(box.requests_to("api")) < 26
    with Path("/dev/full").open("wb") as full:
        run = ninepic.start("event", "--json", stdout=full)
        _, err = run.communicate(timeout=20)
    assert run.returncode == 7
    assert "cannot write to standard output" in err
