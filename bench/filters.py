"""What each filter costs, beside nginx doing the same: ``python -m bench.filters``; a table of docs/benchmarks.md.

Each figure is the median of interleaved turns on one core.  A filter that costs half a microsecond is a fiftieth of a
request, so each turn is compared with the turn without filters that it follows.
"""

import argparse
import base64
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench import load
from bench.peers import LOAD_CORE, NGINX, RSP, Peer, backends, missing
from bench.scenarios import sample
from bench.sections import replace_named

BASIC = "Basic " + base64.b64encode(b"bench:bench").decode()
PAGE = "https://app.example.com"

# Name -> what it does; what the route says; what else stands in the file; nginx: in the location, in the http block
# (None: nginx has no such thing).
WORK: dict[str, tuple[str, str, str, str | None, str]] = {
    "none": ("no filter", "", "", "", ""),
    "allow": (
        "`allow`, `deny`: three networks",
        'allow = { "127.0.0.0/8", "10.0.0.0/8" }, deny = "192.0.2.0/24"', "",
        "deny 192.0.2.0/24; allow 127.0.0.0/8; allow 10.0.0.0/8; deny all;", "",
    ),
    "maintenance": (
        "`maintenance`: a missing file", 'maintenance = "file:DIRECTORY/off"', "",
        "if (-f DIRECTORY/off) { return 503; }", "",
    ),
    "cors": (
        "`cors`: one origin, credentials",
        'cors = { origins = { "PAGE" }, credentials = true, expose = { "ETag" } }', "",
        "add_header Access-Control-Allow-Origin $page always; add_header Access-Control-Allow-Credentials true always; "
        "add_header Access-Control-Expose-Headers ETag always; add_header Vary Origin always;",
        'map $http_origin $page { default ""; "PAGE" $http_origin; }',
    ),
    "security": (
        "`security_headers`", "security_headers = true", "",
        "add_header X-Content-Type-Options nosniff always; add_header X-Frame-Options SAMEORIGIN always; "
        "add_header Referrer-Policy strict-origin-when-cross-origin always;", "",
    ),
    "rate": (
        "`rate_limit` by client", 'rate_limit = { rate = "1000000r/s", burst = 100000 }', "",
        "limit_req zone=rate burst=100000 nodelay;",
        "limit_req_zone $binary_remote_addr zone=rate:10m rate=1000000r/s;",
    ),
    "concurrency": (
        "`concurrency` by client", "concurrency = { max = 10000 }", "",
        "limit_conn at_once 10000;", "limit_conn_zone $binary_remote_addr zone=at_once:10m;",
    ),
    "bandwidth": ("`bandwidth`: 100 MB/s", 'bandwidth = { down = "100MB" }', "", "limit_rate 100m;", ""),
    "basic": (
        "`auth` by password, verified before (nginx verifies it each time)",
        'auth = { basic = "DIRECTORY/htpasswd" }', "",
        "auth_basic bench; auth_basic_user_file DIRECTORY/htpasswd;", "",
    ),
    "jwt": (
        "`auth` by token, verified before",
        'auth = { jwt = { jwks = "file:DIRECTORY/keys.json", issuer = "bench", algorithms = { "RS256" } } }', "",
        None, "",
    ),
    "forward": (
        "`auth` by another service",
        'auth = { forward = "check", path = "/small", style = "auth_request" }',
        'upstream "check" { "127.0.0.1:9101", keepalive = 1024 }',
        "auth_request /check;", "",
    ),
    "request": ("`request_buffering` (requests without a body)", "request_buffering = true", "",
                "proxy_request_buffering on;", ""),
    "response": ("`response_buffering` (fast clients)", "response_buffering = true", "", "proxy_buffering on;", ""),
    "strip": (
        "`rewrite`, `rewrite_location`", 'rewrite = "/", rewrite_location = true', "",
        "rewrite ^/(.*)$ /$1 break; proxy_redirect / /;", "",
    ),
    "values": (
        "three values in `request_headers`",
        'request_headers = { set = { ["X-Path"] = "{path}", ["X-Agent"] = "{header.User-Agent}", '
        '["X-Theme"] = "{cookie.theme}" } }', "",
        "proxy_set_header X-Path $uri; proxy_set_header X-Agent $http_user_agent; proxy_set_header X-Theme $cookie_theme;",
        "",
    ),
    "split": (
        "`split`: 90 to 10", "", 'upstream "other" { "127.0.0.1:9101", keepalive = 1024 }',
        "proxy_pass http://$half;",
        'split_clients "$request_id" $half { 90% static; * other; } upstream other { server 127.0.0.1:9101; '
        "keepalive 1024; keepalive_requests 100000000; }",
    ),
    "failover": ("`failover`", 'failover = { to = "upload" }', "", "error_page 502 503 504 = @other;", ""),
    "fault": ("`fault` without affected requests", "fault = { abort = 503, share = 0 }", "", "", ""),
    "all": (
        "allow, cors, security_headers, rate_limit, basic, request_buffering",
        'allow = "127.0.0.0/8", cors = { origins = { "PAGE" } }, security_headers = true, '
        'rate_limit = { rate = "1000000r/s", burst = 100000 }, auth = { basic = "DIRECTORY/htpasswd" }, '
        "request_buffering = true", "",
        None, "",
    ),
}  # fmt: skip


@dataclass
class Filtered(Peer):
    """``work``: one of ``WORK``; without an access log."""

    work: str = "none"
    log: str = "off"

    def _command(self) -> list[str]:
        values = self.values()
        _, keys, more, location, block = WORK[self.work]
        self._write("htpasswd", password())
        self._write("keys.json", json.dumps(key()[1]))
        if self.name.startswith("rsp"):
            to = "split = { to = { static = 90, other = 10 } }" if self.work == "split" else 'to = "static"'
            text = RSP.format(**values).replace(
                'route "/" { to = "static" }', f'route "/" {{ {to}, {_fill(keys, self)} }}'
            )
            return [sys.executable, "-m", "rsp", self._write("site.lua", _fill(more, self) + text)]
        text = NGINX.format(**values).replace("http {", f"http {{ {_fill(block, self)}", 1)
        passes = "" if "proxy_pass" in (location or "") else "proxy_pass http://static;"
        own = f"location / {{ {_fill(location or '', self)} {passes} }} location @other {{ proxy_pass http://upload; }}"
        own += " location = /check { internal; proxy_pass http://static/small; proxy_pass_request_body off; }"
        return ["nginx", "-c", self._write("nginx.conf", text.replace("location / { proxy_pass http://static; }", own))]


def _fill(text: str, peer: Peer) -> str:
    return text.replace("DIRECTORY", str(peer.directory)).replace("PAGE", PAGE)


def password() -> str:
    """One line of htpasswd that nginx and rsp both read."""
    hashed = subprocess.check_output(["openssl", "passwd", "-apr1", "-salt", "benchmark", "bench"], text=True)
    return f"bench:{hashed}"


_key: tuple[object, dict[str, object]] | None = None


def key() -> tuple[object, dict[str, object]]:
    """A private key, and what is published of it; made once."""
    global _key
    if _key is None:
        from cryptography.hazmat.primitives.asymmetric import rsa
        from jwt.algorithms import RSAAlgorithm

        private = rsa.generate_private_key(65537, 2048)
        public = json.loads(RSAAlgorithm.to_jwk(private.public_key()))
        _key = private, {"keys": [{**public, "kid": "bench", "use": "sig", "alg": "RS256"}]}
    return _key


def authorization(work: str) -> str:
    if work != "jwt":
        return BASIC
    import jwt

    claims = {"iss": "bench", "sub": "bench", "exp": int(time.time()) + 86400}
    return "Bearer " + jwt.encode(claims, key()[0], "RS256", headers={"kid": "bench"})


def costs(directory: Path, names: list[str], repeats: int, seconds: float) -> dict[tuple[str, str], dict[str, float]]:
    """By proxy and work: medians of user CPU in us, of what is on top of ``none``, requests a second, errors."""
    peers = []
    for number, work in enumerate(names):
        for offset, proxy in enumerate(("rsp", "nginx")):
            if proxy == "rsp" or WORK[work][3] is not None:
                port = 9400 + 2 * number + offset
                peers.append(Filtered(f"{proxy} {work}", port, directory / f"{proxy}-{work}", work=work))
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    try:
        for peer in peers:
            peer.start()
            _load(peer, 0.5)
        for turn in range(repeats):
            for proxy in ("rsp", "nginx"):
                own = [peer for peer in peers if peer.name.startswith(proxy)]
                plain = own[0]
                for peer in own:
                    # The machine changes its pace; what is near in time is compared.
                    before = sample(plain, lambda plain=plain: _load(plain, seconds))
                    result = before if peer is plain else sample(peer, lambda peer=peer: _load(peer, seconds))
                    result["top"] = result["user"] - before["user"]
                    found.setdefault((proxy, peer.work), []).append(result)
            print(f"... turn {turn + 1} of {repeats}", file=sys.stderr)
    finally:
        for peer in peers:
            peer.stop()
    figures = ("user", "top", "rate", "errors")
    return {
        key: {figure: statistics.median(one[figure] for one in samples) for figure in figures}
        for key, samples in found.items()
    }


def _load(peer: Filtered, seconds: float) -> dict[str, float]:
    os.environ["BENCH_AUTHORIZATION"] = authorization(peer.work)
    return load.wrk(peer.port, "page", "/small", 64, seconds)


def table(found: dict[tuple[str, str], dict[str, float]]) -> str:
    lines = [
        "| filter | rsp: user us | on top | requests/s | nginx: user us | on top | requests/s |",
        "|---|---|---|---|---|---|---|",
    ]
    for work in dict.fromkeys(work for _, work in found):
        cells = [WORK[work][0]]
        for proxy in ("rsp", "nginx"):
            one = found.get((proxy, work))
            if one is None:
                cells += ["", "", ""]
                continue
            wrong = f" ({one['errors']:.0f} errors)" if one["errors"] else ""
            cells += [f"{one['user']:.1f}", f"{one['top']:+.2f}", f"{one['rate']:,.0f}{wrong}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.filters", description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--only", help="some of the filters, separated by commas")
    parser.add_argument("--document", type=Path, help="a file whose table is to be replaced")
    options = parser.parse_args()
    if missing("nginx", "wrk", "cc", "openssl"):
        print("bench: needs nginx, wrk, openssl and cc", file=sys.stderr)
        return 2
    os.sched_setaffinity(0, {LOAD_CORE})
    with tempfile.TemporaryDirectory() as name, backends(Path(name)):
        directory = Path(name)
        directory.chmod(0o755)
        names = list(dict.fromkeys(["none", *(options.only.split(",") if options.only else WORK)]))
        text = table(costs(directory, names, options.repeats, options.seconds))
    print(text)
    if options.document:
        replace_named(options.document, "filters", f"\n{text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
