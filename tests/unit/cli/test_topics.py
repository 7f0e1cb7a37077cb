"""What man pages say beyond the help: it is what the program does."""

import ast
import re
import shutil
from pathlib import Path

import pytest

import ninepic_cli
from ninepic_cli.api.schema import SEARCHES
from ninepic_cli.cli.topics import TopicsError, attributes, read_topics
from ninepic_cli.config.schema import PROFILE_RULE
from ninepic_cli.filesystem.template import FIELDS
from ninepic_cli.report.json_lines import PhotoRecord

PACKAGE = Path(ninepic_cli.__file__).parent
SOURCES = PACKAGE.parent / "docs/topics"
TOPICS = read_topics(SOURCES)


def terms(name: str, title: str) -> list[str]:
    """The terms that a page's topic describes."""
    topic = TOPICS[name].partition(f"## {title}\n")[2].partition("\n## ")[0]
    return re.findall(r"^- `(.+?)`: ", topic, re.MULTILINE)


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


def test_the_rule_for_profiles_is_the_one_that_messages_have() -> None:
    """What a profile may be called stands in the man page as messages say it."""
    assert PROFILE_RULE.lower() in " ".join(TOPICS["ninepic-config"].split()).lower()


def test_every_event_search_is_described() -> None:
    """The man page has each search that `event --json` tells of, in the program's order."""
    assert ", ".join(f"`{search}`" for search in SEARCHES) in " ".join(TOPICS["ninepic"].split())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [("<!-- photo -->", "<!-- foto -->", "nothing fills <!-- foto -->"), ("<!-- codes -->", "", "has <!-- codes -->")],
)
def test_placeholders_fit_the_lists(tmp_path: Path, old: str, new: str, message: str) -> None:
    """A placeholder that nothing fills is refused by its name, and so is a list that has no placeholder."""
    shutil.copytree(SOURCES, tmp_path, dirs_exist_ok=True)
    page = tmp_path / "ninepic.md"
    page.write_text(page.read_text() + "\n<!-- photo -->\n")
    assert read_topics(tmp_path)["ninepic"].count("- `image_id`: Its id.\n") == 2
    page.write_text(page.read_text().replace(old, new, 1))
    with pytest.raises(TopicsError, match=message):
        read_topics(tmp_path)
