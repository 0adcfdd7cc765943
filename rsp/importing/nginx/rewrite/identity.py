"""Which requests are a server's, as a condition on ``req`` in the hook for all requests."""

from rsp.importing.lua import quoted
from rsp.importing.nginx.matching.listen import Listener, Listeners
from rsp.importing.nginx.matching.servers import Server


def condition(server: Server, listeners: Listeners, hosts: dict[int, list[str]]) -> str | None:
    """Empty: all requests are; ``None``: there is no such condition.  ``hosts``: names, as rsp has them."""
    own = [listener for listener in listeners.of(server) if not listener.redirects]
    by_host: dict[str, list[Listener]] = {}
    for listener in own:
        said = _at(server, listener, hosts)
        if said is None:
            return None
        by_host.setdefault(said, []).append(listener)
    is_everywhere = len(own) == sum(not listener.redirects for listener in listeners.by_address.values())
    if is_everywhere and len(by_host) == 1:
        return next(iter(by_host))
    found = [" and ".join(filter(None, (_one_of(where), said))) for said, where in by_host.items()]
    return found[0] if len(found) == 1 else " or ".join(f"({each})" for each in found)


def but_for(said: str, hosts: list[str], *, is_secure: bool) -> str:
    """The condition ``said``, and none of ``hosts``; ``is_secure``: and TLS."""
    more = [*(["req.tls"] if is_secure else []), *map(_is_not, hosts)]
    if not more:
        return said
    return " and ".join([*([f"({said})" if " or " in said else said] if said else []), *more])


def _one_of(where: list[Listener]) -> str:
    said = " or ".join(f"req.listener == {quoted(listener.address)}" for listener in where)
    return f"({said})" if len(where) > 1 else said


def _at(server: Server, listener: Listener, hosts: dict[int, list[str]]) -> str | None:
    """The condition on the host of requests at ``listener``."""
    others = [each for each in listener.servers if each is not server]
    if not others:
        return ""
    earlier = {host for each in listener.servers[: listener.servers.index(server)] for host in hosts[id(each)]}
    own = [host for host in hosts[id(server)] if host not in earlier]
    theirs = {host for each in others for host in hosts[id(each)]} - set(own)
    if any(host[0] == "~" for host in own) or (listener.default is server and any(host[0] == "~" for host in theirs)):
        return None
    open_ended = [host for host in (*own, *theirs) if "*" in host]
    if listener.default is server:
        others_of = " and ".join(f"not ({_is(host)})" if "*" in host else _is_not(host) for host in sorted(theirs))
        if not any("*" in host for host in theirs):
            return others_of
        return None if any("*" in host for host in own) else _either([*map(_is, own), others_of])
    if any("*" in host for host in own) and len(open_ended) > 1:
        return None  # the longest counts
    more = [_is_not(host) for host in sorted(theirs) if any("*" in host for host in own) and "*" not in host]
    said = _either([_is(host) for host in own]) if own else None
    return " and ".join([said, *more]) if said is not None else None


def _either(conditions: list[str]) -> str:
    said = " or ".join(each for each in conditions if each)
    return f"({said})" if len(conditions) > 1 else said


def _is(host: str) -> str:
    if host.startswith("*"):
        return f"req.host:sub({1 - len(host)}) == {quoted(host[1:])}"
    if host.endswith("*"):
        return f"req.host:sub(1, {len(host) - 1}) == {quoted(host[:-1])}"
    return f"req.host == {quoted(host)}"


def _is_not(host: str) -> str:
    return f"req.host ~= {quoted(host)}"
