"""`--checksums`: the MD5s of the photos on the disk, as `md5sum -c` reads them.

Names are relative to the file's folder, so that photos and list may be moved together. A name with a backslash or a
line end in it is escaped, and its line begins with a backslash, as md5sum has it.
"""

import os
import re
import struct
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, suppress
from heapq import merge
from itertools import groupby, islice
from pathlib import Path
from typing import BinaryIO

from ninepic_cli.errors import MachineError, UsageError
from ninepic_cli.filesystem.atomic import open_scratch, write_output
from ninepic_cli.models import Downloaded, Failed, Skipped
from ninepic_cli.text import path_text, system_text
from ninepic_cli.updates import PhotoFinished, PhotoRemoved, Update

OPTION = "--checksums"
_LINE = re.compile(rb"(\\?)[0-9a-fA-F]{32} [ *](.+)|(\\?)MD5 \((.+)\) = [0-9a-fA-F]{32}")  # the second by --tag
_ESCAPES = {b"\\\\": b"\\", b"\\n": b"\n", b"\\r": b"\r"}
_ESCAPED = re.compile(rb"\\[\\nr]")
_TO_ESCAPE = re.compile(rb"[\\\n\r]")
_RECORD = struct.Struct("<H16s")  # bytes of the name, MD5
_NO_MD5 = bytes(16)  # of a photo that may be gone: no file has this one that anybody knows
_ORDER = struct.Struct(">I")  # bytes in it sort as the number does
_SIZE = struct.Struct("<I")
_BATCH = 50_000  # entries, of some 150 bytes each


class Checksums:
    """The checksums of one run's photos, and the file that they go to at its end.

    Args:
        path: the file; it may hold the checksums of other photos.
        root: the folder that all photos are in or below.

    Raises:
        UsageError: the file holds something else.
        MachineError, OSError: it cannot be read, or there is no room for the checksums.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self._path = path
        self._root = root
        self._prefix = "" if root == Path() else os.path.join(root, "")  # noqa: PTH118 (as photos' paths begin)
        for _ in _lines_of(path):
            pass  # only to see, before the run, that they can be kept
        self._records = open_scratch(path)
        self._trouble: OSError | None = None

    def record(self, update: Update) -> None:
        """Take in what became of a photo."""
        match update:
            case PhotoFinished(_, Downloaded(path, _, md5) | Skipped(path, _, md5)) if md5:
                self._add(path, bytes.fromhex(md5))
            case PhotoFinished(_, Failed(_, path)) | PhotoRemoved(_, path) if path:
                self._add(path, _NO_MD5)

    def write(self) -> None:
        """Write the file.

        Raises:
            MachineError: it cannot be written.
        """
        try:
            if self._trouble:
                raise self._trouble
            with ExitStack() as files, closing(self._records):
                file = files.enter_context(open_scratch(self._path))
                file.writelines(_last_lines(merge(*self._sorted_batches(files))))
                write_output(OPTION, self._path, file)
        except UsageError as error:  # somebody has written something else to it since
            raise MachineError(error.message, hint=error.hint) from error
        except OSError as error:
            reason = f"cannot write {path_text(self._path)}: {system_text(error)}"
            raise MachineError(reason, hint=f"name another {OPTION}") from error

    def _add(self, path: Path, md5: bytes) -> None:
        name = os.fsencode(str(path).removeprefix(self._prefix))
        if self._trouble is None:
            try:
                self._records.write(_RECORD.pack(len(name), md5) + name)
            except OSError as error:  # photos come first; it is told at the end
                self._trouble = error

    def _sorted_batches(self, files: ExitStack) -> Iterator[Iterator[bytes]]:
        """All entries in batches that are sorted, each in a file, as there may be too many for memory."""
        entries = self._entries()
        while batch := sorted(islice(entries, _BATCH)):
            file = files.enter_context(open_scratch(self._path))
            file.writelines(_SIZE.pack(len(entry)) + entry for entry in batch)
            file.seek(0)
            yield _read_entries(file)

    def _entries(self) -> Iterator[bytes]:
        """Names, a NUL, the order in which lines were added, and these; no line where the photo is gone."""
        base = os.path.realpath(self._path.parent)
        number = 0
        for number, (name, line) in enumerate(_lines_of(self._path)):
            yield b"%b\0%b%b" % (name and _relative(name, base), _ORDER.pack(number), line)
        folder = _relative(os.fsencode(os.path.realpath(self._root)), base)
        for name, md5 in self._read_records():
            number += 1
            if md5 != _NO_MD5:
                path = name if folder == b"." else folder + b"/" + name
                yield b"%b\0%b%b" % (path, _ORDER.pack(number), _line(path, md5))
            elif not os.path.lexists(self._root / os.fsdecode(name)):
                path = name if folder == b"." else folder + b"/" + name
                yield b"%b\0%b" % (path, _ORDER.pack(number))

    def _read_records(self) -> Iterator[tuple[bytes, bytes]]:
        self._records.seek(0)
        while head := self._records.read(_RECORD.size):
            size, md5 = _RECORD.unpack(head)
            yield self._records.read(size), md5


def _read_entries(file: BinaryIO) -> Iterator[bytes]:
    while size := file.read(_SIZE.size):
        yield file.read(_SIZE.unpack(size)[0])


def _last_lines(entries: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of sorted entries, with their ends; of a name's lines the last that was added."""
    for name, same in groupby(entries, key=lambda entry: entry.partition(b"\0")[0]):
        if not name:
            yield from (entry[1 + _ORDER.size :] + b"\n" for entry in same)  # comments
            continue
        *_, last = same
        if line := last[len(name) + 1 + _ORDER.size :]:
            yield line + b"\n"


def _line(name: bytes, md5: bytes) -> bytes:
    escaped = _TO_ESCAPE.sub(lambda found: {b"\\": b"\\\\", b"\n": b"\\n", b"\r": b"\\r"}[found[0]], name)
    return b"%b%b  %b" % (b"" if escaped == name else b"\\", md5.hex().encode(), escaped)


def _relative(name: bytes, base: str) -> bytes:
    """A path, or one relative to `base`, as the shortest one relative to it."""
    path = os.path.join(base, os.fsdecode(name))  # noqa: PTH118 (a name may be anything)
    with suppress(ValueError):  # another drive
        path = os.path.relpath(path, base)
    return os.fsencode(path.replace(os.sep, "/"))


def _lines_of(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Name and line of each checksum that a file holds; a comment has no name.

    Raises:
        UsageError: it holds something else.
        MachineError: it cannot be read.
    """
    try:
        if not path.is_file():
            return
        with path.open("rb") as file:
            for number, ended_line in enumerate(file, 1):
                line = ended_line.rstrip(b"\r\n")
                found = _LINE.fullmatch(line)
                if found:
                    is_escaped, name = found[1] or found[3], found[2] or found[4]
                    yield _ESCAPED.sub(lambda each: _ESCAPES[each[0]], name) if is_escaped else name, line
                elif line.startswith(b"#"):
                    yield b"", line
                elif line.strip():
                    raise UsageError(
                        f"{OPTION} {path_text(path)}: line {number} is not an MD5 checksum",
                        hint="name another file, or one that md5sum has written",
                    )
    except OSError as error:
        raise MachineError(
            f"{OPTION} {path_text(path)} cannot be read ({error.strerror})", hint="name another file"
        ) from error
