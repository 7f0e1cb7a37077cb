"""The same photos fetched by several tools, in turns."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import peers
from .budget import FREE, Budget
from .measure import Measured, measure
from .photos import PhotoSet, check
from .process import LOOPBACK, server
from .service import FIRST
from .store import store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from .relay import Link
    from .workbench import Bench


@dataclass(frozen=True)
class Contest:
    """Who fetches what, and from where to where.

    Attributes:
        photos: what is fetched.
        tools: names of peers; `ninepic` takes part in any case.
        folder: below which the photos are written, in a folder for each run.
        link: the way to the store, None for the shortest.
        page_delay_s: how long each of the API's answers takes.
        held: how the tools are held to less than the whole machine.
    """

    photos: PhotoSet
    tools: Sequence[str]
    folder: Path
    link: Link | None = None
    page_delay_s: float = 0
    held: Budget = FREE


@contextmanager
def served(
    bench: Bench, photos: PhotoSet, *, link: Link | None = None, page_delay_s: float = 0
) -> Iterator[peers.Tools]:
    """Serve photos, from the store and by the API; what the tools are told to fetch them."""
    home = bench.home / "served"
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        home.mkdir()
        port = stack.enter_context(store(home / "store", bench.certificates, photos))
        if link:
            port = stack.enter_context(server("relay", port, link.rtt_s, link.bps))
        origin = f"https://{LOOPBACK}:{port}"
        (home / "ids").write_text(json.dumps(list(photos.md5s)))
        api = stack.enter_context(server("service", home / "ids", origin, page_delay_s))
        peers.write_lists(home / "lists", photos, origin)
        environ = bench.environ | {"NINEPIC_BASE_URL": f"http://{LOOPBACK}:{api}"}
        yield peers.Tools(home / "lists", environ, bench.ninepics)


def contest(bench: Bench, terms: Contest, rounds: int) -> dict[str, list[Measured]]:
    """Let the tools take turns, and check what they wrote.

    Raises:
        FailedError, SpoiltError: one of them failed, or did not fetch what it should.
    """
    names = [*bench.ninepics, *terms.tools]
    runs: dict[str, list[Measured]] = {name: [] for name in names}
    with served(bench, terms.photos, link=terms.link, page_delay_s=terms.page_delay_s) as tools:
        for command in bench.ninepics.values():
            warm_up(bench, command, tools)
        for _ in range(rounds):
            for name in names:
                runs[name].append(_turn(terms, tools, name))
    return runs


def warm_up(bench: Bench, command: Path, tools: peers.Tools) -> None:
    """Fetch one photo, so that Python's modules are compiled as they are after an installation."""
    with new_folder(bench.home / "out") as folder:
        measure([command, "bib", FIRST, "-o", "."], cwd=folder, environ=tools.environ)


def _turn(terms: Contest, tools: peers.Tools, name: str) -> Measured:
    with new_folder(terms.folder / "out") as folder:
        os.sync()  # what others left to be written is not this one's work
        command = [*terms.held.before, *tools.command(name)]
        taken = measure(command, cwd=folder, environ=tools.environ, gates=terms.held.gates)
        check(terms.photos, folder)
        return taken


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder, for as long as it is needed."""
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path)
