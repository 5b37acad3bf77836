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

usage: test_interruption.py [--seed N] [--part K/N] [--exchanges] [kill|probe|kms|power ...]

Takes about as many seconds for each kind as LPA_SECONDS says (default 50; 0 = every point). How many points there are is
counted in a run that is not cut and must end well. Polls and reads repeat a request thousands of times: the probe is cut
first at each kind of exchange, which is a request that follows another than before; --exchanges leaves it at these. --part
does every N-th point from the K-th on, so that N machines do all.
"""
import argparse
import json
import os
import random
import sys
import time

from lab import Count, EXIT_OK, Lab, Relay, Tap, TlsRelay, expect, units_of


NEVER = 60000
DAP_TRANSFER_BLOCK = 6


def expect_end(result, at, codes, what):
    """A run that was cut ends with one of these codes, one that was not ends well."""
    codes = codes if at != NEVER else (EXIT_OK,)
    expect(result.code in codes, f"{what}: exit {' or '.join(map(str, codes))} expected: {result}")


class Cut(Relay):
    """A relay to a probe that closes the connection instead of passing on one frame of one direction: frame number `at`, or
    that of the first exchange of kind `at`."""

    def __init__(self, port, direction, at):
        self.direction, self.seen, self.cut_at, self.kind = direction, 0, at, None
        if isinstance(at, bytes):
            self.cut_at, self.kind = NEVER, at
        self.last, self.requests, self.exchanges = b"", 0, {}
        self.rest = {"request": b"", "reply": b""}
        super().__init__(port, lambda data: self.frames("request", data), lambda data: self.frames("reply", data))

    def note(self, request):
        """An exchange is of a kind of its own when its request follows another than before. What is written in blocks
        differs from board to board and does not count."""
        shape = request[:5] if request[0] == DAP_TRANSFER_BLOCK else request
        kind, self.last = self.last + b"|" + shape, shape
        self.requests += 1
        if kind not in self.exchanges:
            self.exchanges[kind] = self.requests
            if kind == self.kind:
                self.cut_at = self.requests

    def frames(self, direction, data):
        """Take whole frames of the CMSIS-DAP over TCP framing: 8 bytes of header with the length at 4."""
        rest, passed = self.rest[direction] + data, b""
        while len(rest) >= 8:
            size = 8 + int.from_bytes(rest[4:6], "little")
            if len(rest) < size:
                break
            if direction == "request":
                self.note(rest[8:size])
            if direction == self.direction:
                self.seen += 1
                if self.seen == self.cut_at:
                    return None
            passed, rest = passed + rest[:size], rest[size:]
        self.rest[direction] = rest
        return passed


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
        self.exchanges, self.reached = {}, False
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
        result = self.lab.run(*self.args(board.url), wrapper=self.lab.kill_at_sync(at))
        self.reached = result.code == -9
        expect(self.reached or result.code == EXIT_OK, f"kill at sync {at}: {result}")
        self.recover(board, f"killed at sync {at}")
        return at if self.reached else self.lab.syncs()

    def probe(self, at, direction):
        board = self.board()
        relay = Cut(board.port, direction, at)
        result = self.lab.run(*self.args(f"tcp:127.0.0.1:{relay.port}"))
        relay.close()
        expect_end(result, at, (0, 1, 3), f"probe {direction} {at}")
        self.recover(board, f"probe {direction} {at} cut")
        self.reached = relay.seen >= relay.cut_at
        if at == NEVER:
            self.exchanges = relay.exchanges
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
        expect_end(result, at, (0, 1, 6, 7), f"KMS {direction} {at}")
        self.reached = hook.seen >= at
        self.recover(board, f"KMS {direction} {at} cut")
        return hook.seen

    def power(self, at, phase):
        board = self.board("--fault", f"power-cut={at}:{phase}", "--stats-file", self.lab.path("stats.json"))
        result = self.lab.run(*self.args(board.url))
        expect_end(result, at, (0, 1, 3), f"power {phase} flash operation {at}")
        board.cycle("--stats-file", self.lab.path("stats2.json"))
        with open(self.lab.path("stats.json")) as file:
            operations = json.load(file)["flash_operations"]
        self.reached = operations >= at
        self.recover(board, f"power cut {phase} flash operation {at}")
        return operations

    def order(self, total, options):
        """What is cut, first things first: the last 16 (identify to confirm), then a seeded order. Where kinds of exchange
        are known, these come first, then the points that are none's first."""
        groups = [list(self.exchanges)] if self.exchanges else []
        if not (groups and options.exchanges):
            groups.append(sorted(set(range(1, total + 1)) - set(self.exchanges.values())))
        order = []
        for group in groups:
            late, others = group[-16:][::-1], group[:-16]
            random.Random(options.seed).shuffle(others)
            order += late + others
        return order[options.part[0]::options.part[1]]

    def all_points(self, kind, variant, options, seconds):
        """Every point when time allows, otherwise those that come first in the order."""
        self.exchanges = {}
        for _ in range(2 if kind == "kill" else 1):  # a station's first run makes its files, and syncs more often
            total = getattr(self, kind)(NEVER, variant)  # a run in which nothing is cut counts the points
        expect(total >= 1, f"{kind} {variant}: no points")
        kinds, end, done, missed = self.exchanges, time.monotonic() + seconds, [], []
        for point in self.order(total, options):
            if seconds and time.monotonic() > end:
                break
            getattr(self, kind)(point, variant)
            (done if self.reached else missed).append(point)
        # Polls depend on the clock, so that a run may lack what the run that counted had. Writing of flash does not.
        expect(kind != "power" or not missed, f"{kind} {variant}: the power was not cut at {missed}")
        return (f"{len(done)} of {total} points" +
                (f", {len(set(done) & set(kinds))} of {len(kinds)} kinds of exchange" if kinds else "") +
                (f", {len(missed)} did not come again" if missed else ""))

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


def part(text):
    """K/N, from 1: the first point and the stride."""
    first, stride = (int(word) for word in text.split("/"))
    if not 1 <= first <= stride:
        raise ValueError(text)
    return first - 1, stride


def read_options(seed, passes=()):
    parser = argparse.ArgumentParser()
    if passes:
        parser.add_argument("--pass", dest="passes", choices=passes, action="append")
    parser.add_argument("--seed", type=int, default=seed)
    parser.add_argument("--part", type=part, default=(0, 1), metavar="K/N")
    parser.add_argument("--exchanges", action="store_true")
    parser.add_argument("kinds", nargs="*", default=list(KINDS))
    options = parser.parse_args()
    print(f"# seed {options.seed}", flush=True)
    return options


def main():
    options = read_options(20261124)
    kinds = [(kind, variant) for kind in options.kinds or KINDS for variant in KINDS[kind]]
    budget = float(os.environ.get("LPA_SECONDS") or 50)
    tap = Tap()
    with Lab() as lab:
        line = Line(lab)
        for kind, variant in kinds:
            tap.case(f"cut: {kind} {variant}".strip(), line.all_points, kind, variant, options, budget / len(KINDS[kind]))
        tap.case("planted: a board that loses its vault is noticed", line.lost_vault_is_noticed)
        tap.case("one DevEUI and one key a board, lot and log agree", line.invariants)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
