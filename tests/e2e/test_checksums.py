"""`--checksums`: the MD5s of the photos on disk, as md5sum reads them."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from ninepic_cli.sandbox import Fault, World
from tests.support.clock import until
from tests.support.command import Ninepic, Result, Start, completed

SMALL = 4000


def checked(file: Path) -> Result:
    """What `md5sum -c` says of a file, in the file's folder."""
    if not shutil.which("md5sum"):
        pytest.skip("needs md5sum")
    return completed(["md5sum", "-c", "--strict", file.name], cwd=file.parent, env={"LC_ALL": "C", **os.environ})


def names_in_list(file: Path) -> list[str]:
    """The names in a file of checksums, as they stand there."""
    return [line[34:] for line in file.read_text().splitlines()]


@pytest.fixture
def world() -> World:
    """Three photos of two runners."""
    world = World.generate(photos=3, size=SMALL)
    world.bibs["7"] = list(world.photos)[:2]
    return world


@pytest.mark.parametrize("options", ["", "--folders", "--name {event}/{identifier}-{stem}{ext}"])
@pytest.mark.parametrize(
    "place",
    ["out/MD5SUMS", *(pytest.param(each, marks=pytest.mark.slow) for each in ("MD5SUMS", "other/place/MD5SUMS"))],
)
def test_md5sum_confirms_them(ninepic: Ninepic, sandbox: Start, world: World, options: str, place: str) -> None:
    """Fresh photos and those that are there already are listed once each, sorted, wherever the file is."""
    box = sandbox(world)
    file = ninepic.home / place
    (ninepic.home / "out").mkdir()
    file.parent.mkdir(parents=True, exist_ok=True)
    call = ("bib", "1234", "7", "-o", "out", *options.split(), "--checksums", file)
    for _ in range(2):
        result = ninepic(*call)
        assert result.status == 0, result.err
        found = checked(file)
        photos = list((ninepic.home / "out").rglob("*.jpg"))
        assert (found.status, found.out.count(": OK")) == (0, len(photos)), found.err
        assert names_in_list(file) == sorted(os.path.relpath(path, file.parent) for path in photos)
        first, again = file.read_bytes(), len(box.requests_to("store"))
        file.unlink()
    assert ninepic(*call).status == 0
    assert (file.read_bytes(), len(box.requests_to("store"))) == (first, again)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["all", "images"])
def test_spread_and_verify(ninepic: Ninepic, sandbox: Start, world: World, command: str) -> None:
    """So are photos in 256 folders, and those that the store is asked about."""
    sandbox(world)
    ids = list(world.photos) if command == "images" else ()
    for mode in ("skip", "verify", "overwrite"):
        call = (command, *ids, "--spread", "-o", "out", "--existing", mode, "--checksums", "sums")
        result = ninepic(*call)
        assert result.status == 0, result.err
        found = checked(ninepic.home / "sums")
        assert (found.status, found.out.count(": OK")) == (0, 3), found.err


@pytest.mark.parametrize("name", ["back\\slash", "line\nend", "re\rturn", "-dash", " space ", "*star", "Zoë", "#hash"])
@pytest.mark.parametrize("is_below", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_names_that_are_escaped(ninepic: Ninepic, sandbox: Start, world: World, name: str, is_below: bool) -> None:
    """Whatever the folder is called, md5sum finds the photos, and writes the very same lines itself."""
    sandbox(world)
    file = ninepic.home / ("sums" if is_below else f"{name}/sums")
    file.parent.mkdir(exist_ok=True)
    result = ninepic("bib", "1234", f"--output={name}" if is_below else "--output=o\\ut", "--checksums", file)
    assert result.status == 0, result.err
    for _ in range(2):
        found = checked(file)
        assert (found.status, found.out.count(": OK")) == (0, 3), found.err
        assert (
            ninepic("bib", "1234", f"--output={name}" if is_below else "--output=o\\ut", "--checksums", file).status
            == 0
        )
    if is_below:
        photos = sorted(str(path.relative_to(ninepic.home)) for path in (ninepic.home / name).glob("*.jpg"))
        assert completed(["md5sum", "--", *photos], cwd=ninepic.home).out.encode() == file.read_bytes()


@pytest.mark.slow
def test_links_on_the_way(ninepic: Ninepic, sandbox: Start, world: World) -> None:
    """Paths are right where the target folder, or the file's folder, is reached through a link."""
    sandbox(world)
    deep, far = ninepic.home / "a" / "b", ninepic.home / "far" / "away"
    for folder in (deep, far):
        folder.mkdir(parents=True)
    (ninepic.home / "out").symlink_to(far)
    (ninepic.home / "lists").symlink_to(deep)
    assert ninepic("bib", "1234", "-o", "out", "--checksums", "lists/sums").status == 0
    assert checked(ninepic.home / "lists" / "sums").status == 0
    assert names_in_list(deep / "sums")[0].startswith("../../far/away/")


class TestLinesThatAreThere:
    """What the file holds already."""

    def test_others_stay(self, ninepic: Ninepic, sandbox: Start, world: World) -> None:
        """Lines of photos that the run is not about are kept as they are, sorted in; comments stay at the top."""
        sandbox(world)
        (ninepic.home / "out").mkdir()
        other = ninepic.home / "out" / "00-mine.jpg"
        other.write_bytes(b"mine")
        md5 = hashlib.md5(b"mine", usedforsecurity=False).hexdigest()
        kept = [f"{md5} *./out/00-mine.jpg", f"MD5 (out/00-mine.jpg2) = {md5}", f"{md5}  gone/long ago.jpg"]
        file = ninepic.home / "sums"
        file.write_text("\n".join(["# my list", *kept, ""]))
        call = ("bib", "1234", "-o", "out", "--checksums", file)
        assert ninepic(*call).status == 0
        lines = file.read_text().splitlines()
        assert (lines[0], set(kept) < set(lines), len(lines)) == ("# my list", True, 7)
        assert ninepic(*call).status == 0
        assert file.read_text().splitlines() == lines

    @pytest.mark.slow
    def test_one_of_this_run_is_replaced(self, ninepic: Ninepic, sandbox: Start, world: World) -> None:
        """A line of a photo of this run is written anew, however its name was put."""
        sandbox(world)
        file = ninepic.home / "sums"
        ids = list(world.photos)
        names = [f"./out/{ids[0]}.jpg", f"{ninepic.home}/out/{ids[1]}.jpg", f"out/../out/{ids[2]}.jpg"]
        file.write_text("".join(f"{'0' * 32}  {name}\n" for name in names))
        assert ninepic("bib", "1234", "-o", "out", "--checksums", file).status == 0
        assert (checked(file).status, len(names_in_list(file))) == (0, 3)

    def test_one_that_is_gone_is_dropped(self, ninepic: Ninepic, sandbox: Start, world: World) -> None:
        """So is that of a photo which the run found missing; one that it did not look for stays."""
        sandbox(world)
        file, ids = ninepic.home / "sums", list(world.photos)
        assert ninepic("bib", "1234", "-o", "out", "--checksums", file).status == 0
        for image_id in ids[1:]:
            (ninepic.home / "out" / f"{image_id}.jpg").unlink()
        world.photos[ids[1]].has_object = False
        assert ninepic("image", ids[1], "-o", "out", "--checksums", file).status == 4
        assert names_in_list(file) == sorted(f"out/{each}.jpg" for each in (ids[0], ids[2]))

    @pytest.mark.slow
    def test_one_that_could_not_be_replaced_stays(self, ninepic: Ninepic, sandbox: Start, world: World) -> None:
        """A failed photo whose file is there keeps its line, which tells what was there when it was good."""
        image_id = next(iter(world.photos))
        sandbox(world, faults=[])
        file, photo = ninepic.home / "sums", ninepic.home / "out" / f"{image_id}.jpg"
        assert ninepic("bib", "1234", "-o", "out", "--checksums", file).status == 0
        before = file.read_bytes()
        photo.write_bytes(photo.read_bytes()[:1000])
        world.photos[image_id].has_object = False
        assert ninepic("bib", "1234", "-o", "out", "--checksums", file).status == 4
        assert (file.read_bytes(), checked(file).status) == (before, 1)

    @pytest.mark.slow
    def test_a_photo_removed_meanwhile(self, ninepic: Ninepic, sandbox: Start, world: World) -> None:
        """One that somebody removes while the run goes on is not in it."""
        box = sandbox(world, faults=[Fault(nth=3, delay_s=1.5)])
        process = ninepic.start("bib", "1234", "-j", 1, "-o", "out", "--checksums", "sums")
        until(lambda: len(box.requests_to("store")) >= 3)
        next((ninepic.home / "out").glob("*.jpg")).unlink()
        assert process.result().status == 5
        assert (checked(ninepic.home / "sums").status, len(names_in_list(ninepic.home / "sums"))) == (0, 2)

    @pytest.mark.parametrize("text", ["not a checksum\n", "0123  x.jpg\n", f"{'0' * 40}  x.jpg\n", "a,b\n"])
    def test_another_kind_of_file(self, ninepic: Ninepic, sandbox: Start, text: str) -> None:
        """A file that holds something else is left alone, and told before any request."""
        box = sandbox()
        file = ninepic.home / "sums"
        file.write_text(f"# first\n{text}")
        result = ninepic("bib", "1234", "--checksums", file)
        assert (result.status, box.requests, file.read_text()) == (2, [], f"# first\n{text}"), result.err
        assert f"{file}: line 2 is not an MD5 checksum" in result.err


def test_a_zip_has_none(ninepic: Ninepic, sandbox: Start) -> None:
    """With `--zip` there are no photos on disk."""
    box = sandbox()
    result = ninepic("bib", "1234", "--zip", "all.zip", "--checksums", "sums")
    assert (result.status, box.requests, "unzip -t" in result.err) == (2, [], True), result.err


@pytest.mark.slow
def test_a_run_that_fails_keeps_the_lines(ninepic: Ninepic, sandbox: Start, world: World) -> None:
    """Whatever the status, what the file held and the run saw nothing of is there; a dry run writes nothing."""
    sandbox(world)
    line = f"{'0' * 32}  x.jpg\n"
    file = ninepic.home / "sums"
    file.write_text(line)
    assert ninepic("bib", "1234", "--checksums", file, NINEPIC_API_KEY="9pk_wrong").status == 3
    assert file.read_text() == line
    assert ninepic("bib", "1234", "--checksums", file, "--dry-run").status == 0
    assert file.read_text() == line


@pytest.mark.slow
def test_a_folder_that_the_run_makes(ninepic: Ninepic, sandbox: Start, world: World) -> None:
    """The file may stand in the target folder before there is one, also when nothing is found."""
    sandbox(world)
    file = ninepic.home / "new" / "folder" / "MD5SUMS"
    assert ninepic("bib", "1234", "-o", file.parent, "--checksums", file).status == 0
    assert (checked(file).status, len(names_in_list(file))) == (0, 3)
    other = ninepic.home / "other"
    assert ninepic("bib", "none", "-o", other, "--report", other / "report.csv").status == 4
    assert [path.name for path in other.iterdir()] == ["report.csv"]
    for option in ("--report", "--checksums", "--failed-to"):
        result = ninepic("bib", "1234", "-o", ninepic.home / "third", option, ninepic.home / "third" / "deeper" / "x")
        assert result.status == 2, result.err
    assert not (ninepic.home / "third").exists()
