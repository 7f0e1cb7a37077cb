"""`--report`: a CSV of every photo of a run, whatever became of it."""

import csv
import hashlib
import signal
import stat
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli.sandbox import Fault, World
from tests.support.clock import until
from tests.support.command import Ninepic, Start
from tests.support.files import files_in

HEADER = "image_id,identifier,status,path,bytes,md5,attempts,seconds,code,error"
SMALL = 4000


def rows_of(report: Path) -> list[dict[str, str]]:
    """The rows of a table, which has the header promised."""
    text = report.read_text(encoding="utf-8")
    assert text.splitlines()[0] == HEADER
    with report.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def column(report: Path, *names: str) -> list[tuple[str, ...]]:
    """Some columns of a table, in order of rows."""
    return [tuple(row[name] for name in names) for row in rows_of(report)]


def md5_of(data: bytes) -> str:
    """The MD5 in hexadecimal."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def as_cells(line: dict[str, Any]) -> dict[str, str]:
    """What a JSON line of a photo has in the columns of a table."""
    return {name: "" if line[name] is None else str(line[name]) for name in HEADER.split(",")}


def test_it_says_what_json_says(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """Each photo has a row with the values of its JSON line: fetched, failed and missing ones."""
    world = World.generate(photos=4, size=SMALL)
    ids = list(world.photos)
    world.photos[ids[2]].has_object = False
    sandbox(world, faults=[Fault(path=ids[1], status=403)])
    report = tmp_path / "report.csv"
    result = ninepic("bib", "1234", "-o", tmp_path / "out", "--report", report, "--json")
    assert result.status == 5, result.err
    lines = {line["image_id"]: as_cells(line) for line in result.json if line["type"] == "photo"}
    rows = {row["image_id"]: row for row in rows_of(report)}
    assert rows == lines
    assert {row["status"] for row in rows.values()} == {"downloaded", "failed", "missing"}
    assert rows[ids[0]]["md5"] == md5_of(world.photo_bytes(ids[0]))
    assert rows[ids[1]]["code"] == "forbidden"


@pytest.mark.parametrize("folders", [False, True])
def test_photos_that_are_there_have_their_md5(ninepic: Ninepic, sandbox: Start, tmp_path: Path, folders: bool) -> None:
    """A second run asks nothing of the store, and reads each file for its MD5, in JSON lines too."""
    world = World.generate(photos=3, size=SMALL)
    world.bibs["7"] = list(world.photos)
    box = sandbox(world)
    call = ("bib", "1234", "7", "-o", tmp_path / "out", *(["--folders"] if folders else []))
    assert ninepic(*call).status == 0
    del box.requests[:]
    plain = ninepic(*call, "--json")
    assert {line["md5"] for line in plain.photos("skipped")} == {None}
    report = tmp_path / "report.csv"
    result = ninepic(*call, "--report", report, "--json")
    assert (result.status, box.requests_to("store")) == (0, []), result.err
    wanted = sorted(md5_of(world.photo_bytes(each)) for each in world.photos for _ in ("1234", "7"))
    assert sorted(md5 for _, md5 in column(report, "status", "md5")) == wanted
    assert {status for status, _ in column(report, "status", "md5")} == {"skipped"}
    assert sorted(line["md5"] for line in result.photos("skipped")) == wanted


def test_each_file_is_read_once(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """A file that several runners share is read for its MD5 once, and never in the main thread."""
    world = World.generate(photos=3, size=SMALL)
    world.bibs["7"] = world.bibs["8"] = list(world.photos)
    sandbox(world)
    call = ("bib", "1234", "7", "8", "-o", tmp_path / "out")
    assert ninepic(*call).status == 0
    counting = ninepic.after(
        "import sys, threading, ninepic_cli.filesystem.folder as folder\n"
        "inner = folder.Folder.size_and_md5\n"
        "def counted(self, path):\n"
        "    print('read:', threading.current_thread() is threading.main_thread(), file=sys.stderr)\n"
        "    return inner(self, path)\n"
        "folder.Folder.size_and_md5 = counted\n"
    )
    result = counting(*call, "--report", tmp_path / "report.csv")
    assert result.status == 0
    assert [line for line in result.err.splitlines() if line.startswith("read:")] == ["read: False"] * 3
    assert len(rows_of(tmp_path / "report.csv")) == 9
    assert "read:" not in counting(*call).err


def test_formulas_stay_text(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """What a spreadsheet would take for a formula has an apostrophe before it; taking it away gives the value."""
    world = World.generate(photos=1, size=SMALL)
    (image_id,) = world.photos
    bibs = ["=1+1", "+49", "-12", "@x", "Zoë"]
    world.bibs = {bib: [image_id] for bib in bibs}
    sandbox(world)
    report = ninepic.home / "report.csv"
    result = ninepic("bib", "-o", "-out", "--report", report, "--", *bibs)
    assert result.status in {0, 4}, result.err
    cells = [cell for row in rows_of(report) for cell in row.values()]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))] == []
    assert {row["path"] for row in rows_of(report)} == {f"'-out/{image_id}.jpg"}
    shown = {row["identifier"].removeprefix("'") for row in rows_of(report)}
    assert {"=1+1", "+49", "-12", "@x"} <= shown


class TestEnds:
    """However a run ends, the table is whole; a usage error leaves the file alone."""

    def test_the_service_refuses_the_key(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """A run without any photo leaves the header; of `images` those that were asked for are not reached."""
        sandbox()
        report = tmp_path / "report.csv"
        assert ninepic("bib", "7", "--report", report, NINEPIC_API_KEY="9pk_wrong").status == 3
        assert rows_of(report) == []
        image_id = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
        assert ninepic("images", image_id, "--report", report, NINEPIC_API_KEY="9pk_wrong").status == 3
        assert column(report, "image_id", "status", "code") == [(image_id, "failed", "not_reached")]

    def test_a_signal(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """Photos that the run did not come to are in it, and nothing is left beside it."""
        world = World.generate(photos=20, size=SMALL)
        box = sandbox(world, faults=[Fault(nth=range(4, 99), silent=True)])
        report = tmp_path / "report.csv"
        process = ninepic.start("bib", "1234", "-j", 1, "-o", tmp_path / "out", "--report", report)
        until(lambda: len(box.requests_to("store")) >= 4)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert process.returncode == -signal.SIGINT
        statuses = column(report, "status", "code")
        assert statuses.count(("downloaded", "")) == 3
        assert statuses.count(("failed", "not_reached")) == 17
        assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "out", "report.csv"]

    def test_a_kill_leaves_nothing(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """A run that is killed leaves what was there before, and nothing beside it."""
        box = sandbox(World.generate(photos=20, size=SMALL), faults=[Fault(nth=range(4, 99), silent=True)])
        report = tmp_path / "files" / "report.csv"
        report.parent.mkdir()
        report.write_text("before\n")
        process = ninepic.start("bib", "1234", "-j", 1, "-o", tmp_path / "out", "--report", report)
        until(lambda: len(box.requests_to("store")) >= 4)
        process.kill()
        process.communicate(timeout=30)
        assert files_in(report.parent) == {"report.csv": b"before\n"}

    @pytest.mark.parametrize("call", ["bib 7 --event x", "bib 7 --existing maybe", "bib 1234 --report {0} --dry-run"])
    def test_it_is_left_alone(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, call: str) -> None:
        """By a usage error, and by a dry run."""
        sandbox()
        report = tmp_path / "report.csv"
        report.write_text("before\n")
        result = ninepic(*call.format(report).split(), *(() if "--report" in call else ("--report", report)))
        assert (result.status, report.read_text()) == (0 if "dry" in call else 2, "before\n"), result.err

    def test_its_mode_is_kept(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """It takes the place of a file with that file's mode, also behind a link."""
        sandbox(World.generate(photos=1, size=SMALL))
        report, link = tmp_path / "report.csv", tmp_path / "link"
        report.write_text("before\n")
        report.chmod(0o604)
        link.symlink_to(report)
        assert ninepic("bib", "1234", "-o", tmp_path / "out", "--report", link).status == 0
        assert (len(rows_of(report)), stat.S_IMODE(report.stat().st_mode), link.is_symlink()) == (1, 0o604, True)

    def test_a_photo_that_is_removed_has_one_row(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """One that somebody removes while the run goes on has failed."""
        world = World.generate(photos=5, size=SMALL)
        box = sandbox(world, faults=[Fault(nth=4, delay_s=1.5)])
        out, report = tmp_path / "out", tmp_path / "report.csv"
        process = ninepic.start("bib", "1234", "-j", 1, "-o", out, "--report", report)
        until(lambda: len(box.requests_to("store")) >= 4)
        gone = next(out.glob("*.jpg"))
        gone.unlink()
        assert process.result().status == 5
        assert len(rows_of(report)) == 5
        (row,) = [row for row in rows_of(report) if row["image_id"] == gone.stem]
        assert (row["status"], row["code"], row["bytes"], row["md5"]) == ("failed", "gone", "", "")

    def test_a_zip_that_is_not_kept(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """Photos in a ZIP that was not finished are none that anybody has."""
        box = sandbox(World.generate(photos=5, size=SMALL), faults=[Fault(nth=range(4, 99), silent=True)])
        report = tmp_path / "report.csv"
        process = ninepic.start("bib", "1234", "-j", 1, "--zip", tmp_path / "all.zip", "--report", report)
        until(lambda: len(box.requests_to("store")) >= 4)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        assert (
            sorted(column(report, "status", "code")) == [("failed", "not_kept")] * 3 + [("failed", "not_reached")] * 2
        )


class TestPlaces:
    """Where the file may be."""

    def test_no_room(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """Rows that cannot be written cost the table and status 7, not the photos."""
        world = World.generate(photos=5, size=SMALL)
        sandbox(world)
        report = tmp_path / "report.csv"
        broken = ninepic.after(
            "import errno, io\n"
            "import ninepic_cli.report.photo_table as table\n"
            "def add(self, cells):\n"
            "    raise OSError(errno.ENOSPC, 'No space left on device')\n"
            "table._Rows.add = add\n"
        )
        result = broken("bib", "1234", "-o", tmp_path / "out", "--report", report, "--json")
        assert (result.status, len(result.photos("downloaded"))) == (7, 5)
        assert f"cannot write {report}: no space left on device" in result.err
        assert not report.exists()

    def test_standard_output(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """A device takes the table as it is."""
        sandbox(World.generate(photos=1, size=SMALL))
        result = ninepic("bib", "1234", "-o", tmp_path / "out", "--report", "/dev/stdout")
        assert (result.status, result.out.splitlines()[0]) == (0, HEADER), result.err

    @pytest.mark.parametrize("name", ["nothing/report.csv", "."])
    def test_no_place_for_a_file(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, name: str) -> None:
        """A folder, or a file in none, is told before any request."""
        box = sandbox()
        result = ninepic("bib", "1234", "--report", tmp_path / name)
        assert (result.status, box.requests) == (2, []), result.err

    def test_a_photo_is_not_replaced(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """A file name taken for another cannot cost a photo: before the run, nor one that the run brings."""
        world = World.generate(photos=1, size=SMALL)
        box = sandbox(world)
        (image_id,) = world.photos
        photo, call = tmp_path / f"{image_id}.jpg", ("bib", "1234", "-o", tmp_path)
        for option in ("--report", "--checksums", "--failed-to"):
            result = ninepic(*call, option, photo)
            assert (result.status, photo.read_bytes()) == (7, world.photo_bytes(image_id)), result.err
            del box.requests[:]
            result = ninepic(*call, option, photo)
            assert (result.status, box.requests, "is a photo" in result.err) == (2, [], True), result.err
            assert photo.read_bytes() == world.photo_bytes(image_id)
            photo.unlink()

    @pytest.mark.parametrize(
        "options",
        [
            "--report x --checksums x",
            "--report x --failed-to ./x",
            "--checksums link --failed-to x",
            "--report x --zip x",
            "--from-file list --report list",
            "--from-file list --checksums list",
            "--from-file list --log-file list",
            "--report x --log-file x",
            "--failed-to x --log-file x",
            "--zip x --log-file x",
        ],
    )
    def test_one_file_for_two_options(self, ninepic: Ninepic, sandbox: Start, options: str) -> None:
        """One file cannot be written twice, nor the list that is read be written over."""
        box = sandbox()
        (ninepic.home / "link").symlink_to("x")
        (ninepic.home / "list").write_text("7\n")
        result = ninepic("bib", "1234", *options.split())
        assert (result.status, box.requests, "same file" in result.err) == (2, [], True), result.err
        assert (ninepic.home / "list").read_text() == "7\n"
