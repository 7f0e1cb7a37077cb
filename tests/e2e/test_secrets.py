"""What nobody may read: neither key nor link is written anywhere, whatever goes wrong and however much is told."""

import json
import re
import ssl
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli.sandbox import Fault, Sandbox, World
from tests.support.command import Ninepic, Process, Result, Start, output_of

PAGE = "<!DOCTYPE html><html><title>Wi-Fi login</title></html>"
EXPIRED = "<Error><Code>ExpiredRequest</Code><Message>The presigned URL has expired.</Message></Error>"
PHOTOS = "/original-photos"
PATIENCE = ("--retries", "1", "--timeout", "1", "--give-up-after", "60")
# The command, with an error in one of its parts whose words hold what they must not.
BROKEN = """
import importlib, os, sys
module, part, name = sys.argv.pop(1).split()
def fail(*_, **__):
    words = os.environ["NINEPIC_API_KEY"] + " " + os.environ["LINK"]
    try:
        raise ValueError(words)
    except ValueError as error:
        raise RuntimeError(words) from error
setattr(getattr(importlib.import_module(module), part), name, fail)
from ninepic_cli.__main__ import run
run()
"""


@dataclass
class Watch:
    """A sandbox whose every link is remembered, and the command that is run against it."""

    box: Sandbox
    ninepic: Ninepic
    tmp_path: Path
    issued: list[str] = field(default_factory=list)

    @property
    def secrets(self) -> set[str]:
        """What must not be found anywhere."""
        signatures = {found for link in self.issued for found in re.findall(r"X-Amz-Signature=(\w+)", link)}
        assert all(len(signature) == 64 for signature in signatures)
        return {self.box.world.api_key, "X-Amz-Signature", "X-Amz-Credential", "4f1d8c0b7e2a49f3a6d5c81e90b7f263"} | (
            signatures
        )

    @property
    def out(self) -> Path:
        """The target folder."""
        return self.tmp_path / "out"

    def run(self, *args: object, command: Iterable[str] = (), **environment: str) -> Result:
        """Run it with everything told, into files, and look for secrets wherever they might be."""
        self.ninepic.use({"NINEPIC_DEBUG": "1", **environment})
        words = [*args, "-o", self.out, "--failed-to", self.tmp_path / "left.txt", "-v", "--json"]
        with (self.tmp_path / "stdout").open("wb") as out, (self.tmp_path / "stderr").open("wb") as err:
            run = self.ninepic.by(*(command or self.ninepic.command))
            process = run.start(*words, cwd=self.tmp_path, stdout=out, stderr=err)
            arguments = self._arguments(process)
            process.wait(60)
        for secret in self.secrets:
            assert secret not in arguments
        self.look()
        return Result(
            process.returncode, (self.tmp_path / "stdout").read_text(), (self.tmp_path / "stderr").read_text()
        )

    def look(self) -> None:
        """See that no file, and no file's name, holds a secret."""
        for path in self.tmp_path.rglob("*"):
            data = path.read_bytes() if path.is_file() else b""
            for secret in self.secrets:
                assert secret not in str(path)
                assert secret.encode() not in data, f"{path.name}: {_around(data, secret.encode())}"

    def _arguments(self, process: Process) -> str:
        while not self.box.requests and process.poll() is None:
            time.sleep(0.01)
        place = Path(f"/proc/{process.pid}/cmdline")
        return place.read_text() if place.exists() else ""


def _around(data: bytes, secret: bytes) -> str:
    at = data.index(secret)
    return repr(data[max(0, at - 150) : at + 80])


@pytest.fixture
def watch(ninepic: Ninepic, sandbox: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Watch]:
    """Starts a sandbox and watches it."""

    def start(world: World | None = None, **options: Any) -> Watch:
        watched = Watch(sandbox(world or World.generate(photos=4, size=4000), **options), ninepic, tmp_path)
        made = watched.box.presigner.presign

        def link(key: str, life_s: float | None = None) -> str:
            watched.issued.append(made(key, life_s))
            return watched.issued[-1]

        monkeypatch.setattr(watched.box.presigner, "presign", link)
        return watched

    return start


STORE: dict[str, tuple[str, dict[str, Any]]] = {
    "refused": ("forbidden", {"status": 403}),
    "not there": ("not_found", {"status": 404}),
    "failing": ("http_500", {"status": 500}),
    "cut": ("connection", {"cut_after": 100}),
    "reset": ("connection", {"reset": True}),
    "a page": ("not_a_photo", {"status": 200, "body": PAGE, "headers": {"Content-Type": "text/html"}}),
    "empty": ("not_a_photo", {"status": 200, "body": b""}),
    "elsewhere": ("redirect", {"status": 302, "headers": {"Location": "https://elsewhere.test/?X-Amz-Signature=0"}}),
    "other bytes": ("checksum", {"body": b"\xff\xd8\xff" + b"x" * 3995 + b"\xff\xd9"}),
    "expired": ("link_expired", {"status": 403, "body": EXPIRED}),
    "compressed": ("not_a_photo", {"gzip": True}),
    "silent": ("timeout", {"silent": True}),
}
LINKS: dict[str, Callable[[str], str]] = {
    "plain": lambda link: re.sub(r"//[^/]*", "//store.example.test", link),
    "nonsense": lambda link: re.sub(r"http://[^/]*", "https://[::1", link),
    "with a space": lambda link: link.replace("?", " ?"),
    "without a host": lambda link: re.sub(r"http://[^/]*", "https://", link),
    "of another scheme": lambda link: link.replace("http:", "file:"),
}


def spoilt_links(ids: list[str]) -> Callable[[Any], None]:
    """A change of the API's answers: the links to these photos are spoilt, each in another way."""

    def spoil(payload: Any) -> None:
        for item in payload["data"]["presigned_urls"]:
            for image_id, change in zip(ids, LINKS.values(), strict=True):
                if image_id in item["url"]:
                    item["url"] = change(item["url"])

    return spoil


class TestStore:
    """What the store does wrong."""

    def test_every_failure_of_a_photo(self, watch: Callable[..., Watch]) -> None:
        """Whatever keeps a photo from being fetched, what is told about it holds no secret."""
        world = World.generate(photos=len(STORE) + len(LINKS) + 2, size=4000)
        ids = list(world.photos)
        spoilt = ids[len(STORE) : len(STORE) + len(LINKS)]
        faults = [Fault(path=each, **what) for each, (_, what) in zip(ids, STORE.values(), strict=False)]
        watched = watch(world, faults=[*faults, Fault("api", mutate=spoilt_links(spoilt))])
        result = watched.run("bib", "1234", *PATIENCE, "-j", 32)
        assert result.status == 5, result.err
        codes = {line["image_id"]: line["code"] for line in result.photos("failed") + result.photos("missing")}
        assert [codes.get(each) for each in ids] == [
            *(code for code, _ in STORE.values()),
            *["unusable_link"] * len(LINKS),
            *[None] * 2,
        ]
        assert list((watched.out / ".ninepic").iterdir())  # what was cut
        assert not any("x-api-key" in request.headers for request in watched.box.requests_to("store"))
        assert all(watched.box.world.api_key not in request.target for request in watched.box.requests)

    @pytest.mark.parametrize(
        ("fault", "status"),
        [
            ({"status": 500}, 6),
            ({"status": 429, "headers": {"Retry-After": "3600"}}, 6),
        ],
    )
    def test_a_store_that_is_given_up(self, watch: Callable[..., Watch], fault: dict[str, Any], status: int) -> None:
        """A store that answers nothing usable ends the run, without a word about the links that led there."""
        result = watch(faults=[Fault(**fault)]).run(
            "bib", "1234", "--retries", 9, "--timeout", 0.3, "--give-up-after", 1
        )
        assert (result.status, "error" in result.err) == (status, True), result.err

    def test_a_store_that_is_not_trusted(self, watch: Callable[..., Watch], untrusted: Sandbox) -> None:
        """A link to a store whose certificate is not trusted costs its photo, and is not shown."""
        watched = watch()

        def lead(payload: Any) -> None:
            for item in payload["data"]["presigned_urls"]:
                item["url"] = re.sub(r"http://[^/]*", untrusted.store_url, item["url"])

        watched.box.faults = [Fault("api", mutate=lead)]
        result = watched.run("bib", "1234", *PATIENCE)
        assert result.status == 5
        assert re.search(r"certificate of \S+ not trusted: ", result.err), result.err
        assert untrusted.requests == []

    @pytest.fixture
    def untrusted(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
        """A sandbox that speaks TLS, with a certificate that nobody knows."""
        folder = tmp_path_factory.mktemp("certificate")
        words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=x -keyout key -out cert"
        output_of(["openssl", *words.split()], cwd=folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert", folder / "key")
        with Sandbox(World.generate(photos=4, size=4000), tls=context) as box:
            yield box


def telling(watched: Watch, shape: str = "error") -> str:
    """An answer of the API whose message repeats the key and a link."""
    link = watched.box.link(next(iter(watched.box.world.photos)))
    return json.dumps({"responseType": shape, "message": f"no {watched.box.world.api_key} for {link}", "data": None})


def _broken_off(payload: Any) -> str:
    text = json.dumps(payload)
    return text[: len(text) * 2 // 3]


class TestApi:
    """What the API does wrong."""

    @pytest.mark.parametrize(("status", "exit_status"), [(401, 3), (403, 3), (405, 5), (500, 6), (None, 6)], ids=str)
    def test_answers_that_repeat_key_and_link(
        self, watch: Callable[..., Watch], status: int | None, exit_status: int
    ) -> None:
        """An error is told without the key and the link that its message repeats."""
        watched = watch()
        watched.box.faults = [Fault("api", PHOTOS, status=status, body=telling(watched))]
        result = watched.run("bib", "1234", *PATIENCE, "--retries", 0)
        assert result.status == exit_status, result.err
        assert status == 500 or "no ***" in result.err  # what can be told is told

    def test_rejections_that_repeat_key_and_link(self, watch: Callable[..., Watch]) -> None:
        """Requests that are rejected one by one are told without the key and the links that the messages repeat."""
        watched = watch()
        link = watched.box.link(next(iter(watched.box.world.photos)))

        def fail(payload: Any) -> None:
            words = f"Not in storage for {watched.box.world.api_key}: {link}"
            payload["data"]["failed_urls"] = [{"image_id": "gone", "error": words, "path": link}]

        watched.box.faults = [
            *(
                Fault("api", PHOTOS, nth=number, status=status, body=telling(watched))
                for number, status in enumerate((400, 404, 422), start=1)
            ),
            Fault("api", PHOTOS, nth=4, mutate=fail),
        ]
        result = watched.run("bib", "a", "b", "c", "7", *PATIENCE)
        assert result.status in {4, 5}, result.err
        assert [line["image_id"] for line in result.photos("missing")] == ["gone"]
        assert len(result.photos("downloaded")) == 1

    @pytest.mark.parametrize(
        "fault",
        [
            {"status": 200, "body": PAGE, "headers": {"Content-Type": "text/html"}},
            {"mutate": _broken_off},
            {"mutate": lambda payload: [payload]},
        ],
        ids=["a page", "broken off", "a list"],
    )
    def test_answers_that_are_none(self, watch: Callable[..., Watch], fault: dict[str, Any]) -> None:
        """An answer that makes no sense ends the run, and what it held is not shown."""
        result = watch(faults=[Fault("api", PHOTOS, **fault)]).run("bib", "1234", *PATIENCE)
        assert result.status == 6, result.err

    def test_a_redirect(self, watch: Callable[..., Watch]) -> None:
        """A redirect ends the run, and the key does not follow it."""
        with Sandbox(World.generate(photos=1, size=4000)) as other:
            target = f"{other.base_url}/?X-Amz-Signature=1"
            faults = [Fault("api", status=307, headers={"Location": target})]
            result = watch(faults=faults).run("bib", "1234", *PATIENCE)
            assert (result.status, "redirect" in result.err) == (6, True), result.err
            assert other.requests == []

    def test_an_event_that_does_not_exist(self, watch: Callable[..., Watch]) -> None:
        """A wrong event is told without the key."""
        result = watch().run("bib", "1234", "--event", "9999", *PATIENCE)
        assert (result.status, "event 9999 not found" in result.err) == (2, True), result.err


class TestBugs:
    """Errors that nobody foresaw."""

    @pytest.mark.parametrize(
        "place",
        [
            "ninepic_cli.download.transfer Transfer __call__",
            "ninepic_cli.api.photo_search PhotoSearch entries",
            "ninepic_cli.report.summary Report record",
            "ninepic_cli.filesystem.folder Folder check",
        ],
    )
    def test_an_error_that_holds_secrets(self, watch: Callable[..., Watch], place: str) -> None:
        """An error with key and link in its words, in any part, is told by its kind and place alone."""
        watched = watch()
        link = watched.box.link(next(iter(watched.box.world.photos)))
        command = [sys.executable, "-c", BROKEN, place]
        result = watched.run("bib", "1234", *PATIENCE, command=command, LINK=link)
        assert (result.status, "internal error: RuntimeError" in result.err) == (1, True), result.err
        assert "ValueError at" in result.err
        assert "in fail" in result.err
