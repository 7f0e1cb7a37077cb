"""Transfers between a sandbox and a folder, in this process."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli.api.client import Api
from ninepic_cli.api.photo_search import PhotoSearch
from ninepic_cli.api.schema import Query
from ninepic_cli.download.transfer import Existing, Transfer
from ninepic_cli.filesystem.folder import Folder
from ninepic_cli.models import Busy, Credentials, Downloaded, Failed, Method, Outcome, Photo
from ninepic_cli.net.retry import HostThrottles
from ninepic_cli.sandbox import Fault, Request, Sandbox, StoredPhoto
from ninepic_cli.sandbox.data import BIB
from ninepic_cli.system.shutdown import CancelToken
from ninepic_cli.updates import Update
from tests.support.http_servers import open_client

SIZE = 200_000
CUT = 120_000
SCRAP = 9_000  # less than 5 % of SIZE: a cut there spends a try
HTML = b"<!DOCTYPE html><html><body>Please log in</body></html>"
XML = b"<?xml version='1.0'?><Error><Code>InternalError</Code></Error>"
EXPIRED = {
    "r2": (403, "<Error><Code>ExpiredRequest</Code><Message>The presigned URL has expired.</Message></Error>"),
    "r2-400": (400, "<Error><Code>ExpiredRequest</Code><Message>The presigned URL has expired.</Message></Error>"),
    "s3": (403, "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"),
}


class Run:
    """The parts of one run, in this process: the API and the store of a sandbox, a folder, a transfer between them."""

    def __init__(
        self,
        box: Sandbox,
        root: Path,
        *,
        existing: str = "skip",
        retries: int = 3,
        timeout_s: float = 10,
        give_up_after_s: float = 60,
        is_direct: bool = True,
    ) -> None:
        self.root = root
        self.events: list[Update] = []
        self.stop = CancelToken()
        self.folder = Folder(root)
        self.clients = [
            open_client(timeout_s=timeout_s, connections=16, environ={}, is_direct=is_it)
            for is_it in (False, is_direct)
        ]
        hosts = HostThrottles(give_up_after_s=give_up_after_s, stop=self.stop, on_update=self.events.append)
        access = Credentials(box.world.api_key, box.world.org_id, box.world.event_id, box.base_url)
        host = hosts.of(box.base_url)
        self._api = Api(access, client=self.clients[0], host=host, retries=retries, stop=self.stop)
        self.transfer = Transfer(
            client=self.clients[1],
            hosts=hosts,
            folder=self.folder,
            existing=Existing(existing),
            retries=retries,
            stop=self.stop,
            on_update=self.events.append,
        )

    def close(self) -> None:
        """Close the connections."""
        for client in self.clients:
            client.close()

    def listed(self, bib: str = BIB) -> list[Photo]:
        """The photos of a bib."""
        return [each for each in PhotoSearch(self._api).entries([Query(Method.BIB, bib)]) if isinstance(each, Photo)]

    def __call__(self, photos: Sequence[Photo] | None = None, *, jobs: int = 1) -> list[Outcome]:
        """Transfers photos, those of the usual bib unless told otherwise."""
        with ThreadPoolExecutor(jobs) as pool:
            outcomes = list(pool.map(self._outcome, self.listed() if photos is None else photos))
        self.folder.close()
        return outcomes

    def _outcome(self, photo: Photo) -> Outcome:
        while isinstance(outcome := self.transfer(photo), Busy):
            self.stop.wait(0.01)
        return outcome

    def saved(self) -> Downloaded:
        """The outcome of the only photo, which is to be saved."""
        (outcome,) = self()
        assert isinstance(outcome, Downloaded), outcome
        return outcome

    def failed(self) -> Failed:
        """The outcome of the only photo, which is to fail."""
        (outcome,) = self()
        assert isinstance(outcome, Failed), outcome
        return outcome

    def of(self, kind: type[Update]) -> list[Any]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


over_both_transports = pytest.mark.parametrize("is_direct", [True, False], ids=["own", "httpx"])


Make = Callable[..., Run]


def only(box: Sandbox) -> StoredPhoto:
    """The photo of a world that has one."""
    (photo,) = box.world.photos.values()
    return photo


def data_of(box: Sandbox) -> bytes:
    """The bytes of the only photo."""
    return box.world.photo_bytes(only(box).image_id)


def path_of(box: Sandbox, root: Path) -> Path:
    """Where the only photo goes."""
    return root / f"{only(box).image_id}.jpg"


def objects(box: Sandbox) -> dict[str, bytes]:
    """What a folder with all photos holds, and nothing else."""
    return {f"{image_id}.jpg": box.world.photo_bytes(image_id) for image_id in box.world.photos}


def parts(root: Path) -> list[Path]:
    """The partials in a folder."""
    return sorted([*root.glob(".ninepic/*.part"), *root.glob(".ninepic/*.tmp")])


def asked(box: Sandbox, *names: str) -> list[tuple[str | None, ...]]:
    """Header fields of each request to the store, the range and its condition unless told otherwise."""
    return [
        tuple(request.headers.get(name) for name in names or ("range", "if-match"))
        for request in box.requests_to("store")
    ]


def statuses(box: Sandbox, server: str = "store") -> list[int | None]:
    """What each request to a server was answered with."""
    return [request.status for request in box.requests_to(server)]


def expired(form: str = "r2", **options: Any) -> Fault:
    """The store refuses a link for its age."""
    status, body = EXPIRED[form]
    return Fault(status=status, body=body, **options)


def begin(box: Sandbox, run: Make) -> Path:
    """Leaves a partial of SCRAP bytes behind, as an interrupted run does."""
    box.faults = [Fault(cut_after=SCRAP)]
    started = run(box, retries=0)
    started.failed()
    box.faults = []
    box.requests.clear()
    (part,) = parts(started.root)
    assert part.stat().st_size == SCRAP
    return part


def together(count: int) -> Callable[[Request], None]:
    """Holds requests back until so many have come."""
    barrier = threading.Barrier(count)

    def wait(_: Request) -> None:
        barrier.wait(20)

    return wait


def empty(_: Sandbox) -> bytes:
    """Not a byte."""
    return b""


def page(_: Sandbox) -> bytes:
    """A web page that another tool has taken for the photo."""
    return HTML
