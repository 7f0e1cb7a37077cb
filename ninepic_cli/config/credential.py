"""The key that a command prints: `api_key_command`."""

import os
import shlex
import signal
import subprocess
import threading
from contextlib import nullcontext, suppress

from ninepic_cli.config.schema import SETTINGS, masked
from ninepic_cli.errors import NotAllowedError, ThreadLimitError
from ninepic_cli.system import terminal
from ninepic_cli.text import one_line

PATIENCE_S = 30.0
_LAST_WORDS_S = 1.0
_LARGEST_OUTPUT = 64 * 1024
_INTERRUPTED = {-signal.SIGINT, 128 + signal.SIGINT}
_NO_SHELL = "it is run without a shell: pipes, ~ and $VARIABLES need sh -c '...'"
_FIRST_LINE = "it has to print the key, and nothing else, on the first line of its standard output"


def printed_key(command: str, *, source: str) -> str:
    """Run a command and take the first line that it prints for the key.

    It is run without a shell, for 30 s at most. It may ask at the terminal where we may; what it writes to standard
    error goes to ours. Its arguments and its output, which may hold the key, are in no message.

    Args:
        command: split into words like a shell would.
        source: where the command came from, for messages.

    Raises:
        NotAllowedError: it printed no key.
    """
    words = shlex.split(command)
    subject = f"{source}: api_key_command ({one_line(words[0])})"
    try:
        status, output = _ran(words)
    except FileNotFoundError:
        if len(words) == 1 and os.sep not in words[0]:  # it may be a key, written where it does not belong
            unknown = f"{source}: api_key_command ({masked(words[0])}) was not found"
            raise NotAllowedError(unknown, hint="if it is the key: ninepic config set api-key") from None
        raise NotAllowedError(f"{subject} was not found", hint=f"check its name; {_NO_SHELL}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a command"
        raise NotAllowedError(f"{subject} cannot be run: {reason}", hint=f"check its name; {_NO_SHELL}") from None
    except subprocess.TimeoutExpired:
        raise NotAllowedError(
            f"{subject} did not end within {PATIENCE_S:.0f} s", hint="run it yourself to see what it waits for"
        ) from None
    if status:
        ending = f"was ended by signal {-status}" if status < 0 else f"failed with status {status}"
        raise NotAllowedError(f"{subject} {ending}", hint=f"run it yourself to see why; {_NO_SHELL}")
    return _key_in(output, subject)


def _key_in(output: bytes, subject: str) -> str:
    line = output.partition(b"\n")[0].decode("utf-8-sig", "replace")
    try:
        key = SETTINGS["api_key"].parse(line)
    except ValueError:
        raise NotAllowedError(f"{subject} printed something that is not a key", hint=_FIRST_LINE) from None
    if not isinstance(key, str):
        raise NotAllowedError(f"{subject} printed no key", hint=_FIRST_LINE)
    return key


def _ran(words: list[str]) -> tuple[int, bytes]:
    """Exit status and standard output; an interrupted command interrupts us."""
    may_ask = terminal.may_ask()
    process = subprocess.Popen(  # noqa: S603 (the user's own command)
        words,
        stdin=None if may_ask else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        process_group=0 if os.name == "posix" else None,  # so that all that it started can be ended with it
    )
    with terminal.lent_to(process.pid) if may_ask else nullcontext():
        output = _output(process)
    if may_ask and process.returncode in _INTERRUPTED:  # the terminal told the command alone
        raise KeyboardInterrupt
    return process.returncode, output


def _output(process: "subprocess.Popen[bytes]") -> bytes:
    parts: list[bytes] = []
    reader = threading.Thread(target=_drain, args=(process, parts), daemon=True)
    try:
        reader.start()
        process.wait(PATIENCE_S)
    except BaseException as error:
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if isinstance(error, RuntimeError):
            raise ThreadLimitError from error
        raise
    finally:
        if reader.ident:
            reader.join(_LAST_WORDS_S)  # an agent that the command left behind may hold the pipe open for ever
    return b"".join(parts)


def _drain(process: "subprocess.Popen[bytes]", parts: list[bytes]) -> None:
    """Read to the end, so that the command never waits for us, and keep what may hold the key."""
    if process.stdout is None:
        return
    size = 0
    with process.stdout as pipe:
        while chunk := os.read(pipe.fileno(), 4096):
            if size < _LARGEST_OUTPUT:
                parts.append(chunk)
            size += len(chunk)
