"""Words for passwords and tokens that people bring from other programs, by where they stand, and what says the same."""

import re
from typing import Any, Final

import msgspec

from rsp.config.filters import Auth, Jwt
from rsp.config.routes import Route
from rsp.config.units import show

_BASIC: Final = 'auth = { basic = "htpasswd", realm = "staff" } in a route'
_JWT: Final = 'auth = { jwt = { jwks = "https://id.example.com/jwks.json", audience = "..." } } in a route'
_LOGIN: Final = (
    "rsp verifies tokens and does not log users in; a service such as oauth2-proxy does, and  "
    'auth = { forward = "oauth2-proxy" }  asks it'
)
_FILE: Final = 'basic = "htpasswd", a file that  htpasswd -cB htpasswd NAME  makes'
_FILE_FIRST: Final = 'basic = "htpasswd"'
_URL: Final = '"https://id.example.com/jwks.json"'

# Settings, and what is a key nowhere: by the word in lower case without underscores.
SAID: Final[dict[str, str]] = {
    **dict.fromkeys(
        (
            "authbasic",
            "basicauth",
            "authbasicuserfile",
            "httpauth",
            "userlist",
            "htpasswd",
            "authuserfile",
            "usersfile",
            "authtype",
            "basicauthusers",
        ),
        _BASIC,
    ),
    **dict.fromkeys(
        ("jwt", "authjwt", "jwtauth", "jwtauthn", "authjwtkeyfile", "authjwtkeyrequest", "jwks", "jwksuri", "bearer"),
        _JWT,
    ),
    **dict.fromkeys(("oidc", "openidconnect", "oauth", "oauth2", "saml", "sso"), _LOGIN),
}

_KEYS: Final = 'in rsp: jwks = "https://id.example.com/jwks.json", or "file:keys.json"'
_SHARED: Final = 'in rsp: jwks = "file:keys.json", a set of public keys; a shared secret is for jwt.verify in a hook'
WITHIN: Final[dict[type[msgspec.Struct], dict[str, str]]] = {
    Auth: {
        **dict.fromkeys(
            (
                "basicauth", "authbasic", "authbasicuserfile", "htpasswd", "users", "user", "usersfile", "userfile",
                "file", "password", "passwords", "credentials", "basicauthusers",
            ),
            f"in rsp: {_FILE}",
        ),
        **dict.fromkeys(("title", "name", "prompt"), 'in rsp: realm = "staff"'),
        **dict.fromkeys(("token", "bearer", "jwks", "issuer", "audience"), 'in rsp: jwt = { jwks = "https://..." }'),
        **dict.fromkeys(("any", "satisfy"), "in rsp: any = true in the route, beside auth"),
    },
    Jwt: {
        **dict.fromkeys(("iss", "issuers"), "in rsp: issuer"),
        **dict.fromkeys(("aud", "audiences"), "in rsp: audience"),
        **dict.fromkeys(("url", "uri", "jwksuri", "jwksurl", "remotejwks", "keys", "keyset", "file"), _KEYS),
        **dict.fromkeys(("key", "secret", "publickey", "keyfile", "pem", "sharedsecret", "signingkey"), _SHARED),
        **dict.fromkeys(("alg", "algs", "algorithm"), 'in rsp: algorithms = { "RS256" }'),
        **dict.fromkeys(("ttl", "cachettl", "interval", "cacheduration", "keycache"), 'in rsp: refresh = "5m"'),
        **dict.fromkeys(("skew", "clockskew"), 'in rsp: leeway = "30s"'),
        **dict.fromkeys(("require", "requiredclaims", "scopes", "scope", "roles", "role"), "in rsp: claims"),
        **dict.fromkeys(("header", "fromheaders", "cookie"), "tokens are taken from Authorization: Bearer"),
    },
    Route: dict.fromkeys(("satisfy",), "in rsp: any = true, for nginx's  satisfy any"),
}  # fmt: skip


def instead(key: str, given: Any) -> str:
    """``"; write ..."`` where ``given`` has the wrong shape, or ``""``; never with what may be a password."""
    text = show(given) if isinstance(given, str) else ""
    if key == "basic":
        return f"; write {_FILE}"
    if key == "jwt":
        return f"; write jwt = {{ jwks = {text or _URL} }}"
    if key == "auth":
        text = "" if is_secret(given) else text
        return f"; write auth = {{ basic = {text} }}" if text else f"; write auth = {{ {_FILE_FIRST} }}"
    return ""


def is_secret(given: Any) -> bool:
    """Whether ``auth`` itself may have a password in it."""
    return isinstance(given, str) and re.search(r"[:$@\s]", given) is not None


def of_algorithm(key: Any, given: Any) -> str:
    """Why it is not among the ``algorithms`` of tokens, or ``""``."""
    if key != "algorithms" or not isinstance(given, str):
        return ""
    if given.upper().startswith("HS"):
        return "; a shared secret cannot be in a set of public keys (jwt.verify in a hook takes one)"
    return "; tokens without a signature are not accepted" if given.lower() == "none" else ""
