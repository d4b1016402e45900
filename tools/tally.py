#!/usr/bin/env python3
"""Counts a meson test log: 'N passed, N failed[, N skipped]'.

A program that ends with Check's own line ('100%: Checks: 9, Failures: 0, Errors: 0') counts as that
many tests, any other as one. usage: tools/tally.py testlog.json
"""
import json
import re
import sys

CHECK_LINE = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)", re.MULTILINE)


def count(result, output):
    """(passed, failed, skipped) of one program."""
    if result == "SKIP":
        return 0, 0, 1
    lines = CHECK_LINE.findall(output)
    total = sum(int(line[0]) for line in lines)
    failed = sum(int(line[1]) + int(line[2]) for line in lines)
    if result != "OK":
        failed = max(failed, 1)
    total = max(total, 1)
    return total - failed, failed, 0


def tally(path):
    with open(path, encoding="utf-8") as log:
        programs = [json.loads(line) for line in log]
    counts = [count(p["result"], p.get("stdout") or "") for p in programs]
    passed, failed, skipped = (sum(column) for column in zip(*counts)) if counts else (0, 0, 0)
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


if __name__ == "__main__":
    print(tally(sys.argv[1]))
