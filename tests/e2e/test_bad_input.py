#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bad input, lost links, full disks: each ends with a sentence that names the cause and the next action, with the
documented exit code, and with nothing lost: a later good run succeeds."""
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

from lab import (EXIT_AUDIT, EXIT_DENIED, EXIT_OK, EXIT_REMOTE, EXIT_TARGET, EXIT_USAGE, EXIT_VERIFY,
                 Tester, expect, program, run_cases, totp, units_of)


def refused(result, code, *words):
    """The documented exit code, and one sentence that has all these words."""
    codes = code if isinstance(code, tuple) else (code,)
    expect(result.code in codes, f"expected exit {codes}: {result}")
    text = (result.err + result.out).lower()
    for word in words:
        expect(word.lower() in text, f"the message does not say '{word}': {result}")
    expect("usage:" not in text, f"an error must not print the whole usage: {result}")


class FakeProbe:
    """A CMSIS-DAP probe on TCP whose SWD line shows another chip, or nobody."""

    def __init__(self, dpidr):
        self.dpidr = dpidr
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"tcp:127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def transfer(self, request):
        """A debug port that powers up and has no access port: every AP access faults."""
        done, data, at, ack = 0, b"", 3, 1
        for _ in range(request[2]):
            wanted, at = request[at], at + 1
            if not wanted & 0x02 or wanted & 0x10:
                at += 4
            if self.dpidr is None:
                ack = 7
                break
            if wanted & 0x01:
                ack = 4
                break
            if wanted & 0x02:
                data += self.dpidr.to_bytes(4, "little") if wanted & 0x0C == 0 else b"\0\0\0\xf0"
            done += 1
        return bytes([5, done, ack]) + data

    def answer(self, request):
        command = request[0]
        if command == 0x00:
            data = {0xFF: (1024).to_bytes(2, "little"), 0xFE: b"\x04", 0xF0: b"\x01", 0x04: b"2.1.1\0",
                    0x09: b"1.0\0", 0x03: b"fake\0"}.get(request[1], b"")
            return bytes([0, len(data)]) + data
        if command == 0x02:
            return b"\x02\x01"
        if command == 0x10:
            return b"\x10\x83"
        if command == 0x05:
            return self.transfer(request)
        if command == 0x06:
            return b"\x06\x00\x00\x07"
        return bytes([command, 0x00])

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = client.makefile("rwb")
            while True:
                head = stream.read(8)
                if len(head) < 8:
                    break
                request = stream.read(int.from_bytes(head[4:6], "little"))
                if request[0] == 0x07:
                    continue
                reply = self.answer(request)
                stream.write(b"DAP\0" + len(reply).to_bytes(2, "little") + b"\x02\x00" + reply)
                stream.flush()


class Line:
    """One lab for all cases: KMS, station, tester, one lot that is used up again and again by good runs."""

    def __init__(self, lab):
        self.lab = lab
        lab.setup_kms()
        lab.add_lot("GOOD", target=40, allowance=60)
        lab.serve_kms()
        self.station = lab.add_station()
        self.tester = lab.add_tester("alice")
        lab.login(self.station, self.tester)
        self.boards = 0

    def board(self, *options):
        self.boards += 1
        return self.lab.board(self.boards, *options)

    def good(self, board=None, lot="GOOD"):
        """The line still works: a board ends confirmed."""
        board = board or self.board()
        result = self.lab.provision(self.station, lot, [board])
        unit = units_of(result)[0]
        expect(unit["result"] == "PASS", f"PASS expected: {result}")
        board.off()
        return unit

    # -- login ----------------------------------------------------------------------------------------------------

    def wrong_code(self):
        tester = self.lab.add_tester("wrong")
        code = tester.code()
        other = str((int(code) + 1) % 1000000).zfill(6)
        refused(self.lab.login(self.station, tester, other, check=None), EXIT_DENIED, "code", "wrong")

    def code_twice(self):
        tester = self.lab.add_tester("twice")
        code = tester.code()
        self.lab.login(self.station, tester, code)
        refused(self.lab.login(self.station, tester, code, check=None), EXIT_DENIED, "already", "used")

    def clock_off(self):
        tester = self.lab.add_tester("late")
        code = totp(tester.secret, int(time.time() + 290) // 30)
        refused(self.lab.login(self.station, tester, code, check=None), EXIT_DENIED, "clock")

    def unknown_tester(self):
        refused(self.lab.login(self.station, Tester("nobody", b"x" * 20), "123456", check=None), EXIT_DENIED, "code")

    def lock_out(self):
        tester = self.lab.add_tester("guesser")
        code = tester.code()
        for _ in range(5):
            self.lab.login(self.station, tester, str((int(code) + 7) % 1000000).zfill(6), check=None)
        refused(self.lab.login(self.station, tester, code, check=None), EXIT_DENIED, "too many wrong codes", "wait")

    def not_logged_in(self):
        copy = self.lab.add_station("station-2")
        board = self.board()
        refused(self.lab.provision(copy, "GOOD", [board], check=None), EXIT_DENIED, "log in")
        board.off()

    # -- certificates ---------------------------------------------------------------------------------------------

    def with_certificate(self, make):
        """A copy of the station whose certificate was made another way; the result of a login with it."""
        copy = self.lab.path("station-copy")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.station, copy)
        make(copy)
        return self.lab.login(copy, self.lab.add_tester(f"cert{time.monotonic_ns()}"), check=None)

    def sign(self, copy, ca, key, *wrapper):
        done = subprocess.run([*wrapper, "openssl", "x509", "-req", "-in", os.path.join(copy, "station.csr"), "-CA", ca,
                               "-CAkey", key, "-days", "30", "-out", os.path.join(copy, "station.pem")],
                              capture_output=True, text=True)
        expect(done.returncode == 0, f"openssl: {done.stderr}")

    def expired_certificate(self):
        kms = self.lab.path("kms")
        refused(self.with_certificate(lambda copy: self.sign(copy, f"{kms}/ca.pem", f"{kms}/keys/ca.key", "faketime",
                                                             "-f", "-100d")), (EXIT_DENIED, EXIT_REMOTE), "certificate")

    def foreign_certificate(self):
        ca, key = self.lab.path("foreign.pem"), self.lab.path("foreign.key")
        done = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                               "-nodes", "-keyout", key, "-out", ca, "-subj", "/CN=Somebody else", "-days", "9"],
                              capture_output=True, text=True)
        expect(done.returncode == 0, f"openssl: {done.stderr}")
        refused(self.with_certificate(lambda copy: self.sign(copy, ca, key)), (EXIT_DENIED, EXIT_REMOTE), "certificate")

    def unregistered_certificate(self):
        kms = self.lab.path("kms")
        refused(self.with_certificate(lambda copy: self.sign(copy, f"{kms}/ca.pem", f"{kms}/keys/ca.key")),
                EXIT_DENIED, "certificate")

    def foreign_kms(self):
        """A server whose certificate another authority signed: the code must not be sent."""
        copy = self.lab.path("station-copy")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.station, copy)
        shutil.copy(self.lab.path("foreign.pem"), os.path.join(copy, "ca.pem"))
        refused(self.lab.login(copy, self.lab.add_tester("mallory"), check=None), EXIT_REMOTE, "certificate")

    # -- lots -----------------------------------------------------------------------------------------------------

    def unknown_lot(self):
        board = self.board()
        refused(self.lab.provision(self.station, "NOSUCH", [board], check=None), (EXIT_USAGE, EXIT_DENIED), "NOSUCH")
        board.off()

    def quota(self):
        self.lab.add_lot("SMALL", target=1, allowance=1, first="70b3d57ed0020000")
        self.good(lot="SMALL")
        board = self.board()
        refused(self.lab.provision(self.station, "SMALL", [board], check=None), EXIT_DENIED, "quota")
        self.good(board)

    def expired_lot(self):
        self.lab.add_lot("OLD", first="70b3d57ed0030000",
                         expires=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2)))
        time.sleep(2.5)
        board = self.board()
        refused(self.lab.provision(self.station, "OLD", [board], check=None), EXIT_DENIED, "expired")
        board.off()

    def restricted_lot(self):
        refused(self.lab.add_lot("SECURE", first="70b3d57ed0040000", extra=["--restrict", "secure"], check=None),
                EXIT_USAGE, "restrict")

    def other_image(self):
        other = self.lab.path("other.bin")
        with open(self.lab.image, "rb") as source, open(other, "wb") as sink:
            data = bytearray(source.read())
            data[-1] ^= 1
            sink.write(data)
        board = self.board()
        refused(self.lab.provision(self.station, "GOOD", [board], image=other, check=None), EXIT_VERIFY, "image")
        board.off()

    # -- KMS and probe --------------------------------------------------------------------------------------------

    def kms_down(self):
        self.lab.stop_kms()
        board = self.board()
        refused(self.lab.provision(self.station, "GOOD", [board], check=None), EXIT_REMOTE, "KMS")
        self.lab.serve_kms()
        self.good(board)

    def no_probe(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        refused(self.lab.provision(self.station, "GOOD", [f"tcp:127.0.0.1:{port}"], check=None), EXIT_TARGET, "probe")

    def bad_probe_url(self):
        refused(self.lab.provision(self.station, "GOOD", ["gopher:1"], check=None), EXIT_USAGE, "gopher")

    def wrong_chip(self):
        probe = FakeProbe(0x2BA01477)
        refused(self.lab.provision(self.station, "GOOD", [probe.url], check=None), EXIT_TARGET, "2ba01477", "product")

    def target_absent(self):
        probe = FakeProbe(None)
        refused(self.lab.provision(self.station, "GOOD", [probe.url], check=None), EXIT_TARGET, "target")

    # -- images ---------------------------------------------------------------------------------------------------

    def truncated_image(self):
        board = self.board()
        short = self.lab.path("short.hex")
        with open(short, "w") as file:
            file.write(":020000041000EA\n:10000000000102030405060708090A0B0C0D0E0F78\n")
        refused(self.lab.run(program("lpa-probe"), "program", short, "-p", board.url), (EXIT_USAGE, EXIT_VERIFY),
                "truncated")
        elf = self.lab.path("short.elf")
        with open(elf, "wb") as file:
            file.write(b"\x7fELF\x01\x01\x01" + b"\0" * 20)
        refused(self.lab.run(program("lpa-probe"), "program", elf, "-p", board.url), (EXIT_USAGE, EXIT_VERIFY), "elf")
        board.off()

    def image_beyond_flash(self):
        board = self.board()
        big = self.lab.path("big.bin")
        with open(big, "wb") as file:
            file.write(b"\x55" * 1024)
        refused(self.lab.run(program("lpa-probe"), "program", big, "--base", "0x100ffe00", "-p", board.url),
                (EXIT_USAGE, EXIT_VERIFY), "flash")
        board.off()

    def empty_image(self):
        empty = self.lab.path("empty.bin")
        with open(empty, "w"):
            pass
        board = self.board()
        refused(self.lab.provision(self.station, "GOOD", [board], image=empty, check=None), (EXIT_USAGE, EXIT_VERIFY),
                "image")
        board.off()

    # -- files ----------------------------------------------------------------------------------------------------

    def corrupt_journal(self):
        self.good()
        journal = os.path.join(self.station, "journal.db")
        saved = self.lab.path("journal.saved")
        shutil.copy(journal, saved)
        with open(journal, "r+b") as file:
            file.seek(0)
            file.write(b"\xAA" * 4096)
        board = self.board()
        refused(self.lab.provision(self.station, "GOOD", [board], check=None), EXIT_VERIFY, "journal")
        for name in os.listdir(self.station):
            if name.startswith("journal.db"):
                os.unlink(os.path.join(self.station, name))
        shutil.copy(saved, journal)
        self.good(board)

    def tampered_log(self):
        copy = self.lab.path("station-copy")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.station, copy)
        self.lab.audit(copy)
        changed = 0
        for folder, _, names in os.walk(os.path.join(copy, "log")):
            for name in sorted(names):
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    data = file.read()
                if b'"ev":"key.request"' in data and not changed:
                    changed = 1
                    with open(path, "wb") as file:
                        file.write(data.replace(b'"ev":"key.request"', b'"ev":"key.requesT"', 1))
        expect(changed, "a key.request record was found to tamper with")
        refused(self.lab.audit(copy, check=None), EXIT_VERIFY, "record")

    def full_disk(self):
        """The station's folder on a file system without room: nothing is issued, and the reason is said."""
        small = self.lab.path("small")
        os.mkdir(small)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m,mode=700", "tmpfs", small], check=True)
        try:
            folder = os.path.join(small, "station")
            shutil.copytree(self.station, folder)
            before = self.lab.lot_show("GOOD")["granted"]
            with open(os.path.join(small, "filler"), "wb", 0) as filler:
                try:
                    while True:
                        filler.write(b"\0" * 4096)
                except OSError:
                    pass
            board = self.board()
            refused(self.lab.provision(folder, "GOOD", [board], check=None), (EXIT_AUDIT, EXIT_USAGE), "space")
            expect(self.lab.lot_show("GOOD")["granted"] == before, "nothing was granted while the disk was full")
            os.unlink(os.path.join(small, "filler"))
            result = self.lab.provision(folder, "GOOD", [board])
            expect(units_of(result)[0]["result"] == "PASS", "the same board passes once there is room")
            self.lab.audit(folder)
            # The log went on in the copy: it is the station's from now on.
            shutil.rmtree(self.station)
            shutil.copytree(folder, self.station)
            board.off()
        finally:
            subprocess.run(["umount", small], check=True)

    def full_disk_at_output(self):
        """A result that could not be written must not end as success."""
        for command in (["lpa-kms", "--help"], ["lpa-kms", "lot", "list", "--dir", self.lab.path("kms")],
                        ["lpa-audit", "show", "--dir", self.station], ["lpa-image", "info", self.lab.image]):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([program(command[0]), *command[1:]], stdout=full, stderr=subprocess.PIPE, timeout=60)
            expect(done.returncode == EXIT_USAGE and b"space" in done.stderr.lower(),
                   f"{command}: exit 2 and the cause expected: {done}")

    def unknown_verb(self):
        for name in ("lpa-provision", "lpa-kms", "lpa-audit", "lpa-probe", "lpa-sim", "lpa-image"):
            result = self.lab.run(program(name), "nonsense")
            expect(result.code == EXIT_USAGE, f"{name}: exit 2 expected: {result}")
            expect(len(result.err.splitlines()) <= 2, f"{name}: an error is one sentence: {result}")
        refused(self.lab.run(program("lpa-provision"), "rum"), EXIT_USAGE, "run")
        shown = self.lab.run(program("lpa-provision"), "run", "--help", check=EXIT_OK)
        expect("--probe" in shown.out and "enrol" not in shown.out, f"help of one verb: {shown}")

    def reconciles(self):
        shown = self.lab.lot_show("GOOD")
        expect(shown["granted"] == shown["confirmed"] + shown["scrapped"] + shown["open"], f"reconciles: {shown}")
        expect(shown["open"] == 0, f"nothing is left open: {shown}")
        euis = [unit["dev_eui"] for unit in self.lab.unit_list()]
        expect(len(euis) == len(set(euis)), "no DevEUI twice")
        self.lab.audit(self.station)


CASES = [
    ("wrong TOTP code", Line.wrong_code), ("code used twice", Line.code_twice), ("clock off by minutes", Line.clock_off),
    ("unknown tester", Line.unknown_tester), ("locked out after five guesses", Line.lock_out),
    ("not logged in", Line.not_logged_in), ("expired certificate", Line.expired_certificate),
    ("foreign certificate", Line.foreign_certificate), ("certificate the KMS never issued", Line.unregistered_certificate),
    ("foreign KMS", Line.foreign_kms), ("unknown lot", Line.unknown_lot), ("quota used up", Line.quota),
    ("expired lot", Line.expired_lot), ("lot with restrictions", Line.restricted_lot), ("another image", Line.other_image),
    ("KMS down", Line.kms_down), ("no probe", Line.no_probe), ("bad probe URL", Line.bad_probe_url),
    ("wrong chip", Line.wrong_chip), ("target absent", Line.target_absent), ("truncated image", Line.truncated_image),
    ("image beyond flash", Line.image_beyond_flash), ("empty image", Line.empty_image),
    ("corrupt journal", Line.corrupt_journal), ("tampered log", Line.tampered_log), ("full disk", Line.full_disk),
    ("full disk at the output", Line.full_disk_at_output),
    ("unknown verb", Line.unknown_verb), ("the lot still reconciles", Line.reconciles),
]


if __name__ == "__main__":
    sys.exit(run_cases(CASES, Line))
