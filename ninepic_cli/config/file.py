"""The settings file: what it says and on which line, and the text that says something else.

It is written whole and atomically, and never readable by others.
"""

import errno
import os
import re
import shlex
import stat
import tomllib
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from ninepic_cli.config.schema import InvalidValueError, canonical_name, expand_path, option_or_variable
from ninepic_cli.errors import MachineError, NinepicError, SettingsError, unforeseen
from ninepic_cli.filesystem.atomic import stat_or_none, write_atomic
from ninepic_cli.text import IS_POSIX, display_path

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

_SIZE_LIMIT = 64 * 1024
_REASON_LIMIT = 100
_LINE = re.compile(r"[^\n]*\n|[^\n]+")  # the only line end TOML has; str.splitlines knows others
_POSITION = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The text of a settings file, which may hold a key; empty where there is no file."""

    path: Path
    text: str = field(repr=False)

    def table(self) -> dict[str, Any]:
        """What the text says, names as they are spelled there.

        Raises:
            SettingsError: it is not TOML; the message has file and line.
        """
        try:
            return tomllib.loads(self.text)
        except (ValueError, RecursionError) as error:
            raise self._syntax_error(error) from None

    def _syntax_error(self, error: Exception) -> SettingsError:
        if not isinstance(error, tomllib.TOMLDecodeError):  # numbers of thousands of digits, endless nesting
            return SettingsError(f"{display_path(self.path)}: not a settings file", hint="correct it in an editor")
        position = _POSITION.search(str(error))
        line = position[1] if position and position[1] else max(1, len(_LINE.findall(self.text)))
        reason = _POSITION.sub("", str(error))[:_REASON_LIMIT]  # it may repeat a name of any length
        hint = 'correct it in an editor; a line reads: name = 123, or name = "text"'
        return SettingsError(f"{display_path(self.path)}:{line}: not valid TOML: {reason}", hint=hint)

    def error_at(self, keys: Sequence[str], message: str, *, hint: str | None = None) -> SettingsError:
        """An error about the entry to which keys lead as they are spelled: `["profiles", "acme"]`; it has the line."""
        return SettingsError(f"{self.place(keys)}: {message}", hint=hint)

    def place(self, keys: Sequence[str]) -> str:
        """The path, with the line of the entry to which keys lead, where that can be told."""
        line = self._line_of(keys)
        return display_path(self.path) if line is None else f"{display_path(self.path)}:{line}"

    def _line_of(self, keys: Sequence[str]) -> int | None:
        """The line where an entry is complete, counted from 1; None where it cannot be told."""
        # The parser itself is asked, with ever longer heads of the text: it alone knows what a line means.
        for number, line in enumerate(_LINE.finditer(self.text), start=1):
            if keys[-1] in line[0] and _has_entry(_parse(self.text[: line.end()]), keys):
                return number
        return None

    def with_setting(self, name: str, value: str | int | None, *, profile: str | None = None) -> str:
        """The text with a setting changed, or without it where the value is None; the rest of it stays as it is.

        The name has `_`; in the text it may be spelled with `-`. A profile that is not there yet is made.

        Raises:
            SettingsError: it is not TOML, or something that is no table stands in the profile's place.
        """
        import tomlkit  # noqa: PLC0415 (slow to load, and needed by nobody who only reads)

        keys = () if profile is None else ("profiles", profile)
        expected = self.table()
        if value is None and not _has_entry(expected, keys):
            return self.text
        own = expected
        for depth, key in enumerate(keys, start=1):
            own = own.setdefault(key, {})
            if not isinstance(own, dict):
                hint = "write each profile as: [profiles.NAME]"
                raise self.error_at(keys[:depth], f"{key} must be a table", hint=hint)
        _assign(own, name, value)
        with suppress(tomlkit.exceptions.TOMLKitError, ValueError):
            text = _edit(self.text, keys, name, value)
            if _parse(text) == expected:
                return text
        return tomlkit.dumps(expected)  # nested in a way that cannot be edited line by line


def _edit(text: str, keys: Sequence[str], name: str, value: str | int | None) -> str:
    """The text with one setting of a table changed, a table that is not there yet at the end."""
    import tomlkit  # noqa: PLC0415 (as above)

    line_end = "\r\n" if "\r\n" in text else "\n"
    if text and not text.endswith("\n"):
        text += line_end
    if not _has_entry(_parse(text), keys):
        gap = line_end if text and not text.endswith(("\n\n", "\n\r\n")) else ""
        text += f"{gap}[{'.'.join(keys)}]{line_end}"
    document: Any = tomlkit.parse(text)
    table = document
    for key in keys:
        table = table[key]
    container = table.value if isinstance(table, tomlkit.items.Table) else table
    is_new = value is not None and all(canonical_name(key) != name for key in table)
    if is_new and isinstance(container, tomlkit.container.Container):
        item = tomlkit.item(value)
        item.trivia.trail = line_end
        place = _end_of_settings(container.body, is_top=not keys)
        container.body.insert(place, (tomlkit.key(name), item))
    else:
        _assign(table, name, value)
    return tomlkit.dumps(document)


def _end_of_settings(body: Sequence[tuple[Any, Any]], *, is_top: bool) -> int:
    """Below a table's settings: comments further down belong to the next table, where there is one."""
    from tomlkit.items import AoT, Table  # noqa: PLC0415 (as above)

    is_table = [isinstance(item, Table | AoT) for _key, item in body]
    if is_top and not any(is_table):
        return len(body)
    return max((number for number, (key, _item) in enumerate(body, 1) if key and not is_table[number - 1]), default=0)


def _assign(table: MutableMapping[str, Any], name: str, value: str | int | None) -> None:
    """Give a setting a value in the spelling that it has there, or remove it, in all its spellings."""
    first, *others = [key for key in table if canonical_name(key) == name] or [name]
    for key in others if value is not None else [first, *others]:
        table.pop(key, None)
    if value is not None:
        table[first] = value


def _parse(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return None


def _has_entry(table: object, keys: Sequence[str]) -> bool:
    for key in keys:
        if not isinstance(table, dict) or key not in table:
            return False
        table = table[key]
    return True


def find_file(option: str | None, environ: Mapping[str, str]) -> tuple[Path, bool]:
    """The file of `--config`, else of `NINEPIC_CONFIG`, else at the platform's place; and whether it has to exist.

    Raises:
        SettingsError: what was given is not a path; the message names where it was given.
    """
    given = option_or_variable(option, "--config", environ, "NINEPIC_CONFIG")
    if given is None:
        return default_path(), False
    text, source = given
    try:
        return expand_path(text), True
    except InvalidValueError as error:
        subject, origin = ("settings file", source) if option is None else (source, "")
        raise error.to_settings_error(subject, origin) from None


def default_path() -> Path:
    """The platform's place for the settings file; the null device where there is no home folder, as in containers."""
    try:
        path = platformdirs.user_config_path("ninepic", appauthor=False) / "config.toml"
    except RuntimeError:
        return Path(os.devnull)
    return path if path.is_absolute() else Path(os.devnull)  # older platformdirs leave the `~` where it is


def read_file(path: Path, *, must_exist: bool) -> ConfigFile:
    """The settings file as it stands; an empty one where there is none.

    Raises:
        SettingsError: it is missing and must exist, cannot be read, or is not text.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_SIZE_LIMIT + 1)
    except OSError as error:
        is_missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        # A service that may not look into a home folder has no settings there.
        is_hidden = isinstance(error, PermissionError) and not os.path.lexists(path)
        if not must_exist and (is_missing or is_hidden):
            return ConfigFile(path, "")
        if is_missing:
            message = f"settings file {display_path(path)} does not exist"
            raise SettingsError(message, hint="check --config and NINEPIC_CONFIG") from None
        raise _io_error(path, "read", error) from None
    if len(data) > _SIZE_LIMIT:
        raise SettingsError(f"{display_path(path)}: not a settings file: larger than 64 KiB", hint="check the path")
    try:
        return ConfigFile(path, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        message = f"{display_path(path)}:{line}: not valid UTF-8"
        raise SettingsError(message, hint="save it as UTF-8 in an editor") from None


def permission_warning(path: Path) -> str | None:
    """A warning if the file's mode lets others read or write it (it may hold a key), else None."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return None
    if not IS_POSIX or not stat.S_ISREG(mode) or not mode & 0o066:
        return None
    shown = display_path(path)
    return f"permissions {stat.S_IMODE(mode):04o} on {shown} are too open; run: chmod 600 {shlex.quote(shown)}"


def save_settings(path: Path, values: Mapping[str, str | int | None], *, profile: str | None = None) -> None:
    """Set settings of the top level or of a profile in the file, or remove those whose value is None, all at once.

    The file is replaced as a whole and is its owner's alone afterwards; a link stays, what it points to changes.

    Raises:
        SettingsError: the file cannot be read, is not TOML, or cannot be written; it is as it was.
    """
    try:
        target = Path(os.path.realpath(path))
        check_is_file(target)
        _make_private_directories(target.parent)
        if path == default_path():
            with suppress(OSError):  # somebody else's folder; the file itself is private anyway
                path.parent.chmod(0o700)
        with _exclusive(target.parent):
            file = read_file(target, must_exist=False)
            for name, value in values.items():
                file = ConfigFile(target, file.with_setting(name, value, profile=profile))
            write_atomic(target, file.text.encode(), mode=0o600)
    except OSError as error:
        raise _io_error(path, "write", error) from None


def check_is_file(path: Path) -> None:
    """See that nothing but a file stands there: reading a pipe would wait for ever.

    Raises:
        SettingsError: something else does.
    """
    try:
        status = stat_or_none(path)
    except OSError as error:
        raise _io_error(path, "read", error) from None
    if status and not stat.S_ISREG(status.st_mode):
        hint = "choose a file with --config, or set HOME to a directory"
        raise SettingsError(f"cannot write settings to {display_path(path)}: not a regular file", hint=hint)


def _io_error(path: Path, action: str, error: OSError) -> NinepicError:
    if error.errno == errno.ENOENT:
        return unforeseen(error)  # there should be a folder by now
    message = f"cannot {action} settings file {display_path(path)}: {error.strerror or type(error).__name__}"
    if error.errno in _DISK:
        return MachineError(message, hint="check the disk")
    return SettingsError(message, hint="check its permissions, or choose another with --config")


def _make_private_directories(directory: Path) -> None:
    """Make the directories that are missing, each its owner's alone whatever the umask."""
    missing = [above for above in (directory, *directory.parents) if stat_or_none(above) is None]
    for above in reversed(missing):
        above.mkdir(mode=0o700, exist_ok=True)
        above.chmod(0o700)


@contextmanager
def _exclusive(directory: Path) -> Iterator[None]:
    """Keep other changes out, so that of two at once both count; where nothing locks, the last one wins."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError:  # not every system opens directories
        yield
        return
    try:
        if fcntl is not None:
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        with suppress(OSError):  # not every file system can
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
