"""Where the shared library is found, and what is said when it is not."""
import os
import pathlib
import re
import subprocess
import sys

import libalign as la
import pytest
from libalign import _library

ROOT = pathlib.Path(__file__).resolve().parents[3]
SOURCE = pathlib.Path(_library.__file__).parent.parent
LIBRARY = pathlib.Path(_library.lib.place).resolve()


def python(code, **environment):
    """What another Python says, with the package on its path."""
    kept = {name: value for name, value in os.environ.items() if name not in ("LIBALIGN_LIBRARY", "LD_LIBRARY_PATH")}
    return subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, check=False,
                          env={**kept, "PYTHONPATH": str(SOURCE), **environment})


def test_version():
    header = (ROOT / "include/libalign/base.h").read_text()
    numbers = [re.search(rf"ALIGN_VERSION_{part} (\d+)", header)[1] for part in ("MAJOR", "MINOR", "PATCH")]
    assert la.version() == ".".join(numbers) == la.__version__


@pytest.mark.parametrize("named", [LIBRARY, LIBRARY.parent, LIBRARY.parent.parent], ids=["file", "folder", "build"])
def test_named(named):
    said = python("import libalign; print(libalign.version())", LIBALIGN_LIBRARY=str(named))
    assert said.stdout.strip() == la.version(), said.stderr


def test_found_by_the_systems_loader():
    said = python("import libalign; print(libalign._library.lib.place)", LD_LIBRARY_PATH=str(LIBRARY.parent))
    assert said.stdout.strip() == "libalign.so.0", said.stderr


def test_not_found():
    said = python("import libalign", LIBALIGN_LIBRARY="/nowhere/libalign.so")
    assert "ImportError: libalign.so was not found; LIBALIGN_LIBRARY may name it" in said.stderr
    assert "/nowhere/libalign.so: cannot open" in said.stderr


def test_a_library_of_something_else():
    said = python("import libalign", LIBALIGN_LIBRARY="libm.so.6")
    assert "ImportError: libm.so.6 has no align_status_name: it is older than this package" in said.stderr
