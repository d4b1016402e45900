#!/usr/bin/env python3
"""Prints the results of `./dev bench --json FILE` as the tables of docs/performance.md.

usage: tests/bench/table.py FILE
"""
import json
import sys


def seconds(x):
    for unit, scale in (("s", 1), ("ms", 1e3), ("us", 1e6), ("ns", 1e9)):
        if x * scale >= 1 or unit == "ns":
            return f"{x * scale:.3g} {unit}"
    return ""


def mebibytes(x):
    return f"{x / 2**20:.0f}"


def error(runner):
    """Where it is known how far from the optimum an answer is."""
    return f"; {runner['error']:.0e}" if runner.get("error") is not None else ""


def share_of_limit(result):
    return f"{result['limit_share']:.2f} {result['limit'].split('.')[-1]}" if result["limit"] else ""


def row(result):
    peers = ", ".join(f"{name} {peer['ratio']:.2g} ({mebibytes(peer['extra_rss_bytes'])}{error(peer)})"
                      for name, peer in result["peers"].items())
    return [f"`{result['case']}`", seconds(result["seconds"]), f"{100 * result['spread']:.0f} %",
            f"{result['speed']:.3g} {result['unit']}", share_of_limit(result), peers,
            f"{result['scratch_bytes'] / 1024:.0f}", mebibytes(result["extra_rss_bytes"]) + error(result)]


HEADS = ["case", "time", "spread", "speed", "share of limit", "peers: times longer (MiB; error)", "scratch, KiB",
         "memory, MiB; error"]
CLASSES = [("3 and more", 3), ("2 to 3", 2), ("below 2, the goal", 0)]


def is_loss(result):
    """A row of the loss table at the size at which all of them are measured."""
    return "groups=1000000 " in result["case"] and "torch" in result["peers"]


def is_beside(result):
    return "one_worker" in result["peers"]


def table(heads, rows):
    lines = ["| " + " | ".join(cells) + " |" for cells in [heads, *rows]]
    return "\n".join([lines[0], "|" + "---|" * len(heads), *lines[1:]])


def losses(results):
    """Rows by how many times longer PyTorch took."""
    times = sorted(((result["peers"]["torch"]["ratio"], result["case"].split()[0]) for result in results
                    if is_loss(result) and "workers=1" in result["case"]), reverse=True)
    most, rows = float("inf"), []
    for name, least in CLASSES:
        rows.append([name, ", ".join(f"`{row}` {ratio:.1f}" for ratio, row in times if least <= ratio < most)])
        most = least
    return table(["times", "rows"], rows)


def workers(results):
    """What a second worker is worth, a second process, and what two workers make of the machine's limit for two."""
    rows = []
    for result in filter(is_beside, results):
        one, two = (result["peers"][name]["ratio"] for name in ("one_worker", "two_processes"))
        rows.append([f"`{result['case'].replace(' workers=2 beside=1', '')}`", f"{one:.2f}", f"{one / two:.2f}",
                     share_of_limit(result)])
    return table(["two workers against one", "times faster", "two processes", "share of limit, with two"], rows)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        results = json.load(file)
    cases = [row(result) for result in results
             if not is_beside(result) and (not is_loss(result) or result["case"].startswith("dpo "))]
    print(table(HEADS, cases), losses(results), workers(results), sep="\n\n")


if __name__ == "__main__":
    main()
