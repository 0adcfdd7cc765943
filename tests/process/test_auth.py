"""Passwords and tokens: the same over HTTP/1.1, HTTP/2 and TLS, while files and keys change, and under floods."""

import base64
import json
import os
import signal
import ssl
import subprocess
import threading
import time

import bcrypt
import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from tests.certificates import authority
from tests.everywhere import WAYS, Everywhere
from tests.harness import Backend, receive, wait_until
from tests.issuer import Issuer, SigningKey, published
from tests.ports import free_port

SITE = """
access_log = { path = "access.log", format = "json", fields = { user = "user" } }
upstream "app" { "APP" }
local seen = { set = { ["X-User"] = "{user}" } }
local function basic(path, file) route { path = path, to = "app", auth = { basic = file, realm = 'the "staff"' }, request_headers = seen } end
local function jwt(path, jwt) route { path = path, to = "app", auth = { jwt = jwt }, request_headers = seen } end
basic("/basic", "htpasswd")
basic("/slow", "slow")
basic("/empty", "empty")
route { path = "/any", to = "app", any = true, allow = "127.0.0.1", auth = { basic = "htpasswd" }, request_headers = seen }
route { path = "/other", to = "app", any = true, allow = "10.0.0.0/8", auth = { basic = "htpasswd" } }
route { path = "/fixed", respond = { body = "fixed" }, auth = { basic = "htpasswd" } }
function on_request(req) -- for all routes: before they are known
  if req.args.early then return respond(418, tostring(req.user)) end
end
route { path = "/hooked", to = "app", auth = { basic = "htpasswd" },
  on_request = function(req) req.headers["X-User"] = "hook of " .. req.user end,
  on_response = function(req, res) res.headers["X-Seen"] = req.user or "none" end }
route { path = "/error", to = "app", auth = { basic = "htpasswd" }, on_error = function(req, err)
  return respond(err.status, "own page") end }
local issuer = { jwks = "URL", issuer = "https://id.example.com", audience = "api" }
jwt("/jwt", issuer)
jwt("/admin", { jwks = "URL", claims = { ["realm_access.roles"] = { "admin", "root" }, vip = true } })
jwt("/secure", { jwks = "SECURE", ca = "ca.pem", audience = "api" })
jwt("/untrusted", { jwks = "SECURE", audience = "api" })
jwt("/file", { jwks = "file:keys.json", audience = "api" })
jwt("/late", { jwks = "LATE", audience = "api", refresh = "10s" })
route { path = "/", to = "app" }
page { status = 403, body = "a page for {status}" }
"""
BEARER = 'Bearer realm="restricted"'
ONE = SigningKey("ES256", "one")


def _peer(connection, head, rest):
    """Says what it was sent: the fields of authentication, and the body."""
    lines = [
        line for line in head.decode("latin-1").split("\r\n") if line.lower().startswith(("authorization:", "x-user:"))
    ]
    length = next(
        (int(line[15:]) for line in head.decode("latin-1").split("\r\n") if line.lower().startswith("content-length:")),
        0,
    )
    while len(rest) < length:
        rest += receive(connection, 65536)
    body = json.dumps([*sorted(lines, key=str.lower), len(rest)]).encode()
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    return True


def hashed(password, cost=4):
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()


def basic(name, password):
    return "Authorization", "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def bearer(token):
    return "Authorization", f"Bearer {token}"


@pytest.fixture(scope="module")
def issuer():
    with Issuer(published(ONE)) as issuer:
        yield issuer


@pytest.fixture(scope="module")
def rsp(tmp_path_factory, issuer):
    folder = tmp_path_factory.mktemp("auth")
    ca = authority("Issuer's CA")
    bundle = ca.issue("localhost", "127.0.0.1").write(folder, "issuer")
    (folder / "ca.pem").write_bytes(ca.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle)
    argon2 = Argon2id(salt=b"12345678", length=32, iterations=1, lanes=1, memory_cost=64).derive_phc_encoded(b"argon2")
    made = {kind: subprocess.run(["openssl", "passwd", f"-{kind}", "-salt", "abcdefgh", kind], capture_output=True, text=True, check=True).stdout.strip() for kind in ("apr1", "6", "5")}  # fmt: skip
    users = {"bcrypt": hashed("bcrypt"), "argon2": argon2, **made, "ann": hashed("secret")}
    (folder / "htpasswd").write_text("# users\n" + "".join(f"{name}:{each}\n" for name, each in users.items()))
    (folder / "slow").write_text(f"ann:{hashed('secret', 9)}\n")
    (folder / "empty").write_text("")
    (folder / "keys.json").write_bytes(published(ONE))
    for name in ("htpasswd", "slow"):  # workers need no rights to read them
        (folder / name).chmod(0o600)
    with Backend(_peer) as backend, Issuer(published(ONE), context) as secure:
        late = free_port()
        text = SITE.replace("APP", backend.address).replace("URL", issuer.url).replace("SECURE", secure.url)
        text = text.replace("LATE", f"http://127.0.0.1:{late}/keys")
        with Everywhere(folder, text) as one:
            one.late, one.text = late, text
            yield one


def told(answer):
    return json.loads(answer.body)


# -- passwords


@pytest.mark.parametrize("way", WAYS)
def test_users_and_passwords(rsp, way):
    for name in ("bcrypt", "argon2", "apr1", "6", "5"):
        for _ in range(2):  # the second time from the cache
            answer = rsp.ask(way, "/basic/x", basic(name, name))
            assert answer.status == 200 and f"X-User: {name}" in told(answer)[1].replace("x-user", "X-User"), answer
        assert rsp.ask(way, "/basic", basic(name, name + "x")).status == 401
    assert (
        told(rsp.ask(way, "/basic", basic("ann", "secret")))[0].partition(" ")[2] == basic("ann", "secret")[1]
    )  # the peer gets it
    lower = ("authorization", basic("ann", "secret")[1].replace("Basic ", "bAsIc   "))
    assert rsp.ask(way, "/basic", lower).status == 200


@pytest.mark.parametrize("way", WAYS)
def test_what_is_no_right_password(rsp, way):
    value = basic("ann", "secret")[1]
    wrong = [
        (), (basic("ann", "wrong"),), (basic("eve", "secret"),), (basic("ann", ""),), (basic("", "secret"),), (("Authorization", value[6:]),),
        (("Authorization", "Basic"),), (("Authorization", "Bearer " + value[6:]),), (("Authorization", value + "="),),
        (("Authorization", value), ("Authorization", value)), (basic("ann", "wrong"), basic("ann", "secret")), (("Proxy-Authorization", value),),
        (("Authorization", "Negotiate YII="),), (("Authorization", "Basic " + "A" * 4000),),
    ]  # fmt: skip
    for fields in wrong:
        answer = rsp.ask(way, "/basic", *fields)
        assert answer.status == 401, fields
        assert answer["WWW-Authenticate"] == 'Basic realm="the \\"staff\\"", charset="UTF-8"'
    assert rsp.ask(way, "/fixed").status == 401 and rsp.ask(way, "/fixed", basic("ann", "secret")).body == b"fixed"
    answer = rsp.ask(way, "/error")
    assert answer.body == b"own page" and answer.status == 401 and answer["WWW-Authenticate"].startswith("Basic ")
    assert rsp.ask(way, "/empty", basic("ann", "secret")).status == 401
    assert rsp.ask(way, "/open").status == 200 and rsp.ask(way, "/basic", method="HEAD").body == b""


@pytest.mark.parametrize("way", WAYS)
def test_hooks_before_and_after(rsp, way):
    answer = rsp.ask(way, "/hooked", basic("ann", "secret"))
    assert told(answer)[1].partition(": ")[2] == "hook of ann" and answer["X-Seen"] == "ann"
    answer = rsp.ask(way, "/hooked", basic("ann", "wrong"))  # the route's hook is not asked; its response hook is
    assert answer.status == 401 and answer["X-Seen"] == "none"
    answer = rsp.ask(way, "/hooked?early=1")
    assert (answer.status, answer.body) == (418, b"nil")


@pytest.mark.parametrize("way", WAYS)
def test_one_of_the_two_is_enough_where_it_says_any(rsp, way):
    assert rsp.ask(way, "/any").status == 200
    assert rsp.ask(way, "/other").status == 401 and rsp.ask(way, "/other", basic("ann", "secret")).status == 200


@pytest.mark.parametrize("way", WAYS)
def test_a_body_waits_for_the_check(rsp, way):
    for password in (f"wrong for {way}", "secret"):
        sized = (("Content-Length", "300000"),) if way.startswith("h2") else ()
        answer = rsp.ask(way, "/slow", basic("ann", password), *sized, method="POST", body=b"x" * 300_000)
        assert answer.status == (200 if password == "secret" else 401)
    assert told(answer)[-1] == 300_000


def test_users_are_in_the_log_and_secrets_nowhere(rsp):
    rsp.ask("h1", "/basic/logged", basic("ann", "secret"))
    rsp.ask("h1", "/jwt/logged", bearer(ONE.token(sub="ben")))
    rsp.ask("h1", "/basic/logged", basic("ann", "hunter2"))
    log = rsp.directory / "access.log"
    wait_until(lambda: log.read_text().count("logged") == 3, "lines")
    lines = [json.loads(line) for line in log.read_text().splitlines() if "logged" in line]
    assert [line.get("user") or "" for line in lines] == ["ann", "ben", ""]
    whole = log.read_text() + rsp.log + rsp.stdout.read_text()
    assert "secret" not in whole and "hunter2" not in whole and "$2b$" not in whole


def test_a_file_that_changes(rsp):
    file = rsp.directory / "changing"
    file.write_text(f"ann:{hashed('first')}\nbob:{hashed('bob')}\n")
    try:
        rsp.reload(rsp.text + 'route { path = "/changing", to = "app", auth = { basic = "changing" } }')
        ask = lambda *user: rsp.ask("h1", "/changing", basic(*user)).status  # noqa: E731
        assert ask("ann", "first") == 200 and ask("bob", "bob") == 200
        file.write_text(f"ann:{hashed('second')}\n")
        wait_until(lambda: ask("ann", "second") == 200, "the new password")
        assert ask("ann", "first") == 401 and ask("bob", "bob") == 401  # nothing of the old file is remembered
        file.write_text(f"ann:{hashed('third')}\nbob:plain text\n")
        wait_until(lambda: "line 2: the password is not hashed" in rsp.log, "a line in the log")
        assert ask("ann", "second") == 200 and ask("ann", "third") == 401
        assert 'auth: basic "changing" is not used' in rsp.log and "its previous content stays in use" in rsp.log
        assert "plain text" not in rsp.log
        file.unlink()
        wait_until(lambda: "there is no such file" in rsp.log, "another line in the log")
        assert ask("ann", "second") == 200
        file.write_text("# no user any more\n")
        wait_until(lambda: ask("ann", "second") == 401, "no user")
    finally:
        rsp.reload(rsp.text)


def test_wrong_passwords_by_the_thousand_hold_nothing_up(rsp):
    """Each check takes 35 ms.  Most are refused at once; other requests, and passwords that are known, go on."""
    assert rsp.ask("h2c", "/slow", basic("ann", "secret")).status == 200
    worker = rsp.workers()[0]
    before, statuses = _memory(worker), []

    def attack(number):
        from tests.h2_client import headers, request_fields

        with rsp.client("h2c") as client:
            for each in range(100):
                named = request_fields("/slow", (b"authorization", basic("ann", f"{number}-{each}")[1]), authority="x")
                client.send(headers(client.number(), named))
            for response in list(client.streams.values()):
                client.finish(response)
                statuses.append((response.status, dict(response.fields).get("retry-after")))

    attackers = [threading.Thread(target=attack, args=(number,)) for number in range(12)]
    for attacker in attackers:
        attacker.start()
    slowest = 0.0
    while any(attacker.is_alive() for attacker in attackers):
        began = time.monotonic()
        assert rsp.ask("h1", "/").status == 200 and rsp.ask("h2c", "/slow", basic("ann", "secret")).status == 200
        slowest = max(slowest, time.monotonic() - began)
    assert {status for status, _ in statuses} <= {401, 429, 503} and len(statuses) == 1200
    assert all(after == "1" for status, after in statuses if status != 401)
    assert sum(status == 401 for status, _ in statuses) < 400  # 16 at a time
    assert slowest < 2.0
    assert _memory(worker) - before < 40 << 20


def _memory(pid):
    return next(int(line.split()[1]) << 10 for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))


# -- tokens


@pytest.mark.parametrize("way", WAYS)
def test_tokens(rsp, way):
    wait_until(lambda: rsp.ask(way, "/jwt", bearer(ONE.token())).status == 200, "keys")
    token = ONE.token()
    for _ in range(2):
        answer = rsp.ask(way, "/jwt", bearer(token))
        assert answer.status == 200 and [line.partition(": ")[2] for line in told(answer)[:2]] == [
            f"Bearer {token}",
            "ann",
        ]
    answer = rsp.ask(way, "/jwt")
    assert answer.status == 401 and answer["WWW-Authenticate"] == BEARER
    for wrong, why in (
        (ONE.token(exp=1), "the token has expired"), (ONE.token(exp=None), "the token has no exp"), (ONE.token(aud="x"), "the token is for another audience"),
        (ONE.token(iss="x"), "the token is from another issuer"), (token[:-4] + "AAAA", "the signature of the token is not valid"), ("x", "the token is not valid"),
        ("eyJhbGciOiJub25lIn0.e30.", "the token is not valid"),
    ):  # fmt: skip
        answer = rsp.ask(way, "/jwt", bearer(wrong))
        assert (
            answer.status == 401
            and answer["WWW-Authenticate"] == f'{BEARER}, error="invalid_token", error_description="{why}"'
        )
    for fields in ((("Authorization", "Basic YTpi"),), (bearer(token), bearer(token)), (("Cookie", f"token={token}"),)):
        assert rsp.ask(way, "/jwt", *fields).status == 401
    assert rsp.ask(way, f"/jwt?access_token={token}").status == 401


def test_a_token_that_is_remembered_expires(rsp):
    wait_until(lambda: rsp.ask("h1", "/jwt", bearer(ONE.token())).status == 200, "keys")
    expires = int(time.time()) + 2
    token = bearer(ONE.token(exp=expires))
    statuses = set()
    while time.time() < expires + 0.2:
        began = time.time()
        statuses.add((began < expires, rsp.ask("h1", "/jwt", token).status))
    assert (True, 200) in statuses and (False, 401) in statuses and (False, 200) not in statuses


@pytest.mark.parametrize("way", WAYS)
def test_claims(rsp, way):
    good = {"realm_access": {"roles": ["user", "admin"]}, "vip": True}
    wait_until(lambda: rsp.ask(way, "/admin", bearer(ONE.token(**good))).status == 200, "keys")
    for claims in ({}, {"vip": True}, {"realm_access": {"roles": ["user"]}, "vip": True}, good | {"vip": 1}):
        answer = rsp.ask(way, "/admin", bearer(ONE.token(**claims)))
        assert answer.status == 403 and 'error="insufficient_scope"' in answer["WWW-Authenticate"]
        assert answer.body == b"a page for 403"


def test_keys_from_a_file_and_over_tls(rsp):
    assert rsp.ask("h1", "/file", bearer(ONE.token())).status == 200
    wait_until(lambda: rsp.ask("h1", "/secure", bearer(ONE.token())).status == 200, "keys over TLS")
    assert rsp.ask("h1", "/untrusted", bearer(ONE.token())).status == 503  # its certificate is not
    assert "cannot be fetched" in rsp.log and "certificate" in rsp.log
    two = SigningKey("EdDSA", "two")
    assert rsp.ask("h1", "/file", bearer(two.token())).status == 401
    (rsp.directory / "keys.json").write_bytes(published(two))
    wait_until(lambda: rsp.ask("h1", "/file", bearer(two.token())).status == 200, "other keys")
    assert rsp.ask("h1", "/file", bearer(ONE.token())).status == 401


def test_without_keys_no_token_is_accepted_until_there_are_some(rsp):
    answer = rsp.ask("h1", "/late", bearer(ONE.token()))
    assert answer.status == 503 and answer["Retry-After"] == "1" and answer["WWW-Authenticate"] is None
    assert rsp.ask("h1", "/late").status == 401
    with Issuer(b'{"keys": []}', port=rsp.late) as issuer:
        rsp.reload()  # it asks at once again
        wait_until(lambda: "it has no key that verifies signatures" in rsp.log, "an answer without keys")
        assert rsp.ask("h1", "/late", bearer(ONE.token())).status == 503
        issuer.content = published(ONE)
        rsp.reload()
        wait_until(lambda: rsp.ask("h1", "/late", bearer(ONE.token())).status == 200, "keys")
        token = bearer(ONE.token())
        assert rsp.ask("h1", "/late", token).status == 200
    # The issuer is gone: its keys stay, also for a worker that is started anew.
    os.kill(rsp.workers()[0], signal.SIGKILL)
    wait_until(lambda: "it is restarted" in rsp.log, "a new worker")
    wait_until(lambda: rsp.workers(), "the new worker")
    assert rsp.ask("h1", "/late", token).status == 200


def test_keys_are_rotated_and_fetched_at_a_bounded_rate(rsp, issuer):
    """A token with a new key waits for it; tokens with keys that the issuer does not have ask for them twice, then every ten seconds."""
    wait_until(lambda: rsp.ask("h1", "/jwt", bearer(ONE.token())).status == 200, "keys")
    old, new = bearer(ONE.token()), SigningKey("RS256", "new")
    assert rsp.ask("h1", "/jwt", old).status == 200
    asked = issuer.asked
    issuer.content = published(new)
    try:
        assert rsp.ask("h2-tls", "/jwt", bearer(new.token())).status == 200
        assert issuer.asked in (asked + 1, asked + 2)  # of two routes, one set
        assert rsp.ask("h1", "/jwt", old).status == 401  # also where it was remembered
        statuses, began = [], time.monotonic()

        def flood(number):
            key = SigningKey("ES256", f"none {number}")
            statuses.extend(rsp.ask("h1", "/jwt", bearer(key.token(jti=str(each)))).status for each in range(60))

        floods = [threading.Thread(target=flood, args=(number,)) for number in range(8)]
        for each in floods:
            each.start()
        while any(each.is_alive() for each in floods):
            assert rsp.ask("h1", "/jwt", bearer(new.token())).status == 200
        assert set(statuses) == {401} and len(statuses) == 480
        assert issuer.asked - asked <= 3 + (time.monotonic() - began) / 10
    finally:
        issuer.content = published(ONE, new)
