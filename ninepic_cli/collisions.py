"""Rows of a start list that get in each other's way under `--name`, for people to know before the run. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from ninepic_cli.lists import Asked
from ninepic_cli.naming import Naming
from ninepic_cli.photo import Method, Photo
from ninepic_cli.quoting import quoted

_MOST_SHOWN = 5
_MOST_NAMED = 3
_SEVERAL = frozenset({Method.BIB, Method.SELFIE})  # have many photos, which others may have as well
_ANY_PHOTO = "00000000-0000-0000-0000-000000000000"


def collisions(asked: Asked, naming: Naming, method: Method) -> list[str]:
    """What rows lose by others: sentences, the first few of each kind.

    Args:
        asked: with the rows.
        naming: the run's, with the same rows.
        method: how photos are asked for.
    """
    if not naming.template.columns:
        return []
    kinds = [list(_second_names(asked, naming, method))]
    if method in _SEVERAL:
        kinds.append(list(_shared_names(asked, naming, method)))
    told = []
    for sentences in kinds:
        more = len(sentences) - _MOST_SHOWN
        told += [*sentences[:_MOST_SHOWN], *([f"{asked.name}: and {more:,} more like this"] if more > 0 else [])]
    return told


def _second_names(asked: Asked, naming: Naming, method: Method) -> Iterator[str]:
    """Identifiers that stand on two rows, of which the second would name their photos otherwise."""
    wanted = set(asked.identifiers)
    for identifier, row in asked.repeats:
        if identifier not in wanted:
            continue
        first, second = (_place(naming, rows, identifier, method) for rows in (asked.rows, {identifier: row.cells}))
        if first != second:
            yield (
                f"{asked.name}, line {row.line}: {quoted(identifier)} is on line {asked.lines[identifier]} already, "
                f"under another name: nothing goes to {quoted(second)}, all to {quoted(first)}"
            )


def _shared_names(asked: Asked, naming: Naming, method: Method) -> Iterator[str]:
    """Places that photos of more than one identifier go to."""
    places: dict[str, list[str]] = {}
    for identifier in asked.identifiers:
        places.setdefault(_place(naming, asked.rows, identifier, method), []).append(identifier)
    for place, identifiers in places.items():
        if len(identifiers) > 1:
            named = [_with_line(asked, each) for each in identifiers[:_MOST_NAMED]]
            more = len(identifiers) - len(named)
            others = [f"{more:,} more"] if more else []
            yield (
                f"{asked.name}: {_joined([*named, *others])} get the same names, {quoted(place)}: "
                "put {identifier} into --name to keep them apart"
            )


def _place(naming: Naming, rows: Mapping[str, Mapping[str, str]], identifier: str, method: Method) -> str:
    """Where a photo goes, its own name (which others have as well) left open."""
    photo = Photo(_ANY_PHOTO, "", ".jpg", identifier, method, 1)
    return "/".join(replace(naming, rows=rows).parts(photo)).replace(_ANY_PHOTO, "*")


def _with_line(asked: Asked, identifier: str) -> str:
    line = asked.lines.get(identifier)
    return quoted(identifier) if line is None else f"{quoted(identifier)} (line {line})"


def _joined(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"
