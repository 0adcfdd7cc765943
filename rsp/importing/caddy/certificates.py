"""What Caddy gets from an authority by itself, rsp reads from files: which, and how they come there."""

from shlex import quote
from typing import Any

from rsp.importing.caddy.sites import SiteBlock
from rsp.importing.caddy.tokens import Node
from rsp.importing.ordered.rules import Rule
from rsp.importing.site import Declaration, Note, Origin, Setting, Site, Untranslated
from rsp.importing.wordlist import words

_DROPPED = words(
    """
    ciphers curves issuer ca ca_root key_type alpn resolvers eab propagation_delay propagation_timeout dns_ttl
    reuse_private_keys renewal_window_ratio insecure_secrets_log dns_challenge_override_domain
    """
)
_LOCAL = ("localhost", "127.0.0.1", "[::1]")


class Certificates:
    def __init__(self, site: Site, options: list[Node]) -> None:
        self.site = site
        self.local = any(each.name == "local_certs" for each in options)
        self.declarations: dict[str, Declaration] = {}
        self.min = ""

    def for_site(self, host: str, block: SiteBlock) -> None:
        tls = next((node for node in block.nodes if node.name == "tls"), None)
        internal = self.local or host in _LOCAL or host.endswith((".localhost", ".local", ".internal")) or not host
        if tls is not None:
            if len(tls.rest) == 2:
                self._add(tls.rest[0], tls.rest[1], tls.origin, [])
                return
            internal = internal or tls.rest[:1] == ["internal"]
            self._options(tls)
        if internal:
            name = host.strip("[]") or "localhost"
            file = name.replace("*", "_").replace(":", "_")  # as rsp certificate names it
            said = f"Caddy makes this certificate by itself; for rsp, make one: rsp certificate {quote(name)}"
            self._add(f"{file}.crt", f"{file}.key", block.origin, [said])
            return
        name = host.replace("*.", "")
        folder = f"/etc/letsencrypt/live/{name}"
        way = "--manual --preferred-challenges dns" if host.startswith("*.") else "--standalone"
        said = f"rsp has no ACME client: certbot certonly {way} -d {host}, and see docs/tls.md for renewals."
        self._add(f"{folder}/fullchain.pem", f"{folder}/privkey.pem", block.origin, [said])

    def _options(self, tls: Node) -> None:
        for line in tls.block or []:
            if line.name == "protocols" and line.rest[:1] == ["tls1.3"]:
                self.min = "1.3"
            elif line.name == "dns":
                self.site.add(Note("certbot has plugins for DNS, too: certbot plugins", line.origin))
            elif line.name == "on_demand":
                self.site.add(Untranslated("rsp gets no certificates while it serves", line.text, line.origin))
            elif line.name in ("load", "client_auth", "get_certificate"):
                if line.name != "client_auth":
                    self.site.add(Untranslated("name the certificates: certificate { ... }", line.text, line.origin))
            elif line.name in _DROPPED or line.name == "protocols":
                self.site.drop(f"tls {line.name}")
            else:
                self.site.add(Untranslated("rsp has no such option of tls", line.text, line.origin))

    def _add(self, file: str, key: str, origin: Origin, comments: list[str]) -> None:
        keys: dict[str, Any] = {} if file == key else {"key": key}
        if file not in self.declarations:
            self.declarations[file] = Declaration("certificate", "", [file], keys, origin, comments)

    def declare(self) -> None:
        for declaration in self.declarations.values():
            self.site.add(declaration)
        if self.min:
            self.site.add(Setting("tls", {"min": self.min}))

    def clients(self, block: SiteBlock, rules: list[Rule]) -> None:
        """``client_auth``: keys of all routes of the site."""
        for node in block.nodes:
            for line in node.block or [] if node.name == "tls" else []:
                if line.name != "client_auth":
                    continue
                keys: dict[str, Any] = {}
                below = [inner for outer in line.block or [] for inner in outer.block or []]
                for each in [*(line.block or []), *below]:
                    if each.name in ("trusted_ca_cert_file", "pem_file") and each.rest:
                        keys["client_ca"] = each.rest[0]
                    elif each.name == "mode" and each.rest[:1] in (["verify_if_given"], ["request"]):
                        keys["client_verify"] = "optional"
                if "client_ca" not in keys:
                    self.site.add(Untranslated("name the authorities: client_ca", line.text, line.origin))
                    keys = {"allow": ["127.0.0.1"], "deny": ["0.0.0.0/0", "::/0", "unix:"]}
                rules.insert(0, Rule(keys, origin=line.origin, text=line.text, guard=True))
