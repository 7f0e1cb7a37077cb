"""Images are told whole from cut by what their formats say."""

import io
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninepic_cli.filesystem.images import is_complete
from tests.support.images import (
    AVIF,
    END,
    HEIC,
    JPEG,
    PNG,
    PROGRESSIVE,
    SCAN,
    START,
    VIDEO,
    WEBP,
    WHOLE,
    box,
    chunk,
    segment,
)

MOST_READS = 200_000  # of a file that was made up to be slow


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
