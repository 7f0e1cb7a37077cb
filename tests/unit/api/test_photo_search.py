"""Listings: pages followed to their end, and every photo once."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from ninepic_cli.api.schema import queries
from ninepic_cli.errors import MalformedRequestError, MissingError
from ninepic_cli.models import Method
from ninepic_cli.sandbox import Fault, Request, Sandbox, World
from ninepic_cli.sandbox.data import REQUEST_ID
from tests.support.listings import PHOTOS, Outcome, at_listing, listing, mutating, pages_of, world_of


def listed(box: Sandbox, method: Method, *identifiers: str, retries: int = 2) -> Outcome:
    """What the sandbox lists for these identifiers."""
    with listing(box, retries=retries) as parts:
        return Outcome(list(parts.entries(queries(method, identifiers))))


def bib_of(world: World, *faults: Fault, **options: Any) -> tuple[Outcome, list[int]]:
    """What is listed for the bib 1234, and the pages that were asked for."""
    with Sandbox(world, faults=faults, **options) as box:
        return listed(box, Method.BIB, "1234"), pages_of(box)


@pytest.mark.usefixtures("quick_retries")
class TestPages:
    """Pages are followed to the end, and no further."""

    @pytest.mark.parametrize("method", [Method.BIB, Method.SELFIE])
    @pytest.mark.parametrize("photos", [1, 59, 60, 61, 119, 120, 121, 300])
    def test_all_pages_are_asked_for_once(self, photos: int, method: Method) -> None:
        """Every photo comes once and in order, in as few requests of 60 as there can be."""
        world = world_of(photos)
        with Sandbox(world) as box:
            outcome = listed(box, method, "1234" if method is Method.BIB else REQUEST_ID)
            assert outcome.ids == list(world.photos)
            assert [photo.index for photo in outcome.photos] == list(range(1, photos + 1))
            assert pages_of(box) == list(range(1, math.ceil(photos / 60) + 1))
            assert all("page_size=60" in request.query for request in box.requests_to("api", contains=PHOTOS))
        assert (outcome.end.found, outcome.end.error) == (photos, None)

    @pytest.mark.parametrize("empty_as_404", [False, True])
    def test_nothing_found(self, empty_as_404: bool) -> None:
        """A bib without photos is missing, whether the service says so by 404 or by an empty page."""
        outcome, pages = bib_of(World(), empty_as_404=empty_as_404)
        assert outcome.photos == []
        assert outcome.end.found == 0
        assert isinstance(outcome.end.error, MissingError)
        assert "01234 is not 1234" in str(outcome.end.error.hint)
        assert pages == [1]

    def test_an_empty_page_ends_it(self) -> None:
        """A page without items is the last, although it says that there are more."""
        world = world_of(61)

        def drain(data: dict[str, Any]) -> None:
            data["presigned_urls"] = []
            data["pagination"].update(hasNextPage=True, totalPages=99)

        more = mutating(lambda data: data["pagination"].update(hasNextPage=True, totalPages=99))
        outcome, pages = bib_of(world, more, mutating(drain, path="page=3"))
        assert outcome.ids == list(world.photos)
        assert pages == [1, 2, 3]

    def test_an_empty_first_page_is_nothing_found(self) -> None:
        """A first page without items is nothing found, whatever it says of others."""
        empty = mutating(lambda data: data.update(presigned_urls=[], failed_urls=[]))
        outcome, pages = bib_of(world_of(200), empty)
        assert isinstance(outcome.end.error, MissingError)
        assert pages == [1]

    @pytest.mark.parametrize("total_pages", [3, 40])
    def test_the_first_page_for_ever(self, total_pages: int) -> None:
        """A service that answers every page with the first is asked for all pages and lists each photo once."""
        world = world_of(200)
        more = mutating(lambda data: data["pagination"].update(hasNextPage=True, totalPages=total_pages))
        outcome, pages = bib_of(world, at_listing(page=1), more)
        assert outcome.ids == list(world.photos)[:60]
        assert len(set(pages)) == total_pages

    @pytest.mark.parametrize("total_pages", [None, 10**9])
    def test_a_service_that_never_ends(self, total_pages: int | None) -> None:
        """A service that repeats itself and never names an end, or an absurd one, is left after a while."""
        more = mutating(lambda data: data["pagination"].update(hasNextPage=True, totalPages=total_pages))
        enough = mutating(lambda data: data.update(presigned_urls=[]), nth=range(400, 10_000))
        outcome, pages = bib_of(world_of(60), at_listing(page=1), more, enough)
        assert len(outcome.ids) == 60
        assert len(pages) <= 300

    def test_a_repeated_page_is_passed_over(self) -> None:
        """A page that comes a second time in place of another is passed over, and the pages behind it are read."""
        world = world_of(240)
        outcome, pages = bib_of(world, at_listing(path="page=2&", page=1))
        assert set(outcome.ids) >= set(list(world.photos)[:60] + list(world.photos)[120:])
        assert pages[:4] == [1, 2, 3, 4]

    def test_a_404_after_the_first_page_ends_it(self) -> None:
        """A 404 for a page behind the first is the end of the listing, not an error."""
        more = mutating(lambda data: data["pagination"].update(hasNextPage=True, totalPages=4))
        outcome, pages = bib_of(world_of(120), more, at_listing(path="page=3&", status=404))
        assert len(outcome.ids) == 120
        assert outcome.end.error is None
        assert pages == [1, 2, 3]

    @pytest.mark.parametrize("empty_as_404", [False, True])
    @pytest.mark.parametrize("photos", [1, 60, 61, 120])
    def test_without_pagination(self, photos: int, empty_as_404: bool) -> None:
        """Where nothing says how many pages there are, they are asked for until one brings nothing new."""
        world = world_of(photos)
        outcome, pages = bib_of(world, mutating(lambda data: data.pop("pagination")), empty_as_404=empty_as_404)
        assert outcome.ids == list(world.photos)
        assert len(pages) <= math.ceil(photos / 60) + 1

    def test_a_last_page_is_believed(self) -> None:
        """`hasNextPage: false` is the end, although `totalPages` has more."""
        last = mutating(lambda data: data["pagination"].update(hasNextPage=False, totalPages=9, total=60))
        _, pages = bib_of(world_of(60), last)
        assert pages == [1]

    def test_items_seen_twice_come_once(self) -> None:
        """A photo that is listed again on another page, or on the same one, is one photo."""
        world = world_of(100)
        first = next(iter(world.photos))
        world.bibs["1234"] = [first, first, *list(world.photos)[1:], first]
        outcome, _ = bib_of(world)
        assert outcome.ids == list(world.photos)
        assert outcome.end.found == 100

    def test_pages_that_shift_lose_nothing(self) -> None:
        """Photos that slip to a page already read, because others were removed before them, are looked for again."""
        world = world_of(180)
        ids = list(world.photos)

        def remove(request: Request) -> None:
            world.bibs["1234"] = ids[10:]

        outcome, _ = bib_of(world, at_listing(path="page=2&", nth=1, action=remove))
        assert set(outcome.ids) >= set(ids[10:])
        assert Counter(outcome.ids).most_common(1)[0][1] == 1

    def test_a_shift_far_behind_is_found(self) -> None:
        """What slipped to an earlier page behind many pages without news is found as well."""
        world = world_of(3400)
        ids = list(world.photos)

        def remove(request: Request) -> None:
            world.bibs["1234"] = ids[10:]

        outcome, _ = bib_of(world, at_listing(path="page=55&", nth=1, action=remove))
        assert set(outcome.ids) >= set(ids[10:])

    def test_a_total_that_is_never_reached_is_believed_in_the_end(self) -> None:
        """A total with more photos than there are costs one further look, and the listing then counts as complete."""
        world = world_of(70)
        outcome, pages = bib_of(world, mutating(lambda data: data["pagination"].update(total=75)))
        assert outcome.ids == list(world.photos)
        assert outcome.end.error is None
        assert pages == [1, 2, 1, 2]

    def test_a_list_that_never_stands_still_is_looked_through_four_times(self) -> None:
        """Further looks that keep bringing something new are three at most."""
        world = world_of(70)
        ids = list(world.photos)
        world.bibs["1234"] = ids[:61]

        def grow(request: Request) -> None:
            world.bibs["1234"] = ids[: len(world.bibs["1234"]) + 1]

        more = mutating(lambda data: data["pagination"].update(total=1000))
        outcome, pages = bib_of(world, more, at_listing(path="page=1&", action=grow))
        assert pages == [1, 2] * 4
        assert outcome.ids == ids[:65]
        assert outcome.end.error is None


@pytest.mark.usefixtures("quick_retries")
class TestFailedUrls:
    """What the service lists and does not have."""

    def test_they_are_missing_and_paging_goes_on(self) -> None:
        """Items of failed_urls on any page, and a page of nothing else, are missing by id, and all pages are read."""
        world = world_of(200)
        ids = list(world.photos)
        lost = {*ids[3:5], *ids[60:120], ids[199]}
        for image_id in lost:
            world.photos[image_id].has_original = False
        outcome, pages = bib_of(world)
        assert outcome.missing == lost
        assert set(outcome.ids) == set(ids) - lost
        assert pages == [1, 2, 3, 4]
        assert (outcome.end.found, outcome.end.error) == (200, None)

    @pytest.mark.parametrize("empty_as_404", [False, True])
    def test_nothing_but_failed_urls_is_not_nothing_found(self, empty_as_404: bool) -> None:
        """A bib all of whose photos are in failed_urls has been found."""
        world = world_of(3)
        for photo in world.photos.values():
            photo.has_original = False
        outcome, _ = bib_of(world, empty_as_404=empty_as_404)
        assert outcome.missing == set(world.photos)
        assert (outcome.end.found, outcome.end.error) == (3, None)


@pytest.mark.usefixtures("quick_retries")
class TestTrouble:
    """Listings that fail on the way."""

    def test_it_recovers(self) -> None:
        """A page that fails three times and then comes costs nothing but time."""
        world = world_of(600)
        with Sandbox(world, faults=[at_listing(path="page=6&", status=500, nth=range(1, 4))]) as box:
            outcome = listed(box, Method.BIB, "1234", retries=6)
            assert pages_of(box) == [1, 2, 3, 4, 5, 6, 6, 6, 6, 7, 8, 9, 10]
        assert outcome.ids == list(world.photos)
        assert outcome.end.error is None

    @pytest.mark.parametrize("status", [400, 422])
    def test_a_bib_that_is_malformed_alone(self, status: int) -> None:
        """The only bib asked for, called malformed, is an error about the call."""
        with Sandbox(world_of(3), faults=[at_listing(status=status)]) as box, pytest.raises(MalformedRequestError):
            listed(box, Method.BIB, "1234")


@pytest.mark.usefixtures("quick_retries")
class TestBatches:
    """Lists of image ids."""

    @pytest.mark.parametrize("photos", [1, 59, 60, 61, 120, 121])
    def test_lists_are_cut_into_pages(self, photos: int) -> None:
        """At most 60 ids go into a request, each photo comes once, in the order asked."""
        world = world_of(photos)
        ids = list(reversed(world.photos))
        with Sandbox(world) as box:
            outcome = listed(box, Method.IMAGES, *ids)
            assert outcome.ids == ids
            assert [photo.index for photo in outcome.photos] == list(range(1, photos + 1))
            assert outcome.settled == {}
            assert len(pages_of(box)) == math.ceil(photos / 60)
            assert all(len(json.loads(request.body)["identifier"]) <= 60 for request in box.requests_to("api"))

    def test_unknown_ids_among_others(self) -> None:
        """Unknown ids in a batch are missing one by one."""
        world = world_of(5)
        with Sandbox(world) as box:
            outcome = listed(box, Method.IMAGES, *world.photos, "unknown-1", "unknown-2")
        assert outcome.missing == {"unknown-1", "unknown-2"}
        assert outcome.ids == list(world.photos)

    @pytest.mark.parametrize("size", [2, 7, 60])
    @pytest.mark.parametrize("culprits", [1, 2])
    def test_a_422_is_narrowed_down(self, size: int, culprits: int) -> None:
        """A batch with malformed ids is halved until they stand alone: they are missing, all others are listed."""
        world = world_of(size)
        ids = list(world.photos)
        bad = [ids[size // 3], ids[-1]][:culprits]
        with Sandbox(world) as box:
            box.faults = [at_listing(action=lambda request: _reject(box, request, bad))]
            outcome = listed(box, Method.IMAGES, *ids)
            assert outcome.missing == set(bad)
            assert set(outcome.settled.values()) == {"malformed"}
            assert outcome.ids == [each for each in ids if each not in bad]
            assert len(pages_of(box)) <= 1 + culprits * 2 * math.ceil(math.log2(size))

    def test_a_lone_malformed_id_is_an_error_about_the_call(self) -> None:
        """The only id asked for, called malformed, is an error about the call, with both commands."""
        with Sandbox(world_of(1), faults=[at_listing(status=422)]) as box:
            for method in (Method.IMAGE, Method.IMAGES):
                with pytest.raises(MalformedRequestError):
                    listed(box, method, "!")

    @pytest.mark.parametrize("method", [Method.IMAGE, Method.IMAGES])
    @pytest.mark.parametrize("status", [400, 404])
    def test_a_lone_unknown_id_is_missing(self, method: Method, status: int) -> None:
        """An id that the service does not know is missing, whether it says 400 or 404."""
        with Sandbox(world_of(1), faults=[at_listing(status=status)]) as box:
            outcome = listed(box, method, "unknown")
        assert outcome.missing == {"unknown"}
        assert outcome.settled == {"unknown": "not_found"}

    def test_a_batch_that_fails_leaves_the_others(self) -> None:
        """A batch that the service keeps failing to answer has failed, photo by photo, and the others are listed."""
        world = world_of(130)
        ids = list(world.photos)
        with Sandbox(world) as box:
            box.faults = [at_listing(action=lambda request: _reject(box, request, ids[60:61], status=500))]
            outcome = listed(box, Method.IMAGES, *ids)
        assert set(outcome.settled) == set(ids[60:120])
        assert outcome.missing == set()
        assert set(outcome.settled.values()) == {"http_500"}
        assert outcome.ids == ids[:60] + ids[120:]

    def test_an_id_that_comes_back_in_another_case_is_answered(self) -> None:
        """A service that writes an id in small letters has still answered the one that was asked."""
        world = world_of(2)
        first, second = world.photos
        lower = mutating(lambda data: data["failed_urls"][0].update(image_id=second))
        with Sandbox(world, faults=[lower]) as box:
            outcome = listed(box, Method.IMAGES, first, second.upper())
        assert outcome.ids == [first]
        assert outcome.settled == {second: "not_found"}


def _reject(box: Sandbox, request: Request, bad: Sequence[str], *, status: int = 422) -> None:
    """Let the request fail if one of the bad ids is in it."""
    box.faults[0].status = status if any(each in request.body.decode() for each in bad) else None
