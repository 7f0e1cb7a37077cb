"""How a run ends that cannot go on: photos whose links are in hand come first, unless it has to end at once."""

import signal
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli.download import workers as module
from ninepic_cli.download.workers import RunEnd, UpdateQueue, download_photos
from ninepic_cli.errors import GivenUpError, MachineError, NinepicError, NotAllowedError, StoppedError
from ninepic_cli.models import Busy, Outcome, Photo, Skipped
from ninepic_cli.sandbox import Fault, Sandbox, World
from ninepic_cli.system.shutdown import CancelToken
from ninepic_cli.updates import PhotoFinished, Update
from tests.support.command import QUICK, Ninepic, Start, until, whole
from tests.support.photos import photos

HTML = "<!DOCTYPE html><html><title>Wi-Fi login</title></html>"
REFUSED = NotAllowedError("the service refuses the key")


def three_bibs() -> World:
    """Three bibs: the first has forty small photos, the others have two each."""
    world = World.generate(photos=44, size=3000)
    ids = list(world.photos)
    world.bibs = {"1": ids[:40], "2": ids[40:42], "3": ids[42:]}
    return world


def after_refusals(box: Sandbox, count: int) -> Fault:
    """Photos are held back until the API has been asked so often."""
    return Fault("store", action=lambda _: until(lambda: len(box.requests_to("api")) >= count), delay_s=0.05)


class TestTheCommand:
    """What of a run is on disk, and what is told."""

    @pytest.mark.parametrize(
        ("what", "arguments", "expected"),
        [
            ({"status": 401}, (), (3, "not_allowed")),
            ({"status": 403}, (), (3, "not_allowed")),
            ({"body": HTML}, ("--give-up-after", "0.5", "--retries", "1000"), (6, "given_up")),
            ({"status": 500}, ("--give-up-after", "0.5", "--retries", "1000"), (6, "given_up")),
        ],
        ids=["no key", "refused key", "unusable", "down"],
    )
    def test_photos_in_hand_come_first(
        self,
        ninepic: Ninepic,
        sandbox: Start,
        what: dict[str, Any],
        arguments: tuple[str, ...],
        expected: tuple[int, str],
    ) -> None:
        """Where the service ends the run, photos that are listed and not begun are fetched, and then it ends."""
        world = three_bibs()
        box = sandbox(world)
        box.faults = [Fault("api", nth=range(2, 9999), **what), after_refusals(box, 2)]
        result = ninepic.after(QUICK)(
            *("bib", "1", "2", "3", "-j", 2, "-o", "out", "--json", "--failed-to", "again"), *arguments
        )
        assert (result.status, result.json[-1]["exit_code"], result.json[-1]["downloaded"]) == (
            expected[0],
            expected[0],
            40,
        ), result.err
        assert whole(world, ninepic.home / "out") == set(world.bibs["1"])
        ends = {line["identifier"]: (line["status"], line["code"]) for line in result.json if "found" in line}
        assert ends == {"1": ("done", None), "2": ("failed", expected[1]), "3": ("failed", expected[1])}
        assert (ninepic.home / "again").read_text() == "2\n3\n"

    def test_a_zip_is_finished(self, ninepic: Ninepic, sandbox: Start) -> None:
        """A ZIP takes its place with the photos that were in hand."""
        world = three_bibs()
        box = sandbox(world)
        box.faults = [Fault("api", nth=range(2, 99), status=401), after_refusals(box, 2)]
        assert ninepic("bib", "1", "2", "--zip", "photos.zip").status == 3
        with zipfile.ZipFile(ninepic.home / "photos.zip") as archive:
            assert len(archive.namelist()) == 40

    @pytest.mark.parametrize("bibs", [("1", "2"), ("1",)], ids=["while it lists", "when all is listed"])
    def test_a_link_that_has_expired(self, ninepic: Ninepic, sandbox: Start, bibs: tuple[str, ...]) -> None:
        """A photo that needs a new link from a service that refuses is one failed photo; all others come."""
        world = three_bibs()
        spoilt = world.bibs["1"][5]
        expired = Fault("store", path=spoilt, status=403, body="<Error><Code>ExpiredRequest</Code></Error>")
        box = sandbox(world)
        box.faults = [Fault("api", nth=range(2, 99), status=403), expired]
        result = ninepic("bib", *bibs, "-o", "out", "--json", "--failed-to", "again")
        assert result.status == 3, result.err
        assert [(line["image_id"], line["code"]) for line in result.photos("failed")] == [(spoilt, "not_allowed")]
        assert whole(world, ninepic.home / "out") == set(world.bibs["1"]) - {spoilt}
        assert "refuses" in result.err.splitlines()[-2]
        assert (ninepic.home / "again").read_text().split() == list(bibs)

    def test_many_links_that_have_expired(self, ninepic: Ninepic, sandbox: Start) -> None:
        """However many photos need new links, a service that has refused is not asked for each of them."""
        world = three_bibs()
        box = sandbox(world)
        expired = Fault("store", status=403, body="<Error><Code>ExpiredRequest</Code></Error>")
        box.faults = [Fault("api", nth=range(2, 99), status=401), expired, after_refusals(box, 2)]
        result = ninepic("bib", "1", "2", "-o", "out", "--json")
        assert (result.status, len(result.photos("failed"))) == (3, 40), result.err
        assert len(box.requests_to("api")) == 2

    def test_a_signal_ends_it_at_once(self, ninepic: Ninepic, sandbox: Start) -> None:
        """Whoever does not want to wait for the photos in hand presses Ctrl-C."""
        world = three_bibs()
        box = sandbox(world)
        box.faults = [Fault("api", nth=range(2, 99), status=401), Fault("store", nth=range(5, 99), silent=True)]
        process = ninepic.start("bib", "1", "2", "-o", "out", "--json")
        until(lambda: len(box.requests_to("api")) == 2 and len(box.requests_to("store")) == 12)
        process.send_signal(signal.SIGINT)
        at_s = time.monotonic()
        out, err = process.communicate(timeout=20)
        assert (process.returncode, "stopped by SIGINT" in err) == (-signal.SIGINT, True)
        assert time.monotonic() - at_s < 10
        assert '"downloaded": 4' in out

    def test_a_store_that_is_given_up_ends_it_at_once(self, ninepic: Ninepic, sandbox: Start) -> None:
        """Where the store answers nothing, photos in hand are not waited for; the service's refusal comes first."""
        world = three_bibs()
        box = sandbox(world, faults=[Fault("store", hang_up=True)])
        command = ("bib", "1", "2", "-o", "out", "--give-up-after", "0.3", "--retries", "1000", "-j", "2")
        quick = ninepic.after(QUICK)
        result = quick(*command)
        assert result.status == 6
        assert "answered nothing usable" in result.err
        box.faults += [Fault("api", nth=range(2, 99), status=401)]
        assert quick(*command).status in {3, 6}  # whichever came first; the key, where both were known


def broken_off(count: int, error: Exception) -> Iterator[Photo]:
    """A listing that breaks off after so many photos."""
    yield from photos(count)
    raise error


def ended(
    entries: Iterator[Photo], work: Callable[[Photo], Outcome | Busy], *, jobs: int = 2
) -> tuple[RunEnd, list[str]]:
    """How a run ends, and which photos were finished."""
    finished: list[str] = []

    def hear(event: Update | None) -> None:
        if isinstance(event, PhotoFinished):
            finished.append(event.photo.image_id)

    ending = download_photos(entries, work, jobs=jobs, stop=CancelToken(), events=UpdateQueue(), on_update=hear)
    return ending, sorted(finished, key=int)


def done(photo: Photo) -> Outcome:
    """The outcome of a photo that went well."""
    return Skipped(Path(photo.filename), 1)


def amid(
    error: BaseException, count: int, refusal: NinepicError | None
) -> tuple[Iterator[Photo], Callable[[Photo], Outcome]]:
    """A listing that ends with a refusal or well, and what is done with its photos: 3 then meets an error."""
    listed = threading.Event()

    def listing() -> Iterator[Photo]:
        yield from photos(count)
        listed.set()
        if refusal:
            raise refusal

    def work(photo: Photo) -> Outcome:
        assert listed.wait(20)
        time.sleep(0.05)  # so that the end of the listing has been heard of
        if photo.image_id == "3":
            raise error
        return done(photo)

    return listing(), work


class TestThreads:
    """How what ends one thread ends the others."""

    @pytest.fixture(autouse=True)
    def _soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Busy photos are looked at again soon."""
        monkeypatch.setattr(module, "_AGAIN_S", 0.02)
        monkeypatch.setattr(module, "_TICK_S", 0.01)

    @pytest.mark.parametrize("jobs", [1, 4, 64])
    @pytest.mark.parametrize("error", [REFUSED, GivenUpError("silent"), KeyError("a bug")])
    def test_a_listing_that_breaks_off(self, jobs: int, error: Exception) -> None:
        """Photos that it has brought are finished, those that others hold too, and it is what ended the run."""
        again: set[str] = set()

        def work(photo: Photo) -> Outcome | Busy:
            if photo.image_id in {"3", "50"} - again:
                again.add(photo.image_id)
                return Busy()
            return done(photo)

        ending, finished = ended(broken_off(55, error), work, jobs=jobs)
        assert finished == [photo.image_id for photo in photos(55)]
        assert ending.error is not None
        assert error in {ending.error, ending.error.__cause__}

    def test_this_machine(self) -> None:
        """A full disk ends the run at once, and is told in place of what was ending it."""
        full = MachineError("the disk is full")
        ending, finished = ended(*amid(full, 40, REFUSED), jobs=1)
        assert (ending, finished) == (RunEnd(full), ["0", "1", "2"])

    def test_a_store_that_is_given_up(self) -> None:
        """What a worker cannot go on from ends the run at once; what was ending it before is what is told."""
        silent = GivenUpError("the store is silent")
        assert ended(*amid(silent, 40, REFUSED), jobs=1) == (RunEnd(REFUSED), ["0", "1", "2"])
        assert ended(*amid(silent, 40, None), jobs=1) == (RunEnd(silent), ["0", "1", "2"])

    def test_a_bug_in_one_photo(self) -> None:
        """Photos in hand are finished where one meets a bug, and nothing more is listed."""
        met, asked = threading.Event(), list[str]()

        def listing() -> Iterator[Photo]:
            *early, last = photos(30)
            yield from early
            assert met.wait(20)
            time.sleep(0.05)
            yield last
            asked.append("more")

        def work(photo: Photo) -> Outcome:
            if photo.image_id == "3":
                met.set()
                raise KeyError
            return done(photo)

        ending, finished = ended(listing(), work)
        assert ending.error is not None
        assert "KeyError" in ending.error.message
        assert finished == [photo.image_id for photo in photos(29) if photo.image_id != "3"]
        assert asked == []

    def test_a_bug_counts_more_than_the_end_of_the_listing(self) -> None:
        """A bug that a photo meets while the run is ending is what is told, and the others are finished."""
        ending, finished = ended(*amid(KeyError(), 10, REFUSED))
        assert ending.error is not None
        assert "KeyError" in ending.error.message
        assert finished == [photo.image_id for photo in photos(10) if photo.image_id != "3"]

    def test_every_worker_meets_a_bug(self) -> None:
        """Where no worker is left the listing is not waited for."""
        gone = threading.Event()

        def listing() -> Iterator[Photo]:
            yield from photos(100)
            gone.wait(20)

        def work(photo: Photo) -> Outcome:
            raise KeyError

        try:
            began_s = time.monotonic()
            ending, finished = ended(listing(), work)
            assert time.monotonic() - began_s < 10
        finally:
            gone.set()
        assert (ending == RunEnd(), finished) == (False, [])

    def test_what_is_finished_in_the_last_moment_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Photos whose outcomes have not been told when the run's time is over are told all the same."""
        monkeypatch.setattr(module, "_GRACE_S", 0.0)
        events, heard = UpdateQueue(), list[Update | None]()
        for photo in photos(3):
            events.put(PhotoFinished(photo, done(photo)))
        events.interrupt(signal.SIGINT)
        ending = download_photos(iter(()), done, jobs=1, stop=CancelToken(), events=events, on_update=heard.append)
        assert ending == RunEnd(signum=signal.SIGINT)
        assert sum(isinstance(event, PhotoFinished) for event in heard) == 3

    def test_a_listing_that_is_told_to_stop(self) -> None:
        """A listing that ends because the run does is no error of its own."""
        ending, finished = ended(broken_off(5, StoppedError("the run is ending")), done)
        assert (ending, finished) == (RunEnd(), [photo.image_id for photo in photos(5)])
