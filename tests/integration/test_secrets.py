"""What nobody may read: a key that cannot be is not shown, and nothing that holds one shows it."""

import io
import json
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from ninepic_cli.api.client import Api
from ninepic_cli.api.photo_search import PhotoSearch
from ninepic_cli.api.schema import Page, PhotoItem, Query
from ninepic_cli.cli.main import main
from ninepic_cli.config.file import ConfigFile
from ninepic_cli.config.settings import ConfigTarget, Settings, resolve
from ninepic_cli.download.transfer import Existing, Transfer
from ninepic_cli.filesystem.folder import Folder
from ninepic_cli.models import Link, Method, Photo
from ninepic_cli.net.client import Client
from ninepic_cli.net.retry import HostThrottles
from ninepic_cli.system.shutdown import CancelToken

KEY = "9pk_secret_of_somebody_else_7731"
BAD_KEYS = {
    "a line break inside": f"{KEY}\n{KEY}",
    "a space inside": f"{KEY} {KEY}",
    "a tab inside": f"{KEY}\t{KEY}",
    "a letter beyond ASCII": f"{KEY}é",
    "a quotation mark of print": f"\u201c{KEY}\u201d",
    "an invisible space": f"{KEY}\u200b",
    "a control character": f"{KEY}\x01",
    "bytes that are no text": f"{KEY}\udcff",
}


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """What was written, after a look for the key."""
    out, err = capsys.readouterr()
    assert "secret" not in out + err
    assert "Traceback" not in err
    assert out == ""
    assert len(err.splitlines()) <= 3
    return str(err)


@pytest.mark.parametrize("key", BAD_KEYS.values(), ids=BAD_KEYS)
class TestKeysThatCannotBe:
    """A key with something in it that no key has, as pasting leaves it."""

    @pytest.fixture(autouse=True)
    def nobody(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """A home without settings, and a service that is not there."""
        for name in [name for name in os.environ if name.startswith(("NINEPIC_", "XDG_"))]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("NINEPIC_BASE_URL", "http://127.0.0.1:9")
        monkeypatch.setenv("NINEPIC_ORG_ID", "1")
        monkeypatch.setenv("NINEPIC_EVENT_ID", "1")

    def test_from_the_environment(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], key: str
    ) -> None:
        """In the environment it is one clear line that names the variable."""
        monkeypatch.setenv("NINEPIC_API_KEY", key)
        assert main(["bib", "7"]) == 2
        assert "invalid api-key (from NINEPIC_API_KEY): contains a space, a line break or another character" in said(
            capsys
        )

    def test_from_the_settings_file(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str) -> None:
        """In the settings file it is one clear line that names file and line."""
        config = tmp_path / "mine.toml"
        text = f"org_id = 1\napi_key = {json.dumps(key, ensure_ascii=False)}\n"
        config.write_bytes(text.encode("utf-8", "surrogateescape"))
        config.chmod(0o600)
        assert main(["bib", "7", "--config", str(config)]) == 2
        assert "mine.toml:2" in said(capsys)

    def test_from_standard_input(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], key: str
    ) -> None:
        """Handed to the command that saves it, it is one clear line, and nothing is saved."""
        data = io.BytesIO(key.encode("utf-8", "surrogateescape"))
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(data))
        config = tmp_path / "mine.toml"
        assert main(["config", "set", "api-key", "--config", str(config)]) == 2
        assert "invalid api-key: contains a space, a line break or another character" in said(capsys)
        assert not config.exists()


@pytest.mark.parametrize(
    "text",
    [
        f"api_key = {KEY}",
        f'api_key = "{KEY}',
        f'api_key "{KEY}"',
        f"api_key: {KEY}",
        KEY,
        f'api_key = "{KEY}"\napi_key = "{KEY}2"',
        f'api_key = "{KEY}"\napi-key = "{KEY}2"',
        f'api_key = ["{KEY}"]',
        f'api_key = {{ key = "{KEY}" }}',
        f'api_key = "{KEY}\\q"',
        f'api_key = "{KEY}" "{KEY}"',
        f"'api_key = {KEY}",
        f'[profiles.acme]\napi_key = "{KEY} {KEY}"',
        f'[api_key]\nvalue = "{KEY}"',
    ],
)
def test_settings_that_are_broken_do_not_show_it(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    """A settings file that is broken around the key is told by file and line, without what stands there."""
    config = tmp_path / "mine.toml"
    config.write_text(f"{text}\n")
    config.chmod(0o600)
    assert main(["bib", "7", "--config", str(config)]) == 2
    assert "mine.toml:" in said(capsys)


@pytest.mark.parametrize(
    "address",
    [
        "http://api.example.test",
        "HTTP://api.example.test",
        "http://127.0.0.1.example.test",
        "http://localhost.example.test",
        f"https://user:{KEY}@api.example.test",
        f"https://api.example.test/?key={KEY}",
    ],
)
@pytest.mark.parametrize("place", ["variable", "file"])
def test_it_is_not_sent_where_others_can_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str, place: str
) -> None:
    """A service that is asked over plain http, or whose address holds a password, is refused before any request."""
    monkeypatch.setattr("socket.socket", None)
    for name in [name for name in os.environ if name.startswith("NINEPIC_")]:
        monkeypatch.delenv(name)
    config = tmp_path / "mine.toml"
    config.write_text(f'api_key = "{KEY}"\n' + (f'base_url = "{address}"\n' if place == "file" else ""))
    config.chmod(0o600)
    if place == "variable":
        monkeypatch.setenv("NINEPIC_BASE_URL", address)
    assert main(["bib", "7", "--config", str(config), "--org", "1", "-e", "1"]) == 2
    assert ("NINEPIC_BASE_URL" if place == "variable" else "mine.toml:2") in said(capsys)


def holders() -> Iterator[object]:
    """Everything in a run that holds a key or a link."""
    url = f"https://store.example.test/a.jpg?X-Amz-Expires=60&X-Amz-Signature={KEY}"
    link = Link(url)
    settings: Settings = resolve(
        {},
        environ={"NINEPIC_API_KEY": KEY, "NINEPIC_ORG_ID": "1", "NINEPIC_EVENT_ID": "2"},
        config={},
        target=ConfigTarget(Path()),
    )
    stop = CancelToken()
    hosts = HostThrottles(give_up_after_s=1, stop=stop)
    access = settings.require_credentials()
    entry = PhotoItem("a", "a.jpg", ".jpg", url)
    page = Page((entry,), 1, 1, has_next=False)
    with closing(Client(timeout_s=1, connections=1, headers={"X-API-Key": KEY}, environ={})) as client:
        api = Api(access, client=client, host=hosts.of(url), retries=0, stop=stop)
        listing = PhotoSearch(api)
        photo = Photo("a", "a.jpg", ".jpg", "7", Method.BIB, 1, links=_Links(link))
        folder = Folder(Path())
        transfer = Transfer(client=client, hosts=hosts, folder=folder, existing=Existing.SKIP, retries=0, stop=stop)
        query = Query(Method.BIB, "7")
        file = ConfigFile(Path("config.toml"), f'api_key = "{KEY}"\n')
        yield from (link, settings, access, entry, page, client, api, listing, photo, transfer, query, file, hosts)
        yield from (hosts.of(url), {"page": page, "settings": settings})


@dataclass(frozen=True)
class _Links:
    """Where a photo's link comes from."""

    link: Link

    def current(self, _: str, /) -> Link:
        """The link."""
        return self.link

    def fresh(self, _: str, /) -> Link:
        """The same again."""
        return self.link

    def renew(self, _: str, __: Link, /) -> Link:
        """The same again."""
        return self.link


def test_nothing_shows_what_it_holds() -> None:
    """The text of an object that holds a key or a link, as errors and debuggers print it, shows neither."""
    seen = []
    for holder in holders():
        seen.append(type(holder).__name__)
        for text in (repr(holder), str(holder), f"{holder}", ascii(holder)):
            assert "secret" not in text
            assert "X-Amz-" not in text
    assert len(seen) == 15
