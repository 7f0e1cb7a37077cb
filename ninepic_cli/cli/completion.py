"""Shell completion: the script for each shell, and the candidates that it asks for.

Every press of TAB starts the command, so nothing heavy is imported, the network is never used, and whatever goes
wrong yields no candidates and no message: it would land in the middle of the line that somebody types.
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

from ninepic_cli.config.file import find_file, read_file
from ninepic_cli.config.schema import PROFILE_NAME, SETTINGS, canonical_name
from ninepic_cli.errors import UsageError

# Where each shell's script stands in the repository.
FILES = {
    "bash": "completions/ninepic.bash",
    "zsh": "completions/_ninepic",
    "fish": "completions/ninepic.fish",
    "powershell": "completions/ninepic.ps1",
}

_NAME = "ninepic"
_COMPLETE_VARIABLE = f"_{_NAME.upper()}_COMPLETE"  # the variable's name is the command-line library's choice
_EVENT = re.compile(r"[0-9]{1,18}")

_ZSH_END = f"compdef _{_NAME}_completion {_NAME}"
# Found in fpath, the file is the function's body, and its first run is the answer to a TAB; sourced, it registers.
_ZSH_GUARDED_END = f"""\
if [[ $funcstack[1] == _{_NAME} ]]; then
  _{_NAME}_completion "$@"
else
  {_ZSH_END}
fi"""

# The stock one starts the command twice for each TAB: whether there are candidates, then which. Without any, fish
# goes on to files.
_FISH = f"""\
function __{_NAME}_has_answers
    set --local line (commandline --cut-at-cursor --current-process | string collect)
    set --global __{_NAME}_answers (env {_COMPLETE_VARIABLE}=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args \\
        _TYPER_COMPLETE_ARGS=$line {_NAME})
    test -n "$__{_NAME}_answers"
end

complete --command {_NAME} --no-files --condition __{_NAME}_has_answers --arguments '$__{_NAME}_answers'
"""

_Candidates = list[str] | list[tuple[str, str]]


def script(shell: str) -> str:
    """The script that teaches a shell to complete the command.

    Raises:
        UsageError: the shell is not one of FILES.
    """
    if shell not in FILES:
        raise UsageError(f"there are no completions for {shell}", hint=f"choose one of: {', '.join(FILES)}")
    if shell == "fish":
        return _FISH
    text = get_completion_script(prog_name=_NAME, complete_var=_COMPLETE_VARIABLE, shell=shell)
    return text.strip().replace(_ZSH_END, _ZSH_GUARDED_END) + "\n"


def answer_shell(app: typer.Typer) -> int | None:
    """Answer a shell that asks for candidates; returns the exit status it expects, None where no shell asks."""
    if not os.environ.get(_COMPLETE_VARIABLE):
        return None
    _avoid_heavy_imports()
    completion_init()
    try:
        app([], prog_name=_NAME, standalone_mode=False)
    except SystemExit as end:
        return int(end.code or 0)
    except Exception:  # noqa: BLE001 (whatever it was, a TAB is not the time to report it)
        return 1
    return 0


def _avoid_heavy_imports() -> None:
    """Leave out what takes more than half of the time and is not needed: no command runs here."""
    sys.modules["rich"] = None  # type: ignore[assignment]  # it would also take `[default: 8]` for markup
    for kind in (TyperArgument, TyperOption):
        # No value is checked, so pydantic is not loaded.
        kind.process_value = _keep_text  # type: ignore[method-assign, assignment]


def _keep_text(_parameter: object, _context: object, value: Any) -> Any:
    return value


def _suppress_errors(candidates: Callable[[typer.Context], _Candidates]) -> Callable[[typer.Context], _Candidates]:
    @wraps(candidates)
    def wrapper(context: typer.Context) -> _Candidates:
        try:
            return candidates(context)
        except Exception:  # noqa: BLE001 (a broken settings file is reported by the command itself)
            return []

    return wrapper


@_suppress_errors
def event_ids(context: typer.Context) -> _Candidates:
    """The events that the settings file names, at its top and in its profiles."""
    settings = _settings(context)
    ids: dict[str, str] = {}
    for profile, table in [("", settings), *_profiles(settings)]:
        for key, value in table.items():
            if canonical_name(key) == "event_id" and _EVENT.fullmatch(str(value)):
                ids.setdefault(str(value), f"profile {profile}" if profile else "default")
    return list(ids.items())


@_suppress_errors
def profile_names(context: typer.Context) -> _Candidates:
    """The profiles of the settings file."""
    return [name for name, _table in _profiles(_settings(context))]


def _profiles(settings: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    named = settings.get("profiles")
    for name, table in (named if isinstance(named, dict) else {}).items():
        if isinstance(table, dict) and PROFILE_NAME.fullmatch(name):  # zsh evaluates what it is given
            yield name, table


def _settings(context: typer.Context) -> Mapping[str, object]:
    path, _ = find_file(_config_option(context), os.environ)
    # Reading a pipe would take what the command is to read, or wait for ever.
    if not os.path.isfile(path):  # noqa: PTH113 (it never raises)
        return {}
    return read_file(path, must_exist=False).table()


def _config_option(context: typer.Context) -> str | None:
    """`--config` as it stands on the line so far, at the command or above it."""
    level: Any = context
    while level is not None:
        if level.params.get("config"):
            return str(level.params["config"])
        level = level.parent
    return None


def existing_modes() -> _Candidates:
    """What `--existing` takes."""
    return [
        ("skip", "leave a photo that is there"),
        ("verify", "ask the store whether it is still the same"),
        ("overwrite", "fetch it again"),
    ]


def setting_names() -> _Candidates:
    """The settings' names."""
    return [setting.display_name for setting in SETTINGS.values()]


def shell_names() -> _Candidates:
    """The shells that there is a script for."""
    return list(FILES)
