"""`--since`, `--until` and `--shard`: which part of the photos is asked for."""

import shutil
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninepic_cli.errors import UsageError
from ninepic_cli.inputs.filters import ALL_TIMES, Period, Shard
from ninepic_cli.sandbox import World
from tests.support.command import completed


@pytest.mark.parametrize(
    ("since", "until", "query", "words"),
    [
        ("2025-09-14", "2025-09-15", "from=2025-09-14T00:00:00Z&to=2025-09-15T00:00:00Z", "since 2025-09-14 00:00 UTC"),
        ("2025-09-14T07:30", None, "from=2025-09-14T07:30:00Z&to=2100-01-01T00:00:00Z", "since 2025-09-14 07:30 UTC"),
        (None, "2025-09-14T07:30Z", "from=1970-01-01T00:00:00Z&to=2025-09-14T07:30:00Z", "before 2025-09-14 07:30 UTC"),
        (
            "2025-09-14T01:00+02:00",
            "2025-09-14 09:30:05.5-07:00",
            "from=2025-09-13T23:00:00Z&to=2025-09-14T16:30:05.500000Z",
            "since 2025-09-13 23:00 UTC and before 2025-09-14 16:30:05.500000 UTC",
        ),
        (
            "2025-09-14T01:00+02:00",
            "2025-09-15",
            "from=2025-09-13T23:00:00Z&to=2025-09-15T00:00:00Z",
            "since 2025-09-13 23:00 UTC and before 2025-09-15 00:00 UTC",
        ),
        (
            " 2025-09-14t07:30z\n",
            None,
            "from=2025-09-14T07:30:00Z&to=2100-01-01T00:00:00Z",
            "since 2025-09-14 07:30 UTC",
        ),
        ("0001-01-01", None, "from=0001-01-01T00:00:00Z&to=2100-01-01T00:00:00Z", "since 0001-01-01 00:00 UTC"),
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


MOMENTS = [
    ("2025-09-14", "2025-09-14T00:00:00"),
    ("2025-09-14T09:30", "2025-09-14T09:30:00"),
    ("2025-09-14 09:30", "2025-09-14T09:30:00"),
    ("2025-09-14t09:30:05", "2025-09-14T09:30:05"),
    ("2025-09-14T09:30:05.25", "2025-09-14T09:30:05.250000"),
    ("2025-09-14T09:30:05,123456789+00:00", "2025-09-14T09:30:05.123456"),
    ("2025-09-14T09:30Z", "2025-09-14T09:30:00"),
    ("2025-09-14T09:30:00z", "2025-09-14T09:30:00"),
    ("2025-09-14T09:30+02:00", "2025-09-14T07:30:00"),
    ("2025-09-14T09:30+0200", "2025-09-14T07:30:00"),
    ("2025-09-14T09:30-07:30", "2025-09-14T17:00:00"),
    ("2025-09-14T09:30-0730", "2025-09-14T17:00:00"),
    ("2025-09-14T01:00+14:00", "2025-09-13T11:00:00"),
    ("2025-09-14T24:00", "2025-09-15T00:00:00"),
    ("2025-12-31T24:00:00.000Z", "2026-01-01T00:00:00"),
    ("2025-09-14T24:00+02:00", "2025-09-14T22:00:00"),
    ("  2025-09-14T09:30Z ", "2025-09-14T09:30:00"),
]
NO_MOMENTS = [
    *("2025-09-14+02:00", "2025-09-14-07:30", "2025-09-14Z", "2025-09-14+09:30", "2025-09-14 +02:00"),
    *("2025-09-14T09.30", "2025-09-14T09:30.5", "2025-09-14T0930", "2025-09-14T09", "2025-09-14T9:30"),
    *("2025-09-14x09:30", "2025-09-14_09:30", "2025-09-14T 09:30", "2025-09-14  09:30", "2025-09-14\t09:30"),
    *("2025-09-14T09:00\u221207:30", "2025-09-14T09:00\u201307:30", "2025-09-14T09:00 +02:00"),
    *("2025-09-14T09:30+02", "2025-09-14T09:30+2:00", "2025-09-14T09:30+02:60", "2025-09-14T09:30+25:00"),
    *("2025-09-14T09:00-17:00", "2025-09-14T09:30UTC", "2025-09-14T09:30+02:00:00", "2025-09-14T09:30ZZ"),
    *("2025-09-14T24:01", "2025-09-14T24:00:01", "2025-09-14T24:00:00.0000001", "2025-09-14T25:00", "9999-12-31T24:00"),
    *("2025-09-14T09:60", "2025-09-14T09:30:60", "2025-09-14T09:30:05.", "2025-09-14T09:30:05.1234567890"),
    *("20250914", "20250914T0730", "2025-9-14", "2025-W37-7", "2025-257", "14.09.2025", "2025/09/14", "2025-02-29"),
    *("2025-09", "09:30", "now", "", " ", "\u0662\u0660\u0662\u0665-09-14", "2025-09-14T09:30\0"),
]


@pytest.mark.parametrize(("text", "utc"), MOMENTS)
def test_a_moment(text: str, utc: str) -> None:
    """A day is its first moment; a time has minutes at least, may have an offset, and 24:00 is the next day's 00:00."""
    expected = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    since, until = Period.parse(text, None), Period.parse(None, text)
    assert since
    assert until
    assert (since.since, until.until) == (expected, expected)


@pytest.mark.parametrize("text", NO_MOMENTS)
def test_what_is_no_moment(text: str) -> None:
    """Everything else is refused, by the name of the option that it was given to, with what may be written."""
    for option, given_times in (
        ("--since", (text, None)),
        ("--until", (None, text)),
        ("--until", ("2025-09-01", text)),
    ):
        with pytest.raises(UsageError) as caught:
            Period.parse(*given_times)
        assert caught.value.message.startswith(f"invalid {option} ")
        assert sum(each in caught.value.message for each in ("--since", "--until")) == 1
        assert "2025-09-14T09:30+02:00" in str(caught.value.hint)


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2099, 1, 1)),  # noqa: DTZ001
    st.integers(-14 * 60, 14 * 60),
    st.sampled_from(["seconds", "milliseconds", "microseconds"]),
    st.sampled_from("T "),
)
def test_what_programs_write_is_read_the_same(moment: datetime, offset_min: int, timespec: str, sep: str) -> None:
    """A time with its offset, as `date -Is` and most libraries write it, is that moment."""
    aware = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=offset_min)))
    period = Period.parse(aware.isoformat(sep, timespec), None)
    assert period
    assert (period.since, period.is_assumed) == (aware, False)


@pytest.mark.parametrize("form", ["-Is", "-Ins", "-Im", "-Id", "--rfc-3339=seconds", "--rfc-3339=ns"])
def test_what_date_writes_is_read(form: str) -> None:
    """The output of `date` is taken as it is."""
    command = ["date", form, "--date=2025-09-14T09:30:00+02:00"]
    if not shutil.which("date"):
        pytest.skip("needs date")
    result = completed(command, env={"TZ": "UTC-2"})
    if result.status:
        pytest.skip("needs GNU date")
    period = Period.parse(result.out, None)
    assert period
    day = datetime(2025, 9, 14, tzinfo=UTC)
    assert period.since == (day if form == "-Id" else day + timedelta(hours=7, minutes=30))


IDS = st.lists(st.text(min_size=1), unique=True, max_size=50)


@given(IDS, st.text(min_size=1), st.integers(1, 12))
def test_each_id_falls_into_one_part(ids: list[str], newcomer: str, count: int) -> None:
    """The parts make up the list, share nothing, and keep what they have when the list grows or is turned around."""
    shards = [Shard(number, count) for number in range(1, count + 1)]
    parts = [[each for each in ids if shard.has(each)] for shard in shards]
    assert sorted(each for part in parts for each in part) == sorted(ids)
    for shard, part in zip(shards, parts, strict=True):
        assert {each for each in [newcomer, *reversed(ids)] if shard.has(each)} - {newcomer} == set(part) - {newcomer}


def test_parts_are_alike_and_stay_what_they_are() -> None:
    """Eight parts of 8,000 ids have about a thousand each, and an id is in the part that it was in years ago."""
    ids = list(World.generate(photos=8000).photos)
    sizes = [sum(map(Shard(number, 8).has, ids)) for number in range(1, 9)]
    assert all(900 < size < 1100 for size in sizes), sizes
    assert [number for number in range(1, 9) if Shard(number, 8).has("1b4e28ba-2fa1-11d2-883f-0016d3cca427")] == [2]


@pytest.mark.parametrize(
    "text", ["0/8", "9/8", "1/0", "0/0", "x", "1/8/8", "", "+1/8", "-1/8", "1/8\n", "\u0661/8", "1 /8", "1/1000000"]
)
def test_what_names_no_part(text: str) -> None:
    """What is out of range or no fraction at all is a usage error, whose words are harmless."""
    with pytest.raises(UsageError) as caught:
        Shard.parse(text)
    assert caught.value.message.startswith("invalid --shard ")
    assert caught.value.message.isprintable()
