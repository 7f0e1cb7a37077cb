"""`api_key_command`: the key that a command prints."""

import os
import re
import shlex
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ninepic_cli.config import credential
from ninepic_cli.config.credential import run_key_command
from ninepic_cli.errors import NotAllowedError
from ninepic_cli.sandbox import Sandbox, World
from tests.support.command import Ninepic
from tests.support.person import at_terminal

KEY = "9pk_0123456789abcdef"
ASKING = "stty -echo; printf 'pass phrase? ' >/dev/tty; read -r word; stty echo; echo \"$word\""


def shell(script: str) -> str:
    """The command line that has a shell run this."""
    return shlex.join(["sh", "-c", script])


def with_command(ninepic: Ninepic, line: str) -> None:
    """Have the key printed by a command, and nowhere else."""
    ninepic.environment.pop("NINEPIC_API_KEY", None)
    assert ninepic("config", "set", "api-key-command", line).status == 0


@pytest.mark.parametrize(
    "line",
    [
        f"echo {KEY}",
        f"printf '%s' '{KEY}'",
        shell(f"printf ' {KEY}\\r\\nuser: ann\\n'"),
        shell(f"cat; echo {KEY}"),
        shell(f"echo {KEY}; head -c 200000 /dev/zero"),
        shell(f"sleep 20 & echo {KEY}"),
    ],
)
def test_the_first_line_is_the_key(line: str) -> None:
    """The first line counts, whatever follows; standard input is empty; what is left running is not waited for."""
    started_s = time.monotonic()
    assert run_key_command(line, source="/x.toml") == KEY
    assert time.monotonic() - started_s < 10


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("no-such-command-9pic show x", "'no-such-command-9pic' (from profile acme in /x.toml): not found"),
        (KEY, "***' (from profile acme in /x.toml): not found"),
        ("/ show", "'/' (from profile acme in /x.toml): cannot run: Permission denied"),
        ("'a\0b'", "cannot run: not a command"),
        (f"echo {KEY} | cat", "'echo' (from profile acme in /x.toml): its output is not a key"),
        (shell(f"echo {KEY}; exit 3"), "'sh' (from profile acme in /x.toml): exited with status 3"),
        (shell(f"echo {KEY}; kill -9 $$"), "'sh' (from profile acme in /x.toml): killed by signal 9"),
        ("true", "'true' (from profile acme in /x.toml): it printed no key"),
        (shell(f"echo; echo {KEY}"), "'sh' (from profile acme in /x.toml): it printed no key"),
        (shell(f"printf '{KEY}\\377\\n'"), "'sh' (from profile acme in /x.toml): its output is not a key"),
    ],
)
def test_what_is_no_key_is_told_without_showing_it(line: str, words: str) -> None:
    """Each failure has its words with where the command came from, and neither arguments nor output are in them."""
    with pytest.raises(NotAllowedError) as caught:
        run_key_command(line, source="profile acme in /x.toml")
    assert caught.value.message.startswith("api-key-command '")
    assert words in caught.value.message
    assert caught.value.hint
    assert KEY not in f"{caught.value.message}{caught.value.hint}"
    assert caught.value.__cause__ is None


def test_one_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """After its time is up, the command and all that it started are killed."""
    monkeypatch.setattr(credential, "TIMEOUT_S", 1.5)
    pids = tmp_path / "pids"
    with pytest.raises(NotAllowedError, match=r"^api-key-command 'sh' \(from /x\.toml\): timed out after"):
        run_key_command(shell(f"sleep 60 & echo $! $$ > {shlex.quote(str(pids))}; wait"), source="/x.toml")
    for pid in map(int, pids.read_text().split()):
        assert _is_gone(pid)


def _is_gone(pid: int) -> bool:
    for _ in range(100):
        try:
            os.kill(pid, 0)
            stat = Path(f"/proc/{pid}/stat")
            if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z":  # nobody has asked after it
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False


def test_it_runs_when_the_key_is_needed(ninepic: Ninepic, sandbox: Callable[..., Sandbox]) -> None:
    """A request has the command's key, with its words on standard error; nothing else runs it, nor shows the key."""
    box = sandbox(World.generate(photos=1, size=3000))
    with_command(ninepic, shell(f"echo ran >> runs; echo Touch the token >&2; echo {box.world.api_key}"))
    runs = ninepic.home / "runs"
    for arguments in (["config", "list"], ["bib", "--from-file", "-"], ["config", "get", "org-id"]):
        ninepic(*arguments)
    assert not runs.exists()
    result = ninepic("bib", "1234", "-v")
    assert (result.status, runs.read_text()) == (0, "ran\n")
    assert "Touch the token\n" in result.err
    assert box.world.api_key not in result.out + result.err
    failed = ninepic("ping", NINEPIC_ORG_ID="x")
    assert failed.status == 2
    assert runs.read_text() == "ran\n"


def test_it_may_ask_at_the_terminal(ninepic: Ninepic, sandbox: Callable[..., Sandbox]) -> None:
    """At a terminal the command can ask, without an echo if it likes; afterwards the terminal is ours again."""
    box = sandbox(World.generate(photos=1, size=3000))
    with_command(ninepic, shell(ASKING))
    with at_terminal(ninepic, "ping") as person:
        person.answer("pass phrase? ", f"{box.world.api_key}\n")
        assert person.status() == 0
        assert person.echoes
    assert box.world.api_key not in person.seen
    assert "OK: API key is valid" in person.seen


def test_it_is_interrupted_alone(ninepic: Ninepic, sandbox: Callable[..., Sandbox]) -> None:
    """Ctrl-C while the command asks ends it and us, and the terminal shows again what is typed."""
    sandbox(World.generate(photos=1, size=3000))
    with_command(ninepic, shell(ASKING))
    with at_terminal(ninepic, "ping") as person:
        person.answer("pass phrase? ", "\x03")
        assert person.status() == -2
        assert person.echoes
    assert "error" not in person.seen


def test_without_a_terminal_it_cannot_ask(ninepic: Ninepic) -> None:
    """Without a terminal on both streams the command's standard input is empty, though ours is not."""
    with_command(ninepic, shell("cat >&2; exit 1"))
    result = ninepic("ping", given="not for you\n", NINEPIC_ORG_ID="1", NINEPIC_EVENT_ID="2")
    assert result.status == 3
    assert "not for you" not in result.err
    assert re.search(r"api-key-command 'sh' \(from \S+\): exited with status 1", result.err), result.err
    assert len(result.err.splitlines()) <= 3
