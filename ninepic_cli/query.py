"""What is asked for: the body of a request, and which identifiers look like which kind."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from ninepic_cli.names import id_name
from ninepic_cli.photo import Method

BATCH_SIZE = 60  # the service's largest page: one batch is one page
_BIB = re.compile(r"[A-Za-z]{0,2}-?[0-9]{1,6}", re.ASCII)
_LINK = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PICTURE = re.compile(r"(?: ?\([0-9]+\))?\.(?:jpe?g|png|webp|hei[cf]|avif|tiff?|gif|bmp)\Z", re.IGNORECASE)
_NAME_AND_ID = re.compile(r"(?:.*-)?([0-9A-Za-z]{8}(?:-[0-9A-Za-z]{4}){3}-[0-9A-Za-z]{12})", re.DOTALL)
_HASHED = re.compile(r"(?:.*-(?=[0-9A-Za-z]{8}-))?(.+)-[a-f][0-9a-f]{9}", re.DOTALL)
_ID = re.compile(r"[0-9A-Za-z]{8}(-[0-9A-Za-z]{4}){3}-[0-9A-Za-z]{12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Query:
    """One request's worth of photos.

    Attributes:
        method: how they are asked for.
        identifier: a bib, a request id or an image id; for `Method.IMAGES` a tuple of image ids.
    """

    method: Method
    identifier: str | tuple[str, ...]

    @property
    def is_by_id(self) -> bool:
        """Whether it names photos, and not somebody or something that has photos."""
        return self.method in {Method.IMAGE, Method.IMAGES}

    @property
    def identifiers(self) -> tuple[str, ...]:
        """All that it names."""
        return (self.identifier,) if isinstance(self.identifier, str) else self.identifier

    def body(self) -> dict[str, object]:
        """The request's JSON body."""
        identifier = self.identifier if isinstance(self.identifier, str) else list(self.identifier)
        return {"method": self.method.value, "identifier": identifier}


def batches(ids: Sequence[str], size: int = BATCH_SIZE) -> Iterator[Query]:
    """Image ids in their order, at most `size` to a query."""
    for start in range(0, len(ids), size):
        yield Query(Method.IMAGES, tuple(ids[start : start + size]))


def queries(method: Method, identifiers: Sequence[str]) -> list[Query]:
    """The queries that ask for all identifiers: batches of image ids, else one for each."""
    if method is Method.IMAGES:
        return list(batches(identifiers))
    return [Query(method, identifier) for identifier in identifiers]


def looks_like_bib(identifier: str) -> bool:
    """Whether it is a number as runners wear it, which no photo or face search has for its id."""
    return _BIB.fullmatch(identifier) is not None


def looks_like_id(identifier: str) -> bool:
    """Whether it has the form of the ids of photos and face searches."""
    return _ID.fullmatch(identifier) is not None


def is_link(text: str) -> bool:
    """Whether it is a link, which may be a credential and is not to be shown."""
    return _LINK.match(text) is not None


def has_link(text: str) -> bool:
    """Whether there is a link in it, which no identifier has."""
    return "://" in text


def is_picture(text: str) -> bool:
    """Whether it is named as a picture."""
    return _PICTURE.search(text) is not None


def image_id(text: str) -> str:
    """The image id in what people have of a photo: its file's name or path, or a link to it.

    An id comes back as it is; "" where a link has none. The names are those that `names.photo_name` makes, and what
    browsers make of them.
    """
    found = text
    if is_link(text):
        found = _stem(unquote(re.split(r"[?#]", text.partition("://")[2])[0].partition("/")[2]))
    while is_picture(found):
        found = _stem(found)
    return found


def _stem(path: str) -> str:
    name = _PICTURE.sub("", re.split(r"[/\\]", path)[-1])
    if found := _NAME_AND_ID.fullmatch(name):
        return found[1]
    hashed = _HASHED.fullmatch(name)
    return hashed[1] if hashed and id_name(hashed[1]) == name[hashed.start(1) :] else name


def advice(method: Method, identifier: str) -> str | None:
    """What to try with an identifier that the service does not know, where it looks like one of another kind."""
    if method is not Method.BIB and looks_like_bib(identifier):
        return f"{identifier} looks like a bib: try ninepic bib {identifier}"
    if method is Method.BIB and looks_like_id(identifier):
        return f"this looks like an id: try ninepic image {identifier}, or ninepic selfie {identifier}"
    return None
