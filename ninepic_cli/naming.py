"""What photos are called below the target folder: the template, filled in with what is known of a photo. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ninepic_cli.names import cleaned, folder_name, id_name, photo_name, split
from ninepic_cli.photo import Method, Photo
from ninepic_cli.template import Template

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

    def each(self, photo: Photo) -> list[Photo]:
        """The photo, once for each row of its identifier that gives it another name."""
        more = [replace(photo, row=row) for row, _ in enumerate(self.more_rows.get(photo.identifier, ()), 1)]
        named: dict[tuple[str, ...], Photo] = {}
        for one in (photo, *more):
            named.setdefault(tuple(self.parts(one)), one)
        return list(named.values())

    def parts(self, photo: Photo) -> list[str]:
        """The names of the folders, and of the photo in the last of them: a function of the photo alone."""
        parts = self._parts(photo, self.template)
        return [share(photo.image_id), *parts] if self.is_spread else parts

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
        stem, extension = split(filename)
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
        return template.parts(values, {column: cleaned(text) for column, text in row.items()})


def share(image_id: str) -> str:
    """Which of 256 folders, `00` to `ff`, a photo goes into; by a hash, as ids may begin alike."""
    return hashlib.sha256(image_id.encode(errors="surrogatepass")).hexdigest()[:2]
