"""``rspctl``: inspects and controls a running instance, over its admin socket.

Exit status: 0, or 1 with one clear line on stderr, or 2 for the command line itself.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from rsp import __version__
from rsp.config.errors import suggest
from rsp.config.units import Duration
from rsp.system.console import guarded
from rsp.terminal.certificates import show_certificates, time_left
from rsp.terminal.fleet_options import add_fleet
from rsp.terminal.instance import Failure, ask, find_socket
from rsp.terminal.plain import plain
from rsp.terminal.tables import table as _table

_SILENT = 5.0  # seconds that a worker's loop has not run: it hangs
_SOURCE_COLUMNS = ("upstream", "source", "state", "since", "members", "changes", "errors", "")
_COLUMNS = ("upstream", "peer", "state", "weight", "in_flight", "requests", "errors", "failures", "retries", "latency")


def main(arguments: Sequence[str] | None = None) -> int:
    return guarded(lambda: _main(arguments))


def _main(arguments: Sequence[str] | None) -> int:
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["_names"]:  # by completion in shells; no command for people
        from rsp.terminal.names import show_names

        return show_names(*given[1:])
    if not given:
        parser().print_help(sys.stderr)
        return 2
    options = parser().parse_args(given)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except Failure as error:
        for line in f"rspctl: {error}".split("\n"):  # it may have what an engine or a node says
            print(plain(line), file=sys.stderr)
    return 1


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """A mistyped command gets the nearest one."""
        if found := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)$", message):
            message += suggest(found[1], re.findall(r"[a-z]+", found[2]))
        super().error(message)


def parser() -> argparse.ArgumentParser:
    made = Parser(
        prog="rspctl",
        description="Inspects and controls a running instance of rsp.",
        epilog="Without --socket, rspctl finds the admin socket if one instance is running. Its path is the setting "
        "`admin`.",
    )
    made.add_argument("-s", "--socket", metavar="PATH", help="path of the instance's admin socket")
    made.add_argument("-v", "-V", "--version", action="version", version=f"rspctl {__version__}")
    common = Parser(add_help=False)
    common.add_argument("--json", action="store_true", help="print JSON; log and trace print one object per line")
    commands = made.add_subparsers(metavar="COMMAND", required=True)

    def command(
        name: str, text: str, run: Callable[[argparse.Namespace], int], *, peer: bool
    ) -> argparse.ArgumentParser:
        part = commands.add_parser(name, help=text, description=text, parents=[common])
        part.set_defaults(run=run)
        if peer:
            part.add_argument(
                "peer",
                metavar="[UPSTREAM] PEER",
                nargs="+",
                help="address of the peer, or its name in the configuration",
            )
        return part

    command("status", "Show workers, totals and the configuration in use.", _status, peer=False)
    command("health", "Check whether the instance accepts new connections: exit status 0 or 1.", _health, peer=False)
    peers = command("peers", "Show all peers with state, requests, errors and latency.", _peers, peer=False)
    peers.add_argument("upstream", nargs="?", help="show only the peers of this upstream")
    command(
        "routes", "Show all routes, what answers them, and what declares them: the file or labels.", _routes, peer=False
    )
    command("certs", "Show all certificates: names, issuer, expiry date and use.", _certs, peer=False)
    top = command("top", "Show traffic, upstreams, routes and processes live.", _top, peer=False)
    top.add_argument("--once", action="store_true", help="print one report after one interval, then exit")
    top.add_argument("--every", metavar="TIME", default="1s", help='refresh interval, such as "2s" (default: 1s)')
    drain = command("drain", "Send no new requests to a peer; running requests finish.", _drain, peer=True)
    drain.add_argument(
        "--within",
        metavar="TIME",
        help='time limit for sticky clients and tunnels, such as "30s" (default: the key drain of the upstream)',
    )
    command("enable", "End the draining or ejection of a peer.", _enable, peer=True)
    weight = command(
        "weight", "Change the weight of a peer, until the next change or until rsp stops.", _weight, peer=True
    )
    weight.usage = "rspctl weight [-h] [--json] [UPSTREAM] PEER WEIGHT|default"
    reload = command("reload", "Reload the configuration and wait for the result.", _reload, peer=False)
    how = reload.add_mutually_exclusive_group()
    how.add_argument("--dry-run", action="store_true", help="show what would change, without applying it")
    how.add_argument(
        "--now", action="store_true", help="apply the configuration to all workers at once, without the canary"
    )
    for name, text, run in (
        ("log", "Show requests of all workers as they end.", _log),
        ("trace", "Show the events of each request with their times, and its header fields.", _trace),
    ):
        watch = command(name, text, run, peer=False)
        example = """'path ~ "^/api" and status >= 500'"""
        watch.add_argument("condition", nargs="?", default="", help=f"show only requests that match, such as {example}")
        watch.add_argument("-n", type=_number, default=0, metavar="NUMBER", help="exit after this number of requests")
        watch.epilog = (
            "The condition is a single argument, in quotes. docs/trace.md describes its syntax and all fields."
        )
    add_fleet(commands, common)
    command(
        "upgrade",
        "Upgrade to the installed version: a new master takes over the listening sockets.",
        _upgrade,
        peer=False,
    )
    return made


# -- commands


def _status(options: argparse.Namespace) -> int:
    data = _ask(options, "GET", "/status")
    if options.json:
        return _json(data)
    totals, now, configuration = data["totals"], data["now"], data["configuration"]
    print(f"rsp {data['rsp']}, configuration {configuration['version']} ({configuration['digest'][:12]})")
    print(f"listening on {', '.join(data['listeners'])}")
    if data.get("site"):  # an instance that was started before an upgrade does not say it
        print(_site(data["site"]))
    certificates = data["certificates"]
    if certificates["count"]:
        following = certificates["next"]
        name = following["names"][0] if following["names"] else following["subject"]
        noun = "certificate" if certificates["count"] == 1 else "certificates"
        print(f"{certificates['count']} {noun}; the first to expire is for {name}: {time_left(following)}")
    if data["trial"]:
        trial = data["trial"]
        version = f"{trial['version']} ({trial['digest'][:12]})"
        print(f"canary: one worker runs configuration {version}, {trial['seconds_left']} s left")
    if data["last"]:
        last = data["last"]
        print(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(last['at']))}: {last['text']}")
    print(
        f"now: {now['connections']} connections, {now['in_flight']} requests running, {now['queued']} queued\nsince "
        f"the start: {totals['requests']} requests, {totals['status_5xx']} of them 5xx, {totals['status_4xx']} 4xx; "
        f"{totals['retries']} retries, {totals['hedges']} hedges\n"
    )
    if now.get("stores_missed"):  # an instance that was started before an upgrade does not say it
        print(f"stores: missing connections of workers: {now['stores_missed']}; see the log\n")
    rows: list[tuple[object, ...]] = [
        ("process", "pid", "version", "uptime", "cpu", "memory", "cpus", "connections", "running", "requests")
    ]
    for worker in data["workers"]:
        cpus = worker.get("cpus", "")  # before an upgrade it is not said
        counts = (cpus, worker["connections"], worker["in_flight"], worker["requests"])
        rows.append((f"worker {worker['slot']}", *_process(worker), *counts))
    rows.append(("control", *_process(data["control"]), "", "", "", ""))
    _table(rows)
    if data["discovery"]:
        print()
        _table([_SOURCE_COLUMNS, *map(_source, data["discovery"])])
    return 0


def _site(site: dict[str, Any]) -> str:
    """Of a node."""
    engine = "" if site["reached"] else "; engine unreachable"
    why = f" ({site['why']})" if site["why"] else ""
    return f"node {site['node']} of {site['url']}: version {site['running'][:12]}, {site['state']}{why}{engine}"


def _source(row: dict[str, Any]) -> tuple[object, ...]:
    """Of peers that are discovered."""
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row["since"]))
    flapping = f"{len(row['flapping'])} flapping: {', '.join(row['flapping'][:3])}"
    notes = "; ".join(filter(None, (row["problem"], flapping if row["flapping"] else "")))
    return row["upstream"], row["source"], row["state"], since, row["members"], row["changes"], row["errors"], notes


def _health(options: argparse.Namespace) -> int:
    data = _ask(options, "GET", "/status")
    why = data["not_ready"]
    working = [each for each in data["workers"] if each["version"] and each["silent"] < _SILENT]
    if options.json:
        _json({"healthy": why is None, "reason": why, "workers": len(working)})
    elif why is not None:
        raise Failure(why)
    else:
        print(f"{len(working)} of {len(data['workers'])} workers are healthy")
    return 0 if why is None else 1


def _process(row: dict[str, Any]) -> tuple[object, ...]:
    return row["pid"], row["version"], f"{row['uptime']:.0f} s", f"{row['cpu']:.1f} s", f"{row['memory'] >> 20} MB"


def _peers(options: argparse.Namespace) -> int:
    data = _ask(options, "GET", "/peers")
    if options.upstream is not None:
        found = data["peers"]
        data["peers"] = [each for each in found if each["upstream"] == options.upstream]
        if not data["peers"] and options.upstream not in {source["upstream"] for source in data["discovery"]}:
            near = suggest(options.upstream, dict.fromkeys(peer["upstream"] for peer in found))
            raise Failure(f'there is no upstream "{options.upstream}", or it has no peers{near}')
    if options.json:
        return _json(data)
    sources = {source["source"] for source in data["discovery"]}
    _show_peers(data["peers"], [name for name in data["unknown"] if name not in sources])
    for source in data["discovery"]:
        if options.upstream not in (None, source["upstream"]):
            continue
        if source["state"] == "ok" and not source["members"]:
            print(f"{source['upstream']}: {source['source']} has no members")
        if source["state"] != "ok":
            print(
                f"{source['upstream']}: {source['source']} is {source['state']}: "
                f"{source['problem'] or 'no response yet'}"
            )
    return 0


def _show_peers(peers: list[dict[str, Any]], unknown: Sequence[str] = ()) -> int:
    rows: list[tuple[object, ...]] = [_COLUMNS]
    for peer in peers:
        state = peer["state"]
        if peer["reason"] not in (None, "operator"):
            state += f" ({peer['reason']})"
        if peer["for"] is not None:
            state += f"{', sticky clients' * (state == 'drained')} {peer['for']:.0f} s"
        name = f"{peer['peer']} ({peer['name']})" if peer["name"] else peer["peer"]
        name += " tls" * peer.get("tls", False)
        backup = " backup" if peer["backup"] else ""
        counts = [peer[key] for key in _COLUMNS[4:9]]
        latency = f"{peer['latency_ms']:.1f} ms" if peer["requests"] else "-"
        rows.append((peer["upstream"], name, state, f"{peer['weight']}{backup}", *counts, latency))
    _table(rows)
    for name in unknown:
        print(f"{name}: no address found")
    return 0


def _routes(options: argparse.Namespace) -> int:
    data = _ask(options, "GET", "/routes")
    if options.json:
        return _json(data)
    rows = [("route", "answered by", "from")]
    _table([*rows, *((one["requests"], one["answer"], one["from"]) for one in data["routes"])])
    for line in data["left_out"]:
        print(f"ignored: {line}")
    if data["problem"]:
        print(f"routes from labels are not updated: {data['problem']}")
    return 0


def _certs(options: argparse.Namespace) -> int:
    data = _ask(options, "GET", "/certs")
    if options.json:
        return _json(data)
    show_certificates(data["certificates"])
    return 0


def _top(options: argparse.Namespace) -> int:
    interval = _duration("--every", options.every)
    where = options.socket or find_socket()
    if options.json:
        return _json(ask(where, "GET", "/figures"))
    from rsp.terminal.top import show_top  # rich takes long to import

    try:
        return show_top(where, max(0.1, interval), once=options.once)
    except KeyboardInterrupt:
        return 0


def _duration(option: str, text: str) -> float:
    try:
        return float(Duration.parse(text))
    except ValueError as error:
        raise Failure(f"{option}: {error}") from None


def _drain(options: argparse.Namespace) -> int:
    order = _order(options)
    if options.within is not None:
        order["seconds"] = _duration("--within", options.within)
    return _change(options, "/drain", order)


def _enable(options: argparse.Namespace) -> int:
    return _change(options, "/enable", _order(options))


def _weight(options: argparse.Namespace) -> int:
    wanted = options.peer.pop() if len(options.peer) > 1 else ""
    if wanted != "default" and not (wanted.isdigit() and int(wanted) <= 1000):
        raise Failure(f'weight: expected a number from 0 to 1000, or "default", got "{wanted}"')
    return _change(options, "/weight", _order(options) | {"weight": None if wanted == "default" else int(wanted)})


def _reload(options: argparse.Namespace) -> int:
    if options.dry_run:
        return _outcome(options, "/reload", {"dry_run": True}, "good")
    return _outcome(options, "/reload", {"now": options.now}, "reloaded")


def _upgrade(options: argparse.Namespace) -> int:
    return _outcome(options, "/upgrade", {}, "upgraded")


def _log(options: argparse.Namespace) -> int:
    from rsp.terminal.log import show_log  # what draws on terminals is no burden to the other commands

    return show_log(options.socket or find_socket(), options.condition, options.n, as_json=options.json)


def _trace(options: argparse.Namespace) -> int:
    from rsp.terminal.trace import show_traces

    return show_traces(options.socket or find_socket(), options.condition, options.n, as_json=options.json)


def _outcome(options: argparse.Namespace, path: str, order: dict[str, object], key: str) -> int:
    from rsp.terminal.outcome import patience, show_refusal

    with patience(path):
        data = _ask(options, "POST", path, order, good=(200, 409))
    if options.json:
        _json(data)
    elif data[key]:
        print(data["message"])
    else:
        show_refusal(data)
    return 0 if data[key] else 1


# -- tools


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:10]) <= 1_000_000):
        raise argparse.ArgumentTypeError(f'expected a number from 1 to 1000000, got "{text}"')
    return int(text)


def _order(options: argparse.Namespace) -> dict[str, object]:
    if len(options.peer) > 2:
        raise Failure(f"expected [UPSTREAM] PEER, got {' '.join(options.peer)}")
    *upstream, peer = options.peer
    return {"peer": peer, "upstream": upstream[0] if upstream else None}


def _change(options: argparse.Namespace, path: str, order: dict[str, object]) -> int:
    data = _ask(options, "POST", path, order)
    if options.json:
        return _json(data)
    _show_peers(data["peers"])
    if data.get("warning"):
        print(data["warning"])
    return 0


def _ask(
    options: argparse.Namespace, method: str, path: str, order: object = None, good: Sequence[int] = (200,)
) -> dict[str, Any]:
    return ask(options.socket or find_socket(), method, path, order, good)


def _json(data: object) -> int:
    print(json.dumps(data, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
