#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each program's verb table, as --help prints it, against the synopsis of its man page, and the manners all programs share.

    programs.py BUILD_FOLDER    check every program of BUILD_FOLDER/cmd
    programs.py --selftest      prove that a missing, surplus or misspelt verb is found
"""
import glob
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SECTIONS = ("EXIT STATUS", "FILES", "ENVIRONMENT", "EXAMPLES", "SECURITY")


def verbs_of_help(name, text):
    return {m.group(1) for m in re.finditer(rf"^ +{re.escape(name)} ([a-z][\w-]*)", text, re.M)}


def verbs_of_synopsis(name, text):
    """From the rendered page: the first word after the program's name in its SYNOPSIS."""
    match = re.search(r"^SYNOPSIS\n(.*?)(?=^\S)", text, re.M | re.S)
    words = re.findall(rf"^ +{re.escape(name)} +([a-z][\w-]*)", match.group(1), re.M) if match else []
    return set(words)


def render(page):
    done = subprocess.run(["mandoc", "-T", "ascii", "-O", "width=200", page], capture_output=True, text=True)
    return re.sub(r".\x08", "", done.stdout)


def compare(name, help_text, page_text):
    """Findings, empty when both agree."""
    in_help, in_page = verbs_of_help(name, help_text), verbs_of_synopsis(name, page_text)
    if not in_help:
        yield "--help lists no verb"
    for verb in sorted(in_help - in_page):
        yield f"the man page's synopsis lacks the verb {verb}"
    for verb in sorted(in_page - in_help):
        yield f"the man page has the verb {verb}, which the program lacks"
    for section in SECTIONS:
        if not re.search(rf"^{section}$", page_text, re.M):
            yield f"the man page has no section {section}"


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=20)


def manners(path, name):
    """What every program owes its user."""
    shown = run(path, "--help")
    if shown.returncode != 0 or shown.stderr:
        yield f"--help ends with {shown.returncode}"
    version = run(path, "--version")
    if version.returncode != 0 or not version.stdout.startswith(name + " "):
        yield f"--version says {version.stdout.strip()!r} and ends with {version.returncode}"
    nothing = run(path)
    if nothing.returncode != 2 or nothing.stdout or len(nothing.stderr.strip().split("\n")) != 1:
        yield "without a verb it does not end with 2 and one line on stderr"
    verb = next(iter(sorted(verbs_of_help(name, shown.stdout))), "x")
    wrong = run(path, verb + "x")
    if wrong.returncode != 2 or f'"{verb}"' not in wrong.stderr or len(wrong.stderr.strip().split("\n")) != 1:
        yield f"the unknown verb {verb}x is not answered with exit code 2 and one line naming {verb}"


def check(build):
    """(finding lists by check name)"""
    programs = [p for p in sorted(glob.glob(os.path.join(build, "cmd", "lpa-*"))) if os.path.isfile(p) and os.access(p, os.X_OK)]
    if not programs:
        yield "programs", ["no program was built"]
    for path in programs:
        name = os.path.basename(path)
        page = os.path.join(TOP, "man", name + ".1")
        page_text = render(page) if os.path.exists(page) else ""
        yield f"program {name} manners", list(manners(path, name))
        yield f"program {name} against its man page", (
            list(compare(name, run(path, "--help").stdout, page_text)) if page_text else [f"there is no man/{name}.1"])
    for page in sorted(glob.glob(os.path.join(TOP, "man", "lpa*.1"))):
        name = os.path.basename(page)[:-2]
        if not os.path.exists(os.path.join(build, "cmd", name)):
            yield f"man page {name}.1", [f"there is no program {name}"]


def selftest():
    sections = "".join(f"{s}\n     x\n" for s in SECTIONS)
    page = "NAME\n     p - x\n\nSYNOPSIS\n     p run [-x]\n     p list FILE\n\nDESCRIPTION\n     p erase is not here\n" + sections
    text = "p: x\n\n  p run [-x]\n      help\n  p list FILE\n      help\n"
    cases = (
        (text, page, None), (text.replace("p list", "p lists"), page, "lacks the verb lists"),
        (text, page.replace("     p list FILE\n", ""), "lacks the verb list"), ("", page, "no verb"),
        (text.replace("  p run [-x]\n", ""), page, "which the program lacks"),
        (text, page.replace("SECURITY\n", "SAFETY\n"), "no section SECURITY"),
    )
    bad = 0
    for help_text, page_text, want in cases:
        found = list(compare("p", help_text, page_text))
        if (want is None) != (not found) or (want and not any(want in x for x in found)):
            print(f"wrong: expected {want}, found {found}")
            bad += 1
    return bad


def main():
    if sys.argv[1] == "--selftest":
        return 1 if selftest() else 0
    failed = 0
    for name, found in check(sys.argv[1]):
        print(f"{'FAIL' if found else 'ok  '} {name}")
        for finding in found:
            print(f"     {finding}")
        failed += 1 if found else 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
