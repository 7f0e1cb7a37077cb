"""The key that a command prints: `api_key_command`."""

import os
import shlex
import signal
import subprocess
import threading
from contextlib import nullcontext, suppress

from ninepic_cli.config.schema import SETTINGS
from ninepic_cli.errors import NotAllowedError, ThreadLimitError
from ninepic_cli.redact import mask_key
from ninepic_cli.system.terminal import can_prompt, foreground
from ninepic_cli.text import one_line, quoted

TIMEOUT_S = 30.0
_DRAIN_TIMEOUT_S = 1.0
_LARGEST_OUTPUT = 64 * 1024
_INTERRUPTED = {-signal.SIGINT, 128 + signal.SIGINT}
_NO_SHELL = "it is run without a shell: pipes, ~ and $VARIABLES need sh -c '...'"
_FIRST_LINE = "it must print the key, and nothing else, on the first line of its standard output"


def run_key_command(command: str, *, source: str) -> str:
    """Run a command and take the first line that it prints for the key.

    It is split into words like a shell would, and run without one, for 30 s at most. It may ask at the terminal where
    we may; what it writes to standard error goes to ours. Its arguments and its output, which may hold the key, are in
    no message; `source` says there where the command came from.

    Raises:
        NotAllowedError: it printed no key.
    """
    words = shlex.split(command)
    name, hint = one_line(words[0]), f"check its name; {_NO_SHELL}"
    try:
        status, output = _run(words)
    except FileNotFoundError:
        failure = "not found"
        if len(words) == 1 and os.sep not in words[0]:  # it may be a key, written where it does not belong
            name, hint = mask_key(words[0]), "if it is the key: ninepic config set api-key"
    except (OSError, ValueError) as error:
        failure = f"cannot run: {getattr(error, 'strerror', None) or 'not a command'}"
    except subprocess.TimeoutExpired:
        failure, hint = f"timed out after {TIMEOUT_S:.0f} s", "run it yourself to see what it waits for"
    else:
        if not status:
            return _parse_key(output, f"api-key-command {quoted(name)} (from {source})")
        failure = f"killed by signal {-status}" if status < 0 else f"exited with status {status}"
        hint = f"run it yourself to see why; {_NO_SHELL}"
    raise NotAllowedError(f"api-key-command {quoted(name)} (from {source}): {failure}", hint=hint)


def _parse_key(output: bytes, subject: str) -> str:
    line = output.partition(b"\n")[0].decode("utf-8-sig", "replace")
    try:
        key = SETTINGS["api_key"].convert(line)
    except ValueError:
        raise NotAllowedError(f"{subject}: its output is not a key", hint=_FIRST_LINE) from None
    if not isinstance(key, str):
        raise NotAllowedError(f"{subject}: it printed no key", hint=_FIRST_LINE)
    return key


def _run(words: list[str]) -> tuple[int, bytes]:
    """Exit status and standard output; an interrupted command interrupts us."""
    is_interactive = can_prompt()
    process = subprocess.Popen(  # noqa: S603 (the user's own command)
        words,
        stdin=None if is_interactive else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        process_group=0 if os.name == "posix" else None,  # so that all that it started can be ended with it
    )
    with foreground(process.pid) if is_interactive else nullcontext():
        output = _read_output(process)
    if is_interactive and process.returncode in _INTERRUPTED:  # the terminal told the command alone
        raise KeyboardInterrupt
    return process.returncode, output


def _read_output(process: "subprocess.Popen[bytes]") -> bytes:
    output = bytearray()  # the beginning, which holds the key; the rest is read so that the command never waits for us

    def drain() -> None:
        if process.stdout is not None:
            with process.stdout as pipe:
                while chunk := os.read(pipe.fileno(), 4096):
                    output.extend(chunk[: _LARGEST_OUTPUT - len(output)])

    reader = threading.Thread(target=drain, daemon=True)
    try:
        reader.start()
        process.wait(TIMEOUT_S)
    except BaseException as error:
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if isinstance(error, RuntimeError):
            raise ThreadLimitError from error
        raise
    reader.join(_DRAIN_TIMEOUT_S)  # an agent that the command left behind may hold the pipe open for ever
    return bytes(output)
