"""The photos that the stand-in draws."""

from __future__ import annotations

import re
import struct

import pytest

from ninepic_cli.sandbox import StoredPhoto, World
from ninepic_cli.sandbox.data import REQUEST_ID


def segments(jpeg: bytes) -> list[tuple[int, int]]:
    """The marker and the size of each segment up to the scan; the end marker must be at the end."""
    assert jpeg.startswith(b"\xff\xd8")
    assert jpeg.endswith(b"\xff\xd9")
    found: list[tuple[int, int]] = []
    at = 2
    while not found or found[-1][0] != 0xDA:
        prefix, marker, size = struct.unpack(">BBH", jpeg[at : at + 4])
        assert prefix == 0xFF
        found.append((marker, size + 2))
        at += size + 2
    return found


@pytest.mark.parametrize("size", [2_000, 20_100, 45_000, 65_000, 65_537, 131_000, 195_100, 300_000, 1_000_003])
def test_photos_are_jpegs_of_the_wanted_size(size: int) -> None:
    """A photo is a JPEG, segment by segment, of exactly the wanted size."""
    world = World.generate(photos=3, size=size)
    for image_id in world.photos:
        jpeg = world.photo_bytes(image_id)
        assert len(jpeg) == size
        markers = [marker for marker, _ in segments(jpeg)]
        assert markers[0] == 0xE0
        assert markers[1] == 0xFE
        assert {0xDB, 0xC4, 0xDA} < set(markers)


def test_sizes_around_a_segment_are_exact() -> None:
    """No size falls into a gap between the sizes that comment segments can have."""
    least = next(size for size in range(1_900, 2_100) if photo_or_none(size))
    for size in [*range(least, least + 5), *range(least + 64_990, least + 65_090)]:
        jpeg = photo_or_none(size)
        assert jpeg is not None
        assert len(jpeg) == size
        assert segments(jpeg)


def photo_or_none(size: int) -> bytes | None:
    """A photo of some size, if there is one."""
    try:
        return World(photos={"p": StoredPhoto("p", size)}).photo_bytes("p")
    except ValueError:
        return None


def test_photo_that_is_too_small() -> None:
    """A size in which no picture fits is an error that names the least one."""
    with pytest.raises(ValueError, match="at least"):
        World(photos={"p": StoredPhoto("p", 1_000)}).photo_bytes("p")


def test_photos_are_the_same_everywhere() -> None:
    """A world's photos depend on its seed alone."""
    one, two, other = World.generate(photos=3), World.generate(photos=3), World.generate(photos=3, seed=2)
    assert list(one.photos) == list(two.photos) != list(other.photos)
    assert [one.photo_bytes(each) for each in one.photos] == [two.photo_bytes(each) for each in two.photos]
    assert next(iter(one.photos)) == "8fad34bb-b0c1-4d09-9fbf-1b50cb0e4878"
    assert one.photo_bytes(next(iter(one.photos)))[32:40].hex() == "f7532b16de991c05"


def test_versions_and_photos_share_nothing() -> None:
    """Any stretch of the filling tells which photo and which version it is from."""
    size = 300_000
    world = World(photos={name: StoredPhoto(name, size, version=n) for name, n in (("a", 1), ("b", 1))})
    first_one, other = world.photo_bytes("a"), world.photo_bytes("b")
    world.photos["a"].version = 2
    second = world.photo_bytes("a")
    for one, two in ((first_one, other), (first_one, second)):
        stretches = [slice(at, at + 64) for at in range(64, size - 45_000, 64)]
        assert not [each for each in stretches if one[each] == two[each]]


@pytest.mark.parametrize("block", [512, 1000, 1024, 4096, 8192, 16_384, 32_768, 65_536, 100_000])
def test_no_block_of_a_photo_passes_for_its_neighbours(block: int) -> None:
    """In whatever size of blocks a photo is copied, none of them is like one of the next sixteen."""
    size = 3_000_000
    photo = World(photos={"a": StoredPhoto("a", size)}).photo_bytes("a")
    blocks = [photo[at : at + block] for at in range(0, size - 45_000, block)]
    assert not [
        number
        for step in range(1, 17)
        for number in range(len(blocks) - step)
        if blocks[number] == blocks[number + step]
    ]


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (19, 25), (64_990, 65_100), (259_000, 270_000), (5, 2_999_990)])
def test_photos_can_be_read_from_anywhere(start: int, stop: int) -> None:
    """A range of a photo is the same as that part of the whole."""
    world = World(photos={"p": StoredPhoto("p", 3_000_000)})
    content = world.content(world.photos["p"])
    assert b"".join(content.iter_bytes(start, stop)) == world.photo_bytes("p")[start:stop]


def test_big_photos_are_never_held_whole() -> None:
    """A photo comes in pieces that do not grow with it."""
    content = World().content(StoredPhoto("p", 25_000_000))
    assert max(len(piece) for piece in content.iter_bytes(0, content.size)) < 400_000


def test_default_world() -> None:
    """The default world has 47 photos, all of them under one bib and one face search."""
    world = World.generate()
    assert list(world.photos) == world.bibs["1234"] == world.searches[REQUEST_ID]
    assert len(world.photos) == 47
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", each) for each in world.photos)
