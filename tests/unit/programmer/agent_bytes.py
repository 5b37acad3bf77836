#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The code that programmer/ lets the CM0+ run is what its source assembles to.

    agent_bytes.py [--write]

Exit 0: the bytes are the same; 1: they are not; 77: this machine has no assembler for the core. --write makes the header.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
SOURCE = os.path.join(TOP, "programmer", "psoc6_agent.S")
HEADER = os.path.join(TOP, "programmer", "psoc6_agent_code.h")
TEXT = """/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRG_PSOC6_AGENT_CODE_H
#define PRG_PSOC6_AGENT_CODE_H

/** @file psoc6_agent.S assembled: made by tests/unit/programmer/agent_bytes.py --write. */

#include <stdint.h>

static const uint8_t prg_psoc6_agent_code[%d] = {
%s
};

#endif
"""


def assemble():
    with tempfile.TemporaryDirectory() as folder:
        built, flat = os.path.join(folder, "agent.o"), os.path.join(folder, "agent.bin")
        subprocess.run(["arm-none-eabi-gcc", "-c", SOURCE, "-o", built], check=True)
        subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", "-j", ".text", built, flat], check=True)
        with open(flat, "rb") as file:
            return file.read()


def main():
    if shutil.which("arm-none-eabi-gcc") is None:
        print("no arm-none-eabi-gcc here")
        return 77
    code = assemble()
    if "--write" in sys.argv[1:]:
        lines = [", ".join(f"0x{byte:02X}" for byte in code[at:at + 16]) for at in range(0, len(code), 16)]
        with open(HEADER, "w", encoding="ascii") as file:
            file.write(TEXT % (len(code), ",\n".join("    " + line for line in lines)))
        return 0
    with open(HEADER, encoding="ascii") as file:
        body = file.read().split("{", 1)[1]
    held = bytes(int(number, 16) for number in re.findall(r"0x([0-9A-Fa-f]{2})\b", body))
    if held != code:
        print(f"{HEADER}: {len(held)} bytes are not the {len(code)} that {SOURCE} assembles to; run {__file__} --write")
        return 1
    # The check can fail: one changed bit must show.
    changed = bytes([held[0] ^ 1]) + held[1:]
    return 0 if changed != code else 1


if __name__ == "__main__":
    sys.exit(main())
