"""examples/tls.lua, served for real with certificates of the test's own, and what docs/tls.md says that rsp says."""

import re
import socket
import ssl
import subprocess

import pytest

from rsp.loader import load
from tests.certificates import authority
from tests.harness import Backend, Rsp, exchange, free_port, wait_until
from tests.over_tls import not_over_tls
from tests.paths import ROOT

pytestmark = not_over_tls("it speaks TLS anyway")
CA, STAFF = authority("Example CA"), authority("Example staff CA")


class SecurePeer:
    """``openssl s_server``, which asks for a client certificate; it answers any GET with what it knows of it."""

    def __init__(self, directory):
        self.port = free_port()
        CA.issue("payments.internal", "localhost").write(directory, "payments")
        self._process = subprocess.Popen(
            ["openssl", "s_server", "-quiet", "-accept", str(self.port), "-www", "-Verify", "1", "-verify_return_error",
             "-CAfile", "internal-ca.pem", "-cert", "payments.pem", "-key", "payments.key"],
            cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    directory = tmp_path_factory.mktemp("example")
    (directory / "tls").mkdir()
    CA.issue("shop.example.com", "staff.example.com").write(directory / "tls", "shop")
    for stray in ("shop.pem", "shop.key"):
        (directory / "tls" / stray).unlink()
    CA.issue("example.com").write(directory, "live")
    CA.issue("rsp", client=True).write(directory, "rsp")
    CA.write(directory / "internal-ca.pem")
    STAFF.write(directory / "staff-ca.pem")
    (directory / "staff-ca.crl").write_bytes(STAFF.crl())
    plain = free_port()
    with Backend(name="shop") as shop, SecurePeer(directory) as payments:
        text = (ROOT / "examples" / "tls.lua").read_text()
        for old, new in {
            "0.0.0.0:443": "127.0.0.1:{port}", "0.0.0.0:80": f"127.0.0.1:{plain}", "127.0.0.1:9001": shop.address,
            "payments.internal:8443": f"localhost:{payments.port}", 'health = { path = "/healthz" },': "",
            "/etc/letsencrypt/live/example.com/fullchain.pem": str(directory / "live.pem"),
            "/etc/letsencrypt/live/example.com/privkey.pem": str(directory / "live.key"), "/etc/rsp/": f"{directory}/",
        }.items():  # fmt: skip
            assert old in text
            text = text.replace(old, new)
        with Rsp(directory, text) as rsp:
            rsp.shop, rsp.plain = shop, plain
            yield rsp


def ask(rsp, host, path="/", client=None):
    context = CA.trusted(client=client, directory=rsp.directory)
    command = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    with context.wrap_socket(socket.create_connection(("127.0.0.1", rsp.port), 20), server_hostname=host) as sock:
        sock.sendall(command)
        received = b""
        while more := sock.recv(65536):
            received += more
        return received


def test_sites(example):
    for host in ("example.com", "staff.example.com"):
        client = STAFF.issue("ann", client=True) if host.startswith("staff") else None
        answer = ask(example, host, client=client)
        assert answer.startswith(b"HTTP/1.1 200"), answer
        assert b"\r\nStrict-Transport-Security: max-age=86400\r\n" in answer
    assert b"\r\nX-Staff: CN=ann\r\n" in example.shop.heads[-1]
    assert b"\r\nClient-Cert: :" in example.shop.heads[-1]


def test_a_client_without_a_certificate(example):
    with pytest.raises((ssl.SSLError, ConnectionError)):
        assert ask(example, "staff.example.com") == b""
        raise ConnectionResetError


def test_plain_http_is_redirected(example):
    answer = exchange(example.plain, b"GET /a?b HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 308 ")
    assert b"\r\nLocation: https://example.com:%d/a?b\r\n" % example.port in answer


def test_a_peer_over_tls(example):
    answer = ask(example, "example.com", "/pay/")
    assert answer.startswith(b"HTTP/1.1 200"), answer + example.log.encode()
    assert b"CN = rsp" in answer or b"CN=rsp" in answer  # rsp's certificate, as the peer has seen it


def test_what_the_log_and_rspctl_say(example):
    listed = example.rspctl("certs").stdout
    assert "example.com" in listed
    assert "CN=Example CA" in listed
    assert "364 days" in listed or "365 days" in listed
    exchange(example.port, b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
    subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{example.port}", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"],
                   input=b"", capture_output=True, check=False)  # fmt: skip
    wait_until(lambda: "failed: the client offers TLS 1.1 only" in example.log, "the line")


def blocks():
    """The configurations in docs/tls.md."""
    text = (ROOT / "docs" / "tls.md").read_text()
    return re.findall(r"```lua\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("block", blocks(), ids=range(len(blocks())))
def test_the_configurations_of_the_manual_load(tmp_path, block):
    if "hsts =" in block:  # two settings of the same key
        block = block.replace('hsts = "1d"', "--")
    for wanted, line in {
        'listen "': 'listen "127.0.0.1:1" { tls = true }', "certificate {": 'certificate { "/etc/rsp/tls/*.pem" }',
        'upstream "': 'upstream "app" { "127.0.0.1:1" }', "route {": 'route { to = "app" }',
    }.items():  # fmt: skip
        if wanted not in block:
            block += line + "\n"
    if 'upstream "app"' not in block:
        block += 'upstream "app" { "127.0.0.1:1" }\n'
    (tmp_path / "site.lua").write_text(block)
    load(str(tmp_path / "site.lua"), keys=False)
