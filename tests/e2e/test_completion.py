"""Completion: how quickly it is answered, and in three real shells."""

import shutil
import sys
from pathlib import Path

import pytest

import ninepic_cli
from ninepic_cli.cli import completion
from tests.support.command import Ninepic
from tests.support.terminals import Tmux

ROOT = Path(ninepic_cli.__file__).parent.parent
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


@pytest.mark.parametrize(
    ("shell", "answers"),
    [
        ("fish", ["456\tdefault", "7890\tprofile acme"]),
        ("zsh", ['_arguments \'*: :(("456":"default"', '"7890":"profile acme"))\'']),
    ],
)
def test_events_are_described(ninepic: Ninepic, shell: str, answers: list[str]) -> None:
    """Beside an event's number stands where the settings file has it from, as shells show it."""
    (ninepic.home / "c.toml").write_text(SETTINGS_FILE)
    result = ninepic(
        NINEPIC_CONFIG=str(ninepic.home / "c.toml"),
        _NINEPIC_COMPLETE=f"complete_{shell}",
        _TYPER_COMPLETE_FISH_ACTION="get-args",
        _TYPER_COMPLETE_ARGS="ninepic bib --event ",
    )
    assert result.out.splitlines() == answers


def test_an_answer_imports_nothing_heavy(ninepic: Ninepic) -> None:
    """A press of TAB pays for no HTTP client, no drawing, no mock of the service and no network."""
    listing = "import atexit, sys\natexit.register(lambda: print(*sys.modules, file=sys.stderr))"
    (ninepic.home / "c.toml").write_text(SETTINGS_FILE)
    result = ninepic.after(listing)(
        _NINEPIC_COMPLETE="complete_fish",
        _TYPER_COMPLETE_FISH_ACTION="get-args",
        _TYPER_COMPLETE_ARGS="ninepic bib 12 -j x --failed-to f --config c.toml --event ",
    )
    assert result.out == "456\tdefault\n7890\tprofile acme\n"
    heavy = {"httpx", "httpcore", "ssl", "asyncio", "pydantic", "rich.console", "typer.rich_utils"}
    ours = {
        f"ninepic_cli.{name}"
        for name in ("commands.download", "commands.sandbox", "sandbox", "download", "net.client", "api", "progress")
    }
    assert set(result.err.split()) & (heavy | ours) == set()


def test_scripts_are_printed(ninepic: Ninepic) -> None:
    """`ninepic completions` prints the script that the sources hold; for an unknown shell, which there are."""
    assert ninepic("completions", "zsh").out == (ROOT / completion.FILES["zsh"]).read_text()
    result = ninepic("completions", "tcsh")
    assert (result.status, result.out) == (2, "")
    assert "bash, zsh, fish, powershell" in result.err


@pytest.fixture
def home(ninepic: Ninepic) -> Path:
    """A home with the command on the PATH, the completions in `share`, settings, a list and a folder."""
    share = ninepic.home / "share"
    for folder, name, source in (
        ("bash-completion/completions", "ninepic", "bash"),
        ("zsh/site-functions", "_ninepic", "zsh"),
        ("fish/vendor_completions.d", "ninepic.fish", "fish"),
    ):
        (share / folder).mkdir(parents=True)
        shutil.copy(ROOT / completion.FILES[source], share / folder / name)
    (ninepic.home / "bin").mkdir()
    (ninepic.home / "bin" / "ninepic").write_text(f'#!/bin/sh\nexec {sys.executable} -m ninepic_cli "$@"\n')
    (ninepic.home / "bin" / "ninepic").chmod(0o755)
    (ninepic.home / "settings.toml").write_text(SETTINGS_FILE)
    (ninepic.home / "identifiers.txt").write_text("1234\n")
    (ninepic.home / "photos").mkdir()
    (ninepic.home / ".local/share/fish/generated_completions").mkdir(parents=True)  # or fish reads all man pages first
    ninepic.use(
        {
            "PATH": f"{ninepic.home}/bin:{ninepic.environment['PATH']}",
            "PYTHONPATH": str(ROOT),
            "NINEPIC_CONFIG": str(ninepic.home / "settings.toml"),
            "XDG_DATA_DIRS": f"{share}:/usr/share",
            "ZDOTDIR": str(ninepic.home),
        }
    )
    (ninepic.home / ".zshrc").write_text(
        f"fpath=({share}/zsh/site-functions $fpath)\nautoload -Uz compinit\ncompinit -u -D\nPS1='$ '\n"
    )
    (ninepic.home / ".bashrc").write_text(f". {share}/bash-completion/completions/ninepic\nPS1='$ '\n")
    return ninepic.home


# Each line is completed in the terminal by one TAB; the first one is the first that the shell gets.
LINES = [
    ("ninepic bib --existing o", "--existing overwrite"),
    ("ninepic self", "ninepic selfie"),
    ("ninepic bib --give", "--give-up-after"),
    ("ninepic sandbox --link", "--link-life"),
    ("ninepic bib --event 7", "--event 7890"),
    ("ninepic bib --from-file ide", "--from-file identifiers.txt"),
    ("ninepic bib -o pho", "-o photos/"),
    ("ninepic config get event", "config get event-id"),
]


@pytest.mark.parametrize(
    ("shell", "command"),
    [
        ("bash", ("bash", "--noprofile", "-i")),
        ("zsh", ("zsh", "-i")),
        (
            "fish",
            ("fish", "--init-command", "set -g fish_autosuggestion_enabled 0; function fish_prompt; echo '$ '; end"),
        ),
    ],
)
def test_a_shell_completes(ninepic: Ninepic, home: Path, tmux: Tmux, shell: str, command: tuple[str, ...]) -> None:
    """In a real terminal a TAB completes commands, options, choices, events and paths, from the first TAB on."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    variables = {**ninepic.environment, "TERM": "xterm", "LC_ALL": "C.UTF-8", "PS1": "$ ", "SHELL": "/bin/sh"}
    window = tmux.open(*command, width=100, height=30, environ=variables, folder=home)
    window.shows("$")
    for typed, completed in LINES:
        window.press(typed, "Tab")
        window.shows(completed)
        window.press("C-u")
    window.press("ninepic s", "Tab", "Tab")
    window.shows("sandbox")
    window.press("C-u")
    if shell != "bash":  # which shows no descriptions
        window.press("ninepic event", "Tab", "Tab")
        window.shows("List the organisation's events")
    assert not list(home.glob("touched"))
