"""The control process and the servers that have issuers' keys: good ones, slow ones, hostile ones; time is made short."""

import asyncio
import contextlib
import ssl

import pytest

from rsp.auth.key_sets import KeySet, reduced
from rsp.config.filters import Auth, Jwt
from rsp.config.routes import Route
from rsp.config.schema import Config, Settings
from rsp.config.units import Duration
from rsp.control import key_sets
from rsp.control.key_sets import KeySets
from rsp.logs import log
from rsp.tls.material import Keyring
from tests.certificates import authority
from tests.issuer import SigningKey, published

ONE, TWO = SigningKey("ES256", "one"), SigningKey("EdDSA", "two")
GOOD = reduced(published(ONE))


def config(*jwts):
    routes = tuple(Route(to="app", auth=Auth(jwt=jwt)) for jwt in jwts)
    return Config(Settings(), (), (), routes)


def ok(body, status=b"200 OK", fields=b""):
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status, fields, len(body), body)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    for name, value in (
        ("_AGAIN", 0.02),
        ("_AGAIN_WITHOUT", 0.05),
        ("_AGAIN_LATEST", 0.05),
        ("_PATIENCE", 0.3),
        ("_LOOK", 0.01),
        ("_SPARE_EVERY", 100.0),
    ):
        monkeypatch.setattr(key_sets, name, value)


@pytest.fixture
def lines(monkeypatch):
    said = []
    monkeypatch.setattr(log, "line", lambda text, level=log.INFO: said.append(text))
    return said


class Lab:
    """``answers``: one after the other, the last one again.  ``told``: what the master gets; ``wanted``: by workers."""

    def __init__(self, *answers, tls=None):
        self.answers, self.asked, self.told, self.wanted = answers, [], [], 0
        self._tls = tls
        self.fetching = KeySets(lambda source, keys: self.told.append((source, keys)), lambda: self.wanted)

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/keys?a=secret"
        return self

    async def __aexit__(self, *_):
        self.fetching.stop()
        self._server.close()

    async def _serve(self, reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            self.asked.append(await reader.readuntil(b"\r\n\r\n"))
            said = self.answers[min(len(self.asked), len(self.answers)) - 1]
            if said is None:
                await asyncio.sleep(5)
            writer.write(said or b"")
            await writer.drain()
        writer.close()

    def follow(self, *jwts, considered=None, keyring=None):
        self.fetching.arrange(config(*jwts), considered, keyring or Keyring())

    async def until(self, condition):
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.005)


def run(coroutine):
    asyncio.run(coroutine)


def test_keys_are_fetched_and_handed_on(lines):
    async def main():
        async with Lab(ok(published(ONE))) as lab:
            lab.follow(Jwt(jwks=lab.url), Jwt(jwks=lab.url, audience="other"))
            await lab.until(lambda: lab.told)
            assert lab.told == [(lab.url, GOOD)] and len(lab.asked) == 1
            assert lab.asked[0].startswith(b"GET /keys?a=secret HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % lab.port)
            assert lines == [f"Keys of http://127.0.0.1:{lab.port}/keys are there: 1 key"]

    run(main())


def test_they_are_fetched_again_after_a_while(lines):
    async def main():
        async with Lab(ok(published(ONE)), ok(published(TWO, ONE))) as lab:
            lab.follow(Jwt(jwks=lab.url, refresh=Duration(0.05)))
            await lab.until(lambda: len(lab.told) > 2)
            assert len(KeySet(lab.told[-1][1])) == 2 and [line.partition("keys ")[2] for line in lines] == [
                "are there: 1 key",
                "have changed: 2 keys",
            ]

    run(main())


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "no response within 0.3 s"),
        (b"", "closed the connection early"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{", "broke off"),
        (b"SSH-2.0\r\n\r\n", ""),
        (ok(b"", b"404 Not Found"), "the response has status 404"),
        (
            ok(b"", b"302 Found", b"Location: https://evil.example/\r\n"),
            "status 302; write the URL that it redirects to",
        ),
        (ok(b"<html>"), 'it is not a set of keys, {"keys": [...]}'),
        (ok(b'{"keys": []}'), "it has no key that verifies signatures"),
        (ok(b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'), "a secret key"),
        (ok(b" " * (257 << 10)), "it has more than 256 KB"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"FFFF\r\n" + b" " * 65535 + b"\r\n" * 1,
            "broke off",
        ),
        (b"HTTP/1.1 200 OK\r\nA: " + b"a" * 70_000, "the head is too large"),
    ],
)
def test_answers_without_keys(lines, answer, why):
    """One line for each reason; what was known before stays; it is asked again and again."""

    async def main():
        async with Lab(ok(published(ONE)), answer, answer, answer, ok(published(TWO))) as lab:
            lab.follow(Jwt(jwks=lab.url, refresh=Duration(0.02)))
            await lab.until(lambda: len(lab.told) == 2)
            assert [keys for _, keys in lab.told] == [GOOD, reduced(published(TWO))] and len(lab.asked) == 5
            failed = [line for line in lines if "cannot be fetched" in line]
            assert (
                len(failed) == 1
                and why in failed[0]
                and failed[0].endswith("; keys that were fetched before stay in use")
            )
            assert "secret=" not in failed[0] and "a=secret" not in failed[0]
            assert lines[-1].endswith("have changed: 1 key")

    run(main())


def test_a_server_that_is_not_there_at_first(lines):
    async def main():
        async with Lab(ok(published(ONE))) as lab:
            jwt = Jwt(jwks=lab.url)
            lab._server.close()
            await lab._server.wait_closed()
            lab.follow(jwt)
            await lab.until(lambda: lines)
            assert "cannot be fetched: " in lines[0] and lines[0].endswith(
                "; keys that were fetched before stay in use"
            )
            lab._server = await asyncio.start_server(lab._serve, "127.0.0.1", lab.port)
            await lab.until(lambda: lab.told)

    run(main())


def test_keys_that_are_not_known_have_them_fetched_at_a_bounded_rate():
    async def main():
        async with Lab(ok(published(ONE))) as lab:
            lab.follow(Jwt(jwks=lab.url))
            await lab.until(lambda: lab.told)
            for asked in (2, 3):
                lab.wanted += 1
                await lab.until(lambda asked=asked: len(lab.told) == asked)
            for _ in range(20):  # none is left
                lab.wanted += 1
                await asyncio.sleep(0.01)
            assert len(lab.asked) == 3

    run(main())


def test_authorities_of_its_own(lines):
    async def main():
        ca = authority("Issuer's")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued = ca.issue("127.0.0.1")
        import tempfile
        from pathlib import Path

        with tempfile.TemporaryDirectory() as folder:
            context.load_cert_chain(issued.write(Path(folder), "issuer"))
        async with Lab(ok(published(ONE)), tls=context) as lab:
            jwt = Jwt(jwks=lab.url, ca="ca.pem")
            lab.follow(jwt, keyring=Keyring())  # not read yet
            await lab.until(lambda: lines)
            assert "ca.pem" in lines[0] and not lab.asked
            lab.follow(jwt, keyring=Keyring(authorities={"ca.pem": ca.pem}))
            await lab.until(lambda: lab.told)
            assert lab.told[0][0] == f"{lab.url} ca.pem"
        async with Lab(ok(published(ONE)), tls=context) as lab:
            lab.follow(Jwt(jwks=lab.url))
            await lab.until(lambda: any("certificate" in line for line in lines))
            assert not lab.told

    run(main())


def test_configurations_come_and_go():
    async def main():
        async with Lab(ok(published(ONE))) as lab, Lab(ok(published(TWO))) as tried:
            one, two = Jwt(jwks=lab.url), Jwt(jwks=tried.url)
            lab.follow(one, Jwt(jwks="file:keys.json"), considered=config(two))
            await lab.until(lambda: len(lab.told) == 2)  # before it is in force
            assert {source for source, _ in lab.told} == {lab.url, tried.url}
            lab.follow(two)
            lab.wanted += 1
            await lab.until(lambda: len(tried.asked) == 2)
            assert len(lab.asked) == 1

    run(main())


def test_another_configuration_has_what_failed_tried_at_once(monkeypatch):
    monkeypatch.setattr(key_sets, "_AGAIN", 100.0)
    monkeypatch.setattr(key_sets, "_AGAIN_WITHOUT", 100.0)

    async def main():
        async with Lab(ok(b"not yet"), ok(published(ONE))) as lab:
            jwt = Jwt(jwks=lab.url)
            running = config(jwt)
            lab.fetching.arrange(running, None, Keyring())
            await lab.until(lambda: lab.asked)
            await asyncio.sleep(0.05)
            lab.fetching.arrange(running, None, Keyring())  # other peers, say
            await asyncio.sleep(0.05)
            assert len(lab.asked) == 1
            lab.follow(jwt)
            await lab.until(lambda: lab.told)

    run(main())
