"""Paged lists of the service: followed to their end, each item taken once, whatever the list does meanwhile."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ninepic_cli.answers import Entry, Page
from ninepic_cli.errors import RejectedError
from ninepic_cli.photo import Warned

_MOST_PASSES = 4  # over one list: the first, and three that look for what its shifting hid
_MOST_REPEATS = 50  # of pages, in a row: a service that repeats itself for ever does not keep a run for ever

Fetch = Callable[[int], Page]


@dataclass(frozen=True, slots=True)
class Turned:
    """A page that was turned to.

    Attributes:
        number: counts from 1.
        page: as the service sent it.
        fresh: those of its items that have not been seen before, each with its place in the list, from 1.
    """

    number: int
    page: Page
    fresh: list[tuple[int, Entry]]


class Seen:
    """The image ids of a list, in 12 bytes each: there may be hundreds of thousands."""

    def __init__(self) -> None:
        self._digests: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._digests)

    def add(self, image_id: str) -> bool:
        """Take an id in; returns whether it is new."""
        before = len(self._digests)
        self._digests.add(hashlib.blake2b(image_id.encode(errors="surrogatepass"), digest_size=12).digest())
        return len(self._digests) > before

    def of(self, number: int, page: Page) -> Turned:
        """The page with what is new of it."""
        return Turned(number, page, [(len(self), entry) for entry in page.entries if self.add(entry.image_id)])


def turned(fetch: Fetch, seen: Seen) -> Iterator[Turned]:
    """The pages of a list: to the last by its own word, the first empty one, or a 404 behind the first.

    Raises:
        NinepicError: a page was not to be had.
    """
    number, repeats = 1, 0
    shown: set[int] = set()  # which pages this pass has brought, not which photos: those may be very many
    while True:
        try:
            page = fetch(number)
        except RejectedError as error:
            if error.status == 404 and number > 1:
                return
            raise
        content = hash(frozenset(entry.image_id for entry in page.entries))
        repeats = repeats + 1 if content in shown else 0
        shown.add(content)
        if not page.entries:
            return
        yield seen.of(number, page)
        # Where nothing says how many there are, a page that came before is the end.
        if not page.may_go_on(number) or repeats >= (1 if page.pages is None else _MOST_REPEATS):
            return
        number += 1


def all_turned(fetch: Fetch, *, name: str, warn: Callable[[Warned], None]) -> Iterator[Turned]:
    """The pages of a list, which is looked through again where fewer items came than the service said there are.

    A photo that is added or removed while pages are asked for shifts the others across the pages' borders.

    Args:
        fetch: asks for a page by its number.
        name: of the list, in the warning that it is shorter than the service said.
        warn: told so.

    Raises:
        NinepicError: a page was not to be had.
    """
    seen, greatest = Seen(), 0
    for number in range(_MOST_PASSES):
        before = len(seen)
        try:
            for turn in turned(fetch, seen):
                greatest = max(greatest, turn.page.total or 0)
                yield turn
        except RejectedError:
            if not number:
                raise
            break  # what a further look does not find costs nothing
        if len(seen) >= greatest or len(seen) == before:
            break
    if 0 < len(seen) < greatest:
        words = f"the service said that {name} has {greatest:,} photos, and listed {len(seen):,}"
        warn(Warned(f"{words}; the listing is taken as complete"))
