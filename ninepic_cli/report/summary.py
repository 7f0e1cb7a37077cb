"""Outcomes -> JSON lines and text -> the exit status.

A photo's line is written when its outcome is known, a bib's or search's when its listing has ended and all its
photos have an outcome. Counts are of photos: a bib for which nothing was found, or whose listing broke off, is in
no count of the summary; its own line and the exit status say it.
"""

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGINT, Signals

from ninepic_cli.errors import NO_ORIGINALS, ExitStatus, MissingError, NinepicError, NotListedError, PhotoError
from ninepic_cli.models import Downloaded, Failed, Method, Outcome, Photo, WouldDownload
from ninepic_cli.report.exit_status import most_severe
from ninepic_cli.report.failed_list import is_rereadable
from ninepic_cli.report.json_lines import SummaryRecord, identifier_line, json_line, photo_line, status_of
from ninepic_cli.text import one_line, path_text, pluralize, size_text, time_text
from ninepic_cli.updates import (
    BytesReceived,
    IdentifierListed,
    PhotoFinished,
    PhotoFound,
    PhotoRemoved,
    Update,
    ZipRemoved,
)

_SHOWN = 20
_FOUND_BY_CHECK = frozenset({"absent", "damaged", "differs"})
_MOST_HINTS = 3
_NOUNS = {
    Method.BIB: ("bib", "bibs"),
    Method.SELFIE: ("search", "searches"),
    Method.IMAGE: ("photo", "photos"),
    Method.IMAGES: ("photo", "photos"),
    Method.EVENT: ("event", "events"),
}
NOT_KEPT = PhotoError("its ZIP was not finished", code="not_kept")
NOT_REACHED = PhotoError("not reached before the run ended", code="not_reached")


@dataclass(slots=True)
class _OpenListing:
    """A bib or search that is not through yet.

    Attributes:
        pending: ids and rows of its photos without outcome; few, as the listing is only a little ahead of them.
        seen: how many items its listing has brought.
        failure: the first of its photos' failures.
        listed: how its listing ended.
    """

    pending: set[tuple[str, int]] = field(default_factory=set)
    seen: int = 0
    failure: NinepicError | None = None
    listed: IdentifierListed | None = None

    @property
    def found(self) -> int:
        """How many items there are, as far as is known."""
        return self.listed.found if self.listed else self.seen

    @property
    def error(self) -> NinepicError | None:
        """Why it is not whole, what failed before what the service does not have."""
        listing = self.listed.error if self.listed else None
        return (self.failure or listing) if listing is None or isinstance(listing, MissingError) else listing


class _FirstReasons:
    """The first few reasons in order, how many there were, and what to do about them, each advice once."""

    def __init__(self) -> None:
        self.count = 0
        self.hints: dict[str, None] = {}
        self.lines: list[tuple[bool, str]] = []

    def add(self, name: str, error: NinepicError, *, is_photo: bool = True) -> None:
        """Take a reason in; those of whole listings come before those of photos."""
        self.count += 1
        text = f"{name}: {error.message}"
        if isinstance(error, MissingError):
            text = error.message if name in error.message else f"not available: {text}"
        insort(self.lines, (is_photo, one_line(text)))
        del self.lines[_SHOWN:]
        if error.hint and len(self.hints) < _MOST_HINTS:
            self.hints[one_line(error.hint)] = None


class Report:
    """What came of a run.

    Feed it every update, in order, with `record`. Of a photo that went well it keeps at most the id.

    Args:
        method: how photos are asked for.
        identifiers: everything asked for, in order; duplicates count once.
        json: whether lines are wanted.
        is_held: whether those of bibs and searches wait for `release`, as what was fetched may not be kept.
        is_check: whether files are compared with what the store has, and nothing is fetched.

    Attributes:
        place: where the photos are in the end (a folder, a ZIP), for the summary; None where that is no place
            (standard output).
    """

    def __init__(
        self,
        method: Method,
        identifiers: Sequence[str],
        *,
        json: bool = True,
        is_held: bool = False,
        is_check: bool = False,
    ) -> None:
        self.place: Path | None = None
        self._method = method
        self._has_lines = json
        self._is_held = is_held
        self._is_check = is_check
        self._held_lines: dict[str, tuple[str, int, NinepicError | None]] = {}  # what the lines that are held say
        self._ended_well: dict[str, bool | None] = dict.fromkeys(identifiers)
        self._lost: set[str] = set()
        self._found: dict[str, int] = {}  # of bibs and searches that are through
        self._without_photos: set[str] = set()  # those of them that the service has nothing of
        self._gone: dict[str, NinepicError] = {}  # why not all of each is on the disk any more
        self._has_listings = method in {Method.BIB, Method.SELFIE, Method.EVENT}
        self._is_event = method is Method.EVENT
        self._failed_ids: list[str] = []
        self._nouns = _NOUNS[method]
        self._open: defaultdict[str, _OpenListing] = defaultdict(_OpenListing)
        self._photos: Counter[str] = Counter()
        self._listings: Counter[str] = Counter()
        self._bytes = 0
        self._received = 0
        self._statuses: set[ExitStatus] = set()
        self._kept_failing = False
        self._unlisted = 0
        self._failures = _FirstReasons()
        self._absences = _FirstReasons()

    def record(self, update: Update) -> list[str]:
        """Take the update in; the JSON lines that it completes, without line ends."""
        if isinstance(update, PhotoFinished):
            self._count(update.photo, update.outcome)
            line = [photo_line(update.photo, update.outcome)] if self._has_lines else []
            return line + self._remove_pending(update.photo, update.outcome)
        if isinstance(update, PhotoFound) and self._has_listings:
            reached = self._open[update.photo.identifier]
            reached.pending.add((update.photo.image_id, update.photo.row))
            reached.seen += update.photo.row == 0
        elif isinstance(update, IdentifierListed) and self._has_listings:
            self._open[update.identifier].listed = update
            self._listings[_listing_status(update.error)] += 1
            if update.error is not None:
                self._count_listing_failure(update.identifier, update.error)
            return self._close_if_complete(update.identifier)
        elif isinstance(update, BytesReceived):
            self._received += update.received
        elif isinstance(update, PhotoRemoved):
            return self._on_photo_removed(update)
        elif isinstance(update, ZipRemoved):
            self._count_listing_failure(update.identifier, gone_error(update.path))
            self._take_back(update.identifier, gone_error(update.path))
        return []

    def closing_lines(self, ending: NinepicError | None) -> list[str]:
        """The JSON lines of the bibs or searches that are not through when the run ends, or not kept, or held."""
        if not self._has_listings:
            return []
        lines = [  # their lines have said otherwise
            identifier_line(identifier, "failed", self._found[identifier], error)
            for identifier, error in self._gone.items()
        ]
        for identifier, ended_well in self._ended_well.items():
            if ended_well is None:
                reached = self._open[identifier]
                _, found, _ = self._held_lines.pop(identifier, ("", reached.found, None))
                error = reached.error or ending or (NOT_KEPT if identifier in self._lost else NOT_REACHED)
                lines.append(identifier_line(identifier, "failed", found, error))
            lines += self.release(identifier)
        return lines

    def release(self, identifier: str) -> list[str]:
        """The line of a bib or search that was held, where there is one."""
        held = self._held_lines.pop(identifier, None)
        return [identifier_line(identifier, *held)] if held and self._has_lines else []

    @staticmethod
    def dry_run_line(update: Update) -> str | None:
        """The path of a photo that a dry run would fetch or finds bad, or its name in a ZIP; else None."""
        match update:
            case PhotoFinished(outcome=WouldDownload(path, entry)):
                return entry or path_text(path)
            case PhotoFinished(outcome=Failed(error, path)) if path and error.code in _FOUND_BY_CHECK:
                return path_text(path)
        return None

    def completed_identifier(self, update: Update) -> str | None:
        """The identifier that an update, taken in already, is about, if nothing of it is open any more."""
        match update:
            case PhotoFinished(Photo(identifier=identifier)) | IdentifierListed(identifier):
                return None if self._ended_well.get(identifier) is None else identifier
        return None

    def mark_lost(self, identifiers: Iterable[str]) -> None:
        """What was fetched of them is not kept: they have to be asked for again."""
        self._lost = set(identifiers) & self._ended_well.keys()
        self._ended_well |= dict.fromkeys(self._lost)

    def summary_json(self, *, seconds: float, exit_code: int, ending: NinepicError | None) -> str:
        """The last JSON line; `ending` is what ended the run early, if anything did."""
        whole = [identifier for identifier, ended_well in self._ended_well.items() if ended_well]
        record: SummaryRecord = {
            "type": "summary",
            "downloaded": self._photos["downloaded"],
            "skipped": self._photos["skipped"],
            "failed": self._photos["failed"],
            "missing": self._photos["missing"],
            "identifiers_missing": sum(identifier in self._without_photos for identifier in whole),
            "identifiers_failed": len(self._ended_well) - len(whole) if self._has_listings else 0,
            "bytes": self._bytes,
            "seconds": round(seconds, 3),
            "exit_code": exit_code,
            "code": ending.code if ending else None,
            "error": ending.message if ending else None,
        }
        return json_line(record)

    def summary_text(self, *, seconds: float, ending: NinepicError | None, signal: int | None, dry_run: bool) -> str:
        """One line for people: what was done, how fast, and where it is."""
        if not self._ended_well and ending is None and signal is None:
            return "nothing to do"
        opening = ("check: " if self._is_check else "dry run: ") if dry_run else ""
        if signal is not None:
            opening += "interrupted: " if signal == SIGINT else f"terminated by {Signals(signal).name}: "
        elif ending is not None:
            opening += "aborted: "
        done = self._done_text(seconds, dry_run=dry_run, is_cut_short=signal is not None)
        counts = ", ".join([done, *self._other_counts()])
        again = "start over" if self._lost else "resume"
        resume = f"; run the same command again to {again}" if signal is not None and not dry_run else ""
        return opening + counts + resume + self._place_text()

    @property
    def has_begun(self) -> bool:
        """Whether the service has said anything about what was asked for."""
        return bool(self._photos or self._listings or self._open)

    @property
    def _has_found(self) -> bool:
        """Whether there is an original of anything that was asked for."""
        return any(self._photos[status] for status in ("downloaded", "skipped", "listed", "failed"))

    def failure_lines(self) -> list[str]:
        """What failed, then what the service does not have: the first few by id with the reason, and how many more."""
        failures = [f"failed: {line}" for _, line in self._failures.lines]
        absences = [line for _, line in self._absences.lines]
        shown = [*failures, *absences][:_SHOWN]
        more = self._failures.count + self._absences.count - len(shown)
        hints = [f"  {hint}" for hint in self._failures.hints | self._absences.hints]
        if self._has_listings and self._absences.count and not (self._failures.count or self._has_found):
            hints.append(f"  {NO_ORIGINALS}")
            hints = list(dict.fromkeys(hints))
        return [*shown, *([f"and {more:,} more"] if more else []), *hints]

    def unfinished(self) -> list[str]:
        """What was asked for and failed or was not reached, in the order asked; not what the service does not have.

        Of an event the photos: those of them that are known. What is not whole then begins with a comment.
        """
        if self._is_event:
            return self._unfinished_photos()
        return [identifier for identifier, ended_well in self._ended_well.items() if not ended_well]

    def _unfinished_photos(self) -> list[str]:
        pending = [image_id for reached in self._open.values() for image_id, _ in sorted(reached.pending)]
        photos = [*self._failed_ids, *pending]
        written = list(filter(is_rereadable, photos))  # ids come from the service, and may be anything
        is_listed = self._listings["done"] or self._listings["missing"]
        if is_listed and not self._lost and len(written) == len(photos):
            return written
        return ["# not all: listing of the event incomplete, or ZIP not finished; run the same command again", *written]

    @property
    def not_kept(self) -> AbstractSet[str]:
        """The identifiers of which what was fetched is not kept."""
        return self._lost

    def not_reached(self) -> Iterator[Photo]:
        """The photos that have no outcome, as far as they are known."""
        for identifier, reached in self._open.items():
            for image_id, row in sorted(reached.pending):
                yield Photo(image_id, "", "", identifier, self._method, 0, row=row)
        for identifier, ended_well in () if self._has_listings else self._ended_well.items():
            if ended_well is None and identifier not in self._lost:
                yield Photo(identifier, "", "", identifier, self._method, 0)

    def exit_status(self, *endings: NinepicError | None) -> int:
        """The status for all outcomes, and for what ended the run; a signal is not known here."""
        happened = self._statuses | {ending.exit_status for ending in endings if ending is not None}
        # Status 0 promises that everything is on the disk, so what has no outcome counts, also without an error.
        if self._kept_failing or None in self._ended_well.values():
            happened.add(ExitStatus.INCOMPLETE)
        has_listed = self._listings["done"] or self._listings["missing"]
        has_only_photos_without_link = 0 < self._unlisted == sum(self._photos.values())
        if has_only_photos_without_link or (self._kept_failing and not has_listed):
            happened.add(ExitStatus.GIVEN_UP)
        return most_severe(happened)

    def _count(self, photo: Photo, outcome: Outcome) -> None:
        self._photos[status_of(outcome)] += 1
        if isinstance(outcome, Downloaded) and outcome.attempts:  # a copy crossed no wire
            self._bytes += outcome.size
        if isinstance(outcome, Failed):
            self._statuses.add(outcome.error.exit_status)
            self._unlisted += isinstance(outcome.error, NotListedError)
            reasons = self._absences if outcome.is_missing else self._failures
            reasons.add(photo.image_id, outcome.error)

    def _remove_pending(self, photo: Photo, outcome: Outcome) -> list[str]:
        """Take the photo off what its identifier waits for; the identifier's line if that was the last."""
        error = outcome.error if isinstance(outcome, Failed) and not outcome.is_missing else None
        if not self._has_listings:
            self._mark_ended(photo.identifier, well=error is None)
            return []
        reached = self._open[photo.identifier]
        if (photo.image_id, photo.row) in reached.pending:
            reached.pending.remove((photo.image_id, photo.row))
        else:
            reached.seen += 1
        reached.failure = reached.failure or error
        if error is not None and self._is_event:
            self._failed_ids.append(photo.image_id)
        return self._close_if_complete(photo.identifier)

    def _on_photo_removed(self, update: PhotoRemoved) -> list[str]:
        """A photo that was said to be on the disk has failed; the line that says so."""
        photo, error = update.photo, gone_error(update.path)
        self._photos["downloaded" if update.was_fetched else "skipped"] -= 1
        self._count(photo, Failed(error, update.path))
        self._take_back(photo.identifier, error)
        if self._is_event:
            self._failed_ids.append(photo.image_id)
        return [photo_line(photo, Failed(error, update.path))] if self._has_lines else []

    def _take_back(self, identifier: str, error: NinepicError) -> None:
        """Not all of an identifier is on the disk any more."""
        if self._ended_well.get(identifier):
            self._ended_well[identifier] = False
            self._gone[identifier] = error

    def _mark_ended(self, identifier: str, *, well: bool) -> None:
        if identifier in self._ended_well:
            self._ended_well[identifier] = well and self._ended_well[identifier] is not False

    def _count_listing_failure(self, identifier: str, error: NinepicError) -> None:
        reasons = self._absences if isinstance(error, MissingError) else self._failures
        reasons.add(f"{self._nouns[0]} {identifier}", error, is_photo=False)
        if error.exit_status is ExitStatus.GIVEN_UP:
            self._kept_failing = True
        else:
            self._statuses.add(error.exit_status)

    def _close_if_complete(self, identifier: str) -> list[str]:
        """The line of an identifier that is through, or nothing."""
        reached = self._open[identifier]
        if reached.listed is None or reached.pending:
            return []
        del self._open[identifier]
        status = _listing_status(reached.error)
        if self._has_lines:
            self._found[identifier] = reached.found
            if status == "missing":
                self._without_photos.add(identifier)
        self._mark_ended(identifier, well=status != "failed")
        self._held_lines[identifier] = (status, reached.found, reached.error)
        return [] if self._is_held else self.release(identifier)

    def _done_text(self, seconds: float, *, dry_run: bool, is_cut_short: bool) -> str:
        if self._is_check:
            return f"{self._photos['skipped']:,} as in the store"
        if dry_run:
            return f"{self._photos['listed']:,} would be downloaded"
        size, amount = self._bytes, size_text(self._bytes)
        if is_cut_short and self._received > size:  # the rest is in partials, for the next run
            received = f"{size_text(self._received)} received"
            amount = f"{amount} of {received}" if self._photos["downloaded"] else received
        if is_cut_short:
            size = self._received or size
        rate = f", {size_text(size / seconds)}/s" if seconds > 0 else ""
        facts = f" ({amount} in {time_text(seconds)}{rate})" if size else ""
        if self._photos["downloaded"]:
            return f"{self._photos['downloaded']:,} downloaded{facts}"
        if is_cut_short and size:
            return f"0 downloaded{facts}"
        if not all(self._ended_well.values()):
            return "0 downloaded"
        return "nothing new" if self._photos["skipped"] else "nothing found"

    def _other_counts(self) -> list[str]:
        open_count = list(self._ended_well.values()).count(None) - len(self._lost)
        counts = (
            (0 if self._is_check else self._photos["skipped"], "already there"),
            (self._photos["failed"], "failed"),
            (self._photos["missing"], "not available"),
        )
        parts = [f"{count:,} {words}" for count, words in counts if count]
        listings = (
            (self._listings["missing"], "without originals" if self._is_event and self._photos else "without photos"),
            (open_count, "incomplete" if self._has_listings else "not reached"),
            (len(self._lost), "without a ZIP, which was not finished"),
        )
        if failed := self._listings["failed"]:
            parts.append(f"listing of {pluralize(failed, *self._nouns)} incomplete")
        return parts + [f"{pluralize(count, *self._nouns)} {words}" for count, words in listings if count]

    def _place_text(self) -> str:
        """Where the photos are, unless there are none to look for."""
        handled = sum(self._photos.values()) - self._photos["missing"]
        if self.place is None or not handled:
            return ""
        try:
            place = self.place.absolute()
        except OSError:  # the current folder is gone
            place = self.place
        return f" -> {one_line(path_text(place), 4096)}"


def gone_error(path: Path) -> PhotoError:
    """The error of a photo that was on the disk, and is not any more."""
    return PhotoError(
        f"removed or moved during the run: {path_text(path)}",
        hint="run the same command again to download it again",
        code="gone",
    )


def _listing_status(error: NinepicError | None) -> str:
    if error is None:
        return "done"
    return "missing" if isinstance(error, MissingError) else "failed"
