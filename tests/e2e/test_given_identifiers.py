"""What people give in place of an identifier: a photo's file name, a link, a picture, bibs in one word."""

import pytest

from ninepic_cli.filesystem.filenames import photo_name
from ninepic_cli.inputs.identifiers import image_id
from ninepic_cli.sandbox import World
from tests.support.command import Ninepic, Start

ID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
UPPER = ID.upper()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (ID, ID),
        (f"{ID}.jpg", ID),
        (f"{ID} (1).JPEG", ID),
        (f"IMG_0001-{ID}.jpg", ID),
        (f"photos/7/IMG-0001-{ID}.heic", ID),
        (f"C:\\photos\\{ID}.jpg", ID),
        (f"https://x.r2.example/b/imgs/456/large/{ID}.jpg?X-Amz-Signature=ab/cd.jpg", ID),
        (f"https://photos.example/{ID}#top", ID),
        (f"https://photos.example/a%2F{ID}%2Ejpg", ID),
        ("img-1", "img-1"),
        ("img-1.jpg", "img-1"),
        ("img-a123456789.jpg", "img-a123456789"),
        ("a/b", "a/b"),
        ("https://photos.example/", ""),
        ("https://photos.example", ""),
    ],
)
def test_an_id_is_found(text: str, found: str) -> None:
    """The id is what a file's name, a path or a link ends in; what is none of these is an id."""
    assert image_id(text) == found


@pytest.mark.parametrize("own", [ID, UPPER, "ABC", "img-1"])
@pytest.mark.parametrize("filename", ["", "IMG_0001.JPG", "Ann & Bo.jpg"])
def test_names_on_the_disk_lead_back(own: str, filename: str) -> None:
    """A name that a photo has on the disk has its id in it, unless the id has no shape to be cut out by."""
    name = photo_name(image_id=own, filename=filename, extension=".jpg")
    if not filename or own in {ID, UPPER}:
        assert image_id(name) == own


@pytest.mark.parametrize("command", ["image", "images"])
@pytest.mark.parametrize("form", ["{}.jpg", "IMG_0001-{}.jpg", "https://s.example/imgs/{}.jpg?X-Amz-Signature=5ecret"])
def test_the_id_alone_is_used(ninepic: Ninepic, sandbox: Start, command: str, form: str) -> None:
    """A photo's file name or a link to it asks for the photo; of a link nothing else is shown or used."""
    box = sandbox(World.generate(photos=3, size=20_000))
    own = next(iter(box.world.photos))
    result = ninepic(command, form.format(own), "-v", "--json", "-o", "photos")
    assert result.status == 0, result.err
    assert [line["image_id"] for line in result.photos("downloaded")] == [own]
    assert result.photos("downloaded")[0]["identifier"] == own
    assert "5ecret" not in result.err + result.out
    unknown = ninepic(command, form.format("nobody"), "-v", "--json")
    assert (unknown.status, "5ecret" in unknown.err + unknown.out) == (4, False)


@pytest.mark.parametrize("text", ["{}.jpg\nIMG-{}.jpg\n", "https://s.example/{}.jpg?a=1;b,c\n", "file;id\n;{}.jpg\n"])
def test_lists_of_files_and_links(ninepic: Ninepic, sandbox: Start, text: str) -> None:
    """A list of file names or links, and a column of them, is a list of ids."""
    box = sandbox(World.generate(photos=3, size=20_000))
    own = next(iter(box.world.photos))
    (ninepic.home / "list.txt").write_text(text.replace("{}", own))
    column = ["--column", "id"] if "id" in text.split() or ";id" in text else []
    result = ninepic("images", "--from-file", "list.txt", *column, "--failed-to", "list2.txt", "--json")
    assert (result.status, len(result.photos("downloaded"))) == (0, 1), result.err


@pytest.mark.parametrize(
    ("args", "words", "hidden"),
    [
        (["images", "https://s.example/?X-Amz-Signature=5ecret"], "no photo's id is in this link", "5ecret"),
        (["bib", "https://s.example/7?X-Amz-Signature=5ecret"], "a link is not an identifier", "5ecret"),
        (["selfie", "--from-file", "links.txt"], "links.txt, line 2: a link is not an identifier", "5ecret"),
        (["bib", "12,34"], "several bibs stand spaces", "\0"),
        (["images", f"{ID},{UPPER}"], "several image ids stand spaces", "\0"),
        (["images", f"a-{ID}.jpg,b-{UPPER}.jpg"], "names several photos", "\0"),
        (["image", f"a-{ID}.jpg, b.jpg"], "names several photos", "\0"),
        (["images", "--from-file", "pairs.csv", "--column", "photo"], "pairs.csv, line 2: 'a-", "\0"),
        (["bib", "7\uff0c8"], "'7,8' is not one bib", "\0"),
        (["selfie", f"{ID},{UPPER}"], "several request ids stand spaces", "\0"),
        (["images", "--from-file", "pairs.txt"], "pairs.txt, line 1: 'a-", "\0"),
        (["bib", "7 https://s.example/7?X-Amz-Signature=5ecret"], "a link is not an identifier", "5ecret"),
        (["bib", "--from-file", "rows.txt"], "rows.txt, line 1: a link is not", "5ecret"),
        (["images", "--from-file", "rows.txt"], "rows.txt, line 1: a link is not", "5ecret"),
        (["bib", "7", "#34"], "give the number alone", "\0"),
        (["bib", "\uff037"], "there is a # in it", "\0"),
        (["selfie", "me.jpg"], "me.jpg is a picture", "\0"),
        (["bib", "me.jpg"], "me.jpg is a picture", "\0"),
    ],
)
def test_what_is_something_else_is_said(
    ninepic: Ninepic, sandbox: Start, args: list[str], words: str, hidden: str
) -> None:
    """A link, a picture, a comma and a # are usage errors that say what is wanted; a link is not shown."""
    box = sandbox(World.generate(photos=3, size=20_000))
    (ninepic.home / "me.jpg").write_bytes(b"\xff\xd8\xff\xd9")
    (ninepic.home / "pairs.txt").write_text(f"a-{ID}.jpg,b-{UPPER}.jpg\n")
    (ninepic.home / "pairs.csv").write_text(f'photo,bib\n"a-{ID}.jpg,b-{UPPER}.jpg",7\n')
    (ninepic.home / "rows.txt").write_text("7,https://s.example/a.jpg?X-Amz-Signature=5ecret\n")
    (ninepic.home / "links.txt").write_text("a\nhttps://s.example/?X-Amz-Signature=5ecret\n")
    result = ninepic(*args)
    assert (result.status, words in result.err, box.requests) == (2, True, [])
    assert hidden not in result.err


def test_what_looks_alike_and_is_none(ninepic: Ninepic, sandbox: Start) -> None:
    """A bib named like a picture that is not there is a bib; a list may have bibs with a # in them."""
    sandbox(World.generate(photos=3, size=20_000))
    (ninepic.home / "start.csv").write_text("bib;x\n#7;\n")
    assert ninepic("bib", "me.jpg").status == 4
    assert ninepic("images", "Ann, Bo-" + ID + ".jpg", "https://s.example/a.jpg?b,c.jpg").status == 4
    assert ninepic("bib", "--from-file", "start.csv", "--column", "bib").status == 4
