"""What happens during a run: past-tense records, sent to one callable. No I/O."""

from dataclasses import dataclass
from pathlib import Path

from ninepic_cli.errors import NinepicError
from ninepic_cli.models import Outcome, Photo


class Update:
    """Something that happened."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class PhotoFound(Update):
    """The listing named a photo that is to be fetched."""

    photo: Photo


@dataclass(frozen=True, slots=True)
class PageReceived(Update):
    """A page of a listing arrived; `total` is the number of items the service says there are, if it does."""

    identifier: str | None
    page: int
    items: int
    total: int | None


@dataclass(frozen=True, slots=True)
class IdentifierListed(Update):
    """The listing of a bib or a request id ended.

    `found` counts distinct items, `failed_urls` included; `error` is None where the listing is complete, a
    MissingError where the service has nothing, any other where it broke off.
    """

    identifier: str
    found: int
    error: NinepicError | None = None


@dataclass(frozen=True, slots=True)
class PhotoStarted(Update):
    """A worker took a photo up."""

    photo: Photo


@dataclass(frozen=True, slots=True)
class PhotoRequeued(Update):
    """A worker put a photo back, because another process is fetching it."""

    photo: Photo


@dataclass(frozen=True, slots=True)
class BytesReceived(Update):
    """Bytes of a photo arrived; a few of these a second for each photo.

    `done` counts the bytes on disk, those of an earlier run included; it goes back when a photo starts over.
    `received` counts those that crossed the wire since the last such record. `total` is None where unknown.
    """

    photo: Photo
    done: int
    received: int
    total: int | None


@dataclass(frozen=True, slots=True)
class RetryScheduled(Update):
    """A try failed and will be repeated in `wait_s` seconds; `photo` is None for a request of the listing."""

    photo: Photo | None
    error: NinepicError
    attempt: int
    wait_s: float


@dataclass(frozen=True, slots=True)
class HostPaused(Update):
    """A host asked for patience: nothing is sent to it for `wait_s` seconds."""

    host: str
    code: str
    wait_s: float


@dataclass(frozen=True, slots=True)
class RequestFinished(Update):
    """A request ended; what a support engineer wants to know of it, without secrets.

    `what` names it ("photo <id>", "page 3 of bib 1234"); `status` is None where no answer came, and `error`
    then says why; `ray` is Cloudflare's name for the request, `date` the answer's own `Date`.
    """

    what: str
    status: int | None
    attempt: int
    size: int
    seconds: float
    ray: str | None = None
    error: str | None = None
    date: str | None = None


@dataclass(frozen=True, slots=True)
class WarningRaised(Update):
    """Something that a person should know and that does not change the result."""

    message: str


@dataclass(frozen=True, slots=True)
class PhotoFinished(Update):
    """A photo's outcome is known."""

    photo: Photo
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class PhotoRemoved(Update):
    """A photo that was on the disk is not any more; `was_fetched` by this run."""

    photo: Photo
    path: Path
    was_fetched: bool


@dataclass(frozen=True, slots=True)
class ZipRemoved(Update):
    """A finished ZIP, which had the identifier's photos, is not on the disk any more."""

    identifier: str
    path: Path
