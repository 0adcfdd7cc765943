"""A certificate, its issuers and its key: whether they belong together, and what a user has to know about them.

Where ``cryptography`` may be imported: in the reader's children, and in the control process for OCSP.
"""

import datetime
import ipaddress
import re
import ssl
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from rsp.tls import pem
from rsp.tls.material import Described
from rsp.tls.sources import Unusable, content

_MOST_LINKS: Final = 16  # of a chain; each is sent to each client
_LONGEST: Final = 200  # characters of a subject in a message
_NAME: Final = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_.\-]{0,252}[a-z0-9_])?")
# Where systems have their authorities in one file, if OpenSSL's own default is a folder.
_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
)  # fmt: skip
_LARGEST_BUNDLE: Final = 4 << 20

Extension = TypeVar("Extension", bound=x509.ExtensionType)


class Bound(NamedTuple):
    """``certificates``: the one that ``key`` fits, then its issuers.  ``remarks``: what is not as it should be."""

    certificates: list[x509.Certificate]
    key: pem.Key
    remarks: list[str]


def bind(found: Sequence[x509.Certificate], keys: Sequence[pem.Key]) -> Bound:
    """Raises :class:`Unusable` where no key fits."""
    pair = next(((key, one) for one in found for key in keys if pem.fits(key, one)), None)
    if pair is None:
        raise Unusable(_misfit(keys[0], found[0]))
    key, own = pair
    links = _links(own, found)
    strays = [one for one in found if one not in links]
    ordered = [*links, *strays]
    if len(ordered) > _MOST_LINKS:
        raise Unusable(
            f"it has {len(ordered)} certificates, and all of them would be sent; expected at most {_MOST_LINKS}"
        )
    remarks = []
    if strays:
        remarks.append(
            f"{_counted(strays)} in it that did not issue it: {subject(strays[0])}; leave out what is not of its chain"
        )
    elif ordered != list(found):
        remarks.append(
            "its certificates are not in order: its own comes first, then each issuer; rsp sends them in order"
        )
    return Bound(ordered, key, remarks)


def _counted(strays: Sequence[x509.Certificate]) -> str:
    return "there is a certificate" if len(strays) == 1 else f"there are {len(strays)} certificates"


def _misfit(key: pem.Key, own: x509.Certificate) -> str:
    kinds = [pem.kind_of(key.public_key()), pem.kind(own)]
    if kinds[0] != kinds[1]:
        return f"the key does not fit: it is for {kinds[0].upper()}, the certificate for {kinds[1].upper()}"
    return f"the key does not fit: it belongs to another certificate than this one for {subject(own)}"


def _links(own: x509.Certificate, found: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """From ``own`` up, as far as there are issuers."""
    links = [own]
    while not _is_root(links[-1]):
        issuer = next((one for one in found if one not in links and issued(one, links[-1])), None)
        if issuer is None:
            break
        links.append(issuer)
    return links


def issued(issuer: x509.Certificate, other: x509.Certificate) -> bool:
    """Whether ``issuer`` has signed ``other``."""
    if issuer.subject != other.issuer:
        return False
    try:
        other.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _is_root(one: x509.Certificate) -> bool:
    return one.subject == one.issuer


# -- what a certificate says


def subject(one: x509.Certificate) -> str:
    return name(one.subject)


def name(of: x509.Name) -> str:
    """Printable, in one line."""
    try:
        said = of.rfc4514_string()
    except ValueError:
        return "?"
    return "".join(letter if letter.isprintable() else "?" for letter in said)[:_LONGEST]


def names(one: x509.Certificate) -> tuple[str, ...]:
    """DNS names and IP addresses in subjectAltName, in lower case."""
    alternatives = extension(one, x509.SubjectAlternativeName)
    if alternatives is None:
        return ()
    hosts = [said.lower() for said in alternatives.get_values_for_type(x509.DNSName)]
    addresses = map(str, alternatives.get_values_for_type(x509.IPAddress))
    return tuple(dict.fromkeys((*(host for host in hosts if _NAME.fullmatch(host)), *addresses)))


def common_name(one: x509.Certificate) -> str:
    """If it could be a host's; or empty."""
    found = one.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    said = str(found[0].value).lower() if found else ""
    try:
        return str(ipaddress.ip_address(said))
    except ValueError:
        return said if _NAME.fullmatch(said) else ""


def responder(one: x509.Certificate) -> str:
    """URL of its OCSP responder, or empty."""
    access = extension(one, x509.AuthorityInformationAccess)
    for description in access if access is not None else ():
        location = description.access_location
        if description.access_method == AuthorityInformationAccessOID.OCSP and isinstance(
            location, x509.UniformResourceIdentifier
        ):
            return location.value if location.value.isprintable() else ""
    return ""


def must_staple(one: x509.Certificate) -> bool:
    """Whether clients refuse it without an OCSP response (RFC 7633)."""
    feature = extension(one, x509.TLSFeature)
    return feature is not None and x509.TLSFeatureType.status_request in feature


def extension(one: x509.Certificate, wanted: type[Extension]) -> Extension | None:
    """One that cannot be read counts for none."""
    try:
        return one.extensions.get_extension_for_class(wanted).value
    except (x509.ExtensionNotFound, ValueError, KeyError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return None


def describe(at: str, file: str, bound: Bound, known: tuple[str, ...], problem: str) -> Described:
    """``known``: its names."""
    own = bound.certificates[0]
    asks = responder(own)
    return Described(
        at,
        file,
        known,
        subject(own),
        name(own.issuer),
        pem.kind(own),
        own.fingerprint(hashes.SHA256()).hex(),
        own.not_valid_before_utc.timestamp(),
        own.not_valid_after_utc.timestamp(),
        asks,
        problem,
        tuple(one.public_bytes(serialization.Encoding.DER) for one in bound.certificates) if asks else (),
    )


# -- what a user has to know


def day(moment: datetime.datetime) -> str:
    return f"{moment:%Y-%m-%d}"


def period(
    one: x509.Certificate | x509.CertificateRevocationList,
) -> tuple[datetime.datetime, datetime.datetime | None]:
    """When it begins and ends to be valid; a list need not say when it ends."""
    if isinstance(one, x509.Certificate):
        return one.not_valid_before_utc, one.not_valid_after_utc
    return one.last_update_utc, one.next_update_utc


def out_of_date(one: x509.Certificate | x509.CertificateRevocationList, now: datetime.datetime) -> str | None:
    """Whether it is not valid at ``now``."""
    begins, ends = period(one)
    if ends is not None and ends < now:
        return f"expired on {day(ends)}"
    return f"is not valid before {begins:%Y-%m-%d %H:%M} UTC" if begins > now else None


def remarks(bound: Bound, now: datetime.datetime, *, server: bool) -> Iterator[str]:
    """About a certificate for clients (``server``), or rsp's own for peers."""
    own, *issuers = bound.certificates
    yield from bound.remarks
    if (wrong := out_of_date(own, now)) is not None:
        yield wrong if wrong.startswith("expired") else f"it {wrong}"
    for one in issuers:
        if (wrong := out_of_date(one, now)) is not None:
            yield f"{subject(one)} in its chain {wrong}"
    if server and not issuers and not _is_root(own) and not _is_known(own.issuer):
        yield (
            f"its issuer {name(own.issuer)} is neither in the file nor known to this system: append the intermediate "
            "certificates, unless clients trust that issuer itself"
        )
    usage = extension(own, x509.ExtendedKeyUsage)
    wanted = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
    if usage is not None and wanted not in usage and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in usage:
        ours, theirs = ("servers", "clients") if server else ("clients", "peers")
        yield f"it is not meant for {ours} (extendedKeyUsage), so {theirs} refuse it"


def doubts(found: Sequence[x509.Certificate | x509.CertificateRevocationList], now: datetime.datetime) -> Iterator[str]:
    """About authorities, or about revocation lists."""
    for one in found:
        wrong = out_of_date(one, now)
        if isinstance(one, x509.CertificateRevocationList):
            if wrong is not None:
                yield f"the list of {name(one.issuer)} {wrong}; certificates of that authority are refused"
            continue
        if wrong is not None:
            yield f"{subject(one)} {wrong}"
        if not _is_authority(one):
            yield (
                f"{subject(one)} is not a certificate authority (basicConstraints): only the certificate itself is "
                "accepted, not certificates that it has issued"
            )


def _is_authority(one: x509.Certificate) -> bool:
    constraints = extension(one, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def unlisted(authorities: bytes, lists: bytes) -> list[str]:
    """The authorities that none of the lists is of; both are PEM that has been read before."""
    issuers = {one.issuer for one in pem.lists(pem.blocks(lists))}
    found = [one for one in pem.certificates(pem.blocks(authorities)) if one.subject not in issuers]
    return [subject(one) for one in found if _is_authority(one)]


def _is_known(issuer: x509.Name) -> bool:
    return issuer.public_bytes() in _authorities()


@cache
def _authorities() -> frozenset[bytes]:
    """Subjects of the system's authorities; none where they are not found."""
    for file in filter(None, (ssl.get_default_verify_paths().cafile, *_BUNDLES)):
        try:
            found = pem.readable(pem.blocks(content(Path(file), _LARGEST_BUNDLE)))
        except Unusable:
            continue
        return frozenset(one.subject.public_bytes() for one in found)
    return frozenset()
