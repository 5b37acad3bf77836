#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""House rules that a machine can see, one check each. Every check is proven able to fail by selftest.py.

    tests/style/check.py            all checks on the files git tracks; one line per check; exit 1 when one fails
    tests/style/check.py NAME ...   only these
    tests/style/check.py --list     their names
"""
import argparse
import glob
import os
import re
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 600
TEST_FILE_LINES_MAX = 1000
COLUMNS_MAX = 100

LIBRARIES = ("base", "programmer", "auth", "lpa", "kms", "sim")

# folder: what its files may include besides their own folder (prefix of the included path)
LAYERS = {
    "base": (),
    "programmer": ("base/",),
    "auth": ("base/",),
    "sim": ("base/",),
    "kms": ("base/", "auth/totp", "device-fw/protocol/"),
    "lpa": ("base/", "programmer/", "auth/", "device-fw/protocol/"),
    "cmd": ("base/", "programmer/", "auth/", "lpa/", "kms/", "sim/", "device-fw/protocol/"),
    "device-fw": (),
}


# header of a library: files that may include it
KEPT_APART = (
    (re.compile(r"^(libusb|hidapi)"), re.compile(r"^programmer/transport_\w+\.[ch]$")),
    (re.compile(r"^curl/"), re.compile(r"^auth/")),
    (re.compile(r"^(liboath/|oath)"), re.compile(r"^auth/totp\.c$")),
    (re.compile(r"^(sqlite3|libpq-fe)\.h"), re.compile(r"^(kms/\w*store\w*|lpa/journal\w*)\.[ch]$")),
    (re.compile(r"^(event2/|evhttp)"), re.compile(r"^kms/\w*\.[ch]$")),
)

BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|atoll|atof|gets|sscanf|alloca|rand|"
                    r"random|srand|system|popen)\s*\(")
WORDS = re.compile(r"\b(TODO|FIXME|XXX|HACK|stub|stubs|stubbed|placeholder|not implemented)\b", re.I)
SPDX = "SPDX-License-Identifier: Apache-2.0"
SPDX_SUFFIXES = (".c", ".h", ".S", ".ld", ".py", ".sh", ".pml", ".build", ".yaml", ".1", ".5", ".7", ".service", ".rules")
STATE = re.compile(r"^(?:static\s+)?(?!const\b|inline\b|_Static_assert\b|_Noreturn\b|typedef\b|extern\b|return\b|struct\s+\w+;|"
                   r"enum\s+\w+;)[A-Za-z_][\w ]*[\s*]+\w+(\[[^\]]*\])*( = [^;{]*)?;$")
# functions that only make an error and return its status, for "return xxx_refuse(...)"
MAKES_ERRORS = re.compile(r"^base_err_|_refused?(_\w+)?$|_problem$|_odd_answer$")
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')


def strip_code(text):
    """Blank out comments, strings and character constants; line numbers stay."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, blank, text, flags=re.S)


class Tree:
    """The files under test: paths relative to the root, read once."""

    def __init__(self, root, files):
        self.root = root
        self.files = sorted(files)
        self.cache = {}

    def text(self, path):
        if path not in self.cache:
            with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as file:
                self.cache[path] = file.read()
        return self.cache[path]

    def code(self, path):
        key = ("code", path)
        if key not in self.cache:
            self.cache[key] = strip_code(self.text(path))
        return self.cache[key]

    def lines(self, path):
        return self.text(path).split("\n")

    def c_files(self, *folders):
        return [f for f in self.files if f.endswith((".c", ".h")) and (not folders or f.split("/")[0] in folders)]


def functions(text):
    """(first line, lines) of every function or table whose braces stand in the first column."""
    start = None
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start is not None:
            yield start, number - start - 1
            start = None


def check_spdx(tree):
    for path in tree.files:
        if path.endswith(SPDX_SUFFIXES) or tree.text(path).startswith("#!"):
            if SPDX not in "\n".join(tree.lines(path)[:4]):
                yield f"{path}: no line \"{SPDX}\" at the top"


def check_layers(tree):
    for path in tree.c_files(*LAYERS):
        folder = path.split("/")[0]
        for number, line in enumerate(tree.lines(path), 1):
            match = INCLUDE.match(line)
            if not match or match.group(1) is None:
                continue
            included = match.group(1)
            if path.startswith("device-fw/protocol/"):
                allowed = included.startswith("device-fw/protocol/")
            else:
                allowed = included.startswith(folder + "/") or included.startswith(LAYERS[folder]) or (
                    folder == "device-fw" and included.startswith("bearssl"))
            if "/" not in included and not included.startswith("bearssl"):
                yield f"{path}:{number}: include \"{included}\" is not rooted at the repository"
            elif not allowed:
                yield f"{path}:{number}: {folder} may not include {included}"


def check_libraries(tree):
    for path in tree.c_files(*LIBRARIES, "cmd"):
        for number, line in enumerate(tree.lines(path), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            included = match.group(2) or match.group(1)
            for header, users in KEPT_APART:
                if header.match(included) and not users.match(path):
                    yield f"{path}:{number}: {included} may be included by {users.pattern} only"


def check_own_header_first(tree):
    for path in tree.c_files(*LIBRARIES, "device-fw"):
        own = path[:-2] + ".h"
        if path.endswith(".c") and own in tree.files:
            first = next((m for m in map(INCLUDE.match, tree.lines(path)) if m), None)
            if first is None or first.group(1) != own:
                yield f"{path}: does not include \"{own}\" first"


def compiler_for(path):
    if path.startswith("device-fw/") and not path.startswith("device-fw/protocol/"):
        return ["arm-none-eabi-gcc", "-mcpu=cortex-m0plus", "-mthumb", "-ffreestanding", "-std=c11"]
    return ["gcc", "-std=gnu11", "-D_GNU_SOURCE"]


def check_header_alone(tree):
    flags = []
    for package in ("jansson", "libcrypto", "umockdev-1.0"):
        done = subprocess.run(["pkg-config", "--cflags", package], capture_output=True, text=True)
        flags += done.stdout.split()
    bearssl = glob.glob(os.path.join(tree.root, "subprojects", "[Bb]ear[Ss][Ss][Ll]-*", "inc", ""))
    with tempfile.TemporaryDirectory() as work:
        for path in tree.files:
            if not path.endswith(".h"):
                continue
            source = os.path.join(work, "alone.c")
            with open(source, "w", encoding="utf-8") as file:
                file.write(f'#include "{path}"\n#include "{path}"\n')
            done = subprocess.run(compiler_for(path) + ["-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-I", tree.root, *flags,
                                                        *[x for d in bearssl for x in ("-I", d)], source],
                                  capture_output=True, text=True)
            if done.returncode != 0:
                first = next((x for x in done.stderr.split("\n") if "error" in x), done.stderr[:200])
                yield f"{path}: does not compile alone: {first}"


def check_banned(tree):
    for path in tree.c_files():
        for number, line in enumerate(tree.code(path).split("\n"), 1):
            match = BANNED.search(line)
            if match and "->" + match.group(1) not in line and "." + match.group(1) not in line:
                yield f"{path}:{number}: call of {match.group(1)}"


def check_goto(tree):
    for path in tree.c_files(*LIBRARIES, "cmd"):
        for number, line in enumerate(tree.code(path).split("\n"), 1):
            if re.search(r"\bgoto\b", line):
                yield f"{path}:{number}: goto"


# a lock around a cable library that keeps state of its own is no state of ours
LIBRARY_LOCK = re.compile(r"^programmer/transport_\w+\.c:static pthread_mutex_t \w+ = PTHREAD_MUTEX_INITIALIZER;$")


def check_state(tree):
    for path in tree.c_files(*LIBRARIES):
        for number, line in enumerate(tree.code(path).split("\n"), 1):
            if LIBRARY_LOCK.match(f"{path}:{line}"):
                continue
            declares_functions = re.match(r"^\w+_fn\b", line)
            if "(" not in line and " const " not in line and STATE.match(line) and not declares_functions:
                yield f"{path}:{number}: mutable state at file scope: {line.strip()}"
            if re.match(r"^\s+static (?!const\b|_Noreturn)", line) and " const " not in line and "(" not in line:
                yield f"{path}:{number}: mutable state in a function: {line.strip()}"


def check_function_length(tree):
    for path in tree.c_files():
        if path.endswith(".c"):
            for start, length in functions(tree.code(path)):
                if length > FUNCTION_LINES_MAX:
                    yield f"{path}:{start}: {length} lines in one function or table (at most {FUNCTION_LINES_MAX})"


def check_file_length(tree):
    for path in tree.c_files():
        length = len(tree.lines(path)) - 1
        most = TEST_FILE_LINES_MAX if path.startswith("tests/") else FILE_LINES_MAX
        if length > most:
            yield f"{path}: {length} lines (at most {most})"


def check_conditionals(tree):
    for path in tree.c_files(*LIBRARIES, "cmd"):
        inside = False
        for number, line in enumerate(tree.code(path).split("\n"), 1):
            if line.startswith("{"):
                inside = True
            elif line.startswith("}"):
                inside = False
            elif inside and re.match(r"\s*#\s*(if|ifdef|ifndef|elif|else)\b", line):
                yield f"{path}:{number}: conditional compilation inside a function"


def check_must_check(tree):
    for path in tree.c_files(*LIBRARIES):
        if not path.endswith(".h"):
            continue
        lines = tree.code(path).split("\n")
        for number, line in enumerate(lines, 1):
            if re.match(r"^enum base_status \w+\(", line):
                before = [x for x in lines[max(0, number - 4):number - 1] if x.strip()]
                if not before or "BASE_MUST_CHECK" not in before[-1]:
                    name = re.match(r"^enum base_status (\w+)", line).group(1)
                    if not MAKES_ERRORS.search(name):
                        yield f"{path}:{number}: {name} is fallible and not BASE_MUST_CHECK"


def check_words(tree):
    for path in tree.files:
        if path.startswith(("tests/style/", "tests/vectors/")) or not path.endswith(
                (".c", ".h", ".py", ".sh", ".md", ".1", ".5", ".7", ".build", ".S", ".ld")):
            continue
        for number, line in enumerate(tree.lines(path), 1):
            if WORDS.search(line):
                yield f"{path}:{number}: unfinished: {line.strip()[:70]}"


def check_workplace(tree):
    for path in tree.files:
        if path.startswith("tests/style/"):
            continue
        for number, line in enumerate(tree.lines(path), 1):
            if re.search(r"(?<![\w.])/work/(?!flash)|/home/\w|deb\.debian\.org|pypi\.org|registry\.npmjs", line):
                yield f"{path}:{number}: speaks of a workplace or a package host: {line.strip()[:70]}"


def check_columns(tree):
    for path in tree.c_files():
        for number, line in enumerate(tree.lines(path), 1):
            if len(line) > COLUMNS_MAX:
                yield f"{path}:{number}: {len(line)} columns"


def check_format(tree):
    files = [f for f in tree.c_files()]
    for start in range(0, len(files), 50):
        chunk = files[start:start + 50]
        done = subprocess.run(["clang-format", "--dry-run", "-Werror", *chunk], cwd=tree.root, capture_output=True, text=True)
        if done.returncode != 0:
            seen = set()
            for line in done.stderr.split("\n"):
                match = re.match(r"^([^:\s]+:\d+):\d+: error", line)
                if match and match.group(1).split(":")[0] not in seen:
                    seen.add(match.group(1).split(":")[0])
                    yield f"{match.group(1)}: not as clang-format writes it"
            if not seen:
                yield done.stderr.strip()[:200] or "clang-format failed"


def check_services_page(tree):
    """Numbers and operations of man lpa-services(7) are those of the code."""
    page, header, core = "man/lpa-services.7", "device-fw/services/message.h", "device-fw/services/core.c"
    if page not in tree.files:
        return
    text = " ".join(tree.text(page).split())
    value = dict(re.findall(r"#define (SVC_\w+)\s+(\w+?)U\b", tree.text(header)))
    wanted = [f"({value.get('SVC_SHARED_BASE')} to {value.get('SVC_SHARED_END')})", f"IPC channel {value.get('SVC_CHANNEL')},",
              f"interrupt structure {value.get('SVC_INTR')}."]
    steps = re.search(r"step\[SVC_COUNTERS\] = \{ (\d+), (\d+), \2, (\d+), \3 \}", tree.text(core)) if core in tree.files else None
    if core in tree.files:
        wanted.append("in steps of {} uplinks, {} downlinks, 16 DevNonces and {} RJcounts.".format(*steps.groups())
                      if steps else "(the steps of core.c)")
    for words in wanted:
        if words not in text:
            yield f"{page}: does not say \"{words}\""
    listed = re.search(r"^\.Sh OPERATIONS$(.*?)^\.Sh ", tree.text(page), re.M | re.S)
    items = re.findall(r"^\.It (.*)$", listed.group(1), re.M) if listed else []
    told = {re.sub(r"[ -]", "_", name.strip().upper()) for item in items for name in item.split(",")}
    coded = {name for name in re.findall(r"^\s+SVC_OP_(\w+) = \d+,", tree.text(header), re.M)}
    for name in sorted(coded ^ {name.replace("OPTIONS", "FOPTS") for name in told}):
        yield f"{page}: operation {name} stands in only one of page and {header}"
    for name in sorted(set(re.findall(r"\bSVC_[A-Z_]+\b", text))):
        if not re.search(rf"\b{name}\b", tree.text(header)):
            yield f"{page}: {name} does not stand in {header}"


CHECKS = {name[6:].replace("_", "-"): function for name, function in globals().items() if name.startswith("check_")}


def tracked(root):
    done = subprocess.run(["git", "-C", root, "ls-files", "-z"], capture_output=True, check=True)
    return [f for f in done.stdout.decode().split("\0") if f and os.path.isfile(os.path.join(root, f))]


def run(tree, names):
    """Print one line per check and the findings of those that fail; number of failures."""
    failed = 0
    for name in names:
        found = list(CHECKS[name](tree))
        failed += 1 if found else 0
        print(f"{'FAIL' if found else 'ok  '} style {name}" + (f" ({len(found)})" if found else ""))
        for finding in found[:40]:
            print(f"     {finding}")
        if len(found) > 40:
            print(f"     … and {len(found) - 40} more")
    return failed


def main():
    parser = argparse.ArgumentParser(description="House rules that a machine can see.")
    parser.add_argument("names", nargs="*", help="checks to run; all when none is named")
    parser.add_argument("--list", action="store_true", help="print the names of the checks")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(CHECKS))
        return 0
    unknown = [n for n in arguments.names if n not in CHECKS]
    if unknown:
        print(f"unknown check {unknown[0]}; see --list", file=sys.stderr)
        return 2
    return 1 if run(Tree(TOP, tracked(TOP)), arguments.names or CHECKS) else 0


if __name__ == "__main__":
    sys.exit(main())
