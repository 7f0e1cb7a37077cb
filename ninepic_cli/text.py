"""Foreign text in messages, and names on the disk, as a person can read them.

Text is shortened, and loses what a terminal would obey. Names on the disk are UTF-8 whatever the locale: Python turns
paths into bytes by the locale's encoding, which may have no `é`, so that the same photo would have another name under
another locale, or none. In a UTF-8 locale, and where names are not bytes (Windows), nothing here changes anything.
"""

import os
import sys
import time
from pathlib import Path

_QUOTED_LIMIT = 60
_IS_UTF8 = sys.getfilesystemencoding() == "utf-8"
IS_POSIX = hasattr(os, "geteuid")  # Windows has neither its users and modes nor its commands


def one_line(text: str, limit: int = 200) -> str:
    """The text as one line that does nothing to a terminal, of at most `limit` characters.

    White space of any kind becomes single spaces; control and direction characters, lone surrogates and the like
    are shown as escapes, so that what an attacker wrote can be seen and not felt.
    """
    line = " ".join(text.split())
    if not line.isprintable():
        line = "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in line)
    return line if len(line) <= limit else line[: limit - 3] + "..."


def encodable(text: str, encoding: str) -> str:
    """The text with what the encoding cannot say shown as escapes, so that its width is known before it is written."""
    return text.encode(encoding, "backslashreplace").decode(encoding)


def pluralize(number: int, noun: str, plural: str | None = None) -> str:
    """The number with its noun: "1 photo", "1,234 photos"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def size_text(size: float) -> str:
    """A number of bytes, in units of 1000: "612.3 MB"."""
    if size < 1000:
        return f"{size:.0f} B"
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 999.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} TB"


def time_text(seconds: float) -> str:
    """A length of time in its two largest units: "0.8 s", "41 s", "3 min 20 s", "2 h 5 min"."""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f}".removesuffix(".0") + " s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes_left = divmod(minutes, 60)
    large, small = (f"{hours} h", f"{minutes_left} min") if hours else (f"{minutes} min", f"{rest} s")
    return large if small.startswith("0 ") else f"{large} {small}"


def utc_text(seconds: float) -> str:
    """A moment, counted from 1970, in UTC: 2026-11-14T09:12:33Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def on_disk(name: str) -> str:
    """The name of a file, put so that its bytes on the disk are UTF-8."""
    return name if _IS_UTF8 or name.isascii() else os.fsdecode(name.encode(errors="surrogateescape"))


def as_text(name: str) -> str:
    """A name as the system gave it (also an argument), as text: by UTF-8, else by the locale."""
    if _IS_UTF8 or name.isascii():
        return name
    try:
        return os.fsencode(name).decode()
    except UnicodeError:
        return name


def path_text(path: os.PathLike[str] | str) -> str:
    """A path as text, each part by itself: the user's own may be in another encoding than ours."""
    text = os.fspath(path)
    return text if _IS_UTF8 or text.isascii() else "/".join(map(as_text, text.split("/")))


def posix_text(text: str, otherwise: str = "") -> str:
    """What a message says of commands that are POSIX's alone, such as `ulimit`, and what it says on Windows."""
    return text if IS_POSIX else otherwise


def system_text(error: BaseException) -> str:
    """The system's words for an error, as they follow a colon: "permission denied"."""
    words = str(getattr(error, "strerror", None) or error)
    return words if words[:2].isupper() or words[1:2].isupper() else words[:1].lower() + words[1:]


def quoted(text: str) -> str:
    """The text as a literal, at most about 60 characters of it."""
    literal = repr(text[:_QUOTED_LIMIT])
    if len(text) <= _QUOTED_LIMIT and len(literal) <= _QUOTED_LIMIT + 2:
        return literal
    return literal[: _QUOTED_LIMIT - 2] + "..." + literal[0]


def display_path(path: Path | str) -> str:
    """The whole path, as a literal where it is empty or has characters that do not print."""
    text = path_text(path)
    return text if text and text.isprintable() else ascii(text)
