"""Rows of a start list whose photos collide under `--name`, for people to know before the run. Pure."""

from collections.abc import Iterator

from ninepic_cli.filesystem.template import Naming
from ninepic_cli.inputs.identifiers import Identifiers
from ninepic_cli.models import Method, Photo
from ninepic_cli.text import quoted

_MAX_SENTENCES = 5
_MAX_NAMES = 3
_METHODS_OF_MANY_PHOTOS = frozenset({Method.BIB, Method.SELFIE})  # have many photos, which others may have as well
_ANY_PHOTO = "00000000-0000-0000-0000-000000000000"


def collisions(identifiers: Identifiers, naming: Naming, method: Method) -> list[str]:
    """Which rows collide under the run's naming, which has the same rows: sentences, the first few of them."""
    if not naming.template.columns or method not in _METHODS_OF_MANY_PHOTOS:
        return []
    sentences = list(_shared_names(identifiers, naming, method))
    more = len(sentences) - _MAX_SENTENCES
    return [*sentences[:_MAX_SENTENCES], *([f"{identifiers.name}: {more:,} more like this"] if more > 0 else [])]


def _shared_names(identifiers: Identifiers, naming: Naming, method: Method) -> Iterator[str]:
    """Places that photos of more than one identifier go to, at least where the file system ignores case."""
    destinations: dict[str, dict[str, str]] = {}
    for identifier in identifiers.identifiers:
        for place in _destinations(naming, identifier, method):
            destinations.setdefault(place.casefold(), {}).setdefault(identifier, place)
    for places in destinations.values():
        if len(places) > 1:
            rows = [_line_reference(identifiers, each) for each in list(places)[:_MAX_NAMES]]
            more = len(places) - len(rows)
            others = [f"{more:,} more"] if more else []
            names = [quoted(place) for place in dict.fromkeys(places.values())][:_MAX_NAMES]
            same = "the same names" if len(names) == 1 else "names that differ only in case"
            yield (
                f"{identifiers.name}: {_join_words([*rows, *others])} get {same}, {_join_words(names)}; "
                "add {identifier} to --name to keep them apart"
            )


def _destinations(naming: Naming, identifier: str, method: Method) -> list[str]:
    """Where a photo goes, its own name (which others have as well) left open: one place for each name of its rows."""
    photo = Photo(_ANY_PHOTO, "", ".jpg", identifier, method, 1)
    return ["/".join(naming.parts(each)).replace(_ANY_PHOTO, "*") for each in naming.per_row(photo)]


def _line_reference(identifiers: Identifiers, identifier: str) -> str:
    line = identifiers.lines.get(identifier)
    return quoted(identifier) if line is None else f"{quoted(identifier)} (line {line})"


def _join_words(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
