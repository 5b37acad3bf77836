#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every budget of the project, measured, in one table.

    budgets.py [--json FILE] [--rounds N] [--records N]

Runs on a built tree, on a machine with nothing else to do: what is exact (cycles, bytes, virtual time) is the same
everywhere, seconds and processor time are not, and where others work too they say nothing. The load of the last minute is
printed first. Exit code 1 when a budget is exceeded.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("LPA_BUILD", os.path.join(HERE, "..", "..", "build"))


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, env=dict(os.environ, LPA_BUILD=BUILD)).stdout


def bench(name, *args):
    """What one of the C programs writes as JSON."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        run(os.path.join(BUILD, "tests", "bench", name), *args, "--json", file.name)
        return json.load(file)


class Table:
    def __init__(self):
        self.rows = []

    def add(self, what, value, bound, unit, at_most=True, exact=False):
        good = value <= bound if at_most else value >= bound
        self.rows.append({"budget": what, "measured": value, "bound": bound, "unit": unit, "ok": good, "exact": exact})
        sign = "at most" if at_most else "at least"
        print(f"{'ok' if good else 'OVER':5}{what:52} {value:14,.2f} {sign:8} {bound:14,.0f} {unit}{'' if exact else '  (this machine)'}",
              flush=True)


def stack(image):
    """The most of any operation, with the application on the CM4 and as the layer."""
    program = os.path.join(BUILD, "tests", "unit", "device-fw", "test_device_fw_stack")
    most = 0
    for name in ("app-demo.bin", "layer-demo.bin"):
        env = dict(os.environ, LPA_TEST_IMAGE=image, LPA_TEST_APP=os.path.join(BUILD, "device-fw", name))
        output = subprocess.run([program], check=True, capture_output=True, text=True, env=env).stdout
        most = max(most, int(re.search(r"stack, most of all: (\d+) bytes", output).group(1)))
    return most


def exact(table, image):
    for cable in bench("bench-unit", image):
        if cable["cable"].startswith("bulk 1 ms"):
            for what, pair in cable["budgets"].items():
                table.add(what, pair["value"], pair["budget"], "", exact=True)
    table.add("stack of every operation, the most", stack(image), 8192, "bytes", exact=True)
    for row in bench("bench-program")["program"]:
        if row["KiB"] >= 64:
            share = 100 * max(row["flash_bound_ms"], row["wire_bound_ms"]) / row["ms"]
            table.add(f"programming {row['KiB']} KiB, {row['cable']}", share, 90, "% of the bound", at_most=False, exact=True)


def kms(table, rounds):
    """The best of a few: both sides are measured in one run."""
    for count in (300, 3000):
        shares = [float(re.search(r"reach (\d+) %", run(os.path.join(BUILD, "tests", "bench", "bench-kms"), str(count))).group(1))
                  for _ in range(rounds)]
        table.add(f"KMS, {count} grants in one lot, best of {rounds}", max(shares), 60, "% of their cryptography", at_most=False)


def sites(table, image, rounds):
    runs = [bench("bench-sixteen", image) for _ in range(rounds)]
    best = max(100 * one["one_ms"] / one["sixteen_ms"] for one in runs)
    table.add(f"sixteen sites, best of {rounds}", best, 95, "% of sixteen times one", at_most=False)
    table.add("station, a unit without KMS and log", min(one["cpu_each_ms"] for one in runs), 5, "ms of processor")


def line(table, rounds, records):
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        runs = []
        for number in range(rounds):
            wanted = records if number == 0 else 100
            run(sys.executable, os.path.join(HERE, "line.py"), "--records", str(wanted), "--json", file.name)
            runs.append(json.load(file))
            file.seek(0)
    audit = runs[0]["audit"]
    table.add("station, a unit, whole line, one after other", min(one["station"]["cpu_ms_one_site"] for one in runs), 5,
              "ms of processor")
    table.add("the same, five sites at once, set-up included", min(one["station"]["cpu_ms_per_unit"] for one in runs), 5,
              "ms of processor")
    table.add(f"audit: verify {records} records", audit["verify"]["seconds"], 10, "s")
    for name in ("export_jsonl", "export_csv"):
        table.add(f"audit: {name} of {records} records", audit[name]["seconds"], 60, "s")
        table.add(f"audit: {name}, memory", audit[name]["MiB"], 256, "MiB")


def main():
    parser = argparse.ArgumentParser(description="Every budget, measured.")
    parser.add_argument("--json")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, default=1000000)
    arguments = parser.parse_args()
    load, table, image = os.getloadavg()[0], Table(), os.path.join(BUILD, "device-fw", "bootloader.bin")
    print(f"load of the last minute {load:.2f} on {os.cpu_count()} processors"
          f"{'' if load < 0.5 else ': figures marked (this machine) say little'}\n")
    exact(table, image)
    kms(table, arguments.rounds)
    sites(table, image, arguments.rounds)
    line(table, arguments.rounds, arguments.records)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({"load": load, "rows": table.rows}, file, indent=1)
    sys.exit(0 if all(row["ok"] for row in table.rows) else 1)


if __name__ == "__main__":
    main()
