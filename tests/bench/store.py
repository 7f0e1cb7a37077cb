"""The store: nginx on loopback, with TLS, that says each photo's MD5 as its ETag, as R2 and S3 do."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .process import LOOPBACK, ended

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .photos import PhotoSet

FOLDER = "/originals/imgs/456/large"

# nginx compares If-Match with an ETag of its own, before ours is added. So it is compared here, and those requests
# (only photos that are resumed make them) go on to a second server that does not see it.
_CONFIG = """
{user}
daemon off;
worker_processes auto;
pid {home}/nginx.pid;
error_log {home}/error.log;
events {{ worker_connections 1024; }}
http {{
    client_body_temp_path {home}/tmp;
    proxy_temp_path {home}/tmp;
    fastcgi_temp_path {home}/tmp;
    uwsgi_temp_path {home}/tmp;
    scgi_temp_path {home}/tmp;
    access_log off;
    types {{ image/jpeg jpg; }}
    root {home}/root;
    etag off;
    keepalive_requests 1000000;
    map_hash_max_size 65536;
    map_hash_bucket_size 256;
    map $uri $md5 {{ include {home}/md5s; }}
    map "$http_if_match $md5" $is_matched {{ "~^(.+) \\1$" yes; }}
    add_header ETag $md5;
    server {{
        listen {host}:{port} ssl backlog=1024;
        ssl_certificate {home}/leaf.pem;
        ssl_certificate_key {home}/leaf.key;
        ssl_protocols TLSv1.2 TLSv1.3;
        error_page 418 = @if_match;
        if ($http_if_match) {{ return 418; }}
        location @if_match {{
            if ($is_matched = "") {{ return 412; }}
            proxy_set_header If-Match "";
            proxy_pass http://unix:{home}/inner.sock;
        }}
    }}
    server {{ listen unix:{home}/inner.sock; }}
}}
"""
_CERTIFICATES = """
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=Benchmark CA" \
    -keyout ca.key -out ca.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout leaf.key -out leaf.csr
printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\\nbasicConstraints=CA:FALSE\\n' >leaf.ext
openssl x509 -req -days 2 -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile leaf.ext -out leaf.pem
"""


def make_certificates(home: Path) -> Path:
    """A certificate authority (`ca.pem`, which is returned) and a certificate for this machine, in a new folder."""
    home.mkdir()
    subprocess.run(["sh", "-ec", _CERTIFICATES], cwd=home, check=True, capture_output=True)
    return home / "ca.pem"


@contextmanager
def store(home: Path, certificates: Path, photos: PhotoSet) -> Iterator[int]:
    """Serve photos from `https://127.0.0.1:<port>/<FOLDER>/`; everything of it lies in a new folder; the port."""
    port = _free_port()
    _furnish(home, certificates, photos, port)
    process = subprocess.Popen(["nginx", "-p", home, "-c", home / "nginx.conf"], start_new_session=True)
    try:
        _wait_until_open(process, port)
        yield port
    finally:
        process.terminate()
        ended(process)


def _furnish(home: Path, certificates: Path, photos: PhotoSet, port: int) -> None:
    home.mkdir()
    (home / "tmp").mkdir()
    for name in ("leaf.pem", "leaf.key"):
        (home / name).symlink_to(certificates / name)
    served = home / f"root{FOLDER}"
    served.parent.mkdir(parents=True)
    served.symlink_to(photos.folder)
    lines = [f"{FOLDER}/{image_id}.jpg '\"{md5}\"';" for image_id, md5 in photos.md5s.items()]
    (home / "md5s").write_text("\n".join(lines))
    user = "user root;" if os.geteuid() == 0 else ""  # the photos are for nobody else to read
    (home / "nginx.conf").write_text(_CONFIG.format(home=home, host=LOOPBACK, port=port, user=user))


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind((LOOPBACK, 0))
        return int(sock.getsockname()[1])


def _wait_until_open(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(200):
        with socket.socket() as sock:
            if sock.connect_ex((LOOPBACK, port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise RuntimeError("nginx did not start")
