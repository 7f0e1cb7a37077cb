"""`ninepic config`: show and change the settings file."""

import getpass
import os
import sys
import warnings
from pathlib import Path
from typing import IO, Annotated

import typer

from ninepic_cli import completions, configfile
from ninepic_cli.errors import SettingsError, UsageError
from ninepic_cli.help import Command, Group
from ninepic_cli.manual import ACCOUNT
from ninepic_cli.quoting import quoted, shown
from ninepic_cli.say import say
from ninepic_cli.settings import load
from ninepic_cli.values import SETTINGS, Setting, find, known_names, masked

app = typer.Typer(
    name="config", cls=Group, rich_help_panel=ACCOUNT, help="Show and change settings.", no_args_is_help=True
)

_PASTED_LIMIT = 64 * 1024

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help=f"A setting: {known_names()}.", autocompletion=completions.names),
]
ConfigOption = Annotated[
    str | None,
    typer.Option("--config", metavar="FILE", help="Settings file. [NINEPIC_CONFIG]", show_default=False),
]
Reveal = Annotated[bool, typer.Option("--reveal", help="Show the whole key.")]


@app.command("set", cls=Command)
def set_(
    name: Name,
    value: Annotated[
        str | None, typer.Argument(metavar="VALUE", help="Its value; not for api-key, which is asked for.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Set a setting. The API key is asked for without showing it, or read from standard input."""
    setting = find(name)
    if setting.name == "api_key_command":
        raise SettingsError("api-key-command is not supported yet", hint="run: ninepic config set api-key")
    if setting.name == "api_key":
        value = _asked_key(value)
    if value is None:
        raise UsageError(f"{setting.shown} needs a value", hint=f"run: ninepic config set {setting.shown} VALUE")
    path = _path(config)
    configfile.change(path, setting.name, setting.stored(value))
    if setting.name == "api_key" and _is_terminal(sys.stderr):  # what was typed could not be seen
        say(f"the key is saved in {shown(path)}")


@app.command(cls=Command)
def get(name: Name, *, reveal: Reveal = False, config: ConfigOption = None) -> None:
    """Print a setting's value."""
    setting, path = find(name), _path(config)
    value = load(path).get(setting.name, "")
    if value == "":
        raise _not_set(setting, path)
    _warn(path)
    _print(_visible(setting, value, reveal=reveal))


@app.command(cls=Command)
def unset(name: Name, config: ConfigOption = None) -> None:
    """Remove a setting."""
    setting, path = find(name), _path(config)
    # Not load(): that would refuse a file whose wrong setting is the one to be removed.
    table = configfile.read(path, must_exist=False).table()
    if setting.name not in map(configfile.canonical, table):
        raise _not_set(setting, path)
    configfile.change(path, setting.name, None)


@app.command("list", cls=Command)
def list_(*, reveal: Reveal = False, config: ConfigOption = None) -> None:
    """Print all settings of the file, one a line."""
    path = _path(config)
    found = load(path)
    _warn(path)
    for setting in SETTINGS.values():
        if found.get(setting.name, "") != "":
            text = _visible(setting, found[setting.name], reveal=reveal)
            _print(f"{setting.name} = {text if text.isprintable() else quoted(text)}")


@app.command("path", cls=Command)
def path_(config: ConfigOption = None) -> None:
    """Print where the settings file is, or would be."""
    _print(str(_path(config)))


def _path(config: str | None) -> Path:
    return configfile.config_path(config, os.environ)


def _not_set(setting: Setting, path: Path) -> SettingsError:
    value = "" if setting.name == "api_key" else " VALUE"
    return SettingsError(
        f"{setting.shown} is not set in {shown(path)}", hint=f"run: ninepic config set {setting.shown}{value}"
    )


def _visible(setting: Setting, value: object, *, reveal: bool) -> str:
    text = str(value)
    return masked(text.strip()) if setting.name == "api_key" and not reveal else text


def _warn(path: Path) -> None:
    if warning := configfile.exposure(path):
        say(f"ninepic: warning: {warning}")


def _print(text: str) -> None:
    typer.echo(os.fsencode(text))  # bytes, so that a stream that cannot encode a path still gets it


def _asked_key(value: str | None) -> str:
    """The key, from the terminal without echo or from standard input; never from the command line."""
    if value is not None:
        raise UsageError(
            "the key does not go on the command line, where the process list and the shell's history keep it",
            hint="run `ninepic config set api-key` and paste it when asked, or pipe it to that command",
        )
    key = _typed_key() if _is_terminal(sys.stdin) else _piped_key()
    if not key.strip():
        raise UsageError("no key was given", hint="paste it when asked, or pipe it to: ninepic config set api-key")
    return key


def _typed_key() -> str:
    if not _is_terminal(sys.stderr):
        raise UsageError("the key cannot be asked for: standard error is not a terminal", hint="pipe the key in")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)  # it would go on with the key on the screen
            return getpass.getpass("API key: ")
    except getpass.GetPassWarning:
        raise UsageError("this terminal cannot hide what is typed", hint="pipe the key in") from None
    except EOFError:
        return ""


def _piped_key() -> str:
    data = sys.stdin.buffer.read(_PASTED_LIMIT) if sys.stdin is not None else b""
    return data.decode("utf-8-sig", "replace")


def _is_terminal(stream: IO[str] | None) -> bool:
    return stream is not None and stream.isatty()  # None where the caller closed it
