#!/usr/bin/env python3
"""Pages and records that are made from sources: ./dev docs writes them, ./dev check compares them.

usage: tools/generate.py --write
"""
import atexit
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile

import abi

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def read(path):
    try:
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def between(text, mark, body):
    """text with what stands between <!-- mark --> and <!-- /mark --> replaced."""
    return re.sub(rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)",
                  lambda match: f"{match[1]}\n{body}\n\n{match[2]}", text, flags=re.DOTALL)


# ---- docs/errors.md ----------------------------------------------------------------------------

WORDS = {"%f": "*field*", "%v": "*value*", "%l": "*low*", "%h": "*high*", "%w": "*word*"}


def error_sites():
    """[(section, [(name, status, sentence)])] of lib/base/errors.def."""
    sections = []
    for comment, *site in re.findall(r'^/\* ([^*\n]+) \*/$|^SITE\((\w+), (\w+),\s*"([^"]*)"\)',
                                     read("lib/base/errors.def"), re.MULTILINE):
        if comment:
            sections.append((comment, []))
        else:
            sections[-1][1].append(tuple(site))
    return sections


def errors_page():
    rows = ["| check | status | what `text` says |", "|---|---|---|"]
    for section, sites in error_sites():
        rows.append(f"| **{section}** | | |")
        for name, status, sentence in sites:
            said = re.sub("%[fvlhw]", lambda match: WORDS[match.group()], sentence)
            rows.append(f"| `{name}` | `{status}` | {said.replace('|', chr(92) + '|')} |")
    return between(read("docs/errors.md"), "table of checks", "\n".join(rows))


# ---- docs/losses.md and its pictures -----------------------------------------------------------

PLOT = """set terminal svg size 320,180 font "sans,10" background "white"
set key off
set xzeroaxis lc rgb "#888888"
plot "-" using 1:2 with lines lw 2 lc rgb "#1f5fa8", "-" using 1:3 with lines lw 2 dt 2 lc rgb "#b3541e"
"""


@functools.lru_cache(maxsize=None)
def losses(*arguments):
    """What tools/losses.c says of the table."""
    program = losses_program()
    return subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout


@functools.lru_cache(maxsize=None)
def losses_program():
    """The program over the static library of build/, which ./dev docs and ./dev check build first."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    program = os.path.join(folder, "losses")
    subprocess.run(["cc", "-std=c11", "-Iinclude", "-Ilib", "-o", program, "tools/losses.c",
                    "build/lib/libalign.a", "-lm"], cwd=ROOT, check=True)
    return program


def losses_page():
    return between(read("docs/losses.md"), "loss table", losses("page").strip())


def loss_picture(name):
    """Value and gradient of a row over the margin, drawn by gnuplot."""
    points = losses("plot", name) + "e\n"
    drawn = subprocess.run(["gnuplot"], input=PLOT + points + points, check=True,
                           capture_output=True, text=True).stdout
    # Markers that no picture uses, and groups without anything in them.
    drawn = re.sub(r"<defs>.*?</defs>", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r"<g [^>]*>\s*</g>", "", drawn)
    return "\n".join(line.rstrip() for line in drawn.splitlines() if line.strip()) + "\n"


def loss_pictures():
    return {f"docs/losses/{name}.svg": functools.partial(loss_picture, name)
            for name in losses("names").split()}


GENERATED = {"docs/errors.md": errors_page, "tests/abi/layout.txt": abi.layout_record,
             "bindings/python/src/libalign/_abi.py": abi.python_module,
             "bindings/rust/libalign-sys/src/bindings.rs": abi.rust_bindings, "docs/losses.md": losses_page}


def everything():
    return {**GENERATED, **loss_pictures()}


def stale(pages=None):
    """Complaints about files that are not what their sources make."""
    return [f"{path} is not up to date: run ./dev docs"
            for path, make in (pages or everything()).items() if read(path) != make()]


def main():
    os.makedirs(os.path.join(ROOT, "docs/losses"), exist_ok=True)
    for path, make in everything().items():
        text = make()
        if text != read(path):
            with open(os.path.join(ROOT, path), "w", encoding="utf-8") as file:
                file.write(text)
            print(f"wrote {path}")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(__doc__)
    main()
