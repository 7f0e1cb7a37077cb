"""Settings: where each comes from, and what it may be."""

import os
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs
import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from ninepic_cli.config.file import save_settings
from ninepic_cli.config.schema import DEFAULT_BASE_URL, SETTINGS, find_setting
from ninepic_cli.config.settings import ConfigTarget, Settings, load_file, load_settings, resolve
from ninepic_cli.errors import ExitStatus, NotAllowedError, SettingsError
from ninepic_cli.models import Credentials
from ninepic_cli.redact import mask_key

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
        with pytest.raises(SettingsError, match=f"^profile none not found in {CONFIG}$") as caught:
            resolved(environ=environ, config=self.FOUND, profile=profile)
        assert "existing profiles: acme, beta" in str(caught.value.hint)
        with pytest.raises(SettingsError) as caught:
            resolved(environ=environ, profile=profile)
        assert "no profiles yet" in str(caught.value.hint)

    @pytest.mark.parametrize("name", ["", " acme", "a b", "acme.com", "-acme", "a/b", "ä", "a\n", "a" * 65, "\x1b[0m"])
    def test_what_is_no_name(self, name: str) -> None:
        """A name needs no quotes anywhere; the error about another names where it came from."""
        with pytest.raises(SettingsError, match=r"^invalid --profile '.*'$") as caught:
            resolved(config={"profiles": {name: {}}}, profile=name)
        assert caught.value.message.isprintable()
        if name.strip() == name != "":
            with pytest.raises(SettingsError, match=r"^invalid profile '.*' \(from NINEPIC_PROFILE\)$"):
                resolved(environ={"NINEPIC_PROFILE": name})

    def test_what_is_missing_is_set_in_the_profile(self) -> None:
        """The error about a missing setting says how to set up the profile that was asked for."""
        with pytest.raises(SettingsError) as caught:
            resolved(config=self.FOUND, profile="acme").require_credentials()
        assert "ninepic config init --profile acme" in str(caught.value.hint)

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
        with pytest.raises(SettingsError, match=f"^invalid {option} '.*': expected a positive integer"):
            resolved({name: text})

    @pytest.mark.parametrize(("text", "number"), [("7", 7), (" 7\n", 7), ("007", 7), ("9" * 18, 10**18 - 1)])
    def test_ids_may_be_long_and_padded(self, text: str, number: int) -> None:
        """Spaces around a number and zeros before it do not matter."""
        assert resolved(environ={"NINEPIC_EVENT_ID": text}).event_id == number

    def test_the_variable_is_named(self) -> None:
        """A wrong variable is named together with what it holds."""
        with pytest.raises(
            SettingsError, match=r"^invalid event-id 'abc' \(from NINEPIC_EVENT_ID\): expected a positive integer"
        ):
            resolved(environ={"NINEPIC_EVENT_ID": "abc"})

    @pytest.mark.parametrize("text", ["0", "65", "many"])
    def test_jobs_have_bounds(self, text: str) -> None:
        """Fewer than one and more than 64 photos at once are refused."""
        with pytest.raises(SettingsError, match=r"^invalid jobs '.*' \(from NINEPIC_JOBS\): must be between 1 and 64$"):
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
            assert caught.value.message.startswith(f"invalid api-key (from {source}): ")
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
        with pytest.raises(SettingsError, match=r"^invalid base-url '.*' \(from NINEPIC_BASE_URL\): expected a URL"):
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
        with pytest.raises(SettingsError, match="refusing to send the API key over plain http"):
            resolved(environ={"NINEPIC_BASE_URL": text})

    def test_the_tilde_is_expanded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The target folder may begin with the home folder's short form."""
        monkeypatch.setenv("HOME", "/home/ann")
        assert resolved({"output": "~/photos"}).output == Path("/home/ann/photos")
        assert resolved(config={"output": "~"}).output == Path("/home/ann")

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "expected a path, not an empty text"),
            (" ", "expected a path, not an empty text"),
            ("a\0b", "NUL"),
            ("~no-such-user/x", "home directory"),
        ],
    )
    def test_what_is_no_folder(self, text: str, words: str) -> None:
        """An empty folder, and one of a user who does not exist, are refused."""
        with pytest.raises(SettingsError, match=f"^invalid --output.*{words}"):
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
        with pytest.raises(SettingsError, match=r"^unknown setting") as caught:
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

    def test_spaces_are_part_of_a_folder(self) -> None:
        """Spaces around a folder's name stay, as the shell took them from somebody who quoted them."""
        assert resolved({"output": " my photos "}).output == Path(" my photos ")


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
        """Without a key the exit status is 3, and the error names all that is missing and how to set it."""
        with pytest.raises(NotAllowedError) as caught:
            self.without("NINEPIC_API_KEY", "NINEPIC_ORG_ID").require_credentials()
        assert caught.value.exit_status is ExitStatus.NOT_ALLOWED
        assert caught.value.message == "no API key or organisation configured"
        hint = "run: ninepic config init; or set NINEPIC_API_KEY and --org (NINEPIC_ORG_ID)"
        assert caught.value.hint == hint

    @pytest.mark.parametrize(
        ("variable", "option"),
        [
            ("NINEPIC_ORG_ID", "--org"),
            ("NINEPIC_EVENT_ID", "--event"),
        ],
    )
    def test_no_organisation_or_event(self, variable: str, option: str) -> None:
        """Without an organisation or event the exit status is 2, and the error says the three ways to set it."""
        with pytest.raises(SettingsError) as caught:
            self.without(variable).require_credentials()
        assert caught.value.exit_status is ExitStatus.USAGE
        assert all(way in str(caught.value.hint) for way in (variable, option, "ninepic config init"))

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
        with pytest.raises(SettingsError, match="no organisation or event configured"):
            settings.require_credentials()
        assert not (tmp_path / "ran").exists()


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
        with pytest.raises(SettingsError, match=r"cannot read settings file .*: Is a directory"):
            load_settings({}, environ={}, config=str(tmp_path))

    def test_a_file_without_permission(self, open_folder: Path) -> None:
        """A settings file that is there and must not be read is an error, and not taken for a missing one."""
        path = open_folder / "config.toml"
        path.touch(0o000)
        with unprivileged(), pytest.raises(SettingsError, match=r"cannot read settings file .*: Permission denied"):
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
