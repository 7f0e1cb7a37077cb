"""The text of a settings file: what it says, on which line, and the text that says something else. No I/O."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tomli_w

from ninepic_cli.errors import SettingsError
from ninepic_cli.quoting import shown

_REASON_LIMIT = 100
_LINE = re.compile(r"[^\n]*\n|[^\n]+")  # the only line end TOML has; str.splitlines knows others
_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The text of a settings file, which may hold a key.

    Attributes:
        path: for messages.
        text: empty where there is no file.
    """

    path: Path
    text: str = field(repr=False)

    def table(self) -> dict[str, object]:
        """What the text says, names as they are spelled there.

        Raises:
            SettingsError: it is not TOML; the message has file and line.
        """
        try:
            return tomllib.loads(self.text)
        except (ValueError, RecursionError) as error:
            raise self._not_toml(error) from None

    def _not_toml(self, error: Exception) -> SettingsError:
        if not isinstance(error, tomllib.TOMLDecodeError):  # numbers of thousands of digits, endless nesting
            return SettingsError(f"{shown(self.path)} is not a settings file", hint="correct it in an editor")
        place = _PLACE.search(str(error))
        line = place[1] if place and place[1] else max(1, len(_LINE.findall(self.text)))
        reason = _PLACE.sub("", str(error))[:_REASON_LIMIT]  # it may repeat a name of any length
        return SettingsError(
            f"{shown(self.path)}:{line}: not valid TOML: {reason}",
            hint='correct it in an editor; a line reads: name = 123, or name = "text"',
        )

    def fault(self, keys: Sequence[str], message: str, *, hint: str | None = None) -> SettingsError:
        """An error about one entry, with file and line."""
        line = self.line_of(keys)
        place = shown(self.path) if line is None else f"{shown(self.path)}:{line}"
        return SettingsError(f"{place}: {message}", hint=hint)

    def line_of(self, keys: Sequence[str]) -> int | None:
        """The line where an entry is complete, counted from 1; None where it cannot be told.

        Args:
            keys: the way to it from the top, spelled as in the text: `["profiles", "acme", "jobs"]`.
        """
        # The parser itself is asked, with ever longer heads of the text: it alone knows what a line means.
        lines = _LINE.findall(self.text)
        for number, line in enumerate(lines, start=1):
            if keys[-1] in line and _holds("".join(lines[:number]), keys):
                return number
        return None

    def edited(self, name: str, value: str | int | None, *, profile: str | None = None) -> str:
        """The text with a setting changed, or without it where the value is None.

        Comments and order stay where the setting has a line of its own or is new; else the text is written anew.

        Args:
            name: with `_`.
            value: what the setting is to be.
            profile: whose setting it is, None for the top level; a profile that is not there yet is made.

        Raises:
            SettingsError: it is not TOML, or something that is no table stands in the profile's place.
        """
        table, above = self.table(), _above(profile)
        own = self._own(table, above)
        if own is None and value is None:
            return self.text
        wanted: dict[str, object] = {key: kept for key, kept in (own or {}).items() if canonical(key) != name}
        if value is not None:
            wanted[name] = value
        by_line = self._edited_by_line(own, name, value, above)
        whole = _replaced(table, above, wanted)
        return by_line if _parsed(by_line) == whole else tomli_w.dumps(whole)

    def _own(self, table: Mapping[str, object], above: Sequence[str]) -> Mapping[str, object] | None:
        """The table that lies there; None where there is none."""
        for depth, key in enumerate(above, start=1):
            if key not in table:
                return None
            inner = table[key]
            if not isinstance(inner, dict):
                raise self.fault(above[:depth], f"{key} is not a table", hint="write each profile as: [profiles.NAME]")
            table = inner
        return table

    def _edited_by_line(
        self, own: Mapping[str, object] | None, name: str, value: str | int | None, above: Sequence[str]
    ) -> str:
        lines = _LINE.findall(self.text)
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        new = [] if value is None else [tomli_w.dumps({name: value})]
        if own is None:
            space = ["\n"] if lines and lines[-1].strip() else []
            return "".join([*lines, *space, f"[{'.'.join(above)}]\n", *new])
        spelled = next((key for key in own if canonical(key) == name), None)
        line = self.line_of([*above, spelled]) if spelled is not None else None
        if line is not None:
            lines[line - 1 : line] = new
        else:
            after = self._last_line_of(own, above)
            lines[after:after] = new
        return "".join(lines)

    def _last_line_of(self, own: Mapping[str, object], above: Sequence[str]) -> int:
        """After how many lines a new setting goes: below its like, above the tables, else at the end."""
        if not above and not any(isinstance(value, dict | list) for value in own.values()):
            return len(_LINE.findall(self.text))
        head = (self.line_of(above) or 0) if above else 0
        plain = (key for key, value in own.items() if not isinstance(value, dict))
        return max((self.line_of([*above, key]) or 0 for key in plain), default=head)


def _above(profile: str | None) -> tuple[str, ...]:
    return () if profile is None else ("profiles", profile)


def _replaced(table: Mapping[str, object], above: Sequence[str], own: Mapping[str, object]) -> dict[str, object]:
    """The table with another one in that place."""
    if not above:
        return dict(own)
    inner = table.get(above[0], {})
    return {**table, above[0]: _replaced(inner if isinstance(inner, dict) else {}, above[1:], own)}


def canonical(name: str) -> str:
    """The one spelling of a setting's name: `api-key` and `api_key` are the same."""
    return name.replace("-", "_")


def _parsed(text: str) -> dict[str, object] | None:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return None


def _holds(text: str, keys: Sequence[str]) -> bool:
    value: object = _parsed(text)
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True
