"""A system that is not POSIX, as Windows is not: the main commands work there without what only POSIX has.

The simulation runs in the command's own process, before anything of ours is imported: modules, functions, flags and
signals that are not there; folders that cannot be opened; files that are neither renamed nor removed while they are
open, nor replaced.
"""

import json
import re
import signal
from pathlib import Path
from zipfile import ZipFile

import pytest

from ninepic_cli.sandbox import Fault, World
from tests.support.clock import until
from tests.support.command import Ninepic, Start
from tests.support.files import whole

NO_POSIX = """
import os, select, selectors, shutil, signal, socket, subprocess, sys
import httpx, platformdirs, rich.console, rich.progress, typer  # made for the system that this really is
for name in ("fcntl", "termios", "resource", "pwd", "grp", "tty", "pty"):
    sys.modules[name] = None
for name in ("O_NOFOLLOW", "O_DIRECTORY", "O_NONBLOCK", "O_CLOEXEC", "pread", "pwrite", "geteuid", "getuid", "getegid",
             "chown", "lchown", "fchown", "fchmod", "mkfifo", "fork", "killpg", "getpgid", "setsid", "statvfs",
             "fstatvfs", "set_blocking", "get_blocking", "posix_fallocate", "sysconf", "getxattr", "setxattr",
             "sched_getaffinity", "tcgetpgrp", "getpgrp", "sendfile"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGHUP", "SIGTSTP", "SIGCONT", "SIGKILL", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGPIPE",
             "SIGCHLD", "SIGALRM", "SIGTTOU", "pthread_sigmask", "sigwait", "setitimer", "alarm"):
    if hasattr(signal, name):
        delattr(signal, name)
for name in ("poll", "epoll"):
    delattr(select, name)
del socket.MSG_DONTWAIT, os.O_PATH
socket.socket.sendmsg = property(lambda _: getattr(None, "sendmsg"))
for name in ("PollSelector", "EpollSelector"):
    delattr(selectors, name)
selectors.DefaultSelector = selectors.SelectSelector
subprocess._USE_POSIX_SPAWN = False
os.supports_dir_fd = os.supports_fd = os.supports_follow_symlinks = os.supports_effective_ids = set()

def is_open(path):
    target = os.path.realpath(os.fsdecode(path))
    for number in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{number}") == target:
                return True
        except OSError:
            pass
    return False

def on_closed(function):
    def call(*paths, **options):
        if any(each is not None for each in options.values()):
            raise NotImplementedError(f"{function.__name__} without {list(options)}")
        for path in paths:
            if is_open(path):
                raise PermissionError(13, "it is open", path)
        return function(*paths)
    return call

def without_dir_fd(function):
    def call(path, *rest, **options):
        if options.pop("dir_fd", None) is not None:
            raise NotImplementedError("dir_fd")
        return function(path, *rest, **options)
    return call

def files_only(path, *rest, open=os.open, **options):
    if options.pop("dir_fd", None) is not None:
        raise NotImplementedError("dir_fd")
    if os.path.isdir(path):
        raise PermissionError(13, "it is a folder", path)
    return open(path, *rest, **options)

for name in ("rename", "replace", "unlink", "remove"):
    setattr(os, name, on_closed(getattr(os, name)))
for name in ("mkdir", "lstat", "rmdir"):
    setattr(os, name, without_dir_fd(getattr(os, name)))
os.open = files_only
shutil._use_fd_functions = False  # it has looked at what this system can before
"""


@pytest.fixture
def without_posix(ninepic: Ninepic) -> Ninepic:
    """The command on such a system."""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc, to know which files are open")
    return ninepic.after(NO_POSIX)


def test_the_simulation_is_one(ninepic: Ninepic) -> None:
    """What the simulation takes away is not there, so that the tests below mean something."""
    probe = f"""{NO_POSIX}
import tempfile
for name in ("fcntl", "termios"):
    try:
        __import__(name)
    except ImportError:
        print("no", name)
path = tempfile.mkdtemp()
file = open(path + "/a", "w")
for action in (lambda: os.rename(path + "/a", path + "/b"), lambda: os.unlink(path + "/a"), lambda: os.open(path, 0)):
    try:
        action()
    except PermissionError as error:
        print(error.strerror)
"""
    result = ninepic.by(*ninepic.command[:1], "-c", probe)()
    assert result.out.splitlines() == ["no fcntl", "no termios", "it is open", "it is open", "it is a folder"], result


def test_demo(without_posix: Ninepic, tmp_path: Path) -> None:
    """The demo brings its photos."""
    result = without_posix("demo", "-o", tmp_path / "out")
    assert result.status == 0, result.err
    assert len(list((tmp_path / "out").glob("**/*.jpg"))) == 47
    assert not (tmp_path / "out" / ".ninepic").exists()


def test_bib(without_posix: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """Photos arrive whole, those that broke off are fetched again, and a second run fetches nothing."""
    world = World.generate(photos=12, size=100_000)
    box = sandbox(world, faults=[Fault(cut_after=0.5, nth=range(1, 4))])
    result = without_posix("bib", "1234", "-o", tmp_path / "out")
    assert (result.status, whole(world, tmp_path / "out")) == (0, set(world.photos)), result.err
    assert [path.name for path in tmp_path.glob("out/.ninepic")] == []
    del box.requests[:]
    assert without_posix("bib", "1234", "-o", tmp_path / "out").status == 0
    assert box.requests_to("store") == []


def test_what_is_of_no_use_goes(without_posix: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """Bytes that do not match the store's checksum are removed."""
    sandbox(World.generate(photos=2, size=50_000), faults=[Fault("store", headers={"ETag": f'"{"0" * 32}"'})])
    result = without_posix("bib", "1234", "-o", tmp_path / "out", "--retries", 0)
    assert (result.status, list(tmp_path.glob("out/.ninepic/*"))) == (5, []), result.err


def test_verify_and_copies(without_posix: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """A damaged photo is replaced, and a photo of two runners arrives in both folders."""
    world = World.generate(photos=4, size=50_000)
    world.bibs["8"] = world.bibs["1234"]
    sandbox(world)
    command = ("bib", "1234", "8", "-o", tmp_path / "out", "--name", "{identifier}/{filename}")
    result = without_posix(*command)
    assert result.status == 0, result.err
    photos = sorted((tmp_path / "out").glob("*/*.jpg"))
    assert len(photos) == 8
    photos[0].write_bytes(b"\xff\xd8\xff damaged \xff\xd9")
    result = without_posix(*command, "--existing", "verify")
    assert result.status == 0, result.err
    assert len(whole(world, tmp_path / "out")) == 4


def test_zip(without_posix: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """A ZIP takes its place, in place of an older one too."""
    world = World.generate(photos=5, size=50_000)
    sandbox(world)
    for _ in range(2):
        result = without_posix("bib", "1234", "--zip", tmp_path / "a.zip")
        assert result.status == 0, result.err
        with ZipFile(tmp_path / "a.zip") as archive:
            assert archive.testzip() is None
            assert len(archive.namelist()) == 5


def test_lists_of_failures(without_posix: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """What failed is written down, and fetched by the next run."""
    world = World.generate(photos=5, size=50_000)
    bad = world.bibs["1234"][2]
    box = sandbox(world, faults=[Fault(path=bad, status=403)])
    left = tmp_path / "left.txt"
    result = without_posix("bib", "1234", "-o", tmp_path / "out", "--failed-to", left, "--json")
    assert (result.status, left.read_text()) == (5, "1234\n"), result.err
    box.faults = []
    result = without_posix("bib", "--from-file", left, "-o", tmp_path / "out", "--failed-to", left)
    assert (result.status, left.read_text()) == (0, ""), result.err
    assert whole(world, tmp_path / "out") == set(world.photos)


def test_config(without_posix: Ninepic, tmp_path: Path) -> None:
    """Settings are written, changed, shown and removed; a key comes in by standard input."""
    config = ("--config", tmp_path / "c.toml")
    assert without_posix("config", "set", "org-id", "12", *config).status == 0
    result = without_posix("config", "set", "api-key", *config, given="abcdefghijkl\n")
    assert result.status == 0, result.err
    assert without_posix("config", "set", "org-id", "13", *config).status == 0
    result = without_posix("config", "list", *config)
    assert (result.status, "13" in result.out, "abcde***" in result.out) == (0, True, True), result
    assert without_posix("config", "unset", "org-id", *config).status == 0
    assert without_posix("config", "get", "org-id", *config).status == 2


def test_messages_name_no_posix_commands(without_posix: Ninepic, ninepic: Ninepic, tmp_path: Path) -> None:
    """What only POSIX has is in no message: no `chmod` for a file that others can read, no `ulimit`."""
    (tmp_path / "c.toml").write_text("org_id = 12\n")
    (tmp_path / "c.toml").chmod(0o644)
    assert "chmod 600" in ninepic("events", "--config", tmp_path / "c.toml").err
    result = without_posix("events", "--config", tmp_path / "c.toml")
    assert (result.status, "chmod" in result.err) == (3, False)
    hints = (
        "from ninepic_cli.errors import OpenFilesError as A, ThreadLimitError as B; print(A().hint, B().hint, sep='|')"
    )
    assert "ulimit" in ninepic.by(*ninepic.command[:1], "-c", hints)().out
    assert ninepic.by(*ninepic.command[:1], "-c", f"{NO_POSIX}\n{hints}")().out == "lower --jobs|lower --jobs\n"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_has_its_exit_status(
    without_posix: Ninepic, sandbox: Start, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    """A run that a signal ends has 128 and the signal's number as its status, where no process dies by a signal."""
    box = sandbox(World.generate(photos=2, size=20_000), faults=[Fault(silent=True)])
    process = without_posix.start("bib", "1234", "-o", tmp_path / "out")
    until(lambda: len(box.requests_to("store")) == 2)
    process.send_signal(number)
    process.communicate(timeout=10)
    assert process.returncode == status


def test_sandbox(without_posix: Ninepic, tmp_path: Path) -> None:
    """The sandbox serves, tells where, and photos can be fetched from it."""
    with (tmp_path / "said").open("w") as said:
        process = without_posix.start("sandbox", stdout=said)
    until(lambda: "NINEPIC_BASE_URL" in (tmp_path / "said").read_text())
    variables = dict(re.findall(r"(NINEPIC_\w+)=(\S+)", (tmp_path / "said").read_text()))
    without_posix.use({name: value.strip("'\"") for name, value in variables.items()})
    result = without_posix("bib", "1234", "-o", tmp_path / "out", "--json")
    process.send_signal(signal.SIGTERM)
    assert result.status in {0, 4}, result.err
    assert json.loads(result.out.splitlines()[-1])["downloaded"] > 0
    process.communicate(timeout=10)
