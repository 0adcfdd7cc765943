"""The proxies that are compared, and what they stand in front of: configurations, processes, what they consume.

Every proxy does the same work: keep-alive to the backend, X-Forwarded-For, -Proto and -Host and a request id added,
an access log with the backend's address and times written in batches where the proxy can.
"""

import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.more_peers import H2O, nghttpx
from bench.programs import compiled

PROXY_CORE, LOAD_CORE = 0, 1
STATIC, UPLOAD, GRPC = 9101, 9102, 9103  # the backends' ports
BODIES = {"/small": b"hello, world\n", "/16k": b"k" * (16 << 10), "/1m": b"m" * (1 << 20), "/100m": b"h" * (100 << 20)}
BUNDLE = "tls.pem"
CIPHERS = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305"
TICK = os.sysconf("SC_CLK_TCK")
DESCRIPTORS = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
CONNECTIONS = (DESCRIPTORS - 300) // 2  # what a proxy can hold, with one of its own to a backend for each

RSP = """
access_log = {rsp_log}
busy_poll = "{poll}"
workers = {workers}
{rsp_certificate}
listen "127.0.0.1:{port}" {{ {rsp_tls}backlog = 8192, limits = {{ connections = {connections} }} }}
upstream "static" {{ "127.0.0.1:9101", keepalive = 1024 }}
upstream "upload" {{ "127.0.0.1:9102", keepalive = 1024 }}
route "/" {{ to = "static" }}
route "/upload" {{ to = "upload", limits = {{ body = 0 }} }}
route "/ws" {{ to = "upload" }}
{rsp_grpc}
"""

NGINX = """
daemon off; worker_processes {workers}; pid {directory}/nginx.pid; error_log {directory}/error.log crit; user root;
events {{ worker_connections {descriptors}; }}
http {{
  log_format full '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" '
    '"$http_user_agent" upstream=$upstream_addr time=$request_time upstream_time=$upstream_response_time id=$request_id';
  log_format fields escape=json '{{"time":"$time_iso8601","client":"$remote_addr","method":"$request_method",'
    '"target":"$request_uri","protocol":"$server_protocol","status":$status,"bytes":$body_bytes_sent,'
    '"duration":$request_time,"upstream":"$upstream_addr","upstream_time":"$upstream_response_time",'
    '"route":"$uri","request_id":"$request_id"}}';
  access_log {nginx_log};
  keepalive_requests 100000000;
  upstream static {{ server 127.0.0.1:9101; keepalive 1024; keepalive_requests 100000000; }}
  upstream upload {{ server 127.0.0.1:9102; keepalive 1024; keepalive_requests 100000000; }}
  {nginx_grpc_upstream}
  map $http_upgrade $onward {{ default ""; websocket upgrade; }}
  server {{
    listen 127.0.0.1:{port} {nginx_tls} backlog=8192 reuseport;
    {nginx_certificate}
    client_max_body_size 0;
    proxy_http_version 1.1;
    proxy_request_buffering off;
    proxy_max_temp_file_size 0;
    proxy_set_header Host $http_host;
    proxy_set_header Connection $onward;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Request-Id $request_id;
    location / {{ proxy_pass http://static; }}
    location /upload {{ proxy_pass http://upload; }}
    location /ws {{ proxy_pass http://upload; }}
    {nginx_grpc}
  }}
}}
"""

HAPROXY = """
global
  nbthread {workers}
  maxconn {connections}
  {haproxy_log}
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
  option http-keep-alive
  http-reuse always
frontend in
  bind 127.0.0.1:{port} backlog 8192 {haproxy_tls}
  unique-id-format %{{+X}}o\\ %ci:%cp_%fi:%fp_%Ts_%rt:%pid
  unique-id-header X-Request-Id
  option forwardfor
  http-request set-header X-Forwarded-Proto {scheme}
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  {haproxy_format}
  use_backend upload if {{ path_beg /upload /ws }}
  {haproxy_route}
  default_backend static
backend static
  server one 127.0.0.1:9101 pool-max-conn 1024
backend upload
  server one 127.0.0.1:9102 pool-max-conn 1024
{haproxy_grpc}
"""

# What the configurations have more where HTTP/2 is measured: a route to a gRPC server.
GRPC_ROUTE = {
    "rsp_grpc": 'upstream "grpc" { "127.0.0.1:9103", http = 2 } route "/bench.Echo" { to = "grpc" }',
    "nginx_grpc_upstream": "upstream grpc { server 127.0.0.1:9103; keepalive 1024; keepalive_requests 100000000; }",
    "nginx_grpc": "location /bench.Echo { grpc_pass grpc://grpc; grpc_set_header X-Forwarded-For $remote_addr; "
    "grpc_set_header X-Forwarded-Proto $scheme; grpc_set_header X-Request-Id $request_id; }",
    "haproxy_route": "use_backend grpc if { path_beg /bench.Echo }",
    "haproxy_grpc": "backend grpc\n  server one 127.0.0.1:9103 proto h2",
}

HAPROXY_JSON = (
    'log global\n  log-format {"time":"%t","client":"%ci","method":"%HM","target":"%[capture.req.uri,json(utf8ps)]",'
    '"protocol":"%HV","status":%ST,"bytes":%B,"duration":%Ta,"upstream":"%b/%s","upstream_time":%Tr,"route":"%f",'
    '"request_id":"%ID"}'
).replace('"', '\\"')

BACKEND = """
daemon off; worker_processes 1; pid {directory}/backend.pid; error_log {directory}/backend.log crit; user root;
events {{ worker_connections {descriptors}; }}
http {{
  access_log off; sendfile on; keepalive_requests 100000000; types {{ }} default_type application/octet-stream;
  open_file_cache max=100; root {directory}/files; client_body_buffer_size 16k;
  server {{
    listen 127.0.0.1:9101 backlog=8192;
    location = /small {{ add_header Cache-Control "max-age=60"; add_header Vary Accept-Encoding;
      add_header X-Frame-Options DENY; add_header ETag '"5f3a"'; return 200 "hello, world\\n"; }}
    location / {{ }}
  }}
}}
"""


def pin(core: int | None):
    """For ``preexec_fn``: run on ``core`` only, with as many descriptors as the machine gives."""

    def apply() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        if core is not None:
            os.sched_setaffinity(0, {core})

    return apply


def wait_for(port: int, complaints: Path | None = None, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    sys.exit(f"bench: nothing listens on port {port}\n{complaints.read_text() if complaints else ''}")


@dataclass
class Peer:
    """A proxy, a program that only copies (``relay``), or (``direct``) none.  ``workers``: processes or threads; ``log``: how it logs requests, ``lines``, ``json`` (rsp
    with metrics as well) or ``off``.

    ``secure``: serves TLS only, with the certificate beside its directory (:func:`make_certificate`); ``http2``: and
    HTTP/2 by ALPN, with a route to a gRPC server.
    """

    name: str
    port: int
    directory: Path
    workers: int = 1
    log: str = "lines"
    secure: bool = False
    http2: bool = False
    poll: str = "0s"  # rsp's busy_poll
    environment: dict[str, str] = field(default_factory=dict)
    core: int | None = PROXY_CORE
    patience: float = 10  # seconds until it has to listen
    process: subprocess.Popen[bytes] | None = None

    @property
    def scheme(self) -> str:
        return "https" if self.secure else "http"

    @property
    def group(self) -> str:
        return "http2" if self.http2 else "tls" if self.secure else "plain"

    def start(self) -> None:
        if self.name == "direct":
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        command = self._command()
        with (self.directory / "stdout").open("ab") as out, (self.directory / "stderr").open("ab") as err:
            self.process = subprocess.Popen(
                command, stdout=out, stderr=err, preexec_fn=pin(self.core), env=os.environ | self.environment
            )
        wait_for(self.port, self.directory / "stderr", self.patience)

    def values(self) -> dict[str, object]:
        """What the configurations' templates are filled with."""
        return {
            "port": self.port,
            "workers": self.workers,
            "poll": self.poll,
            "directory": self.directory,
            "bundle": self.directory.parent / BUNDLE,
            "descriptors": DESCRIPTORS,
            "connections": CONNECTIONS,
            **self._log(f"{self.directory}/access.log"),
            **self._tls(),
            **(GRPC_ROUTE if self.http2 else dict.fromkeys(GRPC_ROUTE, "")),
        }

    def _command(self) -> list[str]:
        kind = self.name.split()[0]
        values = self.values()
        if kind == "rsp":
            return [sys.executable, "-m", "rsp", self._write("site.lua", RSP.format(**values))]
        if kind == "nginx":
            return ["nginx", "-c", self._write("nginx.conf", NGINX.format(**values))]
        if kind == "haproxy":
            return ["haproxy", "-q", "-db", "-f", self._write("haproxy.cfg", HAPROXY.format(**values))]
        if kind == "relay":
            return [compiled("relay"), str(self.port), str(UPLOAD if self.name == "relay echo" else STATIC)]
        if kind == "nghttpx":
            return nghttpx(values)
        if kind == "h2o":
            return ["h2o", "-c", self._write("h2o.conf", H2O.format(**values))]
        if kind == "proxy.py":
            plugin = ["--enable-reverse-proxy", "--plugins", "bench.proxy_py.ToStatic"]
            return [sys.executable, "-m", "proxy", "--port", str(self.port), "--num-workers", "1",
                    "--num-acceptors", "1", "--threaded", "--log-level", "ERROR", *plugin]  # fmt: skip
        return [os.environ["RSP_ANCESTOR"], self._write("ancestor.lua", ancestor(self.port))]

    def _log(self, path: str) -> dict[str, str]:
        """In batches where the proxy can."""
        if self.log == "off":
            return {"rsp_log": '"off"', "nginx_log": "off", "haproxy_log": "", "haproxy_format": ""}
        json = self.log == "json"
        rsp = f'{{ path = "{path}", format = "json" }} metrics = "127.0.0.1:{self.port + 300}"'
        return {
            "rsp_log": rsp if json else f'"{path}"',
            "nginx_log": f"{path} {'fields' if json else 'full'} buffer=64k flush=1s",
            "haproxy_log": "log stdout format raw local0",
            "haproxy_format": HAPROXY_JSON if json else "log global\n  option httplog",
        }

    def _tls(self) -> dict[str, str]:
        """TLS 1.2 and 1.3, session tickets, the client chooses the cipher; the library's curves."""
        if not self.secure:
            nothing = ("rsp_tls", "rsp_certificate", "nginx_tls", "nginx_certificate", "haproxy_tls")
            return dict.fromkeys(nothing, "") | {"scheme": "http"}
        bundle = self.directory.parent / BUNDLE
        alpn = "h2,http/1.1" if self.http2 else "http/1.1"
        return {
            "scheme": "https",
            "rsp_tls": "tls = true, ",
            "rsp_certificate": f'certificate {{ "{bundle}" }}',
            "nginx_tls": "ssl http2" if self.http2 else "ssl",
            "nginx_certificate": f"ssl_certificate {bundle}; ssl_certificate_key {bundle}; "
            f"ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers {CIPHERS};",
            "haproxy_tls": f"ssl crt {bundle} alpn {alpn} ssl-min-ver TLSv1.2 ciphers {CIPHERS} prefer-client-ciphers",
        }

    def _write(self, name: str, text: str) -> str:
        (self.directory / name).write_text(text)
        return str(self.directory / name)

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGINT if self.name.startswith("rsp") else signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
            self.process = None

    def serving(self) -> list[psutil.Process]:
        """The processes that carry the load: workers where there are any."""
        if self.process is None:
            return []
        master = psutil.Process(self.process.pid)
        if self.name.startswith("h2o"):
            return [master]  # its child writes backtraces
        return master.children(recursive=True) or [master]

    def cpu(self) -> tuple[float, float]:
        """Seconds of user and system time so far, of all that serve."""
        user = system = 0.0
        for process in self.serving():
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            user += int(fields[11]) / TICK
            system += int(fields[12]) / TICK
        return user, system

    def rss(self) -> int:
        """Bytes in memory that no other process shares, of all that serve."""
        return sum(process.memory_full_info().uss for process in self.serving())


def ancestor(port: int) -> str:
    return f'listenPort = {port}\nbackendAddress = "127.0.0.1"\nbackendPort = {STATIC}\n'


@contextlib.contextmanager
def backends(directory: Path):
    """A static nginx, the swallowing, echoing backend and what answers gRPC, on the load's core."""
    files = directory / "files"
    files.mkdir(parents=True, exist_ok=True)
    for path, body in BODIES.items():
        (files / path[1:]).write_bytes(body)
    configuration = directory / "backend.conf"
    configuration.write_text(BACKEND.format(directory=directory, descriptors=DESCRIPTORS))
    running = [
        subprocess.Popen(["nginx", "-c", str(configuration)], preexec_fn=pin(LOAD_CORE)),
        subprocess.Popen([compiled("backend"), str(UPLOAD)], preexec_fn=pin(LOAD_CORE)),
    ]
    try:
        wait_for(STATIC)
        wait_for(UPLOAD)
        yield
    finally:
        for process in running:
            process.terminate()
            process.wait(10)


def make_certificate(directory: Path) -> None:
    """ECDSA P-256, with its key, in ``directory``/:data:`BUNDLE`."""
    bundle = str(directory / BUNDLE)
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
               "-subj", "/CN=shop.example.com", "-addext", "subjectAltName=DNS:shop.example.com"]  # fmt: skip
    subprocess.run([*command, "-keyout", f"{bundle}.key", "-out", bundle], check=True, capture_output=True)
    with Path(bundle).open("ab") as out:
        out.write(Path(f"{bundle}.key").read_bytes())


def missing(*programs: str) -> list[str]:
    return [program for program in programs if shutil.which(program) is None]
