"""`--failed-to`: the list of what is to be asked for again, in the form that `read_identifiers` reads."""

from collections.abc import Sequence

from ninepic_cli.errors import UsageError
from ninepic_cli.inputs.decoding import MARKUP
from ninepic_cli.inputs.identifiers import LINE_LIMIT, PHOTO_METHODS, Identifiers, has_invisible, has_link, image_id
from ninepic_cli.inputs.start_list import SEPARATORS, table_text
from ninepic_cli.models import Method
from ninepic_cli.normalize import identifier as clean
from ninepic_cli.text import quoted


def check_rereadable(asked: Identifiers, encoding: str | None, method: Method | None = None) -> None:
    """See that each identifier can stand in a file that `read_identifiers` reads with that encoding.

    Raises:
        UsageError: one cannot: it would be taken for a comment or for a row of a table, or the encoding lacks it.
    """
    for identifier in asked.identifiers:
        try:
            identifier.encode(encoding or "utf-8")
        except UnicodeEncodeError:
            hint = f"--encoding {encoding} cannot encode it; save the list as UTF-8"
        else:
            if asked.columns or is_rereadable(identifier, method):
                continue
            hint = "request it without --failed-to"
        raise UsageError(f"{quoted(identifier)} cannot be read back from the --failed-to file", hint=hint)


def list_data(identifiers: Sequence[str], encoding: str | None = None) -> bytes:
    """A file that `read_identifiers` reads these from with that encoding, one a line."""
    return "".join(f"{identifier}\n" for identifier in identifiers).encode(encoding or "utf-8")


def table_data(asked: Identifiers, encoding: str | None, identifiers: Sequence[str]) -> bytes:
    """A start list like the one that was read, with the rows of these identifiers; empty without any."""
    if not identifiers:
        return b""
    repeats = asked.more_rows
    rows = (
        {asked.column: identifier, **cells}
        for identifier in identifiers
        for cells in (asked.rows.get(identifier, {}), *repeats.get(identifier, ()))
    )
    return table_text(asked.columns, rows).encode(encoding or "utf-8")


def is_rereadable(identifier: str, method: Method | None = Method.IMAGES) -> bool:
    """Whether `read_identifiers` would read it as it is from a line of its own."""
    is_clean = identifier == clean(identifier) and not has_link(identifier) and not has_invisible(identifier)
    is_id = method not in PHOTO_METHODS or identifier == image_id(identifier)
    is_short = 0 < len(identifier) <= LINE_LIMIT
    is_plain = not identifier.startswith("#") and not identifier.lower().startswith(MARKUP)
    return is_clean and is_id and is_short and is_plain and not any(map(identifier.count, SEPARATORS))
