"""Draws the dashboards from a running Prometheus' answers to the panels' own queries, in Grafana's manner, where no Grafana
is at hand. Usage: draw.py ADDRESS FOLDER [MINUTES]; tests/stack/README.md says how to get such a Prometheus."""

import asyncio
import io
import math
import re
import sys
import time
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy
from matplotlib.patches import FancyBboxPatch, Rectangle
from PIL import Image
from prometheus import Prometheus, fill_in, panels

CANVAS, PANEL, EDGE, TEXT, FAINT, GRID = "#111217", "#181b1f", "#2a2d33", "#d8d9dd", "#8e9199", "#2b2e34"
PALETTE = ["#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#fade2a", "#56a64b", "#e0b400", "#3274d9", "#ff9830"]
NAMED = {
    "green": "#73bf69", "red": "#f2495c", "blue": "#5794f2", "light-orange": "#ffb357", "dark-orange": "#fa6400",
    "light-blue": "#8ab8ff", "dark-blue": "#1f60c4", "light-green": "#96d98d", "dark-green": "#37872d",
    "light-purple": "#ca95e5", "dark-purple": "#8f3bb8",
}
# Which rows of a dashboard are drawn: what fits a page.
ROWS = {
    "kiln-serving": ["", "Requests", "Latency", "HTTP", "Queue and batches", "Instances"],
    "kiln-model": ["", "Answers", "Confidence", "Inputs"],
}
UNIT, GAP, WIDTH = 0.36, 0.055, 0.62  # inches: height of a grid row, gap, width of a grid column


def formatted(value, unit):
    """A value as Grafana writes it."""
    if value is None or not math.isfinite(value):
        return "–"
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit in ("s", "µs"):
        seconds = value if unit == "s" else value / 1e6
        for size, name in ((1, "s"), (1e-3, "ms"), (1e-6, "µs")):
            if abs(seconds) >= size:
                return f"{seconds / size:.3g} {name}"
        return "0 s" if seconds == 0 else f"{seconds * 1e6:.2g} µs"
    suffixes = {"bytes": " B", "Bps": " B/s", "reqps": " req/s"}
    suffix = suffixes.get(unit, "")
    sizes = ((2**30, "Gi"), (2**20, "Mi"), (2**10, "Ki")) if unit == "bytes" else ((1e9, "G"), (1e6, "M"), (1e3, "k"))
    for size, name in sizes:
        if abs(value) >= size:
            return f"{value / size:.3g} {name}{suffix.strip()}" if suffix else f"{value / size:.3g} {name}"
    text = f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    return text + suffix


def legend(template, labels):
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), template)


def colour(name):
    return NAMED.get(name, name)


class Drawing:
    """One dashboard on one page."""

    def __init__(self, prometheus, dashboard, minutes):
        self.prometheus, self.dashboard, self.minutes = prometheus, dashboard, minutes
        self.seconds, self.step = minutes * 60, max(5, minutes * 60 // 120)

    def chosen(self):
        """The panels of the rows that are drawn, moved up where a row before them is not."""
        wanted, row, moved, skipped, last = ROWS[self.dashboard["uid"]], "", [], 0, 0
        for panel in self.dashboard["panels"]:
            place = panel["gridPos"]
            if panel["type"] == "row":
                row = panel["title"]
            if row in wanted:
                moved.append((panel, place["y"] - skipped))
                last = max(last, place["y"] - skipped + place["h"])
            else:
                skipped = place["y"] + place["h"] - last
        return moved, last

    async def save(self, path):
        chosen, height = self.chosen()
        size = (24 * WIDTH, height * UNIT + 0.75)
        figure = plt.figure(figsize=size, facecolor=CANVAS)
        figure.text(0.012, 1 - 0.33 / size[1], self.dashboard["title"], color=TEXT, fontsize=15, weight="bold", va="center")
        figure.text(0.988, 1 - 0.33 / size[1], f"last {self.minutes} minutes", color=FAINT, fontsize=10, va="center", ha="right")
        for panel, row in chosen:
            place = panel["gridPos"]
            box = [
                place["x"] / 24 + GAP / size[0],
                (size[1] - 0.68 - (row + place["h"]) * UNIT + GAP) / size[1],
                place["w"] / 24 - 2 * GAP / size[0],
                (place["h"] * UNIT - 2 * GAP) / size[1],
            ]
            if panel["type"] == "row":
                figure.text(box[0] + 0.004, box[1] + box[3] / 2, "⌄  " + panel["title"], color=TEXT, fontsize=11, va="center")
                continue
            await self.panel(figure, panel, box, size)
        buffer = io.BytesIO()
        figure.savefig(buffer, dpi=100, facecolor=CANVAS)
        plt.close(figure)
        # Few colours are enough for lines on a dark ground, and a third of the bytes.
        picture = Image.open(buffer).convert("RGB").quantize(128, dither=Image.Dither.NONE)
        picture.save(path, optimize=True)
        print(f"{path}: {picture.width}x{picture.height}, {path.stat().st_size} bytes")

    async def panel(self, figure, panel, box, size):
        figure.patches.append(FancyBboxPatch(
            (box[0], box[1]), box[2], box[3], transform=figure.transFigure, boxstyle="round,pad=0,rounding_size=0.002",
            facecolor=PANEL, edgecolor=EDGE, linewidth=0.8, zorder=-1,
        ))
        figure.text(box[0] + 0.1 / size[0], box[1] + box[3] - 0.15 / size[1], panel["title"], color=TEXT, fontsize=9.5, va="center")
        series = []
        for target in panel["targets"]:
            expr = fill_in(target["expr"], self.dashboard, {})
            if target.get("instant"):
                series += [(legend(target["legendFormat"], labels), [value]) for labels, value in await self.prometheus.instant(expr)]
                continue
            now = time.time()
            answer = await self.prometheus.ask("query_range", query=expr, start=now - self.seconds, end=now, step=self.step)
            for each in answer["result"]:
                found = {round((at - now + self.seconds) / self.step): float(value) for at, value in each["values"]}
                values = [found.get(number, math.nan) for number in range(self.seconds // self.step + 1)]
                series.append((legend(target["legendFormat"], each["metric"]), values))
        draw = {"stat": self.stat, "timeseries": self.lines, "heatmap": self.heat, "bargauge": self.bars, "table": self.table}[panel["type"]]
        draw(figure, panel, box, size, series)

    def axes(self, figure, box, size, left=0.62, bottom=0.25, top=0.38, right=0.15):
        axes = figure.add_axes([
            box[0] + left / size[0], box[1] + bottom / size[1],
            box[2] - (left + right) / size[0], box[3] - (bottom + top) / size[1],
        ], facecolor="none")
        axes.tick_params(colors=FAINT, labelsize=7.5, length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return axes

    def clock(self, axes, count):
        marks = numpy.linspace(0, count - 1, 5)[:-1]
        ends = time.time()
        texts = [time.strftime("%H:%M", time.gmtime(ends - self.seconds + mark * self.step)) for mark in marks]
        axes.set_xticks(marks, texts)
        axes.set_xlim(0, count - 1)

    def stat(self, figure, panel, box, size, series):
        defaults = panel["fieldConfig"]["defaults"]
        finite = [(name, [value for value in values if math.isfinite(value)]) for name, values in series]
        value = finite[0][1][-1] if finite and finite[0][1] else None
        shade = TEXT
        for step in defaults.get("thresholds", {}).get("steps", []):
            if value is not None and (step["value"] is None or value >= step["value"]):
                shade = colour(step["color"])
        if len(series) and len(series[0][1]) > 2:
            axes = self.axes(figure, box, size, left=0.01, bottom=0.01, top=0.8, right=0.01)
            line = numpy.array(series[0][1])
            axes.fill_between(range(len(line)), line, numpy.nanmin(line) if numpy.isfinite(line).any() else 0, color=shade, alpha=0.13, linewidth=0)
            axes.plot(line, color=shade, linewidth=1.2, alpha=0.8)
            axes.set_axis_off()
            axes.margins(x=0, y=0.1)
        text = formatted(value, defaults["unit"]) if value is not None else defaults.get("noValue", "idle")
        figure.text(box[0] + box[2] / 2, box[1] + box[3] * 0.52, text, color=shade, fontsize=21 if len(text) < 12 else 11, ha="center", va="center")

    def colours(self, panel, series):
        rules = panel["fieldConfig"].get("overrides") or []
        chosen = []
        for number, (name, _) in enumerate(series):
            style = {"color": PALETTE[number % len(PALETTE)], "dash": "-", "width": 1.5, "fill": True}
            for rule in rules:
                matcher = rule["matcher"]
                matches = name == matcher["options"] if matcher["id"] == "byName" else re.search(matcher["options"].strip("/"), name)
                for change in rule["properties"] if matches else []:
                    if change["id"] == "color":
                        style["color"] = colour(change["value"]["fixedColor"])
                    if change["id"] == "custom.lineStyle":
                        style.update(dash=(0, (4, 3)), width=1.1, fill=False)
            chosen.append(style)
        return chosen

    def lines(self, figure, panel, box, size, series):
        defaults = panel["fieldConfig"]["defaults"]
        unit, custom = defaults["unit"], defaults.get("custom", {})
        shown = sorted(series, key=lambda each: "a day before" in each[0])
        rows, columns = self.key_grid([name for name, _ in shown], box[2] * size[0])
        axes = self.axes(figure, box, size, bottom=0.36 + 0.165 * rows)
        styles = self.colours(panel, shown)
        if not shown:
            figure.text(box[0] + box[2] / 2, box[1] + box[3] / 2, defaults.get("noValue", "No data"), color=FAINT, fontsize=10, ha="center")
        count = self.seconds // self.step + 1
        stacked = custom.get("stacking", {}).get("mode") == "normal"
        base = numpy.zeros(count)
        for (_, values), style in zip(shown, styles, strict=True):
            line = numpy.array(values)
            if stacked:
                line, under = base + numpy.nan_to_num(line), base.copy()
                axes.fill_between(range(count), line, under, color=style["color"], alpha=0.35, linewidth=0)
                base = line
            elif style["fill"] and custom.get("fillOpacity"):
                axes.fill_between(range(count), line, 0, color=style["color"], alpha=0.09, linewidth=0)
            axes.plot(line, color=style["color"], linewidth=style["width"], linestyle=style["dash"], solid_joinstyle="round")
        if custom.get("thresholdsStyle", {}).get("mode") == "dashed":
            for step in defaults["thresholds"]["steps"]:
                if step["value"] is not None:
                    axes.axhline(step["value"], color=colour(step["color"]), linewidth=1, linestyle=(0, (5, 4)), alpha=0.9)
        axes.grid(color=GRID, linewidth=0.6)
        self.clock(axes, count)
        bottom, top = axes.get_ylim()
        below = any(value < -1e-9 for _, values in shown for value in values if math.isfinite(value))
        axes.set_ylim(bottom if below else 0, defaults.get("max") or (top if top > 0 else 1))
        axes.yaxis.set_major_locator(self.ticks(unit, defaults.get("decimals") == 0, axes.get_ylim()[1]))
        axes.yaxis.set_major_formatter(lambda value, _: formatted(value, unit))
        self.key(figure, box, size, shown, styles, unit, rows, columns)

    @staticmethod
    def ticks(unit, integer, top):
        """Round numbers: powers of two for bytes."""
        if unit == "bytes":
            return matplotlib.ticker.MultipleLocator(2 ** max(0, math.floor(math.log2(max(top, 1))) - 1))
        return matplotlib.ticker.MaxNLocator(4, integer=integer)

    @staticmethod
    def key_grid(names, width):
        """Rows and columns of a legend: one column with values for a few names, else as many as fit."""
        if len(names) <= 4:
            return len(names), 1
        columns = max(2, min(5, int(width / (0.35 + 0.068 * max(map(len, names))))))
        return min(3, math.ceil(len(names) / columns)), columns

    def key(self, figure, box, size, shown, styles, unit, rows, columns):
        """The legend: names and last values."""
        for number, ((name, values), style) in enumerate(list(zip(shown, styles, strict=True))[: rows * columns]):
            x = box[0] + (0.14 + (number // rows) * (box[2] * size[0] - 0.2) / columns) / size[0]
            y = box[1] + (0.09 + 0.165 * (rows - 1 - number % rows)) / size[1]
            finite = [value for value in values if math.isfinite(value)]
            figure.add_artist(matplotlib.lines.Line2D([x, x + 0.14 / size[0]], [y, y], color=style["color"], linewidth=2.2, linestyle=style["dash"]))
            fits = int((box[2] * size[0] / columns - 0.35) / 0.062) - (12 if columns == 1 else 0)
            short = name if len(name) <= fits else name[: fits - 1] + "…"
            figure.text(x + 0.2 / size[0], y, short, color=TEXT, fontsize=7.5, va="center")
            if columns == 1:
                figure.text(box[0] + box[2] - 0.14 / size[0], y, formatted(finite[-1] if finite else None, unit), color=FAINT, fontsize=7.5, va="center", ha="right")

    def heat(self, figure, panel, box, size, series):
        unit = panel["fieldConfig"]["defaults"]["unit"]
        ordered = sorted(series, key=lambda each: float(each[0].replace("+Inf", "inf")))
        cumulative = numpy.array([values for _, values in ordered])
        counts = numpy.nan_to_num(numpy.diff(cumulative, axis=0, prepend=0))
        counts[counts <= 0] = numpy.nan
        filled = numpy.flatnonzero(numpy.isfinite(counts).any(axis=1))
        low, high = (filled.min(), filled.max() + 1) if len(filled) else (0, len(counts))
        axes = self.axes(figure, box, size, bottom=0.3)
        axes.pcolormesh(counts[low:high], cmap="turbo", norm=matplotlib.colors.PowerNorm(0.5), edgecolors=PANEL, linewidth=0.15)
        names = [formatted(float(name.replace("+Inf", "inf")), unit) if name != "+Inf" else "more" for name, _ in ordered][low:high]
        thin = max(1, math.ceil(len(names) / 9))
        axes.set_yticks(numpy.arange(1, len(names) + 1)[::thin], names[::thin])
        self.clock(axes, counts.shape[1])

    def bars(self, figure, panel, box, size, series):
        unit = panel["fieldConfig"]["defaults"]["unit"]
        if not series:
            figure.text(box[0] + box[2] / 2, box[1] + box[3] / 2, panel["fieldConfig"]["defaults"].get("noValue", "No data"), color=FAINT, ha="center")
            return
        ordered = sorted(series)
        axes = self.axes(figure, box, size, left=0.35, bottom=0.12, right=0.6)
        top = max(values[-1] for _, values in ordered)
        shades = matplotlib.colormaps["cool"]
        for number, (name, values) in enumerate(ordered):
            axes.add_patch(Rectangle((0, -number - 0.38), top, 0.76, color="#22252b", linewidth=0))
            axes.add_patch(Rectangle((0, -number - 0.38), values[-1], 0.76, color=shades(0.25 + 0.6 * values[-1] / top), linewidth=0, alpha=0.85))
            axes.text(-top * 0.025, -number, name.split(",")[0], color=TEXT, fontsize=8, ha="right", va="center")
            axes.text(top * 1.02, -number, formatted(values[-1], unit), color=TEXT, fontsize=8, va="center")
        axes.set_xlim(0, top)
        axes.set_ylim(-len(ordered) + 0.5, 0.5)
        axes.set_axis_off()

    def table(self, figure, panel, box, size, series):
        for number, (name, values) in enumerate(series[:8]):
            y = box[1] + box[3] - (0.5 + 0.22 * number) / size[1]
            figure.text(box[0] + 0.15 / size[0], y, name, color=TEXT, fontsize=8.5)
            figure.text(box[0] + box[2] - 0.15 / size[0], y, formatted(values[-1], "short"), color=FAINT, fontsize=8.5, ha="right")


async def main():
    prometheus, folder = Prometheus(sys.argv[1]), Path(sys.argv[2])
    minutes = int(sys.argv[3]) if len(sys.argv) > 3 else 6
    folder.mkdir(parents=True, exist_ok=True)
    for name, dashboard in {dashboard["uid"]: dashboard for dashboard, _ in panels()}.items():
        await Drawing(prometheus, dashboard, minutes).save(folder / f"{name.removeprefix('kiln-')}.png")


if __name__ == "__main__":
    asyncio.run(main())
