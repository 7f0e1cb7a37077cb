"""The settings file: what it may say, where it is, and what a change does to it."""

import os
import re
import shlex
import stat
import tomllib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import platformdirs
import pytest
import tomlkit
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ninepic_cli.config import file as configfile
from ninepic_cli.config.file import ConfigFile, find_file, permission_warning, save_settings
from ninepic_cli.config.schema import canonical_name
from ninepic_cli.config.settings import ConfigTarget, load_file, load_settings, resolve
from ninepic_cli.errors import MachineError, NotAllowedError, SettingsError

KEY = "9pk_0123456789abcdef"
CONFIG = Path("/home/ann/.config/ninepic/config.toml")


def mode(path: Path) -> int:
    """The permission bits of a file or folder."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o777])
def umask(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[int]:
    """A umask that lets everybody in, the usual one, and one that shuts the owner out, once there is tmp_path."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


class TestLoading:
    """The settings file as people write it."""

    def loaded(self, file: Path, text: str | bytes) -> dict[str, object]:
        """What is loaded from a file with this content."""
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_file(file)

    def test_every_setting(self, file: Path) -> None:
        """All names are known in both spellings, profiles included."""
        text = """
            api-key = "k"
            org-id = 1
            event_id = 2
            base-url = "https://host"
            output = "~/photos"
            jobs = 3
            [profiles.acme]
            event-id = 4
            api_key_command = "pass show ninepic"
        """
        assert self.loaded(file, text) == {
            "api_key": "k",
            "org_id": 1,
            "event_id": 2,
            "base_url": "https://host",
            "output": "~/photos",
            "jobs": 3,
            "profiles": {"acme": {"event_id": 4, "api_key_command": "pass show ninepic"}},
        }

    @pytest.mark.parametrize("data", [b"\xef\xbb\xbfjobs = 3\n", b"jobs = 3\r\n", b"# me\njobs=3 # fast"])
    def test_editors(self, file: Path, data: bytes) -> None:
        """A byte-order mark, CRLF and comments do not matter."""
        assert self.loaded(file, data) == {"jobs": 3}

    @pytest.mark.parametrize(
        ("text", "line", "words"),
        [
            ("event_id = 1\nevnt_id = 2\n", 2, "unknown setting 'evnt_id'"),
            ("[server]\nurl = 1\n", 1, "unknown setting 'server'"),
            ("\n\n[profiles.acme]\njobs = 2\nfoo = 1\n", 5, "unknown setting 'foo' in profile acme"),
            ("[profiles.acme]\n[profiles.acme.profiles]\n", 2, "unknown setting 'profiles' in profile acme"),
            ("# event_id\nevent_id = '12'\n", 2, "event-id must be a whole number, not text"),
            ("event_id = true\n", 1, "event-id must be a whole number, not true or false"),
            ("event_id = 1.0\n", 1, "event-id must be a whole number, not a number"),
            ("event_id = 2026-11-01\n", 1, "event-id must be a whole number, not a date or a time"),
            ("event_id = [1]\n", 1, "event-id must be a whole number, not a list"),
            ("jobs = 3\napi-key = 123456789012\n", 2, "api-key must be text, not a whole number"),
            ("event_id = 1\nevent-id = 2\n", 2, "duplicate setting event-id"),
            ("profiles = 3\n", 1, "profiles must be tables, not a whole number"),
            ("[profiles]\nacme = 3\n", 2, "profile 'acme' must be a table, not a whole number"),
            ("jobs = 4\n[profiles.acme]\njobs = '6'\n", 3, "jobs in profile acme must be a whole number, not text"),
            ("[profiles.acme]\njobs = 1\n\n[profiles.'a b']\njobs = 2\n", 4, "invalid profile 'a b'"),
            ("[profiles.acme.com]\njobs = 2\n", 1, "unknown setting 'com' in profile acme"),
            ("api_key = 'k'\napi-key-command = 'x'\n", 2, "api-key and api-key-command are mutually exclusive"),
            (
                "[profiles.a]\napi_key = 'k'\napi_key_command = 'x'\n",
                3,
                "api-key and api-key-command are mutually exclusive in",
            ),
            ("jobs = 4\nevent_id = 12x\n", 2, "not valid TOML"),
            ("jobs = 4\nevent_id\n", 2, "not valid TOML"),
            ("jobs = 4\n\n[profiles", 3, "not valid TOML"),
            ("jobs = 4\njobs = 5\n", 2, "not valid TOML: Cannot overwrite"),
            ("event_id = \n", 1, "not valid TOML"),
        ],
    )
    def test_a_wrong_entry_is_named_with_file_and_line(self, file: Path, text: str, line: int, words: str) -> None:
        """Unknown names, wrong types and broken TOML say where they stand, in one line."""
        with pytest.raises(SettingsError) as caught:
            self.loaded(file, text)
        assert caught.value.message.startswith(f"{file}:{line}: {words}")
        assert caught.value.message.isprintable()

    @pytest.mark.parametrize(
        ("text", "line", "start", "end"),
        [
            ("event_id = -3\n", 1, "event-id '-3' (from ", "expected a positive integer (see `ninepic events`)"),
            ("\nbase_url = 'http://host'\n", 2, "base-url 'http://host' (from ", "plain http; use https"),
            ("api_key = 'two words'\n", 1, "api-key (from ", "copy it again"),
            ("api_key_command = ''\n", 1, "api-key-command (from ", "expected a command, not an empty text"),
            ("api_key_command = 'pass \"x'\n", 1, "api-key-command (from ", "not a command line: no closing quotation"),
            ("output = ''\n", 1, "output (from ", "expected a path, not an empty text"),
            (
                "jobs = 4\n[profiles.acme]\njobs = 65\n",
                3,
                "jobs '65' (from profile acme in ",
                "must be between 1 and 64",
            ),
        ],
    )
    def test_a_wrong_value_is_told_with_where_it_came_from(
        self, file: Path, text: str, line: int, start: str, end: str
    ) -> None:
        """A value that a setting cannot have is shown (of a key nothing) with profile, file and line."""
        with pytest.raises(SettingsError) as caught:
            self.loaded(file, text)
        assert caught.value.message.startswith(f"invalid {start}{file}:{line}): ")
        assert caught.value.message.endswith(end)

    @pytest.mark.parametrize(
        "text", ["api_key = 5five\n", "api_key = [\n", "api_key = 'k y k y'\n", 'api_key = "k\x01y"']
    )
    def test_a_key_is_not_shown(self, file: Path, text: str) -> None:
        """An error about a key does not repeat it."""
        with pytest.raises(SettingsError) as caught:
            self.loaded(file, text)
        assert not any(part in caught.value.message for part in ("five", "k y", "k\\x01y"))

    @pytest.mark.parametrize("data", ["jobs = 3\n".encode("utf-16"), b"# a\njobs = 3 # \xff\n", b"\xff\xd8\xff"])
    def test_what_is_not_text(self, file: Path, data: bytes) -> None:
        """A file in another encoding is an error with its line."""
        with pytest.raises(SettingsError, match=f"^{file}:[12]: not valid UTF-8"):
            self.loaded(file, data)

    @pytest.mark.parametrize("text", ["x = " + "9" * 5000, "x = " + "[" * 5000, "#" * 70_000])
    def test_what_is_too_much(self, file: Path, text: str) -> None:
        """Endless numbers, nesting and length are errors."""
        with pytest.raises(SettingsError, match=r"not a settings file|not valid TOML"):
            self.loaded(file, text)

    @hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @example("jobs = '''\n3'''\n")
    @example('"j\\u006fbs" = 70\n')
    @example("profiles = {acme = {jobs = 70}}")
    @given(
        st.text()
        | st.lists(
            st.sampled_from(
                [
                    *"=.[]{}'\"#,\n",
                    "jobs",
                    "event_id",
                    "event-id",
                    "output",
                    "api_key",
                    "profiles",
                    "acme",
                    "x",
                    "3",
                    "70",
                    "'y'",
                ]
            )
        ).map("".join)
    )
    def test_any_text_ends_in_settings_or_an_error(self, tmp_path: Path, text: str) -> None:
        """Whatever the file holds, it gives settings or an error of one line."""
        message = ""
        try:
            loaded = self.loaded(tmp_path / "config.toml", text.encode("utf-8", "surrogatepass"))
            resolve({}, environ={}, config=loaded, target=ConfigTarget(CONFIG)).require_credentials()
        except (SettingsError, NotAllowedError) as error:
            message = error.message
        assert message.isprintable()


class TestPlace:
    """Which file it is."""

    def test_the_option_wins(self) -> None:
        """`--config` beats `NINEPIC_CONFIG`, which beats the platform's place."""
        environ = {"NINEPIC_CONFIG": "/b.toml"}
        assert find_file("/a.toml", environ)[0] == Path("/a.toml")
        assert find_file(None, environ)[0] == Path("/b.toml")

    @pytest.mark.parametrize("environ", [{}, {"NINEPIC_CONFIG": ""}])
    def test_the_platforms_place(self, home_file: Path, environ: dict[str, str]) -> None:
        """Without either it is `config.toml` in the platform's folder for `ninepic`."""
        assert find_file(None, environ)[0] == home_file
        assert home_file.parts[-2:] == ("ninepic", "config.toml")

    def test_xdg(self, home_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where `XDG_CONFIG_HOME` is honoured, it moves the file."""
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
        assert find_file(None, {})[0] in {home_file, tmp_path / "xdg" / "ninepic" / "config.toml"}

    @pytest.mark.usefixtures("home_file")
    def test_the_tilde_is_expanded(self, tmp_path: Path) -> None:
        """Both may begin with the home folder's short form."""
        assert find_file("~/x.toml", {})[0] == tmp_path / "x.toml"
        assert find_file(None, {"NINEPIC_CONFIG": "~/x.toml"})[0] == tmp_path / "x.toml"

    def test_an_empty_option_is_an_error(self) -> None:
        """An empty `--config` (an unset variable) is refused."""
        with pytest.raises(SettingsError, match=r"^invalid --config: expected a path"):
            find_file("", {})

    @pytest.mark.parametrize("place", [RuntimeError("no home"), Path("~/.config/ninepic")])
    def test_no_home_folder(self, monkeypatch: pytest.MonkeyPatch, place: Path | Exception) -> None:
        """A user without a home folder, as in containers, has empty settings and can write none."""

        def user_config_path(*_: object, **__: object) -> Path:
            if isinstance(place, Exception):
                raise place
            return place

        monkeypatch.setattr(platformdirs, "user_config_path", user_config_path)
        assert load_settings({}, environ={}, config=None).warnings == ()
        with pytest.raises(SettingsError, match="cannot write settings to") as caught:
            save_settings(find_file(None, {})[0], {"jobs": 3})
        assert "HOME" in str(caught.value.hint)


class TestWriting:
    """Changing a setting."""

    @pytest.mark.usefixtures("umask")
    def test_modes_whatever_the_umask(self, home_file: Path) -> None:
        """A new file is 0600 and every folder made for it 0700."""
        save_settings(home_file, {"api_key": KEY})
        assert mode(home_file) == 0o600
        assert (mode(home_file.parent), mode(home_file.parent.parent)) == (0o700, 0o700)
        assert load_file(home_file) == {"api_key": KEY}

    def test_modes_whatever_they_were(self, home_file: Path) -> None:
        """An existing file and the platform's folder for it become private."""
        home_file.parent.mkdir(parents=True)
        home_file.write_text("jobs = 3\n")
        home_file.chmod(0o666)
        home_file.parent.chmod(0o777)
        save_settings(home_file, {"event_id": 5})
        assert (mode(home_file), mode(home_file.parent)) == (0o600, 0o700)
        assert load_file(home_file) == {"jobs": 3, "event_id": 5}

    def test_a_shared_folder_keeps_its_mode(self, tmp_path: Path) -> None:
        """A folder that was there for other things is left as it is."""
        tmp_path.chmod(0o755)
        save_settings(tmp_path / "x.toml", {"jobs": 3})
        assert (mode(tmp_path), mode(tmp_path / "x.toml")) == (0o755, 0o600)

    def test_it_is_private_before_it_has_content(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The file beside it is nobody else's from the start, and is whole and flushed when it takes the name."""
        flushed: list[tuple[int, bytes]] = []

        def fsync(descriptor: int) -> None:
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode):
                flushed.append((stat.S_IMODE(status.st_mode), Path(f"/dev/fd/{descriptor}").read_bytes()))

        monkeypatch.setattr(os, "fsync", fsync)
        before = os.umask(0)
        save_settings(file, {"jobs": 3})
        os.umask(before)
        assert flushed == [(0o600, b"jobs = 3\n")]

    def test_a_link_is_written_through(self, tmp_path: Path) -> None:
        """A linked settings file, as in a repository of dotfiles, stays a link."""
        target = tmp_path / "dotfiles" / "ninepic.toml"
        target.parent.mkdir(mode=0o755)
        target.write_text("jobs = 3\n")
        link = tmp_path / "config.toml"
        link.symlink_to("dotfiles/ninepic.toml")
        save_settings(link, {"jobs": 4})
        assert link.is_symlink()
        assert (load_file(target), mode(target), mode(target.parent)) == ({"jobs": 4}, 0o600, 0o755)

    def test_a_dangling_link_is_written_through(self, tmp_path: Path) -> None:
        """A link to a file that is not there yet makes that file."""
        link = tmp_path / "config.toml"
        link.symlink_to("dotfiles/ninepic.toml")
        save_settings(link, {"jobs": 4})
        assert load_file(tmp_path / "dotfiles" / "ninepic.toml") == {"jobs": 4}

    def test_changes_at_once_all_count(self, file: Path) -> None:
        """Several changes at the same moment leave a whole file with all of them."""
        names = ["org_id", "event_id", "jobs", "output", "base_url"]
        values = [1, 2, 3, "x", "https://host"]
        with ThreadPoolExecutor(5) as pool:
            for _ in range(10):
                list(
                    pool.map(
                        save_settings, [file] * 5, [{name: value} for name, value in zip(names, values, strict=True)]
                    )
                )
                assert load_file(file) == dict(zip(names, values, strict=True))
                file.unlink()
        assert list(file.parent.iterdir()) == []

    def test_a_failure_leaves_the_file(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """When the disk fills up, the old file stays, nothing lies beside it, and the error says why."""
        save_settings(file, {"api_key": KEY})

        def fail(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(MachineError, match=r"cannot write settings file .*: No space left on device"):
            save_settings(file, {"jobs": 3})
        assert load_file(file) == {"api_key": KEY}
        assert list(file.parent.iterdir()) == [file]

    @pytest.mark.parametrize("place", ["file/config.toml", ".", "loop"])
    def test_what_cannot_be_written(self, tmp_path: Path, place: str) -> None:
        """A path below a file, a folder and a link to itself are errors."""
        (tmp_path / "file").touch()
        (tmp_path / "loop").symlink_to("loop")
        with pytest.raises(SettingsError, match=r"cannot (write|read) settings "):
            save_settings(tmp_path / place, {"jobs": 3})

    def test_a_pipe_is_not_replaced(self, tmp_path: Path) -> None:
        """Something that is not a file is neither read nor replaced."""
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        with pytest.raises(SettingsError, match="cannot write settings to"):
            save_settings(fifo, {"jobs": 3})
        assert fifo.is_fifo()

    def test_a_broken_file_is_not_replaced(self, file: Path) -> None:
        """A file that is not TOML stays for its owner to correct."""
        file.parent.mkdir()
        file.write_text("jobs = \n")
        with pytest.raises(SettingsError, match="not valid TOML"):
            save_settings(file, {"jobs": 3})
        assert file.read_text() == "jobs = \n"

    @pytest.mark.parametrize("bits", [0o604, 0o640, 0o644, 0o620])
    def test_exposure_is_told(self, file: Path, bits: int) -> None:
        """A file that others can read or write draws a warning with the command that ends it."""
        save_settings(file, {"jobs": 3})
        assert permission_warning(file) is None
        file.chmod(bits)
        (warning,) = load_settings({}, environ={}, config=str(file)).warnings
        assert warning.endswith(f"chmod 600 {file}")

    def test_the_command_can_be_pasted(self, tmp_path: Path) -> None:
        """The warning's command has the path quoted as a shell needs it."""
        path = tmp_path / "my settings.toml"
        path.touch(0o644)
        path.chmod(0o644)
        assert shlex.split(str(permission_warning(path)))[-1] == str(path)


class TestEditing:
    """What a change does to the text around it."""

    @pytest.mark.parametrize(
        ("text", "name", "value", "result"),
        [
            ("", "jobs", 3, "jobs = 3\n"),
            ("jobs = 4", "event_id", 5, "jobs = 4\nevent_id = 5\n"),
            ("# mine\njobs = 4\n", "jobs", 3, "# mine\njobs = 3\n"),
            ("# mine\njob-s = 1\nevent-id = 4 # race\n", "event_id", 3, "# mine\njob-s = 1\nevent-id = 3 # race\n"),
            ("  jobs=4\t# fast\n\n", "jobs", 3, "  jobs=3\t# fast\n\n"),
            (
                "jobs = 4\n\n# a\n[profiles.a]\njobs = 5\n",
                "event_id",
                1,
                "jobs = 4\nevent_id = 1\n\n# a\n[profiles.a]\njobs = 5\n",
            ),
            ("# mine\njobs = 4\n# more\n", "event_id", 5, "# mine\njobs = 4\n# more\nevent_id = 5\n"),
            ("# mine\n", "event_id", 5, "# mine\nevent_id = 5\n"),
            ("[profiles.a]\njobs = 5\n", "jobs", 1, "jobs = 1\n[profiles.a]\njobs = 5\n"),
            ("# a\njobs = 4\n# b\n", "jobs", None, "# a\n# b\n"),
            ("jobs = 4\n[profiles.a]\njobs = 5\n", "jobs", None, "[profiles.a]\njobs = 5\n"),
            ("output = '''\nx'''\n", "output", "y", 'output = "y"\n'),
            ("event_id = 1\nevent-id = 2\n", "event_id", 3, "event_id = 3\n"),
            ("jobs = 4\r\n", "output", 'a"b\\c', 'jobs = 4\r\noutput = "a\\"b\\\\c"\r\n'),
            ("jobs = 4 # x\r\n[profiles.a]\r\n", "jobs", 3, "jobs = 3 # x\r\n[profiles.a]\r\n"),
        ],
    )
    def test_comments_stay(self, text: str, name: str, value: str | int | None, result: str) -> None:
        """One line changes, comes or goes, with the line's comment, spelling and line end."""
        assert ConfigFile(CONFIG, text).with_setting(name, value) == result

    @pytest.mark.parametrize(
        ("text", "name", "value", "result"),
        [
            ("", "jobs", 3, "[profiles.acme]\njobs = 3\n"),
            ("jobs = 4 # top", "jobs", 3, "jobs = 4 # top\n\n[profiles.acme]\njobs = 3\n"),
            (
                "# a\n[profiles.acme] # mine\n# b\njobs = 4 # c\n\n[profiles.beta]\njobs = 5\n",
                "event_id",
                1,
                "# a\n[profiles.acme] # mine\n# b\njobs = 4 # c\nevent_id = 1\n\n[profiles.beta]\njobs = 5\n",
            ),
            (
                "jobs = 1\n[profiles.beta]\njobs = 5\n[profiles.acme]\n# d\njobs = 4\n",
                "jobs",
                2,
                "jobs = 1\n[profiles.beta]\njobs = 5\n[profiles.acme]\n# d\njobs = 2\n",
            ),
            (
                "[profiles.acme] # a\n\n[profiles.beta]\n",
                "jobs",
                2,
                "[profiles.acme] # a\njobs = 2\n\n[profiles.beta]\n",
            ),
            ("[profiles.beta]\njobs = 5\n", "jobs", 2, "[profiles.beta]\njobs = 5\n\n[profiles.acme]\njobs = 2\n"),
            ("# e\n[profiles.acme]\njobs = 5\norg-id = 1\n", "org_id", None, "# e\n[profiles.acme]\njobs = 5\n"),
            ("jobs = 1\n", "jobs", None, "jobs = 1\n"),
            ("# a\r\n[profiles.acme]\r\n", "jobs", 3, "# a\r\n[profiles.acme]\r\njobs = 3\r\n"),
            ("jobs = 1\r\n", "jobs", 3, "jobs = 1\r\n\r\n[profiles.acme]\r\njobs = 3\r\n"),
            (
                "[profiles.acme]\njobs = 4\n\n# the other one\n[profiles.beta]\n",
                "org_id",
                1,
                "[profiles.acme]\njobs = 4\norg_id = 1\n\n# the other one\n[profiles.beta]\n",
            ),
            ("profiles.acme.jobs = 1 # a\n", "jobs", 2, "profiles.acme.jobs = 2 # a\n"),
            ("profiles = {acme = {jobs = 1}} # a\n", "jobs", 2, "profiles = {acme = {jobs = 2}} # a\n"),
            ("# a\nprofiles = {}\n", "org_id", 2, "[profiles.acme]\norg_id = 2\n"),
        ],
    )
    def test_comments_stay_in_profiles(self, text: str, name: str, value: str | int | None, result: str) -> None:
        """A profile's line changes, comes or goes where it stands; a new profile goes to the end.

        Where no line can be added, the file is written anew, without its comments.
        """
        assert ConfigFile(CONFIG, text).with_setting(name, value, profile="acme") == result

    @pytest.mark.parametrize("text", ["profiles = 3\n", "jobs = 1\nprofiles.acme = 3\n"])
    def test_what_is_no_profile_is_not_replaced(self, text: str) -> None:
        """Something else in a profile's place is told with its line."""
        with pytest.raises(SettingsError, match=r":[12]: (profiles|acme) must be a table"):
            ConfigFile(CONFIG, text).with_setting("jobs", 2, profile="acme")

    def test_several_changes_are_one(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Several settings are written at once, and the file is replaced once."""
        save_settings(file, {"api_key_command": "x"}, profile="acme")
        replaced: list[bytes] = []
        monkeypatch.setattr(configfile, "write_atomic", lambda _, data, **__: replaced.append(data))
        values: dict[str, str | int | None] = {"api_key": KEY, "api_key_command": None, "org_id": 3, "event_id": None}
        save_settings(file, values, profile="acme")
        assert replaced == [f'[profiles.acme]\napi_key = "{KEY}"\norg_id = 3\n'.encode()]

    @given(
        st.dictionaries(
            st.sampled_from(["jobs", "event-id", "org_id", "x.y", "output"]), st.integers() | st.text() | st.booleans()
        ),
        st.lists(st.sampled_from(["# event_id = 1", "", "   # jobs", "\t"])),
        st.dictionaries(st.sampled_from(["a", "jobs"]), st.dictionaries(st.just("jobs"), st.integers())),
        st.tuples(st.sampled_from(["jobs", "event_id", "output"]), st.none() | st.integers(0, 99) | st.text()),
        st.sampled_from([None, "a", "jobs", "new"]),
        st.sampled_from(["\n", "\r\n"]),
    )
    def test_only_one_setting_changes(
        self,
        top: dict[str, object],
        comments: list[str],
        profiles: dict[str, dict[str, int]],
        change: tuple[str, str | int | None],
        profile: str | None,
        line_end: str,
    ) -> None:
        """After any change of any file, the setting has its value, all others have theirs, and comments stay."""
        name, value = change
        table: dict[str, object] = top | ({"profiles": profiles} if profiles else {})
        text = "\n".join([*comments, tomlkit.dumps(table), *comments]).replace("\n", line_end)
        own: Mapping[str, object] = table if profile is None else profiles.get(profile, {})
        spelled = next((key for key in own if canonical_name(key) == name), name)
        changed = {key: kept for key, kept in own.items() if canonical_name(key) != name}
        if value is not None:
            changed[spelled] = value
        expected = changed if profile is None else table
        if profile is not None and (profile in profiles or changed):
            expected = table | {"profiles": profiles | {profile: changed}}
        result = ConfigFile(CONFIG, text).with_setting(name, value, profile=profile)
        assert tomllib.loads(result) == expected
        assert result.count("\n#") + result.startswith("#") == text.count("\n#") + text.startswith("#")
        assert set(re.findall(r"\r?\n", result)) <= {line_end if line_end in text else "\n"}
