"""Calls that have to be corrected: exit 2, what is wrong and what would be right, and nothing is made."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ninepic_cli.cli.main import main
from tests.support.command import Result
from tests.support.files import files_in

COMMANDS = ["bib", "selfie", "image", "images"]
NOWHERE = {"NINEPIC_API_KEY": "9pk_0123456789", "NINEPIC_ORG_ID": "1", "NINEPIC_BASE_URL": "http://127.0.0.1:9"}


def said(result: Result) -> list[str]:
    """What was said to people, line by line."""
    return result.err.splitlines()


@pytest.fixture(name="call")
def called_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Result]:
    """Runs the command in this process, which is quick, with settings that lead nowhere; for calls that end at once."""
    for name in [name for name in os.environ if name.startswith(("NINEPIC_", "XDG_"))]:
        monkeypatch.delenv(name)
    for name, value in {**NOWHERE, "HOME": str(tmp_path / "home")}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "home").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "home")

    def call(*args: object) -> Result:
        status = main([str(arg) for arg in args])
        return Result(int(status), *capsys.readouterr())

    return call


def is_one_error(result: Result) -> bool:
    """Whether standard error holds a short error and nothing else, and standard output nothing."""
    first, *rest = said(result)
    return first.startswith("ninepic: ") and "error: " in first and len(rest) <= 2 and result.out == ""


class TestUsage:
    """Calls that have to be corrected."""

    @pytest.mark.parametrize(
        ("args", "words"),
        [
            (["bib", "7", "--no-such-option"], ["--no-such-option"]),
            (["bib", "7", "--evnt", "3"], ["--evnt", "--event"]),
            (["imges", "7"], ["imges", "images"]),
            (["bib", "7"], ["event", "--event", "NINEPIC_EVENT_ID", "ninepic config init"]),
            (["bib", "7", "--event", "12x"], ["--event", "12x", "positive integer"]),
            (["bib", "7", "--event", "-5"], ["--event", "-5", "positive integer"]),
            (["bib", "7", "--event", ""], ["--event"]),
            (["bib", "7", "--event", "3", "--org", "acme"], ["--org", "acme", "positive integer"]),
            (["bib", "7", "--event", "3", "--jobs", "0"], ["--jobs", "0", "between 1 and 64"]),
            (["bib", "7", "--event", "3", "-j", "65"], ["--jobs", "65", "between 1 and 64"]),
            (["bib", "7", "--event", "3", "-j", "many"], ["--jobs", "many"]),
            (["bib", "7", "--event", "3", "--existing", "ask"], ["--existing", "ask", "skip", "verify", "overwrite"]),
            (["bib", "7", "--event", "3", "--name", "{nothing}"], ["--name", "{nothing}", "{filename}"]),
            (["bib", "7", "--event", "3", "--name", "../{filename}"], ["--name", "../{filename}"]),
            (["bib", "7", "--event", "3", "--retries", "x"], ["--retries"]),
            (["bib", "7", "--event", "3", "--timeout", "-1"], ["--timeout"]),
            (["bib", "7", "--event"], ["--event", "value"]),
            (["bib", "-123", "--event", "3"], ["-123", "ninepic bib -- -123"]),
            (["selfie", "-abc", "--event", "3"], ["-abc", "ninepic selfie -- -abc"]),
            (["image", "a", "b", "--event", "3"], ["b"]),
            (["bib", "", "--event", "3"], ["empty"]),
            (["bib", "--event", "3"], ["no bibs given", "--from-file"]),
            (["images", "--event", "3"], ["no image IDs given", "--from-file"]),
            (["bib", "7", "--event", "3", "--config", "no-such-file.toml"], ["no-such-file.toml"]),
        ],
        ids=" ".join,
    )
    def test_it_says_what_to_correct(
        self, call: Callable[..., Result], tmp_path: Path, args: list[str], words: list[str]
    ) -> None:
        """A wrong call is exit 2, names what is wrong and what would be right, and makes nothing."""
        result = call(*args)
        assert (result.status, is_one_error(result)) == (2, True), result.err
        assert [word for word in words if word not in result.err] == []
        assert list(files_in(tmp_path)) == []

    @pytest.mark.parametrize("command", COMMANDS)
    def test_no_identifier_is_an_error_that_can_be_read(self, call: Callable[..., Result], command: str) -> None:
        """A download command on its own is a usage error whose lines are those of a message, or of the help."""
        result = call(command)
        assert (result.status, result.out) == (2, "")
        assert "IMAGE_ID" in result.err if command == "image" else "--from-file" in result.err
        assert max(map(len, said(result))) < 200


class TestFromFile:
    """Identifiers from a file, a FIFO or standard input."""

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (None, ["ids.txt", "no such file"]),
            (b"folder", ["ids.txt", "is a directory"]),
            (b"7\n\xff\xd8\xff\xe0\0\x10JFIF", ["ids.txt, line 2", "not valid UTF-8"]),
            (b"7\r\n8\r\n1,2\n", ["ids.txt, line 3", "1,2", "CSV"]),
            (b"bib;name\n", ["ids.txt, line 1", "CSV"]),
            (b"7\n8\tRunner\n", ["ids.txt, line 2", "CSV"]),
            (b"7\n\x1b[2J\n", ["ids.txt, line 2", "control"]),
        ],
        ids=["missing", "folder", "jpeg", "comma", "semicolon", "tab", "escape"],
    )
    def test_what_is_no_list_is_refused_with_its_line(
        self, call: Callable[..., Result], tmp_path: Path, data: bytes | None, words: list[str]
    ) -> None:
        """A file that is missing, a folder, a picture or a table is a clear error before any request."""
        path = tmp_path / "ids.txt"
        if data == b"folder":
            path.mkdir()
        elif data is not None:
            path.write_bytes(data)
        result = call("images", "--from-file", path, "--event", "3")
        assert (result.status, is_one_error(result)) == (2, True), result.err
        assert [word for word in words if word not in result.err] == []
        assert "\x1b" not in result.err
