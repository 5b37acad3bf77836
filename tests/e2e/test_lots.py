#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lots from beginning to end: a manifest lot worked by two parties, scrap, closing, a second station that goes on where the
first one died, a journal that was lost, and a KMS that is killed at any moment."""
import csv
import json
import os
import shutil
import subprocess
import sys

from lab import EXIT_DENIED, EXIT_OK, EXIT_USAGE, Lab, Tap, expect, program, units_of


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

    def manifest(self):
        """Registered by one station and tester, provisioned by another; the same party is refused."""
        lab = self.lab
        lab.add_lot("LISTED", trust="manifest", first="70b3d57ed0020000")
        room = lab.add_station("room-1", role="personalise")
        lab.login(room, lab.add_tester("paula", role="personaliser"))
        known, unknown = self.board(), self.board()
        result = lab.provision(room, "LISTED", [known], verb="personalise")
        expect(units_of(result)[0]["result"] == "PASS", f"registered: {result}")
        again = lab.provision(room, "LISTED", [known], verb="personalise")
        expect(units_of(again)[0]["result"] == "PASS", f"registering twice is fine: {again}")

        refused = lab.provision(room, "LISTED", [known], check=None)
        expect(refused.code == EXIT_DENIED, f"who registers may not provision: {refused}")
        refused = lab.provision(self.station, "LISTED", [known], verb="personalise", check=None)
        expect(refused.code == EXIT_DENIED, f"who provisions may not register: {refused}")
        refused = lab.provision(self.station, "LISTED", [unknown], check=None)
        expect(refused.code == EXIT_DENIED and units_of(refused)[0]["code"] == "not_registered",
               f"a board that nobody registered: {refused}")

        result = lab.provision(self.station, "LISTED", [known])
        expect(units_of(result)[0]["result"] == "PASS", f"provisioned: {result}")
        shown = lab.lot_show("LISTED")
        expect((shown["granted"], shown["confirmed"]) == (1, 1), f"one grant: {shown}")
        # A chip that a manifest holds with its key is no stranger to tofu lots, which must not get round the manifest.
        refused = lab.provision(self.station, "TOFU", [known], check=None)
        expect(units_of(refused)[0]["result"] != "PASS", f"confirmed elsewhere: {refused}")
        known.off()
        unknown.off()

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

    def scrap(self):
        board = self.lost_board()
        show = [program("lpa-provision"), "unit", "show", board.uid, "--dir", self.station, "--lot", "TOFU"]
        expect("open" in self.lab.run(*show, check=EXIT_OK).out, "unit show says that a grant is open")
        scrap = [program("lpa-provision"), "unit", "scrap", board.uid, "--dir", self.station, "--lot", "TOFU",
                 "--reason", "broken pin"]
        refused = self.lab.run(*scrap)
        expect(refused.code == EXIT_USAGE and "--yes" in refused.err, f"scrapping is final and asks: {refused}")
        self.lab.run(*scrap, "--yes", check=EXIT_OK)
        self.lab.run(*scrap, "--yes", check=EXIT_OK)
        board.cycle()
        result = self.lab.provision(self.station, "TOFU", [board], check=None)
        expect(units_of(result)[0]["result"] != "PASS", f"a scrapped unit does not come back: {result}")
        shown = self.lab.lot_show("TOFU")
        expect(shown["scrapped"] == 1 and shown["open"] == 0, f"scrapped: {shown}")
        board.off()

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

    def lost_journal(self):
        """The journal is gone with a grant open: rebuilt from the KMS, and the board ends right."""
        board = self.lost_board()
        board.cycle()
        for name in os.listdir(self.station):
            if name.startswith("journal.db"):
                os.unlink(os.path.join(self.station, name))
        self.lab.run(program("lpa-provision"), "status", "--dir", self.station, "--lot", "TOFU", "--rebuild",
                     check=EXIT_OK)
        before = self.lab.lot_show("TOFU")["granted"]
        result = self.lab.provision(self.station, "TOFU", [board], check=None)
        expect(units_of(result)[0]["result"] == "PASS", f"finished: {result}")
        expect(self.lab.lot_show("TOFU")["granted"] == before, "no second grant")
        board.off()

    def rolled_back_log(self):
        """A station restored from a backup lacks records that the KMS has cosigned: it must not go on."""
        saved = self.lab.path("backup")
        shutil.copytree(self.station, saved)
        board = self.board()
        self.lab.provision(self.station, "TOFU", [board])
        board.off()
        board = self.board()
        result = self.lab.provision(saved, "TOFU", [board], check=None)
        expect(result.code == 7, f"the log refuses, exit 7: {result}")
        expect("log" in result.err + result.out, f"and says so: {result}")
        board.off()

    def kms_killed(self):
        """kill -9 of the KMS at its n-th sync, n = 1, 2, 3 … until a run completes untouched."""
        killed, at = 0, 0
        while True:
            at += 1
            self.lab.stop_kms()
            port_file = self.lab.path("kms.port")
            os.unlink(port_file)
            serve = self.lab.start("strace", "-D", "-f", "-o", self.lab.path("strace.out"), "-e", "trace=fsync,fdatasync",
                                   "-e", f"inject=fsync,fdatasync:signal=SIGKILL:when={at}", program("lpa-kms"),
                                   "serve", "--dir", self.lab.path("kms"), "--listen",
                                   f"127.0.0.1:{self.lab.kms_port}", "--port-file", port_file)
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
        expect(killed >= 8, f"the KMS was killed {killed} times")
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

    def exports(self):
        """JSON Lines carry the exact records; CSV has one row a record."""
        lines, table = self.lab.path("log.jsonl"), self.lab.path("log.csv")
        self.lab.audit(self.station, "--format", "jsonl", "--out", lines, verb="export")
        self.lab.audit(self.station, "--format", "csv", "--out", table, verb="export")
        with open(lines) as file:
            records = [json.loads(line) for line in file]
        expect([record["seq"] for record in records] == list(range(len(records))), "every record, in order")
        with open(table, newline="") as file:
            rows = list(csv.reader(file))
        expect(len(rows) == len(records) + 1, "one row a record and a heading")
        intents = [record for record in records if record["ev"] == "key.request"]
        expect(intents and all("statement_sha256" in record["x"] for record in intents), "intents name the statement")
        return f"{len(records)} records"


CASES = [("manifest lot, two parties", Line.manifest), ("tofu needs consent", Line.no_consent),
         ("scrap an open grant", Line.scrap), ("another station finishes", Line.other_station),
         ("lost journal", Line.lost_journal), ("KMS killed at every sync", Line.kms_killed),
         ("log rolled back", Line.rolled_back_log), ("lot closing", Line.close), ("exports", Line.exports)]


def main():
    tap = Tap()
    wanted = sys.argv[1:]
    with Lab() as lab:
        line = Line(lab)
        for name, case in CASES:
            if not wanted or any(word in name for word in wanted):
                tap.case(name, case, line)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
