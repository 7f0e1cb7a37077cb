"""The README against the program: nothing that it has is left out."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main  # noqa: TID251 (walks the command tree)

import ninepic_cli
from ninepic_cli.cli import app
from ninepic_cli.errors import ExitStatus
from ninepic_cli.values import SETTINGS

ROOT = Path(ninepic_cli.__file__).parent.parent
README = (ROOT / "README.md").read_text()


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command below one, with its whole name."""
    yield name, command
    for word, below in getattr(command, "commands", {}).items():
        yield from commands(below, f"{name} {word}")


COMMANDS = dict(commands(typer.main.get_command(app), "ninepic"))
OPTIONS = sorted(
    {
        option
        for command in COMMANDS.values()
        for parameter in command.params
        for option in parameter.opts
        if "-" in option
    }
)
VARIABLES = sorted(
    {
        name
        for path in (ROOT / "ninepic_cli").glob("*.py")
        for name in re.findall(r"NINEPIC_[A-Z_]+|SSL_CERT_FILE|HTTPS_PROXY|NO_PROXY", path.read_text())
    }
    - {"NINEPIC_", "NINEPIC_PROFILE"}
)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_it_names_every_command(name: str) -> None:
    """Each command of the program stands in the README; those of `config` in one row."""
    word = name.rpartition(" ")[2]
    assert re.search(rf"`{name}\b|config [a-z/]*\b{word}\b", README)


@pytest.mark.parametrize("option", OPTIONS)
def test_it_names_every_option(option: str) -> None:
    """Each option of the program stands in the README."""
    assert re.search(rf"`{option}[` =]|{option}\b", README)


@pytest.mark.parametrize("variable", VARIABLES)
def test_it_names_every_variable(variable: str) -> None:
    """Each variable that the program reads stands in the README."""
    assert f"`{variable}" in README


@pytest.mark.parametrize("setting", [setting.shown for setting in SETTINGS.values() if setting.variable])
def test_it_names_every_setting(setting: str) -> None:
    """Each setting of the settings file stands in the README."""
    assert f"`{setting}`" in README


@pytest.mark.parametrize("status", sorted(ExitStatus))
def test_it_names_every_exit_status(status: ExitStatus) -> None:
    """Each exit status has a row in the README."""
    assert f"\n| {int(status)} | " in README
