"""A provider at work: what it tells, what it complains of, why it fails; it is called again, as the process does it."""

import asyncio
import functools
import ssl

from rsp.config.engines import SECRETS, Discover
from rsp.config.instance import Dns
from rsp.config.units import Duration
from rsp.engines.failures import Unreachable
from rsp.tls.material import Keyring


def in_loop(test):
    """Runs a test that is a coroutine."""

    @functools.wraps(test)
    def run(*given, **named):
        asyncio.run(test(*given, **named))

    return run


def server_tls(issued, directory):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.write(directory, "engine"))
    return context


class Following:
    """async with Following(ConsulService, "consul://127.0.0.1:8500/app", tags=("blue",)) as app: ...

    ``authorities``, ``secrets``: content of files by their names.
    """

    def __init__(self, provider, url, authorities=None, secrets=None, **settings) -> None:
        settings.setdefault("timeout", Duration(2))
        files = {f"{SECRETS} {name}": content for name, content in (secrets or {}).items()}
        keyring = Keyring(authorities=authorities or {}, files=files)
        self.provider = provider(Discover(url=url, **settings), Dns(), keyring)
        self.told: list[list] = []
        self.complaints: list[str] = []
        self.provider.complain = self.complaints.append
        self.failures: list[str] = []
        self.again = 0.02  # seconds

    async def __aenter__(self):
        self._task = asyncio.ensure_future(self._run())
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self):
        while True:
            try:
                await self.provider.follow(self.told.append)
            except Unreachable as error:
                self.failures.append(str(error))
            await asyncio.sleep(self.again)

    @property
    def now(self):
        """The addresses that were told last."""
        return [member.address for member in self.told[-1]] if self.told else None

    async def shows(self, *addresses):
        await self.until(lambda: self.now == list(addresses), f"expected {addresses}")

    async def until(self, condition, what=""):
        try:
            async with asyncio.timeout(10):
                while not condition():
                    if self._task.done():
                        self._task.result()
                    await asyncio.sleep(0.005)
        except TimeoutError:
            about = f"told {self.told[-1:]}, {self.complaints[-3:]}, {self.failures[-3:]}"
            raise AssertionError(f"{what or condition}: {about}") from None
