"""Outcomes -> JSON lines and text -> the exit status."""

import json
import signal
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninepic_cli.errors import (
    BlockedNameError,
    CertificateError,
    GivenUpError,
    MachineError,
    MalformedRequestError,
    MissingError,
    NinepicError,
    NotAllowedError,
    PhotoError,
)
from ninepic_cli.models import Downloaded, Failed, Method, Outcome, Photo, Skipped, WouldDownload
from ninepic_cli.report.summary import Report
from ninepic_cli.updates import (
    BytesReceived,
    IdentifierListed,
    PageReceived,
    PhotoFinished,
    PhotoFound,
    PhotoStarted,
    Update,
    WarningRaised,
)
from tests.support.photos import photo

FOLDER = Path("/photos")
GONE = MissingError("the service does not have the original")
CUT = PhotoError("the connection broke", code="connection")


def image(image_id: str) -> Photo:
    """A photo asked for by its id."""
    return photo(image_id, image_id, Method.IMAGES)


def saved(name: str = "a.jpg", size: int = 1000) -> Downloaded:
    """A photo that arrived."""
    return Downloaded(FOLDER / name, size, "0" * 32, attempts=1, seconds=0.12345)


def report_of(events: list[Update], *identifiers: str, method: Method = Method.BIB) -> Report:
    """A report that has seen the events."""
    report = Report(method, identifiers or ("7",))
    report.place = FOLDER
    for event in events:
        report.record(event)
    return report


def summary(report: Report, ending: NinepicError | None = None, signum: int | None = None, *, dry: bool = False) -> str:
    """The summary of a run of 41 seconds."""
    return report.summary_text(seconds=41.0, ending=ending, signal=signum, dry_run=dry)


def through(bib: str, *outcomes: Outcome, error: NinepicError | None = None) -> list[Update]:
    """The events of a bib that came to its end with these outcomes."""
    photos = [photo(f"{bib}-{index}", bib) for index in range(len(outcomes))]
    found: list[Update] = [PhotoFound(each) for each in photos]
    ended: list[Update] = [PhotoFinished(each, outcome) for each, outcome in zip(photos, outcomes, strict=True)]
    return [*found, IdentifierListed(bib, len(outcomes), error), *ended]


def records(lines: list[str]) -> list[dict[str, Any]]:
    """What the lines say."""
    return [json.loads(line) for line in lines]


class TestPhotoLines:
    """One JSON line for each outcome."""

    def test_a_saved_photo_has_every_key(self) -> None:
        """A line has all keys in a fixed order, and seconds to the millisecond."""
        lines = Report(Method.IMAGE, ["i1"]).record(PhotoFinished(image("i1"), saved("i1.jpg")))
        expected = (
            '{"type": "photo", "status": "downloaded", "image_id": "i1", "identifier": "i1", "filename": "i1.jpg", '
            '"path": "/photos/i1.jpg", "bytes": 1000, "md5": "00000000000000000000000000000000", "attempts": 1, '
            '"seconds": 0.123, "code": null, "error": null}'
        )
        assert lines == [expected]

    @pytest.mark.parametrize(
        ("outcome", "expected"),
        [
            (Skipped(FOLDER / "b.jpg", 5), ("skipped", "b.jpg", "/photos/b.jpg", 5, None, 0, None)),
            (Skipped(FOLDER / "b.jpg", 5, "ab", 1), ("skipped", "b.jpg", "/photos/b.jpg", 5, "ab", 1, None)),
            (WouldDownload(FOLDER / "b.jpg"), ("listed", "b.jpg", "/photos/b.jpg", None, None, 0, None)),
            (Failed(GONE), ("missing", "i1.jpg", None, None, None, 0, "not_found")),
            (
                Failed(CUT, FOLDER / "b.jpg", 7, 3.0),
                ("failed", "b.jpg", "/photos/b.jpg", None, None, 7, "connection"),
            ),
            (
                Failed(BlockedNameError("a link is in the way")),
                ("failed", "i1.jpg", None, None, None, 0, "name_blocked"),
            ),
        ],
    )
    def test_each_outcome_has_its_status_and_nulls(self, outcome: Outcome, expected: tuple[object, ...]) -> None:
        """What is not known of an outcome is null; the name is the path's where there is one."""
        (record,) = records(report_of([]).record(PhotoFinished(photo("i1"), outcome)))
        keys = ("status", "filename", "path", "bytes", "md5", "attempts", "code")
        assert tuple(record[key] for key in keys) == expected
        assert record["error"] == (outcome.error.message if isinstance(outcome, Failed) else None)

    def test_a_photo_without_a_suggested_name_has_none(self) -> None:
        """An empty suggestion is no name."""
        nameless = Photo("i1", "", "", "i1", Method.IMAGES, 0)
        (record,) = records(report_of([], "i1", method=Method.IMAGES).record(PhotoFinished(nameless, Failed(GONE))))
        assert record["filename"] is None

    @given(st.text(st.characters(exclude_categories=())))
    def test_any_text_makes_one_line_that_says_it_again(self, text: str) -> None:
        """A line is printable, can be encoded, and holds what came in, be it control characters or lone surrogates."""
        odd = Photo(text, text, "", text, Method.IMAGES, 1)
        (line,) = Report(Method.IMAGES, [text]).record(PhotoFinished(odd, Failed(MissingError(text))))
        assert line.isprintable()
        line.encode()
        assert json.loads(line)["image_id"] == json.loads(json.dumps(text))

    def test_letters_are_not_escaped(self) -> None:
        """Names in other scripts stay readable."""
        (line,) = report_of([]).record(PhotoFinished(photo("写真"), Failed(GONE)))
        assert "写真" in line

    def test_other_events_have_no_line(self) -> None:
        """Only outcomes and ended listings are data."""
        report = report_of([])
        events: list[Update] = [
            PhotoFound(photo("a")),
            PhotoStarted(photo("a")),
            PageReceived("7", 1, 60, 60),
            WarningRaised("careful"),
        ]
        assert [line for event in events for line in report.record(event)] == []


class TestIdentifierLines:
    """One JSON line for each bib or search that is through."""

    def test_it_waits_for_the_listing_and_for_every_photo(self) -> None:
        """The line comes after the last of both, whichever that is."""
        report = Report(Method.BIB, ["7"])
        a, b = photo("a"), photo("b")
        before: list[Update] = [PhotoFound(a), PhotoFinished(a, saved()), PhotoFound(b), IdentifierListed("7", 2)]
        assert [record["type"] for event in before for record in records(report.record(event))] == ["photo"]
        last = report.record(PhotoFinished(b, saved()))
        assert last[1] == (
            '{"type": "identifier", "identifier": "7", "status": "done", "found": 2, "code": null, "error": null}'
        )

    def test_it_comes_with_the_listing_when_all_photos_are_there(self) -> None:
        """Photos may be through before the listing is."""
        report = report_of([PhotoFinished(photo("gone"), Failed(GONE))])
        (record,) = records(report.record(IdentifierListed("7", 1)))
        assert (record["status"], record["found"]) == ("done", 1)

    @pytest.mark.parametrize(
        ("events", "status", "code"),
        [
            (through("7", error=MissingError("no photos")), "missing", "not_found"),
            (through("7", saved(), error=GivenUpError("500", code="http_500")), "failed", "http_500"),
            (through("7", saved(), Failed(CUT), Failed(PhotoError("x"))), "failed", "connection"),
            (through("7", saved(), Failed(GONE)), "done", None),
            (through("7", Failed(CUT), error=MissingError("no photos")), "failed", "connection"),
        ],
    )
    def test_its_status_is_that_of_its_listing_and_photos(self, events: list[Update], status: str, code: str) -> None:
        """A bib has failed when its listing broke off or a photo failed; missing photos are not failures."""
        report = Report(Method.BIB, ["7"])
        lines = records([line for event in events for line in report.record(event)])
        (line,) = [line for line in lines if line["type"] == "identifier"]
        assert (line["status"], line["code"]) == (status, code)

    def test_images_have_none(self) -> None:
        """A photo asked for by its id is its own line."""
        report = report_of([PhotoFound(image("i1"))], "i1", method=Method.IMAGES)
        assert [record["type"] for record in records(report.record(PhotoFinished(image("i1"), saved())))] == ["photo"]
        assert report.closing_lines(None) == []

    def test_what_a_run_leaves_behind_is_closed_in_the_order_asked(self) -> None:
        """When a run ends early, every bib still gets its line, with the reason where one is known."""
        begun: list[Update] = [
            PhotoFound(photo("a", "2")),
            PhotoFound(photo("b", "2")),
            PhotoFinished(photo("a", "2"), saved()),
        ]
        report = report_of([*through("1", saved()), *begun], "3", "1", "2")
        for ending, code in ((None, "not_reached"), (NotAllowedError("key refused"), "not_allowed")):
            closing = records(report.closing_lines(ending))
            assert [(line["identifier"], line["status"], line["found"]) for line in closing] == [
                ("3", "failed", 0),
                ("2", "failed", 2),
            ]
            assert {line["code"] for line in closing} == {code}

    def test_the_first_failure_of_a_bib_outlives_the_ending(self) -> None:
        """A bib that had already failed says why it failed."""
        report = report_of([PhotoFound(photo("a")), PhotoFound(photo("b")), PhotoFinished(photo("a"), Failed(CUT))])
        (closing,) = records(report.closing_lines(MachineError("disk full")))
        assert closing["code"] == "connection"

    def test_no_line_is_given_twice(self) -> None:
        """A bib that is through, well or not, is not closed again."""
        report = report_of([*through("1", saved()), *through("2", Failed(CUT))], "1", "2")
        assert report.closing_lines(None) == []


class TestExitStatus:
    """The most severe of what happened."""

    @pytest.mark.parametrize(
        ("events", "ending", "status"),
        [
            (through("7", saved()), None, 0),
            (through("7", Skipped(FOLDER / "a", 1), WouldDownload(FOLDER / "b")), None, 0),
            (through("7", saved(), Failed(GONE)), None, 4),
            (through("7", error=MissingError("nothing")), None, 4),
            (through("7", Failed(GONE), Failed(CUT)), None, 5),
            (through("7", Failed(CUT), Failed(BlockedNameError("a link"))), None, 7),
            (through("7", error=GivenUpError("kept failing")), None, 6),
            (through("7", saved(), error=GivenUpError("kept failing")), None, 6),
            (through("7", error=PhotoError("rejected")), None, 5),
            (through("7", error=MachineError("disk full")), None, 7),
            ([], NotAllowedError("key refused"), 3),
            ([], MalformedRequestError("malformed"), 2),
            ([], GivenUpError("a portal"), 6),
            ([], CertificateError("not trusted"), 6),
            ([], NinepicError("a bug"), 1),
            (through("7", Failed(CUT)), GivenUpError("kept failing"), 6),
            (through("7", Failed(CUT)), MachineError("disk full"), 7),
            (through("7", Failed(BlockedNameError("a link"))), NotAllowedError("key refused"), 7),
            (through("7", Failed(BlockedNameError("a link"))), NinepicError("a bug"), 1),
            (through("7", error=GivenUpError("kept failing")), NotAllowedError("key refused"), 3),
            ([PhotoFound(photo("a"))], None, 5),
        ],
    )
    def test_the_most_severe_wins(self, events: list[Update], ending: NinepicError | None, status: int) -> None:
        """A bug before 7, 3, 2, 6, 5 and 4; photos without an outcome are not a success."""
        assert report_of(events).exit_status(ending) == status

    @pytest.mark.parametrize("error", [None, MissingError("nothing")])
    def test_a_broken_listing_among_whole_ones_is_incomplete(self, error: NinepicError | None) -> None:
        """The service works, so that running again is what helps."""
        events = [*through("7", error=GivenUpError("500")), *through("8", error=error)]
        assert report_of(events, "7", "8").exit_status(None) == 5

    def test_only_broken_listings_are_a_run_given_up(self) -> None:
        """Nothing could be listed to its end."""
        events = [*through("7", saved(), error=GivenUpError("500")), *through("8", error=GivenUpError("500"))]
        assert report_of(events, "7", "8").exit_status(None) == 6

    def test_images_that_were_never_answered_are_incomplete(self) -> None:
        """Every image id asked for must have an outcome before a run is a success."""
        events: list[Update] = [PhotoFinished(image("i1"), saved())]
        assert report_of(events, "i1", method=Method.IMAGES).exit_status(None) == 0
        assert report_of(events, "i1", "i2", method=Method.IMAGES).exit_status(None) == 5

    def test_nothing_asked_for_is_a_success(self) -> None:
        """An empty list of identifiers leaves nothing to do."""
        report = Report(Method.BIB, [])
        assert (report.exit_status(None), summary(report)) == (0, "nothing to do")


class TestUnfinished:
    """What to ask for again."""

    @pytest.mark.parametrize(
        ("events", "unfinished"),
        [
            (through("7", saved(), Failed(GONE)), []),
            (through("7", error=MissingError("nothing")), []),
            (through("7", saved(), Failed(CUT)), ["7"]),
            (through("7", saved(), error=GivenUpError("500")), ["7"]),
            ([PhotoFound(photo("a")), PhotoFinished(photo("a"), saved())], ["7"]),
            ([PhotoFound(photo("a")), IdentifierListed("7", 1)], ["7"]),
            ([], ["7"]),
        ],
    )
    def test_a_bib_counts_unless_it_is_whole(self, events: list[Update], unfinished: list[str]) -> None:
        """Failed, cut off, open or never reached: again; what the service does not have: not."""
        assert report_of(events).unfinished() == unfinished

    def test_the_order_asked_and_each_once(self) -> None:
        """The list follows the command line, whatever failed first."""
        events: list[Update] = [PhotoFinished(image("c"), Failed(CUT)), PhotoFinished(image("a"), Failed(CUT))]
        events += [PhotoFinished(image("b"), saved()), PhotoFinished(image("d"), Failed(GONE))]
        report = report_of(events, "a", "b", "c", "d", "e", "a", method=Method.IMAGES)
        assert report.unfinished() == ["a", "c", "e"]


class TestSummary:
    """The last line, for scripts and for people."""

    def test_the_json_summary_counts_photos(self) -> None:
        """Bibs without photos are in no count of photos; bytes are those of the saved photos."""
        events = through("7", saved(), saved(), Skipped(FOLDER / "c", 9), Failed(GONE), Failed(CUT))
        report = report_of([*events, *through("8", error=MissingError("nothing"))], "7", "8")
        assert report.summary_json(seconds=1.23456, exit_code=5, ending=None) == (
            '{"type": "summary", "downloaded": 2, "skipped": 1, "failed": 1, "missing": 1, '
            '"identifiers_missing": 1, "identifiers_failed": 1, "bytes": 2000, '
            '"seconds": 1.235, "exit_code": 5, "code": null, "error": null}'
        )

    def test_everything_at_once(self) -> None:
        """Counts, size, time, rate and folder stand in one line."""
        skipped = Skipped(FOLDER / "c", 9)
        outcomes = [saved(size=306_150_000)] * 2 + [skipped] * 3 + [Failed(CUT), Failed(GONE), Failed(GONE)]
        assert summary(report_of(through("7", *outcomes))) == (
            "2 downloaded (612.3 MB in 41 s, 14.9 MB/s), 3 already there, 1 failed, 2 not available -> /photos"
        )

    @pytest.mark.parametrize(
        ("events", "text"),
        [
            (through("7", Skipped(FOLDER / "a", 9)), "nothing new, 1 already there -> /photos"),
            (through("7", error=MissingError("nothing")), "nothing found, 1 bib without photos"),
            (through("7", Failed(GONE)), "nothing found, 1 not available"),
            (through("7", Failed(CUT)), "0 downloaded, 1 failed -> /photos"),
            (through("7", error=GivenUpError("500")), "0 downloaded, listing of 1 bib incomplete"),
        ],
    )
    def test_runs_without_a_download(self, events: list[Update], text: str) -> None:
        """The line says why nothing was downloaded, and names the folder only where there is something to look for."""
        assert summary(report_of(events)) == text

    def test_a_run_that_ended_early(self) -> None:
        """The line opens with why it ended and counts what was not reached."""
        report = report_of(through("7", saved()), "7", "8", "9")
        assert summary(report, GivenUpError("x")) == (
            "aborted: 1 downloaded (1.0 kB in 41 s, 24 B/s), 2 bibs incomplete -> /photos"
        )
        assert summary(report, None, signal.SIGINT).startswith("interrupted: 1 downloaded")
        images = report_of([], "a", "b", method=Method.IMAGES)
        assert (
            summary(images, None, signal.SIGTERM)
            == "terminated by SIGTERM: 0 downloaded, 2 photos not reached; run the same command again to resume"
        )

    def test_the_rate_of_a_run_that_was_stopped(self) -> None:
        """It counts all bytes that came, those of photos that are not whole too, and none of an earlier run's."""
        came = BytesReceived(photo("7-1", "7"), 9000, 9000, 20_000)
        report = report_of([*through("7", saved()), came], "7", "8")
        assert "1 downloaded (1.0 kB of 9.0 kB received in 41 s, 220 B/s), 1 bib" in summary(
            report, None, signal.SIGINT
        )
        assert "1 downloaded (1.0 kB in 41 s, 24 B/s)" in summary(report)
        assert "0 downloaded (9.0 kB received in 41 s, 220 B/s)" in summary(report_of([came], "7"), None, signal.SIGINT)
        resumed = BytesReceived(photo("7-1", "7"), 1000, 410, 1000)
        report = report_of([*through("7", saved()), resumed], "7", "8")
        assert "1 downloaded (1.0 kB in 41 s, 10 B/s)" in summary(report, None, signal.SIGINT)

    def test_a_dry_run(self) -> None:
        """It says what would be fetched, and gives the path of each photo."""
        events = through("7", WouldDownload(FOLDER / "a.jpg"), Skipped(FOLDER / "b.jpg", 9))
        assert summary(report_of(events), dry=True) == "dry run: 1 would be downloaded, 1 already there -> /photos"
        assert [Report.dry_run_line(event) for event in events if Report.dry_run_line(event)] == ["/photos/a.jpg"]

    def test_a_folder_is_named_in_full_or_not_at_all(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A relative folder is made absolute; standard output is no place."""
        monkeypatch.chdir(tmp_path)
        for folder, end in ((Path("out"), f" -> {tmp_path}/out"), (None, "B/s)")):
            report = Report(Method.IMAGE, ["a"])
            report.place = folder
            report.record(PhotoFinished(image("a"), saved()))
            assert summary(report).endswith(end)

    def test_a_run_too_short_to_have_a_rate(self) -> None:
        """No time passed, no rate."""
        text = report_of(through("7", saved())).summary_text(seconds=0.0, ending=None, signal=None, dry_run=False)
        assert text == "1 downloaded (1.0 kB in 0 s) -> /photos"


class TestFailureLines:
    """What failed, by id, with the reason."""

    def test_failed_before_missing_and_each_by_id(self) -> None:
        """The order does not depend on which worker was first; bibs come before photos, hints last."""
        events = [
            *through("9", error=MissingError("no photos", hint="check the number")),
            PhotoFinished(photo("z"), Failed(CUT)),
            PhotoFinished(photo("b"), Failed(GONE)),
            PhotoFinished(photo("a"), Failed(CUT)),
            *through("8", error=GivenUpError("page 6 failed 7 times")),
        ]
        assert report_of(events, "7", "8", "9").failure_lines() == [
            "failed: bib 8: page 6 failed 7 times",
            "failed: a: the connection broke",
            "failed: z: the connection broke",
            "not available: bib 9: no photos",
            "not available: b: the service does not have the original",
            "  check the number",
        ]

    def test_the_first_twenty_and_how_many_more(self) -> None:
        """A long list is cut, failures before what is missing."""
        ids = [f"{number:04}" for number in range(1500)]
        events: list[Update] = [PhotoFinished(image(name), Failed(GONE)) for name in reversed(ids)]
        events += [PhotoFinished(image(f"x{name}"), Failed(CUT)) for name in ids[:5]]
        lines = report_of(events, method=Method.IMAGES).failure_lines()
        assert len(lines) == 21
        assert lines[4:6] == [
            "failed: x0004: the connection broke",
            "not available: 0000: the service does not have the original",
        ]
        assert lines[-1] == "and 1,485 more"

    def test_exactly_twenty_are_all_shown(self) -> None:
        """No line about zero more."""
        events: list[Update] = [PhotoFinished(image(str(number)), Failed(GONE)) for number in range(20)]
        assert len(report_of(events, method=Method.IMAGES).failure_lines()) == 20

    def test_evil_ids_and_messages_stay_one_harmless_line(self) -> None:
        """What the service sends cannot move the cursor or fill the screen."""
        error = PhotoError("\x1b[2Jtwo\nlines " + "long " * 100)
        (line,) = report_of([PhotoFinished(photo("a\nb\u202e"), Failed(error))]).failure_lines()
        assert line.startswith(r"failed: a b\u202e: \x1b[2Jtwo lines long")
        assert line.isprintable()
        assert len(line) < 220


def test_a_listing_of_any_length_needs_hardly_any_memory() -> None:
    """What is kept for photos that went well does not grow with their number."""
    report, outcome = Report(Method.BIB, ["7"]), saved()
    tracemalloc.start()
    for number in range(20_000):
        each = photo(f"image-{number}")
        report.record(PhotoFound(each))
        report.record(PhotoFinished(each, outcome))
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 100_000
