#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Size and stack of the device image against its budgets.

    device_report.py FOLDER        FOLDER holds bootloader.elf, .map, .size (size -A) and .stack (-fstack-usage)
    device_report.py --selftest    prove that each budget can be exceeded
"""
import os
import re
import subprocess
import sys

FLASH_MAX = 48 * 1024
STACK_MAX = 8 * 1024
FRAME_MAX = 2048          # one function of the project's or of BearSSL's, far below the whole stack
FLASH_SECTIONS = (".header", ".vectors", ".text", ".rodata", ".data", ".tail", ".binding")
HEAP_SYMBOLS = re.compile(r"\b(_sbrk|_malloc_r|__malloc_av_|malloc)\b")


def report(size_text, stack_text, map_text):
    """Verdict lines."""
    sections = {m.group(1): int(m.group(2)) for m in re.finditer(r"^(\.[\w.]+)\s+(\d+)\s+\d+", size_text, re.M)}
    flash = sum(sections.get(name, 0) for name in FLASH_SECTIONS)
    stack = sections.get(".stack", 0)
    frames = [(int(m.group(3)), m.group(2), m.group(4)) for m in
              re.finditer(r"^(.*):([\w.]+)\t(\d+)\t([\w,]+)", stack_text, re.M)]

    def line(good, text):
        return ("ok   " if good else "FAIL ") + "device " + text

    yield line(sections.get(".text", 0) > 0 and flash <= FLASH_MAX, f"image of {flash} bytes in flash (budget {FLASH_MAX})")
    yield line(0 < stack <= STACK_MAX, f"stack of {stack} bytes reserved (budget {STACK_MAX})")
    largest = max(frames, default=(FRAME_MAX + 1, "none found", ""))
    yield line(largest[0] <= FRAME_MAX, f"largest stack frame {largest[0]} bytes in {largest[1]} (budget {FRAME_MAX})")
    unbounded = [name for _, name, kind in frames if kind == "dynamic"]
    yield line(bool(frames) and not unbounded, "no stack frame without a bound" + (f": {unbounded[0]}" if unbounded else ""))
    heap = HEAP_SYMBOLS.search(map_text)
    yield line(bool(map_text) and heap is None, "no heap" + (f": {heap.group(1)}" if heap else ""))


def find_recursion(disassembly):
    """A function that calls itself over others, by the calls and jumps that name their target; None if there is none."""
    calls, name = {}, None
    for row in disassembly.split("\n"):
        start = re.match(r"^[0-9a-f]+ <([^>]+)>:", row)
        call = re.search(r"\t(blx?|b(?:\.[nw])?)\s+[0-9a-f]+ <([^>+]+)>", row)
        if start:
            name = start.group(1)
            calls[name] = set()
        elif call and name and (call.group(1).startswith("bl") or call.group(2) != name):
            calls[name].add(call.group(2))
    done = set()
    for first in calls:
        path, todo = [], [(first, 0)]
        while todo:
            function, depth = todo.pop()
            del path[depth:]
            if function in path:
                return function
            if function not in done:
                done.add(function) if not calls.get(function) else path.append(function)
                todo += [(called, depth + 1) for called in calls.get(function, ())]
        done.add(first)
    return None


def recursion_line(disassembly):
    found = find_recursion(disassembly)
    functions = len(re.findall(r"^[0-9a-f]+ <[^>]+>:", disassembly, re.M))
    good = functions > 0 and found is None
    return ("ok   " if good else "FAIL ") + f"device no recursion among {functions} functions" + (f": {found}" if found else "")


def selftest():
    size = ".text 1000 0\n.stack 4096 0\n"
    stack = "a.c:1:2:f\t16\tstatic\n"
    cases = (
        (size, stack, "x", None), (size.replace("1000", "60000"), stack, "x", "image"), ("", stack, "x", "image"),
        (size.replace("4096", "9000"), stack, "x", "stack of"), (size, stack.replace("16", "4000"), "x", "largest"),
        (size, "", "x", "largest"), (size, stack.replace("static", "dynamic"), "x", "without a bound"),
        (size, stack, "_sbrk", "heap"), (size, stack, "", "heap"),
    )
    bad = 0
    for size_text, stack_text, map_text, want in cases:
        failed = [x for x in report(size_text, stack_text, map_text) if x.startswith("FAIL")]
        if (want is None) != (not failed) or (want and not any(want in x for x in failed)):
            print(f"wrong: expected {want}, got {failed}")
            bad += 1
    calls = "00000000 <f>:\n 2:\tf7ff\tbl\t8 <g>\n 4:\te7fe\tb.n\t0 <f>\n00000008 <g>:\n a:\tf7ff\tbl\t20 <h>\n"
    for text, want in ((calls, "ok"), (calls + " c:\tf7ff\tbl\t0 <f>\n", "FAIL"), (calls + " c:\tf7ff\tbl\t8 <g>\n", "FAIL"),
                       ("", "FAIL")):
        if not recursion_line(text).startswith(want):
            print(f"wrong: expected {want}: {recursion_line(text)}")
            bad += 1
    return bad


def main():
    if sys.argv[1] == "--selftest":
        return 1 if selftest() else 0
    texts = []
    for name in ("bootloader.size", "bootloader.stack", "bootloader.map"):
        try:
            with open(os.path.join(sys.argv[1], name), encoding="utf-8") as file:
                texts.append(file.read())
        except OSError as error:
            print(f"FAIL device report: {error}")
            return 1
    lines = list(report(*texts))
    done = subprocess.run(["arm-none-eabi-objdump", "-d", os.path.join(sys.argv[1], "bootloader.elf")], capture_output=True,
                          text=True)
    lines.append(recursion_line(done.stdout))
    print("\n".join(lines))
    print("     the largest stack frames:")
    for row in texts[1].split("\n")[:8]:
        print("     " + row)
    return 1 if any(x.startswith("FAIL") for x in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
