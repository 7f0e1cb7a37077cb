"""Disks that are full, read-only, gone or peculiar: what is on them stays good, and the command says what to do."""

import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from ninepic_cli.sandbox import Fault, StoredPhoto, World
from tests.support.clock import until
from tests.support.command import NOBODY, Ninepic, Result, Start, completed, output_of
from tests.support.disks import Disk, mounted
from tests.support.files import partials_in, photos_in, whole

# The command, in a process where some calls to the system fail: errno.<NAME> for each of the functions named.
REFUSING = """
import errno, os, sys
number, *names = sys.argv.pop(1).split()
def refuse(*_, **__):
    raise OSError(getattr(errno, number), os.strerror(getattr(errno, number)))
for name in names:
    setattr(os, name, refuse)
from ninepic_cli.__main__ import run
run()
"""


@pytest.fixture
def folding_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that ignores case."""
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("mkfs.ext4"):
        pytest.skip("a folder that ignores case needs root, Linux and mkfs.ext4")
    image, root = tmp_path / "image", tmp_path / "folding"
    with image.open("wb") as file:
        file.truncate(16 << 20)
    if completed(["mkfs.ext4", "-q", "-O", "casefold", "-E", "encoding=utf8", image]).status:
        pytest.skip("this mkfs.ext4 makes no folders that ignore case")
    with mounted(root, "-o", "loop", image):
        folder = root / "folder"
        folder.mkdir()
        output_of(["chattr", "+F", folder])
        yield folder


def refusing(ninepic: Ninepic, what: str, *args: object) -> Result:
    """Run the command where the system refuses some calls: the name of an error, and of functions of `os`."""
    return ninepic.by(sys.executable, "-c", REFUSING, what)(*args)


class TestFull:
    """A disk that has no room."""

    @pytest.mark.parametrize("jobs", [1, 8])
    def test_it_stops_at_once_and_goes_on_when_there_is_room(
        self, ninepic: Ninepic, sandbox: Start, disk: Disk, jobs: int
    ) -> None:
        """A full disk ends the run with how much is free and how much is needed; the next one fetches only the rest."""
        world = World.generate(photos=20, size=5_000_000)
        box = sandbox(world)
        command = ("bib", "1234", "-o", disk.root, "-j", jobs)

        result = ninepic(*command)
        done = whole(world, disk.root)
        assert result.status == 7, result.err
        assert re.search(r"disk full: [\d,]+ more bytes needed, [\d,]+ free", result.err)
        assert str(disk.root) in result.err
        assert "free some space, then run the same command again" in result.err
        assert len(result.err.splitlines()) <= 3
        assert (len(done) == 4) if jobs == 1 else (len(done) <= 4)
        assert len(box.requests_to("store")) <= len(done) + jobs
        kept = sum(partials_in(disk.root).values())
        assert kept

        disk.remount("size=120m")
        del box.requests[:]
        result = ninepic(*command)
        assert result.status == 0, result.err
        assert whole(world, disk.root) == set(world.photos)
        assert len(box.requests_to("store")) == 20 - len(done)
        assert sum(request.bytes_sent for request in box.requests_to("store")) == (20 - len(done)) * 5_000_000 - kept
        assert not (disk.root / ".ninepic").exists()

    @pytest.mark.parametrize("fault", [Fault("api", status=500), Fault("api", status=401)], ids=["one bib", "the run"])
    def test_no_room_for_what_is_left_to_do(self, ninepic: Ninepic, sandbox: Start, disk: Disk, fault: Fault) -> None:
        """A list for --failed-to that finds no room is not written: that is told, and the old one stays as it was."""
        sandbox(World.generate(photos=1, size=4000), faults=[fault])
        left = disk.root / "left.txt"
        left.write_text("8\n")
        disk.fill()
        result = ninepic("bib", "7", "9", "-o", ninepic.home, "--failed-to", left, "--retries", 0)
        assert (result.status, left.read_text()) == (7, "8\n"), result.err
        assert "left.txt: no space left on device" in result.err
        assert sorted(path.name for path in disk.root.iterdir()) == ["filler", "left.txt"]

    def test_no_room_for_settings(self, ninepic: Ninepic, disk: Disk) -> None:
        """Settings that find no room are not written: the file stays as it was."""
        config = disk.root / "config.toml"
        config.write_text("org_id = 1\n")
        config.chmod(0o600)
        disk.fill()
        result = ninepic("config", "set", "org-id", "2", "--config", config)
        assert f"cannot write settings file {config}: " in result.err
        assert "o space left on device" in result.err
        assert (result.status, config.read_text()) == (7, "org_id = 1\n"), result.err
        assert sorted(path.name for path in disk.root.iterdir()) == ["config.toml", "filler"]

    def test_no_room_for_another_file(self, ninepic: Ninepic, sandbox: Start, disk: Disk) -> None:
        """A file system that has bytes left and no files is told as full."""
        sandbox(World.generate(photos=3, size=4000))
        disk.remount("nr_inodes=1")
        result = ninepic("bib", "1234", "-o", disk.root)
        assert (result.status, "full" in result.err) == (7, True), result.err
        assert list(disk.root.iterdir()) == []

    def test_a_limit_on_the_size_of_files(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """A photo beyond the limit that the system sets on files ends the run, with the reason and the file."""
        world = World.generate(photos=3, size=1_000_000)
        sandbox(world)
        # In blocks of 512 or of 1024 bytes, as the shell likes.
        result = ninepic.under("ulimit -f 400")("bib", "1234", "-o", tmp_path / "out")
        assert result.status == 7
        assert re.search(rf"cannot write {re.escape(str(tmp_path))}/out/\S+: file too large", result.err), result.err
        assert "Traceback" not in result.err
        assert photos_in(tmp_path / "out") == {}


class TestReadOnly:
    """A disk that may not be written."""

    @pytest.mark.parametrize("below", ["", "new/folder"])
    def test_it_is_refused_before_the_first_request(
        self, ninepic: Ninepic, sandbox: Start, disk: Disk, below: str
    ) -> None:
        """A read-only disk is told, with what to do, before anything is asked of the service."""
        box = sandbox(World.generate(photos=3, size=4000))
        disk.remount("ro")
        result = ninepic("bib", "1234", "-o", disk.root / below)
        assert (result.status, f"{disk.root} is not writable" in result.err, "-o" in result.err) == (7, True, True)
        assert len(result.err.splitlines()) <= 3
        assert box.requests == []


class TestGone:
    """A folder that is taken away while it is written."""

    def test_a_folder_that_is_removed(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """A folder that somebody removes mid-run ends the run, and is not made again."""
        out = tmp_path / "out"
        sandbox(World.generate(photos=200, size=60_000), store_rate=300_000)
        process = ninepic.start("bib", "1234", "-o", out)
        until(lambda: len(photos_in(out)) >= 5)
        while out.exists():
            shutil.rmtree(out, ignore_errors=True)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 7, err
        assert "Traceback" not in err
        assert not out.exists()

    def test_a_disk_that_is_removed(self, ninepic: Ninepic, sandbox: Start, disk: Disk) -> None:
        """A disk that is taken away mid-run ends the run, and nothing is written to the folder it was mounted on."""
        sandbox(World.generate(photos=60, size=60_000), store_rate=300_000)
        process = ninepic.start("bib", "1234", "-o", disk.root)
        until(lambda: len(photos_in(disk.root)) >= 5)
        disk.take_away()
        _, err = process.communicate(timeout=60)
        assert list(disk.root.rglob("*")) == [], err
        assert process.returncode == 7, err

    def test_a_disk_that_is_removed_is_not_looked_for_below(self, ninepic: Ninepic, sandbox: Start, disk: Disk) -> None:
        """Nor is a folder on it made again where the disk was."""
        sandbox(World.generate(photos=60, size=60_000), store_rate=300_000)
        out = disk.root / "photos"
        process = ninepic.start("bib", "1234", "-o", out)
        until(lambda: len(photos_in(out)) >= 5)
        disk.take_away()
        _, err = process.communicate(timeout=60)
        assert list(disk.root.iterdir()) == []
        assert process.returncode == 7, err


class TestPeculiar:
    """File systems that cannot do everything, as network shares and memory cards."""

    @pytest.mark.parametrize(
        "what",
        [
            "EPERM chmod chown utime",
            "ENOTSUP chmod chown utime fsync",
            "EINVAL chmod chown utime fsync",
            "ENOSYS chmod chown utime fsync",
        ],
    )
    def test_modes_times_and_flushing_are_not_needed(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, what: str
    ) -> None:
        """Where modes, owners and times cannot be set and nothing can be flushed, all photos and the list arrive."""
        world = World.generate(photos=5, size=4000)
        sandbox(world)
        out, left = tmp_path / "out", tmp_path / "left.txt"
        left.write_text("old\n")
        result = refusing(ninepic, what, "bib", "1234", "-o", out, "--failed-to", left)
        assert whole(world, out) == set(world.photos)
        assert (result.status, left.read_text()) == (0, ""), result.err
        assert list(out.glob(".*")) == []

    def test_bytes_that_do_not_reach_the_disk(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """A disk that fails to flush ends the run, and no photo that might be lost gets its name."""
        sandbox(World.generate(photos=5, size=4000))
        result = refusing(ninepic, "EIO fsync", "bib", "1234", "-o", tmp_path / "out")
        assert (result.status, "input/output error" in result.err) == (7, True), result.err
        assert photos_in(tmp_path / "out") == {}

    def test_a_disk_that_fills_up_while_it_is_flushed(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """Some disks tell only when they flush that they are full: no photo gets its name."""
        sandbox(World.generate(photos=5, size=4000))
        result = refusing(ninepic, "ENOSPC fsync", "bib", "1234", "-o", tmp_path / "out")
        assert (result.status, "disk full" in result.err) == (7, True), result.err
        assert photos_in(tmp_path / "out") == {}

    @pytest.mark.parametrize("kind", ["file", "link"])
    def test_something_in_the_place_of_partials(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, kind: str
    ) -> None:
        """A file or a link called .ninepic is told before the first request, and left alone."""
        box = sandbox(World.generate(photos=3, size=4000))
        (tmp_path / "elsewhere").mkdir()
        home = tmp_path / "out" / ".ninepic"
        home.parent.mkdir()
        home.write_text("mine") if kind == "file" else home.symlink_to(tmp_path / "elsewhere")
        result = ninepic("bib", "1234", "-o", home.parent)
        assert (result.status, ".ninepic is not a directory" in result.err) == (7, True), result.err
        assert (box.requests, list(home.parent.iterdir())) == ([], [home])
        assert list((tmp_path / "elsewhere").iterdir()) == []

    def test_a_folder_for_partials_that_cannot_be_made(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """A folder in which no folder can be made ends the run with the reason, and no photo is fetched."""
        sandbox(World.generate(photos=3, size=4000))
        (tmp_path / "out").mkdir()
        result = refusing(ninepic, "EACCES mkdir", "bib", "1234", "-o", tmp_path / "out")
        assert (result.status, "permission denied" in result.err) == (7, True), result.err
        assert "Traceback" not in result.err
        assert list((tmp_path / "out").iterdir()) == []


class TestNames:
    """Names that are long, or alike."""

    def test_names_at_the_limit(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """Suggestions, ids and bibs as long as names can be, also in characters of many bytes, all arrive."""
        suggestions = ["x" * 251 + ".jpg", "写" * 83 + "ab.jpg", "🏃" * 62 + "abc.jpg", "é" * 125 + "x.jpg", "写" * 300]
        named = {f"id-{number}": StoredPhoto(f"id-{number}", 4000, name) for number, name in enumerate(suggestions)}
        long_ids = ["a" * 251, "写" * 83, "b" * 128, "c" * 400]
        photos = named | {image_id: StoredPhoto(image_id, 4000) for image_id in long_ids}
        bibs = ["7", "写" * 85, "x" * 255, "写" * 200]
        world = World(photos=photos, bibs={bib: list(photos) for bib in bibs})
        sandbox(world)
        result = ninepic("bib", *bibs, "--folders", "-o", tmp_path / "out", "--json")
        assert result.status == 0, result.err
        saved = result.photos("downloaded")
        paths = [Path(line["path"]) for line in saved]
        assert len(set(paths)) == len(bibs) * len(photos)
        for path, line in zip(paths, saved, strict=True):
            assert path.read_bytes() == world.photo_bytes(line["image_id"])
            assert max(len(part.encode()) for part in path.relative_to(tmp_path).parts) <= 255

    def test_a_long_name_for_what_is_left_to_do(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """The list for --failed-to may have a name as long as names can be, in characters of many bytes too."""
        sandbox(World.generate(photos=1, size=4000))
        for name in ("写" * 85, "x" * 255):
            left = tmp_path / name
            result = ninepic("bib", "7", "-o", tmp_path / "out", "--failed-to", left)
            assert (result.status, left.read_text()) == (0, ""), result.err

    def test_ids_that_differ_only_in_case(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """Photos whose ids or names differ only in case are files that differ in more than that."""
        world = alike()
        sandbox(world)
        result = ninepic("bib", "7", "-o", tmp_path / "out", "--json")
        assert result.status == 0, result.err
        names = [path.name for path in (tmp_path / "out").iterdir()]
        assert len({folded(name) for name in names}) == len(names) == len(world.photos)

    def test_a_folder_that_ignores_case(self, ninepic: Ninepic, sandbox: Start, folding_folder: Path) -> None:
        """In a folder that ignores case, photos whose ids or names differ only in case are all there."""
        world = alike()
        sandbox(world)
        result = ninepic("bib", "7", "-o", folding_folder, "--json")
        assert result.status == 0, result.err
        found = {line["image_id"]: Path(line["path"]).read_bytes() for line in result.photos("downloaded")}
        assert found == {image_id: world.photo_bytes(image_id) for image_id in world.photos}
        assert len(list(folding_folder.iterdir())) == len(world.photos)


def alike() -> World:
    """Photos that only case tells apart: two ids, two suggestions, and both."""
    names = {
        "DSC1": None,
        "dsc1": None,
        "a": "IMG.JPG",
        "b": "img.jpg",
        "É": "x.jpg",
        "é": "X.JPG",
        "ss": None,
        "ß": None,
    }
    photos = {image_id: StoredPhoto(image_id, 4000, name) for image_id, name in names.items()}
    return World(photos=photos, bibs={"7": list(photos)})


def folded(name: str) -> str:
    """The name as a file system that ignores case sees it."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


class TestAnotherUser:
    """A folder that several people write to."""

    def test_their_partial_is_left_alone(self, ninepic: Ninepic, sandbox: Start, shared: Path) -> None:
        """A photo whose partial is another user's, and private, is fetched beside it, and that one stays."""
        world = World.generate(photos=1, size=200_000)
        box = sandbox(world, faults=[Fault(cut_after=0.5)])
        out = shared / "out"
        out.mkdir()
        out.chmod(0o777)
        assert ninepic("bib", "1234", "-o", out, "--retries", 0).status == 5
        (partial,) = (out / ".ninepic").glob("*.part")
        partial.chmod(0o600)
        before = (partial.read_bytes(), partial.stat().st_ino, partial.stat().st_mtime_ns)

        box.faults = []
        result = ninepic.as_another_user(shared)("bib", "1234", "-o", out)
        assert (result.status, "Traceback" in result.err) == (0, False), result.err
        assert whole(world, out) == set(world.photos)
        assert [path.stat().st_uid for path in out.glob("*.jpg")] == [NOBODY]
        assert (partial.read_bytes(), partial.stat().st_ino, partial.stat().st_mtime_ns) == before
        assert list((out / ".ninepic").iterdir()) == [partial]
