"""What hooks wait for, and what they ask about their request; see tasks.py for the form of an operation."""

import asyncio
from typing import TYPE_CHECKING, Any, Final

from rsp.config.schema import Dns
from rsp.exchange.hooks.tasks import Answer, Done, Operation, Task, cancel
from rsp.lua.passwords import Busy

if TYPE_CHECKING:
    from collections.abc import Callable

    from rsp.exchange.hooks.call import Plan


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
    return lambda: cancel(task)


def _resolve(task: Task, given: tuple[Any, ...], done: Done) -> "Callable[[], None]":
    hooks = task.hooks

    async def resolve() -> Answer:
        from rsp.net.lookup import Lookup, LookupFailed, NoSuchName

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

    try:
        future = users.begin(credentials)
    except Busy as error:
        return False, f"basic_auth: {error}".encode()

    async def check() -> Answer:
        name = await asyncio.wrap_future(future)
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


def plan_of(table: Any) -> "Plan":
    """What calls.lua asks for.  Raises :class:`ValueError`, :class:`TypeError` or :class:`AttributeError`."""
    from rsp.exchange.hooks.call import Plan  # which knows us, in its compiled form

    return Plan(
        table[b"method"], table[b"url"], table[b"upstream"], table[b"host"], table[b"fields"], table[b"body"],
        float(table[b"timeout"]), int(table[b"max_body"]),
    )  # fmt: skip


def _http(task: Task, given: tuple[Any, ...], done: Done) -> "Answer | Callable[[], None]":
    try:
        plan = plan_of(given[0])
    except (ValueError, TypeError, AttributeError) as error:
        return False, f"http: {error}".encode()
    hooks, exchange = task.hooks, task.exchange
    if plan.secure:
        from rsp.exchange.hooks.fetch import fetch

        return _in_background(fetch(plan), done)
    from rsp.exchange.hooks.call import Call

    return Call(hooks.plane, task.site, plan, exchange.client if exchange is not None else b"", done).begin()


ALL: Final[dict[bytes, Operation]] = {
    b"sleep": _sleep, b"resolve": _resolve, b"password": _password, b"body": _body,
    b"response_body": _response_body, b"http": _http,
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
