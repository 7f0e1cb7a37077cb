"""Values on the command line, converted here: the command-line library would load pydantic for that.

Loading it takes longer than all the rest of a start, and what is needed of it is what `int` and `float` do.
"""

import re
from collections.abc import Callable
from functools import partial
from math import isfinite, nan
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import typer

from ninepic_cli.errors import UsageError
from ninepic_cli.text import quoted, time_text

_Converter = Callable[[Any, Any], Any]
_NUMBERS: dict[type, tuple[Callable[[str], float], str]] = {
    int: (int, "expected an integer"),
    float: (float, "expected a number"),
}
TIME = "TIME"  # the metavar of a number that is a length of time
_TIME = re.compile(r"([0-9]{1,12}(?:\.[0-9]{0,9})?|\.[0-9]{1,9}) ?([SMH]?)", re.ASCII | re.IGNORECASE)
_SECONDS = {"": 1, "S": 1, "M": 60, "H": 3600}
_RATE = re.compile(
    r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?(?:([KMGT]?)(?:B|(?<=[KMGT])iB)?|([KMGT]?)bits?)(?:/s)?", re.ASCII | re.IGNORECASE
)
_PREFIXES = " KMGT"
_SLOWEST_BPS = 1024


def parse_time(text: str) -> float:
    """A length of time: a number of seconds, or one with its unit, such as `30s`, `1.5m`, `2h`.

    Returns:
        Seconds.

    Raises:
        ValueError: it is none; its message says what is expected.
    """
    match = _TIME.fullmatch(text.strip())
    if not match:
        raise ValueError("expected seconds or a time like 30s, 1.5m, 2h")
    return float(match[1]) * _SECONDS[match[2].upper()]


def parse_rate(text: str) -> int:
    """Bytes a second, from a number with K, M, G or T: 1024s, as curl has them, but 1000s before `bit`.

    Raises:
        UsageError: it is none, or too small to get anywhere.
    """
    match = _RATE.fullmatch(text.strip())
    if not match:
        words = f"invalid --limit-rate {quoted(text)}: expected a rate like 500K, 1.5M, 1MiB or 10Mbit"
        raise UsageError(words, hint="K, M and G count bytes a second by 1024s, Kbit, Mbit and Gbit bits by 1000s")
    number, prefix, bits_prefix = float(match[1]), match[2], match[3]
    if bits_prefix is None:
        rate = number * 1024 ** _PREFIXES.index(prefix.upper() or " ")
    else:
        rate = number * 1000 ** _PREFIXES.index(bits_prefix.upper() or " ") / 8
    if rate < _SLOWEST_BPS:
        hint = "without a unit it is bytes a second: 500 KiB a second is 500K"
        raise UsageError(f"invalid --limit-rate {quoted(text)}: must be at least 1K (1,024 bytes a second)", hint=hint)
    return int(rate)


def convert_without_pydantic(parameters: list[Any]) -> list[Any]:
    """Let options and arguments convert their values as this module does; returns them."""
    for parameter in parameters:
        if not isinstance(parameter.process_value, partial):
            parameter.process_value = partial(_process_value, parameter, parameter.process_value)
    return parameters


def _process_value(parameter: Any, fallback: _Converter, context: Any, value: Any) -> Any:
    """The value of a parameter; types other than the common ones are left to the library."""
    value_type = _value_type(parameter.type_descriptor.annotation)
    has_callback = parameter.callback is not None and value  # `--help`, where it is given
    if value_type is None or has_callback or (parameter.required and parameter.value_is_missing(value)):
        return fallback(context, value)
    if value is None:
        return () if parameter.multiple or parameter.nargs == -1 else None
    if value_type is float and isinstance(value, str) and parameter.metavar == TIME:
        return _parse_time_value(parameter, context, value)
    if value_type in _NUMBERS and isinstance(value, str):
        return _parse_number(parameter, context, value_type, value)
    if value_type is list:
        return [str(each) for each in value]
    return Path(value) if value_type is Path else value


def _value_type(annotation: Any) -> type | None:
    """The type of value behind an annotation, `None` set aside; None for one that is left to the library."""
    if get_origin(annotation) in {Union, UnionType}:
        types = [each for each in get_args(annotation) if each is not type(None)]
        annotation = types[0] if len(types) == 1 else None
    if annotation == list[str]:
        return list
    return annotation if annotation in {str, bool, int, float, Path} else None


def _parse_number(parameter: Any, context: Any, value_type: type, text: str) -> float:
    """A number within the limits of its option; raises BadParameter where it is none."""
    convert, message = _NUMBERS[value_type]
    info = parameter.type_descriptor.parameter_info
    try:
        number = convert(text)
    except ValueError:
        number = nan
    if isinstance(number, int) or isfinite(number):  # large whole numbers are no floats
        if (info.min is None or number >= info.min) and (info.max is None or number <= info.max):
            return number
        message = f"must be {info.min} or more" if info.max is None else f"must be between {info.min} and {info.max}"
    raise typer.BadParameter(f"{quoted(text)}: {message}", ctx=context, param=parameter)


def _parse_time_value(parameter: Any, context: Any, text: str) -> float:
    """Seconds within the limits of their option; raises UsageError where they are not."""
    info = parameter.type_descriptor.parameter_info
    try:
        seconds = parse_time(text)
        if not info.min <= seconds <= info.max:
            raise ValueError(f"must be between {time_text(info.min)} and {time_text(info.max)}")
    except ValueError as error:
        name, hint = max(parameter.opts, key=len), f"run: {context.command_path} --help"
        raise UsageError(f"invalid {name} {quoted(text)}: {error}", hint=hint) from None
    return seconds
