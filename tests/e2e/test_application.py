#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The product's application: what is refused before a board is touched, and what a locked board then runs."""
import hashlib
import json
import os
import sys

from field import FieldBoard
from lab import BUILD, EXIT_OK, EXIT_USAGE, EXIT_VERIFY, expect, program, run_cases, units_of
from test_attested import NOWHERE, Line as AttestedLine


class Line(AttestedLine):
    def __init__(self, lab):
        super().__init__(lab)
        lab.add_permit("ATT", "rehearse,restrict,lock,settle")

    def refuse(self, application, code, word, lot="ATT"):
        """No board is touched: the probe that is named does not exist."""
        named = ("--application", application) if application else ()
        for station, verb in ((self.room, "personalise"), (self.line, "run")):
            result = self.lab.provision(station, lot, [NOWHERE], verb=verb, image=self.lab.signed_image, check=code,
                                        extra=(*self.key, *named))
            expect(word in result.err, f"{word}: {result}")

    def changed(self, name, change):
        with open(self.lab.application, "rb") as file:
            data = bytearray(file.read())
        path = self.lab.path(name)
        with open(path, "wb") as file:
            file.write(change(data) or data)
        return path

    def refusals(self):
        foreign = self.lab.path("foreign.pem")
        self.lab.new_p256_key(foreign)
        self.refuse(None, EXIT_USAGE, "--application")
        self.refuse(self.lab.path("nowhere"), EXIT_USAGE, "nowhere")
        self.refuse(self.lab.sign_application("old", version="0.9.0"), EXIT_VERIFY, "older 0.9.0")
        self.refuse(self.lab.sign_application("newer", version="1.0.1"), EXIT_VERIFY, "give the lot's own")
        self.refuse(self.lab.sign_application("foreign", key=foreign), EXIT_VERIFY, "another key")
        self.refuse(self.changed("flipped", lambda data: data.__setitem__(2000, data[2000] ^ 1)), EXIT_VERIFY,
                    "digest or signature")
        self.refuse(self.changed("short", lambda data: data[:-1]), EXIT_VERIFY, "no whole application")
        self.refuse(os.path.join(BUILD, "device-fw", "app-demo.bin"), EXIT_VERIFY, "no whole application")
        self.lab.add_attested_lot("BARE", application=False, first="70b3d57ed0030000")
        self.refuse(self.lab.application, EXIT_USAGE, "names no application", lot="BARE")

    def whole_way(self):
        """Written before the fuses, said of afterwards, run by the locked board, which joins by its own key."""
        board = self.board()
        unit = units_of(self.personalise(board))[0]
        expect(unit["application"]["proof"] == "read", f"read: {unit}")
        unit = units_of(self.run(board))[0]
        expect(unit["state"] == "locked" and unit["application"]["proof"] == "recorded" and
               "signed record" in unit["application"]["relies_on"], f"recorded: {unit}")
        records = [json.loads(line) for line in self.lab.audit(self.room, verb="export").out.splitlines()]
        told = [record["ev"] for record in records if "application_sha256" in record.get("device", {})]
        expect(told[:2] == ["fw.program", "fw.verify"] and "fuse.blow" in told, f"in the log: {told}")
        board.off()
        root = {entry["chip_id"]: entry["app_key"] for entry in self.lab.roots()}[board.uid]
        self.spoilt(board, "locked", root)  # as the line left it
        field = FieldBoard(board)
        field.power()
        expect(field.closed() and field.joins_by(root), "the locked board runs the application and joins")
        field.save()
        field.close()
        self.spoilt(board, "started", root)  # its bootloader has recorded the digest

    def spoilt(self, board, name, root):
        """One byte of the application changed in the flash: the bootloader does not start it. Unchanged, it does."""
        kept = board.file
        expect(self.answers(self.copy(kept, name + "-good", 0), board, root), f"{name}: the copy runs")
        expect(not self.answers(self.copy(kept, name + "-spoilt", 1), board, root),
               f"{name}: the bootloader started an application with a changed byte")
        board.file = kept

    def copy(self, path, name, flip):
        """A copy of a board's file with a byte of the application's code turned over; its last 32 bytes are a digest."""
        with open(self.lab.application, "rb") as file:
            code = file.read()[1024:1024 + 64]
        with open(path, "rb") as file:
            data = bytearray(file.read()[:-32])
        expect(data.count(code) == 1, "the application is once in the board's flash")
        data[data.index(code) + 60] ^= flip
        with open(self.lab.path(name + ".state"), "wb") as file:
            file.write(data + hashlib.sha256(data).digest())
        return file.name

    def answers(self, path, board, root):
        board.file = path
        field = FieldBoard(board)
        try:
            field.power()
            return field.joins_by(root)
        except AssertionError as failure:
            expect("silent" in str(failure), str(failure))
            return False
        finally:
            expect(field.closed(), "and it is locked")
            field.close()

    def programmed_once(self):
        """An open board that has it is left alone; one with a changed byte gets it anew."""
        board = self.board()
        steps = json.loads(self.personalise(board, extra=("--dry-run",)).out.splitlines()[0])
        expect("application" in steps["steps"] and steps["application"] == "due", f"it is due: {steps}")
        self.lab.run(program("lpa-probe"), "program", self.lab.application, "--base", "0x10010000", "-p", board.url,
                     check=EXIT_OK)
        steps = json.loads(self.personalise(board, extra=("--dry-run",)).out.splitlines()[0])
        expect("application" not in steps["steps"] and steps["application"] == "read", f"it is there: {steps}")
        other = self.changed("other", lambda data: data.__setitem__(3000, data[3000] ^ 1))
        self.lab.run(program("lpa-probe"), "program", other, "--base", "0x10010000", "-p", board.url, check=EXIT_OK)
        steps = json.loads(self.personalise(board, extra=("--dry-run",)).out.splitlines()[0])
        expect(steps["application"] == "due", f"a changed byte is seen: {steps}")
        self.personalise(board)
        board.off()


CASES = [("refusals", Line.refusals), ("the whole way", Line.whole_way), ("programmed once", Line.programmed_once)]

if __name__ == "__main__":
    sys.exit(run_cases(CASES, Line))
