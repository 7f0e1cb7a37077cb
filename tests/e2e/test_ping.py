"""`ninepic ping -v`, `-q` and `--json`: what support asks for first, also where the check fails."""

import re
import socket
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli import __version__
from ninepic_cli.report.json_lines import PingRecord
from ninepic_cli.sandbox import Fault, Sandbox
from tests.support.api_answers import asked, at_api
from tests.support.command import Ninepic, Result, Start
from tests.support.http_servers import API, Authority, Talk, Wire, port_of, relaying
from tests.support.worlds import small_world

OK = "OK: API key is valid for organisation 123 and event 456"


def rows(result: Result) -> dict[str, str]:
    """The block's rows, which stand before anything else, by their names."""
    assert "Traceback" not in result.err
    pairs = [line.split("  ", 1) for line in result.err.splitlines() if re.match(r"\S[^:]*?  +\S", line)]
    assert result.err.startswith("ninepic  "), result.err
    return {name: text.strip() for name, text in pairs}


def record(result: Result) -> dict[str, Any]:
    """The one object on standard output."""
    (found,) = result.json
    assert list(found) == list(PingRecord.__annotations__)
    assert (found["type"], found["exit_code"]) == ("ping", result.status)
    return found


def off_by(seconds: int) -> list[Fault]:
    """The service's clock is so far ahead of this machine's."""
    return [at_api("/ping", headers={"Date": formatdate(time.time() + seconds, usegmt=True)})]


@pytest.fixture
def far_away(
    ninepic: Ninepic, sandbox: Start, authority: Authority, wire: Callable[[Talk], Wire]
) -> Callable[..., tuple[Sandbox, Wire]]:
    """A service under a name that only a proxy knows, and the proxy, with a password in its address."""

    def start(status: int = 200) -> tuple[Sandbox, Wire]:
        box, proxy = sandbox(small_world(), tls=authority.context()), wire(relaying(status))
        ninepic.use(
            {
                "NINEPIC_BASE_URL": f"https://{API}:{port_of(box.base_url)}",
                "HTTPS_PROXY": proxy.url.replace("//", "//user:letmein@"),
                "SSL_CERT_FILE": str(authority.file),
            }
        )
        return box, proxy

    return start


class TestTheBlock:
    """What -v shows, and --json has."""

    def test_on_this_machine(self, ninepic: Ninepic, sandbox: Start) -> None:
        """Versions, settings, addresses, the answer and the clock are there; the key is not, and stdout stays empty."""
        box = sandbox(small_world(), faults=[at_api("/ping", headers={"CF-Ray": "8e2f41c09b7d3a55-FRA"})])
        result = ninepic("ping", "-v")
        shown = rows(result)
        assert (result.status, result.out) == (0, "")
        assert result.err.endswith(f"\n{OK}\n")
        assert "warning" not in result.err
        assert box.world.api_key not in result.err
        assert shown["ninepic"] == __version__
        assert "OpenSSL" in shown["Python"]
        assert shown["settings file"].endswith("config.toml (does not exist)")
        assert shown["api-key"] == f"{box.world.api_key[:5]}*** (NINEPIC_API_KEY)"
        assert shown["base-url"] == f"{box.base_url} (NINEPIC_BASE_URL)"
        assert shown["jobs"] == "8 (the default)"
        assert shown["proxy"] == "none (no variable names one)"
        assert shown["addresses"] == "127.0.0.1 (connected)"
        assert shown["TLS"] == "none (plain http)"
        assert re.fullmatch(r"\d+\.\d{3} s \(of these lookup .* s, connect .* s\)", shown["round trip"])
        assert shown["response"] == "HTTP 200, Cloudflare ray 8e2f41c09b7d3a55-FRA"
        assert re.match(rf"{re.escape(str(ninepic.home))} \(.* free, writable\)", shown["target folder"])
        assert asked(box) == ["ping"]

    def test_for_programs(self, ninepic: Ninepic, sandbox: Start) -> None:
        """--json has the same facts in one object, with or without -v, and -q leaves only that."""
        box = sandbox(small_world())
        result = ninepic("ping", "--json", "-q")
        found = record(result)
        assert (result.status, result.err) == (0, "")
        assert found["settings"]["event_id"] == {"value": 456, "source": "NINEPIC_EVENT_ID"}
        assert found["settings"]["api_key"] == {"value": f"{box.world.api_key[:5]}***", "source": "NINEPIC_API_KEY"}
        assert (found["address"], found["addresses"]) == ("127.0.0.1", ["127.0.0.1"])
        assert (found["http_status"], found["code"], found["error"]) == (200, None, None)
        assert found["output_writable"] is True
        assert found["output_free_bytes"] > 0
        assert abs(found["clock_offset_seconds"]) <= 10
        both = ninepic("ping", "--json", "-v")
        assert record(both).keys() == found.keys()
        assert rows(both)["event-id"] == "456 (NINEPIC_EVENT_ID)"

    def test_where_settings_come_from(self, ninepic: Ninepic, sandbox: Start) -> None:
        """Option, variable, profile, file and default are told apart, and a key that a command prints is named so."""
        box = sandbox(small_world())
        key = ninepic.environment.pop("NINEPIC_API_KEY")
        (ninepic.home / "key").write_text(key)
        config = ninepic.home / "my.toml"
        config.write_text('api_key_command = "cat key"\njobs = 3\n[profiles.acme]\noutput = "photos"\n')
        config.chmod(0o600)
        result = ninepic("ping", "-v", "--config", config, "--profile", "acme", "--event", 456)
        shown = rows(result)
        assert result.status == 0, result.err
        assert shown["settings file"] == str(config)
        assert shown["profile"] == "acme"
        assert shown["event-id"] == "456 (--event)"
        assert shown["org-id"] == "123 (NINEPIC_ORG_ID)"
        assert shown["output"] == f"photos (profile acme in {config})"
        assert shown["jobs"] == f"3 ({config})"
        assert shown["api-key"] == f"{key[:5]}*** (api-key-command)"
        assert shown["api-key-command"] == f"*** ({config})"
        assert shown["target folder"].startswith(str(ninepic.home / "photos"))
        assert not (ninepic.home / "photos").exists()
        assert len(box.requests) == 1

    def test_a_folder_that_is_none(self, ninepic: Ninepic, sandbox: Start) -> None:
        """A target that cannot take photos is told with the reason, and is no failure of the ping."""
        sandbox(small_world())
        (ninepic.home / "file").write_text("")
        result = ninepic("ping", "-v", "--json", NINEPIC_OUTPUT="file")
        assert result.status == 0
        assert "not usable: " in rows(result)["target folder"]
        found = record(result)
        assert (found["output"], found["output_writable"]) == (str(ninepic.home / "file"), False)
        assert "is not a directory" in found["output_error"]

    def test_nothing_when_it_is_fine(self, ninepic: Ninepic, sandbox: Start) -> None:
        """With -q there is nothing to read, not even with -v; without any option one line."""
        sandbox(small_world())
        assert ninepic("ping", "-q") == Result(0, "", "")
        assert ninepic("ping", "-q", "-v") == Result(0, "", "")
        assert ninepic("ping") == Result(0, "", f"{OK}\n")

    def test_an_object_that_cannot_be_written(self, ninepic: Ninepic, sandbox: Start) -> None:
        """Standard output that is full is exit 7, and an error of the ping comes before it."""
        sandbox(small_world())
        if not Path("/dev/full").exists():
            pytest.skip("needs /dev/full")
        assert ninepic.in_shell("ninepic ping -q --json > /dev/full").status == 7
        assert ninepic.in_shell("ninepic ping -q --json --event 9 > /dev/full").status == 2


class TestClock:
    """This machine's clock against the service's."""

    @pytest.mark.parametrize(
        ("seconds", "words"), [(-7230, r"7,2\d\d s \(2 h\) ahead of"), (7230, r"7,2\d\d s \(2 h\) behind")]
    )
    def test_one_that_is_off(self, ninepic: Ninepic, sandbox: Start, seconds: int, words: str) -> None:
        """A difference of a minute or more is told with its direction, and draws a warning."""
        sandbox(small_world(), faults=off_by(seconds))
        result = ninepic("ping", "-v", "--json")
        assert result.status == 0
        assert re.search(rf", {words} the service's", rows(result)["clock"])
        assert re.search(rf"ninepic: warning: this machine's clock is {words} the service's", result.err)
        assert record(result)["clock_offset_seconds"] == pytest.approx(-seconds, abs=30)

    def test_one_that_is_nearly_right(self, ninepic: Ninepic, sandbox: Start) -> None:
        """Less than a minute is told without a warning."""
        sandbox(small_world(), faults=off_by(50))
        result = ninepic("ping", "-v")
        assert re.search(r"\d+ s behind the service's", rows(result)["clock"])
        assert "warning" not in result.err

    @pytest.mark.parametrize("date", ["yesterday", ""])
    def test_a_service_without_one(self, ninepic: Ninepic, sandbox: Start, date: str) -> None:
        """A date that is none is not compared."""
        sandbox(small_world(), faults=[at_api("/ping", headers={"Date": date})])
        result = ninepic("ping", "-v", "--json")
        assert rows(result)["clock"].endswith(", not compared")
        assert record(result)["service_time"] is None


class TestTls:
    """The certificate, and who is trusted."""

    def test_a_private_authority(self, ninepic: Ninepic, sandbox: Start, authority: Authority) -> None:
        """TLS version, certificate, dates and the trusted file are there."""
        sandbox(small_world(), tls=authority.context())
        result = ninepic("ping", "-v", "--json", SSL_CERT_FILE=str(authority.file))
        shown, found = rows(result), record(result)
        assert shown["TLS"] == found["tls_version"] == "TLSv1.3"
        assert shown["certificate"] == found["certificate_subject"] == "CN=server"
        assert shown["issuer"] == found["certificate_issuer"] == "CN=Our CA"
        assert shown["valid"] == f"{found['certificate_not_before']} to {found['certificate_not_after']}"
        assert found["certificate_not_before"] <= found["time"] < found["certificate_not_after"]
        assert shown["trusted CAs"] == f"{authority.file} (SSL_CERT_FILE)"
        assert found["tls_seconds"] > 0
        assert ", TLS 0." in shown["round trip"]

    def test_an_unknown_authority(self, ninepic: Ninepic, sandbox: Start, authority: Authority) -> None:
        """Where the certificate is not trusted, the block says what is, and that there was no handshake."""
        sandbox(small_world(), tls=authority.context())
        result = ninepic("ping", "-v", "--json")
        shown, found = rows(result), record(result)
        assert (result.status, found["code"]) == (6, "certificate")
        assert shown["addresses"] == "127.0.0.1 (connected)"
        assert (shown["TLS"], shown["certificate"]) == ("no handshake", "not seen")
        assert shown["trusted CAs"].endswith("cacert.pem (built-in)")
        assert result.err.index("trusted CAs") < result.err.index("ninepic: error: ")


class TestProxy:
    """By which proxy the service is reached, and why by none."""

    def test_through_one(self, ninepic: Ninepic, far_away: Callable[..., tuple[Sandbox, Wire]]) -> None:
        """The proxy is named without its password, and the service's certificate is seen through it."""
        box, proxy = far_away()
        result = ninepic("ping", "-v", "--json")
        shown, found = rows(result), record(result)
        assert result.status == 0, result.err
        assert shown["proxy"] == f"{proxy.url} (HTTPS_PROXY)"
        assert (found["proxy"], found["proxy_variable"]) == (proxy.url, "HTTPS_PROXY")
        assert shown["proxy addresses"] == "127.0.0.1 (connected)"
        assert shown["addresses"] == "resolved by the proxy"
        assert shown["issuer"] == "CN=Our CA"
        assert "letmein" not in result.out + result.err
        assert asked(box) == ["ping"]

    def test_one_that_refuses(self, ninepic: Ninepic, far_away: Callable[..., tuple[Sandbox, Wire]]) -> None:
        """Behind a proxy that refuses, no certificate is seen, and the block says so."""
        box, _ = far_away(407)
        result = ninepic("ping", "-v")
        shown = rows(result)
        assert result.status == 6
        assert shown["TLS"] == "no handshake (behind the proxy)"
        assert shown["certificate"] == "not seen (behind the proxy)"
        assert shown["response"] == "none"
        assert "letmein" not in result.err
        assert box.requests == []

    def test_one_by_tls(
        self,
        ninepic: Ninepic,
        far_away: Callable[..., tuple[Sandbox, Wire]],
        authority: Authority,
        wire: Callable[..., Wire],
    ) -> None:
        """The certificate of a proxy that is reached by TLS is not taken for the service's."""
        far_away()
        proxy = wire(relaying(403), tls=authority.context())
        result = ninepic("ping", "-v", "--json", HTTPS_PROXY=proxy.url)
        assert result.status == 6
        assert rows(result)["certificate"] == "not seen (behind the proxy)"
        assert record(result)["tls_version"] is None
        assert len(proxy.heads) == 1

    def test_one_that_is_not_used(self, ninepic: Ninepic, far_away: Callable[..., tuple[Sandbox, Wire]]) -> None:
        """An entry of NO_PROXY that covers the host is named; that loopback needs none is said."""
        box, proxy = far_away()
        result = ninepic("ping", "-v", "--json", no_proxy="10.0.0.0/8,.example.test")
        assert result.status == 6
        shown, found = rows(result), record(result)
        assert shown["proxy"] == "none (HTTPS_PROXY does not apply: NO_PROXY has .example.test)"
        assert (found["proxy"], found["proxy_exception"]) == (None, ".example.test")
        assert shown["addresses"] == "not resolved"
        assert proxy.heads == []
        result = ninepic("ping", "-v", NINEPIC_BASE_URL=box.base_url)
        assert result.status == 0
        assert rows(result)["proxy"] == "none (HTTPS_PROXY does not apply: the host is this machine)"

    @pytest.mark.parametrize("address", ["socks5://user:letmein@127.0.0.1:9", "http://user:let/mein@proxy.test"])
    def test_one_that_is_no_good(self, ninepic: Ninepic, sandbox: Start, address: str) -> None:
        """A proxy that cannot be used is shown without a password, before the error."""
        sandbox(small_world())
        result = ninepic("ping", "-v", "--json", ALL_PROXY=address, NINEPIC_BASE_URL=f"https://{API}")
        assert result.status == 2
        assert rows(result)["proxy"].endswith(" (ALL_PROXY)")
        assert record(result)["code"] == "settings"
        assert "mein" not in result.out + result.err


class TestFailures:
    """The block comes first, then the error."""

    @pytest.mark.parametrize(
        ("faults", "variables", "expected"),
        [
            ([], {"NINEPIC_API_KEY": "9pk_other_other"}, (3, "not_allowed", 403, ["ping", "events"])),
            ([], {"NINEPIC_EVENT_ID": "9999"}, (2, "event_not_found", 404, ["ping"])),
            ([at_api("/ping", status=403)], {}, (3, "not_allowed", 403, ["ping", "events"])),
            ([at_api("/ping", status=401)], {}, (3, "not_allowed", 401, ["ping"])),
        ],
    )
    def test_key_and_event(
        self,
        ninepic: Ninepic,
        sandbox: Start,
        faults: list[Fault],
        variables: dict[str, str],
        expected: tuple[int, str, int, list[str]],
    ) -> None:
        """A wrong key and a wrong event have block, object and error, the answer being that to the ping."""
        box = sandbox(small_world(), faults=faults)
        ninepic.use(variables)
        result = ninepic("ping", "-v", "--json")
        found = record(result)
        assert (result.status, found["code"], found["http_status"], asked(box)) == expected
        assert rows(result)["response"] == f"HTTP {found['http_status']}"
        assert f"ninepic: error: {found['error']}\n" in result.err
        assert result.err.index("clock  ") < result.err.index("ninepic: error: ")
        assert "9pk_other_other" not in result.out + result.err
        quiet = ninepic("ping", "-q")
        assert quiet.err.startswith(f"ninepic: error: {found['error']}\n")

    def test_nobody_there(self, ninepic: Ninepic, sandbox: Start) -> None:
        """Where the connection is refused, the address is told that was tried."""
        sandbox(small_world())
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        result = ninepic("ping", "-v", "--json", NINEPIC_BASE_URL=f"http://127.0.0.1:{port}")
        shown, found = rows(result), record(result)
        assert (result.status, found["address"], found["http_status"]) == (6, None, None)
        assert (shown["addresses"], shown["response"]) == ("127.0.0.1", "none")
        assert shown["clock"].endswith(", not compared")
        assert "refused" in result.err

    def test_a_bug(self, ninepic: Ninepic, sandbox: Start) -> None:
        """An error that nobody thought of has block and object too."""
        sandbox(small_world())
        broken = "import ninepic_cli.api.client as client; client._check_pong = lambda data: 1 / 0"
        result = ninepic.after(broken)("ping", "-v", "--json")
        assert (result.status, record(result)["code"]) == (1, "error")
        assert rows(result)["response"] == "HTTP 200"
        assert "ZeroDivisionError" in result.err

    def test_a_folder_that_is_gone(self, ninepic: Ninepic, sandbox: Start) -> None:
        """A current folder that has been removed keeps nothing else from being told."""
        sandbox(small_world())
        result = ninepic.in_shell('mkdir gone && cd gone && rmdir "$PWD" && ninepic ping -v')
        assert "not usable: " in rows(result)["target folder"]
        assert rows(result)["response"] == "HTTP 200"
        assert result.status == 0

    def test_without_a_key(self, ninepic: Ninepic, sandbox: Start) -> None:
        """Settings that are missing are told as far as there are any, and nothing is asked."""
        box = sandbox(small_world())
        del ninepic.environment["NINEPIC_API_KEY"]
        result = ninepic("ping", "-v", "--json")
        assert (result.status, record(result)["code"]) == (3, "not_allowed")
        assert rows(result)["api-key"] == "not set"
        assert rows(result)["org-id"] == "123 (NINEPIC_ORG_ID)"
        assert box.requests == []

    @pytest.mark.parametrize("arguments", [("--event", "x"), ("--profile", "nobody"), ("--profile", "-")])
    def test_wrong_settings(self, ninepic: Ninepic, sandbox: Start, arguments: tuple[str, str]) -> None:
        """Settings that are wrong leave what is known without them."""
        sandbox(small_world())
        result = ninepic("ping", "-v", "--json", *arguments)
        found = record(result)
        assert (result.status, found["code"], found["settings"]) == (2, "settings", None)
        assert rows(result)["ninepic"] == __version__
        assert f"ninepic: error: {found['error']}\n" in result.err
