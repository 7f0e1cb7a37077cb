"""`ninepic config init`: asks for key, organisation and event, checks them, and writes them down together."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from ninepic_cli.api.schema import EventEntry
from ninepic_cli.commands.events import events
from ninepic_cli.config.credential import run_key_command
from ninepic_cli.config.file import check_is_file, save_settings
from ninepic_cli.config.schema import SETTINGS, variable_value
from ninepic_cli.config.settings import ConfigTarget, load_file, resolve
from ninepic_cli.errors import GivenUpError, NotAllowedError, ServiceFailedError, SettingsError, UsageError
from ninepic_cli.models import Credentials
from ninepic_cli.redact import mask_key
from ninepic_cli.system.output import print_err
from ninepic_cli.system.program import adapt_calls
from ninepic_cli.system.terminal import can_prompt, prompt, prompt_secret
from ninepic_cli.text import one_line, pluralize

_MOST_CHECKS = 3
_TIMEOUT_S = 15.0
_MOST_OFFERED = 20
_ID_NEEDED = "A whole number is needed; the dashboard shows it."
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(slots=True)
class _Answers:
    """What has been answered so far, beginning with what stands in the file."""

    api_key: str | None = field(repr=False)
    api_key_command: str | None = field(repr=False)
    org_id: int | None
    event_id: int | None


def init_config(target: ConfigTarget, *, environ: Mapping[str, str]) -> None:
    """Ask for everything, check it, and write it at the end, or nothing at all.

    Raises:
        UsageError: there is nobody to ask.
        NinepicError: whoever answered left, or the check failed for good; nothing is written.
    """
    if not can_prompt():
        raise _no_terminal_error(target)
    check_is_file(target.path)
    config = load_file(target.path)
    own = target.find_table(config) or {}
    current = resolve({}, environ={}, config=own, target=ConfigTarget(target.path))
    answers = _Answers(current.api_key, current.api_key_command, current.org_id, current.event_id)
    before = asdict(answers)
    try:
        # As a run with this profile will find it, which need not be there yet.
        run = resolve({}, environ=environ, config={**config, "profiles": {target.profile: own}}, target=target)
        _ask_all(answers, target, run.base_url, environ)
    except EOFError:
        print_err("")
        raise SettingsError("the input ended before all was answered: nothing is saved", hint="run it again") from None
    except BaseException as error:
        print_err("\nNothing is saved." if isinstance(error, KeyboardInterrupt) else "Nothing is saved.")
        raise
    # What stays as it is keeps its line, with the comment behind it.
    changes = {name: value for name, value in asdict(answers).items() if value != before[name]}
    save_settings(target.path, changes, profile=target.profile)
    _print_next_steps(answers, target, environ, inherited=config.get("event_id") if target.profile else None)


def _no_terminal_error(target: ConfigTarget) -> UsageError:
    names = ("api-key < KEY_FILE", "org-id ID", "event-id ID")
    commands = " && ".join(f"ninepic config set{target.options} {name}" for name in names)
    message = "config init asks questions, and standard input and standard error are not a terminal"
    return UsageError(message, hint=f"without one, run: {commands}")


def _ask_all(answers: _Answers, target: ConfigTarget, base_url: str, environ: Mapping[str, str]) -> None:
    print_err(f"The answers go to {target}, at the end and all at once.")
    print_err("Enter takes what stands in brackets; Ctrl-C ends, and nothing is saved.\n")
    for check in range(1, _MOST_CHECKS + 1):
        _ask_key(answers)
        _ask_organisation(answers)
        try:
            listed = _fetch_events(answers, target, base_url, environ)
        except (NotAllowedError, SettingsError) as error:
            if check == _MOST_CHECKS:
                hint = "look both up in the 9Pic dashboard; the key has to be active"
                raise type(error)(error.message, hint=hint) from None
            print_err(f"  No: {one_line(error.message, 1000)}")
            print_err("  Once more:\n" if check < _MOST_CHECKS - 1 else "  Once more, for the last time:\n")
        else:
            _ask_event(answers, listed)
            return


def _ask_key(answers: _Answers) -> None:
    kept = "api_key_command" if answers.api_key_command else mask_key((answers.api_key or "").strip())
    has_one = answers.api_key is not None or answers.api_key_command is not None
    question = f"API key (does not show){f' [{kept}]' if has_one else ''}: "
    while True:
        text = prompt_secret(question).strip()
        if not text and has_one:
            return
        if _parse("api_key", text, needed="A key is needed. It is made in the 9Pic dashboard.") is not None:
            answers.api_key, answers.api_key_command = text, None
            return


def _ask_organisation(answers: _Answers) -> None:
    kept = "" if answers.org_id is None else f" [{answers.org_id}]"
    while True:
        text = prompt(f"Organisation ID{kept}: ")
        if not text and kept:
            return
        if (number := _parse("org_id", text)) is not None:
            answers.org_id = int(number)
            return


def _parse(name: str, text: str, *, needed: str = _ID_NEEDED) -> str | int | None:
    """The setting that was typed; None, and a word about it, where it is none."""
    try:
        return SETTINGS[name].to_toml(text)
    except SettingsError as error:
        print_err(f"  {error.message if text else needed}")
        return None


def _fetch_events(
    answers: _Answers, target: ConfigTarget, base_url: str, environ: Mapping[str, str]
) -> Sequence[EventEntry] | None:
    """The organisation's events; None where they could not be had and the answers are to be saved all the same.

    Raises:
        NotAllowedError: the key, or the key for the organisation, is refused, or there is none.
        SettingsError: the organisation is unknown.
        NinepicError: the service could not say, and the person gave up.
    """
    key = answers.api_key or run_key_command(answers.api_key_command or "", source=str(target))
    credentials = Credentials(key.strip(), answers.org_id or 0, None, base_url)
    print_err(f"Asking {base_url} for the organisation's events ...")
    while True:
        try:
            return events(credentials, timeout_s=_TIMEOUT_S, environ=environ)
        except (GivenUpError, ServiceFailedError) as error:
            print_err(f"  Not checked: {one_line(error.message, 1000)}")
            choice = prompt("Enter tries again, s saves without the check, q quits: ").lower()
            if choice in {"s", "save"}:
                return None
            if choice in {"q", "quit"}:
                raise


def _ask_event(answers: _Answers, listed: Sequence[EventEntry] | None) -> None:
    """The default event: one of the list by its id or its number there, any other by its id, or none."""
    offered = _newest_events(listed or ())
    if listed is not None:
        print_err(f"  Yes: the key is good for organisation {answers.org_id}.\n")
        _print_events(offered, more=len(listed) - len(offered))
    names = {entry.event_id: one_line(entry.name, 60) for entry in listed or ()}
    kept = answers.event_id
    ways = "ID, or number in the list" if offered else "ID"
    keep = "Enter for none" if kept is None else f"- for none [{kept}]"
    while True:
        text = prompt(f"Default event: {ways}, or {keep}: ")
        if not text or text == "-":
            answers.event_id = None if text else kept
            return
        if (number := _parse("event_id", text)) is not None:
            chosen = int(number)  # an id comes before a place in the list
            is_place = chosen not in names and chosen <= len(offered)
            answers.event_id = offered[chosen - 1].event_id if is_place else chosen
            said = names.get(answers.event_id, "not in the list" if names else "not checked")
            print_err(f"  Event {answers.event_id}: {said or 'without a name'}")
            return


def _newest_events(listed: Sequence[EventEntry]) -> list[EventEntry]:
    """The last ones by day, those without a day behind, the youngest ids first among equals."""
    return sorted(
        listed, key=lambda entry: (entry.date if _DAY.fullmatch(entry.date) else "", entry.event_id), reverse=True
    )[:_MOST_OFFERED]


def _print_events(offered: Sequence[EventEntry], *, more: int) -> None:
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


def _print_next_steps(
    answers: _Answers, target: ConfigTarget, environ: Mapping[str, str], *, inherited: object
) -> None:
    print_err(f"\nSaved in {target}.")
    for name in ("api_key", "org_id", "event_id"):
        variable = SETTINGS[name].variable or ""
        if target.profile_option is None and variable_value(environ, variable):
            print_err(f"Note: {variable} is set, and counts before what is saved.")
    if answers.event_id is None and inherited is not None:
        print_err(f"Note: without an event of its own, the profile uses the top level's: {inherited}.")
    event = "" if answers.event_id is not None else " --event ID"
    print_err(adapt_calls(f"\nSee that all fits:          ninepic ping{target.options}{event}"))
    print_err(adapt_calls(f"Fetch somebody's photos:    ninepic bib 1234{target.options}{event} -o ./photos"))
