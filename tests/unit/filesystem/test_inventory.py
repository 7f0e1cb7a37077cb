"""What a run remembers of its photos, and whether they are still there."""

import errno
import os
import tracemalloc
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from ninepic_cli.filesystem import inventory
from ninepic_cli.filesystem.inventory import Inventory
from ninepic_cli.models import Downloaded, Method, Photo, Skipped


def brought(root: Path, photos: int, folders: int) -> list[tuple[Photo, Downloaded]]:
    """Photos that a run has brought."""
    outcomes = []
    for number in range(photos):
        name = f"{number:08x}-2222-4333-8444-555566667777"
        folder = root / f"{number % folders:02x}" if folders else root
        saved = Downloaded(folder / f"{name}.jpg", 1, "0" * 32, 1, 0.0)
        assert str(saved.path)  # which is kept with the path
        outcomes.append((Photo(name, "", "", "456", Method.EVENT, number), saved))
    return outcomes


def noted(root: Path, outcomes: list[tuple[Photo, Downloaded]]) -> Inventory:
    """The inventory of a run that has brought these."""
    inventory = Inventory(root, Method.EVENT)
    for photo, saved in outcomes:
        inventory.add(photo, saved)
    return inventory


@pytest.mark.slow
@pytest.mark.parametrize("folders", [0, 256])
def test_many_cost_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folders: int) -> None:
    """Each folder is read once and no photo is looked at by itself; in all a photo costs less than 200 bytes."""
    photos, read = 50_000, []

    @contextmanager
    def scandir(folder: Path) -> Iterator[Iterator[SimpleNamespace]]:
        read.append(folder)
        first, step = (int(folder.name, 16), folders) if folders else (0, 1)
        names = (f"{number:08x}-2222-4333-8444-555566667777.jpg" for number in range(first, photos, step))
        names = (name for name in names if not name.startswith("00000123"))
        yield (SimpleNamespace(name=name, is_file=lambda **_: True) for name in names)

    looked: list[Path] = []

    def stat(path: Path, **_: object) -> None:
        looked.append(path)
        raise FileNotFoundError

    monkeypatch.setattr("os.scandir", scandir)
    monkeypatch.setattr("pathlib.Path.stat", stat)
    outcomes = brought(tmp_path, photos, folders)
    tracemalloc.start()
    try:
        gone = list(noted(tmp_path, outcomes).find_gone())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [each.photo.image_id[:8] for each in gone] == ["00000123"]
    assert (len(read), len(looked)) == (max(1, folders), 1)
    assert peak < photos * 200


def test_names_that_come_back_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that tells names in another form, or cannot be read, is no proof: the file itself is looked for."""
    there, away = tmp_path / "é.jpg", tmp_path / "x.jpg"
    there.touch()
    photo_list = Inventory(tmp_path, Method.BIB)
    photo_list.add(Photo("a", "", "", "7", Method.BIB, 1), Skipped(there, 1))
    photo_list.add(Photo("\ud800\n\0", "", "", "8", Method.BIB, 1), Downloaded(away, 1, "0" * 32, 1, 0.0))
    photo_list.add(Photo("x", "", "", "x", Method.BIB, 1), Skipped(away, 1))
    monkeypatch.setattr(inventory, "_names_in", lambda _: array("q"))
    gone = [
        (each.photo.image_id, each.photo.identifier, each.path, each.was_fetched) for each in photo_list.find_gone()
    ]
    assert gone == [("\ud800\n\0", "8", away, True), ("x", "x", away, False)]


def test_a_photo_that_cannot_be_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither a folder nor a file in it can be looked at, nothing says that the photo is gone."""

    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    photo_list = noted(tmp_path, brought(tmp_path, 3, 0))
    with monkeypatch.context() as patch:
        patch.setattr(inventory, "_names_in", lambda _: array("q"))
        patch.setattr(Path, "stat", refuse)
        found = list(photo_list.find_gone())
    assert found == []
    assert len(list(photo_list.find_gone())) == 3


def test_a_look_that_is_cut_short(tmp_path: Path) -> None:
    """A signal ends the look."""
    assert list(noted(tmp_path, brought(tmp_path, 5, 0)).find_gone(lambda: True)) == []
    assert len(list(noted(tmp_path, brought(tmp_path, 5, 0)).find_gone())) == 5


def test_more_folders_than_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Very many folders are looked through as well."""
    monkeypatch.setattr(inventory, "_MOST_FOLDERS", 3)
    photo_list = noted(tmp_path, brought(tmp_path, 40, 8))
    for number in range(0, 40, 2):
        folder = tmp_path / f"{number % 8:02x}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number:08x}-2222-4333-8444-555566667777.jpg").touch()
    assert [int(each.photo.image_id[:8], 16) for each in photo_list.find_gone()] == list(range(1, 40, 2))


@pytest.mark.parametrize(
    "name",
    [
        "8fad34bb-b0c1-4d09-9fbf-1b50cb0e4878.jpg",
        "00/IMG_1-8fad34bb-b0c1-4d09-9fbf-1b50cb0e4878-8fad34bb-b0c1-4d09-9fbf-1b50cb0e4878.jpg",
        "8FAD34BB-B0C1-4D09-9FBF-1B50CB0E4878.jpg",
        "00000000-0000-0000-0000-000000000000",
        "Läufer 7/x.jpg",
    ],
)
def test_any_name_is_told_as_it_was(tmp_path: Path, name: str) -> None:
    """Whatever a photo is called, it is looked for, and told, under its own name."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    photo, path = Photo("an id", "", "", "7", Method.BIB, 1), tmp_path / name
    photo_list = noted(tmp_path, [(photo, Downloaded(path, 1, "0" * 32, 1, 0.0))])
    path.touch()
    assert list(photo_list.find_gone()) == []
    path.unlink()
    assert [(each.path, each.photo.image_id) for each in photo_list.find_gone()] == [(path, "an id")]
