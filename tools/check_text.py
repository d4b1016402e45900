"""Checks of ./dev check that read sources as text. Each takes {path: text} and returns complaints."""
import posixpath
import re

# ---- comments ----------------------------------------------------------------------------------

TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def without_comments(text):
    """The code alone: comments and the insides of strings blanked, line numbers kept."""
    def blank(match):
        word = match.group()
        if word[0] == "/":
            return re.sub(r"[^\n]", " ", word)
        return word[0] + " " * (len(word) - 2) + word[0]
    return TOKEN.sub(blank, text)


def comment_share(text):
    """Part of all visible characters that stands in comments."""
    total = len(re.sub(r"\s", "", text))
    comments = (m.group() for m in TOKEN.finditer(text) if m.group()[0] == "/")
    return sum(len(re.sub(r"\s", "", c)) for c in comments) / max(total, 1)


def check_prose(files):
    """Headers hold contracts, sources hold code."""
    complaints = []
    for path, text in files.items():
        share = comment_share(text)
        if re.match(r"include/libalign/(?!align\.h)", path) and not .50 <= share <= .85:
            complaints.append(f"{path}: {share:.0%} of it is comment, expected 50..85 %")
        if re.match(r"lib/.*\.c$", path) and share > .30:
            complaints.append(f"{path}: {share:.0%} of it is comment, expected at most 30 %")
    return complaints


# ---- sizes -------------------------------------------------------------------------------------

FILE_LINES, FUNCTION_LINES = 800, 60


def check_lengths(files):
    """Files of at most 800 lines, functions of at most 60."""
    complaints = []
    for path, text in files.items():
        lines = text.splitlines()
        if len(lines) > FILE_LINES:
            complaints.append(f"{path}: {len(lines)} lines, at most {FILE_LINES}")
        begin = None
        for number, line in enumerate(lines, 1):
            if line == "{":
                begin = number
            elif line == "}" and begin is not None:
                if number - begin - 1 > FUNCTION_LINES:
                    complaints.append(f"{path}:{begin}: a function of {number - begin - 1} lines, "
                                      f"at most {FUNCTION_LINES}")
                begin = None
    return complaints


# ---- include order -----------------------------------------------------------------------------

# A family may include itself and what stands on a lower floor. What is not named is base.
FLOORS = {"base": 0, "kernels": 1, "head": 2, "loss": 2, "bt": 2, "reward": 2, "norm": 2,
          "advantage": 3, "step": 4, "threads": 5, "align": 5}
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<(libalign/[^>]+)>)', re.MULTILINE)


def family(path):
    """lib/loss/pair.c and libalign/loss.h are both of the family loss."""
    parts = path.split("/")
    stem = re.split(r"[_.]", parts[-1])[0]
    return next((word for word in parts[:-1] + [stem] if word in FLOORS), "base")


def check_includes(files):
    """base < kernels < head, loss, bt, reward, norm < advantage < step."""
    complaints = []
    for path, text in files.items():
        if not path.startswith(("lib/", "include/")):
            continue
        for quoted, public in INCLUDE.findall(text):
            beside = posixpath.normpath(posixpath.join(posixpath.dirname(path), quoted))
            known = beside in files or quoted.startswith("../")
            mine, other = family(path), family(public or (beside if known else quoted))
            if other != mine and FLOORS[other] >= FLOORS[mine]:
                complaints.append(f"{path}: {mine} may not include {quoted or public} ({other})")
    return complaints


# ---- names -------------------------------------------------------------------------------------

VERBS = ("init", "scratch", "forward", "backward", "eval", "run", "fit", "predict", "update", "merge",
         "apply", "get", "find", "save", "load", "grow", "create", "destroy", "count")
NOUN_ONLY = ("align_1d", "align_2d", "align_3d", "align_abi", "align_cpu", "align_version",
             "align_dtype_bytes", "align_status_name", "align_norm_groups", "align_pool_workers")
FUNCTION_NAME = re.compile(r"align(_[a-z0-9]+)+_(%s)(_[a-z0-9]+)*" % "|".join(VERBS))
FORBIDDEN = re.compile(r"ALIGN_(OK|MASK|UP|DOWN|SIZE|MAX|PTR|\d+)")
CONSTANT = re.compile(r"ALIGN(_[A-Z0-9]+)+")


def declared_functions(text):
    """Names of the functions that a public header exports."""
    code = re.sub(r"^\s*#.*(?:\\\n.*)*", "", without_comments(text), flags=re.MULTILINE)
    return {re.search(r"\b(align_\w+)\s*\($", head).group(1)
            for head in re.findall(r"\bALIGN_API\b[^;]*?\balign_\w+\s*\(", code)}


def check_names(files):
    """align_noun_verb, ALIGN_GROUP_NAME, and nothing that other projects call theirs."""
    complaints = []
    for path, text in files.items():
        if not path.startswith("include/libalign/"):
            continue
        code = without_comments(text)
        for name in sorted(declared_functions(text)):
            if not FUNCTION_NAME.fullmatch(name) and name not in NOUN_ONLY:
                complaints.append(f"{path}: {name} is not align_<noun>_<verb>")
        for name in sorted(set(re.findall(r"\b(?:ALIGN|align)_+\w+", code))):
            if FORBIDDEN.fullmatch(name):
                complaints.append(f"{path}: {name} belongs to other projects")
            elif name.startswith("ALIGN") and not CONSTANT.fullmatch(name):
                complaints.append(f"{path}: {name} is not ALIGN_<GROUP>_<NAME>")
            elif name.startswith("align__"):
                complaints.append(f"{path}: {name} is internal")
        for name in re.findall(r"^\s*#\s*define\s+(\w+)", code, re.MULTILINE):
            if not name.startswith(("ALIGN_", "LIBALIGN_")):
                complaints.append(f"{path}: the macro {name} does not begin with ALIGN_")
        for name in re.findall(r"\b(?:struct|union|enum)\s+(\w+)\s*\{", code):
            if not name.startswith("align_"):
                complaints.append(f"{path}: the type {name} does not begin with align_")
    return complaints


# ---- leftovers ---------------------------------------------------------------------------------

MARKER = re.compile(r"\b(%s)\b" % "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")))
MACHINE = re.compile(r"(?<![\w.}$])/(?:%s)/\w" % "|".join(("home", "root", "work", "tmp", "Users")))


def check_leftovers(files):
    """No notes to self, no paths of one machine."""
    complaints = []
    for path, text in files.items():
        for number, line in enumerate(text.splitlines(), 1):
            for what, pattern in (("a note to self", MARKER), ("a path of one machine", MACHINE)):
                found = pattern.search(line)
                if found:
                    complaints.append(f"{path}:{number}: {found.group()} is {what}")
    return complaints


# ---- links -------------------------------------------------------------------------------------

LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)")


def check_links(files):
    """Pages that a page points to exist. The keys of files are all paths of the repository."""
    complaints = []
    folders = {posixpath.dirname(path) for path in files}
    for path, text in files.items():
        if path.endswith(".md"):
            for target in LINK.findall(text):
                there = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
                if there not in files and there not in folders:
                    complaints.append(f"{path}: there is no {target}")
    return complaints
