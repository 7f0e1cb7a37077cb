"""`ninepic events` and `event`: questions to the service that somebody waits for, and that fetch nothing."""

import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice

from ninepic_cli.api.client import Api
from ninepic_cli.api.event_photos import photo_count
from ninepic_cli.api.rejections import question_rejection
from ninepic_cli.api.schema import EventDetails, EventEntry
from ninepic_cli.errors import GivenUpError, NinepicError, RejectedError, ServiceFailedError
from ninepic_cli.models import Credentials
from ninepic_cli.net.client import Client
from ninepic_cli.net.connection_record import ConnectionRecord
from ninepic_cli.net.retry import HostThrottles
from ninepic_cli.progress.display import open_progress, stderr_console
from ninepic_cli.progress.messages import StatusReports
from ninepic_cli.report.json_lines import EventRecord, json_line
from ninepic_cli.system.output import Output, print_err, print_warning
from ninepic_cli.system.shutdown import CancelToken
from ninepic_cli.text import one_line
from ninepic_cli.updates import Update

_HEADINGS = ("EVENT", "DATE", "STATUS", "NAME")
_MAX_TEXT_LENGTH = 1000  # characters of a text


@dataclass(frozen=True, slots=True)
class QuestionOptions:
    """How often and how long a question is asked again, and how the answer is told: `json` as objects, else a table."""

    timeout_s: float
    retries: int
    give_up_after_s: float
    json: bool = False
    quiet: bool = False
    verbose: bool = False


@contextmanager
def open_api(
    credentials: Credentials,
    options: QuestionOptions,
    environ: Mapping[str, str],
    on_update: Callable[[Update], None] = lambda _: None,
    record: ConnectionRecord | None = None,
) -> Iterator[Api]:
    """The service, for a question that somebody waits for.

    Raises:
        NinepicError: the question was not answered; hints are not about downloads.
    """
    stop = CancelToken()
    hosts = HostThrottles(give_up_after_s=options.give_up_after_s, stop=stop, on_update=on_update)
    host = hosts.of(credentials.base_url)
    try:
        with closing(Client(timeout_s=options.timeout_s, connections=1, environ=environ, record=record)) as client:
            api = Api(credentials, client=client, host=host, retries=options.retries, stop=stop, on_update=on_update)
            try:
                yield api
            except RejectedError as error:
                raise question_rejection(error, credentials.event_id) from None
    except (ServiceFailedError, GivenUpError) as error:
        if type(error) not in {ServiceFailedError, GivenUpError}:
            raise
        # Their hints are about downloads, which this is not, unless they are about the network.
        cause = error.__cause__
        hint = (cause.hint if isinstance(cause, NinepicError) else None) or "try again later"
        raise type(error)(error.message, hint=hint, code=error.code) from error


def events(credentials: Credentials, *, timeout_s: float, environ: Mapping[str, str]) -> list[EventEntry]:
    """The organisation's first thousand events; a failure is not tried again, a pause is waited for.

    Raises:
        SettingsError: the service does not know the organisation.
        NotAllowedError: it refuses the key, or the key for the organisation.
        NinepicError: it could not say.
    """
    with open_api(credentials, QuestionOptions(timeout_s, retries=0, give_up_after_s=timeout_s), environ) as api:
        return list(islice(api.events(), 1000))


def check_event(credentials: Credentials, *, timeout_s: float, environ: Mapping[str, str]) -> bool:
    """See that the event exists and the key is valid for it; a failure is treated as by `events`. Returns True.

    Raises:
        NinepicError: it is not, or the service could not say.
    """
    with open_api(credentials, QuestionOptions(timeout_s, retries=0, give_up_after_s=timeout_s), environ) as api:
        api.ping()
    return True


def list_events(credentials: Credentials, options: QuestionOptions, environ: Mapping[str, str]) -> None:
    """Print the organisation's events, one a line.

    Raises:
        NinepicError: the service could not say, or standard output cannot be written.
    """
    with _open_api_with_progress(credentials, options, environ) as api:
        if options.json:
            has_events = _print_lines(json_line(_event_record(event)) for event in api.events())
        else:
            has_events = _print_lines(_table(map(_event_row, api.events()), _HEADINGS))
    if not has_events and not options.quiet:
        print_err(f"organisation {credentials.org_id} has no events")


def show_event(credentials: Credentials, options: QuestionOptions, environ: Mapping[str, str]) -> None:
    """Print what there is to say about the event.

    Raises:
        NinepicError: the service could not say, or standard output cannot be written.
    """
    with _open_api_with_progress(credentials, options, environ) as api:
        details, count = api.event_details(), _count_photos(api, options)
    if options.json:
        switches = {"event_enabled": details.is_enabled, **details.searches}
        _print_lines([json_line({**_event_record(details.event), **switches, "photos": count})])
    else:
        _print_lines(_table(_detail_rows(details, count)))


@contextmanager
def _open_api_with_progress(
    credentials: Credentials, options: QuestionOptions, environ: Mapping[str, str]
) -> Iterator[Api]:
    never = StatusReports(every_s=0)
    show = partial(open_progress, bars=False, quiet=options.quiet, verbose=options.verbose, reports=never)
    with show(stderr_console()) as progress, open_api(credentials, options, environ, progress.on_update) as api:
        yield api


def _print_lines(lines: Iterable[str]) -> bool:
    """Print lines until they end or whoever reads them goes away; returns whether there were any.

    Raises:
        MachineError: standard output cannot be written.
    """
    output, has_lines = Output(), False
    for line in lines:
        has_lines = True
        output.line(line)
        if output.is_gone:
            break
    if output.trouble:
        raise output.trouble
    return has_lines


def _count_photos(api: Api, options: QuestionOptions) -> int | None:
    """The number of photos; that it may not be known is no reason to tell nothing."""
    try:
        return photo_count(api)
    except NinepicError as error:
        if not options.quiet:
            print_warning(f"number of photos unknown: {one_line(error.message)}")
        return None


def _event_row(event: EventEntry) -> tuple[str, ...]:
    texts = (str(event.event_id), event.date, event.status, event.name)
    return tuple(one_line(text, _MAX_TEXT_LENGTH) for text in texts)


def _detail_rows(details: EventDetails, count: int | None) -> list[tuple[str, ...]]:
    event_id, date, status, name = _event_row(details.event)
    searches = [search for search, is_on in details.searches.items() if is_on]
    return [
        ("event", event_id),
        ("name", name),
        ("date", date),
        ("status", status),
        ("enabled", {True: "yes", False: "no", None: ""}[details.is_enabled]),
        ("searches", ", ".join(search.removesuffix("_search").replace("_", " ") for search in searches)),
        ("photos", "" if count is None else f"{count:,}" if _is_terminal() else str(count)),
    ]


def _table(rows: Iterable[tuple[str, ...]], headings: tuple[str, ...] | None = None) -> Iterable[str]:
    """The rows as lines: in columns under headings on a terminal, else with tabs between, each as it comes."""
    if not _is_terminal():
        return map("\t".join, rows)
    table = list(rows)
    if table and headings:
        table.insert(0, headings)
    widths = [max(map(_display_width, column)) for column in zip(*table, strict=True)]
    return ["  ".join(map(_pad, row, widths)).rstrip() for row in table]


def _pad(text: str, width: int) -> str:
    return text + " " * (width - _display_width(text))


def _display_width(text: str) -> int:
    """How wide a terminal shows it: East Asian letters take two cells, accents that join a letter none."""
    wide = sum(unicodedata.east_asian_width(char) in {"W", "F"} for char in text)
    return len(text) + wide - sum(unicodedata.category(char) in {"Mn", "Me"} for char in text)


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def _event_record(event: EventEntry) -> EventRecord:
    return {
        "type": "event",
        "event_id": event.event_id,
        "event_name": event.name or None,
        "event_slug": event.slug or None,
        "event_date": event.date or None,
        "status": event.status or None,
    }
