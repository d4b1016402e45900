"""Structs and prototypes of _abi.py against the C compiler, the record of layouts, and the library."""
import ctypes
import pathlib
import re
import subprocess

import pytest
from libalign import _abi, _library

ROOT = pathlib.Path(__file__).resolve().parents[3]
STRUCTS = [kind for kind in vars(_abi).values()
           if isinstance(kind, type) and issubclass(kind, ctypes.Structure) and hasattr(kind, "_fields_")]
INITS = [name for name, types in _abi.FUNCTIONS.items() if name.endswith("_init") and len(types) == 3]


def ours():
    """What ctypes makes of each struct: {"struct": size, "struct.field": offset}."""
    found = {}
    for kind in STRUCTS:
        found[kind.__name__] = ctypes.sizeof(kind)
        found.update({f"{kind.__name__}.{name}": getattr(kind, name).offset for name, _ in kind._fields_})
    return found


def test_all_structs_are_there():
    declared = set()
    for header in (ROOT / "include/libalign").glob("*.h"):
        declared |= set(re.findall(r"^typedef struct (align_\w+) \{", header.read_text(), re.MULTILINE))
    assert declared == {kind.__name__ for kind in STRUCTS}


def test_layout_is_that_of_the_c_compiler(tmp_path):
    names = ours()
    lines = [f'printf("%zu\\n", {"offsetof(%s, %s)" % tuple(name.split(".")) if "." in name else f"sizeof({name})"});'
             for name in names]
    program = tmp_path / "layout"
    source = ("#include <libalign/align.h>\n#include <libalign/threads.h>\n#include <stdio.h>\nint main(void)\n{\n"
              + "\n".join(lines) + "\nreturn 0;\n}\n")
    subprocess.run(["cc", f"-I{ROOT}/include", "-x", "c", "-", "-o", program], input=source, text=True, check=True)
    answers = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
    assert dict(zip(names, map(int, answers))) == names
    assert len(answers) > 300


@pytest.mark.skipif(ctypes.sizeof(ctypes.c_void_p) != 8, reason="the record is of 64 bits")
def test_layout_is_that_of_the_record():
    recorded, struct = {}, ""
    for line in (ROOT / "tests/abi/layout.txt").read_text().splitlines():
        if line.startswith("align_"):
            struct, size = line.split()
            recorded[struct] = int(size)
        elif line.startswith(" "):
            recorded[f"{struct}.{line.split()[-1]}"] = int(line.split()[0])
    assert recorded == ours()


@pytest.mark.parametrize("name", INITS)
def test_library_fills_exactly_the_struct(name):
    kind = _abi.FUNCTIONS[name][1]._type_
    size = ctypes.sizeof(kind)
    memory = (ctypes.c_ubyte * (size + 64))(*[0xA5] * (size + 64))
    getattr(_library.lib, name)(ctypes.cast(memory, ctypes.POINTER(kind)), size)
    assert kind.from_buffer(memory).size == size
    assert bytes(memory[size:]) == b"\xa5" * 64
    assert b"\xa5" * 4 not in bytes(memory[8:size])


def test_every_function_has_its_prototype():
    for name, (restype, *argtypes) in _abi.FUNCTIONS.items():
        function = getattr(_library.lib, name)
        assert function.restype is restype and list(function.argtypes) == argtypes


def test_constants_are_those_of_the_library():
    for name, code in _abi.ENUMS["ALIGN_E_NONE"].items():
        assert _library.lib.align_status_name(code).decode() == name.upper()
    for code in _abi.ENUMS["ALIGN_I32"].values():
        assert _library.lib.align_dtype_bytes(code) == (code & 255) // 8
    for name, number in _abi.ENUMS["ALIGN_LOSS_DPO"].items():
        assert _library.lib.align_loss_find(name.encode()) == number
    assert _library.lib.align_loss_count() == len(_abi.ENUMS["ALIGN_LOSS_DPO"])
    assert _library.lib.align_abi() == _abi.ALIGN_ABI
