"""Checks of ./dev check on the built library. Each takes the text of nm, objdump or a source."""
import re

# What the library may ask of its surroundings: libm, CBLAS, LAPACK, moving bytes.
LIBM = """acos asin atan atan2 cbrt ceil copysign cos cosh erf erfc exp exp2 expm1 fabs fdim floor fma
fmax fmin fmod frexp hypot ilogb isnan ldexp lgamma llrint log log10 log1p log2 logb lrint modf nan
nearbyint nextafter pow remainder rint round scalbn sin sinh sqrt tan tanh tgamma trunc""".split()
BYTES = "memchr memcmp memcpy memmove memset strcmp strlen strncmp".split()
TOOLCHAIN = """_GLOBAL_OFFSET_TABLE_ _ITM_deregisterTMCloneTable _ITM_registerTMCloneTable __cxa_finalize
__gmon_start__ __stack_chk_fail __cpu_model __cpu_indicator_init""".split()
ALLOWED = re.compile(r"(%s)f?|%s|%s|cblas_[sd]\w+|[sd][a-z0-9]{3,6}_" %
                     ("|".join(LIBM), "|".join(BYTES), "|".join(TOOLCHAIN)))
WRITABLE_WORDS = {"cpu_word"}


def names_of(nm):
    """Symbol names of nm's output, without versions."""
    return {line.split()[-1].split("@")[0] for line in nm.splitlines()
            if line and not line.endswith(":")}


def check_exports(nm_exported, declared, symbol_map):
    """What the shared library exports = what headers declare = what the version script lists."""
    nodes = {"LIBALIGN_" + n for n in re.findall(r"^LIBALIGN_([\w.]+)\s*\{", symbol_map, re.MULTILINE)}
    mapped = set(re.findall(r"^\s*(align_\w+);", symbol_map, re.MULTILINE))
    exported = names_of(nm_exported) - nodes
    complaints = []
    for left, right, text in ((declared, mapped, "is declared and not in libalign.map"),
                              (mapped, declared, "is in libalign.map and not declared"),
                              (mapped, exported, "is in libalign.map and not in the library"),
                              (exported, mapped, "is exported and not in libalign.map")):
        complaints += [f"{name} {text}" for name in sorted(left - right)]
    return complaints


def check_undefined(nm_undefined):
    """No malloc, stdio, locale, environment: nothing beyond the list."""
    return [f"the library needs {name}, which is not on the list of tools/check_symbols.py"
            for name in sorted(names_of(nm_undefined)) if not ALLOWED.fullmatch(name)]


def check_internal(nm_global):
    """Names that other files of the library see begin with align_ (exported) or align__."""
    return [f"{name} is not static and does not begin with align_"
            for name in sorted(names_of(nm_global)) if not name.startswith("align_")]


def check_writable(objdump_symbols):
    """No writable data but the one cached CPU word."""
    found = re.findall(r"\sO\s+\.(?:t?data|t?bss)(?!\.rel\.ro)\S*\s+[0-9a-f]+\s+(?:\.hidden\s+)?(\S+)$",
                       objdump_symbols, re.MULTILINE)
    return [f"{name} is writable data" for name in sorted(set(found) - WRITABLE_WORDS)]
