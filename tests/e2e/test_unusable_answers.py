"""Answers of the API that cannot be used: each is a failed try, and costs one listing where it stays."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli.sandbox import Fault, World
from ninepic_cli.sandbox.wire import Request
from tests.support.command import QUICK, Ninepic, Start
from tests.support.files import whole
from tests.support.person import at_terminal

HINTS = (
    "check the network (login page, firewall, proxy?) and base-url",
    "check the path in base-url (NINEPIC_BASE_URL), and the network (login page, proxy?)",
)
HTML = "<!DOCTYPE html><html><title>Wi-Fi login</title><form>...</form></html>"
PEAK = """
import atexit, sys
def tell():
    (line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM:")]
    print("peak", int(line.split()[1]) // 1024, file=sys.stderr)
atexit.register(tell)
"""

UNUSABLE: dict[str, dict[str, Any]] = {
    "truncated": {"mutate": lambda payload: json.dumps(payload)[:-9]},
    "html": {"body": HTML},
    "nothing": {"body": ""},
    "empty object": {"body": "{}"},
    "no data": {"body": '{"responseType": "success", "message": "OK", "data": null}'},
    "no object": {"body": "[]"},
    "an error in a success": {"body": '{"responseType": "error", "message": "Down for repairs", "data": null}'},
    "html 400": {"status": 400, "body": HTML},
    "html 403": {"status": 403, "body": HTML},
    "html 404": {"status": 404, "body": HTML},
    "empty 404": {"status": 404, "body": ""},
    "redirect": {"status": 302, "headers": {"Location": "https://elsewhere.test/"}},
    "no content": {"status": 204},
    "501": {"status": 501},
    "505": {"status": 505, "body": HTML},
    "526": {"status": 526, "body": HTML},
    "529": {"status": 529, "body": ""},
}
FEW = ("truncated", "html", "html 404", "redirect", "501")
unusable = pytest.mark.parametrize("what", UNUSABLE.values(), ids=UNUSABLE)
some_unusable = pytest.mark.parametrize("what", [UNUSABLE[name] for name in FEW], ids=FEW)


@dataclass
class About(Fault):
    """A fault of the requests whose body contains this; `nth` counts only these."""

    words: str = ""

    def _fits(self, request: Request) -> bool:
        return super()._fits(request) and self.words.encode() in request.body


@pytest.fixture
def quick(ninepic: Ninepic) -> Ninepic:
    """The command with back-off in milliseconds."""
    return ninepic.after(QUICK)


def bibs(count: int) -> World:
    """So many bibs, from 1 on, with two small photos each."""
    world = World.generate(photos=2 * count, size=3000)
    ids = list(world.photos)
    world.bibs = {str(number): ids[2 * number - 2 : 2 * number] for number in range(1, count + 1)}
    return world


def about(bib: int, **what: Any) -> Fault:
    """A fault of the listing of one bib."""
    return About("api", words=f'"identifier": "{bib}"', **what)


class TestListings:
    """What asks for photos."""

    @pytest.mark.slow
    @unusable
    def test_once(self, quick: Ninepic, sandbox: Start, what: dict[str, Any]) -> None:
        """One unusable answer among the listings of several bibs costs a try, and nothing else."""
        world = bibs(6)
        sandbox(world, faults=[about(3, nth=1, **what)])
        result = quick("bib", *world.bibs, "-o", "out", "-v")
        assert result.status == 0, result.err
        assert whole(world, quick.home / "out") == set(world.photos)
        assert "attempt 1 failed" in result.err

    @unusable
    def test_always(self, quick: Ninepic, sandbox: Start, what: dict[str, Any]) -> None:
        """A listing that stays unusable has failed, by name and with what was answered; the others go on."""
        world = bibs(6)
        box = sandbox(world, faults=[about(3, **what)])
        again = quick.home / "again.txt"
        result = quick("bib", *world.bibs, "-o", "out", "--retries", 2, "--failed-to", again, "--json")
        assert result.status == 5, result.err
        assert whole(world, quick.home / "out") == set(world.photos) - set(world.bibs["3"])
        assert again.read_text() == "3\n"
        ends = {line["identifier"]: (line["status"], line["code"]) for line in result.json if "found" in line}
        assert ends == {**dict.fromkeys(world.bibs, ("done", None)), "3": ("failed", "unusable_answer")}
        (reason,) = [line for line in result.err.splitlines() if line.startswith("failed: bib 3: ")]
        assert box.base_url.removeprefix("http://") in reason
        assert "3 attempts" in reason
        assert any(f"  {hint}\n" in result.err for hint in HINTS), result.err
        assert [request.path for request in box.requests_to("api") if "ping" in request.path] == []

    @pytest.mark.slow
    @pytest.mark.parametrize("method", ["selfie", "image"])
    @pytest.mark.parametrize("what", [UNUSABLE["html"], UNUSABLE["html 404"], UNUSABLE["empty object"]])
    def test_other_methods(self, quick: Ninepic, sandbox: Start, method: str, what: dict[str, Any]) -> None:
        """A face search and a single photo are asked for again, and not called missing."""
        world = bibs(2)
        wanted = next(iter(world.photos)) if method == "image" else next(iter(world.searches))
        box = sandbox(world, faults=[Fault("api", nth=range(1, 3), **what)])
        assert quick(method, wanted, "-o", "out").status == 0
        box.faults = [Fault("api", **what)]
        result = quick(method, wanted, "-o", "other", "--retries", 1, "--json", "--failed-to", "again")
        assert (result.status, result.photos("missing")) == (6, []), result.err
        assert (quick.home / "again").read_text() == f"{wanted}\n"
        assert "login page" in result.err

    def test_batches(self, quick: Ninepic, sandbox: Start) -> None:
        """A batch of ids that stays unusable costs its ids alone, each of which has failed."""
        world = World.generate(photos=64, size=3000)
        ids = list(world.photos)
        box = sandbox(world, faults=[About("api", words=ids[0], body=HTML)])
        result = quick("images", *ids, "-o", "out", "--retries", 1, "--failed-to", "again", "--json")
        assert result.status == 5, result.err
        assert whole(world, quick.home / "out") == set(ids[60:])
        assert (quick.home / "again").read_text().split() == ids[:60]
        assert {line["code"] for line in result.photos("failed")} == {"unusable_answer"}
        assert result.err.count("login page") == 1
        box.faults = []
        assert quick("images", "--from-file", "again", "-o", "out").status == 0
        assert whole(world, quick.home / "out") == set(ids)

    def test_the_whole_event(self, quick: Ninepic, sandbox: Start) -> None:
        """A page of the event's list, and one of links, that are unusable once cost nothing."""
        world = World.generate(photos=130, size=3000)
        faults = [Fault("api", path="/images?page=2", nth=1, body=HTML), Fault("api", "/original", nth=2, body="{}")]
        sandbox(world, faults=faults)
        result = quick("all", "-o", "out", "-q")
        assert (result.status, result.err) == (0, "")
        assert whole(world, quick.home / "out") == set(world.photos)

    def test_nothing_else(self, quick: Ninepic, sandbox: Start) -> None:
        """Where every listing stays unusable the run was given up, as where the service keeps failing."""
        sandbox(bibs(3), faults=[Fault("api", body=HTML)])
        result = quick("bib", "1", "2", "3", "--retries", 1, "--failed-to", "again")
        assert result.status == 6, result.err
        assert (quick.home / "again").read_text() == "1\n2\n3\n"
        assert "returned HTTP 200 with a web page" in result.err

    @pytest.mark.parametrize("what", [UNUSABLE["html"], UNUSABLE["empty object"], UNUSABLE["html 404"]])
    def test_patience(self, quick: Ninepic, sandbox: Start, what: dict[str, Any]) -> None:
        """A host that gives nothing usable for long ends the run, with the last that it gave, in three lines."""
        box = sandbox(bibs(3), faults=[Fault("api", **what)])
        result = quick("bib", "1", "2", "3", "--retries", 1000, "--give-up-after", 1, "-q")
        assert result.status == 6
        assert re.search(r"no usable response from \S+ for 1 s; giving up \(--give-up-after\): ", result.err)
        assert "HTTP 404 with a web page" in result.err or "returned HTTP 200 with " in result.err
        assert "base-url" in result.err
        assert len(result.err.splitlines()) <= 3
        assert len(box.requests) > 3

    @pytest.mark.parametrize(("nth", "status"), [(range(2, 4), 0), (range(2, 99), 5)], ids=["for a while", "for ever"])
    def test_a_link_is_renewed(self, quick: Ninepic, sandbox: Start, nth: range, status: int) -> None:
        """A renewal that gets unusable answers is tried again; one that stays so costs that photo alone."""
        world = bibs(2)
        spoilt = world.bibs["2"][0]
        expired = Fault("store", path=spoilt, nth=1, status=403, body="<Error><Code>ExpiredRequest</Code></Error>")
        sandbox(world, faults=[expired, about(2, nth=nth, body=HTML), Fault("api", nth=range(4, 99), body=HTML)])
        if not status:
            sandbox(world, faults=[expired, about(2, nth=nth, body=HTML)])
        result = quick("bib", "1", "2", "-o", "out", "--retries", 3, "--json")
        assert result.status == status, result.err
        lost = {line["image_id"]: line["code"] for line in result.photos("failed")}
        assert lost == ({spoilt: "unusable_answer"} if status else {})
        assert whole(world, quick.home / "out") == set(world.photos) - set(lost)

    def test_the_ping_after_a_404(self, quick: Ninepic, sandbox: Start) -> None:
        """An unusable answer to the ping says nothing about the event: the 404 stands."""
        box = sandbox(bibs(1), faults=[Fault("api", path="/ping", status=404, body=HTML)])
        assert quick("bib", "77", "1", "-o", "out").status == 4
        assert len([request for request in box.requests_to("api") if "ping" in request.path]) == 1

    def test_the_second_look_after_a_403(self, quick: Ninepic, sandbox: Start) -> None:
        """Where the event list is unusable, the refusal stands after two requests more, with all there is to check."""
        box = sandbox(bibs(1), faults=[Fault("api", "/original", status=403), Fault("api", "/events", body=HTML)])
        result = quick("bib", "1")
        assert (result.status, len(box.requests)) == (3, 3), result.err
        assert "check the key, --org and --event" in result.err

    @pytest.mark.parametrize("body", [HTML, "no key"])
    def test_a_refused_key_ends_it_at_once(self, quick: Ninepic, sandbox: Start, body: str) -> None:
        """401 is final, whatever comes with it."""
        box = sandbox(bibs(2), faults=[Fault("api", status=401, body=body)])
        assert (quick("bib", "1", "2").status, len(box.requests)) == (3, 1)


class TestQuestions:
    """What fetches nothing."""

    @pytest.mark.slow
    @some_unusable
    def test_the_event_list_and_an_event(self, quick: Ninepic, sandbox: Start, what: dict[str, Any]) -> None:
        """They are asked for again, and told what was answered where it stays so."""
        box = sandbox(bibs(1), faults=[Fault("api", nth=1, **what)])
        assert quick("events").out.startswith("456\t")
        box.faults = [Fault("api", "/details", nth=1, **what)]
        assert "photos\t2\n" in quick("event").out
        box.faults = [Fault("api", **what)]
        for command in ("events", "event"):
            result = quick(command, "--retries", 1)
            assert (result.status, result.out) == (6, "")
            assert "returned HTTP " in result.err or re.search("no API at .*: HTTP 404 with ", result.err)
            assert "2 attempts" in result.err
            assert "base-url" in result.err
            assert len(result.err.splitlines()) <= 3

    @some_unusable
    def test_a_count_that_fails(self, quick: Ninepic, sandbox: Start, what: dict[str, Any]) -> None:
        """An event whose photos cannot be counted is told all the same, with a warning."""
        sandbox(bibs(1), faults=[Fault("api", "/images", **what)])
        result = quick("event", "--retries", 1)
        assert result.status == 0
        assert result.err.startswith("ninepic: warning: number of photos unknown: ")
        assert "name\tSandbox Marathon\n" in result.out

    @some_unusable
    def test_somebody_waits(self, ninepic: Ninepic, sandbox: Start, what: dict[str, Any]) -> None:
        """A ping is not repeated: whoever waits for it is told at once."""
        box = sandbox(bibs(1), faults=[Fault("api", **what)])
        result = ninepic("ping")
        assert (result.status, len(box.requests)) == (6, 1), result.err
        assert any(f"  {hint}\n" in result.err for hint in HINTS), result.err

    def test_settings_are_asked_for(self, ninepic: Ninepic, sandbox: Start) -> None:
        """The questions for the settings tell an unusable answer at once, and go on."""
        box = sandbox(bibs(1), faults=[Fault("api", nth=1, body=HTML)])
        with at_terminal(ninepic, "config", "init") as person:
            person.answer("API key", f"{box.world.api_key}\n")
            person.answer("rganisation", f"{box.world.org_id}\n")
            person.wait_for("returned HTTP 200 with a web page")
            assert len(box.requests) == 1
            person.answer("Enter to retry", "\n")
            person.wait_for("Default event")
            assert len(box.requests) == 2


class TestEvents:
    """An organisation's events, however they are paged."""

    EVENTS = 499

    def world(self) -> World:
        """Five hundred events."""
        return World(more_events={1000 + number: f"Run {number}" for number in range(self.EVENTS)})

    def told(self, ninepic: Ninepic) -> tuple[list[int], str]:
        """The ids that are told, and what is said about them."""
        result = ninepic("events", "--json")
        assert result.status == 0, result.err
        return [line["event_id"] for line in result.json], result.err

    def test_a_repeated_page(self, ninepic: Ninepic, sandbox: Start) -> None:
        """A page that comes twice is passed over, and every event is told once."""
        world = self.world()
        sandbox(world, faults=[Fault("api", "page=2&", nth=1, mutate=_first_hundred(world))])
        ids, said = self.told(ninepic)
        assert (sorted(ids), said) == (sorted(world.events), "")

    def test_a_shrinking_list(self, ninepic: Ninepic, sandbox: Start) -> None:
        """Events that slip to a page already read, because others went, are looked for again."""
        world = self.world()

        def remove(request: Request) -> None:
            for number in range(1000, 1010):
                world.more_events.pop(number, None)

        sandbox(world, faults=[Fault("api", "page=3&", nth=1, action=remove)])
        ids, _ = self.told(ninepic)
        assert set(ids) >= set(world.events)
        assert len(ids) == len(set(ids))

    @pytest.mark.slow
    @pytest.mark.parametrize("form", [str, float, " {} ".format], ids=["text", "decimal", "spaces"])
    def test_ids_in_other_forms(self, ninepic: Ninepic, sandbox: Start, form: Callable[[int], object]) -> None:
        """An id that comes as a text, or as 456.0, is a number all the same."""
        world = self.world()

        def mutate(payload: dict[str, Any]) -> None:
            for event in payload["data"].get("events", [payload["data"]]):
                event["event_id"] = form(event["event_id"])

        sandbox(world, faults=[Fault("api", "/events", mutate=mutate), Fault("api", "/details", mutate=mutate)])
        assert self.told(ninepic) == (list(world.events), "")
        assert ninepic("event").out.startswith("event\t456\n")

    def test_none_of_those_there_are(self, ninepic: Ninepic, sandbox: Start) -> None:
        """A list that is empty although the service speaks of events is told with a warning."""
        sandbox(self.world(), faults=[Fault("api", mutate=lambda payload: payload["data"].update(events=[]))])
        ids, said = self.told(ninepic)
        assert ids == []
        assert "warning: the service announced 500 events for organisation 123 but listed 0" in said

    def test_a_shortfall(self, ninepic: Ninepic, sandbox: Start) -> None:
        """Fewer events than the service speaks of are told, with a warning that has both numbers."""
        world = self.world()
        short = Fault("api", mutate=lambda payload: payload["data"]["pagination"].update(total=510))
        sandbox(world, faults=[short])
        ids, said = self.told(ninepic)
        assert ids == list(world.events)
        assert "warning: the service announced 510 events for organisation 123 but listed 500" in said


def _first_hundred(world: World) -> Callable[[dict[str, Any]], None]:
    """Gives a page the items of the first one, and leaves its pagination."""

    def mutate(payload: dict[str, Any]) -> None:
        payload["data"]["events"] = world.event_list()[:100]

    return mutate


def in_failed_urls(*items: object) -> Fault:
    """The answer lists this as what the service does not have."""
    return Fault("api", "/original", mutate=lambda payload: payload["data"].update(failed_urls=list(items)))


class TestHostileAnswers:
    """Answers that would cost memory, or show what must not be shown."""

    @pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
    @pytest.mark.parametrize(
        "body",
        [
            '{"data": {"presigned_urls": [' + "[]," * 1_000_000 + "[]]}}",
            '{"data": {"presigned_urls": [], "unread": [' + "{}," * 10_000_000 + "{}]}}",
            '{"data": {"presigned_urls": [' + ",".join(["0"] * 6000) + "]}}",
            '{"data": {"presigned_urls": []}, "message": "' + "x" * 5_000_000 + '"}',
        ],
        ids=["lists", "unread", "items", "a text"],
    )
    def test_too_large(self, quick: Ninepic, sandbox: Start, body: str) -> None:
        """A page of more items than there can be, and an answer of more bytes, are refused and cost little memory."""
        sandbox(bibs(1), faults=[Fault("api", body=body)])
        result = quick.after(f"{QUICK}\n{PEAK}")("bib", "1", "--retries", 1)
        assert result.status == 6, result.err
        assert "an oversized body" in result.err or "6,000 items on one page" in result.err
        assert int(result.err.rpartition("peak ")[2]) < 90

    def test_a_total_beyond_all_numbers(self, ninepic: Ninepic, sandbox: Start) -> None:
        """A number of photos with 400 digits is as none: the photos come, also on a terminal."""
        world = bibs(1)
        huge = Fault("api", mutate=lambda payload: payload["data"]["pagination"].update(total=10**400))
        sandbox(world, faults=[huge])
        with at_terminal(ninepic, "bib", "1", "-o", "out") as person:
            assert person.status() == 0, person.seen
        assert whole(world, ninepic.home / "out") == set(world.photos)
        result = ninepic("bib", "1", "--json")
        assert (result.status, "warning" in result.err) == (0, False)

    @pytest.mark.parametrize("form", ["{}", "x {}", "{}#a"])
    def test_a_link_in_place_of_an_id(self, ninepic: Ninepic, sandbox: Start, form: str) -> None:
        """Of a link among the ids that the service does not have, only the photo's id is used, and nothing is shown."""
        world = bibs(2)
        box = sandbox(world)
        ids = list(world.photos)
        link = box.presigner.presign(world.object_key(ids[3]))
        box.faults = [in_failed_urls({"image_id": form.format(link), "error": f"not at {link}", "path": link})]
        result = ninepic("bib", "1", "-v", "--json", "--failed-to", "again")
        assert result.status == 4, result.err
        assert [line["image_id"] for line in result.photos("missing")] == [ids[3]]
        box.faults = [
            Fault("api", "/images", mutate=lambda payload: payload["data"]["images"][0].update(image_id=link))
        ]
        told = ninepic("all", "-v", "--json", "-o", "all", "--failed-to", "again")
        for text in (result.out, result.err, told.out, told.err, (ninepic.home / "again").read_text()):
            assert "X-Amz-" not in text
            assert "Signature" not in text

    @pytest.mark.parametrize("depth", [400, 900, 960, 2000, 9000, 60_000])
    def test_nested_deeply(self, quick: Ninepic, sandbox: Start, depth: int) -> None:
        """An item of lists within lists, however many, is no photo, and ends nothing else."""
        body = '{"data": {"presigned_urls": [' + "[" * depth + "]" * depth + "]}}"
        sandbox(bibs(2), faults=[about(1, body=body)])
        result = quick("bib", "1", "2", "--retries", 0, "-o", "out")
        assert result.status == 5, result.err
        assert "internal error" not in result.err
        assert len(list((quick.home / "out").rglob("*.jpg"))) == 2
