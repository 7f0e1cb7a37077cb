"""The files that a run writes at its end beside the photos, each for an option."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ninepic_cli.errors import MachineError
from ninepic_cli.filesystem.atomic import check_place, write_output
from ninepic_cli.report.summary import Report
from ninepic_cli.updates import Update

if TYPE_CHECKING:
    from ninepic_cli.report.checksums import Checksums
    from ninepic_cli.report.photo_table import PhotoTable

FAILED_TO = "--failed-to"


@dataclass(slots=True)
class RunFiles:
    """What was asked for of them; feed it every update, in order, in one thread.

    Attributes:
        failed_to: where the identifiers go that have to be asked for again.
        to_list: the file that holds these.
    """

    to_list: Callable[[Sequence[str]], bytes]
    failed_to: Path | None = None
    table: "PhotoTable | None" = None
    checksums: "Checksums | None" = None

    def open(self, *, failed_to: Path | None, report: Path | None, checksums: Path | None, root: Path) -> None:
        """See that they can be written, before anything is asked of the service; those that can are, at the end.

        They may stand in `root`, the folder for the photos, which the run makes.

        Raises:
            UsageError: one cannot stand there.
            MachineError, OSError: one may not be written.
        """
        if failed_to:
            check_place(FAILED_TO, failed_to, made=root)
            self.failed_to = failed_to
        if report:
            from ninepic_cli.report.photo_table import PhotoTable  # noqa: PLC0415 (seldom asked for)

            check_place("--report", report, made=root)
            self.table = PhotoTable(report)
        if checksums:
            from ninepic_cli.report.checksums import Checksums  # noqa: PLC0415 (seldom asked for)

            check_place("--checksums", checksums, made=root)
            self.checksums = Checksums(checksums, root)

    def record(self, update: Update) -> None:
        """Take the update in."""
        if self.table:
            self.table.record(update)
        if self.checksums:
            self.checksums.record(update)

    def write(self, report: Report) -> list[MachineError]:
        """Write them; why some could not be."""
        errors = []
        for write in (self._write_failed_list, self._write_table, self._write_checksums):
            try:
                write(report)
            except MachineError as error:
                errors.append(error)
        return errors

    def _write_failed_list(self, report: Report) -> None:
        if self.failed_to:  # it may be the list that the run was started with
            write_output(FAILED_TO, self.failed_to, io.BytesIO(self.to_list(report.unfinished())))

    def _write_table(self, report: Report) -> None:
        if self.table:
            self.table.write(not_reached=report.not_reached(), not_kept=report.not_kept)

    def _write_checksums(self, _: Report) -> None:
        if self.checksums:
            self.checksums.write()
