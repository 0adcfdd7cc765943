"""Real TLS clients and scanners: curl, openssl, gnutls-cli, Python's, Java, a browser, sslscan, testssl.sh."""

import asyncio
import csv
import http.client
import os
import re
import ssl
import subprocess
import urllib.request
import xml.etree.ElementTree as xml

import aiohttp
import httpx
import pytest

from rsp.tls import engine
from tests.certificates import authority
from tests.harness import Backend, Rsp, wait_until
from tests.interop.test_clients import PAGE, PNG, files  # noqa: F401
from tests.over_tls import not_over_tls

pytestmark = not_over_tls("these speak TLS anyway")

SITE = """
listen "127.0.0.1:{port}" { tls = true }
certificate { "ecdsa.bundle.pem" }
certificate { "rsa.bundle.pem" }
certificate { "other.bundle.pem" }
upstream "app" { "%s" }
route { to = "app" }
route { host = "staff.test", to = "app", client_ca = "staff-ca.pem" }
"""
ROOT = authority("Interop root")
CA = ROOT.intermediate("Interop CA")
STAFF = authority("Staff CA")


@pytest.fixture(scope="module")
def backend():
    with Backend() as one:
        yield one


@pytest.fixture(scope="module")
def site(tmp_path_factory, backend):
    directory = tmp_path_factory.mktemp("site")
    names = ("localhost", "shop.test", "*.shop.test", "staff.test", "127.0.0.1")
    CA.issue(*names).write(directory, "ecdsa")
    CA.issue(*names, kind="rsa").write(directory, "rsa")
    CA.issue("other.test").write(directory, "other")
    STAFF.issue("ann@staff.test", subject="ann", client=True).write(directory, "ann")
    STAFF.write(directory / "staff-ca.pem")
    ROOT.write(directory / "ca.pem")
    with Rsp(directory, SITE % backend.address) as rsp:
        yield rsp


def run(*command: object, check: bool = True, data: str = "") -> subprocess.CompletedProcess:
    done = subprocess.run(
        [str(part) for part in command], input=data, capture_output=True, text=True, timeout=60, check=False,
        errors="replace", env={**os.environ, "OPENSSL_CONF": "/dev/null"},
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


# -- curl


def curl(program, site, *flags: str, host: str = "shop.test", check: bool = True) -> subprocess.CompletedProcess:
    command = [
        program("curl"),
        "-sS",
        "-m",
        "20",
        "--cacert",
        site.directory / "ca.pem",
        "--connect-to",
        f"::127.0.0.1:{site.port}",
    ]
    return run(*command, *flags, f"https://{host}/", check=check)


@pytest.mark.parametrize(
    "flags",
    [[], ["--tlsv1.3"], ["--tls-max", "1.2"], ["--tls-max", "1.2", "--ciphers", "ECDHE-RSA-AES256-GCM-SHA384"], ["--http2"], ["--http1.1"],
     ["--no-alpn"], ["-d", "a=b"], ["--no-sessionid"], ["--curves", "P-384"], ["--tls13-ciphers", "TLS_CHACHA20_POLY1305_SHA256"]],
)  # fmt: skip
def test_curl(program, site, flags):
    assert curl(program, site, *flags).stdout == "one"


@pytest.mark.parametrize("flags", [["--tlsv1.0", "--tls-max", "1.1"], ["--tls-max", "1.2", "--ciphers", "AES128-SHA"]])
def test_curl_cannot_use_what_is_not_safe(program, site, flags):
    done = curl(program, site, *flags, check=False)
    assert (done.returncode, done.stdout) == (35, ""), done.stderr


def test_names(program, site):
    assert curl(program, site, host="a.shop.test").stdout == "one"
    assert curl(program, site, host="other.test").stdout == "one"
    assert curl(program, site, host="a.b.shop.test", check=False).returncode == 60  # a wildcard is for one label
    assert curl(program, site, host="stranger.test", check=False).returncode == 60  # the default's names


def test_a_client_certificate(program, site):
    without = curl(program, site, host="staff.test", check=False)
    # TLS 1.3: refused after the client's part of the handshake, while curl writes its request or waits for the response.
    assert without.returncode in (55, 56), without
    ann = ["--cert", str(site.directory / "ann.bundle.pem")]
    assert curl(program, site, *ann, host="staff.test").stdout == "one"
    assert curl(program, site, "--tls-max", "1.2", *ann, host="staff.test").stdout == "one"


def test_plain_http_at_a_tls_port_gets_a_hint(program, site):
    done = run(program("curl"), "-sS", "-i", f"http://127.0.0.1:{site.port}/")
    assert done.stdout.startswith("HTTP/1.1 400 ")
    assert "https" in done.stdout.lower() or "TLS" in done.stdout


# -- openssl and GnuTLS


def s_client(program, site, *flags: str, check: bool = True, data: str = "") -> str:
    command = [
        program("openssl"),
        "s_client",
        "-connect",
        f"127.0.0.1:{site.port}",
        "-CAfile",
        site.directory / "ca.pem",
    ]
    done = run(*command, "-servername", "shop.test", *flags, check=check, data=data)
    return done.stdout + done.stderr


REQUEST = "GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(("version", "name"), [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
def test_s_client(program, site, version, name):
    said = s_client(
        program, site, version, "-ign_eof", "-verify_return_error", "-verify_hostname", "shop.test", data=REQUEST
    )
    assert f"New, {name}, Cipher is " in said
    assert "Verify return code: 0 (ok)" in said
    assert "Secure Renegotiation IS supported" in said or name == "TLSv1.3"
    assert "Compression: NONE" in said
    assert "HTTP/1.1 200 OK" in said
    assert "depth=2 CN = Interop root" in said  # the intermediate authority's certificate came along


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused(program, site, version):
    said = s_client(program, site, version, "-cipher", "DEFAULT@SECLEVEL=0", check=False)
    assert re.search(r"alert (number 70|protocol version)", said), said
    assert "Cipher is (NONE)" in said


def test_the_clients_choice_of_keys(program, site):
    for flags, kind in (("ECDSA+SHA256", "ECDSA"), ("RSA-PSS+SHA256:RSA+SHA256", "RSA-PSS")):
        said = s_client(program, site, "-sigalgs", flags, "-tls1_3")
        assert f"Peer signature type: {kind}" in said


def test_alpn(program, site):
    assert "ALPN protocol: h2" in s_client(program, site, "-alpn", "http/1.1,h2")
    assert "ALPN protocol: http/1.1" in s_client(program, site, "-alpn", "http/1.1")
    said = s_client(program, site, "-alpn", "imap", check=False)
    assert re.search(r"alert (number 120|no application protocol)", said), said


def test_renegotiation_is_refused(program, site):
    said = s_client(program, site, "-tls1_2", data="R\n" + REQUEST, check=False)
    assert re.search(
        "no renegotiation|wrong version number|unexpected eof|:error:", said.partition("RENEGOTIATING")[2]
    ), said


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_s_client_resumes(program, site, tmp_path, version):
    kept = tmp_path / "session"
    s_client(program, site, version, "-ign_eof", "-sess_out", str(kept), data=REQUEST)
    said = s_client(program, site, version, "-ign_eof", "-sess_in", str(kept), data=REQUEST)
    assert "Reused, TLSv1." in said
    assert "Early data was not sent" in said or version == "-tls1_2"


def test_early_data_is_off(program, site, tmp_path):
    kept, early = tmp_path / "session", tmp_path / "early"
    early.write_text(REQUEST)
    said = s_client(program, site, "-tls1_3", "-ign_eof", "-sess_out", str(kept), data=REQUEST)
    assert "Max Early Data: 0" in said
    said = s_client(program, site, "-tls1_3", "-sess_in", str(kept), "-early_data", str(early), check=False)
    assert "Early data was accepted" not in said


@pytest.mark.parametrize(
    ("priority", "good"),
    [("NORMAL", True), ("NORMAL:-VERS-ALL:+VERS-TLS1.2", True), ("NORMAL:-VERS-ALL:+VERS-TLS1.3", True),
     ("SECURE128:%SAFE_RENEGOTIATION", True), ("NORMAL:-GROUP-ALL:+GROUP-SECP256R1", True), ("NORMAL:-KX-ALL:+RSA:-VERS-TLS1.3", False),
     ("LEGACY:-VERS-ALL:+VERS-TLS1.1", False), ("NORMAL:-CIPHER-ALL:+AES-128-CBC:-VERS-TLS1.3", False)],
)  # fmt: skip
def test_gnutls(program, site, priority, good):
    done = run(
        program("gnutls-cli"), "--x509cafile", site.directory / "ca.pem", "--priority", priority, "--port", site.port,
        "--verify-hostname", "shop.test", "--sni-hostname", "shop.test", "--logfile", site.directory / "gnutls.log", "127.0.0.1",
        data=REQUEST, check=False,
    )  # fmt: skip
    said = done.stdout + (site.directory / "gnutls.log").read_text()
    assert ("HTTP/1.1 200 OK" in said) == good, said + done.stderr
    assert ("Handshake was completed" in said) == good


# -- Python


def test_python(site):
    context = ssl.create_default_context(cafile=site.directory / "ca.pem")
    connection = http.client.HTTPSConnection("localhost", site.port, context=context, timeout=20)
    for _ in range(3):
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"one"
    connection.close()
    with urllib.request.urlopen(
        f"https://127.0.0.1:{site.port}/", context=context
    ) as answer:  # by the IP address in it
        assert answer.read() == b"one"


def test_httpx_and_aiohttp_many_at_once(site):
    context = ssl.create_default_context(cafile=site.directory / "ca.pem")
    url = f"https://localhost:{site.port}/"

    async def main() -> None:
        async with httpx.AsyncClient(verify=context, timeout=60) as client:
            answers = await asyncio.gather(*(client.post(url, content=b"x" * number * 1000) for number in range(100)))
            assert {answer.text for answer in answers} == {"one"}
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def one() -> str:
                async with session.get(url) as response:
                    return await response.text()

            assert set(await asyncio.gather(*(one() for _ in range(100)))) == {"one"}

    asyncio.run(main())


# -- Java

JAVA = """
import java.net.URI; import java.net.http.*; import java.security.KeyStore; import java.security.cert.*; import javax.net.ssl.*;
class Client {
  public static void main(String[] arguments) throws Exception {
    var factory = CertificateFactory.getInstance("X.509");
    var store = KeyStore.getInstance(KeyStore.getDefaultType()); store.load(null);
    try (var in = new java.io.FileInputStream(arguments[1])) { store.setCertificateEntry("ca", factory.generateCertificate(in)); }
    var trust = TrustManagerFactory.getInstance("PKIX"); trust.init(store);
    for (String version : new String[] {"TLSv1.2", "TLSv1.3"}) {
      var context = SSLContext.getInstance("TLS"); context.init(null, trust.getTrustManagers(), null);
      var parameters = new SSLParameters(); parameters.setProtocols(new String[] {version});
      var client = HttpClient.newBuilder().sslContext(context).sslParameters(parameters).build();
      for (int number = 0; number < 3; number++) {
        var answer = client.send(HttpRequest.newBuilder(URI.create(arguments[0])).build(), HttpResponse.BodyHandlers.ofString());
        System.out.println(version + " " + answer.sslSession().get().getProtocol() + " " + answer.version() + " " + answer.body());
      }
    }
  }
}
"""


@pytest.mark.soak  # its compiler alone takes longer than the rest of this file
def test_java(site, tmp_path, program):
    program("javac")  # without it, java does not run sources
    source = tmp_path / "Client.java"
    source.write_text(JAVA)
    done = run("java", source, f"https://localhost:{site.port}/", site.directory / "ca.pem", check=False)
    expected = [f"{version} {version} HTTP_1_1 one" for version in ("TLSv1.2", "TLSv1.3") for _ in range(3)]
    assert done.stdout.splitlines() == expected, done.stderr


# -- a browser


@pytest.mark.soak
@pytest.mark.parametrize("images", [50, 1000])
def test_a_page_with_assets_in_a_browser(tmp_path, program, files, images):  # noqa: F811
    www = tmp_path / "www"
    (www / "style.css").write_text("body { color: rgb(1, 2, 3) }")
    (www / "script.js").write_text("var fromScript = 'script';")
    for number in range(images):
        (www / f"{number}.png").write_bytes(PNG)
    (www / "index.html").write_text(PAGE % "".join(f"<img src={number}.png>" for number in range(images)))
    CA.issue("localhost").write(tmp_path, "site")
    with Backend(name="echoed") as backend:
        text = f"""listen "127.0.0.1:{{port}}" {{ tls = true }} certificate {{ "site.bundle.pem" }}
            upstream "files" {{ "127.0.0.1:{files}" }} upstream "echo" {{ "{backend.address}" }}
            route {{ to = "files" }} route {{ path = "/echo", to = "echo" }}"""
        with Rsp(tmp_path, text, workers=2) as rsp:
            done = subprocess.run(
                [program("chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync", "--ignore-certificate-errors",
                 f"--user-data-dir={tmp_path}/profile", "--virtual-time-budget=20000", "--dump-dom", f"https://localhost:{rsp.port}/"],
                capture_output=True, text=True, timeout=600, check=False,
            )  # fmt: skip
            assert f"<title>loaded {images} script echoed rgb(1, 2, 3)</title>" in done.stdout, done.stderr[-2000:]
            wait_until(lambda: rsp.access_log.count(" 200 ") >= images + 4, "the log of it")


# -- scanners


def test_sslscan_finds_nothing(program, site, tmp_path):
    report = tmp_path / "report.xml"
    said = run(
        program("sslscan"), "--sni-name=shop.test", f"--xml={report}", "--no-colour", f"127.0.0.1:{site.port}"
    ).stdout
    found = xml.parse(report).getroot().find("ssltest")
    assert found is not None
    enabled = {f"{one.get('type')} {one.get('version')}" for one in found.iter("protocol") if one.get("enabled") == "1"}
    assert enabled == {"tls 1.2", "tls 1.3"}
    ciphers = {one.get("cipher") or "" for one in found.iter("cipher")}
    assert ciphers
    assert all(re.match(r"TLS_(AES|CHACHA20)|(ECDHE|DHE)-.*(GCM|POLY1305)", cipher) for cipher in ciphers), ciphers
    assert {one.get("strength") for one in found.iter("cipher")} <= {"strong", "acceptable"}
    assert {one.get("vulnerable") for one in found.iter("heartbleed")} == {"0"}
    if engine.COMPLETE:
        groups = {(one.get("name") or "").split()[0].lower() for one in found.iter("group")}
        assert groups - {"x25519mlkem768"} == {"x25519", "secp256r1", "secp384r1"}
    assert found.find("renegotiation").get("supported") == "0"
    assert "Rebuild" in said or found.find("compression").get("supported") == "0"


ALLOWED = {
    "cert_chain_of_trust", "cert_trust", "cert_revocation", "cert_crlDistributionPoints", "cert_ocspURL",
    "cert_notAfter", "cert_expirationStatus", "cert_extlifeSpan", "DNS_CAArecord", "OCSP_stapling", "certificate_transparency", "cert_caIssuers",
    "engine_problem", "HSTS", "HPKP", "banner_server", "security_headers", "LUCKY13", "BREACH", "cert_validityPeriod", "cert_trust_wildcard",
}  # fmt: skip  # of the certificates, which a private authority has made, and of HTTP


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_testssl_finds_nothing(program, site, tmp_path):
    report = tmp_path / "report.csv"
    command = [
        program("testssl", "testssl.sh"),
        "--quiet",
        "--color",
        "0",
        "--warnings",
        "off",
        "--csvfile",
        report,
        "--ip",
        "127.0.0.1",
    ]
    subprocess.run(
        [*map(str, command), f"https://localhost:{site.port}/"], capture_output=True, timeout=800, check=False
    )
    rows = list(csv.DictReader(report.open()))
    assert len(rows) > 50
    findings = [
        row for row in rows
        if row["severity"] not in ("OK", "INFO", "DEBUG") and re.sub(r" ?<.*", "", row["id"]) not in ALLOWED
    ]  # fmt: skip
    assert findings == []
    by_id = {row["id"]: row["finding"] for row in rows}
    assert by_id["TLS1"] == by_id["TLS1_1"] == "not offered"
    assert "offered" in by_id["TLS1_3"]
