"""The Dockerfile, step by step in a folder of its own: no engine is needed, and no network."""

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ninepic_cli import __version__, generate
from tests.support.command import another_user, completed
from tests.support.files import names_in

# No package comes from elsewhere: what is needed is on PYTHONPATH, for the build as well.
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Each instruction of a Dockerfile and its arguments."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, arguments = line.partition(" ")
            yield name, arguments.strip()


def is_ignored(path: str, patterns: list[str]) -> bool:
    """Whether a .dockerignore keeps a file out: the last pattern for it, or for a folder above it, counts."""
    answer = False
    for pattern in patterns:
        expression = re.escape(pattern.removeprefix("!")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
        if re.fullmatch(f"{expression}(?:/.*)?", path):
            answer = not pattern.startswith("!")
    return answer


def copy_context(sources: Path, context: Path) -> None:
    """Copy what the builder is sent."""
    lines = (sources / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    for top in sources.iterdir():
        for path in [top] if top.is_file() else top.rglob("*") if not is_ignored(top.name, patterns) else []:
            name = path.relative_to(sources).as_posix()
            if path.is_file() and not is_ignored(name, patterns):
                (context / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, context / name)


class Builder:
    """Follows a Dockerfile below a folder that stands for the root of its file system.

    Attributes:
        root: the folder.
        environment: of the commands that are run.
        directory: where they are run.
        user: who the command is to run as; empty for root.
        entrypoint: the command.
    """

    def __init__(self, context: Path, place: Path, environment: Mapping[str, str]) -> None:
        self._context = context
        self.root = place / "root"
        self._stages = place / "stages"
        self._initial = dict(environment)
        self._stage = ""
        self._from("")

    def follow(self, text: str) -> None:
        """Do what each instruction says."""
        for name, arguments in instructions(text):
            getattr(self, f"_{name.lower()}")(arguments)

    def _below(self, text: str) -> str:
        """The text with its absolute paths below the root."""
        return re.sub(r"(?<![\w./*])/(?=\w)", f"{self.root}/", text)

    def _from(self, arguments: str) -> None:
        """Begin with an empty file system; that of the stage before is kept by its name."""
        if self.root.exists():
            self.root.rename(self._stages / self._stage)
        self.root.mkdir()
        self._stages.mkdir(exist_ok=True)
        self._stage = arguments.partition(" AS ")[2]
        self.environment, self.directory, self.user = dict(self._initial), self.root, ""
        self.entrypoint: list[str] = []

    def _workdir(self, path: str) -> None:
        self.directory = Path(self._below(path))
        self.directory.mkdir(parents=True, exist_ok=True)

    def _copy(self, arguments: str) -> None:
        option, *words = arguments.split() if arguments.startswith("--from=") else ["", *arguments.split()]
        origin = self._stages / option.removeprefix("--from=") if option else self._context
        *sources, target = words
        for source in (origin / each.lstrip("/") for each in sources):
            place = self.directory / self._below(target)
            if source.is_dir():
                shutil.copytree(source, place, symlinks=True, dirs_exist_ok=True)
            else:
                shutil.copy(source, place)

    def _run(self, line: str) -> None:
        result = completed(["sh", "-ec", self._below(line)], cwd=self.directory, env=self.environment)
        assert result.status == 0, f"{line}: {result.err}"

    def _env(self, arguments: str) -> None:
        name, _, value = self._below(shlex.split(arguments)[0]).partition("=")
        self.environment[name] = re.sub(r"\$(\w+)", lambda match: self.environment[match[1]], value)

    def _user(self, user: str) -> None:
        self.user = user

    def _entrypoint(self, arguments: str) -> None:
        self.entrypoint = json.loads(arguments)


@pytest.fixture
def packages(shared: Path) -> Path:
    """What is installed here, but for ninepic."""
    folder = shared / "packages"
    folder.mkdir()
    for path in map(Path, sys.path):
        for each in path.iterdir() if path.name == "site-packages" else ():
            if not re.match(r"_?ninepic|pip\b|__pycache__|.*\.pth$", each.name):
                (folder / each.name).symlink_to(each)
    return folder


@pytest.fixture
def commands(shared: Path) -> Path:
    """The commands of the base image that would do something to this machine, or that have other names here."""
    folder = shared / "commands"
    folder.mkdir()
    for name, line in {
        "python": f'exec {sys.executable} "$@"',
        "pip": f'exec {sys.executable} -m pip "$@"',
        "useradd": f'echo "$*" >> {folder}/users',
    }.items():
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.slow
def test_the_image_has_the_command_in_it(shared: Path, packages: Path, commands: Path) -> None:
    """Each step succeeds with what the builder is sent, and the command works as a user who is not root."""
    pytest.importorskip("pip")
    context = shared / "context"
    copy_context(generate.ROOT, context)
    environment = {
        "PATH": f"{commands}:{os.environ['PATH']}",
        "PYTHONPATH": str(packages),
        "HOME": str(shared / "root/root"),
    }
    builder = Builder(context, shared, environment | OFFLINE)
    builder.follow((generate.ROOT / "Dockerfile").read_text())
    assert names_in(builder.root) == ["opt", "photos"]  # no sources, no wheel, no cache
    pages_and_completions = {path.name for path in (builder.root / "opt/ninepic/share").rglob("*")}
    assert {"ninepic.1", "ninepic", "_ninepic", "ninepic.fish"} <= pages_and_completions  # a wheel may do without

    assert f"--uid {builder.user} " in (commands / "users").read_text()
    assert int(builder.user) > 0
    (entrypoint,) = builder.entrypoint
    command = [shutil.which(entrypoint, path=builder.environment["PATH"].partition(":")[0]) or "there is none"]
    if os.geteuid() == 0 and shutil.which("setpriv"):
        command = another_user(command)
    environment = builder.environment | {"HOME": "/nonexistent"}
    version = completed([*command, "--version"], cwd=builder.directory, env=environment)
    assert version.out == f"ninepic {__version__}\n", version.err
    demo = completed([*command, "demo"], cwd=builder.directory, env=environment)
    assert demo.status == 0, demo.err
    assert len(list(builder.directory.glob("ninepic-demo/*.jpg"))) == 47
