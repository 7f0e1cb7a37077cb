"""Calls that cannot be understood: what was meant is suggested."""

from pathlib import Path

import pytest

from ninepic_cli.cli.app import call
from ninepic_cli.errors import UsageError
from ninepic_cli.inputs.identifiers import advice, looks_like_bib, looks_like_id
from ninepic_cli.models import Method

ID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("bibb 12", "unknown command 'bibb'", "did you mean ninepic bib?"),
        ("imagse", "unknown command 'imagse'", "did you mean ninepic image"),
        ("config sett x", "unknown command 'sett'", "ninepic config set or ninepic config unset?"),
        ("download", "unknown command 'download'", "run: ninepic --help"),
        ("1234", "unknown command '1234'", "for the photos of bib 1234, run: ninepic bib 1234"),
        (
            ID,
            f"unknown command '{ID}'",
            f"for a photo, run: ninepic image {ID}; for a face search: ninepic selfie {ID}",
        ),
        ("bib 12 --evnt 3", "unknown option --evnt", "did you mean --event?"),
        ("bib 12 --nonsense", "unknown option --nonsense", "ninepic bib -- --nonsense; else run: ninepic bib --help"),
        ("bib -12", "unknown option -12", "if it is an identifier: ninepic bib -- -12"),
        (
            "bib --jobs-of-mine",
            "unknown option --jobs-of-mine",
            "did you mean --jobs? If it is an identifier: ninepic bib -- ",
        ),
        ("bib 7 --force", "unknown option --force", "use --existing overwrite"),
        ("bib 7 --overwrite", "unknown option --overwrite", "use --existing overwrite"),
        ("all --verify", "unknown option --verify", "use --existing verify"),
        ("demo --output-dir x", "unknown option --output-dir", "use --output"),
        ("ping --verify", "unknown option --verify", "run: ninepic ping --help"),
        ("--event 5 bib 1", "unknown option --event", "options follow the command: ninepic bib --event ..."),
        ("-e 5 bib 1", "unknown option -e", "options follow the command: ninepic bib -e ..."),
        ("--nonsense bib 1", "unknown option --nonsense", "run: ninepic --help"),
        ("bib 7 --json=true", "--json takes no value", "write only --json"),
        ("all 456", "unexpected argument '456'", "for event 456, run: ninepic all --event 456"),
        ("ping 4 5", "unexpected argument '4 5'", "run: ninepic ping --help"),
        ("ping acme", "unexpected argument 'acme'", "run: ninepic ping --help"),
        ("login", "unknown command 'login'", "run: ninepic config init"),
        ("init", "unknown command 'init'", "run: ninepic config init"),
        ("help bibb", "unknown command 'bibb'", "did you mean ninepic bib?"),
        ("bib 7 --event", "missing value for --event", "run: ninepic bib --help"),
        ("image", "missing IMAGE_ID", "run: ninepic image --help"),
        ("image a b", "image takes one image ID", "ninepic images a b"),
        ("bib 7 --retries x", "invalid --retries 'x': expected an integer", "run: ninepic bib --help"),
        (
            "bib 7 --timeout abc",
            "invalid --timeout 'abc': expected seconds or a time like 30s, 1.5m, 2h",
            "run: ninepic bib --help",
        ),
        ("ping --timeout 0", "invalid --timeout '0': must be between 0.1 s and 24 h", "run: ninepic ping --help"),
        (
            "bib 7 --give-up-after 1d",
            "invalid --give-up-after '1d': expected seconds or a time like 30s, 1.5m, 2h",
            "run: ninepic bib --help",
        ),
        ("bib 7 --retries 5000", "invalid --retries '5000': must be between 0 and 1000", "run: ninepic bib --help"),
        ("bib 7 --existing skp", "invalid --existing 'skp': must be one of skip, verify, overwrite", "omit"),
        ("bib", "no bibs given", "--from-file FILE"),
    ],
)
def test_what_was_meant(line: str, message: str, hint: str) -> None:
    """A wrong call says what is wrong in our words, and what would be right."""
    with pytest.raises(UsageError) as caught:
        call(line.split())
    assert caught.value.message == message
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize("name", ["bibs.txt", "START.CSV", "deep/ids.list"])
def test_a_list_given_as_an_identifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The name of a list that exists is not asked for as though it were a bib: --from-file was forgotten."""
    monkeypatch.chdir(tmp_path)
    Path("deep").mkdir()
    Path(name).touch()
    for command in ("bib", "images", "selfie"):
        with pytest.raises(UsageError) as caught:
            call([command, name])
        assert f"{name} is a file" in caught.value.message
        assert f"--from-file {name}" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("method", "identifier", "words"),
    [
        (Method.IMAGE, "1234", "try ninepic bib 1234"),
        (Method.IMAGES, "A12", "try ninepic bib A12"),
        (Method.SELFIE, "0042", "try ninepic bib 0042"),
        (Method.BIB, ID, f"ninepic image {ID}, or ninepic selfie {ID}"),
        (Method.BIB, "1234", None),
        (Method.IMAGE, ID, None),
        (Method.IMAGE, "IMG_0001", None),
        (Method.BIB, "12 B", None),
    ],
)
def test_another_kind_of_identifier(method: Method, identifier: str, words: str | None) -> None:
    """What the service does not know and looks like something else is told where it would be right."""
    told = advice(method, identifier)
    assert (told is None) if words is None else (words in str(told))


def test_the_two_kinds_are_told_apart() -> None:
    """Nothing looks like both a bib and an id; odd letters in an id do not matter."""
    assert (looks_like_bib("7"), looks_like_id("7")) == (True, False)
    assert (looks_like_bib(ID), looks_like_id(ID)) == (False, True)
    assert looks_like_id("zz4e28ba-2fa1-11d2-883f-0016d3cca427")
