"""`ninepic config init`: asks for key, organisation and event, checks them, and writes them down together."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ninepic_cli.api.schema import EventEntry
from ninepic_cli.commands.events import events
from ninepic_cli.config import file as configfile
from ninepic_cli.config.credential import printed_key
from ninepic_cli.config.schema import SETTINGS, masked
from ninepic_cli.config.settings import load, resolve
from ninepic_cli.errors import GivenUpError, NotAllowedError, ServiceFailedError, SettingsError, UsageError
from ninepic_cli.models import Credentials
from ninepic_cli.system.output import print_err
from ninepic_cli.system.terminal import asked, asked_secret, may_ask
from ninepic_cli.text import display_path, one_line, pluralize

_CHECKS = 3
_PATIENCE_S = 15.0
_OFFERED = 20
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the answers go.

    Attributes:
        path: the settings file.
        profile: None for the top level.
        is_named: whether an option names the profile, which the environment could have done too.
        config: what `--config` says.
    """

    path: Path
    profile: str | None = None
    is_named: bool = False
    config: str | None = None

    @property
    def options(self) -> str:
        """What has to be written after a command, so that it looks there."""
        profile = f" --profile {self.profile}" if self.is_named else ""
        return profile if self.config is None else f"{profile} --config {shlex.quote(self.config)}"

    def __str__(self) -> str:
        return f"profile {self.profile} in {display_path(self.path)}" if self.profile else display_path(self.path)


@dataclass(slots=True)
class _Answers:
    """What has been answered so far, beginning with what stands in the file."""

    api_key: str | None = field(repr=False)
    api_key_command: str | None = field(repr=False)
    org_id: int | None
    event_id: int | None


def interview(place: Place, *, environ: Mapping[str, str]) -> None:
    """Ask for everything, check it, and write it at the end, or nothing at all.

    Raises:
        UsageError: there is nobody to ask.
        NinepicError: whoever answered left, or the check failed for good; nothing is written.
    """
    if not may_ask():
        raise _nobody_to_ask(place)
    configfile.check_place(place.path)
    found = load(place.path)
    before = _before(found, place)
    answers = replace(before)
    try:
        _ask_all(answers, place, _base_url(found, place, environ), environ)
    except EOFError:
        print_err("")
        raise SettingsError("the input ended before all was answered: nothing is saved", hint="run it again") from None
    except BaseException as error:
        print_err("\nNothing is saved." if isinstance(error, KeyboardInterrupt) else "Nothing is saved.")
        raise
    _save(answers, before, place)
    _tell(answers, place, environ, inherited=found.get("event_id") if place.profile else None)


def _nobody_to_ask(place: Place) -> UsageError:
    names = ("api-key < KEY_FILE", "org-id ID", "event-id ID")
    commands = " && ".join(f"ninepic config set{place.options} {name}" for name in names)
    return UsageError(
        "config init asks questions, and standard input and standard error are not a terminal",
        hint=f"without one, run: {commands}",
    )


def _own(config: Mapping[str, object], profile: str | None) -> Mapping[str, object]:
    """The settings of the place itself; a profile that is not there yet has none."""
    if profile is None:
        return config
    profiles = config.get("profiles")
    table = profiles.get(profile) if isinstance(profiles, dict) else None
    return table if isinstance(table, dict) else {}


def _before(config: Mapping[str, object], place: Place) -> _Answers:
    alone = resolve({}, environ={}, config=_own(config, place.profile), config_path=place.path)
    return _Answers(alone.api_key, alone.api_key_command, alone.org_id, alone.event_id)


def _base_url(config: Mapping[str, object], place: Place, environ: Mapping[str, str]) -> str:
    """The service's address, as a run with this profile will find it."""
    profiles = {place.profile: _own(config, place.profile)} if place.profile else {}
    name = place.profile if place.is_named else None
    settings = resolve(
        {}, environ=environ, config={**config, "profiles": profiles}, config_path=place.path, profile=name
    )
    return settings.base_url


def _ask_all(answers: _Answers, place: Place, base_url: str, environ: Mapping[str, str]) -> None:
    print_err(f"The answers go to {place}, at the end and all at once.")
    print_err("Enter takes what stands in brackets; Ctrl-C ends, and nothing is saved.\n")
    for check in range(1, _CHECKS + 1):
        _ask_access(answers)
        try:
            listed = _checked(answers, place, base_url, environ)
        except (NotAllowedError, SettingsError) as error:
            if check == _CHECKS:
                raise type(error)(
                    error.message, hint="look both up in the 9Pic dashboard; the key has to be active"
                ) from None
            print_err(f"  No: {one_line(error.message, 1000)}")
            print_err("  Once more:\n" if check < _CHECKS - 1 else "  Once more, for the last time:\n")
        else:
            _ask_event(answers, listed)
            return


def _ask_access(answers: _Answers) -> None:
    _ask_key(answers)
    kept = "" if answers.org_id is None else f" [{answers.org_id}]"
    answers.org_id = _asked_id("org_id", f"Organisation ID{kept}: ", kept=answers.org_id)


def _ask_key(answers: _Answers) -> None:
    kept = "api_key_command" if answers.api_key_command else masked((answers.api_key or "").strip())
    has_one = answers.api_key is not None or answers.api_key_command is not None
    question = f"API key (does not show){f' [{kept}]' if has_one else ''}: "
    while True:
        text = asked_secret(question)
        if not text.strip():
            if has_one:
                return
            print_err("  A key is needed. It is made in the 9Pic dashboard.")
            continue
        try:
            SETTINGS["api_key"].stored(text)
        except SettingsError as error:
            print_err(f"  {error.message}")
            continue
        answers.api_key, answers.api_key_command = text.strip(), None
        return


def _asked_id(name: str, question: str, *, kept: int | None) -> int:
    while True:
        text = asked(question)
        if not text and kept is not None:
            return kept
        if (number := _number(name, text)) is not None:
            return number


def _number(name: str, text: str) -> int | None:
    """The id that was typed; None, and a word about it, where it is none."""
    try:
        return int(SETTINGS[name].stored(text))
    except SettingsError as error:
        print_err(f"  {error.message}" if text else "  A whole number is needed; the dashboard shows it.")
        return None


def _checked(answers: _Answers, place: Place, base_url: str, environ: Mapping[str, str]) -> Sequence[EventEntry] | None:
    """The organisation's events; None where they could not be had and the answers are to be saved all the same.

    Raises:
        NotAllowedError: the key, or the key for the organisation, is refused, or there is none.
        SettingsError: the organisation is unknown.
        NinepicError: the service could not say, and the person gave up.
    """
    key = answers.api_key or printed_key(answers.api_key_command or "", source=str(place))
    access = Credentials(key.strip(), answers.org_id or 0, None, base_url)
    print_err(f"Asking {base_url} for the organisation's events ...")
    while True:
        try:
            return events(access, timeout_s=_PATIENCE_S, environ=environ)
        except (GivenUpError, ServiceFailedError) as error:
            print_err(f"  Not checked: {one_line(error.message, 1000)}")
            choice = asked("Enter tries again, s saves without the check, q quits: ").lower()
            if choice in {"s", "save"}:
                return None
            if choice in {"q", "quit"}:
                raise


def _ask_event(answers: _Answers, listed: Sequence[EventEntry] | None) -> None:
    """The default event: one of the list by its id or its number there, any other by its id, or none."""
    offered = _newest(listed or ())
    if listed is not None:
        print_err(f"  Yes: the key is good for organisation {answers.org_id}.\n")
        _show(offered, more=len(listed) - len(offered))
    names = {entry.event_id: one_line(entry.name, 60) for entry in listed or ()}
    kept = answers.event_id
    ways = "ID, or number in the list" if offered else "ID"
    keep = "Enter for none" if kept is None else f"- for none [{kept}]"
    while True:
        text = asked(f"Default event: {ways}, or {keep}: ")
        if not text or text == "-":
            answers.event_id = None if text else kept
            return
        if (number := _number("event_id", text)) is not None:
            answers.event_id = _meant(number, names, offered)
            said = names.get(answers.event_id, "not in the list" if names else "not checked")
            print_err(f"  Event {answers.event_id}: {said or 'without a name'}")
            return


def _meant(number: int, names: Mapping[int, str], offered: Sequence[EventEntry]) -> int:
    """The event id that a number means: an id comes before a place in the list."""
    return offered[number - 1].event_id if number not in names and number <= len(offered) else number


def _newest(listed: Sequence[EventEntry]) -> list[EventEntry]:
    """The last ones by day, those without a day behind, the youngest ids first among equals."""

    def age(entry: EventEntry) -> tuple[str, int]:
        return (entry.date if _DAY.fullmatch(entry.date) else "", entry.event_id)

    return sorted(listed, key=age, reverse=True)[:_OFFERED]


def _show(offered: Sequence[EventEntry], *, more: int) -> None:
    if not offered:
        print_err("The organisation has no events yet.")
        return
    width = max(2, *(len(str(entry.event_id)) for entry in offered))
    print_err(f"     {'ID':>{width}}  {'Date':<10}  Name")
    for number, entry in enumerate(offered, start=1):
        date, name = one_line(entry.date, 10), one_line(entry.name, 60)
        print_err(f"{number:>3}. {entry.event_id:>{width}}  {date:<10}  {name}".rstrip())
    if more:
        print_err(f"     and {pluralize(more, 'older event')}, which can be chosen by ID too")


def _save(answers: _Answers, before: _Answers, place: Place) -> None:
    was = asdict(before)
    # What stays as it is keeps its line, with the comment behind it.
    changes = {name: value for name, value in asdict(answers).items() if value != was[name]}
    configfile.change_all(place.path, changes, profile=place.profile)


def _tell(answers: _Answers, place: Place, environ: Mapping[str, str], *, inherited: object) -> None:
    print_err(f"\nSaved in {place}.")
    for name in ("api_key", "org_id", "event_id"):
        variable = SETTINGS[name].variable or ""
        if not place.is_named and environ.get(variable, "").strip():
            print_err(f"Note: {variable} is set, and counts before what is saved.")
    if answers.event_id is None and inherited is not None:
        print_err(f"Note: without an event of its own, the profile uses the top level's: {inherited}.")
    event = "" if answers.event_id is not None else " --event ID"
    print_err(f"\nSee that all fits:          ninepic ping{place.options}{event}")
    print_err(f"Fetch somebody's photos:    ninepic bib 1234{place.options}{event} -o ./photos")
