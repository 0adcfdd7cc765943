"""Which scripts the requests of an upstream are for, and what is said at the start of roots that workers cannot see."""

from collections.abc import Iterable
from typing import Final

from rsp.config.units import show
from rsp.config.upstreams import Upstream as UpstreamConfig
from rsp.http.cgi.scripts import Scripts
from rsp.logs import log

NO_SCRIPTS: Final = Scripts("", "", "")


def scripts_of(config: UpstreamConfig) -> Scripts | None:
    """What requests for the peers of an upstream are for; ``None``: they speak HTTP, and what that means is theirs."""
    if config.protocol == "http":
        return None
    if config.protocol != "fastcgi":
        return NO_SCRIPTS
    return Scripts(config.root or "", config.split, config.index, config.pages)


def tell_of_roots(upstreams: Iterable[UpstreamConfig]) -> None:
    """In the log, for each upstream whose scripts this process cannot see, or whose index is not there."""
    for config in upstreams:
        scripts = scripts_of(config)
        about = f'upstream "{config.name}": root = {show(config.root)}'
        if scripts is not None and not scripts.is_visible():
            log.line(
                f"{about}: workers cannot see what is in it, so scripts are passed on without a check; mount it here, "
                "or let the workers' user enter it; see docs/fastcgi.md#scripts-that-do-not-exist",
                log.WARNING,
            )
        elif scripts is not None and scripts.lacks_index():
            log.line(
                f"{about}: there is no {config.index}, so a path that does not name a script gets 404", log.WARNING
            )
