"""System calls that fail: a library that is loaded before the system's own."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.support.command import output_of


def compiled(folder: Path, source: str, name: str = "shim") -> dict[str, str]:
    """Compile a small C library that the command loads before all others; the environment that makes it do so.

    Skips the test where there is no compiler, or no way to load a library first.
    """
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs a C compiler, and Linux")
    (folder / f"{name}.c").write_text(source)
    library = folder / f"{name}.so"
    words = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(folder / f"{name}.c"), "-ldl", "-lpthread"]
    output_of(words)
    return {"LD_PRELOAD": str(library)}
