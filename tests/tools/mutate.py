#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plant a bug: a copy of a source file with one piece of text replaced, for tests that must then fail.

    mutate.py SOURCE OUT OLD NEW

OLD must stand in SOURCE exactly once; white space in it matches any white space, so that reformatting does no harm.
"""
import re
import sys


def main():
    source, out, old, new = sys.argv[1:5]
    with open(source, encoding="utf-8") as file:
        text = file.read()
    pattern = r"\s+".join(re.escape(word) for word in old.split())
    found = len(re.findall(pattern, text))
    if found != 1:
        print(f"mutate.py: \"{old}\" stands {found} times in {source}, not once")
        return 1
    with open(out, "w", encoding="utf-8") as file:
        file.write(re.sub(pattern, lambda _: new, text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
