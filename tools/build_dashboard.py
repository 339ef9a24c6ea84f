"""Writes deploy/grafana/mintql.json: the dashboard, from the short list of its panels below.

.venv/bin/python tools/build_dashboard.py
"""

from __future__ import annotations

import json
from pathlib import Path

WIDTH, HEIGHT, COLUMNS = 8, 8, 3
SOURCE = {"type": "prometheus", "uid": "${source}"}


def rate(counter: str, by: str) -> str:
    """Return how much a counter grows in a second."""
    return f"sum by ({by}) (rate({counter}[$__rate_interval]))"


def quantile(histogram: str, by: str = "", *, share: float = 0.9) -> str:
    """Return below what so many of the values lie."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share:g}, {rate(f'{histogram}_bucket', labels)})"


def mean(histogram: str, by: str) -> str:
    """Return the means of the series with the largest ones."""
    return f"topk(8, {rate(f'{histogram}_sum', by)} / {rate(f'{histogram}_count', by)})"


# Title, unit, and queries with their legends, by row.
ROWS: dict[str, list[tuple[str, str, list[tuple[str, str]]]]] = {
    "Persons": [
        ("Requests", "reqps", [(rate("mintql_request_seconds_count", "kind"), "{{kind}}")]),
        (
            "Time until the answer",
            "s",
            [
                (quantile("mintql_request_seconds", share=share), label)
                for share, label in ((0.5, "half"), (0.95, "19 of 20"), (0.99, "99 of 100"))
            ],
        ),
        ("Errors", "ops", [(rate("mintql_errors_total", "code"), "{{code}}")]),
        (
            "Answers by status",
            "ops",
            [(rate("mintql_responses_total", "status"), "{{status}}")],
        ),
        (
            "Slowest root fields, mean",
            "s",
            [
                (
                    mean("mintql_root_field_seconds", "field"),
                    "{{field}}",
                )
            ],
        ),
        ("Cache", "ops", [(rate("mintql_cache_lookups_total", "outcome"), "{{outcome}}")]),
        (
            "Live",
            "short",
            [("sum(mintql_sockets_open)", "WebSockets"), ("sum(mintql_subscriptions_open)", "subscriptions")],
        ),
        ("Rate limited", "ops", [(rate("mintql_rate_limited_total", "limit"), "{{limit}}")]),
        ("Plans", "short", [("sum by (outcome) (mintql_plans)", "{{outcome}}")]),
    ],
    "Alerts and deliveries": [
        ("Budget alerts raised", "ops", [("sum(rate(mintql_alerts_total[$__rate_interval]))", "raised")]),
        (
            "Until an event is told, 9 of 10",
            "s",
            [
                (
                    quantile("mintql_event_publish_seconds"),
                    "written to published",
                ),
                (
                    quantile("mintql_event_sent_seconds"),
                    "written to sent",
                ),
            ],
        ),
        (
            "Deliveries",
            "ops",
            [
                (
                    rate("mintql_deliveries_total", "channel, outcome"),
                    "{{channel}} {{outcome}}",
                )
            ],
        ),
        ("Oldest delivery due", "s", [("max by (channel) (mintql_outbox_oldest_seconds)", "{{channel}}")]),
        (
            "Outbox",
            "short",
            [
                ("max by (channel) (mintql_outbox_due)", "{{channel}} due"),
                ("max by (channel) (mintql_outbox_dead)", "{{channel}} dead"),
            ],
        ),
        (
            "Webhooks of persons",
            "ops",
            [
                (rate("mintql_webhook_attempts_total", "outcome"), "{{outcome}}"),
                ("max(mintql_webhook_endpoints_due)", "endpoints due"),
            ],
        ),
    ],
    "Work": [
        ("Jobs in queues", "short", [("max by (queue) (mintql_queue_jobs)", "{{queue}}")]),
        (
            "Waiting",
            "s",
            [
                ("max by (queue) (mintql_queue_oldest_seconds)", "next job, {{queue}}"),
                ("max by (lane) (mintql_runs_oldest_seconds)", "oldest run, {{lane}}"),
            ],
        ),
        ("Sync runs due", "short", [("max by (lane) (mintql_runs_due)", "{{lane}}")]),
        (
            "Sync runs by institution",
            "ops",
            [
                (
                    rate("mintql_sync_runs_total", "institution, outcome"),
                    "{{institution}} {{outcome}}",
                )
            ],
        ),
        ("Rows", "ops", [(rate("mintql_ingest_rows_total", "outcome"), "{{outcome}}")]),
        (
            "Fetching and writing, 9 of 10",
            "s",
            [
                (
                    quantile("mintql_fetch_seconds", "institution"),
                    "fetch {{institution}}",
                ),
                (
                    quantile("mintql_ingest_batch_seconds"),
                    "write",
                ),
            ],
        ),
        (
            "Jobs",
            "ops",
            [(rate("mintql_job_seconds_count", "job, outcome"), "{{job}} {{outcome}}")],
        ),
        (
            "Time in jobs",
            "s",
            [(rate("mintql_job_seconds_sum", "job"), "{{job}}")],
        ),
        (
            "Sums",
            "short",
            [
                ("max(mintql_reconcile_findings)", "wrong within seven days"),
                ("sum(increase(mintql_reconcile_persons_total[1d]))", "persons compared within a day"),
            ],
        ),
    ],
    "Resources": [
        (
            "Database connections",
            "short",
            [
                ("sum by (pool, state) (mintql_database_connections)", "{{pool}} {{state}}"),
                ("sum by (pool) (mintql_database_waiting)", "{{pool}} waiting"),
            ],
        ),
        (
            "Wait for a connection, 9 of 10",
            "s",
            [
                (
                    quantile("mintql_database_wait_seconds", "pool"),
                    "{{pool}}",
                )
            ],
        ),
        (
            "Event loop late, 9 of 10",
            "s",
            [
                (
                    quantile("mintql_loop_lag_seconds", "instance"),
                    "{{instance}}",
                )
            ],
        ),
        ("CPU", "percentunit", [("rate(process_cpu_seconds_total[$__rate_interval])", "{{instance}}")]),
        ("Memory", "bytes", [("process_resident_memory_bytes", "{{instance}}")]),
        ("Redis failures", "ops", [(rate("mintql_redis_failures_total", "use"), "{{use}}")]),
        ("Open files", "short", [("process_open_fds", "{{instance}}")]),
        (
            "Replicas",
            "s",
            [("max by (replica) (mintql_replica_age_seconds)", "{{replica}} behind at most")],
        ),
        ("Versions", "short", [("count by (version, role) (mintql_info)", "{{role}} {{version}}")]),
    ],
}


def dashboard() -> dict[str, object]:
    """Return the dashboard as Grafana reads it."""
    panels: list[dict[str, object]] = []
    top = 0
    for title, of_row in ROWS.items():
        panels.append(
            {"type": "row", "title": title, "id": len(panels) + 1, "gridPos": {"x": 0, "y": top, "w": 24, "h": 1}}
        )
        top += 1
        for place, (name, unit, queries) in enumerate(of_row):
            x, y = place % COLUMNS * WIDTH, top + place // COLUMNS * HEIGHT
            panels.append(
                {
                    "type": "timeseries",
                    "title": name,
                    "id": len(panels) + 1,
                    "datasource": SOURCE,
                    "gridPos": {"x": x, "y": y, "w": WIDTH, "h": HEIGHT},
                    "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
                    "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
                    "targets": [
                        {"refId": chr(65 + number), "datasource": SOURCE, "expr": query, "legendFormat": legend}
                        for number, (query, legend) in enumerate(queries)
                    ],
                }
            )
        top += -(-len(of_row) // COLUMNS) * HEIGHT
    return {
        "title": "mintql",
        "uid": "mintql",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "tags": ["mintql"],
        "templating": {
            "list": [{"type": "datasource", "name": "source", "label": "Prometheus", "query": "prometheus"}]
        },
        "panels": panels,
    }


if __name__ == "__main__":
    target = Path(__file__).resolve().parent.parent / "deploy" / "grafana" / "mintql.json"
    target.write_text(json.dumps(dashboard(), indent=2) + "\n")
    print(f"wrote {target.name}")
