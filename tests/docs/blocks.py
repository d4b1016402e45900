#!/usr/bin/env python3
"""Compiles every C block of README and docs.

A block with an #include is a whole file. Any other is the body of a function, after fragment.h. The
first block of README.md is examples/embed/embed.c, letter by letter, and README.md names every loss.
usage: blocks.py SOURCE_ROOT CC...
"""
import glob
import os
import re
import subprocess
import sys

BLOCK = re.compile(r"^```c\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HERE = os.path.dirname(os.path.abspath(__file__))


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def complete(block):
    if "#include" in block:
        return block
    return f'#include "fragment.h"\nvoid fragment(void);\nvoid fragment(void)\n{{\n{block}\n}}\n'


def compiles(compiler, include, text):
    command = [*compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-but-set-variable",
               "-Wno-unused-local-typedefs", "-Wno-unused-variable",
               f"-I{include}", f"-I{HERE}", "-fsyntax-only", "-x", "c", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stderr


def main(root, *compiler):
    failed = count = 0
    pages = [f"{root}/README.md", f"{root}/CONTRIBUTING.md", f"{root}/bindings/README.md",
             *sorted(glob.glob(f"{root}/docs/**/*.md", recursive=True))]
    for page in pages:
        text = read(page)
        for match in BLOCK.finditer(text):
            count += 1
            good, said = compiles(compiler, f"{root}/include", complete(match[1]))
            if not good:
                failed += 1
                print(f"{os.path.relpath(page, root)}:{text.count(chr(10), 0, match.start()) + 1}:\n{said}")
    if BLOCK.search(read(pages[0]))[1] != read(f"{root}/examples/embed/embed.c"):
        failed += 1
        print("README.md and examples/embed/embed.c differ")
    if compiles(compiler, f"{root}/include", complete("undeclared = 1;"))[0]:
        failed += 1
        print("a broken block compiles")
    for row in re.findall(r"^(?:LIST_)?ROW\(\w+, (\w+)\)", read(f"{root}/lib/loss/rows.def"), re.MULTILINE):
        if f"`{row}`" not in read(pages[0]):
            failed += 1
            print(f"README.md does not name the loss {row}")
    print(f"{count} blocks, {failed} failures")
    return failed > 0 or count == 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
