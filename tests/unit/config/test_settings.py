"""Settings: where each comes from, what it may be, and the file that keeps them."""

import json
import os
import re
import shlex
import stat
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs
import pytest
import tomlkit
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ninepic_cli.config import file as configfile
from ninepic_cli.config.file import ConfigFile, find_file, permission_warning, save_settings
from ninepic_cli.config.schema import DEFAULT_BASE_URL, SETTINGS, canonical_name, find_setting
from ninepic_cli.config.settings import ConfigTarget, Settings, load_file, load_settings, resolve
from ninepic_cli.errors import ExitStatus, MachineError, NotAllowedError, SettingsError
from ninepic_cli.models import Credentials
from ninepic_cli.redact import mask_key
from ninepic_cli.sandbox import World
from tests.support.command import Ninepic, Start

KEY = "9pk_0123456789abcdef"
CONFIG = Path("/home/ann/.config/ninepic/config.toml")


def resolved(
    options: Mapping[str, object | None] | None = None,
    environ: Mapping[str, str] | None = None,
    config: Mapping[str, object] | None = None,
    profile: str | None = None,
) -> Settings:
    """Settings from these layers alone."""
    environ = environ or {}
    target = ConfigTarget.of(environ, profile=profile, config=str(CONFIG))
    return resolve(options or {}, environ=environ, config=config or {}, target=target)


def mode(path: Path) -> int:
    """The permission bits of a file or folder."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A path for a settings file in a folder of its own."""
    return tmp_path / "own" / "config.toml"


@pytest.fixture
def home_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The platform's own place for the settings file, in an empty home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith(("XDG_", "NINEPIC_"))]:
        monkeypatch.delenv(name)
    path = find_file(None, os.environ)[0]
    assert path.is_relative_to(tmp_path)
    return path


@pytest.fixture(params=[0o000, 0o022, 0o777])
def umask(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[int]:
    """A umask that lets everybody in, the usual one, and one that shuts the owner out, once there is tmp_path."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can look into, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Not root, whom no permission stops."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


class TestPrecedence:
    """Option, environment, settings file, default."""

    def test_defaults(self) -> None:
        """With nothing set, there is the service's address, the current folder and eight jobs, and no access."""
        settings = resolved()
        assert (settings.base_url, settings.output, settings.jobs) == (DEFAULT_BASE_URL, Path(), 8)
        assert (settings.api_key, settings.org_id, settings.event_id) == (None, None, None)
        assert settings.sources == {"base_url": "the default", "output": "the default", "jobs": "the default"}

    @pytest.mark.parametrize(
        ("name", "option", "variable"),
        [
            ("org_id", "--org", "NINEPIC_ORG_ID"),
            ("event_id", "--event", "NINEPIC_EVENT_ID"),
            ("jobs", "--jobs", "NINEPIC_JOBS"),
        ],
    )
    def test_each_layer_wins_over_those_below(self, name: str, option: str, variable: str) -> None:
        """An option beats the environment, which beats the settings file, and the source says which it was."""
        layers: list[dict[str, Any]] = [
            {"options": {name: 1}},
            {"environ": {variable: "2"}},
            {"config": {name: 3}},
        ]
        for place, source in enumerate([option, variable, str(CONFIG)]):
            kept = {key: value for layer in layers[place:] for key, value in layer.items()}
            settings = resolved(**kept)
            assert (getattr(settings, name), settings.sources[name]) == (place + 1, source)

    @pytest.mark.parametrize("empty", ["", " ", "\t"])
    def test_an_empty_variable_counts_as_unset(self, empty: str) -> None:
        """A variable without content does not hide what the settings file says."""
        variables = {setting.variable: empty for setting in SETTINGS.values() if setting.variable}
        settings = resolved(environ=variables, config={"api_key": KEY, "org_id": 4, "jobs": 5})
        assert (settings.api_key, settings.org_id, settings.jobs) == (KEY, 4, 5)
        assert settings.base_url == DEFAULT_BASE_URL

    def test_options_not_given_count_as_unset(self) -> None:
        """None among the options leaves the decision to the layers below."""
        assert resolved({"event_id": None}, config={"event_id": 9}).event_id == 9

    def test_the_key_is_no_option(self) -> None:
        """A key among the options is not looked at: it never travels on the command line."""
        assert resolved({"api_key": KEY}).api_key is None

    def test_the_repr_hides_the_key(self) -> None:
        """Neither the settings nor what they give to the client show the key when printed."""
        settings = resolved(environ={"NINEPIC_API_KEY": KEY, "NINEPIC_ORG_ID": "1", "NINEPIC_EVENT_ID": "2"})
        assert KEY not in repr(settings)
        assert KEY not in repr(settings.require_credentials())


class TestProfiles:
    """Settings of several accounts."""

    FOUND: Mapping[str, object] = {
        "api_key": "top",
        "org_id": 5,
        "jobs": 5,
        "profiles": {"acme": {"org_id": 2, "jobs": 2}, "beta": {"org_id": 4, "jobs": 4, "event_id": 4}},
    }

    @pytest.mark.parametrize(
        ("profile", "environ", "expected"),
        [
            (None, {}, (5, "top", str(CONFIG))),
            ("acme", {}, (2, "top", f"profile acme in {CONFIG}")),
            ("acme", {"NINEPIC_ORG_ID": "3", "NINEPIC_API_KEY": "env"}, (2, "env", f"profile acme in {CONFIG}")),
            (None, {"NINEPIC_PROFILE": " beta "}, (4, "top", f"profile beta in {CONFIG}")),
            (None, {"NINEPIC_PROFILE": "beta", "NINEPIC_ORG_ID": "3"}, (3, "top", "NINEPIC_ORG_ID")),
            (None, {"NINEPIC_PROFILE": " "}, (5, "top", str(CONFIG))),
            ("acme", {"NINEPIC_PROFILE": "beta"}, (2, "top", f"profile acme in {CONFIG}")),
            ("acme", {"NINEPIC_PROFILE": "no profile's name"}, (2, "top", f"profile acme in {CONFIG}")),
        ],
    )
    def test_where_a_value_comes_from(
        self, profile: str | None, environ: dict[str, str], expected: tuple[int, str, str]
    ) -> None:
        """`--profile` beats the environment, which beats `NINEPIC_PROFILE`, which beats the top level."""
        settings = resolved(environ=environ, config=self.FOUND, profile=profile)
        assert (settings.org_id, settings.api_key, settings.sources["org_id"]) == expected

    def test_an_option_wins_over_all(self) -> None:
        """An option beats the profile that another option names."""
        assert resolved({"org_id": "1"}, config=self.FOUND, profile="acme").sources["org_id"] == "--org"

    def test_only_one_profile_is_looked_into(self) -> None:
        """What `NINEPIC_PROFILE`'s profile has does not mix with the account that `--profile` names."""
        settings = resolved(environ={"NINEPIC_PROFILE": "beta"}, config=self.FOUND, profile="acme")
        assert (settings.event_id, settings.profile) == (None, "acme")

    @pytest.mark.parametrize(("profile", "environ"), [("none", {}), (None, {"NINEPIC_PROFILE": "none"})])
    def test_an_unknown_profile_lists_the_known(self, profile: str | None, environ: dict[str, str]) -> None:
        """A profile that is not in the file is an error that lists those that are."""
        with pytest.raises(SettingsError, match=f"^there is no profile none in {CONFIG}$") as caught:
            resolved(environ=environ, config=self.FOUND, profile=profile)
        assert "there are: acme, beta" in str(caught.value.hint)
        with pytest.raises(SettingsError) as caught:
            resolved(environ=environ, profile=profile)
        assert "there are none" in str(caught.value.hint)

    @pytest.mark.parametrize("name", ["", " acme", "a b", "acme.com", "-acme", "a/b", "ä", "a\n", "a" * 65, "\x1b[0m"])
    def test_what_is_no_name(self, name: str) -> None:
        """A name needs no quotes anywhere; the error about another names where it came from."""
        with pytest.raises(SettingsError, match=r"^--profile is '.*, not a profile's name$") as caught:
            resolved(config={"profiles": {name: {}}}, profile=name)
        assert caught.value.message.isprintable()
        if name.strip() == name != "":
            with pytest.raises(SettingsError, match=r"^NINEPIC_PROFILE is '"):
                resolved(environ={"NINEPIC_PROFILE": name})

    def test_what_is_missing_is_set_in_the_profile(self) -> None:
        """The error about a missing setting says how to set it in the profile that was asked for."""
        with pytest.raises(SettingsError) as caught:
            resolved(config=self.FOUND, profile="acme").require_credentials()
        assert "ninepic config --profile acme set event-id ID" in str(caught.value.hint)

    def test_a_real_file(self, file: Path) -> None:
        """`load_settings` reads the profile out of the file that the first change has made."""
        save_settings(file, {"org_id": 3}, profile="acme")
        save_settings(file, {"org_id": 4})
        assert load_settings({}, environ={}, config=str(file), profile="acme").org_id == 3
        assert load_settings({}, environ={"NINEPIC_PROFILE": "acme"}, config=str(file)).org_id == 3
        assert load_settings({}, environ={}, config=str(file)).org_id == 4


class TestValues:
    """What each setting may be, and the words when it is not."""

    @pytest.mark.parametrize("text", ["abc", "", "0", "-1", "1.5", "1e3", "1_000", "+5", "٣", "9" * 5000, "0x10"])
    @pytest.mark.parametrize("name", ["event_id", "org_id"])
    def test_ids_are_whole_numbers_above_zero(self, name: str, text: str) -> None:
        """Anything but digits of a positive number is refused, naming the option it came from."""
        option = SETTINGS[name].option
        with pytest.raises(SettingsError, match=f"^{option} is '.*, not a whole number above 0$"):
            resolved({name: text})

    @pytest.mark.parametrize(("text", "number"), [("7", 7), (" 7\n", 7), ("007", 7), ("9" * 18, 10**18 - 1)])
    def test_ids_may_be_long_and_padded(self, text: str, number: int) -> None:
        """Spaces around a number and zeros before it do not matter."""
        assert resolved(environ={"NINEPIC_EVENT_ID": text}).event_id == number

    def test_the_variable_is_named(self) -> None:
        """A wrong variable is named together with what it holds."""
        with pytest.raises(SettingsError, match=r"^NINEPIC_EVENT_ID is 'abc', not a whole number above 0$"):
            resolved(environ={"NINEPIC_EVENT_ID": "abc"})

    @pytest.mark.parametrize("text", ["0", "65", "many"])
    def test_jobs_have_bounds(self, text: str) -> None:
        """Fewer than one and more than 64 photos at once are refused."""
        with pytest.raises(SettingsError, match=r"^NINEPIC_JOBS is .*, not a whole number from 1 to 64$"):
            resolved(environ={"NINEPIC_JOBS": text})

    @pytest.mark.parametrize("text", [KEY, f"  {KEY}\r\n", f"\t{KEY}\n"])
    def test_white_space_around_a_key_is_stripped(self, text: str) -> None:
        """A key pasted or read with a line end is the key."""
        assert resolved(environ={"NINEPIC_API_KEY": text}).api_key == KEY
        assert resolved(config={"api_key": text}).api_key == KEY

    @pytest.mark.parametrize("inner", ["\n", " ", "\t", "\0", "\x1b[0m", "é", "\u200b", "\udc80", "\x7f"])
    def test_what_cannot_be_a_key_is_refused_without_showing_it(self, inner: str) -> None:
        """A key with other than visible ASCII characters is refused, naming its source and never the key."""
        text = f"{KEY}{inner}{KEY}"
        environ, config = {"NINEPIC_API_KEY": text}, {"api_key": text}
        for source, layers in [("NINEPIC_API_KEY", (environ, None)), (str(CONFIG), (None, config))]:
            with pytest.raises(SettingsError) as caught:
                resolved(None, *layers)
            assert caught.value.message.startswith(source)
            assert KEY[:5] not in f"{caught.value.message}{caught.value.hint}"

    def test_an_empty_key_in_the_file_counts_as_unset(self) -> None:
        """An empty key is no key."""
        assert resolved(config={"api_key": " "}).api_key is None

    @pytest.mark.parametrize(
        ("text", "url"),
        [
            ("https://api.example.org", "https://api.example.org"),
            ("https://api.example.org/", "https://api.example.org"),
            (" https://api.example.org/9pic/\n", "https://api.example.org/9pic"),
            ("HTTPS://api.example.org:8443", "https://api.example.org:8443"),
            ("http://localhost:8000", "http://localhost:8000"),
            ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
            ("http://127.8.9.1", "http://127.8.9.1"),
            ("http://[::1]:8000", "http://[::1]:8000"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]"),
            ("https://10.0.0.1", "https://10.0.0.1"),
        ],
    )
    def test_addresses(self, text: str, url: str) -> None:
        """An https address, or an http one of this machine, is taken without the slash at its end."""
        assert resolved(environ={"NINEPIC_BASE_URL": text}).base_url == url

    @pytest.mark.parametrize(
        "text",
        [
            "api.9pic.ai",
            "ftp://api.9pic.ai",
            "https://",
            "https:///path",
            "https:api.9pic.ai",
            "https://a b",
            "https://a\tb",
            "https://a\\b",
            "https://host:port",
            "https://host:0",
            "https://host:99999",
            "https://host:",
            "https://[::1",
            "https://[::1].example.org",
            "https://[127.0.0.1]",
            "https://[fe80::1%25eth0]",
            "https://a..b",
            "https://-a",
            "https://a%2eb",
            "https://bücher.example",
            "https://" + "a" * 64,
            "//host",
            "https",
        ],
    )
    def test_what_is_no_address(self, text: str) -> None:
        """Anything that two readers could take for different hosts, or for none, is refused."""
        with pytest.raises(SettingsError, match=r"^NINEPIC_BASE_URL is .*, not an address like https://api\.9pic\.ai$"):
            resolved(environ={"NINEPIC_BASE_URL": text})

    @pytest.mark.parametrize(
        "text",
        ["https://ann:hunter2@host", "ann:hunter2@host", "https://host?token=hunter2", "https://host/#hunter2"],
    )
    def test_secrets_in_an_address_are_refused_and_not_shown(self, text: str) -> None:
        """An address with a password, a query or a fragment is refused without repeating it."""
        with pytest.raises(SettingsError) as caught:
            resolved(environ={"NINEPIC_BASE_URL": text})
        assert "hunter2" not in caught.value.message

    @pytest.mark.parametrize(
        "text", ["http://api.9pic.ai", "http://localhost.example.org", "http://127.0.0.1.nip.io", "http://0.0.0.0"]
    )
    def test_plain_http_is_for_this_machine_only(self, text: str) -> None:
        """Plain http to any host but this one is refused, also where the name only looks like it."""
        with pytest.raises(SettingsError, match="is plain http"):
            resolved(environ={"NINEPIC_BASE_URL": text})

    def test_the_tilde_is_expanded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The target folder may begin with the home folder's short form."""
        monkeypatch.setenv("HOME", "/home/ann")
        assert resolved({"output": "~/photos"}).output == Path("/home/ann/photos")
        assert resolved(config={"output": "~"}).output == Path("/home/ann")

    @pytest.mark.parametrize(
        ("text", "words"), [("", "is empty"), (" ", "is empty"), ("a\0b", "NUL"), ("~no-such-user/x", "home folder")]
    )
    def test_what_is_no_folder(self, text: str, words: str) -> None:
        """An empty folder, and one of a user who does not exist, are refused."""
        with pytest.raises(SettingsError, match=f"^--output .*{words}"):
            resolved({"output": text})

    @pytest.mark.parametrize(
        ("key", "shown"), [(KEY, "9pk_0***"), ("1234567890", "12345***"), ("123456789", "***"), ("", "***")]
    )
    def test_masked_keys(self, key: str, shown: str) -> None:
        """Five characters of a key are shown, and none of one that is shorter than ten."""
        assert mask_key(key) == shown

    @pytest.mark.parametrize("name", ["api-key", "api_key"])
    def test_both_spellings_name_a_setting(self, name: str) -> None:
        """Names are the same with an underscore or a hyphen."""
        assert find_setting(name).name == "api_key"

    @pytest.mark.parametrize("name", ["", "API_KEY", "profiles", "x\x1b[0m"])
    def test_an_unknown_name_lists_the_known(self, name: str) -> None:
        """A name that is no setting is refused with the list of those that are."""
        with pytest.raises(SettingsError, match="there is no setting") as caught:
            find_setting(name)
        assert "event-id" in str(caught.value.hint)
        assert caught.value.message.isprintable()

    @given(st.sampled_from(sorted(SETTINGS)), st.text())
    def test_any_text_is_a_value_or_a_clear_error(self, name: str, text: str) -> None:
        """Whatever is typed as a setting is stored so that it reads back the same, or refused in one line."""
        message = ""
        stored: str | int | None = None
        try:
            stored = find_setting(name).to_toml(text)
        except SettingsError as error:
            message = error.message
        assert (stored is None) == bool(message)
        assert "\n" not in message
        if stored is not None:
            assert tomllib.loads(tomlkit.dumps({name: stored})) == {name: stored}


class TestAccess:
    """What a request needs."""

    ENVIRON: Mapping[str, str] = {"NINEPIC_API_KEY": KEY, "NINEPIC_ORG_ID": "12", "NINEPIC_EVENT_ID": "345"}

    def without(self, *names: str) -> Settings:
        """Settings that lack these variables."""
        return resolved(environ={name: value for name, value in self.ENVIRON.items() if name not in names})

    def test_all_there(self) -> None:
        """Key, organisation, event and address are handed over."""
        assert resolved(environ=self.ENVIRON).require_credentials() == Credentials(KEY, 12, 345, DEFAULT_BASE_URL)

    def test_no_key(self) -> None:
        """Without a key the exit status is 3, and the error says both ways to set one."""
        with pytest.raises(NotAllowedError) as caught:
            self.without("NINEPIC_API_KEY", "NINEPIC_ORG_ID").require_credentials()
        assert caught.value.exit_status is ExitStatus.NOT_ALLOWED
        assert "NINEPIC_API_KEY" in str(caught.value.hint)
        assert "ninepic config set api-key" in str(caught.value.hint)

    @pytest.mark.parametrize(
        ("variable", "option", "name"),
        [
            ("NINEPIC_ORG_ID", "--org", "org-id"),
            ("NINEPIC_EVENT_ID", "--event", "event-id"),
        ],
    )
    def test_no_organisation_or_event(self, variable: str, option: str, name: str) -> None:
        """Without an organisation or event the exit status is 2, and the error says the three ways to set it."""
        with pytest.raises(SettingsError) as caught:
            self.without(variable).require_credentials()
        assert caught.value.exit_status is ExitStatus.USAGE
        assert all(way in str(caught.value.hint) for way in (variable, option, f"ninepic config set {name}"))

    def test_the_event_may_be_dispensable(self) -> None:
        """A request about the organisation needs no event."""
        assert self.without("NINEPIC_EVENT_ID").require_credentials(event=False).event_id is None

    @pytest.mark.parametrize(
        ("environ", "table", "key"),
        [
            ({}, {}, "top"),
            ({}, {"api_key": "other"}, "other"),
            ({"NINEPIC_API_KEY": "env"}, {}, "env"),
            ({"NINEPIC_API_KEY": "env"}, {"api_key_command": "echo acme"}, "acme"),
            ({"NINEPIC_PROFILE": "acme"}, {"api_key_command": "echo acme"}, "acme"),
            ({"NINEPIC_PROFILE": "acme", "NINEPIC_API_KEY": "env"}, {"api_key_command": "echo acme"}, "env"),
        ],
    )
    @pytest.mark.parametrize("top", [{"api_key": "top"}, {"api_key_command": "echo top"}])
    def test_a_command_counts_where_its_key_would(
        self, top: dict[str, str], environ: dict[str, str], table: dict[str, str], key: str
    ) -> None:
        """Of a key and a command the one in the higher layer counts, and only that has a source."""
        ids = {"org_id": 1, "event_id": 2}
        profile = None if "NINEPIC_PROFILE" in environ else "acme"
        settings = resolved(environ=environ, config={**top, **ids, "profiles": {"acme": table}}, profile=profile)
        assert settings.require_credentials().api_key == key
        assert len({"api_key", "api_key_command"} & settings.sources.keys()) == 1

    def test_the_repr_hides_the_command(self) -> None:
        """A command may have a secret among its words, which the settings do not show when printed."""
        assert KEY not in repr(resolved(config={"api_key_command": f"echo {KEY}"}))

    def test_a_command_is_not_run_in_vain(self, tmp_path: Path) -> None:
        """Where something else is missing, nobody is asked for a pass phrase first."""
        settings = resolved(config={"api_key_command": f"touch {tmp_path / 'ran'}"})
        with pytest.raises(SettingsError, match="no organisation is set"):
            settings.require_credentials()
        assert not (tmp_path / "ran").exists()


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
            ("event_id = 1\nevnt_id = 2\n", 2, "there is no setting 'evnt_id'"),
            ("[server]\nurl = 1\n", 1, "there is no setting 'server'"),
            ("\n\n[profiles.acme]\njobs = 2\nfoo = 1\n", 5, "there is no setting 'foo' in profile acme"),
            ("[profiles.acme]\n[profiles.acme.profiles]\n", 2, "there is no setting 'profiles' in profile acme"),
            (
                "jobs = 4\n[profiles.acme]\njobs = 65\n",
                3,
                "jobs in profile acme is '65', not a whole number from 1 to 64",
            ),
            ("# event_id\nevent_id = '12'\n", 2, "event_id is text, not a whole number"),
            ("event_id = true\n", 1, "event_id is true or false, not a whole number"),
            ("event_id = 1.0\n", 1, "event_id is a number, not a whole number"),
            ("event_id = 2026-11-01\n", 1, "event_id is a date or a time, not a whole number"),
            ("event_id = [1]\n", 1, "event_id is a list, not a whole number"),
            ("jobs = 3\napi-key = 123456789012\n", 2, "api-key is a whole number, not text"),
            ("event_id = -3\n", 1, "event_id is '-3', not a whole number above 0"),
            ("\nbase_url = 'http://host'\n", 2, "base_url is plain http"),
            ("api_key = 'two words'\n", 1, "api_key holds a space"),
            ("api_key_command = ''\n", 1, "api_key_command is empty"),
            ("api_key_command = 'pass \"x'\n", 1, "api_key_command is not a command: no closing quotation"),
            ("output = ''\n", 1, "output is empty"),
            ("event_id = 1\nevent-id = 2\n", 2, "event_id stands there twice"),
            ("profiles = 3\n", 1, "profiles is a whole number, not tables"),
            ("[profiles]\nacme = 3\n", 2, "the profile 'acme' is a whole number, not a table"),
            ("jobs = 4\n[profiles.acme]\njobs = '6'\n", 3, "jobs in profile acme is text, not a whole number"),
            ("[profiles.acme]\njobs = 1\n\n[profiles.'a b']\njobs = 2\n", 4, "'a b' is not a profile's name"),
            ("[profiles.acme.com]\njobs = 2\n", 1, "there is no setting 'com' in profile acme"),
            ("api_key = 'k'\napi-key-command = 'x'\n", 2, "api_key_command stands beside api_key"),
            ("[profiles.a]\napi_key = 'k'\napi_key_command = 'x'\n", 3, "api_key_command stands beside api_key in"),
            ("jobs = 4\nevent_id = 12x\n", 2, "not valid TOML"),
            ("jobs = 4\nevent_id\n", 2, "not valid TOML"),
            ("jobs = 4\n\n[profiles", 3, "not valid TOML"),
            ("jobs = 4\njobs = 5\n", 2, "not valid TOML: Cannot overwrite"),
            ("event_id = \n", 1, "not valid TOML"),
        ],
    )
    def test_a_wrong_entry_is_named_with_file_and_line(self, file: Path, text: str, line: int, words: str) -> None:
        """Unknown names, wrong types, wrong values and broken TOML say where they stand, in one line."""
        with pytest.raises(SettingsError) as caught:
            self.loaded(file, text)
        assert caught.value.message.startswith(f"{file}:{line}: {words}")
        assert caught.value.message.isprintable()

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
        with pytest.raises(SettingsError, match=f"^{file}:[12]: not UTF-8 text"):
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
            resolved(config=loaded).require_credentials()
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
        with pytest.raises(SettingsError, match=r"^--config is empty"):
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
        with pytest.raises(SettingsError, match="cannot be written to") as caught:
            save_settings(find_file(None, {})[0], {"jobs": 3})
        assert "HOME" in str(caught.value.hint)


class TestGathering:
    """Everything put together, with real files."""

    def test_all_layers(self, file: Path) -> None:
        """Options, environment and settings file are combined."""
        save_settings(file, {"api_key": KEY})
        save_settings(file, {"org_id": 1})
        settings = load_settings({"event_id": "3"}, environ={"NINEPIC_ORG_ID": "2"}, config=str(file))
        assert settings.require_credentials() == Credentials(KEY, 2, 3, DEFAULT_BASE_URL)
        assert settings.sources["api_key"] == str(file)
        assert settings.warnings == ()

    def test_a_missing_default_file_is_empty(self, home_file: Path) -> None:
        """Without a settings file there are the defaults, and none is made."""
        assert load_settings({}, environ={}, config=None).jobs == 8
        assert not home_file.parent.exists()

    @pytest.mark.parametrize("name", ["none.toml", "file/none.toml"])
    def test_a_named_file_has_to_exist(self, tmp_path: Path, name: str) -> None:
        """A settings file that somebody named and that is missing is an error."""
        (tmp_path / "file").touch()
        path = str(tmp_path / name)
        with pytest.raises(SettingsError, match=r"none\.toml does not exist"):
            load_settings({}, environ={}, config=path)
        with pytest.raises(SettingsError, match=r"none\.toml does not exist"):
            load_settings({}, environ={"NINEPIC_CONFIG": path}, config=None)

    @pytest.mark.parametrize("path", ["/dev/null"])
    def test_no_file_at_all(self, path: str) -> None:
        """The null device stands for no settings, without a warning."""
        assert load_settings({}, environ={}, config=path).warnings == ()

    def test_what_cannot_be_read(self, tmp_path: Path) -> None:
        """A folder in the file's place is an error with its reason."""
        with pytest.raises(SettingsError, match=r"cannot be read: Is a directory"):
            load_settings({}, environ={}, config=str(tmp_path))

    def test_a_file_without_permission(self, open_folder: Path) -> None:
        """A settings file that is there and must not be read is an error, and not taken for a missing one."""
        path = open_folder / "config.toml"
        path.touch(0o000)
        with unprivileged(), pytest.raises(SettingsError, match="cannot be read: Permission denied"):
            load_file(path)

    def test_a_home_that_must_not_be_looked_into(self, open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the folder of the default file is closed to this user, the settings are empty."""
        path = open_folder / "closed" / "config.toml"
        path.parent.mkdir()
        path.touch()
        path.parent.chmod(0o000)
        monkeypatch.setattr(platformdirs, "user_config_path", lambda *_, **__: path.parent)
        with unprivileged():
            settings = load_settings({}, environ={}, config=None)
        path.parent.chmod(0o700)
        assert (settings.jobs, settings.warnings) == (8, ())


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
        with pytest.raises(MachineError, match="cannot be written: No space left on device"):
            save_settings(file, {"jobs": 3})
        assert load_file(file) == {"api_key": KEY}
        assert list(file.parent.iterdir()) == [file]

    @pytest.mark.parametrize("place", ["file/config.toml", ".", "loop"])
    def test_what_cannot_be_written(self, tmp_path: Path, place: str) -> None:
        """A path below a file, a folder and a link to itself are errors."""
        (tmp_path / "file").touch()
        (tmp_path / "loop").symlink_to("loop")
        with pytest.raises(SettingsError, match=r"cannot be (written|read)"):
            save_settings(tmp_path / place, {"jobs": 3})

    def test_a_pipe_is_not_replaced(self, tmp_path: Path) -> None:
        """Something that is not a file is neither read nor replaced."""
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        with pytest.raises(SettingsError, match="cannot be written to"):
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
        with pytest.raises(SettingsError, match=r":[12]: (profiles|acme) is not a table"):
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


class TestVariablesFiles:
    """Variables as containers, `.env` files with CRLF and services hand them over."""

    @pytest.mark.parametrize("form", ['"{}"', "'{}'", "{}\r", '"{}"\r', " '{}' \r\n", "\ufeff{}", '" {}"'])
    def test_quotes_and_line_ends_are_not_part_of_a_value(self, ninepic: Ninepic, sandbox: Start, form: str) -> None:
        """Quotation marks around a variable and a CR at its end go, whichever variable it is."""
        sandbox(World.generate(photos=4, size=20_000))
        config = ninepic.home / "my.toml"
        config.write_text("[profiles.acme]\njobs = 2\n")
        ninepic.use({"NINEPIC_PROFILE": "acme", "NINEPIC_OUTPUT": "photos", "NINEPIC_CONFIG": str(config)})
        ninepic.use({"NINEPIC_JOBS": "3", "NINEPIC_DEBUG": "1"})
        names = [name for name in ninepic.environment if name.startswith("NINEPIC_")]
        ninepic.use({name: form.format(ninepic.environment[name]) for name in names})
        result = ninepic("bib", "7")
        assert result.status == 0, result.err
        left = {path.name.strip() for path in ninepic.home.iterdir()} - {".config"}
        assert left == {"my.toml", "photos"}
        assert len([path for path in ninepic.home.rglob("*.jpg") if path.parent.name == "photos"]) == 1
        assert "at\n" in ninepic("bib", "7", "--jobs", "0").err  # where the error came from

    @pytest.mark.parametrize("value", ["photos\r", "photos\r\n", '"photos"', "'photos'\r"])
    def test_a_folder_has_no_line_end(self, ninepic: Ninepic, sandbox: Start, value: str) -> None:
        """A folder is named without a CR, whether an option, the variable or the file gave it."""
        sandbox(World.generate(photos=4, size=20_000))
        assert ninepic("bib", "7", "-o", value).status == 0
        assert ninepic("bib", "7", NINEPIC_OUTPUT=value).status == 0
        config = ninepic.home / "my.toml"
        config.write_text(f"output = {json.dumps(value)}\n")
        assert ninepic("bib", "7", "--config", config).status == 0
        assert ninepic("config", "set", "output", value, "--config", config).status == 0
        assert 'output = "photos"' in config.read_text()
        assert {path.name for path in ninepic.home.iterdir()} == {"my.toml", "photos"}

    def test_spaces_are_part_of_a_folder(self) -> None:
        """Spaces around a folder's name stay, as the shell took them from somebody who quoted them."""
        assert resolved({"output": " my photos "}).output == Path(" my photos ")

    @pytest.mark.parametrize("form", ['"{}"', "'{}'", "{}\r", '"{}"\r'])
    def test_a_key_has_no_quotes(self, ninepic: Ninepic, sandbox: Start, form: str) -> None:
        """Quotation marks around a key go, from the file, from standard input and from a command as well."""
        box = sandbox(World.generate(photos=4, size=20_000))
        key = ninepic.environment.pop("NINEPIC_API_KEY")
        config = ninepic.home / "my.toml"
        config.write_text(f"api_key = {json.dumps(form.format(key))}\n")
        assert ninepic("ping", "--config", config).status == 0
        assert ninepic("config", "set", "api-key", given=form.format(key)).status == 0
        assert ninepic("config", "get", "api-key", "--reveal").out == f"{key}\n"
        (ninepic.home / "key").write_text(form.format(key))
        config.write_text('api_key_command = "cat key"\n')
        assert ninepic("ping", "--config", config).status == 0
        assert len(box.requests) == 2

    @pytest.mark.parametrize("name", ["EVENT_ID", "ORG_ID", "JOBS", "API_KEY", "BASE_URL", "PROFILE", "OUTPUT"])
    def test_what_is_wrong_all_the_same_names_the_variable(self, ninepic: Ninepic, sandbox: Start, name: str) -> None:
        """A value that quotation marks are not around but in is refused with its variable."""
        box = sandbox(World.generate(photos=4, size=20_000))
        ninepic.use({f"NINEPIC_{name}": "~nobody-9pic/'1 \x01 2\""})
        result = ninepic("bib", "7")
        assert (result.status, f"NINEPIC_{name}" in result.err, box.requests) == (2, True, [])
