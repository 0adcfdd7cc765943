"""Commands of the pages that are not run, and why: the one place where that is said.

They are parsed all the same, and their options for ``rsp`` and ``rspctl`` are checked (test_checked_commands.py).
"""

import re
from typing import NamedTuple

from tests.docs.pages import Command


class Excuse(NamedTuple):
    """``command``: a regular expression for its beginning; ``page``: of this page alone."""

    command: str
    reason: str
    page: str = ""


EXCUSES = (
    Excuse(r"(python3 -m venv .*&& .*)?(RSP_PURE=1 )?\S*pip (install|wheel)", "takes minutes, or asks PyPI; tests/process/test_wheel.py installs"),
    Excuse(r"make ", "has a test of its own, or takes long"),
    Excuse(r"apt(-get)? |npm ", "needs a network"),
    Excuse(r"docker |podman ", "needs a container engine; tests/deploy runs deploy/ in one"),
    Excuse(r"kubectl ", "needs a cluster"),
    Excuse(r"(sudo )?systemctl |journalctl |systemd-", "needs systemd as process 1; tests/operations/test_units.py checks the unit"),
    Excuse(r"rspctl -s /run/rsp/admin\.sock", "asks the instance that systemd would have started"),
    Excuse(r"certbot |acme\.sh ", "needs an authority and a public name"),
    Excuse(r"sysctl ", "would change the machine"),
    Excuse(r"(open|xdg-open|editor|\$EDITOR) ", "needs a person"),
    Excuse(r"htpasswd ", "asks for a password"),
    Excuse(r"find dist ", "needs brotli and zstd"),
    Excuse(r"rspctl upgrade", "the page starts no instance", "install.md"),
    Excuse(r"openssl req", "the stage has made it, and rsp uses it already", "tls.md"),
    Excuse(r"rspctl certs", "shows another site's certificates", "tls.md"),
    Excuse(r"rsp(ctl)? fleet|rsp (etcd|consul|redis)s?://", "needs etcd, Consul or Redis; tests/many_nodes has nodes"),
)  # fmt: skip


def excuse(command: Command) -> Excuse | None:
    """Why it is not run, or None."""
    return next((each for each in EXCUSES if re.match(each.command, command.text) and each.page in command.place), None)
