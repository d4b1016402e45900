#!/usr/bin/env python3
"""What calling from Python costs. LIBALIGN_LIBRARY names a library that was built for speed.

usage: bench.py [--wheel FILE]
"""
import argparse
import compileall
import os
import shutil
import subprocess
import sys
import tempfile
import time
import timeit

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "src"))
import libalign as la
from libalign import _call, _library

IMPORT = "import time; import numpy; begin = time.perf_counter(); import libalign; print(time.perf_counter() - begin)"


def best(function, number, repeat):
    """Seconds of one call: the least of many runs, which others on the machine disturb least."""
    function()
    return min(timeit.repeat(function, number=number, repeat=repeat)) / number


def pairs(count):
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, 2)) - 20, rng.normal(size=(count, 2)) - 20


def few():
    """la.loss and la.Loss on 4 pairs, in microseconds."""
    score, ref = pairs(4)
    reused = la.Loss("dpo", beta=0.1)
    return (1e6 * best(lambda: la.loss("dpo", score, ref=ref, beta=0.1), 100, 500),
            1e6 * best(lambda: reused(score, ref=ref), 100, 500))


def many():
    """A reused la.Loss and la.loss on a million pairs, beside the C call alone, in turn; what each takes more, in per cent.

    Time of the processor, so that what else runs on the machine disturbs little.
    """
    score, ref = pairs(1_000_000)
    reused = la.Loss("dpo", beta=0.1)
    reused(score, ref=ref)
    runs = {"c": lambda: _library.lib.align_loss_eval(_call.local.reference, reused._reference),
            "Loss": lambda: reused(score, ref=ref), "loss": lambda: la.loss("dpo", score, ref=ref, beta=0.1)}
    times = {name: [] for name in runs}
    order = list(runs)
    for turn in range(30):
        for name in order[turn % 3:] + order[:turn % 3]:  # each goes first as often
            times[name].append(timeit.timeit(runs[name], number=1, timer=time.thread_time))
    least = {name: min(seconds) for name, seconds in times.items()}
    return least["c"] * 1e3, 100 * (least["Loss"] / least["c"] - 1), 100 * (least["loss"] / least["c"] - 1)


def importing():
    """Milliseconds that import libalign takes after import numpy, compiled as an installed package is."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(os.path.dirname(la.__file__), os.path.join(folder, "libalign"))
        compileall.compile_dir(folder, quiet=1)
        path = os.pathsep.join([folder, *sys.path])
        return 1e3 * min(float(subprocess.run(
            [sys.executable, "-c", IMPORT], env={**os.environ, "PYTHONPATH": path}, check=True, capture_output=True,
            text=True).stdout) for _ in range(15))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheel", metavar="FILE", help="a wheel to weigh")
    options = parser.parse_args()
    once, reused = few()
    c, over_reused, over = many()
    rows = [("la.loss, 4 pairs", once, "us", 25), ("la.Loss reused, 4 pairs", reused, "us", 8),
            ("the C call, 1M pairs", c, "ms", None), ("la.Loss reused, 1M pairs, beyond C", over_reused, "%", 5),
            ("la.loss, 1M pairs, beyond C", over, "%", 5), ("import after NumPy's", importing(), "ms", 25)]
    if options.wheel:
        rows.append(("wheel without BLAS", os.path.getsize(options.wheel) / 1e6, "MB", 2))
    for name, value, unit, limit in rows:
        goal = "" if limit is None else f"at most {limit:<4}{'ok' if value <= limit else 'MISSED'}"
        print(f"{name:<36}{value:>9.2f} {unit:<4}{goal}")
    return any(limit is not None and value > limit for _, value, _, limit in rows)


if __name__ == "__main__":
    sys.exit(main())
