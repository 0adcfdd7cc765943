"""Field names: what each means to a proxy, which fields tell of a client, and which spellings are one name.

Rules of this room: it is the one table of names.  Both twins of the codec, trailers, header rules and
docs/http.md say what stands here.  Names are in lower case, and *folded*: CGI, WSGI, PHP, Rack and their kind hand
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

MEANING: Final[dict[bytes, int]] = {
    b"host": HOST,
    b"content-length": CONTENT_LENGTH,
    b"transfer-encoding": TRANSFER_ENCODING,
    b"connection": CONNECTION,
    b"proxy-connection": HOP_BY_HOP,
    b"keep-alive": HOP_BY_HOP,
    b"te": TE,
    b"upgrade": UPGRADE,
    b"expect": EXPECT,
    b"forwarded": FORWARDED,
    b"x-forwarded-for": FORWARDED,
    b"x-forwarded-proto": FORWARDED,
    b"x-forwarded-host": FORWARDED,
    b"user-agent": USER_AGENT,
    b"referer": REFERER,
    b"x-request-id": REQUEST_ID,
    b"authorization": CREDENTIALS,
    b"proxy-authorization": CREDENTIALS,
    b"www-authenticate": CHALLENGE,
    b"proxy-authenticate": CHALLENGE,
    b"persistent-auth": CHALLENGE,
    # RFC 9440 section 4: a proxy that does not write them removes them.
    b"client-cert": DROPPED,
    b"client-cert-chain": DROPPED,
    # HTTP_PROXY to a CGI program is where its own requests go (CVE-2016-5385).
    b"proxy": DROPPED,
    **dict.fromkeys(TOLD, FORWARDED),
}
# Those of them that rsp reads, and writes itself.
OWN: Final = frozenset((b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"))
# Fields that rsp writes into requests.
OURS: Final = OWN | {b"x-request-id", b"via"}
# Fields that frame, route or authenticate a message mean nothing behind it (RFC 9110 section 6.5.1).
_NOT_IN_TRAILERS: Final = frozenset((
    b"content-length", b"transfer-encoding", b"host", b"connection", b"keep-alive", b"te", b"trailer", b"upgrade",
    b"authorization", b"cookie", b"set-cookie", b"content-encoding", b"content-type", b"content-range", b"expect",
    b"proxy-connection", b"proxy-authorization", b"cache-control", b"max-forwards", b"range", b"via",
    b"www-authenticate", b"proxy-authenticate", b"location", b"status",
))  # fmt: skip

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


def without(fields: bytes, names: Collection[bytes]) -> bytes:
    """A block of fields without those of ``names``, which are folded, in any spelling."""
    return b"\r\n".join([*lines_without(split(fields), names), b""])


def lines_without(lines: list[bytes], names: Collection[bytes]) -> list[bytes]:
    """As :func:`without`, for lines without their CRLF."""
    return [line for line in lines if line.partition(b":")[0].translate(_ALIKE) not in names]


def sound_trailers(lines: list[bytes]) -> list[bytes]:
    """Trailers of either direction, without those that frame, route or authenticate."""
    return lines_without(lines, _NOT_IN_TRAILERS)


def request_trailers(lines: list[bytes]) -> list[bytes]:
    """Trailers of a request, without what its head may not carry from a client that is not trusted: behind a body it
    could only be taken for what rsp says."""
    return [line for line in lines if learn(line.partition(b":")[0]) in (PASS, ODD, CHALLENGE)]
