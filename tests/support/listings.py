"""Listings of a sandbox, in this process."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from ninepic_cli.api.client import Api
from ninepic_cli.api.photo_search import ListingEntry, PhotoSearch
from ninepic_cli.errors import MissingError, NinepicError
from ninepic_cli.models import Credentials, Failed, Photo
from ninepic_cli.net.client import Client
from ninepic_cli.net.retry import HostThrottle
from ninepic_cli.sandbox import Fault, Sandbox, World
from ninepic_cli.system.shutdown import CancelToken
from ninepic_cli.updates import IdentifierListed, PhotoFinished
from tests.support.worlds import in_data

SIZE = 3000
PHOTOS = "/original-photos"


def world_of(photos: int, size: int = SIZE) -> World:
    """A world in which the bib 1234 has so many small photos."""
    return World.generate(photos=photos, size=size)


def at_listing(**what: Any) -> Fault:
    """Something that goes wrong with listing requests."""
    return Fault(server="api", **{"path": PHOTOS, **what})


def mutating(change: Callable[[dict[str, Any]], object], **what: Any) -> Fault:
    """An answer to a listing request whose data is changed."""
    return at_listing(mutate=in_data(change), **what)


def pages_of(box: Sandbox) -> list[int]:
    """The pages that were asked for, in order."""
    return [
        int(request.query.partition("page=")[2].partition("&")[0])
        for request in box.requests_to("api", contains=PHOTOS)
    ]


class Outcome:
    """What a listing brought."""

    def __init__(self, entries: Sequence[ListingEntry]) -> None:
        self.photos = [entry for entry in entries if isinstance(entry, Photo)]
        self.ends = [entry for entry in entries if isinstance(entry, IdentifierListed)]
        self._settled = [entry for entry in entries if isinstance(entry, PhotoFinished)]

    @property
    def ids(self) -> list[str]:
        """The image ids of the photos to fetch, in order."""
        return [photo.image_id for photo in self.photos]

    @property
    def settled(self) -> dict[str, str]:
        """The code of each photo that was settled by the listing."""
        assert len({entry.photo.image_id for entry in self._settled}) == len(self._settled)
        return {entry.photo.image_id: _error(entry).code for entry in self._settled}

    @property
    def missing(self) -> set[str]:
        """The photos that the service does not have."""
        return {entry.photo.image_id for entry in self._settled if isinstance(_error(entry), MissingError)}

    @property
    def end(self) -> IdentifierListed:
        """How the only listing ended."""
        (end,) = self.ends
        return end


def _error(entry: PhotoFinished) -> NinepicError:
    assert isinstance(entry.outcome, Failed)
    return entry.outcome.error


@contextmanager
def listing(box: Sandbox, *, retries: int = 2) -> Iterator[PhotoSearch]:
    """A listing of a sandbox, in this process."""
    stop = CancelToken()
    access = Credentials(box.world.api_key, box.world.org_id, box.world.event_id, box.base_url)
    host = HostThrottle("api", give_up_after_s=600, stop=stop)
    with closing(Client(timeout_s=5, connections=2, environ={})) as client:
        api = Api(access, client=client, host=host, retries=retries, stop=stop)
        yield PhotoSearch(api)
