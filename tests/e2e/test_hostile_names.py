"""Names that the service sends, kind or hostile: each photo is a file of its own, and none leaves the folder."""

import os
import random
import uuid
from pathlib import Path

from ninepic_cli.sandbox import Fault, StoredPhoto, World
from tests.support.command import Ninepic, Start
from tests.support.filenames import flaws, image_id


def named(*filenames: str) -> World:
    """A world whose bib 7 has photos with these suggested names."""
    ids = [image_id(number) for number in range(1, len(filenames) + 1)]
    photos = {each: StoredPhoto(each, 4000, filename) for each, filename in zip(ids, filenames, strict=True)}
    return World(photos=photos, bibs={"7": ids})


def tree(folder: Path) -> dict[str, bytes | str]:
    """Everything below a folder: files with their bytes, links with their targets."""
    return {
        str(path.relative_to(folder)): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def ids_by_name(world: World, folder: Path) -> dict[str, str]:
    """Which photo each file in the folder holds, by its bytes."""
    by_bytes = {world.photo_bytes(each): each for each in world.photos}
    return {name: by_bytes[data] for name, data in tree(folder).items() if isinstance(data, bytes)}


def test_photos_of_one_name_are_as_many_files(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """Four photos called alike are four files, the same in reverse order and after a fifth has come."""
    world = named(*["IMG_0001.JPG"] * 5)
    ids = world.bibs["7"]
    fifth = ids.pop()
    box = sandbox(world)
    out, backwards = tmp_path / "out", tmp_path / "backwards"
    expected = {f"IMG_0001-{each}.JPG": each for each in ids}

    assert ninepic("bib", "7", "-o", out).status == 0
    assert ids_by_name(world, out) == expected
    world.bibs["7"] = ids[::-1]
    assert ninepic("bib", "7", "-o", backwards).status == 0
    assert ids_by_name(world, backwards) == expected

    world.bibs["7"] = [fifth, *ids[::-1]]
    asked = len(box.requests_to("store"))
    assert ninepic("bib", "7", "-o", out).status == 0
    assert ids_by_name(world, out) == expected | {f"IMG_0001-{fifth}.JPG": fifth}
    assert len(box.requests_to("store")) == asked + 1


def test_racing_workers_keep_photos_of_one_name_apart(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """A hundred photos of one name and sixteen workers make a hundred files with the right bytes."""
    world = named(*["IMG_0001.JPG"] * 100)
    random.Random(1).shuffle(world.bibs["7"])
    sandbox(world)
    assert ninepic("bib", "7", "-o", tmp_path / "out", "-j", "16").status == 0
    assert ids_by_name(world, tmp_path / "out") == {f"IMG_0001-{each}.JPG": each for each in world.photos}


def test_names_that_differ_in_case_are_two_files(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """Names and ids that differ only in case give names that differ in more than case."""
    world = named("DSC1.JPG", "dsc1.jpg", "x.jpg")
    twins = ["abcdef00-0000-4000-8000-000000000001", "ABCDEF00-0000-4000-8000-000000000001"]
    world.photos |= {each: StoredPhoto(each, 4000) for each in twins}
    world.bibs["7"] += twins
    sandbox(world)
    assert ninepic("bib", "7", "-o", tmp_path / "out").status == 0
    found = ids_by_name(world, tmp_path / "out")
    assert sorted(found.values()) == sorted(world.photos)
    assert len({name.casefold() for name in found}) == 5


def test_evil_names_stay_in_the_folder(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """Names that point elsewhere or cannot be names become harmless files in the folder, and nothing else changes."""
    marker = f"evil-{uuid.uuid4()}"
    names = ["a:b?.jpg", "CON.jpg", "x .jpg.", "a\tb.jpg", "a\nb.jpg", "a\0b.jpg", "", ".", ".hidden.jpg", "-rf.jpg"]
    absolute = Path("/tmp", f"{marker}.jpg")  # noqa: S108 (where the photo must not go)
    paths = [f"../../{marker}.jpg", str(absolute), f"..\\..\\{marker}.jpg", f"C:\\{marker}.jpg", ".."]
    markup = [
        "IMG [final].jpg",
        "[red]x.jpg",
        "IMG[/b].jpg",
        "\x1b[2J\x1b]0;x\x07.jpg",
        "\u3000.dot.jpg",
        "\u3000-dash.jpg",
    ]
    world = named(*names, *paths, *markup)
    sandbox(world)
    out = tmp_path / "in" / "out"
    (tmp_path / "in").mkdir()
    before = tree(tmp_path)

    result = ninepic("bib", "7", "-o", out, "-v")

    assert result.status == 0, result.err
    found = ids_by_name(world, out)
    assert sorted(found.values()) == sorted(world.photos)
    assert {name: flaws(name) for name in found if flaws(name)} == {}
    assert {name: data for name, data in tree(tmp_path).items() if not name.startswith("in/out/")} == before
    assert not absolute.exists()
    assert "\x1b" not in result.err
    assert "\x07" not in result.err


def test_evil_ids_stay_in_the_folder(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """An image id in a link's path, and a bib, that point elsewhere do not leave the folder either."""
    keys = {"a": "imgs/456/large/..\\..\\up.jpg", "b": "imgs/456/large/\x1b[2J.jpg", "c": "imgs/456/large/..jpg"}
    photos = {each: StoredPhoto(each, 4000, "", link_path=key) for each, key in keys.items()}
    world = World(photos=photos, bibs={"../../up": ["a", "b"], "..": ["c"]})
    sandbox(world)
    out = tmp_path / "in" / "out"
    result = ninepic("bib", "../../up", "..", "-o", out)
    assert (result.status, "\x1b" in result.err) == (0, False), result.err
    found = ids_by_name(world, out)
    assert sorted(found.values()) == ["a", "b", "c"]
    assert [part for name in found for part in Path(name).parts if flaws(part)] == []
    assert {path.name for path in tmp_path.iterdir()} == {"home", "in"}
    assert {path.name for path in (tmp_path / "in").iterdir()} == {"out"}


def test_links_and_folders_in_the_way_are_left_alone(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """A link or a folder under a final name costs that photo alone, and nothing is written through it."""
    world = named("to-file.jpg", "to-nothing.jpg", "folder.jpg", "good.jpg")
    sandbox(world)
    out, outside = tmp_path / "out", tmp_path / "outside"
    out.mkdir()
    outside.mkdir()
    (outside / "kept.txt").write_text("kept")
    paths = [
        out / f"{stem}-{each}.jpg"
        for stem, each in zip(("to-file", "to-nothing", "folder"), world.bibs["7"], strict=False)
    ]
    paths[0].symlink_to(outside / "kept.txt")
    paths[1].symlink_to(outside / "made.jpg")
    paths[2].mkdir()
    before = tree(tmp_path)

    for existing in ("skip", "verify", "overwrite"):
        result = ninepic("bib", "7", "-o", out, "--existing", existing, "--json")
        assert result.status == 7, result.err
        assert sorted(photo["path"] for photo in result.photos("failed")) == sorted(map(str, paths))
        assert {photo["code"] for photo in result.photos("failed")} == {"name_blocked"}
        good = out / f"good-{world.bibs['7'][3]}.jpg"
        assert good.read_bytes() == world.photo_bytes(world.bibs["7"][3])
        assert tree(tmp_path) == before | {str(good.relative_to(tmp_path)): good.read_bytes()}


def test_a_link_in_place_of_an_identifier_s_folder_is_not_followed(
    ninepic: Ninepic, sandbox: Start, tmp_path: Path
) -> None:
    """A bib's folder that is a link to elsewhere, or a file, costs that bib alone."""
    world = named("a.jpg", "b.jpg", "c.jpg")
    world.bibs = dict(zip(("7", "8", "9"), ([each] for each in world.photos), strict=True))
    sandbox(world)
    out, outside = tmp_path / "out", tmp_path / "outside"
    out.mkdir()
    outside.mkdir()
    (out / "7").symlink_to(outside)
    (out / "8").write_text("a file")
    result = ninepic("bib", "7", "8", "9", "--folders", "-o", out, "--json")
    assert result.status == 7, result.err
    assert [photo["identifier"] for photo in result.photos("downloaded")] == ["9"]
    assert sorted(photo["identifier"] for photo in result.photos("failed")) == ["7", "8"]
    assert tree(outside) == {}
    assert (out / "8").read_text() == "a file"


def test_a_link_in_place_of_the_partials_folder_is_not_followed(
    ninepic: Ninepic, sandbox: Start, tmp_path: Path
) -> None:
    """Partials go nowhere else, and nothing elsewhere is swept, where a link stands for their folder."""
    world = named("a.jpg")
    sandbox(world, faults=[Fault(cut_after=0.5)])
    out, outside = tmp_path / "out", tmp_path / "outside"
    out.mkdir()
    outside.mkdir()
    (outside / "somebody-elses.part").write_text("old")
    os.utime(outside / "somebody-elses.part", (1_600_000_000, 1_600_000_000))
    (out / ".ninepic").symlink_to(outside)
    result = ninepic("bib", "7", "-o", out, "--retries", "0")
    assert result.status in {5, 7}, result.err
    assert tree(outside) == {"somebody-elses.part": b"old"}


def test_what_the_service_says_does_nothing_to_a_terminal(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """Escape sequences and markup in names and messages of the service arrive as text, in words and in JSON."""
    evil = "\x1b[2J\x9b31m[red]\u202e\r\nno"

    def spoil(payload: dict[str, object]) -> None:
        payload["message"] = evil
        data = payload["data"]
        if isinstance(data, dict):
            data["failed_urls"] = [{"image_id": f"{evil}{number}", "error": evil, "path": None} for number in range(3)]

    world = named(evil + ".jpg", "good.jpg")
    world.photos[world.bibs["7"][1]].has_object = False
    box = sandbox(world, faults=[Fault("api", mutate=spoil)])
    for args in (["bib", "7", "-v"], ["bib", "7", "--json"], ["bib", "7", "--dry-run"]):
        result = ninepic(*args, "-o", tmp_path / "out")
        assert result.status == 4, result.err
        assert _sendable(result.out + result.err)
    assert "[red]" in result.err
    box.faults = [Fault("api", status=422, mutate=spoil)]
    result = ninepic("bib", "7", "-o", tmp_path / "out")
    assert (result.status, _sendable(result.err), "[red]" in result.err) == (2, True, True)


def _sendable(text: str) -> bool:
    return all(char.isprintable() or char == "\n" for char in text)
