"""Photos and other files on disk, as tests look at them."""

import os
from contextlib import suppress
from pathlib import Path

from ninepic_cli.sandbox import World


def files_in(folder: Path) -> dict[str, bytes]:
    """All files in a folder and below it, hidden ones too, by their paths from there, in order."""
    return _files(folder)


def photos_in(folder: Path) -> dict[str, bytes]:
    """The same without partials, also while a run goes on."""
    return _files(folder, without=".ninepic")


def _files(root: Path, *, without: str = "") -> dict[str, bytes]:
    found = {}
    for place, folders, names in os.walk(root):
        folders[:] = [each for each in folders if each != without]
        for path in (Path(place, name) for name in names):
            if path.is_file():
                found[str(path.relative_to(root))] = path.read_bytes()
    return dict(sorted(found.items()))


def names_in(folder: Path) -> list[str]:
    """The names of what stands in a folder, files and folders, hidden ones too, in order."""
    return sorted(path.name for path in folder.iterdir())


def partials_in(folder: Path) -> dict[str, int]:
    """The partials that hold something, and their sizes in bytes, also while a run goes on."""
    sizes = {}
    for path in (folder / ".ninepic").glob("*.[pt]*"):
        with suppress(FileNotFoundError):  # it is a photo now
            sizes[path.name] = path.stat().st_size
    return {name: size for name, size in sizes.items() if size}


def whole(world: World, folder: Path) -> set[str]:
    """The ids of the photos under final names, in the folder or below it; fails where one is not whole."""
    found = [path for path in folder.rglob("*.jpg") if ".ninepic" not in path.parts]
    assert [path for path in found if path.read_bytes() != world.photo_bytes(path.stem)] == []
    return {path.stem for path in found}
