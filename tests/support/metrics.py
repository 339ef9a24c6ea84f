"""What the metrics of this process say, and by how much they moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from mintql.observing.instruments import Counter, Family, Gauge, Histogram


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Read Prometheus's text format: values by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def scrape(url: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Ask a process for its metrics."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(url)
    assert answer.status_code == 200
    return samples(answer.text)


def value_of(family: Family[Any], *labels: str) -> float:
    """How far a series is: the value, or how many values a histogram has seen."""
    series = family.of(*labels)
    if isinstance(series, Histogram):
        return series.count
    assert isinstance(series, Counter | Gauge)
    return series.value


class Moves:
    """By how much series move from here on: `moves(FAMILY, "label")`."""

    def __init__(self, *families: Family[Any]) -> None:
        self._before: Mapping[Any, float] = {
            (family.name, labels): value_of(family, *labels) for family in families for labels, _ in family.series()
        }

    def __call__(self, family: Family[Any], *labels: str) -> float:
        return value_of(family, *labels) - self._before.get((family.name, labels), 0)
