"""The settings there are, and what each may be."""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv6Address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from ninepic_cli import normalize
from ninepic_cli.errors import SettingsError
from ninepic_cli.net.proxies import is_loopback
from ninepic_cli.redact import mask_if_key
from ninepic_cli.text import as_text, quoted

DEFAULT_BASE_URL = "https://api.9pic.ai"
MOST_JOBS = 64
PROFILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")  # what needs no quotes in TOML, nor in a shell
PROFILE_RULE = "a profile name has letters from a to z, digits, - and _ only, and does not start with -"
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")
_LONGEST_NUMBER = 18
_WHOLE_NUMBER = re.compile(
    rf"[0-9]{{1,{_LONGEST_NUMBER}}}"
)  # what fits the service's 64 bits; int() takes far more than digits
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")


class InvalidValueError(ValueError):
    """A text that cannot be a setting's value: why not, and the value to show, None for one that may be secret."""

    def __init__(self, reason: str, shown: str | None = None) -> None:
        super().__init__(reason)
        self.shown = shown

    def to_settings_error(self, name: str, source: str = "") -> SettingsError:
        """The error for people, with where the value came from, unless that is the command line."""
        shown = "" if self.shown is None else f" {quoted(self.shown)}"
        origin = f" (from {source})" if source else ""
        return SettingsError(f"invalid {name}{shown}{origin}: {self}")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: how it is given, and what it may be.

    Name and kind are those in the settings file. `convert` makes a value of a text, None where that counts as unset,
    or raises an InvalidValueError.
    """

    name: str
    kind: type[int | str]
    convert: Callable[[str], object]
    option: str | None = None
    variable: str | None = None

    @property
    def display_name(self) -> str:
        """The name as people type it."""
        return self.name.replace("_", "-")

    def parse(self, value: object, source: str = "", *, name: str = "") -> object:
        """The value that the text of another one stands for, or None where it counts as unset.

        Raises:
            SettingsError: it cannot be one; the message has its name (unless told otherwise the setting's, or that of
                the option that is its source) and its source, if that is not the command line.
        """
        try:
            return self.convert(str(value))
        except InvalidValueError as error:
            is_option = source == self.option
            option = source if is_option else ""
            raise error.to_settings_error(name or option or self.display_name, "" if is_option else source) from None

    def to_toml(self, text: str) -> str | int:
        """What the settings file holds for a text that somebody typed.

        Raises:
            SettingsError: the text cannot be the setting's value.
        """
        text = as_text(text)
        try:
            text.encode()
        except UnicodeEncodeError:  # a path of bytes that are no characters
            raise SettingsError(
                f"invalid {self.display_name}: not valid UTF-8, which the settings file needs"
            ) from None
        value = self.parse(text)
        if value is None:
            raise SettingsError(f"invalid {self.display_name}: empty")
        return value if isinstance(value, str | int) else normalize.path(text)  # as it was typed, `~` included


def _convert_whole_number(text: str, highest: int | None = None, *, note: str = "") -> int:
    number = int(text) if _WHOLE_NUMBER.fullmatch(text := normalize.value(text)) else 0
    if number < 1 or (highest is not None and number > highest):
        wanted = "expected a positive integer" if highest is None else f"must be between 1 and {highest}"
        raise InvalidValueError(f"{wanted}{note}", mask_if_key(text))
    return number


def _convert_key(text: str) -> str | None:
    key = normalize.value(text)
    if not key:
        return None
    if not _VISIBLE_ASCII.fullmatch(key):  # as a header it would be refused, by an error that shows it
        raise InvalidValueError("contains a space, a line break or another character that no key has; copy it again")
    return key


def _convert_command(text: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InvalidValueError(f"not a command line: {str(error).lower()}") from None
    if not words:
        raise InvalidValueError("expected a command, not an empty text")
    return text.strip()


def _convert_base_url(text: str) -> str:
    url = normalize.value(text)
    if "@" in url or "?" in url or "#" in url:  # what stands there may be secret: the message does not show it
        raise InvalidValueError("contains a user name, a password, a query or a fragment; use https://HOST/PATH only")
    try:
        parts = urlsplit(url)
        is_valid = bool(_VISIBLE_ASCII.fullmatch(url)) and "\\" not in url and _has_valid_host(parts)
    except ValueError:
        is_valid = False
    if not is_valid or parts.scheme not in {"http", "https"}:
        raise InvalidValueError(f"expected a URL such as {DEFAULT_BASE_URL}", url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise InvalidValueError("refusing to send the API key over plain http; use https", url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


def _has_valid_host(parts: SplitResult) -> bool:
    """Whether the authority is a host and perhaps a port, so that every reader finds the same host in it."""
    host, port = parts.hostname or "", parts.port
    is_address = ":" in host and bool(IPv6Address(host)) and "%" not in host
    authority = (f"[{host}]" if is_address else host) + ("" if port is None else f":{port}")
    return authority == parts.netloc.lower() and port != 0 and (is_address or bool(_HOST_NAME.fullmatch(host)))


def expand_path(text: str) -> Path:
    """A path with its `~` expanded, without the quotes and line ends that variables files leave around it.

    Raises:
        InvalidValueError: it is not a path.
    """
    text = normalize.path(text)
    if not text.strip():
        raise InvalidValueError("expected a path, not an empty text")
    if "\0" in text:
        raise InvalidValueError("contains a NUL character, which no path can have", text)
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise InvalidValueError("unknown home directory; use an absolute path", text) from None


SETTINGS: Mapping[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting("api_key", str, _convert_key, variable="NINEPIC_API_KEY"),
        Setting("org_id", int, _convert_whole_number, option="--org", variable="NINEPIC_ORG_ID"),
        Setting(
            "event_id",
            int,
            partial(_convert_whole_number, note=" (see `ninepic events`)"),
            option="--event",
            variable="NINEPIC_EVENT_ID",
        ),
        Setting("base_url", str, _convert_base_url, variable="NINEPIC_BASE_URL"),
        Setting("output", str, expand_path, option="--output", variable="NINEPIC_OUTPUT"),
        Setting(
            "jobs", int, partial(_convert_whole_number, highest=MOST_JOBS), option="--jobs", variable="NINEPIC_JOBS"
        ),
        Setting("api_key_command", str, _convert_command),
    )
}


def canonical_name(name: str) -> str:
    """The one spelling of a setting's name: `api-key` and `api_key` are the same."""
    return name.replace("-", "_")


def find_setting(name: str) -> Setting:
    """The setting of that name, with `_` or `-`.

    Raises:
        SettingsError: there is none; the hint lists them.
    """
    setting = SETTINGS.get(canonical_name(name))
    if setting:
        return setting
    before, equals, _ = name.partition("=")  # what stands behind it may be the key
    hint = f"valid settings: {format_setting_names()}"
    if equals and (meant := SETTINGS.get(canonical_name(before))):
        value = "" if meant.name == "api_key" else " VALUE"
        hint = f"run: ninepic config set {meant.display_name}{value}"
    raise SettingsError(f"unknown setting {quoted(mask_if_key(before) + equals)}", hint=hint)


def format_setting_names() -> str:
    """The settings' names, for messages."""
    return ", ".join(setting.display_name for setting in SETTINGS.values())


def variable_value(environ: Mapping[str, str], name: str) -> str | None:
    """What a variable says, None where it is not set or counts as unset, because it is blank."""
    text = environ.get(name, "")
    return text if normalize.value(text) else None


def option_or_variable(
    value: str | None, option: str, environ: Mapping[str, str], variable: str
) -> tuple[str, str] | None:
    """What an option says, else a variable, with the name of the one that says it; None where neither does."""
    if value is not None:
        return value, option
    text = variable_value(environ, variable)
    return None if text is None else (text, variable)


def profile_name(option: str | None, environ: Mapping[str, str]) -> str | None:
    """The profile that `--profile` names, else the one that `NINEPIC_PROFILE` names, if any.

    Raises:
        SettingsError: it is not the name of a profile.
    """
    given = option_or_variable(option, "--profile", environ, "NINEPIC_PROFILE")
    if given is None:
        return None
    text, source = given
    name = text if option is not None else normalize.value(text)
    if not PROFILE_NAME.fullmatch(name):
        subject, origin = ("profile", f" (from {source})") if option is None else (source, "")
        raise SettingsError(f"invalid {subject} {quoted(name)}{origin}", hint=PROFILE_RULE)
    return name
