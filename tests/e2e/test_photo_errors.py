"""The disk fails on a photo's way: that is exit 7 with the photo's name, and nothing that may be broken is kept."""

import errno
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli.filesystem.folder import Folder
from ninepic_cli.sandbox import Fault, StoredPhoto, World
from tests.support.command import Ninepic, Start
from tests.support.disks import mounted
from tests.support.files import whole
from tests.support.system_calls import compiled

# Fails system calls on files below a folder: FAIL is "call errno first last", counted from 1, BELOW the folder.
SHIM = r"""
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int seen;

static int fails(const char *call, int at, const char *path) {
    char name[32], link[64], full[8192] = "";
    int number, first, last;
    const char *below = getenv("BELOW"), *wanted = getenv("FAIL");
    if (!wanted || !below || sscanf(wanted, "%31s %d %d %d", name, &number, &first, &last) != 4 || strcmp(name, call))
        return 0;
    if (!path || path[0] != '/') {
        snprintf(link, sizeof link, at == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", at);
        ssize_t length = readlink(link, full, sizeof full - 1);
        full[length < 0 ? 0 : length] = 0;
        if (path) { strncat(full, "/", 2); strncat(full, path, 4000); }
    } else
        strncpy(full, path, sizeof full - 1);
    if (strncmp(full, below, strlen(below)) || full[strlen(below)] != '/') return 0;
    const char *kind = getenv("KIND");
    if (kind && !strstr(full, kind)) return 0;
    int turn = __atomic_add_fetch(&seen, 1, __ATOMIC_SEQ_CST);
    if (turn < first || turn > last) return 0;
    errno = number;
    return 1;
}

#define NEXT(type, name, ...) ((type (*)(__VA_ARGS__)) dlsym(RTLD_NEXT, name))
#define MODE mode_t mode = 0; va_list rest; va_start(rest, flags); mode = va_arg(rest, int); va_end(rest)
int open(const char *p, int flags, ...) {
    MODE; return fails("open", AT_FDCWD, p) ? -1 : NEXT(int, "open", const char *, int, ...)(p, flags, mode); }
int open64(const char *p, int flags, ...) {
    MODE; return fails("open", AT_FDCWD, p) ? -1 : NEXT(int, "open64", const char *, int, ...)(p, flags, mode); }
int openat(int d, const char *p, int flags, ...) {
    MODE; return fails("open", d, p) ? -1 : NEXT(int, "openat", int, const char *, int, ...)(d, p, flags, mode); }
int openat64(int d, const char *p, int flags, ...) {
    MODE; return fails("open", d, p) ? -1 : NEXT(int, "openat64", int, const char *, int, ...)(d, p, flags, mode); }
ssize_t write(int f, const void *b, size_t n) {
    return fails("write", f, 0) ? -1 : NEXT(ssize_t, "write", int, const void *, size_t)(f, b, n); }
ssize_t read(int f, void *b, size_t n) {
    return fails("read", f, 0) ? -1 : NEXT(ssize_t, "read", int, void *, size_t)(f, b, n); }
int ftruncate(int f, off_t n) { return fails("ftruncate", f, 0) ? -1 : NEXT(int, "ftruncate", int, off_t)(f, n); }
int ftruncate64(int f, off_t n) { return fails("ftruncate", f, 0) ? -1 : NEXT(int, "ftruncate64", int, off_t)(f, n); }
int fsync(int f) { return fails("fsync", f, 0) ? -1 : NEXT(int, "fsync", int)(f); }
int futimens(int f, const struct timespec t[2]) {
    return fails("utime", f, 0) ? -1 : NEXT(int, "futimens", int, const struct timespec *)(f, t); }
int utimensat(int d, const char *p, const struct timespec t[2], int flags) {
    return fails("utime", d, p) ? -1
        : NEXT(int, "utimensat", int, const char *, const struct timespec *, int)(d, p, t, flags); }
int mkdir(const char *p, mode_t m) {
    return fails("mkdir", AT_FDCWD, p) ? -1 : NEXT(int, "mkdir", const char *, mode_t)(p, m); }
int mkdirat(int d, const char *p, mode_t m) {
    return fails("mkdir", d, p) ? -1 : NEXT(int, "mkdirat", int, const char *, mode_t)(d, p, m); }
int rename(const char *p, const char *q) {
    return fails("rename", AT_FDCWD, q) ? -1 : NEXT(int, "rename", const char *, const char *)(p, q); }
int renameat(int d, const char *p, int e, const char *q) {
    return fails("rename", e, q) ? -1 : NEXT(int, "renameat", int, const char *, int, const char *)(d, p, e, q); }
int close(int f) {
    int failing = fails("close", f, 0), number = errno;
    int done = NEXT(int, "close", int)(f);
    if (failing) { errno = number; return -1; }
    return done; }
int lstat(const char *p, struct stat *s) {
    return fails("lstat", AT_FDCWD, p) ? -1 : NEXT(int, "lstat", const char *, struct stat *)(p, s); }
int lstat64(const char *p, struct stat64 *s) {
    return fails("lstat", AT_FDCWD, p) ? -1 : NEXT(int, "lstat64", const char *, struct stat64 *)(p, s); }
int fstatat64(int d, const char *p, struct stat64 *s, int flags) {
    return fails(flags & AT_SYMLINK_NOFOLLOW ? "lstat" : "stat", d, p) ? -1
        : NEXT(int, "fstatat64", int, const char *, struct stat64 *, int)(d, p, s, flags); }
DIR *opendir(const char *p) { return fails("scandir", AT_FDCWD, p) ? 0 : NEXT(DIR *, "opendir", const char *)(p); }
"""

EVERY = f"1 {1 << 30}"
BIBS = ("--name", "{identifier}/{filename}")


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The environment that loads the shim."""
    return compiled(tmp_path_factory.mktemp("shim"), SHIM)


def failing(shim: Mapping[str, str], call: str, number: int, out: Path, *, which: str = EVERY) -> dict[str, Any]:
    """The environment in which a call fails on what is below a folder."""
    return {**shim, "FAIL": f"{call} {number} {which}", "BELOW": str(out)}


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOSPC], ids=errno.errorcode.get)
@pytest.mark.parametrize(
    "call", ["open", "write", "ftruncate", "read", "fsync", "utime", "mkdir", "rename", "close", "lstat", "scandir"]
)
def test_any_call_that_fails(
    ninepic: Ninepic, sandbox: Start, tmp_path: Path, shim: Mapping[str, str], call: str, number: int
) -> None:
    """An error of the disk at any step of a photo's way is exit 7 and names the photo, or does no harm."""
    world = World.generate(photos=1, size=60_000)
    (image_id,) = world.photos
    sandbox(world)
    out = tmp_path / "out"
    with Folder(out).partial(out / "1234" / f"{image_id}.jpg") as partial:
        partial.start(etag=world.etag(world.photos[image_id]), total=60_000)
        partial.write(world.photo_bytes(image_id)[: 60_000 if call == "ftruncate" else 30_000])

    result = ninepic("bib", "1234", "-o", out, *BIBS, **failing(shim, call, number, out))
    assert "internal error" not in result.err
    assert "standard output" not in result.err
    is_harmless = call in {"utime", "scandir"}  # a time that cannot be set, and partial files that are not found
    assert result.status == (0 if is_harmless else 7), result.err
    assert is_harmless or f"{image_id}.jpg" in result.err
    assert whole(world, out) == ({image_id} if is_harmless else set())


@pytest.mark.parametrize("call", ["fsync", "close"])
def test_a_flush_that_fails_once(
    ninepic: Ninepic, sandbox: Start, tmp_path: Path, shim: Mapping[str, str], call: str
) -> None:
    """Bytes of which nobody knows whether they reached the disk are not trusted: the next run fetches them all anew."""
    world = World.generate(photos=1, size=60_000)
    box = sandbox(world)
    out = tmp_path / "out"
    environment = {**failing(shim, call, errno.EIO, out, which="1 1"), "KIND": ".part"}
    result = ninepic("bib", "1234", "-o", out, **environment)
    assert (result.status, "input/output error" in result.err) == (7, True), result.err
    assert list(out.rglob("*.part")) == []
    del box.requests[:]
    assert ninepic("bib", "1234", "-o", out).status == 0
    assert ["range" in request.headers for request in box.requests_to("store")] == [False]
    assert whole(world, out) == set(world.photos)


def test_a_close_that_fails_on_what_is_left(
    ninepic: Ninepic, sandbox: Start, tmp_path: Path, shim: Mapping[str, str]
) -> None:
    """A partial file whose end is told at its closing to be lost is not left for the next run."""
    world = World.generate(photos=1, size=60_000)
    box = sandbox(world, faults=[Fault(nth=1, cut_after=0.5), Fault(nth=range(2, 9), status=403)])
    out = tmp_path / "out"
    environment = {**failing(shim, "close", errno.ENOSPC, out, which="1 1"), "KIND": ".part"}
    result = ninepic("bib", "1234", "-o", out, "--retries", 0, **environment)
    assert (result.status, "disk full" in result.err) == (7, True), result.err
    box.faults = []
    del box.requests[:]
    assert ninepic("bib", "1234", "-o", out).status == 0
    assert ["range" in request.headers for request in box.requests_to("store")] == [False]


@pytest.mark.parametrize("call", ["open", "write", "fsync", "rename", "close"])
@pytest.mark.parametrize("name", ["photos.zip", "{identifier}.zip"])
def test_any_call_that_fails_for_a_zip(
    ninepic: Ninepic, sandbox: Start, tmp_path: Path, shim: Mapping[str, str], call: str, name: str
) -> None:
    """An error of the disk where a ZIP is made is exit 7 and names the ZIP, its folder or the photo; no ZIP is left."""
    world = World.generate(photos=1, size=60_000)
    sandbox(world)
    out = tmp_path / "out"
    out.mkdir()
    result = ninepic("bib", "1234", "--zip", out / name, **failing(shim, call, errno.EIO, out))
    assert (result.status, "internal error" in result.err) == (7, False), result.err
    assert any(each in result.err for each in (*world.photos, ".zip", str(out))), result.err
    assert list(out.rglob("*.zip")) == []


# Folders on another file system.


@pytest.mark.parametrize("name", ["{filename}", "{identifier}/{filename}"])
def test_a_rename_that_crosses_file_systems(
    ninepic: Ninepic, sandbox: Start, tmp_path: Path, shim: Mapping[str, str], name: str
) -> None:
    """Where the partial file cannot be renamed to its place it is copied, with its time, and nothing is left."""
    world = World.generate(photos=3, size=60_000)
    sandbox(world)
    out = tmp_path / "out"
    result = ninepic(
        "bib", "1234", "-o", out, "--name", name, "-j", 1, **failing(shim, "rename", errno.EXDEV, out, which="1 1")
    )
    assert result.status == 0, result.err
    assert whole(world, out) == set(world.photos)
    assert {path.stat().st_mtime for path in out.rglob("*.jpg")} == {StoredPhoto("x").last_modified}
    assert list(out.rglob(".*")) == []
    assert len([path for path in out.rglob("*") if path.is_file()]) == 3


def test_a_copy_that_finds_no_room(ninepic: Ninepic, sandbox: Start, tmp_path: Path, shim: Mapping[str, str]) -> None:
    """A copy to another file system that cannot be made leaves nothing there, and the bytes where they were."""
    sandbox(World.generate(photos=1, size=60_000))
    out = tmp_path / "out"
    result = ninepic("bib", "1234", "-o", out, *BIBS, **failing(shim, "rename", errno.EXDEV, out))
    assert (result.status, "invalid cross-device link" in result.err) == (7, True), result.err
    assert list((out / "1234").iterdir()) == []
    assert [path.stat().st_size for path in (out / ".ninepic").glob("*.part")] == [60_000]


KILLED = """
import os, shutil
def copied(source, target, *_):
    target.write(source.read(1000))
    target.flush()
    os._exit(9)
shutil.copyfileobj = copied
"""


@pytest.mark.parametrize("name", ["{filename}", "{identifier}/{filename}"])
def test_a_copy_that_is_killed(
    ninepic: Ninepic, sandbox: Start, tmp_path: Path, shim: Mapping[str, str], name: str
) -> None:
    """Half a copy beside a photo's place, left by a run that was killed, goes when the next run brings the photo."""
    world = World.generate(photos=1, size=60_000)
    box = sandbox(world)
    out = tmp_path / "out"
    environment = failing(shim, "rename", errno.EXDEV, out, which="1 1")
    assert ninepic.after(KILLED)("bib", "1234", "-o", out, "--name", name, **environment).status == 9
    assert [path.stat().st_size for path in out.rglob(".ninepic-*")] == [1000]
    result = ninepic("bib", "1234", "-o", out, "--name", name, **environment)
    assert result.status == 0, result.err
    assert whole(world, out) == set(world.photos)
    assert list(out.rglob(".*")) == []
    assert [request.status for request in box.requests_to("store")] == [200, 206]


def test_folders_that_are_mounts(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """A bib's folder and the folder of partial files may be other disks than DIR."""
    world = World.generate(photos=3, size=60_000)
    world.bibs["7"] = world.bibs["1234"][:2]
    sandbox(world)
    out, disk = tmp_path / "mounted", ("-t", "tmpfs", "-o", "size=8m", "none")
    with mounted(out / "1234", *disk), mounted(out / ".ninepic", *disk):
        result = ninepic("bib", "1234", "7", "-o", out, *BIBS)
        assert result.status == 0, result.err
        assert whole(world, out / "1234") == set(world.photos)
        assert whole(world, out / "7") == set(world.bibs["7"])
        assert {path.stat().st_mtime for path in out.rglob("*.jpg")} == {StoredPhoto("x").last_modified}
        assert [path for path in out.rglob("*") if re.search(r"\.(tmp|part)$", path.name)] == []


def test_a_mount_that_fills_up_in_the_last_block(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """A copy for which there is room in part is an error and no photo, and is made once there is room."""
    world = World.generate(photos=1, size=200_000)
    box = sandbox(world)
    out = tmp_path / "out"
    with mounted(out / "1234", "-t", "tmpfs", "-o", "size=1m", "none"):
        filler = out / "1234" / "filler"
        filler.write_bytes(bytes((1 << 20) - 100_000))
        result = ninepic("bib", "1234", "-o", out, *BIBS)
        assert (result.status, "disk full" in result.err) == (7, True), result.err
        assert list((out / "1234").iterdir()) == [filler]
        filler.unlink()
        result = ninepic("bib", "1234", "-o", out, *BIBS)
        assert (result.status, whole(world, out / "1234")) == (0, set(world.photos)), result.err
    assert [request.status for request in box.requests_to("store")] == [200, 206]
