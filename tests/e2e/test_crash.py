"""Runs that end at any moment: what they leave never looks like a photo that it is not.

`pytest -m slow tests/e2e/test_crash.py` ends 40 runs. The full form, some minutes long, is

    NINEPIC_TEST_KILLS=200 pytest -m slow tests/e2e/test_crash.py
"""

import base64
import ctypes
import os
import random
import select
import signal
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest

from ninepic_cli.sandbox import Sandbox, World
from tests.support.clock import until
from tests.support.command import Ninepic, Process
from tests.support.files import names_in, partials_in

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="folders are watched by inotify, which only Linux has"),
]

KILLS = int(os.environ.get("NINEPIC_TEST_KILLS", "40"))
SEED = 20250914
RATE_BPS = 200_000  # on each connection: a photo takes longer than a run is left alive
SHORTEST_S, LONGEST_S = 0.15, 0.6  # that a run is left alive once it fetches
STARTUP_S = 0.7  # about what the command takes to begin

# The time between a photo's last byte and its rename, which is too short to be hit otherwise.
SLOW_FSYNC = """
import os, time
fsync = os.fsync
def slow(fd):
    fsync(fd)
    time.sleep(0.15)
os.fsync = slow
"""

MODIFY, CLOSE_WRITE, MOVED_TO, CREATE = 0x2, 0x8, 0x80, 0x100
OVERFLOW, IS_DIR = 0x4000, 0x40000000
EVENT = struct.Struct("iIII")


class Watch:
    """Looks at every photo of a folder the moment it gets its name.

    Attributes:
        arrived: how often each name was given to a file.
        complaints: what was wrong.
    """

    def __init__(self, folder: Path, world: World) -> None:
        self.arrived: Counter[str] = Counter()
        self.complaints: list[str] = []
        self._folder = folder
        self._world = world
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(os.O_CLOEXEC)
        wanted = MODIFY | CLOSE_WRITE | MOVED_TO | CREATE
        assert libc.inotify_add_watch(self._fd, os.fsencode(self._folder), wanted) >= 0, os.strerror(ctypes.get_errno())
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        os.close(self._fd)

    def _watch(self) -> None:
        """Go on until told otherwise and nothing is left to look at."""
        while select.select([self._fd], [], [], 0.1)[0] or not self._over.is_set():
            if select.select([self._fd], [], [], 0)[0]:
                self._take(os.read(self._fd, 1 << 16))

    def _take(self, events: bytes) -> None:
        at = 0
        while at < len(events):
            _, what, _, length = EVENT.unpack_from(events, at)
            name = events[at + EVENT.size : at + EVENT.size + length].rstrip(b"\0").decode()
            at += EVENT.size + length
            self._look(name, what)

    def _look(self, name: str, what: int) -> None:
        if what & IS_DIR and name == ".ninepic":
            return
        if what & (OVERFLOW | CREATE | MODIFY):
            self.complaints.append(f"{name}: event {what:#x} where only renames and closed files may be")
            return
        self.arrived[name] += bool(what & MOVED_TO)
        if (self._folder / name).read_bytes() != self._world.photo_bytes(name.removesuffix(".jpg")):
            self.complaints.append(f"{name}: not the photo, at event {what:#x}")


@dataclass
class Kills:
    """What the ends of runs have met.

    Attributes:
        signals: how often each signal ended a run.
        left_a_partial: runs that left a partial which was not there before, or not as long.
        before_the_rename: runs that ended when all bytes of a photo were on disk, and its name was not given yet.
        while_starting: runs that ended before they fetched anything.
    """

    signals: Counter[str] = field(default_factory=Counter)
    left_a_partial: int = 0
    before_the_rename: int = 0
    while_starting: int = 0


def whole(sizes: dict[str, int]) -> set[str]:
    """The partials of which no byte is missing."""
    return {name for name, size in sizes.items() if name.split(".")[1] == str(size)}


def resumed(box: Sandbox, first: int, sizes: dict[str, int]) -> bool:
    """Whether, from a request on, photos of which there were bytes were asked for the rest only."""
    begun = {base64.urlsafe_b64decode(name.split(".")[2] + "==").decode() for name in sizes}
    photos = [photo for photo in box.world.photos.values() if box.world.etag(photo) in begun]
    names = {f"{photo.image_id}.jpg" for photo in photos}
    requests = [request for request in box.requests[first:] if request.path.rpartition("/")[2] in names]
    return len(names) == len(begun) and all("range" in request.headers for request in requests)


def asked_for(box: Sandbox, first: int = 0) -> set[str]:
    """The names of the photos that were asked for, from the request with this number on."""
    return {request.path.rpartition("/")[2] for request in box.requests[first:] if request.server == "store"}


def kill(run: Process, box: Sandbox, *, first: int, chance: random.Random) -> tuple[str, bool]:
    """End a run at a random moment; returns by which signal, and whether it fetched already."""
    while_starting = chance.random() < 0.05
    if while_starting:
        time.sleep(chance.uniform(0.1, STARTUP_S))
    else:
        until(lambda: asked_for(box, first))
        time.sleep(chance.uniform(SHORTEST_S, LONGEST_S))
    # Before a run has begun, an interrupt is Python's to deal with.
    words = ["SIGKILL"] if while_starting else chance.choices(["SIGKILL", "SIGTERM", "SIGINT"], [18, 1, 1])
    number = signal.Signals[words[0]]
    run.send_signal(number)
    assert run.result().status == -number
    return words[0], bool(asked_for(box, first))


def drawn(chance: random.Random) -> World:
    """More photos of different sizes than the runs can fetch together before they are ended."""
    world = World.generate(photos=2 * KILLS + 40)
    for photo in world.photos.values():
        photo.size = chance.randrange(100_000, 500_000)
    return world


def test_killed_at_any_moment(
    ninepic: Ninepic, sandbox: Callable[..., Sandbox], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """However often runs are killed, a final name is a whole photo, what is on disk stays, and a last run completes it.

    Every file is read the moment its name is given to it, and names are given by renaming only.
    """
    chance = random.Random(SEED)
    world = drawn(chance)
    folder = tmp_path / "photos"
    folder.mkdir()
    kills = Kills()
    with Watch(folder, world) as watch:
        box = sandbox(world, store_rate=RATE_BPS)
        slow = ninepic.after(SLOW_FSYNC)
        for _ in range(KILLS):
            before, done, first = partials_in(folder), set(names_in(folder)) - {".ninepic"}, len(box.requests)
            run = slow.start("bib", "1234", "-o", folder)
            word, fetched = kill(run, box, first=first, chance=chance)
            after = partials_in(folder)
            kills.signals[word] += 1
            kills.while_starting += not fetched
            kills.left_a_partial += any(size > before.get(name, 0) for name, size in after.items())
            kills.before_the_rename += bool(whole(after))
            assert not asked_for(box, first) & done
            assert resumed(box, first, before)
        done, left = set(names_in(folder)) - {".ninepic"}, partials_in(folder)
        last = sandbox(world)
        assert ninepic("bib", "1234", "-o", folder).status == 0
    record_property("kills", str(kills))
    names = {f"{image_id}.jpg" for image_id in world.photos}
    assert watch.complaints == []
    assert watch.arrived == Counter(names)
    assert {path.name for path in folder.iterdir()} == names  # and no .ninepic
    assert all(world.photo_bytes(name[:-4]) == (folder / name).read_bytes() for name in names)
    assert asked_for(last) == names - done
    # What the killed runs left is not fetched again; of a partial that is whole, the last byte confirms it.
    missing_bytes = sum(world.photos[name[:-4]].size for name in names - done) - sum(left.values())
    assert sum(request.bytes_sent for request in last.requests_to("store")) == missing_bytes + len(whole(left))
    assert kills.left_a_partial >= KILLS * 3 // 4, kills
    assert kills.before_the_rename >= KILLS // 10, kills
