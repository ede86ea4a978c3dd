# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is in a directory of tools/bench."""

import collections
import csv
import statistics

BASE = "loopback"
SETUPS = (BASE, "bridge", "podman", "haproxy", "slirp", "pasta", "unix", "tcp")

Point = collections.namedtuple("Point", "cpu other ratios")


def ratios_of(setups, setup, base, column="rate"):
    """Of `setups[setup][round]`: the ratios of the same rounds, sorted; how many times as good, so of times the other way round."""
    ours, theirs = (setups.get(name, {}) for name in (setup, base))
    pairs = [(float(row[column]), float(theirs[n][column])) for n, row in ours.items() if n in theirs and row[column] != "-"]
    return sorted(a / b if column == "rate" else b / a for a, b in pairs)


class Run:
    """One run: `works[work][setup][round]` is a row of bench.csv, empty if that was not measured."""

    def __init__(self, directory):
        self.directory = directory
        self.works = collections.defaultdict(lambda: collections.defaultdict(dict))
        if not directory.is_dir():
            raise FileNotFoundError(2, "there is no such directory", str(directory))
        for row in self.rows("bench.csv"):
            self.works[row["work"]][row["setup"]][int(row["round"])] = row

    def rows(self, name):
        """The rows of a file of CSV, none if it is not there."""
        try:
            with open(self.directory / name, newline="", encoding="utf-8") as file:
                return list(csv.DictReader(file))
        except FileNotFoundError:
            return []

    def text(self, name):
        try:
            return (self.directory / name).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return ""

    def setups(self):
        """Those that were measured, in the order in which they are told."""
        found = {name for setups in self.works.values() for name in setups}
        return [name for name in SETUPS if name in found]

    def ratios(self, work, setup, base, column="rate"):
        """See ratios_of()."""
        return ratios_of(self.works.get(work, {}), setup, base, column)

    def median(self, work, setup, column="rate"):
        return statistics.median(float(row[column]) for row in self.works[work][setup].values())

    def median_row(self, work, setup):
        rows = sorted(self.works[work][setup].values(), key=lambda row: float(row["rate"]))
        return rows[(len(rows) - 1) // 2]

    def latencies(self):
        """[setup, clients, call]: the rows of all rounds"""
        found = collections.defaultdict(list)
        for row in self.rows("latency.csv"):
            found[row["setup"], int(row["clients"]), row["call"]].append(row)
        return found

    def scales(self):
        """[what][how many]: a Point: processor time, that where it stays as it is, and the ratios of the same rounds, sorted"""
        found = {}
        for path in sorted(self.directory.glob("scale-*.csv")):
            curve = collections.defaultdict(list)
            for row in self.rows(path.name):
                curve[int(row["count"])].append((float(row["cpu"]), float(row["cpu_other"])))
            found[path.stem.removeprefix("scale-")] = {
                count: Point(statistics.median(a for a, _ in rows), statistics.median(b for _, b in rows), sorted(a / b for a, b in rows))
                for count, rows in curve.items()}
        return found

    def floors(self):
        """[work][setup]: the rows of all rounds, by their number"""
        found = collections.defaultdict(lambda: collections.defaultdict(dict))
        for row in self.rows("floor.csv"):
            found[row["work"]][row["setup"]][int(row["round"])] = row
        return found

    def outside(self):
        """[way, what]: the ratios of the app to the host itself, sorted"""
        rounds = collections.defaultdict(dict)
        for row in self.rows("outside.csv"):
            if row["value"]:
                rounds[row["way"], row["what"], row["round"]][row["where"]] = float(row["value"])
        found = collections.defaultdict(list)
        for (way, what, _), places in rounds.items():
            if len(places) == 2:
                found[way, what].append(places["app"] / places["native"])
        return {key: sorted(ratios) for key, ratios in found.items()}
