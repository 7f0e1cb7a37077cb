"""What `--failed-to` writes is read back the same: lists and start lists, whatever is in them and in any encoding."""

import pytest

from ninepic_cli.sandbox import Fault, World
from tests.support.command import Ninepic, Start


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
@pytest.mark.parametrize("text", ['name,bib\n"Ann\rMüller",7\n"B ""b"", B",0042\n', "7\n0042\nMüller\n"])
def test_through_the_command(ninepic: Ninepic, sandbox: Start, text: str, encoding: str) -> None:
    """What a run leaves in a list is what the next run asks for, in the list's own encoding."""
    sandbox(World.generate(photos=4, size=20_000), faults=[Fault(server="api", status=500)])
    (ninepic.home / "start.csv").write_bytes(text.encode(encoding))
    words = ["--encoding", encoding, "--retries", 0, *(["--column", "bib"] if "," in text else [])]
    first = ninepic("bib", "--from-file", "start.csv", *words, "--failed-to", "again.csv")
    assert first.status in {5, 6}, first.err
    second = ninepic("bib", "--from-file", "again.csv", *words, "--failed-to", "again2.csv")
    assert second.status == first.status, second.err
    one, two = ((ninepic.home / name).read_bytes().decode(encoding) for name in ("again.csv", "again2.csv"))
    assert one == two
    assert ("Müller" in one, "0042" in one) == (True, True)


def test_what_an_encoding_lacks_is_said_before_the_run(ninepic: Ninepic, sandbox: Start) -> None:
    """An identifier that the list's encoding cannot say is refused with --failed-to, before any request."""
    box = sandbox(World.generate(photos=4, size=20_000))
    (ninepic.home / "bibs.txt").write_text("7\n")
    words = ["bib", "\u0416", "--from-file", "bibs.txt", "--encoding", "cp1252"]
    refused = ninepic(*words, "--failed-to", "again.txt")
    assert (refused.status, "--encoding cp1252" in refused.err, box.requests) == (2, True, [])
    assert ninepic(*words).status == 4
