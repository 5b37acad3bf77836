#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lpa-probe as scripts and people use it: every verb's --json, one client at a time, the plan of fuses, and a fuse that
is blown by a permit of the KMS and a person at a terminal.

    lpa_probe.py LPA_PROBE LPA_SIM LPA_KMS LPA_IMAGE BOOTLOADER [URL]

With URL (under usb-host, a MiniProg4 with unique id 00112233445566aa) for the cases that need such a probe alone.
"""
import json
import os
import pty
import re
import socket
import subprocess
import sys
import tempfile

PROBE, SIM, KMS, IMAGE, BOOTLOADER = sys.argv[1:6]
URL = sys.argv[6] if len(sys.argv) > 6 else None
UID = "00112233445566aa"
FUSE = ["0x50", "3"]  # of those that are the customer's
FAILED = []


def expect(name, good, told=""):
    print("ok  " if good else "FAIL", name, flush=True)
    if not good:
        print("     ", told, flush=True)
        FAILED.append(name)


class Board:
    """A simulated board behind TCP, or the one that URL names."""

    def __init__(self, folder, *options):
        self.process, self.url, self.folder = None, URL, folder
        if URL is None:
            self.stats, self.log = os.path.join(folder, "stats"), open(os.path.join(folder, "sim.log"), "w+")
            self.process = subprocess.Popen([SIM, "serve", "--listen", "127.0.0.1:0", "--uid", UID, "--stats-file", self.stats,
                                             *options], stdout=subprocess.PIPE, stderr=self.log, text=True)
            self.url = "tcp:" + re.search(r"tcp:(\S+)", self.process.stdout.readline()).group(1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process is not None:
            self.process.terminate()
            self.process.communicate()
            self.log.close()

    def probe(self, *words):
        """Exit code, JSON (of stdout), stderr."""
        done = subprocess.run([PROBE, *words, "-p", self.url, "--json"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        return done.returncode, json.loads(done.stdout) if done.stdout.startswith("{") else {}, done.stderr

    def at_terminal(self, typed, *words):
        """The same, with a terminal to type on once it asks; None hangs up."""
        main, side = pty.openpty()
        child = subprocess.Popen([PROBE, *words, "-p", self.url, "--json"], stdin=side, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, start_new_session=True)
        os.close(side)
        said = b""
        while b"to do it: " not in said:
            more = os.read(child.stderr.fileno(), 4096)
            if not more:
                break
            said += more
        if b"to do it: " in said and typed is not None:
            os.write(main, typed.encode() + b"\n")
        elif typed is None:
            os.write(main, b"\x04")  # end of file
        out, rest = child.communicate()
        os.close(main)
        return child.returncode, json.loads(out) if out.startswith(b"{") else {}, (said + rest).decode()

    def fuse(self, byte):
        return self.probe("efuse", byte)[1].get(f"{int(byte, 16):02x}")


def each_verb(folder):
    image = os.path.join(folder, "image.bin")
    with open(image, "wb") as file:
        file.write(bytes(range(256)) * 6)
    rows = [(["info"], ["unique_id", "packet_size", "serial", "firmware", "vendor"]), (["info", "--acquire"], ["restrictions"]),
            (["read", "0x10000000", "16"], ["address", "bytes"]), (["read", "0x10000000", "16", "-o", image + ".out"], []),
            (["program", image], ["bytes", "written"]), (["verify", image], ["bytes"]), (["erase", "0x10000000", "512"], ["bytes"]),
            (["acquire"], []), (["reset"], []), (["efuse", "0x2b", "2"], ["2b", "2c"]), (["trace", "info"], ["unique_id"]),
            (["bench"], ["round_trip_us", "read_kib_s", "packets", "round_trips"])]
    with Board(folder) as board:
        for words, members in rows:
            code, result, stderr = board.probe(*words)
            expect("--json: " + " ".join(words[:2]), code == 0 and result.get("ok") is True and all(m in result for m in members),
                   (code, result, stderr))
        code, result, stderr = board.probe("power", "on")
        expect("--json: power, which this probe has not", code == 2 and result["ok"] is False and
               all(m in result["error"] for m in ("status", "domain", "detail", "code", "message")), (code, result, stderr))
        traced = board.probe("trace", "reset")[2]
        expect("trace tells packets in words", "Connect" in traced and "SWJ_Pins" in traced, traced)
        code, result, stderr = board.probe("verify", image)
        expect("--json: a difference", code == 5 and result["ok"] is False and result["error"]["status"] == "E_VERIFY", result)
    done = subprocess.run([PROBE, "list", "--json"], capture_output=True, text=True)
    expect("--json: list", done.returncode == 0 and "probes" in json.loads(done.stdout) and json.loads(done.stdout)["cables"], done)


def one_client(folder):
    with Board(folder) as board:
        host, port = board.url[4:].split(":")
        other = socket.create_connection((host, int(port)))
        other.sendall(b"DAP\0\2\0\1\0\0\xfe")
        expect("the first client is served", other.recv(9, socket.MSG_WAITALL)[8:9] == b"\0")
        code, result, stderr = board.probe("info")
        expect("the second is turned away with a sentence", code == 3 and result["error"]["status"] == "E_BUSY" and
               "another program is using this board" in result["error"]["message"], (code, result, stderr))
        other.close()
        expect("and served when the first has gone", board.probe("info")[0] == 0)


def sign_key(folder):
    """A signed image and its key object, made by openssl and by hand: layout of programmer/psoc6_secure.h."""
    private, image, key = (os.path.join(folder, name) for name in ("rsa.pem", "signed.bin", "key.bin"))
    subprocess.run(["openssl", "genrsa", "-out", private, "2048"], check=True, capture_output=True)
    text = subprocess.run(["openssl", "rsa", "-in", private, "-noout", "-modulus"], check=True, capture_output=True, text=True).stdout
    n = int(text.strip().split("=")[1], 16)
    with open(os.path.join(folder, "lot.bin"), "rb") as file:
        body = file.read()
    sign = subprocess.run(["openssl", "dgst", "-sha256", "-sign", private], input=body, check=True, capture_output=True).stdout
    with open(image, "wb") as file:
        file.write(body + sign)
    r, flash, at = 1 << 2048, 0x16005A00, [0x24, 0x124, 0x144, 0x248, 0x348]
    words = [1096, 0, flash + at[0], 2048, flash + at[1], 256, *(flash + place for place in at[2:])]
    numbers = [(n, 256), (65537, 32), (r * r // n, 260), (r - pow(n, -1, r), 256), (r % n, 256)]
    with open(key, "wb") as file:
        file.write(b"".join(word.to_bytes(4, "little") for word in words) +
                   b"".join(number.to_bytes(size, "little") for number, size in numbers))
    return image, key


def plan(folder):
    """What a board would need to be restricted, bit by bit; nothing is blown."""
    image, key = sign_key(folder)
    with Board(folder) as board:
        code, result, stderr = board.probe("efuse", "plan", image, key)
        names = [fuse["name"] for fuse in result.get("blow", [])]
        ones = bin(int(result.get("secure_hash", "0"), 16)).count("1")
        expect("the plan ends with the life cycle", code == 0 and names[-1:] == ["LIFECYCLE.SECURE"], (code, result, stderr))
        expect("the plan has each one bit of SECURE_HASH", result["zeros"] == 128 - ones and
               sum(name.startswith("SECURE_HASH") for name in names) >= ones and len(set(names)) == len(names), names)
        text = subprocess.run([PROBE, "efuse", "plan", image, key, "-p", board.url], capture_output=True, text=True).stdout
        expect("the plan for people has a line for each", len(text.splitlines()) == len(names) + 1 and
               text.splitlines()[-1].startswith(f"{len(names)} to blow, 0 blown already"), text)
        values = board.probe("efuse")[1]
        expect("and nothing was blown", set(values[f"{byte:02x}"] for byte in range(0x14, 0x2B)) == {0} and values["2b"] == 1, values)
        with open(image, "r+b") as file:
            file.seek(100)
            file.write(b"x")
        code, result, stderr = board.probe("efuse", "plan", image, key)
        expect("an image that its key has not signed", code == 5 and result["error"]["status"] == "E_VERIFY", (code, result, stderr))
        code, result, stderr = board.probe("efuse", "plan", image)
        expect("an image without a key", code == 2, (code, result, stderr))


def write_permit(folder, kms, name, *options):
    path = os.path.join(folder, name)
    subprocess.run([KMS, "permit", "add", "--dir", kms, "LOT", *options, "--out", path], check=True, capture_output=True)
    return path


def make_kms(folder):
    kms, image, authority = (os.path.join(folder, name) for name in ("kms", "lot.bin", "authority.pem"))
    subprocess.run([KMS, "init", "--dev", "--dir", kms], check=True, capture_output=True)
    with open(authority, "w") as file:
        subprocess.run([KMS, "authority", "--dir", kms], check=True, stdout=file)
    subprocess.run([IMAGE, "bind", BOOTLOADER, image, "--authority", authority, "--lab"], check=True, capture_output=True)
    subprocess.run([KMS, "lot", "add", "--dir", kms, "LOT", "--image", image, "--lorawan", "1.0.4", "--join-eui",
                    "70b3d57ed0000001", "--deveui-first", "70b3d57ed0010000", "--deveui-count", "8", "--target", "4", "--allowance",
                    "8", "--trust", "manifest", "--expires", "+1d"], check=True, capture_output=True)
    keys = os.path.join(folder, "kms.vkey")
    with open(keys, "w") as file:
        subprocess.run([KMS, "authority", "--dir", kms, "--log"], check=True, stdout=file)
    return kms, keys


def refused(name, told, code, word, board):
    good = told[0] == code and word in told[1].get("error", {}).get("code", "") + told[1].get("error", {}).get("message", "")
    expect(name, good and board.fuse(FUSE[0]) == 0, told)


def refusals(folder, board, kms, keys):
    good = write_permit(folder, kms, "efuse", "--acts", "efuse")
    blow = ["efuse", "blow", *FUSE]
    leave = ["--permit", good, "--kms-key", keys]
    refused("no permit", board.probe(*blow), 4, "permit", board)
    refused("no key of the KMS", board.probe(*blow, "--permit", good), 4, "permit", board)
    refused("no terminal", board.probe(*blow, *leave), 4, "no_terminal", board)
    refused("no such bit", board.at_terminal(UID, "efuse", "blow", "0x50", "8", *leave), 2, "bits 0 to 7", board)
    refused("a fuse of the factory's", board.at_terminal(UID, "efuse", "blow", "0", "1", *leave), 2, "factory", board)
    refused("the life cycle by a permit for other fuses", board.at_terminal(UID, "efuse", "blow", "0x2b", "2", *leave), 4, "permit", board)
    other = write_permit(folder, kms, "restrict", "--acts", "settle")
    refused("a permit for other acts", board.at_terminal(UID, *blow, "--permit", other, "--kms-key", keys), 4, "permit", board)
    other = write_permit(folder, kms, "chip", "--acts", "efuse", "--chip", "00112233445566ab")
    refused("a permit for another chip", board.at_terminal(UID, *blow, "--permit", other, "--kms-key", keys), 4, "another chip", board)
    with open(good) as file:
        text = file.read()
    forged = os.path.join(folder, "forged")
    with open(forged, "w") as file:
        file.write(text.replace('"efuse"', '"efuse","restrict"'))
    refused("a permit that was edited", board.at_terminal(UID, *blow, "--permit", forged, "--kms-key", keys), 5, "permit", board)
    refused("another id typed", board.at_terminal(UID[:-1] + "b", *blow, *leave), 1, "no fuse was touched", board)
    refused("nothing typed", board.at_terminal("", *blow, *leave), 1, "no fuse was touched", board)
    refused("end of input", board.at_terminal(None, *blow, *leave), 1, "no fuse was touched", board)
    return blow + leave


def blows(board, words):
    before = board.probe("efuse")[1]
    code, result, stderr = board.at_terminal(UID, *words)
    expect("a fuse is blown", code == 0 and result.get("blown") is True and (result["before"], result["after"]) == (0, 8) and
           UID in stderr, (code, result, stderr))
    after = board.probe("efuse")[1]
    changed = {key for key in after if after[key] != before[key]}
    expect("and no other", changed == {"50"}, (before, after))
    code, result, stderr = board.at_terminal(UID, *words)
    expect("which is not asked for twice", code == 0 and result.get("blown") is False and "to do it" not in stderr,
           (code, result, stderr))


def fuses(folder, kms, keys):
    if URL is None:
        with Board(folder) as board:  # 3.3 V
            words = refusals(folder, board, kms, keys)
            refused("a supply of 3.3 V, which the ROM refuses", board.at_terminal(UID, *words), 3, "SROM", board)
        with Board(folder, "--miniprog4", "--external-mv", "2500") as board:
            blows(board, words)
        return
    board = Board(folder)
    expect("MiniProg4 at 2.5 V", board.probe("power", "on", "2500")[0] == 0)
    words = refusals(folder, board, kms, keys)
    expect("MiniProg4 at 3.3 V", board.probe("power", "off")[0] == 0 and board.probe("power", "on", "3300")[0] == 0)
    refused("the supply that is measured", board.at_terminal(UID, *words), 3, "voltage", board)
    expect("and 2.5 V again", board.probe("power", "off")[0] == 0 and board.probe("power", "on", "2500")[0] == 0)
    blows(board, words)


def main():
    with tempfile.TemporaryDirectory() as folder:
        kms, keys = make_kms(folder)
        if URL is None:
            each_verb(folder)
            one_client(folder)
            plan(folder)
        fuses(folder, kms, keys)
    return 1 if FAILED else 0


sys.exit(main())
