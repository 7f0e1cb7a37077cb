"""One photo's way: link -> bytes -> verified file, resuming what is there."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from ninepic_cli.download import s3
from ninepic_cli.errors import (
    CertificateError,
    MissingError,
    NinepicError,
    OpenFilesError,
    PhotoError,
    ProxyError,
    TransientError,
)
from ninepic_cli.filesystem.folder import Folder
from ninepic_cli.filesystem.locks import LockState
from ninepic_cli.filesystem.partial import Partial
from ninepic_cli.models import Downloaded, Link, Outcome, Photo, Skipped
from ninepic_cli.net.client import Client
from ninepic_cli.net.connection import Response
from ninepic_cli.net.rate_limit import RateLimit
from ninepic_cli.net.retry import HostThrottles, Permit, RetryBudget
from ninepic_cli.system.shutdown import CancelToken
from ninepic_cli.updates import BytesReceived, RequestFinished, Update

_MIB = 1 << 20
_REPORT_EVERY_S = 0.1
_MOST_OUTLIVED = 5  # in a row, before the link is sent all the same
_MOST_RENEWALS = 20  # in a row without one accepted


class _StartOverError(TransientError):
    """What is on disk does not belong to the object that the store has now."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """The file that stands under the final name."""

    size: int
    md5: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferContext:
    """What photos are fetched with; used by many threads at once.

    Attributes:
        client: has no key.
        retries: further attempts for each photo.
        stop: ends every wait, and a transfer at its next chunk.
        takes_plain_links: whether links may be plain http to this machine, since the service is on it.
    """

    client: Client
    hosts: HostThrottles
    folder: Folder
    retries: int
    stop: CancelToken
    on_update: Callable[[Update], None] = lambda _: None
    limit: RateLimit | None = None
    takes_plain_links: bool = True


class Fetch:
    """One photo on its way to a path since `started_s` on the monotonic clock, and how far it has come.

    Attributes:
        attempts: requests to the store, those refused for the link's age excepted.
    """

    def __init__(self, context: TransferContext, photo: Photo, path: Path, started_s: float) -> None:
        self.attempts = 0
        self._context = context
        self._photo = photo
        self._path = path
        self._started_s = started_s
        self._budget = RetryBudget(context.retries, stop=context.stop, on_update=context.on_update, photo=photo)
        self._local: LocalFile | None = None
        self._permit: Permit | None = None  # of the last response that brought bytes
        self._furthest = 0  # bytes that ever were on disk
        self._is_starting_over = False
        self._renewals = 0  # in a row, without a link that was accepted
        self._fresh_refused = 0
        self._outlived = 0  # links whose life ended while a permit was waited for, in a row
        self._received = 0  # bytes of the request under way
        self._unreported = 0
        self._reported_s = 0.0

    def run(self, local: LocalFile | None, lock: LockState) -> Outcome:
        """Make attempts until the photo is there, or none is left.

        Args:
            local: the file that stands under its name and may be the photo, or None.
            lock: who else may be fetching it.

        Raises:
            PhotoError: it could not be fetched.
            OpenFilesError: there are too many open files at the moment.
            MachineError, GivenUpError, NotAllowedError, StoppedError: the run ends.
        """
        self._local = local
        with self._context.folder.partial(self._path, hold=lock) as partial:
            self._furthest = partial.size
            if local and partial.etag and s3.md5_of(partial.etag) == local.md5:
                partial.discard()  # of the very object that is there
            return self._repeat(partial)

    def _repeat(self, partial: Partial) -> Outcome:
        """Make attempts until one has an outcome, or none is left."""
        while True:
            self._context.stop.check()
            try:
                return self._attempt(partial)
            except OpenFilesError:
                raise  # it may be ours that are to be closed
            except TransientError as error:
                self._wait_for_retry(error, partial)

    def _wait_for_retry(self, error: TransientError, partial: Partial) -> None:
        """Count a failed attempt, unless it got well ahead, and wait before the next."""
        ahead = partial.size - self._furthest
        enough = _MIB if partial.total is None else min(_MIB, partial.total / 20)
        self._furthest = max(self._furthest, partial.size)
        is_start_over = isinstance(error, _StartOverError)
        if is_start_over:
            partial.discard()  # also after the last attempt: the next run shall not begin with it
        has_progressed = ahead > 0 and ahead >= enough and not is_start_over and not self._is_starting_over
        at_once = is_start_over and error.code != "checksum"
        if not self._budget.wait(error, attempt=self.attempts, has_progressed=has_progressed, at_once=at_once):
            times = "" if self.attempts == 1 else f" ({self.attempts} attempts)"
            raise PhotoError(f"{error.message}{times}", hint=error.hint, code=error.code) from error

    def _attempt(self, partial: Partial) -> Outcome:
        """Send requests until one is not refused for its link's age."""
        if (links := self._photo.links) is None:
            raise MissingError("the service returned no download link")
        while True:
            link = links.fresh(self._photo.image_id)
            url = s3.usable_link(link.url, may_be_plain=self._context.takes_plain_links)
            try:
                with self._context.hosts.of(url).permit() as permit:
                    if time.monotonic() > link.renew_at_s and self._outlived < _MOST_OUTLIVED:
                        self._outlived += 1
                        continue  # renewed without this permit: others wait for it, perhaps the renewal itself
                    return self._send_request(url, partial, permit)
            except s3.LinkExpiredError:
                self.attempts -= 1
                self._count_refused(link)
                links.renew(self._photo.image_id, link)
            except ValueError as error:
                raise PhotoError("invalid download link", code="unusable_link") from error

    def _count_refused(self, link: Link) -> None:
        """Count a link that is refused as expired; a fresh one refused twice is this photo's end."""
        self._fresh_refused += self._renewals > 0 and time.monotonic() < link.expires_at_s
        self._renewals += 1
        if self._fresh_refused == 2 or self._renewals > _MOST_RENEWALS:
            raise PhotoError("storage rejects new download links as expired", code="link_expired")

    def _send_request(self, url: str, partial: Partial, permit: Permit) -> Outcome:
        """Send one request and deal with its response, and report how it went, whatever it was."""
        self.attempts += 1
        attempt = self.attempts  # one that is refused for the link's age is not counted, and yet reported
        self._received = 0
        started_s = time.monotonic()
        status, ray, trouble = None, None, None
        try:
            with self._context.client.send("GET", url, headers=self._conditional_headers(partial)) as response:
                status, ray = response.status, response.headers.get("cf-ray")
                return self._handle_response(response, partial, permit)
        except NinepicError as error:
            trouble = error.message
            if isinstance(error, CertificateError | ProxyError):  # other links may lead elsewhere
                raise PhotoError(error.message, hint=error.hint, code=error.code) from error
            raise
        finally:
            self._report(partial, at_once=True)
            seconds = time.monotonic() - started_s
            self._context.on_update(
                RequestFinished(f"photo {self._photo.image_id}", status, attempt, self._received, seconds, ray, trouble)
            )

    def _conditional_headers(self, partial: Partial) -> dict[str, str]:
        if partial.size and partial.etag:
            # Nothing is left to ask for behind a partial that is whole: its last byte confirms the object.
            offset = partial.size - 1 if partial.is_whole else partial.size
            return {"Range": f"bytes={offset}-", "If-Match": partial.etag}
        if self._local and not partial.size:
            return {"If-None-Match": f'"{self._local.md5}"'}
        return {}

    def _handle_response(self, response: Response, partial: Partial, permit: Permit) -> Outcome:
        """What a response means: bytes, or one of the errors."""
        if response.status == 200:
            return self._accept_full(response, partial, permit)
        if response.status == 206:
            return self._accept_range(response, partial, permit)
        if response.status == 304 and self._local and not partial.size:
            return self._keep_local(self._local, permit)
        if response.status in {412, 416} and partial.size:
            permit.record_success()
            raise _StartOverError("the photo changed in storage during the download", code="changed")
        error, is_stores_own = s3.rejection(response)
        if is_stores_own:
            permit.record_success()
        raise error

    def _accept_full(self, response: Response, partial: Partial, permit: Permit) -> Outcome:
        """A response with the whole object: the photo, or something that only says so."""
        headers = response.headers
        etag, total = headers.get("etag"), s3.announced_length(headers)
        md5 = s3.md5_of(etag)
        if "content-range" in headers:
            raise _StartOverError(
                "storage returned a partial response (Content-Range) with HTTP 200", code="wrong_range"
            )
        if self._local and md5 == self._local.md5:
            return self._keep_local(self._local, permit)
        if total is None and md5 is None and "transfer-encoding" not in headers:
            raise unverifiable_error()
        if total is not None and total > s3.LARGEST_PHOTO:
            permit.record_success()
            raise _too_large_error(total)
        head = s3.first_bytes(response.chunks)
        if reason := s3.why_not_a_photo(head, headers.get("content-type", ""), is_encoded=s3.is_encoded(headers)):
            raise PhotoError(f"response from storage is not a photo: {reason}", code="not_a_photo")
        if self._local and md5 is None and total == self._local.size:
            return self._keep_local(self._local, permit)
        self._is_starting_over = self._furthest > 0
        self._accept_link(permit)
        partial.start(etag=s3.strong_etag(etag), total=total)
        return self._stream_to_disk(response, chain([head], response.chunks), partial)

    def _accept_range(self, response: Response, partial: Partial, permit: Permit) -> Outcome:
        """A response with the part that was asked for, if it fits what is on disk."""
        offset = partial.size - 1 if partial.is_whole else partial.size
        fit = s3.range_offset(response.headers)
        if not partial.size or not fit or fit[0] != offset:
            raise _StartOverError("storage returned a different range from the one requested", code="wrong_range")
        if response.headers.get("etag") != partial.etag or partial.total not in {None, fit[1]}:
            raise _StartOverError("storage returned a range of a different version of the photo", code="changed")
        length = s3.announced_length(response.headers)
        if length not in {None, fit[1] - offset} or (
            s3.is_encoded(response.headers) and not (length or s3.md5_of(partial.etag))
        ):
            raise _StartOverError("storage returned a range of the wrong length", code="wrong_range")
        if fit[1] > s3.LARGEST_PHOTO:
            permit.record_success()
            raise _too_large_error(fit[1])
        self._is_starting_over = False
        self._accept_link(permit)
        partial.total = fit[1]
        partial.resume_at(offset)
        return self._stream_to_disk(response, response.chunks, partial)

    def _accept_link(self, permit: Permit) -> None:
        """The link was good and the host is well."""
        permit.record_success()
        self._permit = permit
        self._renewals = self._fresh_refused = self._outlived = 0

    def _stream_to_disk(self, response: Response, chunks: Iterator[bytes | memoryview], partial: Partial) -> Outcome:
        """Take the rest of the body, check it, and give it its final name."""
        expected = s3.md5_of(response.headers.get("etag"))
        for chunk in chunks:
            self._context.stop.check()
            self._write_chunk(chunk, partial)
        if partial.total is not None and partial.size < partial.total:
            raise TransientError("response from storage shorter than its Content-Length")
        if expected is not None and partial.md5 != expected:
            raise _StartOverError("checksum mismatch: the data does not match the MD5 from storage", code="checksum")
        if expected is None and partial.total is None and not partial.is_complete_image:
            partial.discard()
            raise unverifiable_error()
        size, md5 = partial.size, partial.md5
        partial.commit(modified_s=s3.modified_s(response.headers))
        return Downloaded(self._path, size, md5, self.attempts, time.monotonic() - self._started_s)

    def _write_chunk(self, chunk: bytes | memoryview, partial: Partial) -> None:
        size = partial.size + len(chunk)
        if partial.total is not None and size > partial.total:
            raise _StartOverError("response from storage longer than its Content-Length", code="wrong_range")
        if size > s3.LARGEST_PHOTO:
            partial.discard()
            raise _too_large_error(size)
        partial.write(chunk)
        self._received += len(chunk)
        self._unreported += len(chunk)
        self._report(partial)
        if self._context.limit:
            self._context.stop.wait(self._context.limit.wait_s(len(chunk)))

    def _report(self, partial: Partial, *, at_once: bool = False) -> None:
        now_s = time.monotonic()
        if self._permit and self._unreported and (at_once or now_s - self._reported_s >= _REPORT_EVERY_S):
            self._permit.record_success()  # a host that sends bytes is not silent, however long one response takes
            self._context.on_update(BytesReceived(self._photo, partial.size, self._unreported, partial.total))
            self._unreported, self._reported_s = 0, now_s

    def _keep_local(self, local: LocalFile, permit: Permit) -> Skipped:
        """The store confirms the file that is there."""
        permit.record_success()
        return Skipped(self._path, local.size, local.md5, self.attempts, time.monotonic() - self._started_s)


def unverifiable_error() -> PhotoError:
    """The error where nothing says which bytes are the photo's."""
    return PhotoError("cannot be verified: storage sent neither a length nor an MD5", code="unverifiable")


def _too_large_error(size: int) -> PhotoError:
    return PhotoError(f"too large for a photo: {size:,} bytes or more", code="too_large")
