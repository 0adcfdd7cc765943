"""What a source's changes look like in the log: at most one line a second, however often there is one."""

import math
from typing import Final

from rsp.control.discovery.damping import Members

_SHOWN: Final = 5  # members of each kind
_SPREAD: Final = 1.0  # seconds


class Changes:
    """Collects until a line may be written.  ``known``: what needs none.  ``due``: when the next line may be."""

    def __init__(self, known: Members | None) -> None:
        self._before = known  # at the last line
        self._between: set[str] = set()  # members there have been since
        self._written_at = -math.inf
        self.due = math.inf

    def line(self, members: Members, now: float) -> str:
        """What has changed since the last line; empty: nothing, or it is too early."""
        self.due = math.inf
        if members == self._before and not self._between:
            return ""
        if now - self._written_at < _SPREAD:
            self._between |= members.keys()
            self.due = self._written_at + _SPREAD
            return ""
        before, self._before, self._written_at = self._before, members, now
        passed = sorted(self._between - members.keys() - (before or {}).keys())
        self._between = set()
        count = f"{len(members) or 'no'} {'member' if len(members) == 1 else 'members'}"
        if before is None:
            return f"{count}: {_listed(list(members))}" if members else count
        clauses = _clauses(before, members, passed)
        return f"{', '.join(clauses)} ({count})" if clauses else ""


def _clauses(before: Members, after: Members, passed: list[str]) -> list[str]:
    comes = [address for address in after if address not in before]
    goes = [address for address in before if address not in after]
    other = [address for address in after if address in before and after[address] != before[address]]
    each = (
        (comes, "comes", "come"), (goes, "goes", "go"), (passed, "comes and goes", "come and go"),
        (other, "has other settings", "have other settings"),
    )  # fmt: skip
    return [f"{_listed(some)} {one if len(some) == 1 else many}" for some, one, many in each if some]


def _listed(addresses: list[str]) -> str:
    if len(addresses) <= _SHOWN:
        return ", ".join(addresses)
    return f"{', '.join(addresses[:_SHOWN])} and {len(addresses) - _SHOWN} others"
