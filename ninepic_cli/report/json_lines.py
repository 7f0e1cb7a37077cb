"""What came of a run, as lines of JSON for programs. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import TypedDict

from ninepic_cli.errors import NinepicError
from ninepic_cli.models import Downloaded, Failed, Outcome, Photo, Skipped, WouldDownload
from ninepic_cli.text import as_text, path_text


class PhotoRecord(TypedDict):
    """A photo, and what became of it.

    Attributes:
        type: `photo`.
        status: `downloaded`, `skipped` (already on disk), `listed` (a dry run would fetch it), `missing` (the
            service does not have it) or `failed`.
        image_id: its id.
        identifier: the bib or request id that it was asked for by; for `image` and `images` its id; for `all` the
            event.
        filename: its name; with --zip, that of its entry.
        path: DIR joined with the name; with --zip, the ZIP; null where no place was chosen for it.
        bytes: its size; null where it is not on the disk.
        md5: of its bytes; null where it is not known.
        attempts: requests to storage, not counting those refused because the link had expired.
        seconds: from its first request to its end.
        code: a stable word for why it failed or is missing; null where it did not.
        error: the same as a message.
    """

    type: str
    status: str
    image_id: str
    identifier: str
    filename: str | None
    path: str | None
    bytes: int | None
    md5: str | None
    attempts: int
    seconds: float
    code: str | None
    error: str | None


class IdentifierRecord(TypedDict):
    """A bib or request id that is complete, or the event of `all`.

    Attributes:
        type: `identifier`.
        identifier: the bib or request id; for `all` the event.
        status: `done`, `missing` (the service has nothing of it) or `failed`.
        found: how many photos the service listed, including those whose original is not in storage.
        code: a stable word for why it failed or is missing, else null.
        error: the same as a message.
    """

    type: str
    identifier: str
    status: str
    found: int
    code: str | None
    error: str | None


class SettingRecord(TypedDict):
    """A setting, for `ping`: what it is, as it may be shown, and where it came from."""

    value: int | str | None
    source: str | None


class EventRecord(TypedDict):
    """An event, for `events` and `event`.

    Attributes:
        type: `event`.
        event_id: its number.
        event_name: as the organiser wrote it; null, as the other texts, where there is none.
        event_slug: its name in addresses.
        event_date: its day, as 2025-09-14.
        status: the service's word.
    """

    type: str
    event_id: int
    event_name: str | None
    event_slug: str | None
    event_date: str | None
    status: str | None


class PingRecord(TypedDict):
    """What there is to know of the way to the service, for `ping`; null where it is not known.

    Attributes:
        type: `ping`.
        version: of ninepic.
        python_version: of the Python it runs on.
        openssl_version: of that Python's TLS.
        platform: the system, its version and processor.
        config_file: the settings file's path.
        config_file_exists: whether it is there.
        profile: the profile whose settings count; null where none was named.
        settings: for each setting its `value` (of the key the beginning only) and its `source`: an option, a variable,
            a file, or the default.
        base_url: where the service is.
        proxy: the proxy by which it is reached, without user name and password; null where none is used.
        proxy_variable: the variable that names a proxy, whether it is used or not.
        proxy_exception: why it is not used: `loopback`, or the entry of NO_PROXY.
        addresses: what the host resolves to (where a proxy is used, the proxy's host), in the order in which they are
            tried.
        address: the one that answered.
        lookup_seconds: how long it took to resolve the host.
        connect_seconds: how long it took until an address answered.
        tls_version: such as `TLSv1.3`; null for plain http.
        tls_seconds: how long the TLS handshake took.
        certificate_subject: whose the host's certificate is.
        certificate_issuer: who vouches for it; with a proxy that reads along, that is not a public authority.
        certificate_not_before: from when on it is valid, as 2026-01-31T00:00:00Z.
        certificate_not_after: until when.
        ca_variable: the variable that names the certificates to trust; null where they are the built-in ones.
        ca_path: where they are.
        http_status: the status of the response.
        ray: what Cloudflare calls the request.
        round_trip_seconds: from the beginning of the ping, connecting included, to the end of its response.
        time: this machine's clock at that moment.
        service_time: the service's clock, from the response's Date.
        clock_offset_seconds: how far this machine's clock is ahead of the service's; negative where it is behind.
        output: the target folder.
        output_free_bytes: the free space there.
        output_writable: whether photos can be written there.
        output_error: why not.
        exit_code: the exit status.
        code: a stable word for what failed, else null.
        error: the same as a message.
    """

    type: str
    version: str
    python_version: str
    openssl_version: str
    platform: str
    config_file: str | None
    config_file_exists: bool | None
    profile: str | None
    settings: Mapping[str, SettingRecord] | None
    base_url: str | None
    proxy: str | None
    proxy_variable: str | None
    proxy_exception: str | None
    addresses: Sequence[str]
    address: str | None
    lookup_seconds: float | None
    connect_seconds: float | None
    tls_version: str | None
    tls_seconds: float | None
    certificate_subject: str | None
    certificate_issuer: str | None
    certificate_not_before: str | None
    certificate_not_after: str | None
    ca_variable: str | None
    ca_path: str
    http_status: int | None
    ray: str | None
    round_trip_seconds: float | None
    time: str
    service_time: str | None
    clock_offset_seconds: int | None
    output: str | None
    output_free_bytes: int | None
    output_writable: bool | None
    output_error: str | None
    exit_code: int
    code: str | None
    error: str | None


class ProgressRecord(TypedDict):
    """Progress of the run, at the interval of `--stats`.

    Attributes:
        type: `progress`.
        done: number of photos with an outcome.
        total: number of photos; null while unknown.
        bytes: bytes received so far.
        rate: bytes per second since the previous line of this type, or the start.
        seconds: elapsed time.
        failed: number of photos that failed, without those that the service does not have.
        eta_seconds: estimated time left; null while unknown.
    """

    type: str
    done: int
    total: int | None
    bytes: int
    rate: int
    seconds: float
    failed: int
    eta_seconds: int | None


class SummaryRecord(TypedDict):
    """The run as a whole, in the last line.

    Attributes:
        type: `summary`, for downloads. It comes also where the run ended early or never began, but not after a usage
            error (status 2), of settings too.
        downloaded: photos that were fetched or copied.
        skipped: photos that were there already, also those that another bib of this run has brought.
        failed: photos that failed; those that the run did not come to have no line, and are not counted.
        missing: photos that the service does not have.
        identifiers_missing: bibs and request ids that the service has nothing of.
        identifiers_failed: bibs and request ids that failed or were not reached.
        bytes: those of all photos that were fetched; copies do not count.
        seconds: how long the run took.
        exit_code: the exit status.
        code: a stable word for what ended the run early; null where nothing did, or a signal. Why a bib failed is in
            its own line.
        error: the same as a message.
    """

    type: str
    downloaded: int
    skipped: int
    failed: int
    missing: int
    identifiers_missing: int
    identifiers_failed: int
    bytes: int
    seconds: float
    exit_code: int
    code: str | None
    error: str | None


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
    return json_line(photo_record(photo, outcome))


def photo_record(photo: Photo, outcome: Outcome) -> PhotoRecord:
    """What there is to say about a photo."""
    stored = outcome if isinstance(outcome, Downloaded | Skipped) else None
    tried = None if isinstance(outcome, WouldDownload) else outcome
    error = outcome.error if isinstance(outcome, Failed) else None
    return {
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


def identifier_line(identifier: str, status: str, found: int, error: NinepicError | None) -> str:
    """The line of a bib, a search or an event; `found` counts what its listing brought."""
    record: IdentifierRecord = {
        "type": "identifier",
        "identifier": identifier,
        "status": status,
        "found": found,
        "code": error.code if error else None,
        "error": error.message if error else None,
    }
    return json_line(record)


def json_line(record: Mapping[str, object]) -> str:
    """The record as one line that any reader and any terminal can take.

    Letters stay as they are. What JSON allows but a line or a terminal does not (U+2028, C1 controls, direction
    characters), and lone surrogates, which no encoding can say, are escaped; all of them stand inside strings.
    """
    line = json.dumps(record, ensure_ascii=False)
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in line)
