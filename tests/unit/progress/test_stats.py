"""Events -> the numbers of a run."""

from pathlib import Path

import pytest

from ninepic_cli.errors import MissingError, PhotoError, TransientError
from ninepic_cli.models import Downloaded, Failed, Link, Method, Photo, Skipped
from ninepic_cli.progress.stats import RunStats
from ninepic_cli.updates import (
    BytesReceived,
    HostPaused,
    IdentifierListed,
    PageReceived,
    PhotoFinished,
    PhotoFound,
    PhotoStarted,
    RetryScheduled,
    Update,
)
from tests.support.photos import photo

MIB = 1_000_000


def saved(size: int = MIB) -> Downloaded:
    """A photo that arrived."""
    return Downloaded(Path("/photos/a.jpg"), size, "", attempts=1, seconds=1.0)


def tally_of(*events: Update, method: Method = Method.BIB, asked: int = 1) -> RunStats:
    """A tally that has seen the events, all of them at second 0."""
    tally = RunStats(0.0)
    tally.expect(method, asked)
    for event in events:
        tally.record(event, 0.0)
    return tally


@pytest.mark.parametrize(
    ("events", "done", "total", "is_listed"),
    [
        ([], 0, 0, False),
        ([PhotoFound(photo("a"))], 0, 1, False),
        ([PageReceived("7", 1, 60, 200), PhotoFound(photo("a"))], 0, 200, False),
        ([PageReceived("7", 1, 60, 1), PhotoFound(photo("a")), PhotoFound(photo("b"))], 0, 2, False),
        ([PageReceived("7", 1, 60, 200), PageReceived("7", 2, 60, 150)], 0, 200, False),
        ([PageReceived("7", 1, 60, 200), PageReceived("7", 2, 60, None)], 0, 200, False),
        ([PageReceived("7", 1, 60, 200), PageReceived("7", 2, 60, 250)], 0, 250, False),
        ([PageReceived("7", 1, 60, 200), IdentifierListed("7", 180)], 0, 180, False),
        ([IdentifierListed("7", 180), PageReceived("8", 1, 20, 20), IdentifierListed("8", 20)], 0, 200, True),
        ([PhotoFinished(photo("gone"), Failed(MissingError("x"))), PhotoFound(photo("a"))], 1, 2, False),
        ([PhotoFound(photo("a")), PhotoFinished(photo("a"), saved())], 1, 1, False),
    ],
)
def test_the_total_is_what_is_known_so_far(events: list[Update], done: int, total: int, *, is_listed: bool) -> None:
    """Announced or seen, whichever is more, until a listing has ended; then what it brought."""
    tally = tally_of(*events, asked=2)
    assert (tally.done, tally.total, tally.is_listed) == (done, total, is_listed)


def test_the_total_is_known_when_it_is_announced_for_everything_asked_for() -> None:
    """Long before the listing ends: it is read only a little ahead of the downloads."""
    tally = tally_of(PageReceived("7", 1, 60, 200), asked=2)
    assert not tally.is_counted
    tally.record(PageReceived("8", 1, 60, 100), 0.0)
    assert (tally.is_counted, tally.is_listed, tally.total) == (True, False, 300)
    tally.record(IdentifierListed("7", 180), 0.0)
    assert (tally.is_counted, tally.total) == (True, 280)


def test_a_short_pause_changes_the_rate_and_hardly_the_time_left() -> None:
    """What is promised goes by the last minute, so that ten seconds without bytes do not double it."""
    a = photo("a")
    tally = tally_of(
        PageReceived("7", 1, 60, 1000),
        PhotoStarted(photo("first")),
        PhotoFinished(photo("first"), saved()),
        PhotoStarted(a),
    )
    for second in range(1, 101):
        tally.record(BytesReceived(a, 0, MIB, None), float(second))
    assert tally.eta_s(100.0) == pytest.approx(999, rel=0.05)
    assert tally.eta_s(110.0) == pytest.approx(999 * 1.2, rel=0.05)
    assert tally.rate(110.0) < MIB / 5


def test_the_total_of_images_is_known_from_the_start() -> None:
    """Image ids are photos, and nothing has to be listed to count them."""
    tally = tally_of(PhotoFinished(photo("a", "a"), saved()), method=Method.IMAGES, asked=500)
    assert (tally.done, tally.total, tally.is_listed) == (1, 500, True)


def test_a_run_without_expectation_is_never_complete() -> None:
    """Nothing is promised that is not known."""
    assert not RunStats(0.0).is_listed


def test_failures_are_counted_without_what_the_service_lacks() -> None:
    """A missing photo is done, and no failure."""
    tally = tally_of(
        PhotoFinished(photo("a"), Failed(MissingError("x"))), PhotoFinished(photo("b"), Failed(PhotoError("x")))
    )
    assert (tally.done, tally.failed) == (2, 1)


def test_photos_in_flight_keep_their_places() -> None:
    """A photo that ends makes room for the next one; the others do not move."""
    a, b, c, d = (photo(name) for name in "abcd")
    tally = tally_of(PhotoStarted(a), PhotoStarted(b), PhotoStarted(c), PhotoFinished(a, saved()), PhotoStarted(d))
    assert [flight.name for flight in tally.in_flight()] == ["d.jpg", "b.jpg", "c.jpg"]
    for each in (b, c, d):
        tally.record(PhotoFinished(each, saved()), 1.0)
    assert tally.in_flight() == []


def test_one_photo_may_be_in_flight_for_two_bibs() -> None:
    """Photos are told apart by bib and id."""
    tally = tally_of(
        PhotoStarted(photo("a", "1")), PhotoStarted(photo("a", "2")), PhotoFinished(photo("a", "1"), saved())
    )
    assert len(tally.in_flight()) == 1


def test_a_photo_taken_up_again_has_one_row() -> None:
    """It starts over in its place."""
    a, b = photo("a"), photo("b")
    tally = tally_of(PhotoStarted(a), BytesReceived(a, 5, 5, 10), PhotoStarted(b), PhotoStarted(a))
    assert [(flight.name, flight.done) for flight in tally.in_flight()] == [("a.jpg", 0), ("b.jpg", 0)]


def test_a_photo_without_a_name_goes_by_its_id() -> None:
    """A row always has something to call it."""
    (flight,) = tally_of(PhotoStarted(Photo("id-1", "", "", "id-1", Method.IMAGES, 1))).in_flight()
    assert flight.name == "id-1"


def test_a_retry_shows_in_the_flight_until_bytes_come() -> None:
    """The number of the try stays, the waiting ends with the first bytes."""
    a = photo("a")
    tally = tally_of(PhotoStarted(a), RetryScheduled(a, TransientError("x", code="timeout"), 2, 8.0))
    (flight,) = tally.in_flight()
    assert (flight.attempt, flight.retry_at_s, flight.reason) == (3, 8.0, "timeout")
    tally.record(BytesReceived(a, 10, 10, 100), 9.0)
    assert (flight.attempt, flight.retry_at_s, flight.moved_s, flight.done) == (3, 0.0, 9.0, 10)


def test_bytes_count_once_they_cross_the_wire() -> None:
    """Those of an earlier run are on disk and not in the size, and a photo that is not in hand disturbs nothing."""
    tally = tally_of(
        PhotoStarted(photo("a")), BytesReceived(photo("a"), 900, 100, 1000), BytesReceived(photo("x"), 5, 5, None)
    )
    assert tally.size == 105


def test_the_rate_is_that_of_the_last_seconds() -> None:
    """A minute at 1 MB/s and ten seconds at 5 MB/s are 5 MB/s; silence brings it down."""
    tally, a = tally_of(PhotoStarted(photo("a"))), photo("a")
    for second in range(1, 61):
        tally.record(BytesReceived(a, 0, MIB, None), float(second))
    assert tally.rate(60.0) == pytest.approx(MIB, rel=0.1)
    for half in range(1, 41):
        tally.record(BytesReceived(a, 0, 5 * MIB // 2, None), 60 + half / 2)
    assert tally.rate(80.0) == pytest.approx(5 * MIB, rel=0.1)
    assert tally.rate(90.0) < 3 * MIB
    assert RunStats(5.0).rate(5.0) == 0.0


def test_time_left_is_photos_left_times_their_mean_size_by_the_rate() -> None:
    """It is known once it is known how many there are; bytes on disk of photos in hand are not left."""
    first, second = photo("a"), photo("b")
    tally = tally_of(*(PhotoFound(photo(name)) for name in "abcdefghij"), PhotoStarted(first), asked=1)
    tally.record(BytesReceived(first, MIB, MIB, MIB), 1.0)
    tally.record(PhotoFinished(first, saved(MIB)), 1.0)
    assert tally.eta_s(1.0) is None
    tally.record(IdentifierListed("7", 10), 1.0)
    assert tally.eta_s(1.0) == pytest.approx(9.0)
    tally.record(PhotoStarted(second), 1.0)
    tally.record(BytesReceived(second, MIB // 2, 0, MIB), 1.0)
    assert tally.eta_s(1.0) == pytest.approx(8.5)


def test_time_left_before_the_first_photo_is_through_goes_by_those_in_hand() -> None:
    """Their announced sizes are the best there is; without any, nothing is said."""
    a = photo("a", "a")
    tally = tally_of(PhotoStarted(a), method=Method.IMAGES, asked=4)
    assert tally.eta_s(1.0) is None
    tally.record(BytesReceived(a, MIB, MIB, 2 * MIB), 1.0)
    assert tally.eta_s(1.0) == pytest.approx(7.0)


def test_a_pause_lasts_until_its_end() -> None:
    """Of several pauses of a host the longest counts, and then it is over."""
    tally = tally_of(
        HostPaused("h", "http_429", 12.0), HostPaused("h", "http_429", 3.0), HostPaused("k", "http_503", 1.0)
    )
    assert [(pause.host, pause.code, pause.until_s) for pause in tally.pauses(0.5)] == [
        ("h", "http_429", 12.0),
        ("k", "http_503", 1.0),
    ]
    assert [pause.host for pause in tally.pauses(2.0)] == ["h"]
    assert tally.pauses(12.0) == []


def test_a_pause_that_is_extended_is_one_pause() -> None:
    """Asked for patience again before it is over, a host's pause began when it did; one after its end is another."""
    tally = tally_of(HostPaused("h", "http_429", 12.0))
    tally.record(HostPaused("h", "http_503", 15.0), 10.0)
    assert tally.pauses(11.0) == [("h", "http_503", 0.0, 25.0)]
    tally.record(HostPaused("h", "http_429", 2.0), 20.0)  # less than what is left does not shorten it
    assert tally.pauses(24.0) == [("h", "http_429", 0.0, 25.0)]
    tally.record(HostPaused("h", "http_429", 5.0), 30.0)
    assert tally.pauses(31.0) == [("h", "http_429", 30.0, 35.0)]


def test_an_extended_pause_goes_on_explaining_a_silence() -> None:
    """A photo that was silent since the pause began waits until its end; one that had bytes meanwhile does not."""
    waiting, busy = (Photo(name, name, "", "7", Method.BIB, 1, Store()) for name in "ab")
    tally = tally_of(PhotoStarted(waiting), PhotoStarted(busy), HostPaused("store.example:8443", "http_429", 12.0))
    tally.record(BytesReceived(busy, 5, 5, 10), 5.0)
    tally.record(HostPaused("store.example:8443", "http_429", 12.0), 10.0)
    assert [tally.is_paused(flight, 20.0) for flight in tally.in_flight()] == [True, False]


class Store:
    """Links of a store."""

    def current(self, image_id: str) -> Link:
        """The link."""
        return Link(f"https://Store.example:8443/{image_id}?X-Amz-Signature=secret")

    def fresh(self, image_id: str) -> Link:
        """Nobody begins here."""
        raise AssertionError(image_id)

    def renew(self, image_id: str, refused: Link) -> Link:
        """There is no other."""
        raise AssertionError(image_id, refused)


def test_a_pause_explains_the_silence_of_its_own_host_only() -> None:
    """A photo that nothing has come for since the pause began waits; one with bytes does not, nor is another host's."""
    waiting, busy, late = (Photo(name, name, "", "7", Method.BIB, 1, Store()) for name in "abc")
    tally = tally_of(PhotoStarted(waiting), PhotoStarted(busy))
    tally.record(BytesReceived(waiting, 5, 5, 10), 1.0)
    tally.record(HostPaused("store.example:8443", "http_429", 20.0), 2.0)
    tally.record(BytesReceived(busy, 5, 5, 10), 3.0)
    tally.record(PhotoStarted(late), 4.0)
    assert [tally.is_paused(flight, 5.0) for flight in tally.in_flight()] == [True, False, True]
    assert [tally.is_paused(flight, 23.0) for flight in tally.in_flight()] == [False, False, False]
    assert [tally.idle_s(flight, 23.0) for flight in tally.in_flight()] == [1.0, 1.0, 1.0]
    tally.record(HostPaused("api.example", "http_429", 20.0), 24.0)
    assert [tally.is_paused(flight, 25.0) for flight in tally.in_flight()] == [False, False, False]
    assert "secret" not in repr(tally.in_flight())


def test_a_retry_of_the_listing_is_kept_apart_from_photos() -> None:
    """It has no row, but a reason and a time."""
    tally = tally_of(
        RetryScheduled(None, TransientError("x"), 1, 4.0), RetryScheduled(photo("a"), TransientError("x"), 1, 9.0)
    )
    assert tally.listing_trouble(1.0) == ("connection", 3.0)
    assert tally.listing_trouble(4.0) is None


def test_the_space_needed_is_so_many_times_the_mean() -> None:
    """What is under way counts what is left of it; nothing is said before eight sizes are known, or the total is."""
    names = "abcdefgh"
    tally = tally_of(PageReceived("7", 1, 60, 108), *(PhotoStarted(photo(name)) for name in names))
    for name in names[:7]:
        tally.record(BytesReceived(photo(name), MIB // 2, MIB // 2, MIB), 1.0)
    assert tally.needed_space() is None
    tally.record(PhotoFinished(photo("h"), saved(2 * MIB)), 1.0)
    assert tally.needed_space() == pytest.approx(100 * 9 / 8 * MIB + 7 / 2 * MIB)
    assert tally_of(PhotoFinished(photo("a"), saved())).needed_space() is None


def test_photos_that_are_there_already_need_no_space() -> None:
    """Where nine of ten were there, so may nine of ten of the rest."""
    events = [PhotoFinished(photo(str(number)), Skipped(Path("/a"), MIB, "")) for number in range(72)]
    events += [PhotoFinished(photo(name), saved()) for name in "abcdefgh"]
    tally = tally_of(PageReceived("7", 1, 60, 180), *events)
    assert tally.needed_space() == pytest.approx(10 * MIB)
    assert tally_of(PageReceived("7", 1, 60, 180), *events[:72]).needed_space() is None


def test_a_few_photos_need_no_more_sizes_than_they_have() -> None:
    """Two photos are known by two sizes."""
    tally = tally_of(PageReceived("7", 1, 2, 2), PhotoFinished(photo("a"), saved()), PhotoStarted(photo("b")))
    assert tally.needed_space() is None
    tally.record(BytesReceived(photo("b"), 1, 1, MIB), 1.0)
    assert tally.needed_space() == MIB - 1
