"""Sources of members, as families for Prometheus."""

from collections.abc import Iterable, Iterator

from rsp.control.discovery.standing import Standing
from rsp.control.exposition import Family, labels


def discovery(sources: Iterable[Standing]) -> Iterator[Family]:
    """Nothing where nothing is discovered."""
    up = Family("rsp_discovery_up", "gauge", "Whether the source of an upstream's members can be reached.")
    members = Family("rsp_discovery_members", "gauge", "Members in use.")
    doubted = Family("rsp_discovery_doubtful", "gauge", "Whether its last list has too few members to come into force.")
    flapping = Family("rsp_discovery_flapping", "gauge", "Members that come and go too often to be followed.")
    changes = Family("rsp_discovery_changes", "counter", "Changes of members that were applied.")
    errors = Family("rsp_discovery_errors", "counter", "Times that the source could not be followed.")
    families = (up, members, doubted, flapping, changes, errors)
    for one in sources:
        about = labels(("upstream", one.upstream), ("source", one.source))
        values = (
            int(one.state in ("ok", "doubtful")), one.members, int(one.state == "doubtful"), len(one.flapping),
            one.changes, one.errors,
        )  # fmt: skip
        for family, value in zip(families, values, strict=True):
            family.series.append((about, value))
    if up.series:
        yield from families
