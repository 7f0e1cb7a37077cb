"""The help: complete and true."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

import ninepic_cli
from ninepic_cli.cli.app import app
from ninepic_cli.cli.help import help_text
from ninepic_cli.cli.parameters import TIME, parse_time
from ninepic_cli.cli.reference import ENVIRONMENT, EXITS, OTHER, Page, pages
from ninepic_cli.errors import ExitStatus

ROOT = typer.main.get_command(app)
PAGES = {page.name: page for page in pages(ROOT)}
SOURCES = Path(ninepic_cli.__file__).parent.rglob("*.py")
VARIABLES = sorted(
    {
        name
        for path in SOURCES
        for name in re.findall(r"\b(?:NINEPIC_[A-Z_]+[A-Z]|SSL_CERT_[A-Z]+|[A-Z]+_PROXY)\b", path.read_text())
        if not name.startswith("_")
    }
)


def command_of(page: Page) -> Any:
    """The command that a page is about."""
    command: Any = ROOT
    for word in page.name.split()[1:]:
        command = command.commands[word]
    return command


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("name", sorted(PAGES))
def test_it_fits(name: str, width: int) -> None:
    """No line is wider than the terminal, every line is plain text, and nothing is left out."""
    page = PAGES[name]
    shown = help_text(page, width, is_complete=True)
    assert [line for line in shown.splitlines() if len(line) > width] == []
    assert shown.isascii()
    assert shown.replace("\n", "").isprintable()
    words = " ".join(shown.split())
    shell = words.replace(" \\ ", " ")
    assert all(" ".join(line.split()) in shell for example in page.examples for line in example.lines)
    for section in (*page.sections, ENVIRONMENT, EXITS):
        for item in section.items:
            assert ", ".join(item.terms) in words
            assert " ".join(item.text.split()) in words


@pytest.mark.parametrize("name", sorted(PAGES))
def test_each_command_has_what_a_reader_looks_for(name: str) -> None:
    """A purpose in one sentence, a text for every option and argument, an example."""
    page = PAGES[name]
    assert re.fullmatch(r"[A-Z][^.]*\.", page.purpose)
    assert [item for section in page.sections for item in section.items if not item.text.endswith((".", "]"))] == []
    assert page.examples


@pytest.mark.parametrize("name", sorted(PAGES))
def test_examples_are_calls_that_can_be_made(name: str) -> None:
    """Each example's command, options and arguments exist, and one of them shows the command itself."""
    calls = [
        shlex.split(re.split(r" [|<>] ", call)[0])
        for example in PAGES[name].examples
        for line in example.lines
        for call in re.split(r"; | && |^\s*", line)
        if call.startswith("ninepic ")
    ]
    assert any(" ".join(call).startswith(name) for call in calls)
    for _, *args in calls:
        command: Any = ROOT
        while args and args[0] in getattr(command, "commands", {}):
            command = command.commands[args.pop(0)]
        assert command.make_context("ninepic", list(args))


@pytest.mark.parametrize("name", sorted(PAGES))
def test_defaults_are_the_true_ones(name: str) -> None:
    """An option with a value says what it is where it is not given."""
    for parameter in command_of(PAGES[name]).params:
        if parameter.param_type_name != "option" or parameter.is_flag or parameter.default is None:
            continue
        told = re.search(r"\[default: ([^;\]]+)", parameter.help)
        assert told, parameter.name
        if parameter.metavar == TIME and isinstance(parameter.default, float):
            assert parse_time(told[1]) == parameter.default
        else:
            assert told[1].removeprefix("./") == str(parameter.default).removesuffix(".0")


def test_settings_of_options_are_the_true_ones() -> None:
    """An option that a variable or a setting can stand in for names both."""
    from ninepic_cli.config.schema import SETTINGS  # noqa: PLC0415
    from ninepic_cli.config.settings import DEFAULTS  # noqa: PLC0415 (used here only)

    options = {name: parameter for parameter in ROOT.commands["bib"].params for name in parameter.opts}  # type: ignore[attr-defined]
    for setting in SETTINGS.values():
        if setting.option:
            told = options[setting.option].help
            assert f"env: {setting.variable}; setting: {setting.display_name}]" in told
            assert ("default: " in told) is (setting.name in DEFAULTS)
            assert f"[default: {DEFAULTS.get(setting.name, '')}; " in told or setting.name not in DEFAULTS


@pytest.mark.parametrize("variable", VARIABLES)
def test_every_variable_is_told(variable: str) -> None:
    """Each variable that the program reads is in the help."""
    assert variable in {term for item in ENVIRONMENT.items for term in item.terms}


def test_every_exit_status_is_told() -> None:
    """Each exit status is in the help, those of signals too."""
    told = [term for item in EXITS.items for term in item.terms[0].split(", ")]
    assert told == [*(str(int(status)) for status in ExitStatus), "129", "130", "143"]


def test_options_are_grouped() -> None:
    """The many options of a download command stand under what they are for, none under a title that says nothing."""
    titles = [section.title for section in PAGES["ninepic bib"].sections]
    assert titles == ["Selection", "Destination", "Transfer", "Output", "Settings"]
    assert OTHER not in titles
