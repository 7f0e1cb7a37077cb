"""Paged lists of the service: followed to their end, each item taken once, whatever the list does meanwhile."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic

from ninepic_cli.api.schema import ItemT, Page
from ninepic_cli.errors import GivenUpError, RejectedError, ServiceFailedError
from ninepic_cli.updates import WarningRaised

_MAX_PASSES = 4  # over one list: the first, and three that look for what its shifting hid
_MAX_STALE_PAGES = 50  # pages in a row without news, beside as many as brought some: what shifted is not more than that

_DIGEST_BYTES, _BUCKETS = 10, 4096


@dataclass(frozen=True, slots=True)
class NumberedPage(Generic[ItemT]):
    """A page of a list, and what it adds to those before it.

    Attributes:
        number: counts from 1.
        page: as the service sent it.
        new_items: those that have not been seen before, each with its place in the list, from 1.
    """

    number: int
    page: Page[ItemT]
    new_items: list[tuple[int, ItemT]]


class SeenIds:
    """The ids of a list's items, in 12 bytes each: there may be hundreds of thousands.

    An id counts under its `name_of`, once; one that has none does not belong to the list. Places of items, from 1, go
    on behind those `before`.
    """

    def __init__(self, name_of: Callable[[str], str | None] = lambda item_id: item_id, *, before: int = 0) -> None:
        self._name_of = name_of
        self._before = before
        self._count = 0
        # Ten bytes of each digest, one behind the other, by the rest of it: a set takes ten times as much memory.
        self._digests: dict[int, bytearray] = {}

    def __len__(self) -> int:
        return self._count

    def add(self, item_id: str) -> bool:
        """Take an id in; returns whether it is new, and belongs to the list."""
        name = self._name_of(item_id)
        if name is None:
            return False
        digest = hashlib.blake2b(name.encode(errors="surrogatepass"), digest_size=_DIGEST_BYTES + 2).digest()
        bucket = self._digests.setdefault(int.from_bytes(digest[:2]) % _BUCKETS, bytearray())
        at = bucket.find(digest[2:])
        while at % _DIGEST_BYTES and at >= 0:  # it begins in the middle of another
            at = bucket.find(digest[2:], at + 1)
        if at >= 0:
            return False
        bucket += digest[2:]
        self._count += 1
        return True

    def new_items(self, page: Page[ItemT]) -> list[tuple[int, ItemT]]:
        """Take in the items of a page; those that are new, each with its place in the list."""
        return [(self._before + len(self), entry) for entry in page.entries if self.add(entry.item_id)]


def iter_pages(fetch: Callable[[int], Page[ItemT]], seen: SeenIds, furthest: int = 0) -> Iterator[NumberedPage[ItemT]]:
    """The pages of a list: to one that says it is the last, the first empty one, or a 404 behind the first.

    A page with news is followed by another, unless it says that it is the last: how many there are in all only
    counts for pages without news. One that nobody spoke of may be rejected with any status. `furthest` is the last
    page that an earlier pass came to.

    Raises:
        NinepicError: a page was not to be had.
    """
    number, last, news, stale, is_guess = 1, furthest, 0, 0, False
    while True:
        try:
            page = fetch(number)
        except RejectedError as error:
            if is_guess or (error.status == 404 and number > 1):
                return
            raise
        if not page.entries:
            return
        new_items = seen.new_items(page)
        yield NumberedPage(number, page, new_items)
        if page.has_next is False:
            return
        last = max(last, page.pages or 0)
        if new_items or number < furthest:
            news, stale = news + 1, 0
        else:
            stale += 1
            if number >= last or stale > _MAX_STALE_PAGES + news:
                return
        is_guess = page.has_next is None and number >= last
        number += 1


def iter_all_pages(
    fetch: Callable[[int], Page[ItemT]], *, name: str, warn: Callable[[WarningRaised], None], things: str = "photos"
) -> Iterator[NumberedPage[ItemT]]:
    """The pages of a list, which is looked through again where fewer items came than the service said there are.

    A photo that is added or removed while pages are asked for shifts the others across the pages' borders. That the
    list is still shorter in the end is a warning, which says `name` for it and `things` for its items.

    Raises:
        NinepicError: a page was not to be had.
    """
    seen, greatest, furthest = SeenIds(), 0, 0

    def fetch_and_count(number: int) -> Page[ItemT]:
        nonlocal greatest
        page = fetch(number)
        greatest = max(greatest, page.total or 0)  # also of a page without items, which may be the first
        return page

    for number in range(_MAX_PASSES):
        before = len(seen)
        try:
            for page in iter_pages(fetch_and_count, seen, furthest):
                furthest = max(furthest, page.number)
                yield page
        except (RejectedError, ServiceFailedError, GivenUpError):
            if not number:
                raise
            break  # what a further look does not find costs nothing; a host that is given up says so again
        if len(seen) >= greatest or len(seen) == before:
            break
    if len(seen) < greatest:
        words = f"the service announced {greatest:,} {things} for {name} but listed {len(seen):,}"
        warn(WarningRaised(f"{words}; assuming the listing is complete"))
