#!/usr/bin/env python3
"""Draws time and memory of linear heads over V, N, D and workers from the results of `./dev bench --only linear_both`.

usage: tests/bench/plot.py RESULTS.json PICTURE.svg         (needs gnuplot)
"""
import json
import subprocess
import sys

FIXED = {"v": {"n": 256, "d": 256, "workers": 1}, "n": {"v": 16000, "d": 256, "workers": 1},
         "d": {"n": 256, "v": 16000, "workers": 1}, "workers": {"n": 256, "d": 256, "v": 16000}}


def parse(line):
    return {key: value if key == "dtype" else int(value)
            for key, value in (pair.split("=") for pair in line.split()[1:])}


def points(results, axis):
    """Rows of axis, then seconds and MiB of libalign and of PyTorch."""
    rows = []
    for result in results:
        if not result["case"].startswith("linear_both") or "torch" not in result["peers"]:
            continue
        case, peer = parse(result["case"]), result["peers"]["torch"]
        if case["plan"] == 1 and all(case[key] == value for key, value in FIXED[axis].items()):
            rows.append((case[axis], result["seconds"], result["extra_rss_bytes"] / 2**20,
                         peer["seconds"], peer["extra_rss_bytes"] / 2**20))
    return sorted(rows)


def name(axis):
    return axis if axis == "workers" else axis.upper()


def panel(axis, rows, column, label):
    data = "\n".join(" ".join(map(str, row)) for row in rows)
    fixed = ", ".join(f"{name(key)} = {value}" for key, value in FIXED[axis].items())
    return (f"$data << END\n{data}\nEND\n"
            f'set xlabel "{name(axis)}   ({fixed})"\nset ylabel "{label}"\n'
            f"plot $data using 1:{column} with linespoints title 'libalign, one pass', "
            f"$data using 1:{column + 2} with linespoints title 'PyTorch'\n")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        results = json.load(file)
    script = f'set terminal svg size 900,1240\nset output "{sys.argv[2]}"\n'
    script += "set multiplot layout 4,2\nset xrange [0:]\nset yrange [0:]\nset key top left\n"
    script += "set format x \"%.0s%c\"\n"
    for axis in FIXED:
        rows = points(results, axis)
        if len(rows) < 2:
            sys.exit(f"plot.py: fewer than two results over {name(axis)}")
        script += panel(axis, rows, 2, "seconds") + panel(axis, rows, 3, "memory beyond inputs, MiB")
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


if __name__ == "__main__":
    main()
