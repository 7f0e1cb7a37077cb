"""Names between text and the disk, where they are UTF-8 whatever the locale.

Python turns paths into bytes by the locale's encoding, which may have no `é`: the same photo would have another name
under another locale, or none. In a UTF-8 locale, and where names are not bytes (Windows), nothing here changes
anything.
"""

import os
import sys

_IS_UTF8 = sys.getfilesystemencoding() == "utf-8"


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
