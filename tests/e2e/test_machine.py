"""What a machine may be like: few open files, addresses that lead nowhere, a clock that is wrong."""

import selectors
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli.errors import TransientError
from ninepic_cli.net.sockets import Connector
from ninepic_cli.sandbox import Fault, Sandbox, World
from tests.support.command import Ninepic, Result, Start
from tests.support.files import whole
from tests.support.http_servers import open_client

NAME = "store.example.test"
HOURS_S = 6 * 3600.0


SLOW_TO_FLUSH = """
import os, time
flush = os.fsync
os.fsync = lambda fd: (time.sleep(0.05), flush(fd))
"""


class TestOpenFiles:
    """How many photos at once the limit of open files allows."""

    @pytest.mark.parametrize(("limit", "warnings"), [("ulimit -n 64", 1), ("ulimit -S -n 64", 0)])
    def test_many_photos_with_few_files(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, limit: str, warnings: int
    ) -> None:
        """With 64 open files and 64 jobs 200 photos arrive, each asked for once, also where flushing takes its time.

        A limit that cannot be raised is told once.
        """
        world = World.generate(photos=200, size=4000)
        box = sandbox(world)
        result = ninepic.after(SLOW_TO_FLUSH).under(limit)("bib", "1234", "-o", tmp_path / "out", "-j", "64")
        assert result.status == 0, result.err
        assert whole(world, tmp_path / "out") == set(world.photos)
        assert len(box.requests_to("store")) == 200
        assert result.err.count("warning") == result.err.count("using --jobs 10 instead of 64") == warnings


Resolve = Callable[..., None]


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Lets a name have these addresses, in this order."""
    known: dict[str, tuple[str, ...]] = {}
    real = socket.getaddrinfo

    def looked_up(host: Any, port: Any, *args: Any, **options: Any) -> list[Any]:
        if host not in known:
            return real(host, port, *args, **options)
        return [found for address in known[host] for found in real(address, port, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)

    def has(*addresses: str) -> None:
        known[NAME] = addresses

    return has


@pytest.fixture
def swallow() -> Iterator[Callable[[str, int], None]]:
    """Lets an address answer nothing to whoever connects to it, as a network that drops packets."""
    with ExitStack() as stack:

        def at(address: str, port: int) -> None:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            listener = stack.enter_context(socket.socket(family))
            try:
                listener.bind((address, port))
            except OSError as error:
                pytest.skip(f"{address} is not to be had: {error.strerror}")
            listener.listen(0)
            for _ in range(3):  # its queue is full then, and the system lets further ones wait
                waiting = stack.enter_context(socket.socket(family))
                waiting.setblocking(False)
                waiting.connect_ex((address, port))

        yield at


def port_of(box: Sandbox) -> int:
    """The port of a sandbox's API."""
    return int(box.base_url.rpartition(":")[2])


def seconds_to_connect(addresses: Connector, port: int, timeout_s: float = 30) -> float:
    """How long it takes to have a connection."""
    began = time.monotonic()
    addresses.connect(NAME, port, timeout_s).close()
    return time.monotonic() - began


def asked(port: int, *, timeout_s: float, is_direct: bool) -> int:
    """The status of a request to the name, through the client."""
    url = f"http://{NAME}:{port}/api/v1/ext/123/events"
    with (
        closing(open_client(timeout_s=timeout_s, connections=1, environ={}, is_direct=is_direct)) as client,
        client.send("GET", url) as answer,
    ):
        return answer.status


class TestAddresses:
    """A host with several addresses, of which not all lead to it."""

    @pytest.mark.parametrize("dead", ["::1", "127.0.0.2"])
    def test_one_that_leads_nowhere(
        self,
        sandbox: Start,
        resolve: Resolve,
        swallow: Callable[[str, int], None],
        monkeypatch: pytest.MonkeyPatch,
        dead: str,
    ) -> None:
        """An address that never answers costs a quarter of a second once; the next connection goes to the good one."""
        port = port_of(sandbox())
        swallow(dead, port)
        resolve(dead, "127.0.0.1")
        addresses = Connector()
        assert 0.2 < seconds_to_connect(addresses, port) < 10
        monkeypatch.setattr("ninepic_cli.net.sockets._NEXT_ADDRESS_S", 20.0)
        for _ in range(2):
            assert seconds_to_connect(addresses, port) < 10

    def test_many_that_lead_nowhere(
        self, sandbox: Start, resolve: Resolve, swallow: Callable[[str, int], None]
    ) -> None:
        """Each further address is tried a quarter of a second later, once; IPv6 and IPv4 take turns."""
        port = port_of(sandbox())
        dead = ["::1", "127.0.0.2", "127.0.0.5", "127.0.0.6"]
        for address in dead:
            swallow(address, port)
        resolve(*dead, "127.0.0.1")
        assert 0.9 < seconds_to_connect(Connector(), port) < 20
        resolve("127.0.0.2", "127.0.0.5", "127.0.0.6", "127.0.0.2", "::1")
        assert [family for family, _ in Connector()._addresses(NAME, port)] == [
            socket.AF_INET,
            socket.AF_INET6,
            socket.AF_INET,
            socket.AF_INET,
        ]

    def test_one_that_is_slow(
        self, sandbox: Start, resolve: Resolve, swallow: Callable[[str, int], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An address that was begun with stays in the race: it wins where the others never answer."""
        port = port_of(sandbox())
        swallow("127.0.0.2", port)
        resolve("127.0.0.1", "127.0.0.2")
        real, late = selectors.PollSelector.select, time.monotonic() + 0.5

        def select(self: selectors.PollSelector, timeout: float | None = None) -> list[Any]:
            if (early_s := late - time.monotonic()) > 0:  # the network takes its time
                time.sleep(min(timeout or 0, early_s))
                return []
            return real(self, timeout)

        monkeypatch.setattr(selectors.PollSelector, "select", select)
        with closing(Connector().connect(NAME, port, 5)) as sock:
            assert sock.getpeername() == ("127.0.0.1", port)
            assert sock.gettimeout() == 5

    @pytest.mark.parametrize("is_direct", [True, False])
    def test_one_that_refuses(
        self, sandbox: Start, resolve: Resolve, monkeypatch: pytest.MonkeyPatch, is_direct: bool
    ) -> None:
        """An address that refuses costs no time at all."""
        monkeypatch.setattr("ninepic_cli.net.sockets._NEXT_ADDRESS_S", 20.0)
        port = port_of(sandbox())
        resolve("127.0.0.3", "127.0.0.1")
        assert seconds_to_connect(Connector(), port) < 10
        assert asked(port, timeout_s=5, is_direct=is_direct) == 401

    def test_the_good_one_goes_away(self, sandbox: Start, resolve: Resolve, monkeypatch: pytest.MonkeyPatch) -> None:
        """When the address that answered does so no longer, the others are tried."""
        monkeypatch.setattr("ninepic_cli.net.sockets._NEXT_ADDRESS_S", 20.0)
        box = sandbox()
        port, addresses = port_of(box), Connector()
        with Sandbox(World.generate(photos=1), host="127.0.0.4", port=port):
            resolve("127.0.0.4", "127.0.0.1")
            addresses.connect(NAME, port, 5).close()
        assert seconds_to_connect(addresses, port) < 10

    @pytest.mark.parametrize("is_direct", [True, False])
    def test_all_lead_nowhere(
        self, sandbox: Start, resolve: Resolve, swallow: Callable[[str, int], None], is_direct: bool
    ) -> None:
        """A host none of whose addresses answers is a failure that another try may mend, and says why."""
        port = port_of(sandbox())
        for dead in ("127.0.0.2", "127.0.0.5"):
            swallow(dead, port)
        resolve("127.0.0.2", "127.0.0.5")
        began = time.monotonic()
        with pytest.raises(TransientError, match=r"cannot connect to store\.example\.test:.*timed out") as caught:
            asked(port, timeout_s=0.4, is_direct=is_direct)
        assert 0.4 <= time.monotonic() - began < 20
        assert caught.value.code == "timeout"

    @pytest.mark.parametrize("is_direct", [True, False])
    def test_all_refuse(self, sandbox: Start, resolve: Resolve, is_direct: bool) -> None:
        """Nor is one whose addresses all refuse, and it says so."""
        port = port_of(sandbox())
        resolve("127.0.0.2", "127.0.0.5")
        with pytest.raises(TransientError, match=r"cannot connect to store.example.test:.*: connection refused"):
            asked(port, timeout_s=5, is_direct=is_direct)


@pytest.mark.parametrize("ahead_s", [HOURS_S, -HOURS_S])
class TestClock:
    """A local clock that is wrong by hours."""

    def test_links_are_used_whatever_their_date(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, ahead_s: float
    ) -> None:
        """Links that seem long dead, or not valid yet, are good: each photo takes one request."""
        world = World.generate(photos=12, size=4000)
        box = sandbox(world, clock_offset_s=ahead_s, link_life_s=3600)
        result = ninepic("bib", "1234", "-o", tmp_path / "out")
        assert result.status == 0, result.err
        assert whole(world, tmp_path / "out") == set(world.photos)
        assert (len(box.requests_to("store")), len(box.requests_to("api"))) == (12, 1)

    @pytest.mark.slow
    @pytest.mark.parametrize("server", ["api", "store"])
    def test_a_date_to_come_back_at(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, ahead_s: float, server: str
    ) -> None:
        """A pause until a date is as long as the service's clock says, whatever this machine's says."""
        world = World.generate(photos=2, size=4000)
        now_s = time.time() + ahead_s
        dates = {"Date": formatdate(now_s, usegmt=True), "Retry-After": formatdate(now_s + 3, usegmt=True)}
        box = sandbox(world, faults=[Fault(server, nth=1, status=429, headers=dates)])
        result: Result = ninepic("bib", "1234", "-o", tmp_path / "out", "-j", 1)
        assert result.status == 0, result.err
        assert whole(world, tmp_path / "out") == set(world.photos)
        first, second, *_ = box.requests_to(server)
        assert 2 < second.started - first.started < 20
