#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whatever is cut, wherever, a second run ends right.

 kill     lpa-provision is killed (SIGKILL) at the n-th fsync or fdatasync: that is before and after every journaled step
          and every log record.
 probe    the n-th reply of the probe is lost with its connection (the request was carried out), and the n-th request.
 kms      the n-th reply of the KMS is lost (the request was carried out), and the n-th request.
 power    the board loses power before, during and after the n-th flash operation.

Then the same board is provisioned again without a fault. Each must end confirmed; no DevEUI is used twice, no board gets
two keys, the lot reconciles and the audit log verifies.

usage: test_interruption.py [--seed N] [kill|probe|kms|power ...]

Takes about as many seconds for each kind as LPA_SECONDS says (default 50; 0 = every point).
"""
import argparse
import json
import os
import random
import sys
import time

from lab import EXIT_OK, Lab, Relay, Tap, TlsRelay, expect, units_of


NEVER = 60000  # as far as strace counts


class Cut(Relay):
    """A relay to a probe that closes the connection instead of passing on frame number `at` of one direction."""

    def __init__(self, port, direction, at):
        self.at, self.seen, self.rest = at, 0, b""
        hooks = {direction: self.frames}
        super().__init__(port, hooks.get("request"), hooks.get("reply"))

    def frames(self, data):
        """Count whole frames of the CMSIS-DAP over TCP framing: 8 bytes of header with the length at 4."""
        self.rest += data
        passed = b""
        while len(self.rest) >= 8:
            size = 8 + int.from_bytes(self.rest[4:6], "little")
            if len(self.rest) < size:
                break
            self.seen += 1
            if self.seen == self.at:
                return None
            passed, self.rest = passed + self.rest[:size], self.rest[size:]
        return passed


class Count:
    def __init__(self, at):
        self.at, self.seen = at, 0

    def __call__(self, data):
        self.seen += 1
        return None if self.seen == self.at else data


class Line:
    def __init__(self, lab):
        self.lab = lab
        lab.setup_kms()
        lab.add_lot("CUT", target=5000, allowance=6000, count=8192, extra=("--rate", "6000"))
        lab.serve_kms()
        self.station = lab.add_station()
        lab.login(self.station, lab.add_tester("alice"))
        self.number = 0
        self.lost = 0
        self.config = os.path.join(self.station, "station.ini")
        self.deadline = 0

    def board(self, *options):
        self.number += 1
        return self.lab.board(self.number, *options)

    def args(self, url):
        return self.lab.provision_args(self.station, "CUT", [url])

    def recover(self, board, what):
        """The second run, without a fault."""
        result = self.lab.run(*self.args(board.url))
        expect(result.code == EXIT_OK, f"{what}: the second run failed: {result}")
        unit = units_of(result)[0]
        expect(unit["result"] == "PASS", f"{what}: PASS expected: {result}")
        board.off()

    def point_kms(self, port):
        with open(self.config) as file:
            text = file.read()
        lines = [f"url = https://localhost:{port}" if line.replace(" ", "").startswith("url=") else line
                 for line in text.splitlines()]
        with open(self.config, "w") as file:
            file.write("\n".join(lines) + "\n")

    def kill(self, at, _variant):
        board = self.board()
        trace = self.lab.path("strace.out")
        result = self.lab.run(*self.args(board.url), wrapper=[
            "strace", "-f", "-o", trace, "-e", "trace=fsync,fdatasync",
            "-e", f"inject=fsync,fdatasync:signal=SIGKILL:when={at}"])
        cut = result.code in (-9, 137)
        expect(cut or result.code == EXIT_OK, f"kill at sync {at}: {result}")
        self.recover(board, f"killed at sync {at}")
        with open(trace) as file:
            return sum("sync(" in line for line in file)

    def probe(self, at, direction):
        board = self.board()
        relay = Cut(board.port, direction, at)
        result = self.lab.run(*self.args(f"tcp:127.0.0.1:{relay.port}"))
        relay.close()
        expect(result.code in (0, 1, 3), f"probe {direction} {at}: exit 0, 1 or 3 expected: {result}")
        self.recover(board, f"probe {direction} {at} cut")
        return relay.seen

    def kms(self, at, direction):
        board = self.board()
        hook = Count(at)
        relay = TlsRelay(self.lab, self.station, **{f"on_{direction}": hook})
        self.point_kms(relay.port)
        try:
            result = self.lab.run(*self.args(board.url))
        finally:
            self.point_kms(self.lab.kms_port)
            relay.close()
        expect(result.code in ((0, 1, 6, 7) if at < NEVER else (0,)), f"KMS {direction} {at}: exit 0, 1, 6 or 7 expected: {result}")
        self.recover(board, f"KMS {direction} {at} cut")
        return hook.seen

    def power(self, at, phase):
        board = self.board("--fault", f"power-cut={at}:{phase}", "--stats-file", self.lab.path("stats.json"))
        result = self.lab.run(*self.args(board.url))
        expect(result.code in (0, 1, 3), f"power {phase} flash operation {at}: exit 0, 1 or 3 expected: {result}")
        board.cycle("--stats-file", self.lab.path("stats2.json"))
        with open(self.lab.path("stats.json")) as file:
            operations = json.load(file)["flash_operations"]
        self.recover(board, f"power cut {phase} flash operation {at}")
        return operations

    def all_points(self, kind, variant, rng, seconds):
        """Every point when time allows, otherwise a seeded choice that always has the last 16 (identify to confirm)."""
        total = getattr(self, kind)(NEVER, variant)  # a run in which nothing is cut counts the points
        expect(total >= 8, f"{kind} {variant}: only {total} points")
        points = list(range(1, total + 1))
        rng.shuffle(points)
        late = [point for point in range(total, max(0, total - 16), -1)]
        order = late + [point for point in points if point not in late]
        end, done = time.monotonic() + seconds, 0
        for point in order:
            if seconds and time.monotonic() > end:
                break
            getattr(self, kind)(point, variant)
            done += 1
        return f"{done} of {total} points"

    def lost_vault_is_noticed(self):
        """The harness can fail: a board that loses its vault with a grant open, as a bug would, does not end right."""
        operations = self.power(NEVER, "before")
        board = self.board("--fault", f"power-cut={operations - 3}:before")
        result = self.lab.run(*self.args(board.url))
        expect(result.code != EXIT_OK, f"the board was to be cut in its install: {result}")
        board.off()
        os.unlink(board.file)
        board.power()
        try:
            self.recover(board, "vault lost")
        except AssertionError:
            board.off()
            self.lost = 1
            return
        raise AssertionError("a board that lost its vault passed")

    def invariants(self):
        shown = self.lab.lot_show("CUT")
        expect(shown["granted"] == shown["confirmed"] + self.lost, f"every grant is confirmed: {shown}")
        expect(shown["open"] == self.lost, f"but the one of the board that was broken on purpose: {shown}")
        expect(shown["granted"] == self.number, f"one grant a board, {self.number} boards: {shown}")
        units = self.lab.unit_list("CUT")
        expect(len({unit["dev_eui"] for unit in units}) == len(units) == self.number, "each board has its own DevEUI")
        roots = self.lab.roots()
        expect(len({root["app_key"] for root in roots}) == len(roots) == self.number, "each board has one key of its own")
        self.lab.audit(self.station)
        return f"{self.number} boards, {self.number - self.lost} confirmed"


KINDS = {"kill": [""], "probe": ["reply", "request"], "kms": ["reply", "request"], "power": ["before", "during", "after"]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=20261124)
    parser.add_argument("kinds", nargs="*", default=list(KINDS))
    options = parser.parse_args()
    print(f"# seed {options.seed}")
    kinds = [(kind, variant) for kind in options.kinds or KINDS for variant in KINDS[kind]]
    budget = float(os.environ.get("LPA_SECONDS") or 50)
    tap = Tap()
    with Lab() as lab:
        line = Line(lab)
        for kind, variant in kinds:
            tap.case(f"cut: {kind} {variant}".strip(), line.all_points, kind, variant, random.Random(options.seed),
                     budget / len(KINDS[kind]))
        tap.case("planted: a board that loses its vault is noticed", line.lost_vault_is_noticed)
        tap.case("one DevEUI and one key a board, lot and log agree", line.invariants)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
