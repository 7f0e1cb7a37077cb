"""`ninepic ping`: whether key, organisation and event fit together, and what there is to know of the way there.

What is found out goes into one record, as far as the check came; the block for people and the JSON object are made of
it, also where the check fails.
"""

import math
import platform
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from ninepic_cli import __version__
from ninepic_cli.commands.events import QuestionOptions, open_api
from ninepic_cli.config.schema import SETTINGS
from ninepic_cli.config.settings import ConfigTarget, Settings, load_settings
from ninepic_cli.errors import ExitStatus, NinepicError, check_current_folder, unforeseen
from ninepic_cli.filesystem.disk_errors import free_space
from ninepic_cli.filesystem.folder import Folder
from ninepic_cli.models import Credentials
from ninepic_cli.net.client import trusted_authorities
from ninepic_cli.net.connection_record import ConnectionRecord
from ninepic_cli.net.proxies import choose_proxy
from ninepic_cli.net.retry import http_date
from ninepic_cli.redact import mask_key
from ninepic_cli.report.json_lines import PingRecord, SettingRecord, json_line
from ninepic_cli.system.output import Output, print_err, print_warning
from ninepic_cli.text import one_line, path_text, size_text, time_text
from ninepic_cli.updates import RequestFinished, Update

_MAX_TEXT_LENGTH = 1000  # characters of a text
_CLOCK_LIMIT_S = 60


@dataclass(frozen=True, slots=True)
class PingRequest:
    """What is to be checked.

    Attributes:
        given: settings by their names, as options give them; None where they do not.
        config: what `--config` says.
        profile: what `--profile` says.
    """

    given: Mapping[str, object | None]
    config: str | None
    profile: str | None


def check(request: PingRequest, options: QuestionOptions, environ: Mapping[str, str]) -> None:
    """See that key, organisation and event fit together, and print it; a failure is not tried again.

    Raises:
        NinepicError: they do not, the service could not say, or standard output cannot be written.
    """
    record, failure = _new_record(environ), None
    try:
        credentials = _fill(record, request, options, environ)
    except Exception as error:  # noqa: BLE001 (the more so where nobody thought of it)
        failure = error if isinstance(error, NinepicError) else unforeseen(error)
        record["exit_code"], record["code"], record["error"] = failure.exit_status, failure.code, failure.message
    if options.verbose and not options.quiet:
        _print_block(record)
    trouble = _print_json(record) if options.json else None
    if failure := failure or trouble:
        raise failure
    if not options.quiet:
        print_err(f"OK: API key is valid for organisation {credentials.org_id} and event {credentials.event_id}")


def _fill(
    record: PingRecord, request: PingRequest, options: QuestionOptions, environ: Mapping[str, str]
) -> Credentials:
    """Read the settings and ask the service, taking down what comes to light; returns what it was asked with.

    Raises:
        NinepicError: as by `check`.
    """
    target = ConfigTarget.of(environ, profile=request.profile, config=request.config)
    record["config_file"], record["profile"] = path_text(target.path), target.profile
    with suppress(OSError):
        record["config_file_exists"] = target.path.exists()
    settings = load_settings(request.given, environ=environ, config=request.config, profile=request.profile)
    for warning in () if options.quiet else settings.warnings:
        print_warning(warning)
    record["settings"], record["base_url"] = _setting_records(settings, settings.api_key), settings.base_url
    _add_proxy(record, environ)
    _add_folder(record, settings.output)
    credentials = settings.require_credentials()
    record["settings"] = _setting_records(settings, credentials.api_key)
    _ask(record, credentials, options, environ)
    return credentials


def _ask(record: PingRecord, credentials: Credentials, options: QuestionOptions, environ: Mapping[str, str]) -> None:
    """Ask the service, and take down how it was reached and what it returned."""
    connection = ConnectionRecord()

    def on_update(update: Update) -> None:
        if isinstance(update, RequestFinished) and update.what == "ping":
            _add_response(record, update)

    try:
        with open_api(credentials, options, environ, on_update, connection) as api:
            api.ping()
    finally:
        _add_connection(record, connection)


def _new_record(environ: Mapping[str, str]) -> PingRecord:
    """A record with what is known before anything is asked."""
    record = cast("PingRecord", dict.fromkeys(PingRecord.__annotations__))
    record["type"], record["version"] = "ping", __version__
    record["python_version"], record["openssl_version"] = platform.python_version(), ssl.OPENSSL_VERSION
    record["platform"], record["time"] = platform.platform(), _moment(time.time())
    record["ca_variable"], record["ca_path"] = trusted_authorities(environ)
    record["addresses"], record["exit_code"] = (), ExitStatus.OK
    return record


def _setting_records(settings: Settings, key: str | None) -> dict[str, SettingRecord]:
    """The settings as they may be shown; the key may be one that a command printed."""
    command = None if settings.api_key_command is None else "***"  # people write keys there too
    sources = {"api_key": None if key is None else "api-key-command", **settings.sources}
    shown = {
        "api_key": None if key is None else mask_key(key),
        "org_id": settings.org_id,
        "event_id": settings.event_id,
        "base_url": settings.base_url,
        "output": path_text(settings.output),
        "jobs": settings.jobs,
        "api_key_command": command,
    }
    return {name: {"value": shown[name], "source": sources.get(name)} for name in SETTINGS}


def _add_proxy(record: PingRecord, environ: Mapping[str, str]) -> None:
    proxy = choose_proxy(urlsplit(record["base_url"] or ""), environ)
    record["proxy"], record["proxy_variable"] = proxy.shown_url, proxy.variable
    record["proxy_exception"] = proxy.exception


def _add_folder(record: PingRecord, folder: Path) -> None:
    """Whether photos can be written to the folder, which need not exist, and how much room is there."""
    with suppress(OSError):  # the current folder may be gone
        folder = folder.absolute()
    record["output"] = path_text(folder)
    record["output_free_bytes"] = free_space(folder)
    try:
        check_current_folder(folder)
        Folder(folder).check()
        record["output_writable"] = True
    except NinepicError as error:
        record["output_writable"], record["output_error"] = False, error.message


def _add_response(record: PingRecord, response: RequestFinished) -> None:
    now = time.time()
    record["http_status"], record["ray"] = response.status, response.ray
    record["round_trip_seconds"], record["time"] = round(response.seconds, 3), _moment(now)
    service_time = http_date(response.date) if response.date else None
    if service_time is not None:
        record["service_time"] = _moment(service_time)
        record["clock_offset_seconds"] = math.floor(now - service_time)  # the service cuts its seconds off


def _add_connection(record: PingRecord, connection: ConnectionRecord) -> None:
    record["addresses"], record["address"] = connection.addresses, connection.address
    record["lookup_seconds"] = _rounded(connection.lookup_s)
    record["connect_seconds"] = _rounded(connection.connect_s)
    host = urlsplit(record["base_url"] or "").hostname or ""
    if connection.tls_host != host.rstrip("."):  # a proxy's own
        return
    record["tls_version"], record["tls_seconds"] = connection.tls_version, _rounded(connection.tls_s)
    if certificate := connection.certificate:
        record["certificate_subject"], record["certificate_issuer"] = certificate.subject, certificate.issuer
        record["certificate_not_before"] = _moment(certificate.not_before)
        record["certificate_not_after"] = _moment(certificate.not_after)


def _print_json(record: PingRecord) -> NinepicError | None:
    """Print the object; what kept it from being written, unless its reader has gone."""
    output = Output()
    output.line(json_line(record))
    return output.trouble


def _print_block(record: PingRecord) -> None:
    rows = [*_machine_rows(record), *_setting_rows(record), *_way_rows(record), *_response_rows(record)]
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        print_err(f"{name:<{width}}  {one_line(text, _MAX_TEXT_LENGTH)}")
    offset_s = record["clock_offset_seconds"]
    if offset_s is not None and abs(offset_s) >= _CLOCK_LIMIT_S:
        print_warning(f"this machine's clock is {_offset_text(offset_s)}: correct it")


def _machine_rows(record: PingRecord) -> Iterator[tuple[str, str]]:
    yield "ninepic", record["version"]
    yield "Python", f"{record['python_version']}, {record['openssl_version']}"
    yield "platform", record["platform"]
    if record["output"] is not None:
        free = record["output_free_bytes"]
        room = "free space unknown" if free is None else f"{size_text(free)} free"
        state = "writable" if record["output_writable"] else f"not usable: {record['output_error']}"
        yield "target folder", f"{record['output']} ({room}, {state})"


def _setting_rows(record: PingRecord) -> Iterator[tuple[str, str]]:
    if record["config_file"] is not None:
        yield "settings file", record["config_file"] + ("" if record["config_file_exists"] else " (does not exist)")
    yield "profile", record["profile"] or "none"
    for name, setting in (record["settings"] or {}).items():
        if setting["source"] is not None:
            yield SETTINGS[name].display_name, f"{setting['value']} ({setting['source']})"
        elif name != "api_key_command":
            yield SETTINGS[name].display_name, "not set"


def _way_rows(record: PingRecord) -> Iterator[tuple[str, str]]:
    if record["base_url"] is None:
        return
    yield "proxy", _proxy_text(record)
    addresses = ", ".join(f"{each} (connected)" if each == record["address"] else each for each in record["addresses"])
    if record["proxy"]:
        yield "proxy addresses", addresses or "not resolved"
        yield "addresses", "resolved by the proxy"
    else:
        yield "addresses", addresses or "not resolved"
    yield from _tls_rows(record)


def _proxy_text(record: PingRecord) -> str:
    variable, exception = record["proxy_variable"], record["proxy_exception"]
    if record["proxy"]:
        return f"{record['proxy']} ({variable})"
    if exception is None:
        return "none (no variable names one)"
    reason = "the host is this machine" if exception == "loopback" else f"NO_PROXY has {exception}"
    return f"none ({variable} does not apply: {reason})"


def _tls_rows(record: PingRecord) -> Iterator[tuple[str, str]]:
    if str(record["base_url"]).startswith("http:"):
        yield "TLS", "none (plain http)"
        return
    hidden = " (behind the proxy)" if record["proxy"] else ""
    yield "TLS", record["tls_version"] or f"no handshake{hidden}"
    if record["certificate_subject"] is None:
        yield "certificate", f"not seen{hidden}"
    else:
        yield "certificate", record["certificate_subject"]
        yield "issuer", str(record["certificate_issuer"])
        yield "valid", f"{record['certificate_not_before']} to {record['certificate_not_after']}"
    yield "trusted CAs", f"{record['ca_path']} ({record['ca_variable'] or 'built-in'})"


def _response_rows(record: PingRecord) -> Iterator[tuple[str, str]]:
    parts = {
        "lookup": record["lookup_seconds"],
        "connect": record["connect_seconds"],
        "TLS": record["tls_seconds"],
    }
    if record["round_trip_seconds"] is not None:
        of_these = ", ".join(f"{name} {seconds:.3f} s" for name, seconds in parts.items() if seconds is not None)
        yield "round trip", f"{record['round_trip_seconds']:.3f} s{f' (of these {of_these})' if of_these else ''}"
        ray = f", Cloudflare ray {record['ray']}" if record["ray"] else ""
        yield "response", "none" if record["http_status"] is None else f"HTTP {record['http_status']}{ray}"
    offset_s = record["clock_offset_seconds"]
    yield "clock", f"{record['time']}, {'not compared' if offset_s is None else _offset_text(offset_s)}"


def _offset_text(offset_s: int) -> str:
    if offset_s == 0:
        return "the same as the service's"
    size_s = abs(offset_s)
    long = f" ({time_text(size_s)})" if size_s >= _CLOCK_LIMIT_S else ""
    return f"{size_s:,} s{long} {'ahead of' if offset_s > 0 else 'behind'} the service's"


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
