#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The keys are never seen: boards are provisioned while everything that the station touches is recorded, then the root
keys are taken out of the development KMS and searched for in all of it.

Recorded: every byte between station and probe, every HTTPS body as the station sees it, every mapping of lpa-provision
through /proc/PID/mem at every request to the KMS and at regular points of the probe traffic (the program stands still
meanwhile, waiting for that answer), every file that the station wrote, its output, arguments and environment.
"""
import base64
import os
import subprocess
import sys
import threading

import lab as lab_module
from lab import EXIT_OK, Lab, Relay, Tap, TlsRelay, expect, program, units_of

PROBE_SNAPSHOT_EVERY = int(os.environ.get("LPA_SNAPSHOT_EVERY", "40"))


def forms(key):
    """A 16-byte key as it might lie about: raw, reversed, inverted, hex, base64 in its three alignments, UTF-16."""
    found = {"raw": key, "reversed": key[::-1], "inverted": bytes(b ^ 0xFF for b in key)}
    for name, raw in (("", key), ("reversed ", key[::-1])):
        text = raw.hex()
        found[name + "hex"] = text.encode()
        found[name + "HEX"] = text.upper().encode()
        found[name + "hex in UTF-16"] = text.encode("utf-16-le")
        for shift in range(3):
            # Without the characters that depend on the neighbours.
            coded = base64.b64encode(b"\0" * shift + raw)
            body = coded[(shift * 8 + 5) // 6:(shift + len(raw)) * 8 // 6]
            found[f"{name}base64 +{shift}"] = body
            found[f"{name}base64url +{shift}"] = body.replace(b"+", b"-").replace(b"/", b"_")
    half = len(key) // 2
    found["first half"], found["second half"] = key[:half], key[half:]
    found["words swapped"] = b"".join(key[i:i + 4][::-1] for i in range(0, len(key), 4))
    return found


class Haystack:
    """Named byte strings to search; memory snapshots are kept in a file each."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder)
        self.parts = []
        self.lock = threading.Lock()

    def add(self, name, data):
        with self.lock:
            path = os.path.join(self.folder, str(len(self.parts)))
            self.parts.append((name, path))
        with open(path, "wb") as file:
            file.write(data)

    def search(self, needles):
        hits = []
        for name, path in self.parts:
            with open(path, "rb") as file:
                data = file.read()
            hits += [f"{what} in {name}" for what, needle in needles if needle in data]
        return hits


def memory_of(pid):
    """Every mapping of a process that can be read, secret pages included."""
    pieces = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            fields = line.split()
            first, last = (int(text, 16) for text in fields[0].split("-"))
            if "r" not in fields[1] or fields[-1] in ("[vvar]", "[vsyscall]"):
                continue
            try:
                memory.seek(first)
                pieces.append(memory.read(last - first))
            except (OSError, ValueError):
                continue
    return b"".join(pieces)


class Watcher:
    def __init__(self, haystack):
        self.haystack = haystack
        self.process = None
        self.snapshots = 0
        self.probe_packets = 0
        self.lock = threading.Lock()

    def snapshot(self, why):
        if self.process is None or self.process.poll() is not None:
            return
        try:
            data = memory_of(self.process.pid)
        except (FileNotFoundError, ProcessLookupError, PermissionError) as problem:
            raise AssertionError(f"the memory of the station cannot be read: {problem}") from problem
        self.haystack.add(f"memory at {why}", data)
        self.snapshots += 1

    def recorder(self, name, every):
        def hook(data):
            with self.lock:
                self.haystack.add(name, data)
                self.probe_packets += 1
                if self.probe_packets % every == 0:
                    self.snapshot(f"{name} {self.probe_packets}")
            return data
        return hook


def run_line(lab, boards, canary):
    """Provision boards under watch; the haystack, the watcher and the outcome."""
    lab.setup_kms()
    lab.add_lot("SECRETS", target=boards)
    lab.serve_kms()
    station = lab.add_station()
    tester = lab.add_tester("alice")
    haystack = Haystack(lab.path("haystack"))
    watcher = Watcher(haystack)
    kms = TlsRelay(lab, station, watcher.recorder("KMS request", 1), watcher.recorder("KMS reply", 1))
    config = os.path.join(station, "station.ini")
    with open(config) as file:
        text = file.read()
    expect(str(lab.kms_port) in text, "the station's configuration names the KMS's port")
    with open(config, "w") as file:
        file.write(text.replace(str(lab.kms_port), str(kms.port)))
    lab.login(station, tester)
    relays, urls = [], []
    for number in range(1, boards + 1):
        board = lab.board(number)
        relay = Relay(board.port, watcher.recorder(f"probe {number} request", PROBE_SNAPSHOT_EVERY),
                      watcher.recorder(f"probe {number} reply", PROBE_SNAPSHOT_EVERY))
        relays.append(relay)
        urls.append(f"tcp:127.0.0.1:{relay.port}")
    # The second run meets boards that hold keys already: nothing of their vaults may come over the wire.
    for attempt in ("first", "second"):
        process = subprocess.Popen(lab.provision_args(station, "SECRETS", urls, extra=["-vv"]), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        watcher.process = process
        haystack.add(f"arguments of the {attempt} run", open(f"/proc/{process.pid}/cmdline", "rb").read())
        haystack.add(f"environment of the {attempt} run", open(f"/proc/{process.pid}/environ", "rb").read())
        out, err = process.communicate(timeout=600)
        haystack.add(f"standard output of the {attempt} run", out)
        haystack.add(f"standard error of the {attempt} run", err)
        if process.returncode != EXIT_OK:
            break
    for relay in relays + [kms]:
        relay.close()
    for folder, _, names in os.walk(station):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                haystack.add("file " + name, file.read())
    haystack.add("canary", b"before" + canary + b"after")
    return haystack, watcher, process.returncode, err.decode(errors="replace")


def scan(boards):
    canary = os.urandom(16)
    with Lab() as lab:
        haystack, watcher, code, err = run_line(lab, boards, canary)
        expect(code == EXIT_OK, f"provisioning ended with {code}: {err}")
        roots = lab.roots()
        expect(len(roots) == boards, f"{boards} grants expected in the KMS, {len(roots)} found")
        needles = []
        for root in roots:
            for which in ("app_key", "nwk_key"):
                if root.get(which):
                    key = bytes.fromhex(root[which])
                    expect(len(set(key)) > 4, "a root key looks random")
                    needles += [(f"{which} {form}", text) for form, text in forms(key).items()]
        hits = haystack.search(needles)
        expect(not hits, "root keys were seen: " + "; ".join(hits[:8]))
        expect(watcher.snapshots >= 20, f"only {watcher.snapshots} snapshots of the memory were taken")
        found = haystack.search([("canary", canary)])
        expect(found, "the search does not find a canary planted in what it searches")
        return f"{len(haystack.parts)} recordings, {watcher.snapshots} snapshots, {len(needles)} needles, 0 hits"


def canary_in_secret_memory():
    """The scan must see secret pages too: what a program keeps in a locked, undumpable buffer is found."""
    canary = os.urandom(16).hex()
    tool = os.path.join(lab_module.BUILD, "tests", "tools", "secret-holder")
    process = subprocess.Popen([tool], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdin.write(canary.encode() + b"\n")
    process.stdin.flush()
    expect(process.stdout.readline() == b"holding\n", "the holder is ready")
    seen = bytes.fromhex(canary) in memory_of(process.pid)
    process.stdin.close()
    process.wait(10)
    expect(seen, "a canary in a secret buffer was not found through /proc/PID/mem")


def main():
    tap = Tap()
    tap.case("a canary in a secret buffer is found by the scan", canary_in_secret_memory)
    tap.case("provision 2 boards: no root key anywhere", scan, 2)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
