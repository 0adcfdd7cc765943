"""A real Prometheus scrapes rsp, and answers every query of the dashboard and of the alerts."""

import http.client
import json
import subprocess
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
import yaml

from tests.deploy.test_observing import queries
from tests.faults.lab import Lab, under_load
from tests.harness import Rsp, wait_until
from tests.paths import ROOT
from tests.ports import free_port


class Prometheus:
    """``target``: what it scrapes, each second."""

    def __init__(self, program: str, directory, target: int) -> None:
        self._port = free_port()
        file = directory / "prometheus.yml"
        jobs = [{"job_name": "rsp", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}]
        rules = [str(ROOT / "deploy/alerts.yml")]
        timing = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        file.write_text(yaml.safe_dump({"global": timing, "scrape_configs": jobs, "rule_files": rules}))
        command = [program, f"--config.file={file}", f"--storage.tsdb.path={directory / 'data'}"]
        command += [f"--web.listen-address=127.0.0.1:{self._port}", "--log.level=warn"]
        with (directory / "prometheus.log").open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def ask(self, path: str, **parameters: str) -> dict:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("GET", f"/api/v1/{path}?{urlencode(parameters)}")
            return json.loads(connection.getresponse().read())
        except (OSError, ValueError):  # it has not started yet
            return {}
        finally:
            connection.close()

    def query(self, text: str) -> list[dict]:
        answer = self.ask("query", query=text)
        assert answer.get("status") in ("success", None), (text, answer)
        return answer.get("data", {}).get("result", [])


@pytest.fixture
def prometheus(program: Callable[..., str], processes: list, tmp_path):
    def start(target: int) -> Prometheus:
        made = Prometheus(program("prometheus"), tmp_path, target)
        processes.append(made.process)
        return made

    return start


@pytest.mark.soak
def test_scrapes_and_queries(tmp_path, prometheus) -> None:
    port = free_port()
    with Lab() as lab:
        text = f'metrics = "127.0.0.1:{port}" {lab.site()}'.replace('to = "app"', 'to = "app", metrics = true')
        with Rsp(tmp_path, text, workers=2) as rsp:
            server = prometheus(port)
            with under_load(rsp.port, 2) as count:
                wait_until(lambda: server.query("min_over_time(up[3s]) > 0 and count_over_time(up[1m]) > 6"), "scrapes")
            total = "sum(rsp_requests_total)"
            done = sum(count.statuses.values())
            wait_until(lambda: [float(one["value"][1]) for one in server.query(total)] == [done], "the last of them")
            assert server.query("rate(rsp_requests_total[10s]) > 0"), "it goes on from scrape to scrape"
            target = server.ask("targets")["data"]["activeTargets"][0]
            assert target["health"] == "up" and not target["lastError"]
            empty = [one for one in queries() if not server.query(_filled(one))]
            assert all(_may_be_empty(one) for one in empty), empty
            rules = [rule for group in server.ask("rules")["data"]["groups"] for rule in group["rules"]]
            assert len(rules) > 10 and all(rule["health"] in ("ok", "unknown") for rule in rules), rules
            wait_until(lambda: _all_evaluated(server), "the alerts to be evaluated")


def _filled(query: str) -> str:
    return query.replace("$__rate_interval", "10s").replace("$instance", ".*").replace("[1m]", "[10s]")


def _may_be_empty(query: str) -> bool:
    """A condition that does not hold; there are no certificates here."""
    return any(word in query for word in (">", "<", "==", "absent", "certificate"))


def _all_evaluated(server: Prometheus) -> bool:
    rules = [rule for group in server.ask("rules")["data"]["groups"] for rule in group["rules"]]
    assert not any(rule.get("lastError") for rule in rules), rules
    return all(rule["health"] == "ok" for rule in rules)
