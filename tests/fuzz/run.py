#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run the libFuzzer targets, two at a time, each for a while.

    tests/fuzz/run.py BUILD_FOLDER [--seconds N] [--target NAME] [--corpus FOLDER]

Seeds come from tests/fuzz/corpus/TARGET, from make_seeds.c and from tests/fuzz/TARGET.dict. New inputs stay in FOLDER/TARGET when --corpus is given. A
finding is kept in BUILD_FOLDER/fuzz-findings and makes the target FAIL; the target with a bug on purpose must be found broken.
The seed of each run is printed. Exit code 1 when something failed.
"""
import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SEEDED = "seeded_bug"


def run_target(arguments, name):
    program = os.path.join(arguments.build, "tests", "fuzz", "fuzz-" + name)
    if not os.path.exists(program):
        return f"FAIL fuzz {name}: not built"
    findings = os.path.join(arguments.build, "fuzz-findings", "")
    os.makedirs(findings, exist_ok=True)
    work = arguments.corpus and os.path.join(arguments.corpus, name) or tempfile.mkdtemp(prefix="lpa-fuzz-")
    os.makedirs(work, exist_ok=True)
    seed = arguments.seed or int(time.time()) & 0x7FFFFFFF
    command = [program, f"-max_total_time={arguments.seconds}", f"-seed={seed}", "-timeout=20", "-rss_limit_mb=2048",
               "-max_len=65536", "-print_final_stats=1", f"-artifact_prefix={findings}{name}-", work]
    for seeds in (os.path.join(HERE, "corpus", name), os.path.join(arguments.build, "fuzz-seeds", name)):
        if os.path.isdir(seeds):
            command.append(seeds)
    words = os.path.join(HERE, name + ".dict")
    if os.path.exists(words):
        command.append("-dict=" + words)
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:abort_on_error=1", UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1")
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment,
                              timeout=arguments.seconds + 120)
        code, output = done.returncode, done.stderr
    except subprocess.TimeoutExpired:
        return f"FAIL fuzz {name}: did not end (seed {seed})"
    finally:
        if not arguments.corpus:
            shutil.rmtree(work, ignore_errors=True)
    runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", output)
    coverage = re.findall(r"cov: (\d+)", output)
    figures = f"{runs.group(1) if runs else '?'} runs, {coverage[-1] if coverage else '?'} edges, seed {seed}"
    if name == SEEDED:
        if code != 0 and "heap-buffer-overflow" in output:
            return f"ok   fuzz {name}: the bug on purpose was found ({figures})"
        return f"FAIL fuzz {name}: the bug on purpose was not found ({figures})"
    if code == 0 and runs and int(runs.group(1)) > 0:
        return f"ok   fuzz {name}: {figures}"
    tail = "\n".join("     | " + line for line in output.strip().split("\n")[-40:])
    return f"FAIL fuzz {name}: exit code {code}, {figures}\n{tail}"


def main():
    parser = argparse.ArgumentParser(description="Run the libFuzzer targets.")
    parser.add_argument("build")
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target")
    parser.add_argument("--corpus")
    arguments = parser.parse_args()
    if arguments.seconds <= 0:
        arguments.seconds = 3600
    names = [arguments.target] if arguments.target else sorted(
        re.match(r"fuzz_(\w+)\.c", f).group(1) for f in os.listdir(HERE) if re.match(r"fuzz_\w+\.c$", f))
    built = subprocess.run(["ninja", "-C", arguments.build, "fuzz-targets"], capture_output=True, text=True)
    if built.returncode != 0:
        print("FAIL fuzz build\n" + "\n".join("     | " + x for x in built.stdout.split("\n")[-40:]))
        return 1
    made = subprocess.run([os.path.join(arguments.build, "tests", "fuzz", "fuzz-make-seeds"),
                           os.path.join(arguments.build, "fuzz-seeds")], capture_output=True, text=True)
    failed = 1 if made.returncode != 0 else 0
    print(f"{'FAIL' if failed else 'ok  '} fuzz seeds" + (f": {made.stderr.strip()[-300:]}" if failed else ""))
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        for line in pool.map(lambda name: run_target(arguments, name), names):
            print(line, flush=True)
            failed += line.startswith("FAIL")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
