"""Everything that can go wrong, and the status the process ends with.

    NinepicError                      1  a bug or an unforeseen error
    ├── UsageError                    2  the call has to be corrected
    │   ├── SettingsError             2  a setting, or the file it stands in
    │   ├── EventNotFoundError        2  the service does not know the event
    │   └── MalformedRequestError     2  the service calls the request malformed
    ├── NotAllowedError               3  key missing, refused, or not for this organisation or event
    ├── GivenUpError                  6  the service or the network kept failing
    │   ├── CertificateError          6  the certificate is not trusted
    │   └── ProxyError                6  the proxy refuses to connect
    ├── ServiceFailedError            6  one request to the service failed too often
    ├── ReaderGoneError               5  whoever read the ZIP has gone
    ├── MachineError                  7  disk full, folder not writable, I/O error
    │   └── ThreadLimitError          7  no more threads can be started
    ├── RejectedError                 -  the service rejects one request; what that means depends on the request
    ├── StoppedError                  -  the run ends; unwinds a worker, is never shown
    ├── TransientError                -  one try failed and another may help
    │   ├── ThrottledError            -  the host asks for patience (429, 503)
    │   ├── UnusableAnswerError       -  something that is not the service answered, or the service in pieces
    │   └── OpenFilesError            7  too many open files
    └── PhotoError                    5  one photo could not be fetched, the others go on
        ├── NotListedError            5  the service did not hand out its link
        ├── MissingError              4  the service does not have it
        └── BlockedNameError          7  something else stands where the photo should go

A PhotoError becomes that photo's outcome. A TransientError never leaves the layer that retries: it is
tried again, and in the end turned into one of the others. All others end the run; what concerns a host alone
(CertificateError, ProxyError) does so for the service's, and is a PhotoError where a photo's link leads to it.
"""

import errno
import os
from collections.abc import Mapping
from enum import IntEnum
from typing import ClassVar

from ninepic_cli.text import posix_text, system_text


class ExitStatus(IntEnum):
    """The process's exit statuses; a signal adds its number to 128."""

    OK = 0
    BUG = 1
    USAGE = 2
    NOT_ALLOWED = 3
    MISSING = 4
    INCOMPLETE = 5
    GIVEN_UP = 6
    MACHINE = 7


# The codes of single cases, for scripts, and what each says; any other is the `default_code` of a class.
CODES: Mapping[str, str] = {
    "error": "A bug or an unexpected error.",
    "failed": "It could not be downloaded; its message says why.",
    "connection": "The connection failed, or was closed before the response was complete.",
    "timeout": "The request timed out.",
    "http_NNN": "The status that the service or storage returned, such as http_503.",
    "not_answered": "The service's response does not mention the photo.",
    "unnamed": "The service listed photos without an id.",
    "unusable_link": "The service gave no link, or one that cannot be used.",
    "link_expired": "Storage rejected its links as expired, new ones too.",
    "redirect": "Storage returned a redirect, which is not followed.",
    "forbidden": "Storage refused the request (403).",
    "not_a_photo": "Storage returned something other than the photo.",
    "changed": "The photo in storage kept changing during the download.",
    "wrong_range": "Storage returned other bytes than those requested.",
    "checksum": "The bytes do not match the MD5 from storage.",
    "unverifiable": "Storage sent neither a length nor an MD5 to check the photo by.",
    "too_large": "It is larger than any photo.",
    "absent": "The check of an archive (`--existing verify --dry-run`) found no file of it.",
    "damaged": "The check of an archive found its file empty, cut short or not an image.",
    "differs": "The check of an archive found another file than the store has.",
    "name_refused": "The file system refuses the photo's name.",
    "disk_full": "The disk is full.",
    "output": "Standard output cannot be written.",
    "gone": "The photo was removed or moved during the run.",
    "not_kept": "Its ZIP was not finished, and was not kept.",
    "not_reached": "The run ended before it was reached.",
}


# A hint where nothing at all is stored of what was asked for.
NO_ORIGINALS = "originals are available only if the organiser enabled 'Store Original Memories' for the event"


class NinepicError(Exception):
    """An error that a person can read; each class names its exit status and code, or has its parent's.

    Args:
        message: what failed and why, in one sentence without a full stop.
        hint: what to do next, or None.
        code: a stable word for scripts.
    """

    exit_status: ClassVar[ExitStatus] = ExitStatus.BUG
    default_code: ClassVar[str] = "error"

    def __init_subclass__(cls, *, exit_status: ExitStatus | None = None, code: str | None = None) -> None:
        super().__init_subclass__()
        cls.exit_status = exit_status or cls.exit_status
        cls.default_code = code or cls.default_code

    def __init__(self, message: str, *, hint: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or self.default_code


class UsageError(NinepicError, exit_status=ExitStatus.USAGE, code="usage"):
    """The call has to be corrected."""


class SettingsError(UsageError, code="settings"):
    """A setting is missing or wrong, or its file cannot be read or written."""


class EventNotFoundError(UsageError, code="event_not_found"):
    """The service does not know the event."""


class MalformedRequestError(UsageError, code="malformed"):
    """The service calls the request malformed (422, or 400 to a bib or a selfie search)."""


class NotAllowedError(NinepicError, exit_status=ExitStatus.NOT_ALLOWED, code="not_allowed"):
    """The key is missing, refused, or not for this organisation or event (401, 403)."""


class GivenUpError(NinepicError, exit_status=ExitStatus.GIVEN_UP, code="given_up"):
    """The service or the network kept failing."""


class CertificateError(GivenUpError, code="certificate"):
    """The host's certificate is not trusted."""


class ProxyError(GivenUpError, code="proxy"):
    """The proxy refuses to connect to the host, or to serve this user."""


class ServiceFailedError(NinepicError, exit_status=ExitStatus.GIVEN_UP, code="service_failed"):
    """One request to the service failed too often."""


class RejectedError(NinepicError):
    """The service rejects one request (a 4xx that is about the request, not the key)."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message, code=f"http_{status}")
        self.status = status


class MachineError(NinepicError, exit_status=ExitStatus.MACHINE, code="disk"):
    """This machine cannot take the photos: disk full, folder not writable, I/O error."""


class ThreadLimitError(MachineError, code="threads"):
    """The system lets this process start no more threads."""

    def __init__(self) -> None:
        hint = "raise the process or memory limit (ulimit -u, ulimit -v, pids.max)"
        super().__init__("cannot start more threads", hint=posix_text(hint, "lower --jobs"))


class ReaderGoneError(NinepicError, exit_status=ExitStatus.INCOMPLETE, code="reader_gone"):
    """Whoever read the ZIP as it came has gone, so that nothing more can arrive."""


class StoppedError(NinepicError, code="stopped"):
    """The run ends, and this piece of work ends with it."""


class TransientError(NinepicError, code="connection"):
    """One try failed in a way that another may not."""


class ThrottledError(TransientError):
    """The host asks for patience: for `retry_after_s` seconds, if it said how long."""

    def __init__(self, message: str, *, retry_after_s: float | None, code: str) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


class UnusableAnswerError(TransientError, code="unusable_answer"):
    """An answer that is not the service's: from a portal, a firewall, a wrong address, or cut."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint or "check the network (login page, firewall, proxy?) and base-url")


class OpenFilesError(TransientError, exit_status=ExitStatus.MACHINE, code="open_files"):
    """This process or the whole system has as many open files as it may: others may be closed meanwhile."""

    numbers: ClassVar = frozenset({errno.EMFILE, errno.ENFILE})

    def __init__(self) -> None:
        super().__init__("too many open files", hint=posix_text("raise the limit (ulimit -n) or ") + "lower --jobs")


class PhotoError(NinepicError, exit_status=ExitStatus.INCOMPLETE, code="failed"):
    """One photo could not be fetched; the others go on."""


class MissingError(PhotoError, exit_status=ExitStatus.MISSING, code="not_found"):
    """The service does not have it."""


class NotListedError(PhotoError, code="not_listed"):
    """The service did not hand out its link: the request for it failed too often."""


class BlockedNameError(PhotoError, exit_status=ExitStatus.MACHINE, code="name_blocked"):
    """A folder, a link or the like stands where the photo should go."""


def unforeseen(error: Exception) -> NinepicError:
    """Our error for one that nobody thought of: of this machine where the system named a file, else a bug."""
    found = (_of_system(error) if isinstance(error, OSError) else None) or NinepicError(
        f"internal error: {type(error).__name__}", hint="rerun with NINEPIC_DEBUG=1 and report the traceback"
    )
    found.__cause__ = error
    return found


def _of_system(error: OSError) -> NinepicError | None:
    if error.errno in OpenFilesError.numbers:
        return OpenFilesError()
    name = "" if error.filename is None else os.fsdecode(error.filename)
    if isinstance(error, FileNotFoundError):
        try:
            check_current_folder(name)
        except MachineError as gone:
            return gone
    if not name:
        return None
    return MachineError(
        f"cannot access {name}: {system_text(error)}", hint="check the file, its directory and the disk"
    )


def check_current_folder(path: str | os.PathLike[str]) -> None:
    """Raise a MachineError if the path is relative to a folder that has been removed."""
    if os.path.isabs(path):  # noqa: PTH117 (any path)
        return
    try:
        os.getcwd()  # noqa: PTH109 (nothing is made of it)
    except OSError:
        hint = "change to an existing directory: cd DIR"
        raise MachineError("the current directory no longer exists", hint=hint) from None
