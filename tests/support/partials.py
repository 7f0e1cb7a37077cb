"""Partial files that a run leaves behind."""

from pathlib import Path

from ninepic_cli.filesystem.folder import Folder

START, END = b"\xff\xd8\xff\xe0", b"\xff\xd9"
ETAG = '"0123456789abcdef0123456789abcdef"'
WEEK_S = 7 * 86400


def begin(folder: Folder, path: Path, data: bytes = START) -> None:
    """Leave a partial behind, as a run that was cut short does."""
    with folder.partial(path) as partial:
        partial.start(etag=ETAG, total=1000)
        partial.write(data)


def partials(root: Path) -> list[Path]:
    """What is in the folder of partials."""
    return sorted((root / ".ninepic").glob("*"))


# Does what the lines on its standard input say, and answers each with a line, until there are no more.
OTHER_PROCESS = """
import sys
from contextlib import ExitStack
from pathlib import Path
from ninepic_cli.filesystem import locks
from ninepic_cli.filesystem.folder import Folder
root = Path(sys.argv[1])
path, folder, stack = root / "a.jpg", Folder(root), ExitStack()
for line in sys.stdin:
    match line.strip():
        case "without locks":
            locks.fcntl = None
            folder = Folder(root)
            print()
        case "claim":
            hold = stack.enter_context(folder.claim(path))
            print(hold.name)
        case "begin":
            partial = stack.enter_context(folder.partial(path, hold=hold))
            partial.start(etag=None, total=4)
            partial.write(b"12")
            print()
        case "finish":
            partial.write(b"34")
            partial.commit(modified_s=None)
            print()
        case "leave":
            stack.close()
            print()
        case "close":
            folder.close()
            print()
    sys.stdout.flush()
"""
