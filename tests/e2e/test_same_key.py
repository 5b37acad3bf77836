#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Both sides hold the same key: the device's self-test returns a LoRaWAN join-request, and its MIC (LoRaWAN 1.0.4 §6.2.5:
AES-CMAC under AppKey; 1.1 §6.2.5: under NwkKey) checks with the key in the KMS. Each DevNonce is used once."""
import subprocess
import sys

from lab import Lab, Tap, expect, units_of


def cmac(key, message):
    """AES-128-CMAC by the openssl program: a second opinion beside the project's own code."""
    done = subprocess.run(["openssl", "mac", "-cipher", "AES-128-CBC", "-macopt", "hexkey:" + key.hex(), "-in", "-",
                           "CMAC"], input=message, capture_output=True, check=True)
    return bytes.fromhex(done.stdout.decode().strip())


def check(lab, station, lot, number, key_name, lorawan, first):
    lab.add_lot(lot, first=first, lorawan=lorawan)
    board = lab.board(number)
    unit = units_of(lab.provision(station, lot, [board], extra=["--self-test"]))[0]
    join = bytes.fromhex(unit["join_request"])
    expect(len(join) == 23 and join[0] == 0, f"a join-request has 23 bytes and MHDR 00: {join.hex()}")
    expect(join[1:9][::-1].hex() == "70b3d57ed0000001", "JoinEUI, least significant byte first")
    expect(join[9:17][::-1].hex() == unit["dev_eui"], "DevEUI, least significant byte first")
    root = next(root for root in lab.roots() if root["dev_eui"] == unit["dev_eui"])
    expect(join[19:] == cmac(bytes.fromhex(root[key_name]), join[:19])[:4], "the MIC is made with the KMS's key")
    right = bytes.fromhex(root[key_name])
    wrong = right[:15] + bytes([right[15] ^ 1])
    expect(join[19:] != cmac(wrong, join[:19])[:4], "the check can fail: another key makes another MIC")
    expect(lorawan.startswith("1.1") == bool(root.get("nwk_key")), "NwkKey in LoRaWAN 1.1 only")
    again = units_of(lab.provision(station, lot, [board], extra=["--self-test"], check=None))
    if again and again[0].get("join_request"):
        expect(again[0]["join_request"][34:38] != unit["join_request"][34:38], "another DevNonce the second time")
    board.off()


def main():
    tap = Tap()
    with Lab() as lab:
        lab.setup_kms()
        lab.serve_kms()
        station = lab.add_station()
        lab.login(station, lab.add_tester("alice"))
        tap.case("LoRaWAN 1.0.4: MIC under AppKey", check, lab, station, "V104", 1, "app_key", "1.0.4",
                 "70b3d57ed0010000")
        tap.case("LoRaWAN 1.1: MIC under NwkKey", check, lab, station, "V110", 2, "nwk_key", "1.1", "70b3d57ed0020000")
        tap.case("the log verifies", lab.audit, station)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
