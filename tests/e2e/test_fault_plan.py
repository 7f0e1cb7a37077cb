"""Fault plans, given to the command: a script with a bad day, and plans that are none."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import ninepic_cli
from ninepic_cli.sandbox import World
from tests.support.clock import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.command import Ninepic


DOCS = Path(ninepic_cli.__file__).parent.parent / "docs"
SIZE = 60_000


class Running:
    """The sandbox command, with a plan and a log, in the home of the command that is used with it."""

    def __init__(self, ninepic: Ninepic, plan: str, *options: object) -> None:
        (ninepic.home / "plan.json").write_text(plan)
        self.log = ninepic.home / "requests.log"
        self.process = ninepic.start("sandbox", "--faults", "plan.json", "--log", self.log.name, *options)
        assert self.process.stdout is not None
        exports = [self.process.stdout.readline() for _ in range(4)]
        ninepic.use(dict(line.removeprefix("export ").strip().split("=", 1) for line in exports))

    def end(self) -> list[dict[str, Any]]:
        """Stop it, and return the lines of its log."""
        self.process.send_signal(signal.SIGTERM)
        _, words = self.process.communicate(timeout=20)
        assert self.process.returncode == -signal.SIGTERM, words
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def running(ninepic: Ninepic) -> Iterator[Callable[..., Running]]:
    """Starts the sandbox command, and sees to it that it ends."""
    started: list[Running] = []

    def start(plan: str, *options: object) -> Running:
        started.append(Running(ninepic, plan, *options))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()


SCRIPT_PLAN = """[
    {"nth": "1-3", "cut_after": 0.5},
    {"nth": 5, "reset": true},
    {"nth": 8, "cut_after": 30000, "reset": true},
    {"ranged": true, "nth": 1, "cut_after": 100, "reset": true},
    {"ranged": false, "nth": "10-12", "status": 503, "headers": {"Retry-After": "1"}},
    {"ranged": false, "nth": "20-21", "status": 403, "body": "<Error><Code>ExpiredRequest</Code></Error>"},
    {"ranged": false, "nth": 25, "status": 400, "body": "<Error><Code>ExpiredRequest</Code></Error>"},
    {"server": "api", "nth": 1, "reset": true},
    {"server": "api", "nth": 3, "status": 503}
]"""


def test_a_script_with_a_bad_day(ninepic: Ninepic, running: Callable[..., Running]) -> None:
    """Cuts, resets, 503s and expiries that a plan asks for end with every photo, and the log can be counted."""
    box = running(SCRIPT_PLAN, "--photos", "30", "--size", "60000")
    done = ninepic("bib", "1234", "-o", "photos", "--json")
    lines = box.end()
    assert done.status == 0, done.err
    world = World.generate(photos=30, size=SIZE)
    assert {photo.name: photo.read_bytes() for photo in (ninepic.home / "photos").iterdir()} == {
        f"{image_id}.jpg": world.photo_bytes(image_id) for image_id in world.photos
    }
    store = [line for line in lines if line["server"] == "store"]
    assert len([line for line in store if line["status"] == 503]) == 3
    assert len([line for line in store if line["status"] in {400, 403}]) == 3
    assert len([line for line in store if line["status"] is None]) == 1
    assert [line for line in store if line["range"] and line["status"] == 206]
    assert sum(line["attempts"] for line in done.photos("downloaded")) + 3 == len(store)
    assert [line["status"] for line in lines if line["server"] == "api"][:3] == [None, 200, 503]
    assert "Amz" not in box.log.read_text()


def test_the_plan_of_the_documents(ninepic: Ninepic, running: Callable[..., Running]) -> None:
    """The plan that the documents show works as written: every entry strikes, and every photo arrives."""
    texts = [(DOCS / name).read_text() for name in ("sandbox.md", "reference.md")]
    plan, other = (re.findall(r"```json\n(.*?)```", text, re.DOTALL)[0] for text in texts)
    assert plan == other
    box = running(plan, "--photos", "200", "--size", "40000")
    done = ninepic("bib", "1234", "-o", "photos", timeout=100)
    lines = box.end()
    assert done.status == 0, done.err
    assert len(list((ninepic.home / "photos").iterdir())) == 200
    assert [line["status"] for line in lines if line["server"] == "api"].count(503) == 1
    assert [line["status"] for line in lines if line["server"] == "store"].count(403) == 1
    assert len({photo.name for photo in (ninepic.home / "photos").iterdir() if len(photo.name) > 40}) > 10


def test_the_log_may_be_emptied(ninepic: Ninepic, running: Callable[..., Running]) -> None:
    """What is there already stays in the log, and a file that is emptied begins anew."""
    (ninepic.home / "requests.log").write_text('{"before": 1}\n')
    box = running("[]", "--photos", "1")
    assert ninepic("ping").status == 0
    until(lambda: len(box.log.read_text().splitlines()) == 2)
    box.log.write_text("")
    assert ninepic("ping").status == 0
    (line,) = box.end()
    assert (line["path"], line["status"]) == ("/api/v1/ext/123/event/456/ping", 200)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (None, "invalid --faults plan.json: the file does not exist"),
        ("hello", "invalid --faults plan.json: not JSON: line 1, column 1"),
        (
            '[{"reset": true}, {"status": "503"}]',
            'invalid --faults plan.json: entry 2, "status": must be a whole number',
        ),
    ],
)
def test_a_bad_plan_is_a_usage_error(ninepic: Ninepic, plan: str | None, message: str) -> None:
    """A plan that is none ends the command with exit 2 before anything starts."""
    if plan is not None:
        (ninepic.home / "plan.json").write_text(plan)
    done = ninepic("sandbox", "--faults", "plan.json", "--log", "requests.log")
    assert (done.status, done.out) == (2, "")
    assert f"ninepic: error: {message}" in done.err
    assert len(done.err.splitlines()) <= 3
    assert not (ninepic.home / "requests.log").exists()


def test_a_log_that_cannot_be_written(ninepic: Ninepic) -> None:
    """A log that cannot be opened ends the command; one that cannot take more costs the log alone."""
    done = ninepic("sandbox", "--log", "no/such/requests.log")
    assert (done.status, done.out) == (7, "")
    assert "cannot write no/such/requests.log: no such file" in done.err
    process = ninepic.start("sandbox", "--photos", "1", "--log", "/dev/full", stderr=subprocess.STDOUT)
    assert process.stdout is not None
    exports = [process.stdout.readline() for _ in range(4)]
    ninepic.use(dict(line.removeprefix("export ").strip().split("=", 1) for line in exports))
    assert [ninepic("ping").status for _ in range(2)] == [0, 0]
    process.terminate()
    words, _ = process.communicate(timeout=20)
    assert words.count("cannot write /dev/full: no space left on device") == 1
