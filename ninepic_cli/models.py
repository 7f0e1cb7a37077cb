"""What the parts share: photos, their links, what became of them, and the credentials. No I/O."""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from ninepic_cli.errors import MissingError, PhotoError


class Method(StrEnum):
    """How photos are asked for; the values are those of the request body's `method`, but for the last."""

    BIB = "bib"
    SELFIE = "selfie"
    IMAGE = "image_id"
    IMAGES = "image_ids"
    EVENT = "event"  # all of its photos, which the service is asked for by their ids


@dataclass(frozen=True, slots=True)
class Link:
    """A presigned link: a credential, so its repr does not show it.

    Attributes:
        url: sent byte for byte.
        renew_at_s: when to have a newer one, on the monotonic clock; infinite where it does not say how long it lives.
        expires_at_s: when storage refuses it.
    """

    url: str = field(repr=False)
    renew_at_s: float = math.inf
    expires_at_s: float = math.inf


class Links(Protocol):
    """Where a photo's link comes from; it changes, the photo does not."""

    def current(self, image_id: str) -> Link:
        """The newest link received for the photo, however old."""

    def fresh(self, image_id: str) -> Link:
        """A link with some life before it: the newest, or one in its place; raises as `renew` does."""

    def renew(self, image_id: str, refused: Link) -> Link:
        """A newer link than the one that storage refused.

        Raises:
            MissingError: the service does not list the photo any more.
            PhotoError: the service did not answer.
            StoppedError: the run ends.
        """


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo as the service listed it.

    Attributes:
        image_id: its identity.
        filename: the service's suggestion, as it came; may be empty, evil or shared by many.
        extension: of the link's path, with its dot; "" where it has none.
        identifier: the bib, request id or image id that it was asked for by.
        index: counts from 1 in listing order, for each identifier.
        row: which of the start list's rows of its identifier it is named after, from 0.
        links: where its link comes from; None for a photo that the service does not have.
    """

    image_id: str
    filename: str
    extension: str
    identifier: str
    method: Method
    index: int
    links: Links | None = field(repr=False, compare=False, default=None)
    row: int = 0


# What became of a photo: exactly one of these. `path` is its own, or that of the ZIP that it is an `entry` of.


@dataclass(frozen=True, slots=True)
class Downloaded:
    """It was fetched (or copied: then `attempts` is 0), checked, and stands under its final name."""

    path: Path
    size: int
    md5: str
    attempts: int
    seconds: float
    entry: str | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """It was there already. `attempts` counts requests to the store (0 unless it was asked about).

    `size` is None in a dry run for what an earlier photo of it would have brought.
    """

    path: Path
    size: int | None
    md5: str | None = None
    attempts: int = 0
    seconds: float = 0.0
    entry: str | None = None


@dataclass(frozen=True, slots=True)
class WouldDownload:
    """A dry run would fetch it."""

    path: Path
    entry: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """It could not be fetched; `path` is where it would have gone, where that was known."""

    error: PhotoError
    path: Path | None = None
    attempts: int = 0
    seconds: float = 0.0
    entry: str | None = None

    @property
    def is_missing(self) -> bool:
        """Whether the service does not have it (which is not this run's failure)."""
        return isinstance(self.error, MissingError)


Outcome = Downloaded | Skipped | WouldDownload | Failed


@dataclass(frozen=True, slots=True)
class Busy:
    """No outcome yet: another thread or process is fetching it; ask again later."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request to the service needs; its repr does not show the key."""

    api_key: str = field(repr=False)
    org_id: int
    event_id: int | None
    base_url: str
