"""Long runs: thousands of photos over several lives of their links, with a share of everything that goes wrong.

`pytest -m slow tests/e2e/test_soak.py` takes 5,000 photos that are fetched, 40,000 that are there already, an event of
40,000, and 300 bibs. The full forms are

    NINEPIC_TEST_PHOTOS=100000 pytest -m slow tests/e2e/test_soak.py -k faults
    NINEPIC_TEST_PHOTOS=200000 pytest -m slow tests/e2e/test_soak.py -k "present or event"
    NINEPIC_TEST_BIBS=2000 pytest -m slow tests/e2e/test_soak.py -k night
"""

import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from ninepic_cli.sandbox import Fault, Request, StoredPhoto, World
from tests.support.command import Ninepic, Process, Start, peak_of

pytestmark = pytest.mark.slow

FETCHED = int(os.environ.get("NINEPIC_TEST_PHOTOS", "5000"))
# Not so few that what counts is when Python's tables grow: fourfold at some 20,000 entries.
PRESENT = EVENT = int(os.environ.get("NINEPIC_TEST_PHOTOS", "40000"))
BIBS = int(os.environ.get("NINEPIC_TEST_BIBS", "300"))
JOBS = 8
LINK_LIFE_S = 5.0
LATENCY_S = 0.01
EXPIRED = "<Error><Code>ExpiredRequest</Code><Message>The presigned URL has expired.</Message></Error>"
EVER = 10**9
Note = Callable[[str, object], None]


def every(requests: int, *, after: int) -> range:
    """One of so many requests, the first of them behind `after` others."""
    return range(after, EVER, requests)


def faults() -> list[Fault]:
    """One of everything that another try helps against, for each thousand photos or so."""
    return [
        Fault(cut_after=0.5, nth=every(1000, after=50)),
        Fault(cut_after=0.7, reset=True, nth=every(1000, after=100)),
        Fault(stall_after=0.3, nth=every(1000, after=150)),
        Fault(silent=True, nth=every(2000, after=200)),
        Fault(hang_up=True, nth=every(1000, after=250)),
        Fault(status=500, nth=every(1000, after=300)),
        Fault(status=503, headers={"Retry-After": "1"}, nth=every(2000, after=350)),
        Fault(headers={"ETag": f'"{0:032x}"'}, nth=every(1000, after=400)),  # the MD5 of something else
        Fault(status=403, body=EXPIRED, nth=every(1000, after=450)),
        # A pause that outlives every link that was waiting to be used.
        Fault(status=503, headers={"Retry-After": f"{LINK_LIFE_S + 1:.0f}"}, nth=every(25_000, after=1500)),
        Fault(server="api", status=429, headers={"Retry-After": "1"}, nth=every(50, after=10)),
        Fault(server="api", status=500, nth=every(50, after=20)),
        Fault(server="api", status=503, nth=every(50, after=30)),
        Fault(server="api", cut_after=0.5, nth=every(50, after=40)),
    ]


@dataclass
class Samples:
    """The most that a process had of everything, as far as one saw by looking again and again.

    Attributes:
        peak_kib: memory; the system's own peak, which cannot be missed between two looks.
    """

    threads: int = 0
    files: int = 0
    peak_kib: int = 0
    looks: int = 0

    def take(self, pid: int) -> None:
        """Look once; a process that has gone has nothing."""
        with suppress(OSError, StopIteration):
            self.threads = max(self.threads, len(list(Path(f"/proc/{pid}/task").iterdir())))
            self.files = max(self.files, len(list(Path(f"/proc/{pid}/fd").iterdir())))
            status = Path(f"/proc/{pid}/status").read_text().splitlines()
            peak = next(line for line in status if line.startswith("VmHWM"))
            self.peak_kib = max(self.peak_kib, int(peak.split()[1]))
            self.looks += 1


def sampled(run: Process) -> tuple[Samples, str]:
    """Look at a run until it ends well; returns what was seen, and what it told people."""
    samples, over = Samples(), threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            samples.take(run.pid)

    looker = threading.Thread(target=look)
    looker.start()
    try:
        result = run.result(timeout=120 + FETCHED / 50)
    finally:
        over.set()
        looker.join()
    assert result.status == 0
    return samples, result.err


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked at in /proc, which only Linux has")
def test_faults_over_several_lives_of_the_links(
    ninepic: Ninepic, sandbox: Start, tmp_path: Path, record_property: Note
) -> None:
    """A long run with 1 % of faults of every kind ends with every photo whole, in bounded memory, threads and files."""
    sandbox(World.generate(photos=500, size=20_000))
    few, _ = sampled(ninepic.start("bib", "1234", "-o", tmp_path / "few", "--jobs", JOBS))
    world = World.generate(photos=FETCHED)
    chance = random.Random(1)
    for photo in world.photos.values():
        photo.size = chance.randrange(4_000, 40_000)
    asked: Counter[str] = Counter()
    lock = threading.Lock()

    def note(request: Request) -> None:
        with lock:
            asked[request.server] += 1
            asked[f"{request.server} {request.status}"] += 1

    sandbox(
        world,
        link_life_s=LINK_LIFE_S,
        latency_s=LATENCY_S,
        failure_share=0.005,
        faults=faults(),
        keep_requests=100,
        on_request_end=note,
    )
    folder = tmp_path / "photos"
    began_s = time.monotonic()
    run = ninepic.start("bib", "1234", "-o", folder, "--jobs", JOBS, "--timeout", "2", "--no-progress")
    many, _ = sampled(run)
    seconds = time.monotonic() - began_s
    record_property("soak", f"{FETCHED} photos, {seconds:.1f} s, {seconds / LINK_LIFE_S:.1f} lives, {few}, {many}")
    record_property("requests", dict(sorted(asked.items())))
    assert {path.name for path in folder.iterdir()} == {f"{image_id}.jpg" for image_id in world.photos}
    assert all(world.photo_bytes(path.stem) == path.read_bytes() for path in folder.iterdir())
    assert seconds >= 3 * LINK_LIFE_S
    assert asked["store"] - FETCHED >= FETCHED // 100  # the faults, one further request each
    assert asked["store"] - FETCHED <= FETCHED // 20
    pages = -(-FETCHED // 60)
    assert asked["api 200"] > pages  # links were renewed
    # Each page once; a page's links again for each fault that cost its photo more time than they had.
    assert asked["api"] <= pages + FETCHED // 50 + 20
    assert many.threads <= JOBS + 4
    assert many.files <= few.files + 4
    assert many.peak_kib - few.peak_kib <= 8 * 1024 + FETCHED * 200 / 1024


def all_present(folder: Path, count: int) -> World:
    """Photos of a few bytes, and a folder that holds them all."""
    world = World.generate(photos=count)
    folder.mkdir()
    body = b"\xff\xd8 photo \xff\xd9"
    for image_id in world.photos:
        world.photos[image_id] = StoredPhoto(image_id, body=body)
        (folder / f"{image_id}.jpg").write_bytes(body)
    return world


def test_all_present_in_bounded_memory(ninepic: Ninepic, sandbox: Start, tmp_path: Path, record_property: Note) -> None:
    """A listing whose photos are all there takes at most 200 bytes of memory for each, and asks the store for none."""
    sandbox(all_present(tmp_path / "few", 2000))
    few = max(peak_of(ninepic, "bib", "1234", "-o", tmp_path / "few") for _ in range(2))  # it differs by 1 MiB
    box = sandbox(all_present(tmp_path / "many", PRESENT))
    began_s = time.monotonic()
    many = peak_of(ninepic, "bib", "1234", "-o", tmp_path / "many")
    seconds = time.monotonic() - began_s
    growth = (many - few) * 2**20 / (PRESENT - 2000)
    record_property("present", f"{few:.1f} MiB, {many:.1f} MiB, {growth:.0f} bytes a photo, {seconds:.1f} s")
    assert box.requests_to("store") == []
    assert len(box.requests_to("api")) == -(-PRESENT // 60)
    assert growth <= 200


def test_a_large_event_in_bounded_memory(ninepic: Ninepic, sandbox: Start, record_property: Note) -> None:
    """The list of a large event takes at most 200 bytes of memory a photo, in as few requests as there can be."""
    sandbox(World.generate(photos=100, size=40_000))
    few = max(peak_of(ninepic, "all", "--dry-run", "-o", "photos") for _ in range(2))  # it differs by 1 MiB
    asked: Counter[str] = Counter()
    world = World.generate(photos=EVENT, size=40_000)
    sandbox(world, keep_requests=100, on_request_end=lambda request: asked.update([request.server]))
    began_s = time.monotonic()
    many = peak_of(ninepic, "all", "--dry-run", "-o", "photos")
    seconds = time.monotonic() - began_s
    growth = (many - few) * 2**20 / (EVENT - 100)
    record_property("event", f"{few:.1f} MiB, {many:.1f} MiB, {growth:.0f} bytes a photo, {seconds:.1f} s, {asked}")
    assert asked == {"api": -(-EVENT // 100) + -(-EVENT // 60)}
    assert growth <= 200


def test_a_night_of_bibs(ninepic: Ninepic, sandbox: Start, tmp_path: Path, record_property: Note) -> None:
    """Bibs by the thousand, with 429s all along: each has what the service has of it, and is told by itself."""
    world = World.generate(photos=BIBS, size=20_000)
    ids = list(world.photos)
    world.bibs = {str(number): ids[number : number + 3] for number in range(BIBS) if number % 40}
    spoilt = ids[10]  # three runners are on it
    patience = Fault(server="api", status=429, headers={"Retry-After": "1"}, nth=every(100, after=10))
    box = sandbox(world, faults=[patience, Fault(path=spoilt, status=400)])
    (tmp_path / "bibs.txt").write_text("\n".join(map(str, range(BIBS))))
    began_s = time.monotonic()
    told = ["-o", tmp_path / "photos", "--json", "--failed-to", tmp_path / "again.txt"]
    result = ninepic("bib", "--from-file", tmp_path / "bibs.txt", "--folders", *told, timeout=120 + BIBS / 5)
    seconds = time.monotonic() - began_s
    record_property("night", f"{BIBS} bibs, {seconds:.1f} s, {len(box.requests_to('api'))} API requests")
    status = {line["identifier"]: line["status"] for line in result.json if line["type"] == "identifier"}
    failed = [bib for bib, photos in world.bibs.items() if spoilt in photos]
    expected = {str(bib): "done" if bib % 40 else "missing" for bib in range(BIBS)} | dict.fromkeys(failed, "failed")
    assert (result.status, status) == (5, expected)
    assert (tmp_path / "again.txt").read_text().split() == failed
    for bib, photos in world.bibs.items():
        there = {path.stem: path.read_bytes() for path in (tmp_path / "photos" / bib).iterdir()}
        assert there == {each: world.photo_bytes(each) for each in photos if each != spoilt}
    named = {each for photos in world.bibs.values() for each in photos}
    assert len(box.requests_to("store")) == len(named) - 1 + len(failed)  # each once, but for the one that nobody gets
