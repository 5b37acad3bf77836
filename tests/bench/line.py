#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a whole line costs: calls of the KMS and processor time of the station per unit, and the audit log at length.

    line.py [--json FILE] [--records N] [--units N] [--instructions]

Real programs on loopback, simulated boards. Calls are exact; processor time and seconds are this machine's, and no verdict.
Instructions (callgrind; half a minute more) are nearly the same on every machine with the same libraries.
"""
import argparse
import collections
import json
import os
import pty
import re
import select
import resource
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from lab import BUILD, Lab, TlsRelay, expect, program, units_of  # noqa: E402  (the path comes first)

REQUEST = re.compile(rb"^(GET|POST|PUT|DELETE) (\S+) HTTP/1\.1\r\n")


class Calls:
    """Counts the requests that pass a relay, with ids taken out of their paths."""

    def __init__(self):
        self.count = collections.Counter()

    def __call__(self, data):
        match = REQUEST.match(data)
        if match:
            path = match.group(2).decode().split("?")[0]
            path = re.sub(r"/lots/[^/]+", "/lots/{lot}", re.sub(r"/[0-9a-f]{16,}", "/{id}", path))
            self.count[match.group(1).decode() + " " + path] += 1
        return data


def cpu_ms():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1000


def point(lab, station, old, new):
    config = os.path.join(station, "station.ini")
    with open(config) as file:
        text = file.read()
    expect(str(old) in text, "the station's configuration names the KMS's port")
    with open(config, "w") as file:
        file.write(text.replace(f":{old}", f":{new}"))


def run(lab, station, boards):
    """One run over these boards; processor time and wall time in ms, calls of the KMS."""
    calls = Calls()
    relay = TlsRelay(lab, station, on_request=calls)
    point(lab, station, lab.kms_port, relay.port)
    cpu, wall = cpu_ms(), time.monotonic()
    result = lab.provision(station, "BENCH", boards)
    cpu, wall = cpu_ms() - cpu, (time.monotonic() - wall) * 1000
    point(lab, station, relay.port, lab.kms_port)
    relay.close()
    expect(len(units_of(result)) == len(boards), "every board becomes a unit")
    return cpu, wall, calls.count


def on_processor_ms(pid):
    """Processor time of a running program, all its threads, those that ended apart."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat") as file:
            total += int(file.read().split()[0])
    return total / 1e6


def wait_for(terminal, word, seconds=120):
    """What the program shows until this word."""
    shown, end = "", time.monotonic() + seconds
    while word not in shown:
        expect(time.monotonic() < end, f"\"{word}\" within {seconds} s, not only: {shown}")
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 4096).decode(errors="replace")
    return shown


def one_site(lab, folder, first, count):
    """Boards worked one after the other at one site, as an operator does: processor time of each, in ms."""
    board = lab.board(first)
    args = [arg for arg in lab.provision_args(folder, "BENCH", [board]) if arg not in ("--batch", "--json")]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(args, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    times = []
    wait_for(ours, "press Enter")
    for number in range(count):
        if number > 0:
            board.off()
            board.file, board.uid = lab.path(f"board{first + number}.state"), f"51a0000000c0{first + number:04x}"
            board.power()
        before = on_processor_ms(process.pid)
        os.write(ours, b"\n")
        shown = wait_for(ours, "press Enter")
        times.append(on_processor_ms(process.pid) - before)
        expect("PASS" in shown, f"board {number + 1} passes: {shown}")
    os.write(ours, b"q\n")
    process.wait(30)
    os.close(ours)
    board.off()
    return times


def count_instructions(lab, folder, first, many):
    """Instructions of lpa-provision for each unit beyond the first of a run."""
    totals = []
    for count in (1, many):
        boards = [lab.board(first + number) for number in range(count)]
        first += count
        out = lab.path(f"callgrind.{count}")
        lab.provision(folder, "BENCH", boards,
                      wrapper=["valgrind", "--tool=callgrind", "-q", f"--callgrind-out-file={out}"])
        with open(out) as file:
            totals.append(int(re.search(r"^(?:totals|summary): (\d+)", file.read(), re.M).group(1)))
        for board in boards:
            board.off()
    return (totals[1] - totals[0]) / (many - 1)


def station(many, instructions):
    with Lab() as lab:
        lab.setup_kms()
        lab.serve_kms()
        lab.add_lot("BENCH", target=64, allowance=64, extra=("--rate", "1000000"))
        folder = lab.add_station()
        lab.login(folder, lab.add_tester("alice"))
        one_cpu, one_wall, one_calls = run(lab, folder, [lab.board(1)])
        boards = [lab.board(number) for number in range(2, 2 + many)]
        many_cpu, many_wall, many_calls = run(lab, folder, boards)
        for board in boards:
            board.off()
        alone = one_site(lab, folder, 2 + many, 6)
        counted = count_instructions(lab, folder, 20 + many, 5) if instructions else None
    per_unit = {name: (count - one_calls[name]) / (many - 1) for name, count in sorted(many_calls.items())}
    once = {name: round(one_calls[name] - per_unit.get(name, 0), 3) for name in sorted(one_calls)}
    return {"units": many, "cpu_ms_first": one_cpu, "cpu_ms_per_unit": (many_cpu - one_cpu) / (many - 1),
            "cpu_ms_one_site": min(alone[1:]), "cpu_ms_one_site_all": alone, "instructions_per_unit": counted,
            "wall_ms_first": one_wall, "wall_ms_all": many_wall, "kms_calls_per_unit": per_unit,
            "kms_calls_per_run": {name: count for name, count in once.items() if count}}


def measured(command, **kw):
    """Seconds and the largest memory (MiB) of a program."""
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **kw)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    expect(process.returncode == 0, f"{' '.join(command)} ended with {process.returncode}")
    return time.monotonic() - begin, usage.ru_maxrss / 1024


def audit(records):
    with Lab() as lab:
        folder = lab.path("log")
        os.mkdir(folder)
        made = lab.run(os.path.join(BUILD, "tests", "bench", "bench-make-log"), folder, str(records), check=0)
        station_key, witness_key = made.out.split("\n")[:2]
        size = sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))
        where = ["--log", folder, "--log-key", station_key]
        result = {"records": records, "bytes": size}
        for name, verb in (("verify", ["verify", *where, "--witness-key", witness_key]),
                           ("export_jsonl", ["export", *where, "--format", "jsonl", "--out", lab.path("out")]),
                           ("export_csv", ["export", *where, "--format", "csv", "--out", lab.path("out")])):
            seconds, mebibytes = measured([program("lpa-audit"), *verb])
            result[name] = {"seconds": round(seconds, 2), "MiB": round(mebibytes, 1)}
        return result


def main():
    parser = argparse.ArgumentParser(description="What a whole line costs.")
    parser.add_argument("--json")
    parser.add_argument("--records", type=int, default=1000000)
    parser.add_argument("--units", type=int, default=5)
    parser.add_argument("--instructions", action="store_true")
    arguments = parser.parse_args()
    line, log = station(arguments.units, arguments.instructions), audit(arguments.records)
    print("== the station, per unit (beyond the first of a run)\n")
    print(f"processor time   {line['cpu_ms_per_unit']:8.2f} ms   (budget 5 ms; a run of one unit: {line['cpu_ms_first']:.1f} ms)")
    print(f"one after other  {line['cpu_ms_one_site']:8.2f} ms   (the best of {len(line['cpu_ms_one_site_all']) - 1} at one site)")
    if line["instructions_per_unit"]:
        print(f"instructions     {line['instructions_per_unit'] / 1e6:8.2f} M    (callgrind)")
    for name, count in line["kms_calls_per_unit"].items():
        print(f"{count:14.2f}   {name}")
    print("once per run:")
    for name, count in line["kms_calls_per_run"].items():
        print(f"{count:14.2f}   {name}")
    print(f"\n== audit log of {log['records']} records, {log['bytes'] / 1e6:.0f} MB\n")
    for name, budget in (("verify", "10 s"), ("export_jsonl", "60 s, 256 MiB"), ("export_csv", "60 s, 256 MiB")):
        print(f"{name:14} {log[name]['seconds']:8.2f} s {log[name]['MiB']:8.1f} MiB   (budget {budget})")
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({"station": line, "audit": log}, file, indent=1)


if __name__ == "__main__":
    main()
