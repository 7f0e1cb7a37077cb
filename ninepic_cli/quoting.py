"""Foreign text in messages: shortened, and without characters that a terminal would obey."""

from pathlib import Path

from ninepic_cli.paths import path_text

SHOWN_LIMIT = 60


def quoted(text: str) -> str:
    """The text as a literal, at most about 60 characters of it."""
    literal = repr(text[:SHOWN_LIMIT])
    if len(text) <= SHOWN_LIMIT and len(literal) <= SHOWN_LIMIT + 2:
        return literal
    return literal[: SHOWN_LIMIT - 2] + "..." + literal[0]


def shown(path: Path | str) -> str:
    """The whole path, as a literal where it is empty or has characters that do not print."""
    text = path_text(path)
    return text if text and text.isprintable() else ascii(text)
