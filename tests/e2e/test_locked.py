#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Orders for locked boards: rework and zeroise by files between the application and the station, with everything that can
go wrong on the way."""
import base64
import hashlib
import json
import os
import sys

from lab import (Count, EXIT_DENIED, EXIT_OK, EXIT_REMOTE, EXIT_USAGE, EXIT_VERIFY, TlsRelay, expect, program, run_cases,
                 units_of)
from field import (ALREADY, DEVICE, ENVELOPE_SIZE, LORA, NONCE_AT, OK, RECEIPT_SIZE, SVC_NO_KEYS, Dark, FieldBoard)

WRONG_NONCE = DEVICE | 11  # lpa-envelope(5)
IDENTITY_AT = 64
SOAK = os.environ.get("LPA_SECONDS") == "0"
# Around each flash operation: erase and write, in both homes. The four kinds of garbage are sim/chip_test.h's.
# tests/unit/device-fw/test_order_cuts.c has more of them, without a station.
CUTS = [(operation, when, pattern) for operation in range(1, 5)
        for when, pattern in [("before", 0), ("after", 0)] + [("during", 4 + pattern) for pattern in range(4)]]


def changed(data, at):
    return data[:at] + bytes([data[at] ^ 2]) + data[at + 1:]


class Line:
    def __init__(self, lab):
        self.lab = lab
        lab.setup_kms()
        lab.sign_image()
        lab.add_attested_lot("ATT", target=40, allowance=60)
        lab.serve_kms()
        self.room = lab.add_station("room", role="personalise")
        self.line = lab.add_station("line")
        self.other = lab.add_station("other")
        lab.login(self.room, lab.add_tester("petra", role="personaliser"))
        self.alice = lab.add_tester("alice")
        lab.login(self.line, self.alice)
        lab.login(self.other, lab.add_tester("bob"))
        lab.add_permit("ATT", "rehearse,restrict,lock,settle")
        with open(lab.path("authority.pem")) as file:
            spki = base64.b64decode("".join(line for line in file.read().splitlines() if "-" not in line))
        self.authority = hashlib.sha256(spki[-65:]).digest()[:8]
        self.number = 0

    # -- the two ends -------------------------------------------------------------------------------------------------

    def locked_board(self):
        """Programmed, personalised, provisioned and locked by the real station, then out in the field."""
        self.number += 1
        board = self.lab.board(self.number, "--kitprog3")
        for station, verb in ((self.room, "personalise"), (self.line, "run")):
            unit = units_of(self.lab.provision(station, "ATT", [board], verb=verb, image=self.lab.signed_image,
                                               extra=("--image-key", self.lab.image_key, "--application",
                                                      self.lab.application)))[0]
        expect(unit["state"] == "locked", f"locked: {unit}")
        board.off()
        field = FieldBoard(board)
        field.power()
        expect(field.closed(), "the board's port is closed")
        return field

    def file(self, name, data):
        path = self.lab.path(name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def unit(self, verb, field, *args, station=None, check=EXIT_OK, wrapper=()):
        return self.lab.run(program("lpa-provision"), "unit", verb, field.uid, "--dir", station or self.line, *args,
                            check=check, wrapper=wrapper)

    def ask(self, field, statement, station=None, check=EXIT_OK, extra=()):
        """The envelope's bytes, or where the station fails what it said."""
        out = self.lab.path("envelope.out")
        if os.path.exists(out):
            os.unlink(out)
        result = self.unit("envelope", field, "--statement", self.file("statement.in", statement), "--out", out, *extra,
                           station=station, check=check)
        if check != EXIT_OK:
            expect(not os.path.exists(out), "no envelope where there was a failure")
            expect("next: " in result.err, f"a failure names what to do: {result}")
            return result.err
        expect(os.stat(out).st_mode & 0o777 == 0o600, "for its owner alone")
        with open(out, "rb") as file:
            data = file.read()
        expect(len(data) == ENVELOPE_SIZE, f"an envelope has {len(data)} bytes")
        return data

    def hand_in(self, field, receipt, station=None, check=EXIT_OK, extra=()):
        result = self.unit("receipt", field, "--receipt", self.file("receipt.in", receipt), *extra, station=station,
                           check=check)
        expect(check == EXIT_OK or "next: " in result.err, f"a failure names what to do: {result}")
        return result.err if check != EXIT_OK else result.out

    def order(self, field, work, *options):
        self.lab.kms("unit", work, "--dir", self.lab.path("kms"), field.uid, *options)

    def show(self, field, station=None):
        return json.loads(self.unit("show", field, "--json", station=station).out)

    def roots(self, field):
        """AppKeys that the KMS still has for this chip, by the state of their grant."""
        return {root["state"]: root["app_key"] for root in self.lab.roots() if root["chip_id"] == field.uid}

    def gone(self, field, root):
        """No byte of the key in flash, work flash, SFlash, SRAM; the search itself finds what is there."""
        control = field.statement(self.authority)[IDENTITY_AT:IDENTITY_AT + 16]
        expect(sum(field.find(control)) > 0, "the search finds the identity's public key")
        for part in (slice(0, 8), slice(8, 16)):
            found = field.find(bytes.fromhex(root)[part])
            expect(found == [0, 0, 0, 0], f"places with the key: {found}")

    # -- cases --------------------------------------------------------------------------------------------------------

    def whole_way(self):
        """Rework, then zeroise, then keys again."""
        field = self.locked_board()
        first = self.roots(field)["confirmed"]
        expect(field.joins_by(first), "the board joins by the keys of the line")
        expect(field.find(bytes.fromhex(first))[:2] == [1, 1], "the search finds the key in both homes of the vault")
        self.rework(field, first)
        second = self.roots(field)["confirmed"]
        self.zeroise(field, second)
        field.save()
        self.rework_zeroised(field, second)
        field.close()
        self.lab.audit(self.line)
        events = [json.loads(line)["ev"] for line in self.lab.audit(self.line, verb="export").out.splitlines()]
        expect([events.count(name) for name in ("key.issued", "key.install.confirm", "rework", "zeroise")] ==
               [4, 4, 2, 1], f"all stands in the log: {events}")
        shown = self.lab.lot_show("ATT")
        expect((shown["granted"], shown["confirmed"], shown["open"]) == (1, 1, 0), f"one unit all along: {shown}")

    def rework(self, field, first):
        self.order(field, "rework")
        statement = field.statement(self.authority)
        envelope = self.ask(field, statement)
        roots = self.roots(field)
        expect(roots["confirmed"] == first and roots["open"] != first, "the old keys are served until the receipt")
        expect(self.show(field)["kms"]["state"] == "open", "the KMS waits for it")
        field.power()
        expect(field.joins_by(first), "and the board still joins by them")
        status, receipt = field.envelope(envelope)
        expect(status == OK and len(receipt) == RECEIPT_SIZE, f"the envelope is taken: {status:#x}")
        status, frame = field.hear(LORA)
        expect(field.fits(roots["open"], frame) and not field.fits(first, frame), "it joins by the new keys alone")
        self.gone(field, first)
        expect("is locked" in self.hand_in(field, receipt), "the KMS takes the receipt")
        expect(self.roots(field) == {"confirmed": roots["open"]}, "the old keys are gone at the KMS, too")
        shown = self.show(field)
        expect(shown["kms"]["state"] == "confirmed" and shown["kms"]["locked"] and shown["kms"]["key_version"] == 2 and
               shown["journal"]["state"] == "locked", f"as before, one version on: {shown}")
        field.power()
        expect(field.joins_by(roots["open"]) and field.closed(), "after a power cut, too, and still locked")

    def zeroise(self, field, root):
        self.order(field, "zeroise", "--permit")
        envelope = self.ask(field, field.statement(self.authority))
        expect(self.roots(field) == {"confirmed": root}, "no key is drawn to take keys off")
        status, receipt = field.envelope(envelope)
        expect(status == OK, f"the envelope is taken: {status:#x}")
        expect(field.hear(LORA)[0] == SVC_NO_KEYS, "a join is refused")
        self.gone(field, root)
        self.hand_in(field, receipt)
        expect(self.roots(field) == {}, "the KMS has no key of it")
        shown = self.show(field)
        expect(shown["kms"]["state"] == shown["journal"]["state"] == "zeroised", f"both know: {shown}")
        field.power()
        expect(field.hear(LORA)[0] == SVC_NO_KEYS, "and a join stays refused")
        expect(field.request(LORA, bytes([0x60]) + bytes(20))[0] == SVC_NO_KEYS, "a downlink is, too")
        expect(field.closed(), "and the board locked")
        self.gone(field, root)
        expect(field.receipt() == (OK, receipt), "the receipt is there until the next commit")

    def rework_zeroised(self, field, old):
        self.order(field, "rework")
        status, receipt = field.envelope(self.ask(field, field.statement(self.authority)))
        expect(status == OK, f"the envelope is taken: {status:#x}")
        new = self.roots(field)["open"]
        expect(new != old and field.joins_by(new), "keys again, and other ones")
        self.hand_in(field, receipt)
        expect(self.show(field)["kms"]["state"] == "confirmed", "a unit again")

    def statements(self):
        """What the station says to a bad statement; no grant, no order used up, no envelope."""
        field, foreign = self.locked_board(), self.locked_board()
        statement = field.statement(self.authority)
        said = self.ask(field, statement, check=EXIT_DENIED)
        expect("rework order" in said and "lpa-kms unit rework" in said, f"no order: {said}")
        self.order(field, "rework")
        cases = [(statement[:100], EXIT_VERIFY, "holds 100 bytes"), (b"", EXIT_VERIFY, "holds 0 bytes"),
                 (statement + b"x", EXIT_VERIFY, "185 bytes"),
                 (statement * 2, EXIT_VERIFY, "longer than a statement"), (bytes(184), EXIT_VERIFY, "not a statement"),
                 (changed(statement, 0), EXIT_VERIFY, "not a statement"),
                 (changed(statement, 12), EXIT_VERIFY, "not a statement of chip " + field.uid),
                 (foreign.statement(self.authority), EXIT_VERIFY, "not a statement of chip " + field.uid),
                 (changed(statement, 183), EXIT_DENIED, "MAC does not fit"),
                 (changed(statement, NONCE_AT.start), EXIT_DENIED, "MAC does not fit"),
                 (changed(statement, 4), EXIT_DENIED, "authority")]
        for data, code, word in cases:
            said = self.ask(field, data, check=code)
            expect(word in said, f"{word}: {said}")
        missing = self.unit("envelope", field, "--statement", self.lab.path("nowhere"), "--out", self.lab.path("x"),
                            check=EXIT_USAGE)
        expect("nowhere" in missing.err and "next: " in missing.err, f"{missing}")
        said = self.ask(field, statement, station=self.other, check=EXIT_USAGE)
        expect("--lot" in said, f"a station that has not worked it: {said}")
        shown = self.show(field)
        expect(shown["kms"]["state"] == "confirmed" and shown["journal"]["state"] == "locked", f"nothing lost: {shown}")
        # The order is still there, and any station of the lot may carry it out.
        self.carry_out(field, station=self.other, extra=("--lot", "ATT"))
        for board in (field, foreign):
            board.close()

    def carry_out(self, field, station=None, extra=()):
        envelope = self.ask(field, field.statement(self.authority), station=station, extra=extra)
        status, receipt = field.envelope(envelope)
        expect(status == OK, f"the envelope is taken: {status:#x}")
        self.hand_in(field, receipt, station=station, extra=extra)
        return receipt

    def receipts(self):
        """What the station says to a bad receipt; the right one is still awaited."""
        field, foreign = self.locked_board(), self.locked_board()
        self.order(foreign, "rework")
        foreign_receipt = self.carry_out(foreign)
        self.order(field, "rework")
        older = self.carry_out(field)
        self.order(field, "rework")
        envelope = self.ask(field, field.statement(self.authority))
        said = self.hand_in(field, older, check=EXIT_DENIED)
        expect("key version 2" in said and "has 3" in said, f"an older one: {said}")
        status, receipt = field.envelope(envelope)
        expect(status == OK, f"taken: {status:#x}")
        for data, code, word in (
                (receipt[:50], EXIT_VERIFY, "holds 50 bytes"), (receipt * 2, EXIT_VERIFY, "longer than a receipt"),
                (bytes(RECEIPT_SIZE), EXIT_VERIFY, "not a receipt"),
                (foreign_receipt, EXIT_VERIFY, "not a receipt of chip " + field.uid),
                (changed(receipt, 20), EXIT_VERIFY, "not a receipt of chip"),
                (changed(receipt, 5), EXIT_DENIED, "no such grant"), (changed(receipt, 40), EXIT_DENIED, "MAC"),
                (changed(receipt, 127), EXIT_DENIED, "MAC"),
                # the grant of another receipt, the rest of this one
                (receipt[:4] + older[4:20] + receipt[20:], EXIT_DENIED, "MAC")):
            said = self.hand_in(field, data, check=code)
            expect(word in said, f"{word}: {said}")
            shown = self.show(field)
            expect(shown["kms"]["state"] == "open" and shown["journal"]["state"] == "granted", f"{word}: {shown}")
        self.hand_in(field, receipt)
        self.hand_in(field, receipt)
        said = self.hand_in(field, older, check=EXIT_DENIED)
        expect("replaced" in said, f"past: {said}")
        shown = self.show(field)
        expect(shown["kms"]["key_version"] == 3 and shown["journal"]["state"] == "locked", f"{shown}")
        for board in (field, foreign):
            board.close()

    def twice(self):
        """Idempotent until the receipt is confirmed; then the order is used up."""
        field = self.locked_board()
        self.order(field, "rework")
        statement = field.statement(self.authority)
        envelope = self.ask(field, statement)
        expect(self.ask(field, statement) == envelope, "the same bytes")
        expect(self.ask(field, field.statement(self.authority)) == envelope, "and for a statement taken again")
        expect(self.ask(field, statement, station=self.other, extra=("--lot", "ATT")) == envelope, "and elsewhere")
        blocked = self.lab.path("folder.out")
        os.mkdir(blocked)
        result = self.unit("envelope", field, "--statement", self.file("statement.in", statement), "--out", blocked,
                           check=EXIT_USAGE)
        expect("next: " in result.err, f"it cannot be written: {result}")
        expect(self.ask(field, statement) == envelope, "and is given again")
        status, receipt = field.envelope(envelope)
        expect(status == OK, f"taken: {status:#x}")
        field.hear(LORA)
        expect(field.envelope(envelope) == (ALREADY, receipt), "the board says so, with the same receipt")
        expect(field.receipt() == (OK, receipt), "also by itself")
        fresh = field.statement(self.authority)
        expect(fresh[NONCE_AT] != statement[NONCE_AT], "the nonce is used up")
        said = self.ask(field, fresh, check=EXIT_DENIED)
        expect("receipt" in said, f"first the receipt: {said}")
        self.hand_in(field, receipt)
        said = self.ask(field, statement, check=EXIT_DENIED)
        expect("carried out" in said, f"an old statement: {said}")
        said = self.ask(field, statement, station=self.other, check=EXIT_DENIED)
        expect("carried out" in said, f"there, too: {said}")
        said = self.ask(field, fresh, check=EXIT_DENIED)
        expect("rework order" in said, f"used up: {said}")
        for station in (self.line, self.other):
            expect(self.show(field, station)["journal"]["state"] == "locked", f"{station} knows")
        expect(field.envelope(changed(envelope, 60))[0] == WRONG_NONCE, "and the board takes nothing old")
        field.close()

    def kms_away(self):
        """The KMS falls silent at each step; the same commands again end right."""
        field = self.locked_board()
        self.order(field, "rework")
        statement = field.statement(self.authority)
        self.lab.stop_kms()
        said = self.ask(field, statement, check=EXIT_REMOTE)
        expect("again" in said, f"away: {said}")
        self.lab.serve_kms()
        envelope = self.ask(field, statement)
        status, receipt = field.envelope(envelope)
        expect(status == OK, f"taken: {status:#x}")
        self.lab.stop_kms()
        said = self.hand_in(field, receipt, check=EXIT_REMOTE)
        expect("again" in said, f"away: {said}")
        self.lab.serve_kms()
        self.hand_in(field, receipt)
        expect(self.show(field)["kms"]["key_version"] == 2, "done")
        field.close()

    def no_session(self):
        field = self.locked_board()
        self.order(field, "rework")
        statement = field.statement(self.authority)
        self.lab.run(program("lpa-provision"), "logout", "--dir", self.line, check=EXIT_OK)
        said = self.ask(field, statement, check=EXIT_DENIED)
        expect("log in" in said.lower(), f"nobody is logged in: {said}")
        self.lab.login(self.line, self.alice)
        self.carry_out(field)
        field.close()

    def order_with(self, field, wrong):
        """A rework whose two station commands are given twice: once as `wrong` has it, once more without a fault. The
        exit codes of the first ones."""
        self.order(field, "rework")
        statement = field.statement(self.authority)
        path = self.file("statement.wrong", statement)
        first = wrong("envelope", field, "--statement", path, "--out", self.lab.path("envelope.wrong"))
        status, receipt = field.envelope(self.ask(field, statement))
        expect(status == OK, f"the envelope is taken: {status:#x}")
        second = wrong("receipt", field, "--receipt", self.file("receipt.wrong", receipt))
        self.hand_in(field, receipt)
        shown = self.show(field)
        expect(shown["kms"]["state"] == "confirmed" and shown["journal"]["state"] == "locked", f"ended right: {shown}")
        expect(len(self.roots(field)) == 1, "one key")
        return first.code, second.code

    def killed(self):
        """The station's program dies at each of its syncs."""
        field = self.locked_board()
        codes, at, places = (1, 1), 1, 0
        while codes != (0, 0):
            codes = self.order_with(field, lambda *args: self.unit(
                *args, check=None, wrapper=self.lab.kill_at_sync(at)))
            expect(set(codes) <= {0, -9}, f"killed or done: {codes}")
            places += codes.count(-9)
            at += 1 if SOAK else 4
        expect(places > 4, f"killed at {places} places")
        field.close()
        self.lab.audit(self.line)
        return f"{places} places"

    def answers_lost(self):
        """A request to the KMS, or its answer, is lost with the connection: the request may have been carried out."""
        field = self.locked_board()
        places = 0
        for direction in ("on_reply", "on_request"):
            cut, at = True, 1
            while cut:
                relays = []
                codes = self.order_with(field, lambda *args: self.through_relay(relays, direction, at, *args))
                expect(set(codes) <= {EXIT_OK, EXIT_REMOTE}, f"unknown or done: {codes}")
                cut = [counter.seen >= at for counter in relays]
                places += sum(cut)
                cut = any(cut)
                at += 1 if SOAK else 3
        expect(places > 4, f"cut at {places} places")
        field.close()
        self.lab.audit(self.line)
        return f"{places} places"

    def through_relay(self, counters, direction, at, *args):
        """One station command behind a relay that cuts once; its counter comes to the list."""
        config = os.path.join(self.line, "station.ini")
        with open(config) as file:
            text = file.read()
        counters.append(Count(at))
        relay = TlsRelay(self.lab, self.line, **{direction: counters[-1]})
        try:
            with open(config, "w") as file:
                file.write(text.replace(str(self.lab.kms_port), str(relay.port)))
            return self.unit(*args, check=None)
        finally:
            with open(config, "w") as file:
                file.write(text)
            relay.close()

    def power_cuts(self):
        """The supply fails before, during and after each flash operation of an envelope; the second round ends right."""
        field = self.locked_board()
        cases = 0
        for first, (work, options) in enumerate((("rework", ()), ("zeroise", ("--permit",)))):
            self.order(field, work, *options)
            statement = field.statement(self.authority)
            envelope = self.ask(field, statement)
            old = self.roots(field)["confirmed"]
            field.keep()
            begin = field.operations()
            status, receipt = field.envelope(envelope)
            expect(status == OK, f"without a cut: {status:#x}")
            operations = field.operations() - begin
            expect(operations >= 4, f"two homes, each erased and written: {operations}")
            wanted = CUTS if SOAK else CUTS[first::5]
            for case in wanted:
                field.back()
                again = self.cut_once(field, statement, envelope, old, case)
                expect(again == receipt, f"the same receipt: {case}")
                cases += 1
            self.gone(field, old)
            self.hand_in(field, receipt)
            expect(self.show(field)["kms"]["state"] == ("confirmed" if work == "rework" else "zeroised"), "ended right")
        field.close()
        return f"{cases} of {2 * len(CUTS)} cuts"

    def cut_once(self, field, statement, envelope, old, case):
        field.cut(*case)
        try:
            field.envelope(envelope)
            raise AssertionError(f"no cut: {case}")
        except Dark:
            pass
        field.heal()
        field.power()
        expect(field.closed(), f"locked as before: {case}")
        status, frame = field.hear(LORA)
        again = field.statement(self.authority)
        if again[NONCE_AT] == statement[NONCE_AT]:
            expect(status != SVC_NO_KEYS and field.fits(old, frame), f"the old state, with its keys: {case}")
            status, receipt = field.envelope(self.ask(field, again))
        else:
            expect(status == SVC_NO_KEYS or not field.fits(old, frame), f"the new state: {case}")
            status, receipt = field.receipt()
        expect(status == OK, f"a receipt at the end: {case}: {status:#x}")
        expect(field.envelope(envelope) == (ALREADY, receipt), f"it is the envelope's: {case}")
        return receipt

    def no_application(self):
        """A locked board whose application takes no envelope."""
        field = self.locked_board()
        result = self.unit("scrap", field, "--yes", check=EXIT_DENIED)
        for word in ("lpa-kms unit retire", "DevEUI", "revokes its keys", "destroyed"):
            expect(word in result.err, f"{word}: {result}")
        self.order(field, "rework")
        self.ask(field, field.statement(self.authority))
        result = self.unit("scrap", field, "--yes")
        for word in ("retired its DevEUI", "revoked its keys", "destroy"):
            expect(word in result.out, f"{word}: {result}")
        expect(self.roots(field) == {}, "the KMS has no key of it")
        said = self.ask(field, field.statement(self.authority), check=EXIT_DENIED)
        expect("Destroy the board" in said, f"final: {said}")
        other = self.locked_board()
        self.order(other, "retire", "--permit")
        expect(self.roots(other) == {}, "retired by the operator: no key, either")
        said = self.ask(other, other.statement(self.authority), check=EXIT_DENIED)
        expect("Destroy the board" in said, f"final: {said}")
        for board in (field, other):
            board.close()

    def planted(self):
        """The search finds a key that is there, and a MIC by another key does not fit."""
        field = self.locked_board()
        root = self.roots(field)["confirmed"]
        expect(not field.joins_by("00" * 16), "a key of zeros fits nothing")
        try:
            self.gone(field, root)
        except AssertionError as failure:
            expect("places with the key" in str(failure), str(failure))
        else:
            raise AssertionError("a key in the vault was not found")
        field.close()

    def logs(self):
        for station in (self.room, self.line, self.other):
            self.lab.audit(station)


CASES = [("the whole way", Line.whole_way), ("bad statements", Line.statements), ("bad receipts", Line.receipts),
         ("twice", Line.twice), ("the KMS is away", Line.kms_away), ("no session", Line.no_session),
         ("the station is killed", Line.killed), ("answers are lost", Line.answers_lost),
         ("power cuts", Line.power_cuts), ("an application without envelopes", Line.no_application),
         ("the searches can fail", Line.planted), ("logs", Line.logs)]

if __name__ == "__main__":
    sys.exit(run_cases(CASES, Line))
