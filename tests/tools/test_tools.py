#!/usr/bin/env python3
"""Every check of ./dev check accepts a good example and complains about a bad one."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools"))
sys.dont_write_bytecode = True

import abi
import check_symbols
import check_text
import generate
import tally

HEADER = "include/libalign/x.h"


class TextChecks(unittest.TestCase):
    def complains(self, check, path, text, words):
        complaints = check({path: text})
        self.assertEqual(len(complaints), 1, complaints)
        self.assertIn(words, complaints[0])

    def test_includes(self):
        check = check_text.check_includes
        self.assertEqual(check({"lib/step/step.c": '#include "../head/head.h"\n#include <libalign/loss.h>\n',
                                "lib/kernels/a.c": '#include "v16.h"\n#include "../base/tensor.h"\n',
                                "lib/kernels/v16.h": "", "lib/loss/list.c": '#include "sort.h"\n', "lib/loss/sort.h": "",
                                "lib/loss/pair.c": '#include "loss.h"\n#include "../kernels/sum.h"\n'}), [])
        self.complains(check, "lib/head/dense.c", '#include "../loss/loss.h"', "head may not include ../loss/loss.h")
        self.complains(check, "lib/loss/loss.c", "#include <libalign/head.h>", "loss may not include")
        self.complains(check, "lib/base/exec.c", "#include <libalign/threads.h>", "base may not include")
        self.complains(check, "lib/base/tensor.c", '#include "../kernels/sum.h"', "base may not include")
        self.complains(check, "lib/kernels/sum.c", '#include "../head/head.h"', "kernels may not include")
        self.complains(check, "lib/bt/fit.c", '#include "../step/step.h"', "bt may not include")

    def test_names(self):
        check = check_text.check_names
        good = ("#define ALIGN_X_MOST 3\nenum { ALIGN_X_ONE = 1 };\n"
                "ALIGN_API ALIGN_NOT_ACCESSED(1) align_status align_x_fit(const align_x *x);\n")
        self.assertEqual(check({HEADER: good}), [])
        self.complains(check, HEADER, "ALIGN_API void align_x_frobnicate(int x);", "is not align_<noun>_<verb>")
        self.complains(check, HEADER, "enum { ALIGN_MASK = 1 };", "belongs to other projects")
        self.complains(check, HEADER, "enum { ALIGN_64 = 1 };", "belongs to other projects")
        self.complains(check, HEADER, "enum { ALIGN_x = 1 };", "is not ALIGN_<GROUP>_<NAME>")
        self.complains(check, HEADER, "int align__x_fit(int x);", "is internal")
        self.complains(check, HEADER, "#define MOST 3\n", "the macro MOST")
        self.complains(check, HEADER, "struct item { int x; };", "the type item")

    def test_declared_functions(self):
        text = ("#define ALIGN_API extern\n/* ALIGN_API void align_no_init(void); */\n"
                "ALIGN_API align_tensor\n    align_1d(const void *data, int64_t n);\n")
        self.assertEqual(check_text.declared_functions(text), {"align_1d"})

    def test_lengths(self):
        body = "    x();\n"
        function = "int f(void)\n{\n%s}\n"
        self.assertEqual(check_text.check_lengths({"a.c": function % (60 * body)}), [])
        self.complains(check_text.check_lengths, "a.c", function % (61 * body), "a function of 61 lines")
        self.complains(check_text.check_lengths, "a.h", "\n" * 801, "801 lines")

    def test_prose(self):
        check = check_text.check_prose
        self.assertEqual(check({HEADER: "/* says what x is */\nint x_of_it;\n", "lib/a.c": "int x;\n"}), [])
        self.complains(check, HEADER, "int x;\n", "0% of it is comment")
        self.complains(check, "lib/a.c", "/* a very long story */\nint x;\n", "expected at most 30 %")
        self.assertEqual(check_text.comment_share('"/* text */"'), 0)

    def test_links(self):
        check = check_text.check_links
        self.assertEqual(check({"docs/a.md": "[b](../b.md#part) [c](https://c.example) [d](pictures)",
                                "b.md": "", "docs/pictures/d.svg": ""}), [])
        self.complains(check, "docs/a.md", "[b](b.md)", "there is no b.md")

    def test_leftovers(self):
        check = check_text.check_leftovers
        self.assertEqual(check({"a.c": 'path = "${HOME}/tmp/x";\n// a hacksaw\n'}), [])
        self.complains(check, "a.c", "/* TO" "DO later */", "is a note to self")
        self.complains(check, "a.c", 'open("/ho' 'me/me/x");', "is a path of one machine")


class SymbolChecks(unittest.TestCase):
    MAP = "LIBALIGN_0.1 {\nglobal:\n    align_a_init;\n    align_b_init;\nlocal:\n    *;\n};\n"
    NM = "0 A LIBALIGN_0.1\n10 T align_a_init@@LIBALIGN_0.1\n20 T align_b_init@@LIBALIGN_0.1\n"

    def test_exports(self):
        check, both = check_symbols.check_exports, {"align_a_init", "align_b_init"}
        self.assertEqual(check(self.NM, both, self.MAP), [])
        self.assertEqual(check(self.NM, both | {"align_c_init"}, self.MAP),
                         ["align_c_init is declared and not in libalign.map"])
        self.assertEqual(check(self.NM, {"align_a_init"}, self.MAP),
                         ["align_b_init is in libalign.map and not declared"])
        self.assertEqual(check(self.NM + "30 T align__x\n", both, self.MAP),
                         ["align__x is exported and not in libalign.map"])
        self.assertEqual(check("10 T align_a_init\n", both, self.MAP),
                         ["align_b_init is in libalign.map and not in the library"])

    def test_undefined(self):
        check = check_symbols.check_undefined
        self.assertEqual(check("  U memcpy@GLIBC_2.14\n  U log1p\n  U cblas_dgemm\n  U dpotrf_\n  U fmaf\n"), [])
        for name in ("malloc", "printf", "getenv", "setlocale", "abort", "__assert_fail", "pthread_create"):
            self.assertEqual(len(check(f"      U {name}@GLIBC_2.2.5\n")), 1, name)

    def test_internal(self):
        self.assertEqual(check_symbols.check_internal("a.c.o:\n\n0 T align__x\n10 T align_x_init\n"), [])
        self.assertEqual(check_symbols.check_internal("0 T helper\n"),
                         ["helper is not static and does not begin with align_"])

    def test_writable(self):
        good = "0 l     O .bss\t08 cpu_word\n0 l     O .data.rel.ro.local\t068 names.0\n0 g     F .text\t08 f\n"
        self.assertEqual(check_symbols.check_writable(good), [])
        for section in (".bss", ".data", ".tbss", ".data.rel.local"):
            self.assertEqual(check_symbols.check_writable(f"0 l     O {section}\t08 calls\n"),
                             ["calls is writable data"])


class Layouts(unittest.TestCase):
    OLD = "# head\n\nalign_a 16\n    0 size_t size\n    8 int n\n\nalign_b 8\n    0 size_t size\n"

    def test_fields_at_the_end_are_growth(self):
        self.assertEqual(abi.broken_layouts(self.OLD, self.OLD), [])
        grown = self.OLD.replace("    8 int n\n", "    8 int n\n   12 int m\n") + "\nalign_c 8\n    0 size_t size\n"
        self.assertEqual(abi.broken_layouts(self.OLD, grown), [])

    def test_anything_else_is_not(self):
        for changed in (self.OLD.replace("int n", "int m"), self.OLD.replace("8 int n", "12 int n"),
                        self.OLD.replace("    8 int n\n", ""), self.OLD.replace("align_b", "align_c")):
            self.assertEqual(len(abi.broken_layouts(self.OLD, changed)), 1, changed)

    def test_record_is_of_every_struct(self):
        record = generate.read("tests/abi/layout.txt")
        for name, (size, fields) in abi.layouts().items():
            self.assertIn(f"\n{name} {size}\n", record)
            self.assertEqual(fields == [], name == "align_pool")
        self.assertGreater(len(abi.layouts()), 40)

    def test_constants_without_a_value_are_one_more(self):
        enums = [abi.constants(node) for node in abi.tree("enum { A, B = 5, C, D = -2, E, F = 1UL };")
                 if node["kind"] == "EnumDecl"]
        self.assertIn({"A": 0, "B": 5, "C": 6, "D": -2, "E": -1, "F": 1}, enums)


class Generated(unittest.TestCase):
    def test_between_replaces_only_its_part(self):
        text = "a\n<!-- t -->\nold\n<!-- /t -->\nb\n"
        self.assertEqual(generate.between(text, "t", "new"), "a\n<!-- t -->\n\nnew\n\n<!-- /t -->\nb\n")

    def test_stale(self):
        self.assertEqual(generate.stale({"README.md": lambda: generate.read("README.md")}), [])
        self.assertEqual(len(generate.stale({"README.md": lambda: "other"})), 1)

    def test_error_sites_match_the_sources(self):
        names = [name for _, sites in generate.error_sites() for name, _, _ in sites]
        self.assertEqual(len(names), generate.read("lib/base/errors.def").count("\nSITE("))
        self.assertEqual(len(names), len(set(names)))


class Tally(unittest.TestCase):
    def test_count(self):
        line = "100%: Checks: 9, Failures: 0, Errors: 0\n"
        self.assertEqual(tally.count("OK", line), (9, 0, 0))
        self.assertEqual(tally.count("FAIL", line), (8, 1, 0))
        self.assertEqual(tally.count("FAIL", "77%: Checks: 9, Failures: 1, Errors: 1\n"), (7, 2, 0))
        self.assertEqual(tally.count("TIMEOUT", ""), (0, 1, 0))
        self.assertEqual(tally.count("SKIP", ""), (0, 0, 1))
        self.assertEqual(tally.count("OK", "words\n"), (1, 0, 0))


if __name__ == "__main__":
    unittest.main()
