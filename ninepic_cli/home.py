"""`DIR/.ninepic/`: the folder of the photos that are on their way, and of what tells several runs apart.

It is made with the first partial, and goes with the last.
"""

import os
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ninepic_cli.errors import MachineError

NAME = ".ninepic"
_WEEK_S = 7 * 86400
_FRESH_S = 1.0  # for which a look at the whole folder is good


class Home:
    """The folder below one target folder, used by many threads at once.

    Args:
        root: the target folder; need not exist.

    Attributes:
        path: of the folder.
        made_root: whether the target folder was made for it.
    """

    def __init__(self, root: Path) -> None:
        self.path = root / NAME
        self.made_root = False
        self._root = root
        self._making = threading.Lock()
        self._place: os.stat_result | None = None
        self._looking = threading.Lock()
        self._begun: set[str] = set()
        self._looked_s = float("-inf")

    def check(self) -> None:
        """See that nothing would be written through a link, or over something else.

        Raises:
            MachineError: it would.
        """
        try:
            mode = self.path.lstat().st_mode
        except OSError:
            return  # it is not there, or cannot be looked at, which its making will tell
        if not stat.S_ISDIR(mode):
            raise MachineError(f"{self.path} is not a folder", hint="move it away, or name another folder with -o")

    def confirm(self) -> None:
        """See that the target folder is the one that it was at first; make both if this is the first time.

        Raises:
            MachineError: another stands there.
            OSError: it cannot be looked at.
        """
        if self._place is None:
            self.make()
        elif not os.path.samestat(os.stat(self._root), self._place):  # noqa: PTH116 (once for each photo)
            # A disk was taken out, or the folder replaced: what stands there now is not where photos were to go.
            raise MachineError(f"{self._root} was taken away", hint="bring it back and run the same command again")

    def make(self) -> None:
        """Make the folder where it is not there, also when another run has just removed it as empty.

        Raises:
            MachineError: the target folder is not the one that it was.
            OSError: it cannot be made.
        """
        with self._making:
            if self._place is None:
                self.made_root = not self._root.exists()
                self._root.mkdir(parents=True, exist_ok=True)
                self._place = self._root.stat()
            else:
                self.confirm()
            try:
                self.path.mkdir()
            except FileExistsError:
                self.check()
                return
            like = self._root.stat()
            with suppress(OSError):
                self.path.chmod(stat.S_IMODE(like.st_mode))
            with suppress(OSError, AttributeError):
                os.chown(self.path, -1, like.st_gid)

    def has_begun(self, key: str) -> bool:
        """Whether there may be partials of a photo.

        The folder is looked at as a whole, once a second at most: for each photo it would take longer than they do.
        What another run began within that second, and left, begins anew.
        """
        with self._looking:
            now_s = time.monotonic()
            if now_s - self._looked_s > _FRESH_S:
                self._looked_s = now_s
                with suppress(OSError):
                    self._begun = {name.partition(".")[0] for name in os.listdir(self.path)}  # noqa: PTH208 (strings)
            return key in self._begun

    def note_begun(self, key: str) -> None:
        """A partial of the photo stays."""
        with self._looking:
            self._begun.add(key)

    def look_again(self) -> None:
        """Others are at work here: what was seen may be out of date."""
        self._looked_s = float("-inf")

    def sweep(self) -> None:
        """Remove partials that nobody has touched for a week."""
        oldest_s = time.time() - _WEEK_S
        for entry in self._files(".part", ".tmp", ".own"):
            if _touched_s(entry) < oldest_s:
                Path(entry.path).unlink(missing_ok=True)

    def remove_private(self) -> None:
        """Nobody else is here, so whose private partials are left is dead, and nobody takes them up."""
        for entry in self._files(".tmp"):
            Path(entry.path).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder if it is empty, and the target folder if it was made for nothing."""
        for place in (self.path, *([self._root] if self.made_root else [])):
            with suppress(OSError):
                place.rmdir()

    def _files(self, *endings: str) -> Iterator[os.DirEntry[str]]:
        """Those with such names, as far as they can be looked at."""
        with suppress(OSError), os.scandir(self.path) as entries:
            for entry in entries:
                if entry.name.endswith(endings):
                    yield entry


def _touched_s(entry: os.DirEntry[str]) -> float:
    """When a partial was last written to.

    Its modification time alone does not tell: a run that is killed just before it renames a partial has given it the
    photo's own already, which is of the day of the race.
    """
    status = entry.stat(follow_symlinks=False)
    return max(status.st_mtime, status.st_ctime)
