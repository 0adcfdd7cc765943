"""Stick tables that count requests or connections: ``track-sc0``, and what is refused above a number."""

import re
from typing import Any

from rsp.importing import units
from rsp.importing.haproxy.conditions import Acls
from rsp.importing.haproxy.sections import Line
from rsp.importing.haproxy.values import placeholders, seconds
from rsp.importing.ordered.condition import ALL, Inexpressible


class Rates:
    """Of one frontend or backend.  ``tables``: by the name of their section; ``""`` is this section's own."""

    def __init__(self, acls: Acls, ports: frozenset[str], tables: dict[str, Line], notes: dict[str, None]) -> None:
        self.acls = acls
        self.ports = ports
        self.tables = tables
        self.tracked: dict[str, tuple[str, str]] = {}  # counter: table, key
        self.notes = notes

    def limit(self, marker: tuple[str, str], status: int) -> dict[str, Any]:
        kind, value = marker
        most, counter, *rest = value.split(",")
        if counter == "src":
            table, key = rest[0] if rest else "", "{client}"
        else:
            if counter not in self.tracked:
                raise Inexpressible(f"nothing is tracked in sc{counter} before")
            table, key = self.tracked[counter]
        line = self.tables.get(table)
        if line is None:
            raise Inexpressible("its stick-table is not in this file")
        keyed = {} if key == "{client}" else {"key": key}
        if kind == "\0conn_cur":
            self.notes["conn_cur counts connections, rsp's concurrency requests that run"] = None
            return {"concurrency": [{"max": max(int(most), 1), **keyed, "status": status}]}
        stored = re.search(r"http_req_rate\(([^)]*)\)", line.text)
        if stored is None:
            raise Inexpressible("its stick-table does not store http_req_rate")
        line.used = True
        self.notes[
            "HAProxy counts a rate in a sliding window for all of a frontend; rsp fills a bucket, one for each route"
        ] = None
        limit: dict[str, Any] = {"rate": units.rate(int(most), seconds(stored[1])), **keyed}
        if int(most) > 1:
            limit["burst"] = int(most) - 1
        if status != 429:
            limit["status"] = status
        return {"rate_limit": [limit]}

    def track(self, counter: str, words: list[str], condition: list[str]) -> None:
        pairs = dict(zip(words[1::2], words[2::2], strict=False))
        key = (
            "{client}" if words[:1] == ["src"] else placeholders(f"%[{words[0]}]", self.ports) if words else "{client}"
        )
        self.tracked[counter] = (pairs.get("table", ""), key)
        if condition:
            raise_unless_plain = self.acls.alternatives(condition)
            if any(each.any != [ALL] or each.unless for each in raise_unless_plain):
                self.notes["what is tracked under a condition is limited where the limit is asked for"] = None
