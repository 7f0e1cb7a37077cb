"""Draws the picture of the bars that the README shows: `python -m tests.support.screenshot`; `--check` only compares.

The scene `screenshot` (tests/support/scenes.py) is played on a pseudo-terminal by the real display, and what the
terminal shows then is written as SVG: no scripts, no fonts but the reader's own, the same bytes on every machine.
"""

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from ninepic_cli.system.output import print_err
from tests.support import scenes
from tests.support.screen import Run, Screen, Style
from tests.support.terminals import Terminal

ROOT = Path(__file__).parents[2]
PICTURE = "docs/bars.svg"
SCENE = "screenshot"
COMMAND = "ninepic bib --from-file bibs.txt --event 456 -o ./photos"

_CELL_WIDTH, _CELL_HEIGHT, _FONT_SIZE = 9, 22, 14.5
_MARGIN, _TITLE_BAR = 20, 34
_FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
_BACKGROUND, _FRAME, _TEXT = "#161b22", "#484f58", "#e6edf3"
_PALETTE = ("#6e7681", "#ff7b72", "#3fb950", "#e3b341", "#58a6ff", "#bc8cff", "#39c5cf", "#f0f6fc")
_BUTTONS = ("#ff5f57", "#febc2e", "#28c840")
_THICKNESS = {"━": 4, "─": 2}  # drawn as lines: fonts leave gaps between them
_PART = re.compile(r"━+|─+|[^\s━─]+(?: [^\s━─]+)*")
_ENVIRONMENT = {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}


def capture() -> Screen:
    """What the terminal shows when the scene is complete."""
    scene = scenes.SCENES[SCENE]
    terminal = Terminal(scene.width, scene.height)
    command, end = [sys.executable, scenes.__file__, SCENE], terminal.slave
    process = subprocess.Popen(command, env=_ENVIRONMENT, stdin=end, stdout=end, stderr=end)
    try:
        written = terminal.answer_when_drawn("q")
        process.wait(30)
    finally:
        process.kill()
        process.wait()
        terminal.close()
    screen = Screen(scene.width, scene.height)
    screen.write(f"$ {COMMAND}\r\n{written}")
    return screen


def svg(screen: Screen) -> str:
    """The picture of a screen, in the frame of a window."""
    lines = screen.lines
    width = 2 * _MARGIN + _CELL_WIDTH * screen.columns
    height = _TITLE_BAR + _CELL_HEIGHT * len(lines) + _MARGIN
    shapes = [shape for row in range(len(lines)) for run in screen.runs(row) for shape in _shapes(row, run)]
    buttons = [f'<circle cx="{20 + 20 * n}" cy="18" r="6" fill="{fill}"/>' for n, fill in enumerate(_BUTTONS)]
    body = "\n".join(shapes)
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"
 role="img" aria-labelledby="title description">
<title id="title">ninepic in a terminal</title>
<desc id="description">{escape(_description(lines), quote=False)}</desc>
<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="9" fill="{_BACKGROUND}" stroke="{_FRAME}"/>
{"".join(buttons)}
<g font-family="{_FONTS}" font-size="{_FONT_SIZE}" fill="{_TEXT}">
{body}
</g>
</svg>
"""


def _description(lines: Sequence[str]) -> str:
    """The picture in words."""
    numbers = re.split(" +━", lines[1])[0]
    return (
        f"The command {COMMAND} while it runs. Below it a line for the whole run, with a bar: {numbers}. "
        f"Then a line for each of the {len(lines) - 2} photos under way, with its name, a bar and how far it is."
    )


def _shapes(row: int, run: Run) -> Iterator[str]:
    """The words and lines that a run of cells shows."""
    top = _TITLE_BAR + row * _CELL_HEIGHT
    for part in _PART.finditer(run.text):
        text, left = part[0], _MARGIN + (run.column + part.start()) * _CELL_WIDTH
        width = len(text) * _CELL_WIDTH
        thickness = _THICKNESS.get(text[0])
        if thickness:
            y = top + (_CELL_HEIGHT - thickness) // 2
            yield f'<rect x="{left}" y="{y}" width="{width}" height="{thickness}"{_attributes(run.style)}/>'
        else:
            # The length holds the columns in place whatever the reader's font is.
            place = f'x="{left}" y="{top + 16}" textLength="{width}"'
            yield f"<text {place}{_attributes(run.style)}>{escape(text, quote=False)}</text>"


def _attributes(style: Style) -> str:
    fill = "" if style.colour is None else f' fill="{_PALETTE[style.colour]}"'
    return fill + ' font-weight="bold"' * style.bold + ' fill-opacity=".6"' * style.dim


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Write the picture, or with `--check` tell whether it differs; returns the exit status."""
    if list(arguments) not in ([], ["--check"]):
        print_err("usage: python -m tests.support.screenshot [--check]")
        return 2
    path, content = root / PICTURE, svg(capture()).encode()
    if not arguments:
        path.write_bytes(content)
        return 0
    if path.is_file() and path.read_bytes() == content:
        return 0
    print_err(f"{PICTURE} is {'stale' if path.is_file() else 'missing'}")
    print_err("run: python -m tests.support.screenshot")
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
