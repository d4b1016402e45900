#!/usr/bin/env python3
"""Prints the results of `./dev bench --json FILE` as the table of docs/performance.md.

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


def row(result):
    share = f"{result['limit_share']:.2f} {result['limit'].split('.')[-1]}" if result["limit"] else ""
    peers = ", ".join(f"{name} {peer['ratio']:.2g} ({mebibytes(peer['extra_rss_bytes'])})"
                      for name, peer in result["peers"].items())
    return [f"`{result['case']}`", seconds(result["seconds"]), f"{100 * result['spread']:.0f} %",
            f"{result['speed']:.3g} {result['unit']}", share, peers,
            f"{result['scratch_bytes'] / 1024:.0f}", mebibytes(result["extra_rss_bytes"])]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        results = json.load(file)
    heads = ["case", "time", "spread", "speed", "share of limit", "peers: times longer (MiB)",
             "scratch, KiB", "memory, MiB"]
    print("| " + " | ".join(heads) + " |")
    print("|" + "---|" * len(heads))
    for result in results:
        print("| " + " | ".join(row(result)) + " |")


if __name__ == "__main__":
    main()
