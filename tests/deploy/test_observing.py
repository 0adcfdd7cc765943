"""deploy/grafana.json and deploy/alerts.yml ask for metrics that there are, in queries that Prometheus understands."""

import json
import re
from collections.abc import Iterator

import pytest
import yaml
from prometheus_client import Metric

from tests.paths import ROOT
from tests.promtool import promtool
from tests.unit.metrics_lab import everything

GRAFANA = json.loads((ROOT / "deploy/grafana.json").read_text())
ALERTS = yaml.safe_load((ROOT / "deploy/alerts.yml").read_text())
_METRIC = re.compile(r"\brsp_[a-z0-9_]+")


def queries() -> Iterator[str]:
    for panel in GRAFANA["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (annotation["expr"] for annotation in GRAFANA["annotations"]["list"])
    yield from (rule["expr"] for group in ALERTS["groups"] for rule in group["rules"])


@pytest.fixture(scope="module")
def metrics() -> list[Metric]:
    return everything()


@pytest.fixture(scope="module")
def known(metrics: list[Metric]) -> dict[str, set[str]]:
    """Labels by the name of a sample."""
    found: dict[str, set[str]] = {}
    for metric in metrics:
        for sample in metric.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_each_query_names_metrics_and_labels_that_there_are(known: dict[str, set[str]]) -> None:
    for query in queries():
        names = set(_METRIC.findall(query))
        assert names, query
        assert names <= set(known), query
        labels = set().union(*(known[name] for name in names), {"instance"})
        for listed in re.findall(r"by \(([a-z_, ]+)\)|on \(([a-z_, ]+)\)", query):
            assert {label.strip() for part in listed if part for label in part.split(",")} <= labels, query
        assert set(re.findall(r'([a-z_]+)[=!]~?"', query)) <= labels, query
    for legend in re.findall(r"\{\{ ?\$labels\.([a-z]+)", json.dumps(ALERTS)):
        assert any(legend in labels for labels in known.values()), legend


def test_the_documentation_has_each_metric(metrics: list[Metric]) -> None:
    lines = (ROOT / "docs/metrics.md").read_text().splitlines()
    listed = [line for line in lines if line.startswith("| `rsp_")]
    assert sorted(listed) == sorted(map(_row, metrics))


def _row(metric: Metric) -> str:
    labels = dict.fromkeys(label for sample in metric.samples for label in sample.labels if label != "le")
    name = f"{metric.name}_total" if metric.type == "counter" else metric.name
    return f"| `{name}` | {metric.type} | {' '.join(f'`{label}`' for label in labels)} | {metric.documentation} |"


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in GRAFANA["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells
    ids = [panel["id"] for panel in GRAFANA["panels"]]
    assert len(set(ids)) == len(ids)


def test_promtool_understands_rules_and_queries(tmp_path) -> None:
    rules = [
        {"record": f"query:{number}", "expr": query.replace("$__rate_interval", "5m").replace("$instance", ".*")}
        for number, query in enumerate(queries())
    ]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    promtool("check", "rules", str(file))
    promtool("check", "rules", str(ROOT / "deploy/alerts.yml"))
    promtool("test", "rules", str(ROOT / "tests/deploy/alerts_test.yml"))
