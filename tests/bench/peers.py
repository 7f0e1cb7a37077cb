"""The tools: how each is told to fetch the photos, in a script, with 8 at once."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import service

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .photos import PhotoSet

AT_ONCE = 8

_CURL = "curl --fail --silent --show-error --parallel --parallel-max 8 --config {lists}/curl"
_CHECKED = "md5sum --check --quiet {lists}/md5s"
_ARIA2C = (
    "aria2c --quiet --input-file={lists}/aria2c{with} -j8 -x1 --ca-certificate=$SSL_CERT_FILE --file-allocation=none"
)

SHELL = {
    "curl": _CURL,
    "curl + md5sum": f"{_CURL} && {_CHECKED}",
    "curl + md5sum + sync": f"{_CURL} && {_CHECKED} && sync -f . && sync *",
    "aria2c": _ARIA2C.replace("{with}", ""),
    "aria2c + checksums": _ARIA2C.replace("{with}", "-md5"),
}
NINEPIC = "ninepic"
PYTHON = sys.executable


@dataclass(frozen=True)
class Tools:
    """What the tools are told.

    Attributes:
        lists: the folder with the peers' lists of links.
        environ: their environment, ninepic's settings included.
        ninepics: commands by name: this one, and others to compare it with.
    """

    lists: Path
    environ: Mapping[str, str]
    ninepics: Mapping[str, Path]

    def command(self, name: str) -> list[object]:
        """The command with which a tool fetches all photos into the working folder."""
        if name in SHELL:
            return ["sh", "-c", SHELL[name].format(lists=self.lists)]
        return [self.ninepics[name], "bib", service.BIB, "-j", AT_ONCE, "-o", ".", "--quiet"]


def own_command() -> Path:
    """The `ninepic` that is installed beside this Python."""
    return Path(sys.executable).with_name("ninepic")


def environment(home: Path, ca: Path) -> dict[str, str]:
    """An environment with nothing of this one but the PATH; the compiled modules of Python are kept in `home`."""
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "LC_ALL": "C.UTF-8",
        "SSL_CERT_FILE": str(ca),
        "CURL_CA_BUNDLE": str(ca),
        "PYTHONPYCACHEPREFIX": str(home / "pycache"),
        "NINEPIC_API_KEY": service.API_KEY,
        "NINEPIC_ORG_ID": str(service.ORG_ID),
        "NINEPIC_EVENT_ID": str(service.EVENT_ID),
    }


def write_lists(lists: Path, photos: PhotoSet, origin: str) -> None:
    """Write what the peers read, in a new folder: links, names and checksums."""
    lists.mkdir()
    rows = list(zip(service.urls(list(photos.md5s), origin), photos.md5s.items(), strict=True))
    _write(lists / "curl", [f'url = "{url}"\noutput = "{name}.jpg"' for url, (name, _) in rows])
    _write(lists / "md5s", [f"{md5}  {name}.jpg" for _, (name, md5) in rows])
    _write(lists / "aria2c", [f"{url}\n  out={name}.jpg" for url, (name, _) in rows])
    _write(lists / "aria2c-md5", [f"{url}\n  out={name}.jpg\n  checksum=md5={md5}" for url, (name, md5) in rows])


def _write(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))
