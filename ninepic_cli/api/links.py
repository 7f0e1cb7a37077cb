"""Presigned links, renewed together: one request serves all photos whose links have died with it."""

import math
import re
import threading
import time

from ninepic_cli.api.client import Api
from ninepic_cli.api.pagination import NumberedPage
from ninepic_cli.api.rejections import renewal_rejection, unanswered_image
from ninepic_cli.api.schema import Page, PhotoItem, Query
from ninepic_cli.errors import (
    MachineError,
    MissingError,
    NinepicError,
    NotListedError,
    PhotoError,
    RejectedError,
    StoppedError,
)
from ninepic_cli.models import Link, Method

_LIFE = re.compile(r"[?&]X-Amz-Expires=(\d{1,9})(?:&|$)")


def parse_link(url: str) -> Link:
    """A link that has just arrived: how long it lives is counted from now on, whatever other clocks say."""
    now_s, found = time.monotonic(), _LIFE.search(url)
    life_s = (float(found[1]) or math.inf) if found else math.inf
    return Link(url, renew_at_s=now_s + life_s - min(60.0, life_s / 10), expires_at_s=now_s + life_s)


class PageLinks:
    """The links of the photos of one page."""

    def __init__(self, api: Api, query: Query, page: NumberedPage[PhotoItem]) -> None:
        self._api = api
        self._query = query
        self._number = page.number
        self._lock = threading.Lock()
        self._links = {entry.image_id: parse_link(entry.url) for _, entry in page.new_items if entry.url}

    def current(self, image_id: str) -> Link:
        """As `Links.current`."""
        return self._links[image_id]

    def fresh(self, image_id: str) -> Link:
        """As `Links.fresh`."""
        link = self._links[image_id]
        return self.renew(image_id, link) if time.monotonic() > link.renew_at_s else link

    def renew(self, image_id: str, refused: Link) -> Link:
        """As `Links.renew`; asks only where nobody has since."""
        with self._lock:  # the others wait for the same answer
            if self._links[image_id] is refused:
                self._refresh(image_id, refused)
            return self._links[image_id]

    def _update(self, page: Page[PhotoItem]) -> None:
        """The new links of photos that were on the page, which may list others now; of two for one the first."""
        for entry in reversed(page.entries):
            if entry.url and entry.image_id in self._links:
                self._links[entry.image_id] = parse_link(entry.url)

    def _refresh(self, image_id: str, refused: Link) -> None:
        try:
            self._refresh_page()
            if self._links[image_id] is refused:
                self._update(self._single_photo_page(image_id))
        except (PhotoError, StoppedError, MachineError):
            raise
        except NinepicError as error:  # also one that ends the run: photos whose links live are finished first
            message = f"cannot renew its download link: {error.message}"
            raise NotListedError(message, hint=error.hint, code=error.code) from error
        if self._links[image_id] is refused:
            raise MissingError("no longer listed by the service")

    def _refresh_page(self) -> None:
        what = f"new links for {self._query.description}"
        try:
            self._update(self._api.photos_page(self._query, self._number, what=what))
        except RejectedError as error:
            if self._query.method is Method.IMAGE:
                raise renewal_rejection(error) from None

    def _single_photo_page(self, image_id: str) -> Page[PhotoItem]:
        """The answer to a request for this photo alone, which the page may not list any more."""
        try:
            page = self._api.photos_page(Query(Method.IMAGE, image_id), 1, what=f"a new link for {image_id}")
        except RejectedError as error:
            raise renewal_rejection(error) from None
        found = [entry for entry in page.entries if entry.image_id == image_id]
        if page.entries and not found:
            raise unanswered_image()
        if found and found[0].failure and not any(entry.url for entry in found):
            raise found[0].failure
        return page
