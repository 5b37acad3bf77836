#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turn Meson's test log into one line per test.

    tests/count.py TESTLOG.json LABEL     prints "ok   LABEL NAME (1.2 s)", "FAIL …" or "lack …"

A skipped test is a failure, unless its output holds a line "machine lacks: WHAT": then the machine truly lacks WHAT, and the
line says so. A log without any test is a failure too.
"""
import json
import re
import sys


def verdict(test):
    if test["result"] in ("OK", "EXPECTEDFAIL"):
        return "ok  ", ""
    if test["result"] == "SKIP":
        match = re.search(r"^machine lacks: (.+)$", test.get("stdout") or "", re.M)
        if match:
            return "lack", f": skipped, this machine lacks {match.group(1)}"
        return "FAIL", ": skipped without a reason"
    return "FAIL", ": " + test["result"].lower()


def main():
    path, label = sys.argv[1], sys.argv[2]
    with open(path, encoding="utf-8") as file:
        tests = [json.loads(line) for line in file if line.strip()]
    if not tests:
        print(f"FAIL {label}: no test was run")
        return
    for test in tests:
        state, why = verdict(test)
        name = test["name"].split(" / ")[-1]
        print(f"{state} {label} {name} ({test.get('duration', 0):.1f} s){why}")
        if state == "FAIL":
            for stream in ("stdout", "stderr"):
                for line in (test.get(stream) or "").strip().split("\n")[-30:]:
                    print(f"     | {line}")


if __name__ == "__main__":
    main()
