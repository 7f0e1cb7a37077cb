"""Answers of the API that say too little: what they leave out must not pass for what the service does not have."""

from typing import Any

import pytest

from ninepic_cli.sandbox import Fault, World
from tests.support.command import QUICK, Ninepic, Start
from tests.support.files import whole

EXPIRED = "<Error><Code>ExpiredRequest</Code></Error>"


@pytest.fixture
def quick(ninepic: Ninepic) -> Ninepic:
    """The command with back-off in milliseconds."""
    return ninepic.after(QUICK)


def without_links(payload: dict[str, Any]) -> None:
    """Takes the list of links out of an answer."""
    payload["data"].pop("presigned_urls")


def with_links_of_null(payload: dict[str, Any]) -> None:
    """Has nothing in place of the list of links."""
    payload["data"]["presigned_urls"] = None


half = pytest.mark.parametrize("mutate", [without_links, with_links_of_null])


@half
def test_a_page_without_its_list_of_links(quick: Ninepic, sandbox: Start, mutate: Any) -> None:
    """It is asked for again, and does not pass for the end of the listing, or for a bib without photos."""
    world = World.generate(photos=70, size=3000)
    sandbox(world, faults=[Fault("api", page, nth=1, mutate=mutate) for page in ("page=1&", "page=2&")])
    result = quick("bib", "1234", "-o", "out", "-q")
    assert (result.status, result.err) == (0, "")
    assert whole(world, quick.home / "out") == set(world.photos)


@half
@pytest.mark.parametrize("method", ["bib", "selfie", "image"])
def test_one_that_stays_so(quick: Ninepic, sandbox: Start, mutate: Any, method: str) -> None:
    """The listing has failed, and what was asked for is asked for again: nothing is called missing."""
    world = World.generate(photos=3, size=3000)
    wanted = {"bib": "1234", "selfie": next(iter(world.searches)), "image": next(iter(world.photos))}[method]
    sandbox(world, faults=[Fault("api", mutate=mutate)])
    result = quick(method, wanted, "--retries", 1, "--json", "--failed-to", "again")
    assert result.status == 6, result.err
    assert "no list of photos" in result.err
    assert (quick.home / "again").read_text() == f"{wanted}\n"
    assert result.json[-1]["missing"] == 0


def test_links_that_the_service_has_none_of(ninepic: Ninepic, sandbox: Start) -> None:
    """A page that has nothing but what the service does not have needs no list of links."""
    world = World.generate(photos=3, size=3000)
    for photo in list(world.photos.values())[:2]:
        photo.has_original = False
    world.bibs["8"] = list(world.photos)[:2]
    sandbox(world, faults=[Fault("api", mutate=without_links)])
    result = ninepic("bib", "8", "--json")
    assert (result.status, len(result.photos("missing"))) == (4, 2), result.err


@pytest.mark.parametrize("item", [None, 7, {}, {"filename": "a.jpg"}])
def test_a_renewal_that_brings_no_link(quick: Ninepic, sandbox: Start, item: object) -> None:
    """A photo that is listed, and without a link, has failed: it is not called missing."""
    world = World.generate(photos=2, size=3000)
    spoilt = next(iter(world.photos))
    expired = Fault("store", path=spoilt, nth=1, status=403, body=EXPIRED)
    empty = Fault("api", nth=range(2, 9), mutate=lambda payload: payload["data"].update(presigned_urls=[item]))
    sandbox(world, faults=[expired, empty])
    result = quick("bib", "1234", "--json", "--failed-to", "again")
    assert result.status == 5, result.err
    assert [line["image_id"] for line in result.photos("failed")] == [spoilt]
    assert (quick.home / "again").read_text() == "1234\n"


def test_no_photos_of_those_there_are(ninepic: Ninepic, sandbox: Start) -> None:
    """A listing that is empty although the service speaks of photos has nothing, with a warning that has the number."""
    empty = Fault("api", "/original", mutate=lambda payload: payload["data"].update(presigned_urls=[]))
    sandbox(World.generate(photos=70, size=3000), faults=[empty])
    result = ninepic("bib", "1234")
    assert result.status == 4
    assert "warning: the service announced 70 photos for bib 1234 but listed 0" in result.err
