"""What hooks wait for, and what they ask about their request; see tasks.py for the form of an operation."""

import asyncio
import os
from typing import TYPE_CHECKING, Any, Final

from rsp.config.schema import Dns
from rsp.proxy.call import Call, Plan
from rsp.proxy.tasks import Answer, Done, Operation, Task
from rsp.shared import Full

if TYPE_CHECKING:
    from collections.abc import Callable

    from rsp.proxy.hooks import Hooks


def _sleep(_task: Task, given: tuple[Any, ...], done: Done) -> "Callable[[], None]":
    return asyncio.get_running_loop().call_later(given[0], done, (True,)).cancel


def _in_background(coroutine: "Any", done: Done) -> "Callable[[], None]":
    """For what is no part of the data plane."""

    def finished(future: "asyncio.Task[Answer]") -> None:
        if not future.cancelled():
            error = future.exception()
            done(future.result() if error is None else (True, None, str(error).encode()))

    task = asyncio.get_running_loop().create_task(coroutine)
    task.add_done_callback(finished)
    return lambda: task.cancel() and None


def _resolve(task: Task, given: tuple[Any, ...], done: Done) -> "Callable[[], None]":
    hooks = task.hooks

    async def resolve() -> Answer:
        from rsp.lookup import Lookup, LookupFailed, NoSuchName

        settings: Dns = hooks.config.settings.dns
        try:
            addresses = await Lookup(settings).addresses(given[0].decode())
        except (LookupFailed, NoSuchName, ValueError) as error:
            return True, None, str(error).encode()
        return True, hooks.table([address.encode() for address in addresses[0]])

    return _in_background(resolve(), done)


def _password(task: Task, given: tuple[Any, ...], done: Done) -> "Answer | Callable[[], None]":
    users = task.hooks.services.users[int(given[0])]
    credentials: bytes = given[1]
    known = users.recall(credentials)
    if known is not None:
        return True, known

    async def check() -> Answer:
        name = await asyncio.to_thread(users.check, credentials)
        if name is not None:
            users.remember(credentials)
        return True, name

    return _in_background(check(), done)


def _body(task: Task, _given: tuple[Any, ...], done: Done) -> "Answer | Callable[[], None]":
    if task.exchange is None:
        return False, b"there is no request here"
    return task.exchange.want_body(done)


def _response_body(task: Task, _given: tuple[Any, ...], done: Done) -> "Answer | Callable[[], None]":
    if task.exchange is None:
        return False, b"there is no response here"
    return task.exchange.want_response_body(done)


def _http(task: Task, given: tuple[Any, ...], done: Done) -> "Answer | Callable[[], None]":
    table = given[0]
    try:
        plan = Plan(
            table[b"method"], table[b"url"], table[b"upstream"], table[b"host"], table[b"fields"], table[b"body"],
            float(table[b"timeout"]), int(table[b"max_body"]),
        )  # fmt: skip
    except (ValueError, TypeError, AttributeError) as error:
        return False, f"http: {error}".encode()
    hooks, exchange = task.hooks, task.exchange
    site = exchange.site if exchange is not None else hooks.plane.site
    if plan.secure:
        from rsp.proxy.fetch import fetch

        return _in_background(fetch(plan), done)
    call = Call(hooks.plane, plan, exchange.client if exchange is not None else b"", done)
    return call.begin(site)


ALL: Final[dict[bytes, Operation]] = {
    b"sleep": _sleep, b"resolve": _resolve, b"password": _password, b"body": _body,
    b"response_body": _response_body, b"http": _http,
}  # fmt: skip


def offered(hooks: "Hooks") -> "dict[str, Callable[..., Any]]":
    """Services that Lua code calls without waiting, about the request that it works for."""

    def describe() -> Any:
        return hooks.current.described() if hooks.current is not None else (b"", b"/", b"", b"")

    def about(key: bytes) -> Any:
        return hooks.current.about(key) if hooks.current is not None else None

    def get_field(which: int, name: bytes) -> Any:
        return hooks.current.get_field(which, name) if hooks.current is not None else None

    def all_fields(which: int, name: bytes) -> Any:
        return hooks.table(hooks.current.all_fields(which, name) if hooks.current is not None else [])

    def set_field(which: int, name: bytes, lines: bytes) -> None:
        if hooks.current is not None:
            hooks.current.set_field(which, name, lines, False)

    def add_field(which: int, name: bytes, lines: bytes) -> None:
        if hooks.current is not None:
            hooks.current.set_field(which, name, lines, True)

    def block(which: int) -> Any:
        return hooks.current.block(which) if hooks.current is not None else b""

    def hold(key: bytes, most: float) -> Any:
        exchange = hooks.current
        if exchange is None:
            return None, b"limit.conn: there is no request here"
        try:
            me = os.getpid()
            if not hooks.store.hold(key, me, hooks.alive() | {me}, int(most)):
                return False
        except (Full, ValueError) as error:
            return None, str(error).encode()
        exchange.held = [*(exchange.held or ()), key]
        return True

    return {
        "describe": describe, "about": about, "get_field": get_field, "all_fields": all_fields, "set_field": set_field,
        "add_field": add_field, "block": block, "hold": hold,
    }  # fmt: skip


def warm_up(files: dict[str, bytes]) -> None:
    """Import now what would hold everybody up later."""
    text = b"\n".join(files.values())
    if b"dns." in text or b"http." in text:
        import dns.asyncresolver
        import dns.nameserver  # noqa: F401
    if b"jwt." in text:
        import jwt  # noqa: F401
    if b"https" in text:
        import ssl  # noqa: F401
