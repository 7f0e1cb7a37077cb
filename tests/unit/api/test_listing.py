"""Listings: pages followed to their end, every photo once, and links that are renewed in time."""

import json
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli.api.client import Api
from ninepic_cli.api.listing import Listed, Listing
from ninepic_cli.api.schema import queries
from ninepic_cli.errors import MalformedRequestError, MissingError, NinepicError
from ninepic_cli.models import Credentials, Failed, Link, Method, Photo
from ninepic_cli.net.client import Client
from ninepic_cli.net.retry import HostThrottle
from ninepic_cli.sandbox import Fault, Request, Sandbox, StoredPhoto, World
from ninepic_cli.sandbox.data import REQUEST_ID
from ninepic_cli.system.shutdown import CancelToken
from ninepic_cli.updates import IdentifierListed, PhotoFinished
from tests.support.command import Ninepic, Result, Start, in_data

SIZE = 3000
PHOTOS = "/original-photos"


def world_of(photos: int, size: int = SIZE) -> World:
    """A world in which the bib 1234 has so many small photos."""
    return World.generate(photos=photos, size=size)


def at_listing(**what: Any) -> Fault:
    """Something that goes wrong with listing requests."""
    return Fault(server="api", **{"path": PHOTOS, **what})


def mutating(change: Callable[[dict[str, Any]], object], **what: Any) -> Fault:
    """An answer to a listing request whose data is changed."""
    return at_listing(mutate=in_data(change), **what)


def pages_of(box: Sandbox) -> list[int]:
    """The pages that were asked for, in order."""
    return [
        int(request.query.partition("page=")[2].partition("&")[0])
        for request in box.requests_to("api", contains=PHOTOS)
    ]


def on_disk(folder: Path) -> set[str]:
    """The names of the photos under a folder."""
    return {path.name for path in folder.rglob("*.jpg") if ".ninepic" not in path.parts}


def names(image_ids: Sequence[str]) -> set[str]:
    """The names of the files of these photos."""
    return {f"{image_id}.jpg" for image_id in image_ids}


class Outcome:
    """What a listing brought."""

    def __init__(self, entries: Sequence[Listed]) -> None:
        self.photos = [entry for entry in entries if isinstance(entry, Photo)]
        self.ends = [entry for entry in entries if isinstance(entry, IdentifierListed)]
        self._settled = [entry for entry in entries if isinstance(entry, PhotoFinished)]

    @property
    def ids(self) -> list[str]:
        """The image ids of the photos to fetch, in order."""
        return [photo.image_id for photo in self.photos]

    @property
    def settled(self) -> dict[str, str]:
        """The code of each photo that was settled by the listing."""
        assert len({entry.photo.image_id for entry in self._settled}) == len(self._settled)
        return {entry.photo.image_id: _error(entry).code for entry in self._settled}

    @property
    def missing(self) -> set[str]:
        """The photos that the service does not have."""
        return {entry.photo.image_id for entry in self._settled if isinstance(_error(entry), MissingError)}

    @property
    def end(self) -> IdentifierListed:
        """How the only listing ended."""
        (end,) = self.ends
        return end


def _error(entry: PhotoFinished) -> NinepicError:
    assert isinstance(entry.outcome, Failed)
    return entry.outcome.error


@contextmanager
def listing(box: Sandbox, *, retries: int = 2) -> Iterator[Listing]:
    """A listing of a sandbox, in this process."""
    stop = CancelToken()
    access = Credentials(box.world.api_key, box.world.org_id, box.world.event_id, box.base_url)
    host = HostThrottle("api", give_up_after_s=600, stop=stop)
    with closing(Client(timeout_s=5, connections=2, environ={})) as client:
        api = Api(access, client=client, host=host, retries=retries, stop=stop)
        yield Listing(api)


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
        assert "Store Original Memories" in str(outcome.end.error.hint)
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

    def test_the_command_reports_them(self, ninepic: Ninepic, sandbox: Start) -> None:
        """Each is a line by its id, the bib counts them, and the exit status is 4."""
        world = world_of(65)
        lost = [list(world.photos)[place] for place in (2, 64)]
        for image_id in lost:
            world.photos[image_id].has_original = False
        sandbox(world)
        result = ninepic("bib", "1234", "--json")
        assert result.status == 4
        assert {(line["image_id"], line["code"]) for line in result.photos("missing")} == {
            (image_id, "not_found") for image_id in lost
        }
        assert [(line["status"], line["found"]) for line in _identifiers(result)] == [("done", 65)]
        assert len(result.photos("downloaded")) == 63
        assert all(image_id in result.err for image_id in lost)


def _identifiers(result: Result) -> list[dict[str, Any]]:
    return [line for line in result.json if line["type"] == "identifier"]


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

    def test_what_came_before_is_kept(self, ninepic: Ninepic, sandbox: Start) -> None:
        """A page that fails for ever ends the listing there: what was listed is fetched, and the message says where."""
        world = world_of(600)
        # Page 5 is still being fetched when the listing ends.
        slow = Fault(server="store", nth=range(240, 301), delay_s=0.25)
        sandbox(world, faults=[at_listing(path="page=6&", status=500), slow])
        result = ninepic("bib", "1234", "--retries", 0, "-o", "photos", "--json")
        assert result.status == 6
        assert on_disk(ninepic.home / "photos") == names(list(world.photos)[:300])
        assert "page 6 of bib 1234" in result.err
        (line,) = _identifiers(result)
        assert (line["status"], line["found"], line["code"]) == ("failed", 300, "http_500")

    def test_other_bibs_go_on(self, ninepic: Ninepic, sandbox: Start) -> None:
        """Among several bibs one that fails for ever is one failure, exit 5, and can be asked for again."""
        world = world_of(130)
        # The first bib's third page fails; the others have one page each.
        sandbox(world, faults=[at_listing(path="page=3&", status=502)])
        leftovers = ninepic.home / "again.txt"
        result = ninepic(*("bib", "1234", "0042", "7", "--folders", "--retries", 0, "--failed-to", leftovers, "--json"))
        assert result.status == 5
        assert {line["identifier"]: line["status"] for line in _identifiers(result)} == {
            "1234": "failed",
            "0042": "done",
            "7": "done",
        }
        assert len(result.photos("downloaded")) == 120 + 3 + 1
        assert leftovers.read_text() == "1234\n"

    @pytest.mark.parametrize("status", [400, 409, 422])
    def test_a_page_that_is_rejected_keeps_what_came_before(
        self, ninepic: Ninepic, sandbox: Start, status: int
    ) -> None:
        """A later page that the service rejects ends the listing there, and what was listed before is fetched: 5."""
        world = world_of(70)
        slow = Fault(server="store", delay_s=0.15)
        sandbox(world, faults=[at_listing(path="page=2&", status=status), slow])
        result = ninepic("bib", "1234", "-o", "photos", "--json")
        assert on_disk(ninepic.home / "photos") == names(list(world.photos)[:60])
        (line,) = (line for line in result.json if line["type"] == "identifier")
        assert (line["status"], line["found"], result.status) == ("failed", 60, 5), result.err

    @pytest.mark.parametrize("status", [400, 422])
    def test_a_bib_that_is_malformed_alone(self, status: int) -> None:
        """The only bib asked for, called malformed, is an error about the call."""
        with Sandbox(world_of(3), faults=[at_listing(status=status)]) as box, pytest.raises(MalformedRequestError):
            listed(box, Method.BIB, "1234")

    @pytest.mark.parametrize("status", [400, 422])
    def test_a_bib_that_is_malformed_among_others(self, ninepic: Ninepic, sandbox: Start, status: int) -> None:
        """A bib that is called malformed among others is missing, the others are fetched, and the exit status is 4."""
        sandbox(world_of(3), faults=[at_listing(status=status, nth=1)])
        result = ninepic("bib", "!", "1234", "--json")
        assert result.status == 4
        assert [(line["status"], line["code"]) for line in _identifiers(result)] == [
            ("missing", "malformed"),
            ("done", None),
        ]
        assert len(result.photos("downloaded")) == 3

    def test_nothing_is_left_behind_by_nothing(self, ninepic: Ninepic, sandbox: Start) -> None:
        """Where nothing is found, no folder is made, and the exit status is 4."""
        for as_404 in (True, False):
            sandbox(world_of(3), empty_as_404=as_404)
            result = ninepic("bib", "999", "-o", "photos/deep", "--json")
            assert result.status == 4
            assert not (ninepic.home / "photos").exists()
            assert [line["status"] for line in _identifiers(result)] == ["missing"]


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

    def test_a_batch_of_unknown_ids_condemns_nothing_else(self, ninepic: Ninepic, sandbox: Start) -> None:
        """A batch all of whose ids are unknown is missing, the other batches are fetched, and the exit status is 4."""
        world = world_of(120)
        ids = list(world.photos)
        unknown = [f"unknown-{number}" for number in range(60)]
        sandbox(world)
        given = "\n".join([*ids[:60], *unknown, *ids[60:]])
        result = ninepic("images", "--from-file", "-", "--json", "-o", "photos", given=given)
        assert result.status == 4
        assert {line["image_id"] for line in result.photos("missing")} == set(unknown)
        assert {line["code"] for line in result.photos("missing")} == {"not_found"}
        assert on_disk(ninepic.home / "photos") == names(ids)

    def test_unknown_ids_among_others(self) -> None:
        """Unknown ids in a batch are missing one by one."""
        world = world_of(5)
        with Sandbox(world) as box:
            outcome = listed(box, Method.IMAGES, *world.photos, "unknown-1", "unknown-2")
        assert outcome.missing == {"unknown-1", "unknown-2"}
        assert outcome.ids == list(world.photos)

    def test_ids_in_neither_list_have_failed(self, ninepic: Ninepic, sandbox: Start) -> None:
        """An id of which the answer says nothing has failed as not answered, exit 5, and can be asked for again."""
        world = world_of(5)
        forgotten = list(world.photos)[2]
        drop = mutating(lambda data: data["presigned_urls"].pop(2))
        sandbox(world, faults=[drop])
        leftovers = ninepic.home / "again.txt"
        result = ninepic("images", *world.photos, "--json", "--failed-to", leftovers)
        assert result.status == 5
        assert [(line["image_id"], line["code"]) for line in result.photos("failed")] == [(forgotten, "not_answered")]
        assert leftovers.read_text() == f"{forgotten}\n"

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

    @pytest.mark.parametrize("command", ["image", "images"])
    def test_nothing_but_failure_is_a_run_given_up(self, ninepic: Ninepic, sandbox: Start, command: str) -> None:
        """Where the service kept failing and nothing at all could be listed, the run was given up: exit 6."""
        world = world_of(2)
        sandbox(world, faults=[at_listing(status=500)])
        result = ninepic(command, next(iter(world.photos)), "--retries", 0, "--json")
        assert result.status == 6
        assert result.json[-1]["exit_code"] == 6

    def test_ids_that_differ_in_case_are_two_photos(self, ninepic: Ninepic, sandbox: Start) -> None:
        """Two photos whose ids differ only in case are both fetched, and each is answered for itself."""
        ids = ["PHOTO-a", "photo-A", "photo-a"]
        sandbox(World(photos={image_id: StoredPhoto(image_id, SIZE) for image_id in ids}))
        result = ninepic("images", *ids, "--json")
        assert {line["identifier"] for line in result.photos("downloaded")} == set(ids)
        assert result.photos("failed") == []
        assert result.status == 0

    def test_an_id_that_comes_back_in_another_case_is_answered(self) -> None:
        """A service that writes an id in small letters has still answered the one that was asked."""
        world = world_of(2)
        first, second = world.photos
        lower = mutating(lambda data: data["failed_urls"][0].update(image_id=second))
        with Sandbox(world, faults=[lower]) as box:
            outcome = listed(box, Method.IMAGES, first, second.upper())
        assert outcome.ids == [first]
        assert outcome.settled == {second: "not_found"}

    def test_an_item_that_makes_no_sense_costs_itself_alone(self, ninepic: Ninepic, sandbox: Start) -> None:
        """One photo without a usable link among good ones does not keep the good ones from being fetched."""
        world = world_of(3)
        sandbox(world, faults=[mutating(lambda data: data["presigned_urls"][1].update(url="https://[/x.jpg"))])
        result = ninepic("images", *world.photos, "--json")
        assert len(result.photos("downloaded")) == 2
        assert result.status == 5


def _reject(box: Sandbox, request: Request, bad: Sequence[str], *, status: int = 422) -> None:
    """Let the request fail if one of the bad ids is in it."""
    box.faults[0].status = status if any(each in request.body.decode() for each in bad) else None


class TestLookAhead:
    """Links are young when they are used: the listing is only a little ahead of the downloads."""

    def test_it_is_bounded(self, ninepic: Ninepic, sandbox: Start) -> None:
        """A page is not asked for until all but about two pages of what was listed before has been begun."""
        world = world_of(600)
        box = sandbox(world)
        begun: dict[int, int] = {}

        def look(request: Request) -> None:
            begun[pages_of(box)[-1]] = len(box.requests_to("store"))

        box.faults = [at_listing(action=look), Fault(server="store", delay_s=0.02)]
        result = ninepic("bib", "1234", "-j", 4)
        assert result.status == 0
        assert sorted(begun) == list(range(1, 11))
        for page, count in begun.items():
            assert (page - 1) * 60 - count <= 130

    def test_it_takes_one_request_at_a_time(self, ninepic: Ninepic, sandbox: Start) -> None:
        """Listing requests never overlap, and the next page is asked for while this one is fetched."""
        box = sandbox(world_of(240), latency_s=0.02)
        assert ninepic("bib", "1234").status == 0
        requests = box.requests_to("api", contains=PHOTOS)
        assert all(later.started >= earlier.ended for earlier, later in pairwise(requests))
        assert requests[1].started < max(request.ended for request in box.requests_to("store")[:60])


class Renewed:
    """A run over links that die on the way."""

    def __init__(self, ninepic: Ninepic, box: Sandbox, *options: object) -> None:
        started_s = time.monotonic()
        self.result = ninepic("bib", "1234", "-o", "photos", "--json", "-v", *options)
        self.seconds = time.monotonic() - started_s
        self.on_disk = on_disk(ninepic.home / "photos")
        self.box = box

    @property
    def refused(self) -> int:
        """How many links the store refused for their age."""
        return sum(request.status == 403 for request in self.box.requests_to("store"))


class TestRenewal:
    """Links that die are replaced, a page at a time."""

    @pytest.mark.parametrize("jobs", [1, 8])
    def test_links_of_a_short_life(self, ninepic: Ninepic, sandbox: Start, jobs: int) -> None:
        """All photos of a page that outlasts its links arrive, with about one listing request for each life."""
        world = world_of(30, size=24_000)
        # 0.12 s a photo; each connection has its own pace.
        box = sandbox(world, link_life_s=1.0, store_rate=200_000 / jobs)
        run = Renewed(ninepic, box, "-j", jobs)
        assert run.result.status == 0, run.result.err
        assert run.on_disk == names(list(world.photos))
        lives = run.seconds / 0.9
        assert 3 <= len(pages_of(box)) <= lives + 2
        assert not any(line["attempts"] != 1 for line in run.result.photos("downloaded"))
        assert run.refused <= 2 * jobs

    @pytest.mark.parametrize("expired_as", ["r2", "r2-400", "s3"])
    def test_links_that_are_dead_on_arrival(self, ninepic: Ninepic, sandbox: Start, expired_as: str) -> None:
        """Links that the store calls expired, although they look new, are renewed once for all; no try is spent."""
        world = world_of(30)
        box = sandbox(world, expired_as=expired_as)

        def kill(data: dict[str, Any]) -> None:
            for item in data["presigned_urls"]:
                item["url"] = box.link(item["filename"].removesuffix(".jpg"), life_s=0)

        box.faults = [mutating(kill, nth=1)]
        started_s = time.monotonic()
        run = Renewed(ninepic, box, "-j", 8, "--retries", 0)
        assert run.result.status == 0, run.result.err
        assert run.on_disk == names(list(world.photos))
        assert pages_of(box) == [1, 1]
        assert run.refused <= 30
        assert time.monotonic() - started_s < 15

    def test_many_photos_with_links_of_a_short_life(self, ninepic: Ninepic, sandbox: Start) -> None:
        """A listing of many pages that takes several lives of its links to fetch comes whole."""
        world = world_of(240)
        box = sandbox(world, link_life_s=1.0)
        box.faults = [Fault(server="store", delay_s=0.05)]
        run = Renewed(ninepic, box, "-j", 4)
        assert run.result.status == 0, run.result.err
        assert run.on_disk == names(list(world.photos))
        assert run.seconds > 2
        assert len(pages_of(box)) <= 4 + 2 * run.seconds / 0.9

    def test_a_clock_that_is_wrong_changes_nothing(self, ninepic: Ninepic, sandbox: Start) -> None:
        """Links from a service whose clock is a day off are used and not renewed."""
        for offset_s in (-86400, 86400):
            box = sandbox(world_of(5), clock_offset_s=offset_s)
            assert ninepic("bib", "1234", "-o", f"photos{offset_s}").status == 0
            assert pages_of(box) == [1]

    @pytest.mark.parametrize("left", [True, False])
    def test_a_photo_that_has_left_its_page(self, ninepic: Ninepic, sandbox: Start, left: bool) -> None:
        """A photo that its page does not list any more is asked for by its id, and is missing if that is unknown."""
        world = world_of(3)
        image_id = list(world.photos)[1]
        box = sandbox(world)

        def change(request: Request) -> None:
            world.bibs["1234"] = [each for each in world.bibs["1234"] if each != image_id]
            if left:
                world.photos[image_id].has_original = False

        body = "<Error><Code>ExpiredRequest</Code></Error>"
        box.faults = [Fault(path=image_id, status=403, body=body, nth=1), at_listing(nth=2, action=change)]
        result = ninepic("bib", "1234", "--json")
        assert len(result.photos("downloaded")) == (2 if left else 3)
        assert [line["image_id"] for line in result.photos("missing")] == ([image_id] if left else [])
        assert result.status == (4 if left else 0)
        assert len(pages_of(box)) == 3
        assert image_id.encode() in box.requests_to("api")[-1].body

    @pytest.mark.usefixtures("quick_retries")
    def test_workers_share_a_renewal(self) -> None:
        """Many workers that need new links for one page at once wait for one request."""
        world = world_of(60)
        with Sandbox(world, latency_s=0.05) as box, listing(box) as parts:
            photos = Outcome(list(parts.entries(queries(Method.BIB, ["1234"])))).photos
            before = [_link(photo) for photo in photos]
            threads = [threading.Thread(target=_renew, args=pair) for pair in zip(photos, before, strict=True)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(20)
            assert pages_of(box) == [1, 1]
            assert all(_link(photo) is not old for photo, old in zip(photos, before, strict=True))


def _link(photo: Photo) -> Link:
    assert photo.links
    return photo.links.current(photo.image_id)


def _renew(photo: Photo, refused: Link) -> None:
    assert photo.links
    photo.links.renew(photo.image_id, refused)


class TestIdentifierLines:
    """What scripts learn of each bib."""

    def test_each_bib_has_its_line(self, ninepic: Ninepic, sandbox: Start) -> None:
        """Every bib is done, missing or failed, with the number of items found."""
        world = world_of(20)
        world.photos[world.bibs["0042"][0]].has_original = False
        sandbox(world, faults=[at_listing(status=500, nth=4)])
        result = ninepic("bib", "1234", "0042", "999", "7", "--retries", 0, "--json")
        assert [
            (line["identifier"], line["status"], line["found"]) for line in sorted(_identifiers(result), key=_place)
        ] == [
            ("1234", "done", 20),
            ("0042", "done", 3),
            ("999", "missing", 0),
            ("7", "failed", 0),
        ]
        assert result.status == 5
        assert result.json[-1]["type"] == "summary"

    def test_image_ids_have_none(self, ninepic: Ninepic, sandbox: Start) -> None:
        """A run by image ids has a line for each photo and the summary."""
        world = world_of(3)
        sandbox(world)
        result = ninepic("images", *world.photos, "--json")
        assert [line["type"] for line in result.json] == ["photo"] * 3 + ["summary"]
        assert {line["identifier"] for line in result.photos("downloaded")} == set(world.photos)


def _place(line: dict[str, Any]) -> int:
    return ["1234", "0042", "999", "7"].index(line["identifier"])
