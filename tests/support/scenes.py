"""Scenes of a run, played on the terminal that this is started on: the real display, scripted events and clock.

`python tests/support/scenes.py SCENE` plays one and waits: `q` ends it, any other key lets a second pass. With a file
as second argument, the number of the pictures that the terminal has shown completely is written there, so that a test
knows when to look (tests/e2e/test_terminal.py).
"""

import os
import sys
import termios
import tty
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ninepic_cli.errors import MissingError, PhotoError, TransientError
from ninepic_cli.models import Downloaded, Failed, Link, Method, Photo
from ninepic_cli.progress.display import open_progress, stderr_console
from ninepic_cli.progress.messages import Clocks, Progress
from ninepic_cli.updates import (
    BytesReceived,
    HostPaused,
    IdentifierListed,
    PageReceived,
    PhotoFinished,
    PhotoFound,
    PhotoStarted,
    RequestFinished,
    RetryScheduled,
    Update,
    WarningRaised,
)

MB = 1_000_000
STORE, API = "photos.example.r2.cloudflarestorage.com", "api.9pic.ai"
_STEP_S = 1.0
_CALENDAR_S = 1_794_647_553.0  # 14 November 2026, 09:12:33 UTC
_DONE_DRAWING = b"\x1b[5n"  # a terminal answers it when it has drawn what came before


class _Links:
    """Every photo is in the same store."""

    def current(self, image_id: str) -> Link:
        return Link(f"https://{STORE}/imgs/{image_id}.jpg?X-Amz-Signature=secret")

    def fresh(self, image_id: str) -> Link:
        return self.current(image_id)

    def renew(self, image_id: str, refused: Link) -> Link:
        raise AssertionError(f"nobody renews {refused} of {image_id} here")


class Stage:
    """The display, and what goes into it."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.now_s = 1000.0

    def clock(self) -> float:
        """The scripted time."""
        return self.now_s

    def show(self, *events: Update, seconds: float = 0.0) -> None:
        """Sends events in, then lets time pass as the program does: with a tick now and then."""
        for event in events:
            self.progress.on_update(event)
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s = min(end_s, self.now_s + _STEP_S)
            self.progress.tick()


@dataclass(frozen=True)
class Scene:
    """What is played, and on what."""

    play: Callable[[Stage], None]
    width: int = 80
    height: int = 24
    bars: bool = True
    verbose: bool = False
    environ: Mapping[str, str] = field(default_factory=dict)


def photo(number: int, name: str | None = None) -> Photo:
    """A photo as the service lists it."""
    image_id = str(uuid.uuid5(uuid.NAMESPACE_DNS, str(number)))
    return Photo(image_id, name or f"{image_id}.jpg", ".jpg", "1234", Method.BIB, number, _Links())


def saved(number: int, size: int) -> PhotoFinished:
    """A photo that arrived."""
    return PhotoFinished(photo(number), Downloaded(Path("/photos/a.jpg"), size, "", attempts=1, seconds=1.0))


def received(number: int, done: int, total: int | None, *, new: int | None = None) -> BytesReceived:
    """Bytes of a photo."""
    return BytesReceived(photo(number), done, done if new is None else new, total)


def steady(stage: Stage, share: float, *, photos: int = 312, size: int = 12 * MB, jobs: int = 8) -> list[int]:
    """A run at 20 MB/s until a share of its bytes is there; returns the photos that are in flight then.

    Their starts are spread, as they are after a while.
    """
    stage.progress.expect(Method.BIB, 1)
    stage.show(PageReceived("1234", 1, 60, photos))
    flying = {number: size * number // jobs for number in range(jobs)}
    stage.show(*(PhotoStarted(photo(number)) for number in flying))
    chunk, following = int(20 * MB * _STEP_S / jobs), iter(range(jobs, photos))
    for _ in range(int((share * photos * size - sum(flying.values())) / (chunk * jobs))):
        for number in list(flying):
            flying[number] += chunk
            stage.show(received(number, min(size, flying[number]), size, new=chunk))
            if flying[number] >= size:
                del flying[number]
                fresh = next(following)
                flying[fresh] = 0
                stage.show(saved(number, size), PhotoStarted(photo(fresh)))
        stage.show(seconds=_STEP_S)
    return list(flying)


def usual(stage: Stage) -> None:
    """A run of 312 photos, a third of it done."""
    steady(stage, 0.37)


def screenshot(stage: Stage) -> None:
    """What the README shows: a run on its way, one of its photos about to be tried again."""
    before = steady(stage, 0.37)
    stage.show(*(saved(number, 12 * MB) for number in before))
    shares = (0.93, 0.81, 0.64, 0.66, 0.38, 0.27, 0.12)
    for number, share in enumerate(shares, start=900):
        size = (9 + number * 7 % 5) * MB + number * 317_000 % MB
        done = int(size * share)
        stage.show(PhotoStarted(photo(number)), received(number, done, size, new=done // 2))
    stage.show(PhotoStarted(photo(907)), seconds=_STEP_S)
    stage.show(RetryScheduled(photo(903), TransientError("x", code="http_502"), 1, 4.0), seconds=_STEP_S)


def large_photos(stage: Stage) -> None:
    """Eight photos that take long: none is done, and yet the run is on its way."""
    stage.progress.expect(Method.BIB, 1)
    stage.show(PageReceived("1234", 1, 40, 40), *(PhotoStarted(photo(number)) for number in range(8)))
    for step in range(1, 6):
        stage.show(*(received(number, 8 * step * MB, 50 * MB, new=8 * MB) for number in range(8)), seconds=2 * _STEP_S)


def long_run(stage: Stage) -> None:
    """Very many photos, after an hour and a half."""
    stage.progress.expect(Method.BIB, 1)
    stage.show(PageReceived("1234", 1, 60, 212_345))
    for number in range(5_400):
        stage.show(*(saved(10 * number + more, 10 * MB) for more in range(10)))
        stage.show(PhotoStarted(photo(-1)), received(-1, 5 * MB, 10 * MB, new=100 * MB), seconds=_STEP_S)
    stage.show(*(PhotoFinished(photo(number), Failed(PhotoError("x"))) for number in range(-20, -1)), seconds=_STEP_S)


def below_text(stage: Stage) -> None:
    """A screen that is nearly full, so that what is folded when it gets narrower stays on it."""
    steady(stage, 0.37, jobs=3)
    stage.show(*(WarningRaised(f"line {number}") for number in range(15)), seconds=1.0)


def beginning(stage: Stage) -> None:
    """Before the first page."""
    stage.progress.expect(Method.BIB, 1)
    stage.show(seconds=2.0)


def several_bibs(stage: Stage) -> None:
    """Nobody knows yet how many photos there are."""
    stage.progress.expect(Method.BIB, 3)
    stage.show(PageReceived("1234", 1, 60, 80), *(PhotoFound(photo(number)) for number in range(60)))
    stage.show(*(saved(number, 8 * MB) for number in range(40)), IdentifierListed("1234", 80))
    stage.show(PhotoStarted(photo(41)), received(41, 3 * MB, 8 * MB), seconds=1.0)


def crowd(stage: Stage) -> None:
    """64 photos in flight, the last two of them stuck."""
    flying = steady(stage, 0.5, jobs=62)
    late = [photo(number) for number in (900, 901)]
    stage.show(*map(PhotoStarted, late), *(BytesReceived(each, MB, MB, 12 * MB) for each in late), seconds=3.0)
    stage.show(RetryScheduled(late[1], TransientError("x", code="timeout"), 1, 30.0), seconds=1.0)
    for _ in range(4):
        stage.show(*(received(number, 9 * MB, 12 * MB, new=MB // 4) for number in flying), seconds=_STEP_S)


def names(stage: Stage) -> None:
    """Names as people give them, and as attackers do."""
    stage.progress.expect(Method.BIB, 1)
    given = [
        "IMG_0001.jpg",
        "東京マラソン_ゴール前_0042.jpg",
        "東京マラソン" * 12 + "_0043.jpg",
        "Zieleinlauf Zu\u0308rich.jpg",
        "finish 🏃‍♀️🏅.jpg",
        "סיום.jpg",
        "[red]IMG[/b] [final].jpg",
        "\x1b[2J\x1b[31mcleared.jpg",
        "two\nlines\tand a tab.jpg",
        "\u202egpj.exe",
        "",
    ]
    stage.show(PageReceived("1234", 1, len(given), len(given)))
    for number, name in enumerate(given):
        stage.show(PhotoStarted(photo(number, name)), received(number, number * MB, 12 * MB))
    stage.show(seconds=1.0)


def stalled(stage: Stage) -> None:
    """Nothing comes for one of the photos."""
    first, *others = steady(stage, 0.2)
    for _ in range(12):
        stage.show(*(received(number, 9 * MB, 12 * MB, new=MB) for number in others), seconds=_STEP_S)
    assert first not in others


def retries(stage: Stage) -> None:
    """Three photos whose tries fail, at different points, and a page that has to be asked for again."""
    first, second, third, *others = steady(stage, 0.2)
    stage.show(RetryScheduled(photo(second), TransientError("x", code="connection"), 1, 1.0), seconds=1.5)
    stage.show(received(second, 4 * MB, 12 * MB, new=MB))
    stage.show(*(received(number, 9 * MB, 12 * MB, new=MB) for number in others))
    stage.show(RetryScheduled(photo(first), TransientError("x", code="http_502"), 2, 4.0))
    stage.show(RetryScheduled(photo(third), TransientError("x", code="timeout"), 1, 0.2))
    stage.show(RetryScheduled(None, TransientError("x", code="http_520"), 1, 8.0), seconds=1.0)


def pause(stage: Stage) -> None:
    """The store answers 429: what is under way goes on, the rest waits."""
    first, second, *_ = steady(stage, 0.2)
    stage.show(HostPaused(STORE, "http_429", 20.0))
    for step in range(1, 8):
        stage.show(received(second, 6 * MB + step * MB // 4, 12 * MB, new=MB // 4), seconds=_STEP_S)
    stage.show(saved(first, 12 * MB), PhotoStarted(photo(900)), seconds=1.0)


def pause_of_the_api(stage: Stage) -> None:
    """The API answers 503: photos keep coming."""
    flying = steady(stage, 0.2)
    stage.show(HostPaused(API, "http_503", 90.0))
    stage.show(*(received(number, 9 * MB, 12 * MB, new=MB) for number in flying), seconds=1.0)


def failures(stage: Stage) -> None:
    """Some photos could not be had, one of them because the service does not have it."""
    flying = steady(stage, 0.2)
    stage.show(*(PhotoFinished(photo(number), Failed(PhotoError("x"))) for number in flying[:3]))
    stage.show(
        PhotoFinished(photo(flying[3]), Failed(MissingError("x"))),
        WarningRaised("the list has fewer photos than it said"),
    )
    stage.show(seconds=1.0)


def unknown_sizes(stage: Stage) -> None:
    """The store does not say how long its photos are."""
    stage.progress.expect(Method.BIB, 1)
    stage.show(PageReceived("1234", 1, 60, 60), *(PhotoStarted(photo(number)) for number in range(3)))
    stage.show(*(received(number, number * 700_000, None) for number in range(3)), seconds=1.0)


def verbose(stage: Stage) -> None:
    """Each request's outcome, for the support."""
    first, second, *_ = steady(stage, 0.2)
    ids = [photo(number).image_id for number in (first, second)]
    stage.show(
        RequestFinished("page 2 of bib 1234", 200, 1, 48_211, 0.412, "8e2f41c09b7d3a55-FRA"),
        RequestFinished(f"photo {ids[0]}", 206, 2, 7_340_032, 3.1, "8e2f41c09b7d3a56-FRA"),
        RequestFinished(f"photo {ids[1]}", 500, 1, 0, 0.09, "8e2f41c09b7d3a57-FRA", "HTTP 500 from storage"),
        RetryScheduled(photo(second), TransientError("HTTP 500 from storage", code="http_500"), 1, 0.8),
        RequestFinished("page 3 of bib 1234", None, 1, 0, 30.0, None, "timed out: no data for 30 s"),
        HostPaused(STORE, "http_429", 12.0),
        seconds=0.5,
    )


def few_minutes(stage: Stage) -> None:
    """What is told where nothing is drawn."""
    flying = steady(stage, 0.2)
    stage.show(HostPaused(STORE, "http_429", 20.0), WarningRaised("names may be long: 東京"))
    for _ in range(300):
        stage.show(*(received(number, 9 * MB, 12 * MB, new=MB) for number in flying), seconds=_STEP_S)


def left_at(share: float) -> Scene:
    """A steady run of 200 s: 4 GB at 20 MB/s."""
    return Scene(lambda stage: (steady(stage, share, photos=400, size=10 * MB), None)[1], height=6)


SCENES = {
    "usual": Scene(usual),
    "screenshot": Scene(screenshot, width=92),
    "narrow": Scene(usual, width=40),
    "usual_at_60": Scene(usual, width=60),
    "usual_at_100": Scene(usual, width=100),
    "usual_at_120": Scene(usual, width=120),
    "large_photos": Scene(large_photos, width=100),
    "long_run": Scene(long_run, width=100),
    "very_narrow": Scene(usual, width=24),
    "wide": Scene(usual, width=160),
    "resized": Scene(below_text, width=120),
    "beginning": Scene(beginning),
    "several_bibs": Scene(several_bibs),
    "crowd": Scene(crowd),
    "names": Scene(names),
    "names_narrow": Scene(names, width=40),
    "stalled": Scene(stalled),
    "stalled_narrow": Scene(stalled, width=40),
    "retries": Scene(retries),
    "retries_narrow": Scene(retries, width=40),
    "pause": Scene(pause),
    "pause_narrow": Scene(pause, width=40),
    "pause_very_narrow": Scene(pause, width=24),
    "pause_of_the_api": Scene(pause_of_the_api),
    "failures": Scene(failures),
    "failures_narrow": Scene(failures, width=40),
    "unknown_sizes": Scene(unknown_sizes),
    "left_at_10_percent": left_at(0.1),
    "left_at_50_percent": left_at(0.5),
    "left_at_90_percent": left_at(0.9),
    "ascii": Scene(names, environ={"PYTHONIOENCODING": "ascii"}),
    "cp1252": Scene(pause, environ={"PYTHONIOENCODING": "cp1252"}),
    "colours": Scene(pause, height=7),
    "no_color": Scene(pause, height=7, environ={"NO_COLOR": "1"}),
    "dumb": Scene(few_minutes, environ={"TERM": "dumb"}),
    "no_progress": Scene(few_minutes, bars=False),
    "verbose": Scene(verbose, width=100, verbose=True),
    "verbose_no_progress": Scene(verbose, width=160, bars=False, verbose=True),
}


def main(name: str, shown: Path | None) -> None:
    """Play a scene, then wait for keys."""
    scene = SCENES[name]
    before = termios.tcgetattr(0)
    tty.setcbreak(0, termios.TCSANOW)
    stage = Stage(Progress())
    try:
        with open_progress(
            stderr_console(),
            bars=scene.bars,
            quiet=False,
            verbose=scene.verbose,
            clocks=Clocks(stage.clock, lambda: _CALENDAR_S),
        ) as stage.progress:
            scene.play(stage)
            pictures = 1
            while _key(shown, pictures) != b"q":
                stage.show(seconds=_STEP_S)
                pictures += 1
    finally:
        termios.tcsetattr(0, termios.TCSANOW, before)


def _key(shown: Path | None, pictures: int) -> bytes:
    """A key, after the terminal has told that it has drawn everything."""
    os.write(2, _DONE_DRAWING)
    while os.read(0, 1) != b"n":
        continue
    if shown:
        shown.write_text(str(pictures))
    return os.read(0, 1)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else None)
