"""``/metrics``, ``/live`` and ``/ready`` of a running instance: what they say, and that they outlive what dies."""

import http.client
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_plain

from tests.faults.lab import Lab, load, under_load
from tests.harness import Rsp, accepts, get, wait_until
from tests.ports import free_port
from tests.promtool import promtool


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as one:
        yield one


class Site:
    """An instance with metrics at a port of their own."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.port = free_port()

    def text(self, route: str = 'route { to = "app" }') -> str:
        return f'metrics = "127.0.0.1:{self.port}" {self.lab.site()}'.replace('route { to = "app" }', route)

    def ask(self, path: str, **fields: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path, headers=fields)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def samples(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        status, text = self.ask("/metrics")
        assert status == 200
        families = list(read_plain(text))
        found = {(one.name, tuple(sorted(one.labels.items()))): one.value for each in families for one in each.samples}
        assert len(found) == sum(len(each.samples) for each in families), "a series is there twice"
        return found

    def value(self, wanted: str, **labels: str) -> float:
        return sum(
            value
            for (name, given), value in self.samples().items()
            if name == wanted and labels.items() <= dict(given).items()
        )


@pytest.fixture
def site(lab: Lab) -> Site:
    return Site(lab)


def test_what_prometheus_reads(tmp_path, site):
    with Rsp(tmp_path, site.text(), workers=2) as rsp:
        load(rsp.port, 4, requests=50)
        wait_until(lambda: site.value("rsp_requests_total", route="/", upstream="app", status_class="2xx") == 50, "all")
        assert site.value("rsp_requests_total") == 50
        assert site.value("rsp_peer_responses_total", upstream="app") == 50
        assert site.value("rsp_upstream_duration_seconds_count", upstream="app") == 50
        assert site.value("rsp_listener_requests_total", listener=f"127.0.0.1:{rsp.port}", status_class="2xx") == 50
        assert site.value("rsp_configuration_version") == 1
        wait_until(lambda: site.value("rsp_process_memory_bytes", process="worker 1") > 1 << 20, "its memory")
        plain = site.ask("/metrics")[1]
        assert promtool("check", "metrics", text=plain) == ""
        wanted = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
        openmetrics = site.ask("/metrics", Accept=wanted)[1]
        assert openmetrics.endswith("# EOF\n")
        names = [each.name for each in read_openmetrics(openmetrics)]
        assert names == [each.name for each in read_plain(plain)]
        assert all(name.startswith("rsp_") for name in names)
        assert site.ask("/live") == (200, "live\n") and site.ask("/ready") == (200, "ready\n")
        assert site.ask("/nowhere")[0] == 404
        assert site.ask("/metrics", Host="localhost")[0] == 200
        assert site.ask("/metrics", Host="evil.example:80")[0] == 421
        assert site.ask("/ready", Host="127.0.0.1.evil.example")[0] == 421
        admin = subprocess.run(
            ["curl", "-s", "--unix-socket", str(tmp_path / "admin.sock"), "http://rsp/metrics"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert "rsp_requests_total{" in admin.stdout


def test_the_control_process_dies_and_the_socket_stays(tmp_path, site):
    with Rsp(tmp_path, site.text(), workers=2) as rsp:
        load(rsp.port, 4, requests=20)
        wait_until(lambda: site.value("rsp_requests_total") == 20, "all")
        for number in range(1, 4):
            os.kill(rsp.admin("/status")["control"]["pid"], signal.SIGKILL)
            assert site.value("rsp_requests_total") == 20, "the next control process answers"
            assert site.value("rsp_control_restarts_total") == number
        assert get(rsp.port)[9:12] == b"200"


def test_counters_never_go_backwards(tmp_path, site):
    """Workers and control processes are killed, and configurations change, all under load."""
    with Rsp(tmp_path, site.text(), workers=2) as rsp:
        with Scraper(site) as scraper, under_load(rsp.port, 4):
            wait_until(lambda: scraper.number, "the first one")
            os.kill(rsp.workers()[0], signal.SIGKILL)
            wait_until(lambda: site.value("rsp_worker_restarts_total") == 1, "the death")
            rsp.reload(site.text('route { path = "/", name = "other", to = "app" }'))
            wait_until(lambda: site.value("rsp_requests_total", route="other") > 50, "requests on the other route")
            assert site.value("rsp_requests_total", route="removed") > 0
            os.kill(rsp.admin("/status")["control"]["pid"], signal.SIGKILL)
            rsp.reload(site.text())
        assert site.value("rsp_reloads_total") == 2
        assert scraper.cut <= 1


def test_an_upgrade_goes_on_counting(tmp_path, site):
    with Rsp(tmp_path, site.text(), workers=2) as rsp:
        with Scraper(site) as scraper, under_load(rsp.port, 4):
            wait_until(lambda: site.value("rsp_requests_total") > 100, "requests")
            rsp.signal(signal.SIGUSR2)
            wait_until(lambda: "Upgraded" in rsp.log, "the upgrade")
            before = scraper.number
            wait_until(lambda: scraper.number > before + 10, "scrapes of the new one")
        _stop_successor(rsp)


def _stop_successor(rsp: Rsp) -> None:
    """And see both masters end."""
    pid = int(re.findall(r"Upgraded: the new master \(pid (\d+)\)", rsp.log)[-1])
    os.kill(pid, signal.SIGTERM)
    rsp.process.wait(30)
    wait_until(lambda: not _runs(pid), "its end")


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class Scraper(threading.Thread):
    """Scrapes all the time.  Each is answered, and no counter falls, in the sum over its routes, peers and so on."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        self._site = site
        self._over = threading.Event()
        self.number = 0
        self.cut = 0  # while the control process was killed
        self.wrong: list[str] = []

    def run(self) -> None:
        before: dict = {}
        while not self._over.is_set():
            try:
                samples = self._site.samples()
            except (ConnectionResetError, http.client.HTTPException):
                self.cut += 1
                continue
            except OSError as error:
                self.wrong.append(repr(error))
                return
            now = _sums(samples)
            self.wrong += [
                f"{key}: {now.get(key)} after {old}" for key, old in before.items() if now.get(key, -1) < old - 1e-6
            ]
            before = now
            self.number += 1

    def __enter__(self) -> "Scraper":
        self.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._over.set()
        self.join()
        assert kind is not None or not self.wrong, self.wrong[:5]


def _sums(samples: dict) -> dict:
    sums: dict = {}
    for (name, labels), value in samples.items():
        if name.endswith(("_total", "_count", "_sum", "_bucket")):
            kept = tuple(pair for pair in labels if pair[0] in ("le", "status_class"))
            sums[name, kept] = sums.get((name, kept), 0) + value
    return sums


def test_reloads_move_it(tmp_path, site):
    with Rsp(tmp_path, site.text()) as rsp:
        assert site.ask("/ready")[0] == 200
        first, site.port = site.port, free_port()
        with socket.create_server(("127.0.0.1", site.port)):
            rsp.reload(site.text())
            assert "Reload refused" in rsp.log
            assert f"metrics: cannot listen on 127.0.0.1:{site.port}: another program listens there" in rsp.log
            moved, site.port = site.port, first
            assert site.ask("/ready")[0] == 200
            assert site.value("rsp_last_reload_successful") == 0
            [reason] = [dict(labels)["reason"] for name, labels in site.samples() if name == "rsp_last_reload_error"]
            assert "another program listens there" in reason
        site.port = moved
        rsp.reload(site.text())
        assert site.ask("/ready")[0] == 200
        assert site.value("rsp_reloads_refused_total") == 1 and site.value("rsp_last_reload_successful") == 1
        wait_until(lambda: not accepts(first), "the control process to have left the first")
        rsp.reload(site.lab.site())
        wait_until(lambda: not accepts(moved), "the control process to have left the second")
        rsp.reload(
            site.text().replace(
                f'"127.0.0.1:{moved}"', f'{{ address = "127.0.0.1:{moved}", hosts = {{ "a.example" }} }}'
            )
        )
        wait_until(lambda: site.ask("/ready", Host="a.example")[0] == 200, "the name")
        rsp.reload(site.text())
        wait_until(lambda: site.ask("/ready", Host="a.example")[0] == 421, "the name to be gone")


def test_a_unix_socket(tmp_path, lab):
    path = tmp_path / "metrics.sock"
    with Rsp(tmp_path, f'metrics = "unix:{path}" {lab.site()}') as rsp:
        command = ["curl", "-s", "--unix-socket", str(path), "http://any/ready"]
        assert subprocess.run(command, capture_output=True, check=True).stdout == b"ready\n"
        assert path.stat().st_mode & 0o777 == 0o600
        rsp.reload(lab.site())
        assert not path.exists()


def test_a_client_that_the_predecessor_has_accepted_is_told_that_rsp_is_ready(tmp_path, site):
    with Rsp(tmp_path, site.text()) as rsp:
        for backend in site.lab.backends:
            backend.delay = 4.0
        with socket.create_connection(("127.0.0.1", rsp.port)) as busy, socket.socket() as client:
            busy.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")  # so that the predecessor has to stay for a while
            wait_until(lambda: any(backend.running for backend in site.lab.backends), "a request to run")
            client.connect(("127.0.0.1", site.port))
            client.settimeout(30)
            assert site.ask("/ready")[0] == 200, "accepted after the client"
            rsp.signal(signal.SIGUSR2)
            wait_until(lambda: "Upgraded" in rsp.log, "the upgrade")
            wait_until(lambda: site.value("rsp_process_cpu_seconds", process="master") >= 0, "the successor's answer")
            client.sendall(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
            received = b"".join(iter(lambda: client.recv(65536), b""))
            assert received.startswith(b"HTTP/1.1 200 ") and b"Connection: close\r\n" in received
            assert "Stopped." not in rsp.log, "it was the predecessor's answer"
        _stop_successor(rsp)


def test_an_upgrade_passes_a_unix_socket_on(tmp_path, lab):
    path = tmp_path / "metrics.sock"
    command = ["curl", "-s", "--unix-socket", str(path), "http://any/ready"]
    with Rsp(tmp_path, f'metrics = "unix:{path}" {lab.site()}') as rsp:
        file = path.stat().st_ino
        rsp.signal(signal.SIGUSR2)
        wait_until(lambda: "Upgraded" in rsp.log and "Stopped." in rsp.log, "the upgrade")
        assert path.stat().st_ino == file
        assert subprocess.run(command, capture_output=True, check=True).stdout == b"ready\n"
        _stop_successor(rsp)
        assert not path.exists()


def test_an_upgrade_without_metrics_ends_them(tmp_path, lab):
    path = tmp_path / "metrics.sock"
    with Rsp(tmp_path, f'metrics = "unix:{path}" {lab.site()}') as rsp:
        rsp.write(lab.site())
        rsp.signal(signal.SIGUSR2)
        wait_until(lambda: "Upgraded" in rsp.log, "the upgrade")
        wait_until(lambda: not path.exists(), "the file to be gone")
        _stop_successor(rsp)


def test_what_an_upgrade_leaves_out_is_free(tmp_path, site):
    """Of metrics and of listeners: no process of the new master keeps the old address open, where nothing accepts."""
    first, other = site.port, free_port()
    with Rsp(tmp_path, f'listen "127.0.0.1:{other}" {site.text()}', workers=2) as rsp:
        site.port = free_port()
        rsp.write(site.text())
        rsp.signal(signal.SIGUSR2)
        wait_until(lambda: "Upgraded" in rsp.log and "Stopped." in rsp.log, "the upgrade")
        wait_until(lambda: site.ask("/ready")[0] == 200, "the new address")
        for port in (first, other):
            wait_until(lambda port=port: _is_refused(port), f"the end of port {port}")
            socket.create_server(("127.0.0.1", port)).close()
        _stop_successor(rsp)


def _is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_an_upgrade_that_fails_changes_nothing(tmp_path, lab):
    path = tmp_path / "metrics.sock"
    command = ["curl", "-s", "--unix-socket", str(path), "http://any/ready"]
    with Rsp(tmp_path, f'metrics = "unix:{path}" {lab.site()}') as rsp:
        rsp.file.write_text(rsp.file.read_text().replace('"admin.sock"', '"/nowhere/admin.sock"'))
        rsp.signal(signal.SIGUSR2)
        wait_until(lambda: "Upgrade failed" in rsp.log, "the failure")
        assert subprocess.run(command, capture_output=True, check=True).stdout == b"ready\n"


def slow_request(site, rsp) -> threading.Thread:
    """One that runs for three seconds, and has begun."""
    for backend in site.lab.backends:
        backend.delay = 3.0
    thread = threading.Thread(target=lambda: get(rsp.port))
    thread.start()
    wait_until(lambda: any(backend.running for backend in site.lab.backends), "a request to run")
    return thread


def test_ready_while_it_stops(tmp_path, site):
    with Rsp(tmp_path, site.text(), workers=2) as rsp:
        thread = slow_request(site, rsp)
        rsp.signal(signal.SIGTERM)
        wait_until(lambda: "Stopping" in rsp.log, "the signal")
        assert site.ask("/ready") == (503, "not ready: rsp stops\n")
        assert site.ask("/live")[0] == 200
        thread.join()
        assert rsp.process.wait(30) == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", site.port), 5)


def test_not_ready_while_the_last_workers_finish(tmp_path, site):
    """After WINCH: they run still, and answer what they have, but accept nothing."""
    with Rsp(tmp_path, site.text(), workers=2) as rsp:
        thread = slow_request(site, rsp)
        rsp.signal(signal.SIGWINCH)
        wait_until(lambda: site.ask("/ready") == (503, "not ready: no worker accepts connections (1 run)\n"), "503")
        thread.join()
        rsp.reload()
        assert site.ask("/ready")[0] == 200


def test_an_address_that_is_taken(tmp_path, site):
    with socket.create_server(("127.0.0.1", site.port)):
        rsp = Rsp(tmp_path, site.text(), started=False)
        assert rsp.process.wait(30) == 1
        assert f"metrics: cannot listen on 127.0.0.1:{site.port}: another program listens there" in rsp.log


def test_hooks(tmp_path, site):
    hook = 'on_request = function(req) if req.path == "/bad" then error("no") end end'
    with Rsp(tmp_path, site.text(f'route {{ to = "app", {hook} }}')) as rsp:
        assert get(rsp.port)[9:12] == b"200"
        assert get(rsp.port, "/bad")[9:12] == b"500"
        assert site.value("rsp_hook_runs_total") == 2
        assert site.value("rsp_hook_failures_total") == 1
        assert 0 < site.value("rsp_hook_time_seconds_total") < 1
        assert site.value("rsp_requests_total", status_class="5xx") == 1


def test_a_worker_that_hangs(tmp_path, site):
    with Rsp(tmp_path, site.text()) as rsp:
        assert site.ask("/ready")[0] == 200
        os.kill(rsp.workers()[0], signal.SIGSTOP)
        wait_until(lambda: site.ask("/ready")[0] == 503, "the silence")
        assert site.ask("/ready")[1] == "not ready: no worker accepts connections (1 run)\n"
        assert site.value("rsp_worker_silent_seconds", worker="0") >= 3
        os.kill(rsp.workers()[0], signal.SIGCONT)
        wait_until(lambda: site.ask("/ready")[0] == 200, "its return")
        assert site.value("rsp_worker_loop_lag_seconds", worker="0") > 1.5
