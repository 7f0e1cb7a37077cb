"""`ninepic config`: show and change the settings file."""

import os
import sys
from collections.abc import Mapping
from typing import Annotated

import typer

from ninepic_cli.cli.help import Group
from ninepic_cli.cli.options import OPTIONS, argument, command, option
from ninepic_cli.cli.reference import ACCOUNT
from ninepic_cli.config.file import find_file, permission_warning, read_file, save_settings
from ninepic_cli.config.schema import SETTINGS, Setting, canonical_name, find_setting, format_setting_names
from ninepic_cli.config.settings import ALTERNATIVES, ConfigTarget, load_file
from ninepic_cli.errors import SettingsError, UsageError
from ninepic_cli.redact import mask_key
from ninepic_cli.system.output import print_err, print_warning
from ninepic_cli.system.terminal import is_terminal, prompt_secret
from ninepic_cli.text import quoted

app = typer.Typer(name="config", cls=Group, rich_help_panel=ACCOUNT, no_args_is_help=True)

_INPUT_LIMIT = 64 * 1024

Name = Annotated[
    str,
    argument(
        "NAME",
        f"Setting: {format_setting_names()}.",
        autocompletion=lambda: [setting.display_name for setting in SETTINGS.values()],
    ),
]
Reveal = Annotated[bool, option("--reveal", "Show the whole API key.")]


@app.callback()
def config_group(context: typer.Context, profile: Annotated[str | None, OPTIONS["profile"]] = None) -> None:
    """Show and change the settings file.

    Readable only by you (mode 0600). Profiles hold the settings of further accounts.

    Examples:
        # prompt for API key, organisation and default event, and check them
        ninepic config init
        # a second account, in its own profile
        ninepic config --profile acme init
    """
    context.obj = profile


@command(app)
def init(context: typer.Context, profile: str | None = None, config: str | None = None) -> None:
    """Prompt for API key, organisation and default event, check and save them.

    Nothing is saved until all questions are answered and the service has accepted the answers. Needs a terminal;
    scripts use `ninepic config set`.

    Examples:
        ninepic config init
        ninepic config init --profile acme
    """
    from ninepic_cli.commands.config_init import init_config  # noqa: PLC0415 (the others do not need what it takes to check)

    init_config(_target(context, profile, config), environ=os.environ)


@command(app, "set")
def set_(
    context: typer.Context,
    name: Name,
    value: Annotated[str | None, argument("VALUE", "Value; not for api-key, which is prompted for.")] = None,
    profile: str | None = None,
    config: str | None = None,
) -> None:
    """Set a setting.

    Prompts for the API key without echo, or reads it from standard input if that is not a terminal.

    Examples:
        ninepic config set event-id 456
        ninepic config set api-key < key.txt
        # do not store the key: run a command that prints it
        ninepic config set api-key-command 'pass show ninepic'
    """
    setting, target = find_setting(name), _target(context, profile, config)
    if setting.name == "api_key":
        value = _read_key(value)
    if value is None:
        name = setting.display_name
        raise UsageError(f"missing value for {name}", hint=f"run: ninepic config set {name} VALUE{target.options}")
    parsed = setting.to_toml(value)
    _check_alternative(setting, target)
    save_settings(target.path, {setting.name: parsed}, profile=target.profile)
    if setting.name == "api_key" and is_terminal(sys.stderr):  # what was typed could not be seen
        print_err(f"API key saved in {target}")


@command(app)
def get(
    context: typer.Context, name: Name, *, reveal: Reveal = False, profile: str | None = None, config: str | None = None
) -> None:
    """Print a setting's value.

    Shows only the first characters of the API key.

    Examples:
        ninepic config get event-id
        ninepic config get api-key --reveal
    """
    setting, target = find_setting(name), _target(context, profile, config)
    value = target.require_table(load_file(target.path)).get(setting.name, "")
    if value == "":
        raise _not_set_error(setting, target)
    _print_permission_warning(target)
    _print(_display_value(setting, value, reveal=reveal))


@command(app)
def unset(context: typer.Context, name: Name, profile: str | None = None, config: str | None = None) -> None:
    """Remove a setting.

    Examples:
        ninepic config unset event-id
    """
    setting, target = find_setting(name), _target(context, profile, config)
    if setting.name not in _unchecked_table(target):
        raise _not_set_error(setting, target)
    save_settings(target.path, {setting.name: None}, profile=target.profile)


@command(app, "list")
def list_(
    context: typer.Context, *, reveal: Reveal = False, profile: str | None = None, config: str | None = None
) -> None:
    """Print all settings in the file, one per line, and those of its profiles.

    Examples:
        ninepic config list
    """
    target = _target(context, profile, config)
    table = target.require_table(load_file(target.path))
    _print_permission_warning(target)
    lines = _setting_lines(table, reveal=reveal)
    for name, settings in table.get("profiles", {}).items():
        lines += [*([""] if lines else []), f"[profiles.{name}]", *_setting_lines(settings, reveal=reveal)]
    for line in lines:
        _print(line)


@command(app, "path")
def path_(config: str | None = None) -> None:
    """Print the path of the settings file, which need not exist.

    Examples:
        ninepic config path
    """
    typer.echo(os.fsencode(find_file(config, os.environ)[0]))  # the bytes that lead to it


def _target(context: typer.Context, profile: str | None, config: str | None) -> ConfigTarget:
    """What `--profile`, before or after the sub-command, and `--config` name."""
    before = context.obj
    if before is not None and profile not in {None, before}:
        raise UsageError("--profile given twice with different names", hint="omit one of them")
    return ConfigTarget.of(os.environ, profile=profile if before is None else str(before), config=config)


def _unchecked_table(target: ConfigTarget) -> dict[str, object]:
    """What stands there, names with `_`, also in a file with a wrong setting that is to be changed or removed."""
    table = target.find_table(read_file(target.path, must_exist=False).table())
    return {canonical_name(key): value for key, value in (table or {}).items()}


def _check_alternative(setting: Setting, target: ConfigTarget) -> None:
    """Refuse a key and a command for it side by side: one would be there in vain, and nobody could see which."""
    other = ALTERNATIVES.get(setting.name)
    if other and _unchecked_table(target).get(other, "") != "":
        name = SETTINGS[other].display_name
        hint = f"first run: ninepic config unset {name}{target.options}"
        message = f"{name} and {setting.display_name} are mutually exclusive, and {name} is set in {target}"
        raise SettingsError(message, hint=hint)


def _not_set_error(setting: Setting, target: ConfigTarget) -> SettingsError:
    value = "" if setting.name == "api_key" else " VALUE"
    return SettingsError(
        f"{setting.display_name} is not set in {target}",
        hint=f"run: ninepic config set {setting.display_name}{value}{target.options}",
    )


def _setting_lines(table: Mapping[str, object], *, reveal: bool) -> list[str]:
    lines = []
    for setting in SETTINGS.values():
        if table.get(setting.name, "") != "":
            text = _display_value(setting, table[setting.name], reveal=reveal)
            lines.append(f"{setting.name} = {text if text.isprintable() else quoted(text)}")
    return lines


def _display_value(setting: Setting, value: object, *, reveal: bool) -> str:
    text = str(value)
    return mask_key(text.strip()) if setting.name == "api_key" and not reveal else text


def _print_permission_warning(target: ConfigTarget) -> None:
    if warning := permission_warning(target.path):
        print_warning(warning)


def _print(text: str) -> None:
    typer.echo(text.encode("utf-8", "surrogateescape"))  # as in the settings file, whatever the locale


def _read_key(value: str | None) -> str:
    """The key, from the terminal without echo or from standard input; never from the command line."""
    if value is not None:
        raise UsageError(
            "refusing an API key on the command line, where other users and the shell history can see it",
            hint="run `ninepic config set api-key` and paste it at the prompt, or pipe it in",
        )
    key = _prompt_key() if is_terminal(sys.stdin) else _read_piped_key()
    if not key.strip():
        raise UsageError("no API key given", hint="paste it at the prompt, or pipe it to: ninepic config set api-key")
    return key


def _prompt_key() -> str:
    if not is_terminal(sys.stderr):
        raise UsageError("cannot prompt for the API key: standard error is not a terminal", hint="pipe the key in")
    try:
        return prompt_secret("API key: ")
    except EOFError:
        return ""


def _read_piped_key() -> str:
    try:
        data = sys.stdin.buffer.read(_INPUT_LIMIT) if sys.stdin is not None else b""
    except OSError as error:
        raise UsageError(f"cannot read standard input: {error.strerror}", hint="pipe the key in") from None
    return data.decode("utf-8-sig", "replace")
