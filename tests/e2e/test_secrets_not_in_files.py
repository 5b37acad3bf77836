#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The other secrets stay where they belong: TOTP secret and codes, session token, private keys of station and KMS.

A shift is worked with everything as talkative as it gets. Afterwards each secret is searched for in what it has no
business in: arguments and environment of every process, every file but its own, all output and logs, and the memory of
every process but its owners. No program may leave a core dump or be looked into by other users' processes.
"""
import base64
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time

from lab import EXIT_OK, Lab, Tap, TlsRelay, expect, program
from test_keys_never_seen import forms, memory_of

NOBODY = 65534
PROGRAMS = ("lpa-audit", "lpa-image", "lpa-kms", "lpa-probe", "lpa-provision", "lpa-sim")


def needles_of(secret):
    """Forms of a binary secret of any length, each as (name, compiled pattern)."""
    return [(name, re.compile(re.escape(text))) for name, text in forms(secret).items()]


def needles_of_text(text, coded=True):
    """A secret that is text already: as it stands, in UTF-16, and (long ones) in base64."""
    found = [("text", re.compile(re.escape(text.encode()))),
             ("text in UTF-16", re.compile(re.escape(text.encode("utf-16-le"))))]
    if coded:
        found.append(("text in base64", re.compile(re.escape(base64.b64encode(text.encode())[:-4]))))
    return found


def needles_of_code(code):
    """Six digits happen by chance in digests and times; a code that leaked stands alone."""
    return [("code", re.compile(rb"(?<![0-9A-Za-z.+/_=-])" + code.encode() + rb"(?![0-9A-Za-z+/_=-])"))]


def scalar_of(pem_path):
    """The private scalar in a PEM file of an EC key, and a line of its base64 text."""
    out = subprocess.run(["openssl", "ec", "-in", pem_path, "-noout", "-text"], capture_output=True, check=True).stdout
    digits = re.search(rb"priv:\s*((?:[0-9a-f]{2}:?\s*)+)", out).group(1)
    number = int(re.sub(rb"[^0-9a-f]", b"", digits), 16)
    with open(pem_path) as file:
        body = [line.strip() for line in file if not line.startswith("-")]
    return number.to_bytes(32, "big"), max(body, key=len)


def seed_of(path):
    """The seed in a signed-note key file, PRIVATE+KEY+name+hash+data; data is base64 of type and seed, plus signs and all."""
    with open(path) as file:
        field = file.read().strip().split("+", 4)[4]
    seed = base64.b64decode(field + "=" * (-len(field) % 4))[1:]
    expect(len(seed) == 32, f"a seed of 32 bytes in {path}")
    return seed, field


class Secret:
    def __init__(self, name, needles, files=(), memory=()):
        self.name, self.needles = name, needles
        self.files = files      # paths that may hold it
        self.memory = memory    # programs in whose memory it may be


class Place:
    def __init__(self, name, data, path=None, owner=None):
        self.name, self.data, self.path, self.owner = name, data, path, owner


class Observer:
    """Keeps what processes show of themselves while they run."""

    def __init__(self):
        self.places = []
        self.lock = threading.Lock()

    def add(self, name, data, path=None, owner=None):
        with self.lock:
            self.places.append(Place(name, data, path, owner))

    def process(self, pid, owner, why):
        for part in ("cmdline", "environ"):
            with open(f"/proc/{pid}/{part}", "rb") as file:
                self.add(f"{part} of {owner} {why}", file.read())
        self.add(f"memory of {owner} {why}", memory_of(pid), owner=owner)

    def file_tree(self, top):
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                if stat.S_ISREG(os.lstat(path).st_mode):
                    with open(path, "rb") as file:
                        self.add("file " + os.path.relpath(path, top), file.read(), path=path)

    def hits(self, secrets):
        found = []
        for secret in secrets:
            for place in self.places:
                if place.path in secret.files or (place.owner is not None and place.owner in secret.memory):
                    continue
                found += [f"{secret.name} ({form}) in {place.name}" for form, needle in secret.needles
                          if needle.search(place.data)]
        return found


class Shift:
    """A KMS that logs all it can, a station behind a relay that sees its plain text, a board, and an observer."""

    def __init__(self, lab):
        self.lab, self.seen = lab, Observer()
        self.requests, self.replies = [], []
        lab.setup_kms()
        lab.add_lot("QUIET", target=2)
        port_file = lab.path("kms.port")
        lab.kms_process = lab.start(program("lpa-kms"), "serve", "--dir", lab.path("kms"), "--listen", "127.0.0.1:0",
                                    "--port-file", port_file, "--verbose")
        lab.kms_port = int(lab.wait_file(port_file, lab.kms_process))
        self.station = lab.add_station()
        self.tester = lab.add_tester("alice")
        self.relay = TlsRelay(lab, self.station, self.keep(self.requests), self.keep(self.replies))
        config = os.path.join(self.station, "station.ini")
        with open(config) as file:
            text = file.read()
        with open(config, "w") as file:
            file.write(text.replace(str(lab.kms_port), str(self.relay.port)))
        self.codes = []
        self.board = lab.board(1)

    @staticmethod
    def keep(where):
        def hook(data):
            where.append(data)
            return data
        return hook

    def watch(self, args, owner, why, feed=None, **kw):
        """Run a program and look at it while it waits, and again a little later."""
        process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, **kw)
        for moment in range(2):
            time.sleep(0.15)
            if process.poll() is None:
                try:
                    self.seen.process(process.pid, owner, f"{why}, look {moment + 1}")
                except OSError:
                    expect(process.wait(10) is not None, "only what ended meanwhile cannot be looked at")
            if moment == 0 and feed is not None:
                feed()
        out, err = process.communicate(timeout=240)
        self.seen.add(f"output of {owner} {why}", out)
        self.seen.add(f"messages of {owner} {why}", err)
        return process.returncode, out, err

    def others(self, why):
        self.seen.process(self.lab.kms_process.pid, "lpa-kms", why)
        self.seen.process(self.board.process.pid, "lpa-sim", why)

    def login_by_descriptor(self, code, expected):
        read, write = os.pipe()
        args = [program("lpa-provision"), "login", "--dir", self.station, "--tester", self.tester.name, "--totp-fd",
                str(read), "-vv"]

        def feed():
            os.write(write, code.encode() + b"\n")
        result = self.watch(args, "lpa-provision", f"login, exit {expected}", feed, pass_fds=[read])
        os.close(read)
        os.close(write)
        expect(result[0] == expected, f"login: exit {result[0]}: {result[2]}")

    def login_by_command(self, code):
        """The command looks at itself and at its parent while the parent waits for it."""
        note = self.lab.path("seen-by-command")
        hold = self.lab.path("command-code")
        with open(hold, "w") as file:
            file.write(code + "\n")
        command = (f"tr '\\0' '\\n' </proc/$$/environ >{note}.environ; ls -l /proc/self/fd >{note}.fd; "
                   f"tr '\\0' ' ' </proc/$$/cmdline >{note}.cmdline; cat {hold}")
        args = [program("lpa-provision"), "login", "--dir", self.station, "--tester", self.tester.name,
                "--totp-command", command, "-vv"]
        code_, out, err = self.watch(args, "lpa-provision", "login by command")
        expect(code_ == EXIT_OK, f"login by command: exit {code_}: {err}")
        os.unlink(hold)
        with open(note + ".fd") as file:
            descriptors = sorted(int(found) for found in re.findall(r" (\d+) -> (?!/proc/)", file.read()))
        expect(descriptors[:3] == [0, 1, 2] and all(fd < 4 for fd in descriptors),
               f"the command got open descriptors {descriptors}")

    def work(self):
        self.others("before")
        code = self.tester.code()
        self.codes.append(code[:5] + str((int(code[5]) + 1) % 10))  # wrong, and no pattern that stands about anyway
        self.login_by_descriptor(self.codes[0], 4)
        for how in ("descriptor", "command"):
            code = self.tester.code()
            self.codes.append(code)
            if how == "descriptor":
                self.login_by_descriptor(code, EXIT_OK)
            else:
                self.login_by_command(code)
        code, _, err = self.watch(self.lab.provision_args(self.station, "QUIET", [self.board], extra=["-vv"]),
                                  "lpa-provision", "run")
        expect(code == EXIT_OK, f"run: exit {code}: {err}")
        self.others("after")
        for verb in ("status", "doctor"):
            self.watch([program("lpa-provision"), verb, "--dir", self.station, "-vv"], "lpa-provision", verb)
        for form in ("jsonl", "csv"):
            done = self.lab.audit(self.station, "--format", form, verb="export")
            self.seen.add(f"export as {form}", done.out.encode() + done.err.encode())
        self.seen.file_tree(self.lab.dir)

    def secrets(self):
        kms = self.lab.path("kms", "keys")
        found = [Secret("TOTP secret", needles_of(self.tester.secret) +
                        needles_of_text(base64.b32encode(self.tester.secret).decode().rstrip("=")),
                        memory=("lpa-kms",))]
        for code in self.codes:
            found.append(Secret("one-time code", needles_of_code(code), memory=("lpa-kms", "lpa-provision")))
        for token in set(re.findall(rb'"token":"([^"]+)"', b"".join(self.replies))):
            raw = base64.urlsafe_b64decode(token + b"=" * (-len(token) % 4))
            expect(len(raw) == 32, "a token is 32 bytes")
            found.append(Secret("session token", needles_of(raw) + needles_of_text(token.decode()),
                                memory=("lpa-kms", "lpa-provision")))
        for name, path, owner in (("station's TLS key", os.path.join(self.station, "station.key"), "lpa-provision"),
                                  ("authority key", os.path.join(kms, "authority.key"), "lpa-kms"),
                                  ("server key", os.path.join(kms, "server.key"), "lpa-kms"),
                                  ("CA key", os.path.join(kms, "ca.key"), "")):
            scalar, line = scalar_of(path)
            found.append(Secret(name, needles_of(scalar) + needles_of_text(line), (path,), (owner,)))
        for name, path, owner in (("station's log key", os.path.join(self.station, "log.key"), "lpa-provision"),
                                  ("KMS's log key", os.path.join(kms, "log.key"), "lpa-kms")):
            seed, text = seed_of(path)
            found.append(Secret(name, needles_of(seed) + needles_of_text(text), (path,), (owner,)))
        with open(os.path.join(kms, "kek.key")) as file:
            kek = bytes.fromhex(file.read().split()[-1])
        found.append(Secret("KEK", needles_of(kek), (os.path.join(kms, "kek.key"),), ("lpa-kms",)))
        # At home in the chip. In the KMS they are in clear for the moment of a grant only, and leave nothing behind.
        for root in self.lab.roots():
            found += [Secret("root key", needles_of(bytes.fromhex(root[which])), (self.board.file,), ("lpa-sim",))
                      for which in ("app_key", "nwk_key") if root.get(which)]
        return found


def nothing_strays():
    with Lab() as lab:
        shift = Shift(lab)
        shift.work()
        secrets = shift.secrets()
        expect(sum(secret.name == "session token" for secret in secrets) == 2, "two sessions were opened")
        expect(any(secret.name == "root key" for secret in secrets), "a root key was granted")
        hits = shift.seen.hits(secrets)
        expect(not hits, "secrets went astray: " + "; ".join(hits[:12]))
        modes = [path for path in private_files(lab, shift.station) if os.lstat(path).st_mode & 0o077]
        expect(not modes, f"files that others may read: {modes}")
        shift.relay.close()
        return f"{len(secrets)} secrets, {len(shift.seen.places)} places, 0 hits"


def private_files(lab, station):
    """What nobody but its owner may open: the folders themselves, keys, databases, the session."""
    kms = lab.path("kms")
    found = [station, kms, os.path.join(kms, "keys")]
    for folder, _, names in os.walk(os.path.join(kms, "keys")):
        found += [os.path.join(folder, name) for name in names]
    found += [os.path.join(kms, name) for name in os.listdir(kms) if name.startswith("kms.db")]
    found += [os.path.join(station, name) for name in os.listdir(station)
              if name.endswith(".key") or name.startswith(("journal", "session"))]
    return found


def search_finds():
    """Each needle is found when its secret is planted, and where it may be it is not reported."""
    with Lab() as lab:
        seen = Observer()
        own = lab.path("own")
        raw = os.urandom(32)
        seen.add("planted", b"xx" + raw[::-1] + b"yy")
        seen.add("hex", b'{"k":"' + raw.hex().encode() + b'"}')
        seen.add("code", b"code 123456\n")
        seen.add("time", b"2026-01-01T00:00:00.123456Z a123456b\n")
        seen.add("own file", raw, path=own)
        seen.add("own memory", raw, owner="p")
        hits = seen.hits([Secret("key", needles_of(raw), (own,), ("p",)), Secret("code", needles_of_code("123456"))])
        names = {hit.split(" in ")[-1] for hit in hits}
        expect(names == {"planted", "hex", "code"}, f"found in {names}")


# -- core dumps and other processes' eyes -----------------------------------------------------------------------------


def standing(name, folder):
    """Arguments with which a program waits for something that never comes."""
    fifo = os.path.join(folder, "station.ini")
    if name in ("lpa-image",):
        return ["info", fifo]
    if name == "lpa-audit":
        return ["verify", "--dir", folder]
    if name == "lpa-provision":
        return ["status", "--dir", folder]
    if name == "lpa-kms":
        return ["authority", "--dir", folder]
    if name == "lpa-sim":
        return ["serve", "--listen", "127.0.0.1:0"]
    return None


def look_at(name, copy, folder, listener):
    args = standing(name, folder) or ["info", "-p", f"tcp:127.0.0.1:{listener.getsockname()[1]}"]
    who = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    process = subprocess.Popen([copy] + args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, cwd="/", **who)
    try:
        end = time.monotonic() + 5
        owner = None
        while time.monotonic() < end and process.poll() is None:
            # A process that cannot be dumped shows its entries as root's.
            owner = os.stat(f"/proc/{process.pid}/environ").st_uid
            if owner == 0:
                break
            time.sleep(0.02)
        expect(process.poll() is None, f"{name} ended before it could be looked at")
        expect(owner == 0, f"{name} can be dumped and looked into by its user's other programs")
        with open(f"/proc/{process.pid}/limits") as file:
            limit = re.search(r"Max core file size\s+(\S+)\s+(\S+)", file.read())
        expect(limit.groups() == ("0", "0"), f"{name} may write core files: {limit.groups()}")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def no_core_dumps():
    folder = tempfile.mkdtemp(prefix="lpa-core-")
    listener = socket.create_server(("127.0.0.1", 0))
    try:
        os.chmod(folder, 0o755)
        inner = os.path.join(folder, "d")
        os.mkdir(inner, 0o700)
        for name in ("station.ini", "kms.conf"):
            os.mkfifo(os.path.join(inner, name), 0o600)
        if os.geteuid() == 0:
            for name in ("", "station.ini", "kms.conf"):
                os.chown(os.path.join(inner, name), NOBODY, NOBODY)
        for name in PROGRAMS:
            copy = os.path.join(folder, name)
            shutil.copy(program(name), copy)
            os.chmod(copy, 0o755)
            look_at(name, copy, inner, listener)
        return f"{len(PROGRAMS)} programs"
    finally:
        listener.close()
        shutil.rmtree(folder)


def main():
    tap = Tap()
    tap.case("the search finds what is planted", search_finds)
    tap.case("secrets are in no file, output, argument or foreign memory", nothing_strays)
    tap.case("no program can be dumped or looked into", no_core_dumps)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
