"""The target folder of a run: refused before a request, swept, shared, and gone."""

import os
import stat
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from ninepic_cli.filesystem.folder import Folder
from ninepic_cli.sandbox import Fault, World
from tests.support.clock import until
from tests.support.command import Helper, Ninepic, Start
from tests.support.partials import OTHER_PROCESS, WEEK_S, begin, partials

# The clock that files get their times from is a week on.
NEXT_WEEK = f"""
from ninepic_cli.filesystem.state_dir import StateDir
now_s = StateDir._clock_s
StateDir._clock_s = lambda state_dir: now_s(state_dir) + {WEEK_S + 60}
"""
KILLED_AT_THE_RENAME = "import os; os.replace = lambda *_, **__: os.kill(os.getpid(), 9)"


class TestCheck:
    """Whether photos can be written at all."""

    def test_a_file_costs_no_request(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """The command refuses a place that is a file or below one before it asks anything."""
        box = sandbox()
        (tmp_path / "file").write_text("here")
        for place in (tmp_path / "file", tmp_path / "file" / "below"):
            result = ninepic("bib", "1234", "-o", place)
            assert (result.status, box.requests) == (2, [])
            assert f"{tmp_path / 'file'} is not a directory" in result.err
        assert (tmp_path / "file").read_text() == "here"

    def test_a_folder_without_permission_costs_no_request(self, ninepic: Ninepic, sandbox: Start, shared: Path) -> None:
        """A folder that this user cannot write, or cannot see, is exit 7 before anything is asked."""
        box = sandbox()
        closed, hidden = shared / "closed", shared / "hidden"
        closed.mkdir(mode=0o555)
        hidden.mkdir(mode=0o700)
        for place in (closed, closed / "below", hidden / "below"):
            result = ninepic.as_another_user(shared)("bib", "1234", "-o", place)
            assert (result.status, box.requests) == (7, []), result.err
            assert "not writable" in result.err or "cannot be read" in result.err
            assert str(shared) in result.err
        assert list(closed.iterdir()) == []

    def test_a_folder_that_can_be_written_is_used(self, ninepic: Ninepic, sandbox: Start, shared: Path) -> None:
        """The user whom permissions bind can download where they allow it."""
        sandbox(World.generate(photos=2, size=4000))
        assert ninepic.as_another_user(shared)("bib", "1234", "-o", shared / "out").status == 0
        assert len(list((shared / "out").iterdir())) == 2


class TestPartials:
    """The folder of partials."""

    def test_the_command_sweeps(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """A run removes what is a week old, and the folder of partials with it, though it has nothing to fetch."""
        sandbox(World.generate(photos=1, size=4000))
        assert ninepic("bib", "1234", "-o", tmp_path).status == 0
        begin(Folder(tmp_path), tmp_path / "gone.jpg")
        assert ninepic.after(NEXT_WEEK)("bib", "1234", "-o", tmp_path).status == 0
        assert not (tmp_path / ".ninepic").exists()

    def test_killed_at_the_rename(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """A partial that has got the photo's own time, of long ago, is not taken for one that was long left alone."""
        box = sandbox(World.generate(photos=1, size=40_000))
        assert ninepic.after(KILLED_AT_THE_RENAME)("bib", "1234", "-o", tmp_path / "photos").status == -9
        (left,) = (tmp_path / "photos" / ".ninepic").glob("*.part")
        assert left.stat().st_mtime < time.time() - WEEK_S
        first = len(box.requests)
        assert ninepic("bib", "1234", "-o", tmp_path / "photos").status == 0
        assert [each.headers["range"] for each in box.requests[first:] if each.server == "store"] == ["bytes=39999-"]

    def test_the_lock_file_of_a_killed_run_goes(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """The lock file that a killed run left goes with the next, though that one has nothing to fetch."""
        sandbox(World.generate(photos=1, size=4000))
        assert ninepic("bib", "1234", "-o", tmp_path).status == 0
        with closing(Helper(OTHER_PROCESS, tmp_path)) as other:
            other("claim")
        assert [each.name for each in partials(tmp_path)] == ["lock"]
        assert ninepic("bib", "1234", "-o", tmp_path).status == 0
        assert not (tmp_path / ".ninepic").exists()


class TestRoot:
    """The folder itself."""

    @pytest.mark.parametrize("empty_as_404", [True, False])
    def test_it_is_not_made_when_nothing_is_found(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, empty_as_404: bool
    ) -> None:
        """A bib without photos leaves no folder behind."""
        sandbox(empty_as_404=empty_as_404)
        assert ninepic("bib", "no-such-bib", "-o", tmp_path / "out").status == 4
        assert not (tmp_path / "out").exists()

    def test_a_run_ends_when_its_folder_is_taken_away(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """A disk that is pulled out in the middle of a run ends it with exit 7, and nothing is written elsewhere."""
        world = World.generate(photos=40, size=4000)
        out = tmp_path / "out"
        out.mkdir()
        box = sandbox(world, faults=[Fault(delay_s=0.2)])
        process = ninepic.start("bib", "1234", "-o", out, "-j", "2")
        until(lambda: len(list(out.glob("*.jpg"))) >= 2)
        out.rename(tmp_path / "unplugged")
        _, err = process.communicate(timeout=60)
        assert process.returncode == 7, err
        assert not out.exists()
        assert len(box.requests_to("store")) < 20

    def test_two_runs_in_one_folder_are_safe(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """Two processes with the same bib in one folder both succeed, and every file is whole."""
        world = World.generate(photos=30, size=60_000)
        sandbox(world, store_rate=400_000)
        runs = [ninepic.start("bib", "1234", "-o", tmp_path / "out", "-j", "4") for _ in range(2)]
        ends = [(run.communicate(timeout=60)[1], run.returncode) for run in runs]
        assert [status for _, status in ends] == [0, 0], ends
        files = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
        assert files == {f"{each}.jpg": world.photo_bytes(each) for each in world.photos}

    def test_different_bibs_in_one_folder_are_safe(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """Processes with different bibs, one of which ends while the others go on, do not disturb each other."""
        world = World.generate(photos=30, size=60_000)
        sandbox(world, store_rate=400_000)
        runs = [ninepic.start("bib", bib, "-o", tmp_path / "out", "-j", "4") for bib in ("7", "12 B", "1234")]
        for run in runs:
            assert (run.communicate(timeout=60)[1].count("error"), run.returncode) == (0, 0)
        files = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
        assert files == {f"{each}.jpg": world.photo_bytes(each) for each in world.photos}


@pytest.mark.skipif(sys.platform != "linux", reason="the modes are those of Linux")
def test_photos_follow_the_umask(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """A photo's mode is what the user's umask leaves, as for any file the user makes."""
    sandbox(World.generate(photos=1, size=4000))
    before = os.umask(0o027)
    try:
        assert ninepic("bib", "1234", "-o", tmp_path / "out", "--name", "{identifier}/{filename}").status == 0
    finally:
        os.umask(before)
    (made,) = (tmp_path / "out").glob("*/*.jpg")
    assert (stat.S_IMODE(made.stat().st_mode), stat.S_IMODE(made.parent.stat().st_mode)) == (0o640, 0o750)
