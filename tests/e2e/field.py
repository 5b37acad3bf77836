# SPDX-License-Identifier: Apache-2.0
"""Boards that have left the line: locked, and heard through their application alone.

The statement, the envelope and the receipt go between application and station as files. What stands for the product's
transceiver or serial port is the demonstration application's radio; see tests/tools/field_board.c.
"""
import os
import subprocess

from lab import BUILD, expect

LORA, STATEMENT, ENVELOPE, RECEIPT = 1, 2, 3, 4  # device-fw/app-demo/radio.h
SVC_OK, SVC_NO_KEYS = 1, 6  # device-fw/services/message.h
DEVICE = 0x100  # SVC_STATUS_DEVICE, over the statuses of lpa-envelope(5)
OK, ALREADY = DEVICE | 1, DEVICE | 2
JOIN_SIZE, STATEMENT_SIZE, ENVELOPE_SIZE, RECEIPT_SIZE = 23, 184, 189, 128
NONCE_AT = slice(129, 145)  # in a statement; see lpa-envelope(5)


class Dark(Exception):
    """The board lost its supply."""


class FieldBoard:
    """A board file of lpa-sim with its power on; the simulator of the line must have let go of it."""

    def __init__(self, board):
        self.uid = board.uid
        self.process = subprocess.Popen([os.path.join(BUILD, "tests", "tools", "field-board"), board.file, board.uid],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        expect(answer, f"the board's program ended at {words[0]}")
        if answer[0] == "dark":
            raise Dark()
        expect(answer[0] != "silent", f"the application is silent after {words[0]}")
        return answer

    def close(self):
        self.process.stdin.close()
        code = self.process.wait(60)
        expect(code == 0, f"the board's program ended with {code}")

    def power(self):
        self.ask("power")

    def cut(self, operation, when, pattern=0):
        self.ask("cut", operation, when, pattern)

    def heal(self):
        self.ask("cut", 0, "none", 0)

    def keep(self):
        self.ask("keep")

    def back(self):
        self.ask("back")

    def save(self):
        self.ask("save")

    def operations(self):
        return int(self.ask("operations")[1])

    def closed(self):
        """The debug port answers, every access port refuses."""
        return self.ask("port")[1:] == ["1", "0", "0", "0"]

    def find(self, data):
        """Places in main flash, work flash, supervisory flash and SRAM that hold these bytes."""
        return [int(number) for number in self.ask("find", data.hex())[1:]]

    def hear(self, kind):
        """Status and bytes of the application's next frame."""
        _, said, status, *data = self.ask("hear")
        expect(int(said) == kind, f"a frame of kind {said} instead of {kind}, status {status}")
        return int(status), bytes.fromhex(data[0] if data else "")

    def request(self, kind, data=b""):
        """The answer to a message; join-requests that were on their way before it are passed over."""
        self.ask("tell", kind, data.hex())
        for _ in range(3):
            _, said, status, *more = self.ask("hear")
            if int(said) == kind:
                return int(status), bytes.fromhex(more[0] if more else "")
            expect(int(said) == LORA, f"a frame of kind {said}")
        raise AssertionError(f"no answer to a message of kind {kind}")

    def statement(self, authority):
        status, data = self.request(STATEMENT, authority)
        expect(status == OK and len(data) == STATEMENT_SIZE, f"a statement: {status:#x}")
        return data

    def envelope(self, data):
        return self.request(ENVELOPE, data)

    def receipt(self):
        return self.request(RECEIPT)

    def fits(self, root, frame):
        """The join-request's MIC is by this root key."""
        return self.ask("fits", root, frame.hex())[0] == "yes"

    def joins_by(self, root):
        """The application asks to join, and the MIC is by this AppKey (LoRaWAN 1.0)."""
        status, frame = self.hear(LORA)
        expect(status == SVC_OK and len(frame) == JOIN_SIZE, f"a join-request: {status} {frame.hex()}")
        return self.fits(root, frame)
