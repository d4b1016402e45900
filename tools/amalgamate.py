#!/usr/bin/env python3
"""Makes libalign.c and libalign.h, the whole library as one source and one header to drop into a tree.

    cc -O2 -c libalign.c                         any C11 compiler of the gcc or clang kind
    cc -DALIGN_NAMESPACE=mine_ -O2 -c libalign.c   all symbols renamed, so that copies can live side by side

The sources stand in the order of lib/meson.build, headers where they are first needed. File-scope names that
several sources use for different things get the name of their source behind them, and kernels stand there once for
each instruction set, with the compiler's pragmas for it. Nothing else is rewritten.
usage: tools/amalgamate.py OUTPUT_DIR [SOURCE_ROOT]
"""
import collections
import os
import posixpath
import re
import sys

TOKEN = re.compile(r"""
    (?P<skip>/\*.*?\*/|//[^\n]*|\s+)
  | (?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
  | (?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<mark>->|\.\.\.|.)""", re.DOTALL | re.VERBOSE)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(?:"([^"]+)"|<(libalign/[^>]+)>)[^\n]*\n', re.MULTILINE)
DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.MULTILINE)
DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", re.MULTILINE)
UNDEF = re.compile(r"^[ \t]*#[ \t]*undef[ \t]+(\w+)", re.MULTILINE)
KEYWORDS = set("""auto break case char const continue default do double else enum extern float for goto if inline int
long register return short signed sizeof static struct switch typedef union unsigned void volatile while
_Atomic _Alignas _Static_assert __attribute__""".split())

# Instruction sets: what must be so of the machine, the compiler's name, the word that chooses a vocabulary.
X86, ARM = "defined(__x86_64__)", "defined(__aarch64__)"
LEVELS = {
    "c": (None, None, None),
    "avx2": (X86, "avx2,fma,f16c", "ALIGN__V16_AVX2"),
    "avx512": (X86, "avx512f,avx512bw,avx512dq,avx512vl,fma,f16c", "ALIGN__V16_AVX512"),
    "neon": (ARM, None, "ALIGN__V16_NEON"),
}
KERNEL_SOURCES = ("kernels/level.c", "kernels/f64_level.c", "kernels/f32_level.c")


def tokens(text):
    """(kind, word) of all that is not space or comment."""
    for match in TOKEN.finditer(text):
        if match.lastgroup != "skip":
            yield match.lastgroup, match.group()


# ---- the names of a source -----------------------------------------------------------------------

def closing(words, at):
    """The place behind the bracket that closes the one at `at`."""
    depth = 0
    for i in range(at, len(words)):
        depth += words[i][1] in ("(", "{", "[")
        depth -= words[i][1] in (")", "}", "]")
        if depth == 0:
            return i + 1
    raise ValueError("a bracket is not closed")


def items(words, macros):
    """The declarations at file scope, each a list of words; braces are part of it, calls of macros one each."""
    at = 0
    while at < len(words):
        begin = at
        if words[at][1] in macros and at + 1 < len(words) and words[at + 1][1] == "(":
            at = closing(words, at + 1)
            yield words[begin:at]
            continue
        while words[at][1] != ";":
            if words[at][1] in ("(", "{", "["):
                brace = words[at][1] == "{"
                is_function = brace and words[at - 1][1] == ")"
                at = closing(words, at)
                if is_function:
                    break
            else:
                at += 1
        else:
            at += 1
        yield words[begin:at]


def tags(item):
    """Tags of all structs, unions and enums that an item defines, nested ones too."""
    return {item[i + 1][1] for i, (_, word) in enumerate(item[:-2])
            if word in ("struct", "union", "enum") and item[i + 2][1] == "{" and item[i + 1][0] == "name"}


def enum_constants(item):
    """Names of the constants in every enum of an item."""
    for i, (_, word) in enumerate(item):
        if word == "enum":
            brace = i + 1 + (item[i + 1][0] == "name")
            if item[brace][1] != "{":
                continue
            expected = True
            for kind, name in item[brace + 1:closing(item, brace) - 1]:
                if expected and kind == "name":
                    yield name
                expected = name == ","


def declared(item):
    """The names that an item gives to file scope, and that are not those of other files too."""
    found = set(enum_constants(item)) | tags(item)
    if not {"static", "typedef"} & {word for _, word in item}:
        return found
    flat, i = [], 0
    while i < len(item):
        if item[i][1] in ("struct", "union", "enum") and item[i + 1][0] == "name":
            flat.append(item[i])
            i += 2
        elif item[i][1] == "__attribute__":
            i = closing(item, i + 1)
        elif item[i][1] in ("{", "["):
            i = closing(item, i)
            flat.append(("mark", "[]"))
        else:
            flat.append(item[i])
            i += 1
    pointer = re.search(r"\( \* (?:const )?(\w+)", " ".join(word for _, word in flat))
    if pointer:
        return found | {pointer[1]}
    for (kind, word), (_, after) in zip(flat, flat[1:]):
        if kind == "name" and word not in KEYWORDS and after in ("(", "=", "[]", ";", ","):
            return found | {word}
    return found


def file_scope(text, shared):
    """Names that a source has for itself. Arguments of a macro that makes functions count, unless shared."""
    macros = set(DEFINE.findall(text))
    found = set()
    for item in items(list(tokens(DIRECTIVE.sub("", text))), macros):
        if item[0][1] in macros:
            found |= {word for kind, word in item[1:] if kind == "name" and not word.endswith("_t")} - shared - KEYWORDS
        else:
            found |= declared(item)
    return {name for name in found if not name.startswith(("align_", "ALIGN_"))}


def renamed(text, names, suffix):
    """The text with these names changed, where they are not those of fields or rows of losses."""
    words = [(match.lastgroup, match.group()) for match in TOKEN.finditer(text)]
    solid = [i for i, (kind, _) in enumerate(words) if kind != "skip"]
    records, depth = [], 0  # how deep the brackets stood where each struct that is open began
    for place, i in enumerate(solid):
        kind, word = words[i]
        before = [words[j][1] for j in solid[max(place - 2, 0):place]]
        after = words[solid[place + 1]][1] if place + 1 < len(solid) else ""
        depth -= word in (")", "}", "]")
        if records and records[-1] == depth and word == "}":
            records.pop()
        if word == "{" and {"struct", "union"} & set(before):
            records.append(depth)
        depth += word in ("(", "{", "[")
        is_declarator = (records and records[-1] == depth - 1 and after in (";", ",", "[", ":") or
                         records and before == ["(", "*"])
        is_field = before[-1:] in (["."], ["->"]) or before == ["ALIGN__ROW", "("] or is_declarator
        if kind == "name" and word in names and not is_field:
            words[i] = kind, word + suffix
    return "".join(word for _, word in words)


# ---- files ---------------------------------------------------------------------------------------

class Tree:
    """Sources of a folder, read with their own headers in place."""

    def __init__(self, root):
        self.root = root
        self.seen = set()

    def read(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8") as file:
            return file.read()

    def inlined(self, path, seen, public=True, change=lambda text: text):
        """A file, changed, with each header of the library put where it is included for the first time."""
        def put(match):
            quoted, header = match.groups()
            if header:
                there = f"include/{header}"
                if not public:
                    return ""
            else:
                there = posixpath.normpath(posixpath.join(posixpath.dirname(path), quoted))
            if there in seen:
                return ""
            if there.endswith(".h"):
                seen.add(there)
            return self.inlined(there, seen, public)
        return INCLUDE.sub(put, change(self.read(path)))

    def sources(self):
        listed = re.search(r"^sources = files\((.*?)^\)", self.read("lib/meson.build"), re.DOTALL | re.MULTILINE)
        return re.findall(r"'([^']+)'", listed[1])

    def level_sources(self):
        """Those that stand there once for each instruction set."""
        rows = re.search(r"^loss_rows = files\((.*?)^\)", self.read("lib/kernels/meson.build"), re.DOTALL | re.MULTILINE)
        return KERNEL_SOURCES + tuple(re.findall(r"'\.\./([^']+)'", rows[1]))

    def version(self):
        header = self.read("include/libalign/base.h")
        return ".".join(re.search(rf"define ALIGN_VERSION_{part}\s+(\d+)", header)[1]
                        for part in ("MAJOR", "MINOR", "PATCH"))


def undefined(text):
    """Lines that take back the macros that a source leaves behind."""
    names = dict.fromkeys(DEFINE.findall(text))
    return "".join(f"#undef {name}\n" for name in names if name not in UNDEF.findall(text))


def namespace(names):
    """Lines that put ALIGN_NAMESPACE before each name, where it is defined."""
    return "#ifdef ALIGN_NAMESPACE\n" + "".join(
        f"#    define {name} ALIGN_NAMED(ALIGN_NAMESPACE, {name})\n" for name in sorted(names)) + "#endif\n"


# ---- the header ----------------------------------------------------------------------------------

HEAD = """/* libalign {version}, the whole library as {what}. Made by tools/amalgamate.py; MIT licence:
 *
{licence}
 */
"""

USE = """
/* To use: compile libalign.c as C11 with gcc or clang, link a CBLAS with LAPACK and libm. To have several copies in one
 * program, compile each, and what calls it, with its own -DALIGN_NAMESPACE=prefix_. */
#ifdef ALIGN_NAMESPACE
#    define ALIGN_NAMED_(prefix, name) prefix##name
#    define ALIGN_NAMED(prefix, name)  ALIGN_NAMED_(prefix, name)
#endif
"""


def head(tree, what):
    licence = "\n".join((" * " + line).rstrip() for line in tree.read("LICENSE").strip().splitlines())
    return HEAD.format(version=tree.version(), what=what, licence=licence)


def header(tree):
    exported = re.findall(r"^\s*(align_\w+);", tree.read("lib/libalign.map"), re.MULTILINE)
    seen = {"include/libalign/align.h"}
    return (head(tree, "one header") + "#ifndef LIBALIGN_AMALGAMATION_H\n#define LIBALIGN_AMALGAMATION_H\n" + USE +
            namespace(exported) + tree.inlined("include/libalign/align.h", seen) + "\n#endif\n")


# ---- the source ----------------------------------------------------------------------------------

PROLOGUE = """
/* The promises of docs/numerics.md rest on IEEE arithmetic, one rounding an operation. */
#ifdef __FAST_MATH__
#    error "libalign cannot be compiled with -ffast-math"
#endif
#if defined(__clang__)
#    pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#    pragma GCC optimize("fp-contract=off")
#else
#    error "libalign.c needs gcc or clang"
#endif

#include <float.h>
#if FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16
#    error "libalign needs floats that are rounded as floats: -msse2 -mfpmath=sse on i386, -std=gnu11 on s390x"
#endif

#pragma GCC diagnostic ignored "-Wunused-function"

#include "libalign.h"

#if defined(__x86_64__)
#    include <immintrin.h>
#endif
"""


def levels_defined():
    lines = []
    for level, (machine, _, _) in LEVELS.items():
        if machine:
            lines += [f"#if {machine}", f"#    define ALIGN__HAVE_{level.upper()}", "#endif"]
    return "\n".join(lines) + "\n"


def pragmas(target, body):
    """A section that is compiled for more than the machine at hand."""
    if target is None:
        return body
    return (f'#if defined(__clang__)\n#    pragma clang attribute push(__attribute__((target("{target}"))), '
            f'apply_to = function)\n#else\n#    pragma GCC push_options\n#    pragma GCC target("{target}")\n#endif\n'
            f"{body}#if defined(__clang__)\n#    pragma clang attribute pop\n#else\n#    pragma GCC pop_options\n#endif\n")


def level_section(tree, level, path, seen):
    """The kernels of one source for one instruction set, with their vocabulary, under names of their own."""
    machine, target, word = LEVELS[level]
    own = {name for name in seen if not name.startswith("lib/kernels/v16") and name not in tree.level_headers}
    text = tree.inlined(f"lib/{path}", own, public=False)
    stem = re.sub(r"^.*/|_?level|\.c$", "", path)
    body = renamed(text, file_scope(text, set()), f"_{stem}_{level}" if stem else f"_{level}")
    body = f"#define ALIGN__LEVEL {level}\n" + (f"#define {word}\n" if word else "") + body
    body = pragmas(target, body + undefined(body))
    return f"#if {machine}\n{body}#endif\n" if machine else body


def source(tree):
    paths = tree.sources()
    seen, shared = set(), set()
    for path in paths:
        before = set(seen)
        tree.inlined(f"lib/{path}", seen, public=False)
        for name in sorted(seen - before):
            shared |= file_scope(tree.read(name), set())
    tree.level_headers = {f"lib/kernels/{name}.h" for name in ("convert", "lanes", "pairs", "reduce", "sums", "terms")}

    owned = {path: file_scope(tree.inlined(f"lib/{path}", set(seen), public=False), shared) for path in paths}
    uses = collections.Counter(name for names in owned.values() for name in names)

    parts, seen = [], set()
    for path in paths:
        clashing = {name for name in owned[path] if uses[name] > 1 or name in shared}
        suffix = "_in_" + re.sub(r"\W", "_", path[:-2])
        body = tree.inlined(f"lib/{path}", seen, public=False, change=lambda text: renamed(text, clashing, suffix))
        parts.append(f"\n/* ---- lib/{path} ---- */\n\n{body}" + undefined(tree.read(f"lib/{path}")))
    for path in tree.level_sources():
        for level in LEVELS:
            if level != "neon" or path == "kernels/level.c":
                parts.append(f"\n/* ---- lib/{path}, {level} ---- */\n\n" + level_section(tree, level, path, seen))
    code = levels_defined() + "".join(parts)
    internal = {word for kind, word in tokens(code) if kind == "name" and re.match(r"align__[a-z]", word)}
    rows = re.findall(r"^ROW\(\w+, (\w+)\)", tree.read("lib/loss/rows.def"), re.MULTILINE)
    tables = ["f32", "f64", "kernels"] + [f"loss_{row}" for row in rows]
    internal |= {f"align__{table}_{level}" for table in tables for level in LEVELS}
    return head(tree, "one source") + PROLOGUE + namespace(internal) + code


def main(folder, root=os.path.dirname(os.path.dirname(os.path.abspath(__file__)))):
    tree = Tree(root)
    os.makedirs(folder, exist_ok=True)
    for name, make in (("libalign.h", header), ("libalign.c", source)):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(re.sub(r"\n{3,}", "\n\n", make(tree)))


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
