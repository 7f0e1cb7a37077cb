"""Other processes: the command as a subprocess, how it ended, other users."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli.sandbox import Sandbox

Start = Callable[..., Sandbox]  # the fixture `sandbox`

NOBODY = 65534
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    status: int  # negative: by that signal
    out: str
    err: str

    @property
    def json(self) -> list[dict[str, Any]]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    def photos(self, status: str) -> list[dict[str, Any]]:
        """The JSON lines of the photos with a status."""
        return [line for line in self.json if line["type"] == "photo" and line["status"] == status]


class Process(subprocess.Popen[Any]):
    """A command under way; what it said is in the report of a test that fails."""

    def communicate(self, input: Any = None, timeout: float | None = None) -> tuple[Any, Any]:  # noqa: A002
        """Wait for its end, and read what is left of its output."""
        try:
            out, err = super().communicate(input, timeout)
        except subprocess.TimeoutExpired as error:
            _record(self.args, f"still there after {timeout} s", error.stderr)
            raise
        _record(self.args, self.returncode, err)
        return out, err

    def result(self, timeout: float = 60) -> Result:
        """How it ended, once it has; its output is text."""
        out, err = self.communicate(timeout=timeout)
        return Result(self.returncode, out or "", err or "")

    def end(self) -> None:
        """Kill it if it still runs, and close its pipes."""
        if self.poll() is None:
            self.kill()
        self.wait()
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                with suppress(OSError, ValueError):
                    stream.close()


class Helper(Process):
    """Another Python process, which answers each line that it is told with a line."""

    def __init__(self, program: str, *args: object) -> None:
        command = [sys.executable, "-c", program, *map(str, args)]
        super().__init__(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, line: str) -> str:
        """Tell it something; its answer."""
        self.tell(line)
        return self.answer()

    def tell(self, line: str) -> None:
        """The same, without waiting for the answer."""
        assert self.stdin
        self.stdin.write(f"{line}\n")
        self.stdin.flush()

    def answer(self) -> str:
        """Its next line."""
        assert self.stdout
        line = self.stdout.readline()
        assert line, "it ended with an error"
        return str(line).rstrip()

    def close(self) -> None:
        """Kill it (SIGKILL), if it still runs, and wait until it is gone."""
        self.end()


class Ninepic:
    """The installed command, run as a subprocess that sees nothing of this environment but the PATH."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
        self.command = [sys.executable, "-m", "ninepic_cli"]
        self.started: list[Process] = []

    def after(self, code: str) -> "Ninepic":
        """The same command in the same environment, in a Python that runs this code first."""
        return self.by(sys.executable, "-c", f"{code}\nfrom ninepic_cli.__main__ import run\nrun()\n")

    def by(self, *command: str) -> "Ninepic":
        """The same environment, with another command line before the arguments."""
        other = Ninepic(self.home)
        other.environment, other.command, other.started = self.environment, list(command), self.started
        return other

    def under(self, line: str) -> "Ninepic":
        """The same command in a process that has run a line of shell first, as one that sets a limit."""
        return self.by("sh", "-c", f'{line}; exec "$0" "$@"', *self.command)

    def as_another_user(self, home: Path) -> "Ninepic":
        """The command as a user whom permissions bind, at home in a folder that everybody reaches."""
        other = self.by(*another_user(self.command))
        other.home, other.environment = home, {**self.environment, "HOME": str(home)}
        return other

    def use(self, environment: Mapping[str, str]) -> None:
        """Set variables for all further calls."""
        self.environment.update(environment)

    def start(self, *args: object, **options: Any) -> Process:
        """Start it and go on; standard output and standard error are pipes of text unless said otherwise.

        It is ended with the test.
        """
        settings: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        settings.update(cwd=self.home, env=self.environment, text=True)
        settings.update(options)
        process = Process([*self.command, *map(str, args)], **settings)
        self.started.append(process)
        return process

    def end_all(self) -> None:
        """End what was started and still runs."""
        while self.started:
            self.started.pop().end()

    def __call__(self, *args: object, given: str | bytes = "", timeout: float = 60, **environment: str) -> Result:
        """Run it to its end, with `given` on standard input."""
        return completed(
            [*self.command, *map(str, args)],
            cwd=self.home,
            env={**self.environment, **environment},
            given=given,
            timeout=timeout,
        )

    def in_shell(self, line: str, *, by: str = "sh", given: str | bytes = "", **environment: str) -> Result:
        """Run a line of shell in which `ninepic` is the command."""
        script = f'ninepic() {{ {shlex.join(self.command)} "$@"; }}\n{line}\n'
        return completed([by, "-c", script], cwd=self.home, env={**self.environment, **environment}, given=given)


def completed(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    given: str | bytes = "",
    timeout: float = 60,
) -> Result:
    """Run any command to its end, with `given` on standard input."""
    process = Process(command, cwd=cwd, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        out, err = process.communicate(given.encode() if isinstance(given, str) else given, timeout)
    finally:
        process.end()
    return Result(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


def output_of(command: Sequence[str | Path], *, cwd: Path | None = None) -> str:
    """Run any command, which is to succeed; its standard output."""
    result = completed(command, cwd=cwd)
    assert result.status == 0, result.err
    return result.out


def _record(args: object, status: object, err: str | bytes | None) -> None:
    """Print how a command ended: pytest shows it where the test fails."""
    words = [word for word in args if "\n" not in str(word)] if isinstance(args, list) else [args]
    text = err.decode(errors="replace") if isinstance(err, bytes) else err or ""
    print(f"$ {' '.join(map(str, words))} -> {status}\n{text}")  # noqa: T201


# For `Ninepic.after`: back-off in milliseconds.
QUICK = "import ninepic_cli.net.retry as retry; retry._FIRST_WAIT_S = 0.002; retry._LONGEST_WAIT_S = 0.01"


# A process's peak counts that of the process it was forked from, and this one is large: fork from a small one.
_MEASURED = """
import json, resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(json.dumps({"status": status, "peak": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}))
"""


def peak_of(ninepic: Ninepic, *args: object) -> float:
    """Run the command to its good end; its peak memory in MiB."""
    command = [sys.executable, "-S", "-c", _MEASURED, *ninepic.command, *map(str, args)]
    measured = completed(command, cwd=ninepic.home, env=ninepic.environment, timeout=600).json[0]
    assert measured["status"] == 0
    return float(measured["peak"]) / 1024


def another_user(command: list[str]) -> list[str]:
    """The command as a user whom permissions bind; skips the test where that cannot be."""
    if shutil.which("setpriv") is None or os.geteuid() != 0:
        pytest.skip("needs root and setpriv to become another user")
    probe = [*AS_NOBODY, sys.executable, "-c", "import ninepic_cli.cli.app"]
    if completed(probe, cwd=Path("/")).status:
        pytest.skip("another user cannot run this Python, or not read this package")
    return [*AS_NOBODY, *command]


def heed_signals() -> None:
    """Give this process and its children the signals back that whoever started the tests ignores."""
    for name in ("SIGINT", "SIGQUIT", "SIGHUP", "SIGTERM"):
        number = getattr(signal, name)
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
