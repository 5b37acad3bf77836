#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A scrapped board keeps nothing: its whole memory is searched for its root keys and for all that made it who it was,
before and after, whatever was cut."""
import json
import os
import sys

from lab import (EXIT_DENIED, EXIT_OK, EXIT_REMOTE, EXIT_TARGET, EXIT_USAGE, TlsRelay, expect, program, run_cases,
                 units_of)

LOT = "SCRAP"
SRAM, SRAM_SIZE = 0x08000000, 0x48000
WINDOW = 8
HEADER = 24                                        # of a board file
FLASH, WORK, SFLASH = 0x100000, 0x8000, 0x8000     # and what follows it
RECORD, SECRET_AT, PUBLIC_AT, AUTHORITY_AT, DH_AT, NONCE_AT, INSTALLED_AT = 512, 28, 60, 125, 133, 165, 181
EUI_AT, NWK_AT, APP_AT, RECEIPT_AT, SERVICES_AT, SERVICES = 181 + 23, 181 + 39, 181 + 55, 181 + 103, 360, 112
VAULT = 0xC0000
STATE_AT, ZEROISED, FORGOTTEN = 5, 4, 5
FLAGS_AT, CHIP_ID_AT, KEY_VERSION_AT, DEV_NONCE_AT, FLOORS_AT, HASH_AT = 6, 12, 20, 24, 352, 476


def hits(memory, key):
    """Windows of the key, as it is and by words turned round, in any place of the memory."""
    turned = b"".join(key[i:i + 4][::-1] for i in range(0, len(key), 4))
    return sum(form[at:at + WINDOW] in memory for form in (key, turned, key[::-1])
               for at in range(len(key) - WINDOW + 1))


class Desk:
    def __init__(self, lab):
        self.lab = lab
        lab.setup_kms()
        lab.add_lot(LOT, target=40, allowance=60, lorawan="1.1", extra=("--rate", "1000"))
        lab.serve_kms()
        self.station = lab.add_station()
        lab.login(self.station, lab.add_tester("alice"))
        self.config = os.path.join(self.station, "station.ini")
        self.boards = 0

    def board(self, *options):
        self.boards += 1
        return self.lab.board(self.boards, *options)

    def point_kms(self, port):
        with open(self.config) as file:
            lines = [f"url = https://localhost:{port}" if line.replace(" ", "").startswith("url=") else line
                     for line in file.read().splitlines()]
        with open(self.config, "w") as file:
            file.write("\n".join(lines) + "\n")

    def through(self, on_request, work, on_reply=None):
        """Work with a relay before the KMS whose hooks see what passes, and drop it or let it pass."""
        self.relay = TlsRelay(self.lab, self.station, on_request, on_reply)
        self.point_kms(self.relay.port)
        try:
            return work()
        finally:
            self.point_kms(self.lab.kms_port)
            self.relay.close()

    @staticmethod
    def no_receipt(data):
        return None if b"/receipt" in data else data

    def last_is_grant(self, data):
        """Nobody is met any more once the grant came: the station does not ask again as it does after a lost answer."""
        if b"envelope" in data:
            self.relay.leave()
        return data

    def installed(self):
        """A board with keys on it whose receipt never came; its root keys."""
        board = self.board()
        result = self.through(self.no_receipt, lambda: self.lab.provision(self.station, LOT, [board], check=None),
                              self.last_is_grant)
        row = units_of(result)[0]
        expect(result.code == EXIT_REMOTE and row["state"] == "installed", f"installed, not confirmed: {result}")
        return board, self.keys(board)

    def keys(self, board):
        roots = [root for root in self.lab.roots() if root["chip_id"] == board.uid]
        expect(len(roots) == 1, f"one grant with keys for {board.uid}: {len(roots)}")
        keys = [bytes.fromhex(roots[0][name]) for name in ("app_key", "nwk_key")] + [bytes.fromhex(roots[0]["dev_eui"])]
        expect(all(len(set(key)) > 4 for key in keys[:2] if key), "they look random")
        return keys

    def memory(self, board):
        """SRAM as a probe reads it from the chip stopped before its firmware (RAM keeps its contents over that reset),
        then flash, work flash and supervisory flash as the board file has them."""
        out = self.lab.path("sram.bin")
        self.lab.run(program("lpa-probe"), "acquire", "-p", board.url, check=EXIT_OK)
        self.lab.run(program("lpa-probe"), "read", hex(SRAM), hex(SRAM_SIZE), "-p", board.url, "-o", out, check=EXIT_OK)
        with open(out, "rb") as file:
            sram = file.read()
        board.off()
        with open(board.file, "rb") as file:
            flash = file.read()[HEADER:HEADER + FLASH + WORK + SFLASH]
        board.power()
        expect(len(sram) == SRAM_SIZE and len(flash) == FLASH + WORK + SFLASH, "all of it")
        return sram, flash

    def records(self, board):
        """Both homes of the vault, from the board file; the board is off."""
        with open(board.file, "rb") as file:
            flash = file.read()[HEADER:HEADER + FLASH + WORK]
        return [flash[home:home + RECORD] for home in (FLASH, VAULT)]

    def identity(self, board):
        """What a board is known by and what protects it, by name: all that has to go."""
        board.off()
        record = self.records(board)[0]
        board.power()
        parts = {"identity key": record[SECRET_AT:SECRET_AT + 32],
                 "public key": record[PUBLIC_AT + 1:PUBLIC_AT + 65], "DH value": record[DH_AT:DH_AT + 32],
                 "nonce": record[NONCE_AT:NONCE_AT + 16], "receipt key": record[RECEIPT_AT:RECEIPT_AT + 32]}
        expect(all(len(set(part)) > 4 for part in parts.values()), "they look random")
        return parts

    def scrap(self, board, *options, check=EXIT_OK, probe=True):
        where = ["--probe", board.url] if probe is True else ["--probe", probe] if probe else []
        return self.lab.run(program("lpa-provision"), "unit", "scrap", board.uid, "--dir", self.station, "--yes", *where,
                            *options, check=check)

    def unit(self, board):
        return next(unit for unit in self.lab.unit_list(LOT) if unit["chip_id"] == board.uid)

    def expect_forgotten(self, board, identity, key_version):
        """Nothing of who it was; and what is left in the record, byte for byte."""
        sram, flash = self.memory(board)
        for name, part in identity.items():
            expect(hits(sram, part) == 0, f"{name} is still in SRAM: {hits(sram, part)}")
            expect(hits(flash, part) == 0, f"{name} is still in flash: {hits(flash, part)}")
        for home in (FLASH, VAULT):
            record = flash[home:home + RECORD]
            expect(record[STATE_AT] == FORGOTTEN, f"a record that says so at {home:#x}: {record[STATE_AT]}")
            expect(record[CHIP_ID_AT:CHIP_ID_AT + 12].hex() == board.uid + f"{key_version:08x}", "chip id, key version")
            for at, end in ((DEV_NONCE_AT, FLOORS_AT), (SERVICES_AT, HASH_AT)):
                expect(record[at:end] == bytes(end - at), f"zeros from {at} to {end} at {home:#x}")

    def expect_wiped(self, board, keys, identity=None, key_version=2):
        if identity is not None:
            self.expect_forgotten(board, identity, key_version)
        sram, flash = self.memory(board)
        for name, key in zip(("AppKey", "NwkKey"), keys):
            expect(hits(sram, key) == 0 and hits(flash, key) == 0, f"{name} is still on the board")
        expect(keys[2] not in sram and keys[2] not in flash, "the DevEUI is still on the board")
        unit = self.unit(board)
        expect(unit["state"] == "scrapped" and unit["wiped"], f"the KMS knows it: {unit}")
        shown = json.loads(self.lab.run(program("lpa-provision"), "unit", "show", board.uid, "--dir", self.station,
                                        "--json", check=EXIT_OK).out)
        expect(shown["journal"]["state"] == "forgotten" and shown["kms"]["wiped"], f"and the journal: {shown}")
        return flash

    # -- cases --------------------------------------------------------------------------------------------------------

    def wiped(self):
        board, keys = self.installed()
        sram, flash = self.memory(board)
        for key in keys[:2]:
            expect(hits(flash, key) > 0, "the search finds what is there (flash)")
        found = sum(hits(sram, key) > 0 for key in keys[:2])
        expect(keys[2] in flash, "the DevEUI too")
        identity = self.identity(board)
        for name, part in identity.items():
            expect(hits(flash, part) > 0, f"{name}: the search finds what is there (flash)")
        for name in ("identity key", "public key"):
            expect(hits(sram, identity[name]) > 0, f"{name}: the search finds what is there (SRAM)")
        books = self.lab.lot_show(LOT)
        result = self.scrap(board)
        expect("is wiped" in result.out and "keeps nothing" in result.out, f"it says so: {result}")
        self.expect_wiped(board, keys, identity)
        after = self.lab.lot_show(LOT)
        expect(after["granted"] == books["granted"] and after["scrapped"] == books["scrapped"] + 1, f"books: {after}")
        again = self.scrap(board, "--json")
        shown = json.loads(again.out)
        expect(shown["board"] == "forgotten" and shown["kms"]["wiped"], f"a second time it is done: {again}")
        expect("keeps nothing" in self.scrap(board, probe=False).out, "and without the board")
        result = self.lab.provision(self.station, LOT, [board], check=None)
        unit = units_of(result)[0]
        expect(unit["code"] == "forgotten" and unit["state"] == "forgotten", f"and it stays so: {result}")
        board.off()
        self.lab.audit(self.station)
        return f"{found} of 2 keys were in SRAM before"

    def in_between(self):
        """Wiped, and the KMS has not answered: what is left then, and that all of it goes."""
        board, keys = self.installed()
        before = self.identity(board)
        self.through(lambda data: None if b"/wiped HTTP" in data else data, lambda: self.scrap(board, check=None))
        board.off()
        for record in self.records(board):
            expect(record[STATE_AT] == ZEROISED, "a zeroised record")
            for name, at, size in (("DevEUI and JoinEUI", EUI_AT, 16), ("NwkKey", NWK_AT, 16), ("AppKey", APP_AT, 16),
                                   ("session keys and counters", SERVICES_AT, SERVICES)):
                expect(record[at:at + size] == bytes(size), f"{name}: zeros")
        board.power()
        after = self.identity(board)
        for name in ("identity key", "public key", "DH value"):
            expect(after[name] == before[name], f"{name} stays")
        for name in ("nonce", "receipt key"):
            expect(after[name] != before[name], f"the {name} is another")
        _, flash = self.memory(board)
        expect(hits(flash, before["receipt key"]) == 0, "the grant's receipt key is gone")
        expect(hits(flash, after["receipt key"]) > 0, "the wipe's is there")
        # The receipt goes to the KMS without the board: then the board's turn comes, at any time.
        board.off()
        other = self.board()
        self.lab.provision(self.station, LOT, [other])
        other.off()
        expect(self.unit(board)["wiped"], "handed in")
        result = self.scrap(board, probe=False)
        expect("may be" in result.out and "--probe" in result.out, f"and it says what to do: {result}")
        board.power()
        expect("keeps nothing" in self.scrap(board).out, "the rest of it")
        self.expect_wiped(board, keys, {**before, **{f"the wipe's {name}": part for name, part in after.items()}})
        # Another station, or one that has lost its journal, finds it so.
        second = self.lab.add_station("second")
        self.lab.login(second, self.lab.add_tester("sue"))
        for _ in range(2):
            result = self.lab.run(program("lpa-provision"), "unit", "scrap", board.uid, "--dir", second, "--yes", "--probe",
                                  board.url, "--lot", LOT, check=EXIT_OK)
            expect("keeps nothing" in result.out, f"another station: {result}")
        board.off()
        self.lab.audit(self.station)
        self.lab.audit(second)

    def never_installed(self):
        board = self.board()
        self.through(lambda data: None if b"/grants HTTP" in data else data,
                     lambda: self.lab.provision(self.station, LOT, [board], check=None))
        # Granted, and the answer lost: asked again and dropped at the board's side.
        self.through(None, lambda: self.lab.provision(self.station, LOT, [board], check=None),
                     lambda data: None if b"envelope" in data else data)
        keys = self.keys(board)
        _, flash = self.memory(board)
        expect(all(hits(flash, key) == 0 for key in keys[:2]), "no key ever reached the board")
        result = self.scrap(board)
        expect("nothing to wipe" in result.out, f"it says so: {result}")
        expect(self.unit(board)["state"] == "scrapped", "and it is scrapped")
        board.off()

    def no_board(self):
        board, _ = self.installed()
        result = self.scrap(board, probe=False)
        expect("stay in the chip" in result.out and "destroy" in result.out, f"it says what to do: {result}")
        expect(not self.unit(board)["wiped"], "the KMS does not take it for wiped")
        other = self.board()
        other.off()
        result = self.scrap(board, probe=other.url, check=EXIT_TARGET)
        expect("was not wiped" in result.err, f"no probe there: {result}")
        other.power()
        result = self.scrap(board, probe=other.url, check=EXIT_DENIED)
        expect(other.uid in result.err and "left alone" in result.err, f"another board: {result}")
        other.off()
        result = self.lab.run(program("lpa-provision"), "unit", "scrap", board.uid, "--dir", self.station, "--probe",
                              board.url, check=EXIT_USAGE)
        expect("--yes" in result.err, f"nobody was asked: {result}")
        expect("is wiped" in self.scrap(board).out, "and later it is wiped")
        board.off()

    def confirmed_is_left_alone(self):
        board = self.board()
        self.lab.provision(self.station, LOT, [board])
        _, flash = self.memory(board)
        result = self.scrap(board, check=EXIT_DENIED)
        expect("confirmed" in result.err, f"refused: {result}")
        expect(self.memory(board)[1] == flash, "no bit of the board changed")
        board.off()

    def power_cuts(self):
        """The supply fails at each operation of the wipe on flash; the second run ends right."""
        done = 0
        for phase in ("before", "during", "after"):
            at = 0
            while True:
                at += 1
                board, keys = self.installed()
                identity = self.identity(board)
                board.cycle("--fault", f"power-cut={at}:{phase}:{at}", "--stats-file", self.lab.path("stats.json"))
                result = self.scrap(board, check=None)
                expect(result.code in (EXIT_OK, EXIT_TARGET), f"{phase} operation {at}: {result}")
                board.off()
                with open(self.lab.path("stats.json")) as file:
                    cut = json.load(file)["power_cuts"] > 0
                board.power()
                expect("keeps nothing" in self.scrap(board).out, f"{phase} operation {at}: the second run ends it")
                self.expect_wiped(board, keys, identity)
                board.off()
                done += 1
                if not cut:
                    break
            expect(at > 8, f"only {at - 1} operations were cut")
        return f"{done} cuts"

    def kms_cuts(self):
        """A request of the wipe is lost, or its answer; and the same with the probe."""
        for text in (b"/wipe HTTP", b"/wiped HTTP", b"/scrap HTTP", b"/checkpoints"):
            for way in ("request", "reply"):
                board, keys = self.installed()
                identity = self.identity(board)
                seen = []

                def hook(data, way=way, seen=seen, text=text):
                    if text in data:
                        seen.append(1)
                        return None if way == "request" else data
                    return data

                def reply(data, way=way, seen=seen):
                    return None if way == "reply" and seen else data

                result = self.through(hook, lambda: self.scrap(board, check=None), reply)
                expect(seen, f"{text} was sent: {result}")
                expect("keeps nothing" in self.scrap(board).out, f"{way} of {text} lost")
                self.expect_wiped(board, keys, identity)
                board.off()

    def owed(self):
        """The receipt is in the journal, the board is gone: the next run hands it in."""
        board, _ = self.installed()
        self.through(lambda data: None if b"/wiped HTTP" in data else data, lambda: self.scrap(board, check=None))
        expect(not self.unit(board)["wiped"], "the KMS has not heard of it")
        board.off()
        other = self.board()
        self.lab.provision(self.station, LOT, [other])
        expect(self.unit(board)["wiped"], "now it has")
        other.off()
        self.lab.audit(self.station)

    def rework_scrapped(self):
        """Scrapping what an order began retires the unit; the old keys go."""
        board = self.board()
        self.lab.provision(self.station, LOT, [board])
        keys = self.keys(board)
        self.lab.kms("unit", "rework", "--dir", self.lab.path("kms"), board.uid)
        self.through(None, lambda: self.lab.provision(self.station, LOT, [board], check=None),
                     lambda data: None if b"envelope" in data else data)
        expect(any(hits(self.memory(board)[1], key) for key in keys[:2]), "the first keys are on it")
        expect("is wiped" in self.scrap(board).out, "wiped")
        _, flash = self.memory(board)
        expect(all(hits(flash, key) == 0 for key in keys[:2]) and keys[2] not in flash, "and gone")
        states = {unit["state"]: unit["wiped"] for unit in self.lab.unit_list(LOT) if unit["chip_id"] == board.uid}
        expect(states == {"retired": True, "scrapped": True}, f"retired for good: {states}")
        board.off()

    def restricted(self):
        """The same through the mailbox alone, which is all that a restricted board's port shows; and locked boards."""
        lab = self.lab
        lab.sign_image()
        lab.add_attested_lot("OPEN", lock="none", first="70b3d57ed0020000")
        lab.add_attested_lot("SHUT", lock="aps", first="70b3d57ed0030000")
        for lot, acts in (("OPEN", "rehearse,restrict"), ("SHUT", "rehearse,restrict,lock")):
            lab.add_permit(lot, acts)
        room = lab.add_station("room", role="personalise")
        lab.login(room, lab.add_tester("petra", role="personaliser"))
        options = {"image": lab.signed_image,
                   "extra": ("--image-key", lab.image_key, "--application", lab.application)}

        def work(lot, check=EXIT_OK):
            board = self.board("--kitprog3")
            lab.provision(room, lot, [board], verb="personalise", **options)
            lab.provision(self.station, lot, [board], check=check, **options)
            return board

        board = self.through(self.no_receipt, lambda: work("OPEN", None), self.last_is_grant)
        keys = self.keys(board)

        def flash():
            board.off()
            with open(board.file, "rb") as file:
                memory = file.read()
            board.power("--kitprog3")
            return [hits(memory, key) for key in keys[:2] if key] + [keys[2] in memory]

        identity = self.identity(board)
        expect(all(flash()), "its keys are there")
        expect("keeps nothing" in self.scrap(board).out, "wiped through the mailbox")
        expect(not any(flash()), "and gone")
        board.off()
        with open(board.file, "rb") as file:
            memory = file.read()
        expect(not any(hits(memory, part) for part in identity.values()), "and who it was")
        board = work("SHUT")
        lab.kms("unit", "retire", "--dir", lab.path("kms"), board.uid, "--permit")
        result = self.scrap(board, check=EXIT_TARGET)
        expect("locked" in result.err and "stay in the chip" in result.out and "destroy" in result.out, f"said: {result}")
        listed = next(unit for unit in lab.unit_list("SHUT") if unit["chip_id"] == board.uid)
        expect(not listed["wiped"], f"and not taken for wiped: {listed}")
        board.off()

    def closing(self):
        """Closing scraps what is open and names the boards that may hold keys still."""
        left, _ = self.installed()
        wiped, _ = self.installed()
        self.scrap(wiped)
        result = self.lab.kms("lot", "close", "--dir", self.lab.path("kms"), LOT, "--scrap-open", "--permit")
        expect(left.uid in result.out and "not wiped" in result.out and wiped.uid not in result.out, f"named: {result}")
        expect("is wiped" in self.scrap(left).out, "after the lot's end too")
        left.off()
        wiped.off()
        self.lab.audit(self.station)


CASES = [("wiped", Desk.wiped), ("in between", Desk.in_between), ("never installed", Desk.never_installed), ("no board", Desk.no_board),
         ("confirmed", Desk.confirmed_is_left_alone), ("power cuts", Desk.power_cuts), ("kms cuts", Desk.kms_cuts),
         ("owed", Desk.owed), ("rework", Desk.rework_scrapped), ("restricted", Desk.restricted),
         ("closing", Desk.closing)]

if __name__ == "__main__":
    sys.exit(run_cases(CASES, Desk))
