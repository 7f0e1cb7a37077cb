"""`ninepic config init`, with somebody at the terminal."""

import os
import pty
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli.sandbox import Fault, Sandbox, World
from tests.support.command import Ninepic, Start
from tests.support.person import at_terminal

KEY, ORG, EVENT = "API key", "Organisation ID", "Default event"
WRONG = "9pk_wrong_wrong_wrong"
VARIABLES = ("NINEPIC_API_KEY", "NINEPIC_ORG_ID", "NINEPIC_EVENT_ID")


def settings_file(ninepic: Ninepic) -> Path:
    """The settings file in the command's home."""
    return ninepic.home / ".config" / "ninepic" / "config.toml"


def written(ninepic: Ninepic, text: str) -> Path:
    """The settings file, with this text."""
    path = settings_file(ninepic)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    return path


@pytest.fixture
def box(ninepic: Ninepic, sandbox: Start) -> Sandbox:
    """A sandbox of which the command knows the address alone."""
    box = sandbox(World.generate(photos=1, size=3000))
    for variable in VARIABLES:
        del ninepic.environment[variable]
    return box


def asked(box: Sandbox) -> list[str]:
    """What the service was asked for: path and query."""
    return [request.target.rpartition("/")[2] for request in box.requests]


def test_a_key_in_quotation_marks(ninepic: Ninepic, box: Sandbox) -> None:
    """What was pasted with quotation marks is the key without them, as `config set` has it."""
    with at_terminal(ninepic, "config", "init") as person:
        person.answer(f"{KEY} (input hidden): ", f'"{box.world.api_key}"\n')
        person.answer(f"{ORG}: ", "123\n")
        person.answer(f"{EVENT}: ID or list number, or Enter for none: ", "2\n")
        assert person.status() == 0
    assert f'api_key = "{box.world.api_key}"\n' in settings_file(ninepic).read_text()


def test_first_contact(ninepic: Ninepic, box: Sandbox) -> None:
    """Wrong answers are asked for again; the right ones are checked, shown with the events, and saved privately."""
    with at_terminal(ninepic, "config", "init") as person:
        person.answer(f"{KEY} (input hidden): ", "two words\n")
        person.wait_for("contains a space")
        person.answer(f"{KEY} (input hidden): ", f"{WRONG}\n")
        person.answer(f"{ORG}: ", "\n")
        person.wait_for("a positive integer is required")
        person.answer(f"{ORG}: ", "abc\n")
        person.answer(f"{ORG}: ", "123\n")
        person.wait_for("Error: API key rejected for organisation 123")
        assert not settings_file(ninepic).exists()
        person.answer(f"{KEY} (input hidden) [9pk_w***]: ", f"{box.world.api_key}\n")
        person.answer(f"{ORG} [123]: ", "\n")
        person.answer(f"{EVENT}: ID or list number, or Enter for none: ", "2\n")
        assert person.status() == 0
    assert "  1. 461  2025-09-14  Sandbox Trail Run\n  2. 457  2025-09-14  Sandbox Half Marathon\n" in person.seen
    assert "Event 457: Sandbox Half Marathon\n" in person.seen
    assert f"Saved in {settings_file(ninepic)}" in person.seen
    assert person.seen.endswith("ninepic ping\nDownload photos:    ninepic bib 1234 -o ./photos\n")
    assert box.world.api_key not in person.seen
    assert WRONG not in person.seen
    assert asked(box) == ["events?page=1&page_size=100"] * 2
    path = settings_file(ninepic)
    assert path.read_text() == f'api_key = "{box.world.api_key}"\norg_id = 123\nevent_id = 457\n'
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert ninepic("ping").status == 0


def test_the_next_steps_work_where_they_are_read(ninepic: Ninepic, box: Sandbox) -> None:
    """What to do next is written as the command was called: by a path where it is not in PATH."""
    (ninepic.home / "ninepic").touch(mode=0o755)
    with at_terminal(ninepic, "config", "init", code="import sys; sys.argv[0] = './ninepic'") as person:
        person.answer(f"{KEY} (input hidden): ", f"{box.world.api_key}\n")
        person.answer(f"{ORG}: ", "123\n")
        person.answer(f"{EVENT}: ID or list number, or Enter for none: ", "2\n")
        assert person.status() == 0
    assert re.findall(r"  (\S*ninepic \w+)", person.seen)[-2:] == ["./ninepic ping", "./ninepic bib"]


def test_what_is_there_is_kept(ninepic: Ninepic, box: Sandbox) -> None:
    """Enter keeps a profile's key and organisation with their comments, - takes its event away, the rest stays."""
    text = (
        '# mine\nevent_id = 9\n[profiles.acme]\napi_key = "{}" # new\norg_id = 123 # ours\nevent_id = 456\njobs = 2\n'
    )
    path = written(ninepic, text.format(box.world.api_key))
    with at_terminal(ninepic, "config", "--profile", "acme", "init") as person:
        person.answer(f"{KEY} (input hidden) [{box.world.api_key[:5]}***]: ", "\n")
        person.answer(f"{ORG} [123]: ", "\n")
        person.answer("or - for none [456]: ", "-\n")
        assert person.status() == 0
    assert "no default event and uses that of the top level: 9" in person.seen
    assert "ninepic ping --profile acme --event ID\n" in person.seen
    assert path.read_text() == text.format(box.world.api_key).replace("event_id = 456\n", "")


def test_a_command_for_the_key_is_run_or_replaced(ninepic: Ninepic, box: Sandbox) -> None:
    """Enter keeps the command that prints the key, and its failure is told; a key that is typed takes its place."""
    path = written(ninepic, "api_key_command = 'sh -c \"exit 3\"'\n")
    with at_terminal(ninepic, "config", "init") as person:
        person.answer("[api-key-command]: ", "\n")
        person.answer(f"{ORG}: ", "123\n")
        person.wait_for("Error: ")
        person.wait_for("api-key-command 'sh' (from ")
        person.answer("[api-key-command]: ", f"{box.world.api_key}\n")
        person.answer(f"{ORG} [123]: ", "\n")
        person.answer(EVENT, "457\n")
        assert person.status() == 0
    assert path.read_text() == f'api_key = "{box.world.api_key}"\norg_id = 123\nevent_id = 457\n'


@pytest.mark.parametrize("kept", [False, True], ids=["typed", "kept"])
def test_an_event_that_does_not_exist_is_asked_for_again(ninepic: Ninepic, box: Sandbox, *, kept: bool) -> None:
    """An event that is not in the list is checked with the service, also one that stands in the file already."""
    if kept:
        written(ninepic, "event_id = 777\n")
    box.world.more_events = {number: f"Race {number}" for number in range(1001, 2002)}  # 456 is not listed any more
    with at_terminal(ninepic, "config", "init") as person:
        person.answer(KEY, f"{box.world.api_key}\n")
        person.answer(ORG, "123\n")
        person.answer(EVENT, "\n" if kept else "777\n")
        person.wait_for("Error: event 777 not found")
        person.answer(EVENT, "456\n")
        assert person.status() == 0
    assert "event_id = 456\n" in settings_file(ninepic).read_text()


def test_the_check_of_an_event_may_be_left_out(ninepic: Ninepic, box: Sandbox) -> None:
    """Where the service cannot say whether an event exists, the person may save it all the same."""
    box.faults = [Fault(server="api", path="/ping", status=500)]
    with at_terminal(ninepic, "config", "init") as person:
        person.answer(KEY, f"{box.world.api_key}\n")
        person.answer(ORG, "123\n")
        person.answer(EVENT, "777\n")
        person.wait_for("Not checked: ")
        person.answer("q to quit: ", "s\n")
        person.wait_for("Event 777: not checked")
        assert person.status() == 0
    assert "event_id = 777\n" in settings_file(ninepic).read_text()


@pytest.mark.parametrize(
    ("status", "words", "exit_status"),
    [(404, "organisation 5 not found: ", 2), (403, "API key rejected for organisation 5: ", 3)],
)
def test_three_refusals_end_it(ninepic: Ninepic, box: Sandbox, status: int, words: str, exit_status: int) -> None:
    """An organisation that is unknown or not the key's is asked for three times; then nothing is saved."""
    box.faults = [Fault(server="api", status=status)]
    with at_terminal(ninepic, "config", "init") as person:
        person.answer(KEY, f"{WRONG}\n")
        for _ in range(2):
            person.answer(ORG, "5\n")
            person.wait_for(f"Error: {words}")
            person.answer(KEY, "\n")
        person.answer(ORG, "5\n")
        person.wait_for("Nothing saved.")
        person.wait_for(f"ninepic: error: {words}")
        assert person.status() == exit_status
    assert asked(box) == ["events?page=1&page_size=100"] * 3
    assert not settings_file(ninepic).parent.exists()


@pytest.mark.parametrize("at", [KEY, ORG, EVENT])
@pytest.mark.parametrize("key", ["\x03", "\x04"])
def test_leaving_saves_nothing(ninepic: Ninepic, box: Sandbox, at: str, key: str) -> None:
    """Ctrl-C or Ctrl-D at any question leaves the file as it was, and the terminal showing what is typed."""
    text = f'org_id = 7\napi_key = "{WRONG}"\n'
    path = written(ninepic, text)
    with at_terminal(ninepic, "config", "init") as person:
        for question, answer in ((KEY, box.world.api_key), (ORG, "123"), (EVENT, "456")):
            if question == at:
                person.wait_for(question)
                person.answer(": ", key)
                break
            person.answer(question, f"{answer}\n")
        ended = person.status()
        assert person.echoes
    assert ended == (-2 if key == "\x03" else 2)
    assert ("Nothing saved." if key == "\x03" else "; nothing saved") in person.seen
    assert "Traceback" not in person.seen
    assert path.read_text() == text


def test_a_flaky_network(ninepic: Ninepic, box: Sandbox) -> None:
    """Where the service cannot be reached, the person tries again, gives up, or saves without the check."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"http://127.0.0.1:{server.getsockname()[1]}"
    written(ninepic, f'api_key = "{WRONG}"\norg_id = 5\nbase_url = "{nobody}"\n')
    del ninepic.environment["NINEPIC_BASE_URL"]
    for choice, status in (("q", 6), ("s", 0)):
        with at_terminal(ninepic, "config", "init") as person:
            person.answer(KEY, "\n")
            person.answer(ORG, "\n")
            person.wait_for("Not checked: cannot connect to ")
            person.answer("Enter to retry, s to save without checking, q to quit: ", "\n")
            person.wait_for("Not checked: ")
            person.answer("q to quit: ", f"{choice}\n")
            if choice == "s":
                person.answer(f"{EVENT}: ID, or Enter for none: ", "12\n")
                person.wait_for("Event 12: not checked")
            assert person.status() == status
        assert ("event_id = 12\n" in settings_file(ninepic).read_text()) is (choice == "s")
    assert asked(box) == []


def test_many_events(ninepic: Ninepic, box: Sandbox) -> None:
    """The newest twenty of all pages are shown, made harmless; an id comes before a number in the list."""
    box.world.more_events = {number: f"Race {number}" for number in range(1001, 1150)} | {
        3: "Old\x1b[31m \u202eName\nmore"
    }

    def dated(payload: Any) -> None:
        for event in payload["data"]["events"]:
            number = event["event_id"]
            event["event_date"] = None if number % 2 else f"2026-01-{number % 28 + 1:02}T10:00:00Z"
            if number == 3:
                event["event_date"] = "2027-01-01"

    box.faults = [Fault(server="api", mutate=dated)]
    with at_terminal(ninepic, "config", "init") as person:
        person.answer(KEY, f"{box.world.api_key}\n")
        person.answer(ORG, "123\n")
        person.answer(EVENT, "3\n")
        assert person.status() == 0
    rows = [line for line in person.seen.splitlines() if ". " in line[:5]]
    assert len(rows) == 20
    assert rows[0] == r"  1.    3  2027-01-01  Old\x1b[31m \u202eName more"
    assert [row[10:22].strip() for row in rows[1:]] == sorted((row[10:22].strip() for row in rows[1:]), reverse=True)
    assert "and 131 older events" in person.seen
    assert asked(box) == ["events?page=1&page_size=100", "events?page=2&page_size=100"]
    assert "event_id = 3\n" in settings_file(ninepic).read_text()


def test_without_a_terminal(ninepic: Ninepic) -> None:
    """Nothing is asked unless both standard input and standard error are a terminal; the error names other ways."""
    outer, inner = pty.openpty()
    for streams in ({"stdin": inner}, {"stderr": inner, "stdout": inner}):
        process = ninepic.start("config", "init", "--profile", "acme", **streams)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 2
    os.close(inner)
    shown = os.read(outer, 10000).decode()
    os.close(outer)
    assert err is None
    for words in ("not a terminal", "ninepic config set --profile acme org-id ID"):
        assert words in shown.replace("\r\n", "\n")
    assert "API key" not in shown


def test_a_file_that_is_wrong_is_told_before_anything_is_asked(ninepic: Ninepic) -> None:
    """A broken settings file, and a place where none can be, are errors at once."""
    written(ninepic, "jobs = 300\n")
    for arguments, words in (
        ((), "invalid jobs '300' (from "),
        (("--config", "/dev/null"), "cannot write settings to"),
    ):
        with at_terminal(ninepic, "config", "init", *arguments) as person:
            assert person.status() == 2
        assert words in person.seen
        assert KEY not in person.seen


def test_variables_that_count_more_are_told(ninepic: Ninepic, box: Sandbox) -> None:
    """Who has the organisation in the environment too learns that it counts before what was saved."""
    ninepic.use({"NINEPIC_ORG_ID": "5"})
    with at_terminal(ninepic, "config", "init") as person:
        person.answer(KEY, f"{box.world.api_key}\n")
        person.answer(ORG, "123\n")
        person.answer(EVENT, "\n")
        assert person.status() == 0
    assert "Note: NINEPIC_ORG_ID is set" in person.seen
