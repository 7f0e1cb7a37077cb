"""Answers of a store that is broken, odd or hostile: what costs one photo, what costs nothing, and what is refused."""

import gzip
import hashlib
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli.sandbox import Fault, StoredPhoto, World
from tests.support.command import Ninepic, Start
from tests.support.files import whole
from tests.support.http_servers import API, OK, STORE, Authority, Talk, Wire, issue, relaying, saying

SIZE = 200_000
CUT = 120_000
CODINGS = ["aws-chunked", "utf-8", "binary", "gzip", "aws-chunked, gzip", "br"]
LOW_CEILING = "import ninepic_cli.download.s3\nninepic_cli.download.s3.LARGEST_PHOTO = 100_000"
QUICK = "import ninepic_cli.net.retry as retry\nretry._FIRST_WAIT_S = 0.1\nretry._LONGEST_WAIT_S = 0.2"


@pytest.fixture(params=["an unknown authority", "expired", "another host"])
def bad(tmp_path: Path, authority: Authority, request: pytest.FixtureRequest) -> Authority:
    """A server's certificate that is no good; its `file` is that of an authority which is trusted all the same."""
    if request.param == "an unknown authority":
        return replace(issue(tmp_path, "IP:127.0.0.1"), file=authority.file)
    if request.param == "expired":
        return issue(tmp_path, "IP:127.0.0.1", days=-1)
    return issue(tmp_path, "DNS:other.test")


def elsewhere(url: str, *, first: int = 1) -> Fault:
    """Links to the first photos of a page lead to another server."""

    def mutate(answer: dict[str, Any]) -> None:
        for item in answer["data"]["presigned_urls"][:first]:
            item["url"] = re.sub(r"^https?://[^/]*", url, item["url"])

    return Fault(server="api", mutate=mutate)


def one_photo(**attributes: Any) -> tuple[World, bytes]:
    """A world with one photo, and its bytes."""
    world = World.generate(photos=1, size=SIZE)
    (photo,) = world.photos.values()
    for name, value in attributes.items():
        setattr(photo, name, value)
    return world, world.photo_bytes(photo.image_id)


def chunked(data: bytes, *, etag: str, end: bytes = b"0\r\n\r\n") -> bytes:
    """An answer in chunks."""
    head = f'HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nETag: "{etag}"\r\nTransfer-Encoding: chunked\r\n\r\n'
    pieces = [data[at : at + 50_000] for at in range(0, len(data), 50_000)]
    return head.encode() + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + end


def endless(head: bytes, piece: bytes) -> Talk:
    """Answers without an end."""

    def talk(sock: socket.socket, _: bytes) -> None:
        with suppress(OSError):
            sock.sendall(head)
            while True:
                sock.sendall(piece)

    return talk


class TestEncodings:
    """Photos that were stored with a `Content-Encoding` which says nothing about their bytes."""

    @pytest.mark.parametrize("etag", ["md5", "multipart"])
    @pytest.mark.parametrize("coding", CODINGS)
    def test_right_bytes_are_taken(self, ninepic: Ninepic, sandbox: Start, coding: str, etag: str) -> None:
        """A photo whose bytes are right arrives, in whatever encoding the store says that it comes."""
        world, _ = one_photo(etag=etag)
        box = sandbox(world, faults=[Fault(headers={"Content-Encoding": coding})])
        result = ninepic("bib", "1234", "-o", "out")
        assert result.status == 0, result.err
        assert whole(world, ninepic.home / "out") == set(world.photos)
        assert len(box.requests_to("store")) == 1

    @pytest.mark.parametrize("etag", ["md5", "multipart"])
    def test_a_rest_is_taken(self, ninepic: Ninepic, sandbox: Start, etag: str) -> None:
        """The rest of such a photo is taken as well."""
        world, _ = one_photo(etag=etag)
        coding = Fault(headers={"Content-Encoding": "aws-chunked"})
        box = sandbox(world, faults=[Fault(cut_after=CUT, nth=1), coding])
        result = ninepic("bib", "1234", "-o", "out")
        assert result.status == 0, result.err
        assert whole(world, ninepic.home / "out") == set(world.photos)
        assert [request.status for request in box.requests_to("store")] == [200, 206]

    def test_wrong_bytes_are_not(self, ninepic: Ninepic, sandbox: Start) -> None:
        """Where the bytes of such a photo are not those that its MD5 says, it is fetched again, and then fails."""
        world, data = one_photo()
        spoilt = data[:-50] + bytes(48) + data[-2:]
        wrong = Fault(body=spoilt, headers={"Content-Encoding": "gzip"})
        sandbox(world, faults=[wrong])
        result = ninepic("bib", "1234", "-o", "out", "--json", "--retries", 0)
        assert (result.status, result.photos("failed")[0]["code"]) == (5, "checksum")
        assert whole(world, ninepic.home / "out") == set()

    @pytest.mark.parametrize("etag", ["md5", "multipart"])
    def test_compressed_bytes_are_not(self, ninepic: Ninepic, sandbox: Start, etag: str) -> None:
        """A photo that was stored compressed is none, although its MD5 is right."""
        world, data = one_photo()
        (photo,) = world.photos.values()
        photo.body, photo.etag = gzip.compress(data), etag
        sandbox(world, faults=[Fault(headers={"Content-Encoding": "gzip"})])
        result = ninepic("bib", "1234", "-o", "out", "--json")
        assert (result.status, result.photos("failed")[0]["code"]) == (5, "not_a_photo")
        assert "compressed" in result.photos("failed")[0]["error"]


class TestCeiling:
    """No photo has a gigabyte."""

    def test_an_announced_length(self, ninepic: Ninepic, sandbox: Start) -> None:
        """What is announced as larger than any photo is not fetched, and the others go on."""
        world = World.generate(photos=3, size=SIZE)
        large, *others = world.photos
        for image_id in others:
            world.photos[image_id].size = 50_000
        box = sandbox(world)
        result = ninepic.after(LOW_CEILING)("bib", "1234", "-o", "out", "--json")
        assert result.status == 5
        assert [(line["image_id"], line["code"]) for line in result.photos("failed")] == [(large, "too_large")]
        assert len(result.photos("downloaded")) == 2
        assert len(box.requests_to("store")) == 3
        assert not (ninepic.home / "out" / ".ninepic").exists()

    @pytest.mark.parametrize("is_chunked", [True, False])
    def test_a_body_without_end(
        self, ninepic: Ninepic, sandbox: Start, wire: Callable[..., Wire], is_chunked: bool
    ) -> None:
        """A body that does not end is given up where no photo is as large, and nothing of it stays."""
        coding = "Transfer-Encoding: chunked\r\n" if is_chunked else ""
        head = f'HTTP/1.1 200 OK\r\nETag: "{"ab" * 16}"\r\n{coding}\r\n'.encode()
        piece = b"\xff\xd8\xff" + bytes(4093)
        server = wire(endless(head, b"1000\r\n%b\r\n" % piece if is_chunked else piece))
        sandbox(World.generate(photos=2, size=50_000), faults=[elsewhere(server.url)])
        result = ninepic.after(LOW_CEILING)("bib", "1234", "-o", "out", "--json", timeout=20)
        assert result.status == 5
        assert [line["code"] for line in result.photos("failed")] == ["too_large"]
        assert (len(result.photos("downloaded")), len(server.heads)) == (1, 1)
        assert not (ninepic.home / "out" / ".ninepic").exists()

    def test_a_rest_without_end(self, ninepic: Ninepic, sandbox: Start, wire: Callable[..., Wire]) -> None:
        """A rest that does not end where it was announced to end is given up there, and the photo starts over."""
        world, data = one_photo()
        etag = hashlib.md5(data).hexdigest()
        begun = f'HTTP/1.1 200 OK\r\nETag: "{etag}"\r\nContent-Length: {SIZE}\r\n\r\n'.encode()
        ranged = f"HTTP/1.1 206 P\r\nContent-Range: bytes {CUT}-{SIZE - 1}/{SIZE}\r\nTransfer-Encoding: chunked\r\n"
        rest = endless(f'{ranged}ETag: "{etag}"\r\n\r\n'.encode(), b"1000\r\n%b\r\n" % bytes(4096))
        answers = iter([saying(begun, data[:CUT]), rest, saying(begun, data)])

        def talk(sock: socket.socket, head: bytes) -> None:
            next(answers)(sock, head)

        server = wire(talk)
        sandbox(world, faults=[elsewhere(server.url)])
        result = ninepic.after(QUICK)("bib", "1234", "-o", "out", timeout=20)
        assert result.status == 0, result.err
        assert whole(world, ninepic.home / "out") == set(world.photos)
        assert [b"\r\nRange:" in head for head in server.heads] == [False, True, False]


class TestNothingToCheckBy:
    """A body in chunks whose length nobody says, and whose ETag is no MD5."""

    def fetched(self, ninepic: Ninepic, sandbox: Start, server: Wire) -> Any:
        """What becomes of the only photo, which comes from that server."""
        sandbox(one_photo()[0], faults=[elsewhere(server.url)])
        return ninepic("bib", "1234", "-o", "out", "--json", "--retries", 0)

    def test_a_whole_picture_is_taken(self, ninepic: Ninepic, sandbox: Start, wire: Callable[..., Wire]) -> None:
        """Where the last chunk came, and the bytes begin and end as a picture does, they are the photo."""
        world, data = one_photo()
        result = self.fetched(ninepic, sandbox, wire(saying(chunked(data, etag="ab-2"))))
        assert result.status == 0, result.err
        assert whole(world, ninepic.home / "out") == set(world.photos)

    @pytest.mark.parametrize("kept", [SIZE - 2, CUT])
    def test_half_a_picture_is_not(
        self, ninepic: Ninepic, sandbox: Start, wire: Callable[..., Wire], kept: int
    ) -> None:
        """Bytes that do not end as a picture are none, and nothing of them stays."""
        _, data = one_photo()
        result = self.fetched(
            ninepic, sandbox, wire(saying(chunked(data[:kept].replace(b"\xff\xd9", b"xx"), etag="ab-2")))
        )
        assert (result.status, result.photos("failed")[0]["code"]) == (5, "unverifiable")
        assert not (ninepic.home / "out" / ".ninepic").exists()

    def test_an_end_without_last_chunk_is_not(
        self, ninepic: Ninepic, sandbox: Start, wire: Callable[..., Wire]
    ) -> None:
        """Without the last chunk the body was cut, whatever it ends like."""
        _, data = one_photo()
        result = self.fetched(ninepic, sandbox, wire(saying(chunked(data, etag="ab-2", end=b""))))
        assert (result.status, result.photos("failed")[0]["code"]) == (5, "connection")

    def test_the_end_of_the_connection_is_not(
        self, ninepic: Ninepic, sandbox: Start, wire: Callable[..., Wire]
    ) -> None:
        """A body that ends with its connection may have been cut by anybody."""
        _, data = one_photo()
        result = self.fetched(ninepic, sandbox, wire(saying(b'HTTP/1.1 200 OK\r\nETag: "ab-2"\r\n\r\n' + data)))
        assert (result.status, result.photos("failed")[0]["code"]) == (5, "unverifiable")


class TestOneHost:
    """What is wrong with one host among the links."""

    @pytest.mark.parametrize("count", [1, 3])
    def test_a_certificate_costs_its_photos_alone(
        self, ninepic: Ninepic, sandbox: Start, wire: Callable[..., Wire], bad: Authority, count: int
    ) -> None:
        """Photos behind a certificate that is no good fail after one try each, with one hint; the others arrive.

        One more connection reads what the certificate says of itself.
        """
        server = wire(saying(OK), tls=bad.context())
        world = World.generate(photos=3, size=4000)
        sandbox(world, faults=[elsewhere(server.url, first=count)])
        result = ninepic("bib", "1234", "-o", "out", "--json", SSL_CERT_FILE=str(bad.file))
        assert result.status == 5
        assert [line["code"] for line in result.photos("failed")] == ["certificate"] * count
        assert len(whole(world, ninepic.home / "out")) == 3 - count
        assert (server.connections - count in {0, 1}, server.heads) == (True, [])
        hints = "^  check this machine's clock|^  check the address|SSL_CERT_FILE"
        assert len(re.findall(hints, result.err, re.MULTILINE)) == 1

    def test_a_proxy_that_refuses_it(
        self, ninepic: Ninepic, sandbox: Start, wire: Callable[..., Wire], authority: Authority
    ) -> None:
        """Photos behind a host that the proxy does not connect to fail, and the others arrive."""
        proxy = wire(relaying(403))
        sandbox(World.generate(photos=3, size=4000), faults=[elsewhere(f"https://{STORE}")])
        result = ninepic("bib", "1234", "--json", HTTPS_PROXY=proxy.url, SSL_CERT_FILE=str(authority.file))
        assert (result.status, len(result.photos("downloaded"))) == (5, 2)
        assert [line["code"] for line in result.photos("failed")] == ["proxy"]
        assert result.err.count("HTTPS_PROXY") == 1

    def test_a_service_far_away_has_no_links_to_this_machine(
        self, ninepic: Ninepic, sandbox: Start, wire: Callable[..., Wire], authority: Authority
    ) -> None:
        """A plain http link to this machine is not used, unless the service is on this machine as well."""
        box = sandbox(World.generate(photos=2, size=4000), tls=authority.context())
        box.presigner.origin = f"https://{STORE}:{box.store_url.rpartition(':')[2]}"
        here, proxy = wire(saying(OK)), wire(relaying())
        box.faults.append(elsewhere(here.url.replace("127.0.0.1", "localhost")))
        address = f"https://{API}:{box.base_url.rpartition(':')[2]}"
        result = ninepic(
            *("bib", "1234", "--json"),
            NINEPIC_BASE_URL=address,
            HTTPS_PROXY=proxy.url,
            SSL_CERT_FILE=str(authority.file),
        )
        assert (result.status, len(result.photos("downloaded"))) == (5, 1)
        assert [line["code"] for line in result.photos("failed")] == ["unusable_link"]
        assert here.connections == 0

    def test_redirects_only(self, ninepic: Ninepic, sandbox: Start) -> None:
        """A store that answers every request with a redirect has answered nothing usable, and is given up."""
        world = World.generate(photos=40, size=4000)
        box = sandbox(world, faults=[Fault(status=302, headers={"Location": "/"}, delay_s=0.1)])
        result = ninepic("bib", "1234", "--json", "-j", 1, "--give-up-after", 1)
        assert result.status == 6
        assert 5 < len(box.requests_to("store")) < 20

    def test_a_trickle_is_no_silence(self, ninepic: Ninepic, sandbox: Start) -> None:
        """A host that sends a photo for longer than it may be silent is not given up for failing another meanwhile."""
        world = World.generate(photos=2, size=60_000)
        slow, failing = world.photos
        faults = [Fault(path=slow, trickle_bps=25_000), Fault(path=failing, status=500, nth=range(1, 15))]
        box = sandbox(world, faults=faults)
        result = ninepic.after(QUICK)("bib", "1234", "-o", "out", "--retries", 30, "--give-up-after", 1)
        assert result.status == 0, result.err
        assert whole(world, ninepic.home / "out") == set(world.photos)
        assert max(request.ended - request.started for request in box.requests_to("store")) > 1.5


def test_a_code_that_may_be_a_secret(ninepic: Ninepic, sandbox: Start) -> None:
    """A code that is not put together of words, as S3's are, is not shown: it may repeat a part of the link."""
    world = World.generate(photos=4, size=4000)
    bodies = [f"<Error><Code>{code}</Code></Error>" for code in ("A" * 64, "4f1d" * 8, "dead" * 10, "AAAA" * 10)]
    sandbox(world, faults=[Fault(status=403, body=body, nth=nth) for nth, body in enumerate(bodies, 1)])
    result = ninepic("bib", "1234", "--json", "-v")
    assert (result.status, len(result.photos("failed"))) == (5, 4)
    assert not re.search("AAAA|4f1d4f1d|deaddead", result.out + result.err)


def test_a_limit_without_end(ninepic: Ninepic, sandbox: Start) -> None:
    """A rate that no network has costs no memory, and bothers no system call."""
    world = World.generate(photos=3, size=StoredPhoto("").size)
    sandbox(world)
    for rate in ("64G", "999999999T"):
        result = ninepic("bib", "1234", "-o", rate, "--limit-rate", rate)
        assert result.status == 0, result.err
        assert whole(world, ninepic.home / rate) == set(world.photos)
