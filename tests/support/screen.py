"""What a terminal shows after what was written to it: cells with their characters and styles.

It knows the control codes that the bars use, and refuses all others: a wrong picture would be worse than none.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

_PIECE = re.compile(r"\x1b\[(?P<parameters>[?\d;]*)(?P<code>[A-Za-z])|(?P<character>.)", re.DOTALL)


@dataclass(frozen=True)
class Style:
    """How a character is shown; the colour is one of the terminal's eight, or its own where there is none."""

    colour: int | None = None
    bold: bool = False
    dim: bool = False


PLAIN = Style()


@dataclass(frozen=True)
class Run:
    """Neighbours of one style in a row, from a column on."""

    column: int
    text: str
    style: Style


class Screen:
    """The cells of a terminal."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns = columns
        self._blank = [(" ", PLAIN)] * columns
        self._cells = [list(self._blank) for _ in range(rows)]
        self._row = self._column = 0
        self._style = PLAIN

    @property
    def lines(self) -> list[str]:
        """The text, down to the last row that has any."""
        text = "\n".join("".join(character for character, _ in row).rstrip() for row in self._cells)
        return text.rstrip("\n").split("\n")

    def runs(self, row: int) -> Iterator[Run]:
        """What a row consists of, blanks included."""
        column = 0
        for style, cells in groupby(self._cells[row], key=lambda cell: cell[1]):
            text = "".join(character for character, _ in cells)
            yield Run(column, text, style)
            column += len(text)

    def write(self, text: str) -> None:
        """Take what a program writes.

        Raises:
            ValueError: a control code that is not known here, a wide character, or more than fits.
        """
        for piece in _PIECE.finditer(text):
            if piece["code"]:
                self._control(piece["code"], piece["parameters"])
            else:
                self._put(piece["character"])

    def _put(self, character: str) -> None:
        if character == "\r":
            self._column = 0
        elif character == "\n":
            self._row += 1
        elif not _fits_a_cell(character) or self._row >= len(self._cells) or self._column >= self.columns:
            raise ValueError(f"{character!r} cannot be shown in row {self._row}, column {self._column}")
        else:
            self._cells[self._row][self._column] = (character, self._style)
            self._column += 1

    def _control(self, code: str, parameters: str) -> None:
        match code, parameters:
            case "m", _:
                self._restyle([int(number or 0) for number in parameters.split(";")])
            case "A", _:
                self._row -= int(parameters or 1)
            case "K", "" | "0":
                self._cells[self._row][self._column :] = self._blank[self._column :]
            case "K", "2":
                self._cells[self._row] = list(self._blank)
            case "h" | "l", "?25":
                pass  # the cursor, which is not shown here
            case _:
                raise ValueError(f"control code {code} with {parameters!r} is not known")

    def _restyle(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            if number == 0:
                self._style = PLAIN
            elif number == 1:
                self._style = replace(self._style, bold=True)
            elif number == 2:
                self._style = replace(self._style, dim=True)
            elif 30 <= number <= 37:
                self._style = replace(self._style, colour=number - 30)
            else:
                raise ValueError(f"style {number} is not known")


def _fits_a_cell(character: str) -> bool:
    return character.isprintable() and unicodedata.east_asian_width(character) not in "WF"
