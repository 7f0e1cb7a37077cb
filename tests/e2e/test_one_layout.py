"""One layout: where a photo goes does not depend on how many are asked for, and what is there is not fetched again."""

from pathlib import Path

import pytest

from ninepic_cli.sandbox import Fault, World
from tests.support.command import Ninepic, Start
from tests.support.files import photos_in, whole

SIZE = 50_000


@pytest.fixture
def world() -> World:
    """Two runners who were photographed together on two of their eight photos."""
    world = World.generate(photos=8, size=SIZE)
    ids = list(world.photos)
    world.bibs = {"1": ids[:5], "2": ids[3:], "10": ids[:3]}
    world.searches = {"s-1": ids[:5], "s-2": ids[3:]}
    return world


def flat(world: World, *bibs: str) -> list[str]:
    """The names of some bibs' photos in one folder."""
    return sorted({f"{image_id}.jpg" for bib in bibs for image_id in world.bibs[bib]})


def in_folders(world: World, *bibs: str) -> list[str]:
    """The names of some bibs' photos in a folder for each of them."""
    return sorted(f"{bib}/{image_id}.jpg" for bib in bibs for image_id in world.bibs[bib])


class TestOneFolder:
    """All photos stand in the target folder, whoever is on them."""

    @pytest.mark.parametrize("method", ["bib", "selfie"])
    def test_many_are_as_one(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, world: World, method: str) -> None:
        """One, several, and a list of one go into the same files; a shared photo is one file, told for each."""
        box = sandbox(world, store_rate=2_000_000)
        first, second = ("1", "2") if method == "bib" else ("s-1", "s-2")
        out = tmp_path / "out"
        assert ninepic(method, first, "-o", out).status == 0
        assert list(photos_in(out)) == flat(world, "1")
        result = ninepic(method, first, second, "-o", out, "--jobs", 16, "--json")
        assert (result.status, list(photos_in(out))) == (0, flat(world, "1", "2")), result.err
        assert ninepic(method, "--from-file", "-", "-o", out, given=second).status == 0
        assert len(whole(world, out)) == len(box.requests_to("store")) == 8
        told = [(line["identifier"], line["status"]) for line in result.json if line["type"] == "photo"]
        assert sorted(told) == [(first, "skipped")] * 5 + [(second, "downloaded")] * 3 + [(second, "skipped")] * 2
        assert {line["identifier"]: line["found"] for line in result.json if line["type"] == "identifier"} == {
            first: 5,
            second: 5,
        }

    @pytest.mark.parametrize("existing", ["skip", "verify", "overwrite"])
    def test_a_shared_photo_is_asked_for_once(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, world: World, existing: str
    ) -> None:
        """At first and again, one request for each file at most, and each outcome told."""
        box = sandbox(world)
        for count in (8, 0 if existing == "skip" else 8):
            before = len(box.requests_to("store"))
            result = ninepic("bib", "1", "2", "-o", tmp_path / "out", "--existing", existing, "--json", "--jobs", 16)
            assert (result.status, len(box.requests_to("store")) - before) == (0, count), result.err
            assert sum(line["type"] == "photo" for line in result.json) == 10
        assert len(whole(world, tmp_path / "out")) == 8

    def test_failures_listed_and_asked_for_again(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, world: World
    ) -> None:
        """The list of what failed meets the files of the run that wrote it, whether of one or of many."""
        bad = world.bibs["1"][0]
        box = sandbox(world, faults=[Fault(path=bad, nth=range(1, 3), status=400)])
        left, out = tmp_path / "left.txt", tmp_path / "out"
        assert ninepic("bib", "1", "-o", out, "--failed-to", left).status == 5
        assert ninepic("bib", "1", "2", "-o", out, "--failed-to", left).status == 5
        assert left.read_text() == "1\n"
        before = len(box.requests_to("store"))
        assert ninepic("bib", "--from-file", left, "-o", out, "--failed-to", left).status == 0
        assert [bad in request.path for request in box.requests_to("store")[before:]] == [True]
        assert (left.read_text(), list(photos_in(out))) == ("", flat(world, "1", "2"))

    def test_a_dry_run_names_each_file_once(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, world: World
    ) -> None:
        """A file that two runners share is printed once, and told for each."""
        box = sandbox(world)
        result = ninepic("bib", "1", "2", "-o", tmp_path / "out", "--dry-run")
        assert sorted(result.out.split()) == [str(tmp_path / "out" / name) for name in flat(world, "1", "2")]
        assert "8 would be downloaded" in result.err
        result = ninepic("bib", "1", "2", "-o", tmp_path / "out", "--dry-run", "--json")
        assert (len(result.photos("listed")), len(result.photos("skipped")), box.requests_to("store")) == (8, 2, [])
        assert {line["bytes"] for line in result.photos("skipped")} == {None}
        result = ninepic("bib", "1", "2", "--zip", "a.zip", "--dry-run")
        assert sorted(result.out.split()) == flat(world, "1", "2")


class TestFolders:
    """`--folders` gives each bib or search a folder of its own."""

    def test_each_has_its_own(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, world: World) -> None:
        """One or many, from wherever; it is short for a template, and the same as that."""
        box = sandbox(world)
        out = tmp_path / "out"
        assert ninepic("bib", "1", "--folders", "-o", out).status == 0
        assert list(photos_in(out)) == in_folders(world, "1")
        assert ninepic("bib", "--from-file", "-", "--folders", "-o", out, given="1\n2\n").status == 0
        assert (list(photos_in(out)), len(box.requests_to("store"))) == (in_folders(world, "1", "2"), 10)
        assert ninepic("bib", "1", "2", "--name", "{identifier}/{filename}", "-o", out).status == 0
        assert len(box.requests_to("store")) == 10
        assert ninepic("selfie", "s-1", "--folders", "-o", tmp_path / "found").status == 0
        assert {path.parent.name for path in (tmp_path / "found").rglob("*.jpg")} == {"s-1"}

    def test_it_says_where_photos_go_alone(self, ninepic: Ninepic, sandbox: Start) -> None:
        """With a name it is a usage error, and there is none for commands without lists."""
        box = sandbox(World.generate(photos=1))
        result = ninepic("bib", "7", "--folders", "--name", "{stem}{ext}")
        assert (result.status, box.requests) == (2, [])
        assert "--folders" in result.err
        assert "--name" in result.err
        for command in ("image", "images"):
            assert ninepic(command, "x", "--folders").status == 2
        assert ninepic("all", "--folders").status == 2


class TestTheOtherPlace:
    """A photo that stands in the other of the two usual layouts is copied from there."""

    @pytest.mark.parametrize("first", [(), ("--folders",)])
    def test_it_is_copied(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, world: World, first: tuple[str, ...]
    ) -> None:
        """From folders into one and the other way round, for one and for many, as files of their own."""
        box = sandbox(world)
        out = tmp_path / "out"
        second = () if first else ("--folders",)
        assert ninepic("bib", "1", "2", *first, "-o", out).status == 0
        before = len(box.requests_to("store"))
        assert ninepic("bib", "1", *second, "-o", out).status == 0
        result = ninepic("bib", "1", "2", *second, "-o", out, "--json")
        assert (result.status, len(box.requests_to("store"))) == (0, before), result.err
        assert list(photos_in(out)) == sorted(flat(world, "1", "2") + in_folders(world, "1", "2"))
        assert len(whole(world, out)) == 8
        for path in out.rglob("*.jpg"):
            assert (path.stat().st_nlink, path.stat().st_mtime) == (1, world.photos[path.stem].last_modified)
        assert {(line["attempts"], line["bytes"]) for line in result.photos("downloaded")} == {(0, SIZE)}
        assert result.json[-1]["bytes"] == 0
        assert not (out / ".ninepic").exists()

    @pytest.mark.parametrize(("existing", "statuses"), [("verify", {304}), ("overwrite", {200})])
    def test_as_existing_says(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, world: World, existing: str, statuses: set[int]
    ) -> None:
        """`verify` asks the store about what is there before it is copied; `overwrite` fetches."""
        box = sandbox(world)
        out = tmp_path / "out"
        assert ninepic("bib", "1", "--folders", "-o", out).status == 0
        before = len(box.requests_to("store"))
        result = ninepic("bib", "1", "-o", out, "--existing", existing, "--json")
        assert (result.status, len(result.photos("downloaded"))) == (0, 5), result.err
        asked = box.requests_to("store")[before:]
        assert ({request.status for request in asked}, len(asked)) == (statuses, 5)
        assert list(photos_in(out)) == sorted(flat(world, "1") + in_folders(world, "1"))
        assert len(whole(world, out)) == 5

    def test_what_has_changed_at_the_store_is_fetched(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, world: World
    ) -> None:
        """With `verify`, what stands in the other place and is not the photo any more is left there."""
        sandbox(world)
        out = tmp_path / "out"
        assert ninepic("bib", "1", "--folders", "-o", out).status == 0
        changed = world.bibs["1"][0]
        old = (out / "1" / f"{changed}.jpg").read_bytes()
        world.replace_object(world.photos[changed])
        assert ninepic("bib", "1", "-o", out, "--existing", "verify").status == 0
        assert (out / f"{changed}.jpg").read_bytes() == world.photo_bytes(changed)
        assert (out / "1" / f"{changed}.jpg").read_bytes() == old

    def test_trouble_there_means_fetching(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, world: World) -> None:
        """What is cut, empty, a link, a folder or a FIFO in the other place is no photo, and stays as it is."""
        box = sandbox(world)
        out = tmp_path / "out"
        (out / "1").mkdir(parents=True)
        cut, empty, link, folder, good = (out / "1" / f"{image_id}.jpg" for image_id in world.bibs["1"])
        elsewhere = tmp_path / "elsewhere.jpg"
        for path in (elsewhere, good):
            path.write_bytes(world.photo_bytes(good.stem))
        cut.write_bytes(world.photo_bytes(cut.stem)[: SIZE // 2])
        empty.touch()
        link.symlink_to(elsewhere)
        folder.mkdir()
        result = ninepic("bib", "1", "-o", out)
        assert (result.status, len(box.requests_to("store"))) == (0, 4), result.err
        for image_id in world.bibs["1"]:
            assert (out / f"{image_id}.jpg").read_bytes() == world.photo_bytes(image_id)
        assert (link.is_symlink(), folder.is_dir(), cut.stat().st_size) == (True, True, SIZE // 2)

    def test_other_names_have_no_other_place(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, world: World
    ) -> None:
        """A template of one's own says where photos are, and nothing is taken from elsewhere."""
        box = sandbox(world)
        assert ninepic("bib", "1", "-o", tmp_path / "out").status == 0
        assert ninepic("bib", "1", "-o", tmp_path / "out", "--name", "x/{filename}").status == 0
        assert len(box.requests_to("store")) == 10


class TestSpread:
    """`--spread` and its absence do not mix."""

    @pytest.mark.parametrize("first", [(), ("--spread",)])
    def test_they_do_not_mix(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, world: World, first: tuple[str, ...]
    ) -> None:
        """Another layout than the one that stands there is a usage error that says what does, before any request."""
        box = sandbox(world)
        out = tmp_path / "out"
        second = () if first else ("--spread",)
        assert ninepic("all", *first, "-o", out).status == 0
        asked, there = len(box.requests), list(photos_in(out))
        for more in ((), ("--dry-run",), ("--shard", "1/2", "-q")):
            result = ninepic("all", *second, "-o", out, *more)
            assert (result.status, result.out, len(box.requests)) == (2, "", asked), result.err
            assert str(out) in result.err
            assert ("add --spread" if first else "omit --spread") in result.err
            assert len(result.err.splitlines()) <= 3
        assert list(photos_in(out)) == there
        assert ninepic("all", *first, "-o", out).status == 0
        assert len(box.requests_to("store")) == 8

    def test_a_name_says_what_is_meant(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, world: World) -> None:
        """With `--name` the other layout is wanted; a folder that has both goes on as spread, and never as flat."""
        box = sandbox(world)
        out = tmp_path / "out"
        assert ninepic("all", "--spread", "-o", out).status == 0
        assert ninepic("all", "--name", "{filename}", "-o", out).status == 0
        assert len(box.requests_to("store")) == 16
        assert ninepic("all", "--spread", "-o", out).status == 0
        assert ninepic("all", "-o", out).status == 2
        assert len(box.requests_to("store")) == 16

    def test_what_is_no_sign_of_it(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, world: World) -> None:
        """Folders with such names and no photos, bibs' folders, other files and hidden ones do not count."""
        sandbox(world)
        out = tmp_path / "out"
        assert ninepic("bib", "10", "--folders", "-o", out).status == 0
        (out / "ad" / "more").mkdir(parents=True)
        (out / "ad" / "list.txt").touch()
        (out / "ad" / ".x.jpg").touch()
        (out / "ff").touch()
        (out / "ab").mkdir()
        (out / "ab" / "x.jpg").mkdir()
        assert ninepic("all", "--spread", "--dry-run", "-o", out).status == 0
        assert ninepic("all", "-o", out).status == 0
        assert ninepic("all", "--spread", "-o", tmp_path / "none", "--dry-run").status == 0

    @pytest.mark.parametrize("name", ["ad/x.jpg", "00/IMG_0001.JPG", "x.jpg"])
    def test_whatever_photos_are_called(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, world: World, name: str
    ) -> None:
        """A photo whose name has no id in it is a sign too."""
        box = sandbox(world)
        (tmp_path / "out" / name).parent.mkdir(parents=True)
        (tmp_path / "out" / name).touch()
        result = ninepic("all", *([] if "/" in name else ["--spread"]), "-o", tmp_path / "out")
        assert (result.status, box.requests) == (2, [])
        assert name in result.err
