"""Finds and loads the shared library, and tells ctypes the prototype of every function."""
from __future__ import annotations

import ctypes
import os
from typing import Iterator

from . import _abi

# Where meson-python puts the shared libraries of a wheel.
BUNDLED = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), ".libalign.mesonpy.libs")


def places(name: str, inside_build: str) -> Iterator[str]:
    """Where to look for a library, in this order.

    LIBALIGN_LIBRARY, when it is set, is the only place: the file itself, or a folder that holds it, such as a build
    folder that nothing was installed from. Else the copy that the wheel brought, then what the system's loader finds.
    """
    named = os.environ.get("LIBALIGN_LIBRARY")
    versioned = f"{name}.{_abi.ALIGN_ABI}"
    if not named:
        yield os.path.join(BUNDLED, versioned)
        yield versioned
    elif os.path.isdir(named):
        yield os.path.join(named, inside_build, name)
        yield os.path.join(named, name)
        yield os.path.join(named, versioned)
    elif name == "libalign.so":
        yield named
    else:
        folder = os.path.dirname(named)
        yield os.path.join(folder, os.path.basename(inside_build), name)
        yield os.path.join(folder, name)
        yield os.path.join(folder, versioned)


def load(name: str, inside_build: str, functions: dict) -> ctypes.CDLL:
    """The library, with argtypes and restype of every function. CDLL: calls run without the GIL."""
    tried = []
    for place in places(name, inside_build):
        try:
            library = ctypes.CDLL(place)
            break
        except OSError as error:
            tried.append(f"{place}: {error}")
    else:
        raise ImportError(f"{name} was not found; LIBALIGN_LIBRARY may name it or its build folder. Tried:\n  "
                          + "\n  ".join(tried))
    for function, (restype, *argtypes) in functions.items():
        try:
            entry = getattr(library, function)
        except AttributeError:
            raise ImportError(f"{place} has no {function}: it is older than this package, which was made for "
                              f"{package_version()}") from None
        entry.restype, entry.argtypes = restype, argtypes
    library.place = place
    return library


def package_version() -> str:
    """The version of the headers that this package was made from."""
    return f"{_abi.ALIGN_VERSION_MAJOR}.{_abi.ALIGN_VERSION_MINOR}.{_abi.ALIGN_VERSION_PATCH}"


def version() -> str:
    """The version of the library that is running.

    >>> version().count(".")
    2
    """
    number = lib.align_version()
    return f"{number >> 16}.{number >> 8 & 255}.{number & 255}"


lib = load("libalign.so", "lib", _abi.FUNCTIONS)
if lib.align_abi() != _abi.ALIGN_ABI:
    raise ImportError(f"{lib.place} has ABI {lib.align_abi()}, this package needs {_abi.ALIGN_ABI}")
