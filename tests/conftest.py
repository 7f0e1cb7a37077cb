"""What most tests share: the command in a clean environment, and the sandbox.

A test of one part goes to unit/ and the part's package, of several parts in this process to integration/, and of the
installed command to e2e/. What tests of several files need goes to support/; no test imports another.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli.sandbox import Sandbox, World
from tests.support.command import Ninepic, heed_signals
from tests.support.disks import Disk, mounted
from tests.support.http_servers import API, STORE, Authority, Wire, issue
from tests.support.terminals import Tmux

heed_signals()


def pytest_xdist_auto_num_workers() -> int:
    """Twice as many as there are cores: these tests wait for other processes most of the time."""
    return 2 * (os.cpu_count() or 1)


def pytest_configure(config: pytest.Config) -> None:
    """Let workers that are done take over what others have not begun."""
    if getattr(config.option, "numprocesses", None) and config.option.dist == "load":
        config.option.dist = "worksteal"


@pytest.fixture
def ninepic(tmp_path: Path) -> Iterator[Ninepic]:
    """The command, in a home of its own; what of it still runs ends with the test."""
    home = tmp_path / "home"
    home.mkdir()
    ninepic = Ninepic(home)
    yield ninepic
    ninepic.end_all()


@pytest.fixture
def sandbox(ninepic: Ninepic) -> Iterator[Callable[..., Sandbox]]:
    """Starts a sandbox with the given world and options, and points the command at it."""
    with ExitStack() as stack:

        def start(world: World | None = None, **options: Any) -> Sandbox:
            box = stack.enter_context(Sandbox(world, **options))
            ninepic.use(box.environment)
            return box

        yield start
        ninepic.end_all()  # before the service that it talks to


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-off in milliseconds, for tests that run the parts in this process."""
    monkeypatch.setattr("ninepic_cli.net.retry._FIRST_WAIT_S", 0.002)
    monkeypatch.setattr("ninepic_cli.net.retry._LONGEST_WAIT_S", 0.01)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that everybody reaches (pytest's own are private), for everybody to write to as /tmp is."""
    with tempfile.TemporaryDirectory(prefix="ninepic-shared-") as folder:
        Path(folder).chmod(0o1777)
        yield Path(folder)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk of 20 MB; it is gone after the test, however that ends."""
    root = tmp_path / "disk"
    with mounted(root, "-t", "tmpfs", "-o", "size=20m", "none"):
        yield Disk(root)


@pytest.fixture(scope="session")
def tmux() -> Iterator[Tmux]:
    """Terminals of any size."""
    if shutil.which("tmux") is None:
        pytest.skip("needs tmux, a terminal that can be looked at")
    with tempfile.TemporaryDirectory(prefix="ninepic-") as folder:  # pytest's own may be too long for a socket
        tmux = Tmux(Path(folder))
        tmux.open("sleep", "infinity", width=80, height=24, environ={})  # a server without any window ends
        yield tmux
        tmux("kill-server")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority, with a certificate for this machine and for two names that lead nowhere."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl, to make certificates")
    return issue(tmp_path_factory.mktemp("authority"), f"IP:127.0.0.1,IP:::1,DNS:{API},DNS:{STORE}")


@pytest.fixture
def wire() -> Iterator[Callable[..., Wire]]:
    """Starts servers."""
    with ExitStack() as stack:
        yield lambda talk, **options: stack.enter_context(Wire(talk, **options))
