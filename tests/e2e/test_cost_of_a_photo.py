"""What a photo costs beside its bytes: few calls to the system, and none twice."""

import json

import pytest

from ninepic_cli.sandbox import World
from tests.support.command import Ninepic, Start

COUNTING = """
import atexit, collections, json, os, sys
import ninepic_cli.filesystem.subfolder  # looks at what the functions of `os` can do, which are others below
calls = collections.Counter()
def count(event, words):
    if event == "open" and words[1] is None:
        calls[str(words[0]).rpartition("/")[2].rpartition(".")[2]] += 1
sys.addaudithook(count)
def counted(name, call):
    def calling(*words, **options):
        calls[name] += 1
        return call(*words, **options)
    setattr(os, name, calling)
for name in ("stat", "lstat", "fstat", "mkdir", "ftruncate"):
    counted(name, getattr(os, name))
atexit.register(lambda: open("calls.json", "w").write(json.dumps(calls)))
"""


@pytest.mark.parametrize("layout", [(), ("--folders",)], ids=["flat", "folders"])
def test_calls_to_the_system(ninepic: Ninepic, sandbox: Start, layout: tuple[str, ...]) -> None:
    """Each photo opens its partial file and that one's folder, and looks at few things; DIR is opened once."""
    made = {}
    for count in (10, 30):
        sandbox(World.generate(photos=count, size=50_000))
        counting = ninepic.after(COUNTING)
        result = counting("bib", "1234", "-o", f"{count}/out", "-j", 1, "-q", *layout)
        assert result.status == 0, result.err
        made[count] = json.loads((ninepic.home / "calls.json").read_text())
    more = {name: (made[30][name] - made[10].get(name, 0)) / 20 for name in made[30]}
    opened = {"out": 0, "ninepic": 1, "part": 1, **({"1234": 1} if layout else {})}
    assert {name: more[name] for name in opened} == opened
    assert more["lstat"] + more["stat"] + more["fstat"] <= (11 if layout else 9)
    assert more["mkdir"] == more.get("ftruncate", 0) == 0
