"""Questions to Prometheus, and the dashboards' panels as such questions."""

import asyncio
import json
import math
import re
import time
import urllib.parse
import urllib.request
from pathlib import Path

DASHBOARDS = Path(__file__).resolve().parents[2] / "dashboards"
# As Grafana fills them in: a dashboard over 15 minutes, and the data source's scrape interval of 5 s.
BUILT_IN = {"$__rate_interval": "20s", "$__range": "15m", "$__interval": "5s"}


class Prometheus:
    """A running Prometheus at `address`."""

    def __init__(self, address):
        self.address = address

    async def ask(self, path, **parameters):
        """The `data` of an answer of the HTTP API."""
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"

        def fetch():
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]

        return await asyncio.to_thread(fetch)

    async def instant(self, expr):
        """The series now: labels and value."""
        answer = (await self.ask("query", query=expr))["result"]
        return [(series["metric"], float(series["value"][1])) for series in answer]

    async def range(self, expr, seconds=300, step=5):
        """The series over the last seconds: labels and values."""
        now = time.time()
        answer = await self.ask("query_range", query=expr, start=now - seconds, end=now, step=step)
        return [(series["metric"], [float(value) for _, value in series["values"]]) for series in answer["result"]]

    async def one(self, expr, default=0.0):
        """The value of a question with one answer."""
        answer = await self.instant(expr)
        return answer[0][1] if answer else default

    async def targets_up(self, job="kiln"):
        """Addresses that answered the last scrape, and how many there are."""
        active = (await self.ask("targets", state="active"))["activeTargets"]
        ours = [target for target in active if target["labels"]["job"] == job]
        return [target["labels"]["instance"] for target in ours if target["health"] == "up"], len(ours)

    async def restless_alerts(self):
        """Alerts that fire or are about to, as `name: state, labels`."""
        groups = (await self.ask("rules", type="alert"))["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        broken = [f"{rule['name']}: {rule['lastError']}" for rule in rules if rule.get("health") == "err"]
        return broken + [
            f"{rule['name']}: {alert['state']}, {alert['labels']}" for rule in rules for alert in rule["alerts"]
        ], len(rules)


def panels():
    """Every panel of every dashboard: (dashboard, panel)."""
    for name in ("serving", "model"):
        dashboard = json.loads((DASHBOARDS / f"{name}.json").read_text(encoding="utf-8"))
        for panel in dashboard["panels"]:
            for inner in panel.get("panels") or [panel]:
                if inner["type"] != "row":
                    yield dashboard, inner


def annotations():
    """The queries of the dashboards' annotations: (dashboard, name, expression)."""
    for name in ("serving", "model"):
        dashboard = json.loads((DASHBOARDS / f"{name}.json").read_text(encoding="utf-8"))
        for each in dashboard["annotations"]["list"]:
            if "expr" in each:
                yield dashboard, each["name"], each["expr"]


def fill_in(expr, dashboard, chosen):
    """The expression that Grafana sends: `chosen` has the values picked of a variable; of none picked, All."""
    variables = {each["name"]: each for each in dashboard["templating"]["list"]}
    for name, variable in variables.items():
        values = chosen.get(name)
        if not values:
            text = variable["allValue"]
        else:
            escaped = [re.sub(r"[\\^$.|?*+()\[\]{}]", lambda found: "\\\\" + found[0], value) for value in values]
            text = escaped[0] if len(escaped) == 1 else "(" + "|".join(escaped) + ")"
        expr = expr.replace(f"${name}", text)
    for name, value in BUILT_IN.items():
        expr = expr.replace(name, value)
    if "$" in re.sub(r'"[^"]*"', "", expr):
        raise ValueError(f"a variable is not filled in: {expr}")
    return expr


async def variable_values(prometheus, dashboard):
    """What Grafana would offer in the drop-downs."""
    offered = {}
    for variable in dashboard["templating"]["list"]:
        query = variable["query"]
        selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", query if isinstance(query, str) else query["query"]).groups()
        series = await prometheus.instant(f"group by ({label}) ({selector})")
        offered[variable["name"]] = sorted(metric[label] for metric, _ in series)
    return offered


async def ask_every_panel(prometheus, chosen=None, instant_only=False):
    """Asks every query of every panel. Answers those without data: (dashboard, panel, expression, has a default text)."""
    empty, asked = [], 0
    for dashboard, panel in panels():
        for target in panel["targets"]:
            expr = fill_in(target["expr"], dashboard, chosen or {})
            asked += 1
            if target.get("instant"):
                values = [[value] for _, value in await prometheus.instant(expr)]
            else:
                values = [series for _, series in await prometheus.range(expr)]
            finite = any(math.isfinite(value) for series in values for value in series)
            if not values or (not instant_only and not finite):
                no_value = panel["fieldConfig"]["defaults"].get("noValue")
                empty.append((dashboard["title"], panel["title"], expr, no_value))
    return asked, empty
