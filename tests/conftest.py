"""What most tests share: the command in a clean environment, and the sandbox."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli.sandbox import Sandbox, World


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


class Ninepic:
    """The installed command, run as a subprocess that sees nothing of this environment but the PATH."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
        self.command = [sys.executable, "-m", "ninepic_cli"]

    def after(self, code: str) -> "Ninepic":
        """The same command in the same environment, in a Python that runs this code first."""
        other = Ninepic(self.home)
        other.environment = self.environment
        other.command = [sys.executable, "-c", f"{code}\nfrom ninepic_cli.__main__ import run\nrun()\n"]
        return other

    def use(self, environment: Mapping[str, str]) -> None:
        """Set variables for all further calls."""
        self.environment.update(environment)

    def start(self, *args: object, **options: Any) -> "subprocess.Popen[Any]":
        """Start it and go on; standard output and standard error are pipes of text unless said otherwise."""
        settings: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        settings.update(cwd=self.home, env=self.environment, text=True)
        settings.update(options)
        return subprocess.Popen([*self.command, *map(str, args)], **settings)

    def __call__(self, *args: object, given: str | bytes = "", timeout: float = 60, **environment: str) -> Result:
        """Run it to its end, with `given` on standard input."""
        data = given.encode() if isinstance(given, str) else given
        done = subprocess.run(
            [*self.command, *map(str, args)],
            cwd=self.home,
            env={**self.environment, **environment},
            input=data,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def ninepic(tmp_path: Path) -> Ninepic:
    """The command, in a home of its own."""
    home = tmp_path / "home"
    home.mkdir()
    return Ninepic(home)


@pytest.fixture
def sandbox(ninepic: Ninepic) -> Iterator[Callable[..., Sandbox]]:
    """Starts a sandbox with the given world and options, and points the command at it."""
    with ExitStack() as stack:

        def start(world: World | None = None, **options: Any) -> Sandbox:
            box = stack.enter_context(Sandbox(world, **options))
            ninepic.use(box.environment)
            return box

        yield start


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-off in milliseconds, for tests that run the parts in this process."""
    monkeypatch.setattr("ninepic_cli.retry._FIRST_WAIT_S", 0.002)
    monkeypatch.setattr("ninepic_cli.retry._LONGEST_WAIT_S", 0.01)
