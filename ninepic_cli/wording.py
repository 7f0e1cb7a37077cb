"""Numbers and codes of a run, in the words that people are told."""

import math

from ninepic_cli.plain import time_text
from ninepic_cli.tally import Tally

LINE_LIMIT = 1000  # characters of a line


def count_text(tally: Tally) -> str:
    """How far the run is; "+" where more photos may come to light."""
    if not tally.total and not tally.is_listed:
        return "looking for photos"
    more = "" if tally.is_counted else "+"
    return f"{tally.done:,} of {tally.total:,}{more} photo{'' if tally.total == 1 and not more else 's'}"


def left_text(seconds: float) -> str:
    """An estimate of the time left, no finer than it can be."""
    if seconds < 60:
        return f"{time_text(math.ceil(seconds))} left"
    step = 10 if seconds < 600 else 60
    return f"{time_text(round(seconds / step) * step)} left"


def pause_text(host: str, code: str, wait_s: float) -> str:
    """What a pause is told as."""
    return f"{host} asked for patience ({reason_text(code)}): waiting {time_text(math.ceil(wait_s))}"


def reason_text(code: str) -> str:
    """An error's code in words: "HTTP 503", "wrong range"."""
    return code.replace("_", " ").replace("http", "HTTP")
