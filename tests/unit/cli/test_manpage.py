"""Manual pages: valid, dateless, and with everything in them that the help has."""

import re
import shutil
from pathlib import Path

import pytest
import typer.main

from ninepic_cli import __version__, generate
from ninepic_cli.cli.app import app
from ninepic_cli.cli.manpage import mdoc, title
from ninepic_cli.cli.reference import ENVIRONMENT, EXITS, FILES, Example, Item, Page, Section, pages
from ninepic_cli.cli.topics import read_topics
from tests.support.command import completed, output_of

PAGES = {page.name: page for page in pages(typer.main.get_command(app))}
TOPICS = read_topics(generate.ROOT / "docs/topics")
WRITTEN = generate.files()
MANUAL = {name: WRITTEN[f"man/{title(name)}.1"] for name in PAGES}
MANDOC = shutil.which("mandoc")
needs_mandoc = pytest.mark.skipif(MANDOC is None, reason="mandoc is not installed")


def rendered(text: str, tmp_path: Path, *options: str) -> str:
    """What a reader sees of a page, blanks folded, without overstriking."""
    path = tmp_path / "page.1"
    path.write_text(text)
    return " ".join(re.sub(r".\x08", "", output_of(["mandoc", *options, path])).split())


# Pages that refer to each other are not installed here, and the footer has the program in place of a system.
USUAL = ("referenced manual not found", "operating system explicitly specified")


@needs_mandoc
def test_they_are_clean(tmp_path: Path) -> None:
    """No page has an error, a warning or a question of style."""
    for name, text in MANUAL.items():
        (tmp_path / f"{title(name)}.1").write_text(text)
    result = completed(["mandoc", "-T", "lint", *tmp_path.iterdir()])
    complaints = [line for line in (result.out + result.err).splitlines() if not any(usual in line for usual in USUAL)]
    assert complaints == []
    assert len(list(tmp_path.iterdir())) == len(PAGES)


@needs_mandoc
@pytest.mark.parametrize("name", sorted(PAGES))
def test_nothing_is_left_out(name: str, tmp_path: Path) -> None:
    """Every option, variable, file, exit status and example can be read on the page, and every line of its topics."""
    page = PAGES[name]
    shown = rendered(MANUAL[name], tmp_path, "-O", "width=1000")
    for section in (*page.sections, ENVIRONMENT, FILES, EXITS):
        for item in section.items:
            assert f"{', '.join(item.terms)} {item.value}".strip() in shown
            assert " ".join(item.text.split()) in shown
    for line in TOPICS.get(title(name), "").splitlines():
        words = re.sub(r"^(- .*?`): ", r"\1 ", line)  # a term and its text
        words = re.sub(r"^(#+|-) |^```\w*|`|\\(?=[<*])", "", words)
        assert " ".join(words.split()).lower() in shown.replace("`", "").lower()
    joined = shown.replace(" \\ ", " ")  # lines of shell are continued
    for example in page.examples:
        assert all(" ".join(line.split()) in joined for line in example.lines)
    for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "ENVIRONMENT", "FILES", "EXIT STATUS", "EXAMPLES", "SEE ALSO"):
        assert f".Sh {heading}\n" in MANUAL[name]


@needs_mandoc
@pytest.mark.parametrize("name", sorted(PAGES))
def test_it_fits_a_narrow_terminal(name: str, tmp_path: Path) -> None:
    """At 60 columns no line that can be broken is wider, those of shell and of JSON included."""
    path = tmp_path / "page.1"
    path.write_text(MANUAL[name])
    lines = re.sub(r".\x08", "", output_of(["mandoc", "-T", "utf8", "-O", "width=58", path])).splitlines()
    assert [line for line in lines if len(line) > 60 and " " in line.strip()] == []
    assert f"ninepic {__version__}" in lines[-1]


@needs_mandoc
def test_text_is_not_taken_for_markup(tmp_path: Path) -> None:
    """Backslashes, leading points and quotes, and words that are macros elsewhere come out as they went in."""
    words = r"Write C:\new\table. Fl is no flag here, nor is .Sh at a start."
    lines = (".PP is a line", "'quoted' too", r"printf '\n' --json")
    topics = (
        "## More\n\n### At a start\n\n.Sh `all` \\<x>\nhas `--json -` in `C:\\old`.\n\n```sh\n.code\n\n# is code\n```\n"
    )
    page = Page(
        "ninepic x",
        "Do it.",
        "[OPTIONS]",
        (words,),
        (Section("Options", (Item(("-x",), ".Dot first.", "Y"),)),),
        (Example("see .this", lines),),
    )
    shown = rendered(mdoc(page, topics, others=["ninepic"]), tmp_path, "-T", "ascii", "-O", "width=1000")
    for text in (words, *lines, ".Dot first."):
        assert text in shown
    assert r"MORE At a start .Sh `all` <x> has --json - in `C:\old`. .code # is code" in shown


def test_the_same_on_any_day() -> None:
    """No page has a date in it, each has the version in its footer, and refers to those right above and below it."""
    dated = re.compile(r"^\.Dd (?!\$Mdocdate\$)", re.MULTILINE)
    assert [name for name, text in MANUAL.items() if dated.search(text)] == []
    assert [name for name, text in MANUAL.items() if f"\n.Os ninepic {__version__}\n" not in text] == []
    assert re.findall(r"\.Xr (\S+) 1", MANUAL["ninepic config get"]) == ["ninepic-config"]
    assert "ninepic-bib" in re.findall(r"\.Xr (\S+) 1", MANUAL["ninepic"])
    assert "ninepic-config-get" not in re.findall(r"\.Xr (\S+) 1", MANUAL["ninepic"])
