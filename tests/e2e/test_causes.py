"""Errors that point at their cause: the host with its port, the proxy, the path, the directory that refuses."""

import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from ninepic_cli.sandbox import Fault, Sandbox, World
from tests.support.command import Ninepic

Start = Callable[..., Sandbox]

ONCE = ("--retries", "0")
WEB_PAGE = "<!doctype html><title>Not found</title>"


@pytest.fixture
def dead_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_connection_that_is_refused(ninepic: Ninepic, sandbox: Start, dead_port: int) -> None:
    """It names the host with its port and what to check, and there is no summary of a run that never began."""
    sandbox()
    address = f"127.0.0.1:{dead_port}"
    result = ninepic("ping", NINEPIC_BASE_URL=f"http://{address}")
    assert result.status == 6
    assert result.err.splitlines() == [
        f"ninepic: error: cannot connect to {address}: connection refused (ping)",
        "  check network, proxy and base URL",
    ]


def test_attempts_are_counted(ninepic: Ninepic, sandbox: Start, dead_port: int) -> None:
    """What failed several times says how often."""
    sandbox()
    result = ninepic("bib", "1234", "--retries", "1", NINEPIC_BASE_URL=f"http://127.0.0.1:{dead_port}")
    assert result.status == 6
    assert "connection refused (page 1 of bib 1234, 2 attempts)" in result.err


def test_a_server_without_tls(ninepic: Ninepic, sandbox: Start) -> None:
    """A server that answers a TLS handshake with something else is no TLS server."""
    box = sandbox()
    place = box.environment["NINEPIC_BASE_URL"].removeprefix("http://")
    result = ninepic("ping", NINEPIC_BASE_URL=f"https://{place}")
    assert result.status == 6
    assert f"TLS handshake with {place} failed: not a TLS server? (ping)" in result.err


def test_a_proxy_is_named(ninepic: Ninepic, sandbox: Start, dead_port: int) -> None:
    """Where a proxy was used, it is named with the variable that it came from, and without its password."""
    sandbox()
    proxy = f"http://user:secret@127.0.0.1:{dead_port}"
    result = ninepic("ping", NINEPIC_BASE_URL="https://api.test", HTTPS_PROXY=proxy)
    assert result.status == 6
    assert f"cannot connect to api.test:443 via proxy http://127.0.0.1:{dead_port} (HTTPS_PROXY): " in result.err
    assert "secret" not in result.err


def test_a_path_that_is_wrong(ninepic: Ninepic, sandbox: Start) -> None:
    """A 404 that is not the service's JSON is a wrong address, and says so."""
    box = sandbox(faults=[Fault(server="api", status=404, body=WEB_PAGE, headers={"Content-Type": "text/html"})])
    base = box.environment["NINEPIC_BASE_URL"]
    result = ninepic("ping")
    assert result.status == 6
    assert f"no API at {base}: HTTP 404 with a web page" in result.err
    assert "check the path in base-url" in result.err


def test_a_directory_that_cannot_be_made(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """The directory that was asked for comes first, then the one above it that refuses."""
    box = sandbox()
    (tmp_path / "a").write_text("a file")
    result = ninepic("bib", "1234", "-o", tmp_path / "a" / "b" / "c")
    assert (result.status, box.requests) == (2, [])
    assert result.err.splitlines() == [
        f"ninepic: error: cannot create {tmp_path}/a/b/c: {tmp_path}/a is not a directory",
        "  choose another directory with -o",
    ]


@pytest.mark.parametrize("others", [(), ("1234",)], ids=["nothing at all", "others were found"])
def test_a_bib_without_photos(ninepic: Ninepic, sandbox: Start, others: tuple[str, ...]) -> None:
    """That originals may not be stored is said only where nothing at all was found."""
    sandbox(World.generate(photos=3, size=2000))
    result = ninepic("bib", "9999", *others)
    assert result.status == 4
    assert "\nno photos found for bib 9999\n" in f"\n{result.err}"
    assert "  check the number; bibs are compared exactly (01234 is not 1234)\n" in result.err
    assert ("Store Original Memories" in result.err) == (not others)


def test_a_photo_that_is_unknown(ninepic: Ninepic, sandbox: Start) -> None:
    """It is named once."""
    sandbox()
    result = ninepic("image", "1b4e28ba-2fa1-11d2-883f-0016d3cca427")
    assert result.status == 4
    assert "\nphoto 1b4e28ba-2fa1-11d2-883f-0016d3cca427 not found\n" in result.err


@pytest.mark.parametrize("options", [[], ["--json"]])
@pytest.mark.parametrize("status", [401, 403])
def test_a_run_that_never_began(ninepic: Ninepic, sandbox: Start, status: int, options: list[str]) -> None:
    """Where the first request is rejected there is an error and no summary for people."""
    sandbox(faults=[Fault(server="api", status=status)])
    result = ninepic("bib", "1234", *options)
    assert result.status == 3
    assert re.fullmatch(r"ninepic: error: .*\n  check .*\n|ninepic: error: .*\n  set .*\n", result.err), result.err


def test_a_host_that_is_given_up(ninepic: Ninepic, sandbox: Start) -> None:
    """It says for how long nothing usable came, and which option sets that."""
    box = sandbox(faults=[Fault(server="api", status=500)])
    place = box.environment["NINEPIC_BASE_URL"][7:]
    result = ninepic("bib", "1234", "--give-up-after", "1")
    assert result.status == 6
    assert (
        f"no usable response from {place} for 1 s; giving up (--give-up-after): HTTP 500 from the service" in result.err
    )
