"""Hypothesis: no deadlines, which would measure the machine; the same examples each time in CI.

Of the files whose tests cost most, each sixth test runs always, and the others in ``make soak``: ``make check`` has to
end within ten minutes on two cores.

Budgets of hooks are processor time, so a collection of all that earlier tests have left must not fall into them.
"""

import gc
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

DEAR = frozenset(
    f"{name}.py"
    for name in (
        "faults/test_discovery_outages", "faults/test_failures", "faults/test_families",
        "faults/test_health", "faults/test_names", "interop/test_differential", "interop/test_django",
        "interop/test_downloads", "interop/test_files_in_browsers", "interop/test_h2spec",
        "interop/test_http2_clients", "interop/test_import_beside_haproxy",
        "interop/test_import_beside_nginx", "interop/test_passwords", "interop/test_real_servers",
        "interop/test_slow_attacks", "interop/test_spa", "interop/test_wordpress",
        "operations/test_certificates", "operations/test_operating", "operations/test_reload",
        "operations/test_systemd", "operations/test_tls_under_load", "operations/test_upgrade",
        "process/test_access_and_limits", "process/test_access_logs", "process/test_apps_under_paths",
        "process/test_auth", "process/test_buffering", "process/test_clients_that_leave",
        "process/test_cluster_limits", "process/test_command_line", "process/test_compress",
        "process/test_control", "process/test_dashboard", "process/test_demo",
        "process/test_discovered_services", "process/test_discovery", "process/test_errors_in_terminals",
        "process/test_everyday", "process/test_few_descriptors", "process/test_files_http",
        "process/test_fleet", "process/test_fleet_engines", "process/test_fleet_holes",
        "process/test_forward_auth", "process/test_header_rules", "process/test_hooks",
        "process/test_hostile_children", "process/test_http", "process/test_http2",
        "process/test_http2_listeners", "process/test_http2_peers", "process/test_import",
        "process/test_init", "process/test_key_values", "process/test_large_messages",
        "process/test_left_listeners", "process/test_log_format", "process/test_logs_never_block",
        "process/test_many_members", "process/test_metrics", "process/test_no_rights",
        "process/test_numbers", "process/test_one_configuration", "process/test_proxy_protocol",
        "process/test_response_filters", "process/test_routes", "process/test_routes_from_labels",
        "process/test_send_proxy", "process/test_sending_files", "process/test_serving",
        "process/test_slow_streams", "process/test_spread", "process/test_stale_connections",
        "process/test_stores", "process/test_supervision", "process/test_tls_bodies",
        "process/test_tls_checks", "process/test_tls_exchanges", "process/test_tls_handshakes",
        "process/test_tls_peers", "process/test_tracing", "process/test_tracing_tries",
        "process/test_traffic", "process/test_values", "process/test_watching", "process/test_wheel",
        "property/test_hpack", "property/test_linear", "property/test_log_lines", "property/test_routing",
        "property/test_trace_context", "unit/test_config", "unit/test_config_messages",
        "unit/test_config_says_no", "unit/test_discovery_docker", "unit/test_discovery_kubernetes",
        "unit/test_discovery_rules", "unit/test_export", "unit/test_import_closed",
        "unit/test_import_nginx_directives", "unit/test_import_nginx_files",
        "unit/test_import_nginx_refused", "unit/test_import_two_patterns", "unit/test_policies",
        "unit/test_redis", "unit/test_tls_reader", "unit/test_tls_sessions", "unit/test_value_conditions",
    )
)  # fmt: skip
ONE_IN = 6


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = config.option.keyword or any("::" in each for each in config.args)
    if chosen or "RSP_TEST_TLS" in os.environ:
        return
    seen: dict[str, int] = {}
    for item in items:
        file = item.nodeid.partition("::")[0].removeprefix("tests/")
        if file in DEAR and item.get_closest_marker("alone") is None and item.get_closest_marker("soak") is None:
            number = seen[file] = seen.get(file, -1) + 1
            if number % ONE_IN:
                item.add_marker("soak")


settings.register_profile(
    "rsp", deadline=None, derandomize="CI" in os.environ, max_examples=500 if "RSP_SOAK" in os.environ else 30
)
settings.load_profile("rsp")


@pytest.fixture(scope="module", autouse=True)
def _collections_are_short() -> Iterator[None]:
    """As in a worker."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module", autouse=True)
def _threads_that_are_left_wait() -> Iterator[None]:
    """A thread of an earlier file that spins takes half of the time of all later ones."""
    before, began = _spent(), time.monotonic()
    yield
    most = max(0.5, (time.monotonic() - began) / 20)
    for thread, seconds in _spent().items():
        if seconds - before.get(thread, seconds) > most:
            pytest.fail(f"{thread}, left by an earlier file, spins: {getattr(thread, '_target', None)}")


def _spent() -> dict[threading.Thread, float]:
    """Processor time of each thread but the one that runs the tests."""
    found = {}
    for thread in threading.enumerate():
        try:
            fields = Path(f"/proc/self/task/{thread.native_id}/stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if thread is not threading.current_thread():
            found[thread] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found
