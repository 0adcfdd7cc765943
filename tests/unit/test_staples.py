"""The control process and responders: good ones, slow ones, hostile ones; time is made short."""

import asyncio
import contextlib
import datetime

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from rsp.config.schema import Config, Listener, Settings
from rsp.config.tls import Tls
from rsp.config.units import Listen
from rsp.control import staples
from rsp.control.staples import Staples
from rsp.logs import log
from rsp.tls.material import Described
from tests.certificates import authority, now

CA = authority()
ONE = CA.issue("one.example")


def config(**tls):
    return Config(Settings(tls=Tls(**tls)), (Listener(Listen.parse("127.0.0.1:443"), tls=True),), (), ())


def described(responder, issued=ONE):
    ca = CA.certificate.public_bytes(serialization.Encoding.DER)
    return Described(
        "site.lua:1", "one.pem", ("one.example",), "CN=one", "CN=ca", "ecdsa", issued.fingerprint, 0.0, 1e10,
        responder, "", (issued.der, ca),
    )  # fmt: skip


def answer(seconds):
    """Good from now on for so long."""
    builder = ocsp.OCSPResponseBuilder().add_response(
        ONE.certificate, CA.certificate, hashes.SHA1(), ocsp.OCSPCertStatus.GOOD,
        now(), now() + datetime.timedelta(seconds=seconds), None, None,
    )  # fmt: skip
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, CA.certificate)
    return builder.sign(CA.private, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def ok(body):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(staples.engine, "COMPLETE", True)
    monkeypatch.setattr(staples, "_AGAIN", 0.02)
    monkeypatch.setattr(staples, "_PATIENCE", 0.3)


@pytest.fixture
def lines(monkeypatch):
    said = []
    monkeypatch.setattr(log, "line", lambda text, level=log.INFO: said.append(text))
    return said


def follow(answers, done, kept=None, path="/a?b", **tls):
    """What was stapled until ``done(stapled, known, asked)``; ``answers``: one after the other, the last one again."""
    stapled, known, asked = [], {}, []

    async def serve(reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
            asked.append((head, body))
            said = answers[min(len(asked), len(answers)) - 1]
            if said is None:
                await asyncio.sleep(5)
            writer.write(said or b"")
            await writer.drain()
        writer.close()

    async def main():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        one = described(f"http://127.0.0.1:{port}{path}" if path.startswith("/") else path)
        following = Staples(lambda digest, data: stapled.append((digest, data)), dict(kept or {}), known)
        following.arrange(config(**tls), (one,))
        async with asyncio.timeout(20):
            while not done(stapled, known, asked):
                await asyncio.sleep(0.01)
        following.arrange(config(stapling=False), (one,))
        server.close()

    asyncio.run(main())
    return stapled, known, asked


def test_a_good_answer_is_handed_on_and_taken_back_with_the_certificate(lines):
    good = answer(86400)
    stapled, known, asked = follow([ok(good)], lambda stapled, *_: stapled)
    assert stapled == [(ONE.fingerprint, good), (ONE.fingerprint, b"")]
    head, body = asked[0]
    assert head.startswith(b"POST /a?b HTTP/1.1\r\nHost: 127.0.0.1:")
    assert ocsp.load_der_ocsp_request(body).serial_number == ONE.certificate.serial_number
    assert lines == [] and known == {}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (None, "does not respond within"),
        (b"", "closed the connection early"),
        (b"garbage\r\n\r\n", "responder http://127.0.0.1"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", "status 302"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort", "broke off"),
        (ok(bytes(70000)), "more than 64 KB"),
        (b"HTTP/1.1 200 OK\r\nX: " + bytes([65]) * 200000, "too large"),
        (ok(b"no answer"), "is not valid: it cannot be read as an OCSP response"),
        (ok(CA.ocsp(CA.issue("other.example"))), "another certificate"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_answer_is_told_once_and_asked_for_again(lines, said, why):
    good = answer(86400)
    stapled, _, asked = follow([said, said, ok(good)], lambda stapled, *_: stapled)
    assert stapled[0] == (ONE.fingerprint, good) and len(asked) == 3
    assert len(lines) == 2 and why in lines[0] and "its responder answers again" in lines[1]


def test_it_asks_again_before_half_of_the_life_is_over_and_the_old_one_stays_until_it_ends(lines):
    brief = answer(3)
    stapled, _, asked = follow([ok(brief), b""], lambda stapled, *_: len(stapled) == 2)
    assert stapled == [(ONE.fingerprint, brief), (ONE.fingerprint, b""), (ONE.fingerprint, b"")]
    assert len(asked) > 3
    assert "the last one is used until" in lines[0] and "has expired" in lines[1]


def test_what_was_kept_is_used_without_a_question(lines):
    good = answer(86400)
    stapled, _, asked = follow([b""], lambda _, known, __: known, kept={ONE.fingerprint: good})
    assert not asked and stapled == [(ONE.fingerprint, b"")]


def test_what_was_kept_and_is_no_good_any_more_is_dropped(lines):
    stapled, _, _ = follow([b""], lambda _, __, asked: asked, kept={ONE.fingerprint: CA.ocsp(ONE, begins=-9, ends=-1)})
    assert stapled[0] == (ONE.fingerprint, b"")


@pytest.mark.parametrize("url", ["https://a.example/", "ldap://a/", "http://u@a/", "http:///x", "http://a/b c", "x"])
def test_a_responder_that_cannot_be_asked(lines, url):
    follow([b""], lambda _, known, __: known, path=url)
    assert "is not plain http://" in lines[0]


def test_nothing_is_asked_where_stapling_is_off(lines):
    stapled, _, asked = follow([b""], lambda *_: True, stapling=False)
    assert not stapled and not asked
