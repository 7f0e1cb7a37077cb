"""`--name`: what photos are called below the target folder. Pure.

A template's own slashes make folders; values never do. Whatever the values are, the result stays below the target
folder, is valid on every platform, and tells photos apart, because the template must name something that does.
"""

import hashlib
import re
import string
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ninepic_cli.errors import UsageError
from ninepic_cli.filesystem.filenames import (
    FORBIDDEN,
    MAX_BYTES,
    escape_reserved,
    folder_name,
    id_name,
    is_invisible,
    photo_name,
    sanitize,
    split_extension,
    truncate,
)
from ninepic_cli.models import Method, Photo
from ninepic_cli.normalize import column_key
from ninepic_cli.text import quoted

FIELDS: Mapping[str, str | int] = {
    "filename": "a.jpg",
    "stem": "a",
    "ext": ".jpg",
    "image_id": "a",
    "identifier": "a",
    "method": "bib",
    "event": 1,
    "index": 1,
}
_TELLING_APART = ("filename", "stem", "image_id")
_HASH_LENGTH = 10
_NUMBER = re.compile(r"\d+")  # in a format: a width or a precision
_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True)
class _Field:
    """A value's place: `column` is that of a start list, or ""."""

    name: str
    column: str
    spec: str


class Template:
    """A template that has been found to be sound.

    The columns are those of the start list, for `{row[COLUMN]}`.

    Raises:
        UsageError: it is not; the message says why.
    """

    def __init__(self, text: str, *, columns: Collection[str] = ()) -> None:
        self.text = text
        self._columns = columns
        self._components: list[list[str | _Field]] = [[]]
        pieces = self._parse()
        self._fields = [piece for _, piece in pieces if piece is not None]
        for literal, piece in pieces:
            self._add_literal(literal)
            if piece is not None:
                self._components[-1].append(piece)
        self._check()

    @property
    def columns(self) -> set[str]:
        """The columns of the start list that names depend on."""
        return {each.column for each in self._fields} - {""}

    def parts(self, values: Mapping[str, str | int], row: Mapping[str, str]) -> list[str]:
        """The names of the folders below the target folder, and of the photo in the last of them.

        The values are one for each of `FIELDS`, texts being safe names already; the row's cells are as they came.
        """
        *folders, name = ("".join(_fill(piece, values, row) for piece in part) for part in self._components)
        return [*(_fit(folder, "") for folder in folders), _fit(name, str(values["ext"]))]

    def _parse(self) -> list[tuple[str, _Field | None]]:
        try:
            pieces = list(string.Formatter().parse(self.text))
        except ValueError as error:
            raise self._error(f"{error}", hint="escape a literal brace by doubling it: {{") from None
        return [
            (literal, None if name is None else self._field(name, spec or "", conversion))
            for literal, name, spec, conversion in pieces
        ]

    def _field(self, name: str, spec: str, conversion: str | None) -> _Field:
        asked = name[4:-1] if name.startswith("row[") and name.endswith("]") else ""
        column = self._column(asked)
        if asked and not column:
            known = ", ".join(quoted(each) for each in self._columns)
            hint = (
                f"valid columns: {known}" if known else "columns come from a start list: --from-file CSV --column NAME"
            )
            raise self._error(f"unknown column {quoted(asked)}", hint=hint)
        if not column and name not in FIELDS:
            raise self._error(
                f"unknown field {{{name}}}", hint=f"valid fields: {' '.join(f'{{{each}}}' for each in FIELDS)}"
            )
        field = _Field(name, column, spec)
        if conversion or not _is_sound(field):
            raise self._error(
                f"invalid format for {{{name}}}",
                hint=f"formats are as in Python: {{index:04}} {{identifier:.8}}; maximum width {MAX_BYTES}",
            )
        return field

    def _column(self, asked: str) -> str:
        """The column that is meant: the one that is spelled so, else the first that is in another case or form."""
        if asked in self._columns:
            return asked
        return next((each for each in self._columns if asked and column_key(each) == column_key(asked)), "")

    def _add_literal(self, literal: str) -> None:
        """Take in literal text, in which slashes begin another folder."""
        first, *others = literal.split("/")
        for text in (first, *others):
            if bad := next(filter(_is_forbidden, text), None):
                raise self._error(f"{quoted(bad)} is not allowed in file names", hint="remove it")
        self._components[-1].append(first)
        self._components += [[text] for text in others]

    def _check(self) -> None:
        if not self.text:
            raise self._error("empty", hint="omit --name, or use something like {filename}")
        for component in self._components:
            start = component[0]
            if not any(component):
                raise self._error(
                    "empty directory name", hint="use / between names only, not at the start or end, nor twice in a row"
                )
            if isinstance(start, str) and start.startswith("."):
                raise self._error(
                    "leaves the target directory or makes a hidden file", hint="no part may start with a dot"
                )
        if not any(each.name in _TELLING_APART and "." not in each.spec for each in self._fields):
            raise self._error(
                "every photo would get the same name",
                hint="include {filename}, {stem} or {image_id} without truncating it",
            )

    def _error(self, reason: str, *, hint: str) -> UsageError:
        return UsageError(f"invalid --name {quoted(self.text)}: {reason}", hint=hint)


def _is_sound(field: _Field) -> bool:
    """Whether the field's format can be applied, and adds nothing that names cannot have."""
    if any(len(number) > _MOST_DIGITS or int(number) > MAX_BYTES for number in _NUMBER.findall(field.spec)):
        return False  # before it costs memory
    value = "a" if field.column else FIELDS[field.name]
    try:
        padding = format(value, field.spec).replace(str(value), "")
    except ValueError:
        return False
    return len(padding) < MAX_BYTES and "." not in padding and not any(map(_is_forbidden, padding))


def _is_forbidden(char: str) -> bool:
    return char in FORBIDDEN or is_invisible(char)


def _fill(piece: str | _Field, values: Mapping[str, str | int], row: Mapping[str, str]) -> str:
    if isinstance(piece, str):
        return piece
    value = sanitize(row.get(piece.column, "")) if piece.column else values[piece.name]
    return format(value, piece.spec)


def _fit(name: str, extension: str) -> str:
    """The name as one that every file system takes; one that is too long stays distinct by a hash."""
    name = escape_reserved(name.lstrip(".-").rstrip(". ")) or "_"
    if len(name.encode(errors="surrogatepass")) <= MAX_BYTES:
        return name
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:_HASH_LENGTH]
    ending = f"-{digest}{extension if name.endswith(extension) else ''}"
    return truncate(name, MAX_BYTES - len(ending.encode())) + ending


FLAT = Template("{filename}")
BY_IDENTIFIER = Template("{identifier}/{filename}")
_OTHER = {FLAT.text: BY_IDENTIFIER, BY_IDENTIFIER.text: FLAT}


@dataclass(frozen=True, slots=True)
class Naming:
    """The names of a run's photos.

    Attributes:
        template: what they look like.
        event_id: of all of them.
        rows: of the start list, by identifier: column -> text.
        more_rows: further rows of identifiers that have one already.
        is_spread: into 256 folders, so that none of them has very many photos.
    """

    template: Template = FLAT
    event_id: int = 0
    rows: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    is_spread: bool = False
    more_rows: Mapping[str, Sequence[Mapping[str, str]]] = field(default_factory=dict)

    def per_row(self, photo: Photo) -> list[Photo]:
        """The photo, once for each row of its identifier that gives it another name."""
        more = [replace(photo, row=row) for row, _ in enumerate(self.more_rows.get(photo.identifier, ()), 1)]
        named: dict[tuple[str, ...], Photo] = {}
        for one in (photo, *more):
            named.setdefault(tuple(self.parts(one)), one)
        return list(named.values())

    def parts(self, photo: Photo) -> list[str]:
        """The names of the folders, and of the photo in the last of them: a function of the photo alone."""
        parts = self._parts(photo, self.template)
        return [spread_folder(photo.image_id), *parts] if self.is_spread else parts

    def other_parts(self, photo: Photo) -> list[str] | None:
        """The names that the photo would have in the other of the two usual layouts; None where there is no other."""
        other = None if self.is_spread else _OTHER.get(self.template.text)
        return self._parts(photo, other) if other and photo.method in {Method.BIB, Method.SELFIE} else None

    def _parts(self, photo: Photo, template: Template) -> list[str]:
        filename = photo_name(image_id=photo.image_id, filename=photo.filename, extension=photo.extension)
        if template.text == FLAT.text:
            return [filename]
        if template.text == BY_IDENTIFIER.text:  # asked for with each photo: it may stand there
            return [folder_name(photo.identifier), filename]
        stem, extension = split_extension(filename)
        values: dict[str, str | int] = {
            "filename": filename,
            "stem": stem,
            "ext": extension,
            "image_id": id_name(photo.image_id),
            "identifier": folder_name(photo.identifier),
            "method": photo.method.value,
            "event": self.event_id,
            "index": photo.index,
        }
        more = self.more_rows.get(photo.identifier, ())
        row = more[photo.row - 1] if photo.row else self.rows.get(photo.identifier, {})
        return template.parts(values, row)


def spread_folder(image_id: str) -> str:
    """Which of 256 folders, `00` to `ff`, a photo goes into; by a hash, as ids may begin alike."""
    return hashlib.sha256(image_id.encode(errors="surrogatepass")).hexdigest()[:2]
