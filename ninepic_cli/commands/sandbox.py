"""`ninepic sandbox` and `ninepic demo`: the stand-in of the service, alone, and with the real pipeline against it."""

import errno
import queue
import shlex
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from ninepic_cli.commands.download import DownloadRequest, download
from ninepic_cli.config.settings import ConfigTarget, resolve
from ninepic_cli.errors import MachineError, ThreadLimitError, UsageError
from ninepic_cli.models import Method
from ninepic_cli.sandbox import Fault, Request, Sandbox, World, faults_from_file, log_line
from ninepic_cli.system.output import print_err, print_warning
from ninepic_cli.system.program import adapt_calls
from ninepic_cli.system.shutdown import handle_signals
from ninepic_cli.text import pluralize, system_text

_DEMO_PHOTOS, _DEMO_SIZE, _DEMO_RATE = 47, 1_500_000, 4_000_000  # bytes, and bytes a second on each connection
_KEPT_REQUESTS = 10_000  # nobody reads them here, but the sandbox may serve for weeks
_NEXT_STEPS = """\

With your own account:
  ninepic config init              (asks for key, organisation and event)
  ninepic bib 1234 -o ./photos
  ninepic selfie REQUEST_ID -o ./photos
  ninepic images --from-file ids.txt -o ./photos"""


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """What the stand-in is to be like.

    Attributes:
        size: bytes of each photo.
        rate: requests a second that the API accepts before it answers 429; 0 for no limit.
        failures: the share of the store's answers that fail, 0 to 1.
        seed: another one makes other photos and other failures.
        port: the API's port; 0 for a free one.
        faults: the file with the fault plan, or None.
        log: the file to which a line is added for each request, or None.
    """

    photos: int
    size: int
    link_life_s: float
    rate: float
    latency_s: float
    failures: float
    seed: int
    port: int
    faults: Path | None
    log: Path | None


def serve(options: SandboxOptions) -> int:
    """Serve the stand-in until a signal ends it; prints the variables to export. Returns 128 + the signal's number.

    Raises:
        UsageError: the fault plan is none.
        MachineError: the port or the log cannot be had.
    """
    faults = _load_faults(options.faults) if options.faults else []
    world = World.generate(photos=options.photos, size=options.size, seed=options.seed)
    with _open_log(options.log) if options.log else nullcontext() as note:
        box = Sandbox(
            world,
            link_life_s=options.link_life_s,
            requests_per_s=options.rate or None,
            latency_s=options.latency_s,
            failure_share=options.failures,
            seed=options.seed,
            faults=faults,
            port=options.port,
            keep_requests=_KEPT_REQUESTS,
            on_request_end=note,
        )
        signums: queue.SimpleQueue[int] = queue.SimpleQueue()
        # They are caught before anything is printed, since a script may send one at once.
        with handle_signals(on_first=signums.put), _run(box, options.port):
            for name, value in box.environment.items():
                sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
            sys.stdout.flush()
            words = f"mock server running, {pluralize(options.photos, 'photo')} in event {world.event_id}"
            print_err(f"{words}; press Ctrl-C to stop")
            print_err(f"bibs: {', '.join(world.bibs)}")
            print_err(f"face searches: {', '.join(world.searches)}")
            return 128 + signums.get()


def run_demo(output: Path, *, bars: bool) -> int:
    """Run the main job against the stand-in, and tell how the same goes with a real account."""
    world = World.generate(photos=_DEMO_PHOTOS, size=_DEMO_SIZE)
    bib = next(iter(world.bibs))
    box = Sandbox(world, store_rate=_DEMO_RATE)
    with _run(box, port=0):
        print_err(f"A mock server runs inside this command. Running: ninepic bib {bib} -o {output}")
        # Nobody's settings, and no proxies: the demo is the same on every machine.
        settings = resolve({"output": str(output)}, environ=box.environment, config={}, target=ConfigTarget(Path()))
        status = download(DownloadRequest(method=Method.BIB, identifiers=[bib], bars=bars), settings, environ={})
    if status == 0:
        print_err(adapt_calls(_NEXT_STEPS))
    return status


def _load_faults(path: Path) -> list[Fault]:
    try:
        return faults_from_file(path)
    except ValueError as error:
        hint = 'expected a JSON list such as [{"nth": 1, "status": 503}]; see `man ninepic-sandbox` for the fields'
        raise UsageError(f"invalid --faults {path}: {error}", hint=hint) from None


@contextmanager
def _open_log(path: Path) -> Iterator[Callable[[Request], None]]:
    """What adds a line to a file for each request that has ended."""
    try:
        # Appended to, so that a script may empty the file between two counts; a line is one write, whole at once.
        file = path.open("ab", buffering=0)
    except OSError as error:
        hint = "choose another file with --log"
        raise MachineError(f"cannot write {path}: {system_text(error)}", hint=hint) from error
    lock = threading.Lock()
    has_failed = False

    def note(request: Request) -> None:
        nonlocal has_failed
        try:
            with lock:
                file.write(log_line(request).encode())
        except (OSError, ValueError) as error:
            if not has_failed:
                print_warning(f"cannot write {path}: {system_text(error)}; continuing without --log")
            has_failed = True

    with file:
        yield note


@contextmanager
def _run(box: Sandbox, port: int) -> Iterator[None]:
    try:
        box.start()
    except OSError as error:
        place = f"port {port}" if port else "a free port"
        is_used = error.errno == errno.EADDRINUSE
        reason = f"{place} is already in use" if is_used else f"cannot listen on {place}: {system_text(error)}"
        raise MachineError(reason, hint="choose another --port or omit it") from error
    except RuntimeError as error:
        raise ThreadLimitError from error
    try:
        yield
    finally:
        box.stop()
