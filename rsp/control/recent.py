"""What has happened lately, for operators: reloads with what they changed, errors, the slowest requests.  Bounded."""

import heapq
import re
import time
from collections import deque
from typing import Final

import msgspec

from rsp.ipc.channel import Outcome

_RELOADS: Final = 20
_ERRORS: Final = 100
_WARNINGS: Final = 3  # that answer an operator
_SLOWEST: Final = 20
_SLOW_FOR: Final = 900.0  # seconds that a request counts as recent
_LONGEST: Final = 2000  # characters of a line, and of a field
_MOST_FIELDS: Final = 50  # of a request; workers send fewer
_STEP: Final = 10.0  # seconds between two choices of a threshold
_LEAST: Final = 0.005  # seconds: no request below is slow
_HIGHEST: Final = 3600.0  # above which no threshold rises, whatever a worker says
_LAST: Final = 1e11  # beyond every time of day
_WELCOME: Final = 50  # requests in a step; more raise the threshold

Data = dict[str, object]


class Recent:
    """``errors``: the newest first, one entry for equal lines that follow each other."""

    def __init__(self) -> None:
        self.reloads: deque[Data] = deque(maxlen=_RELOADS)
        self.errors: deque[Data] = deque(maxlen=_ERRORS)
        self.slow = Slow()

    def ended(self, outcome: Outcome, difference: str) -> None:
        """A reload or an upgrade; ``difference``: what it has changed in the configuration."""
        shown = {name: getattr(outcome, name) for name in ("what", "good", "text", "version", "digest", "at")}
        self.reloads.appendleft({**shown, "difference": difference})

    def logged(self, level: int, at: float, pid: int, text: str) -> None:
        """A line of the log that is a warning or an error."""
        text = text[:_LONGEST]
        at = at if 0 <= at <= _LAST else time.time()  # a page and a terminal show it as a date
        last = self.errors[0] if self.errors else None
        if last is not None and (last["text"], last["level"]) == (text, level):
            last.update(at=at, times=int(str(last["times"])) + 1)
        else:
            self.errors.appendleft({"at": at, "level": level, "pid": pid, "text": text, "times": 1})

    def warnings(self, since: float, but_of: int) -> list[str]:
        """The first lines that differ, the oldest first; not those of the process ``but_of``."""
        lines = [
            str(error["text"]).split("\n", 1)[0].split(" (and ", 1)[0]
            for error in reversed(self.errors)
            if float(str(error["at"])) >= since and error["pid"] != but_of
        ]
        return list(dict.fromkeys(lines))[:_WARNINGS]


class Slow:
    """The slowest requests of the last quarter of an hour, and from which duration on a request is worth a look.

    Workers show requests that take longer than ``threshold``.  It follows the traffic, so that they show few, and the
    slowest are among them.
    """

    def __init__(self) -> None:
        self.threshold = self._told = 0.1
        self._found: list[tuple[float, float, Data]] = []  # duration, when, fields
        self._step_at = 0.0
        self._durations: list[float] = []  # in this step

    def seen(self, lines: bytes) -> None:
        """Requests, as lines of the JSON log."""
        for line in lines.splitlines():
            self._one(line)

    def _one(self, line: bytes) -> None:
        try:
            fields = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
            duration = msgspec.json.decode(fields["duration"], type=float)
        except (msgspec.MsgspecError, UnicodeError, KeyError, RecursionError):
            return
        if len(fields) > _MOST_FIELDS:
            return
        self._durations.append(duration)
        if len(self._durations) > _WELCOME * 20:  # more than shall come before the next step
            self._choose()
        kept = {name: _shown(value) for name, value in fields.items()}
        self._found.append((duration, time.monotonic(), kept))
        if len(self._found) > 20 * _SLOWEST:
            self._prune()

    def tick(self, now: float) -> bool:
        """Whether the threshold is another one."""
        if now >= self._step_at:
            self._step_at = now + _STEP
            self._choose()
        told, self._told = self._told, self.threshold
        return self.threshold != told

    def _choose(self) -> None:
        """Above what most of the requests took, where there are many; lower, where there are few."""
        durations, self._durations = sorted(self._durations), []
        if len(durations) > _WELCOME:
            self.threshold = _rounded(min(_HIGHEST, max(self.threshold * 1.2, durations[-_WELCOME // 2])))
        elif len(durations) < _WELCOME // 10 and len(self._found) < _SLOWEST:
            self.threshold = _rounded(max(_LEAST, self.threshold / 2))

    def _prune(self) -> None:
        since = time.monotonic() - _SLOW_FOR
        recent = (one for one in self._found if one[1] >= since)
        self._found = heapq.nlargest(_SLOWEST, recent, key=lambda one: one[0])

    def slowest(self) -> list[Data]:
        self._prune()
        return [fields for _, _, fields in self._found]


def _rounded(seconds: float) -> float:
    return float(f"{seconds:.2g}")


def _shown(value: msgspec.Raw) -> object:
    """Text, a number or nothing; what is nested has no place on the page."""
    found = msgspec.json.decode(value)
    if isinstance(found, str):
        return found[:_LONGEST]
    return found if isinstance(found, int | float | None) else None


# -- what a reload has changed

_NAME: Final = r"(?:authorization|cookie|passw|passphrase|pwd|secret|token|api[-_]?key|credential|signature|jwt)"
_USER: Final = re.compile(r"//[^/?#@\s\"]+@")
_SECRET: Final = re.compile(rf"""({_NAME}[^="\n]{{0,40}}"?\]?\s*=\s*)"(?:[^"\\]|\\.)*\"""", re.IGNORECASE)
_QUERY: Final = re.compile(rf"""({_NAME}[^=&"\s]{{0,40}}=)[^=&"\s]+""", re.IGNORECASE)


def without_secrets(text: str) -> str:
    """A configuration as Lua text, or a part of it: values of keys that sound like secrets are not for a page."""
    return _USER.sub("//***@", _QUERY.sub(r"\1***", _SECRET.sub(r'\1"***"', text)))
