"""Passwords: each kind of hash against other programs; what a check costs says nothing of which names there are; checks
are bounded, and hold nothing else up.

What broke: an unknown user took 19 ms where a known one took 140; hashes in Python held the interpreter's lock.
"""

import asyncio
import base64
import hashlib
import subprocess
import threading
import time

import bcrypt
import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from rsp.auth import crypt, hashes, htpasswd, passwords
from rsp.auth.passwords import Busy, Users

APR1 = b"$apr1$lZL6V5ci$wpLQROyp6BBHg5x2koGs1."  # "myPassword"
SHA = b"{SHA}" + base64.b64encode(hashlib.sha1(b"secret").digest())
BCRYPT = bcrypt.hashpw(b"secret", b"$2b$04$.iCTXNJ4OdDYmyFWGmjTx.")  # test names have it
ARGON2 = (
    Argon2id(salt=b"12345678", length=32, iterations=1, lanes=2, memory_cost=64).derive_phc_encoded(b"secret").encode()
)
# Of another program.
FOREIGN_ARGON2 = b"$argon2i$v=19$m=512,t=2,p=2$aI2R0hpDyLm3ltLa+1/rvQ$LqPKjd6n8yniKtAithoR7A"
# Drepper, "Unix crypt using SHA-256 and SHA-512", and his test vectors.
VECTORS = {
    b"Hello world!": [
        b"$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
        b"$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
        b"$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
        b"$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA",
    ],
}


def pair(name, password):
    return base64.b64encode(name + b":" + password)


def openssl(kind, salt, given):
    """What ``openssl passwd`` makes of each."""
    done = subprocess.run(
        ["openssl", "passwd", kind, "-salt", salt, "-stdin"],
        input="\n".join(given),
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.encode() for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    "hashed", [BCRYPT, BCRYPT.replace(b"$2b$", b"$2y$"), SHA, ARGON2], ids=["bcrypt", "bcrypt-2y", "sha", "argon2"]
)
def test_good_and_bad_passwords(hashed):
    users = Users(b"ann:%b\n# no user\n\nbob:%b:a comment\n" % (hashed, hashed))
    assert users.check(pair(b"ann", b"secret")) == b"ann" and users.check(pair(b"bob", b"secret")) == b"bob"
    for given in (pair(b"ann", b"wrong"), pair(b"eve", b"secret"), pair(b"", b"secret"), base64.b64encode(b"ann"), b"\0", b"",
                  pair(b"ann", b""), pair(b"ann", b"\0"), pair(b"ann", b"secret\0"), pair(b"ann", b"secret" + b"x" * 2000),
                  pair(b"ann", b"secret")[:-1], b" " + pair(b"ann", b"secret"), pair(b"ann", b"secret") + b"\n"):  # fmt: skip
        assert users.check(given) is None
    assert Users(b"").check(pair(b"ann", b"x")) is None


@pytest.mark.parametrize("kind", ["-6", "-5", "-apr1"])
def test_hashes_of_openssl(kind):
    given = [
        "a",
        "ab",
        "secret",
        "päßword",
        "x" * 15,
        "x" * 16,
        "x" * 17,
        "y" * 63,
        "y" * 64,
        "z" * 65,
        "w" * 200,
        "a:b c$d",
    ]
    for salt in ("s", "saltsalt") if kind == "-apr1" else ("s", "saltsalt", "0123456789abcdef"):
        made = openssl(kind, salt, given)
        assert len(made) == len(given)
        for password, hashed in zip(given, made, strict=True):
            if kind == "-apr1" and len(password.encode()) > 64:  # which APR itself cuts off
                continue
            assert hashes.mistake(hashed) == "" and hashes.matches(password.encode(), hashed), (salt, password)
            assert not hashes.matches(password.encode() + b"x", hashed)


def test_hashes_that_others_have_published():
    for password, known in VECTORS.items():
        for hashed in known:
            assert hashes.mistake(hashed) == "" and hashes.matches(password, hashed)
    assert hashes.mistake(FOREIGN_ARGON2) in (
        "",
        "argon2i needs a newer version of the Python package cryptography; or use bcrypt",
    )


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (b"ann", "expected NAME:HASH"),
        (b"ann:", "expected NAME:HASH"),
        (b":%b" % BCRYPT, "expected NAME:HASH"),
        (b"ann:secret word", "the password is not hashed; htpasswd -B FILE NAME  creates one"),
        (b"ann:rqXexS6ZhobKA", "DES is not supported"),
        (b"ann:$y$j9T$abc$def", '"y" is not supported, or damaged'),
        (b"ann:{SSHA}abc", '"SSHA" is not supported'),
        (b"ann:%b" % BCRYPT[:-1], '"2b" is not supported, or damaged'),
        (b"ann:%b" % BCRYPT.replace(b"$04$", b"$31$"), "a cost of 31; expected 4 to 16"),
        (b"ann:$6$rounds=999999999$salt$" + b"a" * 86, "999999999 rounds; expected 1000 to 1000000"),
        (b"ann:$6$salt$" + b"a" * 43, "the hash is truncated"),
        (b"ann:%b" % ARGON2.replace(b"m=64", b"m=99999999"), "m=99999999: expected 16 to 262144 (KiB)"),
        (b"ann:%b" % ARGON2.replace(b"t=1", b"t=999999"), "expected t of 1 to 65536"),
        (b"ann:%b" % ARGON2.replace(b"p=2", b"p=0"), "p of 1 to 64"),
    ],
)
def test_what_is_wrong_with_a_line(line, wrong):
    found = list(htpasswd.mistakes(b"# users\n\nbob:%b\n%b\n" % (SHA, line)))
    assert ([number for number, _ in found] == [4] and found[0][1].startswith(wrong)) or wrong in found[0][1]
    assert b"secret word" not in found[0][1].encode() and "rqXexS6ZhobKA" not in found[0][1]
    with pytest.raises(ValueError, match=r"^line 4: "):
        htpasswd.check(b"# users\n\nbob:%b\n%b\n" % (SHA, line))


def test_an_old_library(monkeypatch):
    monkeypatch.setattr("cryptography.hazmat.primitives.kdf.argon2.Argon2id", None)
    assert hashes.mistake(ARGON2).startswith("argon2id needs a newer version of the Python package cryptography")


def test_an_unknown_user_costs_what_a_known_one_does(monkeypatch):
    """The same hash functions run with the same cost, whatever the name."""
    costs = [bcrypt.hashpw(b"x", bcrypt.gensalt(cost)) for cost in (4, 5)]
    users = Users(b"ann:%b\nbob:%b\ncid:%b\n" % (costs[0], costs[1], APR1))
    asked = []
    monkeypatch.setattr(hashes, "matches", lambda password, hashed: asked.append(hashed) or True)
    for number in range(200):
        assert users.check(pair(b"eve%d" % number, b"x")) is None
    assert set(asked) == {*costs, APR1}
    assert users.check(pair(b"bob", b"x")) == b"bob" and asked[-1] == costs[1]
    asked.clear()
    for _ in range(5):
        users.check(pair(b"eve", b"x"))
    assert len(set(asked)) == 1


@pytest.mark.alone
def test_unknown_and_known_users_of_one_cost_take_the_same_time():
    users = Users(b"ann:" + bcrypt.hashpw(b"secret", bcrypt.gensalt(9)))

    def least(given):
        best = 9.0
        for _ in range(5):
            began = time.thread_time()
            users.check(given)
            best = min(best, time.thread_time() - began)
        return best

    assert 0.5 < least(pair(b"eve", b"secret")) / least(pair(b"ann", b"wrong")) < 2.0


def test_checks_that_wait_are_bounded(monkeypatch):
    users = Users(b"ann:" + SHA)
    go = threading.Event()
    monkeypatch.setattr(hashes, "matches", lambda *_: go.wait(30))
    begun = [users.begin(pair(b"ann", b"x")) for _ in range(passwords._WAITING)]
    try:
        with pytest.raises(Busy) as busy:
            users.begin(pair(b"ann", b"x"))
        assert busy.value.status == 503
        assert begun[-1].cancel()  # a hook that is called off gives its place back
        begun[-1] = users.begin(pair(b"ann", b"x"))
    finally:
        go.set()
    assert [future.result(30) for future in begun] == [b"ann"] * len(begun)
    users.begin(pair(b"ann", b"x")).result(30)


def test_one_client_has_its_share_of_the_checks_and_the_same_credentials_are_checked_once(monkeypatch):
    users = Users(b"ann:" + SHA)
    go, checked, ended = threading.Event(), [], []
    monkeypatch.setattr(hashes, "matches", lambda password, _: checked.append(password) or go.wait(30))

    async def main():
        right = pair(b"ann", b"secret")
        off = [users.ask(b"right", right, b"10.0.0.1", lambda name: ended.append(("right", name))) for _ in range(40)]
        for number in range(passwords._SHARE - 1):
            users.ask(
                b"%d" % number, pair(b"eve", b"%d" % number), b"10.0.0.1", lambda name: ended.append(("eve", name))
            )
        with pytest.raises(Busy) as busy:
            users.ask(b"one more", pair(b"eve", b"more"), b"10.0.0.1", ended.append)
        assert busy.value.status == 429
        gone = users.ask(b"other", pair(b"eve", b"other"), b"10.0.0.2", lambda name: ended.append(("other", name)))
        gone()  # its client has left before a thread had time for it
        off[0]()
        await asyncio.sleep(0)
        go.set()
        async with asyncio.timeout(20):
            while len(ended) < 39 + passwords._SHARE - 1:
                await asyncio.sleep(0.005)

    asyncio.run(main())
    assert ended.count(("right", b"ann")) == 39 and ended.count(("eve", None)) == passwords._SHARE - 1
    assert checked.count(b"secret") == 1 and b"other" not in checked
    assert users.recall(b"right") == b"ann" and users.recall(b"0") is None
    assert not passwords._of_clients and not users_checks(users)


def test_a_check_that_was_called_off_is_begun_anew(monkeypatch):
    """What broke: the second request got the first one's end, which never came."""
    users = Users(b"ann:" + SHA)
    go, ended = threading.Event(), []
    monkeypatch.setattr(hashes, "matches", lambda *_: go.wait(30))

    async def main():
        blocked = [
            users.ask(b"%d" % number, pair(b"eve", b"%d" % number), b"", ended.append)
            for number in range(passwords._THREADS)
        ]
        for _ in range(3):
            off = users.ask(b"right", pair(b"ann", b"secret"), b"", ended.append)
            off()
            off()
        users.ask(b"right", pair(b"ann", b"secret"), b"", ended.append)
        blocked[0]()  # while a thread is at it
        users.ask(b"0", pair(b"eve", b"0"), b"", ended.append)
        go.set()
        async with asyncio.timeout(20):
            while len(ended) < passwords._THREADS + 1:
                await asyncio.sleep(0.005)

    asyncio.run(main())
    assert sorted(ended, key=str) == sorted([b"ann", *[None] * passwords._THREADS], key=str)
    assert not passwords._of_clients and not users_checks(users)


def users_checks(users):
    """Those under way: none, or a request with the same credentials would begin none."""
    return getattr(users, "_checks", None)


def test_what_was_right_is_known_at_once_whatever_was_asked_for_before():
    users = Users.of(b"ann:%b\nbob:%b\n" % (SHA, SHA))
    assert users.recall(b"1") is None
    users.remember(b"1", b"ann")
    assert users.recall(b"1") == b"ann"
    users.remember(b"2", b"bob")
    assert [users.recall(given) for given in (b"1", b"2", b"2", b"3", b"1", b"")] == [
        b"ann",
        b"bob",
        b"bob",
        None,
        b"ann",
        None,
    ]


def test_what_was_right_is_bounded_and_belongs_to_the_content():
    users = Users.of(b"ann:" + SHA)
    for number in range(passwords._MOST + 10):
        users.remember(b"%d" % number, b"ann")
    assert (
        users.recall(b"9") is None and users.recall(b"10") == b"ann" and users.recall(b"%d" % passwords._MOST) == b"ann"
    )
    assert Users.of(b"ann:" + SHA) is users
    assert Users.of(b"ann:%b\n" % SHA).recall(b"10") is None


def test_hashes_in_python_let_others_run(monkeypatch):
    """Between slices of a fraction of a millisecond, where a hash took the lock until the interpreter asked for it."""
    yields = []
    monkeypatch.setattr(crypt, "time", type("Time", (), {"sleep": yields.append}))
    assert hashes.matches(b"myPassword", APR1)
    assert len(yields) == 20
    assert hashes.matches(b"Hello world!", VECTORS[b"Hello world!"][0])
    assert len(yields) == 120
