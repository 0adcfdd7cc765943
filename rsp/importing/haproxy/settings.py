"""What frontends and defaults say for all requests: settings of rsp."""

from typing import Any

from rsp.importing.haproxy.sections import Line
from rsp.importing.site import Note, Setting, Site, Untranslated
from rsp.importing.trust import BEHIND


def forwarded(site: Site, every: list[Line]) -> None:
    """How peers learn of the client.  ``every``: all lines of the file."""
    for line in every:
        if line.starts("no", "option", "forwardfor"):
            line.used = True
    asked = _all(every, "option", "forwardfor")
    standard = _all(every, "option", "forwarded")
    for line in standard:
        if len(line.words) > 2 or asked:
            why = "rsp sends X-Forwarded-For or Forwarded, and in it for, proto and host"
            site.add(Untranslated(why, line.text, line.origin))
    if standard and not asked:
        site.add(Setting("forwarded", "forwarded"))
    elif asked:
        site.add(Note("beside X-Forwarded-For, peers get X-Forwarded-Proto and X-Forwarded-Host", asked[0].origin))
        site.add(Note(BEHIND, asked[0].origin))
    else:
        site.add(Setting("forwarded", "off", comments=["No option forwardfor: peers get no X-Forwarded fields."]))
    for line in asked:
        if "except" in line.words[:-1]:
            network = line.words[line.words.index("except") + 1]
            text = (
                "from clients in this network rsp replaces X-Forwarded-For, too; if they are proxies: "
                f'trusted = {{ "{network}" }}'
            )
            site.add(Note(text, line.origin))


def compression(site: Site, every: list[Line]) -> None:
    found: dict[str, Any] = {}
    for line in every:
        if line.first == "compression":
            line.used = True
            if line.words[1:2] == ["algo"]:
                found["algorithms"] = ["gzip"]
            elif line.words[1:2] == ["type"]:
                found["types"] = [f"{each}*" if each.endswith("/") else each for each in line.words[2:]]
    if found:
        site.add(Setting("compress", {"algorithms": ["gzip"], **found}))


def polling(site: Site, lines: list[Line]) -> None:
    """``busy-polling``: HAProxy never sleeps then; rsp looks for events a while before it does."""
    found = _all(lines, "busy-polling")
    if found:
        site.add(Setting("busy_poll", "50us", found[0].origin))


def _all(lines: list[Line], *words: str) -> list[Line]:
    found = [line for line in lines if line.starts(*words)]
    for line in found:
        line.used = True
    return found
