"""Whether photos stand in a folder as `--spread` puts them, or as its absence does. Looks, and changes nothing."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from ninepic_cli.errors import UsageError
from ninepic_cli.filesystem.template import spread_folder

_SPREAD_FOLDERS = [f"{number:02x}" for number in range(256)]
_MOST_IN_ROOT = 10_000  # entries that are looked at; photos that come first of so many others are found
_MOST_IN_SPREAD_FOLDER = 100
_PHOTO = re.compile(r".+\.(jpe?g|jpe|jfif|png|webp|gif|tiff?|hei[cf]|avif|dng|cr[23]|nef|arw|raw)", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def check_layout(root: Path, *, is_spread: bool) -> None:
    """See that photos of an event go where those of earlier runs went, so that none is fetched into a second place.

    The folder need not exist; one that has both layouts goes on as spread.

    Raises:
        UsageError: photos stand there in the other layout.
    """
    photos = (path for name in _SPREAD_FOLDERS for path in _photos(root / name, _MOST_IN_SPREAD_FOLDER))
    spread = next(filter(_is_in_spread_folder, photos), None)
    if spread and not is_spread:
        raise UsageError(
            f"{root} already contains photos in subdirectories made by --spread ({spread.parent.name}/{spread.name})",
            hint="add --spread, or choose another directory with -o; to mix both, add --name '{filename}'",
        )
    if is_spread and not spread and (direct := next(_photos(root, _MOST_IN_ROOT), None)):
        raise UsageError(
            f"{root} already contains photos not in --spread subdirectories ({direct.name})",
            hint="omit --spread, or choose another directory with -o; to mix both, add --name '{filename}'",
        )


def _photos(folder: Path, most: int) -> Iterator[Path]:
    """The photos right in a folder, among so many of its entries."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in islice(entries, most):
            if _PHOTO.fullmatch(entry.name) and not entry.name.startswith(".") and entry.is_file(follow_symlinks=False):
                yield Path(entry.path)


def _is_in_spread_folder(path: Path) -> bool:
    """Whether the photo may be in this folder for its id: a bib may be called 10, and have a folder too."""
    found = _UUID.findall(path.name)
    return not found or any(spread_folder(image_id) == path.parent.name for image_id in found)
