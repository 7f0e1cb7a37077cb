"""The grammar of `--since` and `--until`: what is taken for which moment, and what is refused by the option's name."""

import shutil
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninepic_cli.errors import UsageError
from ninepic_cli.inputs.filters import Period
from ninepic_cli.sandbox import World
from tests.support.command import Ninepic, Start, completed

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


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--since", "2025-09-14+02:00"), "invalid --since '2025-09-14+02:00': expected"),
        (("--until", "2025-09-14T09.30"), "invalid --until '2025-09-14T09.30': expected"),
        (("--until", "1969-12-31"), "invalid --until '1969-12-31': expected a time after 1970-01-01"),
        (("--since", "2100-01-01"), "invalid --since '2100-01-01': expected a time before 2100-01-01"),
        (("--since", "2025-09-15", "--until", "2025-09-14T24:00"), "--since '2025-09-15' is not before --until '2025-"),
    ],
)
def test_the_error_names_what_was_given(ninepic: Ninepic, sandbox: Start, options: tuple[str, ...], words: str) -> None:
    """A time that is none is a usage error about the option that was given, before any request."""
    box = sandbox(World.generate(photos=3, size=3000))
    result = ninepic("all", *options)
    assert (result.status, result.out, box.requests) == (2, "", [])
    assert words in result.err
    for option in ("--since", "--until"):
        assert (option in result.err) == (option in options), result.err
