"""HAProxy's page of statistics, which rsp does not have: requests for it get 404, and never reach a peer."""

from typing import Any, Final

from rsp.importing.haproxy.sections import Line, Section
from rsp.importing.ordered.condition import Condition, Path, of_path
from rsp.importing.ordered.rules import Rule

ABSENT: Final[dict[str, Any]] = {"respond": {"status": 404}}


def alone(section: Section) -> bool:
    """Whether it serves HAProxy's page of statistics, or its metrics, and nothing else."""
    own = [line for line in section.lines if line.first not in ("bind", "mode", "log", "timeout", "option", "maxconn")]
    page = [line for line in own if line.first == "stats" or "prometheus-exporter" in line.words]
    return bool(page) and not any(line.first in ("server", "use_backend", "default_backend") for line in own)


def page(lines: list[Line]) -> list[Rule]:
    """The rule for the last ``stats uri``, which is for all that begins with it."""
    line = next((each for each in reversed(lines) if each.starts("stats", "uri") and len(each.words) > 2), None)
    if line is None:
        return []
    path, has_query, query = line.words[2].partition("?")
    where = of_path(Path("prefix", path))
    if has_query:
        where = Condition(path=Path("exact", path), query=((query.partition("=")[0], True),))
    said = ("HAProxy's page of statistics was here.",)
    return [Rule(ABSENT, [where], last=True, origin=line.origin, text=line.text, comments=said)]
