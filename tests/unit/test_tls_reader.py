"""Reading and checking files of TLS: real files, keys that the openssl program makes, and handshakes as the oracle."""

import base64
import itertools
import os
import re
import ssl
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rsp.config.errors import ConfigError
from rsp.lua.evaluate import evaluate
from rsp.system.watch import look
from rsp.tls import inspection, sources
from rsp.tls.material import Keyring, Reading, unpack
from rsp.tls.reader import read, watched
from tests.certificates import DAY, Issued, authority, now
from tests.paths import ROOT
from tests.soak import examples

HEAD = 'listen "0.0.0.0:8443" { tls = true }\nupstream "app" { "127.0.0.1:1" }\n'
CA = authority()
SITE = CA.issue("example.com", "*.example.com")
LONE = "is neither in the file nor known to this system"


@pytest.fixture
def site(tmp_path):
    """Reads what a configuration behind HEAD names; line 3 is its first."""

    def look(text: str, before: Reading | None = None) -> Reading:
        path = tmp_path / "site.lua"
        path.write_text(HEAD + text)
        config, _ = evaluate(str(path))
        return read(config, str(path), before)

    return look


@pytest.fixture
def mistakes(site):
    def look(text: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            site(text)
        return [re.sub(r"^\S*site\.lua", "site.lua", line) for line in caught.value.messages]

    return look


def notes(reading: Reading) -> list[str]:
    """Without those about issuers: no store knows the authority of these tests."""
    return [re.sub(r"^\S*site\.lua", "site.lua", note) for note in reading.notes if LONE not in note]


def keyring(reading: Reading) -> Keyring:
    return unpack(reading.keyring)


def openssl(*arguments: str, cwd: Path) -> None:
    subprocess.run(["openssl", *arguments], cwd=cwd, check=True, capture_output=True)


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> dict:
    """The certificate that the client has verified."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        server.wrap_bio(to_server, to_client, server_side=True),
        client.wrap_bio(to_client, to_server, server_hostname=name),
    ]
    for _ in range(4):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
    return sides[1].getpeercert()


def serves(reading: Reading, tmp_path: Path, name: str, trusted: str) -> dict:
    """What a client of the first certificate gets, by Python's own ssl."""
    chain = keyring(reading).chains[0]
    file = tmp_path / "out.pem"
    file.write_bytes(chain.chain + chain.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return handshake(server, ssl.create_default_context(cadata=trusted), name)


# -- what is good


def test_a_bundle_and_two_files_are_the_same(site, tmp_path):
    bundle = SITE.write(tmp_path, "site")
    one, two = site(f'certificate "{bundle}"'), site('certificate { "site.pem", key = "site.key" }')
    assert keyring(one).chains[0].chain == keyring(two).chains[0].chain == SITE.chain
    assert keyring(one).chains[0].key == keyring(two).chains[0].key == SITE.key()
    assert notes(one) == notes(two) == []
    about = two.described[0]
    assert (about.at, about.file, about.names) == (
        f"{tmp_path}/site.lua:3",
        "site.pem",
        ("example.com", "*.example.com"),
    )
    assert (about.subject, about.issuer, about.kind) == ("CN=example.com", "CN=Test CA", "ecdsa")
    assert about.digest == SITE.fingerprint
    assert about.not_after == SITE.certificate.not_valid_after_utc.timestamp()
    assert two.watch == (f"{tmp_path}/site.pem", f"{tmp_path}/site.key")
    assert two.peers == b""


KEYS = {
    "EC, with its parameters": ["ecparam -genkey -name prime256v1 -out key.pem"],
    "EC, PKCS #8": ["genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out key.pem"],
    "RSA, traditional": ["genrsa -traditional -out key.pem 2048"],
    "RSA, PKCS #8": ["genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem"],
    "RSA, traditional, encrypted": ["genrsa -traditional -aes128 -passout file:pw -out key.pem 2048"],
    "EC, PKCS #8, encrypted": ["genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes-256-cbc -pass file:pw -out key.pem"],
    "EC, traditional, encrypted": ["ecparam -genkey -name prime256v1 -noout -out k", "ec -in k -aes256 -passout file:pw -out key.pem"],
    "Ed25519": ["genpkey -algorithm ED25519 -out key.pem"],
}  # fmt: skip


@pytest.mark.parametrize("how", KEYS)
def test_keys_of_openssl_in_every_form(site, tmp_path, how):
    (tmp_path / "pw").write_text("secret\n")
    for command in KEYS[how]:
        openssl(*command.split(), cwd=tmp_path)
    request = "req -x509 -key key.pem -passin file:pw -subj /CN=a.example -addext subjectAltName=DNS:a.example -days 9"
    openssl(*request.split(), "-out", "cert.pem", cwd=tmp_path)
    reading = site('certificate { "cert.pem", key = "key.pem", password = "pw" }')
    assert notes(reading) == []
    assert b"ENCRYPTED" not in keyring(reading).chains[0].key
    found = serves(reading, tmp_path, "a.example", (tmp_path / "cert.pem").read_text())
    assert found["subjectAltName"] == (("DNS", "a.example"),)
    assert reading.described[0].kind == (
        "ed25519" if how == "Ed25519" else how.partition(",")[0].lower().replace("ec", "ecdsa")
    )


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (2, 0, 1)])
def test_a_chain_in_any_order_is_sent_in_order(site, tmp_path, order):
    issued = CA.intermediate("Lower").intermediate("Lowest").issue("deep.example.com")
    files = [issued.certificate, *issued.above]
    text = b"".join(files[number].public_bytes(serialization.Encoding.PEM) for number in order)
    (tmp_path / "deep.pem").write_bytes(text + issued.key())
    reading = site('certificate "deep.pem"')
    assert keyring(reading).chains[0].chain == issued.chain
    assert [("not in order" in note) for note in notes(reading)] == ([] if order == (0, 1, 2) else [True])
    assert not any(LONE in note for note in reading.notes)
    assert serves(reading, tmp_path, "deep.example.com", CA.pem.decode())


def test_an_issuer_has_signed_what_it_issued(site, tmp_path):
    right, wrong = CA.intermediate("Lower"), authority("Another CA").intermediate("Lower")
    issued = right.issue("deep.example.com")
    (tmp_path / "deep.pem").write_bytes(issued.pem + wrong.pem + right.pem + issued.key())
    reading = site('certificate "deep.pem"')
    assert keyring(reading).chains[0].chain == issued.chain + wrong.pem
    assert "there is a certificate in it that did not issue it: CN=Lower" in notes(reading)[0]


def test_patterns_take_each_file_once_and_sorted(site, tmp_path):
    (tmp_path / "certs").mkdir()
    for name in ("b.example", "a.example", "c.example"):
        (tmp_path / "certs" / f"{name}.pem").write_bytes((made := CA.issue(name)).chain + made.key())
    (tmp_path / "certs" / "folder.pem").mkdir()
    for pattern in ("certs/*.pem", f"{tmp_path}/certs/?.example.pem"):
        reading = site(f'certificate "{pattern}"')
        assert [about.names for about in reading.described] == [("a.example",), ("b.example",), ("c.example",)]
        assert reading.described[0].file == pattern.replace("*", "a.example").replace("?", "a")
        assert reading.watch == (str(tmp_path / pattern),)


def test_a_name_with_brackets_is_no_pattern_where_there_is_such_a_file(site, tmp_path):
    (tmp_path / "a[1].pem").write_bytes(SITE.chain + SITE.key())
    assert site('certificate "a[1].pem"').described[0].file == "a[1].pem"


def test_nothing_is_read_and_nothing_is_imported_without_tls(tmp_path):
    """Reloads of a configuration without TLS, and masters, do not pay for what they do not use."""
    (tmp_path / "site.lua").write_text('listen "0.0.0.0:1"  upstream "app" { "127.0.0.1:1" }')
    code = (
        "import sys, rsp.cli, rsp.master\nfrom rsp.lua.evaluate import evaluate\nfrom rsp.tls.reader import read\n"
        "print(read(evaluate('site.lua')[0], 'site.lua').keyring, [n for n in sys.modules if n.startswith('cryptography')])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout == "b'' []\n", done.stderr


# -- what is not


def write_all(tmp_path: Path) -> None:
    SITE.write(tmp_path, "site")
    CA.issue("rsa.example", kind="rsa").write(tmp_path, "rsa")
    CA.issue("enc.example").write(tmp_path, "enc", b"secret")
    CA.write(tmp_path / "ca.pem")
    (tmp_path / "crl.pem").write_bytes(CA.crl())
    (tmp_path / "wrong").write_text("nope\n")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "site.der").write_bytes(SITE.der)
    (tmp_path / "text").write_text("a certificate, honestly")
    (tmp_path / "half.pem").write_bytes(SITE.chain[:-40])
    (tmp_path / "torn.pem").write_bytes(SITE.chain.replace(b"M", b"N", 1) + SITE.key())
    for label in ("CERTIFICATE REQUEST", "TRUSTED CERTIFICATE", "PKCS7", "PUBLIC KEY", "OPENSSH PRIVATE KEY", "X Y"):
        (tmp_path / label.replace(" ", "-")).write_text(f"-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n")
    other = Issued(SITE.certificate, ec.generate_private_key(ec.SECP256R1()))
    (tmp_path / "other.key").write_bytes(other.key())
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    os.mknod(tmp_path / "socket", stat.S_IFSOCK | 0o600)
    for name, form in (("site.key.der", ["pkcs8", "-topk8", "-nocrypt", "-outform", "der"]),
                       ("site.p12", ["pkcs12", "-export", "-in", "site.pem", "-passout", "pass:"])):  # fmt: skip
        openssl(*form, "-in" if form[0] == "pkcs8" else "-inkey", "site.key", "-out", name, cwd=tmp_path)


BAD = [
    ('certificate "nope.pem"', 'site.lua:3: certificate "nope.pem": there is no such file (/'),
    ('certificate { "site.pem", key = "nope" }', 'site.lua:3: certificate "site.pem": key "nope": there is no such file (/'),
    ('certificate { "enc.bundle.pem", password = "s3cret" }', 'site.lua:3: certificate "enc.bundle.pem": password: there is no such file; expected the name of the file that has it'),
    ('certificate "*.nothing"', 'certificate "*.nothing": no file matches; tls = true needs a certificate'),
    ('certificate "site.pem"', 'there is no private key in it; append the key, or name its file:  key = "FILE"'),
    ('certificate { "site.pem", key = "rsa.key" }', "the key does not fit: it is for RSA, the certificate for ECDSA"),
    ('certificate { "site.pem", key = "other.key" }', "the key does not fit: it belongs to another certificate than this one for CN=example.com"),
    ('certificate { "site.key", key = "site.pem" }', 'this is the key, and "site.pem" is the certificate; exchange them'),
    ('certificate { "site.pem", key = "rsa.pem" }', 'key "rsa.pem": there is no private key in it, but a certificate'),
    ('certificate "enc.bundle.pem"', 'the key is encrypted; add  password = "FILE"  with the file that has its password'),
    ('certificate { "enc.bundle.pem", password = "wrong" }', "the password of the key is wrong, or the key is damaged"),
    ('certificate { "enc.bundle.pem", password = "empty" }', 'password "empty": it is empty'),
    ('certificate "empty"', "it is empty"),
    ('certificate "text"', "it is not PEM: it has no line  -----BEGIN ...-----"),
    ('certificate "site.der"', "it is not PEM; convert it:  openssl x509 -inform der -in FILE -out OTHER"),
    ('certificate { "site.pem", key = "site.key.der" }', "it is not PEM; convert it:  openssl pkey -inform der -in FILE -out OTHER"),
    ('certificate "site.p12"', "it is not PEM; convert it:  openssl pkcs12 -in FILE -out OTHER"),
    ('certificate { "site.pem", key = "*.nothing" }', "/*.nothing); a key is one file, or in the certificate's own"),
    ('certificate "socket"', "expected a file, but it is a pipe, a socket or a device"),
    ('certificate "half.pem"', "it ends within a block (CERTIFICATE); is it still being written?"),
    ('certificate "torn.pem"', "certificate number 1 in it is damaged, or of an unknown kind"),
    ('certificate "fifo"', "expected a file, but it is a pipe, a socket or a device"),
    ('certificate "folder"', "it is a directory; write the name of a file in it, or a pattern for certificates with "
                             "their keys: "),
    ('certificate "/dev/zero"', "expected a file, but it is a pipe, a socket or a device"),
    ('certificate { "CERTIFICATE-REQUEST", key = "site.key" }', "it contains a certificate request, not a certificate"),
    ('certificate { "TRUSTED-CERTIFICATE", key = "site.key" }', "convert it:  openssl x509 -in FILE -out OTHER"),
    ('certificate { "PKCS7", key = "site.key" }', "convert it:  openssl pkcs7 -print_certs"),
    ('certificate { "X-Y", key = "site.key" }', "there is no certificate in it, but a block that is of another kind"),
    ('certificate { "site.pem", key = "PUBLIC-KEY" }', "it has a public key, where the private one is needed"),
    ('certificate { "site.pem", key = "OPENSSH-PRIVATE-KEY" }', "convert it:  ssh-keygen -p -m PEM -f FILE"),
    ('certificate "site.bundle.pem"\nroute { to = "app",\n  client_ca = "nope.pem" }', 'site.lua:5: route: client_ca "nope.pem": there is no such file'),
    ('certificate "site.bundle.pem"\nroute { to = "app", client_ca = "crl.pem" }', "there is no certificate in it, but a revocation list"),
    ('certificate "site.bundle.pem"\nroute { to = "app", client_ca = "ca.pem",\n client_crl = "ca.pem" }', 'site.lua:5: route: client_crl "ca.pem": there is no revocation list (X509 CRL) in it, but a certificate'),
    ('certificate "site.bundle.pem"\nupstream "x" {\n "h:1",\n tls = { ca = "text" } }\nroute { to = "x" }', 'site.lua:6: upstream "x": tls: ca "text": it is not PEM'),
    ('certificate "site.bundle.pem"\nupstream "x" { "h:1", tls = { certificate = "site.pem" } }\nroute { to = "x" }', 'site.lua:4: upstream "x": tls: certificate "site.pem": there is no private key in it'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), BAD, ids=[text[:60] for text, _ in BAD])
def test_what_is_bad_is_named_with_its_line_and_what_to_do(mistakes, tmp_path, text, expected):
    write_all(tmp_path)
    found = mistakes(text)
    assert len(found) == 1
    assert expected in found[0] and "s3cret" not in found[0]


def test_all_mistakes_are_found_at_once(mistakes, tmp_path):
    write_all(tmp_path)
    text = "\n".join(line for line, _ in BAD[:8])
    assert [line.split(":")[1] for line in mistakes(text)] == [str(number) for number in range(3, 11) if number != 6]


WEAK = {
    "RSA with 1024 bits": ("OpenSSL refuses it: the certificate's key is too small; have one issued for ECDSA P-256 or RSA", ["req -x509 -newkey rsa:1024 -nodes"]),
    "SHA-1": (
        "OpenSSL refuses it: the certificate is signed with a digest that is too weak; have one issued for",
        ["req -newkey rsa:2048 -nodes", "x509 -req -sha1 -CA ca.pem -CAkey ca.key"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", WEAK)
def test_what_openssl_does_not_take_is_an_error(mistakes, tmp_path, how):
    expected, commands = WEAK[how]
    CA.write(tmp_path / "ca.pem")
    (tmp_path / "ca.key").write_bytes(Issued(CA.certificate, CA.private).key())
    if len(commands) == 1:
        openssl(*commands[0].split(), "-keyout", "k.pem", "-subj", "/CN=x.example", "-out", "c.pem", cwd=tmp_path)
    else:
        openssl(*commands[0].split(), "-keyout", "k.pem", "-subj", "/CN=x.example", "-out", "c.csr", cwd=tmp_path)
        openssl(*commands[1].split(), "-in", "c.csr", "-out", "c.pem", cwd=tmp_path)
    if takes(tmp_path / "c.pem", tmp_path / "k.pem"):
        pytest.skip(f"{ssl.OPENSSL_VERSION} serves it")  # 3.6 leaves SHA-1 to the clients
    assert expected in mistakes('certificate { "c.pem", key = "k.pem" }')[0]


def takes(certificate: Path, key: Path) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except ssl.SSLError:
        return False
    return True


def test_a_key_whose_parts_do_not_belong_together_is_damaged(mistakes, tmp_path):
    issued = CA.issue("example.com", kind="rsa")
    parts = issued.private.private_numbers()
    d, dmp1 = parts.d ^ 2, parts.dmp1 ^ 2  # one alone is made up for by the other
    wrong = rsa.RSAPrivateNumbers(parts.p, parts.q, d, dmp1, parts.dmq1, parts.iqmp, parts.public_numbers)
    damaged_key = Issued(issued.certificate, wrong.private_key(unsafe_skip_rsa_key_validation=True)).key()
    (tmp_path / "x.pem").write_bytes(issued.chain + damaged_key)
    assert "the key is damaged: what it signs is not valid" in mistakes('certificate "x.pem"')[0]


def without_roots_rights(work: Callable[[], str]) -> str:
    """In a process of its own: one whose user has changed may never be dumped or traced again."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if os.geteuid() == 0:
                os.seteuid(65534)  # so files that root has made are another user's
            os.write(writing, work().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        said = file.read()
    os.waitpid(pid, 0)
    return said


@pytest.mark.parametrize(
    ("what", "declared", "expected"),
    [
        ("site.key", '{ "certs/site.pem", key = "certs/site.key" }', "may not read"),
        (".", '{ "certs/site.pem", key = "certs/site.key" }', "may not enter"),
        (".", '"certs/*.bundle.pem"', "may not read"),  # and not: no file matches
        (".", '"links/*.pem"', "may not enter"),  # as those in certbot's folders
    ],
)
def test_which_right_is_missing(tmp_path, what, declared, expected):
    (tmp_path / "certs").mkdir()
    SITE.write(tmp_path / "certs", "site")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "site.pem").symlink_to("../certs/site.bundle.pem")
    own = itertools.takewhile(lambda folder: folder.name.startswith(("pytest-", "popen-")), tmp_path.parents)
    for folder in (tmp_path / "certs", tmp_path, *own):  # pytest's are its user's alone
        folder.chmod(0o755)
    (tmp_path / "site.lua").write_text(f"{HEAD}certificate {declared}")
    config, _ = evaluate(str(tmp_path / "site.lua"))
    (tmp_path / "certs" / what).chmod(0)

    def mistake() -> str:
        with pytest.raises(ConfigError) as caught:
            read(config, str(tmp_path / "site.lua"))
        return str(caught.value)

    found = without_roots_rights(mistake)
    (tmp_path / "certs" / what).chmod(0o755)
    assert f'user "nobody" {expected} ' in found or os.geteuid() != 0
    assert f"{expected} {tmp_path / 'certs' / what} (mode 0000, owner" in found
    assert "start rsp as root (workers drop root's rights after the keys are read)" in found


# -- what a user has to know


def test_warnings(site, tmp_path):
    CA.issue("old.example", begins=-9, ends=-1).write(tmp_path, "old")
    CA.issue("new.example", begins=1, ends=9).write(tmp_path, "new")
    CA.issue(subject="common.example").write(tmp_path, "common")
    CA.issue(subject="No Host At All").write(tmp_path, "nameless")
    CA.issue("client.example", client=True).write(tmp_path, "client")
    CA.issue("staple.example", must_staple=True).write(tmp_path, "staple")
    stray = CA.issue("stray.example")
    (tmp_path / "stray.pem").write_bytes(stray.chain + authority("Another CA").pem + stray.key())
    names = ("old", "new", "common", "nameless", "client", "staple")
    text = "\n".join(f'certificate "{name}.bundle.pem"' for name in names) + '\ncertificate "stray.pem"\n'
    found = notes(site(text))
    begins, ends = now() + DAY, now() - DAY
    assert found == [
        f'site.lua:3: warning: certificate "old.bundle.pem": expired on {ends:%Y-%m-%d}',
        f'site.lua:4: warning: certificate "new.bundle.pem": it is not valid before {begins:%Y-%m-%d %H:%M} UTC',
        'site.lua:5: warning: certificate "common.bundle.pem": it has no subjectAltName, so it is taken to be for its '
        'common name "common.example"; browsers refuse it',
        'site.lua:6: warning: certificate "nameless.bundle.pem": it is for no host name; clients only get it if there is no other',
        'site.lua:7: warning: certificate "client.bundle.pem": it is not meant for servers (extendedKeyUsage), so clients refuse it',
        'site.lua:8: warning: certificate "staple.bundle.pem": it demands an OCSP response in each handshake (must-staple), '
        "but names no responder",
        'site.lua:9: warning: certificate "stray.pem": there is a certificate in it that did not issue it: '
        "CN=Another CA; leave out what is not of its chain",
    ]  # fmt: skip


def test_a_chain_without_its_issuer_is_warned_of(site, tmp_path):
    issued = CA.intermediate("Lower").issue("deep.example.com")
    (tmp_path / "lone.pem").write_bytes(issued.pem + issued.key())
    (note,) = site('certificate "lone.pem"').notes
    assert "its issuer CN=Lower is neither in the file nor known to this system: append the intermediate" in note
    issued.write(tmp_path, "whole")
    assert site('certificate "whole.bundle.pem"').notes == ()


def test_an_expired_issuer_is_warned_of(site, tmp_path):
    issued = CA.intermediate("Lower").issue("deep.example.com")
    old = (
        x509.CertificateBuilder(subject_name=issued.above[0].subject, issuer_name=CA.certificate.subject)
        .public_key(issued.above[0].public_key()).serial_number(7)
        .not_valid_before(now() - 9 * DAY).not_valid_after(now() - DAY).sign(CA.private, hashes.SHA256())
    )  # fmt: skip
    (tmp_path / "x.pem").write_bytes(issued.pem + old.public_bytes(serialization.Encoding.PEM) + issued.key())
    assert f"CN=Lower in its chain expired on {now() - DAY:%Y-%m-%d}" in site('certificate "x.pem"').notes[0]


def test_names_that_two_certificates_of_a_kind_are_for(site, tmp_path):
    SITE.write(tmp_path, "a")
    CA.issue("example.com", "www.example.com", number=1).write(tmp_path, "b")
    CA.issue("example.com", kind="rsa").write(tmp_path, "c")
    SITE.write(tmp_path, "d")
    text = "\n".join(f'certificate "{name}.bundle.pem"' for name in "abcd")
    found = notes(site(text))
    at = f"{tmp_path}/site.lua:3"
    assert found == [
        f'site.lua:4: warning: certificate "b.bundle.pem" is not used for example.com: "a.bundle.pem" ({at}), which comes '
        "first, is for the same",
        f'site.lua:6: warning: certificate "d.bundle.pem": the same as "a.bundle.pem" ({at}); leave one of them out',
    ]


def test_hosts_of_routes_that_no_certificate_is_for(site, tmp_path):
    CA.issue("example.com", "*.example.com", "10.0.0.1", "deep.a.org").write(tmp_path, "a")
    hosts = (
        "example.com",
        "www.EXAMPLE.com",
        "a.b.example.com",
        "*.example.com",
        "10.0.0.1",
        "*.org",
        "*.net",
        "org",
        "*",
        "example.*",
        "shop.*",
    )
    routes = "\n".join(f'route {{ host = "{host}", to = "app" }}' for host in hosts)
    found = notes(site(f'certificate "a.bundle.pem"\n{routes}'))
    tail = 'clients that ask for it get "a.bundle.pem"'
    assert found == [
        f"site.lua:6: warning: route: no certificate is for a.b.example.com; {tail}",
        f"site.lua:10: warning: route: no certificate is for *.net; {tail}",
        f"site.lua:11: warning: route: no certificate is for org; {tail}",
        f"site.lua:14: warning: route: no certificate is for shop.*; {tail}",
    ]
    assert "are refused" in notes(site(f'certificate "a.bundle.pem"\n{routes}\ntls = {{ strict_sni = true }}'))[0]


def test_what_is_said_of_authorities_and_lists(site, tmp_path):
    SITE.write(tmp_path, "site")
    (tmp_path / "ca.pem").write_bytes(b"# ours\n" + CA.pem + SITE.key() + SITE.pem)
    (tmp_path / "crl.pem").write_bytes(authority("Another CA").crl(ends=-0.5))
    reading = site('certificate "site.bundle.pem"\nroute { to = "app", client_ca = "ca.pem", client_crl = "crl.pem" }')
    assert notes(reading) == [
        'site.lua:4: warning: route: client_ca "ca.pem": CN=example.com is not a certificate authority '
        "(basicConstraints): only the certificate itself is accepted, not certificates that it has issued",
        f'site.lua:4: warning: route: client_crl "crl.pem": the list of CN=Another CA expired on {now() - DAY / 2:%Y-%m-%d}; '
        "certificates of that authority are refused",
        'site.lua:4: warning: route: client_crl "crl.pem": it has no list of CN=Test CA in "ca.pem", so certificates '
        "that this one has issued are refused",
    ]
    assert keyring(reading).authorities["ca.pem"] == CA.pem + SITE.pem  # the key that is in there stays there
    (tmp_path / "ca.pem").write_bytes(CA.pem + CA.intermediate("Sub CA").pem)
    (tmp_path / "crl.pem").write_bytes(CA.crl())
    (said,) = notes(
        site('certificate "site.bundle.pem"\nroute { to = "app", client_ca = "ca.pem", client_crl = "crl.pem" }')
    )
    assert 'no list of CN=Sub CA in "ca.pem"' in said


def test_what_is_for_peers(site, tmp_path):
    CA.write(tmp_path / "ca.pem")
    CA.issue("rsp", client=True).write(tmp_path, "own")
    SITE.write(tmp_path, "site")
    reading = site(
        'certificate "site.bundle.pem"\n'
        'upstream "x" { "h:1", tls = { ca = "ca.pem", certificate = "own.pem", key = "own.key" } }\n'
        'upstream "y" { "h:1", tls = { certificate = "own.bundle.pem" } }\nroute { to = "x" }'
    )
    assert notes(reading) == []
    whole, peers = keyring(reading), unpack(reading.peers)
    assert set(whole.own) == {("own.pem", "own.key"), ("own.bundle.pem", "own.bundle.pem")}
    assert (peers.own, peers.authorities, peers.chains) == (whole.own, {"ca.pem": CA.pem}, ())
    assert [about.at.rpartition(":")[2] for about in reading.described] == ["3", "4", "5"]


def test_what_a_responder_is_asked_with(site, tmp_path):
    CA.intermediate("Lower").issue("a.example", responder="http://127.0.0.1:9/ocsp").write(tmp_path, "a")
    about = site('certificate "a.bundle.pem"').described[0]
    assert about.responder == "http://127.0.0.1:9/ocsp"
    assert [x509.load_der_x509_certificate(der).subject.rfc4514_string() for der in about.chain] == [
        "CN=a.example",
        "CN=Lower",
    ]


# -- bounds


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (SITE.chain + b"\n" * (1 << 20), "it is larger than 1024 KB"),
        (b"-----BEGIN A-----\n-----END A-----\n" * 2001, "it has more than 2000 certificates, keys or lists"),
        (b"-----BEGIN A-----\n" * 50_000, "it ends within a block (of another kind)"),
        (SITE.chain + SITE.key() * 9, "it has 9 private keys; at most 8 are read"),
        (SITE.chain + b"".join(CA.issue(f"{n}.example").pem for n in range(16)) + SITE.key(), "it has 17 certificates, and all"),
        (b"\0" * 1000, "it is not PEM"),
    ],
)  # fmt: skip
def test_sizes_and_counts_are_bounded(mistakes, tmp_path, content, expected):
    (tmp_path / "x.pem").write_bytes(content)
    assert expected in mistakes('certificate "x.pem"')[0]


def test_the_number_of_files_is_bounded(mistakes, tmp_path, monkeypatch):
    for number in range(4):
        SITE.write(tmp_path, f"{number}")
    monkeypatch.setattr(inspection, "_MOST_CHAINS", 3)
    assert "there are more than 3 certificates" in mistakes('certificate "*.bundle.pem"')[0]
    monkeypatch.setattr(sources, "MOST_FILES", 2)
    assert "it matches 4 files; at most 2 are read" in mistakes('certificate "*.bundle.pem"')[0]


def test_the_number_of_notes_is_bounded(site, tmp_path, monkeypatch):
    monkeypatch.setattr(inspection, "_MOST_NOTES", 3)
    for number in range(5):
        CA.issue(f"{number}.example", ends=-1, begins=-9).write(tmp_path, f"{number}")
    reading = site('certificate "*.bundle.pem"')
    assert len(reading.described) == 5
    assert [note.partition(":")[0] for note in reading.notes[3:]] == ["7 more warnings of TLS are not shown"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [(b"\xff.pem", r"\udcff.pem"), (b"a\nb.pem", r"a\nb.pem"), ("a\u202eb.pem".encode(), r"a\u202eb.pem")],
)
def test_names_of_files_that_no_line_can_show(mistakes, tmp_path, name, shown):
    (tmp_path / os.fsdecode(name)).write_bytes(SITE.chain + SITE.key())
    (found,) = mistakes('certificate "*.pem"')
    assert found.endswith(f'certificate "{shown}": its name has control characters, or is not UTF-8; rename it')


def test_a_file_that_no_line_can_show_keeps_no_other_from_use(site, tmp_path):
    text = 'certificate "*.bundle.pem"'
    SITE.write(tmp_path, "a")
    before = site(text)
    (tmp_path / "b\n.bundle.pem").write_bytes(b"x")
    CA.issue("c.example").write(tmp_path, "c")
    after = site(text, before)
    assert [about.file for about in after.described] == ["a.bundle.pem", "c.bundle.pem"]
    assert len(notes(after)) == 1


def test_a_pattern_below_this_folder_finds_what_was_read_before(site, tmp_path):
    SITE.write(tmp_path, "a")
    before = site('certificate "./*.bundle.pem"')
    (tmp_path / "a.bundle.pem").unlink()
    after = site('certificate "./*.bundle.pem"', before)
    assert [about.digest for about in after.described] == [SITE.fingerprint]


def test_a_folder_with_brackets_is_no_pattern(tmp_path):
    folder = tmp_path / "site[1]"
    folder.mkdir()
    SITE.write(folder, "a")
    path = folder / "site.lua"
    path.write_text(HEAD + 'certificate "*.bundle.pem"')
    config, _ = evaluate(str(path))
    reading = read(config, str(path))
    assert [about.file for about in reading.described] == ["a.bundle.pem"]
    assert [Path(file).name for file, *_ in look(watched(config, str(path)))] == ["a.bundle.pem"]


DAMAGES = {
    "version": (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x42"),  # of the certificate: 67
    "feature": (b"\x30\x03\x02\x01\x05", b"\x30\x03\x02\x01\x07"),  # of TLS: 7
}


@pytest.mark.parametrize("how", DAMAGES)
def test_one_damaged_certificate_keeps_no_other_from_use(site, tmp_path, how):
    good, bad = CA.issue("a.example"), CA.issue("b.example", must_staple=True, responder="http://127.0.0.1:1/")
    good.write(tmp_path, "a")
    bad.write(tmp_path, "b")
    text = 'certificate "*.bundle.pem"'
    before = site(text)
    assert bad.der.count(DAMAGES[how][0]) == 1
    damaged = base64.encodebytes(bad.der.replace(*DAMAGES[how]))
    (tmp_path / "b.bundle.pem").write_bytes(
        b"-----BEGIN CERTIFICATE-----\n" + damaged + b"-----END CERTIFICATE-----\n" + bad.key()
    )
    CA.issue("a.example", number=1).write(tmp_path, "a")
    after = site(text, before)
    assert after.described[0].digest == CA.issue("a.example", number=1).fingerprint


def test_when_another_reading_says_something_else(site, tmp_path):
    begins, ends = CA.issue("example.com", begins=1), CA.issue("example.com", ends=2)
    ends.write(tmp_path, "site")
    before = site(TEXT)
    assert before.due == ends.certificate.not_valid_after_utc.timestamp()
    begins.write(tmp_path, "site")
    after = site(TEXT, before)
    assert after.described[0].digest == ends.fingerprint
    assert after.due == begins.certificate.not_valid_before_utc.timestamp()


def test_a_list_that_ends_calls_for_another_reading(site, tmp_path):
    SITE.write(tmp_path, "site")
    CA.write(tmp_path / "ca.pem")
    (tmp_path / "ca.crl").write_bytes(CA.crl(ends=0.5))
    reading = site(f'{TEXT}\nroute {{ to = "app", client_ca = "ca.pem", client_crl = "ca.crl" }}')
    assert abs(reading.due - (now() + DAY / 2).timestamp()) < 60


# -- renewals

TEXT = 'certificate { "site.pem", key = "site.key" }'
NEWER = CA.issue("example.com", "*.example.com", number=1, ends=500)


def test_nothing_changes_where_nothing_has_changed(site, tmp_path, monkeypatch):
    SITE.write(tmp_path, "site")
    before = site(TEXT)
    monkeypatch.setattr(inspection.Inspection, "_try", lambda *_: pytest.fail("what is known is tried again"))
    assert site(TEXT, before) == before


def test_a_renewed_certificate_is_used(site, tmp_path):
    SITE.write(tmp_path, "site")
    before = site(TEXT)
    NEWER.write(tmp_path, "site")
    after = site(TEXT, before)
    assert after.described[0].digest == NEWER.fingerprint != before.described[0].digest
    assert notes(after) == []


def spoil(folder: Path, issued: Issued) -> None:
    issued.write(folder, "site")


def spoil_key(folder: Path) -> None:
    (folder / "site.key").write_bytes(Issued(SITE.certificate, ec.generate_private_key(ec.SECP256R1())).key())


SPOILT = {
    "key": (spoil_key, '"site.pem" is not used: the key does not fit: it belongs to another certificate than'),
    "half": (
        lambda folder: (folder / "site.pem").write_bytes(NEWER.chain[:-40]),
        "is not used: it ends within a block",
    ),
    "empty": (lambda folder: (folder / "site.key").write_bytes(b""), 'is not used: key "site.key": it is empty'),
    "expired": (
        lambda folder: spoil(folder, CA.issue("example.com", begins=-9, ends=-1)),
        "is not used: the new one expired on ",
    ),
    "too early": (
        lambda folder: spoil(folder, CA.issue("example.com", begins=1)),
        "is not used: the new one is not valid before ",
    ),
    "gone": (lambda folder: (folder / "site.pem").unlink(), '"site.pem": there is no such file'),
    "key gone": (lambda folder: (folder / "site.key").unlink(), '"site.pem": key "site.key": there is no such file'),
}


@pytest.mark.parametrize("how", SPOILT)
def test_what_is_bad_now_leaves_the_old_one_in_use(site, tmp_path, how):
    spoil, expected = SPOILT[how]
    SITE.write(tmp_path, "site")
    before = site(TEXT)
    spoil(tmp_path)
    after = site(TEXT, before)
    assert [chain.chain + chain.key for chain in keyring(after).chains] == [SITE.chain + SITE.key()]
    (note,) = notes(after)
    assert expected in note
    assert note.startswith('site.lua:3: certificate "site.pem"')
    until = f"valid until {SITE.certificate.not_valid_after_utc:%Y-%m-%d}"
    assert note.endswith(f"stays in use, {until}" if "gone" in how else f"; the one that is {until} stays in use")
    assert after.described[0].problem.startswith("not renewed: ")
    again = site(TEXT, after)
    assert again == after  # so it is said once
    NEWER.write(tmp_path, "site")
    mended = site(TEXT, again)
    assert (mended.described[0].digest, notes(mended)) == (NEWER.fingerprint, [])
    assert not mended.described[0].problem.startswith("not renewed")


def test_an_expired_certificate_may_follow_an_expired_one(site, tmp_path):
    old, new = (CA.issue("example.com", begins=-9, ends=ends) for ends in (-2, -1))
    old.write(tmp_path, "site")
    before = site(TEXT)
    new.write(tmp_path, "site")
    after = site(TEXT, before)
    assert after.described[0].digest == new.fingerprint
    assert [note.split(": ")[-1][:10] for note in notes(after)] == ["expired on"]


def test_files_of_a_pattern_come_and_go(site, tmp_path):
    text = 'certificate "*.bundle.pem"'
    SITE.write(tmp_path, "b")
    before = site(text)
    CA.issue("a.example").write(tmp_path, "a")
    (tmp_path / "c.bundle.pem").write_bytes(b"not yet")
    after = site(text, before)
    assert [about.file for about in after.described] == ["a.bundle.pem", "b.bundle.pem"]
    assert notes(after) == [
        'site.lua:3: certificate "c.bundle.pem" is not used: it is not PEM: it has no line  -----BEGIN ...-----'
    ]
    for name in "abc":
        (tmp_path / f"{name}.bundle.pem").unlink()
    last = site(text, after)
    assert [about.file for about in last.described] == ["a.bundle.pem", "b.bundle.pem"]
    assert [note.split(";")[-1][:33] for note in notes(last)] == [" the previous certificate stays i"] * 2


def test_authorities_that_are_bad_now_stay_as_they_were(site, tmp_path):
    SITE.write(tmp_path, "site")
    CA.write(tmp_path / "ca.pem")
    text = 'certificate "site.bundle.pem"\nroute { to = "app", client_ca = "ca.pem" }'
    before = site(text)
    (tmp_path / "ca.pem").write_bytes(CA.pem[:-50])
    after = site(text, before)
    assert keyring(after).authorities == {"ca.pem": CA.pem}
    assert notes(after) == [
        'site.lua:4: route: client_ca "ca.pem" is not used: it ends within a block (CERTIFICATE); is it still being '
        "written?; its previous content stays in use"
    ]
    authority("Another CA").write(tmp_path / "ca.pem")
    assert keyring(site(text, after)).authorities == {"ca.pem": authority("Another CA").pem}


def test_a_file_that_grows_byte_by_byte_is_old_or_new_but_never_wrong(site, tmp_path):
    SITE.write(tmp_path, "site")
    before = site('certificate "site.bundle.pem"')
    whole = NEWER.chain + NEWER.key()
    for end in range(0, len(whole) + 1, 23):
        (tmp_path / "site.bundle.pem").write_bytes(whole[:end])
        (chain,) = keyring(site('certificate "site.bundle.pem"', before)).chains
        assert (chain.chain, chain.key) in ((SITE.chain, SITE.key()), (NEWER.chain, NEWER.key()))


# -- whatever a file holds

SECRET = SITE.key()


def leaks(text: str) -> bool:
    body = b"".join(SECRET.splitlines()[1:-1]).decode()
    return any(body[at : at + 12] in text for at in range(len(body) - 12))


@st.composite
def damaged(draw) -> bytes:
    data = bytearray(SITE.chain + SECRET)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        how = draw(st.sampled_from(("cut", "insert", "flip", "repeat", "move")))
        size = draw(st.integers(1, 200))
        if how == "cut":
            del data[at : at + size]
        elif how == "insert":
            data[at:at] = draw(
                st.binary(max_size=20) | st.sampled_from((b"-----BEGIN ", b"-----END ", b"-----", b"\n", SECRET))
            )
        elif how == "flip" and at < len(data):
            data[at] ^= draw(st.integers(1, 255))
        elif how == "repeat":
            data[at:at] = data[at : at + size]
        else:
            data += data[at : at + size]
            del data[at : at + size]
    return bytes(data)


@pytest.fixture
def declared(tmp_path):
    """Configurations of one file, and of a certificate with its key in another."""
    SITE.write(tmp_path, "site")
    path, found = tmp_path / "site.lua", []
    for text in ('certificate "x.pem"', 'certificate { "x.pem", key = "site.key" }'):
        path.write_text(HEAD + text)
        found.append(evaluate(str(path))[0])
    return found


@settings(examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=damaged(), split=st.booleans())
def test_whatever_a_file_holds_it_is_read_or_refused_and_no_message_has_a_key(declared, tmp_path, content, split):
    (tmp_path / "x.pem").write_bytes(content)
    try:
        reading = read(declared[split], str(tmp_path / "site.lua"))
    except ConfigError as error:
        said = "\n".join(error.messages)
    else:  # a certificate whose signature is not valid can be read, too
        own = x509.load_pem_x509_certificates(keyring(reading).chains[0].chain)[0]
        assert own.public_key() == SITE.certificate.public_key()
        said = "\n".join((*reading.notes, repr(reading.described)))
    assert not leaks(said)


def test_the_check_for_keys_in_messages_can_fail():
    assert leaks(f"key: {SECRET.decode().splitlines()[1][7:40]}")


def test_what_is_watched(tmp_path):
    (tmp_path / "site.lua").write_text(
        HEAD + 'certificate { "a.pem", key = "/k/b.key", password = "c" }\ncertificate "d/*.pem"\n'
        'route { to = "app", client_ca = "e", client_crl = "f" }\n'
        'upstream "x" { "h:1", tls = { ca = "g", crl = "h", certificate = "i", key = "j", password = "k" } }'
    )
    config, _ = evaluate(str(tmp_path / "site.lua"))
    names = ("a.pem", "/k/b.key", "c", "d/*.pem", "e", "f", "g", "h", "i", "j", "k")
    assert watched(config, str(tmp_path / "site.lua")) == tuple(str(tmp_path / name) for name in names)
