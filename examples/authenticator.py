#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stand-in for a tester's phone, for demonstrations and tests on one machine.

usage: authenticator.py --answer FIFO -- COMMAND [ARG ...]

Runs COMMAND on a terminal of its own, reads the otpauth URI that it shows there once, keeps the secret in this process's
memory alone, and then answers each reader of FIFO with the present TOTP code (RFC 6238). It never answers with the same
code twice: it waits for the next step instead. A real tester uses a phone.
"""
import base64
import hashlib
import hmac
import os
import pty
import re
import signal
import struct
import sys
import time
import urllib.parse


def shown_on_terminal(command):
    """Run command on a pseudo-terminal and return what it showed and its exit code."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    shown = b""
    while True:
        try:
            part = os.read(fd, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    return shown.decode("utf-8", "replace"), os.waitstatus_to_exitcode(status)


def totp(secret, step, digits=6):
    digest = hmac.new(secret, struct.pack(">Q", step), hashlib.sha1).digest()
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset:offset + 4])[0] & 0x7FFFFFFF
    return str(number % 10 ** digits).zfill(digits)


def secret_of(text):
    found = re.search(r"otpauth://totp/\S+", text)
    if not found:
        return None
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(found.group(0)).query)
    text = query["secret"][0]
    return base64.b32decode(text + "=" * (-len(text) % 8))


def main():
    if len(sys.argv) < 5 or sys.argv[1] != "--answer" or sys.argv[3] != "--":
        print(__doc__, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    shown, status = shown_on_terminal(sys.argv[4:])
    secret = secret_of(shown)
    if status != 0 or secret is None:
        print("authenticator: no otpauth URI was shown:\n" + shown, file=sys.stderr)
        return 1
    last = 0
    while True:
        with open(sys.argv[2], "wb", buffering=0) as fifo:  # opens when somebody reads
            step = max(int(time.time()) // 30, last)
            if step == last:
                step += 1
                time.sleep(max(0.0, step * 30 - time.time()))
            last = step
            try:
                fifo.write(totp(secret, step).encode() + b"\n")
            except BrokenPipeError:
                pass
        time.sleep(0.05)  # let the reader see the end of the file before the next one opens it


if __name__ == "__main__":
    sys.exit(main())
