"""What the command says of calls and settings that are wrong: the cause, where it came from, what to type instead."""

import json
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli import __version__
from ninepic_cli.sandbox import World
from tests.support.command import Ninepic, Start

KEY = "9pk_0123456789abcdef"
ACCOUNT = {"NINEPIC_API_KEY": KEY, "NINEPIC_ORG_ID": "123", "NINEPIC_BASE_URL": "http://127.0.0.1:9"}


@pytest.fixture
def file(ninepic: Ninepic) -> Path:
    """The settings file, with nothing wrong in it."""
    ninepic.use(ACCOUNT)
    path = ninepic.home / "config.toml"
    path.write_text("jobs = 4\n")
    path.chmod(0o600)
    ninepic.use({"NINEPIC_CONFIG": str(path)})
    return path


def error(ninepic: Ninepic, *args: object, **environment: Any) -> str:
    """What a call that has to be corrected says; it is one error, with a hint or without."""
    result = ninepic(*args, **environment)
    assert (result.status, result.out) == (2, ""), result.err
    lines = result.err.splitlines()
    assert sum("error: " in line for line in lines) == 1
    assert all(line.startswith("  ") for line in lines[1:])
    return result.err


class TestWhereAValueCameFrom:
    """A wrong value, and its source."""

    def test_the_command_line_needs_no_source(self, ninepic: Ninepic, file: Path) -> None:
        """An option is named as it was typed, and so is the argument of `event`."""
        assert file.exists()
        wanted = "expected a positive integer (see `ninepic events`)\n"
        assert f"error: invalid --event 'Marathon': {wanted}" in error(ninepic, "bib", "1", "--event", "Marathon")
        assert f"error: invalid event 'Marathon': {wanted}" in error(ninepic, "event", "Marathon")

    def test_a_variable_is_named(self, ninepic: Ninepic, file: Path) -> None:
        """A value of the environment is told with its variable, under the setting's name with dashes."""
        assert file.exists()
        told = error(ninepic, "all", NINEPIC_EVENT_ID="abc")
        assert "error: invalid event-id 'abc' (from NINEPIC_EVENT_ID): " in told
        told = error(ninepic, "all", NINEPIC_JOBS="0")
        assert "error: invalid jobs '0' (from NINEPIC_JOBS): must be between 1 and 64" in told

    def test_a_file_is_named_with_profile_and_line(self, ninepic: Ninepic, file: Path) -> None:
        """A value of the settings file is told with its profile, the whole path and the line."""
        file.write_text("jobs = 4\n\n[profiles.acme]\norg_id = 5\nevent_id = 0\n")
        told = error(ninepic, "all", "--profile", "acme")
        assert f"error: invalid event-id '0' (from profile acme in {file}:5): expected a positive integer" in told
        file.write_text("event-id = 3\nbase_url = 'http://example.org'\n")
        assert f"(from {file}:2): refusing to send the API key over plain http; use https" in error(ninepic, "all")


def test_all_that_is_missing_is_told_at_once(ninepic: Ninepic) -> None:
    """Key, organisation and event are asked for together, with the command that sets them up."""
    result = ninepic("ping")
    assert result.status == 3
    assert "ninepic: error: no API key, organisation or event configured\n" in result.err
    assert "  run: ninepic config init; or set NINEPIC_API_KEY, --org (NINEPIC_ORG_ID) and --event (" in result.err
    result = ninepic("events", NINEPIC_API_KEY=KEY)
    assert (result.status, "no organisation configured\n" in result.err) == (2, True)


def test_permissions_that_are_too_open(ninepic: Ninepic, file: Path) -> None:
    """The warning has the mode, the file and the command that ends it."""
    file.chmod(0o644)
    words = f"ninepic: warning: permissions 0644 on {file} are too open; run: chmod 600 {file}\n"
    assert words in ninepic("config", "list").err
    assert words in ninepic("events", "--retries", "0").err


@pytest.mark.parametrize("option", ["--api-key", "--key", "--token"])
@pytest.mark.parametrize("form", ["{} {}", "{}={}"])
def test_a_key_on_the_command_line(ninepic: Ninepic, option: str, form: str) -> None:
    """There is no option for the key: the error says how to give it, and does not repeat it."""
    for command in ("bib 1", "config", ""):
        told = error(ninepic, *command.split(), *form.format(option, KEY).split())
        assert f"error: unknown option {option}\n" in told
        assert "set NINEPIC_API_KEY, or run: ninepic config set api-key" in told
        assert KEY[:6] not in told


def test_help_and_version_are_commands(ninepic: Ninepic) -> None:
    """`ninepic help` is `--help` of any command, and `ninepic version` is `--version`."""
    assert ninepic("help") == ninepic("--help")
    assert ninepic("help", "bib") == ninepic("bib", "--help")
    assert ninepic("help", "config", "set") == ninepic("config", "set", "--help")
    assert ninepic("version").out == f"ninepic {__version__}\n"
    assert ninepic("help", "version").out.startswith("Show the version")


def test_what_is_right_works_as_it_is_suggested(ninepic: Ninepic, sandbox: Start) -> None:
    """The calls that errors suggest are understood."""
    sandbox(World.generate(photos=3, size=4000))
    for line in ("bib 7 --existing overwrite", "all --event 456", "bib -- -12"):
        command, *rest = line.split()
        result = ninepic(command, "--json", *rest)
        assert result.status in {0, 4}, result.err
        assert json.loads(result.out.splitlines()[-1])["type"] == "summary"


KEY = "9pk_b6f0c1d47a2e4e5f8d39a1c75e60f2b8"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (f"config set api-key={KEY}", "unknown setting 'api-key='\n  run: ninepic config set api-key\n"),
        (f"config set api-key = {KEY}", "unexpected argument '9pk_b***'"),
        (f"config set {KEY} x", "unknown setting '9pk_b***'"),
        (f"config get {KEY}", "unknown setting '9pk_b***'"),
        (f"config {KEY}", "unknown command '9pk_b***'"),
        (f"ping --profile {KEY}", "profile 9pk_b*** not found"),
        ("config set jobs=4 --config x.toml", "unknown setting 'jobs='\n  run: ninepic config set jobs VALUE\n"),
    ],
)
def test_a_key_in_place_of_a_word_is_not_shown(ninepic: Ninepic, call: str, words: str) -> None:
    """An error about a word that may be a key shows its beginning alone, and what was meant."""
    result = ninepic(*call.split())
    assert (result.status, words in result.err) == (2, True), result.err
    assert KEY not in result.err


@pytest.mark.parametrize(
    "call", ["bib 7 --from-file {0}", "bib 7 --existing {0}", "ping --profile {0}", "config get {0}", "bib {0}", "{0}"]
)
def test_a_link_at_the_wrong_place_shows_no_signature(ninepic: Ninepic, call: str) -> None:
    """Whatever a link was taken for, the error has no signature in it."""
    link = "https://store.example/a.jpg?X-Amz-Signature=5ecret"
    result = ninepic(*call.format(link).split(), NINEPIC_API_KEY="k", NINEPIC_ORG_ID="1", NINEPIC_EVENT_ID="2")
    assert (result.status, "5ecret" in result.err) == (2, False), result.err


def test_two_events(ninepic: Ninepic) -> None:
    """One of them would be ignored in silence."""
    result = ninepic("event", "456", "--event", "789")
    assert (result.status, result.err) == (2, "ninepic: error: two events given\n  omit ID or --event\n")


def test_a_key_at_the_wrong_place_is_not_shown(ninepic: Ninepic) -> None:
    """What was given for a number, and may be a key, is shown as a key is."""
    key = KEY
    result = ninepic("bib", "1", "--org", key)
    assert (result.status, "invalid --org '9pk_b***': expected a positive integer" in result.err) == (2, True), (
        result.err
    )
    assert key not in result.err
