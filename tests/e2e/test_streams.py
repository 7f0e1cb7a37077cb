"""Standard streams as pipes, disks and callers make them: slow, in non-blocking mode, full, closed."""

import fcntl
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from ninepic_cli.sandbox import Fault, World
from tests.support.clock import until
from tests.support.command import Ninepic, Process, Start, completed
from tests.support.files import whole
from tests.support.person import at_terminal

KEY = "9pk_hidden_hidden_hidden"
SMALL = 4000


@contextmanager
def narrow_pipe() -> Iterator[tuple[int, int]]:
    """A pipe that holds a page, its writing end in non-blocking mode."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writing, False)
    try:
        yield reading, writing
    finally:
        for descriptor in (reading, writing):
            with suppress(OSError):
                os.close(descriptor)


def read_slowly(descriptor: int) -> bytes:
    """All of it, a pause before each of the first pieces."""
    parts: list[bytes] = []
    while part := os.read(descriptor, 2000 if len(parts) < 50 else 1 << 20):
        parts.append(part)
        if len(parts) < 50:
            time.sleep(0.01)
    return b"".join(parts)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe with a page of room, which does not wait for more."""
    if not hasattr(fcntl, "F_SETPIPE_SZ"):
        pytest.skip("needs pipes of a chosen size")
    with narrow_pipe() as ends:
        yield ends


def fed(ninepic: Ninepic, parts: list[bytes], *args: object, pause_s: float = 0.4) -> tuple[int, str]:
    """Run the command with a standard input in non-blocking mode, fed in pieces; exit status and standard error."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    process = ninepic.start(*args, stdin=reading)
    time.sleep(pause_s)
    for part in parts:
        os.write(writing, part)
        time.sleep(pause_s)
    os.close(writing)
    err = process.communicate(timeout=30)[1]
    assert not os.get_blocking(reading)  # it may be somebody else's too
    os.close(reading)
    return process.returncode, err


class TestInput:
    """Standard input is read to its end."""

    def test_it_may_come_late_and_in_pieces(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """A list from a pipe in non-blocking mode is read whole, also where nothing is there at first."""
        world = World.generate(photos=40, size=SMALL)
        sandbox(world)
        ids = list(world.photos)
        parts = ["".join(f"{each}\n" for each in part).encode() for part in (ids[:10], ids[10:])]
        status, err = fed(ninepic, parts, "images", "--from-file", "-", "-o", tmp_path / "out")
        assert (status, len(whole(world, tmp_path / "out"))) == (0, 40), err

    def test_a_key_may_come_late(self, ninepic: Ninepic) -> None:
        """So is a key."""
        assert fed(ninepic, [KEY[:6].encode(), KEY[6:].encode()], "config", "set", "api-key") == (0, "")
        assert ninepic("config", "get", "api-key", "--reveal").out == f"{KEY}\n"

    def test_a_list_from_a_fifo_may_come_in_pieces(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """A FIFO is read until its last writer has gone."""
        world = World.generate(photos=4, size=SMALL)
        sandbox(world)
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        process = ninepic.start("images", "--from-file", fifo, "-o", tmp_path / "out")
        with fifo.open("wb", buffering=0) as file:
            for each in world.photos:
                file.write(f"{each}\n".encode())
                time.sleep(0.1)
        assert (process.wait(timeout=30), len(whole(world, tmp_path / "out"))) == (0, 4)

    @pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0"])
    def test_a_list_from_a_closed_input(self, ninepic: Ninepic, sandbox: Start, name: str) -> None:
        """Where standard input is closed there is no list, which is not an empty one."""
        box = sandbox()
        result = ninepic.in_shell(f"ninepic bib --from-file {name} <&-")
        assert (result.status, "standard input is closed" in result.err) == (2, True), result.err
        assert "--from-file FILE" in result.err
        assert box.requests == []

    def test_a_key_from_what_cannot_be_read(self, ninepic: Ninepic, tmp_path: Path) -> None:
        """Standard input that is open for writing alone is a reason, and no fault of this program."""
        result = ninepic.in_shell(f"ninepic config set api-key 0>'{tmp_path}/file'")
        assert (result.status, "internal error" in result.err) == (2, False), result.err
        assert "cannot read standard input" in result.err


class TestOutput:
    """Data on standard output arrives whole, or the exit status says that it did not."""

    @pytest.mark.parametrize("unbuffered", ["", "1"])
    def test_a_slow_reader_gets_every_line(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, pipe: tuple[int, int], unbuffered: str
    ) -> None:
        """600 photos' lines pass a pipe in non-blocking mode whose reader takes its time."""
        world = World.generate(photos=600, size=2000)
        for each in world.photos:
            (tmp_path / f"{each}.jpg").write_bytes(world.photo_bytes(each))
        sandbox(world)
        ninepic.use({"PYTHONUNBUFFERED": unbuffered})
        process = ninepic.start("bib", "1234", "-o", tmp_path, "--json", stdout=pipe[1])
        os.close(pipe[1])
        lines = [json.loads(line) for line in read_slowly(pipe[0]).splitlines()]
        err = process.communicate(timeout=30)[1]
        assert (process.returncode, len(lines), lines[-1]["type"]) == (0, 602, "summary"), err

    @pytest.mark.parametrize("unbuffered", ["", "1"])
    @pytest.mark.parametrize("call", ["completions bash", "bib --help", "config list", "bib 1234 --dry-run", "events"])
    def test_whatever_is_printed_arrives(
        self, ninepic: Ninepic, sandbox: Start, pipe: tuple[int, int], call: str, unbuffered: str
    ) -> None:
        """What any command prints is the same on such a pipe as anywhere else."""
        sandbox(World.generate(photos=70, size=2000))
        tables = "".join(f"[profiles.p{number}]\nevent_id = {number}\n" for number in range(400))
        (ninepic.home / "config.toml").write_text(tables)
        ninepic.use({"NINEPIC_CONFIG": str(ninepic.home / "config.toml"), "PYTHONUNBUFFERED": unbuffered})
        usual = ninepic(*call.split())
        process = ninepic.start(*call.split(), stdout=pipe[1])
        os.close(pipe[1])
        assert (read_slowly(pipe[0]).decode(), process.wait(timeout=30)) == (usual.out, usual.status) != ("", 0)

    def test_a_zip_arrives(self, ninepic: Ninepic, sandbox: Start, pipe: tuple[int, int]) -> None:
        """So does a ZIP."""
        world = World.generate(photos=20, size=SMALL)
        sandbox(world)
        process = ninepic.start("bib", "1234", "--zip", "-", stdout=pipe[1])
        os.close(pipe[1])
        with ZipFile(BytesIO(read_slowly(pipe[0]))) as archive:
            assert (archive.testzip(), len(archive.namelist())) == (None, 20)
        assert process.wait(timeout=30) == 0

    def test_words_arrive(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, pipe: tuple[int, int]) -> None:
        """Standard error in non-blocking mode loses no words, and its being full is no reason for another status."""
        world = World.generate(photos=60, size=SMALL)
        sandbox(world, faults=[Fault(path=each, status=403) for each in world.photos])
        process = ninepic.start("bib", "1234", "-o", tmp_path, "-v", stderr=pipe[1])
        os.close(pipe[1])
        words = read_slowly(pipe[0]).decode()
        assert process.wait(timeout=30) == 5
        assert (words.count("\nfailed: "), "\nand 40 more\n" in words) == (20, True)
        assert all(each in words for each in world.photos)

    @pytest.mark.parametrize("is_blocking", [True, False], ids=["blocking", "non-blocking"])
    def test_a_signal_ends_a_write_that_nobody_reads(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, pipe: tuple[int, int], *, is_blocking: bool
    ) -> None:
        """A run that waits for a reader ends by one signal, within seconds."""
        world = World.generate(photos=60, size=2000)
        for each in world.photos:
            (tmp_path / f"{each}.jpg").write_bytes(world.photo_bytes(each))
        sandbox(world)
        os.set_blocking(pipe[1], is_blocking)
        process = ninepic.start("bib", "1234", "-o", tmp_path, "--json", stdout=pipe[1])
        until(lambda: is_full(pipe[1]))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == -signal.SIGTERM

    def test_a_signal_ends_an_end_that_nobody_reads(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, pipe: tuple[int, int]
    ) -> None:
        """So does one whose last lines find no reader after a signal; what is to be asked for again is written."""
        world = World.generate(photos=3, size=SMALL)
        bibs = ["1234", *(f"no-{number}" for number in range(60))]  # a line for each of them at the end
        left = tmp_path / "left.txt"
        # Nothing is told before the signal comes, so that the pipe has room until then.
        box = sandbox(world, faults=[Fault(silent=True), Fault("api", nth=range(2, 99), silent=True)])
        os.set_blocking(pipe[1], True)
        process = ninepic.start("bib", *bibs, "-o", tmp_path, "--json", "--failed-to", left, stdout=pipe[1])
        until(lambda: box.requests_to("store"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == -signal.SIGTERM
        assert left.read_text().startswith("1234\n")

    def test_the_last_line_counts(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """Where all lines but the last one fit on the disk, the exit status is 7."""
        world = World.generate(photos=3, size=SMALL)
        sandbox(world)
        options = ("bib", "1234", "-o", tmp_path / "out", "--json")
        ninepic(*options)  # the lines of the next one are as long as those of all others
        room = len(ninepic(*options).out.encode()) - 40
        limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))"
        with (tmp_path / "lines").open("wb") as file:
            process = ninepic.after(limited).start(*options, stdout=file)
            err = process.communicate(timeout=30)[1]
        assert '"summary"' in (tmp_path / "lines").read_text()
        assert (process.returncode, "cannot write to standard output" in err) == (7, True), err

    def test_a_signal_counts_more_than_the_disk(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """A run whose lines could not be written, and which a signal ends, ends by the signal."""
        world = World.generate(photos=3, size=SMALL)
        box = sandbox(world, faults=[Fault(path=list(world.photos)[2], silent=True)])
        with Path("/dev/full").open("wb") as full:
            process = ninepic.start("bib", "1234", "-o", tmp_path / "out", "--json", stdout=full)
            until(lambda: len(list(tmp_path.glob("out/*.jpg"))) == 2 and len(box.requests_to("store")) == 3)
            time.sleep(1)  # until its lines are not written
            process.send_signal(signal.SIGTERM)
            err = process.communicate(timeout=30)[1]
        assert (process.returncode, "cannot write to standard output" in err) == (-signal.SIGTERM, True), err


def is_full(descriptor: int) -> bool:
    """Whether a pipe takes nothing more; its mode stays as it is."""
    import select  # noqa: PLC0415

    return not select.select([], [descriptor], [], 0)[1]


class TestWords:
    """What cannot be said changes nothing about how a command ends."""

    @pytest.mark.parametrize("where", ["2>/dev/full", "2>&-", ">&- 2>/dev/full", "2>/dev/full -v"])
    @pytest.mark.parametrize(
        ("call", "status"), [("bib 1234 -o out", 0), ("bib no-such-bib -o out", 4), ("bib", 2), ("config get jobs", 2)]
    )
    def test_the_status_is_the_true_one(
        self, ninepic: Ninepic, sandbox: Start, call: str, status: int, where: str
    ) -> None:
        """A log on a full disk, or none at all, leaves the exit status what it is."""
        sandbox(World.generate(photos=2, size=SMALL))
        where = where.removesuffix("-v" if "out" not in call else "")
        assert ninepic.in_shell(f"ninepic {call} {where}").status == status

    def test_a_closed_stream_s_number_goes_to_no_file(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """Where standard error is closed, what a command for the key says does not go into a file of ours."""
        sandbox(World.generate(photos=2, size=SMALL))
        script = tmp_path / "key"
        script.write_text(f"#!/bin/sh\necho words >&2 || exit 3\necho {ninepic.environment['NINEPIC_API_KEY']}\n")
        script.chmod(0o700)
        (ninepic.home / "config.toml").write_text(f"api_key_command = '{script}'\n")
        ninepic.use({"NINEPIC_CONFIG": str(ninepic.home / "config.toml"), "NINEPIC_API_KEY": ""})
        assert ninepic.in_shell("ninepic bib 1234 -o out 2>&-").status == 0


class TestFirstProcess:
    """As the first process of a container, which no signal ends by itself."""

    @pytest.fixture
    def first(self, ninepic: Ninepic) -> Ninepic:
        """The command as such a process."""
        unshare = ["unshare", "--pid", "--fork", "--kill-child"]
        if not shutil.which("unshare") or completed([*unshare, "true"]).status:
            pytest.skip("needs a way to make a namespace of processes")
        return ninepic.by(*unshare, *ninepic.command)

    def child(self, process: Process) -> int:
        """The process in the namespace."""
        path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        until(lambda: path.read_text().split())
        return int(path.read_text().split()[0])

    def test_a_second_signal_ends_it(
        self, first: Ninepic, sandbox: Start, tmp_path: Path, pipe: tuple[int, int]
    ) -> None:
        """Where it waits for a reader, the second signal ends it at once."""
        world = World.generate(photos=60, size=2000)
        for each in world.photos:
            (tmp_path / f"{each}.jpg").write_bytes(world.photo_bytes(each))
        sandbox(world)
        process = first.start("bib", "1234", "-o", tmp_path, "--json", stdout=pipe[1])
        until(lambda: is_full(pipe[1]))
        child = self.child(process)
        os.kill(child, signal.SIGTERM)
        time.sleep(0.2)
        os.kill(child, signal.SIGTERM)
        assert process.wait(timeout=8) == 128 + signal.SIGTERM

    def test_a_signal_ends_it_before_there_is_a_run(self, first: Ninepic, sandbox: Start) -> None:
        """While it waits for its list, a signal ends it as it would end any other process."""
        sandbox()
        reading, writing = os.pipe()
        process = first.start("bib", "--from-file", "-", stdin=reading)
        child = self.child(process)
        until(lambda: "pipe" in Path(f"/proc/{child}/wchan").read_text() or caught(child, signal.SIGTERM))
        until(lambda: caught(child, signal.SIGTERM))
        os.kill(child, signal.SIGTERM)
        assert process.wait(timeout=10) == 128 + signal.SIGTERM
        os.close(reading)
        os.close(writing)


def caught(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    found = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt:"))
    return bool(int(found.split()[1], 16) >> (number - 1) & 1)


def state(pid: int) -> str:
    """What a process does: S for sleeping, T for stopped."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("needs a system that shows what processes do")
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


class TestStart:
    """Interrupted before it has begun."""

    @pytest.mark.parametrize(
        "module", ["ninepic_cli.system.streams", "ninepic_cli.cli.main", "ninepic_cli.cli.app", "typer"]
    )
    def test_an_interrupt_while_it_starts_shows_no_traceback(self, ninepic: Ninepic, module: str) -> None:
        """Ctrl-C while modules are loaded ends it by that signal, without a word."""
        code = f"""
import builtins, os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
def load(name, *rest, before=builtins.__import__):
    if name == {module!r}:
        builtins.__import__ = before
        os.kill(os.getpid(), signal.SIGINT)
    return before(name, *rest)
builtins.__import__ = load
"""
        result = ninepic.after(code)("config", "path")
        assert (result.status, result.out, result.err) == (-signal.SIGINT, "", "")


class TestPrompt:
    """A terminal that asks for a key is given back, however that ends."""

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
    @pytest.mark.parametrize("command", [("config", "init"), ("config", "set", "api-key")], ids=["init", "set"])
    def test_a_signal_brings_the_echo_back(
        self, ninepic: Ninepic, command: tuple[str, ...], number: signal.Signals
    ) -> None:
        """After a signal the terminal shows what is typed, and nothing has been saved."""
        with at_terminal(ninepic, *command) as person:
            person.wait_for("API key")
            until(lambda: not person.echoes and state(person.process.pid) == "S")  # in the middle of reading
            person.process.send_signal(number)
            assert person.status() == -number
            assert person.echoes
            assert "Traceback" not in person.seen
        assert ninepic("config", "list").out == ""

    def test_a_hidden_answer_stays_hidden_after_a_stop(self, ninepic: Ninepic) -> None:
        """Ctrl-Z gives the terminal back; in the foreground again it asks once more, and the key does not show."""
        with at_terminal(ninepic, "config", "set", "api-key", code=STOPPED_WITH_A_PARENT) as person:
            person.wait_for("API key: ")
            until(lambda: not person.echoes and (ninepic.home / "pid").exists())
            stopped = int((ninepic.home / "pid").read_text())
            until(lambda: state(stopped) == "S")
            os.kill(stopped, signal.SIGTSTP)
            until(lambda: state(stopped) == "T")
            assert person.echoes
            os.kill(stopped, signal.SIGCONT)
            person.wait_for("API key: ")
            until(lambda: not person.echoes)
            person.answer("", f"{KEY}\n")
            person.wait_for("API key saved")
            assert person.status() == 0
            assert person.echoes
            assert KEY not in person.seen
        assert ninepic("config", "get", "api-key", "--reveal").out == f"{KEY}\n"


# A process group that nobody in its session looks after is not stopped by a terminal's key: it needs a parent there.
STOPPED_WITH_A_PARENT = """
import os, signal, sys
from pathlib import Path
child = os.fork()
if child:
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    os.setpgid(child, child)
    Path("new").write_text(str(child))
    Path("new").rename("pid")
    os.tcsetpgrp(0, child)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
os.setpgid(0, 0)
while os.tcgetpgrp(0) != os.getpgrp():
    pass
"""
