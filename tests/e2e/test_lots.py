#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lots from the KMS's side: consent, a second station that goes on where the first one died, a KMS that is killed at any
moment, and closing."""
import json
import os
import subprocess
import sys

from lab import EXIT_DENIED, EXIT_OK, expect, program, run_cases, units_of


class Line:
    def __init__(self, lab):
        self.lab = lab
        lab.setup_kms()
        lab.add_lot("TOFU", target=40, allowance=60)
        lab.serve_kms()
        self.station = lab.add_station()
        lab.login(self.station, lab.add_tester("alice"))
        self.boards = 0

    def board(self, *options):
        self.boards += 1
        return self.lab.board(self.boards, *options)

    def no_consent(self):
        result = self.lab.kms("lot", "add", "--dir", self.lab.path("kms"), "RASH", "--image", self.lab.image,
                              "--lorawan", "1.0.4", "--join-eui", "70b3d57ed0000001", "--deveui-first",
                              "70b3d57ed0030000", "--deveui-count", "4", "--target", "1", "--allowance", "1", "--trust",
                              "tofu", check=None)
        expect(result.code == EXIT_DENIED and "consent" in result.err, f"tofu needs consent: {result}")

    def open_grant(self, board):
        """Lose the board in the middle of its install: a grant stays open."""
        result = self.lab.provision(self.station, "TOFU", [board], check=None)
        expect(result.code != EXIT_OK, f"the board was to be lost: {result}")
        units = [unit for unit in self.lab.unit_list("TOFU") if unit["chip_id"] == board.uid]
        expect(len(units) == 1 and units[0]["state"] == "open", f"one open grant: {units}")

    def lost_board(self):
        """A board that loses power for good in the first flash operation of its install."""
        probe = self.board("--stats-file", self.lab.path("stats.json"))
        self.lab.provision(self.station, "TOFU", [probe])
        probe.off()
        with open(self.lab.path("stats.json")) as file:
            last = json.load(file)["flash_operations"]
        board = self.board("--fault", f"power-cut={last - 3}:before")
        self.open_grant(board)
        return board

    def other_station(self):
        """The station dies with a grant open; another one finishes the board."""
        board = self.lost_board()
        board.cycle()
        other = self.lab.add_station("station-2")
        self.lab.login(other, self.lab.add_tester("bob"))
        before = self.lab.lot_show("TOFU")["granted"]
        result = self.lab.provision(other, "TOFU", [board])
        expect(units_of(result)[0]["result"] == "PASS", f"finished elsewhere: {result}")
        expect(self.lab.lot_show("TOFU")["granted"] == before, "no second grant")
        self.lab.audit(other)
        board.off()

    def kms_killed(self):
        """kill -9 of the KMS at its n-th sync, n = 1, 2, 3 … until a run completes untouched."""
        killed, at = 0, 0
        while True:
            at += 1
            self.lab.stop_kms()
            port_file = self.lab.path("kms.port")
            os.unlink(port_file)
            serve = self.lab.start(*self.lab.kill_at_sync(at), program("lpa-kms"), "serve", "--dir",
                                   self.lab.path("kms"), "--listen", f"127.0.0.1:{self.lab.kms_port}", "--port-file",
                                   port_file)
            try:
                self.lab.wait_file(port_file, serve)
                board = self.board()
                self.lab.provision(self.station, "TOFU", [board], check=None)
            except AssertionError:
                board = self.board()  # killed while it started
            try:
                serve.wait(2)  # it may still be dying
                dead = True
            except subprocess.TimeoutExpired:
                dead = False
            self.lab.stop(serve)
            killed += dead
            self.lab.kms_process = serve
            self.lab.serve_kms()
            result = self.lab.provision(self.station, "TOFU", [board], check=None)
            expect(result.code == EXIT_OK, f"KMS killed at sync {at}: {result}")
            board.off()
            if not dead:
                break
        expect(killed >= 6, f"the KMS was killed {killed} times")
        return f"killed {killed} times"

    def close(self):
        shown = self.lab.lot_show("TOFU")
        expect(shown["granted"] == shown["confirmed"] + shown["scrapped"] + shown["open"], f"reconciles: {shown}")
        result = self.lab.kms("lot", "close", "--dir", self.lab.path("kms"), "TOFU")
        expect("granted" in result.out, f"closing prints the reconciliation: {result}")
        board = self.board()
        refused = self.lab.provision(self.station, "TOFU", [board], check=None)
        expect(refused.code == EXIT_DENIED and "closed" in refused.out + refused.err, f"closed: {refused}")
        board.off()
        self.lab.audit(self.station)
        euis = [unit["dev_eui"] for unit in self.lab.unit_list() if unit.get("dev_eui")]
        expect(len(euis) == len(set(euis)), "no DevEUI twice")


CASES = [("tofu needs consent", Line.no_consent), ("another station finishes", Line.other_station),
         ("KMS killed at every sync", Line.kms_killed), ("lot closing", Line.close)]

if __name__ == "__main__":
    sys.exit(run_cases(CASES, Line))
