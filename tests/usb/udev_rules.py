#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The udev rules give probes to the group lpa and to nobody else.

    udev_rules.py RULES QUIRKS_C

Every rule that sets access sets mode 0660 and group lpa; nothing is tagged for whoever sits at the desk; every jump has its label; every probe that the
table of models knows by its product id and does not refuse has a rule. Planted mistakes must be found first.
"""
import re
import sys


def lines_of(text):
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line


def findings(text, models):
    labels = set(re.findall(r'LABEL="(\w+)"', text))
    named = set()
    for number, line in lines_of(text):
        for key, value in re.findall(r'\b([A-Z]+(?:\{\w+\})?)(?:=|\+=|:=)"([^"]*)"', line.replace("==", "~").replace("!=", "~")):
            if key == "MODE" and value != "0660":
                yield f"line {number}: mode {value} instead of 0660"
            elif key == "GROUP" and value != "lpa":
                yield f"line {number}: group {value} instead of lpa"
            elif key == "TAG":
                yield f"line {number}: tag {value}"
            elif key in ("RUN", "OWNER", "PROGRAM"):
                yield f"line {number}: {key} is not for these rules"
            elif key == "GOTO" and value not in labels:
                yield f"line {number}: there is no label {value}"
        if ("MODE=" in line) != ("GROUP=" in line):
            yield f"line {number}: mode and group belong together"
        match = re.search(r'idVendor\}=="([0-9a-f]{4})", ATTRS?\{idProduct\}=="([0-9a-f|]+)"', line)
        if "MODE=" in line and not match:
            yield f"line {number}: access without a vendor and product id"
        elif match:
            named |= {(match.group(1), product) for product in match.group(2).split("|")}
    for vendor, product in sorted(models - named):
        yield f"no rule for {vendor}:{product}"


def models_of(source):
    """(vendor, product) of the rows that are driven; the id for simulated probes has no device."""
    rows = re.findall(r"\{ ?\.vendor_id = 0x(\w{4}),\s*\.product_id = 0x(\w{4}),(.*?)\}", source, re.S)
    return {(v.lower(), p.lower()) for v, p, rest in rows if ".refused" not in rest and '"simulated"' not in rest}


def main():
    rules, source = (open(path, encoding="utf-8").read() for path in sys.argv[1:3])
    models = models_of(source)
    plants = {'MODE="0660"': 'MODE="0666"', 'GROUP="lpa"': 'GROUP="plugdev"', 'GOTO="lpa_end"': 'GOTO="lpa_nowhere"',
              ', GROUP="lpa"': ', GROUP="lpa", TAG+="uaccess"', "f155|": "", ', GROUP="lpa"\n': "\n"}
    for good, bad in plants.items():
        if good not in rules or not list(findings(rules.replace(good, bad, 1), models)):
            print(f"FAIL planted: {good} -> {bad} is not found")
            return 1
    found = list(findings(rules, models))
    for finding in found:
        print("FAIL", finding)
    print(f"{len(models)} models, {len(plants)} planted mistakes found")
    return 1 if found or len(models) < 10 else 0


sys.exit(main())
