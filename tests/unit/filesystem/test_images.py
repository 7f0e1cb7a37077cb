"""Images are told whole from cut by what their formats say, and asked about only where that is not known."""

import io
import os
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninepic_cli.filesystem.images import is_complete
from ninepic_cli.sandbox import Sandbox, StoredPhoto, World
from tests.support.command import Ninepic, Start

START, END = b"\xff\xd8", b"\xff\xd9"
MOST_READS = 200_000  # of a file that was made up to be slow


def segment(marker: int, data: bytes) -> bytes:
    """A JPEG's segment."""
    return bytes([0xFF, marker]) + (len(data) + 2).to_bytes(2) + data


def box(kind: bytes, data: bytes = b"", *, is_large: bool = False) -> bytes:
    """A box, as HEIC and MP4 are made of; its length may be told in 64 bits."""
    if is_large:
        return (1).to_bytes(4) + kind + (16 + len(data)).to_bytes(8) + data
    return (8 + len(data)).to_bytes(4) + kind + data


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    """A PNG's chunk; its checksum is not looked at but in the last one, which is always the same."""
    return len(data).to_bytes(4) + kind + data + (b"\xaeB`\x82" if kind == b"IEND" else b"sum!")


SCAN = segment(0xDA, b"\x01\x01\x00\x00\x3f\x00") + b"entropy \xff\x00 \xff\xd3 data" * 600
JPEG = START + segment(0xE1, b"Exif\0\0" + START + b"thumbnail" + b"x" * 99) + b"\xff" + segment(0xDB, b"q" * 65) + SCAN
PROGRESSIVE = JPEG + segment(0xC4, b"table") + SCAN + END
JPEG += END
VIDEO = box(b"ftyp", b"mp42\0\0\0\0isommp42") + box(b"mdat", b"v" * 9000, is_large=True) + box(b"moov", b"m" * 50)
HEIC = box(b"ftyp", b"heic\0\0\0\0mif1heic") + box(b"meta", b"m" * 300) + box(b"mdat", b"d" * 9000)
AVIF = box(b"ftyp", b"abcd\0\0\0\0avifmif1") + box(b"mdat", b"d" * 90, is_large=True)
PNG = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"h" * 13) + chunk(b"IDAT", b"d" * 9000) + chunk(b"IEND")
WEBP = b"RIFF" + (9004).to_bytes(4, "little") + b"WEBP" + b"w" * 9000
WHOLE = {
    "JPEG": JPEG,
    "progressive JPEG": PROGRESSIVE,
    "two pictures": JPEG + JPEG,
    "motion photo": JPEG + VIDEO,
    "motion photo with a gain map": JPEG + PROGRESSIVE + VIDEO,
    "a camera's own data": JPEG + b"\0" * 5000 + b"MotionPhoto_Data" + VIDEO + b"SEFT",
    "HEIC": HEIC,
    "AVIF": AVIF,
    "PNG": PNG,
    "PNG with something behind it": PNG + b"x" * 9000,
    "WebP": WEBP,
}


def is_whole(data: bytes) -> bool:
    """Whether a file that holds the data is taken as whole."""
    return is_complete(io.BytesIO(data))


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE.keys())
def test_whole(data: bytes) -> None:
    """An image of each format that cameras write is known to be whole."""
    assert is_whole(data)


@pytest.mark.parametrize("name", ["finish.jpg", "small.jpg", "track.jpg"])
def test_real_ones(name: str) -> None:
    """A real JPEG is whole, with a video behind it too, and is not where its second half is not there."""
    data = (resources.files("ninepic_cli.sandbox") / "pictures" / name).read_bytes()
    assert is_whole(data)
    assert is_whole(data + VIDEO)
    assert not is_whole(data[: len(data) // 2])


@pytest.mark.parametrize("data", [JPEG, PROGRESSIVE, HEIC, AVIF, PNG, WEBP], ids=lambda data: repr(data[:12]))
def test_cut_anywhere(data: bytes) -> None:
    """An image that lacks its last byte, or any number of them, is not whole."""
    assert [end for end in [*range(0, len(data), 97), len(data) - 1] if is_whole(data[:end])] == []


@pytest.mark.parametrize("lost", [1, 40, 60, 4500])
def test_a_video_that_was_cut(lost: int) -> None:
    """A motion photo whose video was cut is not whole, although its picture is."""
    assert not is_whole((JPEG + VIDEO)[:-lost])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"<html></html>",
        b"GIF89a" + b"x" * 99,
        VIDEO,
        b"RIFF" + (92).to_bytes(4, "little") + b"WAVE" + b"w" * 88,
        START + segment(0xE1, b"x" * 9000)[:-1],
        START + b"\xff\xe1\x00\x01" + b"x" * 9000,
        START + b"\xff" * 9000,
        START + b"x" * 9000,
        box(b"ftyp", b"heic\0\0\0\0") + b"\0\0\0\0mdat" + b"d" * 90,
        box(b"ftyp", b"heic\0\0\0\0") + b"\0\0\0\x07mdat" + b"d" * 90,
        box(b"ftyp", b"heic\0\0\0\0") + b"\0\0\0\x01mdat" + b"\xff" * 90,
        HEIC + b"x",
        b"\0\0\0\0ftypheic",
    ],
    ids=lambda data: repr(data[:24]),
)
def test_not_whole(data: bytes) -> None:
    """What is no image, or does not say where it ends, is not taken as whole."""
    assert not is_whole(data)


def has_attributes(folder: Path) -> bool:
    """Whether the file system has extended attributes."""
    try:
        os.setxattr(folder, "user.test", b"")
    except (OSError, AttributeError):
        return False
    return True


class Counted(io.BytesIO):
    """A file that counts what is asked of it."""

    reads = 0
    longest = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """As any file; counts."""
        self.reads += 1
        self.longest = max(self.longest, -1 if size is None else size)
        return super().read(size)


PIECES = [
    *(START, END, b"\xff", b"\xff\xda\x00\x02", b"\xff\xe0\x00\x02", b"\xff\xd0", b"\xff\x00", b"\x00\x00\x00\x01"),
    *(b"\x89PNG\r\n\x1a\n", chunk(b"IDAT"), chunk(b"IEND"), b"RIFF", b"WEBP", box(b"ftyp", b"heic"), box(b"free")),
    *(box(b"mdat", is_large=True), b"ftyp", b"\xff" * 8, b"\x7f\xff\xff\xff", SCAN[:100], bytes(5000)),
]


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=40)), max_size=30).map(b"".join))
def test_any_bytes_have_an_answer(data: bytes) -> None:
    """Whatever a file holds, the answer is yes or no, and the same again."""
    answer = is_whole(data)
    assert answer in {True, False}
    assert is_whole(data) is answer


@pytest.mark.parametrize(
    "make",
    [
        lambda: START + b"\xff\xe0\x00\x02" * 500_000,
        lambda: (START + b"\xff\xe0\x00\x02" * 1990 + END) * 200 + bytes(5000),
        lambda: START + b"\xff\xda\x00\x02" * 100_000,
        lambda: START + b"\xff" * 2_000_000,
        lambda: START + segment(0xDA, b"") + b"\xff\x00" * 1_000_000,
        lambda: b"\x89PNG\r\n\x1a\n" + chunk(b"IDAT") * 100_000,
        lambda: box(b"ftyp", b"heic") + box(b"free") * 100_000,
    ],
)
def test_files_made_up_to_be_slow(make: Callable[[], bytes]) -> None:
    """A file of very many parts costs few reads, and little memory."""
    file = Counted(make())
    assert not is_complete(file)
    assert file.reads < MOST_READS
    assert file.longest <= 16 << 10


def test_a_file_that_shrinks(tmp_path: Path) -> None:
    """A file that becomes shorter while it is looked at is not whole."""
    path = tmp_path / "a.jpg"
    path.write_bytes(JPEG + VIDEO)

    class Shrinking(Counted):
        def read(self, size: int | None = -1, /) -> bytes:
            """As any file, until it is cut."""
            if self.reads == 3:
                self.truncate(2000)
            return super().read(size)

    assert not is_complete(Shrinking(path.read_bytes()))


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
