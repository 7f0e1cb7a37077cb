"""`ninepic demo` and `ninepic sandbox`."""

import re
import shlex
import signal
import sys
from pathlib import Path

import pytest

from tests.support.command import Ninepic

SCRIPT = "from ninepic_cli.__main__ import run\nrun()\n"  # what installers write


def exported(lines: list[str]) -> dict[str, str]:
    """The variables that shell lines export."""
    return dict(line.removeprefix("export ").strip().split("=", 1) for line in lines)


def test_demo_fetches_photos_without_an_account(ninepic: Ninepic) -> None:
    """The demo brings 47 photos into ./ninepic-demo, and then tells how to do it with an account."""
    done = ninepic("demo")
    photos = list((ninepic.home / "ninepic-demo").iterdir())
    assert done.status == 0
    assert len(photos) == 47
    assert all(photo.read_bytes()[:2] == b"\xff\xd8" for photo in photos)
    assert done.out == ""
    assert f"  {shlex.join(ninepic.command)} config init" in done.err


@pytest.mark.parametrize("form", [".venv/bin/ninepic", "./my bin/ninepic", "ninepic", "python3 -m ninepic_cli"])
@pytest.mark.parametrize("args", [[], ["demo", "--no-progress"]])
def test_the_next_step_works_where_it_is_read(ninepic: Ninepic, form: str, args: list[str]) -> None:
    """The calls that `ninepic` and `ninepic demo` name are written as the program was called, and work there."""
    installed = Path(sys.executable).with_name("ninepic")
    for folder in (".venv/bin", "my bin"):
        (ninepic.home / folder).mkdir(parents=True)
        (ninepic.home / folder / "ninepic").write_text(f"#!{installed.parent}/python\n{SCRIPT}")
        (ninepic.home / folder / "ninepic").chmod(0o755)
    path = f"{installed.parent}:/usr/bin:/bin" if " -m " in form or "/" not in form else "/usr/bin:/bin"
    done = ninepic.by(*([form] if " -m " not in form else form.split()))(*args, PATH=path)
    said = re.findall(r"  ((?:\S*python3|'.*'|\S*ninepic)(?: -m ninepic_cli)?) config init", done.out + done.err)
    assert (done.status, said) == (0, [shlex.quote(form) if " -m " not in form else form]), done
    assert ninepic.by("sh", "-c", f"{said[0]} config path")(PATH=path).status == 0


def test_demo_takes_nobodys_settings(ninepic: Ninepic, tmp_path: Path) -> None:
    """The demo needs no proxy, no key and no settings file, even where they are there and wrong."""
    dead = "http://127.0.0.1:9"
    wrong = {"HTTP_PROXY": dead, "ALL_PROXY": "socks5://127.0.0.1:9", "NINEPIC_CONFIG": "/nowhere", "NINEPIC_JOBS": "x"}
    ninepic.use(wrong)
    done = ninepic("demo", "-o", tmp_path / "photos")
    assert done.status == 0, done.err
    assert len(list((tmp_path / "photos").iterdir())) == 47


def test_sandbox_serves_what_it_exports(ninepic: Ninepic, tmp_path: Path) -> None:
    """The variables that the sandbox prints are all that the commands need; a signal ends it by that signal."""
    process = ninepic.start("sandbox", "--photos", "3", "--size", "50000")
    assert process.stdout is not None
    assert process.stderr is not None
    variables = exported([process.stdout.readline() for _ in range(4)])
    assert set(variables) == {"NINEPIC_API_KEY", "NINEPIC_ORG_ID", "NINEPIC_EVENT_ID", "NINEPIC_BASE_URL"}
    known = [process.stderr.readline() for _ in range(3)]
    search = re.findall(r"[0-9a-f-]{36}", known[2])[0]
    ninepic.use(variables)
    done = ninepic("selfie", search, "--event", "456", "-o", tmp_path / "photos")
    assert done.status == 0, done.err
    assert [photo.stat().st_size for photo in (tmp_path / "photos").iterdir()] == [50000] * 3
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert process.returncode == -signal.SIGTERM


def test_sandbox_says_that_its_port_is_taken(ninepic: Ninepic) -> None:
    """A port in use is an error that says so, not a traceback."""
    first = ninepic.start("sandbox", "--photos", "1")
    assert first.stdout is not None
    port = exported([first.stdout.readline() for _ in range(4)])["NINEPIC_BASE_URL"].rpartition(":")[2]
    second = ninepic("sandbox", "--port", port)
    first.terminate()
    first.communicate(timeout=10)
    assert second.status == 7
    assert "in use" in second.err
    assert "Traceback" not in second.err


def test_sandbox_in_a_script(ninepic: Ninepic) -> None:
    """The lines of docs/sandbox.md work as written, in a shell without job control."""
    script = """
        $SANDBOX --photos 5 > sandbox.env 2> known &
        sandbox=$!
        for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
            test "$(wc -l < sandbox.env)" -eq 4 && break; sleep 0.25
        done
        . ./sandbox.env
        ninepic bib 1234 -o ./photos && ls photos | wc -l
        kill $sandbox
    """
    # The command itself in the background, and not the function that stands for it: its end is what `kill` is for.
    result = ninepic.in_shell(script, SANDBOX=shlex.join([*ninepic.command, "sandbox"]))
    assert result.out.split()[-1:] == ["5"], result.err
