"""Names for photos and folders, out of data that may hold anything. Pure functions.

A photo's name depends on the photo alone, so it is the same on every run and in every order, and two photos
never share one: the image id is in it, whole or told apart by a hash.
"""

import hashlib
import re
import unicodedata

MAX_BYTES = 255  # of one name, on every file system in common use; counted in UTF-8
_ID_BYTES = 128  # of an image id inside a name: room is left for the suggested name and the extension
_HASH_LENGTH = 10

# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
FORBIDDEN = frozenset('<>:"/\\|?*')
_RESERVED = frozenset(
    {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}
    | {f"{device}{digit}" for device in ("COM", "LPT") for digit in "0123456789\u00b9\u00b2\u00b3"}
)
# Cc control, Cf format (direction marks, zero-width characters), Cs surrogates, Cn unassigned, Zl and Zp separators.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})
_UUID_LIKE = re.compile(r"[0-9a-z]{8}(?:-[0-9a-z]{4}){3}-[0-9a-z]{12}")
_HASHED = re.compile(r"(?:.*-)?[a-f][0-9a-f]{9}")
_HARMLESS = re.compile(r"[0-9A-Za-z_]+(?:[-.][0-9A-Za-z_]+)*")
_EDGES = re.compile(r"^[\s.\-]+|[\s.]+$")
_EXTENSION = re.compile(r"\.[0-9A-Za-z]{1,10}")


def photo_name(*, image_id: str, filename: str, extension: str) -> str:
    """The final name of a photo inside its folder.

    The filename is the service's suggestion, and may be empty, evil or shared by many photos; where it has no
    extension, the other one is used, which begins with its dot.
    """
    stem, suffix = split_extension(filename)
    identity = id_name(image_id)
    prefix = sanitize(stem)
    if stem == image_id or not prefix:
        base = _escape_suffixed(identity, image_id)
    else:
        if identity == image_id and not _UUID_LIKE.fullmatch(identity):
            # "a-b" + "c" and "a" + "b-c" would be one name: only an id of fixed shape can be cut off again.
            identity = _with_hash(identity, image_id)
        base = f"{prefix}-{identity}"
    ending = suffix or (extension if _EXTENSION.fullmatch(extension) else ".jpg")
    room = MAX_BYTES - len(ending) - 1  # one byte is `escape_reserved`'s
    if len(base.encode()) > room:
        base = f"{truncate(prefix, room - len(identity.encode()) - 1)}-{identity}"
    return escape_reserved(base) + ending


def folder_name(identifier: str) -> str:
    """The name of the folder for a bib or a request id; two identifiers never share one."""
    safe = escape_reserved(truncate(sanitize(identifier), MAX_BYTES - _HASH_LENGTH - 2))
    return safe if safe == identifier and _is_plain(safe) else _with_hash(safe, identifier)


def sanitize(text: str) -> str:
    """The text as a part of a name: one path component's worth, NFC, maybe empty."""
    if _HARMLESS.fullmatch(text):
        return text
    composed = unicodedata.normalize("NFC", text)
    kept = "".join("" if is_invisible(c) else "_" if c in FORBIDDEN else c for c in composed)
    single_dots = re.sub(r"\.{2,}", ".", kept)
    # Removing characters can bring a base and a combining mark together: compose once more.
    return _EDGES.sub("", unicodedata.normalize("NFC", single_dots))


def truncate(text: str, limit: int) -> str:
    """The longest beginning of the text that takes at most `limit` bytes in UTF-8, without a half character."""
    encoded = text.encode(errors="surrogatepass")
    if len(encoded) <= limit:
        return text
    return encoded[:limit].decode(errors="ignore").rstrip(". -")


def is_invisible(char: str) -> bool:
    """Whether a character has no place in a name because nobody sees it."""
    return unicodedata.category(char) in _INVISIBLE


def escape_reserved(name: str) -> str:
    """The name as one that Windows does not reserve: it takes CON, CON.jpg and CON.x.jpg alike for the console."""
    return f"_{name}" if name.partition(".")[0].strip().upper() in _RESERVED else name


def split_extension(filename: str) -> tuple[str, str]:
    """A name's stem and its extension with the dot ("" where there is none that can be kept)."""
    name = filename.rstrip(". ")
    stem, dot, ending = name.rpartition(".")
    if dot and _EXTENSION.fullmatch(dot + ending):
        return stem, dot + ending
    return name, ""


def id_name(image_id: str) -> str:
    """The image id as it stands in a name: as it is where that is safe, else with a hash of the original."""
    safe = truncate(sanitize(image_id), _ID_BYTES)
    # Where the file system ignores case, ids that differ only in case would be one name.
    if safe and safe == image_id and safe == safe.casefold() and _is_plain(safe):
        return safe
    return _with_hash(safe, image_id)


def _escape_suffixed(identity: str, image_id: str) -> str:
    """An id that ends like "<name>-<another id>" gets a hash, so that it cannot be that other photo's name."""
    tail = identity[-36:]
    if len(identity) > len(tail) and _UUID_LIKE.fullmatch(tail):
        return _with_hash(identity, image_id)
    return identity


def _with_hash(text: str, original: str) -> str:
    digest = hashlib.sha256(original.encode(errors="surrogatepass")).hexdigest()
    # It begins with a letter, so that numbers at the end of ordinary ids are never taken for one.
    word = "abcdef"[int(digest[0], 16) % 6] + digest[1:_HASH_LENGTH]
    return f"{text}-{word}" if text else f"_-{word}"


def _is_plain(name: str) -> bool:
    """Whether a name can stand as it is: neither reserved nor like one with a hash of ours at its end."""
    return name == escape_reserved(name) and not _HASHED.fullmatch(name.casefold())
