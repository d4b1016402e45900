#!/usr/bin/env python3
"""Pages and records that are made from sources: ./dev docs writes them, ./dev check compares them.

usage: tools/generate.py --write
"""
import os
import re
import subprocess
import sys

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
    """[(section, [(name, status, sentence)])] of lib/errors.def."""
    sections = []
    for comment, *site in re.findall(r'^/\* ([^*\n]+) \*/$|^SITE\((\w+), (\w+),\s*"([^"]*)"\)',
                                     read("lib/errors.def"), re.MULTILINE):
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


# ---- tests/abi/layout.txt ----------------------------------------------------------------------

def layout_record():
    """Size and offset of every field of the public structs, as clang lays them out for 64 bits."""
    dump = subprocess.run(
        ["clang", "--target=x86_64-linux-gnu", "-Iinclude", "-fsyntax-only", "-x", "c", "-",
         "-Xclang", "-fdump-record-layouts-complete"], cwd=ROOT, check=True,
        input="#include <libalign/align.h>\n", capture_output=True, text=True).stdout
    lines = ["# Layout of the public structs on 64-bit machines: offset, type, field. Written by ./dev docs.",
             "# While ALIGN_ABI stays, fields are only appended."]
    for block in dump.split("*** Dumping AST Record Layout\n"):
        head = re.match(r"\s*0 \| (?:struct|union) (align_\w+)\n", block)
        if head:
            fields = re.findall(r"^ *(\d+) \|   (\S.*) (\w+)$", block, re.MULTILINE)
            size = re.search(r"\[sizeof=(\d+)", block).group(1)
            lines += ["", f"{head[1]} {size}"] + [f"{int(at):5} {kind} {name}" for at, kind, name in fields]
    return "\n".join(lines) + "\n"


GENERATED = {"docs/errors.md": errors_page, "tests/abi/layout.txt": layout_record}


def stale(pages=None):
    """Complaints about files that are not what their sources make."""
    return [f"{path} is not up to date: run ./dev docs"
            for path, make in (pages or GENERATED).items() if read(path) != make()]


def main():
    for path, make in GENERATED.items():
        text = make()
        if text != read(path):
            with open(os.path.join(ROOT, path), "w", encoding="utf-8") as file:
                file.write(text)
            print(f"wrote {path}")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(__doc__)
    main()
