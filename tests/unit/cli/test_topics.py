"""What man pages say beyond the help: it is what the program does."""

import ast
from pathlib import Path

import ninepic_cli
from ninepic_cli.cli.reference import Section
from ninepic_cli.cli.topics import attributes, topics
from ninepic_cli.filesystem.template import FIELDS
from ninepic_cli.report.json_lines import PhotoRecord

PACKAGE = Path(ninepic_cli.__file__).parent


def terms(name: str, title: str) -> list[str]:
    """The terms that a page's topic describes."""
    (topic,) = [topic for topic in topics(name) if topic.title == title]
    sections = [part for part in topic.parts if isinstance(part, Section)]
    return [term for section in sections for item in section.items for term in item.terms]


def codes() -> set[str]:
    """The error codes that stand in the program: those of classes, and those given where an error is made."""
    found = set[str]()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "code":
                value: ast.expr | None = node.value
            elif isinstance(node, ast.Assign | ast.AnnAssign) and "default_code" in ast.unparse(node):
                value = node.value
            else:
                continue
            if isinstance(value, ast.JoinedStr):
                found.add(f"{ast.literal_eval(value.values[0])}NNN")
            elif isinstance(value, ast.Constant) and isinstance(value.value, str):
                found.add(value.value)
    return found


def test_every_error_code_is_described() -> None:
    """Each code that an error may have is in the man page, and there alone (`stopped` is never shown)."""
    described = terms("ninepic", "Error codes")
    assert codes() - set(described) == {"stopped"}
    assert len(described) == len(set(described))
    texts = "".join(path.read_text() for path in PACKAGE.rglob("*.py") if path.name != "errors.py")
    elsewhere = {code for code in set(described) - codes() if f'"{code}"' not in texts}
    assert elsewhere == set()


def test_every_field_of_names_is_described() -> None:
    """The man page has the fields that --name takes, in the program's order, and those of start lists."""
    assert terms("ninepic", "File names") == [*(f"{{{field}}}" for field in FIELDS), "{row[COLUMN]}"]


def test_every_field_of_a_line_is_described() -> None:
    """A line's docstring describes each of its fields, over several lines where it needs them."""
    described = attributes(PhotoRecord)
    assert list(described) == list(PhotoRecord.__annotations__)
    assert described["status"].endswith("(the service does not have it) or `failed`.")
