"""A second run, with all photos there: against its listing requests alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import peers
from .contest import new_folder, served
from .measure import Measured, measure
from .photos import SpoiltError, check
from .service import API_KEY, BIB, PAGE_SIZE, PATH
from .table import Section

if TYPE_CHECKING:
    from pathlib import Path

    from .photos import PhotoSet
    from .workbench import Bench

COUNT, SIZE = 5000, 20_000
ALONE = "the listing alone"

# What a person would write who only wants the links.
_LISTING = f"""
import http.client, json, os
connection = http.client.HTTPConnection(os.environ["NINEPIC_BASE_URL"].removeprefix("http://"))
body = json.dumps({{"method": "bib", "identifier": "{BIB}"}})
headers = {{"X-API-Key": "{API_KEY}", "Content-Type": "application/json"}}
page, more, links = 1, True, []
while more:
    connection.request("POST", f"{PATH}?page={{page}}&page_size={PAGE_SIZE}", body, headers)
    data = json.loads(connection.getresponse().read())["data"]
    links += data["presigned_urls"]
    page, more = page + 1, data["pagination"]["hasNextPage"]
assert len(links) == {COUNT}
"""


def again(bench: Bench) -> list[Section]:
    """Second runs, with an API that answers at once and with one that takes its time."""
    with bench.made(COUNT, SIZE) as photos, new_folder(bench.home / "there") as folder:
        delays_s = (0, 0.02) if bench.is_quick else (0, 0.15)
        return [_compared(bench, photos, folder, delay_s) for delay_s in delays_s]


def _compared(bench: Bench, photos: PhotoSet, folder: Path, delay_s: float) -> Section:
    with served(bench, photos, page_delay_s=delay_s) as tools:
        commands = {name: tools.command(name) for name in bench.ninepics}
        commands[ALONE] = [peers.PYTHON, "-c", _LISTING]
        runs: dict[str, list[Measured]] = {name: [] for name in commands}
        measure(commands[peers.NINEPIC], cwd=folder, environ=tools.environ)  # fetches what is not there
        before = _identities(folder)
        for _ in range(bench.turns(5 if not delay_s else 3)):
            for name, command in commands.items():
                runs[name].append(measure(command, cwd=folder, environ=tools.environ))
    check(photos, folder)
    if _identities(folder) != before:
        raise SpoiltError("photos that were there were fetched again")
    title = f"a second run over {COUNT:,} photos, {delay_s * 1000:.0f} ms for each of the API's pages"
    section = Section(title, runs)
    section.hold("wall_s", peers.NINEPIC, ALONE, 1.2)
    return section


def _identities(folder: Path) -> set[int]:
    return {path.stat().st_ino for path in folder.iterdir()}
