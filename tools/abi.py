"""The public headers as clang reads them, and what is written from that: ctypes for Python, the layout record; and Rust,
which bindgen writes.

Records, enums and prototypes come from clang's syntax tree, macros from its preprocessor with values that clang
itself works out, offsets and sizes from its record layouts for 64-bit Linux.
"""
import functools
import json
import os
import re
import subprocess
import sys
import tempfile
from typing import NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HEADERS = "#include <libalign/align.h>\n#include <libalign/threads.h>\n"
POOL = "align_pool_"


class Record(NamedTuple):
    """A struct: fields as (name, type), none for one whose inside is not public."""
    name: str
    fields: tuple


class Function(NamedTuple):
    name: str
    returns: str
    arguments: tuple


class Headers(NamedTuple):
    macros: dict      # name -> value
    enums: tuple      # of {name -> value}
    numbers: dict     # typedefs of plain numbers: name -> type
    callbacks: dict   # typedefs of function pointers: name -> type
    records: tuple
    functions: tuple


def clang(source, *arguments):
    return subprocess.run(["clang", "--target=x86_64-linux-gnu", "-Iinclude", "-x", "c", "-", *arguments], cwd=ROOT,
                          check=True, input=source, capture_output=True, text=True).stdout


def tree(source):
    return json.loads(clang(source, "-fsyntax-only", "-Xclang", "-ast-dump=json"))["inner"]


def inner(node, kind):
    return [child for child in node.get("inner", ()) if child["kind"] == kind]


def written_value(node):
    """The value that stands in the first ConstantExpr below a node."""
    for child in node.get("inner", ()):
        if child["kind"] == "ConstantExpr":
            return int(child["value"])
        if child["kind"].endswith("Expr"):
            return written_value(child)
    return None


def constants(node):
    """{name: value} of an enum; where none is written it is one more than the last."""
    values, following = {}, 0
    for item in inner(node, "EnumConstantDecl"):
        written = written_value(item)
        following = following if written is None else written
        values[item["name"]] = following
        following += 1
    return values


def macros():
    """Those that stand for a whole number, worked out by clang as constants of an enum each."""
    names = [name for name, body in re.findall(r"^#define (ALIGN_\w+) (.+)$", clang(HEADERS, "-E", "-dM"), re.MULTILINE)
             if re.fullmatch(r"[\dxXuUlL]+|U?INT\d+_C\(\w+\)", body)]
    probe = "".join(f"enum {{ value_of_{name} = {name} }};\n" for name in sorted(names))
    found = {}
    for node in tree(HEADERS + probe):
        if node["kind"] == "EnumDecl":
            found.update({name[len("value_of_"):]: value for name, value in constants(node).items()
                          if name.startswith("value_of_")})
    return found


def type_of(node):
    return node["type"]["qualType"]


@functools.lru_cache(maxsize=None)
def headers():
    """All that the public headers declare, in their order."""
    numbers, callbacks, records, enums, functions = {}, {}, {}, [], []
    for node in tree(HEADERS):
        name, kind = node.get("name", ""), node["kind"]
        if kind == "EnumDecl" and any(key.startswith("ALIGN_") for key in constants(node)):
            enums.append(constants(node))
        elif not name.startswith("align_"):
            continue
        elif kind == "RecordDecl":
            fields = tuple((field["name"], type_of(field)) for field in inner(node, "FieldDecl"))
            if fields or name not in records:
                records[name] = Record(name, fields)
        elif kind == "TypedefDecl" and "(*)" in type_of(node):
            callbacks[name] = type_of(node)
        elif kind == "TypedefDecl" and not type_of(node).startswith("struct "):
            numbers[name] = type_of(node)
        elif kind == "FunctionDecl":
            returns = type_of(node).split("(", 1)[0].strip()
            functions.append(Function(name, returns, tuple(map(type_of, inner(node, "ParmVarDecl")))))
    return Headers(macros(), tuple(enums), numbers, callbacks, tuple(records.values()), tuple(functions))


# ---- tests/abi/layout.txt ----------------------------------------------------------------------

def layouts():
    """{struct: (size, [(offset, type, field)])}."""
    dump = clang(HEADERS, "-fsyntax-only", "-Xclang", "-fdump-record-layouts-complete")
    found = {}
    for block in dump.split("*** Dumping AST Record Layout\n"):
        head = re.match(r"\s*0 \| (?:struct|union) (align_\w+)\n", block)
        if head:
            fields = re.findall(r"^ *(\d+) \|   (\S.*) (\w+)$", block, re.MULTILINE)
            found[head[1]] = int(re.search(r"\[sizeof=(\d+)", block).group(1)), fields
    return found


def layout_record():
    """Size and offset of every field of the public structs."""
    lines = ["# Layout of the public structs on 64-bit machines: offset, type, field. Written by ./dev docs.",
             "# While ALIGN_ABI stays, fields are only appended."]
    for name, (size, fields) in layouts().items():
        lines += ["", f"{name} {size}"] + [f"{int(at):5} {kind} {field}" for at, kind, field in fields]
    return "\n".join(lines) + "\n"


def broken_layouts(old, new):
    """Complaints about structs of an older record that a newer one changed otherwise than by fields at the end."""
    before, after = ({block.split("\n", 1)[0].split()[0]: block.splitlines()[1:] for block in text.split("\n\n")[1:]}
                     for text in (old, new))
    return [f"{name}: {line.strip()} is no longer at its place"
            for name, lines in before.items()
            for line, there in zip(lines, after.get(name, []) + [None] * len(lines)) if line != there]


# ---- bindings/python/src/libalign/_abi.py -------------------------------------------------------

PLAIN = {"int32_t": "c_int32", "uint32_t": "c_uint32", "int64_t": "c_int64", "uint64_t": "c_uint64",
         "size_t": "c_size_t", "double": "c_double", "int": "c_int", "void *": "c_void_p", "char *": "c_char_p"}

PYTHON_HEAD = '''"""The C ABI of libalign for ctypes: constants, structs, prototypes. Written from the headers by ./dev docs."""
from ctypes import (CFUNCTYPE, POINTER, Structure, c_char, c_char_p, c_double, c_int32, c_int64, c_size_t, c_uint32,
                    c_uint64, c_void_p)
'''


def ctype(kind):
    """A C type in the words of ctypes."""
    declared = headers()
    kind = re.sub(r"\b(const|struct) ?", "", kind).strip().replace("*const", "*")
    array = re.fullmatch(r"(.*?) ?\[(\d+)\]", kind)
    callback = re.fullmatch(r"(.*?) ?\(\*\)\((.*)\)", kind)
    if array:
        return "c_char * " + array[2] if array[1] == "char" else f"{ctype(array[1])} * {array[2]}"
    if callback:
        arguments = "".join(", " + ctype(argument) for argument in callback[2].split(", "))
        return f"CFUNCTYPE({'None' if callback[1] == 'void' else ctype(callback[1])}{arguments})"
    if kind in PLAIN:
        return PLAIN[kind]
    if kind.endswith("*"):
        return f"POINTER({ctype(kind[:-1].strip())})"
    if kind in declared.numbers:
        return ctype(declared.numbers[kind])
    if kind in declared.callbacks or any(record.name == kind for record in declared.records):
        return kind
    raise ValueError(f"no type of ctypes for {kind}")


def wrapped(head, items, tail, indent):
    """head items tail on lines of at most 120 characters."""
    lines, line = [], head
    for i, item in enumerate(items):
        word = item + (", " if i + 1 < len(items) else tail)
        if len((line + word).rstrip()) > 120:
            lines.append(line.rstrip())
            line = " " * indent
        line += word
    return "\n".join(lines + [line])


def python_enums(enums):
    """Enums with more than one constant, by their first: names without what all of them begin with."""
    lines = ["# Enums by their first constant; names are without the words that all of one begin with.", "ENUMS = {"]
    for enum in enums:
        if len(enum) > 1:
            prefix = os.path.commonprefix(list(enum))
            prefix = prefix[:prefix.rindex("_") + 1]
            items = [f'"{name[len(prefix):].lower()}": {value}' for name, value in enum.items()]
            lines.append(wrapped(f'    "{next(iter(enum))}": {{', items, "},", 8))
    return lines + ["}"]


def python_functions(name, functions):
    lines = [f"{name} = {{"]
    for function in functions:
        returns = "None" if function.returns == "void" else ctype(function.returns)
        lines.append(wrapped(f'    "{function.name}": (', [returns, *map(ctype, function.arguments)],
                             ",)," if not function.arguments else "),", 8))
    return lines + ["}"]


def python_module():
    """_abi.py, whole."""
    declared = headers()
    lines = [PYTHON_HEAD]
    lines += [f"{name} = {value}" for name, value in declared.macros.items()]
    lines += [f"{name} = {value}" for enum in declared.enums for name, value in enum.items()]
    lines += ["", *python_enums(declared.enums), "", ""]
    for record in declared.records:
        lines += [f"class {record.name}(Structure):", "    pass", "", ""]
    lines += [f"{name} = {ctype(kind)}" for name, kind in declared.callbacks.items()]
    for record in declared.records:
        fields = [f'("{name}", {ctype(kind)})' for name, kind in record.fields]
        if fields:
            lines.append(wrapped(f"{record.name}._fields_ = [", fields, "]", 4))
    pool = [function for function in declared.functions if function.name.startswith(POOL)]
    core = [function for function in declared.functions if function not in pool]
    lines += ["", "# What each function returns, and its arguments: libalign, and libalign-threads."]
    lines += python_functions("FUNCTIONS", core) + python_functions("POOL_FUNCTIONS", pool)
    return "\n".join(lines) + "\n"


# ---- bindings/rust/libalign-sys/src/bindings.rs ---------------------------------------------------

RUST_SYS = os.path.join(ROOT, "bindings/rust/libalign-sys")


def rust_bindings():
    """What bindgen makes of the headers, with the arguments that build.rs gives it too."""
    with open(os.path.join(RUST_SYS, "bindgen.args"), encoding="utf-8") as file:
        arguments = file.read().splitlines()
    environment = dict(os.environ)
    if os.path.exists("/usr/bin/rustfmt"):
        environment["RUSTFMT"] = "/usr/bin/rustfmt"
    with tempfile.TemporaryDirectory() as folder:
        header = os.path.join(folder, "wrapper.h")
        with open(header, "w", encoding="utf-8") as file:
            file.write("#include <libalign/align.h>\n")
        return subprocess.run(["bindgen", *arguments, header, "--", f"-I{ROOT}/include"], cwd=RUST_SYS,
                              env=environment, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    # tools/abi.py OLD NEW: two layout records.
    complaints = broken_layouts(*(open(path, encoding="utf-8").read() for path in sys.argv[1:3]))
    sys.exit("\n".join(complaints) or None)
