"""`ninepic events`, `event` and `ping`: questions to the service that somebody waits for, and that fetch nothing."""

import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain, islice

from ninepic_cli.api.client import Api, unanswered
from ninepic_cli.api.event_info import Details, details, photo_count
from ninepic_cli.api.schema import EventEntry
from ninepic_cli.errors import GivenUpError, NinepicError, RejectedError, ServiceFailedError, UnusableAnswerError
from ninepic_cli.models import Credentials
from ninepic_cli.net.client import Client
from ninepic_cli.net.retry import HostThrottles
from ninepic_cli.progress.display import open_progress, stderr_console
from ninepic_cli.report.json_lines import EventRecord, json_line
from ninepic_cli.system.output import Output, print_err
from ninepic_cli.system.shutdown import CancelToken
from ninepic_cli.text import one_line
from ninepic_cli.updates import Update


def ping(access: Credentials, *, timeout_s: float, environ: Mapping[str, str]) -> None:
    """See that key, organisation and event fit together; a failure is not tried again, a pause is waited for.

    Raises:
        NinepicError: they do not, or the service could not say.
    """
    with open_api(access, RetryPolicy(timeout_s), environ) as api:
        api.ping()


def events(access: Credentials, *, timeout_s: float, environ: Mapping[str, str], most: int = 1000) -> list[EventEntry]:
    """The organisation's events, at most so many; what fails is treated as by `ping`.

    Raises:
        SettingsError: the service does not know the organisation.
        NotAllowedError: it refuses the key, or the key for the organisation.
        NinepicError: it could not say.
    """
    with open_api(access, RetryPolicy(timeout_s), environ) as api:
        return list(islice(api.events(), most))


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """With a question that somebody waits for.

    Attributes:
        retries: further tries.
        give_up_after_s: seconds without a usable answer that end it; None for the time-out.
    """

    timeout_s: float
    retries: int = 0
    give_up_after_s: float | None = None


@contextmanager
def open_api(
    access: Credentials,
    patience: RetryPolicy,
    environ: Mapping[str, str],
    *,
    on_update: Callable[[Update], None] = lambda _: None,
) -> Iterator[Api]:
    """The service, for a question that somebody waits for.

    Raises:
        NinepicError: the question was not answered; hints are not about downloads.
    """
    stop, give_up_s = CancelToken(), patience.give_up_after_s
    hosts = HostThrottles(
        give_up_after_s=patience.timeout_s if give_up_s is None else give_up_s, stop=stop, on_update=on_update
    )
    host = hosts.of(access.base_url)
    try:
        with closing(Client(timeout_s=patience.timeout_s, connections=1, environ=environ)) as client:
            yield Api(access, client=client, host=host, retries=patience.retries, stop=stop, on_update=on_update)
    except (ServiceFailedError, GivenUpError) as error:
        if type(error) not in {ServiceFailedError, GivenUpError}:
            raise
        # Their hints are about downloads, which this is not, unless they are about the network.
        hint = error.hint if isinstance(error.__cause__, UnusableAnswerError) else "try again later"
        raise type(error)(error.message, hint=hint, code=error.code) from error


_HEADINGS = ("EVENT", "DATE", "STATUS", "NAME")
_LONGEST = 1000  # characters of a text


@dataclass(frozen=True, slots=True)
class Form:
    """How it is told: `json` as objects, else as a table; `quiet` and `verbose` as everywhere."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False


def list_events(access: Credentials, patience: RetryPolicy, form: Form, environ: Mapping[str, str]) -> None:
    """Print the organisation's events, one a line.

    Raises:
        NinepicError: the service could not say, or standard output cannot be written.
    """
    output, found = Output(), False
    with _asking(access, patience, form, environ) as api:
        for line in _listed(api, form):
            found = True
            output.line(line)
            if output.is_gone:
                break
    if output.trouble:
        raise output.trouble
    if not found and not form.quiet:
        print_err(f"organisation {access.org_id} has no events")


def show_event(access: Credentials, patience: RetryPolicy, form: Form, environ: Mapping[str, str]) -> None:
    """Print what there is to say about the event.

    Raises:
        NinepicError: the service could not say, or standard output cannot be written.
    """
    with _asking(access, patience, form, environ) as api:
        found, count = details(api), _counted(api, form)
    output = Output()
    for line in [_details_json(found, count)] if form.json else _table(_facts(found, count)):
        output.line(line)
    if output.trouble:
        raise output.trouble


@contextmanager
def _asking(access: Credentials, patience: RetryPolicy, form: Form, environ: Mapping[str, str]) -> Iterator[Api]:
    with open_progress(stderr_console(), bars=False, quiet=form.quiet, verbose=form.verbose) as progress:
        try:
            with open_api(access, patience, environ, on_update=progress.on_update) as api:
                yield api
        except RejectedError as error:
            raise unanswered(error, f"event {access.event_id}") from None


def _counted(api: Api, form: Form) -> int | None:
    """The number of photos; that it may not be known is no reason to tell nothing."""
    try:
        return photo_count(api)
    except NinepicError as error:
        if not form.quiet:
            print_err(f"ninepic: warning: the number of photos is not known: {one_line(error.message)}")
        return None


def _listed(api: Api, form: Form) -> Iterator[str]:
    entries = api.events()
    if form.json:
        return map(_event_json, entries)
    rows = map(_row, entries)
    if not _is_terminal():
        return map("\t".join, rows)
    first = next(rows, None)
    return iter(()) if first is None else iter(_table([_HEADINGS, *chain([first], rows)]))


def _row(event: EventEntry) -> tuple[str, ...]:
    texts = (event.date, event.status, event.name)
    return (str(event.event_id), *(one_line(text, _LONGEST) for text in texts))


def _facts(found: Details, count: int | None) -> list[tuple[str, ...]]:
    event, searches = found.event, [name for name, is_on in found.searches.items() if is_on]
    return [
        ("event", str(event.event_id)),
        ("name", one_line(event.name, _LONGEST)),
        ("date", one_line(event.date, _LONGEST)),
        ("status", one_line(event.status, _LONGEST)),
        ("enabled", {True: "yes", False: "no", None: ""}[found.is_enabled]),
        ("searches", ", ".join(name.removesuffix("_search").replace("_", " ") for name in searches)),
        ("photos", "" if count is None else f"{count:,}" if _is_terminal() else str(count)),
    ]


def _table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """The rows as lines: in columns on a terminal, else with tabs between."""
    rows = list(rows)
    if not _is_terminal():
        return ["\t".join(row) for row in rows]
    widths = [max(map(_cells, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(_padded, row, widths)).rstrip() for row in rows]


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _cells(text))


def _cells(text: str) -> int:
    """How wide a terminal shows it: East Asian letters take two cells, accents that join a letter none."""
    wide = sum(unicodedata.east_asian_width(char) in {"W", "F"} for char in text)
    return len(text) + wide - sum(unicodedata.category(char) in {"Mn", "Me"} for char in text)


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def _event_fields(event: EventEntry) -> EventRecord:
    return {
        "type": "event",
        "event_id": event.event_id,
        "event_name": event.name or None,
        "event_slug": event.slug or None,
        "event_date": event.date or None,
        "status": event.status or None,
    }


def _event_json(event: EventEntry) -> str:
    return json_line(_event_fields(event))


def _details_json(found: Details, count: int | None) -> str:
    return json_line(
        {**_event_fields(found.event), "event_enabled": found.is_enabled, **found.searches, "photos": count}
    )
