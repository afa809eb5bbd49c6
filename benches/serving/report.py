#!/usr/bin/env python3
"""The table and the plot of results.json: report.py [results.json [plot.svg]]; the plot needs matplotlib."""

import json
import pathlib
import statistics
import sys

HERE = pathlib.Path(__file__).resolve().parent


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def figures_of(row):
    """What one round says of one way of asking; None for a load that would have taken too long."""
    best = max(row["loads"], key=lambda one: one["per_second"])
    found = {name: row[name] for name in ("start_s", "installed_mb")}
    for name in ("per_second", "cpu_us_per_request", "core_used", "core_lost_to_others", "rss_mb", "pss_mb"):
        found[name] = best[name]
    for clients in (1, 64):
        load = next((one for one in row["loads"] if one["clients"] == one["connections"] == clients), {})
        found |= {f"{name}_{clients}": load.get(name) for name in ("p50_ms", "p99_ms")}
    return found


def summary(rows):
    """One entry for each network, peer and way of asking: medians over the rounds."""
    groups = {}
    for row in rows:
        key = tuple(row[name] for name in ("network", "peer", "kind", "protocol"))
        groups.setdefault(key, []).append(figures_of(row))
    entries = []
    for (network, peer, kind, protocol), rounds in groups.items():
        entry = {"network": network, "peer": peer, "kind": kind, "protocol": protocol}
        entries.append(entry | {name: median([found[name] for found in rounds]) for name in rounds[0]})
    return sorted(entries, key=lambda entry: (entry["network"], entry["per_second"]))


def figures(value, digits=2):
    """A number with so many figures that count, and no exponent."""
    if value is None:
        return "–"
    if value >= 10 ** (digits - 1):
        return f"{round(value, digits - len(str(int(value)))):,.0f}"
    return f"{value:.{digits}g}"


COLUMNS = [
    "server",
    "asked by",
    "requests/s",
    "p50, p99 at 1 client, ms",
    "p50, p99 at 64, ms",
    "CPU a request, µs",
    "memory: RSS (PSS), MB",
    "start, s",
    "installed, MB",
]


def cells(entry):
    yield entry["peer"]
    yield f"{entry['kind']}, {entry['protocol']}"
    yield figures(entry["per_second"], 3)
    for clients in (1, 64):
        yield ", ".join(figures(entry[f"{name}_{clients}"]) for name in ("p50_ms", "p99_ms"))
    yield figures(entry["cpu_us_per_request"], 3)
    yield f"{figures(entry['rss_mb'], 3)} ({figures(entry['pss_mb'], 3)})"
    yield figures(entry["start_s"])
    yield figures(entry["installed_mb"])


def markdown(entries):
    lines = []
    for network in sorted({entry["network"] for entry in entries}):
        lines += [f"**`{network}`**", "", f"| {' | '.join(COLUMNS)} |", "|---|---|" + "--:|" * (len(COLUMNS) - 2)]
        lines += [f"| {' | '.join(cells(entry))} |" for entry in entries if entry["network"] == network]
        lines.append("")
    return "\n".join(lines)


def label(entry):
    """Kiln and the no-op are asked in two ways."""
    both = entry["peer"] == "Kiln" or entry["peer"].startswith("tonic")
    return f"{entry['peer']} ({entry['kind']})" if both else entry["peer"]


def plot(entries, path):
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    # Greys and colours that can be read on a white and on a dark page; the page shows through.
    ink, kiln, others, floor = "#808890", "#e8622c", "#5b8def", "#9aa3ab"
    pyplot.rcParams |= {
        "svg.fonttype": "path",
        "font.size": 9,
        "text.color": ink,
        "axes.labelcolor": ink,
        "xtick.color": ink,
        "ytick.color": ink,
        "axes.edgecolor": ink,
    }
    network = min(entry["network"] for entry in entries)
    shown = [entry for entry in entries if entry["network"] == network]
    figure, axes = pyplot.subplots(1, 2, figsize=(8.6, 3.6), sharey=True, layout="constrained")
    panels = [
        ("per_second", "requests a second, one core (more is better)"),
        ("p99_ms_64", "p99 with 64 clients, ms (less is better)"),
    ]
    for axis, (name, title) in zip(axes, panels, strict=True):
        values = [entry[name] or float("nan") for entry in shown]
        colours = [
            kiln if entry["peer"] == "Kiln" else floor if entry["peer"].startswith("tonic") else others
            for entry in shown
        ]
        bars = axis.barh([label(entry) for entry in shown], values, color=colours, height=0.7)
        axis.bar_label(bars, [figures(value) if value == value else "" for value in values], padding=3, color=ink)
        axis.set_xscale("log")
        axis.margins(x=0.18)
        axis.set_title(title, fontsize=9, color=ink)
        axis.grid(axis="x", alpha=0.25)
        axis.set_axisbelow(True)
        axis.tick_params(which="both", length=0)
        for side in axis.spines.values():
            side.set_visible(False)
    figure.savefig(path, transparent=True, metadata={"Date": None})


def main():
    results = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "results.json"
    picture = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else HERE / "results.svg"
    entries = summary(json.loads(results.read_text())["rows"])
    print(markdown(entries))
    plot(entries, picture)


if __name__ == "__main__":
    main()
