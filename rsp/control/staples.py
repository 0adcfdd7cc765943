"""OCSP responses for the certificates in use: fetched from their responders, checked, handed to the master.

A responder that fails is asked again, later and later; what it said last is used until that ends.  A certificate whose
responder says that it is revoked has no response any more.
"""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from rsp.config.schema import Config
from rsp.control.asking import ask
from rsp.http.errors import ProtocolError
from rsp.logs import log
from rsp.tls import engine
from rsp.tls.material import Described

if TYPE_CHECKING:
    from rsp.tls.ocsp import Answer, Subject

_PATIENCE: Final = 15.0  # seconds for an answer
_AT_ONCE: Final = 8  # responders
_SOONEST: Final = 60.0  # between two questions about a certificate, unless one has failed
_LATEST: Final = 12 * 3600.0
_AGAIN: Final = 10.0  # after a failure; twice as long each time
_AGAIN_LATEST: Final = 3600.0

Data = dict[str, object]


class Refused(Exception):
    """Why there is no response: a clause.  ``final``: the last one is not to be used any more, either."""

    def __init__(self, why: str, *, final: bool = False) -> None:
        super().__init__(why)
        self.final = final


class Staples:
    """``stapled(digest, response)`` is called when there is another one; empty: there is none any more.

    ``kept``: responses that an earlier control process has fetched, by digest.  ``known``: for operators, too.
    """

    def __init__(self, stapled: Callable[[str, bytes], None], kept: dict[str, bytes], known: dict[str, Data]) -> None:
        self._stapled = stapled
        self._kept = kept
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._known = known

    def arrange(self, config: Config, described: tuple[Described, ...]) -> None:
        """Follow the certificates that name a responder, and no others."""
        wanted = {one.digest: one for one in described if one.responder and one.chain} if _stapling(config) else {}
        for digest in set(self._tasks) - set(wanted):
            self._tasks.pop(digest).cancel()
            self._known.pop(digest, None)
            self._stapled(digest, b"")
        for digest in set(wanted) - set(self._tasks):
            watching = _Watch(wanted[digest], self._stapled, self._places, self._known, self._kept.pop(digest, b""))
            self._tasks[digest] = asyncio.get_running_loop().create_task(watching.run())


class _Watch:
    """Of one certificate."""

    def __init__(
        self,
        about: Described,
        stapled: Callable[[str, bytes], None],
        places: asyncio.Semaphore,
        known: dict[str, Data],
        kept: bytes,
    ) -> None:
        self._about = about
        self._stapled = stapled
        self._places = places
        self._known = known
        self._kept = kept
        self._answer: Answer | None = None
        self._failures = 0

    async def run(self) -> None:
        try:
            from rsp.tls.ocsp import Subject, Unfit
        except ImportError as error:  # the process cannot read it any more
            self._tell(f"OCSP responses cannot be fetched: {error}; restart rsp")
            return
        try:
            subject = Subject(self._about.chain)
        except Unfit as error:
            self._tell(f"OCSP responses cannot be fetched: {error}")
            return
        if self._keep(subject):
            await asyncio.sleep(self._rest())
        while True:
            try:
                await self._ask(subject)
            except Refused as error:
                self._refuse(error, subject)
            else:
                self._failures = 0
            await asyncio.sleep(self._rest())
            self._forget_what_has_ended()

    def _keep(self, subject: "Subject") -> bool:
        """Use what an earlier control process has fetched, if that is still good."""
        from rsp.tls.ocsp import Unfit

        if not self._kept:
            return False
        try:
            self._answer = subject.check(self._kept, time.time())
        except Unfit:
            self._stapled(self._about.digest, b"")
            return False
        self._known[self._about.digest] = {"good_until": self._answer.ends, "problem": None}
        return True

    async def _ask(self, subject: "Subject") -> None:
        """Raises :class:`Refused`."""
        from rsp.tls.ocsp import Revoked, Unfit

        responder = self._about.responder
        try:
            async with self._places, asyncio.timeout(_PATIENCE):
                data = await _fetched(responder, subject.request)
            self._take(subject.check(data, time.time()))
        except TimeoutError:
            raise Refused(f"responder {responder} does not respond within {_PATIENCE:g} s") from None
        except OSError as error:
            raise Refused(f"responder {responder}: {error.strerror or error}") from None
        except (ProtocolError, EOFError, ValueError) as error:
            raise Refused(f"responder {responder}: {error or 'the connection broke off'}") from None
        except Unfit as error:
            raise Refused(f"the response of responder {responder} {error}", final=isinstance(error, Revoked)) from None

    def _take(self, answer: "Answer") -> None:
        before, self._answer = self._answer, answer
        self._known[self._about.digest] = {"good_until": answer.ends, "problem": None}
        if self._failures:
            log.line(f"{self._name}: its responder answers again")
        if before is None or before.response != answer.response:
            self._stapled(self._about.digest, answer.response)

    def _refuse(self, error: Refused, subject: "Subject") -> None:
        why = str(error)
        self._failures += 1
        if error.final and self._answer is not None:
            self._answer = None
            self._stapled(self._about.digest, b"")
        until = self._answer.ends if self._answer is not None else None
        known = self._known.get(self._about.digest, {})
        self._known[self._about.digest] = {"good_until": until, "problem": why}
        if known.get("problem") == why:
            return
        rest = f"; the last one is used until {_moment(until)}" if until is not None else ""
        if until is None and subject.must_staple:
            rest = "; clients refuse this certificate without one (must-staple)"
        self._tell(f"no OCSP response: {why}{rest}")

    def _forget_what_has_ended(self) -> None:
        if self._answer is not None and self._answer.ends <= time.time():
            self._answer = None
            self._stapled(self._about.digest, b"")
            self._tell("its OCSP response has expired, and there is no other")

    def _rest(self) -> float:
        """Seconds until the next question: before half of the answer's life is over."""
        if self._failures:
            again = min(_AGAIN * 2.0 ** min(self._failures - 1, 20), _AGAIN_LATEST)
            return again if self._answer is None else max(0.1, min(again, self._answer.ends - time.time()))
        if self._answer is None:
            return _AGAIN
        half = (self._answer.begins + self._answer.ends) / 2 - time.time()
        return min(max(half, min(_SOONEST, (self._answer.ends - time.time()) / 2)), _LATEST)

    @property
    def _name(self) -> str:
        return f'{self._about.at}: certificate "{self._about.file}"'

    def _tell(self, text: str) -> None:
        log.line(f"{self._name}: {text}", log.WARNING)


def _stapling(config: Config) -> bool:
    return engine.COMPLETE and config.settings.tls.stapling and any(listener.tls for listener in config.listeners)


async def _fetched(responder: str, request: bytes) -> bytes:
    """What the responder answers.  Raises what :func:`ask` raises, and :class:`Refused`."""
    from rsp.tls.ocsp import LARGEST

    url = _checked(responder)
    head = (
        f"POST {url.path or '/'}{'?' + url.query if url.query else ''} HTTP/1.1\r\nHost: {url.netloc}\r\n"
        f"Content-Type: application/ocsp-request\r\nContent-Length: {len(request)}\r\nConnection: close\r\n\r\n"
    )
    where = (url.hostname or "", url.port or 80)
    response, body = await ask(where, head.encode() + request, b"POST", body_limit=LARGEST)
    if response.status != 200:
        raise Refused(f"responder {responder} responds with status {response.status}")
    if len(body) >= LARGEST:
        raise Refused(f"responder {responder} responds with more than {LARGEST >> 10} KB")
    return body


def _checked(responder: str) -> SplitResult:
    url = urlsplit(responder)
    plain = responder.isascii() and responder.isprintable() and " " not in responder
    if url.scheme != "http" or not url.hostname or "@" in url.netloc or not plain:
        raise Refused(f"the URL of the responder that the certificate names is not plain http://: {responder!r}")
    return url


def _moment(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(when))
