"""The settings file: what it says and on which line, and the text that says something else.

It is written whole and atomically, and never readable by others.
"""

import errno
import os
import re
import shlex
import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs
import tomli_w

from ninepic_cli import normalize
from ninepic_cli.errors import MachineError, NinepicError, SettingsError, unforeseen
from ninepic_cli.filesystem.atomic import stat_or_none, write_atomic
from ninepic_cli.text import display_path

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]


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
            return SettingsError(f"{display_path(self.path)} is not a settings file", hint="correct it in an editor")
        place = _PLACE.search(str(error))
        line = place[1] if place and place[1] else max(1, len(_LINE.findall(self.text)))
        reason = _PLACE.sub("", str(error))[:_REASON_LIMIT]  # it may repeat a name of any length
        return SettingsError(
            f"{display_path(self.path)}:{line}: not valid TOML: {reason}",
            hint='correct it in an editor; a line reads: name = 123, or name = "text"',
        )

    def fault(self, keys: Sequence[str], message: str, *, hint: str | None = None) -> SettingsError:
        """An error about one entry, with file and line."""
        line = self.line_of(keys)
        place = display_path(self.path) if line is None else f"{display_path(self.path)}:{line}"
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


SIZE_LIMIT = 64 * 1024
PROFILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")  # what needs no quotes in TOML, nor in a shell
_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG})


def config_path(option: str | None, environ: Mapping[str, str]) -> Path:
    """The settings file: `--config`, else `NINEPIC_CONFIG`, else the platform's place for it.

    Raises:
        SettingsError: what was given is not a path; the message names where it was given.
    """
    named = environ.get("NINEPIC_CONFIG", "")
    if option is None and not normalize.value(named):
        return default_path()
    try:
        return expanded(named if option is None else option)
    except ValueError as error:
        raise SettingsError(f"{'NINEPIC_CONFIG' if option is None else '--config'} {error}") from None


def is_named(option: str | None, environ: Mapping[str, str]) -> bool:
    """Whether the user named the settings file, so that it has to exist."""
    return option is not None or bool(normalize.value(environ.get("NINEPIC_CONFIG", "")))


def default_path() -> Path:
    """The platform's place for the settings file; the null device where there is no home folder.

    Users without one are common in containers, where all settings come from the environment.
    """
    try:
        path = platformdirs.user_config_path("ninepic", appauthor=False) / "config.toml"
    except RuntimeError:
        return Path(os.devnull)
    return path if path.is_absolute() else Path(os.devnull)  # older platformdirs leave the `~` where it is


def expanded(text: str) -> Path:
    """A path with its `~` expanded, without the quotes and line ends that variables files leave around it.

    Raises:
        ValueError: it is not a path; the text continues a sentence about where it came from.
    """
    text = normalize.path(text)
    if not text.strip():
        raise ValueError("is empty, not a path")
    if "\0" in text:
        raise ValueError("has a NUL character in it, which no path can have")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError("starts with a home folder that cannot be found; write the whole path") from None


def read(path: Path, *, must_exist: bool) -> ConfigFile:
    """The settings file as it stands; an empty one where there is none.

    Raises:
        SettingsError: it is missing and must exist, cannot be read, or is not text.
    """
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError):
        if must_exist:
            raise SettingsError(
                f"the settings file {display_path(path)} does not exist", hint="check --config and NINEPIC_CONFIG"
            ) from None
        return ConfigFile(path, "")
    except OSError as error:
        if isinstance(error, PermissionError) and not must_exist and not _is_visible(path):
            return ConfigFile(path, "")  # a service that may not look into a home folder has no settings there
        raise _trouble(path, "read", error) from None
    if len(data) > SIZE_LIMIT:
        raise SettingsError(f"{display_path(path)} is larger than 64 KiB: not a settings file", hint="check the path")
    return ConfigFile(path, _text(path, data))


def _is_visible(path: Path) -> bool:
    try:
        path.lstat()
    except OSError:
        return False
    return True


def _text(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SettingsError(
            f"{display_path(path)}:{line}: not UTF-8 text", hint="save it as UTF-8 in an editor"
        ) from None


def exposure(path: Path) -> str | None:
    """A warning if others can read the settings file (which may hold a key), else None."""
    if not others_can_read(path):
        return None
    return f"others can read or change the settings file; run: chmod 600 {shlex.quote(display_path(path))}"


def others_can_read(path: Path) -> bool:
    """Whether the file's mode lets its group or everybody read or write it; always False where modes mean nothing."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return os.name == "posix" and stat.S_ISREG(mode) and bool(mode & 0o066)


def change(path: Path, name: str, value: str | int | None, *, profile: str | None = None) -> None:
    """Set one setting in the file, or remove it where the value is None: see `change_all`."""
    change_all(path, {name: value}, profile=profile)


def change_all(path: Path, values: Mapping[str, str | int | None], *, profile: str | None = None) -> None:
    """Set settings of the top level or of a profile in the file, or remove those whose value is None, all at once.

    The file is replaced as a whole and is its owner's alone afterwards; a link stays, what it points to changes.

    Raises:
        SettingsError: the file cannot be read, is not TOML, or cannot be written; it is as it was.
    """
    try:
        target = Path(os.path.realpath(path))
        check_place(target)
        _make_private(target.parent)
        if path == default_path():
            with suppress(OSError):  # somebody else's folder; the file itself is private anyway
                path.parent.chmod(0o700)
        with _locked(target.parent):
            file = read(target, must_exist=False)
            for name, value in values.items():
                file = ConfigFile(target, file.edited(name, value, profile=profile))
            write_atomic(target, file.text.encode(), mode=0o600)
            _flush_folder(target.parent)
    except OSError as error:
        raise _trouble(path, "written", error) from None


def check_place(path: Path) -> None:
    """See that nothing but a file stands there: reading a pipe would wait for ever.

    Raises:
        SettingsError: something else does.
    """
    try:
        status = stat_or_none(path)
    except OSError as error:
        raise _trouble(path, "read", error) from None
    if status and not stat.S_ISREG(status.st_mode):
        raise _no_place(path)


def _no_place(path: Path) -> SettingsError:
    return SettingsError(
        f"settings cannot be written to {display_path(path)}", hint="name a file with --config, or set HOME to a folder"
    )


def _trouble(path: Path, done: str, error: OSError) -> NinepicError:
    reason = error.strerror or type(error).__name__
    if error.errno == errno.ENOENT:
        return unforeseen(error)  # there should be a folder by now
    if error.errno in _DISK:
        return MachineError(f"the settings file {display_path(path)} cannot be {done}: {reason}", hint="check the disk")
    return SettingsError(
        f"the settings file {display_path(path)} cannot be {done}: {reason}",
        hint="check its permissions, or name another one with --config",
    )


def _make_private(folder: Path) -> None:
    """Make the folders that are missing, each its owner's alone whatever the umask."""
    missing = [above for above in (folder, *folder.parents) if stat_or_none(above) is None]
    for above in reversed(missing):
        above.mkdir(mode=0o700, exist_ok=True)
        above.chmod(0o700)


def _flush_folder(folder: Path) -> None:
    with suppress(OSError), _descriptor(folder) as descriptor:  # not every file system can
        os.fsync(descriptor)


@contextmanager
def _descriptor(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other changes out, so that of two at once both count; where nothing locks, the last one wins."""
    with ExitStack() as stack:
        with suppress(OSError):
            _lock(stack.enter_context(_descriptor(folder)))
        yield


def _lock(descriptor: int) -> None:
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
