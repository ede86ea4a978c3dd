#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""report.py CSV [PLOT]: the table of what tools/bench measured, and a script for gnuplot that draws its ratios.

For each work and setup: the median of all rounds, and the median of the ratios to loopback of the same round, with the least and
the largest; p50 and p99 of the median round; processor time for one.
"""

import collections
import csv
import statistics
import sys

BASE = "loopback"


def read(path):
    """What was measured: values[work][setup][round] is a row."""
    values = collections.defaultdict(lambda: collections.defaultdict(dict))
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            values[row["work"]][row["setup"]][int(row["round"])] = row
    return values


def ratios(setup, base):
    return sorted(float(row["rate"]) / float(base[n]["rate"]) for n, row in setup.items() if n in base)


def median_row(setup):
    rows = sorted(setup.values(), key=lambda row: float(row["rate"]))
    return rows[(len(rows) - 1) // 2]


def table(values, out=sys.stdout):
    layout = "{:<13} {:<9} {:>10} {:>6} {:>11} {:>9} {:>9} {:>9} {:>9}"
    print(layout.format("work", "setup", "rate/s", "ratio", "least-most", "p50 µs", "p99 µs", "cpu µs", "daemon µs"), file=out)
    for work, setups in values.items():
        for name, setup in setups.items():
            row = median_row(setup)
            r = ratios(setup, setups.get(BASE, {}))
            print(layout.format(work, name, f"{statistics.median(float(v['rate']) for v in setup.values()):.0f}",
                                f"{statistics.median(r):.2f}" if r else "-", f"{r[0]:.2f}-{r[-1]:.2f}" if r else "-",
                                row["p50"], row["p99"], row["cpu"], row["daemon"]), file=out)


def plot(values, path, image):
    names = list(dict.fromkeys(name for setups in values.values() for name in setups if name != BASE))
    with open(path, "w", encoding="utf-8") as file:
        print("$data << END\nwork " + " ".join(names), file=file)
        for work, setups in values.items():
            r = {name: ratios(setups.get(name, {}), setups.get(BASE, {})) for name in names}
            if any(r.values()):
                print(work, *(f"{statistics.median(r[name]):.3f}" if r[name] else "NaN" for name in names), file=file)
        print("END\n"
              f"set terminal svg size {300 + 90 * len(values)},600 dynamic background 'white'\n"
              f"set output '{image}'\n"
              "set title 'against native loopback = 1'\n"
              "set style data histogram\nset style histogram cluster gap 1\nset style fill solid\n"
              "set xtics rotate by -30\nset grid y\nset key outside\nset yrange [0:*]\nset arrow from graph 0, first 1 to graph 1, first 1 nohead\n"
              f"plot for [i=2:{len(names) + 1}] $data using i:xtic(1) title columnheader(i)", file=file)


def main():
    values = read(sys.argv[1])
    table(values)
    if len(sys.argv) > 3:
        plot(values, sys.argv[2], sys.argv[3])


main()
