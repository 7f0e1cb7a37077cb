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
        ("bibb 12", "there is no command bibb", "did you mean ninepic bib?"),
        ("imagse", "there is no command imagse", "did you mean ninepic image"),
        ("config sett x", "there is no command sett", "ninepic config set or ninepic config unset?"),
        ("download", "there is no command download", "run: ninepic --help"),
        ("1234", "there is no command 1234", "for the photos of bib 1234: ninepic bib 1234"),
        (ID, f"there is no command {ID}", f"for a photo: ninepic image {ID}; for a face search: ninepic selfie {ID}"),
        ("bib 12 --evnt 3", "there is no option --evnt", "did you mean --event?"),
        ("bib 12 --nonsense", "there is no option --nonsense", "run: ninepic bib --help"),
        ("bib -12", "there is no option -1", "ninepic bib -- -12"),
        ("bib 7 --event", "--event needs a value", "run: ninepic bib --help"),
        ("image", "IMAGE_ID is missing", "run: ninepic image --help"),
        ("image a b", "image takes one id", "ninepic images a b"),
        ("bib 7 --retries x", "--retries: not a whole number", "run: ninepic bib --help"),
        (
            "bib 7 --timeout abc",
            "invalid --timeout 'abc': expected seconds or a time like 30s, 1.5m, 2h",
            "run: ninepic bib --help",
        ),
        ("ping --timeout 0", "invalid --timeout '0': must be between 0.1 s and 24 h", "run: ninepic ping --help"),
        ("bib 7 --give-up-after 1d", "invalid --give-up-after '1d': expected seconds", "run: ninepic bib --help"),
        ("bib 7 --retries 5000", "--retries: must be 1000 or less", "run: ninepic bib --help"),
        ("bib 7 --existing skp", "--existing skp is not one of: skip, verify, overwrite", "choose one"),
        ("bib", "no identifiers were given", "--from-file FILE"),
    ],
)
def test_what_was_meant(line: str, message: str, hint: str) -> None:
    """A wrong call says what is wrong in our words, and what would be right."""
    with pytest.raises(UsageError) as caught:
        call(line.split())
    assert caught.value.message.startswith(message)
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
