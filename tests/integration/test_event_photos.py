"""The list of an event's photos: every original once, however the list behaves."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from ninepic_cli.api.client import Api
from ninepic_cli.api.event_photos import EventPhotos
from ninepic_cli.errors import NinepicError
from ninepic_cli.inputs.filters import EventFilter, Period, Shard
from ninepic_cli.models import Credentials, Failed, Method, Photo
from ninepic_cli.net.client import Client
from ninepic_cli.net.retry import HostThrottle
from ninepic_cli.sandbox import Fault, Request, Sandbox, StoredPhoto, World
from ninepic_cli.system.shutdown import CancelToken
from ninepic_cli.updates import IdentifierListed, PhotoFinished, Update, WarningRaised
from tests.support.event_lists import LINKS, SIZE, at_list, in_list, page, store_nothing

ALL_PHOTOS = EventFilter()


class Brought:
    """What a catalogue brought."""

    def __init__(self) -> None:
        self.events: list[Update] = []
        self.photos: list[Photo] = []
        self.missing: list[str] = []
        self.failed: dict[str, str] = {}
        self.end: IdentifierListed | None = None
        self.trouble: NinepicError | None = None

    @property
    def ids(self) -> list[str]:
        """The photos to fetch, in order."""
        return [photo.image_id for photo in self.photos]

    @property
    def warnings(self) -> list[str]:
        """What people were told."""
        return [event.message for event in self.events if isinstance(event, WarningRaised)]

    @property
    def ending(self) -> str:
        """How the listing ended: "" if well, else the kind of error."""
        error = self.trouble or (self.end and self.end.error)
        return type(error).__name__ if error else ""

    def take(self, entries: Iterator[Any]) -> None:
        """Take all in."""
        try:
            for entry in entries:
                match entry:
                    case Photo():
                        self.photos.append(entry)
                    case PhotoFinished(photo, Failed(error) as outcome) if outcome.is_missing:
                        self.missing.append(photo.image_id)
                        assert error.message
                    case PhotoFinished(photo, Failed(error)):
                        self.failed[photo.image_id] = error.code
                    case IdentifierListed():
                        self.end = entry
        except NinepicError as error:
            self.trouble = error


def brought(box: Sandbox, choice: EventFilter = ALL_PHOTOS, *, retries: int = 2) -> Brought:
    """What the catalogue of a sandbox's event brings, in this process."""
    stop, found = CancelToken(), Brought()
    access = Credentials(box.world.api_key, box.world.org_id, box.world.event_id, box.base_url)
    host = HostThrottle("api", give_up_after_s=600, stop=stop)
    with closing(Client(timeout_s=5, connections=2, environ={})) as client:
        api = Api(access, client=client, host=host, retries=retries, stop=stop)
        found.take(EventPhotos(api, event_id=456, choice=choice, on_update=found.events.append).entries())
    return found


@pytest.mark.usefixtures("quick_retries")
class TestLists:
    """The event's list may shift, repeat itself and break off."""

    @pytest.mark.parametrize("photos", [1, 59, 60, 61, 99, 100, 101, 120, 300, 301])
    def test_all_lengths(self, photos: int) -> None:
        """Every photo comes once, in the list's order and with its place, in as few requests as there can be."""
        with Sandbox(World.generate(photos=photos, size=SIZE)) as box:
            found = brought(box)
            assert found.ids == box.world.timeline.ids
            assert [photo.index for photo in found.photos] == list(range(1, photos + 1))
            assert {(photo.identifier, photo.method) for photo in found.photos} == {("456", Method.EVENT)}
            assert len(box.requests_to("api", method="GET")) == -(-photos // 100)
            assert len(box.requests_to("api", method="POST")) == -(-photos // 60)
        assert (found.ending, found.warnings) == ("", [])
        assert found.end
        assert found.end.found == photos

    @pytest.mark.parametrize("grows", [False, True])
    def test_a_list_that_shifts(self, grows: bool) -> None:
        """Photos that go or come while pages are asked for hide none of the others: the list is read again."""
        world = World.generate(photos=350, size=SIZE)
        before = list(world.timeline.ids)

        def shift(_: Request) -> None:
            for number in range(10):
                if grows:
                    world.photos[f"new-{number}"] = StoredPhoto(f"new-{number}", SIZE, taken=0.0)
                else:
                    world.photos.pop(before[number], None)

        with Sandbox(world, faults=[at_list(path=page(2), nth=1, action=shift)]) as box:
            found = brought(box)
        assert len(found.ids) == len(set(found.ids))
        assert set(found.ids) == set(before) | set(world.photos)
        assert found.ending == ""

    def test_parts_of_a_list_that_grows(self) -> None:
        """Every photo is in the part that it was in, also when others have come before it, and has its new place."""
        with Sandbox(World.generate(photos=150, size=SIZE)) as box:
            before = [brought(box, EventFilter(Shard(number, 3))).ids for number in (1, 2, 3)]
            for number in range(30):
                box.world.photos[f"new-{number}"] = StoredPhoto(f"new-{number}", SIZE, taken=0.0)
            after = [brought(box, EventFilter(Shard(number, 3))) for number in (1, 2, 3)]
            places = {image_id: place for place, image_id in enumerate(box.world.timeline.ids, 1)}
        assert sum(map(len, before)) == 150
        for old, new in zip(before, after, strict=True):
            assert [image_id for image_id in new.ids if not image_id.startswith("new")] == old
            assert {photo.image_id: photo.index for photo in new.photos}.items() <= places.items()

    def test_pages_that_repeat(self) -> None:
        """A page that comes a second time in place of another costs nothing but a further look."""
        world = World.generate(photos=350, size=SIZE)
        with Sandbox(world, faults=[at_list(path=page(2), page=1, nth=1)]) as box:
            found = brought(box)
        assert sorted(found.ids) == sorted(world.photos)
        assert found.ending == ""

    def test_a_list_that_is_shorter_than_it_says(self) -> None:
        """A list that stays shorter than the service says, to its last page, is complete, with a warning."""
        more = in_list(lambda data: data["pagination"].update(total=251))
        with Sandbox(World.generate(photos=250, size=SIZE), faults=[more]) as box:
            found = brought(box)
        assert (len(found.ids), found.ending) == (250, "")
        assert found.warnings == [
            "the service announced 251 photos for event 456 but listed 250; assuming the listing is complete"
        ]

    @pytest.mark.parametrize(
        ("fault", "listed"),
        [
            (at_list(path=page(3), status=404), 200),
            (in_list(lambda data: data.update(images=[], pagination={}), path=page(2)), 100),
            (in_list(lambda data: data.update(images=[]), path=page(3)), 200),
            (in_list(lambda data: data.update(images=[]), path=page(1)), 0),
            (in_list(lambda data: data["pagination"].update(hasNextPage=False), path=page(2)), 200),
        ],
    )
    def test_a_list_that_ends_before_its_last_page(self, fault: Fault, listed: int) -> None:
        """A list that lacks photos, and the pages that they must be on, is not complete, and nobody is told it were."""
        with Sandbox(World.generate(photos=250, size=SIZE), faults=[fault]) as box:
            found = brought(box)
            assert found.ids == box.world.timeline.ids[:listed]
        assert (found.ending, found.warnings) == ("NotListedError", [])
        with Sandbox(World.generate(photos=250, size=SIZE), faults=[replace(fault, nth=1)]) as box:
            found = brought(box)  # where it happens once, a further look finds the rest
        assert (len(found.ids), found.ending) == ((250, "") if listed else (0, "NotListedError"))

    @pytest.mark.parametrize(
        "fault",
        [
            at_list(path=page(1), nth=range(2, 99), status=404),
            at_list(path=page(3), nth=range(2, 99), status=400),
            at_list(path=page(2), nth=range(2, 99), status=500),
            in_list(lambda data: data.update(images=[]), path=page(2), nth=range(2, 99)),
            in_list(lambda data: data.update(images=[], pagination={"totalPages": 9}), path=page(5)),
        ],
    )
    def test_a_list_that_was_read_to_its_end_is_complete(self, fault: Fault) -> None:
        """The furthest page ever counts: a further look that does not come as far takes nothing back."""
        more = in_list(lambda data: data["pagination"].update(total=400))
        with Sandbox(World.generate(photos=350, size=SIZE), faults=[more, fault]) as box:
            found = brought(box)
        assert (len(found.ids), found.ending) == (350, "")
        assert found.warnings == [
            "the service announced 400 photos for event 456 but listed 350; assuming the listing is complete"
        ]

    def test_a_page_without_photos_takes_no_page_back(self) -> None:
        """An empty page that says that there is no other does not make a list complete that lacks photos."""
        nothing = in_list(lambda data: data.update(images=[], pagination={"total": 0, "totalPages": 0}), path=page(3))
        with Sandbox(World.generate(photos=350, size=SIZE), faults=[nothing]) as box:
            found = brought(box)
        assert (len(found.ids), found.ending, found.warnings) == (200, "NotListedError", [])

    def test_a_photo_without_an_id(self) -> None:
        """A photo that is listed without an id cannot be asked for; the others come, and the list is not whole."""
        nameless = in_list(lambda data: data["images"][3].pop("image_id"), path=page(1))
        with Sandbox(World.generate(photos=120, size=SIZE), faults=[nameless]) as box:
            found = brought(box)
            assert set(found.ids) == set(box.world.photos) - {box.world.timeline.ids[3]}
        assert found.ending == "NotListedError"
        assert found.end
        assert found.end.error
        assert "1 photo of event 456 listed without an image id" in found.end.error.message

    @pytest.mark.parametrize(
        ("fault", "ending", "listed"),
        [
            (at_list(path=page(2), status=500), "ServiceFailedError", 100),
            (at_list(path=page(2), status=422), "NotListedError", 100),
            (at_list(path=page(2), status=403), "NotAllowedError", 60),
            (in_list(lambda data: data.update(images=[{}]), path=page(2)), "ServiceFailedError", 100),
            (at_list(path=page(2), cut_after=0.5, nth=1), "", 250),
            (at_list(path=page(2), status=429, headers={"Retry-After": "0"}, nth=1), "", 250),
        ],
    )
    def test_a_page_that_is_not_to_be_had(self, fault: Fault, ending: str, listed: int) -> None:
        """A list that breaks off is not whole, and what was listed before is fetched, unless nothing can be."""
        with Sandbox(World.generate(photos=250, size=SIZE), faults=[fault]) as box:
            found = brought(box)
            assert found.ids == box.world.timeline.ids[:listed]
        assert found.ending == ending

    def test_links_that_are_not_to_be_had(self) -> None:
        """Photos whose links cannot be had have failed, each of them, and the others come."""
        with Sandbox(World.generate(photos=250, size=SIZE)) as box:
            box.faults = [Fault(server="api", path=LINKS, nth=range(2, 5), status=500)]
            found = brought(box)
            order = box.world.timeline.ids
        assert found.ids == order[:60] + order[120:]
        assert list(found.failed) == order[60:120]
        assert found.ending == ""

    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            (at_list(status=500), "500"),
            (at_list(status=404), "no photos found for event 456"),
            (at_list(status=403), "API key is valid, but not for event 456"),
            (in_list(lambda data: data.pop("images")), "returned HTTP 200 with no list of photos"),
            (in_list(lambda data: data.update(images={"a": 1})), "returned HTTP 200 with no list of photos"),
            (in_list(lambda data: data.update(images=[], pagination={})), "no photos found for event 456"),
            (at_list(body="[]"), "not the service's JSON"),
            (Fault(server="api", status=404), "event 456 not found"),
        ],
    )
    def test_a_first_page_that_is_none(self, fault: Fault, words: str) -> None:
        """An event that does not exist, one without photos and answers that are no list have words of their own."""
        with Sandbox(World.generate(photos=3, size=SIZE), faults=[fault]) as box:
            found = brought(box)
        error = found.trouble or (found.end and found.end.error)
        assert error
        assert words in error.message
        assert found.photos == []


@pytest.mark.usefixtures("quick_retries")
class TestOriginals:
    """All photos of an event are asked about; that none is stored is said when that is known."""

    @pytest.mark.parametrize("photos", [1, 250, 1201])
    def test_none_of_few(self, photos: int) -> None:
        """All photos of a small event are asked about; none of them stored is a reason of its own."""
        with Sandbox(World.generate(photos=photos, size=SIZE)) as box:
            store_nothing(box.world, box.world.photos)
            found = brought(box)
            assert len(box.requests_to("api", method="POST")) == -(-photos // 60)
        assert (len(found.missing), found.ids, found.ending) == (photos, [], "MissingError")
        assert found.end
        assert found.end.error
        assert f"no originals in storage for {photos:,} photo" in found.end.error.message
        assert "Store Original Memories" in (found.end.error.hint or "")

    @pytest.mark.parametrize(
        ("photos", "where"),
        [(1300, slice(1200, 1201)), (1300, slice(1299, 1300)), (3000, slice(2500, 2530))],
    )
    def test_some_of_many(self, photos: int, where: slice) -> None:
        """Originals that begin late are found, however few, and nothing is said of all being without."""
        with Sandbox(World.generate(photos=photos, size=SIZE)) as box:
            order = box.world.timeline.ids
            store_nothing(box.world, set(order) - set(order[where]))
            found = brought(box)
        assert found.ids == order[where]
        assert len(found.missing) == photos - len(order[where])
        assert found.ending == ""
        assert [each.count("first 1,200 photos") for each in found.warnings] == [1]

    def test_one_original_is_enough(self) -> None:
        """Where the first 1,200 photos have an original among them, nothing is said about the others."""
        with Sandbox(World.generate(photos=1210, size=SIZE)) as box:
            order = box.world.timeline.ids
            store_nothing(box.world, set(order) - {order[1199]})
            found = brought(box)
        assert (found.ids, found.warnings, found.ending) == ([order[1199]], [], "")

    def test_parts_of_an_event_without_originals(self) -> None:
        """A shard speaks for its own photos, at the end as in the warning."""
        with Sandbox(World.generate(photos=2600, size=SIZE)) as box:
            store_nothing(box.world, box.world.photos)
            found = brought(box, EventFilter(Shard(1, 2)))
            ours = [image_id for image_id in box.world.timeline.ids if Shard(1, 2).has(image_id)]
        assert sorted(found.missing) == sorted(ours)
        assert found.end
        assert found.end.error
        assert f"no originals in storage for {len(ours):,} photos" in found.end.error.message
        assert ["first 1,200 photos" in each for each in found.warnings] == [True]

    def test_photos_without_links_are_no_proof(self) -> None:
        """Requests that fail say nothing about originals: what failed is told, and no more than that."""
        with Sandbox(World.generate(photos=1300, size=SIZE)) as box:
            store_nothing(box.world, box.world.photos)
            box.faults = [Fault(server="api", path=LINKS, nth=range(3, 6), status=500)]
            found = brought(box)
        assert (len(found.missing), len(found.failed), found.warnings, found.ending) == (1240, 60, [], "")

    def test_the_untimed_may_be_uncountable(self) -> None:
        """Where the service does not count photos, people are told that, and those of the stretch come all the same."""
        refused = at_list(path="/event/456/images?", status=403)
        with Sandbox(World.generate(photos=20, size=SIZE), faults=[refused]) as box:
            found = brought(box, EventFilter(period=Period.parse("2025-09-14", None)))
        assert found.ids
        assert found.warnings == ["photos without a capture time are skipped; their number is unknown"]
