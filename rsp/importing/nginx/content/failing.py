"""``return 403`` of nginx goes the way of ``error_page``; rsp's own answers that a configuration chooses do not.

So what ``error_page`` says of a status is put where a hook, or the route, answers with it.
"""

import re
from collections.abc import Sequence

from rsp.importing.nginx.content.draft import Draft

_ANSWER = re.compile(r"(?P<before>.*)\breturn respond\((?P<status>\d{3})\)(?P<after>.*)")
_SINGLE = re.compile(r"if (?P<condition>.*?) then (?P<inside>.*) end")


def lead(draft: Draft, pages: Sequence[str]) -> None:
    """In the hook of requests.  ``pages``: statuses that have a page, which rsp sends where a hook answers so."""
    respond = draft.keys.get("respond")
    status = respond.get("status") if isinstance(respond, dict) and set(respond) == {"status"} else None
    if status is not None and not _ends(draft.before):  # else the hook answers before
        said = after(str(status), draft.failed)
        if said or str(status) in pages:
            draft.before += [*said, *([] if _ends(said) else [f"return respond({status})"])]
    draft.before = [line for each in draft.before for line in led(each, draft.failed)]
    if status is not None and draft.before[-1:] == [f"return respond({status})"]:
        draft.before[-1] += "  -- so that the page for it is sent"


def led(line: str, failed: Sequence[str]) -> list[str]:
    """The lines in the place of one that may answer with a status.  ``failed``: lines of the hook for errors."""
    match = _ANSWER.fullmatch(line)
    said = after(match["status"], failed) if match is not None else []
    if match is None or not said:
        return [line]
    if match["before"].strip() or match["after"].strip():
        indent = match["before"][: len(match["before"]) - len(match["before"].lstrip())]
        inside = [*said, *([] if _ends(said) else [f"return respond({match['status']})"])]
        ends = match["after"].strip()
        first = match["before"].rstrip()
        return [first, *(f"{indent}  {each}" for each in inside), *([f"{indent}{ends}"] if ends else [])]
    indent = match["before"]
    return [*(f"{indent}{each}" for each in said), *([] if _ends(said) else [line])]


def intercepted(statuses: Sequence[str], failed: Sequence[str]) -> list[str]:
    """Lines for the hook of responses: what ``error_page`` does with those of peers."""
    found: list[str] = []
    for status in dict.fromkeys(statuses):
        said = after(status, failed)
        if said:
            found += [f"if not res.own and res.status == {status} then", *(f"  {line}" for line in said), "end"]
    return found


def _ends(said: Sequence[str]) -> bool:
    """Whether it answers in any case."""
    return bool(said) and said[-1].startswith("return ")


def after(status: str, failed: Sequence[str]) -> list[str]:
    """What the hook for errors does with ``status``."""
    found: list[str] = []
    inside = False
    for line in failed:
        match = _SINGLE.fullmatch(line)
        if match is not None:
            if not inside and _names(match["condition"], status):
                return [*found, _known(match["inside"], status)]
        elif line.startswith("if "):
            inside = _names(line, status)
            continue
        elif line == "end":
            inside = False
        if inside:
            found.append(_known(line.removeprefix("  "), status))
    return found


def _names(condition: str, status: str) -> bool:
    return re.search(rf"err\.status == {status}\b", condition) is not None


def _known(line: str, status: str) -> str:
    return line.replace("err.status", status)
