"""Lists of an event's photos that go wrong."""

from collections.abc import Callable, Iterable
from typing import Any

from ninepic_cli.sandbox import Fault, Sandbox, World
from tests.support.command import Ninepic, Result
from tests.support.worlds import in_data

SIZE = 3000
LIST, LINKS = "/images?", "/original-photos?"


def at_list(**what: Any) -> Fault:
    """Something that goes wrong with requests for the event's list."""
    return Fault(server="api", **{"path": LIST, **what})


def page(number: int) -> str:
    """What the request for a page of the list has in it."""
    return f"/images?page={number}&page_size=100"


def in_list(change: Callable[[dict[str, Any]], object], **what: Any) -> Fault:
    """An answer about the event's list whose data is changed."""
    return at_list(mutate=in_data(change), **what)


def store_nothing(world: World, image_ids: Iterable[str]) -> None:
    """The service has no originals of these photos."""
    for image_id in image_ids:
        world.photos[image_id].has_original = False


def refused(ninepic: Ninepic, box: Sandbox, fault: Fault) -> Result:
    """A run that brings nothing."""
    box.faults = [fault]
    result = ninepic("all", "-o", "out", "--retries", "0", "--failed-to", "again.txt")
    assert result.out == ""
    assert len(result.err.splitlines()) <= 4, result.err
    assert box.requests_to("store") == []
    assert not (ninepic.home / "out").exists()
    return result
