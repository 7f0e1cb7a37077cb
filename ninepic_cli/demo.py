"""`ninepic sandbox` and `ninepic demo`: the stand-in of the service, alone, and with the real pipeline against it."""

import errno
import queue
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ninepic_cli.errors import MachineError
from ninepic_cli.photo import Method
from ninepic_cli.run import Task, run
from ninepic_cli.sandbox import Sandbox, World
from ninepic_cli.say import say
from ninepic_cli.settings import resolve

_DEMO_PHOTOS, _DEMO_SIZE, _DEMO_RATE = 47, 1_500_000, 4_000_000  # bytes, and bytes a second on each connection
_NEXT_STEPS = """\

The same with your own account:
  ninepic config set api-key       (it is asked for, and not shown)
  ninepic config set org-id ID
  ninepic bib 1234 --event ID -o ./photos
  ninepic selfie REQUEST_ID --event ID -o ./photos
  ninepic images --from-file ids.txt --event ID -o ./photos"""


@dataclass(frozen=True, slots=True)
class Scene:
    """What the stand-in is to be like.

    Attributes:
        size: bytes of each photo.
        link_life_s: seconds that links live.
        rate: requests a second that the API accepts before it answers 429; 0 for no limit.
        latency_s: seconds that every answer takes.
        failures: the share of the store's answers that fail, 0 to 1.
        seed: another one makes other photos and other failures.
        port: the API's port; 0 for a free one.
    """

    photos: int = 47
    size: int = 200_000
    link_life_s: float = 3600.0
    rate: float = 0.0
    latency_s: float = 0.0
    failures: float = 0.0
    seed: int = 1
    port: int = 0


def serve(scene: Scene) -> int:
    """Serve the stand-in until a signal ends it; prints the variables to export. Returns 128 + the signal's number."""
    world = World.drawn(photos=scene.photos, size=scene.size, seed=scene.seed)
    box = Sandbox(
        world,
        link_life_s=scene.link_life_s,
        requests_per_s=scene.rate or None,
        latency_s=scene.latency_s,
        failure_share=scene.failures,
        seed=scene.seed,
        port=scene.port,
    )
    with _signals() as arrived, _started(box):
        for name, value in box.environment.items():
            sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
        sys.stdout.flush()
        say(f"a stand-in of the service, with {scene.photos} photos in event {world.event_id}; Ctrl-C ends it")
        say(f"bibs: {', '.join(world.bibs)}")
        say(f"face searches: {', '.join(world.searches)}")
        return 128 + arrived.get()


def show(output: Path, *, bars: bool) -> int:
    """Run the main job against the stand-in, and tell how the same goes with a real account."""
    world = World.drawn(photos=_DEMO_PHOTOS, size=_DEMO_SIZE)
    bib = next(iter(world.bibs))
    box = Sandbox(world, store_rate=_DEMO_RATE)
    with _started(box):
        say(f"A stand-in of the service runs inside this command. What you see next is: ninepic bib {bib} -o {output}")
        # Nobody's settings, and no proxies: the demo is the same on every machine.
        settings = resolve({"output": str(output)}, environ=box.environment, config={}, config_path=Path())
        status = run(Task(Method.BIB, [bib], bars=bars), settings, environ={})
    if status == 0:
        say(_NEXT_STEPS)
    return status


@contextmanager
def _started(box: Sandbox) -> Iterator[None]:
    try:
        box.start()
    except OSError as error:
        reason = "it is in use" if error.errno == errno.EADDRINUSE else error.strerror
        raise MachineError(f"the port cannot be had: {reason}", hint="name another --port, or none") from error
    try:
        yield
    finally:
        box.stop()


@contextmanager
def _signals() -> Iterator["queue.SimpleQueue[int]"]:
    """The signals that arrive; they are caught before anything is printed, since a script may send one at once."""
    arrived: queue.SimpleQueue[int] = queue.SimpleQueue()
    wanted = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda number, _: arrived.put(number)) for number in wanted}
    try:
        yield arrived
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
