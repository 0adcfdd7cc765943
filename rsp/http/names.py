"""Field names: what each means to a proxy, which fields tell of a client, and which spellings are one name.

Rules of this room: it is the one table of names.  Both twins of the codec, trailers, header rules, hooks and
docs/http.md say what stands here; a list of names that stands elsewhere is derived from it, or held to it by
tests/property/test_special_names.py.  Names are in lower case, and *folded*: CGI, WSGI, PHP, Rack and their kind hand
``X-User``, ``X_User`` and ``X.User`` to an application as ``HTTP_X_USER``, so these are one name wherever rsp drops
or replaces a field.
"""

from collections.abc import Collection, Iterable
from typing import Final

from rsp.http.errors import ProtocolError

# What a field means to a proxy.  Everything that is not named here is end-to-end and forwarded as it stands.
PASS: Final = 0
HOST: Final = 1
CONTENT_LENGTH: Final = 2
TRANSFER_ENCODING: Final = 3
CONNECTION: Final = 4
HOP_BY_HOP: Final = 5
UPGRADE: Final = 6
EXPECT: Final = 7
FORWARDED: Final = 8
USER_AGENT: Final = 10
REFERER: Final = 11
TE: Final = 12
REQUEST_ID: Final = 13
CREDENTIALS: Final = 14
CHALLENGE: Final = 15
DROPPED: Final = 16  # from every request
ODD: Final = 17  # a name that CGI-like backends may take for another one of the same request
SHADOW: Final = 18  # a name that they take for one with a meaning

# What a proxy in front of us may say of the client, so a client that is not trusted may not.
TOLD: Final = frozenset((
    # its address
    b"ali-cdn-real-ip", b"cdn-src-ip", b"cf-connecting-ip", b"cf-connecting-ipv6", b"cf-pseudo-ipv4", b"client-ip",
    b"cloudfront-viewer-address", b"do-connecting-ip", b"fastly-client-ip", b"fly-client-ip", b"http-client-ip",
    b"http-x-forwarded-for", b"incap-client-ip", b"proxy-client-ip", b"remote-addr", b"true-client-ip",
    b"wl-proxy-client-ip",
    b"x-appengine-user-ip", b"x-azure-clientip", b"x-azure-socketip", b"x-client-ip", b"x-cluster-client-ip",
    b"x-originating-ip", b"x-proxyuser-ip", b"x-real-ip", b"x-real-port", b"x-remote-addr", b"x-remote-ip",
    b"x-sucuri-clientip", b"x-true-client-ip", b"x-true-ip", b"x-vercel-forwarded-for", b"x-vercel-proxied-for",
    # what it asked for: scheme, host, path
    b"cf-visitor", b"cloudfront-forwarded-proto", b"fastly-ssl", b"fly-forwarded-port", b"fly-forwarded-proto",
    b"fly-forwarded-ssl", b"front-end-https", b"wl-proxy-ssl", b"x-appservice-proto", b"x-arr-ssl", b"x-host",
    b"x-http-host-override", b"x-https", b"x-proto", b"x-script-name", b"x-scheme", b"x-url-scheme",
    # its certificate
    b"ssl-client-cert", b"ssl-client-issuer-dn", b"ssl-client-subject-dn", b"ssl-client-verify", b"x-arr-clientcert",
    b"x-client-cert", b"x-client-cert-chain", b"x-client-certificate",
))  # fmt: skip
TOLD_PREFIXES: Final = (b"x-amzn-mtls-", b"x-envoy-", b"x-forwarded", b"x-original-", b"x-rewrite-", b"x-ssl-")

# What else is true of a name.
_RESERVED: Final = 1  # neither the configuration nor a hook writes it: framing and the connection are rsp's own
_PROTECTED: Final = 2  # no option of Connection takes it away: framing and routing are rsp's to write
_APART: Final = 4  # understood when a request's head is read, and not kept with the other fields
_OURS: Final = 8  # rsp writes it into requests
_HEAD_ONLY: Final = 16  # frames, routes or authenticates a message: means nothing behind it (RFC 9110 section 6.5.1)

_SPECIAL: Final[dict[bytes, tuple[int, int]]] = {
    b"host": (HOST, _APART | _PROTECTED | _HEAD_ONLY),
    b"content-length": (CONTENT_LENGTH, _APART | _RESERVED | _PROTECTED | _HEAD_ONLY),
    b"transfer-encoding": (TRANSFER_ENCODING, _APART | _RESERVED | _PROTECTED | _HEAD_ONLY),
    b"connection": (CONNECTION, _RESERVED | _PROTECTED | _HEAD_ONLY),
    b"proxy-connection": (HOP_BY_HOP, _RESERVED | _HEAD_ONLY),
    b"keep-alive": (HOP_BY_HOP, _RESERVED | _PROTECTED | _HEAD_ONLY),
    b"te": (TE, _RESERVED | _PROTECTED | _HEAD_ONLY),
    b"trailer": (PASS, _RESERVED | _HEAD_ONLY),
    b"upgrade": (UPGRADE, _APART | _RESERVED | _PROTECTED | _HEAD_ONLY),
    b"expect": (EXPECT, _APART | _HEAD_ONLY),
    b"forwarded": (FORWARDED, _APART | _OURS),
    b"x-forwarded-for": (FORWARDED, _APART | _OURS),
    b"x-forwarded-proto": (FORWARDED, _APART | _OURS),
    b"x-forwarded-host": (FORWARDED, _APART | _OURS),
    b"x-request-id": (REQUEST_ID, _APART | _OURS),
    b"via": (PASS, _OURS | _HEAD_ONLY),
    b"user-agent": (USER_AGENT, 0),
    b"referer": (REFERER, 0),
    b"authorization": (CREDENTIALS, _HEAD_ONLY),
    b"proxy-authorization": (CREDENTIALS, _HEAD_ONLY),
    b"www-authenticate": (CHALLENGE, _HEAD_ONLY),
    b"proxy-authenticate": (CHALLENGE, _HEAD_ONLY),
    b"persistent-auth": (CHALLENGE, 0),
    # RFC 9440 section 4: a proxy that does not write them removes them.
    b"client-cert": (DROPPED, 0),
    b"client-cert-chain": (DROPPED, 0),
    # HTTP_PROXY to a CGI program is where its own requests go (CVE-2016-5385).
    b"proxy": (DROPPED, 0),
    b"cache-control": (PASS, _HEAD_ONLY),
    b"content-encoding": (PASS, _HEAD_ONLY),
    b"content-range": (PASS, _HEAD_ONLY),
    b"content-type": (PASS, _HEAD_ONLY),
    b"cookie": (PASS, _HEAD_ONLY),
    b"location": (PASS, _HEAD_ONLY),
    b"max-forwards": (PASS, _HEAD_ONLY),
    b"range": (PASS, _HEAD_ONLY),
    b"set-cookie": (PASS, _HEAD_ONLY),
    b"status": (PASS, _HEAD_ONLY),
}


def _with(trait: int) -> frozenset[bytes]:
    return frozenset(name for name, (_, traits) in _SPECIAL.items() if traits & trait)


def _meaning(*meanings: int) -> frozenset[bytes]:
    return frozenset(name for name, (meaning, _) in _SPECIAL.items() if meaning in meanings)


MEANING: Final[dict[bytes, int]] = {
    **{name: meaning for name, (meaning, _) in _SPECIAL.items() if meaning != PASS},
    **dict.fromkeys(TOLD, FORWARDED),
}
RESERVED: Final = _with(_RESERVED)
PROTECTED: Final = _with(_PROTECTED)
APART: Final = _with(_APART)
OURS: Final = _with(_OURS)
OWN: Final = _meaning(FORWARDED)  # what is told of the client, that rsp reads, and writes itself
FRAMING: Final = _meaning(CONTENT_LENGTH, TRANSFER_ENCODING)
AUTHORIZATION: Final = _meaning(CREDENTIALS)
ANY_CASE: Final = _meaning(UPGRADE)  # values that are compared in any case (RFC 9110 section 7.8)
# Lengths of the names for which it matters that a hook reads or writes them: most have none of these.
SPECIAL_SIZES: Final = frozenset(map(len, APART | OURS | AUTHORIZATION))
_NOT_IN_TRAILERS: Final = _with(_HEAD_ONLY)

_ALIKE: Final = bytes(byte if chr(byte).isalnum() and byte < 128 else 45 for byte in bytes(range(256)).lower())

# Spelling as received -> what ``learn`` says of it, so that a name is folded once.  Bounded in number, and in bytes by
# the length of what is remembered.
SPELLINGS: Final[dict[bytes, int]] = {}
_SPELLINGS_LIMIT: Final = 4096
_SPELLING_SIZE: Final = 40


def fold(name: bytes) -> bytes:
    """``name`` in lower case, with ``-`` for everything that is no letter and no digit: equal for names that CGI-like
    backends take for the same."""
    return name.translate(_ALIKE)


def learn(name: bytes) -> int:
    """What a request's field means; of a response's, framing and hop-by-hop ones."""
    folded = name.translate(_ALIKE)
    known = MEANING.get(folded, PASS)
    if known == PASS and folded.startswith(TOLD_PREFIXES):
        known = FORWARDED
    if folded != name.lower():
        if known == FORWARDED and folded not in OWN:
            known = DROPPED  # a trusted proxy may have let it pass
        elif known != DROPPED:
            known = ODD if known in (PASS, CHALLENGE) else SHADOW
    if len(name) <= _SPELLING_SIZE and len(SPELLINGS) < _SPELLINGS_LIMIT:
        SPELLINGS[name] = known
    return known


def refuse_shadows(lines: Iterable[bytes]) -> None:
    """Raises :class:`ProtocolError` where two names are different but the same to a CGI-like backend."""
    spellings: dict[bytes, bytes] = {}
    for line in lines:
        name = line.partition(b":")[0].lower()
        if spellings.setdefault(name.translate(_ALIKE), name) != name:
            raise ProtocolError("a field name with _ shadows one with -")


def split(fields: bytes) -> list[bytes]:
    """The lines of a block of fields, without their CRLF."""
    return fields.split(b"\r\n")[:-1]


def lines_without(lines: list[bytes], names: Collection[bytes]) -> list[bytes]:
    """Those of ``lines``, without their CRLF, whose names are not in ``names``, which are folded, in any spelling."""
    return [line for line in lines if line.partition(b":")[0].translate(_ALIKE) not in names]


def sound_trailers(lines: list[bytes]) -> list[bytes]:
    """Trailers of either direction, without those that frame, route or authenticate."""
    return lines_without(lines, _NOT_IN_TRAILERS)


def request_trailers(lines: list[bytes]) -> list[bytes]:
    """Trailers of a request, without what its head may not carry from a client that is not trusted: behind a body it
    could only be taken for what rsp says."""
    return [line for line in lines if learn(line.partition(b":")[0]) in (PASS, ODD, CHALLENGE)]
