"""Where every setting comes from: options, environment, settings file, defaults, in this order."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ninepic_cli import configfile
from ninepic_cli.configfile import ConfigFile
from ninepic_cli.errors import NotAllowedError, SettingsError
from ninepic_cli.quoting import quoted, shown
from ninepic_cli.values import DEFAULT_BASE_URL, SETTINGS, Setting, known_names

DEFAULTS: Mapping[str, str] = {"base_url": DEFAULT_BASE_URL, "output": ".", "jobs": "8"}
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", dict: "a table", list: "a list"}


@dataclass(frozen=True, slots=True)
class Access:
    """What a request to the service needs; its repr does not show the key."""

    api_key: str = field(repr=False)
    org_id: int
    event_id: int | None
    base_url: str


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one run; the repr does not show the key.

    Attributes:
        base_url: without a slash at its end.
        output: `~` expanded, else as given.
        jobs: photos in flight at once.
        sources: for each setting that has a value, where it came from: `--event`, `NINEPIC_EVENT_ID`, the path of
            the settings file, `the default`.
        warnings: what a person should know about the settings file.
        api_key_command: the command line that would print the key.
    """

    api_key: str | None = field(repr=False)
    org_id: int | None
    event_id: int | None
    base_url: str
    output: Path
    jobs: int
    sources: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    api_key_command: str | None = None

    def require_access(self, *, event: bool = True) -> Access:
        """Key, organisation and (unless `event` is False) event.

        Raises:
            NotAllowedError: there is no key.
            SettingsError: there is no organisation or no event.
        """
        if self.api_key_command and self.sources.get("api_key") != "NINEPIC_API_KEY":
            raise SettingsError(
                "api_key_command is not supported yet",
                hint='set the key itself: NINEPIC_API_KEY="$(COMMAND)" ninepic ...',
            )
        if self.api_key is None:
            raise NotAllowedError("no API key is set", hint="set NINEPIC_API_KEY, or run: ninepic config set api-key")
        if self.org_id is None:
            raise _missing("organisation", "org_id")
        if event and self.event_id is None:
            raise _missing("event", "event_id")
        return Access(self.api_key, self.org_id, self.event_id, self.base_url)


def _missing(what: str, name: str) -> SettingsError:
    setting = SETTINGS[name]
    return SettingsError(
        f"no {what} is set",
        hint=f"give {setting.option} ID, set {setting.variable}, or run: ninepic config set {setting.shown} ID",
    )


def gather(options: Mapping[str, object | None], *, environ: Mapping[str, str], config: str | None) -> Settings:
    """The settings of a run, from the options given, the environment and the settings file.

    Args:
        options: setting names and what the options say, None for those not given.
        environ: the environment.
        config: what `--config` says.

    Raises:
        SettingsError: a setting is wrong or unknown; the message names where it came from.
    """
    path = configfile.config_path(config, environ)
    found = load(path, must_exist=configfile.is_named(config, environ))
    warning = configfile.exposure(path)
    settings = resolve(options, environ=environ, config=found, config_path=path)
    return replace(settings, warnings=(warning,) if warning else ())


def resolve(
    options: Mapping[str, object | None],
    *,
    environ: Mapping[str, str],
    config: Mapping[str, object],
    config_path: Path,
) -> Settings:
    """Option > environment > settings file > default, for each setting.

    Raises:
        SettingsError: a setting is wrong; the message names where it came from.
    """
    if environ.get("NINEPIC_PROFILE", "").strip():
        raise SettingsError("NINEPIC_PROFILE is set, but profiles are not supported yet", hint="unset it")
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name, setting in SETTINGS.items():
        values[name] = None
        for given, source in _given(setting, options, environ, config, shown(config_path)):
            value = setting.checked(given, source if source.startswith(("--", "NINEPIC_")) else f"{source}: {name}")
            if value is not None:
                values[name], sources[name] = value, source
                break
    return Settings(**values, sources=sources)


def _given(
    setting: Setting,
    options: Mapping[str, object | None],
    environ: Mapping[str, str],
    config: Mapping[str, object],
    file: str,
) -> Iterator[tuple[object, str]]:
    """What was given for a setting, and where; the first one counts. Another layer is another line."""
    if setting.option and (option := options.get(setting.name)) is not None:
        yield option, setting.option
    if setting.variable and (text := environ.get(setting.variable, "")).strip():
        yield text, setting.variable
    if setting.name in config:
        yield config[setting.name], file
    if setting.name in DEFAULTS:
        yield DEFAULTS[setting.name], "the default"


def load(path: Path, *, must_exist: bool = False) -> dict[str, object]:
    """The settings in the file, names with `_`; empty where there is no file.

    Raises:
        SettingsError: a setting is unknown or wrong (the message has file and line), or the file cannot be read.
    """
    file = configfile.read(path, must_exist=must_exist)
    return _checked_table(file, file.table(), ())


def _checked_table(file: ConfigFile, table: Mapping[str, object], above: tuple[str, ...]) -> dict[str, object]:
    checked: dict[str, object] = {}
    for key, value in table.items():
        name, keys = configfile.canonical(key), (*above, key)
        if name in checked:
            raise file.fault(keys, f"{name} stands there twice", hint="keep one of them")
        if name == "profiles" and not above:
            checked[name] = _checked_profiles(file, key, value)
        elif name in SETTINGS:
            checked[name] = _checked_value(file, keys, value)
        else:
            raise file.fault(keys, f"there is no setting {quoted(key)}", hint=f"known are: {known_names()}")
    return checked


def _checked_profiles(file: ConfigFile, key: str, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise file.fault([key], f"{key} is {_kind(value)}, not tables", hint="write each as: [profiles.NAME]")
    profiles: dict[str, object] = {}
    for name, table in value.items():
        if not isinstance(table, dict):
            raise file.fault([key, name], f"the profile {quoted(name)} is {_kind(table)}, not a table")
        profiles[name] = _checked_table(file, table, (key, name))
    return profiles


def _checked_value(file: ConfigFile, keys: tuple[str, ...], value: object) -> object:
    setting = SETTINGS[configfile.canonical(keys[-1])]
    if type(value) is not setting.kind:
        example = "123, without quotes" if setting.kind is int else '"TEXT", in quotes'
        raise file.fault(
            keys,
            f"{keys[-1]} is {_kind(value)}, not {_KINDS[setting.kind]}",
            hint=f"write it as: {keys[-1]} = {example}",
        )
    try:
        setting.parse(str(value))
    except ValueError as error:
        raise file.fault(keys, f"{keys[-1]} {error}") from None
    return value


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "a date or a time")
