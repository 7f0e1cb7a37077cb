"""The whole event: its list of photos, and for each of them, asked for in batches of ids, a link to the original."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

from ninepic_cli.api.client import Api
from ninepic_cli.api.event_info import photo_count, photo_page
from ninepic_cli.api.listing import NO_ORIGINALS, Listed, Listing
from ninepic_cli.api.pagination import iter_all_pages
from ninepic_cli.api.schema import BATCH_SIZE, Page, PhotoItem
from ninepic_cli.errors import (
    MalformedRequestError,
    MissingError,
    NinepicError,
    NotAllowedError,
    NotListedError,
    RejectedError,
    ServiceFailedError,
)
from ninepic_cli.inputs.filters import ALL_TIMES, EventFilter
from ninepic_cli.models import Failed, Method, Photo
from ninepic_cli.text import pluralize
from ninepic_cli.updates import IdentifierListed, PageReceived, PhotoFinished, Update, WarningRaised

_WARNED_AFTER = 1200  # photos from the start on without any original


class EventListing:
    """Lists the photos of an event, one request at a time.

    Args:
        api: asked for pages.
        event_id: the event that it speaks for; the photos' identifier.
        choice: which of its photos.
        on_update: told of pages as they arrive.
    """

    def __init__(
        self, api: Api, *, event_id: int, choice: EventFilter, on_update: Callable[[Update], None] = lambda _: None
    ) -> None:
        self._api = api
        self._event = str(event_id)
        self._choice = choice
        self._on_update = on_update
        self._listing = Listing(api, on_update=on_update)
        self._page = 0  # the furthest that had photos
        self._pages = 0  # as the last page with photos said
        self._total = 0  # the greatest number of photos that the service has said
        self._listed = 0  # by the service, those of other parts included
        self._nameless = 0  # of them without an id
        self._found = 0
        self._missing = 0  # of them, as far as the listing knows

    def entries(self) -> Iterator[Listed]:
        """Photos to fetch by capture time, and what is settled without a transfer; last the end of the listing.

        Raises:
            MalformedRequestError: the service calls the question malformed.
            NinepicError: nothing more can be listed (key refused, event unknown, host given up).
        """
        error: NinepicError | None = None
        try:
            yield from self._originals()
            error = self._shortfall()
        except RejectedError as rejected:
            error = self._rejected(rejected)
        except ServiceFailedError as failed:
            error = failed
        yield IdentifierListed(self._event, self._found, error)

    def _originals(self) -> Iterator[Listed]:
        if self._choice.period:
            self._tell_untimed()
        for batch in self._batches():
            for item in self._asked_for(batch):
                self._found += 1
                self._missing += _is_missing(item)
                yield item
            if self._missing == self._found >= _WARNED_AFTER > self._found - len(batch):
                words = self._none_stored(f"the first {self._found:,} photos").message
                self._on_update(WarningRaised(f"{words}: {NO_ORIGINALS}"))

    def _asked_for(self, batch: dict[str, int]) -> Iterator[Listed]:
        """The photos of a batch, each under the event and with its place in the event's list."""
        for item in self._listing.batch(tuple(batch)):
            match item:
                case Photo():
                    yield self._placed(item, batch)
                case PhotoFinished(photo, outcome):
                    yield PhotoFinished(self._placed(photo, batch), outcome)

    def _placed(self, photo: Photo, batch: dict[str, int]) -> Photo:
        index = batch.get(photo.identifier, 0)
        return replace(photo, identifier=self._event, method=Method.EVENT, index=index)

    def _batches(self) -> Iterator[dict[str, int]]:
        """Image ids, at most a request's worth, each with its place in the event's list."""
        batch: dict[str, int] = {}
        try:
            for turn in iter_all_pages(self._fetch, name=f"event {self._event}", warn=self._warn):
                self._listed += len(turn.fresh)
                self._nameless += sum(entry.failure is not None for _, entry in turn.fresh)
                batch |= {entry.image_id: index for index, entry in turn.fresh if self._is_ours(entry)}
                while len(batch) >= BATCH_SIZE:
                    full, batch = _cut(batch)
                    yield full
        except (RejectedError, ServiceFailedError):
            if batch:
                yield batch
            raise
        if batch:
            yield batch

    def _is_ours(self, entry: PhotoItem) -> bool:
        return entry.failure is None and (self._choice.part is None or self._choice.part.has(entry.image_id))

    def _fetch(self, number: int) -> Page:
        page = photo_page(self._api, number, self._choice.period)
        if page.entries:
            self._page = max(self._page, number)
            self._pages = self._pages if page.pages is None else page.pages
        else:  # that there are fewer is not believed of a page without photos
            self._pages = max(self._pages, page.pages or 0)
        self._total = max(self._total, page.total or 0)
        parts = self._choice.part.count if self._choice.part else 1
        total = None if page.total is None else -(-page.total // parts)
        self._on_update(PageReceived(self._event, number, len(page.entries), total))
        return page

    @property
    def _broke_off(self) -> bool:
        """Whether photos are lacking, and the last pages that the service spoke of with them."""
        return self._listed < self._total and self._page < self._pages

    def _warn(self, warning: WarningRaised) -> None:
        """A list that is short although it was read to its last page; one that was not is an error."""
        if not self._broke_off:
            self._on_update(warning)

    def _tell_untimed(self) -> None:
        """Photos without a capture time are in no period; that there are some is worth a word."""
        try:
            counts = photo_count(self._api), photo_count(self._api, ALL_TIMES)
        except (NotAllowedError, RejectedError, ServiceFailedError):
            counts = None, None
        total, timed = counts
        if total is None or timed is None:
            self._on_update(
                WarningRaised("photos without a capture time are not taken; how many there are is not known")
            )
        elif total > timed:
            words = pluralize(total - timed, "photo", "photos")
            self._on_update(WarningRaised(f"not taken, because their capture time is not known: {words}"))

    def _rejected(self, error: RejectedError) -> NinepicError:
        if error.status == 404 and not self._listed:
            return self._nothing()
        if error.status in {400, 422} and not self._listed:
            raise MalformedRequestError(
                f"the service calls the request for the photos of event {self._event} malformed: {error.message}",
                hint="check --since and --until" if self._choice.period else "check --event",
            ) from None
        return NotListedError(f"the service answered {error.status}: {error.message}", code=error.code)

    def _shortfall(self) -> NinepicError | None:
        """What a list lacks that the service has ended."""
        if self._broke_off:
            words = f"the service said that event {self._event} has {pluralize(self._total, 'photo')}"
            hint = "run the same command again later: what is on disk is not fetched twice"
            return NotListedError(f"{words}, and listed {self._listed:,}, none behind page {self._page}", hint=hint)
        if not self._listed:
            return self._nothing()
        if self._nameless:
            words = f"the service listed {pluralize(self._nameless, 'photo')} of event {self._event} without an id"
            return NotListedError(f"{words}, by which alone an original can be asked for", code="unnamed")
        is_none_stored = self._found and self._found == self._missing
        return self._none_stored(pluralize(self._found, "photo")) if is_none_stored else None

    def _none_stored(self, photos: str) -> MissingError:
        words = f"the service has the original of none of {photos} of event {self._event}"
        return MissingError(words, hint=NO_ORIGINALS)

    def _nothing(self) -> MissingError:
        period = f" taken {self._choice.period}" if self._choice.period else ""
        return MissingError(f"the service has no photos of event {self._event}{period}")


def _is_missing(item: Listed) -> bool:
    return isinstance(item, PhotoFinished) and isinstance(item.outcome, Failed) and item.outcome.is_missing


def _cut(batch: dict[str, int]) -> tuple[dict[str, int], dict[str, int]]:
    """The first request's worth, and the rest."""
    items = iter(batch.items())
    return dict(islice(items, BATCH_SIZE)), dict(items)
