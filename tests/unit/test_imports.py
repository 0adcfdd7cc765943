"""What processes import: a server nothing of the commands, and nothing of engines before a configuration names one."""

import subprocess
import sys
from functools import cache

PARSERS = {"yaml", "shtab", "shlex", "rich", "crossplane", "rsp.config.annotations", "rsp.config.reference"}
SERVER = ("rsp.master", "rsp.worker", "rsp.loader", "rsp.control.process")
# What an instance without engines may have: the rest, and its libraries, is for those that name one.
ENGINES = {"engines", "engines.stores", "engines.failures", "engines.shared_values", "nodes", "nodes.node"}
DISCOVERY = {"control.discovery", "control.discovery.standing", "control.discovery.measured"}


@cache
def imported(*modules):
    """All modules that a program has imported with these."""
    code = f"import {', '.join(modules)}, sys; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_command_line_imports_no_command():
    found = imported("rsp.cli")
    assert {name for name in found if name.startswith(("rsp.commands.", "rsp.importing", "rsp.terminal"))} == {
        "rsp.commands.arguments",
        "rsp.commands.options",
    }
    assert not found & {"psutil", *PARSERS}


def test_a_server_imports_no_command():
    found = imported(*SERVER)
    assert "rsp.net.poller" in found
    assert not {name for name in found if name.startswith(("rsp.commands", "rsp.importing", "rsp.terminal"))}
    assert not found & PARSERS


def test_a_server_without_engines_imports_nothing_that_speaks_to_them():
    found = imported(*SERVER)
    own = {name.removeprefix("rsp.") for name in found if name.startswith("rsp.")}
    assert "control.process" in own
    assert {name for name in own if name.startswith(("engines", "nodes"))} <= ENGINES
    assert {name for name in own if name.startswith("control.discovery.")} <= DISCOVERY
    assert not own & {"config.labels", "config.label_routes", "control.fleet", "supervise.site_file"}
    assert not found & {"aiohttp", "dns", "hiredis", "redis"}
