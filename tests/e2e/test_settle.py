#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A board whose lock answer was lost: settled by label and permit at the station, and known as settled to the KMS."""
import json
import os
import sys

from lab import EXIT_DENIED, EXIT_OK, EXIT_REMOTE, EXIT_TARGET, TlsRelay, expect, program, run_cases, units_of

LOT = "ATT"
OPERATIONS = 8  # more than the lock's commit has on flash


class Line:
    def __init__(self, lab):
        self.lab = lab
        lab.setup_kms()
        lab.sign_image()
        lab.add_attested_lot(LOT, target=40, allowance=60)
        lab.serve_kms()
        self.room = lab.add_station("room", role="personalise")
        self.line = lab.add_station("line")
        lab.login(self.room, lab.add_tester("petra", role="personaliser"))
        lab.login(self.line, lab.add_tester("alice"))
        lab.add_permit(LOT, "rehearse,restrict,lock")
        self.number = 0

    def work(self, board, station, verb="run", check=None):
        return self.lab.provision(station, LOT, [board], verb=verb, image=self.lab.signed_image, check=check,
                                  extra=("--image-key", self.lab.image_key, "--application", self.lab.application))

    def lock_unknown(self):
        """A board that lost its supply between the commit of its lock and the answer; the permit that settled nothing."""
        for operation in range(1, OPERATIONS):
            self.number += 1
            board = self.lab.board(self.number, "--kitprog3")
            self.work(board, self.room, "personalise", EXIT_OK)
            idle = self.lab.add_permit(LOT, "settle", board.uid)  # the newest of the chip counts: no leave to lock
            row = units_of(self.work(board, self.line))[0]
            expect(row["state"] == "confirmed" and row["code"] == "permit_act", f"confirmed, not locked: {row}")
            self.lab.kms("permit", "revoke", "--dir", self.lab.path("kms"), idle)
            board.cycle("--kitprog3", "--fault", f"power-cut={operation}:after")
            result = self.work(board, self.line)
            if self.show(board)["journal"]["lock"] == "unknown":
                board.cycle("--kitprog3")
                result = self.work(board, self.line)
                if "port_locked" in result.out:
                    return board, idle
            board.off()
        raise AssertionError(f"no cut left a lock unknown: {result}")

    def show(self, board):
        return json.loads(self.lab.run(program("lpa-provision"), "unit", "show", board.uid, "--dir", self.line, "--json",
                                       check=EXIT_OK).out)

    def settle(self, board, check=EXIT_OK):
        return self.lab.run(program("lpa-provision"), "unit", "settle", board.uid, "--dir", self.line, "--lot", LOT,
                            "--probe", board.url, "--yes", check=check)

    def expect_lock(self, board, journal, kms):
        shown = self.show(board)
        expect(shown["journal"]["lock"] == journal, f"journal {journal}: {shown}")
        expect(shown["kms"]["locked"] == (kms != "none") and shown["kms"]["settled"] == (kms == "settled"), f"{kms}: {shown}")
        listed = next(unit for unit in self.lab.unit_list(LOT) if unit["chip_id"] == board.uid)
        expect(listed["lock"] == kms, f"KMS {kms}: {listed}")

    def settled(self):
        board, idle = self.lock_unknown()
        self.expect_lock(board, "unknown", "none")
        result = self.settle(board, EXIT_DENIED)
        expect("settle" in result.err, f"the lot's permit does not allow it: {result}")
        everybody = self.lab.add_permit(LOT, "settle")
        result = self.settle(board, EXIT_DENIED)
        expect("names the chip alone" in result.err, f"nor one for all chips: {result}")
        self.expect_lock(board, "unknown", "none")
        self.lab.kms("permit", "revoke", "--dir", self.lab.path("kms"), everybody)
        self.lab.add_permit(LOT, "settle", board.uid)
        # The KMS is not reached: the journal owes it.
        relay = TlsRelay(self.lab, self.line, lambda data: None if b"/settle HTTP" in data else data)
        config = os.path.join(self.line, "station.ini")
        with open(config) as file:
            text = file.read()
        with open(config, "w") as file:
            file.write(text.replace(str(self.lab.kms_port), str(relay.port)))
        self.settle(board, EXIT_REMOTE)
        with open(config, "w") as file:
            file.write(text)
        relay.close()
        self.expect_lock(board, "settled", "none")
        # Any next run pays it, with another board or none.
        self.work("tcp:127.0.0.1:9", self.line, check=EXIT_TARGET)
        self.expect_lock(board, "settled", "settled")
        result = self.settle(board, EXIT_DENIED)
        expect("nothing to settle" in result.err, f"once: {result}")
        board.off()
        self.lab.audit(self.line)


CASES = [("settled", Line.settled)]

if __name__ == "__main__":
    sys.exit(run_cases(CASES, Line))
