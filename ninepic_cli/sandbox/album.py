"""The photos of an event in the order in which they were taken."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ninepic_cli.sandbox.world import StoredPhoto

HOUR_S = 3600


class Album:
    """An event's photos: those with a capture time first, in its order, then the others; put in order once.

    Attributes:
        ids: Image ids of all of them.
    """

    def __init__(self, photos: Iterable[StoredPhoto]) -> None:
        found = list(photos)
        # Among photos of one moment the id decides, so that a photo that is added changes nobody else's turn.
        timed = sorted((photo.taken, photo.image_id) for photo in found if photo.taken is not None)
        self._times = array("d", (taken for taken, _ in timed))
        self.ids = [image_id for _, image_id in timed]
        self.ids += sorted(photo.image_id for photo in found if photo.taken is None)

    def between(self, start: float, stop: float) -> range:
        """Where the photos are that were taken from `start` on and before `stop`, in seconds since the epoch."""
        return range(bisect_left(self._times, start), bisect_left(self._times, stop))

    def days(self) -> list[dict[str, Any]]:
        """How many photos each day has, and each hour of it, in UTC; days and hours without photos are left out."""
        hours = Counter(int(taken // HOUR_S) for taken in self._times)
        days: dict[str, dict[str, Any]] = {}
        for hour in sorted(hours):
            moment = datetime.fromtimestamp(hour * HOUR_S, UTC)
            day = days.setdefault(f"{moment:%Y-%m-%d}", {"date": f"{moment:%Y-%m-%d}", "total": 0, "hours": []})
            day["total"] += hours[hour]
            day["hours"].append({"hour": moment.hour, "count": hours[hour]})
        return list(days.values())


def part(ids: Sequence[str], where: range, items: slice) -> Sequence[str]:
    """The items of a page of a stretch of ids, without a copy of the stretch."""
    chosen = where[items]
    return ids[chosen.start : chosen.stop]
