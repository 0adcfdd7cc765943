"""The PROXY protocol with nginx and HAProxy: either side of it is theirs."""

import re
import socket
import subprocess
from pathlib import Path

import pytest

from tests.certificates import authority
from tests.harness import Rsp, as_root, free_port, wait_until
from tests.proxied import LOCAL, UNKNOWN, header

CA = authority("Interop CA")
NGINX_STREAM = Path("/usr/lib/nginx/modules/ngx_stream_module.so")

HAPROXY = """global
  stats socket {directory}/haproxy.sock
defaults
  timeout connect 5s
  timeout client 20s
  timeout server 20s
listen v1
  mode tcp
  bind 127.0.0.1:{haproxy_v1}
  server s 127.0.0.1:{plain} send-proxy
listen v2
  mode tcp
  bind 127.0.0.1:{haproxy_v2}
  server s 127.0.0.1:{plain} send-proxy-v2 proxy-v2-options crc32c,unique-id check inter 200ms
listen through
  mode tcp
  bind 127.0.0.1:{haproxy_through}
  server s 127.0.0.1:{tls} send-proxy-v2
listen terminating
  mode http
  bind 127.0.0.1:{haproxy_tls} ssl crt {directory}/site.bundle.pem
  unique-id-format id-%Ts
  server s 127.0.0.1:{plain} send-proxy-v2-ssl-cn proxy-v2-options authority,crc32c,unique-id,ssl-cipher
frontend accepting
  mode http
  bind 127.0.0.1:{accepting} accept-proxy
  bind 127.0.0.1:{accepting_tls} accept-proxy ssl crt {directory}/site.bundle.pem
  http-request return status 200 content-type text/plain lf-string "%[src] %[src_port] %[dst] %[dst_port] [%[fc_pp_authority]] [%[fc_pp_unique_id]]"
"""

NGINX = """load_module {stream}; daemon off; worker_processes 1; pid {directory}/nginx.pid;
error_log {directory}/nginx.log; events {{ }}
stream {{ server {{ listen 127.0.0.1:{nginx_v1}; proxy_pass 127.0.0.1:{plain}; proxy_protocol on; }}
server {{ listen 127.0.0.1:{nginx_through}; proxy_pass 127.0.0.1:{tls}; proxy_protocol on; }} }}
http {{ access_log off; server {{ listen 127.0.0.1:{nginx_accepting} proxy_protocol;
listen 127.0.0.1:{nginx_accepting_tls} ssl proxy_protocol;
ssl_certificate {directory}/site.bundle.pem; ssl_certificate_key {directory}/site.bundle.pem;
set_real_ip_from 127.0.0.1; real_ip_header proxy_protocol; location / {{ return 200
"$remote_addr $remote_port $proxy_protocol_server_addr $proxy_protocol_server_port [] []"; }} }} }}"""

SITE = """{root}
certificate {{ "site.bundle.pem" }}
local here = {{ from = {{ "127.0.0.1" }} }}
listen "127.0.0.1:{plain}" {{ proxy_protocol = here }}
listen "127.0.0.1:{tls}" {{ proxy_protocol = here, tls = true }}
listen "127.0.0.1:{own}"
local secure = {{ ca = "ca.pem", name = "site.example" }}
upstream "haproxy-v1" {{ "127.0.0.1:{accepting}", send_proxy = "v1", health = "/" }}
upstream "haproxy-v2" {{ "127.0.0.1:{accepting}", send_proxy = "v2", health = "/" }}
upstream "haproxy-tls" {{ "127.0.0.1:{accepting_tls}", send_proxy = "v2", tls = secure, health = "/" }}
upstream "nginx-v1" {{ "127.0.0.1:{nginx_accepting}", send_proxy = "v1", health = "/" }}
upstream "nginx-v2" {{ "127.0.0.1:{nginx_accepting}", send_proxy = "v2", health = "/" }}
upstream "nginx-tls" {{ "127.0.0.1:{nginx_accepting_tls}", send_proxy = "v2", tls = secure, health = "/" }}
route {{ respond = {{ body = "", headers = {{ ["X-Client"] = "{{client}}", ["X-Scheme"] = "{{scheme}}" }} }} }}
for _, name in ipairs {{ "haproxy-v1", "haproxy-v2", "haproxy-tls", "nginx-v1", "nginx-v2", "nginx-tls" }} do
  route {{ path = "/" .. name, to = name }}
end
"""
PORTS = (
    "haproxy_v1", "haproxy_v2", "haproxy_through", "haproxy_tls", "accepting", "accepting_tls", "nginx_v1",
    "nginx_through", "nginx_accepting", "nginx_accepting_tls", "plain", "tls", "own",
)  # fmt: skip


@pytest.fixture(scope="module")
def lab(tmp_path_factory, program):
    """rsp between nginx and HAProxy: its ports and theirs."""
    directory = tmp_path_factory.mktemp("interop-proxied")
    directory.chmod(0o755)
    if not NGINX_STREAM.exists():
        program("the stream module of nginx")
    ports = {name: free_port() for name in PORTS}
    places = {**ports, "directory": directory, "stream": NGINX_STREAM, "root": as_root()}
    CA.issue("site.example").write(directory, "site")
    CA.write(directory / "ca.pem")
    started = []
    for name, text, option in (("nginx", NGINX, "-c"), ("haproxy", HAPROXY, "-f")):
        config = directory / f"{name}.conf"
        config.write_text(text.format(**places))
        started.append(subprocess.Popen([program(name), option, str(config)], stderr=subprocess.DEVNULL))
    with Rsp(directory, SITE.format(**places)) as rsp:
        for name in ("haproxy-v1", "haproxy-v2", "haproxy-tls", "nginx-v1", "nginx-v2", "nginx-tls"):
            wait_until(lambda name=name: {each["state"] for each in rsp.peers(name).values()} == {"up"}, name)
        for name in ("haproxy_v1", "haproxy_v2", "nginx_v1"):
            wait_until(lambda name=name: answers(ports[name]), name)
        yield ports, rsp
    for each in started:
        each.terminate()
        each.wait()


def answers(port):
    try:
        return ask(connect(port)).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def connect(port, start=b"", *, tls=False, source=("127.0.0.1", 0)):
    sock = socket.create_connection(("127.0.0.1", port), 30, source)
    sock.sendall(start)
    return CA.trusted().wrap_socket(sock, server_hostname="site.example") if tls else sock


def ask(sock, path="/"):
    with sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while more := sock.recv(65536):
            data += more
    return data


# -- headers of theirs


@pytest.mark.parametrize(
    ("port", "tls", "scheme"),
    [
        ("haproxy_v1", False, b"http"),
        ("haproxy_v2", False, b"http"),
        ("haproxy_through", True, b"https"),
        ("haproxy_tls", True, b"https"),  # which HAProxy says, in the header
        ("nginx_v1", False, b"http"),
        ("nginx_through", True, b"https"),
    ],
)
def test_what_they_send_names_the_client(lab, port, tls, scheme):
    ports, _ = lab
    said = ask(connect(ports[port], tls=tls, source=("127.0.0.77", 0))).lower()
    assert b"\r\nx-client: 127.0.0.77\r\n" in said
    assert b"\r\nx-scheme: " + scheme + b"\r\n" in said


def test_checks_of_haproxy_are_no_failure(lab):
    """It connects, says LOCAL, and leaves."""
    _, rsp = lab
    assert "PROXY header" not in rsp.log


# -- headers of rsp's own


@pytest.mark.parametrize("name", ["haproxy-v1", "haproxy-v2", "haproxy-tls", "nginx-v1", "nginx-v2", "nginx-tls"])
def test_they_understand_what_rsp_sends(lab, name):
    ports, _ = lab
    sock = connect(ports["own"], source=("127.0.0.78", 0))
    source, destination = sock.getsockname(), sock.getpeername()
    assert told(ask(sock, f"/{name}"))[:4] == [source[0], str(source[1]), destination[0], str(destination[1])]
    for start in (header("v1", "192.0.2.7"), header("v2", "2001:db8::7", "2001:db8::1")):
        passed = told(ask(connect(ports["plain"], start), f"/{name}"))
        wanted = ["192.0.2.7", "198.51.100.1"] if start[:1] == b"P" else ["2001:db8::7", "2001:db8::1"]
        assert [passed[0], passed[2]] == wanted
        assert [passed[1], passed[3]] == ["4711", "443"]
    for start in (LOCAL, UNKNOWN):
        assert told(ask(connect(ports["plain"], start), f"/{name}"))[0] == "127.0.0.1"


def told(said):
    assert said.startswith(b"HTTP/1.1 200"), said
    return re.split(r"[\s\[\]]+", said.partition(b"\r\n\r\n")[2].decode())


def test_haproxy_sees_what_another_haproxy_has_added(lab):
    """HAProxy, rsp, HAProxy: authority and unique id arrive; and that of the TLS that ends at rsp."""
    ports, _ = lab
    through = told(ask(connect(ports["haproxy_tls"], tls=True, source=("127.0.0.80", 0)), "/haproxy-v2"))
    assert through[0] == "127.0.0.80"
    assert through[4] == "site.example"
    assert through[5].startswith("id-")
    own = told(ask(connect(ports["haproxy_through"], tls=True, source=("127.0.0.81", 0)), "/haproxy-v2"))
    assert (own[0], own[4]) == ("127.0.0.81", "site.example")
