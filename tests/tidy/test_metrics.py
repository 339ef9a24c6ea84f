"""What pages and files for those who watch say of metrics is so."""

from __future__ import annotations

import importlib.util
import json
import re

import yaml

from mintql.observing import metrics
from support.compose import compose
from support.repository import ROOT

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def test_the_operations_page_lists_every_metric_with_its_labels():
    rows = re.findall(r"^\| `(mintql_\w+)` \| ([\w, ]*?) ?\| (.+) \|$", OPERATIONS, re.MULTILINE)
    listed = {name: tuple(re.findall(r"\w+", labels)) for name, labels, _ in rows}
    assert listed == {family.name: family.labels for family in metrics.ALL}


def test_names_say_their_kind_and_unit():
    for family in metrics.ALL:
        assert re.fullmatch(r"mintql_[a-z_]+", family.name)
        assert (family.kind.__name__ == "Counter") == family.name.endswith("_total"), family.name
        assert family.kind.__name__ != "Histogram" or family.name.endswith("_seconds"), family.name
        assert family.words.endswith(".")


DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "mintql.json").read_text())
RULES = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())
SCRAPING = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
PROCESS = {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "up"}
WORDS = {
    "absent", "and", "avg", "by", "count", "histogram_quantile", "increase", "le", "max", "min", "on", "or", "rate", "sum",
    "time", "topk", "unless", "without",
}  # fmt: skip


def sample_labels() -> dict[str, set[str]]:
    """The names that samples have, with their labels."""
    found = {name: {"instance", "job"} for name in PROCESS}
    for family in metrics.ALL:
        labels = {*family.labels, "instance"}
        if family.kind.__name__ == "Histogram":
            found |= {f"{family.name}_{part}": labels for part in ("sum", "count")}
            found[f"{family.name}_bucket"] = labels | {"le"}
        else:
            found[family.name] = labels
    return found


def check_expression(expression: str) -> None:
    """Names and labels are there, brackets fit, durations are ones."""
    samples = sample_labels()
    for opened, closed in ("()", "[]", "{}"):
        assert expression.count(opened) == expression.count(closed), expression
    for duration in re.findall(r"\[(.*?)\]", expression):
        assert re.fullmatch(r"\d+[smhd]|\$__rate_interval", duration), expression
    bare = re.sub(r"\[.*?\]|\"[^\"]*\"", "", expression)
    named = set(re.findall(r"\b(?:mintql|process)_\w+|\bup\b", bare))
    assert named, expression
    assert named <= samples.keys(), named - samples.keys()
    known = set().union(*(samples[name] for name in named))
    assert set(re.findall(r"[a-z_]\w*", bare)) - named <= WORDS | known, expression
    if "histogram_quantile" in expression:
        assert all(name.endswith("_bucket") for name in named), expression
    for name in re.findall(r"(?:rate|increase)\((\w+)", bare):
        assert name.endswith(("_total", "_bucket", "_sum", "_count")), f"{name} is no counter"


def test_the_dashboard_asks_for_metrics_and_labels_that_there_are():
    panels = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
    assert len(panels) > 20
    for panel in panels:
        for target in panel["targets"]:
            check_expression(target["expr"])
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= set(
                re.findall(r"\w+", target["expr"])
            ) | {"instance"}
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    shown = {
        name for panel in panels for target in panel["targets"] for name in re.findall(r"mintql_\w+", target["expr"])
    }
    assert {family.name for family in metrics.ALL if not any(name.startswith(family.name) for name in shown)} <= {
        "mintql_delivery_seconds", "mintql_database_connections_max", "mintql_database_connections_lost",
        "mintql_job_wait_seconds", "mintql_job_last_done_timestamp_seconds", "mintql_loop_blocked_total",
        "mintql_reconcile_last_timestamp_seconds", "mintql_reconcile_round_timestamp_seconds", "mintql_replica_reads",
        "mintql_vitals_timestamp_seconds",
    }  # fmt: skip


def test_the_dashboard_is_what_its_list_of_panels_makes():
    spec = importlib.util.spec_from_file_location("build_dashboard", ROOT / "tools" / "build_dashboard.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.dashboard() == DASHBOARD


def test_alarms_ask_for_metrics_that_there_are_and_the_page_says_what_to_do_about_each():
    rules = [rule for group in RULES["groups"] for rule in group["rules"]]
    assert len(rules) > 10
    for rule in rules:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        check_expression(rule["expr"])
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]
    listed = re.findall(r"^\| `(Mintql\w+)` \|", OPERATIONS, re.MULTILINE)
    assert listed == [rule["alert"] for rule in rules]


def test_the_scrape_example_names_the_rules_and_the_services_and_port_of_compose():
    assert SCRAPING["rule_files"] == ["alerts.yml"]
    (job,) = SCRAPING["scrape_configs"]
    assert job["job_name"] == "mintql"
    services = compose()["services"]
    port = services["worker"]["environment"]["MINTQL_METRICS_PORT"]
    static = [target for config in job["static_configs"] for target in config["targets"]]
    named = [*static, *(f"{name}:{config['port']}" for config in job["dns_sd_configs"] for name in config["names"])]
    assert {target.partition(":")[0] for target in named} <= set(services)
    assert {target.partition(":")[2] for target in named} == {port}
