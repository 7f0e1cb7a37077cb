"""Images that are there already are asked about only where their format does not say whether they are whole."""

import os
from pathlib import Path

import pytest

from ninepic_cli.sandbox import Sandbox, StoredPhoto, World
from tests.support.command import Ninepic, Start
from tests.support.images import AVIF, HEIC, JPEG, PNG, VIDEO, WEBP, WHOLE


def has_attributes(folder: Path) -> bool:
    """Whether the file system has extended attributes."""
    try:
        os.setxattr(folder, "user.test", b"")
    except (OSError, AttributeError):
        return False
    return True


def served(sandbox: Start, bodies: list[bytes]) -> Sandbox:
    """A service whose photos are called .jpg and are these files."""
    photos = {f"p{number}": StoredPhoto(f"p{number}", body=body) for number, body in enumerate(bodies)}
    return sandbox(World(photos=photos, bibs={"7": list(photos)}))


def test_formats_that_are_known_are_not_asked_about(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """Motion photos, and HEIC, PNG and WebP called .jpg, are believed by the next run: the store hears nothing."""
    box = served(sandbox, [body + b"\0" * 5000 if body == JPEG else body for body in WHOLE.values()])
    assert ninepic("bib", "7", "-o", tmp_path / "out").status == 0
    box.requests.clear()
    result = ninepic("bib", "7", "-o", tmp_path / "out", "--json")
    assert (result.status, len(result.photos("skipped"))) == (0, len(WHOLE))
    assert box.requests_to("store") == []


def test_files_that_were_cut_are_fetched_again(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """A file of any of these formats that lacks its second half is asked about, and replaced."""
    bodies = [JPEG + VIDEO, HEIC, AVIF, PNG, WEBP]
    served(sandbox, bodies)
    out = tmp_path / "out"
    out.mkdir()
    for number, body in enumerate(bodies):
        (out / f"p{number}.jpg").write_bytes(body[: len(body) - 60])
    result = ninepic("bib", "7", "-o", out, "--json")
    assert len(result.photos("downloaded")) == len(bodies)
    assert [(out / f"p{number}.jpg").read_bytes() for number in range(len(bodies))] == bodies


def test_what_the_store_has_confirmed_is_not_asked_again(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """A photo of an unknown format that is called .jpg is asked about once, and again only when it was written to."""
    if not has_attributes(tmp_path):
        pytest.skip("needs a file system with extended attributes")
    box = served(sandbox, [b"GIF89a" + b"x" * 9000])
    path = tmp_path / "out" / "p0.jpg"
    asked = []
    for change in (False, False, False, True, False):
        if change:
            path.write_bytes(b"GIF89a" + b"y" * 9000)
        box.requests.clear()
        assert ninepic("bib", "7", "-o", tmp_path / "out").status == 0
        asked.append([request.status for request in box.requests_to("store")])
    assert asked == [[200], [304], [], [200], [304]]
    assert path.read_bytes() == box.world.photo_bytes("p0")
