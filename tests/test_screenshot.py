"""The README's picture of the bars, and the screen that it is drawn from."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.support import screenshot
from tests.support.screen import PLAIN, Run, Screen, Style


@pytest.fixture(scope="module")
def screen() -> Screen:
    """What the terminal shows."""
    return screenshot.capture()


def test_what_is_committed_is_what_the_terminal_shows(capsys: pytest.CaptureFixture[str]) -> None:
    """The picture in the repository is the one that the display draws now."""
    assert (screenshot.main(["--check"]), capsys.readouterr().err) == (0, "")


def test_the_screen_is_what_a_terminal_shows(screen: Screen) -> None:
    """What the picture is drawn from was also seen on a terminal made by others."""
    command, *bars = screen.lines
    seen = screenshot.ROOT / "tests/snapshots" / f"{screenshot.SCENE}.txt"
    assert (command, bars) == (f"$ {screenshot.COMMAND}", seen.read_text().splitlines())


def test_check_says_what_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A picture that is missing or stale costs the status, and the command that makes it anew is named."""
    path = tmp_path / screenshot.PICTURE
    path.parent.mkdir()
    advice = "run: python -m tests.support.screenshot\n"
    assert screenshot.main(["--check"], tmp_path) == 1
    assert capsys.readouterr().err == f"docs/bars.svg is missing\n{advice}"
    path.write_text("<svg/>")
    assert screenshot.main(["--check"], tmp_path) == 1
    assert capsys.readouterr().err == f"docs/bars.svg is stale\n{advice}"
    assert path.read_text() == "<svg/>"
    assert screenshot.main([], tmp_path) == screenshot.main(["--check"], tmp_path) == 0
    assert screenshot.main(["--chekc"], tmp_path) == 2
    assert capsys.readouterr().err == "usage: python -m tests.support.screenshot [--check]\n"


def test_the_picture_needs_nothing_else(screen: Screen) -> None:
    """It is well-formed, small, described in words, holds the whole text, and asks for no other file."""
    text = screenshot.svg(screen)
    root = ET.fromstring(text)  # noqa: S314 (what was written here)
    names = [element.tag.rpartition("}")[2] for element in root.iter()]
    assert set(names) == {"svg", "title", "desc", "rect", "circle", "g", "text"}
    assert text.count("http") == text.count('xmlns="http://www.w3.org/2000/svg"') == 1
    assert len(text) < 10_000
    words = " ".join(element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text"))
    assert words.split() == re.sub("[━─]", " ", "\n".join(screen.lines)).split()
    assert screen.lines[1].partition(",")[0] in (root.findtext("{http://www.w3.org/2000/svg}desc") or "")


def test_the_picture_shows_styles_and_places() -> None:
    """Each run of cells has its colour, weight and place; bars are lines; what is markup elsewhere is text here."""
    screen = Screen(20, 4)
    screen.write("$\r\n\x1b[1ma < b\x1b[0m   \x1b[33mc\x1b[0m\r\n\x1b[32m━━\x1b[0m\x1b[2m─\x1b[0m")
    shapes = [line for line in screenshot.svg(screen).splitlines() if re.match("<(text|rect) x=.[0-9]", line)]
    assert shapes == [
        '<text x="20" y="50" textLength="9">$</text>',
        '<text x="20" y="72" textLength="45" font-weight="bold">a &lt; b</text>',
        '<text x="92" y="72" textLength="9" fill="#e3b341">c</text>',
        '<rect x="20" y="87" width="18" height="4" fill="#3fb950"/>',
        '<rect x="38" y="88" width="9" height="2" fill-opacity=".6"/>',
    ]


def test_a_screen_holds_what_was_written_last() -> None:
    """Lines are written over, erased from the cursor on or whole, and the cursor's own codes leave no trace."""
    screen = Screen(6, 3)
    screen.write("\x1b[?25labcdef\r\nghi\r\x1b[2K\x1b[1A\x1b[2mxy\x1b[0;1;36mz\x1b[K\x1b[?25h")
    assert screen.lines == ["xyz"]
    assert list(screen.runs(0)) == [
        Run(0, "xy", Style(dim=True)),
        Run(2, "z", Style(colour=6, bold=True)),
        Run(3, "   ", PLAIN),
    ]


@pytest.mark.parametrize(
    "text", ["\x1b[2J", "\x1b[?1049h", "\x1b[38;5;1m", "\x1b[1K", "\t", "\x1b", "東", "seven", "\r\n\r\na"]
)
def test_a_screen_refuses_what_it_would_show_wrongly(text: str) -> None:
    """A control code that it does not know, a character of two cells and text outside are errors."""
    with pytest.raises(ValueError, match=r"cannot be shown|not known"):
        Screen(4, 2).write(text)
