"""What a shell completes: its script, and the answers to its questions.

A question comes with every press of TAB, so nothing heavy is imported, the network is never asked, and whatever goes
wrong is an answer without words: a message would land in the middle of the line that somebody types.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any

import typer
from typer.completion import completion_init, get_completion_script  # type: ignore[attr-defined]
from typer.core import TyperArgument, TyperOption

from ninepic_cli.config import file as configfile
from ninepic_cli.config.file import canonical
from ninepic_cli.config.schema import SETTINGS
from ninepic_cli.errors import UsageError

# Where each shell's script stands in the repository.
FILES = {
    "bash": "completions/ninepic.bash",
    "zsh": "completions/_ninepic",
    "fish": "completions/ninepic.fish",
    "powershell": "completions/ninepic.ps1",
}

_NAME = "ninepic"
_QUESTION = f"_{_NAME.upper()}_COMPLETE"  # the variable's name is the command-line library's choice
_EVENT = re.compile(r"[0-9]{1,18}")

_ZSH_END = f"compdef _{_NAME}_completion {_NAME}"
# Found in fpath, the file is the function's body, and its first run is the answer to a TAB; sourced, it has to enrol.
_ZSH_BETTER_END = f"""\
if [[ $funcstack[1] == _{_NAME} ]]; then
  _{_NAME}_completion "$@"
else
  {_ZSH_END}
fi"""

# The stock one starts the command twice for each TAB: whether there are answers, then which. Without any, fish goes on
# to files.
_FISH = f"""\
function __{_NAME}_has_answers
    set --local line (commandline --cut-at-cursor --current-process | string collect)
    set --global __{_NAME}_answers (env {_QUESTION}=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args \\
        _TYPER_COMPLETE_ARGS=$line {_NAME})
    test -n "$__{_NAME}_answers"
end

complete --command {_NAME} --no-files --condition __{_NAME}_has_answers --arguments '$__{_NAME}_answers'
"""

_Answers = list[str] | list[tuple[str, str]]


def script(shell: str) -> str:
    """The script that teaches a shell to complete the command.

    Raises:
        UsageError: the shell is not one of FILES.
    """
    if shell not in FILES:
        raise UsageError(f"there are no completions for {shell}", hint=f"choose one of: {', '.join(FILES)}")
    if shell == "fish":
        return _FISH
    text = get_completion_script(prog_name=_NAME, complete_var=_QUESTION, shell=shell)
    return text.strip().replace(_ZSH_END, _ZSH_BETTER_END) + "\n"


def answer(app: typer.Typer) -> int | None:
    """Answer a shell that asks what may follow; returns the exit status it expects, None where no shell asks."""
    if not os.environ.get(_QUESTION):
        return None
    _lighten()
    completion_init()
    try:
        app([], prog_name=_NAME, standalone_mode=False)
    except SystemExit as end:
        return int(end.code or 0)
    except Exception:  # noqa: BLE001 (whatever it was, a TAB is not the time to tell)
        return 1
    return 0


def _lighten() -> None:
    """Keep out what takes more than half of an answer's time, and is not needed: what ends here runs no command."""
    sys.modules["rich"] = None  # type: ignore[assignment]  # it would also take `[default: 8]` for markup
    for kind in (TyperArgument, TyperOption):
        # No value is checked, so pydantic is not loaded.
        kind.process_value = _as_typed  # type: ignore[method-assign, assignment]


def _as_typed(_parameter: object, _context: object, value: Any) -> Any:
    return value


def _silent(answers: Callable[[typer.Context], _Answers]) -> Callable[[typer.Context], _Answers]:
    @wraps(answers)
    def called(context: typer.Context) -> _Answers:
        try:
            return answers(context)
        except Exception:  # noqa: BLE001 (a broken settings file is told by the command itself)
            return []

    return called


@_silent
def events(context: typer.Context) -> _Answers:
    """The events that the settings file names, at its top and in its profiles."""
    settings = _settings(context)
    found: dict[str, str] = {}
    for profile, table in [("", settings), *_profiles(settings)]:
        for key, value in table.items():
            if canonical(key) == "event_id" and _EVENT.fullmatch(str(value)):
                found.setdefault(str(value), f"profile {profile}" if profile else "default")
    return list(found.items())


@_silent
def profiles(context: typer.Context) -> _Answers:
    """The profiles of the settings file."""
    return [name for name, _table in _profiles(_settings(context))]


def _profiles(settings: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    named = settings.get("profiles")
    for name, table in (named if isinstance(named, dict) else {}).items():
        if isinstance(table, dict) and configfile.PROFILE_NAME.fullmatch(name):  # zsh evaluates what it is told
            yield name, table


def _settings(context: typer.Context) -> Mapping[str, object]:
    path = configfile.config_path(_config_option(context), os.environ)
    # Reading a pipe would take what the command is to read, or wait for ever.
    if not os.path.isfile(path):  # noqa: PTH113 (it never raises)
        return {}
    return configfile.read(path, must_exist=False).table()


def _config_option(context: typer.Context) -> str | None:
    """`--config` as it stands on the line so far, at the command or above it."""
    here: Any = context
    while here is not None:
        if here.params.get("config"):
            return str(here.params["config"])
        here = here.parent
    return None


def existing() -> _Answers:
    """What `--existing` takes."""
    return [
        ("skip", "leave a photo that is there"),
        ("verify", "ask the store whether it is still the same"),
        ("overwrite", "fetch it again"),
    ]


def names() -> _Answers:
    """The settings' names."""
    return [setting.shown for setting in SETTINGS.values()]


def shells() -> _Answers:
    """The shells that there is a script for."""
    return list(FILES)
