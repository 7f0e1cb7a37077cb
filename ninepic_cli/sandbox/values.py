"""The values of a fault plan's fields: each function takes one as JSON has it, and returns it as `Fault` wants it.

Each raises a ValueError that says what the value must be.
"""

from __future__ import annotations

import json
import math
import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


LARGEST = 2**53  # what every JSON library can hold
LONGEST_S = 86_400
FASTEST_BPS = 10**9


def flag(value: Any) -> bool:
    """Yes or no."""
    if not isinstance(value, bool):
        raise _wrong("true or false", value)
    return value


def text(value: Any) -> str:
    """Any text."""
    if not isinstance(value, str):
        raise _wrong("text in quotes", value)
    # Half a character cannot be sent.
    return value.encode("utf-8", "replace").decode()


def server(value: Any) -> str:
    """Which of the two servers."""
    if value not in ("api", "store"):
        raise _wrong('"api" or "store"', value)
    return str(value)


def method(value: Any) -> str:
    """The verb."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Z]+", value):
        raise _wrong('a verb in capitals, such as "GET"', value)
    return value


def whole(least: int, most: int = LARGEST) -> Callable[[Any], int]:
    """What reads a whole number within bounds."""
    bounds = f"from {least} to {most}" if most < LARGEST else f"from {least} on"

    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise _wrong(f"a whole number {bounds}", value)
        return value

    return read


def number(least: float, most: float) -> Callable[[Any], float]:
    """What reads a number within bounds."""

    def read(value: Any) -> float:
        # What is not a number (NaN) is not between any two.
        if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
            raise _wrong(f"a number from {least} to {most}", value)
        return value

    return read


def amount(value: Any) -> int | float:
    """Bytes, or a share of the body."""
    if isinstance(value, float) and math.isfinite(value) and 0 <= value <= 1:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST:
        return value
    raise _wrong("a whole number of bytes, or a share from 0.0 to 1.0 (with a point)", value)


def nth(value: Any) -> int | range:
    """Which of the requests."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST:
        return value
    found = re.fullmatch(r"([0-9]{1,15})-([0-9]{1,15})?", value) if isinstance(value, str) else None
    if found:
        first, last = int(found[1]), int(found[2] or sys.maxsize - 1)
        if 1 <= first <= last:
            return range(first, last + 1)
    raise _wrong('a whole number from 1 on, or a range such as "3-7" or "3-"', value)


def headers(value: Any) -> dict[str, str]:
    """Header fields."""
    if not isinstance(value, dict):
        raise _wrong('an object such as {"Retry-After": "3"}', value)
    twice = getattr(value, "twice", None)
    if twice is not None:
        raise ValueError(f"{shown(twice)} stands there twice")
    for name, content in value.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise ValueError(f"{shown(name)} is not the name of a header field")
        if name.lower() in {"content-length", "transfer-encoding"}:
            raise ValueError(f'{name} belongs to the framing: use "announce_length" or "without_length"')
        if not isinstance(content, str) or not re.fullmatch(r"[\t\x20-\x7e\xa0-\xff]*", content):
            raise ValueError(f"{name} must be text in quotes, of one line and in Latin-1, not {shown(content)}")
    return dict(value)


def url(value: Any) -> str:
    """What a Location header may hold."""
    if not isinstance(value, str) or not re.fullmatch(r"[\x21-\x7e]+", value):
        raise _wrong("a URL, percent-encoded", value)
    return value


def _wrong(wanted: str, value: object) -> ValueError:
    return ValueError(f"must be {wanted}, not {shown(value)}")


def shown(value: object) -> str:
    """A value as JSON has it, shortened for an error."""
    encoded = json.dumps(value)
    return encoded if len(encoded) <= 60 else f"{encoded[:57]}..."
