#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""frama-c's Eva over the device's codecs, record and vault with any input (entries.c): no alarm, or this fails.

A sound analysis: no alarm means that no input makes the code read or write out of bounds, use what was never
written, or overflow. First a bug is planted in a copy of one source, which must raise an alarm.
"""
import os
import re
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROTOCOL = ("bytes", "messages", "mailbox", "image", "binding", "application")
BOOTLOADER = ("record", "vault", "hardened", "guard")
SERVICES = ("part", "lorawan")
OPTIONS = ["-machdep", "x86_32", "-eva", "-eva-precision", "2", "-eva-split-return", "full", "-eva-slevel", "100",
           "-eva-slevel-function", "proto_put_zeros:1100,proto_put:700,proto_take:700,bl_hal_read:700", "-eva-no-print"]


def analyse(sources, main):
    """Eva's alarms, or None when the analysis did not end."""
    include = f"-I{TOP} '-D_Alignas(x)=' -DLPA_BOOTLOADER_VERSION=1"
    done = subprocess.run(["frama-c", f"-cpp-extra-args={include}", *OPTIONS, "-main", main,
                           os.path.join(TOP, "tests/eva/entries.c"), *sources], capture_output=True, text=True)
    print(done.stdout + done.stderr, file=sys.stderr)
    if done.returncode != 0 or "ANALYSIS SUMMARY" not in done.stdout:
        return None
    return re.findall(r"\[eva:alarm\] (.*(?:\n  .*)*)", done.stdout)


def main():
    sources = [os.path.join(TOP, "device-fw/protocol", name + ".c") for name in PROTOCOL]
    sources += [os.path.join(TOP, "device-fw/bootloader", name + ".c") for name in BOOTLOADER]
    sources += [os.path.join(TOP, "device-fw/services", name + ".c") for name in SERVICES]
    with tempfile.TemporaryDirectory() as work:
        planted = os.path.join(work, "bytes.c")
        subprocess.run([os.path.join(TOP, "tests/tools/mutate.py"), sources[0], planted,
                        "memcpy(*at, data, length);", "memcpy(*at + 480, data, length);"], check=True)
        found = analyse([planted, *sources[1:]], "read_record")
    bad = not found
    print("FAIL eva: a planted write out of bounds goes unnoticed" if bad else "ok   eva notices a planted write out of bounds")
    found = analyse(sources, "main")
    if found is None:
        print("FAIL eva: the analysis did not end")
    elif found:
        print(f"FAIL eva: {len(found)} alarms, the first: " + " ".join(found[0].split()).replace(TOP + "/", ""))
    else:
        print(f"ok   eva: no alarm in {len(sources)} files")
    return 1 if bad or found is None or found else 0


if __name__ == "__main__":
    sys.exit(main())
