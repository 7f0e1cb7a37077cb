"""A folder that others may write to: what they put there costs a private place, and never a photo or its bytes."""

import base64
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from ninepic_cli.filesystem.folder import Folder
from ninepic_cli.sandbox import Fault, Request, Sandbox, World
from tests.support.clock import until
from tests.support.command import NOBODY, Helper, Ninepic, Result, Start
from tests.support.files import whole

SIZE = 60_000
STRANGER = 65533
FOREIGN = b"\xff\xd8" + b"x" * (SIZE - 4) + b"\xff\xd9"

needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to make what belongs to others"
)


@pytest.fixture(params=["root", "user"])
def run(request: pytest.FixtureRequest, ninepic: Ninepic, shared: Path) -> Callable[..., Result]:
    """The command, as root or as a user whom permissions bind."""
    if request.param == "root":
        return ninepic
    return ninepic.as_another_user(shared)


def photos(count: int = 4) -> World:
    """Photos that no MD5 tells apart from other bytes of their length."""
    world = World.generate(photos=count, size=SIZE)
    for photo in world.photos.values():
        photo.etag = "multipart"
    return world


def partial_name(world: World, out: Path, image_id: str, *, name: str = "{}.jpg") -> str:
    """What the partial file of a photo is called."""
    scratch = out.with_name(f"{out.name}-scratch")
    scratch.mkdir()
    with Folder(scratch).partial(scratch / name.format(image_id)) as partial:
        partial.start(etag=world.etag(world.photos[image_id]), total=SIZE)
        partial.write(b"x")
    (found,) = (scratch / ".ninepic").iterdir()
    shutil.rmtree(scratch)
    return found.name


def give(path: Path, user: int = STRANGER) -> None:
    """Let somebody else have a file, a link or a folder."""
    os.chown(path, user, user, follow_symlinks=False)


def plant(path: Path, kind: str, outside: Path) -> None:
    """Put something there that is not a plain file."""
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(outside)
    else:
        path.hardlink_to(outside)


@needs_root
class TestPlanted:
    """What a stranger has put there beforehand."""

    @pytest.mark.parametrize("mode", [0o777, 0o700])
    @pytest.mark.parametrize("is_private_taken", [False, True])
    def test_a_folder_of_partials(
        self, run: Ninepic, sandbox: Start, shared: Path, mode: int, is_private_taken: bool
    ) -> None:
        """A stranger's .ninepic, or what looks like our private one, is left alone, whatever stands in it."""
        world = photos()
        box = sandbox(world)
        run.use(box.environment)
        names = [".ninepic", *([f".ninepic-{NOBODY}", ".ninepic-0"] if is_private_taken else [])]
        for name in names:
            home = shared / name
            home.mkdir()
            home.chmod(mode)
            for image_id in world.photos:
                planted = home / partial_name(world, shared / "x", image_id)
                planted.write_bytes(FOREIGN)
                planted.chmod(0o666)
                give(planted)
            give(home)
        before = {path: path.lstat().st_mtime_ns for path in shared.rglob(".ninepic*/*")}
        result = run("bib", "1234", "-o", shared)
        assert result.status == 0, result.err
        assert whole(world, shared) == set(world.photos)
        assert {path: path.lstat().st_mtime_ns for path in shared.rglob(".ninepic*/*")} == before
        assert sorted(path.name for path in shared.glob(".*")) == sorted(names)

    def test_a_link_to_somewhere_else(self, run: Ninepic, sandbox: Start, shared: Path) -> None:
        """A stranger's link in place of .ninepic is not followed."""
        world = photos()
        run.use(sandbox(world).environment)
        elsewhere = shared / "elsewhere"
        elsewhere.mkdir(mode=0o777)
        elsewhere.chmod(0o777)
        (shared / ".ninepic").symlink_to(elsewhere)
        give(shared / ".ninepic")
        result = run("bib", "1234", "-o", shared)
        assert (result.status, list(elsewhere.iterdir())) == (0, []), result.err
        assert whole(world, shared) == set(world.photos)

    def test_partials(self, run: Ninepic, sandbox: Start, shared: Path) -> None:
        """A stranger's partial files in a good .ninepic are not taken up, swept or written to."""
        world = photos()
        run.use(sandbox(world).environment)
        home = shared / ".ninepic"
        home.mkdir()
        home.chmod(0o1777)
        planted = [home / partial_name(world, shared / "x", image_id) for image_id in world.photos]
        for path in planted:
            path.write_bytes(FOREIGN)
            path.chmod(0o666)
            give(path)
        result = run("bib", "1234", "-o", shared)
        assert result.status == 0, result.err
        assert whole(world, shared) == set(world.photos)
        assert [path.read_bytes() == FOREIGN for path in planted] == [True] * 4

    def test_a_partial_that_everybody_may_write(self, run: Ninepic, sandbox: Start, shared: Path) -> None:
        """A partial file that a stranger may write to is not trusted where he may not replace photos."""
        world = photos(1)
        (image_id,) = world.photos
        run.use(sandbox(world).environment)
        (shared / ".ninepic").mkdir()
        (shared / ".ninepic").chmod(0o1777)
        planted = shared / ".ninepic" / partial_name(world, shared / "x", image_id)
        planted.write_bytes(FOREIGN)
        planted.chmod(0o666)
        result = run("bib", "1234", "-o", shared)
        assert result.status == 0, result.err
        assert whole(world, shared) == set(world.photos)

    @pytest.mark.parametrize("mode", [0o666, 0o600])
    def test_a_lock_file(self, run: Ninepic, sandbox: Start, shared: Path, mode: int) -> None:
        """A stranger's lock file, every byte of which he may hold, is not used and holds nothing up."""
        world = photos()
        run.use(sandbox(world).environment)
        home = shared / ".ninepic"
        home.mkdir()
        home.chmod(0o1777)
        lock = home / "lock"
        lock.touch()
        lock.chmod(mode)
        give(lock)
        code = f"import fcntl, time; f = open({str(lock)!r}, 'r+'); fcntl.lockf(f, fcntl.LOCK_EX); print(1, flush=True)"
        with closing(Helper(f"{code}; time.sleep(60)")) as holder:
            holder.answer()
            result = run("bib", "1234", "-o", shared, timeout=30)
        assert result.status == 0, result.err
        assert whole(world, shared) == set(world.photos)
        assert [path.name for path in home.iterdir()] == ["lock"]

    def test_a_private_place_is_resumed_and_goes(self, run: Ninepic, sandbox: Start, shared: Path) -> None:
        """What a killed run left in a private place is taken up by the next; then the place goes."""
        world = World.generate(photos=1, size=400_000)
        box = sandbox(world, faults=[Fault(trickle_bps=200_000, nth=1)])
        run.use(box.environment)
        (shared / ".ninepic").mkdir()
        give(shared / ".ninepic")
        process = run.start("bib", "1234", "-o", shared)
        until(lambda: any(path.stat().st_size > 50_000 for path in shared.glob(".ninepic-*/*.part")))
        process.kill()
        process.wait()
        (place,) = shared.glob(".ninepic-*")
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        assert run("bib", "1234", "-o", shared).status == 0
        assert [request.status for request in box.requests_to("store")] == [200, 206]
        assert whole(world, shared) == set(world.photos)
        assert [path.name for path in shared.glob(".*")] == [".ninepic"]


@pytest.mark.parametrize("kind", ["fifo", "folder", "link", "second name"])
@pytest.mark.parametrize("what", ["partial", "lock"])
def test_what_is_no_plain_file(ninepic: Ninepic, sandbox: Start, tmp_path: Path, kind: str, what: str) -> None:
    """A FIFO, a folder, a link or a second name in place of a partial or of the lock costs nothing, and none hangs."""
    world = photos(2)
    box = sandbox(world)
    out, outside = tmp_path / "out", tmp_path / "outside"
    outside.write_bytes(b"precious")
    (out / ".ninepic").mkdir(parents=True)
    image_id = next(iter(world.photos))
    plant(out / ".ninepic" / ("lock" if what == "lock" else partial_name(world, out, image_id)), kind, outside)
    result = ninepic("bib", "1234", "-o", out, timeout=20)
    assert result.status == 0, result.err
    assert whole(world, out) == set(world.photos)
    assert outside.read_bytes() == b"precious"
    assert len(box.requests_to("store")) == 2


@pytest.mark.parametrize("etag", ['"a\r\nX-Evil: 1"', '"\x01"', '"é"', '"', "W/x", ""], ids=repr)
def test_an_etag_that_no_store_has_sent(ninepic: Ninepic, sandbox: Start, tmp_path: Path, etag: str) -> None:
    """A partial file whose name holds something that cannot be sent as an ETag is not taken up, and costs no photo."""
    world = photos(1)
    (image_id,) = world.photos
    box = sandbox(world)
    out = tmp_path / "out"
    key, _, rest = partial_name(world, out, image_id).partition(".")
    word = base64.urlsafe_b64encode(etag.encode()).decode().rstrip("=")
    (out / ".ninepic").mkdir(parents=True)
    (out / ".ninepic" / f"{key}.{rest.split('.')[0]}.{word}.part").write_bytes(FOREIGN[:1000])
    result = ninepic("bib", "1234", "-o", out)
    assert result.status == 0, result.err
    assert ["range" in request.headers for request in box.requests_to("store")] == [False]
    assert whole(world, out) == {image_id}


# What is put in a file's or a folder's place while a photo is on its way.

SWAP = """
import os
from ninepic_cli.filesystem.subfolder import Subfolder
proper, swaps = Subfolder.replace, []
def swapped(folder, source, name):
    if len(swaps) < {times}:
        swaps.append(source)
        os.rename(source, f"{{source}}.mine")
        source.write_bytes({foreign})
    proper(folder, source, name)
Subfolder.replace = swapped
"""
NO_DESCRIPTORS = """
import os
os.supports_dir_fd = set()
del os.O_NOFOLLOW
rename = os.replace
def replace(source, target, **_):
    source = os.path.realpath(source)
    assert source not in [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")], "open"
    rename(source, target)
os.replace = replace
"""


@pytest.mark.parametrize("system", ["", NO_DESCRIPTORS], ids=["descriptors", "none"])
@pytest.mark.parametrize("foreign", ["b'other bytes'", f"b'x' * {SIZE}"], ids=["shorter", "as long"])
def test_a_partial_that_is_swapped_before_the_rename(
    ninepic: Ninepic, sandbox: Start, tmp_path: Path, system: str, foreign: str
) -> None:
    """Another file in a partial's place, put there just before the rename, does not keep the photo's name."""
    world = photos(1)
    box = sandbox(world)
    hindered = ninepic.after(system + SWAP.format(times=1, foreign=foreign))
    result = hindered("bib", "1234", "-o", tmp_path / "out")
    assert result.status == 0, result.err
    assert whole(world, tmp_path / "out") == set(world.photos)
    assert len(box.requests_to("store")) == 2


def test_a_partial_that_is_swapped_every_time(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """A photo whose partial file is swapped whatever is done has failed; nothing foreign stands under its name."""
    sandbox(photos(1))
    hindered = ninepic.after(SWAP.format(times=99, foreign="b'other bytes'"))
    result = hindered("bib", "1234", "-o", tmp_path / "out", "--retries", 0)
    assert (result.status, "was replaced by another process" in result.err) == (5, True), result.err
    assert list((tmp_path / "out").glob("*.jpg")) == []


def test_another_runs_photo_is_not_taken_for_foreign(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """Where the same bytes have got the name, as from another run or a file system that renumbers, all is well."""
    world = photos(1)
    (image_id,) = world.photos
    box = sandbox(world)
    hindered = ninepic.after(SWAP.format(times=99, foreign="open(f'{source}.mine', 'rb').read()"))
    result = hindered("bib", "1234", "-o", tmp_path / "out")
    assert (result.status, len(box.requests_to("store"))) == (0, 1), result.err
    assert whole(world, tmp_path / "out") == {image_id}


def _grow(folder: Path) -> None:
    """Add a byte to each partial file in a folder."""
    for path in folder.glob(".ninepic/*.part"):
        with suppress(FileNotFoundError), path.open("ab") as file:
            file.write(b"x")


def test_a_partial_that_somebody_writes_to(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """A photo whose partial file was written to by something else is fetched anew, whatever the store tells of it."""
    world = photos(1)
    box = sandbox(world, faults=[Fault(trickle_bps=60_000, nth=1)])
    out = tmp_path / "out"
    process = ninepic.start("bib", "1234", "-o", out)
    until(lambda: any(path.stat().st_size > 1000 for path in out.glob(".ninepic/*.part")))
    _grow(out)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert whole(world, out) == set(world.photos)
    assert len(box.requests_to("store")) == 2


@pytest.mark.parametrize("system", ["", NO_DESCRIPTORS], ids=["descriptors", "none"])
@pytest.mark.parametrize("is_there", [False, True])
def test_a_folder_that_becomes_a_link(
    ninepic: Ninepic, sandbox: Start, tmp_path: Path, system: str, is_there: bool
) -> None:
    """A bib's folder that becomes a link while its photo is on its way is not written through: the photo has failed."""
    out, outside = tmp_path / "out", tmp_path / "outside"
    outside.mkdir()
    if is_there:
        (out / "1234").mkdir(parents=True)

    def swap(_: Request) -> None:
        out.mkdir(exist_ok=True)
        with suppress(OSError):
            (out / "1234").rmdir()
        with suppress(OSError):
            (out / "1234").symlink_to(outside)

    world = photos(2)
    world.bibs["7"] = list(world.photos)
    sandbox(world, faults=[Fault(action=swap)])
    hindered = ninepic.after(system) if system else ninepic
    result = hindered("bib", "1234", "7", "-o", out, "--name", "{identifier}/{filename}", "-j", 1)
    assert (result.status, "refusing to write through it" in result.err) == (7, True), result.err
    assert list(outside.iterdir()) == []
    assert whole(world, out / "7") == set(world.photos)  # and the others' go on


@pytest.mark.parametrize("system", ["", NO_DESCRIPTORS], ids=["descriptors", "none"])
def test_a_system_without_folder_descriptors(ninepic: Ninepic, sandbox: Start, tmp_path: Path, system: str) -> None:
    """Photos arrive, are resumed and replaced, whether or not the system has descriptors for folders."""
    world = World.generate(photos=5, size=SIZE)
    box = sandbox(world, faults=[Fault(nth=1, cut_after=0.5)])
    command = ninepic.after(system) if system else ninepic
    for existing in ("skip", "overwrite"):
        result = command("bib", "1234", "-o", tmp_path, "--name", "{identifier}/{filename}", "--existing", existing)
        assert result.status == 0, result.err
        assert whole(world, tmp_path / "1234") == set(world.photos)
    assert [request.status for request in box.requests_to("store")].count(206) == 1
    assert not (tmp_path / ".ninepic").exists()


# Root.


@needs_root
def test_root_gives_what_it_makes_to_the_folders_owner(ninepic: Ninepic, sandbox: Start, shared: Path) -> None:
    """Photos, folders and partial files of a run as root belong to DIR's owner, whose next run goes on."""
    world = World.generate(photos=3, size=400_000)
    box = sandbox(world)
    out = shared / "out"
    out.mkdir(mode=0o755)
    give(out, NOBODY)
    user = ninepic.as_another_user(shared)
    name = ("--name", "{identifier}/{filename}")
    world.bibs["7"] = list(world.photos)[:1]
    assert ninepic("bib", "7", "-o", out, *name).status == 0
    box.faults = [Fault(trickle_bps=200_000)]
    process = ninepic.start("bib", "1234", "-o", out, *name)
    until(lambda: sum(path.stat().st_size > 50_000 for path in out.glob(".ninepic/*.part")) == 3)
    process.kill()
    process.wait()
    assert {path.lstat().st_uid for path in out.rglob("*")} == {NOBODY}
    assert {path.lstat().st_gid for path in out.rglob("*")} == {NOBODY}
    box.faults = []
    result = user("bib", "1234", "-o", out, *name)
    assert result.status == 0, result.err
    assert [request.status for request in box.requests_to("store")[-3:]] == [206] * 3
    assert whole(world, out / "1234") == set(world.photos)
    assert not (out / ".ninepic").exists()


@needs_root
@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_what_another_root_has_left(ninepic: Ninepic, sandbox: Start, shared: Path, mode: int) -> None:
    """A .ninepic of root's that its user may not write to costs a private place, and no photo."""
    world = World.generate(photos=3, size=SIZE)
    sandbox(world)
    out = shared / "out"
    (out / ".ninepic").mkdir(parents=True)
    (out / ".ninepic").chmod(mode)
    give(out, NOBODY)
    result = ninepic.as_another_user(shared)("bib", "1234", "-o", out)
    assert result.status == 0, result.err
    assert whole(world, out) == set(world.photos)
    assert [path.name for path in out.glob(".*")] == [".ninepic"]


@needs_root
def test_a_strangers_photo_under_the_name(ninepic: Ninepic, sandbox: Start, shared: Path) -> None:
    """A stranger's file that may not be replaced costs its own photo and no other."""
    world = World.generate(photos=3, size=SIZE)
    sandbox(world)
    first = next(iter(world.photos))
    (shared / f"{first}.jpg").write_bytes(b"")
    give(shared / f"{first}.jpg")
    result = ninepic.as_another_user(shared)("bib", "1234", "-o", shared, "-j", 1, "--json")
    assert result.status == 7, result.err
    assert [line["image_id"] for line in result.photos("failed")] == [first]
    assert len(result.photos("downloaded")) == 2


# What nobody has touched for a week.

A_MONTH_AHEAD = "import time; now = time.time; time.time = lambda: now() + 30 * 86400"
ALL_CLOCKS_AHEAD = f"""{A_MONTH_AHEAD}
from ninepic_cli.filesystem.state_dir import StateDir
now_s = StateDir._clock_s
StateDir._clock_s = lambda state_dir: now_s(state_dir) + 30 * 86400
"""


def leave(box: Sandbox, out: Path, image_id: str) -> Path:
    """Leave half of a photo, as a run does that is cut short."""
    photo = box.world.photos[image_id]
    with Folder(out).partial(out / f"{image_id}.jpg") as partial:
        partial.start(etag=box.world.etag(photo), total=photo.size)
        partial.write(box.world.photo_bytes(image_id)[: photo.size // 2])
    return next(path for path in (out / ".ninepic").glob("*.part") if path.stat().st_mtime_ns)


def test_a_clock_that_is_wrong(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """The age of what is left is told by the file system's own clock: a run in the wrong month sweeps nothing."""
    world = World.generate(photos=2, size=SIZE)
    box = sandbox(world)
    world.bibs["7"] = list(world.photos)[:1]
    left = leave(box, tmp_path / "out", list(world.photos)[1])
    assert ninepic.after(A_MONTH_AHEAD)("bib", "7", "-o", tmp_path / "out").status == 0
    assert left.stat().st_size == SIZE // 2


@pytest.mark.parametrize("ending", [".part", ".tmp"])
def test_what_is_held_is_not_swept(ninepic: Ninepic, sandbox: Start, tmp_path: Path, ending: str) -> None:
    """Partial files of a photo that another run is fetching are not swept, however old they look; others are."""
    world = World.generate(photos=3, size=SIZE)
    box = sandbox(world)
    ids = list(world.photos)
    world.bibs["7"] = ids[:1]
    out = tmp_path / "out"
    folder = Folder(out)
    leave(box, out, ids[2])
    with folder.claim(out / f"{ids[1]}.jpg"), folder.partial(out / f"{ids[1]}.jpg") as partial:
        partial.start(etag='"mine"' if ending == ".part" else None, total=10)
        partial.write(b"01234")
        result = ninepic.after(ALL_CLOCKS_AHEAD)("bib", "7", "-o", out)
        assert result.status == 0, result.err
        left = [path for path in (out / ".ninepic").iterdir() if path.name != "lock"]
        assert [(path.suffix, path.read_bytes()) for path in left] == [(ending, b"01234")]
    folder.close()


@needs_root
def test_what_may_not_be_swept(ninepic: Ninepic, sandbox: Start, shared: Path) -> None:
    """Old partial files of others that may not be removed are no error."""
    world = World.generate(photos=1, size=SIZE)
    sandbox(world)
    (shared / ".ninepic").mkdir()
    (shared / ".ninepic").chmod(0o1777)
    (shared / ".ninepic" / "x.part").touch()
    hindered = ninepic.after(ALL_CLOCKS_AHEAD).as_another_user(shared)
    result = hindered("bib", "1234", "-o", shared)
    assert result.status == 0, result.err
    assert (shared / ".ninepic" / "x.part").exists()


# The same folder by another name.


def test_a_relative_folder_is_the_same_folder(ninepic: Ninepic, sandbox: Start) -> None:
    """What a run with a relative -o left is resumed by one with an absolute one, and they share the work."""
    world = World.generate(photos=12, size=SIZE)
    box = sandbox(world, faults=[Fault(trickle_bps=60_000)])
    out = ninepic.home / "photos"
    first = ninepic.start("bib", "1234", "-o", "photos")
    until(lambda: sum(path.stat().st_size > 10_000 for path in out.glob(".ninepic/*.part")) >= 4)
    first.kill()
    first.wait()
    left = sum(path.stat().st_size > 0 for path in out.glob(".ninepic/*.part"))
    to_do, begun = 12 - len(whole(world, out)), len(box.requests_to("store"))
    box.faults = [Fault(trickle_bps=300_000)]
    runs = [ninepic.start("bib", "1234", "-o", folder) for folder in ("photos", out, "./photos/")]
    ends = [(run.communicate(timeout=60)[1], run.returncode) for run in runs]
    assert [status for _, status in ends] == [0] * 3, ends
    statuses = [request.status for request in box.requests_to("store")[begun:]]
    assert (statuses.count(206), len(statuses)) == (left, to_do)
    assert whole(world, out) == set(world.photos)
