"""``rsp certificate example.com >> site.lua``: a self-signed certificate, and the lines that use it.

For trials, and for services whose clients are told to trust it.
"""

import argparse
import datetime
import ipaddress
import os
import re
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rsp.commands.arguments import file_name
from rsp.commands.ports import free_address
from rsp.importing.lua import comment, quoted
from rsp.system.file_errors import unwritten
from rsp.system.new_file import write_new

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST: Final = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*\.?", re.ASCII)
_LONGEST: Final = 64  # characters of a common name (RFC 5280)
_LOOPBACK: Final = ("127.0.0.1", "::1")
_EARLIER: Final = datetime.timedelta(hours=1)  # for clients whose clocks are late
_EPILOG: Final = """\
The certificate is written to HOST.crt and its private key to HOST.key, which only its owner can read.
Files that exist are not overwritten. The lines of configuration are written to standard output:

  rsp certificate example.com >> site.lua

Browsers and other clients have to be told to trust the certificate: curl --cacert example.com.crt ...
For a public site, use a certificate of a certificate authority: docs/tls.md.
"""


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="rsp certificate",
        description="Create a self-signed certificate, and print the lines of configuration that use it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "hosts",
        metavar="HOST",
        nargs="+",
        type=_host,
        help="host name, *.example.com or IP address; the first names the files",
    )
    made.add_argument("--days", type=_days, default=365, metavar="N", help="validity in days (default: 365)")
    made.add_argument(
        "-d",
        "--directory",
        metavar="DIR",
        type=file_name,
        default=".",
        help="where the files are written (default: here)",
    )
    return made


def main(arguments: list[str]) -> int:
    """The exit status: 0; 1 where the files cannot be written; 2 for the command line."""
    options = parser().parse_args(arguments)
    hosts = list(dict.fromkeys(options.hosts))
    name = hosts[0].replace("*", "_").replace(":", "_")
    files = [Path(options.directory, f"{name}.{ending}") for ending in ("crt", "key")]
    for file in files:
        if os.path.lexists(file):
            print(f"rsp certificate: {file} exists and is not overwritten; move it, or use -d DIR", file=sys.stderr)
            return 1
    try:
        _write(files, hosts, options.days)
    except OSError as error:
        why = unwritten(error.filename, error)
        print(f"rsp certificate: {error.filename}: {why}; choose another directory: -d DIR", file=sys.stderr)
        return 1
    certificate, key = map(str, files)
    address = free_address(443, 8443)
    said = f"HTTPS with a self-signed certificate. Clients have to be told to trust {certificate}."
    print("", *comment(said), sep="\n")
    print(f"listen {quoted(address)} {{ tls = true }}")
    print(f"certificate {{ {quoted(certificate)}, key = {quoted(key)} }}")
    print(f"Wrote {certificate} and {key}, valid for {options.days} days.", file=sys.stderr)
    if sys.stdout.isatty():
        print("Add the lines above to your site.lua, and check it: rsp -t site.lua", file=sys.stderr)
    print(f"Once it is served: {_curl(hosts[0], address, certificate)}", file=sys.stderr)
    return 0


def _write(files: Sequence[Path], hosts: Sequence[str], days: int) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = _certificate(key, hosts, days).public_bytes(serialization.Encoding.PEM)
    certificate, private = files
    write_new(certificate, public, 0o644)
    try:
        write_new(private, secret, 0o600)
    except OSError:
        certificate.unlink(missing_ok=True)
        raise


def _certificate(key: "ec.EllipticCurvePrivateKey", hosts: Sequence[str], days: int) -> "x509.Certificate":
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])] if len(hosts[0]) <= _LONGEST else [])
    names = [*hosts, *(_LOOPBACK if "localhost" in hosts else ())]
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign",
         "encipher_only", "decipher_only"), False,
    )  # fmt: skip
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (
        (x509.SubjectAlternativeName(list(dict.fromkeys(map(_general, names)))), not list(name)),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.KeyUsage(digital_signature=True, **usage), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
    )
    made = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - _EARLIER,
        not_valid_after=now + datetime.timedelta(days=days),
    )
    for extension, is_critical in extensions:
        made = made.add_extension(extension, is_critical)
    return made.sign(key, hashes.SHA256())


def _general(name: str) -> "x509.GeneralName":
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _curl(host: str, address: str, certificate: str) -> str:
    """A command that tries it, from this machine."""
    port = address.rpartition(":")[2]
    host = host.replace("*", "www", 1)
    shown = f"[{host}]" if ":" in host else host
    resolve = "" if host == "localhost" or _is_address(host) else f" --resolve {host}:{port}:127.0.0.1"
    return f"curl --cacert {shlex.quote(certificate)}{resolve} https://{shown}{'' if port == '443' else f':{port}'}/"


def _is_address(host: str) -> bool:
    try:
        return "%" not in str(ipaddress.ip_address(host))  # a zone is no part of a certificate (RFC 5280)
    except ValueError:
        return False


# -- values


def _host(text: str) -> str:
    if _is_address(text):
        return str(ipaddress.ip_address(text))
    name = text.rstrip(".").lower()
    if not _HOST.fullmatch(text) or len(text) > 253 or name.rpartition(".")[2].isdigit():
        raise argparse.ArgumentTypeError(f'expected a host name or an IP address, got "{text}"{_instead(text)}')
    return name


def _instead(text: str) -> str:
    """What is meant by a URL, by an address with a port, and by a name in the letters of its language."""
    bare = re.sub(r"^\w+://|[/?#].*$|:\d*$", "", text).strip("[]")
    with suppress(UnicodeError):
        bare = bare.encode("idna").decode()
        return f'; write "{bare}"' if bare and (_is_address(bare) or _HOST.fullmatch(bare)) and bare != text else ""
    return ""


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:10]) <= 36500):
        raise argparse.ArgumentTypeError(f'expected a number of days from 1 to 36500, got "{text}"')
    return int(text)
