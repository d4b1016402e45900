#!/usr/bin/env python3
"""Draws the pictures of docs/performance.md from the results of `./dev bench`: time and memory of linear heads over V, N, D
and workers beside PyTorch, and heads under their roofs.

usage: tests/bench/plot.py RESULTS.json FOLDER         (needs gnuplot; writes performance.svg and roofline.svg)
"""
import json
import os
import subprocess
import sys

FIXED = {"v": {"n": 256, "d": 256, "workers": 1}, "n": {"v": 16000, "d": 256, "workers": 1},
         "d": {"n": 256, "v": 16000, "workers": 1}, "workers": {"n": 256, "d": 256, "v": 16000}}
BYTES = {"f32": 4, "bf16": 2, "f16": 2, "f64": 8}
PASSES = {"dense_forward": 1, "dense_backward": 2, "dense_backward_in_place": 2, "dense_both": 3}
FLOPS = {1: 4, 2: 8, None: 6}  # of N D V by plan; a step keeps logits


def parse(line):
    kind, *pairs = line.split()
    values = dict(pair.split("=") for pair in pairs)
    return kind, {key: value if key == "dtype" else int(value) for key, value in values.items()}


def draw(picture, size, layout, panels, settings):
    script = f'set terminal svg size {size}\nset output "{picture}"\nset multiplot layout {layout}\n'
    subprocess.run(["gnuplot"], input=script + settings + "".join(panels), text=True, check=True)


# ---- over shapes ---------------------------------------------------------------------------------


def points(results, axis):
    """Rows of axis, then seconds and MiB of libalign and of PyTorch."""
    rows = []
    for result in results:
        kind, case = parse(result["case"])
        if kind != "linear_both" or "torch" not in result["peers"]:
            continue
        peer = result["peers"]["torch"]
        if case["plan"] == 1 and all(case[key] == value for key, value in FIXED[axis].items()):
            rows.append((case[axis], result["seconds"], result["extra_rss_bytes"] / 2**20,
                         peer["seconds"], peer["extra_rss_bytes"] / 2**20))
    return sorted(rows)


def name(axis):
    return axis if axis == "workers" else axis.upper()


def shape_panel(axis, rows, column, label):
    data = "\n".join(" ".join(map(str, row)) for row in rows)
    fixed = ", ".join(f"{name(key)} = {value}" for key, value in FIXED[axis].items())
    return (f"$data << END\n{data}\nEND\n"
            f'set xlabel "{name(axis)}   ({fixed})"\nset ylabel "{label}"\n'
            f"plot $data using 1:{column} with linespoints title 'libalign, one pass', "
            f"$data using 1:{column + 2} with linespoints title 'PyTorch'\n")


def draw_shapes(results, picture):
    panels = []
    for axis in FIXED:
        rows = points(results, axis)
        if len(rows) < 2:
            sys.exit(f"plot.py: fewer than two results over {name(axis)}")
        panels += [shape_panel(axis, rows, 2, "seconds"),
                   shape_panel(axis, rows, 3, "memory beyond inputs, MiB")]
    draw(picture, "900,1240", "4,2", panels,
         'set xrange [0:]\nset yrange [0:]\nset key top left\nset format x "%.0s%c"\n')


# ---- under roofs ---------------------------------------------------------------------------------


def limits(results, kind, key):
    """Speed of a limit by workers, in its own unit."""
    found = {}
    for result in results:
        if result["case"].startswith(kind + " "):
            found[parse(result["case"])[1][key]] = result["speed"]
    return found


def bandwidth(results):
    """The fastest way that bytes moved."""
    ways = [limits(results, "limit." + way, "workers") for way in ("read", "copy", "update")]
    return {workers: max(way.get(workers, 0) for way in ways) for workers in ways[0]}


def dense_points(results):
    """Kind, workers, logits a byte, 1e9 logits a second."""
    for result in results:
        kind, case = parse(result["case"])
        if kind in PASSES and "beside" not in case:
            per_byte = 1 / (PASSES[kind] * BYTES[case["dtype"]])
            yield f"{kind} {case['dtype']}", case["workers"], per_byte, result["speed"] * per_byte


def linear_points(results):
    """Kind, workers, flops a byte that must move once, GFLOP/s."""
    for result in results:
        kind, case = parse(result["case"])
        if kind not in ("linear_both", "linear_step") or "beside" in case or "blas" in case:
            continue
        plan, (n, d, v) = case.get("plan"), (case[key] for key in "ndv")
        moved = BYTES[case["dtype"]] * d * (n + v) + 4 * d * (n if plan == 1 else n + v)
        title = {1: "one pass", 2: "two passes", None: "resident"}[plan]
        yield f"{title} {case['dtype']}", case["workers"], FLOPS[plan] * n * d * v / moved, result["speed"]


def roof_panel(rows, slopes, flats, labels):
    """Points under the lower of a bandwidth and a peak, for one worker (dashed, open) and for two."""
    titles = sorted({row[0] for row in rows})
    blocks, plots = "", []
    for workers in (1, 2):
        if workers in slopes and workers in flats:
            plots.append(f"min({slopes[workers]} * x, {flats[workers]}) with lines lc 'black' dt {3 - workers} "
                         f"title 'roof, workers = {workers}'")
    for i, title in enumerate(titles):
        for workers in (1, 2):
            data = "\n".join(f"{x} {y}" for t, w, x, y in rows if (t, w) == (title, workers))
            if data:
                blocks += f"$p{i}_{workers} << END\n{data}\nEND\n"
                plots.append(f"$p{i}_{workers} with points lc {i + 1} pt {6 if workers == 1 else 7} "
                             f"title '{title}, {workers}' noenhanced")
    return (f'{blocks}set xlabel "{labels[0]}"\nset ylabel "{labels[1]}"\n'
            f"set xrange [{min(r[2] for r in rows) / 2}:{max(r[2] for r in rows) * 2}]\nplot {', '.join(plots)}\n")


def draw_roofs(results, picture):
    moved = bandwidth(results)
    dense, linear = list(dense_points(results)), list(linear_points(results))
    if not dense or not linear or not moved:
        sys.exit("plot.py: no results of heads and limits")
    panels = [roof_panel(dense, moved, limits(results, "limit.exp", "workers"),
                         ("logits a byte of memory traffic", "1e9 logits / s")),
              roof_panel(linear, moved, limits(results, "limit.gemm", "blas"),
                         ("flops a byte that must move once", "GFLOP/s"))]
    draw(picture, "900,900", "2,1", panels,
         "set logscale xy\nset key outside right noenhanced\nmin(a, b) = a < b ? a : b\n")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        results = json.load(file)
    draw_shapes(results, os.path.join(sys.argv[2], "performance.svg"))
    draw_roofs(results, os.path.join(sys.argv[2], "roofline.svg"))


if __name__ == "__main__":
    main()
