"""Dashboard, alert rules, mapping and documentation use exactly the metrics there are."""

from __future__ import annotations

import copy
import json
import re

import pytest
import yaml

from backup_engine.freshness.concerns import ConcernKind, Severity
from backup_engine.freshness.metrics import METRICS
from tests.project import monitoring, repository

MONITORING = repository.ROOT / "monitoring"
DASHBOARD = json.loads((MONITORING / "grafana-dashboard.json").read_text())
RULES = yaml.safe_load((MONITORING / "prometheus-rules.yaml").read_text())
MAPPING = yaml.safe_load((MONITORING / "statsd-mapping.yaml").read_text())
PAGE = (repository.ROOT / "docs" / "monitoring.md").read_text()
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
IN_PROMETHEUS = {name for name, metric in METRICS.items() if not metric.pushed}


def test_every_metric_is_shown_or_alerted_on():
    shown = {target["expr"] for panel in PANELS for target in panel["targets"]}
    alerted = {rule["expr"] for rule in ALERTS.values()}
    assert monitoring.names_in("\n".join(shown | alerted)) == IN_PROMETHEUS


def panel_faults(panel) -> list[str]:
    return [
        fault
        for target in panel["targets"]
        for fault in monitoring.faults_of(
            target["expr"].replace("$deployment", "x"), target["legendFormat"].replace("__auto", "")
        )
    ]


def rule_faults(rule) -> list[str]:
    return monitoring.faults_of(rule["expr"], *rule["annotations"].values())


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_asks_for_metrics_and_labels_that_exist(panel):
    assert panel_faults(panel) == []


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_asks_for_metrics_and_labels_that_exist(name):
    assert rule_faults(ALERTS[name]) == []


@pytest.mark.parametrize(
    ("expression", "quotes", "fault"),
    [
        ("vectorizer_backup_newest_god_vectors", "", "no metric"),
        ("vectorizer_backup_newest_good_age_seconds > 5", "", "not in what Prometheus reads"),
        ('vectorizer_backup_copies{place="x"} > 0', "", "no label place"),
        ("sum by (purpose) (vectorizer_backup_copies)", "", "to group by"),
        ("vectorizer_backup_restorable and on (instance) vectorizer_backup_copies", "", "to group by"),
        ('vectorizer_backup_concerns{kind="copy-behnd"}', "", "never copy-behnd"),
        ('vectorizer_backup_concerns{kind!~"copy-behind|(copy|shop)-unreachable"}', "", "never shop-unreachable"),
        ('vectorizer_backup_concerns{severity="fatal"}', "", "never fatal"),
        ("vectorizer_backup_restorable == 0", "{{ $labels.place }} is gone", "quotes"),
        ("vectorizer_backup_restorable == 0", "{{deployment}} {{kind}}", "quotes"),
    ],
)
def test_a_wrong_name_label_or_value_is_found(expression, quotes, fault):
    (found,) = monitoring.faults_of(expression, quotes)
    assert fault in found


# ------------------------------------------------------------------ the dashboard


def dashboard_faults(dashboard) -> list[str]:
    faults = monitoring.overlaps(dashboard["panels"])
    ids = [panel["id"] for panel in dashboard["panels"]]
    faults += ["an id stands twice"] if len(ids) != len(set(ids)) else []
    for panel in (one for one in dashboard["panels"] if one["type"] != "row"):
        title, defaults = panel["title"], panel["fieldConfig"]["defaults"]
        sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        refs = [target["refId"] for target in panel["targets"]]
        faults += [f"{title}: no description"] if len(panel.get("description", "")) < 15 else []
        faults += [f"{title}: no unit"] if not defaults.get("unit") else []
        faults += [f"{title}: no thresholds"] if not defaults.get("thresholds", {}).get("steps") else []
        faults += [f"{title}: a fixed data source"] if {one["uid"] for one in sources} != {"${datasource}"} else []
        faults += [f"{title}: a refId stands twice"] if len(refs) != len(set(refs)) else []
        faults += [
            f"{title}: not only the chosen deployments"
            for target in panel["targets"]
            if target["expr"].count("vectorizer_backup_") != target["expr"].count('deployment=~"$deployment"')
        ]
    colours = set(re.findall(r'"(?:color|fixedColor)": "([^"]+)"', json.dumps(dashboard)))
    return faults + [f"{one} is not readable in both themes" for one in colours - {"red", "yellow", "green", "text"}]


def test_the_dashboard_can_be_imported_and_read():
    assert dashboard_faults(DASHBOARD) == []
    assert DASHBOARD["id"] is None
    variables = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert monitoring.faults_of(variables["deployment"]["definition"]) == []
    assert re.search(r"label_values\((\w+), deployment\)", variables["deployment"]["definition"])[1] in METRICS
    assert variables["deployment"]["multi"]


def test_the_dashboard_shows_what_was_promised_beside_what_is():
    of_panel = {panel["title"]: monitoring.names_in(json.dumps(panel)) for panel in PANELS}
    together = [
        {"vectorizer_backup_newest_good_timestamp_seconds", "vectorizer_backup_rpo_promised_seconds"},
        {"vectorizer_backup_rpo_achieved_seconds", "vectorizer_backup_rpo_promised_seconds"},
        {f"vectorizer_backup_rto_{word}_seconds" for word in ("promised", "forecast", "measured")},
    ]
    assert [wanted for wanted in together if not any(wanted <= names for names in of_panel.values())] == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda panel: panel.update(description=""), "no description"),
        (lambda panel: panel["fieldConfig"]["defaults"].pop("unit"), "no unit"),
        (lambda panel: panel["fieldConfig"]["defaults"].pop("thresholds"), "no thresholds"),
        (lambda panel: panel["targets"][0].update(datasource={"uid": "P1"}), "a fixed data source"),
        (lambda panel: panel["targets"][0].update(expr="vectorizer_backup_copies"), "not only the chosen"),
        (lambda panel: panel["targets"].append(panel["targets"][0]), "a refId stands twice"),
        (lambda panel: panel["gridPos"].update(x=20, w=5), "leaves the page"),
        (lambda panel: panel["gridPos"].update(y=0), "lies over"),
        (lambda panel: panel.update(id=1), "an id stands twice"),
        (lambda panel: panel["fieldConfig"]["defaults"].update(color={"fixedColor": "#ffffff"}), "both themes"),
    ],
)
def test_a_fault_of_the_dashboard_is_found(change, fault):
    changed = copy.deepcopy(DASHBOARD)
    change(changed["panels"][-1])
    assert any(fault in found for found in dashboard_faults(changed))


# ------------------------------------------------------------------ the rules


def faults_of_alert(rule, page_of=repository.ROOT) -> list[str]:
    path, _, anchor = rule["annotations"].get("see", "").partition("#")
    page = page_of / path
    known = repository.anchors(page.read_text()) if path and page.is_file() else set()
    faults = [f"no {word}" for word in ("summary", "description", "runbook") if not rule["annotations"].get(word)]
    faults += ["no severity"] if rule["labels"].get("severity") not in {"warning", "critical"} else []
    faults += [f"{path}#{anchor} is not there"] if anchor not in known else []
    momentary = "increase(" in rule["expr"]
    return faults + (
        ["at once, without `for`"] if not momentary and not re.fullmatch(r"\d+[mh]", rule.get("for", "")) else []
    )


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_waits_says_how_bad_it_is_and_what_to_do(name):
    assert faults_of_alert(ALERTS[name]) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda rule: rule["annotations"].pop("runbook"), "no runbook"),
        (lambda rule: rule["labels"].update(severity="page"), "no severity"),
        (lambda rule: rule["annotations"].update(see="docs/monitoring.md#nowhere"), "not there"),
        (lambda rule: rule.pop("for"), "without `for`"),
    ],
)
def test_a_fault_of_an_alert_is_found(change, fault):
    rule = copy.deepcopy(ALERTS["VectorizerBackupNothingToRestore"])
    change(rule)
    assert any(fault in found for found in faults_of_alert(rule))


def test_silence_is_alerted_on():
    silence = {rule["expr"] for rule in RULES["groups"][0]["rules"]}
    assert "absent(vectorizer_backup_judged_timestamp_seconds)" in silence
    assert "time() - vectorizer_backup_judged_timestamp_seconds > 900" in silence


@pytest.mark.parametrize("severity", ["warning", "critical"])
def test_every_kind_of_concern_raises_some_alert_and_what_has_one_of_its_own_is_not_said_twice(severity):
    by_name = {name: monitoring.kinds_matched(rule["expr"], severity) for name, rule in ALERTS.items()}
    others = by_name.pop("VectorizerBackupPromiseBroken") | by_name.pop("VectorizerBackupPromiseAtRisk")
    alone = {
        ConcernKind.RUN_FAILED: "VectorizerBackupRunFailed",
        ConcernKind.SERVER_UNREACHABLE: "VectorizerBackupServerUnreachable",
    }
    assert set(alone.values()) <= set(ALERTS)
    special = set().union(*by_name.values())
    assert others & special == set()
    assert set(ConcernKind) - others - special <= set(alone)


def test_notes_raise_no_alert():
    assert {
        name for name, rule in ALERTS.items() if monitoring.kinds_matched(rule["expr"], Severity.NOTE.value)
    } == set()


# ------------------------------------------------------------------ mapping and page


def test_the_mapping_of_statsd_names_every_metric_with_its_labels_in_order():
    assert MAPPING["mappings"] == [
        {
            "match": ".".join(["airflow", metric.name, *"*" * len(metric.labels)]),
            "name": metric.name,
            "labels": {label: f"${number}" for number, label in enumerate(metric.labels, 1)},
        }
        for metric in METRICS.values()
    ]


def documented(page: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith("| `vectorizer_backup_")
    ]


def test_the_page_has_a_table_of_exactly_these_metrics():
    assert documented(PAGE) == [
        [f"`{one.name}`", one.unit, ", ".join(one.labels), one.help + (" Pushed." if one.pushed else "")]
        for one in METRICS.values()
    ]


def test_the_page_names_no_metric_that_does_not_exist_and_explains_every_kind_of_concern():
    named = monitoring.names_in(PAGE) - {"vectorizer_backup_watch"}
    assert {name for name in named if name.rstrip("_") != "vectorizer_backup"} <= set(METRICS)
    explained = re.findall(r"^\| `([a-z-]+)` \| [^|]{10,} \|", PAGE, re.MULTILINE)
    assert explained == [*ConcernKind]


def test_the_page_names_every_file_there_is():
    assert {path.name for path in MONITORING.iterdir()} == set(re.findall(r"\(\.\./monitoring/([\w.-]+)\)", PAGE))


def test_metrics_are_named_as_prometheus_wants_it():
    for metric in METRICS.values():
        assert re.fullmatch(r"vectorizer_backup_[a-z_]+[a-z]", metric.name)
        assert metric.name.endswith("_total") is (metric.kind == "counter")
        endings = {"seconds": "_seconds", "bytes": "_bytes", "vectors per second": "_vectors_per_second"}
        assert metric.name.endswith(endings.get(metric.unit, "")), metric.name
        assert metric.help.endswith("."), metric.name
        assert metric.labels[0] == "deployment"


def test_other_pages_lead_here():
    assert "docs/monitoring.md" in (repository.ROOT / "README.md").read_text()
