"""The client over httpx2, the next generation of httpx: only the names of the libraries are to change."""

import os
import sys
from pathlib import Path

import pytest

from tests.support.command import completed

ROOT = Path(__file__).parents[2]
TESTS = ["tests/unit/net", "tests/unit/download", "tests/e2e/test_connections.py"]

# Run at the start of each Python; at its end, the libraries that the client had are written down.
SITE = """
import atexit, sys
import httpx2

httpx2.alias_httpx()

@atexit.register
def write_down():
    client = sys.modules.get("ninepic_cli.net.proxy_transport")
    if client is not None:
        with open({log!r}, "a") as log:
            print(client.httpx.__name__, client.httpcore.__name__, file=log)
"""

PLUGIN = """
import pytest

@pytest.fixture(autouse=True)
def commands_too(request):
    if "ninepic" in request.fixturenames:
        request.getfixturevalue("ninepic").use({{"PYTHONPATH": {folder!r}}})
"""


@pytest.mark.slow
def test_the_client_works_over_httpx2(tmp_path: Path) -> None:
    """With httpx2 under the names of httpx and httpcore, the client's own tests pass, in a process and in commands."""
    log = tmp_path / "log"
    (tmp_path / "sitecustomize.py").write_text(SITE.format(log=str(log)))
    (tmp_path / "over_httpx2.py").write_text(PLUGIN.format(folder=str(tmp_path)))
    result = completed(
        # Warned of: httpx2 imports one of pytest's plugins before pytest does.
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "over_httpx2", "-p", "no:cacheprovider"),
            *("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"),
            *("-k", "httpx or prox"),
            *TESTS,
        ],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=ROOT,
        timeout=300,
    )
    assert result.status == 0, result.out[-3000:]
    *commands, this_run = log.read_text().splitlines()
    assert {*commands, this_run} == {"httpx2 httpcore2"}
    assert commands
