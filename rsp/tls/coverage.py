"""Which names certificates are for: those that several are for, and hosts of routes that none is for."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from rsp.config.schema import Config
from rsp.tls.material import Chain

_MOST_NAMED: Final = 3


def clashes(served: Sequence[Chain]) -> Iterator[str]:
    """A line for each certificate that another one of its kind stands before."""
    first: dict[tuple[str, str], Chain] = {}
    for chain in served:
        about = chain.about
        others: dict[int, list[str]] = {}
        for name in about.names:
            other = first.setdefault((name, about.kind), chain)
            if other is not chain:
                others.setdefault(id(other), []).append(name)
        by_id = {id(other): other for other in first.values()} if others else {}
        for number, names in others.items():
            yield _clash(chain, by_id[number], names)


def _clash(chain: Chain, other: Chain, names: list[str]) -> str:
    about = chain.about
    listed = ", ".join(names[:_MOST_NAMED]) + (" and more" if len(names) > _MOST_NAMED else "")
    where = f'"{other.about.file}" ({other.about.at})'
    if other.about.digest == about.digest:
        return f'{about.at}: warning: certificate "{about.file}": the same as {where}; leave one of them out'
    said = f'certificate "{about.file}" is not used for {listed}: {where}, which comes first, is for the same'
    return f"{about.at}: warning: {said}"


def uncovered(config: Config, served: Sequence[Chain]) -> Iterator[str]:
    """A line for each host of routes that no certificate is for."""
    names = {name for chain in served for name in chain.about.names}
    parents = {name[at:] for name in names for at in _dots(name)}
    default = served[0].about.file if served else ""
    for host in dict.fromkeys(host for route in config.routes for host in route.hosts if host != "*"):
        name = host.lower().rstrip(".").strip("[]")
        wildcard = name[:2] == "*."
        if (
            name in names
            or (name[-2:] == ".*" and any(one.startswith(name[:-1]) for one in names))
            or (f"*.{name.partition('.')[2]}" in names and not wildcard)
            or (wildcard and name[1:] in parents)
        ):
            continue
        refused = "are refused" if config.settings.tls.strict_sni else f'get "{default}"'
        said = f"route: no certificate is for {host}; clients that ask for it {refused}"
        yield f"{config.places.get(f'host {host}', '?')}: warning: {said}"


def _dots(name: str) -> Iterator[int]:
    return islice((at for at, letter in enumerate(name) if letter == "."), 64)
