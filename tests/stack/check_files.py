"""What the stack's files owe to each other and no other checker looks at. Prints what is wrong; exit code 1 then."""

import json
import re
import sys
from itertools import combinations
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
wrong = []


def expect(kept, what):
    if not kept:
        wrong.append(what)


def dashboards():
    """Each panel says what it shows, in which unit, from the provisioned data source, and lies on no other."""
    source = yaml.safe_load((REPOSITORY / "compose/grafana/provisioning/datasources/prometheus.yaml").read_text())["datasources"][0]["uid"]
    uids = set()
    for path in sorted((REPOSITORY / "dashboards").glob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        expect(dashboard["uid"] not in uids, f"{path.name}: its uid is another's")
        uids.add(dashboard["uid"])
        variables = {each["name"] for each in dashboard["templating"]["list"]}
        panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
        titles = [panel["title"] for panel in panels]
        for panel in panels:
            where = f"{path.name}, {panel['title']}"
            expect(panel.get("description"), f"{where}: no description")
            expect(panel["fieldConfig"]["defaults"].get("unit"), f"{where}: no unit")
            expect(panel["targets"], f"{where}: no query")
            for target in panel["targets"]:
                expect(target["datasource"]["uid"] == source, f"{where}: another data source")
                expect(target.get("legendFormat"), f"{where}: no legend")
                used = set(re.findall(r"\$([a-z]\w*)", target["expr"]))
                expect(used <= variables, f"{where}: no variable {used - variables}")
        expect(len(panels) == len({panel["id"] for panel in panels} - {None, 0}), f"{path.name}: ids of panels are missing or double")
        for one, other in combinations(dashboard["panels"], 2):
            a, b = one["gridPos"], other["gridPos"]
            apart = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"] or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
            expect(apart, f"{path.name}: {one['title']} and {other['title']} overlap")
        expect(titles, f"{path.name}: empty")
    expect(uids == {"kiln-serving", "kiln-model"}, f"the dashboards are {uids}")


def images():
    """Every image has a version, and none is `latest`; every service is hardened and looked after."""
    services = yaml.safe_load((REPOSITORY / "compose/compose.yaml").read_text())["services"]
    for name, service in services.items():
        expect(re.search(r":v?\d+\.\d+\.\d+$", service["image"]), f"{name}: {service['image']} is not pinned to a version")
        for what, value in {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"], "restart": "unless-stopped"}.items():
            expect(service.get(what) == value, f"{name}: {what} is not {value}")
        for what in ("healthcheck", "mem_limit"):
            expect(service.get(what), f"{name}: no {what}")
    version = re.search(r'^version = "(.+)"$', (REPOSITORY / "Cargo.toml").read_text(), re.MULTILINE)[1]
    dockerfile = (REPOSITORY / "compose/Dockerfile").read_text()
    expect(services["kiln"]["image"] == f"kiln:{version}", "the image of kiln has not the version of Cargo.toml")
    expect(f"ARG VERSION={version}\n" in dockerfile, "the Dockerfile has not the version of Cargo.toml")
    channel = re.search(r'channel = "(.+)"', (REPOSITORY / "rust-toolchain.toml").read_text())[1]
    expect(f"FROM rust:{channel}-" in dockerfile, f"the Dockerfile does not build with Rust {channel} of rust-toolchain.toml")


def alerts():
    """Each alert has a case that fires and one that does not, and says what to do."""
    folder = REPOSITORY / "compose/prometheus"
    groups = yaml.safe_load((folder / "rules/alerts.yml").read_text())["groups"]
    fires, quiet = set(), set()
    for path in sorted((folder / "tests").glob("*.yml")):
        for test in yaml.safe_load(path.read_text())["tests"]:
            for case in test.get("alert_rule_test", []):
                (fires if case["exp_alerts"] else quiet).add(case["alertname"])
    for rule in [rule for group in groups for rule in group["rules"]]:
        name = rule["alert"]
        expect(name in fires, f"{name}: no test in which it fires")
        expect(name in quiet, f"{name}: no test in which it stays quiet")
        expect(rule["annotations"].get("summary") and rule["annotations"].get("description"), f"{name}: no summary or description")
        expect(rule["labels"].get("severity") in ("page", "ticket"), f"{name}: no severity")


def metrics():
    """docs/metrics.md lists every metric and every reason of a rejection that there is, and no other."""
    text = (REPOSITORY / "docs/metrics.md").read_text(encoding="utf-8")
    listed = {
        name: (kind, set(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels in re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*)\|", text, re.MULTILINE)
    }
    exported = {}
    for line in (REPOSITORY / "tests/golden/metrics.txt").read_text().splitlines():
        name, kind, *labels = line.split(" ")
        exported[name] = (kind, {label for each in labels for label in each.split(",")})
    for name in sorted(listed.keys() | exported.keys()):
        expect(listed.get(name) == exported.get(name), f"docs/metrics.md, {name}: it has {listed.get(name)}, /metrics {exported.get(name)}")
    source = (REPOSITORY / "src/telemetry/mod.rs").read_text(encoding="utf-8")
    counted = set(re.findall(r'^ +Self::\w+ => "(\w+)",$', source, re.MULTILINE))
    reasons = set(re.findall(r"^\| `(\w+)` \| [^|]+ \|$", text, re.MULTILINE)) - {"reason"}
    expect(counted and reasons == counted, f"docs/metrics.md has the reasons {sorted(reasons)}, Kiln {sorted(counted)}")


dashboards()
images()
alerts()
metrics()
for line in wrong:
    print(f"WRONG: {line}")
sys.exit(bool(wrong))
