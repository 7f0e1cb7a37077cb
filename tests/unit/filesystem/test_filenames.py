"""Names for photos and folders, out of whatever the service sends."""

import re
import unicodedata

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from ninepic_cli.filesystem.filenames import folder_name, photo_name, sanitize, truncate
from ninepic_cli.filesystem.template import Template
from tests.support.filenames import flaws

ID = "0b1f0c1e-2222-4333-8444-555566667777"
OTHER_ID = "9e107d9d-372b-4826-81d3-542a419d6aaa"

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


class TestReserved:
    """Names that Windows takes for devices."""

    @pytest.mark.parametrize("device", ["CON", "con", "Aux", "LPT1", "COM\u00b2", "CONIN$"])
    @pytest.mark.parametrize("rest", [" .x", "  .x", ".x", " .tar.x"])
    def test_spaces_before_the_dot_do_not_hide_them(self, device: str, rest: str) -> None:
        """Windows drops spaces before the first dot, so `CON .x` is the console as well, in any name of ours."""
        assert photo_name(image_id=ID, filename=f"{device}{rest}.jpg", extension="").startswith(f"_{device}")
        assert folder_name(f"{device}{rest}").startswith(f"_{device}")
        values: dict[str, str | int] = {"filename": "x", "stem": "a", "ext": "", "image_id": "a", "identifier": "a"}
        parts = Template(f"{device}{rest}" + "{stem}").parts({**values, "method": "bib", "event": 1, "index": 1}, {})
        assert parts == [f"_{device}{rest}a"]

    @pytest.mark.parametrize("image_id", [ID, "a" * 128, "写" * 300])
    @pytest.mark.parametrize("letter", ["x", "é", "写"])
    def test_at_the_limit(self, image_id: str, letter: str) -> None:
        """With the `_` in front of it a name has still 255 bytes at most, and all that fit."""
        name = photo_name(image_id=image_id, filename=f"CON.{letter * 300}.jpg", extension="")
        assert name.startswith("_CON.")
        assert 255 - len(letter.encode()) < len(name.encode()) <= 255
        folder = folder_name(f"CON.{letter * 300}")
        assert folder.startswith("_CON.")
        assert len(folder.encode()) <= 255
        template = Template(f"CON.{letter * 80}" + "{image_id}" * 4)
        values: dict[str, str | int] = {"filename": "x", "stem": "a", "ext": "", "image_id": "b" * 60}
        (part,) = template.parts({**values, "identifier": "a", "method": "bib", "event": 1, "index": 1}, {})
        assert (part[:5], len(part.encode()) <= 255) == ("_CON.", True)
