"""The schema of TLS: versions and ciphers for clients, certificates, TLS to peers.  Part of ``schema``."""

from typing import Annotated, Literal

from msgspec import Meta

from rsp.config.struct import Struct, Text
from rsp.config.units import Duration

TlsVersion = Literal["1.2", "1.3"]
HttpVersion = Literal[1, 2, "auto"]


class Tls(Struct, frozen=True):
    """TLS for listeners with `tls = true`."""

    min: Annotated[
        TlsVersion | None,
        Meta(description='Lowest TLS version. Default: `"1.2"`, or `"1.3"` with `ciphers = "modern"`.'),
    ] = None
    ciphers: Annotated[
        Text,
        Meta(
            description='Mozilla\'s profile `"intermediate"` or `"modern"`, or a list of TLS 1.2 ciphers in the '
            "syntax of `openssl ciphers`."
        ),
    ] = "intermediate"
    session_tickets: Annotated[
        bool, Meta(description="Whether clients may resume sessions with tickets, which are valid in all workers.")
    ] = True
    strict_sni: Annotated[
        bool,
        Meta(
            description="Whether handshakes are refused if no certificate matches the requested name (SNI). `false`: "
            "such clients get the first certificate."
        ),
    ] = False
    stapling: Annotated[
        bool,
        Meta(
            description="OCSP stapling: whether OCSP responses are fetched and sent for certificates that "
            "name an OCSP responder."
        ),
    ] = True


class Certificate(Struct, frozen=True):
    """A certificate for clients, selected by the names that it contains."""

    file: Annotated[
        Text,
        Meta(
            description="PEM file with the certificate, its chain, and the key unless `key` is set; or a pattern "
            'that matches several such files: `"/etc/rsp/*.pem"`. Relative to the configuration file.'
        ),
    ]
    key: Annotated[Text | None, Meta(description="PEM file with the private key.")] = None
    password: Annotated[Text | None, Meta(description="File with the passphrase of an encrypted key.")] = None
    at: str = ""  # where it is declared, for messages


class UpstreamTls(Struct, frozen=True):
    """TLS to the peers of an upstream."""

    name: Annotated[
        Text | None,
        Meta(
            description="Name that the peer's certificate must contain, which is also sent as SNI. Default: host "
            "name or IP address in the peer's address. Required for unix sockets."
        ),
    ] = None
    verify: Annotated[bool, Meta(description="Whether the peer's certificate is verified.")] = True
    ca: Annotated[
        Text | None,
        Meta(description="PEM file with the trusted certificate authorities. Default: those of the system."),
    ] = None
    crl: Annotated[Text | None, Meta(description="PEM file with certificate revocation lists.")] = None
    certificate: Annotated[
        Text | None,
        Meta(
            description="PEM file with the client certificate that rsp presents to the peer, and its key unless "
            "`key` is set."
        ),
    ] = None
    key: Annotated[Text | None, Meta(description="PEM file with the private key of `certificate`.")] = None
    password: Annotated[Text | None, Meta(description="File with the passphrase of an encrypted key.")] = None
    min: Annotated[TlsVersion, Meta(description="Lowest TLS version.")] = "1.2"

    @property
    def own(self) -> tuple[str, str] | None:
        """The files of rsp's own certificate and of its key."""
        return (self.certificate, self.key or self.certificate) if self.certificate is not None else None


class Hsts(Struct, frozen=True):
    """HTTP Strict Transport Security (RFC 6797), sent over TLS only."""

    max_age: Annotated[Duration, Meta(description="How long browsers must use TLS only.")] = Duration(365 * 86400)
    subdomains: Annotated[bool, Meta(description="Whether it also applies to all subdomains.")] = False
    preload: Annotated[
        bool, Meta(description="Whether the domain may be included in the preload lists of browsers.")
    ] = False
