"""Photos of several runners: fetched once, and a file of its own in each runner's folder."""

from pathlib import Path

import pytest
from support import Ninepic, Start

from ninepic_cli.sandbox import Fault, World

ARGS = ("bib", "1", "2", "3", "--jobs", "16")


@pytest.fixture
def world() -> World:
    """Three runners who were photographed together."""
    world = World.drawn(photos=12, size=60_000)
    ids = list(world.photos)
    world.bibs.update({"1": ids[:8], "2": ids[4:], "3": ids})
    return world


def stored(root: Path) -> dict[str, int]:
    """The photos below a folder, with the number of names that each file has."""
    return {str(path.relative_to(root)): path.stat().st_nlink for path in root.rglob("*.jpg")}


def wanted(world: World) -> dict[str, int]:
    """What has to be there."""
    return {f"{bib}/{image_id}.jpg": 1 for bib in "123" for image_id in world.bibs[bib]}


def test_each_crosses_the_wire_once(ninepic: Ninepic, sandbox: Start, tmp_path: Path, world: World) -> None:
    """Every folder has all its photos, whole, with the store's time, as files of their own; each was asked for once."""
    box = sandbox(world, store_rate=2_000_000)
    result = ninepic(*ARGS, "-o", tmp_path / "out", "--json")
    assert (result.status, stored(tmp_path / "out")) == (0, wanted(world)), result.err
    assert len(box.of("store")) == 12
    for path in (tmp_path / "out").rglob("*.jpg"):
        assert path.read_bytes() == world.photo_bytes(path.stem)
        assert path.stat().st_mtime == world.photos[path.stem].last_modified
    downloaded = result.photos("downloaded")
    assert (len(downloaded), sum(photo["attempts"] for photo in downloaded)) == (28, 12)
    assert len({photo["md5"] for photo in downloaded}) == 12
    assert result.json[-1]["bytes"] == 12 * 60_000
    assert not (tmp_path / "out" / ".ninepic").exists()


@pytest.mark.parametrize("template", ["{identifier}/{index:03}-{filename}", "{filename}"])
def test_other_names(ninepic: Ninepic, sandbox: Start, tmp_path: Path, world: World, template: str) -> None:
    """It does not matter what photos are called, and what has one name is one file."""
    box = sandbox(world)
    assert ninepic(*ARGS, "-o", tmp_path / "out", "--name", template).status == 0
    assert len(stored(tmp_path / "out")) == (12 if template == "{filename}" else 28)
    assert len(box.of("store")) == 12


def test_what_is_there_already(ninepic: Ninepic, sandbox: Start, tmp_path: Path, world: World) -> None:
    """A second run asks for nothing; one that overwrites fetches each once; one that verifies asks about each file."""
    box = sandbox(world)
    for existing, most in (("skip", 12), ("skip", 0), ("overwrite", 12), ("verify", 28)):
        first = len(box.of("store"))
        assert ninepic(*ARGS, "-o", tmp_path / "out", "--existing", existing).status == 0
        assert len(box.of("store")) - first == most
    assert stored(tmp_path / "out") == wanted(world)


def test_one_that_fails_is_asked_for_again(ninepic: Ninepic, sandbox: Start, tmp_path: Path, world: World) -> None:
    """A photo that could not be fetched for one runner is tried for the next."""
    failing = list(world.photos)[5]
    box = sandbox(world, faults=[Fault(path=failing, nth=1, status=400)])
    result = ninepic(*ARGS, "-o", tmp_path / "out", "--json")
    assert result.status == 5
    assert [photo["image_id"] for photo in result.photos("failed")] == [failing]
    assert len(stored(tmp_path / "out")) == 27
    assert len(box.of("store")) == 13


def test_what_was_changed_meanwhile_is_not_copied(
    ninepic: Ninepic, sandbox: Start, tmp_path: Path, world: World
) -> None:
    """A file that is not what was fetched any more is no source: the store is."""
    spoilt = "import os, pathlib; to = pathlib.Path.replace\ndef spoil(self, target):\n"
    spoilt += " to(self, target)\n if target.parent.name == '1': data = bytearray(target.read_bytes())\n"
    spoilt += " if target.parent.name == '1': data[1000] ^= 1; target.write_bytes(data)\npathlib.Path.replace = spoil"
    box = sandbox(world)
    assert ninepic.after(spoilt)(*ARGS, "-o", tmp_path / "out", "--jobs", "1").status == 0
    for bib in "23":
        for path in (tmp_path / "out" / bib).iterdir():
            assert path.read_bytes() == world.photo_bytes(path.stem)
    assert len(box.of("store")) > 12
