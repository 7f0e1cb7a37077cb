"""A real S3 server for the tests (SeaweedFS), with a stand-in of the 9Pic API that hands out links to it.

Tests ask for the fixture `s3`; `conftest.py` imports it from here.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sysconfig
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.auth import S3SigV4QueryAuth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.credentials import Credentials  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]
from botocore.session import Session  # type: ignore[import-untyped]

from tests.support.s3_api import API_KEY, EVENT_ID, ORG_ID, Api, ApiServer
from tests.support.s3_relay import LOOPBACK, Relay

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "originals"
PART_SIZE = 5 * 1024 * 1024

_ROLES = ("master", "volume", "filer", "s3", "admin")
# The server listens on every port and on that port + 10000. Both stay below the range from which systems take the
# ports of outgoing connections, so that nothing slips in between the choice and the start.
_PORTS = range(11_000, 22_000)
_GRPC_OFFSET = 10_000
_STARTS = 5
_START_TIMEOUT_S = 60


# Where botocore looks for its settings (config file, environment, default, conversion): nowhere that is the user's.
_NO_AWS_SETTINGS = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


class ServerEndedError(Exception):
    """The server ended while starting, as it does when someone else has taken one of its ports."""


class S3Server:
    """A running SeaweedFS with one bucket; everything in it is thrown away at the end.

    Its credentials are its own, so that whoever answers to them is this server and no other one on the machine.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = _free_ports()
        self.port = self.ports["s3"]
        self.credentials = Credentials(secrets.token_hex(8), secrets.token_hex(16))
        self._log = folder / "log"
        self.client = self._client()
        self._process = self._started()
        try:
            self._await_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kills the server: nothing in it is worth the seconds that an orderly end takes."""
        self.client.close()
        self._process.kill()
        self._process.wait()
        # A killed server leaves its sockets behind; it names them after its ports.
        for role, port in self.ports.items():
            for name in (f"{role}-{port}", f"{role}-grpc-{port + _GRPC_OFFSET}"):
                Path(f"/tmp/seaweedfs-{name}.sock").unlink(missing_ok=True)  # noqa: S108 - the place is the server's choice

    def remove(self, keys: list[str]) -> None:
        """Deletes objects."""
        for start in range(0, len(keys), 1000):
            named = [{"Key": key} for key in keys[start : start + 1000]]
            self.client.delete_objects(Bucket=BUCKET, Delete={"Objects": named, "Quiet": True})

    def _started(self) -> subprocess.Popen[bytes]:
        identity = {
            "name": "tests",
            "credentials": [{"accessKey": self.credentials.access_key, "secretKey": self.credentials.secret_key}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        config = self.folder / "s3.json"
        config.write_text(json.dumps({"identities": [identity]}))
        with self._log.open("wb") as log:
            # The environment is not passed on: the server would take AWS_* variables for more identities.
            return subprocess.Popen(
                [*_leash(), *self._command(config)],
                cwd=self.folder,
                env={"HOME": str(self.folder), "PATH": "/usr/bin:/bin"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _command(self, config: Path) -> list[str]:
        weed = Path(sysconfig.get_path("scripts")) / "weed"
        return [
            f"{weed}",
            f"-logdir={self.folder}",
            "mini",
            f"-dir={self.folder}",
            f"-ip={LOOPBACK}",
            f"-ip.bind={LOOPBACK}",
            *(f"-{role}.port={port}" for role, port in self.ports.items()),
            f"-s3.config={config}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-webdav=false",
            "-admin.ui=false",
            "-master.telemetry=false",
        ]

    def _client(self) -> Any:
        return Session(_NO_AWS_SETTINGS).create_client(
            "s3",
            region_name="auto",
            endpoint_url=f"http://{LOOPBACK}:{self.port}",
            aws_access_key_id=self.credentials.access_key,
            aws_secret_access_key=self.credentials.secret_key,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                retries={"total_max_attempts": 1},
                connect_timeout=2,
                read_timeout=10,
                proxies={},
            ),
        )

    def _await_ready(self) -> None:
        """Waits for a first object to be stored, which makes the bucket as well."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        while self._process.poll() is None:
            with suppress(BotoCoreError, ClientError):
                self.client.put_object(Bucket=BUCKET, Key="ready", Body=b"ready")
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"the S3 server is not ready; the end of its log:\n{self._log_tail()}")
            time.sleep(0.03)
        raise ServerEndedError(f"the S3 server has ended while starting; the end of its log:\n{self._log_tail()}")

    def _log_tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])


class S3Service:
    """The API stand-in, the store and the relay between client and store, for one test.

    The lists and dicts are shared with `api`, so a test changes them in place at any time.

    Attributes:
        photos, bibs, searches, failed, api_requests: see `Api`.
        link_life_s: how long the links live that the API hands out from now on.
        tampered: image ids whose links carry a wrong signature.
        stale: image id to how many of its next links are already expired when they are handed out.
        relay: what every link leads through; `relay.exchanges` are the requests to the store.
    """

    def __init__(self, server: S3Server) -> None:
        self.server = server
        self.relay = Relay(LOOPBACK, server.port)
        self.api = Api(self._link)
        self._api_server = ApiServer(self.api)
        self.photos = self.api.photos
        self.bibs = self.api.bibs
        self.searches = self.api.searches
        self.failed = self.api.failed
        self.api_requests = self.api.requests
        self.link_life_s = 3600
        self.tampered: set[str] = set()
        self.stale: dict[str, int] = {}
        self._stored: set[str] = set()

    @property
    def base_url(self) -> str:
        """The API's base URL."""
        return f"http://{self._api_server.address}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point the command at this service."""
        return {
            "NINEPIC_API_KEY": API_KEY,
            "NINEPIC_ORG_ID": ORG_ID,
            "NINEPIC_EVENT_ID": EVENT_ID,
            "NINEPIC_BASE_URL": self.base_url,
        }

    def put(self, image_id: str, data: bytes, *, multipart: bool = False) -> str:
        """Stores a photo, or replaces it, makes it known to the API, and returns its ETag without the quotes.

        Args:
            image_id: the photo's id.
            data: its bytes.
            multipart: upload in two parts, the first one of `PART_SIZE`; the ETag then ends in `-2`.
        """
        self.photos.setdefault(image_id, f"{image_id}.jpg")
        self._stored.add(_key(image_id))
        where = {"Bucket": BUCKET, "Key": _key(image_id)}
        if multipart:
            answer = self._put_parts(where, data[:PART_SIZE], data[PART_SIZE:])
        else:
            answer = self.server.client.put_object(**where, Body=data, ContentType="image/jpeg")
        return str(answer["ETag"]).strip('"')

    def delete(self, image_id: str) -> None:
        """Deletes a photo from the store; the API goes on handing out links to it."""
        self.server.client.delete_object(Bucket=BUCKET, Key=_key(image_id))

    def presign(self, image_id: str, life_s: int | None = None, *, age_s: float = 0, method: str = "GET") -> str:
        """A link to a photo through the relay, signed `age_s` ago for a life of `life_s` from then."""
        url = f"http://{self.relay.address}/{BUCKET}/{_key(image_id)}"
        request = AWSRequest(method, url)
        life_s = self.link_life_s if life_s is None else life_s
        _PastSignature(self.server.credentials, life_s, age_s).add_auth(request)
        return str(request.url)

    def close(self) -> None:
        """Stops relay and API and empties the store."""
        try:
            self._api_server.close()
        finally:
            self.server.remove(sorted(self._stored))
            self.relay.close()

    def _put_parts(self, where: dict[str, str], *parts: bytes) -> Any:
        client = self.server.client
        where_parts = where | {"UploadId": client.create_multipart_upload(**where)["UploadId"]}
        done = [
            {"PartNumber": number, "ETag": client.upload_part(**where_parts, PartNumber=number, Body=part)["ETag"]}
            for number, part in enumerate(parts, 1)
        ]
        return client.complete_multipart_upload(**where_parts, MultipartUpload={"Parts": done})

    def _link(self, image_id: str) -> str:
        stale = self.stale.get(image_id, 0) > 0
        if stale:
            self.stale[image_id] -= 1
        link = self.presign(image_id, age_s=self.link_life_s + 60 if stale else 0)
        if image_id in self.tampered:
            return link[:-1] + ("0" if link[-1] != "0" else "1")
        return link


class _PastSignature(S3SigV4QueryAuth):  # type: ignore[misc]
    """botocore's presigning, with the clock set back."""

    def __init__(self, credentials: Credentials, life_s: int, age_s: float) -> None:
        super().__init__(credentials, "s3", "auto", expires=life_s)
        self._age_s = age_s

    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        signed_at = datetime.now(UTC) - timedelta(seconds=self._age_s)
        request.context["timestamp"] = signed_at.strftime("%Y%m%dT%H%M%SZ")
        super()._modify_request_before_signing(request)


def _key(image_id: str) -> str:
    return f"imgs/{EVENT_ID}/large/{image_id}.jpg"


def _leash() -> list[str]:
    """What lets the server die with the test process, even when that one is killed (util-linux only)."""
    return ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


def _free_ports() -> dict[str, int]:
    # Not the `random` module: test tools seed it alike in every worker.
    candidates = iter(lambda: secrets.choice(_PORTS), None)
    ports: dict[str, int] = {}
    for role in _ROLES:
        ports[role] = next(port for port in candidates if port not in ports.values() and _both_free(port))
    return ports


def _both_free(port: int) -> bool:
    return all(_is_free(number) for number in (port, port + _GRPC_OFFSET))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def started(folder: Path) -> S3Server:
    """Starts a server, with other ports if someone was faster."""
    for attempt in range(1, _STARTS):
        try:
            return S3Server(_made(folder / f"{attempt}"))
        except ServerEndedError:
            continue
    return S3Server(_made(folder / f"{_STARTS}"))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


_SERVER = pytest.StashKey[S3Server]()


@pytest.fixture(scope="session", name="s3_server")
def running_server(request: pytest.FixtureRequest) -> S3Server:
    """The S3 server of this test process, started when the first test needs it.

    It hangs on the configuration rather than on the fixture, so that there is one however often this is imported.
    """
    config = request.config
    if _SERVER not in config.stash:
        folder = tempfile.TemporaryDirectory(prefix="ninepic-s3-", ignore_cleanup_errors=True)
        config.add_cleanup(folder.cleanup)
        config.stash[_SERVER] = started(Path(folder.name))
        config.add_cleanup(config.stash[_SERVER].stop)
    return config.stash[_SERVER]


@pytest.fixture(name="s3")
def s3_service(s3_server: S3Server) -> Iterator[S3Service]:
    """An empty store behind a relay, and an API stand-in that knows no photo yet."""
    service = S3Service(s3_server)
    yield service
    service.close()
