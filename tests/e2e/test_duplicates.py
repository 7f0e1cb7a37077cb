"""Photos of several runners: fetched once, and a file of its own in each runner's folder."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ninepic_cli.sandbox import Fault, Request, World
from tests.support.clock import until
from tests.support.command import Ninepic, Start

BIBS = ("bib", "1", "2", "3", "--jobs", "16")
ARGS = (*BIBS, "--folders")


@pytest.fixture
def world() -> World:
    """Three runners who were photographed together."""
    world = World.generate(photos=12, size=60_000)
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
    assert len(box.requests_to("store")) == 12
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
    assert ninepic(*BIBS, "-o", tmp_path / "out", "--name", template).status == 0
    assert len(stored(tmp_path / "out")) == (12 if template == "{filename}" else 28)
    assert len(box.requests_to("store")) == 12


def test_what_is_there_already(ninepic: Ninepic, sandbox: Start, tmp_path: Path, world: World) -> None:
    """A second run asks for nothing; one that overwrites fetches each once; one that verifies asks about each file."""
    box = sandbox(world)
    for existing, most in (("skip", 12), ("skip", 0), ("overwrite", 12), ("verify", 28)):
        first = len(box.requests_to("store"))
        assert ninepic(*ARGS, "-o", tmp_path / "out", "--existing", existing).status == 0
        assert len(box.requests_to("store")) - first == most
    assert stored(tmp_path / "out") == wanted(world)


def test_one_that_fails_is_asked_for_again(ninepic: Ninepic, sandbox: Start, tmp_path: Path, world: World) -> None:
    """A photo that could not be fetched for one runner is tried for the next."""
    failing = list(world.photos)[5]
    box = sandbox(world, faults=[Fault(path=failing, nth=1, status=400)])
    result = ninepic(*ARGS, "-o", tmp_path / "out", "--json")
    assert result.status == 5
    assert [photo["image_id"] for photo in result.photos("failed")] == [failing]
    assert len(stored(tmp_path / "out")) == 27
    assert len(box.requests_to("store")) == 13


def edited(path: Path) -> None:
    """One byte is another."""
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)


def as_link(path: Path) -> None:
    """The photo is moved away, and a link left."""
    path.rename(path.with_name(f".{path.name}"))
    path.symlink_to(f".{path.name}")


def as_folder(path: Path) -> None:
    """A folder of the name takes its place."""
    path.unlink()
    path.mkdir()


def as_fifo(path: Path) -> None:
    """A FIFO of the name takes its place."""
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("spoil", [edited, as_link, as_folder, as_fifo, Path.unlink])
def test_trouble_at_the_source_means_fetching(
    ninepic: Ninepic, sandbox: Start, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    """Where the first runner's photo is not what it was, one more is fetched, and the others copied from it."""
    world = World.generate(photos=2, size=60_000)
    world.bibs = {key: list(world.photos) for key in "1234"}
    first = [tmp_path / "out" / "1" / f"{image_id}.jpg" for image_id in world.photos]

    def meddle(_: Request) -> None:
        until(lambda: all(path.exists() for path in first))
        for path in first:
            spoil(path)

    box = sandbox(world, faults=[Fault("api", nth=2, action=meddle)])
    result = ninepic("bib", *"1234", "--folders", "-o", tmp_path / "out", "--json")
    is_gone = spoil in {as_folder, as_fifo, Path.unlink}
    assert result.status == (5 if is_gone else 0), result.err  # what somebody has removed is told
    assert len(box.requests_to("store")) == 4
    for bib in "234":
        for image_id in world.photos:
            assert (tmp_path / "out" / bib / f"{image_id}.jpg").read_bytes() == world.photo_bytes(image_id)
    attempts: dict[str, list[int]] = {}
    for line in result.photos("downloaded"):
        attempts.setdefault(line["image_id"], []).append(line["attempts"])
    assert [sorted(each) for each in attempts.values()] == [[0, 0, 1, 1]] * 2


def test_a_file_that_the_store_has_confirmed_is_a_source(
    ninepic: Ninepic, sandbox: Start, tmp_path: Path, world: World
) -> None:
    """With `verify`, what another runner has and the store calls the same is copied to who lacks it."""
    box = sandbox(world)
    assert ninepic("bib", "3", "--folders", "-o", tmp_path / "out").status == 0
    assert ninepic("bib", "3", "1", "--folders", "-o", tmp_path / "out", "--existing", "verify").status == 0
    assert len(box.requests_to("store")) == 24
    assert stored(tmp_path / "out") == {name: 1 for name in wanted(world) if name[0] in "13"}
