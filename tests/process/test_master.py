"""What the master has loaded, what its children have, and how many workers it takes."""

import signal
from pathlib import Path

import bcrypt
import pytest

from rsp.config.units import MOST_WORKERS
from tests.harness import Backend, Rsp, get, proxy_to, run_rsp, wait_until

# The real program; the children end without coming here.
PROGRAM = """
import sys
from rsp.cli import main
status = main(sys.argv[1:])
with open("modules", "w") as file:
    print(*sorted(sys.modules), file=file)
sys.exit(status)
"""
FOR_CHILDREN = {"bcrypt", "cryptography", "dns", "jwt", "lupa", "re2", "_cffi_backend", "multiprocessing"}
USERS = """
local staff = basic_auth { file = "users", realm = "staff" }
local odd = regex("^/odd")
on_request = function(req)
  if odd.test(req.path) then return respond(404) end
  if not staff.user(req) then return staff.ask() end
end
"""


@pytest.fixture
def backend():
    return Backend()


def loaded(pid: int, library: str) -> bool:
    return f"/{library}" in Path(f"/proc/{pid}/maps").read_text()  # its folder


def test_the_master_loads_nothing_that_only_its_children_need(tmp_path, backend):
    (tmp_path / "watched.py").write_text(PROGRAM)
    (tmp_path / "users").write_bytes(b"ann:" + bcrypt.hashpw(b"secret", bcrypt.gensalt(4)))
    with Rsp(tmp_path, proxy_to(backend.address, extra=USERS), program="watched") as rsp:
        worker = rsp.workers()[0]
        assert loaded(worker, "lupa") and loaded(worker, "uvloop")
        assert loaded(worker, "bcrypt")  # before any request: it may have no descriptor left then, or no right to read
        assert get(rsp.port).startswith(b"HTTP/1.1 401")
        rsp.reload()
        assert rsp.stop() == 0
        modules = set((tmp_path / "modules").read_text().split())
    assert {"rsp.master", "rsp.worker", "rsp.exchange.exchange"} <= modules  # workers are forked with what they run
    assert not {name.partition(".")[0] for name in modules} & FOR_CHILDREN


def test_a_worker_without_passwords_does_not_load_bcrypt(tmp_path, backend):
    hook = "on_request = function(req) end"
    with Rsp(tmp_path, proxy_to(backend.address, extra=hook), program="rsp") as rsp:
        worker = rsp.workers()[0]
        assert loaded(worker, "lupa") and not loaded(worker, "bcrypt")


def test_too_many_workers_are_refused_however_they_are_asked_for(tmp_path, backend):
    many = str(MOST_WORKERS + 1)
    refused = run_rsp(tmp_path, "site.lua", text=f"workers = {many} {proxy_to(backend.address)}")
    assert refused.returncode == 1
    assert "site.lua:1: workers" in refused.stderr and f"at most {MOST_WORKERS}" in refused.stderr
    for command in (["-w", many, "site.lua"], ["demo", "-w", many, "site.lua"]):
        refused = run_rsp(tmp_path, *command)
        assert refused.returncode == 2 and f"a number from 1 to {MOST_WORKERS}" in refused.stderr
        assert "Backends" not in refused.stdout


def test_a_running_instance_keeps_its_workers_when_the_number_is_not_possible(tmp_path, backend):
    with Rsp(tmp_path, proxy_to(backend.address, extra="workers = 1"), workers=None) as rsp:
        rsp.signal(signal.SIGTTOU)
        wait_until(lambda: f"remains 1: it must be from 1 to {MOST_WORKERS}" in rsp.log, "the refusal")
        rsp.reload(proxy_to(backend.address, extra=f"workers = {MOST_WORKERS + 1}"))
        assert "Reload refused, the running configuration stays" in rsp.log and f"at most {MOST_WORKERS}" in rsp.log
        rsp.reload(proxy_to(backend.address, extra="workers = 2"))
        wait_until(lambda: len(rsp.workers()) == 2, "2 workers")
