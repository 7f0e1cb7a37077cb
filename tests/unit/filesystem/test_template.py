"""Name templates: what can be written, and that nothing that comes of them leaves the folder or hides a photo."""

import ntpath
import sys
import unicodedata
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ninepic_cli.errors import UsageError
from ninepic_cli.filesystem.template import BY_IDENTIFIER, FLAT, Naming, Template
from ninepic_cli.models import Method, Photo

ID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"


def photo(filename: str = "", *, image_id: str = ID, identifier: str = "A/12", index: int = 3) -> Photo:
    """A photo as the service lists it."""
    return Photo(image_id, filename, ".jpg", identifier, Method.BIB, index)


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("{filename}", f"IMG_1-{ID}.JPG"),
        ("{stem}{ext}", f"IMG_1-{ID}.JPG"),
        ("{event}/{method}/{identifier}/{index:04}-{filename}", f"456/bib/A_12-a7b3e2527e/0003-IMG_1-{ID}.JPG"),
        ("{image_id}{ext}", f"{ID}.JPG"),
        ("{index:>3}_{image_id:.8}_{stem}{ext}", f"  3_1b4e28ba_IMG_1-{ID}.JPG"),
        ("{{x}} {filename}", f"{{x}} IMG_1-{ID}.JPG"),
        ("{row[name]}/{row[club]:.4}-{filename}", f"Ann_ B/Cycl-IMG_1-{ID}.JPG"),
        ("{row[gone]}/{filename}", f"_/IMG_1-{ID}.JPG"),
        ("{row[gone]}-{filename}", f"IMG_1-{ID}.JPG"),
        ("{row[gone]}.{row[name]}/{row[gone]}.ninepic/{filename}", f"Ann_ B/ninepic/IMG_1-{ID}.JPG"),
    ],
)
def test_what_comes_of_a_template(template: str, path: str) -> None:
    """Each field stands for what is promised; formats are applied, folders made by the template's own slashes."""
    rows = {"A/12": {"name": "Ann/ B", "club": "Cyclones"}}
    naming = Naming(Template(template, columns=["name", "club", "gone"]), 456, rows)
    assert "/".join(naming.parts(photo("IMG_1.JPG"))) == path


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("", ": empty"),
        ("{foo}-{filename}", "unknown field {foo}"),
        ("{filename.upper}", "unknown field"),
        ("{0}{filename}", "unknown field"),
        ("{}{filename}", "unknown field"),
        ("{filename!r}", "invalid format for"),
        ("{filename:d}", "invalid format for"),
        ("{index:/>4}{filename}", "invalid format for"),
        ("{index:.>4}{filename}", "invalid format for"),
        ("{index:999}{filename}", "invalid format for"),
        ("{filename", "expected '}'"),
        ("}", "Single '}'"),
        ("{index}", "every photo would get the same name"),
        ("{stem:.8}{ext}", "every photo would get the same name"),
        ("{identifier}{ext}", "every photo would get the same name"),
        ("/x/{filename}", "empty directory name"),
        ("{identifier}/", "empty directory name"),
        ("a//{filename}", "empty directory name"),
        ("../{filename}", "leaves the target directory"),
        ("a/../{filename}", "leaves the target directory"),
        (".ninepic/{filename}", "makes a hidden file"),
        ("a\\{filename}", "is not allowed in file names"),
        ("C:{filename}", "is not allowed in file names"),
        ("{filename}\n", "is not allowed in file names"),
        ("{row[name]}-{filename}", "unknown column 'name'"),
    ],
)
def test_what_cannot_be_written(template: str, words: str) -> None:
    """A template that is wrong is refused with the reason and what would be right."""
    with pytest.raises(UsageError) as caught:
        Template(template)
    assert words in caught.value.message
    assert caught.value.hint


TEXTS = st.text(max_size=300) | st.sampled_from(["..", ".", "CON", "a" * 300, "\u202etxt", "x/../y", ".ninepic", ""])
TEMPLATES = [
    "{filename}",
    "{identifier}/{stem}{ext}",
    "{row[x]}{filename}",
    "{row[x]}-{filename}",
    "{row[x]}.ninepic/{row[x]}.{filename}",
    "{row[x]:.2}/{row[x]:>5}/{index}{image_id}{ext}",
    "{identifier:.3}-{row[x]}-{stem}-{identifier}{ext}",
]


@example(template="{filename}", filename=".ninepic", image_id="", identifier="", value="")
@given(template=st.sampled_from(TEMPLATES), filename=TEXTS, image_id=TEXTS, identifier=TEXTS, value=TEXTS)
def test_nothing_leaves_the_folder(template: str, filename: str, image_id: str, identifier: str, value: str) -> None:
    """Whatever the values are, the path stays below the folder and each part of it is a name that any system takes."""
    naming = Naming(Template(template, columns=["x"]), 1, {identifier: {"x": value}})
    parts = naming.parts(Photo(image_id, filename, ".jpg", identifier, Method.BIB, 1))
    assert len(parts) == template.count("/") + 1
    for part in parts:
        assert part not in {"", ".", "..", ".ninepic"}
        assert len(part.encode(errors="surrogatepass")) <= 255
        assert not set(part) & set('<>:"/\\|?*')
        assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs"} for char in part)
        assert part == part.rstrip(". ")
        assert not part.startswith((".", "-"))
        assert not is_reserved(part)
    assert ".." not in PurePosixPath(*parts).parts


def is_reserved(name: str) -> bool:
    """Whether Windows keeps the name for itself, as the standard library knows it."""
    if sys.version_info >= (3, 13):
        return ntpath.isreserved(name)
    return PureWindowsPath(name).is_reserved()


@given(one=TEXTS, other=TEXTS, filename=TEXTS, template=st.sampled_from(TEMPLATES))
def test_photos_are_told_apart(one: str, other: str, filename: str, template: str) -> None:
    """Two photos of one name, bib and place in the list get two paths, also where the file system ignores case."""
    naming = Naming(Template(template, columns=["x"]), 1, {})
    first, second = (naming.parts(photo(filename, image_id=image_id, identifier="7")) for image_id in (one, other))
    assert (one == other) == ([part.casefold() for part in first] == [part.casefold() for part in second])


def test_the_two_defaults() -> None:
    """Without a template photos lie in the folder, or in one of their own for each identifier."""
    assert Naming(FLAT).parts(photo("x.jpg", identifier="7")) == [f"x-{ID}.jpg"]
    assert Naming(BY_IDENTIFIER).parts(photo("x.jpg", identifier="7")) == ["7", f"x-{ID}.jpg"]


@pytest.mark.parametrize(
    "template",
    [
        "{filename}{index:099999999999}",
        "{filename}{index:256}",
        "{filename:>99999999999}",
        "{filename:x<300}",
        "{filename}{index:.99999999999f}",
        "{filename}{event:.300}",
        "{filename}{index:\uff19\uff19\uff19\uff19\uff19\uff19\uff19\uff19\uff19}",
        "{filename}{index:" + "9" * 5000 + "}",
        "{filename}{index:0" + "0" * 5000 + "300}",
    ],
    ids=lambda template: template[:40],
)
def test_a_width_that_no_name_has_is_refused(template: str) -> None:
    """A format that is wider than names can be is a usage error before it costs memory."""
    with pytest.raises(UsageError, match="--name"):
        Template(template)


@pytest.mark.parametrize("spec", ["index:0255", "index:0>9", "index:9>255", "index:04", "filename:>200", "event:x"])
def test_widths_that_names_have(spec: str) -> None:
    """Any other format is taken, also one that pads with a digit."""
    Template("{image_id}{" + spec + "}")
