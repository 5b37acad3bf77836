#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A line of USB probes: boards behind unmodified libusb and hidapi on a mock USB host, KitProg3 and plain probes, provisioned in one run."""
import csv
import io
import json
import os
import sys

from lab import BUILD, Lab, Tap, expect, program, units_of

HOST = os.path.join(BUILD, "tests", "usb", "usb-host")


def wrapper(lab, name, *options):
    return [HOST, "--board", lab.path(name + ".state"), *options, "--"]


def mixed(lab, station):
    """Bulk and HID side by side, on the same boards twice."""
    lab.add_lot("MIXED", target=4)
    options = wrapper(lab, "mixed", "--mixed", "--boards", "4", "--uid", "51a0000000d00000", "--packet-size", "64")
    probes = ["usb@1-1", "hid@1-2", "usb@1-3", "hid@1-4"]
    units = units_of(lab.provision(station, "MIXED", probes, wrapper=options))
    expect(len(units) == 4 and all(unit["result"] == "PASS" for unit in units), f"four boards pass: {units}")
    again = units_of(lab.provision(station, "MIXED", probes, wrapper=options))
    identities = [{unit["chip_id"]: unit["dev_eui"] for unit in run} for run in (units, again)]
    expect(identities[0] == identities[1] and len(identities[0]) == 4, f"nothing is drawn a second time: {identities}")
    return "4 boards"


def kitprog(lab, station):
    """The probe's own acquire, and its measurement of the supply before each job."""
    lab.add_lot("KIT", first="70b3d57ed0020000", target=1)
    options = wrapper(lab, "kit", "--kitprog3", "--uid", "51a0000000d10000")
    units = units_of(lab.provision(station, "KIT", ["usb:04b4:f155:51a0000000d10000"], wrapper=options))
    expect(units[0]["result"] == "PASS", f"a board on a KitProg3 passes: {units}")
    probe = units[0]["probe"]
    expect(probe["serial"] == "51a0000000d10000" and probe["firmware"] == "2.82.1735" and "KitProg3" in probe["product"] and
           probe["vendor"], f"the run says which probe it was: {probe}")
    records = lab.run(program("lpa-audit"), "export", "--dir", station, "--format", "csv").out
    rows = [row for row in csv.DictReader(io.StringIO(records, newline="")) if row["chip_id"] == units[0]["chip_id"]]
    told = {(row["probe_vendor"], row["probe_product"], row["probe_serial"], row["probe_firmware"]) for row in rows}
    expect(told == {(probe["vendor"], probe["product"], probe["serial"], probe["firmware"])}, f"so does each record: {told}")
    shown = lab.run(program("lpa-provision"), "unit", "show", units[0]["chip_id"], "--dir", station, "--json").out
    expect(json.loads(shown)["journal"]["probe"] == probe, f"and the journal: {shown}")
    lab.add_lot("DARK", first="70b3d57ed0030000", target=1)
    options = wrapper(lab, "dark", "--miniprog4", "--uid", "51a0000000d20000")
    dark = lab.provision(station, "DARK", ["usb@1-1"], wrapper=options, check=None)
    expect('"result":"ERROR"' in dark.out and "0.00 V" in dark.out + dark.err, f"no supply, no work: {dark}")


def main():
    if not os.path.exists(HOST):
        print("1..0 # SKIP this build has no umockdev")
        return 0
    tap = Tap()
    with Lab() as lab:
        lab.setup_kms()
        lab.serve_kms()
        station = lab.add_station()
        lab.login(station, lab.add_tester("alice"))
        tap.case("USB bulk and HID probes in one run", mixed, lab, station)
        tap.case("KitProg3, and a MiniProg4 without supply", kitprog, lab, station)
        tap.case("the log verifies", lab.audit, station)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
