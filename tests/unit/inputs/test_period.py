"""`--since` and `--until`: which texts are times, and what the service is asked for."""

from datetime import UTC, datetime

import pytest

from ninepic_cli.errors import UsageError
from ninepic_cli.inputs.filters import ALL_TIMES, Period


@pytest.mark.parametrize(
    ("since", "until", "query", "words"),
    [
        ("2025-09-14", "2025-09-15", "from=2025-09-14T00:00:00Z&to=2025-09-15T00:00:00Z", "from 2025-09-14 00:00 UTC "),
        ("2025-09-14T07:30", None, "from=2025-09-14T07:30:00Z&to=2100-01-01T00:00:00Z", "from 2025-09-14 07:30 UTC on"),
        (None, "2025-09-14T07:30Z", "from=1970-01-01T00:00:00Z&to=2025-09-14T07:30:00Z", "before 2025-09-14 07:30 UTC"),
        (
            "2025-09-14T01:00+02:00",
            "2025-09-14 09:30:05.5-07:00",
            "from=2025-09-13T23:00:00Z&to=2025-09-14T16:30:05.500000Z",
            "from 2025-09-13 23:00 UTC on and before 2025-09-14 16:30:05.500000 UTC",
        ),
        (
            "2025-09-14T01:00+02:00",
            "2025-09-15",
            "from=2025-09-13T23:00:00Z&to=2025-09-15T00:00:00Z",
            "from 2025-09-13 23:00 UTC on and before 2025-09-15 00:00 UTC",
        ),
        (
            " 2025-09-14t07:30z\n",
            None,
            "from=2025-09-14T07:30:00Z&to=2100-01-01T00:00:00Z",
            "from 2025-09-14 07:30 UTC",
        ),
        ("0001-01-01", None, "from=0001-01-01T00:00:00Z&to=2100-01-01T00:00:00Z", "from 0001-01-01 00:00 UTC on"),
    ],
)
def test_times_are_taken_as_they_are_meant(since: str | None, until: str | None, query: str, words: str) -> None:
    """Days, times with and without an offset and fractions become a question in UTC, and words that say it."""
    period = Period.parse(since, until)
    assert period is not None
    assert period.query == query
    assert str(period).startswith(words)
    times = [text for text in (since, until) if text]
    assert period.is_assumed == any(not text.strip().endswith(("Z", "z", ":00")) for text in times)


@pytest.mark.parametrize(
    ("since", "until"),
    [
        (None, None),
        ("", None),
        ("x", None),
        (None, "x"),
        ("14.09.2025", None),
        ("2025-13-01", None),
        ("2025-09-31", None),
        ("2025-09-14T25:00", None),
        ("2025-09-14T07:30+25:00", None),
        ("0001-01-01T00:00+14:00", None),
        (None, "9999-12-31T23:59-12:00"),
        ("2025-09-15", "2025-09-14"),
        ("2025-09-14", "2025-09-14"),
        ("2025-09-14T09:30+02:00", "2025-09-14T07:30Z"),
        ("2100-01-01", None),
        (None, "1970-01-01"),
        ("2100-01-01", "2099-01-01"),
        (None, "1969-12-31T23:59:59Z"),
        ("\x1b[2J\u202e", None),
        ("9" * 5000, None),
    ],
)
def test_what_is_no_time_is_refused(since: str | None, until: str | None) -> None:
    """A text that is no time, a time outside of the calendar and a stretch without length are usage errors."""
    if since is None and until is None:
        assert Period.parse(since, until) is None
        return
    with pytest.raises(UsageError) as caught:
        Period.parse(since, until)
    assert ("--since" in caught.value.message) <= (since is not None)
    assert ("--until" in caught.value.message) <= (until is not None)
    assert "--since" in caught.value.message or "--until" in caught.value.message
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 200
    assert caught.value.hint


def test_all_times_hold_every_camera() -> None:
    """The stretch that the timed photos are counted in holds any time that a camera could have had."""
    assert ALL_TIMES.since <= datetime(1980, 1, 1, tzinfo=UTC)
    assert ALL_TIMES.until > datetime(2090, 1, 1, tzinfo=UTC)
