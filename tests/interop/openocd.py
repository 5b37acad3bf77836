#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""OpenOCD 0.12 as Debian ships it, with its own script for PSoC 6, on a simulated board behind USB.

usage: openocd.py USB_HOST LPA_SIM LPA_PROBE usb_bulk|hid

OpenOCD must recognise both cores, erase rows and a whole sector, program, verify by code of its own that
runs on the simulated CM0+, write SFlash, and stop, step and run the program it has written. What it
writes lpa-probe finds, and the other way round, on the same board. Exit code 77: no OpenOCD here.
"""
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

ROW = 512
FLASH = 0x10000000
SFLASH_USER = 0x16000A00
COUNTER = 0x08020000
UID = "00112233445566f0"


class Board:
    """One board kept in a file; every tool gets it in turn."""

    def __init__(self, folder, tools, backend):
        self.usb_host, self.sim, self.probe = tools
        self.backend = backend
        self.file = os.path.join(folder, "board")
        self.port_file = os.path.join(folder, "port")

    def openocd(self, *commands, succeeds=True):
        """One run of OpenOCD over USB; what it said."""
        arguments = [self.usb_host, "--v1" if self.backend == "hid" else "--v2", "--realtime", "--uid", UID,
                     "--board", self.file, "--", "openocd"]
        for command in ["gdb_port disabled", "tcl_port disabled", "telnet_port disabled",
                        "adapter driver cmsis-dap", f"cmsis_dap_backend {self.backend}", "transport select swd",
                        "source [find target/psoc6.cfg]", "init", *commands, "shutdown"]:
            arguments += ["-c", command]
        done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
                              check=False)
        print(done.stdout)
        if (done.returncode == 0) != succeeds:
            sys.exit(f"openocd ended with {done.returncode}")
        return done.stdout

    def lpa_probe(self, *arguments):
        """One run of lpa-probe over TCP; what it said."""
        if os.path.exists(self.port_file):
            os.unlink(self.port_file)
        server = subprocess.Popen([self.sim, "serve", "--listen", "127.0.0.1:0", "--port-file", self.port_file,
                                   "--uid", UID, "--board", self.file], stdout=subprocess.DEVNULL)
        try:
            wait_for(self.port_file, server)
            with open(self.port_file, encoding="ascii") as file:
                url = "tcp:127.0.0.1:" + file.read().strip()
            done = subprocess.run([self.probe, arguments[0], "-p", url, *arguments[1:]], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
        finally:
            server.send_signal(signal.SIGTERM)
            code = server.wait(30)
        print(done.stdout)
        if done.returncode != 0 or code != 0:
            sys.exit(f"lpa-probe {arguments[0]} ended with {done.returncode}, lpa-sim with {code}")
        return done.stdout


def wait_for(path, process):
    deadline = time.monotonic() + 20
    while not os.path.exists(path):
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit("lpa-sim did not start")
        time.sleep(0.01)


def expect(text, *patterns):
    for pattern in patterns:
        if not re.search(pattern, text):
            sys.exit(f"OpenOCD did not say: {pattern}")


def word(data, offset):
    return f"{int.from_bytes(data[offset:offset + 4], 'little'):08x}"


def counting_program(noise):
    """A vector table and a program that counts in RAM for ever, then noise up to an odd end."""
    code = struct.pack("<8H", 0x4802,   # ldr r0, [pc, #8]  counter's address
                       0x2100,          # movs r1, #0
                       0x3101,          # adds r1, #1
                       0x6001,          # str r1, [r0]
                       0xE7FC,          # b back to adds
                       0x0000, 0x0000, 0x0000)
    code = code[:12] + struct.pack("<I", COUNTER) + code[16:]
    table = struct.pack("<2I", 0x08030000, FLASH + 0x101) + bytes(0xF8)
    program = table + code
    return program + noise.randbytes(5 * ROW + 300 - len(program))


def write(folder, name, data):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


def program_and_verify(board, folder, image, user_row):
    image_path = write(folder, "image.bin", image)
    user_path = write(folder, "user.bin", user_row)
    said = board.openocd(
        "reset init", "flash probe 0",
        f"flash write_image erase {image_path} {FLASH:#x} bin", f"verify_image {image_path} {FLASH:#x} bin",
        "flash probe 2", f"flash write_image {user_path} {SFLASH_USER:#x} bin", f"mdw {SFLASH_USER:#x} 2",
        f"flash verify_bank 2 {user_path} 0x200")
    expect(said, r"SWD DPIDR 0x6ba02477", r"Cortex-M0\+ r0p1 processor detected", r"Cortex-M4 r0p1 processor detected",
           r"wrote 3072 bytes", rf"verified {len(image)} bytes", r"wrote 512 bytes",
           rf"{SFLASH_USER:#x}: {word(user_row, 0)} {word(user_row, 4)}")
    board.lpa_probe("verify", image_path, "--base", hex(FLASH), "--format", "bin")
    output = os.path.join(folder, "read.bin")
    board.lpa_probe("read", hex(SFLASH_USER), str(ROW), "-o", output)
    with open(output, "rb") as file:
        if file.read() != user_row:
            sys.exit("lpa-probe reads other bytes from SFlash than OpenOCD wrote")


def control(board):
    """Stop at the first instruction, step, run, stop again."""
    said = board.openocd(
        "reset halt", "reg pc", "step", "reg pc", "step", "reg pc", f"mww {COUNTER:#x} 0", "resume", "sleep 20",
        f"mdw {COUNTER:#x}", "halt", "reg r1", "resume", "reset run", "sleep 20", f"mdw {COUNTER:#x}", "halt",
        f"mdw {COUNTER:#x}")
    expect(said, r"pc \(/32\): 0x10000100", r"pc \(/32\): 0x10000102", r"pc \(/32\): 0x10000104")
    counts = [int(value, 16) for value in re.findall(rf"0x{COUNTER:08x}: ([0-9a-f]{{8}})", said)]
    if len(counts) != 3 or counts[0] == 0 or counts[1] == 0 or counts[2] <= counts[1]:
        sys.exit(f"the program does not count as it should: {counts}")


def erase(board, image):
    """One row, then everything up to the end of the first 256 KB sector."""
    said = board.openocd(
        "reset init", "flash probe 0", f"mdw {FLASH + 0x404:#x}", "flash erase_sector 0 2 2", f"mdw {FLASH + 0x404:#x}",
        f"mdw {FLASH + 0x604:#x}", "flash erase_sector 0 0 511", f"mdw {FLASH + 0x604:#x}", f"mdw {FLASH:#x}", "reset run")
    expect(said, rf"{FLASH + 0x404:#x}: {word(image, 0x404)}", rf"{FLASH + 0x404:#x}: 00000000",
           rf"{FLASH + 0x604:#x}: {word(image, 0x604)}", rf"{FLASH + 0x604:#x}: 00000000", rf"{FLASH:#x}: 00000000")


def the_other_way_round(board, folder, image):
    """What lpa-probe writes OpenOCD verifies, and finds the one bit that is not as it should be."""
    path = write(folder, "other.bin", image)
    board.lpa_probe("program", path, "--base", hex(FLASH), "--format", "bin")
    said = board.openocd("reset init", f"verify_image {path} {FLASH:#x} bin")
    expect(said, rf"verified {len(image)} bytes")
    wrong = bytearray(image)
    wrong[1000] ^= 4
    path = write(folder, "wrong.bin", wrong)
    board.openocd("reset init", f"verify_image {path} {FLASH:#x} bin", succeeds=False)


def main():
    backend = sys.argv[4]
    if shutil.which("openocd") is None:
        print("no openocd on this machine")
        sys.exit(77)
    seed = int(os.environ.get("LPA_SEED", "20260101"))
    print("seed", seed)
    noise = random.Random(seed)
    image = counting_program(noise)
    with tempfile.TemporaryDirectory() as folder:
        board = Board(folder, sys.argv[1:4], backend)
        program_and_verify(board, folder, image, noise.randbytes(ROW))
        control(board)
        erase(board, image)
        the_other_way_round(board, folder, counting_program(noise))


if __name__ == "__main__":
    main()
