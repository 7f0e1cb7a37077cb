"""`--since`, `--until` and `--shard`, given to the command."""

from collections.abc import Callable

import pytest

from ninepic_cli.sandbox import Sandbox, World
from tests.support.command import Ninepic, Start


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--since", "2025-09-14+02:00"), "invalid --since '2025-09-14+02:00': expected"),
        (("--until", "2025-09-14T09.30"), "invalid --until '2025-09-14T09.30': expected"),
        (("--until", "1969-12-31"), "invalid --until '1969-12-31': expected a time after 1970-01-01"),
        (("--since", "2100-01-01"), "invalid --since '2100-01-01': expected a time before 2100-01-01"),
        (
            ("--since", "2025-09-15", "--until", "2025-09-14T24:00"),
            "--since '2025-09-15' is the same time as --until '2025-",
        ),
    ],
)
def test_the_error_names_what_was_given(ninepic: Ninepic, sandbox: Start, options: tuple[str, ...], words: str) -> None:
    """A time that is none is a usage error about the option that was given, before any request."""
    box = sandbox(World.generate(photos=3, size=3000))
    result = ninepic("all", *options)
    assert (result.status, result.out, box.requests) == (2, "", [])
    assert words in result.err
    for option in ("--since", "--until"):
        assert (option in result.err) == (option in options), result.err


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
