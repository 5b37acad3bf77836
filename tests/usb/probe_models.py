#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lpa-probe on probes of several makes and moods, as USB devices behind unmodified libusb and hidapi.

    probe_models.py USB_HOST LPA_PROBE
"""
import json
import os
import socket
import subprocess
import sys
import tempfile

HOST, PROBE = sys.argv[1:3]
SERIAL = "1122334455667700"
FAILED = []


def run(options, *words):
    done = subprocess.run([HOST, *options, "--", PROBE, *words, "--json"], capture_output=True, text=True, timeout=600, errors="replace")
    lines = done.stdout.strip().split("\n")
    return done.returncode, json.loads(lines[-1]) if lines[-1].startswith("{") else {}, done.stderr


def expect(name, good, told):
    print("ok  " if good else "FAIL", name)
    if not good:
        print("     ", told)
        FAILED.append(name)


def info(name, options, url, **wanted):
    code, result, stderr = run(options, "info", "--acquire", "-p", url)
    good = code == 0 and all(result.get(key) == value for key, value in wanted.items())
    expect(name, good, (code, result, stderr))


def refused(name, options, words, code, word):
    have, result, stderr = run(options, *words)
    error = result.get("error", {})
    expect(name, have == code and word in error.get("message", "") + error.get("code", ""), (have, result, stderr))


def makes():
    info("KitProg3 over bulk", ["--kitprog3"], "usb:04b4:f155", model="KitProg3", voltage_mv=3300, packet_size=64)
    info("KitProg3 over HID", ["--kitprog3", "--v1"], "hid:04b4:f154", model="KitProg3", voltage_mv=3300)
    info("MiniProg4 beside a supply", ["--miniprog4", "--external-mv", "3300"], "usb:04b4:f151", voltage_mv=3300)
    # In older firmware a packet that comes before the last answer was fetched stops the probe: one at a time then.
    info("KitProg3 that hangs when pipelined", ["--kitprog3", "--firmware", "2.10.1000", "--hangs-when-pipelined"], "usb:04b4:f155")
    info("a model that is not known", ["--id", "cafe:0001", "--buffers", "1"], "usb@1-1", model="unknown")
    info("EDBG", ["--id", "03eb:2141", "--v1", "--packet-size", "512"], "hid:03eb:2141", model="EDBG", packet_size=512)
    info("packets of 1024 bytes", ["--packet-size", "1024"], "usb@1-1", packet_size=1024)
    info("packets of 1024 bytes over HID", ["--packet-size", "1024", "--v1"], "hid@1-1", packet_size=1024)
    info("reports longer than packets", ["--packet-size", "64", "--report-size", "512", "--v1"], "hid@1-1", packet_size=64)
    info("reports padded with old bytes", ["--v1", "--stale-padding"], "hid@1-1")
    info("answers whose end is not marked", ["--no-zlp", "--packet-size", "512", "--max-packet", "64"], "usb@1-1")


def edbg():
    """Its firmware's manners: one packet at a time, connect before a switch, the clock again after a sequence."""
    for packet in ("64", "512"):
        options = ["--id", "03eb:2141", "--edbg", "--buffers", "1", "--packet-size", packet]
        info(f"EDBG of {packet} bytes", options + ["--v1"], "hid:03eb:2141", model="EDBG", unique_id=SERIAL)
    info("EDBG over bulk", options, "usb:03eb:2141", model="EDBG", unique_id=SERIAL)
    # The same manners under an id that the table does not know: that they are simulated at all.
    refused("EDBG by another name", ["--id", "1209:0001", "--edbg", "--v1"], ["info", "--acquire", "-p", "hid@1-1"], 3, "no chip answers")


def daplink():
    """Buffers that it claims and has not (KL25), and the sizes and counts of its interface chips."""
    for size, count, cable in (("64", "5", "hid"), ("64", "1", "hid"), ("64", "4", "hid"), ("512", "8", "usb"), ("512", "4", "usb")):
        options = ["--id", "0d28:0204", "--packet-size", size, "--packet-count", count, "--buffers", "1"]
        info(f"DAPLink, {count} of {size} bytes over {cable}, one of them true", options + (["--v1"] if cable == "hid" else []),
             f"{cable}:0d28:0204", model="DAPLink", packet_size=int(size), unique_id=SERIAL)
    # An answer that came too late for its asker is the next one's first: every later one would be off by one.
    for cable in ("usb", "hid"):
        options = ["--id", "0d28:0204", "--packet-size", "64", "--fault", "left-over=1"] + (["--v1"] if cable == "hid" else [])
        info(f"DAPLink, one answer behind over {cable}", options, f"{cable}:0d28:0204", unique_id=SERIAL)


def kitprog():
    """Its bridge to I2C, HID as well, and its serial port stand beside the probe; its button changes the protocol."""
    for cable, options in (("usb:04b4:f155", []), ("hid:04b4:f154", ["--v1"])):
        done = subprocess.run([HOST, "--kitprog3", *options, "--", PROBE, "list", "--json"], capture_output=True, text=True, timeout=6000)
        probes = json.loads(done.stdout)["probes"]
        expect(f"{cable} is listed once, bridge and serial port not", [probe["url"] for probe in probes] == [f"{cable}:{SERIAL}"], done)
    done = subprocess.run([HOST, "--kitprog3", "--", sys.executable, __file__, HOST, PROBE, "button"], timeout=6000)
    expect("KitProg3's button", done.returncode == 0, done)


def control(line):
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(os.environ["USB_HOST_CONTROL"])
        link.sendall(line.encode() + b"\n")
        if link.recv(256)[:2] != b"ok":
            sys.exit(f"usb-host does not take {line}")


def button():
    """Under usb-host: bulk, HID, bulk again, on the same port with the same serial number."""
    def look(url):
        done = subprocess.run([PROBE, "info", "-p", url, "--json"], capture_output=True, text=True, timeout=6000)
        result = json.loads(done.stdout)
        return done.returncode, result.get("unique_id") or result["error"]["message"]

    for mode, other, url in (("bulk", "hid", "usb:04b4:f155"), ("hid", "usb", "hid:04b4:f154"), ("bulk", "hid", "usb:04b4:f155")):
        control("unplug 0")
        control(f"plug 0 mode={mode}")
        expect(f"  {mode} mode by its own id", look(f"{url}:{SERIAL}") == (0, SERIAL), look(f"{url}:{SERIAL}"))
        code, message = look(f"{other}@1-1")
        expect(f"  {mode} mode is told to who asks for {other}", code == 3 and url[:3] + "@1-1" in message, message)
        wrong = "hid:04b4:f154" if mode == "bulk" else "usb:04b4:f155"
        code, message = look(f"{wrong}:{SERIAL}")
        expect(f"  {mode} mode is not the other id", code == 3 and "no probe" in message, message)


def supply():
    refused("a target without supply", ["--miniprog4"], ["info", "--acquire", "-p", "usb@1-1"], 3, "0.00 V")
    refused("a target with too little", ["--miniprog4", "--external-mv", "1500"], ["acquire", "-p", "usb@1-1"], 3, "1.50 V")
    refused("a supply beyond limits", ["--miniprog4"], ["power", "on", "5000", "-p", "usb@1-1"], 2, "5000 mV")
    refused("a probe that has none", [], ["power", "on", "-p", "usb@1-1"], 2, "KitProg3")
    code, result, stderr = run(["--miniprog4"], "power", "on", "2500", "-p", "usb@1-1")
    expect("MiniProg4 supplies 2.5 V", code == 0 and abs(result.get("voltage_mv", 0) - 2500) < 50, (code, result, stderr))


def trouble():
    refused("picoprobe", ["--id", "2e8a:0004"], ["info", "-p", "usb@1-1"], 2, "debugprobe")
    refused("old debugprobe", ["--id", "2e8a:000c"], ["info", "-p", "usb@1-1"], 2, "2.31")
    refused("another kind of cable", ["--v1"], ["info", "-p", "usb@1-1"], 3, "hid@1-1")
    for cable in ("usb", "hid"):
        options = ["--v1"] if cable == "hid" else []
        words = ["info", "--acquire", "-p", cable + "@1-1"]
        left = run(options + ["--fault", "left-over=3"], *words)
        expect(f"{cable}: what an earlier session left behind", left[0] == 0, left)
        for fault in ("late=12:50", "nak=7:50"):
            done = run(options + ["--fault", fault], *words)
            expect(f"{cable}: {fault}", done[0] == 0, done)
        for fault in ("lose=14", "short=14:1", "wrong-id=14", "stale=14", "cut-request=14", "cut-reply=14"):
            done = run(options + ["--fault", fault], *words)
            expect(f"{cable}: {fault}", done[0] == 3 and "error" in done[1], done)
    for fault in ("stall-out=14", "stall-in=14"):
        done = run(["--fault", fault], *["info", "--acquire", "-p", "usb@1-1"])
        expect(f"usb: {fault}", done[0] == 3 and "error" in done[1], done)


def recording():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "wire")
        done = run([], "info", "-p", "usb@1-1", "--record", path)
        mode = os.stat(path).st_mode & 0o777
        again = subprocess.run([PROBE, "info", "-p", f"replay:{path}@1000", "--json"], capture_output=True, text=True, timeout=600)
        same = again.returncode == 0 and json.loads(again.stdout)["unique_id"] == done[1].get("unique_id")
        expect("a recording answers as the probe did", done[0] == 0 and mode == 0o600 and same, (done, oct(mode), again))


if sys.argv[3:] == ["button"]:
    button()
    sys.exit(1 if FAILED else 0)
makes()
edbg()
daplink()
kitprog()
supply()
trouble()
recording()
sys.exit(1 if FAILED else 0)
