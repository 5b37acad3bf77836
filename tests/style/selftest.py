#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prove that every style check can fail: plant one violation per check in a small clean tree and expect exactly that finding."""
import os
import shutil
import sys
import tempfile

import check

HEAD = "/* SPDX-License-Identifier: Apache-2.0 */\n"

CLEAN = {
    ".clang-format": open(os.path.join(check.TOP, ".clang-format"), encoding="utf-8").read(),
    "base/err.h": HEAD + "#ifndef BASE_ERR_H\n#define BASE_ERR_H\n\nenum base_status {\n    BASE_OK\n};\n\n"
                         "#define BASE_MUST_CHECK __attribute__((warn_unused_result))\n#endif\n",
    "base/one.h": HEAD + '#ifndef BASE_ONE_H\n#define BASE_ONE_H\n\n#include "base/err.h"\n\nBASE_MUST_CHECK\n'
                         "enum base_status base_one(int value);\n\n#endif\n",
    "base/one.c": HEAD + '#include "base/one.h"\n\n#include <stdio.h>\n\nstatic const int table[] = { 1, 2 };\n\n'
                         "enum base_status base_one(int value)\n{\n    static const int one = 1;\n"
                         '    (void)printf("strcpy(goto) %d", value + one + table[0]); /* sprintf( in a comment */\n'
                         "    return BASE_OK;\n}\n",
    "device-fw/services/message.h": HEAD + "#ifndef SVC_MESSAGE_H\n#define SVC_MESSAGE_H\n\n#define SVC_CHANNEL     8U\n"
                                           "#define SVC_INTR        9U\n#define SVC_SHARED_BASE 0x10U\n"
                                           "#define SVC_SHARED_END  0x20U\n\nenum svc_operation {\n    SVC_OP_IDENTITY = 1,\n"
                                           "    SVC_OP_CRYPT_FOPTS = 2,\n};\n\n#endif\n",
    "man/lpa-services.7": '.\\" SPDX-License-Identifier: Apache-2.0\n.Sh OPERATIONS\n.It identity , crypt options\n.Sh MESSAGES\n'
                          "SRAM (0x10 to 0x20), IPC channel 8, interrupt\nstructure 9.\n",
    "tests/run.sh": "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n",
    "README.md": "Clean.\n",
}

BODY = CLEAN["base/one.c"]
PAGE = CLEAN["man/lpa-services.7"]

# check: file that gets the violation, its content
PLANTED = {
    "spdx": ("base/two.h", "#ifndef BASE_TWO_H\n#define BASE_TWO_H\n#endif\n"),
    "layers": ("programmer/one.c", HEAD + '#include "sim/chip.h"\n'),
    "libraries": ("kms/core.c", HEAD + "#include <curl/curl.h>\n"),
    "own-header-first": ("base/one.c", BODY.replace('#include "base/one.h"\n\n#include <stdio.h>',
                                                    '#include <stdio.h>\n\n#include "base/one.h"')),
    "header-alone": ("base/two.h", HEAD + "#ifndef BASE_TWO_H\n#define BASE_TWO_H\nuint8_t base_two;\n#endif\n"),
    "banned": ("base/one.c", BODY.replace("return", "strcpy(0, 0);\n    return")),
    "goto": ("base/one.c", BODY.replace("    return", "    goto end;\nend:\n    return")),
    "state": ("base/one.c", BODY.replace("static const int table", "static int counter;\nstatic const int table")),
    "function-length": ("base/one.c", BODY.replace("    return", "    value++;\n" * 61 + "    return")),
    "file-length": ("base/one.c", BODY + "\n/* */" * 601),
    "conditionals": ("base/one.c", BODY.replace("    return", "#ifdef X\n#endif\n    return")),
    "must-check": ("base/one.h", CLEAN["base/one.h"].replace("BASE_MUST_CHECK\nenum base_status base_one",
                                                            "enum base_status base_one")),
    "words": ("README.md", "This is a TO" + "DO.\n"),
    "workplace": ("README.md", "See /work/" + "shared.\n"),
    "services-page": ("man/lpa-services.7", PAGE.replace("channel 8", "channel 7")),
    "columns": ("base/one.c", BODY + "/* " + "x" * 120 + " */\n"),
    "format": ("base/one.c", BODY.replace("    return", "  return")),
}

MORE = {
    "services-page": [("man/lpa-services.7", PAGE.replace("identity ,", "")), ("man/lpa-services.7", PAGE.replace("0x20", "0x24")),
                      ("man/lpa-services.7", PAGE + "SVC_NEVER\n")],
    "layers": [("base/one.c", BODY.replace("<stdio.h>", '"lpa/job.h"')), ("base/one.c", BODY.replace("<stdio.h>", '"one.h"')),
               ("device-fw/protocol/x.c", HEAD + '#include "base/err.h"\n'), ("sim/x.c", HEAD + '#include "programmer/swd.h"\n')],
    "state": [("base/one.c", BODY.replace("    static const int one", "    static int two;\n    static const int one")),
              ("base/one.c", BODY.replace("static const int table", "int shared = 1;\nstatic const int table"))],
    "banned": [("base/one.c", BODY.replace("return", "x = atoi(s);\n    return")),
               ("base/one.c", BODY.replace("return", 'system("ls");\n    return'))],
    "libraries": [("lpa/job.c", HEAD + "#include <sqlite3.h>\n"), ("programmer/psoc6.c", HEAD + "#include <hidapi/hidapi.h>\n")],
}


def build(changes):
    root = tempfile.mkdtemp(prefix="lpa-style-")
    files = dict(CLEAN, **changes)
    for path, content in files.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(content)
    return root, check.Tree(root, list(files))


def findings(name, changes):
    root, tree = build(changes)
    try:
        return list(check.CHECKS[name](tree))
    finally:
        shutil.rmtree(root)


def main():
    bad = 0
    for name in check.CHECKS:
        if name not in PLANTED:
            print(f"FAIL {name}: no violation is planted for this check")
            bad += 1
            continue
        clean = findings(name, {})
        if clean:
            print(f"FAIL {name}: finds something in the clean tree: {clean[0]}")
            bad += 1
        for path, content in [PLANTED[name], *MORE.get(name, [])]:
            if not any(path in finding for finding in findings(name, {path: content})):
                print(f"FAIL {name}: does not find the violation planted in {path}")
                bad += 1
    print(f"{len(check.CHECKS)} checks, {bad} of them wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
