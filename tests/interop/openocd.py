#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""OpenOCD 0.12 as Debian ships it, with its own script for PSoC 6, on a simulated board.

usage: openocd.py LPA_SIM HID_OVER_TCP_LIBRARY

It must recognise both cores, program a random image through the ROM's system calls, verify it by code of
its own that runs on the simulated CM0+, erase it again and reset the board. A second run over the same
board file sees what the first one left. Exit code 77: no OpenOCD here.
"""
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROW = 512


def wait_for(path, process):
    deadline = time.monotonic() + 20
    while not os.path.exists(path):
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit("lpa-sim did not start")
        time.sleep(0.01)


def session(sim, library, folder, commands):
    """One life of the simulator with one OpenOCD on it; what OpenOCD said."""
    port_file = os.path.join(folder, "port")
    if os.path.exists(port_file):
        os.unlink(port_file)
    board = subprocess.Popen([sim, "serve", "--listen", "127.0.0.1:0", "--port-file", port_file,
                              "--board", os.path.join(folder, "board"), "--packet-size", "64"],
                             stdout=subprocess.DEVNULL)
    try:
        wait_for(port_file, board)
        with open(port_file, encoding="ascii") as file:
            port = file.read().strip()
        arguments = ["openocd"]
        for command in ["gdb_port disabled", "tcl_port disabled", "telnet_port disabled",
                        "adapter driver cmsis-dap", "cmsis_dap_backend hid", "transport select swd",
                        "source [find target/psoc6.cfg]", "init", *commands, "shutdown"]:
            arguments += ["-c", command]
        done = subprocess.run(arguments, env={**os.environ, "LD_PRELOAD": library, "HID_OVER_TCP_PORT": port},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
    finally:
        board.send_signal(signal.SIGTERM)
        code = board.wait(30)
    print(done.stdout)
    if done.returncode != 0 or code != 0:
        sys.exit(f"openocd ended with {done.returncode}, lpa-sim with {code}")
    return done.stdout


def expect(text, *patterns):
    for pattern in patterns:
        if not re.search(pattern, text):
            sys.exit(f"OpenOCD did not say: {pattern}")


def word(data, offset):
    return f"{int.from_bytes(data[offset:offset + 4], 'little'):08x}"


def main():
    sim, library = sys.argv[1:3]
    if shutil.which("openocd") is None:
        print("no openocd on this machine")
        sys.exit(77)
    seed = int(os.environ.get("LPA_SEED", "20260101"))
    print("seed", seed)
    image = random.Random(seed).randbytes(6 * ROW - 100)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "image.bin")
        with open(path, "wb") as file:
            file.write(image)
        said = session(sim, library, folder, [
            "reset init", "flash probe 0", f"flash write_image erase {path} 0x10000000 bin",
            f"verify_image {path} 0x10000000 bin", "mdw 0x10000000", "reset run"])
        expect(said, r"SWD DPIDR 0x6ba02477", r"Cortex-M0\+ r0p1 processor detected", r"Cortex-M4 r0p1 processor detected",
               r"wrote 3072 bytes", r"verified 2972 bytes", rf"0x10000000: {word(image, 0)}")
        said = session(sim, library, folder, [
            "reset init", "flash probe 0", "mdw 0x10000204", "flash erase_sector 0 0 1", "mdw 0x10000204",
            "mdw 0x10000400", "reset run"])
        expect(said, rf"0x10000204: {word(image, 0x204)}", r"0x10000204: 00000000", rf"0x10000400: {word(image, 0x400)}")


if __name__ == "__main__":
    main()
