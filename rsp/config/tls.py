"""The schema of TLS: what clients may use, which certificates there are, how peers are asked.  Part of ``schema``."""

from typing import Annotated, Literal

from msgspec import Meta

from rsp.config.struct import Struct, Text
from rsp.config.units import Duration

TlsVersion = Literal["1.2", "1.3"]
HttpVersion = Literal[1, 2, "auto"]


class Tls(Struct, frozen=True):
    """What clients may use at listeners with `tls = true`."""

    min: Annotated[
        TlsVersion | None,
        Meta(description='Oldest version that is accepted. Default: `"1.2"`, or `"1.3"` with `ciphers = "modern"`.'),
    ] = None
    ciphers: Annotated[
        Text,
        Meta(
            description='`"intermediate"` or `"modern"`, Mozilla\'s profiles; or a list in the form of '
            "`openssl ciphers`, which TLS 1.2 uses."
        ),
    ] = "intermediate"
    session_tickets: Annotated[
        bool, Meta(description="Whether clients may resume sessions, at any worker, with tickets.")
    ] = True
    strict_sni: Annotated[
        bool,
        Meta(
            description="Refuse handshakes without a name that a certificate has. Otherwise they get the first "
            "certificate."
        ),
    ] = False
    stapling: Annotated[
        bool, Meta(description="Fetch OCSP responses for certificates that name a responder, and send them along.")
    ] = True


class Certificate(Struct, frozen=True):
    """A certificate for clients, chosen by the names in it."""

    file: Annotated[
        Text,
        Meta(
            description="PEM file with the certificate and its chain, and with the key unless `key` names it; or a "
            'pattern for several bundles: `"/etc/rsp/*.pem"`. Relative to the configuration.'
        ),
    ]
    key: Annotated[Text | None, Meta(description="PEM file with the private key.")] = None
    password: Annotated[Text | None, Meta(description="File with the password of an encrypted key.")] = None
    at: str = ""  # where it is declared, for messages


class UpstreamTls(Struct, frozen=True):
    """How peers are asked over TLS."""

    name: Annotated[
        Text | None,
        Meta(
            description="The name that the peer's certificate has to have, and that is sent as SNI. Default: the name, "
            "or the IP address, in the peer's address; unix sockets need it."
        ),
    ] = None
    verify: Annotated[bool, Meta(description="Whether the peer's certificate is verified.")] = True
    ca: Annotated[
        Text | None, Meta(description="PEM file with the authorities to trust. Default: those of the system.")
    ] = None
    crl: Annotated[Text | None, Meta(description="PEM file with certificate revocation lists.")] = None
    certificate: Annotated[
        Text | None,
        Meta(description="PEM file with rsp's own certificate for the peer, and with the key unless `key` names it."),
    ] = None
    key: Annotated[Text | None, Meta(description="PEM file with the key of `certificate`.")] = None
    password: Annotated[Text | None, Meta(description="File with the password of an encrypted key.")] = None
    min: Annotated[TlsVersion, Meta(description="Oldest version that is used.")] = "1.2"

    @property
    def own(self) -> tuple[str, str] | None:
        """The files of rsp's own certificate and of its key."""
        return (self.certificate, self.key or self.certificate) if self.certificate is not None else None


class Hsts(Struct, frozen=True):
    """Strict-Transport-Security (RFC 6797), sent over TLS only."""

    max_age: Annotated[Duration, Meta(description="How long browsers use nothing but TLS.")] = Duration(365 * 86400)
    subdomains: Annotated[bool, Meta(description="For all names below this one, too.")] = False
    preload: Annotated[bool, Meta(description="Consent to the lists that browsers are shipped with.")] = False
