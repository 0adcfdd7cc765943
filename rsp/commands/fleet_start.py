"""The start of a node of a site: which version it begins with, from the engine or from the local copies.

The engine is asked by a process of its own, within a time limit: a master never has anything to do with a network.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from rsp.config.errors import ConfigError
from rsp.engines.failures import Unreachable
from rsp.loader import Loader
from rsp.logs import log
from rsp.nodes.bundle import unpack
from rsp.nodes.local import Local
from rsp.nodes.node import Node, SiteError
from rsp.nodes.place import find_node
from rsp.nodes.site import Site
from rsp.supervise.site_file import SiteFile
from rsp.system.forked import Failed, Forked

_PATIENCE: Final = 8.0  # seconds until the engine has answered
_UPGRADE: Final = "RSP_UPGRADE"  # set by a master that hands over: its follower keeps the local copies up to date


def local_file(url: str, environment: Mapping[str, str]) -> str:
    """The file that a node would start with now, without asking the engine.  Raises :class:`SiteError`."""
    node = _node(url, environment)
    version = Local(node.folder).stable()
    if version is None:
        raise SiteError(f"{url}: this node has no local copy in {node.folder} yet; rsp creates it when it starts")
    return Local(node.folder).main(version)


def start(url: str, environment: Mapping[str, str]) -> SiteFile:
    """Raises :class:`SiteError` if there is nothing to start with, and :class:`OSError`."""
    node = _node(url, environment)
    local = Local(node.folder)
    local.prepare()
    stable = local.stable()
    if stable is None or _UPGRADE not in environment:
        stable = _newest(node, local, stable)
    local.settle(stable)
    log.line(f"Site {url}: node {node.name} starts with version {stable[:12]}.")
    return SiteFile(node._replace(stable=stable, running=stable))


def _node(url: str, environment: Mapping[str, str]) -> Node:
    try:
        return find_node(url, environment)
    except ValueError as error:
        raise SiteError(str(error)) from None


def _newest(node: Node, local: Local, stable: str | None) -> str:
    """What the site says, if it can be loaded here; else what was confirmed before.  Raises :class:`SiteError`."""
    try:
        version = _fetched(node, local)
        if version != stable:
            _try(local, version)
    except SiteError as error:
        if stable is None:
            raise SiteError(f"{node.place.url}: {error}") from None
        for line in filter(None, str(error).split("\n")):
            log.line(f"Site {node.place.url}: {line}", log.ERROR)
        return stable
    return version


def _fetched(node: Node, local: Local) -> str:
    """The version that is confirmed, which is stored then.  Raises :class:`SiteError`."""
    forked = Forked(lambda: asyncio.run(_fetch(node, local)), _PATIENCE)
    forked.wait()
    try:
        answer = forked.result()
    except Failed as error:
        raise SiteError(f"asking the engine {error}") from None
    kind, text = answer[:1], answer[1:].decode("utf-8", "replace")
    if kind != b"+":
        raise SiteError(text)
    return text


async def _fetch(node: Node, local: Local) -> bytes:
    try:
        async with Site(node.place) as site:
            version = (await site.read()).record.stable
            if version is None:
                command = f"rspctl fleet --site {node.place.url} rollout site.lua"
                return f"-nothing has been rolled out yet; on any machine: {command}".encode()
            if not local.is_intact(version):
                local.store(version, unpack(version, await site.packed(version)))
            return b"+" + version.encode()
    except (Unreachable, ValueError) as error:
        return b"-" + str(error).encode()
    except OSError as error:
        return f"-{error.filename or local.folder}: {error.strerror}".encode()


def _try(local: Local, version: str) -> None:
    """Raises :class:`SiteError` for a version that cannot be loaded on this node."""
    try:
        Loader(local.main(version)).finish().stored.close()
    except ConfigError as error:
        lines = (f"version {version[:12]}: {local.shown(message, version)}" for message in error.messages)
        raise SiteError("\n".join(lines)) from None
