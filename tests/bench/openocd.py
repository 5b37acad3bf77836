#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Programming beside OpenOCD: the same image on the same simulated probe in the same run, in virtual time.

    openocd.py USB_HOST LPA_PROBE [--sizes 16,64,512] [--json FILE]

Both tools are whole programs behind a mock USB host: OpenOCD as Debian ships it, with its own script for the
chip, and lpa-probe. OpenOCD is run once to connect alone, and the difference is what programming costs; of
lpa-probe the whole run counts. OpenOCD verifies by code of its own on the chip, and last it verifies what the other one wrote. Exit code
77: no OpenOCD here; 1: a ratio is below its target.
"""
import argparse
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile

CABLES = (  # name, usb-host options, OpenOCD backend, URL, SWCLK kHz, {KiB: least ratio}
    ("hid 64 B, 2 ms, 1 MHz", ["--v1", "--packet-size", "64", "--round-trip-us", "2000"], "hid", "hid:1209:0001", 1000, {}),
    ("hid 64 B, 1 ms, 4 MHz", ["--v1", "--packet-size", "64", "--round-trip-us", "1000"], "hid", "hid:1209:0001", 4000,
     {64: 7, 512: 1.8}),
    ("usb 512 B, 0.25 ms, 10 MHz", ["--v2", "--packet-size", "512", "--round-trip-us", "250"], "usb_bulk", "usb:1209:0001",
     10000, {64: 4, 512: 1.8}),
)


def stats():
    """What the probe has counted so far; asked through the mock host's control socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
        control.connect(os.environ["USB_HOST_CONTROL"])
        control.sendall(b"stats 0\n")
        answer = control.makefile().readline().split()
    if answer[0] != "ok":
        sys.exit("usb-host: " + " ".join(answer))
    return {key: int(value) for key, value in (pair.split("=") for pair in answer[1:])}


def cost(command):
    """What one run costs. OpenOCD's own time limits are a second of the wall clock, which a busy machine may exceed:
    a run of it that failed is made again."""
    for _ in range(3 if command[0] == "openocd" else 1):
        before = stats()
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, check=False)
        if done.returncode == 0:
            break
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stdout}\nended with {done.returncode}")
    return {key: value - before[key] for key, value in stats().items()}


def openocd(backend, khz, *commands):
    arguments = ["openocd"]
    for command in ["gdb_port disabled", "tcl_port disabled", "telnet_port disabled", "adapter driver cmsis-dap",
                    f"cmsis_dap_backend {backend}", "transport select swd", "source [find target/psoc6.cfg]",
                    f"adapter speed {khz}", "init", "reset init", *commands, "shutdown"]:
        arguments += ["-c", command]
    return arguments


def inside(arguments):
    """Runs under usb-host: one cable, one size; prints its figures as JSON."""
    _, _, backend, url, khz, _ = CABLES[arguments.cable]
    random.seed(1)
    with tempfile.TemporaryDirectory() as folder:
        image, other = os.path.join(folder, "image.bin"), os.path.join(folder, "other.bin")
        for path in (image, other):
            with open(path, "wb") as file:
                file.write(random.randbytes(arguments.kib * 1024))
        connect = cost(openocd(backend, khz))
        whole = cost(openocd(backend, khz, f"flash write_image erase {image} 0x10000000 bin",
                             f"verify_image {image} 0x10000000 bin"))
        ours = ["-p", url, "--clock", str(khz * 1000), "--format", "bin"]
        cost([arguments.lpa_probe, "program", other, *ours])
        mine = cost([arguments.lpa_probe, "program", image, *ours])
        cost(openocd(backend, khz, f"verify_image {image} 0x10000000 bin"))
    print(json.dumps({"connect": connect, "openocd": whole, "lpa": mine}))


def run(arguments, cable, kib):
    name, options, _, _, _, least = CABLES[cable]
    command = [arguments.usb_host, *options, "--", sys.executable, os.path.abspath(__file__), arguments.usb_host,
               arguments.lpa_probe, "--cable", str(cable), "--kib", str(kib)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=1200, check=False)
    if done.returncode != 0:
        sys.exit(f"{name}, {kib} KiB: {done.stdout}")
    found = json.loads(done.stdout.strip().split("\n")[-1])
    theirs = {key: found["openocd"][key] - found["connect"][key] for key in found["openocd"]}
    mine = found["lpa"]
    ratio = theirs["virtual_us"] / mine["virtual_us"]
    wanted = least.get(kib, 1)
    print(f"{name:28} {kib:4} KiB  OpenOCD {theirs['virtual_us'] / 1000:9.1f} ms {theirs['packets']:6} packets "
          f"{theirs['swclk_clocks']:9} clocks   LPA {mine['virtual_us'] / 1000:9.1f} ms {mine['packets']:6} packets "
          f"{mine['swclk_clocks']:9} clocks   {ratio:5.2f} x (at least {wanted}) {'ok' if ratio >= wanted else 'BELOW'}",
          flush=True)
    return {"cable": name, "KiB": kib, "openocd": theirs, "openocd_connect": found["connect"], "lpa": mine, "ratio": ratio,
            "least": wanted}


def main():
    parser = argparse.ArgumentParser(description="Programming beside OpenOCD, in virtual time.")
    parser.add_argument("usb_host")
    parser.add_argument("lpa_probe")
    parser.add_argument("--sizes", default="16,64")
    parser.add_argument("--json")
    parser.add_argument("--cable", type=int)
    parser.add_argument("--kib", type=int)
    arguments = parser.parse_args()
    if shutil.which("openocd") is None:
        print("no openocd on this machine")
        sys.exit(77)
    if arguments.cable is not None:
        inside(arguments)
        return
    rows = [run(arguments, cable, int(kib)) for cable in range(len(CABLES)) for kib in arguments.sizes.split(",")]
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(rows, file, indent=1)
    sys.exit(1 if any(row["ratio"] < row["least"] for row in rows) else 0)


if __name__ == "__main__":
    main()
