"""What people give in place of an identifier: a photo's file name, a link, a picture, bibs in one word."""

import pytest

from ninepic_cli.sandbox import World
from tests.support.command import Ninepic, Start

ID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
UPPER = ID.upper()
LINK = "https://s.example/a.jpg?X-Amz-Credential=k&X-Amz-Signature=5ecret"


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
        (["images", "https://s.example/?X-Amz-Signature=5ecret"], "no image ID in this link", "5ecret"),
        (["bib", "https://s.example/7?X-Amz-Signature=5ecret"], "a link is not a bib", "5ecret"),
        (["selfie", "--from-file", "links.txt"], "links.txt, line 2: a link is not a request ID", "5ecret"),
        (["bib", "12,34"], "separate bibs with spaces", "\0"),
        (["images", f"{ID},{UPPER}"], "separate image IDs with spaces", "\0"),
        (["images", f"a-{ID}.jpg,b-{UPPER}.jpg"], "names several photos", "\0"),
        (["image", f"a-{ID}.jpg, b.jpg"], "names several photos", "\0"),
        (["images", "--from-file", "pairs.csv", "--column", "photo"], "pairs.csv, line 2: 'a-", "\0"),
        (["bib", "7\uff0c8"], "invalid bib '7,8': contains a comma", "\0"),
        (["bib", "7;8"], "invalid bib '7;8': contains a semicolon", "\0"),
        (["selfie", f"{ID},{UPPER}"], "separate request IDs with spaces", "\0"),
        (["images", "--from-file", "pairs.txt"], "pairs.txt, line 1: 'a-", "\0"),
        (["bib", "7 https://s.example/7?X-Amz-Signature=5ecret"], "a link is not a bib", "5ecret"),
        (["bib", "--from-file", "rows.txt"], "rows.txt, line 1: a link is not", "5ecret"),
        (["images", "--from-file", "rows.txt"], "rows.txt, line 1: a link is not", "5ecret"),
        (["bib", "7", "#34"], "give only the number", "\0"),
        (["bib", "\uff037"], "contains a #", "\0"),
        (["selfie", "me.jpg"], "me.jpg is a picture", "\0"),
        (["bib", "me.jpg"], "me.jpg is a picture", "\0"),
        (["selfie", "--from-file", "me.jpg"], "me.jpg: a picture, not a list", "\0"),
        (["bib", "a start.xlsx"], "--from-file 'a start.csv' --column NAME", "\0"),
        (["12,34"], "ninepic bib 12 34", "\0"),
        ([f"a-{ID}.jpg"], f"ninepic image a-{ID}.jpg", "\0"),
        ([LINK], "for the photo of a link, run: ninepic image", "5ecret"),
        (["image", "a", LINK], "image takes one image ID", "5ecret"),
        (["all", LINK], "https://s.example/a.jpg", "5ecret"),
    ],
)
def test_what_is_something_else_is_said(
    ninepic: Ninepic, sandbox: Start, args: list[str], words: str, hidden: str
) -> None:
    """A link, a picture, a comma and a # are usage errors that say what is wanted; a link is not shown."""
    box = sandbox(World.generate(photos=3, size=20_000))
    (ninepic.home / "me.jpg").write_bytes(b"\xff\xd8\xff\xd9")
    (ninepic.home / "a start.xlsx").touch()
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
