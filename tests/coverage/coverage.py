#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Branch coverage of the device code that guards keys and of the key services, by its unit tests on the host: 100 %, or this fails.

    coverage.py BUILD        BUILD: a folder configured with gcc, --buildtype=debug, -Db_coverage=true
    coverage.py --selftest   prove that a branch that was not taken is noticed

What no test can take stands in excluded.txt beside this file: file | the line's exact text | why. An entry that
excludes nothing fails too.
"""
import glob
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
FILES = ("device-fw/protocol/*.c", "device-fw/bootloader/vault.c", "device-fw/bootloader/record.c",
         "device-fw/bootloader/envelope.c", "device-fw/bootloader/forget.c", "device-fw/bootloader/lock.c",
         "device-fw/services/*.c")
TESTS = ("messages", "application", "binding", "image", "crypto", "device", "forget", "gate", "health", "lifecycle", "port", "rare",
         "registers", "services", "services_branches", "services_rules", "vault")


def build_and_run(build):
    for path in glob.glob(os.path.join(build, "device-fw/**/*.gcda"), recursive=True):
        os.remove(path)
    targets = [f"tests/unit/device-fw/test_device_fw_{name}" for name in TESTS]
    subprocess.run(["ninja", "-C", build, *targets], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["meson", "test", "-C", build, "--no-rebuild", "-q", "-t", "10", *["device-fw-" + name.replace("_", "-") for name in TESTS]],
                   check=True, stdout=subprocess.DEVNULL)


def measure(build, path):
    """gcov's lines of one source file."""
    folder, name = os.path.split(path)
    # The services are built with the bootloader, whose folder then names them so.
    places = (os.path.join(folder, "*.p", name), os.path.join("device-fw/bootloader/*.p", f".._{os.path.basename(folder)}_{name}"))
    notes = [note for place in places for note in glob.glob(os.path.join(build, place + ".gcda"))]
    if len(notes) != 1:
        return None
    done = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--stdout", notes[0]], check=True,
                          capture_output=True, cwd=build)
    for file in json.loads(done.stdout)["files"]:
        if os.path.normpath(os.path.join(build, file["file"])) == os.path.join(TOP, path):
            return file["lines"]
    return None


def missed(lines, text):
    """(line number, what) of lines never run and of branches never taken; and how many branches there are."""
    found = []
    branches = 0
    for line in lines:
        number = line["line_number"]
        if line["count"] == 0:
            found.append((number, "never run"))
        for branch in line["branches"]:
            branches += 1
            if branch["count"] == 0 and line["count"] != 0:
                found.append((number, "a branch never taken"))
    return [(number, what, text[number - 1].strip()) for number, what in found], branches


def read_excluded():
    excluded = {}
    with open(os.path.join(HERE, "excluded.txt"), encoding="utf-8") as file:
        for row in file:
            if row.strip() and not row.startswith("#"):
                path, text, why = (part.strip() for part in row.split("|||"))
                excluded[(path, text)] = why
    return excluded


def judge(path, lines, text, excluded, used):
    """Verdict lines of one file."""
    if lines is None:
        return [f"FAIL coverage {path}: gcov knows nothing of it"]
    found, branches = missed(lines, text)
    used.update((path, line) for _, _, line in found)
    left = [row for row in found if (path, row[2]) not in excluded]
    if not left:
        return [f"ok   coverage {path}: {len(lines)} lines, {branches} branches, {len(found)} excluded"]
    return [f"FAIL coverage {path}:{number}: {what}: {line}" for number, what, line in left]


def selftest():
    text = ["if (a)", "b();"]
    line = {"line_number": 1, "count": 5, "branches": [{"count": 5}, {"count": 0}]}
    cases = (([{**line, "branches": [{"count": 5}, {"count": 1}]}], {}, "ok"), ([line], {}, "FAIL"), (None, {}, "FAIL"),
             ([line], {("f", "if (a)"): "x"}, "ok"), ([{"line_number": 2, "count": 0, "branches": []}], {}, "FAIL"))
    bad = [case for case in cases if not all(x.startswith(case[2]) for x in judge("f", case[0], text, case[1], set()))]
    return 1 if bad else 0


def main():
    if sys.argv[1] == "--selftest":
        return selftest()
    build = os.path.abspath(sys.argv[1])
    build_and_run(build)
    excluded, used, verdicts = read_excluded(), set(), []
    for pattern in FILES:
        for full in sorted(glob.glob(os.path.join(TOP, pattern))):
            path = os.path.relpath(full, TOP)
            with open(full, encoding="utf-8") as file:
                verdicts += judge(path, measure(build, path), file.read().split("\n"), excluded, used)
    verdicts += [f"FAIL coverage {path}: excludes nothing any more: {line}" for path, line in excluded if (path, line) not in used]
    print("\n".join(verdicts))
    return 1 if any(x.startswith("FAIL") for x in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
