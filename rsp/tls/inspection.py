"""One reading of all files of a configuration's TLS: what is good is kept, what is not becomes a line that says why.

For the reader's children alone: it imports ``cryptography``.
"""

import datetime
import fnmatch
import glob
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from cryptography import x509

from rsp.config.auth_rules import issuer_authority
from rsp.config.engine_files import secured
from rsp.config.errors import ConfigError
from rsp.config.schema import Config
from rsp.config.tls import Certificate
from rsp.tls import chains, pem
from rsp.tls.contexts import ContextError, profile_of, server_context
from rsp.tls.coverage import clashes, uncovered
from rsp.tls.engine import COMPLETE
from rsp.tls.material import Chain, Keyring, Reading, pack, unpack
from rsp.tls.policy import Verification
from rsp.tls.sources import Unusable, Vanished, content, matching, readable, shown

_LARGEST: Final = 1 << 20  # bytes of a file with certificates or keys
_LARGEST_AUTHORITIES: Final = 32 << 20  # bytes of a file with authorities and revocation lists
_MOST_CHAINS: Final = 2048
_LARGEST_KEYRING: Final = 64 << 20
_MOST_NOTES: Final = 200


class Wanted(NamedTuple):
    """A certificate with its key.  ``label``: what messages call it; ``server``: for clients, not for peers."""

    at: str
    label: str
    file: str
    key: str | None
    password: str | None
    server: bool


class Use(NamedTuple):
    """Of a file with authorities, or with lists (``crl``), by its name in the configuration."""

    name: str
    at: str
    label: str
    crl: bool


class Inspection:
    """``before``: what was read last; what is bad now stays as it was then."""

    def __init__(self, config: Config, folder: Path, before: Reading | None) -> None:
        self._config = config
        self._folder = folder
        self._renews = before is not None
        self._old = unpack(before.keyring) if before is not None and before.keyring else Keyring()
        self._profile = profile_of(config.settings.tls)
        self._now = datetime.datetime.now(datetime.UTC)
        self._due = math.inf
        self._errors: list[str] = []
        self._notes: list[str] = list(config.warnings)

    def reading(self, watch: tuple[str, ...]) -> Reading:
        """Raises :class:`ConfigError`."""
        served = tuple(self._served())
        authorities = self._authorities()
        own = self._own()
        if not served and not self._errors and any(listener.tls for listener in self._config.listeners):
            first = self._config.certificates[0]
            self._errors.append(
                f'{first.at}: certificate "{first.file}": no file matches; tls = true needs a certificate'
            )
        if self._errors:
            raise ConfigError(*self._errors)
        self._notes += clashes(served)
        if any(listener.tls for listener in self._config.listeners):
            self._notes += uncovered(self._config, served)
        if len(self._notes) > _MOST_NOTES:
            self._notes[_MOST_NOTES:] = [f"{len(self._notes) - _MOST_NOTES} more warnings of TLS are not shown"]
        keyring = pack(Keyring(served, authorities, own))
        if len(keyring) > _LARGEST_KEYRING:
            raise ConfigError(f"the files of TLS have more than {_LARGEST_KEYRING >> 20} MB together")
        asked = {use.name for use in (*self._uses_of_upstreams(), *self._uses_of_issuers())}
        peers = Keyring((), {name: said for name, said in authorities.items() if name in asked}, own)
        described = tuple(chain.about for chain in (*served, *own.values()))
        return Reading(keyring, described, watch, tuple(self._notes), pack(peers) if asked or own else b"", self._due)

    # -- certificates for clients

    def _served(self) -> Iterator[Chain]:
        count = 0
        for declared in self._config.certificates:
            old = {chain.about.file: chain for chain in self._old.chains if _is_of(chain, declared)}
            for file in self._files(declared, old):
                label = f'certificate "{shown(file)}"'
                count += 1
                if count > _MOST_CHAINS:
                    self._errors.append(f"{declared.at}: {label}: there are more than {_MOST_CHAINS} certificates")
                    return
                wanted = Wanted(declared.at, label, file, declared.key, declared.password, True)
                chain = self._chain(wanted, old.get(file))
                if chain is not None:
                    yield chain

    def _files(self, declared: Certificate, old: dict[str, Chain]) -> Sequence[str]:
        """What the name or the pattern stands for; with those that were read before, and are gone."""
        label = f'certificate "{declared.file}"'
        try:
            found = matching(self._folder, declared.file)
        except Unusable as why:
            (self._notes if self._renews else self._errors).append(f"{declared.at}: {label}: {why}")
            found = []
        if found == [declared.file]:
            return found
        if not found and not old:
            self._notes.append(f"{declared.at}: warning: {label}: no file matches this pattern")
        return sorted({*found, *old})

    def _chain(self, wanted: Wanted, old: Chain | None) -> Chain | None:
        try:
            with readable():
                return self._checked(wanted, self._bound(wanted), old)
        except Unusable as why:
            return self._refused(wanted, why, old)

    def _bound(self, wanted: Wanted) -> chains.Bound:
        """Certificates and their key, read.  Raises :class:`Unusable`."""
        there = pem.blocks(self._content(wanted.file))
        passwords = self._passwords(wanted.password)
        if wanted.key is None:
            if not pem.has_key(there) and any(block.label in pem.CERTIFICATES for block in there):
                raise Unusable('there is no private key in it; append the key, or name its file:  key = "FILE"')
            return chains.bind(pem.certificates(there), pem.private_keys(there, passwords))
        try:
            beside = pem.blocks(self._content(wanted.key))
        except Unusable as why:
            hint = "; a key is one file, or in the certificate's own" if glob.has_magic(wanted.key) else ""
            raise type(why)(f'key "{wanted.key}": {why}{hint}') from None
        if pem.has_key(there) and not pem.has_key(beside) and not _has_certificate(there):
            raise Unusable(f'this is the key, and "{wanted.key}" is the certificate; exchange them')
        found = pem.certificates(there)
        try:
            keys = pem.private_keys(beside, passwords)
        except Unusable as why:
            raise Unusable(f'key "{wanted.key}": {why}') from None
        return chains.bind(found, keys)

    def _passwords(self, name: str | None) -> list[bytes]:
        if name is None:
            return []
        try:
            return pem.passwords(self._content(name))
        except Vanished:  # the name may be a password
            raise Unusable("password: there is no such file; expected the name of the file that has it") from None
        except Unusable as why:
            raise Unusable(f'password "{name}": {why}') from None

    def _checked(self, wanted: Wanted, bound: chains.Bound, old: Chain | None) -> Chain:
        """What has not changed is not tried once more.  Raises :class:`Unusable`."""
        self._await(bound.certificates)
        known, remarks = _names(bound.certificates[0]) if wanted.server else ((), [])
        remarks += chains.remarks(bound, self._now, server=wanted.server)
        if wanted.server and chains.must_staple(bound.certificates[0]):
            remarks += self._without_staples(bound.certificates[0])
        about = chains.describe(wanted.at, wanted.file, bound, known, "; ".join(remarks))
        chain = Chain(pem.pem(bound.certificates), pem.unencrypted(bound.key), about)
        if old is None or (old.chain, old.key) != (chain.chain, chain.key):
            self._try(chain, bound, old)
        self._notes += [f"{wanted.at}: warning: {wanted.label}: {remark}" for remark in remarks]
        return chain

    def _try(self, chain: Chain, bound: chains.Bound, old: Chain | None) -> None:
        """Raises :class:`Unusable` for what OpenSSL does not take, and what is worse than the one in use."""
        wrong = chains.out_of_date(bound.certificates[0], self._now)
        if wrong is not None and old is not None and old.about.not_after > self._now.timestamp():
            raise Unusable(f"the new one {wrong}")
        if not pem.can_sign(bound.key):
            raise Unusable("the key is damaged: what it signs is not valid")
        try:
            server_context((chain,), self._profile, None)
        except ContextError as error:
            weak = "too small" in str(error) or "too weak" in str(error)
            way = "; have one issued for ECDSA P-256 or RSA with 2048 bits, and signed with SHA-256" if weak else ""
            raise Unusable(f"OpenSSL refuses it: {error}{way}") from None

    def _without_staples(self, own: x509.Certificate) -> list[str]:
        demand = "it demands an OCSP response in each handshake (must-staple)"
        if not chains.responder(own):
            return [f"{demand}, but names no responder"]
        if not self._config.settings.tls.stapling:
            return [f"{demand}, but tls.stapling is false"]
        return [] if COMPLETE else [f"{demand}, which only the compiled build can send"]

    def _refused(self, wanted: Wanted, why: Unusable, old: Chain | None) -> Chain | None:
        """What stays in use, if anything."""
        if not self._renews:
            self._errors.append(f"{wanted.at}: {wanted.label}: {why}")
            return None
        if old is None:
            self._notes.append(f"{wanted.at}: {wanted.label} is not used: {why}")
            return None
        until = chains.day(datetime.datetime.fromtimestamp(old.about.not_after, datetime.UTC))
        if isinstance(why, Vanished):
            self._notes.append(
                f"{wanted.at}: {wanted.label}: {why}; the previous certificate stays in use, valid until {until}"
            )
        else:
            self._notes.append(
                f"{wanted.at}: {wanted.label} is not used: {why}; the one that is valid until {until} stays in use"
            )
        return msgspec.structs.replace(old, about=msgspec.structs.replace(old.about, problem=f"not renewed: {why}"))

    # -- rsp's own certificates for peers

    def _own(self) -> dict[tuple[str, str], Chain]:
        found: dict[tuple[str, str], Chain] = {}
        for asked, tls in secured(self._config):
            if tls.own is None or tls.own in found:
                continue
            file, _ = tls.own
            label = f'{asked}: tls: certificate "{file}"'
            wanted = Wanted(self._place("certificate", file), label, file, tls.key, tls.password, False)
            chain = self._chain(wanted, self._old.own.get(tls.own))
            if chain is not None:
                found[tls.own] = chain
        return found

    # -- authorities and lists

    def _uses(self) -> Iterator[Use]:
        for route in self._config.routes:
            for key, name in (("client_ca", route.client_ca), ("client_crl", route.client_crl)):
                if name is not None:
                    yield Use(name, self._place(key, name), f'route: {key} "{name}"', key == "client_crl")
        yield from self._uses_of_upstreams()
        yield from self._uses_of_issuers()

    def _uses_of_issuers(self) -> Iterator[Use]:
        for route in self._config.routes:
            if (name := issuer_authority(route)) is not None:
                yield Use(name, self._place("ca", name), f'route: auth: jwt: ca "{name}"', False)

    def _uses_of_upstreams(self) -> Iterator[Use]:
        for asked, tls in secured(self._config):
            for key, name in (("ca", tls.ca), ("crl", tls.crl)):
                if name is not None:
                    label = f'{asked}: tls: {key} "{name}"'
                    yield Use(name, self._place(key, name), label, key == "crl")

    def _authorities(self) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        checked: set[tuple[str, bool]] = set()
        for use in self._uses():
            if (use.name, use.crl) in checked:
                continue
            checked.add((use.name, use.crl))
            try:
                with readable():
                    found[use.name] = self._authority(use)
            except Unusable as why:
                old = self._old.authorities.get(use.name)
                if old is None:
                    self._errors.append(f"{use.at}: {use.label}: {why}")
                else:
                    self._notes.append(f"{use.at}: {use.label} is not used: {why}; its previous content stays in use")
                    found[use.name] = old
        if not self._errors:
            self._notes += self._unlisted(found)
        return found

    def _unlisted(self, found: dict[str, bytes]) -> Iterator[str]:
        """Authorities of clients that are not in the lists beside them."""
        pairs = dict.fromkeys((route.client_ca, route.client_crl) for route in self._config.routes)
        for ca, crl in pairs:
            if ca in found and crl in found:
                for name in chains.unlisted(found[ca], found[crl]):
                    said = f'it has no list of {name} in "{ca}", so certificates that this one has issued are refused'
                    yield f'{self._place("client_crl", crl)}: warning: route: client_crl "{crl}": {said}'

    def _authority(self, use: Use) -> bytes:
        """The certificates and the lists in the file, as PEM.  Raises :class:`Unusable`."""
        there = pem.blocks(self._content(use.name, _LARGEST_AUTHORITIES))
        found: Sequence[x509.Certificate | x509.CertificateRevocationList]
        found = pem.lists(there) if use.crl else pem.certificates(there)
        kept = b"".join(block.text for block in there if block.label in (*pem.CERTIFICATES, *pem.LISTS))
        if kept != self._old.authorities.get(use.name):
            try:
                server_context((), self._profile, Verification(kept))
            except ContextError as error:
                raise Unusable(f"OpenSSL refuses it: {error}") from None
        self._await(found)
        remarks = chains.doubts(found, self._now)
        self._notes += [f"{use.at}: warning: {use.label}: {remark}" for remark in remarks]
        return kept

    # -- tools

    def _await(self, found: Sequence[x509.Certificate | x509.CertificateRevocationList]) -> None:
        """The first change to come, of all that is read."""
        for one in found:
            to_come = (moment.timestamp() for moment in chains.period(one) if moment is not None and moment > self._now)
            self._due = min(self._due, *to_come, math.inf)

    def _content(self, name: str, largest: int = _LARGEST) -> bytes:
        if not name.isprintable():
            raise Unusable("its name has control characters, or is not UTF-8; rename it")
        try:
            return content(self._folder / name, largest)
        except Vanished as error:
            raise Vanished(str(error).removesuffix(f" ({name})")) from None

    def _place(self, key: str, name: str) -> str:
        return self._config.places.get(f"{key} {name}", "?")


def _is_of(chain: Chain, declared: Certificate) -> bool:
    """Whether a chain was read for this declaration."""
    file = chain.about.file
    matches = file == declared.file or (glob.has_magic(declared.file) and fnmatch.fnmatch(file, declared.file))
    return chain.about.at == declared.at and matches


def _has_certificate(there: Sequence[pem.Block]) -> bool:
    return any(block.label in pem.CERTIFICATES for block in there)


def _names(own: x509.Certificate) -> tuple[tuple[str, ...], list[str]]:
    """Names that it is for, and what has to be said of them."""
    known = chains.names(own)
    if known:
        return known, []
    name = chains.common_name(own)
    if name:
        return (name,), [
            f'it has no subjectAltName, so it is taken to be for its common name "{name}"; browsers refuse it'
        ]
    return (), ["it is for no host name; clients only get it if there is no other"]
