"""Where a site is, what opens it, and what a node keeps: from a URL and from environment variables.

Credentials are in files that the environment names.  They are read once, by the process that is started.
"""

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rsp.config.engines import Access, EngineUrl
from rsp.config.tls import UpstreamTls
from rsp.config.units import Duration, Secret, show
from rsp.engines.kv_stores import PORTS, check
from rsp.nodes.node import Node, Place
from rsp.tls.material import Chain, Described, Keyring
from rsp.tls.sources import Unusable, content

_TIMEOUT: Final = Duration(3)  # for an answer: a node has to try other endpoints within a deadline
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LARGEST_SECRET: Final = 64 << 10
_LARGEST_PEM: Final = 4 << 20


def find_place(url: str, environment: Mapping[str, str]) -> Place:
    """Raises :class:`ValueError` with the name of the variable."""
    _checked(url)
    secrets = {name: _secret(environment, f"RSP_SITE_{name}_FILE") for name in ("PASSWORD", "TOKEN")}
    tls, keyring = _tls(environment)
    if tls is not None and not EngineUrl.parse(url, PORTS).is_secure:
        raise ValueError(f"{show(url)}: RSP_SITE_CA and RSP_SITE_CERTIFICATE require a URL with TLS (etcds://, "
                         "consuls://, rediss://)")  # fmt: skip
    access = Access(
        username=environment.get("RSP_SITE_USERNAME") or None,
        password=secrets["PASSWORD"], token=secrets["TOKEN"], tls=tls, timeout=_TIMEOUT,
    )  # fmt: skip
    if access.password is not None and access.username is None and not url.startswith("redis"):
        raise ValueError("RSP_SITE_PASSWORD_FILE is set, but RSP_SITE_USERNAME is not; set both")
    return Place(url, access, keyring)


def find_node(url: str, environment: Mapping[str, str]) -> Node:
    """Raises :class:`ValueError` with the name of the variable."""
    place = find_place(url, environment)
    name = environment.get("RSP_NODE") or socket.gethostname()
    if not _NAME.fullmatch(name):
        raise ValueError(
            f'RSP_NODE: the name of a node may contain letters, digits and "._-", at most 64; got {show(name)}'
        )
    site = re.sub(r"[^A-Za-z0-9._-]+", "-", check(url)[1].strip("/"))[:100]
    return Node(place, name, _state(environment) / f"{site}@{name}")


def _checked(url: str) -> None:
    try:
        check(url)
    except ValueError as error:
        raise ValueError(f"the URL of the site: {error}") from None


def _state(environment: Mapping[str, str]) -> Path:
    given = environment.get("RSP_STATE") or environment.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/rsp")
    home = environment.get("XDG_STATE_HOME") or str(Path("~/.local/state").expanduser())
    return Path(home) / "rsp"


def _secret(environment: Mapping[str, str], name: str) -> Secret | None:
    data = _file(environment, name, _LARGEST_SECRET)
    if data is None:
        return None
    try:
        text = data.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError(f"{name}: the file is not UTF-8") from None
    if not text or not text.isprintable():
        raise ValueError(f"{name}: expected one line of text in the file")
    return Secret(text)


def _tls(environment: Mapping[str, str]) -> tuple[UpstreamTls | None, Keyring]:
    ca = _file(environment, "RSP_SITE_CA", _LARGEST_PEM)
    chain = _file(environment, "RSP_SITE_CERTIFICATE", _LARGEST_PEM)
    key = _file(environment, "RSP_SITE_KEY", _LARGEST_PEM)
    if (chain is None) != (key is None):
        raise ValueError("RSP_SITE_CERTIFICATE and RSP_SITE_KEY are only valid together; set both or none")
    if ca is None and chain is None:
        return None, Keyring()
    tls = UpstreamTls(
        ca="RSP_SITE_CA" if ca is not None else None,
        certificate="RSP_SITE_CERTIFICATE" if chain is not None else None,
        key="RSP_SITE_KEY" if key is not None else None,
    )
    own = {tls.own: Chain(chain, key, _ABOUT)} if chain is not None and key is not None and tls.own is not None else {}
    return tls, Keyring(authorities={"RSP_SITE_CA": ca} if ca is not None else {}, own=own)


_ABOUT: Final = Described("RSP_SITE_CERTIFICATE", "", (), "", "", "", "", 0.0, 0.0)


def _file(environment: Mapping[str, str], name: str, largest: int) -> bytes | None:
    """The content of the file that the variable ``name`` names."""
    path = environment.get(name)
    if not path:
        return None
    try:
        return content(Path(path), largest)
    except Unusable as error:
        raise ValueError(f"{name}: {show(path)}: {error}") from None
