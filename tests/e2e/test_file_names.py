"""Names on the disk: UTF-8 in every locale, and what becomes of one that the file system refuses."""

import json
import os
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ninepic_cli.filesystem.filenames import folder_name, photo_name
from ninepic_cli.sandbox import Fault, StoredPhoto, World
from tests.support.command import Ninepic, Start, completed
from tests.support.system_calls import compiled

Environment = dict[str, Any]

UTF_8: Environment = {"LC_ALL": "C.UTF-8"}
HINT = "--name '{image_id}{ext}'"
NAMES = ["Müller.jpg", "写真.jpg", "plain.jpg", "œuvre 🏃.jpg"]
BIB = "Läufer 7"

# Refuses names as some file systems do: `errno` for those with bytes above 127 (or of more than LONGEST bytes).
REFUSES = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

static int is_refused(const char *path) {
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    if (LONGEST) return strlen(name) > LONGEST;
    for (; *name; name++) if ((unsigned char)*name > 127) return 1;
    return 0;
}
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define REFUSE(path) if (is_refused(path)) { errno = ERRNO; return -1; }

int rename(const char *old, const char *new) { REFUSE(new) return REAL(rename)(old, new); }
int renameat(int a, const char *old, int b, const char *new) { REFUSE(new) return REAL(renameat)(a, old, b, new); }
int link(const char *old, const char *new) { REFUSE(new) return REAL(link)(old, new); }
int mkdir(const char *path, mode_t mode) { REFUSE(path) return REAL(mkdir)(path, mode); }
int mkdirat(int at, const char *path, mode_t mode) { REFUSE(path) return REAL(mkdirat)(at, path, mode); }
#define OPEN(name, before, given) \\
    int name before { mode_t mode = 0; va_list rest; va_start(rest, flags); \\
        if (flags & (O_CREAT | O_TMPFILE)) mode = va_arg(rest, mode_t); va_end(rest); \\
        if (LONGEST || flags & O_CREAT) REFUSE(path) return REAL(name) given; }
OPEN(open, (const char *path, int flags, ...), (path, flags, mode))
OPEN(open64, (const char *path, int flags, ...), (path, flags, mode))
OPEN(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode))
OPEN(openat64, (int at, const char *path, int flags, ...), (at, path, flags, mode))
"""


def refusing(folder: Path, errno: str, longest: int = 0) -> Environment:
    """The environment of a command whose file system refuses some names."""
    return compiled(folder, f"#define ERRNO {errno}\n#define LONGEST {longest}\n{REFUSES}")


@pytest.fixture(params=["en_US.ISO-8859-1", "C"])
def locale(request: pytest.FixtureRequest, tmp_path: Path) -> Environment:
    """An environment whose locale is not UTF-8."""
    if sys.platform == "darwin" or os.name != "posix":
        pytest.skip("names are UTF-8 here whatever the locale")
    if request.param == "C":
        return {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    (tmp_path / "locales").mkdir()
    words = ["localedef", "-i", "en_US", "-f", "ISO-8859-1", tmp_path / "locales" / request.param]
    if not shutil.which("localedef") or completed(words).status:
        pytest.skip("needs localedef, and what locales are made of")
    environment: Environment = {"LC_ALL": request.param, "LOCPATH": str(tmp_path / "locales"), "PYTHONUTF8": "0"}
    probe = [sys.executable, "-c", "import sys; print(sys.getfilesystemencoding())"]
    if completed(probe, env=environment).out.strip() == "utf-8":
        pytest.skip("this Python does not take the locale")
    return environment


def named(names: list[str] = NAMES) -> World:
    """Photos with such suggestions, of one bib."""
    photos = {f"p{number}": StoredPhoto(f"p{number}", 4000, name) for number, name in enumerate(names)}
    return World(photos=photos, bibs={BIB: list(photos), "8": list(photos)[:1]})


def below(folder: Path | bytes) -> dict[bytes, int]:
    """All files below a folder: the bytes of their paths below it, and their inodes."""
    root = os.fsencode(folder)
    files = [place + b"/" + name for place, _, names in os.walk(root) for name in names]
    return {os.path.relpath(file, root): os.lstat(file).st_ino for file in files}


class TestLocale:
    """A locale that is not UTF-8."""

    def test_one_photo_is_one_file_in_every_locale(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, locale: Environment
    ) -> None:
        """Names are UTF-8 on the disk whatever the locale, and JSON lines tell them as text."""
        box = sandbox(named())
        call = ("bib", BIB, "8", "-o", tmp_path / "out", "--name", "ü{identifier}/{filename}", "--json")
        first = ninepic(*call, **locale)
        assert first.status == 0, first.err
        files = below(tmp_path / "out")
        assert len(files) == 5
        assert {Path(path.decode()).parts[0] for path in files} == {f"ü{folder_name(BIB)}", "ü8"}
        lines = first.photos("downloaded")
        assert {os.path.relpath(line["path"], tmp_path / "out").encode() for line in lines} == files.keys()
        assert {line["filename"] for line in lines} == {Path(path.decode()).name for path in files}
        assert {line["identifier"] for line in first.json if line["type"] == "identifier"} == {BIB, "8"}
        box.requests.clear()
        again = ninepic(*call, **UTF_8)
        assert (again.status, len(again.photos("skipped"))) == (0, 5)
        assert (box.requests_to("store"), below(tmp_path / "out")) == ([], files)
        box.requests.clear()
        assert len(ninepic(*call, **locale).photos("skipped")) == 5

    def test_what_is_told_is_text(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, locale: Environment) -> None:
        """A dry run's paths and the list of what failed are UTF-8; a message escapes what the terminal cannot show."""
        call = ("bib", BIB, "-o", tmp_path / "Fötos", "--failed-to", tmp_path / "löst.txt")
        box = sandbox(named())
        planned = ninepic(*call[:4], "--dry-run", **locale)
        paths = {os.path.relpath(line, tmp_path / "Fötos") for line in planned.out.splitlines()}
        assert paths == {photo_name(image_id=f"p{n}", filename=name, extension="") for n, name in enumerate(NAMES)}
        box.faults = [Fault(status=403)]
        failed = ninepic(*call, "--retries", "0", **locale)
        assert failed.status == 5, failed.err
        assert (tmp_path / "löst.txt").read_text("utf-8") == f"{BIB}\n"
        assert "-> " in failed.err
        assert "F\\xf6tos" in failed.err or "F\ufffdtos" in failed.err, failed.err
        blocked = next(iter(paths))
        (tmp_path / "Fötos" / blocked).mkdir(parents=True)
        result = ninepic(*call, **locale)
        assert "is a directory; refusing to overwrite it" in result.err
        assert "\\udc" not in result.err

    @pytest.mark.slow
    @pytest.mark.parametrize("how", ["option", "variable", "file"])
    def test_the_user_s_own_folder_stays_as_it_is(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, locale: Environment, how: str
    ) -> None:
        """The folder for the photos has the bytes that were given, UTF-8 or not; the settings file's are UTF-8."""
        sandbox(named())
        folder = os.fsencode(tmp_path) + ("/Fötos".encode() if how == "file" else b"/F\xf6tos")
        given: Environment = {**locale}
        call: list[object] = ["bib", BIB, "--json"]
        if how == "option":
            call += ["-o", os.fsdecode(folder)]
        elif how == "variable":
            given["NINEPIC_OUTPUT"] = os.fsdecode(folder)
        else:
            (tmp_path / "ninepic.toml").write_text(f"output = {json.dumps(str(tmp_path / 'Fötos'))}", "utf-8")
            call += ["--config", tmp_path / "ninepic.toml"]
        result = ninepic(*call, **given)
        assert result.status == 0, result.err
        assert {name.decode() for name in below(folder)} == {
            photo_name(image_id=f"p{n}", filename=name, extension="") for n, name in enumerate(NAMES)
        }

    def test_zips(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, locale: Environment) -> None:
        """Entries of a ZIP are those of a run in a UTF-8 locale, and so is the name of a bib's own ZIP."""
        sandbox(named())
        assert ninepic("bib", BIB, "8", "--zip", tmp_path / "{identifier}.zip", **locale).status == 0
        assert ninepic("bib", BIB, "--zip", tmp_path / "other.zip", **UTF_8).status == 0
        entries = zipfile.ZipFile(tmp_path / f"{folder_name(BIB)}.zip").namelist()
        assert sorted(entries) == sorted(zipfile.ZipFile(tmp_path / "other.zip").namelist())

    def test_a_photo_begun_in_one_locale_is_resumed_in_another(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, locale: Environment
    ) -> None:
        """What a run in another locale has left of a photo is taken up."""
        box = sandbox(named(["写真.jpg"]), faults=[Fault(cut_after=0.5, nth=1), Fault(status=403, nth=2)])
        call = ("bib", BIB, "-o", tmp_path / "out", "--retries", "0")
        assert ninepic(*call, **locale).status == 5
        assert ninepic(*call, **UTF_8).status == 0
        assert [request.status for request in box.requests_to("store")] == [200, 403, 206]

    def test_a_folder_among_the_settings(self, ninepic: Ninepic, locale: Environment) -> None:
        """A folder that is set under the locale is the one that was named, under any other as well."""
        result = ninepic("config", "set", "output", "föö", **locale)
        assert result.status == 0, result.err
        assert [ninepic("config", "get", "output", **each).out for each in (locale, UTF_8)] == ["föö\n", "föö\n"]


@pytest.mark.parametrize("errno", ["EILSEQ", "EINVAL"])
@pytest.mark.parametrize("name", ["{filename}", "{identifier}/{image_id}{ext}"])
def test_a_name_that_is_refused_fails_alone(
    ninepic: Ninepic, sandbox: Start, tmp_path: Path, errno: str, name: str
) -> None:
    """A name that the file system refuses costs that photo, says why and what helps; the others arrive."""
    world = named(["a.jpg", "写真.jpg", "b.jpg"])
    world.bibs["9"] = ["p0", "p2"]
    sandbox(world)
    shim = refusing(tmp_path, errno)
    left = tmp_path / "left.txt"
    call = ("bib", BIB, "9", "--name", name, "-o", tmp_path / "out", "--failed-to", left, "--json")
    result = ninepic(*call, **shim)
    lost = {line["image_id"] for line in result.photos("failed")}
    assert lost == ({"p1"} if name == "{filename}" else {"p0", "p1", "p2"})
    assert result.status == 7, result.err
    assert len(result.photos("downloaded") + result.photos("skipped")) >= 2
    assert {line["code"] for line in result.photos("failed")} == {"name_refused"}
    assert "failed: p1: " in result.err
    assert "the file system refuses the name (" in result.err
    assert HINT in result.err
    assert left.read_text() == f"{BIB}\n"
    assert ninepic("bib", BIB, "9", "--name", "{image_id}{ext}", "-o", tmp_path / "out", **shim).status == 0


def test_names_that_are_too_long_for_an_encrypted_folder(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """Where names are 143 bytes at most, the longer ones fail alone, also on a second run, and the hint helps."""
    world = named(["x" * 200 + ".jpg", "short.jpg"])
    sandbox(world)
    shim = refusing(tmp_path, "ENAMETOOLONG", 143)
    for status in ("downloaded", "skipped"):
        result = ninepic("bib", BIB, "-o", tmp_path / "out", "--json", **shim)
        assert [line["image_id"] for line in result.photos(status)] == ["p1"]
        assert (result.status, HINT in result.err) == (7, True), result.err
    assert ninepic("bib", BIB, "--name", "{image_id}{ext}", "-o", tmp_path / "out", **shim).status == 0


def test_partials_in_an_encrypted_folder(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """An ETag that makes a partial's name longer than 143 bytes costs its resuming by the next run, not the photo."""
    world = named(["short.jpg"])
    etag = f'"{"e" * 90}"'
    fault = Fault(headers={"ETag": etag})
    sandbox(world, faults=[fault])
    result = ninepic("bib", BIB, "-o", tmp_path / "out", **refusing(tmp_path, "ENAMETOOLONG", 143))
    assert result.status == 0, result.err
    assert len(below(tmp_path / "out")) == 1


def test_the_command_refuses_a_width(ninepic: Ninepic, sandbox: Start) -> None:
    """The usage error comes before any request, and says how wide a field may be."""
    box = sandbox(named())
    result = ninepic("bib", "8", "--name", "{filename}{index:099999999999}")
    assert (result.status, "255" in result.err, box.requests) == (2, True, []), result.err


class TestQuery:
    """A suggestion that is the link's last part, query and all."""

    SIGNED = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=3600&X-Amz-Signature=5ec2e7"

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("suggestion", "name"),
        [
            (f"p0.jpg?{SIGNED}", "p0.jpg"),
            (f"IMG 1.JPG?{SIGNED}", photo_name(image_id="p0", filename="IMG 1.JPG", extension="")),
            (f"p0.jpg%3F{SIGNED.replace('=', '%3D')}", "p0.jpg"),
            (f"https://r2.example/imgs/p0.jpg?{SIGNED}", None),
            (f"?{SIGNED}", "p0.jpg"),
            (f"p0.jpg&{SIGNED}", "p0.jpg"),
            (f"p0.jpg#{SIGNED}", "p0.jpg"),
            (SIGNED, "p0.jpg"),
            (f"p0.jpg%253F{SIGNED.replace('=', '%253D')}", "p0.jpg"),
            (f"imgs%2Fp0.jpg%26{SIGNED}", None),
            ("who?.jpg", photo_name(image_id="p0", filename="who?.jpg", extension="")),
        ],
        ids=[
            *["id", "name", "encoded", "link", "nothing else"],
            *["ampersand", "fragment", "alone", "encoded twice", "encoded path", "no query"],
        ],
    )
    def test_it_is_cut(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, suggestion: str, name: str | None
    ) -> None:
        """A suggestion that holds the link's query is cut there: no part of a signature comes out anywhere."""
        sandbox(named([suggestion]))
        result = ninepic("bib", BIB, "-o", tmp_path / "out", "--json", "-v")
        assert result.status == 0, result.err
        (file,) = below(tmp_path / "out")
        assert file.decode() == name or name is None
        assert "5ec2e7" not in result.out + result.err + file.decode()
        assert "Amz" not in file.decode()
        assert file.endswith((b".jpg", b".JPG"))

    def test_also_of_a_photo_that_fails(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """The line of a photo that could not be fetched shows none of it either."""
        sandbox(named([f"p0.jpg?{self.SIGNED}"]), faults=[Fault(status=403)])
        result = ninepic("bib", BIB, "-o", tmp_path / "out", "--json", "-v")
        assert result.status == 5
        assert "5ec2e7" not in result.out + result.err
