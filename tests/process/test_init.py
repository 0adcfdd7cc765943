"""``rsp init`` and ``rsp certificate`` as they are typed: what they write works as it stands."""

import re
import socket
import ssl
import stat
import subprocess
import sys

import pytest
from cryptography import x509

from rsp.commands import certificate
from tests.harness import Rsp, get, run_rsp, wait_until
from tests.ports import free_port

APP = """
def app(environ, start):
    start("200 OK", [("Content-Type", "text/plain")])
    return [b"hi from gunicorn"]
"""


def test_an_application_that_runs_here_is_proxied(tmp_path):
    port = free_port()
    (tmp_path / "app.py").write_text(APP)
    command = [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "--no-control-socket", "app:app"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as server:
        try:
            wait_until(lambda: _listens(port), "gunicorn")
            made = run_rsp(tmp_path, "init")
            assert made.returncode == 0, made.stderr
            assert f"found 127.0.0.1:{port}: gunicorn (process {server.pid}, in {tmp_path})" in made.stderr
            assert "rsp -t site.lua" in made.stderr
            text = (tmp_path / "site.lua").read_text()
            tested = run_rsp(tmp_path, "-t", "site.lua")
            assert tested.returncode == 0, tested.stderr
            assert "requests are answered: ok" in tested.stderr
            assert "docs/" not in text and "rsp man rsp.lua" in text  # pip does not install the documentation
            (tmp_path / "run").mkdir()
            served = re.sub(r'^listen ".*"$', 'listen "127.0.0.1:{port}"', text, flags=re.MULTILINE)
            with Rsp(tmp_path / "run", "\n" + served) as rsp:
                assert b"hi from gunicorn" in get(rsp.port)
        finally:
            server.terminate()


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_file_that_is_there_stays(tmp_path):
    (tmp_path / "site.lua").write_text("-- mine")
    made = run_rsp(tmp_path, "init")
    assert (made.returncode, made.stdout) == (1, "")
    assert made.stderr == "rsp init: site.lua exists and is not overwritten; choose another name: rsp init -o FILE\n"
    (tmp_path / "link.lua").symlink_to("elsewhere.lua")
    assert run_rsp(tmp_path, "init", "-o", "link.lua").returncode == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.lua", "site.lua"]
    assert (tmp_path / "site.lua").read_text() == "-- mine"


def test_files_that_are_here_and_settings_for_editors(tmp_path):
    (tmp_path / "index.html").write_text("hi")
    made = run_rsp(tmp_path, "init", "--editor", "-o", "other.lua")
    assert made.returncode == 0, made.stderr
    assert f'root = "{tmp_path}"' in (tmp_path / "other.lua").read_text()
    assert "annotations" in (tmp_path / ".luarc.json").read_text()
    tested = run_rsp(tmp_path, "-t", "other.lua")
    assert (tested.returncode, "warning" in tested.stderr) == (0, False), tested.stderr


def test_to_standard_output(tmp_path):
    made = run_rsp(tmp_path, "init", "-o", "-")
    assert made.returncode == 0
    assert not list(tmp_path.iterdir())
    assert run_rsp(tmp_path, "-t", "site.lua", text=made.stdout).returncode == 0


def test_https_by_one_command(tmp_path):
    """What it prints is appended to a site.lua, and a client that trusts the certificate is served."""
    site = 'listen "127.0.0.1:{port}" route { respond = { body = "secret" } }\n'
    made = run_rsp(tmp_path, "certificate", "shop.example", "127.0.0.1")
    assert made.returncode == 0, made.stderr
    assert stat.S_IMODE((tmp_path / "shop.example.key").stat().st_mode) == 0o600
    port = free_port()
    lines = re.sub(r'^listen "[^"]*"', f'listen "127.0.0.1:{port}"', made.stdout, flags=re.MULTILINE)
    with Rsp(tmp_path, site + lines):
        trust = ssl.create_default_context(cafile=tmp_path / "shop.example.crt")
        for name in ("shop.example", "127.0.0.1"):
            with (
                socket.create_connection(("127.0.0.1", port)) as plain,
                trust.wrap_socket(plain, server_hostname=name) as client,
            ):
                client.sendall(b"GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
                assert b"".join(iter(lambda client=client: client.recv(4096), b"")).endswith(b"secret")
        with pytest.raises(ssl.SSLCertVerificationError), socket.create_connection(("127.0.0.1", port)) as plain:
            trust.wrap_socket(plain, server_hostname="other.example")


def test_certificates(tmp_path):
    made = run_rsp(tmp_path, "certificate", "localhost", "*.example.com", "--days", "10")
    assert made.returncode == 0, made.stderr
    written = x509.load_pem_x509_certificate((tmp_path / "localhost.crt").read_bytes())
    names = written.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "*.example.com"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert 9 <= (written.not_valid_after_utc - written.not_valid_before_utc).days <= 10
    again = run_rsp(tmp_path, "certificate", "localhost")
    assert (again.returncode, again.stdout) == (1, "")
    assert "localhost.crt exists and is not overwritten" in again.stderr


@pytest.mark.parametrize(
    "wrong", [["a b"], ["../x"], ["-"], ["x", "--days", "0"], ["x\n"], ["a..b"], [], ["127.1"], ["fe80::1%lo"]]
)
def test_hosts_that_are_none(tmp_path, monkeypatch, capsys, wrong):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        certificate.main(wrong)
    assert (ended.value.code, capsys.readouterr().out) == (2, "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("wrong", "instead"),
    [("https://example.com/x", "example.com"), ("example.com:8443", "example.com"), ("[::1]", "::1"),
     ("m\u00fcnchen.example", "xn--mnchen-3ya.example")],
)  # fmt: skip
def test_what_is_meant_by_a_host_that_is_none(capsys, wrong, instead):
    with pytest.raises(SystemExit):
        certificate.main([wrong])
    assert capsys.readouterr().err.endswith(f'got "{wrong}"; write "{instead}"\n')


def test_the_name_of_a_directory_stays_in_its_comment(tmp_path):
    (tmp_path / "a\nerror() b").mkdir()
    made = run_rsp(tmp_path, "certificate", "-d", "a\nerror() b", "example.com")
    assert [line for line in made.stdout.split("\n") if "error()" in line and not line.startswith(("--", "cert"))] == []
