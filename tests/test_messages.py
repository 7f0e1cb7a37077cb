"""Every message of the program in one list, to be read again in one go.

`NINEPIC_TEST_SNAPSHOTS=write pytest tests/test_messages.py` writes the list anew.
"""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import ninepic_cli

SNAPSHOT = Path(__file__).parent / "snapshots/messages.txt"
ROOT = Path(ninepic_cli.__file__).parent
# Our error classes and the functions that make an error; warnings; what is written for people.
SPEAKERS = re.compile(r"\w*[a-z]Error|\w*_error|_unusable\w*|_not_made|WarningRaised|print_err|print_warning")
BUILT_IN = {"KeyError", "OSError", "RuntimeError", "TypeError", "ValueError"}  # which nobody reads


def test_they_are_as_they_were_read() -> None:
    """Each message and hint, as the source has them, is one that was looked at."""
    text = "".join(_section(path) for path in sorted(ROOT.rglob("*.py")))
    if os.environ.get("NINEPIC_TEST_SNAPSHOTS") == "write":
        SNAPSHOT.write_text(text)
    assert text == SNAPSHOT.read_text()


def _section(path: Path) -> str:
    """The messages of a module, hints indented, in the order of the source."""
    tree = ast.parse(path.read_text())
    lines = dict.fromkeys(_Messages(tree).lines())
    return f"{path.relative_to(ROOT)}\n{''.join(lines)}\n" if lines else ""


class _Messages:
    """What one module says."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._texts: dict[str, list[ast.expr]] = {}  # by names that are given them, in this scope
        self._named = _assigned(tree.body)

    def lines(self) -> Iterator[str]:
        """Each message and hint as a line, the hint deeper."""
        functions = [node for node in ast.walk(self._tree) if isinstance(node, ast.FunctionDef)]
        inner = {child for function in functions for child in ast.walk(function) if child is not function}
        for scope in (self._tree, *(each for each in functions if each not in inner)):
            self._texts = self._named | _assigned(ast.walk(scope))
            own = inner if scope is self._tree else set()
            calls = [node for node in ast.walk(scope) if isinstance(node, ast.Call) and node not in own]
            for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
                yield from self._said(call)

    def _said(self, call: ast.Call) -> Iterator[str]:
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        is_base = (
            name == "__init__" and isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "super()"
        )
        if name not in BUILT_IN and (is_base or SPEAKERS.fullmatch(name)):
            yield from (f"  {text}\n" for argument in call.args for text in self._templates(argument))
        for keyword in call.keywords:
            if keyword.arg == "hint":
                yield from (f"    {text}\n" for text in self._templates(keyword.value))

    def _templates(self, node: ast.expr, *, seen: frozenset[str] = frozenset()) -> Iterator[str]:
        """The texts that an expression may be."""
        match node:
            case ast.IfExp(body=first, orelse=second):
                yield from self._templates(first, seen=seen)
                yield from self._templates(second, seen=seen)
            case ast.BoolOp(values=values):
                for value in values:
                    yield from self._templates(value, seen=seen)
            case ast.Name(id=name) if name not in seen:
                for value in self._texts.get(name, ()):
                    yield from self._templates(value, seen=seen | {name})
            case _:
                text = self._template(node)
                if re.search(r"[a-z]{2} |^[a-z ]{9,}$", re.sub(r"\{\w*\}", "", text)):
                    yield text.replace("\n", "\\n")

    def _template(self, node: ast.expr) -> str:
        """A text with its fields as {name}; "" for what is none."""
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.JoinedStr(values=values):
                return "".join(map(self._template, values))
            case ast.FormattedValue(value=value):
                return self._field(value)
            case ast.BinOp(left=left, right=right):
                return self._template(left) + self._template(right)
        return ""

    def _field(self, node: ast.expr) -> str:
        """A field by the last name in it; a text that has a name, or is there only at times, as it is."""
        match node:
            case ast.IfExp(body=first, orelse=second):
                return self._template(first) or self._template(second) or self._field(first)
            case ast.BoolOp(values=values):
                return self._template(values[-1]) or self._field(values[0])
            case ast.Name(id=name) if (
                len(texts := [*filter(None, map(self._template, self._texts.get(name, ())))]) == 1
            ):
                return texts[0]
            case ast.Call(args=[part, *_]) | ast.Call(func=part) | ast.Subscript(value=part) | ast.BinOp(left=part):
                return self._field(part)
            case ast.Attribute(attr=name) | ast.Name(id=name):
                return f"{{{name.strip('_')}}}"
        return "{...}"


def _assigned(nodes: Iterator[ast.AST] | list[ast.stmt]) -> dict[str, list[ast.expr]]:
    """What names are given: `hint = "..."`, and `words, hint = "...", "..."`."""
    given: dict[str, list[ast.expr]] = {}
    for node in nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                pairs = [(target, node.value)]
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = list(zip(target.elts, node.value.elts, strict=True))
                for left, right in pairs:
                    if isinstance(left, ast.Name):
                        given.setdefault(left.id, []).append(right)
    return given
