"""A run from outside: how signals end it, what a terminal shows, and what is left for the next run."""

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli.sandbox import Fault, StoredPhoto, World
from tests.support.clock import until
from tests.support.command import Ninepic, Process, Start
from tests.support.files import files_in, partials_in, photos_in, whole
from tests.support.terminals import Terminal

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
HARMLESS_CODES = re.compile(r"\x1b\[(?:\?25[lh]|\d*(?:;\d+)*m|\d*[ABCDGJK])")
SOON_S = 5  # "within a second", on a machine that has other things to do


def lines(path: Path) -> list[str]:
    """The lines of a text file."""
    return path.read_text().splitlines()


class TestSignals:
    """The first signal ends the run in good order, the second one at once."""

    @pytest.mark.parametrize(
        ("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
    )
    def test_it_ends_soon_and_the_next_run_goes_on(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, number: signal.Signals, exit_code: int
    ) -> None:
        """With 200 photos queued a signal ends the run in a second, and the next run fetches only the rest."""
        world = World.generate(photos=200, size=120_000)
        box = sandbox(world, store_rate=480_000)  # a quarter of a second for each: many could follow the signal
        out, wanted, left = tmp_path / "out", tmp_path / "ids.txt", tmp_path / "left.txt"
        wanted.write_text("\n".join(world.photos))
        command = ["images", "--from-file", wanted, "-o", out, "--json", "--failed-to", left]

        process = ninepic.start(*command)
        until(lambda: len(photos_in(out)) >= 12 and is_amid_photos(out))
        process.send_signal(number)
        at = time.monotonic()
        result = process.result()

        assert time.monotonic() - at < SOON_S
        assert result.status == -number
        said = "interrupted: " if number is signal.SIGINT else f"terminated by {number.name}: "
        assert said in result.err
        assert "; run the same command again to resume" in result.err
        assert "Traceback" not in result.err
        last = result.json[-1]
        assert (last["type"], last["exit_code"]) == ("summary", exit_code)
        assert sum(request.started > at for request in box.requests) <= 9
        done = whole(world, out)
        assert last["downloaded"] == len(done) < 190
        assert lines(left) == [each for each in world.photos if each not in done]
        kept = partials_in(out)
        assert kept

        box.faults = [Fault(trickle_bps=1e9)]
        del box.requests[:]
        assert ninepic(*command).status == 0
        assert whole(world, out) == set(world.photos)
        store = box.requests_to("store")
        assert len(store) == len(world.photos) - len(done)
        ranges = [request.headers["range"] for request in store if "range" in request.headers]
        assert sorted(ranges) == sorted(f"bytes={size}-" for size in kept.values())
        assert sum(request.bytes_sent for request in store) == len(store) * 120_000 - sum(kept.values())
        assert (lines(left), (out / ".ninepic").exists()) == ([], False)

    @pytest.mark.parametrize(
        "fault",
        [
            Fault("api", silent=True),
            Fault("api", status=503, headers={"Retry-After": "60"}),
            Fault("api", status=500, nth=range(2, 99)),
            Fault("store", silent=True),
            Fault("store", stall_after=0.5),
            Fault("store", status=429, headers={"Retry-After": "60"}),
            Fault("store", reset=True),
        ],
        ids=[
            "api silent",
            "api pause",
            "api back-off",
            "store silent",
            "store stalled",
            "store pause",
            "store back-off",
        ],
    )
    def test_it_ends_soon_whatever_it_waits_for(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, fault: Fault
    ) -> None:
        """A run that waits for an answer, in a pause or in a back-off ends as soon as any other."""
        box = sandbox(World.generate(photos=90, size=50_000), faults=[fault])
        process = ninepic.start("bib", "1234", "-o", tmp_path / "out")
        until(lambda: box.requests_to(fault.server))
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        at = time.monotonic()
        result = process.result()
        assert (result.status, "terminated by SIGTERM" in result.err) == (-15, True), result.err
        assert "Traceback" not in result.err
        assert time.monotonic() - at < SOON_S

    @pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
    def test_a_second_signal_ends_it_at_once(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, second: signal.Signals
    ) -> None:
        """A second signal does not wait for anything, not even for the summary."""
        box = sandbox(faults=[Fault(silent=True)])
        process = ninepic.start("bib", "1234", "-o", tmp_path / "out")
        until(lambda: box.requests_to("store"))
        process.send_signal(signal.SIGINT)
        time.sleep(0.15)
        process.send_signal(second)
        result = process.result()
        assert (result.status, result.err) == (-second, "")
        assert not any(files_in(tmp_path / "out").values())

    @pytest.mark.parametrize("name", ["INT", "HUP", "TERM"])
    def test_one_that_was_ignored_at_the_start_stays_ignored(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, name: str
    ) -> None:
        """Under nohup, or in the background of a script, the signal means nothing and the run ends well."""
        world = World.generate(photos=8, size=30_000)
        sandbox(world, store_rate=30_000)
        process = ninepic.under(f'trap "" {name}').start("bib", "1234", "-o", tmp_path / "out")
        until(lambda: partials_in(tmp_path / "out"))
        process.send_signal(getattr(signal, f"SIG{name}"))
        result = process.result()
        assert (result.status, "8 downloaded" in result.err) == (0, True), result.err
        assert whole(world, tmp_path / "out") == set(world.photos)

    def test_a_kill_leaves_nothing_short(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """Killed without warning at any moment, a run leaves whole photos only, and the next one finishes."""
        world = World.generate(photos=24, size=80_000)
        box = sandbox(world, store_rate=300_000)
        for more in (1, 5, 9):
            process = ninepic.start("bib", "1234", "-o", tmp_path / "out", "-j", "4")
            until(lambda more=more: len(photos_in(tmp_path / "out")) >= more)  # type: ignore[misc]
            until(lambda process=process: stands_in_a_photo(process, tmp_path / "out"))  # type: ignore[misc]
            process.kill()
            process.result()
            whole(world, tmp_path / "out")
        assert ninepic("bib", "1234", "-o", tmp_path / "out").status == 0
        assert whole(world, tmp_path / "out") == set(world.photos)
        assert sum("range" in request.headers for request in box.requests_to("store")) >= 1


def is_amid_photos(folder: Path) -> bool:
    """Whether some photos are begun and far from their end."""
    return sum(size < 60_000 for size in partials_in(folder).values()) >= 4


def stands_in_a_photo(process: Process, folder: Path) -> bool:
    """Stop a run; let it go on where it has no part of a photo on disk."""
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    if any(path.stat().st_size for path in folder.glob(".ninepic/*.part")):
        return True
    process.send_signal(signal.SIGCONT)
    return False


@contextmanager
def terminal(ninepic: Ninepic) -> Iterator[Terminal]:
    """A terminal of which the command knows the type."""
    ninepic.use({"TERM": "xterm-256color", "LANG": "C.UTF-8"})
    shown = Terminal()
    try:
        yield shown
    finally:
        shown.close()


class TestTerminal:
    """What a terminal shows, and how it is left."""

    @pytest.mark.parametrize("signals", [[], [signal.SIGINT], [signal.SIGTERM], [signal.SIGINT, signal.SIGTERM]])
    def test_the_cursor_comes_back(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, signals: list[signal.Signals]
    ) -> None:
        """Whether the run comes to its end, is ended or is ended at once, the cursor is there afterwards."""
        box = sandbox(World.generate(photos=8, size=30_000), store_rate=60_000)
        if signals:
            box.faults = [Fault(silent=True)]
        with terminal(ninepic) as shown:
            process = ninepic.start("bib", "1234", "-o", tmp_path / "out", stderr=shown.slave)
            until(lambda: HIDE in shown.written and box.requests_to("store"))
            for number in signals:
                process.send_signal(number)
                time.sleep(0.15)
            assert process.result().status == -(signals[-1] if signals else 0)
        assert "Traceback" not in shown.written
        assert shown.written.rfind(SHOW) > shown.written.rfind(HIDE)
        assert HARMLESS_CODES.sub("", shown.written).count("\x1b") == 0

    def test_names_are_text_and_not_markup(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """Names with brackets and escape sequences appear in the bars as they are, and do nothing."""
        names = [
            "IMG [final].jpg",
            "[red]x.jpg",
            "IMG[/b].jpg",
            "\x1b[2J\x1b]0;evil\x07.jpg",
            "\x9b2J.jpg",
            "\u202ex.jpg",
        ]
        photos = {f"id-{number}": StoredPhoto(f"id-{number}", 30_000, name) for number, name in enumerate(names)}
        sandbox(World(photos=photos, bibs={"7": list(photos)}), store_rate=30_000)
        with terminal(ninepic) as shown:
            process = ninepic.start("bib", "7", "-o", tmp_path / "out", stderr=shown.slave)
            assert process.result().status == 0, shown.written
        for name in names[:3]:
            assert name in shown.written
        text = HARMLESS_CODES.sub("", shown.written)
        assert [char for char in ("\x1b", "\x07", "\x9b", "\u202e") if char in text] == []
        assert len(list((tmp_path / "out").iterdir())) == len(names)


class TestFailedTo:
    """The identifiers that have to be asked for again."""

    def test_photos_that_failed_are_in_it(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """Failed ids stand there in the order asked; fetched ones, and what the service does not have, do not."""
        world = World.generate(photos=8, size=4000)
        ids = list(world.photos)
        world.photos[ids[2]].has_object = False
        world.photos[ids[3]].has_original = False
        left = tmp_path / "left.txt"
        left.write_text("what was there\n")
        box = sandbox(world, faults=[Fault(path=ids[each], status=403) for each in (6, 1)])
        asked = [*ids, "never-heard-of"]
        result = ninepic("images", *asked, "-o", tmp_path / "out", "--failed-to", left, "--json")
        assert result.status == 5, result.err
        assert left.read_text() == f"{ids[1]}\n{ids[6]}\n"
        assert {photo["image_id"] for photo in result.photos("missing")} == {ids[2], ids[3], "never-heard-of"}

        # The file is the input of the run that writes it, until there is nothing left.
        again = ["images", "--from-file", left, "-o", tmp_path / "out", "--failed-to", left]
        box.faults = [Fault(path=ids[6], status=403)]
        assert (ninepic(*again).status, left.read_text()) == (5, f"{ids[6]}\n")
        box.faults = []
        assert (ninepic(*again).status, left.read_text()) == (0, "")
        result = ninepic(*again)
        assert (result.status, "nothing to do" in result.err, left.read_text()) == (0, True, "")

    def test_bibs_that_are_not_whole_are_in_it(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """A bib with a failed photo, and one whose listing failed, stand there; done and unknown ones do not."""
        world = World.generate(photos=14, size=4000)
        spoilt = world.bibs["12 B"][-1]
        left = tmp_path / "left.txt"
        sandbox(world, faults=[Fault(path=spoilt, status=403), Fault("api", nth=1, status=500)])
        result = ninepic(
            *("bib", "0042", "no-such-bib", "7", "12 B", "A/12", "-o", tmp_path / "out"),
            *("--retries", "0", "--failed-to", left, "--json"),
        )
        assert result.status == 5, result.err
        assert lines(left) == ["0042", "12 B"]
        ends = {line["identifier"]: line["status"] for line in result.json if line["type"] == "identifier"}
        assert ends == {"0042": "failed", "no-such-bib": "missing", "7": "done", "12 B": "failed", "A/12": "done"}

    def test_bibs_that_were_not_reached_are_in_it(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """After a signal the bib under way and those behind it stand there."""
        world = World.generate(photos=14, size=4000)
        left = tmp_path / "left.txt"
        box = sandbox(world, faults=[Fault(path=world.bibs["0042"][0], silent=True), Fault("api", nth=3, silent=True)])
        process = ninepic.start(
            *("bib", "7", "0042", "12 B", "A/12", "-o", tmp_path / "out", "--failed-to", left, "--json")
        )
        until(lambda: len(box.requests_to("api")) == 3 and len(list((tmp_path / "out").glob("*.jpg"))) == 3)
        process.send_signal(signal.SIGINT)
        result = process.result()
        assert result.status == -2
        assert lines(left) == ["0042", "12 B", "A/12"], result.err
        records: list[dict[str, Any]] = result.json
        ends = {line["identifier"]: line["status"] for line in records if line["type"] == "identifier"}
        assert ends == {"7": "done", "0042": "failed", "12 B": "failed", "A/12": "failed"}

    def test_it_is_written_whatever_the_exit_status(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """Without a key, and with one that is refused, everything asked for stands there, also in a new file."""
        sandbox()
        left = tmp_path / "left.txt"
        for key in ("", "9pk_wrong_wrong_wrong"):
            result = ninepic("bib", "7", "8", "--failed-to", left, NINEPIC_API_KEY=key)
            assert (result.status, lines(left)) == (3, ["7", "8"]), result.err
            left.unlink()

    def test_a_usage_error_leaves_it_alone(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """A call that has to be corrected does not cost the list that it was to be started with."""
        box = sandbox()
        left = tmp_path / "left.txt"
        left.write_text("# mine\n7\n8\n")
        (tmp_path / "file").write_text("in the way")
        common = ("bib", "--from-file", left, "--failed-to", left)
        for wrong in (
            ("--existing", "perhaps"),
            ("--event", "x"),
            ("--jobs", "0"),
            ("--no-such-option",),
            ("-o", tmp_path / "file"),
        ):
            result = ninepic(*common, *wrong)
            assert (result.status, left.read_text()) == (2, "# mine\n7\n8\n"), result.err
        result = ninepic(*common, NINEPIC_EVENT_ID="")
        assert (result.status, left.read_text()) == (2, "# mine\n7\n8\n"), result.err
        assert box.requests == []

    def test_a_place_that_cannot_be_written_costs_no_request(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path
    ) -> None:
        """A folder, or a file in a folder that is not there, is refused before anything is asked."""
        box = sandbox()
        for place in (tmp_path, tmp_path / "no" / "file"):
            result = ninepic("bib", "7", "--failed-to", place)
            assert (result.status, "--failed-to" in result.err) == (2, True)
        assert box.requests == []


def test_photos_that_are_there_cost_no_request_to_the_store(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """With 500 photos present a run asks for the nine pages of the listing, and is quick."""
    world = World.generate(photos=500, size=3000)
    for each in world.photos:
        (tmp_path / f"{each}.jpg").write_bytes(world.photo_bytes(each))
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.jpg")}
    box = sandbox(world)
    began = time.monotonic()
    result = ninepic("bib", "1234", "-o", tmp_path)
    assert time.monotonic() - began < 10
    assert (result.status, len(box.requests_to("api")), box.requests_to("store")) == (0, 9, [])
    assert "nothing new, 500 already there" in result.err
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.jpg")} == before
    assert not (tmp_path / ".ninepic").exists()
