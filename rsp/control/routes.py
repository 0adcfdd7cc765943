"""The routes in force, and which of them labels ask for, for operators and for Prometheus."""

from collections.abc import Iterator

from rsp.config.answers import Redirect
from rsp.config.route_names import label, route_names
from rsp.config.routes import Route
from rsp.config.schema import Config
from rsp.control.exposition import Family

Data = dict[str, object]


def report(config: Config, problem: str) -> Data:
    """``problem``: why what labels ask for is not known any more; or empty."""
    own = len(config.routes) - len(config.labelled)
    places = ["file"] * own + list(config.labelled)
    rows = zip(config.routes, route_names(config), places, strict=True)
    return {
        "routes": [
            {"name": name, "requests": label(route), "answer": _answer(route), "from": place}
            for route, name, place in rows
        ],
        "left_out": list(config.refused),
        "problem": problem,
    }


def _answer(route: Route) -> str:
    """What answers its requests, in a few words."""
    if route.split is not None:
        return " or ".join(route.split.to)
    if route.redirect is not None:
        return f"redirect to {route.redirect.to if isinstance(route.redirect, Redirect) else route.redirect}"
    if route.respond is not None:
        return f"response {route.respond.status}"
    rules = route.file_rules
    if rules is not None:
        return f"files in {rules.root}" + (f", else {route.else_to}" if route.else_to is not None else "")
    return route.to or ""


def families(config: Config, problem: str) -> Iterator[Family]:
    """Of routes from labels, where the configuration allows them."""
    if config.settings.discover_routes is None:
        return
    for name, about, value in (
        ("rsp_label_routes", "Routes from labels that are in use.", len(config.labelled)),
        ("rsp_label_routes_left_out", "Reasons why routes from labels are ignored.", len(config.refused)),
        ("rsp_label_routes_up", "Whether the source of routes from labels can be listed.", int(not problem)),
    ):
        yield Family(name, "gauge", about, "", [("", value)])
