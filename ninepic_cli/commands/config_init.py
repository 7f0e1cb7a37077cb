"""`ninepic config init`: asks for key, organisation and event, checks them, and writes them down together."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TypeVar

from ninepic_cli.api.schema import EventEntry
from ninepic_cli.commands.events import check_event, events
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
_ID_NEEDED = "a positive integer is required; the dashboard shows it"
_Answer = TypeVar("_Answer")
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
        raise SettingsError(
            "input ended before all questions were answered; nothing saved", hint="run it again"
        ) from None
    except BaseException as error:
        print_err("\nNothing saved." if isinstance(error, KeyboardInterrupt) else "Nothing saved.")
        raise
    # What stays as it is keeps its line, with the comment behind it.
    changes = {name: value for name, value in asdict(answers).items() if value != before[name]}
    save_settings(target.path, changes, profile=target.profile)
    _print_next_steps(answers, target, environ, inherited=config.get("event_id") if target.profile else None)


def _no_terminal_error(target: ConfigTarget) -> UsageError:
    names = ("api-key < KEY_FILE", "org-id ID", "event-id ID")
    commands = " && ".join(f"ninepic config set{target.options} {name}" for name in names)
    message = "config init needs a terminal: standard input or standard error is not a terminal"
    return UsageError(message, hint=f"without a terminal, run: {commands}")


def _ask_all(answers: _Answers, target: ConfigTarget, base_url: str, environ: Mapping[str, str]) -> None:
    print_err(f"Settings will be saved to {target} at the end.")
    print_err("Press Enter to accept the default in brackets; Ctrl-C quits without saving.\n")
    for check in range(1, _MOST_CHECKS + 1):
        _ask_key(answers)
        _ask_organisation(answers)
        try:
            credentials = _credentials(answers, target, base_url)
            print_err(f"Checking with {base_url} ...")
            listed = _ask_service(partial(events, credentials, timeout_s=_TIMEOUT_S, environ=environ))
        except (NotAllowedError, SettingsError) as error:
            if check == _MOST_CHECKS:
                hint = "check both in the 9Pic dashboard; the key must be active"
                raise type(error)(error.message, hint=hint) from None
            print_err(f"  Error: {one_line(error.message, 1000)}")
            print_err("  Try again:\n" if check < _MOST_CHECKS - 1 else "  Try again, last attempt:\n")
        else:
            _ask_event(answers, listed, credentials, environ)
            return


def _ask_key(answers: _Answers) -> None:
    kept = "api-key-command" if answers.api_key_command else mask_key((answers.api_key or "").strip())
    has_one = answers.api_key is not None or answers.api_key_command is not None
    question = f"API key (input hidden){f' [{kept}]' if has_one else ''}: "
    while True:
        text = prompt_secret(question).strip()
        if not text and has_one:
            return
        key = _parse("api_key", text, needed="an API key is required; create one in the 9Pic dashboard")
        if key is not None:
            answers.api_key, answers.api_key_command = str(key), None
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
        print_err(f"  Error: {error.message if text else needed}")
        return None


def _credentials(answers: _Answers, target: ConfigTarget, base_url: str) -> Credentials:
    """What the service is asked with; runs the command that prints the key."""
    key = answers.api_key or run_key_command(answers.api_key_command or "", source=str(target))
    return Credentials(key.strip(), answers.org_id or 0, None, base_url)


def _ask_service(question: Callable[[], _Answer]) -> _Answer | None:
    """The service's answer; None where it could not be had and what was typed is to be saved all the same.

    Raises:
        NinepicError: the service said no, or it could not say, and the person gave up.
    """
    while True:
        try:
            return question()
        except (GivenUpError, ServiceFailedError) as error:
            print_err(f"  Not checked: {one_line(error.message, 1000)}")
            choice = prompt("Enter to retry, s to save without checking, q to quit: ").lower()
            if choice in {"s", "save"}:
                return None
            if choice in {"q", "quit"}:
                raise


def _ask_event(
    answers: _Answers, listed: Sequence[EventEntry] | None, credentials: Credentials, environ: Mapping[str, str]
) -> None:
    """The default event: one of the list by its id or its number there, any other that exists by its id, or none."""
    offered = _newest_events(listed or ())
    if listed is not None:
        print_err(f"  OK: API key is valid for organisation {answers.org_id}\n")
        _print_events(offered, more=len(listed) - len(offered))
    names = {entry.event_id: one_line(entry.name, 60) or "without a name" for entry in listed or ()}
    kept = answers.event_id
    ways = "ID or list number" if offered else "ID"
    keep = "Enter for none" if kept is None else f"- for none [{kept}]"
    while True:
        text = prompt(f"Default event: {ways}, or {keep}: ")
        if text == "-" or (not text and kept is None):
            answers.event_id = None
            return
        if (number := _parse("event_id", text) if text else kept) is None:
            continue
        chosen = int(number)  # an id comes before a place in the list
        if text and chosen not in names and chosen <= len(offered):
            chosen = offered[chosen - 1].event_id
        known = names.get(chosen)
        if known is None and listed is not None:
            known = _check_event(replace(credentials, event_id=chosen), environ)
        if listed is None or known is not None:
            print_err(f"  Event {chosen}: {known or 'not checked'}")
            answers.event_id = chosen
            return


def _check_event(credentials: Credentials, environ: Mapping[str, str]) -> str | None:
    """What there is to say about an event that is not in the list; None where the service refuses it, as is told."""
    try:
        is_checked = _ask_service(partial(check_event, credentials, timeout_s=_TIMEOUT_S, environ=environ))
    except (NotAllowedError, UsageError) as error:
        print_err(f"  Error: {one_line(error.message, 1000)}")
        return None
    return "OK" if is_checked else "not checked"


def _newest_events(listed: Sequence[EventEntry]) -> list[EventEntry]:
    """The last ones by day, those without a day behind, the youngest ids first among equals."""
    return sorted(
        listed, key=lambda entry: (entry.date if _DAY.fullmatch(entry.date) else "", entry.event_id), reverse=True
    )[:_MOST_OFFERED]


def _print_events(offered: Sequence[EventEntry], *, more: int) -> None:
    if not offered:
        print_err("  The organisation has no events yet.")
        return
    width = max(2, *(len(str(entry.event_id)) for entry in offered))
    print_err(f"     {'ID':>{width}}  {'Date':<10}  Name")
    for number, entry in enumerate(offered, start=1):
        date, name = one_line(entry.date, 10), one_line(entry.name, 60)
        print_err(f"{number:>3}. {entry.event_id:>{width}}  {date:<10}  {name}".rstrip())
    if more:
        print_err(f"     and {pluralize(more, 'older event')}, which can be entered by ID")


def _print_next_steps(
    answers: _Answers, target: ConfigTarget, environ: Mapping[str, str], *, inherited: object
) -> None:
    print_err(f"\nSaved in {target}.")
    for name in ("api_key", "org_id", "event_id"):
        variable = SETTINGS[name].variable or ""
        if target.profile_option is None and variable_value(environ, variable):
            print_err(f"Note: {variable} is set and overrides the saved value.")
    if answers.event_id is None and inherited is not None:
        print_err(f"Note: the profile has no default event and uses that of the top level: {inherited}.")
    event = "" if answers.event_id is not None else " --event ID"
    print_err(adapt_calls(f"\nCheck the setup:    ninepic ping{target.options}{event}"))
    print_err(adapt_calls(f"Download photos:    ninepic bib 1234{target.options}{event} -o ./photos"))
