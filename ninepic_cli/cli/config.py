"""`ninepic config`: show and change the settings file."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from ninepic_cli.cli import completion as completions
from ninepic_cli.cli.help import Command, Group
from ninepic_cli.cli.options import Config, Profile
from ninepic_cli.cli.reference import ACCOUNT
from ninepic_cli.config import file as configfile
from ninepic_cli.config.file import canonical
from ninepic_cli.config.schema import SETTINGS, Setting, chosen_profile, find, known_names, masked
from ninepic_cli.config.settings import load, profile_table
from ninepic_cli.errors import SettingsError, UsageError
from ninepic_cli.system.output import print_err
from ninepic_cli.system.terminal import asked_secret, is_terminal
from ninepic_cli.text import display_path, quoted

app = typer.Typer(name="config", cls=Group, rich_help_panel=ACCOUNT, no_args_is_help=True)

_PASTED_LIMIT = 64 * 1024
_KEY_WAYS = {"api_key": "api_key_command", "api_key_command": "api_key"}

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help=f"A setting: {known_names()}.", autocompletion=completions.setting_names),
]
Reveal = Annotated[bool, typer.Option("--reveal", help="Show the whole key.")]


@app.callback()
def _shared(context: typer.Context, profile: Profile = None) -> None:
    """Show and change the settings file.

    It is the user's alone to read. Several accounts are profiles: tables of it, with settings of their own.

    Examples:
        # key, organisation and default event, asked for and checked
        ninepic config init
        # a second account, in a profile of its own
        ninepic config --profile acme init
    """
    context.obj = profile


@app.command(cls=Command)
def init(context: typer.Context, profile: Profile = None, config: Config = None) -> None:
    """Ask for key, organisation and default event, check them, and write them down.

    Nothing is written before all is answered and the service has accepted key and organisation. It needs a terminal;
    scripts use `ninepic config set`.

    Examples:
        ninepic config init
        ninepic config init --profile acme
    """
    from ninepic_cli.commands.config_init import Place, interview  # noqa: PLC0415 (the others do not need what it takes to check)

    given = _given_profile(context, profile)
    interview(Place(_path(config), chosen_profile(given, os.environ), given is not None, config), environ=os.environ)


@app.command("set", cls=Command)
def set_(
    context: typer.Context,
    name: Name,
    value: Annotated[
        str | None, typer.Argument(metavar="VALUE", help="Its value; not for api-key, which is asked for.")
    ] = None,
    profile: Profile = None,
    config: Config = None,
) -> None:
    """Set a setting.

    The API key is asked for without showing it, or read from standard input where that is not a terminal.

    Examples:
        ninepic config set event-id 456
        ninepic config set api-key < key.txt
        # no key in the file: a command prints it when it is needed
        ninepic config set api-key-command 'pass show ninepic'
    """
    setting, path, chosen = find(name), _path(config), _profile(context, profile)
    if setting.name == "api_key":
        value = _asked_key(value)
    if value is None:
        raise UsageError(f"{setting.shown} needs a value", hint=f"run: ninepic config set {setting.shown} VALUE")
    stored = setting.stored(value)
    _refuse_two_ways(setting, path, chosen)
    configfile.change(path, setting.name, stored, profile=chosen)
    if setting.name == "api_key" and is_terminal(sys.stderr):  # what was typed could not be seen
        print_err(f"the key is saved in {_where(path, chosen)}")


@app.command(cls=Command)
def get(
    context: typer.Context,
    name: Name,
    *,
    reveal: Reveal = False,
    profile: Profile = None,
    config: Config = None,
) -> None:
    """Print a setting's value.

    Of the API key only the beginning is shown.

    Examples:
        ninepic config get event-id
        ninepic config get api-key --reveal
    """
    setting, path, chosen = find(name), _path(config), _profile(context, profile)
    value = _loaded(path, chosen).get(setting.name, "")
    if value == "":
        raise _not_set(setting, path, chosen)
    _warn(path)
    _print(_visible(setting, value, reveal=reveal))


@app.command(cls=Command)
def unset(context: typer.Context, name: Name, profile: Profile = None, config: Config = None) -> None:
    """Remove a setting.

    Examples:
        ninepic config unset event-id
    """
    setting, path, chosen = find(name), _path(config), _profile(context, profile)
    if setting.name not in _raw(path, chosen):
        raise _not_set(setting, path, chosen)
    configfile.change(path, setting.name, None, profile=chosen)


@app.command("list", cls=Command)
def list_(context: typer.Context, *, reveal: Reveal = False, profile: Profile = None, config: Config = None) -> None:
    """Print all settings of the file, one a line, and those of its profiles.

    Examples:
        ninepic config list
    """
    path, chosen = _path(config), _profile(context, profile)
    found = _loaded(path, chosen)
    _warn(path)
    lines = _lines(found, reveal=reveal)
    profiles = found.get("profiles")
    for name, table in profiles.items() if isinstance(profiles, dict) else ():
        lines += [*([""] if lines else []), f"[profiles.{name}]", *_lines(table, reveal=reveal)]
    for line in lines:
        _print(line)


@app.command("path", cls=Command)
def path_(config: Config = None) -> None:
    """Print where the settings file is, or would be.

    Examples:
        ninepic config path
    """
    typer.echo(os.fsencode(_path(config)))  # the bytes that lead to it


def _path(config: str | None) -> Path:
    return configfile.config_path(config, os.environ)


def _given_profile(context: typer.Context, option: str | None) -> str | None:
    """What `--profile` says, before or after the sub-command."""
    before = context.obj
    if before is not None and option not in {None, before}:
        raise UsageError("--profile is given twice, with two names", hint="leave one of them out")
    return option if before is None else str(before)


def _profile(context: typer.Context, option: str | None) -> str | None:
    return chosen_profile(_given_profile(context, option), os.environ)


def _where(path: Path, profile: str | None) -> str:
    return display_path(path) if profile is None else f"profile {profile} in {display_path(path)}"


def _loaded(path: Path, profile: str | None) -> Mapping[str, object]:
    found = load(path)
    return found if profile is None else profile_table(found, profile, display_path(path))


def _raw(path: Path, profile: str | None) -> dict[str, object]:
    """What stands there, names with `_`. Not `load`, which would refuse a file whose wrong setting is to be removed."""
    table: object = configfile.read(path, must_exist=False).table()
    for key in () if profile is None else ("profiles", profile):
        table = table.get(key) if isinstance(table, dict) else None
    return {canonical(key): value for key, value in table.items()} if isinstance(table, dict) else {}


def _refuse_two_ways(setting: Setting, path: Path, profile: str | None) -> None:
    """A key and a command for it side by side: one would be there in vain, and nobody could see which."""
    other = find(_KEY_WAYS.get(setting.name, setting.name))
    if other is setting or _raw(path, profile).get(other.name, "") == "":
        return
    raise SettingsError(
        f"{other.shown} is set in {_where(path, profile)}, and only one of the two can be",
        hint=f"run first: ninepic config unset {other.shown}{_option(profile)}",
    )


def _not_set(setting: Setting, path: Path, profile: str | None) -> SettingsError:
    value = "" if setting.name == "api_key" else " VALUE"
    return SettingsError(
        f"{setting.shown} is not set in {_where(path, profile)}",
        hint=f"run: ninepic config set {setting.shown}{value}{_option(profile)}",
    )


def _option(profile: str | None) -> str:
    return "" if profile is None else f" --profile {profile}"


def _lines(table: Mapping[str, object], *, reveal: bool) -> list[str]:
    lines = []
    for setting in SETTINGS.values():
        if table.get(setting.name, "") != "":
            text = _visible(setting, table[setting.name], reveal=reveal)
            lines.append(f"{setting.name} = {text if text.isprintable() else quoted(text)}")
    return lines


def _visible(setting: Setting, value: object, *, reveal: bool) -> str:
    text = str(value)
    return masked(text.strip()) if setting.name == "api_key" and not reveal else text


def _warn(path: Path) -> None:
    if warning := configfile.exposure(path):
        print_err(f"ninepic: warning: {warning}")


def _print(text: str) -> None:
    typer.echo(text.encode("utf-8", "surrogateescape"))  # as in the settings file, whatever the locale


def _asked_key(value: str | None) -> str:
    """The key, from the terminal without echo or from standard input; never from the command line."""
    if value is not None:
        raise UsageError(
            "the key does not go on the command line, where the process list and the shell's history keep it",
            hint="run `ninepic config set api-key` and paste it when asked, or pipe it to that command",
        )
    key = _typed_key() if is_terminal(sys.stdin) else _piped_key()
    if not key.strip():
        raise UsageError("no key was given", hint="paste it when asked, or pipe it to: ninepic config set api-key")
    return key


def _typed_key() -> str:
    if not is_terminal(sys.stderr):
        raise UsageError("the key cannot be asked for: standard error is not a terminal", hint="pipe the key in")
    try:
        return asked_secret("API key: ")
    except EOFError:
        return ""


def _piped_key() -> str:
    try:
        data = sys.stdin.buffer.read(_PASTED_LIMIT) if sys.stdin is not None else b""
    except OSError as error:
        raise UsageError(f"standard input cannot be read: {error.strerror}", hint="pipe the key in") from None
    return data.decode("utf-8-sig", "replace")
