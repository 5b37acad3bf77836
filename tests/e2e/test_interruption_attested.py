#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whatever is cut while boards are restricted and locked: the next run goes on, or names the state.

The kinds are those of test_interruption.py (kill, probe, kms, power), each in both passes: fuses are operations that power
can be cut around like those of flash. After a cut the pass is run again without a fault. The first pass must then end
personalised. The second must end locked, or find the board silent: then journal and KMS know it, or a person settles it by
its label.

usage: test_interruption_attested.py [--seed N] [--part K/N] [--exchanges] [--pass personalise|run]
                                     [kill|probe|kms|power ...]

Takes about as many seconds for each kind as LPA_SECONDS says (default 20; 0 = every point).
"""
import json
import os
import shutil
import struct
import sys

from lab import EXIT_DENIED, EXIT_OK, EXIT_TARGET, Lab, Tap, expect, program
from test_interruption import KINDS, Line, read_options

LOT = "CUT"
PASSES = ["personalise", "run"]


class AttestedLine(Line):
    def __init__(self, lab):
        self.lab = lab
        lab.setup_kms()
        lab.sign_image()
        lab.application = lab.sign_application("sleeper", binary=self.sleeper())
        lab.add_attested_lot(LOT, target=5000, allowance=6000, count=8192)
        lab.add_permit(LOT, "rehearse,restrict,lock,settle")
        lab.serve_kms()
        self.stations = {"personalise": lab.add_station("room", role="personalise"), "run": lab.add_station("line")}
        lab.login(self.stations["personalise"], lab.add_tester("petra", role="personaliser"))
        lab.login(self.stations["run"], lab.add_tester("alice"))
        self.number, self.provisioned, self.settled, self.exchanges, self.reached = 0, 0, 0, {}, False
        self.select("personalise")

    def sleeper(self):
        """An application that waits for ever: a simulated core that sleeps costs no time, and many boards are looked at."""
        program = struct.pack("<II", 0x08040000, 0x10010509).ljust(0x108, b"\0") + struct.pack("<HH", 0xBF30, 0xE7FD)
        path = self.lab.path("sleeper.bin")
        with open(path, "wb") as file:
            file.write(program.ljust(4096, b"\xa5"))
        return path

    def select(self, stage):
        self.stage, self.station = stage, self.stations[stage]
        self.config = os.path.join(self.station, "station.ini")

    def args(self, url, stage=None):
        stage = stage or self.stage
        return self.lab.provision_args(self.stations[stage], LOT, [url], verb=stage, image=self.lab.signed_image,
                                       extra=("--image-key", self.lab.image_key, "--application", self.lab.application))

    def board(self, *options):
        """A board as the pass expects it: blank, or personalised without a fault."""
        self.number += 1
        if self.stage == "personalise":
            return self.lab.board(self.number, "--kitprog3", *options)
        board = self.lab.board(self.number, "--kitprog3")
        self.lab.run(*self.args(board.url, "personalise"), check=EXIT_OK)
        self.provisioned += 1
        if options:
            board.cycle(*options)
        return board

    def lock_of(self, board):
        shown = self.lab.run(program("lpa-provision"), "unit", "show", board.uid, "--dir", self.station, "--json",
                             check=EXIT_OK)
        return json.loads(shown.out)["journal"]["lock"]

    def recover(self, board, what):
        result = self.lab.run(*self.args(board.url))
        unit = json.loads(result.out.splitlines()[0])
        if self.stage == "run" and result.code == EXIT_TARGET and unit.get("code") == "port_locked":
            self.recover_silent(board, f"{what}: {result}")
        else:
            wanted = "personalised" if self.stage == "personalise" else "locked"
            expect(result.code == EXIT_OK and (unit["result"], unit["state"]) == ("PASS", wanted),
                   f"{what}: PASS and {wanted} expected: {result}")
        board.off()

    def recover_silent(self, board, what):
        """The board is locked and says nothing: done, or settled by its label, which is its uid here."""
        lock = self.lock_of(board)
        if lock != "done":
            expect(lock in ("unknown", "reported"), f"{what}: lock {lock}")
            settle = ["unit", "settle", board.uid, "--dir", self.station, "--lot", LOT, "--probe", board.url, "--yes"]
            refused = self.lab.run(program("lpa-provision"), *settle, check=EXIT_DENIED)
            expect("names the chip alone" in refused.err, f"{what}: a permit for all chips: {refused}")
            self.lab.add_permit(LOT, "settle", board.uid)
            self.lab.run(program("lpa-provision"), *settle, check=EXIT_OK)
            lock = self.lock_of(board)
            known = next(unit for unit in self.lab.unit_list(LOT) if unit["chip_id"] == board.uid)
            expect(known["locked"] and known["lock"] == ("settled" if lock == "settled" else "answered"),
                   f"{what}: the KMS knows it: {known}")
        expect(lock in ("done", "settled"), f"{what}: settled, but lock is {lock}")
        self.settled += lock == "settled"

    def cut(self, stage, kind, variant, options, seconds):
        self.select(stage)
        return self.all_points(kind, variant, options, seconds)

    def lost_fuses_are_noticed(self):
        """The harness can fail: a board that loses its fuses between the passes does not end right."""
        self.select("personalise")
        board = self.board()
        board.cycle()
        board.off()
        shutil.copyfile(board.file, board.file + ".blank")
        board.power()
        self.lab.run(*self.args(board.url), check=EXIT_OK)
        board.off()
        shutil.copyfile(board.file + ".blank", board.file)
        board.power()
        self.select("run")
        try:
            self.recover(board, "fuses lost")
        except AssertionError:
            board.off()
            return
        raise AssertionError("a board that lost its fuses passed")

    def invariants(self):
        shown = self.lab.lot_show(LOT)
        expect(shown["granted"] == shown["confirmed"] == self.provisioned, f"{self.provisioned} boards: {shown}")
        expect(len({root["app_key"] for root in self.lab.roots()}) == self.provisioned, "each board has one key of its own")
        for station in self.stations.values():
            self.lab.audit(station)
        return f"{self.number} boards, {self.provisioned} provisioned, {self.settled} locks settled by label"


def main():
    options = read_options(20261130, PASSES)
    budget = float(os.environ.get("LPA_SECONDS") or 20)
    tap = Tap()
    with Lab() as lab:
        line = AttestedLine(lab)
        for kind in options.kinds or KINDS:
            for stage in options.passes or PASSES:
                for variant in KINDS[kind]:
                    tap.case(f"cut: {stage} {kind} {variant}".strip(), line.cut, stage, kind, variant, options,
                             budget / len(KINDS[kind]) / len(PASSES))
        tap.case("planted: a board that loses its fuses is noticed", line.lost_fuses_are_noticed)
        tap.case("one DevEUI and one key a board, lot and logs agree", line.invariants)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
