"""The architecture: which package may import which, and which one owns a library."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import ninepic_cli

LAYERS = [
    "__main__ generate",
    "cli",
    "commands",
    "api archive config download progress report",
    "inputs",
    "filesystem net",
    "updates",
    "models system",
    "__init__ errors normalize redact sandbox",
    "text",
]
OWNERS = {
    "httpcore": "net",
    "httpx": "net",
    "platformdirs": "config",
    "rich": "progress",
    "tomlkit": "config",
    "typer": "cli generate",
}
ROOT = Path(ninepic_cli.__file__).parent


def test_imports_point_down() -> None:
    """Imports lead to a lower row or, without a circle, stay in a package; libraries have owners; faces are empty."""
    row = {part: number for number, parts in enumerate(LAYERS) for part in parts.split()}
    siblings: dict[str, set[str]] = {}
    for path in ROOT.rglob("*.py"):
        part, tree = path.relative_to(ROOT).parts[0].removesuffix(".py"), ast.parse(path.read_text())
        assert path.stem != "__init__" or part in {"__init__", "sandbox"} or len(tree.body) == 1, path
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        names = [f"{getattr(node, 'module', name.name)}.{name.name}" for node in imports for name in node.names]
        for library, ours, *more in (name.split(".") for name in names):
            assert part in OWNERS.get(library, part).split(), f"{path} imports {library}"
            if library == "ninepic_cli" and ours != "__version__":
                assert part == ours or row[part] < row[ours], f"{path} imports {ours}"
                siblings.setdefault(f"{part}.{path.stem}", set()).add(".".join([ours, *more[:1]]))
    assert {path.stem for path in ROOT.iterdir()} - {"__pycache__", "py"} == row.keys()
    TopologicalSorter(siblings).prepare()  # a circle raises
