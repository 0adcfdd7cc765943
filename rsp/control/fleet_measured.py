"""A node of a site, as families for Prometheus."""

from collections.abc import Iterator

from rsp.control.exposition import Family, labels
from rsp.control.state import Data


def site(status: Data | None) -> Iterator[Family]:
    """``status``: of the node; ``None``: this instance is not a node, and there is nothing to measure."""
    if status is None:
        return
    running, stable = str(status["running"]), str(status["stable"])
    about = labels(("node", str(status["node"])), ("version", running[:12]))
    yield Family("rsp_site", "gauge", "The version of the site that the node runs.", "", [(about, 1)])
    for name, text, value in (
        ("rsp_site_up", "Whether the engine of the site can be reached.", status["reached"]),
        ("rsp_site_confirmed", "Whether the version that the node runs is the confirmed one.", running == stable),
        (
            "rsp_site_refused",
            "Whether the node has rejected a version that it should run.",
            status["state"] == "refused",
        ),
    ):
        yield Family(name, "gauge", text, "", [("", int(bool(value)))])
