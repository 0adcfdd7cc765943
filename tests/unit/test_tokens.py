"""Tokens: which are accepted, and above all which are not.  Keys: what is taken of what an issuer publishes."""

import base64
import hashlib
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm

from rsp.auth import key_sets, tokens
from rsp.auth.key_sets import KeySet, reduced
from rsp.auth.tokens import Refused, Rules, Tokens, satisfies
from tests.issuer import SigningKey, encoded, published
from tests.soak import examples

ALL = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
KEYS = {name: SigningKey(name, name) for name in ("RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA")}
SET = reduced(published(*KEYS.values()))
RULES = Rules(ALL, "https://id.example.com", ("api",), (), 0.0)


def bearer(token):
    return b"Bearer " + (token if isinstance(token, bytes) else token.encode())


def refused(token, rules=RULES, keys=SET):
    """Why, with the status and what RFC 6750 calls it."""
    checked = Tokens(rules, keys)
    with pytest.raises(Refused) as error:
        checked.check(bearer(token), time.time())
    assert checked.recall(bearer(token), time.time()) is None
    assert "\n" not in error.value.reason and '"' not in error.value.reason
    return error.value.status, error.value.error, error.value.reason


@pytest.mark.parametrize("name", list(KEYS))
def test_good_tokens(name):
    checked = Tokens(RULES, SET)
    for value in (
        bearer(KEYS[name].token()),
        b"bearer  " + KEYS[name].token().encode(),
        b"BEARER " + KEYS[name].token(sub=None).encode(),
    ):
        subject = checked.check(value, time.time())
        assert subject in (b"ann", b"") and checked.recall(value, time.time()) == subject
    for family in ("RS", "PS") if name in ("RS256", "PS256") else ():
        for size in ("256", "384", "512"):
            token = jwt.encode(
                {"iss": RULES.issuer, "aud": "api", "exp": time.time() + 9},
                KEYS[name].private,
                family + size,
                {"kid": name},
            )
            assert checked.check(bearer(token), time.time()) == b""


def test_without_credentials_there_is_no_error_to_name():
    for value in (None, b"", b"Bearer", b"Basic YTpi", b"Bearerx y"):
        with pytest.raises(Refused) as error:
            Tokens(RULES, SET).check(value, time.time())
        assert (error.value.status, error.value.error) == (401, "")


def test_no_signature_and_secrets_are_not_accepted():
    """RFC 8725 sections 2.1 and 3.1: `none`, and a public key as the secret of an HMAC."""
    claims = {"iss": RULES.issuer, "aud": "api", "exp": int(time.time()) + 60}
    for algorithm in ("none", "None", "NONE", "nOnE", ""):
        unsigned = f"{encoded({'alg': algorithm, 'kid': 'RS256'})}.{encoded(claims)}."
        assert refused(unsigned)[:2] == (401, "invalid_token")
        assert refused(unsigned + "AAAA") == (401, "invalid_token", "the token has an algorithm that is not accepted")
    public = KEYS["RS256"].private.public_key()
    formats = serialization.PublicFormat
    secrets = [
        public.public_bytes(serialization.Encoding.PEM, formats.SubjectPublicKeyInfo),
        public.public_bytes(serialization.Encoding.PEM, formats.SubjectPublicKeyInfo).strip(),
        public.public_bytes(serialization.Encoding.DER, formats.SubjectPublicKeyInfo),
        json.dumps(KEYS["RS256"].published).encode(), KEYS["RS256"].published["n"].encode(), b"",
    ]  # fmt: skip
    for secret in secrets:
        for algorithm, function in (("HS256", hashlib.sha256), ("HS384", hashlib.sha384), ("HS512", hashlib.sha512)):
            head = f"{encoded({'alg': algorithm, 'kid': 'RS256'})}.{encoded(claims)}"
            token = f"{head}.{encoded(hmac.new(secret, head.encode(), function).digest())}"
            assert refused(token) == (401, "invalid_token", "the token has an algorithm that is not accepted")
            assert refused(token.replace("HS", "RS"))[0] == 401


def test_an_algorithm_is_used_with_its_own_keys_alone():
    rules = RULES._replace(algorithms=("ES256",))
    assert refused(KEYS["RS256"].token(), rules) == (
        401,
        "invalid_token",
        "the token has an algorithm that is not accepted",
    )
    for algorithm in ALL:
        for key in KEYS.values():
            if key.algorithm == algorithm or {algorithm[:2], key.algorithm[:2]} <= {"RS", "PS"}:
                continue
            _, rest = key.token().split(".", 1)
            assert (
                refused(f"{encoded({'alg': algorithm, 'kid': key.kid})}.{rest}")[2]
                == "the signature of the token is not valid"
            )
    bound = reduced(published(KEYS["RS256"].published | {"alg": "RS256"}))
    assert Tokens(RULES, bound).check(bearer(KEYS["RS256"].token()), time.time()) == b"ann"
    other = jwt.encode(
        {"iss": RULES.issuer, "aud": "api", "exp": time.time() + 9}, KEYS["RS256"].private, "RS512", {"kid": "RS256"}
    )
    assert refused(other, keys=bound)[2] == "the signature of the token is not valid"


def test_what_a_header_points_to_is_not_followed():
    own = SigningKey("ES256", "ES256")
    for header in (
        {"jwk": own.published},
        {"jku": "https://evil.example/jwks"},
        {"x5u": "https://evil.example/"},
        {"x5c": ["AAAA"]},
    ):
        assert refused(own.token(header=header))[2] == "the signature of the token is not valid"
    assert refused(KEYS["ES256"].token(header={"crit": ["exp"], "exp": 1}))[0] == 401
    assert refused(KEYS["ES256"].token(header={"crit": ["b64"], "b64": False}))[0] == 401


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": None}, "the token has no exp"),
        ({"exp": 1}, "the token has expired"),
        ({"exp": "soon"}, "the token has no valid exp"),
        ({"exp": [1]}, "the token has no valid exp"),
        ({"nbf": 1 << 40}, "the token is not valid yet"),
        ({"iat": 1 << 40}, "the token is not valid yet"),
        ({"aud": "other"}, "the token is for another audience"),
        ({"aud": ["other", "apis"]}, "the token is for another audience"),
        ({"aud": {"api": 1}}, "the token is for another audience"),
        ({"aud": None}, "the token has no aud"),
        ({"iss": "https://id.example.com/"}, "the token is from another issuer"),
        ({"iss": None}, "the token has no iss"),
    ],
)
def test_claims_that_are_checked_in_any_case(claims, why):
    assert refused(KEYS["ES256"].token(**claims)) == (401, "invalid_token", why)


def test_numbers_that_no_clock_has():
    for text in (
        "1e400",
        "Infinity",
        "NaN",
        "-Infinity",
        "-1",
        "1" * 400,
        "1" * 5000,
        "true",
        "{}",
        '"9999999999"',
        "[" * 3000 + "]" * 3000,
    ):
        payload = f'{{"iss": "https://id.example.com", "aud": "api", "exp": {text}}}'.encode()
        token = jwt.api_jws.PyJWS().encode(payload, KEYS["ES256"].private, "ES256", {"kid": "ES256"})
        assert refused(token)[:2] == (401, "invalid_token"), text
    assert Tokens(RULES, SET).check(bearer(KEYS["ES256"].token(exp=time.time() + 0.9)), time.time()) == b"ann"


# RFC 7515 sections A.2 and A.3, whose tokens were valid until 2011-03-22 18:43:00.
RFC = {
    "RS256": (
        {
            "kty": "RSA", "e": "AQAB",
            "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs"
            "D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4"
            "uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
        },
        b"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
        b"cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4"
        b"BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqv"
        b"hJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    ),
    "ES256": (
        {
            "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        },
        b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
        b"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    ),
}  # fmt: skip


@pytest.mark.parametrize("algorithm", list(RFC))
def test_tokens_of_the_standard(algorithm):
    key, token = RFC[algorithm]
    rules = Rules((algorithm,), "joe", (), (("http://example.com/is_root", True),), 0.0)
    checked, value, end = Tokens(rules, reduced(published(key))), bearer(token), 1300819380
    assert (
        checked.check(value, end - 1) == b""
        and checked.recall(value, end - 1) == b""
        and checked.recall(value, end) is None
    )
    for wrong in (rules._replace(claims=(("http://example.com/is_root", 1),)), rules._replace(issuer="jo")):
        with pytest.raises(Refused):
            Tokens(wrong, reduced(published(key))).check(value, end - 1)
    with pytest.raises(Refused, match="expired"):
        checked.check(value, end)


def test_without_issuer_and_audience_any_will_do():
    checked = Tokens(Rules(ALL, None, (), (), 0.0), SET)
    assert checked.check(bearer(KEYS["ES256"].token(iss="x", aud=["y"])), time.time()) == b"ann"
    assert checked.check(bearer(KEYS["ES256"].token(iss=None, aud=None)), time.time()) == b"ann"
    several = Tokens(RULES._replace(audience=("web", "api")), SET)
    assert several.check(bearer(KEYS["ES256"].token(aud=["x", "api"])), time.time()) == b"ann"


def test_clocks_may_differ_by_the_leeway():
    late = KEYS["ES256"].token(exp=int(time.time()) - 5)
    checked = Tokens(RULES._replace(leeway=30.0), SET)
    assert checked.check(bearer(late), time.time()) == b"ann"
    assert checked.recall(bearer(late), time.time()) is None  # remembered until it expires at most
    assert refused(late)[2] == "the token has expired"


def test_an_issuer_whose_clock_is_a_little_ahead():
    now = int(time.time())
    assert Tokens(RULES, SET).check(bearer(KEYS["ES256"].token(nbf=now + 5, iat=now + 5)), now) == b"ann"
    assert refused(KEYS["ES256"].token(nbf=now + 60))[2] == "the token is not valid yet"
    assert (
        refused(KEYS["ES256"].token(exp=now))[2]
        == refused(KEYS["ES256"].token(exp=now - 1))[2]
        == "the token has expired"
    )


def test_what_is_remembered_expires_with_the_token():
    checked, now = Tokens(RULES, SET), time.time()
    value = bearer(KEYS["ES256"].token(exp=int(now) + 60))
    assert checked.recall(value, now) is None
    assert checked.check(value, now) == b"ann"
    assert checked.recall(value, int(now) + 59.9) == b"ann" and checked.recall(value, int(now) + 60) is None
    for other in (value[:-1], value + b"A", value[7:], b"Bearer x" + value[8:], b"Basic  " + value[7:], value[-32:]):
        assert checked.recall(other, now) is None


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(tokens, "_MOST", 4)
    checked, now = Tokens(RULES, SET), time.time()
    values = [bearer(KEYS["ES256"].token(sub=f"user {number}")) for number in range(8)]
    for value in values:
        checked.check(value, now)
    assert [checked.recall(value, now) is not None for value in values] == [False] * 4 + [True] * 4
    monkeypatch.setattr(tokens, "_MOST_BYTES", 2 * len(values[0]) + 10)
    checked.check(values[0], now)
    assert sum(checked.recall(value, now) is not None for value in values) == 2


def test_other_keys_have_other_tokens():
    value, now = bearer(KEYS["ES256"].token()), time.time()
    first = Tokens.of(RULES, SET)
    first.check(value, now)
    assert Tokens.of(RULES, SET) is first
    assert Tokens.of(RULES, reduced(published(KEYS["RS256"]))).recall(value, now) is None
    one, two = (Tokens.of(RULES._replace(claims=(("admin", wanted),)), SET) for wanted in (1, True))
    assert one is not two


def test_keys_that_are_not_known():
    with pytest.raises(Refused) as error:
        Tokens(RULES, SET).check(bearer(SigningKey("ES256", "two").token()), time.time())
    assert error.value.unknown_key and error.value.status == 401
    with pytest.raises(Refused) as error:
        Tokens(RULES, b"").check(bearer(KEYS["ES256"].token()), time.time())
    assert error.value.unknown_key and error.value.status == 503 and not Tokens(RULES, b"").has_keys
    forged = SigningKey("ES256", "ES256").token()  # with the name of a key that is known
    with pytest.raises(Refused) as error:
        Tokens(RULES, SET).check(bearer(forged), time.time())
    assert not error.value.unknown_key


def test_tokens_and_keys_without_names():
    nameless = SigningKey("ES256", None)
    assert Tokens(RULES, SET).check(bearer(_without_name(KEYS["ES256"])), time.time()) == b"ann"
    keys = reduced(published(KEYS["RS256"], nameless))
    for token in (nameless.token(), nameless.token(header={"kid": "whatever"})):
        assert Tokens(RULES, keys).check(bearer(token), time.time()) == b"ann"
    twins = reduced(
        published(SigningKey("ES256", "same"), nameless.published | {"kid": "same"}, SigningKey("RS256", "same"))
    )
    assert Tokens(RULES, twins).check(bearer(nameless.token(header={"kid": "same"})), time.time()) == b"ann"


def _without_name(key):
    return jwt.encode(
        {"iss": RULES.issuer, "aud": "api", "sub": "ann", "exp": time.time() + 60}, key.private, key.algorithm
    )


@pytest.mark.parametrize(
    ("claim", "wanted", "good"),
    [
        ({"role": "admin"}, "admin", True),
        ({"role": ["staff", "admin"]}, "admin", True),
        ({"role": ["staff"]}, ("admin", "staff"), True),
        ({"role": "staff"}, ("admin", "staff"), True),
        ({"role": "administrator"}, "admin", False),
        ({"role": "admin staff"}, "admin", False),
        ({"role": {"admin": 1}}, "admin", False),
        ({}, "admin", False),
        ({"role": None}, "admin", False),
        ({"role": 1}, 1, True),
        ({"role": True}, 1, False),
        ({"role": 1}, True, False),
        ({"role": True}, True, True),
        ({"role": "1"}, 1, False),
        ({"role": [[["admin"]]]}, "admin", False),
    ],
)
def test_claims(claim, wanted, good):
    assert satisfies(claim, "role", wanted) is good
    assert satisfies({"a": {"b": claim}}, "a.b.role", wanted) is good
    checked = Tokens(RULES._replace(claims=(("role", wanted),)), SET)
    value = bearer(KEYS["ES256"].token(**claim))
    if good:
        assert checked.check(value, time.time()) == b"ann" and checked.recall(value, time.time()) == b"ann"
    else:
        assert refused(value[7:], RULES._replace(claims=(("role", wanted),)))[:2] == (403, "insufficient_scope")


def test_names_with_dots_and_scopes():
    assert satisfies({"https://example.com/roles": ["x"]}, "https://example.com/roles", "x")
    assert not satisfies({"a": "b"}, "a.b", "x") and not satisfies({"a": {}}, "a.", "x")
    assert satisfies({"scope": "read write"}, "scope", "read") and satisfies({"scp": "read"}, "scp", ("read", "all"))
    assert not satisfies({"scope": "reads write"}, "scope", "read") and not satisfies({"scope": ""}, "scope", "read")


@examples(300)
@given(data=st.data())
def test_nothing_but_the_whole_token_is_accepted(data):
    """Whatever is changed in a good token."""
    token = KEYS["ES256"].token().encode()
    at = data.draw(st.integers(0, len(token) - 1))
    how = data.draw(st.sampled_from(["change", "drop", "insert", "cut"]))
    with_ = data.draw(st.binary(min_size=1, max_size=3))
    changed = {"change": token[:at] + with_ + token[at + 1 :], "drop": token[:at] + token[at + 1 :], "insert": token[:at] + with_ + token[at:],
               "cut": token[:at]}[how]  # fmt: skip
    if changed.strip(b" ") != token:
        refused(changed)


@examples(300)
@given(head=st.one_of(st.binary(max_size=60), st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk"]), st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2), max_leaves=4))), payload=st.binary(max_size=60), signature=st.binary(max_size=70))  # fmt: skip
def test_hostile_tokens(head, payload, signature):
    refused(f"{encoded(head)}.{encoded(payload)}.{encoded(signature)}")


def test_tokens_that_are_too_long():
    assert refused("a" * 20_000 + ".b.c")[2] == "the token is not valid"
    for token in ("a.b", "a.b.c.d.e", "a..c", ".b.c", "a.b.", "..", "a.b.c=", "a.b.c\t", "ä.b.c"):
        assert refused(token)[2] == "the token is not valid"


# -- sets of keys


def test_what_is_taken_of_a_set():
    weak = json.loads(RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024).public_key()))
    private = json.loads(RSAAlgorithm.to_jwk(KEYS["RS256"].private)) | {"kid": "private", "key_ops": ["sign", "verify"]}
    others = [
        weak, {"kty": "oct", "k": "c2VjcmV0", "kid": "s", "alg": "HS256"}, {"kty": "RSA", "n": "AQAB"}, {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}, {}, {"kty": None}, {"kty": ["RSA"]}, {"kty": "RSA", "n": 5, "e": "AQAB"},
        KEYS["RS256"].published | {"use": "enc"}, KEYS["RS256"].published | {"key_ops": ["encrypt"]}, KEYS["RS256"].published | {"alg": "RSA-OAEP"},
        KEYS["RS256"].published | {"alg": "ES256"}, KEYS["RS256"].published | {"kid": 7}, {"kty": "OKP", "crv": "X25519", "x": "AA"},
    ]  # fmt: skip
    whole = reduced(
        published(
            *others,
            KEYS["ES256"],
            private,
            KEYS["RS256"].published | {"use": "sig", "key_ops": ["verify"], "x5c": ["AAAA"]},
        )
    )
    keys = KeySet(whole)
    assert len(keys) == 3 and b'"d"' not in whole and b"x5c" not in whole and private["d"].encode() not in whole
    assert [key.identifier for key in keys.find("private", "PS384")] == ["private"]
    assert reduced(whole) == whole == reduced(published(private, KEYS["RS256"], *others, KEYS["ES256"]))
    for other in others:
        with pytest.raises(ValueError, match="no key that verifies signatures"):
            reduced(published(other))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not a set of keys"),
        (b"<html>", "not a set of keys"),
        (b"[]", "not a set of keys"),
        (b'{"keys": {}}', "not a set of keys"),
        (b'{"keys": [1]}', "not a set of keys"),
        (b'{"keys": []}', "no key that verifies"),
        (b'{"keys": [' + b"{}," * 200 + b"{}]}", "more than 100 keys"),
        (b'{"keys": ' + b"[" * 100_000, "not a set of keys"),
        (b" " * (key_sets.LARGEST + 1), "more than 256 KB"),
        (b'{"keys": [{"kty": "oct"}]}', "a secret key"),
    ],
)
def test_what_is_no_set(content, why):
    with pytest.raises(ValueError, match=why):
        reduced(content)


@examples(200)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["kty", "crv", "n", "e", "x", "y", "kid", "alg", "use", "key_ops", "d"]),
            st.one_of(
                st.text(max_size=8),
                st.integers(),
                st.none(),
                st.lists(st.text(max_size=3), max_size=2),
                st.sampled_from(["RSA", "EC", "OKP", "P-256", "Ed25519", "AQAB", "sig"]),
                st.binary(max_size=300).map(lambda data: base64.urlsafe_b64encode(data).decode()),
            ),
        ),
        max_size=4,
    )
)
def test_hostile_sets(keys):
    try:
        left = reduced(json.dumps({"keys": keys}).encode())
    except ValueError as error:
        assert len(str(error)) < 400
    else:
        assert len(KeySet(left)) >= 1
