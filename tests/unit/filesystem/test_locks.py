"""Who fetches which photo: locks that other processes see, that die with their holder, and that are no must."""

import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ninepic_cli.api.client import Api
from ninepic_cli.api.photo_search import PhotoSearch
from ninepic_cli.api.schema import Query
from ninepic_cli.download import transfer as transfer_module
from ninepic_cli.download.transfer import Existing, Transfer
from ninepic_cli.filesystem import locks as module
from ninepic_cli.filesystem.folder import Folder
from ninepic_cli.filesystem.locks import Locks, LockState
from ninepic_cli.filesystem.state_dir import StateDir
from ninepic_cli.models import Busy, Credentials, Downloaded, Failed, Method, Outcome, Photo, Skipped
from ninepic_cli.net.client import Client
from ninepic_cli.net.retry import HostThrottles
from ninepic_cli.sandbox import Fault, Sandbox, World
from ninepic_cli.sandbox.data import BIB
from ninepic_cli.system.shutdown import CancelToken
from tests.support.command import Helper

pytestmark = pytest.mark.usefixtures("quick_retries")

KEY, OTHER_KEY = "0123456789abcdef" * 2, "fedcba9876543210" * 2
SIZE = 200_000
SCRAP = 9_000

# Does what the lines on its standard input say, and answers each with a line, until there are no more.
HELPER = """
import os, sys
from contextlib import ExitStack
from pathlib import Path
from ninepic_cli.filesystem.folder import Folder
from ninepic_cli.filesystem.state_dir import StateDir
from ninepic_cli.filesystem.locks import Locks
stack, path = ExitStack(), Path(sys.argv[1])
locks = Locks(StateDir(path.parent.parent))
for line in sys.stdin:
    try:
        result = eval(line)
    except SyntaxError:
        result = exec(line)
    print(getattr(result, "name", result), flush=True)
"""


class Other(Helper):
    """Another process, which evaluates expressions and does statements; it tells results as text."""

    def acquire(self, key: str = KEY) -> str:
        """Let it lock a photo; the name of the result."""
        return self(f"locks.acquire({key!r})")


MakeOther = Callable[..., Other]


@pytest.fixture
def other(path: Path) -> Iterator[MakeOther]:
    """Starts further processes, which use the same file unless told otherwise."""
    with ExitStack() as stack:
        yield lambda where=path: stack.enter_context(closing(Other(HELPER, where)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The lock file, in a folder that is not there yet."""
    return tmp_path / ".ninepic" / "lock"


@pytest.fixture
def locks(path: Path) -> Iterator[Locks]:
    """The locks of this process."""
    with closing(Locks(StateDir(path.parent.parent))) as made:
        yield made


def is_on(locks: Locks, path: Path) -> bool:
    """Whether what is locked is the file that stands there."""
    return os.path.samestat(os.fstat(locks._fd), path.lstat())


def refuse_to_lock(monkeypatch: pytest.MonkeyPatch, number: int, *, first: int = 0) -> None:
    """Let no byte from `first` on be locked or unlocked."""
    proper = fcntl.lockf

    def refusing(fd: int, operation: int, length: int, start: int) -> None:
        if start >= first:
            raise OSError(number, os.strerror(number))
        proper(fd, operation, length, start)

    monkeypatch.setattr(fcntl, "lockf", refusing)


# A photo's lock.


def test_taken_held_and_freed(locks: Locks, other: MakeOther) -> None:
    """A photo that one process holds is another's at once, without a wait, until it is freed."""
    second = other()
    assert second.acquire() == "OURS"
    began_s = time.monotonic()
    assert locks.acquire(KEY) is LockState.ANOTHER_PROCESSES
    assert time.monotonic() - began_s < 0.5
    second(f"locks.release({KEY!r})")
    assert locks.acquire(KEY) is LockState.OURS
    assert second.acquire() == "ANOTHER_PROCESSES"
    locks.release(KEY)
    assert second.acquire() == "OURS"


def test_freed_by_death(locks: Locks, other: MakeOther) -> None:
    """What a process held is free as soon as it was killed."""
    second = other()
    assert second.acquire() == "OURS"
    assert locks.acquire(KEY) is LockState.ANOTHER_PROCESSES
    second.close()
    assert locks.acquire(KEY) is LockState.OURS


def test_photos_are_independent(locks: Locks, other: MakeOther) -> None:
    """The lock of one photo says nothing about another's, and neither does its freeing."""
    second = other()
    assert second.acquire() == "OURS"
    assert locks.acquire(OTHER_KEY) is LockState.OURS
    assert second.acquire(OTHER_KEY) == "ANOTHER_PROCESSES"
    locks.release(OTHER_KEY)
    assert locks.acquire(KEY) is LockState.ANOTHER_PROCESSES
    assert second.acquire(OTHER_KEY) == "OURS"


def test_a_refusal_costs_nothing(locks: Locks, other: MakeOther) -> None:
    """Who asks for a photo that another holds keeps what is its own."""
    second = other()
    assert (second.acquire(), locks.acquire(OTHER_KEY)) == ("OURS", LockState.OURS)
    assert locks.acquire(KEY) is LockState.ANOTHER_PROCESSES
    assert second.acquire(OTHER_KEY) == "ANOTHER_PROCESSES"


def test_photos_leave_no_files_and_no_bytes(locks: Locks, path: Path) -> None:
    """However many photos are locked, there is one empty file."""
    for number in range(500):
        assert locks.acquire(f"{number:032x}") is LockState.OURS
    assert [each.name for each in path.parent.iterdir()] == ["lock"]
    assert path.stat().st_size == 0


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=16**32 - 1))
def test_any_key_has_a_byte(number: int) -> None:
    """Whatever the key, its byte is not the first, and lies where a file may have one."""
    assert 1 <= module._offset(f"{number:032x}") < 2**63 - 1


# The file.


def test_nothing_is_made_before_the_first_photo(locks: Locks, path: Path) -> None:
    """Locks that are not used leave no trace, and closing them is no error."""
    locks.release(KEY)
    assert not locks.close()
    assert not path.parent.exists()


@pytest.mark.parametrize("is_first", [True, False])
def test_removed_by_the_last(locks: Locks, path: Path, other: MakeOther, is_first: bool) -> None:
    """The file stays while anyone uses it, also without holding a photo, and goes with the last, whoever came first."""
    second = other()
    if is_first:
        locks.acquire(OTHER_KEY)
    assert second.acquire() == "OURS"
    locks.acquire(OTHER_KEY)
    second(f"locks.release({KEY!r})")
    assert not locks.close()
    assert path.exists()
    assert second("locks.close()") == "True"
    assert not path.exists()


def test_the_dead_do_not_count(locks: Locks, path: Path, other: MakeOther) -> None:
    """A killed user of the file does not keep the last one from removing it."""
    second = other()
    assert (second.acquire(), locks.acquire(OTHER_KEY)) == ("OURS", LockState.OURS)
    second.close()
    assert locks.close()
    assert not path.exists()


def test_closing_frees_all(locks: Locks, other: MakeOther) -> None:
    """Who leaves the file holds nothing any more, and may come again."""
    second = other()
    assert second.acquire() == "OURS"
    locks.acquire(OTHER_KEY)
    assert not locks.close()
    assert second.acquire(OTHER_KEY) == "OURS"
    assert locks.acquire(OTHER_KEY) is LockState.ANOTHER_PROCESSES


def test_two_that_leave_at_once(locks: Locks, path: Path, other: MakeOther, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two users that leave at the same moment one removes the file."""
    second, proper = other(), os.close
    assert (second.acquire(), locks.acquire(OTHER_KEY)) == ("OURS", LockState.OURS)

    def close_later(fd: int) -> None:
        if fd == locks._fd:
            second("locks.close()")
        proper(fd)

    with monkeypatch.context() as patch:
        patch.setattr(os, "close", close_later)
        locks.close()
    assert not path.exists()


def test_a_newcomers_file_is_not_removed(locks: Locks, path: Path, other: MakeOther) -> None:
    """Who leaves a file that somebody has removed meanwhile does not remove the one that came after it."""
    assert locks.acquire(KEY) is LockState.OURS
    path.unlink()
    second = other()
    assert second.acquire() == "OURS"
    assert not locks.close()
    assert path.exists()
    assert locks.acquire(KEY) is LockState.ANOTHER_PROCESSES


@pytest.mark.parametrize("has_successor", [False, True])
def test_newcomer_meets_the_last_that_leaves(
    locks: Locks, path: Path, other: MakeOther, monkeypatch: pytest.MonkeyPatch, has_successor: bool
) -> None:
    """Who opens the file just before it is removed ends on the one that stands there, and is seen by all."""
    second, third, proper, opened = other(), other(), os.open, list[int]()
    second.acquire()

    def open_too_early(where: Any, *args: Any, **options: Any) -> int:
        fd = proper(where, *args, **options)
        if where == "lock":
            opened.append(fd)
            if len(opened) == 1:
                assert second("locks.close()") == "True"
                if has_successor:
                    third.acquire(OTHER_KEY)
        return fd

    monkeypatch.setattr(os, "open", open_too_early)
    assert locks.acquire(KEY) is LockState.OURS
    assert len(opened) == 2
    assert is_on(locks, path)
    assert third.acquire() == "ANOTHER_PROCESSES"
    assert locks.acquire(OTHER_KEY) is (LockState.ANOTHER_PROCESSES if has_successor else LockState.OURS)


SLOW = "exec('def slow(*_, **__): print(0, flush=True); sys.stdin.readline(); os.unlink(path)\\nPath.unlink = slow')"


def test_newcomer_waits_for_the_last_that_is_leaving(
    locks: Locks, path: Path, other: MakeOther, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes while the last is between deciding to remove the file and doing so ends on a new one."""
    second, proper, opened = other(), os.open, list[int]()
    second.acquire()
    second(SLOW)
    assert second("locks.close()") == "0"

    def counted_open(where: Any, *args: Any, **options: Any) -> int:
        fd = proper(where, *args, **options)
        if where == "lock":
            opened.append(0)
            if len(opened) == 3:
                assert second("") == "True"
        return fd

    monkeypatch.setattr(os, "open", counted_open)
    assert locks.acquire(KEY) is LockState.OURS
    assert len(opened) == 4  # the third was just removed
    assert is_on(locks, path)


def test_newcomer_does_not_wait_for_ever(
    locks: Locks, path: Path, other: MakeOther, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the last is stopped while it removes the file, photos go without locks after a moment."""
    monkeypatch.setattr(module, "_PATIENCE_S", 0.05)
    second = other()
    second.acquire()
    second(SLOW)
    assert second("locks.close()") == "0"
    assert locks.acquire(KEY) is LockState.NOBODYS
    assert second("") == "True"


def test_folder_that_goes_between(locks: Locks, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is made again when another process removes it just before the file is made."""
    proper, removed = os.open, list[Path]()

    def open_too_late(where: Any, *args: Any, **options: Any) -> int:
        if where == "lock" and not removed:
            removed.append(where)
            path.parent.rmdir()
        return proper(where, *args, **options)

    monkeypatch.setattr(os, "open", open_too_late)
    assert locks.acquire(KEY) is LockState.OURS
    assert is_on(locks, path)


# Where there are no locks.


def test_folder_in_its_place(locks: Locks, path: Path) -> None:
    """A folder where the file should be means that nobody holds anything, and stays."""
    path.mkdir(parents=True)
    assert [locks.acquire(KEY), locks.acquire(OTHER_KEY)] == [LockState.NOBODYS] * 2
    locks.release(KEY)
    assert not locks.close()
    assert path.is_dir()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.ENXIO])
def test_file_that_cannot_be_opened(locks: Locks, path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """A file that cannot be opened (another user's) means the same, raises nothing, and is not tried for each photo."""
    tries, proper = list[str](), os.open

    def refusing(where: Any, *args: Any, **options: Any) -> int:
        if where != "lock":
            return proper(where, *args, **options)
        tries.append(where)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refusing)
    assert [locks.acquire(KEY), locks.acquire(OTHER_KEY)] == [LockState.NOBODYS] * 2
    assert tries == ["lock"]
    locks.release(KEY)
    assert not locks.close()


@pytest.mark.parametrize("to", ["outside", "nothing"])
def test_link_in_its_place(locks: Locks, path: Path, tmp_path: Path, to: str) -> None:
    """A link is not followed, whether it leads somewhere or nowhere, and is not removed."""
    (tmp_path / "outside").write_bytes(b"precious")
    path.parent.mkdir()
    path.symlink_to(tmp_path / to)
    assert locks.acquire(KEY) is LockState.NOBODYS
    assert not locks.close()
    assert path.is_symlink()
    assert sorted(each.name for each in tmp_path.iterdir()) == [".ninepic", "outside"]
    assert (tmp_path / "outside").read_bytes() == b"precious"


@pytest.mark.parametrize("first", [0, 1], ids=["no locks", "no more locks"])
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS, errno.EIO])
def test_file_system_without_locks(locks: Locks, monkeypatch: pytest.MonkeyPatch, number: int, first: int) -> None:
    """A file system that has no locks, or has run out of them, means the same and raises nothing."""
    monkeypatch.setattr(module, "_PATIENCE_S", 0.05)
    refuse_to_lock(monkeypatch, number, first=first)
    assert [locks.acquire(KEY), locks.acquire(KEY), locks.acquire(OTHER_KEY)] == [LockState.NOBODYS] * 3
    locks.release(KEY)
    locks.close()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EAGAIN])
def test_both_words_for_held(locks: Locks, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """A system may say in two ways that another process holds a photo."""
    refuse_to_lock(monkeypatch, number, first=1)
    assert locks.acquire(KEY) is LockState.ANOTHER_PROCESSES


def test_system_without_locks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no such locks nothing is made, and nothing raised."""
    monkeypatch.setattr(module, "fcntl", None)
    locks = Locks(StateDir(path.parent.parent))
    assert locks.acquire(KEY) is LockState.NOBODYS
    locks.release(KEY)
    assert not locks.close()
    assert not path.parent.exists()


# A photo that another process holds.


class Run:
    """The parts of a run with one photo, in this process, beside another process in the same folder."""

    def __init__(self, box: Sandbox, root: Path, *, existing: str = "skip", timeout_s: float = 30) -> None:
        self.box = box
        self.stop = CancelToken()
        self.folder = Folder(root)
        self._stack = ExitStack()
        clients = [self._stack.enter_context(closing(Client(timeout_s=10, connections=4, environ={}))) for _ in "12"]
        hosts = HostThrottles(give_up_after_s=30, stop=self.stop)
        world = box.world
        access = Credentials(world.api_key, world.org_id, world.event_id, box.base_url)
        api = Api(access, client=clients[0], host=hosts.of(box.base_url), retries=0, stop=self.stop)
        (self.photo,) = (each for each in PhotoSearch(api).entries([Query(Method.BIB, BIB)]) if isinstance(each, Photo))
        self.path = self.folder.path_of(self.photo)
        self.transfer = Transfer(
            client=clients[1],
            hosts=hosts,
            folder=self.folder,
            existing=Existing(existing),
            retries=2,
            stop=self.stop,
            timeout_s=timeout_s,
        )

    def close(self) -> None:
        """Close the connections, and leave the folder."""
        self._stack.close()
        self.folder.close()

    def __call__(self) -> Outcome | Busy:
        """Transfer the photo."""
        return self.transfer(self.photo)

    def settled(self) -> Outcome:
        """Transfer it again and again, until it is not held any more."""
        deadline_s = time.monotonic() + 20
        while isinstance(outcome := self(), Busy):
            assert time.monotonic() < deadline_s, "it stays held"
            time.sleep(0.02)
        return outcome

    @property
    def data(self) -> bytes:
        """Its bytes."""
        return self.box.world.photo_bytes(self.photo.image_id)

    def partials(self) -> dict[str, bytes]:
        """What is on its way in the folder, by the end of its name."""
        home = self.folder.root / ".ninepic"
        return {each.suffix: each.read_bytes() for each in home.iterdir() if each.name != "lock"}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Starts a store with one photo, and makes the parts of a run."""
    with ExitStack() as stack:

        def make(**options: Any) -> Run:
            box = stack.enter_context(Sandbox(World.generate(photos=1, size=SIZE)))
            return stack.enter_context(closing(Run(box, tmp_path, **options)))

        yield make


MakeRun = Callable[..., Run]


def holder(other: MakeOther, now: Run, *, etag: str | None = '"0123456789abcdef0123456789abcdef"') -> Other:
    """Another process that holds the photo of a run and has fetched some bytes of it."""
    second = other()
    second(f"folder = Folder(Path({str(now.folder.root)!r}))")
    second(f"claimed = stack.enter_context(folder.claim(Path({str(now.path)!r})))")
    assert second("claimed") == "OURS"
    second(f"partial = stack.enter_context(folder.partial(Path({str(now.path)!r})))")
    second(f"partial.start(etag={etag!r}, total={SIZE})")
    second(f"partial.write({now.data[:SCRAP]!r})")
    return second


def finish(second: Other, now: Run) -> None:
    """Let the other process bring the photo to its final name."""
    second(f"partial.write(Path({str(now.folder.root / 'rest')!r}).read_bytes())")
    second("partial.commit(modified_s=None)")


def give_rest(now: Run) -> None:
    """Lay ready what the other process has not fetched yet."""
    (now.folder.root / "rest").write_bytes(now.data[SCRAP:])


def test_another_thread_fetches_it(run: MakeRun) -> None:
    """A photo that another thread of this process deals with is held, whatever the time-out, and not asked for."""
    now = run(timeout_s=0)
    with now.folder.claim(now.path):
        assert [now() for _ in range(3)] == [Busy()] * 3
    assert now.box.requests_to("store") == []
    assert isinstance(now(), Downloaded)


def test_arrived_between_the_look_and_the_lock(run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """A photo that another process brings just before it is locked is there, and the store is not asked about it."""
    now = run()
    claim = now.folder.claim

    def claim_late(path: Path) -> AbstractContextManager[LockState]:
        path.write_bytes(now.data)
        return claim(path)

    monkeypatch.setattr(now.folder, "claim", claim_late)
    assert now() == Skipped(now.path, SIZE)
    assert now.box.requests_to("store") == []


def test_another_process_fetches_what_could_be_copied(run: MakeRun, other: MakeOther, tmp_path: Path) -> None:
    """A photo that another process holds is not brought by a copy either, until it is free."""
    now = run()
    there, md5 = tmp_path / "there.jpg", hashlib.md5(now.data).hexdigest()
    there.write_bytes(now.data)
    second = holder(other, now)
    assert now.transfer.copy(now.photo, there, md5=md5) == Busy()
    assert not now.path.exists()
    second.close()
    assert isinstance(now.transfer.copy(now.photo, there, md5=md5), Downloaded)


def test_holder_stands_still(run: MakeRun, other: MakeOther) -> None:
    """A photo whose holder brings it no further for the time-out is fetched beside it; both ends are whole."""
    now = run(timeout_s=0.5)
    give_rest(now)
    second = holder(other, now)
    began_s = time.monotonic()
    assert now() == Busy()
    assert isinstance(now.settled(), Downloaded)
    assert time.monotonic() - began_s >= 0.5
    assert ["range" in request.headers for request in now.box.requests_to("store")] == [False]
    assert now.path.read_bytes() == now.data
    assert now.partials() == {".part": now.data[:SCRAP]}
    finish(second, now)
    assert now.path.read_bytes() == now.data
    assert now.partials() == {}


def test_failure_beside_a_holder(run: MakeRun, other: MakeOther) -> None:
    """A failure to fetch beside a holder touches neither its partial nor its lock."""
    now = run(timeout_s=0.1)
    second = holder(other, now)
    now.box.faults = [Fault("store", status=403)]
    assert isinstance(now.settled(), Failed)
    assert now.partials() == {".part": now.data[:SCRAP]}
    with now.folder.claim(now.path) as hold:
        assert hold is LockState.ANOTHER_PROCESSES
    now.box.faults = []
    second.close()
    assert isinstance(now(), Downloaded)


@pytest.mark.parametrize("etag", ['"0123456789abcdef0123456789abcdef"', None], ids=["strong ETag", "no ETag"])
def test_holder_makes_progress(run: MakeRun, other: MakeOther, etag: str | None) -> None:
    """A photo whose holder brings it further is left to it, until it has stood still for the time-out since then."""
    now = run(timeout_s=0.5)
    second = holder(other, now, etag=etag)
    began_s = time.monotonic()
    while time.monotonic() - began_s < 1:
        assert now() == Busy()
        second("partial.write(b'x')")
        last_s = time.monotonic()
        time.sleep(0.05)
    assert now.box.requests_to("store") == []
    assert isinstance(now.settled(), Downloaded)
    assert time.monotonic() - last_s >= 0.5


def test_holder_begins_again(run: MakeRun, other: MakeOther) -> None:
    """A holder that starts over, so that fewer bytes are there than before, does not stand still."""
    now = run(timeout_s=0.5)
    second = holder(other, now)
    for number in range(6):
        assert now() == Busy()
        second(f"partial.start(etag='\"{number}\"', total={SIZE})")
        second("partial.write(b'x')")
        time.sleep(0.12)
    assert now.box.requests_to("store") == []


def test_holder_comes_to_no_end(run: MakeRun, other: MakeOther) -> None:
    """A photo that is brought further for ever is fetched after ten time-outs all the same, beside its holder."""
    now = run(timeout_s=0.08)
    second = holder(other, now)
    began_s = time.monotonic()
    while isinstance(outcome := now(), Busy):
        assert time.monotonic() - began_s < 20, "it stays held"
        second("partial.write(b'x')")
        time.sleep(0.01)
    assert time.monotonic() - began_s >= 0.8
    assert isinstance(outcome, Downloaded)
    assert now.path.read_bytes() == now.data


@pytest.mark.parametrize(("timeout_s", "longest_s"), [(30, 300), (0.5, 5), (600, 6000)])
def test_how_long_a_holder_is_left_alone(
    run: MakeRun, other: MakeOther, monkeypatch: pytest.MonkeyPatch, timeout_s: float, longest_s: float
) -> None:
    """That is ten time-outs, whatever the time-out."""
    now = run(timeout_s=timeout_s)
    second = holder(other, now)
    first_s, outcomes = time.monotonic(), []
    for percent in (*range(0, 100, 9), 101):
        now_s = first_s + longest_s * percent / 100
        monkeypatch.setattr(transfer_module, "time", SimpleNamespace(monotonic=lambda now_s=now_s: now_s))
        outcomes.append(now())
        second("partial.write(b'x')")
    assert outcomes[:-1] == [Busy()] * 12
    assert isinstance(outcomes[-1], Downloaded)


def test_what_a_dead_holder_left_is_seen_at_once(run: MakeRun, other: MakeOther) -> None:
    """What another process has begun since the folder was last looked at, and left, is not begun anew."""
    now = run(timeout_s=1000)
    (now.folder.root / ".ninepic").mkdir()
    with now.folder.partial(now.folder.root / "another.jpg"):
        pass  # the folder has just been looked at
    second = holder(other, now, etag=f'"{hashlib.md5(now.data).hexdigest()}"')
    assert now() == Busy()
    second.close()
    assert isinstance(now(), Downloaded)
    assert [request.headers.get("range") for request in now.box.requests_to("store")] == [f"bytes={SCRAP}-"]


def test_holder_dies(run: MakeRun, other: MakeOther) -> None:
    """A photo whose holder dies is taken over at the next look, whatever the time-out, and goes on where it was."""
    now = run(timeout_s=1000)
    second = holder(other, now, etag=f'"{hashlib.md5(now.data).hexdigest()}"')
    assert now() == Busy()
    second.close()
    assert isinstance(now(), Downloaded)
    assert [request.headers.get("range") for request in now.box.requests_to("store")] == [f"bytes={SCRAP}-"]
    assert now.path.read_bytes() == now.data
    assert now.partials() == {}


@pytest.mark.parametrize("old", [None, b"", "another photo"], ids=["absent", "damaged", "old"])
@pytest.mark.parametrize("existing", ["skip", "verify", "overwrite"])
def test_arrived_meanwhile(run: MakeRun, other: MakeOther, existing: str, old: bytes | str | None) -> None:
    """A photo that its holder has finished is there, also where it was to be overwritten; what stood there is not."""
    now = run(existing=existing)
    give_rest(now)
    if existing == "skip" and isinstance(old, str):
        old = None
    if old is not None:
        world = World.generate(photos=1, size=30_000, seed=2)
        now.path.write_bytes(old if isinstance(old, bytes) else world.photo_bytes(next(iter(world.photos))))
    second = holder(other, now)
    assert [now() for _ in range(3)] == [Busy()] * 3
    finish(second, now)
    outcome = now()
    assert isinstance(outcome, Skipped)
    assert outcome.size == SIZE
    assert now.box.requests_to("store") == []


@pytest.mark.parametrize("existing", ["verify", "overwrite"])
def test_holder_dies_before_an_old_file_is_replaced(run: MakeRun, other: MakeOther, existing: str) -> None:
    """An old file is not taken for the photo when the process that was to replace it dies."""
    now = run(existing=existing)
    world = World.generate(photos=1, size=30_000, seed=2)
    now.path.write_bytes(world.photo_bytes(next(iter(world.photos))))
    second = holder(other, now)
    assert now() == Busy()
    second.close()
    assert isinstance(now(), Downloaded)
    assert now.path.read_bytes() == now.data
