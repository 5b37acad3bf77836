#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a station does besides a plain run: personalisation and manifest lots, units of other lots, scrapping, resuming
after a signal, a journal rebuilt from the KMS, a log rolled back, exports, doctor, and the operator's terminal."""
import csv
import hashlib
import io
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time

from lab import (EXIT_AUDIT, EXIT_DENIED, EXIT_OK, EXIT_REMOTE, EXIT_TARGET, EXIT_UNIT, EXIT_USAGE, EXIT_VERIFY,
                 Board, expect, program, run_cases, units_of)


def summary_of(result):
    return next(row for row in map(json.loads, result.out.splitlines()) if row.get("type") == "summary")


class Line:
    def __init__(self, lab):
        self.lab = lab
        lab.setup_kms()
        lab.add_lot("TOFU", target=20, allowance=30)
        lab.add_lot("MANIFEST", trust="manifest", first="70b3d57ed0050000")
        lab.serve_kms()
        self.station = lab.add_station()
        lab.login(self.station, lab.add_tester("alice"))
        self.trusted = lab.add_station("trusted", role="personalise")
        lab.login(self.trusted, lab.add_tester("petra", role="personaliser"))
        self.boards = 0

    def board(self):
        self.boards += 1
        return self.lab.board(self.boards)

    def tool(self, name, *args, check=EXIT_OK, **kw):
        return self.lab.run(program(name), *args, check=check, **kw)

    def one(self, lot, board, check=EXIT_OK, **kw):
        return units_of(self.lab.provision(kw.pop("station", self.station), lot, [board], check=check, **kw))[0]

    # -- lots of both kinds ---------------------------------------------------------------------------------------

    def manifest(self):
        board = self.board()
        unit = self.one("MANIFEST", board, check=EXIT_DENIED)
        expect(unit["code"] == "not_registered" and unit["permanent"], f"not registered yet: {unit}")
        unit = self.one("MANIFEST", board, station=self.trusted, verb="personalise")
        expect(unit["state"] == "personalised" and "dev_eui" not in unit, f"registered: {unit}")
        unit = self.one("MANIFEST", board, station=self.trusted, verb="personalise")
        expect(unit["result"] == "PASS", f"registering again changes nothing: {unit}")
        unit = self.one("MANIFEST", board)
        expect(unit["result"] == "PASS" and unit["state"] == "confirmed", f"provisioned: {unit}")
        unit = self.one("MANIFEST", board, station=self.trusted, verb="personalise", check=None)
        expect(unit["result"] == "ERROR", f"a finished board is not personalised again: {unit}")
        board.off()

    def roles(self):
        board = self.board()
        unit = self.one("TOFU", board, station=self.trusted, check=EXIT_DENIED)
        expect(unit["code"] in ("role", "same_party"), f"a personaliser gets no grant: {unit}")
        unit = self.one("MANIFEST", board, verb="personalise", check=EXIT_DENIED)
        expect(unit["code"] == "role", f"a tester registers nothing: {unit}")
        board.off()

    def renewal(self):
        def listed(verb):
            out = self.lab.kms(verb, "list", "--dir", self.lab.path("kms"), "--json").out
            return [json.loads(row) for row in out.splitlines()]

        station = self.lab.add_station("station-7")
        old = [row for row in listed("station") if row["station"] == "station-7"]
        expect([row["state"] for row in old] == ["in use"], f"added: {old}")
        renewed = self.lab.path("station-7-renewed.pem")
        self.lab.kms("station", "renew", "--dir", self.lab.path("kms"), "station-7", "--csr",
                     os.path.join(station, "station.csr"), "--out", renewed)
        both = {row["certificate_sha256"]: row["state"] for row in listed("station") if row["station"] == "station-7"}
        expect(sorted(both.values()) == ["in use", "revoked"] and both[old[0]["certificate_sha256"]] == "revoked",
               f"the old certificate has ended: {both}")
        tester = self.lab.add_tester("greta")
        refused = self.lab.login(station, tester, check=EXIT_DENIED)
        expect("certificate" in refused.err, f"the old certificate is refused: {refused}")
        self.tool("lpa-provision", "enrol", "--dir", station, "--cert", renewed)
        self.lab.login(station, tester)
        self.lab.kms("tester", "revoke", "--dir", self.lab.path("kms"), "greta")
        states = {row["tester"]: row["state"] for row in listed("tester")}
        expect(states["greta"] == "revoked" and states["alice"] == "in use", f"testers: {states}")

    def elsewhere(self):
        board = self.board()
        first = self.one("TOFU", board)
        self.lab.add_lot("OTHER", first="70b3d57ed0060000")
        result = self.lab.provision(self.station, "OTHER", [board], check=EXIT_DENIED)
        unit = units_of(result)[0]
        expect(unit["code"] == "unit_elsewhere" and "TOFU" in unit["message"], f"the other lot is named: {unit}")
        expect(summary_of(result)["reconciled"], f"the other lot's unit is not in these books: {result}")
        again = self.one("TOFU", board)
        expect(again["dev_eui"] == first["dev_eui"] and again["attempt"] == 2, f"unchanged: {again}")
        board.off()

    def self_test(self):
        board = self.board()
        unit = self.one("TOFU", board, extra=["--self-test"])
        request = bytes.fromhex(unit["join_request"])
        expect(len(request) == 23 and request[0] == 0, f"a join-request: {unit}")
        expect(request[9:17][::-1].hex() == unit["dev_eui"], f"of this DevEUI: {unit}")
        board.off()

    # -- interruption and repair ----------------------------------------------------------------------------------

    def killed_at(self, board, line):
        """Kill the program the moment its trace says so, before it goes on."""
        process = subprocess.Popen(self.lab.provision_args(self.station, "TOFU", [board], extra=["-vv"]),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for text in process.stderr:
            if text.startswith("trace: " + line[0]) and line[1] in text:
                process.kill()
                break
        process.stderr.close()
        process.wait()
        expect(process.returncode == -signal.SIGKILL, f"killed at {line}, not ended with {process.returncode}")

    def left_installed(self, board):
        """The KMS goes away while the envelope is installed: the receipt cannot be handed in."""
        process = subprocess.Popen(self.lab.provision_args(self.station, "TOFU", [board], extra=["-vv"]),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for text in process.stderr:
            if text.startswith("trace: journaled") and "install do" in text:
                self.lab.stop_kms()
        out = process.stdout.read()
        process.wait(60)
        self.lab.serve_kms()
        row = json.loads(out.splitlines()[0])
        expect(process.returncode == EXIT_REMOTE, f"exit 6 expected, not {process.returncode}: {out}")
        expect(row["state"] == "installed" and row["step"] == "confirm", f"installed, not confirmed: {row}")

    def scrap(self):
        board = self.board()
        self.killed_at(board, ("journaled", "grant done"))
        chip = board.uid
        shown = json.loads(self.tool("lpa-provision", "unit", "show", chip, "--dir", self.station, "--json").out)
        expect(shown["kms"]["state"] == "open", f"granted, not confirmed: {shown}")
        self.tool("lpa-provision", "unit", "scrap", chip, "--dir", self.station, check=EXIT_USAGE)
        self.tool("lpa-provision", "unit", "scrap", chip, "--dir", self.station, "--yes", "--reason", "cracked")
        again = self.tool("lpa-provision", "unit", "scrap", chip, "--dir", self.station, "--yes")
        expect("already" in again.out, f"scrapping again changes nothing: {again}")
        unit = self.one("TOFU", board, check=None)
        expect(unit["code"] in ("unit_scrapped", "grant_scrapped"), f"a scrapped board stays so: {unit}")
        expect(unit["result"] == "FAIL" and unit["permanent"], f"for good: {unit}")
        board.off()

    def confirmed_is_not_scrapped(self):
        board = self.board()
        self.one("TOFU", board)
        result = self.tool("lpa-provision", "unit", "scrap", board.uid, "--dir", self.station, "--yes",
                           check=EXIT_DENIED)
        expect("confirmed" in result.err, f"the reason is said: {result}")
        board.off()

    def receipt_owed(self):
        """Cut off between receipt and confirmation, board gone: the next run hands the receipt in without it."""
        board, other = self.board(), self.board()
        self.left_installed(board)
        board.off()
        before = self.lab.lot_show("TOFU")
        expect(before["open"] == 1, f"one is open: {before}")
        self.one("TOFU", other)
        after = self.lab.lot_show("TOFU")
        expect(after["open"] == 0, f"it was confirmed without its board: {after}")
        other.off()

    def terminated(self):
        board = self.board()
        process = subprocess.Popen(self.lab.provision_args(self.station, "TOFU", [board], extra=["-vv"]),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for text in process.stderr:
            if text.startswith("trace: journaled") and "identify do" in text:
                process.terminate()
                break
        process.stderr.close()
        out = process.stdout.read()
        process.wait(60)
        row = json.loads(out.splitlines()[0])
        expect(process.returncode == EXIT_UNIT, f"exit 1 expected, not {process.returncode}: {out}")
        expect(row["code"] == "stopped", f"it stopped between two steps: {row}")
        unit = self.one("TOFU", board)
        expect(unit["result"] == "PASS", f"and goes on later: {unit}")
        board.off()

    def rebuilt_journal(self):
        board = self.board()
        self.left_installed(board)
        journal = os.path.join(self.station, "journal.db")
        for suffix in ("-wal", "-shm"):
            if os.path.exists(journal + suffix):
                os.unlink(journal + suffix)
        with open(journal, "wb") as file:
            file.write(b"not a journal at all" * 100)
        result = self.lab.provision(self.station, "TOFU", [board], check=EXIT_VERIFY)
        expect("--rebuild" in result.err, f"the way out is named: {result}")
        result = self.tool("lpa-provision", "status", "--dir", self.station, "--rebuild", "--lot", "TOFU", "--json")
        expect(json.loads(result.out) == {"lot": "TOFU", "open_units": 1, "set_aside": True}, f"rebuilt: {result}")
        unit = self.one("TOFU", board)
        expect(unit["result"] == "PASS", f"the board goes on: {unit}")
        board.off()

    def rolled_back(self):
        """The station's folder comes back from a backup: the KMS knows a longer log, and nothing is issued."""
        copy = self.lab.path("backup")
        shutil.copytree(self.station, copy)
        board, other = self.board(), self.board()
        self.one("TOFU", board)
        before = self.lab.lot_show("TOFU")["granted"]
        result = self.lab.provision(copy, "TOFU", [other], check=EXIT_AUDIT)
        expect("rolled back" in result.err and "auditor" in result.err, f"said plainly: {result}")
        expect(self.lab.lot_show("TOFU")["granted"] == before, "nothing was granted")
        self.one("TOFU", other)
        board.off()
        other.off()

    def one_at_a_time(self):
        board = self.board()
        holder = subprocess.Popen(["flock", os.path.join(self.station, "lock"), "cat"], stdin=subprocess.PIPE)
        try:
            end = time.monotonic() + 5
            while time.monotonic() < end:
                result = self.lab.provision(self.station, "TOFU", [board], check=None)
                if result.code != EXIT_OK:
                    break
            expect(result.code == EXIT_TARGET and "another" in result.err, f"two at once are refused: {result}")
        finally:
            holder.stdin.close()
            holder.wait(10)
        self.one("TOFU", board)
        board.off()

    def same_board(self):
        """One chip id at two sites is one good unit, whichever site comes first. (One simulated board serves one probe, so
        there are two that say the same.)"""
        board = self.board()
        self.boards += 1
        boards = [board, Board(self.lab, self.boards, uid=board.uid)]
        for state in ("blank", "finished"):
            result = self.lab.provision(self.station, "TOFU", boards, check=EXIT_TARGET)
            good = [unit for unit in units_of(result) if unit["result"] == "PASS"]
            bad = [unit for unit in units_of(result) if unit.get("code") == "same_board"]
            expect(len(good) == 1 and len(bad) == 1, f"a {state} board counts once: {result}")
            expect(f"site {good[0]['site_number']}" in bad[0]["message"], f"the other site is named: {bad}")
            expect(summary_of(result)["passed"] == 1, f"a {state} board counts once: {result}")
            for each in boards:
                each.off()
            if state == "blank":
                done, other = boards if good[0]["site"] == boards[0].url else reversed(boards)
                shutil.copyfile(done.file, other.file)
                for each in boards:
                    each.power()

    def bad_config(self):
        copy = self.lab.path("bad-config")
        shutil.copytree(self.station, copy)
        with open(os.path.join(copy, "station.ini"), "a") as file:
            file.write("time_out = 5\n")
        result = self.tool("lpa-provision", "status", "--dir", copy, check=EXIT_USAGE)
        expect("time_out" in result.err and "line" in result.err, f"the unknown setting is named: {result}")

    # -- what people and other programs read ----------------------------------------------------------------------

    def at_terminal(self, boards, answers, **environment):
        """What an operator sees who types each answer when its cue has come since the last one; and the exit code."""
        pid, terminal = pty.fork()
        if pid == 0:
            probes = [word for board in boards for word in ("--probe", board.url)]
            os.execve(program("lpa-provision"), [program("lpa-provision"), "run", "--dir", self.station, "--lot", "TOFU",
                                                 "--image", self.lab.image, *probes], {**os.environ, **environment})
        shown, seen = b"", 0
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if not select.select([terminal], [], [], 0.5)[0]:
                continue
            try:
                part = os.read(terminal, 4096)
            except OSError:
                break
            if not part:
                break
            shown += part
            while answers and answers[0][0] in shown[seen:]:
                cue, answer = answers.pop(0)
                seen = shown.index(cue, seen) + len(cue)
                os.write(terminal, answer)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.close(terminal)
        return code, shown.decode(errors="replace")

    def terminal(self):
        board = self.board()
        code, text = self.at_terminal([board], [(b"q ends", b"\n"), (b"q ends", b"q\n")], NO_COLOR="")
        expect(code == EXIT_OK and "PASS" in text and "lot TOFU: granted" in text, f"exit {code}: {text}")
        expect(board.uid in text, f"the chip id is shown: {text}")
        expect("\033[1;30;42m" in text, f"PASS is green: {text!r}")
        board.off()

    def terminal_of_two(self):
        """A result leaves the prompt's line, and the prompt comes again below it; no colour where none is wanted."""
        boards = [self.board(), self.board()]
        code, text = self.at_terminal(boards, [(b"q ends): ", b"2\n"), (b"PASS", b""), (b"q ends): ", b"1\n"),
                                               (b"PASS", b""), (b"q ends): ", b"q\n")], NO_COLOR="1")
        expect(code == EXIT_OK and text.count("PASS") == 2, f"exit {code}: {text!r}")
        expect("\033[1" not in text and "\033[0m" not in text, f"no colours: {text!r}")
        for row in text.replace("\r\033[K", "\n").splitlines():
            expect(not ("PASS" in row and "q ends" in row), f"a result on a prompt's line: {row!r}")
        expect(text.rindex("q ends") > text.rindex("PASS"), f"the prompt comes again: {text!r}")
        for board in boards:
            board.off()

    def no_terminal(self):
        result = self.tool("lpa-provision", "run", "--dir", self.station, "--lot", "TOFU", "--image", self.lab.image,
                           "--probe", "tcp:127.0.0.1:1", check=EXIT_USAGE)
        expect("--batch" in result.err, f"the way out is named: {result}")

    def no_echo(self):
        """The code typed at the terminal does not appear on it."""
        tester = self.lab.add_tester("quiet")
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(program("lpa-provision"), [program("lpa-provision"), "login", "--dir", self.trusted, "--tester",
                                                "quiet"])
        shown, code = b"", tester.code()
        typed = False
        while True:
            try:
                part = os.read(terminal, 4096)
            except OSError:
                break
            if not part:
                break
            shown += part
            if b"code" in shown and not typed:
                time.sleep(0.2)
                os.write(terminal, code.encode() + b"\n")
                typed = True
        exit_code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.close(terminal)
        expect(typed and code.encode() not in shown, f"the code was not shown: {shown!r}")
        expect(exit_code in (EXIT_OK, EXIT_DENIED), f"exit {exit_code}: {shown!r}")

    def doctor(self):
        board = self.board()
        result = self.tool("lpa-provision", "doctor", "--dir", self.station, "--probe", board.url, "--json")
        report = json.loads(result.out)
        checks = {check["check"]: check["result"] for check in report["checks"]}
        expect(report["good"] and set(checks) >= {"certificate", "kms", "clock", "session", "journal", "log", "disk",
                                                  "probe"}, f"all is well: {result}")
        expect(all(value == "ok" for value in checks.values()), f"all is well: {result}")
        board.off()
        result = self.tool("lpa-provision", "doctor", "--dir", self.station, "--probe", board.url, check=EXIT_TARGET)
        expect("bad   probe" in result.out, f"the probe is missing: {result}")

    def exports(self):
        out, footer = self.lab.path("log.jsonl"), self.lab.path("log.footer")
        self.tool("lpa-audit", "export", "--dir", self.station, "--out", out, "--footer", footer)
        with open(out, "rb") as file:
            exact = file.read()
        with open(footer) as file:
            text = file.read()
        expect(f"sha256 {hashlib.sha256(exact).hexdigest()}\n" in text, "the footer's digest is the file's")
        records = [json.loads(line) for line in exact.splitlines()]
        expect(f"records {len(records)}\n" in text, "the footer's count is the file's")
        for number, (line, record) in enumerate(zip(exact.splitlines(), records)):
            canonical = json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
            expect(canonical == line and record["seq"] == number, f"record {number} is canonical")
        names = [tester for tester in (b"alice", b"petra") if tester in exact]
        expect(not names, f"no tester's name in clear: {names}")
        rows = list(csv.DictReader(io.StringIO(self.tool("lpa-audit", "export", "--dir", self.station, "--format",
                                                         "csv").out, newline="")))
        expect(len(rows) == len(records) and rows[3]["event"] == records[3]["ev"], "CSV has the same rows")
        report = json.loads(self.tool("lpa-audit", "verify", "--dir", self.station, "--json").out)
        expect(report["verdict"] == "ok" and report["witness_checked"], f"sound: {report}")
        lots = {lot["lot"]: lot for lot in report["lots"]}
        shown = self.lab.lot_show("TOFU")
        for what in ("granted", "confirmed", "scrapped", "open"):
            expect(lots["TOFU"][what] == shown[what], f"log and KMS agree on {what}: {lots['TOFU']}, {shown}")

    def logged_out(self):
        self.tool("lpa-provision", "logout", "--dir", self.station)
        board = self.board()
        result = self.lab.provision(self.station, "TOFU", [board], check=EXIT_DENIED)
        expect("login" in result.err, f"the way in is named: {result}")
        expect(not os.path.exists(os.path.join(self.station, "session")), "the session's file is gone")
        self.lab.audit(self.station)
        board.off()


CASES = [
    ("a manifest lot", Line.manifest), ("roles", Line.roles), ("a unit of another lot", Line.elsewhere),
    ("a certificate renewed", Line.renewal),
    ("the join-request of the self-test", Line.self_test), ("scrap an open grant", Line.scrap),
    ("a confirmed unit is not scrapped", Line.confirmed_is_not_scrapped), ("a receipt owed", Line.receipt_owed),
    ("SIGTERM between two steps", Line.terminated), ("a journal rebuilt from the KMS", Line.rebuilt_journal),
    ("a log rolled back", Line.rolled_back), ("one program at a time", Line.one_at_a_time), ("one board at two sites", Line.same_board),
    ("an unknown setting", Line.bad_config), ("an operator at a terminal", Line.terminal),
    ("an operator with two sites", Line.terminal_of_two),
    ("no terminal and no --batch", Line.no_terminal), ("the code is not echoed", Line.no_echo), ("doctor", Line.doctor),
    ("exports", Line.exports), ("logout", Line.logged_out),
]


if __name__ == "__main__":
    sys.exit(run_cases(CASES, Line))
