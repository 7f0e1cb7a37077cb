"""The command `ninepic config`, in an empty home folder."""

import io
import os
import pty
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from ninepic_cli.cli.main import main
from tests.support.command import Ninepic

KEY = "9pk_0123456789abcdef"


@dataclass(frozen=True)
class Done:
    """What a command printed."""

    out: str
    err: str


class Home:
    """A home folder with nothing in it, and the command's entry point called in it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capture = capture
        for name in [name for name in os.environ if name.startswith(("XDG_", "NINEPIC_"))]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(folder))
        monkeypatch.chdir(folder)
        self.file = Path(self.run("path").out.strip())

    def run(self, *arguments: str, data: bytes = b"", status: int = 0) -> Done:
        """Call `ninepic config` with these arguments and bytes on standard input, and expect this exit status."""
        self._monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        ended = main(["config", *arguments])
        done = Done(*self._capture.readouterr())
        assert ended == status, done.err
        return done


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Home:
    """An empty home folder."""
    return Home(tmp_path, monkeypatch, capfd)


def run_on_terminal(ninepic: Ninepic, arguments: Sequence[str], *, typed: str) -> tuple[int, str]:
    """Exit status and what a terminal shows when this is typed at the prompt for the key."""
    outer, inner = pty.openpty()
    process = ninepic.start(*arguments, stdin=inner, stdout=inner, stderr=inner, start_new_session=True)
    os.close(inner)
    shown = b""
    try:
        while b"API key: " not in shown:
            shown += os.read(outer, 1024)
        os.write(outer, typed.encode())
        while part := _read(outer):
            shown += part
    finally:
        os.close(outer)
    return process.wait(60), " ".join(shown.decode().split())


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1024)
    except OSError:  # what Linux says when the last process has left the terminal
        return b""


class TestSet:
    """Setting a value."""

    @pytest.mark.parametrize(
        ("name", "value", "shown"),
        [
            ("event-id", "12", "12"),
            ("event_id", " 12 ", "12"),
            ("org-id", "007", "7"),
            ("jobs", "64", "64"),
            ("output", "~/photos of 2026", "~/photos of 2026"),
            ("output", "Läufe", "Läufe"),
            ("base-url", "https://api.example.org/", "https://api.example.org"),
            ("api-key-command", "pass show 'my key'", "pass show 'my key'"),
        ],
    )
    def test_a_value_is_printed_by_get(self, home: Home, name: str, value: str, shown: str) -> None:
        """What is set is what `get` prints, and setting it says nothing."""
        done = home.run("set", name, value)
        assert (done.out, done.err) == ("", "")
        assert home.run("get", name).out == f"{shown}\n"

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["event-id", "abc"], "invalid event-id 'abc': expected a positive integer"),
            (["jobs", "0"], "invalid jobs '0': must be between 1 and 64"),
            (["base-url", "http://example.org"], "refusing to send the API key over plain http"),
            (["output", ""], "invalid output: expected a path"),
            (["event-id"], "missing value for event-id"),
            (["color", "1"], "unknown setting 'color'"),
            (["profiles", "1"], "unknown setting 'profiles'"),
            (["api-key-command", "pass 'x"], "invalid api-key-command: not a command line"),
            (["jobs", "0", "--profile", "acme"], "invalid jobs '0'"),
            (["jobs", "1", "--profile", "a b"], "invalid --profile 'a b'"),
        ],
    )
    def test_a_wrong_value_is_refused(self, home: Home, arguments: list[str], words: str) -> None:
        """A value that would be refused later is refused now, and nothing is written."""
        assert words in home.run("set", *arguments, status=2).err
        assert not home.file.exists()

    def test_an_unknown_name_lists_the_known(self, home: Home) -> None:
        """The error about an unknown name has all names."""
        text = home.run("set", "color", "1", status=2).err
        assert all(name in text for name in ("api-key", "org-id", "event-id", "base-url", "output", "jobs"))

    def test_a_wrong_setting_can_be_corrected(self, home: Home) -> None:
        """A file with a wrong value can be put right by setting it."""
        home.run("set", "event-id", "1")
        home.file.write_text("# mine\nevent_id = 'x'\n")
        home.run("get", "event-id", status=2)
        home.run("set", "event-id", "2")
        assert home.file.read_text() == "# mine\nevent_id = 2\n"

    @pytest.mark.parametrize("line_end", ["\n", "\r\n"])
    def test_the_rest_of_the_file_stays(self, home: Home, line_end: str) -> None:
        """Comments above and behind values, blank lines, order, spellings, profiles and line ends stay as they are."""
        lines = [
            "# ours",
            "event-id = 456 # the autumn race",
            "",
            "jobs = 4\t# fast",
            "",
            "# the club's account",
            "[profiles.acme] # since 2024",
            "  org_id = 5 # theirs",
            "# the end",
            "",
        ]
        home.run("set", "jobs", "1")
        home.file.write_bytes(line_end.join(lines).encode())
        home.run("set", "event-id", "457")
        home.run("set", "org-id", "6", "--profile", "acme")
        home.run("set", "org-id", "3")
        home.run("unset", "jobs")
        lines[1], lines[3], lines[7] = "event-id = 457 # the autumn race", "org_id = 3", "  org_id = 6 # theirs"
        assert home.file.read_bytes().decode() == line_end.join(lines)

    def test_bytes_that_are_no_text_are_refused(self, home: Home) -> None:
        """A folder whose name is not UTF-8 cannot go into the file."""
        assert "invalid output: not valid UTF-8" in home.run("set", "output", os.fsdecode(b"a\xff"), status=2).err

    def test_the_file_is_private(self, home: Home) -> None:
        """The file made is its owner's alone, whatever the umask."""
        before = os.umask(0)
        home.run("set", "jobs", "4")
        os.umask(before)
        assert (home.file.stat().st_mode & 0o777, home.file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


class TestSetKey:
    """The key, which never travels on the command line."""

    @pytest.mark.parametrize("name", ["api-key", "api_key"])
    def test_it_is_refused_as_an_argument(self, home: Home, name: str) -> None:
        """A key on the command line is refused with the ways to give it, and not repeated."""
        text = home.run("set", name, KEY, status=2).err
        assert "ninepic config set api-key" in text
        assert KEY not in text
        assert not home.file.exists()

    @pytest.mark.parametrize("data", [KEY, f"{KEY}\n", f"  {KEY}\r\n\n", f"\ufeff{KEY}\r\n"])
    def test_it_is_read_from_standard_input(self, home: Home, data: str) -> None:
        """A piped key is stored without the white space around it."""
        home.run("set", "api-key", data=data.encode())
        assert home.run("get", "api-key", "--reveal").out == f"{KEY}\n"

    @pytest.mark.parametrize("data", [b"", b"\n", b" \r\n"])
    def test_an_empty_one_is_refused(self, home: Home, data: bytes) -> None:
        """Nothing on standard input is an error, and the key that was there stays."""
        home.run("set", "api-key", data=KEY.encode())
        assert "no API key given" in home.run("set", "api-key", data=data, status=2).err
        assert home.run("get", "api-key", "--reveal").out == f"{KEY}\n"

    @pytest.mark.parametrize("data", [f"{KEY}\n{KEY}", KEY.replace("_", " "), f"{KEY}é", "\udcff", KEY + "\0"])
    def test_what_cannot_be_a_key_is_refused(self, home: Home, data: str) -> None:
        """Two lines, spaces, accents and other bytes are refused without showing them."""
        text = home.run("set", "api-key", data=data.encode("utf-8", "surrogateescape"), status=2).err
        assert "invalid api-key: contains" in text
        assert "0123456789" not in text

    def test_a_terminal_is_asked_without_echo(self, ninepic: Ninepic) -> None:
        """On a terminal the key is asked for and does not show."""
        status, shown = run_on_terminal(ninepic, ["config", "set", "api-key"], typed=f"{KEY}\n")
        assert status == 0
        assert KEY not in shown
        assert "API key saved in" in shown
        assert ninepic("config", "get", "api-key", "--reveal").out == f"{KEY}\n"

    @pytest.mark.parametrize("typed", ["\n", "\x04"])
    def test_an_empty_answer_is_refused(self, ninepic: Ninepic, typed: str) -> None:
        """Return or end of file at the prompt is an error, not an empty key."""
        status, shown = run_on_terminal(ninepic, ["config", "set", "api-key"], typed=typed)
        assert status == 2
        assert "no API key given" in shown

    def test_without_standard_error_on_a_terminal_nothing_prompts(self, ninepic: Ninepic) -> None:
        """When only standard input is a terminal, there is an error instead of a prompt that nobody sees."""
        outer, inner = pty.openpty()
        process = ninepic.start("config", "set", "api-key", stdin=inner)
        _, err = process.communicate(timeout=60)
        os.close(inner)
        os.close(outer)
        assert process.returncode == 2
        assert "standard error is not a terminal" in err

    @pytest.mark.parametrize("closed", ["<&-", "2>&-"])
    def test_closed_streams_are_no_trouble(self, ninepic: Ninepic, closed: str) -> None:
        """A process without standard input or standard error ends with the status that it would have anyway."""
        result = ninepic.in_shell(f"ninepic config set api-key {closed}")
        assert result.status == 2
        assert "Traceback" not in result.err


class TestShowing:
    """Reading settings back."""

    def test_a_setting_that_is_not_set(self, home: Home) -> None:
        """Exit status 2, nothing on standard output, and the command that would set it."""
        done = home.run("get", "event-id", status=2)
        assert done.out == ""
        assert "event-id is not set" in done.err
        assert "ninepic config set event-id VALUE" in done.err

    def test_the_key_is_masked(self, home: Home) -> None:
        """`get` and `list` show five characters of the key, `--reveal` all."""
        home.run("set", "api-key", data=KEY.encode())
        assert home.run("get", "api-key").out == "9pk_0***\n"
        assert home.run("list").out == "api_key = 9pk_0***\n"
        assert home.run("list", "--reveal").out == f"api_key = {KEY}\n"

    def test_a_short_key_is_not_shown_at_all(self, home: Home) -> None:
        """Of a key shorter than ten characters nothing is shown."""
        home.run("set", "api-key", data=b"123456789")
        assert home.run("get", "api-key").out == "***\n"

    def test_list(self, home: Home) -> None:
        """All settings of the file are printed, one a line, and nothing where there are none."""
        assert home.run("list").out == ""
        home.run("set", "output", "photos")
        home.run("set", "event-id", "12")
        assert home.run("list").out == "event_id = 12\noutput = photos\n"

    def test_the_environment_is_left_out(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        """`get` and `list` are about the file, not about variables."""
        monkeypatch.setenv("NINEPIC_EVENT_ID", "12")
        home.run("get", "event-id", status=2)
        assert home.run("list").out == ""

    def test_control_characters_do_not_make_lines(self, home: Home) -> None:
        """A value with a line break stays on its line of the list."""
        home.file.parent.mkdir(parents=True)
        home.file.write_text('output = "a\\nb"\n')
        home.file.chmod(0o600)
        assert home.run("list").out == "output = 'a\\nb'\n"

    def test_exposure_is_told(self, home: Home) -> None:
        """A file that others can read draws a warning on standard error, and its value on standard output."""
        home.run("set", "jobs", "3")
        home.file.chmod(0o644)
        for command in (["get", "jobs"], ["list"]):
            done = home.run(*command)
            assert "3" in done.out
            assert f"chmod 600 {home.file}" in " ".join(done.err.split())

    def test_a_broken_file_is_an_error_with_its_line(self, home: Home) -> None:
        """File and line are named, without a traceback."""
        home.file.parent.mkdir(parents=True)
        home.file.write_text("jobs = 3\nevent_id = \n")
        assert f"{home.file}:2: not valid TOML" in home.run("list", status=2).err


class TestUnset:
    """Removing a setting."""

    def test_it_is_gone(self, home: Home) -> None:
        """The setting goes, in either spelling, and the others stay."""
        home.run("set", "jobs", "3")
        home.file.write_text("jobs = 3\nevent-id = 4\n")
        home.run("unset", "event_id")
        assert home.run("list").out == "jobs = 3\n"

    def test_one_that_is_not_set(self, home: Home) -> None:
        """Exit status 2, and no file is made."""
        assert "jobs is not set" in home.run("unset", "jobs", status=2).err
        assert not home.file.exists()

    def test_a_wrong_value_can_be_removed(self, home: Home) -> None:
        """A setting that makes the file unusable can still be removed."""
        home.run("set", "jobs", "3")
        home.file.write_text("jobs = 300\n")
        home.run("unset", "jobs")
        assert home.run("list").out == ""


class TestPlace:
    """Which file is shown and changed."""

    def test_path_prints_it_before_it_exists(self, home: Home) -> None:
        """The path is that of the platform's settings folder, in the home folder."""
        assert home.file.is_relative_to(home.folder)
        assert home.file.parts[-2:] == ("ninepic", "config.toml")
        assert not home.file.exists()

    def test_another_file(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        """`--config` beats `NINEPIC_CONFIG`, and either need not exist to be written."""
        one, two = home.folder / "one.toml", home.folder / "sub" / "two.toml"
        monkeypatch.setenv("NINEPIC_CONFIG", str(one))
        assert home.run("path").out == f"{one}\n"
        home.run("set", "jobs", "1")
        home.run("set", "jobs", "2", "--config", str(two))
        assert home.run("get", "jobs").out == "1\n"
        assert home.run("get", "jobs", "--config", str(two)).out == "2\n"
        assert home.run("list", "--config", str(home.folder / "none.toml")).out == ""
        assert not home.file.exists()


class TestProfiles:
    """The settings of a profile."""

    def test_they_are_apart_from_the_others(self, home: Home) -> None:
        """`--profile`, before or after the sub-command, works on that profile; `list` alone shows all of them."""
        home.run("set", "jobs", "3")
        home.run("--profile", "acme", "set", "jobs", "4")
        home.run("set", "org-id", "5", "--profile", "acme")
        home.run("set", "--profile", "beta", "api-key", data=KEY.encode())
        assert home.run("get", "jobs").out == "3\n"
        assert home.run("get", "jobs", "--profile", "acme").out == "4\n"
        assert home.run("--profile", "acme", "list").out == "org_id = 5\njobs = 4\n"
        listed = "jobs = 3\n\n[profiles.acme]\norg_id = 5\njobs = 4\n\n[profiles.beta]\napi_key = 9pk_0***\n"
        assert home.run("list").out == listed
        assert f"api_key = {KEY}\n" in home.run("list", "--reveal").out
        home.run("--profile", "acme", "unset", "jobs")
        assert home.run("list", "--profile", "acme").out == "org_id = 5\n"
        assert home.run("get", "jobs").out == "3\n"

    def test_the_variable_names_it_too(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        """`NINEPIC_PROFILE` counts as `--profile` would, and gives way to it."""
        monkeypatch.setenv("NINEPIC_PROFILE", "acme")
        home.run("set", "jobs", "4")
        home.run("set", "jobs", "5", "--profile", "beta")
        assert home.run("get", "jobs").out == "4\n"
        assert home.file.read_text() == "[profiles.acme]\njobs = 4\n\n[profiles.beta]\njobs = 5\n"

    @pytest.mark.parametrize("command", [["get", "jobs"], ["list"]])
    def test_an_unknown_one_lists_the_known(self, home: Home, command: list[str]) -> None:
        """Reading a profile that is not there is an error that lists those that are."""
        home.run("set", "jobs", "4", "--profile", "acme")
        text = home.run(*command, "--profile", "acne", status=2).err
        assert f"profile acne not found in {home.file}" in text
        assert "existing profiles: acme" in text

    def test_what_is_not_set_in_it(self, home: Home) -> None:
        """A setting that only the top level has is not set in the profile, and the error says how to set it."""
        home.run("set", "jobs", "4")
        home.run("set", "org-id", "4", "--profile", "acme")
        for command in ("get", "unset"):
            text = home.run(command, "jobs", "--profile", "acme", status=2).err
            assert "jobs is not set in profile acme in" in text
            assert "ninepic config set jobs VALUE --profile acme" in text
        assert home.run("get", "jobs").out == "4\n"

    def test_two_names_are_one_too_many(self, home: Home) -> None:
        """Different profiles before and after the sub-command are refused; the same one twice is not."""
        assert "given twice" in home.run("--profile", "a", "set", "jobs", "1", "--profile", "b", status=2).err
        assert not home.file.exists()
        home.run("--profile", "a", "set", "jobs", "1", "--profile", "a")


class TestKeyAndCommand:
    """A key, or a command that prints it."""

    @pytest.mark.parametrize("profile", [[], ["--profile", "acme"]])
    def test_only_one_of_them_is_kept(self, home: Home, profile: list[str]) -> None:
        """The one that is there is not lost and not hidden: the error says how to remove it first."""
        home.run("set", "api-key", *profile, data=KEY.encode())
        text = home.run("set", "api-key-command", "pass show ninepic", *profile, status=2).err
        command = " ".join(["ninepic config unset api-key", *profile])
        assert f"first run: {command}\n" in text
        assert home.run("get", "api-key", "--reveal", *profile).out == f"{KEY}\n"
        home.run("unset", "api-key", *profile)
        home.run("set", "api-key-command", "pass show ninepic", *profile)
        assert "unset api-key-command" in home.run("set", "api-key", *profile, data=KEY.encode(), status=2).err
        home.run("set", "api-key-command", "pass show other", *profile)
        assert home.run("list", *profile).out == "api_key_command = pass show other\n"

    def test_places_do_not_matter_to_each_other(self, home: Home) -> None:
        """A profile may have a command where the top level has a key."""
        home.run("set", "api-key", data=KEY.encode())
        home.run("set", "api-key-command", "pass show acme", "--profile", "acme")
        assert home.run("get", "api-key", "--reveal").out == f"{KEY}\n"
