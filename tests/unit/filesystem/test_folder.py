"""The target folder: what is there, what may be written, and the partials on their way."""

import errno
import os
import shutil
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from ninepic_cli.errors import BlockedNameError, MachineError, UsageError
from ninepic_cli.filesystem import locks as locks_module
from ninepic_cli.filesystem import state_dir as home_module
from ninepic_cli.filesystem.folder import Folder, Presence
from ninepic_cli.filesystem.locks import LockState
from ninepic_cli.filesystem.state_dir import StateDir
from ninepic_cli.filesystem.template import BY_IDENTIFIER, Naming
from tests.support.command import NOBODY, Helper
from tests.support.partials import END, ETAG, OTHER_PROCESS, START, WEEK_S, begin, partials
from tests.support.photos import photo

TAIL = 4096  # how far from its end a JPEG's end marker is looked for


def fetch(folder: Folder, path: Path, data: bytes) -> None:
    """Bring a photo to its final name."""
    with folder.partial(path) as partial:
        partial.start(etag=ETAG, total=len(data))
        partial.write(data)
        partial.commit(modified_s=None)


class TestCheck:
    """Whether photos can be written at all."""

    @pytest.mark.parametrize("below", ["", "new", "new/and/newer"])
    def test_a_folder_that_is_there_or_can_be_made_is_good(self, tmp_path: Path, below: str) -> None:
        """A folder is good, there or not, and the check makes nothing."""
        Folder(tmp_path / below).check()
        assert list(tmp_path.iterdir()) == []

    def test_a_link_to_a_folder_is_good(self, tmp_path: Path) -> None:
        """The user's own link to a folder is followed."""
        (tmp_path / "link").symlink_to(tmp_path)
        Folder(tmp_path / "link").check()

    @pytest.mark.parametrize(
        ("root", "shown"),
        [
            ("file", "file"),
            ("file/below", "file"),
            ("file/a/b", "file"),
            ("dangling", "dangling"),
            ("through", "through"),
            ("through/below", "through"),
        ],
    )
    def test_a_place_that_cannot_be_a_folder_is_a_usage_error(self, tmp_path: Path, root: str, shown: str) -> None:
        """A file, a place below a file, and a link that leads nowhere, or through a file, are refused by name."""
        (tmp_path / "file").write_text("here")
        (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
        (tmp_path / "through").symlink_to(tmp_path / "file" / "x")
        with pytest.raises(UsageError) as caught:
            Folder(tmp_path / root).check()
        assert str(tmp_path / shown) in caught.value.message
        assert caught.value.hint

    def test_a_place_below_a_dangling_link_is_a_usage_error(self, tmp_path: Path) -> None:
        """No folder can be made below a link that leads nowhere."""
        (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
        with pytest.raises(UsageError, match="dangling"):
            Folder(tmp_path / "dangling" / "below").check()

    def test_a_loop_of_links_is_an_error(self, tmp_path: Path) -> None:
        """A link to itself is refused in words."""
        (tmp_path / "loop").symlink_to("loop")
        with pytest.raises(MachineError, match="loop"):
            Folder(tmp_path / "loop").check()


class TestPresence:
    """What stands under a final name."""

    @pytest.mark.parametrize(
        ("name", "data", "presence"),
        [
            ("a.jpg", START + END, Presence.WHOLE),
            ("a.jpg", START + b"x" * 100_000 + END, Presence.WHOLE),
            ("a.JPG", START + b"x" * 100 + END, Presence.WHOLE),
            ("a.jpg", START + END + b"x" * (TAIL - 2), Presence.WHOLE),
            ("a.jpg", START + b"y" * 9999 + END + b"x" * (TAIL - 2), Presence.WHOLE),
            ("a.jpg", START + END + b"x" * 20_000, Presence.DAMAGED),
            ("a.jpg", b"", Presence.DAMAGED),
            ("a.jpg", b"\xff", Presence.DAMAGED),
            ("a.jpg", START, Presence.DAMAGED),
            ("a.jpg", START + b"x" * 100_000, Presence.DAMAGED),
            ("a.jpg", b"x" * 100_000 + END, Presence.DAMAGED),
            ("a.jpeg", b"\0" * 5000, Presence.DAMAGED),
            ("a.JPEG", START + b"\0" * 5000, Presence.DAMAGED),
            ("a.jpg", b"<html></html>", Presence.DAMAGED),
            ("a.png", b"\x89PNG", Presence.WHOLE),
            ("a.png", b"x", Presence.WHOLE),
            ("a.png", b"", Presence.DAMAGED),
        ],
    )
    def test_a_file_is_whole_if_it_looks_so(self, tmp_path: Path, name: str, data: bytes, presence: Presence) -> None:
        """An empty file is damaged, and one named as a JPEG that lacks its start, or its end marker near the end."""
        (tmp_path / name).write_bytes(data)
        assert Folder(tmp_path).presence(tmp_path / name) is presence

    @pytest.mark.parametrize("root", ["", "not/there"])
    def test_nothing_is_absent(self, tmp_path: Path, root: str) -> None:
        """No file, or no folder, is no file."""
        folder = Folder(tmp_path / root, naming=Naming(BY_IDENTIFIER))
        assert folder.presence(folder.path_of(photo("a"))) is Presence.ABSENT

    def test_anything_but_a_file_is_in_the_way(self, tmp_path: Path) -> None:
        """A folder, a link to a good file, a dangling link and a FIFO are refused in words."""
        good = tmp_path / "good.jpg"
        good.write_bytes(START + END)
        (tmp_path / "folder.jpg").mkdir()
        (tmp_path / "link.jpg").symlink_to(good)
        (tmp_path / "dangling.jpg").symlink_to("nothing")
        os.mkfifo(tmp_path / "fifo.jpg")
        for name, kind in {
            "folder": "a directory",
            "link": "a symb",
            "dangling": "a symb",
            "fifo": "not a regular",
        }.items():
            with pytest.raises(BlockedNameError, match=kind):
                Folder(tmp_path).presence(tmp_path / f"{name}.jpg")

    def test_a_link_on_the_way_is_not_followed(self, tmp_path: Path) -> None:
        """A photo behind a link in place of its identifier's folder is not taken for ours."""
        (tmp_path / "outside").mkdir()
        (tmp_path / "outside" / "a.jpg").write_bytes(START + END)
        (tmp_path / "root").mkdir()
        (tmp_path / "root" / "7").symlink_to(tmp_path / "outside")
        folder = Folder(tmp_path / "root", naming=Naming(BY_IDENTIFIER))
        with pytest.raises(BlockedNameError, match="is a symbolic link"):
            folder.presence(folder.path_of(photo("a")))


class TestClaim:
    """One name at a time."""

    def test_a_name_is_held_by_one_thread_at_a_time(self, tmp_path: Path) -> None:
        """Of threads that want one name, one has it, and the others are told at once."""
        folder, inside, most, had, refused = Folder(tmp_path), 0, 0, 0, 0
        count = threading.Lock()

        def work() -> None:
            nonlocal inside, most, had, refused
            for _ in range(50):
                with folder.claim(tmp_path / "a.jpg") as hold:
                    if hold is not LockState.OURS:
                        assert hold is LockState.ANOTHER_THREADS
                        with count:
                            refused += 1
                        continue
                    with count:
                        inside, had = inside + 1, had + 1
                        most = max(most, inside)
                    time.sleep(0.0005)
                    with count:
                        inside -= 1

        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(work) for _ in range(8)]:
                done.result()
        folder.close()
        assert (inside, most, had + refused) == (0, 1, 400)
        assert had
        assert refused

    @pytest.mark.parametrize("has_locks", [True, False])
    def test_a_name_that_another_thread_holds(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_locks: bool
    ) -> None:
        """A second thread is refused without a wait, with and without locks, and frees nothing when it leaves."""
        if not has_locks:
            monkeypatch.setattr(locks_module, "fcntl", None)
        folder, path = Folder(tmp_path), tmp_path / "a.jpg"
        began_s = time.monotonic()
        with folder.claim(path) as first:
            for _ in range(2):
                with folder.claim(path) as second:
                    assert second is LockState.ANOTHER_THREADS
        assert time.monotonic() - began_s < 10
        assert first is (LockState.OURS if has_locks else LockState.NOBODYS)
        with folder.claim(path) as again:
            assert again is first
        folder.close()
        assert list(tmp_path.iterdir()) == []

    def test_a_name_that_another_process_holds(self, tmp_path: Path) -> None:
        """A process is refused what another one holds, frees nothing when it leaves, and has it when that is free."""
        path = tmp_path / "a.jpg"
        folder = Folder(tmp_path)
        with closing(Helper(OTHER_PROCESS, tmp_path)) as other:
            assert other("claim") == "OURS"
            for _ in range(2):
                with folder.claim(path) as hold:
                    assert hold is LockState.ANOTHER_PROCESSES
            other("leave")
            with folder.claim(path) as hold:
                assert hold is LockState.OURS
                assert other("claim") == "ANOTHER_PROCESSES"
        folder.close()
        assert list(tmp_path.iterdir()) == []

    def test_how_far_another_has_come(self, tmp_path: Path) -> None:
        """Names and sizes of a photo's partials can be seen by whoever is refused it, and no other photo's."""
        folder, path = Folder(tmp_path), tmp_path / "a.jpg"
        assert folder.partial_sizes(path) == {}
        begin(folder, path, b"x" * 10)
        begin(folder, tmp_path / "b.jpg", b"x" * 20)
        sizes = folder.partial_sizes(path)
        assert list(sizes.values()) == [10]
        assert all((tmp_path / ".ninepic" / name).stat().st_size == size for name, size in sizes.items())

    def test_another_name_is_free_and_a_failure_gives_the_name_back(self, tmp_path: Path) -> None:
        """Names do not wait for each other, and one whose holder failed can be had again."""
        folder = Folder(tmp_path)
        with pytest.raises(MachineError), folder.claim(tmp_path / "a"), folder.claim(tmp_path / "b"):
            raise MachineError("no")
        with folder.claim(tmp_path / "a"), folder.claim(tmp_path / "b"):
            pass

    @pytest.mark.parametrize("kind", ["file", "link", "no permission"])
    def test_a_place_for_partials_that_cannot_be_had(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        """Where the folder of partials cannot be made the run ends in words, and the name is not left claimed."""
        home, outside = tmp_path / "root" / ".ninepic", tmp_path / "outside"
        home.parent.mkdir()
        outside.mkdir()
        folder = Folder(home.parent)
        with monkeypatch.context() as patch:
            if kind == "file":
                home.write_bytes(b"")
            elif kind == "link":
                home.symlink_to(outside)
            else:
                patch.setattr(Path, "mkdir", _refuse)
            for _ in range(2):
                with pytest.raises(MachineError), folder.claim(home.parent / "a.jpg"):
                    pass
        assert list(outside.iterdir()) == []
        home.unlink(missing_ok=True)
        with folder.claim(home.parent / "a.jpg") as hold:
            assert hold is LockState.OURS
        folder.close()


def _refuse(*_: object, **__: object) -> None:
    raise PermissionError(errno.EACCES, "Permission denied")


class TestPartials:
    """The folder of partials."""

    def test_it_comes_with_the_first_and_goes_with_the_last(self, tmp_path: Path) -> None:
        """The folder of partials is there while it holds some, and DIR is made with it."""
        root = tmp_path / "a" / "b"
        folder = Folder(root)
        with folder.partial(root / "x.jpg") as partial:
            assert not root.exists()
            partial.start(etag=ETAG, total=4)
            assert len(partials(root)) == 1
            partial.write(START)
            partial.commit(modified_s=None)
        folder.close()
        assert [path.name for path in root.iterdir()] == ["x.jpg"]

    def test_it_stays_while_something_is_in_it(self, tmp_path: Path) -> None:
        """What a run that was cut short has left is kept, and taken up by the next."""
        begin(Folder(tmp_path), tmp_path / "x.jpg")
        Folder(tmp_path).close()
        with Folder(tmp_path).partial(tmp_path / "x.jpg") as partial:
            assert (partial.size, partial.etag, partial.total) == (len(START), ETAG, 1000)

    def test_a_folder_made_for_nothing_goes(self, tmp_path: Path) -> None:
        """A DIR that was made and holds nothing in the end is removed; one that was there stays."""
        for root, stays in ((tmp_path / "new", False), (tmp_path, True)):
            folder = Folder(root)
            with folder.partial(root / "x.jpg") as partial:
                partial.start(etag=ETAG, total=4)
            folder.close()
            assert root.exists() is stays
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("mode", [0o700, 0o750, 0o2775, 0o777])
    def test_it_takes_the_mode_and_the_group_of_the_folder(self, tmp_path: Path, mode: int) -> None:
        """Whoever may write DIR may write its partials, whatever the umask."""
        if os.geteuid() == 0:
            os.chown(tmp_path, -1, NOBODY)
        tmp_path.chmod(mode)
        before = os.umask(0o077)
        try:
            begin(Folder(tmp_path), tmp_path / "x.jpg")
        finally:
            os.umask(before)
        home, like = (tmp_path / ".ninepic").stat(), tmp_path.stat()
        assert (stat.S_IMODE(home.st_mode), home.st_gid) == (mode, like.st_gid)

    def test_a_week_old_partials_go(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Partials that nobody has touched for a week are removed; younger ones and other files are not."""
        folder = Folder(tmp_path)
        for name in ("old.jpg", "young.jpg"):
            begin(folder, tmp_path / name, name.encode())
        old = next(path for path in partials(tmp_path) if path.read_bytes() == b"old.jpg")
        young = next(path for path in partials(tmp_path) if path != old)
        (tmp_path / ".ninepic" / "x.tmp").touch()
        (tmp_path / ".ninepic" / "notes.txt").touch()
        (tmp_path / "old.jpg").write_bytes(START + END)
        next_week_s = time.time() + WEEK_S
        os.utime(young, (next_week_s - 600,) * 2)
        monkeypatch.setattr(StateDir, "_clock_s", lambda _: next_week_s - 60)
        folder.sweep()
        assert old.exists()
        monkeypatch.setattr(StateDir, "_clock_s", lambda _: next_week_s + 60)
        folder.sweep()
        folder.close()
        assert [path.name for path in partials(tmp_path)] == sorted([young.name, "notes.txt"])
        assert (tmp_path / "old.jpg").exists()

    def test_what_this_run_left_is_seen_at_once(self, tmp_path: Path) -> None:
        """A photo that is taken up again goes on where it was left."""
        folder, path = Folder(tmp_path), tmp_path / "a.jpg"
        begin(folder, path)
        with folder.partial(path) as partial:
            assert partial.size == len(START)

    def test_what_another_run_left_is_seen_soon(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What another run leaves while this one goes on is resumed, a second later at most."""
        folder, path = Folder(tmp_path), tmp_path / "a.jpg"
        with folder.partial(path) as partial:
            assert partial.size == 0
        begin(Folder(tmp_path), path)
        later_s = time.monotonic() + 1.1
        monkeypatch.setattr(home_module, "time", SimpleNamespace(monotonic=lambda: later_s))
        with folder.partial(path) as partial:
            assert partial.size == len(START)

    def test_a_photo_whose_partial_was_swept_is_free(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who sweeps holds none of the photos that the partials were of: another process can fetch them at once."""
        folder = Folder(tmp_path)
        begin(folder, tmp_path / "a.jpg")
        monkeypatch.setattr(StateDir, "_clock_s", lambda _: time.time() + WEEK_S + 60)
        folder.sweep()
        assert [path.name for path in partials(tmp_path)] == ["lock"]
        with closing(Helper(OTHER_PROCESS, tmp_path)) as other:
            assert other("claim") == "OURS"

    def test_private_ones_go_with_the_last_that_leaves(self, tmp_path: Path) -> None:
        """What a dead process left that none can take up goes when a run leaves alone; the rest stays for the next."""
        folder = Folder(tmp_path)
        begin(folder, tmp_path / "b.jpg")
        (kept,) = partials(tmp_path)
        with closing(Helper(OTHER_PROCESS, tmp_path)) as other:
            other("claim")
            other("begin")
            with folder.claim(tmp_path / "b.jpg"):
                pass
            folder.close()
            assert {each.suffix for each in partials(tmp_path)} == {"", ".part", ".tmp"}
        with folder.claim(tmp_path / "b.jpg"):
            pass
        folder.close()
        assert partials(tmp_path) == [kept]

    def test_private_ones_of_a_process_without_locks_stay(self, tmp_path: Path) -> None:
        """A run that leaves does not take away what another, which has no locks, is just writing."""
        folder = Folder(tmp_path)
        with closing(Helper(OTHER_PROCESS, tmp_path)) as other:
            other("without locks")
            assert other("claim") == "NOBODYS"
            other("begin")
            with folder.claim(tmp_path / "b.jpg") as hold:
                assert hold is LockState.OURS
            folder.close()
            other("finish")
        assert (tmp_path / "a.jpg").read_bytes() == b"1234"

    def test_two_names_have_two_partials(self, tmp_path: Path) -> None:
        """The partials of one photo in two identifiers' folders are two."""
        folder = Folder(tmp_path, naming=Naming(BY_IDENTIFIER))
        for bib in ("7", "8"):
            begin(folder, folder.path_of(photo("a", bib)), bib.encode())
        assert sorted(path.read_bytes() for path in partials(tmp_path)) == [b"7", b"8"]


class TestRoot:
    """The folder itself."""

    def test_one_that_is_taken_away_is_not_made_again_before_the_rename(self, tmp_path: Path) -> None:
        """A DIR that vanishes while a photo arrives is an error, and stays away."""
        root = tmp_path / "root"
        root.mkdir()
        folder = Folder(root)
        with folder.partial(root / "x.jpg") as partial:
            partial.start(etag=ETAG, total=4)
            partial.write(START)
            shutil.rmtree(root)
            with pytest.raises(MachineError):
                partial.commit(modified_s=None)
        assert not root.exists()

    @pytest.mark.parametrize("was_there", [True, False])
    def test_one_that_is_taken_away_is_not_made_again(self, tmp_path: Path, was_there: bool) -> None:
        """A DIR that vanishes between two photos is an error, and stays away."""
        root = tmp_path / "root"
        if was_there:
            root.mkdir()
        folder = Folder(root)
        fetch(folder, root / "x.jpg", START)
        shutil.rmtree(root)
        with pytest.raises(MachineError):
            fetch(folder, root / "y.jpg", START)
        folder.close()
        assert not root.exists()
