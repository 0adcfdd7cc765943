"""Which certificate and which rules a client gets, by the name in its hello, before its handshake begins.

A connection's certificate, versions, ciphers and verification all come from one context that is never exchanged later:
OpenSSL's own way (another context from within the handshake) changes the certificate but keeps the verification.

Certificates go by their own names: an exact name, then a wildcard of one label (RFC 9525 section 6.3), then the first
certificate.  Verification goes by the hosts of routes, as :mod:`rsp.http.hosts` matches them.  So a name may have the
certificate of ``*.example.com`` and the verification of its own.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from rsp.config.route_rule import is_over_tls
from rsp.config.routes import Route
from rsp.config.schema import Config
from rsp.http.hosts import HostTable
from rsp.tls.contexts import profile_of, server_context, verification
from rsp.tls.engine import Context
from rsp.tls.hello import NO_APPLICATION_PROTOCOL, UNRECOGNIZED_NAME, Hello, HelloError
from rsp.tls.material import Chain, Keyring
from rsp.tls.policy import Profile, Verification
from rsp.tls.suites import suites_of

_Content = tuple[tuple[bytes, bytes], ...]  # certificates with their keys
_Key = tuple[_Content, Profile, Verification | None]
_Rules = HostTable[list[Verification | None]]  # of the routes of each host
_MOST_KNOWN: Final = 4096  # names; a wildcard has any number of them
_MOST_SHOWN: Final = 5  # protocols in a message
_LONGEST_SHOWN: Final = 32  # bytes of one; known ones have at most 17
_TLS_1_3: Final = 0x0304


class ServerNames:
    """``tickets``: keys as :meth:`Context.use_tickets` wants them.  ``before``: contexts whose content is unchanged are
    taken from it; others are made at their first use."""

    def __init__(
        self, config: Config, keyring: Keyring, tickets: Sequence[bytes], before: "ServerNames | None" = None
    ) -> None:
        tls = config.settings.tls
        self._profiles = profile_of(tls), profile_of(tls, http2=True)  # without and with HTTP/2
        self._http2 = frozenset(one.address for one in config.listeners if one.tls and one.http2 is not False)
        self._suites = suites_of(self._profiles[0].ciphers)
        self._strict = tls.strict_sni
        self._alpn = [frozenset(protocol.encode() for protocol in profile.alpn) for profile in self._profiles]
        self._chains = _by_name(keyring.chains)
        self._default = self._beside(keyring.chains[0]) if keyring.chains else ()
        routes = [route for route in config.routes if is_over_tls(route, config.listeners)]
        rules = [verification_of(route, keyring) for route in routes]
        self._rules: _Rules = HostTable(list)
        for route, rule in zip(routes, rules, strict=True):
            for host in route.hosts or ("*",):
                self._rules.at(host).append(rule)
        self._tickets = tickets
        self._staples = {bytes.fromhex(digest): response for digest, response in keyring.staples.items()}
        self._known: tuple[dict[bytes, Context], ...] = {}, {}  # by name: what was chosen before; as the profiles
        self._contexts = before._unchanged(self, {*rules, None}) if before is not None else {}
        for context in self._contexts.values():
            self._equip(context)

    def context_for(self, hello: Hello, listener: str = "") -> Context:
        """``listener``: where the client has connected.  Raises :class:`HelloError` for a client that is refused;
        :class:`ContextError`."""
        http2 = listener in self._http2 and self._is_fit_for_http2(hello)
        alpn: frozenset[bytes] = self._alpn[http2]
        if hello.alpn and alpn.isdisjoint(hello.alpn):
            unfit = ", for which its ciphers are not good enough" if listener in self._http2 and not http2 else ""
            raise HelloError(
                f"offers none of rsp's protocols, but {_listed(hello.alpn)}{unfit}", NO_APPLICATION_PROTOCOL
            )
        context = self.choose(hello.sni, http2)
        if context is None:
            name = f"{hello.sni.decode()}, which is in no certificate" if hello.sni else "no server name"
            raise HelloError(f"asks for {name}", UNRECOGNIZED_NAME)
        return context

    def choose(self, sni: bytes, http2: bool = False) -> Context | None:
        """``sni`` as in :class:`Hello`; ``http2``: whether it may be agreed on.  ``None``: there is no certificate for
        that name.  Raises :class:`ContextError`."""
        known: dict[bytes, Context] = self._known[http2]
        found = known.get(sni)
        if found is None:
            found = self._context(sni, http2)
            if found is not None and len(known) < _MOST_KNOWN:
                known[sni] = found
        return found

    def _context(self, sni: bytes, http2: bool) -> Context | None:
        chains = self._chains_for(sni)
        if not chains:
            return None
        rule, profile = _most_specific(self._rules, sni), self._profiles[http2]
        key = _content(chains), profile, rule
        context = self._contexts.get(key)
        if context is None:
            context = server_context(chains, profile, rule)
            self._contexts[key] = self._equip(context)
        return context

    def _chains_for(self, sni: bytes) -> tuple[Chain, ...]:
        """Empty: there is no certificate for it."""
        found = self._chains.get(sni) or self._chains.get(b"*." + sni.partition(b".")[2])
        return found or (() if self._strict else self._default)

    def _is_fit_for_http2(self, hello: Hello) -> bool:
        """Whether the handshake ends with a cipher that HTTP/2 may be used with."""
        if not self._suites.bad or _TLS_1_3 in hello.versions:
            return True
        return self._suites.find(hello.ciphers, {chain.about.kind for chain in self._chains_for(hello.sni)})

    def _beside(self, chain: Chain) -> tuple[Chain, ...]:
        """It and those with other kinds of key for the same name."""
        return self._chains[chain.about.names[0].encode()] if chain.about.names else (chain,)

    def _equip(self, context: Context) -> Context:
        if self._profiles[0].tickets:
            context.use_tickets(self._tickets)
        context.staple(self._staples)
        return context

    def _unchanged(self, then: "ServerNames", rules: set[Verification | None]) -> dict[_Key, Context]:
        """Contexts that ``then`` can use as well."""
        certificates = {_content(chains) for chains in (*then._chains.values(), then._default)}
        return {
            key: context
            for key, context in self._contexts.items()
            if key[0] in certificates and key[1] in then._profiles and key[2] in rules
        }


def verification_of(route: Route, keyring: Keyring) -> Verification | None:
    """What clients have to show for a route, and so for its host: all routes of one host agree.

    Raises :class:`ContextError`.
    """
    if route.client_ca is None:
        return None
    return verification(keyring, route.client_ca, route.client_crl, route.client_verify == "required")


def _most_specific(rules: _Rules, host: bytes) -> Verification | None:
    return next((rule for level in rules.levels(host) for rule in level), None)


def _by_name(chains: Iterable[Chain]) -> dict[bytes, tuple[Chain, ...]]:
    """Those of each name: the first of each kind of key."""
    found: dict[bytes, dict[str, Chain]] = {}
    for chain in chains:
        for name in chain.about.names:
            found.setdefault(name.encode(), {}).setdefault(chain.about.kind, chain)
    return {name: tuple(kinds.values()) for name, kinds in found.items()}


def _content(chains: tuple[Chain, ...]) -> _Content:
    return tuple((chain.chain, chain.key) for chain in chains)


def _listed(protocols: tuple[bytes, ...]) -> str:
    shown = [repr(protocol[:_LONGEST_SHOWN])[2:-1] for protocol in protocols[:_MOST_SHOWN]]
    return ", ".join(shown) + (" and others" if len(protocols) > _MOST_SHOWN else "")
