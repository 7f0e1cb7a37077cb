"""Where every setting comes from: options, environment, profiles, settings file, defaults."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from ninepic_cli.config.credential import run_key_command
from ninepic_cli.config.file import ConfigFile, find_file, permission_warning, read_file
from ninepic_cli.config.schema import (
    DEFAULT_BASE_URL,
    PROFILE_NAME,
    PROFILE_RULE,
    SETTINGS,
    InvalidValueError,
    canonical_name,
    format_setting_names,
    profile_name,
    variable_value,
)
from ninepic_cli.errors import NinepicError, NotAllowedError, SettingsError
from ninepic_cli.models import Credentials
from ninepic_cli.redact import mask_if_key
from ninepic_cli.text import display_path, on_disk, quoted

ALTERNATIVES = {"api_key": "api_key_command", "api_key_command": "api_key"}  # two ways to one thing
DEFAULTS: Mapping[str, str] = {"base_url": DEFAULT_BASE_URL, "output": ".", "jobs": "8"}
_REQUIRED = {  # what a run needs, and how to give it without a settings file
    "api_key": ("API key", "NINEPIC_API_KEY"),
    "org_id": ("organisation", "--org (NINEPIC_ORG_ID)"),
    "event_id": ("event", "--event (NINEPIC_EVENT_ID)"),
}
_Layer = Mapping[str, tuple[object, str]]  # for each setting, its value (None: not here) and where it stands
_TYPE_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    dict: "a table",
    list: "a list",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one run; the repr does not show the key.

    Attributes:
        base_url: without a slash at its end.
        output: `~` expanded, else as given.
        jobs: parallel downloads.
        sources: for each setting that has a value, where it came from: `--event`, `NINEPIC_EVENT_ID`, the path of
            the settings file, `profile acme in` that path, `the default`.
        warnings: what a person should know about the settings file.
        api_key_command: the command line that prints the key; set only where there is no `api_key`.
        profile: the profile that was looked into.
    """

    api_key: str | None = field(repr=False)
    org_id: int | None
    event_id: int | None
    base_url: str
    output: Path
    jobs: int
    sources: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    api_key_command: str | None = field(default=None, repr=False)  # people write keys there too
    profile: str | None = None

    def require_credentials(self, *, event: bool = True) -> Credentials:
        """Key, organisation and (unless `event` is False) event; runs the command that prints the key.

        Raises:
            NotAllowedError: there is no key, and perhaps more is missing.
            SettingsError: there is no organisation or no event.
        """
        missing = [name for name in ("org_id", "event_id")[: 1 + event] if getattr(self, name) is None]
        if self.api_key is None and self.api_key_command is None:
            raise self._missing_error(["api_key", *missing], NotAllowedError)
        if missing or self.org_id is None:
            raise self._missing_error(missing, SettingsError)
        key = self.api_key
        if key is None:
            key = run_key_command(self.api_key_command or "", source=self.sources["api_key_command"])
        return Credentials(key, self.org_id, self.event_id, self.base_url)

    def _missing_error(self, names: Sequence[str], kind: type[NinepicError]) -> NinepicError:
        """The error about all settings that are missing: at once, not one after the other."""
        nouns, ways = zip(*(_REQUIRED[name] for name in names), strict=True)
        profile = f" --profile {self.profile}" if self.profile else ""
        hint = f"run: ninepic config init{profile}; or set {_join_words(ways, 'and')}"
        return kind(f"no {_join_words(nouns, 'or')} configured", hint=hint)


def _join_words(words: Sequence[str], conjunction: str) -> str:
    *others, last = words
    return f"{', '.join(others)} {conjunction} {last}" if others else last


@dataclass(frozen=True, slots=True)
class ConfigTarget:
    """A part of a settings file: its top level, or a profile.

    `is_named` tells whether the user named the file, so that a run needs it. `profile_option` and `config_option` are
    what `--profile` and `--config` say; the environment may have named the profile and the file too.
    """

    path: Path
    profile: str | None = None
    is_named: bool = False
    profile_option: str | None = None
    config_option: str | None = None

    @classmethod
    def of(cls, environ: Mapping[str, str], *, profile: str | None, config: str | None) -> Self:
        """What `--profile` and `--config` name, else the environment.

        Raises:
            SettingsError: one of them is wrong; the message names where it came from.
        """
        path, is_named = find_file(config, environ)
        return cls(path, profile_name(profile, environ), is_named, profile, config)

    @property
    def options(self) -> str:
        """What has to be written after a command, so that it looks there."""
        profile = "" if self.profile_option is None else f" --profile {self.profile_option}"
        return profile if self.config_option is None else f"{profile} --config {shlex.quote(self.config_option)}"

    def find_table(self, config: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Its settings in all that the file says; None for a profile that is not there."""
        if self.profile is None:
            return config
        profiles = config.get("profiles")
        table = profiles.get(self.profile) if isinstance(profiles, dict) else None
        return table if isinstance(table, dict) else None

    def require_table(self, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """The same in a file that has been checked, for a profile that has to be there.

        Raises:
            SettingsError: it is not; the hint lists those that are.
        """
        table = self.find_table(config)
        if table is None:
            known = ", ".join(config.get("profiles", ()))
            there = f"existing profiles: {known}" if known else "there are no profiles yet"
            hint = f"{there}; create one with: ninepic config --profile NAME init"
            name = mask_if_key(str(self.profile))
            raise SettingsError(f"profile {name} not found in {display_path(self.path)}", hint=hint)
        return table

    def __str__(self) -> str:
        return f"profile {self.profile} in {display_path(self.path)}" if self.profile else display_path(self.path)


def load_settings(
    options: Mapping[str, object | None], *, environ: Mapping[str, str], config: str | None, profile: str | None = None
) -> Settings:
    """The settings of a run: `resolve` with the settings file that `--config` names, and the profile of `--profile`.

    Raises:
        SettingsError: a setting is wrong or unknown; the message names where it came from.
    """
    target = ConfigTarget.of(environ, profile=profile, config=config)
    table = load_file(target.path, must_exist=target.is_named)
    warning = permission_warning(target.path)
    settings = resolve(options, environ=environ, config=table, target=target)
    return replace(settings, warnings=(warning,) if warning else ())


def resolve(
    options: Mapping[str, object | None],
    *,
    environ: Mapping[str, str],
    config: Mapping[str, object],
    target: ConfigTarget,
) -> Settings:
    """Option > `--profile` > environment > `NINEPIC_PROFILE` > top level of the file > default, for each setting.

    Only one profile is looked into: `--profile` takes the place of `NINEPIC_PROFILE`. Options that are not given are
    None; `config` is what `load_file` found in the target's file.

    Raises:
        SettingsError: a setting is wrong, or there is no such profile; the message names where it came from.
    """
    profile = _file_layer(target.require_table(config), str(target)) if target.profile else {}
    by_option, by_variable = ({}, profile) if target.profile_option is None else (profile, {})
    layers = [
        _option_layer(options),
        by_option,
        _environment_layer(environ),
        by_variable,
        _file_layer(config, display_path(target.path)),
        _file_layer(DEFAULTS, "the default"),
    ]
    return _merge_layers(layers, target.profile)


def _merge_layers(layers: Sequence[_Layer], profile: str | None) -> Settings:
    """The settings, each from the first layer that has it; of alternatives only the first counts."""
    values: dict[str, Any] = dict.fromkeys(SETTINGS)
    sources: dict[str, str] = {}
    for layer in layers:
        for name, (given, source) in layer.items():
            if given is None or name in sources or ALTERNATIVES.get(name) in sources:
                continue
            value = SETTINGS[name].parse(given, source)
            if value is not None:
                values[name], sources[name] = value, source
    return Settings(**values, sources=sources, profile=profile)


def _option_layer(options: Mapping[str, object | None]) -> _Layer:
    return {name: (options.get(name), setting.option) for name, setting in SETTINGS.items() if setting.option}


def _environment_layer(environ: Mapping[str, str]) -> _Layer:
    variables = {name: setting.variable for name, setting in SETTINGS.items() if setting.variable}
    return {name: (variable_value(environ, variable), variable) for name, variable in variables.items()}


def _file_layer(table: Mapping[str, object], source: str) -> _Layer:
    values = {name: table[name] for name in SETTINGS if name in table}
    if isinstance(output := values.get("output"), str):
        values["output"] = on_disk(output)  # the file is UTF-8, whatever the locale
    return {name: (value, source) for name, value in values.items()}


def load_file(path: Path, *, must_exist: bool = False) -> dict[str, object]:
    """The settings in the file, names with `_`; empty where there is no file.

    Raises:
        SettingsError: a setting is unknown or wrong (the message has file and line), or the file cannot be read.
    """
    file = read_file(path, must_exist=must_exist)
    return _parse_table(file, file.table(), ())


def _parse_table(file: ConfigFile, table: Mapping[str, object], above: tuple[str, ...]) -> dict[str, object]:
    settings: dict[str, object] = {}
    for key, value in table.items():
        name, keys = canonical_name(key), (*above, key)
        if name in settings:
            raise file.error_at(
                keys, f"duplicate setting {name.replace('_', '-')}{_in_profile(above)}", hint="keep one of them"
            )
        if name == "profiles" and not above:
            settings[name] = _parse_profiles(file, key, value)
        elif name in SETTINGS:
            settings[name] = _parse_entry(file, keys, value)
        else:
            message = f"unknown setting {quoted(key)}{_in_profile(above)}"
            raise file.error_at(keys, message, hint=f"valid settings: {format_setting_names()}")
    if settings.get("api_key", "") != "" and "api_key_command" in settings:
        keys = (*above, *(key for key in table if canonical_name(key) == "api_key_command"))
        message = f"api-key and api-key-command are mutually exclusive{_in_profile(above)}"
        raise file.error_at(keys, message, hint="keep one of them")
    return settings


def _in_profile(above: Sequence[str]) -> str:
    return f" in profile {above[1]}" if above else ""


def _parse_profiles(file: ConfigFile, key: str, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise file.error_at(
            [key], f"{key} must be tables, not {_type_name(value)}", hint="write each as: [profiles.NAME]"
        )
    profiles: dict[str, object] = {}
    for name, table in value.items():
        if not PROFILE_NAME.fullmatch(name):
            raise file.error_at([key, name], f"invalid profile {quoted(name)}", hint=PROFILE_RULE)
        if not isinstance(table, dict):
            raise file.error_at([key, name], f"profile {quoted(name)} must be a table, not {_type_name(table)}")
        profiles[name] = _parse_table(file, table, (key, name))
    return profiles


def _parse_entry(file: ConfigFile, keys: tuple[str, ...], value: object) -> object:
    *above, key = keys
    setting = SETTINGS[canonical_name(key)]
    if type(value) is not setting.kind:
        example = "123, without quotes" if setting.kind is int else '"TEXT", in quotes'
        wanted, profile = _TYPE_NAMES[setting.kind], _in_profile(above)
        message = f"{setting.display_name}{profile} must be {wanted}, not {_type_name(value)}"
        raise file.error_at(keys, message, hint=f"write it as: {key} = {example}")
    try:
        setting.convert(str(value))
    except InvalidValueError as error:
        profile = f"profile {above[1]} in " if above else ""
        raise error.to_settings_error(setting.display_name, f"{profile}{file.place(keys)}") from None
    return value


def _type_name(value: object) -> str:
    return _TYPE_NAMES.get(type(value), "a date or a time")
