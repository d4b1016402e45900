#!/usr/bin/env python3
"""Runs a few small cases of align-bench: are its results whole, and does it warn of threads in each other's way?

usage: quick.py ALIGN_BENCH
"""
import json
import math
import os
import subprocess
import sys
import tempfile

BENCH = sys.argv[1]
NUMBERS = ["seconds", "spread", "rounds", "blas_threads", "speed", "scratch_bytes", "peak_rss_bytes", "extra_rss_bytes"]


def run(*arguments, **environment):
    return subprocess.run([BENCH, "--no-peers", "--rounds", "1", *arguments], env={**os.environ, **environment},
                          check=True, capture_output=True, text=True).stdout


def check_results():
    """Every field is there, and the table of docs/performance.md has a row for each case."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        run("--only", "v=2000 workers=1", "--json", file.name)
        with open(file.name, encoding="utf-8") as lines:
            results = json.load(lines)
        table = subprocess.run([sys.executable, os.path.join(os.path.dirname(__file__), "table.py"), file.name],
                               check=True, capture_output=True, text=True).stdout
    cases = [line for line in run("--list").splitlines() if "v=2000 workers=1" in line]
    assert len(cases) > 2 and [result["case"] for result in results] == cases, results
    for result in results:
        assert all(math.isfinite(result[key]) and result[key] >= 0 for key in NUMBERS), result
        assert result["error"] is None and result["seconds"] > 0 and result["limit_share"] > 0 and result["peers"] == {}, result
        assert result["limit"] == "limit.gemm" and result["unit"] == "GFLOP/s", result
        assert f"`{result['case']}`" in table, table


def check_errors():
    """Strengths are as near to the optimum as f64 has it; where an error is not known it is null."""
    for case, least, most in (("bt_fit items=100 rows=1000000 workers=1", 0, 1e-12),
                              ("reward_fit pairs=20000 d=256 workers=2 beside=1", 1e-16, 1e-6)):
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            run("--only", case, "--json", file.name)
            with open(file.name, encoding="utf-8") as lines:
                [result] = json.load(lines)
        assert least <= result["error"] < most, result


def check_scaling():
    """A second worker is held against one."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        run("--only", "gae batch=256 tokens=1024 workers=2 beside=1", "--json", file.name)
        with open(file.name, encoding="utf-8") as lines:
            [result] = json.load(lines)
        table = subprocess.run([sys.executable, os.path.join(os.path.dirname(__file__), "table.py"), file.name],
                               check=True, capture_output=True, text=True).stdout
    assert list(result["peers"]) == ["one_worker", "two_processes"], result
    one, two = (peer["ratio"] for peer in result["peers"].values())
    assert one > 0 and two > 0, result
    assert result["limit"] == "limit.copy" and result["limit_share"] > 0, result
    assert f"| `gae batch=256 tokens=1024` | {one:.2f} | {one / two:.2f} | {result['limit_share']:.2f} copy |" in table, table


def check_mix():
    """Two workers and two threads of the BLAS, as a case has it or as the user does."""
    text = run("--only", "threads.after_blas")
    if "OpenBLAS" not in text:
        print("quick.py: no OpenBLAS, which alone can be asked for its threads")
        return
    lines = text.splitlines()
    warnings = [i for i, line in enumerate(lines) if line.startswith("warning: 2 workers and 2 threads of the BLAS")]
    assert len(warnings) == 1 and "blas=2" in lines[warnings[0] - 1], text
    small = ["--only", "gae batch=256 tokens=1024 workers=2"]
    assert "warning:" in run(*small, OPENBLAS_NUM_THREADS="2")
    assert "warning:" not in run(*small, OPENBLAS_NUM_THREADS="1")


check_results()
check_errors()
check_scaling()
check_mix()
