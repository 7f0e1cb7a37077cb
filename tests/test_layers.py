"""The architecture: imports point down only."""

import ast
from pathlib import Path

import pytest

import ninepic_cli

ROWS = [
    {"__main__"},
    {"door", "generate"},
    {"cli", "manpage"},
    {"config", "demo", "usage", "wiring"},
    {"interview", "help", "options", "events"},
    {"run"},
    {"catalogue", "copies", "download", "progress", "inventory", "question", "report", "sandbox", "output", "process"},
    {"transfer", "listing", "gallery", "display", "say", "zipped"},
    {"bars", "fetch", "spoken"},
    {"collisions", "records", "wording"},
    {"folder", "tally", "region", "layout"},
    {"api"},
    {"paging"},
    {"answers", "client", "lists", "retry", "settings", "completions", "archive", "shard", "target", "reuse"},
    {"command", "proxied", "query", "transport"},
    {"values", "network", "framing", "ratelimit"},
    {"configfile"},
    {"configtext"},
    {"naming", "terminal"},
    {"template"},
    {"decoding", "period", "startlist"},
    {"names", "normalize", "partial", "photo", "plain", "quoting", "storage", "suspend"},
    {"route", "images", "locks", "parameters", "staging", "whole"},
    {"home", "manual", "streams"},
    {"subfolder"},
    {"errors", "paths"},
    {"__init__"},
]
PACKAGE = Path(ninepic_cli.__file__).parent
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py"))


def imported(module: str) -> set[str]:
    """The modules of ours that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[1] for name in node.names if name.name.startswith("ninepic_cli.")}
        elif isinstance(node, ast.ImportFrom) and node.module == "ninepic_cli":
            found |= {name.name if name.name in MODULES else "__init__" for name in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ninepic_cli."):
            found.add(str(node.module).split(".")[1])
    return found


def row(module: str) -> int:
    """The module's row, counted from the top."""
    return next(number for number, modules in enumerate(ROWS) if module in modules)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module: str) -> None:
    """A module imports only from rows below its own, never sideways."""
    assert {name for name in imported(module) if row(name) <= row(module)} == set()


@pytest.mark.parametrize("path", sorted((PACKAGE / "sandbox").glob("*.py")), ids=lambda path: path.stem)
def test_the_sandbox_stands_alone(path: Path) -> None:
    """The stand-in of the service shares no code with what it is a stand-in for."""
    text = path.read_text()
    assert "from ninepic_cli." not in text.replace("from ninepic_cli.sandbox", "")
