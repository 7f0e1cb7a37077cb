"""Values on the command line, converted here: the command-line library would load pydantic for that.

Loading it takes longer than all the rest of a start, and what is needed of it is what `int` and `float` do.
"""

from collections.abc import Callable
from functools import partial
from math import isfinite
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import typer

_Process = Callable[[Any, Any], Any]
_NUMBERS: dict[type, tuple[Callable[[str], float], str]] = {
    int: (int, "not a whole number"),
    float: (float, "not a number"),
}


def lighten(parameters: list[Any]) -> list[Any]:
    """The options and arguments, which convert their values as this module does from now on."""
    for parameter in parameters:
        if not isinstance(parameter.process_value, partial):
            parameter.process_value = partial(_processed, parameter, parameter.process_value)
    return parameters


def _processed(parameter: Any, usual: _Process, context: Any, value: Any) -> Any:
    """The value of a parameter; what is not one of the usual kinds is left to the library."""
    kind = _kind(parameter.type_descriptor.annotation)
    is_called = parameter.callback is not None and value  # `--help`, where it is given
    if kind is None or is_called or (parameter.required and parameter.value_is_missing(value)):
        return usual(context, value)
    if value is None:
        return () if parameter.multiple or parameter.nargs == -1 else None
    if kind in _NUMBERS and isinstance(value, str):
        return _number(parameter, context, kind, value)
    if kind is list:
        return [str(each) for each in value]
    return Path(value) if kind is Path else value


def _kind(annotation: Any) -> type | None:
    """The kind of value behind an annotation, `None` set aside."""
    if get_origin(annotation) in {Union, UnionType}:
        kinds = [each for each in get_args(annotation) if each is not type(None)]
        annotation = kinds[0] if len(kinds) == 1 else None
    if annotation == list[str]:
        return list
    return annotation if annotation in {str, bool, int, float, Path} else None


def _number(parameter: Any, context: Any, kind: type, text: str) -> float:
    convert, words = _NUMBERS[kind]
    limits = parameter.type_descriptor.parameter_info
    try:
        number = convert(text)
    except ValueError:
        raise typer.BadParameter(words, ctx=context, param=parameter) from None
    if isinstance(number, float) and not isfinite(number):  # large whole numbers are no floats
        raise typer.BadParameter(words, ctx=context, param=parameter)
    if limits.min is not None and number < limits.min:
        raise typer.BadParameter(f"must be {limits.min} or more", ctx=context, param=parameter)
    if limits.max is not None and number > limits.max:
        raise typer.BadParameter(f"must be {limits.max} or less", ctx=context, param=parameter)
    return number
