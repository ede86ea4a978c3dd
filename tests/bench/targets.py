# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tools/bench is to show, and whether it does."""

import statistics

from data import BASE, ratios_of

# Which works; against which setup how many times as much; what of it; whether TCP between the two may be what does it.
RATES = (
    (("http-new-1", "http-new-16"), {"loopback": 1.05, "bridge": 1.7, "haproxy": 5}, "rate", False),
    (("http-kept-1", "http-kept-16", "http-kept-64", "redis-get", "redis-set", "redis-50"),
     {"loopback": 1.1, "bridge": 1.7, "haproxy": 3.5}, "rate", False),
    (("grpc-100",), {"loopback": 1.1, "bridge": 1.7, "haproxy": 3.5}, "p50", False),
    (("stream-64k", "stream-256k", "stream-1m", "stream-64k-4"), {"loopback": 1.4, "bridge": 2, "haproxy": 5}, "rate", False),
    (("stream-1k", "stream-8k", "stream-8k-4", "redis-get-p16", "redis-set-p16"),
     {"loopback": 0.97, "bridge": 1.1, "haproxy": 3}, "rate", True),
)
STARTS = {"loopback": 1.5, "podman": 0.1}    # times as long
OUTSIDE = 1.00
STEADY = ("sent", "received", "trips", "requests")
MEMORY = {10: 6000, 1000: 60000}             # kB
LATENCY = 200                                # µs
GROWTH = 1.2                                 # of the cost of a connection, largest to smallest number
OURS = "unix"


def spread(ratios):
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def verdict(met):
    return "met" if met else "**not met**"


def line(*cells):
    print("| " + " | ".join(cells) + " |")


def head(*cells):
    line(*cells)
    print("|" + "---|" * len(cells))


class Judge:
    """Prints rows, and counts."""

    def __init__(self):
        self.met = self.rows = 0

    def row(self, what, wanted, values, met):
        self.rows += 1
        self.met += met
        line(what, wanted, *values, verdict(met))


def rates(judge, runs):
    for works, wanted, column, tcp_may in RATES:
        for work in works:
            for base, least in wanted.items():
                names = (OURS, "tcp") if tcp_may else (OURS,)
                found = [[(name, r) for name in names if (r := run.ratios(work, name, base, column))] for run in runs]
                if not all(found):
                    continue
                best = [max(candidates, key=lambda c: statistics.median(c[1])) for candidates in found]
                judge.row(f"{work}{', p50' if column == 'p50' else ''} against {base}", f"at least {least:.2f}",
                          [spread(r) + (" by tcp" if name == "tcp" else "") for name, r in best],
                          all(round(statistics.median(r), 2) >= least for _, r in best))


def starts(judge, runs):
    for base, most in STARTS.items():
        found = [sorted(1 / r for r in run.ratios("start", OURS, base, "p50")) for run in runs]
        if all(found):
            judge.row("start of an app, times as long as " + {"loopback": "systemd-run --scope", "podman": "podman run"}[base],
                      f"at most {most:.2f}", [spread(r) for r in found], all(round(statistics.median(r), 2) <= most for r in found))


def outside(judge, runs):
    for key in runs[0].outside():
        found = [run.outside().get(key) for run in runs]
        if key[1] in STEADY and all(found):
            judge.row(f"outside, {key[0]}, {key[1]}", f"at least {OUTSIDE:.2f}", [spread(r) for r in found],
                      all(round(statistics.median(r), 2) >= OUTSIDE for r in found))


def memory(judge, runs):
    found = [{(int(row["apps"]), int(row["connections"])): int(row["rss"]) for row in run.rows("memory.csv")} for run in runs]
    if not all(found):
        return
    for apps, most in MEMORY.items():
        key = max(k for k in found[0] if k[0] == apps)
        judge.row(f"memory of appswitchd, {apps:,} apps, {key[1]:,} connections", f"at most {most / 1000:.0f} MB",
                  [f"{f[key] / 1000:.1f} MB" for f in found], all(f[key] <= most for f in found))


def latency(judge, runs):
    for call in ("getsockname", "connect", "accept4"):
        found = []
        for run in runs:
            rows = [run.latencies().get((setup, 16, call)) for setup in (OURS, "native")]
            if all(rows):
                found.append([statistics.median(float(r["p999"]) for r in of_one) for of_one in rows])
        if len(found) == len(runs):
            judge.row(f"p99.9 of {call}, 16 clients at full load", f"below {LATENCY} µs",
                      [f"{ours:.0f} µs (natively {native:.0f})" for ours, native in found], all(ours < LATENCY for ours, _ in found))


def scale(judge, runs):
    for dimension in runs[0].scales():
        curves = [run.scales().get(dimension) for run in runs]
        if not all(curves):
            continue
        growths = [curve[max(curve)].ratios for curve in curves]
        judge.row(f"cost of a connection, {max(curves[0]):,} {dimension} against {min(curves[0])}", f"at most {GROWTH:.2f}",
                  [spread(g) for g in growths], all(round(statistics.median(g), 2) <= GROWTH for g in growths))


def cpu(us):
    return f"{us:,.0f}" if us >= 10 else f"{us:.1f}"


def all_ratios(run):
    """A table of all works and setups."""
    setups = run.setups()
    print("\nRates against native loopback in the same round, medians; and processor time of all that takes part, in µs for one "
          "(of a stream: for a megabyte):\n")
    head("work", *setups)
    for work in run.works:
        cells = []
        for name in setups:
            r = run.ratios(work, name, BASE)
            cells.append(f"{statistics.median(r):.2f} · {cpu(run.median(work, name, 'cpu'))}" if r else "")
        line(work, *cells)


def floors(run):
    """What there is no getting below, so what to read the targets by; none itself."""
    works = run.floors()
    if not works:
        return
    setups = [name for name in next(iter(works.values())) if name != "native"]
    print("\nThe least a supervisor can take that is asked about each connect(2) and accept(2), joins pairs of sockets and "
          "answers as TCP does, by how it waits (`tests/bench/floor.c`: without policy, names, options and all else), and `unix`, AppSwitch. Rates against native of the same "
          "round, medians, with the least and the largest:\n")
    head("work", *setups)
    for work, of_work in works.items():
        line(work, *(spread(r) if (r := ratios_of(of_work, name, "native")) else "" for name in setups))


def report(runs):
    judge = Judge()
    for run in runs:
        print(f"- {run.directory}: {run.text('machine.txt')}")
        if left := run.text("left-out.txt"):
            print("  " + left.replace("\n", "\n  "))
    print("\nMedians of the ratios in the same round, with the least and the largest.\n")
    head("what", "wanted", *(f"run {n}" if len(runs) > 1 else "measured" for n in range(1, len(runs) + 1)), "")
    for part in (rates, starts, outside, memory, latency, scale):
        part(judge, runs)
    print(f"\n{judge.met} of {judge.rows} met.")
    for run in runs:
        if run.works:
            all_ratios(run)
        floors(run)
