"""Completion: what is answered."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ninepic_cli.cli import completion
from ninepic_cli.cli.app import app
from ninepic_cli.config.schema import SETTINGS
from ninepic_cli.download.transfer import Existing

SETTINGS_FILE = """\
event-id = 456
org_id = 1
[profiles.acme]
event_id = "7890"
[profiles.other]
jobs = 3
[profiles."$(touch touched)"]
event_id = "`touch touched`"
"""
COMMANDS = [
    *("all", "bib", "completions", "config", "demo", "event", "events", "help", "image", "images"),
    *("ping", "sandbox", "selfie", "version"),
]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """Asks as bash does what may follow a line, in a home whose settings file is `default`."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NINEPIC_CONFIG", str(tmp_path / "default.toml"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(completion, "_avoid_heavy_imports", lambda: None)  # it is for a process that does nothing else

    def asked(line: str) -> list[str]:
        words = line.split(" ")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        monkeypatch.setenv("_NINEPIC_COMPLETE", "complete_bash")
        assert completion.answer_shell(app) == 0
        out, err = capfd.readouterr()
        assert err == ""
        return sorted(out.split())

    return asked


@pytest.mark.parametrize(
    ("line", "answers"),
    [
        ("ninepic ", COMMANDS),
        ("ninepic ima", ["image", "images"]),
        ("ninepic config ", ["get", "init", "list", "path", "set", "unset"]),
        ("ninepic help ", COMMANDS),
        ("ninepic help config ", ["get", "init", "list", "path", "set", "unset"]),
        ("ninepic help config s", ["set"]),
        ("ninepic help bib ", []),
        ("ninepic -", ["--help", "--version", "-V", "-h"]),
        ("ninepic image --e", ["--event", "--existing"]),
        ("ninepic bib 1234 --no-progress --no", []),
        ("ninepic images --existing ", ["overwrite", "skip", "verify"]),
        ("ninepic bib --existing o", ["overwrite"]),
        ("ninepic completions ", ["bash", "fish", "powershell", "zsh"]),
        ("ninepic config get ", sorted(setting.display_name for setting in SETTINGS.values())),
        ("ninepic config unset o", ["org-id", "output"]),
        ("ninepic bib --event ", ["456", "7890"]),
        ("ninepic bib --profile ", ["acme", "other"]),
        ("ninepic bib 12 -j nonsense --unknown -e 7", ["7890"]),
        ("ninepic ping --event ", ["456", "7890"]),
        ("ninepic selfie --config ~/other.toml --event ", ["99"]),
        ("ninepic bib --config missing.toml --event ", []),
        ("ninepic bib --from-file ", []),  # nothing: the shell's own, which are files
        ("ninepic bib ", []),
    ],
)
def test_what_may_follow(ask: Callable[..., list[str]], tmp_path: Path, line: str, answers: list[str]) -> None:
    """Commands, options not given yet, choices, settings, and the events of the settings file that the line names."""
    (tmp_path / "default.toml").write_text(SETTINGS_FILE)
    (tmp_path / "other.toml").write_text("event_id = 99\n")
    assert ask(line) == answers


def test_a_settings_file_that_is_of_no_use_is_no_answer(ask: Callable[..., list[str]], tmp_path: Path) -> None:
    """A broken file, one of the wrong shape, a pipe nobody writes to, or a folder costs the answers, without a word."""
    path = tmp_path / "default.toml"
    for text in (
        b"event_id = ",
        b"\xff\xfe",
        b"profiles = 3",
        b"[profiles]\nacme = 1",
        b"event_id = true",
        b"[event_id]",
    ):
        path.write_bytes(text)
        assert ask("ninepic bib --event ") == []
    path.unlink()
    os.mkfifo(path)
    writer = threading.Timer(5, lambda: path.write_text("event_id = 3"))  # for who waits for it
    writer.start()
    assert ask("ninepic bib --event ") == []
    writer.cancel()
    assert ask("ninepic bib --config . --event ") == []


def test_profiles_are_answered_from_the_settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Profiles come by name, but for those that a shell could take for something to run."""
    (tmp_path / "default.toml").write_text(SETTINGS_FILE)
    monkeypatch.setenv("NINEPIC_CONFIG", str(tmp_path / "default.toml"))

    class Line:
        params: dict[str, str]
        parent: None

    line = Line()
    line.params, line.parent = {}, None
    assert completion.profile_names(line) == ["acme", "other"]  # type: ignore[arg-type]


def test_the_choices_are_those_that_the_option_takes() -> None:
    """What is offered for `--existing` is what it accepts."""
    assert [choice[0] for choice in completion.existing_modes()] == [str(choice.value) for choice in Existing]
