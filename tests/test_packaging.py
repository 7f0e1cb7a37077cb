"""What people install: the source archive, and the wheel that is built from it."""

import shutil
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from ninepic_cli import generate
from ninepic_cli.cli import completion
from tests.support.command import output_of

VERSION = "98.7.6"
PLACES = {
    completion.FILES["bash"]: "share/bash-completion/completions/ninepic",
    completion.FILES["zsh"]: "share/zsh/site-functions/_ninepic",
    completion.FILES["fish"]: "share/fish/vendor_completions.d/ninepic.fish",
}


def build(kind: str, sources: Path, place: Path) -> Path:
    """The archive of a kind, built from some sources."""
    pytest.importorskip("hatchling")
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(place)]
    output_of(command, cwd=sources)
    (archive,) = place.iterdir()
    return archive


def plain_files(folder: Path) -> set[str]:
    """The files below a folder, but for caches."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of the repository with another version, one more man page, and what work leaves behind."""
    copy = tmp_path / "copy"
    unwanted = shutil.ignore_patterns(
        ".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "dist", "build", "PKG-INFO"
    )
    shutil.copytree(generate.ROOT, copy, ignore=unwanted)
    (copy / "ninepic_cli/__init__.py").write_text(f'"""Another version."""\n\n__version__ = "{VERSION}"\n')
    (copy / "man").mkdir(exist_ok=True)
    (copy / "man/ninepic-more.1").write_text('.\\" one more page\n')
    for cache in ("ninepic_cli/__pycache__", "tests/__pycache__", ".pytest_cache"):
        (copy / cache).mkdir()
        (copy / cache / "left.pyc").touch()
    return copy


@pytest.fixture
def unpacked(sources: Path, tmp_path: Path) -> Path:
    """What the source archive of those sources unpacks to."""
    with tarfile.open(build("sdist", sources, tmp_path / "sdist")) as archive:
        # Not every Python has the filters; those that have them warn where none is named.
        options: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(tmp_path / "unpacked", **options)  # noqa: S202 (what was built here)
    return tmp_path / "unpacked" / f"ninepic_cli-{VERSION}"


def generated() -> Iterator[tuple[str, str, bytes]]:
    """Each generated file that is installed: its path in the sources, its place below the prefix, what it holds."""
    yield "man/ninepic-more.1", "share/man/man1/ninepic-more.1", b'.\\" one more page\n'
    for name, text in generate.files().items():
        if name.startswith("man/"):
            yield name, f"share/man/man1/{Path(name).name}", text.encode()
        elif name in PLACES:
            yield name, PLACES[name], text.encode()


def test_the_archives_hold_what_belongs_in_them(sources: Path, unpacked: Path, tmp_path: Path) -> None:
    """The sources come whole, and a wheel built from them has the package, pages and completions, and nothing else."""
    parts = {"ninepic_cli", "tests", "completions", "man", "docs"}
    wanted = {name for name in plain_files(sources) if name.split("/")[0] in parts}
    assert plain_files(unpacked) == wanted | {
        "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md",
        "LICENSE", "pyproject.toml", "PKG-INFO", ".gitignore", "Dockerfile", ".dockerignore"
    }  # fmt: skip
    assert not list(unpacked.rglob("__pycache__"))
    with ZipFile(build("wheel", unpacked, tmp_path / "wheel")) as wheel:
        data, about = f"ninepic_cli-{VERSION}.data/data", f"ninepic_cli-{VERSION}.dist-info"
        installed = {f"{data}/{place}": content for _name, place, content in generated()}
        package = {name for name in plain_files(sources) if name.startswith("ninepic_cli/")}
        described = {
            f"{about}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")
        }
        assert set(wheel.namelist()) == package | set(installed) | described
        assert {name: wheel.read(name) for name in installed} == installed
        assert "ninepic_cli/py.typed" in package


def test_the_wheel_describes_itself(sources: Path, tmp_path: Path) -> None:
    """Pure Python for any platform, one command, the licence, and the version that the package has."""
    archive = build("wheel", sources, tmp_path / "wheel")
    assert archive.name == f"ninepic_cli-{VERSION}-py3-none-any.whl"
    with ZipFile(archive) as wheel:
        about = f"ninepic_cli-{VERSION}.dist-info"
        assert "Root-Is-Purelib: true" in wheel.read(f"{about}/WHEEL").decode().splitlines()
        entry_points = wheel.read(f"{about}/entry_points.txt").decode().split("\n")
        assert entry_points[:2] == ["[console_scripts]", "ninepic = ninepic_cli.__main__:run"]
        assert wheel.read(f"{about}/licenses/LICENSE") == (sources / "LICENSE").read_bytes()
        described = wheel.read(f"{about}/METADATA").decode().splitlines()
        assert {"License-Expression: MIT", f"Version: {VERSION}", "Requires-Python: >=3.11"} <= set(described)
