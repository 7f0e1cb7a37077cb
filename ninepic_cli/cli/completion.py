"""Shell completion: the script for each shell, and the candidates that it asks for.

Every press of TAB starts the command, so nothing heavy is imported, the network is never used, and whatever goes
wrong yields no candidates and no message: it would land in the middle of the line that somebody types.
"""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import typer
from typer._completion_classes import ZshComplete
from typer.completion import completion_init, get_completion_script  # type: ignore[attr-defined]
from typer.core import TyperArgument, TyperOption

from ninepic_cli.config.file import find_file, read_file
from ninepic_cli.config.schema import PROFILE_NAME, canonical_name
from ninepic_cli.errors import UsageError
from ninepic_cli.text import quoted

# Where each shell's script stands in the repository.
FILES = {
    "bash": "completions/ninepic.bash",
    "zsh": "completions/_ninepic",
    "fish": "completions/ninepic.fish",
    "powershell": "completions/ninepic.ps1",
}

_VARIABLE = "_NINEPIC_COMPLETE"  # the command-line library's choice
_EVENT = re.compile(r"[0-9]{1,18}")

_ZSH_END = "compdef _ninepic_completion ninepic"
# Found in fpath, the file is the function's body, and its first run is the answer to a TAB; sourced, it registers.
_ZSH_GUARDED_END = """\
if [[ $funcstack[1] == _ninepic ]]; then
  _ninepic_completion "$@"
else
  compdef _ninepic_completion ninepic
fi"""

# The stock one starts the command twice for each TAB: whether there are candidates, then which. Without any, fish
# goes on to files.
_FISH = """\
function __ninepic_has_answers
    set --local line (commandline --cut-at-cursor --current-process | string collect)
    set --global __ninepic_answers (env _NINEPIC_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args \\
        _TYPER_COMPLETE_ARGS=$line ninepic)
    test -n "$__ninepic_answers"
end

complete --command ninepic --no-files --condition __ninepic_has_answers --arguments '$__ninepic_answers'
"""

_Candidates = list[str] | list[tuple[str, str]]


def script(shell: str) -> str:
    """The script that teaches a shell to complete the command.

    Raises:
        UsageError: the shell is not one of FILES.
    """
    if shell not in FILES:
        raise UsageError(f"unknown shell {quoted(shell)}", hint=f"valid shells: {', '.join(FILES)}")
    if shell == "fish":
        return _FISH
    text = get_completion_script(prog_name="ninepic", complete_var=_VARIABLE, shell=shell)
    return text.strip().replace(_ZSH_END, _ZSH_GUARDED_END) + "\n"


def answer_shell(app: typer.Typer) -> int | None:
    """Answer a shell that asks for candidates; returns the exit status it expects, None where no shell asks."""
    if not os.environ.get(_VARIABLE):
        return None
    _avoid_heavy_imports()
    completion_init()
    _keep_apostrophes()
    try:
        app([], prog_name="ninepic", standalone_mode=False)
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
        kind.process_value = lambda _parameter, _context, value: value  # type: ignore[method-assign, assignment]


def _keep_apostrophes() -> None:
    """Quote apostrophes for zsh, which takes two of them inside apostrophes for none."""
    stock = ZshComplete.format_completion

    def format_completion(shell: ZshComplete, item: Any) -> str:
        return stock(shell, item).replace("''", r"'\''")

    ZshComplete.format_completion = format_completion  # type: ignore[method-assign, assignment]


def event_ids(context: typer.Context) -> _Candidates:
    """The events that the settings file names, at its top and in its profiles."""
    settings = _settings(context)
    ids: dict[str, str] = {}
    for profile, table in [("", settings), *_profiles(settings)]:
        for key, value in table.items():
            if canonical_name(key) == "event_id" and _EVENT.fullmatch(str(value)):
                ids.setdefault(str(value), f"profile {profile}" if profile else "default")
    return list(ids.items())


def profile_names(context: typer.Context) -> _Candidates:
    """The profiles of the settings file."""
    return [name for name, _table in _profiles(_settings(context))]


def _profiles(settings: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    named = settings.get("profiles")
    for name, table in (named if isinstance(named, dict) else {}).items():
        if isinstance(table, dict) and PROFILE_NAME.fullmatch(name):  # zsh evaluates what it is given
            yield name, table


def _settings(context: typer.Context) -> Mapping[str, object]:
    """What the settings file that the line names says; nothing where it cannot be read."""
    try:
        path, _ = find_file(context.params.get("config") or None, os.environ)
        # Reading a pipe would take what the command is to read, or wait for ever.
        return read_file(path, must_exist=False).table() if path.is_file() else {}
    except Exception:  # noqa: BLE001 (a broken settings file is reported by the command itself)
        return {}


def commands(context: typer.Context) -> _Candidates:
    """The commands below those that the line has so far, for `help`."""
    below: Any = context.find_root().command
    for word in context.params.get("words") or ():
        below = getattr(below, "commands", {}).get(word)
    return list(getattr(below, "commands", {}))


def existing_modes() -> _Candidates:
    """What `--existing` takes."""
    return [
        ("skip", "skip without checking"),
        ("verify", "verify against storage and replace if different"),
        ("overwrite", "download again"),
    ]
