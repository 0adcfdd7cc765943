"""``rspctl fleet``: the nodes of a site, and what is done to all of them at once."""

import argparse
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from rsp.nodes.bundle import unpack
from rsp.nodes.record import Confirmed, Record
from rsp.nodes.report import Report
from rsp.nodes.site import Held, Site
from rsp.terminal.fleet_access import author, change, find_version, with_site
from rsp.terminal.instance import Failure
from rsp.terminal.plain import plain
from rsp.terminal.tables import table

_LOST = (
    "the record of the site is missing; nodes keep their current version until you run: rspctl fleet rollout site.lua"
)


async def _look(site: Site) -> tuple[Record, dict[str, Report]]:
    return (await site.read()).record, await site.reports()


def show_nodes(options: argparse.Namespace) -> int:
    record, reports = with_site(options, _look)
    if options.json:
        nodes = [msgspec.to_builtins(each) for each in reports.values()]
        print(json.dumps({"record": msgspec.to_builtins(record), "nodes": nodes}, indent=2))
        return 0
    for line in _summary(record) if record.stable or not reports else [_LOST]:
        print(plain(line))
    if not reports:
        print("no node has reported")
        return 0
    rows: list[tuple[object, ...]] = [("node", "version", "state", "workers", "requests", "errors", "rsp")]
    for name, told in reports.items():
        healthy = f"{told.healthy} of {told.workers}"
        errors = f"{told.errors / told.requests:.1%}" if told.requests else "0.0%"
        version = (told.running or "")[:12]
        rows.append((name, version, _state(told, record), healthy, told.requests, errors, plain(told.rsp)))
    table(rows)
    for name, told in reports.items():
        if told.why:
            print(plain(f"{name}: {told.why}"))
    return 0


def _state(told: Report, record: Record) -> str:
    if told.state == "trying" and told.running == record.stable:  # confirmed since its last report
        return "serving"
    behind = told.state == "serving" and record.stable not in (None, told.running)
    return "behind" if behind else told.state


def _summary(record: Record) -> list[str]:
    if record.stable is None:
        return ["nothing has been rolled out yet; run: rspctl fleet rollout site.lua"]
    told = f", confirmed {_when(record.history[0].at)} by {record.history[0].by}" if record.history else ""
    lines = [f"version {record.stable[:12]}{told}"]
    trial = record.trial
    if trial is not None:
        nodes = "1 node runs it" if len(trial.nodes) == 1 else f"{len(trial.nodes)} nodes run it"
        lines.append(f"rollout of version {trial.version[:12]} by {trial.by}: {nodes}")
    return lines


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(max(0.0, min(at, 1e11))))


def show_history(options: argparse.Namespace) -> int:
    record = with_site(options, Site.read).record
    if options.json:
        print(json.dumps(msgspec.to_builtins(record.history), indent=2))
        return 0
    table([("version", "confirmed", "by", ""), *(_confirmed(each, record) for each in record.history)])
    return 0


def _confirmed(each: Confirmed, record: Record) -> tuple[str, ...]:
    return each.version[:12], _when(each.at), plain(each.by), "in force" if each.version == record.stable else ""


def roll_back(options: argparse.Namespace) -> int:
    def back(record: Record) -> Record:
        if record.trial is not None:
            raise Failure(f"a rollout by {record.trial.by} is in progress; abort it first: rspctl fleet abort")
        return record.confirm(_earlier(record, options.version), author(), time.time())

    async def work(site: Site) -> Held:
        wanted = back((await site.read()).record).stable
        await site.packed(wanted or "")  # its files may have been lost
        return await change(site, back)

    return _changed(options, work, "confirmed")


def _earlier(record: Record, beginning: str | None) -> str:
    if beginning is not None:
        return find_version(record, beginning)
    others = [each.version for each in record.history if each.version != record.stable]
    if not others:
        raise Failure("no other version has been confirmed")
    return others[0]


def abort(options: argparse.Namespace) -> int:
    def ended(record: Record) -> Record:
        if record.trial is None:
            raise Failure("no rollout is in progress")
        return record.abort()

    async def work(site: Site) -> Held:
        before = (await site.read()).record.versions
        held = await change(site, ended)
        await site.forget(before - held.record.versions)  # its rspctl may not live any more
        return held

    return _changed(options, work, "in force")


def _changed(options: argparse.Namespace, work: Callable[[Site], Awaitable[Held]], what: str) -> int:
    record = with_site(options, work).record
    if options.json:
        print(json.dumps(msgspec.to_builtins(record), indent=2))
    else:
        print(f"version {(record.stable or 'none')[:12]} is {what}; nodes follow")
    return 0


def fetch(options: argparse.Namespace) -> int:
    async def work(site: Site) -> tuple[str, dict[str, bytes]]:
        version = find_version((await site.read()).record, options.version)
        return version, unpack(version, await site.packed(version))

    version, files = with_site(options, work)
    directory = Path(options.directory)
    try:
        directory.mkdir(parents=True)
        for name, content in files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}") from None
    print(f"version {version[:12]}: {len(files)} files in {directory}")
    return 0
