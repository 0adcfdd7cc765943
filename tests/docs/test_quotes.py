"""Messages that the pages quote are those of the sources."""

import re

from rsp.config.limits import Limits as Sizes
from rsp.config.limits import Timeouts
from rsp.http.limits import Limits
from rsp.system.descriptors import Room
from tests.docs.pages import DOCS, ROOT

_OF_THE_SYSTEM = ("Connection refused", "Permission denied")


def test_reasons_of_a_502():
    page = (DOCS / "howto" / "debug-502.md").read_text()
    table = page.partition("| the reason in the log or the trace |")[2].partition("\n\n")[0]
    reasons = {quoted for row in table.split("\n") for quoted in re.findall(r"`([^`]+)`", row.split(" | ")[0])}
    sources = "".join(file.read_text() for file in (ROOT / "rsp").rglob("*.py"))
    assert len(reasons) > 10
    limits = Limits((Timeouts(),), (Sizes(),), Room(1, 1))
    made = {limits.overdue(begun) for begun in (True, False)}
    assert made <= reasons
    assert "a request took longer than {limit} (timeouts.request)" in sources
    known = {*_OF_THE_SYSTEM, *made, "a request took longer than 30s (timeouts.request)"}
    assert not {reason for reason in reasons if reason not in sources and reason not in known}
