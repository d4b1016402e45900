"""python -m libalign: what is running; boards of votes; checks of other people's kernels."""
from __future__ import annotations

import argparse
import ctypes
import sys
from typing import Any, Dict, List, Optional

from . import _abi
from ._library import lib, version
from ._table import LossInfo, losses
from .errors import AlignError


def blas() -> str:
    """The BLAS that the library calls, as it describes itself; OpenBLAS does."""
    for prefix in ("", "scipy_"):
        try:
            config = getattr(lib, f"{prefix}openblas_get_config")
            threads = getattr(lib, f"{prefix}openblas_get_num_threads")
        except AttributeError:
            continue
        config.restype, threads.restype = ctypes.c_char_p, ctypes.c_int
        return f"{config().decode().strip()}, threads {threads()}"
    return "one that does not say its name"


def cpu() -> str:
    """The instruction sets of kernels, the widest first."""
    known = {"AVX-512": _abi.ALIGN_CPU_AVX512, "AVX2": _abi.ALIGN_CPU_AVX2, "NEON": _abi.ALIGN_CPU_NEON}
    return ", ".join(name for name, bit in known.items() if lib.align_cpu() & bit) or "plain C"


def line(info: LossInfo) -> str:
    params = ", ".join(f"{param.name}={param.default}" for param in info.params)
    needs = ", ".join(("score",) + info.needs)
    return f"{info.name:<18}{info.arity:<8}{needs:<26}{params}"


def show() -> None:
    print(f"libalign {version()} at {lib.place}")
    print(f"cpu      {cpu()}")
    print(f"blas     {blas()}")
    print(f"\n{'loss':<18}{'groups':<8}{'needs':<26}parameters")
    for info in losses():
        print(line(info))


def assignments(words: List[str]) -> Dict[str, Any]:
    """name=value words: numbers where they are numbers."""
    found: Dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise AlignError(f"{word}: expected name=value")
        try:
            found[name] = int(value)
        except ValueError:
            try:
                found[name] = float(value)
            except ValueError:
                found[name] = value
    return found


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m libalign", description="Without a command: version, CPU, BLAS and "
                                  "the loss table.")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    board = commands.add_parser("leaderboard", help="strengths of items from votes in CSV")
    board.add_argument("votes", help="CSV with a header; - is standard input")
    board.add_argument("--left", default="model_a", metavar="COLUMN")
    board.add_argument("--right", default="model_b", metavar="COLUMN")
    board.add_argument("--winner", default="winner", metavar="COLUMN",
                       help="left, right, tie; the two other columns' names; a share of the point; or the item that won")
    board.add_argument("--weight", metavar="COLUMN")
    board.add_argument("--ties", choices=("half", "davidson", "rao_kupper"), default="half")
    board.add_argument("--scale", choices=("log", "elo"), default="log")
    board.add_argument("--format", choices=("text", "csv"), default="text")
    check = commands.add_parser("check", help="compare a kernel's results with libalign's in f64")
    check.add_argument("arrays", nargs="+", metavar="FILE",
                       help=".npz, or .npy as name=file.npy; names are those of la.loss and la.head")
    check.add_argument("--loss", metavar="NAME", help="a row of the loss table; absent: a head alone")
    check.add_argument("--preset", metavar="NAME")
    check.add_argument("--param", nargs="*", default=[], metavar="NAME=VALUE")
    check.add_argument("--ulps", type=float, default=4.0, help="what is good: at most this far off (default 4)")
    return top


def main(words: Optional[List[str]] = None) -> int:
    options = parser().parse_args(words)
    try:
        if options.command == "leaderboard":
            from ._leaderboard import leaderboard
            return leaderboard(options)
        if options.command == "check":
            from ._check import check
            good = check(options.arrays, options.loss, options.preset, assignments(options.param), options.ulps)
            return 0 if good else 1
        show()
        return 0
    except (AlignError, OSError, ValueError) as error:
        print(f"libalign: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
