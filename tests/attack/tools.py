#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two programmers, OpenOCD 0.12 as Debian ships it and lpa-probe, at a board in each state of its life: both
read exactly what the tables of lpa-port(7) say.

usage: tools.py TEST_PORT_ATTACK USB_HOST LPA_SIM LPA_PROBE LPA_PORT_7 [planted]

"planted": the table says that nothing of a restricted board can be read; the test must then fail.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

UID = "0102030405060708"
STATES = ["test mode", "NORMAL", "rehearsed", "SECURE", "provisioned", "locked", "DEAD, image", "DEAD, TOC2", "DEAD, key"]
PORTS = ["SYS", "CM0", "CM4"]
# One word of each kind, none of which changes by being read.
WORDS = [0x00000000, 0x08001FFC, 0x08002000, 0x08003FFC, 0x08004000, 0x08047000, 0x10000000, 0x100C0000, 0x100FFFFC,
         0x14000000, 0x14000200, 0x16000000, 0x16005A00, 0x16007C00, 0x40110000, 0x40210500, 0x40210540, 0x40230050,
         0x40240000, 0x402C0814, 0x402C0840]


class Tables:
    """Rows of the manual page."""

    def __init__(self, path, planted):
        self.rows = []
        with open(path, encoding="ascii") as file:
            for line in file:
                fields = line[4:].strip().split(" Ta ")
                if line.startswith(".It ") and len(fields) == 5 and fields[0] != "State":
                    self.rows.append((fields[0], fields[1], int(fields[2], 16), int(fields[3], 16), fields[4]))
        if planted:
            self.rows = [row for row in self.rows if row[0] != "SECURE"]

    def allow(self, state, port, address):
        return any(row[0] == state and row[1] == port and row[2] <= address <= row[3] and "r" in row[4]
                   for row in self.rows)


def by_openocd(usb_host, board):
    """Set of (port, address) that OpenOCD reads, with its own access to each port."""
    commands = ["gdb_port disabled", "tcl_port disabled", "telnet_port disabled", "adapter driver cmsis-dap",
                "cmsis_dap_backend usb_bulk", "transport select swd", "adapter speed 1000",
                "swd newdap chip cpu -irlen 4 -expected-id 0x6ba02477", "dap create chip.dap -chain-position chip.cpu"]
    for number, port in enumerate(PORTS):
        commands.append(f"target create {port} mem_ap -dap chip.dap -ap-num {number} -defer-examine")
    commands += ["sleep 1500", "init"]
    for port in PORTS:
        commands.append(f"catch {{{port} arp_examine}}")
        for address in WORDS:
            commands.append(f"if {{![catch {{{port} read_memory {address:#x} 32 1}}]}} {{echo \"reads {port} {address:08x}\"}}")
    arguments = [usb_host, "--v2", "--realtime", "--uid", UID, "--board", board, "--", "openocd"]
    for command in commands + ["echo finished", "shutdown"]:
        arguments += ["-c", command]
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=200, check=False)
    if "finished" not in done.stdout or "6ba02477" not in done.stdout:
        print(done.stdout)
        sys.exit(f"openocd ended with {done.returncode} before it had tried everything")
    return {(port, int(address, 16)) for port, address in re.findall(r"reads (\w+) ([0-9a-f]{8})", done.stdout)}


def wait_for(path, process):
    deadline = time.monotonic() + 60
    while not os.path.exists(path):
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit("lpa-sim did not start")
        time.sleep(0.01)


def by_lpa_probe(sim, probe, board, folder):
    """Addresses that lpa-probe reads, through whichever port is open."""
    port_file = os.path.join(folder, "port")
    found = set()
    if os.path.exists(port_file):
        os.unlink(port_file)
    server = subprocess.Popen([sim, "serve", "--listen", "127.0.0.1:0", "--port-file", port_file, "--uid", UID,
                               "--board", board], stdout=subprocess.DEVNULL)
    try:
        wait_for(port_file, server)
        with open(port_file, encoding="ascii") as file:
            url = "tcp:127.0.0.1:" + file.read().strip()
        for address in WORDS:
            done = subprocess.run([probe, "read", hex(address), "4", "-p", url], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
            if done.returncode not in (0, 3):
                sys.exit(f"lpa-probe read {address:#x} ended with {done.returncode}: {done.stdout}")
            if done.returncode == 0:
                found.add(address)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)
    return found


def first_open(tables, state, address):
    """lpa-probe takes the first port that answers at all."""
    for port in PORTS:
        if any(row[0] == state and row[1] == port for row in tables.rows):
            return tables.allow(state, port, address)
    return False


def check(tables, state, tools, board, folder):
    expected = {(port, address) for port in PORTS for address in WORDS if tables.allow(state, port, address)}
    found = by_openocd(tools[1], shutil.copy(board, board + ".openocd"))
    if found != expected:
        sys.exit(f"{state}: OpenOCD and the tables differ in {sorted(found ^ expected)}")
    mine = {address for address in WORDS if first_open(tables, state, address)}
    read = by_lpa_probe(tools[2], tools[3], shutil.copy(board, board + ".probe"), folder)
    if read != mine:
        sys.exit(f"{state}: lpa-probe and the tables differ in {[hex(word) for word in sorted(read ^ mine)]}")
    print(f"{state}: OpenOCD reads {len(found)} of {len(PORTS) * len(WORDS)} words, lpa-probe {len(read)} of {len(WORDS)}")


def main():
    tools = sys.argv[1:5]
    if shutil.which("openocd") is None:
        print("no openocd on this machine")
        sys.exit(77)
    tables = Tables(sys.argv[5], "planted" in sys.argv[6:])
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([tools[0], "save", folder], check=True, stdout=subprocess.DEVNULL)
        for number, state in enumerate(STATES):
            if state != "test mode":  # gone when a board has been without power
                check(tables, state, tools, os.path.join(folder, f"state-{number}"), folder)


if __name__ == "__main__":
    main()
