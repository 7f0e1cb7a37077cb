"""What came of a run, as lines of JSON for programs. Pure."""

import json
from collections.abc import Mapping

from ninepic_cli.errors import NinepicError
from ninepic_cli.models import Downloaded, Failed, Outcome, Photo, Skipped, WouldDownload
from ninepic_cli.text import as_text, path_text


def status_of(outcome: Outcome) -> str:
    """The word for what became of a photo."""
    match outcome:
        case Downloaded():
            return "downloaded"
        case Skipped():
            return "skipped"
        case WouldDownload():
            return "listed"
        case Failed():
            return "missing" if outcome.is_missing else "failed"


def photo_line(photo: Photo, outcome: Outcome) -> str:
    """The line of a photo."""
    stored = outcome if isinstance(outcome, Downloaded | Skipped) else None
    tried = None if isinstance(outcome, WouldDownload) else outcome
    error = outcome.error if isinstance(outcome, Failed) else None
    return json_line(
        {
            "type": "photo",
            "status": status_of(outcome),
            "image_id": photo.image_id,
            "identifier": photo.identifier,
            "filename": outcome.entry or (as_text(outcome.path.name) if outcome.path else photo.filename or None),
            "path": path_text(outcome.path) if outcome.path else None,
            "bytes": stored.size if stored else None,
            "md5": stored.md5 if stored else None,
            "attempts": tried.attempts if tried else 0,
            "seconds": round(tried.seconds, 3) if tried else 0.0,
            "code": error.code if error else None,
            "error": error.message if error else None,
        }
    )


def identifier_line(identifier: str, status: str, found: int, error: NinepicError | None) -> str:
    """The line of a bib, a search or an event; `found` counts what its listing brought."""
    return json_line(
        {
            "type": "identifier",
            "identifier": identifier,
            "status": status,
            "found": found,
            "code": error.code if error else None,
            "error": error.message if error else None,
        }
    )


def json_line(record: Mapping[str, object]) -> str:
    """The record as one line that any reader and any terminal can take.

    Letters stay as they are. What JSON allows but a line or a terminal does not (U+2028, C1 controls, direction
    characters), and lone surrogates, which no encoding can say, are escaped; all of them stand inside strings.
    """
    line = json.dumps(record, ensure_ascii=False)
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in line)
