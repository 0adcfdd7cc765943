"""Certificates, tickets and OCSP responses change while rsp runs: no reload, no connection that is closed."""

import hashlib
import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
from contextlib import contextmanager

import psutil
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from rsp.supervise import tickets
from rsp.tls import engine
from tests.certificates import authority
from tests.harness import Backend, Rsp, wait_until
from tests.operations.test_upgrade import Upgradable
from tests.over_tls import not_over_tls
from tests.ports import free_port

pytestmark = not_over_tls("the tests are about TLS itself")
resumes = pytest.mark.skipif(not engine.COMPLETE, reason="tickets of rsp's own need the compiled build")

CA = authority()
FIRST, SECOND, THIRD = (CA.issue("example.com", number=number) for number in range(3))
OTHER = CA.issue("other.example")


@pytest.fixture(scope="module")
def backend():
    with Backend() as one:
        yield one


def site(backend, certificate='certificate { "site.pem", key = "site.key" }', extra='reload = { canary = "0s" }'):
    return (
        f'listen "127.0.0.1:{{port}}" {{ tls = true }} {certificate} upstream "app" {{ "{backend.address}" }} '
        f'route {{ to = "app" }} {extra}'
    )


def client(version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


@contextmanager
def connected(port, name="example.com", context=None, session=None):
    with socket.create_connection(("127.0.0.1", port), 20) as sock:
        with (context or client()).wrap_socket(sock, server_hostname=name, session=session) as secure:
            yield secure


def served(port, name="example.com"):
    """The fingerprint of the certificate that a new client gets; empty: none."""
    try:
        with connected(port, name) as secure:
            return hashlib.sha256(secure.getpeercert(binary_form=True)).hexdigest()
    except OSError:
        return ""


def get(secure):
    secure.sendall(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
    data = b""
    while b"\r\n\r\n" not in data:
        part = secure.recv(65536)
        assert part, "rsp has closed the connection"
        data += part
    assert data.startswith(b"HTTP/1.1 200"), data
    return data


def serves(rsp, issued, name="example.com", times=8):
    """Every worker does, as far as so many clients can tell."""
    wait_until(
        lambda: all(served(rsp.port, name) == issued.fingerprint for _ in range(times)),
        f"the certificate {issued.fingerprint[:8]}\n{rsp.log}",
    )


def atomically(directory, issued):
    for end, data in (("pem", issued.chain), ("key", issued.key())):
        (directory / f"new.{end}").write_bytes(data)
    for end in ("pem", "key"):
        (directory / f"new.{end}").rename(directory / f"site.{end}")


def in_place(directory, issued):
    issued.write(directory, "site")


def by_links(directory, issued):
    """As certbot does."""
    archive = directory / "archive"
    archive.mkdir(exist_ok=True)
    issued.write(archive, issued.fingerprint)
    for end in ("pem", "key"):
        link = directory / f"link.{end}"
        link.symlink_to(archive / f"{issued.fingerprint}.{end}")
        link.rename(directory / f"site.{end}")


@pytest.mark.parametrize(
    "replace", [atomically, *(pytest.param(way, marks=pytest.mark.soak) for way in (in_place, by_links))]
)
def test_a_renewed_certificate_is_used_without_a_reload(tmp_path, backend, replace):
    replace(tmp_path, FIRST)
    with Rsp(tmp_path, site(backend), workers=2) as rsp:
        serves(rsp, FIRST)
        with connected(rsp.port) as old:
            get(old)
            for issued in (SECOND, THIRD, FIRST):
                replace(tmp_path, issued)
                serves(rsp, issued)
            get(old)
        assert "Reload" not in rsp.log and "does not fit" not in rsp.log


def test_what_is_not_valid_leaves_the_old_one_in_use_and_is_said_once(tmp_path, backend):
    FIRST.write(tmp_path, "site")
    with Rsp(tmp_path, site(backend), workers=2) as rsp:
        (tmp_path / "site.pem").write_bytes(SECOND.chain)  # the key is still the old one's
        wait_until(lambda: "is not used" in rsp.log, "a line about it")
        serves(rsp, FIRST)
        (tmp_path / "site.key").write_text("neither")
        wait_until(lambda: rsp.log.count("is not used") == 2, "another line")
        serves(rsp, FIRST)
        SECOND.write(tmp_path, "site")
        serves(rsp, SECOND)
        assert rsp.log.count("is not used") == 2


def test_a_file_that_has_vanished_leaves_its_certificate_in_use(tmp_path, backend):
    FIRST.write(tmp_path, "site")
    with Rsp(tmp_path, site(backend)) as rsp:
        (tmp_path / "site.pem").unlink()
        wait_until(lambda: "there is no such file" in rsp.log, "a line about it")
        serves(rsp, FIRST)
        for pid in rsp.workers().values():  # the next one gets it as well
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: "is restarted" in rsp.log, "the next worker")
        serves(rsp, FIRST)
        SECOND.write(tmp_path, "site")
        serves(rsp, SECOND)


def test_files_come_and_go_in_a_folder(tmp_path, backend):
    bundles = tmp_path / "bundles"
    bundles.mkdir()
    FIRST.write(tmp_path, "one").rename(bundles / "a.pem")
    with Rsp(tmp_path, site(backend, 'certificate { "bundles/*.pem" }', "tls = { strict_sni = true }")) as rsp:
        assert served(rsp.port, "other.example") == ""
        OTHER.write(tmp_path, "two").rename(bundles / "b.pem")
        serves(rsp, OTHER, "other.example")
        serves(rsp, FIRST)
        SECOND.write(tmp_path, "one").rename(bundles / "a.pem")
        serves(rsp, SECOND)
        assert served(rsp.port, "other.example") == OTHER.fingerprint


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_files_that_only_root_can_read_are_read_when_they_are_renewed(tmp_path, backend):
    folder = tmp_path / "secret"
    folder.mkdir(mode=0o700)
    FIRST.write(folder, "site")
    text = site(backend, 'certificate { "secret/site.pem", key = "secret/site.key" }', 'user = "nobody"')
    with Rsp(tmp_path, text, workers=2) as rsp:
        assert {psutil.Process(pid).username() for pid in rsp.workers().values()} == {"nobody"}
        serves(rsp, FIRST)
        SECOND.write(folder, "site")
        (folder / "site.key").chmod(0o400)
        serves(rsp, SECOND)
        text = rsp.log
        rsp.reload()
        assert "Reloaded" in rsp.log, text
        serves(rsp, SECOND)


def test_the_worker_on_trial_and_those_that_start_meanwhile_get_the_newest(tmp_path, backend):
    FIRST.write(tmp_path, "site")
    text = site(backend, extra='reload = { canary = "60s" }')
    with Rsp(tmp_path, text, workers=2) as rsp:
        rsp.write(text + "-- changed")
        rsp.signal(signal.SIGHUP)
        wait_until(lambda: rsp.admin("/status")["trial"], "the trial")
        SECOND.write(tmp_path, "site")
        serves(rsp, SECOND, times=16)
        versions = {worker["pid"]: worker["version"] for worker in rsp.admin("/status")["workers"]}
        assert sorted(versions.values()) == [1, 2]
        os.kill(next(pid for pid, version in versions.items() if version == 1), signal.SIGKILL)
        wait_until(lambda: "is restarted" in rsp.log, "the next worker")
        serves(rsp, SECOND, times=16)
        os.kill(next(pid for pid, version in versions.items() if version == 2), signal.SIGKILL)
        wait_until(lambda: "Reload refused" in rsp.log, "the end of the trial")
        THIRD.write(tmp_path, "site")
        serves(rsp, THIRD, times=16)
        rsp.reload(site(backend))
        serves(rsp, THIRD, times=16)


def test_renewals_leave_no_descriptor_open(tmp_path, backend):
    FIRST.write(tmp_path, "site")
    with Rsp(tmp_path, site(backend), workers=2) as rsp:

        def opened():
            master = psutil.Process(rsp.process.pid)
            return {one.pid: one.num_fds() for one in (master, *master.children()) if "rsp:" in " ".join(one.cmdline())}

        serves(rsp, FIRST)
        wait_until(lambda: len(opened()) == 4, "all processes")
        rsp.admin("/status")  # the control process has opened what it needs
        rsp.reload()
        before = opened()
        for issued in (SECOND, THIRD, FIRST):
            issued.write(tmp_path, "site")
            serves(rsp, issued)
        rsp.reload()
        rsp.reload(site(backend, 'certificate { "none.pem" }'))
        assert "Reload refused" in rsp.log
        # One more is what a process opens at its first use; a leak would be one for each of the five.
        wait_until(
            lambda: all(number <= before.get(pid, 0) + 1 for pid, number in opened().items()),
            f"as few descriptors as before: {before}, {opened()}",
        )


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_keys_are_in_the_memory_of_workers_alone(tmp_path, backend):
    FIRST.write(tmp_path, "site")
    with Rsp(tmp_path, site(backend)) as rsp:
        SECOND.write(tmp_path, "site")
        serves(rsp, SECOND)
        secret = SECOND.key().splitlines()[1][:32]
        worker = rsp.workers()[0]
        others = [one.pid for one in psutil.Process(rsp.process.pid).children() if one.pid != worker]
        try:
            assert in_memory(worker, secret), "the test finds nothing"
        except OSError:
            pytest.skip("memory of other processes cannot be read here")
        assert not any(in_memory(pid, secret) for pid in (rsp.process.pid, *others))


def in_memory(pid, secret):
    """Whether the process has ``secret``."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            begin, end, rights = re.match(r"(\w+)-(\w+) (\S+)", line).groups()
            if rights.startswith("rw") and int(end, 16) - int(begin, 16) < 1 << 30:  # counters' memory is sparse
                memory.seek(int(begin, 16))
                try:
                    if secret in memory.read(int(end, 16) - int(begin, 16)):
                        return True
                except OSError:
                    continue
    return False


# -- tickets


class Returning:
    """A client that comes back with the session of its first connection."""

    def __init__(self, port, version):
        self.port = port
        self.context = client(version)
        with connected(port, context=self.context) as secure:
            get(secure)  # what TLS 1.3 sends after the handshake has arrived then
            self.session = secure.session

    def resumed(self, times=16):
        """How often the session was resumed."""
        count = 0
        for _ in range(times):
            with connected(self.port, context=self.context, session=self.session) as secure:
                get(secure)
                count += secure.session_reused
        return count


VERSIONS = [pytest.param(ssl.TLSVersion.TLSv1_2, marks=pytest.mark.soak), ssl.TLSVersion.TLSv1_3]


@resumes
@pytest.mark.parametrize("version", VERSIONS)
def test_sessions_resume_at_every_worker_also_after_reloads_and_kills(tmp_path, backend, version):
    FIRST.write(tmp_path, "site")
    with Rsp(tmp_path, site(backend), workers=3) as rsp:
        one = Returning(rsp.port, version)
        assert one.resumed() == 16
        rsp.reload(site(backend) + "-- changed")
        assert one.resumed() == 16
        workers = set(rsp.workers().values())
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(set(rsp.workers().values()) - workers) == 3, "new workers")
        wait_until(lambda: served(rsp.port), "service")
        assert one.resumed() == 16


@resumes
@pytest.mark.parametrize("version", VERSIONS)
def test_sessions_resume_after_an_upgrade(tmp_path, backend, version):
    FIRST.write(tmp_path, "site")
    with Upgradable(tmp_path, site(backend)) as rsp:
        one = Returning(rsp.port, version)
        assert one.resumed() == 16
        rsp.upgrade()
        assert one.resumed() == 16


@resumes
def test_sessions_end_where_tickets_are_off(tmp_path, backend):
    FIRST.write(tmp_path, "site")
    with Rsp(tmp_path, site(backend, extra="tls = { session_tickets = false }")) as rsp:
        assert Returning(rsp.port, ssl.TLSVersion.TLSv1_2).resumed(4) == 0


@resumes
def test_keys_of_tickets_rotate_and_the_last_one_still_opens(tmp_path, backend, monkeypatch):
    FIRST.write(tmp_path, "site")
    (tmp_path / "quick.py").write_text(
        "import sys, os\n"
        "from rsp.supervise import tickets\n"
        "tickets.LIFETIME = 1e9\n"
        "def rotate(self, now, real=tickets.Tickets.rotate):\n"
        "    if not os.path.exists('rotate'): return False\n"
        "    os.remove('rotate'); print('rotated', file=sys.stderr, flush=True)\n"
        "    return real(self, self.since + 2e9) \n"
        "tickets.Tickets.rotate = rotate\n"
        "from rsp.cli import main\n"
        "sys.exit(main())\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.getcwd()}")
    with Rsp(tmp_path, site(backend), workers=2, program="quick") as rsp:

        def rotate():
            before = rsp.log.count("rotated")
            (tmp_path / "rotate").touch()
            wait_until(lambda: rsp.log.count("rotated") > before, "a rotation")

        one = Returning(rsp.port, ssl.TLSVersion.TLSv1_3)
        rotate()
        assert one.resumed() == 16
        two = Returning(rsp.port, ssl.TLSVersion.TLSv1_3)
        rotate()
        wait_until(lambda: one.resumed(4) == 0, "the end of the first key")
        assert two.resumed() == 16
        rsp.reload()
        assert two.resumed() == 16


def test_a_key_is_known_to_all_long_before_it_is_used():
    made = tickets.Tickets(0.0)
    keys = made.keys
    assert len(set(keys)) == 2 and {len(key) for key in keys} == {tickets.SIZE}
    assert not made.rotate(tickets.LIFETIME - 1) and made.keys == keys
    assert made.rotate(tickets.LIFETIME)
    assert made.keys[0] == keys[1] and made.keys[2] == keys[0] and made.keys[1] not in keys
    heir = tickets.Tickets(tickets.LIFETIME + 5)
    heir.inherit(made.keys, made.since)
    assert heir.keys == made.keys and heir.since == tickets.LIFETIME
    heir.inherit([b"short", b"short"], 0.0)
    assert heir.keys == made.keys


# -- what operators are told


def test_rspctl_lists_certificates(tmp_path, backend):
    soon = CA.issue("soon.example", "www.soon.example", ends=5)
    soon.write(tmp_path, "soon")
    FIRST.write(tmp_path, "site")
    text = site(
        backend,
        'certificate { "site.pem", key = "site.key" }\ncertificate { "soon.bundle.pem" }',
        'route { host = "www.soon.example", to = "app" }',
    )
    with Rsp(tmp_path, text, workers=1) as rsp:
        wait_until(lambda: "expires in" in rsp.log, "a warning")
        warning = r'site.lua:2: certificate "soon.bundle.pem" \(soon.example, www.soon.example\) expires in 5 days, on '
        assert re.search(warning, rsp.log)
        table = rsp.rspctl("certs").stdout.splitlines()
        assert [line.split()[0] for line in table[:3]] == ["names", "example.com", "soon.example"]
        assert "site.lua:2" in table[2] and "www.soon.example" in table[2] and "5 days" in table[2]
        assert "soon.bundle.pem: expires in 5 days: renew it" in table and "site.pem: expires" not in str(table)
        first, second = rsp.admin("/certs")["certificates"]
        assert first["digest"] == FIRST.fingerprint and first["default"] and not second["default"]
        assert second["hosts"] == ["www.soon.example"] and 4.9 < second["days_left"] <= 5
        assert second["listeners"] == first["listeners"] == [f"127.0.0.1:{rsp.port}"]
        assert "2 certificates; the first to expire is for soon.example: 5 days" in rsp.rspctl("status").stdout
        assert FIRST.key().splitlines()[1].decode() not in rsp.rspctl("certs", "--json").stdout
        old = control(rsp)
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: control(rsp) not in (old, None), "the next control process")
        assert len(rsp.admin("/certs")["certificates"]) == 2
        SECOND.write(tmp_path, "site")
        wait_until(lambda: rsp.admin("/certs")["certificates"][0]["digest"] == SECOND.fingerprint, "the new one")
        assert rsp.log.count("expires in") == 1


def control(rsp):
    try:
        return rsp.admin("/status")["control"]["pid"]
    except (OSError, http.client.HTTPException):
        return None


# -- OCSP


class Responder:
    """``openssl ocsp``; ``good`` and ``revoked``: certificates."""

    def __init__(self, directory, port, good=(), revoked=()):
        CA.write(directory / "ca.pem")
        key = CA.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (directory / "ca.key").write_bytes(key)
        lines = [f"V\t300101000000Z\t\t{_serial(one)}\tunknown\t/CN=one" for one in good]
        lines += [f"R\t300101000000Z\t240101000000Z\t{_serial(one)}\tunknown\t/CN=one" for one in revoked]
        (directory / "index.txt").write_text("".join(line + "\n" for line in lines))
        command = [
            "openssl",
            "ocsp",
            "-index",
            "index.txt",
            "-rsigner",
            "ca.pem",
            "-rkey",
            "ca.key",
            "-CA",
            "ca.pem",
            "-ndays",
            "3",
        ]
        with (directory / "responder.log").open("ab") as output:
            self.process = subprocess.Popen(
                [*command, "-port", str(port)], cwd=directory, stdout=output, stderr=subprocess.STDOUT
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def _serial(issued):
    text = f"{issued.certificate.serial_number:X}"
    return "0" * (len(text) % 2) + text


def stapled(port):
    """What a client is told beside the certificate."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "example.com", "-status"]
    said = subprocess.run(command, input=b"", capture_output=True, timeout=20, check=False).stdout.decode()
    if "OCSP response: no response sent" in said:
        return "none"
    found = re.search(r"Cert Status: (\w+)", said)
    return found[1] if found else said


def certificate_with_a_responder(directory, port, **options):
    issued = CA.issue("example.com", responder=f"http://127.0.0.1:{port}/ocsp", **options)
    (directory / "site.pem").write_bytes(issued.chain + CA.pem)
    (directory / "site.key").write_bytes(issued.key())
    return issued


@resumes
def test_ocsp_responses_are_fetched_and_stapled(tmp_path, backend):
    port = free_port()
    issued = certificate_with_a_responder(tmp_path, port)
    with Rsp(tmp_path, site(backend), workers=2) as rsp:

        def all_say(what):
            wait_until(lambda: all(stapled(rsp.port) == what for _ in range(4)), f"{what}\n{rsp.log}")

        wait_until(lambda: "no OCSP response" in rsp.log, "a line about the responder, which does not run yet")
        with Responder(tmp_path, port, good=[issued]):
            all_say("good")
            assert rsp.admin("/certs")["certificates"][0]["ocsp"]["problem"] is None
        rsp.reload()
        assert stapled(rsp.port) == "good"
        old = control(rsp)
        os.kill(old, signal.SIGKILL)  # the next one has no responder to ask, and needs none
        wait_until(lambda: control(rsp) not in (old, None), "the next control process")
        wait_until(lambda: rsp.admin("/certs")["certificates"][0]["ocsp"], "what is known of the response")
        for pid in rsp.workers().values():
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: served(rsp.port), "service")
        all_say("good")
        rsp.reload(site(backend, extra='tls = { stapling = false } reload = { canary = "0s" }'))
        all_say("none")


@resumes
def test_a_revoked_certificate_gets_no_response_and_a_line(tmp_path, backend):
    port = free_port()
    issued = certificate_with_a_responder(tmp_path, port, must_staple=True)
    with Responder(tmp_path, port, revoked=[issued]), Rsp(tmp_path, site(backend)) as rsp:
        wait_until(lambda: "says that the certificate is revoked since 2024-01-01" in rsp.log, f"a line\n{rsp.log}")
        assert "must-staple" in rsp.log
        assert stapled(rsp.port) == "none"
        assert "revoked" in rsp.rspctl("certs").stdout
