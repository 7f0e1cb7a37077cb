"""Photos that somebody removes, or moves away, while the run goes on."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ninepic_cli.sandbox import Fault, Request, Sandbox, World
from tests.support.clock import until
from tests.support.command import Ninepic, Start
from tests.support.files import whole

BY_BIB = ("--name", "{identifier}/{filename}")


def serve(sandbox: Start, then: Callable[[], object]) -> tuple[Sandbox, list[str]]:
    """A service with two bibs; when the last photo of the second is asked for, something happens."""
    world = World.generate(photos=9, size=3000)
    ids = list(world.photos)
    world.bibs = {"1234": ids[:5], "7": ids[5:]}

    def act(_: Request) -> None:
        then()

    return sandbox(world, faults=[Fault(path=ids[-1], action=act)]), ids


def test_a_folder_that_is_removed(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """A bib's folder that goes away during the run is told photo by photo: 5, and the bib is to be asked for again."""
    out, left = tmp_path / "out", tmp_path / "left.txt"
    box, ids = serve(sandbox, lambda: shutil.rmtree(out / "1234"))
    call = ("bib", "1234", "7", "-j", "1", *BY_BIB, "-o", out, "--failed-to", left, "--json")
    result = ninepic(*call)
    assert result.status == 5, result.err
    assert whole(box.world, out) == set(ids[5:])
    assert left.read_text() == "1234\n"
    assert "4 downloaded" in result.err
    assert "5 failed" in result.err
    assert f"failed: {ids[0]}: removed or moved during the run: {out}/1234/"[:190] in result.err
    last = {line["image_id"]: line for line in result.json if line["type"] == "photo"}
    assert {image_id for image_id, line in last.items() if line["status"] == "downloaded"} == set(ids[5:])
    assert {line["code"] for line in result.photos("failed")} == {"gone"}
    bibs = {line["identifier"]: line for line in result.json if line["type"] == "identifier"}
    assert (bibs["1234"]["status"], bibs["1234"]["found"], bibs["7"]["status"]) == ("failed", 5, "done")
    assert [result.json[-1][key] for key in ("downloaded", "failed", "exit_code")] == [4, 5, 5]
    box.faults = []
    again = ninepic("bib", "--from-file", left, *BY_BIB, "-o", out, "--failed-to", left)
    assert (again.status, left.read_text(), whole(box.world, out)) == (0, "", set(ids)), again.err


def test_a_target_folder_that_is_taken_away(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """A disk that is taken out has the photos that are on it: they are not told as removed."""
    out = tmp_path / "out"
    serve(sandbox, lambda: out.rename(tmp_path / "away"))
    result = ninepic("bib", "1234", "7", "-j", "1", "-o", out, "--json")
    assert result.status == 7, result.err
    assert (len(result.photos("downloaded")), result.photos("failed")) == (8, [])
    assert result.json[-1]["downloaded"] == len(list((tmp_path / "away").glob("*.jpg"))) == 8


def test_one_photo_that_was_there_already(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """A photo that this run found and did not fetch counts as well; the others are as they were."""
    out = tmp_path / "out"
    box, ids = serve(sandbox, lambda: lost.unlink())  # noqa: PLW0108 (not known yet)
    lost = out / f"{ids[0]}.jpg"
    assert ninepic("bib", "1234", "-o", out).status == 0
    result = ninepic("bib", "1234", "7", "-j", "1", "--name", "{filename}", "-o", out, "--json")
    assert result.status == 5, result.err
    assert [line["image_id"] for line in result.photos("failed")] == ids[:1]
    assert "4 downloaded" in result.err
    assert "4 already there, 1 failed" in result.err
    assert whole(box.world, out) == set(ids[1:])


def test_photos_that_are_moved_away(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """Whoever takes photos out of the folder during the run is told so: not everything is where it was asked for."""
    out, inbox = tmp_path / "out", tmp_path / "inbox"
    serve(sandbox, lambda: (out / "1234").rename(inbox))
    result = ninepic("bib", "1234", "7", "-j", "1", *BY_BIB, "-o", out)
    assert result.status == 5
    assert "removed or moved during the run" in result.err
    assert len(list(inbox.iterdir())) == 5


@pytest.mark.parametrize("command", ["images", "all"])
@pytest.mark.parametrize("spread", [[], ["--spread"]], ids=["flat", "spread"])
def test_by_their_ids(ninepic: Ninepic, sandbox: Start, tmp_path: Path, command: str, spread: list[str]) -> None:
    """Where photos are asked for by their ids, or as an event, the list has the ids of those that are gone."""
    out, left = tmp_path / "out", tmp_path / "left.txt"
    world = World.generate(photos=6, size=3000)
    ids = list(world.photos)
    box = sandbox(world)
    order = ids if command == "images" else world.timeline.ids
    lost = order[0]
    box.faults = [Fault(path=order[-1], action=lambda _: next(out.rglob(f"{lost}.jpg")).unlink())]
    given = ids if command == "images" else []
    result = ninepic(command, *given, *spread, "-j", "1", "-o", out, "--failed-to", left)
    assert (result.status, left.read_text()) == (5, f"{lost}\n"), result.err
    box.faults = []
    assert ninepic("images", "--from-file", left, *spread, "-o", out).status == 0
    assert whole(world, out) == set(ids)


@pytest.mark.parametrize("put", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere")])
def test_something_else_in_its_place(
    ninepic: Ninepic, sandbox: Start, tmp_path: Path, put: Callable[[Path], object]
) -> None:
    """A photo whose name leads to no file any more is gone as well."""
    out = tmp_path / "out"
    lost: list[Path] = []

    def replace() -> None:
        lost[0].unlink()
        put(lost[0])

    _, ids = serve(sandbox, replace)
    lost.append(out / f"{ids[0]}.jpg")
    result = ninepic("bib", "1234", "7", "-j", "1", "-o", out, "--json")
    assert (result.status, [line["image_id"] for line in result.photos("failed")]) == (5, [ids[0]]), result.err


def test_a_link_that_leads_to_it(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """A photo that was moved, and a link to it left in its place, is still there."""
    out, kept = tmp_path / "out", tmp_path / "kept.jpg"
    moved: list[Path] = []

    def move() -> None:
        moved[0].replace(kept)
        moved[0].symlink_to(kept)

    _, ids = serve(sandbox, move)
    moved.append(out / f"{ids[0]}.jpg")
    assert ninepic("bib", "1234", "7", "-j", "1", "-o", out).status == 0
    assert moved[0].is_symlink()


def test_a_zip_of_one_bib(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """A bib's own ZIP that goes away during the run is told: 5, and the bib is to be asked for again."""
    left, first = tmp_path / "left.txt", tmp_path / "1234.zip"

    def remove() -> None:
        until(first.exists)
        first.unlink()

    serve(sandbox, remove)
    call = ("bib", "1234", "7", "-j", "1", "--zip", tmp_path / "{identifier}.zip", "--failed-to", left, "--json")
    result = ninepic(*call)
    assert (result.status, left.read_text()) == (5, "1234\n"), result.err
    assert f"failed: bib 1234: removed or moved during the run: {first}"[:190] in result.err
    bibs = {line["identifier"]: line for line in result.json if line["type"] == "identifier"}
    assert [(bibs[bib]["status"], bibs[bib]["code"]) for bib in ("1234", "7")] == [("failed", "gone"), ("done", None)]
    assert [path.name for path in tmp_path.glob("*.zip")] == ["7.zip"]


def test_zips_and_dry_runs_put_nothing_there(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """A run into a ZIP, and a dry run, leave no photos in a folder that could be missed."""
    _, ids = serve(sandbox, lambda: None)
    assert ninepic("bib", "1234", "7", "--zip", tmp_path / "a.zip").status == 0
    assert ninepic("bib", "1234", "7", "-o", tmp_path / "out", "--dry-run").out.count("\n") == len(ids)
