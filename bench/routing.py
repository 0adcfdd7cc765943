"""What it costs to find the route of a request, with few routes and with many: ``python -m bench.routing``.

A quarter of the routes each is an exact path, a prefix, a regular expression, and a prefix with three conditions; the
table of docs/routes.md.  Each figure is the least of many turns, the call from Python included (50 ns).
"""

import time
from collections.abc import Callable, Iterator
from functools import partial

from rsp.http.conditions import FieldCondition, MethodCondition, QueryCondition
from rsp.http.h1.codec import parse_request
from rsp.http.message import RequestHead
from rsp.http.regex import Pattern
from rsp.http.routing import Router, Rule, match

COUNTS = (4, 100, 1000, 10_000)
TURNS, TIMES = 50, 2000


def rules(count: int) -> Iterator[tuple[Rule, int]]:
    asked = MethodCondition(["GET"]), FieldCondition("X-Beta", "1"), QueryCondition("v", "2")
    for number in range(0, count, 4):
        yield Rule(path=f"/exact/{number}", exact=True), number
        yield Rule(path=f"/prefix/{number}"), number + 1
        yield Rule(pattern=Pattern(f"^/regex/{number}-([a-z]+)$")), number + 2
        yield Rule(path=f"/asked/{number}", conditions=asked), number + 3
    yield Rule(), count


def requests(count: int) -> dict[str, tuple[RequestHead, int]]:
    """The last of each kind, and the number of its route."""
    last = count - 4
    targets = {
        "exact": (f"/exact/{last}", last),
        "prefix": (f"/prefix/{last}/a/b?c=d", last + 1),
        "regex": (f"/regex/{last}-abc", last + 2),
        "conditions": (f"/asked/{last}?v=2", last + 3),
        "conditions that do not hold": (f"/asked/{last}?v=3", count),
        "none of them": ("/static/main.css", count),
    }
    text = "GET %s HTTP/1.1\r\nHost: a\r\nX-Beta: 1\r\n\r\n"
    return {name: (parse_request((text % target).encode()), number) for name, (target, number) in targets.items()}


def cost(ask: Callable[[], object]) -> float:
    """In microseconds."""
    best = float("inf")
    for _ in range(TURNS):
        began = time.perf_counter()
        for _ in range(TIMES):
            ask()
        best = min(best, time.perf_counter() - began)
    return best / TIMES * 1e6


def main() -> None:
    table: dict[str, list[str]] = {}
    for count in COUNTS:
        began = time.perf_counter()
        levels = Router(rules(count)).levels(b"a")
        table.setdefault("to build them", []).append(f"{(time.perf_counter() - began) * 1e3:.1f} ms")
        for name, (head, number) in requests(count).items():
            assert match(levels, head, None) == number, name
            table.setdefault(name, []).append(f"{cost(partial(match, levels, head, None)):.2f} us")
    print("| the request is for | " + " | ".join(f"{count:,} routes" for count in COUNTS) + " |")
    print("|---|" + "--:|" * len(COUNTS))
    for name, figures in table.items():
        print(f"| {name} | {' | '.join(figures)} |")


if __name__ == "__main__":
    main()
