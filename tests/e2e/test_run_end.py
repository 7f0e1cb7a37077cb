"""How a run ends that cannot go on: photos whose links are in hand come first, unless it has to end at once."""

import signal
import time
import zipfile
from typing import Any

import pytest

from ninepic_cli.sandbox import Fault, Sandbox, World
from tests.support.clock import until
from tests.support.command import QUICK, Ninepic, Start
from tests.support.files import whole

HTML = "<!DOCTYPE html><html><title>Wi-Fi login</title></html>"


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
        assert "rejected" in result.err.splitlines()[-2]
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
        assert (process.returncode, "interrupted: " in err) == (-signal.SIGINT, True)
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
        assert "no usable response from" in result.err
        box.faults += [Fault("api", nth=range(2, 99), status=401)]
        assert quick(*command).status in {3, 6}  # whichever came first; the key, where both were known
