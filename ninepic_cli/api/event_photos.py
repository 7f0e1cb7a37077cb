"""All photos of an event: its list of them, and for each, asked for in batches of ids, a link to the original."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ninepic_cli.api.client import Api
from ninepic_cli.api.pagination import iter_all_pages
from ninepic_cli.api.photo_search import ListingEntry, PhotoSearch
from ninepic_cli.api.rejections import event_photos_rejection, no_event_photos
from ninepic_cli.api.schema import (
    BATCH_SIZE,
    Page,
    PhotoItem,
    UnreadableError,
    parse_image_id,
    parse_items,
    parse_page,
    parse_text,
    substitute_id,
)
from ninepic_cli.errors import (
    NO_ORIGINALS,
    MalformedRequestError,
    MissingError,
    NinepicError,
    NotAllowedError,
    NotListedError,
    PhotoError,
    RejectedError,
    ServiceFailedError,
)
from ninepic_cli.inputs.filters import ALL_TIMES, EventFilter, Period
from ninepic_cli.models import Failed, Method, Photo
from ninepic_cli.text import pluralize
from ninepic_cli.updates import IdentifierListed, PageReceived, PhotoFinished, Update, WarningRaised

_PAGE_SIZE = 100  # the largest that the service takes
_NO_LIST = "no list of photos"
_WARNED_AFTER = 1200  # photos from the start on without any original


class EventPhotos:
    """Lists the photos of an event that are chosen, one request at a time; updates tell of pages as they arrive."""

    def __init__(
        self, api: Api, *, event_id: int, choice: EventFilter, on_update: Callable[[Update], None] = lambda _: None
    ) -> None:
        self._api = api
        self._event = str(event_id)
        self._period = choice.period
        self._shard = choice.part
        self._on_update = on_update
        self._search = PhotoSearch(api, on_update=on_update)
        self._last_page = 0  # the furthest that had photos
        self._pages = 0  # as the last page with photos said
        self._total = 0  # the greatest number of photos that the service has said
        self._listed = 0  # by the service, those of other parts included
        self._nameless = 0  # of them without an id
        self._found = 0
        self._missing = 0  # of them, as far as the listing knows

    def entries(self) -> Iterator[ListingEntry]:
        """Photos to fetch by capture time, and what is settled without a transfer; last the end of the listing.

        Raises:
            MalformedRequestError: the service calls the question malformed.
            NinepicError: nothing more can be listed (key refused, event unknown, host given up).
        """
        error: NinepicError | None = None
        try:
            yield from self._photos()
            error = self._shortfall()
        except RejectedError as rejected:
            error = event_photos_rejection(rejected, self._event, self._period, is_begun=self._listed > 0)
            if isinstance(error, MalformedRequestError):
                raise error from None
        except ServiceFailedError as failed:
            error = failed
        yield IdentifierListed(self._event, self._found, error)

    def _photos(self) -> Iterator[ListingEntry]:
        if self._period:
            self._warn_of_untimed()
        for batch in self._batches():
            for entry in self._search.batch(batch):
                self._found += 1
                match entry:
                    case Photo():
                        yield self._event_photo(entry, batch)
                    case PhotoFinished(photo, Failed() as outcome):
                        self._missing += outcome.is_missing
                        yield replace(entry, photo=self._event_photo(photo, batch))
            if self._missing == self._found >= _WARNED_AFTER > self._found - len(batch):
                words = self._none_stored(f"the first {self._found:,} photos").message
                self._on_update(WarningRaised(f"{words}: {NO_ORIGINALS}"))

    def _event_photo(self, photo: Photo, batch: dict[str, int]) -> Photo:
        """A photo of a batch, under the event and with its place in the event's list."""
        index = batch.get(photo.identifier, 0)
        return replace(photo, identifier=self._event, method=Method.EVENT, index=index)

    def _batches(self) -> Iterator[dict[str, int]]:
        """Image ids, at most a request's worth, each with its place in the event's list."""
        batch: dict[str, int] = {}
        try:
            for page in iter_all_pages(self._fetch_page, name=f"event {self._event}", warn=self._warn_if_complete):
                self._listed += len(page.new_items)
                for index, item in page.new_items:
                    if item.failure:
                        self._nameless += 1
                    elif self._shard is None or self._shard.has(item.image_id):
                        batch[item.image_id] = index
                    if len(batch) == BATCH_SIZE:
                        yield batch
                        batch = {}
        except (RejectedError, ServiceFailedError):
            if batch:
                yield batch
            raise
        if batch:
            yield batch

    def _fetch_page(self, number: int) -> Page[PhotoItem]:
        path = _path(number, _PAGE_SIZE, self._period)
        page = self._api.get_event_data(path, what=f"page {number} of the event's photos", parse=_parse_page)
        if page.entries:
            self._last_page = max(self._last_page, number)
            self._pages = self._pages if page.pages is None else page.pages
        else:  # that there are fewer is not believed of a page without photos
            self._pages = max(self._pages, page.pages or 0)
        self._total = max(self._total, page.total or 0)
        shards = self._shard.count if self._shard else 1
        total = None if page.total is None else -(-page.total // shards)
        self._on_update(PageReceived(self._event, number, len(page.entries), total))
        return page

    @property
    def _is_incomplete(self) -> bool:
        """Whether photos are lacking, and the last pages that the service spoke of with them."""
        return self._listed < self._total and self._last_page < self._pages

    def _warn_if_complete(self, warning: WarningRaised) -> None:
        """A list that is short although it was read to its last page; one that was not is an error."""
        if not self._is_incomplete:
            self._on_update(warning)

    def _warn_of_untimed(self) -> None:
        """Photos without a capture time are in no period; that there are some is worth a word."""
        try:
            total, timed = photo_count(self._api), photo_count(self._api, ALL_TIMES)
        except (NotAllowedError, RejectedError, ServiceFailedError):
            total = timed = None
        if total is None or timed is None:
            words = "photos without a capture time are skipped; their number is unknown"
        elif total > timed:
            words = f"skipped {pluralize(total - timed, 'photo')} without a capture time"
        else:
            return
        self._on_update(WarningRaised(words))

    def _shortfall(self) -> NinepicError | None:
        """What a list lacks that the service has ended."""
        if self._is_incomplete:
            count = f"{self._listed:,} of {pluralize(self._total, 'photo')} listed"
            words = f"listing of event {self._event} incomplete: {count}, none after page {self._last_page}"
            return NotListedError(
                words, hint="run the same command again later; files already on disk are not downloaded again"
            )
        if not self._listed:
            return no_event_photos(self._event, self._period)
        if self._nameless:
            words = f"{pluralize(self._nameless, 'photo')} of event {self._event} listed without an image id"
            return NotListedError(f"{words}, so the originals cannot be requested", code="unnamed")
        is_none_stored = self._found and self._found == self._missing
        return self._none_stored(pluralize(self._found, "photo")) if is_none_stored else None

    def _none_stored(self, photos: str) -> MissingError:
        words = f"no originals in storage for {photos} of event {self._event}"
        return MissingError(words, hint=NO_ORIGINALS)


def photo_count(api: Api, period: Period | None = None) -> int | None:
    """How many photos the event has, or how many taken in a period, if the service says so.

    Raises:
        NinepicError: it could not say.
    """
    return api.get_event_data(_path(1, 1, period), what="number of photos", parse=_parse_count)


def _path(number: int, size: int, period: Period | None) -> str:
    """Of a page of the event's photos by capture time, those without one last; of a period, those taken in it."""
    photos = f"timeline/images?{period.query}&" if period else "images?"
    return f"{photos}page={number}&page_size={size}"


def _parse_count(payload: Mapping[str, Any]) -> int | None:
    return parse_page(parse_items(payload, "images", lack=_NO_LIST), payload).total


def _parse_page(payload: Mapping[str, Any]) -> Page[PhotoItem]:
    """Items that have an id and nothing else; those without one have failed."""
    items = [_parse_image(image) for image in parse_items(payload, "images", lack=_NO_LIST)]
    if items and all(item.failure for item in items):  # which is no list of photos
        raise UnreadableError("photos without ids")
    return parse_page(items, payload)


def _parse_image(image: Any) -> PhotoItem:
    if image_id := parse_image_id(parse_text(image, "image_id")):
        return PhotoItem(image_id)
    return PhotoItem(substitute_id(image), failure=PhotoError("listed without an image id", code="unnamed"))
