"""``rsp explain site.lua 'GET http://shop/x' -H 'Name: value'``: how a request would be handled, without sending it."""

import argparse
import os
import re
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rsp.commands.arguments import file_name
from rsp.config.errors import ConfigError
from rsp.logs import log

if TYPE_CHECKING:
    from rsp.commands.simulated_tls import SimulatedTls

_LARGEST: Final = 1 << 20  # characters of a certificate
_REQUEST: Final = re.compile(
    r"(?:(?P<method>[A-Za-z]+)\s+)?(?:(?P<scheme>https?)://(?P<host>[^/?#\s]+))?(?P<target>[/?]\S*)?", re.ASCII
)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="rsp explain",
        description="Shows which route, hooks and peer a request would get, and what would be sent to the peer. "
        "Nothing is sent.",
    )
    made.add_argument("file", type=file_name, metavar="FILE", help="configuration file, in Lua")
    made.add_argument("request", metavar="REQUEST", help="such as 'GET http://shop.example.com/x?y=1'")
    made.add_argument(
        "-H", "--header", action="append", default=[], metavar="'NAME: VALUE'", help="add a header field; repeatable"
    )
    made.add_argument("-d", "--data", default="", help="the body")
    made.add_argument("--sni", help="server name in the TLS handshake (default: the host of the request)")
    made.add_argument("--certificate", metavar="FILE", help="client certificate, PEM; treated as verified by client_ca")
    made.add_argument("--why", action="store_true", help="show which routes are tried, and why each does not match")
    made.add_argument("--client", default="127.0.0.1", help="address of the client (default: 127.0.0.1)")
    return made


def main(arguments: list[str]) -> int:
    """The exit status: 0; 1 for a configuration that cannot be used; 2 for the command line."""
    made = parser()
    options, more = made.parse_known_args(arguments)
    if unknown := [each for each in more if each.startswith("-")]:
        made.error(f"unrecognized arguments: {' '.join(unknown)}")
    options.request = " ".join([options.request, *more])  # GET /x, without quotes
    match = _REQUEST.fullmatch(options.request.strip())
    if match is None:
        made.error(f"cannot read the request '{options.request}'; expected 'METHOD http://host/path'")
    for field in options.header:
        if not re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\r\n\0]*", field):
            made.error(f"cannot read the field '{field}'; expected 'Name: value'")
    try:
        ip_address(options.client)
    except ValueError:
        made.error(f"--client: expected an IP address, got '{options.client}'")
    target = match["target"] or "/"
    body = os.fsencode(options.data)  # the bytes that the shell has given, whatever they are
    lines = [f"{(match['method'] or 'GET').upper()} {target if target[0] == '/' else '/' + target} HTTP/1.1"]
    if not any(field.lower().startswith("host:") for field in options.header):
        lines.append(f"Host: {match['host'] or 'localhost'}")
    lines += options.header
    if body:
        lines.append(f"Content-Length: {len(body)}")
    request = os.fsencode("\r\n".join([*lines, "Connection: close", "", ""])) + body
    host = next((field[5:].strip() for field in options.header if field.lower().startswith("host:")), match["host"])
    try:
        tls = _tls(match["scheme"], options.sni, options.certificate)
    except (OSError, ValueError) as error:
        made.error(f"--certificate {options.certificate}: {error}")
    try:
        return _explain(options, request, os.fsencode(host or "localhost"), tls)
    except ConfigError as error:
        from rsp.terminal.caret import point

        for message in error.messages:
            log.line(f"Error parsing config file: {message}", log.ERROR)
            point(message)
        return 1


def _tls(scheme: str | None, sni: str | None, file: str | None) -> "SimulatedTls | bool | None":
    """The client's; ``None``: as the first listener has it.  Raises :class:`OSError`, :class:`ValueError`."""
    from rsp.commands.simulated_tls import SimulatedTls
    from rsp.tls.certificate import ClientCertificate

    if sni is None and file is None:
        return {"http": False, "https": True}.get(scheme or "")
    certificate = None
    if file is not None:
        import ssl

        with Path(file).open() as pem:
            certificate = ClientCertificate(ssl.PEM_cert_to_DER_cert(pem.read(_LARGEST).strip()))
        if not certificate.serial:
            raise ValueError("expected a certificate in PEM")
    return SimulatedTls(os.fsencode(sni) if sni is not None else None, certificate)


def _explain(options: argparse.Namespace, request: bytes, host: bytes, tls: "SimulatedTls | bool | None") -> int:
    from rsp.commands.outcome import describe
    from rsp.commands.rehearsal import Rehearsal
    from rsp.lua.evaluate import evaluate

    config, files = evaluate(options.file)
    rehearsal = Rehearsal(config, options.file, files)
    looked_at = rehearsal.watch_routing() if options.why else None
    try:
        result = rehearsal.ask(request, os.fsencode(options.client), host, tls)
    except TimeoutError:
        print("rsp explain: a hook waits for something that does not happen", file=sys.stderr)
        return 1
    finally:
        rehearsal.close()
    if looked_at is not None:
        print("\n".join(["routes tried:", *looked_at.lines, ""]))
    print("\n".join(describe(result, request)))
    if result.status == 404 and result.route is None and not result.hooks and looked_at is None:
        print("(no route matches; --why lists the routes that were tried, and their conditions)")
    if config.settings.discover_routes is not None:
        print("(without routes from labels; rspctl routes shows those of a running instance)")
    return 0
