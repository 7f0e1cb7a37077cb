"""Paged lists whose pagination contradicts itself, that are read again, or that bring what nobody asked for."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from ninepic_cli.sandbox import Fault, Sandbox, World
from ninepic_cli.sandbox.data import REQUEST_ID
from tests.support.command import Ninepic, Start
from tests.support.files import whole
from tests.support.worlds import in_data

SIZE = 3000
LINKS, LIST = "/original-photos?", "/images?"
COMMANDS = [("bib", "1234"), ("selfie", REQUEST_ID), ("all",)]


def changed(change: Callable[[dict[str, Any]], object], path: str = LINKS, **what: Any) -> Fault:
    """An answer of the API whose data is changed."""
    return Fault(server="api", path=path, mutate=in_data(change), **what)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize(
    "lie",
    [
        {"totalPages": 1},
        {"totalPages": 2},
        {"totalPages": 0, "total": 0},
        {"totalPages": 2, "total": 130},
        {"totalPages": 1, "currentPage": 9, "total": None},
        {"totalPages": 1, "hasNextPage": None},
        {"totalPages": None, "total": 10**9},
        {"totalPages": "2", "hasNextPage": "yes"},
        {"totalPages": 1, "hasNextPage": True},
    ],
    ids=str,
)
def test_pagination_that_contradicts_itself(
    ninepic: Ninepic, sandbox: Start, command: tuple[str, ...], lie: Mapping[str, Any]
) -> None:
    """A page that brings something new is followed by another one until one says that it is the last, or is empty."""
    world = World.generate(photos=250, size=SIZE)
    path = LIST if command == ("all",) else LINKS
    sandbox(world, faults=[changed(lambda data: data["pagination"].update(lie), path)], empty_as_404=False)
    result = ninepic(*command, "--dry-run", "-o", "out")
    assert len(result.out.splitlines()) == 250, result.err
    assert result.status == 0


def further_looks(path: str) -> Iterator[tuple[str, Fault]]:
    """What goes wrong with a further look at a list that seems to be short: at its first page, or at a later one."""
    first: dict[str, Any] = {"path": f"{path}page=1&", "nth": range(2, 99)}
    second = {**first, "path": f"{path}page=2&"}
    nothing: dict[str, Any] = {"images": [], "presigned_urls": []}
    yield "404", Fault(server="api", status=404, **first)
    yield "400", Fault(server="api", status=400, **second)
    yield "500", Fault(server="api", status=500, **first)
    yield "a web page", Fault(server="api", status=200, body="<html>", **second)
    yield "an empty page", changed(lambda data: data.update(nothing), **first)
    yield "an empty list", changed(lambda data: data.update(nothing, pagination={"totalPages": 0}), **first)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_further_look_costs_a_warning_at_most(ninepic: Ninepic, sandbox: Start, command: tuple[str, ...]) -> None:
    """A list that was read to its end and seems short is looked through again, and what comes of it changes nothing."""
    path = LIST if command == ("all",) else LINKS
    box = sandbox(World.generate(photos=110, size=SIZE))
    more = changed(lambda data: data["pagination"].update(total=115), path)
    for name, fault in further_looks(path):
        box.faults = [more, fault]
        result = ninepic(*command, "-o", "out", "--retries", 0, "--dry-run")
        assert result.status == 0, f"{name}: {result.err}"
        assert len(result.out.splitlines()) == 110, name
        assert "announced 115 photos" in result.err, name
        assert "listed 110; assuming the listing is complete" in result.err, name


def others(box: Sandbox, *image_ids: str) -> list[dict[str, str]]:
    """Items with good links to these photos."""
    return [{"url": box.link(image_id), "filename": f"{image_id}.jpg"} for image_id in image_ids]


class TestStrangers:
    """Photos that nobody asked for are never fetched, whatever the service answers with."""

    @pytest.mark.parametrize("command", ["image", "images"])
    def test_another_photo_in_place_of_the_one_asked_for(self, ninepic: Ninepic, sandbox: Start, command: str) -> None:
        """A link that names another photo is not used: the one asked for has failed, and can be asked for again."""
        box = sandbox(World.generate(photos=3, size=SIZE))
        wanted, stranger, _ = box.world.photos
        box.faults = [changed(lambda data: data.update(presigned_urls=others(box, stranger)))]
        result = ninepic(command, wanted, "-o", "out", "--json", "--failed-to", "again.txt")
        assert [(line["image_id"], line["code"]) for line in result.photos("failed")] == [(wanted, "not_answered")]
        assert (result.status, len(result.json), box.requests_to("store")) == (5, 2, [])
        assert (ninepic.home / "again.txt").read_text() == f"{wanted}\n"
        assert len(re.findall(r"ignored 1 unrequested photo ", result.err)) == 1

    @pytest.mark.parametrize("command", ["image", "images", "all"])
    def test_others_beside_those_asked_for(self, ninepic: Ninepic, sandbox: Start, command: str) -> None:
        """Others, before or behind what was asked for, as links, failures or without an id, are left out: no places."""
        box = sandbox(World.generate(photos=70, size=SIZE))
        *known, first, last = box.world.timeline.ids
        box.world.photos.pop(last)
        box.world.photos.pop(first)
        lost = [{"image_id": "nobody", "error": "x", "path": None}, {"error": "x"}]

        def mix(data: dict[str, Any]) -> None:
            data.update(presigned_urls=[*others(box, first), *data["presigned_urls"], *others(box, last)])
            data["failed_urls"] += lost

        box.faults = [changed(mix)]
        given = {"image": known[:1], "images": known[:65], "all": []}[command]
        result = ninepic(command, *given, "-o", "out", "--json")
        assert result.status == 0, result.err
        assert whole(box.world, ninepic.home / "out") == set(given or known)
        assert len(box.requests_to("store")) == len(given or known)
        assert len([line for line in result.json if line["type"] == "photo"]) == len(given or known)
        assert result.err.count("unrequested photo") == 1
        planned = ninepic(command, *given, "-o", "other", "--dry-run", "--name", "{index}-{image_id}")
        places = [int(line.removeprefix("other/").partition("-")[0]) for line in planned.out.splitlines()]
        assert sorted(places) == list(range(1, len(given or known) + 1))

    def test_batches_that_are_answered_for_each_other(self, ninepic: Ninepic, sandbox: Start) -> None:
        """A photo that comes with another batch than its own is not taken from there, and comes with its own."""
        box = sandbox(World.generate(photos=70, size=SIZE))
        ids = list(box.world.photos)
        box.faults = [changed(lambda data: data["presigned_urls"].extend(others(box, ids[69])), nth=1)]
        result = ninepic("images", *ids, "-o", "out", "--json")
        assert result.status == 0, result.err
        assert whole(box.world, ninepic.home / "out") == set(ids)
        assert len(result.photos("downloaded")) == 70

    def test_an_id_in_another_case(self, ninepic: Ninepic, sandbox: Start) -> None:
        """An id counts whatever its case, once; where it comes as it was asked for, this one is taken."""
        box = sandbox(World.generate(photos=2, size=SIZE))
        upper, wanted = (image_id.upper() for image_id in box.world.photos)
        box.world.photos |= {each: box.world.photos[each.lower()] for each in (upper, wanted)}
        lower = others(box, wanted.lower())
        box.faults = [changed(lambda data: data.update(presigned_urls=[*lower, *others(box, wanted, upper.lower())]))]
        result = ninepic("images", wanted, upper, "--json", "--dry-run", "--name", "{image_id}")
        assert result.status == 0, result.err
        assert {line["image_id"]: line["identifier"] for line in result.photos("listed")} == {
            wanted: wanted,
            upper.lower(): upper,
        }

    def test_an_event_s_ids_in_another_case(self, ninepic: Ninepic, sandbox: Start) -> None:
        """A photo keeps its place in the event's list, whatever the case that its link has its id in."""
        box = sandbox(World.generate(photos=3, size=SIZE))
        lower = list(box.world.photos)
        box.world.photos |= {each.upper(): box.world.photos[each] for each in lower}
        images, pagination = [{"image_id": each.upper()} for each in lower], {"total": 3, "hasNextPage": False}
        box.faults = [
            changed(lambda data: data.update(images=images, pagination=pagination), LIST),
            changed(lambda data: data.update(presigned_urls=others(box, *reversed(lower)))),
        ]
        result = ninepic("all", "--json", "--dry-run", "--name", "{index}-{image_id}{ext}")
        assert result.status == 0, result.err
        assert {line["filename"] for line in result.photos("listed")} == {
            f"{index}-{image_id}.jpg" for index, image_id in enumerate(lower, 1)
        }

    @pytest.mark.parametrize("alone", [True, False])
    def test_a_renewal_that_brings_others(self, ninepic: Ninepic, sandbox: Start, alone: bool) -> None:
        """New links are taken for the photos they name: a page that has changed, or a wrong answer, moves none."""
        box = sandbox(World.generate(photos=4, size=SIZE))
        expired, second, third, stranger = box.world.photos
        box.world.bibs["1234"] = [expired, second, third]
        body = "<Error><Code>ExpiredRequest</Code></Error>"
        renewed = changed(lambda data: data.update(presigned_urls=others(box, stranger, third)), nth=2)
        again = changed(lambda data: data.update(presigned_urls=others(box, stranger)), nth=range(3, 9))
        box.faults = [Fault(path=expired, status=403, body=body, nth=1), renewed, *([again] if alone else [])]
        result = ninepic("bib", "1234", "-o", "out", "--json")
        assert result.status == (5 if alone else 0), result.err
        assert [line["code"] for line in result.photos("failed")] == (["not_answered"] if alone else [])
        assert whole(box.world, ninepic.home / "out") == {second, third} | (set() if alone else {expired})

    def test_a_renewal_that_brings_a_photo_twice(self, ninepic: Ninepic, sandbox: Start) -> None:
        """Of two new links for a photo the first is taken, as on any page."""
        box = sandbox(World.generate(photos=2, size=SIZE))
        one = box.world.bibs["1234"][0]
        dead = [{**item, "url": f"{item['url']}0"} for item in others(box, one)]
        body = "<Error><Code>ExpiredRequest</Code></Error>"
        renewed = changed(lambda data: data["presigned_urls"].extend(dead), nth=2)
        box.faults = [Fault(path=one, status=403, body=body, nth=1), renewed]
        result = ninepic("bib", "1234", "-o", "out")
        assert result.status == 0, result.err
        assert whole(box.world, ninepic.home / "out") == set(box.world.photos)


class TestBatches:
    """Every image id of a batch ends once."""

    @pytest.mark.parametrize("status", [400, 404, 422, 500])
    def test_a_later_page_that_is_refused(self, ninepic: Ninepic, sandbox: Start, status: int) -> None:
        """Where a batch comes in pages and a later one is refused, what came before it is fetched, and the rest not."""
        box = sandbox(World.generate(photos=6, size=SIZE), page_size_cap=60)
        ids = list(box.world.photos)

        def half(data: dict[str, Any]) -> None:
            data["presigned_urls"].pop()
            data["pagination"].update(hasNextPage=True, totalPages=2)

        box.faults = [changed(half, nth=1), Fault(server="api", path=LINKS, status=status, nth=range(2, 99))]
        result = ninepic("images", *ids, "-o", "out", "--json", "--retries", 0)
        statuses = {line["image_id"]: line["status"] for line in result.json[:-1]}
        rest = "failed" if status in {404, 500} else "missing"
        assert statuses == {**dict.fromkeys(ids[:5], "downloaded"), ids[5]: rest}
        assert len(result.json) == 7
        assert result.status == (5 if rest == "failed" else 4)

    def test_one_lost_link_among_many_is_no_run_given_up(self, ninepic: Ninepic, sandbox: Start) -> None:
        """A link that the service keeps failing to hand out is one failure among photos that came: exit 5."""
        box = sandbox(World.generate(photos=61, size=SIZE))
        box.faults = [Fault(server="api", path=LINKS, status=500, nth=range(2, 99))]
        result = ninepic("images", *box.world.photos, "-o", "out", "--json", "--retries", 0)
        assert (result.status, result.json[-1]["exit_code"]) == (5, 5)
        assert [line["code"] for line in result.photos("failed")] == ["http_500"]
        assert len(whole(box.world, ninepic.home / "out")) == 60
