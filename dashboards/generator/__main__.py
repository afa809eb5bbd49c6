"""Writes the dashboards: `python dashboards/generator`. With --check it writes nothing and fails if they differ, or if the
SDK cannot read them back as dashboards."""

import json
import sys
from pathlib import Path

import model
import serving
from grafana_foundation_sdk.builders.dashboard import Dashboard, DashboardLink, QueryVariable, Row, TimePicker
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.dashboard import Dashboard as DashboardModel
from panels import INSTANCE, PROMETHEUS

FOLDER = Path(__file__).resolve().parent.parent
# Health checks and reflection are no requests of anybody's.
PREDICTIONS = "(mnist|inference)[.].+|_OTHER"


def variable(name, label, query, all_value):
    everything = VariableOption(text=["All"], value=["$__all"], selected=True)
    return (
        QueryVariable(name)
        .label(label)
        .query(query)
        .datasource(PROMETHEUS)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(all_value)
        .current(everything)
    )


VARIABLES = {
    "instance": ("Instance", 'label_values(up{job="kiln"}, instance)', ".+"),
    "model": ("Model", 'label_values(kiln_model_info{job="kiln"}, model)', ".+"),
    "method": (
        "gRPC method",
        f'label_values(rpc_server_call_duration_seconds_count{{job="kiln", rpc_method=~"{PREDICTIONS}"}}, rpc_method)',
        PREDICTIONS,
    ),
}

# The SDK's annotations lack what is particular to Prometheus.
ANNOTATIONS = [
    {
        "name": "Restarts",
        "iconColor": "orange",
        # The value is the time of the start, in milliseconds.
        "expr": f"process_start_time_seconds{{{INSTANCE}}} * 1000",
        "useValueForTime": True,
        "titleFormat": "Kiln started",
        "textFormat": "{{instance}}",
        "step": "60s",
    },
    {
        "name": "Model loads",
        "iconColor": "purple",
        "expr": (
            "sum by (instance, model, outcome) "
            f'(changes(kiln_model_loads_total{{{INSTANCE}, model=~"$model"}}[1m])) > 0'
        ),
        "titleFormat": "Model load",
        "textFormat": "{{model}} on {{instance}}: {{outcome}}",
        "step": "60s",
    },
]


def annotations():
    builtin = {
        "builtIn": 1,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
        "name": "Annotations & Alerts",
        "type": "dashboard",
    }
    kiln = [
        {"datasource": {"type": "prometheus", "uid": "prometheus"}, "enable": True, "hide": False, **each}
        for each in ANNOTATIONS
    ]
    return {"list": [builtin, *kiln]}


def dashboard(uid, title, description, variables, panels):
    other = DashboardLink("Kiln").type(DashboardLinkType.DASHBOARDS).tags(["kiln"]).keep_time(True).include_vars(True)
    built = (
        Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["kiln"])
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .refresh("5s")
        .time("now-15m", "now")
        .timezone("browser")
        .timepicker(TimePicker().refresh_intervals(["5s", "15s", "1m", "5m"]))
        .link(other)
    )
    for name in variables:
        built.with_variable(variable(name, *VARIABLES[name]))
    for number, panel in enumerate(panels, start=1):
        panel.id(number)
        built.with_row(panel) if isinstance(panel, Row) else built.with_panel(panel)
    content = json.loads(json.dumps(built.build(), cls=JSONEncoder))
    content["annotations"] = annotations()
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main():
    files = {
        "serving.json": dashboard(
            "kiln-serving", "Kiln: serving", "Is Kiln well, and if not, where.", ["instance", "model", "method"], serving.panels()
        ),
        "model.json": dashboard(
            "kiln-model", "Kiln: model", "What the networks are asked and answer, against a day before.", ["instance", "model"], model.panels()
        ),
    }
    check = sys.argv[1:] == ["--check"]
    for name, content in files.items():
        read = DashboardModel.from_json(json.loads(content))
        if not all(panel.targets for panel in read.panels if getattr(panel, "targets", None) is not None):
            sys.exit(f"{name}: a panel was not read back with its queries")
        path = FOLDER / name
        if not check:
            path.write_text(content, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != content:
            sys.exit(f"{path} is not what dashboards/generator makes: run `python dashboards/generator`")


if __name__ == "__main__":
    main()
