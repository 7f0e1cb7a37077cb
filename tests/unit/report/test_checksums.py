"""The lines of `--checksums`."""

from pathlib import Path

import pytest

from ninepic_cli.errors import MachineError, PhotoError, UsageError
from ninepic_cli.models import Downloaded, Failed, Method, Photo
from ninepic_cli.report.checksums import Checksums
from ninepic_cli.updates import PhotoFinished, PhotoRemoved

OLD, NEW = "0" * 32, "1" * 32
PHOTO = Photo("x", "", ".jpg", "7", Method.BIB, 1)


def after(root: Path, text: str, *updates: PhotoFinished | PhotoRemoved) -> list[str]:
    """The lines of the file `sums` in a folder, once a run has written to it."""
    file = root / "sums"
    file.write_text(text)
    sums = Checksums(file, root)
    for update in updates:
        sums.record(update)
    sums.write()
    return file.read_text().splitlines()


def fetched(path: Path) -> PhotoFinished:
    """A photo that has been fetched."""
    return PhotoFinished(PHOTO, Downloaded(path, 5, NEW, 1, 0.1))


@pytest.mark.parametrize(
    "line",
    [
        f"{OLD}  a.jpg",
        f"{OLD} *a.jpg",
        f"{OLD.upper()}  ./a.jpg",
        f"MD5 (a.jpg) = {OLD}",
        f"{OLD}  x/../a.jpg",
    ],
)
def test_every_form_of_a_line(tmp_path: Path, line: str) -> None:
    """A line stays as it is, or is replaced by the photo's own."""
    assert after(tmp_path, f"{line}\n") == [line]
    assert after(tmp_path, f"{line}\n\n", fetched(tmp_path / "a.jpg")) == [f"{NEW}  a.jpg"]


def test_escaped_lines(tmp_path: Path) -> None:
    """Escaped names are those of the files, in order of these."""
    line = f"\\{OLD}  a\\\\b\\nc.jpg"
    assert after(tmp_path, f"{line}\n", fetched(tmp_path / "a\\b\nc.jpg")) == [f"\\{NEW}  a\\\\b\\nc.jpg"]
    assert after(tmp_path, f"{line}\n", fetched(tmp_path / "0.jpg")) == [f"{NEW}  0.jpg", line]


def test_the_last_counts(tmp_path: Path) -> None:
    """A photo that came and went has no line, one that came again has one."""
    path = tmp_path / "a.jpg"
    removed = PhotoRemoved(PHOTO, path, was_fetched=True)
    assert after(tmp_path, "", fetched(path), removed) == []
    assert after(tmp_path, f"{OLD}  a.jpg\n", removed, fetched(path)) == [f"{NEW}  a.jpg"]
    assert after(tmp_path, f"{OLD}  a.jpg\n", PhotoFinished(PHOTO, Failed(PhotoError("no"), path))) == []
    path.touch()
    assert after(tmp_path, f"{OLD}  a.jpg\n", PhotoFinished(PHOTO, Failed(PhotoError("no"), path))) != []
    assert after(tmp_path, f"{OLD}  a.jpg\n", PhotoFinished(PHOTO, Failed(PhotoError("no")))) != []


def test_a_file_that_becomes_something_else(tmp_path: Path) -> None:
    """What somebody writes to the file during the run is not lost."""
    file = tmp_path / "sums"
    sums = Checksums(file, tmp_path)
    sums.record(fetched(tmp_path / "a.jpg"))
    file.write_text("dear diary\n")
    with pytest.raises(MachineError, match="line 1"):
        sums.write()
    assert file.read_text() == "dear diary\n"
    with pytest.raises(UsageError, match="line 1"):
        Checksums(file, tmp_path)


def test_very_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are sorted, and the last of a photo counts, also where they do not all fit into memory at once."""
    monkeypatch.setattr("ninepic_cli.report.checksums._BATCH", 7)
    names = [f"{number * 37 % 100:02}.jpg" for number in range(100)]
    text = "# first\n" + "".join(f"{OLD}  {name}\n" for name in names)
    removed = PhotoRemoved(PHOTO, tmp_path / "50.jpg", was_fetched=True)
    lines = after(tmp_path, text, *(fetched(tmp_path / name) for name in names[:60]), removed)
    md5s = {name: NEW if name in names[:60] else OLD for name in sorted(names) if name != "50.jpg"}
    assert lines == ["# first", *(f"{md5}  {name}" for name, md5 in md5s.items())]


def test_lines_that_came_meanwhile(tmp_path: Path) -> None:
    """Those that another run has written in the meantime are kept."""
    file = tmp_path / "sums"
    sums = Checksums(file, tmp_path)
    sums.record(fetched(tmp_path / "a.jpg"))
    file.write_text(f"{OLD}  b.jpg\n")
    sums.write()
    assert file.read_text().splitlines() == [f"{NEW}  a.jpg", f"{OLD}  b.jpg"]
