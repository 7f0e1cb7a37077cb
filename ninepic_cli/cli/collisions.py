"""Rows of a start list that get in each other's way under `--name`, for people to know before the run. Pure."""

from collections.abc import Iterator

from ninepic_cli.filesystem.template import Naming
from ninepic_cli.inputs.identifiers import Identifiers
from ninepic_cli.models import Method, Photo
from ninepic_cli.text import quoted

_MOST_SHOWN = 5
_MOST_NAMED = 3
_SEVERAL = frozenset({Method.BIB, Method.SELFIE})  # have many photos, which others may have as well
_ANY_PHOTO = "00000000-0000-0000-0000-000000000000"


def collisions(asked: Identifiers, naming: Naming, method: Method) -> list[str]:
    """Which rows get in each other's way: sentences, the first few of them.

    Args:
        asked: with the rows.
        naming: the run's, with the same rows.
        method: how photos are asked for.
    """
    if not naming.template.columns or method not in _SEVERAL:
        return []
    sentences = list(_shared_names(asked, naming, method))
    more = len(sentences) - _MOST_SHOWN
    return [*sentences[:_MOST_SHOWN], *([f"{asked.name}: and {more:,} more like this"] if more > 0 else [])]


def _shared_names(asked: Identifiers, naming: Naming, method: Method) -> Iterator[str]:
    """Places that photos of more than one identifier go to, at least where the file system ignores case."""
    places: dict[str, dict[str, str]] = {}
    for identifier in asked.identifiers:
        for place in _places(naming, identifier, method):
            places.setdefault(place.casefold(), {}).setdefault(identifier, place)
    for identifiers in places.values():
        if len(identifiers) > 1:
            named = [_with_line(asked, each) for each in list(identifiers)[:_MOST_NAMED]]
            more = len(identifiers) - len(named)
            others = [f"{more:,} more"] if more else []
            shown = [quoted(place) for place in dict.fromkeys(identifiers.values())][:_MOST_NAMED]
            same = "the same names" if len(shown) == 1 else "names that differ in case alone"
            yield (
                f"{asked.name}: {_joined([*named, *others])} get {same}, {_joined(shown)}: "
                "put {identifier} into --name to keep them apart"
            )


def _places(naming: Naming, identifier: str, method: Method) -> list[str]:
    """Where a photo goes, its own name (which others have as well) left open: one place for each name of its rows."""
    photo = Photo(_ANY_PHOTO, "", ".jpg", identifier, method, 1)
    return ["/".join(naming.parts(each)).replace(_ANY_PHOTO, "*") for each in naming.per_row(photo)]


def _with_line(asked: Identifiers, identifier: str) -> str:
    line = asked.lines.get(identifier)
    return quoted(identifier) if line is None else f"{quoted(identifier)} (line {line})"


def _joined(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
