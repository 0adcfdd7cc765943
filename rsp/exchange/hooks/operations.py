"""What hooks wait for, and what they ask about their request; see tasks.py for the form of an operation."""

import asyncio
import os
import stat
from collections.abc import Callable
from typing import Any, Final, Protocol

from rsp.auth.passwords import Busy
from rsp.config.instance import Dns
from rsp.config.tls import UpstreamTls
from rsp.exchange.hooks.call import Call, Plan
from rsp.exchange.hooks.tasks import Answer, Done, Operation, Task, cancel
from rsp.files.threads import Busy as DiskBusy
from rsp.files.threads import submit
from rsp.tls.contexts import client_ssl_context
from rsp.tls.material import Keyring


def _sleep(_task: Task, given: tuple[Any, ...], done: Done) -> Callable[[], None]:
    return asyncio.get_running_loop().call_later(given[0], done, (True,)).cancel


def in_background(coroutine: Any, done: Done) -> Callable[[], None]:
    """For what is no part of the data plane."""

    def finished(future: "asyncio.Task[Answer]") -> None:
        if not future.cancelled():
            error = future.exception()
            done(future.result() if error is None else (True, None, str(error).encode()))

    task = asyncio.get_running_loop().create_task(coroutine)
    task.add_done_callback(finished)
    return lambda: cancel(task)


def _resolve(task: Task, given: tuple[Any, ...], done: Done) -> Callable[[], None]:
    runner = task.runner

    async def resolve() -> Answer:
        from rsp.net.lookup import Lookup, LookupFailed, NoSuchName

        settings: Dns = runner.config.settings.dns
        try:
            addresses = await Lookup(settings).addresses(given[0].decode())
        except (LookupFailed, NoSuchName, ValueError) as error:
            return True, None, str(error).encode()
        return True, runner.table([address.encode() for address in addresses[0]])

    return in_background(resolve(), done)


def _kind(_task: Task, given: tuple[Any, ...], done: Done) -> Callable[[], None]:
    """In a thread, because a disk may be slow."""

    async def kind() -> Answer:
        try:
            return True, await asyncio.wrap_future(submit(_kind, _kind_of, given[0]))
        except DiskBusy:
            return False, b"file.kind: too many hooks wait for the disk"

    return in_background(kind(), done)


def _kind_of(path: bytes) -> bytes | None:
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - a Path forgets the slash at the end, which only directories have
    except (OSError, ValueError):  # a name with a NUL is the name of nothing
        return None
    return b"file" if stat.S_ISREG(mode) else b"directory" if stat.S_ISDIR(mode) else b"other"


def _password(task: Task, given: tuple[Any, ...], done: Done) -> Answer | Callable[[], None]:
    number, credentials, *_ = given
    users = task.runner.services.users[int(number)]
    known = users.recall(credentials)
    if known is not None:
        return True, known
    client = task.notes.exchange.client if task.notes is not None else b""
    try:
        return users.ask(credentials, credentials, client, lambda name: done((True, name)))
    except Busy as error:
        return False, f"basic_auth: {error}".encode()


class _Source(Protocol):
    """Of a body."""

    def want_body(self, limit: int, wanted: Callable[[bytes | None], None]) -> bool: ...

    def forget_body(self) -> None: ...


def _body(task: Task, _given: tuple[Any, ...], done: Done) -> Answer | Callable[[], None]:
    if task.notes is None:
        return False, b"there is no request here"
    passage = task.notes.exchange.passage
    if passage is None:
        return False, b"req.body() is no longer available"
    return _wanted(task, passage, b"the request's body is larger than lua.body", done)


def _response_body(task: Task, _given: tuple[Any, ...], done: Done) -> Answer | Callable[[], None]:
    if task.notes is None:
        return False, b"there is no response here"
    passage = task.notes.exchange.passage
    if passage is None or not passage.holds or passage.held is None:
        return False, b"res.body is no longer available"
    return _wanted(task, passage.held, b"the response's body is larger than lua.body", done)


def _wanted(task: Task, source: _Source, too_large: bytes, done: Done) -> Answer | Callable[[], None]:
    """The body of ``source``, which may be there at once."""
    answers: list[Answer] = []
    tell: Done = answers.append

    def wanted(body: bytes | None) -> None:
        tell((True, body) if body is not None else (False, too_large))

    waits = source.want_body(task.runner.body_limit, wanted)
    tell = done
    return source.forget_body if waits else answers.pop()


def plan_of(table: Any) -> Plan:
    """What calls.lua asks for.  Raises :class:`ValueError`, :class:`TypeError` or :class:`AttributeError`."""
    return Plan(
        table[b"method"], table[b"url"], table[b"upstream"], table[b"host"], table[b"fields"], table[b"body"],
        float(table[b"timeout"]), int(table[b"max_body"]),
    )  # fmt: skip


def _http(task: Task, given: tuple[Any, ...], done: Done) -> Answer | Callable[[], None]:
    try:
        plan = plan_of(given[0])
    except (ValueError, TypeError, AttributeError) as error:
        return False, f"http: {error}".encode()
    runner, notes = task.runner, task.notes
    running = task.running
    if running is None:
        return False, b"http: the configuration is no longer in use"
    client = notes.exchange.client if notes is not None else b""
    call = Call(runner.context, running.directory.outside, running, plan, client, done)
    if notes is not None:
        call.follow(notes.exchange)
    return call.begin()


ALL: Final[dict[bytes, Operation]] = {
    b"sleep": _sleep, b"resolve": _resolve, b"password": _password, b"kind": _kind, b"body": _body,
    b"response_body": _response_body, b"http": _http,
}  # fmt: skip


def warm_up(files: dict[str, bytes]) -> None:
    """Import now what would delay requests later."""
    text = b"\n".join(files.values())
    if b"dns." in text or b"http." in text:
        import dns.asyncresolver
        import dns.nameserver  # noqa: F401
    if b"store" in text:
        import rsp.engines.redis
    if b"cluster" in text:
        import rsp.exchange.lease_clients  # noqa: F401
    if b"jwt." in text:
        import jwt  # noqa: F401
    if b"https" in text:
        client_ssl_context(UpstreamTls(), Keyring())  # 30 ms, with the system's authorities
