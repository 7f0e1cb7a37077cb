"""Names for photos and folders, out of whatever the service sends."""

import os
import random
import re
import unicodedata
import uuid
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from ninepic_cli.filesystem.filenames import folder_name, photo_name, sanitize, truncate
from ninepic_cli.sandbox import Fault, StoredPhoto, World
from tests.support.command import Ninepic, Start

ID = "0b1f0c1e-2222-4333-8444-555566667777"
OTHER_ID = "9e107d9d-372b-4826-81d3-542a419d6aaa"
NOT_ON_WINDOWS = frozenset('<>:"/\\|?*')
DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
    + [f"{port}{digit}" for port in ("COM", "LPT") for digit in "0123456789¹²³"]
)
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

PIECES = [
    *("", ".", "-", "_", " ", "/", "\\", ":", "?", "\0", "\t", "\n", "\x1b[2J", "\x7f", "\x9b"),
    *("..", "\u00a0", "\u2003", "\u3000", "\u2028", "\u200b", "\u202e", "\u2066", "\ufeff", "\ud800", "\udfff"),
    *("e\u0301", "\u0301", "\u00e9", "\u00df", "ss", "\u0130", "i", "\ufb01", "\u212b", "\u1100\u1161", "\U0001f468"),
    *("CON", "nul", "Com1", "LPT\u00b9", "a", "A", "IMG_0001", "x" * 150, "\u5199" * 60, ".jpg", ".JPG", ".jpeg"),
    *(ID, ID.upper(), OTHER_ID, "-" + ID, "0123456789"),
]
TEXT = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=6).map("".join))
IDS = TEXT.filter(bool)
FILENAMES = st.one_of(TEXT, TEXT.map(lambda stem: f"{stem}.jpg"))


def name_of(filename: str, image_id: str = ID, extension: str = ".jpg") -> str:
    """The name of a photo that is suggested to be called so."""
    return photo_name(image_id=image_id, filename=filename, extension=extension)


def is_shaped(name: str, shape: str) -> bool:
    """Whether a name has a shape, in which `#` stands for the short hash that tells changed ids apart."""
    return bool(re.fullmatch(re.escape(shape).replace("\\#", "[0-9a-f]{8,16}"), name))


def flaws(name: str) -> list[str]:
    """What is wrong with a name, on any system."""
    checks = {
        "empty": not name,
        "not Unicode": any(unicodedata.category(char) == "Cs" for char in name),
        "too long": len(name.encode(errors="surrogatepass")) > 255,
        "not NFC": unicodedata.normalize("NFC", name) != name,
        "forbidden character": not NOT_ON_WINDOWS.isdisjoint(name),
        "unseen character": any(unicodedata.category(char) in UNSEEN for char in name),
        "leading dot or dash": name.startswith((".", "-")),
        "trailing dot or space": name.endswith((".", " ")),
        "way up": ".." in name,
        "device": name.partition(".")[0].strip().upper() in DEVICES,
        "not one component": len(Path(name).parts) != 1 or Path("folder", name).parent != Path("folder"),
    }
    return [flaw for flaw, is_there in checks.items() if is_there]


def same_file(name: str, other: str) -> bool:
    """Whether two names are one where the file system ignores case and composition."""
    return _folded(name) == _folded(other)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


class TestPhotoName:
    """A photo's own name."""

    @given(IDS, FILENAMES, TEXT)
    @example(ID, "\u3000.hidden.jpg", ".jpg")
    @example(ID, "\u2003-rf.jpg", ".jpg")
    @example(ID, "\u2003..\u2003.jpg", ".jpg")
    @example("\u3000.x", "", "")
    @example("x" * 300, "\u5199" * 100 + ".jpeg", "")
    @example("C\0ON", "C\0ON.jpg", ".jpg")
    @example("con", "con.jpg", ".jpg")
    @example("con.tar", "con.tar.jpg", ".jpg")
    def test_any_text_becomes_a_sound_name(self, image_id: str, filename: str, extension: str) -> None:
        """Whatever the service sends, the name is one plain component that every system takes."""
        assert flaws(name_of(filename, image_id, extension)) == []

    @given(IDS, TEXT, st.sampled_from([".jpg", ".JPG", ".jpeg", ".png", ".HEIC", ".CR3"]))
    def test_the_suggested_extension_stays(self, image_id: str, stem: str, extension: str) -> None:
        """The suggestion's extension is kept as it is, however long the rest."""
        assert name_of(stem + extension, image_id, ".jpg").endswith(extension)

    @given(IDS, FILENAMES, IDS, FILENAMES)
    @example("a", "x-b.jpg", "b-a", "x.jpg")
    @example(ID, "x.jpg", f"x-{ID}", f"x-{ID}.jpg")
    @example("dsc1", "dsc1.jpg", "DSC1", "DSC1.jpg")
    @example("stra\u00dfe", "", "strasse", "")
    @example("\u00e9", "", "e\u0301", "")
    def test_two_photos_never_share_a_name(self, image_id: str, filename: str, other_id: str, other: str) -> None:
        """Different image ids give different files, also where the file system ignores case."""
        assume(image_id != other_id)
        assert not same_file(name_of(filename, image_id), name_of(other, other_id))

    @given(IDS, FILENAMES, FILENAMES)
    @example("Foo", "", "")
    @example("A/12", "", "")
    @example("A/12", "holiday.jpg", "")
    @example("con", "con.jpg", "")
    def test_a_photo_cannot_take_the_name_of_another(self, image_id: str, filename: str, other: str) -> None:
        """A photo whose id is what another one is called gets another name than that one."""
        name = name_of(filename, image_id)
        rival = name.rpartition(".")[0]
        assume(rival != image_id)
        assert not same_file(name_of(f"{rival}.jpg", rival), name)
        assert not same_file(name_of(other, rival), name)

    @pytest.mark.parametrize(
        ("image_id", "filename", "extension", "name"),
        [
            (ID, f"{ID}.jpg", ".jpg", f"{ID}.jpg"),
            (ID, f"{ID}.JPG", ".jpg", f"{ID}.JPG"),
            ("photo7", "photo7.png", ".jpg", "photo7.png"),
            (ID, "IMG_0001.jpg", ".jpg", f"IMG_0001-{ID}.jpg"),
            (ID, "IMG_0001.JPG", ".jpg", f"IMG_0001-{ID}.JPG"),
            (ID, "IMG_0001", ".png", f"IMG_0001-{ID}.png"),
            (ID, "", ".webp", f"{ID}.webp"),
            (ID, "", "", f"{ID}.jpg"),
            (ID, "IMG [final].jpg", ".jpg", f"IMG [final]-{ID}.jpg"),
            (ID, "\u5199\u771f.jpg", ".jpg", f"\u5199\u771f-{ID}.jpg"),
            (ID, "e\u0301.jpg", ".jpg", f"\u00e9-{ID}.jpg"),
            (ID.upper(), f"{ID.upper()}.jpg", ".jpg", f"{ID.upper()}-#.jpg"),
            ("A/12", "A/12.jpg", ".jpg", "A_12-#.jpg"),
        ],
    )
    def test_names_have_these_shapes(self, image_id: str, filename: str, extension: str, name: str) -> None:
        """`<id>.<ext>` is used as it is, any other name gets the id, and an id that may clash gets a hash."""
        assert is_shaped(photo_name(image_id=image_id, filename=filename, extension=extension), name)

    @pytest.mark.parametrize(
        ("filename", "name"),
        [
            ("a:b?.jpg", f"a_b_-{ID}.jpg"),
            ("CON.jpg", f"CON-{ID}.jpg"),
            ("CON.tar.jpg", f"_CON.tar-{ID}.jpg"),
            ("x .jpg.", f"x-{ID}.jpg"),
            ("a\tb.jpg", f"ab-{ID}.jpg"),
            ("a\nb.jpg", f"ab-{ID}.jpg"),
            ("a\0b.jpg", f"ab-{ID}.jpg"),
            ("", f"{ID}.jpg"),
            (".", f"{ID}.jpg"),
            ("..", f"{ID}.jpg"),
            (".jpg", f"{ID}.jpg"),
            (".hidden.jpg", f"hidden-{ID}.jpg"),
            ("-rf.jpg", f"rf-{ID}.jpg"),
            ("../../evil.jpg", f"_._evil-{ID}.jpg"),
            ("/tmp/evil.jpg", f"_tmp_evil-{ID}.jpg"),  # noqa: S108 (a name, not a place)
            ("..\\..\\evil.jpg", f"_._evil-{ID}.jpg"),
            ("C:\\evil.jpg", f"C__evil-{ID}.jpg"),
            ("\u202egpj.exe", f"gpj-{ID}.exe"),
            ("\x1b[2Jx.jpg", f"[2Jx-{ID}.jpg"),
        ],
    )
    def test_evil_suggestions_are_defused(self, filename: str, name: str) -> None:
        """What could leave the folder, hide, or move a cursor is taken out, and the rest stays readable."""
        assert name_of(filename) == name

    def test_the_link_s_extension_is_used_only_where_it_is_one(self) -> None:
        """An extension from a link that holds anything but letters and digits is not taken over."""
        assert name_of("", extension="./../x") == f"{ID}.jpg"


class TestFolderName:
    """The folder of a bib or a face search."""

    @given(IDS)
    @example("\u3000.x")
    @example("\u2003-x")
    @example("x" * 300)
    @example(".ninepic")
    def test_any_identifier_becomes_a_sound_name(self, identifier: str) -> None:
        """Whatever a bib looks like, its folder is one plain component that every system takes."""
        assert flaws(folder_name(identifier)) == []

    @given(IDS, IDS)
    @example("A/12", "A_12")
    @example("12 B", "12\u00a0B")
    @example("x" * 300, "x" * 301)
    @example("7", "7.")
    def test_two_identifiers_never_share_a_folder(self, identifier: str, other: str) -> None:
        """Two runners' folders never merge; bibs that differ only in case are one bib to the service."""
        assume(_folded(identifier) != _folded(other))
        assert not same_file(folder_name(identifier), folder_name(other))

    @given(IDS)
    @example("A/12")
    @example("7.")
    def test_an_identifier_cannot_take_the_folder_of_another(self, identifier: str) -> None:
        """A bib that reads like another one's folder has a folder of its own."""
        name = folder_name(identifier)
        assume(_folded(name) != _folded(identifier))
        assert not same_file(folder_name(name), name)

    @pytest.mark.parametrize(
        ("identifier", "name"),
        [
            ("1234", "1234"),
            ("0042", "0042"),
            ("A12", "A12"),
            ("12 B", "12 B"),
            (ID, ID),
            ("A/12", "A_12-#"),
            ("..", "_-#"),
            ("CON", "_CON-#"),
            ("-5", "5-#"),
        ],
    )
    def test_folders_have_these_shapes(self, identifier: str, name: str) -> None:
        """A harmless identifier is its folder's name, and one that had to be changed gets a hash."""
        assert is_shaped(folder_name(identifier), name)


@given(TEXT)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    """What was cleaned is clean."""
    assert sanitize(sanitize(text)) == sanitize(text)


@given(TEXT.map(sanitize), st.integers(0, 300))
@example("ab-cd", 3)
@example("ab .cd", 4)
def test_a_cut_never_leaves_half_a_character(text: str, limit: int) -> None:
    """A cut text is a beginning of it and fits, and what joined it to the rest goes as well."""
    short = truncate(text, limit)
    assert len(short.encode()) <= limit
    assert text.startswith(short)
    assert short == text or not short.endswith((".", " ", "-"))


# Through the command, against the service.


def image_id(number: int) -> str:
    """An image id as the service has them."""
    return str(uuid.UUID(int=number * 0x1_0000_0001_0000_0001, version=4))


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
