#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The KMS operator's verbs for restricted lots, permits and orders, as the programs take them and say them."""
import json
import sys

from lab import EXIT_DENIED, EXIT_OK, EXIT_USAGE, EXIT_VERIFY, bootloader, expect, program, run_cases

CHIP = "51a0000000c00001"


class Desk:
    def __init__(self, lab):
        self.lab = lab
        lab.setup_kms()
        self.folder = ["--dir", lab.path("kms")]
        self.image = lab.path("signed.bin")
        unsigned = lab.path("unsigned.bin")
        lab.run(program("lpa-image"), "bind", bootloader(), unsigned, "--authority", lab.path("authority.pem"),
                check=EXIT_OK)
        with open(unsigned, "rb") as file:
            data = file.read()
        self.write(self.image, data + bytes(256))
        self.write(lab.path("key.bin"), bytes(1096))
        self.write(lab.path("unsigned.bin"), data)
        lab.add_lot("DEV")

    def write(self, path, data):
        with open(path, "wb") as file:
            file.write(data)

    def add(self, lot, *options, check=EXIT_OK, image=None, first="70b3d57ed0020000"):
        return self.lab.kms("lot", "add", *self.folder, lot, "--image", image or self.image, "--lorawan", "1.1",
                            "--join-eui", "70b3d57ed0000001", "--deveui-first", first, "--deveui-count", "8",
                            "--target", "4", "--allowance", "8", *options, "--json", check=check)

    def lots(self):
        key = ["--image-key", self.lab.path("key.bin")]
        fuses = ["--secure-hash", "00112233445566778899aabbccddeeff"]
        secure = ["--restrict", "secure"]
        attested = ["--trust", "attested"]
        for options, code, word in (
                ([*attested], EXIT_DENIED, "--restrict secure"),
                (["--trust", "manifest", "--lock", "aps"], EXIT_DENIED, "--restrict secure"),
                ([*attested, *secure, *fuses], EXIT_USAGE, "--image-key"),
                ([*attested, *secure, *key], EXIT_USAGE, "--secure-hash"),
                ([*attested, *secure, *key, "--secure-hash", "00"], EXIT_USAGE, "32 hexadecimal"),
                ([*attested, "--restrict", "half"], EXIT_USAGE, "none or secure"),
                ([*attested, *secure, "--lock", "half"], EXIT_USAGE, "none, aps or dark"),
                ([*attested, *secure, *key, *fuses, "--min-bootloader", "1.2"], EXIT_USAGE, "1.0.3"),
                ([*attested, *secure, *key, *fuses, "--min-bootloader", "255.0.0"], EXIT_VERIFY, "below"),
                ([*attested, *secure, *key, *fuses, "--min-protocol", "9"], EXIT_USAGE, "protocol"),
                ([*attested, *secure, *key, *fuses, "--application", self.image], EXIT_VERIFY, "MCUboot")):
            result = self.add("L", *options, check=None)
            expect(result.code == code and word in result.err, f"{options}: {result}")
        result = self.add("L", *attested, *secure, *key, *fuses, image=self.lab.path("unsigned.bin"), check=None)
        expect(result.code == EXIT_VERIFY and "not signed" in result.err, f"unsigned image: {result}")
        shown = json.loads(self.add("SEC", *attested, *secure, *key, *fuses, "--lock", "dark").out)
        expect(shown["restrict"] == "secure" and shown["lock"] == "dark" and shown["trust"] == "attested" and
               shown["secure_hash"] == "00112233445566778899aabbccddeeff" and len(shown["key_sha256"]) == 64,
               f"as it was asked for: {shown}")
        text = self.lab.kms("lot", "show", *self.folder, "SEC").out
        expect("restrict   secure, lock dark" in text and "SECURE_HASH 0011" in text, text)

    def permits(self):
        def add(*options, check=EXIT_OK):
            return self.lab.kms("permit", "add", *self.folder, *options, check=check)
        for options, code, word in (
                (["SEC"], EXIT_USAGE, "--acts"),
                (["SEC", "--acts", "restrict,"], EXIT_USAGE, "--acts"),
                (["SEC", "--acts", "paint"], EXIT_USAGE, "--acts"),
                (["SEC", "--acts", "restrict", "--chip", "51"], EXIT_USAGE, "chip id"),
                (["NONE", "--acts", "restrict"], EXIT_USAGE, "no lot NONE"),
                (["DEV", "--acts", "restrict"], EXIT_DENIED, "--restrict secure"),
                (["DEV", "--acts", "lock"], EXIT_DENIED, "--lock")):
            result = add(*options, check=None)
            expect(result.code == code and word in result.err, f"{options}: {result}")
        path = self.lab.path("permit.note")
        made = json.loads(add("SEC", "--acts", "rehearse,restrict,lock", "--chip", CHIP, "--out", path, "--json").out)
        with open(path) as file:
            note = file.read()
        lines = note.split("\n")
        expect(note == made["note"] and lines[0] == "lpa permit v1", f"a note: {note}")
        body = json.loads(lines[1])
        expect(body["acts"] == ["rehearse", "restrict", "lock"] and body["chip"] == CHIP and body["lot"] == "SEC" and
               body["id"] == made["permit"], f"what was asked for: {body}")
        add("SEC", "--acts", "efuse", "--expires", "+1h")
        listed = self.list_permits()
        expect([row["state"] for row in listed] == ["good", "good"], f"two: {listed}")
        self.lab.kms("permit", "revoke", *self.folder, made["permit"])
        self.lab.kms("permit", "revoke", *self.folder, made["permit"])
        states = {row["permit"]: row["state"] for row in self.list_permits()}
        expect(states[made["permit"]] == "revoked" and sorted(states.values()) == ["good", "revoked"], f"{states}")
        result = self.lab.kms("permit", "revoke", *self.folder, "nothing", check=None)
        expect(result.code == EXIT_USAGE and "no permit" in result.err, f"{result}")

    def list_permits(self):
        out = self.lab.kms("permit", "list", *self.folder, "--lot", "SEC", "--json").out
        return [json.loads(line) for line in out.splitlines()]

    def orders(self):
        self.lab.serve_kms()
        station = self.lab.add_station()
        self.lab.login(station, self.lab.add_tester("alice"))
        board = self.lab.board(1)
        self.lab.provision(station, "DEV", [board])
        chip = self.lab.unit_list("DEV")[0]["chip_id"]

        def unit(verb, *options):
            return self.lab.kms("unit", verb, *self.folder, *options, check=None)
        for verb, options, code, word in (
                ("rework", ["51"], EXIT_USAGE, "chip id"),
                ("rework", ["0000000000000001"], EXIT_USAGE, "no chip"),
                ("zeroise", [chip], EXIT_DENIED, "--permit"),
                ("retire", [chip], EXIT_DENIED, "--permit"),
                ("cancel", [chip], EXIT_USAGE, "no order")):
            result = unit(verb, *options)
            expect(result.code == code and word in result.err, f"{verb} {options}: {result}")
        first = json.loads(unit("rework", chip, "--reason", "customer", "--json").out)
        again = json.loads(unit("rework", chip, "--json").out)
        expect(first == again and first["work"] == "rework", f"the same order: {first} {again}")
        result = unit("zeroise", chip, "--permit")
        expect(result.code == EXIT_USAGE and "pending" in result.err, f"one at a time: {result}")
        expect(unit("cancel", chip).code == EXIT_OK, "taken back")
        expect(unit("zeroise", chip, "--permit").code == EXIT_OK, "another kind now")
        expect(unit("retire", chip, "--permit").code == EXIT_OK, "retired")
        expect(unit("retire", chip, "--permit").code == EXIT_OK, "twice is fine")
        result = unit("rework", chip)
        expect(result.code == EXIT_DENIED and "retired" in result.err, f"final: {result}")
        expect(self.lab.unit_list("DEV")[0]["state"] == "retired", "shown")
        expect(self.lab.roots() == [], "no key of it is left")
        shown = self.lab.lot_show("DEV")
        expect((shown["granted"], shown["confirmed"], shown["scrapped"]) == (1, 0, 1), f"books: {shown}")
        result = self.lab.provision(station, "DEV", [board], check=None)
        expect(result.code != EXIT_OK and "PASS" not in result.out, f"nothing for it: {result}")
        board.off()
        self.lab.audit(station)


CASES = [("restricted lots", Desk.lots), ("permits", Desk.permits), ("orders", Desk.orders)]

if __name__ == "__main__":
    sys.exit(run_cases(CASES, Desk))
