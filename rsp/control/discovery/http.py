"""Members that a server lists: ``https://config.example.com/app.json``, asked every ``interval``.

Whether the list is another one is for the server to say (ETag, Last-Modified): most answers are a 304 without a body.
"""

import asyncio
import random
from base64 import b64encode
from typing import Final

from rsp.control.discovery.provider import Provider, Tell, written_list
from rsp.engines.credentials import password_of, token_of
from rsp.engines.failures import Unreachable
from rsp.engines.web import Web

_LARGEST: Final = 4 << 20  # bytes
_SPREAD: Final = 0.1  # of the interval, so that not all nodes ask at once
_CONDITIONS: Final = (("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since"))
_LONGEST: Final = 200  # bytes of a validator


class MembersUrl(Provider):
    async def follow(self, tell: Tell) -> None:
        url = self.discover.endpoint
        target = self.discover.url.partition("://")[2].partition("#")[0]
        target = target[len(target.partition("/")[0]) :] or "/"
        fields: dict[str, str] = {}
        async with Web(self.discover, url, self.dns, self.keyring) as web:
            web.fields = {"Accept": "application/json", **self._authorization()}
            while True:
                async with web.stream("GET", target, fields=fields, silence=web.patience) as stream:
                    if stream.status != 304 or not fields:
                        self._check(stream.status, stream.endpoint)
                        content = await stream.read(_LARGEST)
                        found = ((of, stream.field(name)) for name, of in _CONDITIONS)
                        fields = {of: value for of, value in found if 0 < len(value) <= _LONGEST}
                        self._tell(content, tell)
                await asyncio.sleep(float(self.discover.interval) * random.uniform(1 - _SPREAD, 1 + _SPREAD))  # noqa: S311

    def _tell(self, content: bytes, tell: Tell) -> None:
        try:
            tell(written_list(content, self.complain))
        except ValueError as error:
            raise Unreachable(str(error)) from None

    @staticmethod
    def _check(status: int, endpoint: str) -> None:
        if status == 200:
            return
        hint = "; write the URL that it redirects to" if 300 <= status < 400 else ""
        hint = "; see username, password_file and token_file" if status in (401, 403) else hint
        raise Unreachable(f"{endpoint}: the response has status {status}{hint}")

    def _authorization(self) -> dict[str, str]:
        if (token := token_of(self.discover, self.keyring)) is not None:
            return {"Authorization": f"Bearer {token}"}
        if self.discover.username is not None:
            password = password_of(self.discover, self.keyring) or ""
            said = b64encode(f"{self.discover.username}:{password}".encode()).decode()
            return {"Authorization": f"Basic {said}"}
        return {}
