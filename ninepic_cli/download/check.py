"""One photo of an archive, compared with the original in the store: nothing is fetched, and nothing written."""

from ninepic_cli.download import s3
from ninepic_cli.download.fetch import Fetch, LocalFile, unverifiable_error
from ninepic_cli.errors import PhotoError
from ninepic_cli.filesystem.folder import Presence
from ninepic_cli.filesystem.partial import Partial
from ninepic_cli.models import Outcome
from ninepic_cli.net.connection import Response
from ninepic_cli.net.retry import Permit
from ninepic_cli.text import path_text

_CODES = {Presence.ABSENT: "absent", Presence.DAMAGED: "damaged", Presence.WHOLE: "differs"}
_WORDS = {"absent": "not on disk", "damaged": "damaged", "differs": "differs from the original"}


class Check(Fetch):
    """The question whether a file is the photo, asked with all of a fetch's patience.

    Links are signed for GET alone, so one byte is asked for: its headers have the ETag and the length.
    """

    _presence = Presence.ABSENT

    def run_for(self, presence: Presence, local: LocalFile | None) -> Outcome:
        """Ask until the store has answered, or no try is left.

        Args:
            presence: what stands under the photo's name.
            local: the file there, where it may be the photo.

        Raises:
            PhotoError: it is not the photo, or the store did not answer.
            OpenFilesError, GivenUpError, NotAllowedError, StoppedError: as for a fetch.
        """
        self._presence, self._local = presence, local
        return self._repeat(self._context.folder.partial(self._path))  # one that is never begun

    def _conditional_headers(self, partial: Partial) -> dict[str, str]:
        return {"Range": "bytes=0-0", **super()._conditional_headers(partial)}

    def _handle_response(self, response: Response, partial: Partial, permit: Permit) -> Outcome:
        if response.status not in {200, 206}:
            return super()._handle_response(response, partial, permit)
        self._accept_link(permit)
        headers = response.headers
        head, md5 = s3.first_bytes(response.chunks), s3.md5_of(headers.get("etag"))
        if response.status == 200 and (reason := s3.why_not_a_photo(head, headers.get("content-type", ""))):
            raise PhotoError(f"response from storage is not a photo: {reason}", code="not_a_photo")
        total = s3.announced_length(headers) if response.status == 200 else s3.range_total(headers)
        if self._local is None:
            raise self._error()
        if md5 is None and total is None:
            raise unverifiable_error()
        is_same = total == self._local.size if md5 is None else md5 == self._local.md5
        if not is_same:
            raise self._error()
        return self._keep_local(self._local, permit)

    def _error(self) -> PhotoError:
        is_photo = self._local is not None or self._presence is Presence.ABSENT
        code = _CODES[self._presence if is_photo else Presence.DAMAGED]
        hint = "run the same command without --dry-run to download what is missing or damaged"
        return PhotoError(f"{_WORDS[code]}: {path_text(self._path)}", hint=hint, code=code)
