"""What is asked for: bibs, face searches and image ids, from the command line and from files."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ninepic_cli.errors import UsageError
from ninepic_cli.photo import Method
from ninepic_cli.quoting import quoted, shown

BATCH_SIZE = 60  # the service's largest page: one batch is one page
FILE_LIMIT = 64 * 1024 * 1024
LINE_LIMIT = 1000
_LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|\Z)")
_SEPARATORS = ",;\t"  # of tables; no line of a list has one
_ONE_A_LINE = "give a text file (UTF-8) with one identifier a line and nothing else on it"
_BIB = re.compile(r"[A-Za-z]{0,2}-?[0-9]{1,6}", re.ASCII)
_ID = re.compile(r"[0-9A-Za-z]{8}(-[0-9A-Za-z]{4}){3}-[0-9A-Za-z]{12}", re.ASCII)
_LIST_ENDINGS = frozenset({".txt", ".csv", ".tsv", ".lst", ".list", ".xlsx", ".json"})
_INVISIBLE = {"Cc", "Cs", "Zl", "Zp"}  # controls, undecodable bytes of an argument, line and paragraph separators


@dataclass(frozen=True, slots=True)
class Query:
    """One request's worth of photos.

    Attributes:
        method: how they are asked for.
        identifier: a bib, a request id or an image id; for `Method.IMAGES` a tuple of image ids.
    """

    method: Method
    identifier: str | tuple[str, ...]

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


def advice(method: Method, identifier: str) -> str | None:
    """What to try with an identifier that the service does not know, where it looks like one of another kind."""
    if method is not Method.BIB and looks_like_bib(identifier):
        return f"{identifier} looks like a bib: try ninepic bib {identifier}"
    if method is Method.BIB and looks_like_id(identifier):
        return f"this looks like an id: try ninepic image {identifier}, or ninepic selfie {identifier}"
    return None


def collect_identifiers(arguments: Sequence[str], from_file: str | None, *, stdin: BinaryIO) -> list[str]:
    """The identifiers of the command line, then those of the file; exact duplicates keep their first place.

    Args:
        arguments: as typed.
        from_file: a path, `-` for standard input, or None.
        stdin: read only where `from_file` is `-`.

    Returns:
        Trimmed identifiers; empty where the file has none.

    Raises:
        UsageError: neither arguments nor a file; an identifier or a file that cannot be one.
    """
    if not arguments and from_file is None:
        raise UsageError(
            "no identifiers were given",
            hint="give them on the command line, or one a line in a file: --from-file FILE (- is standard input)",
        )
    found = [_argument(text) for text in arguments]
    if from_file is not None:
        name, data = _read(from_file, stdin)
        found += _identifiers(name, _text(name, data))
    return list(dict.fromkeys(found))


def check_writable(identifiers: Sequence[str]) -> None:
    """See that each identifier can stand on a line of a file that `collect_identifiers` reads.

    Raises:
        UsageError: one cannot: it would be taken for a comment or for a row of a table.
    """
    for identifier in identifiers:
        if identifier.startswith("#") or any(separator in identifier for separator in _SEPARATORS):
            raise UsageError(
                f"{quoted(identifier)} could not be read again from --failed-to", hint="ask for it without --failed-to"
            )


def _argument(text: str) -> str:
    identifier = text.strip()
    if not identifier:
        raise UsageError(
            "an identifier on the command line is empty",
            hint="leave it out; if a variable stands there, check that it is set",
        )
    if Path(identifier).suffix.lower() in _LIST_ENDINGS and Path(identifier).is_file():
        raise UsageError(
            f"{shown(identifier)} is a file, and not an identifier",
            hint=f"to read a list: --from-file {shown(identifier)}",
        )
    if _has_invisible(identifier):
        raise UsageError(f"the identifier {quoted(identifier)} has a control character in it", hint="type it anew")
    return identifier


def _read(from_file: str, stdin: BinaryIO) -> tuple[str, bytes]:
    """The name to show for the file, and its bytes."""
    if not from_file:
        raise UsageError("--from-file is empty", hint="name a file; if a variable stands there, check that it is set")
    name = "standard input" if from_file == "-" else shown(from_file)
    try:
        data = _read_bounded(from_file, stdin)
    except FileNotFoundError:
        raise UsageError(f"{name} does not exist", hint="check the path given to --from-file") from None
    except IsADirectoryError:
        raise UsageError(f"{name} is a folder, not a list of identifiers", hint=_ONE_A_LINE) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{name} cannot be read: {reason}", hint="check the path given to --from-file") from None
    if len(data) > FILE_LIMIT:
        raise UsageError(f"{name} is larger than 64 MiB: not a list of identifiers", hint=_ONE_A_LINE)
    return name, data


def _read_bounded(from_file: str, stdin: BinaryIO) -> bytes:
    if from_file == "-":
        return stdin.read(FILE_LIMIT + 1)
    with Path(from_file).open("rb") as file:  # a FIFO opens like a file
        return file.read(FILE_LIMIT + 1)


def _text(name: str, data: bytes) -> str:
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _not_text(name, data[: error.start].decode(encoding, "ignore")) from None
    nul = text.find("\0")
    if nul >= 0:
        raise _not_text(name, text[:nul])
    return text


def _not_text(name: str, before: str) -> UsageError:
    """The error for bytes that are not text, after the text that stands before them."""
    line = before.count("\n") + before.count("\r") - before.count("\r\n") + 1
    return UsageError(f"{name}, line {line}: this is not text", hint=_ONE_A_LINE)


def _identifiers(name: str, text: str) -> Iterator[str]:
    # str.splitlines would also split at form feeds and the like, and count lines as no editor does.
    for number, line in enumerate(_LINE.finditer(text), start=1):
        # Files joined with `cat` have a byte-order mark in front of any line.
        identifier = line[1].removeprefix("\ufeff").strip()
        if identifier and not identifier.startswith("#"):
            _check_line(f"{name}, line {number}", identifier)
            yield identifier


def _check_line(where: str, identifier: str) -> None:
    if len(identifier) > LINE_LIMIT:
        raise UsageError(f"{where}: longer than {LINE_LIMIT} characters, not an identifier", hint=_ONE_A_LINE)
    if any(separator in identifier for separator in _SEPARATORS):
        raise UsageError(f"{where}: {quoted(identifier)} looks like a row of a table (CSV)", hint=_ONE_A_LINE)
    if _has_invisible(identifier):
        raise UsageError(f"{where}: {quoted(identifier)} has a control character in it", hint=_ONE_A_LINE)


def _has_invisible(text: str) -> bool:
    return not text.isprintable() and any(unicodedata.category(character) in _INVISIBLE for character in text)
