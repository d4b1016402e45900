#!/usr/bin/env python3
"""Runs the demo in its small form and holds what it says against what it wrote: quick.py LIBALIGN-DEMO"""
import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

SKIPPED = 77
WORDS = "/usr/share/dict/american-english"
LOSSES = ["slic", "dpo", "lipo_lambda"]


def skip_without_inputs():
    for path, package in (("/usr/bin/bible", "bible-kjv"), (WORDS, "wamerican"), ("/usr/bin/gnuplot", "gnuplot-nox")):
        if not os.path.exists(path):
            print(f"skipped: {path} is missing (apt-get install {package})")
            sys.exit(SKIPPED)


def write_text(path):
    verses = subprocess.run(["bible", "-f", "Genesis1:1-Revelation22:21"], check=True, capture_output=True, text=True,
                            stdin=subprocess.DEVNULL).stdout.splitlines()
    with open(path, "w", encoding="ascii") as file:
        file.writelines(verse.split(" ", 1)[1] + "\n" for verse in verses)


def check_loss(loss, said):
    low, high = loss["interval"]
    played = loss["wins"] + loss["ties"] + loss["losses"]
    assert played >= 200, loss
    assert abs(loss["win_rate"] - (loss["wins"] + loss["ties"] / 2) / played) < 1e-8, loss
    assert 0 <= low < loss["win_rate"] < high <= 1, loss
    assert loss["won"] == (low > 0.5), loss
    assert -1 <= loss["answers"]["score"] <= 1, loss
    assert f"{loss['win_rate']:.3f}  {low:.3f} .. {high:.3f}" in said, "the table differs from results.json"
    assert loss["won"] or f"{loss['loss']} did not beat the untuned model" in said, "no reason given"


def run(program, folder):
    text = os.path.join(folder, "text.txt")
    write_text(text)
    done = subprocess.run([program, "--quick", "--text", text, "--out", folder], capture_output=True, text=True,
                          check=False)
    print(done.stdout, done.stderr)
    return done


def check_run(done, folder):
    with open(os.path.join(folder, "results.json"), encoding="ascii") as file:
        results = json.load(file)
    assert [loss["loss"] for loss in results["losses"]] == LOSSES, results
    for loss in results["losses"]:
        check_loss(loss, done.stdout)
    won = sum(loss["won"] for loss in results["losses"])
    assert (done.returncode == 0) == (won >= 2), f"{won} won, exit {done.returncode}"
    assert won >= 2, f"only {won} of the losses beat the untuned model"
    assert ET.parse(results["picture"]).getroot().tag.endswith("svg")
    assert os.path.getsize(os.path.join(folder, "untuned.bin")) > 100000


def check_refusals(program, folder):
    """Bad input is a sentence that names it, and a failure."""
    empty = os.path.join(folder, "empty")
    open(empty, "w", encoding="ascii").close()
    for arguments, word in ((["--text", "/nonexistent"], "/nonexistent"), (["--text", empty], "vocabulary"), ([], "--text"),
                            (["--text", empty, "--words", empty], "no words"), (["--threads", "0"], "--threads 0"),
                            (["--text", empty, "more"], '"more"')):
        done = subprocess.run([program, "--out", folder, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 1 and word in done.stderr, (arguments, done)


def main():
    skip_without_inputs()
    with tempfile.TemporaryDirectory() as folder:
        check_refusals(sys.argv[1], folder)
        check_run(run(sys.argv[1], folder), folder)


main()
