"""How this program was called, so that the calls that a hint names work where they are read."""

import os
import re
import shlex
import shutil
import subprocess
import sys

_NAME, _MODULE = "ninepic", "ninepic_cli"
_CALL = re.compile(rf"(?<=  ){_NAME} ")


def program_call() -> str:
    """What to type for this program in the current folder: `ninepic`, its path, or `python -m ninepic_cli`."""
    words = sys.orig_argv
    if "-m" in words:
        end = words.index("-m") + 2
        return _join(words[:end]) if words[end - 1 : end] == [_MODULE] else _NAME
    path, found = shutil.which(sys.argv[0]), shutil.which(_NAME)
    is_named = path is not None and os.path.basename(path).lower().partition(".")[0] == _NAME  # noqa: PTH119 (any path)
    if path is None or not is_named or (found is not None and os.path.samefile(path, found)):  # noqa: PTH121
        return _NAME
    return _join([path])


def adapt_calls(text: str) -> str:
    """The text with its calls of `ninepic`, which stand behind two spaces, as they have to be typed."""
    return _CALL.sub(lambda _: f"{program_call()} ", text)


def _join(words: list[str]) -> str:
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
