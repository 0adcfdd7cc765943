"""What all commands of ``rspctl fleet`` do first: find the site, and speak with its engine."""

import argparse
import asyncio
import getpass
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from rsp.engines.failures import Unreachable
from rsp.nodes.place import find_place
from rsp.nodes.record import Record
from rsp.nodes.site import Held, Site
from rsp.terminal.instance import Failure, ask, find_socket

T = TypeVar("T")


def with_site(options: argparse.Namespace, work: Callable[[Site], Awaitable[T]]) -> T:
    """What ``work`` gives.  Raises :class:`Failure`."""
    url = _url(options)
    try:
        place = find_place(url, os.environ)
    except ValueError as error:
        raise Failure(str(error)) from None

    async def main() -> T:
        async with Site(place) as site:
            return await work(site)

    try:
        return asyncio.run(main())
    except (Unreachable, ValueError) as error:
        raise Failure(f"{url}: {error}") from None


def _url(options: argparse.Namespace) -> str:
    given = options.site or os.environ.get("RSP_SITE")
    if given:
        return str(given)
    with suppress(Failure):
        site = ask(options.socket or find_socket(), "GET", "/status").get("site")
        if site:
            return str(site["url"])
    raise Failure("no site given; use --site or RSP_SITE, such as etcd://10.0.0.5:2379/rsp/site")


def author() -> str:
    """For the record: which operator."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = str(os.getuid())
    name = f"{user}@{socket.gethostname()}"
    return "".join(letter for letter in name if letter.isprintable())[:200]


async def change(site: Site, wanted: Callable[[Record], Record]) -> Held:
    """The record replaced; once more if another writer was quicker.  ``wanted`` may raise :class:`Failure`."""
    for _ in range(5):
        held = await site.read()
        done = await site.replace(held, wanted(held.record))
        if done is not None:
            return done
    raise Failure("other operators keep changing the site; try again")


def find_version(record: Record, beginning: str) -> str:
    """Of those that can be returned to.  Raises :class:`Failure`."""
    if beginning == "stable" and record.stable is not None:
        return record.stable
    found = sorted(version for version in record.versions if version.startswith(beginning.lower()))
    if len(found) != 1:
        what = "no version begins" if not found else f"{len(found)} versions begin"
        raise Failure(f'{what} with "{beginning}"; see rspctl fleet history')
    return found[0]
