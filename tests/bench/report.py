#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tools/bench measured, from the data in its directories.

report.py table DIR        bench.csv as a table, and bench.gnuplot, which draws its ratios
report.py memory DIR       memory.csv as a table
report.py latency DIR      latency.csv as a table
report.py floor DIR        floor.csv as a table
report.py scale DIR        scale-*.csv as a table, and scale.gnuplot
report.py targets DIR...   what is wanted, and whether it is met in all of these runs; and the ratios of all works. In Markdown.

For each work and setup: the median of all rounds, and the median of the ratios to loopback of the same round, with the least and
the largest; p50 and p99 of the median round; processor time in µs for one (of streams: a megabyte), of client, server, daemon and what
is between; memory of the daemon and of what is between.
"""

import pathlib
import statistics
import sys

import targets
from data import BASE, Run, ratios_of

GROUPS = {
    "new connections": ("accept", "epoll", "http-new"),
    "connections that stay": ("http-kept", "redis", "pgbench", "grpc", "rtt"),
    "streams": ("stream",),
}


def figure(text):
    """Of a column, "-" where there is none."""
    if text == "-":
        return text
    value = float(text)
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def table(run):
    layout = "{:<13} {:<9} {:>9} {:>6} {:>11} {:>9} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>10} {:>10}"
    print(layout.format("work", "setup", "rate/s", "ratio", "least-most", "p50 µs", "p99 µs", "cpu µs", "client", "server", "daemon",
                        "between", "daemon kB", "between kB"))
    for work, setups in run.works.items():
        for name in (name for name in run.setups() if name in setups):
            row = run.median_row(work, name)
            r = run.ratios(work, name, BASE)
            print(layout.format(work, name, figure(str(run.median(work, name))), f"{statistics.median(r):.2f}" if r else "-",
                                f"{r[0]:.2f}-{r[-1]:.2f}" if r else "-",
                                *(figure(row[c]) for c in ("p50", "p99", "cpu", "cpu_client", "cpu_server", "cpu_daemon", "cpu_between")),
                                *(row[c] for c in ("mem_daemon", "mem_between"))))
    for row in run.rows("memory-idle.csv"):
        print(f"\nappswitchd: VmRSS: {row['rss']} kB")


def plot(run):
    names = [name for name in run.setups() if name != BASE]
    blocks, plots = [], []
    for number, (title, prefixes) in enumerate(GROUPS.items()):
        works = [w for w in run.works if w.startswith(prefixes)]
        if not works or not names:
            continue
        lines = [f"$data{number} << END", "work " + " ".join(names)]
        for work in works:
            r = [run.ratios(work, name, BASE) for name in names]
            lines.append(" ".join([work] + [f"{statistics.median(x):.3f}" if x else "NaN" for x in r]))
        blocks.append("\n".join(lines + ["END"]))
        plots.append(f"set title '{title}: rate against native loopback = 1'\n"
                     f"plot for [i=2:{len(names) + 1}] $data{number} using i:xtic(1) title columnheader(i)")
    with open(run.directory / "bench.gnuplot", "w", encoding="utf-8") as file:
        print("\n".join(blocks), "set encoding utf8", f"set terminal svg size 1200,{max(1, len(plots)) * 340} background 'white'",
              "set output 'bench.svg'", "set style data histogram", "set style histogram cluster gap 1", "set style fill solid noborder",
              "set logscale y 2", "set yrange [0.03:4]", "set grid y", "set key outside", "set xtics nomirror",
              "set arrow from graph 0, first 1 to graph 1, first 1 nohead front", f"set multiplot layout {max(1, len(plots))},1",
              *plots, "unset multiplot", sep="\n", file=file)


def memory(run):
    print(f"{'apps':>6} {'connections':>12} {'VmRSS kB':>9} {'anonymous kB':>13}")
    for row in run.rows("memory.csv"):
        print(f"{row['apps']:>6} {row['connections']:>12} {row['rss']:>9} {row['anonymous']:>13}")


def latency(run):
    print(f"{'setup':<8} {'clients':>7} {'call':<13} {'n':>9} {'p50 µs':>9} {'p99 µs':>9} {'p99.9 µs':>9} {'longest':>9}   (medians of the rounds)")
    for (setup, clients, call), rows in run.latencies().items():
        if call != "daemon-waits":
            print(f"{setup:<8} {clients:>7} {call:<13} {sum(int(r['n']) for r in rows):>9}",
                  *(f"{statistics.median(float(r[c]) for r in rows):>9.1f}" for c in ("p50", "p99", "p999", "longest")))
    for (setup, clients, call), rows in run.latencies().items():
        if call == "daemon-waits":
            print(f"{setup}, {clients} clients: threads of appswitchd waited {statistics.median(float(r['p50']) for r in rows):.1f} µs in the mean for a processor")


def floor(run):
    print(f"{'work':<12} {'setup':<8} {'rate/s':>9} {'ratio':>6}  {'least-most':<10} {'cpu µs':>7}   (medians of the rounds; ratios to native of the same round)")
    for work, setups in run.floors().items():
        for name, rounds in setups.items():
            r = ratios_of(setups, name, "native")
            rate, cpu = (statistics.median(float(row[c]) for row in rounds.values()) for c in ("rate", "cpu"))
            print(f"{work:<12} {name:<8} {rate:>9.0f} {statistics.median(r):>6.2f}  {r[0]:.2f}-{r[-1]:.2f} {cpu:>8.1f}")


def scale(run):
    print(f"{'among':<12} {'how many':>9} {'daemon µs':>10} {'among 1':>8} {'ratio':>6}  least-most")
    blocks, plots = [], []
    for dimension, curve in run.scales().items():
        lines = [f"${dimension} << END"]
        for count, point in curve.items():
            r = point.ratios
            print(f"{dimension:<12} {count:>9} {point.cpu:>10.1f} {point.other:>8.1f} {statistics.median(r):>6.2f}  {r[0]:.2f}-{r[-1]:.2f}")
            lines.append(f"{count} {statistics.median(r):.3f}")
        blocks.append("\n".join(lines + ["END"]))
        plots.append(f"${dimension} using 1:2 with linespoints title '{dimension}'")
    with open(run.directory / "scale.gnuplot", "w", encoding="utf-8") as file:
        print("\n".join(blocks), "set encoding utf8", "set terminal svg size 800,400 background 'white'", "set output 'scale.svg'",
              "set title 'processor time of the daemon for a connection, against that among one'", "set logscale x", "set yrange [0:*]", "set grid",
              "set key outside", "plot " + ", ".join(plots), sep="\n", file=file)


def main():
    what, *directories = sys.argv[1:]
    try:
        runs = [Run(pathlib.Path(d)) for d in directories]
        if what == "targets":
            targets.report(runs)
            return
        run, = runs
        {"table": table, "memory": memory, "latency": latency, "floor": floor, "scale": scale}[what](run)
        if what == "table":
            plot(run)
    except FileNotFoundError as e:
        sys.exit(f"bench: {e.filename}: {e.strerror}")


main()
