"""A second run, with all photos there: against its listing requests alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import peers
from .contest import new_folder, served, warm_up
from .measure import Measured, measure
from .photos import SpoiltError, check
from .service import API_KEY, BIB, PAGE_SIZE, PATH
from .table import Section

if TYPE_CHECKING:
    from pathlib import Path

    from .photos import PhotoSet
    from .workbench import Bench

COUNT, FEWER, SIZE = 5000, 2400, 20_000
DELAYS_S = (0, 0.15)
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
print(len(links))
"""


def again(bench: Bench) -> list[Section]:
    """Second runs, with an API that answers at once and with one that takes its time."""
    count = FEWER if bench.is_quick else COUNT
    with bench.made(count, SIZE) as photos, new_folder(bench.home / "there") as folder:
        for path in photos.folder.iterdir():
            (folder / path.name).hardlink_to(path)
        return [_compared(bench, photos, folder, delay_s) for delay_s in DELAYS_S]


def _compared(bench: Bench, photos: PhotoSet, folder: Path, delay_s: float) -> Section:
    with served(bench, photos, page_delay_s=delay_s) as tools:
        commands = {name: tools.command(name) for name in bench.ninepics}
        commands[ALONE] = [peers.PYTHON, "-c", _LISTING]
        runs: dict[str, list[Measured]] = {name: [] for name in commands}
        for command in bench.ninepics.values():
            warm_up(bench, command, tools)
        before = _identities(folder)
        for _ in range(bench.turns(3 if delay_s else 5)):
            for name, line in commands.items():
                runs[name].append(measure(line, cwd=folder, environ=tools.environ))
    check(photos, folder)
    if _identities(folder) != before:
        raise SpoiltError("photos that were there were fetched again")
    title = f"a second run over {photos.words}, {delay_s * 1000:.0f} ms for each of the API's pages"
    section = Section(title, runs)
    if delay_s:  # without any, it is the start of two programs that is compared
        section.hold("wall_s", peers.NINEPIC, ALONE, 1.2)
    return section


def _identities(folder: Path) -> set[int]:
    return {path.stat().st_ino for path in folder.iterdir()}
