#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lpa-sim as people use it: the status line, --realtime, a board that is kept, several boards from one file.

    lpa_sim.py LPA_SIM LPA_PROBE
"""
import json
import os
import pty
import re
import subprocess
import sys
import tempfile

SIM, PROBE = sys.argv[1:3]
FAILED = []


def expect(name, good, told=""):
    print("ok  " if good else "FAIL", name, flush=True)
    if not good:
        print("     ", told, flush=True)
        FAILED.append(name)


def probe(url, *words):
    return subprocess.run([PROBE, *words, "-p", url], capture_output=True, text=True)


class Sim:
    """lpa-sim with its output on a pipe, or on a terminal."""

    def __init__(self, *options, terminal=False):
        main, side = pty.openpty() if terminal else os.pipe()
        self.reading, self.said = main, ""
        self.process = subprocess.Popen([SIM, "serve", *options], stdout=side, stdin=subprocess.DEVNULL)
        os.close(side)

    def wait_for(self, pattern):
        """The first match in what it says, now or later."""
        while True:
            found = re.search(pattern, self.said)
            if found:
                return found
            if not self.more():
                raise SystemExit(f"lpa-sim ended without saying {pattern}: {self.said}")

    def more(self):
        try:
            text = os.read(self.reading, 4096).decode()
        except OSError:  # the other end of the terminal is closed
            text = ""
        self.said += text
        return text

    def stop(self):
        self.process.terminate()
        while self.more():
            pass
        os.close(self.reading)
        return self.process.wait()


def status_line():
    sim = Sim("--listen", "127.0.0.1:0", terminal=True)
    url = sim.wait_for(r"tcp:\S+").group()
    expect("a client is served", probe(url, "info").returncode == 0)
    expect("the status line tells a client", sim.wait_for(r"1 of 1 in use, \d+ requests, \d+ flash operations, \d+\.\d{3} s of virtual time"))
    sim.said = ""
    probe(url, "erase", "0x10000000", "512")
    expect("and counts on", int(sim.wait_for(r"0 of 1 in use, (\d+) requests, [1-9]\d* flash operations").group(1)) > 20)
    expect("it is one line", "\n" not in sim.said and "\r" in sim.said, repr(sim.said))
    expect("and ends well", sim.stop() == 0)
    sim = Sim("--listen", "127.0.0.1:0")
    url = sim.wait_for(r"tcp:\S+").group()
    probe(url, "info")
    expect("no status line without a terminal", sim.stop() == 0 and "in use" not in sim.said, sim.said)


def virtual_us(folder, *options):
    """Virtual time of one and the same talk, with a pause in it that only the host sees."""
    stats = os.path.join(folder, "stats")
    sim = Sim("--listen", "127.0.0.1:0", "--uid", "00112233445566aa", "--seed", "1", "--round-trip-us", "0",
              "--stats-file", stats, *options)
    url = sim.wait_for(r"tcp:\S+").group()
    for _ in range(3):
        probe(url, "info")
    sim.stop()
    with open(stats) as file:
        return json.load(file)["virtual_time_us"]


def realtime(folder):
    still = [virtual_us(folder) for _ in range(2)]
    moving = virtual_us(folder, "--realtime")
    expect("virtual time is the talk's alone", still[0] == still[1], still)
    expect("with --realtime the pauses between count too", moving > still[0], (still, moving))


def kept(folder):
    board = os.path.join(folder, "board")
    image = os.path.join(folder, "image")
    with open(image, "wb") as file:
        file.write(b"abcd" * 256)
    for step in (["program", image], ["verify", image]):
        sim = Sim("--listen", "127.0.0.1:0", "--board", board)
        url = sim.wait_for(r"tcp:\S+").group()
        done = probe(url, *step)
        expect(f"a board in a file: {step[0]}", done.returncode == 0 and sim.stop() == 0, done)


def several(folder):
    config = os.path.join(folder, "boards")
    with open(config, "w") as file:
        file.write("[left]\nlisten = 127.0.0.1:0\nuid = 0000000000000001\n[right]\nlisten = 127.0.0.1:0\nuid = 0000000000000002\n")
    sim = Sim("--config", config)
    for name, uid in (("left", "0000000000000001"), ("right", "0000000000000002")):
        url = sim.wait_for(rf"board {name} {uid} on (tcp:\S+)").group(1)
        expect(f"the board {name}", uid in probe(url, "info").stdout)
    expect("both end", sim.stop() == 0)


with tempfile.TemporaryDirectory() as place:
    status_line()
    realtime(place)
    kept(place)
    several(place)
sys.exit(1 if FAILED else 0)
