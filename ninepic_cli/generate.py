"""Writes the files that come from the program itself: `python -m ninepic_cli.generate`; `--check` only compares.

For a checkout of the sources, with docs/topics/; what is installed has the files in its `share` folder.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer.main

from ninepic_cli.cli import completion
from ninepic_cli.cli.app import app
from ninepic_cli.cli.manpage import mdoc, title
from ninepic_cli.cli.markdown import reference
from ninepic_cli.cli.reference import pages
from ninepic_cli.cli.topics import TopicsError, read_topics
from ninepic_cli.system.output import print_err

ROOT = Path(__file__).parent.parent
REFERENCE = "docs/reference.md"
TOPICS = "docs/topics"


def files(root: Path = ROOT) -> dict[str, str]:
    """What each generated file holds, by its path from the repository's root.

    Raises:
        TopicsError: docs/topics/ does not fit the program.
    """
    scripts = {path: completion.script(shell) for shell, path in completion.FILES.items()}
    described = list(pages(typer.main.get_command(app)))
    written = read_topics(root / TOPICS)
    topics = {page.name: written.pop(title(page.name), "") for page in described}
    if written:
        raise TopicsError(f"no command has the page {', '.join(written)} of {TOPICS}")
    manual = {f"man/{title(page.name)}.1": mdoc(page, topics[page.name], others=list(topics)) for page in described}
    return scripts | manual | {REFERENCE: reference(described, topics)}


def differences(root: Path) -> Iterator[str]:
    """A line for each file that is not what the program would write, or that it no longer writes."""
    wanted = files(root)
    for name, text in wanted.items():
        path = root / name
        if not path.is_file():
            yield f"{name} is missing"
        elif path.read_bytes() != text.encode():
            yield f"{name} is stale"
    for folder in {Path(name).parent for name in wanted} - {Path(REFERENCE).parent}:  # beside what people write
        for path in sorted((root / folder).glob("*")):
            if path.relative_to(root).as_posix() not in wanted:
                yield f"{path.relative_to(root).as_posix()} is not generated any more"


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Write the files, or with `--check` tell which differ; returns the exit status."""
    if not (root / "pyproject.toml").is_file():
        print_err(f"{root} is not a checkout of the sources")
        return 2
    if list(arguments) not in ([], ["--check"]):
        print_err("usage: python -m ninepic_cli.generate [--check]")
        return 2
    try:
        if not arguments:
            for name, text in files(root).items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(text.encode())
            return 0
        lines = list(differences(root))
    except TopicsError as error:
        print_err(str(error))
        return 2
    for line in lines:
        print_err(line)
    if lines:
        print_err("run: python -m ninepic_cli.generate")
    return 1 if lines else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
