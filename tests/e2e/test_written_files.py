"""Files that the command writes besides photos: where no other can take their place, and where none can be."""

import shutil
import signal
import stat
from pathlib import Path
from zipfile import ZipFile

import pytest

from ninepic_cli.sandbox import Fault, World
from tests.support.clock import until
from tests.support.command import Ninepic, Result, Start, another_user, completed
from tests.support.system_calls import compiled

SMALL = 4000
OLD = "what was there before\n" * 100

BUSY = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int rename(const char *from, const char *to) {
    const char *end = getenv("NO_OTHER");
    size_t all = strlen(to), part = end ? strlen(end) : 0;
    if (part && all >= part && !strcmp(to + all - part, end)) {
        errno = atoi(getenv("NO_OTHER_BECAUSE"));
        return -1;
    }
    return ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename"))(from, to);
}
"""
FLUSHING = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static void note(const char *what, const char *name) {
    int file = open(getenv("NOTES"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dprintf(file, "%s %s\\n", what, name);
    close(file);
}
int fsync(int descriptor) {
    char link[64], name[4096] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    if (readlink(link, name, sizeof name - 1) > 0 && strstr(name, ".zip")) {
        note("fsync", "begins");
        while (access(getenv("GO"), F_OK)) usleep(5000);
        note("fsync", "ends");
    }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(descriptor);
}
int rename(const char *from, const char *to) {
    if (strstr(to, "all.zip")) note("rename", "begins");
    return ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename"))(from, to);
}
"""


def mounted(ninepic: Ninepic, source: Path, target: Path, *, writable: bool = True) -> Ninepic:
    """The command where one file is mounted over another; skips the test where nothing can be mounted."""
    script = 'mount --bind "$0" "$1" || exit 99\n'
    if not writable:
        script += 'mount -o remount,bind,ro "$1" || exit 99\n'
    script += 'shift; exec "$@"'
    words = ["unshare", "--mount", "sh", "-c", script, str(source), str(target)]
    if not shutil.which("unshare") or completed([*words, "true"]).status:
        pytest.skip("needs root, and mounts")
    return ninepic.by(*words, *ninepic.command)


def refused(result: Result, words: str, *statuses: int) -> bool:
    """Whether it was told in the words wanted, with the status wanted, and not as a fault of this program."""
    is_clear = words in result.err and "internal error" not in result.err and "Traceback" not in result.err
    return is_clear and result.status in statuses


@pytest.fixture(params=["mount", "EBUSY", "EXDEV"])
def fixed(request: pytest.FixtureRequest, ninepic: Ninepic, tmp_path: Path) -> tuple[Ninepic, Path, Path]:
    """The command, a file whose place no other can take, and where its bytes are to be seen."""
    place = tmp_path / "place" / "a fixed file"
    place.parent.mkdir()
    place.write_text(OLD)
    place.chmod(0o640)
    if request.param == "mount":
        source = tmp_path / "source"
        source.write_text(OLD)
        source.chmod(0o640)
        return mounted(ninepic, source, place), place, source
    number = {"EBUSY": 16, "EXDEV": 18}[request.param]
    ninepic.use({**compiled(tmp_path, BUSY), "NO_OTHER": place.name, "NO_OTHER_BECAUSE": str(number)})
    return ninepic, place, place


class TestFixed:
    """A file whose place no other can take, as containers have them, is written over."""

    def test_leftovers(self, fixed: tuple[Ninepic, Path, Path], sandbox: Start, tmp_path: Path) -> None:
        """`--failed-to` is written into it, its mode kept, and nothing else is left in its folder."""
        ninepic, place, seen = fixed
        world = World.generate(photos=3, size=SMALL)
        ids = list(world.photos)
        sandbox(world, faults=[Fault(path=ids[1], status=403)])
        result = ninepic("images", *ids, "-o", tmp_path / "out", "--failed-to", place)
        assert (result.status, seen.read_text()) == (5, f"{ids[1]}\n"), result.err
        assert (stat.S_IMODE(seen.stat().st_mode), list(place.parent.iterdir())) == (0o640, [place])

    def test_a_zip(self, fixed: tuple[Ninepic, Path, Path], sandbox: Start) -> None:
        """So is a ZIP, once it is whole."""
        ninepic, place, seen = fixed
        sandbox(World.generate(photos=3, size=SMALL))
        result = ninepic("bib", "1234", "--zip", place)
        assert result.status == 0, result.err
        with ZipFile(seen) as archive:
            assert (archive.testzip(), len(archive.namelist())) == (None, 3)
        assert (stat.S_IMODE(seen.stat().st_mode), list(place.parent.iterdir())) == (0o640, [place])

    def test_settings(self, fixed: tuple[Ninepic, Path, Path]) -> None:
        """So are the settings, which are their owner's alone afterwards."""
        ninepic, place, seen = fixed
        seen.write_text("# mine\n" * 50)
        for number in (7, 8):
            result = ninepic("config", "set", "event-id", number, "--config", place)
            assert result.status == 0, result.err
        assert seen.read_text() == "# mine\n" * 50 + "event_id = 8\n"
        assert (stat.S_IMODE(seen.stat().st_mode), list(place.parent.iterdir())) == (0o600, [place])


@pytest.mark.parametrize("option", ["--failed-to", "--zip"])
def test_a_mount_that_is_read_only_costs_no_request(
    ninepic: Ninepic, sandbox: Start, tmp_path: Path, option: str
) -> None:
    """A file that can be neither replaced nor written over is told before anything is asked."""
    box = sandbox()
    for name in ("source", "place"):
        (tmp_path / name).write_text(OLD)
    bound = mounted(ninepic, tmp_path / "source", tmp_path / "place", writable=False)
    result = bound("bib", "1234", option, tmp_path / "place")
    assert refused(result, f"cannot write {tmp_path / 'place'}: ", 7), result.err
    assert "not writable" in result.err
    assert (box.requests, (tmp_path / "source").read_text()) == ([], OLD)


class TestOnlyTheFile:
    """A file that may be written, in a folder that may not."""

    @pytest.fixture
    def place(self, ninepic: Ninepic, shared: Path) -> Path:
        """Such a file; the command is another user's."""
        ninepic.command, ninepic.home = another_user(ninepic.command), shared
        ninepic.use({"HOME": str(shared)})
        shared.chmod(0o755)
        place = shared / "file"
        place.write_text("before\n")
        place.chmod(0o666)
        return place

    def test_it_is_written_over(self, ninepic: Ninepic, sandbox: Start, place: Path) -> None:
        """The list and the ZIP go into the file itself."""
        sandbox(World.generate(photos=2, size=SMALL))
        result = ninepic("bib", "1234", "7", "--failed-to", place, "--dry-run")
        assert (result.status, place.read_text()) == (0, "before\n"), result.err
        result = ninepic("bib", "1234", "7", "--failed-to", place, NINEPIC_API_KEY="")
        assert (result.status, place.read_text()) == (3, "1234\n7\n"), result.err
        result = ninepic("bib", "1234", "--zip", place)
        assert result.status == 0, result.err
        with ZipFile(place) as archive:
            assert len(archive.namelist()) == 2

    def test_no_room_leaves_it_as_it_was(self, ninepic: Ninepic, sandbox: Start, place: Path) -> None:
        """Where there is no room for all of it, nothing of it is written."""
        if not shutil.which("prlimit"):
            pytest.skip("needs prlimit")
        sandbox()
        limited = ninepic.by("prlimit", "--fsize=1000", *ninepic.command)
        bibs = [f"bib-{number}" for number in range(400)]
        result = limited("bib", *bibs, "--failed-to", place, NINEPIC_API_KEY="")
        assert refused(result, "cannot write ", 7), result.err
        assert place.read_text() == "before\n"


class TestUnreachable:
    """Paths that cannot even be looked at are told as such, before anything is asked."""

    @pytest.mark.parametrize(
        ("option", "rest"), [("--failed-to", ()), ("--zip", ()), ("-o", ()), ("-o", ("--dry-run",)), ("--config", ())]
    )
    @pytest.mark.parametrize("below", ["", "more/levels/"])
    def test_a_folder_that_may_not_be_entered(
        self, ninepic: Ninepic, sandbox: Start, shared: Path, option: str, rest: tuple[str, ...], below: str
    ) -> None:
        """One that this user may not enter is named, and it is this machine's matter."""
        box = sandbox()
        other = ninepic.as_another_user(shared)
        closed = shared / "closed"
        (closed / "more").mkdir(parents=True)
        closed.chmod(0o700)
        result = other("bib", "1234", option, closed / below / "x", *rest)
        assert refused(result, str(closed), 7, *([2] if option == "--config" else [])), result.err
        if not rest:
            assert "ermission denied" in result.err or "not writable" in result.err
            assert box.requests == []

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "path",
        [
            "n" * 300,
            "loop/x",
            *(pytest.param(path, marks=pytest.mark.slow) for path in (f"{'n' * 300}/x", "loop")),
        ],
    )
    @pytest.mark.parametrize(
        "call",
        [
            "bib 7 --failed-to PATH",
            "bib 7 --zip PATH",
            "bib 7 --zip PATH/{identifier}.zip",
            "bib 7 -o PATH",
            "bib 7 -o PATH --dry-run",
            "bib --from-file PATH",
            "bib 7 --config PATH",
            "config set jobs 3 --config PATH",
            "config list --config PATH",
            "demo -o PATH",
            "sandbox --faults PATH",
            "sandbox --log PATH/x",
        ],
    )
    def test_names_that_the_system_refuses(self, ninepic: Ninepic, sandbox: Start, call: str, path: str) -> None:
        """A name that is too long, or a link that leads to itself, is told in a sentence."""
        sandbox(World.generate(photos=1, size=SMALL))
        (ninepic.home / "loop").symlink_to("loop")
        result = ninepic(*(word.replace("PATH", path) for word in call.split()))
        if result.status != 0:
            assert refused(result, path[:20], 2, 7), result.err
        else:
            assert "--dry-run" in call or call.startswith("config list"), result.err

    @pytest.mark.parametrize("ending", ["txt", "jpg"])
    def test_a_long_word_is_a_word(self, ninepic: Ninepic, sandbox: Start, ending: str) -> None:
        """A bib that ends as files do, and is too long for one, is asked for like any other."""
        sandbox()
        assert ninepic("bib", f"{'n' * 300}.{ending}").status == 4

    @pytest.mark.parametrize(
        "call",
        [
            "bib 1234",
            "bib 1234 -o . --dry-run",
            "bib 1234 -o photos --json",
            "bib 1234 --zip photos.zip",
            "bib 1234 --zip zips/{identifier}.zip",
            "bib 1234 -o /tmp --failed-to left.txt",
            "bib --from-file list.txt",
            "demo",
            "config --profile x set jobs 3 --config new.toml",
        ],
    )
    def test_a_current_folder_that_is_gone(self, ninepic: Ninepic, sandbox: Start, call: str) -> None:
        """Where the folder that relative paths are in has been removed, a sentence says so."""
        box = sandbox(World.generate(photos=1, size=SMALL))
        result = without_folder(ninepic, call)
        assert refused(result, "", 2, 7), result.err
        assert any(words in result.err for words in ("current directory", "does not exist"))
        assert len(result.err.splitlines()) <= 5
        assert box.requests_to("store") == []

    @pytest.mark.parametrize(
        "call", ["bib 1234 -o {}/out", "bib 1234 -o {}/out --dry-run", "config path", "events", "--help"]
    )
    def test_what_needs_no_current_folder(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, call: str) -> None:
        """What has nothing to do with that folder works all the same."""
        sandbox(World.generate(photos=1, size=SMALL))
        result = without_folder(ninepic, call.format(tmp_path))
        assert (result.status, "Traceback" in result.err) == (0, False), result.err


def without_folder(ninepic: Ninepic, call: str) -> Result:
    """Run it in a folder that has been removed."""
    gone = ninepic.home / "gone"
    gone.mkdir()
    script = 'cd "$0" && rmdir "$0" && exec "$@"'
    return ninepic.by("sh", "-c", script, str(gone), *ninepic.command)(*call.split())


def test_a_list_keeps_its_mode(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """`--failed-to` takes the place of a file with that file's mode, whatever the umask; a new one has the umask's."""
    sandbox()
    left = tmp_path / "left.txt"
    quiet = ninepic.by("sh", "-c", 'umask 027; exec "$0" "$@"', *ninepic.command)
    for mode in (0o604, 0o660, None):
        if mode is None:
            left.unlink()
        else:
            left.write_text(OLD)
            left.chmod(mode)
        assert quiet("bib", "7", "--failed-to", left, NINEPIC_API_KEY="").status == 3
        assert (left.read_text(), stat.S_IMODE(left.stat().st_mode)) == ("7\n", mode or 0o640)


class TestFlushed:
    """A ZIP is on the disk before it takes its place."""

    def test_it_is_flushed_first(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """Only what has been flushed is renamed."""
        sandbox(World.generate(photos=2, size=SMALL))
        notes = self.shimmed(ninepic, tmp_path)
        (tmp_path / "go").touch()
        assert ninepic("bib", "1234", "--zip", tmp_path / "all.zip").status == 0
        assert notes.read_text().splitlines() == ["fsync begins", "fsync ends", "rename begins"]

    def test_a_signal_meanwhile_keeps_what_was_there(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """A signal that comes while the disk is busy with it leaves the file as it was."""
        sandbox(World.generate(photos=2, size=SMALL))
        notes, place = self.shimmed(ninepic, tmp_path), tmp_path / "all.zip"
        place.write_text(OLD)
        process = ninepic.start("bib", "1234", "--zip", place)
        until(notes.exists)
        process.send_signal(signal.SIGTERM)
        until(lambda: not pending(process.pid, signal.SIGTERM))
        (tmp_path / "go").touch()
        process.communicate(timeout=30)
        assert (process.returncode, place.read_text()) == (-signal.SIGTERM, OLD)
        assert "rename begins" not in notes.read_text()

    def shimmed(self, ninepic: Ninepic, tmp_path: Path) -> Path:
        """Have flushing and renaming noted, in the file returned; flushing a ZIP ends when the file `go` is there."""
        notes = tmp_path / "notes"
        ninepic.use({**compiled(tmp_path, FLUSHING), "NOTES": str(notes), "GO": str(tmp_path / "go")})
        return notes


def pending(pid: int, number: int) -> bool:
    """Whether a process has not taken a signal yet."""
    found = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("ShdPnd:"))
    return bool(int(found.split()[1], 16) >> (number - 1) & 1)
