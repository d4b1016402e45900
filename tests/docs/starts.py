#!/usr/bin/env python3
"""Builds and runs the five-line starts of README.md and the bad calls of docs/bindings.md in C and C++, as written.

usage: starts.py SOURCE_ROOT SHARED_LIBRARY CC...      C++ is what CXX names, or c++
"""
import os
import re
import subprocess
import sys
import tempfile

# Two pairs of DPO with beta 0.1 and margins 1 and -1: -beta s(-z) / 2.
C_START = """#include <libalign/align.h>
#include <math.h>
int main(void)
{
@LINES@
    return !(fabs(dscore[0] + .05 / (1 + exp(.1))) < 1e-8 && fabs(dscore[3] - .05 / (1 + exp(-.1))) < 1e-8);
}
"""
C_BAD = """#include <libalign/align.h>
#include <string.h>
int main(void)
{
    align_error error;
    align_error_init(&error, sizeof error);
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    exec.error = &error;
    align_head head;
    align_head_init(&head, sizeof head);
@LINES@
    return !(status == ALIGN_E_RANGE && error.status == status && strcmp(error.field, "align_tokens.target") == 0 &&
             error.axes == 2 && error.index[0] == 0 && error.index[1] == 1 && error.value == 50257 && logp[0] == 0 &&
             strcmp(error.text, "align_tokens.target[0,1] = 50257, expected 0..7 or ignore -100") == 0);
}
"""
CPP_START = C_START.replace("<libalign/align.h>", "<libalign/align.hpp>").replace("<math.h>", "<cmath>\n#include <vector>")
C_START = C_START.replace("!(", "!(status == ALIGN_E_NONE && ")
CPP_BAD = """#include <libalign/align.hpp>
#include <cstdio>
#include <cstring>
#include <vector>
int main()
{
    libalign::error caught(ALIGN_E_NONE, align_error());
@LINES@
    return !(caught.status() == ALIGN_E_RANGE && std::strcmp(caught.field(), "align_tokens.target") == 0 &&
             caught.axes() == 2 && caught.index(0) == 0 && caught.index(1) == 1 && caught.value() == 50257);
}
"""
PROGRAMS = (
    ("README.md", "Five lines to start", "c", C_START, 5),
    ("README.md", "Five lines to start", "cpp", CPP_START, 5),
    ("docs/bindings.md", "C", "c", C_BAD, 20),
    ("docs/bindings.md", "C++", "cpp", CPP_BAD, 20),
)


def block_of(text, heading, language):
    """The first block of a language in the section of a heading."""
    section = re.split(rf"^## {re.escape(heading)}$", text, flags=re.MULTILINE)[1]
    section = re.split(r"^## ", section, flags=re.MULTILINE)[0]
    return re.search(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)[1]


def good(root, library, command, text, language):
    """Whether the program compiles without a warning, runs and returns 0."""
    with tempfile.TemporaryDirectory() as folder:
        source, program = os.path.join(folder, "start." + language), os.path.join(folder, "start")
        with open(source, "w", encoding="utf-8") as file:
            file.write(text)
        standard = {"c": "-std=c11", "cpp": "-std=c++17"}[language]
        build = [*command, standard, "-Wall", "-Wextra", "-Werror", f"-I{root}/include", source, library,
                 f"-Wl,-rpath,{os.path.dirname(library)}", "-lm", "-o", program]
        return subprocess.run(build, check=False).returncode == 0 and \
            subprocess.run([program], check=False).returncode == 0


def main(root, library, *compiler):
    library = os.path.realpath(library)
    failed = 0
    for page, heading, language, program, lines in PROGRAMS:
        with open(os.path.join(root, page), encoding="utf-8") as file:
            block = block_of(file.read(), heading, language)
        command = compiler if language == "c" else os.environ.get("CXX", "c++").split()
        if block.count("\n") > lines or not good(root, library, command, program.replace("@LINES@", block), language):
            failed += 1
            print(f"{page}, {heading}, {language}: too long, or fails")
        if language == "c" and good(root, library, command, program.replace("@LINES@", block.replace("_LOSS_DPO", "_LOSS_IPO")
                                                                            .replace("50257", "5")), language):
            failed += 1
            print(f"{page}, {heading}: another loss or target passes too")
    print(f"{len(PROGRAMS)} programs, {failed} failures")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
