"""What tests of routes from labels are made of."""

from rsp.config.labels import Asked, Labelled
from rsp.lua.evaluate import evaluate

SITE = """
listen "127.0.0.1:8080"
discover_routes = { docker = "unix:/run/docker.sock", hosts = { "*.apps.test", "shop.test" } }
upstream "app" { "127.0.0.1:8000" }
route { host = "admin.apps.test", to = "app" }
route { host = "shop.test", path = "/static", to = "app" }
route { path = "/healthz", respond = { body = "ok" } }
route { to = "app" }
"""


def config_of(tmp_path, text=SITE):
    file = tmp_path / "site.lua"
    file.write_text(text)
    return evaluate(str(file))[0]


def labels(enable="true", **given):
    """``rsp.routes.api.host`` is ``routes__api__host``."""
    named = {"rsp." + name.replace("__", "."): value for name, value in given.items()}
    return {"rsp.enable": enable, **named} if enable else named


def container(name="web-1", owner="", service="", **given):
    return Labelled(name, owner or f"container {name}", service or name, labels(**given))


def asked(*items, kind="container", **owners):
    return Asked(kind, list(items), {host.replace("_", "."): owner for host, owner in owners.items()})
