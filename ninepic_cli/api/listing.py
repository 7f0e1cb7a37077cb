"""Listings: what was asked for -> photos in order, page by page, each with a link that can be renewed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from ninepic_cli.api.client import Api
from ninepic_cli.api.links import PageLinks, not_answered_error
from ninepic_cli.api.pagination import NumberedPage, SeenIds, iter_all_pages, iter_pages
from ninepic_cli.api.schema import Page, Query, describe
from ninepic_cli.errors import (
    MalformedRequestError,
    MissingError,
    NinepicError,
    NotListedError,
    PhotoError,
    RejectedError,
    ServiceFailedError,
)
from ninepic_cli.inputs.identifiers import advice
from ninepic_cli.models import Failed, Method, Photo
from ninepic_cli.text import pluralize
from ninepic_cli.updates import IdentifierListed, PageReceived, PhotoFinished, Update, WarningRaised

NO_ORIGINALS = "originals are only there where the organiser switched on 'Store Original Memories' for the event"

Listed = Photo | Update  # a photo to fetch, or something that is settled already


class Listing:
    """Follows the pages of every query of a run, one request at a time.

    Args:
        api: asked for pages.
        on_update: told of pages as they arrive.
    """

    def __init__(self, api: Api, *, on_update: Callable[[Update], None] = lambda _: None) -> None:
        self._api = api
        self._on_update = on_update
        self._is_alone = True
        self._has_warned = False
        self._listed_by_id = 0  # photos so far: the place of the next one

    def entries(self, queries: Sequence[Query]) -> Iterator[Listed]:
        """Photos to fetch in listing order, and what is settled without a transfer.

        That is: photos that the service does not have, and the end of each bib's or search's listing.

        Raises:
            MalformedRequestError: the service calls the only thing asked for malformed.
            NinepicError: nothing more can be listed (key refused, event unknown, host given up).
        """
        self._is_alone = len(queries) == 1
        for query in queries:
            yield from self._by_id(query) if query.is_by_id else self._identifier(query)

    def batch(self, ids: Sequence[str]) -> Iterator[Listed]:
        """The photos of image ids that are asked for among others, at most a page of them.

        Raises:
            NinepicError: nothing more can be listed.
        """
        self._is_alone = False
        yield from self._by_id(Query(Method.IMAGES, tuple(ids)))

    def _identifier(self, query: Query) -> Iterator[Listed]:
        """The photos of one bib or face search."""
        identifier, found = str(query.identifier), 0
        error: NinepicError | None = None
        try:
            for turn in iter_all_pages(self._fetch(query), name=describe(query), warn=self._on_update):
                found += len(turn.fresh)
                yield from self._photos(query, turn, lambda _: identifier)
            if not found:
                error = _nothing_found(query)
        except RejectedError as rejected:
            error = self._rejected(query, rejected, found)
        except ServiceFailedError as failed:
            error = failed
        yield IdentifierListed(identifier, found, error)

    def _rejected(self, query: Query, error: RejectedError, found: int) -> NinepicError:
        if error.status == 404 and not found:
            return _nothing_found(query)
        if error.status in {400, 422} and not found:
            if self._is_alone:
                raise _malformed(query, error) from None
            return MissingError(f"the service calls {describe(query)} malformed: {error.message}", code="malformed")
        return NotListedError(f"the service answered {error.status}: {error.message}", code=error.code)

    def _by_id(self, query: Query) -> Iterator[Listed]:
        """The photos of image ids; each of these ends in exactly one way, and no other photo is among them."""
        asked, is_answered = _Asked(query.identifiers), False
        fetch, seen = self._fetch(query), SeenIds(asked.identifier_of, before=self._listed_by_id)
        try:
            for turn in iter_pages(lambda number: asked.in_order(fetch(number)), seen):
                is_answered = True
                self._listed_by_id += len(turn.fresh)
                self._warn_of_strangers(query, turn.page, asked)
                for _, entry in turn.fresh:
                    asked.note(entry.image_id)
                yield from self._photos(query, turn, lambda image_id: asked.identifier_of(image_id) or image_id)
                if not asked.unanswered():
                    return
        except RejectedError as error:
            yield from self._rejected_ids(query, asked.unanswered(), error)
        except ServiceFailedError as error:
            for image_id in asked.unanswered():
                yield _not_listed(image_id, query.method, error)
        else:
            for image_id in asked.unanswered():
                yield _unanswered(image_id, query.method, is_unknown=query.method is Method.IMAGE and not is_answered)

    def _rejected_ids(self, query: Query, ids: Sequence[str], error: RejectedError) -> Iterator[Listed]:
        """A 400 or 404 condemns the ids; a 422 is narrowed down by halves to the id that causes it."""
        if error.status == 422 and len(ids) > 1:
            middle = len(ids) // 2
            self._is_alone = False
            for half in (ids[:middle], ids[middle:]):
                yield from self._by_id(Query(query.method, tuple(half)))
            return
        if error.status == 422 and self._is_alone and len(query.identifiers) == 1:
            raise _malformed(query, error)
        for image_id in ids:
            yield _settled(image_id, query.method, error)

    def _warn_of_strangers(self, query: Query, page: Page, asked: "_Asked") -> None:
        """Say once that a service sends photos that nobody asked for: it may be the reason why others are lacking."""
        count = sum(asked.identifier_of(entry.image_id) is None for entry in page.entries)
        if count and not self._has_warned:
            self._has_warned = True
            words = f"the service answered the request for {describe(query)} with {pluralize(count, 'other photo')}"
            self._on_update(WarningRaised(f"{words}; what was not asked for is not fetched"))

    def _photos(self, query: Query, turn: NumberedPage, identifier_of: Callable[[str], str]) -> Iterator[Listed]:
        """The new items of a page, as photos to fetch or as what is settled already."""
        links = PageLinks(self._api, query, turn)
        for index, entry in turn.fresh:
            photo = Photo(
                image_id=entry.image_id,
                filename=entry.filename,
                extension=entry.extension,
                identifier=identifier_of(entry.image_id),
                method=query.method,
                index=index,
                links=links,
            )
            yield PhotoFinished(photo, Failed(entry.failure)) if entry.failure else photo

    def _fetch(self, query: Query) -> Callable[[int], Page]:
        """What asks for a page of a listing by its number."""
        identifier = query.identifier if isinstance(query.identifier, str) else None

        def fetched(number: int) -> Page:
            page = self._api.originals(query, number, what=f"page {number} of {describe(query)}")
            self._on_update(PageReceived(identifier, number, len(page.entries), page.total))
            return page

        return fetched


class _Asked:
    """The image ids of a batch, found again whatever case the service writes them in."""

    def __init__(self, ids: Sequence[str]) -> None:
        self._open = dict.fromkeys(ids)
        self._exact = set(ids)
        self._by_lower = {image_id.lower(): image_id for image_id in ids}

    def note(self, image_id: str) -> None:
        """An item of the answer has this id."""
        self._open.pop(self.identifier_of(image_id) or "", None)

    def unanswered(self) -> list[str]:
        """The ids that no item has answered yet."""
        return list(self._open)

    def identifier_of(self, image_id: str) -> str | None:
        """The id as it was asked for; None for one that was not."""
        return image_id if image_id in self._exact else self._by_lower.get(image_id.lower())

    def in_order(self, page: Page) -> Page:
        """The page with the ids as they were asked for first, before those in another case."""
        return replace(page, entries=tuple(sorted(page.entries, key=lambda each: each.image_id not in self._exact)))


def _unlisted(image_id: str, method: Method) -> Photo:
    return Photo(image_id, filename="", extension="", identifier=image_id, method=method, index=0)


def _settled(image_id: str, method: Method, error: RejectedError) -> PhotoFinished:
    """What a rejected request means for one of its image ids."""
    if error.status in {400, 404}:
        hint = advice(method, image_id)
        outcome: PhotoError = MissingError(f"the service does not know it: {error.message}", hint=hint)
    elif error.status == 422:
        outcome = MissingError(f"the service calls it malformed: {error.message}", code="malformed")
    else:
        outcome = NotListedError(f"the service answered {error.status}: {error.message}", code=error.code)
    return PhotoFinished(_unlisted(image_id, method), Failed(outcome))


def _not_listed(image_id: str, method: Method, error: ServiceFailedError) -> PhotoFinished:
    outcome = NotListedError(f"its link could not be had: {error.message}", hint=error.hint, code=error.code)
    return PhotoFinished(_unlisted(image_id, method), Failed(outcome))


def _unanswered(image_id: str, method: Method, *, is_unknown: bool) -> PhotoFinished:
    """What an answer without a word about an id means for it."""
    unknown = MissingError("the service does not know it", hint=advice(method, image_id))
    return PhotoFinished(_unlisted(image_id, method), Failed(unknown if is_unknown else not_answered_error()))


def _nothing_found(query: Query) -> MissingError:
    hint = advice(query.method, str(query.identifier)) or NO_ORIGINALS
    return MissingError(f"the service has no photos for {describe(query)}", hint=hint)


def _malformed(query: Query, error: RejectedError) -> MalformedRequestError:
    return MalformedRequestError(
        f"the service calls the request for {describe(query)} malformed: {error.message}",
        hint=advice(query.method, str(query.identifier))
        or "check what was asked for; a request id and an image id look like 1b4e28ba-2fa1-11d2-883f-0016d3cca427",
    )
