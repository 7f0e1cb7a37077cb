"""Connections of the command: certificates, proxies, exact links, a rate, and few of them for many hosts."""

import re
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli.sandbox import Fault, Sandbox, StoredPhoto, World
from tests.support.command import Ninepic, Start
from tests.support.files import whole
from tests.support.http_servers import API, DEAD, STORE, Authority, Talk, Wire, endless, issue, port_of, relaying
from tests.support.worlds import small_world


def without_key(text: str, box: Sandbox) -> str:
    """The text, after a look for what must never be in it."""
    assert box.world.api_key not in text
    assert "X-Amz-Signature" not in text
    return text


class TestWhatIsSent:
    """The request as it is on the wire."""

    @pytest.mark.parametrize("host", ["host:abc", "256.1.1.1"])
    def test_a_link_that_is_no_url_costs_one_photo(self, ninepic: Ninepic, sandbox: Start, host: str) -> None:
        """A photo whose link cannot be sent fails alone, and the others arrive."""

        def spoil(payload: dict[str, Any]) -> None:
            payload["data"]["presigned_urls"][1]["url"] = f"https://{host}/{first[1]}.jpg?X-Amz-Signature=1"

        box = sandbox(small_world(), faults=[Fault(server="api", mutate=spoil)])
        first = list(box.world.photos)
        result = ninepic("bib", "1234", "--json")
        assert result.status == 5
        assert len(result.photos("downloaded")) == 2
        assert [(line["image_id"], line["code"]) for line in result.photos("failed")] == [(first[1], "unusable_link")]


class TestCertificates:
    """Certificates are always checked, against the authorities that the environment names."""

    def test_a_private_authority_works(self, ninepic: Ninepic, sandbox: Start, authority: Authority) -> None:
        """With SSL_CERT_FILE, photos arrive over connections that a private authority vouches for."""
        sandbox(small_world(), tls=authority.context())
        result = ninepic("bib", "1234", "-o", "photos", SSL_CERT_FILE=str(authority.file))
        assert result.status == 0, result.err
        assert len(list((ninepic.home / "photos").iterdir())) == 3

    @pytest.mark.parametrize("command", [("bib", "1234"), ("ping",)])
    def test_an_unknown_authority_is_told_at_once(
        self, ninepic: Ninepic, sandbox: Start, authority: Authority, command: tuple[str, ...]
    ) -> None:
        """A certificate that nobody vouches for ends the run after one try, with a message that names it."""
        context = authority.context()
        box = sandbox(small_world(), tls=context)
        result = ninepic(*command)
        assert result.status == 6
        assert context.connections == 1
        assert box.requests == []
        assert len(re.findall(r"certificate of \S+ not trusted: ", result.err)) == 1
        assert "SSL_CERT_FILE" in result.err
        assert "Traceback" not in result.err

    def test_a_certificate_for_another_host_is_refused(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """A certificate of a trusted authority for another name is no good."""
        other = issue(tmp_path, f"DNS:{API}")
        box = sandbox(small_world(), tls=other.context())
        result = ninepic("bib", "1234", SSL_CERT_FILE=str(other.file))
        assert result.status == 6
        assert "is for api.example.test, not for this host" in result.err
        assert box.requests == []

    @pytest.mark.parametrize("named", ["nowhere.pem", ".", "notes.txt"])
    def test_a_file_that_is_none_is_a_clear_error(
        self, ninepic: Ninepic, sandbox: Start, authority: Authority, named: str
    ) -> None:
        """SSL_CERT_FILE that names nothing, a folder or some other file ends the run with exit 2 before any request."""
        (ninepic.home / "notes.txt").write_text("milk, eggs\n")
        context = authority.context()
        sandbox(small_world(), tls=context)
        result = ninepic("bib", "1234", SSL_CERT_FILE=named)
        assert result.status == 2
        assert f"cannot load certificates from {named} (SSL_CERT_FILE): " in result.err
        assert "Traceback" not in result.err
        assert context.connections == 0

    def test_plain_http_needs_none(self, ninepic: Ninepic, sandbox: Start) -> None:
        """A certificate file that is not needed is not looked at."""
        sandbox(small_world())
        assert ninepic("bib", "1234", SSL_CERT_FILE="nowhere.pem").status == 0


class TestProxies:
    """Requests go by the proxy that the environment names, and loopback never does."""

    def through(self, proxy: Wire, authority: Authority, **more: str) -> dict[str, str]:
        """Variables for a world that is behind a proxy."""
        return {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(authority.file)} | more

    def far_away(self, sandbox: Start, ninepic: Ninepic, authority: Authority) -> Sandbox:
        """A service under names that only the proxy knows."""
        box = sandbox(small_world(), tls=authority.context())
        box.presigner.origin = f"https://{STORE}:{port_of(box.store_url)}"
        ninepic.use({"NINEPIC_BASE_URL": f"https://{API}:{port_of(box.base_url)}"})
        return box

    def test_photos_arrive_through_a_proxy(
        self, ninepic: Ninepic, sandbox: Start, authority: Authority, wire: Callable[[Talk], Wire]
    ) -> None:
        """API and store are reached by CONNECT, and the store finds the links' signatures intact."""
        box = self.far_away(sandbox, ninepic, authority)
        proxy = wire(relaying())
        ninepic.use(self.through(proxy, authority))
        result = ninepic("bib", "1234", "-o", "photos")
        assert result.status == 0, result.err
        assert len(list((ninepic.home / "photos").iterdir())) == 3
        lines = {head.split(b"\r\n")[0].decode() for head in proxy.heads}
        assert lines == {
            f"CONNECT {API}:{port_of(box.base_url)} HTTP/1.1",
            f"CONNECT {STORE}:{port_of(box.store_url)} HTTP/1.1",
        }
        heads = b"".join(proxy.heads)
        assert box.world.api_key.encode() not in heads

    @pytest.mark.parametrize("status", [403, 407])
    def test_a_refusal_is_a_clear_error(
        self, ninepic: Ninepic, sandbox: Start, authority: Authority, wire: Callable[[Talk], Wire], status: int
    ) -> None:
        """A proxy that refuses ends the run at once; the message names the proxy, without its password."""
        box = self.far_away(sandbox, ninepic, authority)
        proxy = wire(relaying(status))
        address = proxy.url.replace("//", "//user:letmein@")
        ninepic.use(self.through(proxy, authority, HTTPS_PROXY=address))
        result = ninepic("bib", "1234", "-v")
        assert result.status == 6
        way = r"cannot connect to \S+ via proxy \S+ \(HTTPS_PROXY\): refused by the proxy"
        assert re.search(way, result.err), result.err
        assert "HTTPS_PROXY" in result.err
        assert "letmein" not in without_key(result.out + result.err, box)
        assert len(proxy.heads) == 1
        assert box.requests == []

    @pytest.mark.parametrize(
        "variables",
        [
            {"ALL_PROXY": "socks5://127.0.0.1:9"},
            {"HTTPS_PROXY": "socks5h://127.0.0.1:9"},
        ],
    )
    def test_a_socks_proxy_is_a_clear_error(
        self, ninepic: Ninepic, sandbox: Start, variables: Mapping[str, str]
    ) -> None:
        """A SOCKS proxy, which is not supported, ends the run with exit 2 and a message that names it."""
        sandbox(small_world())
        ninepic.use(variables)
        result = ninepic("bib", "1234", NINEPIC_BASE_URL=f"https://{API}")
        assert result.status == 2
        assert "socks5" in result.err
        assert "Traceback" not in result.err

    @pytest.mark.parametrize("no_proxy", ["", "fd00::/8,[::1],fe80::1", "*"])
    def test_loopback_is_never_proxied(self, ninepic: Ninepic, sandbox: Start, no_proxy: str) -> None:
        """A service on this machine is reached past every proxy, whatever NO_PROXY says."""
        sandbox(small_world())
        names = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"]
        ninepic.use(dict.fromkeys(names, DEAD))
        result = ninepic("bib", "1234", NO_PROXY=no_proxy)
        assert result.status == 0, result.err


class TestPlainHttp:
    """Nothing secret goes over a connection that others can read."""

    @pytest.mark.parametrize(
        "address", ["http://api.example.test", "http://10.0.0.1:8080", "http://127.0.0.1.nip.test"]
    )
    def test_the_api_is_not_asked(self, ninepic: Ninepic, sandbox: Start, address: str) -> None:
        """A plain http address of the service is refused before any request, unless it is this machine."""
        box = sandbox(small_world())
        result = ninepic("bib", "1234", NINEPIC_BASE_URL=address)
        assert result.status == 2
        assert "plain http" in without_key(result.err, box)
        assert box.requests == []

    def test_a_plain_link_is_not_used(self, ninepic: Ninepic, sandbox: Start, wire: Callable[[Talk], Wire]) -> None:
        """A plain http link to another machine is one photo's failure, and nothing is sent, not even to a proxy."""
        proxy = wire(relaying())

        def spoil(payload: dict[str, Any]) -> None:
            item = payload["data"]["presigned_urls"][0]
            item["url"] = re.sub(r"//[^/]*", f"//{STORE}", item["url"])

        box = sandbox(small_world(), faults=[Fault(server="api", mutate=spoil)])
        result = ninepic("bib", "1234", "--json", HTTP_PROXY=proxy.url)
        assert result.status == 5
        assert [line["code"] for line in result.photos("failed")] == ["unusable_link"]
        assert len(result.photos("downloaded")) == 2
        without_key(result.out + result.err, box)
        assert proxy.heads == []


def test_odd_names_reach_the_store(ninepic: Ninepic, sandbox: Start) -> None:
    """Links whose path holds escaped and unusual characters are accepted by a store that checks every byte."""
    world = small_world(1)
    image_id = next(iter(world.photos))
    world.photos[image_id] = StoredPhoto(image_id, 3000, link_path=f"imgs/a+b ~'()%2f;[x]|/{image_id}.jpg")
    sandbox(world)
    result = ninepic("bib", "1234", "--json")
    assert result.status == 0, result.err
    assert len(result.photos("downloaded")) == 1


# All of 127/8 is this machine, and yet each address a host of its own; a server listens at one of them.
ONE_MACHINE = """
import socket
real = socket.getaddrinfo
def looked_up(host, *args, **options):
    return real("127.0.0.1" if str(host).startswith("127.") else host, *args, **options)
socket.getaddrinfo = looked_up
"""


class TestAnswersWithoutEnd:
    """Answers that are made of next to nothing, for ever."""

    def test_the_service_may_not_either(self, ninepic: Ninepic, sandbox: Start, wire: Callable[..., Wire]) -> None:
        """A service that answers with nothing but beginnings ends in failed tries, quickly."""
        sandbox()
        talk, sizes = endless(b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 10)
        server = wire(talk)
        result = ninepic("bib", "1234", "--retries", 0, NINEPIC_BASE_URL=server.url, timeout=20)
        assert result.status in {5, 6}
        assert "Traceback" not in result.err
        assert sum(sizes) < 16 << 20


class TestManyHosts:
    """Links that lead to more hosts than a process may have connections."""

    def test_few_files(self, ninepic: Ninepic, sandbox: Start, wire: Callable[..., Wire]) -> None:
        """With 64 open files, photos from 150 hosts arrive, and nobody is bothered."""
        world = World.generate(photos=150, size=3000)

        def talk(sock: socket.socket, head: bytes) -> None:
            data = world.photo_bytes(head.split(b"/")[1].split(b".")[0].decode())
            sock.sendall(b'HTTP/1.1 200 OK\r\nETag: "%b"\r\n' % md5(data).hexdigest().encode())
            sock.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(data), data))

        server = wire(talk, requests=9)
        box = sandbox(world)
        box.faults.append(_spread(server.url))
        result = ninepic.after(ONE_MACHINE).under("ulimit -n 64")("bib", "1234", "-o", "out")
        assert result.status == 0, result.err
        assert "warning" not in result.err
        assert whole(world, ninepic.home / "out") == set(world.photos)
        assert len({head.split(b"Host: ")[1].split(b"\r\n")[0] for head in server.heads}) == 150


def _spread(url: str) -> Fault:
    """Each link leads to another address, at the same port."""
    port = url.rpartition(":")[2]

    def mutate(answer: dict[str, Any]) -> None:
        for item in answer["data"]["presigned_urls"]:
            image_id = item["filename"].removesuffix(".jpg")
            number = next(numbers)
            item["url"] = f"http://127.1.{number // 250}.{number % 250 + 1}:{port}/{image_id}.jpg"

    numbers = iter(range(10_000))
    return Fault(server="api", mutate=mutate)


class TestOpenFiles:
    """A process, or a system, that has no more files to give."""

    REFUSING = """
import errno, os
real, left = os.open, list(range({times}))
def opened(path, *args, **options):
    if left and str(path).endswith((".part", ".tmp")):
        left.pop()
        raise OSError(errno.EMFILE, "Too many open files", str(path))
    return real(path, *args, **options)
os.open = opened
import ninepic_cli.net.retry as retry
retry._FIRST_WAIT_S, retry._LONGEST_WAIT_S = 0.01, 0.02
"""

    def test_a_photo_waits_for_files(self, ninepic: Ninepic, sandbox: Start) -> None:
        """A partial that is refused a file for a moment is tried again, and nobody is bothered."""
        world = World.generate(photos=5, size=4000)
        sandbox(world)
        result = ninepic.after(self.REFUSING.format(times=5))("bib", "1234", "-o", "out")
        assert result.status == 0, result.err
        assert whole(world, ninepic.home / "out") == set(world.photos)

    def test_a_lasting_want(self, ninepic: Ninepic, sandbox: Start) -> None:
        """Where none is to be had at all, the run ends with 7 in words that name the limit, and not the disk."""
        sandbox(World.generate(photos=5, size=4000))
        result = ninepic.after(self.REFUSING.format(times=999))("bib", "1234", "-o", "out", "--retries", 2, "--json")
        assert result.status == 7
        assert "too many open files" in result.err
        assert "ulimit -n" in result.err
        assert "disk" not in result.err.replace("on disk", "")


def on_disk(folder: Path) -> int:
    """Bytes of photos and partials."""
    size = 0
    for path in folder.glob("**/*.[jp]*"):
        with suppress(FileNotFoundError):  # a partial that is a photo now
            size += path.stat().st_size
    return size


def test_the_command_keeps_to_it(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """Photos come at the rate that was asked for, steadily, and whole; a slow rate is no time-out."""
    world = World.generate(photos=12, size=200_000)
    box = sandbox(world)
    process = ninepic.start("bib", "1234", "-o", tmp_path, "--limit-rate", "400K", "-j", "4", "--timeout", "1", "-v")
    counts: list[tuple[float, int]] = []
    while process.poll() is None:
        counts.append((time.monotonic(), on_disk(tmp_path)))
        time.sleep(0.05)
    assert process.returncode == 0, process.communicate()[1]
    process.communicate()
    moving = [(at_s, size) for at_s, size in counts if 300_000 < size < 2_300_000]
    seconds, size = moving[-1][0] - moving[0][0], moving[-1][1] - moving[0][1]
    assert size / seconds == pytest.approx(400 << 10, rel=0.1)
    assert all(world.photo_bytes(path.stem) == path.read_bytes() for path in tmp_path.glob("*.jpg"))
    assert [request.status for request in box.requests_to("store")] == [200] * 12


def test_a_wrong_rate_is_told_at_once(ninepic: Ninepic) -> None:
    """It is a usage error before anything is asked."""
    result = ninepic("bib", "7", "--event", "3", "--limit-rate", "fast")
    assert (result.status, "--limit-rate 'fast'" in result.err) == (2, True)
