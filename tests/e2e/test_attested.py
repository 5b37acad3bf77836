#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An attested lot on the real die: permits, the dry run, two parties, the lock, and what is refused."""
import json
import os
import sys

from lab import EXIT_DENIED, EXIT_OK, EXIT_TARGET, EXIT_USAGE, EXIT_VERIFY, expect, program, run_cases, units_of

NOWHERE = "tcp:127.0.0.1:9"  # nothing listens: whoever touches a board there fails with another exit code


def tree(*paths):
    """Every file below, with its bytes."""
    found = {}
    for path in paths:
        for folder, _, names in os.walk(path):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    found[os.path.join(folder, name)] = file.read()
    return found


def fuses(path):
    with open(path, "rb") as file:
        return file.read()


class Line:
    def __init__(self, lab):
        self.lab = lab
        lab.setup_kms()
        lab.sign_image()
        lab.add_attested_lot("ATT", target=40, allowance=60)
        lab.serve_kms()
        self.room = lab.add_station("room", role="personalise")
        self.line = lab.add_station("line")
        self.petra, self.alice = lab.add_tester("petra", role="personaliser"), lab.add_tester("alice")
        lab.login(self.room, self.petra)
        lab.login(self.line, self.alice)
        self.key = ("--image-key", lab.image_key)
        self.files = (*self.key, "--application", lab.application)
        self.number = 0

    def board(self, *options):
        self.number += 1
        return self.lab.board(self.number, "--kitprog3", *options)

    def personalise(self, board, check=EXIT_OK, extra=(), lot="ATT"):
        return self.lab.provision(self.room, lot, [board], verb="personalise", image=self.lab.signed_image, check=check,
                                  extra=(*self.files, *extra))

    def run(self, board, check=EXIT_OK, extra=(), lot="ATT", station=None):
        return self.lab.provision(station or self.line, lot, [board], image=self.lab.signed_image, check=check,
                                  extra=(*self.files, *extra))

    def show(self, uid):
        return json.loads(self.lab.run(program("lpa-provision"), "unit", "show", uid, "--dir", self.line, "--json",
                                       check=EXIT_OK).out)

    def no_permit(self):
        """Refused before any board is touched: the probe that is named does not exist."""
        for verb in (self.personalise, self.run):
            result = verb(NOWHERE, check=EXIT_DENIED)
            expect("permit" in result.err, f"no permit: {result}")
        permit = self.lab.add_permit("ATT", "rehearse,restrict")
        result = self.run(NOWHERE, check=EXIT_DENIED)
        expect("lock" in result.err, f"a permit without the lock: {result}")
        result = self.personalise(NOWHERE, check=EXIT_TARGET)
        expect('"ERROR"' in result.out, f"with a permit the probe is asked: {result}")
        self.lab.kms("permit", "revoke", "--dir", self.lab.path("kms"), permit)
        result = self.personalise(NOWHERE, check=EXIT_DENIED)
        expect("permit" in result.err, f"revoked: {result}")
        self.lab.add_permit("ATT", "rehearse,restrict,lock,settle")

    def other_files(self):
        """Lot, permit and files must agree."""
        other = self.lab.path("other.key")
        with open(self.lab.image_key, "rb") as file:
            key = bytearray(file.read())
        key[100] ^= 1
        with open(other, "wb") as file:
            file.write(key)
        for extra in (("--image-key", other, *self.files[2:]), self.files[2:]):
            result = self.lab.provision(self.room, "ATT", [NOWHERE], verb="personalise", image=self.lab.signed_image,
                                        check=None, extra=extra)
            expect(result.code in (EXIT_VERIFY, EXIT_USAGE), f"another key, and none: {result}")
        result = self.lab.provision(self.room, "ATT", [NOWHERE], verb="personalise", check=EXIT_VERIFY)
        expect("image" in result.err, f"an image that is not signed: {result}")

    def dry_run(self):
        """It says what will be done, bit by bit, and does nothing: board, journal and log stay as they were."""
        board = self.board()
        board.cycle()
        board.off()
        before = tree(self.room), fuses(board.file)
        board.power("--kitprog3")
        plan = json.loads(self.personalise(board, extra=("--dry-run",)).out.splitlines()[0])
        board.off()
        expect((tree(self.room), fuses(board.file)) == before, "nothing changed")
        expect(plan["type"] == "plan" and plan["chip_id"] == board.uid, f"a plan for this board: {plan}")
        expect(plan["steps"] == "program, application, rehearse, restrict, seal, identify, register", f"steps: {plan}")
        names = plan["fuses"]
        expect(len(names) == plan["fuse_bits"] == len(set(names)) > 60, f"each bit has a name of its own: {plan}")
        expect(names[-1] == "LIFECYCLE.SECURE", f"the last bit is the life cycle: {names[-3:]}")
        board.power("--kitprog3")
        self.personalise(board)
        records = [json.loads(line) for line in self.lab.audit(self.room, verb="export").out.splitlines()]
        told = [record for record in records if record["ev"] == "fuse.plan" and record["device"]["chip_id"] == board.uid]
        expect([record["x"]["text"] for record in told] == [plan["bits"]], f"what was blown is what was shown: {told}")
        after = [json.loads(line) for line in self.personalise(board, extra=("--dry-run",)).out.splitlines()][0]
        expect(after["restricted"] and after["fuse_bits"] == 0, f"nothing is left to blow: {after}")
        return f"{len(names)} fuse bits"

    def whole_way(self):
        """Two parties, two passes; each pass may be repeated."""
        board = self.board()
        result = self.run(board, check=EXIT_DENIED)
        expect(units_of(result)[0]["code"] == "not_restricted", f"open boards are for the room: {result}")
        for _ in range(2):
            unit = units_of(self.personalise(board))[0]
            expect(unit["result"] == "PASS" and unit["state"] == "personalised", f"personalised: {unit}")
        unit = units_of(self.run(board))[0]
        expect(unit["result"] == "PASS" and unit["state"] == "locked", f"locked: {unit}")
        shown = self.show(board.uid)
        expect(shown["kms"]["locked"] and shown["journal"]["lock"] == "done", f"KMS and journal know: {shown}")
        for verb in (self.run, self.personalise):
            unit = json.loads(verb(board, check=EXIT_TARGET).out.splitlines()[0])
            expect(unit["code"] == "port_locked" and "chip_id" not in unit, f"a locked board says nothing: {unit}")
        board.off()

    def same_party(self):
        """Whoever registered a unit cannot provision it."""
        board = self.board()
        self.personalise(board)
        result = self.run(board, check=EXIT_DENIED, station=self.room)
        expect("role" in result.out + result.err or "same_party" in result.out, f"another party: {result}")
        board.off()

    def orders(self):
        """Rework and zeroise before the lock, ordered at the KMS, carried out by the next run."""
        self.lab.add_attested_lot("OPEN", target=4, allowance=8, lock="none", first="70b3d57ed0020000")
        self.lab.add_permit("OPEN", "rehearse,restrict")
        board = self.board()
        self.personalise(board, lot="OPEN")
        first = units_of(self.run(board, lot="OPEN"))[0]
        keys = {root["app_key"] for root in self.lab.roots() if root["dev_eui"] == first["dev_eui"]}
        self.lab.kms("unit", "rework", "--dir", self.lab.path("kms"), board.uid)
        again = units_of(self.run(board, lot="OPEN"))[0]
        expect(again["result"] == "PASS" and again["dev_eui"] == first["dev_eui"], f"new keys, same device: {again}")
        newer = {root["app_key"] for root in self.lab.roots() if root["dev_eui"] == first["dev_eui"]}
        expect(len(newer) == 1 and not keys & newer, "the old key is gone, the new one is another")
        self.lab.kms("unit", "zeroise", "--dir", self.lab.path("kms"), board.uid, "--permit")
        ended = units_of(self.run(board, lot="OPEN"))[0]
        expect(ended["result"] == "PASS" and ended["state"] == "zeroised", f"keys taken off: {ended}")
        expect(units_of(self.run(board, lot="OPEN"))[0]["state"] == "zeroised", "and it stays so")
        events = [json.loads(line)["ev"] for line in self.lab.audit(self.line, verb="export").out.splitlines()]
        expect(events.count("rework") == 1 and events.count("zeroise") == 1, "both stand in the log")
        board.off()

    def logs(self):
        self.lab.audit(self.room)
        self.lab.audit(self.line)
        shown = self.lab.lot_show("ATT")
        expect(shown["granted"] == shown["confirmed"] == 1, f"one unit was provisioned: {shown}")


CASES = [("no permit, no board", Line.no_permit), ("another key", Line.other_files), ("dry run", Line.dry_run),
         ("the whole way", Line.whole_way), ("another party", Line.same_party), ("orders", Line.orders),
         ("logs", Line.logs)]

if __name__ == "__main__":
    sys.exit(run_cases(CASES, Line))
