"""`--shard K/N`: parts that depend on a photo's id alone."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninepic_cli.errors import UsageError
from ninepic_cli.inputs.filters import Shard
from ninepic_cli.sandbox import Sandbox, World
from tests.support.command import Ninepic

IDS = st.lists(st.text(min_size=1), unique=True, max_size=50)


@given(IDS, st.text(min_size=1), st.integers(1, 12))
def test_each_id_falls_into_one_part(ids: list[str], newcomer: str, count: int) -> None:
    """The parts make up the list, share nothing, and keep what they have when the list grows or is turned around."""
    shards = [Shard(number, count) for number in range(1, count + 1)]
    parts = [[each for each in ids if shard.has(each)] for shard in shards]
    assert sorted(each for part in parts for each in part) == sorted(ids)
    for shard, part in zip(shards, parts, strict=True):
        assert {each for each in [newcomer, *reversed(ids)] if shard.has(each)} - {newcomer} == set(part) - {newcomer}


def test_parts_are_alike_and_stay_what_they_are() -> None:
    """Eight parts of 8,000 ids have about a thousand each, and an id is in the part that it was in years ago."""
    ids = list(World.generate(photos=8000).photos)
    sizes = [sum(map(Shard(number, 8).has, ids)) for number in range(1, 9)]
    assert all(900 < size < 1100 for size in sizes), sizes
    assert [number for number in range(1, 9) if Shard(number, 8).has("1b4e28ba-2fa1-11d2-883f-0016d3cca427")] == [2]


@pytest.mark.parametrize(
    "text", ["0/8", "9/8", "1/0", "0/0", "x", "1/8/8", "", "+1/8", "-1/8", "1/8\n", "\u0661/8", "1 /8", "1/1000000"]
)
def test_what_names_no_part(text: str) -> None:
    """What is out of range or no fraction at all is a usage error, whose words are harmless."""
    with pytest.raises(UsageError) as caught:
        Shard.parse(text)
    assert caught.value.message.startswith("--shard ")
    assert caught.value.message.isprintable()


def test_machines_share_a_list(ninepic: Ninepic, sandbox: Callable[..., Sandbox]) -> None:
    """Each photo of a list is fetched by one of three machines; what names no part is an error before any request."""
    box = sandbox(World.generate(photos=30, size=3000))
    ids = list(box.world.photos)
    for command in (("images", ids[0]), ("all",)):
        result = ninepic(*command, "--shard", "9/8")
        assert (result.status, result.out) == (2, ""), command
        assert "--shard" in result.err
        assert "1/8" in result.err
    assert box.requests == []
    (ninepic.home / "ids.txt").write_text("\n".join(ids))
    found: list[str] = []
    for number in (1, 2, 3):
        result = ninepic("images", "--from-file", "ids.txt", "--shard", f"{number}/3", "--json", "-o", "photos")
        assert result.status == 0
        found += [line["image_id"] for line in result.photos("downloaded")]
    assert sorted(found) == sorted(ids)
    assert len(box.requests_to("store")) == 30
