"""The files that come from the program and from what is written for man pages."""

import shutil
from pathlib import Path

import pytest

from ninepic_cli import generate


def copy_sources(root: Path) -> None:
    """Make a folder a checkout, as far as the files are generated from it."""
    (root / "pyproject.toml").touch()
    shutil.copytree(generate.ROOT / generate.TOPICS, root / generate.TOPICS)


def test_what_is_committed_is_what_the_program_writes() -> None:
    """No generated file of the repository is missing, stale or left over."""
    assert list(generate.differences(generate.ROOT)) == []


def test_check_names_what_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is written passes the check; a file that is changed, gone or left over is named and costs the status."""
    copy_sources(tmp_path)
    assert generate.main([], tmp_path) == 0
    assert generate.main(["--check"], tmp_path) == 0
    (tmp_path / "completions/_ninepic").write_text("#compdef ninepic\n")
    (tmp_path / "completions/ninepic.fish").unlink()
    (tmp_path / "completions/ninepic.tcsh").touch()
    (tmp_path / "docs/reference.md").write_text("# Reference\n")
    (tmp_path / "docs/install.md").touch()  # written by people
    assert capsys.readouterr().err == ""
    assert generate.main(["--check"], tmp_path) == 1
    assert capsys.readouterr().err.splitlines() == [
        "completions/_ninepic is stale",
        "completions/ninepic.fish is missing",
        "docs/reference.md is stale",
        "completions/ninepic.tcsh is not generated any more",
        "run: python -m ninepic_cli.generate",
    ]
    assert (tmp_path / "completions/_ninepic").read_text() == "#compdef ninepic\n"


def test_topics_have_to_fit_the_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A topic reaches its man page and the reference; what cannot be shown there is refused."""
    copy_sources(tmp_path)
    folder = tmp_path / generate.TOPICS
    (folder / "ninepic-bib.md").write_text("## Dogs\n\nWith `--json` they\nbark.\n\n### Cats\n\n- `cat`: It purrs.\n")
    assert generate.main([], tmp_path) == 0
    page, reference = ((tmp_path / name).read_text() for name in ("man/ninepic-bib.1", "docs/reference.md"))
    assert ".Sh DOGS\nWith \\-\\-json they bark." in page
    assert ".Ss Cats\n.Bl -tag -width Ds\n.It Cm cat\nIt purrs.\n.El\n.Sh ENVIRONMENT" in page
    assert (
        "\n### Dogs\n\nWith `--json` they\nbark.\n\n#### Cats\n\n- `cat`: It purrs.\n\n## ninepic selfie" in reference
    )
    assert "\n- [ninepic bib](#ninepic-bib)\n  - [Dogs](#dogs)\n- [" in reference
    (folder / "ninepic-bib.md").write_text("## Dogs\n\n- They bark.\n")
    assert generate.main([], tmp_path) == 2
    assert "does not begin with a `term`: They bark." in capsys.readouterr().err
    (folder / "ninepic-bibs.md").write_text("## Cats\n")
    assert generate.main([], tmp_path) == 2
    assert "no command has the page ninepic-bibs" in capsys.readouterr().err
    (folder / "ninepic.md").unlink()
    assert generate.main(["--check"], tmp_path) == 2
    assert "no file in" in capsys.readouterr().err


def test_it_writes_only_into_a_checkout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where there are no sources, and for words it does not know, it writes nothing and says why."""
    assert generate.main([], tmp_path) == 2
    assert "not a checkout" in capsys.readouterr().err
    (tmp_path / "pyproject.toml").touch()
    assert generate.main(["--chekc"], tmp_path) == 2
    assert "usage:" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["pyproject.toml"]
