"""The settings file: where it is, who may read it, and replacing it without ever losing a setting."""

import errno
import os
import re
import shlex
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import platformdirs

from ninepic_cli import normalize
from ninepic_cli.configtext import ConfigFile
from ninepic_cli.errors import MachineError, NinepicError, SettingsError, unforeseen
from ninepic_cli.quoting import shown
from ninepic_cli.whole import replace_file, status_of

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

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
                f"the settings file {shown(path)} does not exist", hint="check --config and NINEPIC_CONFIG"
            ) from None
        return ConfigFile(path, "")
    except OSError as error:
        if isinstance(error, PermissionError) and not must_exist and not _is_visible(path):
            return ConfigFile(path, "")  # a service that may not look into a home folder has no settings there
        raise _trouble(path, "read", error) from None
    if len(data) > SIZE_LIMIT:
        raise SettingsError(f"{shown(path)} is larger than 64 KiB: not a settings file", hint="check the path")
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
        raise SettingsError(f"{shown(path)}:{line}: not UTF-8 text", hint="save it as UTF-8 in an editor") from None


def exposure(path: Path) -> str | None:
    """A warning if others can read the settings file (which may hold a key), else None."""
    if not others_can_read(path):
        return None
    return f"others can read or change the settings file; run: chmod 600 {shlex.quote(shown(path))}"


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
            replace_file(target, file.text.encode(), mode=0o600)
            _flush_folder(target.parent)
    except OSError as error:
        raise _trouble(path, "written", error) from None


def check_place(path: Path) -> None:
    """See that nothing but a file stands there: reading a pipe would wait for ever.

    Raises:
        SettingsError: something else does.
    """
    try:
        status = status_of(path)
    except OSError as error:
        raise _trouble(path, "read", error) from None
    if status and not stat.S_ISREG(status.st_mode):
        raise _no_place(path)


def _no_place(path: Path) -> SettingsError:
    return SettingsError(
        f"settings cannot be written to {shown(path)}", hint="name a file with --config, or set HOME to a folder"
    )


def _trouble(path: Path, done: str, error: OSError) -> NinepicError:
    reason = error.strerror or type(error).__name__
    if error.errno == errno.ENOENT:
        return unforeseen(error)  # there should be a folder by now
    if error.errno in _DISK:
        return MachineError(f"the settings file {shown(path)} cannot be {done}: {reason}", hint="check the disk")
    return SettingsError(
        f"the settings file {shown(path)} cannot be {done}: {reason}",
        hint="check its permissions, or name another one with --config",
    )


def _make_private(folder: Path) -> None:
    """Make the folders that are missing, each its owner's alone whatever the umask."""
    missing = [above for above in (folder, *folder.parents) if status_of(above) is None]
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
