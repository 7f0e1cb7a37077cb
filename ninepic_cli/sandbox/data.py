"""What exists: an event with its photos, bib numbers and face searches."""

from __future__ import annotations

import hashlib
import threading
import uuid
from array import array
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ninepic_cli.sandbox.images import DrawnImage
from ninepic_cli.sandbox.wire import BytesContent, Content, JsonObject, read_all

if TYPE_CHECKING:
    from collections.abc import Sequence


RACE_DAY = 1_757_840_400.0  # 14 September 2025, 09:00 UTC
HOUR_S, DAY_S, FIRST_S, LAST_S = 3600, 86_400, -2 * 3600, 6 * 3600
BIB = "1234"
REQUEST_ID = "7f3e2b10-5c4d-4e8a-9b21-0d6f4a8c1e35"
OTHER_REQUEST_ID = "c0a8f1d2-93b7-4c66-8e05-51d7e2f94b0a"
API_KEY = "9pk_b6f0c1d47a2e4e5f8d39a1c75e60f2b8"


@dataclass
class StoredPhoto:
    """One photo: what the API says of it and what the store has.

    Attributes:
        image_id: Its identity.
        size: Bytes of the JPEG, at least what the smallest picture needs (some 2 kB; from 40 kB on any picture fits).
        filename: The suggestion in the API's answer; None for `<image_id>.jpg`.
        etag: "md5", "multipart" (quoted, ends in -2, not an MD5), "weak" (`W/"..."`) or "none" (no header).
        content_type: What the store says it is.
        last_modified: Seconds since the epoch; text is sent as it is; None sends no header.
        has_original: False: the API lists it in `failed_urls` and knows no such `image_id`.
        has_object: False: the API gives a link, but the store answers 404.
        body: The exact bytes, in place of a drawn picture; `size` and `version` then do not matter.
        link_path: The object's key, in place of `imgs/<event>/large/<image_id>.jpg`.
        version: Another version has other bytes of the same length.
        taken: When it was taken, in seconds since the epoch; None where nobody knows.
    """

    image_id: str
    size: int = 200_000
    filename: str | None = None
    etag: str = "md5"
    content_type: str = "image/jpeg"
    last_modified: float | str | None = RACE_DAY
    has_original: bool = True
    has_object: bool = True
    body: bytes | None = None
    link_path: str | None = None
    version: int = 1
    taken: float | None = RACE_DAY


class Timeline:
    """An event's photos: those with a capture time first, in its order, then the others; put in order once.

    Attributes:
        ids: Image ids of all of them.
    """

    def __init__(self, photos: Sequence[StoredPhoto]) -> None:
        # Among photos of one moment the id decides, so that a photo that is added changes nobody else's turn.
        timed = sorted((photo.taken, photo.image_id) for photo in photos if photo.taken is not None)
        self._times = array("d", (taken for taken, _ in timed))
        self.ids = [image_id for _, image_id in timed]
        self.ids += sorted(photo.image_id for photo in photos if photo.taken is None)

    def positions(self, start: float, stop: float) -> range:
        """The places in `ids` of the photos taken from `start` on and before `stop`, in seconds since the epoch."""
        return range(bisect_left(self._times, start), bisect_left(self._times, stop))

    def days(self) -> list[JsonObject]:
        """How many photos each day has, and each hour of it, in UTC; days and hours without photos are left out."""
        hours = Counter(int(taken // HOUR_S) for taken in self._times)
        days: dict[str, JsonObject] = {}
        for hour in sorted(hours):
            moment = datetime.fromtimestamp(hour * HOUR_S, UTC)
            day = days.setdefault(f"{moment:%Y-%m-%d}", {"date": f"{moment:%Y-%m-%d}", "total": 0, "hours": []})
            day["total"] += hours[hour]
            day["hours"].append({"hour": moment.hour, "count": hours[hour]})
        return list(days.values())


@dataclass
class World:
    """What the service has. May be changed at any time, also while a sandbox serves it.

    Attributes:
        event_id: The event that the photos, bibs and searches belong to.
        org_id: The organisation that the event and the key belong to.
        api_key: The key.
        photos: Photos by image id.
        bibs: For each bib, image ids in listing order. Asked for without regard to case.
        searches: For each face search's request id, image ids in listing order.
        seed: Goes into every drawn photo's bytes.
        event_name: The event's name.
        more_events: Events of the organisation that have no photos: names by event id.
    """

    event_id: int = 456
    org_id: int = 123
    api_key: str = API_KEY
    photos: dict[str, StoredPhoto] = field(default_factory=dict)
    bibs: dict[str, list[str]] = field(default_factory=dict)
    searches: dict[str, list[str]] = field(default_factory=dict)
    seed: int = 1
    event_name: str = "Sandbox Marathon"
    more_events: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._md5s: dict[tuple[str, int, int, int], str] = {}
        self._lock = threading.Lock()
        self._timeline: Timeline | None = None

    @classmethod
    def generate(cls, *, photos: int = 47, size: int = 200_000, seed: int = 1) -> World:
        """Makes up a world in which one bib and one face search have all photos and some others have a few."""
        ids = [_image_id(seed, number) for number in range(photos)]
        return cls(
            photos={image_id: StoredPhoto(image_id, size, taken=_capture_time(image_id)) for image_id in ids},
            bibs={BIB: ids, "7": ids[:1], "0042": ids[1:4], "A/12": ids[2:7], "12 B": ids[5:13]},
            searches={REQUEST_ID: list(ids), OTHER_REQUEST_ID: ids[:12]},
            seed=seed,
            more_events={457: "Sandbox Half Marathon", 461: "Sandbox Trail Run"},
        )

    @property
    def events(self) -> dict[int, str]:
        """The names of all events by event id."""
        return {self.event_id: self.event_name, **self.more_events}

    @property
    def timeline(self) -> Timeline:
        """The photos by capture time; put in order anew when their number has changed."""
        with self._lock:
            if self._timeline is None or len(self._timeline.ids) != len(self.photos):
                self._timeline = Timeline(list(self.photos.values()))
            return self._timeline

    def find_photos(self, method: str, identifier: str) -> Sequence[str]:
        """The image ids that a bib (method "bib") or a face search ("selfie") has; empty when it is unknown."""
        if method == "selfie":
            return self.searches.get(identifier, ())
        if identifier in self.bibs:
            return self.bibs[identifier]
        folded = identifier.casefold()
        return next((ids for bib, ids in list(self.bibs.items()) if bib.casefold() == folded), ())

    def object_key(self, image_id: str) -> str:
        """The key of a photo's object in the store's bucket."""
        photo = self.photos.get(image_id)
        return (photo and photo.link_path) or f"imgs/{self.event_id}/large/{image_id}.jpg"

    def find_object(self, key: str) -> StoredPhoto | None:
        """The photo whose object has this key and is in the store."""
        image_id = key.removeprefix(f"imgs/{self.event_id}/large/").removesuffix(".jpg")
        photo = self.photos.get(image_id)
        if photo is None or self.object_key(image_id) != key:
            photo = next((each for each in list(self.photos.values()) if each.link_path == key), None)
        return photo if photo and photo.has_object else None

    def content(self, photo: StoredPhoto) -> Content:
        """The bytes of a photo, to be read in pieces."""
        if photo.body is not None:
            return BytesContent(photo.body)
        return DrawnImage(f"{self.seed} {photo.image_id} {photo.version}", photo.size)

    def photo_bytes(self, image_id: str) -> bytes:
        """The whole object."""
        return read_all(self.content(self.photos[image_id]))

    def etag(self, photo: StoredPhoto) -> str | None:
        """The ETag header of a photo's object, with its quotes."""
        if photo.etag == "none":
            return None
        if photo.etag == "md5":
            return f'"{self.md5(photo)}"'
        identity = f"{self.seed} {photo.image_id} {photo.version} {photo.size}".encode() + (photo.body or b"")
        digest = hashlib.md5(identity, usedforsecurity=False).hexdigest()
        return f'"{digest}-2"' if photo.etag == "multipart" else f'W/"{digest}"'

    def md5(self, photo: StoredPhoto) -> str:
        """The MD5 of a photo's bytes in hexadecimal digits."""
        if photo.body is not None:
            return hashlib.md5(photo.body, usedforsecurity=False).hexdigest()
        key = (photo.image_id, photo.version, photo.size, self.seed)
        if key not in self._md5s:
            digest = hashlib.md5(usedforsecurity=False)
            # Of what the key names: the photo may be changed meanwhile.
            content = self.content(StoredPhoto(photo.image_id, key[2], version=key[1]))
            for piece in content.iter_bytes(0, content.size):
                digest.update(piece)
            self._md5s[key] = digest.hexdigest()
        return self._md5s[key]

    def replace_object(self, photo: StoredPhoto) -> None:
        """Replaces a photo's object by another of the same length."""
        with self._lock:
            photo.version += 1

    def drop_first(self, count: int) -> None:
        """Takes so many photos away from the front of every bib's list."""
        with self._lock:
            # New lists: an answer that is being made goes on with the one it has.
            self.bibs = {bib: ids[count:] for bib, ids in self.bibs.items()}

    def event_list(self) -> list[JsonObject]:
        """The organisation's events as the API lists them."""
        return [
            {
                "event_id": event_id,
                "event_name": name,
                "event_slug": name.lower().replace(" ", "-"),
                "event_date": "2025-09-14",
                "status": "published",
                "cover_image": None,
            }
            for event_id, name in self.events.items()
        ]


def _image_id(seed: int, number: int) -> str:
    digest = hashlib.sha256(f"{seed} {number}".encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


def _capture_time(image_id: str) -> float | None:
    """When a drawn photo was taken: most between 07:00 and 15:00 UTC on the race day, some the day before."""
    number = int(image_id[:8], 16)
    if number % 16 == 0:
        return None
    return RACE_DAY + FIRST_S + (number >> 8) % (LAST_S - FIRST_S) - (DAY_S if number % 16 == 1 else 0)
