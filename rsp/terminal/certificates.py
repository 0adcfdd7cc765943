"""The table of ``rspctl certs``, and what has to be done about certificates."""

import time
from collections.abc import Sequence
from typing import Any, Final

from rsp.terminal.tables import table

_SOON: Final = 30.0  # days before a certificate expires


def show_certificates(certificates: Sequence[dict[str, Any]]) -> None:
    """As the admin interface has them."""
    if not certificates:
        print("no certificates are in use")
        return
    rows: list[tuple[object, ...]] = [("names", "kind", "issuer", "expires", "left", "declared", "used for")]
    problems = []
    for one in certificates:
        name, *others = one["names"] or [one["subject"]]
        expires = time.strftime("%Y-%m-%d", time.localtime(one["not_after"]))
        more = f" +{len(others)}" if others else ""
        rows.append((name + more, one["kind"], one["issuer"], expires, time_left(one), one["declared"], _use(one)))
        ocsp = one["ocsp"] or {}
        said = (one["problem"], _expiry(one), ocsp.get("problem") and f"no new OCSP response: {ocsp['problem']}")
        problems += [f"{one['file']}: {problem}" for problem in said if problem]
    table(rows)
    for problem in problems:
        print(problem)


def time_left(certificate: dict[str, Any]) -> str:
    days: float = certificate["days_left"]
    return "expired" if days <= 0 else f"{days:.0f} days" if days >= 2 else f"{days * 24:.0f} hours"


def _expiry(certificate: dict[str, Any]) -> str:
    """A warning, in the last days of a certificate that has not expired; of others ``problem`` says so."""
    return f"expires in {time_left(certificate)}: renew it" if 0 < certificate["days_left"] <= _SOON else ""


def _use(certificate: dict[str, Any]) -> str:
    """Listeners and the hosts of routes, or upstreams."""
    places = [*certificate["listeners"], *certificate["hosts"], *map("upstream {}".format, certificate["upstreams"])]
    if certificate["default"]:
        places.append("default")
    return ", ".join(places[:5]) + (f" and {len(places) - 5} more" if len(places) > 5 else "") or "nothing"
