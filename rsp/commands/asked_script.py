"""Which script a peer that speaks FastCGI is asked for, as ``rsp explain`` says it."""

from collections.abc import Iterator

from rsp.config.units import show
from rsp.config.upstreams import Upstream
from rsp.exchange.forward.script_roots import scripts_of


def asked_script(upstream: Upstream | None, head: bytes) -> Iterator[str]:
    """A line, if there is a script; ``head``: what a peer that speaks HTTP would be sent."""
    scripts = scripts_of(upstream) if upstream is not None else None
    script = scripts.find(head.split(b" ")[1].partition(b"?")[0]) if scripts is not None and head else None
    if scripts is None or script is None or not script.name:
        return
    info = f", with PATH_INFO {show(script.info.decode('utf-8', 'backslashreplace'))}" if script.info else ""
    unseen = (
        ""
        if scripts.is_visible()
        else "; this process cannot see the directory, so it is unknown whether the script exists"
    )
    name = (scripts.root + script.name).decode("utf-8", "backslashreplace")
    yield f"script:    {name}{info}{unseen}"


def spoken(upstream: Upstream) -> str:
    """What its peers speak, where that is not HTTP; or empty."""
    return {"fastcgi": ", over FastCGI", "uwsgi": ", over uwsgi"}.get(upstream.protocol, "")
