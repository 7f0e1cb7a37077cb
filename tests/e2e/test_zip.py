"""`--zip`: a ZIP that is whole or not there, holds the photos and nothing else, and can be read as it comes."""

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import time
import zlib
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from ninepic_cli.sandbox import Fault, Request, StoredPhoto, World
from ninepic_cli.sandbox.data import RACE_DAY
from tests.support.clock import until
from tests.support.command import Ninepic, Process, Start, completed
from tests.support.disks import Disk
from tests.support.files import names_in

OLD = b"what was there before"


def entries_of(path: Path | BytesIO) -> dict[str, bytes]:
    """The entries of a ZIP, their checksums checked, each of them there once."""
    with ZipFile(path) as archive:
        assert archive.testzip() is None
        assert len(set(archive.namelist())) == len(archive.namelist())
        return {name: archive.read(name) for name in archive.namelist()}


def streamed(data: bytes) -> dict[str, bytes]:
    """The entries of a ZIP that is read as it comes, by a reader that never looks behind or at the end."""
    found, at = {}, 0
    while data[at : at + 4] == b"PK\3\4":
        flags, method, crc, packed, size, name_length, more = struct.unpack("<6xHH4xIIIHH", data[at : at + 30])
        start = at + 30 + name_length + more
        body = data[start : start + packed]
        assert (flags & 8, method, packed, zlib.crc32(body)) == (0, 0, size, crc)
        found[data[at + 30 : at + 30 + name_length].decode()] = body
        at = start + packed
    assert data[at : at + 4] == b"PK\1\2"
    return found


def expected(world: World, bib: str, folder: str = "") -> dict[str, bytes]:
    """What a ZIP is to hold of a bib."""
    return {f"{folder}{each}.jpg": world.photo_bytes(each) for each in world.bibs[bib]}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a ZIP that an earlier run has left."""
    folder = tmp_path / "place"
    folder.mkdir()
    (folder / "a.zip").write_bytes(OLD)
    (folder / "a.zip").chmod(0o640)
    return folder


class TestOne:
    """One ZIP for a run."""

    def test_it_holds_what_could_be_had(self, ninepic: Ninepic, sandbox: Start, place: Path) -> None:
        """Several bibs' photos with names, dates and modes, a shared one twice where names differ, failed ones not."""
        world = World.generate(photos=8, size=50_000)
        bad = world.bibs["A/12"][-1]
        box = sandbox(world, faults=[Fault(path=bad, status=403)])
        result = ninepic(
            *("bib", "7", "0042", "A/12", "--folders", "--zip", place / "a.zip", "--json"),
            NINEPIC_OUTPUT=str(place / "none"),
        )

        assert result.status == 5, result.err
        wanted = expected(world, "7", "7/") | expected(world, "0042", "0042/")
        wanted |= {name: data for name, data in expected(world, "A/12", "A_12-a7b3e2527e/").items() if bad not in name}
        assert entries_of(place / "a.zip") == wanted
        with ZipFile(place / "a.zip") as archive:
            for entry in archive.infolist():
                assert entry.external_attr >> 16 == 0o100644
                assert entry.extra == struct.pack("<HHBl", 0x5455, 5, 1, int(RACE_DAY))
                assert time.mktime((*entry.date_time, 0, 0, -1)) == RACE_DAY
        assert streamed((place / "a.zip").read_bytes()) == wanted
        assert (place / "a.zip").stat().st_mode & 0o777 == 0o640
        assert names_in(place) == ["a.zip"]
        assert {(line["path"], line["filename"]) for line in result.photos("downloaded")} == {
            (str(place / "a.zip"), name) for name in wanted
        }
        assert [line["filename"] for line in result.photos("failed")] == [f"A_12-a7b3e2527e/{bad}.jpg"]
        assert f"-> {place / 'a.zip'}" in result.err
        assert len(box.requests_to("store")) == len({Path(name).name for name in wanted}) + 1

    def test_one_entry_for_what_has_one_name(self, ninepic: Ninepic, sandbox: Start, place: Path) -> None:
        """A photo that two bibs share is fetched once, and is one entry, if the template names it alike for both."""
        world = World.generate(photos=6, size=4000)
        world.bibs |= {"8": world.bibs["1234"], "9": world.bibs["1234"][::-1]}
        box = sandbox(world)
        for folder, name in (("", ()), ("x/", ("--name", "x/{filename}"))):
            before = len(box.requests_to("store"))
            result = ninepic("bib", "1234", "8", "9", "--zip", place / "a.zip", *name, "--json")
            assert result.status == 0, result.err
            assert entries_of(place / "a.zip") == expected(world, "1234", folder)
            assert (len(box.requests_to("store")) - before, len(result.photos("skipped"))) == (6, 12)
            assert {line["bytes"] for line in result.photos("skipped")} == {4000}

    def test_what_is_in_it_takes_no_room_twice(self, ninepic: Ninepic, sandbox: Start, place: Path) -> None:
        """A photo that has entered the ZIP is not kept beside it."""
        world = World.generate(photos=4, size=4000)
        beside: list[str] = []

        def look(_: Request) -> None:
            beside.extend(path.name for path in place.rglob("*.jpg"))

        sandbox(world, faults=[Fault(path=world.bibs["1234"][-1], action=look)])
        assert ninepic("bib", "1234", "-j", "1", "--zip", place / "a.zip").status == 0
        assert entries_of(place / "a.zip") == expected(world, "1234")
        assert beside == []

    def test_lines_that_cannot_be_written(self, ninepic: Ninepic, sandbox: Start, place: Path) -> None:
        """Where the disk has no room for the lines of JSON, the ZIP does not take its place either: 7."""
        sandbox(World.generate(photos=3, size=4000))
        with Path("/dev/full").open("wb") as full:
            process = ninepic.start("bib", "1234", "--zip", place / "a.zip", "--json", stdout=full)
            err = process.communicate(timeout=30)[1]
        assert (process.returncode, "cannot write to standard output" in err) == (7, True), err
        assert ((place / "a.zip").read_bytes(), names_in(place)) == (OLD, ["a.zip"])

    @pytest.mark.parametrize("target", ["{}/a.zip", "{}/{{identifier}}.zip", "-"])
    def test_nothing_found(self, ninepic: Ninepic, sandbox: Start, place: Path, target: str) -> None:
        """Where there is nothing to fetch, or it cannot be fetched, there is no ZIP, and the old one stays."""
        sandbox(World.generate(photos=1, size=4000), faults=[Fault(status=403)])
        result = ninepic("bib", "7", "none", "--zip", target.format(place))
        assert (result.status, result.out) == (5, ""), result.err
        assert ((place / "a.zip").read_bytes(), names_in(place)) == (OLD, ["a.zip"])

    def test_a_dry_run(self, ninepic: Ninepic, sandbox: Start, place: Path) -> None:
        """A dry run tells the entries' names and leaves everything alone."""
        world = World.generate(photos=6, size=4000)
        box = sandbox(world)
        result = ninepic("bib", "7", "0042", "--zip", place / "a.zip", "--dry-run")
        assert result.out.splitlines() == [*expected(world, "7"), *expected(world, "0042")]
        result = ninepic("bib", "7", "0042", "--folders", "--zip", place / "a.zip", "--dry-run")
        assert result.status == 0, result.err
        assert result.out.splitlines() == [*expected(world, "7", "7/"), *expected(world, "0042", "0042/")]
        assert ((place / "a.zip").read_bytes(), names_in(place), box.requests_to("store")) == (OLD, ["a.zip"], [])

    def test_two_runs_at_once(self, ninepic: Ninepic, sandbox: Start, place: Path) -> None:
        """Of two runs into one file, the last one's ZIP stands there, whole; neither removes the other's folder."""
        world = World.generate(photos=12, size=40_000)
        sandbox(world, store_rate=20_000)
        runs = [ninepic.start("bib", "1234", "--zip", place / "a.zip")]
        until(lambda: len(names_in(place)) == 2)
        runs.append(ninepic.start("bib", "A/12", "--zip", place / "a.zip"))
        until(lambda: len(names_in(place)) == 3)
        assert [run.communicate(timeout=60) and run.returncode for run in runs] == [0, 0]
        assert entries_of(place / "a.zip") in (expected(world, "1234"), expected(world, "A/12"))
        assert names_in(place) == ["a.zip"]

    def test_a_link_is_followed(self, ninepic: Ninepic, sandbox: Start, place: Path) -> None:
        """A link that is named leads to the file that is replaced, and stays a link."""
        world = World.generate(photos=1, size=4000)
        sandbox(world)
        link = ninepic.home / "link.zip"
        link.symlink_to(place / "a.zip")
        assert ninepic("bib", "7", "--zip", link.name).status == 0
        assert (link.is_symlink(), entries_of(place / "a.zip")) == (True, expected(world, "7"))
        assert names_in(ninepic.home) == ["link.zip"]


class TestCutShort:
    """Runs that do not come to their end."""

    def test_signals(self, ninepic: Ninepic, sandbox: Start, place: Path) -> None:
        """A signal leaves the file as it was; so does a kill, and the next run removes its leftovers."""
        world = World.generate(photos=20, size=40_000)
        box = sandbox(world, store_rate=80_000)
        left = ninepic.home / "left.txt"
        command = ["bib", "7", "1234", "none", "--zip", place / "a.zip", "--failed-to", left, "-j", 2]
        for number in (signal.SIGTERM, signal.SIGKILL):
            process = ninepic.start(*command)
            until(lambda: [path for path in place.glob(".*/1.zip") if path.stat().st_size > 80_000])
            process.send_signal(number)
            _, err = process.communicate(timeout=30)
            assert (process.returncode, (place / "a.zip").read_bytes()) == (-number, OLD)
            assert len(names_in(place)) == (1 if number == signal.SIGTERM else 2)
            if number == signal.SIGTERM:
                assert "2 bibs without a ZIP, which was not finished; run the same command again to start over" in err
                assert str(place) not in err
                assert left.read_text().split()[:2] == ["7", "1234"]
        box.stop()
        assert ninepic(*command, "--retries", 0, "--give-up-after", 0).status == 6
        assert ((place / "a.zip").read_bytes(), names_in(place)) == (OLD, ["a.zip"])

    def test_a_run_that_is_given_up_keeps_what_it_has(self, ninepic: Ninepic, sandbox: Start, place: Path) -> None:
        """A key that is refused half-way ends the run, and what was fetched until then is in the ZIP."""
        world = World.generate(photos=70, size=4000)
        sandbox(world, faults=[Fault("api", path="page=2", status=401, delay_s=1)])
        assert ninepic("bib", "1234", "--zip", place / "a.zip").status == 3
        found = entries_of(place / "a.zip")
        assert found.items() <= expected(world, "1234").items()
        assert found

    def test_a_full_disk(self, ninepic: Ninepic, sandbox: Start, disk: Disk) -> None:
        """A disk that is full, however full, ends the run with the file as it was and nothing else left."""
        target = disk.root / "a.zip"
        target.write_bytes(OLD)
        sandbox(World.generate(photos=20, size=3_000_000))
        result = ninepic("bib", "1234", "--zip", target)
        assert (result.status, target.read_bytes(), names_in(disk.root)) == (7, OLD, ["a.zip"]), result.err
        assert "disk full" in result.err
        assert "not downloaded again" not in result.err
        # Room for the photo and not for the ZIP as well.
        sandbox(World(photos={"a": StoredPhoto("a", 14_000_000)}, bibs={"7": ["a"]}))
        result = ninepic("bib", "7", "--zip", target)
        assert (result.status, target.read_bytes(), names_in(disk.root)) == (7, OLD, ["a.zip"]), result.err
        assert "disk full" in result.err


class TestEach:
    """A ZIP for each bib or search."""

    def test_each_is_there_as_soon_as_it_is_through(self, ninepic: Ninepic, sandbox: Start, place: Path) -> None:
        """A bib's line comes when its ZIP is in place; a signal costs only those that are not, and they are listed."""
        world = World.generate(photos=20, size=40_000)
        sandbox(world, faults=[Fault(path=each, stall_after=0.5) for each in world.bibs["12 B"][-1:]])
        left, again = ninepic.home / "left.txt", {}
        (place / "0042.zip").write_bytes(OLD)
        process = ninepic.start(
            *("bib", "7", "0042", "none", "12 B", "--zip", f"{place}/{{identifier}}.zip", "--json", "--failed-to", left)
        )
        assert process.stdout
        for text in process.stdout:
            line = json.loads(text)
            if line["type"] == "identifier" and line["status"] == "done":
                again[line["identifier"]] = entries_of(place / f"{line['identifier']}.zip")
            if len(again) == 2:
                break
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert again == {bib: expected(world, bib) for bib in ("7", "0042")}
        assert names_in(place) == ["0042.zip", "7.zip", "a.zip"]
        assert left.read_text() == "12 B\n"

    def test_many(self, ninepic: Ninepic, sandbox: Start, place: Path) -> None:
        """More ZIPs than files may be open are made in one run, in folders that their names make."""
        world = World.generate(photos=3, size=4000)
        bibs = {str(1000 + number): [each] for number in range(70) for each in list(world.photos)[number % 3 :][:1]}
        world.bibs |= bibs
        sandbox(world)
        ninepic.command = ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", *ninepic.command]
        result = ninepic("bib", *bibs, "--zip", f"{place}/{{event}}/{{method}}/{{identifier}}.zip", "-q")
        assert (result.status, result.err) == (0, "")
        for bib in bibs:
            assert entries_of(place / "456" / "bib" / f"{bib}.zip") == expected(world, bib)
        assert names_in(place) == ["456", "a.zip"]


class TestShared:
    """A photo of several runners crosses the wire once, however many ZIPs or names it goes to."""

    @pytest.fixture
    def world(self) -> World:
        """Twelve runners who are on the same photos, and one of their own each."""
        world = World.generate(photos=16, size=50_000)
        ids = list(world.photos)
        world.bibs = {str(bib): [*ids[:4], ids[4 + bib]] for bib in range(12)}
        return world

    def test_a_zip_for_each(self, ninepic: Ninepic, sandbox: Start, place: Path, world: World) -> None:
        """Each ZIP is whole, with the dates of the photos; what is in the earlier ones is not fetched again."""
        box = sandbox(world)
        result = ninepic("bib", *world.bibs, "--zip", f"{place}/{{identifier}}.zip", "--json", "--jobs", 16)
        assert result.status == 0, result.err
        for bib in world.bibs:
            assert entries_of(place / f"{bib}.zip") == expected(world, bib)
            with ZipFile(place / f"{bib}.zip") as archive:
                assert {entry.extra[-4:] for entry in archive.infolist()} == {struct.pack("<l", int(RACE_DAY))}
        assert len(box.requests_to("store")) == 16
        told = result.photos("downloaded")
        assert (len(told), sum(line["attempts"] for line in told)) == (60, 16)
        assert {line["md5"] for line in told} == {world.md5(photo) for photo in world.photos.values()}
        assert names_in(place) == sorted(["a.zip", *(f"{bib}.zip" for bib in world.bibs)])

    @pytest.mark.slow
    @pytest.mark.parametrize("target", ["a.zip", "-", "fifo"])
    def test_one_zip_with_folders(
        self, ninepic: Ninepic, sandbox: Start, place: Path, world: World, target: str
    ) -> None:
        """One ZIP has the photo in each runner's folder, as a file, on standard output and through a FIFO."""
        box = sandbox(world)
        os.mkfifo(place / "fifo")
        own = place.parent / "tmp"
        own.mkdir()
        ninepic.use({"TMPDIR": str(own)})
        reader = Process(["cat", place / "fifo"], stdout=subprocess.PIPE) if target == "fifo" else None
        process = ninepic.start(
            *("bib", *world.bibs, "--folders", "--zip", target if target == "-" else place / target), text=False
        )
        data = (reader or process).communicate(timeout=30)[0]
        process.communicate(timeout=30)
        assert process.returncode == 0
        found = entries_of(place / "a.zip" if target == "a.zip" else BytesIO(data))
        wanted: dict[str, bytes] = {}
        for bib in world.bibs:
            wanted |= expected(world, bib, f"{bib}/")
        assert found == wanted
        assert (len(box.requests_to("store")), names_in(own)) == (16, [])

    @pytest.mark.parametrize("spoilt", ["gone", "cut", "edited"])
    def test_a_zip_that_is_not_what_it_was(
        self, ninepic: Ninepic, sandbox: Start, place: Path, world: World, spoilt: str
    ) -> None:
        """Where the first ZIP is moved or changed while the run goes on, its photos are fetched again, once."""
        first = place / "0.zip"

        def meddle(_: Request) -> None:
            until(first.exists)
            data = first.read_bytes()
            first.unlink()
            if spoilt != "gone":
                first.write_bytes(data[:1000] if spoilt == "cut" else data.replace(data[1000:1100], bytes(100)))

        box = sandbox(world, faults=[Fault("api", nth=2, action=meddle)])
        result = ninepic("bib", "0", "1", "2", "--zip", f"{place}/{{identifier}}.zip", "--jobs", 1)
        assert result.status == (5 if spoilt == "gone" else 0), result.err  # what somebody has removed is told
        for bib in "12":
            assert entries_of(place / f"{bib}.zip") == expected(world, bib)
        assert len(box.requests_to("store")) == (8 if spoilt == "edited" else 11)


class TestStream:
    """A ZIP that goes into a pipe."""

    def test_it_can_be_read_as_it_comes(self, ninepic: Ninepic, sandbox: Start, place: Path) -> None:
        """Standard output has the ZIP and nothing else, and a FIFO too; each entry says beforehand how long it is."""
        world = World.generate(photos=8, size=50_000)
        sandbox(world)
        os.mkfifo(place / "fifo")
        for target in ("-", "/dev/stdout", place / "fifo"):
            reader = Process(["cat", place / "fifo"], stdout=subprocess.PIPE)
            process = ninepic.start("bib", "1234", "--zip", target, text=False)
            data = (reader if target == place / "fifo" else process).communicate(timeout=30)[0]
            process.communicate(timeout=30)
            reader.kill()
            reader.communicate()
            assert process.returncode == 0
            assert entries_of(BytesIO(data)) == streamed(data) == expected(world, "1234")
        assert names_in(place) == ["a.zip", "fifo"]

    def test_a_fifo_that_gets_nothing(self, ninepic: Ninepic, sandbox: Start, place: Path) -> None:
        """Who waits at a FIFO is let go when nothing comes."""
        sandbox(World.generate(photos=1))
        os.mkfifo(place / "fifo")
        with Process(["cat", place / "fifo"], stdout=subprocess.PIPE) as reader:
            try:
                assert ninepic("bib", "none", "--zip", place / "fifo").status == 4
                assert reader.communicate(timeout=10)[0] == b""
            finally:
                reader.kill()

    def test_a_reader_that_goes_away(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """The run ends soon after its reader has gone, and tells what has to be asked for again; nothing is left."""
        world = World.generate(photos=40, size=100_000)
        box = sandbox(world, store_rate=400_000)
        left, own = ninepic.home / "left.txt", tmp_path / "tmp"
        own.mkdir()
        ninepic.use({"TMPDIR": str(own)})
        process = ninepic.start("bib", "7", "1234", "--zip", "-", "--failed-to", left, text=False)
        assert process.stdout
        process.stdout.read(1000)
        process.stdout.close()
        assert process.wait(timeout=30) == 5
        assert process.stderr
        err = process.stderr.read()
        assert b"the reader of the ZIP closed the pipe" in err
        assert b"Traceback" not in err
        process.stderr.close()
        assert len(box.requests_to("store")) < 30
        assert (left.read_text(), names_in(own)) == ("7\n1234\n", [])

    def test_done_is_said_when_the_zip_is_there(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """A bib is told once, and not as done where its ZIP could not take its place."""
        place = tmp_path / "zips"
        place.mkdir()

        def block(request: Request) -> None:
            if request.server == "store":
                (place / "7").touch()

        sandbox(World.generate(photos=13, size=20_000), on_request_end=block)
        result = ninepic("bib", "0042", "7", "--zip", f"{place}/{{identifier}}/x.zip", "--json", "--jobs", "1")
        lines = {line["identifier"]: line["status"] for line in result.json if line["type"] == "identifier"}
        assert (result.status, lines) == (7, {"0042": "done", "7": "failed"})
        assert sum(line["type"] == "identifier" for line in result.json) == 2
        assert "1 bib without a ZIP, which was not finished" in result.err
        assert result.err.count("not finished") == 1  # it is counted once
        again = ninepic("bib", "7", "--zip", f"{place}/{{identifier}}/x.zip", "--json")
        assert (again.status, "7 is not a directory" in again.err) == (2, True)

    def test_one_zip_for_all_is_done_at_the_end(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """No bib is told as done while the ZIP that it is in may still be lost."""
        sandbox(World.generate(photos=13, size=100_000), store_rate=200_000)
        process = ninepic.start("bib", "7", "1234", "--zip", tmp_path / "a.zip", "--json", "--jobs", "1")
        assert process.stdout
        first = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        lines = [first, *map(json.loads, process.communicate(timeout=30)[0].splitlines())]
        told = {line["identifier"]: line["status"] for line in lines if line["type"] == "identifier"}
        assert (process.returncode, told) == (-signal.SIGTERM, {"7": "failed", "1234": "failed"})

    @pytest.mark.parametrize("when", ["fail", "set"], ids=["before", "after"])
    def test_a_signal_comes_before_the_reader_s_end(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, when: str
    ) -> None:
        """Ctrl-C ends both ends of a pipe; the run dies by it all the same, whichever it sees first."""
        sandbox(World.generate(photos=10, size=100_000))
        own = tmp_path / "tmp"
        own.mkdir()
        ninepic.use({"TMPDIR": str(own)})
        code = f"""
import os, signal
from ninepic_cli.system.shutdown import CancelToken
def interrupted(*args, before=CancelToken.{when}):
    os.kill(os.getpid(), signal.SIGINT)
    return before(*args)
CancelToken.{when} = interrupted
"""  # when the reader's end is about to be told, or has been taken for the end of the run
        process = ninepic.after(code).start("bib", "1234", "--zip", "-", text=False)
        assert process.stdout
        process.stdout.close()
        err = process.communicate(timeout=30)[1]
        assert (process.returncode, b"interrupted: " in err) == (-signal.SIGINT, True), err

    def test_a_signal_while_nobody_reads(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """A FIFO that nobody opens keeps a run neither from fetching, nor from its end and telling what is left."""
        late = Fault("api", nth=2, delay_s=1)
        box = sandbox(World.generate(photos=3, size=20_000), faults=[late])
        fifo, left = tmp_path / "fifo", tmp_path / "left.txt"
        os.mkfifo(fifo)
        process = ninepic.start("bib", "7", "1234", "--zip", fifo, "--failed-to", left)
        until(lambda: len(box.requests_to("store")) == 3)
        process.send_signal(signal.SIGTERM)
        err = process.communicate(timeout=30)[1]
        assert (process.returncode, left.read_text()) == (-signal.SIGTERM, "7\n1234\n")
        assert "terminated by SIGTERM" in err

    def test_a_terminal(self, ninepic: Ninepic, sandbox: Start) -> None:
        """A terminal is not sent a ZIP."""
        box = sandbox(World.generate(photos=1))
        master, slave = pty.openpty()
        process = ninepic.start("bib", "7", "--zip", "-", stdout=slave)
        assert "refusing to write a ZIP archive to" in process.communicate(timeout=30)[1]
        os.close(master)
        os.close(slave)
        assert (process.returncode, box.requests) == (2, [])


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--zip", "-", "--json"], "--json cannot be combined with --zip -"),
        (["--zip", "x.zip", "--existing", "skip"], "--existing cannot be combined with --zip"),
        (["--zip", "x.zip", "-o", "."], "omit --output for a ZIP, or --zip for a directory"),
        (["--zip", "7.zip/none/x.zip"], "7.zip is not a directory"),
        (["--zip", "7.zip/{identifier}/x.zip"], "7.zip is not a directory"),
        (["--zip", "nowhere/{identifier}.zip"], "nowhere is not a directory"),
        (["--zip", "new/"], "it is a directory"),
        (["--zip", "locked/new/x.zip"], "locked is not writable"),
        (["--zip", "{identifier}.d"], "7.d is a directory"),
        (["--zip", "locked/x.zip"], "locked is not writable"),
    ],
)
def test_what_cannot_be(ninepic: Ninepic, sandbox: Start, args: list[str], words: str) -> None:
    """A ZIP that cannot be written is a clear error before the first request."""
    box = sandbox(World.generate(photos=1))
    (ninepic.home / "7.zip").write_bytes(OLD)
    (ninepic.home / "7.d").mkdir()
    (ninepic.home / "locked").mkdir()
    (ninepic.home / "nowhere").symlink_to("gone")
    is_locked = args[1].startswith("locked/")
    if is_locked and completed(["chattr", "+i", ninepic.home / "locked"]).status:
        pytest.skip("no folder can be locked here")
    try:
        result = ninepic("bib", "7", *args)
    finally:
        completed(["chattr", "-i", ninepic.home / "locked"])
    assert (result.status, result.out, box.requests) == (7 if is_locked else 2, "", []), result.err
    assert words in result.err
    assert len(result.err.splitlines()) <= 3


@pytest.mark.parametrize("name", ["new/deep/a.zip", "new/{identifier}.zip", "new/{identifier}/a.zip"])
def test_a_missing_folder_is_made(ninepic: Ninepic, sandbox: Start, name: str) -> None:
    """The folder of a ZIP comes with it: not before, not in a dry run, and not where nothing was found."""
    world = World.generate(photos=2, size=4000)
    sandbox(world, faults=[Fault("store", action=lambda _: seen.extend(names_in(ninepic.home)))])
    seen: list[str] = []
    assert ninepic("bib", "none", "--zip", name).status == 4
    assert ninepic("bib", "1234", "--zip", name, "--dry-run").status == 0
    assert names_in(ninepic.home) == []
    result = ninepic("bib", "1234", "--zip", name)
    assert (result.status, "new" in seen, names_in(ninepic.home)) == (0, False, ["new"]), result.err
    assert entries_of(ninepic.home / name.format(identifier="1234")) == expected(world, "1234")


def test_leftovers(ninepic: Ninepic, sandbox: Start, place: Path) -> None:
    """A folder that a living run holds stays, and so does what only has the name of one."""
    sandbox(World.generate(photos=1, size=4000))
    held, other = place / ".ninepic-zip-held", place / ".ninepic-zip-link"
    held.mkdir()
    other.symlink_to(ninepic.home)
    (place / ".ninepic-zip-file").touch()
    (place / ".ninepic-zip-dead").mkdir()
    descriptor = os.open(held, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    assert ninepic("bib", "7", "--zip", place / "a.zip").status == 0
    os.close(descriptor)
    assert names_in(place) == [".ninepic-zip-file", ".ninepic-zip-held", ".ninepic-zip-link", "a.zip"]
    assert ninepic.home.is_dir()
