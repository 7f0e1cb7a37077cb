"""Listings as the command tells them: what is kept, what is missing, and links that outlive their pages."""

import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli.sandbox import Fault, Request, Sandbox, StoredPhoto, World
from tests.support.command import Ninepic, Result, Start
from tests.support.listings import PHOTOS, SIZE, at_listing, mutating, pages_of, world_of


def on_disk(folder: Path) -> set[str]:
    """The names of the photos under a folder."""
    return {path.name for path in folder.rglob("*.jpg") if ".ninepic" not in path.parts}


def names(image_ids: Sequence[str]) -> set[str]:
    """The names of the files of these photos."""
    return {f"{image_id}.jpg" for image_id in image_ids}


@pytest.mark.usefixtures("quick_retries")
class TestFailedUrls:
    """What the service lists and does not have."""

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

    def test_an_item_that_makes_no_sense_costs_itself_alone(self, ninepic: Ninepic, sandbox: Start) -> None:
        """One photo without a usable link among good ones does not keep the good ones from being fetched."""
        world = world_of(3)
        sandbox(world, faults=[mutating(lambda data: data["presigned_urls"][1].update(url="https://[/x.jpg"))])
        result = ninepic("images", *world.photos, "--json")
        assert len(result.photos("downloaded")) == 2
        assert result.status == 5


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
