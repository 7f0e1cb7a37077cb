"""Manual pages: valid, dateless, and with everything in them that the help has."""

import re
import shutil
from pathlib import Path

import pytest
import typer.main

from ninepic_cli.cli.app import app
from ninepic_cli.cli.manpage import mdoc, title
from ninepic_cli.cli.reference import ENVIRONMENT, EXITS, FILES, Example, Item, Page, Section, pages
from ninepic_cli.cli.topics import topics
from tests.support.command import completed, output_of

PAGES = {page.name: page for page in pages(typer.main.get_command(app))}
MANDOC = shutil.which("mandoc")
needs_mandoc = pytest.mark.skipif(MANDOC is None, reason="mandoc is not installed")


def rendered(text: str, tmp_path: Path, *options: str) -> str:
    """What a reader sees of a page, blanks folded, without overstriking."""
    path = tmp_path / "page.1"
    path.write_text(text)
    return " ".join(re.sub(r".\x08", "", output_of(["mandoc", *options, path])).split())


@needs_mandoc
def test_they_are_clean(tmp_path: Path) -> None:
    """No page has an error, a warning or a question of style; pages that refer to each other are not installed here."""
    for page in PAGES.values():
        (tmp_path / f"{title(page.name)}.1").write_text(mdoc(page, others=list(PAGES)))
    result = completed(["mandoc", "-T", "lint", *tmp_path.iterdir()])
    complaints = [line for line in (result.out + result.err).splitlines() if "referenced manual not found" not in line]
    assert complaints == []
    assert len(list(tmp_path.iterdir())) == len(PAGES)


@needs_mandoc
@pytest.mark.parametrize("name", sorted(PAGES))
def test_nothing_is_left_out(name: str, tmp_path: Path) -> None:
    """Every option, variable, file, exit status and example can be read on the page."""
    page = PAGES[name]
    shown = rendered(mdoc(page, others=list(PAGES)), tmp_path, "-O", "width=1000")
    parts = [part for topic in topics(name) for part in topic.parts]
    for section in (*page.sections, *(part for part in parts if isinstance(part, Section)), ENVIRONMENT, FILES, EXITS):
        for item in section.items:
            assert f"{', '.join(item.terms)} {item.value}".strip() in shown
            assert " ".join(item.text.split()) in shown
    for part in parts:
        assert not isinstance(part, str) or part in shown
    for example in (*page.examples, *(part for part in parts if isinstance(part, Example))):
        assert all(" ".join(line.split()) in shown for line in example.lines)
    for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "ENVIRONMENT", "FILES", "EXIT STATUS", "EXAMPLES", "SEE ALSO"):
        assert f".Sh {heading}\n" in mdoc(page, others=list(PAGES))


@needs_mandoc
def test_text_is_not_taken_for_markup(tmp_path: Path) -> None:
    """Backslashes, leading points and quotes, and words that are macros elsewhere come out as they went in."""
    words = r"Write C:\new\table. Fl is no flag here, nor is .Sh at a start."
    lines = (".PP is a line", "'quoted' too", r"printf '\n' --json")
    page = Page(
        "ninepic x",
        "Do it.",
        "[OPTIONS]",
        (words,),
        (Section("Options", (Item(("-x",), "Y", ".Dot first."),)),),
        (Example("see .this", lines),),
        (),
    )
    shown = rendered(mdoc(page, others=["ninepic"]), tmp_path, "-T", "ascii", "-O", "width=1000")
    for text in (words, *lines, ".Dot first."):
        assert text in shown


def test_the_same_on_any_day() -> None:
    """No page has a date or a version in it, and each refers to those right above and below it only."""
    texts = {name: mdoc(page, others=list(PAGES)) for name, page in PAGES.items()}
    dated = re.compile(r"^\.Dd (?!\$Mdocdate\$)|\b\d+\.\d+\.\d+\b", re.MULTILINE)
    assert [name for name, text in texts.items() if dated.search(text)] == []
    assert re.findall(r"\.Xr (\S+) 1", texts["ninepic config get"]) == ["ninepic-config"]
    assert "ninepic-bib" in re.findall(r"\.Xr (\S+) 1", texts["ninepic"])
    assert "ninepic-config-get" not in re.findall(r"\.Xr (\S+) 1", texts["ninepic"])
