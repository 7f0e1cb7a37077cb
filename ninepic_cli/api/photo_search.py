"""Photos by bib, face search or image id: in order, page by page, each with a link that can be renewed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from ninepic_cli.api.client import Api
from ninepic_cli.api.links import PageLinks
from ninepic_cli.api.pagination import NumberedPage, SeenIds, iter_all_pages, iter_pages
from ninepic_cli.api.rejections import (
    image_rejection,
    malformed_query,
    nothing_found,
    search_rejection,
    unanswered_image,
    unknown_image,
)
from ninepic_cli.api.schema import Page, PhotoItem, Query
from ninepic_cli.errors import (
    MalformedRequestError,
    NinepicError,
    NotListedError,
    PhotoError,
    RejectedError,
    ServiceFailedError,
)
from ninepic_cli.inputs.identifiers import PHOTO_METHODS
from ninepic_cli.models import Failed, Method, Photo
from ninepic_cli.text import pluralize
from ninepic_cli.updates import IdentifierListed, PageReceived, PhotoFinished, Update, WarningRaised

ListingEntry = Photo | Update  # a photo to fetch, or something that is settled already


class PhotoSearch:
    """Follows the pages of every query of a run, one request at a time; updates tell of pages as they arrive."""

    def __init__(self, api: Api, *, on_update: Callable[[Update], None] = lambda _: None) -> None:
        self._api = api
        self._on_update = on_update
        self._is_alone = True
        self._has_warned = False
        self._listed_by_id = 0  # photos so far: the place of the next one

    def entries(self, queries: Sequence[Query]) -> Iterator[ListingEntry]:
        """Photos to fetch in listing order, and what is settled without a transfer.

        That is: photos that the service does not have, and the end of each bib's or search's listing.

        Raises:
            MalformedRequestError: the service calls the only thing asked for malformed.
            NinepicError: nothing more can be listed (key refused, event unknown, host given up).
        """
        self._is_alone = len(queries) == 1
        for query in queries:
            yield from self._by_id(query) if query.method in PHOTO_METHODS else self._by_search(query)

    def batch(self, ids: Iterable[str]) -> Iterator[ListingEntry]:
        """The photos of image ids that are asked for among others, at most a page of them.

        Raises:
            NinepicError: nothing more can be listed.
        """
        self._is_alone = False
        yield from self._by_id(Query(Method.IMAGES, tuple(ids)))

    def _by_search(self, query: Query) -> Iterator[ListingEntry]:
        """The photos of one bib or face search."""
        identifier, found = str(query.identifier), 0
        error: NinepicError | None = None
        try:
            for page in iter_all_pages(self._page_fetcher(query), name=query.description, warn=self._on_update):
                found += len(page.new_items)
                yield from self._photos(query, page, lambda _: identifier)
            if not found:
                error = nothing_found(query)
        except RejectedError as rejected:
            error = search_rejection(rejected, query, is_alone=self._is_alone, is_begun=found > 0)
            if isinstance(error, MalformedRequestError):
                raise error from None
        except ServiceFailedError as failed:
            error = failed
        yield IdentifierListed(identifier, found, error)

    def _by_id(self, query: Query) -> Iterator[ListingEntry]:
        """The photos of image ids; each of these ends in exactly one way, and no other photo is among them."""
        ids, unanswered, has_answer = _RequestedIds(query.identifiers), query.identifiers, False
        fetch, seen = self._page_fetcher(query), SeenIds(ids.identifier_of, before=self._listed_by_id)
        try:
            for page in iter_pages(lambda number: ids.sort_page(fetch(number)), seen):
                has_answer = True
                self._listed_by_id += len(page.new_items)
                self._warn_of_strangers(query, page.page, ids)
                answered = {ids.identifier_of(item.image_id) for _, item in page.new_items}
                unanswered = tuple(image_id for image_id in unanswered if image_id not in answered)
                yield from self._photos(query, page, lambda image_id: ids.identifier_of(image_id) or image_id)
                if not unanswered:
                    return
        except RejectedError as error:
            yield from self._rejected_ids(query, unanswered, error)
        except ServiceFailedError as error:
            lost = NotListedError(f"cannot get its download link: {error.message}", hint=error.hint, code=error.code)
            yield from (_failed_image(image_id, query.method, lost) for image_id in unanswered)
        else:
            is_unknown = query.method is Method.IMAGES and not has_answer
            for image_id in unanswered:
                failure = unknown_image(query.method, image_id) if is_unknown else unanswered_image()
                yield _failed_image(image_id, query.method, failure)

    def _rejected_ids(self, query: Query, ids: tuple[str, ...], error: RejectedError) -> Iterator[ListingEntry]:
        """A 400 or 404 condemns the ids; a 422 is narrowed down by halves to the id that causes it."""
        if error.status == 422 and len(ids) > 1:
            middle = len(ids) // 2
            self._is_alone = False
            for half in (ids[:middle], ids[middle:]):
                yield from self._by_id(Query(query.method, half))
            return
        if error.status == 422 and self._is_alone and len(query.identifiers) == 1:
            raise malformed_query(query, error)
        for image_id in ids:
            yield _failed_image(image_id, query.method, image_rejection(error, query.method, image_id))

    def _warn_of_strangers(self, query: Query, page: Page[PhotoItem], ids: "_RequestedIds") -> None:
        """Say once that a service sends photos that nobody asked for: it may be the reason why others are lacking."""
        count = sum(ids.identifier_of(item.image_id) is None for item in page.entries)
        if count and not self._has_warned:
            self._has_warned = True
            words = f"ignored {pluralize(count, 'unrequested photo')} in the response for {query.description}"
            self._on_update(WarningRaised(words))

    def _photos(
        self, query: Query, page: NumberedPage[PhotoItem], identifier_of: Callable[[str], str]
    ) -> Iterator[ListingEntry]:
        """The new items of a page, as photos to fetch or as what is settled already."""
        links = PageLinks(self._api, query, page)
        for index, item in page.new_items:
            identifier = identifier_of(item.image_id)
            photo = Photo(item.image_id, item.filename, item.extension, identifier, query.method, index, links)
            yield PhotoFinished(photo, Failed(item.failure)) if item.failure else photo

    def _page_fetcher(self, query: Query) -> Callable[[int], Page[PhotoItem]]:
        """What fetches a page of the query's photos by its number."""
        identifier = query.identifier if isinstance(query.identifier, str) else None

        def fetch(number: int) -> Page[PhotoItem]:
            page = self._api.photos_page(query, number, what=f"page {number} of {query.description}")
            self._on_update(PageReceived(identifier, number, len(page.entries), page.total))
            return page

        return fetch


class _RequestedIds:
    """The image ids of a batch, found again whatever case the service writes them in."""

    def __init__(self, ids: Sequence[str]) -> None:
        self._exact = set(ids)
        self._by_lower = {image_id.lower(): image_id for image_id in ids}

    def identifier_of(self, image_id: str) -> str | None:
        """The id as it was asked for; None for one that was not."""
        return image_id if image_id in self._exact else self._by_lower.get(image_id.lower())

    def sort_page(self, page: Page[PhotoItem]) -> Page[PhotoItem]:
        """The page with the ids as they were asked for first, before those in another case."""
        return replace(page, entries=tuple(sorted(page.entries, key=lambda each: each.image_id not in self._exact)))


def _failed_image(image_id: str, method: Method, error: PhotoError) -> PhotoFinished:
    """An image id for which there is no photo to fetch."""
    photo = Photo(image_id, filename="", extension="", identifier=image_id, method=method, index=0)
    return PhotoFinished(photo, Failed(error))
