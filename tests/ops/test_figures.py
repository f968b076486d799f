"""What docs/ops asks Prometheus for is what our processes really export; and every alert is explained."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import promql_parser
import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis

from domain.catalogue import STREAMS
from infra.metrics import OURS
from infra.settings import Settings
from outbox.relay_health import RelayHealth
from outbox.relay_metrics import view
from tests.api.conftest import anonymous, app, built
from tests.consumers.conftest import MakeWorker, a_consumer, effects, make_worker
from tests.consumers.steps import handled, note, publish, read, settled
from tests.database import Database
from tests.factories import a_file_uploaded

__all__ = ["anonymous", "app", "built", "effects", "make_worker"]
"""Fixtures from other rooms."""

DOCS = Path(__file__).parents[2] / "docs"
RULES = yaml.safe_load((DOCS / "ops" / "alerts.yml").read_text())["groups"][0]["rules"]
PANELS = json.loads((DOCS / "ops" / "dashboard.json").read_text())["panels"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
QUERIES += [(rule["alert"], rule["expr"]) for rule in RULES]
PROMETHEUS_OWN = {"up"}

Exported = dict[str, set[str]]


def selectors(expression: Any) -> Iterator[promql_parser.VectorSelector]:
    """Every metric that a parsed expression asks for."""
    match expression:
        case promql_parser.VectorSelector():
            yield expression
        case promql_parser.MatrixSelector():
            yield expression.vector_selector
        case promql_parser.BinaryExpr():
            yield from selectors(expression.lhs)
            yield from selectors(expression.rhs)
        case promql_parser.Call():
            for each in expression.args:
                yield from selectors(each)
        case promql_parser.AggregateExpr() | promql_parser.ParenExpr() | promql_parser.UnaryExpr():
            yield from selectors(expression.expr)


@pytest.fixture
async def exported(
    anonymous: httpx.AsyncClient, settings: Settings, database: Database, redis: Redis, make_worker: MakeWorker
) -> Exported:
    """Each metric of an API and a relay after some work, with its labels."""
    worker = make_worker(a_consumer(note))
    await publish(database, redis, a_file_uploaded())
    await handled(worker, await read(worker, redis))
    await settled(worker, database)
    await anonymous.get("/health/ready")
    relay = view(RelayHealth(), settings.database_url, redis, STREAMS)
    await relay.before_metrics()
    texts = [(await anonymous.get("/metrics")).text, generate_latest(relay.registry).decode()]
    found: Exported = {each._name: set(each._labelnames) for each in OURS if isinstance(each, MetricWrapperBase)}  # noqa: SLF001 - one without children shows none
    for name, labels in [*found.items()]:
        found |= {f"{name}{suffix}": labels | {"le"} for suffix in ("_total", "_count", "_sum", "_bucket")}
    for family in [family for text in texts for family in text_string_to_metric_families(text)]:
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


async def test_every_query_asks_for_what_is_exported(exported: Exported) -> None:
    for title, query in QUERIES:
        asked = list(selectors(promql_parser.parse(query)))
        assert asked, title
        for each in asked:
            if each.name in PROMETHEUS_OWN:
                continue
            assert each.name in exported, title
            assert {matcher.name for matcher in each.matchers.matchers} <= exported[each.name], title


async def test_every_label_that_a_query_groups_by_is_exported(exported: Exported) -> None:
    known = {label for labels in exported.values() for label in labels} | {"instance"}
    for title, query in QUERIES:
        for grouped in re.findall(r"by \(([^)]*)\)", query):
            assert {each.strip() for each in grouped.split(",")} <= known, title


async def test_every_figure_of_ours_is_on_the_dashboard(exported: Exported) -> None:
    shown = {each.name for _, query in QUERIES for each in selectors(promql_parser.parse(query))}
    families = {re.sub(r"_(total|count|sum|bucket|created)$", "", name or "") for name in shown}
    ours = {re.sub(r"_(total|count|sum|bucket|created)$", "", name) for name in exported if name.startswith("waybill_")}

    assert ours - families == set()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_is_explained(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"]["summary"]
    assert re.fullmatch(r"\d+m", rule["for"])
    assert f"### {rule['alert']}\n" in (DOCS / "operations.md").read_text()
