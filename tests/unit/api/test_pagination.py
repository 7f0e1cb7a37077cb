"""Pages of a list: each item once, however they contradict themselves."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninepic_cli.api import pagination as paging
from ninepic_cli.api.pagination import SeenIds, iter_all_pages, iter_pages
from ninepic_cli.api.schema import Page, PhotoItem
from ninepic_cli.errors import GivenUpError, NinepicError, RejectedError, ServiceFailedError
from ninepic_cli.updates import WarningRaised


@dataclass
class Book:
    """A list as a service would page it.

    Attributes:
        pages: the ids on each page.
        said: for each page what it says of the list: total, number of pages, whether there is another one.
        end: what is answered behind the last page; None for a page without items.
    """

    pages: Sequence[Sequence[str]]
    said: Sequence[tuple[int | None, int | None, bool | None]]
    end: NinepicError | None = None
    asked: int = 0

    def fetch(self, number: int) -> Page[PhotoItem]:
        """Answer for a page."""
        self.asked += 1
        if number > len(self.pages):
            if self.end:
                raise self.end
            return Page((), None, None, None)
        total, pages, has_next = self.said[number - 1]
        entries = tuple(PhotoItem(each, "", "", None) for each in self.pages[number - 1])
        return Page(entries, total, pages, has_next)

    def read(self) -> tuple[list[str], list[WarningRaised]]:
        """The ids that come of it, and what is told."""
        warnings: list[WarningRaised] = []
        found = [
            entry.image_id
            for turn in iter_all_pages(self.fetch, name="it", warn=warnings.append)
            for _, entry in turn.new_items
        ]
        return found, warnings


NUMBERS = st.none() | st.integers(0, 12) | st.just(10**9)
MORE = st.sampled_from([True, None])
NOT_FOUND, BAD = RejectedError("x", status=404), RejectedError("x", status=400)


@st.composite
def books(draw: st.DrawFn) -> Book:
    """Lists of pages that share nothing, and say anything of each other but that one in the middle is the last."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=8))
    pages = [[f"{number}-{place}" for place in range(size)] for number, size in enumerate(sizes)]
    said = [(draw(NUMBERS), draw(NUMBERS), draw(MORE)) for _ in pages]
    if draw(st.booleans()):
        said[-1] = (*said[-1][:2], False)
    return Book(pages, said, draw(st.sampled_from([None, NOT_FOUND])))


@given(books())
def test_nothing_is_lost_to_a_contradiction(book: Book) -> None:
    """What stands before the page that says that it is the last, or the list's end, comes once and in order."""
    assert book.read()[0] == [each for page in book.pages for each in page]
    assert book.asked <= 4 * (len(book.pages) + 1)


@given(
    st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=3), min_size=1, max_size=8),
    st.data(),
)
def test_every_list_ends(pages: list[list[str]], data: st.DataObject) -> None:
    """Pages that repeat, in any order and for ever, are left after a while, and each of their items comes once."""
    said = [(data.draw(NUMBERS), data.draw(NUMBERS), data.draw(st.sampled_from([True, None, False]))) for _ in pages]
    endless = Book(pages * 500, said * 500)
    found, _ = endless.read()
    assert len(found) == len(set(found))
    assert endless.asked <= 4 * (8 + 51 + 2 * len(pages))


def test_more_pages_shift_than_there_is_patience_for() -> None:
    """A list that grows at its front while it is read repeats as many pages as were read: behind them it goes on."""
    read, last = ([[f"{name}{number}"] for number in range(100)] for name in ("old", "new"))
    pages = [*read, *read, *last]
    book = Book(pages, [(None, len(pages), True)] * len(pages))
    assert book.read()[0] == [each for page in (*read, *last) for each in page]


def test_a_page_without_news_takes_no_page_back() -> None:
    """A repeated page that speaks of fewer pages than an earlier one is passed over, and those behind it are read."""
    book = Book([["a"], ["a"], ["b"]], [(2, 3, True), (2, 2, True), (2, 3, False)])
    assert book.read() == (["a", "b"], [])


def test_a_further_look_ends_where_the_first_did() -> None:
    """A page behind the last that had something is asked for once, and not in each further look."""
    book = Book([["a"], ["b"]], [(3, 1, None)] * 2)
    assert len(book.read()[1]) == 1
    assert book.asked == 3 + 2


def test_a_page_that_nobody_spoke_of_may_be_rejected() -> None:
    """Where a page does not say whether there is another, the one behind the announced last may be a 400; else not."""
    pages = [["a"], ["b"]]
    book = Book(pages, [(2, 2, None)] * 2, BAD)
    assert book.read() == (["a", "b"], [])
    assert book.asked == 3
    for said in ((2, 3, None), (2, 2, True)):
        with pytest.raises(RejectedError):
            Book(pages, [said] * 2, BAD).read()


@pytest.mark.parametrize("error", [BAD, NOT_FOUND, ServiceFailedError("x"), GivenUpError("x")])
def test_a_further_look_that_fails(error: NinepicError) -> None:
    """What a further look does not get costs no more than the warning that the list is short."""
    book = Book([["a"], ["b"]], [(3, 2, True), (3, 2, False)])

    def fetch(number: int) -> Page[PhotoItem]:
        page = book.fetch(number)
        if book.asked > 2:
            raise error
        return page

    warnings: list[WarningRaised] = []
    assert len(list(iter_all_pages(fetch, name="it", warn=warnings.append))) == 2
    assert [each.message for each in warnings] == [
        "the service announced 3 photos for it but listed 2; assuming the listing is complete"
    ]


def test_places_and_names_in_a_list() -> None:
    """An item counts under its name, once, what has none is passed over, and places go on behind those before."""
    book = Book([["a", "x", "B"], ["b", "A", "c"]], [(None, None, True), (None, None, False)])
    seen = SeenIds({"a": "a", "A": "a", "b": "b", "B": "b", "c": "c"}.get, before=60)
    turns = list(iter_pages(book.fetch, seen))
    assert [[(place, entry.image_id) for place, entry in turn.new_items] for turn in turns] == [
        [(61, "a"), (62, "B")],
        [(63, "c")],
    ]


@given(names=st.lists(st.text(max_size=3), max_size=200), buckets=st.sampled_from([1, 4096]))
def test_each_id_is_new_once(names: list[str], buckets: int) -> None:
    """An id is new when it comes for the first time, whatever came before it."""
    seen, known = SeenIds(), set[str]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paging, "_BUCKETS", buckets)
        for name in names:
            assert seen.add(name) == (name not in known)
            known.add(name)
    assert len(seen) == len(known)
