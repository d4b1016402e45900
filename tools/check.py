#!/usr/bin/env python3
"""./dev check: every rule of the house that a machine can hold. Ends with 'N passed, N failed'.

usage: tools/check.py --build DIR --clang-build DIR [NAME...]     NAME: only these checks
"""
import argparse
import glob
import json
import os
import re
import subprocess
import sys

import check_symbols
import check_text
import generate

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TEXT = (".c", ".h", ".cpp", ".hpp", ".def", ".py", ".sh", ".md", ".build", ".txt", ".map", ".svg", ".rs", ".toml", "dev", "run")


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def tracked():
    """Paths of the repository, or of all files where there is no repository (a tarball)."""
    if os.path.exists(".git"):
        return output_of("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    return [os.path.relpath(os.path.join(folder, name))
            for folder, _, names in os.walk(".") if not re.match(r"\./(build|\.git)", folder)
            for name in names]


def read(paths):
    files = {}
    for path in paths:
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                files[path] = file.read()
    return files


def lines_of(command):
    """Complaints of a tool: nothing when it succeeds, else what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return [] if done.returncode == 0 else said or [f"{command[0]} failed"]


def tidy(build):
    """clang-tidy over what is compiled for library and examples, as many at once as processors."""
    with open(f"{build}/compile_commands.json", encoding="utf-8") as commands:
        compiled = {os.path.relpath(os.path.join(c["directory"], c["file"])) for c in json.load(commands)}
    sources = sorted(p for p in compiled if p.startswith(("lib/", "examples/")))
    jobs = os.cpu_count() or 1
    runs = [subprocess.Popen(["clang-tidy", "--quiet", "-p", build, *sources[i::jobs]],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            for i in range(min(jobs, len(sources)))]
    complaints = []
    for run in runs:
        said = run.communicate()[0]
        if run.returncode != 0:
            complaints += [line for line in said.splitlines() if line.strip()] or ["clang-tidy failed"]
    return complaints


def exports(build, name, sources, symbol_map):
    """The exported names of one library against its headers and its version script."""
    declared = set().union(*map(check_text.declared_functions, sources.values()))
    return check_symbols.check_exports(
        output_of("nm", "-D", "--defined-only", f"{build}/{name}.so"), declared,
        read([symbol_map])[symbol_map])


def checks(build, clang_build):
    """The table: name and what returns the complaints."""
    paths = tracked()
    sources = read(p for p in paths if p.endswith((".c", ".h")))
    cpp = [path for path in paths if path.endswith((".cpp", ".hpp"))]
    rust = [path for path in paths if path.endswith(".rs") and path != "bindings/rust/libalign-sys/src/bindings.rs"]
    texts = read(p for p in paths if p.endswith(TEXT))
    headers = read(glob.glob("include/libalign/*.h"))
    pool = {"include/libalign/threads.h": headers.pop("include/libalign/threads.h")}
    core, threads = "lib/libalign", "lib/threads/libalign-threads"
    return {
        "format": lambda: lines_of(["clang-format", "--dry-run", "-Werror", *sources, *cpp]),
        "format-rust": lambda: lines_of(["/usr/bin/rustfmt", "--check", "--edition", "2021", *rust]),
        "lint": lambda: tidy(clang_build),
        "includes": lambda: check_text.check_includes(sources),
        "names": lambda: check_text.check_names(sources),
        "lengths": lambda: check_text.check_lengths(sources),
        "prose": lambda: check_text.check_prose(sources),
        "leftovers": lambda: check_text.check_leftovers(texts),
        "links": lambda: check_text.check_links(dict.fromkeys(paths, "") | texts),
        "exports": lambda: (exports(build, core, headers, f"{core}.map") +
                            exports(build, threads, pool, f"{threads}.map")),
        "undefined": lambda: check_symbols.check_undefined(
            output_of("nm", "-D", "--undefined-only", f"{build}/{core}.so")),
        "internal": lambda: check_symbols.check_internal(
            output_of("nm", "-g", "--defined-only", f"{build}/{core}.a", f"{build}/{threads}.a")),
        "writable": lambda: check_symbols.check_writable(
            output_of("objdump", "-t", f"{build}/{core}.a", f"{build}/{threads}.a")),
        "generated": generate.stale,
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--clang-build", required=True)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    os.chdir(ROOT)
    failed = 0
    table = checks(options.build, options.clang_build)
    wanted = options.names or list(table)
    for name in wanted:
        complaints = table[name]()
        failed += bool(complaints)
        print(f"{name:<12}{'FAILED' if complaints else 'ok'}")
        for complaint in complaints:
            print(f"    {complaint}")
    print(f"{len(wanted) - failed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
