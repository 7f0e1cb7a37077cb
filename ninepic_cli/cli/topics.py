"""What man pages and docs/reference.md say beyond the help of the commands.

What the code defines is read from there: the fields of JSON lines and of fault plans and what they mean, error codes,
settings. The rest is written here, by the page that it stands on.
"""

import inspect
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ninepic_cli import errors
from ninepic_cli.api.schema import SEARCHES
from ninepic_cli.cli.reference import ENVIRONMENT, Example, Item, Section
from ninepic_cli.config.schema import PROFILE_RULE, SETTINGS, Setting
from ninepic_cli.report.json_lines import EventRecord, IdentifierRecord, PhotoRecord, SummaryRecord
from ninepic_cli.sandbox.fault_plan import CONDITIONS, FIELDS


@dataclass(frozen=True, slots=True)
class Topic:
    """A part of a page: paragraphs, lists of terms and lines of shell or JSON, in their order."""

    title: str
    parts: tuple[str | Section | Example, ...]


def _topic(title: str, *parts: str | Section | Example) -> Topic:
    """A topic, of whose texts each paragraph is a part of its own."""
    return Topic(title, tuple(each for part in parts for each in _paragraphs(part)))


def _paragraphs(part: str | Section | Example) -> Iterator[str | Section | Example]:
    if isinstance(part, str):
        yield from (" ".join(words.split()) for words in part.split("\n\n"))
    else:
        yield part


def _terms(texts: Mapping[str, str]) -> Section:
    return Section("", tuple(Item((term,), "", text) for term, text in texts.items()))


def topics(name: str) -> tuple[Topic, ...]:
    """The topics of a command's page, by the command's whole name."""
    match name.split()[1:]:
        case []:
            return (_LISTS, _NAMES, _DISK, _json(), _codes(), _MESSAGES)
        case ["all"]:
            return (_EVENT, _SHARDS)
        case ["config"]:
            return (_settings(),)
        case ["sandbox"]:
            return (_plans(), _LOG)
    return ()


_LISTS = _topic(
    "Identifiers and lists",
    """
    `bib`, `selfie` and `images` take identifiers as arguments and, with --from-file, from a file (- is standard input):
    one a line, in UTF-8, or in UTF-16 with a byte-order mark; --encoding names another. Blank lines and lines that
    start with # are ignored, and an identifier that is there twice counts once.

    What spreadsheets and copying add to an identifier (="0123", '0123, quotation marks, invisible characters) is
    removed. Numbers as spreadsheets format them (1,234 or 1234.0) draw a warning.

    With --column the file is a start list as a spreadsheet saves it: a header, and commas, semicolons or tabs between
    the cells. Names of columns match whatever their case. The other columns are fields for --name: {row[COLUMN]}. A bib
    that is on several rows has its photos under each of their names. Two runners of one name draw a warning before the
    run.

    `image` and `images` also take a photo's file name, or a link to it, of which only the id is used. Ids are asked for
    60 at a time.

    An identifier that starts with a dash goes behind --, as in `ninepic bib -- -12`.
    """,
)

_NAMES = _topic(
    "File names",
    """
    A photo's name depends on the photo alone: <image_id>.jpg, or IMG_0001-<image_id>.jpg where the service suggests
    another name. So it is the same on every run, and never that of another photo. Names are safe on every platform.

    --name makes other names, from a template with these fields:
    """,
    _terms(
        {
            "{filename}": "The name as described above.",
            "{stem}": "The same without its extension.",
            "{ext}": "Its extension, with the dot.",
            "{image_id}": "The photo's id.",
            "{identifier}": "The bib or request id that it was asked for by.",
            "{method}": "How it was asked for, such as bib.",
            "{event}": "The event's number.",
            "{index}": "Its place in the listing of its identifier, from 1.",
            "{row[COLUMN]}": "The cell in that column of the start list.",
        }
    ),
    """
    They take formats as in Python: {identifier}/{index:04}-{filename}. Only the template's own / makes folders. One of
    {filename}, {stem} and {image_id} must be in it without truncating it, so that no photo hides another. --dry-run
    shows what comes of it.
    """,
)

_DISK = _topic(
    "What is on the disk",
    """
    A final name means a whole photo. Bytes go to a partial file under DIR/.ninepic/, are checked (length, and MD5 where
    the store sends one), flushed to the disk, and only then renamed. No kill or power cut leaves a short photo. The
    modification time is the store's.

    What is used in DIR is yours, root's or its owner's; where .ninepic belongs to somebody else, a private folder is
    used.

    Where a photo goes does not depend on how many are asked for: one bib, a list of them and what --failed-to wrote all
    meet in the same files. All photos stand in the target folder, and one of several runners is one file; with
    --folders each bib or search has a folder, and such a photo is fetched once and copied. What stands there in the one
    way is copied when it is asked for in the other.

    A file that is there already is kept if it is not empty and looks like a whole image; else the store is asked.

    With --zip, photos go into one ZIP (stored, not compressed) that replaces FILE when the run ends without a signal.
    --zip 'zips/{identifier}.zip' makes one for each bib or search, finished as soon as its photos are through; a photo
    of several runners is fetched once. Photos are checked before they enter, and failed ones have no entry. Where
    nothing is found, or the disk is full, FILE stays as it was. A run that is cut short keeps nothing of a ZIP that is
    not finished. --zip - writes it to standard output.

    Several runs in one folder share the work: each photo is fetched once, and what a run held when it died, or stood
    still for --timeout, is taken over by the others.
    """,
)

_MESSAGES = _topic(
    "Messages",
    """
    Everything for people goes to standard error. With -v there is a line for each request: time (UTC), status, attempt,
    bytes, seconds, Cloudflare's ray, and which photo it was for. Keys and signatures are left out, so that it can be
    sent to support.

    --failed-to writes the identifiers that have to be asked for again: input for --from-file of the same command; a
    start list where one was read; for `all`, image ids for `images`. The file is empty when nothing is left to fetch.
    """,
)

_EVENT = _topic(
    "Whole events",
    """
    The event's list of photos is read a page at a time while photos arrive, so 200,000 of them need hardly more memory
    than 200, and the first is on the disk at once. A ZIP keeps half a kilobyte of memory for each photo.

    --since and --until take a stretch of capture times: 2025-09-14, 2025-09-14T07:30 (both UTC), or
    2025-09-14T09:30+02:00, as `date -Is` writes it. The end is not part of it. Photos without a capture time are in no
    such stretch; their number is printed.

    --spread puts the photos into 256 folders, 00 to ff, because 100,000 in one are slow to look through on many network
    drives. It is meant for every run in that folder: `all` refuses to go on without it where photos are spread, and
    with it where they are not, unless --name says what is meant.

    Where the service has the original of none of the first 1,200 photos, a warning says so while the run goes on; where
    it has none at all, the run ends with status 4: then the organiser has not enabled "Store Original Memories" for the
    event.

    A list of photos that ends before the last page that the service announced, and lacks some, is not taken as complete
    (status 5): run the command again.

    --failed-to lists ids of photos, for `ninepic images` (with --spread where `all` had it). Where its first line is `#
    not all`, the event was not listed to its end, or its ZIP was not kept: then run `all` again.
    """,
)

_SHARDS = _topic(
    "Many machines",
    """
    --shard K/N takes the K-th of N parts of the photos. A photo's part depends on its id alone, so the parts are the
    same in every run, and stay so while photos are added. Each shard lists the whole event, which costs one request for
    100 photos; what it does not fetch it does not ask for.

    This is for many machines: several shards on one share its line no better than one run does. Jobs for GNU parallel,
    Kubernetes and SLURM are in docs/large-events.md of the sources.
    """,
)

_LOG = _topic(
    "Request log",
    """
    With --log, each request adds a line of JSON when it has ended:
    """,
    _terms(
        {
            "server": "api or store.",
            "method": "The verb.",
            "path": "Path and query, without what signs a link.",
            "status": "The status; null where nothing was answered.",
            "bytes": "The bytes of the body as they were sent.",
            "seconds": "From the request's head to the end of the exchange.",
            "range": "The Range header; null without one.",
        }
    ),
    """
    The file may be emptied at any time (`: > FILE`) to count anew.
    """,
)

_PLAN = """\
[
  {"nth": "1-3", "cut_after": 0.5},
  {"nth": "4-5", "reset": true},
  {"ranged": true, "nth": 1, "cut_after": 1000, "reset": true},
  {"server": "api", "nth": 3, "status": 503, "headers": {"Retry-After": "1"}},
  {"ranged": false, "nth": 9, "status": 403,
   "body": "<Error><Code>ExpiredRequest</Code><Message>Expired</Message></Error>"},
  {"server": "api", "path": "?page=2&", "evil_names": true}
]"""

_EFFECTS = {
    None: "What goes wrong",
    "store": "At the store alone",
    "api": "At the API alone (server: api)",
}


def _json() -> Topic:
    """The lines of `--json`, from the types of their records."""
    details = (
        Item(("event_enabled",), "", "`event` alone: whether the organiser enabled it; null where it is not known."),
        Item(SEARCHES, "", "`event` alone: whether there is that search; null where it is not known."),
        Item(("photos",), "", "`event` alone: how many photos it has; null where it is not known."),
    )
    event = _record(EventRecord)
    return _topic(
        "JSON lines",
        """
        Standard output carries data only. With --json each line is one object. Fields may be added: readers ignore what
        they do not know. The last line about something counts.
        """,
        _record(PhotoRecord),
        _record(IdentifierRecord),
        Section(event.title, event.items + details),
        _record(SummaryRecord),
        """
        A photo that somebody removed or moved while the run went on has a further line near the end, `failed` with the
        code `gone`, and so has its bib or request id.
        """,
    )


def _record(kind: type[Any]) -> Section:
    """The fields of a kind of line, as its docstring describes them."""
    described = attributes(kind)
    purpose = (kind.__doc__ or "").partition("\n")[0]
    items = tuple(Item((name,), "", _sentence(described[name])) for name in kind.__annotations__)
    return Section(purpose.rstrip("."), items)


def _codes() -> Topic:
    """The words in the field `code`, from the errors' own definitions."""
    found = {kind.default_code: _purpose(kind) for kind in _errors(errors.NinepicError)} | dict(errors.CODES)
    return _topic(
        "Error codes", "The field `code` of a JSON line is one of these:", _terms(dict(sorted(found.items())))
    )


def _errors(kind: type[errors.NinepicError]) -> Iterator[type[errors.NinepicError]]:
    """The kinds of error that somebody may see."""
    if kind.__module__ == errors.__name__ and kind is not errors.StoppedError:
        yield kind
        for below in kind.__subclasses__():
            yield from _errors(below)


def _settings() -> Topic:
    """The settings, from their own definitions."""
    return _topic(
        "Where settings come from",
        """
        The first of these that says something counts: an option, the profile that --profile names, the environment, the
        profile that NINEPIC_PROFILE names, the top level of the settings file, the default.
        """,
        _terms({setting.display_name: _setting(setting) for setting in SETTINGS.values()}),
        """
        The file is config.toml in the platform's folder for settings (`ninepic config path` prints where), readable by
        you alone; --config or NINEPIC_CONFIG names another. `ninepic config get api-key` and `ninepic config list` show
        only the beginning of the key, unless --reveal is given.

        Several accounts are profiles of one file: `ninepic config --profile acme init`, then --profile acme or
        NINEPIC_PROFILE=acme. What a profile lacks comes from the top level.
        """,
        f"{_sentence(PROFILE_RULE)}.",
        """
        The command that api-key-command names is run when the key is needed, without a shell, for 30 s at most; the
        first line of its output is the key. A table of the file holds either api_key or api_key_command.
        """,
    )


def _setting(setting: Setting) -> str:
    if setting.variable is None:
        return "A command that prints the key, in place of the key itself."
    told = {item.terms[0]: item.text for item in ENVIRONMENT.items}
    return f"{told[setting.variable]} [env: {setting.variable}]"


def _plans() -> Topic:
    """Fault plans, from the plan's own definition."""
    by_server = {server: {name for name, field in FIELDS.items() if field.server == server} for server in _EFFECTS}
    return _topic(
        "Fault plans",
        """
        A fault plan, for --faults, is a JSON list. Each entry says which requests are meant and what goes wrong with
        them. This one breaks off the first three photos in the middle, resets the next two, and the first one that is
        resumed, answers "not now" to the third listing, lets a link expire, and gives the second page of every listing
        names that no file should have:
        """,
        Example("", tuple(_PLAN.splitlines())),
        _plan_fields("Which requests are meant", CONDITIONS),
        *(_plan_fields(title, by_server[server] - CONDITIONS) for server, title in _EFFECTS.items()),
        """
        An amount of bytes is a whole number, or a share of the body from 0.0 to 1.0, with a point. Several entries that
        fit one request combine: delays add up, headers are merged, and of everything else the last one counts. A plan
        with an unknown field, a wrong value or fields that contradict each other is refused (status 2) with the entry's
        number, from 1.
        """,
    )


def _plan_fields(title: str, names: Collection[str]) -> Section:
    texts = {name: f"{field.description} [{field.value}]" for name, field in FIELDS.items() if name in names}
    return Section(title, _terms(texts).items)


def attributes(kind: type[Any]) -> Mapping[str, str]:
    """What a class's docstring says under "Attributes:", by their names."""
    _, _, text = inspect.cleandoc(kind.__doc__ or "").partition("\nAttributes:\n")
    pairs = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", text, re.MULTILINE)
    return {name: " ".join(words.split()) for name, words in pairs}


def _purpose(kind: type[Any]) -> str:
    return inspect.cleandoc(kind.__doc__ or "").partition("\n")[0]


def _sentence(words: str) -> str:
    """Words as a sentence, but for one that begins with a literal."""
    return words[:1].upper() + words[1:]
