"""Where every setting comes from: options, environment, profiles, settings file, defaults."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ninepic_cli import normalize
from ninepic_cli.config import credential as command
from ninepic_cli.config import file as configfile
from ninepic_cli.config.file import ConfigFile, canonical
from ninepic_cli.config.schema import DEFAULT_BASE_URL, PROFILE_RULE, SETTINGS, chosen_profile, known_names
from ninepic_cli.errors import NotAllowedError, SettingsError
from ninepic_cli.models import Credentials
from ninepic_cli.text import display_path, on_disk, quoted

DEFAULTS: Mapping[str, str] = {"base_url": DEFAULT_BASE_URL, "output": ".", "jobs": "8"}
_Layer = Mapping[str, tuple[object, str]]  # for each setting that the layer has, its value and where it stands
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", dict: "a table", list: "a list"}


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one run; the repr does not show the key.

    Attributes:
        base_url: without a slash at its end.
        output: `~` expanded, else as given.
        jobs: photos in flight at once.
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

    def require_access(self, *, event: bool = True) -> Credentials:
        """Key, organisation and (unless `event` is False) event; runs the command that prints the key.

        Raises:
            NotAllowedError: there is no key.
            SettingsError: there is no organisation or no event.
        """
        if self.api_key is None and self.api_key_command is None:
            hint = f"set NINEPIC_API_KEY, or run: {self._set_command('api-key')}"
            raise NotAllowedError("no API key is set", hint=hint)
        if self.org_id is None:
            raise self._missing("organisation", "org_id")
        if event and self.event_id is None:
            raise self._missing("event", "event_id")
        return Credentials(self._key(), self.org_id, self.event_id, self.base_url)

    def _key(self) -> str:
        if self.api_key is None:
            return command.printed_key(self.api_key_command or "", source=self.sources["api_key_command"])
        return self.api_key

    def _missing(self, what: str, name: str) -> SettingsError:
        setting = SETTINGS[name]
        return SettingsError(
            f"no {what} is set",
            hint=f"give {setting.option} ID, set {setting.variable}, or run: {self._set_command(setting.shown)} ID",
        )

    def _set_command(self, name: str) -> str:
        profile = f" --profile {self.profile}" if self.profile else ""
        return f"ninepic config{profile} set {name}"


def gather(
    options: Mapping[str, object | None],
    *,
    environ: Mapping[str, str],
    config: str | None,
    profile: str | None = None,
) -> Settings:
    """The settings of a run, from the options given, the environment and the settings file.

    Args:
        options: setting names and what the options say, None for those not given.
        environ: the environment.
        config: what `--config` says.
        profile: what `--profile` says.

    Raises:
        SettingsError: a setting is wrong or unknown; the message names where it came from.
    """
    path = configfile.config_path(config, environ)
    found = load(path, must_exist=configfile.is_named(config, environ))
    warning = configfile.exposure(path)
    settings = resolve(options, environ=environ, config=found, config_path=path, profile=profile)
    return replace(settings, warnings=(warning,) if warning else ())


def resolve(
    options: Mapping[str, object | None],
    *,
    environ: Mapping[str, str],
    config: Mapping[str, object],
    config_path: Path,
    profile: str | None = None,
) -> Settings:
    """Option > `--profile` > environment > `NINEPIC_PROFILE` > top level of the file > default, for each setting.

    Only one profile is looked into: `--profile` takes the place of `NINEPIC_PROFILE`.

    Raises:
        SettingsError: a setting is wrong, or there is no such profile; the message names where it came from.
    """
    chosen = chosen_profile(profile, environ)
    file = display_path(config_path)
    of_profile = {} if chosen is None else _layer(profile_table(config, chosen, file), f"profile {chosen} in {file}")
    layers: list[_Layer] = [
        _of_options(options),
        {} if profile is None else of_profile,
        _of_environment(environ),
        of_profile,
        _layer(config, file),
        _layer(DEFAULTS, "the default"),
    ]
    return _settled(layers, chosen)


def _settled(layers: Sequence[_Layer], profile: str | None) -> Settings:
    values: dict[str, Any] = dict.fromkeys(SETTINGS)
    sources: dict[str, str] = {}
    depths: dict[str, int] = {}
    for name, setting in SETTINGS.items():
        for depth, layer in enumerate(layers):
            given, source = layer.get(name, (None, ""))
            if given is None:
                continue
            value = setting.checked(given, source if source.startswith(("--", "NINEPIC_")) else f"{source}: {name}")
            if value is not None:
                values[name], sources[name], depths[name] = value, source, depth
                break
    if {"api_key", "api_key_command"} <= depths.keys():  # two ways to one thing: the higher layer's counts
        lesser = max("api_key", "api_key_command", key=depths.__getitem__)
        values[lesser] = None
        del sources[lesser]
    return Settings(**values, sources=sources, profile=profile)


def _layer(table: Mapping[str, object], source: str) -> _Layer:
    values = {name: table[name] for name in SETTINGS if name in table}
    if isinstance(output := values.get("output"), str):
        values["output"] = on_disk(output)  # the file is UTF-8, whatever the locale
    return {name: (value, source) for name, value in values.items()}


def _of_options(options: Mapping[str, object | None]) -> _Layer:
    named = {name: setting.option for name, setting in SETTINGS.items() if setting.option}
    return {name: (options[name], option) for name, option in named.items() if options.get(name) is not None}


def _of_environment(environ: Mapping[str, str]) -> _Layer:
    variables = {name: setting.variable for name, setting in SETTINGS.items() if setting.variable}
    return {
        name: (environ[variable], variable)
        for name, variable in variables.items()
        if normalize.value(environ.get(variable, ""))
    }


def profile_table(config: Mapping[str, object], name: str, file: str) -> Mapping[str, object]:
    """A profile's settings, of what `load` returned.

    Raises:
        SettingsError: there is no such profile; the hint lists those that there are.
    """
    profiles = config.get("profiles")
    table = profiles.get(name) if isinstance(profiles, dict) else None
    if not isinstance(table, dict):
        known = ", ".join(profiles) if isinstance(profiles, dict) else ""
        hint = f"there are: {known}" if known else "there are none"
        raise SettingsError(
            f"there is no profile {name} in {file}", hint=f"{hint}; make one with: ninepic config --profile NAME init"
        )
    return table


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
        name, keys = canonical(key), (*above, key)
        if name in checked:
            raise file.fault(keys, f"{name} stands there twice{_in_profile(above)}", hint="keep one of them")
        if name == "profiles" and not above:
            checked[name] = _checked_profiles(file, key, value)
        elif name in SETTINGS:
            checked[name] = _checked_value(file, keys, value)
        else:
            raise file.fault(
                keys, f"there is no setting {quoted(key)}{_in_profile(above)}", hint=f"known are: {known_names()}"
            )
    if checked.get("api_key", "") != "" and "api_key_command" in checked:
        keys = (*above, *(key for key in table if canonical(key) == "api_key_command"))
        raise file.fault(keys, f"api_key_command stands beside api_key{_in_profile(above)}", hint="keep one of them")
    return checked


def _in_profile(above: tuple[str, ...]) -> str:
    return f" in profile {above[1]}" if above else ""


def _checked_profiles(file: ConfigFile, key: str, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise file.fault([key], f"{key} is {_kind(value)}, not tables", hint="write each as: [profiles.NAME]")
    profiles: dict[str, object] = {}
    for name, table in value.items():
        if not configfile.PROFILE_NAME.fullmatch(name):
            raise file.fault([key, name], f"{quoted(name)} is not a profile's name", hint=PROFILE_RULE)
        if not isinstance(table, dict):
            raise file.fault([key, name], f"the profile {quoted(name)} is {_kind(table)}, not a table")
        profiles[name] = _checked_table(file, table, (key, name))
    return profiles


def _checked_value(file: ConfigFile, keys: tuple[str, ...], value: object) -> object:
    setting = SETTINGS[canonical(keys[-1])]
    if type(value) is not setting.kind:
        example = "123, without quotes" if setting.kind is int else '"TEXT", in quotes'
        raise file.fault(
            keys,
            f"{keys[-1]}{_in_profile(keys[:-1])} is {_kind(value)}, not {_KINDS[setting.kind]}",
            hint=f"write it as: {keys[-1]} = {example}",
        )
    try:
        setting.parse(str(value))
    except ValueError as error:
        raise file.fault(keys, f"{keys[-1]}{_in_profile(keys[:-1])} {error}") from None
    return value


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "a date or a time")
